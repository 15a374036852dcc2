"""The total throughput of all downloads, measured from the progress that each of them reports.

There are two kinds of measurement. If the same downloads have received data for a moment, it covers the time
since then. If downloads keep starting and ending, it is the mean over a longer time, including the gaps
between them. A download that receives nothing counts for a few seconds, because it may be starting.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

SETTLING = 0.2
"""Seconds after the start or end of a download that are left out of a measurement."""
WINDOW = 0.4
"""Duration of a measurement while the same downloads receive data."""
LONG_WINDOW = 2.5
"""Duration of a measurement otherwise."""
STARTING = 5.0
"""Seconds for which a download counts before it has received any data."""
STALLED = 3.0
"""Seconds without data after which a download does not count."""
ENDING = 1.0
"""Seconds before the end of a download when its successor may start: a start takes about as long."""
_KEPT = 60
"""Reports of each download that are kept."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The throughput during a window."""

    transfers: float
    """Mean number of downloads."""
    rate: float
    """Bytes per second of all of them."""


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
        """Return until when it counts as running if it makes no further report.

        With `ending`, its last second counts too.
        """
        if not self.reports:
            return self.begun + STARTING
        now, has = self.reports[-1]
        until = -math.inf if self.stalled else now + STALLED
        before, bytes_before = self.reports[max(-3, -len(self.reports))]
        if ending or has <= bytes_before:
            return until
        return min(until, now + self.left * (now - before) / (has - bytes_before) - ENDING)

    def bytes_at(self, moment: float) -> float:
        """Return the bytes received by then, interpolated between two reports."""
        for (before, bytes_before), (after, has) in pairwise(self.reports):
            if before <= moment <= after:
                return bytes_before + (has - bytes_before) * (moment - before) / (after - before or 1)
        return self.reports[-1 if moment > self.reports[-1][0] else 0][1]


class ThroughputMeter:
    """Measures the total throughput. Times are seconds on any monotonic clock."""

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
        """Register a download that starts."""
        self._pass_to(now)
        self._transfers[key] = _Transfer(now)

    def end(self, key: object, now: float) -> None:
        """Register a download that ended, successfully or not."""
        self._pass_to(now)
        if self._transfers.pop(key, None) is not None:
            self._same_since = now

    def receive(self, key: object, count: float, left: float | None, now: float) -> Measured | None:
        """Register bytes that a download has received; return a measurement if one is complete."""
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
        """Start a new window: the next measurement does not include the time before."""
        self._pass_to(now)
        self._window = (now, self._bytes, self._busy)

    def running(self, now: float, *, ending: bool = True) -> int:
        """Return the number of running downloads; without `ending`, only those that do not end soon."""
        self._pass_to(now)
        return sum(now < each.counts_until(ending=ending) for each in self._transfers.values())

    def changes_at(self) -> float:
        """Return when `running` decreases if no download makes a further report."""
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
        begun, bytes_before, busy = self._window
        if until - since >= WINDOW:
            received = sum(each.bytes_at(until) - each.bytes_at(since) for each in receiving)
            found = Measured(len(receiving), received / (until - since))
            self._same_since = until - SETTLING
        elif (span := self._now - begun) >= LONG_WINDOW:
            found = Measured((self._busy - busy) / span, (self._bytes - bytes_before) / span)
        else:
            return None
        self.restart(self._now)
        return found if found.transfers > 0 and found.rate > 0 else None
