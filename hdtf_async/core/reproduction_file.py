"""``clips.lock.json``: a set of clips with their settings, sources and checksums, to create it again.

It may come from anybody: its size is limited, and its clips are checked by `dataset.reproduced_clips`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hdtf_async.core import os_errors
from hdtf_async.core.model import Source
from hdtf_async.core.name_lists import LONGEST_PATH
from hdtf_async.core.reproduction_format import FORMAT

LARGEST = 256 << 20
"""Maximum bytes of a file: a clip has about 700."""
Setting = str | int | float | None


class ReproductionFileError(ValueError):
    """A file cannot be used; the message names it, and says why."""


@dataclass(frozen=True, slots=True)
class ListedClips:
    """What a reproduction file contains."""

    settings: dict[str, Setting]
    """Output settings, as JSON."""
    source: Source | None
    """The dataset or list; None for HDTF."""
    clips: list[dict[str, Any]]
    """Columns of each clip, unchecked."""


@dataclass(frozen=True, slots=True)
class ReproductionFile:
    """A reproduction file that was read, with what options need of it."""

    path: Path
    settings: tuple[tuple[str, Setting], ...]

    def __str__(self) -> str:
        return self.path.name


def of(value: object) -> ReproductionFile:
    """Return the reproduction file at a path. Blocks.

    Raises `ReproductionFileError`, and `TypeError` or `ValueError` for other values.
    """
    if isinstance(value, ReproductionFile):
        return value
    if not isinstance(value, str | os.PathLike):
        raise TypeError
    path = Path(value)
    if not 0 < len(str(path)) < LONGEST_PATH or not str(path).isprintable():
        raise ValueError
    return ReproductionFile(path, tuple(sorted(read(path).settings.items())))


def read(path: Path) -> ListedClips:
    """Return the content of a reproduction file. Blocks. Raises `ReproductionFileError`."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read(LARGEST) if size <= LARGEST else None
    except OSError as error:
        raise ReproductionFileError(f"cannot read {path.name}: {os_errors.message_of(error)}") from None
    if content is None:
        raise ReproductionFileError(f"{path.name}: larger than {LARGEST} bytes")
    try:
        found = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ReproductionFileError(f"{path.name}: not a JSON file") from None
    match found:
        case {"format": int(version), "settings": dict(settings), "clips": [dict(), *_] as clips}:
            if version != FORMAT:
                raise ReproductionFileError(f"{path.name}: format {version}; this version reads {FORMAT}")
            if all(_is_setting(value) for value in settings.values()) and all(
                isinstance(clip, dict) for clip in clips
            ):
                return ListedClips(settings, Source.from_json(found.get("dataset")), clips)
    raise ReproductionFileError(f"{path.name}: not a lock file with clips, as the command report writes it")


def _is_setting(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _refuse_constant(_text: str) -> NoReturn:
    raise ValueError
