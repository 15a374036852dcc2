"""Deeds on the file system that are either done and durable, or not done at all.

They block; `store` runs them in threads. Nothing here knows of clips, raws or the journal.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hdtf_async.failures import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TEMPORARY = ".hdtf-"
"""Every temporary file and directory of ours begins so, and nothing else does."""


@contextmanager
def trouble(path: Path) -> Iterator[None]:
    """Turn an error of the file system into a `Failure`: ``disk_full`` or ``not_writable``."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        reason = Reason.DISK_FULL if full else Reason.NOT_WRITABLE
        raise Failure(reason, f"{path}: {error.strerror or error}") from error


def temporary(final: Path) -> Path:
    """Return the name under which `final` is written before it is whole, in the same directory."""
    return final.with_name(_TEMPORARY + final.name)


def sweep(directory: Path) -> None:
    """Remove what has a temporary name: somebody was ended in the middle of it."""
    for left in directory.glob(_TEMPORARY + "*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def empty_directory(path: Path) -> None:
    """Make a directory for this user alone, in place of what is there."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)


def publish(written: Path, final: Path) -> None:
    """Sync a finished file, give it its final name and sync the directory."""
    with written.open("rb") as file:
        os.fsync(file.fileno())
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


def replace(final: Path, content: bytes) -> None:
    """Put a new content in place of an old one at once; a file that would stay the same is not touched."""
    with suppress(OSError):
        if final.read_bytes() == content:
            return
    with _temporary_gone_after(final) as new:
        new.write_bytes(content)
        publish(new, final)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def has_size(path: str, size: object) -> bool:
    """Say whether a file is there and has that many bytes."""
    try:
        return os.stat(path).st_size == size  # noqa: PTH116 - a third of the time, asked for every clip there is
    except OSError:
        return False


def sha256(path: Path) -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def _temporary_gone_after(final: Path) -> Iterator[Path]:
    """Leave no half-written file; nor a link that renaming left, as both were names of one file already."""
    new = temporary(final)
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)
