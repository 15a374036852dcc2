"""Partial source videos: only the segments that clips need; consecutive segments are one file.

Such a file is named ``{video}.{first}-{behind}.{ext}.part`` after its segments, so that no version of this
program, and no user, takes it for a whole video, and its journal record (``section``) has the intervals that
it covers. A clip is cut from the one file that contains all of its segments. What a later run needs in
addition is fetched alone; files that are then adjacent are joined.

Whenever a part might give another clip than the whole file, `SectionsRefusedError` says why, and the caller
fetches the whole file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.fetch import Fetch
from hdtf_async.core.model import Audio
from hdtf_async.core.text import format_bytes
from hdtf_async.lanes import existing_parts, section_files
from hdtf_async.lanes.partial_videos import FIRST_REQUEST, Piece, SectionsRefusedError, joined_video
from hdtf_async.media import sections
from hdtf_async.media.sections import SegmentRange
from hdtf_async.media.segment_index import MoreBytesNeededError, UnusableIndexError, read_index
from hdtf_async.output import partial_ranges
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.partials import AUDIO, VIDEO
from hdtf_async.youtube.ranges import accepts_ranges

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Clip
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.context import RunContext
    from hdtf_async.lanes.source_videos import SourceVideo
    from hdtf_async.media.probe import Prober
    from hdtf_async.media.segment_index import SegmentIndex
    from hdtf_async.youtube.formats import Choice, Format

    Ranges = Sequence[tuple[int, int]]
    Fetcher = Callable[[Format, Path, Ranges], Awaitable[None]]
    """Downloads byte ranges of a format, joined to one file."""

ADVANCE = 100
"""An attempt that downloads at least this part of a file (a hundredth) does not count as failed."""
REJECTED_IN_A_ROW = 3
"""Consecutive videos of which ranges were rejected, from which on only whole videos are downloaded."""
_MOST_CONTINUED = 4
"""Number of times that a download goes on in one attempt, after a connection was lost."""
_MOST_REQUESTS = 4
"""Number of requests for an index: header, index, and some elements with wrong lengths."""


@dataclass(frozen=True, slots=True)
class _Offered:
    """A file on YouTube, with its index."""

    kind: str
    fmt: Format
    index: SegmentIndex


@dataclass(frozen=True, slots=True)
class _Source:
    """A video that is being downloaded."""

    job: VideoJob
    place: Path
    """Directory for everything that is downloaded of it."""
    fetch: Fetcher


@dataclass(frozen=True, slots=True)
class Fetched:
    """The partial files of one format for the clips of a video."""

    kind: str
    fmt: Format
    index: SegmentIndex
    pieces: tuple[Piece, ...]
    """Those that clips are cut from."""
    new: Mapping[Piece, int]
    """How many bytes of each new one were downloaded, and not copied from existing ones."""
    replaced: tuple[str, ...] = ()
    """Names of existing files that are part of new ones."""

    @property
    def summary(self) -> str:
        """Which segments of how many, and how much of them did not exist."""
        segments = " ".join(f"{run.first}-{run.behind}" for run in sorted(piece.run for piece in self.pieces))
        new = format_bytes(sum(self.new.values()))
        return f"format {self.fmt.format_id}, segments {segments} of {self.index.count}, {new} of them new"


class Sections:
    """Fetches partial source videos, and finds those that exist."""

    def __init__(self, run: RunContext, prober: Prober) -> None:
        self._options = run.options
        self._store = run.directory
        self._prober = prober
        self._whole_only: set[str] = set()
        """Videos of which a part was of no use in this run."""
        self._rejecting = set[str]()
        """Consecutive videos of which ranges were rejected."""
        self._received = Counter[str]()
        """Bytes that this run has downloaded of parts of each video, those of failed attempts included."""

    def never(self, youtube_id: str) -> None:
        """Fetch only the whole file of a video from now on."""
        self._whole_only.add(youtube_id)

    def are_wanted(self, job: VideoJob, duration: float | None) -> bool:
        """Whether it is worth looking at the index of a video, by its duration in seconds."""
        if not self._are_allowed(job):
            return False
        if job.fetch is Fetch.SECTIONS or duration is None:
            return True
        lacking = existing_parts.uncovered(self._store.known, job, self._options)
        return sections.is_worth_it(sections.seconds_needed(lacking, duration), duration)

    def _are_allowed(self, job: VideoJob) -> bool:
        return job.fetch is not Fetch.WHOLE and job.youtube_id not in self._whole_only

    def received(self, job: VideoJob) -> int:
        """Return how many bytes of parts this run has downloaded since it was last asked."""
        return self._received.pop(job.youtube_id, 0)

    # What exists

    def seem_to_exist(self, job: VideoJob) -> bool:
        """Whether partial files for all clips of a video seem to exist, by the journal alone."""
        return self._are_allowed(job) and existing_parts.cover_all(self._store.known, job, self._options)

    async def existing(self, job: VideoJob) -> SourceVideo | None:
        """Return a source video of existing partial files, if all clips can be cut from them."""
        if not self.seem_to_exist(job):
            return None
        try:
            video = await self._existing_pieces(job, VIDEO)
            audio = None if self._options.audio is Audio.NONE else await self._existing_pieces(job, AUDIO)
            return await joined_video(self._prober, job, video, audio)
        except SectionsRefusedError as refused:
            await self._store.log(job.videos[0], f"existing partial files are not used: {refused}\n")
        return None

    async def _existing_pieces(self, job: VideoJob, kind: str) -> list[tuple[Piece, tuple[Clip, ...]]]:
        clips_of: dict[str, list[Clip]] = {}
        records: dict[str, Record] = {}
        found = self._records(job, kind)
        for clip in job.clips:
            record = existing_parts.covering(found, clip.interval)
            if record is None:
                raise SectionsRefusedError("a file is missing")
            records[record["file"]] = record
            clips_of.setdefault(record["file"], []).append(clip)
        return [
            (
                Piece(SegmentRange(*record["segments"]), self._store.source_videos_path / name, record),
                tuple(clips_of[name]),
            )
            for name, record in records.items()
        ]

    def _records(self, job: VideoJob, kind: str) -> list[Record]:
        return existing_parts.of_video(self._store.known, job.youtube_id, kind, self._options.resolution)

    # What is fetched

    async def fetch(
        self,
        job: VideoJob,
        info: Mapping[str, Any],
        selected: Mapping[str, Format],
        directory: Path,
        fetch: Fetcher,
    ) -> tuple[Fetched, ...]:
        """Fetch the segments that are missing for the clips of a video, to a private directory.

        `selected` has the formats by kind. Raises `SectionsRefusedError` if the whole files have to be
        fetched, and `Failure` as a download does.
        """
        for fmt in selected.values():
            if not accepts_ranges(info, fmt.format_id) or fmt.size is None:
                raise SectionsRefusedError(f"format {fmt.format_id} is not one file of a known size")
            if fmt.acodec is not None and fmt.vcodec is not None:
                raise SectionsRefusedError(f"format {fmt.format_id} has video and audio in one file")
        if len(self._rejecting) >= REJECTED_IN_A_ROW and job.youtube_id not in self._rejecting:
            raise SectionsRefusedError(f"byte ranges were rejected for {REJECTED_IN_A_ROW} videos in a row")
        source = _Source(job, directory / partial_ranges.DIRECTORY, fetch)
        with os_errors_as_failures(directory):
            await run_sync(partial_ranges.prepare, source.place)
        try:
            indexes = {kind: await self._index(kind, fmt, source) for kind, fmt in selected.items()}
            self._require_saving(job, indexes)
            found = [
                await self._pieces(_Offered(kind, selected[kind], index), source)
                for kind, index in indexes.items()
            ]
        except UnusableIndexError as why:
            raise SectionsRefusedError(str(why)) from None
        except Failure as failure:
            if _is_unexpected(failure):
                self._rejecting.add(job.youtube_id)
                message = failure.words.partition("\n")[0]
                raise SectionsRefusedError(f"a byte range was not answered as expected: {message}") from None
            if failure.reason in {Reason.FORBIDDEN, Reason.UNKNOWN} and not failure.advanced:
                self._rejecting.add(job.youtube_id)
                self.never(job.youtube_id)  # the next attempt does not depend on ranges
            raise
        self._rejecting.clear()
        return tuple(found)

    def _require_saving(self, job: VideoJob, indexes: Mapping[str, SegmentIndex]) -> None:
        intervals = [clip.interval for clip in job.clips]
        needed = sum(
            sections.bytes_of(
                index,
                sections.without(
                    sections.runs_of(index, intervals),
                    [piece.run for piece in self._there(job, kind, index)],
                ),
            )
            for kind, index in indexes.items()
        )
        whole = sum(index.size for index in indexes.values())
        if job.fetch is Fetch.AUTO and not sections.is_worth_it(needed, whole):
            raise SectionsRefusedError(f"the clips need {needed / 1e6:.1f} of {whole / 1e6:.1f} MB")

    async def _index(self, kind: str, fmt: Format, source: _Source) -> SegmentIndex:
        size, beginning = fmt.size or 0, b""
        container = "webm" if fmt.ext == "webm" else "mp4"
        wanted = min(size, FIRST_REQUEST)
        for number in range(_MOST_REQUESTS):
            path = source.place / f"{kind}-index{number}.{fmt.ext}"
            await source.fetch(fmt, path, [(len(beginning), wanted)])
            with os_errors_as_failures(source.place):
                arrived = await anyio.Path(path).read_bytes()
            self._received[source.job.youtube_id] += len(arrived)
            beginning += arrived
            try:
                # In a thread: a long index takes some milliseconds.
                return await run_sync(read_index, beginning, container, size)
            except MoreBytesNeededError as more:
                wanted = min(size, more.size + FIRST_REQUEST)
        raise UnusableIndexError("the index is in too many parts")

    def _there(self, job: VideoJob, kind: str, index: SegmentIndex) -> list[Piece]:
        """Return the existing partial files of the same file on YouTube."""
        return [
            Piece(SegmentRange(*record["segments"]), self._store.source_videos_path / record["file"], record)
            for record in self._records(job, kind)
            if record["of"]["index"] == digest(index)
        ]

    async def _pieces(self, offered: _Offered, source: _Source) -> Fetched:
        job, place, kind, fmt, index = source.job, source.place, offered.kind, offered.fmt, offered.index
        there = self._there(job, kind, index)
        needed = [sections.run_of(index, clip.interval) for clip in job.clips]
        lacking = [
            sections.widened(index, run)
            for run in needed
            if not any(piece.run.contains(run) for piece in there)
        ]
        new = [
            run
            for run in sections.joined([*lacking, *(piece.run for piece in there)])
            if any(run.contains(each) for each in lacking)
        ]
        missing = sections.without(new, [piece.run for piece in there])
        places = section_files.in_pieces(index, there) | await self._downloaded(offered, source, missing)
        pieces = [piece for piece in there if any(piece.run.contains(run) for run in needed)]
        fetched: dict[Piece, int] = {}
        for run in new:
            path = place / f"{kind}-{run.first}-{run.behind}.{fmt.ext}"
            with os_errors_as_failures(place):
                await run_sync(section_files.assemble, path, index, run, places)
            pieces.append(Piece(run, path, None))
            fetched[pieces[-1]] = sections.bytes_of(index, (each for each in missing if run.contains(each)))
        inside = [each for each in there if any(run.contains(each.run) for run in new)]
        used = tuple(piece for piece in pieces if piece not in inside)
        return Fetched(kind, fmt, index, used, fetched, tuple(each.path.name for each in inside))

    async def _downloaded(
        self, offered: _Offered, source: _Source, missing: Sequence[SegmentRange]
    ) -> section_files.Places:
        """Download segments, except for those that interrupted attempts have left; return where they are."""
        index = offered.index
        of = f"{source.job.youtube_id} {offered.fmt.format_id} {digest(index)}"
        left = _MOST_CONTINUED
        while True:
            with os_errors_as_failures(source.place):
                stretches = await run_sync(partial_ranges.arrived, source.place, of)
                places = await run_sync(section_files.in_stretches, index, stretches)
            runs = sections.without(missing, [SegmentRange(number, number + 1) for number in places])
            if reused := sections.count(missing) - sections.count(runs):
                message = f"{reused} segments of an interrupted download are used again\n"
                await self._store.log(source.job.videos[0], message)
            if not runs:
                return places
            before = self._received[source.job.youtube_id]
            try:
                return places | await self._requested(offered, source, of, runs)
            except Failure as failure:
                left -= 1
                # From a server that does not know ranges yt-dlp accepts nothing.
                arrived = self._received[source.job.youtube_id] > before
                if not (left and arrived and _is_unexpected(failure)):
                    raise

    async def _requested(
        self, offered: _Offered, source: _Source, of: str, runs: Sequence[SegmentRange]
    ) -> section_files.Places:
        """Download segments, and return where they are. Raises `Failure`."""
        fmt, index, youtube_id = offered.fmt, offered.index, source.job.youtube_id
        ranges, size = sections.requests(index, runs), sections.bytes_of(index, runs)
        with os_errors_as_failures(source.place):
            begin = partial(partial_ranges.begin, source.place, f"{offered.kind}.{fmt.ext}", of, ranges)
            target = await run_sync(begin)
        try:
            await source.fetch(fmt, target, ranges)
        except Failure as failure:
            with os_errors_as_failures(source.place):
                arrived = await run_sync(partial_ranges.arrived_at, target)
                whole = await run_sync(section_files.in_stretches, index, arrived)
            self._received[youtube_id] += sum(each.behind - each.first for each in arrived)
            # Part of a segment is not used again.
            used = sections.bytes_of(index, (SegmentRange(number, number + 1) for number in whole))
            failure.advanced = 0 < used >= size // ADVANCE
            raise
        self._received[youtube_id] += size
        return section_files.in_download(index, target, runs)

    async def judge(self, job: VideoJob, found: Sequence[Fetched]) -> None:
        """Raise `SectionsRefusedError` unless all clips can be cut from what was fetched."""
        await joined_video(self._prober, job, *self._by_kind(job, found))

    async def accept(
        self, job: VideoJob, found: Sequence[Fetched], choice: Choice, common: Record
    ) -> SourceVideo:
        """Rename and record what was fetched; return the source video.

        Raises `Failure`: ``disk_full``, ``not_writable``, and ``raw_unreadable`` if it cannot be used.
        """
        kept = list[Fetched]()
        for each in found:
            pieces = []
            for piece in each.pieces:
                if piece.record is not None:
                    pieces.append(piece)
                    continue
                record = await self._record(job, each, piece, choice, common)
                final = self._store.source_videos_path / record["file"]
                await self._store.append(record)
                await self._store.publish(piece.path, final)
                pieces.append(Piece(piece.run, final, record))
            for name in each.replaced:
                await self._store.remove(self._store.source_videos_path / name)
            kept.append(replace(each, pieces=tuple(pieces)))
        try:
            return await joined_video(self._prober, job, *self._by_kind(job, kept))
        except SectionsRefusedError as refused:
            self.never(job.youtube_id)
            raise Failure(Reason.RAW_UNREADABLE, str(refused)) from None

    async def _record(
        self, job: VideoJob, each: Fetched, piece: Piece, choice: Choice, common: Record
    ) -> Record:
        index, run, fmt = each.index, piece.run, each.fmt
        return {
            "type": "section",
            "kind": each.kind,
            "youtube_id": job.youtube_id,
            "file": f"{job.stem}.{run.first}-{run.behind}.{_ending(each)}.part",
            "bytes": await self._store.size(piece.path),
            "downloaded": each.new[piece],
            "format_id": fmt.format_id,
            "resolution": str(self._options.resolution),
            "covers": sections.covered(index, run),
            "segments": [run.first, run.behind],
            "of": {"bytes": index.size, "index": digest(index), "format_id": fmt.format_id},
            "fps": choice.video.fps,
            "stretched_ratio": fmt.stretched_ratio,
            **common,
        } | ({} if fmt.track is None else {"audio": fmt.track.to_json()})

    async def remove(self, job: VideoJob) -> None:
        """Remove the partial files of a video. Raises `Failure` with ``not_writable``."""
        for record in self._store.known.source_videos.get(job.youtube_id, ()):
            if record["type"] == "section":
                await self._store.remove(self._store.source_videos_path / record["file"])

    @staticmethod
    def _by_kind(
        job: VideoJob, found: Sequence[Fetched]
    ) -> list[list[tuple[Piece, tuple[Clip, ...]]] | None]:
        """Return the partial files of video and of audio, each with its clips."""
        by_kind: dict[str, list[tuple[Piece, tuple[Clip, ...]]]] = {}
        for each in found:
            clips_of: dict[Piece, list[Clip]] = {}
            for clip in job.clips:
                run = sections.run_of(each.index, clip.interval)
                piece = next(piece for piece in each.pieces if piece.run.contains(run))
                clips_of.setdefault(piece, []).append(clip)
            by_kind[each.kind] = [(piece, tuple(clips)) for piece, clips in clips_of.items()]
            by_kind[each.kind] = [
                (replace(piece, record=piece.record or {"fps": each.fmt.fps, **_of(each)}), clips)
                for piece, clips in by_kind[each.kind]
            ]
        return [by_kind.get(VIDEO), by_kind.get(AUDIO)]


def _is_unexpected(failure: Failure) -> bool:
    """Whether a server has answered a range with other bytes than requested."""
    # yt-dlp reports an answer that is longer than requested only as a missing fragment.
    longer = failure.reason is Reason.FORBIDDEN and "HTTP Error" not in failure.words
    return longer or failure.reason is Reason.RAW_TRUNCATED


def digest(index: SegmentIndex) -> str:
    """Return what identifies a file on YouTube: a hash of its header and its index."""
    content = repr((index.container, index.tick, index.offsets, index.times)).encode()
    return hashlib.sha256(b"".join((*index.head, content))).hexdigest()[:32]


def _of(each: Fetched) -> Record:
    track = {} if each.fmt.track is None else {"audio": each.fmt.track.to_json()}
    return {"format_id": each.fmt.format_id, "stretched_ratio": each.fmt.stretched_ratio, **track}


def _ending(each: Fetched) -> str:
    """Return the extension of a partial file before ``.part``: that of audio differs from that of video."""
    if each.kind == VIDEO:
        return each.fmt.ext
    return "weba" if each.fmt.ext == "webm" else "m4a"
