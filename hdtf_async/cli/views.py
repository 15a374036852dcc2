"""Select how a command shows a run, by its options."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from hdtf_async.progress.views import Lines, View, view_of_stderr
from hdtf_async.progress.writer import open_writer

if TYPE_CHECKING:
    from hdtf_async.core.events import Event
    from hdtf_async.core.printing import Printing


class JsonLines(View):
    """One JSON object per event and line, on stdout; docs/events.md describes them."""

    async def show(self, event: Event) -> None:
        """Write an event; waits while too many are unwritten."""
        self._writer.write(json.dumps(event.to_json(), default=str) + "\n")
        await self._writer.drain()


class Errors(Lines):
    """Messages of level error, and nothing else."""

    def tick(self) -> None:
        """Write nothing."""


def view_for(printing: Printing) -> View:
    """Return the view for the options."""
    if printing.json:
        return JsonLines(open_writer(sys.stdout))
    if printing.quiet:
        return Errors(open_writer(sys.stderr), "error")
    return view_of_stderr(printing.log_level, bars=printing.progress)
