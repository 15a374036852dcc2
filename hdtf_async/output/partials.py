"""What an attempt leaves of a download, and whether another one may go on from there.

A download is written into a private directory of its video, next to a note of what was promised; picture and
sound are two downloads. What has arrived is used only if the same video, rendition and exact size are
promised again, and on the same system since it was last started: a download is not synced while it runs, so
that after a power cut it may have the right length and the wrong bytes. Whatever else lies there goes.

It blocks; those who use it call it in threads.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, Self

from hdtf_async.core.failures import Reason
from hdtf_async.output import atomic

RESUMABLE = frozenset({
    Reason.REFUSED, Reason.NETWORK, Reason.FORBIDDEN, Reason.TIMED_OUT, Reason.STALLED, Reason.DISK_FULL,
    Reason.UPDATE_NEEDED, Reason.RESOURCE_LIMIT,
})  # fmt: skip
"""Reasons after which what has arrived is still a true beginning."""
PICTURE, SOUND = "raw", "sound"
"""Names of the two downloads of a video, without ending."""
_NOTE = ".promise.json"
_LONGEST_NOTE = 1 << 16
"""Bytes of the longest note that is read."""


class Offered(Protocol):
    """What is known of a format before it is downloaded; `youtube.formats.Format` is one."""

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
    """Which bytes a download is to bring."""

    name: str
    youtube_id: str
    format_id: str
    ext: str
    size: int | None
    """Bytes; None where that is not known exactly, and nothing can be continued."""
    system: str
    """Since which start of which system it is being written."""

    @classmethod
    def of(cls, name: str, youtube_id: str, rendition: Offered) -> Self:
        """Return the promise of a rendition that is about to be fetched."""
        size = rendition.size if rendition.size_is_exact else None
        return cls(name, youtube_id, rendition.format_id, rendition.ext, size, _this_system())

    @property
    def file(self) -> str:
        """Name of the file when it is whole."""
        return f"{self.name}.{self.ext}"

    @property
    def part(self) -> str:
        """Name of the file that has what arrived so far, as yt-dlp names it."""
        return f"{self.file}.part"

    @property
    def note(self) -> str:
        """Name of the file in which it is noted."""
        return self.name + _NOTE

    def bytes_arrived(self, directory: Path) -> int:
        """Return how many bytes the next attempt finds and continues. Raises `OSError`."""
        arrived = self.arrived(directory) if self.size is not None else None
        return arrived.stat().st_size if arrived else 0

    def arrived(self, directory: Path) -> Path | None:
        """Return the file with what has arrived, whole or in part, if there is one."""
        for name in (self.file, self.part):
            path = directory / name
            if path.is_file() and not path.is_symlink() and path.stat().st_size:
                whole = path.stat().st_size == self.size
                return path if whole or name == self.part else None
        return None


def resume(directory: Path, promise: ResumeToken) -> int:
    """Make a private directory ready for a download; return how many bytes of it are there already.

    Where that is all of them, nothing is left to fetch. Raises `OSError`.
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
    """Let no download be continued from here, or not the one of this name."""
    with suppress(OSError):
        for note in directory.glob(f"{name or '*'}{_NOTE}"):
            note.unlink()


def tidy(directory: Path) -> bool:
    """Remove what no other attempt can use; say whether something is left, and the directory with it."""
    kept = set()
    for name in (PICTURE, SOUND):
        promise = _noted(directory / f"{name}{_NOTE}")
        if promise is not None and promise.size is not None and promise.system == _this_system():
            arrived = promise.arrived(directory)
            if arrived is not None:
                kept |= {arrived, directory / promise.note}
    if not kept:
        shutil.rmtree(directory, ignore_errors=True)
        return False
    # By its descriptor: another one, or a link, may get the directory's name at any time.
    there = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        names = os.listdir(there)  # noqa: PTH208 - pathlib knows no descriptors
        for name in set(names) - {path.name for path in kept}:
            try:
                os.unlink(name, dir_fd=there)
            except (IsADirectoryError, PermissionError):  # the second one is how macOS says it
                shutil.rmtree(name, ignore_errors=True, dir_fd=there)
    finally:
        os.close(there)
    return True


def _noted(note: Path) -> ResumeToken | None:
    """Return what was promised to the last attempt; None where no note tells it."""
    try:
        noted = ResumeToken(**json.loads(atomic.content(note, _LONGEST_NOTE)))
    except (OSError, ValueError, TypeError):
        return None
    safe = isinstance(noted.ext, str) and noted.ext.isalnum() and note.name == f"{noted.name}{_NOTE}"
    return noted if safe else None


@cache
def _this_system() -> str:
    """Name this start of this system; where it has no name for that, this process."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)
