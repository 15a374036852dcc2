"""What the parts of one run share."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from hdtf_async.lanes.user_videos import OwnFiles

if TYPE_CHECKING:
    from hdtf_async.core.event_bus import EventBus
    from hdtf_async.core.model import Source
    from hdtf_async.core.options import Options
    from hdtf_async.lanes.limits import Lanes
    from hdtf_async.output.directory import OutputDirectory


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the parts of one run share. `run` creates it, and no part replaces anything in it."""

    options: Options
    directory: OutputDirectory
    lanes: Lanes
    events: EventBus
    own: OwnFiles = field(default_factory=OwnFiles)
    """The user's own videos, of ``--raw-dir``."""
    finish: anyio.Event = field(default_factory=anyio.Event)
    """Set once the run is to end soon: nothing new starts, and running encodes may finish."""
    source: Source | None = None
    """The dataset or list that the clips are from; None for HDTF."""

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Return what the journal records of the run's request: no secrets, and no local paths."""
        return self.options.to_json() | ({} if self.source is None else {"dataset": asdict(self.source)})
