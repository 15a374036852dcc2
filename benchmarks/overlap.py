"""Compare the time of a run with that of its slower lane, with the real tools.

    python benchmarks/overlap.py [--videos 40] [--runs 3] [--regime NAME] [--footage DIR]

There are three bandwidths: a slow one, so that the network is the bottleneck; a fast one, so that the CPUs
are; and one with which both lanes take about as long. With each the whole job is run, and then each lane
separately: the network lane with clips that are only copied, the encode lane with existing source videos. No
run can end before

- the network lane plus the shortest encode after it;
- the shortest download plus the encode lane after it;
- the CPU seconds of all processes, divided by the CPUs.

The largest of the three is the bound.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import anyio

import hdtf_async
from hdtf_async import Options, demo
from hdtf_async.demo import Answer, Conditions, Fault
from hdtf_async.media.ffmpeg import bundled_ffmpeg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from benchmark_job import CLIP, cpu_seconds_of, prepare, write_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_job import Video

LINES = {"network-bound": 2_500_000, "balanced": 7_000_000, "CPU-bound": 25_000_000}
"""Regime to total bandwidth in bytes per second."""
CONNECTION = 4_000_000
LATENCY = 0.05


@dataclass
class Came:
    """Cost of one run."""

    seconds: float
    cpu: float
    supervisor: float
    """CPU seconds of the supervisor alone."""
    shortest_download: float
    shortest_encode: float


def one_run(what: str, directory: Path) -> Came:
    """Run the job, or one of its lanes, in this process and its children."""
    told = json.loads((directory / "job.json").read_text(encoding="utf-8"))
    out = directory / what
    options = Options(source=directory / "tables", pace=0, yt_dlp_args=tuple(shlex.split(told["arguments"])))
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
    begun = time.monotonic()
    report = anyio.run(hdtf_async.download, out, options)
    seconds = time.monotonic() - begun
    if report.exit_code:
        raise SystemExit(f"{what}: {report}")
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    supervisor = own.ru_utime + own.ru_stime
    records = [json.loads(line) for line in (out / "_journal.jsonl").read_text(encoding="utf-8").splitlines()]
    return Came(
        seconds,
        supervisor + others.ru_utime + others.ru_stime,
        supervisor,
        min((record["took"] for record in records if record["type"] == "raw"), default=0.0),
        min(record["took"] for record in records if record["type"] == "clip"),
    )


def write_copying_ffmpeg(path: Path, clips: Path) -> None:
    """Write a program that imitates ffmpeg, and copies an existing clip instead of creating it."""
    frames = round(CLIP.seconds * 25)  # what it would print about a clip
    real = shlex.quote(str(bundled_ffmpeg()))
    path.write_text(
        "#!/bin/sh\n"
        "for target; do :; done\n"
        f'case "$target" in -version) exec {real} -version;; *) echo frame={frames};; esac\n'
        'case "$target" in -) exit 0;; esac\n'
        f'exec cp {shlex.quote(str(clips))}/"${{target##*.hdtf-????????????????-}}" "${{target#file:}}"\n',
        encoding="utf-8",
    )
    path.chmod(0o755)


async def regime(name: str, videos: Sequence[Video], said: argparse.Namespace, directory: Path) -> str:
    """Run one regime and return its row."""
    fault = Fault(latency=LATENCY)
    answer = Answer(bandwidth=CONNECTION, media=(fault,), player=(fault,))
    answers = {video.youtube_id: answer for video in videos}
    came: dict[str, list[Came]] = {"whole": [], "network": [], "encodes": []}
    site_cpu: list[float] = []
    async with demo.stand_in(said.footage, answers, Conditions(bandwidth=LINES[name])) as site:
        os.environ.update(site.environment)
        for number in range(said.runs):
            run = directory / f"{name} {number}"
            write_tables(run / "tables", videos)
            (run / "job.json").write_text(json.dumps({"arguments": site.yt_dlp_args}), encoding="utf-8")
            write_copying_ffmpeg(run / "copying_ffmpeg", run / "whole")
            for what, runs in came.items():
                before = cpu_seconds_of(site.pid)
                words = [sys.executable, __file__, "--one", what, "--dir", str(run)]
                done = await anyio.run_process(words, stderr=None)
                runs.append(Came(**json.loads(done.stdout.splitlines()[-1])))
                if what == "whole":
                    site_cpu.append(cpu_seconds_of(site.pid) - before)
            shutil.rmtree(run)
    return row(name, came, median(site_cpu))


def row(name: str, came: dict[str, list[Came]], site_cpu: float) -> str:
    """Return a row of the table; each number is a median."""
    whole = median(one.seconds for one in came["whole"])
    network = median(one.seconds for one in came["network"])
    encodes = median(one.seconds for one in came["encodes"])
    cpu = median(one.cpu for one in came["whole"])
    first = median(one.shortest_download for one in came["whole"])
    last = median(one.shortest_encode for one in came["whole"])
    bounds = {
        "network": network + last,
        "encodes": first + encodes,
        "CPUs": (cpu + site_cpu) / (os.cpu_count() or 1),
    }
    which = max(bounds, key=lambda bound: bounds[bound])
    supervisor = median(one.supervisor / (one.cpu - one.supervisor) for one in came["whole"])
    return (
        f"{name:15}{whole:9.1f}{bounds['network']:9.1f}{bounds['encodes']:9.1f}{bounds['CPUs']:9.1f}"
        f"{whole / bounds[which]:8.3f}  {which:9}{supervisor:11.1%}{site_cpu:11.1f}"
    )


async def benchmark(said: argparse.Namespace, directory: Path) -> None:
    """Run all regimes and print the table."""
    said.footage = said.footage or directory / "footage"
    videos = await prepare(said.footage, said.videos)
    print(
        f"{said.videos} videos of one clip each, {os.cpu_count()} CPUs, medians of {said.runs}; seconds\n"
        f"{'regime':15}{'makespan':>9}{'network':>9}{'encodes':>9}{'CPUs':>9}{'ratio':>8}  "
        f"{'bound by':9}{'supervisor':>11}{'mock CPU s':>11}"
    )
    for name in said.regime or LINES:
        print(await regime(name, videos, said, directory), flush=True)


def main() -> None:
    """Run the benchmark, or one run of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--regime", choices=LINES, action="append", help="only this one; repeatable")
    parser.add_argument("--footage", type=Path, help="cache the rendered videos here")
    parser.add_argument("--one", choices=("whole", "network", "encodes"), help=argparse.SUPPRESS)
    parser.add_argument("--dir", type=Path, help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.one:
        print(json.dumps(asdict(one_run(said.one, said.dir))))
        return
    with tempfile.TemporaryDirectory(prefix="overlap-") as temporary:
        anyio.run(benchmark, said, Path(temporary))


if __name__ == "__main__":
    main()
