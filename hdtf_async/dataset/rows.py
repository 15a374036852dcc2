"""Lists of clips in one row format: `ClipRow`, and how rows become videos and clips.

A row is a `ClipRow`, a mapping, or an object with the same attributes, such as those of a data frame's
``itertuples()``. Values may be text, as in a CSV file. A row with an invalid value is skipped, with a finding
that names its line and column; no row is dropped silently. Returned names and ids are safe in paths.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from fractions import Fraction
from sys import intern
from typing import TYPE_CHECKING, Any, NoReturn

from hdtf_async.core.model import (
    Annotation,
    Clip,
    Finding,
    Interval,
    Region,
    Severity,
    Source,
    Square,
    Tables,
    Video,
)
from hdtf_async.core.splits import SIDES
from hdtf_async.core.steps import EVERY, checkpoint
from hdtf_async.core.text import shown
from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.fields import (
    DAY,
    GREATEST_COORDINATE,
    GREATEST_HEIGHT,
    GREATEST_ZOOM,
    LONGEST_NAME,
    Findings,
    is_safe_name,
    seconds_of,
    youtube_id_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LINE = "\0line"
"""Key of a row's line number, which no column of a file has."""
GREATEST_EXPANSION = 10.0
LONGEST_TEXT = 200
"""Characters of a speaker's name."""
LONGEST_EXTRA = 64 * 1024
"""Characters of the further columns of one row, as JSON."""
_NTSC = {Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120)}
_NTSC_ROUNDING = Fraction(1, 10_000)
"""Relative difference up to which a rounded rate such as 29.97 is 30000/1001."""
_RATES = (1, 240)
_SIDES = {"dev": "val", "valid": "val", "validation": "val"} | {side: side for side in SIDES}
_YES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class _InvalidError(ValueError):
    """An invalid value: its column, and what was expected."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


def assemble(
    rows: Iterable[object],
    *,
    file: str = "clips",
    source: Source | None = None,
    findings: Findings | None = None,
) -> Tables:
    """Return the videos and clips of rows, in their order, and a finding for each row that was skipped.

    `file` is the name of the list in findings. The clips of one video and subset are numbered from 0,
    including skipped ones. Blocks; a caller with an event loop should call it in a thread.
    """
    assembly = _Assembly(file, Findings() if findings is None else findings)
    for number, row in enumerate(rows, start=1):
        if number % EVERY == 0:
            checkpoint()
        assembly.add(row, number)
    return Tables(
        tuple(assembly.videos.values()),
        tuple(assembly.clips),
        tuple(assembly.findings),
        source or Source(""),
    )


@dataclass(slots=True)
class _Assembly:
    file: str
    findings: Findings
    videos: dict[tuple[str, str], Video] = field(default_factory=dict)
    clips: list[Clip] = field(default_factory=list)
    numbers: Counter[str] = field(default_factory=Counter)
    """Number of rows of each video so far, by its stem."""
    names: dict[str, int] = field(default_factory=dict)
    """Line of each clip, by its stem in lower case: some file systems ignore case."""
    stems: dict[str, str] = field(default_factory=dict)
    """Stem of each source video, by its stem in lower case."""

    def add(self, row: object, number: int) -> None:
        """Add a row, or a finding that says why it is skipped."""
        values = _values(row)
        place = values.get(LINE)
        line = place if isinstance(place, int) and place > 0 else number
        try:
            self._add(values, line)
        except _InvalidError as error:
            message = f"column {error.column}: {error}; row skipped."
            self.find(line, Severity.ERROR, f"bad_{error.column}", message)

    def find(self, line: int, severity: Severity, code: str, message: str) -> None:
        self.findings.append(Finding(self.file, line, severity, code, message))

    def _add(self, values: Mapping[str, Any], line: int) -> None:
        video = self._video(values)
        index = self.numbers[video.stem]
        self.numbers[video.stem] += 1
        interval = _interval(values)
        region, clipped = _region(values)
        annotation = Annotation(
            region,
            _point(values),
            _name(values),
            _text(values, "speaker"),
            _split(values),
            _extra(values),
        )
        zoom = _number(values, "zoom", 0, GREATEST_ZOOM)
        if zoom == 0:
            _refuse("zoom", values["zoom"], f"a number above 0 and at most {GREATEST_ZOOM}")
        clip = Clip(video, index, interval, None, zoom, annotation=annotation)
        stem = clip.stem.lower()
        if stem in self.names:
            message = f"{clip.stem} is also the name of the clip in line {self.names[stem]}"
            self.find(line, Severity.ERROR, "name_collision", f"{message} (case is ignored); row skipped.")
            return
        self.names[stem] = line
        if clipped:
            message = f"{clip.stem}: the box extends beyond the frame, and is clipped to it."
            self.find(line, Severity.NOTE, "box_clipped", message)
        self.clips.append(clip)

    def _video(self, values: Mapping[str, Any]) -> Video:
        text = values.get("video")
        youtube_id = youtube_id_of(f"{text}".strip())
        if youtube_id is None:
            _refuse("video", text, "a YouTube id of 11 characters, or the URL of a YouTube video")
        subset = "" if _missing(values.get("subset")) else f"{values['subset']}".strip()
        if subset and not is_safe_name(subset):
            _refuse("subset", subset, _A_NAME)
        key = (subset, youtube_id)
        if key not in self.videos:
            # Names that begin with an underscore belong to this program, and those with a hyphen are options.
            name = youtube_id if youtube_id[0].isalnum() else f"id{youtube_id}"
            height = _whole(values, "ref_height", GREATEST_HEIGHT) or 0
            video = Video(intern(subset), name, youtube_id, height)
            first = self.stems.setdefault(video.stem.lower(), video.stem)
            if first != video.stem:
                message = f"{video.stem} differs from {first} only in case, which some file systems ignore"
                raise _InvalidError("video", message)
            self.videos[key] = video
        return self.videos[key]


_A_NAME = (
    f"up to {LONGEST_NAME} ASCII letters, digits, '_', '-' and single '.', the first a letter or a digit"
)


def _values(row: object) -> Mapping[str, Any]:
    """Return the columns of a row."""
    if isinstance(row, Mapping):
        return row
    if isinstance(row, ClipRow):
        return {each: getattr(row, each) for each in _OF_A_ROW} | {LINE: row.line}
    as_dict: Callable[[], Mapping[str, Any]] | None = getattr(row, "_asdict", None)
    values = dict(as_dict()) if as_dict is not None else dict(getattr(row, "__dict__", {}))
    values.pop("Index", None)  # of a data frame's itertuples()
    return values


_OF_A_ROW = tuple(each.name for each in fields(ClipRow) if each.name != "line")
_KNOWN = frozenset((*_OF_A_ROW, LINE))


def _refuse(column: str, value: object, expected: str) -> NoReturn:
    got = "nothing" if _missing(value) else shown(value)
    raise _InvalidError(column, f"expected {expected} (got {got})")


def _missing(value: object) -> bool:
    """Whether a cell is empty: None, an empty text, or a number that data frames use for it."""
    return value is None or (isinstance(value, str) and not value.strip()) or value != value  # noqa: PLR0124


def _exact(values: Mapping[str, Any], column: str, expected: str) -> Decimal | None:
    """Return a finite number exactly as it was written; None for an empty cell."""
    value = values.get(column)
    if _missing(value):
        return None
    text = f"{value}".strip()
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        _refuse(column, value, expected)
    return Decimal(text)


_NUMBER = re.compile(r"-?([0-9]{1,20}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2})?")


def _number(values: Mapping[str, Any], column: str, least: float, greatest: float) -> float | None:
    expected = f"a number from {least:g} to {greatest:g}"
    value = _exact(values, column, expected)
    if value is not None and not least <= value <= greatest:
        _refuse(column, values[column], expected)
    return None if value is None else float(value)


def _whole(values: Mapping[str, Any], column: str, greatest: int) -> int | None:
    expected = f"an integer from 1 to {greatest}"
    value = _exact(values, column, expected)
    if value is not None and (value != int(value) or not 1 <= value <= greatest):
        _refuse(column, values[column], expected)
    return None if value is None else int(value)


def _choice(values: Mapping[str, Any], column: str, choices: tuple[str, ...]) -> str:
    """Return one of some words; the first for an empty cell."""
    value = values.get(column)
    text = choices[0] if _missing(value) else f"{value}".strip().lower()
    if text not in choices:
        _refuse(column, value, " or ".join(choices))
    return text


def _flag(values: Mapping[str, Any], column: str) -> bool:
    value = values.get(column)
    if _missing(value):
        return False
    text = f"{value}".strip().lower()
    if text not in _YES:
        _refuse(column, value, "true or false")
    return _YES[text]


def _text(values: Mapping[str, Any], column: str) -> str | None:
    value = values.get(column)
    if _missing(value):
        return None
    text = f"{value}".strip()
    if len(text) > LONGEST_TEXT or not text.isprintable():
        _refuse(column, value, f"up to {LONGEST_TEXT} printable characters")
    return intern(text)


def _name(values: Mapping[str, Any]) -> str | None:
    name = values.get("name")
    if _missing(name):
        return None
    text = f"{name}".strip().removesuffix(".mp4")
    if not is_safe_name(text):
        _refuse("name", name, _A_NAME)
    return text


def _split(values: Mapping[str, Any]) -> str | None:
    side = values.get("split")
    if _missing(side):
        return None
    if f"{side}".strip().lower() not in _SIDES:
        _refuse("split", side, "train, val or test")
    return _SIDES[f"{side}".strip().lower()]


def _point(values: Mapping[str, Any]) -> tuple[float, float] | None:
    x, y = (_number(values, column, 0, 1) for column in ("point_x", "point_y"))
    if (x is None) != (y is None):
        column = "point_x" if x is None else "point_y"
        _refuse(column, None, "both or none of point_x and point_y")
    return None if x is None or y is None else (x, y)


_RATE = re.compile(r"[0-9]{1,9}(/[0-9]{1,9}|\.[0-9]{0,20})?")


def rate_of(value: object) -> Fraction:
    """Return a frame rate exactly: 29.97 is 30000/1001. Raises `ValueError`."""
    text = f"{value}".strip()
    if not _RATE.fullmatch(text):  # Fraction itself would compute a number of any length
        raise ValueError(text)
    try:
        rate = Fraction(text).limit_denominator(10**6)
    except ZeroDivisionError as error:
        raise ValueError(f"{value}") from error
    if not _RATES[0] <= rate <= _RATES[1]:
        raise ValueError(f"{value}")
    return next((each for each in _NTSC if abs(each / rate - 1) <= _NTSC_ROUNDING), rate)


def _interval(values: Mapping[str, Any]) -> Interval:
    if _choice(values, "unit", ("s", "frame")) == "frame":
        return _numbered(values)
    if _flag(values, "end_inclusive"):
        _refuse("end_inclusive", values["end_inclusive"], "false unless the unit is frame")
    start, end = (_second(values, column) for column in ("start", "end"))
    return _forward(values, start, end, None)


def _second(values: Mapping[str, Any], column: str) -> float:
    value = values.get(column)
    if isinstance(value, str) and ":" in value and (found := seconds_of(value.strip())) is not None:
        return found
    expected = "seconds, such as 81.62, or a time such as 1:21.62"
    second = _exact(values, column, expected)
    if second is None or not 0 <= second <= DAY:
        _refuse(column, value, expected)
    return float(second)


def _numbered(values: Mapping[str, Any]) -> Interval:
    """Return the interval of frame numbers."""
    try:
        rate = rate_of(values.get("fps"))
    except ValueError:
        _refuse("fps", values.get("fps"), "frames per second from 1 to 240, such as 25 or 30000/1001")
    numbers = []
    for column in ("start", "end"):
        expected = "the number of a frame, counted from 0"
        number = _exact(values, column, expected)
        if number is None or number < 0 or number != int(number):
            _refuse(column, values.get(column), expected)
        numbers.append(int(number))
    start, end = numbers[0], numbers[1] + _flag(values, "end_inclusive")
    return _forward(values, float(start / rate), float(end / rate), rate)


def _forward(values: Mapping[str, Any], start: float, end: float, rate: Fraction | None) -> Interval:
    if not start < end <= DAY:
        _refuse("end", values["end"], f"an end after the start ({shown(values['start'])}), within a day")
    return Interval(start, end, rate)


def _region(values: Mapping[str, Any]) -> tuple[Region | None, bool]:
    """Return the crop window, and whether it was clipped to the frame."""
    columns = ("left", "top", "right", "bottom")
    edges = [_exact(values, column, "a number") for column in columns]
    wide, high = (
        _whole(values, "ref_width", 2 * GREATEST_HEIGHT),
        _whole(values, "ref_height", GREATEST_HEIGHT),
    )
    expand = _number(values, "expand", 0, GREATEST_EXPANSION) or 0.0
    square = Square(_choice(values, "square", tuple(Square)))
    unit = _choice(values, "box_unit", ("px", "norm"))
    if all(edge is None for edge in edges):
        return None, False
    left, top, right, bottom = (
        _refuse(column, None, "all or none of left, top, right and bottom") if edge is None else edge
        for column, edge in zip(columns, edges, strict=True)
    )
    if unit == "norm":
        wide, high = 1, 1
    elif high is None:
        _refuse("ref_height", None, "the height in pixels to which the box refers")
    limits = Decimal(wide or GREATEST_COORDINATE), Decimal(high)
    inside = (max(left, Decimal(0)), max(top, Decimal(0)), min(right, limits[0]), min(bottom, limits[1]))
    if not (inside[0] < inside[2] and inside[1] < inside[3]):
        column = "right" if inside[0] >= inside[2] else "bottom"
        frame = "1x1" if unit == "norm" else f"{wide or '?'}x{high}"
        _refuse(column, values[column], f"a box with an area within the frame of {frame}")
    width, height = inside[2] - inside[0], inside[3] - inside[1]
    region = Region(
        _plain(inside[0]), _plain(inside[1]), _plain(width), _plain(height), wide or 0, high, expand, square
    )
    return region, inside != (left, top, right, bottom)


def _plain(value: Decimal) -> float:
    """Return a coordinate; an integer stays one."""
    return int(value) if value == int(value) else float(value)


def _extra(values: Mapping[str, Any]) -> str | None:
    """Return the columns that are not those of `ClipRow`, as a JSON object; empty cells are left out."""
    given = values.get("extra")
    columns = dict(given) if isinstance(given, Mapping) else {"extra": given}
    columns |= {f"{name}": value for name, value in values.items() if name not in _KNOWN}
    kept = {f"{name}": value for name, value in columns.items() if not _is_empty(value)}
    if not kept:
        return None
    try:
        text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_as_json)
    except (ValueError, RecursionError) as error:
        raise _InvalidError("extra", f"expected values that JSON can represent ({error})") from None
    if len(text) > LONGEST_EXTRA:
        raise _InvalidError("extra", f"expected at most {LONGEST_EXTRA} characters in further columns")
    return text


def _is_empty(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _as_json(value: object) -> object:
    """Return a value of another library as one of JSON: numpy's numbers and arrays, dates."""
    for method in ("tolist", "isoformat"):
        if (convert := getattr(value, method, None)) is not None:
            return convert()
    return f"{value}"
