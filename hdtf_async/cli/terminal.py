"""Everything that the command line prints, except progress: printable, and folded to the terminal's width."""

from __future__ import annotations

import json
import sys
from typing import TextIO

from hdtf_async.core.text import fold, printable_lines
from hdtf_async.progress.writer import size_of


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


def folded(text: str, to: TextIO, indent: int = 2) -> str:
    """Return lines that a terminal does not break within a word; as they are where they go elsewhere."""
    return fold(text, size_of(to).columns, indent) if to.isatty() else text
