"""The reproduction file and methods.md of a directory, and why clips differ from a reproduction file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.splits import Split
from hdtf_async.report.given_lists import Listed
from hdtf_async.report.history import Run
from hdtf_async.report.records import ReportData
from hdtf_async.report.reproduction_file import (
    UNEXPLAINED,
    Reproduced,
    compared,
    methods_of,
    reproduction_file_of,
)

CLIP: dict[str, Any] = {
    "file_name": "RD_A_000.mp4", "youtube_id": "video_a", "format_id": "136", "sha256": "a" * 64,
    "fingerprint": "f", "versions": {"ffmpeg": "n9", "hdtf_async": "1", "yt_dlp": "2026.1"}, "brightness": 9,
}  # fmt: skip


def compared_with(**changes: object) -> Reproduced:
    """Compare a clip with its own reproduction file, after changes of its record."""
    record = {"clip": "RD_A_000", "metadata": CLIP | {"sha256": "b" * 64} | changes}
    return compared([CLIP | {"source_bytes": 10}], {"RD_A_000": record}, {}, {"video_a": 10})


def test_a_reproduction_file_has_the_clips_and_how_they_were_made() -> None:
    """One line per clip, without what was measured."""
    found = ReportData({"RD_A_000": ClipRecord(CLIP)}, missing=[{"clip": "RD_B_000", "reason": "private"}])
    text = b"".join(reproduction_file_of(found, {"size": 512}, {"video_a": 10})).decode()
    content = json.loads(text)
    (clip,) = content["clips"]
    assert clip == {key: value for key, value in CLIP.items() if key != "brightness"} | {"source_bytes": 10}
    assert (content["format"], content["settings"], content["missing"]) == (1, {"size": 512}, 1)
    assert sum("RD_A_000.mp4" in line for line in text.splitlines()) == 1
    assert json.loads(b"".join(reproduction_file_of(ReportData({}), {}, {})))["clips"] == []


def test_other_bytes_have_a_cause() -> None:
    """Tools, the format that YouTube offered, its file, or settings; yt-dlp's version is none."""
    cases: dict[str, dict[str, object]] = {
        "ffmpeg n9 -> n8": {"versions": {"ffmpeg": "n8", "hdtf_async": "1"}},
        "format_id 136 -> 398": {"format_id": "398"},
        "the settings, the table row or the cutting rules differ": {"fingerprint": "g"},
        UNEXPLAINED: {"versions": {"ffmpeg": "n9", "hdtf_async": "1", "yt_dlp": "2027.1"}},
    }
    for cause, changes in cases.items():
        assert compared_with(**changes).other == {"RD_A_000": [cause]}
    record = {"RD_A_000": {"metadata": CLIP | {"sha256": "b" * 64}}}
    other_file = compared([CLIP | {"source_bytes": 11}], record, {}, {"video_a": 10})
    assert other_file.other == {"RD_A_000": ["YouTube serves another file of format 136"]}
    assert compared_with(sha256="a" * 64, format_id="398") == Reproduced(1)


def test_missing_clips_have_their_reasons() -> None:
    """And the summary counts each kind."""
    listed = [CLIP, CLIP | {"file_name": "RD_B_000.mp4"}, CLIP | {"file_name": "RD_C_000.mp4"}]
    clips = {"RD_A_000": {"metadata": CLIP | {"sha256": "b", "format_id": None}}}
    found = compared(listed, clips, {"RD_B_000": {"reason": "private"}}, {})
    assert found.missing == {"RD_B_000": "private", "RD_C_000": "not attempted"}
    assert found.words == (
        "0 of 3 clips have the same bytes as in clips.lock.json;"
        " 1 have other bytes (1 of them: format_id 136 -> None); 2 are missing."
    )
    assert [line["result"] for line in found.to_lines()] == ["other bytes", "missing", "missing"]


def test_methods_list_tools_and_what_is_missing() -> None:
    """Untrusted text has no effect in Markdown."""
    lost = [{"clip": "RD_B_000", "reason": "private"}]
    hostile = CLIP | {"versions": {"ffmpeg": "n9 | <b> `x`\n# y"}}
    found = ReportData({"RD_A_000": ClipRecord(hostile)}, missing=lost)
    text = methods_of(found)
    assert "We used 1 clip" in text
    assert r"| ffmpeg | n9 \| \<b\> \`x\`\\n\# y |" in text
    assert "| private | 1 |" in text
    found.only = Listed("eval", ("RD_A_000", "RD_B_000"))
    text = methods_of(found)
    assert "1 of 2 entries are available." in text
    assert r"| RD\_B\_000 | private video |" in text
    assert "## Missing clips" not in text, "the list names them"
    assert "## Missing clips" not in methods_of(ReportData({"RD_A_000": ClipRecord(hostile)}))


def test_the_head_of_a_lock_file_is_that_of_the_newest_run() -> None:
    """Without any run it is empty; each clip has a line of its own."""
    newest = Run({"dataset": {"title": "X"}, "settings": {"corrections": "none"}}, 0, 1)
    clips = {f"RD_{name}_000": ClipRecord(CLIP | {"file_name": f"RD_{name}_000.mp4"}) for name in "AB"}
    found = ReportData(clips, runs=[Run({}, 0, 0), newest], split=Split(seed=3))
    lines = b"".join(reproduction_file_of(found, {}, {})).decode().splitlines()
    lock = json.loads("".join(lines))
    assert (lock["dataset"], lock["corrections"]) == ({"title": "X"}, "none")
    assert (lock["split"], lock["missing"]) == (Split(seed=3).to_json(), 0)
    assert [clip["file_name"] for clip in lock["clips"]] == ["RD_A_000.mp4", "RD_B_000.mp4"]
    assert len(lines) == 1 + 6 + 1 + 2 + 2
    empty = json.loads(
        b"".join(reproduction_file_of(ReportData({}, runs=[Run({"settings": None}, 0, 1)]), {}, {}))
    )
    assert (empty["dataset"], empty["corrections"], empty["split"]) == (None, None, None)


@pytest.mark.parametrize(
    ("before", "now", "causes"),
    [
        ({"source_bytes": 10}, {}, [UNEXPLAINED]),
        ({"source_bytes": None}, {}, [UNEXPLAINED]),
        ({}, {"sound_format_id": "140"}, ["sound_format_id None -> 140"]),
        ({"source_bytes": 11}, {"format_id": "398"}, ["format_id 136 -> 398"]),
        ({}, {"wav_sha256": "w"}, [UNEXPLAINED]),
        ({}, {"versions": None}, ["hdtf_async 1 -> None", "ffmpeg n9 -> None"]),
        (
            {"source_bytes": 11}, {"fingerprint": "g", "versions": {"mediapipe": "1"} | CLIP["versions"]},
            [
                "the settings, the table row or the cutting rules differ",
                "YouTube serves another file of format 136", "mediapipe None -> 1",
            ],
        ),
    ],
)  # fmt: skip
def test_all_causes_of_other_bytes_are_listed(
    before: dict[str, Any], now: dict[str, Any], causes: list[str]
) -> None:
    """Another file of the same format is one, if its size is known and no other format was used."""
    changed = {"sha256": "b" * 64} if "wav_sha256" not in now else {}
    record = {"RD_A_000": {"metadata": CLIP | changed | now}}
    assert compared([CLIP | before], record, {}, {"video_a": 10}).other == {"RD_A_000": causes}
    unknown = compared([CLIP | before], record, {}, {}).other["RD_A_000"]
    assert "YouTube serves another file of format 136" not in unknown


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (Reproduced(3), "3 of 3 clips have the same bytes as in clips.lock.json."),
        (
            Reproduced(1, {"a": ["x"], "b": ["y", "x"]}),
            "1 of 3 clips have the same bytes as in clips.lock.json; 2 have other bytes (2 of them: x).",
        ),
        (
            Reproduced(0, {}, {"a": "private"}),
            "0 of 1 clips have the same bytes as in clips.lock.json; 1 are missing.",
        ),
    ],
)
def test_the_comparison_is_a_sentence(result: Reproduced, words: str) -> None:
    """With the most frequent cause."""
    assert result.words == words
    assert list(Reproduced(0, {"a": ["x"]}, {"b": "private"}).to_lines()) == [
        {"clip": "a", "result": "other bytes", "why": ["x"]},
        {"clip": "b", "result": "missing", "why": ["private"]},
    ]


def test_methods_have_sections_in_order() -> None:
    """The citation only if there is one, and missing clips only without given lists."""
    lost = [
        {"clip": "RD_B_000", "reason": "private"},
        {"clip": "c", "reason": "age"},
        {"clip": "d", "reason": "age"},
    ]
    text = methods_of(ReportData({"RD_A_000": ClipRecord(CLIP)}, missing=lost))
    heads = [line for line in text.splitlines() if line.startswith(("#", "```"))]
    assert heads == [
        "# Methods", "```bibtex", "```", "## Tools", "## Settings", "## Missing clips",
        "## The same clips again", "```sh", "```",
    ]  # fmt: skip
    assert text.index("| age | 2 |") < text.index("| private | 1 |")
    other = Run({"dataset": {"title": "X", "citation": ""}}, 0, 1)
    text = methods_of(
        ReportData({"RD_A_000": ClipRecord(CLIP)}, runs=[other], only=Listed("x", ("RD_A_000",)))
    )
    heads = [line for line in text.splitlines() if line.startswith(("#", "```"))]
    assert heads == [
        "# Methods", "## Tools", "## Settings", "## Given x list", "## The same clips again", "```sh", "```",
    ]  # fmt: skip
    assert "1 of 1 entries are available." in text
    assert "| missing | reason |" not in text
