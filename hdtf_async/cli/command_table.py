"""The commands: name, help and options of each, and the coroutine that runs it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from hdtf_async.cli import actions
from hdtf_async.cli.parser import (
    Parser,
    Version,
    add,
    add_recipe,
    anywhere,
    days,
    frames,
)
from hdtf_async.commands import constants
from hdtf_async.core.options import DISK, ENCODE, NETWORK, TOOLS, WHICH, Options
from hdtf_async.core.printing import Printing
from hdtf_async.core.recipes import LAYOUTS, STILLS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hdtf_async.cli.signals import Stopping


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: a row of the table."""

    name: str
    """First word of its command line; empty for the main command."""
    example: str
    """How the overview of all commands shows it."""
    line: str
    """Its description in that overview."""
    description: str
    usage: str = "--out DIR [options]"
    epilog: str = ""
    options: Callable[[Parser], None]
    """Adds its options."""
    run: Callable[[actions.Call, Stopping], Awaitable[int]]
    """Runs it, and returns its exit code. A `Failure` becomes its message and the exit code of its reason."""
    resumes: bool = False
    """Whether the same command resumes it after an interruption."""


def _main_options(parser: Parser) -> None:
    parser.add_argument("--version", action=Version, help="show the version and exit")
    parser.add_out("output directory or s3:// URL (required)", needed="the output directory", kind=anywhere)
    add(parser, Options)
    add(parser, Printing)
    add_recipe(parser)


def _plan_options(parser: Parser) -> None:
    parser.add_out("omit the clips that already exist here")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add(parser, Options)
    add_recipe(parser)


def _doctor_options(parser: Parser) -> None:
    parser.add_out("also check this output directory")
    parser.add_argument("--live", action="store_true", help="query two videos on YouTube (about a minute)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add(parser, Options)


def _census_options(parser: Parser) -> None:
    parser.add_out("directory for census.csv (required)", needed="the directory for census.csv")
    parser.add_argument(
        "--fresh", metavar="DAYS", type=days, default=constants.FRESH,
        help=f"reuse answers younger than this ({constants.FRESH.days})",
    )  # fmt: skip
    add(parser, Options, groups=(WHICH, NETWORK, TOOLS), without=constants.IDLE_IN_CENSUS)
    add(parser, Printing)


def _check_options(parser: Parser) -> None:
    _add_out_of_a_run(parser)
    parser.add_argument("--deep", action="store_true", help="decode every clip")
    parser.add_argument("--repair", action="store_true", help="re-create corrupt and missing clips")
    add(parser, Options, groups=(NETWORK, ENCODE, DISK, TOOLS), without=constants.IDLE_IN_CHECK)
    add(parser, Printing)


def _merge_options(parser: Parser) -> None:
    parser.add_out(
        "output directory of the shards or s3:// URL (required)", needed="the output directory", kind=anywhere
    )


def _report_options(parser: Parser) -> None:
    _add_out_of_a_run(parser)
    add(parser, Options, groups=("ffmpeg", "encodes"))


def _export_options(parser: Parser) -> None:
    parser.add_argument(
        "--recipe", metavar="NAME", choices=LAYOUTS, required=True, help=f"one of {', '.join(LAYOUTS)}"
    )
    parser.add_argument(
        "--frames",
        metavar="N",
        type=frames,
        help=f"stills of each clip, for frames ({STILLS})",
    )
    _add_out_of_a_run(parser)
    parser.add_argument("--to", metavar="DIR2", type=Path, required=True, help="export directory (required)")
    parser.add_argument("--quiet", "-q", action="store_true", help="print errors only")
    add(parser, Options, without={option.name for option in fields(Options)} - constants.USED_BY_EXPORT)


def _faces_options(parser: Parser) -> None:
    _add_out_of_a_run(parser)
    add(parser, Options, groups=("raw_dirs", "ffmpeg", "encodes"))


def _datasets_options(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this one, with its citation")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")


def _demo_options(parser: Parser) -> None:
    parser.add_out("output directory (required)", needed="the output directory")
    parser.add_argument(
        "--faults", action="store_true", help="add a private video and a damaged download; exits with 1"
    )
    add(parser, Printing)
    add_recipe(parser)


def _add_out_of_a_run(parser: Parser) -> None:
    parser.add_out("output directory of a run (required)", needed="the output directory of a run")


COMMANDS = (
    Command(
        name="plan",
        example="plan",
        line="dry run and table problems",
        description="Dry run: print what a run would do, and the problems in the tables. Changes nothing.",
        usage="[--json] [options]",
        options=_plan_options,
        run=actions.run_plan,
    ),
    Command(
        name="datasets",
        example="datasets",
        line="list the datasets that --dataset accepts",
        description="List the installed datasets: title, clips and hours according to their authors, licence"
        " of the list, what to download for --source, and the crop window. Makes no network requests.",
        usage="[NAME] [--json]",
        options=_datasets_options,
        run=actions.run_datasets,
    ),
    Command(
        name="doctor",
        example="doctor",
        line="check tools, cookies and disk space",
        description="Check everything that a run with the same options needs. Exits 0, or 4 with"
        " instructions. Changes nothing; makes no network requests without --live.",
        usage="[--json] [--out DIR] [options]",
        options=_doctor_options,
        run=actions.run_doctor,
    ),
    Command(
        name="census",
        example="census --out DIR",
        line="list which videos are still on YouTube",
        description="Query YouTube for every video (rate-limited by --pace) without downloading any."
        " DIR/census.csv lists which videos are available, at which height, and why the others are not.",
        options=_census_options,
        run=actions.run_census,
        resumes=True,
    ),
    Command(
        name="check",
        example="check --out DIR",
        line="verify clips (checksums, frame counts)",
        description="Verify every clip against its recorded checksum and list corrupt, missing and untracked"
        " files; exit code 1 if there are any. Changes nothing without --repair. Download options only"
        " matter with --repair.",
        options=_check_options,
        run=actions.run_check,
    ),
    Command(
        name="merge",
        example="merge --out DIR",
        line="combine shards into metadata.jsonl",
        description="Merge the journals of all shards into metadata.jsonl and failures.jsonl. Works while"
        " shards are running. Exit code as for a normal run.",
        usage="--out DIR",
        options=_merge_options,
        run=actions.run_merge,
    ),
    Command(
        name="report",
        example="report --out DIR",
        line="report.html, methods.md, clips.lock.json",
        description="Write report.html, methods.md and clips.lock.json; also during a run or after a crash.",
        options=_report_options,
        run=actions.run_report,
    ),
    Command(
        name="export",
        example="export --help",
        line="layouts for MuseTalk, Hallo, ...",
        description="Export the clips of DIR to DIR2 in the directory layout that a code base expects: hard"
        " links (or copies), lists and frames; or as WebDataset shards, tables or still frames. Never"
        " overwrites or removes files that it did not create.",
        usage="--recipe NAME --out DIR --to DIR2 [options]",
        options=_export_options,
        run=actions.run_export,
        resumes=True,
    ),
    Command(
        name="faces",
        example="faces --out DIR",
        line="compare face crops with published boxes",
        description="Compare the crop windows of --crop face with the published boxes"
        f" (intersection over union); DIR/{constants.SHEET} shows both on a frame of each clip.",
        options=_faces_options,
        run=actions.run_faces,
    ),
    Command(
        name="demo",
        example="demo --out DIR",
        line="run everything offline on synthetic videos",
        description="Run everything offline: serve synthetic videos of talking heads from a mock YouTube"
        " server on this machine, and run the main command against it. The server blocks this machine once"
        " for some seconds.",
        usage="--out DIR [--faults] [options]",
        options=_demo_options,
        run=actions.run_demo,
        resumes=True,
    ),
)
"""All commands but the main one, in the order of the overview."""

_EXAMPLES = (
    ("--out clips", "the whole dataset"),
    ("--out clips --subset RD --limit 5", "try five videos first"),
    ("--out clips --size 512 --fps 25", "as most training code expects"),
    ("--out clips --recipe hallo", "preset for Hallo, with audio"),
)
_EPILOG = """\
exit codes: 0 everything requested exists; 1 the rest is permanently unavailable
or needs action; 2 usage or table error; 3 YouTube blocks this IP address;
4 local error; 75 temporary failures, run again; 129 SIGHUP, 130 SIGINT,
143 SIGTERM"""

MAIN = Command(
    name="",
    example="",
    line="",
    description="\n".join(
        [
            "Build talking-head datasets (HDTF, others, own lists) from YouTube videos.",
            "",
            *(f"  hdtf-async {example:<35} {line}" for example, line in _EXAMPLES),
            *(f"  hdtf-async {command.example:<20} {command.line}" for command in COMMANDS),
            "",
            "hdtf-async is short for python -m hdtf_async. Each command has its own --help.",
            "Defaults are in parentheses.",
        ]
    ),
    epilog=_EPILOG,
    options=_main_options,
    run=actions.run_main,
    resumes=True,
)
