"""The original audio track gets into the clips through the real yt-dlp and ffmpeg, and is recorded."""

from __future__ import annotations

import json
import os
import shlex
import wave
from array import array
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import av
import pytest
import scenarios
from scenarios import H264, MUXED, OPUS, SOUND, Outcome, Scenario
from shared import QUICK

import hdtf_async
from hdtf_async import ExitCode, Options, Reason, demo
from hdtf_async.core.events import FormatChosen
from hdtf_async.core.model import Audio
from hdtf_async.demo import Answer, Offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

DUBBED, UNMARKED, PLAIN = "dubbedVid_1", "unmarked__1", "plainVideo1"
INSIDE, DUB_INSIDE, ONLY_DUBS = "muxedVideo1", "dubInside_1", "onlyDubs__1"
CLIP = "RD_Dubbedvid_1_000"


def track(code: str, name: str, *, default: bool = False, **more: object) -> dict[str, object]:
    """Return the fields with which YouTube identifies the audio track of a format."""
    return {"audioTrack": {"id": code, "displayName": name, "audioIsDefault": default}} | more


ANSWERS = {
    DUBBED: Answer(
        offers=(
            Offer(H264),
            Offer(SOUND, track("de.10", "German", default=True, averageBitrate=256_000)),
            Offer(SOUND, track("en-US.4", "English (United States) original", isDrc=True)),
            Offer(SOUND, track("en-US.2", "English descriptive")),
            Offer(SOUND, track("en-US.4", "English (United States) original", averageBitrate=48_000)),
            Offer(
                OPUS, track("en-US.4", "English (United States) original"), xtags="acont=original:lang=en-US"
            ),
            Offer(OPUS, track("fr.10", "French"), xtags="acont=dubbed-auto:lang=fr"),
        )
    ),
    UNMARKED: Answer(
        offers=(
            Offer(H264),
            Offer(OPUS, track("fr.3", "French")),
            Offer(SOUND, track("de.3", "German", default=True)),
        )
    ),
    PLAIN: Answer(offers=(Offer(H264), Offer(SOUND))),
    INSIDE: Answer(
        offers=(
            Offer(MUXED, track("de.10", "German", default=True, averageBitrate=900_000)),
            Offer(MUXED, track("ja.4", "Japanese original")),
            Offer(SOUND, track("de.10", "German", default=True)),
        )
    ),
    DUB_INSIDE: Answer(
        offers=(
            Offer(MUXED, track("de.10", "German", default=True)),
            Offer(SOUND, track("ja.4", "Japanese original")),
        )
    ),
    ONLY_DUBS: Answer(
        offers=(
            Offer(H264),
            Offer(MUXED, track("de.10", "German"), xtags="acont=dubbed-auto:lang=de"),
            Offer(SOUND, track("fr.10", "French dubbed-auto")),
        )
    ),
}


@dataclass(frozen=True)
class Place:
    """A mock server and the options of a run against it."""

    site: demo.LightMock
    options: Options

    async def run(
        self, out: Path, youtube_id: str, **other: Any
    ) -> tuple[dict[str, Any], list[FormatChosen]]:
        """Run the main job for one video; return the metadata of its clip and which formats were chosen."""
        options = replace(self.options, videos=(youtube_id.title(),), **other)
        async with hdtf_async.running(out, options) as events:
            chosen = [event async for event in events if isinstance(event, FormatChosen)]
        assert events.report is not None
        assert events.report.exit_code == ExitCode.DONE, events.report.failed
        (line,) = (out / "metadata.jsonl").read_text().splitlines()
        metadata: dict[str, Any] = json.loads(line)
        return metadata, chosen


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """Serve the film of the scenarios under the ids of these tests."""
    directory = tmp_path_factory.mktemp("audio")
    footage, films = directory / "footage", directory / "films"
    await scenarios.render(footage)
    films.mkdir()
    for youtube_id in ANSWERS:
        (films / youtube_id).symlink_to(footage / scenarios.FILM.youtube_id)
    rows = [(youtube_id, Outcome(Scenario(youtube_id, Answer(), "134"))) for youtube_id in ANSWERS]
    scenarios.write_tables(directory / "tables", rows)
    async with demo.light_mock(films, ANSWERS) as site:
        options = Options(
            source=directory / "tables", pace=0.0, audio=Audio.BOTH, **QUICK,
            yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)),
        )  # fmt: skip
        with patch.dict(os.environ, site.environment):
            yield Place(site, options)


def audio_fields(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata's fields about the audio's origin."""
    names = ("audio_language", "audio_original", "audio_guessed")
    return {name: metadata[name] for name in names if name in metadata}


def loudest(wav: Path) -> int:
    """Return the largest sample of a 16-bit WAV file."""
    with wave.open(str(wav)) as opened:
        samples: array[int] = array("h", opened.readframes(opened.getnframes()))
    return max(map(abs, samples))


def records(out: Path) -> Iterator[dict[str, Any]]:
    """Return the records of a journal."""
    return map(json.loads, (out / "_journal.jsonl").read_text().splitlines())


@pytest.mark.slow
async def test_the_original_opus_track_of_a_dubbed_video_gets_into_the_clip(
    place: Place, tmp_path: Path
) -> None:
    """As AAC in the clip and as separate WAV; a later run from the kept files records the same."""
    out = tmp_path / "clips"
    metadata, (chosen,) = await place.run(out, DUBBED)
    assert audio_fields(metadata) == {"audio_language": "en-US", "audio_original": True}
    assert metadata["sound_format_id"].startswith("251-")
    assert (chosen.sound_format_id, chosen.audio_language) == (metadata["sound_format_id"], "en-US")
    assert (chosen.audio_original, chosen.audio_guessed) == (True, False)
    assert ("140-drc", "a dubbed track") not in chosen.refused
    assert [why for name, why in chosen.refused if "track" in why].count("a dubbed track") == 2
    assert (out / "_videos_raw" / "RD_Dubbedvid_1.weba").is_file()

    assert loudest(out / f"{CLIP}.wav") > 1000
    with av.open(str(out / f"{CLIP}.mp4")) as clip:
        assert clip.streams.audio[0].codec_context.name == "aac"
        samples = array("f", b"".join(bytes(frame.planes[0]) for frame in clip.decode(audio=0)))
    assert max(map(abs, samples)) > 1000 / 32768

    again, chosen_again = await place.run(out, DUBBED, size=48, recut=True, yt_dlp_args=("--never-asked",))
    assert (audio_fields(again), again["sound_format_id"]) == (
        audio_fields(metadata),
        metadata["sound_format_id"],
    )
    assert not chosen_again

    old = [{name: record[name] for name in record if name != "audio"} for record in records(out)]
    (out / "_journal.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in old))
    older, _ = await place.run(out, DUBBED, size=32, recut=True, yt_dlp_args=("--never-asked",))
    assert audio_fields(older) == {"audio_language": None, "audio_original": None}


@pytest.mark.slow
async def test_a_guess_is_recorded(place: Place, tmp_path: Path) -> None:
    """Several languages, none marked as the original: the default is used, and the metadata say so."""
    metadata, (chosen,) = await place.run(tmp_path / "clips", UNMARKED)
    assert audio_fields(metadata) == {"audio_language": "de", "audio_original": None, "audio_guessed": True}
    assert (chosen.audio_language, chosen.audio_original, chosen.audio_guessed) == ("de", None, True)


@pytest.mark.slow
async def test_no_origin_is_recorded_for_a_single_unmarked_track(place: Place, tmp_path: Path) -> None:
    """Nor without requested audio."""
    metadata, (chosen,) = await place.run(tmp_path / "clips", PLAIN)
    assert audio_fields(metadata) == {"audio_language": None, "audio_original": None}
    assert (chosen.audio_language, chosen.audio_original, chosen.audio_guessed) == (None, None, False)
    metadata, (chosen,) = await place.run(tmp_path / "silent", DUBBED, audio=Audio.NONE)
    assert audio_fields(metadata) == {}
    assert (chosen.audio_language, chosen.audio_original, chosen.audio_guessed) == (None, None, False)


@pytest.mark.slow
async def test_the_original_in_a_muxed_format_is_used(place: Place, tmp_path: Path) -> None:
    """Where only dubs are offered as audio-only formats; a later run from the kept video records the same."""
    out = tmp_path / "clips"
    metadata, (chosen,) = await place.run(out, INSIDE)
    assert audio_fields(metadata) == {"audio_language": "ja", "audio_original": True}
    assert metadata["sound_format_id"] == metadata["format_id"] == chosen.format_id
    assert (chosen.sound_format_id, chosen.audio_language, chosen.audio_original) == (None, "ja", True)
    again, chosen_again = await place.run(out, INSIDE, size=48, recut=True, yt_dlp_args=("--never-asked",))
    assert audio_fields(again) == audio_fields(metadata)
    assert again["sound_format_id"] == metadata["sound_format_id"]
    assert not chosen_again


@pytest.mark.slow
async def test_a_dub_in_a_kept_video_is_not_used(place: Place, tmp_path: Path) -> None:
    """A run without audio may choose it for its video; a run with audio then downloads the original alone."""
    out = tmp_path / "clips"
    metadata, (chosen,) = await place.run(out, DUB_INSIDE, audio=Audio.NONE)
    assert (metadata["format_id"], chosen.sound_format_id) == ("18", None)
    metadata, (chosen,) = await place.run(out, DUB_INSIDE, audio=Audio.WAV, recut=True)
    assert (metadata["format_id"], metadata["sound_format_id"]) == ("18", "140")
    assert audio_fields(metadata) == {"audio_language": "ja", "audio_original": True}
    fetched = [line for line in await place.site.requests() if line["video"] == DUB_INSIDE and line["range"]]
    assert sum("itag=18&" in line["path"] for line in fetched) == 1


@pytest.mark.slow
async def test_dubs_alone_count_as_no_audio(place: Place, tmp_path: Path) -> None:
    """The failure says so; a clip without audio is still available."""
    options = replace(place.options, videos=(ONLY_DUBS.title(),))
    report = await hdtf_async.download(tmp_path / "clips", options)
    assert report.failed == {"RD_Onlydubs__1_000": Reason.NO_SOUND}
    (failure,) = (tmp_path / "clips" / "failures.jsonl").read_text().splitlines()
    assert json.loads(failure)["words"] == "only dubbed audio is offered"
    metadata, _ = await place.run(tmp_path / "silent", ONLY_DUBS, audio=Audio.NONE)
    assert metadata["format_id"] == "134"
