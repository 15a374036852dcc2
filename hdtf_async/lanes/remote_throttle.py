"""The network lane of several processes with one public address: their driver lets each attempt in.

The driver has the pace and the breaker (`Throttle`), as on one machine. The other processes report their
attempts to it as events, and it admits them. How both travel is up to the caller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, ClassVar

import anyio

from hdtf_async.core.events import Event
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.lanes.throttle import Pacing, Permit, Throttle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from hdtf_async.core.event_bus import EventBus
    from hdtf_async.lanes.limits import Lanes


@dataclass(frozen=True, slots=True)
class LaneUse(Event):
    """An attempt of another process waits for the lane, has an answer, is refused, or has left the lane."""

    type: ClassVar[str] = "lane_use"
    attempt: int
    state: str
    """``waits``, ``answered``, ``refused`` or ``left``."""
    reason: Reason | None = None
    """Why it was refused."""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Admission:
    """The driver's answer to an attempt that waits."""

    attempt: int
    admitted: bool
    probed: Reason | None = None
    """Why the lane is closed, if this attempt is the probe."""
    over: Failure | None = None
    """Why no attempt is admitted any more."""


class RemoteThrottle(Throttle):
    """The way into the lane in a process other than the driver."""

    def __init__(self, lanes: Lanes, events: EventBus) -> None:
        super().__init__(lanes.network, lanes.encodes, Pacing(pace=0, cool_down=0), events)
        self._numbers = count(1)
        self._waits: dict[int, anyio.Event] = {}
        self._admissions: dict[int, Admission] = {}

    def admit(self, admission: Admission) -> None:
        """Take the driver's answer."""
        self.over = self.over or admission.over
        if admission.attempt in self._waits:
            self._admissions[admission.attempt] = admission
            self._waits[admission.attempt].set()

    async def _enter(self) -> Permit | None:
        await self._network.acquire()
        number, permit = next(self._numbers), None
        self._waits[number] = answered = anyio.Event()
        try:
            if not self._ended:
                self._report(number, "waits")
                await answered.wait()
                admission = self._admissions.pop(number)
                if admission.admitted:
                    permit = Permit(self, number, admission.probed)
                    self._asking.add(permit)
        finally:
            del self._waits[number]
            if permit is None:
                self._report(number, "left")
                self._network.release()
        return permit

    def succeeded(self, permit: Permit) -> None:
        """Report that YouTube has answered; once is enough."""
        if permit in self._asking:
            self._asking.discard(permit)
            self._report(permit.closings, "answered")

    def rejected(self, permit: Permit, failure: Failure) -> None:
        """Report that every attempt would fail alike: the driver closes the lane for all processes."""
        self._report(permit.closings, "refused", failure.reason, failure.words)

    def _end_query(self, permit: Permit) -> None:
        self._asking.discard(permit)
        self._report(permit.closings, "left")

    def _report(self, number: int, state: str, reason: Reason | None = None, words: str = "") -> None:
        self._events.emit(LaneUse(number, state, reason, words))


@dataclass(slots=True)
class _Attempt:
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    permit: Permit | None = None


class Admissions:
    """The driver's side: admits the attempts of all processes."""

    def __init__(
        self,
        pacing: Pacing,
        events: EventBus,
        tasks: TaskGroup,
        answer: Callable[[str, Admission], Awaitable[object]],
    ) -> None:
        """`answer` sends the answer to a process; it must not raise if that is gone."""
        any_number = anyio.CapacityLimiter(math.inf)  # each process has tokens of its own
        self.throttle = Throttle(any_number, any_number, pacing, events)
        self._tasks = tasks
        self._answer = answer
        self._attempts: dict[tuple[str, int], _Attempt] = {}

    def take(self, process: str, use: LaneUse) -> None:
        """Take what a process reports of an attempt."""
        attempt = self._attempts.get((process, use.attempt))
        if use.state == "waits":
            attempt = self._attempts[process, use.attempt] = _Attempt()
            self._tasks.start_soon(self._admit, process, use.attempt, attempt)
        elif attempt is not None and use.state == "left":
            attempt.scope.cancel()
        elif attempt is not None and attempt.permit is not None:
            if use.reason is None:
                attempt.permit.succeeded()
            else:
                attempt.permit.rejected(Failure(use.reason, use.words))

    def gone(self, process: str) -> None:
        """End the attempts of a process that is gone."""
        for (name, _), attempt in self._attempts.items():
            if name == process:
                attempt.scope.cancel()

    async def _admit(self, process: str, number: int, attempt: _Attempt) -> None:
        """Admit an attempt when it is its turn, and keep its place until it has left."""
        try:
            with attempt.scope:
                async with self.throttle.permit() as permit:
                    attempt.permit, over = permit, self.throttle.over
                    probed = None if permit is None else permit.probed
                    await self._answer(process, Admission(number, permit is not None, probed, over))
                    if permit is not None:
                        await anyio.sleep_forever()
        finally:
            del self._attempts[process, number]
