"""The limits, the entrance and the queue by themselves, in virtual time."""

from __future__ import annotations

import math
from itertools import count, pairwise
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint
from virtual_time import VIRTUAL_TIME, DeadlockError, LivelockError, run

from hdtf_async.core.events import EventBus
from hdtf_async.core.model import Box, Clip, Interval, Video
from hdtf_async.core.options import Options
from hdtf_async.dataset.plan import VideoJob
from hdtf_async.lanes.limits import BandwidthLimiter, Lanes, RetryQueue
from hdtf_async.lanes.throttle import ASK_MEMORY, Pacing, Throttle, asks_that_fit

if TYPE_CHECKING:
    from virtual_time import Backend


@pytest.fixture
def anyio_backend() -> Backend:
    """Hours take milliseconds here."""
    return VIRTUAL_TIME


def _work(name: str) -> VideoJob:
    video = Video("RD", name, name, 720)
    return VideoJob((video,), (Clip(video, 0, Interval(0, 10), Box(0, 0, 512, 512)),))


# The clock that these tests and those of the pipeline stand on.


async def test_a_day_of_virtual_time_passes_at_once() -> None:
    """The clock jumps to the next timer, and stops at each on its way."""
    seen: list[float] = []

    async def note(second: float) -> None:
        await anyio.sleep_until(second)
        seen.append(anyio.current_time())

    async with anyio.create_task_group() as group:
        for second in (86400.0, 0.001, 3600.0):
            group.start_soon(note, second)
    assert seen == [0.001, 3600.0, 86400.0]


def test_a_deadlock_is_an_error_that_names_who_waits() -> None:
    """Where nothing is ready and no timer is set, the run ends with the places at which its tasks wait."""

    async def wait_for_nothing() -> None:
        await anyio.sleep(5)
        await anyio.Event().wait()

    with pytest.raises(DeadlockError, match=r"at 5 s of virtual time[\s\S]*wait_for_nothing:\d+ > "):
        run(wait_for_nothing)


def test_tasks_that_run_in_circles_are_an_error() -> None:
    """Where the clock would never move again, the run ends too."""

    async def run_in_circles() -> None:
        for _ in count():
            await checkpoint()

    with pytest.raises(LivelockError, match="run_in_circles"):
        run(run_in_circles)


# Limits.


async def test_lanes_are_as_wide_as_the_options_say() -> None:
    """One token for each download and each encode."""
    lanes = Lanes.of(Options(downloads=5, encodes=3))
    assert (lanes.network.total_tokens, lanes.encodes.total_tokens) == (5, 3)


async def test_there_are_slots_for_each_download_and_two_for_each_encode() -> None:
    """So no encode ever waits for a download that could have been made before."""
    assert Lanes(anyio.CapacityLimiter(8), anyio.CapacityLimiter(2)).slots == 12


@pytest.mark.parametrize("widths", [(math.inf, 1), (1, math.inf)])
async def test_a_lane_without_a_limit_is_refused(widths: tuple[float, float]) -> None:
    """A host's limiter has to bound something."""
    with pytest.raises(ValueError, match="finite"):
        Lanes(*map(anyio.CapacityLimiter, widths))


async def _rates(
    rate: BandwidthLimiter, bytes_each: float, starts: list[float]
) -> list[tuple[float, float, int]]:
    """Return when each of several downloads ran, from and until, and what it was told."""
    ran: list[tuple[float, float, int]] = []

    async def download(start: float) -> None:
        await anyio.sleep_until(start)
        async with rate.part() as part:
            assert part is not None
            begun = anyio.current_time()
            await anyio.sleep(bytes_each / part)
            ran.append((begun, anyio.current_time(), part))

    async with anyio.create_task_group() as group:
        for start in starts:
            group.start_soon(download, start)
    return ran


@pytest.mark.parametrize("pace", [0, 1, 12, 100])
async def test_downloads_never_exceed_the_rate_of_all(pace: float) -> None:
    """At whatever moment: all that run, by what each was told, take no more than the limit."""
    ran = await _rates(BandwidthLimiter(8000, 8), 100_000, [pace * number for number in range(50)])
    assert len(ran) == 50
    for begun, *_ in ran:
        assert sum(part for since, until, part in ran if since <= begun < until) <= 8000


async def test_few_downloads_are_not_held_back_for_those_that_do_not_run() -> None:
    """One alone has half of the rate, not an eighth; where all begin at once all of it is used to the end."""
    alone = await _rates(BandwidthLimiter(8000, 8), 100_000, [0])
    assert [told for *_, told in alone] == [4000]
    ran = await _rates(BandwidthLimiter(8000, 8), 100_000, [anyio.current_time()] * 64)
    begun, ended = min(begun for begun, *_ in ran), max(ended for _, ended, _ in ran)
    assert 64 * 100_000 / 8000 <= ended - begun < 1.15 * 64 * 100_000 / 8000


async def test_without_a_limit_nobody_is_told_one() -> None:
    """However many run."""
    rate = BandwidthLimiter(None, 1)
    async with rate.part() as one, rate.part() as other:
        assert (one, other) == (None, None)


# The entrance of the network lane.


def _entrance(
    limiter: anyio.CapacityLimiter, pace: float, at_once: int = 100, most: float = math.inf
) -> Throttle:
    encodes = anyio.CapacityLimiter(at_once)
    pacing = Pacing(pace=pace, cool_down=600, most_asking=most)
    return Throttle(limiter, encodes, pacing, EventBus())


async def _visit(entrance: Throttle, starts: list[float], stay: float, asks: float = math.inf) -> None:
    async with entrance.turn() as inside:
        if inside:
            starts.append(anyio.current_time())
            await anyio.sleep(min(asks, stay))
            if asks < stay:
                inside.answered()
                inside.answered()  # each part of the download says so
                await anyio.sleep(stay - asks)


async def test_entrance_lets_in_as_many_as_there_are_tokens() -> None:
    """Without a pace, each starts as soon as a token is free."""
    entrance, starts = _entrance(anyio.CapacityLimiter(2), 0), list[float]()
    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(_visit, entrance, starts, 10)
    assert starts == [0, 0, 10, 10, 20, 20]


async def test_entrance_keeps_its_distance_from_the_true_start() -> None:
    """The pace counts from when a token was had, not from when it was waited for."""
    entrance, starts = _entrance(anyio.CapacityLimiter(1), 7), list[float]()
    async with anyio.create_task_group() as group:
        for stay in (100, 1, 1):
            group.start_soon(_visit, entrance, starts, stay)
    assert starts == [0, 100, 107]


async def test_entrance_spaces_those_who_get_tokens_at_once() -> None:
    """A host that widens its limiter all at once does not start a burst."""
    limiter = anyio.CapacityLimiter(1)
    entrance, starts = _entrance(limiter, 3), list[float]()
    async with anyio.create_task_group() as group:
        for _ in range(9):
            group.start_soon(_visit, entrance, starts, 1000)
        await anyio.sleep(500)
        limiter.total_tokens = 9
    assert starts == [0, *range(500, 524, 3)]
    assert all(later - earlier >= 3 for earlier, later in pairwise(starts))


@pytest.mark.parametrize(
    ("pace", "stay", "asks", "starts"),
    [
        (0, 100, 2, [0, 0, 2, 2, 4, 4]),  # as each has its answer
        (0, 3, 9, [0, 0, 3, 3, 6, 6]),  # or leaves without one
        (0, 100, 50, [0, 0, 5, 10, 15, 20]),  # but nobody waits for long
        (3, 100, 1, [0, 3, 6, 9, 12, 15]),  # the pace holds
        (12, 100, 50, [0, 12, 24, 36, 48, 60]),  # and a slow one is enough
    ],
)
async def test_no_more_ask_at_once_than_there_are_cpus(
    pace: float, stay: float, asks: float, starts: list[float]
) -> None:
    """So that those who start together do not keep one another from beginning their transfers."""
    limiter, came = anyio.CapacityLimiter(8), list[float]()
    entrance = _entrance(limiter, pace, at_once=2)
    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(_visit, entrance, came, stay, asks)
    assert came == starts
    assert limiter.borrowed_tokens == 0


@pytest.mark.parametrize(
    ("pace", "asks", "most", "starts"),
    [
        (0, 50, 1, [0, 50, 100, 150]),  # however long one asks
        (0, 50, 2, [0, 0, 50, 50]),
        (3, 50, 2, [0, 3, 50, 53]),  # with a pace too
        (3, 1, 1, [0, 3, 6, 9]),  # which is all that counts where there is memory
        (3, 200, 1, [0, 100, 200, 300]),  # who leaves without an answer asks no more
        (3, 50, math.inf, [0, 3, 6, 9]),
    ],
)
async def test_no_more_ask_at_once_than_fit_into_memory(
    pace: float, asks: float, most: float, starts: list[float]
) -> None:
    """Each waits for an answer as long as it takes, and holds no token meanwhile."""
    limiter, came = anyio.CapacityLimiter(8), list[float]()
    entrance = _entrance(limiter, pace, most=most)
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(_visit, entrance, came, 100, asks)
        await anyio.sleep(2)
        assert limiter.borrowed_tokens == len(came)
    assert came == starts
    assert limiter.borrowed_tokens == 0


async def test_who_waits_for_memory_is_turned_away_at_the_end() -> None:
    """At once, although the one before still has no answer."""
    limiter, came = anyio.CapacityLimiter(8), list[float]()
    entrance = _entrance(limiter, 0, most=1)
    async with anyio.create_task_group() as group:
        group.start_soon(_visit, entrance, came, 100)
        await anyio.sleep(1)
        with anyio.fail_after(2):
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(_visit, entrance, came, 100)
                await anyio.sleep(1)
                entrance.end()
    assert came == [0]


@pytest.mark.parametrize(
    ("memory", "fit"), [(None, math.inf), (0, 1), (ASK_MEMORY, 1), (2 * ASK_MEMORY - 1, 1), (10**10, 25)]
)
def test_there_is_always_memory_for_one(memory: int | None, fit: float) -> None:
    """And for any number where the system does not report it."""
    assert asks_that_fit(memory) == fit


async def test_who_is_cancelled_at_the_entrance_blocks_nobody() -> None:
    """Neither the place at the front nor the token stays with one who has given up."""
    limiter = anyio.CapacityLimiter(1)
    entrance, starts = _entrance(limiter, 10), list[float]()
    async with anyio.create_task_group() as group:
        group.start_soon(_visit, entrance, starts, 4)
        await anyio.sleep(1)
        with anyio.move_on_after(1):
            await _visit(entrance, starts, 1)
        group.start_soon(_visit, entrance, starts, 4)
    assert starts == [0, 10]
    assert limiter.borrowed_tokens == 0


@pytest.mark.parametrize(("pace", "stay"), [(1000, 5), (0, 50)])
async def test_closing_turns_away_all_who_wait(pace: float, stay: float) -> None:
    """Whether they wait for the pace or for a token, they know at once, and hold nothing."""
    limiter = anyio.CapacityLimiter(1)
    entrance, answers = _entrance(limiter, pace), list[tuple[float, bool]]()

    async def visit() -> None:
        async with entrance.turn() as inside:
            answers.append((anyio.current_time(), inside is not None))
            if inside:
                await anyio.sleep(stay)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(visit)
        await anyio.sleep(20)
        entrance.end()
    await visit()
    assert answers == [(0, True), *[(20, False)] * 3, (anyio.current_time(), False)]
    assert limiter.borrowed_tokens == 0


async def test_a_token_that_is_handed_on_while_closing_is_given_back() -> None:
    """Who closes the entrance and leaves in one breath lets nobody in."""
    limiter = anyio.CapacityLimiter(1)
    entrance, starts = _entrance(limiter, 0), list[float]()
    async with anyio.create_task_group() as group, entrance.turn():
        group.start_soon(_visit, entrance, starts, 1)
        await anyio.sleep(1)
        limiter.total_tokens = 2  # the one who waits has its token from here on, and does not know yet
        entrance.end()
    assert starts == []
    assert limiter.borrowed_tokens == 0


# The queue.


async def _drain(queue: RetryQueue, seen: list[tuple[float, str, int]], took: float = 0) -> None:
    async for work in queue:
        seen.append((anyio.current_time(), work.videos[0].name, work.attempt))
        await anyio.sleep(took)
        queue.finished()


async def test_queue_hands_out_in_order_and_ends() -> None:
    """The planned ones in their order; then the iteration ends by itself."""
    seen: list[tuple[float, str, int]] = []
    await _drain(RetryQueue([_work("a"), _work("b")]), seen)
    assert [name for _, name, _ in seen] == ["a", "b"]


async def test_an_empty_queue_ends_at_once() -> None:
    """Nothing to hand out, nothing to wait for."""
    assert [work async for work in RetryQueue([])] == []


async def test_queue_waits_for_what_is_put_back() -> None:
    """One that is put back comes when it is due, after whatever is there meanwhile, and before it if due."""
    queue = RetryQueue([_work("a"), _work("b"), _work("c")])
    seen: list[tuple[float, str]] = []
    async for work in queue:
        seen.append((anyio.current_time(), work.videos[0].name))
        if len(seen) == 1:
            queue.put_back(work, 15)
        if len(seen) == 2:
            queue.put_back(work, 100)
        await anyio.sleep(10)
        queue.finished()
    assert seen == [(0, "a"), (10, "b"), (20, "a"), (30, "c"), (110, "b")]


async def test_queue_waits_for_those_that_are_out() -> None:
    """While one that was handed out may still come back, the iteration does not end."""
    queue = RetryQueue([_work("a")])
    seen: list[tuple[float, str, int]] = []
    taken = await anext(queue)
    async with anyio.create_task_group() as group:
        group.start_soon(_drain, queue, seen)
        await anyio.sleep(30)
        queue.put_back(taken, 5)
        queue.finished()
    assert seen == [(35, "a", 1)]


async def test_queue_waits_for_those_expected_from_elsewhere() -> None:
    """Others may put in as many as were announced, and end the waiting without putting in any."""
    queue = RetryQueue([], expected=2)
    seen: list[tuple[float, str, int]] = []
    async with anyio.create_task_group() as group:
        group.start_soon(_drain, queue, seen)
        await anyio.sleep(3)
        queue.put_back(_work("a"), 0)
        queue.finished()
        await anyio.sleep(4)
        queue.finished()
    assert seen == [(3, "a", 1)]
    assert anyio.current_time() == 7


async def test_queue_takes_the_sooner_of_two_put_back() -> None:
    """The order is that in which they are due; at the same instant, that in which they were put back."""
    queue = RetryQueue([])
    for name, after in (("late", 20), ("soon", 10), ("also", 10)):
        queue.put_back(_work(name), after)
    seen: list[tuple[float, str, int]] = []
    await _drain(queue, seen)
    assert [(at, name) for at, name, _ in seen] == [(10, "soon"), (10, "also"), (20, "late")]


async def test_what_is_put_behind_comes_after_all_planned() -> None:
    """And once: a queue that is closed meanwhile drops it."""
    queue, seen = RetryQueue(map(_work, "abc")), list[str]()
    async for work in queue:
        seen.append(work.stem)
        if seen == ["RD_a"]:
            queue.put_behind(work)
        queue.finished()
    assert seen == ["RD_a", "RD_b", "RD_c", "RD_a"]
    queue.close()
    queue.put_behind(_work("d"))
    assert [work.stem async for work in queue] == []


async def test_a_newly_put_back_one_that_is_due_sooner_wakes_the_queue() -> None:
    """Waiting for one does not make another late."""
    queue = RetryQueue([], expected=1)
    queue.put_back(_work("late"), 1000)
    seen: list[tuple[float, str, int]] = []
    async with anyio.create_task_group() as group:
        group.start_soon(_drain, queue, seen)
        await anyio.sleep(1)
        queue.put_back(_work("soon"), 1)
        queue.finished()
    assert [(at, name) for at, name, _ in seen] == [(2, "soon"), (1000, "late")]


async def test_a_closed_queue_drops_what_waits_and_what_comes_later() -> None:
    """The iteration ends as soon as what is out has come home, and not one is handed out."""
    queue = RetryQueue([_work("a"), _work("b")])
    taken = await anext(queue)
    queue.put_back(taken, 5)
    queue.close()
    queue.put_back(taken, 0)
    seen: list[tuple[float, str, int]] = []
    async with anyio.create_task_group() as group:
        group.start_soon(_drain, queue, seen)
        await anyio.sleep(50)
        queue.finished()
    assert seen == []
    assert anyio.current_time() == 50
