"""Read the values of one row of a list of clips, which may be text, as in a CSV file.

Each function gets the columns of a row, and raises `InvalidError` for an invalid value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from sys import intern
from typing import Any, NoReturn

from hdtf_async.core.model import Interval, Region, Square
from hdtf_async.core.splits import SIDES
from hdtf_async.core.text import shown
from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.fields import (
    DAY,
    GREATEST_COORDINATE,
    GREATEST_HEIGHT,
    LONGEST_NAME,
    is_device,
    is_safe_name,
    seconds_of,
)

LINE = "\0line"
"""Key of a row's line number, which no column of a file has."""
GREATEST_EXPANSION = 10.0
LONGEST_TEXT = 200
"""Characters of a speaker's name."""
LONGEST_EXTRA = 64 * 1024
"""Characters of the further columns of one row, as JSON."""
OF_A_ROW = tuple(each.name for each in fields(ClipRow) if each.name != "line")
A_NAME = f"up to {LONGEST_NAME} ASCII letters, digits, '_', '-' and single '.', the first a letter or a digit"
_KNOWN = frozenset((*OF_A_ROW, LINE))
_NTSC = {Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120)}
_NTSC_ROUNDING = Fraction(1, 10_000)
"""Relative difference up to which a rounded rate such as 29.97 is 30000/1001."""
_RATES = (1, 240)
_FURTHEST = 2
"""A fraction beyond this is no position near the frame: it must be pixels."""
_SIDES = {"dev": "val", "valid": "val", "validation": "val"} | {side: side for side in SIDES}
_YES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class InvalidError(ValueError):
    """An invalid value: its column, and what was expected."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


def refuse(column: str, value: object, expected: str) -> NoReturn:
    """Raise `InvalidError`."""
    got = "nothing" if is_missing(value) else shown(value)
    raise InvalidError(column, f"expected {expected} (got {got})")


def is_missing(value: object) -> bool:
    """Whether a cell is empty: None, an empty text, or a number that data frames use for it."""
    return value is None or (isinstance(value, str) and not value.strip()) or value != value  # noqa: PLR0124


def _exact(values: Mapping[str, Any], column: str, expected: str) -> Decimal | None:
    """Return a finite number exactly as it was written; None for an empty cell."""
    value = values.get(column)
    if is_missing(value):
        return None
    text = f"{value}".strip()
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        refuse(column, value, expected)
    return Decimal(text)


_NUMBER = re.compile(r"-?([0-9]{1,20}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2})?")


def number_of(values: Mapping[str, Any], column: str, least: float, greatest: float) -> float | None:
    """Return a number of a range; None for an empty cell."""
    expected = f"a number from {least:g} to {greatest:g}"
    value = _exact(values, column, expected)
    if value is not None and not least <= value <= greatest:
        refuse(column, values[column], expected)
    return None if value is None else float(value)


def whole_of(values: Mapping[str, Any], column: str, greatest: int) -> int | None:
    """Return an integer above 0; None for an empty cell."""
    expected = f"an integer from 1 to {greatest}"
    value = _exact(values, column, expected)
    if value is not None and (value != int(value) or not 1 <= value <= greatest):
        refuse(column, values[column], expected)
    return None if value is None else int(value)


def _choice(values: Mapping[str, Any], column: str, choices: tuple[str, ...]) -> str:
    """Return one of some words; the first for an empty cell."""
    value = values.get(column)
    text = choices[0] if is_missing(value) else f"{value}".strip().lower()
    if text not in choices:
        refuse(column, value, " or ".join(choices))
    return text


def _flag(values: Mapping[str, Any], column: str) -> bool:
    value = values.get(column)
    if is_missing(value):
        return False
    text = f"{value}".strip().lower()
    if text not in _YES:
        refuse(column, value, "true or false")
    return _YES[text]


def text_of(values: Mapping[str, Any], column: str) -> str | None:
    """Return one line of text; None for an empty cell."""
    value = values.get(column)
    if is_missing(value):
        return None
    text = f"{value}".strip()
    if len(text) > LONGEST_TEXT or not text.isprintable():
        refuse(column, value, f"up to {LONGEST_TEXT} printable characters")
    return intern(text)


def name_of(values: Mapping[str, Any]) -> str | None:
    """Return the name of a clip; None for an empty cell."""
    name = values.get("name")
    if is_missing(name):
        return None
    text = f"{name}".strip().removesuffix(".mp4")
    if not is_safe_name(text):
        refuse("name", name, A_NAME)
    if is_device(text):
        refuse("name", name, "a name that is not that of a device on Windows")
    return text


def side_of(values: Mapping[str, Any]) -> str | None:
    """Return the given split: train, val or test; None for an empty cell."""
    side = values.get("split")
    if is_missing(side):
        return None
    if f"{side}".strip().lower() not in _SIDES:
        refuse("split", side, "train, val or test")
    return _SIDES[f"{side}".strip().lower()]


def point_of(values: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the point of the face; None without one."""
    x, y = (number_of(values, column, 0, 1) for column in ("point_x", "point_y"))
    if (x is None) != (y is None):
        column = "point_x" if x is None else "point_y"
        refuse(column, None, "both or none of point_x and point_y")
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


def interval_of(values: Mapping[str, Any]) -> Interval:
    """Return the interval of the clip."""
    if _choice(values, "unit", ("s", "frame")) == "frame":
        return _numbered(values)
    if _flag(values, "end_inclusive"):
        refuse("end_inclusive", values["end_inclusive"], "false unless the unit is frame")
    start, end = (_second(values, column) for column in ("start", "end"))
    return _forward(values, start, end, None)


def _second(values: Mapping[str, Any], column: str) -> float:
    value = values.get(column)
    if isinstance(value, str) and ":" in value and (found := seconds_of(value.strip())) is not None:
        return found
    expected = "seconds, such as 81.62, or a time such as 1:21.62"
    second = _exact(values, column, expected)
    if second is None or not 0 <= second <= DAY:
        refuse(column, value, expected)
    return float(second)


def _numbered(values: Mapping[str, Any]) -> Interval:
    """Return the interval of frame numbers."""
    try:
        rate = rate_of(values.get("fps"))
    except ValueError:
        refuse("fps", values.get("fps"), "frames per second from 1 to 240, such as 25 or 30000/1001")
    numbers = []
    for column in ("start", "end"):
        expected = "the number of a frame, counted from 0"
        number = _exact(values, column, expected)
        if number is None or number < 0 or number != int(number):
            refuse(column, values.get(column), expected)
        numbers.append(int(number))
    start, end = numbers[0], numbers[1] + _flag(values, "end_inclusive")
    return _forward(values, float(start / rate), float(end / rate), rate)


def _forward(values: Mapping[str, Any], start: float, end: float, rate: Fraction | None) -> Interval:
    if not start < end <= DAY:
        refuse("end", values["end"], f"an end after the start ({shown(values['start'])}), within a day")
    return Interval(start, end, rate)


def region_of(values: Mapping[str, Any]) -> tuple[Region | None, bool]:
    """Return the crop window, and whether it was clipped to the frame."""
    columns = ("left", "top", "right", "bottom")
    edges = [_exact(values, column, "a number") for column in columns]
    wide, high = (
        whole_of(values, "ref_width", 2 * GREATEST_HEIGHT),
        whole_of(values, "ref_height", GREATEST_HEIGHT),
    )
    expand = number_of(values, "expand", 0, GREATEST_EXPANSION) or 0.0
    square = Square(_choice(values, "square", tuple(Square)))
    unit = _choice(values, "box_unit", ("px", "norm"))
    if all(edge is None for edge in edges):
        return None, False
    left, top, right, bottom = (
        refuse(column, None, "all or none of left, top, right and bottom") if edge is None else edge
        for column, edge in zip(columns, edges, strict=True)
    )
    if unit == "norm":
        wide, high = 1, 1
        if max(map(abs, (left, top, right, bottom))) > _FURTHEST:
            refuse("box_unit", unit, "px for edges in pixels; those of norm are fractions from 0 to 1")
    elif max(right, bottom) <= 1:
        refuse("box_unit", unit, "norm for edges from 0 to 1; those of px are pixels")
    elif high is None:
        refuse("ref_height", None, "the height in pixels to which the box refers")
    limits = Decimal(wide or GREATEST_COORDINATE), Decimal(high)
    inside = (max(left, Decimal(0)), max(top, Decimal(0)), min(right, limits[0]), min(bottom, limits[1]))
    if not (inside[0] < inside[2] and inside[1] < inside[3]):
        column = "right" if inside[0] >= inside[2] else "bottom"
        frame = "1x1" if unit == "norm" else f"{wide or '?'}x{high}"
        refuse(column, values[column], f"a box with an area within the frame of {frame}")
    width, height = inside[2] - inside[0], inside[3] - inside[1]
    region = Region(
        _plain(inside[0]), _plain(inside[1]), _plain(width), _plain(height), wide or 0, high, expand, square
    )
    return region, inside != (left, top, right, bottom)


def _plain(value: Decimal) -> float:
    """Return a coordinate; an integer stays one."""
    return int(value) if value == int(value) else float(value)


def extra_of(values: Mapping[str, Any]) -> str | None:
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
        raise InvalidError("extra", f"expected values that JSON can represent ({error})") from None
    if not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
        raise InvalidError("extra", "expected text without half characters (surrogates)")
    if len(text) > LONGEST_EXTRA:
        raise InvalidError("extra", f"expected at most {LONGEST_EXTRA} characters in further columns")
    return text


def _is_empty(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _as_json(value: object) -> object:
    """Return a value of another library as one of JSON: numpy's numbers and arrays, dates."""
    for method in ("tolist", "isoformat"):
        if (convert := getattr(value, method, None)) is not None:
            return convert()
    return f"{value}"
