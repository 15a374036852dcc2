"""Source videos made of partial files: probe each file, and decide whether it can be used."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.lanes.source_videos import SourceVideo
from hdtf_async.media import sections
from hdtf_async.media.sections import SegmentRange
from hdtf_async.media.segment_index import MoreBytesNeededError, UnusableIndexError, read_index
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.youtube.tracks import Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Clip
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.media.probe import Prober
    from hdtf_async.media.segment_index import SegmentIndex

FIRST_REQUEST = 1 << 16
"""Bytes that usually contain the index of a file."""


class SectionsRefusedError(Exception):
    """Why the whole file is fetched instead."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of consecutive segments."""

    run: SegmentRange
    path: Path
    record: Record | None = field(compare=False)
    """Its record; None if it is new."""


async def joined_video(
    prober: Prober,
    job: VideoJob,
    video: Iterable[tuple[Piece, tuple[Clip, ...]]] | None,
    audio: Iterable[tuple[Piece, tuple[Clip, ...]]] | None,
) -> SourceVideo:
    """Probe partial files; return them as one source video. Raises `SectionsRefusedError`."""
    of_clip: dict[str, SourceVideo] = {}
    for piece, clips in video or ():
        of_clip |= await _video_of(prober, piece, clips)
    for piece, clips in audio or ():
        container = container_of(piece.path)
        try:
            facts = await prober.sound(piece.path, container=container)
        except Failure as failure:
            raise _unread(failure) from failure
        index = await _own_index(piece)
        if why := sections.why_not_audio(index, SegmentRange(0, index.count), facts):
            raise SectionsRefusedError(why)
        record = piece.record or {}
        for clip in clips:
            of_clip[clip.stem] = replace(
                of_clip[clip.stem],
                audio=piece.path,
                audio_container=container,
                audio_suspect=facts.suspect,
                audio_format_id=record.get("format_id"),
                track=Track.from_json(record.get("audio")),
            )
    return replace(of_clip[job.clips[0].stem], pieces=of_clip)


async def _video_of(prober: Prober, piece: Piece, clips: Sequence[Clip]) -> dict[str, SourceVideo]:
    container, record = container_of(piece.path), piece.record or {}
    intervals = [clip.interval for clip in clips]
    untimed = [replace(interval, rate=None) for interval in intervals]
    try:
        facts = await prober.facts(piece.path, container=container, intervals=[*intervals, *untimed])
    except Failure as failure:
        raise _unread(failure) from failure
    index, shown = await _own_index(piece), facts.shown[: len(clips)]
    both = zip(shown, facts.shown[len(clips) :], strict=True)
    if why := sections.why_not(index, SegmentRange(0, index.count), facts, both, record.get("fps")):
        raise SectionsRefusedError(why)
    ratio = record.get("stretched_ratio")
    part = SourceVideo(
        piece.path,
        container,
        # Its header states the duration of the whole video.
        replace(facts, promised=0.0, shown=shown),
        dict(zip([clip.stem for clip in clips], shown, strict=True)),
        record.get("format_id"),
        record.get("yt_dlp"),
        track=Track.from_json(record.get("audio")),
        stretched_ratio=ratio if isinstance(ratio, float) else None,
        partial=True,
    )
    return {clip.stem: part for clip in clips}


async def _own_index(piece: Piece) -> SegmentIndex:
    """Return the index of a partial file itself."""
    container = container_of(piece.path)

    def read() -> SegmentIndex:
        size = piece.path.stat().st_size
        wanted = FIRST_REQUEST
        with piece.path.open("rb") as file:
            while True:
                file.seek(0)
                try:
                    return read_index(file.read(wanted), "webm" if "web" in container else "mp4", size)
                except MoreBytesNeededError as more:
                    wanted = max(wanted + FIRST_REQUEST, more.size)

    try:
        with os_errors_as_failures(piece.path):
            return await run_sync(read)
    except UnusableIndexError as why:
        raise SectionsRefusedError(f"{piece.path.name}: {why}") from None


def container_of(path: Path) -> str:
    """Return the extension of a source video, whole or partial, which selects its demuxer."""
    return path.name.removesuffix(".part").rpartition(".")[2].lower()


def _unread(failure: Failure) -> SectionsRefusedError | Failure:
    """Return why a partial file is not used, unless the file is not the cause."""
    if failure.reason in {Reason.RAW_UNREADABLE, Reason.TIMED_OUT}:
        return SectionsRefusedError(failure.words)
    return failure
