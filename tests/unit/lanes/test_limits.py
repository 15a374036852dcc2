"""Limits, throttle and queue separately, in virtual time."""

from __future__ import annotations

import math
from contextlib import nullcontext
from itertools import count, pairwise
from typing import TYPE_CHECKING, cast

import anyio
import pytest
from anyio.lowlevel import checkpoint
from virtual_time import VIRTUAL_TIME, DeadlockError, LivelockError, run

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.events import Event, PaceWait
from hdtf_async.core.model import Box, Clip, Interval, Video
from hdtf_async.core.options import Options
from hdtf_async.dataset.plan import VideoJob
from hdtf_async.lanes.limits import BandwidthLimiter, Lanes, VideoQueue
from hdtf_async.lanes.throttle import ASK_MEMORY, Pacing, Throttle, extractions_that_fit

if TYPE_CHECKING:
    from virtual_time import Backend

    from hdtf_async.lanes.transfers import TransferLimiter


@pytest.fixture
def anyio_backend() -> Backend:
    """Hours take milliseconds here."""
    return VIRTUAL_TIME


def _job(name: str) -> VideoJob:
    video = Video("RD", name, name, 720)
    return VideoJob((video,), (Clip(video, 0, Interval(0, 10), Box(0, 0, 512, 512)),))


# The clock of these tests and those of the pipeline.


async def test_a_day_of_virtual_time_passes_at_once() -> None:
    """The clock jumps to the next timer, and stops at each."""
    seen: list[float] = []

    async def note(second: float) -> None:
        await anyio.sleep_until(second)
        seen.append(anyio.current_time())

    async with anyio.create_task_group() as group:
        for second in (86400.0, 0.001, 3600.0):
            group.start_soon(note, second)
    assert seen == [0.001, 3600.0, 86400.0]


def test_a_deadlock_is_an_error_that_lists_waiting_tasks() -> None:
    """If nothing is ready and no timer is set, the run ends with the lines at which its tasks wait."""

    async def wait_for_nothing() -> None:
        await anyio.sleep(5)
        await anyio.Event().wait()

    with pytest.raises(DeadlockError, match=r"at 5 s of virtual time[\s\S]*wait_for_nothing:\d+ > "):
        run(wait_for_nothing)


@pytest.mark.slow
def test_an_endless_loop_without_timers_is_an_error() -> None:
    """If the clock would never advance again, the run ends too."""

    async def run_in_circles() -> None:
        for _ in count():
            await checkpoint()

    with pytest.raises(LivelockError, match="run_in_circles"):
        run(run_in_circles)


# Limits.


async def test_lanes_have_the_configured_number_of_tokens() -> None:
    """One token for each download and each encode."""
    lanes = Lanes.of(Options(downloads=5, encodes=3))
    assert (lanes.network.total_tokens, lanes.encodes.total_tokens) == (5, 3)


async def test_there_is_a_slot_per_download_and_two_per_encode() -> None:
    """So no encode ever waits for a download that could have finished before."""
    assert Lanes(anyio.CapacityLimiter(8), anyio.CapacityLimiter(2)).slots == 12


@pytest.mark.parametrize("widths", [(math.inf, 1), (1, math.inf)])
async def test_a_lane_without_a_limit_is_rejected(widths: tuple[float, float]) -> None:
    """A host's limiter must have a limit."""
    with pytest.raises(ValueError, match="finite"):
        Lanes(*map(anyio.CapacityLimiter, widths))


async def test_lanes_are_their_limiters() -> None:
    """What waits for one is neither given nor compared."""
    network, encodes = anyio.CapacityLimiter(1), anyio.CapacityLimiter(2)
    assert Lanes(network, encodes) == Lanes(network, encodes)
    assert Lanes(network, encodes) != Lanes(network, network)
    assert "waiting" not in repr(Lanes(network, encodes))
    with pytest.raises(TypeError):
        Lanes(network, encodes, Lanes(network, encodes).waiting)  # type: ignore[call-arg]


async def _rates(
    rate: BandwidthLimiter, bytes_each: float, starts: list[float]
) -> list[tuple[float, float, int]]:
    """Return start, end and rate of several downloads."""
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
async def test_downloads_never_exceed_the_total_rate(pace: float) -> None:
    """At any time: the rates of all running downloads add up to no more than the limit."""
    ran = await _rates(BandwidthLimiter(8000, 8), 100_000, [pace * number for number in range(50)])
    assert len(ran) == 50
    for begun, *_ in ran:
        assert sum(part for since, until, part in ran if since <= begun < until) <= 8000


async def test_few_downloads_are_not_limited_by_those_that_do_not_run() -> None:
    """A single one gets half of the rate, not an eighth; simultaneous ones use the whole rate to the end."""
    alone = await _rates(BandwidthLimiter(8000, 8), 100_000, [0])
    assert [limit for *_, limit in alone] == [4000]
    ran = await _rates(BandwidthLimiter(8000, 8), 100_000, [anyio.current_time()] * 64)
    begun, ended = min(begun for begun, *_ in ran), max(ended for _, ended, _ in ran)
    assert 64 * 100_000 / 8000 <= ended - begun < 1.15 * 64 * 100_000 / 8000


async def test_without_a_limit_no_download_has_one() -> None:
    """However many run."""
    rate = BandwidthLimiter(None, 1)
    async with rate.part() as one, rate.part() as other:
        assert (one, other) == (None, None)


# The throttle of the network lane.


def _throttle(
    limiter: anyio.CapacityLimiter, pace: float, at_once: int = 100, most: float = math.inf
) -> Throttle:
    encodes = anyio.CapacityLimiter(at_once)
    pacing = Pacing(pace=pace, cool_down=600, most_asking=most)
    return Throttle(limiter, encodes, pacing, EventBus())


async def _visit(throttle: Throttle, starts: list[float], stay: float, asks: float = math.inf) -> None:
    async with throttle.permit() as inside:
        if inside:
            starts.append(anyio.current_time())
            await anyio.sleep(min(asks, stay))
            if asks < stay:
                inside.succeeded()
                inside.succeeded()  # as each part of the download does
                await anyio.sleep(stay - asks)


async def test_the_throttle_admits_as_many_as_there_are_tokens() -> None:
    """Without a pace, each starts as soon as a token is free."""
    throttle, starts = _throttle(anyio.CapacityLimiter(2), 0), list[float]()
    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(_visit, throttle, starts, 10)
    assert starts == [0, 0, 10, 10, 20, 20]


async def test_the_pace_counts_from_the_actual_start() -> None:
    """That is when a token was acquired, not when the wait for it began."""
    throttle, starts = _throttle(anyio.CapacityLimiter(1), 7), list[float]()
    async with anyio.create_task_group() as group:
        for stay in (100, 1, 1):
            group.start_soon(_visit, throttle, starts, stay)
    assert starts == [0, 100, 107]


async def test_starts_are_spaced_even_if_tokens_become_free_at_once() -> None:
    """A host that raises its limit does not cause a burst of starts."""
    limiter = anyio.CapacityLimiter(1)
    throttle, starts = _throttle(limiter, 3), list[float]()
    async with anyio.create_task_group() as group:
        for _ in range(9):
            group.start_soon(_visit, throttle, starts, 1000)
        await anyio.sleep(500)
        limiter.total_tokens = 9
    assert starts == [0, *range(500, 524, 3)]
    assert all(later - earlier >= 3 for earlier, later in pairwise(starts))


@pytest.mark.parametrize(
    ("pace", "stay", "asks", "starts"),
    [
        (0, 100, 2, [0, 0, 2, 2, 4, 4]),  # once each has its answer
        (0, 3, 9, [0, 0, 3, 3, 6, 6]),  # or ends without one
        (0, 100, 50, [0, 0, 5, 10, 15, 20]),  # but no wait is long
        (3, 100, 1, [0, 3, 6, 9, 12, 15]),  # the pace applies
        (12, 100, 50, [0, 12, 24, 36, 48, 60]),  # and a slow one is sufficient
    ],
)
async def test_no_more_extractions_run_at_once_than_there_are_cpus(
    pace: float, stay: float, asks: float, starts: list[float]
) -> None:
    """So that simultaneous starts do not delay one another's transfers."""
    limiter, came = anyio.CapacityLimiter(8), list[float]()
    throttle = _throttle(limiter, pace, at_once=2)
    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(_visit, throttle, came, stay, asks)
    assert came == starts
    assert limiter.borrowed_tokens == 0


@pytest.mark.parametrize(
    ("pace", "asks", "most", "starts"),
    [
        (0, 50, 1, [0, 50, 100, 150]),  # however long one takes
        (0, 50, 2, [0, 0, 50, 50]),
        (3, 50, 2, [0, 3, 50, 53]),  # with a pace too
        (3, 1, 1, [0, 3, 6, 9]),  # which alone applies if there is enough memory
        (3, 200, 1, [0, 100, 200, 300]),  # an attempt that ends without an answer no longer counts
        (3, 50, math.inf, [0, 3, 6, 9]),
    ],
)
async def test_no_more_extractions_run_at_once_than_fit_into_memory(
    pace: float, asks: float, most: float, starts: list[float]
) -> None:
    """Each waits for an answer as long as it takes, and holds no token meanwhile."""
    limiter, came = anyio.CapacityLimiter(8), list[float]()
    throttle = _throttle(limiter, pace, most=most)
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(_visit, throttle, came, 100, asks)
        await anyio.sleep(2)
        assert limiter.borrowed_tokens == len(came)
    assert came == starts
    assert limiter.borrowed_tokens == 0


async def test_attempts_that_wait_for_memory_are_rejected_at_the_end() -> None:
    """At once, although the previous one still has no answer."""
    limiter, came = anyio.CapacityLimiter(8), list[float]()
    throttle = _throttle(limiter, 0, most=1)
    async with anyio.create_task_group() as group:
        group.start_soon(_visit, throttle, came, 100)
        await anyio.sleep(1)
        with anyio.fail_after(2):
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(_visit, throttle, came, 100)
                await anyio.sleep(1)
                throttle.end()
    assert came == [0]


@pytest.mark.parametrize(
    ("memory", "fit"),
    [
        (None, math.inf),
        (0, 1),
        (ASK_MEMORY, 1),
        (2 * ASK_MEMORY - 1, 1),
        (10**10, 25),
        (800_000_000, 2),
        (799_999_999, 1),
    ],
)
def test_at_least_one_extraction_always_runs(memory: int | None, fit: float) -> None:
    """And any number if the system does not report its memory."""
    assert extractions_that_fit(memory) == fit


async def test_a_cancelled_attempt_blocks_no_others() -> None:
    """Neither its place in the queue nor a token is kept."""
    limiter = anyio.CapacityLimiter(1)
    throttle, starts = _throttle(limiter, 10), list[float]()
    async with anyio.create_task_group() as group:
        group.start_soon(_visit, throttle, starts, 4)
        await anyio.sleep(1)
        with anyio.move_on_after(1):
            await _visit(throttle, starts, 1)
        group.start_soon(_visit, throttle, starts, 4)
    assert starts == [0, 10]
    assert limiter.borrowed_tokens == 0


@pytest.mark.parametrize(("pace", "stay"), [(1000, 5), (0, 50)])
async def test_ending_the_throttle_rejects_all_waiting_attempts(pace: float, stay: float) -> None:
    """Whether they wait for the pace or for a token, at once and without holding anything."""
    limiter = anyio.CapacityLimiter(1)
    throttle, answers = _throttle(limiter, pace), list[tuple[float, bool]]()

    async def visit() -> None:
        async with throttle.permit() as inside:
            answers.append((anyio.current_time(), inside is not None))
            if inside:
                await anyio.sleep(stay)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(visit)
        await anyio.sleep(20)
        throttle.end()
    await visit()
    assert answers == [(0, True), *[(20, False)] * 3, (anyio.current_time(), False)]
    assert limiter.borrowed_tokens == 0


async def test_a_token_passed_on_while_ending_is_released() -> None:
    """Ending the throttle and releasing a token at the same time admits no other attempt."""
    limiter = anyio.CapacityLimiter(1)
    throttle, starts = _throttle(limiter, 0), list[float]()
    async with anyio.create_task_group() as group, throttle.permit():
        group.start_soon(_visit, throttle, starts, 1)
        await anyio.sleep(1)
        limiter.total_tokens = 2  # the waiting attempt has its token from here on, but has not resumed yet
        throttle.end()
    assert starts == []
    assert limiter.borrowed_tokens == 0


# The queue.


async def _drain(queue: VideoQueue, seen: list[tuple[float, str, int]], took: float = 0) -> None:
    async for job in queue:
        seen.append((anyio.current_time(), job.videos[0].name, job.attempt))
        await anyio.sleep(took)
        queue.finished()


async def test_the_queue_is_in_order_and_ends() -> None:
    """The planned ones in order; then the iteration ends."""
    seen: list[tuple[float, str, int]] = []
    await _drain(VideoQueue([_job("a"), _job("b")]), seen)
    assert [name for _, name, _ in seen] == ["a", "b"]


async def test_an_empty_queue_ends_at_once() -> None:
    """Nothing to return, nothing to wait for."""
    assert [job async for job in VideoQueue([])] == []


async def test_the_queue_waits_for_videos_that_were_put_back() -> None:
    """One that is put back is returned when due, after others that are available before that."""
    queue = VideoQueue([_job("a"), _job("b"), _job("c")])
    seen: list[tuple[float, str]] = []
    async for job in queue:
        seen.append((anyio.current_time(), job.videos[0].name))
        if len(seen) == 1:
            queue.put_back(job, 15)
        if len(seen) == 2:
            queue.put_back(job, 100)
        await anyio.sleep(10)
        queue.finished()
    assert seen == [(0, "a"), (10, "b"), (20, "a"), (30, "c"), (110, "b")]


async def test_the_queue_waits_for_videos_in_progress() -> None:
    """While one that was returned may still be put back, the iteration does not end."""
    queue = VideoQueue([_job("a")])
    seen: list[tuple[float, str, int]] = []
    received = await anext(queue)
    async with anyio.create_task_group() as group:
        group.start_soon(_drain, queue, seen)
        await anyio.sleep(30)
        queue.put_back(received, 5)
        queue.finished()
    assert seen == [(35, "a", 1)]


async def test_the_queue_waits_for_expected_videos() -> None:
    """Other tasks may add as many as announced, or end the wait without adding any."""
    queue = VideoQueue([], expected=2)
    seen: list[tuple[float, str, int]] = []
    async with anyio.create_task_group() as group:
        group.start_soon(_drain, queue, seen)
        await anyio.sleep(3)
        queue.put_back(_job("a"), 0)
        queue.finished()
        await anyio.sleep(4)
        queue.finished()
    assert seen == [(3, "a", 1)]
    assert anyio.current_time() == 7


async def test_the_queue_returns_the_one_that_is_due_first() -> None:
    """In the order in which they are due; at the same time, in the order in which they were put back."""
    queue = VideoQueue([])
    for name, after in (("late", 20), ("soon", 10), ("also", 10)):
        queue.put_back(_job(name), after)
    seen: list[tuple[float, str, int]] = []
    await _drain(queue, seen)
    assert [(at, name) for at, name, _ in seen] == [(10, "soon"), (10, "also"), (20, "late")]


async def test_videos_put_behind_come_after_all_planned_ones() -> None:
    """And once: a queue that is closed meanwhile drops them."""
    queue, seen = VideoQueue(map(_job, "abc")), list[str]()
    async for job in queue:
        seen.append(job.stem)
        if seen == ["RD_a"]:
            queue.put_behind(job)
        queue.finished()
    assert seen == ["RD_a", "RD_b", "RD_c", "RD_a"]
    queue.close()
    queue.put_behind(_job("d"))
    assert [job.stem async for job in queue] == []


async def test_a_newly_put_back_one_that_is_due_sooner_wakes_the_queue() -> None:
    """Waiting for one does not delay another."""
    queue = VideoQueue([], expected=1)
    queue.put_back(_job("late"), 1000)
    seen: list[tuple[float, str, int]] = []
    async with anyio.create_task_group() as group:
        group.start_soon(_drain, queue, seen)
        await anyio.sleep(1)
        queue.put_back(_job("soon"), 1)
        queue.finished()
    assert [(at, name) for at, name, _ in seen] == [(2, "soon"), (1000, "late")]


async def test_a_closed_queue_drops_waiting_and_later_videos() -> None:
    """The iteration ends as soon as no video is in progress, without returning another."""
    queue = VideoQueue([_job("a"), _job("b")])
    received = await anext(queue)
    queue.put_back(received, 5)
    queue.close()
    queue.put_back(received, 0)
    seen: list[tuple[float, str, int]] = []
    async with anyio.create_task_group() as group:
        group.start_soon(_drain, queue, seen)
        await anyio.sleep(50)
        queue.finished()
    assert seen == []
    assert anyio.current_time() == 50


async def test_every_download_has_a_rate() -> None:
    """One byte per second, if the limit is less than the number of slots."""
    rate = BandwidthLimiter(3, 8)
    async with rate.part() as one, rate.part() as other:
        assert (one, other) == (1, 1)
    ran = await _rates(BandwidthLimiter(3, 8), 10, [0] * 4)
    assert [part for *_, part in ran] == [1, 1, 1, 1]
    assert sorted(begun for begun, *_ in ran) == [0, 0, 0, 10], "the fourth waits for a byte per second"


async def test_a_pace_above_an_hour_waits_for_the_newest_query_of_a_census() -> None:
    """One query per hour is allowed; the announced wait has milliseconds."""
    emitted: list[Event] = []
    events = EventBus()
    events.subscribe(emitted.append)
    limiter = anyio.CapacityLimiter(1)
    now = anyio.current_time()
    earlier = [now - 3000, now - (3600 - 1234.567)]
    throttle = Throttle(limiter, limiter, Pacing(pace=7200, cool_down=0, earlier=earlier), events)
    async with throttle.permit() as permit:
        assert permit is not None
        assert anyio.current_time() - now == pytest.approx(1234.567)
    (wait,) = [event for event in emitted if isinstance(event, PaceWait)]
    assert (wait.after, wait.requests) == (1234.567, 2)


@pytest.mark.parametrize(("ago", "announced"), [(3540.0, []), (3539.5, [60.5])])
async def test_a_wait_of_more_than_a_minute_is_announced(ago: float, announced: list[float]) -> None:
    """Once, with the number of requests within the last hour."""
    emitted: list[Event] = []
    events = EventBus()
    events.subscribe(emitted.append)
    limiter = anyio.CapacityLimiter(1)
    await anyio.sleep(ago)
    throttle = Throttle(limiter, limiter, Pacing(pace=3600, cool_down=0, earlier=[0.0]), events)
    async with throttle.permit() as permit:
        assert permit is not None
        assert anyio.current_time() == 3600
    assert [(event.after, event.requests) for event in emitted if isinstance(event, PaceWait)] == [
        (seconds, 1) for seconds in announced
    ]


class _Full:
    """Lets no transfer start."""

    def allows(self) -> bool:
        """Return False."""
        return False

    async def wait(self) -> None:
        """Wait forever."""
        await anyio.sleep_forever()


async def test_no_more_videos_are_extracted_in_advance_than_encodes_run() -> None:
    """Media URLs expire: the others wait until a transfer starts."""
    network, encodes = anyio.CapacityLimiter(10), anyio.CapacityLimiter(3)
    pacing = Pacing(pace=0, cool_down=0)
    throttle = Throttle(network, encodes, pacing, EventBus(), cast("TransferLimiter", _Full()))
    waiting = 0

    async def download() -> None:
        nonlocal waiting
        async with throttle.permit() as permit:
            assert permit is not None
            waiting += 1
            async with throttle.transfer(permit):
                raise AssertionError

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(download)
        await anyio.sleep(3600)
        assert waiting == 3
        group.cancel_scope.cancel()


class _Late(_Full):
    """Lets each transfer start after ten seconds."""

    async def wait(self) -> None:
        """Wait ten seconds."""
        await anyio.sleep(10)

    def running(self, _permit: object) -> nullcontext[None]:
        """Count nothing."""
        return nullcontext()


async def test_a_video_counts_as_extracted_in_advance_until_its_transfer_starts() -> None:
    """Then another one is extracted, and never more than encodes run."""
    network, encodes = anyio.CapacityLimiter(20), anyio.CapacityLimiter(3)
    pacing = Pacing(pace=0, cool_down=0)
    throttle = Throttle(network, encodes, pacing, EventBus(), cast("TransferLimiter", _Late()))
    starts: list[float] = []
    begun = anyio.current_time()

    async def download() -> None:
        async with throttle.permit() as permit:
            assert permit is not None
            starts.append(anyio.current_time() - begun)
            async with throttle.transfer(permit):
                await anyio.sleep(1)

    async with anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(download)
    assert starts == [0, 0, 0, 10, 10, 10, 20, 20, 20, 30, 30, 30]
