"""The output directory: lock, temporary names, publishing, and the views made from the journal.

Two rules hold for everything here. *Durable first, referenced after*: a file is written under a
temporary name in its own directory, checked, synced, renamed, the directory synced, and only then
does the journal speak of it. (Of a raw it speaks right before the renaming: nobody could tell later what
one without a record is, and a record without its file counts for nothing.) *One appended file*:
``_journal.jsonl`` is the only file that grows; ``metadata.jsonl`` and ``failures.jsonl`` are views of it
(see `views`).

A clip without a record is made again, and a record without its clip counts for nothing.

Shards of one run share a directory: each appends to a journal of its own, and holds the lock of that, and the
directory's own in common with the others. A run that is no shard has the directory's lock for itself.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import aiofiles
import anyio
from anyio.to_thread import run_sync

from hdtf_async.core import descriptors, os_errors
from hdtf_async.core.divisions import goes_on
from hdtf_async.core.exceptions import StoreError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.jsonlines import records
from hdtf_async.core.shards import Merged
from hdtf_async.core.steps import steps
from hdtf_async.output import atomic, manifests, partials, video_journal
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.journal import (
    JOURNAL,
    RAWS,
    Journal,
    JournalIndex,
    in_order,
    journals,
    name_of,
    parts,
    read,
    shard_of,
    time_of,
)  # fmt: skip
from hdtf_async.output.locks import (
    as_store_error,
    is_locked,
    require_no_workers,
    require_one_division,
    take,
    whoami,
)
from hdtf_async.output.manifests import failure_record, outstanding_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
    from pathlib import Path

    from hdtf_async.core.divisions import Request
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Clip, Video
    from hdtf_async.core.shards import Shard
    from hdtf_async.output.journal import Ledger


_CLIP = re.compile(r"_\d{3,}(?:_s\d{3,})?\.(?:mp4|wav)$")
"""What the name of a clip has besides that of its video."""


class OutputDirectory:
    """An output directory that this run holds the lock of. Made by `opened`."""

    def __init__(
        self, out: Path, locks: tuple[int, ...], journal: Ledger, shard: Shard | None = None
    ) -> None:
        self.out = out
        self.locks = locks
        """Descriptors of the journals that are locked; children inherit them, so that the locks live as long
        as any of them may still write."""
        self.shard = shard
        """Which part of the videos this run is about; None where the directory is its own."""
        self.known = journal.known
        self.others: tuple[Record, ...] = ()
        """What the view of before says of clips that were not tried, and of which this run is not."""
        self.whole: tuple[Clip, ...] = ()
        """Clips of a shard and of all its neighbours."""
        self._journal = journal

    @property
    def raws(self) -> Path:
        """The directory of the raws."""
        return self.out / RAWS

    def clip_path(self, clip: Clip) -> Path:
        """Return the final name of a clip."""
        return self.out / f"{clip.stem}.mp4"

    def wav_path(self, clip: Clip) -> Path:
        """Return the final name of the sound that goes with a clip."""
        return self.out / f"{clip.stem}.wav"

    def raw_path(self, video: Video, ending: str) -> Path:
        """Return the final name of a raw with the given file ending (without the dot)."""
        return self.raws / f"{video.stem}.{ending}"

    def log_path(self, video: Video) -> Path:
        """Return the name of a video's download log."""
        return self.raws / f"{video.stem}_download_log.txt"

    def temporary(self, final: Path) -> Path:
        """Make an empty file with a temporary name, in which `final` is written before it is whole.

        Blocks. Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        with os_errors_as_failures(final):
            return atomic.created(final)

    @asynccontextmanager
    async def private_directory(self, video: Video) -> AsyncIterator[Path]:
        """Give a video's download a directory of its own, mode 0700.

        Afterwards it is removed, unless another attempt can go on from what has arrived (see `partials`).
        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        # An ending that no file has: a video may be named like another one's raw, ending included.
        path = self.raws / f"{video.stem}.download"
        with os_errors_as_failures(path):
            path = await run_sync(atomic.own_directory, path)
        try:
            yield path
        finally:
            with anyio.CancelScope(shield=True), os_errors_as_failures(path):
                await run_sync(partials.tidy, path)

    async def publish(self, temporary: Path, final: Path) -> None:
        """Sync a finished file, give it its final name and sync the directory.

        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        # Shielded: it is short, and a file must not be renamed by a thread that nobody waits for.
        with anyio.CancelScope(shield=True), os_errors_as_failures(final):
            before = self.known.clips.get(final.stem) if final.parent == self.out else None
            if before is not None and atomic.has_size(str(temporary), before["metadata"].get("bytes")):
                # A record vouches for a file by its size alone, and so would the old one for the new file.
                await self._journal.append([{"type": "replacing", "clip": final.stem}])
            await run_sync(atomic.publish, temporary, final)

    async def publish_beside(self, temporary: Path | None, clip: Clip) -> None:
        """Publish the sound that goes with a clip, before the clip itself; with None remove one of ours.

        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        final = self.wav_path(clip)
        with anyio.CancelScope(shield=True), os_errors_as_failures(final):
            if clip.stem not in self.known.beside and temporary is None:
                return
            if clip.stem in self.known.clips:
                # Its record would vouch for sound of another form.
                await self._journal.append([{"type": "replacing", "clip": clip.stem}])
            if temporary is None:
                await run_sync(partial(final.unlink, missing_ok=True))
            else:
                await run_sync(atomic.publish, temporary, final)

    async def link(self, existing: Path, final: Path) -> None:
        """Let a second name stand for the same raw: a hard link, or a copy where links cannot be.

        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        with anyio.CancelScope(shield=True), os_errors_as_failures(final):
            await run_sync(atomic.link, existing, final)

    async def remove(self, path: Path) -> None:
        """Remove a file if it is there. Raises `Failure` with ``not_writable``."""
        with anyio.CancelScope(shield=True), os_errors_as_failures(path):
            await run_sync(partial(path.unlink, missing_ok=True))

    async def size(self, path: Path) -> int:
        """Return the bytes of a file. Raises `Failure` with ``not_writable`` where it cannot be looked at."""
        with os_errors_as_failures(path):
            return (await run_sync(path.stat)).st_size

    async def sha256(self, path: Path) -> str:
        """Return the hash of a file's content. Raises `Failure` with ``not_writable``."""
        with os_errors_as_failures(path):
            return await run_sync(atomic.sha256, path, abandon_on_cancel=True)

    async def append(self, *records: Record) -> None:
        """Append records to the journal and return when they are durable.

        Raises `Failure` with ``disk_full`` or ``not_writable``; the journal is then as it was.
        """
        with anyio.CancelScope(shield=True), os_errors_as_failures(self.out / name_of(self.shard)):
            await self._journal.append(records)

    def note(self, record: Record) -> None:
        """Let a record go into the journal with the next ones; it may be lost with a run that is killed."""
        self._journal.note(record)

    async def log(self, video: Video, text: str) -> None:
        """Append to a video's download log. Raises `Failure` with ``disk_full`` or ``not_writable``."""
        path = self.log_path(video)
        with anyio.CancelScope(shield=True), os_errors_as_failures(path):
            async with aiofiles.open(
                path, "a", encoding="utf-8", errors="backslashreplace", opener=atomic.opened
            ) as log:
                await log.write(text)

    async def write_views(
        self,
        not_tried: Iterable[Clip] = (),
        stale: Mapping[str, object] | None = None,
        patience: float = manifests.PATIENCE,
    ) -> None:
        """Write ``metadata.jsonl`` and ``failures.jsonl`` anew from what is known and there.

        A shard makes them from what all journals say and the clips of the `whole`, and has its own clips of
        which nothing is known recorded as not tried. Else clips of this run that have neither a record nor a
        failure are listed as not tried, with `others`, and a clip that still has the fingerprint which
        `stale` tells for it is of another form than its neighbours, and not listed.
        Where this is cancelled it ends soon, and the views are as they were. Raises `Failure` with
        ``disk_full`` or ``not_writable``, and for a shard as `views.merge` does.
        """
        if self.shard is not None:
            left = [clip for clip in not_tried if clip.stem not in self.known.failures]
            left = await run_sync(lambda: [clip for clip in steps(left) if not self.known.there(clip.stem)])
            if left:
                turn = Failure(Reason.NOT_TRIED)
                await self.append(*(failure_record(clip, turn) for clip in left))
            waiting: dict[str, Clip | Record] = {each["clip"]: each for each in self.others}
            whole = await run_sync(lambda: {clip.stem: clip for clip in steps(self.whole)})
            await manifests.merge(self.out, {**waiting, **whole}, patience=patience)
            return
        await run_sync(self._write_views, self.known.snapshot(), tuple(not_tried), stale or {})

    async def not_tried(self) -> tuple[Record, ...]:
        """Return what the view of before says of clips that were not tried. Raises `Failure`."""
        return tuple(await run_sync(lambda: [*manifests.not_tried(self.out)]))

    async def has_done(self, request: Request) -> bool:
        """Whether a run with the same journal and request has ended. Raises `Failure`."""
        path = self.out / name_of(self.shard)
        with os_errors_as_failures(path):
            told = await run_sync(parts, path)
        return any(part.request == request and part.ended for part in told)

    async def absent(self) -> tuple[Shard, ...]:
        """Return the shards that have not begun, if of those that have begun none is at work any more.

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
        """Hand the views over to whoever keeps them: here they are where they belong. Raises `Failure`."""

    async def replace(self, name: str, content: bytes) -> None:
        """Write a file of the directory anew, at once. Raises `Failure`: ``disk_full``, ``not_writable``."""
        with anyio.CancelScope(shield=True), os_errors_as_failures(self.out / name):
            await run_sync(atomic.replace, self.out / name, [content])

    def free_bytes(self) -> int:
        """Return the room left on the file system of the raws. Raises `Failure` with ``not_writable``."""
        with os_errors_as_failures(self.raws):
            return shutil.disk_usage(self.raws).free

    def _write_views(
        self, known: JournalIndex, not_tried: tuple[Clip, ...], stale: Mapping[str, object]
    ) -> None:
        clips = known.all_there()
        there = {
            stem
            for stem in steps(clips)
            if stem not in stale or clips[stem]["metadata"].get("fingerprint") != stale[stem]
        }
        waiting = {each["clip"]: each for each in self.others} | {
            clip.stem: clip for clip in steps(not_tried)
        }
        left = outstanding_in(self.out) if journals(self.out)[1:] else None
        manifests.write(known, clips, there, waiting, left)


@asynccontextmanager
async def opened(
    out: Path,
    shard: Shard | None = None,
    videos: Iterable[Video] = (),
    made: type[OutputDirectory] = OutputDirectory,
) -> AsyncIterator[OutputDirectory]:
    """Open an output directory, making it if need be, and hold its lock, or a shard's.

    What an earlier run left half-done (temporary names, a torn line) is removed; by a shard only what is of
    its own part of all `videos`. Raises `StoreError` where the directory cannot be used, `BusyError` where
    another run holds it.
    """
    async with _in_common(out, alone=shard is None) as whole, AsyncExitStack() as stack:
        locks: tuple[int, ...] = (whole,)
        if shard is not None:
            with as_store_error(out):
                own = await run_sync(_open, out / name_of(shard))
            stack.callback(descriptors.close, own)
            await take(own, out, out / name_of(shard))
            with as_store_error(out):
                await run_sync(require_one_division, out, shard)
            locks = (own, whole)
        with as_store_error(out):
            known, newest = await run_sync(_read_and_tidy, out, locks[0], shard, videos)
        async with aiofiles.open(locks[0], "ab", buffering=0, closefd=False) as journal:
            ledger = Journal(journal, known, newest)
            with as_store_error(out):
                await video_journal.add_left(out, ledger.append, alone=shard is None)
            yield made(out, locks, ledger, shard)


@asynccontextmanager
async def _in_common(out: Path, *, alone: bool) -> AsyncIterator[int]:
    """Hold the directory's own lock, alone or in common with shards; give its descriptor."""
    with as_store_error(out):
        lock = await run_sync(_create, out)
    try:
        with as_store_error(out):
            told_by = await run_sync(journals, out)
        await take(lock, out, *told_by, alone=alone)
        if alone:
            await require_no_workers(out)
        yield lock
    finally:
        descriptors.close(lock)


async def merge(out: Path) -> Merged:
    """Write the views from all journals of a directory, and return what they come to.

    Raises `StoreError` where the directory cannot be used, `BusyError` where a run has it for itself, and
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
    """Return what the journal of a directory says, without a lock and without changing anything.

    Raises `StoreError` where it is there and cannot be read.
    """
    known = JournalIndex(out)
    try:
        for record in steps(in_order([read(path) for path in journals(out)])):
            known.take(record)
    except OSError as error:
        raise StoreError(f"cannot read {error.filename}: {os_errors.told(error)}") from None
    return known


def _create(out: Path) -> int:
    """Make the directory and its journal, where they are not there, and return the journal's descriptor."""
    raws, journal = out / RAWS, out / JOURNAL
    with suppress(FileNotFoundError, NotADirectoryError):
        # Longer than any name below: one that is too long shall not be found out in the middle of a run.
        os.stat(raws.absolute() / ("x" * 100) / ("x" * 100))  # noqa: PTH116 - some versions of pathlib hide it
    atomic.make_directory(raws)
    atomic.require_trusted(raws)
    if journal.exists() and not journal.is_file():
        raise StoreError(f"{journal} is not a regular file: choose another --out")
    return _open(journal)


def _open(journal: Path) -> int:
    return atomic.opened(journal, os.O_RDWR | os.O_CREAT | os.O_APPEND)


def _read_and_tidy(
    out: Path, lock: int, shard: Shard | None, videos: Iterable[Video]
) -> tuple[JournalIndex, str]:
    """Read the journals and make the own one durable without a torn last line; remove temporary names.

    Return what is known, of a shard's own videos, and when the newest record was written.
    """
    known, whole, newest = JournalIndex(out), 0, ""

    def own() -> Iterator[Record]:
        nonlocal whole
        with os.fdopen(os.dup(lock), "rb") as journal:
            journal.seek(0)
            for record, behind in records(journal):
                whole = behind
                yield record

    others = [path for path in journals(out) if path.name != name_of(shard)]
    if shard is not None:  # its neighbours have other videos
        others = [path for path in others if not _are_neighbours(path, shard)]
    for path in others:
        with suppress(FileNotFoundError), atomic.reader(path) as journal:
            atomic.sync(journal.fileno())
    for record in steps(own() if not others else in_order([own(), *map(read, others)])):
        newest = max(newest, time_of(record))
        if shard is None or _is_of(record, shard):
            known.take(record)
    if whole < os.fstat(lock).st_size:  # else truncating would only change its date
        os.ftruncate(lock, whole)
    # What was read is built upon, and who wrote it may have been killed before syncing it; what was cut off
    # could be mixed with what follows.
    atomic.sync(lock)
    stems = None if shard is None else {video.stem for video in steps(videos) if shard.owns(video.youtube_id)}
    atomic.sweep(out, ours=lambda name: stems is None or _CLIP.sub("", name) in stems)
    atomic.sweep(
        out / RAWS,
        spare=partials.tidy,
        ours=lambda name: stems is None or name.rpartition(".")[0] in stems,
    )
    for directory in (out, out / RAWS):
        atomic.sync_directory(directory)  # the names that are found there are built upon, too
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
    """Return the journal's record of a run that begins."""
    return {"type": "run", **whoami(), **more}
