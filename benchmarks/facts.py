"""CPU cost of the facts that are measured about each clip.

    python benchmarks/facts.py [--footage DIR] [--rounds N]

Clips of talking heads (one film at 1080p, two at 720p) are created with the command line of the encode lane,
with and without its measurements, and in turns; the loudness is that of a WAV file. Each figure is the least
CPU time of all rounds, per second of clip, so that other processes disturb it little.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import anyio

from hdtf_async.core.model import OutputSettings
from hdtf_async.media import ffmpeg, loudness
from hdtf_async.media.cut import AudioCut, Cut
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.filters import side_lengths

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from benchmark_job import CLIP, FILMS, even_box
from rendering import draw

FORMS = {"unchanged": OutputSettings(), "512x512": OutputSettings(size=512)}


def cost(argv: list[str]) -> float:
    """Run ffmpeg and return its CPU seconds per second of clip."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / CLIP.seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--footage", type=Path, help="cache the rendered videos here")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    tool = bundled_ffmpeg()
    with tempfile.TemporaryDirectory(prefix="facts-") as temporary:
        directory = Path(temporary)
        footage = args.footage or directory / "footage"
        anyio.run(draw, footage, FILMS)
        print(f"{'height':>6} {'clip':>9} {'size':>9} {'encode':>8} {'with facts':>11} {'ratio':>6}")
        total = [0.0, 0.0]
        for film in FILMS:
            height, box = film.heights[0], even_box(film)
            raw = footage / film.youtube_id / f"{ {1080: 137, 720: 136}[height] }.mp4"
            for name, form in FORMS.items():
                width, _ = side_lengths(box, form.size)
                cut = Cut(raw, "mp4", CLIP, box, width, width, 0, form, Fraction(1, 12800))
                argv = [
                    ffmpeg.clip_command(tool, cut, directory / "clip.mp4", ffmpeg.Decoding(measures=measures))
                    for measures in (False, True)
                ]
                rounds = [[cost(each) for each in argv] for _ in range(args.rounds)]
                least = [min(column) for column in zip(*rounds, strict=True)]
                total = [one + more for one, more in zip(total, least, strict=True)]
                print(
                    f"{height:6} {name:>9} {f'{width}x{width}':>9} {least[0]:8.4f} {least[1]:11.4f}"
                    f" {least[1] / least[0]:6.2f}",
                    flush=True,
                )
        number = len(FILMS) * len(FORMS)
        print(
            f"mean {total[0] / number:29.4f} {total[1] / number:11.4f} {total[1] / total[0]:6.2f}"
            f"   facts {(total[1] - total[0]) / number:.4f} CPU s/s"
        )
        audio = AudioCut(footage / FILMS[0].youtube_id / "140.m4a", "m4a", CLIP.start, CLIP.seconds)
        cost(ffmpeg.wav_command(tool, audio, directory / "clip.wav"))
        heard = [cost(loudness.loudness_command(tool, directory / "clip.wav")) for _ in range(args.rounds)]
        print(f"loudness of a WAV file: {min(heard):.4f} CPU s/s, including the start of its process")


if __name__ == "__main__":
    main()
