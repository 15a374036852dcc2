"""The whole dataset with fake tools: the makespan relative to the lower bounds of both lanes.

    python benchmarks/rehearsal.py [--downloads 8] [--encodes 4] [--scale 0.055] [--pace 0] [--limit N]

All videos and clips of the bundled tables go through the real pipeline. yt-dlp and ffmpeg are fakes that
write real files and take realistic times: a download according to its size, an encode according to the
duration of its clip, multiplied by `--scale`. Nothing is decoded, so this measures the supervisor: how well
the lanes overlap, and its overhead.

The lower bound is the time of the lane with more work, if it were always full.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

import anyio

import hdtf_async
from hdtf_async.core.options import Options
from hdtf_async.dataset import tables

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from fakes import kit

ASK_SECONDS = 3.0
"""Seconds for one response of YouTube, including the start of yt-dlp."""
BYTES_A_SECOND = 2_000_000
"""Bytes per second of one download."""
TIMES_REAL_TIME = 16
"""Seconds of a clip that one encode creates per second."""


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--downloads", type=int, default=8)
    parser.add_argument("--encodes", type=int, default=4)
    parser.add_argument("--scale", type=float, default=0.055, help="simulated seconds per real second")
    parser.add_argument("--pace", type=float, default=0.0, help="minimum seconds between two starts")
    parser.add_argument("--limit", type=int, help="only the first N videos of the tables")
    return parser.parse_args()


def megabytes(usage: resource.struct_rusage) -> float:
    """Return the peak resident memory, which macOS reports in bytes and others in KiB."""
    return usage.ru_maxrss / (1e6 if platform.system() == "Darwin" else 1e6 / 1024)


async def rehearse(args: argparse.Namespace, directory: Path) -> None:
    """Run it once and print the table."""
    read = tables.read(None)
    stage = kit.Stage(
        videos=kit.footage(read.clips),
        times=kit.Times(
            ask=(args.scale * ASK_SECONDS, 0),
            download=(0, args.scale / BYTES_A_SECOND),
            encode=(0, args.scale / TIMES_REAL_TIME),
        ),
    )
    fakes = kit.install(directory, stage)
    options = Options(
        yt_dlp=fakes.yt_dlp,
        ffmpeg=fakes.ffmpeg,
        downloads=args.downloads,
        encodes=args.encodes,
        pace=args.scale * args.pace,
        limit=args.limit,
        min_free=0,
        no_report=True,  # the fakes draw no images
    )
    before = time.process_time()
    report = await hdtf_async.download(directory / "clips", options)
    processor = time.process_time() - before

    show(args, report, fakes, directory / "clips" / "_journal.jsonl")
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"supervisor: {processor:.2f} s CPU ({1000 * processor / len(fakes.jobs()):.1f} ms per child),"
        f" {megabytes(own):.0f} MB peak; children: {children.ru_utime + children.ru_stime:.1f} s CPU"
    )


def show(args: argparse.Namespace, report: hdtf_async.Report, fakes: kit.Fakes, journal: Path) -> None:
    """Print the results from the logs of the tools and the journal."""
    wall = report.seconds
    print(f"videos {len(fakes.jobs(['download']))}, clips written {len(report.done)} of {report.asked}")
    print(f"wall time {wall:.1f} s at a scale of {args.scale:g}: {wall / args.scale / 60:.0f} min unscaled\n")
    heads = ("lane", "jobs", "peak/limit", "sum s", "sum/width s", "busy s", "full")
    row = "{:8} {:>5} {:>10} {:>8} {:>11} {:>7} {:>5}"
    print(row.format(*heads))
    least = []
    for lane, kinds, width in (
        ("network", kit.NETWORK, args.downloads),
        ("encode", kit.ENCODE, args.encodes),
    ):
        jobs = fakes.jobs(kinds)
        total = sum(job.ended - job.begun for job in jobs)
        least.append(total / width)
        figures = f"{total:.1f}", f"{least[-1]:.1f}", f"{kit.busy(jobs):.1f}", f"{least[-1] / wall:.0%}"
        print(row.format(lane, len(jobs), f"{kit.peak(jobs)}/{width}", *figures))
    one_after_the_other = sum(least)
    least.append(args.scale * args.pace * (len(fakes.jobs(["ask"])) - 1))
    print(f"\nlower bound {max(least):.1f} s; wall / bound {wall / max(least):.3f}")
    print(f"sequential lanes would take {one_after_the_other:.1f} s")
    records = map(json.loads, journal.read_text("utf-8").splitlines())
    durations = {record["clip"]: record["took"] for record in records if record["type"] == "clip"}
    more = mean(durations[job.subject] - (job.ended - job.begun) for job in fakes.jobs(kit.ENCODE))
    print(f"verifying, hashing and syncing a clip takes another {1000 * more:.0f} ms of its encode token")


def main() -> None:
    """Run the benchmark in a temporary directory."""
    args = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as directory:
        anyio.run(rehearse, args, Path(directory))


if __name__ == "__main__":
    main()
