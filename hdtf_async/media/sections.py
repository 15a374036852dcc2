"""Which segments of a source video clips need, and whether a part serves as well as the whole file. Pure.

A clip that is cut from a part must have the same bytes as one that is cut from the whole file. ffmpeg decodes
from the key frame before the clip, audio from one second before it, and the frame after the clip determines
how long its last frame is shown: hence a margin on both sides. Everything else that is read from the whole
file (`demux`) must be the same in the part: `why_not` refuses a part for which that is not certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hdtf_async.core.fetch import AFTER, BEFORE, joined_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hdtf_async.core.model import Interval
    from hdtf_async.media.demux import AudioInfo, MediaInfo
    from hdtf_async.media.segment_index import SegmentIndex
    from hdtf_async.media.timeline import Shown

MAX_NEEDED_SHARE = 0.5
"""Part of a file up to which fetching sections is worth it, if the user leaves the choice."""
SEGMENT_SECONDS = 5.0
"""Usual duration of a segment, for estimates."""
LARGEST_REQUEST = 10 << 20
"""Bytes per request: YouTube throttles longer ones, and yt-dlp keeps a fragment in memory."""
_LATE = 0.5
"""Seconds by which a part may differ from its index: timestamps of the index can be those before an edit
list."""
_RATE_ROUNDED = 0.6
"""Frames per second by which YouTube's announced rate may be rounded."""


@dataclass(frozen=True, slots=True, order=True)
class SegmentRange:
    """Consecutive segments of a file."""

    first: int
    behind: int
    """Number of the segment behind the last one."""

    def contains(self, other: SegmentRange) -> bool:
        """Whether all segments of another run are in this one."""
        return self.first <= other.first and other.behind <= self.behind


def run_of(index: SegmentIndex, interval: Interval) -> SegmentRange:
    """Return the segments that a clip needs. If the video ends before, it is the last one."""
    return SegmentRange(index.at(interval.start - BEFORE), index.at(interval.end + AFTER) + 1)


def widened(index: SegmentIndex, run: SegmentRange) -> SegmentRange:
    """Return a run with at least two segments, if the file has as many: ffmpeg ignores Cues of one entry."""
    if run.behind - run.first > 1:
        return run
    return (
        SegmentRange(run.first, run.behind + 1)
        if run.behind < index.count
        else SegmentRange(max(0, run.first - 1), run.behind)
    )


def runs_of(index: SegmentIndex, intervals: Iterable[Interval]) -> tuple[SegmentRange, ...]:
    """Return the segments to fetch for several clips; runs that touch are joined."""
    return joined(widened(index, run_of(index, interval)) for interval in intervals)


def joined(runs: Iterable[SegmentRange]) -> tuple[SegmentRange, ...]:
    """Join runs that overlap or touch; the result is in ascending order."""
    found: list[SegmentRange] = []
    for run in sorted(runs):
        if found and run.first <= found[-1].behind:
            found[-1] = SegmentRange(found[-1].first, max(found[-1].behind, run.behind))
        else:
            found.append(run)
    return tuple(found)


def without(runs: Iterable[SegmentRange], existing: Iterable[SegmentRange]) -> tuple[SegmentRange, ...]:
    """Return the segments of some runs that are not in the existing ones."""
    left: list[SegmentRange] = []
    there = joined(existing)
    for run in joined(runs):
        first = run.first
        for other in there:
            if other.behind <= first or run.behind <= other.first:
                continue
            if first < other.first:
                left.append(SegmentRange(first, other.first))
            first = max(first, other.behind)
        if first < run.behind:
            left.append(SegmentRange(first, run.behind))
    return tuple(left)


def count(runs: Iterable[SegmentRange]) -> int:
    """Return the number of segments of some runs, which do not overlap."""
    return sum(run.behind - run.first for run in runs)


def bytes_of(index: SegmentIndex, runs: Iterable[SegmentRange]) -> int:
    """Return the size of some runs, which do not overlap."""
    return sum(index.bytes_of(run.first, run.behind) for run in runs)


def covered(index: SegmentIndex, run: SegmentRange) -> tuple[float, float | None]:
    """Return between which seconds an interval must be for a run to contain its segments.

    The end is None if that is any time, because the run reaches the end of the file.
    """
    start = index.seconds(run.first) + BEFORE if run.first else 0.0
    return start, None if run.behind >= index.count else index.seconds(run.behind) - AFTER


def covers(start: float, end: float | None, interval: Interval) -> bool:
    """Whether an interval lies between the seconds that `covered` has returned."""
    return interval.start >= start and (end is None or interval.end < end)


def requests(index: SegmentIndex, runs: Iterable[SegmentRange]) -> list[tuple[int, int]]:
    """Return the byte ranges to request, as (first byte, byte behind the last), in the order of the file."""
    ranges: list[tuple[int, int]] = []
    for run in runs:
        place = begin = index.offsets[run.first]
        for after in index.offsets[run.first + 1 : run.behind + 1]:
            if after - begin > LARGEST_REQUEST and place > begin:
                ranges.append((begin, place))
                begin = place
            place = after
        ranges.append((begin, place))
    return ranges


def seconds_needed(intervals: Sequence[Interval], last: float) -> float:
    """Return roughly how many seconds of a video some clips need, from their intervals alone.

    `last` is the end of the video, or the latest one that is known.
    """
    before, after = BEFORE + SEGMENT_SECONDS / 2, AFTER + SEGMENT_SECONDS / 2
    needed = joined_seconds((max(0.0, each.start - before), each.end + after) for each in intervals)
    return min(needed, last)


def is_worth_it(needed: float, whole: float) -> bool:
    """Whether fetching a part saves enough, compared with the whole file, in bytes or seconds."""
    return needed <= MAX_NEEDED_SHARE * whole


def why_not(
    index: SegmentIndex,
    run: SegmentRange,
    facts: MediaInfo,
    shown: Iterable[tuple[Shown, Shown]],
    fps: float | None,
) -> str | None:
    """Return why clips cannot be cut from this part of a video; None if they can.

    `shown` has the frames of each clip twice: by its frame rate, if that is known, and by its times alone.
    `fps` is the frame rate that YouTube announced.
    """
    if why := _why_incomplete(index, run, facts.start, facts.end, "video"):
        return why
    doubts = (
        (facts.suspect, "its container is damaged"),
        (facts.lead > 0, "it has open GOPs"),
        (not facts.regular, "its frames are not evenly spaced"),
        (
            fps is not None and abs(facts.fps - fps) > _RATE_ROUNDED,
            f"it has {facts.fps:g} frames per second, {fps or 0:g} were announced",
        ),
        (len(facts.parts) > 1, "its frames change their size or colours"),
        (
            any(one != other for one, other in shown),
            "which frames belong to a clip depends on the frame rate of the whole video",
        ),
    )
    return next((why for holds, why in doubts if holds), None)


def why_not_audio(index: SegmentIndex, run: SegmentRange, facts: AudioInfo) -> str | None:
    """Return why the audio of clips cannot be cut from this part of an audio file; None if it can."""
    if facts.suspect:
        return "the container of its audio is damaged"
    return _why_incomplete(index, run, facts.start, facts.end, "audio")


def _why_incomplete(
    index: SegmentIndex, run: SegmentRange, start: float, end: float, what: str
) -> str | None:
    expected = index.seconds(run.first)
    if abs(start - expected) > _LATE:
        return f"the {what} starts at {start:.1f} s, its index says {expected:.1f} s"
    if index.times[run.behind] >= 0:
        expected = index.seconds(run.behind)
        if abs(end - expected) > _LATE:
            return f"the {what} ends at {end:.1f} s, its index says {expected:.1f} s"
    elif end <= index.seconds(run.behind - 1):
        return f"the last segment of the {what} is empty"
    return None
