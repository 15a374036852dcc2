"""The two lanes: the order of all steps for one video and one clip.

    tables -> plan -> network lane (yt-dlp) -> source video -> encode lane (ffmpeg) -> clip -> journal

`Pipeline._one_video` processes one video, `Pipeline._one_clip` one clip. The work of the network lane is in
`downloader`, that of the encode lane in `encoder`; `throttle` decides when a download may start; the end of
`Pipeline` decides the consequences of a failure, from the table in `failures`. `hdtf_async/run.py` opens
the directory and assembles a run.
"""

from __future__ import annotations

import traceback
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from hdtf_async.core import os_errors
from hdtf_async.core.events import (
    ClipFailed,
    ClipRetrying,
    Retrying,
    VideoFailed,
    VideoUnconfirmed,
    WindingDown,
)
from hdtf_async.core.failures import Action, Failure, Reason
from hdtf_async.dataset.plan import VideoJob
from hdtf_async.lanes.limits import VideoQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
    from contextlib import AbstractAsyncContextManager

    from hdtf_async.core.event_bus import EventBus
    from hdtf_async.core.model import Clip, Video
    from hdtf_async.lanes.limits import Lanes
    from hdtf_async.lanes.throttle import Permit, Throttle

WIND_DOWN = 60.0
"""Seconds for running encodes to finish when the run was asked to stop."""

A = TypeVar("A")
"""A finished download."""
R = TypeVar("R")
"""A source video, from which clips are cut."""
R_contra = TypeVar("R_contra", contravariant=True)


class NetworkLane(Protocol[A, R]):
    """The work of the network lane on one video; implemented by `downloader.Downloader`."""

    def expects_existing(self, job: VideoJob, /) -> bool:
        """Whether a source video seems to exist."""

    async def existing(self, job: VideoJob, /) -> R | None:
        """Return a valid source video that needs no download, if there is one."""

    async def download(self, job: VideoJob, directory: Path, permit: Permit, /) -> A:
        """Download the video to a private directory; report YouTube's answer at once."""

    async def another_is_available(self, directory: Path, excluding: Collection[str]) -> bool:
        """Query a video that YouTube had before, and return whether it is still available."""

    def was_unavailable(self, job: VideoJob, /) -> bool:
        """Whether YouTube reported the video as unavailable before, without a reason and long enough ago."""

    async def accept(self, job: VideoJob, arrived: A, /) -> R:
        """Check the download, rename and record it."""

    async def discard(self, job: VideoJob, raw: R, /) -> None:
        """Stop using an invalid source video: the next attempt needs another one."""

    async def release(self, job: VideoJob, /, *, keep: bool) -> None:
        """Register that the clips of a source video are finished, and delete it unless it is kept."""


class EncodeLane(Protocol[R_contra]):
    """The work of the encode lane on one clip; implemented by `encoder.Encoder`."""

    def estimate(self, clip: Clip, raw: R_contra) -> Callable[[], float]:
        """Return a function that estimates the seconds a clip takes, from what is known when it is called."""

    async def cut(self, clip: Clip, raw: R_contra) -> None:
        """Encode, verify, publish and record one clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineParts(Generic[A, R]):
    """The parts of a pipeline. Several pipelines of one process may share them."""

    lanes: Lanes
    throttle: Throttle
    downloader: NetworkLane[A, R]
    encoder: EncodeLane[R]
    private_directory: Callable[[Video], AbstractAsyncContextManager[Path]]
    record_failure: Callable[[VideoJob, Failure], Awaitable[None]]
    events: EventBus
    keep_raw: bool
    """Whether source videos are kept after their last clip."""
    backoff: Callable[[int], float]
    """Returns the seconds to wait after this many failed attempts."""


class Pipeline(Generic[A, R]):
    """Both lanes for some videos: all of a run, or a single one that a driver elsewhere has sent."""

    def __init__(self, parts: PipelineParts[A, R]) -> None:
        self.stopped: Failure | None = None
        """Why the run ended early: a local error."""
        self._lanes = parts.lanes
        self._throttle = parts.throttle
        self._keep_raw = parts.keep_raw
        self._downloader = parts.downloader
        self._encoder = parts.encoder
        self._private_directory = parts.private_directory
        self._record_failure = parts.record_failure
        self._events = parts.events
        self._backoff = parts.backoff
        self._whole = anyio.CancelScope()
        self._winds_down = False
        self._encoding = 0
        self._to_fetch = self._existing = VideoQueue(())
        self._unconfirmed: list[tuple[VideoJob, Failure]] = []
        """Videos that were reported as unavailable without a reason since the last available one."""
        self._confirmed: list[tuple[VideoJob, Failure]] = []
        """Those after which another video was available, which shows that the IP address was not blocked."""
        self._interruptible: set[anyio.CancelScope] = set()

    @property
    def closed(self) -> Failure | None:
        """Why no more downloads start, if every one would fail alike."""
        return self._throttle.over

    async def run(self, jobs: Iterable[VideoJob], finish: anyio.Event | None = None) -> None:
        """Process every video; return when all have been tried, or the run was stopped.

        Once `finish` is set the run winds down.
        """
        existing, to_fetch = list[VideoJob](), list[VideoJob]()
        for job in jobs:
            (existing if self._downloader.expects_existing(job) else to_fetch).append(job)
            await checkpoint()  # it accesses files: the loop must not block for all of them
        # Two queues, so that source videos which wait for an encode never delay a download. An existing one
        # that is invalid joins the other queue.
        self._to_fetch = VideoQueue(to_fetch, expected=len(existing))
        self._existing = VideoQueue(existing)
        with self._whole:
            async with anyio.create_task_group() as background:
                background.start_soon(self._wind_down, finish or anyio.Event())
                async with anyio.create_task_group() as queues:
                    queues.start_soon(self._process_queue, self._to_fetch, self._one_video)
                    queues.start_soon(self._process_queue, self._existing, self._one_existing)
                await self._settle_at_end()
                background.cancel_scope.cancel()

    async def _process_queue(self, queue: VideoQueue, process: Callable[[VideoJob], Awaitable[None]]) -> None:
        """Start the videos of a queue, each when there is a slot for it."""
        slots = anyio.Semaphore(self._lanes.slots)

        async def in_slot(job: VideoJob) -> None:
            try:
                await process(job)
            finally:
                slots.release()
                queue.finished()

        async with anyio.create_task_group() as videos:
            async for job in queue:
                await slots.acquire()
                videos.start_soon(in_slot, job)

    async def _one_video(self, job: VideoJob) -> None:
        """Process one video, from its id to its last clip."""
        async with self._handle_failure(job):
            async with self._private_directory(job.videos[0]) as directory:
                arrived = await self._download(job, directory)
                if arrived is None:
                    return
                # The network token has been released: the next video downloads while this one is cut.
                await self._settle()
                raw = await self._downloader.accept(job, arrived)
            await self._cut_all(job, raw)

    async def _one_existing(self, job: VideoJob) -> None:
        """Process one video whose source video seems to exist, to its last clip."""
        try:
            async with self._handle_failure(job):
                raw = await self._downloader.existing(job)
                if raw is None:
                    self._to_fetch.put_back(job, 0)
                else:
                    await self._cut_all(job, raw)
        finally:
            self._to_fetch.finished()

    async def _download(self, job: VideoJob, directory: Path) -> A | None:
        """Download one video under a network token; None if nothing more should start."""
        with anyio.CancelScope() as scope, self._until_wind_down(scope):
            async with self._throttle.permit() as permit:
                if permit is None:
                    return None
                permit.on_available = self._others_are_available
                try:
                    arrived = await self._downloader.download(job, directory, permit)
                except Failure as failure:
                    # Before the token is released: it must not start another download after a block.
                    registered = await self._register_failure(job, failure, permit, directory)
                    raise registered from None if registered is failure else failure
                permit.succeeded()
                return arrived
        return None

    async def _register_failure(
        self, job: VideoJob, failure: Failure, permit: Permit, directory: Path
    ) -> Failure:
        """Register a failure with the lane; return the failure of the video."""
        if failure.reason is Reason.UNREACHABLE:
            permit.unreached()
        verdict = self._throttle.streaks.failed(job.youtube_id, failure, probed=permit.probed)
        if verdict is None:
            if failure.reason.is_answer or _opens(failure, permit):
                permit.succeeded()
            return failure
        if failure.reason is Reason.UNAVAILABLE and await self._another_is_available(directory, job):
            permit.succeeded()
            permit.available()
            return failure
        permit.rejected(verdict)
        if verdict.reason.advice.action is not Action.CLOSE:
            return failure
        if failure.reason is Reason.UNAVAILABLE:
            # All videos in the streak are victims of a block: each is tried again.
            unconfirmed, self._unconfirmed = self._unconfirmed, []
            for one, _ in unconfirmed:
                await self._video_failed(one, verdict)
        return verdict

    async def _cut_all(self, job: VideoJob, raw: R) -> None:
        """Create all clips of a video, as encode tokens become available: the longest ones first."""
        results: dict[Clip, Failure | None] = {}
        async with anyio.create_task_group() as clips:
            for clip in job.clips:
                clips.start_soon(self._one_clip, job, clip, raw, results)
        if unread := tuple(clip for clip, failure in results.items() if _is_unread(failure)):
            await self._downloader.discard(job, raw)
            cause = results[unread[0]] or Failure(Reason.UNKNOWN)
            await self._video_failed(replace(job, clips=unread), cause)
        over = all(clip in results and _is_over(results[clip]) for clip in job.clips)
        await self._downloader.release(job, keep=self._keep_raw or not over)

    async def _one_clip(self, job: VideoJob, clip: Clip, raw: R, results: dict[Clip, Failure | None]) -> None:
        """Create one clip, with as many attempts as the table allows, and store the result."""
        attempt = 0
        while (token := await self._encode_token(clip, raw)) is not None:
            attempt += 1
            results[clip] = failed = await self._encode(clip, raw, token)
            if failed is None or not await self._is_tried_again(clip, failed, attempt):
                break
        failed = results.get(clip)
        if failed is not None and not _is_unread(failed):
            await self._clips_failed(replace(job, clips=(clip,)), failed)

    async def _encode(self, clip: Clip, raw: R, token: object) -> Failure | None:
        """Create one clip under the held encode token, and release it; return why it failed."""
        self._encoding += 1
        try:
            with _own_faults():
                await self._encoder.cut(clip, raw)
        except Failure as failure:
            return Failure(Reason.ENCODE_STALLED, failure.words) if _hangs(failure) else failure
        finally:
            self._encoding -= 1
            self._lanes.waiting.release(token)
        return None

    async def _is_tried_again(self, clip: Clip, failed: Failure, attempt: int) -> bool:
        """Wait until a clip may be encoded again; return whether it may be at all. No token is held."""
        advice = failed.reason.advice
        if _is_unread(failed) or advice.action is not Action.RETRY or attempt >= advice.tries:
            return False
        after = self._backoff(attempt)
        self._events.emit(ClipRetrying(clip.stem, failed.reason, failed.words, after, attempt))
        with anyio.CancelScope() as scope, self._until_wind_down(scope):
            await anyio.sleep(after)
        return not scope.cancelled_caught

    async def _video_failed(self, job: VideoJob, failure: Failure) -> None:
        """Apply the table: stop, retry, or record that the clips failed."""
        advice = failure.reason.advice
        goes_on = self._throttle.over is None
        if advice.stops:
            self.stop(failure)
        elif advice.action is Action.CLOSE and goes_on:
            # Not the video's fault: the attempt does not count, and another one is the test download.
            self._emit_retrying(job, failure, self._throttle.wait)
            self._to_fetch.put_behind(job)
        elif advice.action is Action.RETRY and goes_on and (failure.advanced or job.attempt < advice.tries):
            after = self._backoff(job.attempt)
            self._emit_retrying(job, failure, after)
            # An attempt that advanced does not count.
            self._to_fetch.put_back(replace(job, attempt=job.attempt + (not failure.advanced)), after)
        elif failure.reason is Reason.UNAVAILABLE:
            self._unconfirmed.append((job, failure))
            self._events.emit(VideoUnconfirmed(job.stem, job.youtube_id, failure.words))
        else:
            await self._give_up(job, failure)
        if not goes_on:
            self._to_fetch.close()

    async def _give_up(self, job: VideoJob, failure: Failure) -> None:
        """Record that this run does not get a video."""
        self._events.emit(
            VideoFailed(job.stem, job.youtube_id, failure.reason, failure.words, len(job.clips))
        )
        await self._clips_failed(job, failure, with_video=True)

    async def _another_is_available(self, directory: Path, *jobs: VideoJob) -> bool:
        """Return whether YouTube still has a video that it had before, other than the doubtful ones."""
        doubted = {job.youtube_id for job in (*jobs, *(job for job, _ in self._unconfirmed))}
        return await self._downloader.another_is_available(directory, doubted)

    def _others_are_available(self) -> None:
        """Register that YouTube offers another video after those that it reported as unavailable."""
        self._confirmed += self._unconfirmed
        self._unconfirmed.clear()

    async def _settle(self) -> None:
        """Record the unavailable videos after which another one was available.

        A video is permanently unavailable if an earlier run got the same answer.
        """
        confirmed, self._confirmed = self._confirmed, []
        for job, failure in confirmed:
            gone = self._downloader.was_unavailable(job)
            await self._give_up(job, Failure(Reason.GONE, failure.words) if gone else failure)

    async def _settle_at_end(self) -> None:
        """Settle the undecided videos, by querying a previously available one if it matters."""
        await self._settle()
        over = self._throttle.over
        suspects = [job for job, _ in self._unconfirmed if self._downloader.was_unavailable(job)]
        if suspects and over is None:
            with suppress(Failure), anyio.CancelScope() as scope, self._until_wind_down(scope):
                place = self._private_directory(suspects[0].videos[0])
                async with place as directory, self._throttle.permit() as permit:
                    if permit is not None and await self._another_is_available(directory):
                        self._others_are_available()
        await self._settle()
        blocked = over if over is not None and over.reason is Reason.REFUSED else None
        for job, failure in self._unconfirmed:
            await self._give_up(job, blocked or failure)

    async def _clips_failed(self, job: VideoJob, failure: Failure, *, with_video: bool = False) -> None:
        """Record failed clips, or stop the run after a local error."""
        if failure.reason.advice.stops:
            self.stop(failure)
            return
        try:
            await self._record_failure(job, failure)
        except Failure as trouble:
            self.stop(trouble)
        else:
            for clip in job.clips:
                self._events.emit(ClipFailed(clip.stem, failure.reason, failure.words, with_video))

    def stop(self, trouble: Failure) -> None:
        """Stop the run: nothing more can be created until the user has fixed something on this machine."""
        self.stopped = self.stopped or trouble
        self._whole.cancel()

    async def _wind_down(self, finish: anyio.Event) -> None:
        """Once asked, start nothing more and end the downloads; running encodes get some time to finish."""
        await finish.wait()
        self._winds_down = True
        self._events.emit(WindingDown(self._encoding, WIND_DOWN))
        self._throttle.end()
        self._to_fetch.close()
        self._existing.close()
        for scope in self._interruptible:
            scope.cancel()
        await anyio.sleep(WIND_DOWN)
        self._whole.cancel()

    @contextmanager
    def _until_wind_down(self, scope: anyio.CancelScope) -> Iterator[None]:
        """Cancel the scope when the run winds down, or at once if it already does."""
        self._interruptible.add(scope)
        if self._winds_down:
            scope.cancel()
        try:
            yield
        finally:
            self._interruptible.discard(scope)

    async def _encode_token(self, clip: Clip, raw: R) -> object | None:
        with anyio.CancelScope() as scope, self._until_wind_down(scope):
            return await self._lanes.waiting.acquire(self._encoder.estimate(clip, raw))
        return None

    @asynccontextmanager
    async def _handle_failure(self, job: VideoJob) -> AsyncIterator[None]:
        """Handle a video's failure according to the table."""
        try:
            with _own_faults():
                yield
        except Failure as failure:
            await self._video_failed(job, failure)

    def _emit_retrying(self, job: VideoJob, failure: Failure, after: float) -> None:
        self._events.emit(Retrying(job.stem, failure.reason, failure.words, after, job.attempt))


def _opens(failure: Failure, permit: Permit) -> bool:
    """Whether a failure that says nothing about a block still shows that YouTube can be reached."""
    return failure.reason is Reason.UNAVAILABLE and permit.probed is Reason.UNREACHABLE


def _is_unread(failure: Failure | None) -> bool:
    """Whether the source video is the cause: then no clip fails before another one was tried."""
    return failure is not None and failure.reason is Reason.RAW_UNREADABLE


def _hangs(failure: Failure) -> bool:
    """Whether a child of the encode lane was terminated because it took too long."""
    return failure.reason in {Reason.STALLED, Reason.TIMED_OUT}


def _is_over(failure: Failure | None) -> bool:
    """Whether no other run would try this clip again."""
    return failure is None or failure.reason.advice.action is Action.NEVER


@contextmanager
def _own_faults() -> Iterator[None]:
    """Turn an internal error into the failure of one video: others are not affected."""
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[-2:]
        place = " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
        if limit := os_errors.reason_of(error):
            raise Failure(limit, os_errors.message_of(error)) from error
        raise Failure(Reason.FAULT, f"{type(error).__name__}: {error} (at {place})") from error
