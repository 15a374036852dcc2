"""When the frames of a video stream are on screen, computed from the timestamps of its packets. Pure.

Packets arrive in decode order, and most containers store the distance to the next packet in that order as a
packet's duration. Everything here is computed in presentation order instead: a frame is on screen from its
own timestamp to the next one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import ceil
from statistics import median_low

MAX_FRAMES = 24 * 3600 * 60
"""Number of frames above which a file is rejected: a day at 60 per second."""

_SAME_RATE = 0.0003
"""Relative difference up to which two frame rates are the same: 29.97 and 30000/1001, but not 30."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Which frames of a video belong to an interval. Timestamps are in seconds."""

    frames: int
    """Number of frames with ``start <= PTS < end``."""
    first: float = 0.0
    """Timestamp of the first of these frames; of `before` if there are none."""
    last: float = 0.0
    """Timestamp of the last of these frames; of `before` if there are none."""
    before: float | None = None
    """Timestamp of the last frame before the interval, which is on screen when the interval starts."""
    until: float = 0.0
    """When the last frame leaves the screen: at the next timestamp, or at the end of the video."""
    stored: float = 0.0
    """Duration that the file states for the last frame: ffmpeg copies it into the clip."""
    even: bool = True
    """Whether all of these frames, and `before`, are a usual frame apart, as shown and as stated."""


class Timeline:
    """Timestamps and durations of one video stream, in ticks of its time base."""

    def __init__(self) -> None:
        self._ticks = array("q")
        self._durations = array("q")
        self._order: list[int] = []
        self._sorted = array("q")

    def __len__(self) -> int:
        return len(self._ticks)

    def add(self, tick: int, duration: int) -> None:
        """Add one packet, in decode order. Raises `ValueError` for more than `MAX_FRAMES`."""
        if len(self._ticks) >= MAX_FRAMES:
            raise ValueError(f"more than {MAX_FRAMES} frames")
        self._ticks.append(tick)
        self._durations.append(duration)

    def close(self) -> None:
        """Sort the packets by time; required before queries. Raises `ValueError` if there are no packets."""
        if not self._ticks:
            raise ValueError("no frame in it")
        self._order = sorted(range(len(self._ticks)), key=self._ticks.__getitem__)
        self._sorted = array("q", (self._ticks[place] for place in self._order))

    @property
    def first(self) -> int:
        """Timestamp of the first frame."""
        return self._sorted[0]

    @property
    def last(self) -> int:
        """Timestamp of the last frame."""
        return self._sorted[-1]

    @cached_property
    def step(self) -> int:
        """The usual distance between two frames (the median); the stored duration of a single frame."""
        steps = [b - a for a, b in pairwise(self._sorted) if b > a]
        return median_low(steps) if steps else self._durations[0]

    @property
    def is_even(self) -> bool:
        """Whether all frames are equally far apart."""
        step = self.step
        return all(b - a == step for a, b in pairwise(self._sorted))

    @property
    def is_regular(self) -> bool:
        """Whether all frames are equally far apart, up to a quarter of the usual distance."""
        step = self.step
        return all(abs(b - a - step) <= step / 4 for a, b in pairwise(self._sorted))

    @property
    def has_gaps(self) -> bool:
        """Whether some frames are more than one and a half times the usual distance apart."""
        most = 1.5 * self.step
        return any(b - a > most for a, b in pairwise(self._sorted))

    @property
    def stored(self) -> int:
        """The duration that the file states for the last frame."""
        return self._durations[self._order[-1]]

    def end(self, stated: int | None) -> int:
        """Return when the last frame leaves the screen.

        `stated` is the duration of the whole stream according to the file, if it states one. If frames are
        reordered, the stored duration of the last frame belongs to another one. A truncated file states more
        than it contains; then the packets decide.
        """
        own = self.last + self.stored
        if stated is None or self._order[-1] == len(self._order) - 1:
            return own
        longest = max(tick + long for tick, long in zip(self._ticks, self._durations, strict=True))
        return max(self.last, min(longest, self.first + stated))

    def bounds(self, start: float, end: float, time_base: Fraction, rate: str | None) -> tuple[int, int]:
        """Return an interval in seconds as ticks, both rounded up: the first frame in it, and behind it.

        If its times were computed from frame numbers at `rate` frames per second, and this is the rate of the
        stream, both come half a frame earlier: then rounded timestamps do not exclude or include a frame.
        """
        earlier = Fraction(0)
        if rate is not None and self._has_rate(Fraction(rate), time_base):
            earlier = 1 / (2 * Fraction(rate))
        left, right = ((Fraction(str(each)) - earlier) / time_base for each in (start, end))
        return ceil(left), ceil(right)

    def _has_rate(self, rate: Fraction, time_base: Fraction) -> bool:
        """Whether the stream has a number of frames per second, on average."""
        span = (self.last - self.first) * time_base
        return span > 0 and abs((len(self) - 1) / span / rate - 1) <= _SAME_RATE

    def shown(self, start: int, end: int, time_base: Fraction, until: int) -> Shown:
        """Return the frames with ``start <= PTS < end``; `until` is the end of the stream's last frame."""
        left, right = bisect_left(self._sorted, start), bisect_left(self._sorted, end)
        if right == 0:  # the interval ends before the video starts
            return Shown(0)
        place = right - 1
        behind = self._sorted[right] if right < len(self._sorted) else max(until, self._sorted[place])

        def seconds(ticks: int) -> float:
            return round(float(ticks * time_base), 6)

        return Shown(
            frames=right - left,
            first=seconds(self._sorted[min(left, place)]),
            last=seconds(self._sorted[place]),
            before=seconds(self._sorted[left - 1]) if left else None,
            until=seconds(behind),
            stored=seconds(self._durations[self._order[place]]),
            even=self._is_even_within(max(0, left - 1), right, behind),
        )

    def _is_even_within(self, first: int, last: int, behind: int) -> bool:
        most = self.step / 4
        distances = (b - a for a, b in pairwise([*self._sorted[first:last], behind]))
        durations = (self._durations[place] for place in self._order[first:last])
        return all(abs(each - self.step) <= most for each in (*distances, *durations))


@dataclass(slots=True)
class OpenGroups:
    """Frames stored after a key frame and displayed before it (open GOPs), in ticks."""

    lead: int = 0
    _key: int | None = None
    _behind: int = 0

    def add(self, pts: int, dts: int | None, *, key: bool) -> None:
        """Process one more packet."""
        if key:
            self._key, self._behind = pts, 0 if dts is None else pts - dts
        elif self._key is not None and pts < self._key:
            self.lead = max(self.lead, self._behind, self._key - pts)
