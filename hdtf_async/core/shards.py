"""Which part of the videos one of several shards of a run processes. Pure.

A batch system starts N processes, and gives each its number. A video belongs to one of them by its YouTube id
alone, so that rows of the same video are in the same shard, additional rows move none of the existing ones,
and another number of shards moves as few as possible (Lamping and Veach, "A Fast, Minimal Memory, Consistent
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
"""Maximum number of shards; more would be a mistake."""
MOST_NAMED = 8
"""Maximum number of shards in a message."""
COUNT = "HDTF_SHARDS"
"""Environment variable with the number of shards, if the batch system does not set one."""
SLURM, KUBERNETES = "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of the videos: number `index` of `count`, from 0. Raises `ValueError` if invalid."""

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
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if found is None:
            raise ValueError("expected I/N, such as 0/4 for the first of four shards")
        return cls(int(found[1]), int(found[2]))

    def owns(self, youtube_id: str) -> bool:
        """Whether a video belongs to this shard."""
        return place(youtube_id, self.count) == self.index


def place(youtube_id: str, count: int) -> int:
    """Return the number of the shard, of `count`, to which a video belongs."""
    key = int.from_bytes(hashlib.blake2b(youtube_id.encode(), digest_size=8).digest(), "big")
    here = after = 0
    while after < count:
        here = after
        key = (key * 2862933555777941757 + 1) % 2**64
        after = (here + 1) * 2**31 // ((key >> 33) + 1)
    return here


def named(shards: Sequence[Shard]) -> str:
    """Return the first few of some shards, for a message."""
    names = [str(shard) for shard in shards[:MOST_NAMED]]
    more = [f"{len(shards) - MOST_NAMED} more"] if len(shards) > MOST_NAMED else []
    *first, last = names + more
    return f"{', '.join(first)} and {last}" if first else last


def absent_message(absent: Sequence[Shard]) -> str:
    """Return a sentence about shards that have not started, and what to do."""
    shards, have, them = ("Shards", "have", "them") if len(absent) > 1 else ("Shard", "has", "it")
    return f"{shards} {named(absent)} {have} not started: start {them}, or run once without --shard."


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of merging all journals of a directory."""

    clips: int
    """Number of existing clips."""
    missing: Counter[Reason]
    """Number of missing clips per reason."""
    unended: int = 0
    """Shards that have started and not ended: they are active, or were killed."""
    absent: tuple[Shard, ...] = ()
    """Shards that have not started, though others of the same run have."""

    @property
    def words(self) -> str:
        """A summary for the user."""
        text = f"{self.clips} clips, {self.missing.total()} missing"
        if self.unended:
            text += f", {self.unended} shards running or killed"
        return f"{text}. {absent_message(self.absent)}" if self.absent else text

    @property
    def exit_code(self) -> ExitCode:
        """Exit code of a run with this result; 75 while a shard has not started or not ended."""
        left = self.unended or self.absent
        return exit_code([*self.missing, *([Reason.NOT_TRIED] if left else [])])


def from_environment(variables: Mapping[str, str]) -> tuple[Shard, str] | None:
    """Return the shard that a batch system has set, and the variable that contains it; None if there is none.

    Raises `ValueError` if the variables are incomplete.
    """
    for name in (SLURM, KUBERNETES):
        value = variables.get(name)
        if value:
            try:
                return _from_variable(name, int(value), variables), name
            except ValueError as error:
                raise ValueError(f"{name}={value[:20]}: {error}; use --shard I/N") from None
    return None


def _from_variable(name: str, number: int, variables: Mapping[str, str]) -> Shard:
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
