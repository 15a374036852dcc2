"""The driver's side of `VideoWorker`: collects what other processes do for a run, and emits their events.

It decides how many videos are assigned (`Window`), and who enters the network lane if all processes share one
address (`Admissions`).
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync

from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.events import (
    ClipDone,
    ClipFailed,
    Downloaded,
    DownloadStarted,
    RawReady,
    Retrying,
    VideoFailed,
)
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.merged_events import MergedEvents
from hdtf_async.core.model import PaceScope
from hdtf_async.lanes.remote_throttle import Admissions, LaneUse
from hdtf_async.lanes.sliding_window import Window
from hdtf_async.lanes.throttle import Pacing
from hdtf_async.lanes.video_worker import DECODER, Ready, Withdrawn
from hdtf_async.output import atomic, partials, video_journal
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.locks import WORKERS, busy_workers
from hdtf_async.output.manifests import failure_record
from hdtf_async.output.object_store.directory import UploadDirectory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Iterable, Iterator

    from anyio.abc import TaskGroup

    from hdtf_async.core.events import Event
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.context import RunContext
    from hdtf_async.lanes.remote_throttle import Admission

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # a library prints nothing by itself


class Collector:
    """Collects the results of one run."""

    def __init__(
        self, run: RunContext, tasks: TaskGroup, answer: Callable[[str, Admission], Awaitable[object]]
    ) -> None:
        """`answer` sends the answer to an attempt that waits for the network lane (`Admissions`)."""
        self.versions: dict[str, str] = {}
        """Tool to version, of the first process."""
        shared = run.options.pace_scope is PaceScope.CLUSTER
        self.window = Window(run.options.pace, shared=shared)
        self._emit = run.events.emit
        self._events = MergedEvents(run.events.emit)
        self._directory = run.directory
        self._lane: Admissions | None = None
        if shared:
            pacing = Pacing(pace=run.options.pace, cool_down=run.options.cool_down)
            self._lane = Admissions(pacing, run.events, tasks, answer)

    @property
    def closed(self) -> Failure | None:
        """Why no download may start any more, if all processes share one address."""
        return None if self._lane is None else self._lane.throttle.over

    @property
    def encodes(self) -> int:
        """Number of running encodes."""
        return len(self._events.encoding)

    def finish(self) -> None:
        """Let no download start any more."""
        if self._lane is not None:
            self._lane.throttle.end()

    async def begin(self, job: VideoJob) -> list[Record]:
        """Expect the results of a video; return what the journal has about it. Raises `Failure`."""
        self._events.begin(_stems(job))
        known = self._directory.known
        again = [clip.stem for clip in job.clips if clip.stem in known.clips]
        if again and isinstance(self._directory, UploadDirectory):
            # The other process records this only locally.
            await self._directory.append(*({"type": "replacing", "clip": stem} for stem in again))
        return known.about(job.youtube_id, [clip.stem for clip in job.clips])

    async def add(self, job: VideoJob, records: list[Record]) -> VideoJob:
        """Record what was done for a video; return what is left of it. Raises `Failure`."""
        await self._directory.append(*records)
        if not isinstance(self._directory, UploadDirectory):
            await run_sync(video_journal.forget, self._directory.out, job.stem)
        over = set[str]()
        for record in records:
            if record["type"] in {"clip", "failed"}:
                over.add(record["clip"])
                self._events.take("", _end(record))  # the process may have died before it could
            elif record["type"] == "cuts":
                over.add(record["clip"])  # its parts are processed later
        return replace(job, clips=tuple(clip for clip in job.clips if clip.stem not in over))

    def lost(self, job: VideoJob, words: str) -> None:
        """Expect a video to begin once more, in another process."""
        self.window.again(job.stem)
        self._emit(Retrying(job.stem, Reason.WORKER_LOST, words, 0.0, job.attempt))

    async def give_up(self, job: VideoJob, failure: Failure) -> None:
        """Record that the rest of a video failed. Raises `Failure`."""
        reason, words = failure.reason, failure.words
        self._emit(VideoFailed(job.stem, job.youtube_id, reason, words, len(job.clips)))
        await self._directory.append(*(failure_record(clip, failure) for clip in job.clips))
        for clip in job.clips:
            self._events.take("", ClipFailed(clip.stem, reason, words, with_video=True))

    def end(self, job: VideoJob) -> None:
        """Expect nothing more of a video."""
        self._events.end(_stems(job))
        self.window.end(job.stem)

    def receive(self, message: object, processes: Container[str]) -> Iterator[tuple[str, Failure]]:
        """Take events that one of these processes has sent (`VideoWorker`); drop what is malformed.

        Yield the process and the reason if it takes no more videos.
        """
        given: dict[str, Any] = message if isinstance(message, dict) else {}
        process = str(given.get("process"))
        try:
            events = json.loads(given["events"]) if process in processes else []
        except (KeyError, TypeError, ValueError, RecursionError):
            _log.warning("malformed message: %.80r", message)
            return
        for each in events if isinstance(events, list) else [events]:
            try:
                event = DECODER.decode(each)
            except ValueError as error:
                _log.warning("malformed event of %s: %s", process, error)
                continue
            if isinstance(event, Withdrawn):
                yield process, Failure(event.reason, event.words)
            else:
                self._take(process, event)

    def _take(self, process: str, event: Event) -> None:
        match event:
            case Ready():
                self.versions = self.versions or event.versions
                self._events.joined(process)
                self._emit(self.window.change(process, event))
            case LaneUse() if self._lane is not None:
                self._lane.take(process, event)
            case _:
                if isinstance(event, Downloaded | RawReady):
                    self.window.downloaded(event.video)
                elif isinstance(event, DownloadStarted):
                    self.window.again(event.video)
                self._events.take(process, event)

    def withdraw(self, process: str) -> None:
        """Take note that a process takes no more videos."""
        if process in self.window:
            self._emit(self.window.change(process, None))

    def gone(self, process: str) -> None:
        """Take note that a process has died."""
        self.withdraw(process)
        self._events.left(process)
        if self._lane is not None:
            self._lane.gone(process)

    async def close(self) -> None:
        """Add what other processes have left behind, if all of them have ended. Raises `Failure`."""
        out = self._directory.out
        if isinstance(self._directory, UploadDirectory):
            return
        with os_errors_as_failures(out / WORKERS):
            if await run_sync(busy_workers, out):
                return  # the next run waits for them
            await video_journal.add_left(out, self._add_left)
            if self._events.any_left:  # files of a process that was killed are nobody's
                await run_sync(atomic.sweep, out)
                await run_sync(atomic.sweep, self._directory.source_videos_path, partials.tidy)

    async def _add_left(self, records: Iterable[Record]) -> None:
        await self._directory.append(*records)


def _stems(job: VideoJob) -> list[str]:
    return [job.stem, *(clip.stem for clip in job.clips)]


def _end(record: Record) -> ClipDone | ClipFailed:
    """Return the event of a clip that is recorded."""
    if record["type"] == "failed":
        return ClipFailed(record["clip"], Reason(record["reason"]), record["words"], with_video=False)
    made = ClipRecord.of(record)
    missing = made.ends_early or 0.0
    seconds = (made.end or 0.0) - (made.start or 0.0) - (made.starts_late or 0.0) - missing
    took, name = record.get("took", 0.0), made.file_name or ""
    return ClipDone(record["clip"], name, seconds, made.bytes or 0, took, missing)
