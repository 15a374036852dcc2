"""Writing that holds up nobody: a terminal that is stopped (Ctrl-S), or a reader of a pipe who is slow.

And lines that fit where they are written.
"""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, TextIO

import anyio

from hdtf_async.core.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable

ROOM = 100
"""Lines that may wait to be written before whoever can wait does."""
KEPT = 10_000
"""Lines that wait while nothing can be written; of more, the oldest are dropped."""
_UNIT = re.compile(r"(\d) (s|min|h|[kMGT]?B)\b")
"""A number and its unit, which stay on one line."""
LOOK = 0.02
"""Seconds between two looks at whether all is written."""


class LineWriter:
    """Writes lines, and below them the newest picture of the bars, in a thread of its own.

    Each turn is one write: what waits of lines, then the picture that is the newest by then. The thread is
    none that the interpreter waits for at its end: what cannot be written then is lost.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lines: list[str] = []
        self._frame: str | None = None
        self._busy = False
        self._closed = False
        self._trouble: OSError | None = None
        self._news = threading.Condition()
        threading.Thread(target=self._work, daemon=True, name="pen").start()

    def put(self, line: str = "", frame: str | None = None) -> None:
        """Have a line written, and a picture in place of the one before; never waits.

        Raises `OSError` once something could not be written: whoever was to read it has gone.
        """
        with self._news:
            if self._trouble is not None:
                raise self._trouble
            if line:
                self._lines.append(line)
                del self._lines[:-KEPT]
            self._frame = self._frame if frame is None else frame
            self._news.notify()

    @property
    def is_idle(self) -> bool:
        """Whether all is written, or nothing can be."""
        with self._news:
            return self._trouble is not None or not (self._busy or self._lines or self._frame is not None)

    async def has_room(self) -> None:
        """Wait until not too many lines wait."""
        while len(self._lines) > ROOM and self._trouble is None:  # noqa: ASYNC110 - a thread takes them
            await anyio.sleep(LOOK)

    async def written(self) -> None:
        """Wait until all is written."""
        while not self.is_idle:  # noqa: ASYNC110 - the same
            await anyio.sleep(LOOK)

    def close(self) -> None:
        """Write nothing more, but for what is being written."""
        with self._news:
            self._closed = True
            self._news.notify()

    def _work(self) -> None:
        while True:
            with self._news:
                self._busy = False
                self._news.wait_for(lambda: self._closed or not self.is_idle)
                if self._closed:
                    return
                text = "".join(self._lines) + (self._frame or "")
                self._lines.clear()
                self._frame, self._busy = None, True
            try:
                self._write(text)
            except OSError as error:  # the terminal has gone, or the pipe's reader
                self._trouble = error
                return


def into(file: TextIO) -> Callable[[str], None]:
    """Return what writes to a file past its buffers, whose locks nobody could take from a stuck thread.

    A file that is none of the system's, such as a `io.StringIO`, is written as it is.
    """
    number: int | None
    try:
        number = file.fileno()
    except OSError:
        number = None

    def write(text: str) -> None:
        if number is None:
            file.write(text)
            return
        left = memoryview(text.encode(file.encoding, "replace"))
        while left:
            left = left[os.write(number, left) :]

    return write


def say(text: str, *, error: bool = False, indent: int = 2) -> None:
    """Print lines on stdout, or on stderr: printable, and folded to the width of a terminal.

    All that the program prints, but for bars and JSON, is printed here: the lines may repeat names, paths
    and the output of tools.
    """
    to = sys.stderr if error else sys.stdout
    to.write(folded(printable_lines(text), to, indent) + "\n")
    to.flush()


def say_json(value: object) -> None:
    """Print a value on stdout as JSON, in ASCII."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def size_of(terminal: TextIO) -> os.terminal_size:
    """Return a terminal's size; the usual one where it does not know its own."""
    try:
        size = os.get_terminal_size(terminal.fileno())
    except (OSError, ValueError):
        size = os.terminal_size((80, 24))
    # A terminal that nobody has given a size says 0.
    return os.terminal_size((size.columns or 80, size.lines or 24))


def folded(text: str, to: TextIO, indent: int = 2) -> str:
    """Return lines that a terminal does not break within a word; as they are where they go elsewhere."""
    return fold(text, size_of(to).columns, indent) if to.isatty() else text


def fold(text: str, columns: int, indent: int = 2) -> str:
    """Return lines of so many columns at most, but for longer words; what is folded is indented."""

    def filled(line: str) -> str:
        behind = max(indent, len(line) - len(line.lstrip()) + 2)
        whole = _UNIT.sub("\\1\N{NO-BREAK SPACE}\\2", line)
        return textwrap.fill(
            whole, max(20, columns), subsequent_indent=" " * behind,
            break_long_words=False, break_on_hyphens=False,
        ).replace("\N{NO-BREAK SPACE}", " ")  # fmt: skip

    return "\n".join(map(filled, text.split("\n")))
