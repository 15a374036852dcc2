"""Both lanes of a run in virtual time: downloads and encodes are simulated and only take time."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import virtual_time
from anyio.lowlevel import checkpoint

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.events import Event
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Clip, Interval, Video
from hdtf_async.dataset.plan import VideoJob
from hdtf_async.lanes.downloader import Download
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.pipeline import Pipeline, PipelineParts
from hdtf_async.lanes.source_videos import SourceVideo
from hdtf_async.lanes.throttle import Pacing, Throttle
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
FACTS = MediaInfo("h264", 1280, 720, 25.0, 1500, 0.0, 60.0, 60.0)


@dataclass(frozen=True)
class Plot:
    """The scripted outcome of one video, with durations in seconds."""

    fetch: float = 60.0
    accept: float = 0.0
    cut: float = 60.0
    clips: int = 1
    fetch_failures: tuple[Reason, ...] = ()
    """One for each attempt; later attempts succeed."""
    advances: bool = False
    """Whether each failure leaves a part of the download that the next attempt continues."""
    message: str = "as in the plot"
    """The error message of each failure."""
    accept_failures: tuple[Reason, ...] = ()
    cut_failures: Mapping[int, Reason] = field(default_factory=dict)
    """By the clip's index."""
    encode_failures: tuple[Reason, ...] = ()
    """One for each attempt to encode a clip; later attempts succeed."""
    existing: bool | None = None
    """Whether the apparently existing source video is valid; None where none exists."""


class Gauge:
    """Counts the concurrent users of a resource and their maximum."""

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


class World:
    """Simulated lanes: both protocols of the pipeline, with a log of starts and ends."""

    def __init__(  # noqa: PLR0913 - what a test may want otherwise
        self,
        plots: Sequence[Plot],
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
        self.jobs = [
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
        """How often each video was extracted."""
        self.refuses_from = self.refuses_until = math.inf
        """The period in which YouTube blocks new requests, in seconds."""
        self.other_is_available = False
        """Whether YouTube still has a video that it had before."""
        self.unavailable_before: set[str] = set()
        """Videos that an earlier run found unavailable, long enough ago."""
        self.doubted: list[set[str]] = []
        """The ids that prove nothing, for each check of another video."""
        self.removal = 0.0
        """Seconds that removing a private directory takes."""
        self.diary: list[tuple[float, str, str]] = []
        self.emitted: list[Event] = []
        self.recorded: list[tuple[str, Reason]] = []
        self.downloads, self.encodes, self.directories, self.tasks = Gauge(), Gauge(), Gauge(), Gauge()
        self.record_trouble: Reason | None = None
        self.let_go_trouble: Reason | None = None
        self.directory_trouble: Reason | None = None
        self.each_step: Callable[[], None] = lambda: None
        self.lanes = Lanes(anyio.CapacityLimiter(downloads), anyio.CapacityLimiter(encodes))
        pacing = Pacing(pace=pace, cool_down=cool_down)
        self._throttle = partial(Throttle, self.lanes.network, self.lanes.encodes, pacing)
        self._parts = partial(
            PipelineParts,
            lanes=self.lanes,
            keep_raw=keep_raw,
            downloader=self,
            encoder=self,
            private_directory=self.private_directory,
            record_failure=self.record_failure,
            backoff=backoff,
        )
        self.pipeline: Pipeline[Download, SourceVideo]

    async def go(self, finish: anyio.Event | None = None) -> float:
        """Run the pipeline and return how long it took."""
        begun = anyio.current_time()
        events = EventBus()
        events.subscribe(self.emitted.append)
        self.pipeline = Pipeline(self._parts(throttle=self._throttle(events), events=events))
        await self.pipeline.run(self.jobs, finish)
        return anyio.current_time() - begun

    def run(self) -> float:
        """Run the pipeline in virtual time, return its duration, and check that no task is left."""

        async def alone() -> float:
            seconds = await self.go()
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return seconds

        seconds = virtual_time.run(alone)
        self.check_released()
        return seconds

    def check_released(self) -> None:
        """Check that every token, child and directory is released."""
        assert self.lanes.network.borrowed_tokens == 0
        assert self.lanes.encodes.borrowed_tokens == 0
        assert self.downloads.now == self.encodes.now == self.directories.now == 0

    def times(self, what: str, who: str | None = None) -> list[float]:
        """Return the times of an action, of all videos and clips or of one."""
        return [at for at, whats, whos in self.diary if whats == what and who in {None, whos}]

    def who(self, what: str) -> list[str]:
        """Return the videos or clips of an action, in order."""
        return [whos for _, whats, whos in self.diary if whats == what]

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind."""
        return [event for event in self.emitted if isinstance(event, kind)]

    def note(self, what: str, who: str) -> None:
        """Append to the log."""
        self.diary.append((anyio.current_time(), what, who))
        self.each_step()

    async def child(self, seconds: float, gauge: Gauge) -> None:
        """Simulate a child process: take time, and some more to end when cancelled."""
        with gauge:
            try:
                await anyio.sleep(seconds)
            finally:
                if self.cleanup:
                    with anyio.CancelScope(shield=True):
                        await anyio.sleep(self.cleanup)

    # The network lane.

    def expects_existing(self, job: VideoJob) -> bool:
        """Return whether the plot has a source video from an earlier run."""
        return self.plots[job.stem].existing is not None

    async def existing(self, job: VideoJob) -> SourceVideo | None:
        """Return that source video if it is valid; the check takes a second."""
        self.note("look", job.stem)
        await anyio.sleep(1)
        return self.raw(job) if self.plots[job.stem].existing else None

    async def download(self, job: VideoJob, directory: Path, permit: Permit) -> Download:
        """Take the time of the plot, and fail as in the plot."""
        assert directory.name == job.stem
        self.note("fetch", job.stem)
        plot = self.plots[job.stem]
        begun = anyio.current_time()
        self.asked[job.stem] = asked = self.asked.get(job.stem, 0) + 1
        fails = asked <= len(plot.fetch_failures)
        if not fails and self.refuses_from <= begun < self.refuses_until:
            await self.child(plot.fetch / 10, self.downloads)
            raise Failure(Reason.REFUSED, "as YouTube does now")
        if not fails:
            await self.child(plot.fetch / 10, self.downloads)
            permit.available()
            permit.succeeded()
            await self.child(plot.fetch - plot.fetch / 10, self.downloads)
        else:
            await self.child(plot.fetch, self.downloads)
        self.note("fetched", job.stem)
        if fails:
            failure = Failure(plot.fetch_failures[asked - 1], plot.message)
            failure.advanced = plot.advances
            raise failure
        return Download(directory, None, CHOICE, None, None, 0.0)

    async def another_is_available(self, directory: Path, excluding: Collection[str]) -> bool:
        """Return whether YouTube still has a video that it had before."""
        assert self.directories.now, "the private directory is still needed"
        self.doubted.append(set(excluding))
        self.note("ask", directory.name)
        await anyio.sleep(1)
        return self.other_is_available

    def was_unavailable(self, job: VideoJob) -> bool:
        """Return whether an earlier run found the video unavailable."""
        return job.stem in self.unavailable_before

    async def accept(self, job: VideoJob, arrived: Download) -> SourceVideo:
        """Check the download: take the time of the plot, and fail as in the plot."""
        assert self.directories.now, "the private directory is still needed"
        self.note("accept", job.stem)
        plot = self.plots[job.stem]
        await anyio.sleep(plot.accept)
        if job.attempt <= len(plot.accept_failures):
            raise Failure(plot.accept_failures[job.attempt - 1], str(arrived.path))
        return self.raw(job)

    async def discard(self, job: VideoJob, raw: SourceVideo) -> None:
        """Log that the source video is discarded."""
        assert raw.path.name == job.stem
        self.note("discard", job.stem)

    async def release(self, job: VideoJob, *, keep: bool) -> None:
        """Log that the source video is deleted, unless it is kept."""
        if keep:
            return
        self.note("let_go", job.stem)
        if self.let_go_trouble is not None:
            raise Failure(self.let_go_trouble)

    def raw(self, job: VideoJob) -> SourceVideo:
        """Return the source video of a video."""
        return SourceVideo(Path(job.stem), "mp4", FACTS, {}, None, None)

    # The encode lane.

    def estimate(self, clip: Clip, raw: SourceVideo) -> Callable[[], float]:
        """Return the seconds of the plot."""
        assert raw.path.name == clip.video.stem
        return lambda: self.plots[clip.video.stem].cut

    async def cut(self, clip: Clip, raw: SourceVideo) -> None:
        """Encode a clip: take the time of the plot, and fail as in the plot."""
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

    # The output directory.

    @asynccontextmanager
    async def private_directory(self, video: Video) -> AsyncIterator[Path]:
        """Count the private directories in use."""
        if self.directory_trouble is not None:
            raise Failure(self.directory_trouble)
        with self.directories:
            try:
                yield Path(video.stem)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(self.removal)

    async def record_failure(self, job: VideoJob, failure: Failure) -> None:
        """Log the reason for each clip."""
        if self.record_trouble is not None:
            raise Failure(self.record_trouble)
        await checkpoint()
        for clip in job.clips:
            self.recorded.append((clip.stem, failure.reason))
            self.note("record", clip.stem)
