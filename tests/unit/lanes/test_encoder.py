"""From a source video to a verified, published and recorded clip; or no output at all."""

from __future__ import annotations

import hashlib
import json
import wave
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn, cast

import anyio
import media
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.events import ClipDone, ClipSplit, EncodeProgress, EncodeStarted, Event
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import (
    Audio,
    Box,
    Clip,
    Crop,
    Deinterlace,
    Interval,
    OutputSettings,
    SceneCuts,
    Video,
)
from hdtf_async.dataset.plan import fingerprint
from hdtf_async.lanes import encoder
from hdtf_async.lanes.cut_plan import plan_cut, verify
from hdtf_async.lanes.encoder import Encoder
from hdtf_async.lanes.order import EncodeCosts
from hdtf_async.lanes.source_videos import SourceVideo
from hdtf_async.media import interlace
from hdtf_async.media.demux import AudioInfo, MediaInfo
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.measurements import Measurements
from hdtf_async.media.probe import Prober
from hdtf_async.media.timeline import Shown
from hdtf_async.output import atomic
from hdtf_async.output.directory import open_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hdtf_async.media.cut import Cut
    from hdtf_async.output.directory import OutputDirectory

VIDEO = Video("RD", "Radio1", "CPCoMyuBRM0", 90)
CLIP = Clip(VIDEO, 0, Interval(1, 2.5), Box(20, 10, 48, 32))
"""Its box is in pixels of half the source video's height."""
FACTS = MediaInfo("h264", 320, 180, 25.0, 1500, 0.0, 60.0, 60.0, "1/12800", step=0.04)


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[OutputDirectory]:
    """Open an output directory."""
    async with open_directory(tmp_path / "out") as directory:
        yield directory


def cutter(
    directory: OutputDirectory,
    prober: Prober,
    *,
    settings: OutputSettings | None = None,
    tool: Path | None = None,
) -> tuple[Encoder, list[Event]]:
    """Return an encoder, and the list that receives its events."""
    emitted: list[Event] = []
    events = EventBus()
    events.subscribe(emitted.append)
    versions = {"hdtf_async": "1", "ffmpeg": "2"}
    return Encoder(
        settings or OutputSettings(), directory, tool or bundled_ffmpeg(), versions, prober, events
    ), emitted


async def raw_of(prober: Prober, path: Path, *clips: Clip, yt_dlp: str | None = "3") -> SourceVideo:
    """Return a source video as the network lane passes it on."""
    raw = await media.raw(prober, path, *clips)
    return replace(raw, format_id="136" if yt_dlp else None, yt_dlp=yt_dlp)


def brightness(frame: media.DecodedFrame) -> float:
    """Return the mean luma of a frame."""
    luma = b"".join(frame.planes[0])
    return sum(luma) / len(luma)


def files(directory: OutputDirectory) -> list[str]:
    """Return the names of the files in an output directory."""
    return sorted(path.name for path in directory.out.iterdir() if path.is_file())


def records(directory: OutputDirectory) -> list[dict[str, object]]:
    """Return the journal."""
    return [json.loads(line) for line in (directory.out / "_journal.jsonl").read_text("utf-8").splitlines()]


# The whole path


async def test_a_clip_is_created_verified_published_and_recorded(
    directory: OutputDirectory, prober: Prober, sources: Path
) -> None:
    """The file matches its record, which contains its source and how it was created."""
    raw = await raw_of(prober, sources / "open_gop.mp4", CLIP)
    settings = OutputSettings(crf=0, preset="ultrafast")
    job, emitted = cutter(directory, prober, settings=settings)
    await job.cut(CLIP, raw)

    assert files(directory) == ["RD_Radio1_000.mp4", "_journal.jsonl"]
    clip = directory.out / "RD_Radio1_000.mp4"
    due = media.decoded(raw.path).within(1, 2.5)
    shown = media.Decoded(clip).frames
    assert [one.planes for one in shown] == [one.cropped(Box(40, 20, 96, 64)) for one in due]

    (record,) = records(directory)
    content = clip.read_bytes()
    assert record["metadata"] == {
        "file_name": "RD_Radio1_000.mp4",
        "subset": "RD",
        "name": "Radio1",
        "index": 0,
        "youtube_id": "CPCoMyuBRM0",
        "start": 1,
        "end": 2.5,
        "source_height": 180,
        "source_width": 320,
        "source_fps": 25.0,
        "format_id": "136",
        "reference_height": 90,
        "box": [20, 10, 48, 32],
        "box_cut": [40, 20, 96, 64],
        "frames": len(due),
        "fps": 25.0,
        "width": 96,
        "height": 64,
        "duration": pytest.approx(len(due) / 25, abs=1e-6),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "scene_cuts": [],
        "scene_cut_scores": [],
        "black": [],
        "frozen": [],
        "letterbox": [0, 0, 0, 0],
        "brightness": pytest.approx(sum(map(brightness, shown[::25])) / 2, abs=0.5),
        "blur": pytest.approx(5, abs=4),
        "fingerprint": fingerprint(CLIP, settings),
        "versions": {"hdtf_async": "1", "ffmpeg": "2", "yt_dlp": "3"},
    }
    assert record["took"] == round(float(f"{record['took']}"), 3)
    assert directory.known.existing_clip(CLIP.stem) is not None
    assert emitted[0] == EncodeStarted(CLIP.stem, 1.5)
    assert all(isinstance(event, EncodeProgress) for event in emitted[1:-1])
    assert isinstance(emitted[-1], ClipDone)
    assert (emitted[-1].clip, emitted[-1].file, emitted[-1].bytes) == (CLIP.stem, clip.name, len(content))


async def test_size_and_rate_are_in_the_clip_and_in_its_record(
    directory: OutputDirectory, prober: Prober, sources: Path
) -> None:
    """From a source video with 29.97 fps."""
    raw = await raw_of(prober, sources / "b_frames.mp4", CLIP, yt_dlp=None)
    job, _ = cutter(directory, prober, settings=OutputSettings(size=128, fps=Fraction(25)))
    corrected = replace(CLIP, correction="verified")
    await job.cut(corrected, raw)
    (record,) = records(directory)
    metadata = record["metadata"]
    assert isinstance(metadata, dict)
    assert (metadata["width"], metadata["height"], metadata["frames"], metadata["fps"]) == (
        192,
        128,
        38,
        25.0,
    )
    assert metadata["source_fps"] == pytest.approx(29.97003)
    assert (metadata["format_id"], metadata["correction"]) == (None, "verified")
    assert "yt_dlp" not in metadata["versions"]


async def test_the_duration_of_an_encode_is_recorded_in_milliseconds(
    directory: OutputDirectory, prober: Prober, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event and the estimates have the exact one."""
    raw = await raw_of(prober, sources / "open_gop.mp4", CLIP)
    job, emitted = cutter(directory, prober, settings=OutputSettings(preset="ultrafast"))
    clock = iter([100.0, 112.34567])
    monkeypatch.setattr(encoder, "anyio", SimpleNamespace(current_time=lambda: next(clock)))
    await job.cut(CLIP, raw)
    (record,) = records(directory)
    assert record["took"] == 12.346
    assert isinstance(emitted[-1], ClipDone)
    assert emitted[-1].took == pytest.approx(12.34567)
    assert emitted[-1].ends_early == 0, "the video has all of its interval"


async def test_the_whole_frame_can_be_used(directory: OutputDirectory, prober: Prober, sources: Path) -> None:
    """The published box is ignored."""
    raw = await raw_of(prober, sources / "open_gop.mp4", CLIP)
    job, _ = cutter(directory, prober, settings=OutputSettings(crop=Crop.NONE))
    await job.cut(CLIP, raw)
    (record,) = records(directory)
    metadata = record["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["box_cut"] == [0, 0, 320, 180]


async def test_an_interval_beyond_the_end_is_shortened(
    directory: OutputDirectory, prober: Prober, sources: Path
) -> None:
    """At the original frame rate and at another one; the missing seconds are recorded, and emitted."""
    clip = replace(CLIP, interval=Interval(1, 6))
    raw = await raw_of(prober, sources / "open_gop.mp4", clip)
    for settings in (OutputSettings(), OutputSettings(fps=Fraction(30000, 1001))):
        job, emitted = cutter(directory, prober, settings=settings)
        await job.cut(clip, raw)
        assert isinstance(emitted[-1], ClipDone)
        assert emitted[-1].ends_early == 2.0
        metadata = records(directory)[-1]["metadata"]
        assert isinstance(metadata, dict)
        assert metadata["frames"] == round(3 * (settings.fps or 25))
        assert metadata["duration"] == pytest.approx(3, abs=0.02)
        assert (metadata["end"], metadata["ends_early"]) == (6, 2.0)


# Errors


def tool(directory: Path, script: str) -> Path:
    """Write a program that imitates ffmpeg; its last argument is the target.

    To detect combing that is "-", and it reports nothing.
    """
    path = directory / "ffmpeg"
    first = 'for target; do :; done\n[ "$target" = - ] && exit 0\ntarget="${target#file:}"'
    path.write_text(f"#!/bin/sh\n{first}\n{script}\n")
    path.chmod(0o755)
    return path


WRONG = {
    "it fails": ('echo half > "$target"; exit 1', Reason.TOOL_FAILED),
    "it finds no room": (
        'echo half > "$target"; echo "Error: No space left on device" >&2; exit 1',
        Reason.DISK_FULL,
    ),
    "it writes nothing": ("exit 0", Reason.CLIP_WRONG),
    "it writes no video": ('echo half > "$target"', Reason.CLIP_WRONG),
    "it writes another video": ('cp "$(dirname "$0")/other.mp4" "$target"', Reason.CLIP_WRONG),
    "it cuts the clip short": ('"$REAL" "$@" && "$REAL" -v error -y -i "$target" -frames:v 9 -c copy '
        '-f mp4 "$target.x"; mv "$target.x" "$target"', Reason.CLIP_WRONG),
}  # fmt: skip


@pytest.mark.parametrize(("script", "reason"), WRONG.values(), ids=WRONG.keys())
async def test_an_invalid_clip_leaves_nothing(  # noqa: PLR0913, PLR0917 - fixtures and parameters
    directory: OutputDirectory,
    prober: Prober,
    sources: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    reason: Reason,
) -> None:
    """Neither a file nor a record; and an existing clip is unchanged."""
    monkeypatch.setenv("REAL", str(bundled_ffmpeg()))
    (tmp_path / "other.mp4").symlink_to(sources / "open_gop.mp4")
    raw = await raw_of(prober, sources / "open_gop.mp4", CLIP)
    directory.clip_path(CLIP).write_bytes(b"from before")
    job, emitted = cutter(directory, prober, tool=tool(tmp_path, script))
    with pytest.raises(Failure) as failure:
        await job.cut(CLIP, raw)
    assert failure.value.reason is reason
    assert files(directory) == ["RD_Radio1_000.mp4", "_journal.jsonl"]
    assert directory.clip_path(CLIP).read_bytes() == b"from before"
    assert records(directory) == []
    assert not any(isinstance(event, ClipDone) for event in emitted)


WAVS = {
    "sample rate": (24000, 1, 2, 24000),
    "channels": (16000, 2, 2, 24000),
    "bytes per sample": (16000, 1, 1, 24000),
    "a sample too few": (16000, 1, 2, 23999),
    "a sample too many": (16000, 1, 2, 24001),
    "no audio": (16000, 1, 2, 0),
    "no WAV": None,
}
"""Sample rate, channels, bytes per sample and samples of a WAV file other than the expected one."""


def write_wav(path: Path, rate: int, channels: int, width: int, samples: int) -> None:
    """Write silence."""
    with wave.open(str(path), "wb") as file:
        file.setframerate(rate)
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.writeframes(bytes(samples * channels * width))


@pytest.mark.parametrize("wrong", WAVS.values(), ids=WAVS.keys())
async def test_a_clip_with_an_invalid_wav_file_leaves_nothing(
    directory: OutputDirectory,
    prober: Prober,
    sources: Path,
    tmp_path: Path,
    wrong: tuple[int, int, int, int] | None,
) -> None:
    """Every property of the WAV file is checked before anything is published."""
    raw = replace(await raw_of(prober, sources / "open_gop.mp4", CLIP), audio=tmp_path / "sound.m4a")
    if wrong is None:
        (tmp_path / "made.wav").write_bytes(b"RIFF")
    else:
        write_wav(tmp_path / "made.wav", *wrong)
    script = 'cp "$(dirname "$0")/made.wav" "$target"'
    job, _ = cutter(directory, prober, settings=OutputSettings(audio=Audio.WAV), tool=tool(tmp_path, script))
    with pytest.raises(Failure, match="WAV") as failure:
        await job.cut(CLIP, raw)
    assert failure.value.reason is Reason.CLIP_WRONG
    assert files(directory) == ["_journal.jsonl"]
    assert records(directory) == []


async def test_a_cancelled_encode_leaves_nothing(
    directory: OutputDirectory, prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """No file and no process, at any stage."""
    raw = await raw_of(prober, sources / "open_gop.mp4", CLIP)
    script = 'echo half > "$target"; echo out_time_us=1; exec sleep 100'
    job, emitted = cutter(directory, prober, tool=tool(tmp_path, script))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(job.cut, CLIP, raw)
        with anyio.fail_after(60):
            while not any(isinstance(event, EncodeProgress) for event in emitted):
                await anyio.sleep(0.005)
        assert "RD_Radio1_000.mp4" in map(atomic.final_name, files(directory))
        tasks.cancel_scope.cancel()
    assert files(directory) == ["_journal.jsonl"]
    assert records(directory) == []


async def test_a_broken_prober_is_not_a_failure_of_the_clip(
    directory: OutputDirectory, prober: Prober, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is another reason, and the temporary file is deleted, too."""
    raw = await raw_of(prober, sources / "open_gop.mp4", CLIP)
    monkeypatch.setattr("hdtf_async.process.supervisor.sys.executable", "/no/python")
    async with Prober() as broken:
        job, _ = cutter(directory, broken)
        with pytest.raises(Failure) as failure:
            await job.cut(CLIP, raw)
    assert failure.value.reason is Reason.TOOL_MISSING
    assert files(directory) == ["_journal.jsonl"]


# The plan of a cut


def raw_with(facts: MediaInfo, clip: Clip, frames: int = 25) -> SourceVideo:
    """Return a source video of which only the properties matter, with frames 0.04 s apart."""
    first, end = max(clip.interval.start, facts.start), clip.interval.end
    before = None if first == facts.start else first - 0.04
    shown = Shown(frames, first if frames else first - 0.04, end - 0.04, before, end, 0.04)
    return SourceVideo(Path("raw.mp4"), "mp4", facts, {clip.stem: shown}, None, None)


@given(
    st.sampled_from([240, 360, 480, 714, 720, 1080, 2160]),
    st.builds(Box, st.integers(0, 400), st.integers(0, 200), st.integers(40, 500), st.integers(40, 500)),
    st.none() | st.integers(8, 512).map(lambda half: 2 * half),
    st.sampled_from(Crop),
)
def test_a_clip_has_even_sides_and_is_inside_its_source_video(
    height: int, box: Box, size: int | None, crop: Crop
) -> None:
    """For any published box and any format."""
    facts = replace(FACTS, width=height * 16 // 9, height=height)
    clip = replace(CLIP, video=replace(VIDEO, reference_height=720), box=box)
    found = plan_cut(clip, raw_with(facts, clip), OutputSettings(size=size, crop=crop))
    assert found.width % 2 == found.height % 2 == 0
    assert found.box.left >= 0
    assert found.box.top >= 0
    assert found.box.right <= facts.width
    assert found.box.bottom <= facts.height
    assert not any(
        number % 2 for number in (found.box.left, found.box.top, found.box.width, found.box.height)
    )
    assert size is None or min(found.width, found.height) == size


def test_a_cut_uses_the_clock_of_its_source_video() -> None:
    """And has the frames that were counted there, unless another rate is requested."""
    found = plan_cut(CLIP, raw_with(FACTS, CLIP, 37), OutputSettings())
    assert (found.time_base, found.frames, found.interval) == (Fraction(1, 12800), 37, CLIP.interval)
    assert plan_cut(CLIP, raw_with(FACTS, CLIP, 37), OutputSettings(fps=Fraction(30))).frames == 45


@pytest.mark.parametrize(
    ("end", "used"),
    [
        (60.0, 60.0),
        (60.015, 60.015),
        (60.03, 60.0),
        (61.0, 60.0),
        (90.0, 60.0),
        (100.0, 60.0),
        (59.99, 59.99),
    ],
)
def test_an_interval_ends_with_its_video(end: float, used: float) -> None:
    """Half a frame is rounding; up to half of the clip may be missing."""
    clip = replace(CLIP, interval=Interval(20, end))
    assert plan_cut(clip, raw_with(FACTS, clip), OutputSettings()).interval == Interval(20, used)


@pytest.mark.parametrize("interval", [Interval(20, 100.1), Interval(60, 61), Interval(1000, 1010)])
def test_half_of_an_interval_must_exist(interval: Interval) -> None:
    """Otherwise the video is not the one that was annotated."""
    clip = replace(CLIP, interval=interval)
    with pytest.raises(Failure) as failure:
        plan_cut(clip, raw_with(FACTS, clip), OutputSettings())
    assert failure.value.reason is Reason.INTERVAL_OUTSIDE
    assert "60.00" in failure.value.words


def test_a_video_of_one_frame_without_duration_does_not_crash() -> None:
    """Its frame rate is 0, and so is its duration."""
    facts = replace(FACTS, frames=1, fps=0.0, start=1.0, end=1.0)
    clip = replace(CLIP, interval=Interval(0.5, 1.25))
    with pytest.raises(Failure, match=r"the video starts at 1\.00 s"):
        plan_cut(clip, raw_with(facts, clip, 1), OutputSettings())


RIGHT = replace(FACTS, width=96, height=64, frames=38, last=1.48, end=1.52)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (replace(RIGHT, frames=37), "37"),
        (replace(RIGHT, frames=39), "39"),
        (replace(RIGHT, width=94), "94"),
        (replace(RIGHT, height=66), "66"),
        (replace(RIGHT, codec="hevc"), "hevc"),
        (replace(RIGHT, fps=29.97), "29.97"),
    ],
)
def test_each_wrong_property_of_a_clip_is_detected(facts: MediaInfo, message: str) -> None:
    """Frames, sides, codec and rate, and the message names it."""
    wanted = plan_cut(CLIP, raw_with(FACTS, CLIP, 37), OutputSettings(fps=Fraction(25)))
    verify(wanted, RIGHT, 38)
    with pytest.raises(Failure) as failure:
        verify(wanted, facts, 38)
    assert failure.value.reason is Reason.CLIP_WRONG
    assert message in failure.value.words
    with pytest.raises(Failure, match="ffmpeg counted 36 frames, expected 38"):
        verify(wanted, RIGHT, 36)


def test_frames_at_wrong_times_are_detected() -> None:
    """Without a requested rate, the times of the first and the last source frame are compared."""
    wanted = plan_cut(CLIP, raw_with(FACTS, CLIP, 37), OutputSettings())
    facts = replace(RIGHT, frames=37, start=0.04, last=1.5, end=1.54)
    verify(wanted, facts, 37)
    with pytest.raises(Failure, match=r"the last frame is off by \+0\.060 s") as failure:
        verify(wanted, replace(facts, last=1.56), 37)
    assert failure.value.reason is Reason.CLIP_WRONG
    with pytest.raises(Failure, match=r"the duration differs by \+0\.400 s from 1\.500 s"):
        verify(wanted, replace(facts, end=1.94), 37)


def test_audio_inside_a_clip_is_as_long_as_its_video() -> None:
    """One AAC frame more or less is rounding, and so is a first packet before the video."""
    raw = replace(raw_with(FACTS, CLIP, 37), audio=Path("sound.m4a"))
    wanted = plan_cut(CLIP, raw, OutputSettings(fps=Fraction(25), audio=Audio.AAC))
    for start, end in ((0.0, 1.52), (0.0, 1.6), (0.0, 1.44), (-0.023, 1.52), (0.2, 1.72)):
        verify(wanted, replace(RIGHT, sound=AudioInfo("aac", 44100, 1, start, end, end)), 38)
    for start, end in ((0.0, 1.63), (0.0, 1.41), (0.2, 1.52), (0.0, 30.0), (0.0, 0.0)):
        with pytest.raises(Failure, match="the audio is") as failure:
            verify(wanted, replace(RIGHT, sound=AudioInfo("aac", 44100, 1, start, end, end)), 38)
        assert failure.value.reason is Reason.CLIP_WRONG


@pytest.mark.parametrize("audio", Audio)
def test_a_clip_has_audio_if_and_only_if_requested(audio: Audio) -> None:
    """A missing audio stream, or an unrequested one, is detected."""
    raw = replace(raw_with(FACTS, CLIP, 37), audio=Path("sound.m4a"))
    wanted = plan_cut(CLIP, raw, OutputSettings(fps=Fraction(25), audio=audio))
    silent, sounding = RIGHT, replace(RIGHT, sound=AudioInfo("aac", 44100, 1, 0.0, 1.52, 1.52))
    right, wrong = (sounding, silent) if audio in {Audio.AAC, Audio.BOTH} else (silent, sounding)
    verify(wanted, right, 38)
    with pytest.raises(Failure, match="unexpected audio") as failure:
        verify(wanted, wrong, 38)
    assert failure.value.reason is Reason.CLIP_WRONG


# Combing and audio


@pytest.mark.parametrize("deinterlace", list(Deinterlace))
@pytest.mark.parametrize("parity", [None, "tff"])
async def test_combing_is_searched_for_only_automatically(  # noqa: PLR0913, PLR0917 - fixtures, parameters
    directory: OutputDirectory,
    prober: Prober,
    sources: Path,
    monkeypatch: pytest.MonkeyPatch,
    deinterlace: Deinterlace,
    parity: str | None,
) -> None:
    """And what is found becomes the parity of the filter and a column of the metadata."""
    looks: list[Path] = []

    async def look(_tool: Path, cut: Cut, _guard: object) -> interlace.Combing:
        looks.append(cut.raw)
        return interlace.Combing(50 if parity else 0, 0, 0 if parity else 50)

    monkeypatch.setattr("hdtf_async.lanes.encoder.interlace.look", look)
    raw = await raw_of(prober, sources / "open_gop.mp4", CLIP)
    job, _ = cutter(directory, prober, settings=OutputSettings(deinterlace=deinterlace, preset="ultrafast"))
    await job.cut(CLIP, raw)
    (record,) = records(directory)
    metadata = record["metadata"]
    assert isinstance(metadata, dict)
    searched = deinterlace is Deinterlace.AUTO
    assert looks == ([raw.path] if searched else [])
    assert metadata.get("deinterlaced") == (parity if searched else None)


def encoding(scene_cuts: SceneCuts = SceneCuts.REPORT) -> Encoder:
    """Return what an encoder needs to judge scene cuts."""
    store, events = SimpleNamespace(known=SimpleNamespace(clips={}), recorded=[]), EventBus()

    async def append(record: dict[str, object]) -> None:
        store.recorded.append(record)

    store.append = append
    parts = SimpleNamespace(
        settings=OutputSettings(scene_cuts=scene_cuts), store=store, events=events, emitted=[], tool=Path(),
        guard=None,
    )  # fmt: skip
    events.subscribe(parts.emitted.append)
    return cast("Encoder", parts)


async def test_clips_with_scene_cuts_are_dropped_on_request() -> None:
    """The message has the first five; without measurements nothing is known."""
    clip = replace(CLIP, interval=Interval(1, 5))
    cut = plan_cut(clip, raw_with(FACTS, clip, 100), OutputSettings())
    assert await Encoder._measured(encoding(), None, cut, Path()) == {}
    for cuts in (0, 1, 6):
        measured = Measurements(48, 32)
        measured.cuts += [(0.25 * (number + 1), 50.0) for number in range(cuts)]
        columns = await Encoder._measured(encoding(), measured, cut, Path())
        assert columns["scene_cuts"] == [0.25 * (number + 1) for number in range(cuts)]
        assert "loudness" not in columns
        if cuts:
            seconds = "0.25" if cuts == 1 else "0.25 s, 0.5 s, 0.75 s, 1 s, 1.25"
            with pytest.raises(Failure) as failed:
                await Encoder._measured(encoding(SceneCuts.DROP), measured, cut, Path())
            assert (failed.value.reason, failed.value.words) == (
                Reason.SCENE_CUT, f"at {seconds} s of the clip",
            )  # fmt: skip
        else:
            assert await Encoder._measured(encoding(SceneCuts.DROP), measured, cut, Path()) == columns


async def test_a_clip_is_split_at_its_scene_cuts_on_request() -> None:
    """Half a frame before the first frame of each scene; its parts come later, and are not split again."""
    clip = replace(CLIP, interval=Interval(1, 5))
    raw = raw_with(FACTS, clip, 100)
    cut = plan_cut(clip, raw, OutputSettings())
    parts = encoding(SceneCuts.SPLIT)
    assert not await Encoder._is_divided(encoding(), clip, cut, [2.0])
    assert not await Encoder._is_divided(parts, clip, cut, [])
    assert not await Encoder._is_divided(parts, replace(clip, segment=0), cut, [2.0])
    assert await Encoder._is_divided(parts, clip, cut, [2.0])
    ((record,),) = [cast("SimpleNamespace", parts).store.recorded]
    assert (record["type"], record["clip"]) == ("cuts", clip.stem)
    assert record["cuts"] == [[pytest.approx(2.98), pytest.approx(2.98)]]
    (event,) = cast("SimpleNamespace", parts).emitted
    assert event == ClipSplit(clip.stem, (2.0,), 2)
    unknown = replace(cut, source=None)
    assert await Encoder._is_divided(parts, clip, unknown, [2.0])
    assert cast("SimpleNamespace", parts).store.recorded[-1]["cuts"] == [[3.0, 3.0]]
    assert cut.source is not None
    held = replace(cut, source=replace(cut.source, first=0.96, held=0.5))
    assert await Encoder._is_divided(parts, clip, held, [2.0])
    assert cast("SimpleNamespace", parts).store.recorded[-1]["cuts"][0][0] == pytest.approx(2.98)
    late = replace(cut, source=replace(cut.source, first=1.5))
    assert await Encoder._is_divided(parts, clip, late, [2.0])
    assert cast("SimpleNamespace", parts).store.recorded[-1]["cuts"][0][0] == pytest.approx(3.48)
    with pytest.raises(Failure, match="of the clip, and every part is shorter than 1 s") as failed:
        await Encoder._is_divided(parts, clip, cut, [0.9, 1.8, 2.7, 3.6])
    assert failed.value.reason is Reason.SCENE_CUT


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize(("partial", "own"), [(False, False), (True, False), (False, True)])
async def test_a_source_video_that_may_be_the_cause_decides_about_a_failure(
    reason: Reason, *, partial: bool, own: bool
) -> None:
    """After a partial file the whole one is downloaded; the user's own file is named, and not replaced."""

    async def fail(*_: object) -> None:
        raise Failure(reason, "why")

    raw = replace(raw_with(FACTS, CLIP, 37), partial=partial, own=own, audio=Path("sound.m4a"))
    with pytest.raises(Failure) as failed:
        await Encoder.cut(cast("Encoder", SimpleNamespace(_cut=fail)), CLIP, raw)
    may_be_partial = {
        Reason.RAW_UNREADABLE, Reason.UNSUPPORTED_SOURCE, Reason.INTERVAL_OUTSIDE, Reason.CLIP_WRONG,
    }  # fmt: skip
    if partial and reason in may_be_partial:
        assert (failed.value.reason, failed.value.words) == (
            Reason.RAW_UNREADABLE, "in a partial source video: why",
        )  # fmt: skip
    elif own and reason is Reason.RAW_UNREADABLE:
        assert (failed.value.reason, failed.value.words) == (
            Reason.RAW_DIR_FILE, "raw.mp4 or sound.m4a: why",
        )  # fmt: skip
    else:
        assert (failed.value.reason, failed.value.words) == (reason, "why")


async def test_a_face_is_required_if_clips_are_cropped_to_it() -> None:
    """A run without a finder is an error of the program, and no clip without a face."""
    cut = plan_cut(CLIP, raw_with(FACTS, CLIP, 37), OutputSettings())
    with pytest.raises(RuntimeError, match="requires a face finder"):
        await Encoder._around_face(
            cast("Encoder", SimpleNamespace(finder=None)), CLIP, raw_with(FACTS, CLIP, 37), cut
        )


async def test_a_wav_file_as_planned_is_published_with_the_clip(
    directory: OutputDirectory, prober: Prober, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 kHz, mono, 16 bit, as long as the frames."""
    monkeypatch.setenv("REAL", str(bundled_ffmpeg()))
    raw = replace(await raw_of(prober, sources / "open_gop.mp4", CLIP), audio=tmp_path / "sound.m4a")
    write_wav(tmp_path / "made.wav", 16000, 1, 2, 24320)  # 38 frames
    script = (
        'case "$*" in *pcm_s16le*) exec cp "$(dirname "$0")/made.wav" "$target";; esac; exec "$REAL" "$@"'
    )
    job, _ = cutter(directory, prober, settings=OutputSettings(audio=Audio.WAV), tool=tool(tmp_path, script))
    await job.cut(CLIP, raw)
    assert files(directory) == ["RD_Radio1_000.mp4", "RD_Radio1_000.wav", "_journal.jsonl"]
    (record,) = records(directory)
    metadata = record["metadata"]
    assert isinstance(metadata, dict)
    content = (directory.out / "RD_Radio1_000.wav").read_bytes()
    assert (metadata["wav"], metadata["wav_samples"]) == ("RD_Radio1_000.wav", 24320)
    assert (metadata["wav_bytes"], metadata["wav_sha256"]) == (
        len(content),
        hashlib.sha256(content).hexdigest(),
    )


async def test_a_clip_with_audio_inside_has_no_wav_file(
    directory: OutputDirectory, prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """Its audio is only measured, in the clip itself."""
    media.ffmpeg(tmp_path, "-v error -f lavfi -i sine=duration=5 -c:a aac sound.m4a")
    raw = replace(await raw_of(prober, sources / "open_gop.mp4", CLIP), audio=tmp_path / "sound.m4a")
    settings = OutputSettings(audio=Audio.AAC, preset="ultrafast")
    job, _ = cutter(directory, prober, settings=settings)
    await job.cut(CLIP, raw)
    assert files(directory) == ["RD_Radio1_000.mp4", "_journal.jsonl"]
    (record,) = records(directory)
    metadata = record["metadata"]
    assert isinstance(metadata, dict)
    assert "wav" not in metadata
    assert metadata["loudness"] == pytest.approx(-21, abs=2)


def test_an_impossible_clip_is_expected_to_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails at once, so its place in the order does not matter."""

    def refuse(*_: object) -> NoReturn:
        raise Failure(Reason.BOX_DOES_NOT_FIT)

    monkeypatch.setattr(encoder, "plan_cut", refuse)
    parts = SimpleNamespace(settings=OutputSettings(), costs=EncodeCosts())
    clip, raw = SimpleNamespace(stem="a"), SimpleNamespace(of=lambda _stem: None)
    estimate = Encoder.estimate(cast("Encoder", parts), cast("Clip", clip), cast("SourceVideo", raw))
    assert estimate() == 0
