"""What applies to every child of a run: it keeps the lock open, and the reaper kills it if orphaned."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Thread
from typing import TYPE_CHECKING

import anyio

from hdtf_async.core import descriptors, os_errors
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.process.reaper import FAREWELL, MARK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_PATIENCE = 5.0
"""Seconds for the reaper to exit after the run."""


class Guard:
    """What applies to every child of a run: descriptors that it inherits, and a reaper that kills orphans.

    This base class guards nothing; `guarding` provides the real one.
    """

    inherit: tuple[int, ...] = ()
    """Descriptors that each child inherits: the lock is held as long as any child may still write."""

    def environment(self) -> Mapping[str, str] | None:
        """Return the environment for a child; None for this process's own."""
        return None

    def begun(self, group: int) -> None:
        """Register a process group that was started."""

    def ended(self, group: int) -> None:
        """Unregister a process group that was killed; to be called before its leader is reaped."""

    def temporary(self, directory: str) -> None:
        """Register a directory to be deleted if this program is killed."""


UNGUARDED = Guard()
"""For children that do not belong to a run."""


class _Guarded(Guard):
    """Reports to the reaper."""

    def __init__(self, pipe: int, locks: tuple[int, ...], mark: str) -> None:
        self.inherit = locks
        self._pipe = pipe
        self._mark = mark

    def environment(self) -> Mapping[str, str]:
        return os.environ | {MARK: self._mark}

    def begun(self, group: int) -> None:
        self._tell(b"+%d\n" % group)

    def ended(self, group: int) -> None:
        self._tell(b"-%d\n" % group)

    def temporary(self, directory: str) -> None:
        if "\n" not in directory:
            self._tell(os.fsencode(directory) + b"\n")

    def _tell(self, message: bytes) -> None:
        # A reaper that was killed or stopped must not fail the run.
        with suppress(BrokenPipeError, BlockingIOError):
            os.write(self._pipe, message)


@asynccontextmanager
async def guarding(*locks: int) -> AsyncIterator[Guard]:
    """Start a reaper, and provide the guard for all children of a run that holds these locks.

    Raises `Failure` with ``tool_missing`` if no process can be started.
    """
    mark = secrets.token_hex(8)
    reaper = _started(locks, mark)
    if reaper.stdin is None:
        raise RuntimeError("a child that was given a pipe has one")
    pipe = reaper.stdin
    os.set_blocking(pipe.fileno(), False)
    descriptors.keep_from_forks(pipe.fileno())  # it would keep the reaper waiting
    try:
        yield _Guarded(pipe.fileno(), locks, mark)
    finally:
        with suppress(BrokenPipeError, BlockingIOError):
            os.write(pipe.fileno(), FAREWELL)
        descriptors.forget(pipe.fileno())
        pipe.close()
        try:
            with anyio.CancelScope(shield=True), anyio.move_on_after(_PATIENCE):
                while reaper.poll() is None:  # noqa: ASYNC110 - nothing could set an event
                    await anyio.sleep(0.002)
        finally:
            if reaper.poll() is None:
                reaper.kill()
                Thread(target=reaper.wait, name="reaper", daemon=True).start()


def _started(locks: tuple[int, ...], mark: str) -> Popen[bytes]:
    try:
        # Isolated and without site packages: no settings of the user affect it.
        return Popen(
            [sys.executable, "-IS", str(Path(__file__).with_name("reaper.py")), mark],
            bufsize=0,
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=DEVNULL,
            pass_fds=locks,
            start_new_session=True,
        )
    except OSError as error:
        reason = os_errors.reason_of(error) or Reason.TOOL_MISSING
        raise Failure(reason, f"cannot start processes: {os_errors.message_of(error)}") from None
