"""The progress of a run and its ETA, from its events alone. Pure: the caller passes the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hdtf_async.core.events import ClipFailed, ClipRetrying, LaneClosed, Retrying, VideoFailed
from hdtf_async.core.tally import Tally
from hdtf_async.core.text import count, in_bytes, in_hours

if TYPE_CHECKING:
    from hdtf_async.core.events import Event
    from hdtf_async.core.failures import Reason

ENOUGH = 3
"""Number of finished videos, and clips, that are needed for an ETA."""


@dataclass(slots=True)
class LaneState:
    """What is shown of a lane."""

    name: str
    """What it processes."""
    over: int
    total: int
    left: float | None
    """Seconds until its last item is over; None while unknown."""
    paused: list[str] = field(default_factory=list)
    """Why it is paused, and how long; empty if it is not."""
    state: list[str] = field(default_factory=list)
    """The rest, most important first."""


@dataclass(slots=True)
class RunProgress:
    """The progress of a run. Every `now` is a time in seconds on the same clock."""

    tally: Tally = field(default_factory=Tally)
    problem: str = ""
    """The last error, as text."""
    problem_at: float = 0.0
    """Its time."""

    def add(self, event: Event, now: float) -> None:
        """Process an event that was just emitted."""
        self.tally.add(event, now)
        match event:
            case Retrying() | VideoFailed():
                self._note(event.video, event.reason, now)
            case ClipFailed(with_video=False) | ClipRetrying():
                self._note(event.clip, event.reason, now)
            case LaneClosed():
                self._note("network lane", event.reason, now)

    def _note(self, about: str, reason: Reason, now: float) -> None:
        self.problem, self.problem_at = f"{about}: {reason.advice.meaning}", now

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
        network, encodes = self.network_left(now), self.encodes_left()
        return None if network is None or encodes is None else max(network, encodes)

    def network_left(self, now: float) -> float | None:
        """Estimate the seconds that the network lane still needs, including a cool-down."""
        tally = self.tally
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
        videos = LaneState("videos", tally.videos_over, tally.plan.videos, self.network_left(now))
        videos.state.append(in_bytes(tally.bytes_so_far))
        if running := len(tally.downloads.running):
            videos.state += [f"{in_bytes(tally.speed)}/s", f"{running} running"]
        if tally.workers:
            videos.state.append(count(tally.workers, "worker"))
        elif tally.workers == 0:
            videos.paused.append("waiting for workers")
        if tally.closed is not None:
            left = round(self.wait(now))
            then = f"retry in {left // 60}:{left % 60:02}" if left else "test download"
            videos.paused.append(f"{tally.closed.reason}: {then}")
        clips = LaneState("clips", tally.clips_over, tally.plan.clips, self.left(now))
        if self.failed:
            clips.state.append(f"{self.failed} failed")
        clips.state.append(f"{in_hours(tally.seconds_so_far)} of {in_hours(tally.plan.clip_seconds)}")
        first = tally.encodes.first
        if first is not None and now - first >= 1:
            clips.state.append(f"{tally.seconds_so_far / (now - first):.1f}x real time")
        if tally.encodes.running:
            clips.state.append(f"{len(tally.encodes.running)} running")
        return [lane for lane in (videos, clips) if lane.total or lane.over]

    def end_words(self, now: float) -> str:
        """Return the ETA, if known, and the last error, as text."""
        left = self.left(now)
        words = [f"about {in_hours(left)} left"] if left else []
        if self.problem:
            words.append(f"{in_hours(now - self.problem_at)} ago: {self.problem}")
        return "; ".join(words)
