"""What a worker says to the driver, and hears from it: messages in their order, and questions with answers.

What is passing (progress) waits for a moment, and the newest replaces what is unread about the same thing;
everything else goes at once. It goes as JSON in ASCII, which every engine carries. Nothing here knows of any:
whoever makes a wire says how to send.
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
"""Seconds for which what tells of progress may wait for more."""


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
        """Return a number that no question and nothing else of this worker has."""
        return next(self._numbers)

    def say(self, kind: str, **more: object) -> None:
        """Say something; it goes soon, and never waits."""
        self._unsent[self.number()] = {"kind": kind, **more}
        self._hurry.set()
        self._news.set()

    def tell(self, event: Event) -> None:
        """Pass on an event. Of progress the newest is enough, as for every reader."""
        told = event.to_json()
        about = ("about", *[*told.values()][1:2])
        self._unsent.pop(about, None)
        self._unsent[about if event.passing else self.number()] = {"kind": "event", "event": told}
        if not event.passing:
            self._hurry.set()
        self._news.set()

    async def ask(self, kind: str, **more: object) -> Any:  # noqa: ANN401 - whatever JSON takes
        """Ask something, and return the answer. Raises `OSError` once the wire is cut: none would come."""
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
        """Hand an answer to whoever has asked, if he still waits."""
        if number in self._asked:
            self._answers[number] = answer
            self._asked[number].set()

    def cut(self) -> None:
        """Let nobody wait for an answer any more; what is said still goes."""
        self._cut = True
        for waits in self._asked.values():
            waits.set()

    async def carry(self) -> None:
        """Send what is said, until cancelled."""
        while True:
            await self._news.wait()
            with anyio.move_on_after(MOMENT):
                await self._hurry.wait()
            self._news, self._hurry = anyio.Event(), anyio.Event()
            self.flush()

    def flush(self) -> None:
        """Send all that is unsent, now."""
        unsent = [*self._unsent.values()]
        self._unsent.clear()
        if unsent:
            self._send(json.dumps(unsent))
