"""Whether report.html must be written again; in a module of its own, because a run seldom loads the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.output import atomic
from hdtf_async.output.journal import JOURNAL

if TYPE_CHECKING:
    from pathlib import Path

REPORT = "report.html"
MOST = 50_000
"""Maximum number of clips for which a run writes it: with more, it would dominate memory. `report` does."""


def is_behind(out: Path) -> bool:
    """Whether the report is older than the journal: a run was killed at its end, or wrote none.

    Raises `Failure` with ``not_writable`` if the directory cannot be read.
    """
    report, journal = out / REPORT, out / JOURNAL
    with atomic.os_errors_as_failures(report):
        if not journal.exists():
            return False
        return not report.exists() or report.stat().st_mtime_ns < journal.stat().st_mtime_ns
