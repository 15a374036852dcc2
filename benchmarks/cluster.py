"""What a Dask cluster costs its driver: CPU per video and memory, with workers that do nothing.

    python benchmarks/cluster.py [--workers N] [--videos N] [--hosts N] [--seconds S]

The scheduler, the driver and its output directory are real. The workers are real workers of Dask, hundreds in
a process, but their tools are not: a video takes some seconds of sleep, and its worker sends the events and
records of a video with one clip. Prints the CPU time and the memory of the driver, and its CPU time per video
from the first video on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import anyio
import dask
from distributed import Worker

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from dask_cluster import cluster, wait_for
from load_runs import write_tables

import hdtf_async
from hdtf_async import Options
from hdtf_async.core.events import (
    ClipDone,
    Downloaded,
    DownloadProgress,
    DownloadStarted,
    EncodeProgress,
    EncodeStarted,
    FormatChosen,
    RawReady,
    RunStarted,
    WorkersChanged,
)
from hdtf_async.dataset.plan import fingerprint, row
from hdtf_async.lanes.video_worker import Ready, VideoWorker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Clip
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.video_worker import Setup

READY = Ready(downloads=2, encodes=2, slots=6, versions={"hdtf_async": "0", "ffmpeg": "0"})
BYTES = 500_000
"""Size of a clip. Its file has no content."""


@asynccontextmanager
async def opened(self: VideoWorker) -> AsyncIterator[Ready]:
    """Be ready at once."""
    async with self._tasks:
        self._tasks.start_soon(self._send_progress)
        try:
            yield READY
        finally:
            self._tasks.cancel_scope.cancel()


async def process(seconds: float, self: VideoWorker, video: VideoJob) -> list[Record]:
    """Take some seconds to return the records of a video."""
    emit, stem, wait = self.events.emit, video.stem, seconds * random.uniform(0.5, 1.5) / 4  # noqa: S311 - guards nothing
    emit(DownloadStarted(stem, video.youtube_id, 1, video.least_bytes))
    refused = (("sb0", "a storyboard"), ("22", "damaged"))
    emit(FormatChosen(stem, "136", 720, 25.0, BYTES, refused, None, None, None, False))
    for share in range(1, 4):
        await anyio.sleep(wait)
        emit(DownloadProgress(stem, share * BYTES, 3 * BYTES, 1e6))
    emit(Downloaded(stem, 3 * wait))
    emit(RawReady(stem, "youtube", 3 * BYTES, 3 * wait))
    for clip in video.clips:
        emit(EncodeStarted(clip.stem, 30.0))
        await anyio.sleep(wait / 2)
        emit(EncodeProgress(clip.stem, 15.0))
        await anyio.sleep(wait / 2)
        emit(ClipDone(clip.stem, f"{clip.stem}.mp4", 30.0, BYTES, wait, 0.0))
    self._flush()
    return [_raw(video), *(_record(clip, self._setup) for clip in video.clips)]


def _raw(video: VideoJob) -> Record:
    return {
        "type": "raw", "youtube_id": video.youtube_id, "file": f"{video.stem}.mp4", "bytes": 3 * BYTES,
        "resolution": "reference", "format_id": "136", "yt_dlp": "2026.01.01", "sha256": "0" * 64,
    }  # fmt: skip


def _record(clip: Clip, setup: Setup) -> Record:
    settings, file = setup.options.output_settings, Path(f"{setup.out}") / f"{clip.stem}.mp4"
    with file.open("wb") as made:
        made.truncate(BYTES)
    metadata = {
        "file_name": file.name, "subset": clip.video.subset, "name": clip.video.name,
        "index": clip.index, "youtube_id": clip.video.youtube_id, "start": clip.interval.start,
        "end": clip.interval.end, "source_height": 720, "source_width": 1280, "source_fps": 25.0,
        "format_id": "136", "reference_height": 720, "box": [0, 0, 256, 256], "box_cut": [0, 0, 256, 256],
        "frames": 750, "fps": 25.0, "width": 256, "height": 256, "duration": 30.0, "bytes": BYTES,
        "sha256": "0" * 64, "fingerprint": fingerprint(clip, settings), "versions": READY.versions,
    }  # fmt: skip
    form = row(clip, settings) | settings.to_json()
    return {"type": "clip", "clip": clip.stem, "form": form, "metadata": metadata, "took": 1.0}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--videos", type=int, default=100_000)
    parser.add_argument("--hosts", type=int, default=4, help="processes that the workers share")
    parser.add_argument("--seconds", type=float, default=10.0, help="mean seconds that a video takes")
    parser.add_argument("--host", help=argparse.SUPPRESS)
    return parser.parse_args()


async def host(address: str, workers: int, seconds: float) -> None:
    """Be some workers until killed."""

    async def fake(self: VideoWorker, _task: str, video: VideoJob, _records: list[Record]) -> list[Record]:
        return await process(seconds, self, video)

    with patch.object(VideoWorker, "opened", opened), patch.object(VideoWorker, "process", fake):
        made = [
            Worker(address, nthreads=1, memory_limit=0, dashboard=False, host="127.0.0.1")
            for _ in range(workers)
        ]
        for first in range(0, workers, 20):
            await asyncio.gather(*made[first : first + 20])
        await asyncio.gather(*(each.finished() for each in made))


async def drive(directory: Path, address: str, videos: int) -> None:
    """Do the run, and print what it cost."""
    write_tables(directory / "tables", videos, first=1)
    options = Options(source=directory / "tables", pace=0, dask=address, no_report=True, min_free=0)
    begun = cpu = 0.0
    async with hdtf_async.running(directory / "clips", options) as run:
        async for event in run:
            match event:
                case RunStarted():
                    print(f"planned: {time.process_time():.1f} s of CPU, {_memory()} MB", flush=True)
                case WorkersChanged():
                    workers = event.workers
                case DownloadStarted() if not begun:
                    print(f"{workers} workers ready: {time.process_time():.1f} s of CPU", flush=True)
                    begun, cpu = time.monotonic(), time.process_time()
    took, cpu = time.monotonic() - begun, time.process_time() - cpu
    report = run.report
    print(f"{len(report.done)} clips, {report.not_tried} not tried, exit code {report.exit_code:d}")
    if report.stopped is not None:
        raise SystemExit(f"the run ended early: {report.stopped}")
    print(f"{took:.0f} s, {videos / took:.0f} videos/s")
    print(f"{cpu:.1f} s of CPU, {cpu / videos * 1e3:.2f} ms per video")
    print(f"memory: {_memory()} MB at most", flush=True)


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Start everything, and end it."""
    args = arguments()
    # A thousand workers in four processes would spend most of the CPU time on watching themselves.
    dask.config.set({
        "distributed.worker.profile.enabled": False,
        "distributed.admin.system-monitor.interval": "60s",
        "distributed.admin.tick.interval": "60s",
        "distributed.admin.tick.cycle": "60s",
        "distributed.admin.low-level-log-length": 100,
    })  # fmt: skip
    if args.host:
        asyncio.run(host(args.host, args.workers, args.seconds))
        return
    with tempfile.TemporaryDirectory(prefix="cluster-") as name, cluster(Path(name) / "dask") as made:
        command = [sys.executable, __file__, "--host", made.address, "--seconds", f"{args.seconds}"]
        each = args.workers // args.hosts
        log = (Path(name) / "hosts.txt").open("wb")
        hosts = [
            subprocess.Popen(
                [*command, "--workers", f"{each}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            for _ in range(args.hosts)
        ]
        try:
            wait_for(lambda: made.known() == each * args.hosts, 600)
            print(json.dumps({"workers": each * args.hosts, "videos": args.videos, "seconds": args.seconds}))
            anyio.run(drive, Path(name), made.address, args.videos)
        finally:
            for process in hosts:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
