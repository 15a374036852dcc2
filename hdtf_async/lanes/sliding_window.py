"""How many videos of a run may be in progress in other processes. Pure.

As many as they can download at a time, plus those whose clips are being encoded, up to their slots. So a
video is assigned when a process can begin with it, and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.events import WorkersChanged

if TYPE_CHECKING:
    from hdtf_async.lanes.video_worker import Ready


class Window:
    """Counts what processes can take, and the videos in progress."""

    def __init__(self, pace: float = 0.0, *, shared: bool = False) -> None:
        """Count nothing. Each process keeps the pace, or all of them share it."""
        self._pace, self._shared = pace, shared
        self._ready: dict[str, Ready] = {}
        self._downloads = self._slots = 0
        self._videos: set[str] = set()
        self._downloading: set[str] = set()

    @property
    def is_open(self) -> bool:
        """Whether another video may begin."""
        return len(self._downloading) < self._downloads and len(self._videos) < self._slots

    @property
    def has_workers(self) -> bool:
        """Whether a process takes videos."""
        return bool(self._ready)

    def __len__(self) -> int:
        """Return the number of processes that take videos."""
        return len(self._ready)

    def __contains__(self, process: str) -> bool:
        return process in self._ready

    def change(self, process: str, ready: Ready | None) -> WorkersChanged:
        """Take note that a process is ready, or with None that it takes no more videos."""
        if ready is None:
            self._ready.pop(process, None)
        else:
            self._ready[process] = ready
        self._downloads = sum(each.downloads for each in self._ready.values())
        self._slots = sum(each.slots for each in self._ready.values())
        encodes = sum(each.encodes for each in self._ready.values())
        pace = self._pace if self._shared else self._pace / max(1, len(self._ready))
        return WorkersChanged(len(self._ready), self._downloads, encodes, pace)

    def begin(self, video: str) -> None:
        """Count a video."""
        self._videos.add(video)
        self._downloading.add(video)

    def again(self, video: str) -> None:
        """Take note that a video is downloaded once more."""
        if video in self._videos:
            self._downloading.add(video)

    def downloaded(self, video: str) -> None:
        """Take note that only the encodes of a video are left."""
        self._downloading.discard(video)

    def end(self, video: str) -> None:
        """Do not count a video any more."""
        self._videos.discard(video)
        self._downloading.discard(video)
