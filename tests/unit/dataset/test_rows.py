"""Rows of a list of clips: what they become, and why they are skipped."""

from __future__ import annotations

import json
from collections import namedtuple
from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.clip_record import ClipRecord, annotation_to_json, row_to_json
from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.model import Annotation, Clip, Interval, Region, Severity, Square, Tables
from hdtf_async.core.splits import SHARED
from hdtf_async.dataset.clip_row import COLUMNS, ClipRow
from hdtf_async.dataset.fields import MOST_OF_A_KIND
from hdtf_async.dataset.row_values import rate_of
from hdtf_async.dataset.rows import assemble

if TYPE_CHECKING:
    from collections.abc import Mapping

ID = "M2Ohb0FAaJU"


def clip_of(**columns: object) -> Clip:
    """Return the clip of one row."""
    (clip,) = read(columns).clips
    return clip


def read(*rows: Mapping[str, object]) -> Tables:
    """Return what rows become; video, start and end are filled in."""
    return assemble([{"video": ID, "start": 1, "end": 2, **row} for row in rows], file="list.csv")


def refused(**columns: object) -> str:
    """Return why a row is skipped."""
    tables = read(columns)
    assert tables.clips == ()
    (finding,) = tables.findings
    assert (finding.file, finding.line, finding.severity) == ("list.csv", 1, Severity.ERROR)
    return finding.words


def test_the_least_row_is_an_interval_of_the_whole_frame() -> None:
    """It is named after the video and its position in it."""
    clip = clip_of()
    assert (clip.stem, clip.interval, clip.box, clip.region) == (f"{ID}_000", Interval(1, 2), None, None)
    assert (clip.video.subset, clip.video.name, clip.video.reference_height) == ("", ID, 0)


@pytest.mark.parametrize(
    "video",
    [
        ID,
        f" {ID} ",
        f"https://youtu.be/{ID}",
        f"https://www.youtube.com/watch?v={ID}&t=3",
        *(f"https://m.youtube.com/{path}/{ID}" for path in ("shorts", "embed", "live")),
    ],
)
def test_a_video_is_an_id_or_a_url(video: str) -> None:
    """All forms of YouTube URLs that the tables of HDTF may contain."""
    assert clip_of(video=video).video.youtube_id == ID


@pytest.mark.parametrize(
    ("youtube_id", "stem"), [("_videos_raw", "id_videos_raw_000"), ("-abcdefghij", "id-abcdefghij_000")]
)
def test_no_file_name_begins_like_a_file_of_the_program_or_an_option(youtube_id: str, stem: str) -> None:
    """Such an id gets a prefix."""
    assert clip_of(video=youtube_id).stem == stem


def test_clips_are_numbered_within_their_video_and_subset() -> None:
    """Skipped rows count, so that correcting one renames no other clip."""
    tables = read({}, {"subset": "a"}, {"start": 5}, {}, {"subset": "a"}, {"name": "given"})
    assert [clip.stem for clip in tables.clips] == [
        f"{ID}_000", f"a_{ID}_000", f"{ID}_002", f"a_{ID}_001", "given",
    ]  # fmt: skip
    assert [video.stem for video in tables.videos] == [ID, f"a_{ID}"]


@pytest.mark.parametrize(
    ("columns", "interval"),
    [
        ({"start": "81.62", "end": "86.17"}, Interval(81.62, 86.17)),
        ({"start": "1:21.5", "end": "01:00:00"}, Interval(81.5, 3600)),
        ({"start": 3657, "end": 3994, "unit": "frame", "fps": 25}, Interval(146.28, 159.76, Fraction(25))),
        (
            {"start": 0, "end": 9, "unit": "frame", "fps": "10", "end_inclusive": "true"},
            Interval(0, 1, Fraction(10)),
        ),
        (
            {"start": 30, "end": 60, "unit": "frame", "fps": 29.97},
            Interval(1.001, 2.002, Fraction(30000, 1001)),
        ),
    ],
)  # fmt: skip
def test_an_interval_is_in_seconds_or_in_frames(columns: dict[str, Any], interval: Interval) -> None:
    """Frame k is at k / fps; the end is exclusive unless the row says otherwise."""
    assert clip_of(**columns).interval == interval


@pytest.mark.parametrize(
    ("rate", "exact"), [(29.97, "30000/1001"), (23.976, "24000/1001"), (30, "30"), ("12.5", "25/2")]
)
def test_a_rounded_rate_is_the_fraction_that_it_stands_for(rate: object, exact: str) -> None:
    """After an hour, 29.97 would be four milliseconds off."""
    assert rate_of(rate) == Fraction(exact)


def test_a_box_in_pixels_has_a_reference_size() -> None:
    """Without the reference width, x and y have one scale."""
    edges = {"left": 624, "top": 48, "right": 1018, "bottom": 553}
    both = clip_of(**edges, ref_width=1280, ref_height=720)
    assert both.region == Region(624, 48, 394, 505, 1280, 720)
    assert both.video.reference_height == 720
    assert clip_of(**edges, ref_height="720").region == Region(624, 48, 394, 505, 0, 720)


def test_a_normalised_box_is_exact() -> None:
    """Its width is the decimal difference of its edges, without the error of binary fractions."""
    clip = clip_of(
        left=".1964", top="0", right="0.6922", bottom="0.8815", box_unit="norm", square="min", expand="0.1"
    )
    assert clip.region == Region(0.1964, 0, 0.4958, 0.8815, 1, 1, 0.1, Square.MIN)


def test_a_box_beyond_the_frame_is_clipped_with_a_finding() -> None:
    """As the code of the datasets does."""
    tables = read({"left": -0.1, "top": 0.5, "right": 0.5, "bottom": 1.2, "box_unit": "norm"})
    assert tables.clips[0].region == Region(0, 0.5, 0.5, 0.5)
    assert [finding.code for finding in tables.findings] == ["box_clipped"]


def test_other_columns_are_recorded_as_they_are() -> None:
    """Those of a row and of its `extra`; empty cells are left out."""
    clip = clip_of(
        caption="speaks", empty="", absent=None, missing=float("nan"), extra={"happy": True}, age=3
    )
    assert clip.annotation is not None
    assert json.loads(clip.annotation.extra or "") == {"happy": True, "caption": "speaks", "age": 3}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"video": "short"}, "column video: expected a YouTube id of 11 characters"),
        ({"video": None}, "got nothing"),
        ({"video": "https://vimeo.com/12345678901"}, "column video"),
        ({"start": "abc"}, "column start: expected seconds, such as 81.62, or a time such as 1:21.62 (got a"),
        ({"start": float("inf")}, "column start"),
        ({"start": -1}, "column start"),
        ({"start": True}, "column start"),
        ({"start": "1:99"}, "column end: expected an end after the start (1:99)"),
        ({"end": 1}, "column end: expected an end after the start (1), within a day (got 1)"),
        ({"end": 90_000}, "column end"),
        ({"unit": "frames"}, "column unit: expected s or frame (got frames)"),
        ({"unit": "frame"}, "column fps: expected frames per second from 1 to 240"),
        ({"unit": "frame", "fps": "25/0"}, "column fps"),
        ({"unit": "frame", "fps": "1e99999999"}, "column fps"),
        ({"unit": "frame", "fps": "9" * 9999}, "column fps"),
        ({"unit": "frame", "fps": 25, "start": 1.5}, "column start: expected the number of a frame"),
        ({"end_inclusive": True}, "column end_inclusive: expected false unless the unit is frame"),
        ({"end_inclusive": "maybe"}, "expected true or false (got maybe)"),
        ({"left": 1}, "column top: expected all or none of left, top, right and bottom (got nothing)"),
        ({"left": 1, "top": 1, "right": 5, "bottom": 5}, "column ref_height: expected the height"),
        ({"left": 5, "top": 1, "right": 5, "bottom": 5, "ref_height": 9}, "right: expected a box with an"),
        ({"left": 1.2, "top": 0, "right": 2, "bottom": 1, "box_unit": "norm"}, "within the frame of 1x1"),
        ({"left": 9, "top": 0, "right": 30, "bottom": 10, "box_unit": "norm"}, "box_unit: expected px"),
        ({"left": 0.1, "top": 0, "right": 0.5, "bottom": 1, "ref_height": 9}, "box_unit: expected norm"),
        ({"name": "con"}, "column name: expected a name that is not that of a device on Windows"),
        ({"name": "LPT1.b"}, "column name: expected a name that is not that of a device on Windows"),
        ({"note": "half \ud800"}, "column extra: expected text without half characters"),
        ({"left": "1e999", "top": 0, "right": 3, "bottom": 1, "box_unit": "norm"}, "column left"),
        ({"square": "yes"}, "column square: expected no or min or max"),
        ({"expand": -1}, "column expand: expected a number from 0 to 10"),
        ({"zoom": 0}, "column zoom: expected a number above 0"),
        ({"ref_height": 0}, "column ref_height: expected an integer from 1"),
        ({"name": "../up"}, "column name"),
        ({"name": "_journal"}, "column name"),
        ({"subset": "a/b"}, "column subset"),
        ({"speaker": "a\x1b[2J"}, r"expected up to 200 printable characters (got 'a\x1b[2J')"),
        ({"split": "training"}, "column split: expected train, val or test"),
        ({"point_x": 0.5}, "column point_y: expected both or none"),
        ({"point_x": 1.5, "point_y": 0}, "column point_x: expected a number from 0 to 1"),
        ({"caption": "x" * 70_000}, "column extra: expected at most"),
    ],
)  # fmt: skip
def test_an_invalid_value_skips_its_row_and_names_the_column(columns: dict[str, Any], message: str) -> None:
    """With what was expected and what it is; nothing that a terminal would execute."""
    assert message in refused(**columns)
    assert refused(**columns).isprintable()


def test_two_clips_never_have_one_name() -> None:
    """The later row is skipped, also if the names differ only in case, or one of them is not given."""
    tables = read({"name": "Clip"}, {"name": "clip"}, {}, {"name": f"{ID}_002"}, {"name": f"{ID}_005"}, {})
    assert [clip.stem for clip in tables.clips] == ["Clip", f"{ID}_002", f"{ID}_005"]
    found = [(finding.line, finding.code) for finding in tables.findings]
    assert found == [(2, "name_collision"), (4, "name_collision"), (6, "name_collision")]


def test_two_videos_never_share_a_file_in_a_file_system_that_ignores_case() -> None:
    """The later video's rows are skipped."""
    tables = read({"video": "AAAAAAAAAAA"}, {"video": "aAAAAAAAAAA"})
    assert [clip.video.youtube_id for clip in tables.clips] == ["AAAAAAAAAAA"]
    assert [finding.code for finding in tables.findings] == ["bad_video"]


def test_the_first_given_reference_height_is_downloaded_for_all_clips_of_a_video() -> None:
    """Also if earlier rows give none; a row that gives another is a note."""
    box = {"left": 1, "top": 1, "right": 9, "bottom": 9}
    tables = read({}, {"ref_height": 720, **box}, {"ref_height": 1080, **box}, {"video": "aaaaaaaaaaa"})
    assert [video.reference_height for video in tables.videos] == [720, 0]
    assert [clip.video for clip in tables.clips] == [*3 * [tables.videos[0]], tables.videos[1]]
    assert [clip.region and clip.region.reference_height for clip in tables.clips] == [None, 720, 1080, None]
    (finding,) = tables.findings
    assert (finding.line, finding.severity, finding.code) == (3, Severity.NOTE, "ref_height_differs")
    assert "ref_height is 1080 here, and 720 in another row; 720 is downloaded" in finding.words


def test_a_speaker_in_several_given_splits_is_reported() -> None:
    """Or the video, if no speaker is given."""
    tables = read(
        {"speaker": "ben", "split": "train"},
        {"speaker": "ben", "split": "dev"},
        {"split": "train"},
        {"split": "test"},
        {"speaker": "eve", "split": "test"},
    )
    assert [(finding.line, finding.code, finding.words) for finding in tables.findings] == [
        (2, SHARED, "ben is in val here, and in train in line 1."),
        (4, SHARED, f"{ID} is in test here, and in train in line 3."),
    ]


@pytest.mark.parametrize("rows", ["text", b"text", 5, {"video": ID}, ClipRow(ID, 1, 2)])
def test_what_is_no_collection_of_rows_is_an_error(rows: Any) -> None:
    """A single row is none, nor is the name of a file."""
    with pytest.raises(OptionsError, match=r"clips: expected a list of rows, such as .* \(got"):
        assemble(rows)


@pytest.mark.parametrize("row", ["text", 5, None, (ID, 1, 2)])
def test_what_is_no_row_is_skipped_with_a_finding(row: object) -> None:
    """It has no columns at all."""
    (finding,) = assemble([row]).findings
    assert (finding.line, finding.severity, finding.code) == (1, Severity.ERROR, "bad_row")
    assert f"got {type(row).__name__}" in finding.words


def test_a_data_frame_is_a_collection_of_its_rows() -> None:
    """Anything with the method `itertuples` is, so pandas is not needed here."""
    frame = SimpleNamespace(itertuples=lambda *, index: [SimpleNamespace(video=ID, start=1, end=2 + index)])
    assert [clip.interval for clip in assemble(frame).clips] == [Interval(1, 2)]


def test_a_million_invalid_rows_are_a_hundred_findings() -> None:
    """And the number of the others."""
    findings = read(*({"start": "x"} for _ in range(1000))).findings
    assert len(findings) == MOST_OF_A_KIND + 1
    assert sum(finding.number for finding in findings) == 1000


Point = namedtuple("Point", ["video", "start", "end", "caption"])  # noqa: PYI024 - as of a data frame


@pytest.mark.parametrize(
    "row",
    [
        ClipRow(ID, 1, 2, extra={"caption": "speaks"}),
        {"video": ID, "start": "1", "end": "2", "caption": "speaks"},
        Point(ID, 1.0, 2.0, "speaks"),
        SimpleNamespace(video=ID, start=1, end=2, caption="speaks"),
    ],
    ids=lambda row: type(row).__name__,
)
def test_a_row_is_of_any_class_with_these_attributes(row: object) -> None:
    """All of them become the same clip."""
    (clip,) = assemble([row]).clips
    assert clip.interval == Interval(1, 2)
    assert clip.annotation == Annotation(extra='{"caption":"speaks"}')


def test_the_line_of_a_row_is_its_number_unless_it_has_one() -> None:
    """So that a reader can name the line of its file."""
    findings = assemble([ClipRow(ID, 1, 0), ClipRow(ID, 1, 0, line=70)]).findings
    assert [finding.line for finding in findings] == [1, 70]


def test_a_clip_is_read_back_from_its_record() -> None:
    """A repair needs no list: everything that changes a clip is in its record."""
    rows: list[dict[str, object]] = [
        {"unit": "frame", "start": 30, "end": 60, "fps": 29.97},
        {
            "left": 0.1,
            "top": 0.2,
            "right": 0.7,
            "bottom": 0.8,
            "box_unit": "norm",
            "square": "max",
            "expand": 1,
        },
        {"left": 1, "top": 2, "right": 7, "bottom": 8, "ref_width": 10, "ref_height": 10},
        {"point_x": 0.5, "point_y": 0.25, "speaker": "id1", "split": "dev", "zoom": 1.5, "mood": ["calm", 2]},
        {"name": "given", "subset": "a"},
        {},
    ]
    for clip in read(*rows).clips:
        for piece in (*clip.divided(None), *clip.divided(0.5)):
            columns = {
                "file_name": f"{piece.stem}.mp4", "subset": piece.video.subset, "name": piece.video.name,
                "youtube_id": ID, "index": piece.index, "start": piece.interval.start,
                "end": piece.interval.end, "reference_height": piece.video.reference_height,
                "zoom": piece.zoom, "segment": piece.segment,
                **row_to_json(piece), **annotation_to_json(piece),
            }  # fmt: skip
            found = ClipRecord.from_json(json.loads(json.dumps(columns))).clip
            assert found is not None
            assert found.stem == piece.stem
            assert (found.video, found.interval, found.region) == (piece.video, piece.interval, piece.region)
            assert row_to_json(found) == row_to_json(piece)
            assert annotation_to_json(found) == annotation_to_json(piece)


JUNK = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.lists(st.integers(), max_size=2)
)


@pytest.mark.slow
@given(
    st.lists(
        st.dictionaries(st.sampled_from([*COLUMNS, "line", "extra", "other"]), JUNK, max_size=12), max_size=5
    )
)
def test_every_row_becomes_a_clip_or_a_finding(rows: list[dict[str, Any]]) -> None:
    """Whatever it contains; and no text of it reaches a terminal unquoted."""
    tables = assemble([{"video": ID, "start": 1, "end": 2, **row} for row in rows])
    errors = sum(finding.severity is Severity.ERROR for finding in tables.findings)
    assert len(tables.clips) + errors == len(rows)
    assert all(finding.words.isprintable() for finding in tables.findings)
    assert len({clip.stem.lower() for clip in tables.clips}) == len(tables.clips)
