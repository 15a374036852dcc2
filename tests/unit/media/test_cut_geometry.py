"""The values of a cut that follow from others: the position that ffmpeg seeks to, and the picture's size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hdtf_async.core.model import Box, Fit, Interval, OutputSettings
from hdtf_async.media import filters
from hdtf_async.media.cut import Cut

CUT = Cut(Path("raw.mp4"), "mp4", Interval(10, 12), Box(0, 0, 64, 64), 64, 64, 50, OutputSettings())


@pytest.mark.parametrize(
    ("lead", "preroll", "sought"), [(0, 0, 10), (2, 0, 8), (0, 4, 6), (2, 4, 4), (2, 10, 0)]
)
def test_ffmpeg_seeks_to_the_lead_and_the_preroll_before_the_interval(
    lead: float, preroll: float, sought: float
) -> None:
    """At most to the beginning of the file."""
    assert replace(CUT, lead=float(lead)).sought_from(float(preroll)) == sought


def test_filters_count_from_the_position_or_from_the_zero_of_the_source() -> None:
    """The latter if ffmpeg keeps all timestamps."""
    assert CUT.origin() == 10
    assert CUT.origin(4.0) == 6
    assert replace(CUT, zero=5.0).origin(4.0) == -5


def test_a_trim_has_a_start_only_if_frames_come_before_the_interval() -> None:
    """Usually, ffmpeg seeks to the start of the interval."""
    assert "start=" not in filters.video_filters(CUT)
    assert "start=4" in filters.video_filters(CUT, 4.0)


@pytest.mark.parametrize(
    ("fit", "box", "size"),
    [
        (Fit.PAD, (200, 100), (64, 32)),
        (Fit.PAD, (100, 200), (32, 64)),
        (Fit.PAD, (100, 100), (64, 64)),
        (Fit.PAD, (1000, 2), (64, 2)),
        (Fit.SQUEEZE, (200, 100), (64, 64)),
    ],
)
def test_only_a_padded_picture_is_smaller_than_its_clip(
    fit: Fit, box: tuple[int, int], size: tuple[int, int]
) -> None:
    """It keeps its proportions, and both sides are even and at least two pixels."""
    settings = replace(CUT.settings, fit=fit, size=64)
    assert filters.scaled(replace(CUT, box=Box(0, 0, *box), settings=settings)) == size
