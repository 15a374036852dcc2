"""How a command line is ended by a signal: gently at first, where its work has said how."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import anyio

from hdtf_async.cli.terminal import say
from hdtf_async.core import os_errors
from hdtf_async.core.exceptions import unwrap_exception_group

Gently = list[Callable[[], None]]
"""How the work under way is asked to end soon, once it can be."""


def until_signal(work: Callable[[Gently], Awaitable[int]], *, goes_on: bool = False) -> int:
    """Run work on a loop of its own; SIGINT, SIGTERM and SIGHUP (the terminal is gone) end it cleanly.

    SIGINT and SIGHUP stay ignored where the parent process ignores them, as `nohup` and shells do for
    background jobs. The first SIGINT ends it gently, where the work has said how. `goes_on` is of work that
    leaves what it has done, and does only the rest another time.
    """
    ended_by: list[signal.Signals] = []
    codes: list[int] = []
    gently: Gently = []

    async def watch(signals: AsyncIterator[signal.Signals], job: anyio.CancelScope) -> None:
        async for number in signals:
            ended_by.append(number)
            if number is signal.SIGINT and gently:
                gently.pop()()
            else:
                job.cancel()

    async def main() -> None:
        # Before the work begins: a signal that comes meanwhile ends it as cleanly as any other.
        with anyio.open_signal_receiver(signal.SIGTERM, *_not_ignored()) as signals:
            async with anyio.create_task_group() as group:
                with anyio.CancelScope() as job:
                    group.start_soon(watch, signals, job)
                    codes.append(await work(gently))
                group.cancel_scope.cancel()

    with unwrap_exception_group():
        anyio.run(main)
    if ended_by:
        with suppress(OSError):  # the terminal may be gone
            rest = " Run the same command to resume." if goes_on else ""
            say(f"Interrupted ({ended_by[-1].name}).{rest}", error=True)
        return 128 + ended_by[-1]
    return codes[0]


def fault(error: Exception) -> str:
    """Return what to say of an error that nobody expected: it may be a limit of this machine."""
    if os_errors.reason_of(error):
        return os_errors.told(error)
    return f"internal error, please report it: {error!r} (--log-level debug prints the traceback)"


def _not_ignored() -> list[signal.Signals]:
    """Return those signals to handle that this process has not inherited as ignored."""
    optional = (signal.SIGINT, signal.SIGHUP)
    return [number for number in optional if signal.getsignal(number) is not signal.SIG_IGN]
