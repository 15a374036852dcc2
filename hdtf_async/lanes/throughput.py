"""What all downloads together bring, measured from the progress that each of them reports.

Two measurements are made. Where the same downloads have received data for a moment, it is what they brought
since then. Where downloads keep starting and ending, it is the mean of a longer time, with the gaps between
them. A download that brings nothing counts for a few seconds, while it starts or seems to, and then no more.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

SETTLING = 0.2
"""Seconds after the start or end of a download that are left out of a measurement."""
WINDOW = 0.4
"""Seconds that a measurement takes where the same downloads receive data all the time."""
LONG_WINDOW = 2.5
"""Seconds that it takes where they do not."""
STARTING = 5.0
"""Seconds in which a download counts that has not received any data yet."""
STALLED = 3.0
"""Seconds without data after which a download does not count."""
ENDING = 1.0
"""Seconds before its end in which the successor of a download may start: so much a start takes."""
_KEPT = 60
"""Reports of each download that are kept."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the downloads brought during a window."""

    transfers: float
    """How many there were, in the mean."""
    rate: float
    """Bytes a second of all of them."""


@dataclass(slots=True)
class _Transfer:
    """One download: when it began, and how many bytes it had received at which times."""

    begun: float
    reports: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    left: float = math.inf
    """Bytes that are still to come."""
    stalled: bool = False

    @property
    def is_receiving(self) -> bool:
        return bool(self.reports) and not self.stalled

    def counts_until(self, *, ending: bool) -> float:
        """Return until when it counts as one that uses the line, if nothing more is heard of it.

        With `ending`, also its last second counts.
        """
        if not self.reports:
            return self.begun + STARTING
        now, has = self.reports[-1]
        until = -math.inf if self.stalled else now + STALLED
        before, had = self.reports[max(-3, -len(self.reports))]
        if ending or has <= had:
            return until
        return min(until, now + self.left * (now - before) / (has - had) - ENDING)

    def bytes_at(self, moment: float) -> float:
        """Return the bytes received by then, in proportion between two reports."""
        for (before, had), (after, has) in pairwise(self.reports):
            if before <= moment <= after:
                return had + (has - had) * (moment - before) / (after - before or 1)
        return self.reports[-1 if moment > self.reports[-1][0] else 0][1]


class ThroughputMeter:
    """Measures what all downloads bring. Times are seconds on any clock, and never fall back."""

    def __init__(self) -> None:
        self._transfers: dict[object, _Transfer] = {}
        self._same_since = -math.inf
        """Since when the same downloads receive data, or until when they have been measured."""
        self._now = -math.inf
        self._bytes = 0.0
        """Received by all, so far."""
        self._busy = 0.0
        """Seconds of all that count, so far."""
        self._window = (math.inf, 0.0, 0.0)
        """When the long window began, with the bytes and the busy seconds at that time."""

    def begin(self, key: object, now: float) -> None:
        """Take note of a download that starts."""
        self._pass_to(now)
        self._transfers[key] = _Transfer(now)

    def end(self, key: object, now: float) -> None:
        """Take note of a download that has ended in whatever way."""
        self._pass_to(now)
        if self._transfers.pop(key, None) is not None:
            self._same_since = now

    def receive(self, key: object, count: float, left: float | None, now: float) -> Measured | None:
        """Take note of bytes that a download has received; return what was measured, if it is time."""
        self._pass_to(now)
        transfer = self._transfers.get(key)
        if transfer is None or count <= 0:
            return None
        if not transfer.is_receiving:
            transfer.stalled = False
            self._same_since = now
        if self._window[0] == math.inf:
            self.restart(now)
        self._bytes += count
        has = transfer.reports[-1][1] if transfer.reports else 0.0
        transfer.reports.append((now, has + count))
        transfer.left = math.inf if left is None else max(0.0, left)
        return self._measured()

    def restart(self, now: float) -> None:
        """Begin a long window: what is measured next shall not include what was before."""
        self._pass_to(now)
        self._window = (now, self._bytes, self._busy)

    def running(self, now: float, *, ending: bool = True) -> int:
        """Return how many downloads use the line; without `ending`, only those that will for a while."""
        self._pass_to(now)
        return sum(now < each.counts_until(ending=ending) for each in self._transfers.values())

    def changes_at(self) -> float:
        """Return when `running` will become less, if nothing more is heard of any download."""
        ends = (each.counts_until(ending=False) for each in self._transfers.values())
        return min((end for end in ends if end > self._now), default=math.inf)

    def _pass_to(self, now: float) -> None:
        if now > self._now > -math.inf:
            for each in self._transfers.values():
                until = min(now, each.counts_until(ending=True))
                self._busy += max(0.0, until - self._now)
                if each.is_receiving and until < now:
                    each.stalled = True
                    self._same_since = now
        self._now = max(now, self._now)

    def _measured(self) -> Measured | None:
        receiving = [each for each in self._transfers.values() if each.is_receiving]
        since, until = self._same_since + SETTLING, min(each.reports[-1][0] for each in receiving)
        begun, had, busy = self._window
        if until - since >= WINDOW:
            came = sum(each.bytes_at(until) - each.bytes_at(since) for each in receiving)
            found = Measured(len(receiving), came / (until - since))
            self._same_since = until - SETTLING
        elif (span := self._now - begun) >= LONG_WINDOW:
            found = Measured((self._busy - busy) / span, (self._bytes - had) / span)
        else:
            return None
        self.restart(self._now)
        return found if found.transfers > 0 and found.rate > 0 else None
