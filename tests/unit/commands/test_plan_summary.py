"""The remaining work, as an object for programs and as text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hdtf_async.commands import plan
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Clip, Finding, Interval, Severity, Source, Tables, Video
from hdtf_async.core.options import Options
from hdtf_async.core.text import format_bytes
from hdtf_async.dataset import plan as plan_of
from hdtf_async.dataset.plan import Difference, Plan, VideoJob

VIDEOS = [Video("RD" if number < 3 else "WDA", f"V{number}", f"{number:011d}", 720) for number in range(5)]
CLIPS = [Clip(video, 0, Interval(100, 1900), Box(0, 0, 64, 64)) for video in VIDEOS]
JOBS = tuple(VideoJob((clip.video,), (clip,)) for clip in CLIPS[:3])
ANOTHER = Clip(VIDEOS[0], 1, Interval(0, 3600), Box(0, 0, 64, 64))
FINDING = Finding("RD_annotion_time.txt", 15, Severity.WARNING, "no_box", "Interval 0 of V1 has no crop box.")
READ = Tables(tuple(VIDEOS), tuple(CLIPS), (FINDING,))
DECIDED = Plan(
    jobs=JOBS,
    there=(ANOTHER,),
    given_up=((CLIPS[3], Reason.PRIVATE),),
    impossible=((CLIPS[4], Failure(Reason.BOX_DOES_NOT_FIT, "too wide")),),
    different=(Difference("RD_V0_002", {}, {}),),
    outside=(Difference("RD_V0_003", {}, {}), Difference("RD_V0_004", {}, {})),
    stale={},
)
NOTHING = Plan(jobs=(), there=(), given_up=(), impossible=(), different=(), outside=(), stale={})
BYTES = JOBS[0].least_bytes


def told(decided: Plan = DECIDED, **more: Any) -> dict[str, Any]:
    """Return the plan at a pace of one hour."""
    return plan.plan_to_json(READ, decided, Options(pace=3600), plan.Existing(**more))


def test_a_plan_counts_all_selected_clips_that_do_not_exist() -> None:
    """Clips to make and unavailable clips, of videos, by subset."""
    assert told() == {
        "videos_listed": 5,
        "videos": 5,
        "clips": 5,
        "hours": 2.5,
        "downloads": 3,
        "at_hand": 0,
        "fetch": "whole",
        "by_sections": 0,
        "least_bytes": 3 * BYTES,
        "least_bytes_by_fetch": {"whole": 3 * BYTES, "sections": 3 * int(BYTES / 1900 * 1805)},
        "clip_bytes": int(3 * 1800 * 64 * 64 * 71_400 / 265_249),
        "least_hours_at_pace": 3.0,
        "raw_dir": [],
        "there": 1,
        "cannot_be_had": {"WDA_V4_000": "box_does_not_fit", "WDA_V3_000": "private"},
        "other_form": 3,
        "subsets": {"RD": {"videos": 3, "clips": 3}, "WDA": {"videos": 2, "clips": 2}},
        "findings": [
            {
                "file": "RD_annotion_time.txt",
                "line": 15,
                "severity": "warning",
                "code": "no_box",
                "words": "Interval 0 of V1 has no crop box.",
                "number": 1,
            }
        ],
    }


def test_hours_of_short_clips_have_decimals() -> None:
    """A video may have several clips."""
    short = replace(CLIPS[0], interval=Interval(0, 1))
    second = replace(short, index=1)
    seen = told(replace(NOTHING, jobs=(VideoJob((VIDEOS[0],), (short, second)),) * 1))
    assert (seen["videos"], seen["clips"], seen["hours"]) == (1, 2, 0.0006)
    assert (seen["downloads"], seen["least_hours_at_pace"]) == (1, 1.0)
    assert seen["subsets"] == {"RD": {"videos": 1, "clips": 2}}
    assert told(to_fetch=JOBS * 100)["least_hours_at_pace"] == 300.0
    assert plan.plan_to_json(READ, DECIDED, Options(pace=85))["least_hours_at_pace"] == 0.07


def test_only_missing_videos_count_as_downloads() -> None:
    """Of a user's video at most the audio, which takes almost no space."""
    own = [{"video": "RD_V0", "kind": "video", "file": "a.mp4", "unused": ""}]
    assert told(to_fetch=JOBS[:2])["at_hand"] == 1
    seen = told(own=own, to_fetch=JOBS[:2])
    assert (seen["downloads"], seen["least_bytes"], seen["raw_dir"]) == (2, BYTES, own)
    audio = [own[0] | {"kind": "audio"}]
    assert told(own=audio, to_fetch=JOBS[:2])["least_bytes"] == 2 * BYTES


def test_the_text_starts_with_problems_and_ends_with_the_sum() -> None:
    """With the origin of settings, and the user's files that are not used."""
    own = [
        {"video": "RD_V0", "kind": "video", "file": "a.mp4", "unused": ""},
        {"video": "RD_V1", "kind": "video", "file": "b.mp4", "unused": "is empty"},
    ]
    seen = told(own=own, to_fetch=JOBS[:2]) | {"settings": {"pace": "HDTF_ASYNC_PACE"}}
    assert plan.plan_summary(seen).splitlines() == [
        "warning  RD_annotion_time.txt:15  Interval 0 of V1 has no crop box.",
        "    set  pace is set by HDTF_ASYNC_PACE",
        " unused  RD_V1: b.mp4: is empty",
        "missing  WDA_V4_000: box_does_not_fit",
        "missing  WDA_V3_000: private",
        "",
        "5 of 5 videos, 5 clips, 2.50 h",
        "  RD      3 videos,    3 clips",
        "  WDA     2 videos,    2 clips",
        "1 of these videos need no download",
        "1 more clips are already present",
        "2 of these clips are unavailable: see above",
        "the clips will take about 6.0 MB, by the rule in docs/disk.md",
        "3 existing clips were made with different settings: without --recut a run exits with code 2",
        "2 downloads, at least 0 B in total; starting them takes at least 2.00 h (--pace)",
    ]


@pytest.mark.parametrize(
    ("hours", "words"), [(1000.0, "1000.00 h"), (1.0, "1.00 h"), (0.5, "30.0 min"), (0.0, "0.0 s")]
)
def test_the_text_has_the_hours_of_a_plan(hours: float, words: str) -> None:
    """Those of the clips, and those that the starts of the downloads take; short ones as minutes."""
    seen = told() | {"settings": {}, "hours": hours, "least_hours_at_pace": hours}
    lines = plan.plan_summary(seen).splitlines()
    assert f"5 of 5 videos, 5 clips, {words}" in lines
    assert any(line.endswith(f"starting them takes at least {words} (--pace)") for line in lines)


def test_subsets_are_listed_if_there_are_any() -> None:
    """A list without subsets is described by its total; clips in none of several subsets are counted."""
    seen = told() | {"settings": {}}
    counts = {"videos": 5, "clips": 5}
    for subsets, lines in (
        ({}, []),
        ({"": counts}, []),
        ({"RD": counts}, ["  RD      5 videos,    5 clips"]),
        ({"": counts, "RD": counts}, ["  none    5 videos,    5 clips", "  RD      5 videos,    5 clips"]),
    ):
        text = plan.plan_summary(seen | {"subsets": subsets})
        assert [line for line in text.splitlines() if line.endswith(" 5 clips")] == lines


def test_skipped_rows_are_counted() -> None:
    """They are part of no total."""
    seen = told() | {"settings": {}}
    seen["findings"] += [seen["findings"][0] | {"severity": "error", "number": number} for number in (1, 6)]
    assert "7 rows skipped: see the errors above" in plan.plan_summary(seen)


def test_the_text_compares_whole_videos_with_sections_if_these_are_smaller() -> None:
    """The clips of a video that starts at once need all of it."""
    seen = told() | {"settings": {}}
    assert "download at least: --fetch whole 256 MB, --fetch sections 244 MB" in plan.plan_summary(seen)
    seen["least_bytes_by_fetch"]["sections"] = seen["least_bytes_by_fetch"]["whole"]
    assert "--fetch" not in plan.plan_summary(seen)


def _lines_of_auto(*intervals: Interval, **more: Any) -> list[str]:
    """Return what the text says about a list with a video for each interval, without ``--fetch``."""
    clips = [replace(clip, interval=each) for clip, each in zip(CLIPS, intervals, strict=False)]
    read = replace(READ, clips=tuple(clips), source=Source("mine.csv"))
    decided = plan_of.make(read, Options(), there={}, failed={})
    seen = plan.plan_to_json(read, decided, Options(), plan.Existing(**more)) | {"settings": {}}
    return plan.plan_summary(seen).splitlines()[-3:]


def test_the_text_says_of_how_many_videos_sections_are_downloaded() -> None:
    """Of those whose clips need half at most up to the last of them, and perhaps of the others."""
    short, long = Interval(300, 310), Interval(10, 310)
    assert _lines_of_auto(short)[1] == "--fetch auto: only sections of each video"
    assert _lines_of_auto(short, long, long)[1] == (
        "--fetch auto: only sections of 1 of 3 videos; of the others where that saves half of the bytes"
    )
    assert _lines_of_auto(long)[1] == "--fetch auto: only sections where that saves half of the bytes"


def test_what_partial_files_have_is_not_counted() -> None:
    """Of a clip's 15 seconds, with those before it, five are missing."""
    rate = 720 * plan_of.BITS_PER_LINE / 8
    lines = _lines_of_auto(Interval(300, 310), parts={VIDEOS[0].youtube_id: [(0, 12), (290, 305)]})
    assert lines[2] == (
        f"download at least: --fetch whole {format_bytes(310 * rate)},"
        f" --fetch sections {format_bytes(5 * rate)}"
    )
    assert f"1 download, at least {format_bytes(5 * rate)} in total" in lines[0]


@pytest.mark.parametrize("part", ["present", "unavailable", "settings:", "need no download"])
def test_empty_parts_are_omitted(part: str) -> None:
    """A plan for an empty directory is short."""
    nothing = replace(NOTHING, jobs=JOBS)
    assert part not in plan.plan_summary(told(nothing) | {"settings": {}})
