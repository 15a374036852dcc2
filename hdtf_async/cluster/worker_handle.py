"""A worker of a cluster from the driver's point of view, and the merged events of all workers."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from hdtf_async.core.events import ClipDone, ClipFailed, EncodeStarted, LaneClosed, LaneOpened, WindingDown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from distributed import Future, Queue

    from hdtf_async.cluster.messages import Told
    from hdtf_async.core.events import Event, EventBus
    from hdtf_async.core.failures import Failure


@dataclass(slots=True)
class Hired:
    """A worker that takes part in a run."""

    address: str
    key: str
    queue: Queue
    future: Future | None = None
    versions: dict[str, str] | None = None
    """Versions of its tools; None until it is ready."""
    begun: bool = False
    """Whether it has sent anything: otherwise it may still be busy with other tasks."""
    gone: anyio.Event = field(default_factory=anyio.Event)
    why: Failure | None = None
    lost: bool = False
    closed: bool = False
    """Whether YouTube is blocking its IP address, if each worker has its own."""
    unsent: list[Told] = field(default_factory=list)
    news: anyio.Event = field(default_factory=anyio.Event)

    def say(self, **told: object) -> None:
        """Send a message soon."""
        self.unsent.append(told)
        self.news.set()

    def answer(self, number: int, answer: object) -> None:
        """Answer a request."""
        self.say(ask=number, answer=answer)

    async def post(self) -> None:
        """Send the messages to it, until it has left."""
        while True:
            await self.news.wait()
            if self.gone.is_set():
                return
            self.news = anyio.Event()
            unsent, self.unsent = self.unsent, []
            with suppress(OSError):  # then the worker or the scheduler is lost
                await self.queue.put(json.dumps(unsent))


class AsOne:
    """Merges the events of all workers into those of one run."""

    def __init__(self, events: EventBus) -> None:
        self.encoding: set[str] = set()
        """Stems of clips that are being encoded on any worker."""
        self._events = events
        self._closed = False

    def pass_on(self, worker: Hired, event: Event, workers: Iterable[Hired]) -> None:
        """Emit an event of one of the workers, if it applies to the whole run."""
        match event:
            case EncodeStarted():
                self.encoding.add(event.clip)
            case ClipDone() | ClipFailed():
                self.encoding.discard(event.clip)
            case LaneClosed() | LaneOpened():
                worker.closed = isinstance(event, LaneClosed)
                closed = all(each.closed for each in workers)
                if not closed and not self._closed:  # downloads continue elsewhere
                    return
                self._closed = closed
            case WindingDown():  # of each video; the driver emits it once for all
                return
        self._events.emit(event)
