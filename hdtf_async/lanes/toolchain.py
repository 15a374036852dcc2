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
from hdtf_async.lanes.limits import TransferLimiter, backoff
from hdtf_async.lanes.pipeline import Pipeline
from hdtf_async.lanes.throttle import HOUR, Throttle, asks_that_fit
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

    from hdtf_async.core.events import EventBus
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.options import Options
    from hdtf_async.core.preflight import CheckResult
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.downloader import Download
    from hdtf_async.lanes.limits import Lanes
    from hdtf_async.lanes.raws import Raw
    from hdtf_async.lanes.user_videos import OwnFiles
    from hdtf_async.output.directory import OutputDirectory
    from hdtf_async.output.journal import Gathered, JournalIndex


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Tools and lanes, ready for videos of one directory. Made by `workshop`."""

    options: Options
    lanes: Lanes
    entrance: Throttle
    directory: OutputDirectory
    fetcher: Downloader
    cutter: Encoder
    prober: Prober
    """Reads source videos; the cutter has one of its own for clips."""
    javascript: JavaScript
    about: ffmpeg.About
    events: EventBus

    @property
    def versions(self) -> dict[str, str]:
        """Tool to version, for the metadata."""
        return self.cutter.versions

    def pipeline(self) -> Pipeline[Download, Raw]:
        """Return lanes for some videos; all that come from here share limits, pace and breaker."""
        return Pipeline(
            lanes=self.lanes,
            entrance=self.entrance,
            keep_raw=self.options.keeps_raws,
            fetching=self.fetcher,
            cutting=self.cutter,
            private_directory=self.directory.private_directory,
            record_failure=self._record_failure,
            events=self.events,
            backoff=partial(backoff, first=self.options.retry_wait),
        )

    async def get_ready(self, works: Iterable[VideoJob]) -> None:
        """Raise `Failure` where something would fail for every one of these videos alike.

        JavaScript is tested only where a video has to be downloaded, and while the prober starts.
        """
        downloads = await run_sync(
            require_ready, works, self.options, self.directory, self.fetcher, self.about
        )
        with unwrap_exception_group():
            async with anyio.create_task_group() as group:
                if downloads:
                    group.start_soon(self.javascript.require, self.directory.out)
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
                await self.javascript.require(self.directory.out)
            except Failure as failure:
                return [], failure
        with ledger.gathering() as records:
            pipeline = self.pipeline()
            await pipeline.run((work,), finish)
        return records, pipeline.stopped or pipeline.closed

    async def _record_failure(self, work: VideoJob, failure: Failure) -> None:
        await self.directory.append(*(failure_record(clip, failure) for clip in work.clips))


@asynccontextmanager
async def open_toolchain(  # noqa: PLR0913 - what videos are made with
    options: Options,
    lanes: Lanes,
    directory: OutputDirectory,
    events: EventBus,
    *,
    own: OwnFiles,
    videos: int | None = None,
    entrance: Throttle | None = None,
) -> AsyncIterator[Toolchain]:
    """Get ready for so many videos, or for nobody knows how many. Raises `Failure`: a tool is missing."""
    tool = await run_sync(find_ffmpeg, options)
    require_yt_dlp(options)
    about = await ffmpeg.about(tool)
    versions = {"hdtf_async": own_version(), "ffmpeg": about.version}
    width = int(lanes.network.total_tokens)
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
            options,
            lanes,
            entrance or entrance_for(options, lanes, directory.known, events),
            directory,
            Downloader(options, directory, yt_dlp, prober, events, own=own, width=width),
            Encoder(options.form, directory, tool, versions, clip_prober, events, guard, finder),
            prober,
            JavaScript(options, yt_dlp),
            about,
            events,
        )


def entrance_for(options: Options, lanes: Lanes, known: JournalIndex, events: EventBus) -> Throttle:
    """Return the entrance to the network lane; what a census of this directory asked lately counts there."""
    ago = [seconds for seconds in known.census_ages(datetime.now(UTC)) if seconds < HOUR]
    return Throttle(
        lanes.network, lanes.encodes, pace=options.pace, cool_down=options.cool_down, events=events,
        earlier=[anyio.current_time() - seconds for seconds in ago],
        most_asking=asks_that_fit(available_memory()),
        # With a limit of bytes a second each download is told its part of it.
        transfers=TransferLimiter(lanes.encodes.total_tokens) if options.limit_rate is None else None,
    )  # fmt: skip


def require_ready(
    works: Iterable[VideoJob],
    options: Options,
    directory: OutputDirectory,
    fetcher: Downloader,
    about: ffmpeg.About,
) -> bool:
    """Raise `Failure` where something would fail for every video alike; `doctor` looks closer.

    It costs a few milliseconds, and no process that is not started anyway. Returns whether a video has to be
    downloaded.
    """
    signs: list[CheckResult | None] = [
        preflight.of_ffmpeg(about.version, about.switches, keeps_rate=options.fps is None)
    ]
    least = [work.least_bytes for work in steps(works) if not fetcher.expects_at_hand(work)]
    if least:
        free = directory.free_bytes()
        signs += [
            look_at_cookies(options, time.time()),
            preflight.of_room(free=free, min_free=options.min_free, least=least, keep_raw=options.keeps_raws),
        ]
    for sign in signs:
        if sign is not None and sign.verdict is Status.WRONG:
            raise Failure(sign.reason, f"{sign.words}: {sign.remedy}")
    return bool(least)
