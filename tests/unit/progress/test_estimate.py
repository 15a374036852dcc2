"""Progress and ETA, computed from events alone, so tested without a run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
import readme
import virtual_time

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.events import (
    ClipDone,
    ClipFailed,
    ClipRetrying,
    DownloadProgress,
    DownloadStarted,
    EncodeProgress,
    EncodeStarted,
    Event,
    LaneClosed,
    LaneOpened,
    RawReady,
    Retrying,
    RunStarted,
    VideoFailed,
    WindingDown,
    WorkersChanged,
)
from hdtf_async.core.failures import Reason
from hdtf_async.core.text import format_bytes, format_duration
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
    """Return the progress after these events, emitted at equal intervals."""
    progress = RunProgress()
    for number, event in enumerate(events):
        progress.add(event, number * every)
    return progress


def test_a_video_that_was_ready_twice_does_not_exceed_the_total() -> None:
    """As if its worker was lost: the bar could not display it."""
    progress = RunProgress()
    for event in (replace(STARTED, videos=1), *[RawReady("RD_A", "youtube", 1000, 2.0)] * 2):
        progress.add(event, 1.0)
    assert (progress.tally.videos_over, progress.tally.plan.videos) == (1, 1)


def test_progress_counts_finished_and_running_work() -> None:
    """Bytes and seconds of running work count as far as they have come; the most important comes first."""
    assert told(STORY[:4]).lanes(0)[0].state == ["400 B", "200 B/s", "1 running"]
    videos, clips = told(STORY).lanes(10.0)
    assert (videos.done, videos.failed, videos.total) == (1, 0, 3)
    assert (clips.done, clips.failed, clips.total) == (0, 1, 4)
    assert (videos.failures, clips.failures) == ([], ["1 failed"])
    assert clips.state == ["5.0 s of 1.0 min", "0.5x real time", "1 running"]
    end = [
        ClipDone("RD_A_000", "RD_A_000.mp4", 20.0, 99, 1.0, 0.0),
        VideoFailed("RD_B", "b", Reason.PRIVATE, "", 1),
        ClipFailed("RD_B_000", Reason.PRIVATE, "", with_video=True), RawReady("RD_C", "kept", 5, 0.1),
        EncodeStarted("RD_C_000", 40.0), ClipFailed("RD_C_000", Reason.CLIP_WRONG, "x", with_video=False),
    ]  # fmt: skip
    progress = told([*STORY, *end])
    assert (progress.tally.videos_over, progress.tally.clips_over, progress.failed) == (3, 4, 3)
    assert (progress.tally.downloads.running, progress.tally.encodes.running) == ({}, {})
    videos, clips = progress.lanes(0)
    assert videos.state == ["1.0 kB"]
    assert (videos.done, videos.failed, clips.done, clips.failed) == (2, 1, 1, 3)


def test_a_lane_without_work_is_not_shown() -> None:
    """A census has no clips, and a check has no videos."""
    assert [lane.name for lane in told([replace(STARTED, clips=0)]).lanes(0)] == ["videos"]
    assert [lane.name for lane in told([replace(STARTED, videos=0)]).lanes(0)] == ["clips"]
    assert told([]).lanes(0) == []


def test_late_progress_of_finished_work_is_ignored() -> None:
    """Slow readers may get it."""
    progress = told(
        [
            *STORY,
            ClipFailed("RD_A_000", Reason.STALLED, "", with_video=False),
            EncodeProgress("RD_A_000", 6.0),
        ]
    )
    assert progress.tally.encodes.running == {}


def test_a_closed_lane_shows_a_countdown_until_it_opens() -> None:
    """In minutes and seconds."""
    progress = told([*STORY, LaneClosed(Reason.REFUSED, "", 600.0, 0)])
    assert progress.lanes(2.0)[0].paused == ["refused: retry in 9:58"]
    assert progress.lanes(601.0)[0].paused == ["refused: test download"]
    progress.add(LaneOpened(600.0), 600.0)
    assert progress.lanes(601.0)[0].paused == []


def test_a_cluster_shows_its_workers_and_the_eta_from_all_of_them() -> None:
    """And that the run waits for workers, while there is no ETA."""
    progress = course()
    alone = progress.left(100.0)
    assert alone is not None
    wide = (progress.tally.plan.downloads, progress.tally.plan.encodes)
    for workers, words in ((1, "1 worker"), (2, "2 workers"), (4, "4 workers")):
        progress.add(WorkersChanged(workers, wide[0] * workers, wide[1] * workers, 0.0), 100.0)
        assert words in progress.lanes(100.0)[0].state
        assert progress.lanes(100.0)[0].paused == []
        assert progress.left(100.0) == pytest.approx(alone / workers)
    progress.add(WorkersChanged(0, 0, 0, 0.0), 100.0)
    assert progress.lanes(100.0)[0].paused == ["waiting for workers"]
    assert progress.left(100.0) is None


def test_a_current_problem_is_shown_until_it_is_over() -> None:
    """With the text of the table of reasons, which contains no file and no URL."""
    progress = told(STORY, every=1.0)
    assert progress.end_words(65.0) == f"for 1.0 min: RD_B: {Reason.NETWORK.advice.meaning}"
    progress.add(DownloadStarted("RD_B", "bbbbbbbbbbb", 2, 300), 66.0)
    failed = f"last failure 1.1 min ago: RD_D_000: {Reason.BOX_DOES_NOT_FIT.advice.meaning}"
    assert progress.end_words(67.0) == failed, "a failure is named as one, with its age"
    progress.add(ClipRetrying("RD_A_000", Reason.ENCODE_STALLED, "", 10.0, 1), 70.0)
    assert progress.end_words(75.0) == f"for 5.0 s: RD_A_000: {Reason.ENCODE_STALLED.advice.meaning}"
    progress.add(ClipFailed("RD_A_000", Reason.ENCODE_STALLED, "", with_video=False), 80.0)
    assert progress.end_words(85.0).startswith("last failure 5.0 s ago: RD_A_000: ")


def test_a_block_that_is_over_is_no_current_problem() -> None:
    """Nor for the videos that met it and wait for their next attempt; other problems remain."""
    blocked = [Retrying(each, Reason.REFUSED, "", 600.0, 1) for each in ("RD_B", "RD_C")]
    progress = told([*STORY[:5], LaneClosed(Reason.REFUSED, "", 600.0, 0), *blocked])
    assert Reason.REFUSED.advice.meaning in progress.end_words(100.0)
    progress.add(Retrying("RD_A", Reason.NETWORK, "", 10.0, 1), 100.0)
    progress.add(LaneOpened(600.0), 600.0)
    assert progress.end_words(601.0) == f"for 8.3 min: RD_A: {Reason.NETWORK.advice.meaning}"
    progress.add(RawReady("RD_A", "youtube", 1000, 2.0), 602.0)
    assert progress.end_words(603.0).startswith("last failure")


def test_after_ctrl_c_the_eta_is_that_of_the_running_encodes() -> None:
    """Downloads do not count, and no encode has more time than until it is terminated."""
    progress = course()
    progress.add(DownloadStarted("E", "E", 1, 100), 160.0)
    progress.add(Retrying("F", Reason.NETWORK, "", 10.0, 1), 160.0)
    progress.add(EncodeStarted("X0", 10.0), 160.0)
    assert progress.left(164.0) == 246.0, "that of the downloads"
    progress.add(WindingDown(1, 60.0), 164.0)
    assert progress.left(164.0) == 1.0, "half a second per second, as the four clips before"
    progress.add(EncodeProgress("X0", 2.0), 164.0)
    assert progress.left(164.0) == 16.0, "it is slower than those"
    progress.add(EncodeStarted("Y0", 1000.0), 164.0)
    assert (progress.left(165.0), progress.left(223.0), progress.left(230.0)) == (59.0, 1.0, 0.0)
    videos, clips = progress.lanes(165.0)
    assert (videos.left, videos.paused, videos.state) == (0.0, ["stopped"], ["2.0 kB"])
    assert (clips.left, clips.paused) == (59.0, ["stopping, 2 running"])
    assert "running" not in clips.state[-1]
    assert progress.end_words(165.0) == "about 59.0 s left"
    for clip in ("X0", "Y0"):
        progress.add(ClipDone(clip, f"{clip}.mp4", 10.0, 9, 5.0, 0.0), 170.0)
    assert progress.left(170.0) == 0.0


def test_after_ctrl_c_without_any_experience_the_eta_is_the_grace_period() -> None:
    """No clip is finished, and the running encode has not reported anything."""
    progress = told([STARTED, EncodeStarted("RD_A_000", 20.0), WindingDown(1, 60.0)])
    assert progress.left(10.0) == 50.0


def course(*, wide: bool = False, pace: float = 0.0, seconds: float = 40.0, upto: int = 99) -> RunProgress:
    """Return the progress of ten videos, four of them finished, each with a clip of ten seconds."""
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
    progress = RunProgress()
    for now, event in events[:upto]:
        progress.add(event, now)
    return progress


def test_the_slower_lane_determines_the_eta() -> None:
    """Six videos at forty seconds each, or at one, and sixty seconds of clips at twice real time."""
    slow, fast = course(), course(seconds=1.0)
    assert (slow.network_left(160.0), slow.encodes_left(), slow.left(160.0)) == (240.0, 30.0, 240.0)
    assert (fast.network_left(4.0), fast.encodes_left(), fast.left(4.0)) == (6.0, 30.0, 30.0)
    assert course(wide=True).encodes_left() == 15.0
    assert slow.end_words(160.0) == "about 4.0 min left"


def test_half_a_download_counts_as_half() -> None:
    """Its bytes and its seconds: the estimate changes continuously between two videos."""
    progress = course()
    progress.add(DownloadStarted("E", "E", 1, 100), 160.0)
    progress.add(DownloadProgress("E", 250, 500, None), 180.0)
    assert progress.network_left(180.0) == 220.0


def test_the_eta_includes_the_pace_and_a_cool_down() -> None:
    """Downloads do not start faster than the pace, and none starts while the lane is closed."""
    assert course(seconds=1.0, pace=12.0).network_left(4.0) == 6 * 12.0
    progress = course()
    progress.add(LaneClosed(Reason.REFUSED, "", 600.0, 0), 160.0)
    assert progress.network_left(260.0) == 500.0 + 240.0
    progress.add(LaneOpened(700.0), 860.0)
    assert progress.network_left(860.0) == 240.0


def test_there_is_no_eta_at_the_start() -> None:
    """Neither initially, nor after two videos and two clips."""
    assert RunProgress().left(0.0) is None
    for upto in range(12):
        assert course(upto=upto).left(100.0) is None
    assert course(upto=9).end_words(100.0) == ""


def test_a_run_with_only_encodes_left_needs_no_download_rate() -> None:
    """And one with nothing left is finished."""
    progress = course()
    for name in "EFGHIJ":
        progress.add(RawReady(name, "kept", 1, 0.0), 160.0)
    assert progress.left(160.0) == 30.0
    for name in "EFGHIJ":
        progress.add(ClipFailed(f"{name}0", Reason.CLIP_WRONG, "", with_video=False), 160.0)
    assert progress.left(160.0) == 0.0
    assert "left" not in progress.end_words(160.0)


class Telling(scale.Fake):
    """The fake lanes of the benchmark, which emit the events of the real ones."""

    def __init__(self, world: scale.World, regime: scale.Regime, events: EventBus) -> None:
        super().__init__(world, regime)
        self._events = events

    async def download(self, job: VideoJob, directory: Path, permit: Permit) -> bool:
        """Wait as the benchmark's lane does."""
        self._events.emit(DownloadStarted(job.stem, job.youtube_id, 1, job.least_bytes))
        await super().download(job, directory, permit)
        self._events.emit(RawReady(job.stem, "youtube", 1, 1.0))
        return True

    async def cut(self, clip: Clip, raw: None) -> None:
        """Use a CPU as the benchmark's lane does."""
        begun = anyio.current_time()
        self._events.emit(EncodeStarted(clip.stem, clip.interval.seconds))
        await super().cut(clip, raw)
        took = anyio.current_time() - begun
        self._events.emit(ClipDone(clip.stem, "", clip.interval.seconds, 1, took, 0.0))


@pytest.mark.parametrize("pace", [0.0, 12.0])
@pytest.mark.parametrize("regime", [scale.REGIMES[0], scale.REGIMES[4]], ids=lambda regime: str(regime.name))
def test_the_eta_is_accurate_for_the_whole_dataset(regime: scale.Regime, pace: float) -> None:
    """After a tenth of the videos it is within a third, whichever lane is slower, in virtual time."""
    jobs = scale.whole_dataset()
    world = scale.World(jobs, 1)
    progress = RunProgress()
    said: list[tuple[float, int, float | None]] = []

    async def go() -> None:
        events = EventBus()
        events.subscribe(lambda event: progress.add(event, anyio.current_time()))
        lanes = Lanes(anyio.CapacityLimiter(regime.downloads), anyio.CapacityLimiter(regime.cpus))
        clips = [clip for job in jobs for clip in job.clips]
        events.emit(
            RunStarted(
                len(jobs), len(clips), sum(clip.interval.seconds for clip in clips), 0,
                regime.downloads, regime.cpus, sum(job.least_bytes for job in jobs), pace,
            )
        )  # fmt: skip
        fake = Telling(world, regime, events)
        pacing = Pacing(pace=pace, cool_down=600)
        parts: PipelineParts[bool, None] = PipelineParts(
            lanes=lanes, throttle=Throttle(lanes.network, lanes.encodes, pacing, events),
            keep_raw=True, downloader=fake, encoder=fake,
            private_directory=scale._nowhere, record_failure=scale._recorded, events=events, backoff=float,
        )  # fmt: skip
        pipeline = Pipeline(parts)

        async def watch() -> None:
            while True:
                await anyio.sleep(30)
                now = anyio.current_time()
                said.append((now, progress.tally.videos_over, progress.left(now)))

        async with anyio.create_task_group() as beside:
            beside.start_soon(watch)
            await pipeline.run(plan.in_order(jobs))
            beside.cancel_scope.cancel()
        said.append((anyio.current_time(), progress.tally.videos_over, progress.left(anyio.current_time())))

    virtual_time.run(go)
    end, over, left = said[-1]
    assert (over, left) == (len(jobs), 0.0)
    ratios = [
        (now + left) / end
        for now, over, left in said
        if left is not None and over >= len(jobs) / 10 and now < end
    ]
    assert len(ratios) >= 10
    assert min(ratios) > 2 / 3, ratios
    assert max(ratios) < 4 / 3, ratios


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_499, "999 kB"), (999_600, "1.0 MB"),
     (4.12e10, "41.2 GB"), (2e15, "2000 TB")],
)  # fmt: skip
def test_bytes_as_text(number: float, words: str) -> None:
    """Three digits and a unit."""
    assert format_bytes(number) == words


@pytest.mark.parametrize(("seconds", "words"), [(0, "0.0 s"), (90, "1.5 min"), (3600, "1.00 h")])
def test_durations_as_text(seconds: float, words: str) -> None:
    """With a suitable unit."""
    assert format_duration(seconds) == words


def test_clips_without_a_duration_say_nothing_about_the_others() -> None:
    """No rate can be computed from them; one with a duration is enough."""
    progress = told([STARTED, *[ClipDone(f"a{n}", f"a{n}.mp4", 0.0, 1, 1.0, 0.0) for n in range(3)]])
    assert progress.encodes_left() is None
    progress.add(ClipDone("a3", "a3.mp4", 1.0, 1, 1.0, 0.0), 1.0)
    assert progress.encodes_left() == 0.0, "all four are done"
    five = told([replace(STARTED, clips=5), *[ClipDone(f"a{n}", "", 10.0, 1, 5.0, 0.0) for n in range(3)]])
    assert five.encodes_left() == 15.0


def test_a_video_of_unknown_size_weighs_as_much_as_any() -> None:
    """A census downloads nothing: the rate is that of its videos."""
    progress = told([replace(STARTED, videos=9, clips=0, least_bytes=0, downloads=1)])
    for number in range(3):
        progress.add(DownloadStarted(f"{number}", "id", 1, 0), 10.0 * number)
        progress.add(RawReady(f"{number}", "youtube", 0, 1.0), 10.0 * (number + 1))
    assert progress.network_left(30.0) == 60.0
    assert progress.encodes_left() == 0.0
    assert progress.left(30.0) == 60.0


def test_without_any_worker_nothing_is_known() -> None:
    """Nor before the run has started."""
    progress = course()
    assert progress.left(160.0) == 240.0
    progress.add(WorkersChanged(0, 0, 0, 12.0), 160.0)
    assert progress.left(160.0) is None
    assert "waiting for workers" in progress.lanes(160.0)[0].paused
    assert RunProgress().left(0.0) is None
    assert RunProgress().wait(5.0) == 0.0


def test_the_newest_problem_is_shown_last() -> None:
    """A failure is only shown if there is no current problem."""
    progress = course()
    progress.add(VideoFailed("X", "x", Reason.PRIVATE, "", 1), 165.0)
    assert progress.end_words(170.0).endswith(f"last failure 5.0 s ago: X: {Reason.PRIVATE.advice.meaning}")
    progress.add(Retrying("F", Reason.NETWORK, "", 10.0, 1), 166.0)
    progress.add(ClipRetrying("G", Reason.ENCODE_STALLED, "", 10.0, 1), 168.0)
    assert progress.end_words(170.0).endswith(f"for 2.0 s: G: {Reason.ENCODE_STALLED.advice.meaning}")
    progress.add(Retrying("F", Reason.NETWORK, "", 10.0, 2), 169.0)
    assert progress.end_words(170.0).endswith(f"for 1.0 s: F: {Reason.NETWORK.advice.meaning}")
    progress.add(EncodeStarted("G", 10.0), 169.0)
    assert list(progress.problems) == ["F"]


@pytest.mark.parametrize(
    ("after", "shown"), [(0.4, "test download"), (0.6, "retry in 0:01"), (61, "retry in 1:01")]
)
def test_a_countdown_is_in_whole_seconds(after: float, shown: str) -> None:
    """Rounded."""
    progress = told([*STORY, LaneClosed(Reason.REFUSED, "", after, 0)])
    assert progress.lanes(0.0)[0].paused == [f"refused: {shown}"]


@pytest.mark.parametrize(("seconds", "shown"), [(0.9, False), (1.0, True)])
def test_a_speed_is_shown_from_a_second_on(seconds: float, *, shown: bool) -> None:
    """After the first encode began."""
    progress = told([STARTED, EncodeStarted("RD_A_000", 20.0), EncodeProgress("RD_A_000", 5.0)])
    assert any("real time" in text for text in progress.lanes(seconds)[1].state) is shown
