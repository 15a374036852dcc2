"""The output directory: lock, temporary names, publishing, the journal and the views made from it.

Two rules hold for everything here. *Durable first, referenced after*: a file is written under a
temporary name in its own directory, checked, synced, renamed, the directory synced, and only then
does the journal speak of it. *One appended file*: ``_journal.jsonl`` is the only file that grows;
``metadata.jsonl`` and ``failures.jsonl`` are views of it, sorted, without times, replaced atomically.

A clip without a record is made again, and a record without its clip counts for nothing. A torn last
line of the journal (the program was killed in the middle of it) is ignored and cut off.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import aiofiles
import anyio
from anyio.to_thread import run_sync

from hdtf_async.failures import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path

    from aiofiles.threadpool.binary import AsyncBufferedIOBase

    from hdtf_async.model import Clip, Video

Record = dict[str, Any]
"""One line of the journal: a JSON object with a ``type``."""

JOURNAL, METADATA, FAILURES, RAWS = "_journal.jsonl", "metadata.jsonl", "failures.jsonl", "_videos_raw"
_TEMPORARY = ".hdtf-"
"""Every temporary file and directory of ours begins so, and nothing else does."""
_CHUNK = 1 << 20


class StoreError(Exception):
    """The output directory cannot be used; the text says why and what to do. Exit code 4."""


class BusyError(StoreError):
    """Another run is at work on the directory."""


@dataclass(slots=True)
class Known:
    """What the journal of a directory says, the newest record of each thing."""

    out: Path
    clips: dict[str, Record] = field(default_factory=dict)
    """Stem of the clip to its record."""
    failures: dict[str, Record] = field(default_factory=dict)
    """Stem of the clip to the record of why it could not be had."""
    raws: dict[str, Record] = field(default_factory=dict)
    """YouTube id to the record of its raw."""
    run: Record = field(default_factory=dict)
    """The newest run."""

    def there(self, stem: str) -> Record | None:
        """Return the record of a clip whose file is there with the recorded size, else None."""
        record = self.clips.get(stem)
        if record is None or not _has_size(self.out / f"{stem}.mp4", record["metadata"].get("bytes")):
            return None
        return record

    def all_there(self) -> dict[str, Record]:
        """Return the record of each clip whose file is there with the recorded size, by its stem."""
        return {stem: record for stem in self.clips if (record := self.there(stem))}

    def raw_there(self, youtube_id: str) -> Record | None:
        """Return the record of a raw whose file is there with the recorded size, else None."""
        record = self.raws.get(youtube_id)
        if record is None or not _has_size(self.out / RAWS / record["file"], record["bytes"]):
            return None
        return record

    def take(self, record: Record) -> None:
        """Take in one more record; a kind that is not known is left alone."""
        match record:
            case {"type": "clip", "clip": str(stem), "metadata": dict(), "form": dict()}:
                self.clips[stem] = record
                self.failures.pop(stem, None)
            case {"type": "failed", "clip": str(stem), "reason": reason} if reason in set(Reason):
                self.failures[stem] = record
                self.clips.pop(stem, None)
            case {"type": "raw", "youtube_id": str(youtube_id), "file": str(), "bytes": int()}:
                self.raws[youtube_id] = record
            case {"type": "run"}:
                self.run = record


class Store:
    """An output directory that this run holds the lock of. Made by `opened`."""

    def __init__(self, out: Path, lock: int, journal: AsyncBufferedIOBase, known: Known) -> None:
        self.out = out
        self.lock = lock
        """Descriptor of the lock; children inherit it, so that it lives as long as any writer."""
        self.known = known
        self._journal = journal
        self._turn = anyio.Lock()

    @property
    def raws(self) -> Path:
        """The directory of the raws."""
        return self.out / RAWS

    def clip_path(self, clip: Clip) -> Path:
        """Return the final name of a clip."""
        return self.out / f"{clip.stem}.mp4"

    def raw_path(self, video: Video, ending: str) -> Path:
        """Return the final name of a raw with the given file ending (without the dot)."""
        return self.raws / f"{video.stem}.{ending}"

    def log_path(self, video: Video) -> Path:
        """Return the name of a video's download log."""
        return self.raws / f"{video.stem}_download_log.txt"

    def temporary(self, final: Path) -> Path:
        """Return the temporary name under which `final` is written, in the same directory."""
        return final.with_name(_TEMPORARY + final.name)

    @asynccontextmanager
    async def private_directory(self, video: Video) -> AsyncIterator[Path]:
        """Give a video's download a directory of its own, mode 0700; it is removed afterwards."""
        path = self.temporary(self.raws / video.stem)
        await run_sync(partial(_empty_directory, path))
        try:
            yield path
        finally:
            with anyio.CancelScope(shield=True):
                await run_sync(partial(shutil.rmtree, path, ignore_errors=True))

    async def publish(self, temporary: Path, final: Path) -> None:
        """Sync a finished file, give it its final name and sync the directory.

        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        # Shielded: it is short, and a file must not be renamed by a thread that nobody waits for.
        with anyio.CancelScope(shield=True), _trouble(final):
            await run_sync(_publish, temporary, final)

    async def link(self, existing: Path, final: Path) -> None:
        """Let a second name stand for the same raw: a hard link, or a copy where links cannot be.

        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        temporary = self.temporary(final)
        with anyio.CancelScope(shield=True), _trouble(final):
            await run_sync(_link, existing, temporary)
            await run_sync(_publish, temporary, final)

    async def remove(self, path: Path) -> None:
        """Remove a file if it is there."""
        with anyio.CancelScope(shield=True):
            await run_sync(partial(path.unlink, missing_ok=True))

    async def sha256(self, path: Path) -> str:
        """Return the hash of a file's content."""
        return await run_sync(_sha256, path, abandon_on_cancel=True)

    async def append(self, *records: Record) -> None:
        """Append records to the journal and return when they are durable.

        Each gets the time of day. Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        lines = b"".join(_line(record | {"time": now}) for record in records)
        with anyio.CancelScope(shield=True), _trouble(self.out / JOURNAL):
            async with self._turn:
                await self._journal.write(lines)
                await self._journal.flush()
                await run_sync(os.fsync, self._journal.fileno())
        for record in records:
            self.known.take(record)

    async def log(self, video: Video, text: str) -> None:
        """Append to a video's download log."""
        with anyio.CancelScope(shield=True), _trouble(self.log_path(video)):
            async with aiofiles.open(self.log_path(video), "a", encoding="utf-8") as log:
                await log.write(text)

    async def write_views(self, not_tried: Iterable[Clip] = ()) -> None:
        """Write ``metadata.jsonl`` and ``failures.jsonl`` anew from what is known and there.

        Clips of this run that have neither a record nor a failure are listed as not tried.
        """
        with anyio.CancelScope(shield=True), _trouble(self.out):
            await run_sync(self._write_views, tuple(not_tried))

    def free_bytes(self) -> int:
        """Return the room left on the file system of the raws."""
        return shutil.disk_usage(self.raws).free

    def _write_views(self, not_tried: tuple[Clip, ...]) -> None:
        there = self.known.all_there()
        _replace(self.out / METADATA, (there[stem]["metadata"] for stem in sorted(there)))
        failures = dict(self.known.failures)
        for clip in not_tried:
            if clip.stem not in failures and clip.stem not in there:
                failures[clip.stem] = failure_record(clip, Failure(Reason.NOT_TRIED))
        _replace(self.out / FAILURES, (_failure_line(failures[stem]) for stem in sorted(failures)))


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
    lock, known = await run_sync(_open, out)
    try:
        async with aiofiles.open(out / JOURNAL, "ab") as journal:
            yield Store(out, lock, journal, known)
    finally:
        os.close(lock)


def read_known(out: Path) -> Known:
    """Return what the journal of a directory says, without a lock and without changing anything."""
    known = Known(out)
    with suppress(FileNotFoundError), (out / JOURNAL).open("rb") as journal:
        for record, _ in _records(journal):
            known.take(record)
    return known


def _open(out: Path) -> tuple[int, Known]:
    try:
        (out / RAWS).mkdir(parents=True, exist_ok=True)
        lock = os.open(out / JOURNAL, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except FileExistsError as error:
        raise StoreError(
            f"{error.filename} is a file where a directory is needed: choose another --out"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot write in {out}: {error.strerror}: choose another --out") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            run = read_known(out).run
            who = (
                f"process {run.get('pid')} on {run.get('host')}, since {run.get('time')}"
                if run
                else "unknown"
            )
            raise BusyError(
                f"another run is at work on {out} ({who}): wait for it or choose another --out"
            ) from None
        known, whole = Known(out), 0
        with os.fdopen(os.dup(lock), "rb") as journal:
            journal.seek(0)
            for record, offset in _records(journal):
                known.take(record)
                whole = offset
        os.ftruncate(lock, whole)
        _sweep(out)
        _sweep(out / RAWS)
        _sync_directory(out)
    except BaseException:
        os.close(lock)
        raise
    return lock, known


def run_record(**more: object) -> Record:
    """Return the journal's record of a run that begins."""
    return {"type": "run", "pid": os.getpid(), "host": socket.gethostname(), **more}


def _records(journal: Iterable[bytes]) -> Iterator[tuple[Record, int]]:
    """Yield each whole record with the offset behind it; a line that is none is passed over."""
    offset = 0
    for line in journal:
        if not line.endswith(b"\n"):
            return
        offset += len(line)
        try:
            record = json.loads(line)
        except ValueError:
            record = {}
        yield (record if isinstance(record, dict) else {}), offset


def _sweep(directory: Path) -> None:
    for left in directory.glob(_TEMPORARY + "*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _empty_directory(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)


def _publish(temporary: Path, final: Path) -> None:
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    temporary.replace(final)
    _sync_directory(final.parent)


def _link(existing: Path, temporary: Path) -> None:
    temporary.unlink(missing_ok=True)
    try:
        os.link(existing, temporary)
    except OSError:
        shutil.copyfile(existing, temporary)


def _replace(final: Path, lines: Iterable[Record]) -> None:
    temporary = final.with_name(_TEMPORARY + final.name)
    with temporary.open("wb") as view:
        view.writelines(map(_line, lines))
    _publish(temporary, final)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(record: Record) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(", ", ": ")).encode() + b"\n"


def _failure_line(record: Record) -> Record:
    told = Reason(record["reason"]).advice
    return {key: value for key, value in record.items() if key not in {"type", "time"}} | {
        "meaning": told.meaning,
        "what_to_do": told.remedy,
    }


def _has_size(path: Path, size: object) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


class _trouble:  # noqa: N801 - reads as a statement
    """Turn an error of the file system into a `Failure` that a person understands."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            reason = Reason.DISK_FULL if full else Reason.NOT_WRITABLE
            raise Failure(reason, f"{self._path}: {error.strerror}") from error
