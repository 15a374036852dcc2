"""One supervised child: own process group, deadline, stall watch, the last of its words.

Every tool is run by `run`, and only there. What holds for each child:

- it gets an argument list, never a shell, and a process group of its own, so that whatever it starts
  can be ended with it;
- it has a deadline, and where it reports progress a stall watch;
- its output is read while it runs, in bounded memory, however much it prints;
- when `run` returns or raises, for whatever reason, the group is gone: TERM, some grace, KILL. This
  part is shielded from cancellation, bounded in time, and lets the cancellation go on afterwards.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import anyio

from hdtf_async.failures import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from anyio.abc import ByteReceiveStream, ByteSendStream, Process

GRACE = 5.0
"""Seconds between TERM and KILL. yt-dlp and ffmpeg close their files within one."""
LINGER = 2.0
"""Seconds for which output is still read after the child has exited: a grandchild may hold the pipe."""
LINE_LIMIT = 1 << 17
"""Bytes of one line that are kept; the rest of a longer line is dropped."""
TAIL_LINES = 60
"""Lines of stderr that are kept for the log and for the classification of a failure."""
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its exit code (negative: the signal), its last words and its kept output."""

    code: int
    words: str
    out: bytes


def never(_line: str) -> bool:
    """Take no line as a sign of progress."""
    return False


async def run(  # noqa: PLR0913 - each is one thing that a caller decides about its child
    argv: Sequence[str],
    *,
    deadline: float,
    stall: float | None = None,
    on_line: Callable[[str], bool] = never,
    feed: bytes = b"",
    keep: int = 0,
    directory: Path | None = None,
    inherit: Sequence[int] = (),
) -> Ended:
    """Run a tool to its end and tell how it ended; a bad exit code is the caller's to judge.

    `deadline` is in seconds for the whole run. With `stall`, the child is ended after that many
    seconds without a line of stdout for which `on_line` returns True (a sign of progress). `feed` is
    written to its stdin, which is closed otherwise. Up to `keep` bytes of stdout are returned.
    `directory` is the one that it works in. `inherit` names descriptors that it keeps open, such as
    the output directory's lock.

    Raises `Failure`: ``tool_missing`` where the program cannot be started, ``timed_out``, ``stalled``,
    and ``tool_failed`` where stdout is larger than `keep` allows.
    """
    stdin = PIPE if feed else DEVNULL
    child = await _start(argv, stdin=stdin, stderr=PIPE, directory=directory, inherit=inherit)
    words: deque[str] = deque(maxlen=TAIL_LINES)
    kept = bytearray()
    end = anyio.current_time() + deadline
    watch = anyio.CancelScope(deadline=end if stall is None else min(end, anyio.current_time() + stall))

    def heard(line: str) -> None:
        if on_line(line) and stall is not None:
            watch.deadline = min(end, anyio.current_time() + stall)

    try:
        with watch:
            async with anyio.create_task_group() as pipes:
                pipes.start_soon(_feed, child.stdin, feed)
                pipes.start_soon(_lines, child.stderr, words.append)
                if keep:
                    pipes.start_soon(_keep, child.stdout, kept, keep)
                else:
                    pipes.start_soon(_lines, child.stdout, heard)
                await _exit(child)
                pipes.cancel_scope.deadline = anyio.current_time() + LINGER
    except* Failure as failures:
        raise failures.exceptions[0] from None
    finally:
        with anyio.CancelScope(shield=True):
            await _end(child)
    if watch.cancelled_caught:
        reason = Reason.TIMED_OUT if anyio.current_time() >= end else Reason.STALLED
        raise Failure(reason, "\n".join(words))
    code = child.returncode
    return Ended(-signal.SIGKILL if code is None else code, "\n".join(words), bytes(kept))


class Companion:
    """A child that lives on and answers one line for each line that it is asked.

    It is started at the first question, and anew after it has failed to answer one; `aclose` ends it.
    One question at a time: the others wait.
    """

    def __init__(self, argv: Sequence[str], *, limit: int, inherit: Sequence[int] = ()) -> None:
        self._argv = argv
        self._limit = limit
        self._inherit = inherit
        self._lock = anyio.Lock()
        self._child: Process | None = None

    async def ask(self, question: bytes, *, deadline: float) -> bytes:
        """Ask one line and return the answer, of at most `limit` bytes, without its newline.

        Raises `Failure`: ``tool_missing`` where the child cannot be started, ``timed_out`` where it
        does not answer within `deadline` seconds, ``tool_failed`` where it ends or says too much. An
        answer that was not waited for is never taken for another question's: the child is ended.
        """
        async with self._lock:
            answered = False
            try:
                with anyio.fail_after(deadline):
                    answer = await self._ask(question)
                answered = True
            except TimeoutError:
                raise Failure(Reason.TIMED_OUT, f"no answer within {deadline:g} s") from None
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                raise Failure(Reason.TOOL_FAILED, "the child ended before its answer") from error
            finally:
                if not answered:
                    await self.aclose()
            return answer

    async def _ask(self, question: bytes) -> bytes:
        if self._child is None:
            self._child = await _start(self._argv, stdin=PIPE, stderr=DEVNULL, inherit=self._inherit)
        stdin, stdout = self._child.stdin, self._child.stdout
        if stdin is None or stdout is None:
            raise anyio.ClosedResourceError
        await stdin.send(question + b"\n")
        answer = bytearray()
        while not answer.endswith(b"\n"):
            answer += await stdout.receive(_CHUNK)
            if len(answer) > self._limit:
                raise Failure(Reason.TOOL_FAILED, f"an answer of more than {self._limit} bytes")
        return bytes(answer[:-1])

    async def aclose(self) -> None:
        """End the child, if there is one, within bounded time."""
        child, self._child = self._child, None
        if child is not None:
            with anyio.CancelScope(shield=True):
                await _end(child)


async def _start(
    argv: Sequence[str],
    *,
    stdin: int,
    stderr: int,
    directory: Path | None = None,
    inherit: Sequence[int] = (),
) -> Process:
    process: Process | None = None
    try:
        # Shielded: a cancellation between fork and return would leave a child that nobody knows.
        with anyio.CancelScope(shield=True):
            process = await anyio.open_process(
                list(argv),
                stdin=stdin,
                stderr=stderr,
                cwd=directory,
                start_new_session=True,
                pass_fds=tuple(inherit),
            )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise Failure(Reason.TOOL_MISSING, f"{argv[0]}: {error.strerror}") from None
    except OSError as error:
        raise Failure(Reason.TOOL_FAILED, f"{argv[0]}: {error.strerror}") from None
    if process is None:  # the scope above was never cancelled from outside, so this cannot be
        raise Failure(Reason.TOOL_FAILED, f"{argv[0]} was not started")
    return process


async def _feed(stdin: ByteSendStream | None, feed: bytes) -> None:
    if stdin is not None:
        # A child that ends without reading all of it says why by its exit code.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, ConnectionError):
            await stdin.send(feed)
        with suppress(anyio.BrokenResourceError, ConnectionError):
            await stdin.aclose()


async def _keep(stream: ByteReceiveStream | None, kept: bytearray, most: int) -> None:
    if stream is not None:
        async for chunk in stream:
            kept += chunk
            if len(kept) > most:
                raise Failure(Reason.TOOL_FAILED, f"it printed more than {most} bytes")


async def _lines(stream: ByteReceiveStream | None, take: Callable[[str], None]) -> None:
    """Hand over each line; progress bars end theirs with a carriage return."""
    if stream is None:
        return
    rest = b""
    async for chunk in stream:
        *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if line:
                take(line[:LINE_LIMIT].decode("utf-8", "replace"))
        rest = rest[:LINE_LIMIT]
    if rest:
        take(rest.decode("utf-8", "replace"))


async def _exit(child: Process) -> None:
    # asyncio reports an exit only when every pipe is closed too, and a grandchild may hold one open
    # for ever: ask once a second.
    while child.returncode is None:
        with anyio.move_on_after(1):
            await child.wait()


async def _end(child: Process) -> None:
    """End the whole group, within bounded time, and let go of the pipes."""
    if child.returncode is None:
        _signal(child.pid, signal.SIGTERM)
        with anyio.move_on_after(GRACE):
            await _exit(child)
    _signal(child.pid, signal.SIGKILL)
    with anyio.move_on_after(GRACE):
        await _exit(child)
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            with suppress(anyio.BrokenResourceError, ConnectionError):
                await stream.aclose()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
