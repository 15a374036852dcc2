"""The two lanes: the one place where the order of things is written down.

    tables -> plan -> network lane (yt-dlp) -> raw -> encode lane (ffmpeg) -> clip -> journal -> metadata

`Pipeline.one_video` is the way of one video, `Pipeline.one_clip` that of one clip. What is done with them
in the network lane is in `fetch`, in the encode lane in `cut`; what a failure leads to is decided at the
end of `Pipeline`, from the table in `failures`. How the directory is opened and a run put together is in
`run`.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import anyio
from anyio.lowlevel import checkpoint

from hdtf_async.events import ClipFailed, LaneClosed, Retrying, VideoFailed
from hdtf_async.failures import Action, ExitCode, Failure
from hdtf_async.lanes import Entrance, Queue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from hdtf_async.events import Events
    from hdtf_async.fetch import Arrived, Raw
    from hdtf_async.lanes import Lanes
    from hdtf_async.model import Clip, Video
    from hdtf_async.plan import Work

ATTEMPTS = 3
"""How often a video is tried in one run while its failures are of the passing kind."""


class Fetching(Protocol):
    """What the network lane does with one video; `fetch.Fetcher` is the real one."""

    def expects_at_hand(self, work: Work) -> bool:
        """Whether a raw seems to be there already."""

    async def at_hand(self, work: Work) -> Raw | None:
        """Return a good raw that needs no network, if there is one."""

    async def download(self, work: Work, directory: Path) -> Arrived:
        """Fetch the video into a private directory."""

    async def accept(self, work: Work, arrived: Arrived) -> Raw:
        """Check what arrived, give it its name and record it."""

    async def let_go(self, work: Work) -> None:
        """Delete the raw."""


class Cutting(Protocol):
    """What the encode lane does with one clip; `cut.Cutter` is the real one."""

    async def cut(self, clip: Clip, raw: Raw) -> None:
        """Encode, check, publish and record one clip."""


def backoff(attempt: int) -> float:
    """Return the seconds to wait after a failed attempt: 10, then 40, half of it more or less by chance."""
    seconds: float = 10 * 4 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, guards nothing
    return seconds


class Pipeline:
    """The lanes of one run at work."""

    def __init__(  # noqa: PLR0913 - what it is put together from, once
        self,
        *,
        lanes: Lanes,
        pace: float,
        keep_raw: bool,
        fetching: Fetching,
        cutting: Cutting,
        private_directory: Callable[[Video], AbstractAsyncContextManager[Path]],
        record_failure: Callable[[Clip, Failure], Awaitable[None]],
        events: Events,
        backoff: Callable[[int], float] = backoff,
    ) -> None:
        self.closed: Failure | None = None
        """Why no further download starts: YouTube refuses this address."""
        self.stopped: Failure | None = None
        """Why the run had to end early: local trouble."""
        self._lanes = lanes
        self._entrance = Entrance(lanes.network, pace)
        self._keep_raw = keep_raw
        self._fetching = fetching
        self._cutting = cutting
        self._private_directory = private_directory
        self._record_failure = record_failure
        self._events = events
        self._backoff = backoff
        self._whole = anyio.CancelScope()
        self._to_fetch = Queue(())

    async def run(self, works: Iterable[Work]) -> None:
        """Take every video through the lanes; return when all have been tried, or the run was stopped."""
        at_hand: list[Work] = []
        to_fetch: list[Work] = []
        for work in works:
            (at_hand if self._fetching.expects_at_hand(work) else to_fetch).append(work)
            await checkpoint()  # it looks for files: the loop shall not stand still for all of them
        # Two queues, so that raws which wait for an encode never keep a download from starting. One at
        # hand that turns out bad joins the other queue.
        self._to_fetch = Queue(to_fetch, expected=len(at_hand))
        with self._whole:
            async with anyio.create_task_group() as queues:
                queues.start_soon(self.feed, self._to_fetch, self.one_video)
                queues.start_soon(self.feed, Queue(at_hand), self.one_at_hand)

    async def feed(self, queue: Queue, way: Callable[[Work], Awaitable[None]]) -> None:
        """Start the videos of a queue, each when there is a slot for it."""
        slots = anyio.Semaphore(self._lanes.slots)

        async def in_slot(work: Work) -> None:
            try:
                await way(work)
            finally:
                slots.release()
                queue.finished()

        async with anyio.create_task_group() as videos:
            async for work in queue:
                await slots.acquire()
                videos.start_soon(in_slot, work)

    async def one_video(self, work: Work) -> None:
        """Take one video from its id to its last clip."""
        try:
            async with self._private_directory(work.videos[0]) as directory:
                async with self._entrance.turn() as inside:
                    if not inside:
                        return
                    arrived = await self.download(work, directory)
                # The network token is free again: the next video is on its way while this one is cut.
                raw = await self._fetching.accept(work, arrived)
            await self.cut_all(work, raw)
        except Failure as failure:
            await self.video_failed(work, failure)

    async def one_at_hand(self, work: Work) -> None:
        """Take one video whose raw seems to be there already to its last clip."""
        try:
            raw = await self._fetching.at_hand(work)
            if raw is None:
                self._to_fetch.put_back(work, 0)
            else:
                await self.cut_all(work, raw)
        except Failure as failure:
            await self.video_failed(work, failure)
        finally:
            self._to_fetch.finished()

    async def download(self, work: Work, directory: Path) -> Arrived:
        """Fetch one video; if the address is refused, close the lane before the token is handed on."""
        try:
            return await self._fetching.download(work, directory)
        except Failure as failure:
            if failure.reason.advice.action is Action.CLOSE and self.closed is None:
                self.closed = failure
                self._entrance.close()
                self._to_fetch.close()
                self._events.tell(LaneClosed(failure.reason, failure.words))
            raise

    async def cut_all(self, work: Work, raw: Raw) -> None:
        """Make all clips of a video, as the encode lane has room for them."""
        left: list[Clip] = []
        async with anyio.create_task_group() as clips:
            for clip in work.clips:
                clips.start_soon(self.one_clip, clip, raw, left)
        if not self._keep_raw and not left:
            await self._fetching.let_go(work)

    async def one_clip(self, clip: Clip, raw: Raw, left: list[Clip]) -> None:
        """Make one clip under an encode token; what another run would try again is put on the list."""
        try:
            async with self._lanes.encodes:
                await self._cutting.cut(clip, raw)
        except Failure as failure:
            if failure.reason.advice.action is not Action.NEVER:
                left.append(clip)
            await self.clip_failed(clip, failure)

    async def video_failed(self, work: Work, failure: Failure) -> None:
        """Do what the table says: stop, try again later, or record that the clips cannot be had."""
        advice = failure.reason.advice
        if advice.exit_code is ExitCode.LOCAL:
            self.stop(failure)
        elif advice.action is Action.RETRY and work.attempt < ATTEMPTS and self.closed is None:
            after = self._backoff(work.attempt)
            self._events.tell(Retrying(work.stem, failure.reason, failure.words, after, work.attempt))
            self._to_fetch.put_back(replace(work, attempt=work.attempt + 1), after)
        else:
            self._events.tell(VideoFailed(work.stem, work.youtube_id, failure.reason, failure.words))
            for clip in work.clips:
                await self.clip_failed(clip, failure)

    async def clip_failed(self, clip: Clip, failure: Failure) -> None:
        """Record a clip that could not be had, or stop the run where the trouble is local."""
        if failure.reason.advice.exit_code is ExitCode.LOCAL:
            self.stop(failure)
            return
        try:
            await self._record_failure(clip, failure)
        except Failure as trouble:
            self.stop(trouble)
        else:
            self._events.tell(ClipFailed(clip.stem, failure.reason, failure.words))

    def stop(self, trouble: Failure) -> None:
        """End the run: nothing more can be made until a person has mended something on this machine."""
        if self.stopped is None:
            self.stopped = trouble
        self._whole.cancel()
