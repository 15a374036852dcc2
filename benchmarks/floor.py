"""CPU time of the encode lane, compared with plain ffmpeg and with decoding only.

    python benchmarks/floor.py [--parts 2] [--runs 3] [--footage DIR] [--other DIR]

Each row is one operation on the clips of three films, one at 1080p and two at 720p. ``plain ffmpeg`` is one
command per clip that seeks, crops and encodes with the same encoder settings and verifies nothing: a lower
bound for these clips. The next rows are the command lines and the probing of the encode lane. ``the main
job`` is a whole run with existing source videos, including the start of Python. With `--other`, another
checkout of this program runs the same job in turn.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import anyio

from hdtf_async.core import model
from hdtf_async.core.model import Clip, OutputSettings
from hdtf_async.lanes.cut_plan import plan_cut
from hdtf_async.media import ffmpeg, interlace
from hdtf_async.media.cut import Cut
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.probe import Prober

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import media
from benchmark_job import Video, clip_of, prepare, write_tables

ROOT = Path(__file__).resolve().parents[1]
ITAGS = {1080: 137, 720: 136}
"""YouTube's numbers of the renditions that are cut from."""


def used() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usages)


def cost(*commands: list[str], checkout: Path = ROOT) -> float:
    """Run commands one after the other and return their CPU seconds."""
    before = used()
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    for argv in commands:
        subprocess.run(argv, check=True, capture_output=True, cwd=checkout, env=environment)
    return used() - before


async def cut_of(prober: Prober, video: Video, path: Path, parts: int) -> Cut:
    """Return how a video's clip is cut by default."""
    row = model.Video("RD", video.name, video.youtube_id, video.height)
    clip = Clip(row, 0, clip_of(parts), video.box)
    return plan_cut(clip, await media.raw(prober, path, clip), OutputSettings())


def decoding(cut: Cut) -> list[str]:
    """Return the command line that decodes a clip's interval and keeps nothing."""
    return [
        str(bundled_ffmpeg()), "-v", "error", "-nostdin",
        *ffmpeg.input_args(cut.raw, cut.container, cut.sought),
        "-map", "0:v:0", "-filter_threads", "1", "-vf", f"trim=end={cut.interval.seconds:g}",
        "-fps_mode", "passthrough", "-f", "null", "-",
    ]  # fmt: skip


def plain(cut: Cut, target: Path) -> list[str]:
    """Return a command line that makes a clip of the same frames with the same settings of the encoder."""
    box, interval = cut.box, cut.interval
    argv = ffmpeg.clip_command(bundled_ffmpeg(), cut, target)
    encoder = argv[argv.index("-c:v") : argv.index("-pix_fmt")]
    return [
        str(bundled_ffmpeg()), "-v", "error", "-nostdin", "-y", "-threads", "1",
        "-ss", f"{interval.start:g}", "-t", f"{interval.seconds:g}", "-i", str(cut.raw),
        "-vf", f"crop={box.width}:{box.height}:{box.left}:{box.top}", "-filter_threads", "1",
        *encoder, "-pix_fmt", "yuv420p", "-an", str(target),
    ]  # fmt: skip


async def probing(cuts: list[Cut], clips: list[Path]) -> float:
    """Probe the source videos and the clips, and return the CPU seconds."""
    before = used()
    async with Prober() as prober:
        for cut, clip in zip(cuts, clips, strict=True):
            await prober.facts(cut.raw, container="mp4", intervals=[cut.interval])
            await prober.facts(clip, container="mp4")
    return used() - before


def main_job(directory: Path, raws: Path) -> list[str]:
    """Return the command line of the main job over videos that are there."""
    options = ["--out", str(directory), "--source", str(raws / "tables"), "--raw-dir", str(raws)]
    return [sys.executable, "-m", "hdtf_async", *options, "--yt-dlp-args=--never-asked"]


async def benchmark(args: argparse.Namespace, directory: Path) -> None:
    """Print the table."""
    footage = args.footage or directory / "footage"
    videos = await prepare(footage, 3, args.parts)
    raws = directory / "raws"
    raws.mkdir()
    for video in videos:
        (raws / f"RD_{video.name}.mp4").symlink_to(
            footage.absolute() / video.youtube_id / f"{ITAGS[video.height]}.mp4"
        )
    write_tables(raws / "tables", videos, args.parts)
    async with Prober() as prober:
        cuts = [await cut_of(prober, one, raws / f"RD_{one.name}.mp4", args.parts) for one in videos]
    tool = bundled_ffmpeg()
    clips = [directory / f"{number}.mp4" for number in range(len(cuts))]
    pairs = list(zip(cuts, clips, strict=True))
    costs: dict[str, list[float]] = {}
    for number in range(args.runs):
        figures = {
            "plain ffmpeg": cost(*(plain(cut, clip) for cut, clip in pairs)),
            "decoding alone": cost(*map(decoding, cuts)),
            "the lane's ffmpeg": cost(*(ffmpeg.clip_command(tool, cut, clip) for cut, clip in pairs)),
            "the look for combing": cost(*(interlace.combing_command(tool, cut) for cut in cuts)),
            "probing": await probing(cuts, clips),
            "the main job": cost(main_job(directory / f"run {number}", raws)),
        }
        if args.other is not None:
            job = main_job(directory / f"other run {number}", raws)
            figures["the other main job"] = cost(job, checkout=args.other)
        for name, figure in figures.items():
            costs.setdefault(name, []).append(figure)
    seconds = clip_of(args.parts).seconds * len(videos)
    frames = sum(round(video.film.fps * clip_of(args.parts).seconds) for video in videos)
    print(
        f"{len(videos)} clips, {seconds:g} s in all, {os.cpu_count()} CPUs, medians of {args.runs}\n"
        f"{'':22}{'CPU s':>8}{'ms/frame':>10}{'ratio':>7}"
    )
    for name, runs in costs.items():
        ratio = median(run / floor for run, floor in zip(runs, costs["plain ffmpeg"], strict=True))
        print(f"{name:22}{median(runs):8.2f}{1000 * median(runs) / frames:10.2f}{ratio:7.2f}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--parts", type=int, default=2, help="of 28 seconds each that a video is long")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--footage", type=Path, help="cache the rendered videos here")
    parser.add_argument("--other", type=Path, metavar="DIR", help="another checkout of this program")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="floor-") as temporary:
        anyio.run(benchmark, args, Path(temporary))


if __name__ == "__main__":
    main()
