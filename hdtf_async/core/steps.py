"""Cancellable loops for long computations in threads. Pure.

A thread cannot be stopped from outside. So loops over as many items as there are rows in the tables run
through `steps`, which regularly checks whether the task that waits for the thread was cancelled. Then it
raises that cancellation in the thread. In the main thread, and in threads that anyio has not started, this
has no effect.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")
EVERY = 1000
"""Iterations between two checks: they take some milliseconds."""
_SORTED_AT_ONCE = 50_000
"""Items that are sorted in one step, during which no other thread runs."""


def checkpoint() -> None:
    """Raise the cancellation of the task that waits for this thread, if it was cancelled."""
    from anyio.from_thread import check_cancelled  # noqa: PLC0415 - --help needs no event loop

    with suppress(RuntimeError):  # not a thread of anyio
        check_cancelled()


def steps(items: Iterable[T]) -> Iterator[T]:
    """Yield the items, and regularly check for cancellation."""
    for number, item in enumerate(items):
        if number % EVERY == 0:
            checkpoint()
        yield item


def sorted_in_steps(items: Iterable[T], key: Callable[[T], Any] = lambda item: item) -> Iterator[T]:
    """Yield the items as `sorted` would return them."""
    every, parts = steps(items), list[list[T]]()
    while part := list(islice(every, _SORTED_AT_ONCE)):
        part.sort(key=key)
        parts.append(part)
    return steps(heapq.merge(*parts, key=key))
