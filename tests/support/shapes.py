"""Source videos whose frames encode their number and geometry, and measurements of their clips.

Each frame has a bright outline at a fixed place. Inside it are blocks that encode the frame's number in
binary; outside it is a fixed colour. A decoded frame of any size thus shows its number, the box that was cut
out, and whether its colours are right. The audio beeps at fixed moments. The expected clip follows from how
its source was rendered, and from no result of the program.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from math import nan
from statistics import median_low
from typing import TYPE_CHECKING

import av
import media
from audio_sync import beeps_beside, beeps_inside

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.model import Audio, Box, Clip, Crop, Interval, OutputSettings, Video
from hdtf_async.lanes.encoder import Encoder
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.output.directory import open_directory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.media.probe import Prober

WIDTH, HEIGHT, RATE, FRAMES = 160, 120, 25, 200
BITS = 8
OUTLINE = Box(40, 28, 80, 64)
"""The outline's outer edges in a frame of `WIDTH` by `HEIGHT`; it is four pixels thick."""
BLOCKS = Box(48, 36, 64, 48)
"""The blocks inside. Those of the lower half are inverted copies of those of the upper half."""
DARK, LIGHT = 16, 235
"""Luma inside the outline."""
GROUND = (95, 160, 90)
"""Luma, Cb and Cr outside it."""
LEVELS = (GROUND[0], LIGHT, *GROUND[1:])
"""The values of the drawing that `look` measures."""
BEEPS = (0.6, 1.5, 2.4, 3.3, 4.2, 5.1, 6.0, 6.9)
"""Seconds at which the audio starts to beep, for a tenth of a second each."""
H264 = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -threads 1"


def draw_numbers(directory: Path, width: int = WIDTH, height: int = HEIGHT) -> str:
    """Render `FRAMES` numbered frames, and return the arguments with which ffmpeg reads them, at 25 fps."""
    name = f"numbers_{width}x{height}.nut"
    if not (directory / name).exists():
        raw = directory / "numbers.yuv"
        raw.write_bytes(b"".join(map(_drawing, range(FRAMES))))
        arguments = (
            f"-f rawvideo -pix_fmt yuv420p -video_size {WIDTH}x{HEIGHT} -framerate {RATE} -i {raw.name}"
        )
        larger = f"-vf scale={width}:{height}:flags=neighbor -c:v ffv1 -threads 1 {name}"
        media.ffmpeg(directory, f"-v error {arguments} {larger}")
        raw.unlink()
    return f"-i {name}"


def _drawing(number: int) -> bytes:
    """Return the planes of one frame."""
    dark, light = bytes([DARK]), bytes([LIGHT])
    thick = 4
    ground = bytes(GROUND[:1])
    side = ground * OUTLINE.left, ground * (WIDTH - OUTLINE.right)
    bar = side[0] + light * OUTLINE.width + side[1]

    def inside(content: bytes) -> bytes:
        return side[0] + light * thick + content + light * thick + side[1]

    def blocks(opposite: int) -> bytes:
        lit = [light if (number >> bit & 1) != opposite else dark for bit in range(BITS)]
        return inside(dark * thick + b"".join(each * (BLOCKS.width // BITS) for each in lit) + dark * thick)

    empty = inside(dark * (OUTLINE.width - 2 * thick))
    half = BLOCKS.height // 2
    rows = [*[bar] * thick, *[empty] * thick, *[blocks(0)] * half, *[blocks(1)] * half]
    rows += [*[empty] * thick, *[bar] * thick]
    rows = [ground * WIDTH] * OUTLINE.top + rows + [ground * WIDTH] * (HEIGHT - OUTLINE.bottom)
    return b"".join([*rows, *map(_tint, GROUND[1:])])


def _tint(level: int) -> bytes:
    """Return a plane of chroma, half as wide and high: neutral inside the outline."""
    width, left = WIDTH // 2, OUTLINE.left // 2
    across = bytes([level]) * left + bytes([128]) * (OUTLINE.width // 2)
    across = across.ljust(width, bytes([level]))
    above, below = OUTLINE.top // 2, (HEIGHT - OUTLINE.bottom) // 2
    return bytes([level]) * width * above + across * (OUTLINE.height // 2) + bytes([level]) * width * below


def draw_beeps(directory: Path) -> str:
    """Write the beeps, and return the arguments with which ffmpeg reads them."""
    if not (directory / "beeps.wav").exists():
        loud = "+".join(f"between(t,{second},{second + 0.1})" for second in BEEPS)
        source = f"aevalsrc='0.8*sin(2*PI*2000*t)*({loud})':sample_rate=44100:duration={FRAMES / RATE}"
        media.ffmpeg(directory, f"-v error -f lavfi -i {source} beeps.wav")
    return "-i beeps.wav"


@dataclass(frozen=True)
class Shape:
    """A rendered source video."""

    path: Path
    numbers: Sequence[int] = range(FRAMES)
    """Its frames, in display order."""
    begins: float = 0.0
    """Second of the video's own timeline at which number 0 is, or would be, shown."""
    sound: bool = True
    later: float = 0.0
    """Seconds by which its audio is later than the frames with which it was rendered."""
    width: int = WIDTH
    height: int = HEIGHT
    """Height of a displayed frame in pixels, cropped and square; before any rotation."""
    outline: tuple[float, float, float, float] | None = None
    """Left, top, right and bottom of the outline in such a frame; None where the whole drawing is shown."""
    turned: bool = False
    """Whether such a frame is rotated by 90 degrees counterclockwise."""

    def time(self, number: int) -> float:
        """Return when a frame appears, in seconds of the video's own timeline."""
        return self.begins + number / RATE

    def on_screen(self, second: float) -> int:
        """Return the number of the frame that is displayed at a time in seconds."""
        return self.numbers[bisect_right(self.numbers, (second - self.begins) * RATE + 1e-6) - 1]

    def within(self, start: float, end: float) -> list[int]:
        """Return the frames with ``start <= PTS < end``."""
        return [number for number in self.numbers if start - 1e-9 <= self.time(number) < end - 1e-9]

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom of the outline, before any rotation."""
        if self.outline is not None:
            return self.outline
        x, y = self.width / WIDTH, self.height / HEIGHT
        return OUTLINE.left * x, OUTLINE.top * y, OUTLINE.right * x, OUTLINE.bottom * y

    @property
    def box(self) -> Box:
        """Return a box around the outline, before any rotation: its sides and offsets are even."""
        left, top, right, bottom = self.edges
        x, y = (right - left) / 6, (bottom - top) / 10
        begin = 2 * int((left - x) / 2), 2 * int((top - y) / 2)
        return Box(*begin, 2 * int((right + x - begin[0]) / 2), 2 * int((bottom + y - begin[1]) / 2))

    @property
    def published(self) -> tuple[Box, int]:
        """Return the box as in a table, and the height to which it refers."""
        box = self.box
        if not self.turned:
            return box, self.height
        return Box(box.top, self.width - box.right, box.height, box.width), self.width


@dataclass(frozen=True)
class Look:
    """The measurements of one frame."""

    edges: tuple[float, float, float, float]
    """Left, top, right and bottom of the outline, in pixels."""
    levels: tuple[float, float, float, float]
    """Luma outside the outline, and of the outline; Cb and Cr outside it."""


@dataclass
class Made:
    """The measurements of a clip."""

    numbers: list[int]
    """The numbers that its frames show; -1 for none."""
    times: list[float]
    """Their timestamps."""
    lengths: list[float]
    """Durations of the clip and of each of its streams in seconds, from its header."""
    looks: list[Look | None]
    """The measurements of the first, the middle and the last frame; None where no outline is visible."""
    size: tuple[int, int]
    """Width and height, before any rotation."""
    off: list[float] = field(default_factory=list)
    """Seconds by which each beep, of the track and the audio file, is later than the corresponding frame."""
    metadata: Record = field(default_factory=dict)
    path: Path | None = None


def clip_of(start: float, end: float, *, box: Box | None = None, height: int = HEIGHT) -> Clip:
    """Return a table row; without a box it has the whole frame."""
    return Clip(Video("RD", "Shape", "aaaaaaaaaaa", height), 0, Interval(start, end), box or Box(0, 0, 1, 1))


async def make(
    prober: Prober, shape: Shape, clip: Clip, out: Path, *, fps: Fraction | None = None, **more: object
) -> Made:
    """Cut one clip as the encode lane does, and measure it."""
    settings: dict[str, object] = {"crop": Crop.NONE, "audio": Audio.BOTH if shape.sound else Audio.NONE}
    form = OutputSettings(fps=fps, **(settings | more))  # type: ignore[arg-type]
    raw = await media.raw(prober, shape.path, clip)
    async with open_directory(out) as store:
        encoder = Encoder(form, store, bundled_ffmpeg(), {}, prober, EventBus())
        await encoder.cut(clip, raw)
        record = store.known.clips[clip.stem]["metadata"]
    return measured(shape, out / f"{clip.stem}.mp4", record)


def measured(shape: Shape, path: Path, metadata: Record) -> Made:
    """Return what a clip shows, and the synchronisation of its audio track and audio file."""
    with av.open(str(path)) as clip:
        stream = clip.streams.video[0]
        assert stream.time_base is not None
        shown = list(clip.decode(stream))
        times = [float((frame.pts or 0) * stream.time_base) for frame in shown]
        lengths = [(clip.duration or 0) / 1e6]
        lengths += [float((one.duration or 0) * (one.time_base or 0)) for one in clip.streams]
        inside = bool(clip.streams.audio)
    frames = [planes_of(frame, turned=shape.turned) for frame in shown]
    looks = [look(frames[place]) for place in (0, len(frames) // 2, -1)]
    numbers = [number_of(planes[0]) for planes in frames]
    size = len(frames[0][0][0]), len(frames[0][0])
    made = Made(numbers, times, lengths, looks, size, metadata=metadata, path=path)
    wav = path.with_suffix(".wav")
    if wav.exists():
        made.off += _offsets(shape, made, beeps_beside(wav))
    if inside:
        made.off += _offsets(shape, made, beeps_inside(path))
    return made


Plane = list[bytes]
"""Rows of samples."""


def planes_of(frame: av.VideoFrame, *, turned: bool = False) -> list[Plane]:
    """Return the planes of a frame; a rotated one is rotated back."""
    planes = []
    for plane in frame.planes:
        content = bytes(plane)
        starts = range(0, plane.height * plane.line_size, plane.line_size)
        rows = [content[start : start + plane.width] for start in starts]
        planes.append([bytes(column) for column in zip(*reversed(rows), strict=True)] if turned else rows)
    return planes


def number_of(rows: Sequence[bytes]) -> int:
    """Return the number that rows of luma show, whatever their size and box; -1 for none."""
    box = _lit(rows)
    if box is None:
        return -1

    def bits(part: float) -> int:
        down = BLOCKS.top - OUTLINE.top + part * BLOCKS.height
        row = rows[int(box.top + box.height * down / OUTLINE.height)]
        across = (BLOCKS.left - OUTLINE.left + (bit + 0.5) * BLOCKS.width / BITS for bit in range(BITS))
        places = (int(box.left + box.width * each / OUTLINE.width) for each in across)
        return sum(1 << bit for bit, place in enumerate(places) if row[place] > middle)

    middle = _middle(rows)
    number = bits(0.25)
    return number if number ^ bits(0.75) == (1 << BITS) - 1 else -1


def _middle(rows: Sequence[bytes]) -> float:
    # A search for a byte is a hundred times faster than a comparison of all bytes by min() and max().
    whole = b"".join(rows)
    darkest = next(level for level in range(256) if level in whole)
    return (darkest + next(level for level in reversed(range(256)) if level in whole)) / 2


def _above(rows: Sequence[bytes], middle: float) -> list[bytes]:
    """Return a 1 for each sample above the middle, and a 0 for each other one."""
    table = bytes(level > middle for level in range(256))
    return [row.translate(table) for row in rows]


def _lit(rows: Sequence[bytes]) -> Box | None:
    """Return the region inside the outline and the outline itself, to the pixel; None without an outline."""
    lit = _above(rows, _middle(rows))
    places = [place for place, row in enumerate(lit) if 1 in row]
    row = lit[(places[0] + places[-1]) // 2] if places else b""
    left, right = row.find(1), row.rfind(1)
    least = 3 * BITS
    if left < 0 or right - left < least or places[-1] - places[0] < least:
        return None
    return Box(left, places[0], right + 1 - left, places[-1] + 1 - places[0])


def look(planes: Sequence[Plane]) -> Look | None:
    """Measure a frame."""
    box = _lit(planes[0])
    if box is None or box.left < 1 or box.top < 1:
        return None
    rows = planes[0]
    columns = [bytes(column) for column in zip(*rows, strict=True)]
    down = range(box.top + box.height // 4, box.bottom - box.height // 4)
    across = range(box.left + box.width // 4, box.right - box.width // 4)
    edges = [*_crossings([rows[place] for place in down]), *_crossings([columns[place] for place in across])]
    left, right, top, bottom = edges
    thick = 4 * (right - left) / OUTLINE.width
    outside, bar = int(left - 2 * thick), int(left + thick / 2)

    def level(plane: Plane, place: int, by: int) -> float:
        found = [plane[row // by][max(0, place // by)] for row in down]
        return sum(found) / len(found)

    blue, red = (level(plane, outside, 2) for plane in planes[1:])
    levels = level(planes[0], outside, 1), level(planes[0], bar, 1), blue, red
    return Look((left, top, right, bottom), levels)


def _crossings(lines: Sequence[bytes]) -> tuple[float, float]:
    """Return where lines become bright, and where they become dark again behind that, on average."""
    brightest = max(b"".join(lines))
    middle = (sum(line[0] for line in lines) / len(lines) + brightest) / 2

    def first(line: bytes) -> float:
        place = next(place for place, sample in enumerate(line) if sample > middle)
        if place == 0:
            return nan  # cropped
        before, behind = line[place - 1], line[place]
        return place - 0.5 + (middle - before) / (behind - before)

    def mean(found: list[float]) -> float:
        return sum(found) / len(found)

    length = len(lines[0])
    return mean(list(map(first, lines))), length - mean([first(line[::-1]) for line in lines])


def box_error(shape: Shape, made: Made) -> float:
    """Return how far the outline's edges are from their places in a clip of the box, in the clip's pixels."""
    box = shape.box
    scale = made.size[0] / box.width, made.size[1] / box.height
    left, top, right, bottom = shape.edges
    due = [(left - box.left) * scale[0], (top - box.top) * scale[1]]
    due += [(right - box.left) * scale[0], (bottom - box.top) * scale[1]]
    found = [each.edges if each else (nan,) * 4 for each in made.looks]
    return max(abs(one - other) for edges in found for one, other in zip(edges, due, strict=True))


def _offsets(shape: Shape, made: Made, beeps: list[float]) -> list[float]:
    """Return by how much each beep comes after the frame that was displayed at its start in the source."""
    found = []
    for beep in beeps:
        # The clip's position in the source at that moment, from the frame that it shows.
        place = bisect_right(made.times, beep + 1e-6) - 1
        number = made.numbers[place]
        first = made.numbers.index(number)
        source = max(shape.time(number), _moved(shape, made, first)) + beep - made.times[first]
        moved = shape.begins + shape.later
        found.append(source - moved - min(BEEPS, key=lambda one: abs(one + moved - source)))
    return found


def _moved(shape: Shape, made: Made, place: int) -> float:
    """Return the second of the source at which a frame begins in the clip: a repeated one begins late."""
    start = float(made.metadata["start"])
    return start if place == 0 and shape.time(made.numbers[0]) < start else shape.time(made.numbers[place])


@dataclass(frozen=True)
class Due:
    """The expected clip, according to how its source was rendered."""

    numbers: list[int]
    times: list[float]
    length: float


def due(shape: Shape, start: float, end: float, fps: int | None = None) -> Due:
    """Return the expected clip of an interval.

    It has the frames that begin in the interval, at their own times; the frame that is displayed at its
    start, where no other one begins soon; and the last one lasts up to the end of the interval, or to its own
    end where that is slightly later: by one and a half of the usual distance between frames, at most 0.1 s.
    """
    step = median_low([b - a for a, b in pairwise(shape.numbers)]) / RATE
    most_late = min(1.5 * step, 0.1)
    late = shape.time(shape.numbers[0]) - start
    # Without an edit list, a video with B-frames begins as late as their reordering takes.
    start += late if late > 3.5 * min(step, 0.1) else 0
    numbers = shape.within(start, end)
    held = not numbers or (late < 0 and shape.time(numbers[0]) - start > most_late)
    if held:
        numbers = [shape.on_screen(start), *numbers]
    begin = start if held else shape.time(numbers[0])
    place = shape.numbers.index(numbers[-1]) + 1
    until = shape.time(shape.numbers[place]) if place < len(shape.numbers) else shape.time(numbers[-1] + 1)
    until = end if until - end > most_late else until
    if fps is None:
        times = [max(0.0, shape.time(number) - begin) for number in numbers]
        return Due(numbers, times, until - begin)
    times = [place / fps for place in range(int((end - start) * fps + 0.5 + 1e-9))]
    last = numbers[-1]
    # A frame counts from half a frame before it appears.
    shown = [min(last, shape.on_screen(begin + time + 0.5 / fps - 1e-6)) for time in times]
    return Due(shown, times, len(times) / fps)


# The shapes


def plain(
    directory: Path, name: str, arguments: str = H264, *, pick: str | None = None, audio: str = "aac"
) -> Path:
    """Render a video with its audio; `pick` is an expression of ``n`` that selects the kept frames."""
    filters = f"-vf select='{pick}' -fps_mode passthrough " if pick else ""
    numbers, beeps = draw_numbers(directory), draw_beeps(directory)
    media.ffmpeg(directory, f"-v error {numbers} {beeps} {filters}{arguments} -c:a {audio} {name}")
    return directory / name


def joined(directory: Path, name: str, first: str, second: str, arguments: str = "-c copy") -> Path:
    """Concatenate two files without encoding them again."""
    (directory / "list.txt").write_text(f"file {first}\nfile {second}\n")
    media.ffmpeg(directory, f"-v error -f concat -i list.txt {arguments} {name}")
    return directory / name


def with_clap(path: Path, width: int, height: int, right: int, down: int) -> None:
    """Add cropping to the MP4 container: the size, and the offset of its centre from that of the frame."""
    with_box(path, b"clap", struct.pack(">8I", width, 1, height, 1, right % 2**32, 1, down % 2**32, 1))


def with_dolby_vision(path: Path, profile: int, compatibility: int) -> None:
    """Add a Dolby Vision declaration to the MP4 container."""
    level, layers = 6, 0b101
    content = struct.pack(">BBHB", 1, 0, profile << 9 | level << 3 | layers, compatibility << 4)
    with_box(path, b"dvcC", content.ljust(24, b"\0"))


def with_box(path: Path, kind: bytes, inside: bytes) -> None:
    """Append a box to the sample entry of an MP4's first track, which is H.264."""
    content = bytearray(path.read_bytes())
    box = struct.pack(">I4s", 8 + len(inside), kind) + inside
    place, opened_boxes = 0, []
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        while bytes(content[place + 4 : place + 8]) != name:
            place += int.from_bytes(content[place : place + 4])
        opened_boxes.append(place)
        place += 16 if name == b"stsd" else 8
    end = opened_boxes[-1] + int.from_bytes(content[opened_boxes[-1] : opened_boxes[-1] + 4])
    for place in opened_boxes:
        size = int.from_bytes(content[place : place + 4])
        content[place : place + 4] = (size + len(box)).to_bytes(4)
    content[end:end] = box
    path.write_bytes(content)


def with_pixel_crop(path: Path, left: int, right: int, bottom: int) -> None:
    """Add cropping to the Matroska container, in place of the display aspect that it has."""
    content = path.read_bytes()
    stated = re.compile(rb"\x54\xb0\x81.\x54\xba\x81.\x54\xb2\x81\x03", re.DOTALL)
    wanted = b"".join(
        element + b"\x81" + bytes([lines])
        for element, lines in ((b"\x54\xcc", left), (b"\x54\xdd", right), (b"\x54\xaa", bottom))
    )
    (found,) = stated.finditer(content)
    path.write_bytes(content[: found.start()] + wanted + content[found.end() :])
