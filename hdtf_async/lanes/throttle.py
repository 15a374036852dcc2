"""The way into the network lane: the pace, a token, and the breaker that closes it when YouTube refuses.

YouTube refuses an address, not a video. So the first refusal closes the lane for everybody who has not
begun; transfers that run go on, and so do encodes. After a cool-down one video, the probe, is let in, and
its answer decides: a refusal closes the lane again, for twice as long, and anything else opens it. After
three refused probes it is closed for good, and the run ends.

The lane closes in the same way where YouTube cannot be reached, with a short first wait: such attempts ask
nothing of YouTube, so the pace does not hold for them either.

The pace also counts what a census asked within the last hour: in no hour are more videos asked for than the
pace allows.

Without a pace, no more of them ask at once than there are encode tokens: what asks takes a second of CPU to
start, so that eight which start together would begin their transfers late and end them together, with nothing
to cut until then. But nobody waits long for those before: a pace of `LONGEST_ASK` is as good.

With or without a pace, no more of them ask at once than the memory has room for (`asks_that_fit`), however
long one waits: a child that the kernel kills for want of memory takes its video with it.

A refusal of an attempt that began before the lane was last closed is no news: it changes nothing.
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

    from hdtf_async.core.events import EventBus
    from hdtf_async.core.failures import Failure

PROBES = 3
"""Refused probes after which the lane is closed for good."""
LONGEST_COOL_DOWN = 4 * 3600.0
"""Seconds to which the doubling of the cool-down is bounded."""
UNREACHABLE_WAIT = 2.5
"""Seconds until the first probe where YouTube cannot be reached. Three probes take less than a minute."""
ASK_MEMORY = 400_000_000
"""Bytes that yt-dlp and deno take together while they ask for a video; measured in docs/speed.md."""
HOUR = 3600.0
LONG_WAIT = 60.0
"""Seconds of waiting for the pace, because of a census, from which on an event is emitted."""
LONGEST_ASK = 5.0
"""Seconds after a start when the next one need not wait any more for who has no answer yet."""


def asks_that_fit(memory: int | None) -> float:
    """Return how many videos may be asked for at once with so many bytes of memory available; at least 1."""
    return math.inf if memory is None else max(1, memory // ASK_MEMORY)


class Permit:
    """One attempt in the lane: who has it says what YouTube answered."""

    def __init__(self, entrance: Throttle, closings: int, probed: Reason | None = None) -> None:
        self._entrance = entrance
        self.closings = closings
        """How often the lane had been closed when this attempt began."""
        self.probed = probed
        """Why the lane is closed, where this attempt is the probe."""
        self.on_available: Callable[[], None] = lambda: None
        """Is called when YouTube offers the video."""

    def unreached(self) -> None:
        """Take in that the attempt did not reach YouTube: the next one need not keep the pace."""
        self._entrance.unreached()

    def available(self) -> None:
        """Take in that YouTube offers the video: neither the address nor yt-dlp is the problem."""
        self._entrance.streaks.succeeded()
        self.on_available()

    def answered(self) -> None:
        """YouTube has answered, and that was no refusal."""
        self._entrance.answered(self)

    def refused(self, failure: Failure) -> None:
        """YouTube has refused the address, or every attempt would fail alike for another reason."""
        self._entrance.refused(self, failure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How fast a `Throttle` lets attempts in."""

    pace: float
    """Least seconds between two."""
    cool_down: float
    """Seconds of the first pause once YouTube refuses; each further one is twice as long."""
    earlier: Iterable[float] = ()
    """Times, on the loop's clock, at which a census asked YouTube before this run."""
    most_asking: float = math.inf
    """How many may wait for YouTube's answer at a time."""


class Throttle:
    """Lets attempts into the network lane, at least `pace` seconds apart, while the lane is open.

    Once as many have no answer yet as `encodes` has tokens, the next one waits for it, but not for long; once
    `most_asking` have none, it waits as long as it takes.
    """

    def __init__(
        self,
        network: anyio.CapacityLimiter,
        encodes: anyio.CapacityLimiter,
        pacing: Pacing,
        events: EventBus,
    ) -> None:
        self.over: Failure | None = None
        """Why nobody is let in any more, unless the run was asked to end."""
        self.streaks = Streaks()
        """What failures in a row mean; shared by all pipelines that use this lane."""
        self._network = network
        self._encodes = encodes
        self._most_asking = pacing.most_asking
        self._pace = pacing.pace
        self._first_cool_down = self._cool_down = pacing.cool_down
        self._events = events
        self._begun = -math.inf
        """When the last one was let in, on the loop's clock."""
        self._asking: set[Permit] = set()
        """Those who were let in and have no answer yet."""
        self._opens = -math.inf
        """When the cool-down ends."""
        self._closings = 0
        self._cause = Reason.REFUSED
        """Why the lane was closed last."""
        self._earlier = deque(sorted(pacing.earlier))
        """Times of the requests that count in the current hour; empty where there was no census."""
        self._announced = -math.inf
        """Until when a long wait was announced."""
        self._closed_since: float | None = None
        """Since when it has not been open, on the loop's clock; None while it is."""
        self._refused_probes = 0
        self._probe: Permit | None = None
        self._ended = False
        self._one = anyio.Lock()
        self._waiting = anyio.CancelScope()

    @property
    def wait(self) -> float:
        """Seconds until the cool-down ends; 0 where there is none."""
        return max(0.0, self._opens - anyio.current_time())

    def end(self) -> None:
        """Let nobody in any more; whoever waits is turned away at once."""
        self._ended = True
        self._changed()

    def answered(self, turn: Permit) -> None:
        """Open the lane if this was the probe; in any case it asks no more."""
        self._asked(turn)
        if turn is self._probe and self._closed_since is not None:
            self._events.emit(LaneOpened(round(anyio.current_time() - self._closed_since, 3)))
            self._probe = self._closed_since = None
            self._changed()

    def unreached(self) -> None:
        """Let the next attempt begin without waiting for the pace."""
        self._begun = -math.inf
        self._changed()

    def refused(self, turn: Permit, failure: Failure) -> None:
        """Close the lane, for longer than before if this was the probe; old news changes nothing."""
        if turn.closings < self._closings or self._ended:
            return
        reason = failure.reason
        if turn is not self._probe:
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
        """Begin with the first wait for a reason."""
        self._cause = reason
        self._refused_probes = 0
        short = reason is Reason.UNREACHABLE
        self._cool_down = min(UNREACHABLE_WAIT, self._first_cool_down) if short else self._first_cool_down

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Permit | None]:
        """Wait until the lane is open and for the pace, then hold a token; None where it has ended."""
        turn = await self._enter()
        try:
            yield turn
        finally:
            if turn is not None:
                self._asked(turn)
                self._network.release()
                if turn is self._probe:  # it came to no answer: the next one is the probe
                    self._probe = None
                    self._changed()

    async def _enter(self) -> Permit | None:
        # One at a time waits for the pace and then for a token, so that tokens which become free at the
        # same moment do not lead to a burst of starts, and who waits for the pace holds no token.
        async with self._one:
            while not self._ended:
                with anyio.CancelScope() as self._waiting:
                    if self._probe is not None or len(self._asking) >= self._most_asking:
                        await anyio.sleep_forever()  # until there is an answer
                    wait = max(self._pace, LONGEST_ASK) if self._others_ask else self._pace
                    await anyio.sleep_until(max(self._begun + wait, self._opens, self._hour_allows()))
                    await self._network.acquire()
                    if not self._waiting.cancel_called:
                        self._begun = anyio.current_time()
                        if self._earlier:
                            self._earlier.append(self._begun)
                        probed = None if self._closed_since is None else self._cause
                        turn = Permit(self, self._closings, probed)
                        self._asking.add(turn)
                        if probed is not None:
                            self._probe = turn
                        return turn
                    self._network.release()  # all changed while the token was handed on
            return None

    def _hour_allows(self) -> float:
        """Return when the next attempt may begin, for what was asked within the last hour."""
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

    def _asked(self, turn: Permit) -> None:
        waited_for = self._others_ask or len(self._asking) >= self._most_asking
        if turn in self._asking and waited_for:
            self._changed()
        self._asking.discard(turn)

    @property
    def _others_ask(self) -> bool:
        """Whether those who were let in and have no answer yet keep the CPUs busy."""
        return len(self._asking) >= self._encodes.total_tokens

    def _changed(self) -> None:
        """Let whoever waits look again at what it has to wait for."""
        self._waiting.cancel()
