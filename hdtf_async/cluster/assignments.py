"""Assignment of videos to workers, including those of lost workers. Pure.

Workers request videos, and get them in the order of the plan. None gets more than its equal share of the
remaining ones, so that the first worker does not take those with which the others could start. A worker that
is lost costs each of its videos one attempt, and recorded clips are not requested again.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hdtf_async.dataset.plan import VideoJob


class Roster:
    """The videos of a run, and the workers that process them."""

    def __init__(self) -> None:
        self._waiting: deque[VideoJob] = deque()
        self._held: dict[str, dict[str, VideoJob]] = {}
        """Worker to its videos, by YouTube id."""
        self._asking: deque[tuple[str, int]] = deque()
        """Workers that wait for a video, each with the number of its request."""
        self._settled: set[str] = set()
        """Stems of clips that are done, or have failed permanently."""
        self._losses: Counter[str] = Counter()

    @property
    def is_over(self) -> bool:
        """Whether no video waits, and none that was assigned can come back."""
        return not self._waiting and not any(self._held.values())

    def add(self, works: Iterable[VideoJob]) -> None:
        """Add videos that wait for a worker."""
        self._waiting.extend(works)

    def close(self) -> None:
        """Assign nothing more; waiting videos are dropped, and so are those that come back."""
        self._waiting = deque(maxlen=0)

    def joined(self, worker: str) -> None:
        """Add a worker; a known one is unchanged."""
        self._held.setdefault(worker, {})

    def asks(self, worker: str, number: int) -> None:
        """Register a worker's request for one more video."""
        if worker in self._held:
            self._asking.append((worker, number))

    def dismissed(self, worker: str | None = None) -> list[tuple[str, int]]:
        """Return the pending requests, or those of one worker, and remove them."""
        asking = [each for each in self._asking if worker in {None, each[0]}]
        self._asking = deque(each for each in self._asking if each not in asking)
        return asking

    def handed(self) -> Iterator[tuple[str, int, VideoJob]]:
        """Yield worker, request number and video for each assignment: the least busy worker first."""
        while self._asking and self._waiting:
            asking = min(self._asking, key=lambda each: len(self._held[each[0]]))
            worker, number = asking
            left = len(self._waiting) + sum(map(len, self._held.values()))
            if len(self._held[worker]) >= -(-left // len(self._held)):
                return
            self._asking.remove(asking)
            work = self._waiting.popleft()
            self._held[worker][work.youtube_id] = work
            yield worker, number, work

    def settled(self, stem: str) -> None:
        """Register that a clip has a record of any kind."""
        self._settled.add(stem)

    def finished(self, worker: str, youtube_id: str, *, again: bool = False) -> None:
        """Register that a worker has finished a video; its remaining clips may be for another."""
        work = self._held.get(worker, {}).pop(youtube_id, None)
        if work is not None and again:
            self._put_back([work])
        for clip in work.clips if work is not None and not again else ():
            self._settled.discard(clip.stem)  # it is not requested again

    def left(self, worker: str) -> None:
        """Register that a worker has left the run; its videos go to others, without counting an attempt."""
        self._put_back(self._gone(worker))

    def lost(self, worker: str) -> tuple[list[VideoJob], list[VideoJob]]:
        """Register that a worker died; return which of its videos are retried, and which have failed."""
        again: list[VideoJob] = []
        given_up: list[VideoJob] = []
        for work in self._gone(worker):
            self._losses[work.youtube_id] += 1
            rest = self._rest(work)
            if rest is not None:
                some = self._losses[work.youtube_id] < Reason.WORKER_LOST.advice.tries
                (again if some else given_up).append(rest)
        self._put_back(again)
        return again, given_up

    def _gone(self, worker: str) -> list[VideoJob]:
        self._asking = deque(each for each in self._asking if each[0] != worker)
        return [*self._held.pop(worker, {}).values()]

    def _put_back(self, works: list[VideoJob]) -> None:
        """Put videos back first in the queue, without their settled clips."""
        for work in reversed(works):
            rest = self._rest(work)
            if rest is not None and self._waiting.maxlen is None:
                self._waiting.appendleft(rest)

    def _rest(self, work: VideoJob) -> VideoJob | None:
        clips = tuple(clip for clip in work.clips if clip.stem not in self._settled)
        return replace(work, clips=clips) if clips else None
