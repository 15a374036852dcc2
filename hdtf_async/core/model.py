"""The project's terms as frozen dataclasses: video, clip, box, interval, output settings.

This module does no I/O and imports no other module of the package; all others use its terms.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Self

SUBSETS = ("RD", "WDA", "WRA")
"""The three parts of HDTF, in the order in which they are read and listed."""
CUTTING_RULES = 3
"""Version of the rules by which a clip is cut: frames, pixels, filters and encoder settings. CONTRIBUTING.md
says when to increase it. 1 stands for all rules before it was recorded: there were several, which cannot be
distinguished."""

SQUARE_RULES = 2
"""Version of the rules by which the crop window of a list becomes a square. Only such clips have it in their
fingerprint, so that clips of HDTF stay valid when it increases."""

SCENE_CUT = 10.0
"""Score of ffmpeg's ``scdet`` from which on a change of the image counts as a scene cut: its default."""


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """An interval of a video's timeline, in seconds: the frames with ``start <= PTS < end``."""

    start: float
    end: float
    rate: Fraction | None = None
    """Frames per second of the numbering from which the times were computed; None if they are times. In a
    video of this rate, the interval contains exactly the numbered frames."""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Box:
    """A crop window in whole pixels: its top left corner and its size.

    Published boxes are in pixels at the video's reference height, cropped boxes in pixels of the source
    video. `geometry` converts between them.
    """

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column right of the box."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First row below the box."""
        return self.top + self.height


class Square(StrEnum):
    """How a crop window becomes a square, around its centre."""

    NO = "no"
    """It does not."""
    MIN = "min"
    """Its longer side is reduced to the shorter one."""
    MAX = "max"
    """Its shorter side is enlarged to the longer one."""


@dataclass(frozen=True, slots=True)
class Region:
    """A crop window of a list of clips, in units of its reference size.

    x is scaled with the width of the source video, and y with its height. The reference size of normalised
    coordinates is 1 by 1. A reference width of 0 is unknown: then x and y have one scale.
    """

    left: float
    top: float
    width: float
    height: float
    reference_width: int = 1
    reference_height: int = 1
    expand: float = 0.0
    """Fraction of its width and height that is added on each side, within the frame."""
    square: Square = Square.NO


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a list of clips contains about a clip, beyond the columns of HDTF's tables."""

    region: Region | None = None
    point: tuple[float, float] | None = None
    """A point of the face, as fractions of width and height."""
    name: str | None = None
    """File name of the clip without its extension."""
    speaker: str | None = None
    split: str | None = None
    """``train``, ``val`` or ``test``."""
    extra: str | None = None
    """Columns that this program does not interpret, as a JSON object."""


@dataclass(frozen=True, slots=True)
class Video:
    """One video of a subset: in HDTF, one row of ``xx_video_url.txt``."""

    subset: str
    """An empty string if the list has no subsets."""
    name: str
    youtube_id: str
    reference_height: int
    """Height in pixels to which the boxes refer; 0 if it is unknown."""

    @property
    def stem(self) -> str:
        """File name of the source video without its extension, such as ``RD_Radio1``."""
        return f"{self.subset}_{self.name}" if self.subset else self.name


@dataclass(frozen=True, slots=True)
class Clip:
    """One annotated interval of a video; its index is its position among the intervals of the video."""

    video: Video
    index: int
    interval: Interval
    box: Box | None
    """The published box of HDTF; None if the clip has a `Region`, or no box."""
    zoom: float | None = None
    """Factor from ``xx_crop_ratio.txt`` by which a detected face window is enlarged."""
    correction: str | None = None
    """Level of the correction that changed this row (``verified``, ``unverified``), if one did."""
    segment: int | None = None
    """Number of the segment of the annotated interval, from 0; None for the whole interval."""
    annotation: Annotation | None = None
    """Further content of a list of clips; None for HDTF."""

    @property
    def stem(self) -> str:
        """File name of the clip without extension, such as ``RD_Radio1_000`` or ``RD_Radio1_000_s003``."""
        piece = "" if self.segment is None else f"_s{self.segment:03d}"
        if self.annotation is not None and self.annotation.name is not None:
            return f"{self.annotation.name}{piece}"
        return f"{self.video.stem}_{self.index:03d}{piece}"

    @property
    def whole_stem(self) -> str:
        """Stem of the clip without the number of its segment."""
        return self.stem if self.segment is None else replace(self, segment=None).stem

    @property
    def region(self) -> Region | None:
        """The crop window of a list of clips, if it has one."""
        return None if self.annotation is None else self.annotation.region

    def shortened(self, first: float | None, middle: float | None) -> Clip:
        """Return this clip with only its first or its middle seconds; a shorter clip is kept whole."""
        seconds = first if middle is None else middle
        if seconds is None:
            return self
        start, end = Fraction(str(self.interval.start)), Fraction(str(self.interval.end))
        length = Fraction(str(seconds))
        left = end - start - length
        if left <= 0:
            return self
        if middle is not None:
            start += left / 2
        return replace(self, interval=Interval(float(start), float(start + length), self.interval.rate))

    def divided(self, seconds: float | None) -> tuple[Clip, ...]:
        """Return the segments of `seconds` seconds into which this clip is split.

        The remainder becomes a segment of its own if it is at least half as long, otherwise it is added to
        the previous segment: nothing is lost, and no segment is very short. A segment is not split again.
        """
        if seconds is None or self.segment is not None:
            return (self,)
        start, end = Fraction(str(self.interval.start)), Fraction(str(self.interval.end))
        length = Fraction(str(seconds))
        number = max(1, int((end - start) / length + Fraction(1, 2)))
        bounds = [*(start + place * length for place in range(number)), end]
        return tuple(
            replace(self, interval=Interval(float(left), float(right), self.interval.rate), segment=place)
            for place, (left, right) in enumerate(pairwise(bounds))
        )


class Fit(StrEnum):
    """How a crop window that is not square gets the size of ``--size``."""

    KEEP = "keep"
    """The shorter side gets this size, and the aspect ratio is kept."""
    SQUEEZE = "squeeze"
    """Both sides get this size; the picture is distorted."""
    PAD = "pad"
    """The longer side gets this size, and black bars fill the square."""
    CROP = "crop"
    """The largest centred square gets this size."""


class Audio(StrEnum):
    """The audio of a clip."""

    NONE = "none"
    """None, and none is downloaded."""
    AAC = "aac"
    """Inside the clip, as AAC."""
    WAV = "wav"
    """A separate file with the same stem: 16 kHz, mono, 16 bit."""
    BOTH = "both"


class Codec(StrEnum):
    """How the video of a clip is encoded."""

    H264 = "h264"
    LOSSLESS = "lossless"
    """Lossless H.264, after conversion to 8-bit 4:2:0."""


class Deinterlace(StrEnum):
    """Which frames are deinterlaced."""

    AUTO = "auto"
    """Those that are flagged as interlaced, and those in which combing is detected."""
    ON = "on"
    """All."""
    OFF = "off"
    """None."""


class Crop(StrEnum):
    """What is cropped from the frame."""

    TABLE = "table"
    """The published box."""
    FACE = "face"
    """A square around the face that is detected in the clip, enlarged by the table's zoom."""
    NONE = "none"
    """Nothing: the whole frame."""


class Fallback(StrEnum):
    """What happens to a clip in which no face is found often enough."""

    FAIL = "fail"
    """It fails."""
    TABLE = "table"
    """The published box is used."""


class Hdr(StrEnum):
    """What happens to a video with high dynamic range (PQ, HLG)."""

    TONEMAP = "tonemap"
    """Its clips are converted to standard dynamic range."""
    REFUSE = "refuse"
    """Its clips fail."""


class SceneCuts(StrEnum):
    """What happens to a clip that contains a scene cut."""

    REPORT = "report"
    """It is kept; its metadata has the times."""
    SPLIT = "split"
    """It is split at the cuts."""
    DROP = "drop"
    """It fails."""


class PaceScope(StrEnum):
    """Which processes share one public IP address: pace and blocks apply to each address."""

    WORKER = "worker"
    """Each worker of a cluster has its own."""
    CLUSTER = "cluster"
    """All of them share one."""


UNRECORDED: dict[str, object] = {
    "fit": Fit.KEEP.value,
    "first": None,
    "middle": None,
    "scene_cuts": SceneCuts.REPORT.value,
}
"""Output settings that are not recorded with this value: directories of older versions stay valid."""


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """The output settings of a clip: every option that changes its bytes, and nothing else."""

    crop: Crop = Crop.TABLE
    resolution: str = "reference"
    size: int | None = None
    """Pixels of the shorter side; None for unchanged."""
    fit: Fit = Fit.KEEP
    fps: Fraction | None = None
    """Frames per second; None for unchanged."""
    first: float | None = None
    """Seconds to which clips are shortened, from their start; None for whole clips."""
    middle: float | None = None
    """The same, around their middle."""
    segment: float | None = None
    """Seconds of the segments into which clips are split; None for whole clips."""
    audio: Audio = Audio.NONE
    deinterlace: Deinterlace = Deinterlace.AUTO
    codec: Codec = Codec.H264
    crf: int = 20
    preset: str = "superfast"
    threads: int = 1
    """Threads of the encoder, which change the stream that x264 writes."""
    hdr: Hdr = Hdr.TONEMAP
    """Never changes the bytes of a clip, which is either converted or fails. So it is not recorded."""
    face_rate: float | None = 5.0
    """Frames per second that are searched for the face; None for every frame."""
    face_margin: float = 0.0
    """Margin around the face's landmarks before the zoom, as a fraction of their square's side."""
    face_fallback: Fallback = Fallback.FAIL
    scene_cuts: SceneCuts = SceneCuts.REPORT
    cutting_rules: int = CUTTING_RULES
    """Not an option: clips cut by other rules have other settings."""

    @property
    def has_audio_stream(self) -> bool:
        """Whether the clip itself contains audio."""
        return self.audio in {Audio.AAC, Audio.BOTH}

    @property
    def has_wav_file(self) -> bool:
        """Whether the clip has a WAV file."""
        return self.audio in {Audio.WAV, Audio.BOTH}

    def to_json(self) -> dict[str, str | float | None]:
        """Return the settings as JSON values, without those of face detection if it is not used."""
        durations = {"first": self.first, "middle": self.middle, "segment": self.segment}
        values = asdict(self) | {
            "fps": None if self.fps is None else str(self.fps),
            # 2 and 2.0 are the same duration, but different texts.
            **{name: None if value is None else float(value) for name, value in durations.items()},
        }
        del values["hdr"]
        finds_faces = self.crop is Crop.FACE
        return {
            key: value
            for key, value in values.items()
            if (finds_faces or not key.startswith("face_")) and value != UNRECORDED.get(key, ...)
        }


class Severity(StrEnum):
    """Severity of a finding."""

    NOTE = "note"
    """Suspicious, but harmless."""
    WARNING = "warning"
    """Something that needs attention; the row is not skipped."""
    ERROR = "error"
    """An invalid row, which was skipped."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something suspicious or invalid in the tables: its position and its consequence."""

    file: str
    """Name of the table, relative to the directory of the tables."""
    line: int
    """Line number from 1; 0 for the whole file."""
    severity: Severity
    code: str
    """Stable identifier of the kind of finding, such as ``no_box``."""
    words: str
    """One sentence for the user: what is wrong and what follows from it."""
    number: int = 1
    """Number of findings of this kind that this one stands for: in one table only the first are listed."""


@dataclass(frozen=True, slots=True)
class Source:
    """The dataset or list that clips are from, for texts about them."""

    title: str
    """Name of the dataset, or of the file; an empty string for rows of a program."""
    licence: str = ""
    citation: str = ""
    """A BibTeX entry; empty if there is none."""

    @classmethod
    def from_json(cls, value: object) -> Self | None:
        """Return the source in the record of a run; None for HDTF."""
        match value:
            case {"title": str(title), "licence": str(licence), "citation": str(citation)}:
                return cls(title, licence, citation)
        return None


@dataclass(frozen=True, slots=True)
class Tables:
    """The content of the tables: all videos, all clips, all findings."""

    videos: tuple[Video, ...]
    clips: tuple[Clip, ...]
    findings: tuple[Finding, ...]
    source: Source | None = None
    """None for HDTF."""
    in_hdtf_format: bool = False
    """Whether the clips are from tables in HDTF's format, in which names of videos contain the speaker."""


class Resolution(StrEnum):
    """Which height to download."""

    REFERENCE = "reference"
    """The reference height, otherwise the nearest above it, otherwise the highest below it; the box is
    scaled."""
    EXACT = "exact"
    """Only the reference height, within `TOLERANCE`."""
    BEST = "best"
    """The highest; the box is scaled."""


class Corrections(StrEnum):
    """Which corrections of the tables are applied."""

    VERIFIED = "verified"
    """Those that independent sources agree on."""
    UNVERIFIED = "unverified"
    """Also those from one source that have not been checked against the footage."""
    NONE = "none"
    """None: the tables as published."""

    def includes(self, level: Corrections) -> bool:
        """Return whether corrections of ``level`` are applied with this setting."""
        return level is self or (self is Corrections.UNVERIFIED and level is Corrections.VERIFIED)
