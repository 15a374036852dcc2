"""The two lanes in virtual time: what they promise, with fake downloads and encodes that only take time."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import pytest
import virtual_time
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from hdtf_async.core.events import (
    ClipFailed,
    ClipRetrying,
    Event,
    EventBus,
    LaneClosed,
    LaneOpened,
    Retrying,
    VideoFailed,
    WindingDown,
)
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Clip, Interval, Video
from hdtf_async.dataset.plan import VideoJob
from hdtf_async.lanes.downloader import Download
from hdtf_async.lanes.limits import Lanes, backoff
from hdtf_async.lanes.pipeline import WIND_DOWN, Pipeline, PipelineParts
from hdtf_async.lanes.raws import Raw
from hdtf_async.lanes.throttle import LONGEST_COOL_DOWN, PROBES, Pacing, Throttle
from hdtf_async.media.demux import MediaInfo
from hdtf_async.youtube.formats import Choice, Format

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
    from types import TracebackType

    from hdtf_async.lanes.throttle import Permit

E = TypeVar("E", bound=Event)

CHOICE = Choice(
    Format("136", "mp4", "mp4_dash", 720, 1280, 25.0, "avc1", None, 1, True, "https", 60.0), None, ()
)
BOX = Box(0, 0, 512, 512)
FACTS = MediaInfo("h264", 1280, 720, 25.0, 1500, 0.0, 60.0, 60.0)

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
    Reason.INTERVAL_OUTSIDE, Reason.UNSUPPORTED_SOURCE, Reason.NO_SOUND, Reason.NO_FACE,
    Reason.CLIP_WRONG, Reason.ROW_REFUSED, Reason.NOT_TRIED, Reason.MANIFESTS_LOCKED, Reason.FAULT,
]  # fmt: skip
"""Reasons after which it is not."""
LOCAL = [
    Reason.YOUTUBE_CHANGED, Reason.CERTIFICATE, Reason.DISK_FULL, Reason.NOT_WRITABLE,
    Reason.DISK_ERROR, Reason.RESOURCE_LIMIT, Reason.STORE_UNREACHABLE, Reason.STORE_REFUSED,
    Reason.CLUSTER_LOST, Reason.BAD_OPTION, Reason.TOOL_MISSING, Reason.NOT_READY,
]  # fmt: skip
"""Reasons that stop the run. All are written out: derived from the table, they would not check it."""


@dataclass(frozen=True)
class _Plot:
    """What is going to happen to one video, with durations in seconds."""

    fetch: float = 60.0
    accept: float = 0.0
    cut: float = 60.0
    clips: int = 1
    fetch_failures: tuple[Reason, ...] = ()
    """One for each attempt; the attempts after these go well."""
    advances: bool = False
    """Whether each failure leaves a part of the download that the next attempt continues."""
    message: str = "as in the plot"
    """The error message of each failure."""
    accept_failures: tuple[Reason, ...] = ()
    cut_failures: Mapping[int, Reason] = field(default_factory=dict)
    """By the clip's index."""
    encode_failures: tuple[Reason, ...] = ()
    """One for each attempt to encode a clip; the attempts after these go well."""
    at_hand: bool | None = None
    """Whether the raw that seems to be there is good; None where there is none."""


class _Gauge:
    """Counts how many are inside at a time, and remembers the most."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    def __enter__(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.now -= 1


class _World:
    """Lanes at work on plots: both protocols of the pipeline, with a diary of starts and ends."""

    def __init__(  # noqa: PLR0913 - what a test may want otherwise
        self,
        plots: Sequence[_Plot],
        *,
        downloads: int = 2,
        encodes: int = 2,
        pace: float = 0.0,
        cool_down: float = 600.0,
        keep_raw: bool = True,
        cleanup: float = 0.0,
        backoff: Callable[[int], float] = lambda attempt: 100.0 * attempt,
    ) -> None:
        videos = [Video("RD", f"V{number}", f"{number:011d}", 720) for number in range(len(plots))]
        self.plots = {video.stem: plot for video, plot in zip(videos, plots, strict=True)}
        self.works = [
            VideoJob(
                (video,),
                tuple(
                    Clip(video, index, Interval(0, 60), Box(0, 0, 512, 512)) for index in range(plot.clips)
                ),
            )
            for video, plot in zip(videos, plots, strict=True)
        ]
        self.cleanup = cleanup
        """Seconds that ending a child takes."""
        self.asked: dict[str, int] = {}
        """How often each video was asked for."""
        self.refuses_from = self.refuses_until = math.inf
        """When YouTube refuses whoever begins to ask, in seconds."""
        self.other_is_available = False
        """Whether YouTube still has a video that it had before."""
        self.unavailable_before: set[str] = set()
        """Videos that an earlier run found unavailable, long enough ago."""
        self.doubted: list[set[str]] = []
        """The ids that prove nothing, each time another video is asked for."""
        self.removal = 0.0
        """Seconds that removing a private directory takes."""
        self.diary: list[tuple[float, str, str]] = []
        self.told: list[Event] = []
        self.recorded: list[tuple[str, Reason]] = []
        self.downloads, self.encodes, self.directories, self.tasks = _Gauge(), _Gauge(), _Gauge(), _Gauge()
        self.record_trouble: Reason | None = None
        self.let_go_trouble: Reason | None = None
        self.directory_trouble: Reason | None = None
        self.each_step: Callable[[], None] = lambda: None
        self.lanes = Lanes(anyio.CapacityLimiter(downloads), anyio.CapacityLimiter(encodes))
        pacing = Pacing(pace=pace, cool_down=cool_down)
        self._entrance = partial(Throttle, self.lanes.network, self.lanes.encodes, pacing)
        self._parts = partial(
            PipelineParts,
            lanes=self.lanes,
            keep_raw=keep_raw,
            fetching=self,
            cutting=self,
            private_directory=self.private_directory,
            record_failure=self.record_failure,
            backoff=backoff,
        )
        self.pipeline: Pipeline[Download, Raw]

    async def go(self, finish: anyio.Event | None = None) -> float:
        """Run the pipeline and return how long it took."""
        begun = anyio.current_time()
        events = EventBus()
        events.subscribe(self.told.append)
        self.pipeline = Pipeline(self._parts(entrance=self._entrance(events), events=events))
        await self.pipeline.run(self.works, finish)
        return anyio.current_time() - begun

    def run(self) -> float:
        """Run the pipeline in virtual time, return how long it took, and see that nothing is left of it."""

        async def alone() -> float:
            seconds = await self.go()
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return seconds

        seconds = virtual_time.run(alone)
        self.nothing_is_left()
        return seconds

    def nothing_is_left(self) -> None:
        """Check that every token, child and directory is given back."""
        assert self.lanes.network.borrowed_tokens == 0
        assert self.lanes.encodes.borrowed_tokens == 0
        assert self.downloads.now == self.encodes.now == self.directories.now == 0

    def times(self, what: str, who: str | None = None) -> list[float]:
        """Return when something happened, at all or to one video or clip."""
        return [at for at, whats, whos in self.diary if whats == what and who in {None, whos}]

    def who(self, what: str) -> list[str]:
        """Return to whom something happened, in order."""
        return [whos for _, whats, whos in self.diary if whats == what]

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind."""
        return [event for event in self.told if isinstance(event, kind)]

    def note(self, what: str, who: str) -> None:
        """Write into the diary."""
        self.diary.append((anyio.current_time(), what, who))
        self.each_step()

    async def child(self, seconds: float, gauge: _Gauge) -> None:
        """Be a child process: take time, and some more to end when cancelled."""
        with gauge:
            try:
                await anyio.sleep(seconds)
            finally:
                if self.cleanup:
                    with anyio.CancelScope(shield=True):
                        await anyio.sleep(self.cleanup)

    # What the network lane does.

    def expects_at_hand(self, work: VideoJob) -> bool:
        return self.plots[work.stem].at_hand is not None

    async def at_hand(self, work: VideoJob) -> Raw | None:
        self.note("look", work.stem)
        await anyio.sleep(1)
        return self.raw(work) if self.plots[work.stem].at_hand else None

    async def download(self, work: VideoJob, directory: Path, turn: Permit) -> Download:
        assert directory.name == work.stem
        self.note("fetch", work.stem)
        plot = self.plots[work.stem]
        begun = anyio.current_time()
        self.asked[work.stem] = asked = self.asked.get(work.stem, 0) + 1
        fails = asked <= len(plot.fetch_failures)
        if not fails and self.refuses_from <= begun < self.refuses_until:
            await self.child(plot.fetch / 10, self.downloads)
            raise Failure(Reason.REFUSED, "as YouTube does now")
        if not fails:
            await self.child(plot.fetch / 10, self.downloads)
            turn.available()
            turn.answered()
            await self.child(plot.fetch - plot.fetch / 10, self.downloads)
        else:
            await self.child(plot.fetch, self.downloads)
        self.note("fetched", work.stem)
        if fails:
            failure = Failure(plot.fetch_failures[asked - 1], plot.message)
            failure.advanced = plot.advances
            raise failure
        return Download(directory, None, CHOICE, None, None, 0.0)

    async def another_is_available(self, directory: Path, besides: Collection[str]) -> bool:
        assert self.directories.now, "the private directory is still needed"
        self.doubted.append(set(besides))
        self.note("ask", directory.name)
        await anyio.sleep(1)
        return self.other_is_available

    def was_unavailable(self, work: VideoJob) -> bool:
        return work.stem in self.unavailable_before

    async def accept(self, work: VideoJob, arrived: Download) -> Raw:
        assert self.directories.now, "the private directory is still needed"
        self.note("accept", work.stem)
        plot = self.plots[work.stem]
        await anyio.sleep(plot.accept)
        if work.attempt <= len(plot.accept_failures):
            raise Failure(plot.accept_failures[work.attempt - 1], str(arrived.path))
        return self.raw(work)

    async def discard(self, work: VideoJob, raw: Raw) -> None:
        assert raw.path.name == work.stem
        self.note("discard", work.stem)

    async def let_go(self, work: VideoJob, *, keep: bool) -> None:
        if keep:
            return
        self.note("let_go", work.stem)
        if self.let_go_trouble is not None:
            raise Failure(self.let_go_trouble)

    def raw(self, work: VideoJob) -> Raw:
        return Raw(Path(work.stem), "mp4", FACTS, {}, None, None)

    # What the encode lane does.

    async def cut(self, clip: Clip, raw: Raw) -> None:
        assert raw.path.name == clip.video.stem
        self.note("cut", clip.stem)
        self.tasks.now = len(asyncio.all_tasks())
        self.tasks.most = max(self.tasks.most, self.tasks.now)
        plot = self.plots[clip.video.stem]
        await self.child(plot.cut, self.encodes)
        if clip.index in plot.cut_failures:
            raise Failure(plot.cut_failures[clip.index], "as in the plot")
        attempt = len(self.times("cut", clip.stem))
        if attempt <= len(plot.encode_failures):
            raise Failure(plot.encode_failures[attempt - 1], "as in the plot")
        self.note("done", clip.stem)

    # What the output directory does.

    @asynccontextmanager
    async def private_directory(self, video: Video) -> AsyncIterator[Path]:
        if self.directory_trouble is not None:
            raise Failure(self.directory_trouble)
        with self.directories:
            try:
                yield Path(video.stem)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(self.removal)

    async def record_failure(self, work: VideoJob, failure: Failure) -> None:
        if self.record_trouble is not None:
            raise Failure(self.record_trouble)
        await checkpoint()
        for clip in work.clips:
            self.recorded.append((clip.stem, failure.reason))
            self.note("record", clip.stem)


@pytest.mark.parametrize(("downloads", "encodes"), [(1, 1), (2, 3), (8, 2), (3, 8)])
def test_each_lane_is_filled_and_never_overfilled(downloads: int, encodes: int) -> None:
    """With work enough the peaks are the limits, no less and no more."""
    world = _World(
        [_Plot(fetch=10 + number % 7, cut=20 + number % 5, clips=1 + number % 3) for number in range(40)],
        downloads=downloads,
        encodes=encodes,
    )
    world.run()
    assert (world.downloads.most, world.encodes.most) == (downloads, encodes)
    assert len(world.who("done")) == sum(plot.clips for plot in world.plots.values())


def test_network_token_is_free_again_before_a_raw_is_checked_and_cut() -> None:
    """With one token the second download begins at the instant at which the first has ended."""
    world = _World([_Plot(fetch=60, accept=500, cut=1000)] * 2, downloads=1)
    world.run()
    assert world.times("fetch") == [0, 60]
    assert world.times("accept") == [60, 120]
    assert world.times("cut") == [560, 620]


@pytest.mark.parametrize(("fetch", "cut"), [(60, 60), (60, 20), (20, 60)])
def test_downloads_and_encodes_overlap(fetch: float, cut: float) -> None:
    """A run takes as long as its slower lane and one item more, far less than one lane after the other."""
    number, width = 100, 4
    world = _World([_Plot(fetch=fetch, cut=cut)] * number, downloads=width, encodes=width)
    seconds = world.run()
    lanes = [number / width * each for each in (fetch, cut)]
    assert seconds == pytest.approx(max(lanes) + min(fetch, cut))
    assert seconds < 0.8 * sum(lanes)


def test_starts_keep_their_distance_when_tokens_become_free_at_once() -> None:
    """Eight downloads that end in the same moment do not lead to a burst of eight starts."""
    pace = 12.0
    plots = [_Plot(fetch=1000 - 12 * number, cut=1) for number in range(8)] + [_Plot(fetch=50, cut=1)] * 20
    world = _World(plots, downloads=8, pace=pace)
    world.run()
    ends = world.times("fetched")[:8]
    assert ends == [1000] * 8
    starts = world.times("fetch")
    assert len(starts) == len(plots)
    assert all(later - earlier >= pace for earlier, later in pairwise(starts))
    assert starts[8:12] == [1000, 1012, 1024, 1036]


def test_retries_keep_the_pace_too() -> None:
    """A video that is put back starts no sooner after another than any video does."""
    plots = [_Plot(fetch=1, fetch_failures=(Reason.NETWORK, Reason.NETWORK))] * 5
    world = _World(plots, downloads=5, pace=10, backoff=lambda _attempt: 3)
    world.run()
    starts = world.times("fetch")
    assert len(starts) == 15
    assert all(later - earlier >= 10 for earlier, later in pairwise(starts))


def test_who_waits_for_the_pace_holds_no_token() -> None:
    """Another task of the host's gets the only token while the lane waits for its pace."""
    world = _World([_Plot(fetch=1, cut=1)] * 3, downloads=1, pace=100)

    async def beside() -> list[bool]:
        free = []
        async with anyio.create_task_group() as group:
            group.start_soon(world.go)
            for second in (50, 150):
                await anyio.sleep_until(second)
                free.append(world.lanes.network.available_tokens == 1)
        return free

    assert virtual_time.run(beside) == [True, True]


def test_live_work_is_bounded_however_long_the_table() -> None:
    """Of 100,000 videos that wait, those in slots are tasks, and so are their clips; the others are none."""
    plots = [_Plot(fetch=5, cut=5, at_hand=None if number % 2 else True) for number in range(100_000)]
    world = _World(plots, downloads=4, encodes=4)

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
    """A server that cuts every connection is asked again for as long as each one brings a part."""
    failures = (Reason.FORBIDDEN,) * 20
    world = _World(
        [_Plot(fetch_failures=failures, advances=True), _Plot(fetch_failures=failures)], backoff=lambda _: 1
    )
    world.run()
    assert world.asked == {"RD_V0": 21, "RD_V1": Reason.FORBIDDEN.advice.tries}
    assert world.recorded == [("RD_V1_000", Reason.FORBIDDEN)]


@pytest.mark.parametrize("reason", PASSING)
def test_what_passes_is_tried_again_while_others_go_on(reason: Reason) -> None:
    """More videos than slots wait for their next try, and neither slot nor token is theirs meanwhile."""
    tries = reason.advice.tries
    # With different messages: the same unknown one would end the run.
    messages = ("one", "two", "three", "four", "five")
    bad = [_Plot(fetch=10, fetch_failures=(reason,) * tries, message=text, clips=2) for text in messages]
    good = [_Plot(fetch=10, cut=1)] * 20
    world = _World([*bad, *good], downloads=1, encodes=1, backoff=lambda attempt: 5000.0 * attempt)
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
    assert [told for told in retrying if told[0] == "RD_V0"] == [
        ("RD_V0", attempt, 5000.0 * attempt) for attempt in range(1, tries)
    ]
    assert len(retrying) == 5 * (tries - 1) > 0
    assert sorted(world.recorded) == sorted(
        (f"RD_V{number}_{index:03d}", reason) for number in range(5) for index in range(2)
    )
    assert [event.clips for event in world.of(VideoFailed)] == [2] * 5
    assert [event.with_video for event in world.of(ClipFailed)] == [True] * 10


def test_what_passed_leaves_no_trace_of_failure() -> None:
    """A video that comes at the last attempt is cut, and nothing is recorded against it."""
    tries = Reason.RAW_TRUNCATED.advice.tries
    world = _World([_Plot(accept_failures=(Reason.RAW_TRUNCATED,) * (tries - 1))])
    world.run()
    assert len(world.who("fetch")) == tries
    assert world.who("done") == ["RD_V0_000"]
    assert world.recorded == []


def test_each_reason_is_in_one_of_the_lists() -> None:
    """A new one is added to the list that says what the pipeline is to do about it."""
    assert sorted([*PASSING, *FINAL, *LOCAL, Reason.REFUSED, Reason.UNREACHABLE]) == sorted(Reason)


def test_back_off_grows_and_is_spread() -> None:
    """The second wait is about four times the first, and two videos do not wait for the same time."""
    waits = {attempt: [backoff(attempt, first=10) for _ in range(200)] for attempt in (1, 2)}
    assert all(5 <= wait <= 15 for wait in waits[1])
    assert all(20 <= wait <= 60 for wait in waits[2])
    assert len(set(waits[1])) > 100


@pytest.mark.parametrize("reason", FINAL)
def test_what_does_not_pass_is_recorded_once_for_each_clip(reason: Reason) -> None:
    """One attempt, one record and one event for each clip, and the other videos go on."""
    world = _World([_Plot(fetch_failures=(reason,), clips=3), _Plot(clips=2)])
    world.run()
    assert world.who("fetch") == ["RD_V0", "RD_V1"]
    assert world.recorded == [(f"RD_V0_{index:03d}", reason) for index in range(3)]
    assert [event.clip for event in world.of(ClipFailed)] == [stem for stem, _ in world.recorded]
    assert sorted(world.who("done")) == ["RD_V1_000", "RD_V1_001"]


def test_a_clip_that_fails_takes_no_other_with_it() -> None:
    """Whatever becomes of one clip, its siblings are made and it alone is recorded."""
    world = _World([_Plot(clips=3, cut_failures={1: Reason.CLIP_WRONG})])
    world.run()
    assert world.who("done") == ["RD_V0_000", "RD_V0_002"]
    assert world.recorded == [("RD_V0_001", Reason.CLIP_WRONG)]
    assert world.of(VideoFailed) == []


def _refused(plots: Sequence[_Plot], since: float, until: float, **more: Any) -> _World:
    """Make a world in which YouTube refuses for a while."""
    world = _World(plots, **more)
    world.refuses_from, world.refuses_until = since, until
    return world


def test_a_refusal_closes_the_lane_and_lets_running_work_end() -> None:
    """None starts until the cool-down is over; transfers and encodes that run come to their end meanwhile."""
    world = _refused([_Plot(fetch=100, cut=300)] * 10, 1, 500, downloads=2, pace=2)
    world.run()
    # The second is refused at 12 s; the first, which runs, is not disturbed, and its clip is cut meanwhile.
    assert world.times("fetch")[:3] == [0, 2, 612]
    assert world.times("fetched", "RD_V0") == [100]
    assert world.times("done", "RD_V0_000") == [400]
    assert [(event.after, event.refused_probes) for event in world.of(LaneClosed)] == [(600, 0)]
    assert [event.closed for event in world.of(LaneOpened)] == [610]
    assert len(world.who("done")) == 10
    assert world.recorded == []
    assert world.pipeline.closed is None


def test_one_probe_decides_and_another_video_is_it() -> None:
    """The one who was refused goes to the end of the queue, and nobody else starts before the answer."""
    world = _refused([_Plot(fetch=100, cut=1)] * 6, 0, 500, downloads=4, encodes=4)
    world.run()
    # All four are refused at 10 s; then the probe alone until it has its answer 10 s later.
    assert world.times("fetch") == [0, 0, 0, 0, 610, 620, 620, 620, 710, 720]
    assert world.who("fetch")[4:6] == ["RD_V4", "RD_V5"]
    assert set(world.who("fetch")[6:]) == {"RD_V0", "RD_V1", "RD_V2", "RD_V3"}
    assert len(world.of(LaneClosed)) == len(world.of(LaneOpened)) == 1


def test_refusals_of_attempts_begun_before_count_for_nothing() -> None:
    """They come late, and neither lengthen the cool-down nor use up a try."""
    plots = [_Plot(fetch=100 * number, cut=1) for number in (1, 2, 3, 4)]
    world = _refused(plots, 0, 500, downloads=4, encodes=4, cool_down=1000)
    world.run()
    # They are refused at 10, 20, 30 and 40 s.
    assert [event.after for event in world.of(LaneClosed)] == [1000]
    assert world.times("fetch")[4] == 1010
    assert {event.attempt for event in world.of(Retrying)} == {1}
    assert len(world.who("done")) == 4


def test_three_refused_probes_end_the_run() -> None:
    """The cool-down doubles; what is left is not tried, and nothing is recorded as gone for good."""
    world = _refused([_Plot(fetch=10, cut=1)] * 50, 100, math.inf, downloads=1)
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
    """Doubling ends somewhere."""
    world = _refused([_Plot(fetch=10, cut=1)] * 4, 0, 100, cool_down=LONGEST_COOL_DOWN, downloads=1)
    world.run()
    assert [event.after for event in world.of(LaneClosed)] == [LONGEST_COOL_DOWN]
    plots = [_Plot(fetch=10, cut=1, fetch_failures=(Reason.REFUSED,))] * 12
    world = _World(plots, downloads=1, cool_down=LONGEST_COOL_DOWN - 100)
    world.run()
    after = {event.after for event in world.of(LaneClosed)}
    assert after == {LONGEST_COOL_DOWN - 100, LONGEST_COOL_DOWN, None}


def test_once_youtube_has_answered_a_later_refusal_is_a_first_one() -> None:
    """However often: neither the cool-down nor the count of refused probes goes on from the time before."""
    refused, well = _Plot(fetch=10, cut=1, fetch_failures=(Reason.REFUSED,)), _Plot(fetch=10, cut=1)
    world = _World([refused, refused, refused, well] * 4, downloads=1)
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
"""A tool that crashes, for example, says nothing about the address."""


@pytest.mark.parametrize("reason", ANSWERS)
def test_any_other_answer_opens_the_lane(reason: Reason) -> None:
    """YouTube says of a video that it is gone: so it listens to this address."""
    plots = [_Plot(fetch=10, fetch_failures=(Reason.REFUSED,)), _Plot(fetch=10, fetch_failures=(reason,) * 3)]
    world = _World([*plots, *[_Plot(fetch=10)] * 3], downloads=1)
    world.run()
    assert world.times("fetch")[:4] == [0, 610, 620, 630]
    assert [event.closed for event in world.of(LaneOpened)] == [610], "the probe itself has opened it"


@pytest.mark.parametrize("reason", NO_ANSWERS)
def test_no_answer_decides_nothing(reason: Reason) -> None:
    """A probe that gets no answer leaves the lane as it is: the next one is the probe, alone again."""
    plots = [_Plot(fetch=10, fetch_failures=(Reason.REFUSED,)), _Plot(fetch=50, fetch_failures=(reason,))]
    world = _World([*plots, *[_Plot(fetch=100)] * 4], downloads=2, encodes=1)
    world.run()
    # Refused at 10 s; its neighbour's failure at 50 s is old news. The probe's answer comes after 10 s.
    assert world.times("fetch")[2:5] == [610, 620, 710]
    plots = [_Plot(fetch=10, fetch_failures=(Reason.REFUSED,)), _Plot(fetch=50, fetch_failures=(reason,))]
    world = _World([*plots, *[_Plot(fetch=100)] * 4], downloads=1, encodes=1)
    world.run()
    assert world.times("fetch")[1:4] == [610, 660, 760]
    assert [event.closed for event in world.of(LaneOpened)] == [660]


def test_a_final_refusal_ends_the_waiting_of_all() -> None:
    """Whoever waits for the pace, or for another try, is sent away at once."""
    plots = [_Plot(fetch=1, fetch_failures=(Reason.NETWORK,))] + [_Plot(fetch=10)] * 50
    world = _refused(plots, 2, math.inf, downloads=8, pace=5, cool_down=0, backoff=lambda _attempt: 86400)
    assert world.run() < 30
    assert world.pipeline.closed is not None


def test_the_token_of_a_refused_download_starts_no_other() -> None:
    """With one token and no pace the next in line does not slip in while the refusal is dealt with."""
    world = _World([_Plot(fetch_failures=(Reason.REFUSED,)), *[_Plot()] * 5], downloads=1, encodes=4)
    world.removal = 5
    world.run()
    assert world.times("fetch")[:2] == [0, 660]


def test_raws_at_hand_are_cut_though_the_lane_is_closed() -> None:
    """A refusal concerns the network only; a bad raw that would need it now is left for another run."""
    plots = [_Plot(fetch=5, fetch_failures=(Reason.REFUSED,))] * 4
    plots += [_Plot(cut=100, at_hand=True)] * 20 + [_Plot(at_hand=False)] * 3
    world = _refused(plots, 0, math.inf, cool_down=1)
    world.run()
    assert len(world.who("done")) == 20
    assert world.pipeline.closed is not None


@pytest.mark.parametrize("reason", [Reason.STALLED, Reason.TIMED_OUT, Reason.UNKNOWN])
def test_an_encode_that_hangs_is_tried_again_after_a_back_off(reason: Reason) -> None:
    """Twice, as the table says; then it is done, and nothing is recorded against it."""
    world = _World([_Plot(fetch_failures=(), encode_failures=(reason, reason))])
    world.run()
    assert world.times("cut") == [60, 60 + 60 + 100, 60 + 2 * 60 + 100 + 200]
    assert world.who("done") == ["RD_V0_000"]
    assert world.recorded == []
    kept = Reason.UNKNOWN if reason is Reason.UNKNOWN else Reason.ENCODE_STALLED
    told = [(event.clip, event.reason, event.attempt, event.after) for event in world.of(ClipRetrying)]
    assert told == [("RD_V0_000", kept, 1, 100), ("RD_V0_000", kept, 2, 200)]


@pytest.mark.parametrize("reason", [Reason.STALLED, Reason.TIMED_OUT])
def test_an_encode_that_always_hangs_fails_with_advice_about_encodes(reason: Reason) -> None:
    """After as many tries as the table says; the exit code says that another run may help."""
    world = _World([_Plot(encode_failures=(reason,) * 9, clips=2)])
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
def test_an_encode_that_fails_for_good_is_tried_once(reason: Reason) -> None:
    """Nothing would come of another try."""
    world = _World([_Plot(encode_failures=(reason,))])
    world.run()
    assert len(world.times("cut")) == 1
    assert world.recorded == [("RD_V0_000", reason)]


def test_a_clip_that_waits_for_another_try_holds_no_token() -> None:
    """Others are encoded meanwhile, though there is one token only."""
    hangs = _Plot(fetch=10, cut=10, encode_failures=(Reason.STALLED,))
    world = _World([hangs, *[_Plot(fetch=10, cut=10)] * 3], downloads=4, encodes=1)
    world.run()
    assert world.times("cut", "RD_V0_000") == [10, 120]
    assert world.times("done")[:3] == [30, 40, 50]


def test_winding_down_ends_the_wait_for_another_try() -> None:
    """The clip has failed for now, and is recorded so; nothing is waited for."""
    world = _World([_Plot(fetch=10, cut=10, encode_failures=(Reason.STALLED,))], backoff=lambda _: 86400)
    assert _winding_down(world, 50) == 50
    assert world.recorded == [("RD_V0_000", Reason.ENCODE_STALLED)]


def _winding_down(world: _World, at: float) -> float:
    """Let a run be asked to end at some time; return when it has ended."""
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
    world.nothing_is_left()
    return took[0]


def test_asked_to_end_a_run_finishes_what_is_being_encoded() -> None:
    """Downloads end, nothing is begun, and what was under an encode token is there."""
    plots = [
        _Plot(fetch=10, cut=30, clips=3),
        _Plot(fetch=10, cut=1),
        _Plot(fetch=500),
        _Plot(at_hand=True, cut=25),
    ]
    world = _World([*plots, *[_Plot(at_hand=True)] * 9, *[_Plot()] * 9], downloads=2, encodes=2, cleanup=2)
    assert _winding_down(world, 20) == 61 + world.cleanup  # it was begun at 1 s
    assert [event.encodes for event in world.of(WindingDown)] == [2]
    assert all(at <= 20 for at in world.times("fetch") + world.times("cut"))
    assert len(world.who("done")) == 2
    assert world.recorded == []


def test_asked_to_end_a_run_does_not_wait_for_ever() -> None:
    """An encode that takes too long is ended too."""
    world = _World([_Plot(fetch=10, cut=5000), _Plot(fetch=10, cut=50)], cleanup=2)
    assert _winding_down(world, 20) == 20 + WIND_DOWN + 2
    assert world.who("done") == ["RD_V1_000"]


def test_asked_to_end_while_the_lane_cools_down_a_run_ends() -> None:
    """Nobody waits for a probe any more."""
    world = _refused([_Plot(fetch=10)] * 9, 0, math.inf)
    assert _winding_down(world, 100) == 100


def test_a_raw_that_cannot_be_decoded_is_fetched_anew() -> None:
    """No clip is given up for it before another raw was tried; the clips that came out are not made again."""
    unread = {1: Reason.RAW_UNREADABLE, 2: Reason.RAW_UNREADABLE}
    plots = [
        _Plot(clips=3, cut_failures=unread, at_hand=True),
        _Plot(clips=2, cut_failures={0: Reason.RAW_UNREADABLE}),
    ]
    world = _World(plots)
    world.run()
    assert sorted(world.who("done")) == ["RD_V0_000", "RD_V1_001"]
    tries = Reason.RAW_UNREADABLE.advice.tries
    assert world.who("fetch").count("RD_V0") == tries - 1
    assert world.who("fetch").count("RD_V1") == tries
    assert world.who("discard").count("RD_V0") == tries
    assert sorted(stem for stem, _ in world.recorded) == ["RD_V0_001", "RD_V0_002", "RD_V1_000"]
    assert {reason for _, reason in world.recorded} == {Reason.RAW_UNREADABLE}


def _local_troubles() -> dict[str, Callable[[Reason], _World]]:
    others = [_Plot(fetch=1000, cut=1000)] * 8

    def recording(reason: Reason) -> _World:
        world = _World([_Plot(fetch=5, fetch_failures=(Reason.PRIVATE,), clips=3), *others], cleanup=2)
        world.record_trouble = reason
        return world

    def letting_go(reason: Reason) -> _World:
        world = _World([_Plot(fetch=2, cut=3), *others], cleanup=0, keep_raw=False)
        world.let_go_trouble = reason
        return world

    def letting_go_of_one_at_hand(reason: Reason) -> _World:
        world = _World([_Plot(at_hand=True, cut=4), *others], cleanup=0, keep_raw=False)
        world.let_go_trouble = reason
        return world

    return {
        "download": lambda reason: _World([_Plot(fetch=5, fetch_failures=(reason,)), *others], cleanup=2),
        "accept": lambda reason: _World([_Plot(fetch=2, accept=3, accept_failures=(reason,)), *others]),
        "cut": lambda reason: _World([_Plot(fetch=2, cut=3, cut_failures={0: reason}), *others]),
        "record": recording,
        "let_go": letting_go,
        "let_go_at_hand": letting_go_of_one_at_hand,
    }


@pytest.mark.parametrize("reason", LOCAL)
@pytest.mark.parametrize("where", _local_troubles())
def test_local_trouble_stops_everything(where: str, reason: Reason) -> None:
    """A full disk ends the run as soon as the children have, and says why; nothing else is begun."""
    world = _local_troubles()[where](reason)
    # A child that failed by itself has ended, and then the running ones are given the time to do so.
    assert world.run() == 5 + 2 * world.cleanup
    assert world.pipeline.stopped is not None
    assert world.pipeline.stopped.reason is reason
    assert world.pipeline.closed is None
    assert len(world.who("fetch")) <= 3
    assert world.recorded == []
    assert world.of(ClipFailed) == []
    assert len(world.of(VideoFailed)) == (where == "record"), "which fails on another failure's account"


def test_a_directory_that_cannot_be_made_stops_the_run() -> None:
    """Trouble with the private directory is trouble with the disk, whatever video it was for."""
    world = _World([_Plot()] * 3)
    world.directory_trouble = Reason.DISK_FULL
    assert world.run() == 0
    assert world.pipeline.stopped is not None
    assert world.who("fetch") == []


def test_raws_at_hand_need_no_network() -> None:
    """With every network token in other hands, what is at hand is cut all the same."""
    world = _World([_Plot(at_hand=True)] * 5, downloads=1)

    async def beside() -> None:
        async with world.lanes.network:
            await world.go()

    virtual_time.run(beside)
    assert len(world.who("done")) == 5
    assert world.who("fetch") == []


def test_a_bad_raw_at_hand_is_downloaded() -> None:
    """It joins the other queue, also where nothing else is in that."""
    world = _World([_Plot(at_hand=False), _Plot(at_hand=True)])
    world.run()
    assert world.who("fetch") == ["RD_V0"]
    assert sorted(world.who("done")) == ["RD_V0_000", "RD_V1_000"]


def test_raws_that_wait_for_an_encode_keep_no_download_from_starting() -> None:
    """Downloads begin at once, though more raws are at hand than the encode lane can cut for hours."""
    world = _World([_Plot(at_hand=True, cut=3600)] * 50 + [_Plot(fetch=10)] * 6, downloads=2, encodes=2)
    world.run()
    assert world.lanes.slots == 6
    assert world.times("fetch")[:4] == [0, 0, 10, 10]


def test_tokens_of_the_host_are_its_own() -> None:
    """A host program that shares its limiters keeps the tokens it holds, and never has too few left."""
    world = _World([_Plot(fetch=10, cut=10)] * 30, downloads=3, encodes=3)

    async def beside() -> None:
        async with anyio.create_task_group() as group, world.lanes.network, world.lanes.encodes:
            group.start_soon(world.go)
            await anyio.sleep(45)
            assert (world.downloads.most, world.encodes.most) == (2, 2)
            assert world.lanes.network.borrowed_tokens == world.lanes.encodes.borrowed_tokens == 3

    virtual_time.run(beside)
    world.nothing_is_left()
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
def test_a_raw_goes_only_when_no_run_would_ask_for_it_again(failures: dict[int, Reason], goes: bool) -> None:
    """Without --keep-raw it is deleted once, after the last clip, unless a clip is still to be made of it."""
    world = _World([_Plot(clips=3, cut_failures=failures)], encodes=1, keep_raw=False)
    world.run()
    assert world.who("let_go") == ["RD_V0"] * goes
    assert not goes or world.diary[-1][1] == "let_go"


def test_a_raw_is_kept_unless_told_otherwise() -> None:
    """With --keep-raw nothing is deleted."""
    world = _World([_Plot()])
    world.run()
    assert world.who("let_go") == []


def test_nothing_to_do_ends_at_once() -> None:
    """No works, no time."""
    assert _World([]).run() == 0


@pytest.mark.parametrize("where", ["fetched", "accept", "look", "cut", "let_go"])
def test_a_fault_of_our_own_costs_one_video(where: str) -> None:
    """It is recorded with the place where it was, and the others go on."""
    plots = [_Plot(fetch=10, at_hand=True if where == "look" else None), *[_Plot(fetch=100)] * 4]
    world = _World(plots, keep_raw=False)

    def fault() -> None:
        if world.diary[-1][1] == where and world.diary[-1][2].startswith("RD_V0"):
            raise ZeroDivisionError("by nought")

    world.each_step = fault
    world.run()
    assert [event.reason for event in world.of(ClipFailed)] == [Reason.FAULT]
    assert "ZeroDivisionError: by nought (at test_pipeline.py" in world.of(ClipFailed)[0].words
    assert {f"RD_V{number}_000" for number in range(1, 5)} <= set(world.who("done"))
    assert world.pipeline.stopped is None


def _busy_world() -> _World:
    """Make a run in which all sorts of things happen, and each child takes 2 s to end."""
    plots = [
        _Plot(fetch=7, accept=2, cut=11, clips=2),
        _Plot(fetch=5, fetch_failures=(Reason.NETWORK,), cut=3),
        _Plot(fetch=13, fetch_failures=(Reason.PRIVATE,), clips=2),
        _Plot(at_hand=True, cut=17, clips=3),
        _Plot(at_hand=False, fetch=3, cut=5),
        _Plot(fetch=4, accept=1, cut=6, cut_failures={0: Reason.CLIP_WRONG}),
        _Plot(fetch=9, cut=2),
    ]
    return _World(plots, pace=4, cleanup=2, keep_raw=False, backoff=lambda _attempt: 20)


def _no_task_is_left(begun: float, world: _World) -> None:
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert anyio.current_time() - begun <= 2 * world.cleanup, "ending children is all that may take time"
    world.nothing_is_left()


def test_cancellation_at_any_time_leaves_nothing_behind() -> None:
    """Cancelled at any quarter of a second, a run ends when its children have, and all is given back."""
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


def test_cancellation_at_any_step_leaves_nothing_behind() -> None:
    """Cancelled in the very moment of any entry in the diary, where several things happen at one time."""
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
        world.nothing_is_left()
        return left > 0

    while not virtual_time.run(cut_short, steps + 1):
        steps += 1
    assert steps > 40


def test_a_task_that_is_cancelled_by_asyncio_leaves_nothing_behind() -> None:
    """A host that uses asyncio's own ``task.cancel()`` gets the same promise."""

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


def _plots() -> st.SearchStrategy[_Plot]:
    seconds = st.integers(0, 50).map(float)
    return st.builds(
        _Plot,
        fetch=seconds,
        accept=seconds,
        cut=seconds,
        clips=st.integers(1, 3),
        fetch_failures=st.lists(st.sampled_from([*PASSING, *FINAL, Reason.REFUSED]), max_size=2).map(tuple),
        accept_failures=st.lists(st.sampled_from(PASSING), max_size=2).map(tuple),
        cut_failures=st.dictionaries(st.integers(0, 2), st.sampled_from([*PASSING, *FINAL]), max_size=2),
        at_hand=st.sampled_from([None, None, True, False]),
    )


@settings(max_examples=100, deadline=None)
@given(
    plots=st.lists(_plots(), max_size=12),
    downloads=st.integers(1, 4),
    encodes=st.integers(1, 4),
    pace=st.sampled_from([0.0, 3.0, 30.0]),
    keep_raw=st.booleans(),
)
def test_whatever_happens_each_clip_has_one_end(
    plots: list[_Plot], downloads: int, encodes: int, pace: float, keep_raw: bool
) -> None:
    """A run always ends; a clip is done once or recorded once, or untried only where the lane was closed."""
    world = _World(plots, downloads=downloads, encodes=encodes, pace=pace, keep_raw=keep_raw)
    world.run()
    done, failed = world.who("done"), [stem for stem, _ in world.recorded]
    ends = done + failed
    assert len(ends) == len(set(ends))
    everything = {clip.stem for work in world.works for clip in work.clips}
    assert set(ends) <= everything
    if world.pipeline.closed is None:
        assert set(ends) == everything
    assert world.pipeline.stopped is None
    assert world.downloads.most <= downloads
    assert world.encodes.most <= encodes
    assert all(later - earlier >= pace for earlier, later in pairwise(world.times("fetch")))
    assert all(world.who("fetch").count(work.stem) <= 3 + 2 for work in world.works)
    assert [event.clip for event in world.of(ClipFailed)] == failed
