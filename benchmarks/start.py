"""Start-up time of commands, as whole processes, compared with Python itself.

    python benchmarks/start.py [--rows 421] [--runs 9]

The directory is one that the real main command has finished, without child processes
(`tests/support/load_runs.py`); the videos of missing clips are unavailable. A run on it makes no requests and
starts no process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from load_runs import Most, load, write_tables


def seconds(argv: list[str]) -> float:
    """Run a command and return its duration in seconds."""
    begun = time.perf_counter()
    subprocess.run(argv, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=421, help="videos of one clip each")
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="start-") as temporary:
        tables, out = Path(temporary, "tables"), Path(temporary, "clips")
        write_tables(tables, args.rows)
        anyio.run(load, out, tables, Most())
        program = [sys.executable, "-m", "hdtf_async"]
        here = ["--out", str(out), "--source", str(tables)]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "--version": [*program, "--version"],
            "--help": [*program, "--help"],
            "an invalid option": [*program, "--otu", "clips"],
            "a finished directory": [*program, *here],
            "plan of it": [*program, "plan", *here],
            "report of it": [*program, "report", "--out", str(out)],
        }
        for argv in commands.values():  # warm-up, not measured
            seconds(argv)
        found: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(args.runs):
            for name, argv in commands.items():
                found[name].append(seconds(argv))
        least = median(found["python -c pass"])
        print(f"{args.rows} rows, {os.cpu_count()} CPUs, medians of {args.runs}")
        print(f"{'':22}{'ms':>7}{'ratio':>7}")
        for name, runs in found.items():
            print(f"{name:22}{1000 * median(runs):7.0f}{median(runs) / least:7.1f}")


if __name__ == "__main__":
    main()
