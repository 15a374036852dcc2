"""Files of one JSON object a line: writing a line, and reading a file whose lines may be of any length.

No more of a line is in memory than `LONGEST`. A longer one is passed over like one that is no JSON, and what
follows the last newline is not read at all: whoever wrote it was ended in the middle of it.
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
"""Bytes of the longest line that is read. The longest that are written name some hundred rows of a table."""
_SKIPPED_AT_ONCE = 1 << 20
"""Bytes of a longer line that are read in one step."""


def line(record: Record) -> bytes:
    """Return a record as one line of JSON in UTF-8."""
    # Half a surrogate pair (from a foreign JSON or file name) has no UTF-8, but JSON has an escape for it.
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield each whole line with the offset behind it, counted from where the file stands.

    A line that is too long is yielded as an empty text.
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
    """Read up to the end of a line; return how many bytes that was, and None where the line has no end."""
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
    """Yield the record of each whole line with the offset behind it; an empty one for a line that is none."""
    for text, offset in lines(file):
        yield parsed(text), offset


def parsed(text: bytes) -> Record:
    """Return the record of a line; an empty one where it is none."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
