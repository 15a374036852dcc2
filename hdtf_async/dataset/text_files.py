"""Read untrusted text files line by line, within limits."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from hdtf_async.core import os_errors
from hdtf_async.core.exceptions import TableError
from hdtf_async.core.steps import EVERY, checkpoint
from hdtf_async.core.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST_LINE = 64 * 1024
"""Maximum number of characters in a line of HDTF's tables. A row of ten intervals has 150."""
LARGEST_TABLE = 32 * 1024 * 1024
"""Maximum number of characters in one of HDTF's tables. 100,000 videos have about six million."""

_UTF_16 = ("\udcff\udcfe", "\udcfe\udcff")
"""How a file in UTF-16 begins, if it is read as UTF-8."""


def mode_of(path: Path, shown: str) -> int | None:
    """Return the file mode of `path`, or None if it does not exist. Raises `TableError`."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise TableError(shown, 0, f"cannot read ({error}); check the permissions") from error


def lines(
    path: Path, file: str, *, longest: int = LONGEST_LINE, largest: int = LARGEST_TABLE
) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file with their numbers, without holding more than the longest valid line.

    Raises `TableError`, with `file` as the name, if it is no regular file, cannot be read, is not UTF-8, or
    exceeds the limits (in characters).
    """
    mode = mode_of(path, file)
    if mode is None:
        raise TableError(file, 0, "no such file; check the path")
    if not stat.S_ISREG(mode):
        raise TableError(file, 0, "not a regular file; replace it by the table")
    line = length = 0
    try:
        # Undecodable bytes become lone surrogates, so that they can be reported with their line.
        with path.open(encoding="utf-8", errors="surrogateescape") as stream:
            while text := stream.readline(longest + 1):
                line += 1
                if line % EVERY == 0:
                    checkpoint()
                length += len(text)
                if line == 1:
                    text = text.removeprefix("\ufeff")
                if len(text) > longest and not text.endswith("\n"):
                    message = f"longer than {longest} characters: damaged, download the table again"
                    raise TableError(file, line, message)
                if length > largest:
                    message = f"the table is longer than {largest} characters: damaged, download it again"
                    raise TableError(file, line, message)
                if not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
                    wrong = "this UTF-16 file" if text.startswith(_UTF_16) else quoted(text.strip())
                    raise TableError(file, line, f"{wrong} is not UTF-8; save it as UTF-8")
                yield line, text
    except OSError as error:
        raise TableError(
            file, line, f"cannot read ({os_errors.message_of(error)}); check the file"
        ) from error
