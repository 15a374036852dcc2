"""The one entrance to the network lane where all workers of a cluster have one address.

The pace and the breaker are those of one machine (`throttle.Throttle`), and stand with the driver; workers
knock. Each start also takes a lease of a semaphore of the cluster's for as long as the pace says, so that
runs beside this one keep the same pace. The lease is refreshed meanwhile, and runs out by itself where the
driver was killed.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
from distributed import Semaphore

from hdtf_async.cluster.messages import failure_of, stated_failure
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.lanes.throttle import Pacing, Throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup
    from distributed import Client

    from hdtf_async.cluster.messages import Told
    from hdtf_async.core.events import EventBus
    from hdtf_async.core.options import Options
    from hdtf_async.lanes.throttle import Permit

    Answer = Callable[[int, object], None]

_PACE = "hdtf_async pace"


@dataclass(slots=True)
class _Attempt:
    """Somebody who has knocked, and has not left."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    permit: Permit | None = None


class Door:
    """Lets the attempts of all workers into the lane."""

    def __init__(self, client: Client, options: Options, events: EventBus, tasks: TaskGroup) -> None:
        any_number = anyio.CapacityLimiter(math.inf)  # each worker has tokens of its own
        pacing = Pacing(pace=options.pace, cool_down=options.cool_down)
        self._throttle = Throttle(any_number, any_number, pacing, events)
        self._pace = options.pace
        self._client = client
        self._tasks = tasks
        self._attempts: dict[tuple[str, int], _Attempt] = {}
        self._semaphore: Semaphore | None = None

    @property
    def over(self) -> Failure | None:
        """Why nobody is let in any more, if YouTube's refusals are the reason."""
        return self._throttle.over

    def end(self) -> None:
        """Let nobody in any more."""
        self._throttle.end()

    def leave(self) -> None:
        """Leave nothing on the loop of the program: the semaphore would refresh its leases for ever."""
        refresh = getattr(self._semaphore, "refresh_callback", None)
        if refresh is not None:
            refresh.stop()

    def heard(self, worker: str, said: Told, answer: Answer) -> None:
        """Take what a worker says of an attempt of its."""
        name = (worker, said["turn"])
        if said["kind"] == "enter":
            attempt = self._attempts[name] = _Attempt()
            self._tasks.start_soon(self._let_in, name, attempt, said["ask"], answer)
            return
        known = self._attempts.get(name)
        if known is None:
            return
        if said["kind"] == "left":
            known.scope.cancel()
        elif known.permit is not None and said["kind"] == "refused":
            known.permit.rejected(failure_of(said["why"]) or Failure(Reason.REFUSED))
        elif known.permit is not None:
            known.permit.succeeded()

    def gone(self, worker: str) -> None:
        """Take note that a worker's attempts come to nothing more."""
        for (of, _), attempt in [*self._attempts.items()]:
            if of == worker:
                attempt.scope.cancel()

    async def _let_in(self, name: tuple[str, int], attempt: _Attempt, ask: int, answer: Answer) -> None:
        """Let an attempt in when it is its turn, and keep its place until it has left."""
        try:
            with attempt.scope:
                async with self._throttle.permit() as attempt.permit:
                    if attempt.permit is None:
                        answer(ask, stated_failure(self.over))
                        return
                    await self._in_step()
                    answer(ask, True)
                    await anyio.sleep_forever()
        finally:
            del self._attempts[name]

    async def _in_step(self) -> None:
        """Wait until no other run on this cluster has begun a download for as long as the pace says."""
        if not self._pace:
            return
        if self._semaphore is None:
            self._semaphore = Semaphore(
                max_leases=1, name=_PACE, scheduler_rpc=self._client.scheduler, loop=self._client.loop
            )
        await self._semaphore.acquire()
        self._tasks.start_soon(self._release, self._semaphore)

    async def _release(self, semaphore: Semaphore) -> None:
        try:
            await anyio.sleep(self._pace)
        finally:
            with anyio.move_on_after(1, shield=True), suppress(Exception):
                await semaphore.release()
