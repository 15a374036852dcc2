"""The output directory: lock, temporary names, publishing, and the views made from the journal.

Two rules hold for everything here. *Durable first, referenced after*: a file is written under a
temporary name in its own directory, checked, synced, renamed, the directory synced, and only then
does the journal speak of it. (Of a raw it speaks right before the renaming: nobody could tell later what
one without a record is, and a record without its file counts for nothing.) *One appended file*:
``_journal.jsonl`` is the only file that grows; ``metadata.jsonl`` and ``failures.jsonl`` are views of it,
sorted, without times, replaced atomically, and not touched where they would stay the same.

A clip without a record is made again, and a record without its clip counts for nothing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import aiofiles
import anyio
from anyio.to_thread import run_sync

from hdtf_async import disk, partials
from hdtf_async.disk import trouble
from hdtf_async.failures import Failure, Reason
from hdtf_async.journal import JOURNAL, RAWS, Journal, Known, line, records

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
    from pathlib import Path

    from hdtf_async.journal import Ledger, Record
    from hdtf_async.model import Clip, Video

METADATA, FAILURES = "metadata.jsonl", "failures.jsonl"

PATIENCE = 15.0
"""Seconds for which a run waits for the lock of one that was killed: its children are ended meanwhile."""
_MOMENT = 0.2
"""Seconds for which it waits whoever holds the lock: `is_held` does so to find out whether it can be had."""


class StoreError(Exception):
    """The output directory cannot be used; the text says why and what to do. Exit code 4."""


class BusyError(StoreError):
    """Another run is at work on the directory."""


class Store:
    """An output directory that this run holds the lock of. Made by `opened`."""

    def __init__(self, out: Path, lock: int, journal: Ledger) -> None:
        self.out = out
        self.lock = lock
        """Descriptor of the journal and its lock; children inherit it, so that the lock lives as long as any
        of them may still write."""
        self.known = journal.known
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
        """Return the name under which `final` is written before it is whole, in the same directory."""
        return disk.temporary(final)

    @asynccontextmanager
    async def private_directory(self, video: Video) -> AsyncIterator[Path]:
        """Give a video's download a directory of its own, mode 0700.

        Afterwards it is removed, unless another attempt can go on from what has arrived (see `partials`).
        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        # An ending that no file has: a video may be named like another one's raw, ending included.
        path = self.temporary(self.raws / f"{video.stem}.download")
        with trouble(path):
            await run_sync(disk.own_directory, path)
        try:
            yield path
        finally:
            with anyio.CancelScope(shield=True), trouble(path):
                await run_sync(partials.tidy, path)

    async def publish(self, temporary: Path, final: Path) -> None:
        """Sync a finished file, give it its final name and sync the directory.

        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        # Shielded: it is short, and a file must not be renamed by a thread that nobody waits for.
        with anyio.CancelScope(shield=True), trouble(final):
            before = self.known.clips.get(final.stem) if final.parent == self.out else None
            if before is not None and disk.has_size(str(temporary), before["metadata"].get("bytes")):
                # A record vouches for a file by its size alone, and so would the old one for the new file.
                await self._journal.append([{"type": "replacing", "clip": final.stem}])
            await run_sync(disk.publish, temporary, final)

    async def publish_beside(self, temporary: Path | None, clip: Clip) -> None:
        """Publish the sound that goes with a clip, before the clip itself; with None remove one of ours.

        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        final = self.wav_path(clip)
        with anyio.CancelScope(shield=True), trouble(final):
            if clip.stem not in self.known.beside and temporary is None:
                return
            if clip.stem in self.known.clips:
                # Its record would vouch for sound of another form.
                await self._journal.append([{"type": "replacing", "clip": clip.stem}])
            if temporary is None:
                await run_sync(partial(final.unlink, missing_ok=True))
            else:
                await run_sync(disk.publish, temporary, final)

    async def link(self, existing: Path, final: Path) -> None:
        """Let a second name stand for the same raw: a hard link, or a copy where links cannot be.

        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        with anyio.CancelScope(shield=True), trouble(final):
            await run_sync(disk.link, existing, final)

    async def remove(self, path: Path) -> None:
        """Remove a file if it is there. Raises `Failure` with ``not_writable``."""
        with anyio.CancelScope(shield=True), trouble(path):
            await run_sync(partial(path.unlink, missing_ok=True))

    async def size(self, path: Path) -> int:
        """Return the bytes of a file. Raises `Failure` with ``not_writable`` where it cannot be looked at."""
        with trouble(path):
            return (await run_sync(path.stat)).st_size

    async def sha256(self, path: Path) -> str:
        """Return the hash of a file's content. Raises `Failure` with ``not_writable``."""
        with trouble(path):
            return await run_sync(disk.sha256, path, abandon_on_cancel=True)

    async def append(self, *records: Record) -> None:
        """Append records to the journal and return when they are durable.

        Raises `Failure` with ``disk_full`` or ``not_writable``; the journal is then as it was.
        """
        with anyio.CancelScope(shield=True), trouble(self.out / JOURNAL):
            await self._journal.append(records)

    async def log(self, video: Video, text: str) -> None:
        """Append to a video's download log. Raises `Failure` with ``disk_full`` or ``not_writable``."""
        path = self.log_path(video)
        with anyio.CancelScope(shield=True), trouble(path):
            async with aiofiles.open(path, "a", encoding="utf-8", errors="backslashreplace") as log:
                await log.write(text)

    async def write_views(
        self, not_tried: Iterable[Clip] = (), stale: Mapping[str, object] | None = None
    ) -> None:
        """Write ``metadata.jsonl`` and ``failures.jsonl`` anew from what is known and there.

        Clips of this run that have neither a record nor a failure are listed as not tried. A clip that still
        has the fingerprint which `stale` tells for it is of another form than its neighbours, and not listed.
        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        with anyio.CancelScope(shield=True):
            await run_sync(self._write_views, self.known.snapshot(), tuple(not_tried), stale or {})

    async def replace(self, name: str, content: bytes) -> None:
        """Write a file of the directory anew, at once. Raises `Failure`: ``disk_full``, ``not_writable``."""
        with anyio.CancelScope(shield=True), trouble(self.out / name):
            await run_sync(disk.replace, self.out / name, [content])

    def free_bytes(self) -> int:
        """Return the room left on the file system of the raws. Raises `Failure` with ``not_writable``."""
        with trouble(self.raws):
            return shutil.disk_usage(self.raws).free

    def _write_views(self, known: Known, not_tried: tuple[Clip, ...], stale: Mapping[str, object]) -> None:
        clips = known.all_there()
        there = {
            stem
            for stem in clips
            if stem not in stale or clips[stem]["metadata"].get("fingerprint") != stale[stem]
        }
        with trouble(self.out / METADATA):
            disk.replace(self.out / METADATA, (line(clips[stem]["metadata"]) for stem in sorted(there)))
        waiting = {clip.stem: clip for clip in not_tried if clip.stem not in known.failures}
        failed = sorted((known.failures.keys() | waiting.keys()) - there)
        with trouble(self.out / FAILURES):
            disk.replace(
                self.out / FAILURES,
                (
                    line(
                        _failure_line(
                            failure_record(waiting[stem], Failure(Reason.NOT_TRIED))
                            if stem in waiting
                            else known.failures[stem]
                        )
                    )
                    for stem in failed
                ),
            )


def failure_record(clip: Clip, failure: Failure) -> Record:
    """Return the journal's record of a clip that could not be had."""
    return {
        "type": "failed",
        "clip": clip.stem,
        "subset": clip.video.subset,
        "name": clip.video.name,
        "index": clip.index,
        "youtube_id": clip.video.youtube_id,
        "reason": failure.reason.value,
        "words": failure.words,
    }


@asynccontextmanager
async def opened(out: Path) -> AsyncIterator[Store]:
    """Open an output directory, making it if need be, and hold its lock.

    What an earlier run left half-done (temporary names, a torn line) is removed. Raises `StoreError`
    where the directory cannot be used, `BusyError` where another run holds it.
    """
    with _said(out):
        lock = await run_sync(_create, out)
    try:
        await _take(lock, out)
        with _said(out):
            known = await run_sync(_read_and_tidy, out, lock)
        async with aiofiles.open(lock, "ab", buffering=0, closefd=False) as journal:
            yield Store(out, lock, Journal(journal, known))
    finally:
        os.close(lock)


def read_known(out: Path) -> Known:
    """Return what the journal of a directory says, without a lock and without changing anything.

    Raises `StoreError` where it is there and cannot be read.
    """
    known = Known(out)
    try:
        with (out / JOURNAL).open("rb") as journal:
            for record, _ in records(journal):
                known.take(record)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StoreError(f"cannot read {out / JOURNAL}: {error.strerror}") from None
    return known


def is_held(out: Path) -> bool:
    """Say whether a run is at work on a directory, without changing anything."""
    try:
        with (out / JOURNAL).open("rb") as journal:
            try:
                fcntl.flock(journal, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):  # the second one is how SMB says it
                return True
    except OSError:  # no journal, or a file system without locks: no run could be at work
        pass
    return False


@contextmanager
def _said(out: Path) -> Iterator[None]:
    """Say of an error of the file system that the directory cannot be used, and what to do."""
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise StoreError(f"{_in_the_way(out)}: choose another --out") from None
    except OSError as error:
        room = "make room, or " if error.errno in disk.FULL else ""
        raise StoreError(f"cannot write in {out}: {error.strerror}: {room}choose another --out") from None


def _in_the_way(out: Path) -> str:
    """Say which part of the way to the raws is no directory."""
    for part in reversed((out / RAWS, *(out / RAWS).parents)):
        if part.is_symlink() and not part.exists():
            return f"{part} is a link that leads nowhere"
        if not part.is_dir():
            break
    return f"{part} is no directory"


def _create(out: Path) -> int:
    """Make the directory and its journal, where they are not there, and return the journal's descriptor."""
    raws, journal = out / RAWS, out / JOURNAL
    with suppress(FileNotFoundError, NotADirectoryError):
        # Longer than any name below: one that is too long shall not be found out in the middle of a run.
        os.stat(raws.absolute() / ("x" * 100) / ("x" * 100))  # noqa: PTH116 - some versions of pathlib hide it
    disk.make_directory(raws)
    if journal.exists() and not journal.is_file():
        raise StoreError(f"{journal} is no file: choose another --out")
    return os.open(journal, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)


async def _take(lock: int, out: Path) -> None:
    """Take the lock. If its holder was killed, wait until its children, which have it too, are ended."""
    since = anyio.current_time()
    run: Record | None = None
    while not await run_sync(_locked, lock, out):
        if run is None:
            run = await run_sync(_newest_run, out)
        waited = anyio.current_time() - since
        if waited > (PATIENCE if _has_ended(run) else _MOMENT):
            raise BusyError(
                f"another run is at work on {out} ({_holder(run)}): wait for it or choose another --out"
            )
        await anyio.sleep(0.05)


def _locked(lock: int, out: Path) -> bool:
    """Take the lock if nobody has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the second one is how SMB says it
        return False
    except OSError as error:
        raise StoreError(
            f"the file system of {out} has no locks ({error.strerror}), so two runs could spoil each other's"
            " work: choose an --out on another one"
        ) from None
    return True


def _newest_run(out: Path) -> Record:
    """Return the newest run's record; none where there is none yet, or SMB lets nobody read a locked file."""
    try:
        return read_known(out).run
    except StoreError:
        return {}


def _read_and_tidy(out: Path, lock: int) -> Known:
    """Read the journal and make it durable without a torn last line; remove what has a temporary name."""
    known, whole = Known(out), 0
    with os.fdopen(os.dup(lock), "rb") as journal:
        journal.seek(0)
        for record, offset in records(journal):
            known.take(record)
            whole = offset
    if whole < os.fstat(lock).st_size:  # else truncating would only change its date
        os.ftruncate(lock, whole)
    # What was read is built upon, and who wrote it may have been killed before syncing it; what was cut off
    # could be mixed with what follows.
    disk.sync(lock)
    disk.sweep(out)
    disk.sweep(out / RAWS, spare=partials.tidy)
    for directory in (out, out / RAWS):
        disk.sync_directory(directory)  # the names that are found there are built upon, too
    return known


def _holder(run: Record) -> str:
    """Say who holds the lock, as far as the newest record of a run tells it."""
    if not run:
        return "it has not said yet who it is"
    who = f"process {run.get('pid')} on {run.get('host')}, since {run.get('time')}"
    if _has_ended(run):
        # Whoever is told a dead process must not end whatever has its number now.
        return f"not {who}, which has ended: a tool that it left behind, or a run that is just beginning"
    return who


def _has_ended(run: Record) -> bool:
    """Whether the process that this record tells of is known to have ended."""
    return run.get("host") == socket.gethostname() and not _is_alive(run.get("pid"))


def _is_alive(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:  # somebody else's
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def run_record(**more: object) -> Record:
    """Return the journal's record of a run that begins."""
    return {"type": "run", "pid": os.getpid(), "host": socket.gethostname(), **more}


def _failure_line(record: Record) -> Record:
    told = Reason(record["reason"]).advice
    return {key: value for key, value in record.items() if key not in {"type", "time"}} | {
        "meaning": told.meaning,
        "what_to_do": told.remedy,
    }
