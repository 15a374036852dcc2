"""Measure the children of a run: time, CPU time, memory, and whether a JavaScript runtime is among them.

CPU time is the system's account of all children that were waited for, so it is valid for one child at a time.
Memory and runtimes are sampled from ``/proc``, which exists on Linux but not on macOS. (The system's account
of a child's peak memory is not usable: it includes the memory of this program at the time of the fork.)
"""

from __future__ import annotations

import resource
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import anyio

from hdtf_async.process.guard import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

_INTERVAL = 0.05
"""Seconds between two samples; deno takes three times that for the smallest script."""
_PROC = Path("/proc")
_PAGE = resource.getpagesize()
_RUNTIMES = ("deno", "node", "bun", "qjs")
_ABOUT = {b"--version", b"--help", b"-v", b"-h"}
"""Arguments with which a runtime only prints information about itself, as yt-dlp does with each of them."""
_MOST = 200
"""Maximum number of processes below a child that are sampled."""


class Meter(Guard):
    """A guard that also measures the registered processes; created by `measuring`."""

    def __init__(self, guard: Guard) -> None:
        self.inherit = guard.inherit
        self._guard = guard
        self._groups: set[int] = set()
        self._cost = Cost()

    def environment(self) -> Mapping[str, str] | None:
        """Return the environment for a child."""
        return self._guard.environment()

    def begun(self, group: int) -> None:
        """Register a process group that was started."""
        self._groups.add(group)
        self._guard.begun(group)

    def ended(self, group: int) -> None:
        """Unregister a process group that has ended."""
        self._groups.discard(group)
        self._guard.ended(group)

    @contextmanager
    def cost(self) -> Iterator[Cost]:
        """Measure the children that run meanwhile; the values are final when the context exits."""
        visible = (_PROC / "self" / "statm").exists()
        self._cost = cost = Cost(memory_bytes=0 if visible else None, runtimes=[] if visible else None)
        begun, cpu = anyio.current_time(), _cpu()
        try:
            yield cost
        finally:
            cost.seconds = round(anyio.current_time() - begun, 2)
            cost.cpu_seconds = round(_cpu() - cpu, 2)

    async def sample(self) -> None:
        """Sample memory and runtimes until cancelled."""
        while True:
            cost = self._cost
            # A child before its exec shares the memory and command line of its parent.
            below = {_command(process): process for group in self._groups for process in _tree(group)}
            if cost.memory_bytes is not None:
                cost.memory_bytes = max(cost.memory_bytes, sum(map(_memory, below.values())))
            if cost.runtimes is not None:
                cost.runtimes = sorted({*cost.runtimes, *filter(None, map(_runtime, below))})
            await anyio.sleep(_INTERVAL)


@asynccontextmanager
async def measuring(guard: Guard) -> AsyncIterator[Meter]:
    """Measure the children that are started with this guard."""
    meter = Meter(guard)
    async with anyio.create_task_group() as group:
        group.start_soon(meter.sample)
        yield meter
        group.cancel_scope.cancel()


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree(process: int) -> list[int]:
    """Return a process and its descendants."""
    found = [process]
    for each in found:
        with suppress(OSError, ValueError):
            for children in (_PROC / str(each) / "task").glob("*/children"):
                found += map(int, children.read_text(encoding="ascii").split())
        if len(found) > _MOST:
            break
    return found


def _memory(process: int) -> int:
    """Return the resident memory of a process in bytes; 0 if it has ended."""
    with suppress(OSError, ValueError, IndexError):
        return int((_PROC / str(process) / "statm").read_text(encoding="ascii").split()[1]) * _PAGE
    return 0


def _command(process: int) -> tuple[bytes, ...]:
    """Return the command line of a process; empty if it has ended."""
    with suppress(OSError):
        return tuple((_PROC / str(process) / "cmdline").read_bytes().split(b"\0"))
    return ()


def _runtime(command: Sequence[bytes]) -> str | None:
    """Return the JavaScript runtime that a command line starts, if it runs a script."""
    name = PurePath(command[0].decode("utf-8", "replace")).name if command else ""
    return name if name in _RUNTIMES and not _ABOUT & {*command[1:]} else None


@dataclass(slots=True)
class Cost:
    """Cost of one yt-dlp process, including its child processes."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory_bytes: int | None = None
    """Maximum of the sampled sum of resident memory; None without ``/proc``."""
    runtimes: list[str] | None = None
    """JavaScript runtimes that were seen running a script; None if unknown."""

    def __str__(self) -> str:
        """Return a readable summary."""
        memory = "" if self.memory_bytes is None else f", {self.memory_bytes / 1e6:.0f} MB"
        return f"{self.seconds:.1f} s, {self.cpu_seconds:.1f} CPU s{memory}"
