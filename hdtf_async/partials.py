"""What an attempt leaves of a download, and whether another one may go on from there.

A download is written into a private directory of its video, next to a note of what was promised. The part
that has arrived is continued only if the same video, rendition and exact size are promised again, and on
the same system since it was last started: a download is not synced while it runs, so that after a power cut
its part may have the right length and the wrong bytes. Whatever else lies there goes.

It blocks; those who use it call it in threads.
"""

from __future__ import annotations

import json
import secrets
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hdtf_async.failures import Reason

if TYPE_CHECKING:
    from hdtf_async.formats import Format

RESUMABLE = frozenset({
    Reason.REFUSED, Reason.NETWORK, Reason.FORBIDDEN, Reason.TIMED_OUT, Reason.STALLED, Reason.DISK_FULL,
    Reason.UPDATE_NEEDED,
})  # fmt: skip
"""Reasons after which what has arrived is still a true beginning."""
_NOTE = "promise.json"


@dataclass(frozen=True, slots=True)
class Promise:
    """Which bytes a download is to bring."""

    youtube_id: str
    format_id: str
    ext: str
    size: int | None
    """Bytes; None where that is not known exactly, and nothing can be continued."""
    system: str
    """Since which start of which system it is being written."""

    @classmethod
    def of(cls, youtube_id: str, rendition: Format) -> Self:
        """Return the promise of a rendition that is about to be fetched."""
        size = rendition.size if rendition.size_is_exact else None
        return cls(youtube_id, rendition.format_id, rendition.ext, size, _this_system())

    @property
    def part(self) -> str:
        """Name of the file that has what arrived so far, as yt-dlp names it."""
        return f"raw.{self.ext}.part"


def resume(directory: Path, promise: Promise) -> int:
    """Make a private directory ready for a download; return how many bytes of it are there already.

    Raises `OSError`.
    """
    note = directory / _NOTE
    same = promise.size is not None and _noted(directory) == promise
    part = directory / promise.part
    for path in directory.iterdir():
        if not (same and path in {note, part}) and path.name.startswith(("raw.", _NOTE)):
            path.unlink()
    if not same:
        note.write_text(json.dumps(asdict(promise)), encoding="utf-8")
    return part.stat().st_size if part.exists() else 0


def forget(directory: Path) -> None:
    """Let nothing be continued from here."""
    with suppress(OSError):
        (directory / _NOTE).unlink()


def tidy(directory: Path) -> bool:
    """Remove what no other attempt can use; say whether something is left, and the directory with it."""
    promise = _noted(directory)
    kept = set()
    if promise is not None and promise.size is not None and promise.system == _this_system():
        part = directory / promise.part
        if part.is_file() and not part.is_symlink() and part.stat().st_size:
            kept = {part, directory / _NOTE}
    if not kept:
        shutil.rmtree(directory, ignore_errors=True)
        return False
    for path in directory.iterdir():
        if path not in kept:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    return True


def _noted(directory: Path) -> Promise | None:
    """Return what was promised to the last attempt; None where no note tells it."""
    try:
        noted = Promise(**json.loads((directory / _NOTE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return noted if isinstance(noted.ext, str) and noted.ext.isalnum() else None


@cache
def _this_system() -> str:
    """Name this start of this system; where it has no name for that, this process."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)
