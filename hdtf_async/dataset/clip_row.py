"""One row of a list of clips, as a user or the reader of a dataset writes it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, TypeAlias

from hdtf_async.core.model import Square

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

Number: TypeAlias = float | str
"""A number, or its text as in a CSV file."""


@dataclass(frozen=True, slots=True)
class ClipRow:
    """One clip of a list: which part of which video, and what of it.

    Frame ``k`` is at ``k / fps`` seconds. A box needs all four edges; in pixels it also needs `ref_height`,
    and `ref_width` unless x and y have one scale.
    """

    video: str
    """YouTube id, or URL of a YouTube video."""
    start: Number
    """In `unit`."""
    end: Number
    """In `unit`; exclusive unless `end_inclusive`."""
    unit: str = "s"
    """``s`` (seconds) or ``frame``."""
    fps: float | str | Fraction | None = None
    """Frames per second of the frame numbers; required with the unit ``frame``."""
    end_inclusive: bool = False
    """Whether `end` is the last frame of the clip, instead of the first one behind it."""
    left: Number | None = None
    """Left edge of the box, in `box_unit`; a clip without a box is the whole frame."""
    top: Number | None = None
    """Its top edge."""
    right: Number | None = None
    """Its right edge."""
    bottom: Number | None = None
    """Its bottom edge."""
    box_unit: str = "px"
    """``px`` (pixels of the reference size) or ``norm`` (fractions of width and height)."""
    ref_width: int | str | None = None
    """Width in pixels of the video to which the box refers."""
    ref_height: int | str | None = None
    """Height in pixels of the video to which the box refers; this height is downloaded if it is offered."""
    expand: float = 0.0
    """Fraction of the box's width and height that is added on each side, within the frame."""
    square: Square | str = Square.NO
    """``no``; ``min`` or ``max``: the box becomes a square with its shorter or longer side."""
    point_x: Number | None = None
    """Column of a point of the face, as a fraction of the width; `--crop face` then selects this face."""
    point_y: Number | None = None
    """Row of this point, as a fraction of the height."""
    zoom: Number | None = None
    """Factor by which a detected face window is enlarged."""
    name: str | None = None
    """File name of the clip without its extension; default: subset, video and index."""
    subset: str | None = None
    """First part of the names of clips and source videos."""
    speaker: str | None = None
    """The speaker, whose clips `--split` keeps together."""
    split: str | None = None
    """``train``, ``val`` or ``test``."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Further columns, which are recorded with the clip."""
    line: int = 0
    """Line of the row in its file, for findings; default: the number of the row."""


COLUMNS = tuple(each.name for each in fields(ClipRow) if each.name not in {"extra", "line"})
"""The columns of a file of clips; any other one becomes part of `ClipRow.extra`."""
REQUIRED = ("video", "start", "end")
"""Columns without which a row is no clip."""
