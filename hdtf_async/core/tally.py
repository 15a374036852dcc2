"""What has happened in a run so far, counted from its events. Pure: the caller has the clock.

The result of a run, its progress and the report's timeline all read the same counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from hdtf_async.core.events import (
    ClipChecked,
    ClipDone,
    ClipFailed,
    ClipRetrying,
    ClipSplit,
    Downloaded,
    DownloadProgress,
    DownloadStarted,
    EncodeProgress,
    EncodeStarted,
    LaneClosed,
    LaneOpened,
    RawReady,
    Retrying,
    RunStarted,
    VideoAsked,
    VideoFailed,
    VideoUnconfirmed,
    WindingDown,
    WorkersChanged,
)
from hdtf_async.core.failures import Reason

if TYPE_CHECKING:
    from hdtf_async.core.events import Event

_NO_PLAN = RunStarted(
    videos=0, clips=0, clip_seconds=0.0, there=0, downloads=1, encodes=1, least_bytes=0, pace=0.0
)


class Outcome(StrEnum):
    """How an attempt at a download or an encode ended."""

    DONE = "done"
    FAILED = "failed"
    AGAIN = "again"
    """It failed temporarily and will be retried."""
    OPEN = "open"
    """It is running, or was interrupted with its run."""


@dataclass(frozen=True, slots=True)
class Span:
    """One interval of time that a video or clip spent somewhere."""

    subject: str
    """Stem of the video or clip."""
    begun: float
    ended: float
    outcome: Outcome = Outcome.DONE
    reason: str = ""
    """Why it failed; empty if it did not."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.ended - self.begun


@dataclass(slots=True)
class Attempt:
    """A download or an encode that is running. Downloads count bytes, encodes count seconds of the clip."""

    subject: str
    begun: float
    expected: float
    """Least bytes of the video's download, or seconds of the clip."""
    so_far: float = 0.0
    total: float | None = None
    """Size of the download, if known."""
    speed: float | None = None
    """Bytes per second of the download, if known."""
    ended: float | None = None
    """When a download was complete, while its file is being checked."""

    @property
    def fraction(self) -> float:
        """How much of it is done, from 0 to 1; 0 if its total is unknown."""
        if self.ended is not None:
            return 1.0
        return min(1.0, self.so_far / self.total) if self.total else 0.0


@dataclass(slots=True)
class LaneTally:
    """Counts of the network lane or the encode lane."""

    running: dict[str, Attempt] = field(default_factory=dict)
    """Stem of the video or clip to its attempt."""
    busy_seconds: float = 0.0
    """For how long at least one attempt was running."""
    held_seconds: float = 0.0
    """Durations of all attempts that have ended, added up."""
    first: float | None = None
    """When the first attempt began."""

    def begin(self, attempt: Attempt) -> None:
        """Count an attempt that begins."""
        self.running[attempt.subject] = attempt
        self.first = attempt.begun if self.first is None else self.first

    def end(self, subject: str, now: float) -> Attempt | None:
        """Count an attempt that ends, and return it; None if none was running."""
        attempt = self.running.pop(subject, None)
        if attempt is not None:
            self.held_seconds += now - attempt.begun
        return attempt


@dataclass(slots=True)
class Tally:
    """The counts of one run: call `add` with each of its events, in order. Times are seconds on one clock."""

    plan: RunStarted = _NO_PLAN
    """What the run was going to do; zeros before it has started. Its lanes are those of all workers."""
    workers: int | None = None
    """Workers of the cluster that are ready; None without a cluster."""
    videos: dict[str, bool] = field(default_factory=dict)
    """Stem of each video that is over to whether it is ready to encode; otherwise it failed."""
    videos_downloaded: int = 0
    """Those of them that were downloaded or requested in this run."""
    weight_over: float = 0.0
    """Least bytes of the videos that are over. A video of unknown size counts as the average."""
    raw_bytes: int = 0
    """Size of the source videos that were downloaded."""
    done: list[str] = field(default_factory=list)
    """Stems of the clips that were written."""
    clip_seconds: float = 0.0
    """Duration of the clips that were written."""
    clip_bytes: int = 0
    """Size of the clips that were written."""
    took_seconds: float = 0.0
    """Time for which the clips that were written held an encode token, added up."""
    failed: dict[str, Reason] = field(default_factory=dict)
    """Stem of each clip that failed, and why."""
    retried: Counter[Reason] = field(default_factory=Counter)
    """Attempts at a download or an encode that failed and were to be retried, by reason."""
    failed_seconds: float = 0.0
    """Duration of the clips that failed. A clip of unknown duration counts as the average."""
    checked: int = 0
    """Clips that a check compared with their record."""
    checked_seconds: float = 0.0
    """Recorded duration of the clips that were checked."""
    differing: int = 0
    """Clips that differ from their record."""
    downloads: LaneTally = field(default_factory=LaneTally)
    checking: dict[str, Attempt] = field(default_factory=dict)
    """Stem of each video whose file is being checked after its download."""
    encodes: LaneTally = field(default_factory=LaneTally)
    overlap_seconds: float = 0.0
    """For how long both lanes were busy at once."""
    closed: LaneClosed | None = None
    """Why no download may start; None while the network lane is open."""
    closed_since: float = 0.0
    """When it was closed."""
    closed_at: float = 0.0
    """When it was closed last: a test download that fails closes it again."""
    winding_down: WindingDown | None = None
    """Set once the run is stopping: nothing starts any more, and only the running encodes may finish."""
    winding_down_at: float = 0.0
    """When that began."""
    _now: float = 0.0

    @property
    def videos_over(self) -> int:
        """Videos that are ready to encode, or failed."""
        return min(len(self.videos), self.plan.videos)

    @property
    def videos_failed(self) -> int:
        """Videos that failed, with at least one of their clips."""
        return min(sum(not ready for ready in self.videos.values()), self.plan.videos)

    @property
    def clips_over(self) -> int:
        """Clips that were written, failed or were checked."""
        return len(self.done) + len(self.failed) + self.checked

    @property
    def bytes_so_far(self) -> float:
        """Bytes downloaded, those of running downloads included."""
        running = (*self.downloads.running.values(), *self.checking.values())
        return self.raw_bytes + sum(attempt.so_far for attempt in running)

    @property
    def seconds_so_far(self) -> float:
        """Seconds of clips that were encoded or checked, those of running encodes included."""
        running = sum(attempt.so_far for attempt in self.encodes.running.values())
        return self.clip_seconds + self.checked_seconds + running

    @property
    def speed(self) -> float:
        """Bytes per second of all running downloads."""
        return sum(attempt.speed or 0 for attempt in self.downloads.running.values())

    def add(self, event: Event, now: float) -> Span | None:
        """Count an event that happened at `now`. Return the attempt that is over with it, if one is."""
        passed, self._now = max(0.0, now - self._now), now
        downloading, encoding = bool(self.downloads.running), bool(self.encodes.running)
        self.downloads.busy_seconds += passed if downloading else 0.0
        self.encodes.busy_seconds += passed if encoding else 0.0
        self.overlap_seconds += passed if downloading and encoding else 0.0
        match event:
            case RunStarted():
                self.plan = event
                # `check --repair` starts a run after it has checked.
                self.checked, self.checked_seconds, self.differing = 0, 0.0, 0
            case ClipChecked():
                self.checked += 1
                self.checked_seconds += event.seconds
                self.differing += not event.whole
            case LaneClosed():
                self.closed_since = now if self.closed is None else self.closed_since
                self.closed, self.closed_at = event, now
            case LaneOpened():
                self.closed = None
            case WindingDown():
                self.winding_down, self.winding_down_at = event, now
            case WorkersChanged():
                self.workers = event.workers
                if event.workers:
                    lanes = {"downloads": event.downloads, "encodes": event.encodes}
                    self.plan = replace(self.plan, pace=event.pace, **lanes)
            case EncodeStarted() | EncodeProgress() | ClipDone() | ClipFailed():
                return self._add_encode(event, now)
            case ClipRetrying() | ClipSplit():
                return self._add_encode_again(event, now)
            case _:
                return self._add_download(event, now)
        return None

    def _add_download(self, event: Event, now: float) -> Span | None:
        match event:
            case DownloadStarted():
                before = self.checking.pop(event.video, None)  # its worker was lost
                self.downloads.begin(Attempt(event.video, now, event.least_bytes or 1))
                return _span(before, now, Outcome.DONE)
            case DownloadProgress() if running := self.downloads.running.get(event.video):
                running.so_far, running.total, running.speed = event.bytes, event.total, event.speed
            case Downloaded() if (complete := self.downloads.end(event.video, now)) is not None:
                complete.ended = now
                self.checking[event.video] = complete
            case RawReady() | VideoAsked():
                if isinstance(event, RawReady) and event.origin == "youtube":
                    self.raw_bytes += event.bytes
                return _span(self._video_over(event.video, now, ready=True), now, Outcome.DONE)
            case VideoFailed():
                attempt = self._video_over(event.video, now, ready=False)
                return _span(attempt, now, Outcome.FAILED, event.reason)
            case Retrying():
                self.retried[event.reason] += 1
                return _span(self._download_over(event.video, now), now, Outcome.AGAIN, event.reason)
            case VideoUnconfirmed():
                attempt = self._download_over(event.video, now)
                return _span(attempt, now, Outcome.FAILED, Reason.UNAVAILABLE)
        return None

    def _add_encode_again(self, event: ClipRetrying | ClipSplit, now: float) -> Span | None:
        """Count an encode without a result: the clip, or its parts, will be encoded again."""
        if isinstance(event, ClipSplit):
            reason = Reason.SCENE_CUT
            self.plan = replace(self.plan, clips=self.plan.clips + event.parts - 1)
        else:
            reason = event.reason
            self.retried[reason] += 1
        return _span(self.encodes.end(event.clip, now), now, Outcome.AGAIN, reason)

    def _add_encode(self, event: Event, now: float) -> Span | None:
        match event:
            case EncodeStarted():
                self.encodes.begin(Attempt(event.clip, now, event.seconds, total=event.seconds))
            case EncodeProgress() if running := self.encodes.running.get(event.clip):
                running.so_far = event.seconds
            case ClipDone():
                self.done.append(event.clip)
                self.clip_seconds += event.seconds
                self.clip_bytes += event.bytes
                self.took_seconds += event.took
                return _span(self.encodes.end(event.clip, now), now, Outcome.DONE)
            case ClipFailed():
                attempt = self.encodes.end(event.clip, now)
                average = self.plan.clip_seconds / max(1, self.plan.clips)
                self.failed[event.clip] = event.reason
                self.failed_seconds += average if attempt is None else attempt.expected
                return _span(attempt, now, Outcome.FAILED, event.reason)
        return None

    def _download_over(self, video: str, now: float) -> Attempt | None:
        return self.downloads.end(video, now) or self.checking.pop(video, None)

    def _video_over(self, video: str, now: float, *, ready: bool) -> Attempt | None:
        attempt = self._download_over(video, now)
        self.videos_downloaded += attempt is not None
        # A video is over twice if its source video was bad, or its worker was lost: it counts once.
        if video not in self.videos:
            average = self.plan.least_bytes / max(1, self.plan.videos) or 1.0
            self.weight_over += average if attempt is None else attempt.expected
        self.videos[video] = ready
        return attempt


def _span(attempt: Attempt | None, now: float, outcome: Outcome, reason: str = "") -> Span | None:
    """Return the time that an attempt took: a download's ends before the check of its file."""
    if attempt is None:
        return None
    ended = now if attempt.ended is None else attempt.ended
    return Span(attempt.subject, attempt.begun, ended, outcome, reason)
