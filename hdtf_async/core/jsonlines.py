"""JSON lines: write a line, and read files with lines of any length.

At most `LONGEST` bytes of a line are in memory. A longer line is skipped like one that is not JSON, and what
follows the last newline is not read: its writer was interrupted.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from hdtf_async.core.steps import checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

Record = dict[str, Any]
"""One line: a JSON object."""

LONGEST = 16 << 20
"""Maximum bytes of a line that is read. The longest lines that are written contain some hundred table
rows."""
_SKIPPED_AT_ONCE = 1_000_000
"""Bytes of a longer line that are read at a time."""


def line(record: Record) -> bytes:
    """Return a record as one line of JSON in UTF-8."""
    # A lone surrogate (from untrusted JSON or a file name) has no UTF-8 encoding, but JSON has an escape for
    # it.
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield each complete line with the offset after it, relative to the current position of the file.

    A line that is too long is yielded as an empty string.
    """
    offset = 0
    while text := file.readline(LONGEST):
        offset += len(text)
        if not text.endswith(b"\n"):
            skipped = _skip(file)
            if skipped is None:
                return
            text, offset = b"", offset + skipped
        yield text, offset


def _skip(file: BinaryIO) -> int | None:
    """Read up to the end of a line; return the number of bytes, or None if the line has no end."""
    skipped = 0
    while part := file.read(_SKIPPED_AT_ONCE):
        checkpoint()
        end = part.find(b"\n") + 1
        if end:
            file.seek(end - len(part), os.SEEK_CUR)
            return skipped + end
        skipped += len(part)
    return None


def records(file: BinaryIO) -> Iterator[tuple[Record, int]]:
    """Yield the record of each complete line with the offset after it; an empty one for an invalid line."""
    for text, offset in lines(file):
        yield parsed(text), offset


def parsed(text: bytes) -> Record:
    """Return the record of a line; an empty one if the line is invalid."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
