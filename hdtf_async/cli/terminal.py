"""Everything that the command line prints, except progress: printable, and folded to the terminal's width."""

from __future__ import annotations

import json
import sys
from typing import TextIO

from hdtf_async.core.text import fold, printable_lines
from hdtf_async.progress.terminal_size import size_of


def say(text: str, *, error: bool = False, indent: int = 2) -> None:
    """Print lines on stdout, or on stderr: printable, and wrapped to the width of a terminal.

    Everything that the program prints, except for bars and JSON, is printed here: the lines may contain
    names, paths and the output of tools.
    """
    to = sys.stderr if error else sys.stdout
    to.write(folded(printable_lines(text), to, indent) + "\n")
    to.flush()


def complain(message: str) -> None:
    """Print a message of this program on stderr."""
    say(f"hdtf_async: {message}", error=True)


def say_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value on stdout as JSON, in ASCII; on one line without `indent`."""
    sys.stdout.write(json.dumps(value, indent=indent) + "\n")


def folded(text: str, to: TextIO, indent: int = 2) -> str:
    """Return lines wrapped at words for a terminal; unchanged for other files."""
    return fold(text, size_of(to).columns, indent) if to.isatty() else text
