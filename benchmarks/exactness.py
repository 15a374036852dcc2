"""How exact clips are: frames, boxes, deinterlacing, audio in step; and source videos of unusual shapes.

    python benchmarks/exactness.py [frames] [boxes] [whole_pictures] [sound] [unusual] [cropped]

Real raws of every kind are drawn and cut as the encode lane does it, by the helpers of the tests. What a clip
shows is compared with decoding its raw from the beginning: sample by sample by PyAV's decoders, and by the
checksums of ffmpeg's ``framemd5``.
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

import audio_sync
import exact_cuts
import interlaced_videos
import media
import shapes
import unusual_videos


async def frames(prober: Prober, directory: Path) -> None:
    """Print how many frames of how many clips are another than they should be."""
    sources = media.drawn(directory)
    print(f"{'raw':48}{'clips':>6}{'due':>6}{'made':>6}{'samples':>9}{'framemd5':>9}{'off, ms':>9}")
    for name, kind in exact_cuts.RAWS.items():
        raw = media.decoded(sources / name)
        checksums = media.digests(raw.path, exact_cuts.BOX)
        intervals = exact_cuts.intervals_of(raw).values()
        due = made = samples = sums = 0
        off = Fraction(0)
        for interval in intervals:
            cut = await exact_cuts.planned(prober, raw.path, interval)
            clip = await exact_cuts.made(cut, directory / "clip.mp4")
            wanted, found = raw.within(interval.start, interval.end), media.Decoded(clip).pictures
            first = raw.pictures.index(wanted[0])
            expected, told = checksums[first : first + len(wanted)], media.digests(clip)
            due, made = due + len(wanted), made + len(found)
            pairs = list(zip(wanted, found, strict=False))
            samples += sum(one.cropped(exact_cuts.BOX) != other.planes for one, other in pairs)
            sums += sum(one != other for one, other in zip_longest(expected, told))
            off = max([off, *(abs(one.time - wanted[0].time - other.time) for one, other in pairs)])
        row = f"{len(intervals):6}{due:6}{made:6}{samples:9}{sums:9}{float(off) * 1000:9.3f}"
        print(f"{f'{name}: {kind}'[:47]:48}{row}", flush=True)


async def boxes(prober: Prober, directory: Path) -> None:
    """Print which corners of a grid clips show."""
    print(f"{'raw':>10}{'lines':>7}{'box, published':>20}{'read back':>20}{'centre off, px':>16}")
    for width, height, reference_height, box in exact_cuts.GRIDS:
        raw = media.grid(directory, width, height)
        _, shown = await exact_cuts.corners(prober, raw, reference_height, box, directory / "clip.mp4")
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
    """Print how much neighbouring rows differ, by rows two apart, before and after."""
    sources = interlaced_videos.draw(directory)
    print(f"{'raw':16}{'seen as':>10}{'rows, off':>12}{'rows, auto':>12}")
    for kind in interlaced_videos.PARITIES:
        raw = sources / f"{kind}.mp4"
        cut = await interlaced_videos.planned(prober, raw, Deinterlace.AUTO)
        seen = (await interlace.look(bundled_ffmpeg(), cut)).parity or "whole"
        off, auto = [
            interlaced_videos.combs(await interlaced_videos.clip_of(prober, raw, directory, way))
            for way in (Deinterlace.OFF, Deinterlace.AUTO)
        ]
        print(f"{kind:16}{seen:>10}{off:12.2f}{auto:12.2f}", flush=True)


async def sound(prober: Prober, directory: Path) -> None:
    """Print by how much a beep comes after its flash: in the source, inside of clips, and beside them."""
    print(f"{'source':8}{'frames a second':>16}{'there, ms':>18}{'inside, ms':>18}{'beside, ms':>18}")
    for kind, source in audio_sync.draw(directory).items():
        beeps = audio_sync.beeps_inside(source.sound or source.picture)
        both = zip(audio_sync.flashes(source.picture), beeps, strict=True)
        there = [1000 * (beep - flash + source.late) for flash, beep in both]
        for fps in (None, Fraction(25)):
            form = Form(size=32, fps=fps, audio=Audio.BOTH, preset="ultrafast")
            after = [1000 * seconds for seconds in await audio_sync.off(prober, source, form, directory)]
            half = len(after) // 2
            parts = (there, after[:half], after[half:])
            shown = "".join(f"{f'{min(part):+.1f} to {max(part):+.1f}':>18}" for part in parts)
            print(f"{kind:8}{fps or 'as it comes'!s:>16}{shown}", flush=True)


async def unusual(prober: Prober, directory: Path) -> None:
    """Print what clips of unusual sources show, against how these were drawn."""
    print(f"{'source':44}{'fps':>7}{'due':>5}{'found':>6}{'wrong':>6}{'longer, ms':>11}{'audio off, ms':>16}")
    for place, (kind, (draw, start, end)) in enumerate(unusual_videos.SHAPES.items()):
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
    """Print which part of a grid a clip shows whose container or stream asks for cropping."""
    print(f"{'cropped by':14}{'lines':>7}{'box, due':>20}{'read back':>20}{'off, px':>9}")
    for draw in (unusual_videos.clap, unusual_videos.pixel_crop, unusual_videos.in_the_stream):
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
    """Print all tables, or those of the functions that are named."""
    tables = {
        "Frames: differing ones, and the furthest that one is off its time": frames,
        "Boxes: left, width, top, height": boxes,
        "Whole pictures: how neighbouring rows differ, by rows two apart; above 1: combed": whole_pictures,
        "Sound: from the flash to its beep": sound,
        "Unusual sources: numbered frames, and beeps at known moments": unusual,
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
