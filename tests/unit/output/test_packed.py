"""Compressed records are returned unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.output.packed import CompressedRecords

_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@given(st.dictionaries(st.text(), st.dictionaries(st.text(), _value, max_size=4), max_size=5))
def test_records_are_returned_unchanged(records: dict[str, dict[str, Any]]) -> None:
    """Any JSON, in its original order."""
    packed: CompressedRecords[dict[str, Any]] = CompressedRecords()
    packed.update(records)
    assert dict(packed) == records
    assert list(packed) == list(records)
    assert len(packed) == len(records)


def test_lone_surrogates_are_kept() -> None:
    """A journal may contain any JSON."""
    packed: CompressedRecords[dict[str, Any]] = CompressedRecords()
    packed["a"] = {"words": "\ud800"}
    assert packed["a"] == {"words": "\ud800"}


def test_modifying_a_returned_record_changes_nothing() -> None:
    """Nor does modifying a stored one."""
    packed: CompressedRecords[dict[str, Any]] = CompressedRecords()
    record = {"a": [1]}
    packed["x"] = record
    record["a"].append(2)
    packed["x"]["a"].append(3)
    assert packed["x"] == {"a": [1]}


def test_copies_parts_and_unions_are_independent() -> None:
    """Later changes of one do not affect the others; in a union the other's record wins."""
    one: CompressedRecords[dict[str, Any]] = CompressedRecords()
    one.update({"x": {"a": 1}, "y": {"a": 2}})
    other: CompressedRecords[dict[str, Any]] = CompressedRecords()
    other["y"] = {"a": 3}
    copy, part, both = one.copy(), one.only(["y"]), one.with_others(other)
    del one["y"]
    assert dict(copy) == {"x": {"a": 1}, "y": {"a": 2}}
    assert dict(part) == {"y": {"a": 2}}
    assert dict(both) == {"x": {"a": 1}, "y": {"a": 3}}
    assert "y" not in one
    with pytest.raises(KeyError):
        one["y"]
