"""Admission to the network lane: the pace, a token, and the circuit breaker for blocks by YouTube.

YouTube blocks an IP address, not a video. So the first block closes the lane for all downloads that have not
started; running transfers continue, and so do encodes. After a cool-down one video is admitted, the test
download (probe), and its result decides: a block closes the lane again, for twice as long, and anything else
opens it. After three blocked test downloads it is closed permanently, and the run ends.

The lane closes in the same way if YouTube cannot be reached, with a short first pause: such attempts make no
requests to YouTube, so the pace does not apply to them either.

The pace also counts the queries of a census within the last hour: no hour has more queries than the pace
allows.

Without a pace, no more videos are extracted at once than there are encode tokens: an extraction takes a
second of CPU time to start, so that eight which start together would begin their transfers late and end them
together, without anything to encode until then. The next one starts `LONGEST_ASK` seconds after the
last one at the latest.

After its extraction, a video starts its transfer when `transfers.TransferLimiter` has room for one more. No
more videos are extracted while as many are waiting for that as there are encode tokens.

With or without a pace, no more videos are extracted at once than fit into memory
(`extractions_that_fit`), however long that takes: a child that the kernel kills for lack of memory fails its
video.

A block of an attempt that started before the lane was last closed changes nothing.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from hdtf_async.core.events import LaneClosed, LaneOpened, PaceWait
from hdtf_async.core.failures import Action, Reason
from hdtf_async.lanes.streaks import Streaks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from hdtf_async.core.event_bus import EventBus
    from hdtf_async.core.failures import Failure
    from hdtf_async.lanes.transfers import TransferLimiter

PROBES = 3
"""Blocked test downloads after which the lane is closed permanently."""
LONGEST_COOL_DOWN = 4 * 3600.0
"""Maximum of the doubling cool-down, in seconds."""
UNREACHABLE_WAIT = 2.5
"""Seconds until the first test download if YouTube cannot be reached. Three take less than a minute."""
ASK_MEMORY = 400_000_000
"""Bytes that yt-dlp and deno use together during an extraction; measured in docs/speed.md."""
HOUR = 3600.0
LONG_WAIT = 60.0
"""Seconds of waiting for the pace, because of a census, from which on an event is emitted."""
LONGEST_ASK = 5.0
"""Seconds after a start when the next one no longer waits for unanswered extractions."""


def extractions_that_fit(memory: int | None) -> float:
    """Return how many videos may be extracted at once with this much memory in bytes; at least 1."""
    return math.inf if memory is None else max(1, memory // ASK_MEMORY)


class Permit:
    """Permission for one attempt; its holder reports YouTube's answer."""

    def __init__(self, throttle: Throttle, closings: int, probed: Reason | None = None) -> None:
        self._throttle = throttle
        self.closings = closings
        """How often the lane had been closed when this attempt started."""
        self.probed = probed
        """Why the lane is closed, if this attempt is the test download."""
        self.on_available: Callable[[], None] = lambda: None
        """Called when YouTube offers the video."""

    def transfer(self) -> AbstractAsyncContextManager[None]:
        """Wait until one more transfer may start, and count it until it ends."""
        return self._throttle.transfer(self)

    def received(self, count: int, left: int | None) -> None:
        """Register received bytes, and how many remain if known."""
        self._throttle.received(self, count, left)

    def unreached(self) -> None:
        """Register that the attempt did not reach YouTube: the next one need not keep the pace."""
        self._throttle.unreached()

    def available(self) -> None:
        """Register that YouTube offers the video: neither the IP address nor yt-dlp is the problem."""
        self._throttle.streaks.succeeded()
        self.on_available()

    def succeeded(self) -> None:
        """Register an answer of YouTube other than a block."""
        self._throttle.succeeded(self)

    def rejected(self, failure: Failure) -> None:
        """Register a block, or another reason for which every attempt would fail."""
        self._throttle.rejected(self, failure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How fast a `Throttle` admits attempts."""

    pace: float
    """Minimum seconds between two starts."""
    cool_down: float
    """Seconds of the first pause after a block; each further one is twice as long."""
    earlier: Iterable[float] = ()
    """Times, on the loop's clock, at which a census queried YouTube before this run."""
    most_asking: float = math.inf
    """Maximum number of simultaneous extractions."""


class Throttle:
    """Admits attempts to the network lane, at least `pace` seconds apart, while the lane is open.

    Once there are as many unanswered attempts as `encodes` has tokens, the next one waits for an answer, but
    not for long; once there are `most_asking`, it waits as long as necessary.
    """

    def __init__(
        self,
        network: anyio.CapacityLimiter,
        encodes: anyio.CapacityLimiter,
        pacing: Pacing,
        events: EventBus,
        transfers: TransferLimiter | None = None,
    ) -> None:
        """Make an open lane. Without `transfers`, all transfers start at once."""
        self.over: Failure | None = None
        """Why no more attempts are admitted, unless the run was asked to stop."""
        self.streaks = Streaks()
        """Consequences of consecutive failures; shared by all pipelines that use this lane."""
        self._network = network
        self._encodes = encodes
        self._most_asking = pacing.most_asking
        self._pace = pacing.pace
        self._first_cool_down = self._cool_down = pacing.cool_down
        self._begin_cool_down(Reason.REFUSED)
        self._transfers = transfers
        self._prepared = 0
        """Attempts that have their answer and wait for their transfer."""
        self._events = events
        self._begun = -math.inf
        """When the last attempt was admitted, on the loop's clock."""
        self._asking: set[Permit] = set()
        """Admitted attempts without an answer."""
        self._opens = -math.inf
        """When the cool-down ends."""
        self._closings = 0
        self._earlier = deque(sorted(pacing.earlier))
        """Times of the queries that count in the current hour; empty without a census."""
        self._announced = -math.inf
        """Until when a long wait was announced."""
        self._closed_since: float | None = None
        """Since when it has not been open, on the loop's clock; None while it is."""
        self._probe: Permit | None = None
        self._ended = False
        self._one = anyio.Lock()
        self._waiting = anyio.CancelScope()

    @property
    def wait(self) -> float:
        """Seconds until the cool-down ends; 0 if there is none."""
        return max(0.0, self._opens - anyio.current_time())

    def end(self) -> None:
        """Admit no more attempts; waiting ones are rejected at once."""
        self._ended = True
        self._changed()

    def succeeded(self, permit: Permit) -> None:
        """Open the lane if this was the test download; in any case the attempt has its answer."""
        self._end_query(permit)
        if permit is self._probe and self._closed_since is not None:
            self._events.emit(LaneOpened(round(anyio.current_time() - self._closed_since, 3)))
            self._probe = self._closed_since = None
            self._changed()

    def unreached(self) -> None:
        """Let the next attempt start without waiting for the pace."""
        self._begun = -math.inf
        self._changed()

    def rejected(self, permit: Permit, failure: Failure) -> None:
        """Close the lane, longer than before if this was the test download; ignore older attempts."""
        if permit.closings < self._closings or self._ended:
            return
        reason = failure.reason
        if permit is not self._probe:
            self._closed_since = anyio.current_time()
            self._begin_cool_down(reason)
        elif reason is self._cause:
            self._refused_probes += 1
            self._cool_down = min(2 * self._cool_down, LONGEST_COOL_DOWN)
        else:
            self._begin_cool_down(reason)
        self._probe = None
        self._closings += 1
        for_good = self._refused_probes == PROBES or reason.advice.action is not Action.CLOSE
        if for_good:
            self.over = failure
            self.end()
        else:
            self._opens = anyio.current_time() + self._cool_down
            self._changed()
        after = None if for_good else self._cool_down
        self._events.emit(LaneClosed(reason, failure.words, after, self._refused_probes))

    def _begin_cool_down(self, reason: Reason) -> None:
        """Start with the first pause for a reason."""
        self._cause = reason
        """Why the lane was closed last."""
        self._refused_probes = 0
        short = reason is Reason.UNREACHABLE
        self._cool_down = min(UNREACHABLE_WAIT, self._first_cool_down) if short else self._first_cool_down

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[Permit | None]:
        """Wait until the lane is open and for the pace, then hold a token; None once it has ended."""
        permit = await self._enter()
        try:
            yield permit
        finally:
            if permit is not None:
                self._end_query(permit)
                self._network.release()
                if permit is self._probe:  # it got no answer: the next one is the test download
                    self._probe = None
                    self._changed()

    @asynccontextmanager
    async def transfer(self, permit: Permit) -> AsyncIterator[None]:
        """Wait until one more transfer may start, and count it until it ends.

        The test download does not wait: all others wait for its answer.
        """
        if self._transfers is None:
            yield
            return
        if permit.probed is None and not self._transfers.allows():
            self._end_query(permit)
            self._prepared += 1
            try:
                await self._transfers.wait()
            finally:
                self._prepared -= 1
                self._changed()
        with self._transfers.running(permit):
            yield

    def received(self, permit: Permit, count: int, left: int | None) -> None:
        """Register bytes that an attempt has received, and how many remain if known."""
        if self._transfers is not None:
            self._transfers.received(permit, count, left)

    async def _enter(self) -> Permit | None:
        # One attempt at a time waits for the pace and then for a token, so that tokens released at the same
        # time do not cause a burst of starts, and an attempt that waits for the pace holds no token.
        async with self._one:
            while not self._ended:
                with anyio.CancelScope() as self._waiting:
                    if self._probe is not None or len(self._asking) >= self._most_asking or self._is_ahead:
                        await anyio.sleep_forever()  # until there is an answer, or a transfer starts
                    wait = max(self._pace, LONGEST_ASK) if self._others_ask else self._pace
                    await anyio.sleep_until(max(self._begun + wait, self._opens, self._hour_allows()))
                    await self._network.acquire()
                    if not self._waiting.cancel_called:
                        self._begun = anyio.current_time()
                        if self._earlier:
                            self._earlier.append(self._begun)
                        probed = None if self._closed_since is None else self._cause
                        permit = Permit(self, self._closings, probed)
                        self._asking.add(permit)
                        if probed is not None:
                            self._probe = permit
                        return permit
                    self._network.release()  # the state changed while the token was passed on
            return None

    def _hour_allows(self) -> float:
        """Return when the next attempt may start, because of the queries within the last hour."""
        now = anyio.current_time()
        while self._earlier and self._earlier[0] <= now - HOUR:
            self._earlier.popleft()
        if not self._earlier or not self._pace:
            return -math.inf
        allowed = max(1, int(HOUR / self._pace))
        if len(self._earlier) < allowed:
            return -math.inf
        at = self._earlier[-allowed] + HOUR
        if at - now > LONG_WAIT and at != self._announced:
            self._announced = at
            self._events.emit(PaceWait(round(at - now, 3), len(self._earlier)))
        return at

    def _end_query(self, permit: Permit) -> None:
        waited_for = self._others_ask or len(self._asking) >= self._most_asking
        if permit in self._asking and waited_for:
            self._changed()
        self._asking.discard(permit)

    @property
    def _others_ask(self) -> bool:
        """Whether unanswered attempts keep the CPUs busy."""
        return len(self._asking) >= self._encodes.total_tokens

    @property
    def _is_ahead(self) -> bool:
        """Whether enough videos are extracted: their media URLs expire after a few hours."""
        return self._prepared >= self._encodes.total_tokens

    def _changed(self) -> None:
        """Make waiting attempts check their conditions again."""
        self._waiting.cancel()
