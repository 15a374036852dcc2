"""TalkVid: one JSON array, with times, a description and quality scores of each clip, and no box.

Read in https://github.com/FreedomIntelligence/TalkVid: the form of the file, the licence, the hours and the
citation in README.md; which columns count in data_pipeline/0_video_download/download_clips.py: it cuts by
``start-time`` and ``end-time``. The frame numbers do not agree with the times (in the example of README.md
frame 0 is at 0.1 s) and are only recorded. A clip that starts at 0, which their program skips, is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.datasets import Dataset
from hdtf_async.dataset.json_entries import entries
from hdtf_async.dataset.reader_tools import clip_name, part, without

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hdtf_async.dataset.fields import Findings


def rows(source: Path, _findings: Findings) -> Iterator[ClipRow]:
    """Yield the clips of TalkVid's JSON file. Raises `TableError`."""
    for number, (_, entry) in enumerate(entries(source, source.name), start=1):
        members, info = without(entry), part(entry, "info")
        video = info.get("Video Link") or info.get("video_link", "")
        yield ClipRow(
            video=video,
            start=members.get("start-time", members.get("start", "")),
            end=members.get("end-time", members.get("end", "")),
            name=clip_name(members.get("id")),
            speaker=info.get("Person ID"),
            extra=without(entry, "id", "start-time", "end-time", "info")
            | without(info, "Video Link", "video_link", "Person ID"),
            line=number,
        )


TALKVID = Dataset(
    name="talkvid",
    title="TalkVid",
    rows=rows,
    bring="the JSON file of https://huggingface.co/datasets/FreedomIntelligence/TalkVid",
    licence="CC BY-NC 4.0",
    citation="""\
@misc{chen2025talkvidlargescalediversifieddataset,
  title = {{TalkVid}: A Large-Scale Diversified Dataset for Audio-Driven Talking Head Synthesis},
  author = {Shunian Chen and Hejin Huang and Yexin Liu and Zihan Ye and Pengcheng Chen and Chenghao Zhu and \
Michael Guan and Rongsheng Wang and Junying Chen and Guanbin Li and Ser-Nam Lim and Harry Yang and Benyou \
Wang},
  year = {2025},
  eprint = {2508.13618},
  archivePrefix = {arXiv},
  primaryClass = {cs.CV},
  url = {https://arxiv.org/abs/2508.13618}
}""",
    hours=1244,
    rule="no box: the whole frame, or --crop face",
)
