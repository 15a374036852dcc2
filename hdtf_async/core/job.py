"""An active job, for a host program: its events, its result, and its cleanup.

A run, a census and a check are jobs. Each is a coroutine that receives an event bus, and an event that asks
it to finish soon.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import anyio

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.exceptions import unwrap_exception_group

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from hdtf_async.core.event_bus import Reader
    from hdtf_async.core.events import Event

T = TypeVar("T")
"""The result of a job."""


class Running(Generic[T]):
    """An active run: an async iterator over its events."""

    def __init__(self, reader: Reader, finish: anyio.Event) -> None:
        self._reader = reader
        self._finish = finish
        self._results: list[T] = []

    @property
    def report(self) -> T:
        """The result, once the iteration over the events has ended. Raises `RuntimeError` before that."""
        if not self._results:
            raise RuntimeError("no report yet: iterate over the events to the end first")
        return self._results[0]

    def ended(self, result: T) -> None:
        """Set the result; called by the job itself."""
        self._results = [result]

    def finish(self) -> None:
        """Ask the run to finish soon: nothing new starts; running encodes have up to a minute to finish."""
        self._finish.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await anext(self._reader)


async def to_end(job: Callable[[EventBus, anyio.Event], Awaitable[T]]) -> T:
    """Run a job without a reader of its events, and return its result."""
    require_asyncio()
    results: list[T] = []

    async def work() -> None:
        results.append(await job(EventBus(), anyio.Event()))

    # In a separate task: there asyncio's own ``task.cancel()``, which ignores shields, becomes a cancellation
    # by anyio.
    with unwrap_exception_group():
        async with anyio.create_task_group() as group:
            group.start_soon(work)
    return results[0]


@asynccontextmanager
async def under_way(job: Callable[[EventBus, anyio.Event], Awaitable[T]]) -> AsyncIterator[Running[T]]:
    """Run a job and provide an iterator over its events; it finishes soon once its event `finish` is set."""
    require_asyncio()
    events, finish = EventBus(), anyio.Event()
    run: Running[T] = Running(events.reader(), finish)
    raised: BaseException | None = None

    async def work() -> None:
        try:
            run.ended(await job(events, finish))
        finally:
            events.end()

    try:
        with unwrap_exception_group():
            async with anyio.create_task_group() as group:
                group.start_soon(work)
                try:
                    yield run
                except anyio.get_cancelled_exc_class():
                    raise
                except BaseException as error:  # noqa: BLE001 - the caller's own: it is raised again below
                    raised = error  # not through the group, which would wrap it
                group.cancel_scope.cancel()
    except Exception:
        if raised is None:
            raise
        raise raised  # noqa: B904 - the job failed too; Python shows that as the context
    if raised is not None:
        raise raised


def require_asyncio() -> None:
    """Raise `RuntimeError` if the event loop is not asyncio's, for example trio's."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is None:
        raise RuntimeError(
            "hdtf_async requires asyncio; this program runs on another event loop, such as trio: use"
            " asyncio.run(...) or anyio.run(..., backend='asyncio')"
        )
