"""The number of parallel downloads: one more starts only while the total throughput grows with it.

If the connection of this machine is the bottleneck, more parallel downloads transfer no more bytes, and all
of them end late: until then there is nothing to encode. If the server limits each connection, more downloads
transfer more.

Therefore a few start. After each measurement more start, as long as the throughput grows: one, or twice as
many in total if each added as much as those before. Once it stops growing, the limit is the number that this
throughput needs. One more is tried after a while, or at once if the throughput changes. If the throughput has
fallen and one more does not help, one less is tried when a download ends.

`benchmarks/width.py` compares this with fixed numbers of downloads on simulated connections.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from hdtf_async.lanes.throughput import ThroughputMeter

if TYPE_CHECKING:
    from hdtf_async.lanes.throughput import Measured

GROWS = 0.25
"""Part of the mean rate of those before that each further download has to add to the total."""
GROWS_IN_FULL = 0.8
"""Part from which on the connection of this machine is not considered a bottleneck at all."""
CHANGES = 0.25
"""Part by which the throughput has to differ, twice in a row, to count as changed."""
SOON, LATER = 15.0, 60.0
"""Seconds until one more is tried, at first and, after doubling, at last."""
_NEARLY = 0.15
"""Fraction of a download that is ignored when rounding up."""
_HALF = 0.5


class _Phase(Enum):
    GROWING = auto()
    """More are tried."""
    SHRINKING = auto()
    """One less is tried."""
    HOLDING = auto()
    """The useful number is known."""


@dataclass(slots=True)
class _Plateau:
    """What is expected while the limit is held."""

    until: float
    """When one more is tried."""
    rate: float | None = None
    """The throughput; None before it was measured."""
    odd: int = 0
    """How many measurements in a row were higher than that; negative if they were lower."""


class DownloadWidth:
    """Decides whether one more download may start. Times are seconds on any monotonic clock."""

    def __init__(self, first: int) -> None:
        """Let `first` downloads start before any throughput is known."""
        self.limit = max(1, first)
        """Useful number of parallel downloads, as far as is known."""
        self._meter = ThroughputMeter()
        self._phase = _Phase.GROWING
        self._base: Measured | None = None
        """The measurement with which those of more, or fewer, downloads are compared."""
        self._plateau = _Plateau(math.inf)
        self._wait = SOON
        self._has_fallen = False
        """Whether one more is tried because the throughput has fallen."""

    def allows(self, now: float) -> bool:
        """Whether one more may start now. This is always true if no other receives data."""
        return self._meter.running(now, ending=False) < self.limit

    def changes_at(self) -> float:
        """Return when `allows` may become true if no download makes a report until then."""
        return self._meter.changes_at()

    def begin(self, key: object, now: float) -> None:
        """Register a download that starts."""
        self._meter.begin(key, now)

    def end(self, key: object, now: float) -> None:
        """Register a download that ended, successfully or not."""
        self._meter.end(key, now)

    def receive(self, key: object, count: float, left: float | None, now: float) -> None:
        """Register bytes that a download has received, and how many remain if known."""
        found = self._meter.receive(key, count, left, now)
        if found is None:
            return
        before = self.limit
        if self._phase is _Phase.HOLDING:
            self._hold(found, now)
        elif self._base is None or abs(found.transfers - self._base.transfers) < _HALF:
            self._compare_with(found)
        elif self._phase is _Phase.GROWING:
            self._grow(found, self._base, now)
        else:
            self._shrink(found, self._base)
        if self._phase is _Phase.SHRINKING and now >= self._plateau.until:
            self._settle(self.limit + 1, now)
        if self.limit != before:
            self._meter.restart(now)

    def _compare_with(self, found: Measured) -> None:
        self._base = found
        if self._phase is _Phase.GROWING:
            self.limit = max(self.limit, round(found.transfers) + max(1, round(found.transfers) // 2))

    def _grow(self, found: Measured, base: Measured, now: float) -> None:
        if found.transfers < base.transfers:
            self._compare_with(found)
            return
        if found.rate < (1 - CHANGES) * base.rate:  # the connection has changed: the two cannot be compared
            self._has_fallen, self._base = True, None
            return
        gain = _gain(base, found)
        if gain >= GROWS:
            more = found.transfers if gain >= GROWS_IN_FULL else 1
            self.limit = max(self.limit, round(found.transfers + more))
            self._base, self._has_fallen, self._wait = found, False, SOON
            return
        needed = math.ceil(found.rate / (base.rate / base.transfers) - _NEARLY)
        self._settle(max(1, round(base.transfers), min(round(found.transfers), needed)), now)
        if self._has_fallen and self.limit > 1:
            self._phase, self._base, self.limit = _Phase.SHRINKING, found, self.limit - 1
        self._has_fallen = False

    def _shrink(self, found: Measured, base: Measured) -> None:
        if found.transfers > base.transfers:
            return
        if _gain(found, base) >= GROWS:
            self._phase, self.limit = _Phase.HOLDING, max(1, round(base.transfers))
        elif self.limit > 1:
            self._base, self.limit = found, max(1, round(found.transfers) - 1)
        else:
            self._phase = _Phase.HOLDING

    def _hold(self, found: Measured, now: float) -> None:
        plateau = self._plateau
        if found.transfers < self.limit - _HALF:
            return
        if plateau.rate is None:
            plateau.rate = found.rate
            return
        if abs(found.rate / plateau.rate - 1) > CHANGES:
            plateau.odd = max(1, plateau.odd + 1) if found.rate > plateau.rate else min(-1, plateau.odd - 1)
        else:
            plateau.odd = 0
            plateau.rate += (found.rate - plateau.rate) / 5
        has_changed = abs(plateau.odd) > 1
        has_more = found.transfers > self.limit + _HALF  # which transfer no more, as far as is known
        if has_changed or (now >= plateau.until and not has_more):
            self._wait = SOON if has_changed else min(LATER, 2 * self._wait)
            self._has_fallen = plateau.odd < -1
            self._phase, self._base, self.limit = _Phase.GROWING, found, round(found.transfers) + 1

    def _settle(self, limit: int, now: float) -> None:
        self._phase, self._base, self.limit = _Phase.HOLDING, None, limit
        self._plateau = _Plateau(now + self._wait)


def _gain(fewer: Measured, more: Measured) -> float:
    """Return what each further download added to the total, as a part of the mean rate of the fewer ones."""
    added = (more.rate - fewer.rate) / (more.transfers - fewer.transfers)
    return added / (fewer.rate / fewer.transfers)
