"""The partial source videos of a directory, by its journal alone: which exist, and what they cover."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.fetch import AFTER, BEFORE, Fetch
from hdtf_async.core.model import Audio, Resolution
from hdtf_async.media import sections
from hdtf_async.output import atomic
from hdtf_async.output.journal import SOURCE_VIDEOS
from hdtf_async.output.partials import AUDIO, VIDEO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Interval
    from hdtf_async.core.options import Options
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.output.journal import JournalIndex


def of_video(index: JournalIndex, youtube_id: str, kind: str, requested: Resolution) -> list[Record]:
    """Return the records of all existing partial files of the newest format, the newest first."""
    found = [
        record
        for record in reversed(index.source_videos.get(youtube_id, []))
        if _is_valid(record) and record["kind"] == kind and _exists(index, record)
    ]
    return [
        record
        for record in found
        if record["of"] == found[0]["of"]
        and (record["resolution"] == requested or Resolution.BEST not in (record["resolution"], requested))
    ]


def covering(records: Sequence[Record], interval: Interval) -> Record | None:
    """Return the record of a partial file that covers an interval."""
    for record in records:
        start, end = record["covers"]
        if sections.covers(start, end, interval):
            return record
    return None


def uncovered(index: JournalIndex, job: VideoJob, options: Options) -> list[Interval]:
    """Return the intervals of a video's clips for which a partial file, of video or audio, is missing."""
    kinds = (VIDEO,) if options.audio is Audio.NONE else (VIDEO, AUDIO)
    by_kind = [of_video(index, job.youtube_id, kind, options.resolution) for kind in kinds]
    return [
        clip.interval
        for clip in job.clips
        if not all(covering(records, clip.interval) for records in by_kind)
    ]


def cover_all(index: JournalIndex, job: VideoJob, options: Options) -> bool:
    """Whether partial files exist for all clips of a video, and may be used."""
    return job.fetch is not Fetch.WHOLE and not uncovered(index, job, options)


def least_bytes(index: JournalIndex, job: VideoJob, options: Options) -> int:
    """Return a lower bound of the bytes to download for a video, besides its existing partial files."""
    return job.least_bytes_of(job.fetch, seconds_there(index, job, options))


def seconds_there(index: JournalIndex, job: VideoJob, options: Options) -> list[tuple[float, float]]:
    """Return which seconds of a video are in partial files."""
    there = []
    for record in of_video(index, job.youtube_id, VIDEO, options.resolution):
        start, end = record["covers"]
        behind = job.last_second if end is None else end + AFTER
        there.append((max(0.0, start - BEFORE), max(0.0, behind)))
    return there


def _exists(index: JournalIndex, record: Record) -> bool:
    return atomic.has_size(f"{index.out}/{SOURCE_VIDEOS}/{record['file']}", record["bytes"])


def _is_valid(record: Record) -> bool:
    """Whether a record is that of a partial file; the journal may be from anyone."""
    match record:
        case {
            "type": "section",
            "kind": str(),
            "covers": [int() | float(), int() | float() | None],
            "segments": [int(first), int(behind)],
            "of": {"index": str()},
            "resolution": str(),
        }:
            return record["file"].endswith(".part") and 0 <= first < behind
    return False
