"""Histograms of what was measured about the clips, for the report. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.report import charts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hdtf_async.core.clip_record import ClipRecord

_LARGEST = 1e9
"""A record may come from anybody: larger values have no chart."""


def histograms(lines: Collection[ClipRecord]) -> list[tuple[str, str]]:
    """Return title and chart of each fact that was measured in any clip."""
    facts: list[tuple[str, str, Callable[[ClipRecord], float | None]]] = [
        ("Scene cuts", "per clip", lambda line: _length(line.scene_cuts)),
        ("Black", "seconds", lambda line: _total(line.black)),
        ("Frozen", "seconds", lambda line: _total(line.frozen)),
        (
            "Black bars",
            "pixels",
            lambda line: None if line.letterbox is None else max(line.letterbox, default=0),
        ),
        ("Brightness", "luma", lambda line: line.brightness),
        ("Blur", "pixels", lambda line: line.blur),
        ("Loudness", "LUFS", lambda line: line.loudness),
        ("Silence", "fraction", lambda line: line.silence_share),
        ("Face", "pixels, median", lambda line: _middle(line.face_size)),
        ("Yaw", "degrees, median", lambda line: _middle(line.face_yaw)),
        ("Yaw range", "degrees", lambda line: _range(line.face_yaw)),
    ]
    found = []
    for title, unit, value in facts:
        values = [one for line in lines if (one := value(line)) is not None and abs(one) < _LARGEST]
        if values:
            found.append((f"{title} ({unit})", charts.histogram(values, title, unit)))
    return found


def _length(values: list[float] | None) -> float | None:
    return None if values is None else len(values)


def _total(intervals: list[list[float]] | None) -> float | None:
    """Return the duration of all intervals together."""
    if intervals is None:
        return None
    return sum(each[-1] - each[0] for each in intervals if each)


def _range(values: list[float] | None) -> float | None:
    """Return the difference between the largest and the smallest value."""
    return values[-1] - values[0] if values else None


def _middle(values: list[float] | None) -> float | None:
    return values[len(values) // 2] if values else None
