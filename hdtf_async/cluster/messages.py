"""Messages between the driver of a cluster and its workers, as plain values: small, and no media. Pure.

Jobs and events are converted to JSON values and back; records are JSON anyway.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from hdtf_async.core import events
from hdtf_async.core.events import Event
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Clip, Interval, Video
from hdtf_async.dataset.plan import VideoJob

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.options import Options
    from hdtf_async.output.journal import JournalIndex

Told = dict[str, Any]
"""A message, or a part of one."""
_KINDS = {
    kind.type: kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker receives when it is added to a run."""

    key: str
    """Its task's key, and the name of its message queue and of its file among those of the workers."""
    topic: str
    """Topic of its messages."""
    out: Path
    """The output directory, an absolute path."""
    options: Options
    version: str
    """Version of this package on the driver's machine."""


def for_workers(options: Options) -> Options:
    """Return options for workers: the driver reads the tables. Paths are absolute already."""
    return replace(options, source=None, dask=None)


def stated_work(work: VideoJob) -> Told:
    """Return the job for a video as JSON values."""
    return asdict(work)


def work_of(told: Mapping[str, Any]) -> VideoJob:
    """Return the job in a message."""
    return VideoJob(
        tuple(Video(**video) for video in told["videos"]),
        tuple(_clip(clip) for clip in told["clips"]),
        told["attempt"],
    )


def _clip(told: Mapping[str, Any]) -> Clip:
    parts = {
        "video": Video(**told["video"]),
        "interval": Interval(**told["interval"]),
        "box": Box(**told["box"]),
    }
    return Clip(**{**told, **parts})


def event_of(told: Mapping[str, Any]) -> Event:
    """Return the event in a message."""
    fields = {name: value for name, value in told.items() if name != "type"}
    if "reason" in fields:
        fields["reason"] = Reason(fields["reason"])
    if "refused" in fields:
        fields["refused"] = tuple(tuple(each) for each in fields["refused"])
    return _KINDS[told["type"]](**fields)


def known_of(work: VideoJob, known: JournalIndex) -> list[Record]:
    """Return the records of a video and its clips that a worker needs."""
    stems = [clip.stem for clip in work.clips]
    clips = [known.clips[stem] for stem in stems if stem in known.clips]
    failures = [known.failures[stem] for stem in stems if stem in known.failures]
    return [*known.source_videos.get(work.youtube_id, []), *clips, *failures]


def stated_failure(failure: Failure | None) -> list[str] | None:
    """Return a failure as JSON values."""
    return None if failure is None else [failure.reason.value, failure.words]


def failure_of(told: list[str] | None) -> Failure | None:
    """Return the failure in a message."""
    return None if told is None else Failure(Reason(told[0]), told[1])
