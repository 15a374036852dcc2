"""Handling of signals: a graceful stop first, if supported."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio

from hdtf_async.cli.terminal import say
from hdtf_async.core import os_errors
from hdtf_async.core.exceptions import unwrap_exception_group


@dataclass(slots=True)
class Stopping:
    """How running work is stopped by a signal. The work itself changes it."""

    gently: Callable[[], None] | None = None
    """Stops the work gracefully, if supported; it is cancelled otherwise."""
    resumes: bool = False
    """Whether the same command resumes the work."""


def until_signal(work: Callable[[Stopping], Awaitable[int]], *, resumes: bool = False) -> int:
    """Run work on a new event loop; SIGINT, SIGTERM and SIGHUP (terminal closed) end it cleanly.

    SIGINT and SIGHUP remain ignored if the parent process ignores them, as `nohup` and shells do for
    background jobs. The first SIGINT stops the work gracefully, if supported. `resumes` is whether the
    same command resumes the work.
    """
    ended_by: list[signal.Signals] = []
    codes: list[int] = []
    stopping = Stopping(resumes=resumes)

    async def watch(signals: AsyncIterator[signal.Signals], job: anyio.CancelScope) -> None:
        async for number in signals:
            ended_by.append(number)
            gently, stopping.gently = stopping.gently, None
            if number is signal.SIGINT and gently is not None:
                gently()
            else:
                job.cancel()

    async def main() -> None:
        # Before the work starts: a signal at that time ends it as cleanly as any other.
        with anyio.open_signal_receiver(signal.SIGTERM, *_not_ignored()) as signals:
            async with anyio.create_task_group() as group:
                with anyio.CancelScope() as job:
                    group.start_soon(watch, signals, job)
                    codes.append(await work(stopping))
                group.cancel_scope.cancel()

    with unwrap_exception_group():
        anyio.run(main)
    if ended_by:
        with suppress(OSError):  # the terminal may be closed
            rest = " Run the same command to resume." if stopping.resumes else ""
            say(f"Interrupted ({ended_by[-1].name}).{rest}", error=True)
        return 128 + ended_by[-1]
    return codes[0]


def fault(error: Exception) -> str:
    """Return the message for an unexpected error, which may be a system limit."""
    if os_errors.reason_of(error):
        return os_errors.message_of(error)
    return f"internal error, please report it: {error!r} (--log-level debug prints the traceback)"


def _not_ignored() -> list[signal.Signals]:
    """Return the signals to handle, except for those that this process inherited as ignored."""
    optional = (signal.SIGINT, signal.SIGHUP)
    return [number for number in optional if signal.getsignal(number) is not signal.SIG_IGN]
