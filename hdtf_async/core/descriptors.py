"""Descriptors that are a run's own: locked files, and pipes whose end tells something.

A lock of `flock` belongs to the open file, and so to every process that has inherited it. The tools of a run
shall hold its locks; a process that the host program forks (`multiprocessing`, a data loader) shall not, or
the next run in the same program would find the directory locked by itself. So a lock is released before its
descriptor is closed, and a forked process gives its copies back at once.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

_OWN: set[int] = set()
"""The only global state of the library: descriptors that are open here and that no forked process keeps."""


def keep_from_forks(descriptor: int) -> None:
    """Let no process that is forked from now on keep this descriptor, until `forget` or `close`."""
    _OWN.add(descriptor)


def forget(descriptor: int) -> None:
    """Take note that a descriptor is about to be closed: its number may be another file's after that."""
    _OWN.discard(descriptor)


def lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file without waiting, for processes that are not forked; say whether that was possible.

    Raises `OSError` where its file system has no locks.
    """
    keep_from_forks(descriptor)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the second one is how SMB says it
        return False
    return True


def close(descriptor: int) -> None:
    """Release the lock of a descriptor, whoever else has a copy of it, and close it."""
    release(descriptor)
    os.close(descriptor)


def release(descriptor: int) -> None:
    """Release the lock of a descriptor that is about to be closed."""
    forget(descriptor)
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _give_back() -> None:
    """Drop what a forked process has inherited.

    The numbers stay in use: objects that were copied with the process may close them at any time, and would
    hit whatever had got such a number meanwhile.
    """
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
    except OSError:  # too many open files
        for descriptor in _OWN:
            os.close(descriptor)
    else:
        for descriptor in _OWN:
            os.dup2(nothing, descriptor, inheritable=False)
        os.close(nothing)
    _OWN.clear()


os.register_at_fork(after_in_child=_give_back)
