"""Who ends the children when the supervisor itself is killed.

A child that loses its parent goes on: ffmpeg even outlives its broken pipes, and would write for minutes into
a directory that nobody watches. So one process of a few megabytes, `python sentinel.py`, holds the read end
of a pipe on which the supervisor names each process group that it starts and ends. When the pipe closes
without a farewell, the supervisor is gone, and the sentinel kills what is named and deletes the temporary
directories that were reported to it. On Linux it also looks for what it was not told of in time, by a
variable that all children of a run have in their environment. It holds the directory's lock until then, as
each of the children does.

The supervisor's side of it is `guard`. Nothing but the standard library is imported here, and little of
that: the sentinel starts without the package, in 20 ms.
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
"""Variable in the environment of all children of a run; it says of which."""
FAREWELL = b"all ended\n"
"""What the supervisor says last when it ends by itself."""
_ROUNDS = 50


def watch(told: Iterable[bytes], mark: str) -> None:
    """Read what the supervisor tells until its pipe closes, and kill what it left behind."""
    groups: set[int] = set()
    directories: list[bytes] = []
    for words in told:
        if words == FAREWELL:
            return
        if not words.endswith(b"\n"):  # it was killed in the middle of a word
            continue
        if words.startswith(b"/"):
            directories.append(words[:-1])
        else:
            (groups.add if words.startswith(b"+") else groups.discard)(int(words[1:]))
    _kill(groups, mark)
    if directories:
        from shutil import rmtree  # noqa: PLC0415 - half of the time that a start takes, and rarely needed

        for directory in directories:
            rmtree(directory, ignore_errors=True)


def _kill(groups: Iterable[int], mark: str) -> None:
    """Kill these process groups, and whatever else has the mark."""
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
    """Return the living processes with this mark in their environment; none where the system cannot tell."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    with suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208 - no pathlib, for its import takes half of the start
            with suppress(OSError):
                if name.isdigit() and wanted in _content(f"/proc/{name}/environ").split(b"\0"):
                    found.append(int(name))
    return found


def _content(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return file.read()


if __name__ == "__main__":
    watch(sys.stdin.buffer, sys.argv[1])
