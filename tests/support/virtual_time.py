"""An event loop whose clock jumps to the next timer as soon as no task is ready.

Hours of simulated lanes take milliseconds, and the same program takes the same course each time. A test
module uses it for its ``async def`` tests by overriding the fixture of anyio's plugin:

    @pytest.fixture
    def anyio_backend() -> Backend:
        return VIRTUAL_TIME

and for any other function with `run`. Only code that waits for timers and other tasks can be simulated: a
worker thread or a pipe answers in real time, which such a loop does not wait for.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from selectors import SelectorKey

T = TypeVar("T")
Backend = tuple[str, dict[str, Any]]

SPINS = 150_000
"""Iterations of the loop without any step of the clock after which it counts as a livelock."""


class DeadlockError(BaseException):
    """Every task waits for another: none is ready and no timer is set, so the program would hang forever.

    Not an `Exception`, so that the program under test cannot mistake it for one of its own.
    """


class LivelockError(DeadlockError):
    """The tasks keep each other busy, and the clock would never move again."""


class _Jump(selectors.BaseSelector):
    """Polls the real selector without waiting, and lets the clock jump instead of waiting."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._real = selectors.DefaultSelector()
        self._loop = loop
        self._spins = 0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        ready = self._real.select(0)
        if timeout is None and not ready:
            raise DeadlockError(self._loop.describe("nothing is ready and no timer is set"))
        if timeout:
            self._loop.now += 0 if ready else timeout
            self._spins = 0
        self._spins += 1
        if self._spins > SPINS:
            self._spins = 0  # the tasks get time to be cancelled
            raise LivelockError(self._loop.describe(f"{SPINS} rounds without a step of the clock"))
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop with its own clock, which starts at 0."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jump(self))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self.now

    def describe(self, why: str) -> str:
        """Return a list of the tasks and the line at which each of them waits."""
        tasks = (f"  {task.get_name()}: " + _places(task.get_coro()) for task in asyncio.all_tasks(self))
        return "\n".join([f"{why} at {self.now:g} s of virtual time; these tasks wait:", *tasks])


def _places(coroutine: object) -> str:
    """Return the functions and lines in which a task waits, outermost first."""
    places = []
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None:
            places.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    return " > ".join(places)


VIRTUAL_TIME: Backend = ("asyncio", {"loop_factory": VirtualTimeLoop})
"""The value of the fixture ``anyio_backend`` for tests in virtual time."""


def run(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run an async function in virtual time and return its result.

    Raises `DeadlockError` where it would never end.
    """
    return anyio.run(function, *arguments, backend=VIRTUAL_TIME[0], backend_options=VIRTUAL_TIME[1])
