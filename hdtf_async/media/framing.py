"""How the decoded frames of a video look (size, pixel shape, range, colour), and where that changes.

The size in a stream's header is the coded size. ffmpeg crops decoded frames if the container says so
(``clap`` in MP4, ``PixelCrop`` in Matroska), and rotates them. So one frame is decoded, and the cropping of
the container is read. A stream can also change midway: its key frames then carry other parameter sets, and
only such key frames are decoded again. Runs in the forks of the probing child only (see `probe`).
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MOST_PARTS = 1000
"""Number of changes of a stream above which the file is rejected."""
_PACKETS_TO_A_FRAME = 300
"""Packets after which the decoder no longer waits for the first frame."""
_NEARLY_SQUARE = Fraction(1, 100)
"""How far pixels may deviate from square and count as square: some encoders store 853 columns as 854 this
way."""
_B = 3
"""FFmpeg's number of a frame that is displayed before the previous one in decode order
(AV_PICTURE_TYPE_B)."""
_FULL_RANGE = 2
"""FFmpeg's number for full range (AVCOL_RANGE_JPEG)."""


@dataclass(frozen=True, slots=True)
class Part:
    """What frames look like from some second of the video on."""

    start: float
    """Timestamp of the first frame of this part, in seconds; 0 for the first part."""
    width: int
    """Pixels of a frame as ffmpeg decodes it: cropped and rotated upright."""
    height: int
    aspect: str = "1"
    """Width of a pixel divided by its height, as a fraction."""
    full_range: bool = False
    """Whether the samples are declared as full range (0 to 255)."""
    colours: tuple[int, int, int] = (2, 2, 2)
    """FFmpeg's numbers of primaries, transfer and matrix; 2 is unspecified."""
    pixels: str = ""
    """FFmpeg's name of the pixel format."""
    dolby_vision: int | None = None
    """Dolby Vision profile, if frames cannot be used by decoders without Dolby Vision support."""

    @property
    def hdr(self) -> str | None:
        """FFmpeg's name of the transfer function, if it is HDR."""
        return {16: "smpte2084", 18: "arib-std-b67"}.get(self.colours[1])

    @property
    def squared(self) -> tuple[int, int]:
        """Width and height in square pixels; the height is unchanged."""
        return max(1, round(self.width * Fraction(self.aspect))), self.height

    @property
    def stretched(self) -> bool:
        """Whether the pixels are not square."""
        return Fraction(self.aspect) != 1


class Framing:
    """Processes the packets of a video stream and records how its frames look."""

    def __init__(self, media: InputContainer, stream: VideoStream, frames: int = 1) -> None:
        from av.codec.context import Flags  # noqa: PLC0415 - takes 0.2 s, needed only in the child

        self._stream = stream
        stream.thread_type = "NONE"
        context = stream.codec_context
        context.thread_count = 1
        context.flags |= Flags.unaligned  # crops to the pixel, as ffmpeg itself does
        self._codec = context.codec.canonical_name
        self._extradata = bytes(context.extradata or b"")
        self._parameter_sets = self._extradata
        described = description(media, stream.index)
        self._cropping = _container_cropping(described)
        self._dolby_vision = _dolby_vision(described)
        self._left = _PACKETS_TO_A_FRAME
        self._frames_left = frames
        self.reordered = False
        """Whether one of the first `frames` frames is stored after a frame that is displayed later."""
        self.seen = False
        """Whether a frame was decoded."""
        self._parts = [self._part(0.0, context.width, context.height, None)]

    @property
    def given_up(self) -> bool:
        """Whether packets are no longer decoded, unless something changes."""
        return not self._left

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts in the order of the stream; one if nothing changes."""
        return tuple(self._parts)

    def add(self, packet: Packet[Any], second: float) -> None:
        """Process the next packet, displayed from `second` on. Raises `ValueError` for too many changes."""
        if self._left:
            self._left -= 1
            for frame in self._decoded(packet):
                self.seen = True
                if len(self._parts) == 1:
                    self._parts[0] = self._part(0.0, frame.width, frame.height, frame)
                self.reordered |= frame.pict_type == _B
                self._frames_left -= 1
                if not self._frames_left:
                    self._left = 0
                    break
        if packet.is_keyframe and self._changed(packet):
            self._look_again(packet, second)

    def _look_again(self, packet: Packet[Any], second: float) -> None:
        """Decode a key frame separately, and add a part if its frame looks different."""
        context = self._stream.codec_context
        frames: list[VideoFrame] = []
        with suppress(OSError, ValueError):
            context.flush_buffers()
            frames = [*self._decoded(packet), *context.decode(None)]
        with suppress(OSError, ValueError):
            context.flush_buffers()
        if not frames:
            return
        part = self._part(second, frames[0].width, frames[0].height, frames[0])
        if replace(part, start=0.0) != replace(self._parts[-1], start=0.0):
            if len(self._parts) >= MOST_PARTS:
                raise ValueError(f"the frames change size or colour more than {MOST_PARTS} times")
            self._parts.append(part)

    def _decoded(self, packet: Packet[Any]) -> list[VideoFrame]:
        with suppress(OSError, ValueError):  # the errors of PyAV that a damaged stream causes
            return list(self._stream.decode(packet))
        return []

    def _changed(self, packet: Packet[Any]) -> bool:
        """Whether a key frame carries other parameter sets than the current ones."""
        if packet.has_sidedata("new_extradata"):
            return True
        found = b"".join(parameter_sets(self._codec, self._extradata, bytes(packet)))
        if not found or found in self._parameter_sets:
            return False
        self._parameter_sets = found
        return True

    def _part(self, second: float, width: int, height: int, frame: VideoFrame | None) -> Part:
        context = self._stream.codec_context
        left, right, top, bottom = self._cropping
        if (top + bottom < height) and (left + right < width):
            width, height = width - left - right, height - top - bottom
            pixels = context.format if frame is None else frame.format
            if any(self._cropping) and pixels is not None:  # ffmpeg's filter keeps whole chroma samples
                across, down = (4 // pixels.chroma_width(4) or 1), (4 // pixels.chroma_height(4) or 1)
                width, height = width - width % across, height - height % down
        aspect = self._aspect
        if frame is not None and frame.rotation % 180:
            width, height, aspect = height, width, 1 / aspect
        source: Any = context if frame is None else frame
        return Part(
            start=round(second, 6),
            width=width,
            height=height,
            aspect=str(aspect),
            full_range=int(source.color_range) == _FULL_RANGE,
            colours=(int(source.color_primaries), int(source.color_trc), int(source.colorspace)),
            pixels=(context.pix_fmt if frame is None else frame.format.name) or "",
            dolby_vision=self._dolby_vision,
        )

    @property
    def _aspect(self) -> Fraction:
        """Width of a pixel divided by its height; the container overrides the codec."""
        stated = self._stream.sample_aspect_ratio, self._stream.codec_context.sample_aspect_ratio
        aspect = next((one for one in stated if one), Fraction(1))
        return Fraction(1) if abs(aspect - 1) <= _NEARLY_SQUARE else Fraction(aspect)


_STREAM = r"^  Stream #\d+:(\d+).*$"
_CROPPING = re.compile(r"^      Frame Cropping: (\d{1,5})/(\d{1,5})/(\d{1,5})/(\d{1,5})$", re.MULTILINE)


_DOLBY_VISION = re.compile(
    r"^      DOVI configuration record: .*\bprofile: (\d+),.*\bcompatibility id: (\d+)", re.MULTILINE
)


def _container_cropping(described: str) -> tuple[int, int, int, int]:
    """Return how many columns and rows the container crops: left, right, top, bottom."""
    found = _CROPPING.search(described)
    if found is None:
        return 0, 0, 0, 0
    left, right, top, bottom = map(int, found.groups())
    return left, right, top, bottom


def _dolby_vision(described: str) -> int | None:
    """Return the Dolby Vision profile of a stream that is compatible with nothing else."""
    found = _DOLBY_VISION.search(described)
    return int(found[1]) if found is not None and found[2] == "0" else None


def description(media: InputContainer, index: int) -> str:
    """Return ffmpeg's own description of one stream, with its side data.

    PyAV gives no access to a stream's side data.
    """
    import av  # noqa: PLC0415 - takes 0.2 s, needed only in the child

    before = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)  # the description is written to the log
    try:
        text = str(media.dumps_format())  # type: ignore[attr-defined]  # PyAV's stubs lack it
    finally:
        av.logging.set_level(before)
    pieces = re.split(_STREAM, text, flags=re.MULTILINE)
    by_index = {int(number): body for number, body in zip(pieces[1::2], pieces[2::2], strict=True)}
    return by_index.get(index, "")


def parameter_sets(codec: str, extradata: bytes, packet: bytes) -> Iterator[bytes]:
    """Yield the parts of a key frame's packet that state size and colour. Empty for unsupported codecs."""
    if codec in ("h264", "hevc"):
        yield from _of_nal_units(codec, extradata, packet)
    elif codec == "av1":
        yield from _of_obus(packet)
    elif codec == "vp9" and packet[1:4] == b"\x49\x83\x42":
        yield packet[4:8] + bytes([packet[8] & 0xF0 if len(packet) > 8 else 0])  # noqa: PLR2004
    elif codec == "vp8" and packet[3:6] == b"\x9d\x01\x2a":
        yield packet[6:10]
    elif codec in ("mpeg1video", "mpeg2video"):
        place = packet.find(b"\0\0\1\xb3", 0, _HEADERS)
        if place >= 0:
            yield packet[place + 4 : place + 8]


_HEADERS = 1 << 16
"""Bytes of a packet that are searched for its parameter sets."""
_SPS = {"h264": 7, "hevc": 33}
_SLICES = {"h264": range(1, 6), "hevc": range(32)}


def _of_nal_units(codec: str, extradata: bytes, packet: bytes) -> Iterator[bytes]:
    length_size = 0
    if extradata[:1] == b"\x01":
        place = 4 if codec == "h264" else 21
        length_size = (extradata[place] & 3) + 1 if len(extradata) > place else 4
    for unit in _with_lengths(packet, length_size) if length_size else _with_start_codes(packet):
        kind = unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63
        if kind in _SLICES[codec]:
            return
        if kind == _SPS[codec]:
            yield unit


def _with_lengths(packet: bytes, size: int) -> Iterator[bytes]:
    place = 0
    while place + size < min(len(packet), _HEADERS):
        length = int.from_bytes(packet[place : place + size])
        unit = packet[place + size : place + size + length]
        if not unit:
            return
        yield unit
        place += size + length


def _with_start_codes(packet: bytes) -> Iterator[bytes]:
    place = packet.find(b"\0\0\1", 0, _HEADERS)
    while place >= 0:
        behind = packet.find(b"\0\0\1", place + 3, _HEADERS)
        unit = packet[place + 3 : behind if behind >= 0 else place + 4]
        if not unit:
            return
        yield unit.rstrip(b"\0")
        place = behind


_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6


def _of_obus(packet: bytes) -> Iterator[bytes]:
    place = 0
    while place < min(len(packet), _HEADERS):
        header = packet[place]
        kind, place = header >> 3 & 15, place + (2 if header & 4 else 1)
        if kind in (_FRAME_HEADER, _FRAME) or not header & 2:
            return
        length = shift = 0
        while place < len(packet):
            byte = packet[place]
            length, shift, place = length | (byte & 127) << shift, shift + 7, place + 1
            if byte < 128 or shift > 56:  # noqa: PLR2004 - LEB128
                break
        if kind == _SEQUENCE_HEADER:
            yield packet[place : place + length]
        place += length
