"""Read VoxCeleb's text files: one utterance, with the box of the face in each frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hdtf_async.core.exceptions import TableError
from hdtf_async.dataset.text_files import lines

if TYPE_CHECKING:
    from pathlib import Path

FPS = 25
"""At which the frames are numbered, from 0."""
COLUMNS = ("frame", "x", "y", "width", "height")


@dataclass(slots=True)
class Utterance:
    """The content of a file."""

    header: dict[str, str] = field(default_factory=dict)
    """Identity, reference (YouTube id) and other values, by their names in lower case."""
    frames: list[list[float]] = field(default_factory=list)
    """Number, left, top, width and height of each frame, as fractions of the frame."""

    @property
    def union(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the smallest box that contains those of all frames."""
        return (
            min(x for _, x, _, _, _ in self.frames),
            min(y for _, _, y, _, _ in self.frames),
            round(max(x + width for _, x, _, width, _ in self.frames), 6),
            round(max(y + height for _, _, y, _, height in self.frames), 6),
        )


def read(path: Path, name: str) -> Utterance:
    """Return the content of a file. Raises `TableError`, with `name`: it is damaged, or in pixels. Blocks."""
    found, started = Utterance(), False
    for line, text in lines(path, name):
        key, colon, value = text.partition(":")
        if started and text.strip():
            found.frames.append(_frame(text, name, line, found.frames))
        elif colon:
            found.header["_".join(key.lower().split())] = " ".join(value.split())
        started = started or text.split() == ["FRAME", "X", "Y", "W", "H"]
    if not found.frames:
        raise TableError(name, 0, "no line of frames; download the file again")
    return found


def _frame(text: str, name: str, line: int, before: list[list[float]]) -> list[float]:
    try:
        frame = [float(cell) for cell in text.split()]
    except ValueError:
        frame = []
    if len(frame) != len(COLUMNS) or not all(map(math.isfinite, frame)) or frame[0] != int(frame[0]):
        raise TableError(name, line, "expected the number of a frame, x, y, width and height")
    if max(frame[3:]) > 1:
        raise TableError(name, line, "the box is in pixels, as in VoxCeleb1; expected fractions of the frame")
    if before and frame[0] <= before[-1][0]:
        raise TableError(name, line, "expected a frame after the one in the line above")
    return [int(frame[0]), *frame[1:]]
