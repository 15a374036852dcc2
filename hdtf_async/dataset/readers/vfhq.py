"""VFHQ: one text file per clip, whose name contains video, person, clip and frames.

Read in three downloaders on GitHub, because the authors' repository contains none: yunyu/vfhq-downloader
(parse_meta_info.py, crop_clips.py), jinwonkim93/vfhq_processing (extract_high_quality_faces_with_meta.py) and
anjieyang/VFHQ-downloader (meta_parser.py). All read the numbers at the ends of the lines H, W, FPS and CROP.
The first scales x and y separately; none enlarges the box or makes it square. The first two cut from the
frame after the first to the one before the last, both included, and the third from the first to the last.
Here both ends are included. Number of clips: abstract of the paper.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hdtf_async.core.exceptions import TableError
from hdtf_async.core.model import Finding, Severity
from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.datasets import Dataset
from hdtf_async.dataset.reader_tools import clip_name, one_per_file
from hdtf_async.dataset.text_files import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hdtf_async.dataset.fields import Findings

EXPECTED = "the directory meta_info, with Clip+VIDEO+P0+C0+F10-250.txt and so on"
_NAME = re.compile(r"Clip\+(.{11})\+(P\d+)\+(C\d+)\+F(\d+)-(\d+)", re.ASCII)
_NUMBERS = {"H": 1, "W": 1, "FPS": 1, "CROP": 4}
"""Beginning of a line, and how many numbers are at its end."""


def rows(source: Path, findings: Findings) -> Iterator[ClipRow]:
    """Return the clips of a directory. Raises `TableError` if it has none."""
    told = "public downloaders disagree whether the first and the last frame belong to a clip: here both do."
    findings.append(Finding(source.name, 0, Severity.NOTE, "end_inclusive", told))
    return one_per_file(source, EXPECTED, _row, findings)


def _row(path: Path, name: str, number: int) -> ClipRow:
    found = _NAME.fullmatch(path.stem)
    if found is None:
        raise TableError(name, 0, "expected a name such as Clip+VIDEO+P0+C0+F10-250.txt")
    video, person, part, start, end = found.groups()
    values: dict[str, list[str]] = {}
    for _, text in lines(path, name):
        words = text.replace(":", " ").split()
        if words and (count := _NUMBERS.get(words[0].upper())):
            values[words[0].upper()] = words[-count:]
    if missing := [key for key in _NUMBERS if len(values.get(key, ())) != _NUMBERS[key]]:
        raise TableError(name, 0, f"no line {missing[0]}; download the file again")
    left, top, right, bottom = values["CROP"]
    return ClipRow(
        video=video,
        start=int(start),
        end=int(end),
        unit="frame",
        fps=values["FPS"][0],
        end_inclusive=True,
        left=left,
        top=top,
        right=right,
        bottom=bottom,
        ref_width=values["W"][0],
        ref_height=values["H"][0],
        name=clip_name(f"{video}_{person}_{part}_F{start}-{end}"),
        extra={"clip": path.stem},
        line=number,
    )


VFHQ = Dataset(
    name="vfhq",
    title="VFHQ",
    rows=rows,
    bring=f"{EXPECTED} (meta_info.zip); see https://liangbinxie.github.io/projects/vfhq/",
    licence="not found; see https://liangbinxie.github.io/projects/vfhq/",
    citation="""\
@inproceedings{xie2022vfhq,
  title = {{VFHQ}: A High-Quality Dataset and Benchmark for Video Face Super-Resolution},
  author = {Xie, Liangbin and Wang, Xintao and Zhang, Honglun and Dong, Chao and Shan, Ying},
  booktitle = {CVPR Workshops},
  pages = {657--666},
  year = {2022}
}""",
    clips=16_000,
    rule="the box as published, not square",
)
