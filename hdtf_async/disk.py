"""Deeds on the file system that are either done and durable, or not done at all.

They block; `store` runs them in threads. Nothing here knows of clips, raws or the journal.

Durable means that a power cut leaves it, on a file system that keeps two promises: what was in a file when
it was synced stays there, whoever has written it and whichever descriptor was synced; and the names in a
directory stay as they were when it was synced. No order is relied upon between things that are not synced,
and a name is not durable by its file's sync. What was not synced may be lost, but is never replaced by what
has been in another file: that holds for journalling file systems (ext4, XFS, btrfs, APFS), and not for FAT.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from hdtf_async.failures import Failure, Reason
from hdtf_async.steps import steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of the system that mean that there is no room: on the disk, or for this user."""
_TEMPORARY = ".hdtf-"
"""Every temporary file and directory of ours begins so, and nothing else does."""
_SYNCED_AT_ONCE = 16 << 20
"""Bytes of a long file that are made durable in one step."""
_FLUSH_DRIVE = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS only: its fsync leaves the content in the drive's own cache (fsync(2) there says so)."""


@contextmanager
def trouble(path: Path) -> Iterator[None]:
    """Turn an error of the file system into a `Failure`: ``disk_full`` or ``not_writable``."""
    try:
        yield
    except OSError as error:
        reason = Reason.DISK_FULL if error.errno in FULL else Reason.NOT_WRITABLE
        raise Failure(reason, f"{path}: {error.strerror or error}") from error


def temporary(final: Path, mark: str = "") -> Path:
    """Return the name under which `final` is written before it is whole, in the same directory.

    Who holds no lock has a mark of its own.
    """
    return final.with_name(_TEMPORARY + mark + final.name)


def is_temporary(name: str) -> bool:
    """Say whether a name is one that `temporary` gives."""
    return name.startswith(_TEMPORARY)


def sweep(
    directory: Path,
    spare: Callable[[Path], bool] = lambda _: False,
    ours: Callable[[str], bool] = lambda _: True,
) -> None:
    """Remove what has a temporary name: somebody was ended in the middle of it.

    `spare` says of a directory whether it is still good for something; `ours` of a final name whether
    nobody else can be at work on it.
    """
    for left in directory.glob(_TEMPORARY + "*"):
        if not ours(left.name.removeprefix(_TEMPORARY)):
            continue
        if left.is_dir() and not left.is_symlink():
            if not spare(left):
                shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def make_directory(path: Path) -> None:
    """Make a directory and what is missing above it, and make their names durable.

    Also the names of those that are there already: a run that made them may have been killed before it
    had synced them.
    """
    path.mkdir(parents=True, exist_ok=True)
    for above in path.absolute().parents:
        if not os.access(above, os.W_OK):
            break  # where we cannot write, none of the names is ours
        sync_directory(above)


def own_directory(path: Path) -> None:
    """Make a directory for this user alone, or the one that is there."""
    path.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)


def publish(written: Path, final: Path) -> None:
    """Sync a finished file, give it its final name and sync the directory."""
    with written.open("rb") as file:
        sync(file.fileno())
    written.replace(final)
    sync_directory(final.parent)


def link(existing: Path, final: Path) -> None:
    """Give a file a second name: a hard link, or a copy where links cannot be."""
    with _temporary_gone_after(final) as new:
        try:
            os.link(existing, new)
        except OSError:
            shutil.copyfile(existing, new)
        publish(new, final)


def replace(final: Path, parts: Iterable[bytes], mark: str = "") -> None:
    """Put a new content in place of an old one at once; a file that would stay the same is not touched."""
    with written(final, parts, mark) as new:
        if new is not None:
            publish(new, final)


@contextmanager
def written(final: Path, parts: Iterable[bytes], mark: str = "") -> Iterator[Path | None]:
    """Write a new content under a temporary name and give that; None where the file would stay the same.

    Nothing has the temporary name afterwards. In a thread of a task that is cancelled, writing ends soon.
    """
    with _temporary_gone_after(final, mark) as new:
        with new.open("wb") as file:
            left = _SYNCED_AT_ONCE
            for part in steps(parts):
                file.write(part)
                left -= len(part)
                if left < 0:  # else publishing would wait for all of it, and nothing could end that
                    file.flush()
                    sync(file.fileno())
                    left = _SYNCED_AT_ONCE
        yield None if _are_same(new, final) else new


def _are_same(one: Path, other: Path) -> bool:
    """Say whether two files have the same content."""
    with suppress(OSError), one.open("rb") as left, other.open("rb") as right:
        if os.fstat(left.fileno()).st_size == os.fstat(right.fileno()).st_size:
            chunks = zip(*(iter(partial(file.read, 1 << 16), b"") for file in (left, right)), strict=False)
            return all(a == b for a, b in steps(chunks))
    return False


def sync(descriptor: int) -> None:
    """Make the content of an open file durable, or the names in an open directory."""
    os.fsync(descriptor)
    if _FLUSH_DRIVE is not None:
        with suppress(OSError):  # a network's file system has no drive
            fcntl.fcntl(descriptor, _FLUSH_DRIVE)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable, where its file system can be asked for that at all."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        sync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EBADF}:
            raise
    finally:
        os.close(descriptor)


def has_size(path: str, size: object) -> bool:
    """Say whether a file is there and has that many bytes."""
    try:
        return os.stat(path).st_size == size  # noqa: PTH116 - a third of the time, asked for every clip there is
    except (OSError, ValueError):  # a name out of a damaged journal may be one that no file can have
        return False


def sha256(path: Path) -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def _temporary_gone_after(final: Path, mark: str = "") -> Iterator[Path]:
    """Leave no half-written file; nor a link that renaming left, as both were names of one file already."""
    new = temporary(final, mark)
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)
