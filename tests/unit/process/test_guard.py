"""Children end if the supervisor is killed, and the directory stays locked until then."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import anyio
import pytest

from hdtf_async.process import supervisor as process
from hdtf_async.process.guard import guarding

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPERVISOR = """
    import os, sys
    from pathlib import Path
    import anyio
    from hdtf_async.process import supervisor as process
    from hdtf_async.process.guard import guarding

    async def main():
        lock = os.open(sys.argv[1], os.O_RDWR)
        async with guarding(lock) as guard, anyio.create_task_group() as group:
            async def child():
                command = process.Command(["/bin/sh", "-c", sys.argv[2]])
                await process.run(command, deadline=60, guard=guard)
            for _ in range(3):
                group.start_soon(child)

    anyio.run(main)
"""
"""Starts three children that hold the lock, and waits for them."""


def holders(path: Path) -> set[int]:
    """Return the other processes that have a file open."""
    found = set()
    for other in Path("/proc").iterdir():
        with suppress(OSError, ValueError):  # not a process, or it has ended
            for entry in (other / "fd").iterdir():
                with suppress(OSError):  # closed meanwhile: a starting process opens and closes many
                    if entry.readlink() == path:
                        found.add(int(other.name))
    return found - {os.getpid()}


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[Path]:
    """A file to lock; processes that still have it open afterwards are killed."""
    path = tmp_path / "lock"
    path.touch()
    yield path
    for left in holders(path):
        os.kill(left, signal.SIGKILL)


@pytest.mark.parametrize(
    "script",
    [
        "trap '' TERM; sleep 60; sleep 60",
        "sleep 60 & sleep 60; :",
        "setsid sh -c 'sleep 60; :' & sleep 60; :",
    ],
    ids=["deaf", "with_grandchildren", "with_a_runaway_of_its_own_session"],
)
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_children_end_with_a_killed_supervisor(lock: Path, script: str) -> None:
    """Whatever they are and have started, and the lock is released as soon as they have ended."""
    argv = [sys.executable, "-c", dedent(SUPERVISOR), str(lock), script]
    supervisor = await anyio.open_process(argv)
    with anyio.fail_after(60):
        while len(holders(lock)) < 8:  # itself, the reaper, three children and their children
            assert supervisor.returncode is None
            await anyio.sleep(0.02)
        with lock.open("rb") as ours:
            supervisor.kill()
            await supervisor.wait()
            while len(holders(lock)) > 0:
                await anyio.sleep(0.02)
            fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)


OWNER = """
    import os, sys
    import anyio
    from hdtf_async.process.guard import guarding

    async def main():
        async with guarding(os.open(sys.argv[1], os.O_RDWR)) as guard:
            guard.temporary(sys.argv[2])
            if sys.argv[3] == "killed":
                os.kill(os.getpid(), 9)

    anyio.run(main)
"""


@pytest.mark.parametrize("ends", ["killed", "by itself"])
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_temporary_directory_is_deleted_after_a_kill_of_the_supervisor(
    ends: str, lock: Path, tmp_path: Path
) -> None:
    """A supervisor that exits normally deletes it itself."""
    directory = tmp_path / "temporary"
    (directory / "below").mkdir(parents=True)
    (directory / "below" / "file").touch()
    argv = [sys.executable, "-c", dedent(OWNER), str(lock), str(directory), ends]
    await anyio.run_process(argv, check=False)
    with anyio.fail_after(60):
        while holders(lock):  # the reaper has it open until it ends
            await anyio.sleep(0.02)
    assert directory.exists() is (ends != "killed")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_run_works_without_its_sentinel(lock: Path) -> None:
    """If the reaper was killed or stopped: it only matters if the run is killed too."""
    descriptor = os.open(lock, os.O_RDWR)
    try:
        for number in (signal.SIGKILL, signal.SIGSTOP, None):
            async with guarding(descriptor) as guard:
                (reaper,) = holders(lock)
                if number is not None:
                    os.kill(reaper, number)
                for _ in range(3):
                    ended = await process.run(
                        process.Command(["/bin/sh", "-c", "exit 7"]), deadline=60, guard=guard
                    )
                    assert ended.code == 7
                if number is signal.SIGSTOP:
                    os.kill(reaper, signal.SIGCONT)  # otherwise the supervisor waits before it kills it
            assert not holders(lock)
    finally:
        os.close(descriptor)
