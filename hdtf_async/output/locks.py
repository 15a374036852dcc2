"""Who is at work on an output directory: the locks on its journals, and whoever holds them.

A run has the lock of ``_journal.jsonl`` for itself. Shards of one division have it in common, and each has
that of its own journal. The lock is `flock`; all children of a run hold it too (see `descriptors`).

A run whose videos are made by a cluster has a file in ``_workers`` for each worker, which that worker and its
children have locked: over a file system that several machines share, the lock tells whether they have ended.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core import descriptors, os_errors
from hdtf_async.core.exceptions import BusyError, StoreError
from hdtf_async.core.failures import Reason
from hdtf_async.core.text import shown
from hdtf_async.output import atomic
from hdtf_async.output.journal import RAWS, journals, read, shard_of, time_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.shards import Shard

WORKERS = "_workers"
VIDEO = ".jsonl"
"""What the names of the videos' journals in there end with; see `video_journal`."""
PATIENCE = 15.0
"""Seconds for which a run waits for the lock of one that was killed: its children are ended meanwhile."""
_MOMENT = 0.2
"""Seconds for which it waits whoever holds the lock: `is_held` does so to find out whether it can be had."""


def whoami() -> Record:
    """Return what tells others which process holds a lock."""
    return {"pid": os.getpid(), "host": socket.gethostname()}


def is_held(out: Path) -> bool:
    """Say whether a run is at work on a directory, without changing anything. Raises `OSError`."""
    return any(map(is_locked, journals(out)))


def is_locked(journal: Path) -> bool:
    """Say whether anybody holds the lock of this journal for himself. Raises `OSError`."""
    try:
        with atomic.reader(journal) as file:
            try:
                return not descriptors.lock(file.fileno(), shared=True)
            finally:
                descriptors.release(file.fileno())
    except OSError as error:
        if os_errors.reason_of(error) is not None:  # nobody can say
            raise
        return False  # no journal, or a file system without locks: no run could be at work


def require_one_division(out: Path, shard: Shard) -> None:
    """Raise `BusyError` where shards of another number are at work: they would make the same clips.

    This one's own lock is held already, so that of two which begin at the same time one sees the other.
    """
    for journal in journals(out):
        other = shard_of(journal.name)
        if other is not None and other.count != shard.count and is_locked(journal):
            raise BusyError(
                f"shard {other} is running in {out}, with another number of shards than {shard}: wait for it,"
                f" or use --shard I/{other.count}"
            )


async def take(lock: int, out: Path, *told_by: Path, alone: bool = True) -> None:
    """Take a lock. If its holder was killed, wait until its children, which have it too, are ended."""
    since = anyio.current_time()
    run: Record | None = None
    while not await run_sync(_locked, lock, out, alone):
        if run is None:
            run = await run_sync(_newest_run, told_by)
        waited = anyio.current_time() - since
        if waited > (PATIENCE if has_ended(run) else _MOMENT):
            raise BusyError(
                f"another run is active in {out} ({holder(run)}): wait for it or choose another --out"
            )
        await anyio.sleep(0.05)


def make_worker_file(path: Path) -> None:
    """Make the file that a worker will lock. Raises `OSError`."""
    _require_no_link(path.parent)
    path.parent.mkdir(exist_ok=True)
    os.close(atomic.opened(path, os.O_RDWR | os.O_CREAT))


def worker_lock(path: Path) -> int:
    """Lock the file that the driver has made for this worker; return the descriptor. Raises `OSError`."""
    lock = atomic.opened(path, os.O_RDWR)
    try:
        if not descriptors.lock(lock):
            raise BlockingIOError(errno.EAGAIN, "it is locked")
    except OSError:
        descriptors.close(lock)
        raise
    return lock


def let_go_of_worker(path: Path) -> bool:
    """Remove the file of a worker if it and all of its children have ended; say whether they have."""
    if path.is_symlink():  # no worker's
        path.unlink(missing_ok=True)
        return True
    try:
        lock = worker_lock(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    path.unlink(missing_ok=True)
    descriptors.close(lock)
    return True


async def require_no_workers(out: Path) -> None:
    """Wait until the workers of a run have ended whose driver was killed. Raises `BusyError`."""

    def left() -> int:
        _require_no_link(out / WORKERS)
        there = [path for path in (out / WORKERS).glob("*") if path.suffix != VIDEO]
        busy = [path for path in there if not let_go_of_worker(path)]
        with suppress(OSError):
            (out / WORKERS).rmdir()
        return len(busy)

    since = anyio.current_time()
    while busy := await run_sync(left):
        if anyio.current_time() - since > PATIENCE:
            raise BusyError(f"{busy} cluster workers are still running in {out}: wait for them or end them")
        await anyio.sleep(0.1)


def _require_no_link(path: Path) -> None:
    """Raise `StoreError` where a name that is for a directory of ours is a link."""
    if path.is_symlink():
        raise StoreError(f"{path} is a symbolic link, which is not followed here: remove it")


def _locked(lock: int, out: Path, alone: bool) -> bool:
    """Take the lock if nobody has it."""
    try:
        return descriptors.lock(lock, shared=not alone)
    except OSError as error:
        if os_errors.reason_of(error) is not None:
            raise StoreError(f"cannot lock {out}: {os_errors.told(error)}") from None
        raise StoreError(
            f"the file system of {out} does not support file locks ({error.strerror}), so concurrent runs"
            " could corrupt each other's files: choose an --out on another file system"
        ) from None


def _newest_run(told_by: Iterable[Path]) -> Record:
    """Return the record of a run that goes on, or else of the newest one.

    None where there is none yet, or SMB lets nobody read a locked file.
    """
    runs: list[Record] = []
    for journal in told_by:
        with suppress(OSError):
            runs += [record for record in read(journal) if record.get("type") == "run"][-1:]
    return max(runs, key=lambda run: (not has_ended(run), time_of(run)), default={})


def holder(run: Record) -> str:
    """Say who holds the lock, as far as the newest record of a run tells it."""
    if not run:
        return "its process is not known yet"
    pid, host, time = (shown(run.get(key)) for key in ("pid", "host", "time"))  # anybody may have written it
    who = f"process {pid} on {host}, since {time}"
    if has_ended(run):
        # Whoever is told a dead process must not end whatever has its number now.
        return f"not {who}, which has ended: a child process of it, or a run that is just starting"
    return who


def has_ended(run: Record) -> bool:
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


@contextmanager
def as_store_error(out: Path) -> Iterator[None]:
    """Say of an error of the file system that the directory cannot be used, and what to do."""
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise StoreError(f"{_in_the_way(out)}: choose another --out") from None
    except OSError as error:
        where = error.filename if error.errno == errno.ELOOP else f"in {out}"
        words, reason = os_errors.told(error), os_errors.reason_of(error)
        if reason is Reason.DISK_FULL:
            words += ": free disk space"
        if reason is not Reason.RESOURCE_LIMIT:  # elsewhere it would be reached as well
            words += (", or " if words != error.strerror else ": ") + "choose another --out"
        raise StoreError(f"cannot write {where}: {words}") from None


def _in_the_way(out: Path) -> str:
    """Say which part of the way to the raws is no directory."""
    for part in reversed((out / RAWS, *(out / RAWS).parents)):
        if part.is_symlink() and not part.exists():
            return f"{part} is a broken symbolic link"
        if not part.is_dir():
            break
    return f"{part} is not a directory"
