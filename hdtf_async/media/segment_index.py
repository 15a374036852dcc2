"""The index of a media file that is served in segments, as YouTube does: ``sidx`` in MP4, Cues in WebM. Pure.

The index stands at the beginning of the file. It lists where each segment begins in the file and in time, so
that a client can request only some segments by their byte ranges. `SegmentIndex.header_of` returns a header
for such a part: with the part's bytes after it, it is a complete file of the same container, with the same
timestamps, and with an index of its own, so that ffmpeg seeks in it exactly as in the whole file.

The bytes are untrusted: only a fixed set of elements is read, no length is believed beyond the bytes that are
there, and everything unusual is refused (`UnusableIndexError`), because the whole file can be used instead.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LARGEST_INDEX = 8 << 20
"""Maximum number of bytes up to the end of an index. A segment takes 12 bytes in MP4, about 20 in WebM."""
MAX_SEGMENTS = 200_000
"""Maximum number of segments: 11 days of 5 seconds each."""
_LARGEST_FILE = 1 << 42
_MAX_TIMESCALE = 10_000_000
_MOST_ELEMENTS = 10_000
"""Maximum number of elements on the first level of a segment."""
_BEGINS = frozenset({b"moof", b"styp", b"emsg", b"prft"})
"""Types of the box with which a segment of an MP4 can begin."""
_CLOSED = (1, 2)
"""Types of a segment's start (SAP) after which no frame depends on earlier segments."""


class UnusableIndexError(Exception):
    """A file has no index that can be used; the message says why."""


class MoreBytesNeededError(Exception):
    """The given beginning of a file ends before its index does."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the first {size} bytes are needed")
        self.size = size
        """How many bytes are needed at least, from the beginning of the file."""


@dataclass(frozen=True, slots=True)
class SegmentIndex:
    """Where the segments of a file begin. Times are in ticks of `tick` seconds."""

    container: str
    """``mp4`` or ``webm``."""
    tick: Fraction
    """Seconds per tick."""
    offsets: tuple[int, ...]
    """Position of the first byte of each segment, and after them the size of the file."""
    times: tuple[int, ...]
    """Earliest presentation time of each segment, and after them the end of the last one; that is -1 if the
    container does not state it."""
    head: tuple[bytes, ...]
    """Parts of the file's header that also belong to each part of the file."""
    track: int = 0
    """Id of the track that the index is about."""

    @property
    def size(self) -> int:
        """Size of the whole file in bytes."""
        return self.offsets[-1]

    @property
    def count(self) -> int:
        """Number of segments."""
        return len(self.offsets) - 1

    def seconds(self, place: int) -> float:
        """Return when a segment starts, in seconds."""
        return float(self.times[place] * self.tick)

    def at(self, second: float) -> int:
        """Return the segment that is on screen at this time: the last one that does not start later."""
        starts = self.times[: self.count]
        return max(0, bisect_right(starts, Fraction(second) / self.tick) - 1)

    def bytes_of(self, first: int, behind: int) -> int:
        """Return the size of the segments from `first` up to, but without, `behind`."""
        return self.offsets[behind] - self.offsets[first]

    def header_of(self, first: int, behind: int) -> bytes:
        """Return the header of a file that consists of these segments."""
        return (_mp4_header if self.container == "mp4" else _webm_header)(self, first, behind)


def read_index(beginning: bytes, container: str, size: int) -> SegmentIndex:
    """Read the index from the beginning of a file of `size` bytes.

    Raises `MoreBytesNeededError` if the beginning is too short, `UnusableIndexError` if there is no index, it
    contradicts itself or the size of the file, or a segment depends on earlier ones.
    """
    readers = {"mp4": _read_mp4, "webm": _read_webm}
    if container not in readers:
        raise UnusableIndexError(f"a .{container} file has no supported index")
    if not 0 < size <= _LARGEST_FILE:
        raise UnusableIndexError("the size of the file is unknown")
    try:
        found = readers[container](beginning, size)
    except MoreBytesNeededError as more:
        if len(beginning) >= size or more.size > LARGEST_INDEX:
            raise UnusableIndexError("the file ends before its index") from None
        raise
    if not 1 <= found.count <= MAX_SEGMENTS:
        raise UnusableIndexError(f"{found.count} segments")
    if any(a >= b for a, b in pairwise(found.offsets)) or found.size != size:
        raise UnusableIndexError(f"the index describes {found.offsets[-1]} of {size} bytes")
    times = found.times if found.times[-1] >= 0 else found.times[:-1]
    if any(a >= b for a, b in pairwise(times)):
        raise UnusableIndexError("the times in the index do not increase")
    return found


def is_segment(container: str, read: Callable[[int, int], bytes], size: int) -> bool:
    """Whether `size` bytes are whole elements of a segment, as they are where the index says one begins.

    `read` returns a number of bytes from a position. Only lengths are looked at: nothing is decoded.
    """
    step = _webm_step if container == "webm" else _mp4_step
    place, kinds = 0, set[object]()
    for _ in range(_MOST_ELEMENTS):
        try:
            kind, length = step(read(place, 16), first=place == 0)
        except (UnusableIndexError, MoreBytesNeededError, struct.error):
            return False
        kinds.add(kind)
        place = size if length < 0 else place + length
        if place >= size:
            return place == size and kinds >= ({_CLUSTER} if container == "webm" else {b"moof", b"mdat"})
    return False


def _mp4_step(header: bytes, *, first: bool) -> tuple[object, int]:
    """Return type and length of the box that begins here."""
    length, kind = struct.unpack_from(">I4s", header)
    if length == 1:
        (length,) = struct.unpack_from(">Q", header, 8)
    if length < 8 or (first and kind not in _BEGINS):  # noqa: PLR2004 - size and type
        raise UnusableIndexError("no segment begins here")
    return kind, length


def _webm_step(header: bytes, *, first: bool) -> tuple[object, int]:
    """Return id and length of the element that begins here; the length is -1 if unknown."""
    kind, place, length = _element(header, 0)
    if kind not in (_CLUSTER, _CUES, _TAGS, _VOID, _CRC) or (first and kind != _CLUSTER):
        raise UnusableIndexError("no segment begins here")
    return kind, -1 if length < 0 else place + length


def _require(beginning: bytes, behind: int, size: int) -> None:
    """Raise unless the beginning of a file reaches up to a position."""
    if behind > size:
        raise UnusableIndexError("an element is longer than the file")
    if behind > LARGEST_INDEX:
        raise UnusableIndexError(f"no index in the first {LARGEST_INDEX} bytes")
    if behind > len(beginning):
        raise MoreBytesNeededError(behind)


# MP4 (ISO/IEC 14496-12)


def _boxes(data: bytes, place: int, behind: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, first byte of content and end of each box inside another one."""
    while place < behind:
        if behind - place < 8:  # noqa: PLR2004 - size and type
            raise UnusableIndexError("a box is cut off")
        length, kind = struct.unpack_from(">I4s", data, place)
        if length < 8 or length > behind - place:  # noqa: PLR2004
            raise UnusableIndexError("a box is longer than the one around it")
        yield kind, place + 8, place + length
        place += length


def _read_mp4(beginning: bytes, size: int) -> SegmentIndex:
    place, tracks = 0, 0
    while True:
        _require(beginning, place + 8, size)
        length, kind = struct.unpack_from(">I4s", beginning, place)
        if place == 0 and kind != b"ftyp":
            raise UnusableIndexError("the file does not begin like an MP4")
        if kind in (b"moof", b"mdat") or length < 8:  # noqa: PLR2004
            raise UnusableIndexError("the file has no index (sidx) before its first frame")
        _require(beginning, place + length, size)
        if kind == b"moov":
            tracks = _fragmented_tracks(beginning, place + 8, place + length)
        elif kind == b"sidx":
            break
        elif kind not in (b"ftyp", b"styp", b"free", b"skip"):
            raise UnusableIndexError("an unexpected box before the index")
        place += length
    if tracks != 1:
        raise UnusableIndexError(f"the file has {tracks} tracks in fragments instead of one")
    return _sidx(beginning, place, place + length)


def _fragmented_tracks(data: bytes, place: int, behind: int) -> int:
    """Return the number of tracks in a ``moov``; 0 if it is not the header of a fragmented file."""
    kinds = [kind for kind, _, _ in _boxes(data, place, behind)]
    return kinds.count(b"trak") if b"mvex" in kinds else 0


def _sidx(data: bytes, place: int, behind: int) -> SegmentIndex:
    try:
        version, track, scale = struct.unpack_from(">B3xII", data, place + 8)
        times = ">IIHH" if version == 0 else ">QQHH"
        time, gap, _, count = struct.unpack_from(times, data, place + 20)
    except struct.error:
        raise UnusableIndexError("the index is cut off") from None
    table = place + 20 + struct.calcsize(times)
    if version > 1 or table + 12 * count != behind or not 0 < scale <= _MAX_TIMESCALE:
        raise UnusableIndexError("the index has an unknown format")
    if gap or not count:
        raise UnusableIndexError("the segments do not follow the index")
    offsets, starts = [behind], [time]
    for size, duration, sap in struct.iter_unpack(">III", data[table:behind]):
        if size >> 31:
            raise UnusableIndexError("the index refers to other indexes")
        if not sap >> 31 or sap >> 28 & 7 not in (0, *_CLOSED) or sap & 0xFFFFFFF:
            raise UnusableIndexError("a segment does not start with a key frame of its own (an open GOP)")
        offsets.append(offsets[-1] + size)
        starts.append(starts[-1] + duration)
    return SegmentIndex(
        "mp4", Fraction(1, scale), tuple(offsets), tuple(starts), (data[:place],), track=track
    )


def _mp4_header(index: SegmentIndex, first: int, behind: int) -> bytes:
    sizes = [b - a for a, b in pairwise(index.offsets[first : behind + 1])]
    durations = [b - a for a, b in pairwise(index.times[first : behind + 1])]
    table = b"".join(
        struct.pack(">III", size, duration, 0x90000000)
        for size, duration in zip(sizes, durations, strict=True)
    )
    content = struct.pack(
        ">B3xIIQQHH", 1, index.track, index.tick.denominator, index.times[first], 0, 0, len(sizes)
    )
    box = struct.pack(">I4s", 8 + len(content) + len(table), b"sidx") + content + table
    return b"".join((*index.head, box))


# WebM (Matroska, RFC 9559)

_EBML, _SEGMENT, _INFO, _TRACKS, _CUES = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1C53BB6B
_CLUSTER, _SEEK_HEAD, _TAGS, _VOID, _CRC = 0x1F43B675, 0x114D9B74, 0x1254C367, 0xEC, 0xBF
_SCALE, _TRACK = 0x2AD7B1, 0xAE
_POINT, _TIME, _POSITIONS, _OF_TRACK, _OF_CLUSTER = 0xBB, 0xB3, 0xB7, 0xF7, 0xF1
_DOC_TYPE = b"\x42\x82\x84webm"
_NANOSECONDS = 1_000_000_000


def _number(data: bytes, place: int, *, keep_marker: bool) -> tuple[int, int]:
    """Return a number of variable length, and where it ends; -1 for the reserved "unknown" length."""
    if place >= len(data):
        raise MoreBytesNeededError(place + 12)
    length = 9 - data[place].bit_length()
    if length > (4 if keep_marker else 8):
        raise UnusableIndexError("an element has an invalid id or length")
    if place + length > len(data):
        raise MoreBytesNeededError(place + 12)
    value = int.from_bytes(data[place : place + length], "big")
    if not keep_marker:
        value &= (1 << 7 * length) - 1
        if value == (1 << 7 * length) - 1:
            value = -1
    return value, place + length


def _element(data: bytes, place: int) -> tuple[int, int, int]:
    """Return id, first byte of content, and length of content of the element at a position."""
    kind, place = _number(data, place, keep_marker=True)
    length, place = _number(data, place, keep_marker=False)
    return kind, place, length


def _children(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield id and content of each element inside another one, whose whole content is given."""
    place = 0
    while place < len(data):
        try:
            kind, place, length = _element(data, place)
        except MoreBytesNeededError:
            raise UnusableIndexError("an element is cut off") from None
        if length < 0 or length > len(data) - place:
            raise UnusableIndexError("an element is longer than the one around it")
        yield kind, data[place : place + length]
        place += length


def _read_webm(beginning: bytes, size: int) -> SegmentIndex:
    preface, origin = _begin_webm(beginning, size)
    head, cues, place = _header_and_cues(beginning, origin, size)
    tracks = [of for of, _ in _children(_content(head[_TRACKS]))].count(_TRACK)
    if tracks != 1:
        raise UnusableIndexError(f"the file has {tracks} tracks instead of one")
    scale = next((_unsigned(value) for of, value in _children(_content(head[_INFO])) if of == _SCALE), 10**6)
    if not 0 < scale <= _NANOSECONDS:
        raise UnusableIndexError("the index has an unknown unit of time")
    times, positions, track = _cues(cues)
    while (gap := _element(beginning, place))[0] == _VOID and gap[2] >= 0:
        place = gap[1] + gap[2]
        _require(beginning, place + 12, size)
    if origin + positions[0] != place or gap[0] != _CLUSTER:
        raise UnusableIndexError("the first segment does not follow the index")
    return SegmentIndex(
        "webm",
        Fraction(scale, _NANOSECONDS),
        (*(origin + position for position in positions), size),
        (*times, -1),
        (preface, head[_INFO], head[_TRACKS]),
        track=track,
    )


def _begin_webm(beginning: bytes, size: int) -> tuple[bytes, int]:
    """Return the EBML header, and where the content of the Matroska segment begins."""
    kind, place, length = _element(beginning, 0)
    if kind != _EBML or length < 0:
        raise UnusableIndexError("the file does not begin like a WebM")
    _require(beginning, place + length, size)
    if _DOC_TYPE not in beginning[place : place + length]:
        raise UnusableIndexError("the file is not a WebM")
    behind = place + length
    kind, origin, length = _element(beginning, behind)
    if kind != _SEGMENT or length not in (-1, size - origin):
        raise UnusableIndexError("the file is not one Matroska segment")
    return beginning[:behind], origin


def _header_and_cues(beginning: bytes, place: int, size: int) -> tuple[dict[int, bytes], bytes, int]:
    """Return the elements that each part needs, the content of the Cues, and where they end."""
    found: dict[int, bytes] = {}
    while True:
        begin = place
        kind, content, length = _element(beginning, place)
        if kind == _CLUSTER:
            raise UnusableIndexError("the file has no index (Cues) before its first frame")
        if kind not in (_SEEK_HEAD, _INFO, _TRACKS, _CUES, _TAGS, _VOID, _CRC) or length < 0:
            raise UnusableIndexError("an unexpected element before the index")
        place = content + length
        _require(beginning, place, size)
        if kind == _CUES:
            break
        if kind in (_INFO, _TRACKS):
            if kind in found:
                raise UnusableIndexError("the header has an element twice")
            found[kind] = beginning[begin:place]
    if len(found) != len((_INFO, _TRACKS)):
        raise UnusableIndexError("the header of the file is incomplete")
    return found, beginning[content:place], place


def _content(element: bytes) -> bytes:
    """Return the content of a whole element."""
    _, place, _ = _element(element, 0)
    return element[place:]


def _unsigned(value: bytes) -> int:
    if not 0 < len(value) <= 8:  # noqa: PLR2004 - the longest integer of Matroska
        raise UnusableIndexError("the index has an invalid number")
    return int.from_bytes(value, "big")


def _cues(data: bytes) -> tuple[list[int], list[int], int]:
    """Return the times of all points, the positions of their clusters, and the number of the track."""
    times: list[int] = []
    positions: list[int] = []
    tracks: set[int] = set()
    for kind, point in _children(data):
        if kind in (_VOID, _CRC):
            continue
        if kind != _POINT or len(times) >= MAX_SEGMENTS:
            raise UnusableIndexError("the index has an unknown format")
        fields = dict(_children(point))
        places = dict(_children(fields.get(_POSITIONS, b"")))
        times.append(_unsigned(fields.get(_TIME, b"")))
        positions.append(_unsigned(places.get(_OF_CLUSTER, b"")))
        tracks.add(_unsigned(places.get(_OF_TRACK, b"")))
    if len(tracks) != 1:
        raise UnusableIndexError("the index is empty, or about several tracks")
    return times, positions, tracks.pop()


def _webm_header(index: SegmentIndex, first: int, behind: int) -> bytes:
    preface, info, tracks = index.head
    long = struct.Struct(">Q")

    def packed(kind: int, content: bytes) -> bytes:
        length = long.pack(1 << 56 | len(content))
        return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + length + content

    def cues(origin: int) -> bytes:
        points: Sequence[bytes] = [
            packed(_TIME, long.pack(index.times[place]))
            + packed(
                _POSITIONS,
                packed(_OF_TRACK, long.pack(index.track))
                + packed(_OF_CLUSTER, long.pack(origin + index.offsets[place] - index.offsets[first])),
            )
            for place in range(first, behind)
        ]
        return packed(_CUES, b"".join(packed(_POINT, point) for point in points))

    # All numbers have a fixed length, so that the size does not depend on the positions.
    before = info + tracks + cues(len(info) + len(tracks) + len(cues(0)))
    length = long.pack(1 << 56 | len(before) + index.bytes_of(first, behind))
    return preface + _SEGMENT.to_bytes(4, "big") + length + before
