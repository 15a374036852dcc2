"""VoxCeleb1 as the First Order Motion Model and later face animation methods use it: one CSV file.

Read in https://github.com/AliaksandrSiarohin/video-preprocessing: the rows in vox-metadata.csv; how they are
used in load_videos.py; how they were made in crop_vox.py and util.py. Frame numbers count at the fps of the
row, the end is exclusive. x and y are scaled separately, and the box is neither enlarged (it already
contains a margin) nor made square: their program resizes it to 256x256, which distorts it. Some boxes extend
beyond the frame, where theirs are cut off by the frame, as here. A video id may be followed by ``#`` and the
person. 311 rows occur twice (3 with both partitions), which their program saves as one file. The repository
states neither a licence nor a citation: the citation is that of VoxCeleb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.exceptions import TableError
from hdtf_async.core.model import Finding, Severity
from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.datasets import Dataset
from hdtf_async.dataset.reader_tools import clip_name
from hdtf_async.dataset.text_files import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hdtf_async.dataset.fields import Findings

COLUMNS = ("video_id", "start", "end", "bbox", "fps", "width", "height")
_EDGES = 4


def rows(source: Path, findings: Findings) -> Iterator[ClipRow]:
    """Yield the clips of ``vox-metadata.csv``. Raises `TableError`."""
    header: list[str] = []
    seen: dict[tuple[str, ...], int] = {}
    for line, text in lines(source, source.name):
        cells = [cell.strip() for cell in text.split(",")]
        if not header:
            header = cells
            if missing := [column for column in COLUMNS if column not in header]:
                raise TableError(source.name, line, f"no column {missing[0]}; expected vox-metadata.csv")
        elif text.strip():
            if len(cells) != len(header):
                raise TableError(source.name, line, f"{len(cells)} cells, expected {len(header)}")
            row = dict(zip(header, cells, strict=True))
            first = seen.setdefault(tuple(row[column] for column in COLUMNS), line)
            if first == line:
                yield _row(row, line)
            else:
                message = f"the same clip as in line {first}, which is created once."
                findings.append(Finding(source.name, line, Severity.NOTE, "repeated_row", message))
    if not header:
        raise TableError(source.name, 0, "empty; expected vox-metadata.csv")


def _row(row: dict[str, str], line: int) -> ClipRow:
    video, _, other = row["video_id"].partition("#")
    person = row.get("person_id") or other
    edges = row["bbox"].split("-")
    # A box of another form becomes a finding: its first edge is no number.
    left, top, right, bottom = edges if len(edges) == _EDGES else [f"bbox {row['bbox']}"] * _EDGES
    known = {*COLUMNS, "partition", "person_id"}
    return ClipRow(
        video=video,
        start=row["start"],
        end=row["end"],
        unit="frame",
        fps=row["fps"],
        ref_width=row["width"],
        ref_height=row["height"],
        name=clip_name("_".join(filter(None, (person, video, row["start"].zfill(6), row["end"].zfill(6))))),
        speaker=person,
        split=row.get("partition"),
        extra={name: cell for name, cell in row.items() if name not in known},
        line=line,
        left=left,
        top=top,
        right=right,
        bottom=bottom,
    )


VOXCELEB1 = Dataset(
    name="voxceleb1",
    title="VoxCeleb1 (video-preprocessing)",
    rows=rows,
    bring="vox-metadata.csv, from https://github.com/AliaksandrSiarohin/video-preprocessing",
    licence="none stated",
    citation="""\
@inproceedings{nagrani2017voxceleb,
  title = {{VoxCeleb}: A Large-Scale Speaker Identification Dataset},
  author = {Nagrani, Arsha and Chung, Joon Son and Zisserman, Andrew},
  booktitle = {Interspeech},
  year = {2017}
}""",
    clips=20_075,
    hours=46.0,
    rule="the box as published, not square",
)
