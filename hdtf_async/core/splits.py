"""Which clips are for training, validation and testing, so that nobody is on two sides.

Groups are told apart, not clips. A group is all rows of the tables that may show one person: rows whose
names are the same but for digits at the end (``TimScott``, ``TimScott1``), and rows of one YouTube video,
whatever they are called, and whatever hangs together by both. The rows of RD are all called ``Radio`` and a
number: the tables do not tell their speakers apart, so they are one group.

A group's side follows from its name and the seed alone. So it stays where it is whatever else there is:
clips that come later, of the same people or of others, move nobody. The price is that the shares are met
only about, for people and not clips are counted; `SEED` is the one that comes nearest for HDTF's own tables.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hdtf_async.core.steps import in_order, steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hdtf_async.core.model import Video

SIDES = ("train", "val", "test")
SHARES = (90, 5, 5)
"""Of a hundred, in the order of `SIDES`."""
SEED = 36
"""Of 0 to 99, the one by which clips and hours of the published tables come nearest to `SHARES`."""


@dataclass(frozen=True, slots=True)
class Split:
    """How a dataset is divided."""

    shares: tuple[int, int, int] = SHARES
    seed: int = SEED
    same: Mapping[str, str] = field(default_factory=dict)
    """Person to another one in the same group, who comes before by the alphabet."""

    def knowing(self, videos: Iterable[Video]) -> Split:
        """Return this split, heedful of what rows of the tables say of who belongs together."""
        return replace(self, same={**self.same, **_links(videos)})

    def group(self, name: str) -> str:
        """Return the group of the videos of a name: the first person in it by the alphabet."""
        found = person(name)
        while (before := self.same.get(found, found)) < found:
            found = before
        return found

    def side(self, name: str) -> str:
        """Return the side of the videos of a name."""
        digest = hashlib.sha256(f"{self.seed} {self.group(name)}".encode("utf-8", "replace")).digest()
        place = int.from_bytes(digest) * 100 >> 8 * len(digest)
        train, val, _ = self.shares
        return SIDES[(place >= train) + (place >= train + val)]

    def lists(self, clips: Mapping[str, str]) -> dict[str, list[str]]:
        """Return the stems of each side, sorted; of clips, by their stem, the video's name is told."""
        lists: dict[str, list[str]] = {side: [] for side in SIDES}
        for stem in in_order(clips):
            lists[self.side(clips[stem])].append(stem)
        return lists


def shares_of(text: str) -> tuple[int, int, int]:
    """Read shares such as ``90/5/5``; raises `ValueError` for what is none."""
    train, val, test = map(int, text.split("/"))
    return train, val, test


def person(name: str) -> str:
    """Return what the names of one person's videos have in common."""
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
