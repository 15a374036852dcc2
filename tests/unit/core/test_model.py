"""The values that all packages use."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from hdtf_async.core.model import (
    SCENE_CUT,
    Annotation,
    Audio,
    Box,
    Clip,
    Corrections,
    Crop,
    Finding,
    Interval,
    OutputSettings,
    Region,
    Severity,
    Source,
    Tables,
    Video,
)
from hdtf_async.media.measurements import branch

VIDEO = Video("RD", "Radio1", "CPCoMyuBRM0", 720)
CLIP = Clip(VIDEO, 7, Interval(10.0, 30.0), Box(2, 4, 6, 8))


def test_file_names_consist_of_subset_name_index_and_piece() -> None:
    """They are stable: other programs look for them."""
    assert VIDEO.stem == "RD_Radio1"
    assert CLIP.stem == "RD_Radio1_007"
    assert replace(CLIP, index=1234, segment=3).stem == "RD_Radio1_1234_s003"
    assert replace(CLIP, segment=0).stem == "RD_Radio1_007_s000"
    assert (CLIP.zoom, CLIP.correction, CLIP.segment) == (None, None, None)


def test_a_box_ends_before_its_right_and_bottom_edges() -> None:
    """An interval has a length."""
    assert CLIP.box is not None
    assert (CLIP.box.right, CLIP.box.bottom) == (8, 12)
    assert CLIP.interval.seconds == 20.0


@pytest.mark.parametrize(
    ("length", "bounds"),
    [
        (20.0, [10, 30]),
        (5.0, [10, 15, 20, 25, 30]),
        (8.0, [10, 18, 26, 30]),
        (8.1, [10, 18.1, 30]),
        (12.0, [10, 22, 30]),
        (14.0, [10, 30]),
        (100.0, [10, 30]),
        (0.1, None),
    ],
)
def test_a_clip_is_divided_without_tiny_pieces_and_gaps(length: float, bounds: list[float] | None) -> None:
    """A rest of at least half the length is a separate piece."""
    pieces = CLIP.divided(length)
    if bounds is None:
        assert (len(pieces), pieces[1].interval) == (200, Interval(10.1, 10.2))
    else:
        assert [piece.interval for piece in pieces] == list(map(Interval, bounds, bounds[1:]))
    assert [piece.segment for piece in pieces] == list(range(len(pieces)))
    assert all(replace(piece, interval=CLIP.interval, segment=None) == CLIP for piece in pieces)
    assert CLIP.divided(None) == (CLIP,)


@pytest.mark.parametrize(
    ("first", "middle", "bounds"),
    [
        (None, None, (10, 30)),
        (5.0, None, (10, 15)),
        (0.1, None, (10, 10.1)),
        (None, 5.0, (17.5, 22.5)),
        (None, 0.1, (19.95, 20.05)),
        (19.5, None, (10, 29.5)),
        (None, 19.5, (10.25, 29.75)),
        (20.0, None, (10, 30)),
        (None, 20.0, (10, 30)),
        (99.0, None, (10, 30)),
        (None, 99.0, (10, 30)),
    ],
)
def test_a_clip_is_shortened_to_its_first_or_middle_seconds(
    first: float | None, middle: float | None, bounds: tuple[float, float]
) -> None:
    """A shorter one is kept whole; name and box do not change."""
    short = CLIP.shortened(first, middle)
    assert short.interval == Interval(*bounds)
    assert replace(short, interval=CLIP.interval) == CLIP


@pytest.mark.parametrize(
    ("audio", "inside", "beside"),
    [
        (Audio.NONE, False, False),
        (Audio.AAC, True, False),
        (Audio.WAV, False, True),
        (Audio.BOTH, True, True),
    ],
)
def test_audio_is_a_track_of_the_clip_or_a_separate_file(audio: Audio, *, inside: bool, beside: bool) -> None:
    """Or both."""
    form = OutputSettings(audio=audio)
    assert (form.has_audio_stream, form.has_wav_file) == (inside, beside)


def test_the_output_settings_have_the_spelling_of_the_fingerprint() -> None:
    """Another default, or another spelling, would re-encode every clip of every directory."""
    assert OutputSettings().to_json() == {
        "crop": "table",
        "resolution": "reference",
        "size": None,
        "fps": None,
        "segment": None,
        "audio": "none",
        "deinterlace": "auto",
        "codec": "h264",
        "crf": 20,
        "preset": "superfast",
        "threads": 1,
        "cutting_rules": 3,
    }
    settings = OutputSettings(crop=Crop.FACE, fps=Fraction(30000, 1001), segment=2).to_json()
    assert (settings["fps"], repr(settings["segment"])) == ("30000/1001", "2.0")
    assert (settings["face_rate"], settings["face_margin"], settings["face_fallback"]) == (5.0, 0.0, "fail")


def test_unverified_corrections_are_more_than_the_verified_ones() -> None:
    """And the empty choice has none."""
    levels = Corrections.VERIFIED, Corrections.UNVERIFIED
    assert [[asked.includes(level) for level in levels] for asked in Corrections] == [
        [True, False],
        [True, True],
        [False, False],
    ]


def test_a_scene_cut_has_the_default_score_of_ffmpeg() -> None:
    """Ten: the values that are printed are greater than the one before it."""
    assert "lavfi.scd.score:function=greater:value=9.999" in branch()
    assert SCENE_CUT == 10


def test_what_a_list_does_not_state_is_the_usual() -> None:
    """One finding each, tables of another format, a window in fractions of the frame."""
    assert Finding("a", 1, Severity.NOTE, "code", "words").number == 1
    assert not Tables((), (), ()).in_hdtf_format
    region = Region(0, 0, 1, 1)
    assert (region.reference_width, region.reference_height, region.expand) == (1, 1, 0)
    settings = OutputSettings()
    assert (settings.crf, settings.threads, settings.face_rate, settings.face_margin) == (20, 1, 5, 0)


@pytest.mark.parametrize(
    ("record", "source"),
    [
        ({"title": "X", "licence": "CC", "citation": "@misc{x,}"}, Source("X", "CC", "@misc{x,}")),
        ({"title": "X", "licence": "CC", "citation": None}, None),
        ({"title": "X"}, None),
        (None, None),
    ],
)
def test_the_source_of_a_run_is_read_from_its_record(record: object, source: Source | None) -> None:
    """None for HDTF, whose runs record none, and for an invalid one."""
    assert Source.from_json(record) == source


def test_a_list_may_name_its_clips() -> None:
    """A segment has its number behind the name; a list without subsets has none in names."""
    named = replace(CLIP, annotation=Annotation(name="given"))
    assert (named.stem, named.whole_stem) == ("given", "given")
    assert replace(named, segment=4).stem == "given_s004"
    assert replace(named, segment=4).whole_stem == "given"
    assert replace(CLIP, segment=4).whole_stem == CLIP.whole_stem == "RD_Radio1_007"
    assert replace(CLIP, annotation=Annotation(speaker="Ada")).stem == "RD_Radio1_007"
    assert replace(VIDEO, subset="").stem == "Radio1"


def test_the_window_of_a_list_is_its_region() -> None:
    """HDTF has none."""
    region = Region(0, 0, 1, 1)
    assert CLIP.region is None
    assert replace(CLIP, annotation=Annotation()).region is None
    assert replace(CLIP, annotation=Annotation(region)).region == region


def test_parts_of_a_clip_keep_the_rate_of_its_frame_numbers() -> None:
    """And a segment is not split again."""
    clip = replace(CLIP, interval=Interval(10, 30, Fraction(25)))
    assert clip.shortened(5.0, None).interval == Interval(10, 15, Fraction(25))
    assert clip.divided(10.0)[1].interval == Interval(20, 30, Fraction(25))
    piece = clip.divided(10.0)[1]
    assert piece.divided(2.0) == (piece,)
