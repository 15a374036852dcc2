"""A run under limits that a program of yours shares with its other work.

python examples/shared_limits.py clips

The encode lane takes tokens of the same limiter as the work beside it, so both together never keep more CPUs
busy than there are. Cancelling works as everywhere: when the time is over, no child process is left, and the
same call goes on from there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

import hdtf_async
from hdtf_async import Lanes, Options
from hdtf_async.core.events import ClipDone


async def main(out: Path, options: Options, *, cpus: int = 2, seconds: float = 3600) -> list[str]:
    """Make clips, work on each as soon as it is there, and end within the time; return what was worked on."""
    tokens = anyio.CapacityLimiter(cpus)
    worked_on: list[str] = []

    async def work_on(clip: Path) -> None:
        async with tokens:
            await anyio.to_thread.run_sync(clip.read_bytes)  # whatever takes a CPU
        worked_on.append(clip.name)

    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as beside:
            lanes = Lanes(network=anyio.CapacityLimiter(2), encodes=tokens)
            async with hdtf_async.running(out, options, lanes=lanes) as events:
                async for event in events:
                    if isinstance(event, ClipDone):
                        beside.start_soon(work_on, out / event.file)
    print(f"worked on {len(worked_on)} clips")
    return worked_on


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), Options(subsets=("RD",), limit=3))
