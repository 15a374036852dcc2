"""What a run came to: counts, failures with reasons, and the exit code that follows from them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from hdtf_async.core.events import RunEnded
from hdtf_async.core.failures import Action, ExitCode, Failure, Reason, exit_code
from hdtf_async.core.shards import absent_words
from hdtf_async.core.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hdtf_async.core.events import Event
    from hdtf_async.core.model import Finding
    from hdtf_async.core.shards import Shard


@dataclass(slots=True)
class Report:
    """What `download` returns: every clip that was asked for is in exactly one of these."""

    asked: int = 0
    """Clips of the chosen part."""
    there: int = 0
    """Clips that were there before the run."""
    findings: tuple[Finding, ...] = ()
    """What is odd in the tables."""
    refused: tuple[Finding, ...] = ()
    """Those of them about rows that were left out, of the subsets that were asked for."""
    stopped: Failure | None = None
    """Why the run ended early: local trouble, or YouTube refusing this address."""
    seconds: float = 0.0
    """How long the run took."""
    absent: tuple[Shard, ...] = ()
    """Shards of the same run that have not begun; told by the last of the others that ends."""
    page: Path | None = None
    """Where `report.html` is; None where none was drawn."""
    tally: Tally = field(default_factory=Tally, repr=False)
    """The counts of this run's events."""

    @property
    def done(self) -> list[str]:
        """Stems of the clips made in this run."""
        return self.tally.done

    @property
    def failed(self) -> dict[str, Reason]:
        """Stem of each clip that could not be had, and why; those of earlier runs too."""
        return self.tally.failed

    @property
    def clip_seconds(self) -> float:
        """Length of the clips made in this run."""
        return self.tally.clip_seconds

    @property
    def clip_bytes(self) -> int:
        """Size of the clips made in this run."""
        return self.tally.clip_bytes

    @property
    def raw_bytes(self) -> int:
        """Size of the videos fetched in this run."""
        return self.tally.raw_bytes

    @property
    def download_seconds(self) -> float:
        """For how much of that at least one download was under way."""
        return self.tally.downloads.busy_seconds

    @property
    def encode_seconds(self) -> float:
        """For how much of it at least one encode was."""
        return self.tally.encodes.busy_seconds

    @property
    def both_seconds(self) -> float:
        """For how much of it both lanes were at work."""
        return self.tally.overlap_seconds

    @property
    def not_tried(self) -> int:
        """Clips whose turn did not come."""
        return self.asked - self.there - len(self.done) - len(self.failed)

    @property
    def rows_left_out(self) -> list[str]:
        """Rows of the tables that were left out: file, line, and why."""
        return [f"{row.file}:{row.line}: {row.words}" for row in self.refused]

    @property
    def shards_left_out(self) -> list[str]:
        """Which shards have not begun, and what to do, in a sentence; nothing where all have."""
        return [absent_words(self.absent)] if self.absent else []

    @property
    def reasons(self) -> Counter[Reason]:
        """Number of clips that were not had, and of rows of the tables that were left out, by reason."""
        counted = Counter(self.failed.values())
        if self.refused:
            counted[Reason.ROW_REFUSED] += sum(row.number for row in self.refused)
        if self.not_tried:
            counted[Reason.NOT_TRIED] += self.not_tried
        return counted

    @property
    def exit_code(self) -> ExitCode:
        """Exit code of a command line that ends with this report."""
        left = [Reason.NOT_TRIED] if self.absent else []
        return exit_code_of([*self.reasons, *left], self.stopped)

    def add(self, event: Event) -> None:
        """Count an event when it happens."""
        self.tally.add(event, anyio.current_time())

    @property
    def overlap(self) -> float | None:
        """How much of the time of the lane with less work the other was at work too, from 0 to 1."""
        shorter = min(self.download_seconds, self.encode_seconds)
        return self.both_seconds / shorter if shorter else None

    def ended(self) -> RunEnded:
        """Return the event that tells of this report."""
        failed = {reason.value: number for reason, number in self.reasons.items()}
        return RunEnded(
            exit_code=int(self.exit_code),
            done=len(self.done),
            there=self.there,
            failed=failed,
            stopped=None if self.stopped is None else str(self.stopped),
            seconds=round(self.seconds, 3),
            absent=tuple(map(str, self.absent)),
        )


def exit_code_of(reasons: Iterable[Reason], stopped: Failure | None) -> ExitCode:
    """Return the exit code of a run with these reasons for what is missing that was perhaps stopped early.

    Where a person has to do something about what stopped it, that is local trouble, whatever the same reason
    means for a single video.
    """
    if stopped is None:
        return exit_code(reasons)
    needs_action = stopped.reason.advice.action is Action.ASK
    return ExitCode.LOCAL if needs_action else exit_code([*reasons, stopped.reason])
