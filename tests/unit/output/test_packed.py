"""Records that are kept as text come out as they went in."""

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


@given(st.dictionaries(st.text(), st.dictionaries(st.text(), _value, max_size=4), max_size=5))
def test_what_goes_in_comes_out(records: dict[str, dict[str, Any]]) -> None:
    """Whatever JSON can say, in the order in which it came."""
    packed: CompressedRecords[dict[str, Any]] = CompressedRecords()
    packed.update(records)
    assert dict(packed) == records
    assert list(packed) == list(records)
    assert len(packed) == len(records)


def test_half_a_pair_of_surrogates_is_kept() -> None:
    """A journal may hold any JSON."""
    packed: CompressedRecords[dict[str, Any]] = CompressedRecords()
    packed["a"] = {"words": "\ud800"}
    assert packed["a"] == {"words": "\ud800"}


def test_changing_what_was_returned_changes_nothing() -> None:
    """Nor does changing what was put in."""
    packed: CompressedRecords[dict[str, Any]] = CompressedRecords()
    record = {"a": [1]}
    packed["x"] = record
    record["a"].append(2)
    packed["x"]["a"].append(3)
    assert packed["x"] == {"a": [1]}


def test_a_copy_a_part_and_a_union_stand_for_themselves() -> None:
    """Later changes of one are not seen in the others; of a union the other's record counts."""
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
