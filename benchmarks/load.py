"""Tables of any length: the overhead of the program, and whether it grows faster than the rows.

    python benchmarks/load.py [--rows 421 10000 100000] [--list] [--dir DIR]

The real main command without child processes (`tests/support/load_runs.py`): every tenth video is
unavailable, every eleventh succeeds on the second attempt. Each length is run twice in a separate process:
the second run finds everything done. With `--list` the rows are those of a user's own list, five clips to a
video; the size of the journal and the cost of the report are printed, too. Each clip is synced, which is most
of the time on a disk: `--dir` selects it.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from load_runs import Most, load, write_list, write_tables

from hdtf_async.report import page as report_page


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[421, 10_000, 100_000])
    parser.add_argument("--dir", type=Path, help="directory for temporary files")
    parser.add_argument("--list", action="store_true", help="rows of a list of clips, not of HDTF's tables")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def peak() -> float:
    """Return the peak resident memory of this process in MB; macOS reports it in bytes, others in KiB."""
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return resident / (1e6 if platform.system() == "Darwin" else 1e6 / 1024)


def measure(rows: int, directory: Path, *, as_list: bool) -> dict[str, float]:
    """Run one length twice, in this process."""
    clips, tables = directory / "clips", directory / ("list.csv" if as_list else "tables")
    (write_list if as_list else write_tables)(tables, rows)
    before, most = peak(), Most()
    began = time.process_time()
    report = anyio.run(load, clips, tables, most)
    processor = time.process_time() - began
    figures = {"first MB": peak(), "made": len(report.done), "failed": len(report.failed)}
    figures |= {"first s": report.seconds, "first CPU s": processor} | asdict(most)
    again = anyio.run(load, clips, tables, Most())
    if report.not_tried or len(again.done) or again.there != len(report.done):
        raise RuntimeError(f"{rows} rows: {report.ended()}, then {again.ended()}")
    figures |= {"second s": again.seconds, "both MB": peak(), "start MB": before}
    journal = (clips / "_journal.jsonl").stat().st_size
    began = time.process_time()
    page = anyio.run(partial(report_page.write, clips, tool=None, encodes=anyio.CapacityLimiter(1)))
    return figures | {
        "journal MB": journal / 1e6,
        "report s": time.process_time() - began,
        "report MB": page.stat().st_size / 1e6,
        "all MB": peak(),
    }


def main() -> None:
    """Print a line for each length."""
    args = parse_arguments()
    if args.one:
        with tempfile.TemporaryDirectory(prefix="load-", dir=args.dir) as directory:
            print(json.dumps(measure(args.rows[0], Path(directory), as_list=args.list)))
        return
    row = "{:>7} {:>7} {:>7} {:>9} {:>9} {:>9} {:>6} {:>6} {:>8} {:>9} {:>8} {:>8} {:>10} {:>9} {:>8} {:>9}"
    heads = ("rows", "made", "failed", "s", "ms/row", "CPU ms", "files", "tasks", "threads", "rerun s")
    print(row.format(*heads, "peak MB", "rerun MB", "journal MB", "report s", "page MB", "with it MB"))
    for rows in args.rows:
        argv = [sys.executable, __file__, "--one", "--rows", str(rows)]
        argv += [] if args.dir is None else ["--dir", str(args.dir)]
        argv += ["--list"] if args.list else []
        one = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
        figures = (
            *(rows, one["made"], one["failed"], f"{one['first s']:.1f}"),
            *(f"{1000 * one[what] / rows:.2f}" for what in ("first s", "first CPU s")),
            *(one["files"], one["tasks"], one["threads"], f"{one['second s']:.1f}"),
            *(f"{one[what]:.0f}" for what in ("first MB", "both MB", "journal MB")),
            *(f"{one[what]:.1f}" for what in ("report s", "report MB")),
            f"{one['all MB']:.0f}",
        )
        print(row.format(*figures), flush=True)


if __name__ == "__main__":
    main()
