"""Deeds on the file system that are either done and durable, or not done at all.

They block; `store` runs them in threads. Nothing here knows of clips, raws or the journal.

Durable means that a power cut leaves it, on a file system that keeps two promises: what was in a file when
it was synced stays there, whoever has written it and whichever descriptor was synced; and the names in a
directory stay as they were when it was synced. No order is relied upon between things that are not synced,
and a name is not durable by its file's sync. What was not synced may be lost, but is never replaced by what
has been in another file: that holds for journalling file systems (ext4, XFS, btrfs, APFS), and not for FAT.

Others may be allowed to write in the directory too, and put a symbolic link or a FIFO where a file is
expected. So what is written, emptied or deleted here is never reached through a link, a temporary name cannot
be foreseen, and nothing but a regular file is opened, without waiting.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from hdtf_async.core import os_errors
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.steps import steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import BufferedReader, BufferedWriter
    from pathlib import Path

_TEMPORARY = ".hdtf-"
"""Every temporary file and directory of ours begins so, and nothing else does."""
_TOKEN = re.compile(r"^[0-9a-f]{16}-")
"""What comes next in the name of most of them. No final name begins so."""
_SYNCED_AT_ONCE = 16 << 20
"""Bytes of a long file that are made durable in one step."""
_FLUSH_DRIVE = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS only: its fsync leaves the content in the drive's own cache (fsync(2) there says so)."""


@contextmanager
def os_errors_as_failures(path: Path) -> Iterator[None]:
    """Turn an error of the system into a `Failure`: ``not_writable``, or as `causes` has it."""
    try:
        yield
    except (OSError, MemoryError, RuntimeError) as error:
        reason = os_errors.reason_of(error) or (Reason.NOT_WRITABLE if isinstance(error, OSError) else None)
        if reason is None:
            raise
        raise Failure(reason, f"{path}: {os_errors.told(error)}") from error


def opened(path: Path | str, flags: int, mode: int = 0o666) -> int:
    """Open a regular file to write in it, or to lock it, but not through a link. Raises `OSError`."""
    try:
        return _regular(path, flags | os.O_NOFOLLOW, mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, _NOT_FOLLOWED, path) from None
        raise


_NOT_FOLLOWED = "is a symbolic link, which is not followed here"


def reader(path: Path) -> BufferedReader:
    """Open a regular file to read it, also through a link. Raises `OSError`."""
    return os.fdopen(_regular(path, os.O_RDONLY, 0), "rb")


def content(path: Path, most: int) -> bytes:
    """Return the content of a regular file. Raises `OSError`, also for one with more than so many bytes."""
    with reader(path) as file:
        text = file.read(most + 1)
    if len(text) > most:
        raise OSError(errno.EFBIG, f"it is longer than {most} bytes", path)
    return text


def _regular(path: Path | str, flags: int, mode: int) -> int:
    """Open a regular file; whatever else is there cannot make this wait."""
    descriptor = os.open(path, flags | os.O_NONBLOCK, mode)
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return descriptor
    os.close(descriptor)
    number = errno.EISDIR if stat.S_ISDIR(kind) else errno.EINVAL
    raise OSError(number, os.strerror(number) if stat.S_ISDIR(kind) else "it is no regular file", path)


def require_trusted(path: Path) -> None:
    """Raise `OSError` where a link was made by somebody who could make others write elsewhere by it.

    It may be this user's, root's, or belong to whoever has the directory that it is in, who can replace
    anything there: Linux follows links in directories such as /tmp by the same rule.
    """
    there = path.lstat()
    if stat.S_ISLNK(there.st_mode) and there.st_uid not in {os.geteuid(), 0, path.parent.stat().st_uid}:
        raise OSError(errno.ELOOP, "it is a symbolic link of another user, which is not followed", path)


def temporary(final: Path) -> Path:
    """Return a name under which `final` can be written before it is whole, in the same directory."""
    return final.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}-{final.name}")


def created(final: Path) -> Path:
    """Make an empty file with a temporary name, and return that. Raises `OSError`."""
    new = temporary(final)
    os.close(opened(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    return new


def is_temporary(name: str) -> bool:
    """Say whether a name is that of a temporary file or directory."""
    return name.startswith(_TEMPORARY)


def final_name(name: str) -> str:
    """Return the final name of what has this temporary name."""
    return _TOKEN.sub("", name.removeprefix(_TEMPORARY), count=1)


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
        if not ours(final_name(left.name)):
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


def own_directory(final: Path) -> Path:
    """Return a temporary directory for this user alone, mode 0700; the one from before, if that can be.

    It has always the same name, unless another user has put a directory there, which is left alone. Raises
    `OSError`.
    """
    usual, new = final.with_name(_TEMPORARY + final.name), temporary(final)
    new.mkdir(mode=0o700)
    try:
        if os.path.lexists(usual) and not _is_own_directory(usual, like=new):
            if not stat.S_ISDIR(usual.lstat().st_mode):
                usual.unlink()
            elif usual.lstat().st_uid == new.lstat().st_uid:
                shutil.rmtree(usual)
            else:
                return new
        if not os.path.lexists(usual):
            new.rename(usual)
            return usual
        new.rmdir()
    except OSError:
        with suppress(OSError):
            new.rmdir()
        raise
    return usual


def _is_own_directory(path: Path, *, like: Path) -> bool:
    """Whether a directory has the owner of one that was made just now, and nobody else could write in it.

    Not every file system says that this user is its owner. Others may then no longer read it either.
    """
    try:
        there = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        found, made = os.fstat(there), like.lstat()
        own = found.st_uid == made.st_uid and not found.st_mode & ~made.st_mode & 0o022
        if own:
            os.fchmod(there, 0o700)
        return own
    finally:
        os.close(there)


@contextmanager
def private_place(final: Path) -> Iterator[Path]:
    """Give a place for `final` in a directory for this user alone, to which no tool can be misled.

    What is left there afterwards is removed.
    """
    private = temporary(final)
    private.mkdir(mode=0o700)
    try:
        yield private / final.name
    finally:
        shutil.rmtree(private, ignore_errors=True)


def publish(written: Path, final: Path) -> None:
    """Sync a finished file, give it its final name and sync the directory."""
    with reader(written) as file:
        sync(file.fileno())
    written.replace(final)
    sync_directory(final.parent)


def link(existing: Path, final: Path) -> None:
    """Give a file a second name: a hard link, or a copy where links cannot be."""
    with _temporary_gone_after(final) as new:
        try:
            os.link(existing, new)
        except OSError:
            copy(existing, new)
        publish(new, final)


def copy(existing: Path, new: Path) -> None:
    """Copy the content of a file into a new one. Raises `OSError`."""
    with reader(existing) as source, _new(new) as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _new(path: Path) -> BufferedWriter:
    return os.fdopen(opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb")


def replace(final: Path, parts: Iterable[bytes]) -> None:
    """Put a new content in place of an old one at once; a file that would stay the same is not touched."""
    with written(final, parts) as new:
        if new is not None:
            publish(new, final)


@contextmanager
def written(final: Path, parts: Iterable[bytes]) -> Iterator[Path | None]:
    """Write a new content under a temporary name and give that; None where the file would stay the same.

    Nothing has the temporary name afterwards. In a thread of a task that is cancelled, writing ends soon.
    """
    with _temporary_gone_after(final) as new:
        with _new(new) as file:
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
    with suppress(OSError), reader(one) as left, reader(other) as right:
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
    with reader(path) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def _temporary_gone_after(final: Path) -> Iterator[Path]:
    """Leave no half-written file; nor a link that renaming left, as both were names of one file already."""
    new = temporary(final)
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)
