"""Where a run stands, and when it will end, counted from its events alone. Pure: the caller has the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hdtf_async.core.events import (
    ClipChecked,
    ClipDone,
    ClipFailed,
    ClipRetrying,
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
)
from hdtf_async.core.text import in_bytes, in_hours

if TYPE_CHECKING:
    from hdtf_async.core.events import Event
    from hdtf_async.core.failures import Reason

ENOUGH = 3
"""Videos, and clips, that have to be over before anything is said about the end."""


@dataclass(slots=True)
class RunProgress:
    """Where a run stands. Every `now` is a time in seconds on one and the same clock."""

    videos: int = 0
    videos_over: int = 0
    clips: int = 0
    clips_over: int = 0
    clip_seconds: float = 0.0
    seconds_done: float = 0.0
    bytes_done: int = 0
    failed: int = 0
    problem: str = ""
    """The last problem, in words."""
    problem_at: float = 0.0
    """When that was."""
    reopens: float | None = None
    """When the cool-down of the network lane ends; None while the lane is open."""
    closed_by: Reason | None = None
    """Why the network lane was closed last."""
    encoding: dict[str, float] = field(default_factory=dict)
    """Clip to seconds encoded so far."""
    downloading: dict[str, DownloadProgress] = field(default_factory=dict)
    """Video to its newest progress."""
    _downloads: int = 1
    _pace: float = 0.0
    _encodes: int = 1
    _weight: int = 0
    """What all videos weigh: the least bytes that are expected of them."""
    _started: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Running download to when it began, and what it weighs."""
    _tokens: float = 0.0
    """Seconds for which tokens of the network lane were held, running downloads left out."""
    _weight_over: float = 0.0
    """What the videos weigh that are over."""
    _downloads_over: int = 0
    _lengths: dict[str, float] = field(default_factory=dict)
    """Running encode to the length of its clip."""
    _seconds_failed: float = 0.0
    """Length of the clips that failed."""
    _took: float = 0.0
    """Seconds that the clips which are done took, one after the other."""
    _clips_done: int = 0
    _first_encode: float | None = None

    def take(self, event: Event, now: float) -> None:  # noqa: C901, PLR0912 - one for each kind that counts
        """Count in an event that was told just now."""
        match event:
            case RunStarted():
                self.videos, self.clips, self.clip_seconds = event.videos, event.clips, event.clip_seconds
                # A repair is a run that begins after looking has ended.
                self.clips_over, self.failed, self.seconds_done = 0, 0, 0.0
                # A census fetches nothing: all its videos weigh the same.
                self._weight, self._pace = event.least_bytes or event.videos, event.pace
                self._downloads, self._encodes = event.downloads, event.encodes
            case DownloadStarted():
                self.downloading[event.video] = DownloadProgress(event.video, 0, None, None)
                self._started[event.video] = now, event.least_bytes or 1
            case DownloadProgress() if event.video in self.downloading:
                self.downloading[event.video] = event
            case Retrying() | VideoUnconfirmed():
                self._download_over(event.video, now)
            case RawReady() | VideoFailed() | VideoAsked():
                self._downloads_over += event.video in self.downloading
                # One whose raw was bad, or whose worker was lost, is there twice.
                self.videos_over = min(self.videos_over + 1, self.videos)
                self._weight_over += self._download_over(event.video, now)
                if isinstance(event, RawReady) and event.origin == "youtube":
                    self.bytes_done += event.bytes
            case LaneClosed(after=after):
                self.reopens, self.closed_by = now + (after or 0), event.reason
            case LaneOpened():
                self.reopens = None
            case EncodeStarted():
                self.encoding[event.clip], self._lengths[event.clip] = 0.0, event.seconds
                self._first_encode = now if self._first_encode is None else self._first_encode
            case ClipRetrying():
                self.encoding.pop(event.clip, None)
            case EncodeProgress() if event.clip in self.encoding:
                self.encoding[event.clip] = event.seconds
            case ClipDone() | ClipFailed():
                self._clip_over(event)
            case ClipChecked():
                self.clips_over += 1
                self.failed += not event.whole
                self.seconds_done += event.seconds
        match event:
            case Retrying() | VideoFailed():
                self._note(event.video, event.reason, now)
            case ClipFailed(with_video=False) | ClipRetrying():
                self._note(event.clip, event.reason, now)
            case LaneClosed():
                self._note("network lane", event.reason, now)

    def _download_over(self, video: str, now: float) -> float:
        """Count what a download held a token for, and return what the video weighs."""
        self.downloading.pop(video, None)
        # One that was at hand never began: it weighs as much as all others.
        began, weight = self._started.pop(video, (now, self._weight / max(1, self.videos)))
        self._tokens += now - began
        return weight

    def _clip_over(self, event: ClipDone | ClipFailed) -> None:
        self.encoding.pop(event.clip, None)
        length = self._lengths.pop(event.clip, self.clip_seconds / max(1, self.clips))
        self.clips_over += 1
        if isinstance(event, ClipDone):
            self._clips_done += 1
            self.seconds_done += event.seconds
            self._took += event.took
        else:
            self.failed += 1
            self._seconds_failed += length

    def _note(self, about: str, reason: Reason, now: float) -> None:
        self.problem, self.problem_at = f"{about}: {reason.advice.meaning}", now

    @property
    def bytes_so_far(self) -> int:
        """Bytes fetched, running downloads included."""
        return self.bytes_done + sum(progress.bytes for progress in self.downloading.values())

    @property
    def speed(self) -> float:
        """Bytes a second of all running downloads."""
        return sum(progress.speed or 0 for progress in self.downloading.values())

    @property
    def seconds_so_far(self) -> float:
        """Seconds of clips cut, running encodes included."""
        return self.seconds_done + sum(self.encoding.values())

    def wait(self, now: float) -> float:
        """Return the seconds for which the network lane is still closed; 0 while it is open."""
        return 0.0 if self.reopens is None else max(0.0, self.reopens - now)

    def left(self, now: float) -> float | None:
        """Estimate the seconds until the run ends; None while nothing can be said.

        What is left in each lane is held against the rate at which that lane has worked so far. The slower
        lane decides, since the other one works meanwhile.
        """
        if not self.videos + self.clips:
            return None
        network, encodes = self.network_left(now), self.encodes_left()
        return None if network is None or encodes is None else max(network, encodes)

    def network_left(self, now: float) -> float | None:
        """Estimate the seconds that the network lane still needs, a cool-down included."""
        videos = self.videos - self.videos_over
        if videos <= 0:
            return 0.0
        weight = self._weight_over + self._weight_running()
        if self.videos_over < ENOUGH or weight <= 0:
            return None
        # By what they weigh, for the longest videos do not come last; but not faster than the pace lets
        # those start that have to be fetched.
        tokens = self._tokens + sum(now - began for began, _ in self._started.values())
        by_weight = max(0.0, self._weight - weight) * tokens / weight / max(1, self._downloads)
        waiting = max(0, videos - len(self.downloading)) * self._downloads_over / self.videos_over
        return self.wait(now) + max(by_weight, waiting * self._pace)

    def _weight_running(self) -> float:
        """Return what running downloads weigh, as far as they have come."""
        return sum(
            self._started[video][1] * min(1.0, progress.bytes / progress.total)
            for video, progress in self.downloading.items()
            if progress.total
        )

    def encodes_left(self) -> float | None:
        """Estimate the seconds that the encode lane still needs at its full width."""
        if self.clips <= self.clips_over:
            return 0.0
        if self._clips_done < ENOUGH or self.seconds_done <= 0:
            return None
        left = max(0.0, self.clip_seconds - self.seconds_so_far - self._seconds_failed)
        return left * self._took / self.seconds_done / max(1, self._encodes)

    def videos_words(self, now: float) -> str:
        """Return the state of the network lane in words: what matters most comes first."""
        running = len(self.downloading)
        words = [in_bytes(self.bytes_so_far)]
        if running:
            words += [f"{in_bytes(self.speed)}/s", f"{running} running"]
        if self.reopens is not None:
            left = round(self.wait(now))
            words.insert(
                0,
                f"{self.closed_by}: retry in {left // 60}:{left % 60:02}"
                if left
                else f"{self.closed_by}: test download",
            )
        return ", ".join(words)

    def clips_words(self, now: float) -> str:
        """Return the state of the encode lane in words: what matters most comes first."""
        words = [f"{self.failed} failed"] if self.failed else []
        words.append(f"{in_hours(self.seconds_so_far)} of {in_hours(self.clip_seconds)}")
        if self._first_encode is not None and now - self._first_encode >= 1:
            words.append(f"{self.seconds_so_far / (now - self._first_encode):.1f}x real time")
        if self.encoding:
            words.append(f"{len(self.encoding)} running")
        return ", ".join(words)

    def end_words(self, now: float) -> str:
        """Return when the run will end, as far as that can be said, and the last problem, in words."""
        left = self.left(now)
        words = [f"about {in_hours(left)} left"] if left else []
        if self.problem:
            words.append(f"{in_hours(now - self.problem_at)} ago: {self.problem}")
        return "; ".join(words)
