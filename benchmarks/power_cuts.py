"""Power cuts after every step, as a table: how often, and what was recovered.

    python benchmarks/power_cuts.py [--scale 1] [--seed 1]

`tests/support/power_cuts.py` defines what runs and what is checked, `tests/support/recorded_disk.py` the
assumptions about a file system. It ends at the first disk that is recovered to an inconsistent directory, and
names the step.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from power_cuts import NOTHING_KEPT, TWO_FORMS, Cuts, place, program

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROW = "{:46} {:>6} {:>8} {:>7} {:>8}"
SERIES: dict[str, tuple[int, float, Callable[[Cuts, int], Awaitable[object]]]] = {
    "two settings": (60, 0.05, lambda cuts, _: cuts.of_runs(TWO_FORMS)),
    "two settings, videos deleted": (60, 0.05, lambda cuts, _: cuts.of_runs(NOTHING_KEPT)),
    "after a kill": (8, 0.02, lambda cuts, n: cuts.of_killed_runs(TWO_FORMS, 60 * n)),
    "after a kill, videos deleted": (8, 0.02, lambda cuts, n: cuts.of_killed_runs(NOTHING_KEPT, 60 * n)),
    "after another power cut": (8, 0.02, lambda cuts, n: cuts.of_cut_runs(TWO_FORMS, 60 * n)),
    "after another power cut, videos deleted": (
        8, 0.02, lambda cuts, n: cuts.of_cut_runs(NOTHING_KEPT, 60 * n),
    ),
    "the whole program with fake tools": (40, 0.02, lambda cuts, _: cuts.of_a_program(program(cuts.place))),
}  # fmt: skip
"""The series: maximum number of disks recovered after each step, and the fraction for which the run is
repeated."""


async def main(scale: int, seed: int) -> None:
    """Run the series and print the table."""
    print(ROW.format("series", "steps", "disks", "reruns", "seconds"))
    steps = disks = reruns = 0
    for name, (most, again, series) in SERIES.items():
        begun = time.monotonic()
        with place() as directory:
            cuts = Cuts(directory, seed, most * scale, again)
            await series(cuts, scale)
        print(ROW.format(name, cuts.steps, cuts.states, cuts.reruns, f"{time.monotonic() - begun:.0f}"))
        steps, disks, reruns = steps + cuts.steps, disks + cuts.states, reruns + cuts.reruns
    print(
        ROW.format("all", steps, disks, reruns, "") + "\nevery disk was recovered to a consistent directory"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scale", type=int, default=1, help="multiplier of the number of disks")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    anyio.run(main, args.scale, args.seed)
