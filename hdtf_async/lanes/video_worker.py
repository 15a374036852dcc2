"""Tools and lanes of a run in a process that receives its videos from a driver elsewhere, one at a time.

A video is processed by the same code as on one machine (`Toolchain.one_video`). The driver receives its
events as they happen, and its records at the end. How they travel is up to the caller.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.event_decoder import PUBLIC, EventDecoder
from hdtf_async.core.events import Event
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import PaceScope
from hdtf_async.core.system import own_version
from hdtf_async.lanes.context import RunContext
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.remote_throttle import Admission, LaneUse, RemoteThrottle
from hdtf_async.lanes.toolchain import open_toolchain
from hdtf_async.lanes.user_videos import find_user_videos
from hdtf_async.output.object_store.directory import opened_by_worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.options import Options
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.output.location import Address

PROGRESS_EVERY = 1.0
"""Seconds between two messages of progress. All other events are sent at once."""
FINISH = "finish"
"""Message of the driver: let running encodes finish, and start nothing."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a process needs to serve a run."""

    name: str
    """Its name, and that of its lock."""
    out: Path | Address
    options: Options
    version: str
    """Version of this package that the driver has."""


@dataclass(frozen=True, slots=True)
class Ready(Event):
    """The process takes videos."""

    type: ClassVar[str] = "ready"
    downloads: int
    encodes: int
    slots: int
    """Videos that it takes at once."""
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Withdrawn(Event):
    """The process takes no more videos."""

    type: ClassVar[str] = "withdrawn"
    reason: Reason
    words: str


DECODER = EventDecoder((*PUBLIC, Ready, Withdrawn, LaneUse))


@dataclass(slots=True, eq=False)
class _Unit:
    """A video in progress."""

    video: VideoJob
    begun: float = field(default_factory=anyio.current_time)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    over: anyio.Event = field(default_factory=anyio.Event)
    records: list[Record] | None = None


class VideoWorker:
    """Processes the videos of a run that a driver sends."""

    def __init__(self, setup: Setup, send: Callable[[str], None]) -> None:
        """`send` sends a JSON text with events to the driver; it must not wait."""
        self.withdrawn: Failure | None = None
        """Why it takes no more videos."""
        self.events = EventBus()
        self._unread = self.events.reader()
        self.events.subscribe(self._take)
        self._send = send
        self._setup = setup
        self._lanes = Lanes.of(setup.options)
        self._throttle: RemoteThrottle | None = None
        if setup.options.pace_scope is PaceScope.CLUSTER:
            self._throttle = RemoteThrottle(self._lanes, self.events)
        self._finish = anyio.Event()
        self._tasks = anyio.create_task_group()
        self._units: dict[str, _Unit] = {}
        """By the name of the task."""

    def hear(self, message: object) -> None:
        """Take a message of the driver."""
        if message == FINISH:
            self._finish.set()
        elif isinstance(message, Admission) and self._throttle is not None:
            self._throttle.admit(message)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Ready]:
        """Get tools and lanes ready, and give what this process can do. Raises `Failure`."""
        setup, options, lanes = self._setup, self._setup.options, self._lanes
        if setup.version != own_version():
            words = f"it has hdtf-async {own_version()}, and the driver {setup.version}"
            raise Failure(Reason.NOT_READY, words)
        own = await run_sync(find_user_videos, options.raw_dirs)
        async with opened_by_worker(setup.out, setup.name, options) as (directory, self._ledger):
            run = RunContext(options, directory, lanes, self.events, own, self._finish)
            async with open_toolchain(run, throttle=self._throttle) as self._toolchain:
                if not isinstance(setup.out, Path):
                    self._toolchain.encoder.guard.temporary(str(directory.out))
                await self._toolchain.get_ready(())  # it is not known yet which videos will come
                downloads, encodes = int(lanes.network.total_tokens), int(lanes.encodes.total_tokens)
                async with self._tasks:
                    self._tasks.start_soon(self._send_progress)
                    try:
                        yield Ready(downloads, encodes, lanes.slots, self._toolchain.versions)
                    finally:
                        self.withdrawn = self.withdrawn or Failure(Reason.CLUSTER_LOST, "it is ending")
                        self._tasks.cancel_scope.cancel()

    async def process(self, task: str, video: VideoJob, records: list[Record]) -> list[Record] | None:
        """Process a video; return its records, or None if that was cancelled.

        `records` are those that the journal has about it.
        """
        unit = self._units[task] = _Unit(video)
        self._tasks.start_soon(self._process, task, unit, records)
        await unit.over.wait()
        return unit.records

    def cancel(self, task: str) -> None:
        """Cancel a video that is in progress."""
        if task in self._units:
            self._units[task].scope.cancel()

    def seconds_of(self, video: str) -> dict[str, float]:
        """Return the task of a video in progress, and for how long it has been running; or nothing."""
        now = anyio.current_time()
        return {task: now - unit.begun for task, unit in self._units.items() if unit.video.stem == video}

    async def _process(self, task: str, unit: _Unit, records: list[Record]) -> None:
        for record in records:
            self._ledger.known.add(record)
        why: Failure | None = None
        try:
            with unit.scope:
                async with self._ledger.resuming(unit.video.stem) as before:
                    over = {record["clip"] for record in before if record["type"] in {"clip", "failed"}}
                    clips = tuple(clip for clip in unit.video.clips if clip.stem not in over)
                    made: list[Record] = []
                    if clips:
                        rest = replace(unit.video, clips=clips)
                        made, why = await self._toolchain.one_video(rest, self._ledger, self._finish)
                unit.records = [*before, *made]
        except Failure as failure:
            why = failure
        finally:
            del self._units[task]
            if why is not None and self.withdrawn is None:
                self.withdrawn = why
                self.events.emit(Withdrawn(why.reason, why.words))
            self._flush()  # the driver receives the events before the records
            unit.over.set()

    def _take(self, event: Event) -> None:
        if not event.superseded:
            self._flush()

    async def _send_progress(self) -> None:
        while True:
            await anyio.sleep(PROGRESS_EVERY)
            self._flush()

    def _flush(self) -> None:
        if unread := [event.to_json() for event in self._unread.unread()]:
            self._send(json.dumps(unread))
