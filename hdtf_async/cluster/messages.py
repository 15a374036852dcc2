"""What travels between the driver of a cluster and its workers, as plain values: small, and no media. Pure.

Works and events are told as JSON takes them, and are made of that again; records are JSON anyway.
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
    """What a worker is told once, when it is taken on."""

    key: str
    """Its task's key, and the name of the queue from which it hears and of its file among the workers'."""
    topic: str
    """Under which it speaks."""
    out: Path
    """The output directory, absolute."""
    options: Options
    version: str
    """Of this package, where the driver is."""


def for_workers(options: Options) -> Options:
    """Return options as workers take them, which may be at work in another directory."""
    return replace(
        options,
        source=None,
        dask=None,
        raw_dirs=tuple(path.absolute() for path in options.raw_dirs),
        cookies=options.cookies and options.cookies.absolute(),
        ffmpeg=options.ffmpeg and options.ffmpeg.absolute(),
        yt_dlp=options.yt_dlp and options.yt_dlp.absolute(),
        face_model=options.face_model and options.face_model.absolute(),
    )


def stated_work(work: VideoJob) -> Told:
    """Return what is to be done for a video, as JSON takes it."""
    return asdict(work)


def work_of(told: Mapping[str, Any]) -> VideoJob:
    """Return what is to be done, of what was told."""
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
    """Return an event, of what it has stated."""
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
    return [*known.raws.get(work.youtube_id, []), *clips, *failures]


def stated_failure(failure: Failure | None) -> list[str] | None:
    """Return a failure, as JSON takes it."""
    return None if failure is None else [failure.reason.value, failure.words]


def failure_of(told: list[str] | None) -> Failure | None:
    """Return a failure, of what was told."""
    return None if told is None else Failure(Reason(told[0]), told[1])
