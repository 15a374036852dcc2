"""The command line: arguments in, exit code out. Everything global (signals, printing) is here."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import traceback
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import fields, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import anyio.lowlevel
from anyio.to_thread import run_sync

from hdtf_async.cli import summaries
from hdtf_async.cli.parser import (
    COMMANDS,
    DESCRIPTION,
    EPILOG,
    Parser,
    add,
    add_recipe,
    anywhere,
    days,
    made,
    origins,
    preset,
    set_elsewhere,
)  # fmt: skip
from hdtf_async.cli.signals import Gently, fault, until_signal
from hdtf_async.cli.terminal import say, say_json
from hdtf_async.cli.views import view_for
from hdtf_async.commands import doctor, faces, live, repair
from hdtf_async.commands import plan as planned
from hdtf_async.commands.census import CENSUS, FRESH
from hdtf_async.commands.census import IDLE as IDLE_IN_CENSUS
from hdtf_async.commands.census import running as census_running
from hdtf_async.commands.export import OPTIONS as OF_EXPORT
from hdtf_async.commands.export import Exported, export
from hdtf_async.core import exceptions, preflight, shards
from hdtf_async.core.exceptions import FormError, OptionsError, StoreError, unwrap_exception_group
from hdtf_async.core.failures import ExitCode, Failure
from hdtf_async.core.job import Running
from hdtf_async.core.options import DISK, ENCODE, NETWORK, TOOLS, WHICH, Options, Printing
from hdtf_async.core.recipes import RECIPES
from hdtf_async.core.system import own_version
from hdtf_async.dataset import plan, tables
from hdtf_async.lanes import user_videos
from hdtf_async.media.ffmpeg import bundled_ffmpeg, find_ffmpeg
from hdtf_async.output import directory
from hdtf_async.output.journal import JournalIndex
from hdtf_async.progress.views import show
from hdtf_async.report import page
from hdtf_async.run import merge, running

if TYPE_CHECKING:
    from argparse import Namespace
    from collections import Counter
    from collections.abc import Awaitable, Callable, Sequence

    from hdtf_async.core.failures import Reason

R = TypeVar("R")
"""Result of a job."""
_Job = AbstractAsyncContextManager[Running[R]]


def entry() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    code = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # its reader may have exited
            stream.flush()
    os._exit(code)  # at once: Python would free millions of rows one by one


def main(argv: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    jobs = (
        *(plan_command, census_command, check_command, merge_command, report_command, doctor_command),
        *(export_command, faces_command, demo_command),
    )
    commands: dict[str, Callable[[Sequence[str]], int]] = dict(zip(COMMANDS, jobs, strict=True))
    command, words = (commands[argv[0]], argv[1:]) if argv and argv[0] in commands else (main_job, argv)
    try:
        return command(words)
    except (tables.TableError, FormError, OptionsError, exceptions.UnknownVideoError) as error:
        code, message = ExitCode.USAGE, str(error)
    except StoreError as error:
        code, message = error.exit_code, str(error)
    except BrokenPipeError:
        # The reader of our output has exited; this avoids an error message of Python at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.LOCAL
    except KeyboardInterrupt:
        code, message = ExitCode.INTERRUPTED, "interrupted"
    except Exception as error:  # noqa: BLE001 - internal error: print one line, and how to get the traceback
        if {"debug", "--log-level=debug"} & {*words, os.environ.get("HDTF_ASYNC_LOG_LEVEL")}:
            say(traceback.format_exc(), error=True)
        code = ExitCode.LOCAL
        message = fault(error)
    _complain(message)
    return code


def main_job(argv: Sequence[str]) -> int:
    """``python -m hdtf_async --out DIR``."""
    parser = Parser("", DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"hdtf_async {own_version()}")
    parser.add_out("output directory or s3:// URL (required)", needed="the output directory", kind=anywhere)
    add(parser, Options)
    add(parser, Printing)
    add_recipe(parser)
    said = parser.read(argv)
    options, printing = made(Options, said), made(Printing, said)
    if options.shard is None:
        options = _as_told_by_the_batch_system(options, printing)
    return until_signal(partial(_run, said.out, options, printing), goes_on=True)


def _as_told_by_the_batch_system(options: Options, printing: Printing) -> Options:
    """Return the options with the shard of a batch system, if the environment contains one."""
    try:
        told = shards.from_environment(os.environ)
    except ValueError as error:
        raise OptionsError(str(error)) from None
    if told is None:
        return options
    if not printing.quiet:
        _complain(f"processing shard {told[0]} (from {told[1]})")
    return replace(options, shard=told[0])


def plan_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async plan``: dry run and table problems; changes nothing."""
    what = "Dry run: print what a run would do, and the problems in the tables. Changes nothing."
    parser = Parser("plan", what, usage="[--json] [options]")
    parser.add_out("omit the clips that already exist here")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add(parser, Options)
    add_recipe(parser)
    said = parser.read(argv)
    options = made(Options, said)
    read = tables.read(options.source, corrections=options.corrections)
    plan.require_known(read, options)
    known = JournalIndex(Path()) if said.out is None else directory.read_known(said.out)
    decided = plan.make(read, options, there=known.all_there(), failed=known.failures)
    own, to_fetch = anyio.run(user_videos.for_plan, options, decided.work, known)
    told = planned.to_json(read, decided, options, own, to_fetch)
    told["settings"] = origins(said)
    if said.json:
        say_json(told)
    else:
        say(planned.words(told), indent=9)
    return ExitCode.DONE


def census_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async census --out DIR``: which videos are on YouTube; downloads nothing."""
    parser = Parser(
        "census",
        "Query YouTube for every video (rate-limited by --pace) without downloading any. DIR/census.csv lists"
        " which videos are available, at which height, and why the others are not.",
    )
    parser.add_out("directory for census.csv (required)", needed="the directory for census.csv")
    parser.add_argument(
        "--fresh", metavar="DAYS", type=days, default=FRESH,
        help=f"reuse answers younger than this ({FRESH.days})",
    )  # fmt: skip
    add(parser, Options, groups=(WHICH, NETWORK, TOOLS), without=IDLE_IN_CENSUS)
    add(parser, Printing)
    said = parser.read(argv)
    job = partial(_census, said.out, made(Options, said), said.fresh, made(Printing, said))
    return until_signal(job, goes_on=True)


async def _census(out: Path, options: Options, fresh: timedelta, printing: Printing, gently: Gently) -> int:
    taken = await _watched(census_running(out, options, fresh=fresh), printing, gently)
    if not (printing.quiet or printing.json):
        say(summaries.census_summary(taken, out / CENSUS))
    else:
        _end_briefly(printing, taken.exit_code, taken.unanswered, taken.stopped)
    return taken.exit_code


def merge_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async merge --out DIR``: the manifests, from the journals of all shards."""
    parser = Parser(
        "merge",
        "Merge the journals of all shards into metadata.jsonl and failures.jsonl. Works while shards are"
        " running. Exit code as for a normal run.",
        usage="--out DIR",
    )
    parser.add_out(
        "output directory of the shards or s3:// URL (required)", needed="the output directory", kind=anywhere
    )
    return until_signal(partial(_merge, parser.read(argv).out))


async def _merge(out: str, _gently: Gently) -> int:
    try:
        merged = await merge(out)
    except Failure as trouble:
        _say_why_stopped(trouble)
        return trouble.reason.advice.exit_code
    say(f"{out}: {merged.words}")
    return merged.exit_code


def report_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async report --out DIR``: regenerates report.html."""
    parser = Parser("report", "Regenerate DIR/report.html. Works during a run or after a crash.")
    parser.add_out("output directory of a run (required)", needed="the output directory of a run")
    add(parser, Options, groups=("ffmpeg", "encodes"))
    said = parser.read(argv)
    return until_signal(partial(_report, said.out, made(Options, said)))


async def _report(out: Path, options: Options, _gently: Gently) -> int:
    lane = anyio.CapacityLimiter(options.width_of_encode_lane)
    try:
        say(f"{await page.write(out, tool=partial(find_ffmpeg, options), encodes=lane)}")
    except Failure as trouble:
        raise StoreError(f"{trouble} {trouble.reason.advice.remedy}") from None
    return ExitCode.DONE


def doctor_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async doctor``: whether this machine is ready for a run with these options."""
    parser = Parser(
        "doctor",
        "Check everything that a run with the same options needs. Exits 0, or 4 with instructions. Changes"
        " nothing; makes no network requests without --live.",
        usage="[--json] [--out DIR] [options]",
    )
    parser.add_out("also check this output directory")
    parser.add_argument("--live", action="store_true", help="query two videos on YouTube (about a minute)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add(parser, Options)
    said = parser.read(argv)
    return until_signal(partial(_doctor, made(Options, said), said, origins(said)))


async def _doctor(options: Options, said: Namespace, elsewhere: dict[str, str], _gently: Gently) -> int:
    signs = await doctor.examine(options, said.out)
    if said.live:
        signs += await live.examine(options, signs, partial(print, file=sys.stderr, flush=True))
    ready = preflight.is_ready(signs)
    if said.json:
        say_json({"ready": ready, "settings": elsewhere, "signs": list(map(preflight.to_json, signs))})
    else:
        lines = [f"{'set':>7}  {line}" for line in set_elsewhere(elsewhere)]
        say("\n".join([*lines, *map(preflight.told, signs)]), indent=9)
        say("Ready." if ready else "Not ready.")
    return ExitCode.DONE if ready else ExitCode.LOCAL


def check_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async check --out DIR``: verify every clip against its record."""
    parser = Parser(
        "check",
        "Verify every clip against its recorded checksum and list corrupt, missing and untracked files; exit"
        " code 1 if there are any. Changes nothing without --repair. Download and encode options only matter"
        " with --repair.",
    )
    parser.add_out("output directory of a run (required)", needed="the output directory of a run")
    parser.add_argument("--deep", action="store_true", help="decode every clip")
    parser.add_argument("--repair", action="store_true", help="re-create corrupt and missing clips")
    add(parser, Options, groups=(NETWORK, ENCODE, DISK, TOOLS), without=repair.IDLE)
    add(parser, Printing)
    said = parser.read(argv)
    job = partial(repair.running, said.out, made(Options, said), deep=said.deep, repair=said.repair)
    return until_signal(partial(_check, job, said.out, made(Printing, said)))


async def _check(job: Callable[[], _Job[repair.Check]], out: Path, printing: Printing, gently: Gently) -> int:
    check = await _watched(job(), printing, gently)
    findings = summaries.check_findings(check)
    if not (printing.quiet or printing.json):
        say("\n".join([*findings, summaries.check_summary(check, shlex.quote(str(out)))]))
    else:
        if printing.quiet and findings:
            say("\n".join(findings), error=True)
        _end_briefly(printing, check.exit_code, check.report.reasons, check.stopped or check.report.stopped)
    return check.exit_code


def export_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async export``: the clips of a directory in the layout that a code base expects."""
    parser = Parser(
        "export",
        "Export the clips of DIR to DIR2 in the directory layout that a code base expects: hard links (or"
        " copies), lists and frames. Never overwrites or removes files that it did not create.",
        usage="--recipe NAME --out DIR --to DIR2 [options]",
    )
    parser.add_argument(
        "--recipe", metavar="NAME", choices=RECIPES, required=True, help=f"one of {', '.join(RECIPES)}"
    )
    parser.add_out("output directory of a run (required)", needed="the output directory of a run")
    parser.add_argument("--to", metavar="DIR2", type=Path, required=True, help="export directory (required)")
    parser.add_argument("--quiet", "-q", action="store_true", help="print errors only")
    add(parser, Options, without={option.name for option in fields(Options)} - OF_EXPORT)
    said = parser.read(argv)
    told = (lambda _: None) if said.quiet else say
    job = partial(export, said.out, said.to, said.recipe, made(Options, said), told=told)
    return until_signal(partial(_export, job, said.quiet), goes_on=True)


async def _export(job: Callable[[], Awaitable[Exported]], quiet: bool, _gently: Gently) -> int:
    try:
        done = await job()
    except Failure as failure:
        _say_why_stopped(failure)
        return failure.reason.advice.exit_code
    if not quiet:
        say(f"{done.words}\n{RECIPES[done.recipe].use}")
    return ExitCode.DONE


def faces_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async faces --out DIR``: the windows around faces, as a table and as an image."""
    parser = Parser(
        "faces",
        "Compare the crop windows of clips made with --crop face with the published boxes (intersection over"
        f" union); DIR/{faces.SHEET} shows both on a frame of each clip.",
    )
    parser.add_out("output directory of a run (required)", needed="the output directory of a run")
    add(parser, Options, groups=("raw_dirs", "ffmpeg", "encodes"))
    said = parser.read(argv)
    return until_signal(partial(_faces, said.out, made(Options, said)))


async def _faces(out: Path, options: Options, _gently: Gently) -> int:
    say(await faces.made(out, options))
    return ExitCode.DONE


def demo_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async demo --out DIR``: the main command, offline, against the mock server."""
    from hdtf_async import demo  # noqa: PLC0415 - only needed for the demo

    parser = Parser(
        "demo",
        "Run everything offline: render synthetic videos of talking heads, serve them from a mock YouTube"
        " server on this machine, and run the main command against it.",
    )
    parser.add_out("output directory (required)", needed="the output directory")
    parser.add_argument("--footage", metavar="DIR", type=Path, help="cache the rendered videos in DIR")
    add(parser, Printing)
    add_recipe(parser)
    said = parser.read(argv)
    printing = made(Printing, said)
    with tempfile.TemporaryDirectory(prefix="hdtf-demo-") as temporary:
        source = Path(temporary) / "tables"
        demo.write_tables(source)
        options = Options(source=source, pace=demo.PACE, **preset(said))
        if _nothing_left(said.out, options):
            return until_signal(partial(_run, said.out, options, printing), goes_on=True)
        footage = said.footage or Path(temporary) / "footage"
        drawn = until_signal(partial(_draw, footage, printing), goes_on=said.footage is not None)
        if drawn != ExitCode.DONE:
            return drawn
        return until_signal(partial(_demo, footage, said.out, options, printing), goes_on=True)


async def _draw(footage: Path, printing: Printing, _gently: Gently) -> int:
    """Render the missing footage, and print the progress."""
    from hdtf_async import demo  # noqa: PLC0415

    def told(number: int) -> None:
        if not printing.quiet:
            say(f"Rendering video {number} of {len(demo.FILMS)}", error=True)

    try:
        with unwrap_exception_group():
            await demo.draw(footage, demo.FILMS, await run_sync(bundled_ffmpeg), told)
    except Failure as trouble:
        await anyio.lowlevel.checkpoint()  # Ctrl-C ends children too, and is then the reason
        raise StoreError(f"{trouble} {trouble.reason.advice.remedy}") from None
    return ExitCode.DONE


async def _demo(footage: Path, out: Path, options: Options, printing: Printing, gently: Gently) -> int:
    """Start the mock server, and run the main command with options that users could pass."""
    from hdtf_async import demo  # noqa: PLC0415

    async with demo.stand_in(footage) as site:
        # The children inherit it; a user would export it in the shell.
        os.environ.update(site.environment)
        if not printing.quiet:
            say(site.typed(out, options), error=True)
        options = replace(options, yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)))
        return await _run(out, options, printing, gently)


async def _run(out: Path | str, options: Options, printing: Printing, gently: Gently) -> int:
    """Run the main command to its end and print its result."""
    report = await _watched(running(out, options), printing, gently)
    if not (printing.quiet or printing.json):
        say(summaries.summary(report, out))
    else:
        _end_briefly(printing, report.exit_code, report.reasons, report.stopped, *report.shards_left_out)
    return report.exit_code


async def _watched(job: _Job[R], printing: Printing, gently: Gently) -> R:
    """Show a job's events until they end, and return its result."""
    async with job as events:
        gently.append(events.finish)
        await show(events, view_for(printing))
    return events.report


def _say_why_stopped(stopped: Failure | None) -> None:
    if stopped is not None:
        _complain(f"{stopped} {stopped.reason.advice.remedy}")


def _end_briefly(
    printing: Printing, code: ExitCode, missing: Counter[Reason], stopped: Failure | None, *more: str
) -> None:
    """Print one line on stderr if a command without a summary has not done everything."""
    if printing.quiet and (missing or stopped):
        _complain(summaries.quiet_summary(code, missing, stopped))
    else:
        _say_why_stopped(stopped)
    for words in more:
        _complain(words)


def _complain(message: str) -> None:
    say(f"hdtf_async: {message}", error=True)


def _nothing_left(out: Path, options: Options) -> bool:
    known, read = directory.read_known(out), tables.read(options.source)
    return not plan.make(read, options, there=known.all_there(), failed=known.failures).work
