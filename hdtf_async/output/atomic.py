"""File operations that are either complete and durable, or have no effect.

They block, because each is a sequence of system calls: `directory` runs them in worker threads. This module
knows nothing about clips, source videos or the journal.

Durable means that the result survives a power cut, on a file system with two guarantees: the content of a
file when it was synced is kept, regardless of which process wrote it and which descriptor was synced; and the
names in a directory are kept as they were when it was synced. No order is assumed between operations that are
not synced, and syncing a file does not make its name durable. Unsynced content may be lost, but is never
replaced by that of another file: this holds for journalling file systems (ext4, XFS, btrfs, APFS), and not
for FAT.

Other users may be allowed to write to the directory too, and create a symbolic link or a FIFO where a file is
expected. So nothing is written, truncated or deleted through a link, temporary names are unpredictable, and
only regular files are opened, without blocking.
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
"""Prefix of every temporary file and directory of this program, and of nothing else."""
_TOKEN = re.compile(r"^[0-9a-f]{16}-")
"""The next part of most temporary names. No final name starts like this."""
_SYNCED_AT_ONCE = 16 << 20
"""Bytes of a long file that are synced in one step."""
_FLUSH_DRIVE = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS only: its fsync leaves the content in the cache of the drive (see fsync(2) there)."""


@contextmanager
def os_errors_as_failures(path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `Failure`: ``not_writable``, or another reason of `os_errors`."""
    try:
        yield
    except (OSError, MemoryError, RuntimeError) as error:
        reason = os_errors.reason_of(error) or (Reason.NOT_WRITABLE if isinstance(error, OSError) else None)
        if reason is None:
            raise
        raise Failure(reason, f"{path}: {os_errors.message_of(error)}") from error


def opened(path: Path | str, flags: int, mode: int = 0o666) -> int:
    """Open a regular file for writing or locking, but not through a link. Raises `OSError`."""
    try:
        return _regular(path, flags | os.O_NOFOLLOW, mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, _NOT_FOLLOWED, path) from None
        raise


_NOT_FOLLOWED = "symbolic links are not followed here"


def reader(path: Path) -> BufferedReader:
    """Open a regular file for reading, also through a link. Raises `OSError`."""
    return os.fdopen(_regular(path, os.O_RDONLY, 0), "rb")


def content(path: Path, most: int) -> bytes:
    """Return the content of a regular file. Raises `OSError`, also if it has more than `most` bytes."""
    with reader(path) as file:
        text = file.read(most + 1)
    if len(text) > most:
        raise OSError(errno.EFBIG, f"longer than {most} bytes", path)
    return text


def _regular(path: Path | str, flags: int, mode: int) -> int:
    """Open a regular file; any other kind of file cannot block this."""
    descriptor = os.open(path, flags | os.O_NONBLOCK, mode)
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return descriptor
    os.close(descriptor)
    number = errno.EISDIR if stat.S_ISDIR(kind) else errno.EINVAL
    raise OSError(number, os.strerror(number) if stat.S_ISDIR(kind) else "not a regular file", path)


def require_trusted(path: Path) -> None:
    """Raise `OSError` for a link by which another user could redirect what this user writes.

    Allowed are links of this user, of root, and of the owner of the directory that contains the link, who can
    replace anything there: Linux follows links in directories such as /tmp by the same rule.
    """
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode) and status.st_uid not in {os.geteuid(), 0, path.parent.stat().st_uid}:
        raise OSError(errno.ELOOP, "symbolic links of other users are not followed", path)


def temporary(final: Path) -> Path:
    """Return a temporary name for `final`, in the same directory."""
    return final.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}-{final.name}")


def created(final: Path) -> Path:
    """Create an empty file with a temporary name, and return its path. Raises `OSError`."""
    new = temporary(final)
    os.close(opened(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    return new


def is_temporary(name: str) -> bool:
    """Return whether a name is that of a temporary file or directory."""
    return name.startswith(_TEMPORARY)


def final_name(name: str) -> str:
    """Return the final name for a temporary name."""
    return _TOKEN.sub("", name.removeprefix(_TEMPORARY), count=1)


def sweep(
    directory: Path,
    spare: Callable[[Path], bool] = lambda _: False,
    ours: Callable[[str], bool] = lambda _: True,
) -> None:
    """Remove temporary files and directories of interrupted runs.

    `spare` returns whether a directory is still useful; `ours` returns for a final name whether no other run
    can be using it.
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
    """Create a directory with its parents, and make their names durable.

    This includes directories that exist already: a run that created them may have been killed before it
    synced them.
    """
    path.mkdir(parents=True, exist_ok=True)
    for above in path.absolute().parents:
        if not os.access(above, os.W_OK):
            break  # without write permission, none of the names is from this program
        sync_directory(above)


def own_directory(final: Path) -> Path:
    """Return a private temporary directory of this user, mode 0700; the previous one, if usable.

    It always has the same name, unless another user has created a directory there, which is not touched.
    Raises `OSError`.
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
    """Whether a directory has the owner of one that was just created, and nobody else could write to it.

    The reported owner is not always this user, depending on the file system. Others may then no longer read
    it either.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        found, made = os.fstat(descriptor), like.lstat()
        own = found.st_uid == made.st_uid and not found.st_mode & ~made.st_mode & 0o022
        if own:
            os.fchmod(descriptor, 0o700)
        return own
    finally:
        os.close(descriptor)


@contextmanager
def private_place(final: Path) -> Iterator[Path]:
    """Provide a path for `final` in a private directory, where no link can redirect a tool.

    Afterwards, remaining files there are removed.
    """
    private = temporary(final)
    private.mkdir(mode=0o700)
    try:
        yield private / final.name
    finally:
        shutil.rmtree(private, ignore_errors=True)


def publish(written: Path, final: Path) -> None:
    """Sync a finished file, rename it to its final name and sync the directory."""
    with reader(written) as file:
        sync(file.fileno())
    written.replace(final)
    sync_directory(final.parent)


def link(existing: Path, final: Path) -> None:
    """Give a file a second name: a hard link, or a copy if links are not supported."""
    with _temporary_gone_after(final) as new:
        try:
            os.link(existing, new)
        except OSError:
            copy(existing, new)
        publish(new, final)


def copy(existing: Path, new: Path) -> None:
    """Copy the content of a file to a new one. Raises `OSError`."""
    with reader(existing) as source, _new(new) as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _new(path: Path) -> BufferedWriter:
    return os.fdopen(opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb")


def replace(final: Path, parts: Iterable[bytes]) -> None:
    """Replace the content of a file atomically; if it would not change, the file is not touched."""
    with written(final, parts) as new:
        if new is not None:
            publish(new, final)


@contextmanager
def written(final: Path, parts: Iterable[bytes]) -> Iterator[Path | None]:
    """Write new content to a temporary file and yield its path; None if the content would not change.

    The temporary file is removed afterwards. In a thread of a cancelled task, writing ends soon.
    """
    with _temporary_gone_after(final) as new:
        with _new(new) as file:
            left = _SYNCED_AT_ONCE
            for part in steps(parts):
                file.write(part)
                left -= len(part)
                if left < 0:  # else publishing would sync all of it at once, which cannot be interrupted
                    file.flush()
                    sync(file.fileno())
                    left = _SYNCED_AT_ONCE
        yield None if _are_same(new, final) else new


def _are_same(one: Path, other: Path) -> bool:
    """Return whether two files have the same content."""
    with suppress(OSError), reader(one) as left, reader(other) as right:
        if os.fstat(left.fileno()).st_size == os.fstat(right.fileno()).st_size:
            chunks = zip(*(iter(partial(file.read, 1 << 16), b"") for file in (left, right)), strict=False)
            return all(a == b for a, b in steps(chunks))
    return False


def sync(descriptor: int) -> None:
    """Sync the content of an open file, or the names in an open directory."""
    os.fsync(descriptor)
    if _FLUSH_DRIVE is not None:
        with suppress(OSError):  # a network file system has no drive
            fcntl.fcntl(descriptor, _FLUSH_DRIVE)


def sync_directory(directory: Path) -> None:
    """Sync the names in a directory, if its file system supports that."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        sync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EBADF}:
            raise
    finally:
        os.close(descriptor)


def has_size(path: str, size: object) -> bool:
    """Return whether a file exists with that many bytes."""
    try:
        return os.stat(path).st_size == size  # noqa: PTH116 - a third of the time, for every existing clip
    except (OSError, ValueError):  # a name from a damaged journal may be invalid
        return False


def sha256(path: Path) -> str:
    """Return the sha256 of a file's content, in hexadecimal."""
    with reader(path) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def _temporary_gone_after(final: Path) -> Iterator[Path]:
    """Leave no partial file; nor the link that a rename leaves if both names are links to one file."""
    new = temporary(final)
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)
