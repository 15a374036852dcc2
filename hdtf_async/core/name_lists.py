"""Lists of clips by name: which clips are created, and which of them are for training, validation or test.

A list is a text file with one clip per line: its stem, such as ``RD_Radio1_000``, or a YouTube id, which
stands for all clips of that video. ``#`` begins a comment. Some published lists are bundled, one directory
each, and have a name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hdtf_async.core import os_errors
from hdtf_async.core.splits import SIDES, Entry, NameList
from hdtf_async.core.text import shown

LARGEST = 64 * 2**20
"""Maximum bytes of a file."""
HELD_OUT = "test"
"""The split of the clips in a single file; all other clips are for training."""
LONGEST_PATH = 4096
"""Maximum characters of a path on Linux."""
PUBLISHED = Path(__file__).parent / "lists"
"""Directory of the bundled lists."""


class NameListError(ValueError):
    """A list cannot be read; the message names the file, and the line."""


def published() -> tuple[str, ...]:
    """Return the names of the bundled lists."""
    return tuple(sorted(each.name for each in PUBLISHED.iterdir() if each.is_dir()))


def read(path: str | Path) -> NameList:
    """Read a bundled list by its name, a directory with train.txt, val.txt and test.txt, or one file.

    At least one of the three files must exist. Blocks. Raises `NameListError`.
    """
    if path in published():
        return _directory(PUBLISHED / path, str(path))
    path = Path(path)
    try:
        if path.is_dir():
            return _directory(path, path.name)
    except OSError as error:
        raise NameListError(f"cannot read {path.name}: {os_errors.message_of(error)}") from None
    return _made(path.name, [*_entries(path, path.name, HELD_OUT)], "train")


def of_names(names: Iterable[str]) -> NameList:
    """Return the list of some names, without files. Raises `NameListError`."""
    entries = (Entry(name, f"entry {number}", HELD_OUT) for number, name in enumerate(names, start=1))
    return _made("list", [*entries], "train")


def _directory(path: Path, title: str) -> NameList:
    files = {side: path / f"{side}.txt" for side in SIDES if (path / f"{side}.txt").exists()}
    if not files:
        raise NameListError(f"{title}: no train.txt, val.txt or test.txt in this directory")
    entries = [
        entry for side, file in files.items() for entry in _entries(file, f"{title}/{file.name}", side)
    ]
    return _made(title, entries, None if "train" in files else "train")


def _made(title: str, entries: list[Entry], rest: str | None) -> NameList:
    seen: dict[str, Entry] = {}
    for entry in entries:
        before = seen.setdefault(entry.name, entry)
        if before.side != entry.side:
            raise NameListError(f"{entry.place}: {shown(entry.name)} is also in {before.place}")
    if not seen:
        raise NameListError(f"{title}: contains no names of clips")
    return NameList(title, tuple(seen.values()), rest)


def _entries(path: Path, name: str, side: str) -> Iterator[Entry]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise NameListError(f"cannot read {name}: {os_errors.message_of(error)}") from None
    if len(content) > LARGEST:
        raise NameListError(f"{name}: larger than {LARGEST} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NameListError(f"{name}: not a text file in UTF-8") from None
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.partition("#")[0].strip().removesuffix(".mp4")
        if entry:
            yield Entry(entry, f"{name}:{number}", side)


def of(value: object) -> NameList:
    """Return the list that a user's value stands for: a name, a path, or the names of clips themselves.

    Raises `NameListError`, and `TypeError` or `ValueError` for other values.
    """
    if isinstance(value, NameList):
        return value
    if isinstance(value, str | os.PathLike):
        path = os.fspath(value)
        if not isinstance(path, str) or not 0 < len(path) < LONGEST_PATH or not path.isprintable():
            raise ValueError
        return read(path)
    if isinstance(value, bytes | bytearray | Mapping) or not isinstance(value, Iterable):
        raise TypeError
    names = [*value]
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError
    return of_names(names)
