"""The columns about a clip that follow from its row, its source video and its cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hdtf_async.core.model import Audio, Box, Clip, Interval, OutputSettings, Video
from hdtf_async.lanes.clip_metadata import metadata_of
from hdtf_async.lanes.cut_plan import plan_cut
from hdtf_async.lanes.source_videos import SourceVideo
from hdtf_async.media.demux import AudioInfo, MediaInfo
from hdtf_async.media.timeline import Shown
from hdtf_async.youtube.tracks import Track

CLIP = Clip(Video("RD", "Radio1", "CPCoMyuBRM0", 180), 3, Interval(1, 2), Box(20, 10, 48, 32))
SOURCE = MediaInfo("h264", 320, 180, 25.0, 1500, 0.0, 60.0, 60.0, "1/12800", step=0.04)
CUT = MediaInfo("h264", 48, 32, 25.0, 25, 0.0, 1.0, 1.0, "1/12800", step=0.04)
SHOWN = Shown(25, 1.0, 1.96, 0.96, 2.0, 0.04)


def metadata(
    clip: Clip = CLIP, shown: Shown = SHOWN, settings: OutputSettings | None = None, **raw: Any
) -> dict[str, Any]:
    """Return the columns of a clip of this source video."""
    source = SourceVideo(Path("raw.mp4"), "mp4", SOURCE, {clip.stem: shown}, "136", "3", **raw)
    cut = plan_cut(clip, source, settings or OutputSettings())
    return metadata_of(clip, source, cut, CUT)


def test_an_ordinary_clip_has_no_further_columns() -> None:
    """Each of the others says something that is not usual."""
    found = metadata()
    assert found == {
        "file_name": "RD_Radio1_003.mp4", "subset": "RD", "name": "Radio1", "index": 3,
        "youtube_id": "CPCoMyuBRM0", "start": 1, "end": 2, "source_height": 180, "source_width": 320,
        "source_fps": 25.0, "format_id": "136", "reference_height": 180, "box": [20, 10, 48, 32],
        "box_cut": [20, 10, 48, 32], "frames": 25, "fps": 25.0, "width": 48, "height": 32, "duration": 1.0,
    }  # fmt: skip
    assert next(iter(found)) == "file_name"


def test_segment_deinterlacing_shape_and_correction_are_columns() -> None:
    """Only where they apply; a segment may have the number 0."""
    clip = replace(CLIP, segment=0, correction="verified")
    source = SourceVideo(Path("raw.mp4"), "mp4", SOURCE, {clip.stem: SHOWN}, "136", "3", stretched_ratio=1.25)
    cut = replace(plan_cut(clip, source, OutputSettings()), parity="tff", hdr="smpte2084")
    found = metadata_of(clip, source, cut, CUT)
    assert {key: found[key] for key in found.keys() - metadata().keys()} == {
        "segment": 0, "deinterlaced": "tff", "tone_mapped": "smpte2084", "stretched_ratio": 1.25,
        "correction": "verified",
    }  # fmt: skip


def test_a_held_frame_is_recorded_with_its_seconds() -> None:
    """If no frame starts at the start of the interval, the one before it is shown that long."""
    found = metadata(shown=Shown(20, 1.2000004, 1.96, 0.96, 2.0, 0.04))
    assert found["held_at_start"] == 0.2
    assert "held_at_start" not in metadata()


def test_missing_parts_of_the_interval_are_recorded() -> None:
    """In seconds, at either end."""
    late = replace(SOURCE, start=1.3)
    shown = Shown(18, 1.3, 1.96, None, 2.0, 0.04)
    source = SourceVideo(Path("raw.mp4"), "mp4", late, {CLIP.stem: shown}, None, None)
    found = metadata_of(CLIP, source, plan_cut(CLIP, source, OutputSettings()), CUT)
    assert (found["starts_late"], found.get("ends_early")) == (0.3, None)
    early = replace(SOURCE, end=1.75, frames=44)
    shown = Shown(18, 1.0, 1.72, 0.96, 1.75, 0.04)
    source = SourceVideo(Path("raw.mp4"), "mp4", early, {CLIP.stem: shown}, None, None)
    found = metadata_of(CLIP, source, plan_cut(CLIP, source, OutputSettings()), CUT)
    assert (found["ends_early"], found.get("starts_late")) == (0.25, None)


@pytest.mark.parametrize("track", [None, Track("en", True)])
def test_audio_is_described_by_its_track_and_by_the_clip(track: Track | None) -> None:
    """Format and language from YouTube; codec, rate and channels from the clip."""
    audio: dict[str, Any] = {
        "audio": Path("raw.m4a"),
        "audio_format_id": "140",
        "audio_track": 1,
        "track": track,
    }
    found = metadata(settings=OutputSettings(audio=Audio.WAV), **audio)
    language = (None, None) if track is None else ("en", True)
    assert (found["sound_format_id"], found["audio_stream"]) == ("140", 1)
    assert (found["audio_language"], found["audio_original"]) == language
    assert "sound_codec" not in found
    with_sound = replace(CUT, sound=AudioInfo("aac", 44100, 2, 0.0, 1.0, 1.0))
    source = SourceVideo(Path("raw.mp4"), "mp4", SOURCE, {CLIP.stem: SHOWN}, "136", "3", **audio)
    cut = plan_cut(CLIP, source, OutputSettings(audio=Audio.AAC))
    columns = metadata_of(CLIP, source, cut, with_sound)
    assert (columns["sound_codec"], columns["sound_rate"], columns["sound_channels"]) == ("aac", 44100, 2)
