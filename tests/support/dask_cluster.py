"""A local Dask cluster, and the descendants of its workers: Linux only."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PATIENCE = 120.0
"""Timeout of waits, in seconds."""


@dataclass
class Cluster:
    """A scheduler and its workers."""

    address: str
    directory: Path
    """The directory of their output and their work."""
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def need(self, number: int, *options: str) -> None:
        """Provide this many workers, whatever happened to the previous ones."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        self.end(self.workers[number:])
        while len(self.workers) < number:
            self.workers.append(self._start(*options))
        wait_for(lambda: self.known() == number)

    def _start(self, *options: str) -> subprocess.Popen[bytes]:
        # Without a nanny process: a killed worker is not restarted.
        worker = [sys.executable, "-m", "dask", "worker", self.address, "--no-nanny", "--no-dashboard"]
        with (self.directory / "workers.txt").open("ab") as log:
            return subprocess.Popen(
                [*worker, "--host", "127.0.0.1", "--nthreads", "1", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
            )  # fmt: skip

    def known(self) -> int:
        """Return how many workers the scheduler has, according to its output."""
        output = (self.directory / "scheduler.txt").read_text(encoding="utf-8")
        return output.count("Register worker addr") - output.count("Remove worker addr")

    def tasks(self) -> list[str]:
        """Return the keys of all tasks that the scheduler has."""
        with Client(self.address, set_as_default=False) as client:
            told: list[str] = client.run_on_scheduler(lambda dask_scheduler: [*dask_scheduler.tasks])
        return told

    def end_scheduler(self) -> None:
        """Kill the scheduler."""
        self.scheduler.kill()
        self.scheduler.wait()

    def end(self, workers: Sequence[subprocess.Popen[bytes]] | None = None) -> None:
        """End these workers, or all of them."""
        ended = [*self.workers] if workers is None else [*workers]
        for worker in ended:
            worker.send_signal(signal.SIGKILL)
        for worker in ended:
            worker.wait()
            self.workers.remove(worker)


@contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    """Run a scheduler; workers are started on demand."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "scheduler.json"
    command = [sys.executable, "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0"]
    with (directory / "scheduler.txt").open("wb") as log:
        scheduler = subprocess.Popen(
            [*command, "--no-dashboard", "--scheduler-file", str(file)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory,
        )  # fmt: skip
    made: Cluster | None = None
    try:
        wait_for(lambda: _address(file) is not None)
        made = Cluster(f"{_address(file)}", directory, scheduler)
        yield made
    finally:
        if made is not None:
            made.end()
        scheduler.kill()
        scheduler.wait()


def _address(file: Path) -> str | None:
    with suppress(OSError, ValueError):
        info: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return f"{info['address']}"
    return None


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something holds; raise `TimeoutError` where it does not in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.05)


def descendants(pids: Sequence[int]) -> list[str]:
    """Return the command lines of all living descendants of some processes."""
    parents: dict[int, int] = {}
    command_lines: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if entry.name.isdigit() and state != "Z":
                # A process that ends in between is in neither.
                command_line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                parents[int(entry.name)] = int(parent)
                command_lines[int(entry.name)] = command_line
    below, found = set(pids), list[str]()
    for _ in range(6):
        new = {pid for pid, parent in parents.items() if parent in below} - below
        found += [command_lines[pid] for pid in new]
        below |= new
    return found


def marked(text: str) -> list[str]:
    """Return the command lines of all living processes that contain a word."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit():
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if text in line:
                    found.append(line)
    return found
