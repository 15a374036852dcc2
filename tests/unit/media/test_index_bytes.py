"""Indexes written byte by byte: which elements and numbers are read, and which limits apply.

Indexes of rendered files, and the parts that are made with them, are tested in `test_segment_index`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import pytest
import served

from hdtf_async.media import segment_index
from hdtf_async.media.segment_index import (
    LARGEST_INDEX,
    MAX_SEGMENTS,
    MoreBytesNeededError,
    SegmentIndex,
    UnusableIndexError,
    read_index,
)

KEY = 0x90000000
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
SEEK_HEAD, INFO, TRACKS, CUES = (
    b"\x11\x4d\x9b\x74",
    b"\x15\x49\xa9\x66",
    b"\x16\x54\xae\x6b",
    b"\x1c\x53\xbb\x6b",
)
CLUSTER, TAGS, VOID, CRC = b"\x1f\x43\xb6\x75", b"\x12\x54\xc3\x67", b"\xec", b"\xbf"
SCALE, TRACK = b"\x2a\xd7\xb1", b"\xae"
POINT, TIME, POSITIONS, OF_TRACK, OF_CLUSTER = b"\xbb", b"\xb3", b"\xb7", b"\xf7", b"\xf1"
TYPE = b"\x42\x82\x84webm"
"""The ids of RFC 9559."""


def element(kind: bytes, content: bytes = b"", *, length: int | None = None, width: int = 8) -> bytes:
    """Return an element; its length may be another one, and have another number of bytes."""
    number = len(content) if length is None else length
    return kind + ((1 << 7 * width) | number).to_bytes(width, "big") + content


def unsigned(kind: bytes, value: int, width: int = 8) -> bytes:
    """Return an element that contains a number."""
    return element(kind, value.to_bytes(width, "big"), width=1)


@dataclass
class WebM:
    """A file of empty clusters."""

    times: tuple[int, ...] = (0, 5000, 10_000)
    kind: bytes = TYPE
    header: tuple[bytes, ...] = (
        element(SEEK_HEAD), element(CRC, b"1234", width=1), element(INFO, unsigned(SCALE, 1_000_000, 4)),
        element(TRACKS, element(TRACK, b"x", width=1)), element(TAGS, b"..."),
        element(VOID, bytes(9), width=2),
    )  # fmt: skip
    before_points: bytes = element(CRC, b"1234", width=1) + element(VOID, b"", width=1)
    track: tuple[int, ...] = (3, 3, 3)
    gap: bytes = b""
    """Between the Cues and the first cluster."""
    cluster: bytes = element(CLUSTER, bytes(20))
    shift: int = 0
    """Added to the positions."""
    segment_length: int | None = None

    def cues(self, origin: int) -> bytes:
        """Return the Cues, if the first cluster is at this position."""
        points = b"".join(
            element(
                POINT,
                unsigned(TIME, time, 4)
                + element(
                    POSITIONS,
                    unsigned(OF_TRACK, track, 1)
                    + unsigned(OF_CLUSTER, origin + number * len(self.cluster) + self.shift),
                ),
            )
            for number, (time, track) in enumerate(zip(self.times, self.track, strict=True))
        )
        return element(CUES, self.before_points + points)

    def content(self) -> bytes:
        """Return the bytes of the file."""
        before = b"".join(self.header)
        cues = self.cues(len(before) + len(self.cues(0)) + len(self.gap))
        inside = before + cues + self.gap + self.cluster * len(self.times)
        return element(EBML, self.kind) + element(SEGMENT, inside, length=self.segment_length)


def read(file: WebM) -> SegmentIndex:
    """Read the index of a whole file."""
    content = file.content()
    return read_index(content, "webm", len(content))


def test_a_webm_index_has_times_positions_and_the_header() -> None:
    """Also after elements that are not needed, and with a gap behind it."""
    for gap in (b"", element(VOID, bytes(5)), element(VOID, b"", width=1) * 2):
        file = WebM(gap=gap)
        content = file.content()
        index = read_index(content, "webm", len(content))
        first = len(content) - 3 * len(file.cluster)
        step = len(file.cluster)
        assert index == SegmentIndex(
            "webm", Fraction(1, 1000), (first, first + step, first + 2 * step, len(content)),
            (0, 5000, 10_000, -1), (element(EBML, TYPE), file.header[2], file.header[3]), 3,
        )  # fmt: skip
        assert (index.count, index.size, index.seconds(1)) == (3, len(content), 5.0)
        assert index.bytes_of(1, 3) == 2 * step
        assert [index.at(second) for second in (-1, 0, 4.999, 5, 9.999, 10, 99)] == [0, 0, 0, 1, 1, 2, 2]


def test_a_webm_without_a_unit_counts_milliseconds() -> None:
    """As the format says; the unit is at most a second."""
    header = list(WebM.header)
    for info, tick in (
        (b"", Fraction(1, 1000)),
        (unsigned(SCALE, 1), Fraction(1, 10**9)),
        (unsigned(SCALE, 10**9), Fraction(1)),
        (unsigned(SCALE, 1, width=1), Fraction(1, 10**9)),
    ):
        header[2] = element(INFO, info)
        assert read(WebM(header=tuple(header))).tick == tick
    for value in (0, 10**9 + 1):
        header[2] = element(INFO, unsigned(SCALE, value))
        with pytest.raises(UnusableIndexError, match="unknown unit of time"):
            read(WebM(header=tuple(header)))


@pytest.mark.parametrize("width", range(1, 9))
def test_lengths_have_one_to_eight_bytes(width: int) -> None:
    """The shortest is not required."""
    header = list(WebM.header)
    header[4] = element(TAGS, b"." * 100, width=width)
    assert read(WebM(header=tuple(header))).count == 3


@pytest.mark.parametrize("size", [1, 8, 0, 9])
def test_a_number_has_one_to_eight_bytes(size: int) -> None:
    """None and nine are no number."""
    header = list(WebM.header)
    header[2] = element(INFO, element(SCALE, b"\x01".rjust(size, b"\x00") if size else b"", width=1))
    file = WebM(header=tuple(header))
    if size in {1, 8}:
        assert read(file).tick == Fraction(1, 10**9)
    else:
        with pytest.raises(UnusableIndexError, match="invalid number"):
            read(file)


UNUSUAL: dict[str, tuple[dict[str, Any], str]] = {
    "another type": ({"kind": b"\x42\x82\x84wexm"}, "not a WebM"),
    "no points": ({"times": (), "track": ()}, "empty, or about several tracks"),
    "several tracks": ({"track": (3, 4, 3)}, "empty, or about several tracks"),
    "times that do not increase": ({"times": (0, 5, 5)}, "do not increase"),
    "positions behind the file": ({"shift": 1}, "does not follow the index"),
    "positions before the cluster": ({"gap": element(VOID), "shift": 1}, "does not follow the index"),
    "no cluster": ({"cluster": element(TAGS, b"...........")}, "does not follow the index"),
    "an open gap": ({"gap": element(VOID, b"", length=127, width=1)}, "does not follow the index"),
    "another element among the points": ({"before_points": element(TAGS)}, "unknown format"),
    "a longer segment": ({"segment_length": 10_000}, "not one Matroska segment"),
    "two tracks": ({"header": (*WebM.header[:3], element(TRACKS, element(TRACK) * 2))}, "2 tracks"),
    "no tracks": ({"header": (*WebM.header[:3], element(TRACKS))}, "0 tracks"),
    "no information": ({"header": WebM.header[3:]}, "incomplete"),
    "no list of tracks": ({"header": WebM.header[:3]}, "incomplete"),
    "information twice": ({"header": (*WebM.header, WebM.header[2])}, "twice"),
    "an unknown element": ({"header": (element(b"\x42\x86"), *WebM.header)}, "unexpected element"),
    "a cluster first": ({"header": (element(CLUSTER), *WebM.header)}, "before its first frame"),
    "an element without an end": (
        {"header": (element(TAGS, b"", length=127, width=1), *WebM.header)}, "unexpected element",
    ),
    "a longer element": (
        {"header": (element(TAGS, b"", length=1 << 30), *WebM.header)}, "longer than the file",
    ),
    "a longer element inside": (
        {"header": (*WebM.header[:3], element(TRACKS, element(TRACK, b"", length=5, width=1)))},
        "longer than the one around it",
    ),
    "half an element inside": ({"header": (*WebM.header[:3], element(TRACKS, b"\x42"))}, "cut off"),
    "an id of five bytes": (
        {"header": (b"\x08" + bytes(4) + b"\x80", *WebM.header)}, "invalid id or length",
    ),
    "a length of nine bytes": ({"header": (TAGS + bytes(9), *WebM.header)}, "invalid id or length"),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "why"), UNUSUAL.values(), ids=UNUSUAL.keys())
def test_an_unusual_element_is_refused_with_its_cause(changed: dict[str, Any], why: str) -> None:
    """The whole file is used instead."""
    with pytest.raises(UnusableIndexError, match=why):
        read(replace(WebM(), **changed))


def test_a_segment_may_have_no_stated_length() -> None:
    """As that of a live stream: all bits of its length are set."""
    assert read(WebM(segment_length=(1 << 56) - 1)).count == 3


def missing(content: bytes, have: int) -> int:
    """Return how many bytes of a file are requested if the first ones are known."""
    with pytest.raises(MoreBytesNeededError) as more:
        read_index(content[:have], "webm", len(content))
    assert f"{more.value}" == f"the first {more.value.size} bytes are needed"
    return more.value.size


def test_what_is_missing_of_a_webm_is_requested() -> None:
    """Twelve bytes for an id or a length, then all of the element; after the index, nothing."""
    content = WebM().content()
    header = len(element(EBML, TYPE))
    assert [missing(content, have) for have in (0, 3, 4, 11, 12, header - 1)] == [
        12, 12, 16, 16, header, header,
    ]  # fmt: skip
    assert [missing(content, header + have) - header for have in (0, 3, 4, 11)] == [12, 12, 16, 16]
    have = [0]
    while have[-1] < len(content) - 60:
        try:
            read_index(content[: have[-1]], "webm", len(content))
        except MoreBytesNeededError as more:
            have.append(more.size)
        else:
            break
    assert have == sorted({*have})
    first = len(content) - 3 * len(WebM.cluster)
    assert first + 12 <= have[-1] <= first + 16, "id and length of the first cluster"
    for end in (4, 12, header, header + 4, len(content) - 100):
        with pytest.raises(UnusableIndexError, match=r"the file ends before its index|not one|longer than"):
            read_index(content[:end], "webm", end)


@pytest.mark.parametrize("voids", [1, 2])
def test_behind_each_void_element_twelve_bytes_are_requested(voids: int) -> None:
    """They are enough for the id and the length of the next element, and no more is needed."""
    void = element(VOID, bytes(30))
    content = WebM(gap=void * voids).content()
    first = len(content) - 3 * len(WebM.cluster)
    for number in range(voids):
        behind = first - number * len(void)
        assert [missing(content, behind + have) - behind for have in (0, 11)] == [12, 12]
    assert read_index(content[: first + 12], "webm", len(content)).count == 3


# MP4


@pytest.mark.parametrize(("scale", "known"), [(1, True), (10_000_000, True), (10_000_001, False)])
def test_a_unit_of_time_is_at_least_a_tenth_of_a_microsecond(*, scale: int, known: bool) -> None:
    """None is finer."""
    content = served.mp4_with((10, 5, KEY), scale=scale)
    if known:
        assert read_index(content, "mp4", len(content)).tick == Fraction(1, scale)
    else:
        with pytest.raises(UnusableIndexError, match="unknown format"):
            read_index(content, "mp4", len(content))


@pytest.mark.parametrize(
    ("sap", "closed"), [(0, True), (1, True), (2, True), (3, False), (6, False), (7, False)]
)
def test_a_segment_starts_with_a_closed_group_of_pictures(*, sap: int, closed: bool) -> None:
    """Types 1 and 2, or an unknown one; any other depends on frames before it."""
    content = served.mp4_with((10, 5, 1 << 31 | sap << 28), (10, 5, KEY))
    if closed:
        assert read_index(content, "mp4", len(content)).count == 2
    else:
        with pytest.raises(UnusableIndexError, match="open GOP"):
            read_index(content, "mp4", len(content))


def box(kind: bytes, content: bytes = b"", length: int | None = None) -> bytes:
    """Return a box, perhaps of another length."""
    return struct.pack(">I4s", 8 + len(content) if length is None else length, kind) + content


FTYP = box(b"ftyp", b"dash0000")


def test_boxes_that_are_not_needed_are_passed_over() -> None:
    """Before the index; they remain in the header of a part."""
    content = served.mp4_with((10, 5, KEY), (20, 6, KEY), time=7, version=1)
    extra = box(b"free", b"12345") + box(b"skip") + box(b"styp", b"x")
    longer = FTYP + extra + content[len(FTYP) :]
    index = read_index(longer, "mp4", len(longer))
    assert index.head == (longer[: longer.index(b"sidx") - 4],)
    assert (index.times, index.tick, index.track) == ((7, 12, 18), Fraction(1, 1000), 1)
    assert index.offsets == (len(longer) - 30, len(longer) - 20, len(longer))
    part = index.header_of(1, 2) + bytes(20)
    assert read_index(part, "mp4", len(part)) == replace(
        index, offsets=(len(part) - 20, len(part)), times=(12, 18)
    )


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        (box(b"trak") + box(b"mvex"), None),
        (box(b"mvex") + box(b"trak"), None),
        (box(b"trak"), "0 tracks"),
        (box(b"mvex"), "0 tracks"),
        (box(b"mvex") + box(b"trak") * 3, "3 tracks"),
        (box(b"trak", length=7), "longer than the one around it"),
        (box(b"trak", length=9), "longer than the one around it"),
        (box(b"trak") + bytes(7), "a box is cut off"),
    ],
)
def test_a_file_has_one_track_in_fragments(inside: bytes, why: str | None) -> None:
    """Its header says so."""
    content = served.mp4_with((10, 5, KEY))
    content = FTYP + box(b"moov", inside) + content[content.index(b"sidx") - 4 :]
    if why is None:
        assert read_index(content, "mp4", len(content)).count == 1
    else:
        with pytest.raises(UnusableIndexError, match=why):
            read_index(content, "mp4", len(content))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (FTYP + box(b"mdat", length=8), "no index"),
        (FTYP + box(b"moof", length=8), "no index"),
        (FTYP + box(b"free", length=7), "no index"),
        (box(b"moov"), "does not begin like an MP4"),
        (FTYP + FTYP + box(b"moof"), "no index"),
        (FTYP + box(b"moov") + box(b"sidx", bytes(5)), "0 tracks"),
        (FTYP + box(b"moov", box(b"mvex") + box(b"trak")) + box(b"sidx", bytes(4)), "cut off"),
        (served.mp4_with((10, 5, KEY), version=0)[:-10], "the index describes"),
        (served.mp4_with((10, 5, KEY), (0, 5, KEY)), "the index describes"),
        (served.mp4_with((10, 5, KEY), gap=1), "do not follow"),
    ],
)
def test_other_boxes_are_refused(content: bytes, why: str) -> None:
    """With the cause."""
    with pytest.raises(UnusableIndexError, match=why):
        read_index(content, "mp4", len(content))


def test_only_known_versions_of_the_index_are_read() -> None:
    """Their numbers have other positions."""
    content = bytearray(served.mp4_with((10, 5, KEY), version=1))
    content[content.index(b"sidx") + 4] = 2
    with pytest.raises(UnusableIndexError, match="unknown format"):
        read_index(bytes(content), "mp4", len(content))


# Limits


def test_an_index_ends_within_eight_mebibytes() -> None:
    """A client is never asked to fetch more."""
    assert LARGEST_INDEX == 8 * 1024**2
    exact = FTYP + box(b"free", length=LARGEST_INDEX - len(FTYP))
    with pytest.raises(MoreBytesNeededError) as more:
        read_index(exact, "mp4", 1 << 30)
    assert more.value.size == LARGEST_INDEX
    with pytest.raises(UnusableIndexError, match=f"no index in the first {LARGEST_INDEX} bytes"):
        read_index(FTYP + box(b"free", length=LARGEST_INDEX - len(FTYP) + 1), "mp4", 1 << 30)
    webm = element(EBML, TYPE) + element(SEGMENT, b"", length=(1 << 56) - 1)
    for length, error in (
        (LARGEST_INDEX - len(webm) - 9 - 12, MoreBytesNeededError),
        (LARGEST_INDEX - len(webm) - 9 - 11, UnusableIndexError),
    ):
        with pytest.raises(error):
            read_index(webm + element(VOID, bytes(length)), "webm", 1 << 30)


@pytest.mark.parametrize(
    ("size", "known"), [(4 * 1024**4, True), (4 * 1024**4 + 1, False), (1, True), (0, False)]
)
def test_a_file_has_four_tebibytes_at_most(*, size: int, known: bool) -> None:
    """Larger ones are a mistake."""
    assert MAX_SEGMENTS * 5 // 86400 == 11, "days"
    with pytest.raises((UnusableIndexError, MoreBytesNeededError)) as failed:
        read_index(b"", "webm", size)
    assert ("size of the file is unknown" in f"{failed.value}") is not known


def test_a_file_that_is_an_element_longer_than_itself_is_refused() -> None:
    """Exactly as long is well."""
    for length, message in ((8, "no index"), (9, "longer than the file")):
        content = FTYP + box(b"free", length=length)
        with pytest.raises(UnusableIndexError, match=f"{message}|longer than the file"):
            read_index(content, "mp4", len(content))


@pytest.mark.parametrize(("segments", "usable"), [(0, False), (1, True), (200_000, True), (200_001, False)])
def test_an_index_has_two_hundred_thousand_segments_at_most(
    monkeypatch: pytest.MonkeyPatch, segments: int, *, usable: bool
) -> None:
    """And one at least."""
    index = SegmentIndex("mp4", Fraction(1), tuple(range(segments + 1)), tuple(range(segments + 1)), ())
    monkeypatch.setattr(segment_index, "_read_mp4", lambda *_: index)
    if usable:
        assert read_index(b"", "mp4", segments) is index
    else:
        with pytest.raises(UnusableIndexError, match=f"^{segments} segments$"):
            read_index(b"", "mp4", max(1, segments))
