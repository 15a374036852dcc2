"""Read the clips of a reproduction file as tables: those that a run creates again."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from hdtf_async.core import reproduction_file
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.exceptions import OptionsError, TableError
from hdtf_async.core.model import Tables
from hdtf_async.core.steps import steps
from hdtf_async.core.text import shown
from hdtf_async.dataset.fields import is_safe_name, youtube_id_of

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.core.model import Clip

_LARGEST = 1e9
"""Largest absolute value of a number in a clip's columns that is used."""


def read(path: Path) -> Tables:
    """Return the clips of a reproduction file, in its order. Blocks.

    Raises `TableError` for an invalid clip, and `OptionsError` for a file that is no reproduction file.
    """
    try:
        listed = reproduction_file.read(path)
    except reproduction_file.ReproductionFileError as error:
        raise OptionsError(f"--reproduce: {error}") from None
    clips: dict[str, Clip] = {}
    for number, columns in enumerate(steps(listed.clips), start=1):
        clip = _clip(ClipRecord.from_json(columns))
        if clip is None or clip.stem.lower() in clips:
            message = f"invalid clip, or its name is not unique: {shown(columns.get('file_name'))}"
            raise TableError(path.name, number, message)
        clips[clip.stem.lower()] = clip
    videos = tuple(dict.fromkeys(clip.video for clip in steps(clips.values())))
    return Tables(videos, tuple(clips.values()), (), listed.source)


def _clip(record: ClipRecord) -> Clip | None:
    """Return the clip of a record; None if anything about it could not be from a table."""
    clip = record.clip
    if clip is None:
        return None
    names = [name for name in (clip.stem, clip.video.stem, clip.video.subset) if name]
    numbers = [clip.interval.start, clip.interval.end, clip.video.reference_height, clip.index]
    numbers += [value for value in (clip.zoom, clip.segment) if value is not None]
    for value in (record.to_json().get("box"), record.box_reference, record.face_point):
        numbers += value or []
    region = clip.region
    numbers += [] if region is None else [region.expand]
    valid = (
        all(map(is_safe_name, names))
        and youtube_id_of(clip.video.youtube_id) == clip.video.youtube_id
        and all(isinstance(value, int | float) and isfinite(value) for value in numbers)
        and all(abs(value) < _LARGEST for value in numbers)
        and 0 <= clip.interval.start < clip.interval.end
        and min(clip.index, clip.segment or 0, clip.video.reference_height) >= 0
        and (clip.zoom is None or clip.zoom > 0)
        and (region is None or min(region.reference_width, region.reference_height) >= 0)
    )
    return clip if valid else None
