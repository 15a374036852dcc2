"""What of given lists exists in a directory, and why the rest does not."""

from __future__ import annotations

import pytest

from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.splits import Split
from hdtf_async.report.given_lists import NOT_REQUESTED, GivenList, Listed, compared

CLIPS = {
    stem: ClipRecord({"file_name": f"{stem}.mp4", "youtube_id": youtube_id, "segment": segment})
    for stem, youtube_id, segment in [
        ("RD_A_000", "video_a", None),
        ("RD_B_000_s000", "video_b", 0),
        ("RD_C_000", "video_c", None),
    ]
}
MISSING = [
    {"clip": "RD_B_000_s001", "youtube_id": "video_b", "reason": "no_face"},
    {"clip": "RD_D_000", "youtube_id": "video_d", "reason": "private"},
]


def test_each_list_has_its_missing_entries_with_reasons() -> None:
    """An entry is available if all of its clips exist: segments of a clip, or clips of a YouTube id."""
    given = {"RD_A_000": "val", "RD_B_000": "val", "video_c": "val", "video_d": "test", "RD_E_000": "test"}
    val, test = compared(Split(given=given), CLIPS, MISSING)
    assert val == GivenList("val", 3, (("RD_B_000", "face in too few frames"),))
    assert test == GivenList("test", 2, (("RD_E_000", NOT_REQUESTED), ("video_d", "private video")))
    assert (val.available, val.reasons) == (2, "1 face in too few frames")
    assert test.sentence == (
        "0 of the 2 entries of the given test list were available;"
        " missing: RD_E_000 (not requested), video_d (private video)."
    )


def test_many_missing_entries_are_only_counted_in_the_methods_paragraph() -> None:
    """The table of the report names them."""
    lost = tuple((f"RD_{number}_000", "private") for number in range(21))
    assert GivenList("val", 30, lost).sentence.endswith("missing: 21 private.")
    assert GivenList("val", 30, ()).sentence == "30 of the 30 entries of the given val list were available."


@pytest.mark.parametrize(("missing", "named"), [(1, True), (20, True), (21, False)])
def test_twenty_missing_entries_are_named(*, missing: int, named: bool) -> None:
    """Of more only their number for each reason, the most frequent first."""
    lost = tuple((f"RD_{number}_000", "age" if number else "private") for number in range(missing))
    each = GivenList("val", 30, lost)
    assert each.available == 30 - missing
    assert ("RD_0_000 (private)" in each.sentence) is named
    assert each.reasons == ("1 private" if missing == 1 else f"{missing - 1} age, 1 private")
    assert each.sentence.startswith(
        f"{30 - missing} of the 30 entries of the given val list were available; "
    )


def test_an_entry_is_a_clip_a_segment_or_a_video() -> None:
    """The first reason of an entry that is not available counts; an available one with a failure is not."""
    given = dict.fromkeys(["RD_B_000", "video_b", "RD_D_000", "video_d", "RD_B_000_s001"], "val")
    more = [*MISSING, {"clip": "RD_D_000", "youtube_id": "video_d", "reason": "age"}]
    (val,) = compared(Split(given=given), CLIPS, more)
    assert dict(val.lost) == {
        "RD_B_000": "face in too few frames",
        "video_b": "face in too few frames",
        "RD_B_000_s001": "face in too few frames",
        "RD_D_000": "private video",
        "video_d": "private video",
    }
    assert Listed.from_json({"title": "val", "names": ["x"]}) is None, "the name of a split"
    assert Listed.from_json({"title": "a", "names": ["x", 1]}) == Listed("a", ("x",))


def test_without_given_lists_there_is_no_table() -> None:
    """Neither for shares nor without a split."""
    assert compared(None, CLIPS, MISSING) == compared(Split(), CLIPS, MISSING) == []


def test_the_list_of_a_selection_is_compared_too() -> None:
    """Under its own name, and once if it is the given split as well."""
    only = Listed("eval.txt", ("RD_A_000", "RD_D_000"))
    found = GivenList("eval.txt", 2, (("RD_D_000", "private video"),))
    assert compared(None, CLIPS, MISSING, only) == [found]
    assert found.sentence.startswith("1 of the 2 entries of the given eval.txt list were available")
    same = Split(given=dict.fromkeys(only.names, "val"))
    assert [each.side for each in compared(same, CLIPS, MISSING, only)] == ["val"]
    other = Split(given={"RD_A_000": "val"})
    assert [each.side for each in compared(other, CLIPS, MISSING, only)] == ["val", "eval.txt"]


def test_a_recorded_list_may_be_invalid() -> None:
    """A journal may come from somebody else; a run without a list records one without names."""
    assert Listed.from_json({"title": "a", "names": ["x", "y"]}) == Listed("a", ("x", "y"))
    for record in (
        {},
        {"title": "", "names": []},
        {"title": 1, "names": ["x"]},
        {"title": "a", "names": [1]},
    ):
        assert Listed.from_json(record) is None
