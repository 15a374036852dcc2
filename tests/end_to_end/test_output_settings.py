"""The main job with the output settings of training code: with audio, in pieces, lossless."""

from __future__ import annotations

import shutil
import wave
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import av
import media
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared import QUICK, copy_raws, lines

import hdtf_async
from hdtf_async import ExitCode, FormError, demo
from hdtf_async.core.model import Audio, Box, Clip, Codec, Deinterlace, Interval, Video

if TYPE_CHECKING:
    from pathlib import Path

    from shared import Finished

CLIP = Clip(Video("RD", "Radio1", "CPCoMyuBRM0", 720), 0, Interval(0, 10), Box(0, 0, 8, 8))
RADIO = "RD_Radio1_000"


async def fetched(site: demo.LightMock, since: int) -> list[str]:
    """Return the itags of the formats that were requested since then."""
    requests = (await site.requests())[since:]
    asked = [urlsplit(request["path"]) for request in requests if request["method"] == "GET"]
    return sorted(
        itag for one in asked for itag in [*parse_qs(one.query).get("itag", []), *_numbers(one.path)]
    )


def _numbers(path: str) -> list[str]:
    stem = path.rpartition("/")[2].partition(".")[0]
    return [stem] if stem.isdigit() else []


@pytest.mark.slow
async def test_audio_that_is_requested_later_is_downloaded_alone(
    finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """The kept video is used again; the next settings need no network; without audio no track is left."""
    out = tmp_path / "clips"
    shutil.copytree(finished.out, out)
    since = len(await site.requests())
    options = replace(
        finished.options, subsets=("RD",), videos=("Radio1",), audio=Audio.BOTH, fps=Fraction(25),
        recut=True, **QUICK,
    )  # fmt: skip
    # Other clips of the directory would have other settings.
    for path in out.glob("*.mp4"):
        if not path.name.startswith("RD_Radio1_"):
            path.unlink()
    report = await hdtf_async.download(out, options)
    assert (report.exit_code, sorted(report.done)) == (ExitCode.DONE, [RADIO, "RD_Radio1_001"])
    assert await fetched(site, since) == ["140"]
    assert (out / "_videos_raw" / "RD_Radio1.m4a").is_file()

    line = next(line for line in lines(out / "metadata.jsonl") if line["file_name"] == f"{RADIO}.mp4")
    assert (line["wav"], line["wav_samples"]) == (f"{RADIO}.wav", 640 * line["frames"])
    assert (line["sound_codec"], line["sound_format_id"]) == ("aac", "140")
    assert (out / line["wav"]).stat().st_size == line["wav_bytes"]
    with wave.open(str(out / line["wav"])) as wav:
        assert wav.getnframes() == line["wav_samples"]
    with av.open(str(out / f"{RADIO}.mp4")) as clip:
        assert [stream.type for stream in clip.streams] == ["video", "audio"]

    first = (out / line["wav"]).read_bytes(), (out / f"{RADIO}.mp4").read_bytes()
    (out / line["wav"]).unlink()
    offline = replace(options, yt_dlp_args=("--never-asked",), recut=False)
    report = await hdtf_async.download(out, offline)
    assert report.done == [RADIO]
    assert ((out / line["wav"]).read_bytes(), (out / f"{RADIO}.mp4").read_bytes()) == first

    report = await hdtf_async.download(out, replace(offline, audio=Audio.NONE, recut=True))
    assert report.exit_code == ExitCode.DONE
    assert not list(out.glob("*.wav"))
    with av.open(str(out / f"{RADIO}.mp4")) as clip:
        assert [stream.type for stream in clip.streams] == ["video"]


@pytest.mark.slow
async def test_video_and_audio_are_downloaded_together(
    finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """Each once, into separate files; --no-keep-raw deletes both."""
    since = len(await site.requests())
    options = replace(finished.options, videos=("Radio2",), audio=Audio.WAV, keep_raw=False, **QUICK)
    report = await hdtf_async.download(tmp_path / "clips", options)
    assert report.exit_code == ExitCode.DONE
    assert "140" in await fetched(site, since)
    assert len(await fetched(site, since)) == 2
    left = {path.name for path in (tmp_path / "clips" / "_videos_raw").iterdir()}
    assert left == {"RD_Radio2_download_log.txt"}
    (line,) = lines(tmp_path / "clips" / "metadata.jsonl")
    assert "sound_codec" not in line
    assert abs(line["wav_samples"] / 16000 - line["duration"]) < 0.05


@pytest.mark.slow
async def test_clips_are_divided_into_pieces(finished: Finished, tmp_path: Path) -> None:
    """Each has a line of metadata; together they have every frame of the whole clip exactly once."""
    out = tmp_path / "clips"
    copy_raws(finished, out, "RD_Radio1")
    options = replace(
        finished.options, videos=("Radio1",), segment=2.5, yt_dlp_args=("--never-asked",), **QUICK
    )
    report = await hdtf_async.download(out, options)
    metadata = lines(out / "metadata.jsonl")
    pieces = [line for line in metadata if line["index"] == 1]
    assert report.exit_code == ExitCode.DONE
    assert [line["file_name"] for line in pieces] == [f"RD_Radio1_001_s{number:03d}.mp4" for number in (0, 1)]
    assert [(line["start"], line["end"], line["segment"]) for line in pieces] == [(7, 9.5, 0), (9.5, 13, 1)]
    whole = next(
        line for line in lines(finished.out / "metadata.jsonl") if line["file_name"] == "RD_Radio1_001.mp4"
    )
    assert sum(line["frames"] for line in pieces) == whole["frames"]
    assert (await hdtf_async.download(out, options)).there == report.asked


@pytest.mark.slow
@pytest.mark.parametrize(("part", "start"), [("first", 7), ("middle", 9)])
async def test_clips_are_shortened(finished: Finished, tmp_path: Path, part: str, start: float) -> None:
    """The frames are those of the source in this part of the interval; another run finds the clips."""
    out = tmp_path / "clips"
    copy_raws(finished, out, "RD_Radio1")
    options = replace(
        finished.options, videos=("Radio1",), yt_dlp_args=("--never-asked",), **QUICK | {part: 2}
    )
    report = await hdtf_async.download(out, options)
    assert report.exit_code == ExitCode.DONE
    line = next(line for line in lines(out / "metadata.jsonl") if line["index"] == 1)
    assert (line["file_name"], line["start"], line["end"]) == ("RD_Radio1_001.mp4", start, start + 2)
    raw = media.Decoded(out / "_videos_raw" / "RD_Radio1.mp4").within(start, start + 2)
    assert line["frames"] == len(raw) == len(media.Decoded(out / "RD_Radio1_001.mp4").frames)
    assert (await hdtf_async.download(out, options)).there == report.asked
    with pytest.raises(FormError, match=f"{part} "):
        await hdtf_async.download(out, replace(options, **{part: 3}))  # type: ignore[arg-type]


@pytest.mark.slow
async def test_a_lossless_clip_has_every_sample_of_its_source(finished: Finished, tmp_path: Path) -> None:
    """Decoders of H.264 with the widest profile can play it."""
    out = tmp_path / "clips"
    copy_raws(finished, out, "RD_Radio2")
    options = replace(
        finished.options, videos=("Radio2",), codec=Codec.LOSSLESS, preset="ultrafast",
        deinterlace=Deinterlace.OFF, yt_dlp_args=("--never-asked",),
    )  # fmt: skip
    assert (await hdtf_async.download(out, options)).exit_code == ExitCode.DONE
    (line,) = lines(out / "metadata.jsonl")
    raw = media.Decoded(out / "_videos_raw" / "RD_Radio2.mp4").within(line["start"], line["end"])
    box = Box(*line["box_cut"])
    clip = media.Decoded(out / line["file_name"]).frames
    assert len(clip) == len(raw)
    assert all(one.planes == other.cropped(box) for one, other in zip(clip[::25], raw[::25], strict=True))


@given(
    start=st.integers(0, 10**6).map(lambda number: number / 1000),
    length=st.integers(1, 500_000).map(lambda number: number / 1000),
    seconds=st.integers(1000, 60_000).map(lambda number: number / 1000),
)
def test_pieces_cover_the_clip_and_none_is_tiny(start: float, length: float, seconds: float) -> None:
    """Consecutive from start to end, each of the requested length except the last."""
    whole = replace(CLIP, interval=Interval(start, round(start + length, 3)))
    pieces = whole.divided(seconds)
    bounds = [piece.interval for piece in pieces]
    assert (bounds[0].start, bounds[-1].end) == (whole.interval.start, whole.interval.end)
    assert all(one.end == other.start for one, other in pairwise(bounds))
    assert [piece.segment for piece in pieces] == list(range(len(pieces)))
    assert all(abs(bound.seconds - seconds) < 1e-6 for bound in bounds[:-1])
    assert bounds[-1].seconds < 1.5 * seconds + 1e-6
    if len(pieces) > 1:
        assert bounds[-1].seconds > 0.5 * seconds - 1e-6
    assert len({piece.stem for piece in pieces}) == len(pieces)


@pytest.mark.parametrize("seconds", [10, 12, 20, None])
def test_a_short_clip_is_one_piece(seconds: float | None) -> None:
    """An undivided clip keeps its name."""
    (piece,) = CLIP.divided(seconds)
    assert piece.interval == CLIP.interval
    assert piece.stem == (RADIO if seconds is None else f"{RADIO}_s000")
