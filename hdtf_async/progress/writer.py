"""Non-blocking output, for terminals that are stopped (Ctrl-S) and pipes that are not read."""

from __future__ import annotations

import errno
import os
import sys
import threading
from typing import TYPE_CHECKING, TextIO

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_UNWRITTEN = 100
"""Number of unwritten texts up to which `LineWriter.drain` returns at once."""
POLL_SECONDS = 0.02
"""Interval at which the event loop checks whether the thread has written."""


class LineWriter:
    """Writes texts in order in a separate thread; a file object for tqdm.

    The thread is a daemon: what cannot be written when the interpreter exits is lost.
    """

    def __init__(self, write: Callable[[str], object], encoding: str = "utf-8") -> None:
        self.encoding = encoding
        """Read by tqdm, which draws ASCII bars unless it is a form of UTF-8."""
        self._write = write
        self._unwritten: list[str] = []
        self._busy = False
        self._closed = False
        self._error: OSError | None = None
        self._changed = threading.Condition()
        threading.Thread(target=self._work, daemon=True, name="line-writer").start()

    def write(self, text: str) -> None:
        """Queue a text for writing; never waits and never raises."""
        with self._changed:
            if self._error is None:
                self._unwritten.append(text)
                self._changed.notify()

    def flush(self) -> None:
        """Do nothing: the thread writes as soon as it can."""

    @property
    def is_idle(self) -> bool:
        """Whether everything is written, or a write failed."""
        with self._changed:
            return self._error is not None or not (self._busy or self._unwritten)

    async def drain(self) -> None:
        """Wait until few texts are unwritten. Raises `OSError` if a write failed."""
        while len(self._unwritten) > MAX_UNWRITTEN and self._error is None:  # noqa: ASYNC110 - a thread takes them
            await anyio.sleep(POLL_SECONDS)
        if self._error is not None:
            raise self._error

    async def written(self) -> None:
        """Wait until everything is written, or a write has failed."""
        while not self.is_idle:  # noqa: ASYNC110 - the same
            await anyio.sleep(POLL_SECONDS)

    def close(self) -> None:
        """End the thread, after the current write."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.wait_for(lambda: self._closed or not self.is_idle)
                if self._closed:
                    return
                text = "".join(self._unwritten)
                self._unwritten.clear()
                self._busy = True
            try:
                self._write(text)
            except OSError as error:  # the terminal or pipe is closed
                self._error = error
                return
            except Exception as error:  # noqa: BLE001 - a file object of the host, which may be closed
                self._error = OSError(errno.EBADF, f"{error}")
                return


def open_writer(file: TextIO | None) -> LineWriter:
    """Return a writer to a standard stream. Raises `OSError` if it is closed.

    It bypasses the buffer of the process's own streams, whose lock a stopped terminal would hold. Other file
    objects, such as those of a notebook or a test, are used unchanged.
    """
    if file is None or getattr(file, "closed", False):
        raise OSError(errno.EBADF, "the standard stream is closed")
    stream, encoding = file, file.encoding or "utf-8"
    if file is not sys.__stdout__ and file is not sys.__stderr__:
        return LineWriter(
            lambda text: file.write(text.encode(encoding, "replace").decode(encoding)), encoding
        )
    number = stream.fileno()

    def write(text: str) -> None:
        left = memoryview(text.encode(encoding, "replace"))
        while left:
            left = left[os.write(number, left) :]

    return LineWriter(write, encoding)
