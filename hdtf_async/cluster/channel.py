"""Messages between a worker and the driver: one-way messages in order, and requests with answers.

Progress messages are delayed briefly, and the newest replaces an unsent one about the same subject; all
others are sent at once, as JSON in ASCII. This module does not depend on Dask: the caller passes a function
that sends text.
"""

from __future__ import annotations

import errno
import json
import os
from collections import OrderedDict
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from hdtf_async.cluster.messages import Told
    from hdtf_async.core.events import Event

MOMENT = 0.25
"""Maximum delay of progress messages, in seconds."""


class Wire:
    """A worker's end of the connection."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._unsent: OrderedDict[object, Told] = OrderedDict()
        self._numbers = count(1)
        self._asked: dict[int, anyio.Event] = {}
        self._answers: dict[int, Any] = {}
        self._cut = False
        self._news = anyio.Event()
        self._hurry = anyio.Event()

    def number(self) -> int:
        """Return a unique number for a request of this worker."""
        return next(self._numbers)

    def say(self, kind: str, **more: object) -> None:
        """Send a one-way message soon; never waits."""
        self._unsent[self.number()] = {"kind": kind, **more}
        self._hurry.set()
        self._news.set()

    def tell(self, event: Event) -> None:
        """Send an event. Only the newest progress event is sent, as for every reader."""
        told = event.to_json()
        about = ("about", *[*told.values()][1:2])
        self._unsent.pop(about, None)
        self._unsent[about if event.passing else self.number()] = {"kind": "event", "event": told}
        if not event.passing:
            self._hurry.set()
        self._news.set()

    async def ask(self, kind: str, **more: object) -> Any:  # noqa: ANN401 - any JSON value
        """Send a request, and return the answer. Raises `OSError` once the connection is cut."""
        number, answered = self.number(), anyio.Event()
        self._asked[number] = answered
        try:
            if not self._cut:
                self.say(kind, ask=number, **more)
                await answered.wait()
            if number not in self._answers:
                raise OSError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
            return self._answers[number]
        finally:
            del self._asked[number]
            self._answers.pop(number, None)

    def answered(self, number: int, answer: object) -> None:
        """Pass an answer to its request, if that still waits."""
        if number in self._asked:
            self._answers[number] = answer
            self._asked[number].set()

    def cut(self) -> None:
        """Fail all requests from now on; messages are still sent."""
        self._cut = True
        for waits in self._asked.values():
            waits.set()

    async def carry(self) -> None:
        """Send messages, until cancelled."""
        while True:
            await self._news.wait()
            with anyio.move_on_after(MOMENT):
                await self._hurry.wait()
            self._news, self._hurry = anyio.Event(), anyio.Event()
            self.flush()

    def flush(self) -> None:
        """Send all unsent messages, now."""
        unsent = [*self._unsent.values()]
        self._unsent.clear()
        if unsent:
            self._send(json.dumps(unsent))
