"""Speaker-disjoint train, val and test splits.

Groups are assigned to splits, not clips. A group is all rows of the tables that may show one person: rows
whose names only differ by digits at the end (``TimScott``, ``TimScott1``), and rows of one YouTube video,
whatever they are called, transitively. The rows of RD are all called ``Radio`` and a number: the tables do
not distinguish their speakers, so they are one group.

A group's split follows from its name and the seed alone. So it does not depend on other groups: clips that
are added later move no existing ones. As a result split ratios are approximate, because people are assigned
and not clips; `SEED` is the one that comes nearest for HDTF's own tables.

Other lists name the speaker, and sometimes the split, of a clip: both take precedence over names. Without a
speaker, a group is one YouTube video.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hdtf_async.core.steps import sorted_in_steps, steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hdtf_async.core.model import Video

SIDES = ("train", "val", "test")
SHARES = (90, 5, 5)
"""In percent, in the order of `SIDES`."""
SEED = 36
"""The seed from 0 to 99 with which clips and hours of the published tables come nearest to `SHARES`."""


@dataclass(frozen=True, slots=True)
class Member:
    """What decides the split of a clip."""

    name: str
    """Name of its video in HDTF, which contains the speaker."""
    speaker: str | None = None
    """Its speaker, or its YouTube id, in another list."""
    given: str | None = None
    """Its split according to the list."""


@dataclass(frozen=True, slots=True)
class Split:
    """How a dataset is split."""

    shares: tuple[int, int, int] = SHARES
    seed: int = SEED
    same: Mapping[str, str] = field(default_factory=dict)
    """Person to another one in the same group, who is first in alphabetical order."""

    def knowing(self, videos: Iterable[Video]) -> Split:
        """Return this split with the groups that follow from rows of the tables."""
        return replace(self, same={**self.same, **_links(videos)})

    def group(self, name: str) -> str:
        """Return the group of the videos with a name: its first person in alphabetical order."""
        found = person(name)
        while (before := self.same.get(found, found)) < found:
            found = before
        return found

    def side(self, name: str) -> str:
        """Return the split of the videos with a name."""
        return self._side_of(self.group(name))

    def _side_of(self, group: str) -> str:
        digest = hashlib.sha256(f"{self.seed} {group}".encode("utf-8", "replace")).digest()
        place = int.from_bytes(digest) * 100 >> 8 * len(digest)
        train, val, _ = self.shares
        return SIDES[(place >= train) + (place >= train + val)]

    def lists(self, clips: Mapping[str, Member]) -> dict[str, list[str]]:
        """Return the stems of each split, sorted; `clips` maps the stem of a clip to its group.

        A clip without a given split gets that of another clip of its group, if one is given.
        """
        lists: dict[str, list[str]] = {side: [] for side in SIDES}
        given: dict[str, str] = {}
        for member in steps(clips.values()):
            if member.given is not None:
                given.setdefault(self._group(member), member.given)
        for stem in sorted_in_steps(clips):
            member = clips[stem]
            group = self._group(member)
            lists[member.given or given.get(group) or self._side_of(group)].append(stem)
        return lists

    def _group(self, member: Member) -> str:
        return self.group(member.name) if member.speaker is None else member.speaker


def shares_of(text: str) -> tuple[int, int, int]:
    """Parse ratios such as ``90/5/5``; raises `ValueError` if invalid."""
    train, val, test = map(int, text.split("/"))
    return train, val, test


def person(name: str) -> str:
    """Return the common part of the names of one person's videos."""
    return name.rstrip("0123456789") or name


def _links(videos: Iterable[Video]) -> dict[str, str]:
    """Return each person whose group has another one's name, with that name."""
    first: dict[str, str] = {}

    def found(name: str) -> str:
        while first.setdefault(name, name) != name:
            first[name] = name = first[first[name]]
        return name

    seen: dict[str, str] = {}
    for video in steps(videos):
        one = person(video.name)
        one, other = found(one), found(seen.setdefault(video.youtube_id, one))
        first[max(one, other)] = min(one, other)
    return {name: found(name) for name in sorted(first) if found(name) != name}
