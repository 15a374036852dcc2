"""The progress of a run and its ETA, from its events alone. Pure: the caller passes the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hdtf_async.core.events import (
    ClipDone,
    ClipFailed,
    ClipRetrying,
    ClipSplit,
    DownloadStarted,
    EncodeStarted,
    LaneClosed,
    LaneOpened,
    RawReady,
    Retrying,
    VideoAsked,
    VideoFailed,
    WindingDown,
)
from hdtf_async.core.tally import Tally
from hdtf_async.core.text import count, format_bytes, format_duration

if TYPE_CHECKING:
    from hdtf_async.core.events import Event
    from hdtf_async.core.failures import Reason

ENOUGH = 3
"""Number of finished videos, and clips, that are needed for an ETA."""


_LANE = "network lane"
"""What a problem of all downloads is about."""


@dataclass(slots=True)
class LaneState:
    """What is shown of a lane."""

    name: str
    """What it processes."""
    done: int
    failed: int
    total: int
    left: float | None
    """Seconds until its last item is over; None while unknown."""
    paused: list[str] = field(default_factory=list)
    """Why nothing starts, and how long; empty if it works."""
    state: list[str] = field(default_factory=list)
    """The rest, most important first."""

    @property
    def failures(self) -> list[str]:
        """How many items failed, as text; empty if none did."""
        return [f"{self.failed} failed"] if self.failed else []


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, as it is shown."""

    about: str
    """Stem of the video or clip."""
    reason: Reason
    at: float
    """Its time."""

    def __str__(self) -> str:
        return f"{self.about}: {self.reason.advice.meaning}"


@dataclass(slots=True)
class RunProgress:
    """The progress of a run. Every `now` is a time in seconds on the same clock."""

    tally: Tally = field(default_factory=Tally)
    problems: dict[str, Problem] = field(default_factory=dict)
    """The current problems, by video or clip: what is retried or paused. The newest is last."""
    last_failure: Problem | None = None
    """The video or clip that failed last, which is not retried any more."""

    def add(self, event: Event, now: float) -> None:
        """Process an event that was just emitted."""
        self.tally.add(event, now)
        match event:
            case Retrying(video=about) | ClipRetrying(clip=about):
                self._note(about, event.reason, now)
            case LaneClosed():
                self._note(_LANE, event.reason, now)
            case VideoFailed(video=about) | ClipFailed(clip=about, with_video=False):
                self.problems.pop(about, None)
                self.last_failure = Problem(about, event.reason, now)
            case _:
                self._end_problems(event)

    def _end_problems(self, event: Event) -> None:
        """Drop the problems that are over with an event: a new attempt begins, or nothing is retried."""
        match event:
            case LaneOpened():
                if (over := self.problems.get(_LANE)) is not None:
                    kept = (each for each in self.problems.values() if each.reason is not over.reason)
                    self.problems = {each.about: each for each in kept}
            case DownloadStarted(video=about) | RawReady(video=about) | VideoAsked(video=about):
                self.problems.pop(about, None)
            case EncodeStarted(clip=about) | ClipDone(clip=about) | ClipSplit(clip=about):
                self.problems.pop(about, None)
            case WindingDown():
                self.problems.clear()

    def _note(self, about: str, reason: Reason, now: float) -> None:
        self.problems.pop(about, None)  # the newest is last
        self.problems[about] = Problem(about, reason, now)

    @property
    def failed(self) -> int:
        """Number of clips that failed, or differ from their record."""
        return len(self.tally.failed) + self.tally.differing

    @property
    def reopens(self) -> float | None:
        """When the cool-down of the network lane ends; None while the lane is open."""
        closed = self.tally.closed
        return None if closed is None else self.tally.closed_at + (closed.after or 0)

    def wait(self, now: float) -> float:
        """Return the seconds for which downloads are still paused; 0 if they are not."""
        reopens = self.reopens
        return 0.0 if reopens is None else max(0.0, reopens - now)

    def left(self, now: float) -> float | None:
        """Estimate the seconds until the run ends; None while unknown.

        The remaining work of each lane is divided by its rate so far. The slower lane decides, because the
        other one works meanwhile.
        """
        if not self.tally.plan.videos + self.tally.plan.clips or self.tally.workers == 0:
            return None
        if self.tally.winding_down is not None:
            return self._wind_down_left(self.tally.winding_down.within, now)
        network, encodes = self.network_left(now), self.encodes_left()
        return None if network is None or encodes is None else max(network, encodes)

    def _wind_down_left(self, within: float, now: float) -> float:
        """Estimate the seconds until the last running encode ends, or all are terminated."""
        tally = self.tally
        most = max(0.0, tally.winding_down_at + within - now)
        left = 0.0
        for attempt in tally.encodes.running.values():
            if attempt.so_far > 0:
                rest = max(0.0, attempt.expected - attempt.so_far)
                left = max(left, rest * (now - attempt.begun) / attempt.so_far)
            elif tally.clip_seconds > 0:
                took = attempt.expected * tally.took_seconds / tally.clip_seconds
                left = max(left, took - (now - attempt.begun))
            else:
                left = most
        return min(left, most)

    def network_left(self, now: float) -> float | None:
        """Estimate the seconds that the network lane still needs, including a cool-down."""
        tally = self.tally
        if tally.winding_down is not None:
            return 0.0
        videos = tally.plan.videos - tally.videos_over
        if videos <= 0:
            return 0.0
        begun = (*tally.downloads.running.values(), *tally.checking.values())
        weight = tally.weight_over + sum(attempt.expected * attempt.fraction for attempt in begun)
        if tally.videos_over < ENOUGH or weight <= 0:
            return None
        # By weight, because the longest videos do not come last; but no faster than the pace allows downloads
        # to start. A census downloads nothing: all its videos have the same weight.
        held = tally.downloads.held_seconds
        held += sum(now - attempt.begun for attempt in tally.downloads.running.values())
        rest = max(0.0, (tally.plan.least_bytes or tally.plan.videos) - weight)
        by_weight = rest * held / weight / max(1, tally.plan.downloads)
        waiting = max(0, videos - len(begun)) * tally.videos_downloaded / tally.videos_over
        return self.wait(now) + max(by_weight, waiting * tally.plan.pace)

    def encodes_left(self) -> float | None:
        """Estimate the seconds that the encode lane still needs with all of its slots."""
        tally = self.tally
        if tally.plan.clips <= tally.clips_over:
            return 0.0
        if len(tally.done) < ENOUGH or tally.clip_seconds <= 0:
            return None
        left = max(0.0, tally.plan.clip_seconds - tally.seconds_so_far - tally.failed_seconds)
        return left * tally.took_seconds / tally.clip_seconds / max(1, tally.plan.encodes)

    def lanes(self, now: float) -> list[LaneState]:
        """Return the state of both lanes; a census has no clips, and a check has no videos."""
        tally = self.tally
        ready, stopping = tally.videos_over - tally.videos_failed, tally.winding_down is not None
        videos = LaneState("videos", ready, tally.videos_failed, tally.plan.videos, self.network_left(now))
        videos.state.append(format_bytes(tally.bytes_so_far))
        if stopping:
            videos.paused.append("stopped")
        elif running := len(tally.downloads.running):
            videos.state += [f"{format_bytes(tally.speed)}/s", f"{running} running"]
        if tally.workers:
            videos.state.append(count(tally.workers, "worker"))
        elif tally.workers == 0:
            videos.paused.append("waiting for workers")
        if tally.closed is not None and not stopping:
            left = round(self.wait(now))
            then = f"retry in {left // 60}:{left % 60:02}" if left else "test download"
            videos.paused.append(f"{tally.closed.reason}: {then}")
        clips = LaneState(
            "clips", tally.clips_over - self.failed, self.failed, tally.plan.clips, self.left(now)
        )
        if stopping:
            clips.paused.append(f"stopping, {len(tally.encodes.running)} running")
        clips.state.append(
            f"{format_duration(tally.seconds_so_far)} of {format_duration(tally.plan.clip_seconds)}"
        )
        first = tally.encodes.first
        if first is not None and now - first >= 1:
            clips.state.append(f"{tally.seconds_so_far / (now - first):.1f}x real time")
        if tally.encodes.running and not stopping:
            clips.state.append(f"{len(tally.encodes.running)} running")
        return [lane for lane in (videos, clips) if lane.total or lane.done or lane.failed]

    def end_words(self, now: float) -> str:
        """Return the ETA, if known, and the newest problem, as text: a current one if there is one."""
        left = self.left(now)
        words = [f"about {format_duration(left)} left"] if left else []
        if self.problems:
            problem = next(reversed(self.problems.values()))
            words.append(f"for {format_duration(now - problem.at)}: {problem}")
        elif self.last_failure is not None:
            words.append(
                f"last failure {format_duration(now - self.last_failure.at)} ago: {self.last_failure}"
            )
        return "; ".join(words)
