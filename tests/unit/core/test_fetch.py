"""How much of a source video clips need."""

from __future__ import annotations

from fractions import Fraction

import pytest

from hdtf_async.core.fetch import Fetch
from hdtf_async.core.model import Interval
from hdtf_async.media import sections
from hdtf_async.media.sections import SegmentRange
from hdtf_async.media.segment_index import SegmentIndex

TENTHS = SegmentIndex("mp4", Fraction(1, 10), tuple(range(1002)), tuple(range(1001)), (b"",))
"""A thousand segments of a tenth of a second."""


def test_a_clip_needs_five_seconds_before_it_and_two_after_it() -> None:
    """As the architecture states: decoding may have to start earlier than usual."""
    assert sections.run_of(TENTHS, Interval(20, 30)) == SegmentRange(150, 321)


@pytest.mark.parametrize(("needed", "worth"), [(50, True), (50.1, False)])
def test_sections_are_worth_it_if_they_save_half_of_the_video(*, needed: float, worth: bool) -> None:
    """That is what `auto` decides by."""
    assert sections.is_worth_it(needed, 100) is worth
    assert {fetch.value for fetch in Fetch} == {"whole", "sections", "auto"}
