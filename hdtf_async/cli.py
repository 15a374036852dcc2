"""The command line: words in, exit code out. Everything that is global (signals, printing) is here."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import traceback
from contextlib import AbstractAsyncContextManager
from dataclasses import fields, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import anyio.lowlevel
from anyio.to_thread import run_sync

from hdtf_async import (
    away,
    census,
    doctor,
    export,
    health,
    page,
    plan,
    planned,
    progress,
    rawdirs,
    repair,
    shards,
    sheet,
    store,
    tables,
)  # fmt: skip
from hdtf_async.ending import Gently, until_signal
from hdtf_async.failures import ExitCode, Failure, exit_code
from hdtf_async.flags import COMMANDS, Parser, add, add_recipe, here, made, origins, preset, set_elsewhere
from hdtf_async.forms import FormError
from hdtf_async.journal import Known
from hdtf_async.locks import StoreError
from hdtf_async.options import DISK, ENCODE, NETWORK, TOOLS, WHICH, Options, OptionsError, Printing
from hdtf_async.pen import folded
from hdtf_async.recipes import RECIPES
from hdtf_async.run import Running, running
from hdtf_async.workshop import bundled_ffmpeg, ffmpeg_of, one_error, own_version

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from hdtf_async.bucket import Address

R = TypeVar("R")
"""What a job comes to."""
_Job = AbstractAsyncContextManager[Running[R]]

DESCRIPTION = """\
From the HDTF tables to talking-head clips: downloads and encodes overlap.

  python -m hdtf_async --out clips                         the whole dataset
  python -m hdtf_async --out clips --subset RD --limit 5   a first taste of it
  python -m hdtf_async --out clips --size 512 --fps 25     for training code
  python -m hdtf_async --out clips --recipe hallo          for Hallo, with sound
  python -m hdtf_async plan               what would be done; what is odd
  python -m hdtf_async doctor             tools, cookies, disk: ready or not
  python -m hdtf_async census --out DIR   what is still on YouTube
  python -m hdtf_async check --out DIR    every clip against its record
  python -m hdtf_async merge --out DIR    the lists, from all shards' journals
  python -m hdtf_async report --out DIR   report.html anew, also during a run
  python -m hdtf_async export --help      the trees that training code wants
  python -m hdtf_async faces --out DIR    what --crop face has cut out
  python -m hdtf_async demo --out DIR     the whole job, offline"""
EPILOG = """\
exit codes: 0 all is there; 1 the rest is gone or needs you; 2 usage or tables;
3 YouTube refuses this address; 4 local trouble; 75 another run may help;
129, 130, 143 the terminal went away, interrupted, terminated"""
OUT = ("--out", "-o", "--output_dir")


def entry() -> NoReturn:
    """Run the command line of this process and leave with its exit code."""
    sys.exit(main(sys.argv[1:]))


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
    except (tables.TableError, FormError, OptionsError, plan.UnknownVideoError) as error:
        code, message = ExitCode.USAGE, str(error)
    except StoreError as error:
        code, message = error.exit_code, str(error)
    except BrokenPipeError:
        # Whoever read our output has gone; so that Python does not complain at exit:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.LOCAL
    except KeyboardInterrupt:
        code, message = ExitCode.INTERRUPTED, "interrupted"
    except Exception as error:  # noqa: BLE001 - a fault of ours: one line, and the way to the rest
        if {"debug", "--log-level=debug"} & {*words, os.environ.get("HDTF_ASYNC_LOG_LEVEL")}:
            traceback.print_exc()
        code = ExitCode.LOCAL
        message = f"a fault of its own, please report it: {error!r} (--log-level debug shows where)"
    print(folded(f"hdtf_async: {message}", sys.stderr), file=sys.stderr)
    return code


def main_job(argv: Sequence[str]) -> int:
    """``python -m hdtf_async --out DIR``."""
    parser = Parser(
        prog="python -m hdtf_async", usage="%(prog)s --out DIR [options]",
        description=DESCRIPTION, epilog=EPILOG,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"hdtf_async {own_version()}")
    parser.add_argument(*OUT, dest="out", metavar="DIR", help="where the clips go (required); or s3://...")
    add(parser, Options)
    add(parser, Printing)
    add_recipe(parser)
    said = parser.read(argv)
    if said.out is None:
        parser.error("--out DIR is needed: it says where the clips go")
    options, printing = made(Options, said), made(Printing, said)
    if options.shard is None:
        options = _as_told_by_the_batch_system(options, printing)
    return until_signal(partial(_run, said.out, options, printing), goes_on=True)


def _as_told_by_the_batch_system(options: Options, printing: Printing) -> Options:
    """Return the options of one of several copies, where the environment says that this is one."""
    try:
        told = shards.from_environment(os.environ)
    except ValueError as error:
        raise OptionsError(str(error)) from None
    if told is None:
        return options
    if not printing.quiet:
        print(f"hdtf_async: this is shard {told[0]}, says {told[1]}", file=sys.stderr)
    return replace(options, shard=told[0])


def plan_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async plan``: what would be done, and what is odd in the tables; touches nothing."""
    parser = Parser(
        prog="python -m hdtf_async plan", usage="%(prog)s [--json] [options]",
        description="What would be done, and what is odd in the tables. Touches nothing.",
    )  # fmt: skip
    parser.add_argument(*OUT, dest="out", metavar="DIR", type=here, help="leave out what is there already")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add(parser, Options)
    add_recipe(parser)
    said = parser.read(argv)
    options = made(Options, said)
    read = tables.read(options.source, corrections=options.corrections)
    plan.require_known(read, options)
    known = Known(Path()) if said.out is None else store.read_known(said.out)
    decided = plan.make(read, options, there=known.all_there(), failed=known.failures)
    told = planned.stated(read, decided, options, *rawdirs.for_plan(options, decided.work, known))
    told["settings"] = origins(said)
    print(json.dumps(told, indent=2) if said.json else folded(planned.words(told), sys.stdout, 9))
    return ExitCode.DONE


def census_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async census --out DIR``: what is still on YouTube; downloads nothing."""
    parser = Parser(
        prog="python -m hdtf_async census", usage="%(prog)s --out DIR [options]",
        description="Asks YouTube for every video, at the pace, and downloads none: DIR/census.csv says"
        " which are still there, at which height, and why the others are not.",
    )  # fmt: skip
    parser.add_argument(*OUT, dest="out", metavar="DIR", type=here, help="where census.csv goes (required)")
    parser.add_argument(
        "--fresh", metavar="DAYS", type=float, default=7.0,
        help="do not ask again for a video that has answered within so many days (7)",
    )  # fmt: skip
    add(parser, Options, groups=(WHICH, NETWORK, TOOLS), without=census.IDLE)
    add(parser, Printing)
    said = parser.read(argv)
    if said.out is None:
        parser.error("--out DIR is needed: it says where census.csv goes")
    if not 0 <= said.fresh <= 36500:  # noqa: PLR2004 - a hundred years
        parser.error(f"--fresh takes 0 to 36500 days, not {said.fresh:g}")
    options = made(Options, said)
    job = partial(_census, said.out, options, timedelta(days=said.fresh), made(Printing, said))
    return until_signal(job, goes_on=True)


async def _census(out: Path, options: Options, fresh: timedelta, printing: Printing, gently: Gently) -> int:
    taken = await _watched(census.running(out, options, fresh=fresh), printing, gently)
    if not (printing.quiet or printing.json):
        print(folded(progress.census_summary(taken, out / census.CENSUS), sys.stdout))
    else:
        _say_why_stopped(taken.stopped)
    return taken.exit_code


def merge_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async merge --out DIR``: the views, from the journals of all shards."""
    parser = Parser(
        prog="python -m hdtf_async merge", usage="%(prog)s --out DIR",
        description="Writes metadata.jsonl and failures.jsonl anew from the journals of all shards, also"
        " while these are at work. The exit code tells of what is missing, as that of a run does.",
    )  # fmt: skip
    parser.add_argument(*OUT, dest="out", metavar="DIR", help="where the clips are (required); or s3://...")
    said = parser.parse_args(argv)
    if said.out is None:
        parser.error("--out DIR is needed: it says where the clips are")
    return until_signal(partial(_merge, away.place(said.out)))


async def _merge(out: Path | Address, _gently: Gently) -> int:
    try:
        clips, missing, unended = await away.merge(out)
    except Failure as trouble:
        _say_why_stopped(trouble)
        return trouble.reason.advice.exit_code
    print(f"{out}: {shards.merged(clips, missing.total(), unended)}")
    return max(exit_code(missing), ExitCode.PASSING if unended else ExitCode.DONE)


def report_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async report --out DIR``: draws report.html anew, from the directory alone."""
    parser = Parser(
        prog="python -m hdtf_async report", usage="%(prog)s --out DIR [options]",
        description="Draws DIR/report.html anew, from the directory alone, also while a run goes on.",
    )  # fmt: skip
    parser.add_argument(*OUT, dest="out", metavar="DIR", type=here, help="what to report of (required)")
    add(parser, Options, groups=("ffmpeg", "encodes"))
    said = parser.read(argv)
    if said.out is None:
        parser.error("--out DIR is needed: it says what to report of")
    return until_signal(partial(_report, said.out, made(Options, said)))


async def _report(out: Path, options: Options, _gently: Gently) -> int:
    lane = anyio.CapacityLimiter(options.width_of_encode_lane)
    try:
        print(await page.write(out, tool=partial(ffmpeg_of, options), encodes=lane))
    except Failure as trouble:
        raise StoreError(f"{trouble} {trouble.reason.advice.remedy}") from None
    return ExitCode.DONE


def doctor_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async doctor``: whether this machine is ready for a run with these options."""
    parser = Parser(
        prog="python -m hdtf_async doctor", usage="%(prog)s [--json] [--out DIR] [options]",
        description="Looks at what a run with the same options would need, and says what to do where"
        " something is wrong: exit code 4. Changes nothing, and asks nobody on the network.",
    )  # fmt: skip
    parser.add_argument(*OUT, dest="out", metavar="DIR", type=here, help="look at this directory too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add(parser, Options)
    said = parser.read(argv)
    return until_signal(partial(_doctor, made(Options, said), said.out, origins(said), said.json))


async def _doctor(
    options: Options, out: Path | None, elsewhere: dict[str, str], as_json: bool, _gently: Gently
) -> int:
    signs = await doctor.examine(options, out)
    ready = health.is_ready(signs)
    if as_json:
        told = {"ready": ready, "settings": elsewhere, "signs": list(map(health.stated, signs))}
        print(json.dumps(told, indent=2))
    else:
        lines = [f"{'set':>7}  {line}" for line in set_elsewhere(elsewhere)]
        print(folded("\n".join([*lines, *map(health.told, signs)]), sys.stdout, 9))
        print("Ready." if ready else "Not ready.")
    return ExitCode.DONE if ready else ExitCode.LOCAL


def check_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async check --out DIR``: every published clip against its record."""
    parser = Parser(
        prog="python -m hdtf_async check", usage="%(prog)s --out DIR [options]",
        description="Holds every clip against its record, and names what is wrong, missing or foreign; exit"
        " code 1 if anything is. Changes nothing without --repair; the options of the lanes are for that.",
    )  # fmt: skip
    parser.add_argument(*OUT, dest="out", metavar="DIR", type=here, help="where the clips are (required)")
    parser.add_argument("--deep", action="store_true", help="decode every clip")
    parser.add_argument("--repair", action="store_true", help="make again what is wrong or missing")
    add(parser, Options, groups=(NETWORK, ENCODE, DISK, TOOLS), without=repair.IDLE)
    add(parser, Printing)
    said = parser.read(argv)
    if said.out is None:
        parser.error("--out DIR is needed: it says where the clips are")
    job = partial(repair.running, said.out, made(Options, said), deep=said.deep, repair=said.repair)
    return until_signal(partial(_check, job, said.out, made(Printing, said)))


async def _check(job: Callable[[], _Job[repair.Check]], out: Path, printing: Printing, gently: Gently) -> int:
    check = await _watched(job(), printing, gently)
    findings = progress.check_findings(check)
    if not (printing.quiet or printing.json):
        findings.append(progress.check_summary(check, shlex.quote(str(out))))
        print(folded("\n".join(findings), sys.stdout))
    else:
        if printing.quiet:
            print("".join(f"{line}\n" for line in findings), end="", file=sys.stderr)
        _say_why_stopped(check.stopped or check.report.stopped)
    return check.exit_code


def export_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async export``: the clips of a directory in the tree that training code wants."""
    parser = Parser(
        prog="python -m hdtf_async export", usage="%(prog)s --recipe NAME --out DIR --to DIR2 [options]",
        description="Lays out the clips of DIR below DIR2 as training code wants: links (copies where"
        " there are none), lists, and frames. What somebody else has put there is left alone.",
    )  # fmt: skip
    parser.add_argument(
        "--recipe", metavar="NAME", choices=RECIPES, required=True, help=f"one of {', '.join(RECIPES)}"
    )
    parser.add_argument(*OUT, dest="out", metavar="DIR", type=here, required=True, help="where the clips are")
    parser.add_argument("--to", metavar="DIR2", type=Path, required=True, help="where the tree goes")
    parser.add_argument("--quiet", "-q", action="store_true", help="nothing but errors")
    add(parser, Options, without={option.name for option in fields(Options)} - export.OPTIONS)
    said = parser.read(argv)
    told = (lambda _: None) if said.quiet else partial(print, flush=True)
    job = partial(export.export, said.out, said.to, said.recipe, made(Options, said), told=told)
    return until_signal(partial(_export, job, said.quiet), goes_on=True)


async def _export(job: Callable[[], Awaitable[export.Exported]], quiet: bool, _gently: Gently) -> int:
    try:
        done = await job()
    except Failure as failure:
        _say_why_stopped(failure)
        return failure.reason.advice.exit_code
    if not quiet:
        print(folded(f"{done.words}\n{RECIPES[done.recipe].use}", sys.stdout))
    return ExitCode.DONE


def faces_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async faces --out DIR``: the windows around faces, as a table and as a picture."""
    parser = Parser(
        prog="python -m hdtf_async faces", usage="%(prog)s --out DIR [options]",
        description="The windows of clips made with --crop face, with the published boxes and the"
        f" intersection over union; DIR/{sheet.SHEET} shows both on a frame of each clip.",
    )  # fmt: skip
    parser.add_argument(*OUT, dest="out", metavar="DIR", type=here, required=True, help="where the clips are")
    add(parser, Options, groups=("raw_dirs", "ffmpeg", "encodes"))
    said = parser.read(argv)
    return until_signal(partial(_faces, said.out, made(Options, said)))


async def _faces(out: Path, options: Options, _gently: Gently) -> int:
    print(await sheet.made(out, options))
    return ExitCode.DONE


def demo_command(argv: Sequence[str]) -> int:
    """``python -m hdtf_async demo --out DIR``: the main job, offline, against the stand-in."""
    from hdtf_async import demo  # noqa: PLC0415 - only the demo pays for it

    parser = Parser(
        prog="python -m hdtf_async demo", usage="%(prog)s --out DIR [options]",
        description="The whole job, offline: draws footage of talking heads, serves it from a stand-in for"
        " YouTube on this machine, and runs the main job against it.",
    )  # fmt: skip
    parser.add_argument(*OUT, dest="out", metavar="DIR", type=here, help="where the clips go (required)")
    parser.add_argument("--footage", metavar="DIR", type=Path, help="keep the footage there for another time")
    add(parser, Printing)
    add_recipe(parser)
    said = parser.read(argv)
    if said.out is None:
        parser.error("--out DIR is needed: it says where the clips go")
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
    """Draw the footage that is not there, and tell how far it is."""
    from hdtf_async import demo  # noqa: PLC0415

    def told(number: int) -> None:
        if not printing.quiet:
            print(f"Drawing film {number} of {len(demo.FILMS)}", file=sys.stderr, flush=True)

    try:
        with one_error():
            await demo.draw(footage, demo.FILMS, await run_sync(bundled_ffmpeg), told)
    except Failure as trouble:
        await anyio.lowlevel.checkpoint()  # Ctrl-C ends children too, and is then the reason
        raise StoreError(f"{trouble} {trouble.reason.advice.remedy}") from None
    return ExitCode.DONE


async def _demo(footage: Path, out: Path, options: Options, printing: Printing, gently: Gently) -> int:
    """Start the stand-in, and run the main job with what any user could pass."""
    from hdtf_async import demo  # noqa: PLC0415

    async with demo.stand_in(footage) as site:
        # The children inherit it: a user would export it in the shell.
        os.environ.update(site.environment)
        if not printing.quiet:
            print(site.typed(out, options), file=sys.stderr, flush=True)
        options = replace(options, yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)))
        return await _run(out, options, printing, gently)


async def _run(out: Path | str, options: Options, printing: Printing, gently: Gently) -> int:
    """Run the main job to its end and tell what came of it."""
    report = await _watched(running(out, options), printing, gently)
    if not (printing.quiet or printing.json):
        print(folded(progress.summary(report, out), sys.stdout))
    else:
        _say_why_stopped(report.stopped)
    return report.exit_code


async def _watched(job: _Job[R], printing: Printing, gently: Gently) -> R:
    """Show a job's events until they end, and return what it came to."""
    async with job as events:
        gently.append(events.finish)
        await progress.show(events, progress.view_for(printing))
        result = events.report
    if result is None:
        raise RuntimeError("it ended without a result")
    return result


def _say_why_stopped(stopped: Failure | None) -> None:
    if stopped is not None:
        print(folded(f"hdtf_async: {stopped} {stopped.reason.advice.remedy}", sys.stderr), file=sys.stderr)


def _nothing_left(out: Path, options: Options) -> bool:
    known = store.read_known(out)
    read = tables.read(options.source)
    return not plan.make(read, options, there=known.all_there(), failed=known.failures).work
