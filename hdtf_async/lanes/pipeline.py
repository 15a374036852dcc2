"""The two lanes: the order of all steps for one video and one clip.

    tables -> plan -> network lane (yt-dlp) -> source video -> encode lane (ffmpeg) -> clip -> journal

`Pipeline.one_video` processes one video, `Pipeline.one_clip` one clip. The work of the network lane is in
`downloader`, that of the encode lane in `encoder`; `throttle` decides when a download may start; the end of
`Pipeline` decides the consequences of a failure, from the table in `failures`. `run` opens the directory and
assembles a run.
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
from hdtf_async.lanes.limits import RetryQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
    from contextlib import AbstractAsyncContextManager

    from hdtf_async.core.event_bus import EventBus
    from hdtf_async.core.model import Clip, Video
    from hdtf_async.dataset.plan import VideoJob
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

    def expects_existing(self, work: VideoJob) -> bool:
        """Whether a source video seems to exist."""

    async def existing(self, work: VideoJob) -> R | None:
        """Return a valid source video that needs no download, if there is one."""

    async def download(self, work: VideoJob, directory: Path, permit: Permit) -> A:
        """Download the video to a private directory; report YouTube's answer at once."""

    async def another_is_available(self, directory: Path, besides: Collection[str]) -> bool:
        """Query a video that YouTube had before, and return whether it is still available."""

    def was_unavailable(self, work: VideoJob) -> bool:
        """Whether YouTube reported the video as unavailable before, without a reason and long enough ago."""

    async def accept(self, work: VideoJob, arrived: A) -> R:
        """Check the download, rename and record it."""

    async def discard(self, work: VideoJob, raw: R) -> None:
        """Stop using an invalid source video: the next attempt needs another one."""

    async def release(self, work: VideoJob, *, keep: bool) -> None:
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
        self._to_fetch = self._existing = RetryQueue(())
        self._unconfirmed: list[tuple[VideoJob, Failure]] = []
        """Videos that were reported as unavailable without a reason since the last available one."""
        self._confirmed: list[tuple[VideoJob, Failure]] = []
        """Those after which another video was available, which shows that the IP address was not blocked."""
        self._interruptible: set[anyio.CancelScope] = set()

    @property
    def closed(self) -> Failure | None:
        """Why no more downloads start, if every one would fail alike."""
        return self._throttle.over

    async def run(self, works: Iterable[VideoJob], finish: anyio.Event | None = None) -> None:
        """Process every video; return when all have been tried, or the run was stopped.

        Once `finish` is set the run winds down.
        """
        existing: list[VideoJob] = []
        to_fetch: list[VideoJob] = []
        for work in works:
            (existing if self._downloader.expects_existing(work) else to_fetch).append(work)
            await checkpoint()  # it accesses files: the loop must not block for all of them
        # Two queues, so that source videos which wait for an encode never delay a download. An existing one
        # that is invalid joins the other queue.
        self._to_fetch = RetryQueue(to_fetch, expected=len(existing))
        self._existing = RetryQueue(existing)
        with self._whole:
            async with anyio.create_task_group() as beside:
                beside.start_soon(self.wind_down, finish or anyio.Event())
                async with anyio.create_task_group() as queues:
                    queues.start_soon(self.feed, self._to_fetch, self.one_video)
                    queues.start_soon(self.feed, self._existing, self.one_existing)
                await self.settle_at_end()
                beside.cancel_scope.cancel()

    async def feed(self, queue: RetryQueue, way: Callable[[VideoJob], Awaitable[None]]) -> None:
        """Start the videos of a queue, each when there is a slot for it."""
        slots = anyio.Semaphore(self._lanes.slots)

        async def in_slot(work: VideoJob) -> None:
            try:
                await way(work)
            finally:
                slots.release()
                queue.finished()

        async with anyio.create_task_group() as videos:
            async for work in queue:
                await slots.acquire()
                videos.start_soon(in_slot, work)

    async def one_video(self, work: VideoJob) -> None:
        """Process one video, from its id to its last clip."""
        async with self._judged(work):
            async with self._private_directory(work.videos[0]) as directory:
                arrived = await self.download(work, directory)
                if arrived is None:
                    return
                # The network token has been released: the next video downloads while this one is cut.
                await self.settle()
                raw = await self._downloader.accept(work, arrived)
            await self.cut_all(work, raw)

    async def one_existing(self, work: VideoJob) -> None:
        """Process one video whose source video seems to exist, to its last clip."""
        try:
            async with self._judged(work):
                raw = await self._downloader.existing(work)
                if raw is None:
                    self._to_fetch.put_back(work, 0)
                else:
                    await self.cut_all(work, raw)
        finally:
            self._to_fetch.finished()

    async def download(self, work: VideoJob, directory: Path) -> A | None:
        """Download one video under a network token; None if nothing more should start."""
        with anyio.CancelScope() as scope, self._until_wind_down(scope):
            async with self._throttle.permit() as permit:
                if permit is None:
                    return None
                permit.on_available = self._others_are_available
                try:
                    arrived = await self._downloader.download(work, directory, permit)
                except Failure as failure:
                    # Before the token is released: it must not start another download after a block.
                    raise await self.weigh(work, failure, permit, directory) from failure
                permit.succeeded()
                return arrived
        return None

    async def weigh(self, work: VideoJob, failure: Failure, permit: Permit, directory: Path) -> Failure:
        """Register a failure with the lane; return the failure of the video."""
        if failure.reason is Reason.UNREACHABLE:
            permit.unreached()
        verdict = self._throttle.streaks.failed(work.youtube_id, failure, probed=permit.probed)
        if verdict is None:
            if failure.reason.is_answer or _opens(failure, permit):
                permit.succeeded()
            return failure
        if failure.reason is Reason.UNAVAILABLE and await self.another_is_available(directory, work):
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
                await self.video_failed(one, verdict)
        return verdict

    async def cut_all(self, work: VideoJob, raw: R) -> None:
        """Create all clips of a video, as encode tokens become available: the longest ones first."""
        results: dict[Clip, Failure | None] = {}
        async with anyio.create_task_group() as clips:
            for clip in work.clips:
                clips.start_soon(self.one_clip, work, clip, raw, results)
        if unread := tuple(clip for clip, failure in results.items() if _is_unread(failure)):
            await self._downloader.discard(work, raw)
            cause = results[unread[0]] or Failure(Reason.UNKNOWN)
            await self.video_failed(replace(work, clips=unread), cause)
        over = all(clip in results and _is_over(results[clip]) for clip in work.clips)
        await self._downloader.release(work, keep=self._keep_raw or not over)

    async def one_clip(self, work: VideoJob, clip: Clip, raw: R, results: dict[Clip, Failure | None]) -> None:
        """Create one clip, with as many attempts as the table allows, and store the result."""
        attempt = 0
        while (token := await self._encode_token(clip, raw)) is not None:
            attempt += 1
            results[clip] = failed = await self.encode(clip, raw, token)
            if failed is None or not await self._is_tried_again(clip, failed, attempt):
                break
        failed = results.get(clip)
        if failed is not None and not _is_unread(failed):
            await self.clips_failed(replace(work, clips=(clip,)), failed)

    async def encode(self, clip: Clip, raw: R, token: object) -> Failure | None:
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

    async def video_failed(self, work: VideoJob, failure: Failure) -> None:
        """Apply the table: stop, retry, or record that the clips failed."""
        advice = failure.reason.advice
        goes_on = self._throttle.over is None
        if advice.stops:
            self.stop(failure)
        elif advice.action is Action.CLOSE and goes_on:
            # Not the video's fault: the attempt does not count, and another one is the test download.
            self._tell_retrying(work, failure, self._throttle.wait)
            self._to_fetch.put_behind(work)
        elif advice.action is Action.RETRY and goes_on and (failure.advanced or work.attempt < advice.tries):
            after = self._backoff(work.attempt)
            self._tell_retrying(work, failure, after)
            # An attempt that advanced does not count.
            self._to_fetch.put_back(replace(work, attempt=work.attempt + (not failure.advanced)), after)
        elif failure.reason is Reason.UNAVAILABLE:
            self._unconfirmed.append((work, failure))
            self._events.emit(VideoUnconfirmed(work.stem, work.youtube_id, failure.words))
        else:
            await self.give_up(work, failure)
        if not goes_on:
            self._to_fetch.close()

    async def give_up(self, work: VideoJob, failure: Failure) -> None:
        """Record that this run does not get a video."""
        self._events.emit(
            VideoFailed(work.stem, work.youtube_id, failure.reason, failure.words, len(work.clips))
        )
        await self.clips_failed(work, failure, with_video=True)

    async def another_is_available(self, directory: Path, *works: VideoJob) -> bool:
        """Return whether YouTube still has a video that it had before, other than the doubtful ones."""
        doubted = {work.youtube_id for work in (*works, *(work for work, _ in self._unconfirmed))}
        return await self._downloader.another_is_available(directory, doubted)

    def _others_are_available(self) -> None:
        """Register that YouTube offers another video after those that it reported as unavailable."""
        self._confirmed += self._unconfirmed
        self._unconfirmed.clear()

    async def settle(self) -> None:
        """Record the unavailable videos after which another one was available.

        A video is permanently unavailable if an earlier run got the same answer.
        """
        confirmed, self._confirmed = self._confirmed, []
        for work, failure in confirmed:
            gone = self._downloader.was_unavailable(work)
            await self.give_up(work, Failure(Reason.GONE, failure.words) if gone else failure)

    async def settle_at_end(self) -> None:
        """Settle the undecided videos, by querying a previously available one if it matters."""
        await self.settle()
        over = self._throttle.over
        suspects = [work for work, _ in self._unconfirmed if self._downloader.was_unavailable(work)]
        if suspects and over is None:
            with suppress(Failure), anyio.CancelScope() as scope, self._until_wind_down(scope):
                place = self._private_directory(suspects[0].videos[0])
                async with place as directory, self._throttle.permit() as permit:
                    if permit is not None and await self.another_is_available(directory):
                        self._others_are_available()
        await self.settle()
        blocked = over if over is not None and over.reason is Reason.REFUSED else None
        for work, failure in self._unconfirmed:
            await self.give_up(work, blocked or failure)

    async def clips_failed(self, work: VideoJob, failure: Failure, *, with_video: bool = False) -> None:
        """Record failed clips, or stop the run after a local error."""
        if failure.reason.advice.stops:
            self.stop(failure)
            return
        try:
            await self._record_failure(work, failure)
        except Failure as trouble:
            self.stop(trouble)
        else:
            for clip in work.clips:
                self._events.emit(ClipFailed(clip.stem, failure.reason, failure.words, with_video))

    def stop(self, trouble: Failure) -> None:
        """Stop the run: nothing more can be created until the user has fixed something on this machine."""
        if self.stopped is None:
            self.stopped = trouble
        self._whole.cancel()

    async def wind_down(self, finish: anyio.Event) -> None:
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
    async def _judged(self, work: VideoJob) -> AsyncIterator[None]:
        """Handle a video's failure according to the table."""
        try:
            with _own_faults():
                yield
        except Failure as failure:
            await self.video_failed(work, failure)

    def _tell_retrying(self, work: VideoJob, failure: Failure, after: float) -> None:
        self._events.emit(Retrying(work.stem, failure.reason, failure.words, after, work.attempt))


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
