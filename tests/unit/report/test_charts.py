"""Positions of bars, marks and labels in the charts."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from hdtf_async.core.tally import Outcome, Span
from hdtf_async.report import charts
from hdtf_async.report.history import Run

Shape = tuple[str, ...]


def shapes(svg: str) -> tuple[str, list[Shape]]:
    """Return the size of a chart, and its shapes: class, position, text."""
    root = ET.fromstring(svg)  # noqa: S314 - made by this program
    found = []
    for each in root.iter():
        kind = each.get("class")
        if kind is not None and each.tag.rpartition("}")[2] not in {"g", "svg"}:
            names = ("x", "x1", "y", "width", "height", "d")
            label = each.text or "".join(title.text or "" for title in each)
            found.append((kind, *(value for name in names if (value := each.get(name))), label))
    return root.get("viewBox") or root.get("height") or "", found


def test_overlapping_bars_of_a_timeline_have_separate_rows() -> None:
    """Downloads with the time for which they were paused, encodes, waiting clips, and time marks."""
    run = Run(
        {},
        100.0,
        115.0,
        downloads=[
            Span("RD_A", 101, 104),
            Span("RD_B", 102, 106, Outcome.AGAIN, "network"),
            Span("RD_B", 112, 113, Outcome.FAILED, "raw_truncated"),
        ],
        encodes=[Span("RD_A_000", 105.5, 109), Span("RD_A_001", 109, 111, Outcome.OPEN)],
        waits=[Span("RD_A_000", 105, 105.5), Span("RD_A_001", 105, 109)],
        closed=[Span("", 108, 110, reason="refused")],
    )
    size, found = shapes(charts.timeline(run))
    assert size == "158"
    ticks = ["93.333%", "80.0%", "66.667%", "53.333%", "40.0%", "26.667%", "13.333%", "0.0%"]
    assert found == [
        *(("tick", x, "") for x in ticks),
        ("name", "0%", "12", "downloads"),
        ("closed", "53.333%", "18", "13.334%", "28", "downloads paused for 2.0 s (blocked by YouTube)"),
        ("bar done", "6.667%", "18", "20.0%", "12", "RD_A: 3.0 s, done"),
        ("bar failed", "80.0%", "18", "6.667%", "12", "RD_B: 1.0 s, failed, incomplete download"),
        ("sign", "80%", "28", charts.SIGNS["failed"]),
        ("bar again", "13.333%", "32", "26.667%", "12", "RD_B: 4.0 s, retried, network error"),
        ("sign", "13.333%", "42", charts.SIGNS["again"]),
        ("name", "0%", "64", "encodes"),
        ("bar done", "36.667%", "70", "23.333%", "12", "RD_A_000: 3.5 s, done"),
        ("bar open", "60.0%", "70", "13.333%", "12", "RD_A_001: 2.0 s, in progress or interrupted"),
        ("sign", "60%", "80", charts.SIGNS["open"]),
        ("name", "0%", "102", "clips queued for encoding (max 2)"),
        ("waits", "M0 24L33.333 24L33.333 0L36.667 0L36.667 12L60.0 12L60.0 24L100 24Z", ""),
        *(
            (f"mark {('even', 'odd')[n % 2]}", f"{float(x[:-1]):g}%", "150", f"0:{2 * n:02}")
            for n, x in enumerate(ticks[:0:-1])
        ),
    ]


def test_attempts_without_success_are_listed_and_counted_as_text() -> None:
    """For readers who do not see the drawing, the earliest first."""
    run = Run(
        {},
        100.0,
        215.0,
        downloads=[Span("RD_B", 212, 213, Outcome.FAILED, "raw_truncated"), Span("RD_A", 101, 104)],
        encodes=[Span("RD_A_000", 150, 162, Outcome.AGAIN, "encode_stalled")],
    )
    assert charts.troubles(run) == [
        ("0:50", "encode", "RD_A_000", "12.0 s", "retried, encode stalled"),
        ("1:52", "download", "RD_B", "1.0 s", "failed, incomplete download"),
    ]
    label = ET.fromstring(charts.timeline(run)).get("aria-label", "")  # noqa: S314
    assert label == ("Timeline of 1 min 55 s: 2 downloads (1 failed, 1 done), 1 encode (1 retried)")
    run.encodes = [Span(f"c{n}", 100, 101, Outcome.FAILED) for n in range(300)]
    assert len(charts.troubles(run)) == charts.MOST_TROUBLES
    assert charts.timeline(run).count('class="sign"') == 301, "each in a row of its own"


def test_short_bars_are_visible_and_many_rows_are_low() -> None:
    """From thirteen rows on; an empty lane has one row."""
    run = Run({}, 0.0, 1000.0, downloads=[Span(f"RD_{n}", 0, 0.1) for n in range(13)])
    size, found = shapes(charts.timeline(run))
    bars = [shape for shape in found if shape[0] == "bar done"]
    assert [bar[1:5] for bar in bars] == [("0.0%", str(18 + 7 * n), "0.1%", "5") for n in range(13)]
    assert size == f"{18 + 13 * 7 + 6 + 18 + 14 + 6 + 18 + 24 + 6 + 20}"
    run.downloads.pop()
    assert {shape[4] for shape in shapes(charts.timeline(run))[1] if shape[0] == "bar done"} == {"12"}


@pytest.mark.parametrize(
    ("seconds", "first", "last", "marks"),
    [
        (0.0, "0:00", "0:00", 1),
        (10.0, "0:01", "0:09", 10),
        (10.1, "0:02", "0:08", 5),
        (100.0, "0:10", "1:30", 10),
        (3600.0, "10:00", "50:00", 6),
        (7200.0, "15:00", "1:45 h", 8),
        (36000.0, "1:00 h", "9:00 h", 10),
        (864000.0, "24:00 h", "216:00 h", 10),
        (8640000.0, "240:00 h", "2160:00 h", 10),
        (8640001.0, "264:00 h", "2112:00 h", 9),
    ],
)
def test_a_time_axis_has_ten_marks_at_most(seconds: float, first: str, last: str, marks: int) -> None:
    """At round times, in seconds, minutes or hours; labels that would not fit are omitted."""
    _, found = shapes(charts.timeline(Run({}, 50.0, 50.0 + seconds)))
    label = [shape[-1] for shape in found if shape[0].startswith("mark")]
    assert (len(label), label[-1]) == (marks, last)
    assert label[:2] == ["0:00", first][: len(label)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (60, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (3720, "1 h 02 min"),
    ],
)
def test_a_duration_has_two_parts(seconds: float, text: str) -> None:
    """From a minute on."""
    assert charts.format_duration(seconds) == text


def test_bars_that_touch_are_in_one_row() -> None:
    """The earliest first, and of those with the same start the shortest."""
    one, two, three, four = Span("a", 0, 2), Span("b", 0, 3), Span("c", 2, 4), Span("d", 3, 5)
    assert charts.rows([four, three, two, one]) == [[one, three], [two, four]]


def test_the_depth_is_listed_where_it_changes() -> None:
    """Also where one begins as another ends."""
    spans = [Span("a", 0, 2), Span("b", 1, 2), Span("c", 2, 3)]
    assert charts.depth(spans) == [(0, 1), (1, 2), (2, 1), (3, 0)]
    assert charts.depth([]) == []


def columns(values: list[float]) -> list[tuple[str, int]]:
    """Return the label and the height of each column of a histogram, or the value that all have."""
    if (text := charts.histogram(values, "Rate", "fps")).startswith("<p"):
        value, number = re.findall(r"<b>(.*) fps</b> \((?:all )?(\d+) clip", text)[0]
        return [(value, int(number))]
    _, found = shapes(charts.histogram(values, "Rate", "fps"))
    labels = [shape[-1].removesuffix(" clips").split(" fps: ") for shape in found if shape[0] == "column"]
    return [(what, int(number)) for what, number in labels]


def ranges(step: float, *clips: int) -> list[tuple[str, int]]:
    """Return columns for ranges, by the number of clips in each."""
    return [(f"{n * step:g} to {(n + 1) * step:g}", number) for n, number in enumerate(clips)]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], []),
        ([25.0], [("25", 1)]),
        ([25.0, 25.0, 30.0, 30.0], [("25", 2), ("30", 2)]),
        ([25.0, 25.0004, 29.97, 29.97], [("25", 2), ("29.97", 2)]),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0] * 2, [(f"{n}", 2) for n in range(1, 7)]),
        ([0.0, 1.0, 2.0], ranges(0.2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)),
        ([0.0, 9.9, 10.1, 100.0], ranges(10, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1)),
        ([float(n) for n in range(7)] * 2, ranges(1, 2, 2, 2, 2, 2, 2, 2)),
    ],
)
def test_a_column_is_a_value_or_a_range(values: list[float], found: list[tuple[str, int]]) -> None:
    """Up to six values that occur twice on average have one each; otherwise there are ten round ranges."""
    assert columns(values) == found


@pytest.mark.parametrize(
    ("largest", "step"),
    [
        (9.99, 1),
        (10.0, 1),
        (10.1, 2),
        (20.0, 2),
        (20.1, 5),
        (50.0, 5),
        (50.1, 10),
        (1000.0, 100),
        (0.5, 0.05),
    ],
)
def test_ranges_are_one_two_or_five_of_a_power_of_ten(largest: float, step: float) -> None:
    """At least a tenth of the total."""
    assert columns([0.0, largest / 3, largest])[0][0] == f"0 to {step:g}"


def test_a_histogram_is_as_high_as_its_highest_column() -> None:
    """Each has its count above and its value below; of many values every other one."""
    size, found = shapes(charts.histogram([25.0, 25.0, 30.0], "Rate", "<fps>"))
    assert size == "0 0 320 146"
    assert found[:4] == [
        ("column", "1.0", "14.0", "27.1", "110.0", "25 to 25.5 <fps>: 2 clips"),
        ("count", "14.5455", "10", "2"),
        ("value", "14.5455", "138", "25"),
        ("column", "30.1", "124.0", "27.1", "0.0", "25.5 to 26 <fps>: 0 clips"),
    ]
    assert found[-3:] == [
        ("column", "291.9", "69.0", "27.1", "55.0", "30 to 30.5 <fps>: 1 clips"),
        ("count", "305.445", "65", "1"),
        ("value", "305.445", "138", "30"),
    ]
    assert [shape[-1] for shape in found if shape[0] == "value"] == ["25", "26", "27", "28", "29", "30"]
    _, few = shapes(charts.histogram([float(n) for n in range(1, 7)] * 2, "Rate", "fps"))
    assert [shape[-1] for shape in few if shape[0] == "value"] == ["1", "2", "3", "4", "5", "6"]
    assert {shape[1:3] for shape in few if shape[0] == "count"} == {
        (f"{x:g}", "10") for x in (26.6667, 79.9667, 133.367, 186.667, 239.967, 293.367)
    }


def test_neighbours_with_one_outcome_are_joined() -> None:
    """If the gap is shorter than a unit of the drawing; others keep their own bar."""
    row = [
        Span("a", 0, 1), Span("b", 1.5, 2), Span("c", 2, 3, Outcome.FAILED, "gone"), Span("d", 3, 4),
        Span("e", 5, 6),
    ]  # fmt: skip
    assert charts.joined(row, 1.0) == [
        Span("2 in a row", 0, 2), Span("c", 2, 3, Outcome.FAILED, "gone"), Span("d", 3, 4), Span("e", 5, 6),
    ]  # fmt: skip


def test_the_timeline_of_a_long_run_has_few_bars() -> None:
    """Twenty thousand encodes are no more bars than the drawing has units, in each row."""
    run = Run({}, 0.0, 100_000.0)
    for number in range(20_000):
        run.encodes.append(Span(f"c{number}", 5.0 * number, 5.0 * number + 4))
        run.waits.append(Span(f"c{number}", 5.0 * number, 5.0 * number + 2))
    drawn = charts.timeline(run)
    assert drawn.count("<rect") == 1
    assert "20000 in a row" in drawn
    assert len(drawn) < 50_000
