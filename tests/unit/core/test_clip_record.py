"""The record of a clip: its columns, whatever a journal contains."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.clip_record import ClipRecord, Column, annotation_to_json, row_to_json
from hdtf_async.core.jsonlines import line
from hdtf_async.core.model import Annotation, Box, Clip, Interval, Region, Square, Video

COLUMNS = [name for name, column in vars(ClipRecord).items() if isinstance(column, Column)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(COLUMNS) | st.text(max_size=5), JSON))
def test_a_record_is_written_as_it_was_read(columns: dict[str, Any]) -> None:
    """With unknown keys, values of any type, and the order of the keys; reading a column never raises."""
    read = json.loads(line(columns))
    record = ClipRecord.from_json(read)
    assert line(record.to_json()) == line(columns)
    for name in COLUMNS:
        value = getattr(record, name)
        # A value that is not a number does not equal itself.
        assert value is None or line(value) == line(read[name]) or isinstance(value, Box | dict)


def test_a_column_has_its_type_or_is_none() -> None:
    """Truth values are no numbers, and an integer stays one."""
    right = ClipRecord(
        {
            "name": "Radio1",
            "frames": 150,
            "start": 5,
            "fps": 25.0,
            "box": [1, 2, 3, 4],
            "versions": {"ffmpeg": 7},
            "audio_original": False,
            "face_region": [1, 2.5, 3, 4],
        }
    )
    assert (right.name, right.frames, right.start, right.fps) == ("Radio1", 150, 5, 25.0)
    assert json.dumps(right.start) == "5"
    assert (right.audio_original, right.face_region) == (False, [1, 2.5, 3, 4])
    assert (right.box, right.versions) == (Box(1, 2, 3, 4), {"ffmpeg": "7"})
    wrong = ClipRecord(
        {
            "name": 1,
            "frames": True,
            "index": 1.5,
            "start": "5",
            "fps": True,
            "box": [1, 2, 3],
            "versions": [],
            "audio_original": 1,
            "face_region": [1, True, 3, 4],
            "face_share": None,
        }
    )
    assert {getattr(wrong, name) for name in COLUMNS} == {None}


def test_the_interval_needs_both_ends() -> None:
    """In seconds of the source video."""
    assert ClipRecord({"start": 1, "end": 2.5}).interval == Interval(1, 2.5)
    assert ClipRecord({"start": 1}).interval is None


def test_the_record_of_a_journal_contains_that_of_its_clip() -> None:
    """In addition to the settings."""
    assert ClipRecord.of({"type": "clip", "metadata": {"bytes": 7}, "form": {}}).bytes == 7


CLIP = Clip(Video("", "a", "aaaaaaaaaaa", 720), 0, Interval(1, 2), Box(1, 2, 3, 4))


def test_a_list_of_clips_adds_the_columns_that_it_has() -> None:
    """Further columns as they are in the list; the tables of HDTF have none of them."""
    assert annotation_to_json(CLIP) == {}
    assert annotation_to_json(replace(CLIP, annotation=Annotation())) == {}
    given = Annotation(None, (0.5, 0.25), "name", "id1", "val", '{"mood": ["calm", 2]}')
    assert annotation_to_json(replace(CLIP, annotation=given)) == {
        "face_point": [0.5, 0.25],
        "speaker": "id1",
        "split": "val",
        "extra": {"mood": ["calm", 2]},
    }


def test_a_box_has_the_columns_that_are_needed_to_place_it() -> None:
    """The numbers of a table, or the window of a list with the size to which it refers."""
    assert row_to_json(CLIP) == {"box": [1, 2, 3, 4]}
    assert row_to_json(replace(CLIP, box=None)) == {"box": None}
    numbered = replace(CLIP, interval=Interval(1, 2, Fraction(30000, 1001)))
    assert row_to_json(numbered) == {"annotated_fps": "30000/1001", "box": [1, 2, 3, 4]}
    region = Region(0.1, 0.2, 0.3, 0.4)
    of_list = replace(CLIP, annotation=Annotation(region))
    assert row_to_json(of_list) == {"box": [0.1, 0.2, 0.3, 0.4], "box_reference": [1, 1]}
    square = replace(region, reference_width=10, reference_height=20, expand=0.5, square=Square.MAX)
    assert row_to_json(replace(of_list, annotation=Annotation(square))) == {
        "box": [0.1, 0.2, 0.3, 0.4],
        "box_reference": [10, 20],
        "box_expand": 0.5,
        "box_square": "max",
    }


VALUES: list[object] = [
    "text",
    7,
    2.5,
    True,
    {"a": 1},
    [1, 2.5],
    [[1, 2], [3]],
    [1, 2, 3, 4],
    None,
    [],
    ["x"],
]


@pytest.mark.parametrize(
    ("column", "accepted"),
    [
        ("name", ["text"]), ("frames", [7]), ("start", [7, 2.5]), ("audio_original", [True]),
        ("extra", [{"a": 1}]), ("versions", [{"a": "1"}]), ("face_size", [[1, 2.5], [1, 2, 3, 4], []]),
        ("black", [[[1, 2], [3]], []]), ("box", [Box(1, 2, 3, 4)]),
    ],
)  # fmt: skip
def test_a_column_accepts_values_of_one_kind(column: str, accepted: list[object]) -> None:
    """And is None for any other."""
    found = [getattr(ClipRecord({column: value}), column) for value in VALUES]
    assert [value for value in found if value is not None] == accepted
    assert ClipRecord({}).to_json() == {}


def test_a_record_describes_its_clip() -> None:
    """If it has what is needed to create it; a segment has the stem of the whole clip too."""
    columns = {
        "file_name": "RD_A_002_s001.mp4", "subset": "RD", "name": "A", "index": 2, "youtube_id": "id",
        "start": 1, "end": 2.5, "reference_height": 720, "box": [1, 2, 3, 4], "zoom": 1.2, "segment": 1,
    }  # fmt: skip
    record = ClipRecord(columns)
    assert record.whole_stem == "RD_A_002"
    assert ClipRecord(columns | {"segment": None}).whole_stem == "RD_A_002_s001"
    clip = record.clip
    assert clip is not None
    assert (clip.stem, clip.interval, clip.box, clip.zoom) == (
        "RD_A_002_s001", Interval(1, 2.5), Box(1, 2, 3, 4), 1.2,
    )  # fmt: skip
    for name in ("subset", "name", "index", "youtube_id", "start", "end", "reference_height"):
        assert ClipRecord({key: value for key, value in columns.items() if key != name}).clip is None, name


PLACE = {
    "file_name": "_A_000.mp4", "subset": "", "name": "A", "index": 0, "youtube_id": "id", "start": 1,
    "end": 2, "reference_height": 0,
}  # fmt: skip


def test_a_record_of_a_list_has_its_annotation() -> None:
    """The window, a point of the face, speaker, split, further columns and a given name."""
    unnamed = ClipRecord(PLACE | {"file_name": "A_000.mp4"}).clip
    assert unnamed is not None
    assert (unnamed.stem, unnamed.annotation) == ("A_000", None)
    named = ClipRecord(PLACE).clip
    assert named is not None
    assert (named.stem, named.annotation) == ("_A_000", Annotation(name="_A_000"))
    of_list = {
        "file_name": "given_s002.mp4", "segment": 2, "box": [0.1, 0.2, 0.3, 0.4], "box_reference": [10, 20],
        "box_expand": 0.5, "box_square": "max", "face_point": [0.5, 0.25], "speaker": "id1", "split": "val",
        "extra": {"a": "é"}, "annotated_fps": "30000/1001",
    }  # fmt: skip
    clip = ClipRecord(PLACE | of_list).clip
    assert clip is not None
    assert clip.box is None
    assert clip.interval == Interval(1, 2, Fraction(30000, 1001))
    assert clip.annotation == Annotation(
        Region(0.1, 0.2, 0.3, 0.4, 10, 20, 0.5, Square.MAX), (0.5, 0.25), "given", "id1", "val", '{"a": "é"}'
    )
    odd = ClipRecord(PLACE | of_list | {"box_square": "x", "box_expand": None, "face_point": [1, 2, 3]}).clip
    assert odd is not None
    assert odd.annotation is not None
    assert (odd.annotation.point, odd.annotation.region) == (None, Region(0.1, 0.2, 0.3, 0.4, 10, 20))
    for rate in ("x", "1/0"):
        assert ClipRecord(PLACE | {"annotated_fps": rate}).interval is None
    assert ClipRecord({"box": [1, 2, 3, 4], "box_reference": [1.5, 2]}).region is None


@pytest.mark.parametrize(
    ("columns", "speaker"),
    [
        ({"name": "A"}, None),
        ({"name": "id"}, "id"),
        ({"name": "idid"}, "id"),
        ({"name": "A", "speaker": "Ada"}, "Ada"),
        ({"name": "xy", "youtube_id": "idxy"}, "idxy"),
        ({"name": "None", "youtube_id": None}, None),
    ],
)
def test_without_a_speaker_a_video_of_a_list_is_one(columns: dict[str, Any], speaker: str | None) -> None:
    """Its name is then its id, perhaps with a prefix; names of HDTF contain the speaker."""
    member = ClipRecord(PLACE | columns).member
    assert (member.name, member.speaker) == (columns["name"], speaker)
    assert member.clip == "_A_000"
    assert member.youtube_id == ((PLACE | columns)["youtube_id"] or "")
    assert ClipRecord(PLACE | {"split": "val"}).member.given == "val"
    assert ClipRecord(PLACE | {"split": "dev"}).member.given is None
