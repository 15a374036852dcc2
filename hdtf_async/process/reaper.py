"""The reaper: kills the children if the supervisor itself is killed.

A child that loses its parent continues: ffmpeg even survives broken pipes, and would write for minutes into a
directory without supervision. So one process of a few megabytes, `python reaper.py`, holds the read end of a
pipe on which the supervisor reports each process group that it starts and ends. If the pipe closes without a
farewell, the supervisor has died, and the reaper kills the reported groups and deletes the reported
temporary directories. On Linux it also finds processes that were not reported in time, by a variable in the
environment of all children of a run. It holds the directory's lock until then, as each of the children does.

The supervisor's side of it is `guard`. Only a few modules of the standard library are imported here: the
reaper starts without the package, in 20 ms.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MARK = "_HDTF_ASYNC_RUN"
"""Environment variable of all children of a run; identifies the run."""
FAREWELL = b"all ended\n"
"""The supervisor's last message when it exits normally."""
_ROUNDS = 50


def watch(messages: Iterable[bytes], mark: str) -> None:
    """Read the supervisor's messages until its pipe closes, and kill what it left behind."""
    groups: set[int] = set()
    directories: list[bytes] = []
    for message in messages:
        if message == FAREWELL:
            return
        if not message.endswith(b"\n"):  # it was killed within a message
            continue
        if message.startswith(b"/"):
            directories.append(message[:-1])
        else:
            (groups.add if message.startswith(b"+") else groups.discard)(int(message[1:]))
    _kill(groups, mark)
    if directories:
        from shutil import rmtree  # noqa: PLC0415 - half of the start-up time, and rarely needed

        for directory in directories:
            rmtree(directory, ignore_errors=True)


def _kill(groups: Iterable[int], mark: str) -> None:
    """Kill these process groups, and any other process with the mark."""
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for _ in range(_ROUNDS):
        left = _marked(mark)
        if not left:
            return
        for process in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


def _marked(mark: str) -> list[int]:
    """Return the running processes with this mark in their environment; none if these are not listed."""
    variable = f"{MARK}={mark}".encode()
    found = []
    with suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208 - importing pathlib takes half of the start-up time
            with suppress(OSError):
                if name.isdigit() and variable in _content(f"/proc/{name}/environ").split(b"\0"):
                    found.append(int(name))
    return found


def _content(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return file.read()


if __name__ == "__main__":
    watch(sys.stdin.buffer, sys.argv[1])
