"""Deliver events to subscribers and readers, without ever waiting for them.

A slow reader receives only the newest progress event of each video or clip, and every other event, in order.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import fields
from itertools import count
from typing import TYPE_CHECKING, Self

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from hdtf_async.core.events import Event


class Reader:
    """The events for one reader: an async iterator that ends with the run."""

    def __init__(self) -> None:
        self._unread: OrderedDict[object, Event] = OrderedDict()
        self._numbers = count()
        self._news = anyio.Event()
        self._over = False

    def push(self, event: Event) -> None:
        """Add an event; never waits."""
        name = fields(event)[0].name
        about = name, getattr(event, name)  # the subject: a video or a clip
        # Any event supersedes unread progress about the same subject, so that no more progress events are
        # kept than videos and clips are in progress, however long the reader does not read.
        self._unread.pop(about, None)
        self._unread[about if event.superseded else next(self._numbers)] = event
        self._news.set()

    def unread(self) -> list[Event]:
        """Return what the iteration would yield without waiting."""
        unread, self._unread = self._unread, OrderedDict()
        return [*unread.values()]

    def end(self) -> None:
        """End the iteration after the remaining events."""
        self._over = True
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while True:
            if self._unread:
                return self._unread.popitem(last=False)[1]
            if self._over:
                raise StopAsyncIteration
            if self._news.is_set():
                self._news = anyio.Event()
            await self._news.wait()


class EventBus:
    """Delivers each event to all subscribers."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Event], None]] = []
        self._readers: list[Reader] = []

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Call `listener`, which must not block, with each event from now on."""
        self._listeners.append(listener)

    def reader(self) -> Reader:
        """Return a new reader of all events from now on."""
        reader = Reader()
        self._readers.append(reader)
        self.subscribe(reader.push)
        return reader

    def emit(self, event: Event) -> None:
        """Deliver an event to all subscribers; never waits."""
        for listener in self._listeners:
            listener(event)

    def end(self) -> None:
        """End the iteration of every reader."""
        for reader in self._readers:
            reader.end()
