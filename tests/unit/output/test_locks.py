"""Locks: forked processes do not keep them, and no process waits endlessly for another."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

import hdtf_async
from hdtf_async import ExitCode, Reason, StoreError
from hdtf_async.core import descriptors
from hdtf_async.core.shards import Shard
from hdtf_async.output import locks, manifests
from hdtf_async.output.directory import open_directory
from hdtf_async.output.journal import JOURNAL
from hdtf_async.output.locks import is_held
from hdtf_async.output.manifests import METADATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared import Finished

# Forks of the host program.

_FORKS = """
import os, signal, sys, warnings
from contextlib import AsyncExitStack
from pathlib import Path

import anyio

from hdtf_async.core import descriptors
from hdtf_async.process.guard import guarding
from hdtf_async.output.locks import is_held
from hdtf_async.core.shards import Shard
from hdtf_async.output.directory import open_directory

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
        async with open_directory(out, Shard(0, 1)) as directory, guarding(*directory.locks) as guard:
            number, inside = forked(opened_files)
            children.append(number)
            print("journals in the child:", inside.count(".jsonl"))
            print("the reaper's pipe in the child:", f"pipe:[{os.fstat(guard._pipe).st_ino}]" in inside)
            number, _ = forked(lambda: str([descriptors.close(lock) for lock in directory.locks]))
            children.append(number)
            print("held after a child has ended its copy of the run:", is_held(out))
    async with open_directory(out):
        pass
    print("kept for forks:", len(descriptors._OWN))
    for number in children:
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)


anyio.run(main)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux tells which files are open")
def test_a_forked_process_keeps_neither_locks_nor_the_sentinel(tmp_path: Path) -> None:
    """Data loaders keep running; the next run of the host program in the directory is not refused."""
    ended = subprocess.run(
        [sys.executable, "-c", _FORKS, tmp_path / "out"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    one_run = [
        "journals in the child: 0",
        "the reaper's pipe in the child: False",
        "held after a child has ended its copy of the run: True",
    ]
    assert ended.stdout.splitlines() == [*one_run * 3, "kept for forks: 0"]


@pytest.fixture
def inherited() -> Iterator[list[int]]:
    """Descriptors of processes that are unrelated to this program."""
    kept: list[int] = []
    yield kept
    for descriptor in kept:
        os.close(descriptor)


async def test_a_lock_is_released_even_if_it_was_inherited(tmp_path: Path, inherited: list[int]) -> None:
    """A library that forks outside Python leaves a copy of the descriptor."""
    async with open_directory(tmp_path) as directory:
        inherited += map(os.dup, directory.locks)  # as a fork does
    assert not is_held(tmp_path)
    async with open_directory(tmp_path):
        pass


async def test_checking_for_an_active_run_leaves_no_lock(
    tmp_path: Path, inherited: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the host program forks at that moment."""
    async with open_directory(tmp_path):
        pass
    lock = descriptors.lock

    def forked(descriptor: int, *, shared: bool = False) -> bool:
        locked = lock(descriptor, shared=shared)
        inherited.append(os.dup(descriptor))
        return locked

    with monkeypatch.context() as patch:
        patch.setattr(descriptors, "lock", forked)
        assert not is_held(tmp_path)
    async with open_directory(tmp_path):
        pass


# Waiting for another process.


@contextmanager
def _locked_by_another(path: Path) -> Iterator[None]:
    """Let another process hold a lock without progress."""
    program = (
        "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield
        finally:
            holder.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_merge_that_waits_for_another_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The manifests are unchanged, and the exit code is that of the signal."""
    async with open_directory(tmp_path):
        pass
    (tmp_path / METADATA).write_bytes(b"as it was")
    command = [sys.executable, "-m", "hdtf_async", "merge", "--out", str(tmp_path)]
    with _locked_by_another(tmp_path / manifests.MANIFESTS_LOCK):
        waiting = await anyio.open_process(command)
        async with waiting:
            while not _has_opened(waiting.pid, tmp_path / manifests.MANIFESTS_LOCK):
                await anyio.sleep(0.01)
            waiting.send_signal(number)
            await waiting.wait()
    assert waiting.returncode == 128 + number
    assert (tmp_path / METADATA).read_bytes() == b"as it was"


def _has_opened(process: int, file: Path) -> bool:
    """Whether a process has opened a file."""
    try:
        return file in {each.readlink() for each in Path(f"/proc/{process}/fd").iterdir()}
    except OSError:  # a descriptor is being closed
        return False


async def test_a_cancelled_shard_does_not_wait_for_another_process(tmp_path: Path) -> None:
    """However long the other one holds the lock of the manifests."""
    async with open_directory(tmp_path, Shard(0, 2)) as directory:
        with _locked_by_another(tmp_path / manifests.MANIFESTS_LOCK), anyio.move_on_after(0.1) as scope:
            await directory.write_manifests()
    assert scope.cancelled_caught


async def test_locked_manifests_are_left_to_the_next_run(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends with its report and exit code 75; the clips are recorded for a later `merge`."""
    monkeypatch.setattr(manifests, "PATIENCE", 0.2)
    out = shutil.copytree(finished.out, tmp_path / "clips")
    (out / METADATA).unlink()
    with _locked_by_another(out / manifests.MANIFESTS_LOCK):
        report = await hdtf_async.download(out, replace(finished.options, shard=Shard(0, 1)))
    assert report.stopped is not None
    assert (report.stopped.reason, report.exit_code) == (Reason.MANIFESTS_LOCKED, ExitCode.PASSING)
    assert report.there == report.asked > 0
    assert not (out / METADATA).exists()
    await hdtf_async.merge(out)
    assert (out / METADATA).read_bytes() == (finished.out / METADATA).read_bytes()


async def test_a_process_with_progress_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests of a million lines take minutes: the writer signals progress meanwhile."""
    (tmp_path / JOURNAL).touch()
    monkeypatch.setattr(manifests, "_SIGN", 0.01)
    polls, go_on, first = list[int](), threading.Event(), threading.Event()
    lock, write = descriptors.lock, manifests.write

    def locked(descriptor: int) -> bool:
        acquired = lock(descriptor)
        polls.append(acquired)
        if len(polls) > 20:  # twice the patience for a process without progress
            go_on.set()
        return acquired

    def slow(*arguments: Any) -> None:
        first.set()
        assert go_on.wait(60)
        write(*arguments)

    monkeypatch.setattr(descriptors, "lock", locked)
    monkeypatch.setattr(manifests, "write", slow)
    async with anyio.create_task_group() as group:
        group.start_soon(manifests.merge, tmp_path, {})
        await anyio.to_thread.run_sync(first.wait)
        await manifests.merge(tmp_path, {}, patience=0.5)
    assert len(polls) > 20


# The holder of a lock.


def write_runs(path: Path, *runs: tuple[int, int]) -> Path:
    """Write a journal of runs: the process and the start of each, in seconds."""
    host = socket.gethostname()
    path.write_text(
        "".join(
            json.dumps({
                "type": "run", "pid": pid, "host": host, "time": f"2026-01-01T00:00:{second:02}.000+00:00",
            }) + "\n"
            for pid, second in runs
        )
    )  # fmt: skip
    return path


def test_the_newest_active_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer one that has ended, or an older one, cannot hold the lock."""
    alive = {11, 12}
    monkeypatch.setattr(locks, "_is_alive", alive.__contains__)
    journals = (
        write_runs(tmp_path / "a", (10, 1), (12, 5)),
        write_runs(tmp_path / "b", (11, 3)),
        write_runs(tmp_path / "c", (13, 9)),
        tmp_path / "absent",
    )
    assert locks._newest_run(journals)["pid"] == 12
    alive.remove(12)
    assert locks._newest_run(journals)["pid"] == 11
    alive.clear()
    assert locks._newest_run(journals)["pid"] == 13
    assert locks._newest_run(()) == {}


@pytest.mark.parametrize(
    ("error", "ended"), [(PermissionError(), False), (ProcessLookupError(), True), (OverflowError(), True)]
)
def test_a_process_of_another_user_has_not_ended(
    monkeypatch: pytest.MonkeyPatch, error: Exception, ended: bool
) -> None:
    """Signals to it are forbidden, which shows that it exists."""

    def refuse(_pid: int, _signal: int) -> None:
        raise error

    monkeypatch.setattr("os.kill", refuse)
    run = {"pid": 4711, "host": socket.gethostname(), "time": "2026-01-01T00:00:00.000+00:00"}
    assert locks.has_ended(run) is ended
    assert ("which has ended" in locks.holder(run)) is ended


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ELOOP, "cannot write /dir/_videos_raw: "),
        (errno.ENOSPC, "cannot write in /dir: .*free disk space, or choose another --out"),
        (errno.EMFILE, "cannot write in /dir: (?!.*another --out)"),
    ],
)
def test_an_error_of_the_system_names_the_directory_or_the_link(number: int, message: str) -> None:
    """And another directory, where that would help."""
    error = OSError(number, os.strerror(number), "/dir/_videos_raw")
    with pytest.raises(StoreError, match=message), locks.as_store_error(Path("/dir")):
        raise error
