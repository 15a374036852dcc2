"""Query YouTube for every video, without downloading any.

A census is a run of videos without clips: the same pipeline with its pace, circuit breaker and retries, in
which "downloading" a video only extracts it. Answers are kept in the journal, so that an interrupted census
can be resumed, and recent answers are reused. ``census.csv`` is derived from them: one line for each row of
the tables.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync

from hdtf_async.commands.constants import FRESH
from hdtf_async.core.events import DownloadStarted, RunStarted, VideoAsked
from hdtf_async.core.failures import Action, ExitCode, Failure, Reason
from hdtf_async.core.job import to_end, under_way
from hdtf_async.core.model import Resolution
from hdtf_async.core.options import Options
from hdtf_async.core.steps import steps
from hdtf_async.core.system import own_version
from hdtf_async.dataset import plan
from hdtf_async.lanes.context import RunContext
from hdtf_async.lanes.limits import Lanes, backoff
from hdtf_async.lanes.pipeline import Pipeline, PipelineParts
from hdtf_async.lanes.toolchain import throttle_for
from hdtf_async.media.ffmpeg import find_ffmpeg
from hdtf_async.output.directory import open_directory, run_record
from hdtf_async.output.location import local_directory
from hdtf_async.process.guard import guarding
from hdtf_async.report.result import exit_code_of
from hdtf_async.run import LAST_MANIFESTS, read_tables
from hdtf_async.youtube import formats
from hdtf_async.youtube.formats import Choice
from hdtf_async.youtube.javascript import JavaScript, private_cache
from hdtf_async.youtube.ytdlp import SAMPLE, YtDlp

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from os import PathLike

    from hdtf_async.core.event_bus import EventBus
    from hdtf_async.core.job import Running
    from hdtf_async.core.model import Clip, Tables, Video
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.throttle import Permit
    from hdtf_async.output.directory import OutputDirectory

CENSUS = "census.csv"
COLUMNS = (
    "subset", "name", "youtube_id", "reference_height", "clips", "availability", "height", "fps", "format_id",
    "codec", "bytes", "seconds", "reason", "what_to_do", "asked",
)  # fmt: skip
"""Of the CSV. Height in pixels, duration of the video in seconds, `asked` in UTC."""


class Availability(StrEnum):
    """Availability of a video."""

    REFERENCE = "reference"
    """Available at the height to which its boxes refer."""
    OTHER = "other_height"
    """Available at another height: its boxes are scaled."""
    NEEDS_YOU = "needs_you"
    """Unavailable until the user does something; the reason says what."""
    GONE = "gone"
    """Permanently unavailable."""
    PASSING = "passing"
    """Unknown because of a temporary failure."""
    NOT_ASKED = "not_asked"
    """Not queried yet."""


@dataclass(slots=True)
class Census:
    """The result of a census."""

    videos: Counter[Availability] = field(default_factory=Counter)
    """Selected rows of the tables by availability."""
    reasons: Counter[Reason] = field(default_factory=Counter)
    """Unavailable rows of the tables by reason."""
    unanswered: Counter[Reason] = field(default_factory=Counter)
    """Rows of the tables whose availability is still unknown, by reason."""
    asked: int = 0
    """Number of videos that were queried now."""
    stopped: Failure | None = None
    """Why it ended early, if it did."""
    seconds: float = 0.0

    @property
    def exit_code(self) -> ExitCode:
        """0 if every video has an answer, whatever that is; otherwise as for the main command."""
        if self.stopped is not None:
            return exit_code_of((), self.stopped)
        left = self.videos[Availability.PASSING] + self.videos[Availability.NOT_ASKED]
        return ExitCode.PASSING if left else ExitCode.DONE


async def census(
    out: str | PathLike[str], options: Options | None = None, *, fresh: timedelta = FRESH
) -> Census:
    """Query YouTube for every video, download none, and write ``census.csv`` to the directory `out`.

    Videos with an answer younger than `fresh` are not queried again. Only the options that select videos, and
    those of the network lane and the tools are used.

    Raises `TableError`, `StoreError` (`BusyError`: another run holds the directory), `UnknownVideoError` and
    `OptionsError`. Unavailable videos do not raise: they are in the result and in the file.
    """
    return await to_end(partial(_take, local_directory(out), options or Options(), fresh))


def running(
    out: str | PathLike[str], options: Options | None = None, *, fresh: timedelta = FRESH
) -> AbstractAsyncContextManager[Running[Census]]:
    """Take a census as `census` does, and iterate over its events, as `run.running` does."""
    return under_way(partial(_take, local_directory(out), options or Options(), fresh))


async def _take(
    out: Path, options: Options, fresh: timedelta, events: EventBus, finish: anyio.Event
) -> Census:
    begun = anyio.current_time()
    read = await run_sync(read_tables, options)
    async with open_directory(out) as directory:
        videos = await run_sync(plan.chosen, plan.listed_videos(read, options), options)
        jobs = await run_sync(_unanswered, videos, directory.known.census_answers, datetime.now(UTC) - fresh)
        run = RunContext(options, directory, Lanes.of(options), events, finish=finish)
        events.emit(
            RunStarted(len(jobs), 0, 0.0, len(videos) - len(jobs), options.downloads, 0, 0, options.pace)
        )
        census = Census(asked=len(jobs))
        try:
            if jobs:
                census.stopped = await _ask(jobs, run)
        except Failure as trouble:
            census.stopped = trouble
        finally:
            rows = await _write(videos, read, directory, census)
        census.videos = Counter(Availability(row["availability"]) for row in rows)
        census.reasons = Counter(Reason(row["reason"]) for row in rows if row["reason"])
        census.unanswered = Counter(
            Reason(row["reason"] or Reason.NOT_TRIED)
            for row in rows
            if row["availability"] in {Availability.PASSING, Availability.NOT_ASKED}
        )
        census.seconds = anyio.current_time() - begun
        return census


async def _ask(jobs: Iterable[VideoJob], run: RunContext) -> Failure | None:
    options, directory = run.options, run.directory
    tool = await run_sync(find_ffmpeg, options)
    await directory.append(run_record(versions={"hdtf_async": own_version()}))
    async with guarding(*directory.locks) as guard, private_cache(guard) as environment:
        yt_dlp = YtDlp(options, tool, guard, environment)
        await JavaScript(options, yt_dlp).require(directory.out)
        asking = _Asking(yt_dlp, directory, run.events, options.resolution)
        parts = PipelineParts(
            lanes=run.lanes,
            throttle=throttle_for(run),
            downloader=asking,
            encoder=asking,
            private_directory=directory.private_directory,
            record_failure=asking.failed,
            events=run.events,
            keep_raw=True,
            backoff=partial(backoff, first=options.retry_wait),
        )
        pipeline = Pipeline(parts)
        await pipeline.run(jobs, run.finish)
    return pipeline.stopped or pipeline.closed


@dataclass(frozen=True, slots=True)
class _Asking:
    """Both lanes of a census: the network lane extracts and records, the encode lane does nothing."""

    tool: YtDlp
    store: OutputDirectory
    events: EventBus
    policy: Resolution

    def expects_existing(self, _job: VideoJob) -> bool:
        return False

    async def existing(self, _job: VideoJob) -> None:
        return None

    async def download(self, job: VideoJob, directory: Path, permit: Permit) -> tuple[Choice, Any]:
        self.events.emit(DownloadStarted(job.stem, job.youtube_id, job.attempt, 0))
        info = await self.tool.extract(job.youtube_id, directory)
        choice = formats.choose(info, formats.Requirements(self.policy, job.reference_height))
        permit.available()
        return choice, formats.duration(info)

    async def another_is_available(self, directory: Path, excluding: Collection[str]) -> bool:
        available = reversed(
            [one for one, record in self.store.known.census_answers.items() if "reason" not in record]
        )
        others = (youtube_id for youtube_id in available if youtube_id not in excluding)
        return await self.tool.any_is_available(islice(others, SAMPLE), directory)

    def was_unavailable(self, job: VideoJob) -> bool:
        return self.store.known.was_unavailable(job.youtube_id, datetime.now(UTC))

    async def accept(self, job: VideoJob, arrived: tuple[Choice, float | None]) -> None:
        rendition = arrived[0].video
        await self.store.append(
            {
                "type": "asked",
                "youtube_id": job.youtube_id,
                "height": min(rendition.height, rendition.width or rendition.height),
                "fps": rendition.fps,
                "format_id": rendition.format_id,
                "codec": rendition.vcodec,
                "bytes": rendition.size,
                "seconds": arrived[1],
            }
        )
        at_reference = formats.is_at(rendition.height, job.reference_height)
        self.events.emit(
            VideoAsked(job.stem, job.youtube_id, rendition.format_id, rendition.height, at_reference)
        )

    async def discard(self, job: VideoJob, raw: None) -> None:
        pass

    async def release(self, job: VideoJob, *, keep: bool) -> None:
        pass

    def estimate(self, _clip: Clip, _raw: None) -> Callable[[], float]:
        return lambda: 0.0

    async def cut(self, clip: Clip, raw: None) -> None:
        pass

    async def failed(self, job: VideoJob, failure: Failure) -> None:
        record = {"reason": failure.reason.value, "words": failure.words}
        await self.store.append({"type": "asked", "youtube_id": job.youtube_id} | record)


async def _write(
    videos: Sequence[Video], read: Tables, directory: OutputDirectory, census: Census
) -> list[dict[str, Any]]:
    """Write the CSV, and return its rows, even if they cannot be written.

    If the census is cancelled and writing takes long, it is skipped.
    """

    async def write() -> list[dict[str, Any]]:
        rows = await run_sync(_rows, videos, read, dict(directory.known.census_answers))
        try:
            await directory.replace(CENSUS, await run_sync(_csv, rows))
        except Failure as trouble:
            census.stopped = census.stopped or trouble
        return rows

    try:
        return await write()
    except anyio.get_cancelled_exc_class():
        with anyio.move_on_after(LAST_MANIFESTS, shield=True):
            await write()
        raise


def _unanswered(
    videos: Iterable[Video], answers: Mapping[str, Mapping[str, Any]], since: datetime
) -> list[VideoJob]:
    """Return one job for each YouTube video without a recent answer, in table order."""
    time = since.isoformat(timespec="milliseconds")
    rows: dict[str, list[Video]] = {}
    for video in steps(videos):
        rows.setdefault(video.youtube_id, []).append(video)
    jobs = (plan.VideoJob(tuple(group), ()) for group in steps(rows.values()))
    return [job for job in jobs if not _is_answered(answers.get(job.youtube_id), time)]


def _is_answered(record: Mapping[str, Any] | None, since: str) -> bool:
    """Whether there is an answer younger than a time, which would be the same again.

    An answer that needs action may have changed: the user may have acted.
    """
    conclusive = {Availability.REFERENCE, Availability.OTHER, Availability.GONE}
    return record is not None and record["time"] >= since and _availability(record, 0) in conclusive


def _availability(record: Mapping[str, Any] | None, reference_height: int) -> Availability:
    if record is None:
        return Availability.NOT_ASKED
    if "reason" not in record:
        at = formats.is_at(record["height"], reference_height)
        return Availability.REFERENCE if at else Availability.OTHER
    advice = Reason(record["reason"]).advice
    if advice.action is Action.NEVER:
        return Availability.GONE
    return Availability.NEEDS_YOU if advice.exit_code is ExitCode.GIVEN_UP else Availability.PASSING


def _rows(
    videos: Iterable[Video], read: Tables, answers: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    clips = Counter(clip.video for clip in steps(read.clips))
    rows: list[dict[str, Any]] = []
    for video in steps(videos):
        record = answers.get(video.youtube_id)
        reason = (record or {}).get("reason")
        rows.append(
            {
                key: (record or {}).get(key)
                for key in ("height", "fps", "format_id", "codec", "bytes", "seconds")
            }
            | {
                "subset": video.subset,
                "name": video.name,
                "youtube_id": video.youtube_id,
                "reference_height": video.reference_height,
                "clips": clips[video],
                "availability": str(_availability(record, video.reference_height)),
                "reason": reason,
                "what_to_do": Reason(reason).advice.remedy if reason else None,
                "asked": record and record["time"],
            }
        )
    return rows


def _csv(rows: Iterable[Mapping[str, object]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(steps(rows))
    return text.getvalue().encode()
