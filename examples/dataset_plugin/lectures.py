"""A dataset in a package of its own: install it, and --dataset lectures exists.

Lectures is invented. Its list is a text file with one clip per line, separated by spaces: YouTube id, first
frame and the one after the last at 25 frames per second, left, top, width and height of the box in pixels of
a 1280x720 video, and the lecturer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async import ClipRow, Dataset, TableError
from hdtf_async.core.model import Finding, Severity
from hdtf_async.dataset.text_files import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hdtf_async.dataset.fields import Findings

CELLS = 8


def rows(source: Path, findings: Findings) -> Iterator[ClipRow]:
    """Yield the clips of the list. Values need no checks: an invalid row is skipped, with a finding."""
    for line, text in lines(source, source.name):
        cells = text.split()
        if not cells or cells[0].startswith("#"):
            continue
        if len(cells) != CELLS:
            raise TableError(source.name, line, f"{len(cells)} cells, expected {CELLS}")
        video, start, end, left, top, width, height, lecturer = cells
        try:
            right, bottom = int(left) + int(width), int(top) + int(height)
        except ValueError:
            message = "the box is not four integers; row skipped."
            findings.append(Finding(source.name, line, Severity.ERROR, "bad_box", message))
            continue
        yield ClipRow(
            video=video,
            start=start,
            end=end,
            unit="frame",
            fps=25,
            left=left,
            top=top,
            right=right,
            bottom=bottom,
            ref_width=1280,
            ref_height=720,
            speaker=lecturer,
            line=line,
        )


LECTURES = Dataset(
    name="lectures",
    title="Lectures",
    rows=rows,
    bring="lectures.txt, from https://example.org/lectures",
    licence="CC0",
    citation="@misc{lectures, title = {Lectures}, year = {2026}}",
    rule="the box as published",
)
