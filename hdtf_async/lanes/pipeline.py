"""The two lanes: the one place where the order of things is written down.

    tables -> plan -> network lane (yt-dlp) -> raw -> encode lane (ffmpeg) -> clip -> journal -> metadata

`Pipeline.one_video` is the way of one video, `Pipeline.one_clip` that of one clip. What is done with them
in the network lane is in `fetch`, in the encode lane in `cut`; when the network lane lets a video in is in
`entrance`; what a failure leads to is decided at the end of `Pipeline`, from the table in `failures`. How
the directory is opened and a run put together is in `run`.
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

    from hdtf_async.core.events import EventBus
    from hdtf_async.core.model import Clip, Video
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.limits import Lanes
    from hdtf_async.lanes.throttle import Permit, Throttle

WIND_DOWN = 60.0
"""Seconds that running encodes get to finish when the run was asked to end."""

A = TypeVar("A")
"""What arrives from the network."""
R = TypeVar("R")
"""A raw: what clips are cut from."""
R_contra = TypeVar("R_contra", contravariant=True)


class Fetching(Protocol[A, R]):
    """What the network lane does with one video; `fetch.Downloader` is the real one."""

    def expects_at_hand(self, work: VideoJob) -> bool:
        """Whether a raw seems to be there already."""

    async def at_hand(self, work: VideoJob) -> R | None:
        """Return a good raw that needs no network, if there is one."""

    async def download(self, work: VideoJob, directory: Path, turn: Permit) -> A:
        """Fetch the video into a private directory; say at once what YouTube answers."""

    async def another_is_available(self, directory: Path, besides: Collection[str]) -> bool:
        """Ask for a video that YouTube had before, and say whether it still has it."""

    def was_unavailable(self, work: VideoJob) -> bool:
        """Whether YouTube called the video unavailable before, without a reason and long enough ago."""

    async def accept(self, work: VideoJob, arrived: A) -> R:
        """Check what arrived, give it its name and record it."""

    async def discard(self, work: VideoJob, raw: R) -> None:
        """Use a raw no more that turned out bad: the next try needs another."""

    async def let_go(self, work: VideoJob, *, keep: bool) -> None:
        """Take note that nothing is cut from the raw any more, and delete it unless it is kept."""


class Cutting(Protocol[R_contra]):
    """What the encode lane does with one clip; `cut.Cutter` is the real one."""

    async def cut(self, clip: Clip, raw: R_contra) -> None:
        """Encode, check, publish and record one clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineParts(Generic[A, R]):
    """What a pipeline is put together from. Several pipelines of one process may share it."""

    lanes: Lanes
    entrance: Throttle
    fetching: Fetching[A, R]
    cutting: Cutting[R]
    private_directory: Callable[[Video], AbstractAsyncContextManager[Path]]
    record_failure: Callable[[VideoJob, Failure], Awaitable[None]]
    events: EventBus
    keep_raw: bool
    """Whether source videos stay when nothing is cut from them any more."""
    backoff: Callable[[int], float]
    """Seconds to wait after so many failed attempts."""


class Pipeline(Generic[A, R]):
    """The lanes at work on some videos: on all of a run, or on one for whoever drives from elsewhere."""

    def __init__(self, parts: PipelineParts[A, R]) -> None:
        self.stopped: Failure | None = None
        """Why the run had to end early: local trouble."""
        self._lanes = parts.lanes
        self._entrance = parts.entrance
        self._keep_raw = parts.keep_raw
        self._fetching = parts.fetching
        self._cutting = parts.cutting
        self._private_directory = parts.private_directory
        self._record_failure = parts.record_failure
        self._events = parts.events
        self._backoff = parts.backoff
        self._whole = anyio.CancelScope()
        self._winds_down = False
        self._encoding = 0
        self._to_fetch = self._at_hand = RetryQueue(())
        self._unconfirmed: list[tuple[VideoJob, Failure]] = []
        """Videos that were called unavailable without a reason since the last one that was available."""
        self._confirmed: list[tuple[VideoJob, Failure]] = []
        """Those after which another video was available, which shows that the address was not blocked."""
        self._interruptible: set[anyio.CancelScope] = set()

    @property
    def closed(self) -> Failure | None:
        """Why no further download starts, if every one would fail alike."""
        return self._entrance.over

    async def run(self, works: Iterable[VideoJob], finish: anyio.Event | None = None) -> None:
        """Take every video through the lanes; return when all have been tried, or the run was stopped.

        Once `finish` is set the run winds down.
        """
        at_hand: list[VideoJob] = []
        to_fetch: list[VideoJob] = []
        for work in works:
            (at_hand if self._fetching.expects_at_hand(work) else to_fetch).append(work)
            await checkpoint()  # it looks for files: the loop shall not stand still for all of them
        # Two queues, so that raws which wait for an encode never keep a download from starting. One at
        # hand that turns out bad joins the other queue.
        self._to_fetch = RetryQueue(to_fetch, expected=len(at_hand))
        self._at_hand = RetryQueue(at_hand)
        with self._whole:
            async with anyio.create_task_group() as beside:
                beside.start_soon(self.wind_down, finish or anyio.Event())
                async with anyio.create_task_group() as queues:
                    queues.start_soon(self.feed, self._to_fetch, self.one_video)
                    queues.start_soon(self.feed, self._at_hand, self.one_at_hand)
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
        """Take one video from its id to its last clip."""
        async with self._judged(work):
            async with self._private_directory(work.videos[0]) as directory:
                arrived = await self.download(work, directory)
                if arrived is None:
                    return
                # The network token is free again: the next video is on its way while this one is cut.
                await self.settle()
                raw = await self._fetching.accept(work, arrived)
            await self.cut_all(work, raw)

    async def one_at_hand(self, work: VideoJob) -> None:
        """Take one video whose raw seems to be there already to its last clip."""
        try:
            async with self._judged(work):
                raw = await self._fetching.at_hand(work)
                if raw is None:
                    self._to_fetch.put_back(work, 0)
                else:
                    await self.cut_all(work, raw)
        finally:
            self._to_fetch.finished()

    async def download(self, work: VideoJob, directory: Path) -> A | None:
        """Fetch one video under a network token; None where nothing is to be started any more."""
        with anyio.CancelScope() as scope, self._until_wind_down(scope):
            async with self._entrance.turn() as turn:
                if turn is None:
                    return None
                turn.on_available = self._others_are_available
                try:
                    arrived = await self._fetching.download(work, directory, turn)
                except Failure as failure:
                    # Before the token is handed on: it must not start another one against a closed door.
                    raise await self.weigh(work, failure, turn, directory) from failure
                turn.answered()
                return arrived
        return None

    async def weigh(self, work: VideoJob, failure: Failure, turn: Permit, directory: Path) -> Failure:
        """Say what a failure means for the lane; return what it means for the video."""
        if failure.reason is Reason.UNREACHABLE:
            turn.unreached()
        verdict = self._entrance.streaks.failed(work.youtube_id, failure, probed=turn.probed)
        if verdict is None:
            if failure.reason.is_answer or _opens(failure, turn):
                turn.answered()
            return failure
        if failure.reason is Reason.UNAVAILABLE and await self.another_is_available(directory, work):
            turn.answered()
            turn.available()
            return failure
        turn.refused(verdict)
        if verdict.reason.advice.action is not Action.CLOSE:
            return failure
        if failure.reason is Reason.UNAVAILABLE:
            # All of the streak are a block's victims, and no more: each is tried again.
            unconfirmed, self._unconfirmed = self._unconfirmed, []
            for one, _ in unconfirmed:
                await self.video_failed(one, verdict)
        return verdict

    async def cut_all(self, work: VideoJob, raw: R) -> None:
        """Make all clips of a video, as the encode lane has room for them."""
        came: dict[Clip, Failure | None] = {}
        async with anyio.create_task_group() as clips:
            for clip in work.clips:
                clips.start_soon(self.one_clip, work, clip, raw, came)
        unread = tuple(clip for clip, failure in came.items() if _is_unread(failure))
        if unread:
            await self._fetching.discard(work, raw)
            await self.video_failed(replace(work, clips=unread), came[unread[0]] or Failure(Reason.UNKNOWN))
        over = all(clip in came and _is_over(came[clip]) for clip in work.clips)
        await self._fetching.let_go(work, keep=self._keep_raw or not over)

    async def one_clip(self, work: VideoJob, clip: Clip, raw: R, came: dict[Clip, Failure | None]) -> None:
        """Make one clip, as often as the table says, and note what came of it."""
        attempt = 0
        while await self._encode_token():
            attempt += 1
            came[clip] = failed = await self.encode(clip, raw)
            if failed is None or not await self._is_tried_again(clip, failed, attempt):
                break
        failed = came.get(clip)
        if failed is not None and not _is_unread(failed):
            await self.clips_failed(replace(work, clips=(clip,)), failed)

    async def encode(self, clip: Clip, raw: R) -> Failure | None:
        """Make one clip under the encode token that is held, and release it; return why it failed."""
        self._encoding += 1
        try:
            with _own_faults():
                await self._cutting.cut(clip, raw)
        except Failure as failure:
            return Failure(Reason.ENCODE_STALLED, failure.words) if _hangs(failure) else failure
        finally:
            self._encoding -= 1
            self._lanes.encodes.release()
        return None

    async def _is_tried_again(self, clip: Clip, failed: Failure, attempt: int) -> bool:
        """Wait until a clip may be encoded again; say whether it may be at all. No token is held."""
        advice = failed.reason.advice
        if _is_unread(failed) or advice.action is not Action.RETRY or attempt >= advice.tries:
            return False
        after = self._backoff(attempt)
        self._events.emit(ClipRetrying(clip.stem, failed.reason, failed.words, after, attempt))
        with anyio.CancelScope() as scope, self._until_wind_down(scope):
            await anyio.sleep(after)
            return True
        return False

    async def video_failed(self, work: VideoJob, failure: Failure) -> None:
        """Do what the table says: stop, try again, or record that the clips cannot be had."""
        advice = failure.reason.advice
        goes_on = self._entrance.over is None
        if advice.stops:
            self.stop(failure)
        elif advice.action is Action.CLOSE and goes_on:
            # Not the video's fault: no try is counted, and another one is the probe.
            self._tell_retrying(work, failure, self._entrance.wait)
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
        """Say whether YouTube still has a video that it had before, other than those that are in doubt."""
        doubted = {work.youtube_id for work in (*works, *(work for work, _ in self._unconfirmed))}
        return await self._fetching.another_is_available(directory, doubted)

    def _others_are_available(self) -> None:
        """Take in that YouTube offers another video after those that it called unavailable."""
        self._confirmed += self._unconfirmed
        self._unconfirmed.clear()

    async def settle(self) -> None:
        """Record the videos that were called unavailable, and after which another one was available.

        One is given up for later runs too where an earlier run was told the same.
        """
        confirmed, self._confirmed = self._confirmed, []
        for work, failure in confirmed:
            gone = self._fetching.was_unavailable(work)
            await self.give_up(work, Failure(Reason.GONE, failure.words) if gone else failure)

    async def settle_at_end(self) -> None:
        """Settle what no other video has decided, by one that was available before where it matters."""
        await self.settle()
        over = self._entrance.over
        suspects = [work for work, _ in self._unconfirmed if self._fetching.was_unavailable(work)]
        if suspects and over is None:
            with suppress(Failure), anyio.CancelScope() as scope, self._until_wind_down(scope):
                place = self._private_directory(suspects[0].videos[0])
                async with place as directory, self._entrance.turn() as turn:
                    if turn is not None and await self.another_is_available(directory):
                        self._others_are_available()
        await self.settle()
        blocked = over if over is not None and over.reason is Reason.REFUSED else None
        for work, failure in self._unconfirmed:
            await self.give_up(work, blocked or failure)

    async def clips_failed(self, work: VideoJob, failure: Failure, *, with_video: bool = False) -> None:
        """Record clips that could not be had, or stop the run where the trouble is local."""
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
        """End the run: nothing more can be made until a person has mended something on this machine."""
        if self.stopped is None:
            self.stopped = trouble
        self._whole.cancel()

    async def wind_down(self, finish: anyio.Event) -> None:
        """Once asked, start nothing more and end the downloads; running encodes get some time to finish."""
        await finish.wait()
        self._winds_down = True
        self._events.emit(WindingDown(self._encoding, WIND_DOWN))
        self._entrance.end()
        self._to_fetch.close()
        self._at_hand.close()
        for scope in self._interruptible:
            scope.cancel()
        await anyio.sleep(WIND_DOWN)
        self._whole.cancel()

    @contextmanager
    def _until_wind_down(self, scope: anyio.CancelScope) -> Iterator[None]:
        """Cancel the scope when the run winds down, or where it does so already."""
        self._interruptible.add(scope)
        if self._winds_down:
            scope.cancel()
        try:
            yield
        finally:
            self._interruptible.discard(scope)

    async def _encode_token(self) -> bool:
        with anyio.CancelScope() as scope, self._until_wind_down(scope):
            await self._lanes.encodes.acquire()
            return True
        return False

    @asynccontextmanager
    async def _judged(self, work: VideoJob) -> AsyncIterator[None]:
        """Do about a video's failure what the table says."""
        try:
            with _own_faults():
                yield
        except Failure as failure:
            await self.video_failed(work, failure)

    def _tell_retrying(self, work: VideoJob, failure: Failure, after: float) -> None:
        self._events.emit(Retrying(work.stem, failure.reason, failure.words, after, work.attempt))


def _opens(failure: Failure, turn: Permit) -> bool:
    """Whether a failure that is no answer to "am I blocked?" still shows that YouTube can be reached."""
    return failure.reason is Reason.UNAVAILABLE and turn.probed is Reason.UNREACHABLE


def _is_unread(failure: Failure | None) -> bool:
    """Whether the raw is to blame: then no clip is given up before another one was tried."""
    return failure is not None and failure.reason is Reason.RAW_UNREADABLE


def _hangs(failure: Failure) -> bool:
    """Whether a child of the encode lane was ended because it took too long."""
    return failure.reason in {Reason.STALLED, Reason.TIMED_OUT}


def _is_over(failure: Failure | None) -> bool:
    """Whether no other run would ask for this clip again."""
    return failure is None or failure.reason.advice.action is Action.NEVER


@contextmanager
def _own_faults() -> Iterator[None]:
    """Make a fault of this program one video's failure: what it makes of the others is none the worse."""
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[-2:]
        place = " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
        if limit := os_errors.reason_of(error):
            raise Failure(limit, os_errors.told(error)) from error
        raise Failure(Reason.FAULT, f"{type(error).__name__}: {error} (at {place})") from error
