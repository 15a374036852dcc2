"""The command ``check``; with ``--repair`` it re-creates corrupt and missing clips.

A clip's record contains everything that is needed: the table row and the output settings. So clips are
re-created unchanged, by the main command's own pipeline, from a kept or downloaded source video. Before that
their records are withdrawn, durably: a repair that is killed leaves clips without a record, which another
repair re-creates, and so does the main command. Untracked files are reported and never touched.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync

from hdtf_async.commands.check import (
    UNTRACKED,
    ClipChecker,
    check_directory,
    names_a_file,
    never_created,
    seconds_of,
    unlisted,
)
from hdtf_async.core import exceptions
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.events import CheckEnded, RunStarted
from hdtf_async.core.exceptions import OptionsError, unwrap_exception_group
from hdtf_async.core.failures import ExitCode, Failure, Reason
from hdtf_async.core.job import to_end, under_way
from hdtf_async.core.model import UNRECORDED, Clip, Tables
from hdtf_async.core.option_fields import flag_of
from hdtf_async.core.options import Options
from hdtf_async.dataset import plan
from hdtf_async.lanes.context import RunContext
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.user_videos import find_user_videos
from hdtf_async.media import ffmpeg
from hdtf_async.media.ffmpeg import find_ffmpeg
from hdtf_async.output import atomic
from hdtf_async.output.directory import open_directory, read_known
from hdtf_async.output.journal import JOURNAL
from hdtf_async.output.location import local_directory
from hdtf_async.process.guard import guarding
from hdtf_async.report.result import Report, exit_code_of
from hdtf_async.run import carry_out, started

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from os import PathLike
    from pathlib import Path

    from hdtf_async.commands.check import Findings
    from hdtf_async.core.event_bus import EventBus
    from hdtf_async.core.events import Found
    from hdtf_async.core.job import Running
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.output.journal import JournalIndex


@dataclass(slots=True)
class Check:
    """The result of a check."""

    repairs: bool
    """Whether corrupt or missing clips were to be re-created."""
    clips: int = 0
    """Number of recorded clips."""
    found: list[Found] = field(default_factory=list)
    """All findings, before a repair."""
    never_created: Counter[str] = field(default_factory=Counter)
    """Number of requested clips that no run has created, by reason: no finding, but missing too."""
    at_work: bool = False
    """Whether a run was active in the directory, whose current work was not checked."""
    report: Report = field(default_factory=Report)
    """Result of re-creating clips."""
    left: dict[str, str] = field(default_factory=dict)
    """Stem of each clip that cannot be re-created from its record, and why."""
    other_bytes: int = 0
    """Number of re-created clips with other bytes than before: the tools have changed."""
    stopped: Failure | None = None
    """Why it ended before everything was checked."""
    seconds: float = 0.0

    @property
    def kinds(self) -> Counter[str]:
        """Number of findings of each kind."""
        return Counter(found.kind for found in self.found)

    @property
    def exit_code(self) -> ExitCode:
        """Without a repair 0 if nothing was found; with one 0 if everything repairable was repaired."""
        if self.stopped is not None:
            return exit_code_of((), self.stopped)
        code = self.report.exit_code
        unmended = self.left if self.repairs else self.found
        return ExitCode.GIVEN_UP if code is ExitCode.DONE and unmended else code

    def ended(self) -> CheckEnded:
        """Return the event with this result."""
        stopped = self.stopped or self.report.stopped
        return CheckEnded(
            exit_code=int(self.exit_code),
            clips=self.clips,
            found=dict(self.kinds),
            made_again=len(self.report.done),
            stopped=None if stopped is None else str(stopped),
            seconds=round(self.seconds, 3),
        )


async def check(
    out: str | PathLike[str],
    options: Options | None = None,
    *,
    deep: bool = False,
    repair: bool = False,
) -> Check:
    """Compare every clip of the directory `out` with its record: checksum, size, frames, rate, audio.

    With `deep` ffmpeg decodes every clip. With `repair` corrupt or missing clips are re-created with their
    recorded settings: options that set these are ignored. Without it nothing is changed, and no lock is
    needed. Findings are in the result, and do not raise.

    Raises `StoreError` (no journal; with `repair` also `BusyError`: a run holds the directory) and
    `OptionsError`.
    """
    return await to_end(partial(_check, _Request(local_directory(out), options or Options(), deep, repair)))


def running(
    out: str | PathLike[str],
    options: Options | None = None,
    *,
    deep: bool = False,
    repair: bool = False,
) -> AbstractAsyncContextManager[Running[Check]]:
    """Check as `check` does, and iterate over its events, as `run.running` does."""
    return under_way(partial(_check, _Request(local_directory(out), options or Options(), deep, repair)))


@dataclass(frozen=True, slots=True)
class _Request:
    """The arguments of `check` and `running`."""

    out: Path
    options: Options
    deep: bool
    repair: bool


async def _check(request: _Request, events: EventBus, finish: anyio.Event) -> Check:
    begun = anyio.current_time()
    out, options, result = request.out, request.options, Check(repairs=request.repair)
    if not await run_sync((out / JOURNAL).is_file):
        raise exceptions.StoreError(f"{out} has no {JOURNAL}: expected the output directory of a run")
    own = await run_sync(find_user_videos, options.raw_dirs)
    looking = _Looking(result, request, events, finish)
    try:
        if request.repair:
            async with open_directory(out) as directory:
                findings = await looking.look(directory.known, directory.locks, locked=True)
                run = RunContext(
                    options, directory, Lanes.of(options), events, own, finish, directory.known.source
                )
                await _mend(result, findings, run)
        else:
            index = await run_sync(read_known, out)
            # Not locked, but a descriptor that the children of a check can inherit.
            with atomic.reader(out / JOURNAL) as journal:
                await looking.look(index, (journal.fileno(),), locked=False)
    except Failure as trouble:
        result.stopped = trouble
    result.seconds = anyio.current_time() - begun
    events.emit(result.ended())
    return result


@dataclass(frozen=True, slots=True)
class _Looking:
    """Compares the clips of a directory with their records, until it is asked to finish."""

    result: Check
    request: _Request
    events: EventBus
    finish: anyio.Event

    async def look(self, index: JournalIndex, held_locks: tuple[int, ...], *, locked: bool) -> Findings:
        """Check everything, record the findings and emit them. Raises `Failure`."""
        result, options, tool = self.result, self.request.options, None
        lanes = Lanes.of(options)
        if self.request.deep:
            tool = await run_sync(find_ffmpeg, options)
            await ffmpeg.read_version(tool)  # it exists and is ffmpeg
        records = [*index.clips.values(), *index.replaced.values()]
        result.clips = len(records)
        length = sum(map(seconds_of, records))
        encodes = int(lanes.encodes.total_tokens)
        self.events.emit(RunStarted(0, len(records), round(length, 3), 0, 0, encodes, 0, 0.0))
        findings: Findings | None = None
        with unwrap_exception_group():
            async with guarding(*held_locks) as guard, anyio.create_task_group() as group:
                group.start_soon(self._stop_when_requested, group.cancel_scope)
                findings = await check_directory(
                    ClipChecker(index, tool, lanes, guard, self.events), locked=locked
                )
                group.cancel_scope.cancel()
        if findings is None:
            raise Failure(Reason.NOT_TRIED, "interrupted before everything was checked")
        result.found, result.at_work = findings.found, findings.run_was_active
        result.never_created = await run_sync(never_created, findings.index)
        for found in findings.found:
            self.events.emit(found)
        return findings

    async def _stop_when_requested(self, scope: anyio.CancelScope) -> None:
        await self.finish.wait()
        scope.cancel()


async def _mend(result: Check, findings: Findings, run: RunContext) -> None:
    """Re-create corrupt and missing clips, and rewrite the manifests. Raises `Failure`."""
    if all(found.kind == UNTRACKED for found in findings.found):
        return
    directory, index = run.directory, run.directory.known
    directory.others = await directory.not_tried()
    run = replace(run, options=recorded_settings(index, run.options))
    absent = unlisted(index)
    before = {stem: index.clips.get(stem) or index.replaced[stem] for stem in sorted(findings.clips)}
    clips = []
    for stem, record in before.items():
        clip = recorded_clip(record)
        recorded = ClipRecord.of(record).fingerprint
        settings = run.options.output_settings
        if clip is not None and clip.stem == stem and plan.fingerprint(clip, settings) == recorded:
            clips.append(clip)
        else:
            result.left[stem] = "made with other settings or by another version of this program"
    if withdrawn := [{"type": "replacing", "clip": stem} for stem in before if stem in index.clips]:
        await directory.append(*withdrawn)
    rows = _rows(index)
    jobs = tuple(plan.video_jobs(rows, clips, plan.fetch_of(rows, run.options)))
    decided = plan.Plan(jobs, (), (), (), (), (), absent)
    result.report.asked = len(clips)
    run.events.subscribe(result.report.add)
    try:
        if jobs:
            run.events.emit(started(decided, run.lanes, run.options))
            result.report.stopped = await carry_out(decided, run)
    finally:
        await directory.write_manifests((), absent)
    result.other_bytes = sum(
        ClipRecord.of(index.clips[stem]).sha256 != ClipRecord.of(before[stem]).sha256
        for stem in result.report.done
    )


def recorded_settings(index: JournalIndex, options: Options) -> Options:
    """Return the options with which a run creates clips with the newest run's settings.

    Raises `OptionsError` if this version of the program does not support these settings.
    """
    settings = UNRECORDED | index.settings if index.settings else {}
    recorded: dict[str, Any] = {}
    for option in fields(Options):
        if option.name in settings:
            value, flag = settings[option.name], flag_of(option)
            try:
                recorded[option.name] = None if value is None else flag.read(value)
            except OptionsError as error:
                raise OptionsError(f"invalid {flag.names[0]} in the journal: {error}") from None
    return replace(options, **recorded)


def recorded_clip(record: Record) -> Clip | None:
    """Return the clip of a record; None if it has none."""
    clip = ClipRecord.of(record).clip
    # Files are written under this name: it must not contain a path.
    return clip if clip is not None and names_a_file(clip.stem) and names_a_file(clip.video.stem) else None


def _rows(index: JournalIndex) -> Tables:
    """Return the tables according to the records: all rows that share a source video."""
    records = index.clips.with_others(index.replaced)
    clips = (recorded_clip(records[stem]) for stem in sorted(records))
    return Tables((), tuple(clip for clip in clips if clip is not None), (), index.source)
