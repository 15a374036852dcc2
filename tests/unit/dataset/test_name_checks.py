"""`--only` and given lists of `--split`, against the tables: selection, unknown names, shared speakers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hdtf_async import Options, OptionsError, UnknownVideoError
from hdtf_async.core import name_lists
from hdtf_async.core.model import Annotation, Box, Clip, Interval, Source, Tables, Video
from hdtf_async.core.splits import NameList, Split
from hdtf_async.dataset import name_checks, plan, rows, tables
from hdtf_async.dataset.name_checks import MOST_SHARED

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def published() -> Tables:
    """HDTF's own tables."""
    return tables.read()


def test_only_the_listed_clips_are_selected(published: Tables) -> None:
    """Clips by their stem, and all clips of a YouTube id; with segments all segments of a listed clip."""
    becerra = next(clip.video for clip in published.clips if clip.video.name == "XavierBecerra")
    options = Options(only=["WRA_TimScott_000", becerra.youtube_id])
    assert [clip.stem for clip in plan.select(published, options)] == [
        "WDA_XavierBecerra_000",
        "WDA_XavierBecerra_001",
        "WDA_XavierBecerra_002",
        "WRA_TimScott_000",
    ]
    pieces = plan.select(published, replace(options, segment=10))
    assert {clip.stem.rpartition("_s")[0] for clip in pieces} == {
        clip.stem for clip in plan.select(published, options)
    }


def test_other_options_select_among_the_listed_clips(published: Tables) -> None:
    """A limit counts videos with listed clips only."""
    options = Options(only="musetalk", subsets="WRA", limit=2)
    assert [clip.stem for clip in plan.select(published, options)] == [
        "WRA_ToddYoung_000",
        "WRA_TimScott_000",
    ]
    assert len(plan.select(published, Options(only="musetalk"))) == 20
    assert plan.others(published, Options()) == set()
    assert len(plan.others(published, Options(only="musetalk"))) == len(published.clips) - 20


def test_a_list_does_not_change_the_fingerprint_of_a_clip(published: Tables) -> None:
    """So a directory can be completed later."""
    whole, part = Options(), Options(only="musetalk", split="musetalk")
    assert whole.output_settings == part.output_settings
    assert set(plan.select(published, part)) <= set(plan.select(published, whole))


@pytest.mark.parametrize("option", ["only", "split"])
def test_an_unknown_entry_is_an_error_that_names_its_line(
    published: Tables, tmp_path: Path, option: str
) -> None:
    """With the nearest name of the tables, and the lines of other unknown entries."""
    file = tmp_path / "ours.txt"
    file.write_text("WRA_TimScott_000\nWRA_TimScot_000\nunknown\n")
    options = Options(**{option: file})  # type: ignore[arg-type]
    message = (
        f"^--{option}: ours.txt:2: 'WRA_TimScot_000' is neither a clip nor a YouTube id in the tables;"
        r" did you mean WRA_TimScott_000\? \(and 1 more: ours.txt:3\)$"
    )
    with pytest.raises(UnknownVideoError, match=message):
        name_checks.checked(published, options)


def test_a_message_about_unknown_entries_names_six_lines() -> None:
    """And the number of all of them; the nearest name, if there is one."""
    listed = name_lists.of_names([f"wrong{number}" for number in range(8)])
    with pytest.raises(UnknownVideoError) as raised:
        name_checks.require_listed("--only", listed, ["wrong", "wrongly0000"])
    assert str(raised.value) == (
        "--only: entry 1: 'wrong0' is neither a clip nor a YouTube id in the tables; did you mean wrong?"
        " (and 7 more: entry 2, entry 3, entry 4, entry 5, entry 6)"
    )
    with pytest.raises(UnknownVideoError, match=r"in the tables$"):
        name_checks.require_listed("--only", name_lists.of_names(["wrong0"]), ["other"])
    name_checks.require_listed("--only", listed, [f"wrong{number}" for number in range(8)])


@pytest.mark.parametrize(("clips", "rest"), [(5, ""), (6, " and 1 more"), (7, " and 2 more")])
def test_five_clips_of_a_speaker_are_named(clips: int, rest: str) -> None:
    """And the number of the others."""
    read = _listed(["Ada"] * (clips + 1))
    split = replace(Options(), split=_test_list(["video000000"]))
    (finding,) = name_checks.checked(read, split).findings
    named = ", ".join(f"video{number:06}_000" for number in range(1, 6))
    assert finding.words == f"list: Ada is in train ({named}{rest}) and test (video000000_000)."


@pytest.mark.parametrize("speakers", [20, 21])
def test_twenty_speakers_on_several_lists_are_named(speakers: int) -> None:
    """The others are counted."""
    read = _listed([f"Speaker {number:03}" for number in range(speakers)] * 2)
    names = [clip.video.youtube_id for clip in read.clips[:speakers]]
    found = name_checks.checked(read, replace(Options(), split=_test_list(names))).findings
    assert [finding.number for finding in found] == [1] * speakers
    assert ("more speakers" in found[-1].words) is (speakers == 21)


def test_speakers_on_several_lists_are_findings(published: Tables) -> None:
    """MuseTalk's validation list shares two people with its training clips, and perhaps some of RD."""
    found = name_checks.checked(published, Options(split="musetalk")).findings[len(published.findings) :]
    assert [(each.code, each.severity.value) for each in found] == [
        ("speaker_in_several_splits", "warning")
    ] * 3
    people, radio, scalise = (each.words for each in found)
    assert people == (
        "musetalk: JamesClyburn is in train (WDA_JamesClyburn1_000, WDA_JamesClyburn_000)"
        " and val (WDA_WhipJimClyburn_000)."
    )
    assert radio.startswith("musetalk: the tables do not distinguish the speakers of RD, which is in train (")
    assert radio.endswith(" and val (RD_Radio7_000, RD_Radio8_000, RD_Radio9_000).")
    assert (
        scalise
        == "musetalk: SteveScalise is in train (WRA_SteveScalise0_000) and val (WRA_SteveScalise1_000)."
    )


def _listed(speakers: list[str]) -> Tables:
    """Return one clip for each speaker of another dataset."""
    clips = [
        Clip(Video("", f"video{number:06}", f"video{number:06}", 0), 0, Interval(0, 1), Box(0, 0, 2, 2),
             annotation=Annotation(speaker=speaker))
        for number, speaker in enumerate(speakers)
    ]  # fmt: skip
    return Tables(tuple(clip.video for clip in clips), tuple(clips), (), Source("Other"))


def test_another_dataset_names_its_speakers() -> None:
    """Names of videos mean nothing there; without a column, each video is a speaker of its own."""
    read = _listed(["Ada", "Ada", "Bea"])
    found = name_checks.checked(read, Options(split=None, only=None)).findings
    assert found == ()
    split = replace(Options(), split=_test_list(["video000000"]))
    (finding,) = name_checks.checked(read, split).findings
    assert finding.words == "list: Ada is in train (video000001_000) and test (video000000_000)."


def test_findings_about_speakers_are_limited() -> None:
    """The last one has the number of the others."""
    people = [f"Speaker {number:03}" for number in range(MOST_SHARED + 5)]
    read = _listed([*people, *people])
    split = replace(
        Options(), split=_test_list([clip.video.youtube_id for clip in read.clips[: len(people)]])
    )
    found = name_checks.checked(read, split).findings
    assert len(found) == MOST_SHARED + 1
    assert (found[-1].words, found[-1].number) == ("list: 5 more speakers are in several splits.", 5)
    assert {finding.line for finding in found} == {0}, "they concern no line of a table"


def _test_list(names: list[str]) -> NameList:
    return name_lists.of_names(names)


def test_a_stem_counts_before_a_youtube_id(published: Tables) -> None:
    """So one clip of a video can be on another list than the others, which is reported."""
    becerra = [clip for clip in published.clips if clip.video.name == "XavierBecerra"]
    sides = {becerra[0].video.youtube_id: "val", becerra[1].stem: "test"}
    split = Split(given=sides, rest="train")
    lists = split.lists({clip.stem: name_checks.member_of(clip, is_hdtf=True) for clip in published.clips})
    assert lists["test"] == [becerra[1].stem]
    assert lists["val"] == [becerra[0].stem, becerra[2].stem]
    assert len(lists["train"]) == len(published.clips) - 3


@pytest.mark.parametrize(("first", "second"), [("talk", "talk_s000"), ("Talk_S1000", "talk")])
def test_no_part_of_a_clip_can_have_the_name_of_another_clip(first: str, second: str) -> None:
    """It would replace that clip's file."""
    listed = rows.assemble(
        [
            {"video": "A" * 11, "start": 0, "end": 20, "name": first},
            {"video": "B" * 11, "start": 0, "end": 20, "name": second},
            {"video": "C" * 11, "start": 0, "end": 20, "name": "other_s001"},
        ]
    )
    assert name_checks.checked(listed, Options()).clips == listed.clips
    with pytest.raises(OptionsError, match="--scene-cuts split: a part of talk would have the name") as error:
        name_checks.checked(listed, Options(scene_cuts="split"))
    assert "rename one of them" in str(error.value)
