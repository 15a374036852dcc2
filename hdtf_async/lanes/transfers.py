"""When transfers start: as many at a time as `width.DownloadWidth` finds useful."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from hdtf_async.lanes.width import DownloadWidth

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_TRANSFERS = 4
"""Maximum number of transfers that start before any throughput is measured."""


class TransferLimiter:
    """Starts transfers in the order in which they are ready, when `DownloadWidth` allows it."""

    def __init__(self, encodes: float) -> None:
        """Before any throughput is measured, one may start per parallel encode, up to `FIRST_TRANSFERS`."""
        self._width = DownloadWidth(int(min(encodes, FIRST_TRANSFERS)))
        self._first_in_line = anyio.Lock()
        self._news = anyio.Event()

    def allows(self) -> bool:
        """Whether one more may start now, and none waits."""
        return not self._first_in_line.locked() and self._width.allows(anyio.current_time())

    async def wait(self) -> None:
        """Return when one more may start; the caller has to start it at once."""
        async with self._first_in_line:
            while not self._width.allows(anyio.current_time()):
                with anyio.CancelScope(deadline=self._width.changes_at()):
                    await self._news.wait()

    @contextmanager
    def running(self, key: object) -> Iterator[None]:
        """Count a download as running."""
        self._width.begin(key, anyio.current_time())
        try:
            yield
        finally:
            self._width.end(key, anyio.current_time())
            self._tell()

    def received(self, key: object, count: int, left: int | None) -> None:
        """Register bytes that a download has received, and how many remain if known."""
        self._width.receive(key, count, left, anyio.current_time())
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()
