"""Cost and quality of encoder settings, on footage of talking heads.

    python benchmarks/quality.py [--footage DIR] [--all]

Clips are created with the command line of the encode lane, and compared with the losslessly cropped video by
SSIM and, if this ffmpeg supports it, VMAF. CPU seconds are those of the ffmpeg process, including decoding.
Each number is the mean over three films (one at 1080p, two at 720p), each with and without the grain of a
camera in the dark, encoded at the bitrate that YouTube uses for this height. The first row is x264 with its
defaults; ratios are relative to it.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from statistics import mean

import anyio

from hdtf_async.core.model import Codec, OutputSettings
from hdtf_async.media import ffmpeg
from hdtf_async.media.cut import Cut
from hdtf_async.media.ffmpeg import bundled_ffmpeg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from benchmark_job import CLIP, FILMS, even_box
from rendering import draw

AS_IT_COMES = OutputSettings(preset="medium", crf=23)
FEW = (
    AS_IT_COMES,
    *(
        OutputSettings(preset=preset, crf=crf)
        for preset in ("superfast", "veryfast", "faster")
        for crf in (18, 20)
    ),
    OutputSettings(codec=Codec.LOSSLESS),
)
ALL = (
    *FEW[:-1],
    *(
        OutputSettings(preset=preset, crf=crf)
        for preset in ("ultrafast", "fast", "medium")
        for crf in (16, 18, 20)
    ),
    *(
        OutputSettings(preset=preset, crf=crf)
        for preset in ("superfast", "veryfast")
        for crf in (16, 17, 19, 21)
    ),
    FEW[-1],
)
GRAIN = "noise=alls=7:allf=t"
BITS_PER_LINE = 2000
"""Bits per second and row of height: 2.2 Mb/s at 1080p."""


@dataclass(frozen=True)
class Measured:
    """One clip, or the mean of several."""

    ssim: float
    vmaf: float | None
    bytes: float
    """Per second of clip."""
    cpu: float
    """CPU seconds per second of clip."""


def run(argv: list[str]) -> tuple[str, float]:
    """Run ffmpeg and return its stderr and its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return ran.stdout + ran.stderr, cpu


def has_vmaf() -> bool:
    """Return whether this ffmpeg supports VMAF."""
    return "libvmaf" in run([str(bundled_ffmpeg()), "-hide_banner", "-filters"])[0]


def measure(cut: Cut, lossless: Path, target: Path, *, vmaf: bool) -> Measured:
    """Create one clip and compare it with the lossless one."""
    tool = bundled_ffmpeg()
    _, cpu = run(ffmpeg.clip_command(tool, cut, target))
    two = [str(tool), "-hide_banner", "-nostdin", "-i", str(target), "-i", str(lossless)]
    stderr, _ = run([*two, "-lavfi", "ssim", "-f", "null", "-"])
    found = re.search(r"SSIM .*All:([0-9.]+)", stderr)
    perceived = None
    if vmaf:
        perceived = re.search(
            r"VMAF score: ([0-9.]+)", run([*two, "-lavfi", "libvmaf=n_subsample=5", "-f", "null", "-"])[0]
        )
    return Measured(
        float(found[1]) if found else 0.0,
        float(perceived[1]) if perceived else None,
        target.stat().st_size / CLIP.seconds,
        cpu / CLIP.seconds,
    )


def sources(footage: Path, directory: Path) -> list[tuple[Path, Cut]]:
    """Return each film's lossless clip and its cut, with and without grain."""
    found = []
    for film in FILMS:
        height = film.heights[0]
        raw = footage / film.youtube_id / f"{ {1080: 137, 720: 136}[height] }.mp4"
        grainy = directory / f"{film.youtube_id}_grain.mp4"
        rate = BITS_PER_LINE * height
        coded = ["-c:v", "libx264", "-b:v", f"{rate}", "-maxrate", f"{2 * rate}", "-bufsize", f"{4 * rate}"]
        coded += ["-g", "125", str(grainy)]
        run([str(bundled_ffmpeg()), "-v", "error", "-y", "-i", str(raw), "-vf", GRAIN, *coded])
        box = even_box(film)
        for path in (raw, grainy):
            cut = Cut(
                path, "mp4", CLIP, box, box.width, box.height, 0,
                OutputSettings(codec=Codec.LOSSLESS, preset="ultrafast"), Fraction(1, 12800),
            )  # fmt: skip
            lossless = directory / f"{path.stem}_{film.youtube_id}_lossless.mp4"
            run(ffmpeg.clip_command(bundled_ffmpeg(), cut, lossless))
            found.append((lossless, cut))
    return found


def name_of(form: OutputSettings) -> str:
    """Return the name of the settings in the table."""
    if form.codec is Codec.LOSSLESS:
        return f"{form.preset}, lossless"
    return f"{form.preset}, crf {form.crf}" + (" (default)" if form == OutputSettings() else "")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--footage", type=Path, help="cache the rendered videos here")
    parser.add_argument("--all", action="store_true", help="more presets and crf values")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quality-") as temporary:
        directory = Path(temporary)
        footage = args.footage or directory / "footage"
        anyio.run(draw, footage, FILMS)
        vmaf, made = has_vmaf(), sources(footage, directory)
        print(f"{'x264 settings':29}{'SSIM':>8}{'VMAF':>7}{'kB/s':>7}{'ratio':>7}{'CPU s/s':>9}{'ratio':>7}")
        first: Measured | None = None
        for form in ALL if args.all else FEW:
            found = [
                measure(replace(cut, settings=form), lossless, directory / "clip.mp4", vmaf=vmaf)
                for lossless, cut in made
            ]
            size, cpu = mean(one.bytes for one in found), mean(one.cpu for one in found)
            first = first or Measured(0, None, size, cpu)
            seen = [one.vmaf for one in found if one.vmaf is not None]
            print(
                f"{name_of(form):29}{mean(one.ssim for one in found):8.4f}"
                f"{f'{mean(seen):.1f}' if seen else '-':>7}"
                f"{size / 1e3:7.1f}{size / first.bytes:7.2f}{cpu:9.4f}{cpu / first.cpu:7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
