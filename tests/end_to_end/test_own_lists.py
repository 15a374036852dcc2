"""Runs of a user's own list of clips: from a file in each format, and from a program."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import av
import media
import pytest
from shared import QUICK, lines, slow_unless

import hdtf_async
from hdtf_async import ClipRow, ExitCode
from hdtf_async.core.model import Box, Codec, Crop, Fit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared import Finished

RADIO, AUTHOR, SPEAKER, PAINTER = "demoHead_01", "-demoHead_2", "demoHead_03", "demoHead_05"
ROWS: list[dict[str, Any]] = [
    *({"video": RADIO, "start": 0.5 * n, "end": 0.5 * n + 0.4, "caption": f'"{n}", a\nb'}
      for n in range(8)),
    *({"video": f"https://youtu.be/{AUTHOR}", "start": n, "end": n + 0.3, "subset": "mine"}
      for n in range(4)),
    *({"video": SPEAKER, "start": 25 * n, "end": 25 * n + 9, "unit": "frame", "fps": 25,
       "end_inclusive": True, "left": 0.25, "top": 0.1, "right": 0.75, "bottom": 0.7,
       "box_unit": "norm", "square": "min"}
      for n in range(4)),
    *({"video": PAINTER, "start": 30 * n, "end": 30 * n + 12, "unit": "frame", "fps": 29.97,
       "left": 100, "top": 0, "right": 300, "bottom": 352, "ref_width": 640, "ref_height": 352,
       "speaker": "painter", "split": "test", "name": f"painter-{n}"} for n in range(3)),
    {"video": RADIO, "start": 9, "end": 8},
]  # fmt: skip
"""Twenty rows: nineteen clips, and one that does not run forward."""
COLUMNS = list(dict.fromkeys(name for row in ROWS for name in row))


def _write_csv(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(ROWS)


def _write_json_lines(path: Path) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS), encoding="utf-8")


def _write_parquet(path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415 - an optional dependency
    from pyarrow import parquet  # noqa: PLC0415

    table = pa.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in ROWS])
    parquet.write_table(table, path)


def _rows() -> Iterator[ClipRow]:
    for row in ROWS:
        extra = {name: value for name, value in row.items() if name == "caption"}
        yield ClipRow(**{name: value for name, value in row.items() if name != "caption"}, extra=extra)


@pytest.mark.parametrize(
    "parquet", [pytest.param(False, marks=pytest.mark.long), pytest.param(True, marks=pytest.mark.datasets)]
)
async def test_a_list_becomes_the_same_clips_from_each_format(
    finished: Finished, tmp_path: Path, *, parquet: bool
) -> None:
    """Downloaded once through the mock server; the other formats find every clip there already."""
    out = tmp_path / "clips"
    options = replace(finished.options, source=None, **QUICK)
    _write_csv(tmp_path / "list.csv")
    report = await hdtf_async.download(out, replace(options, clips=tmp_path / "list.csv"))
    metadata = {line["file_name"]: line for line in lines(out / "metadata.jsonl")}
    assert (len(report.done), len(metadata)) == (19, 19)
    (failure,) = lines(out / "failures.jsonl")
    # A cell with a line end counts as two lines.
    assert (failure["reason"], failure["file"], failure["line"]) == ("row_refused", "list.csv", 29)
    assert "column end" in failure["words"]
    assert report.exit_code == ExitCode.GIVEN_UP

    first, author = metadata[f"{RADIO}_000.mp4"], metadata[f"mine_id{AUTHOR}_003.mp4"]
    assert (first["extra"], first["subset"], first["box"]) == ({"caption": '"0", a\nb'}, "", None)
    assert (author["subset"], author["start"], author["youtube_id"]) == ("mine", 3.0, AUTHOR)
    framed, painter = metadata[f"{SPEAKER}_003.mp4"], metadata["painter-2.mp4"]
    assert (framed["frames"], framed["annotated_fps"], framed["box_square"]) == (10, "25", "min")
    assert (painter["frames"], painter["speaker"], painter["split"]) == (12, "painter", "test")
    assert (painter["box"], painter["box_reference"]) == ([100, 0, 200, 352], [640, 352])
    # From 640x352 to 1280x720: x by 2, y by 720/352.
    assert painter["box_cut"] == [200, 0, 400, 720]
    assert "list.csv clips" in (out / "README.md").read_text(encoding="utf-8")

    _write_json_lines(tmp_path / "list.jsonl")
    lists: list[dict[str, Any]] = [{"options": replace(options, clips=tmp_path / "list.jsonl")}]
    if parquet:
        _write_parquet(tmp_path / "list.parquet")
        lists.append({"options": replace(options, clips=tmp_path / "list.parquet")})
    lists += [{"options": options, "clips": clips} for clips in (ROWS, _rows())]
    for each in lists:
        report = await hdtf_async.download(out, **each)
        assert (report.there, report.done, report.failed) == (19, [], {})


@pytest.mark.slow
async def test_numbered_frames_of_a_normalised_box_are_cut_exactly(
    finished: Finished, tmp_path: Path
) -> None:
    """Lossless, against frames and box that are computed here; and a repair needs no list."""
    raws = tmp_path / "raws"
    raws.mkdir()
    (raws / f"{RADIO}.mp4").symlink_to(finished.out / "_videos_raw" / "RD_Radio1.mp4")
    row = ClipRow(
        RADIO, 33, 47, unit="frame", fps=25, end_inclusive=True,
        left=0.2, top=0.1, right=0.7, bottom=0.6, box_unit="norm",
    )  # fmt: skip
    options = replace(
        finished.options, source=None, raw_dirs=(raws,), codec=Codec.LOSSLESS, yt_dlp_args=("--never-asked",)
    )
    out = tmp_path / "clips"
    report = await hdtf_async.download(out, options, clips=[row])
    assert report.done == [f"{RADIO}_000"]
    whole = media.digests(
        _copied(finished.out / "_videos_raw" / "RD_Radio1.mp4", tmp_path), Box(256, 72, 640, 360)
    )
    assert media.digests(out / f"{RADIO}_000.mp4") == whole[33:48]

    before = (out / f"{RADIO}_000.mp4").read_bytes()
    (out / f"{RADIO}_000.mp4").write_bytes(before[:-100])
    checked = await hdtf_async.check(out, replace(options, clips=None), repair=True)
    assert (checked.report.done, checked.other_bytes) == ([f"{RADIO}_000"], 0)
    assert (out / f"{RADIO}_000.mp4").read_bytes() == before


def _copied(path: Path, directory: Path) -> Path:
    copy = directory / path.name
    copy.write_bytes(path.read_bytes())
    return copy


def _luma(path: Path) -> list[int]:
    """Return the mean luma of eight columns of the first frame, from left to right."""
    with av.open(str(path)) as clip:
        frame = next(clip.decode(video=0)).reformat(width=8, height=1, format="gray")
    return list(bytes(frame.planes[0])[:8])


@pytest.mark.parametrize(
    ("fit", "size"),
    slow_unless(
        [(Fit.KEEP, (64, 114)), (Fit.SQUEEZE, (64, 64)), (Fit.PAD, (64, 64)), (Fit.CROP, (64, 64))],
        [(Fit.PAD, (64, 64))],
    ),
)
async def test_a_box_of_another_shape_fits_the_size(
    finished: Finished, tmp_path: Path, fit: Fit, size: tuple[int, int]
) -> None:
    """Kept, distorted, with black bars, or cut off."""
    raws = tmp_path / "raws"
    raws.mkdir()
    (raws / f"{RADIO}.mp4").symlink_to(finished.out / "_videos_raw" / "RD_Radio1.mp4")
    row = {"video": RADIO, "start": 1, "end": 1.2, "left": 300, "top": 0, "right": 704, "bottom": 720}
    options = replace(finished.options, source=None, raw_dirs=(raws,), fit=fit, **QUICK)
    report = await hdtf_async.download(tmp_path / "clips", options, clips=[row | {"ref_height": 720}])
    assert report.done == [f"{RADIO}_000"]
    (line,) = lines(tmp_path / "clips" / "metadata.jsonl")
    assert (line["width"], line["height"]) == size
    assert line["box_cut"] == ([300, 158, 404, 404] if fit is Fit.CROP else [300, 0, 404, 720])
    left, _, middle, *_ = _luma(tmp_path / "clips" / f"{RADIO}_000.mp4")
    assert (left <= 20) == (fit is Fit.PAD)
    assert middle > 20


async def test_the_report_names_the_list(finished: Finished, tmp_path: Path) -> None:
    """Not HDTF: in its title and in the paragraph for a paper."""
    raws = tmp_path / "raws"
    raws.mkdir()
    (raws / f"{RADIO}.mp4").symlink_to(finished.out / "_videos_raw" / "RD_Radio1.mp4")
    options = replace(finished.options, source=None, raw_dirs=(raws,), crop=Crop.NONE, **QUICK)
    await hdtf_async.download(tmp_path / "clips", options, clips=[ClipRow(RADIO, 1, 2)])
    page = (tmp_path / "clips" / "report.html").read_text(encoding="utf-8")
    assert "<h1>Clips <span>in clips</span></h1>" in page
    assert "from 1 video of a list of clips, created with" in page
    assert "HDTF" not in page
