"""Whether a clip encoded in two segments, joined without re-encoding, has the bytes of a single encode.

    python benchmarks/segments.py [--seconds 20] [--footage DIR]

A clip of twice that duration is encoded by one process, with a forced key frame in the middle, and its halves
by two processes. Packets and decoded frames are compared by their hashes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio

from hdtf_async.core import model
from hdtf_async.core.model import Clip, Codec, Interval, OutputSettings
from hdtf_async.lanes.cut_plan import plan_cut
from hdtf_async.media import ffmpeg
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.probe import Prober

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import media
from benchmark_job import prepare

ITAGS = {1080: 137, 720: 136}
"""YouTube's numbers of the formats that are cut from."""
BEGIN = 3.0
"""Second of the video at which the clip begins."""
SETTINGS = {
    "default": OutputSettings(),
    "veryfast": OutputSettings(preset="veryfast"),
    "medium": OutputSettings(preset="medium"),
    "lossless": OutputSettings(codec=Codec.LOSSLESS),
}
COPY, DECODE = ("-c", "copy"), ()


def hashes(clip: Path, *how: str) -> list[str]:
    """Return the MD5 hash of each packet of a clip, or of each decoded frame."""
    argv = [str(bundled_ffmpeg()), "-v", "error", "-i", str(clip), *how, "-f", "framemd5", "-"]
    ran = subprocess.run(argv, check=True, capture_output=True, text=True)
    return [line.rpartition(",")[2].strip() for line in ran.stdout.splitlines() if not line.startswith("#")]


def equal(one: list[str], other: list[str]) -> str:
    """Return how many hashes are equal."""
    if len(one) != len(other):
        raise SystemExit(f"{len(one)} and {len(other)} frames")
    return f"{sum(a == b for a, b in zip(one, other, strict=True))} of {len(one)}"


async def benchmark(args: argparse.Namespace, directory: Path) -> None:
    """Print the table."""
    footage = args.footage or directory / "footage"
    video = (await prepare(footage, 1, 2))[0]
    path = footage / video.youtube_id / f"{ITAGS[video.height]}.mp4"
    row = model.Video("RD", video.name, video.youtube_id, video.height)
    middle, end = BEGIN + args.seconds, BEGIN + 2 * args.seconds
    intervals = {"whole": (BEGIN, end), "first": (BEGIN, middle), "second": (middle, end)}
    print(f"{'':10}{'packets before':>16}{'after the joint':>17}{'decoded frames':>16}")
    async with Prober() as prober:
        for name, settings in SETTINGS.items():
            clips = {part: directory / f"{part}.mp4" for part in intervals}
            for part, interval in intervals.items():
                clip = Clip(row, 0, Interval(*interval), video.box)
                cut = plan_cut(clip, await media.raw(prober, path, clip), settings)
                argv = ffmpeg.clip_command(bundled_ffmpeg(), cut, clips[part])
                if part == "whole":
                    argv[-3:-3] = ["-force_key_frames", f"{args.seconds}"]
                await anyio.run_process(argv)
            packets = {part: hashes(each, *COPY) for part, each in clips.items()}
            frames = {part: hashes(each, *DECODE) for part, each in clips.items()}
            half = len(packets["first"])
            before = equal(packets["whole"][:half], packets["first"])
            after = equal(packets["whole"][half:], packets["second"])
            decoded = equal(frames["whole"], frames["first"] + frames["second"])
            print(f"{name:10}{before:>16}{after:>17}{decoded:>16}", flush=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20, help="duration of each segment")
    parser.add_argument("--footage", type=Path, help="cache the rendered videos here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="segments-") as temporary:
        anyio.run(benchmark, args, Path(temporary))


if __name__ == "__main__":
    main()
