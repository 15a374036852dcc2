"""The record of a clip: a line of ``metadata.jsonl``, and ``metadata`` of its record in the journal.

A journal may come from another version or from somebody else. So a column that is missing or has another type
is None, and a record is written as it was read, with all keys and their order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from hdtf_async.core.model import Annotation, Box, Clip, Interval, Region, Square, Video
from hdtf_async.core.splits import SIDES, Member

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


def _intervals(value: object) -> list[list[float]] | None:
    return value if isinstance(value, list) and None not in map(_numbers, value) else None


def _object(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


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
    """The published box: left, top, width, height; null if the list of clips has none."""
    box_reference = Column(_numbers)
    """Width and height to which the box of a list of clips refers; 1 and 1 if it is normalised."""
    box_expand = Column(_number)
    """Fraction of its size by which this box was enlarged on each side."""
    box_square = Column(_text)
    """How this box became a square: ``min`` or ``max`` of its sides."""
    face_point = Column(_numbers)
    """A point of the face according to the list of clips, as fractions of width and height."""
    annotated_fps = Column(_text)
    """Frames per second of the frame numbers from which start and end were computed."""
    speaker = Column(_text)
    """The speaker according to the list of clips."""
    split = Column(_text)
    """``train``, ``val`` or ``test`` according to the list of clips."""
    extra = Column(_object)
    """Further columns of the list of clips."""
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
    face_size = Column(_numbers)
    """Smallest, median and largest side of the face, in pixels of the clip."""
    face_yaw = Column(_numbers)
    """Smallest, median and largest rotation of the head to the right of the image, in degrees."""
    scene_cuts = Column(_numbers)
    """Second of the first frame after each scene cut."""
    scene_cut_scores = Column(_numbers)
    """Score of each scene cut, from 10 to 100."""
    black = Column(_intervals)
    """Start and end of each black interval, in seconds."""
    frozen = Column(_intervals)
    """Start and end of each interval of at least half a second with the same image, in seconds."""
    letterbox = Column(_numbers)
    """Width of the black bars: left, top, right and bottom, in pixels of the clip."""
    brightness = Column(_number)
    """Mean luma, from 16 (black) to 235 (white)."""
    blur = Column(_number)
    """Mean width of edges in pixels: the higher, the more blurred."""
    loudness = Column(_number)
    """Integrated loudness of the audio in LUFS (EBU R 128)."""
    silence_share = Column(_number)
    """Fraction of the duration in which the audio is silent."""
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
        if start is None or end is None:
            return None
        try:
            return Interval(start, end, None if self.annotated_fps is None else Fraction(self.annotated_fps))
        except (ValueError, ZeroDivisionError):
            return None

    @property
    def region(self) -> Region | None:
        """The crop window of a list of clips."""
        match self._columns.get("box"), self.box_reference:
            case [
                [
                    int() | float() as left,
                    int() | float() as top,
                    int() | float() as wide,
                    int() | float() as high,
                ],
                [int(reference_wide), int(reference_high)],
            ]:
                square = Square(self.box_square) if self.box_square in set(Square) else Square.NO
                expand = self.box_expand or 0.0
                return Region(left, top, wide, high, reference_wide, reference_high, expand, square)
        return None

    @property
    def clip(self) -> Clip | None:
        """The clip, as the table contained it; None if columns are missing.

        Its name comes from the record, and may not be a valid file name.
        """
        match (
            self.file_name,
            self.subset,
            self.name,
            self.youtube_id,
            self.reference_height,
            self.index,
            self.interval,
        ):
            case str(file), str(subset), str(name), str(youtube_id), int(height), int(
                index
            ), Interval() as interval:
                clip = Clip(
                    Video(subset, name, youtube_id, height), index, interval,
                    self.box if self.box_reference is None else None,
                    self.zoom, self.correction, self.segment,
                )  # fmt: skip
                stem = file.removesuffix(".mp4")
                if stem == clip.stem and self._columns.keys().isdisjoint(_OF_LISTS):
                    return clip
                piece = "" if self.segment is None else f"_s{self.segment:03d}"
                given = None if stem == clip.stem else stem.removesuffix(piece)
                return replace(clip, annotation=self._annotation(given))
        return None

    def _annotation(self, name: str | None) -> Annotation:
        point = self.face_point
        return Annotation(
            self.region,
            (point[0], point[1]) if point is not None and len(point) == len("xy") else None,
            name,
            self.speaker,
            self.split,
            None if self.extra is None else json.dumps(self.extra, ensure_ascii=False),
        )

    @property
    def member(self) -> Member:
        """What decides the split of the clip."""
        of_list = self.youtube_id is not None and f"{self.name}".removeprefix("id") in {
            self.youtube_id, self.youtube_id.removeprefix("id"),
        }  # fmt: skip
        side = self.split if self.split in SIDES else None
        speaker = self.speaker or (self.youtube_id if of_list else None)
        return Member(f"{self.name}", speaker, side, self.youtube_id or "", self.whole_stem)

    @property
    def whole_stem(self) -> str:
        """Stem of the clip without the number of its segment."""
        piece = "" if self.segment is None else f"_s{self.segment:03d}"
        return f"{self.file_name}".removesuffix(".mp4").removesuffix(piece)

    def to_json(self) -> Record:
        """Return all columns, as they are written."""
        return self._columns


_OF_LISTS = frozenset({"box_reference", "face_point", "annotated_fps", "speaker", "split", "extra"})
"""Columns that only clips of a list have."""


def row_to_json(clip: Clip) -> Record:
    """Return the columns about the published crop window of a clip, and about its frame numbers, if any."""
    region, rate = clip.region, clip.interval.rate
    columns: Record = {} if rate is None else {"annotated_fps": str(rate)}
    if region is None:
        box = clip.box
        return {"box": None if box is None else [box.left, box.top, box.width, box.height]} | columns
    columns["box"] = [region.left, region.top, region.width, region.height]
    columns["box_reference"] = [region.reference_width, region.reference_height]
    if region.expand:
        columns["box_expand"] = region.expand
    if region.square is not Square.NO:
        columns["box_square"] = region.square.value
    return columns


def point_to_json(clip: Clip) -> Record:
    """Return the column about the point of a clip's face, if the list contains one."""
    if clip.annotation is None or clip.annotation.point is None:
        return {}
    return {"face_point": list(clip.annotation.point)}


def annotation_to_json(clip: Clip) -> Record:
    """Return the columns about face, speaker, split and further content of a list of clips."""
    given = clip.annotation
    if given is None:
        return {}
    columns = point_to_json(clip) | {
        "speaker": given.speaker,
        "split": given.split,
        "extra": None if given.extra is None else json.loads(given.extra),
    }
    return {name: value for name, value in columns.items() if value is not None}
