"""Events of a run, as frozen dataclasses, and the event bus that delivers them.

Progress bars, JSON lines and host programs read the same events. `EventBus.emit` never waits: a slow reader
receives only the newest progress event of each video or clip, and every other event, in order.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields
from itertools import count
from typing import TYPE_CHECKING, ClassVar, Self

import anyio

from hdtf_async.core.failures import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CheckEnded", "ClipChecked", "ClipDone", "ClipFailed", "ClipRetrying", "DownloadProgress",
    "DownloadStarted", "Downloaded", "EncodeProgress", "EncodeStarted", "Event", "FileNotUsed",
    "FormatChosen", "Found", "LaneClosed", "LaneOpened", "PaceWait", "RawReady", "Retrying", "RunEnded",
    "RunStarted", "VideoAsked", "VideoFailed", "VideoUnconfirmed", "WindingDown", "WorkersChanged",
]  # fmt: skip
"""The public event classes. Their delivery (`EventBus`, `Reader`) is internal."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run. `type` is its name, also in JSON."""

    type: ClassVar[str]
    passing: ClassVar[bool] = False
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
    """Clips still to create, including those known to be impossible: each will be done or fail."""
    clip_seconds: float
    """Total duration of the clips still to create."""
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
    passing: ClassVar[bool] = True
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
    passing: ClassVar[bool] = True
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


class Reader:
    """The events for one reader: an async iterator that ends with the run."""

    def __init__(self) -> None:
        self._unread: OrderedDict[object, Event] = OrderedDict()
        self._numbers = count()
        self._news = anyio.Event()
        self._over = False

    def push(self, event: Event) -> None:
        """Add an event; never waits."""
        name = fields(event)[0].name
        about = name, getattr(event, name)  # the subject: a video or a clip
        # Any event supersedes unread progress about the same subject, so that no more progress events are
        # kept than videos and clips are in progress, however long the reader does not read.
        self._unread.pop(about, None)
        self._unread[about if event.passing else next(self._numbers)] = event
        self._news.set()

    def unread(self) -> list[Event]:
        """Return what the iteration would yield without waiting."""
        unread, self._unread = self._unread, OrderedDict()
        return [*unread.values()]

    def end(self) -> None:
        """End the iteration after the remaining events."""
        self._over = True
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while True:
            if self._unread:
                return self._unread.popitem(last=False)[1]
            if self._over:
                raise StopAsyncIteration
            if self._news.is_set():
                self._news = anyio.Event()
            await self._news.wait()


class EventBus:
    """Delivers each event to all subscribers."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Event], None]] = []
        self._readers: list[Reader] = []

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Call `listener`, which must not block, with each event from now on."""
        self._listeners.append(listener)

    def reader(self) -> Reader:
        """Return a new reader of all events from now on."""
        reader = Reader()
        self._readers.append(reader)
        self.subscribe(reader.push)
        return reader

    def emit(self, event: Event) -> None:
        """Deliver an event to all subscribers; never waits."""
        for listener in self._listeners:
            listener(event)

    def end(self) -> None:
        """End the iteration of every reader."""
        for reader in self._readers:
            reader.end()
