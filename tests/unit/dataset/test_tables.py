"""Tables are read in every known format, and their problems are reported."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdtf_async.core.model import SUBSETS, Box, Clip, Finding, Interval, Severity, Source, Tables
from hdtf_async.dataset import tables, text_files
from hdtf_async.dataset.fields import Findings
from hdtf_async.dataset.tables import Corrections, Row, TableError, read, shipped

if TYPE_CHECKING:
    from collections.abc import Callable

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
SAFE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
KINDS = ("video_url", "resolution", "annotion_time", "crop_wh", "crop_ratio")
ONE_ID, TWO_ID = "aaaaaaaaaaa", "-bbbbbbbbb_"

SMALL = {
    "video_url": f"One https://www.youtube.com/watch?v={ONE_ID}\nTwo_2 https://youtu.be/{TWO_ID}\n",
    "resolution": "One.mp4 720\nTwo_2.mp4 1080\n",
    "annotion_time": "One.mp4 00:10-00:20 00:30-00:40\nTwo_2.mp4 01:00-02:00\n",
    "crop_wh": "One_0.mp4 10 400 20 401\nOne_1.mp4 11 400 21 401\nTwo_2_0.mp4 12 400 22 401\n",
    "crop_ratio": "One_0.mp4 1.2\nOne_1.mp4 1.0\nTwo_2_0.mp4 0.95\n",
}
"""Two videos and three clips without problems."""


def write_tables(directory: Path, *, corrections: str | None = None, **changed: str | bytes | None) -> Path:
    """Write the small tables as RD, some of them changed, or omitted if None."""
    for kind, text in {**SMALL, **changed}.items():
        if text is not None:
            data = text.encode() if isinstance(text, str) else text
            (directory / f"RD_{kind}.txt").write_bytes(data)
    if corrections is not None:
        head = "level,subset,name,youtube_id,index,published,new_index,corrected,source\n"
        (directory / "corrections.csv").write_text(head + corrections)
    return directory


def copy(directory: Path) -> Path:
    """Copy the bundled tables, without the corrections, so that a test can change them."""
    for path in shipped().glob("*.txt"):
        shutil.copy(path, directory)
    return directory


def change(directory: Path, file: str, old: str, new: str) -> None:
    """Replace a text that occurs exactly once in a table."""
    path = directory / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def found(result: Tables, code: str) -> list[Finding]:
    """Return the findings of one kind."""
    return [finding for finding in result.findings if finding.code == code]


def oddities(result: Tables) -> list[Finding]:
    """Return the findings of tables that only contain RD."""
    return [finding for finding in result.findings if finding.code != "missing_subset"]


def clips_of(result: Tables, name: str) -> list[Clip]:
    """Return the clips of one video."""
    return [clip for clip in result.clips if clip.video.name == name]


# The bundled tables.


@pytest.mark.parametrize(
    ("subset", "listed", "with_clips", "clips", "hours"),
    [("RD", 57, 54, 64, 1.17), ("WDA", 183, 177, 189, 10.69), ("WRA", 130, 125, 168, 4.49)],
)
def test_each_subset_has_the_published_counts(
    subset: str, listed: int, with_clips: int, clips: int, hours: float
) -> None:
    """Numbers of videos, videos with clips, clips and hours match an independent count."""
    result = read()
    mine = [clip for clip in result.clips if clip.video.subset == subset]
    assert sum(video.subset == subset for video in result.videos) == listed
    assert len({clip.video for clip in mine}) == with_clips
    assert len(mine) == clips
    assert round(sum(clip.interval.seconds for clip in mine) / 3600, 2) == hours


def test_the_tables_of_hdtf_are_complete() -> None:
    """The three subsets together have 370 videos and 421 clips of 356 videos, 16.35 hours."""
    result = read()
    assert len(result.videos) == 370
    assert len(result.clips) == 421
    assert len({clip.video for clip in result.clips}) == 356
    assert round(sum(clip.interval.seconds for clip in result.clips) / 3600, 2) == 16.35
    boxes = [clip.box for clip in result.clips if clip.box is not None]
    assert len(boxes) == 421
    assert sum(box.width % 2 for box in boxes) == 209
    assert all(box.width == box.height for box in boxes)
    assert {clip.zoom is None for clip in result.clips} == {False}


def test_a_row_is_read_in_the_order_of_its_fields() -> None:
    """A box is left, width, top, height, and an index is the position in the annotation row."""
    first, second = clips_of(read(), "Radio11")
    assert (first.interval, second.interval) == (Interval(30, 60), Interval(90, 150))
    assert second.stem == "RD_Radio11_001"
    kevin = clips_of(read(), "KevinMcCarthy1")[1]
    assert kevin.box == Box(left=421, top=14, width=459, height=459)
    assert clips_of(read(), "MittRomney")[0].index == 0


def test_the_order_is_that_of_the_tables() -> None:
    """Videos are ordered as RD, WDA, WRA and then by row, and clips as their videos and by index."""
    result = read()
    rows = [
        (subset, line.split()[0])
        for subset in SUBSETS
        for line in (shipped() / f"{subset}_video_url.txt").read_text().splitlines()
    ]
    assert [(video.subset, video.name) for video in result.videos] == rows
    places = {video: at for at, video in enumerate(result.videos)}
    keys = [(places[clip.video], clip.index) for clip in result.clips]
    assert keys == sorted(set(keys))
    assert read() == result


@pytest.mark.parametrize("level", Corrections)
def test_exactly_the_problems_of_the_bundled_tables_are_reported(level: Corrections) -> None:
    """Each level of corrections leaves exactly the problems that it does not fix."""
    expected = {
        ("no_box", Severity.NOTE): 15,
        ("no_interval", Severity.NOTE): 1,
        ("shared_youtube_id", Severity.NOTE): 1,
        ("odd_height", Severity.NOTE): 2,
        ("zero_height", Severity.WARNING if level is Corrections.NONE else Severity.NOTE): 1,
    }
    if level is not Corrections.NONE:
        expected["corrected", Severity.NOTE] = 5 if level is Corrections.UNVERIFIED else 1
    if level is not Corrections.UNVERIFIED:
        expected["box_does_not_fit", Severity.WARNING] = 3
    findings = read(corrections=level).findings
    assert Counter((finding.code, finding.severity) for finding in findings) == expected


@pytest.mark.parametrize(
    ("code", "file", "row", "message"),
    [
        ("no_interval", "RD_video_url.txt", "Radio24 ", "Radio24"),
        ("no_box", "WRA_annotion_time.txt", "MittRomney.mp4 ", "Interval 1 of MittRomney"),
        ("zero_height", "WRA_resolution.txt", "KevinMcCarthy1.mp4 0", "KevinMcCarthy1"),
        ("odd_height", "WRA_resolution.txt", "GregWalden.mp4 714", "the nearest is 720"),
        ("odd_height", "WDA_resolution.txt", "RaulRuiz.mp4 700", "the nearest is 720"),
        ("box_does_not_fit", "WRA_crop_wh.txt", "PeterKing_0.mp4 ", "--corrections unverified"),
        (
            "shared_youtube_id",
            "WDA_video_url.txt",
            "JamesClyburn1 ",
            "WDA_WhipJimClyburn and WDA_JamesClyburn1",
        ),
        ("corrected", "corrections.csv", "verified,WRA,KevinMcCarthy1,", "720"),
    ],
)
def test_a_finding_points_at_its_row(code: str, file: str, row: str, message: str) -> None:
    """File and line of a finding are those of its row, and its message describes the problem."""
    lines = (shipped() / file).read_text().splitlines()
    assert any(
        lines[finding.line - 1].startswith(row) and message in finding.words
        for finding in found(read(), code)
        if finding.file == file
    )


def test_a_clip_with_an_invalid_box_is_kept() -> None:
    """Clips whose box exceeds the frame are not dropped here."""
    stems = {clip.stem for clip in read(corrections=Corrections.NONE).clips}
    assert {"WDA_MaggieHassan_000", "WRA_PeterKing_000", "WDA_MazieHirono1_000"} <= stems


def test_the_bundled_tables_are_found_in_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel contains the tables inside the package, a checkout next to it."""
    monkeypatch.setattr(tables, "__file__", str(tmp_path / "hdtf_async" / "dataset" / "tables.py"))
    assert shipped() == tmp_path / "HDTF_dataset"
    (tmp_path / "hdtf_async" / "HDTF_dataset").mkdir(parents=True)
    assert shipped() == tmp_path / "hdtf_async" / "HDTF_dataset"


# The formats of existing copies of the tables.


def _other_links(text: str) -> str:
    forms = (
        "https://www.youtube.com/watch?v={}&t=6s",
        "https://youtu.be/{}",
        "http://m.youtube.com/watch?t=6s&v={}",
        "https://www.youtube.com/shorts/{}?feature=share",
        "https://music.youtube.com/watch?v={}&list=PL1#t=3",
        "HTTPS://YouTube.com/embed/{}/",
        "https://youtube.com/live/{}",
        "https://youtu.be/{}?si=abc&t=6",
    )
    lines = []
    for at, line in enumerate(text.splitlines()):
        name, url = line.split()
        lines.append(f"{name} {forms[at % len(forms)].format(url.split('v=')[1])}\n")
    return "".join(lines)


FORMS: dict[str, Callable[[str], str]] = {
    "byte order mark": lambda text: "\ufeff" + text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "CR": lambda text: text.replace("\n", "\r"),
    "tabs": lambda text: text.replace(" ", "\t"),
    "many blanks": lambda text: text.replace(" ", " \t  "),
    "blanks at both ends": lambda text: "".join(f" {line}  \t\n" for line in text.splitlines()),
    "no final newline": lambda text: text.rstrip("\n"),
    "names without .mp4": lambda text: text.replace(".mp4", ""),
    "other links": lambda text: _other_links(text) if "https" in text else text,
    "hours": lambda text: re.sub(r"\b(\d\d:\d\d)\b", r"00:\1.0", text),
}


def _rewrite(directory: Path, *forms: Callable[[str], str]) -> Path:
    for path in copy(directory).glob("*.txt"):
        text = path.read_text()
        for form in forms:
            text = form(text)
        path.write_bytes(text.encode())
    return directory


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_another_format_of_the_tables_has_the_same_content(
    tmp_path: Path, form: Callable[[str], str]
) -> None:
    """Videos, clips and findings do not depend on how a copy was saved."""
    assert read(_rewrite(tmp_path, form)) == read()


def test_all_formats_at_once_have_the_same_content(tmp_path: Path) -> None:
    """The most differently formatted copy is read equally."""
    order = (
        "other links",
        "names without .mp4",
        "many blanks",
        "blanks at both ends",
        "no final newline",
        "CRLF",
    )
    assert read(_rewrite(tmp_path, *(FORMS[form] for form in order), FORMS["byte order mark"])) == read()


def test_blank_lines_move_no_row(tmp_path: Path) -> None:
    """Blank lines count as lines and are otherwise ignored."""
    spaced = {kind: f"\n \t\n{text}\n\n" for kind, text in SMALL.items()}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain, blank = read(write_tables(tmp_path / "a")), read(write_tables(tmp_path / "b", **spaced))
    assert (blank.videos, blank.clips) == (plain.videos, plain.clips)
    spaced["resolution"] = "\n\nOne.mp4 714\n"
    assert found(read(write_tables(tmp_path / "b", **spaced)), "odd_height")[0].line == 3


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("00:30.5-01:00", 30.5, 60),
        ("1:00:00-1:01:30.25", 3600, 3690.25),
        ("90:00-91:00", 5400, 5460),
        ("0:5-0:6", 5, 6),
        ("23:59:00-24:00:00", 86340, 86400),
    ],
)
def test_times_may_have_hours_and_fractions(tmp_path: Path, text: str, start: float, end: float) -> None:
    """An interval is read in minutes and seconds, in hours, and with fractions."""
    result = read(write_tables(tmp_path, annotion_time=f"One {text} 00:30-00:40\nTwo_2 01:00-02:00\n"))
    assert result.clips[0].interval == Interval(start, end)


# Suspicious and dangerous values.


def test_the_small_tables_have_no_findings(tmp_path: Path) -> None:
    """The tests below add one problem each."""
    result = read(write_tables(tmp_path))
    assert oddities(result) == []
    assert [clip.stem for clip in result.clips] == ["RD_One_000", "RD_One_001", "RD_Two_2_000"]


HOSTILE_NAMES = {
    "slash": "a/b",
    "absolute": "/etc/passwd",
    "parent": "a..b",
    "option": "-rf",
    "hidden": ".bashrc",
    "NUL": "a\0b",
    "escape": "\x1b[2Ja",
    "vertical tab": "a\vb",
    "line separator": "a\u2028b",
    "right to left": "a\u202eb",
    "no-break space": "a\u00a0b",
    "other letters": "Ünal",
    "shell": "$(id)",
    "quote": "a'b",
    "percent": "a%sb",
    "too long": "a" * 101,
    "underscore first": "_a",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_a_hostile_name_is_skipped_and_quoted_safely(tmp_path: Path, kind: str, name: str) -> None:
    """A name that is unsafe in a path results in no video or clip, whichever table contains it."""
    rest = {
        "video_url": f"{name} https://youtu.be/ccccccccccc",
        "resolution": f"{name}.mp4 720",
        "annotion_time": f"{name}.mp4 00:10-00:20",
        "crop_wh": f"{name}_0.mp4 1 2 3 4",
        "crop_ratio": f"{name}_0.mp4 1.2",
    }[kind]
    result = read(write_tables(tmp_path, **{kind: SMALL[kind] + rest + "\n"}))
    (finding,) = oddities(result)
    assert (finding.code, finding.severity) == ("bad_name", Severity.ERROR)
    assert (finding.file, finding.line) == (f"RD_{kind}.txt", SMALL[kind].count("\n") + 1)
    assert finding.words.isascii()
    assert finding.words.isprintable()
    assert len(finding.words) < 300
    assert len(result.clips) == 3


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com.evil.org/watch?v=ccccccccccc",
        "https://evil.org/watch?v=ccccccccccc",
        "https://youtube.com@evil.org/watch?v=ccccccccccc",
        "https://evil.org/https://youtu.be/ccccccccccc",
        "https://xyoutube.com/watch?v=ccccccccccc",
        "https://www.youtube.com:8080/watch?v=ccccccccccc",
        "file:///watch?v=ccccccccccc",
        "ftp://www.youtube.com/watch?v=ccccccccccc",
        "//www.youtube.com/watch?v=ccccccccccc",
        "www.youtube.com/watch?v=ccccccccccc",
        "ccccccccccc",
        "--exec=id",
        "https://www.youtube.com/watch?v=cccccccccc",
        "https://www.youtube.com/watch?v=cccccccccccc",
        "https://www.youtube.com/watch?v=cccccc/cccc",
        "https://www.youtube.com/watch?v=ccccccccccc%0a",
        "https://www.youtube.com/watch?v=ccccccccccc&v=ddddddddddd",
        "https://www.youtube.com/watch?x=ccccccccccc",
        "https://www.youtube.com/watch",
        "https://www.youtube.com/user/ccccccccccc",
        "https://www.youtube.com/shorts/",
        "https://www.youtube.com/shorts/ccccccccccc/more",
        "https://youtu.be/a/ccccccccccc",
        "https://[youtu.be/ccccccccccc",
        "https://youtu.be:x/ccccccccccc",
        "https://www.youtube.com/watch?v=\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661",
    ],
)
def test_a_url_that_is_no_youtube_video_is_skipped(tmp_path: Path, url: str) -> None:
    """Another host, scheme or an invalid id results in no video, and its other rows cause no findings."""
    result = read(write_tables(tmp_path, video_url=f"One https://youtu.be/{ONE_ID}\nTwo_2 {url}\n"))
    assert [video.youtube_id for video in result.videos] == [ONE_ID]
    (finding,) = oddities(result)
    assert (finding.code, finding.severity, finding.line) == ("bad_url", Severity.ERROR, 2)


@pytest.mark.parametrize(
    ("kind", "row", "code"),
    [
        ("annotion_time", "One 00:20-00:10 00:30-00:40", "bad_interval"),
        ("annotion_time", "One 00:20-00:20 00:30-00:40", "bad_interval"),
        ("annotion_time", "One 00:10-24:00:01 00:30-00:40", "bad_interval"),
        ("annotion_time", "One 00:10-00:75 00:30-00:40", "bad_interval"),
        ("annotion_time", "One 00:10-1:75:00 00:30-00:40", "bad_interval"),
        ("annotion_time", f"One 00:10-{'9' * 400}:00 00:30-00:40", "bad_interval"),
        ("resolution", "One.mp4 -720", "bad_height"),
        ("resolution", "One.mp4 8641", "bad_height"),
        ("resolution", f"One.mp4 {'9' * 5000}", "bad_height"),
        ("resolution", "One.mp4 nan", "bad_height"),
        ("crop_wh", "One_0.mp4 -1 400 0 400", "bad_box"),
        ("crop_wh", "One_0.mp4 16385 400 0 400", "bad_box"),
        ("crop_wh", "One_0.mp4 16000 400 0 400", "bad_box"),
        ("crop_wh", "One_0.mp4 0 400 16000 400", "bad_box"),
        ("crop_wh", "One_0.mp4 0 0 0 400", "bad_box"),
        ("crop_wh", "One_0.mp4 0 400 0 0", "bad_box"),
        ("crop_wh", "One_0.mp4 0 inf 0 400", "bad_box"),
        ("crop_wh", "One_-1.mp4 0 400 0 400", "bad_index"),
        ("crop_wh", "One_100000.mp4 0 400 0 400", "bad_index"),
        ("crop_ratio", "One_0.mp4 0", "bad_zoom"),
        ("crop_ratio", "One_0.mp4 -1.2", "bad_zoom"),
        ("crop_ratio", "One_0.mp4 10.01", "bad_zoom"),
        ("crop_ratio", "One_0.mp4 NaN", "bad_zoom"),
        ("crop_ratio", "One_0.mp4 -inf", "bad_zoom"),
        ("crop_ratio", "One_0.mp4 1e999", "bad_zoom"),
    ],
)
def test_an_impossible_value_is_skipped(tmp_path: Path, kind: str, row: str, code: str) -> None:
    """It is a finding, and only its own row or interval is skipped."""
    text = row + "\n" + "".join(SMALL[kind].splitlines(keepends=True)[1:])
    result = read(write_tables(tmp_path, **{kind: text}))
    (finding,) = found(result, code)
    assert (finding.severity, finding.file, finding.line) == (Severity.ERROR, f"RD_{kind}.txt", 1)
    assert finding.words.isprintable()
    assert len(finding.words) < 300
    # The box of a key with an invalid index is missing, which is reported too.
    assert {each.code for each in oddities(result)} == {code} | ({"no_box"} if code == "bad_index" else set())
    stems = [clip.stem for clip in result.clips]
    assert stems[-2:] == ["RD_One_001", "RD_Two_2_000"]
    if code in ("bad_interval", "bad_box", "bad_index"):
        assert len(stems) == 2
    elif code == "bad_height":
        assert result.clips[0].video.reference_height == 0
    else:
        assert result.clips[0].zoom is None


@pytest.mark.parametrize(
    ("kind", "row", "code", "severity"),
    [
        ("video_url", "One https://youtu.be/ccccccccccc", "duplicate_row", Severity.ERROR),
        ("video_url", "One.mp4 https://youtu.be/ccccccccccc", "duplicate_row", Severity.ERROR),
        ("resolution", "One 1080", "duplicate_row", Severity.ERROR),
        ("annotion_time", "One 05:00-06:00", "duplicate_row", Severity.ERROR),
        ("crop_wh", "One_00.mp4 1 2 3 4", "duplicate_row", Severity.ERROR),
        ("crop_ratio", "One_1 3", "duplicate_row", Severity.ERROR),
        ("resolution", "Nobody.mp4 720", "unknown_video", Severity.ERROR),
        ("annotion_time", "Nobody.mp4 00:10-00:20", "unknown_video", Severity.ERROR),
        ("crop_wh", "Two_0.mp4 1 2 3 4", "unknown_video", Severity.ERROR),
        ("crop_ratio", "one_0.mp4 1.2", "unknown_video", Severity.ERROR),
        ("crop_wh", "One_2.mp4 1 2 3 4", "unknown_interval", Severity.ERROR),
        ("crop_ratio", "Two_2_1.mp4 1.2", "unknown_interval", Severity.ERROR),
    ],
)
def test_duplicate_and_unmatched_rows_are_skipped(
    tmp_path: Path, kind: str, row: str, code: str, severity: Severity
) -> None:
    """A second row of one name, or a row that belongs to nothing, changes no video and no clip."""
    (tmp_path / "clean").mkdir()
    clean = read(write_tables(tmp_path / "clean"))
    result = read(write_tables(tmp_path, **{kind: SMALL[kind] + row + "\n"}))
    (finding,) = oddities(result)
    assert (finding.code, finding.severity) == (code, severity)
    assert (finding.file, finding.line) == (f"RD_{kind}.txt", SMALL[kind].count("\n") + 1)
    assert (result.videos, result.clips) == (clean.videos, clean.clips)


def _without(kind: str, name: str) -> str:
    return "".join(line for line in SMALL[kind].splitlines(keepends=True) if not line.startswith(name))


@pytest.mark.parametrize(
    ("kind", "text", "expected", "clips"),
    [
        ("resolution", _without("resolution", "One"), ("no_height", Severity.WARNING), 3),
        ("resolution", SMALL["resolution"].replace("720", "0"), ("zero_height", Severity.WARNING), 3),
        ("resolution", SMALL["resolution"].replace("720", "721"), ("odd_height", Severity.NOTE), 3),
        ("resolution", SMALL["resolution"].replace("720", "360"), ("box_does_not_fit", Severity.WARNING), 3),
        ("annotion_time", "One\n" + _without("annotion_time", "One"), ("no_interval", Severity.NOTE), 1),
        ("annotion_time", _without("annotion_time", "One"), ("no_interval", Severity.NOTE), 1),
        ("crop_wh", _without("crop_wh", "One_1"), ("no_box", Severity.NOTE), 2),
        ("video_url", SMALL["video_url"].replace(TWO_ID, ONE_ID), ("shared_youtube_id", Severity.NOTE), 3),
        (
            "annotion_time",
            SMALL["annotion_time"].replace("00:30", "00:19"),
            ("overlapping_clips", Severity.NOTE),
            3,
        ),
    ],
)
def test_suspicious_rows_are_reported_and_kept(
    tmp_path: Path, kind: str, text: str, expected: tuple[str, Severity], clips: int
) -> None:
    """Usable rows are used, with a finding."""
    result = read(write_tables(tmp_path, **{kind: text}))
    assert expected in {(finding.code, finding.severity) for finding in oddities(result)}
    assert len(result.clips) == clips


def test_a_finding_names_the_option_that_may_help_unless_it_was_given(tmp_path: Path) -> None:
    """Here a reference height of 0, without a correction."""
    write_tables(tmp_path, resolution=SMALL["resolution"].replace("720", "0"))
    advice = "; `--corrections verified` may have a correction."
    for level, hint in ((Corrections.NONE, advice), (Corrections.VERIFIED, ".")):
        (finding,) = found(read(tmp_path, corrections=level), "zero_height")
        assert finding.words == f"RD_One has reference height 0, so the scale of its boxes is unknown{hint}"


def test_a_box_may_end_at_the_edge_of_the_frame(tmp_path: Path) -> None:
    """A box of the frame's full height is valid, and adjacent intervals share no frame."""
    text = SMALL["crop_wh"].replace("One_0.mp4 10 400 20 401", "One_0.mp4 10 720 0 720")
    touching = SMALL["annotion_time"].replace("00:30", "00:20")
    assert oddities(read(write_tables(tmp_path, crop_wh=text, annotion_time=touching))) == []


def test_a_long_clip_may_contain_several_short_ones(tmp_path: Path) -> None:
    """Each clip that shares frames with an earlier one is reported, not only its neighbour."""
    intervals = "One.mp4 00:10-01:00 00:20-00:25 00:40-00:45\n"
    result = read(
        write_tables(tmp_path, annotion_time=intervals, crop_wh=SMALL["crop_wh"] + "One_2.mp4 1 2 3 4\n")
    )
    first, second = found(result, "overlapping_clips")
    assert "RD_One_000 and RD_One_001" in first.words
    assert "RD_One_000 and RD_One_002" in second.words


def test_a_later_interval_keeps_its_index_without_the_earlier_box(tmp_path: Path) -> None:
    """Clips are not renumbered if an earlier one of the video cannot be created."""
    result = read(write_tables(tmp_path, crop_wh=_without("crop_wh", "One_0")))
    assert [clip.stem for clip in result.clips] == ["RD_One_001", "RD_Two_2_000"]


def test_of_names_that_differ_in_case_the_first_is_used(tmp_path: Path) -> None:
    """On some file systems one would replace the other, so the result is the same everywhere."""
    result = read(
        write_tables(
            tmp_path,
            video_url=SMALL["video_url"] + "ONE https://youtu.be/ccccccccccc\n",
            resolution=SMALL["resolution"] + "ONE.mp4 720\n",
            annotion_time=SMALL["annotion_time"] + "ONE.mp4 00:01-00:02\n",
            crop_wh=SMALL["crop_wh"] + "ONE_0.mp4 1 2 3 4\n",
        )
    )
    (finding,) = oddities(result)
    assert (finding.code, finding.severity, finding.line) == ("case_collision", Severity.ERROR, 3)
    assert "ONE differs from One only in case" in finding.words
    assert [clip.stem for clip in result.clips] == ["RD_One_000", "RD_One_001", "RD_Two_2_000"]
    assert [video.name for video in result.videos] == ["One", "Two_2"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_table_is_one_warning(tmp_path: Path, kind: str) -> None:
    """The rest is used as far as possible, and only the missing table is reported."""
    result = read(write_tables(tmp_path, **{kind: None}))
    (finding,) = oddities(result)
    assert (finding.file, finding.line) == (f"RD_{kind}.txt", 0)
    assert (finding.code, finding.severity) == ("missing_table", Severity.WARNING)
    assert len(result.videos) == (0 if kind == "video_url" else 2)
    assert len(result.clips) == (3 if kind in ("resolution", "crop_ratio") else 0)


def test_a_missing_subset_is_one_warning(tmp_path: Path) -> None:
    """Tables of one subset alone are complete."""
    result = read(write_tables(tmp_path))
    assert [(finding.code, finding.severity) for finding in result.findings] == [
        ("missing_subset", Severity.WARNING)
    ] * 2
    assert ["WDA" in finding.words for finding in result.findings] == [True, False]


# Invalid directories and tables.


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    """The error names the directory."""
    with pytest.raises(TableError, match="nowhere") as caught:
        read(tmp_path / "nowhere")
    assert caught.value.line == 0


def test_a_file_instead_of_a_directory_is_an_error(tmp_path: Path) -> None:
    """The path of one table is not the directory of the tables."""
    with pytest.raises(TableError, match="directory"):
        read(write_tables(tmp_path) / "RD_video_url.txt")


def test_a_directory_without_tables_is_an_error(tmp_path: Path) -> None:
    """The error lists the names of the tables."""
    (tmp_path / "notes.txt").write_text("no table")
    with pytest.raises(TableError) as caught:
        read(tmp_path)
    for subset in SUBSETS:
        for kind in KINDS:
            assert f"{subset}_{kind}.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("video_url", "One"),
        ("video_url", "One two three"),
        ("resolution", "One.mp4"),
        ("resolution", "One.mp4 720 1280"),
        ("resolution", "One.mp4 720p"),
        ("resolution", "One.mp4 1_080"),
        ("resolution", "One.mp4 +720"),
        ("resolution", "One.mp4 --720"),
        ("resolution", "One.mp4 720.0"),
        ("resolution", "One.mp4 \u0667\u0662\u0660"),
        ("resolution", "One.mp4 7\u00b2"),
        ("annotion_time", "One.mp4 00:10"),
        ("annotion_time", "One.mp4 00:10-"),
        ("annotion_time", "One.mp4 10-20"),
        ("annotion_time", "One.mp4 00:10-00:20-00:30"),
        ("annotion_time", "One.mp4 00:10-1:2:3:4"),
        ("annotion_time", "One.mp4 00:10\u201300:20"),
        ("annotion_time", "One.mp4 \u0660\u0660:10-00:20"),
        ("annotion_time", "One.mp4 00:+1-00:20"),
        ("annotion_time", "One.mp4 00:1_0-00:20"),
        ("annotion_time", "One.mp4 00:10,00:20"),
        ("crop_wh", "One_0.mp4 1 2 3"),
        ("crop_wh", "One_0.mp4 1 2 3 4 5"),
        ("crop_wh", "One_0.mp4 1 2 3 four"),
        ("crop_wh", "One_0.mp4 1 2.5 3 4"),
        ("crop_wh", "One.mp4 1 2 3 4"),
        ("crop_wh", "One_x.mp4 1 2 3 4"),
        ("crop_wh", "One_.mp4 1 2 3 4"),
        ("crop_ratio", "One_0.mp4"),
        ("crop_ratio", "One_0.mp4 1,2"),
        ("crop_ratio", "One_0.mp4 1_0"),
        ("crop_ratio", "One_0.mp4 +1.2"),
        ("crop_ratio", "One_0.mp4 0x1"),
    ],
)
def test_a_malformed_line_is_an_error_with_file_and_line(tmp_path: Path, kind: str, row: str) -> None:
    """A line that is no row of its table stops the reading, with its position."""
    write_tables(tmp_path, **{kind: f"{SMALL[kind].splitlines()[-1]}\n\n{row}\n"})
    with pytest.raises(TableError) as caught:
        read(tmp_path)
    assert (caught.value.file, caught.value.line) == (f"RD_{kind}.txt", 3)
    assert str(caught.value).startswith(f"RD_{kind}.txt:3: ")
    assert "; expected" in str(caught.value)
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    "data", [b"\xff\xfeO\0n\0e\0", b"One\nT\xfcr https://youtu.be/ccccccccccc\n", b"One \xed\xa0\x80\n"]
)
def test_a_table_that_is_not_utf_8_is_an_error(tmp_path: Path, data: bytes) -> None:
    """Lines in other encodings are reported, and the encoding is not guessed."""
    with pytest.raises(TableError, match="UTF-8") as caught:
        read(write_tables(tmp_path, video_url=SMALL["video_url"].encode() + data.replace(b"One\n", b"")))
    assert caught.value.line == 3


def test_a_line_of_a_hundred_megabytes_is_an_error_and_not_kept_in_memory(tmp_path: Path) -> None:
    """A damaged table takes neither memory nor time."""
    write_tables(tmp_path)
    os.truncate(tmp_path / "RD_resolution.txt", 100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(TableError, match=r"^RD_resolution\.txt:3: longer than"):
            read(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_the_longest_valid_line_is_read(tmp_path: Path) -> None:
    """Up to the last character before the limit."""
    row = "One 00:10-00:20"
    padded = row.ljust(text_files.LONGEST_LINE)
    assert len(read(write_tables(tmp_path, annotion_time=f"{padded}\n")).clips) == 1
    with pytest.raises(TableError, match="longer"):
        read(write_tables(tmp_path, annotion_time=f"{padded} \n"))


def test_special_files_are_errors(tmp_path: Path) -> None:
    """A FIFO would block forever, a directory has no rows, a loop of links leads nowhere."""
    path = write_tables(tmp_path, resolution=None) / "RD_resolution.txt"
    os.mkfifo(path)
    with pytest.raises(TableError, match="regular file"):
        read(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(TableError, match="regular file"):
        read(tmp_path)
    path.rmdir()
    path.symlink_to(path)
    with pytest.raises(TableError, match="cannot read"):
        read(tmp_path)


def test_the_error_survives_a_process_boundary() -> None:
    """A pickled error has the same message."""
    error = TableError("RD_video_url.txt", 3, "what; what to do")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - created in this line
    assert (str(again), again.file, again.line) == ("RD_video_url.txt:3: what; what to do", error.file, 3)


# Corrections.


def test_the_verified_correction_applies_by_default() -> None:
    """KevinMcCarthy1 has a reference height, both clips are marked, and nothing else is changed."""
    mended, published = read(), read(corrections=Corrections.NONE)
    first, second = clips_of(mended, "KevinMcCarthy1")
    assert (first.video.reference_height, first.correction, second.correction) == (
        720,
        "verified",
        "verified",
    )
    assert first.video in mended.videos
    assert {clip.stem for clip in mended.clips if clip.correction} == {first.stem, second.stem}
    same = [clip for clip in mended.clips if not clip.correction]
    assert same == [clip for clip in published.clips if clip.video.name != "KevinMcCarthy1"]


def test_without_corrections_the_tables_are_as_published() -> None:
    """No clip is marked, and the reference height is the published 0."""
    result = read(corrections=Corrections.NONE)
    assert {clip.correction for clip in result.clips} == {None}
    assert clips_of(result, "KevinMcCarthy1")[0].video.reference_height == 0


def test_unverified_corrections_include_the_verified_one() -> None:
    """The three boxes are replaced, with new indices if the interval is another one."""
    result = read(corrections=Corrections.UNVERIFIED)
    mended = {
        clip.stem: (clip.interval, clip.box, clip.correction, clip.zoom)
        for clip in result.clips
        if clip.correction
    }
    level = "unverified"
    assert mended == {
        "WDA_MaggieHassan_000": (Interval(5, 95), Box(360, 60, 512, 512), level, 1.0),
        "WRA_PeterKing_001": (Interval(17, 30), Box(350, 0, 512, 512), level, 0.9),
        "WDA_MazieHirono1_001": (Interval(5, 75), Box(380, 10, 512, 512), level, 0.8),
        "WDA_MazieHirono1_002": (Interval(90, 115), Box(380, 10, 512, 512), level, 0.8),
        "WRA_KevinMcCarthy1_000": (Interval(22, 45), Box(412, 0, 465, 465), "verified", 1.2),
        "WRA_KevinMcCarthy1_001": (Interval(65, 80), Box(421, 14, 459, 459), "verified", 1.2),
    }
    assert len(result.clips) == 422
    assert result.videos == read().videos


def test_an_index_never_belongs_to_two_intervals() -> None:
    """At any level, a clip's name stands for one interval."""
    seen: dict[str, Interval] = {}
    for level in Corrections:
        for clip in read(corrections=level).clips:
            assert seen.setdefault(clip.stem, clip.interval) == clip.interval
    assert "WRA_PeterKing_000" not in {clip.stem for clip in read(corrections=Corrections.UNVERIFIED).clips}


@pytest.mark.parametrize(
    ("file", "old", "new", "name"),
    [
        ("WRA_resolution.txt", "KevinMcCarthy1.mp4 0", "KevinMcCarthy1.mp4 1080", "KevinMcCarthy1"),
        (
            "WDA_crop_wh.txt",
            "MaggieHassan_0.mp4 389 776 0 776",
            "MaggieHassan_0.mp4 389 700 0 700",
            "MaggieHassan",
        ),
        ("WDA_resolution.txt", "MaggieHassan.mp4 720", "MaggieHassan.mp4 1080", "MaggieHassan"),
        ("WRA_annotion_time.txt", "PeterKing.mp4 00:20-00:40", "PeterKing.mp4 00:21-00:40", "PeterKing"),
        ("WRA_annotion_time.txt", "KevinMcCarthy1.mp4 00:22-00:45 ", "KevinMcCarthy1.mp4 00:23-00:45 ", ""),
    ],
)
def test_a_different_row_is_not_corrected(tmp_path: Path, file: str, old: str, new: str, name: str) -> None:
    """A correction of a row that the table no longer contains is only reported."""
    change(copy(tmp_path), file, old, new)
    result = read(tmp_path, corrections=Corrections.UNVERIFIED)
    if name:
        assert clips_of(result, name) == clips_of(read(tmp_path, corrections=Corrections.NONE), name)
        (finding,) = found(result, "correction_not_applied")
        assert finding.severity is Severity.NOTE
        assert name in finding.words
    else:
        # A height is that of the whole video, so a changed interval does not prevent the correction.
        assert found(result, "correction_not_applied") == []


@pytest.mark.parametrize("name", ["KevinMcCarthy1", "PeterKing", "MaggieHassan", "MazieHirono1"])
def test_another_video_of_the_same_name_is_never_corrected(tmp_path: Path, name: str) -> None:
    """A user's own table is not the published one, even if its numbers are equal."""
    for path in copy(tmp_path).glob("*_video_url.txt"):
        path.write_text(
            re.sub(rf"^({name}) .*", r"\1 https://youtu.be/ccccccccccc", path.read_text(), flags=re.MULTILINE)
        )
    result = read(tmp_path, corrections=Corrections.UNVERIFIED)
    assert {clip.correction for clip in clips_of(result, name)} == {None}
    assert not any(name in finding.words for finding in found(result, "corrected"))
    assert found(result, "correction_not_applied") == []


def test_corrections_next_to_the_tables_replace_the_bundled_ones(tmp_path: Path) -> None:
    """A user's corrections are used instead."""
    copy(tmp_path)
    shutil.copy(shipped() / "corrections.csv", tmp_path)
    assert read(tmp_path) == read()
    write_tables(tmp_path, corrections="")
    assert clips_of(read(tmp_path), "KevinMcCarthy1")[0].video.reference_height == 0


ONE = f"RD,One,{ONE_ID},0,00:10-00:20 10 400 20 401 at 720"
"""The first clip of the small tables in the format of a correction."""


def _stems(result: Tables) -> list[str]:
    return [clip.stem for clip in result.clips]


def test_a_correction_may_be_verified_and_change_an_interval(tmp_path: Path) -> None:
    """The new clip is listed with its video, in the order of indices."""
    result = read(write_tables(tmp_path, corrections=f'verified,{ONE},2,00:11-00:20 1 2 3 4,"us, twice"\n'))
    assert _stems(result) == ["RD_One_001", "RD_One_002", "RD_Two_2_000"]
    (finding,) = oddities(result)
    assert (finding.code, finding.file, finding.line) == ("corrected", "corrections.csv", 2)
    assert "us, twice" in finding.words


@pytest.mark.parametrize(
    "lines",
    [
        f"verified,{ONE},0,00:11-00:20 1 2 3 4,us\n",
        f"verified,{ONE},1,00:11-00:20 1 2 3 4,us\n",
        f"verified,{ONE},1,00:30-00:40 1 2 3 4,us\n",
        f"verified,{ONE},2,00:11-00:20 1 2 3 4,us\nverified,{ONE},2,00:12-00:20 1 2 3 4,us\n",
        f"verified,{ONE},2,00:11-00:20 1 2 3 4,us\nverified,{ONE},1,00:12-00:20 1 2 3 4,us\n",
    ],
)
def test_a_correction_that_reuses_an_index_is_rejected(tmp_path: Path, lines: str) -> None:
    """The published clips are kept, all of them, if one correction would assign an index twice."""
    result = read(write_tables(tmp_path, corrections=lines))
    (finding,) = oddities(result)
    assert (finding.code, finding.severity) == ("index_reused", Severity.ERROR)
    assert _stems(result) == ["RD_One_000", "RD_One_001", "RD_Two_2_000"]
    assert {clip.correction for clip in result.clips} == {None}


def test_two_corrections_cannot_use_one_free_index(tmp_path: Path) -> None:
    """An index that one correction has assigned is not free for the next."""
    second = f"RD,One,{ONE_ID},1,00:30-00:40 11 400 21 401 at 720"
    lines = f"verified,{ONE},2,00:11-00:20 1 2 3 4,us\nverified,{second},2,00:31-00:40 1 2 3 4,us\n"
    result = read(write_tables(tmp_path, corrections=lines))
    assert _stems(result) == ["RD_One_001", "RD_One_002", "RD_Two_2_000"]
    assert found(result, "index_reused")[0].line == 3


def test_of_two_corrections_the_verified_one_applies(tmp_path: Path) -> None:
    """One row is corrected once, by the more certain source, whatever the order of lines."""
    lines = f"unverified,{ONE},0,00:10-00:20 1 2 3 4,them\nverified,{ONE},0,00:10-00:20 5 6 7 8,us\n"
    lines += f"unverified,RD,One,{ONE_ID},,720,,1080,them\nverified,RD,One,{ONE_ID},,720,,2160,us\n"
    result = read(write_tables(tmp_path, corrections=lines), corrections=Corrections.UNVERIFIED)
    assert result.clips[0].box == Box(5, 7, 6, 8)
    assert result.clips[0].video.reference_height == 2160
    assert result.clips[0].correction == "verified"
    assert [finding.line for finding in found(result, "correction_not_applied")] == [2, 4]


def test_a_clip_has_the_level_of_its_less_certain_correction(tmp_path: Path) -> None:
    """A verified height does not make an unverified box verified."""
    lines = f"unverified,{ONE},0,00:10-00:20 1 2 3 4,them\nverified,RD,One,{ONE_ID},,720,,1080,us\n"
    first, second, other = read(
        write_tables(tmp_path, corrections=lines), corrections=Corrections.UNVERIFIED
    ).clips
    assert (first.correction, second.correction, other.correction) == ("unverified", "verified", None)
    assert first.video == second.video
    assert first.video.reference_height == 1080


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("level,name\n", 1),
        ("verified,RD,One\n", 1),
        ("HEAD\nverified,RD\n", 2),
        ("HEAD\n\nsure,RD,One,aaaaaaaaaaa,,720,,1080,us\n", 3),
        ("HEAD\nverified,XX,One,aaaaaaaaaaa,,720,,1080,us\n", 2),
        ("HEAD\nverified,RD,One,aaaaaaaaaaa,,tall,,1080,us\n", 2),
        ("HEAD\nverified,RD,One,aaaaaaaaaaa,0,720,,1080,us\n", 2),
        ("HEAD\nverified,RD,One,aaaaaaaaaaa,0,00:10-00:20 1 2 3 4,0,00:10-00:20 1 2 3 4,us\n", 2),
        ("HEAD\nverified,RD,One,aaaaaaaaaaa,0,00:10-00:20 1 2 3 4 at 720,0,,us\n", 2),
        ("HEAD\nverified,RD,One,aaaaaaaaaaa,0,00:10-00:20 1 2 3 at 720,0,00:10-00:20 1 2 3 4,us\n", 2),
        ('HEAD\nverified,RD,One,aaaaaaaaaaa,,720,,1080,"us\n', 2),
        ("HEAD\nverified,RD,One,aaaaaaaaaaa,,720,,1080,\udcff\n", 2),
    ],
)
def test_a_malformed_correction_is_an_error_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    """As in the other tables."""
    head = "level,subset,name,youtube_id,index,published,new_index,corrected,source"
    data = text.replace("HEAD", head).encode(errors="surrogateescape")
    (write_tables(tmp_path) / "corrections.csv").write_bytes(data)
    with pytest.raises(TableError) as caught:
        read(tmp_path)
    assert (caught.value.file, caught.value.line) == ("corrections.csv", line)
    assert len(read(tmp_path, corrections=Corrections.NONE).clips) == 3


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("verified,RD,../One,aaaaaaaaaaa,,720,,1080,us", "bad_name"),
        ("verified,RD,One,aaa,,720,,1080,us", "bad_url"),
        ("verified,RD,One,aaaaaaaaaaa,,720,,99999,us", "bad_height"),
        (f"verified,{ONE},0,00:10-00:20 1 0 3 4,us", "bad_box"),
        (f"verified,{ONE},0,00:20-00:10 1 2 3 4,us", "bad_interval"),
        (f"verified,{ONE},-1,00:10-00:20 1 2 3 4,us", "bad_index"),
    ],
)
def test_an_impossible_correction_is_skipped(tmp_path: Path, line: str, code: str) -> None:
    """Corrections must not contain values that are invalid in the tables."""
    result = read(write_tables(tmp_path, corrections=line + "\n"))
    assert [(finding.code, finding.severity) for finding in oddities(result)] == [(code, Severity.ERROR)]
    assert {clip.correction for clip in result.clips} == {None}


def test_a_source_is_quoted_safely(tmp_path: Path) -> None:
    """Text from a table of corrections does not move the cursor either."""
    line = f"verified,RD,One,{ONE_ID},,720,,1080,\x1b[2J\u202e{'x' * 5000}\n"
    (finding,) = found(read(write_tables(tmp_path, corrections=line)), "corrected")
    assert finding.words.isascii()
    assert finding.words.isprintable()
    assert len(finding.words) < 400


def test_a_message_quotes_a_hundred_characters_of_a_correction(tmp_path: Path) -> None:
    """The message about a malformed clip, and the source of a correction."""
    head = "level,subset,name,youtube_id,index,published,new_index,corrected,source"
    line = f"verified,{ONE},0,{'y' * 200},us\n"
    (write_tables(tmp_path) / "corrections.csv").write_text(f"{head}\n{line}")
    with pytest.raises(TableError) as caught:
        read(tmp_path)
    assert f"'{'y' * 100}'" in str(caught.value)
    line = f"verified,RD,One,{ONE_ID},,720,,1080,{'x' * 200}\n"
    (finding,) = found(read(write_tables(tmp_path, corrections=line)), "corrected")
    assert finding.words.count("x" * 100) == 1
    assert "x" * 101 not in finding.words


# Any content of tables.

TOKENS = st.one_of(
    st.text(max_size=30),
    st.text("0123456789:-._+einfaAN \t/\\", max_size=20),
    st.sampled_from(
        ["One", "One.mp4", "Two_2_0.mp4", "00:10-00:20", "720", "1.2", "0", "at", "..", "-", "nan"]
    ),
    st.from_regex(r"(https?://)?(www\.)?(youtube\.com|youtu\.be|evil\.org)/[a-z]{0,6}(\?v=)?[\w%&=/-]{0,14}"),
)


def _row(text: str) -> Row:
    return Row("RD_video_url.txt", 1, text.split(" "), Findings())


@given(TOKENS)
@settings(max_examples=100, deadline=None)
def test_fields_are_read_as_valid_values_or_findings(text: str) -> None:
    """Each reader returns a value within its limits, or a finding, or raises `TableError`."""
    readers: list[tuple[Callable[[Row], object], Callable[[object], bool]]] = [
        (lambda row: row.name(text), lambda value: _lawful_name(str(value))),
        (lambda row: row.key(text), lambda value: isinstance(value, tuple) and _lawful_name(value[0])),
        (lambda row: row.youtube_id(text), lambda value: SAFE_ID.fullmatch(str(value)) is not None),
        (lambda row: row.height(text), lambda value: isinstance(value, int) and 0 <= value <= 8640),
        (lambda row: row.index(text), lambda value: isinstance(value, int) and 0 <= value <= 99_999),
        (lambda row: row.zoom(text), lambda value: isinstance(value, float) and 0 < value <= 10),
        (
            lambda row: row.interval(text),
            lambda value: isinstance(value, Interval) and _lawful_interval(value),
        ),
        (lambda row: row.box([text] * 4), lambda value: isinstance(value, Box) and value.bottom <= 16384),
    ]
    for reader, lawful in readers:
        row = _row(text)
        try:
            value = reader(row)
        except TableError as error:
            # A reader may raise or not, so pytest.raises is not suitable.
            assert (error.file, error.line) == ("RD_video_url.txt", 1)  # noqa: PT017 - see above
            assert str(error).isascii()  # noqa: PT017 - see above
            continue
        assert (value is None) == bool(row.findings)
        assert value is None or lawful(value)
        assert all(finding.words.isprintable() for finding in row.findings)


def _lawful_name(name: str) -> bool:
    return SAFE_NAME.fullmatch(name) is not None and ".." not in name


def _lawful_interval(interval: Interval) -> bool:
    return 0 <= interval.start < interval.end <= 86400


@given(start=st.integers(0, 86398), length=st.integers(1, 86400), hours=st.booleans())
@settings(max_examples=100, deadline=None)
def test_an_interval_is_read_as_it_was_written(*, start: int, length: int, hours: bool) -> None:
    """Times in minutes, or in hours and minutes, result in the same seconds."""
    end = min(start + length, 86400)

    def written(seconds: int) -> str:
        minutes, rest = divmod(seconds, 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"

    assert _row("").interval(f"{written(start)}-{written(end)}") == Interval(start, end)


NAMES = st.one_of(st.sampled_from(["One", "one", "Two_2", "X", "a/b", "..", "x" * 100]), TOKENS)
NUMBERS = st.one_of(st.integers(-1, 2000), st.sampled_from(["0", "nan", "99999", "007"])).map(str)
TIMES = st.tuples(st.integers(0, 61), st.integers(0, 61)).map("%02d:%02d".__mod__)
INTERVALS = st.tuples(TIMES, TIMES).map("-".join)
IDS = st.sampled_from([ONE_ID, TWO_ID, "ccccccccccc", "short"])
BOXES = st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS).map(" ".join)
KEYS = st.tuples(NAMES, st.integers(0, 4)).map("%s_%d.mp4".__mod__)
ROWS = {
    "RD_video_url.txt": st.tuples(NAMES, IDS).map("%s https://youtu.be/%s".__mod__),
    "RD_resolution.txt": st.tuples(NAMES, NUMBERS).map(" ".join),
    "RD_annotion_time.txt": st.tuples(NAMES, st.lists(INTERVALS, max_size=4).map(" ".join)).map(" ".join),
    "RD_crop_wh.txt": st.tuples(KEYS, BOXES).map(" ".join),
    "RD_crop_ratio.txt": st.tuples(KEYS, st.floats(-1, 20).map("{:.3f}".format)).map(" ".join),
    "corrections.csv": st.tuples(
        st.sampled_from(["verified", "unverified"]),
        st.sampled_from(["One", "Two_2", ".."]),
        st.sampled_from([ONE_ID, TWO_ID]),
        st.sampled_from(["0,00:10-00:20 10 400 20 401 at 720", "1,00:30-00:40 11 400 21 401 at 720"]),
        st.integers(0, 4),
        st.one_of(st.just("00:10-00:20"), INTERVALS),
        BOXES,
        st.text("xyz\x1b\u202e", max_size=5),
    ).map("%s,RD,%s,%s,%s,%s,%s %s,%s".__mod__),
}
HEAD = "level,subset,name,youtube_id,index,published,new_index,corrected,source\n"


@st.composite
def contents(draw: st.DrawFn) -> dict[str, bytes]:
    """Draw the small tables with additional rows: mostly of the right format, sometimes anything."""
    files = {f"RD_{kind}.txt": text.encode() for kind, text in SMALL.items()} | {
        "corrections.csv": HEAD.encode()
    }
    for file in draw(st.lists(st.sampled_from(sorted(ROWS)), max_size=8)):
        files[file] += draw(ROWS[file]).encode(errors="replace") + b"\n"
    if draw(st.integers(0, 3)) == 0:
        anything = st.one_of(st.lists(TOKENS, max_size=6).map(" ".join), st.text()).map(
            lambda text: text.encode(errors="replace")
        )
        file = draw(st.sampled_from(sorted(ROWS)))
        files[file] += draw(st.one_of(anything, st.binary(max_size=60)))
    return files


@pytest.mark.slow
@given(contents(), st.sampled_from(list(Corrections)))
@settings(max_examples=100, deadline=None)
def test_any_tables_only_raise_table_errors(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], level: Corrections
) -> None:
    """Whatever the tables contain, the result is safe as a file name and for display."""
    directory = tmp_path_factory.getbasetemp()
    for file, data in files.items():
        (directory / file).write_bytes(data)
    try:
        result = read(directory, corrections=level)
    except TableError as error:
        assert str(error).isprintable()  # noqa: PT017 - most tables raise nothing
        return
    for video in result.videos:
        assert _lawful_name(video.name)
        assert SAFE_ID.fullmatch(video.youtube_id)
    for clip in result.clips:
        assert clip.video in result.videos
        assert _lawful_interval(clip.interval)
        assert clip.box is not None
        assert 0 < clip.box.width <= clip.box.right <= 16384
        assert 0 < clip.box.height <= clip.box.bottom <= 16384
    stems = [clip.stem for clip in result.clips]
    assert len(stems) == len(set(stems))
    if any(clip.correction for clip in result.clips):
        published = {clip.stem: clip for clip in read(directory, corrections=Corrections.NONE).clips}
        for clip in result.clips:
            assert published.get(clip.stem, clip).interval == clip.interval
    assert all(finding.words.isprintable() for finding in result.findings)
    assert all(one.index < two.index for one, two in pairwise(result.clips) if one.video == two.video)


@pytest.mark.parametrize("height", [144, 240, 360, 480, 720, 1080, 1440, 2160, 4320])
def test_the_heights_of_youtubes_formats_are_not_odd(tmp_path: Path, height: int) -> None:
    """Those that it creates from a 16:9 video; one more or less is odd."""
    for number, odd in ((height, 0), (height + 1, 1), (height - 1, 1)):
        resolution = SMALL["resolution"].replace("720", f"{number}")
        tables = read(write_tables(tmp_path, resolution=resolution))
        assert len([row for row in found(tables, "odd_height") if f"height {number} " in row.words]) == odd


def test_tables_of_other_videos_are_not_called_hdtf(tmp_path: Path) -> None:
    """HDTF's own tables are, also a copy of a part of them; others have the name of their directory."""
    part = tmp_path / "part"
    part.mkdir()
    for kind in ("video_url", "resolution", "annotion_time", "crop_wh", "crop_ratio"):
        name = f"RD_{kind}.txt"
        (part / name).write_bytes((tables.shipped() / name).read_bytes())
    assert tables.read().source is tables.read(part).source is None
    rows = (part / "RD_video_url.txt").read_text()
    other = part.rename(tmp_path / "my lectures")
    (other / "RD_video_url.txt").write_text(rows.replace("CPCoMyuBRM0", "aaaaaaaaaaa"))
    assert tables.read(other).source == Source("my lectures")
