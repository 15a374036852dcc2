"""What the commands do: a coroutine for each, which prints the result and returns the exit code.

Each coroutine imports what its command needs, so that ``--help``, an error message or a run on a finished
directory does not load all others.
"""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hdtf_async.cli.parser import options_from, origins, set_elsewhere
from hdtf_async.cli.terminal import complain, say, say_json
from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.failures import ExitCode, Failure
from hdtf_async.core.options import Options
from hdtf_async.core.printing import Printing

if TYPE_CHECKING:
    from argparse import Namespace
    from collections import Counter

    from hdtf_async.cli.signals import Stopping
    from hdtf_async.core.failures import Reason
    from hdtf_async.core.job import Running

R = TypeVar("R")
"""Result of a job."""


@dataclass(frozen=True, slots=True)
class Call:
    """A command line that was read."""

    arguments: Namespace
    options: Options
    printing: Printing

    @classmethod
    def of(cls, arguments: Namespace) -> Call:
        """Read the options. Raises `OptionsError`."""
        return cls(arguments, options_from(Options, arguments), options_from(Printing, arguments))

    @property
    def has_summary(self) -> bool:
        """Whether a summary is printed at the end."""
        return not (self.printing.quiet or self.printing.json)


async def run_main(call: Call, stopping: Stopping) -> int:
    """Run the main command, as the shard that a batch system asks for."""
    from hdtf_async.core import shards

    options = call.options
    if options.shard is None:
        try:
            assigned = shards.from_environment(os.environ)
        except ValueError as error:
            raise OptionsError(str(error)) from None
        if assigned is not None:
            if not call.printing.quiet:
                complain(f"processing shard {assigned[0]} (from {assigned[1]})")
            options = replace(options, shard=assigned[0])
    return await _run(call.arguments.out, replace(call, options=options), stopping)


async def _run(out: Path | str, call: Call, stopping: Stopping) -> int:
    """Run the main command to its end and print its result."""
    from hdtf_async.cli import summaries
    from hdtf_async.run import running

    report = await _watched(running(out, call.options), call.printing, stopping)
    for message in () if call.printing.quiet else report.warnings_of_lists:
        complain(message)
    if call.has_summary:
        say(summaries.summary(report, out))
    else:
        _end_briefly(call.printing, report.exit_code, report.reasons, report.stopped)
        for message in report.shards_left_out:
            complain(message)
    return report.exit_code


async def run_plan(call: Call, _stopping: Stopping) -> int:
    """Print what a run would do."""
    from anyio.to_thread import run_sync

    from hdtf_async.commands.plan import Existing, plan_summary, plan_to_json
    from hdtf_async.dataset import name_checks, plan, reading, scene_cuts
    from hdtf_async.lanes import existing_parts, user_videos
    from hdtf_async.output.directory import read_known
    from hdtf_async.output.journal import JournalIndex

    arguments, options = call.arguments, call.options
    read = await run_sync(reading.read, options)
    read = await run_sync(name_checks.checked, read, options)
    index = JournalIndex(Path()) if arguments.out is None else await run_sync(read_known, arguments.out)
    read = await run_sync(scene_cuts.divided, read, options, index.cuts)
    decided = await run_sync(
        partial(plan.make, read, options, there=index.existing_clips(), failed=index.failures)
    )
    own, to_fetch = await user_videos.for_plan(options, decided.jobs, index)
    parts = {job.youtube_id: existing_parts.seconds_there(index, job, options) for job in to_fetch}
    description = plan_to_json(read, decided, options, Existing(own, to_fetch, parts))
    description["settings"] = origins(arguments)
    if arguments.json:
        say_json(description)
    else:
        say(plan_summary(description), indent=9)
    return ExitCode.DONE


async def run_datasets(call: Call, _stopping: Stopping) -> int:
    """Print the installed datasets, or one."""
    from anyio.to_thread import run_sync

    from hdtf_async.commands import datasets as command
    from hdtf_async.dataset import datasets

    name = call.arguments.name
    found = await run_sync(datasets.installed) if name is None else [await run_sync(datasets.find, name)]
    if call.arguments.json:
        for dataset in found:
            say_json(command.dataset_to_json(dataset), indent=None)
    else:
        say(command.datasets_summary(found, citations=name is not None))
    return ExitCode.DONE


async def run_doctor(call: Call, _stopping: Stopping) -> int:
    """Print whether this machine is ready for a run."""
    from hdtf_async.commands import doctor, live
    from hdtf_async.core import preflight

    signs = await doctor.examine(call.options, call.arguments.out)
    if call.arguments.live:
        signs += await live.examine(call.options, signs, partial(print, file=sys.stderr, flush=True))
    ready, elsewhere = preflight.is_ready(signs), origins(call.arguments)
    if call.arguments.json:
        say_json({"ready": ready, "settings": elsewhere, "signs": list(map(preflight.to_json, signs))})
    else:
        lines = [f"{'set':>7}  {line}" for line in set_elsewhere(elsewhere)]
        say("\n".join([*lines, *map(preflight.to_text, signs)]), indent=9)
        say("Ready." if ready else "Not ready.")
    return ExitCode.DONE if ready else ExitCode.LOCAL


async def run_census(call: Call, stopping: Stopping) -> int:
    """Query YouTube for the videos, and print how many are available."""
    from hdtf_async.cli import summaries
    from hdtf_async.commands import census

    out = call.arguments.out
    result = await _watched(
        census.running(out, call.options, fresh=call.arguments.fresh), call.printing, stopping
    )
    if call.has_summary:
        say(summaries.census_summary(result, out / census.CENSUS))
    else:
        _end_briefly(call.printing, result.exit_code, result.unanswered, result.stopped)
    return result.exit_code


async def run_check(call: Call, stopping: Stopping) -> int:
    """Compare the clips with their records, and print the differences."""
    from hdtf_async.cli import summaries
    from hdtf_async.commands import repair

    arguments = call.arguments
    job = repair.running(arguments.out, call.options, deep=arguments.deep, repair=arguments.repair)
    check = await _watched(job, call.printing, stopping)
    findings = summaries.check_findings(check)
    if call.has_summary:
        say("\n".join([*findings, summaries.check_summary(check, shlex.quote(str(arguments.out)))]))
    else:
        if call.printing.quiet and findings:
            say("\n".join(findings), error=True)
        stopped = check.stopped or check.report.stopped
        _end_briefly(call.printing, check.exit_code, check.report.reasons, stopped)
    return check.exit_code


async def run_merge(call: Call, _stopping: Stopping) -> int:
    """Write the manifests from the journals of all shards."""
    from hdtf_async.run import merge

    merged = await merge(call.arguments.out)
    say(f"{call.arguments.out}: {merged.words}")
    return merged.exit_code


async def run_report(call: Call, _stopping: Stopping) -> int:
    """Write report.html, methods.md and clips.lock.json."""
    import anyio

    from hdtf_async.media.ffmpeg import find_ffmpeg
    from hdtf_async.report import page, reproducibility

    lane = anyio.CapacityLimiter(call.options.width_of_encode_lane)
    say(f"{await page.write(call.arguments.out, tool=partial(find_ffmpeg, call.options), encodes=lane)}")
    for path in await reproducibility.write(call.arguments.out):
        say(f"{path}")
    return ExitCode.DONE


async def run_export(call: Call, _stopping: Stopping) -> int:
    """Export the clips of a directory."""
    from hdtf_async.commands import export
    from hdtf_async.core.recipes import LAYOUTS, STILLS

    arguments = call.arguments
    if arguments.frames is not None and arguments.recipe != "frames":
        raise OptionsError(f"--frames: omit it with --recipe {arguments.recipe}")
    announce = (lambda _: None) if arguments.quiet else say
    done = await export.export(
        arguments.out,
        arguments.to,
        arguments.recipe,
        call.options,
        stills=arguments.frames or STILLS,
        on_directory=announce,
    )
    if not arguments.quiet:
        say(f"{done.words}\n{LAYOUTS[done.recipe].use}")
    return ExitCode.DONE


async def run_faces(call: Call, _stopping: Stopping) -> int:
    """Print the table of face windows, and write their image."""
    from hdtf_async.commands import faces

    say(await faces.write_sheet(call.arguments.out, call.options))
    return ExitCode.DONE


async def run_demo(call: Call, stopping: Stopping) -> int:
    """Start the mock server and run the main command as a user would."""
    import tempfile

    from anyio.to_thread import run_sync

    from hdtf_async import demo

    out, quiet, faults = call.arguments.out, call.printing.quiet, call.arguments.faults
    with tempfile.TemporaryDirectory(prefix="hdtf-demo-") as temporary:
        source = Path(temporary) / demo.TITLE
        await run_sync(demo.write_tables, source)
        options = replace(
            call.options,
            source=source,
            pace=demo.PACE,
            cool_down=demo.COOL_DOWN,
            retry_wait=demo.RETRY_WAIT,
        )
        if await run_sync(_nothing_left, out, options):
            return await _run(out, replace(call, options=options), stopping)
        answers = demo.FAULTS if faults else {}
        async with demo.light_mock(demo.FOOTAGE, answers, demo.CONDITIONS) as site:
            # The children inherit it; a user would export it in the shell.
            os.environ.update(site.environment)
            if not quiet:
                say(site.typed(out, options), error=True)
            options = replace(options, yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)))
            return await _run(out, replace(call, options=options), stopping)


def _nothing_left(out: Path, options: Options) -> bool:
    from hdtf_async.dataset import plan, reading
    from hdtf_async.output.directory import read_known

    index, read = read_known(out), reading.read(options)
    return not plan.make(read, options, there=index.existing_clips(), failed=index.failures).jobs


async def _watched(job: AbstractAsyncContextManager[Running[R]], printing: Printing, stopping: Stopping) -> R:
    """Show a job's events until they end, and return its result."""
    from hdtf_async.cli.views import view_for
    from hdtf_async.progress.views import show

    async with job as events:
        stopping.gently = events.finish
        await show(events, view_for(printing))
    return events.report


def _end_briefly(
    printing: Printing, code: ExitCode, missing: Counter[Reason], stopped: Failure | None
) -> None:
    """Print one line on stderr if a command without a summary has not done everything."""
    if printing.quiet and (missing or stopped):
        from hdtf_async.cli import summaries

        complain(summaries.quiet_summary(code, missing, stopped))
    elif stopped is not None:
        complain(f"{stopped} {stopped.reason.advice.remedy}")
