"""How much of a source video is downloaded."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Fetch(StrEnum):
    """How much of a source video is downloaded."""

    WHOLE = "whole"
    """The whole file."""
    SECTIONS = "sections"
    """Only the segments that clips need, where a clip has the same bytes either way."""
    AUTO = "auto"
    """As `SECTIONS`, if that saves at least half of the bytes."""


BEFORE, AFTER = 5.0, 2.0
"""Seconds of a video before and after each clip that are downloaded too, with `Fetch.SECTIONS`.

Decoding may start up to 4 s earlier than usual, if a stream needs that.
"""


def joined_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """Return how many seconds some spans take together; seconds in several of them count once."""
    total, reached = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
