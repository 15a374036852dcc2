"""Charts of the report: numbers in, SVG out. Their colours are those of the page."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from html import escape
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from hdtf_async.core.reason_labels import label
from hdtf_async.core.text import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hdtf_async.core.tally import Span
    from hdtf_async.report.history import Run

WIDTH = 1000
"""Number of parts of a timeline: bars that are closer than one part may be joined."""
MOST_BARS = 2000
"""Number of bars above which neighbours with the same outcome are joined, if they are that close."""
_LABEL, _GAP, _AXIS = 18, 6, 20
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between two ticks of a time axis."""
_LANES = {"network": "downloads", "encode": "encodes"}
SIGNS = {
    "failed": "\N{MULTIPLICATION X}",
    "again": "\N{CLOCKWISE OPEN CIRCLE ARROW}",
    "open": "\N{HORIZONTAL ELLIPSIS}",
}
"""The sign of each outcome other than success."""
MOST_TROUBLES = 200
"""Attempts without success that are listed below a timeline."""
_SIGN_WIDTH = 1.5
_LAST_MARK = 93
"""Percent of the width up to which a mark has room."""
_OUTCOMES = {"again": "retried", "open": "in progress or interrupted"}
_MARKS = 10
"""Maximum number of ticks."""
_FEW = 6
"""Number of different values up to which each has its own column, if values recur."""


def format_duration(seconds: float) -> str:
    """Return a duration as text: ``12.3 s``, ``4 min 05 s``, ``1 h 02 min``."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"  # noqa: PLR2004


def rows(spans: Iterable[Span]) -> list[list[Span]]:
    """Divide spans into as few rows as possible without overlaps."""
    packed: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: (span.begun, span.ended)):
        for row in packed:
            if row[-1].ended <= span.begun:
                row.append(span)
                break
        else:
            packed.append([span])
    return packed


def depth(spans: Iterable[Span]) -> list[tuple[float, int]]:
    """Return how many spans overlap, each time that this changes."""
    changes: Counter[float] = Counter()
    for span in spans:
        changes[span.begun] += 1
        changes[span.ended] -= 1
    steps, number = [], 0
    for at in sorted(changes):
        number += changes[at]
        steps.append((at, number))
    return steps


def joined(row: Iterable[Span], unit: float) -> list[Span]:
    """Return the spans of a row; those with one outcome are joined if a gap is shorter than `unit` seconds.

    A joined span has the number of its parts in place of a subject.
    """
    found: list[tuple[Span, int]] = []
    for span in row:
        before, number = found[-1] if found else (None, 0)
        alike = before is not None and (before.outcome, before.reason) == (span.outcome, span.reason)
        if before is not None and alike and span.begun - before.ended < unit:
            found[-1] = (replace(before, ended=max(before.ended, span.ended)), number + 1)
        else:
            found.append((span, 1))
    return [span if number == 1 else replace(span, subject=f"{number} in a row") for span, number in found]


def timeline(run: Run) -> str:
    """Draw the two lanes of a run: a bar for each download and encode, and the clips that wait.

    Horizontal positions are percentages, so that text and bars keep their size on any screen. Attempts that
    were not successful have a pattern and a sign, so that colour is not needed.
    """
    length = max(run.seconds, 0.1)

    def across(at: float) -> float:
        return round(100 * (at - run.begun) / length, 3)

    drawn, top = [], 0.0
    for lane, spans, shaded in (("network", run.downloads, run.closed), ("encode", run.encodes, ())):
        packed = rows(spans)
        high = 12 if len(packed) <= 12 else 5  # noqa: PLR2004 - so that wide lanes fit on a screen
        bottom = top + _LABEL + (high + 2) * max(1, len(packed))
        drawn += [f'<g class="{lane}">', _text(0, top + 12, _LANES[lane], "name")]
        drawn += [_shade(span, across, top + _LABEL, bottom) for span in shaded]
        for number, row in enumerate(packed):
            y = top + _LABEL + number * (high + 2)
            shown = row if len(spans) <= MOST_BARS else joined(row, length / WIDTH)
            drawn += [_bar(span, across, y, high) for span in shown]
            drawn += _signs(shown, across, y + high - 2)
        drawn.append("</g>")
        top = bottom + _GAP
    steps = depth(run.waits)
    most = max((number for _, number in steps), default=0)
    drawn.append(_text(0, top + 12, f"clips queued for encoding (max {most})", "name"))
    if len(steps) > MOST_BARS:  # the highest number in each unit
        steps = [
            max(each, key=itemgetter(1))
            for _, each in groupby(steps, key=lambda one: int(10 * across(one[0])))
        ]
    drawn.append(_area(steps, across, top + _LABEL, 24.0, most))
    top += _LABEL + 24 + _GAP
    longest = _STEPS[-1] * math.ceil(length / _STEPS[-1] / _MARKS)
    step = next((step for step in _STEPS if length / step <= _MARKS), longest)
    for number in range(int(length / step) + 1):
        x = round(100 * number * step / length, 3)
        drawn.insert(0, f'<line class="tick" x1="{x}%" y1="0" x2="{x}%" y2="{top:g}"/>')
        if x < _LAST_MARK:
            # On a narrow screen only every other one is shown.
            drawn.append(_text(x, top + 12, _clock(number * step), f"mark {'odd' if number % 2 else 'even'}"))
    title = f"Timeline of {format_duration(run.seconds)}: {_totals(run)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="timeline" width="100%" height="{top + _AXIS:g}"'
        f' role="img" aria-label="{escape(title)}">{"".join(drawn)}</svg>'
    )


def troubles(run: Run) -> list[tuple[str, str, str, str, str]]:
    """Return the attempts of a run that did not succeed, as text, the earliest first.

    Each is its time since the start, its lane, the video or clip, its duration and its outcome.
    """
    spans = [(span, lane) for lane, those in _of_lanes(run) for span in those if span.outcome != "done"]
    spans.sort(key=lambda each: each[0].begun)
    return [
        (_clock(span.begun - run.begun), lane, span.subject, format_duration(span.seconds), _outcome(span))
        for span, lane in spans[:MOST_TROUBLES]
    ]


def _of_lanes(run: Run) -> tuple[tuple[str, Sequence[Span]], ...]:
    return ("download", run.downloads), ("encode", run.encodes)


def _totals(run: Run) -> str:
    parts = []
    for lane, spans in _of_lanes(run):
        counted = Counter(span.outcome for span in spans)
        listed = ", ".join(f"{number} {_OUTCOMES.get(each, each)}" for each, number in counted.most_common())
        parts.append(count(len(spans), lane) + (f" ({listed})" if listed else ""))
    return ", ".join(parts)


def _outcome(span: Span) -> str:
    return _OUTCOMES.get(span.outcome, span.outcome) + (f", {label(span.reason)}" if span.reason else "")


def histogram(values: Sequence[float], title: str, unit: str) -> str:
    """Draw a histogram: few different values separately, many in ranges. A single value needs no drawing."""
    columns = _columns(values)
    if len(columns) == 1:
        all_of_them = "1 clip" if len(values) == 1 else f"all {len(values)} clips"
        return f'<p class="same"><b>{escape(columns[0][0])} {escape(unit)}</b> ({all_of_them})</p>'
    most = max((number for _, number in columns), default=1)
    width, high, drawn = 320, 110, list[str]()
    each = width / max(1, len(columns))
    for place, (name, number) in enumerate(columns):
        tall = round(high * number / most, 1)
        x = round(place * each, 1)
        drawn += [
            f'<rect class="column" x="{x + 1}" y="{high + 14 - tall}" width="{round(each - 2, 1)}"'
            f' height="{tall}" rx="1.5"><title>{escape(name)} {escape(unit)}: {number} clips</title></rect>',
            _text(x + each / 2, high + 10 - tall, f"{number}" if number else "", "count", ""),
        ]
        if len(columns) <= _FEW or place % 2 == 0:
            drawn.append(_text(x + each / 2, high + 28, name.partition(" to ")[0], "value", ""))
    listed = "; ".join(f"{name} {unit}: {number}" for name, number in columns if number)
    return _svg(width, high + 36, f"{title}. Number of clips: {listed or 'none'}", drawn)


def _columns(values: Sequence[float]) -> list[tuple[str, int]]:
    if not values:
        return []
    counted = Counter(round(value, 3) for value in values)
    if len(counted) == 1 or len(counted) <= min(_FEW, len(values) // 2):
        return [(f"{value:.6g}", counted[value]) for value in sorted(counted)]
    step = _round_step((max(values) - min(values)) / 10)
    first = math.floor(min(values) / step)
    ranges = Counter(math.floor(value / step) - first for value in values)
    return [
        (f"{(first + place) * step:.6g} to {(first + place + 1) * step:.6g}", ranges[place])
        for place in range(max(ranges) + 1)
    ]


def _round_step(least: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(least))
    return float(next(power * times for times in (1, 2, 5, 10) if power * times >= least * 0.999))


def _bar(span: Span, across: Callable[[float], float], y: float, high: float) -> str:
    x = across(span.begun)
    wide = max(0.1, round(across(span.ended) - x, 3))
    title = f"{span.subject}: {format_duration(span.seconds)}, {_outcome(span)}"
    return (
        f'<rect class="bar {span.outcome}" x="{x}%" y="{y:g}" width="{wide}%" height="{high}" rx="1.5">'
        f"<title>{escape(title)}</title></rect>"
    )


def _signs(row: Iterable[Span], across: Callable[[float], float], y: float) -> list[str]:
    """Return the signs of attempts that did not succeed; of neighbours that would overlap only the first."""
    drawn, before = [], -math.inf
    for span in row:
        x = across(span.begun)
        if span.outcome in SIGNS and x - before >= _SIGN_WIDTH:
            drawn.append(_text(x, y, SIGNS[span.outcome], "sign"))
            before = x
    return drawn


def _shade(span: Span, across: Callable[[float], float], top: float, bottom: float) -> str:
    x = across(span.begun)
    return (
        f'<rect class="closed" x="{x}%" y="{top:g}" width="{max(0.1, round(across(span.ended) - x, 3))}%"'
        f' height="{bottom - top:g}"><title>downloads paused for'
        f" {format_duration(span.seconds)} ({escape(label(span.reason))})</title></rect>"
    )


def _area(
    steps: Sequence[tuple[float, int]], across: Callable[[float], float], top: float, high: float, most: int
) -> str:
    path, before = [f"M0 {high:g}"], 0
    for at, number in steps:
        x = across(at)
        path.append(f"L{x} {high * (1 - before / most):.4g}L{x} {high * (1 - number / most):.4g}")
        before = number
    return (
        f'<svg x="0" y="{top:g}" width="100%" height="{high:g}" viewBox="0 0 100 {high:g}"'
        f' preserveAspectRatio="none"><path class="waits" d="{"".join(path)}L100 {high:g}Z"/></svg>'
    )


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes}:{seconds:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"  # noqa: PLR2004


def _text(x: float, y: float, text: str, kind: str, unit: str = "%") -> str:
    return f'<text class="{kind}" x="{x:g}{unit}" y="{y:g}">{escape(text)}</text>' if text else ""


def _svg(width: float, height: float, title: str, drawn: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"'
        f' aria-label="{escape(title)}">{"".join(drawn)}</svg>'
    )
