"""Tools and lanes for processing videos.

A run has one toolchain for all of its videos; so has each worker of a cluster, for those that it is sent.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core import preflight
from hdtf_async.core.exceptions import unwrap_exception_group
from hdtf_async.core.failures import Failure
from hdtf_async.core.memory import available_memory
from hdtf_async.core.preflight import Status
from hdtf_async.core.steps import steps
from hdtf_async.core.system import own_version
from hdtf_async.lanes import existing_parts
from hdtf_async.lanes.downloader import Downloader
from hdtf_async.lanes.encoder import Encoder
from hdtf_async.lanes.limits import backoff
from hdtf_async.lanes.pipeline import Pipeline, PipelineParts
from hdtf_async.lanes.throttle import HOUR, Pacing, Throttle, extractions_that_fit
from hdtf_async.lanes.track_files import TrackWriter, with_tracks
from hdtf_async.lanes.transfers import TransferLimiter
from hdtf_async.media import ffmpeg
from hdtf_async.media.face.finder import open_finder
from hdtf_async.media.ffmpeg import find_ffmpeg
from hdtf_async.media.probe import Prober
from hdtf_async.output.manifests import failure_record
from hdtf_async.process.guard import guarding
from hdtf_async.youtube.javascript import JavaScript, private_cache
from hdtf_async.youtube.ytdlp import YtDlp, look_at_cookies, require_yt_dlp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.preflight import CheckResult
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.context import RunContext
    from hdtf_async.lanes.downloader import Download
    from hdtf_async.lanes.source_videos import SourceVideo
    from hdtf_async.output.video_journal import BufferedLedger


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Tools and lanes, ready for videos of one directory; created by `open_toolchain`."""

    run: RunContext
    throttle: Throttle
    downloader: Downloader
    encoder: Encoder
    prober: Prober
    """Probes source videos; the encoder has a separate one for clips."""
    javascript: JavaScript
    ffmpeg_version: ffmpeg.FfmpegVersion
    encode_lane: Encoder | TrackWriter
    """The encoder, which also writes tracks if the dataset has some."""

    @property
    def versions(self) -> dict[str, str]:
        """Tool to version, for the metadata."""
        return self.encoder.versions

    def pipeline(self) -> Pipeline[Download, SourceVideo]:
        """Return a pipeline for some videos; all of them share limits, pace and circuit breaker."""
        parts = PipelineParts(
            lanes=self.run.lanes,
            throttle=self.throttle,
            downloader=self.downloader,
            encoder=self.encode_lane,
            private_directory=self.run.directory.private_directory,
            record_failure=self._record_failure,
            events=self.run.events,
            keep_raw=self.run.options.keeps_raws,
            backoff=partial(backoff, first=self.run.options.retry_wait),
        )
        return Pipeline(parts)

    async def get_ready(self, jobs: Iterable[VideoJob]) -> None:
        """Raise `Failure` if something would fail for every one of these videos.

        JavaScript is tested only if a video must be downloaded, and while the prober starts.
        """
        downloads = await run_sync(self._require_ready, jobs)
        with unwrap_exception_group():
            async with anyio.create_task_group() as group:
                if downloads:
                    group.start_soon(self.javascript.require, self.run.directory.out)
                await self.prober.ready()

    async def one_video(
        self, job: VideoJob, ledger: BufferedLedger, finish: anyio.Event | None = None
    ) -> tuple[list[Record], Failure | None]:
        """Process one video completely, for a driver that writes the journal.

        `ledger` is that of the toolchain's directory. Returns the records to write, including failures, and
        why nothing more should be sent here, if so: a local error, or YouTube is blocking this IP address.
        """
        if not await run_sync(self.downloader.expects_existing, job):
            try:
                await self.javascript.require(self.run.directory.out)
            except Failure as failure:
                return [], failure
        with ledger.buffering() as records:
            pipeline = self.pipeline()
            await pipeline.run((job,), finish)
        return records, pipeline.stopped or pipeline.closed

    async def _record_failure(self, job: VideoJob, failure: Failure) -> None:
        await self.run.directory.append(*(failure_record(clip, failure) for clip in job.clips))

    def _require_ready(self, jobs: Iterable[VideoJob]) -> bool:
        """Raise `Failure` if something would fail for every video; `doctor` checks more.

        It takes a few milliseconds, and starts no additional process. Returns whether a video must be
        downloaded.
        """
        options = self.run.options
        signs: list[CheckResult | None] = [
            preflight.of_ffmpeg(
                self.ffmpeg_version.version, self.ffmpeg_version.switches, keeps_rate=options.fps is None
            )
        ]
        known = self.run.directory.known
        least = [
            existing_parts.least_bytes(known, job, options)
            for job in steps(jobs)
            if not self.downloader.expects_existing(job)
        ]
        if least:
            free = self.run.directory.free_bytes()
            disk_space = preflight.of_disk_space(
                free=free, min_free=options.min_free, least=least, keep_raw=options.keeps_raws
            )
            signs += [look_at_cookies(options, time.time()), disk_space]
        for sign in signs:
            if sign is not None and sign.verdict is Status.WRONG:
                raise Failure(sign.reason, f"{sign.words}: {sign.remedy}")
        return bool(least)


@asynccontextmanager
async def open_toolchain(
    run: RunContext, *, videos: int | None = None, throttle: Throttle | None = None
) -> AsyncIterator[Toolchain]:
    """Prepare for a number of videos, None if unknown. Raises `Failure`: a tool is missing."""
    options, directory, settings = run.options, run.directory, run.options.output_settings
    tool = await run_sync(find_ffmpeg, options)
    require_yt_dlp(options)
    ffmpeg_version = await ffmpeg.read_version(tool)
    versions = {"hdtf_async": own_version(), "ffmpeg": ffmpeg_version.version}
    width = int(run.lanes.network.total_tokens)
    width = width if videos is None else min(width, videos)
    # A separate process for clips: their verification must not wait for hours of a source video.
    async with (
        guarding(*directory.locks) as guard,
        Prober(guard) as prober,
        Prober(guard) as clip_prober,
        private_cache(guard) as environment,
    ):
        finder = await open_finder(options, tool, guard)
        if finder is not None:
            versions |= await run_sync(finder.versions)
        yt_dlp = YtDlp(options, tool, guard, environment)
        encoder = Encoder(
            settings,
            directory,
            tool,
            versions,
            clip_prober,
            run.events,
            guard,
            finder,
            measures=not options.no_facts,
        )
        yield Toolchain(
            run,
            throttle or throttle_for(run),
            Downloader(run, yt_dlp, prober, width=width),
            encoder,
            prober,
            JavaScript(options, yt_dlp),
            ffmpeg_version,
            await run_sync(with_tracks, encoder, options),
        )


def throttle_for(run: RunContext) -> Throttle:
    """Return the throttle of the network lane; recent queries of a census of this directory count there."""
    ages = run.directory.known.census_ages(datetime.now(UTC))
    pacing = Pacing(
        pace=run.options.pace,
        cool_down=run.options.cool_down,
        earlier=[anyio.current_time() - seconds for seconds in ages if seconds < HOUR],
        most_asking=extractions_that_fit(available_memory()),
    )
    # With --limit-rate each download gets a part of that rate, so that the total does not grow with them.
    limited = run.options.limit_rate is not None
    transfers = None if limited else TransferLimiter(run.lanes.encodes.total_tokens)
    return Throttle(run.lanes.network, run.lanes.encodes, pacing, run.events, transfers)
