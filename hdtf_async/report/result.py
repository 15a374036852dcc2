"""What a run came to: counts, failures with reasons, and the exit code that follows from them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from hdtf_async.core.events import (
    ClipDone,
    ClipFailed,
    ClipRetrying,
    Downloaded,
    DownloadStarted,
    EncodeStarted,
    RawReady,
    Retrying,
    RunEnded,
    VideoFailed,
    VideoUnconfirmed,
)
from hdtf_async.core.failures import Action, ExitCode, Failure, Reason, exit_code
from hdtf_async.core.shards import absent_words

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
    done: list[str] = field(default_factory=list)
    """Stems of the clips made in this run."""
    failed: dict[str, Reason] = field(default_factory=dict)
    """Stem of each clip that could not be had, and why; those of earlier runs too."""
    findings: tuple[Finding, ...] = ()
    """What is odd in the tables."""
    refused: tuple[Finding, ...] = ()
    """Those of them about rows that were left out, of the subsets that were asked for."""
    stopped: Failure | None = None
    """Why the run ended early: local trouble, or YouTube refusing this address."""
    clip_seconds: float = 0.0
    """Length of the clips made in this run."""
    clip_bytes: int = 0
    """Size of the clips made in this run."""
    raw_bytes: int = 0
    """Size of the videos fetched in this run."""
    seconds: float = 0.0
    """How long the run took."""
    download_seconds: float = 0.0
    """For how much of that at least one download was under way."""
    encode_seconds: float = 0.0
    """For how much of it at least one encode was."""
    both_seconds: float = 0.0
    """For how much of it both lanes were at work."""
    absent: tuple[Shard, ...] = ()
    """Shards of the same run that have not begun; told by the last of the others that ends."""
    page: Path | None = None
    """Where `report.html` is; None where none was drawn."""
    _downloading: set[str] = field(default_factory=set, repr=False)
    _encoding: set[str] = field(default_factory=set, repr=False)
    _since: float = field(default=0.0, repr=False)
    """When one of these two last changed, on the loop's clock."""

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

    def take(self, event: Event) -> None:
        """Count an event in, when it happens."""
        self._take_time(event)
        match event:
            case ClipDone():
                self.done.append(event.clip)
                self.clip_seconds += event.seconds
                self.clip_bytes += event.bytes
            case ClipFailed():
                self.failed[event.clip] = event.reason
            case RawReady(origin="youtube"):
                self.raw_bytes += event.bytes

    @property
    def overlap(self) -> float | None:
        """How much of the time of the lane with less work the other was at work too, from 0 to 1."""
        shorter = min(self.download_seconds, self.encode_seconds)
        return self.both_seconds / shorter if shorter else None

    def _take_time(self, event: Event) -> None:
        now = anyio.current_time()
        passed, self._since = now - self._since, now
        self.download_seconds += passed if self._downloading else 0
        self.encode_seconds += passed if self._encoding else 0
        self.both_seconds += passed if self._downloading and self._encoding else 0
        match event:
            case DownloadStarted():
                self._downloading.add(event.video)
            case Downloaded() | Retrying() | VideoUnconfirmed() | VideoFailed():
                self._downloading.discard(event.video)
            case EncodeStarted():
                self._encoding.add(event.clip)
            case ClipDone() | ClipFailed() | ClipRetrying():
                self._encoding.discard(event.clip)

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
