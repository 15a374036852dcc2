"""Events of a run, as frozen dataclasses. Progress bars, JSON lines and host programs read the same ones."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from hdtf_async.core.failures import Reason

__all__ = [
    "CheckEnded", "ClipChecked", "ClipDone", "ClipFailed", "ClipRetrying", "ClipSplit", "DownloadProgress",
    "DownloadStarted", "Downloaded", "EncodeProgress", "EncodeStarted", "Event", "FileNotUsed",
    "FormatChosen", "Found", "LaneClosed", "LaneOpened", "PaceWait", "RawReady", "Retrying", "RunEnded",
    "RunStarted", "VideoAsked", "VideoFailed", "VideoUnconfirmed", "WindingDown", "WorkersChanged",
]  # fmt: skip
"""The public event classes. Their delivery (`event_bus`) is internal."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run. `type` is its name, also in JSON."""

    type: ClassVar[str]
    superseded: ClassVar[bool] = False
    """Whether the next event about the same video or clip supersedes this one: it may be dropped."""

    def to_json(self) -> dict[str, object]:
        """Return the event as one JSON object: its type, then its fields."""
        return {"type": self.type} | {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """The run starts."""

    type: ClassVar[str] = "run_started"
    videos: int
    """YouTube videos with clips still to create."""
    clips: int
    """Clips still to create, including those known to be impossible: each will be done, fail or be split."""
    clip_seconds: float
    """Their total duration, without that of impossible ones."""
    there: int
    """Clips that already exist."""
    downloads: int
    """Maximum number of parallel downloads."""
    encodes: int
    """Maximum number of parallel encodes."""
    least_bytes: int
    """Lower bound of the bytes to download."""
    pace: float
    """Minimum seconds between two download starts."""


@dataclass(frozen=True, slots=True)
class WorkersChanged(Event):
    """Cluster: a worker became ready, or left."""

    type: ClassVar[str] = "workers_changed"
    workers: int
    """Workers that are ready; 0 while the run waits for workers."""
    downloads: int
    """Maximum number of parallel downloads of all of them."""
    encodes: int
    """Maximum number of parallel encodes of all of them."""
    pace: float
    """Minimum mean seconds between two download starts of all of them."""


@dataclass(frozen=True, slots=True)
class DownloadStarted(Event):
    """yt-dlp is started for a video."""

    type: ClassVar[str] = "download_started"
    video: str
    youtube_id: str
    attempt: int
    """1 for the first attempt."""
    least_bytes: int
    """This video's part of `least_bytes` of the run."""


@dataclass(frozen=True, slots=True)
class FormatChosen(Event):
    """The format to download was chosen."""

    type: ClassVar[str] = "format_chosen"
    video: str
    format_id: str
    height: int
    fps: float | None
    bytes: int | None
    refused: tuple[tuple[str, str], ...]
    """Rejected formats: format id and cause."""
    sound_format_id: str | None
    """Separate audio format; null if no audio is requested or the video format contains it."""
    audio_language: str | None
    """Language of the audio as a BCP 47 code; null if unknown or no audio is requested."""
    audio_original: bool | None
    """Whether it is the original audio; null if YouTube marks no track as original or none is requested."""
    audio_guessed: bool
    """Whether the track is a guess: several languages are offered and none is marked as original."""


@dataclass(frozen=True, slots=True)
class DownloadProgress(Event):
    """Progress of a download."""

    type: ClassVar[str] = "download_progress"
    superseded: ClassVar[bool] = True
    video: str
    bytes: int
    total: int | None
    speed: float | None
    """Bytes per second."""


@dataclass(frozen=True, slots=True)
class Downloaded(Event):
    """A download is complete; the file is checked next."""

    type: ClassVar[str] = "downloaded"
    video: str
    seconds: float
    """Duration of the download."""


@dataclass(frozen=True, slots=True)
class RawReady(Event):
    """A source video is complete and checked."""

    type: ClassVar[str] = "raw_ready"
    video: str
    origin: str
    """``youtube`` (downloaded), ``kept`` (from an earlier run) or ``user`` (``--raw-dir``)."""
    bytes: int
    """Size of its files; if sections were downloaded, what this run has downloaded of them."""
    seconds: float
    """Time for downloading and checking it."""


@dataclass(frozen=True, slots=True)
class FileNotUsed(Event):
    """A file in ``--raw-dir`` has the name of a video, but is not used."""

    type: ClassVar[str] = "file_not_used"
    video: str
    file: str
    """File name without directory."""
    words: str
    """Why it is not used."""


@dataclass(frozen=True, slots=True)
class VideoAsked(Event):
    """Census: the video is available."""

    type: ClassVar[str] = "video_asked"
    video: str
    youtube_id: str
    format_id: str
    """The format that a run would download."""
    height: int
    at_reference: bool
    """Whether this is the reference height of the crop boxes."""


@dataclass(frozen=True, slots=True)
class Retrying(Event):
    """A download failed temporarily and will be retried."""

    type: ClassVar[str] = "retrying"
    video: str
    reason: Reason
    words: str
    after: float
    """Seconds until the next attempt."""
    attempt: int


@dataclass(frozen=True, slots=True)
class VideoFailed(Event):
    """A video failed, and all of its clips with it."""

    type: ClassVar[str] = "video_failed"
    video: str
    youtube_id: str
    reason: Reason
    words: str
    clips: int
    """Number of its clips."""


@dataclass(frozen=True, slots=True)
class VideoUnconfirmed(Event):
    """YouTube reported a video as unavailable without a reason; its answers for other videos decide."""

    type: ClassVar[str] = "video_unconfirmed"
    video: str
    youtube_id: str
    words: str


@dataclass(frozen=True, slots=True)
class PaceWait(Event):
    """Downloads wait, because a census requested too many videos within the last hour."""

    type: ClassVar[str] = "pace_wait"
    after: float
    """Seconds until the next download may start."""
    requests: int
    """Videos requested within the last hour."""


@dataclass(frozen=True, slots=True)
class LaneClosed(Event):
    """Downloads are paused, or stopped for this run, because all would fail with `reason`."""

    type: ClassVar[str] = "lane_closed"
    reason: Reason
    words: str
    after: float | None
    """Seconds until one test download; null if the run ends instead."""
    refused_probes: int
    """Number of consecutive test downloads that were blocked."""


@dataclass(frozen=True, slots=True)
class LaneOpened(Event):
    """Downloads resume."""

    type: ClassVar[str] = "lane_opened"
    closed: float
    """Duration of the pause."""


@dataclass(frozen=True, slots=True)
class WindingDown(Event):
    """The run is stopping: nothing new starts, and running encodes may finish."""

    type: ClassVar[str] = "winding_down"
    encodes: int
    """Running encodes."""
    within: float
    """Seconds after which they are terminated."""


@dataclass(frozen=True, slots=True)
class EncodeStarted(Event):
    """An encode starts."""

    type: ClassVar[str] = "encode_started"
    clip: str
    seconds: float
    """Duration of the clip."""


@dataclass(frozen=True, slots=True)
class EncodeProgress(Event):
    """Progress of an encode: seconds of the clip encoded so far."""

    type: ClassVar[str] = "encode_progress"
    superseded: ClassVar[bool] = True
    clip: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ClipRetrying(Event):
    """An encode failed and will be retried."""

    type: ClassVar[str] = "clip_retrying"
    clip: str
    reason: Reason
    words: str
    after: float
    """Seconds until the next attempt."""
    attempt: int
    """1 for the first attempt."""


@dataclass(frozen=True, slots=True)
class ClipSplit(Event):
    """A clip contains scene cuts, and its parts will be created at the end of the run in its place."""

    type: ClassVar[str] = "clip_split"
    clip: str
    cuts: tuple[float, ...]
    """Second of the first frame after each cut."""
    parts: int
    """Number of clips that take its place: each will be done or fail."""


@dataclass(frozen=True, slots=True)
class ClipDone(Event):
    """A clip is written, verified and recorded."""

    type: ClassVar[str] = "clip_done"
    clip: str
    file: str
    seconds: float
    """Duration of the clip."""
    bytes: int
    took: float
    """Seconds spent encoding and checking it."""
    ends_early: float
    """Seconds of its interval after the end of the video, which the clip lacks."""


@dataclass(frozen=True, slots=True)
class ClipFailed(Event):
    """A clip failed."""

    type: ClassVar[str] = "clip_failed"
    clip: str
    reason: Reason
    words: str
    with_video: bool
    """Whether it failed with its video, reported before in `video_failed`."""


@dataclass(frozen=True, slots=True)
class ClipChecked(Event):
    """A clip was compared with its record."""

    type: ClassVar[str] = "clip_checked"
    clip: str
    seconds: float
    """Recorded duration of the clip."""
    whole: bool
    """Whether it matches its record."""


@dataclass(frozen=True, slots=True)
class Found(Event):
    """A check found a problem in the directory."""

    type: ClassVar[str] = "found"
    file: str
    """Name in the directory, with the line number for a line of a file."""
    kind: str
    """``wrong`` (corrupt), ``missing`` or ``foreign`` (untracked)."""
    words: str


@dataclass(frozen=True, slots=True)
class CheckEnded(Event):
    """A check has ended; same values as in `Check`."""

    type: ClassVar[str] = "check_ended"
    exit_code: int
    clips: int
    """Number of clips checked."""
    found: dict[str, int]
    """Number of findings of each kind."""
    made_again: int
    """Number of clips that were re-created."""
    stopped: str | None
    """Why it ended early; null if it did not."""
    seconds: float


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """The run has ended; same values as in `Report`."""

    type: ClassVar[str] = "run_ended"
    exit_code: int
    done: int
    there: int
    failed: dict[str, int]
    """Number of clips per reason."""
    stopped: str | None
    """Why the run ended early; null if it did not."""
    seconds: float
    absent: tuple[str, ...]
    """Shards (I/N) that have not started; reported by the last shard that ends."""
