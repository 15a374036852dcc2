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

Given train, val and test lists replace all of this: they are used as they are, and `Split.shared` finds who
is on several of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from hdtf_async.core.steps import sorted_in_steps, steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hdtf_async.core.model import Video

SIDES = ("train", "val", "test")
SHARED = "speaker_in_several_splits"
"""Code of a finding about a speaker who is on several given lists."""
SHARES = (90, 5, 5)
"""In percent, in the order of `SIDES`."""
MOST_RECORDED = 12 * 2**20
"""Maximum bytes of given lists in the journal, whose lines are limited."""
_QUOTED = 16
"""Bytes of an entry in the journal besides its name."""
SEED = 36
"""The seed from 0 to 99 with which clips and hours of the published tables come nearest to `SHARES`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list."""

    name: str
    """Stem of a clip, or a YouTube id."""
    place: str
    """File and line, for messages."""
    side: str
    """The split to which its file belongs."""


@dataclass(frozen=True, slots=True)
class NameList:
    """The clips of one or several files."""

    title: str
    """Name of the published list, or of the file or directory."""
    entries: tuple[Entry, ...]
    rest: str | None = "train"
    """The split of all other clips; None if there is a list for training, which is then complete."""

    def __str__(self) -> str:
        return self.title

    @property
    def is_recordable(self) -> bool:
        """Whether the journal can contain all entries, which are one line there."""
        return sum(len(entry.name) + _QUOTED for entry in self.entries) <= MOST_RECORDED

    @property
    def sides(self) -> dict[str, str]:
        """The split of each entry, by its name."""
        return {entry.name: entry.side for entry in self.entries}


@dataclass(frozen=True, slots=True)
class Member:
    """What decides the split of a clip."""

    name: str
    """Name of its video in HDTF, which contains the speaker."""
    speaker: str | None = None
    """Its speaker, or its YouTube id, in another list."""
    given: str | None = None
    """Its split according to the list."""
    youtube_id: str = ""
    clip: str = ""
    """Its stem without the number of a segment."""


@dataclass(frozen=True, slots=True)
class Split:
    """How a dataset is split."""

    shares: tuple[int, int, int] = SHARES
    seed: int = SEED
    same: Mapping[str, str] = field(default_factory=dict)
    """Person to another one in the same group, who is first in alphabetical order."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Stem of a clip or YouTube id to its split, if there are given lists."""
    rest: str | None = None
    """The split of clips that are on none of the given lists; None for none."""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self | None:
        """Return the split that the journal records; None if the record is invalid."""
        match record:
            case {"shares": [int(train), int(val), int(test)], "seed": int(seed), "same": dict(same)}:
                given, rest = record.get("given"), record.get("rest")
                sides = given if isinstance(given, dict) and all(map(_is_side, given.values())) else {}
                return cls((train, val, test), seed, same, sides, rest if _is_side(rest) else None)
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the split for the journal."""
        values: dict[str, Any] = {"shares": list(self.shares), "seed": self.seed, "same": dict(self.same)}
        return values | ({"given": dict(self.given), "rest": self.rest} if self.given else {})

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
        if self.given:
            for stem in sorted_in_steps(clips):
                if (side := self._listed(clips[stem])) is not None:
                    lists[side].append(stem)
            return lists
        given: dict[str, str] = {}
        for member in steps(clips.values()):
            if member.given is not None:
                given.setdefault(self._group(member), member.given)
        for stem in sorted_in_steps(clips):
            member = clips[stem]
            group = self._group(member)
            lists[member.given or given.get(group) or self._side_of(group)].append(stem)
        return lists

    def shared(self, clips: Mapping[str, Member]) -> dict[str, dict[str, list[str]]]:
        """Return each group with clips on several given lists: the stems of each split."""
        groups: dict[str, dict[str, list[str]]] = {}
        for stem in sorted_in_steps(clips):
            member = clips[stem]
            side = self._listed(member)
            if side is not None:
                groups.setdefault(self._group(member), {}).setdefault(side, []).append(stem)
        return {
            group: {side: groups[group][side] for side in SIDES if side in groups[group]}
            for group in sorted(groups)
            if len(groups[group]) > 1
        }

    def _listed(self, member: Member) -> str | None:
        """Return the split according to the given lists: the stem counts before the YouTube id."""
        return self.given.get(member.clip) or self.given.get(member.youtube_id) or self.rest

    def _group(self, member: Member) -> str:
        return self.group(member.name) if member.speaker is None else member.speaker


def _is_side(value: object) -> bool:
    return isinstance(value, str) and value in SIDES


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
