"""The power cut after every step, again and again, as a table: how often, and what was recovered.

    python benchmarks/power_cuts.py [--scale 1] [--seed 1]

`tests/support/power_cuts.py` tells what runs and what is looked at, `tests/support/recorded.py` what is taken
for granted of a file system. It ends at the first disk that is not recovered to a right directory, and says
after which step that was.
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
    "two forms": (60, 0.05, lambda cuts, _: cuts.of_runs(TWO_FORMS)),
    "two forms, without raws": (60, 0.05, lambda cuts, _: cuts.of_runs(NOTHING_KEPT)),
    "after a kill": (8, 0.02, lambda cuts, n: cuts.of_killed_runs(TWO_FORMS, 60 * n)),
    "after a kill, without raws": (8, 0.02, lambda cuts, n: cuts.of_killed_runs(NOTHING_KEPT, 60 * n)),
    "after another power cut": (8, 0.02, lambda cuts, n: cuts.of_cut_runs(TWO_FORMS, 60 * n)),
    "after another power cut, without raws": (
        8, 0.02, lambda cuts, n: cuts.of_cut_runs(NOTHING_KEPT, 60 * n),
    ),
    "the whole program with fake tools": (40, 0.02, lambda cuts, _: cuts.of_a_program(program(cuts.place))),
}  # fmt: skip
"""What is cut: the most disks recovered after each step, and the share in which the run is made again."""


async def main(scale: int, seed: int) -> None:
    """Cut and print."""
    print(ROW.format("what is cut", "steps", "disks", "reruns", "seconds"))
    steps = disks = reruns = 0
    for name, (most, again, series) in SERIES.items():
        begun = time.monotonic()
        with place() as directory:
            cuts = Cuts(directory, seed, most * scale, again)
            await series(cuts, scale)
        print(ROW.format(name, cuts.steps, cuts.states, cuts.reruns, f"{time.monotonic() - begun:.0f}"))
        steps, disks, reruns = steps + cuts.steps, disks + cuts.states, reruns + cuts.reruns
    print(ROW.format("all", steps, disks, reruns, "") + "\nnot one was recovered to a wrong directory")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scale", type=int, default=1, help="how many times as much")
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    anyio.run(main, said.scale, said.seed)
