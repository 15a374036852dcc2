"""What of given lists of clips exists, and why the rest does not. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hdtf_async.core.reason_labels import label
from hdtf_async.core.splits import SIDES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hdtf_async.core.clip_record import ClipRecord
    from hdtf_async.core.splits import Split

NOT_REQUESTED = "not requested"
"""Why an entry is missing if no run of the directory was asked for it."""
_MOST_NAMED = 20
"""Missing entries up to which the methods paragraph names each."""
_SEGMENT = re.compile(r"_s[0-9]{3,}$")


@dataclass(frozen=True, slots=True)
class Listed:
    """The list of ``--only``, as the journal records it."""

    title: str
    names: tuple[str, ...]
    """Stems of clips, and YouTube ids."""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Listed | None:
        """Return the list in a record; None for a run without one, and for an invalid record."""
        match record:
            case {"title": str(title), "names": [str(), *_] as names} if title not in SIDES:
                return cls(title, tuple(name for name in names if isinstance(name, str)))
        return None


@dataclass(frozen=True, slots=True)
class GivenList:
    """One list, compared with a directory."""

    side: str
    """``train``, ``val`` or ``test``; the name of the list of ``--only``."""
    entries: int
    lost: tuple[tuple[str, str], ...]
    """Each entry that is missing, or of which clips are missing, with the reason."""

    @property
    def available(self) -> int:
        """Number of entries whose clips all exist."""
        return self.entries - len(self.lost)

    @property
    def reasons(self) -> str:
        """Number of missing entries for each reason."""
        return ", ".join(f"{number} {reason}" for reason, number in self._counted.most_common())

    @property
    def _counted(self) -> Counter[str]:
        return Counter(reason for _, reason in self.lost)

    @property
    def sentence(self) -> str:
        """The comparison, for a paper."""
        text = f"{self.available} of the {self.entries} entries of the given {self.side} list were available"
        if not self.lost:
            return f"{text}."
        named = ", ".join(f"{name} ({reason})" for name, reason in self.lost)
        return f"{text}; missing: {named if len(self.lost) <= _MOST_NAMED else self.reasons}."


def compared(
    split: Split | None,
    clips: Mapping[str, ClipRecord],
    missing: Iterable[Mapping[str, Any]],
    only: Listed | None = None,
) -> list[GivenList]:
    """Return the comparison of each given list, from the clips and the failures of a directory.

    The lists are those of ``--split``, and that of ``--only`` if it has other entries.
    """
    given = {} if split is None else split.given
    lists = {side: sorted(name for name, of in given.items() if of == side) for side in SIDES}
    if only is not None and set(only.names) != given.keys():
        lists[only.title] = sorted(only.names)
    if not any(lists.values()):
        return []
    reasons: dict[str, str] = {}
    for clip in clips.values():
        for name in (clip.whole_stem, clip.youtube_id or ""):
            reasons.setdefault(name, "")
    for record in missing:
        for name in _names(record):
            reasons[name] = reasons.get(name) or label(f"{record['reason']}")
    found = []
    for side, entries in lists.items():
        lost = ((name, reasons.get(name, NOT_REQUESTED)) for name in entries)
        if entries:
            found.append(GivenList(side, len(entries), tuple(each for each in lost if each[1])))
    return found


def _names(record: Mapping[str, Any]) -> Iterator[str]:
    stem = f"{record.get('clip')}"
    yield from {stem, _SEGMENT.sub("", stem), f"{record.get('youtube_id')}"}
