"""Where the limits are by which a clip is planned and checked: of frames that come late, ends, and sizes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Box, Clip, Crop, Hdr, Interval, OutputSettings, Video
from hdtf_async.lanes.cut_plan import plan_cut, verify
from hdtf_async.lanes.source_videos import SourceVideo
from hdtf_async.media.cut import Cut
from hdtf_async.media.demux import AudioInfo, MediaInfo
from hdtf_async.media.framing import Part
from hdtf_async.media.timeline import Shown

CLIP = Clip(Video("RD", "Radio1", "CPCoMyuBRM0", 90), 0, Interval(10.0, 12.0), Box(20, 10, 48, 32))
FACTS = MediaInfo("h264", 320, 180, 25.0, 1500, 0.0, 60.0, 60.0, "1/12800", step=0.04)
SHOWN = Shown(50, 10.0, 11.96, before=9.96, until=12.0, stored=0.04)


def planned(
    shown: Shown = SHOWN,
    *,
    clip: Clip = CLIP,
    settings: OutputSettings | None = None,
    raw: dict[str, Any] | None = None,
    **facts: Any,
) -> Cut:
    """Plan a cut from a raw at 25 frames per second, or as it is told."""
    source = SourceVideo(Path("raw.mp4"), "mp4", replace(FACTS, **facts), {clip.stem: shown}, "136", None)
    return plan_cut(clip, replace(source, **raw or {}), settings or OutputSettings())


# The first frame


@pytest.mark.parametrize(
    ("step", "first", "held"),
    [
        (0.04, 10.0599, 0.0),
        (0.04, 10.0601, 0.0601),
        (0.0625, 10.09375, 0.0),
        (0.2, 10.1, 0.0),
        (0.2, 10.11, 0.11),
        (4.0, 10.11, 0.11),
    ],
)
def test_a_first_frame_that_comes_late_has_the_one_before_held(
    step: float, first: float, held: float
) -> None:
    """By more than one and a half times the usual distance, or a tenth of a second."""
    cut = planned(replace(SHOWN, frames=49, first=first), step=step)
    assert cut.source is not None
    assert cut.source.held == pytest.approx(held)
    assert cut.frames == 49 + (held > 0)
    assert cut.source.first == (9.96 if held else first)


def test_without_a_frame_before_nothing_is_held() -> None:
    """The clip then begins with its first frame."""
    cut = planned(replace(SHOWN, frames=40, first=10.4, before=None))
    assert cut.source is not None
    assert (cut.source.held, cut.frames, cut.source.first) == (0.0, 40, 10.4)


def test_an_interval_between_two_frames_shows_the_one_before_it() -> None:
    """From its start to its end."""
    cut = planned(Shown(0, 9.0, 9.0, before=9.0, until=13.0, stored=4.0), step=4.0)
    assert cut.source is not None
    assert (cut.frames, cut.source.first, cut.source.held, cut.seconds) == (1, 9.0, 2.0, 2.0)
    assert cut.hold == 2.0


# The end


@pytest.mark.parametrize(
    ("until", "seconds"), [(12.0, 2.0), (12.09375, 2.09375), (12.094, 2.0), (11.9, 1.9), (14.0, 2.0)]
)
def test_the_last_frame_ends_with_the_interval_or_a_moment_later(until: float, seconds: float) -> None:
    """With the next frame, if that comes within one and a half times the usual distance."""
    assert planned(replace(SHOWN, until=until), step=0.0625).seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("stored", "hold"),
    [(0.0625, None), (0.046875, None), (0.0468, 0.0625), (0.078125, None), (0.0782, 0.0625)],
)
def test_the_last_frame_is_held_where_the_file_states_another_duration(
    stored: float, hold: float | None
) -> None:
    """By more than a quarter of a frame; another rate makes new frames anyway."""
    shown = replace(SHOWN, last=11.9375, stored=stored)
    assert planned(shown, step=0.0625).hold == hold
    assert planned(shown, step=0.0625, settings=OutputSettings(fps=Fraction(30))).hold is None


def test_in_a_slide_show_a_quarter_of_a_tenth_of_a_second_is_near() -> None:
    """Frames that are seconds apart do not make it longer."""
    assert planned(replace(SHOWN, stored=0.0649), step=4.0).hold is None
    assert planned(replace(SHOWN, stored=0.0651), step=4.0).hold == pytest.approx(0.04)


# The interval


@pytest.mark.parametrize(
    ("frames", "end", "used"),
    [(191, 11.96875, 12.0), (191, 11.9687, 11.9687), (15, 11.951, 12.0), (15, 11.949, 11.949)],
)
def test_a_video_may_end_half_a_frame_before_the_interval(frames: int, end: float, used: float) -> None:
    """Or a twentieth of a second, where its frames are further apart."""
    cut = planned(start=0.03125, end=end, frames=frames)
    assert cut.interval == Interval(10.0, used)


@pytest.mark.parametrize(
    ("step", "start", "used"),
    [(0.0625, 10.21875, 10.0), (0.0625, 10.219, 10.219), (4.0, 10.349, 10.0), (4.0, 10.351, 10.351)],
)
def test_a_video_may_begin_some_frames_after_the_interval(step: float, start: float, used: float) -> None:
    """As late as B-frames have others wait, where nothing is before the first one."""
    cut = planned(replace(SHOWN, before=None, first=start), start=start, step=step)
    assert cut.interval == Interval(used, 12.0)
    assert planned(replace(SHOWN, before=9.0), start=10.5, step=step).interval.start == 10.0


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (0.0, 11.0, None),
        (0.0, 10.99, "the video ends at 10.99 s, the clip ends at 12 s"),
        (11.0, 60.0, None),
        (11.01, 60.0, "the video starts at 11.01 s, the clip starts at 10 s; the video ends at 60.00 s"),
        (12.0, 60.0, "the video starts at 12.00 s, the clip ends at 12 s"),
        (10.6, 11.4, "the video starts at 10.60 s, the clip starts at 10 s; the video ends at 11.40 s"),
    ],
)
def test_half_of_an_interval_is_in_the_video(start: float, end: float, words: str | None) -> None:
    """Both ends may be missing; the message names what is where."""
    shown = replace(SHOWN, before=None, first=max(10.0, start), until=min(12.0, end))
    if words is None:
        assert planned(shown, start=start, end=end).frames == 50
    else:
        with pytest.raises(Failure) as failed:
            planned(shown, start=start, end=end)
        assert failed.value.reason is Reason.INTERVAL_OUTSIDE
        assert failed.value.words.startswith(words)


def test_an_interval_without_any_frame_is_outside() -> None:
    """Neither in it nor before it."""
    with pytest.raises(Failure) as failed:
        planned(Shown(0))
    assert failed.value.reason is Reason.INTERVAL_OUTSIDE


# What the frames look like


LARGE, SMALL = Part(0.0, 320, 180), Part(11.0, 160, 90)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((LARGE, SMALL), "the frames are 320x180 until 11.00 s and 160x90 after that"),
        ((LARGE, replace(LARGE, start=11.0, aspect="4/3")), "and 320x180 with pixels of 4/3 after that"),
        ((LARGE, replace(LARGE, start=11.0, height=178)), "320x180 until 11.00 s and 320x178"),
        ((LARGE, replace(LARGE, start=11.0, colours=(9, 16, 9))), "changes from SDR to smpte2084 at 11.00 s"),
        ((LARGE, replace(SMALL, start=11.97)), None),
        ((LARGE, replace(SMALL, start=11.96)), "until 11.96 s"),
        ((SMALL, replace(LARGE, start=10.0)), None),
        ((LARGE, replace(LARGE, start=11.0, colours=(1, 1, 1))), None),
    ],
)
def test_the_frames_of_a_clip_have_one_size_and_range(parts: tuple[Part, ...], words: str | None) -> None:
    """From the first to the last one; colours may change."""
    if words is None:
        assert planned(parts=parts).frames == 50
    else:
        with pytest.raises(Failure) as failed:
            planned(parts=parts)
        assert failed.value.reason is Reason.UNSUPPORTED_SOURCE
        assert words in failed.value.words


@pytest.mark.parametrize(
    ("change", "hdr", "words"),
    [
        ({"dolby_vision": 5}, Hdr.TONEMAP, "Dolby Vision profile 5 cannot be converted to SDR"),
        ({"colours": (9, 16, 10)}, Hdr.TONEMAP, "constant luminance (bt2020c) cannot be converted"),
        ({"colours": (9, 18, 13)}, Hdr.TONEMAP, "constant luminance (chroma-derived-c)"),
        ({"colours": (9, 1, 10)}, Hdr.TONEMAP, None),
        ({"colours": (9, 16, 9)}, Hdr.TONEMAP, None),
        ({"colours": (9, 16, 9)}, Hdr.REFUSE, "the video is HDR (smpte2084), and --hdr is refuse"),
        ({}, Hdr.REFUSE, None),
    ],
)
def test_what_cannot_become_standard_range_is_refused(
    change: dict[str, Any], hdr: Hdr, words: str | None
) -> None:
    """Or must not, where the user does not want it to."""
    parts = (replace(LARGE, **change),)
    if words is None:
        assert planned(parts=parts, settings=OutputSettings(hdr=hdr)).hdr == parts[0].hdr
    else:
        with pytest.raises(Failure) as failed:
            planned(parts=parts, settings=OutputSettings(hdr=hdr))
        assert failed.value.reason is Reason.UNSUPPORTED_SOURCE
        assert words in failed.value.words


@pytest.mark.parametrize(
    ("colours", "undeclared"),
    [((2, 16, 2), (True, True)), ((9, 16, 2), (False, True)), ((2, 16, 9), (True, False))],
)
def test_colours_that_are_not_declared_are_told(
    colours: tuple[int, int, int], undeclared: tuple[bool, bool]
) -> None:
    """Primaries and matrix: the filters need a value then."""
    assert planned(parts=(replace(LARGE, colours=colours),)).hdr_undeclared == undeclared


def test_the_filters_know_of_each_change_on_the_way() -> None:
    """Of one behind the last frame too, which the decoder also delivers."""
    other = replace(LARGE, colours=(1, 1, 1))
    assert not planned(parts=(LARGE,)).recoloured
    assert planned(parts=(LARGE, replace(other, start=11.0))).recoloured
    assert planned(parts=(LARGE, replace(other, start=12.0))).recoloured
    assert not planned(parts=(LARGE, replace(other, start=12.1))).recoloured
    assert planned(parts=(SMALL, replace(LARGE, start=9.0))).recoloured, "another size was before it"


def test_the_whole_frame_has_even_sides() -> None:
    """In square pixels."""
    cut = planned(settings=OutputSettings(crop=Crop.NONE), parts=(Part(0.0, 321, 181, aspect="4/3"),))
    assert (cut.box, cut.squared) == (Box(0, 0, 428, 180), (428, 181))
    assert planned().squared is None


# Audio


def test_audio_comes_from_the_video_or_from_a_file_of_its_own() -> None:
    """Each has its own track and clock."""
    settings = OutputSettings(audio=Audio.AAC)
    with pytest.raises(Failure) as failed:
        planned(settings=settings)
    assert failed.value.reason is Reason.NO_SOUND
    inside = AudioInfo("aac", 48000, 2, 0.0, 60.0, 60.0, track=3, zero=1.5)
    sound = planned(settings=settings, raw={"audio": Path("raw.mp4")}, sound=inside, suspect=True).audio
    assert sound is not None
    assert (sound.container, sound.track, sound.zero, sound.suspect) == ("mp4", 3, 1.5, True)
    assert (sound.start, sound.seconds) == (10.0, 2.0)
    beside = {"audio": Path("raw.M4A"), "audio_track": 1, "audio_suspect": True}
    sound = planned(settings=settings, raw=beside, sound=inside).audio
    assert sound is not None
    assert (sound.container, sound.track, sound.zero, sound.suspect) == ("m4a", 1, None, True)
    at_rate = planned(settings=OutputSettings(audio=Audio.AAC, fps=Fraction(30)), raw=beside).audio
    assert at_rate is not None
    assert at_rate.seconds == 2.0


# The check of a clip


RIGHT = MediaInfo("h264", 96, 64, 25.0, 50, 0.0, 2.0, 2.0, "1/12800", step=0.04, last=1.96)


@pytest.mark.parametrize(
    ("last", "end", "words"),
    [
        (1.9619, 2.0, None),
        (1.9621, 2.0, "the last frame is off by +0.002 s"),
        (1.9579, 2.0, "the last frame is off by -0.002 s"),
        (1.96, 2.0219, None),
        (1.96, 2.0221, "the duration differs by +0.022 s from 2.000 s"),
        (1.96, 1.9779, "the duration differs by -0.022 s"),
    ],
)
def test_the_last_frame_is_on_time_to_a_tick_and_ends_within_half_a_frame(
    last: float, end: float, words: str | None
) -> None:
    """Whether the frames are those of the raw or of another rate."""
    for settings in (OutputSettings(), OutputSettings(fps=Fraction(25))):
        cut, facts = planned(settings=settings), replace(RIGHT, last=last, end=end)
        if words is None:
            verify(cut, facts, 50)
        else:
            with pytest.raises(Failure, match="s") as failed:
                verify(cut, facts, 50)
            assert failed.value.reason is Reason.CLIP_WRONG
            assert failed.value.words.startswith(words)


@pytest.mark.parametrize(
    ("fps", "wrong"), [(25.0, False), (25.0009, False), (25.0011, True), (24.9989, True)]
)
def test_the_rate_of_a_clip_is_that_which_was_asked_for(fps: float, *, wrong: bool) -> None:
    """To a thousandth."""
    cut, facts = planned(settings=OutputSettings(fps=Fraction(25))), replace(RIGHT, fps=fps)
    if wrong:
        with pytest.raises(Failure, match=f"{fps} fps, expected 25"):
            verify(cut, facts, 50)
    else:
        verify(cut, facts, 50)
    verify(planned(), facts, 50)
