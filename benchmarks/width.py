"""How long runs take with as many downloads as are useful, and with fixed numbers of them, in virtual time.

    python benchmarks/width.py [--seeds 3]

The real pipeline runs over simulated lines (`tests/support/lines.py`): limited in total, for each connection,
both, or varying, with noise, with servers of different speed, with connections that stall. The first column
is the mean time of the best fixed number of downloads; the others are relative to it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from lines import Setting, alternating, mean_seconds

MOST = 8
FIXED = (1, 2, 3, 4, 6, MOST)
SMALL = (5.0, 9.0)
"""Megabytes of videos that take less time to transfer than to start."""
BOTH = Setting("", 12.5, 5)
SETTINGS = (
    replace(BOTH, name="8 videos, 12.5 MB/s, 5 each", videos=8),
    Setting("8 videos, 12.5 MB/s", 12.5, videos=8),
    Setting("8 videos, 5 MB/s each", 100, 5, videos=8),
    Setting("8 videos, 1.5 MB/s each", 100, 1.5, videos=8),
    replace(BOTH, name="12.5 MB/s, 5 each"),
    replace(BOTH, name="the same, cheap encodes", cpu_seconds=4),
    Setting("12.5 MB/s", 12.5),
    Setting("2.5 MB/s", 2.5, megabytes=(8, 14), cpu_seconds=6),
    Setting("5 MB/s each", 100, 5, cpu_seconds=4),
    Setting("12 MB/s each, 8 CPUs", 100, 12, cpu_seconds=6, cpus=8),
    Setting("1.5 MB/s each", 100, 1.5, cpu_seconds=6),
    Setting("12.5, then 3 MB/s, ...", alternating(12.5, 3)),
    Setting("12.5, then 40 MB/s, 5 each", alternating(12.5, 40), 5, cpu_seconds=4),
    Setting("10, then 1.5 MB/s each, ...", 12.5, alternating(10, 1.5)),
    Setting("a tenth stalls, 12.5, 5 each", 12.5, 5, stalling=0.1),
    Setting("a third stalls, 12.5 MB/s", 12.5, stalling=0.3),
    Setting("much noise, 12.5, 5 each", 12.5, 5, noise=0.4),
    Setting("servers differ, 5 each", 100, 5, spread=0.5, cpu_seconds=4),
    Setting("servers differ, 12.5, 5 each", 12.5, 5, spread=0.5),
    Setting("small videos, 12.5 MB/s", 12.5, megabytes=SMALL, cpu_seconds=1.2),
    Setting("small videos, 1 MB/s each", 12.5, 1, megabytes=SMALL, cpu_seconds=1.2),
    Setting("pace of 15 s, 12.5, 5 each", 12.5, 5, videos=20, pace=15),
    Setting("pace of 15 s, 1.5 MB/s each", 100, 1.5, videos=20, pace=15),
)


def row(setting: Setting, seeds: range) -> str:
    """Run one setting and return its row."""
    fixed = [mean_seconds(setting, seeds, downloads=number, adaptive=False) for number in FIXED]
    adaptive = mean_seconds(setting, seeds, downloads=MOST, adaptive=True)
    best = min(fixed)
    return f"{setting.name:30}{best:7.1f} s {adaptive / best:9.3f} " + "".join(
        f"{one / best:7.3f}" for one in fixed
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="only settings whose name has this in it")
    args = parser.parse_args()
    print(f"{'':30}{'best':>9}{'adaptive':>10} " + "".join(f"{number:7}" for number in FIXED))
    for setting in SETTINGS:
        if args.only in setting.name:
            print(row(setting, range(args.seeds)), flush=True)


if __name__ == "__main__":
    main()
