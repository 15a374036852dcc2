"""Compare the main command with a typical script, on the same videos, alternately.

    python benchmarks/peer.py [--videos 24] [--parts 2] [--runs 3] [--line 12.5M] ...

The typical script: a pool of eight processes; each worker downloads a video and its audio at the exact height
with yt-dlp, which merges them; probes the result with ffmpeg; and cuts each clip from it, with output-side
seeking, ffmpeg's default number of threads, x264's defaults, and audio kept. Its command lines are printed,
so that everyone can check that it is not handicapped. Both sides download from the same mock server over the
same limited bandwidth, with the real yt-dlp and the same ffmpeg. The time of this program includes checking
every download and every clip.

Times are those of the whole job from the first process to the last clip; CPU seconds are those of all
processes of a side, without the mock server, whose own are listed separately. SSIM is relative to the
losslessly cropped video.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING

import anyio

import hdtf_async
from hdtf_async import Options, demo
from hdtf_async.core.validators import size_in_bytes
from hdtf_async.demo import Answer, Conditions, Fault
from hdtf_async.media.ffmpeg import bundled_ffmpeg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from benchmark_job import Video, clip_of, cpu_seconds_of, prepare, write_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hdtf_async.core.model import Interval

WORKERS = 8
ITAGS = {1080: 137, 720: 136}
"""YouTube's itags of the formats that are cut."""
QUIET = ("-hide_banner", "-loglevel", "error", "-nostdin", "-y")


@dataclass
class SideCost:
    """Cost of one side."""

    seconds: float
    cpu: float
    clips: int


def download_command(video: Video, raw: Path, site_arguments: Sequence[str]) -> list[str]:
    """Return the download command of the typical script: video and audio at the exact height, merged."""
    return [
        sys.executable, "-m", "yt_dlp", "--quiet", "--no-warnings", "--ignore-config",
        "-f", f"bestvideo[ext=mp4][height={video.height}]+bestaudio[ext=m4a]", "--merge-output-format", "mp4",
        "--ffmpeg-location", str(bundled_ffmpeg()), *site_arguments,
        "-o", str(raw), "--", f"https://www.youtube.com/watch?v={video.youtube_id}",
    ]  # fmt: skip


def probe_command(raw: Path) -> list[str]:
    """Return its command to probe a video."""
    return [str(bundled_ffmpeg()), "-hide_banner", "-nostdin", "-i", str(raw)]


def cut_command(video: Video, interval: Interval, raw: Path, clip: Path) -> list[str]:
    """Return its command to cut a clip: output-side seeking, otherwise ffmpeg's defaults."""
    box = video.box
    return [
        str(bundled_ffmpeg()), *QUIET, "-i", str(raw),
        "-ss", f"{interval.start:g}", "-to", f"{interval.end:g}",
        "-filter:v", f"crop={box.width}:{box.height}:{box.left}:{box.top}", str(clip),
    ]  # fmt: skip


def common_way(video: Video, interval: Interval, out: Path, site_arguments: Sequence[str]) -> bool:
    """Process one video as a worker of the typical script does."""
    raw = out / "_videos_raw" / f"RD_{video.name}.mp4"
    if subprocess.run(download_command(video, raw, site_arguments), check=False).returncode:
        return False
    stderr = subprocess.run(probe_command(raw), capture_output=True, text=True, check=False).stderr
    if not re.search(rf"Video: .*\b\d+x{video.height}\b", stderr):
        return False
    argv = cut_command(video, interval, raw, out / f"RD_{video.name}_000.mp4")
    return subprocess.run(argv, check=False).returncode == 0


def side(which: str, directory: Path) -> SideCost:
    """Run the whole job in this process and its children."""
    job = json.loads((directory / "job.json").read_text(encoding="utf-8"))
    videos = anyio.run(prepare, directory / "footage", job["videos"], job["parts"])
    out = directory / which
    site_arguments = shlex.split(job["arguments"])
    begun = time.monotonic()
    if which == "common":
        (out / "_videos_raw").mkdir(parents=True)
        with ProcessPoolExecutor(WORKERS) as pool:
            way = partial(common_way, interval=clip_of(job["parts"]), out=out, site_arguments=site_arguments)
            clips = sum(pool.map(way, videos))
    else:
        options = Options(source=directory / "tables", pace=0, yt_dlp_args=tuple(site_arguments))
        clips = len(anyio.run(hdtf_async.download, out, options).done)
    seconds = time.monotonic() - begun
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return SideCost(seconds, sum(one.ru_utime + one.ru_stime for one in used), clips)


def similarity(video: Video, interval: Interval, clip: Path, footage: Path) -> float:
    """Return the SSIM of a clip relative to the losslessly cropped video."""
    box, source = video.box, footage / video.film.youtube_id / f"{ITAGS[video.height]}.mp4"
    cropped = (
        f"[1:v]trim=end={interval.seconds:g},crop={box.width}:{box.height}:{box.left}:{box.top},"
        "setpts=N/25/TB"
    )
    stderr = subprocess.run(
        [
            str(bundled_ffmpeg()), "-hide_banner", "-nostdin", "-i", str(clip),
            "-ss", f"{interval.start:g}", "-i", str(source),
            "-lavfi", f"{cropped}[whole];[0:v]setpts=N/25/TB[clip];[clip][whole]ssim", "-f", "null", "-",
        ],
        capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip
    found = re.search(r"SSIM .*All:([0-9.]+)", stderr)
    if found is None:
        raise RuntimeError(stderr[-500:])
    return float(found[1])


async def benchmark(args: argparse.Namespace, directory: Path) -> None:
    """Run both sides alternately and print the table."""
    footage = args.footage or directory / "footage"
    videos = await prepare(footage, args.videos, args.parts)
    answers = {
        video.youtube_id: Answer(
            bandwidth=args.connection,
            media=(Fault(latency=args.latency),),
            player=(Fault(latency=args.latency),),
        )
        for video in videos
    }
    costs: dict[str, list[SideCost]] = {"ours": [], "common": []}
    stand_in_cpu: dict[str, list[float]] = {"ours": [], "common": []}
    raw, clip = Path("RAW.mp4"), Path("CLIP.mp4")
    print("typical script, for each video:")
    for command in (
        download_command(videos[0], raw, ()),
        probe_command(raw),
        cut_command(videos[0], clip_of(args.parts), raw, clip),
    ):
        print("  " + shlex.join(command))
    measured: dict[str, tuple[float, float]] = {}
    async with demo.light_mock(footage, answers, Conditions(bandwidth=args.line)) as site:
        os.environ.update(site.environment)
        for number in range(args.runs):
            run = directory / f"run {number}"
            run.mkdir()
            (run / "footage").symlink_to(footage.absolute())
            write_tables(run / "tables", videos, args.parts)
            job = {"videos": args.videos, "parts": args.parts, "arguments": site.yt_dlp_args}
            (run / "job.json").write_text(json.dumps(job), encoding="utf-8")
            for which in costs if number % 2 else reversed(costs):
                before = cpu_seconds_of(site.pid)
                argv = [sys.executable, __file__, "--side", which, "--dir", str(run)]
                done = await anyio.run_process(argv, stderr=None)
                cost = SideCost(**json.loads(done.stdout.splitlines()[-1]))
                costs[which].append(cost)
                stand_in_cpu[which].append(cpu_seconds_of(site.pid) - before)
                print(
                    f"run {number + 1}, {which}: {cost.seconds:.1f} s,"
                    f" {cost.cpu:.1f} CPU s, {cost.clips} clips",
                    flush=True,
                )
            if not measured:
                measured = {
                    which: quality(run / which, videos, clip_of(args.parts), footage) for which in costs
                }
    show(costs, stand_in_cpu, measured, args)


def quality(out: Path, videos: Sequence[Video], interval: Interval, footage: Path) -> tuple[float, float]:
    """Return the mean SSIM of one clip of each film, and the bytes per second of all clips."""
    clips = [out / f"RD_{video.name}_000.mp4" for video in videos]
    pairs = list(zip(videos, clips, strict=True))[:3]
    found = [similarity(video, interval, clip, footage) for video, clip in pairs]
    return mean(found), mean(clip.stat().st_size for clip in clips) / interval.seconds


def show(
    costs: dict[str, list[SideCost]], site: dict[str, list[float]], measured: dict[str, tuple[float, float]],
    args: argparse.Namespace,
) -> None:  # fmt: skip
    """Print the table."""
    sides = ("ours", "common")
    rows = {
        "seconds": [median(one.seconds for one in costs[which]) for which in sides],
        "CPU seconds": [median(one.cpu for one in costs[which]) for which in sides],
        "CPU s of mock": [median(site[which]) for which in sides],
        "SSIM": [measured[which][0] for which in sides],
        "bytes/s": [measured[which][1] for which in sides],
    }
    print(
        f"\n{args.videos} videos of one clip of {clip_of(args.parts).seconds:g} s, {os.cpu_count()} CPUs,"
        f" bandwidth {args.line * 8 / 1e6:g} Mb/s, connection {args.connection * 8 / 1e6:g} Mb/s,"
        f" latency {args.latency:g} s, medians of {args.runs}"
    )
    print(f"{'':20}{'ours':>12}{'script':>12}{'ratio':>8}")
    for name, (ours, common) in rows.items():
        print(f"{name:20}{ours:12.4g}{common:12.4g}{ours / common:8.2f}")


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--videos", type=int, default=24)
    parser.add_argument("--parts", type=int, default=2, help="duration of a video, in units of 28 seconds")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--line", type=size_in_bytes, default=12_500_000, help="bytes per second of all connections"
    )
    parser.add_argument(
        "--connection", type=size_in_bytes, default=2_500_000, help="bytes per second of each connection"
    )
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each response")
    parser.add_argument("--footage", type=Path, help="cache the rendered videos here")
    parser.add_argument("--side", choices=("ours", "common"), help=argparse.SUPPRESS)
    parser.add_argument("--dir", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Run the benchmark, or one side of it."""
    args = parse_arguments()
    if args.side:
        print(json.dumps(asdict(side(args.side, args.dir))))
        return
    with tempfile.TemporaryDirectory(prefix="peer-") as temporary:
        anyio.run(benchmark, args, Path(temporary))


if __name__ == "__main__":
    main()
