"""Descriptors that must not survive a fork: locked files, and pipes whose closing is a signal.

A `flock` lock belongs to the open file, and so to every process that has inherited it. The tools of a run
must hold its locks; a process that the host program forks (`multiprocessing`, a data loader) must not, or the
next run in the same program would find the directory locked by itself. So a lock is released before its
descriptor is closed, and a forked process closes its copies at once.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

_OWN: set[int] = set()
"""The only global state of the library: open descriptors that forked processes must not keep."""


def keep_from_forks(descriptor: int) -> None:
    """Close this descriptor in processes that are forked from now on, until `forget` or `close`."""
    _OWN.add(descriptor)


def forget(descriptor: int) -> None:
    """Unregister a descriptor that is about to be closed: another file may get its number."""
    _OWN.discard(descriptor)


def lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file without waiting, and not for forked processes; return whether that was possible.

    Raises `OSError` if its file system does not support locks.
    """
    keep_from_forks(descriptor)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the second one is raised on SMB
        return False
    return True


def close(descriptor: int) -> None:
    """Release the lock of a descriptor, whichever processes have copies of it, and close it."""
    release(descriptor)
    os.close(descriptor)


def release(descriptor: int) -> None:
    """Release the lock of a descriptor that is about to be closed."""
    forget(descriptor)
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _give_back() -> None:
    """Replace the descriptors that a forked process has inherited.

    The numbers stay in use: objects that were copied with the process may close them at any time, and would
    close any other file that got such a number meanwhile.
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
