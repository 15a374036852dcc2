"""Reasons for errors of the operating system: one table from error numbers to reasons. Pure.

Errors that are not in it are judged by the caller: a missing file has one meaning for a program to start, and
another one for a manifest to write.
"""

from __future__ import annotations

import errno

from hdtf_async.core.failures import Failure, Reason

_FULL, _LIMIT, _DISK = Reason.DISK_FULL, Reason.RESOURCE_LIMIT, Reason.DISK_ERROR
_LOOK = "check the system log (dmesg) and the disk"
_MOUNT = "check the file server and the mount"
_TABLE: dict[str, tuple[Reason | None, str]] = {
    "ENOSPC": (_FULL, ""),
    "EDQUOT": (_FULL, ""),
    "EMFILE": (_LIMIT, "raise the limit of open files per process: ulimit -n"),
    "ENFILE": (
        _LIMIT,
        "raise the system-wide limit of open files: fs.file-max, on macOS kern.maxfiles",
    ),
    "EAGAIN": (_LIMIT, "raise the limit of processes and threads: ulimit -u, or pids.max of the container"),
    "ENOMEM": (_LIMIT, "free memory, or raise the memory limit: ulimit -v, or memory.max of the container"),
    "EFBIG": (_LIMIT, "raise the file size limit: ulimit -f; FAT is limited to 4 GB"),
    "EIO": (_DISK, _LOOK),
    "EUCLEAN": (_DISK, _LOOK),
    "ENODEV": (_DISK, _LOOK),
    "ENOMEDIUM": (_DISK, _LOOK),
    "EREMOTEIO": (_DISK, _MOUNT),
    "ESTALE": (_DISK, _MOUNT),
    "ENOTCONN": (_DISK, _MOUNT),
    "ETIMEDOUT": (_DISK, _MOUNT),
    "EHOSTDOWN": (_DISK, _MOUNT),
    "ENAMETOOLONG": (None, "choose a shorter path, or a file system that supports long names"),
    "EROFS": (None, "mount it read-write"),
}
"""Name of each error to its reason, if that is always the same, and what to set. Not every system has all of
them."""
CAUSES = {getattr(errno, name): row for name, row in _TABLE.items() if hasattr(errno, name)}
"""The table, by the numbers of this system."""


def reason_of(error: BaseException) -> Reason | None:
    """Return the reason of an error that this machine causes, wherever it occurs; None for any other."""
    if isinstance(error, OSError):
        return CAUSES.get(error.errno or 0, (None, ""))[0]
    if isinstance(error, MemoryError) or _is_thread_limit(error):
        return Reason.RESOURCE_LIMIT
    return None


def message_of(error: BaseException) -> str:
    """Return the message of an error, with what to set if that is known."""
    if not isinstance(error, OSError):
        number = errno.EAGAIN if _is_thread_limit(error) else errno.ENOMEM
        return f"{str(error) or type(error).__name__}: {CAUSES[number][1]}"
    hint = CAUSES.get(error.errno or 0, (None, ""))[1]
    return f"{error.strerror or error}{f': {hint}' if hint else ''}"


def of_child(failure: Failure) -> Reason:
    """Return why a child of this program does not work: a system limit, or otherwise ``tool_missing``."""
    if failure.reason in {_LIMIT, _DISK, _FULL}:
        return failure.reason
    return _LIMIT if "too many open files" in failure.words.casefold() else Reason.TOOL_MISSING


def is_of_this_process(error: BaseException) -> bool:
    """Whether no file can be opened at the moment, so that an error says nothing about a file."""
    return isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}


def _is_thread_limit(error: BaseException) -> bool:
    """Whether no thread could be started, for which Python has no specific exception."""
    return isinstance(error, RuntimeError) and "start new thread" in str(error)
