"""Where a run stands and when it will end: counted from events alone, so it is tried without a run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
import readme
import virtual_time

from hdtf_async.core.events import (
    ClipDone,
    ClipFailed,
    DownloadProgress,
    DownloadStarted,
    EncodeProgress,
    EncodeStarted,
    Event,
    EventBus,
    LaneClosed,
    LaneOpened,
    RawReady,
    Retrying,
    RunStarted,
    VideoFailed,
)
from hdtf_async.core.failures import Reason
from hdtf_async.core.text import in_bytes, in_hours
from hdtf_async.dataset import plan
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.pipeline import Pipeline, PipelineParts
from hdtf_async.lanes.throttle import Pacing, Throttle
from hdtf_async.progress.estimate import RunProgress

sys.path.insert(0, str(readme.README.parent))

from benchmarks import scale

if TYPE_CHECKING:
    from hdtf_async.core.model import Clip
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.throttle import Permit

STARTED = RunStarted(
    videos=3, clips=4, clip_seconds=60.0, there=0, downloads=2, encodes=1, least_bytes=900, pace=0.0
)
STORY: list[Event] = [
    STARTED,
    ClipFailed("RD_D_000", Reason.BOX_DOES_NOT_FIT, "rows 0 to 776 of a frame of 720", with_video=False),
    DownloadStarted("RD_A", "aaaaaaaaaaa", 1, 300),
    DownloadProgress("RD_A", 400, 1000, 200.0),
    DownloadStarted("RD_B", "bbbbbbbbbbb", 1, 300),
    Retrying("RD_B", Reason.NETWORK, "timed out", 10.0, 1),
    RawReady("RD_A", "youtube", 1000, 2.0),
    EncodeStarted("RD_A_000", 20.0),
    EncodeProgress("RD_A_000", 5.0),
]


def told(events: list[Event], every: float = 0.0) -> RunProgress:
    """Return the picture after these events, told at times so far apart."""
    picture = RunProgress()
    for number, event in enumerate(events):
        picture.take(event, number * every)
    return picture


def test_a_video_that_came_twice_is_no_more_than_all_of_them() -> None:
    """As where the worker was lost that had it: the bar would not know of how many it tells."""
    picture = RunProgress()
    for event in (replace(STARTED, videos=1), *[RawReady("RD_A", "youtube", 1000, 2.0)] * 2):
        picture.take(event, 1.0)
    assert (picture.videos_over, picture.videos) == (1, 1)


def test_the_picture_counts_what_is_done_and_what_runs() -> None:
    """Bytes and seconds of what runs count as far as they have come; what matters most comes first."""
    assert told(STORY[:4]).videos_words(0) == "400 B, 200 B/s, 1 running"
    picture = told(STORY)
    assert (picture.videos_over, picture.videos, picture.clips_over, picture.clips) == (1, 3, 1, 4)
    assert picture.clips_words(10.0) == "1 failed, 5.0 s of 1.0 min, 0.5x real time, 1 running"
    end = [
        ClipDone("RD_A_000", "RD_A_000.mp4", 20.0, 99, 1.0, 0.0),
        VideoFailed("RD_B", "b", Reason.PRIVATE, "", 1),
        ClipFailed("RD_B_000", Reason.PRIVATE, "", with_video=True), RawReady("RD_C", "kept", 5, 0.1),
        EncodeStarted("RD_C_000", 40.0), ClipFailed("RD_C_000", Reason.CLIP_WRONG, "x", with_video=False),
    ]  # fmt: skip
    picture = told([*STORY, *end])
    assert (picture.videos_over, picture.clips_over, picture.failed) == (3, 4, 3)
    assert (picture.downloading, picture.encoding) == ({}, {})
    assert picture.videos_words(0) == "1.0 kB"


def test_late_progress_of_what_is_over_is_passed_over() -> None:
    """Readers may get it: it must not bring a finished clip back to life."""
    picture = told(
        [
            *STORY,
            ClipFailed("RD_A_000", Reason.STALLED, "", with_video=False),
            EncodeProgress("RD_A_000", 6.0),
        ]
    )
    assert picture.encoding == {}


def test_a_closed_lane_counts_down_and_opens_again() -> None:
    """In minutes and seconds, before everything else."""
    picture = told([*STORY, LaneClosed(Reason.REFUSED, "", 600.0, 0)])
    assert picture.videos_words(2.0).startswith("refused: retry in 9:58, 1.0 kB")
    assert picture.videos_words(601.0).startswith("refused: test download")
    picture.take(LaneOpened(600.0), 600.0)
    assert picture.videos_words(601.0) == "1.0 kB"


def test_the_last_problem_is_told_with_its_age() -> None:
    """In the words of the table of reasons, which name no file and no address."""
    assert told(STORY, every=1.0).end_words(65.0) == f"1.0 min ago: RD_B: {Reason.NETWORK.advice.meaning}"


def course(*, wide: bool = False, pace: float = 0.0, seconds: float = 40.0, upto: int = 99) -> RunProgress:
    """Return the picture of ten videos, four of them over, one by one, each with a clip of ten seconds."""
    events: list[tuple[float, Event]] = []
    began = replace(STARTED, videos=10, clips=10, clip_seconds=100.0, least_bytes=1000, downloads=1)
    events.append((0.0, replace(began, encodes=1 + wide, pace=pace)))
    for number, name in enumerate("ABCD"):
        begin, end = number * seconds, (number + 1) * seconds
        events += [
            (begin, DownloadStarted(name, name, 1, 100)), (end, RawReady(name, "youtube", 500, 1.0)),
            (end, EncodeStarted(f"{name}0", 10.0)),
            (end, ClipDone(f"{name}0", f"{name}0.mp4", 10.0, 9, 5.0, 0.0)),
        ]  # fmt: skip
    picture = RunProgress()
    for now, event in events[:upto]:
        picture.take(event, now)
    return picture


def test_the_slower_lane_decides_when_the_run_ends() -> None:
    """Six videos at forty seconds a video, or at one, against sixty seconds of clips at twice real time."""
    slow, fast = course(), course(seconds=1.0)
    assert (slow.network_left(160.0), slow.encodes_left(), slow.left(160.0)) == (240.0, 30.0, 240.0)
    assert (fast.network_left(4.0), fast.encodes_left(), fast.left(4.0)) == (6.0, 30.0, 30.0)
    assert course(wide=True).encodes_left() == 15.0
    assert slow.end_words(160.0) == "about 4.0 min left"


def test_half_a_download_counts_by_half() -> None:
    """Its bytes and its seconds: the estimate goes on between two videos."""
    picture = course()
    picture.take(DownloadStarted("E", "E", 1, 100), 160.0)
    picture.take(DownloadProgress("E", 250, 500, None), 180.0)
    assert picture.network_left(180.0) == 220.0


def test_the_pace_and_a_cool_down_are_part_of_the_estimate() -> None:
    """Downloads do not start faster than the pace, and none does while the lane is closed."""
    assert course(seconds=1.0, pace=12.0).network_left(4.0) == 6 * 12.0
    picture = course()
    picture.take(LaneClosed(Reason.REFUSED, "", 600.0, 0), 160.0)
    assert picture.network_left(260.0) == 500.0 + 240.0
    picture.take(LaneOpened(700.0), 860.0)
    assert picture.network_left(860.0) == 240.0


def test_nothing_is_said_of_the_end_before_it_can_be() -> None:
    """Neither at the start, nor after two videos and two clips."""
    assert RunProgress().left(0.0) is None
    for upto in range(12):
        assert course(upto=upto).left(100.0) is None
    assert course(upto=9).end_words(100.0) == ""


def test_a_run_that_lacks_only_encodes_needs_no_rate_of_the_network() -> None:
    """And one that lacks nothing is over."""
    picture = course()
    for name in "EFGHIJ":
        picture.take(RawReady(name, "kept", 1, 0.0), 160.0)
    assert picture.left(160.0) == 30.0
    for name in "EFGHIJ":
        picture.take(ClipFailed(f"{name}0", Reason.CLIP_WRONG, "", with_video=False), 160.0)
    assert picture.left(160.0) == 0.0
    assert "left" not in picture.end_words(160.0)


class Telling(scale.Fake):
    """The fake lanes of the benchmark, which tell what the real ones tell."""

    def __init__(self, world: scale.World, regime: scale.Regime, events: EventBus) -> None:
        super().__init__(world, regime)
        self._events = events

    async def download(self, work: VideoJob, directory: Path, turn: Permit) -> bool:
        """Wait as the other one does."""
        self._events.emit(DownloadStarted(work.stem, work.youtube_id, 1, work.least_bytes))
        await super().download(work, directory, turn)
        self._events.emit(RawReady(work.stem, "youtube", 1, 1.0))
        return True

    async def cut(self, clip: Clip, raw: None) -> None:
        """Use a CPU as the other one does."""
        begun = anyio.current_time()
        self._events.emit(EncodeStarted(clip.stem, clip.interval.seconds))
        await super().cut(clip, raw)
        took = anyio.current_time() - begun
        self._events.emit(ClipDone(clip.stem, "", clip.interval.seconds, 1, took, 0.0))


@pytest.mark.parametrize("pace", [0.0, 12.0])
@pytest.mark.parametrize("regime", [scale.REGIMES[0], scale.REGIMES[4]], ids=lambda regime: str(regime.name))
def test_the_estimate_comes_near_the_truth_for_the_whole_dataset(regime: scale.Regime, pace: float) -> None:
    """Once a tenth of the videos are there it is within a third, whichever lane decides, in virtual time."""
    works = scale.whole_dataset()
    world = scale.World(works, 1)
    picture = RunProgress()
    said: list[tuple[float, int, float | None]] = []

    async def go() -> None:
        events = EventBus()
        events.subscribe(lambda event: picture.take(event, anyio.current_time()))
        lanes = Lanes(anyio.CapacityLimiter(regime.downloads), anyio.CapacityLimiter(regime.cpus))
        clips = [clip for work in works for clip in work.clips]
        events.emit(
            RunStarted(
                len(works), len(clips), sum(clip.interval.seconds for clip in clips), 0,
                regime.downloads, regime.cpus, sum(work.least_bytes for work in works), pace,
            )
        )  # fmt: skip
        fake = Telling(world, regime, events)
        pacing = Pacing(pace=pace, cool_down=600)
        parts: PipelineParts[bool, None] = PipelineParts(
            lanes=lanes, entrance=Throttle(lanes.network, lanes.encodes, pacing, events),
            keep_raw=True, fetching=fake, cutting=fake,
            private_directory=scale._nowhere, record_failure=scale._recorded, events=events, backoff=float,
        )  # fmt: skip
        pipeline = Pipeline(parts)

        async def watch() -> None:
            while True:
                await anyio.sleep(30)
                now = anyio.current_time()
                said.append((now, picture.videos_over, picture.left(now)))

        async with anyio.create_task_group() as beside:
            beside.start_soon(watch)
            await pipeline.run(plan.in_order(works))
            beside.cancel_scope.cancel()
        said.append((anyio.current_time(), picture.videos_over, picture.left(anyio.current_time())))

    virtual_time.run(go)
    end, over, left = said[-1]
    assert (over, left) == (len(works), 0.0)
    ratios = [
        (now + left) / end
        for now, over, left in said
        if left is not None and over >= len(works) / 10 and now < end
    ]
    assert len(ratios) >= 10
    assert min(ratios) > 2 / 3, ratios
    assert max(ratios) < 4 / 3, ratios


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_499, "999 kB"), (999_600, "1.0 MB"),
     (4.12e10, "41.2 GB"), (2e15, "2000 TB")],
)  # fmt: skip
def test_bytes_in_words(number: float, words: str) -> None:
    """Three digits and a unit."""
    assert in_bytes(number) == words


@pytest.mark.parametrize(("seconds", "words"), [(0, "0.0 s"), (90, "1.5 min"), (3600, "1.00 h")])
def test_hours_in_words(seconds: float, words: str) -> None:
    """The unit that suits."""
    assert in_hours(seconds) == words
