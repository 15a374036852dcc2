"""Which segments clips need, what is still missing, and which parts of a video are refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.model import Interval
from hdtf_async.media import sections
from hdtf_async.media.demux import AudioInfo, MediaInfo
from hdtf_async.media.framing import Part
from hdtf_async.media.sections import SegmentRange
from hdtf_async.media.segment_index import SegmentIndex
from hdtf_async.media.timeline import Shown

INDEX = SegmentIndex(
    "mp4",
    Fraction(1, 10),
    tuple(range(1000, 1000 + 121 * 100, 100)),
    tuple(range(0, 121 * 50, 50)),
    (b"",),
)
"""120 segments of 100 bytes and 5 seconds."""
FACTS = MediaInfo("h264", 1280, 720, 25.0, 250, 25.0, 35.0, 0.0, regular=True)
"""What a probe finds in segments 5 and 6."""
RUN = SegmentRange(5, 7)


@pytest.mark.parametrize(
    ("start", "end", "run"),
    [
        (30.0, 32.0, SegmentRange(5, 7)),
        (29.9, 32.9, SegmentRange(4, 7)),
        (30.0, 33.0, SegmentRange(5, 8)),
        (0.0, 1.0, SegmentRange(0, 1)),
        (598.0, 600.0, SegmentRange(118, 120)),
        (700.0, 710.0, SegmentRange(119, 120)),
    ],
)
def test_a_clip_needs_the_segments_around_it(start: float, end: float, run: SegmentRange) -> None:
    """Five seconds before and two after it; the last segment if the video ends before."""
    assert sections.run_of(INDEX, Interval(start, end)) == run


def test_a_part_has_at_least_two_segments() -> None:
    """In a WebM whose index has one entry, ffmpeg seeks differently."""
    assert sections.widened(INDEX, SegmentRange(0, 1)) == SegmentRange(0, 2)
    assert sections.widened(INDEX, SegmentRange(119, 120)) == SegmentRange(118, 120)
    assert sections.widened(INDEX, SegmentRange(4, 6)) == SegmentRange(4, 6)
    one = replace(INDEX, offsets=(0, 10), times=(0, 50))
    assert sections.widened(one, SegmentRange(0, 1)) == SegmentRange(0, 1)


def test_runs_that_touch_are_joined() -> None:
    """Also if one contains the other."""
    runs = [
        SegmentRange(7, 9),
        SegmentRange(1, 3),
        SegmentRange(3, 4),
        SegmentRange(8, 9),
        SegmentRange(11, 12),
    ]
    assert sections.joined(runs) == (SegmentRange(1, 4), SegmentRange(7, 9), SegmentRange(11, 12))
    assert sections.runs_of(INDEX, [Interval(30, 32), Interval(40, 41), Interval(90, 91)]) == (
        SegmentRange(5, 9),
        SegmentRange(17, 19),
    )


_RUNS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 9)).map(
        lambda each: SegmentRange(each[0], each[0] + each[1])
    )
)


@given(_RUNS, _RUNS)
def test_only_what_is_missing_is_fetched(needed: list[SegmentRange], there: list[SegmentRange]) -> None:
    """Every missing segment once, and none that exists."""

    def numbers(runs: list[SegmentRange] | tuple[SegmentRange, ...]) -> set[int]:
        return {number for run in runs for number in range(run.first, run.behind)}

    found = sections.without(needed, there)
    assert numbers(found) == numbers(needed) - numbers(there)
    assert sum(run.behind - run.first for run in found) == len(numbers(found))


@given(
    st.integers(0, 119),
    st.integers(1, 20),
    st.floats(0, 640, allow_nan=False),
    st.floats(0.1, 60, allow_nan=False),
)
def test_the_covered_seconds_are_those_of_the_segments(
    first: int, count: int, start: float, length: float
) -> None:
    """A later run decides from the seconds alone what the index would have shown."""
    run = SegmentRange(first, min(120, first + count))
    interval = Interval(start, start + length)
    covered = sections.covers(*sections.covered(INDEX, run), interval)
    assert covered is run.contains(sections.run_of(INDEX, interval))


def test_requests_are_ranges_of_at_most_ten_megabytes() -> None:
    """In the order of the file; a segment is never divided."""
    index = replace(INDEX, offsets=tuple(range(0, 121 * 4_000_000, 4_000_000)))
    found = sections.requests(index, [SegmentRange(0, 5), SegmentRange(10, 11)])
    assert found == [
        (0, 8_000_000),
        (8_000_000, 16_000_000),
        (16_000_000, 20_000_000),
        (40_000_000, 44_000_000),
    ]
    large = replace(INDEX, offsets=(0, 30_000_000, 31_000_000), times=(0, 50, 100))
    assert sections.requests(large, [SegmentRange(0, 2)]) == [(0, 30_000_000), (30_000_000, 31_000_000)]


def test_seconds_are_estimated_from_the_intervals_alone() -> None:
    """Overlapping intervals count once, and no more than the video has."""
    assert sections.seconds_needed([Interval(100, 110)], 600) == 22
    assert sections.seconds_needed([Interval(100, 110), Interval(105, 115)], 600) == 27
    assert sections.seconds_needed([Interval(100, 110), Interval(300, 310)], 600) == 44
    assert sections.seconds_needed([Interval(0, 10)], 10) == 10
    assert sections.seconds_needed([], 600) == 0
    assert sections.is_worth_it(300, 600)
    assert not sections.is_worth_it(301, 600)


def _why(
    facts: MediaInfo, *, fps: float | None = 25, run: SegmentRange = RUN, index: SegmentIndex = INDEX
) -> str | None:
    return sections.why_not(index, run, facts, [(Shown(50), Shown(50))], fps)


def test_a_regular_part_is_used() -> None:
    """YouTube rounds the frame rate that it announces."""
    assert _why(FACTS) is None
    assert _why(replace(FACTS, fps=29.97), fps=30) is None
    assert _why(FACTS, fps=None) is None
    unknown = replace(INDEX, times=(*INDEX.times[:-1], -1))
    last = replace(FACTS, start=595.0, end=598.0)
    assert _why(last, run=SegmentRange(119, 120), index=unknown) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"suspect": True}, "damaged"),
        ({"lead": 0.08}, "open GOPs"),
        ({"regular": False}, "evenly spaced"),
        ({"fps": 30.0}, "30 frames per second, 25 were announced"),
        ({"parts": (Part(0.0, 10, 10), Part(30.0, 20, 20))}, "change their size"),
        ({"start": 30.0}, "starts at 30.0 s, its index says 25.0 s"),
        ({"end": 30.0}, "ends at 30.0 s, its index says 35.0 s"),
    ],
)
def test_a_part_is_refused_if_the_whole_might_give_other_clips(change: dict[str, object], why: str) -> None:
    """Each of these could be different in the whole file, or shows that the index is wrong."""
    found = _why(replace(FACTS, **change))  # type: ignore[arg-type]
    assert found is not None
    assert why in found


def test_a_part_is_refused_if_frames_depend_on_the_rate_of_the_whole() -> None:
    """Frame numbers of a list only count half a frame earlier if the whole video has their rate."""
    found = sections.why_not(INDEX, RUN, FACTS, [(Shown(50, 30.0), Shown(50, 30.04))], 25)
    assert found is not None
    assert "frame rate of the whole video" in found


def test_audio_must_have_the_times_of_its_index() -> None:
    """And an undamaged container."""
    audio = AudioInfo("aac", 44100, 2, 25.0, 35.0, 0.0)
    assert sections.why_not_audio(INDEX, RUN, audio) is None
    for change, why in (
        ({"suspect": True}, "damaged"),
        ({"end": 31.0}, "ends at 31.0 s"),
        ({"start": 0.0}, "starts at 0.0 s"),
    ):
        found = sections.why_not_audio(INDEX, RUN, replace(audio, **change))
        assert found is not None
        assert why in found
    unknown = replace(INDEX, times=(*INDEX.times[:-1], -1))
    empty = replace(audio, start=595.0, end=595.0)
    found = sections.why_not_audio(unknown, SegmentRange(119, 120), empty)
    assert found == "the last segment of the audio is empty"


# Limits


@pytest.mark.parametrize(
    ("change", "used"),
    [
        ({"start": 25.5}, True), ({"start": 25.51}, False), ({"start": 24.5}, True),
        ({"start": 24.49}, False),
        ({"end": 35.5}, True), ({"end": 35.51}, False), ({"end": 34.5}, True), ({"end": 34.49}, False),
        ({"fps": 25.59}, True), ({"fps": 25.61}, False), ({"fps": 24.41}, True), ({"fps": 24.39}, False),
        ({"lead": 0.0}, True), ({"lead": 0.01}, False),
        ({"parts": (Part(0.0, 10, 10),)}, True),
    ],
)  # fmt: skip
def test_a_part_may_differ_a_little_from_its_index(change: dict[str, object], *, used: bool) -> None:
    """By half a second, and by rounding of the announced frame rate."""
    assert (_why(replace(FACTS, **change)) is None) is used  # type: ignore[arg-type]


def test_the_last_segment_has_a_frame_if_its_end_is_unknown() -> None:
    """It ends after its start."""
    unknown = replace(INDEX, times=(*INDEX.times[:-1], -1))
    audio = AudioInfo("aac", 44100, 2, 595.0, 595.01, 0.0)
    assert sections.why_not_audio(unknown, SegmentRange(119, 120), audio) is None
    assert sections.why_not_audio(unknown, SegmentRange(119, 120), replace(audio, end=594.0)) is not None
    assert sections.why_not_audio(INDEX, SegmentRange(119, 120), replace(audio, end=600.0)) is None


def test_a_request_has_ten_mebibytes_at_most() -> None:
    """A segment of the exact size fits, one of another byte does not."""
    ten = 10 * 1024**2
    for size, requests in ((ten, [(0, ten), (ten, ten + 5)]), (ten - 5, [(0, ten)])):
        index = replace(INDEX, offsets=(0, size, size + 5), times=(0, 50, 100))
        assert sections.requests(index, [SegmentRange(0, 2)]) == requests
    larger = replace(INDEX, offsets=(0, ten - 5, ten + 1), times=(0, 50, 100))
    assert sections.requests(larger, [SegmentRange(0, 2)]) == [(0, ten - 5), (ten - 5, ten + 1)]
    assert sections.requests(INDEX, []) == []


@pytest.mark.parametrize(
    ("run", "covered"),
    [
        (SegmentRange(0, 1), (0.0, 3.0)), (SegmentRange(1, 3), (10.0, 13.0)),
        (SegmentRange(118, 120), (595.0, None)), (SegmentRange(0, 120), (0.0, None)),
        (SegmentRange(5, 119), (30.0, 593.0)),
    ],
)  # fmt: skip
def test_a_run_covers_what_is_five_seconds_after_its_start_and_two_before_its_end(
    run: SegmentRange, covered: tuple[float, float | None]
) -> None:
    """At the beginning and at the end of the file, everything."""
    assert sections.covered(INDEX, run) == covered
    assert sections.covers(10.0, 13.0, Interval(10.0, 12.99))
    assert not sections.covers(10.0, 13.0, Interval(10.0, 13.0))
    assert not sections.covers(10.0, 13.0, Interval(9.99, 12.0))
    assert sections.covers(10.0, None, Interval(10.0, 1e9))


def test_an_estimate_has_half_a_segment_on_either_side() -> None:
    """Five seconds each, of which half is on average outside of what a clip needs."""
    assert sections.seconds_needed([Interval(100, 100)], 600) == 5 + 2 + 5
    assert sections.seconds_needed([Interval(3, 10)], 600) == 10 + 2 + 2.5
    assert sections.seconds_needed([Interval(100, 110), Interval(101, 102)], 600) == 22
    assert sections.seconds_needed([Interval(100, 110), Interval(0, 1)], 600) == 22 + 5.5
