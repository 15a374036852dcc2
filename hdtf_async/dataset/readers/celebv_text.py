"""CelebV-Text: one JSON file, with a box of each clip.

Read in https://github.com/celebv-text/CelebV-Text: the form of the file, the agreement, the numbers and the
citation in README.md; the window in download_and_process.py, which is the one of CelebV-HQ. But the boxes are
in pixels of the largest format that YouTube offered to the authors, and the file does not state its size: the
second example of README.md ends at row 1183. So a box in pixels cannot be placed in another file, and the
clip is the whole frame. A file with normalised boxes is read like that of CelebV-HQ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.model import Finding, Severity, Square
from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.datasets import Dataset
from hdtf_async.dataset.json_entries import entries
from hdtf_async.dataset.reader_tools import EDGES, clip_name, part, widened, without
from hdtf_async.dataset.readers.celebv_hq import MARGIN, RULE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hdtf_async.dataset.fields import Findings


def rows(source: Path, findings: Findings) -> Iterator[ClipRow]:
    """Yield the clips of ``celebvtext_info.json``. Raises `TableError`."""
    reported = False
    for number, (key, entry) in enumerate(entries(source, source.name, under="clips"), start=1):
        members, duration, box = without(entry), part(entry, "duration"), part(entry, "bbox")
        in_pixels = any(isinstance(box.get(edge), int | float) and box[edge] > 1 for edge in EDGES)
        extra = without(entry, "ytb_id", "duration", "bbox")
        if in_pixels:
            extra["bbox_pixels"] = dict(box)
            if not reported:
                message = (
                    "boxes are in pixels of videos whose size the list does not state: such clips are whole"
                    " frames; --crop face finds the face."
                )
                findings.append(Finding(source.name, number, Severity.NOTE, "box_without_size", message))
                reported = True
        yield ClipRow(
            video=members.get("ytb_id", ""),
            start=duration.get("start_sec", ""),
            end=duration.get("end_sec", ""),
            box_unit="norm",
            square=Square.NO if in_pixels else Square.MIN,
            name=clip_name(key),
            extra=extra,
            line=number,
            **({} if in_pixels else widened(box, MARGIN)),
        )


CELEBV_TEXT = Dataset(
    name="celebv-text",
    title="CelebV-Text",
    rows=rows,
    bring="celebvtext_info.json (metadata annotation), from https://github.com/celebv-text/CelebV-Text",
    licence="non-commercial research only",
    citation="""\
@inproceedings{yu2022celebvtext,
  title = {{CelebV-Text}: A Large-Scale Facial Text-Video Dataset},
  author = {Yu, Jianhui and Zhu, Hao and Jiang, Liming and Loy, Chen Change and Cai, Weidong and Wu, Wayne},
  booktitle = {CVPR},
  year = {2023}
}""",
    clips=70_000,
    hours=279,
    rule=f"no box that can be placed (pixels of an unknown size): whole frame; normalised ones: {RULE}",
)
