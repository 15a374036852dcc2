"""The readers of other datasets: small lists with every trap, against what the authors' own code does.

The functions that begin with ``as_`` are transcriptions of the code that each reader's docstring names.
"""

from __future__ import annotations

import json
from fractions import Fraction
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pytest
import readme

from hdtf_async.core.exceptions import OptionsError, TableError
from hdtf_async.core.model import Corrections, Severity
from hdtf_async.dataset import datasets, geometry, json_entries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hdtf_async.core.model import Clip, Tables

SIZES = ((1920, 1080), (1280, 720), (854, 480))
"""Sizes of source videos at which windows are compared."""
Edges = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def read(name: str, source: Path) -> Tables:
    """Read a list as the command line does."""
    return datasets.find(name).read(source, Corrections.VERIFIED)


def written(path: Path, value: object) -> Path:
    """Write JSON as the authors do: on one line."""
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def by_name(tables: Tables) -> dict[str, Clip]:
    """Return the clips by the name of their file."""
    return {clip.stem: clip for clip in tables.clips}


def found(tables: Tables) -> list[tuple[str, int, str, str]]:
    """Return file, line, severity and code of each finding."""
    return [(each.file, each.line, each.severity.value, each.code) for each in tables.findings]


def extra(clip: Clip) -> dict[str, Any]:
    """Return the further columns of a clip."""
    assert clip.annotation is not None
    assert clip.annotation.extra is not None
    columns: dict[str, Any] = json.loads(clip.annotation.extra)
    return columns


def seconds(clip: Clip) -> tuple[float, float]:
    """Return start and end."""
    return clip.interval.start, clip.interval.end


def edges(clip: Clip, size: tuple[int, int]) -> Edges:
    """Return the window of a clip in a source video."""
    box = geometry.window(clip, *size)
    return box.left, box.top, box.right, box.bottom


# CelebV-HQ, CelebV-Text and MultiTalk: one form


def entry(
    youtube_id: str, bbox: object = None, *, key: str = "ytb_id", start: object = 81.62, **more: object
) -> dict[str, object]:
    """Return a clip of these files; by default the first one that CelebV-HQ's README shows."""
    return {
        key: youtube_id,
        "duration": {"start_sec": start, "end_sec": 86.17},
        "bbox": {"top": 0.0, "bottom": 0.8815, "left": 0.1964, "right": 0.6922} if bbox is None else bbox,
        **more,
    }


def as_celebv_hq(bbox: Mapping[str, float], width: int, height: int) -> Edges:
    """download_and_process.py: expand, denorm, to_square."""
    ratio = 0.02
    top, bottom = max(bbox["top"] - ratio, 0), min(bbox["bottom"] + ratio, 1)
    left, right = max(bbox["left"] - ratio, 0), min(bbox["right"] + ratio, 1)
    top, bottom = round(top * height), round(bottom * height)
    left, right = round(left * width), round(right * width)
    half = min(bottom - top, right - left) // 2
    down, across = (top + bottom) / 2, (left + right) / 2
    return across - half, down - half, across + half, down + half


BOXES = (
    {"top": 0.0, "bottom": 0.8815, "left": 0.1964, "right": 0.6922},
    {"top": 0.0389, "bottom": 0.4352, "left": 0.3292, "right": 0.6125},
    {"top": 0, "bottom": 0.8407, "left": 0.5271, "right": 1.0},  # at two edges of the frame
)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bbox", BOXES)
@pytest.mark.parametrize("name", ["celebv-hq", "celebv-text", "multitalk"])
def test_a_normalised_box_is_placed_as_by_the_authors(
    name: str, bbox: dict[str, float], size: tuple[int, int], tmp_path: Path
) -> None:
    """Enlarged by a fraction of the frame, then a square. Only its offset is rounded to an even number."""
    clips: dict[str, object] = {"M2Ohb0FAaJU_1": entry("M2Ohb0FAaJU", bbox)}
    value = clips if name == "multitalk" else {"clips": clips}
    (clip,) = read(name, written(tmp_path / "list.json", value)).clips
    window = geometry.window(clip, *size)
    assert window.width == window.height
    expected = as_celebv_hq(bbox, *size)
    assert window.width == expected[2] - expected[0]
    assert edges(clip, size) == pytest.approx(expected, abs=1)


ATTRIBUTES = {"appearance": [0, 1], "emotion": {"sep_flag": False, "labels": "neutral"}}


def test_celebv_hq(tmp_path: Path) -> None:
    """Attributes are kept; each invalid entry is a finding with its number, and the others are read."""
    clips = {
        "M2Ohb0FAaJU_1": entry("M2Ohb0FAaJU", attributes=ATTRIBUTES, version="v0.1"),
        "_0tf2n3rlJU_0": entry("_0tf2n3rlJU", start=0),  # no name of a file; the start is falsy
        "no_id": {"duration": {"start_sec": 1, "end_sec": 2}, "bbox": BOXES[0]},
        "aaaaaaaaaaa_0": entry("aaaaaaaaaaa", {"top": 0, "bottom": 1, "left": 0}),
        "aaaaaaaaaaa_1": entry("aaaaaaaaaaa", {}),
        "aaaaaaaaaaa_2": entry("aaaaaaaaaaa", start="soon"),
        "aaaaaaaaaaa_3": "no object",
        "bbbbbbbbbbb_0": entry("bbbbbbbbbbb", {"top": -0.2, "bottom": 0.5, "left": 0.5, "right": 1.2}),
    }
    path = written(
        tmp_path / "celebvhq_info.json", {"meta_info": {"appearance_mapping": ["Male"]}, "clips": clips}
    )
    tables = read("celebv-hq", path)
    named = by_name(tables)
    assert list(named) == ["M2Ohb0FAaJU_1", "id_0tf2n3rlJU_0", "bbbbbbbbbbb_0"]
    assert seconds(named["M2Ohb0FAaJU_1"]) == (81.62, 86.17)
    assert seconds(named["id_0tf2n3rlJU_0"]) == (0, 86.17)
    assert extra(named["M2Ohb0FAaJU_1"]) == {
        "attributes": ATTRIBUTES | {"emotion": {"sep_flag": False, "labels": [{"emotion": "neutral"}]}},
        "version": "v0.1",
    }  # fmt: skip
    assert found(tables) == [
        (path.name, 3, "error", "bad_video"),
        (path.name, 4, "error", "bad_right"),
        (path.name, 5, "error", "bad_left"),
        (path.name, 6, "error", "bad_start"),
        (path.name, 7, "error", "bad_video"),
        (path.name, 8, "note", "box_clipped"),
    ]
    assert tables.source is not None
    assert (tables.source.title, tables.source.licence) == ("CelebV-HQ", "non-commercial research only")


def test_celebv_text_has_boxes_in_pixels_of_an_unknown_size(tmp_path: Path) -> None:
    """Such clips are whole frames, with one finding and the box as a further column; README.md's rows."""
    clips = {
        "0-5BrmyFsYM_0": entry("0-5BrmyFsYM", {"top": 0, "bottom": 937, "left": 849, "right": 1872}),
        "00-30GQl0TM_6": entry("00-30GQl0TM", {"top": 0, "bottom": 1183, "left": 665, "right": 1956}),
        "00-30GQl0TM_7": {"ytb_id": "00-30GQl0TM", "duration": {"start_frame": 415.29, "end_frame": 420.88}},
    }
    tables = read("celebv-text", written(tmp_path / "celebvtext_info.json", {"clips": clips}))
    assert list(by_name(tables)) == ["0-5BrmyFsYM_0", "00-30GQl0TM_6"]
    assert [edges(clip, (1280, 720)) for clip in tables.clips] == [(0, 0, 1280, 720)] * 2
    assert extra(tables.clips[0]) == {"bbox_pixels": {"top": 0, "bottom": 937, "left": 849, "right": 1872}}
    assert [code for *_, code in found(tables)] == ["box_without_size", "bad_start"]


def test_multitalk_has_a_file_per_language(tmp_path: Path) -> None:
    """One video in two languages has two names; a file of one language is read alone, too."""
    annotations = tmp_path / "annotations"
    annotations.mkdir()
    czech = entry("QrDZjUeiUwc", key="youtube_id", language="czech", transcript="já jsem")
    written(annotations / "czech.json", {"QrDZjUeiUwc_0": czech})
    written(annotations / "thai.json", {"QrDZjUeiUwc_0": entry("QrDZjUeiUwc", language="thai")})
    tables = read("multitalk", annotations)
    assert list(by_name(tables)) == ["czech_QrDZjUeiUwc_0", "thai_QrDZjUeiUwc_0"]
    assert extra(tables.clips[0]) == {"language": "czech", "transcript": "já jsem"}
    assert len(tables.videos) == 1
    assert by_name(read("multitalk", annotations / "thai.json")).keys() == {"thai_QrDZjUeiUwc_0"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(TableError, match=r"no \.json file"):
        read("multitalk", tmp_path / "empty")


# VoxCeleb1

VOX = """\
video_id,start,end,bbox,fps,width,height,partition,person_id
WMh3ye5tBsE,3657,3994,624-48-1018-553,25,1280,720,train,id10005
-Mh3ye5tBsE,60,737,303-18-573-326,25,640,352,test,id10270
DtdEYdViWdw,66,172,389-0-956-776,25,1280,720,train,id10001
6WxS8rpNjmk#id10004,10613,10841,267-18-547-336,29.97,640,356,train,
6WxS8rpNjmk,1,2,267-18-547,25,640,356,train,id10004
6WxS8rpNjmk,2,2,267-18-547-336,25,640,356,train,id10004

WMh3ye5tBsE,3657,3994,624-48-1018-553,25,1280,720,test,id10005
"""


def as_video_preprocessing(bbox: str, reference: tuple[int, int], size: tuple[int, int]) -> Edges:
    """load_videos.py: x and y are scaled separately; slices end with the frame."""
    left, top, right, bot = map(int, bbox.split("-"))
    left, right = (int(x / (reference[0] / size[0])) for x in (left, right))
    top, bot = (int(y / (reference[1] / size[1])) for y in (top, bot))
    return left, top, min(right, size[0]), min(bot, size[1])


@pytest.mark.parametrize("size", [*SIZES, (640, 352)])
def test_voxceleb1_boxes_are_placed_as_by_the_authors(size: tuple[int, int], tmp_path: Path) -> None:
    """Not square, and x and y with their own scale; a box beyond the frame ends with it."""
    path = tmp_path / "vox-metadata.csv"
    path.write_text(VOX)
    clips = read("voxceleb1", path).clips
    rows: Sequence[tuple[str, tuple[int, int]]] = (
        ("624-48-1018-553", (1280, 720)), ("303-18-573-326", (640, 352)), ("389-0-956-776", (1280, 720)),
        ("267-18-547-336", (640, 356)),
    )  # fmt: skip
    for clip, (bbox, reference) in zip(clips, rows, strict=True):
        expected = as_video_preprocessing(bbox, reference, size)
        # Edges are even here, and theirs are rounded down.
        assert edges(clip, size) == pytest.approx(expected, abs=1)


def test_voxceleb1(tmp_path: Path) -> None:
    """Frame numbers at the row's rate, person and side; ids with a hyphen or a person; invalid rows."""
    path = tmp_path / "vox-metadata.csv"
    path.write_text(VOX)
    tables = read("voxceleb1", path)
    named = by_name(tables)
    assert list(named) == [
        "id10005_WMh3ye5tBsE_003657_003994", "id10270_-Mh3ye5tBsE_000060_000737",
        "id10001_DtdEYdViWdw_000066_000172", "id10004_6WxS8rpNjmk_010613_010841",
    ]  # fmt: skip
    assert seconds(tables.clips[0]) == (3657 / 25, 3994 / 25)
    assert [clip.interval.rate for clip in tables.clips[2:]] == [25, Fraction(30000, 1001)]
    assert seconds(tables.clips[3])[0] == pytest.approx(10613 * 1001 / 30000)
    notes = [clip.annotation for clip in tables.clips]
    assert [note and (note.speaker, note.split) for note in notes] == [
        ("id10005", "train"), ("id10270", "test"), ("id10001", "train"), ("id10004", "train"),
    ]  # fmt: skip
    assert found(tables) == [
        (path.name, 4, "note", "box_clipped"),
        (path.name, 6, "error", "bad_left"),
        (path.name, 7, "error", "bad_end"),
        (path.name, 9, "note", "repeated_row"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "empty"),
        ("video_id,start\n", 1, "no column end"),
        ("video_id,start,end,bbox,fps,width,height\na,b\n", 2, "2 cells, expected 7"),
    ],
)
def test_another_file_than_voxceleb1s_is_an_error(text: str, line: int, message: str, tmp_path: Path) -> None:
    """It names the line."""
    path = tmp_path / "vox-metadata.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=message) as raised:
        read("voxceleb1", path)
    assert raised.value.line == line


# VoxCeleb2

UTTERANCE = """\
Identity  : \tid00012
Reference : \t_raOc3-IRsw
Offset    : \t2
FV Conf   : \t20.230\t(1)
ASD Conf  : \t2.765

FRAME \tX \tY \tW \tH
000349 \t0.319 \t0.067 \t0.424 \t0.753
000350 \t0.331 \t0.050 \t0.424 \t0.753
000352 \t0.300 \t0.067 \t0.424 \t0.753
"""
TRACK = ((0.319, 0.067, 0.424, 0.753), (0.331, 0.050, 0.424, 0.753), (0.300, 0.067, 0.424, 0.753))


@pytest.mark.parametrize("size", SIZES)
def test_the_box_of_voxceleb2_is_the_union_of_its_frames(size: tuple[int, int], tmp_path: Path) -> None:
    """crop_vox.py: fractions of the frame, then `join` over the frames."""
    (tmp_path / "txt").mkdir()
    (tmp_path / "txt" / "00001.txt").write_text(UTTERANCE)
    (clip,) = read("voxceleb2", tmp_path / "txt").clips
    width, height = size
    boxes = [(x * width, y * height, (x + w) * width, (y + h) * height) for x, y, w, h in TRACK]
    union = tuple(pick(box[side] for box in boxes) for side, pick in enumerate((min, min, max, max)))
    assert edges(clip, size) == pytest.approx(union, abs=1)


def test_voxceleb2(tmp_path: Path) -> None:
    """Files are read in the order of their names; a damaged one is a finding with its name and line."""
    txt = tmp_path / "txt"
    texts = {
        "id00012/_raOc3-IRsw/00110.txt": UTTERANCE,
        "id00012/_raOc3-IRsw/00002.txt": UTTERANCE,
        "id00013/_raOc3-IRsw/pixels.txt": UTTERANCE.replace("0.424", "130"),
        "id00013/_raOc3-IRsw/short.txt": UTTERANCE.split("FRAME", maxsplit=1)[0],
        "id00013/_raOc3-IRsw/torn.txt": UTTERANCE[:-20],
        "id00013/_raOc3-IRsw/back.txt": UTTERANCE.replace("000352", "000350"),
        "id00013/_raOc3-IRsw/nan.txt": UTTERANCE.replace("0.050", "nan"),
        "id00014/other/00001.txt": UTTERANCE.replace("_raOc3-IRsw", "none").replace("id00012", "id00014"),
        "id00014/other/00002.txt": UTTERANCE.replace("0.753", "0.990"),
        "id00014/other/readme.md": "no utterance",
    }
    for name, text in texts.items():
        (txt / name).parent.mkdir(parents=True, exist_ok=True)
        (txt / name).write_text(text)
    tables = read("voxceleb2", txt)
    assert [clip.stem for clip in tables.clips] == [
        "id00012__raOc3-IRsw_00002", "id00012__raOc3-IRsw_00110",
    ]  # fmt: skip
    first = tables.clips[0]
    assert seconds(first) == (349 / 25, 353 / 25)  # the last frame is part of it
    assert first.annotation is not None
    assert first.annotation.speaker == "id00012"
    assert extra(first) == {
        "track": "id00012/_raOc3-IRsw/00002.txt", "offset": "2", "fv_conf": "20.230 (1)", "asd_conf": "2.765",
    }  # fmt: skip
    skipped = [finding.words for finding in tables.findings if finding.code == "bad_file"]
    where = "id00013/_raOc3-IRsw/"
    pattern = "expected the number of a frame, x, y, width and height; file skipped."
    assert skipped == [
        f"{where}back.txt:10: expected a frame after the one in the line above; file skipped.",
        f"{where}nan.txt:9: {pattern}",
        f"{where}pixels.txt:8: the box is in pixels, as in VoxCeleb1; expected fractions of the frame;"
        " file skipped.",
        f"{where}short.txt: no line of frames; download the file again; file skipped.",
        f"{where}torn.txt:10: {pattern}",
    ]
    assert found(tables) == [
        *(("txt", number, "error", "bad_file") for number in range(3, 8)),
        ("txt", 8, "error", "bad_video"),
        ("txt", 9, "error", "name_collision"),
    ]


def test_a_wrong_directory_has_few_findings(tmp_path: Path) -> None:
    """VoxCeleb1's 150,000 files, whose boxes are in pixels, are not 150,000 findings."""
    for number in range(120):
        (tmp_path / f"{number:03}.txt").write_text(UTTERANCE.replace("0.424", "130"))
    assert len(read("voxceleb2", tmp_path).findings) <= 101


@pytest.mark.parametrize("name", ["voxceleb2", "vfhq"])
def test_a_dataset_of_many_files_needs_their_directory(name: str, tmp_path: Path) -> None:
    """A missing or empty directory, or a file, is an error that says what is expected."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for wrong in ("missing", "empty", "file"):
        with pytest.raises(TableError, match="expected the directory"):
            read(name, tmp_path / wrong)


# VFHQ

CLIP = "H 1080\nW 1920\nFPS 29.97\nLANDMARK 1 2 3\nCROP 501 102 1201 803\n"


def as_vfhq_downloader(size: tuple[int, int]) -> Edges:
    """crop_clips.py of yunyu/vfhq-downloader."""
    width, height = size
    return (
        int(501 / 1920 * width), int(102 / 1080 * height), int(1201 / 1920 * width), int(803 / 1080 * height),
    )  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_vfhq_boxes_are_placed_as_by_a_downloader(size: tuple[int, int], tmp_path: Path) -> None:
    """With a scale of x and one of y, not square."""
    (tmp_path / "Clip+_-91nXXjrVo+P0+C0+F1537-1825.txt").write_text(CLIP)
    (clip,) = read("vfhq", tmp_path).clips
    assert edges(clip, size) == pytest.approx(as_vfhq_downloader(size), abs=1)


def test_vfhq(tmp_path: Path) -> None:
    """Both ends are included, with one finding; colons and other lines do not matter."""
    meta = tmp_path / "meta_info"
    meta.mkdir()
    texts = {
        "Clip+_-91nXXjrVo+P0+C0+F1537-1825": CLIP,
        "Clip+_-91nXXjrVo+P0+C1+F1900-2000": CLIP.replace("FPS", "FPS:").replace("CROP", "CROP:"),
        "Clip+_-91nXXjrVo+P0+C2+F30-20": CLIP,
        "Clip+_-91nXXjrVo+P0+C3+F30-40": CLIP.replace("CROP", "BOX"),
        "Clip+short+P0+C3+F30-40": CLIP,
    }
    for name, text in texts.items():
        (meta / f"{name}.txt").write_text(text)
    tables = read("vfhq", meta)
    assert [clip.stem for clip in tables.clips] == [
        "id_-91nXXjrVo_P0_C0_F1537-1825", "id_-91nXXjrVo_P0_C1_F1900-2000",
    ]  # fmt: skip
    rate = Fraction(30000, 1001)
    assert seconds(tables.clips[0]) == (float(1537 / rate), float(1826 / rate))
    assert found(tables) == [
        ("meta_info", 0, "note", "end_inclusive"),
        ("meta_info", 3, "error", "bad_end"),
        ("meta_info", 4, "error", "bad_file"),
        ("meta_info", 5, "error", "bad_file"),
    ]


# TalkVid and AVSpeech: no boxes


def test_talkvid(tmp_path: Path) -> None:
    """Times count, and not the frame numbers, which do not agree with them; a start of 0 is one."""
    info = {
        "Person ID": "597",
        "Video Link": "https://www.youtube.com/watch?v=Tr6MMsoWAog",
        "Language": "English",
    }
    first = {
        "id": "videovideoTr6MMsoWAog-scene1-scene1", "height": 1080, "width": 1920, "fps": 24.0,
        "start-time": 0.1, "start-frame": 0, "end-time": 5.141666666666667, "end-frame": 121,
        "info": info, "description": "A man \u201cspeaks\u201d.", "dover_scores": 8.9,
    }  # fmt: skip
    least = {
        "info": {"Video Link": "https://www.youtube.com/watch?v=VIDEO_ID_01"},
        "start-time": 0,
        "end-time": 3,
    }
    path = written(tmp_path / "clips.json", [first, least, {"info": {}}, 5])
    tables = read("talkvid", path)
    assert [clip.stem for clip in tables.clips] == ["videovideoTr6MMsoWAog-scene1-scene1", "VIDEO_ID_01_000"]
    assert [seconds(clip) for clip in tables.clips] == [(0.1, 5.141666666666667), (0, 3)]
    assert geometry.window(tables.clips[0], 1920, 1080) == geometry.whole(1920, 1080)
    assert tables.clips[0].annotation is not None
    assert tables.clips[0].annotation.speaker == "597"
    kept = extra(tables.clips[0])
    assert (kept["Language"], kept["description"], kept["end-frame"]) == ("English", "A man “speaks”.", 121)
    assert found(tables) == [(path.name, 3, "error", "bad_video"), (path.name, 4, "error", "bad_video")]


def test_avspeech(tmp_path: Path) -> None:
    """No header; the point of the face is kept, and the file's name is the side of the split."""
    path = tmp_path / "avspeech_test.csv"
    path.write_text(
        "-5TSkPJQgmE,90.000000,93.666667,0.457813,0.187500\n\nAAAAAAAAAAA,1,4,1.000000,0\nBBBBBBBBBBB,2,1,0,0\n"
    )
    tables = read("avspeech", path)
    assert [clip.stem for clip in tables.clips] == ["id-5TSkPJQgmE_000", "AAAAAAAAAAA_000"]
    assert seconds(tables.clips[0]) == (90, 93.666667)
    notes = [clip.annotation for clip in tables.clips]
    assert [note and (note.point, note.split) for note in notes] == [
        ((0.457813, 0.1875), "test"), ((1, 0), "test"),
    ]  # fmt: skip
    assert geometry.window(tables.clips[0], 640, 360) == geometry.whole(640, 360)
    assert found(tables) == [(path.name, 4, "error", "bad_end")]
    path.write_text("AAAAAAAAAAA,1,4\n")
    with pytest.raises(TableError, match="3 cells"):
        read("avspeech", path)


# All


def test_talkinghead_1kh_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Whatever the list, because the same frames cannot be found."""
    with pytest.raises(
        OptionsError, match="--dataset talkinghead-1kh: its intervals are frame numbers within"
    ):
        read("talkinghead-1kh", tmp_path)


def test_every_dataset_but_hdtf_needs_a_source() -> None:
    """The error says what to bring."""
    for dataset in datasets.installed():
        if dataset.rows is not None:
            with pytest.raises(OptionsError, match="requires --source PATH: "):
                dataset.read(None, Corrections.VERIFIED)


def test_every_dataset_has_licence_citation_and_origin() -> None:
    """A citation is a complete BibTeX entry, and the list's origin is an address."""
    names = [dataset.name for dataset in datasets.installed()]
    assert names[0] == "hdtf"
    assert {
        "celebv-hq",
        "celebv-text",
        "multitalk",
        "voxceleb1",
        "voxceleb2",
        "vfhq",
        "talkvid",
        "avspeech",
    } <= {*names}
    for dataset in datasets.installed():
        assert dataset.licence
        assert dataset.citation.startswith("@")
        assert dataset.citation.count("{") == dataset.citation.count("}") > 4
        assert "https://" in dataset.bring or dataset.refusal
        assert dataset.rule or dataset.refusal


def test_a_dataset_that_cannot_be_loaded_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of another package may be; its own name says why."""
    broken = [EntryPoint("broken", "no.such.module:NAME", datasets.GROUP)]
    broken += [EntryPoint("wrong", "json:dumps", datasets.GROUP)]
    everything = [*entry_points(group=datasets.GROUP), *broken]
    monkeypatch.setattr(datasets, "entry_points", lambda group: everything)  # noqa: ARG005
    found = {each.name: each for each in datasets.installed()}
    assert {"hdtf", "voxceleb1", "broken", "wrong"} <= {*found}
    assert "cannot load no.such.module:NAME: ModuleNotFoundError" in found["broken"].refusal
    assert "json:dumps is not a Dataset" in found["wrong"].refusal
    with pytest.raises(OptionsError, match="cannot load"):
        datasets.find("broken")


def test_a_name_in_capitals_and_an_old_installation_get_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points are those of the installation, which an editable one may not have renewed."""
    with pytest.raises(OptionsError, match=r"did you mean voxceleb1\? \(got VoxCeleb1\)"):
        datasets.find("VoxCeleb1")
    monkeypatch.setattr(datasets, "entry_points", lambda group: [])  # noqa: ARG005
    with pytest.raises(OptionsError, match=r"run pip install \."):
        datasets.find("hdtf")


def test_readers_are_short() -> None:
    """At most 100 lines each, as a model for others."""
    for path in (readme.ROOT / "hdtf_async" / "dataset" / "readers").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 100, path.name


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"clips": {"M2Ohb0FAaJU_1": {"ytb_id": "M2Ohb', 1),  # an incomplete download
        ('{"meta_info": {},\n "other": {}}', 2),
        ('{"clips": {"a": {} "b": {}}}', 1),
        ('{"clips":\n {"a": {},\n 5: {}}}', 3),
        ('{"clips": 5}', 1),
        ("[]", 1),
        ("", 1),
        ("<html>", 1),
    ],
)
def test_damaged_json_is_an_error_with_its_line(text: str, line: int, tmp_path: Path) -> None:
    """And with what to do."""
    path = tmp_path / "celebvhq_info.json"
    path.write_text(text)
    with pytest.raises(TableError, match="download the file again") as raised:
        read("celebv-hq", path)
    assert (raised.value.file, raised.value.line) == (path.name, line)


def test_json_in_another_encoding_or_none_is_an_error(tmp_path: Path) -> None:
    """So is a directory in place of the file."""
    path = tmp_path / "celebvhq_info.json"
    path.write_bytes('{"clips": {"a": "é"}}'.encode("latin-1"))
    with pytest.raises(TableError, match="not UTF-8"):
        read("celebv-hq", path)
    with pytest.raises(TableError, match="not a regular file"):
        read("celebv-hq", tmp_path)
    with pytest.raises(TableError, match="not a regular file"):
        read("celebv-hq", tmp_path / "missing")


@pytest.mark.parametrize("block", [1, 2, 7, 4096])
def test_json_is_the_same_in_blocks_of_any_size(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text, numbers and escapes may be split anywhere."""
    monkeypatch.setattr(json_entries, "_BLOCK", block)
    value = {
        "skipped": [12345, {"clips": 1}],
        "clips": {"a \u00e9\\": {"b": [1.5e3, "}"]}, "": -123, "z": None},
    }
    path = tmp_path / "list.json"
    path.write_text("\ufeff" + json.dumps(value, indent=1), encoding="utf-8")
    assert dict(json_entries.entries(path, path.name, under="clips")) == value["clips"]
    assert dict(json_entries.entries(path, path.name)) == value
    written(path, [1234, "x", {}])
    assert [each for _, each in json_entries.entries(path, path.name)] == [1234, "x", {}]


def test_an_entry_of_json_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quotation mark that is missing does not read the whole file into memory."""
    monkeypatch.setattr(json_entries, "LONGEST_ENTRY", 1000)
    monkeypatch.setattr(json_entries, "_BLOCK", 100)
    path = tmp_path / "list.json"
    path.write_text('{"a": "' + "x" * 5000)
    with pytest.raises(TableError, match="longer than 1000"):
        list(json_entries.entries(path, path.name))


def test_severities_of_skipped_rows(tmp_path: Path) -> None:
    """Only notes are about clips that exist."""
    path = tmp_path / "vox-metadata.csv"
    path.write_text(VOX)
    tables = read("voxceleb1", path)
    skipped = sum(each.severity is Severity.ERROR for each in tables.findings)
    assert skipped + len(tables.clips) == 6
