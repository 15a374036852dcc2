"""Which part of the videos one of several copies of a run takes. Pure.

A batch system starts N copies, and tells each its number. A video belongs to one of them by its YouTube id
alone, so that rows which name the same video fall together, more rows move none of those that are there,
and another number of copies moves as few as can be (Lamping and Veach, "A Fast, Minimal Memory, Consistent
Hash Algorithm", 2014).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from hdtf_async.core.failures import ExitCode, Reason, exit_code

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

MOST = 100_000
"""Copies of one run: more would be a slip of the pen."""
MOST_NAMED = 8
"""Shards that a message names."""
COUNT = "HDTF_SHARDS"
"""Variable that says how many copies there are, where the batch system does not tell it."""
SLURM, KUBERNETES = "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of the videos: number `index` of `count`, from 0. Raises `ValueError` for one that is none."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count <= MOST:
            raise ValueError(f"invalid shard {self.index}/{self.count}: expected I/N with 0 <= I < N")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read ``I/N``. Raises `ValueError`."""
        told = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if told is None:
            raise ValueError("expected I/N, such as 0/4 for the first of four shards")
        return cls(int(told[1]), int(told[2]))

    def owns(self, youtube_id: str) -> bool:
        """Whether a video belongs to this part."""
        return place(youtube_id, self.count) == self.index


def place(youtube_id: str, count: int) -> int:
    """Return the number of the part, of so many, to which a video belongs."""
    key = int.from_bytes(hashlib.blake2b(youtube_id.encode(), digest_size=8).digest(), "big")
    here, after = -1, 0
    while after < count:
        here = after
        key = (key * 2862933555777941757 + 1) % 2**64
        after = (here + 1) * 2**31 // ((key >> 33) + 1)
    return here


def named(shards: Sequence[Shard]) -> str:
    """Return the first few of some shards, for a person."""
    names = [str(shard) for shard in shards[:MOST_NAMED]]
    more = [f"{len(shards) - MOST_NAMED} more"] if len(shards) > MOST_NAMED else []
    *first, last = names + more
    return f"{', '.join(first)} and {last}" if first else last


def absent_words(absent: Sequence[Shard]) -> str:
    """Say in a sentence that some shards have not begun, and what to do."""
    shards, have, them = ("Shards", "have", "them") if len(absent) > 1 else ("Shard", "has", "it")
    return f"{shards} {named(absent)} {have} not started: start {them}, or run once without --shard."


@dataclass(frozen=True, slots=True)
class Merged:
    """What all journals of a directory come to."""

    clips: int
    """Clips that are there."""
    missing: Counter[Reason]
    """Why others are not."""
    unended: int = 0
    """Shards that have begun and not ended: they are at work, or were killed."""
    absent: tuple[Shard, ...] = ()
    """Shards that have not begun, though others of the same run have."""

    @property
    def words(self) -> str:
        """What it is, for a person."""
        words = f"{self.clips} clips, {self.missing.total()} missing"
        if self.unended:
            words += f", {self.unended} shards running or killed"
        return f"{words}. {absent_words(self.absent)}" if self.absent else words

    @property
    def exit_code(self) -> ExitCode:
        """Exit code of a run that came to this; 75 while a shard has not begun or not ended."""
        left = self.unended or self.absent
        return exit_code([*self.missing, *([Reason.NOT_TRIED] if left else [])])


def from_environment(variables: Mapping[str, str]) -> tuple[Shard, str] | None:
    """Return the shard that a batch system tells, and the variable that told it; None where none does.

    Raises `ValueError` where it does not tell enough.
    """
    for name in (SLURM, KUBERNETES):
        told = variables.get(name)
        if told:
            try:
                return _told(name, int(told), variables), name
            except ValueError as error:
                raise ValueError(f"{name}={told[:20]}: {error}; use --shard I/N") from None
    return None


def _told(name: str, number: int, variables: Mapping[str, str]) -> Shard:
    if COUNT in variables:
        return Shard(number, int(variables[COUNT]))
    if name == KUBERNETES:
        raise ValueError(f"number of shards unknown: set {COUNT}")
    count, first, last = (
        int(variables.get(f"SLURM_ARRAY_TASK_{end}", "")) for end in ("COUNT", "MIN", "MAX")
    )
    step = (last - first) // (count - 1) if count > 1 else 1
    if last - first != (count - 1) * step or (number - first) % max(1, step):
        raise ValueError("the task ids of this array are not evenly spaced")
    return Shard((number - first) // max(1, step), count)
