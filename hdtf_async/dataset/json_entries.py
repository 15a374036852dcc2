"""Read the entries of a large JSON file one by one: the members of an object, or an array's elements.

The lists of some datasets have hundreds of megabytes. Only one entry and one block of text are in memory.
"""

from __future__ import annotations

import json
import re
import stat
from typing import TYPE_CHECKING, NoReturn

from hdtf_async.core import os_errors
from hdtf_async.core.exceptions import TableError
from hdtf_async.core.text import quoted
from hdtf_async.dataset.text_files import mode_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

LONGEST_ENTRY = 16 * 1024 * 1024
"""Maximum number of characters of an entry."""
_BLOCK = 256 * 1024
"""Characters that are read at a time."""
_SPACE = re.compile(r"[ \t\n\r]*")
_DAMAGED = "damaged or incomplete, download the file again"


def entries(path: Path, file: str, *, under: str | None = None) -> Iterator[tuple[str, object]]:
    """Yield key and value of each member of the object in a file, or of the object that it has at `under`.

    The elements of an array have an empty key. Raises `TableError`, with `file` as the name, if the file
    cannot be read or is no such JSON. Blocks.
    """
    if not stat.S_ISREG(mode_of(path, file) or 0):
        raise TableError(file, 0, "not a regular file; name the JSON file")
    try:
        with path.open(encoding="utf-8-sig") as stream:
            text = _Text(stream, file)
            yield from _members(text) if under is None else _members_under(text, under)
    except UnicodeDecodeError as error:
        raise TableError(file, text.line, f"not UTF-8 ({error.reason}): {_DAMAGED}") from error
    except OSError as error:
        message = f"cannot read ({os_errors.message_of(error)}); check the file"
        raise TableError(file, 0, message) from error


class _Text:
    """The part of a file that was read, and not yet interpreted."""

    def __init__(self, stream: TextIO, file: str) -> None:
        self._stream = stream
        self._file = file
        self._text = ""
        self._at = 0
        self._complete = False
        self.line = 1
        """Line of the next character."""

    def refuse(self, message: str) -> NoReturn:
        """Raise `TableError` for the current line."""
        raise TableError(self._file, self.line, message)

    def _more(self) -> None:
        """Read another block."""
        block = self._stream.read(max(_BLOCK, len(self._text) - self._at))
        self._text, self._at = self._text[self._at :] + block, 0
        self._complete = not block

    def peek(self) -> str:
        """Return the next character that is no space; an empty text at the end of the file."""
        while True:
            space = _SPACE.match(self._text, self._at)
            end = self._at if space is None else space.end()
            self._pass(end)
            if end < len(self._text):
                return self._text[end]
            if self._complete:
                return ""
            self._more()

    def _pass(self, end: int) -> None:
        self.line += self._text.count("\n", self._at, end)
        self._at = end

    def expect(self, characters: str) -> str:
        """Return the next character, which must be one of `characters`, and pass it."""
        found = self.peek()
        if not found or found not in characters:
            self.refuse(f"expected {' or '.join(characters)} (got {quoted(found or 'the end')}): {_DAMAGED}")
        self._at += 1
        return found

    def value(self) -> object:
        """Return the next value, and pass it."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._complete:
                    self._pass(min(error.pos, len(self._text)))
                    self.refuse(f"invalid JSON ({error.msg}): {_DAMAGED}")
            except (ValueError, RecursionError) as error:
                self.refuse(f"invalid JSON ({error}): {_DAMAGED}")
            else:
                # A number could continue in the next block.
                if end < len(self._text) or self._complete:
                    self._pass(end)
                    return value
            if len(self._text) - self._at > LONGEST_ENTRY:
                self.refuse(f"an entry is longer than {LONGEST_ENTRY} characters, or {_DAMAGED}")
            self._more()


_DECODER = json.JSONDecoder()


def _members(text: _Text) -> Iterator[tuple[str, object]]:
    """Yield the members of the object, or the elements of the array, that comes next."""
    closing = "}" if text.expect("{[") == "{" else "]"
    if text.peek() == closing:
        text.expect(closing)
        return
    while True:
        yield (_key(text) if closing == "}" else ""), text.value()
        if text.expect("," + closing) == closing:
            return


def _members_under(text: _Text, under: str) -> Iterator[tuple[str, object]]:
    text.expect("{")
    while True:
        if text.peek() == "}":
            text.refuse(f"no member {quoted(under)}: this is another file, or {_DAMAGED}")
        if _key(text) == under:
            yield from _members(text)
            return
        text.value()
        if text.peek() != "}":
            text.expect(",")


def _key(text: _Text) -> str:
    key = text.value()
    if not isinstance(key, str):
        text.refuse(f"expected a name in quotes: {_DAMAGED}")
    text.expect(":")
    return key
