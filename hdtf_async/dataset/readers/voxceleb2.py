"""VoxCeleb2: one text file per utterance, with a normalised face box for each frame.

Read in https://github.com/AliaksandrSiarohin/video-preprocessing (crop_vox.py): the files have six lines of
header, frame numbers count at 25 fps from 0, and in VoxCeleb2 x, y, width and height are fractions of the
frame; in VoxCeleb1 they are pixels at a height of 360. Utterances and hours: arXiv 1806.05622.
Licence and origin: as several public repositories quote the page of the dataset.

The authors publish cropped videos and no code for it, so the box is not enlarged or made square. It is the
union of all frames' boxes: the clip does not follow the face. ``CLIP.track.json`` contains all boxes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hdtf_async.dataset import face_tracks
from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.datasets import Dataset
from hdtf_async.dataset.reader_tools import clip_name, one_per_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hdtf_async.dataset.fields import Findings

EXPECTED = "the directory txt of vox2_dev_txt.zip, with txt/id00012/VIDEO/00001.txt and so on"


def rows(source: Path, findings: Findings) -> Iterator[ClipRow]:
    """Return the utterances of a directory. Raises `TableError` if it has none."""
    return one_per_file(source, EXPECTED, _row, findings)


def _row(path: Path, name: str, number: int) -> ClipRow:
    found = face_tracks.read(path, name)
    identity, video = found.header.pop("identity", ""), found.header.pop("reference", "")
    left, top, right, bottom = found.union
    return ClipRow(
        video=video,
        start=found.frames[0][0],
        end=found.frames[-1][0],
        unit="frame",
        fps=face_tracks.FPS,
        end_inclusive=True,
        left=left,
        top=top,
        right=right,
        bottom=bottom,
        box_unit="norm",
        name=clip_name(f"{identity}_{video}_{path.stem}"),
        speaker=identity,
        extra={"track": name, **found.header},
        line=number,
    )


def track(source: Path, extra: Mapping[str, Any]) -> dict[str, object] | None:
    """Return the boxes of all frames of an utterance; None without `extra.track`. Raises `TableError`."""
    if "track" not in extra:
        return None
    name = f"{extra['track']}"
    frames = face_tracks.read(source / name, name).frames
    return {"fps": face_tracks.FPS, "box_unit": "norm", "columns": face_tracks.COLUMNS, "frames": frames}


VOXCELEB2 = Dataset(
    name="voxceleb2",
    title="VoxCeleb2",
    rows=rows,
    track=track,
    bring=f"{EXPECTED}, from https://mm.kaist.ac.kr/datasets/voxceleb/",
    licence="CC BY 4.0 according to https://mm.kaist.ac.kr/datasets/voxceleb/; others state CC BY-SA",
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
