"""Makes the events of several workers those of one run. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.events import (
    ClipDone,
    ClipFailed,
    ClipRetrying,
    ClipSplit,
    EncodeStarted,
    LaneClosed,
    LaneOpened,
    WindingDown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hdtf_async.core.events import Event


class MergedEvents:
    """Passes on the events of workers, as far as they are true of the run."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self.encoding: set[str] = set()
        """Stems of the clips that are being encoded."""
        self.any_left = False
        """Whether a worker left before the run ended."""
        self._emit = emit
        self._known: dict[str, bool] = {}
        """Stem of each video and clip in progress to whether its end was emitted."""
        self._closed: dict[str, bool] = {}
        """Worker to whether YouTube blocks its address."""
        self._all_closed = False

    def begin(self, stems: Iterable[str]) -> None:
        """Expect events of a video and of its clips."""
        for stem in stems:
            self._known.setdefault(stem, False)

    def end(self, stems: Iterable[str]) -> None:
        """Drop all further events of a video and of its clips."""
        for stem in stems:
            self._known.pop(stem, None)
            self.encoding.discard(stem)

    def joined(self, worker: str) -> None:
        """Count a worker, whose address is not blocked."""
        self._closed[worker] = False

    def left(self, worker: str) -> None:
        """Do not count a worker any more."""
        self._closed.pop(worker, None)
        self.any_left = True

    def take(self, worker: str, event: Event) -> None:
        """Take an event of a worker. A clip ends once, even if a second worker processes it again."""
        match event:
            case LaneClosed() | LaneOpened():
                self._closed[worker] = isinstance(event, LaneClosed)
                before, self._all_closed = self._all_closed, all(self._closed.values())
                if not before and not self._all_closed:
                    return  # other workers continue to download
            case WindingDown():  # of one video; the driver emits it once for all
                return
            case _:
                subject = getattr(event, "video", getattr(event, "clip", None))
                if self._known.get(str(subject), subject is not None):
                    return
        match event:
            case EncodeStarted():
                self.encoding.add(event.clip)
            case ClipRetrying() | ClipSplit():
                self.encoding.discard(event.clip)
            case ClipDone() | ClipFailed():
                self.encoding.discard(event.clip)
                self._known[event.clip] = True
        self._emit(event)
