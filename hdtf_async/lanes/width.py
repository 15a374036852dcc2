"""How many downloads may run at a time: a further one starts only while the total throughput grows with it.

Where the line is the limit, more downloads at a time bring no more bytes, and all of them end late: there is
nothing to encode until then. Where the server limits each connection, more downloads bring more.

So a few start, and each time when they have been measured some more, as long as the throughput grows with
them: by one, or by as many again where each brought as much as those before. Once it does not grow, the limit
is what was needed for that throughput. After a while one more is tried, at once where the throughput
changes. Where it has fallen and one more does not help, one less is tried when a download ends.

`benchmarks/width.py` holds this against fixed numbers of downloads, on lines of all kinds.
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
"""Part from which on the line is not taken for the limit at all."""
CHANGES = 0.25
"""Part by which the throughput has to differ, twice in a row, to be taken for another line."""
SOON, LATER = 15.0, 60.0
"""Seconds until one more is tried, at first and, after doubling, at last."""
_NEARLY = 0.15
"""Part of a download that is not missed."""
_HALF = 0.5


class _Phase(Enum):
    GROWING = auto()
    """More are tried."""
    SHRINKING = auto()
    """One less is tried."""
    HOLDING = auto()
    """As many as are useful run."""


@dataclass(slots=True)
class _Held:
    """What is expected while the limit is held."""

    until: float
    """When one more is tried."""
    rate: float | None = None
    """The throughput; None before it was measured."""
    odd: int = 0
    """How often in a row it was higher than that; less than 0 where it was lower."""


class DownloadWidth:
    """Decides whether one more download may start. Times are seconds on any clock, and never fall back."""

    def __init__(self, first: int) -> None:
        """Let `first` downloads start before any throughput is known."""
        self.limit = max(1, first)
        """How many downloads may run at a time, as far as is known."""
        self._meter = ThroughputMeter()
        self._phase = _Phase.GROWING
        self._base: Measured | None = None
        """What is compared with what more, or fewer, downloads bring."""
        self._held = _Held(math.inf)
        self._wait = SOON
        self._has_fallen = False
        """Whether one more is tried because the throughput has fallen."""

    def allows(self, now: float) -> bool:
        """Whether one more may start now. One always may where no other receives data."""
        return self._meter.running(now, ending=False) < self.limit

    def changes_at(self) -> float:
        """Return when `allows` may become true if no download says anything until then."""
        return self._meter.changes_at()

    def begin(self, key: object, now: float) -> None:
        """Take note of a download that starts."""
        self._meter.begin(key, now)

    def end(self, key: object, now: float) -> None:
        """Take note of a download that has ended in whatever way."""
        self._meter.end(key, now)

    def receive(self, key: object, count: float, left: float | None, now: float) -> None:
        """Take note of bytes that a download has received, and of how many are still to come."""
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
        if self._phase is _Phase.SHRINKING and now >= self._held.until:
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
        if found.rate < (1 - CHANGES) * base.rate:  # another line: nothing can be compared
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
        held = self._held
        if found.transfers < self.limit - _HALF:
            return
        if held.rate is None:
            held.rate = found.rate
            return
        if abs(found.rate / held.rate - 1) > CHANGES:
            held.odd = max(1, held.odd + 1) if found.rate > held.rate else min(-1, held.odd - 1)
        else:
            held.odd = 0
            held.rate += (found.rate - held.rate) / 5
        has_changed = abs(held.odd) > 1
        has_more = found.transfers > self.limit + _HALF  # which bring no more, as far as is known
        if has_changed or (now >= held.until and not has_more):
            self._wait = SOON if has_changed else min(LATER, 2 * self._wait)
            self._has_fallen = held.odd < -1
            self._phase, self._base, self.limit = _Phase.GROWING, found, round(found.transfers) + 1

    def _settle(self, limit: int, now: float) -> None:
        self._phase, self._base, self.limit = _Phase.HOLDING, None, limit
        self._held = _Held(now + self._wait)


def _gain(fewer: Measured, more: Measured) -> float:
    """Return what each further download added to the total, as a part of the mean rate of the fewer ones."""
    added = (more.rate - fewer.rate) / (more.transfers - fewer.transfers)
    return added / (fewer.rate / fewer.transfers)
