"""Speed-up of three workers of a Dask cluster relative to one.

    python benchmarks/workers.py [--videos N] [--workers 1 3] [--runs N] [--footage DIR]

Scheduler and workers are separate processes on this machine, with the mock server, without a pace. Each
worker has one download at a time, and the mock server gives each connection the same bandwidth, as if each
had its own network. Clips are small, so that a video takes far longer to download than to encode, and few
CPUs suffice. Each number of workers has separate runs, from an empty directory to the last clip; the clips of
all runs must be equal. Seconds are those of the run itself: the workers are started before.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from benchmark_job import prepare, write_tables
from dask_cluster import cluster
from kill_checks import media

import hdtf_async
from hdtf_async import Options, demo
from hdtf_async.demo import Answer

CONNECTION = 100_000
"""Bytes per second of each connection."""


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--videos", type=int, default=9)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--runs", type=int, default=3, help="median of so many")
    parser.add_argument("--connection", type=int, default=CONNECTION)
    parser.add_argument("--footage", type=Path, help="cache the rendered videos here")
    return parser.parse_args()


async def one_run(out: Path, options: Options) -> tuple[float, dict[str, str]]:
    """Run the job once; return its seconds and its clips."""
    report = await hdtf_async.download(out, options)
    if report.exit_code or report.stopped:
        raise SystemExit(f"{out.name}: {report.ended()}")
    clips = {name: digest for name, digest in media(out).items() if "/" not in name}
    shutil.rmtree(out)
    return report.seconds, clips


async def main() -> None:
    """Print a line for each number of workers."""
    said = arguments()
    with tempfile.TemporaryDirectory(prefix="workers-") as name:
        directory = Path(name)
        footage = said.footage or directory / "footage"
        videos = await prepare(footage, said.videos)
        write_tables(directory / "tables", videos)
        answers = {video.youtube_id: Answer(bandwidth=said.connection) for video in videos}
        async with demo.light_mock(footage, answers) as site:
            os.environ.update(site.environment)
            seconds: dict[int, float] = {}
            clips: dict[str, str] = {}
            print(f"{said.videos} videos, {said.connection / 1e6:g} MB/s per worker", flush=True)
            print(f"{'workers':>7} {'s':>7} {'speed-up':>8} {'efficiency':>10}", flush=True)
            for number in said.workers:
                took = []
                for run in range(said.runs):
                    with cluster(directory / f"cluster {number} {run}") as workers:
                        workers.need(number)
                        options = Options(
                            source=directory / "tables", pace=0, downloads=1, dask=workers.address,
                            no_report=True, size=256, preset="ultrafast",
                            yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)),
                        )  # fmt: skip
                        once, made = await one_run(directory / f"clips {number} {run}", options)
                    if made != (clips or made):
                        raise SystemExit("the clips differ")
                    clips = made
                    took.append(once)
                seconds[number] = median(took)
                first = said.workers[0]
                ratio = seconds[first] / seconds[number]
                told = f"{seconds[number]:>7.1f} {ratio:>8.2f} {ratio * first / number:>10.3f}"
                print(f"{number:>7} {told}", flush=True)


if __name__ == "__main__":
    anyio.run(main)
