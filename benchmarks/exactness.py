"""Exactness of clips: frames, boxes, deinterlacing, audio sync, unusual source videos.

    python benchmarks/exactness.py [frames] [boxes] [whole_pictures] [sound] [unusual] [cropped]

Source videos of all kinds are generated and cut with the command lines of the encode lane, by the helpers of
the tests. Clips are compared with a complete decode of the source: sample by sample with PyAV's decoders, and
by the checksums of ffmpeg's ``framemd5``.
"""

from __future__ import annotations

import sys
import tempfile
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import anyio

from hdtf_async.core.model import Audio, Box, Crop, Deinterlace, Form
from hdtf_async.media import interlace
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.probe import Prober

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "unit" / "media"))

import media
import shapes
import test_ffmpeg
import test_interlace
import test_shapes
import test_sound


async def frames(prober: Prober, directory: Path) -> None:
    """Print how many frames of how many clips differ from the expected ones."""
    sources = media.drawn(directory)
    print(f"{'source':48}{'clips':>6}{'due':>6}{'cut':>6}{'samples':>9}{'framemd5':>9}{'off, ms':>9}")
    for name, kind in test_ffmpeg.RAWS.items():
        raw = media.decoded(sources / name)
        checksums = media.digests(raw.path, test_ffmpeg.BOX)
        intervals = test_ffmpeg.intervals_of(raw).values()
        due = made = samples = sums = 0
        off = Fraction(0)
        for interval in intervals:
            cut = await test_ffmpeg.planned(prober, raw.path, interval)
            clip = await test_ffmpeg.made(cut, directory / "clip.mp4")
            wanted, found = raw.within(interval.start, interval.end), media.Decoded(clip).pictures
            first = raw.pictures.index(wanted[0])
            expected, told = checksums[first : first + len(wanted)], media.digests(clip)
            due, made = due + len(wanted), made + len(found)
            pairs = list(zip(wanted, found, strict=False))
            samples += sum(one.cropped(test_ffmpeg.BOX) != other.planes for one, other in pairs)
            sums += sum(one != other for one, other in zip_longest(expected, told))
            off = max([off, *(abs(one.time - wanted[0].time - other.time) for one, other in pairs)])
        row = f"{len(intervals):6}{due:6}{made:6}{samples:9}{sums:9}{float(off) * 1000:9.3f}"
        print(f"{f'{name}: {kind}'[:47]:48}{row}", flush=True)


async def boxes(prober: Prober, directory: Path) -> None:
    """Print which corners of a grid clips show."""
    print(f"{'source':>10}{'height':>7}{'box, published':>20}{'read back':>20}{'centre off, px':>16}")
    for width, height, reference_height, box in test_ffmpeg.GRIDS:
        raw = media.grid(directory, width, height)
        _, shown = await test_ffmpeg.corners(prober, raw, reference_height, box, directory / "clip.mp4")
        scale = Fraction(height, reference_height)
        off = max(
            abs(begin + Fraction(side, 2) - (published + Fraction(length, 2)) * scale)
            for begin, side, published, length in (
                (shown.left, shown.width, box.left, box.width),
                (shown.top, shown.height, box.top, box.height),
            )
        )
        sides = f"{_listed(box):>20}{_listed(shown):>20}"
        print(f"{f'{width}x{height}':>10}{reference_height:7}{sides}{float(off):16.2f}", flush=True)


def _listed(box: Box) -> str:
    return f"{box.left} {box.width} {box.top} {box.height}"


async def whole_pictures(prober: Prober, directory: Path) -> None:
    """Print how much adjacent rows differ, relative to rows two apart, before and after deinterlacing."""
    sources = test_interlace.draw(directory)
    print(f"{'source':16}{'detected':>10}{'rows, off':>12}{'rows, auto':>12}")
    for kind in test_interlace.PARITIES:
        raw = sources / f"{kind}.mp4"
        cut = await test_interlace.planned(prober, raw, Deinterlace.AUTO)
        seen = (await interlace.look(bundled_ffmpeg(), cut)).parity or "whole"
        off, auto = [
            test_interlace.combs(await test_interlace.clip_of(prober, raw, directory, way))
            for way in (Deinterlace.OFF, Deinterlace.AUTO)
        ]
        print(f"{kind:16}{seen:>10}{off:12.2f}{auto:12.2f}", flush=True)


async def sound(prober: Prober, directory: Path) -> None:
    """Print by how much a beep follows its flash: in the source, inside clips, and in WAV files."""
    print(f"{'source':8}{'fps':>16}{'source, ms':>18}{'clip, ms':>18}{'WAV, ms':>18}")
    for kind, source in test_sound.draw(directory).items():
        beeps = test_sound.beeps_inside(source.sound or source.picture)
        both = zip(test_sound.flashes(source.picture), beeps, strict=True)
        there = [1000 * (beep - flash + source.late) for flash, beep in both]
        for fps in (None, Fraction(25)):
            form = Form(size=32, fps=fps, audio=Audio.BOTH, preset="ultrafast")
            after = [1000 * seconds for seconds in await test_sound.off(prober, source, form, directory)]
            half = len(after) // 2
            parts = (there, after[:half], after[half:])
            shown = "".join(f"{f'{min(part):+.1f} to {max(part):+.1f}':>18}" for part in parts)
            print(f"{kind:8}{fps or 'unchanged'!s:>16}{shown}", flush=True)


async def unusual(prober: Prober, directory: Path) -> None:
    """Print the content of clips of unusual sources, compared with the ground truth."""
    print(f"{'source':44}{'fps':>7}{'due':>5}{'found':>6}{'wrong':>6}{'longer, ms':>11}{'audio off, ms':>16}")
    for place, (kind, (draw, start, end)) in enumerate(test_shapes.SHAPES.items()):
        shape = draw(directory)
        for fps in (None, 25):
            clip = shapes.clip_of(start, end)
            rate = None if fps is None else Fraction(fps)
            made = await shapes.make(prober, shape, clip, directory / f"{place} {fps}", fps=rate)
            due = shapes.due(shape, start, end, fps)
            wrong = sum(one != other for one, other in zip_longest(due.numbers, made.numbers))
            longer = 1000 * (made.lengths[1] - due.length)
            off = [1000 * seconds for seconds in made.off]
            audio = f"{min(off):+.0f} to {max(off):+.0f}" if off else "none"
            counts = f"{fps or 'source':>7}{len(due.numbers):5}{len(made.numbers):6}{wrong:6}"
            print(f"{kind[:43]:44}{counts}{longer:11.1f}{audio:>16}", flush=True)


async def cropped(prober: Prober, directory: Path) -> None:
    """Print which part of a grid a clip shows if its container or stream declares cropping."""
    print(f"{'cropped by':14}{'height':>7}{'box, due':>20}{'read back':>20}{'off, px':>9}")
    for draw in (test_shapes.clap, test_shapes.pixel_crop, test_shapes.in_the_stream):
        for height in (400, 800):
            here = directory / f"{draw.__name__} {height}"
            here.mkdir()
            path, left, top = draw(here)
            scale = height // 400
            box = Box(100 * scale, 60 * scale, 200 * scale, 160 * scale)
            clip = shapes.clip_of(0, 0.2, box=box, height=height)
            source = shapes.Shape(path, sound=False)
            made = await shapes.make(prober, source, clip, here / "out", crop=Crop.TABLE, crf=0)
            shown = media.read_back(made.path or here)
            wanted = Box(100 + left, 60 + top, 200, 160)
            off = max(abs(shown.left - wanted.left), abs(shown.top - wanted.top))
            sides = f"{_listed(wanted):>20}{_listed(shown):>20}"
            print(f"{draw.__name__:14}{height:7}{sides}{off:9}", flush=True)


async def main(*words: str) -> None:
    """Print all tables, or those of the named functions."""
    tables = {
        "Frames: number of differences, and the largest error of a timestamp": frames,
        "Boxes: left, width, top, height": boxes,
        "Deinterlacing: adjacent rows, relative to rows two apart; above 1: combing": whole_pictures,
        "Audio: from the flash to its beep": sound,
        "Unusual sources: numbered frames, and beeps at known times": unusual,
        "Boxes under cropping: left, width, top, height": cropped,
    }
    wanted = {title: table for title, table in tables.items() if not words or table.__name__ in words}
    with tempfile.TemporaryDirectory(prefix="exactness-") as temporary:
        async with Prober() as prober:
            for number, (title, table) in enumerate(wanted.items()):
                directory = Path(temporary) / str(number)
                directory.mkdir()
                print(f"{title}\n")
                await table(prober, directory)
                print()


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
