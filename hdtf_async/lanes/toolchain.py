"""What videos are made with: tools, lanes, and the unit of the work, one video.

A run has one workshop for all of its videos; so has each worker of a cluster, for those that it is sent.
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
from hdtf_async.lanes.downloader import Downloader
from hdtf_async.lanes.encoder import Encoder
from hdtf_async.lanes.limits import backoff
from hdtf_async.lanes.pipeline import Pipeline, PipelineParts
from hdtf_async.lanes.throttle import HOUR, Pacing, Throttle, asks_that_fit
from hdtf_async.media import ffmpeg
from hdtf_async.media.face import finder as faces
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
    from hdtf_async.lanes.raws import Raw
    from hdtf_async.output.journal import Gathered


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Tools and lanes, ready for videos of one directory. Made by `workshop`."""

    run: RunContext
    entrance: Throttle
    fetcher: Downloader
    cutter: Encoder
    prober: Prober
    """Reads source videos; the cutter has one of its own for clips."""
    javascript: JavaScript
    about: ffmpeg.About

    @property
    def versions(self) -> dict[str, str]:
        """Tool to version, for the metadata."""
        return self.cutter.versions

    def pipeline(self) -> Pipeline[Download, Raw]:
        """Return lanes for some videos; all that come from here share limits, pace and breaker."""
        parts = PipelineParts(
            lanes=self.run.lanes,
            entrance=self.entrance,
            fetching=self.fetcher,
            cutting=self.cutter,
            private_directory=self.run.directory.private_directory,
            record_failure=self._record_failure,
            events=self.run.events,
            keep_raw=self.run.options.keeps_raws,
            backoff=partial(backoff, first=self.run.options.retry_wait),
        )
        return Pipeline(parts)

    async def get_ready(self, works: Iterable[VideoJob]) -> None:
        """Raise `Failure` where something would fail for every one of these videos alike.

        JavaScript is tested only where a video has to be downloaded, and while the prober starts.
        """
        downloads = await run_sync(self._require_ready, works)
        with unwrap_exception_group():
            async with anyio.create_task_group() as group:
                if downloads:
                    group.start_soon(self.javascript.require, self.run.directory.out)
                await self.prober.ready()

    async def one_video(
        self, work: VideoJob, ledger: Gathered, finish: anyio.Event | None = None
    ) -> tuple[list[Record], Failure | None]:
        """Do all that a run does for one video, for whoever writes the journal.

        `ledger` is the one of the shop's directory. Returns the records that are to be written, also those
        of what could not be had, and why nothing more should be sent here, if that is so: local trouble, or
        YouTube refusing this address.
        """
        if not await run_sync(self.fetcher.expects_at_hand, work):
            try:
                await self.javascript.require(self.run.directory.out)
            except Failure as failure:
                return [], failure
        with ledger.gathering() as records:
            pipeline = self.pipeline()
            await pipeline.run((work,), finish)
        return records, pipeline.stopped or pipeline.closed

    async def _record_failure(self, work: VideoJob, failure: Failure) -> None:
        await self.run.directory.append(*(failure_record(clip, failure) for clip in work.clips))

    def _require_ready(self, works: Iterable[VideoJob]) -> bool:
        """Raise `Failure` where something would fail for every video alike; `doctor` looks closer.

        It costs a few milliseconds, and no process that is not started anyway. Returns whether a video has to
        be downloaded.
        """
        options = self.run.options
        signs: list[CheckResult | None] = [
            preflight.of_ffmpeg(self.about.version, self.about.switches, keeps_rate=options.fps is None)
        ]
        least = [work.least_bytes for work in steps(works) if not self.fetcher.expects_at_hand(work)]
        if least:
            free = self.run.directory.free_bytes()
            room = preflight.of_room(
                free=free, min_free=options.min_free, least=least, keep_raw=options.keeps_raws
            )
            signs += [look_at_cookies(options, time.time()), room]
        for sign in signs:
            if sign is not None and sign.verdict is Status.WRONG:
                raise Failure(sign.reason, f"{sign.words}: {sign.remedy}")
        return bool(least)


@asynccontextmanager
async def open_toolchain(
    run: RunContext, *, videos: int | None = None, entrance: Throttle | None = None
) -> AsyncIterator[Toolchain]:
    """Get ready for so many videos, or for nobody knows how many. Raises `Failure`: a tool is missing."""
    options, directory = run.options, run.directory
    tool = await run_sync(find_ffmpeg, options)
    require_yt_dlp(options)
    about = await ffmpeg.about(tool)
    versions = {"hdtf_async": own_version(), "ffmpeg": about.version}
    width = int(run.lanes.network.total_tokens)
    width = width if videos is None else min(width, videos)
    # A process of its own for clips: their checks must not wait until hours of a source video are read.
    async with (
        guarding(*directory.locks) as guard,
        Prober(guard) as prober,
        Prober(guard) as clip_prober,
        private_cache(guard) as environment,
    ):
        finder = await faces.finder(options, tool, guard)
        if finder is not None:
            versions |= await run_sync(finder.versions)
        yt_dlp = YtDlp(options, tool, guard, environment)
        yield Toolchain(
            run,
            entrance or entrance_for(run),
            Downloader(run, yt_dlp, prober, width=width),
            Encoder(options.form, directory, tool, versions, clip_prober, run.events, guard, finder),
            prober,
            JavaScript(options, yt_dlp),
            about,
        )


def entrance_for(run: RunContext) -> Throttle:
    """Return the entrance to the network lane; what a census of this directory asked lately counts there."""
    ages = run.directory.known.census_ages(datetime.now(UTC))
    pacing = Pacing(
        pace=run.options.pace,
        cool_down=run.options.cool_down,
        earlier=[anyio.current_time() - seconds for seconds in ages if seconds < HOUR],
        most_asking=asks_that_fit(available_memory()),
    )
    return Throttle(run.lanes.network, run.lanes.encodes, pacing, run.events)
