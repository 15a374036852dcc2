"""One run: tables, directory, tools and lanes. Implements `hdtf_async.download` and `running`.

Nothing here prints, sets a signal handler or changes global state: that is done by the command line.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio
from anyio.lowlevel import checkpoint
from anyio.to_thread import run_sync

from hdtf_async.core import divisions
from hdtf_async.core.events import ClipFailed, RunStarted
from hdtf_async.core.exceptions import OptionsError, StoreError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.install import install_extra
from hdtf_async.core.job import Running, require_asyncio, to_end, under_way
from hdtf_async.core.options import Options
from hdtf_async.core.reproduction_format import COMPARISON
from hdtf_async.core.steps import steps
from hdtf_async.dataset import name_checks, plan, reading, scene_cuts
from hdtf_async.lanes import request_records
from hdtf_async.lanes.context import RunContext
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.user_videos import find_user_videos
from hdtf_async.output import atomic, manifests
from hdtf_async.output.directory import run_record
from hdtf_async.output.location import merge_shards, open_location, options_for, parse_location
from hdtf_async.output.other_settings import refuse_other_settings, refuse_settings_of_shards
from hdtf_async.progress.views import with_progress
from hdtf_async.report import outdated
from hdtf_async.report.result import Report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
    from os import PathLike

    from distributed import Client

    from hdtf_async.core.event_bus import EventBus
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Tables
    from hdtf_async.core.shards import Merged
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.output.directory import OutputDirectory
    from hdtf_async.output.location import Address


LAST_MANIFESTS = 0.5
"""Maximum seconds for writing the manifests when a run is cancelled."""
FEW = 20_000
"""Maximum lines of the manifests that a cancelled run still writes; more would exceed that time."""
MANIFESTS_EVERY = 60.0
"""Seconds between two updates of the manifests during a run; more if they are long."""


async def download(  # noqa: PLR0913 - what a host program may share or provide
    out: str | PathLike[str],
    options: Options | None = None,
    *,
    clips: Iterable[object] | None = None,
    lanes: Lanes | None = None,
    client: Client | None = None,
    progress: bool = False,
) -> Report:
    """Create the clips that the options select in the directory `out`, and return the result.

    The directory is created if missing; a URL such as ``s3://bucket/prefix`` is an object store's. The
    defaults are all of HDTF, from the bundled tables, as H.264 at the reference heights. The report counts
    clips by their outcome; its durations are in seconds, its sizes in bytes. A clip's own properties (pixels,
    frames, source) are its line of ``metadata.jsonl``: docs/output.md.

    `clips` is an iterable of the clips to create, instead of HDTF: each is a `ClipRow`, a mapping, or an
    object with the same attributes, such as those of ``frame.itertuples()`` of pandas (docs/datasets.md). It
    is read to its end in a thread, before the first download.

    Failures are in the report, and do not raise. `lanes` are limiters that the host program shares with other
    work; by default a run has its own. With the `client` of a Dask cluster its workers process the videos, as
    with ``Options.dask``; they have their own lanes (see docs/scale.md). When cancelled, every child process
    has ended and every temporary file is deleted before the cancellation continues, except for resumable
    partial downloads.

    With `progress`, stderr shows the progress of both lanes, and warnings: tqdm's bars in a terminal or a
    notebook, a line every 30 seconds elsewhere.

    Raises `TableError` (no table, or a malformed one), `FormError` (the directory contains clips with other
    settings), `StoreError` (the directory cannot be used, or another run holds it), `UnknownVideoError` and
    `OptionsError`.
    """
    request = _Request(parse_location(out), options or Options(), clips, lanes, client)
    return await to_end(_job(request, progress=progress))


async def merge(out: str | PathLike[str]) -> Merged:
    """Write ``metadata.jsonl`` and ``failures.jsonl`` of `out` from the journals of all shards.

    `out` is a directory, or the URL of an object store. Shards may be active meanwhile.

    Raises `StoreError` if there is no journal, or the directory cannot be used; `BusyError` if a run without
    shards is active; `OptionsError`; and `Failure` for an error of the disk or the store.
    """
    require_asyncio()
    return await merge_shards(parse_location(out))


@asynccontextmanager
async def running(  # noqa: PLR0913 - as download
    out: str | PathLike[str],
    options: Options | None = None,
    *,
    clips: Iterable[object] | None = None,
    lanes: Lanes | None = None,
    client: Client | None = None,
    progress: bool = False,
) -> AsyncIterator[Running[Report]]:
    """Run as `download` does, and iterate over its events.

        async with hdtf_async.running("clips") as events:
            async for event in events:
                ...

    A slow reader blocks nothing: it gets the newest progress events, and every other event. Leaving the block
    early cancels the run. Raises what `download` raises.
    """
    request = _Request(parse_location(out), options or Options(), clips, lanes, client)
    async with under_way(_job(request, progress=progress)) as run:
        yield run


@dataclass(frozen=True, slots=True)
class _Request:
    """The arguments of `download` and `running`."""

    out: Path | Address
    options: Options
    clips: Iterable[object] | None
    lanes: Lanes | None
    client: Client | None

    @property
    def scheduler(self) -> str | Client | None:
        """The cluster whose workers process the videos; None for this process. Raises `OptionsError`."""
        scheduler = self.client or self.options.dask
        if scheduler is not None and self.options.shard is not None:
            raise OptionsError("--shard: omit it with a Dask client, which uses all workers of the cluster")
        return scheduler


def _job(request: _Request, *, progress: bool) -> Callable[[EventBus, anyio.Event], Awaitable[Report]]:
    job = partial(_run, request)
    return with_progress(job) if progress else job


async def _run(request: _Request, events: EventBus, finish: anyio.Event) -> Report:
    begun = anyio.current_time()
    out, options, scheduler = request.out, request.options, request.scheduler
    user_videos = await run_sync(find_user_videos, options.raw_dirs)
    whole = await run_sync(read_tables, options, request.clips)
    async with open_location(out, options, whole) as directory:
        options = replace(options_for(out, options), fetch=plan.fetch_of(whole, options))
        tables = await run_sync(scene_cuts.divided, whole, options, directory.known.cuts)
        decided = await run_sync(_decide, tables, options, directory)
        refuse_other_settings(decided, options, out)
        if options.shard is not None and not options.recut:
            await run_sync(refuse_settings_of_shards, directory.out, options.shard, options)
        report = _new_report(tables, decided, options)
        events.subscribe(report.add)
        lanes = request.lanes or Lanes.of(options)
        run = RunContext(options, directory, lanes, events, user_videos, finish, tables.source)
        before = directory.known.run
        request_end: list[Record] = []
        events.emit(await run_sync(started, decided, lanes, options))
        try:
            request_end = await _begin(tables, run, clips=report.asked, any_jobs=bool(decided.jobs))
            await request_records.append(tables, decided, report.refused, options, directory)
            if not options.keeps_raws:
                from hdtf_async.lanes.source_videos import delete_finished  # noqa: PLC0415 - rarely needed

                await delete_finished(tables, decided, directory, user_videos)
            announce = partial(_announce_impossible, decided, events)
            if decided.jobs:
                report.stopped = await carry_out(decided, run, scheduler, on_ready=announce)
            else:
                announce()
            with_parts = await run_sync(scene_cuts.divided, whole, options, directory.known.cuts)
            if with_parts.clips != tables.clips and report.stopped is None and not finish.is_set():
                decided = await run_sync(_decide, with_parts, options, directory)
                report.asked = decided.asked
                report.stopped = await carry_out(decided, run, scheduler) if decided.jobs else None
        except Failure as trouble:  # before the first video, or of the journal: the disk, a tool
            report.stopped = trouble
        finally:
            try:
                with _as_failure(directory.out / manifests.METADATA):
                    await _write_last(
                        directory, decided, LAST_MANIFESTS if finish.is_set() else manifests.PATIENCE
                    )
            except Failure as trouble:
                report.stopped = report.stopped or trouble
                request_end = []  # clips that were not attempted may not be recorded: the request stays open
        report.seconds = anyio.current_time() - begun
        await _end(report, run, request_end, has_run=directory.known.run is not before)
        events.emit(report.ended())
        return report


def _new_report(tables: Tables, decided: plan.Plan, options: Options) -> Report:
    """Return the report of a run that has not begun, with the clips that it will not attempt."""
    report = Report(
        asked=decided.asked,
        there=len(decided.there),
        findings=tables.findings,
        refused=plan.refused(tables, options),
    )
    report.failed.update((clip.stem, reason) for clip, reason in decided.given_up)
    report.failed.update((clip.stem, failure.reason) for clip, failure in decided.impossible)
    return report


async def _end(report: Report, run: RunContext, records: list[Record], *, has_run: bool) -> None:
    """Record the end of the run, and write its report; failures of these are stored in the result."""
    try:
        if has_run:
            records = [report.ended().to_json(), *records]
        if records:
            await run.directory.append(*records)
        if run.options.shard is not None:
            report.absent = await run.directory.absent()
        if run.options.reproduce is not None:
            from hdtf_async.report import reproducibility  # noqa: PLC0415 - rarely needed

            with _as_failure(run.directory.out / COMPARISON):
                report.reproduced = await reproducibility.compare(run.options.reproduce, run.directory.known)
        with _as_failure(run.directory.out / outdated.REPORT):
            report.page = await _write_report(run, has_run=has_run)
    except Failure as trouble:
        report.stopped = report.stopped or trouble


@contextmanager
def _as_failure(path: Path) -> Iterator[None]:
    """Turn any error of a file about the run into a `Failure`: the run's result is kept."""
    try:
        with atomic.os_errors_as_failures(path):
            yield
    except Failure:
        raise
    except StoreError as error:
        raise Failure(Reason.NOT_WRITABLE, f"{path}: {error}") from error
    except Exception as error:
        raise Failure(Reason.FAULT, f"{path}: {type(error).__name__}: {error}") from error


async def _begin(read: Tables, run: RunContext, *, clips: int, any_jobs: bool) -> list[Record]:
    """Record the request of the run, and find out what other shards create. Raises `Failure`.

    Return the record for the end of the run, or none if there are no jobs and it is already recorded.
    """
    options, directory = run.options, run.directory
    whole = replace(options, shard=None)
    if others := await run_sync(plan.others, read, whole):
        left = await directory.not_tried()
        directory.others = tuple(each for each in left if each["clip"] in others)
    if options.shard is not None:
        directory.whole = await run_sync(plan.select, read, whole)
    request = await run_sync(divisions.requested, read, options, len(directory.whole) or clips)
    if any_jobs:
        await directory.append(divisions.record_of(request, clips, ended=False))
    elif await directory.has_done(request):
        return []
    return [divisions.record_of(request, clips, ended=True)]


async def _write_report(run: RunContext, *, has_run: bool) -> Path | None:
    """Write the report if the run has done something or it is outdated; return its path, or None."""
    options, directory, known = run.options, run.directory, run.directory.known
    clips = len(known.clips) + len(known.failures)
    if options.no_report or options.shard is not None or clips > outdated.MOST:
        return None
    has_records = bool(known.clips or known.failures or known.run)
    if not has_run and not (has_records and await run_sync(outdated.is_behind, directory.out)):
        return None
    from hdtf_async.media.ffmpeg import find_ffmpeg  # noqa: PLC0415 - not for a finished directory
    from hdtf_async.report import page  # noqa: PLC0415

    tool = None if run.finish.is_set() else partial(find_ffmpeg, options)  # the run should end soon
    return await page.write(directory.out, tool=tool, encodes=run.lanes.encodes, locks=directory.locks)


async def _write_last(directory: OutputDirectory, decided: plan.Plan, patience: float) -> None:
    """Write the manifests at the end of a run, and deliver them. Raises `Failure`.

    `patience` applies to another process that is writing them; see `manifests.merge`. If the run is cancelled
    they are written if that is quick. Otherwise they keep their last state, at most about a minute old, and
    the next run writes them: cancellation does not wait for a million lines.
    """
    try:
        await checkpoint()
        await directory.write_manifests(decided.clips, decided.stale, patience)
    except anyio.get_cancelled_exc_class():
        known = directory.known
        if len(decided.jobs) + len(known.clips) + len(known.failures) <= FEW:
            with anyio.move_on_after(LAST_MANIFESTS, shield=True), suppress(Failure):
                await directory.write_manifests(decided.clips, decided.stale)
        raise
    finally:
        await directory.deliver()


def read_tables(options: Options, clips: Iterable[object] | None = None) -> Tables:
    """Read the tables that the options name, or the given rows. Blocks.

    Raises `TableError`, `OptionsError` and `UnknownVideoError`.
    """
    read = reading.read(options, clips)
    return name_checks.checked(read, options)


def _decide(read: Tables, options: Options, directory: OutputDirectory) -> plan.Plan:
    return plan.make(read, options, there=directory.known.existing_clips(), failed=directory.known.failures)


def started(decided: plan.Plan, lanes: Lanes, options: Options) -> RunStarted:
    """Return the event at the start of a run."""
    return RunStarted(
        videos=len(decided.jobs),
        clips=len(decided.clips) + len(decided.impossible),
        clip_seconds=round(sum(clip.interval.seconds for clip in steps(decided.clips)), 3),
        there=len(decided.there),
        downloads=int(lanes.network.total_tokens),
        encodes=int(lanes.encodes.total_tokens),
        least_bytes=sum(job.least_bytes for job in steps(decided.jobs)),
        pace=options.pace,
    )


def _announce_impossible(decided: plan.Plan, events: EventBus) -> None:
    """Emit the failures that need no video. A run that does not start only reports why it did not."""
    for clip, failure in decided.impossible:
        events.emit(ClipFailed(clip.stem, failure.reason, failure.words, with_video=False))


async def carry_out(
    decided: plan.Plan,
    run: RunContext,
    scheduler: str | Client | None = None,
    *,
    on_ready: Callable[[], object] = lambda: None,
) -> Failure | None:
    """Process the remaining work; return why it ended early, if it did. Raises `Failure`.

    `on_ready` is called once all tools were tested, before the first video.
    """
    directory, in_shards = run.directory, run.options.shard is not None
    async with _engine(decided, run, scheduler) as pipeline:
        on_ready()

        async def keep_manifests() -> None:
            """Update the manifests regularly, so that a run that is killed leaves them nearly up to date."""
            every = MANIFESTS_EVERY
            while pipeline.stopped is None:
                await anyio.sleep(every)
                begun = anyio.current_time()
                try:
                    await directory.append()  # notes since the last record
                    await directory.write_manifests(decided.clips, decided.stale)
                except Failure as trouble:
                    pipeline.stop(trouble)
                every = max(MANIFESTS_EVERY, 20 * (anyio.current_time() - begun))

        # Before any clip is replaced: clips that will be re-encoded are no longer listed.
        if not in_shards:
            await directory.write_manifests(decided.clips, decided.stale)
        elif decided.stale:
            await directory.write_manifests()
        async with anyio.create_task_group() as background:
            if not in_shards:  # otherwise the last shard writes them, from all journals
                background.start_soon(keep_manifests)
            await pipeline.run(decided.jobs, run.finish)
            background.cancel_scope.cancel()
    return pipeline.stopped or pipeline.closed


class _Engine(Protocol):
    """Processes all videos: the lanes of this process, or the workers of a cluster."""

    stopped: Failure | None

    @property
    def closed(self) -> Failure | None:
        """Why no more downloads start, if YouTube is blocking them."""

    def stop(self, trouble: Failure) -> None:
        """Stop the run."""

    async def run(self, jobs: Iterable[VideoJob], finish: anyio.Event | None = None) -> None:
        """Process every video; wind down once `finish` is set."""


@asynccontextmanager
async def _engine(
    decided: plan.Plan, run: RunContext, scheduler: str | Client | None
) -> AsyncIterator[_Engine]:
    """Prepare the lanes, and record the start of a run. Raises `Failure`."""
    from hdtf_async.lanes.toolchain import open_toolchain  # noqa: PLC0415 - not for a finished directory
    from hdtf_async.report import history  # noqa: PLC0415

    directory, events = run.directory, run.events
    if scheduler is not None:
        if find_spec("distributed") is None:
            raise Failure(Reason.NOT_READY, f"--dask requires an extra: {install_extra('dask')}")
        from hdtf_async.cluster import driver  # noqa: PLC0415 - a second of imports, rarely needed

        async with driver.connected(scheduler, run) as cluster:
            await directory.append(run_record(versions=cluster.results.versions, **run.to_json()))
            events.subscribe(partial(history.note, directory.note))
            yield cluster
        return
    async with open_toolchain(run, videos=len(decided.jobs)) as toolchain:
        await directory.append(run_record(versions=toolchain.versions, **run.to_json()))
        events.subscribe(partial(history.note, directory.note))
        await toolchain.get_ready(decided.jobs)
        yield toolchain.pipeline()
