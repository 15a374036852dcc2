"""Several processes with one address use the network lane like one."""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest
from virtual_time import VIRTUAL_TIME

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.events import LaneClosed, LaneOpened
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.remote_throttle import Admissions, LaneUse, RemoteThrottle
from hdtf_async.lanes.throttle import PROBES, Pacing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskGroup
    from virtual_time import Backend

    from hdtf_async.core.events import Event
    from hdtf_async.lanes.remote_throttle import Admission


@pytest.fixture
def anyio_backend() -> Backend:
    """Hours take milliseconds."""
    return VIRTUAL_TIME


@dataclass
class Several:
    """Processes with a driver; messages take a moment."""

    processes: dict[str, RemoteThrottle]
    admissions: Admissions
    tasks: TaskGroup
    emitted: list[Event] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    async def attempt(self, process: str, *, seconds: float = 1.0, failure: Failure | None = None) -> bool:
        """Attempt a download from a process; return whether it was admitted."""
        async with self.processes[process].permit() as permit:
            if permit is None:
                return False
            self.starts.append(anyio.current_time())
            await anyio.sleep(seconds)
            if failure is None:
                permit.succeeded()
            else:
                permit.rejected(failure)
        return True


@asynccontextmanager
async def several(names: str, *, pace: float = 0, downloads: int = 4) -> AsyncIterator[Several]:
    """Give processes with their driver."""
    async with anyio.create_task_group() as tasks:
        events, made = EventBus(), dict[str, RemoteThrottle]()

        async def answer(process: str, admission: Admission) -> None:
            await anyio.sleep(0.01)
            made[process].admit(admission)

        admissions = Admissions(Pacing(pace=pace, cool_down=60), events, tasks, answer)
        one = Several(made, admissions, tasks)
        events.subscribe(one.emitted.append)
        for name in names:
            bus = EventBus()

            def take(event: Event, name: str = name) -> None:
                if isinstance(event, LaneUse):
                    admissions.take(name, event)

            bus.subscribe(take)
            lanes = Lanes(anyio.CapacityLimiter(downloads), anyio.CapacityLimiter(1))
            made[name] = RemoteThrottle(lanes, bus)
        yield one
        await anyio.sleep(1)
        assert admissions._attempts == {}
        for each in made.values():
            assert each._network.borrowed_tokens == 0
        tasks.cancel_scope.cancel()


async def test_starts_of_all_processes_keep_one_pace() -> None:
    """Whichever process an attempt comes from, the next one begins a pace later."""
    async with several("abc", pace=12) as one:
        async with anyio.create_task_group() as group:
            for process in "abcabc":
                group.start_soon(one.attempt, process)
        gaps = [later - earlier for earlier, later in zip(one.starts, one.starts[1:], strict=False)]
        assert gaps == pytest.approx([12] * 5)


async def test_one_refusal_closes_the_lane_for_all_and_one_probe_opens_it() -> None:
    """Nobody else asks meanwhile."""
    refused = Failure(Reason.REFUSED, "robot")
    async with several("ab") as one:
        assert await one.attempt("a", failure=refused)
        closed = anyio.current_time()
        async with anyio.create_task_group() as group:
            for process in "abab":
                group.start_soon(functools.partial(one.attempt, process, seconds=5))
        probe, *others = one.starts[1:]
        assert probe == pytest.approx(closed + 60, abs=0.1)
        assert others == pytest.approx([probe + 5] * 3, abs=0.1)
        assert [type(event) for event in one.emitted] == [LaneClosed, LaneOpened]


async def test_after_the_last_probe_no_process_is_admitted() -> None:
    """Each attempt gets the reason."""
    refused = Failure(Reason.REFUSED, "robot")
    async with several("ab") as one:
        for process in ["a", "b"] * (PROBES // 2 + 1):
            await one.attempt(process, failure=refused)
        assert len(one.starts) == PROBES + 1
        assert not await one.attempt("b")
        over = one.processes["b"].over
        assert over is not None
        assert (over.reason, over.words) == (Reason.REFUSED, "robot")


async def test_the_probe_of_a_process_that_died_is_another_ones() -> None:
    """A lane that waited for its answer would stay closed for ever."""
    async with several("ab") as one:
        await one.attempt("a", failure=Failure(Reason.REFUSED, "robot"))
        one.tasks.start_soon(functools.partial(one.attempt, "a", seconds=1e6))
        await anyio.sleep(61)
        assert len(one.starts) == 2
        one.admissions.gone("a")
        assert await one.attempt("b")
        assert isinstance(one.emitted[-1], LaneOpened)
        one.tasks.cancel_scope.cancel()
        del one.processes["a"]


async def test_waiting_attempts_are_rejected_when_the_run_ends() -> None:
    """Also one that had not asked yet."""
    async with several("ab", pace=100) as one:
        results: list[bool] = []

        async def attempt(process: str) -> None:
            results.append(await one.attempt(process))

        async with anyio.create_task_group() as group:
            for process in "aab":
                group.start_soon(attempt, process)
            await anyio.sleep(10)
            one.admissions.throttle.end()
        assert sorted(results) == [False, False, True]
        one.processes["b"].end()
        assert not await one.attempt("b")


async def test_an_attempt_that_is_cancelled_makes_room() -> None:
    """Both while it waits, and once it is in."""
    async with several("a", pace=50, downloads=2) as one:
        async with anyio.create_task_group() as group:
            group.start_soon(functools.partial(one.attempt, "a", seconds=1e6))
            group.start_soon(one.attempt, "a")
            await anyio.sleep(10)
            assert len(one.starts) == 1
            group.cancel_scope.cancel()
        assert await one.attempt("a")
