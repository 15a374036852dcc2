"""The greatest values that a table may contain, and what is said of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hdtf_async.core.exceptions import TableError
from hdtf_async.core.model import Box, Finding, Interval, Severity
from hdtf_async.dataset import fields
from hdtf_async.dataset.fields import Findings, Row

if TYPE_CHECKING:
    from collections.abc import Callable

ID = "CPCoMyuBRM0"


def read(what: Callable[[Row], object], *cells: str) -> tuple[object, list[str]]:
    """Return a value of a row, and the codes of its findings."""
    row = Row("RD_table.txt", 7, list(cells), Findings())
    value = what(row)
    for finding in row.findings:
        assert (finding.file, finding.line, finding.severity) == ("RD_table.txt", 7, Severity.ERROR)
        assert finding.number == 1
    return value, [finding.code for finding in row.findings]


@pytest.mark.parametrize(
    ("what", "text", "value", "code"),
    [
        ("index", "0", 0, None),
        ("index", "99999", 99999, None),
        ("index", "100000", None, "bad_index"),
        ("index", "-1", None, "bad_index"),
        ("index", "nan", None, "bad_index"),
        ("index", "0" * 8 + "7", 7, None),
        ("index", "0" * 9 + "7", None, "bad_index"),
        ("height", "0", 0, None),
        ("height", "8640", 8640, None),
        ("height", "8641", None, "bad_height"),
        ("zoom", "10", 10.0, None),
        ("zoom", "10.001", None, "bad_zoom"),
        ("zoom", "0.001", 0.001, None),
        ("zoom", "0", None, "bad_zoom"),
        ("zoom", "inf", None, "bad_zoom"),
        ("interval", "00:00-00:01", Interval(0, 1), None),
        ("interval", "23:59:59-24:00:00", Interval(86399, 86400), None),
        ("interval", "23:59:59-24:00:01", None, "bad_interval"),
        ("interval", "00:01-00:01", None, "bad_interval"),
        ("interval", "00:02-00:01", None, "bad_interval"),
        ("interval", "00:59-59:59.9", Interval(59, 3599.9), None),
        ("interval", "00:60-02:00", None, "bad_interval"),
        ("interval", "0:60:00-2:00:00", None, "bad_interval"),
        ("interval", "60:00-61:00", Interval(3600, 3660), None),
        ("name", "a" * 100, "a" * 100, None),
        ("name", "a" * 100 + ".mp4", "a" * 100, None),
        ("name", "a" * 101, None, "bad_name"),
        ("name", "a..b", None, "bad_name"),
        ("key", "a_1.mp4", ("a", 1), None),
        ("key", "a_b_99999", ("a_b", 99999), None),
        ("key", "a_100000", None, "bad_index"),
        ("key", "-_1", None, "bad_name"),
        ("youtube_id", f"https://youtu.be/{ID}", ID, None),
        ("youtube_id", f"https://youtu.be/{ID}/x", None, "bad_url"),
        ("youtube_id", f"https://www.youtube.com/watch?v={ID}&t=3", ID, None),
        ("youtube_id", f"https://www.youtube.com/watch?v={ID}&v={ID}", None, "bad_url"),
        ("youtube_id", f"https://www.youtube.com/x?v={ID}", None, "bad_url"),
        ("youtube_id", f"https://m.youtube.com/shorts/{ID}", ID, None),
        ("youtube_id", f"https://youtube.com/embed/{ID}", ID, None),
        ("youtube_id", f"https://YouTube.com/live/{ID}", ID, None),
        ("youtube_id", f"https://youtube.com/other/{ID}", None, "bad_url"),
        ("youtube_id", f"ftp://youtu.be/{ID}", None, "bad_url"),
        ("youtube_id", f"https://example.org/watch?v={ID}", None, "bad_url"),
        ("youtube_id", "https://[::1", None, "bad_url"),
    ],
)
def test_a_value_is_read_up_to_its_limit(what: str, text: str, value: object, code: str | None) -> None:
    """Anything else has a finding."""
    assert read(lambda row: getattr(row, what)(text)) == (value, [] if code is None else [code])


@pytest.mark.parametrize(
    ("texts", "box"),
    [
        ("0 16384 0 16384", Box(0, 0, 16384, 16384)),
        ("16383 1 16383 1", Box(16383, 16383, 1, 1)),
        ("1 16384 0 1", None),
        ("0 1 1 16384", None),
        ("16385 1 0 1", None),
        ("0 0 0 1", None),
        ("0 1 0 0", None),
    ],
)
def test_a_box_has_an_area_and_ends_within_16384_pixels(texts: str, box: Box | None) -> None:
    """The order is left, width, top, height."""
    assert read(lambda row: row.box(texts.split())) == (box, [] if box else ["bad_box"])


@pytest.mark.parametrize(
    ("what", "text", "message"),
    [
        ("index", "x", "index 'x' is not an integer; expected digits"),
        ("index", "", "index '' is not an integer; expected digits"),
        ("index", "\u0661", r"index '\u0661' is not an integer; expected digits"),
        ("zoom", "x", "zoom 'x' is not a number; expected a value such as 1.2"),
        ("interval", "00:30", "'00:30' is not an interval; expected a value such as 00:30-01:00"),
        ("interval", "x-00:30", "'x-00:30' is not an interval; expected a value such as 00:30-01:00"),
        ("key", "a", "'a' has no index; expected a name such as Radio11_1.mp4"),
    ],
)
def test_what_is_no_value_of_its_kind_is_an_error(what: str, text: str, message: str) -> None:
    """Of the table, with its line."""
    with pytest.raises(TableError) as failed:
        read(lambda row: getattr(row, what)(text))
    assert f"{failed.value}".endswith(message)
    assert "RD_table.txt" in f"{failed.value}"


def test_a_row_has_the_fields_of_its_table() -> None:
    """The message has an example."""
    assert read(lambda row: row.expect(2, "a b"), "a", "b") == (None, [])
    with pytest.raises(TableError, match=r"3 fields in 'a b c'; expected 2, such as x y"):
        read(lambda row: row.expect(2, "x y"), "a", "b", "c")


@pytest.mark.parametrize("number", [100, 101, 150])
def test_a_hundred_findings_of_a_kind_are_listed(number: int) -> None:
    """The others are counted in one more, at the line of the first of them; kinds are counted separately."""
    found = Findings(Finding("a", line, Severity.ERROR, "x", "one") for line in range(1, number + 1))
    found.append(Finding("a", 5, Severity.WARNING, "x", "another severity"))
    more = number - 100
    listed = list(found)
    assert len(listed) == len(found) == 101 + (more > 0)
    if more:
        message = f"{more} more of this kind, from here on: only the first 100 are listed."
        assert listed[-1] == Finding("a", 101, Severity.ERROR, "x", message, more)


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("con", True),
        ("COM1", True),
        ("lpt9.mp4", True),
        ("nul.tar.gz", True),
        ("com10", False),
        ("cone", False),
    ],
)
def test_names_of_devices_are_recognized(text: str, *, device: bool) -> None:
    """With any extension, in any case."""
    assert fields.is_device(text) is device


@pytest.mark.parametrize(("text", "found"), [(ID, ID), (f"https://youtu.be/{ID}", ID), (ID[:10], None)])
def test_an_id_is_a_video_too(text: str, found: str | None) -> None:
    """Where a list has ids instead of URLs."""
    assert fields.youtube_id_of(text) == found
