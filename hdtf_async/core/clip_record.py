"""The record of a clip: a line of ``metadata.jsonl``, and ``metadata`` of its record in the journal.

A journal may come from another version or from somebody else. So a column that is missing or has another type
is None, and a record is written as it was read, with all keys and their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from hdtf_async.core.model import Box, Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hdtf_async.core.jsonlines import Record

T = TypeVar("T")


class Column(Generic[T]):
    """A column of ``metadata.jsonl``. As an attribute of a `ClipRecord`, its value."""

    def __init__(self, read: Callable[[object], T | None]) -> None:
        self._read = read
        self.name = ""

    def __set_name__(self, _owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...

    @overload
    def __get__(self, record: ClipRecord, owner: type) -> T | None: ...

    def __get__(self, record: ClipRecord | None, owner: type) -> Self | T | None:
        return self if record is None else self._read(record.to_json().get(self.name))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    # An integer stays one: the fingerprint distinguishes 5 from 5.0.
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _box(value: object) -> Box | None:
    match value:
        case [int(left), int(top), int(width), int(height)]:
            return Box(left, top, width, height)
    return None


def _numbers(value: object) -> list[float] | None:
    return value if isinstance(value, list) and None not in map(_number, value) else None


def _versions(value: object) -> dict[str, str] | None:
    return {f"{tool}": f"{version}" for tool, version in value.items()} if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """What is recorded of a clip."""

    _columns: Record

    file_name = Column(_text)
    """Name of the clip. It is the first key: Hugging Face's loader expects it."""
    subset = Column(_text)
    name = Column(_text)
    """Name of the video."""
    index = Column(_whole)
    """Number of the interval in the annotation file, from 0."""
    youtube_id = Column(_text)
    start = Column(_number)
    """Start of the annotated interval, in seconds."""
    end = Column(_number)
    """End of the annotated interval, in seconds."""
    source_height = Column(_whole)
    """Height of the source video, in pixels."""
    source_width = Column(_whole)
    source_fps = Column(_number)
    format_id = Column(_text)
    """YouTube's format of the source video; null for the user's own videos."""
    reference_height = Column(_whole)
    """Height to which the published box refers; 0 if unknown."""
    box = Column(_box)
    """The published box: left, top, width, height."""
    box_cut = Column(_box)
    """The box in the source video."""
    frames = Column(_whole)
    """Number of frames."""
    fps = Column(_number)
    width = Column(_whole)
    height = Column(_whole)
    duration = Column(_number)
    """In seconds."""
    segment = Column(_whole)
    """Number of the piece, with ``--segment``."""
    deinterlaced = Column(_text)
    """Field order of an interlaced source: ``tff`` or ``bff``."""
    stretched_ratio = Column(_number)
    """Aspect ratio that the uploader requested, if the file has another one."""
    tone_mapped = Column(_text)
    """Transfer function of an HDR source."""
    sound_format_id = Column(_text)
    """YouTube's format of the audio; null for the user's own videos."""
    audio_stream = Column(_whole)
    """Number of the audio stream in its file, from 0."""
    audio_language = Column(_text)
    audio_original = Column(_flag)
    audio_guessed = Column(_flag)
    sound_codec = Column(_text)
    """Codec of the audio in the clip."""
    sound_rate = Column(_whole)
    sound_channels = Column(_whole)
    held_at_start = Column(_number)
    """Seconds for which a frame from before the interval is shown."""
    starts_late = Column(_number)
    """Seconds of the interval before the start of the video."""
    ends_early = Column(_number)
    """Seconds of the interval after the end of the video."""
    correction = Column(_text)
    """Which correction of the tables applies."""
    zoom = Column(_number)
    """Factor of the published crop ratio."""
    faces = Column(_whole)
    """Number of people that were detected."""
    face_region = Column(_numbers)
    """Left, top, right and bottom edge of the face in the source video."""
    face_fallback = Column(_text)
    """``table`` if no face was detected, so that the published box was used."""
    face_share = Column(_number)
    face_kept_share = Column(_number)
    face_inside_share = Column(_number)
    bytes = Column(_whole)
    """Size of the clip."""
    sha256 = Column(_text)
    wav = Column(_text)
    """Name of the WAV file."""
    wav_samples = Column(_whole)
    wav_bytes = Column(_whole)
    wav_sha256 = Column(_text)
    fingerprint = Column(_text)
    """Identifies the table row and the output settings."""
    versions = Column(_versions)
    """Version of each tool."""

    @classmethod
    def from_json(cls, columns: Record) -> Self:
        """Return the record with these columns; unknown ones are kept."""
        return cls(columns)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return what a record of the journal contains about a clip."""
        return cls(record["metadata"])

    @property
    def interval(self) -> Interval | None:
        """The annotated interval."""
        start, end = self.start, self.end
        return None if start is None or end is None else Interval(start, end)

    def to_json(self) -> Record:
        """Return all columns, as they are written."""
        return self._columns
