"""History of the runs in a directory's journal: when each download and each encode was running.

The journal is read as it is, also during a run and after one that was killed: what has not ended is still
running, or was interrupted. Times are seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.events import (
    ClipDone,
    ClipFailed,
    ClipRetrying,
    ClipSplit,
    Downloaded,
    DownloadStarted,
    EncodeStarted,
    LaneClosed,
    LaneOpened,
    RawReady,
    Retrying,
    VideoFailed,
    VideoUnconfirmed,
)
from hdtf_async.core.failures import Reason
from hdtf_async.core.tally import Outcome, Span, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hdtf_async.core.events import Event

Record = dict[str, Any]

_LONGEST = 1e8
"""Seconds above which a duration is not plausible."""


_NOTED = (
    DownloadStarted, Downloaded, EncodeStarted, Retrying, ClipRetrying, ClipSplit, VideoUnconfirmed,
    VideoFailed, LaneClosed, LaneOpened,
)  # fmt: skip
"""Events that the journal records in addition to results."""


_REASONS = frozenset(Reason)

_BEFORE_A_RUN = ("request", "split", "only", "refused")
"""Types of records that a run writes before its own: they do not belong to the previous run."""


@dataclass(slots=True)
class Run:
    """One run of a directory."""

    record: Record
    """Its first record: versions, output settings, options."""
    begun: float
    ended: float
    end: Record = field(default_factory=dict)
    """Its last record; empty if it is active, or was interrupted."""
    downloads: list[Span] = field(default_factory=list)
    encodes: list[Span] = field(default_factory=list)
    waits: list[Span] = field(default_factory=list)
    """From the completion of a video's download (or the start, if it existed) to the encode of each of its
    clips."""
    closed: list[Span] = field(default_factory=list)
    """When downloads were paused, each with the reason."""

    @property
    def seconds(self) -> float:
        """Its duration so far."""
        return self.ended - self.begun


def note(take: Callable[[Record], None], event: Event) -> None:
    """Pass on the part of an event that is recorded for the history of a run.

    Error messages are omitted: they are in the failures, and in the video's log.
    """
    if isinstance(event, _NOTED):
        take({name: value for name, value in event.to_json().items() if name != "words"})


def runs(records: Iterable[Record], now: float | None = None) -> list[Run]:
    """Return the runs in these records, the oldest first.

    With `now` the newest is active until then. Records that no run can have written are skipped.
    """
    readings: list[_Reading] = []
    for record in records:
        at = _time(record)
        if at is None:
            continue
        if record.get("type") == "run":
            readings.append(_Reading(record, at))
        elif readings and record.get("type") not in _BEFORE_A_RUN:
            readings[-1].add(record, at)
    return [
        reading.read(now if reading is readings[-1] and not reading.run.end else None) for reading in readings
    ]


def busy(*lanes: Iterable[Span]) -> float:
    """Return the seconds during which all of the lanes were busy."""
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
    """One run, as far as it has been read."""

    def __init__(self, record: Record, at: float) -> None:
        self.run = Run(record, at, at)
        self._tally = Tally()
        self._ready: dict[str, float] = {}
        """YouTube id to when its source video was ready."""
        self._seen: set[str] = set()
        """Videos that were ready before."""

    def add(self, record: Record, at: float) -> None:
        """Count one more record."""
        run = self.run
        run.ended = at = max(run.ended, at)  # a clock may be set back
        match record:
            case {"type": "raw" | "sound", "file": str(file), "youtube_id": str(youtube_id)}:
                self._ready[youtube_id] = at
                self._video_ready(file.rpartition(".")[0], self._since(record, at), at)
            case {"type": "section", "file": str(file), "youtube_id": str(youtube_id)}:
                self._ready[youtube_id] = at
                # Behind the name: the numbers of its segments, its extension, and "part".
                self._video_ready(file.rsplit(".", 3)[0], self._since(record, at), at)
            case {"type": "clip", "clip": str(clip), "metadata": dict(metadata)}:
                if clip not in self._tally.encodes.running:  # an older version recorded only its end
                    self._tally.add(EncodeStarted(clip, 0.0), self._since(record, at))
                done = ClipDone(clip, "", 0.0, 0, 0.0, 0.0)
                self._encode_over(done, at, ClipRecord.from_json(metadata).youtube_id)
            case {"type": "failed" | "clip_retrying" | "clip_split", "clip": str(clip)}:
                if (event := _end_of_encode(record, clip)) is not None:
                    self._encode_over(event, at, record.get("youtube_id"))
            case {"type": "lane_opened"}:
                self._open_lane(at)
            case {"type": "run_ended"}:
                run.end = record
            case _:
                if (other := _event(record)) and (span := self._tally.add(other, at)):
                    run.downloads.append(span)

    def read(self, now: float | None) -> Run:
        """Return the run; what has not ended lasts until now, or until its last record."""
        run, tally = self.run, self._tally
        run.ended = max(run.ended, now or 0)
        run.downloads += [
            Span(each.subject, each.begun, each.ended or run.ended) for each in tally.checking.values()
        ]
        for lane, spans in ((tally.downloads, run.downloads), (tally.encodes, run.encodes)):
            spans += [
                Span(each.subject, each.begun, run.ended, Outcome.OPEN) for each in lane.running.values()
            ]
        self._open_lane(run.ended)
        return run

    def _video_ready(self, video: str, begun: float, at: float) -> None:
        """Count a source video, or its audio, that was checked."""
        tally = self._tally
        begun_before = video in tally.downloads.running or video in tally.checking
        if not begun_before and video not in self._seen:
            tally.add(DownloadStarted(video, "", 1, 0), begun)  # an older version recorded only its end
        self._seen.add(video)
        if span := tally.add(RawReady(video, "youtube", 0, 0.0), at):
            self.run.downloads.append(span)

    def _encode_over(
        self, event: ClipDone | ClipFailed | ClipRetrying | ClipSplit, at: float, youtube_id: object
    ) -> None:
        span = self._tally.add(event, at)
        if span is None:
            return
        self.run.encodes.append(span)
        since = self._ready.get(youtube_id, self.run.begun) if isinstance(youtube_id, str) else span.begun
        if since < span.begun:
            self.run.waits.append(Span(span.subject, since, span.begun))

    def _open_lane(self, at: float) -> None:
        if (closed := self._tally.closed) is not None:
            self.run.closed.append(Span("", self._tally.closed_since, at, Outcome.OPEN, closed.reason))
            self._tally.add(LaneOpened(0.0), at)

    def _since(self, record: Record, at: float) -> float:
        """Return the start of an operation whose end a record describes."""
        seconds = record.get("took")
        if isinstance(seconds, int | float) and 0 <= seconds <= _LONGEST:
            return max(self.run.begun, at - seconds)
        return at


def _end_of_encode(record: Record, clip: str) -> ClipFailed | ClipRetrying | ClipSplit | None:
    """Return the event in the record of an encode that gave no clip, with the fields that are used here."""
    match record:
        case {"type": "failed", "reason": str(reason)}:
            return ClipFailed(clip, _reason(reason), "", with_video=False)
        case {"type": "clip_retrying", "reason": str(reason)}:
            return ClipRetrying(clip, _reason(reason), "", 0.0, 0)
        case {"type": "clip_split"}:
            return ClipSplit(clip, (), 1)
    return None


def _event(record: Record) -> Event | None:
    """Return the event in a record, with the fields that are used here; None if there is none."""
    event: Event | None = None
    match record:
        case {"type": "download_started", "video": str(video)}:
            event = DownloadStarted(video, "", 1, 0)
        case {"type": "downloaded", "video": str(video)}:
            event = Downloaded(video, 0.0)
        case {"type": "retrying", "video": str(video), "reason": str(reason)}:
            event = Retrying(video, _reason(reason), "", 0.0, 0)
        case {"type": "video_failed", "video": str(video), "reason": str(reason)}:
            event = VideoFailed(video, "", _reason(reason), "", 0)
        case {"type": "video_unconfirmed", "video": str(video)}:
            event = VideoUnconfirmed(video, "", "")
        case {"type": "encode_started", "clip": str(clip)}:
            event = EncodeStarted(clip, 0.0)
        case {"type": "lane_closed", "reason": str(reason)}:
            event = LaneClosed(_reason(reason), "", None, 0)
    return event


def _reason(name: str) -> Reason:
    return Reason(name) if name in _REASONS else Reason.UNKNOWN


def _time(record: Record) -> float | None:
    try:
        return datetime.fromisoformat(record["time"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
