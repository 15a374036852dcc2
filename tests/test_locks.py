"""Locks: a forked process keeps none, and nobody waits for another process without end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hdtf_async import descriptors
from hdtf_async.locks import is_held
from hdtf_async.store import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

# Forks of the host program.

_FORKS = """
import os, signal, sys, warnings
from contextlib import AsyncExitStack
from pathlib import Path

import anyio

from hdtf_async import descriptors
from hdtf_async.guard import guarding
from hdtf_async.locks import is_held
from hdtf_async.shards import Shard
from hdtf_async.store import opened

warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: hosts do it nevertheless
out = Path(sys.argv[1])


def forked(child):
    read, write = os.pipe()
    number = os.fork()
    if number == 0:
        os.write(write, child().encode())
        signal.pause()
    os.close(write)
    return number, os.read(read, 1 << 16).decode()


def opened_files():
    files = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
    return " ".join(os.readlink(file) for file in files if os.path.lexists(file))


async def main():
    children = []
    for _ in range(3):
        async with opened(out, Shard(0, 1)) as directory, guarding(*directory.locks) as guard:
            number, inside = forked(opened_files)
            children.append(number)
            print("journals in the child:", inside.count(".jsonl"))
            print("the sentinel's pipe in the child:", f"pipe:[{os.fstat(guard._pipe).st_ino}]" in inside)
            number, _ = forked(lambda: str([descriptors.close(lock) for lock in directory.locks]))
            children.append(number)
            print("held after a child has ended its copy of the run:", is_held(out))
    async with opened(out):
        pass
    print("kept for forks:", len(descriptors._OWN))
    for number in children:
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)


anyio.run(main)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux tells which files are open")
def test_a_forked_process_keeps_neither_locks_nor_the_sentinel(tmp_path: Path) -> None:
    """Data loaders of a host program live on; its next run in the directory is not refused for them."""
    ended = subprocess.run(
        [sys.executable, "-c", _FORKS, tmp_path / "out"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    one_run = [
        "journals in the child: 0",
        "the sentinel's pipe in the child: False",
        "held after a child has ended its copy of the run: True",
    ]
    assert ended.stdout.splitlines() == [*one_run * 3, "kept for forks: 0"]


@pytest.fixture
def inherited() -> Iterator[list[int]]:
    """Descriptors of processes that know nothing of this program."""
    kept: list[int] = []
    yield kept
    for descriptor in kept:
        os.close(descriptor)


async def test_a_lock_is_released_whoever_has_inherited_it(tmp_path: Path, inherited: list[int]) -> None:
    """A library that forks without Python's knowledge leaves a copy of the descriptor behind."""
    async with opened(tmp_path) as directory:
        inherited += map(os.dup, directory.locks)  # as a fork does
    assert not is_held(tmp_path)
    async with opened(tmp_path):
        pass


async def test_looking_whether_a_run_is_at_work_leaves_no_lock_behind(
    tmp_path: Path, inherited: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the host program forks in that very moment."""
    async with opened(tmp_path):
        pass
    lock = descriptors.lock

    def forked(descriptor: int, *, shared: bool = False) -> bool:
        locked = lock(descriptor, shared=shared)
        inherited.append(os.dup(descriptor))
        return locked

    with monkeypatch.context() as patch:
        patch.setattr(descriptors, "lock", forked)
        assert not is_held(tmp_path)
    async with opened(tmp_path):
        pass
