"""The record of a clip: its columns, whatever a journal contains."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.clip_record import ClipRecord, Column
from hdtf_async.core.jsonlines import line
from hdtf_async.core.model import Box, Interval

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
