"""The result of a run: counts, failures with reasons, and the exit code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from hdtf_async.core.events import RunEnded
from hdtf_async.core.failures import Action, ExitCode, Failure, Reason, exit_code
from hdtf_async.core.shards import absent_message
from hdtf_async.core.splits import SHARED
from hdtf_async.core.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hdtf_async.core.events import Event
    from hdtf_async.core.model import Finding
    from hdtf_async.core.shards import Shard
    from hdtf_async.report.reproduction_file import Reproduced


@dataclass(slots=True)
class Report:
    """Returned by `download`: each requested clip is in `there`, `done`, `failed` or `not_tried`."""

    asked: int = 0
    """Number of requested clips."""
    there: int = 0
    """Number of clips that existed before the run."""
    findings: tuple[Finding, ...] = ()
    """Problems in the tables."""
    refused: tuple[Finding, ...] = ()
    """Those about skipped rows of the selected subsets."""
    stopped: Failure | None = None
    """Why the run ended early; None if it did not."""
    seconds: float = 0.0
    """Duration of the run."""
    absent: tuple[Shard, ...] = ()
    """Shards of the same run that have not started; reported by the last shard that ends."""
    page: Path | None = None
    """Path of `report.html`; None if it was not written."""
    reproduced: Reproduced | None = None
    """The clips, compared with those of the reproduction file; None without ``--reproduce``."""
    tally: Tally = field(default_factory=Tally, repr=False)
    """The counts of this run's events."""

    @property
    def warnings_of_lists(self) -> list[str]:
        """Who is on several of the lists of ``--split``, one sentence for each speaker."""
        return [found.words for found in self.findings if found.code == SHARED]

    @property
    def done(self) -> list[str]:
        """Stems of the clips written in this run."""
        return self.tally.done

    @property
    def failed(self) -> dict[str, Reason]:
        """Stem of each clip that failed, and the reason; including those of earlier runs."""
        return self.tally.failed

    @property
    def clip_seconds(self) -> float:
        """Duration of the clips written in this run."""
        return self.tally.clip_seconds

    @property
    def clip_bytes(self) -> int:
        """Size of the clips written in this run, in bytes."""
        return self.tally.clip_bytes

    @property
    def raw_bytes(self) -> int:
        """Size of the videos downloaded in this run, in bytes; of sections, what this run has downloaded."""
        return self.tally.raw_bytes

    @property
    def download_seconds(self) -> float:
        """Seconds during which at least one download was running."""
        return self.tally.downloads.busy_seconds

    @property
    def encode_seconds(self) -> float:
        """Seconds during which at least one encode was running."""
        return self.tally.encodes.busy_seconds

    @property
    def both_seconds(self) -> float:
        """Seconds during which both lanes were busy."""
        return self.tally.overlap_seconds

    @property
    def never_began(self) -> bool:
        """Whether the user must fix something before its first download or encode."""
        began = self.tally.downloads.first is not None or self.tally.encodes.first is not None
        asks = self.stopped is not None and self.stopped.reason.advice.action is Action.ASK
        return asks and not began and self.asked > self.there

    @property
    def not_tried(self) -> int:
        """Number of clips that were not attempted."""
        return self.asked - self.there - len(self.done) - len(self.failed)

    @property
    def rows_left_out(self) -> list[str]:
        """Skipped rows of the tables: file, line, and problem."""
        return [f"{row.file}:{row.line}: {row.words}" for row in self.refused]

    @property
    def shards_left_out(self) -> list[str]:
        """Sentences about shards that have not started; empty if all have."""
        return [absent_message(self.absent)] if self.absent else []

    @property
    def reasons(self) -> Counter[Reason]:
        """Number of missing clips, and of skipped rows of the tables, by reason."""
        counted = Counter(self.failed.values())
        if self.refused:
            counted[Reason.ROW_REFUSED] += sum(row.number for row in self.refused)
        if self.not_tried:
            counted[Reason.NOT_TRIED] += self.not_tried
        return counted

    @property
    def exit_code(self) -> ExitCode:
        """Exit code of a command line with this result."""
        left = [Reason.NOT_TRIED] if self.absent else []
        return exit_code_of([*self.reasons, *left], self.stopped)

    def add(self, event: Event) -> None:
        """Count an event when it happens."""
        self.tally.add(event, anyio.current_time())

    @property
    def overlap(self) -> float | None:
        """Fraction of the busy time of the less busy lane during which the other was busy too."""
        shorter = min(self.download_seconds, self.encode_seconds)
        return self.both_seconds / shorter if shorter else None

    def ended(self) -> RunEnded:
        """Return the event with this result."""
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
    """Return the exit code of a run with these reasons for missing clips, which may have been stopped early.

    If what stopped it needs action by the user, that is a local error, whatever the same reason means for a
    single video.
    """
    if stopped is None:
        return exit_code(reasons)
    needs_action = stopped.reason.advice.action is Action.ASK
    return ExitCode.LOCAL if needs_action else exit_code([*reasons, stopped.reason])
