"""Partial downloads of byte ranges, and which of their bytes another attempt may reuse.

Ranges are requested one after another. yt-dlp appends each complete one to ``FILE.part``, and writes the
current one to ``FILE.part-FragN``, with another ``.part`` behind it until it is complete; N counts from 1. So
at any moment the bytes that have arrived are a beginning of the requested ones. A note next to the file says
which those are, and of which file on YouTube. Another attempt requests the rest as another file: yt-dlp would
continue with a Range header, and what a server answers to that and a range in the URL is unknown. As with
whole files (`partials`), bytes are only reused until the system is restarted.

This module blocks; it is called in threads.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from hdtf_async.core import system
from hdtf_async.output import atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DIRECTORY = "sections"
"""Directory of these downloads, in the private directory of a video."""
_NOTE = ".ranges.json"
_LONGEST_NOTE = 1 << 20
"""Maximum size of a note, in bytes: thousands of ranges."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive bytes of a file on YouTube that have arrived."""

    first: int
    behind: int
    path: Path
    """Where they are."""
    position: int
    """Position of the first of them there."""


@dataclass(frozen=True, slots=True)
class _Note:
    name: str
    """Name of the complete download."""
    of: str
    """Identifies the file on YouTube."""
    ranges: tuple[tuple[int, int], ...]
    """First byte of each range and the byte behind its last, in the order of the requests."""
    system: str
    """Identifies the system and its last start."""


def begin(place: Path, name: str, of: str, ranges: Sequence[tuple[int, int]]) -> Path:
    """Note which ranges will be requested, and return the path for their bytes.

    `name` has the form ``KIND.EXT``. Raises `OSError`.
    """
    kind, _, ending = name.rpartition(".")
    number = 0
    while (note := place / f"{kind}{number}.{ending}{_NOTE}").exists():
        number += 1
    target = note.with_name(note.name.removesuffix(_NOTE))
    note.write_text(
        json.dumps(asdict(_Note(target.name, of, tuple(ranges), system.this_system()))), encoding="utf-8"
    )
    return target


def arrived(place: Path, of: str) -> list[Stretch]:
    """Return the bytes of a file on YouTube that have arrived. Raises `OSError`."""
    notes = (_noted(path) for path in sorted(place.glob(f"*{_NOTE}")))
    return [
        stretch
        for note in notes
        if note is not None and (note.of, note.system) == (of, system.this_system())
        for stretch in _stretches(place, note)
    ]


def arrived_at(target: Path) -> list[Stretch]:
    """Return which of the bytes that `begin` has noted have arrived. Raises `OSError`."""
    note = _noted(target.with_name(target.name + _NOTE))
    return [] if note is None else [*_stretches(target.parent, note)]


def prepare(place: Path) -> None:
    """Create the directory, or remove from it what no attempt can use. Raises `OSError`."""
    if not tidy(place):
        forget(place)
        place.mkdir(mode=0o700)


def finish(place: Path) -> None:
    """Remove the downloads, whose bytes have been copied to other files there."""
    for path in place.glob(f"*{_NOTE}"):
        with suppress(OSError):
            path.unlink()
            path.with_name(path.name.removesuffix(_NOTE)).unlink()


def forget(place: Path) -> None:
    """Remove the directory."""
    shutil.rmtree(place, ignore_errors=True)


def tidy(place: Path) -> bool:
    """Remove what no other attempt can use; return whether anything is left."""
    try:
        # By descriptor: the name of the directory around it may be given to another one at any time.
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        kept = set[str]()
        for path in place.glob(f"*{_NOTE}"):
            note = _noted(path)
            if (
                note is not None
                and note.system == system.this_system()
                and (found := list(_stretches(place, note)))
            ):
                kept |= {path.name, *(each.path.name for each in found), f"{note.name}.part"}
        for name in set(os.listdir(descriptor)) - kept:  # noqa: PTH208 - pathlib has no descriptors
            with suppress(OSError):
                os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    return bool(kept)


def _noted(path: Path) -> _Note | None:
    """Return a note; None if there is no valid one."""
    try:
        note = _Note(**json.loads(atomic.content(path, _LONGEST_NOTE)))
        ranges = tuple((int(first), int(behind)) for first, behind in note.ranges)
    except (OSError, ValueError, TypeError):
        return None
    if path.name != f"{note.name}{_NOTE}" or any(not 0 <= first < behind for first, behind in ranges):
        return None
    return _Note(note.name, note.of, ranges, note.system)


def _stretches(place: Path, note: _Note) -> Iterator[Stretch]:
    complete, part = place / note.name, place / f"{note.name}.part"
    path = complete if _size(complete) is not None else part
    size, position, found = _size(path), 0, list[Stretch]()
    for first, behind in note.ranges if size else ():
        if position == size:
            break
        found.append(Stretch(first, behind, path, position))
        position += behind - first
    if size is None or position != size:
        return  # an answer was shorter than its range: what follows it is not where it seems to be
    yield from found
    if path is part and len(found) < len(note.ranges):
        yield from _current(place, note, len(found) + 1)


def _current(place: Path, note: _Note, number: int) -> Iterator[Stretch]:
    """Return what has arrived of the range that was requested last."""
    beside = f"{note.name}.part-Frag"
    if any(_size(place / f"{beside}0{ending}") is not None for ending in ("", ".part")):
        return  # another program than yt-dlp has requested them, and counts from 0
    first, behind = note.ranges[number - 1]
    for ending in ("", ".part"):
        path = place / f"{beside}{number}{ending}"
        if size := _size(path):
            yield Stretch(first, min(behind, first + size), path, 0)
            return


def _size(path: Path) -> int | None:
    """Return the size of a regular file; None if there is none."""
    return path.stat().st_size if path.is_file() and not path.is_symlink() else None
