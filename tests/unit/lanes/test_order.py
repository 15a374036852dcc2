"""The order of encodes, and what they are expected to take."""

from __future__ import annotations

from functools import partial
from random import Random
from statistics import mean
from typing import TYPE_CHECKING

import anyio
import pytest
from virtual_time import VIRTUAL_TIME, run

from hdtf_async.lanes.limits import EncodeQueue
from hdtf_async.lanes.order import DECODED, ENCODED, EncodeCosts, Workload, longest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from virtual_time import Backend

Job = tuple[float, float]
"""When a clip may be encoded, and the seconds of its encode."""


@pytest.fixture
def anyio_backend() -> Backend:
    """Hours take milliseconds here."""
    return VIRTUAL_TIME


def _shortest_makespan(jobs: Sequence[Job], cpus: int) -> float:
    """Return the least time in which all can be done, whatever the order: every order is tried."""
    best = float("inf")
    seen: dict[tuple[frozenset[int], tuple[float, ...]], float] = {}

    def go(left: frozenset[int], free: tuple[float, ...], end: float) -> None:
        nonlocal best
        if not left:
            best = min(best, end)
            return
        work = sum(jobs[each][1] for each in left)
        soonest = max(max(free[0], jobs[each][0]) + jobs[each][1] for each in left)
        if max(end, soonest, (sum(free) + work) / cpus) >= best or seen.get((left, free), best) <= end:
            return  # no order of the rest can be better than what was found
        seen[left, free] = end
        for each in sorted(left, key=lambda each: -jobs[each][1]):
            arrives, seconds = jobs[each]
            done = max(free[0], arrives) + seconds
            go(left - {each}, tuple(sorted((done, *free[1:]))), max(end, done))

    go(frozenset(range(len(jobs))), (0.0,) * cpus, 0.0)
    return best


def _makespan(jobs: Sequence[Job], cpus: int) -> float:
    """Return how long the encode lane takes."""

    async def go() -> float:
        queue = EncodeQueue(anyio.CapacityLimiter(cpus))

        async def encode(arrives: float, seconds: float) -> None:
            await anyio.sleep_until(arrives)
            token = await queue.acquire(lambda: seconds)
            await anyio.sleep(seconds)
            queue.release(token)

        async with anyio.create_task_group() as clips:
            for job in jobs:
                clips.start_soon(encode, *job)
        return anyio.current_time()

    return run(go)


def _instance(chance: Random) -> tuple[list[Job], int]:
    """Return a few clips of a few videos that arrive one after the other, and a number of CPUs."""
    cpus, number = chance.choice((2, 2, 3, 4)), chance.randint(4, 8)
    gap = chance.choice((0.0, 0.3, 1.0, 2.0)) * 8 / cpus
    jobs: list[Job] = []
    now = 0.0
    while len(jobs) < number:
        clips = min(chance.choice((1, 1, 1, 2, 3)), number - len(jobs))
        jobs += [(now, chance.uniform(*chance.choice(((2, 10), (2, 10), (10, 30))))) for _ in range(clips)]
        now += chance.expovariate(1) * gap
    return jobs, cpus


def test_the_order_is_near_to_the_best_one() -> None:
    """Over 200 small instances it takes 3 % more time than the best order, which knows what arrives later."""
    chance = Random(0)  # noqa: S311 - the same numbers each time
    instances = [_instance(chance) for _ in range(200)]
    best = [_shortest_makespan(*each) for each in instances]
    ratios = [_makespan(*each) / least for each, least in zip(instances, best, strict=True)]
    assert min(ratios) > 1 - 1e-9
    assert mean(ratios) <= 1.03
    assert sum(ratio <= 1.03 for ratio in ratios) >= 160


def test_a_long_clip_does_not_start_last() -> None:
    """Two short clips on one CPU go with a long one on the other, whatever the order of arrival."""
    assert _makespan([(0, 10), (0, 10), (0, 10), (0, 30)], 2) == 30


def test_the_first_clips_do_not_wait_for_longer_ones() -> None:
    """A CPU that is free takes what is there."""
    assert _makespan([(0, 5), (1, 50)], 2) == 51
    assert _makespan([(0, 5), (1, 50)], 1) == 55


def test_of_equals_the_first_one_is_taken() -> None:
    """Which is that of the video that arrived first."""
    assert longest("abc", lambda _: 1.0) == "a"
    assert longest("abcb", {"a": 1.0, "b": 2.0, "c": 1.5}.__getitem__) == "b"


async def _waiting(queue: EncodeQueue, order: list[str], name: str, seconds: Callable[[], float]) -> None:
    token = await queue.acquire(seconds)
    try:
        order.append(name)
        await anyio.sleep(1)
    finally:
        queue.release(token)


async def test_the_estimate_counts_that_is_made_when_a_token_is_free() -> None:
    """What was learned while a clip waited changes its place."""
    queue, order = EncodeQueue(anyio.CapacityLimiter(1)), list[str]()
    known = {"first": 9.0, "a": 2.0, "b": 1.0}
    async with anyio.create_task_group() as clips:
        for name in ("first", "a", "b"):
            clips.start_soon(_waiting, queue, order, name, partial(known.__getitem__, name))
        await anyio.sleep(0.5)
        known["b"] = 3.0
    assert order == ["first", "b", "a"]


async def test_the_queue_shares_its_limiter_with_other_work() -> None:
    """A token that the host holds is not handed out, and comes back to the host."""
    tokens = anyio.CapacityLimiter(1)
    queue, order = EncodeQueue(tokens), list[str]()
    async with anyio.create_task_group() as clips, tokens:
        clips.start_soon(_waiting, queue, order, "short", lambda: 1.0)
        clips.start_soon(_waiting, queue, order, "long", lambda: 2.0)
        await anyio.sleep(10)
        assert not order
    assert order == ["long", "short"]
    assert tokens.borrowed_tokens == 0


@pytest.mark.parametrize("cancelled", ["short", "long"])
async def test_whoever_stops_waiting_takes_no_token_with_it(cancelled: str) -> None:
    """Whether it was the one that acquired for all or not, also in the moment in which a token is free."""
    tokens = anyio.CapacityLimiter(1)
    for delay in (0.5, 1.0, 1.5):
        queue, order = EncodeQueue(tokens), list[str]()
        scopes = {name: anyio.CancelScope() for name in ("short", "long")}

        async def wait(name: str, queue: EncodeQueue = queue, order: list[str] = order) -> None:
            with scopes[name]:  # noqa: B023 - used up in this round
                await _waiting(queue, order, name, lambda: {"short": 1.0, "long": 2.0, "busy": 9.0}[name])

        async with anyio.create_task_group() as clips:
            clips.start_soon(_waiting, queue, order, "busy", lambda: 9.0)
            await anyio.sleep(0)
            clips.start_soon(wait, "short")
            clips.start_soon(wait, "long")
            await anyio.sleep(delay)
            scopes[cancelled].cancel()
        other = {"short": "long", "long": "short"}[cancelled]
        assert other in order
        assert tokens.borrowed_tokens == 0


def test_an_encode_is_expected_to_take_what_its_pixels_take() -> None:
    """Before anything is measured, both parts count as in the documentation's table."""
    costs = EncodeCosts()
    assert costs.expected(Workload(1e9, 0)) == pytest.approx(1e9 * DECODED)
    assert costs.expected(Workload(0, 1e9)) == pytest.approx(1e9 * ENCODED)


@pytest.mark.parametrize("truth", [(3e-9, 3e-9), (1e-9, 20e-9), (0.5e-9, 2e-9), (5e-9, 1e-9)])
def test_the_estimate_learns_from_what_encodes_take(truth: tuple[float, float]) -> None:
    """After thirty clips it is right to a sixth, whichever part of the work the machine is slow at."""
    chance, costs = Random(1), EncodeCosts()  # noqa: S311 - the same numbers each time

    def clip() -> tuple[Workload, float]:
        frames = chance.uniform(200, 3000)
        work = Workload(frames * chance.choice((0.92e6, 2.07e6)), frames * chance.uniform(0.1e6, 0.5e6))
        return work, truth[0] * work.decoded + truth[1] * work.encoded

    for _ in range(30):
        work, seconds = clip()
        costs.learn(work, seconds * chance.uniform(0.9, 1.1))
    for _ in range(30):
        work, seconds = clip()
        assert costs.expected(work) == pytest.approx(seconds, rel=1 / 6)


def test_one_measurement_changes_the_scale_but_hardly_the_ratio() -> None:
    """A clip tells how fast the machine is, not which part of the work is the slow one."""
    costs = EncodeCosts()
    work = Workload(2e9, 4e8)
    before = costs.expected(work)
    costs.learn(work, 3 * before)
    assert costs.expected(work) == pytest.approx(3 * before, rel=0.05)
    assert costs.expected(Workload(2e9, 0)) == pytest.approx(3 * 2e9 * DECODED, rel=0.05)


@pytest.mark.parametrize(("work", "seconds"), [(Workload(0, 0), 1.0), (Workload(1e9, 1e8), 0.0)])
def test_what_cannot_be_compared_teaches_nothing(work: Workload, seconds: float) -> None:
    """A clip without frames, or a clock that has not moved."""
    costs = EncodeCosts()
    costs.learn(work, seconds)
    assert costs.expected(Workload(1e9, 0)) == pytest.approx(1e9 * DECODED)
