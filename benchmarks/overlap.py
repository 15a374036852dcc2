"""How near a run comes to the time of its slower lane, where nothing of the tools is simulated.

    python benchmarks/overlap.py [--videos 40] [--runs 3] [--regime NAME] [--footage DIR]
    python benchmarks/overlap.py --small [--runs 3] [--line NAME] [--footage DIR]

Three lines are tried: one that is slow, so that the network decides; one that is fast, so that the CPUs do;
and one on which both lanes take about as long. For each the whole job is run, and then its lanes by
themselves: the network lane with clips that are only copied into place, the encode lane from videos that
already exist. No run can end before

- the network lane and, after it, the shortest encode;
- the shortest download and, after it, the encode lane;
- the CPU seconds of all processes, divided by the CPUs.

The largest of the three is the bound.

With `--small`, eight longer videos are downloaded over lines that are limited in total, per connection, or
both. There the bound is the larger of

- the time at which the first video can exist, and after it the CPU seconds of all processes, divided by the
  CPUs;
- the time that all bytes take on the line, and after it the shortest encode.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import anyio

import hdtf_async
from hdtf_async import Options, demo
from hdtf_async.demo import Answer, Conditions, Fault
from hdtf_async.events import RawReady
from hdtf_async.media.ffmpeg import bundled_ffmpeg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from benchmark_job import cpu_seconds_of, prepare, write_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_job import Video

    from hdtf_async import Report

LINES = {"network-bound": 2_500_000, "balanced": 7_000_000, "CPU-bound": 25_000_000}
"""Regime to total bandwidth in bytes per second."""
CONNECTION = 4_000_000
FRAME_RATE = 25
SMALL_LINES: dict[str, tuple[int, int | None]] = {
    "total and connection": (12_500_000, 5_000_000),
    "total": (12_500_000, None),
    "connection": (100_000_000, 5_000_000),
}
"""What is limited, to bytes per second in total and per connection."""
SMALL_VIDEOS = 8
SMALL_PARTS = 8
"""Parts of 28 seconds per video, which make 39 to 65 MB."""
LATENCY = 0.05


@dataclass
class RunCost:
    """Cost of one run."""

    seconds: float
    cpu: float
    supervisor: float
    """CPU seconds of the supervisor alone."""
    shortest_download: float
    shortest_encode: float
    first: float
    """Seconds until the first source video existed."""
    bytes: int
    """Size of all source videos."""


async def timed(out: Path, options: Options) -> tuple[Report, float]:
    """Run the job; return its report, and the seconds until the first source video existed."""
    begun, first = time.monotonic(), 0.0
    async with hdtf_async.running(out, options) as run:
        async for event in run:
            if isinstance(event, RawReady) and not first:
                first = time.monotonic() - begun
    return run.report, first


def one_run(what: str, directory: Path) -> RunCost:
    """Run the job, or one of its lanes, in this process and its children."""
    job = json.loads((directory / "job.json").read_text(encoding="utf-8"))
    out = directory / what
    options = Options(source=directory / "tables", pace=0, yt_dlp_args=tuple(shlex.split(job["arguments"])))
    if what == "network":
        options = Options(
            source=options.source,
            pace=0,
            yt_dlp_args=options.yt_dlp_args,
            ffmpeg=directory / "copying_ffmpeg",
        )
    if what == "encodes":
        options = Options(
            source=options.source,
            raw_dirs=(directory / "whole" / "_videos_raw",),
            yt_dlp_args=("--never-asked",),
        )
    if what == "alone":
        options = replace(options, videos=(job["alone"],))
    begun = time.monotonic()
    report, first = anyio.run(timed, out, options)
    seconds = time.monotonic() - begun
    if report.exit_code:
        raise SystemExit(f"{what}: {report}")
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    supervisor = own.ru_utime + own.ru_stime
    records = [json.loads(line) for line in (out / "_journal.jsonl").read_text(encoding="utf-8").splitlines()]
    return RunCost(
        seconds,
        supervisor + others.ru_utime + others.ru_stime,
        supervisor,
        min((record["took"] for record in records if record["type"] == "raw"), default=0.0),
        min(record["took"] for record in records if record["type"] == "clip"),
        first,
        sum(record["bytes"] for record in records if record["type"] == "raw"),
    )


COPYING = """\
#!{python} -SE
import os, re, shutil, sys
target = sys.argv[-1]
if target == "-version":
    os.execv({ffmpeg!r}, [{ffmpeg!r}, "-version"])
if target != "-":
    chain = sys.argv[sys.argv.index("-vf") + 1]
    base = re.search("settb=1/([0-9]+)", chain)[1]
    start = re.search("trim=start=([0-9.]+)", chain)
    last = int(re.search("gte[(]n,([0-9]+)", chain)[1])
    first = round(float(start[1]) * int(base)) if start else 0
    for number in (0, last):
        print(f"frame:{{number}} pts:{{first + number * int(base) // {rate}}} ")
    print(f"frame={{last + 1}}")
    clip = os.path.join({clips!r}, target.partition(".hdtf-")[2].partition("-")[2])
    shutil.copyfile(clip, target.removeprefix("file:"))
"""
"""A program that imitates ffmpeg, and copies an existing clip instead of creating it."""


def write_copying_ffmpeg(path: Path, clips: Path) -> None:
    """Write `COPYING` for the clips of a directory, whose frames are regular."""
    program = COPYING.format(
        python=sys.executable, ffmpeg=str(bundled_ffmpeg()), clips=str(clips), rate=FRAME_RATE
    )
    path.write_text(program, encoding="utf-8")
    path.chmod(0o755)


async def regime(name: str, videos: Sequence[Video], args: argparse.Namespace, directory: Path) -> str:
    """Run one regime and return its row."""
    costs, site_cpu = await runs_over(
        (LINES[name], CONNECTION), ("whole", "network", "encodes"), videos, args, directory
    )
    return row(name, costs, site_cpu)


async def small(name: str, videos: Sequence[Video], args: argparse.Namespace, directory: Path) -> str:
    """Run the small job over one line and return its row."""
    total, connection = SMALL_LINES[name]
    costs, site_cpu = await runs_over((total, connection), ("whole", "alone"), videos, args, directory)
    whole, alone = costs["whole"], costs["alone"]
    seconds, first = median(one.seconds for one in whole), median(one.first for one in alone)
    cpu = median(one.cpu for one in whole) + site_cpu
    last = median(one.shortest_encode for one in whole)
    one = min(total, connection or total)
    starting = first - alone[0].bytes / one
    bounds = {
        "first + CPUs": first + cpu / (os.cpu_count() or 1),
        "network": starting + whole[0].bytes / min(total, one * len(videos)) + last,
    }
    which = max(bounds, key=lambda bound: bounds[bound])
    spread = "  ".join(f"{one.seconds:.1f}" for one in whole)
    return (
        f"{name:22}{seconds:9.1f}{first:8.1f}{median(one.first for one in whole):8.1f}"
        f"{bounds['first + CPUs']:13.1f}{bounds['network']:9.1f}{seconds / bounds[which]:8.3f}  {spread}"
    )


async def runs_over(
    line: tuple[int, int | None],
    kinds: Sequence[str],
    videos: Sequence[Video],
    args: argparse.Namespace,
    directory: Path,
) -> tuple[dict[str, list[RunCost]], float]:
    """Run each kind of job several times; return what they took, and the mock server's CPU seconds."""
    fault = Fault(latency=LATENCY)
    answer = Answer(bandwidth=line[1], media=(fault,), player=(fault,))
    answers = {video.youtube_id: answer for video in videos}
    costs: dict[str, list[RunCost]] = {kind: [] for kind in kinds}
    site_cpu: list[float] = []
    parts = SMALL_PARTS if args.small else 1
    async with demo.light_mock(args.footage, answers, Conditions(bandwidth=line[0])) as site:
        os.environ.update(site.environment)
        for number in range(args.runs):
            run = directory / f"{line} {number}"
            write_tables(run / "tables", videos, parts)
            job = {"arguments": site.yt_dlp_args, "alone": videos[1].name}
            (run / "job.json").write_text(json.dumps(job), encoding="utf-8")
            write_copying_ffmpeg(run / "copying_ffmpeg", run / "whole")
            for what, runs in costs.items():
                before = cpu_seconds_of(site.pid)
                argv = [sys.executable, __file__, "--one", what, "--dir", str(run)]
                done = await anyio.run_process(argv, stderr=None)
                runs.append(RunCost(**json.loads(done.stdout.splitlines()[-1])))
                if what == "whole":
                    site_cpu.append(cpu_seconds_of(site.pid) - before)
            shutil.rmtree(run)
    return costs, median(site_cpu)


def row(name: str, costs: dict[str, list[RunCost]], site_cpu: float) -> str:
    """Return a row of the table; each number is a median."""
    whole = median(one.seconds for one in costs["whole"])
    network = median(one.seconds for one in costs["network"])
    encodes = median(one.seconds for one in costs["encodes"])
    cpu = median(one.cpu for one in costs["whole"])
    first = median(one.shortest_download for one in costs["whole"])
    last = median(one.shortest_encode for one in costs["whole"])
    bounds = {
        "network": network + last,
        "encodes": first + encodes,
        "CPUs": (cpu + site_cpu) / (os.cpu_count() or 1),
    }
    which = max(bounds, key=lambda bound: bounds[bound])
    supervisor = median(one.supervisor / (one.cpu - one.supervisor) for one in costs["whole"])
    return (
        f"{name:15}{whole:9.1f}{bounds['network']:9.1f}{bounds['encodes']:9.1f}{bounds['CPUs']:9.1f}"
        f"{whole / bounds[which]:8.3f}  {which:9}{supervisor:11.1%}{site_cpu:11.1f}"
    )


async def benchmark(args: argparse.Namespace, directory: Path) -> None:
    """Run all regimes and print the table."""
    args.footage = args.footage or directory / "footage"
    if args.small:
        videos = await prepare(args.footage, SMALL_VIDEOS, SMALL_PARTS)
        print(
            f"{SMALL_VIDEOS} videos of one clip each, {os.cpu_count()} CPUs, medians of {args.runs}; seconds"
        )
        titles = f"{'limited':22}{'makespan':>9}{'alone':>8}{'first':>8}{'first + CPUs':>13}{'network':>9}"
        print(f"{titles}{'ratio':>8}  runs")
        for name in args.line or SMALL_LINES:
            print(await small(name, videos, args, directory), flush=True)
        return
    videos = await prepare(args.footage, args.videos)
    print(
        f"{args.videos} videos of one clip each, {os.cpu_count()} CPUs, medians of {args.runs}; seconds\n"
        f"{'regime':15}{'makespan':>9}{'network':>9}{'encodes':>9}{'CPUs':>9}{'ratio':>8}  "
        f"{'bound by':9}{'supervisor':>11}{'mock CPU s':>11}"
    )
    for name in args.regime or LINES:
        print(await regime(name, videos, args, directory), flush=True)


def main() -> None:
    """Run the benchmark, or one run of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--regime", choices=LINES, action="append", help="only this one; repeatable")
    parser.add_argument("--small", action="store_true", help="eight longer videos over other lines")
    parser.add_argument(
        "--line", choices=SMALL_LINES, action="append", help="with --small: only this one; repeatable"
    )
    parser.add_argument("--footage", type=Path, help="cache the rendered videos here")
    parser.add_argument("--one", choices=("whole", "network", "encodes", "alone"), help=argparse.SUPPRESS)
    parser.add_argument("--dir", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(asdict(one_run(args.one, args.dir))))
        return
    with tempfile.TemporaryDirectory(prefix="overlap-") as temporary:
        anyio.run(benchmark, args, Path(temporary))


if __name__ == "__main__":
    main()
