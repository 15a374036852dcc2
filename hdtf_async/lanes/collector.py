"""The driver's side of `VideoServer`: records what other processes do for a run, and emits their events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from hdtf_async.core.events import ClipDone, ClipFailed, VideoFailed
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.merged_events import MergedEvents
from hdtf_async.output import atomic, partials, video_journal
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.locks import WORKERS, busy_workers
from hdtf_async.output.manifests import failure_record
from hdtf_async.output.object_store.directory import UploadDirectory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.context import RunContext


class Collector:
    """Collects the results of one run."""

    def __init__(self, run: RunContext) -> None:
        self.events = MergedEvents(run.events.emit)
        self._directory = run.directory

    async def begin(self, video: VideoJob) -> list[Record]:
        """Expect the results of a video; return what the journal has about it. Raises `Failure`."""
        self.events.begin(_stems(video))
        known = self._directory.known
        again = [clip.stem for clip in video.clips if clip.stem in known.clips]
        if again and isinstance(self._directory, UploadDirectory):
            # The other process records this only locally.
            await self._directory.append(*({"type": "replacing", "clip": stem} for stem in again))
        return known.about(video.youtube_id, [clip.stem for clip in video.clips])

    async def add(self, video: VideoJob, records: list[Record]) -> VideoJob:
        """Record what was done for a video; return what is left of it. Raises `Failure`."""
        await self._directory.append(*records)
        if not isinstance(self._directory, UploadDirectory):
            await run_sync(video_journal.forget, self._directory.out, video.stem)
        over = set[str]()
        for record in records:
            if record["type"] in {"clip", "failed"}:
                over.add(record["clip"])
                self.events.take("", _end(record))  # the process may have died before it could
        return replace(video, clips=tuple(clip for clip in video.clips if clip.stem not in over))

    async def give_up(self, video: VideoJob, failure: Failure) -> None:
        """Record that the rest of a video failed. Raises `Failure`."""
        reason, words = failure.reason, failure.words
        self.events.take("", VideoFailed(video.stem, video.youtube_id, reason, words, len(video.clips)))
        await self._directory.append(*(failure_record(clip, failure) for clip in video.clips))
        for clip in video.clips:
            self.events.take("", ClipFailed(clip.stem, reason, words, with_video=True))

    def end(self, video: VideoJob) -> None:
        """Expect nothing more of a video."""
        self.events.end(_stems(video))

    async def close(self) -> None:
        """Add what other processes have left behind, if all of them have ended. Raises `Failure`."""
        out = self._directory.out
        if isinstance(self._directory, UploadDirectory):
            return
        with os_errors_as_failures(out / WORKERS):
            if await run_sync(busy_workers, out):
                return  # the next run waits for them
            await video_journal.add_left(out, self._add_left)
            if self.events.any_left:  # files of a process that was killed are nobody's
                await run_sync(atomic.sweep, out)
                await run_sync(atomic.sweep, self._directory.raws, partials.tidy)

    async def _add_left(self, records: Iterable[Record]) -> None:
        await self._directory.append(*records)


def _stems(video: VideoJob) -> list[str]:
    return [video.stem, *(clip.stem for clip in video.clips)]


def _end(record: Record) -> ClipDone | ClipFailed:
    """Return the event of a clip that is recorded."""
    if record["type"] == "failed":
        return ClipFailed(record["clip"], Reason(record["reason"]), record["words"], with_video=False)
    made = record["metadata"]
    missing = made.get("ends_early", 0.0)
    seconds = made["end"] - made["start"] - made.get("starts_late", 0.0) - missing
    return ClipDone(record["clip"], made["file_name"], seconds, made["bytes"], record["took"], missing)
