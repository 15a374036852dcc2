"""Source videos of unusual shapes whose frames tell their own number, and what a clip of them shows.

Each frame is drawn as a row of blocks that spell its number in binary, so that a decoded frame of any size
says which one it is. The sound beeps at known moments. So what a clip should show follows from how its source
was drawn, and from nothing that the program found out about it.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import av
import media
from audio_sync import beeps_beside

from hdtf_async.core.events import EventBus
from hdtf_async.core.model import Audio, Box, Clip, Crop, Form, Interval, Video
from hdtf_async.lanes.encoder import Encoder
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.output.directory import opened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.media.probe import Prober

WIDTH, HEIGHT, RATE, FRAMES = 160, 120, 25, 200
BITS = 16
BEEPS = (0.6, 1.5, 2.4, 3.3, 4.2, 5.1, 6.0, 6.9)
"""Seconds at which the sound begins to beep, for a tenth of a second each."""
H264 = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -threads 1"


def draw_numbers(directory: Path, width: int = WIDTH, height: int = HEIGHT) -> str:
    """Draw `FRAMES` numbered frames, and return the words with which ffmpeg reads them, at 25 per second."""
    name = f"numbers_{width}x{height}.gray"
    path = directory / name
    if not path.exists():
        content = bytearray()
        for number in range(FRAMES):
            bits = [bytes([235 if number >> bit & 1 else 16]) * (width // BITS) for bit in range(BITS)]
            row = b"".join(bits)
            # The lower half is its opposite, so that all frames are of one brightness.
            content += row * (height // 2) + bytes(251 - sample for sample in row) * (height - height // 2)
        path.write_bytes(content)
    return f"-f rawvideo -pix_fmt gray -video_size {width}x{height} -framerate {RATE} -i {name}"


def draw_beeps(directory: Path) -> str:
    """Write the beeps, and return the words with which ffmpeg reads them."""
    if not (directory / "beeps.wav").exists():
        loud = "+".join(f"between(t,{second},{second + 0.1})" for second in BEEPS)
        source = f"aevalsrc='0.8*sin(2*PI*2000*t)*({loud})':sample_rate=44100:duration={FRAMES / RATE}"
        media.ffmpeg(directory, f"-v error -f lavfi -i {source} beeps.wav")
    return "-i beeps.wav"


@dataclass(frozen=True)
class Shape:
    """A drawn source video."""

    path: Path
    numbers: Sequence[int] = range(FRAMES)
    """Its frames, in the order in which they are shown."""
    begins: float = 0.0
    """Second of the video's own timeline at which number 0 is, or would be, shown."""
    sound: bool = True

    def time(self, number: int) -> float:
        """Return when a frame appears, in seconds of the video's own timeline."""
        return self.begins + number / RATE

    def on_screen(self, second: float) -> int:
        """Return the number of the frame that is on screen at some second."""
        return self.numbers[bisect_right(self.numbers, (second - self.begins) * RATE + 1e-6) - 1]

    def within(self, start: float, end: float) -> list[int]:
        """Return the frames with ``start <= PTS < end``."""
        return [number for number in self.numbers if start - 1e-9 <= self.time(number) < end - 1e-9]


@dataclass
class Made:
    """What was measured at a clip."""

    numbers: list[int]
    """The numbers that its frames show."""
    times: list[float]
    """Their time stamps."""
    lengths: list[float]
    """Seconds that the clip lasts, and each of its streams, as its header states."""
    off: list[float] = field(default_factory=list)
    """Seconds by which each beep comes later than the picture that belongs to it."""
    metadata: Record = field(default_factory=dict)
    path: Path | None = None


def clip_of(start: float, end: float, *, box: Box | None = None, height: int = HEIGHT) -> Clip:
    """Return a table row; without a box the whole frame is asked for."""
    return Clip(Video("RD", "Shape", "aaaaaaaaaaa", height), 0, Interval(start, end), box or Box(0, 0, 1, 1))


async def make(
    prober: Prober, shape: Shape, clip: Clip, out: Path, *, fps: Fraction | None = None, **more: object
) -> Made:
    """Cut one clip as the encode lane does, and measure it."""
    settings: dict[str, object] = {"crop": Crop.NONE, "audio": Audio.BOTH if shape.sound else Audio.NONE}
    form = Form(fps=fps, preset="ultrafast", **(settings | more))  # type: ignore[arg-type]
    raw = await media.raw(prober, shape.path, clip)
    async with opened(out) as store:
        cutter = Encoder(form, store, bundled_ffmpeg(), {}, prober, EventBus())
        await cutter.cut(clip, raw)
        record = store.known.clips[clip.stem]["metadata"]
    path = out / f"{clip.stem}.mp4"
    made = measured(path)
    made.metadata = record
    if (out / f"{clip.stem}.wav").exists() and made.numbers:
        made.off = _offsets(shape, made, beeps_beside(out / f"{clip.stem}.wav"))
    return made


def measured(path: Path) -> Made:
    """Return what a clip shows."""
    numbers, times = [], []
    with av.open(str(path)) as opened_clip:
        stream = opened_clip.streams.video[0]
        assert stream.time_base is not None
        for frame in opened_clip.decode(stream):
            numbers.append(read_number(frame))
            times.append(float((frame.pts or 0) * stream.time_base))
        lengths = [(opened_clip.duration or 0) / 1e6]
        lengths += [float((one.duration or 0) * (one.time_base or 0)) for one in opened_clip.streams]
    return Made(numbers, times, lengths, path=path)


def read_number(frame: av.VideoFrame) -> int:
    """Return the number that a frame shows, whatever its size."""
    plane = frame.planes[0]
    row = bytes(plane)[frame.height // 4 * plane.line_size :]
    middles = [int((bit + 0.5) * frame.width / BITS) for bit in range(BITS)]
    return sum(1 << bit for bit, middle in enumerate(middles) if row[middle] > 125)


def _offsets(shape: Shape, made: Made, heard: list[float]) -> list[float]:
    """Return by how much each beep comes after the picture that was shown when it began in the source."""
    found = []
    for beep in heard:
        # Where in the source the clip is at that moment, by the frame that it shows then.
        place = bisect_right(made.times, beep + 1e-6) - 1
        number = made.numbers[place]
        first = made.numbers.index(number)
        source = max(shape.time(number), _moved(shape, made, first)) + beep - made.times[first]
        nearest = min(BEEPS, key=lambda one: abs(one + shape.begins - source))
        found.append(source - nearest - shape.begins)
    return found


def _moved(shape: Shape, made: Made, place: int) -> float:
    """Return the second of the source at which a frame begins in the clip: a held one begins late."""
    start = float(made.metadata["start"])
    return start if place == 0 and shape.time(made.numbers[0]) < start else shape.time(made.numbers[place])


@dataclass(frozen=True)
class Due:
    """What a clip should show, by how its source was drawn."""

    numbers: list[int]
    times: list[float]
    length: float


def due(shape: Shape, start: float, end: float, fps: int | None = None) -> Due:
    """Return what a clip of an interval should show.

    The frames that begin in it, at their own times; the frame that is on screen at its start, where no other
    one begins soon; the last one up to the end of the interval, or of itself where that is a moment later.
    """
    late = shape.time(shape.numbers[0]) - start
    start += late if late > DELAYED else 0
    numbers = shape.within(start, end)
    held = not numbers or (late < 0 and shape.time(numbers[0]) - start > LATE)
    if held:
        numbers = [shape.on_screen(start), *numbers]
    begin = start if held else shape.time(numbers[0])
    place = shape.numbers.index(numbers[-1]) + 1
    until = shape.time(shape.numbers[place]) if place < len(shape.numbers) else shape.time(numbers[-1] + 1)
    until = end if until - end > LATE else until
    if fps is None:
        times = [max(0.0, shape.time(number) - begin) for number in numbers]
        return Due(numbers, times, until - begin)
    times = [place / fps for place in range(int((end - start) * fps + 0.5 + 1e-9))]
    last = numbers[-1]
    # A frame counts from half a frame before it appears.
    shown = [min(last, shape.on_screen(begin + time + 0.5 / fps - 1e-6)) for time in times]
    return Due(shown, times, len(times) / fps)


LATE = 1.5 / RATE
"""Seconds for which a frame may be late and still be the next one."""
DELAYED = 3.5 / RATE
"""Seconds for which the first frame of a video may be late, as without an edit list it is for B-frames."""


# The shapes


def plain(directory: Path, name: str, words: str = H264, *, pick: str | None = None) -> Path:
    """Draw a video with its sound; `pick` is an expression of ``n`` that says which frames are kept."""
    filters = f"-vf select='{pick}' -fps_mode passthrough " if pick else ""
    numbers, beeps = draw_numbers(directory), draw_beeps(directory)
    media.ffmpeg(directory, f"-v error {numbers} {beeps} {filters}{words} -c:a aac {name}")
    return directory / name


def joined(directory: Path, name: str, first: str, second: str, words: str = "-c copy") -> Path:
    """Put two files one after the other, without encoding them again."""
    (directory / "list.txt").write_text(f"file {first}\nfile {second}\n")
    media.ffmpeg(directory, f"-v error -f concat -i list.txt {words} {name}")
    return directory / name


def with_clap(path: Path, width: int, height: int, right: int, down: int) -> None:
    """Have the MP4 container ask for cropping: the size, and how far the middle is from the frame's."""
    with_box(path, b"clap", struct.pack(">8I", width, 1, height, 1, right % 2**32, 1, down % 2**32, 1))


def with_dolby_vision(path: Path, profile: int, compatibility: int) -> None:
    """Have the MP4 container declare Dolby Vision."""
    level, layers = 6, 0b101
    content = struct.pack(">BBHB", 1, 0, profile << 9 | level << 3 | layers, compatibility << 4)
    with_box(path, b"dvcC", content.ljust(24, b"\0"))


def with_box(path: Path, kind: bytes, inside: bytes) -> None:
    """Put a box behind all others in the sample entry of an MP4's first track, which is H.264."""
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
    """Have the Matroska container ask for cropping, in the place of the display aspect that it states."""
    content = path.read_bytes()
    stated = re.compile(rb"\x54\xb0\x81.\x54\xba\x81.\x54\xb2\x81\x03", re.DOTALL)
    wanted = b"".join(
        element + b"\x81" + bytes([lines])
        for element, lines in ((b"\x54\xcc", left), (b"\x54\xdd", right), (b"\x54\xaa", bottom))
    )
    (found,) = stated.finditer(content)
    path.write_bytes(content[: found.start()] + wanted + content[found.end() :])
