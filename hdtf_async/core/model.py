"""The words of the project as frozen values: what a video, a clip, a box and an interval are.

This room touches nothing and imports no other room; every other room speaks in its words.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

SUBSETS = ("RD", "WDA", "WRA")
"""The three parts of HDTF, in the order in which they are read and listed."""
CUTTING_RULES = 2
"""Version of the rules by which a clip is cut: which frames, which pixels, which filters, which settings of
the encoder. CONTRIBUTING.md says when to raise it. 1 stands for all rules from before it was recorded: there
were several, and nobody can tell by which of them a clip was made."""


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A stretch of a video's own timeline, in seconds: the frames with ``start <= PTS < end``."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Box:
    """A crop window in whole pixels: its left top corner and its size.

    Published boxes are in pixels of the video's reference height, boxes as cut in pixels of the
    raw at hand. `geometry` turns the one into the other.
    """

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column to the right of the box."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First row below the box."""
        return self.top + self.height


@dataclass(frozen=True, slots=True)
class Video:
    """One row of ``xx_video_url.txt``."""

    subset: str
    name: str
    youtube_id: str
    reference_height: int
    """Lines of the rendition in which the boxes were measured; 0 where the tables do not say."""

    @property
    def stem(self) -> str:
        """File name of the raw without its ending, such as ``RD_Radio1``."""
        return f"{self.subset}_{self.name}"


@dataclass(frozen=True, slots=True)
class Clip:
    """One annotated interval of a video, with its place in ``xx_annotion_time.txt`` as its index."""

    video: Video
    index: int
    interval: Interval
    box: Box
    zoom: float | None = None
    """Factor of ``xx_crop_ratio.txt`` by which a detected face window is enlarged."""
    correction: str | None = None
    """Level of the correction that changed this row (``verified``, ``unverified``), if one did."""
    segment: int | None = None
    """Which piece of the annotated interval this is, from 0; None where it is all of it."""

    @property
    def stem(self) -> str:
        """File name of the clip without its ending, such as ``RD_Radio1_000`` or ``RD_Radio1_000_s003``."""
        piece = "" if self.segment is None else f"_s{self.segment:03d}"
        return f"{self.video.stem}_{self.index:03d}{piece}"

    def divided(self, seconds: float | None) -> tuple[Clip, ...]:
        """Return the pieces of so many seconds into which this clip is divided.

        What is left over at the end is a piece of its own if it is at least half as long, else it stays
        with the piece before it: nothing is lost, and no piece is tiny.
        """
        if seconds is None:
            return (self,)
        start, end = Fraction(str(self.interval.start)), Fraction(str(self.interval.end))
        length = Fraction(str(seconds))
        number = max(1, int((end - start) / length + Fraction(1, 2)))
        bounds = [*(start + place * length for place in range(number)), end]
        return tuple(
            replace(self, interval=Interval(float(left), float(right)), segment=place)
            for place, (left, right) in enumerate(pairwise(bounds))
        )


class Audio(StrEnum):
    """Which sound goes with a clip."""

    NONE = "none"
    """None, and none is fetched."""
    AAC = "aac"
    """Inside the clip, as AAC."""
    WAV = "wav"
    """Beside it under the same stem: 16 kHz, mono, 16 bits."""
    BOTH = "both"


class Codec(StrEnum):
    """How the picture of a clip is coded."""

    H264 = "h264"
    LOSSLESS = "lossless"
    """H.264 too, with every sample as it was in the raw, in 8-bit 4:2:0."""


class Deinterlace(StrEnum):
    """Which pictures are taken for two half-pictures of different moments, and made whole."""

    AUTO = "auto"
    """What is flagged so, and what is combed though it is not flagged."""
    ON = "on"
    """All."""
    OFF = "off"
    """None."""


class Crop(StrEnum):
    """What is cut out of the frame."""

    TABLE = "table"
    """The published box."""
    FACE = "face"
    """A square around the face that is found in the clip, enlarged by the table's zoom."""
    NONE = "none"
    """Nothing: the whole frame."""


class Fallback(StrEnum):
    """What becomes of a clip in which no face is found often enough."""

    FAIL = "fail"
    """It is not made."""
    TABLE = "table"
    """The published box is cut out."""


class Hdr(StrEnum):
    """What becomes of a video with high dynamic range (PQ, HLG)."""

    TONEMAP = "tonemap"
    """Its clips are mapped to standard range."""
    REFUSE = "refuse"
    """Its clips are not made."""


class PaceScope(StrEnum):
    """Who has one address together, as YouTube sees it: for it the pace holds, and a refusal is about it."""

    WORKER = "worker"
    """Each worker of a cluster has one of its own."""
    CLUSTER = "cluster"
    """All of them have one."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form that a clip takes: every option that changes its bytes, and nothing else."""

    crop: Crop = Crop.TABLE
    resolution: str = "reference"
    size: int | None = None
    """Pixels of the shorter side; None as it comes."""
    fps: Fraction | None = None
    """Frames a second; None as it comes."""
    segment: float | None = None
    """Seconds of the pieces into which clips are divided; None where they stay whole."""
    audio: Audio = Audio.NONE
    deinterlace: Deinterlace = Deinterlace.AUTO
    codec: Codec = Codec.H264
    crf: int = 20
    preset: str = "superfast"
    threads: int = 1
    """Threads of the encoder: x264 writes another stream for another count."""
    hdr: Hdr = Hdr.TONEMAP
    """No clip has other bytes for it: either it is mapped, or not made. So it is not stated."""
    face_rate: float | None = 5.0
    """Frames a second in which the face is looked for; None for every frame."""
    face_margin: float = 0.0
    """What is added around the face's landmarks before the zoom, as a share of their square's side."""
    face_fallback: Fallback = Fallback.FAIL
    cutting_rules: int = CUTTING_RULES
    """Nobody can choose them: clips of other rules are of another form."""

    @property
    def sound_inside(self) -> bool:
        """Whether the clip itself has sound."""
        return self.audio in {Audio.AAC, Audio.BOTH}

    @property
    def sound_beside(self) -> bool:
        """Whether a WAV file goes with the clip."""
        return self.audio in {Audio.WAV, Audio.BOTH}

    def to_json(self) -> dict[str, str | float | None]:
        """Return the form as JSON takes it: without what is said of faces where none is looked for."""
        told = asdict(self) | {
            "fps": None if self.fps is None else str(self.fps),
            # 2 and 2.0 are one length, but two texts.
            "segment": None if self.segment is None else float(self.segment),
        }
        del told["hdr"]
        looks = self.crop is Crop.FACE
        return {key: value for key, value in told.items() if looks or not key.startswith("face_")}


class Severity(StrEnum):
    """How much a finding matters."""

    NOTE = "note"
    """Odd, and harmless for what is to be made."""
    WARNING = "warning"
    """A clip or video that cannot be had as the table stands."""
    ERROR = "error"
    """A row that cannot be used at all; it was left out."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd in the tables: where it stands and what it means, in words."""

    file: str
    """Name of the table, relative to the directory of the tables."""
    line: int
    """Line number from 1; 0 where the whole file is meant."""
    severity: Severity
    code: str
    """Stable short name of the kind of finding, such as ``no_box``."""
    words: str
    """One sentence for a person: what is odd and what follows from it."""
    number: int = 1
    """How many findings of its kind this one stands for: of many in one table only the first are listed."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What the tables say: every video listed, every clip that has a box, every oddity."""

    videos: tuple[Video, ...]
    clips: tuple[Clip, ...]
    findings: tuple[Finding, ...]


class Resolution(StrEnum):
    """Which height is asked for."""

    REFERENCE = "reference"
    """The reference height, else the nearest above it, else the highest below it; the box is scaled."""
    EXACT = "exact"
    """The reference height, within `TOLERANCE`, or nothing."""
    BEST = "best"
    """The highest; the box is scaled."""


class Corrections(StrEnum):
    """Which corrections of the tables apply."""

    VERIFIED = "verified"
    """Those that independent sources agree on."""
    UNVERIFIED = "unverified"
    """Also those that rest on one source and that nobody has checked against the footage."""
    NONE = "none"
    """None: the tables as they were published."""

    def includes(self, level: Corrections) -> bool:
        """Say whether a correction of ``level`` applies where this was asked for."""
        return level is self or (self is Corrections.UNVERIFIED and level is Corrections.VERIFIED)
