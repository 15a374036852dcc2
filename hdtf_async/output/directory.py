"""The output directory: lock, temporary names, publishing, and the manifests derived from the journal.

Two rules apply to everything here. *Durable first, referenced after*: a file is written under a temporary
name in its own directory, verified, synced, renamed, the directory synced, and only then recorded in the
journal. (A source video is recorded right before the rename: nothing else would identify a file without a
record, and a record without its file is ignored.) *One appended file*: ``_journal.jsonl`` is the only file
that grows; ``metadata.jsonl`` and ``failures.jsonl`` are derived from it (see `manifests`).

A clip without a record is created again, and a record without its clip is ignored.

Shards of one run share a directory: each appends to its own journal, holds the lock of that, and shares the
directory's own lock with the others. A run without shards holds the directory's lock exclusively.
"""

from __future__ import annotations

import os
import shutil
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import aiofiles
import anyio
from anyio.to_thread import run_sync

from hdtf_async.core import descriptors, os_errors
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.divisions import goes_on
from hdtf_async.core.exceptions import StoreError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.jsonlines import records
from hdtf_async.core.shards import Merged
from hdtf_async.core.steps import steps
from hdtf_async.output import atomic, leftovers, manifests, partials, video_journal
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.journal import (
    JOURNAL,
    SOURCE_VIDEOS,
    Journal,
    JournalIndex,
    journals,
    merged_by_time,
    name_of,
    parts,
    read,
    shard_of,
    time_of,
)  # fmt: skip
from hdtf_async.output.locks import (
    acquire,
    as_store_error,
    is_locked,
    require_no_workers,
    require_one_division,
    whoami,
)
from hdtf_async.output.manifests import failure_record, outstanding_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
    from pathlib import Path

    from hdtf_async.core.divisions import Request
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Clip, Tables, Video
    from hdtf_async.core.shards import Shard
    from hdtf_async.output.journal import Ledger


class OutputDirectory:
    """An output directory whose lock this run holds; created by `open_directory`."""

    def __init__(
        self, out: Path, locks: tuple[int, ...], journal: Ledger, shard: Shard | None = None
    ) -> None:
        self.out = out
        self.locks = locks
        """Descriptors of the locked journals; children inherit them, so that the locks are held as long as
        any of them may still write."""
        self.shard = shard
        """The part of the videos that this run processes; None for all."""
        self.known = journal.known
        self.others: tuple[Record, ...] = ()
        """Clips in the previous manifests that were not attempted, and are not part of this run."""
        self.whole: tuple[Clip, ...] = ()
        """Clips of a shard and of all its neighbours."""
        self._journal = journal

    @property
    def source_videos_path(self) -> Path:
        """The directory of the source videos."""
        return self.out / SOURCE_VIDEOS

    def clip_path(self, clip: Clip) -> Path:
        """Return the final path of a clip."""
        return self.out / f"{clip.stem}.mp4"

    def wav_path(self, clip: Clip) -> Path:
        """Return the final path of the WAV file of a clip."""
        return self.out / f"{clip.stem}.wav"

    def source_video_path(self, video: Video, ending: str) -> Path:
        """Return the final path of a source video with the given file extension (without the dot)."""
        return self.source_videos_path / f"{video.stem}.{ending}"

    def log_path(self, video: Video) -> Path:
        """Return the path of a video's download log."""
        return self.source_videos_path / f"{video.stem}_download_log.txt"

    def temporary(self, final: Path) -> Path:
        """Create an empty temporary file in which `final` is written before it is complete.

        Blocks. Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        with os_errors_as_failures(final):
            return atomic.created(final)

    @asynccontextmanager
    async def private_directory(self, video: Video) -> AsyncIterator[Path]:
        """Provide a private directory for a video's download, mode 0700.

        Afterwards it is removed, unless another attempt can resume the download (see `partials`). Raises
        `Failure` with ``disk_full`` or ``not_writable``.
        """
        # An extension that no file has: a video may be named like the source video of another one, extension
        # included.
        path = self.source_videos_path / f"{video.stem}.download"
        with os_errors_as_failures(path):
            path = await run_sync(atomic.own_directory, path)
        try:
            yield path
        finally:
            with anyio.CancelScope(shield=True), os_errors_as_failures(path):
                await run_sync(partials.tidy, path)

    async def publish(self, temporary: Path, final: Path) -> None:
        """Sync a finished file, rename it to its final name and sync the directory.

        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        # Shielded: it is short, and no unawaited thread may rename a file.
        with anyio.CancelScope(shield=True), os_errors_as_failures(final):
            before = self.known.clips.get(final.stem) if final.parent == self.out else None
            if before is not None and atomic.has_size(str(temporary), ClipRecord.of(before).bytes):
                # A record identifies a file by its size alone, so the old record would match the new file.
                await self._journal.append([{"type": "replacing", "clip": final.stem}])
            await run_sync(atomic.publish, temporary, final)

    async def publish_beside(self, temporary: Path | None, clip: Clip) -> None:
        """Publish the WAV file of a clip, before the clip itself; None removes an existing one.

        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        final = self.wav_path(clip)
        with anyio.CancelScope(shield=True), os_errors_as_failures(final):
            if clip.stem not in self.known.with_wav and temporary is None:
                return
            if clip.stem in self.known.clips:
                # Its record would match audio with other settings.
                await self._journal.append([{"type": "replacing", "clip": clip.stem}])
            if temporary is None:
                await anyio.Path(final).unlink(missing_ok=True)
            else:
                await run_sync(atomic.publish, temporary, final)

    async def link(self, existing: Path, final: Path) -> None:
        """Give a source video a second name: a hard link, or a copy if links are not supported.

        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        with anyio.CancelScope(shield=True), os_errors_as_failures(final):
            await run_sync(atomic.link, existing, final)

    async def remove(self, path: Path) -> None:
        """Remove a file if it exists. Raises `Failure` with ``not_writable``."""
        with anyio.CancelScope(shield=True), os_errors_as_failures(path):
            await anyio.Path(path).unlink(missing_ok=True)

    async def size(self, path: Path) -> int:
        """Return the size of a file in bytes. Raises `Failure` with ``not_writable``."""
        with os_errors_as_failures(path):
            return (await anyio.Path(path).stat()).st_size

    async def sha256(self, path: Path) -> str:
        """Return the sha256 of a file's content. Raises `Failure` with ``not_writable``."""
        with os_errors_as_failures(path):
            return await run_sync(atomic.sha256, path, abandon_on_cancel=True)

    async def append(self, *records: Record) -> None:
        """Append records to the journal and return when they are durable.

        Raises `Failure` with ``disk_full`` or ``not_writable``; the journal is then unchanged.
        """
        with anyio.CancelScope(shield=True), os_errors_as_failures(self.out / name_of(self.shard)):
            await self._journal.append(records)

    def note(self, record: Record) -> None:
        """Append a record together with the next ones; a run that is killed may lose it."""
        self._journal.note(record)

    async def log(self, video: Video, text: str) -> None:
        """Append to a video's download log. Raises `Failure` with ``disk_full`` or ``not_writable``."""
        path = self.log_path(video)
        with anyio.CancelScope(shield=True), os_errors_as_failures(path):
            async with aiofiles.open(
                path, "a", encoding="utf-8", errors="backslashreplace", opener=atomic.opened
            ) as log:
                await log.write(text)

    async def write_manifests(
        self,
        not_tried: Iterable[Clip] = (),
        stale: Mapping[str, object] | None = None,
        patience: float = manifests.PATIENCE,
    ) -> None:
        """Rewrite ``metadata.jsonl`` and ``failures.jsonl`` from the index and the existing files.

        A shard derives them from all journals and the clips in `whole`, and its own clips without a record
        are recorded as not attempted. Otherwise clips of this run with neither a record nor a failure are
        listed as not attempted, with `others`, and a clip that still has its fingerprint in `stale` has other
        settings than its neighbours, and is not listed. If cancelled, this ends soon and the manifests are
        unchanged. Raises `Failure` with ``disk_full`` or ``not_writable``, and for a shard as
        `manifests.merge` does.
        """
        if self.shard is not None:
            left = [clip for clip in not_tried if clip.stem not in self.known.failures]
            left = await run_sync(
                lambda: [clip for clip in steps(left) if not self.known.existing_clip(clip.stem)]
            )
            if left:
                turn = Failure(Reason.NOT_TRIED)
                await self.append(*(failure_record(clip, turn) for clip in left))
            waiting: dict[str, Clip | Record] = {each["clip"]: each for each in self.others}
            whole = await run_sync(lambda: {clip.stem: clip for clip in steps(self.whole)})
            await manifests.merge(self.out, {**waiting, **whole}, patience=patience)
            return
        await run_sync(self._write_manifests, self.known.snapshot(), tuple(not_tried), stale or {})

    async def not_tried(self) -> tuple[Record, ...]:
        """Return the clips in the previous manifests that were not attempted. Raises `Failure`."""
        return tuple(await run_sync(lambda: [*manifests.not_tried(self.out)]))

    async def has_done(self, request: Request) -> bool:
        """Whether a run with the same journal and request has ended. Raises `Failure`."""
        path = self.out / name_of(self.shard)
        with os_errors_as_failures(path):
            found = await run_sync(parts, path)
        return any(part.request == request and part.ended for part in found)

    async def absent(self) -> tuple[Shard, ...]:
        """Return the shards that have not started, if no started one is still active.

        Raises `Failure`.
        """

        def others_go_on() -> bool:
            others = (path for path in journals(self.out)[1:] if path.name != name_of(self.shard))
            return any(is_locked(path) and goes_on(parts(path)) for path in others)

        with os_errors_as_failures(self.out):
            if await run_sync(others_go_on):
                return ()
        return (await run_sync(outstanding_in, self.out)).absent

    async def deliver(self) -> None:
        """Upload the manifests, in an object store; nothing to do in a directory. Raises `Failure`."""

    async def replace(self, name: str, content: bytes) -> None:
        """Rewrite a file of the directory atomically. Raises `Failure`: ``disk_full``, ``not_writable``."""
        with anyio.CancelScope(shield=True), os_errors_as_failures(self.out / name):
            await run_sync(atomic.replace, self.out / name, [content])

    def free_bytes(self) -> int:
        """Return the free bytes on the disk of the source videos. Raises `Failure` with ``not_writable``."""
        with os_errors_as_failures(self.source_videos_path):
            return shutil.disk_usage(self.source_videos_path).free

    def _write_manifests(
        self, known: JournalIndex, not_tried: tuple[Clip, ...], stale: Mapping[str, object]
    ) -> None:
        clips = known.existing_clips()
        there = {
            stem
            for stem in steps(clips)
            if stem not in stale or ClipRecord.of(clips[stem]).fingerprint != stale[stem]
        }
        waiting = {each["clip"]: each for each in self.others} | {
            clip.stem: clip for clip in steps(not_tried)
        }
        left = outstanding_in(self.out) if journals(self.out)[1:] else None
        manifests.write(known, clips, there, waiting, left)


@asynccontextmanager
async def open_directory(
    out: Path,
    shard: Shard | None = None,
    tables: Tables | None = None,
    made: type[OutputDirectory] = OutputDirectory,
) -> AsyncIterator[OutputDirectory]:
    """Open an output directory, creating it if needed, and hold its lock, or that of a shard.

    Leftovers of an interrupted run (temporary names, an incomplete last line) are removed; by a shard only
    those of its own part of all `tables`. Raises `StoreError` if the directory cannot be used, `BusyError` if
    another run holds it.
    """
    async with _in_common(out, alone=shard is None) as whole, AsyncExitStack() as stack:
        locks: tuple[int, ...] = (whole,)
        if shard is not None:
            with as_store_error(out):
                own = await run_sync(_open, out / name_of(shard))
            stack.callback(descriptors.close, own)
            await acquire(own, out, out / name_of(shard))
            with as_store_error(out):
                await run_sync(require_one_division, out, shard)
            locks = (own, whole)
        with as_store_error(out):
            known, newest = await run_sync(_read_and_tidy, out, locks[0], shard, tables)
        async with aiofiles.open(locks[0], "ab", buffering=0, closefd=False) as journal:
            ledger = Journal(journal, known, newest)
            await video_journal.add_left(out, ledger.append, alone=shard is None)
            yield made(out, locks, ledger, shard)


@asynccontextmanager
async def _in_common(out: Path, *, alone: bool) -> AsyncIterator[int]:
    """Hold the directory's own lock, exclusively or shared with other shards; yield its descriptor."""
    with as_store_error(out):
        lock = await run_sync(_create, out)
    try:
        with as_store_error(out):
            told_by = await run_sync(journals, out)
        await acquire(lock, out, *told_by, alone=alone)
        if alone:
            await require_no_workers(out)
        yield lock
    finally:
        descriptors.close(lock)


async def merge_journals(out: Path) -> Merged:
    """Write the manifests from all journals of a directory, and return their totals.

    Raises `StoreError` if the directory cannot be used, `BusyError` if a run holds it exclusively, and
    `Failure` with ``disk_full``, ``not_writable`` or ``manifests_locked``.
    """
    with as_store_error(out):
        there = await run_sync(lambda: any(path.is_file() for path in journals(out)))
    if not there:
        raise StoreError(f"{out} has no journal: expected the output directory of a run")
    async with _in_common(out, alone=False):
        left = await run_sync(outstanding_in, out)
        await manifests.merge(out, None, left)
        return Merged(*await run_sync(manifests.count, out), len(left.unended), left.absent)


def read_known(out: Path) -> JournalIndex:
    """Return the index of a directory's journal, without a lock and without changing anything.

    Raises `StoreError` if it exists and cannot be read.
    """
    known = JournalIndex(out)
    try:
        for record in steps(merged_by_time([read(path) for path in journals(out)])):
            known.add(record)
    except OSError as error:
        raise StoreError(f"cannot read {error.filename}: {os_errors.message_of(error)}") from None
    return known


def _create(out: Path) -> int:
    """Create the directory and its journal, if missing, and return the journal's descriptor."""
    raws, journal = out / SOURCE_VIDEOS, out / JOURNAL
    with suppress(FileNotFoundError, NotADirectoryError):
        # Longer than any later path, so that a path that is too long is detected before the run starts.
        os.stat(raws.absolute() / ("x" * 100) / ("x" * 100))  # noqa: PTH116 - pathlib may hide the error
    atomic.make_directory(raws)
    atomic.require_trusted(raws)
    if journal.exists() and not journal.is_file():
        raise StoreError(f"{journal} is not a regular file: choose another --out")
    return _open(journal)


def _open(journal: Path) -> int:
    return atomic.opened(journal, os.O_RDWR | os.O_CREAT | os.O_APPEND)


def _read_and_tidy(
    out: Path, lock: int, shard: Shard | None, tables: Tables | None
) -> tuple[JournalIndex, str]:
    """Read the journals, repair and sync this run's own, and remove temporary files.

    Returns the index, limited to a shard's own videos, and the time of the newest record. An incomplete last
    line is removed.
    """
    known, whole, newest = JournalIndex(out), 0, ""

    def own() -> Iterator[Record]:
        nonlocal whole
        with os.fdopen(os.dup(lock), "rb") as journal:
            journal.seek(0)
            for record, end in records(journal):
                whole = end
                yield record

    others = [path for path in journals(out) if path.name != name_of(shard)]
    if shard is not None:  # its neighbours have other videos
        others = [path for path in others if not _are_neighbours(path, shard)]
    for path in others:
        with suppress(FileNotFoundError), atomic.reader(path) as journal:
            atomic.sync(journal.fileno())
    for record in steps(own() if not others else merged_by_time([own(), *map(read, others)])):
        newest = max(newest, time_of(record))
        if shard is None or _is_of(record, shard):
            known.add(record)
    if whole < os.fstat(lock).st_size:  # otherwise truncating would only change its date
        os.ftruncate(lock, whole)
    # Later records depend on what was read, which may not have been synced if its writer was killed; what was
    # truncated could be mixed with later writes.
    atomic.sync(lock)
    leftovers.remove(out, shard, tables)
    for directory in (out, out / SOURCE_VIDEOS):
        atomic.sync_directory(directory)  # later records depend on the names found there, too
    return known, newest


def _are_neighbours(journal: Path, shard: Shard) -> bool:
    other = shard_of(journal.name)
    return other is not None and other.count == shard.count


def _is_of(record: Record, shard: Shard) -> bool:
    """Whether a record may be about a shard's own videos."""
    about = record["metadata"] if isinstance(record.get("metadata"), dict) else record
    youtube_id = about.get("youtube_id")
    return not isinstance(youtube_id, str) or shard.owns(youtube_id)


def run_record(**more: object) -> Record:
    """Return the journal's record of a run that starts."""
    return {"type": "run", **whoami(), **more}
