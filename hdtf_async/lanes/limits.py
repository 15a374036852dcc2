"""The limits of the two lanes, and the queue of videos that wait for a slot."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Self

import anyio

from hdtf_async.lanes.order import longest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from hdtf_async.core.options import Options
    from hdtf_async.dataset.plan import VideoJob


@dataclass(frozen=True, slots=True)
class Lanes:
    """The limiters of the two lanes. A host program may pass its own, shared with other work.

    Raises `ValueError` for a limiter without a limit: the number of source videos on the disk would be
    unbounded.
    """

    network: anyio.CapacityLimiter
    """One token per download."""
    encodes: anyio.CapacityLimiter
    """One token per CPU-bound child process."""
    waiting: EncodeQueue = field(init=False, repr=False, compare=False)
    """Clips that wait for a token of the encode lane."""

    def __post_init__(self) -> None:
        if math.isinf(self.network.total_tokens) or math.isinf(self.encodes.total_tokens):
            raise ValueError("a lane needs a limiter with a finite number of tokens")
        object.__setattr__(self, "waiting", EncodeQueue(self.encodes))

    @classmethod
    def of(cls, options: Options) -> Self:
        """Return lanes with the number of slots in the options."""
        return cls(
            anyio.CapacityLimiter(options.downloads), anyio.CapacityLimiter(options.width_of_encode_lane)
        )

    @property
    def slots(self) -> int:
        """Maximum number of videos between their start and their last clip.

        Enough that the network lane never waits for a slot while encodes keep up, and no more, because each
        is a source video on the disk: one per download, and two per encode to choose from.
        """
        return int(self.network.total_tokens + 2 * self.encodes.total_tokens)


@dataclass(eq=False, slots=True)
class _Waiting:
    """A clip that waits for a token."""

    expected: Callable[[], float]
    """Returns the estimated seconds of its encode."""
    token: object | None = None
    """The token, once it has one."""


class EncodeQueue:
    """Gives each token of a limiter to the waiting clip with the longest estimated encode time.

    One of the waiting tasks acquires a token on behalf of all. The limiter may also serve other work.
    """

    def __init__(self, tokens: anyio.CapacityLimiter) -> None:
        self._tokens = tokens
        self._clips: list[_Waiting] = []
        self._is_acquiring = False
        self._news = anyio.Event()

    async def acquire(self, expected: Callable[[], float]) -> object:
        """Wait for a token and return it."""
        clip = _Waiting(expected)
        self._clips.append(clip)
        try:
            while clip.token is None:
                if self._is_acquiring:
                    await self._news.wait()
                else:
                    await self._acquire_for_longest()
        except BaseException:
            if clip.token is not None:
                self.release(clip.token)
            raise
        finally:
            if clip in self._clips:
                self._clips.remove(clip)
        return clip.token

    async def _acquire_for_longest(self) -> None:
        token = object()
        self._is_acquiring = True
        try:
            await self._tokens.acquire_on_behalf_of(token)
        finally:
            self._is_acquiring = False
            self._news.set()
            self._news = anyio.Event()
        chosen = longest(self._clips, lambda clip: clip.expected())
        chosen.token = token
        self._clips.remove(chosen)

    def release(self, token: object) -> None:
        """Give a token back."""
        self._tokens.release_on_behalf_of(token)


class BandwidthLimiter:
    """Bytes per second that all downloads together may use; unlimited without a limit.

    Each download gets its part when it starts, because yt-dlp cannot change it later: half of what is left,
    so that a few are not slowed down for others that may never start, and no less than an equal share for all
    slots. If less is left it waits for another one to end. So the limit is never exceeded.
    """

    def __init__(self, whole: int | None, width: int) -> None:
        self._whole = whole
        self._left = whole or 0
        self._least = max(1, self._left // width)
        self._given_back = anyio.Event()

    @asynccontextmanager
    async def part(self) -> AsyncIterator[int | None]:
        """Hold a part of it, in bytes per second; None if there is no limit."""
        if self._whole is None:
            yield None
            return
        while self._left < self._least:
            await self._given_back.wait()
        part = max(self._least, self._left // 2)
        self._left -= part
        try:
            yield part
        finally:
            self._left += part
            self._given_back.set()
            self._given_back = anyio.Event()


class VideoQueue:
    """Videos that wait for a slot: the planned ones in order, and those put back, once due.

    Iteration ends when none waits and none that was taken can come back.
    """

    def __init__(self, jobs: Iterable[VideoJob], *, expected: int = 0) -> None:
        self._planned = deque(jobs)
        self._put_back: list[tuple[float, int, VideoJob]] = []
        self._numbers = count()
        self._out = expected
        """Number of videos that were taken, or may be added by another task, and are not finished."""
        self._closed = False
        self._news = anyio.Event()

    def put_back(self, job: VideoJob, after: float) -> None:
        """Make a video wait for `after` seconds and then for a slot; it is dropped if the queue is closed."""
        if not self._closed:
            heapq.heappush(self._put_back, (anyio.current_time() + after, next(self._numbers), job))
            self._tell()

    def put_behind(self, job: VideoJob) -> None:
        """Make a video wait until all planned ones are taken; it is dropped if the queue is closed."""
        if not self._closed:
            self._planned.append(job)
            self._tell()

    def finished(self) -> None:
        """Register that a video that was taken (or expected) is finished, put back or not."""
        self._out -= 1
        self._tell()

    def close(self) -> None:
        """Return nothing more; waiting videos are dropped."""
        self._closed = True
        self._planned.clear()
        self._put_back.clear()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> VideoJob:
        while True:
            ready_at = self._put_back[0][0] if self._put_back else math.inf
            if ready_at <= anyio.current_time():
                job = heapq.heappop(self._put_back)[2]
            elif self._planned:
                job = self._planned.popleft()
            elif (self._out or self._put_back) and not self._closed:
                with anyio.CancelScope(deadline=ready_at):
                    await self._news.wait()
                continue
            else:
                raise StopAsyncIteration
            self._out += 1
            return job


def backoff(attempt: int, first: float) -> float:
    """Return the seconds to wait after a failed attempt: the first delay, then four times that, and so on.

    It varies randomly by up to half, so that simultaneous failures are not retried simultaneously.
    """
    seconds: float = first * 4 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - not for security
    return seconds
