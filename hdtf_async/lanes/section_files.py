"""Files of consecutive segments of a source video, put together from where each segment is.

This module blocks; it is called in threads.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from hdtf_async.media.segment_index import UnusableIndexError, is_segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from hdtf_async.lanes.partial_videos import Piece
    from hdtf_async.media.sections import SegmentRange
    from hdtf_async.media.segment_index import SegmentIndex
    from hdtf_async.output.partial_ranges import Stretch

    Places = dict[int, tuple[Path, int]]
    """Number of each segment to the file that contains it, and its position there."""


def in_pieces(index: SegmentIndex, pieces: Iterable[Piece]) -> Places:
    """Return where the segments of partial source videos are."""
    places: Places = {}
    for piece in pieces:
        begin = len(index.header_of(piece.run.first, piece.run.behind))
        for number in range(piece.run.first, piece.run.behind):
            places[number] = (piece.path, begin + index.bytes_of(piece.run.first, number))
    return places


def in_download(index: SegmentIndex, path: Path, runs: Sequence[SegmentRange]) -> Places:
    """Return where the segments are in a file of these runs of segments."""
    places: Places = {}
    begin = 0
    for run in runs:
        for number in range(run.first, run.behind):
            places[number] = (path, begin + index.bytes_of(run.first, number))
        begin += index.bytes_of(run.first, run.behind)
    return places


def in_stretches(index: SegmentIndex, stretches: Iterable[Stretch]) -> Places:
    """Return where the whole segments are among the bytes that interrupted attempts have left."""
    places: Places = {}
    for each in stretches:
        with each.path.open("rb") as file:
            for number in range(index.count):
                begin, behind = index.offsets[number], index.offsets[number + 1]
                position = each.position + begin - each.first
                if each.first <= begin and behind <= each.behind and _begins(index, file, position, number):
                    places[number] = (each.path, position)
    return places


def assemble(
    path: Path, index: SegmentIndex, run: SegmentRange, places: Mapping[int, tuple[Path, int]]
) -> None:
    """Write a file of consecutive segments. Raises `UnusableIndexError` if what is there is none."""
    with path.open("wb") as target:
        target.write(index.header_of(run.first, run.behind))
        for number in range(run.first, run.behind):
            source, position = places[number]
            with source.open("rb") as file:
                if not _begins(index, file, position, number):
                    raise UnusableIndexError(f"segment {number} is not where the index says")
                file.seek(position)
                left = index.bytes_of(number, number + 1)
                while left and (some := file.read(min(left, 1 << 20))):
                    target.write(some)
                    left -= len(some)


def _begins(index: SegmentIndex, file: BinaryIO, position: int, number: int) -> bool:
    """Whether a segment of the index begins at a position of a file."""
    read = partial(_read, file, position)
    return is_segment(index.container, read, index.bytes_of(number, number + 1))


def _read(file: BinaryIO, origin: int, place: int, count: int) -> bytes:
    file.seek(origin + place)
    return file.read(count)
