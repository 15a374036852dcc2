"""A worker of a cluster as the driver sees it, and what is said to it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from distributed import Future, Queue

    from hdtf_async.failures import Failure
    from hdtf_async.values import Told


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
