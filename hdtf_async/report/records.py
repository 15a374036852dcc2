"""What a report is about: the clips, failures and runs of a directory, and values read from their records.

Records come from files that may be damaged: missing values are omitted. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from hdtf_async.core.hdtf import CITATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hdtf_async.core.clip_record import ClipRecord
    from hdtf_async.core.shards import Shard
    from hdtf_async.core.splits import Split
    from hdtf_async.report import history
    from hdtf_async.report.given_lists import Listed

Record = dict[str, Any]
T = TypeVar("T")

LONGEST_MESSAGE = 600
"""Maximum characters of a tool's error message."""
_NUMBER = re.compile(r"[0-9]+$")
_KEY = re.compile(r"@\w+\{\s*([^,\s{}]{1,80})\s*,")


@dataclass(slots=True)
class ReportData:
    """The content of a directory."""

    clips: dict[str, ClipRecord]
    """Stem of each existing clip to its metadata."""
    missing: list[Record] = field(default_factory=list)
    """The failure of each missing clip."""
    refused: list[Record] = field(default_factory=list)
    """Skipped rows of the tables."""
    split: Split | None = None
    """How the clips are split, if that was ever requested."""
    only: Listed | None = None
    """The list of ``--only`` of the newest run with clips to create."""
    absent: tuple[Shard, ...] = ()
    """Shards that have not started, though others of the same run have."""
    fetched: int = 0
    """Bytes of the videos that were downloaded."""
    runs: list[history.Run] = field(default_factory=list)
    """The oldest first."""
    now: float | None = None
    """The current time, in seconds since 1970, if a run is active; otherwise None."""
    pictures: dict[str, str | None] = field(default_factory=dict)
    """SHA-256 of a clip to its image in Base64; None if none can be created."""
    directory: str = ""
    """Name of the directory, without its path."""


def spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many items, evenly spread over all of them."""
    number = min(len(items), most)
    return [items[place * len(items) // number] for place in range(number)]


def recorded(found: ReportData, key: str) -> Record:
    """Return a part of the newest run's record."""
    part = found.runs[-1].record.get(key) if found.runs else None
    return part if isinstance(part, dict) else {}


def is_hdtf(found: ReportData) -> bool:
    """Whether the clips are HDTF's: only other datasets are recorded."""
    return not recorded(found, "dataset")


def dataset(found: ReportData) -> str:
    """Return the name of the dataset or list that the newest run used; an empty string if it has none."""
    return f"{recorded(found, 'dataset').get('title', 'HDTF')}"


def citation(found: ReportData) -> str:
    """Return the BibTeX entry of the dataset; an empty string if it has none."""
    if is_hdtf(found):
        return CITATION
    return f"{recorded(found, 'dataset').get('citation') or ''}".strip()


def citation_key(found: ReportData) -> str:
    """Return the key of that entry."""
    key = _KEY.search(citation(found))
    return key[1] if key else ""


def speaker(video: object) -> str:
    """Return the name of a video without its number: HDTF numbers the videos of one speaker."""
    name = f"{video}"
    return _NUMBER.sub("", name) or name


def number(value: float | None) -> float:
    """Return a number in a record; 0 if it is invalid."""
    return float(value) if value is not None and 0 <= value < 1e15 else 0.0  # noqa: PLR2004


def hours(lines: Iterable[ClipRecord]) -> float:
    """Return the total duration of clips."""
    return sum(number(line.duration) for line in lines) / 3600


def videos(lines: Iterable[ClipRecord]) -> int:
    """Return the number of YouTube videos that clips are from."""
    return len({f"{line.youtube_id}" for line in lines})


def versions(lines: Iterable[ClipRecord]) -> dict[str, list[str]]:
    """Return each tool with all versions of it that were used for the clips."""
    found: dict[str, set[str]] = {}
    for line in lines:
        for tool, version in (line.versions or {}).items():
            found.setdefault(tool, set()).add(version)
    return {tool: sorted(each) for tool, each in found.items()}
