"""MultiTalk: one JSON file per language, with a normalised box and a transcript of each clip.

Read in https://github.com/postech-ami/MultiTalk: the agreement in README.md; the numbers and the form of the
files in MultiTalk_dataset/README.md; the window in MultiTalk_dataset/download_and_process.py, which is the
one of CelebV-HQ, then scaled to 512x512 at 25 fps (``--size 512 --fps 25``); rows in annotations/thai.json
and czech.json. The authors give no BibTeX: the citation is made from the paper, arXiv 2406.14272.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.exceptions import TableError
from hdtf_async.core.model import Square
from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.datasets import Dataset
from hdtf_async.dataset.json_entries import entries
from hdtf_async.dataset.reader_tools import clip_name, part, widened, without
from hdtf_async.dataset.readers.celebv_hq import MARGIN, RULE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hdtf_async.dataset.fields import Findings


def rows(source: Path, _findings: Findings) -> Iterator[ClipRow]:
    """Yield the clips of one language's file, or of all in a directory. Raises `TableError`."""
    paths = sorted(source.glob("*.json")) if source.is_dir() else [source]
    if not paths:
        raise TableError(source.name, 0, "no .json file in it; expected the directory annotations")
    number = 0
    for path in paths:
        for key, entry in entries(path, path.name):
            number += 1
            members, duration = without(entry), part(entry, "duration")
            # The authors' program saves a clip as language/key: one video can be in two languages.
            yield ClipRow(
                video=members.get("youtube_id") or members.get("ytb_id", ""),
                start=duration.get("start_sec", ""),
                end=duration.get("end_sec", ""),
                box_unit="norm",
                square=Square.MIN,
                name=clip_name(f"{members.get('language') or path.stem}_{key}"),
                extra=without(entry, "youtube_id", "ytb_id", "duration", "bbox"),
                line=number,
                **widened(part(entry, "bbox"), MARGIN),
            )


MULTITALK = Dataset(
    name="multitalk",
    title="MultiTalk",
    rows=rows,
    bring="the directory MultiTalk_dataset/annotations of https://github.com/postech-ami/MultiTalk, or one"
    " language's file in it",
    licence="non-commercial research only",
    citation="""\
@inproceedings{sungbin2024multitalk,
  title = {{MultiTalk}: Enhancing 3D Talking Head Generation Across Languages with Multilingual Video \
Dataset},
  author = {Sung-Bin, Kim and Chae-Yeon, Lee and Son, Gihun and Hyun-Bin, Oh and Ju, Janghoon and Nam, \
Suekyeong and Oh, Tae-Hyun},
  booktitle = {Interspeech},
  pages = {1380--1384},
  year = {2024}
}""",
    clips=293_812,
    hours=420,
    rule=RULE,
)
