"""What the journal of a directory tells of its runs: when each download and each encode was under way.

It is read as it stands, also while a run goes on and after one that was killed: what has not come to an
end by then is still under way, or was cut off. Times are seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hdtf_async.core.events import (
    ClipRetrying,
    Downloaded,
    DownloadStarted,
    EncodeStarted,
    LaneClosed,
    LaneOpened,
    Retrying,
    VideoFailed,
    VideoUnconfirmed,
)
from hdtf_async.core.failures import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hdtf_async.core.events import Event

Record = dict[str, Any]

_LONGEST = 1e8
"""Seconds beyond which a length is not believed."""


_NOTED = (
    DownloadStarted, Downloaded, EncodeStarted, Retrying, ClipRetrying, VideoUnconfirmed, VideoFailed,
    LaneClosed, LaneOpened,
)  # fmt: skip
"""Events that the journal tells of besides what came to be."""


_BEFORE_A_RUN = ("request", "split", "refused")
"""Types of records that a run writes before its own: they are no sign that the run before went on."""


class Course(StrEnum):
    """What a download or an encode came to."""

    DONE = "done"
    FAILED = "failed"
    AGAIN = "again"
    """It failed in passing, and went back into the queue."""
    OPEN = "open"
    """It is under way, or was cut off with its run."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that a video or clip spent somewhere."""

    subject: str
    """Stem of the video or clip."""
    begun: float
    ended: float
    course: Course = Course.DONE
    words: str = ""
    """The reason, where it has one."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.ended - self.begun


@dataclass(slots=True)
class Run:
    """One run of a directory."""

    told: Record
    """Its first record: versions, form, settings."""
    begun: float
    ended: float
    end: Record = field(default_factory=dict)
    """Its last record; empty where it goes on, or was cut off."""
    downloads: list[Span] = field(default_factory=list)
    encodes: list[Span] = field(default_factory=list)
    waits: list[Span] = field(default_factory=list)
    """From a video's arrival (or the beginning, where it was there) to the encode of each of its clips."""
    closed: list[Span] = field(default_factory=list)
    """When no download could begin, each with the reason of which every download would have failed."""

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return self.ended - self.begun


def note(take: Callable[[Record], None], event: Event) -> None:
    """Hand on what is to be noted of an event, so that one sees later what a run did when.

    Without the words of a tool: they stand with the failure, and in the video's log.
    """
    if isinstance(event, _NOTED):
        take({name: value for name, value in event.to_json().items() if name != "words"})


def runs(records: Iterable[Record], now: float | None = None) -> list[Run]:
    """Return the runs that the records tell of, the oldest first.

    With `now` the newest goes on, up to then. What no run can have written is passed over.
    """
    told: list[_Reading] = []
    for record in records:
        at = _time(record)
        if at is None:
            continue
        if record.get("type") == "run":
            told.append(_Reading(record, at))
        elif told and record.get("type") not in _BEFORE_A_RUN:
            told[-1].take(record, at)
    return [reading.read(now if reading is told[-1] and not reading.run.end else None) for reading in told]


def busy(*lanes: Iterable[Span]) -> float:
    """Return for how many seconds something was under way in each of the lanes."""
    steps = sorted(
        step
        for number, lane in enumerate(lanes)
        for span in lane
        for step in ((span.begun, 1, number), (span.ended, -1, number))
    )
    running, seconds, before = [0] * len(lanes), 0.0, 0.0
    for at, change, number in steps:
        seconds += (at - before) * all(running)
        running[number] += change
        before = at
    return seconds


class _Reading:
    """One run as far as it is read."""

    def __init__(self, record: Record, at: float) -> None:
        self.run = Run(record, at, at)
        self._downloads: dict[str, float] = {}
        self._encodes: dict[str, float] = {}
        self._arrived: dict[str, float] = {}
        """YouTube id to when its video was there."""
        self._unchecked: dict[str, int] = {}
        """Video to the place of its download, until that is found good."""
        self._good: set[str] = set()
        """Videos that were found good."""
        self._closed: tuple[float, str] | None = None
        """Since when the network lane is closed, and why."""

    def take(self, record: Record, at: float) -> None:  # noqa: C901 - one for each kind that counts
        """Take in one more record."""
        run = self.run
        run.ended = at = max(run.ended, at)  # a clock may be set back
        match record:
            case {"type": "download_started", "video": str(video)}:
                self._downloads[video] = at
            case {"type": "downloaded", "video": str(video)} if video in self._downloads:
                self._unchecked[video] = len(run.downloads)
                run.downloads.append(Span(video, self._downloads.pop(video), at))
            case {"type": "raw" | "sound", "file": str(file), "youtube_id": str(youtube_id)}:
                self._arrived[youtube_id] = at
                self._accepted(file.rpartition(".")[0], self._since(record, at), at)
            case {"type": "retrying", "video": str(video), "reason": str(reason)}:
                self._download_broken(video, at, Course.AGAIN, reason)
            case {"type": "video_failed", "video": str(video), "reason": str(reason)}:
                self._download_broken(video, at, Course.FAILED, reason)
            case {"type": "video_unconfirmed", "video": str(video)}:
                self._download_broken(video, at, Course.FAILED, Reason.UNAVAILABLE)
            case {"type": "encode_started", "clip": str(clip)}:
                self._encodes[clip] = at
            case {"type": "clip", "clip": str(clip), "metadata": dict(metadata)}:
                begun = self._encodes.pop(clip, self._since(record, at))
                run.encodes.append(Span(clip, begun, at))
                self._waited(clip, metadata.get("youtube_id"), begun)
            case {"type": "failed" | "clip_retrying" as kind, "clip": str(clip), "reason": str(reason)} if (
                clip in self._encodes
            ):
                begun = self._encodes.pop(clip)
                course = Course.FAILED if kind == "failed" else Course.AGAIN
                run.encodes.append(Span(clip, begun, at, course, reason))
                self._waited(clip, record.get("youtube_id"), begun)
            case {"type": "lane_closed", "reason": str(reason)} if self._closed is None:
                self._closed = at, reason
            case {"type": "lane_opened"}:
                self._open_lane(at)
            case {"type": "run_ended"}:
                run.end = record

    def read(self, now: float | None) -> Run:
        """Return the run; what has not ended lasts up to now, or to the last that was heard of it."""
        run = self.run
        run.ended = max(run.ended, now or 0)
        for open_spans, lane in ((self._downloads, run.downloads), (self._encodes, run.encodes)):
            lane += [Span(subject, begun, run.ended, Course.OPEN) for subject, begun in open_spans.items()]
        self._open_lane(run.ended)
        return run

    def _accepted(self, video: str, begun: float, at: float) -> None:
        """Take note of a picture or sound that was found good."""
        told = self._unchecked.pop(video, None) is not None
        self._downloads.pop(video, None)
        if not told and video not in self._good:
            self.run.downloads.append(Span(video, begun, at))  # an older version told no more of it
        self._good.add(video)

    def _download_broken(self, video: str, at: float, course: Course, reason: str) -> None:
        if video in self._downloads:
            self.run.downloads.append(Span(video, self._downloads.pop(video), at, course, reason))
        elif video in self._unchecked:
            place = self._unchecked.pop(video)
            self.run.downloads[place] = replace(self.run.downloads[place], course=course, words=reason)

    def _waited(self, clip: str, youtube_id: object, until: float) -> None:
        since = self._arrived.get(youtube_id, self.run.begun) if isinstance(youtube_id, str) else until
        if since < until:
            self.run.waits.append(Span(clip, since, until))

    def _open_lane(self, at: float) -> None:
        if self._closed is not None:
            since, reason = self._closed
            self.run.closed.append(Span("", since, at, Course.OPEN, reason))
            self._closed = None

    def _since(self, record: Record, at: float) -> float:
        """Return when that of which a record tells the end had begun."""
        took = record.get("took")
        if isinstance(took, int | float) and 0 <= took <= _LONGEST:
            return max(self.run.begun, at - took)
        return at


def _time(record: Record) -> float | None:
    try:
        return datetime.fromisoformat(record["time"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
