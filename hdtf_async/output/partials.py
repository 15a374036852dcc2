"""Partial downloads, and whether another attempt may resume them.

A download is written to a private directory of its video, next to a note about the expected file; video and
audio are two downloads. A partial file is resumed only if the same video, format and exact size are announced
again, and the system has not been restarted since: a running download is not synced, so after a power cut it
may have the right length and the wrong bytes. All other files are deleted, except for byte ranges that can
be resumed (`partial_ranges`).

This module blocks; it is called in threads.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, Self

from hdtf_async.core import system
from hdtf_async.core.failures import Reason
from hdtf_async.output import atomic, partial_ranges

RESUMABLE = frozenset({
    Reason.REFUSED, Reason.NETWORK, Reason.FORBIDDEN, Reason.TIMED_OUT, Reason.STALLED, Reason.DISK_FULL,
    Reason.UPDATE_NEEDED, Reason.RESOURCE_LIMIT,
})  # fmt: skip
"""Reasons after which a partial file is still valid."""
VIDEO, AUDIO = "raw", "sound"
"""Names of the two downloads of a video, without extension."""
_NOTE = ".promise.json"
_LONGEST_NOTE = 1 << 16
"""Maximum size of a note, in bytes."""


class Offered(Protocol):
    """Properties of a format before it is downloaded; `youtube.formats.Format` is one."""

    @property
    def format_id(self) -> str: ...  # noqa: D102
    @property
    def ext(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int | None: ...  # noqa: D102
    @property
    def size_is_exact(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class ResumeToken:
    """Which bytes a download should produce."""

    name: str
    youtube_id: str
    format_id: str
    ext: str
    size: int | None
    """Size in bytes; None if not known exactly, and then the download cannot be resumed."""
    system: str
    """Identifies the system and its last start."""

    @classmethod
    def of(cls, name: str, youtube_id: str, fmt: Offered) -> Self:
        """Return the token for a format that is about to be downloaded."""
        size = fmt.size if fmt.size_is_exact else None
        return cls(name, youtube_id, fmt.format_id, fmt.ext, size, system.this_system())

    @property
    def file(self) -> str:
        """Name of the complete file."""
        return f"{self.name}.{self.ext}"

    @property
    def part(self) -> str:
        """Name of the partial file, as yt-dlp names it."""
        return f"{self.file}.part"

    @property
    def note(self) -> str:
        """Name of the note."""
        return self.name + _NOTE

    def bytes_arrived(self, directory: Path) -> int:
        """Return the number of bytes that the next attempt would reuse. Raises `OSError`."""
        arrived = self.arrived(directory) if self.size is not None else None
        return arrived.stat().st_size if arrived else 0

    def arrived(self, directory: Path) -> Path | None:
        """Return the complete or partial file, if there is one."""
        for name in (self.file, self.part):
            path = directory / name
            if path.is_file() and not path.is_symlink() and path.stat().st_size:
                whole = path.stat().st_size == self.size
                return path if whole or name == self.part else None
        return None


def resume(directory: Path, promise: ResumeToken) -> int:
    """Prepare a private directory for a download; return how many of its bytes already exist.

    If all of them do, nothing is left to download. Raises `OSError`.
    """
    note = directory / promise.note
    same = promise.size is not None and _noted(note) == promise
    arrived = promise.arrived(directory) if same else None
    for path in directory.iterdir():
        if path.name.startswith(f"{promise.name}.") and path not in {note, arrived}:
            path.unlink()
    if not same:
        note.write_text(json.dumps(asdict(promise)), encoding="utf-8")
    return arrived.stat().st_size if arrived else 0


def forget(directory: Path, name: str = "") -> None:
    """Prevent downloads here from being resumed, or only the one with this name."""
    with suppress(OSError):
        for note in directory.glob(f"{name or '*'}{_NOTE}"):
            note.unlink()


def tidy(directory: Path) -> bool:
    """Remove what no other attempt can use; return whether anything is left, and the directory with it."""
    kept = set()
    for name in (VIDEO, AUDIO):
        promise = _noted(directory / f"{name}{_NOTE}")
        if promise is not None and promise.size is not None and promise.system == system.this_system():
            arrived = promise.arrived(directory)
            if arrived is not None:
                kept |= {arrived, directory / promise.note}
    if partial_ranges.tidy(directory / partial_ranges.DIRECTORY):
        kept.add(directory / partial_ranges.DIRECTORY)
    if not kept:
        shutil.rmtree(directory, ignore_errors=True)
        return False
    # By its descriptor: the directory's name may be given to another one, or to a link, at any time.
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        names = os.listdir(descriptor)  # noqa: PTH208 - pathlib does not support descriptors
        for name in set(names) - {path.name for path in kept}:
            try:
                os.unlink(name, dir_fd=descriptor)
            except (IsADirectoryError, PermissionError):  # the second one is raised on macOS
                shutil.rmtree(name, ignore_errors=True, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    return True


def _noted(note: Path) -> ResumeToken | None:
    """Return the token of the last attempt; None if there is no note."""
    try:
        noted = ResumeToken(**json.loads(atomic.content(note, _LONGEST_NOTE)))
    except (OSError, ValueError, TypeError):
        return None
    safe = isinstance(noted.ext, str) and noted.ext.isalnum() and note.name == f"{noted.name}{_NOTE}"
    return noted if safe else None
