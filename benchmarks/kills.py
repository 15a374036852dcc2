"""Kill the program at random times, repeatedly: what is left, and whether the next run recovers.

    python benchmarks/kills.py --fake 2000 [--at-once 4] [--seed 1] [--keep DIR]
    python benchmarks/kills.py --real 200

Each series starts with an empty directory, or with clips with other settings that are re-encoded, or deletes
source videos, or writes WAV files; it kills or interrupts up to ten runs of one command line, and lets the
last run end. `tests/support/kill_runs.py` defines what is killed when, and what is checked. Linux only. A
failed series is kept below `--keep`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import median

from anyio.from_thread import start_blocking_portal

from hdtf_async import demo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from kill_checks import PHASES, Undisturbed
from kill_runs import SLOWLY, TARGETS, Command, Killing, Series, fake_tools, real_tools, undisturbed

FORMS = ("--size", "96"), ("--size", "64", "--recut")
"""Options of the existing clips, and of those that replace them."""
WITH_AUDIO = ("--audio", "both")
MOST_KILLS = 10
"""Maximum per series."""
SHARES = {"empty directory": 6, "other settings": 2, "deleted videos": 2, "with audio": 3}
"""Kinds of series, and how many of thirteen are of each; the fake tools do not support audio."""
EVERY = 50
"""Kills between two lines of progress."""


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--fake", type=int, metavar="N", help="kill N runs with fake tools")
    what.add_argument("--real", type=int, metavar="N", help="kill N runs with real tools and the mock")
    parser.add_argument(
        "--at-once", type=int, default=os.cpu_count() or 1, metavar="N", help="parallel series"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="directory for failed series")
    return parser.parse_args()


@dataclass
class Record:
    """Results of all series so far."""

    series: dict[str, list[Series]] = field(default_factory=lambda: defaultdict(list))

    @property
    def all(self) -> list[Series]:
        """The series of all kinds."""
        return [series for several in self.series.values() for series in several]

    def kills(self) -> int:
        """Return how many runs were killed."""
        return sum(len(series.kills) for series in self.all)

    def wrong(self) -> int:
        """Return the number of series with an error."""
        return sum(bool(series.faults) for series in self.all)


def jobs(
    make: Callable[..., Command],
    directory: Path,
    chance: Random,
    pool: ThreadPoolExecutor,
    *,
    with_audio: bool,
) -> dict[str, Killing]:
    """Run each kind of job without kills, as many in parallel as later, and return how to kill it."""

    def run(number: int, *options: str, begin: Undisturbed | None = None) -> Future[Undisturbed]:
        command = make(directory / f"tools-{number}", *options)
        return pool.submit(undisturbed, command, directory / f"undisturbed-{number}", begin)

    before, after = FORMS
    first = [run(1), run(2, *before), run(3, "--no-keep-raw")]
    plain, small, none = (each.result() for each in first)
    other = run(4, *after, begin=small).result()
    heard = run(5, *WITH_AUDIO).result() if with_audio else None
    for right in filter(None, (plain, small, other, none, heard)):
        print(
            f"without kills: {right.seconds:.1f} s, {right.steps} steps, exit code {right.code}", flush=True
        )
    return {
        "empty directory": Killing(make, plain, chance),
        "other settings": Killing(partial(_with, make, after), other, chance, begin=small),
        "deleted videos": Killing(partial(_with, make, ("--no-keep-raw",)), none, chance, also=plain),
    } | ({} if heard is None else {"with audio": Killing(partial(_with, make, WITH_AUDIO), heard, chance)})


def _with(make: Callable[..., Command], more: tuple[str, ...], directory: Path) -> Command:
    return make(directory, *more)


@dataclass(frozen=True)
class Task:
    """A series that is planned or running."""

    number: int
    kind: str
    killing: Killing
    out: Path
    kills: int

    def run(self) -> tuple[Task, Series]:
        """Run it."""
        return self, self.killing.series(self.out, self.kills)


def kill(  # noqa: PLR0913 - called once
    requested: int,
    killings: dict[str, Killing],
    chance: Random,
    directory: Path,
    keep: Path,
    *,
    pool: ThreadPoolExecutor,
    at_once: int,
) -> Record:
    """Kill this many runs and print each error when it is found."""
    record = Record()
    begun = time.monotonic()
    number = reported_at = planned = 0
    under_way: set[Future[tuple[Task, Series]]] = set()

    def more() -> Task:
        """Plan another series."""
        nonlocal number, planned
        number += 1
        (kind,) = chance.choices(list(killings), [SHARES[kind] for kind in killings])
        # A separate generator: a series must not depend on which others run in parallel.
        killing = replace(killings[kind], chance=Random(chance.random()))  # noqa: S311 - as in `main`
        kills = min(chance.randint(1, MOST_KILLS), requested - planned)
        planned += kills
        return Task(number, kind, killing, directory / f"series-{number}", kills)

    try:
        while record.kills() < requested:
            while planned < requested and len(under_way) < at_once:
                under_way.add(pool.submit(more().run))
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for each in done:
                task, series = each.result()
                planned -= task.kills - len(series.kills)
                record.series[task.kind].append(series)
                if series.faults:
                    tell(task, series)
                    shutil.copytree(task.out, keep / task.out.name, dirs_exist_ok=True)
                    shutil.copy(task.out.with_suffix(".words"), keep)
                for left in (task.out, task.out.with_suffix(".tools")):
                    shutil.rmtree(left, ignore_errors=True)
            if record.kills() // EVERY > reported_at:
                reported_at = record.kills() // EVERY
                print(
                    f"{time.monotonic() - begun:7.0f} s: {record.kills()} kills in {len(record.all)} series,"
                    f" {record.wrong()} with errors",
                    flush=True,
                )
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    return record


def tell(task: Task, series: Series) -> None:
    """Print the errors of a series."""
    print(f"series {task.number} ({task.kind}), {series.torn} torn, {series.refused} refused:")
    for each in series.kills:
        print(
            f"  killed: {each.target} at {each.aimed_at} while {', '.join(each.phases)}: {list(each.found)}"
        )
    print(f"  at the end: {series.wrong}", flush=True)


def show(record: Record) -> None:
    """Print the tables."""
    kills = [each for series in record.all for each in series.kills]
    hits = Counter((phase, each.target) for each in kills for phase in each.phases)
    row = "{:22}" + "{:>8}" * (len(TARGETS) + 1)
    print("\nkills during (several may be active at once)")
    print(row.format("", *TARGETS, "all"))
    for phase in PHASES:
        counts = [hits[phase, target] for target in TARGETS]
        print(row.format(phase, *counts, sum(counts)))
    counts = [sum(each.target == target for each in kills) for target in TARGETS]
    print(row.format("kills", *counts, len(kills)))
    found = [sum(each.target == target for each in kills if each.found) for target in TARGETS]
    print(row.format("with errors", *found, sum(found)))

    print("\nkills aimed at")
    aims = Counter((each.aimed_at, each.target) for each in kills)
    for aim in sorted({each.aimed_at for each in kills}):
        counts = [aims[aim, target] for target in TARGETS]
        print(row.format(aim, *counts, sum(counts)))

    heads = ("series", "kills", "starts", "refused", "torn", "wrong")
    row = "{:22}" + "{:>8}" * len(heads)
    print("\n" + row.format("", *heads))
    for kind, several in {**record.series, "all": record.all}.items():
        print(
            row.format(
                kind,
                len(several),
                sum(len(series.kills) for series in several),
                sum(series.starts for series in several),
                sum(series.refused for series in several),
                sum(series.torn for series in several),
                sum(bool(series.faults) for series in several),
            )
        )
    alone = [each for each in kills if each.target in {"alone", "step"}]
    waits = [each.gone_after for each in alone if each.gone_after is not None]
    if waits:
        print(
            f"\nafter a kill of the supervisor alone, its children had ended after {median(waits):.2f} s"
            f" (median of {len(waits)}), maximum {max(waits):.2f} s;"
            f" {len(alone) - len(waits)} times the next run started at once"
        )


def main() -> int:
    """Run the benchmark; return 1 if there was an error."""
    args = parse_arguments()
    chance = Random(args.seed)  # noqa: S311 - it chooses times
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kills-")))
        keep = args.keep or Path(tempfile.mkdtemp(prefix="kills-with-faults-"))
        keep.mkdir(parents=True, exist_ok=True)
        make: Callable[..., Command] = fake_tools
        if args.real is not None:
            source = directory / "tables"
            demo.write_tables(source)
            portal = stack.enter_context(start_blocking_portal())
            site = stack.enter_context(
                portal.wrap_async_context_manager(demo.light_mock(demo.FOOTAGE, SLOWLY))
            )

            def make(_tools: Path, *more: str) -> Command:
                return real_tools(site, source, *more)

        pool = stack.enter_context(ThreadPoolExecutor(args.at_once))
        killings = jobs(make, directory, chance, pool, with_audio=args.real is not None)
        record = kill(
            args.real or args.fake, killings, chance, directory, keep, pool=pool, at_once=args.at_once
        )
        show(record)
        if record.wrong():
            print(f"\n{record.wrong()} failed series are kept in {keep}")
        return 1 if record.wrong() else 0


if __name__ == "__main__":
    sys.exit(main())
