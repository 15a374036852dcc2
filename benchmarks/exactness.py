"""How exact clips are: frames, boxes, deinterlacing, audio in step; and source videos of unusual shapes.

    python benchmarks/exactness.py [frames] [boxes] [whole_pictures] [sound] [unusual] [--only TEXT]

Source videos of every kind are drawn and cut as the encode lane does it, by the helpers of the tests. What a
clip shows is compared with decoding its source from the beginning: sample by sample by PyAV's decoders, and
by the checksums of ffmpeg's ``framemd5``.

The table ``unusual`` has a row for each source video of `tests/support/sources.py` at each frame rate. The
main job cuts them as files of the user's own. Each row compares a decoded clip with how its source was drawn:
the numbers and times of its frames, the outline's edges, beeps, brightness and colours; or a refusal with the
one that is due. Rows that differ end with OFF, and the exit code is 1 if a row of any table differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from math import nan
from pathlib import Path

import anyio

import hdtf_async
from hdtf_async import Options
from hdtf_async.core.model import Audio, Box, Deinterlace, OutputSettings
from hdtf_async.media import interlace
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.probe import Prober

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import audio_sync
import exact_cuts
import interlaced_videos
import media
import shapes
from shapes import Shape
from sources import SOURCES, Source

RATES = (None, 25)
"""Frames per second that are asked for."""
MOST_OFF = 0.001
"""Seconds by which a frame may be off its time."""
MOST_LATE = 45
"""Milliseconds from a flash to its beep: a frame, and what a beep needs to be loud."""


async def frames(prober: Prober, directory: Path) -> int:
    """Print how many frames of how many clips differ from those due."""
    wrong = 0
    sources = directory / "media"
    sources.mkdir()
    media.render(sources)
    print(f"{'raw':48}{'clips':>6}{'due':>6}{'made':>6}{'samples':>9}{'framemd5':>9}{'off, ms':>9}")
    for name, kind in exact_cuts.SOURCE_VIDEOS.items():
        raw = media.decoded(sources / name)
        checksums = media.digests(raw.path, exact_cuts.BOX)
        intervals = exact_cuts.intervals_of(raw).values()
        expected_frames = made = samples = sums = 0
        off = Fraction(0)
        for interval in intervals:
            cut = await exact_cuts.planned(prober, raw.path, interval)
            clip = await exact_cuts.made(cut, directory / "clip.mp4")
            source_frames, found = raw.within(interval.start, interval.end), media.Decoded(clip).frames
            first = raw.frames.index(source_frames[0])
            expected, actual = checksums[first : first + len(source_frames)], media.digests(clip)
            expected_frames, made = expected_frames + len(source_frames), made + len(found)
            pairs = list(zip(source_frames, found, strict=False))
            samples += sum(one.cropped(exact_cuts.BOX) != other.planes for one, other in pairs)
            sums += sum(one != other for one, other in zip_longest(expected, actual))
            off = max([off, *(abs(one.time - source_frames[0].time - other.time) for one, other in pairs)])
        wrong += bool(expected_frames != made or samples or sums or off > MOST_OFF)
        row = f"{len(intervals):6}{expected_frames:6}{made:6}{samples:9}{sums:9}{float(off) * 1000:9.3f}"
        print(f"{f'{name}: {kind}'[:47]:48}{row}", flush=True)
    return wrong


async def boxes(prober: Prober, directory: Path) -> int:
    """Print which corners of a grid clips show."""
    wrong = 0
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
        wrong += off > 1
        sides = f"{_listed(box):>20}{_listed(shown):>20}"
        print(f"{f'{width}x{height}':>10}{reference_height:7}{sides}{float(off):16.2f}", flush=True)
    return wrong


def _listed(box: Box) -> str:
    return f"{box.left} {box.width} {box.top} {box.height}"


async def whole_pictures(prober: Prober, directory: Path) -> int:
    """Print how much neighbouring rows differ, by rows two apart, before and after."""
    wrong = 0
    sources = interlaced_videos.render(directory)
    print(f"{'raw':16}{'seen as':>10}{'rows, off':>12}{'rows, auto':>12}")
    for kind in interlaced_videos.PARITIES:
        raw = sources / f"{kind}.mp4"
        cut = await interlaced_videos.planned(prober, raw, Deinterlace.AUTO)
        seen = (await interlace.look(bundled_ffmpeg(), cut)).parity or "whole"
        off, auto = [
            interlaced_videos.combs(await interlaced_videos.clip_of(prober, raw, directory, way))
            for way in (Deinterlace.OFF, Deinterlace.AUTO)
        ]
        wrong += auto > 1
        print(f"{kind:16}{seen:>10}{off:12.2f}{auto:12.2f}", flush=True)
    return wrong


async def sound(prober: Prober, directory: Path) -> int:
    """Print by how much a beep comes after its flash: in the source, inside of clips, and beside them."""
    wrong = 0
    print(f"{'source':8}{'frames a second':>16}{'there, ms':>18}{'inside, ms':>18}{'beside, ms':>18}")
    for kind, source in audio_sync.render(directory).items():
        beeps = audio_sync.beeps_inside(source.soundtrack or source.picture)
        both = zip(audio_sync.flashes(source.picture), beeps, strict=True)
        in_source = [1000 * (beep - flash + source.late) for flash, beep in both]
        for fps in (None, Fraction(25)):
            form = OutputSettings(size=32, fps=fps, audio=Audio.BOTH, preset="ultrafast")
            after = [1000 * seconds for seconds in await audio_sync.off(prober, source, form, directory)]
            half = len(after) // 2
            parts = (in_source, after[:half], after[half:])
            shown = "".join(f"{f'{min(part):+.1f} to {max(part):+.1f}':>18}" for part in parts)
            wrong += max(map(abs, after)) > MOST_LATE
            print(f"{kind:8}{fps or 'as it comes'!s:>16}{shown}", flush=True)
    return wrong


_COLUMNS = "{:46}{:>7}{:>11}{:>17}{:>6}{:>6}{:>7}{:>8}{:>7}"
HEADER = "\n".join(
    _COLUMNS.format(*words)
    for words in (
        ("source video", "fps", "frames", "first, last", "wrong", "box", "A/V", "length", "levels"),
        ("", "", "due, found", "found", "", "px", "ms", "ms", ""),
    )
)
MOST_BOX, MOST_LENGTH, MOST_LEVELS = 1.0, 0.003, 4.0
AAC = 0.03
"""Seconds by which the audio inside a clip may be longer: AAC counts in frames of 1024 samples."""


@dataclass(frozen=True)
class Row:
    """One row of the table: a source video, and the settings of the run that cuts it."""

    name: str
    source: Source
    shape: Shape
    fps: int | None
    place: int

    @property
    def stem(self) -> str:
        """The stem of its clip."""
        return f"RD_Shape{self.place}_000"

    @property
    def youtube_id(self) -> str:
        """An id for it."""
        return f"shape{self.place:06}"

    @property
    def run(self) -> str:
        """What all rows of one run have in common."""
        return f"{self.fps} {self.shape.sound} {sorted(self.source.settings.items())}"


async def unusual(_prober: Prober, directory: Path, chosen: Mapping[str, Source] = SOURCES) -> int:
    """Have the main job cut source videos of unusual shapes, and print what their clips show."""
    drawings = directory / "drawings"
    drawings.mkdir()
    planned = [
        Row(name, source, source.draw(drawings), fps, place)
        for place, (name, source) in enumerate(chosen.items())
        for fps in RATES
    ]
    found: dict[tuple[str, int | None], tuple[str, bool]] = {}
    for number, run in enumerate(dict.fromkeys(one.run for one in planned)):
        rows = [one for one in planned if one.run == run]
        out = await cut(rows, directory / f"run {number}")
        for one in rows:
            found[one.name, one.fps] = row_of(one, out)
    print(HEADER)
    for (name, fps), (row, fits) in found.items():
        print(f"{name[:45]:46}{fps or 'source':>7}{row}{'' if fits else '   OFF'}", flush=True)
    return sum(not fits for _, fits in found.values())


async def cut(rows: list[Row], directory: Path) -> Path:
    """Run the main job over files of the user's own, and return its output directory."""
    source, mine, yt_dlp = directory / "tables", directory / "mine", directory / "yt-dlp"
    for made in (source, mine):
        made.mkdir(parents=True)
    yt_dlp.write_text("#!/bin/sh\necho 'ERROR: nothing is downloaded here' >&2\nexit 1\n", encoding="ascii")
    yt_dlp.chmod(0o755)
    lines: dict[str, list[str]] = {}
    for one in rows:
        for drawn, name in (
            one.source.files or {one.shape.path.name: f"A film [ID]{one.shape.path.suffix}"}
        ).items():
            (mine / name.replace("ID", one.youtube_id)).symlink_to(one.shape.path.with_name(drawn).absolute())
        box, height = one.shape.published
        clock = "-".join(
            f"{int(second // 60):02}:{second % 60:06.3f}" for second in (one.source.start, one.source.end)
        )
        video = f"Shape{one.place}"
        for table, line in {
            "video_url": f"{video} https://www.youtube.com/watch?v={one.youtube_id}",
            "resolution": f"{video}.mp4 {height}",
            "annotion_time": f"{video}.mp4 {clock}",
            "crop_wh": f"{video}_0.mp4 {box.left} {box.width} {box.top} {box.height}",
            "crop_ratio": f"{video}_0.mp4 1.2",
        }.items():
            lines.setdefault(table, []).append(f"{line}\n")
    for table, texts in lines.items():
        (source / f"RD_{table}.txt").write_text("".join(texts), encoding="ascii")
    rate = None if rows[0].fps is None else Fraction(rows[0].fps)
    options = Options(
        source=source, subsets=("RD",), raw_dirs=(mine,), yt_dlp=yt_dlp, pace=0, retry_wait=0, min_free=0,
        no_report=True, fps=rate, audio=Audio.BOTH if rows[0].shape.sound else Audio.NONE,
        **rows[0].source.settings,  # type: ignore[arg-type]
    )  # fmt: skip
    await hdtf_async.download(directory / "clips", options)
    return directory / "clips"


def row_of(planned: Row, out: Path) -> tuple[str, bool]:
    """Return the columns of a row, and whether all of them are as they should be."""
    records = {}
    for name in ("metadata.jsonl", "failures.jsonl"):
        for text in (out / name).read_text(encoding="utf-8").splitlines():
            record = json.loads(text)
            records[record.get("clip") or record["file_name"].removesuffix(".mp4")] = record
    record, source = records[planned.stem], planned.source
    if "reason" in record:
        fits = (
            record["reason"] == source.refused
            and source.words.replace("ID", planned.youtube_id) in record["words"]
        )
        return f"  {record['reason']}: {record['words']}", fits
    made = shapes.measured(planned.shape, out / f"{planned.stem}.mp4", record)
    expected = shapes.due(planned.shape, source.start, source.end, planned.fps)
    wrong = sum(one != other for one, other in zip_longest(expected.numbers, made.numbers))
    late = max(
        (abs(one - other) for one, other in zip(expected.times, made.times, strict=False)), default=nan
    )
    box = shapes.box_error(planned.shape, made)
    off = max(made.off, key=abs, default=None)
    lengths = [length - expected.length for length in (record["duration"], made.lengths[1])]
    longer = max(lengths, key=abs)
    sounds = [abs(length - expected.length) for length in (made.lengths[0], *made.lengths[2:])]
    levels = max(
        abs(one - other)
        for each, published in zip(
            made.looks[::2], (source.levels, source.last_levels or source.levels), strict=True
        )
        for one, other in zip(each.levels if each else (nan,) * 4, published, strict=True)
    )
    fits = not source.refused and not wrong and late < MOST_LENGTH and box <= MOST_BOX
    fits &= (off is None) is not planned.shape.sound and abs(off or 0) <= 0.5 / (planned.fps or shapes.RATE)
    fits &= abs(longer) <= MOST_LENGTH and max(sounds) <= AAC and levels <= MOST_LEVELS
    fits &= all(record.get(key) == value for key, value in source.metadata.items())
    audio = "none" if off is None else f"{1000 * off:+.1f}"
    counts = f"{len(expected.numbers):5}{len(made.numbers):6}"
    ends = f"{f'{made.numbers[0]}, {made.numbers[-1]}' if made.numbers else '':>17}"
    return f"{counts}{ends}{wrong:6}{box:6.2f}{audio:>7}{1000 * longer:+8.1f}{levels:7.1f}", fits


TABLES: dict[str, tuple[str, Callable[..., Awaitable[int]]]] = {
    "frames": ("Frames: differing ones, and the furthest that one is off its time", frames),
    "boxes": ("Boxes: left, width, top, height", boxes),
    "whole_pictures": (
        "Deinterlacing: how neighbouring rows differ, by rows two apart; above 1: combed",
        whole_pictures,
    ),
    "sound": ("Audio: from the flash to its beep", sound),
    "unusual": ("Unusual source videos: numbered frames in an outline, and beeps at known moments", unusual),
}


async def main(args: argparse.Namespace) -> int:
    """Print the tables, and return how many rows are off."""
    off = 0
    chosen = {name: source for name, source in SOURCES.items() if args.only in name}
    with tempfile.TemporaryDirectory(prefix="exactness-") as temporary:
        async with Prober() as prober:
            for name in args.tables or (["unusual"] if args.only else TABLES):
                directory = Path(temporary) / name
                directory.mkdir()
                title, table = TABLES[name]
                print(f"{title}\n")
                off += await table(prober, directory, *([chosen] if table is unusual else []))
                print()
    print(f"{off} rows are off." if off else "All rows are as they should be.")
    return off


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--only", default="", metavar="TEXT", help="unusual sources with this in their name")
    sys.exit(bool(anyio.run(main, parser.parse_args())))
