"""What happens in a run, as frozen values, and the way in which they reach their readers.

Bars, JSON lines and an embedding program all read the same events. `Events.tell` never waits: a slow
reader holds up nobody. Of progress it gets the newest, and none about what is over; of everything else
each one, in the order in which it happened.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields
from itertools import count
from typing import TYPE_CHECKING, ClassVar, Self

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from hdtf_async.failures import Reason

__all__ = [
    "CheckEnded", "ClipChecked", "ClipDone", "ClipFailed", "ClipRetrying", "DownloadProgress",
    "DownloadStarted", "Downloaded", "EncodeProgress", "EncodeStarted", "Event", "FileNotUsed",
    "FormatChosen", "Found", "LaneClosed", "LaneOpened", "PaceWait", "RawReady", "Retrying",
    "RunEnded", "RunStarted", "VideoAsked", "VideoFailed", "VideoUnconfirmed", "WindingDown",
]  # fmt: skip
"""The events, as a host program reads them. How they are handed on (`Events`, `Reader`) is internal."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `type` names the kind, also in JSON."""

    type: ClassVar[str]
    passing: ClassVar[bool] = False
    """Whether whatever comes next about the same thing makes this one worthless: it may be dropped."""

    def stated(self) -> dict[str, object]:
        """Return the event as one JSON object: its type, then its fields."""
        return {"type": self.type} | {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """The plan is made; work begins."""

    type: ClassVar[str] = "run_started"
    videos: int
    """YouTube videos whose clips are still to make."""
    clips: int
    """Clips still to make, and those that are known to be impossible: each will be done or fail."""
    clip_seconds: float
    """Length of the clips still to make."""
    there: int
    """Clips that are there already."""
    downloads: int
    """Width of the network lane."""
    encodes: int
    """Width of the encode lane."""
    least_bytes: int
    """A lower bound of what fetching all videos takes."""
    pace: float
    """Least seconds between two starts of a download."""


@dataclass(frozen=True, slots=True)
class DownloadStarted(Event):
    """A video has its network token; yt-dlp is asked for it."""

    type: ClassVar[str] = "download_started"
    video: str
    youtube_id: str
    attempt: int
    """1 for the first."""
    least_bytes: int
    """The video's part of the run's `least_bytes`."""


@dataclass(frozen=True, slots=True)
class FormatChosen(Event):
    """The rendition that is downloaded, and those that were refused."""

    type: ClassVar[str] = "format_chosen"
    video: str
    format_id: str
    height: int
    fps: float | None
    bytes: int | None
    refused: tuple[tuple[str, str], ...]
    """Format id and why, in words."""
    sound_format_id: str | None
    """The sound that is downloaded besides; None where none is wanted, or it is inside."""
    audio_language: str | None
    """Language of the audio that is used, as a BCP 47 code; None if it is unknown or no audio is wanted."""
    audio_original: bool | None
    """Whether that is the original audio; null if YouTube marks no track as original, or none is wanted."""
    audio_guessed: bool
    """Whether several languages are offered and none is marked as original, so that it is a guess."""


@dataclass(frozen=True, slots=True)
class DownloadProgress(Event):
    """Bytes that have arrived so far."""

    type: ClassVar[str] = "download_progress"
    passing: ClassVar[bool] = True
    video: str
    bytes: int
    total: int | None
    speed: float | None
    """Bytes a second."""


@dataclass(frozen=True, slots=True)
class Downloaded(Event):
    """All bytes of a video have come, and its network token is free again; it is checked next."""

    type: ClassVar[str] = "downloaded"
    video: str
    seconds: float
    """How long it had the token."""


@dataclass(frozen=True, slots=True)
class RawReady(Event):
    """A video is there, whole and checked: downloaded, kept from before, or the user's own."""

    type: ClassVar[str] = "raw_ready"
    video: str
    origin: str
    """``youtube``, ``kept`` or ``user``."""
    bytes: int
    seconds: float
    """How long getting and checking it took."""


@dataclass(frozen=True, slots=True)
class FileNotUsed(Event):
    """A file in ``--raw-dir`` belongs to a video by its name, and is not used."""

    type: ClassVar[str] = "file_not_used"
    video: str
    file: str
    """Its name, without the directory."""
    words: str
    """Why it is not used."""


@dataclass(frozen=True, slots=True)
class VideoAsked(Event):
    """A census has its answer: the video is there."""

    type: ClassVar[str] = "video_asked"
    video: str
    youtube_id: str
    format_id: str
    """The rendition that the main job would take."""
    height: int
    """Its lines."""
    at_reference: bool
    """Whether that is the height at which the boxes were measured."""


@dataclass(frozen=True, slots=True)
class Retrying(Event):
    """A download failed in passing and goes back into the queue."""

    type: ClassVar[str] = "retrying"
    video: str
    reason: Reason
    words: str
    after: float
    """Seconds until it may start again."""
    attempt: int


@dataclass(frozen=True, slots=True)
class VideoFailed(Event):
    """A video could not be had; each of its clips fails with it."""

    type: ClassVar[str] = "video_failed"
    video: str
    youtube_id: str
    reason: Reason
    words: str
    clips: int
    """How many that are."""


@dataclass(frozen=True, slots=True)
class VideoUnconfirmed(Event):
    """YouTube called a video unavailable without a reason; what it says of other videos decides."""

    type: ClassVar[str] = "video_unconfirmed"
    video: str
    youtube_id: str
    words: str


@dataclass(frozen=True, slots=True)
class PaceWait(Event):
    """No download starts for a while: a census asked for too many videos in the last hour."""

    type: ClassVar[str] = "pace_wait"
    after: float
    """Seconds until the next download may start."""
    requests: int
    """Videos that were asked for in the last hour."""


@dataclass(frozen=True, slots=True)
class LaneClosed(Event):
    """Every download would fail alike (`reason` says why): none starts for now, or in this run."""

    type: ClassVar[str] = "lane_closed"
    reason: Reason
    words: str
    after: float | None
    """Seconds until one video tries again; None where the run ends instead."""
    refused_probes: int
    """How many tries after a cool-down were refused, one after the other."""


@dataclass(frozen=True, slots=True)
class LaneOpened(Event):
    """YouTube answers again: downloads start as before."""

    type: ClassVar[str] = "lane_opened"
    closed: float
    """Seconds for which the lane was closed."""


@dataclass(frozen=True, slots=True)
class WindingDown(Event):
    """The run was asked to end: nothing more is started, and what is being encoded is finished."""

    type: ClassVar[str] = "winding_down"
    encodes: int
    """Encodes under way."""
    within: float
    """Seconds after which they are ended too."""


@dataclass(frozen=True, slots=True)
class EncodeStarted(Event):
    """A clip has its encode token."""

    type: ClassVar[str] = "encode_started"
    clip: str
    seconds: float
    """Length of the clip."""


@dataclass(frozen=True, slots=True)
class EncodeProgress(Event):
    """Seconds of a clip that are encoded."""

    type: ClassVar[str] = "encode_progress"
    passing: ClassVar[bool] = True
    clip: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ClipRetrying(Event):
    """An encode failed, and the clip is encoded again."""

    type: ClassVar[str] = "clip_retrying"
    clip: str
    reason: Reason
    words: str
    after: float
    """Seconds until it may start again."""
    attempt: int
    """1 for the first."""


@dataclass(frozen=True, slots=True)
class ClipDone(Event):
    """A clip has its final name and its record."""

    type: ClassVar[str] = "clip_done"
    clip: str
    file: str
    seconds: float
    """Length of the clip."""
    bytes: int
    took: float
    """Seconds that making and checking it took."""
    ends_early: float
    """Seconds of its interval that lie behind the end of the video, and so are not in it."""


@dataclass(frozen=True, slots=True)
class ClipFailed(Event):
    """A clip could not be made."""

    type: ClassVar[str] = "clip_failed"
    clip: str
    reason: Reason
    words: str
    with_video: bool
    """Whether it failed with its video, of which was told before."""


@dataclass(frozen=True, slots=True)
class ClipChecked(Event):
    """A published clip was held against its record."""

    type: ClassVar[str] = "clip_checked"
    clip: str
    seconds: float
    """Length of the clip, as recorded."""
    whole: bool
    """Whether it is as recorded."""


@dataclass(frozen=True, slots=True)
class Found(Event):
    """Something in the directory is not as it should be."""

    type: ClassVar[str] = "found"
    file: str
    """Name in the directory, with the line where one is meant."""
    kind: str
    """``wrong``, ``missing`` or ``foreign``."""
    words: str


@dataclass(frozen=True, slots=True)
class CheckEnded(Event):
    """A check is over; the same figures as in its `Check`."""

    type: ClassVar[str] = "check_ended"
    exit_code: int
    clips: int
    """Clips that were held against their records."""
    found: dict[str, int]
    """Number of findings of each kind."""
    made_again: int
    stopped: str | None
    """Why it ended early, in words; None where it did not."""
    seconds: float


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """The run is over; the same figures as in its `Report`."""

    type: ClassVar[str] = "run_ended"
    exit_code: int
    done: int
    there: int
    failed: dict[str, int]
    """Number of clips for each reason."""
    stopped: str | None
    """Why the run ended early, in words; None where it did not."""
    seconds: float
    absent: tuple[str, ...]
    """Shards, as I/N, that have not begun; told by the last of the others that ends."""


def _about(event: Event) -> tuple[str, object]:
    """Return what an event is about, which is its first field: a video or a clip."""
    name = fields(event)[0].name
    return name, getattr(event, name)


class Reader:
    """One reader's own view of the events: an async iterator that ends with the run."""

    def __init__(self) -> None:
        self._unread: OrderedDict[object, Event] = OrderedDict()
        self._numbers = count()
        self._news = anyio.Event()
        self._over = False

    def take(self, event: Event) -> None:
        """Put an event in; never waits."""
        about = _about(event)
        # Whatever comes makes unread progress on the same thing worthless, so that of progress no more
        # is kept than videos and clips are under way, however long nobody reads.
        self._unread.pop(about, None)
        self._unread[about if event.passing else next(self._numbers)] = event
        self._news.set()

    def end(self) -> None:
        """Let the iteration end after what is still in."""
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


class Events:
    """Hands each event to everyone who listens."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Event], None]] = []
        self._readers: list[Reader] = []

    def listen(self, take: Callable[[Event], None]) -> None:
        """Call `take`, which must not wait, with each event from now on."""
        self._listeners.append(take)

    def reader(self) -> Reader:
        """Return a new reader; it sees what is told from now on."""
        reader = Reader()
        self._readers.append(reader)
        self.listen(reader.take)
        return reader

    def tell(self, event: Event) -> None:
        """Hand an event to everyone who listens; never waits."""
        for take in self._listeners:
            take(event)

    def end(self) -> None:
        """Tell every reader that nothing more will come."""
        for reader in self._readers:
            reader.end()
