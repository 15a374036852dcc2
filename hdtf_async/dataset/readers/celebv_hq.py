"""CelebV-HQ: one JSON file, with a normalised box and attributes of each clip.

Read in https://github.com/CelebV-HQ/CelebV-HQ: the form of the file, the agreement and the citation in
README.md; the window in download_and_process.py. That adds 0.02 of the frame to each side of the box, rounds
to pixels, and takes the square of the shorter side around the centre. The emotion of a clip is a word or a
list of parts; here it is always a list, because loaders of metadata.jsonl expect one type in a column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.model import Square
from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.datasets import Dataset
from hdtf_async.dataset.json_entries import entries
from hdtf_async.dataset.reader_tools import clip_name, part, widened, without

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hdtf_async.dataset.fields import Findings

MARGIN = 0.02
"""Fraction of the frame that the authors' code adds on each side."""
RULE = "2 % of the frame more on each side, then the square of the shorter side"


def rows(source: Path, _findings: Findings) -> Iterator[ClipRow]:
    """Yield the clips of ``celebvhq_info.json``. Raises `TableError`."""
    for number, (key, entry) in enumerate(entries(source, source.name, under="clips"), start=1):
        members, duration = without(entry), part(entry, "duration")
        extra = without(entry, "ytb_id", "duration", "bbox")
        emotion = part(extra.get("attributes"), "emotion")
        if isinstance(label := emotion.get("labels"), str):
            several = {**emotion, "labels": [{"emotion": label}]}
            extra["attributes"] = {**part(entry, "attributes"), "emotion": several}
        yield ClipRow(
            video=members.get("ytb_id", ""),
            start=duration.get("start_sec", ""),
            end=duration.get("end_sec", ""),
            box_unit="norm",
            square=Square.MIN,
            name=clip_name(key),
            extra=extra,
            line=number,
            **widened(part(entry, "bbox"), MARGIN),
        )


CELEBV_HQ = Dataset(
    name="celebv-hq",
    title="CelebV-HQ",
    rows=rows,
    bring="celebvhq_info.json, from https://github.com/CelebV-HQ/CelebV-HQ",
    licence="non-commercial research only",
    citation="""\
@inproceedings{zhu2022celebvhq,
  title = {{CelebV-HQ}: A Large-Scale Video Facial Attributes Dataset},
  author = {Zhu, Hao and Wu, Wayne and Zhu, Wentao and Jiang, Liming and Tang, Siwei and Zhang, Li and Liu, \
Ziwei and Loy, Chen Change},
  booktitle = {ECCV},
  year = {2022}
}""",
    clips=35_666,
    rule=RULE,
)
