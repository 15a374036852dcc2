"""When consecutive failures mean a block, no network, or a change of YouTube: in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
import virtual_time
from simulated_lanes import Plot, World

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.events import LaneClosed, LaneOpened, PaceWait, VideoFailed, VideoUnconfirmed
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.lanes.streaks import (
    SAME_IN_A_ROW,
    UNAVAILABLE_IN_A_ROW,
    UNREACHABLE_IN_A_ROW,
    Streaks,
)
from hdtf_async.lanes.throttle import HOUR, PROBES, Pacing, Throttle

if TYPE_CHECKING:
    from hdtf_async.core.events import Event

UNAVAILABLE = Failure(Reason.UNAVAILABLE, "ERROR: [youtube] aaaaaaaaaaa: Video unavailable")
DOWN = Failure(Reason.UNREACHABLE, "ERROR: Failed to resolve 'www.youtube.com'")
GOOD = Plot(fetch=10, cut=1)


def gone(times: int = 1) -> Plot:
    """Return a video that is reported unavailable without a reason, a number of times."""
    return Plot(fetch=10, cut=1, fetch_failures=(Reason.UNAVAILABLE,) * times)


def recorded(world: World) -> dict[str, Reason]:
    """Return the recorded reason of each clip."""
    assert len(dict(world.recorded)) == len(world.recorded), "each clip is recorded once"
    return dict(world.recorded)


# The meaning of consecutive failures, without any lane.


def test_a_block_needs_no_streak() -> None:
    """One is enough, whatever came before."""
    refusal = Failure(Reason.REFUSED, "429")
    assert Streaks().failed("a", refusal) is refusal


@pytest.mark.parametrize("other", [reason for reason in Reason if reason is not Reason.UNAVAILABLE])
def test_only_a_success_interrupts_a_streak_of_unavailable_videos(other: Reason) -> None:
    """A private video in between proves nothing about the IP address."""
    streaks = Streaks()
    for name in "ab":
        assert streaks.failed(name, UNAVAILABLE) is None
        streaks.failed("x", Failure(other))
    verdict = streaks.failed("c", UNAVAILABLE)
    assert verdict is not None
    assert verdict.reason is Reason.REFUSED
    assert "Video unavailable" in verdict.words

    for name in "abcabc":
        assert streaks.failed(name, UNAVAILABLE) is None
        streaks.succeeded()


def test_the_same_video_twice_is_no_streak() -> None:
    """A retry of one unavailable video does not close the lane."""
    streaks = Streaks()
    assert [streaks.failed("a", UNAVAILABLE) for _ in range(9)] == [None] * 9


@pytest.mark.parametrize(
    "answer",
    [Reason.PRIVATE, Reason.UNAVAILABLE, Reason.AGE, Reason.FORBIDDEN, Reason.UNKNOWN, Reason.JAVASCRIPT],
)
def test_any_answer_of_youtube_interrupts_a_streak_of_unreachable_attempts(answer: Reason) -> None:
    """A server that answers is reachable."""
    streaks = Streaks()
    for _ in range(5):
        assert streaks.failed("a", DOWN) is None
        streaks.failed("b", Failure(answer))


def test_two_unreachable_attempts_name_the_cause() -> None:
    """The message is the cause, and not all that yt-dlp printed."""
    streaks = Streaks()
    verdicts = [streaks.failed("a", DOWN) for _ in range(UNREACHABLE_IN_A_ROW)]
    assert verdicts[:-1] == [None] * (UNREACHABLE_IN_A_ROW - 1)
    last = verdicts[-1]
    assert last is not None
    assert (last.reason, last.words) == (Reason.UNREACHABLE, "cannot resolve www.youtube.com")


def test_the_same_unknown_message_of_several_videos_is_a_change_of_youtube() -> None:
    """Ids do not distinguish messages; another message, or another answer, resets the count."""

    def unknown(name: str, message: str = "The page needs to be reloaded.") -> Failure:
        return Failure(Reason.UNKNOWN, f"ERROR: [youtube] {name * 11}: {message}")

    streaks = Streaks()
    assert [streaks.failed("a", unknown("a")) for _ in range(9)] == [None] * 9, "one video, many tries"
    assert streaks.failed("b", unknown("b")) is None
    verdict = streaks.failed("c", unknown("c"))
    assert verdict is not None
    assert verdict.reason is Reason.YOUTUBE_CHANGED
    assert "needs to be reloaded" in verdict.words

    for name in "abcdef":
        assert Streaks().failed(name, unknown(name)) is None
    streaks = Streaks()
    for name, message in zip("abcdef", ("one", "other") * 3, strict=True):
        assert streaks.failed(name, unknown(name, message)) is None
    streaks = Streaks()
    for name in "abcdef":
        assert streaks.failed(name, unknown(name)) is None
        streaks.failed("x", Failure(Reason.PRIVATE))


# The lane.


def test_a_block_that_looks_like_removed_videos_loses_none() -> None:
    """The lane closes after three, and once YouTube answers again each of them is downloaded."""
    plots = [GOOD, *[gone()] * UNAVAILABLE_IN_A_ROW, *[GOOD] * 6]
    world = World(plots, downloads=1, cool_down=600)
    world.run()
    (closed,) = world.of(LaneClosed)
    assert (closed.reason, closed.after) == (Reason.REFUSED, 600)
    assert len(world.of(LaneOpened)) == 1
    assert len(world.who("done")) == len(plots)
    assert recorded(world) == {}
    assert world.pipeline.closed is None


def test_a_lasting_block_ends_the_run_and_records_no_permanent_failure() -> None:
    """After three probes the run ends as blocked; the videos are recorded as blocked, not unavailable."""
    world = World([gone(99)] * 20, downloads=1, cool_down=10)
    world.unavailable_before = set(world.plots)
    world.run()
    assert world.pipeline.closed is not None
    assert world.pipeline.closed.reason is Reason.REFUSED
    assert len(world.times("fetch")) == UNAVAILABLE_IN_A_ROW + PROBES
    assert set(recorded(world).values()) <= {Reason.REFUSED}


@pytest.mark.parametrize("available", [False, True])
def test_a_video_that_was_available_before_decides_what_a_streak_means(available: bool) -> None:
    """If YouTube still has it the lane stays open, and the others are unavailable individually."""
    world = World([gone(99)] * 9, downloads=1, cool_down=10)
    world.other_is_available = available
    world.run()
    assert bool(world.of(LaneClosed)) is not available
    assert set(recorded(world).values()) == {Reason.UNAVAILABLE if available else Reason.REFUSED}
    if available:
        assert len(world.times("ask")) == 9 // UNAVAILABLE_IN_A_ROW
        assert {f"{number:011d}" for number in range(3)} == world.doubted[0]


def test_a_few_unavailable_videos_among_others_are_recorded_and_nothing_is_closed() -> None:
    """Each is tried once and again by the next run, and does not count as a block."""
    plots = [GOOD, gone(9), GOOD, gone(9), GOOD, gone(9), GOOD]
    world = World(plots, downloads=1)
    world.run()
    assert not world.of(LaneClosed)
    assert len(world.times("fetch")) == len(plots)
    assert recorded(world) == {f"RD_V{number}_000": Reason.UNAVAILABLE for number in (1, 3, 5)}
    assert [event.reason for event in world.of(VideoFailed)] == [Reason.UNAVAILABLE] * 3
    assert len(world.of(VideoUnconfirmed)) == 3


def test_a_second_run_gives_up_a_video_only_while_others_are_available() -> None:
    """Together, an earlier run's answer and another video's make it permanent; neither alone does."""
    for before, other, reason in (
        (True, True, Reason.GONE),
        (True, False, Reason.UNAVAILABLE),
        (False, True, Reason.UNAVAILABLE),
    ):
        world = World([gone(9), GOOD] if other else [gone(9)], downloads=1)
        world.unavailable_before = set(world.plots) if before else set()
        world.run()
        assert recorded(world) == {"RD_V0_000": reason}


@pytest.mark.parametrize("available", [False, True])
def test_the_last_video_of_a_run_is_given_up_after_another_was_asked_for(available: bool) -> None:
    """No video follows it, so one that was available before decides, at the pace."""
    world = World([GOOD, gone(9)], downloads=1, pace=100)
    world.unavailable_before = {"RD_V1"}
    world.other_is_available = available
    world.run()
    assert recorded(world) == {"RD_V1_000": Reason.GONE if available else Reason.UNAVAILABLE}
    assert world.times("ask") == [200]


def test_a_stopped_run_leaves_open_questions_to_the_next() -> None:
    """A stopping run sends no more requests, and records the video as temporarily unavailable."""
    world = World([gone(9), Plot(fetch=1000)], downloads=1)
    world.unavailable_before = set(world.plots)

    async def ended() -> None:
        finish = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(world.go, finish)
            await anyio.sleep(100)
            finish.set()

    virtual_time.run(ended)
    world.check_released()
    assert recorded(world) == {"RD_V0_000": Reason.UNAVAILABLE}
    assert not world.times("ask")


def test_without_a_network_a_run_ends_within_a_minute() -> None:
    """For any pace and number of videos: two attempts, three probes, and the cause is named."""
    down = Plot(fetch=1, fetch_failures=(Reason.UNREACHABLE,) * 99, message=DOWN.words)
    world = World([down] * 352, downloads=8, pace=15, cool_down=600)
    assert world.run() < 60
    assert len(world.times("fetch")) == UNREACHABLE_IN_A_ROW + PROBES
    closed = world.pipeline.closed
    assert closed is not None
    assert (closed.reason, closed.words) == (Reason.UNREACHABLE, "cannot resolve www.youtube.com")
    assert [event.after for event in world.of(LaneClosed)] == [2.5, 5, 10, None]


def test_a_network_that_comes_back_costs_no_video_a_try() -> None:
    """The lane opens with the first answer, and all clips are made."""
    down = Plot(fetch=1, fetch_failures=(Reason.UNREACHABLE,), message=DOWN.words)
    world = World([down] * 4 + [GOOD] * 4, downloads=2, pace=5)
    world.run()
    assert len(world.of(LaneOpened)) == 1
    assert len(world.who("done")) == 8
    assert recorded(world) == {}


def test_a_probe_that_finds_a_video_unavailable_shows_that_the_network_is_back() -> None:
    """It opens a lane that was closed for lack of a network; it would not open one that YouTube closed."""
    down = Plot(fetch=1, fetch_failures=(Reason.UNREACHABLE, Reason.UNAVAILABLE), message=DOWN.words)
    world = World([down] * 2, downloads=1)
    world.run()
    assert [event.reason for event in world.of(LaneClosed)] == [Reason.UNREACHABLE]
    assert len(world.of(LaneOpened)) == 1


def test_a_change_of_youtube_ends_the_run_with_its_message() -> None:
    """After three videos no other is tried; clips of earlier ones are still made."""
    changed = Plot(fetch=10, fetch_failures=(Reason.UNKNOWN,) * 9, message="ERROR: Reload the page")
    plots = [Plot(fetch=10, cut=500), *[changed] * 100]
    world = World(plots, downloads=1)
    world.run()
    assert len(world.times("fetch")) == 1 + SAME_IN_A_ROW
    assert world.who("done") == ["RD_V0_000"]
    closed = world.pipeline.closed
    assert closed is not None
    assert closed.reason is Reason.YOUTUBE_CHANGED
    assert "Reload the page" in closed.words


# The pace.


def test_requests_of_a_census_within_the_last_hour_count_against_the_pace() -> None:
    """In no hour are more videos requested than the pace allows, and the wait is announced once."""
    pace, asked = 60.0, 50
    emitted: list[Event] = []
    starts: list[float] = []

    async def run() -> None:
        events = EventBus()
        events.subscribe(emitted.append)
        now = anyio.current_time()
        limiter = anyio.CapacityLimiter(4)
        pacing = Pacing(pace=pace, cool_down=600, earlier=[now - 100 - number for number in range(asked)])
        throttle = Throttle(limiter, limiter, pacing, events)
        for _ in range(80):
            async with throttle.permit() as permit:
                assert permit is not None
                starts.append(anyio.current_time() - now)
                permit.succeeded()

    virtual_time.run(run)
    census = [-100.0 - number for number in range(asked)]
    everything = sorted(census + starts)
    most = int(HOUR / pace)
    for first, beyond in zip(everything, everything[most:], strict=False):
        assert beyond - first >= HOUR
    assert starts[:10] == [60.0 * number for number in range(10)], "ten are still allowed"
    assert next(event.requests for event in emitted if isinstance(event, PaceWait)) == most


def test_a_success_from_before_a_block_confirms_nothing() -> None:
    """A long download ends while YouTube blocks the address: a video denied meanwhile may exist."""
    world = World([Plot(fetch=1000), Plot(fetch=300, fetch_failures=(Reason.UNAVAILABLE,))], downloads=2)
    world.unavailable_before = {"RD_V1"}
    world.run()
    assert world.who("done") == ["RD_V0_000"]
    assert recorded(world) == {"RD_V1_000": Reason.UNAVAILABLE}
