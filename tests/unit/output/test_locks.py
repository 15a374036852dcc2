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


@pytest.mark.parametrize(
    ("pid", "ended"),
    [(os.getpid(), False), (1, False), (0, True), (-1, True), ("1", True), (None, True), (2**80, True)],
    ids=[
        "its own",
        "the first",
        "zero",
        "negative",
        "text",
        "none",
        "too large",
    ],  # the same in each process of xdist
)
def test_a_process_is_known_to_have_ended_only_on_this_machine(pid: object, ended: bool) -> None:
    """What is no process number has none; on another machine nothing is known."""
    run = {"pid": pid, "host": socket.gethostname(), "time": "2026-01-01T00:00:00.000+00:00"}
    assert locks.has_ended(run) is ended
    assert locks.has_ended(run | {"host": "elsewhere"}) is False
    assert locks.has_ended(run | locks.whoami() | {"pid": pid}) is ended
    # Another container with the same host name numbers its processes separately.
    assert locks.has_ended(run | {"pid_namespace": "another"}) is False
    assert locks.holder({}) == "unknown process"
    assert locks.holder(run | {"host": "elsewhere", "pid": 5}) == (
        "process 5 on elsewhere, since 2026-01-01T00:00:00.000+00:00"
    )


def test_without_a_journal_no_run_is_active(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on a file system without locks; an error that has a known cause is raised."""
    assert locks.is_locked(tmp_path / JOURNAL) is False
    (tmp_path / JOURNAL).touch()
    assert locks.is_locked(tmp_path / JOURNAL) is False
    for number in (errno.EOPNOTSUPP, errno.EIO):

        def fail(*_: object, error: int = number, **__: object) -> bool:
            raise OSError(error, os.strerror(error))

        monkeypatch.setattr(descriptors, "lock", fail)
        if number == errno.EIO:
            with pytest.raises(OSError, match="error"):
                locks.is_locked(tmp_path / JOURNAL)
        else:
            assert locks.is_locked(tmp_path / JOURNAL) is False


async def test_shards_of_another_number_are_not_run_together(tmp_path: Path) -> None:
    """The message says which one is active; shards of the same number are."""
    async with open_directory(tmp_path, Shard(1, 2)):
        locks.require_one_division(tmp_path, Shard(0, 2))
        with pytest.raises(hdtf_async.BusyError, match=r"shard 1/2 is running .* --shard I/2$"):
            locks.require_one_division(tmp_path, Shard(0, 3))
    locks.require_one_division(tmp_path, Shard(0, 3))


@pytest.mark.parametrize(("ended", "seconds"), [(True, 15.0), (False, 0.2)])
async def test_a_lock_is_waited_for_while_children_may_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: bool, seconds: float
) -> None:
    """A quarter of a minute if the process of the run has ended, a moment otherwise: it may be a test."""
    slept: list[float] = []
    clock = 1000.0

    async def sleep(delay: float) -> None:
        nonlocal clock
        slept.append(delay)
        clock += delay

    monkeypatch.setattr(locks, "_is_alive", lambda _pid: not ended)
    monkeypatch.setattr(locks, "_locked", lambda *_: False)
    monkeypatch.setattr(anyio, "sleep", sleep)
    monkeypatch.setattr(anyio, "current_time", lambda: clock)
    journal = write_runs(tmp_path / "a", (4711, 1))
    with pytest.raises(hdtf_async.BusyError, match=r"another run is active in .* 4711 on .*: wait for it"):
        await locks.acquire(0, tmp_path, journal)
    assert sum(slept) == pytest.approx(seconds, abs=0.06)
    assert sum(slept) > seconds - 0.01


async def test_workers_of_a_killed_driver_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to a quarter of a minute; then the message has their number."""
    clock = 0.0

    async def sleep(delay: float) -> None:
        nonlocal clock
        clock += delay

    monkeypatch.setattr(anyio, "sleep", sleep)
    monkeypatch.setattr(anyio, "current_time", lambda: clock)
    for name in ("one", "two", "a.jsonl"):
        locks.make_worker_file(tmp_path, name)
    workers = tmp_path / locks.WORKERS
    with locks.locked_by_worker(workers / "one"):
        with pytest.raises(hdtf_async.BusyError, match="1 cluster workers are still running"):
            await locks.require_no_workers(tmp_path)
        assert clock == pytest.approx(15.1, abs=0.11)
        with pytest.raises(BlockingIOError):
            locks.worker_lock(workers / "one")
    await locks.require_no_workers(tmp_path)
    assert [path.name for path in workers.iterdir()] == ["a.jsonl"]
    (workers / "a.jsonl").unlink()
    assert locks.busy_workers(tmp_path) == 0
    assert not workers.exists()
    assert locks.release_worker(workers / "absent")


def test_what_is_in_the_way_of_a_directory_is_named(tmp_path: Path) -> None:
    """A file, or a link to nothing."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert locks._in_the_way(tmp_path / "file" / "out") == f"{tmp_path / 'file'} is not a directory"
    assert locks._in_the_way(tmp_path / "link" / "out") == f"{tmp_path / 'link'} is a broken symbolic link"
    (tmp_path / "whole").symlink_to(tmp_path / "file")
    assert locks._in_the_way(tmp_path / "whole") == f"{tmp_path / 'whole'} is not a directory"
    for error in (FileExistsError(), NotADirectoryError()):
        with (
            pytest.raises(StoreError, match="is not a directory: choose another --out"),
            locks.as_store_error(tmp_path / "file"),
        ):
            raise error
    with pytest.raises(StoreError, match="is a symbolic link"):
        locks._require_no_link(tmp_path / "link")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ESTALE, r"^cannot lock /dir: .*mount"),
        (
            errno.ENOLCK,
            r"^the file system of /dir does not support file locks \(.*choose an --out on another",
        ),
    ],
)
def test_a_lock_that_fails_has_its_cause(monkeypatch: pytest.MonkeyPatch, number: int, message: str) -> None:
    """Of the system, or a file system without locks."""

    def fail(*_: object, **__: object) -> bool:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(descriptors, "lock", fail)
    with pytest.raises(StoreError, match=message):
        locks._locked(0, Path("/dir"), True)


@pytest.mark.parametrize(("alone", "shared"), [(True, False), (False, True)])
def test_runs_alone_or_beside_others(monkeypatch: pytest.MonkeyPatch, alone: bool, shared: bool) -> None:
    """Shards hold the lock of the directory together."""
    asked: list[bool] = []

    def lock(_descriptor: int, *, shared: bool = False) -> bool:
        asked.append(shared)
        return True

    monkeypatch.setattr(descriptors, "lock", lock)
    assert locks._locked(0, Path("/dir"), alone) is True
    assert asked == [shared]


def test_only_the_last_run_of_a_journal_may_hold_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier process that is alive has ended its run."""
    monkeypatch.setattr(locks, "_is_alive", {11}.__contains__)
    assert locks._newest_run([write_runs(tmp_path / "a", (11, 1), (10, 5))])["pid"] == 10
