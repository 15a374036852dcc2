"""Files with lists of clips: CSV, JSON lines and Parquet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hdtf_async.core.exceptions import OptionsError, TableError
from hdtf_async.core.model import Interval
from hdtf_async.core.options import Options
from hdtf_async.dataset import reading
from hdtf_async.dataset.clip_lists import read

if TYPE_CHECKING:
    from pathlib import Path

ID = "M2Ohb0FAaJU"
ROW = {"video": ID, "start": "1.5", "end": "3", "caption": 'says "a, b"\nand c'}


def _written(directory: Path, name: str, text: str | bytes) -> Path:
    path = directory / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", f'video,start,end,caption\n{ID},1.5,3,"says ""a, b""\nand c"\n'),
        ("a.CSV", f'\ufeffvideo, start ,end,caption\r\n\r\n{ID},1.5,3,"says ""a, b""\nand c"\r\n'),
        ("a.tsv", f'caption\tend\tstart\tvideo\n"says ""a, b""\nand c"\t3\t1.5\t{ID}'),
        ("a.jsonl", json.dumps(ROW) + "\n\n"),
        ("a.ndjson", json.dumps(ROW | {"start": 1.5, "end": 3})),
    ],
)
def test_all_formats_contain_the_same_clip(tmp_path: Path, name: str, text: str) -> None:
    """With quotes, line ends in cells, a byte order mark, empty lines, and columns in any order."""
    tables = read(_written(tmp_path, name, text))
    (clip,) = tables.clips
    assert (clip.stem, clip.interval, tables.findings) == (f"{ID}_000", Interval(1.5, 3), ())
    assert clip.annotation is not None
    assert json.loads(clip.annotation.extra or "") == {"caption": ROW["caption"]}
    assert tables.source is not None
    assert tables.source.title == name


@pytest.mark.datasets
def test_a_parquet_file_contains_the_same_clips(tmp_path: Path) -> None:
    """Numbers and missing values as that format has them."""
    import pyarrow as pa  # noqa: PLC0415 - an optional dependency
    from pyarrow import parquet  # noqa: PLC0415

    table = pa.table({"video": [ID, ID], "start": [1.5, 4.0], "end": [3, 5], "speaker": ["id1", None]})
    parquet.write_table(table, tmp_path / "a.parquet")
    clips = read(tmp_path / "a.parquet").clips
    assert [clip.interval for clip in clips] == [Interval(1.5, 3), Interval(4, 5)]
    assert [clip.annotation and clip.annotation.speaker for clip in clips] == ["id1", None]
    with pytest.raises(TableError, match=r"^b\.parquet: cannot read"):
        read(_written(tmp_path, "b.parquet", b"PAR1 no"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "a.csv: empty; expected a header with video, start, end"),
        (
            "a.csv",
            "video,strt,end\n",
            "the header has no column start; required are video, start, end; rename",
        ),
        (
            "a.csv",
            "video;start;end\n",
            "the header is 'video;start;end'; separate columns by commas",
        ),
        ("a.csv", "video,start,end,end\n", "the header contains 'end' twice"),
        ("a.csv", f"video,start,end\n{ID},1\n", "a.csv:2: 2 cells, but the header has 3 columns"),
        ("a.csv", f'video,start,end\n{ID},1,2\n{ID},"1,2\n', "a.csv:3: invalid CSV"),
        ("a.csv", b"video,start,end\n\xff,1,2\n", "is not UTF-8"),
        ("a.csv", "video,start,end\n" + "x" * (1 << 21), "longer than 1048576 characters"),
        ("a.jsonl", '{"video": 1}\n{"video"', "a.jsonl:2: invalid JSON"),
        ("a.jsonl", "[1]\n", "a.jsonl:1: expected a JSON object"),
        ("a.jsonl", "[" * 100_000 + "\n", "a.jsonl:1: invalid JSON"),
        ("a.jsonl", '{"video": 1, "start": 2, "video": 3}\n', "a.jsonl:1: the object contains 'video' twice"),
        ("a.jsonl", '{"video": 1, "Start": 2, "start": 3}\n', "a.jsonl:1: the object contains 'start' twice"),
        ("a.jsonl", '{"video": 1, "more": {"a": 1, "a": 2}}\n', "a.jsonl:1: the object contains 'a' twice"),
        ("a.jsonl", "\n", "a.jsonl: contains no clips"),
        ("a.csv", "video,start,end\n", "a.csv: contains no clips"),
        ("a.csv", "video,start,Start,end\n", "the header contains 'start' twice"),
        ("a.csv", "video,start,end\n".encode("utf-16"), "a.csv:1: this UTF-16 file is not UTF-8; save it as"),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_its_line(
    tmp_path: Path, name: str, text: str | bytes, message: str
) -> None:
    """Before anything is downloaded."""
    with pytest.raises(TableError) as caught:
        read(_written(tmp_path, name, text))
    assert message in str(caught.value)


def test_a_missing_file_and_an_unknown_extension_are_refused(tmp_path: Path) -> None:
    """With what is accepted."""
    with pytest.raises(TableError, match=r"none\.csv: no such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(OptionsError, match=r"--clips: expected a file named \*\.csv, \*\.tsv"):
        read(tmp_path / "a.xlsx")


def test_a_misspelt_optional_column_is_reported(tmp_path: Path) -> None:
    """It is only recorded, which its author may not have meant."""
    for name, text in (
        ("a.csv", f"video,start,end,Speakr\n{ID},1,2,x\n"),
        ("a.jsonl", json.dumps({"video": ID, "start": 1, "end": 2, "Speakr": "x"})),
    ):
        (finding,) = read(_written(tmp_path, name, text)).findings
        assert (finding.line, finding.words) == (1, "column 'Speakr' is only recorded; did you mean speaker?")


def test_a_row_without_a_video_is_skipped_with_its_line(tmp_path: Path) -> None:
    """The others are used; a cell with a line end counts as several lines."""
    text = f'video,start,end,note\n{ID},1,2,"a\nb"\nx,1,2,\n{ID},3,4,\n'
    tables = read(_written(tmp_path, "a.csv", text))
    assert [clip.stem for clip in tables.clips] == [f"{ID}_000", f"{ID}_001"]
    assert [(finding.file, finding.line, finding.code) for finding in tables.findings] == [
        ("a.csv", 4, "bad_video")
    ]


def test_options_name_one_list_only(tmp_path: Path) -> None:
    """A list of clips, or a dataset with its source; subsets of HDTF are checked, others are not."""
    clips = _written(tmp_path, "a.csv", f"video,start,end,subset\n{ID},1,2,mine\n")
    assert len(reading.read(Options(clips=clips, subsets="mine")).clips) == 1
    for wrong in ({"source": tmp_path}, {"dataset": "celebv-hq"}):
        with pytest.raises(OptionsError, match="--clips: omit --source and --dataset"):
            Options(clips=clips, **wrong)
    with pytest.raises(OptionsError, match=r"--subset .*: expected one or more of RD, WDA, WRA.*got mine"):
        Options(subsets="mine")
    with pytest.raises(OptionsError, match="omit it if the clips are passed"):
        reading.read(Options(clips=clips), [])
    with pytest.raises(
        OptionsError, match=r"--dataset: expected one of .*hdtf.*did you mean hdtf.*got hdtff"
    ):
        reading.read(Options(dataset="hdtff"))


def test_case_does_not_count_in_the_names_of_columns(tmp_path: Path) -> None:
    """In files, which spreadsheets may have written."""
    for name, text in (
        ("a.csv", f"Video,START,End,Speaker,Note\n{ID},1,2,anna,x\n"),
        ("a.jsonl", json.dumps({"Video": ID, "START": 1, "End": 2, "Speaker": "anna", "Note": "x"})),
    ):
        tables = read(_written(tmp_path, name, text))
        (annotation,) = [clip.annotation for clip in tables.clips]
        assert annotation is not None
        assert (annotation.speaker, annotation.extra, tables.findings) == ("anna", '{"Note":"x"}', ())


def test_a_number_of_any_length_skips_its_row_only(tmp_path: Path) -> None:
    """Python does not convert integers of thousands of digits."""
    text = (
        f'{{"video": "{ID}", "start": {"9" * 6000}, "end": 2}}\n{{"video": "{ID}", "start": 1, "end": 2}}\n'
    )
    tables = read(_written(tmp_path, "a.jsonl", text))
    assert [clip.interval for clip in tables.clips] == [Interval(1, 2)]
    assert [(finding.line, finding.code) for finding in tables.findings] == [(1, "bad_start")]


def test_only_hdtf_has_corrections(tmp_path: Path) -> None:
    """So they are no option of another list, which would be recorded without an effect."""
    clips = _written(tmp_path, "a.csv", f"video,start,end\n{ID},1,2\n")
    for wrong in ({"clips": clips}, {"dataset": "voxceleb1", "source": clips}):
        with pytest.raises(OptionsError, match="--corrections: omit it"):
            Options(corrections="none", **wrong)
    with pytest.raises(OptionsError, match="--corrections: omit it"):
        reading.read(Options(corrections="none"), [])


def test_columns_called_line_and_extra_are_recorded(tmp_path: Path) -> None:
    """Any column that is not interpreted is."""
    text = f"video,start,end,line,extra\n{ID},1,2,hello,kept\n"
    (clip,) = read(_written(tmp_path, "a.csv", text)).clips
    assert clip.annotation is not None
    assert json.loads(clip.annotation.extra or "") == {"line": "hello", "extra": "kept"}
