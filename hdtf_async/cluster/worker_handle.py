"""A worker of a cluster as the driver sees it, what is said to it, and the events of all as one run's."""

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
    """A worker that was taken on for a run."""

    address: str
    key: str
    queue: Queue
    future: Future | None = None
    versions: dict[str, str] | None = None
    """Of its tools; None until it is ready."""
    begun: bool = False
    """Whether it has said anything: else it may still wait for what the worker does for others."""
    gone: anyio.Event = field(default_factory=anyio.Event)
    why: Failure | None = None
    lost: bool = False
    closed: bool = False
    """Whether YouTube refuses its address, where each has one of its own."""
    unsent: list[Told] = field(default_factory=list)
    news: anyio.Event = field(default_factory=anyio.Event)

    def say(self, **told: object) -> None:
        """Say something; it goes soon."""
        self.unsent.append(told)
        self.news.set()

    def answer(self, number: int, answer: object) -> None:
        """Answer a question."""
        self.say(ask=number, answer=answer)

    async def post(self) -> None:
        """Carry what is said to it, until it has gone."""
        while True:
            await self.news.wait()
            if self.gone.is_set():
                return
            self.news = anyio.Event()
            unsent, self.unsent = self.unsent, []
            with suppress(OSError):  # then it is lost, or the scheduler is
                await self.queue.put(json.dumps(unsent))


class AsOne:
    """Passes on the events of all workers as those of one run."""

    def __init__(self, events: EventBus) -> None:
        self.encoding: set[str] = set()
        """Stems of clips that are being encoded somewhere."""
        self._events = events
        self._closed = False

    def pass_on(self, worker: Hired, event: Event, workers: Iterable[Hired]) -> None:
        """Tell what one of the workers has told, as far as it is true of the run."""
        match event:
            case EncodeStarted():
                self.encoding.add(event.clip)
            case ClipDone() | ClipFailed():
                self.encoding.discard(event.clip)
            case LaneClosed() | LaneOpened():
                worker.closed = isinstance(event, LaneClosed)
                closed = all(each.closed for each in workers)
                if not closed and not self._closed:  # downloads go on elsewhere
                    return
                self._closed = closed
            case WindingDown():  # of each video; the driver tells it once for all
                return
        self._events.emit(event)
