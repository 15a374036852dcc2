"""Tiny MP4 files of any width, height, length and rate, which demuxers and decoders accept.

The video stream is plain grey H.264: one IDR frame without residual, then P frames in which every macroblock
is skipped, a dozen bytes each. An hour of it is written in milliseconds. A ``free`` box behind ``ftyp``
contains a description of the file, so that it can be read back without a parser.

The layouts are those of ITU-T H.264 (7.3.2, 7.3.3) and ISO/IEC 14496-12 and -15.
"""

from __future__ import annotations

import json
import struct

TYPE_CHECKING = False  # importing typing takes longer than the rest of this file
if TYPE_CHECKING:
    from typing import BinaryIO

_MACROBLOCK = 16
_FRAME_NUMBERS = 16
"""frame_num has 4 bits, so the bytes of the P frames repeat with this period."""
_LEAST_TIMESCALE = 10_000
"""As in ffmpeg's muxer: a smaller time scale is doubled until it reaches this."""
_UNITY = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
"""The identity matrix."""
_LEVEL_40_MACROBLOCKS = 8192


class _Bits:
    """A string of bits, as H.264 writes them."""

    def __init__(self) -> None:
        self._value, self._length = 0, 0

    def u(self, length: int, *values: int) -> _Bits:
        """Write unsigned numbers of a fixed length."""
        for value in values:
            self._value = self._value << length | value
        self._length += length * len(values)
        return self

    def ue(self, *values: int) -> _Bits:
        """Write unsigned numbers in Exp-Golomb code."""
        for value in values:
            self.u(2 * (value + 1).bit_length() - 1, value + 1)
        return self

    def nal(self, header: int) -> bytes:
        """Return the NAL unit with these bits as its payload."""
        rest = -(self._length + 1) % 8
        payload = ((self._value << 1 | 1) << rest).to_bytes((self._length + 1 + rest) // 8, "big")
        return bytes([header]) + _without_start_codes(payload)


def _without_start_codes(payload: bytes) -> bytes:
    """Insert a 3 between two zeros and a byte up to 3, which would otherwise look like a start code."""
    if b"\0\0" not in payload:
        return payload
    written = bytearray()
    for byte in payload:
        if byte <= 3 and written.endswith(b"\0\0"):
            written.append(3)
        written.append(byte)
    return bytes(written)


def _macroblocks(side: int) -> int:
    return -(-side // _MACROBLOCK)


def _parameter_sets(width: int, height: int) -> tuple[bytes, bytes]:
    """Return the SPS and the PPS: constrained baseline, one reference frame, output in coded order."""
    across, down = _macroblocks(width), _macroblocks(height)
    level = 40 if across * down <= _LEVEL_40_MACROBLOCKS else 62
    sps = _Bits().u(8, 66, 0b11000000, level).ue(0, 0, 2, 1).u(1, 0)
    sps.ue(across - 1, down - 1).u(1, 1, 1)
    # A frame consists of complete macroblocks; the excess is cropped in units of two pixels.
    sps.u(1, 1).ue(0, (_MACROBLOCK * across - width) // 2, 0, (_MACROBLOCK * down - height) // 2)
    sps.u(1, 0)
    pps = _Bits().ue(0, 0).u(1, 0, 0).ue(0, 0, 0).u(1, 0).u(2, 0).ue(0, 0, 0).u(1, 0, 0, 0)
    return sps.nal(0x67), pps.nal(0x68)


def _idr(macroblocks: int) -> bytes:
    """Return a frame of macroblocks that are predicted (DC, 16 x 16) and have no residual."""
    slice_ = _Bits().ue(0, 7, 0).u(4, 0).ue(0).u(1, 0, 0).ue(0)
    # mb_type 3, intra_chroma_pred_mode 0, mb_qp_delta 0, coeff_token "none": one byte in all.
    return slice_.u(8 * macroblocks, int.from_bytes(bytes([0b00100_1_1_1]) * macroblocks, "big")).nal(0x65)


def _skipped(number: int, macroblocks: int) -> bytes:
    """Return a frame that repeats the previous one."""
    return _Bits().ue(0, 5, 0).u(4, number).u(1, 0, 0, 0).ue(0).ue(macroblocks).nal(0x41)


def _samples(width: int, height: int, frames: int) -> tuple[bytes, bytes]:
    """Return the bytes of all frames, and the table of their sizes."""
    macroblocks = _macroblocks(width) * _macroblocks(height)
    units = [_skipped((1 + n) % _FRAME_NUMBERS, macroblocks) for n in range(_FRAME_NUMBERS)]
    period = [struct.pack(">I", len(unit)) + unit for unit in units]
    sizes = b"".join(struct.pack(">I", len(sample)) for sample in period)
    unit = _idr(macroblocks)
    first = struct.pack(">I", len(unit)) + unit
    whole, rest = divmod(frames - 1, _FRAME_NUMBERS)
    return (
        first + b"".join(period) * whole + b"".join(period[:rest]),
        struct.pack(">I", len(first)) + sizes * whole + sizes[: 4 * rest],
    )


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, flags: int, *parts: bytes) -> bytes:
    """Return a box with a version (0) and flags."""
    return _box(kind, struct.pack(">I", flags), *parts)


def _moov(sides: tuple[int, int], frames: int, rate: tuple[int, int], sizes: bytes, offset: int) -> bytes:
    (width, height), (scale, ticks) = sides, rate
    while scale < _LEAST_TIMESCALE:
        scale, ticks = 2 * scale, 2 * ticks
    thousandths = -(-1000 * frames * ticks // scale)
    sps, pps = _parameter_sets(width, height)
    configuration = b"".join((
        struct.pack(">B3sBB", 1, sps[1:4], 0xFF, 0xE1), struct.pack(">H", len(sps)), sps,
        struct.pack(">BH", 1, len(pps)), pps,
    ))  # fmt: skip
    entry = _box(
        b"avc1",
        struct.pack(">6xH16xHHIIIH32xHh", 1, width, height, 72 << 16, 72 << 16, 0, 1, 24, -1),
        _box(b"avcC", configuration),
    )
    table = _box(
        b"stbl",
        _full(b"stsd", 0, struct.pack(">I", 1), entry),
        _full(b"stts", 0, struct.pack(">3I", 1, frames, ticks)),
        _full(b"stss", 0, struct.pack(">2I", 1, 1)),
        _full(b"stsc", 0, struct.pack(">4I", 1, 1, frames, 1)),
        _full(b"stsz", 0, struct.pack(">2I", 0, frames), sizes),
        _full(b"stco", 0, struct.pack(">2I", 1, offset)),
    )
    media = _box(
        b"mdia",
        _full(b"mdhd", 0, struct.pack(">4I2H", 0, 0, scale, frames * ticks, 0x55C4, 0)),
        _full(b"hdlr", 0, struct.pack(">I4s12x", 0, b"vide"), b"VideoHandler\0"),
        _box(
            b"minf",
            _full(b"vmhd", 1, bytes(8)),
            _box(b"dinf", _full(b"dref", 0, struct.pack(">I", 1), _full(b"url ", 1))),
            table,
        ),
    )
    track = _full(
        b"tkhd", 3,
        struct.pack(">5I8x4H", 0, 0, 1, 0, thousandths, 0, 0, 0, 0), _UNITY,
        struct.pack(">II", width << 16, height << 16),
    )  # fmt: skip
    movie = struct.pack(">4IIH10x", 0, 0, 1000, thousandths, 1 << 16, 1 << 8)
    return _box(
        b"moov",
        _full(b"mvhd", 0, movie, _UNITY, bytes(24), struct.pack(">I", 2)),
        _box(b"trak", track, media),
    )


def write(  # noqa: PLR0913 - each is one property of the file
    target: BinaryIO, *, width: int, height: int, frames: int, rate: tuple[int, int], size: int | None = None
) -> None:
    """Write a complete file of at least one frame, with even sides and `rate` as frames per second.

    With `size` it has exactly this many bytes; the excess is a hole that takes no space on the disk. Raises
    `ValueError` where `size` is too small or a side is odd.
    """
    if width % 2 or height % 2 or frames < 1:
        raise ValueError(f"{frames} frames of {width} x {height} cannot be written")
    samples, sizes = _samples(width, height, frames)
    note = json.dumps({"width": width, "height": height, "frames": frames, "rate": rate}).encode()
    head = _box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomavc1mp41") + _box(b"free", note)
    length = len(_moov((width, height), frames, rate, sizes, 0))
    moov = _moov((width, height), frames, rate, sizes, len(head) + length + 8)
    written = head + moov + _box(b"mdat", samples)
    if size is not None and size != len(written):
        if size < len(written) + 8:
            raise ValueError(f"{frames} frames of {width} x {height} do not fit into {size} bytes")
        written += struct.pack(">I4s", size - len(written), b"free")
    target.write(written)
    if size is not None:
        target.truncate(size)


def note(source: BinaryIO) -> tuple[int, int, int, tuple[int, int]]:
    """Return width, height, frames and rate of a file that `write` wrote.

    Raises `ValueError` for any other file.
    """
    head = source.read(256)
    if len(head) < 36 or head[32:36] != b"free":
        raise ValueError("this is none of ours")
    facts = json.loads(head[36 : 28 + struct.unpack_from(">I", head, 28)[0]])
    return facts["width"], facts["height"], facts["frames"], (facts["rate"][0], facts["rate"][1])
