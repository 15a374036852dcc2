"""CPU seconds of the encode lane, compared with decoding only of the same intervals.

    python benchmarks/floor.py [--parts 2] [--runs 3] [--footage DIR]

Cutting a clip requires decoding its interval, so no encoder setting takes less. Each row is one operation on
the clips of three films (one at 1080p, two at 720p), with the command lines of the encode lane, and its CPU
seconds per second of clip; the last row is the whole lane as in a run, with the supervisor, from existing
source videos.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from statistics import median

import anyio

import hdtf_async
from hdtf_async import Options
from hdtf_async.core.model import Form
from hdtf_async.media import ffmpeg, frames
from hdtf_async.media.ffmpeg import Cut, bundled_ffmpeg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from job import Video, clip_of, prepare, write_tables

ITAGS = {1080: 137, 720: 136}
"""YouTube's itags of the formats that are cut."""


def used() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    told = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in told)


def cost(*commands: list[str]) -> float:
    """Run commands one after the other and return their CPU seconds."""
    before = used()
    for words in commands:
        subprocess.run(words, check=True, capture_output=True)
    return used() - before


def cut_of(video: Video, raw: Path, parts: int) -> Cut:
    """Return the default cut of a video's clip."""
    box = video.box
    return Cut(raw, "mp4", clip_of(parts), box, box.width, box.height, 0, Form(), Fraction(1, 12800))


def decoding(cut: Cut) -> list[str]:
    """Return the command line that decodes a clip's interval and discards the result."""
    return [
        str(bundled_ffmpeg()), "-v", "error", "-nostdin",
        *ffmpeg.source(cut.raw, cut.container, cut.sought),
        "-map", "0:v:0", "-filter_threads", "1", "-vf", f"trim=end={cut.interval.seconds:g}",
        "-fps_mode", "passthrough", "-f", "null", "-",
    ]  # fmt: skip


async def whole_lane(directory: Path, raws: Path, videos: list[Video], parts: int) -> float:
    """Run the encode lane on existing source videos, and return its total CPU seconds."""
    write_tables(directory / "tables", videos, parts)
    options = Options(source=directory / "tables", raw_dirs=(raws,), yt_dlp_args=("--never-asked",))
    before = used()
    report = await hdtf_async.download(directory / "clips", options)
    if len(report.done) != len(videos):
        raise SystemExit(f"{report}")
    return used() - before


async def benchmark(said: argparse.Namespace, directory: Path) -> None:
    """Print the table."""
    footage = said.footage or directory / "footage"
    videos = await prepare(footage, 3, said.parts)
    raws = directory / "raws"
    raws.mkdir()
    for video in videos:
        (raws / f"RD_{video.name}.mp4").symlink_to(
            footage.absolute() / video.youtube_id / f"{ITAGS[video.height]}.mp4"
        )
    cuts = [cut_of(video, raws / f"RD_{video.name}.mp4", said.parts) for video in videos]
    tool = bundled_ffmpeg()
    clips = [directory / f"{number}.mp4" for number in range(len(cuts))]
    came: dict[str, list[float]] = {
        name: []
        for name in (
            "decoding the intervals",
            "decoding and encoding",
            "verifying the clips",
            "the whole lane",
        )
    }
    for number in range(said.runs):
        figures = (
            cost(*map(decoding, cuts)),
            cost(*(ffmpeg.command(tool, cut, clip) for cut, clip in zip(cuts, clips, strict=True))),
            cost(*(frames.command(tool, clip) for clip in clips)),
            await whole_lane(directory / f"run {number}", raws, videos, said.parts),
        )
        for runs, figure in zip(came.values(), figures, strict=True):
            runs.append(figure)
    seconds = clip_of(said.parts).seconds * len(videos)
    floor = median(came["decoding the intervals"])
    print(
        f"{len(videos)} clips, {seconds:g} s in total, {os.cpu_count()} CPUs, medians of {said.runs}\n"
        f"{'':26}{'CPU s':>8}{'CPU s/s':>9}{'ratio':>7}"
    )
    for name, runs in came.items():
        print(f"{name:26}{median(runs):8.2f}{median(runs) / seconds:9.4f}{median(runs) / floor:7.2f}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--parts", type=int, default=2, help="duration of a video, in units of 28 seconds")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--footage", type=Path, help="cache the rendered videos here")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="floor-") as temporary:
        anyio.run(benchmark, said, Path(temporary))


if __name__ == "__main__":
    main()
