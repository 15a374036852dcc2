"""Locks on the journals of an output directory, and the processes that hold them.

A run locks ``_journal.jsonl`` exclusively. Shards of one division share that lock, and each locks its own
journal. The lock is `flock`; all children of a run hold it too (see `descriptors`).

A run on a cluster has a file in ``_workers`` for each worker, which that worker and its children have locked:
on a file system that several machines share, the lock shows whether they have ended.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core import descriptors, os_errors
from hdtf_async.core.exceptions import BusyError, StoreError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.text import shown
from hdtf_async.output import atomic
from hdtf_async.output.journal import SOURCE_VIDEOS, journals, read, shard_of, time_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.shards import Shard

WORKERS = "_workers"
VIDEO = ".jsonl"
"""What the names of the videos' journals in there end with; see `video_journal`."""
PATIENCE = 15.0
"""Seconds for which a run waits for the lock of a killed one, while its children are terminated."""
_MOMENT = 0.2
"""Seconds for which a run waits for any holder: `is_held` takes the lock briefly to test it."""


def whoami() -> Record:
    """Return a record that identifies this process as the holder of a lock."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "pid_namespace": _pid_namespace()}


@cache
def _pid_namespace() -> str | None:
    """Return what identifies the numbers of processes here; None if the system does not say.

    Containers may share a host name (``--network host``) and number their processes separately.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except (OSError, ValueError):
        return None


def is_held(out: Path) -> bool:
    """Return whether a run is active in a directory, without changing anything. Raises `OSError`."""
    return any(map(is_locked, journals(out)))


def is_locked(journal: Path) -> bool:
    """Return whether a process holds the lock of this journal exclusively. Raises `OSError`."""
    try:
        with atomic.reader(journal) as file:
            try:
                return not descriptors.lock(file.fileno(), shared=True)
            finally:
                descriptors.release(file.fileno())
    except OSError as error:
        if os_errors.reason_of(error) is not None:  # unknown
            raise
        return False  # no journal, or a file system without locks: no run could be active


def require_one_division(out: Path, shard: Shard) -> None:
    """Raise `BusyError` if shards of another number are active: they would create the same clips.

    This shard's own lock is already held, so that of two which start at the same time one detects the other.
    """
    for journal in journals(out):
        other = shard_of(journal.name)
        if other is not None and other.count != shard.count and is_locked(journal):
            raise BusyError(
                f"shard {other} is running in {out}, with another number of shards than {shard}: wait for it,"
                f" or use --shard I/{other.count}"
            )


async def acquire(lock: int, out: Path, *told_by: Path, alone: bool = True) -> None:
    """Acquire a lock. If its holder was killed, wait until its children, which hold it too, have ended."""
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


def make_worker_file(out: Path, name: str) -> None:
    """Create the file that a worker will lock. Raises `OSError`."""
    path = out / WORKERS / name
    _require_no_link(path.parent)
    path.parent.mkdir(exist_ok=True)
    os.close(atomic.opened(path, os.O_RDWR | os.O_CREAT))


def worker_lock(path: Path) -> int:
    """Lock the file that the driver has created for this worker; return the descriptor. Raises `OSError`."""
    lock = atomic.opened(path, os.O_RDWR)
    try:
        if not descriptors.lock(lock):
            raise BlockingIOError(errno.EAGAIN, "already locked")
    except OSError:
        descriptors.close(lock)
        raise
    return lock


@contextmanager
def locked_by_worker(path: Path) -> Iterator[int]:
    """Hold the lock of a worker's file, which also proves that the directory is the driver's.

    Raises `Failure` with ``not_ready``.
    """
    try:
        lock = worker_lock(path)
    except OSError as error:
        raise Failure(
            Reason.NOT_READY,
            f"{path}: {error.strerror}: workers need the output directory on a file system that they share",
        ) from None
    try:
        yield lock
    finally:
        with suppress(OSError):
            descriptors.close(lock)


def release_worker(path: Path) -> bool:
    """Remove the file of a worker if it and all of its children have ended; return whether they have."""
    if path.is_symlink():  # not a worker's file
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


def busy_workers(out: Path) -> int:
    """Remove the files of workers that have ended; return how many have not. Raises `OSError`."""
    _require_no_link(out / WORKERS)
    there = [path for path in (out / WORKERS).glob("*") if path.suffix != VIDEO]
    busy = [path for path in there if not release_worker(path)]
    with suppress(OSError):
        (out / WORKERS).rmdir()
    return len(busy)


async def require_no_workers(out: Path) -> None:
    """Wait until the workers of a run whose driver was killed have ended. Raises `BusyError`."""
    since = anyio.current_time()
    while busy := await run_sync(busy_workers, out):
        if anyio.current_time() - since > PATIENCE:
            raise BusyError(f"{busy} cluster workers are still running in {out}: wait for them or end them")
        await anyio.sleep(0.1)


def _require_no_link(path: Path) -> None:
    """Raise `StoreError` if a directory of this program is a link."""
    if path.is_symlink():
        raise StoreError(f"{path} is a symbolic link, which is not followed here: remove it")


def _locked(lock: int, out: Path, alone: bool) -> bool:
    """Acquire the lock if it is free."""
    try:
        return descriptors.lock(lock, shared=not alone)
    except OSError as error:
        if os_errors.reason_of(error) is not None:
            raise StoreError(f"cannot lock {out}: {os_errors.message_of(error)}") from None
        raise StoreError(
            f"the file system of {out} does not support file locks ({error.strerror}), so concurrent runs"
            " could corrupt each other's files: choose an --out on another file system"
        ) from None


def _newest_run(told_by: Iterable[Path]) -> Record:
    """Return the record of an active run, or otherwise of the newest one.

    None if there is none yet, or SMB prevents reading a locked file.
    """
    runs: list[Record] = []
    for journal in told_by:
        with suppress(OSError):
            runs += [record for record in read(journal) if record.get("type") == "run"][-1:]
    return max(runs, key=lambda run: (not has_ended(run), time_of(run)), default={})


def holder(run: Record) -> str:
    """Describe who holds the lock, as far as the newest record of a run shows."""
    if not run:
        return "unknown process"
    pid, host, time = (shown(run.get(key)) for key in ("pid", "host", "time"))  # may be written by anyone
    who = f"process {pid} on {host}, since {time}"
    if has_ended(run):
        # The user must not kill an unrelated process that has reused the PID.
        return f"not {who}, which has ended: a child process of it, or a run that is just starting"
    return who


def has_ended(run: Record) -> bool:
    """Whether the process in this record is known to have ended."""
    here = run.get("host") == socket.gethostname() and run.get("pid_namespace") in {None, _pid_namespace()}
    return here and not _is_alive(run.get("pid"))


def _is_alive(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:  # a process of another user
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


@contextmanager
def as_store_error(out: Path) -> Iterator[None]:
    """Turn an `OSError` into a `StoreError` with a remedy."""
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise StoreError(f"{_in_the_way(out)}: choose another --out") from None
    except OSError as error:
        where = error.filename if error.errno == errno.ELOOP else f"in {out}"
        words, reason = os_errors.message_of(error), os_errors.reason_of(error)
        if reason is Reason.DISK_FULL:
            words += ": free disk space"
        if reason is not Reason.RESOURCE_LIMIT:  # another directory would not help against a limit
            words += (", or " if words != error.strerror else ": ") + "choose another --out"
        raise StoreError(f"cannot write {where}: {words}") from None


def _in_the_way(out: Path) -> str:
    """Describe which part of the path to the source videos is not a directory."""
    for part in reversed((out / SOURCE_VIDEOS, *(out / SOURCE_VIDEOS).parents)):
        if part.is_symlink() and not part.exists():
            return f"{part} is a broken symbolic link"
        if not part.is_dir():
            break
    return f"{part} is not a directory"
