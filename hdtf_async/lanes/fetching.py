"""One download by yt-dlp: its disk space, its part of the bandwidth, and its progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.events import DownloadProgress
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.lanes.limits import BandwidthLimiter
from hdtf_async.youtube.ranges import in_ranges

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.context import RunContext
    from hdtf_async.lanes.throttle import Permit
    from hdtf_async.youtube.formats import Format
    from hdtf_async.youtube.ytdlp import Progress, YtDlp


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to download a video, after its extraction."""

    job: VideoJob
    info: Mapping[str, Any]
    directory: Path
    """Private to the video."""
    permit: Permit


@dataclass(frozen=True, slots=True)
class Amount:
    """What a download will bring, in bytes."""

    least: int
    """Lower bound of its size."""
    size: int | None
    """Its size, if announced."""
    resumed: int = 0
    """How many of these bytes exist already."""
    ranges: Sequence[tuple[int, int]] | None = None
    """The byte ranges to download; None for the whole file."""


class Fetching:
    """Runs the downloads of one process."""

    def __init__(self, run: RunContext, tool: YtDlp, in_use: Collection[str], width: int) -> None:
        """`in_use` are the videos whose clips are being cut; `width` downloads share the bandwidth."""
        self._options = run.options
        self._store = run.directory
        self._events = run.events
        self._tool = tool
        self._in_use = in_use
        self._rate = BandwidthLimiter(run.options.limit_rate, width)
        self._still_to_come: dict[str, int] = {}
        """Bytes that running downloads will still write, by video."""

    async def run(self, attempt: Attempt, fmt: Format, target: Path, amount: Amount) -> None:
        """Let yt-dlp download a format, or ranges of it. Raises `Failure`."""
        job, info = attempt.job, attempt.info
        if amount.ranges is not None:
            info, fmt = in_ranges(info, fmt, amount.ranges)
        await self._reserve(job, max(0, amount.least - amount.resumed))
        reported = amount.resumed

        def on_progress(progress: Progress) -> None:
            nonlocal reported
            if progress.bytes > amount.resumed:
                attempt.permit.succeeded()
            # yt-dlp estimates the total of ranges from the first of them.
            total = (progress.total if amount.ranges is None else None) or amount.size
            left = None if total is None else total - progress.bytes
            attempt.permit.received(progress.bytes - reported, left)
            reported = progress.bytes
            self._still_to_come[job.stem] = max(0, (total or amount.least) - progress.bytes)
            self._events.emit(DownloadProgress(job.stem, progress.bytes, total, progress.speed))

        try:
            async with self._rate.part() as part:
                await self._tool.fetch(info, fmt, target, on_progress, rate=part)
        finally:
            # Before the next file of this video reserves space: it must not wait for this one.
            self._still_to_come.pop(job.stem, None)

    async def _reserve(self, job: VideoJob, size: int) -> None:
        """Reserve `size` bytes for a download, or refuse to start it.

        It waits while other downloads run that may turn out smaller, or a source video may be deleted soon.
        """
        while True:
            free = await run_sync(self._store.free_bytes)
            left = free - sum(self._still_to_come.values()) - size
            may_become_more = self._still_to_come or (self._in_use and not self._options.keeps_raws)
            if left >= self._options.min_free or not may_become_more:
                break
            await anyio.sleep(1)
        if left < self._options.min_free:
            raise Failure(
                Reason.DISK_FULL,
                f"{free / 1e9:.1f} GB free; with the remaining download less than"
                f" --min-free {self._options.min_free / 1e9:g}G would be left",
            )
        self._still_to_come[job.stem] = size
