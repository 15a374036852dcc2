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
        (10 / 0.999, 1),
        (10.02, 2),
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


def test_a_bar_is_joined_with_the_one_before_it() -> None:
    """Not with the first one of the row, whatever that is."""
    failed, lost = Span("a", 0, 1, Outcome.FAILED, "gone"), Span("d", 3, 3.5, Outcome.FAILED, "gone")
    row = [
        failed,
        Span("b", 1, 2),
        Span("c", 2, 3),
        lost,
        Span("e", 3.6, 4),
        Span("f", 4, 5),
        Span("g", 5, 6),
    ]
    assert charts.joined(row, 10.0) == [
        failed, Span("2 in a row", 1, 3), lost, Span("3 in a row", 3.6, 6),
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


# Limits of a drawing


def positions(run: Run, kind: str) -> list[float]:
    """Return the horizontal positions of the shapes of one class, in percent."""
    return [float(shape[1].rstrip("%")) for shape in shapes(charts.timeline(run))[1] if shape[0] == kind]


TICKS = (
    1, 2, 5, 10, 15, 30, 60, 2 * 60, 5 * 60, 10 * 60, 15 * 60, 30 * 60, 3600, 2 * 3600, 3 * 3600, 6 * 3600,
    12 * 3600, 24 * 3600,
)  # fmt: skip


@pytest.mark.parametrize(("step", "longer"), [*zip(TICKS, (*TICKS[1:], 2 * 24 * 3600), strict=True)])
def test_ticks_are_a_round_time_apart(step: int, longer: int) -> None:
    """So that there are at most ten of them, besides that at the start; above a day, whole days."""
    for seconds, expected in ((10.0 * step, step), (10.0 * step + 0.01, longer)):
        ticks = sorted(positions(Run({}, 7.0, 7.0 + seconds), "tick"))
        assert (ticks[1] - ticks[0]) * seconds / 100 == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("seconds", "labels"), [(10.76, 6), (10.75, 5)])
def test_a_mark_has_a_label_if_there_is_room_for_it(seconds: float, labels: int) -> None:
    """Up to 93 percent of the width; each tick has a line."""
    run = Run({}, 0.0, seconds)
    assert len(positions(run, "tick")) == 6
    assert len(positions(run, "mark even")) + len(positions(run, "mark odd")) == labels


@pytest.mark.parametrize(("spans", "bars"), [(2000, 2000), (2001, 1)])
def test_more_than_two_thousand_bars_are_joined(spans: int, bars: int) -> None:
    """Those of one outcome, if they are closer than a thousandth of the width."""
    run = Run({}, 0.0, 10_000.0, downloads=[Span(f"a{n}", 4.0 * n, 4.0 * n + 3) for n in range(spans)])
    assert len(positions(run, "bar done")) == bars


@pytest.mark.parametrize(("gap", "bars"), [(9, 1), (10, 2001)])
def test_bars_are_joined_if_they_are_closer_than_a_thousandth(gap: int, bars: int) -> None:
    """Of the width."""
    spans = [Span("a", 20.0 * n, 20.0 * (n + 1) - gap) for n in range(2001)]
    run = Run({}, 0.0, 10_000.0, downloads=spans)
    assert len(positions(run, "bar done")) == bars


@pytest.mark.parametrize(("apart", "signs"), [(1.5, 2), (1.49, 1)])
def test_signs_do_not_overlap(apart: float, signs: int) -> None:
    """A sign is one and a half percent wide."""
    spans = [Span("a", 0, 1, Outcome.FAILED), Span("b", apart, 3, Outcome.FAILED), Span("c", 4, 5)]
    assert len(positions(Run({}, 0.0, 100.0, downloads=[spans[0], spans[2]]), "sign")) == 1
    spans[0] = Span("a", 0, min(1, apart), Outcome.FAILED)
    assert len(positions(Run({}, 0.0, 100.0, downloads=spans), "sign")) == signs


@pytest.mark.parametrize(("waits", "points"), [(1000, 4000), (1001, 1802)])
def test_the_waiting_clips_have_a_thousand_steps_if_there_are_many(waits: int, points: int) -> None:
    """The highest number of each thousandth of the width; two points for each step."""
    run = Run({}, 0.0, 1000.0, waits=[Span("a", n * 0.9, n * 0.9 + 0.45) for n in range(waits)])
    path = next(shape[1] for shape in shapes(charts.timeline(run))[1] if shape[0] == "waits")
    assert path.count("L") - 1 == points
    assert "clips queued for encoding (max 1)" in charts.timeline(run)
    if waits > 1000:
        assert " 24L" not in path[10:-20], "of each unit the highest number"


def test_a_very_short_run_is_drawn() -> None:
    """As if it took a tenth of a second."""
    run = Run({}, 5.0, 5.0, downloads=[Span("a", 5.0, 5.05)])
    bar = next(shape for shape in shapes(charts.timeline(run))[1] if shape[0] == "bar done")
    assert bar[1:5] == ("0.0%", "18", "50.0%", "12")


def test_two_hundred_attempts_without_success_are_listed() -> None:
    """The earliest ones."""
    run = Run({}, 0.0, 1000.0, encodes=[Span(f"c{n}", n, n + 1, Outcome.FAILED) for n in range(201)])
    listed = charts.troubles(run)
    assert (len(listed), listed[-1][2]) == (200, "c199")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.9, "0:00"), (59.9, "0:59"), (60, "1:00"), (3599, "59:59"), (3600, "1:00 h"), (36061, "10:01 h")],
)
def test_a_time_since_the_start_is_cut_off(seconds: float, text: str) -> None:
    """To whole seconds, from an hour on to minutes."""
    run = Run({}, 0.0, 1e5, downloads=[Span("a", seconds, 1e5, Outcome.FAILED)])
    assert charts.troubles(run)[0][0] == text


def test_titles_and_labels_are_escaped() -> None:
    """Names are from tables of other people."""
    run = Run({}, 0.0, 10.0, downloads=[Span("<a>&", 1, 2)], closed=[Span("", 1, 1.001, reason="<b>")])
    drawn = charts.timeline(run)
    assert "&lt;a&gt;&amp;: 1.0 s, done" in drawn
    assert "<b>" not in drawn
    closed = next(shape for shape in shapes(drawn)[1] if shape[0] == "closed")
    assert closed[3] == "0.1%", "it is visible"


@pytest.mark.parametrize(("values", "columns_", "width"), [(6, 6, 53.3), (7, 7, 45.7)])
def test_columns_share_the_width(values: int, columns_: int, width: float) -> None:
    """Of up to six each has its value below; of more every other one."""
    _, found = shapes(charts.histogram([float(n) for n in range(values)] * 2, "Rate", "fps"))
    bars = [shape for shape in found if shape[0] == "column"]
    assert len(bars) == columns_
    assert float(bars[0][3]) == pytest.approx(width - 2, abs=0.06)
    assert float(bars[1][1]) == pytest.approx(width + 1, abs=0.06)
    labels = [shape for shape in found if shape[0] == "value"]
    assert len(labels) == (6 if values == 6 else 4)
    counts = [shape for shape in found if shape[0] == "count"]
    assert [shape[-1] for shape in counts] == ["2"] * columns_


def test_a_histogram_is_described_as_text() -> None:
    """Every column with a clip; without any, that there is none."""
    label = ET.fromstring(charts.histogram([1.0, 1.0, 2.0, 2.0, 2.0], "Rate", "fps")).get("aria-label")  # noqa: S314
    assert label == "Rate. Number of clips: 1 fps: 2; 2 fps: 3"
    none = ET.fromstring(charts.histogram([], "Rate", "fps"))  # noqa: S314
    assert (none.get("aria-label"), none.get("viewBox")) == ("Rate. Number of clips: none", "0 0 320 146")


def test_a_column_is_as_high_as_its_share_of_the_highest() -> None:
    """To a tenth of a unit."""
    _, found = shapes(charts.histogram([1.0, 1.0, 1.0, 2.0], "Rate", "fps"))
    assert [shape[1:5] for shape in found if shape[0] == "column"] == [
        ("1.0", "14.0", "158.0", "110.0"), ("161.0", "87.3", "158.0", "36.7"),
    ]  # fmt: skip
    counts = [shape for shape in found if shape[0] == "count"]
    assert [(shape[2], shape[3]) for shape in counts] == [("10", "3"), ("83.3", "1")]
