"""The index of a file in segments: what is read, what is refused, and the parts that are made with it."""

from __future__ import annotations

import struct
import subprocess
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import served
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import slow_unless

from hdtf_async.media import segment_index
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.segment_index import MoreBytesNeededError, UnusableIndexError, is_segment, read_index

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.media.segment_index import SegmentIndex

FILES = ("h264.mp4", "vp9.webm", "av1.mp4", "aac.m4a", "opus.webm")
USUAL = {"h264.mp4", "opus.webm"}
"""One of each container and kind, for the ordinary test suite."""
KEY = 0x90000000
"""Third word of a reference to a segment that starts with a key frame, type 1."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which files are rendered once."""
    return tmp_path_factory.mktemp("served")


def _render(directory: Path, name: str) -> Path:
    """Render a file in eight segments, or nine, of which the last may be short."""
    return served.render(directory, name, seconds=40, size="96x64")


def _read(path: Path) -> SegmentIndex:
    content = path.read_bytes()
    return read_index(content[: 1 << 16], "webm" if path.suffix == ".webm" else "mp4", len(content))


def _part(path: Path, first: int, behind: int) -> bytes:
    index, content = _read(path), path.read_bytes()
    return index.header_of(first, behind) + content[index.offsets[first] : index.offsets[behind]]


def _decoded(path: Path, demuxer: str, start: float, seconds: float) -> list[str]:
    """Return the hashes of all frames from a position on."""
    trim = "atrim" if path.name.removeprefix("part-") in ("aac.m4a", "opus.webm") else "trim"
    command = [
        *(str(bundled_ffmpeg()), "-v", "error", "-threads", "1", "-f", demuxer, "-ss", f"{start}"),
        *("-seek_timestamp", "1", "-i", str(path), "-af" if trim == "atrim" else "-vf"),
        *(f"{trim}=end={seconds}", "-f", "framemd5", "-"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not ran.stderr
    return [line for line in ran.stdout.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("name", slow_unless(FILES, USUAL))
def test_segments_are_recognised_by_the_lengths_of_their_elements(directory: Path, name: str) -> None:
    """Where the index says, and nowhere else; several of them together, but no part of one."""
    path = _render(directory, name)
    index, content = _read(path), path.read_bytes()

    def found(place: int, behind: int) -> bool:
        return is_segment(
            index.container, lambda at, count: content[place + at : place + at + count], behind - place
        )

    for place, behind in pairwise(index.offsets):
        assert found(place, behind)
        assert not any(found(place + off, behind + off) for off in (-64, -1, 1, 64))
        assert not found(place, behind - 1)
        assert not found(place, min(behind + 1, index.size + 1))
    assert found(index.offsets[2], index.offsets[4])
    assert not found(0, index.offsets[1])


@given(st.binary(max_size=200), st.sampled_from(["mp4", "webm"]), st.integers(0, 300))
def test_nothing_is_believed_about_untrusted_segments(content: bytes, container: str, size: int) -> None:
    """Any bytes are a segment or not."""
    assert not is_segment(container, lambda at, count: content[at : at + count], size)
    unknown = b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff" + content
    assert is_segment("webm", lambda at, count: unknown[at : at + count], len(unknown))
    long = struct.pack(">I4sI4sQ", 8, b"moof", 1, b"mdat", 16 + len(content)) + content
    assert is_segment("mp4", lambda at, count: long[at : at + count], len(long))


@pytest.mark.parametrize("name", slow_unless(FILES, USUAL))
def test_the_index_describes_the_whole_file_in_segments_of_five_seconds(directory: Path, name: str) -> None:
    """Up to the last byte; times before and after the video belong to its first and last segment."""
    path = _render(directory, name)
    index = _read(path)
    assert index.size == path.stat().st_size
    assert index.count in (8, 9)
    assert [round((b - a) * index.tick) for a, b in pairwise(index.times[: index.count])] == [5] * (
        index.count - 1
    )
    assert index.at(12.5) == 2
    assert index.at(-1) == 0
    assert index.at(1000) == index.count - 1


@pytest.mark.parametrize(
    ("name", "start", "seconds"),
    slow_unless(
        [(name, *span) for name in FILES for span in ((18.3, 4.4), (2.1, 1.9), (26.7083, 3.3), (27, 20))],
        [("h264.mp4", 2.1, 1.9), ("opus.webm", 27, 20), *((name, 18.3, 4.4) for name in USUAL)],
    ),
)
def test_a_part_decodes_to_the_same_bytes_as_the_whole_file(
    directory: Path, name: str, start: float, seconds: float
) -> None:
    """Video and audio, in the middle, at the beginning, and up to the end of the file."""
    path = _render(directory, name)
    index = _read(path)
    part = directory / f"part-{name}"
    part.write_bytes(_part(path, index.at(start - 5), index.at(start + seconds + 2) + 1))
    demuxer = "matroska" if name.endswith("webm") else "mov"
    whole = _decoded(path, demuxer, start, seconds)
    assert len(whole) > 50
    assert _decoded(part, demuxer, start, seconds) == whole


@pytest.mark.parametrize("name", slow_unless(FILES, USUAL))
def test_a_part_has_an_index_of_its_own(directory: Path, name: str) -> None:
    """It has the same times, and other positions."""
    path = _render(directory, name)
    whole, part = _read(path), _part(path, 3, 7)
    index = read_index(part, whole.container, len(part))
    assert index.count == 4
    assert index.times[:4] == whole.times[3:7]
    sizes = [b - a for a, b in pairwise(index.offsets)]
    assert sizes == [b - a for a, b in pairwise(whole.offsets[3:8])]


@pytest.mark.parametrize("name", slow_unless(FILES, USUAL))
def test_the_beginning_of_a_file_shows_how_much_more_is_needed(directory: Path, name: str) -> None:
    """Even byte by byte this comes to an end, with the index of the whole beginning."""
    path = _render(directory, name)
    content, expected = path.read_bytes(), _read(path)
    have = [0]
    while True:
        try:
            found = read_index(content[: have[-1]], expected.container, len(content))
            break
        except MoreBytesNeededError as more:
            have.append(more.size)
    assert found == expected
    assert have == sorted(set(have))
    assert len(have) < 40


def test_an_index_may_be_longer_than_the_usual_request() -> None:
    """Ten thousand segments take 120 kB."""
    content = served.mp4_with(*[(10, 5000, KEY)] * 10_000)
    with pytest.raises(MoreBytesNeededError) as more:
        read_index(content[: 1 << 16], "mp4", len(content))
    assert more.value.size > 120_000
    index = read_index(content[: more.value.size], "mp4", len(content))
    assert (index.count, index.seconds(9999)) == (10_000, 49_995.0)


@pytest.mark.parametrize("version", [0, 1])
def test_both_versions_of_the_box_are_read(version: int) -> None:
    """Times and positions have 32 bits in one, 64 in the other."""
    content = served.mp4_with((10, 5000, KEY), (20, 4000, KEY), version=version, time=250)
    index = read_index(content, "mp4", len(content))
    assert (index.tick, index.times) == (Fraction(1, 1000), (250, 5250, 9250))
    assert index.offsets[-1] == len(content)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (served.mp4_with((10, 5000, 0xB0000000)), "open GOP"),
        (served.mp4_with((10, 5000, 0x10000000)), "open GOP"),
        (served.mp4_with((10, 5000, KEY + 1)), "open GOP"),
        (served.mp4_with((10 | 1 << 31, 5000, KEY)), "refers to other indexes"),
        (served.mp4_with((10, 0, KEY), (10, 5, KEY)), "times in the index do not increase"),
        (served.mp4_with((0, 5, KEY), (10, 5, KEY)), "the index describes"),
        (served.mp4_with((10, 5, KEY), scale=0), "unknown format"),
        (served.mp4_with((10, 5, KEY), gap=8), "do not follow the index"),
        (served.mp4_with((10, 5, KEY), tracks=2), "2 tracks"),
        (served.mp4_with((10, 5, KEY), tracks=0), "0 tracks"),
        (served.mp4_with((10, 5, KEY), size=36), "unknown format"),
        (served.mp4_with((10, 5, KEY), size=20), "cut off|unknown format"),
        (served.mp4_with((10, 5, KEY), size=7), "no index"),
        (served.mp4_with((10, 5, KEY), size=1 << 30), "longer than the file"),
        (served.mp4_with((10, 5, KEY)) + bytes(8), "the index describes"),
        (served.mp4_with((10, 5, KEY))[:-1], "the index describes"),
        (served.mp4_with(), "do not follow the index"),
        (b"#EXTM3U\nhttp://127.0.0.1/\n", "does not begin like an MP4"),
        (b"\x00\x00\x00\x10ftypdash0000\x00\x00\x00\x08moof", "no index"),
        (b"\x00\x00\x00\x10ftypdash0000\x00\x00\x00\x08uuid", "unexpected box"),
        (b"\x00\x00\x00\x10ftypdash0000\x00\x00\x00\x00moov", "no index"),
    ],
)
def test_an_unusual_mp4_is_refused(content: bytes, why: str) -> None:
    """The whole file is used instead."""
    with pytest.raises(UnusableIndexError, match=why):
        read_index(content, "mp4", len(content))


def _webm(directory: Path) -> tuple[bytes, int]:
    """Return a WebM, and where its Cues begin."""
    content = _render(directory, "opus.webm").read_bytes()
    return content, content.index(b"\x1c\x53\xbb\x6b", 400)


def test_an_unusual_webm_is_refused(directory: Path) -> None:
    """As an unusual MP4 is."""
    content, cues = _webm(directory)
    for changed, why in (
        (content.replace(b"\x84webm", b"\x84text", 1), "not a WebM"),
        (b"\x00" + content[1:], "invalid id|does not begin"),
        (content + b"\x00", "not one Matroska segment"),
        (content.replace(b"\xb7", b"\xb8"), "invalid number|elements?"),
        (content[:cues] + content[cues:].replace(b"\xf1", b"\xf2"), "invalid number"),
    ):
        with pytest.raises(UnusableIndexError, match=why):
            read_index(changed, "webm", len(changed))


def test_an_index_at_the_end_of_a_webm_is_not_used(directory: Path) -> None:
    """YouTube's are at the beginning; another one would need one more request."""
    path = directory / "end.webm"
    source = _render(directory, "opus.webm")
    command = [str(bundled_ffmpeg()), "-v", "error", "-y", "-i", str(source), "-c", "copy", str(path)]
    subprocess.run(command, check=True)
    with pytest.raises(UnusableIndexError, match="no index"):
        _read(path)


@pytest.mark.parametrize(("container", "size"), [("mkv", 100), ("mp4", 0), ("webm", -1), ("mp4", 1 << 50)])
def test_other_containers_and_impossible_sizes_are_refused(container: str, size: int) -> None:
    """Before anything is read."""
    with pytest.raises(UnusableIndexError):
        read_index(b"", container, size)


def test_an_index_far_behind_is_not_waited_for() -> None:
    """A box that states 4 GB must not make a client fetch them."""
    content = b"\x00\x00\x00\x10ftypdash0000\xff\xff\xff\xf0free"
    with pytest.raises(UnusableIndexError, match="no index in the first"):
        read_index(content, "mp4", 1 << 40)


def test_the_number_of_segments_is_limited(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """In both containers."""
    monkeypatch.setattr(segment_index, "MAX_SEGMENTS", 5)
    for name in ("h264.mp4", "vp9.webm"):
        with pytest.raises(UnusableIndexError):
            _read(_render(directory, name))


_SHORT = served.mp4_with((10, 5, KEY), (10, 5, KEY))


@given(st.binary(max_size=400), st.sampled_from(["mp4", "webm"]), st.integers(0, 1000))
def test_any_bytes_are_answered_by_a_refusal(content: bytes, container: str, size: int) -> None:
    """No other error is raised."""
    with pytest.raises((UnusableIndexError, MoreBytesNeededError)):
        read_index(content, container, size)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.data())
def test_a_changed_byte_leads_to_an_index_or_to_a_refusal(directory: Path, data: st.DataObject) -> None:
    """Never to another error, and never to positions outside of the file."""
    container = data.draw(st.sampled_from(["mp4", "webm"]))
    content = bytearray(_SHORT if container == "mp4" else _webm(directory)[0][:4000])
    size = len(content) if container == "mp4" else len(_webm(directory)[0])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, min(len(content), 900) - 1))] = data.draw(st.integers(0, 255))
    try:
        index = read_index(bytes(content), container, size)
    except (UnusableIndexError, MoreBytesNeededError):
        return
    assert index.offsets[0] > 0
    assert index.offsets[-1] == size
    assert all(a < b for a, b in pairwise(index.offsets))
    assert index.header_of(0, index.count)
