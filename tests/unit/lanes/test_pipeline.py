"""The two lanes in virtual time, with fake downloads and encodes that only take time."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import virtual_time
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_lanes import Plot, World

from hdtf_async.core.events import (
    ClipFailed,
    ClipRetrying,
    LaneClosed,
    LaneOpened,
    Retrying,
    VideoFailed,
    VideoUnconfirmed,
    WindingDown,
)
from hdtf_async.core.failures import Reason
from hdtf_async.core.model import Box
from hdtf_async.lanes.limits import backoff
from hdtf_async.lanes.pipeline import WIND_DOWN
from hdtf_async.lanes.throttle import LONGEST_COOL_DOWN, PROBES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hdtf_async.dataset.plan import VideoJob


BOX = Box(0, 0, 512, 512)

PASSING = [
    Reason.NETWORK, Reason.PLAYER_FORBIDDEN, Reason.FORBIDDEN, Reason.RANGE_REFUSED, Reason.WORKER_LOST,
    Reason.TIMED_OUT, Reason.STALLED, Reason.ENCODE_STALLED, Reason.RAW_TRUNCATED,
    Reason.RAW_UNREADABLE, Reason.UNKNOWN,
]  # fmt: skip
"""Reasons after which a video is tried again."""
FINAL = [
    Reason.COOKIES_NEEDED, Reason.AGE, Reason.RESTRICTED, Reason.UPDATE_NEEDED, Reason.JAVASCRIPT,
    Reason.OTHER_PLACE, Reason.PRIVATE, Reason.REMOVED, Reason.TERMINATED, Reason.COPYRIGHT, Reason.DRM,
    Reason.UNAVAILABLE, Reason.GONE, Reason.WRONG_VIDEO, Reason.NOT_YET, Reason.FORMAT_UNAVAILABLE,
    Reason.TOOL_FAILED, Reason.RAW_DIR_FILE, Reason.BOX_DOES_NOT_FIT, Reason.HEIGHT_UNKNOWN,
    Reason.INTERVAL_OUTSIDE, Reason.UNSUPPORTED_SOURCE, Reason.NO_SOUND, Reason.NO_FACE, Reason.SCENE_CUT,
    Reason.CLIP_WRONG, Reason.ROW_REFUSED, Reason.NOT_TRIED, Reason.MANIFESTS_LOCKED, Reason.FAULT,
]  # fmt: skip
"""Reasons after which it is not."""
LOCAL = [
    Reason.YOUTUBE_CHANGED, Reason.CERTIFICATE, Reason.DISK_FULL, Reason.NOT_WRITABLE,
    Reason.DISK_ERROR, Reason.RESOURCE_LIMIT, Reason.STORE_UNREACHABLE, Reason.STORE_REFUSED,
    Reason.CLUSTER_LOST, Reason.BAD_OPTION, Reason.TOOL_MISSING, Reason.NOT_READY,
]  # fmt: skip
"""Reasons that stop the run. All lists are literal: derived from the table, they would not check it."""


@pytest.mark.parametrize(("downloads", "encodes"), [(1, 1), (2, 3), (8, 2), (3, 8)])
def test_each_lane_uses_exactly_its_limit(downloads: int, encodes: int) -> None:
    """With enough work the peaks equal the limits."""
    world = World(
        [Plot(fetch=10 + number % 7, cut=20 + number % 5, clips=1 + number % 3) for number in range(40)],
        downloads=downloads,
        encodes=encodes,
    )
    world.run()
    assert (world.downloads.most, world.encodes.most) == (downloads, encodes)
    assert len(world.who("done")) == sum(plot.clips for plot in world.plots.values())


def test_the_network_token_is_released_before_a_video_is_checked_and_cut() -> None:
    """With one token the second download starts at the instant at which the first has ended."""
    world = World([Plot(fetch=60, accept=500, cut=1000)] * 2, downloads=1)
    world.run()
    assert world.times("fetch") == [0, 60]
    assert world.times("accept") == [60, 120]
    assert world.times("cut") == [560, 620]


@pytest.mark.parametrize(("fetch", "cut"), [(60, 60), (60, 20), (20, 60)])
def test_downloads_and_encodes_overlap(fetch: float, cut: float) -> None:
    """A run takes as long as its slower lane and one item more, far less than both lanes in sequence."""
    number, width = 100, 4
    world = World([Plot(fetch=fetch, cut=cut)] * number, downloads=width, encodes=width)
    seconds = world.run()
    lanes = [number / width * each for each in (fetch, cut)]
    assert seconds == pytest.approx(max(lanes) + min(fetch, cut))
    assert seconds < 0.8 * sum(lanes)


def test_starts_keep_the_pace_when_tokens_are_released_together() -> None:
    """Eight downloads that end in the same moment do not cause a burst of eight starts."""
    pace = 12.0
    plots = [Plot(fetch=1000 - 12 * number, cut=1) for number in range(8)] + [Plot(fetch=50, cut=1)] * 20
    world = World(plots, downloads=8, pace=pace)
    world.run()
    ends = world.times("fetched")[:8]
    assert ends == [1000] * 8
    starts = world.times("fetch")
    assert len(starts) == len(plots)
    assert all(later - earlier >= pace for earlier, later in pairwise(starts))
    assert starts[8:12] == [1000, 1012, 1024, 1036]


def test_retries_keep_the_pace_too() -> None:
    """A retried video waits as long after another start as any video."""
    plots = [Plot(fetch=1, fetch_failures=(Reason.NETWORK, Reason.NETWORK))] * 5
    world = World(plots, downloads=5, pace=10, backoff=lambda _attempt: 3)
    world.run()
    starts = world.times("fetch")
    assert len(starts) == 15
    assert all(later - earlier >= 10 for earlier, later in pairwise(starts))


def test_other_tasks_run_while_existing_source_videos_are_looked_for() -> None:
    """Each look accesses files, so the event loop must not wait for those of a whole table."""
    world = World([Plot(existing=True)] * 50)
    turns, seen, look = 0, list[int](), world.expects_existing

    def expects_existing(job: VideoJob) -> bool:
        seen.append(turns)
        return look(job)

    async def beside() -> None:
        nonlocal turns
        while len(seen) < 50:
            await checkpoint()
            turns += 1

    async def both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(beside)
            await world.go()

    world.expects_existing = expects_existing  # type: ignore[method-assign]
    virtual_time.run(both)
    assert len(seen) == 50
    assert all(later > earlier for earlier, later in pairwise(seen[1:]))


def test_a_video_that_waits_for_the_pace_holds_no_token() -> None:
    """Another task of the host gets the only token while the lane waits for its pace."""
    world = World([Plot(fetch=1, cut=1)] * 3, downloads=1, pace=100)

    async def beside() -> list[bool]:
        free = []
        async with anyio.create_task_group() as group:
            group.start_soon(world.go)
            for second in (50, 150):
                await anyio.sleep_until(second)
                free.append(world.lanes.network.available_tokens == 1)
        return free

    assert virtual_time.run(beside) == [True, True]


@pytest.mark.slow
def test_live_work_is_bounded_however_long_the_table() -> None:
    """Of 100,000 waiting videos, those in slots are tasks, and so are their clips; the others are none."""
    plots = [Plot(fetch=5, cut=5, existing=None if number % 2 else True) for number in range(100_000)]
    world = World(plots, downloads=4, encodes=4)

    async def a_part_of_it() -> None:
        with anyio.CancelScope() as scope:

            def enough() -> None:
                if len(world.diary) > 10_000:
                    scope.cancel()

            world.each_step = enough
            await world.go()

    virtual_time.run(a_part_of_it)
    slots = world.lanes.slots
    assert len(world.who("done")) > 2000
    assert slots == 12
    # Two queues of slots; for each slot the video and its clip, and beside them the run and two feeders.
    assert 2 * slots < world.tasks.most <= 2 * (2 * slots) + 3


def test_an_attempt_that_advances_is_not_counted() -> None:
    """A server that cuts every connection is tried for as long as each connection delivers a part."""
    failures = (Reason.FORBIDDEN,) * 20
    world = World(
        [Plot(fetch_failures=failures, advances=True), Plot(fetch_failures=failures)], backoff=lambda _: 1
    )
    world.run()
    assert world.asked == {"RD_V0": 21, "RD_V1": Reason.FORBIDDEN.advice.tries}
    assert world.recorded == [("RD_V1_000", Reason.FORBIDDEN)]


@pytest.mark.parametrize("reason", PASSING)
def test_temporary_failures_are_retried_while_others_continue(reason: Reason) -> None:
    """More videos than slots wait for their next try, without holding a slot or a token."""
    tries = reason.advice.tries
    # With different messages: the same unknown one would end the run.
    messages = ("one", "two", "three", "four", "five")
    bad = [Plot(fetch=10, fetch_failures=(reason,) * tries, message=text, clips=2) for text in messages]
    good = [Plot(fetch=10, cut=1)] * 20
    world = World([*bad, *good], downloads=1, encodes=1, backoff=lambda attempt: 5000.0 * attempt)
    world.run()
    assert world.lanes.slots < len(bad)
    for number in range(5):
        first = 10 * number
        assert (
            world.times("fetch", f"RD_V{number}")
            == [*(first, first + 5010, first + 15020, first + 30030)][:tries]
        )
    assert world.times("fetch")[:25] == [10 * number for number in range(25)]
    retrying = [(event.video, event.attempt, event.after) for event in world.of(Retrying)]
    assert [retry for retry in retrying if retry[0] == "RD_V0"] == [
        ("RD_V0", attempt, 5000.0 * attempt) for attempt in range(1, tries)
    ]
    assert len(retrying) == 5 * (tries - 1) > 0
    assert sorted(world.recorded) == sorted(
        (f"RD_V{number}_{index:03d}", reason) for number in range(5) for index in range(2)
    )
    assert [event.clips for event in world.of(VideoFailed)] == [2] * 5
    assert [event.with_video for event in world.of(ClipFailed)] == [True] * 10


def test_a_successful_retry_leaves_no_failure() -> None:
    """A video that succeeds at the last attempt is cut, and no failure is recorded."""
    tries = Reason.RAW_TRUNCATED.advice.tries
    world = World([Plot(accept_failures=(Reason.RAW_TRUNCATED,) * (tries - 1))])
    world.run()
    assert len(world.who("fetch")) == tries
    assert world.who("done") == ["RD_V0_000"]
    assert world.recorded == []


def test_each_reason_is_in_one_of_the_lists() -> None:
    """A new one must be added to the list of its action."""
    assert sorted([*PASSING, *FINAL, *LOCAL, Reason.REFUSED, Reason.UNREACHABLE]) == sorted(Reason)


def test_the_backoff_grows_and_is_randomized() -> None:
    """The second wait is about four times the first, and two videos do not wait for the same time."""
    waits = {attempt: [backoff(attempt, first=10) for _ in range(200)] for attempt in (1, 2)}
    assert all(5 <= wait <= 15 for wait in waits[1])
    assert all(20 <= wait <= 60 for wait in waits[2])
    assert len(set(waits[1])) > 100


@pytest.mark.parametrize("reason", FINAL)
def test_a_permanent_failure_is_recorded_once_for_each_clip(reason: Reason) -> None:
    """One attempt, one record and one event for each clip, and the other videos continue."""
    world = World([Plot(fetch_failures=(reason,), clips=3), Plot(clips=2)])
    world.run()
    assert world.who("fetch") == ["RD_V0", "RD_V1"]
    assert world.recorded == [(f"RD_V0_{index:03d}", reason) for index in range(3)]
    assert [event.clip for event in world.of(ClipFailed)] == [stem for stem, _ in world.recorded]
    assert sorted(world.who("done")) == ["RD_V1_000", "RD_V1_001"]


def test_a_failed_clip_affects_no_other() -> None:
    """Whatever the outcome of one clip, its siblings are made and it alone is recorded."""
    world = World([Plot(clips=3, cut_failures={1: Reason.CLIP_WRONG})])
    world.run()
    assert world.who("done") == ["RD_V0_000", "RD_V0_002"]
    assert world.recorded == [("RD_V0_001", Reason.CLIP_WRONG)]
    assert world.of(VideoFailed) == []


def _refused(plots: Sequence[Plot], since: float, until: float, **more: Any) -> World:
    """Create lanes with a period in which YouTube blocks requests."""
    world = World(plots, **more)
    world.refuses_from, world.refuses_until = since, until
    return world


def test_a_block_closes_the_lane_and_lets_running_work_finish() -> None:
    """No download starts until the cool-down is over; running downloads and encodes finish meanwhile."""
    world = _refused([Plot(fetch=100, cut=300)] * 10, 1, 500, downloads=2, pace=2)
    world.run()
    # The second is blocked at 12 s; the first, which runs, continues, and its clip is cut meanwhile.
    assert world.times("fetch")[:3] == [0, 2, 612]
    assert world.times("fetched", "RD_V0") == [100]
    assert world.times("done", "RD_V0_000") == [400]
    assert [(event.after, event.refused_probes) for event in world.of(LaneClosed)] == [(600, 0)]
    assert [event.closed for event in world.of(LaneOpened)] == [610]
    assert len(world.who("done")) == 10
    assert world.recorded == []
    assert world.pipeline.closed is None


def test_the_time_without_downloads_is_reported_in_milliseconds() -> None:
    """From the refusal until the answer to the probe, which takes a tenth of its download."""
    world = _refused([Plot(fetch=100.12345, cut=300)] * 10, 1, 500, downloads=2, pace=2)
    world.run()
    assert [event.closed for event in world.of(LaneOpened)] == [610.012]


def test_one_probe_with_another_video_decides() -> None:
    """The blocked video moves to the end of the queue, and no other download starts before the answer."""
    world = _refused([Plot(fetch=100, cut=1)] * 6, 0, 500, downloads=4, encodes=4)
    world.run()
    # All four are blocked at 10 s; then the probe alone until it has its answer 10 s later.
    assert world.times("fetch") == [0, 0, 0, 0, 610, 620, 620, 620, 710, 720]
    assert world.who("fetch")[4:6] == ["RD_V4", "RD_V5"]
    assert set(world.who("fetch")[6:]) == {"RD_V0", "RD_V1", "RD_V2", "RD_V3"}
    assert len(world.of(LaneClosed)) == len(world.of(LaneOpened)) == 1


def test_blocks_of_attempts_started_before_are_ignored() -> None:
    """They come late, and neither lengthen the cool-down nor count as a try."""
    plots = [Plot(fetch=100 * number, cut=1) for number in (1, 2, 3, 4)]
    world = _refused(plots, 0, 500, downloads=4, encodes=4, cool_down=1000)
    world.run()
    # They are blocked at 10, 20, 30 and 40 s.
    assert [event.after for event in world.of(LaneClosed)] == [1000]
    assert world.times("fetch")[4] == 1010
    assert {event.attempt for event in world.of(Retrying)} == {1}
    assert len(world.who("done")) == 4


def test_three_blocked_probes_end_the_run() -> None:
    """The cool-down doubles; the remaining videos are not tried, and no permanent failure is recorded."""
    world = _refused([Plot(fetch=10, cut=1)] * 50, 100, math.inf, downloads=1)
    seconds = world.run()
    closings = [(event.after, event.refused_probes) for event in world.of(LaneClosed)]
    assert closings == [(600, 0), (1200, 1), (2400, 2), (None, PROBES)]
    assert seconds == 101 + 600 + 1 + 1200 + 1 + 2400 + 1
    assert len(world.who("done")) == 10
    assert world.pipeline.closed is not None
    assert world.pipeline.closed.reason is Reason.REFUSED
    assert world.pipeline.stopped is None
    assert {reason for _, reason in world.recorded} == {Reason.REFUSED}
    assert len(world.recorded) == 1


def test_the_cool_down_is_bounded() -> None:
    """Doubling has a limit."""
    world = _refused([Plot(fetch=10, cut=1)] * 4, 0, 100, cool_down=LONGEST_COOL_DOWN, downloads=1)
    world.run()
    assert [event.after for event in world.of(LaneClosed)] == [LONGEST_COOL_DOWN]
    plots = [Plot(fetch=10, cut=1, fetch_failures=(Reason.REFUSED,))] * 12
    world = World(plots, downloads=1, cool_down=LONGEST_COOL_DOWN - 100)
    world.run()
    after = {event.after for event in world.of(LaneClosed)}
    assert after == {LONGEST_COOL_DOWN - 100, LONGEST_COOL_DOWN, None}


def test_a_cool_down_takes_four_hours_at_most() -> None:
    """Then a test download follows, until the third one is blocked."""
    world = _refused([Plot(fetch=10, cut=1)] * 9, 0, math.inf, cool_down=5000, downloads=1)
    world.run()
    assert [event.after for event in world.of(LaneClosed)] == [5000, 10000, 4 * 3600, None]


def test_after_an_answer_a_later_block_is_a_first_one() -> None:
    """However often: neither the cool-down nor the count of blocked probes continues from before."""
    refused, well = Plot(fetch=10, cut=1, fetch_failures=(Reason.REFUSED,)), Plot(fetch=10, cut=1)
    world = World([refused, refused, refused, well] * 4, downloads=1)
    world.run()
    closings = [(event.after, event.refused_probes) for event in world.of(LaneClosed)]
    assert closings == [(600, 0), (1200, 1), (2400, 2)] * 4
    assert len(world.of(LaneOpened)) == 4
    assert len(world.who("done")) == 16
    assert world.pipeline.closed is None


ANSWERS = [
    Reason.COOKIES_NEEDED, Reason.AGE, Reason.RESTRICTED, Reason.UPDATE_NEEDED, Reason.JAVASCRIPT,
    Reason.OTHER_PLACE, Reason.PRIVATE, Reason.REMOVED, Reason.TERMINATED, Reason.COPYRIGHT, Reason.DRM,
    Reason.GONE, Reason.WRONG_VIDEO, Reason.NOT_YET, Reason.FORMAT_UNAVAILABLE, Reason.FORBIDDEN,
    Reason.RANGE_REFUSED, Reason.RAW_TRUNCATED, Reason.RAW_UNREADABLE, Reason.NO_SOUND, Reason.UNKNOWN,
]  # fmt: skip
NO_ANSWERS = [
    Reason.NETWORK, Reason.PLAYER_FORBIDDEN, Reason.TIMED_OUT, Reason.STALLED, Reason.TOOL_FAILED,
    Reason.FAULT,
]  # fmt: skip
"""A tool that crashes, for example, proves nothing about the IP address."""


@pytest.mark.parametrize("reason", ANSWERS)
def test_any_other_answer_opens_the_lane(reason: Reason) -> None:
    """YouTube answers that a video is unavailable: so it does not block this IP address."""
    plots = [Plot(fetch=10, fetch_failures=(Reason.REFUSED,)), Plot(fetch=10, fetch_failures=(reason,) * 3)]
    world = World([*plots, *[Plot(fetch=10)] * 3], downloads=1)
    world.run()
    assert world.times("fetch")[:4] == [0, 610, 620, 630]
    assert [event.closed for event in world.of(LaneOpened)] == [610], "the probe itself has opened it"


@pytest.mark.parametrize("reason", NO_ANSWERS)
def test_no_answer_decides_nothing(reason: Reason) -> None:
    """A probe without an answer leaves the lane as it is: the next one is the probe, alone again."""
    plots = [Plot(fetch=10, fetch_failures=(Reason.REFUSED,)), Plot(fetch=50, fetch_failures=(reason,))]
    world = World([*plots, *[Plot(fetch=100)] * 4], downloads=2, encodes=1)
    world.run()
    # Blocked at 10 s; its neighbour's failure at 50 s is outdated. The probe's answer comes after 10 s.
    assert world.times("fetch")[2:5] == [610, 620, 710]
    plots = [Plot(fetch=10, fetch_failures=(Reason.REFUSED,)), Plot(fetch=50, fetch_failures=(reason,))]
    world = World([*plots, *[Plot(fetch=100)] * 4], downloads=1, encodes=1)
    world.run()
    assert world.times("fetch")[1:4] == [610, 660, 760]
    assert [event.closed for event in world.of(LaneOpened)] == [660]


def test_a_final_block_ends_all_waits() -> None:
    """Waits for the pace or for another try end at once."""
    plots = [Plot(fetch=1, fetch_failures=(Reason.NETWORK,))] + [Plot(fetch=10)] * 50
    world = _refused(plots, 2, math.inf, downloads=8, pace=5, cool_down=0, backoff=lambda _attempt: 86400)
    assert world.run() < 30
    assert world.pipeline.closed is not None


def test_the_token_of_a_blocked_download_starts_no_other() -> None:
    """With one token and no pace the next in line does not start while the block is handled."""
    world = World([Plot(fetch_failures=(Reason.REFUSED,)), *[Plot()] * 5], downloads=1, encodes=4)
    world.removal = 5
    world.run()
    assert world.times("fetch")[:2] == [0, 660]


def test_existing_videos_are_cut_though_the_lane_is_closed() -> None:
    """A block affects the network only; a broken video that would need it now is left for another run."""
    plots = [Plot(fetch=5, fetch_failures=(Reason.REFUSED,))] * 4
    plots += [Plot(cut=100, existing=True)] * 20 + [Plot(existing=False)] * 3
    world = _refused(plots, 0, math.inf, cool_down=1)
    world.run()
    assert len(world.who("done")) == 20
    assert world.pipeline.closed is not None


@pytest.mark.parametrize("reason", [Reason.STALLED, Reason.TIMED_OUT, Reason.UNKNOWN])
def test_a_hanging_encode_is_retried_after_a_backoff(reason: Reason) -> None:
    """Twice, as in the table; then it is done, and no failure is recorded."""
    world = World([Plot(fetch_failures=(), encode_failures=(reason, reason))])
    world.run()
    assert world.times("cut") == [60, 60 + 60 + 100, 60 + 2 * 60 + 100 + 200]
    assert world.who("done") == ["RD_V0_000"]
    assert world.recorded == []
    kept = Reason.UNKNOWN if reason is Reason.UNKNOWN else Reason.ENCODE_STALLED
    retries = [(event.clip, event.reason, event.attempt, event.after) for event in world.of(ClipRetrying)]
    assert retries == [("RD_V0_000", kept, 1, 100), ("RD_V0_000", kept, 2, 200)]


@pytest.mark.parametrize("reason", [Reason.STALLED, Reason.TIMED_OUT])
def test_a_permanently_hanging_encode_fails_with_advice_about_encodes(reason: Reason) -> None:
    """After as many tries as in the table; the exit code says that another run may help."""
    world = World([Plot(encode_failures=(reason,) * 9, clips=2)])
    world.run()
    advice = Reason.ENCODE_STALLED.advice
    assert len(world.times("cut", "RD_V0_000")) == len(world.times("cut", "RD_V0_001")) == advice.tries == 3
    assert sorted(world.recorded) == [(f"RD_V0_00{n}", Reason.ENCODE_STALLED) for n in range(2)]
    assert [event.reason for event in world.of(ClipFailed)] == [Reason.ENCODE_STALLED] * 2
    assert world.pipeline.stopped is None
    assert "--encodes" in advice.remedy
    assert "--downloads" not in advice.remedy
    assert advice.exit_code == 75


@pytest.mark.parametrize("reason", [Reason.CLIP_WRONG, Reason.INTERVAL_OUTSIDE, Reason.TOOL_FAILED])
def test_a_permanently_failing_encode_is_tried_once(reason: Reason) -> None:
    """Another try would not help."""
    world = World([Plot(encode_failures=(reason,))])
    world.run()
    assert len(world.times("cut")) == 1
    assert world.recorded == [("RD_V0_000", reason)]


def test_a_clip_that_waits_for_another_try_holds_no_token() -> None:
    """Others are encoded meanwhile, although there is only one token."""
    hangs = Plot(fetch=10, cut=10, encode_failures=(Reason.STALLED,))
    world = World([hangs, *[Plot(fetch=10, cut=10)] * 3], downloads=4, encodes=1)
    world.run()
    assert world.times("cut", "RD_V0_000") == [10, 120]
    assert world.times("done")[:3] == [30, 40, 50]


def test_stopping_ends_the_wait_for_another_try() -> None:
    """The clip has failed temporarily, and is recorded so; the run does not wait."""
    world = World([Plot(fetch=10, cut=10, encode_failures=(Reason.STALLED,))], backoff=lambda _: 86400)
    assert _stopping(world, 50) == 50
    assert world.recorded == [("RD_V0_000", Reason.ENCODE_STALLED)]


def _stopping(world: World, at: float) -> float:
    """Ask a run to stop at a given time; return when it has ended."""
    took: list[float] = []

    async def both() -> None:
        finish = anyio.Event()
        async with anyio.create_task_group() as group:

            async def ask() -> None:
                await anyio.sleep(at)
                finish.set()

            group.start_soon(ask)
            took.append(await world.go(finish))

    virtual_time.run(both)
    world.check_released()
    return took[0]


def test_a_stopping_run_finishes_running_encodes() -> None:
    """Downloads end, no work is started, and the encodes that hold a token are finished."""
    plots = [
        Plot(fetch=10, cut=30, clips=3),
        Plot(fetch=10, cut=1),
        Plot(fetch=500),
        Plot(existing=True, cut=25),
    ]
    world = World([*plots, *[Plot(existing=True)] * 9, *[Plot()] * 9], downloads=2, encodes=2, cleanup=2)
    assert _stopping(world, 20) == 61 + world.cleanup  # it was started at 1 s
    assert [event.encodes for event in world.of(WindingDown)] == [2]
    assert all(at <= 20 for at in world.times("fetch") + world.times("cut"))
    assert len(world.who("done")) == 2
    assert world.recorded == []


def test_only_encodes_that_run_are_waited_for() -> None:
    """Those that have ended, well or not, are not counted."""
    plots = [
        Plot(fetch=1, cut=3),
        Plot(fetch=1, cut=3, cut_failures={0: Reason.CLIP_WRONG}),
        Plot(fetch=1, cut=50),
    ]
    world = World(plots, downloads=3, encodes=3)
    assert _stopping(world, 20) == 51
    assert [event.encodes for event in world.of(WindingDown)] == [1]


def test_a_stopping_run_does_not_wait_forever() -> None:
    """An encode that takes too long is ended too."""
    world = World([Plot(fetch=10, cut=5000), Plot(fetch=10, cut=50)], cleanup=2)
    assert _stopping(world, 20) == 20 + 60 + 2, "a minute"
    assert WIND_DOWN == 60
    assert world.who("done") == ["RD_V1_000"]


def test_a_run_can_be_stopped_during_a_cool_down() -> None:
    """Waits for a probe end."""
    world = _refused([Plot(fetch=10)] * 9, 0, math.inf)
    assert _stopping(world, 100) == 100


def test_an_undecodable_video_is_downloaded_again() -> None:
    """A clip fails only after a second download was tried; finished clips are not made again."""
    unread = {1: Reason.RAW_UNREADABLE, 2: Reason.RAW_UNREADABLE}
    plots = [
        Plot(clips=3, cut_failures=unread, existing=True),
        Plot(clips=2, cut_failures={0: Reason.RAW_UNREADABLE}),
    ]
    world = World(plots)
    world.run()
    assert sorted(world.who("done")) == ["RD_V0_000", "RD_V1_001"]
    tries = Reason.RAW_UNREADABLE.advice.tries
    assert world.who("fetch").count("RD_V0") == tries - 1
    assert world.who("fetch").count("RD_V1") == tries
    assert world.who("discard").count("RD_V0") == tries
    assert sorted(stem for stem, _ in world.recorded) == ["RD_V0_001", "RD_V0_002", "RD_V1_000"]
    assert {reason for _, reason in world.recorded} == {Reason.RAW_UNREADABLE}


def _local_errors() -> dict[str, Callable[[Reason], World]]:
    others = [Plot(fetch=1000, cut=1000)] * 8

    def recording(reason: Reason) -> World:
        world = World([Plot(fetch=5, fetch_failures=(Reason.PRIVATE,), clips=3), *others], cleanup=2)
        world.record_trouble = reason
        return world

    def letting_go(reason: Reason) -> World:
        world = World([Plot(fetch=2, cut=3), *others], cleanup=0, keep_raw=False)
        world.let_go_trouble = reason
        return world

    def letting_go_of_one_at_hand(reason: Reason) -> World:
        world = World([Plot(existing=True, cut=4), *others], cleanup=0, keep_raw=False)
        world.let_go_trouble = reason
        return world

    return {
        "download": lambda reason: World([Plot(fetch=5, fetch_failures=(reason,)), *others], cleanup=2),
        "accept": lambda reason: World([Plot(fetch=2, accept=3, accept_failures=(reason,)), *others]),
        "cut": lambda reason: World([Plot(fetch=2, cut=3, cut_failures={0: reason}), *others]),
        "record": recording,
        "let_go": letting_go,
        "let_go_at_hand": letting_go_of_one_at_hand,
    }


@pytest.mark.parametrize("reason", LOCAL)
@pytest.mark.parametrize("where", _local_errors())
def test_local_errors_stop_the_run(where: str, reason: Reason) -> None:
    """A full disk ends the run as soon as the children have ended, with the reason; no other work starts."""
    world = _local_errors()[where](reason)
    # A child that failed by itself has ended; then the running ones have time to do so.
    assert world.run() == 5 + 2 * world.cleanup
    assert world.pipeline.stopped is not None
    assert world.pipeline.stopped.reason is reason
    assert world.pipeline.closed is None
    assert len(world.who("fetch")) <= 3
    assert world.recorded == []
    assert world.of(ClipFailed) == []
    assert len(world.of(VideoFailed)) == (where == "record"), "which fails on another failure's account"


def test_a_failing_private_directory_stops_the_run() -> None:
    """A failure of the private directory is a failure of the disk, whatever the video."""
    world = World([Plot()] * 3)
    world.directory_trouble = Reason.DISK_FULL
    assert world.run() == 0
    assert world.pipeline.stopped is not None
    assert world.who("fetch") == []


def test_existing_videos_need_no_network() -> None:
    """With every network token taken by others, existing videos are still cut."""
    world = World([Plot(existing=True)] * 5, downloads=1)

    async def beside() -> None:
        async with world.lanes.network:
            await world.go()

    virtual_time.run(beside)
    assert len(world.who("done")) == 5
    assert world.who("fetch") == []


def test_a_broken_existing_video_is_downloaded() -> None:
    """It joins the other queue, even if that is empty."""
    world = World([Plot(existing=False), Plot(existing=True)])
    world.run()
    assert world.who("fetch") == ["RD_V0"]
    assert sorted(world.who("done")) == ["RD_V0_000", "RD_V1_000"]


def test_waiting_videos_do_not_delay_downloads() -> None:
    """Downloads start at once, though the existing videos keep the encode lane busy for hours."""
    world = World([Plot(existing=True, cut=3600)] * 50 + [Plot(fetch=10)] * 6, downloads=2, encodes=2)
    world.run()
    assert world.lanes.slots == 6
    assert world.times("fetch")[:4] == [0, 0, 10, 10]


def test_tokens_of_the_host_remain_its_own() -> None:
    """A host program that shares its limiters keeps the tokens it holds, and never has too few left."""
    world = World([Plot(fetch=10, cut=10)] * 30, downloads=3, encodes=3)

    async def beside() -> None:
        async with anyio.create_task_group() as group, world.lanes.network, world.lanes.encodes:
            group.start_soon(world.go)
            await anyio.sleep(45)
            assert (world.downloads.most, world.encodes.most) == (2, 2)
            assert world.lanes.network.borrowed_tokens == world.lanes.encodes.borrowed_tokens == 3

    virtual_time.run(beside)
    world.check_released()
    assert (world.downloads.most, world.encodes.most) == (3, 3)


@pytest.mark.parametrize(
    ("failures", "goes"),
    [
        ({}, True),
        ({1: Reason.STALLED}, False),
        ({0: Reason.CLIP_WRONG, 2: Reason.TIMED_OUT}, False),
        ({0: Reason.INTERVAL_OUTSIDE}, False),
        ({0: Reason.REMOVED}, True),
    ],
)
def test_a_video_is_deleted_only_when_no_run_needs_it_again(failures: dict[int, Reason], goes: bool) -> None:
    """With --no-keep-raw it is deleted once, after the last clip, unless a clip is still to be made."""
    world = World([Plot(clips=3, cut_failures=failures)], encodes=1, keep_raw=False)
    world.run()
    assert world.who("let_go") == ["RD_V0"] * goes
    assert not goes or world.diary[-1][1] == "let_go"


def test_a_video_is_kept_by_default() -> None:
    """With --keep-raw no source video is deleted."""
    world = World([Plot()])
    world.run()
    assert world.who("let_go") == []


def test_nothing_to_do_ends_at_once() -> None:
    """No work, no time."""
    assert World([]).run() == 0


@pytest.mark.parametrize("where", ["fetched", "accept", "look", "cut", "let_go"])
def test_an_internal_error_affects_one_video(where: str) -> None:
    """It is recorded with its place in the source code, and the others continue."""
    plots = [Plot(fetch=10, existing=True if where == "look" else None), *[Plot(fetch=100)] * 4]
    world = World(plots, keep_raw=False)

    def fault() -> None:
        if world.diary[-1][1] == where and world.diary[-1][2].startswith("RD_V0"):
            raise ZeroDivisionError("by nought")

    world.each_step = fault
    world.run()
    assert [event.reason for event in world.of(ClipFailed)] == [Reason.FAULT]
    assert "ZeroDivisionError: by nought (at simulated_lanes.py" in world.of(ClipFailed)[0].words
    assert {f"RD_V{number}_000" for number in range(1, 5)} <= set(world.who("done"))
    assert world.pipeline.stopped is None


def _busy_world() -> World:
    """Create a run with events of many kinds, in which each child takes 2 s to end."""
    plots = [
        Plot(fetch=7, accept=2, cut=11, clips=2),
        Plot(fetch=5, fetch_failures=(Reason.NETWORK,), cut=3),
        Plot(fetch=13, fetch_failures=(Reason.PRIVATE,), clips=2),
        Plot(existing=True, cut=17, clips=3),
        Plot(existing=False, fetch=3, cut=5),
        Plot(fetch=4, accept=1, cut=6, cut_failures={0: Reason.CLIP_WRONG}),
        Plot(fetch=9, cut=2),
    ]
    return World(plots, pace=4, cleanup=2, keep_raw=False, backoff=lambda _attempt: 20)


def _no_task_is_left(begun: float, world: World) -> None:
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert anyio.current_time() - begun <= 2 * world.cleanup, "ending children is all that may take time"
    world.check_released()


@pytest.mark.slow
def test_cancellation_at_any_time_releases_everything() -> None:
    """Cancelled at any quarter of a second, a run ends when its children have, and all is released."""
    whole = _busy_world().run()
    instants = [quarter / 4 for quarter in range(int(4 * whole))]
    assert len(instants) > 200

    async def cut_short(at: float) -> None:
        world = _busy_world()
        with anyio.move_on_after(at) as scope:
            await world.go()
        assert scope.cancelled_caught
        _no_task_is_left(at, world)
        before = len(world.diary)
        await anyio.sleep(1000)
        assert len(world.diary) == before

    for at in instants:
        virtual_time.run(cut_short, at)


def test_cancellation_at_any_step_releases_everything() -> None:
    """Cancelled in the very moment of any log entry, where several things happen at one time."""
    steps = 0

    async def cut_short(step: int) -> bool:
        world = _busy_world()
        left = step

        def count() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                scope.cancel()

        world.each_step = count
        with anyio.CancelScope() as scope:
            await world.go()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        world.check_released()
        return left > 0

    while not virtual_time.run(cut_short, steps + 1):
        steps += 1
    assert steps > 40


def test_cancellation_by_asyncio_releases_everything() -> None:
    """The same holds for a host that uses asyncio's own ``task.cancel()``."""

    async def cut_short(at: float) -> None:
        world = _busy_world()
        task = asyncio.create_task(world.go())
        await asyncio.sleep(at)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        _no_task_is_left(at, world)

    for half in range(1, 60):
        virtual_time.run(cut_short, half / 2)


def _plots() -> st.SearchStrategy[Plot]:
    seconds = st.integers(0, 50).map(float)
    return st.builds(
        Plot,
        fetch=seconds,
        accept=seconds,
        cut=seconds,
        clips=st.integers(1, 3),
        fetch_failures=st.lists(st.sampled_from([*PASSING, *FINAL, Reason.REFUSED]), max_size=2).map(tuple),
        accept_failures=st.lists(st.sampled_from(PASSING), max_size=2).map(tuple),
        cut_failures=st.dictionaries(st.integers(0, 2), st.sampled_from([*PASSING, *FINAL]), max_size=2),
        existing=st.sampled_from([None, None, True, False]),
    )


@settings(max_examples=100, deadline=None)
@given(
    plots=st.lists(_plots(), max_size=12),
    downloads=st.integers(1, 4),
    encodes=st.integers(1, 4),
    pace=st.sampled_from([0.0, 3.0, 30.0]),
    keep_raw=st.booleans(),
)
def test_each_clip_has_exactly_one_outcome(
    plots: list[Plot], downloads: int, encodes: int, pace: float, keep_raw: bool
) -> None:
    """A run always ends; a clip is done once or recorded once, or untried only where the lane was closed."""
    world = World(plots, downloads=downloads, encodes=encodes, pace=pace, keep_raw=keep_raw)
    world.run()
    done, failed = world.who("done"), [stem for stem, _ in world.recorded]
    ends = done + failed
    assert len(ends) == len(set(ends))
    everything = {clip.stem for job in world.jobs for clip in job.clips}
    assert set(ends) <= everything
    if world.pipeline.closed is None:
        assert set(ends) == everything
    assert world.pipeline.stopped is None
    assert world.downloads.most <= downloads
    assert world.encodes.most <= encodes
    # 16.9 - 13.9 is less than 3 in floating point.
    assert all(later - earlier >= pace - 1e-9 for earlier, later in pairwise(world.times("fetch")))
    assert all(world.who("fetch").count(job.stem) <= 3 + 2 for job in world.jobs)
    assert [event.clip for event in world.of(ClipFailed)] == failed


def test_an_unavailable_video_without_a_reason_is_reported_as_unconfirmed() -> None:
    """Each one once, before the end of the run decides what is recorded."""
    gone = Plot(fetch=10, cut=1, fetch_failures=(Reason.UNAVAILABLE,) * 9)
    world = World([Plot(fetch=10, cut=1), gone, Plot(fetch=10, cut=1)], downloads=1)
    world.run()
    assert [event.video for event in world.of(VideoUnconfirmed)] == ["RD_V1"]
