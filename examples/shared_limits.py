"""A run that shares concurrency limits with other work of the program.

python examples/shared_limits.py clips

Encodes and the other work use tokens of the same limiter, so together they never use more CPUs than there
are. Cancellation works as usual: after the timeout no child process is left, and the same call resumes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

import hdtf_async
from hdtf_async import Lanes, Options
from hdtf_async.events import ClipDone


async def main(out: Path, options: Options, *, cpus: int = 2, seconds: float = 3600) -> list[str]:
    """Create clips, process each as soon as it exists, stop at the timeout; return the processed clips."""
    tokens = anyio.CapacityLimiter(cpus)
    worked_on: list[str] = []

    async def work_on(clip: Path) -> None:
        async with tokens:
            await anyio.to_thread.run_sync(clip.read_bytes)  # any CPU-bound work
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
