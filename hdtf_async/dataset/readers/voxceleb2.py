"""VoxCeleb2: one text file per utterance, with a normalised face box for each frame.

Read in https://github.com/AliaksandrSiarohin/video-preprocessing (crop_vox.py): the files have six lines of
header, frame numbers count at 25 fps from 0, and in VoxCeleb2 x, y, width and height are fractions of the
frame; in VoxCeleb1 they are pixels at a height of 360. Utterances and hours: arXiv 1806.05622.

The authors publish cropped videos and no code for it, so the box is not enlarged or made square. It is the
union of all frames' boxes: the clip does not follow the face. ``extra.track`` names the file with all boxes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hdtf_async.core.exceptions import TableError
from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.datasets import Dataset
from hdtf_async.dataset.reader_tools import clip_name, one_per_file
from hdtf_async.dataset.text_files import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hdtf_async.dataset.fields import Findings

EXPECTED = "the directory txt of vox2_dev_txt.zip, with txt/id00012/VIDEO/00001.txt and so on"


def rows(source: Path, findings: Findings) -> Iterator[ClipRow]:
    """Return the utterances of a directory. Raises `TableError` if it has none."""
    return one_per_file(source, EXPECTED, _row, findings)


def _row(path: Path, name: str, number: int) -> ClipRow:
    header: dict[str, str] = {}
    frames: list[list[float]] = []
    started = False
    for line, text in lines(path, name):
        key, colon, value = text.partition(":")
        if started and text.strip():
            frames.append(_frame(text, name, line, frames))
        elif colon:
            header["_".join(key.lower().split())] = " ".join(value.split())
        started = started or text.split() == ["FRAME", "X", "Y", "W", "H"]
    if not frames:
        raise TableError(name, 0, "no line of frames; download the file again")
    identity, video = header.pop("identity", ""), header.pop("reference", "")
    return ClipRow(
        video=video,
        start=frames[0][0],
        end=frames[-1][0],
        unit="frame",
        fps=25,
        end_inclusive=True,
        left=min(x for _, x, _, _, _ in frames),
        top=min(y for _, _, y, _, _ in frames),
        right=round(max(x + w for _, x, _, w, _ in frames), 6),
        bottom=round(max(y + h for _, _, y, _, h in frames), 6),
        box_unit="norm",
        name=clip_name(f"{identity}_{video}_{path.stem}"),
        speaker=identity,
        extra={"track": name, **header},
        line=number,
    )


def _frame(text: str, name: str, line: int, before: list[list[float]]) -> list[float]:
    """Return number, x, y, width and height of one frame."""
    try:
        frame = [float(cell) for cell in text.split()]
    except ValueError:
        frame = []
    if len(frame) != 5 or not all(map(math.isfinite, frame)):  # noqa: PLR2004
        raise TableError(name, line, "expected the number of a frame, x, y, width and height")
    if max(frame[3:]) > 1:
        raise TableError(name, line, "the box is in pixels, as in VoxCeleb1; expected fractions of the frame")
    if before and frame[0] <= before[-1][0]:
        raise TableError(name, line, "expected a frame after the one in the line above")
    return frame


VOXCELEB2 = Dataset(
    name="voxceleb2",
    title="VoxCeleb2",
    rows=rows,
    bring=f"{EXPECTED}; see https://www.robots.ox.ac.uk/~vgg/data/voxceleb/",
    licence="see https://www.robots.ox.ac.uk/~vgg/data/voxceleb/",
    citation="""\
@inproceedings{chung2018voxceleb2,
  title = {{VoxCeleb2}: Deep Speaker Recognition},
  author = {Chung, Joon Son and Nagrani, Arsha and Zisserman, Andrew},
  booktitle = {Interspeech},
  year = {2018}
}""",
    clips=1_128_246,
    hours=2442,
    rule="the union of all frames' boxes, not square",
)
