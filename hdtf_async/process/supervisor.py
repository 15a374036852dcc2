"""Supervise one child process: own process group, deadline, stall detection, the end of its stderr.

Every tool is run by `run`, and only there; a child that stays alive and answers requests is a `Companion`.
The following applies to each child:

- It gets an argument list, never a shell, and its own process group, so that everything it starts can be
  terminated with it, by this program or, if that was killed, by the reaper.
- It has a deadline, and stall detection if it reports progress.
- Its output is read while it runs, in bounded memory, however much it prints.
- When `run` returns or raises, for whatever reason, the group has ended: SIGTERM, a grace period, SIGKILL.
  This part is shielded from cancellation and bounded in time, and the cancellation continues afterwards.

This program's ends of the pipes are read and written on the event loop, without a transport. So nothing is
read before it is wanted, and a pipe that a stray grandchild keeps open is simply closed. A child that has
exited is reaped last: until then its PID cannot be reused by another process, which would receive its
signals.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Thread
from typing import IO, TYPE_CHECKING, Self

import anyio

from hdtf_async.core import os_errors
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.process.guard import UNGUARDED, Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL. yt-dlp and ffmpeg close their files within one."""
LINGER = 2.0
"""Seconds for which output is still read after the child has exited: a grandchild may hold the pipe."""
LINE_LIMIT = 1 << 17
"""Maximum number of bytes of one line; the rest of a longer line is dropped."""
TAIL_LINES = 60
"""Lines of stderr that are kept for the log and for the classification of a failure."""
MESSAGE_LIMIT = 1 << 12
"""Maximum number of characters of one line of stderr."""
_RUN_MODULE = """
import importlib, sys
sys.path.append(sys.argv[1])
importlib.import_module(sys.argv[2]).serve(*sys.argv[3:])
"""
_CHUNK = 1 << 16
_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its exit code (negative: the signal), the end of its stderr, and its kept output."""

    code: int
    stderr: str
    out: bytes


def own_module_argv(module: str, *arguments: str) -> list[str]:
    """Return the command line of a child that runs `serve` of a module of this program with arguments."""
    # -P: the module must not be imported from the working directory. So the location of the package must be
    # given, because this program may have been started from its source directory.
    return [sys.executable, "-P", "-c", _RUN_MODULE, str(Path(__file__).parents[2]), module, *arguments]


def no_progress(_line: str) -> bool:
    """Treat no line as progress."""
    return False


def _as_it_is(line: str) -> str:
    return line


@dataclass(frozen=True, slots=True)
class Command:
    """How a child is started, and what happens to its pipes."""

    argv: Sequence[str]
    stdin: bytes = b""
    """Written to its stdin, which is empty otherwise."""
    max_stdout: int = 0
    """Up to so many bytes of stdout are returned; with 0, `on_line` receives its lines instead."""
    directory: Path | None = None
    """Its working directory."""
    memory: int | None = None
    """Limit of its address space in bytes, if the system supports that."""
    redact: Callable[[str], str] = _as_it_is
    """Redacts secrets in a line of stderr, before the line is used in any way."""
    inherit_fds: tuple[int, ...] = ()
    """Descriptors that it inherits."""
    environment: Mapping[str, str] | None = None
    """Variables in addition to those of every child."""

    def with_arguments(self, *arguments: str, stdin: bytes = b"", max_stdout: int = 0) -> Self:
        """Return the command with more arguments."""
        return replace(self, argv=[*self.argv, *arguments], stdin=stdin, max_stdout=max_stdout)


async def run(
    command: Command,
    *,
    deadline: float,
    stall: float | None = None,
    on_line: Callable[[str], bool] = no_progress,
    guard: Guard = UNGUARDED,
) -> Ended:
    """Run a tool to its end and return how it ended; the caller judges its exit code.

    `deadline` is in seconds for the whole run. With `stall`, the child is terminated after that many seconds
    without a line of stdout for which `on_line` returns True (progress). Neither counts time during which
    this program itself was stopped (Ctrl-Z). `guard` is that of the run, so that the child does not outlive
    this program.

    Raises `Failure`: ``tool_missing`` or another reason of `os_errors` if the program cannot be started,
    ``timed_out``, ``stalled``, and ``tool_failed`` if stdout is larger than `Command.max_stdout` allows.
    """
    child = _Child(command, guard, talks=bool(command.stdin))
    stderr: deque[str] = deque(maxlen=TAIL_LINES)
    stdout = bytearray()
    progress = _Progress()
    overdue: Failure | None = None

    def heard(line: str) -> None:
        if on_line(line):
            progress.seen = True

    async def watch(scope: anyio.CancelScope) -> None:
        nonlocal overdue
        overdue = await _overdue(deadline, stall, progress, stderr)
        scope.cancel()

    try:
        async with anyio.create_task_group() as pipes:
            if child.stdin is not None:
                pipes.start_soon(_write_stdin, child.stdin, command.stdin)
            pipes.start_soon(_lines, child.stderr, _appender(stderr, command.redact))
            if command.max_stdout:
                pipes.start_soon(_read_stdout, child.stdout, stdout, command.max_stdout)
            else:
                pipes.start_soon(_lines, child.stdout, heard)
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(watch, pipes.cancel_scope)
                await child.exited()
                waiting.cancel_scope.cancel()
            pipes.cancel_scope.deadline = anyio.current_time() + LINGER
    except* Failure as failures:
        raise failures.exceptions[0] from None
    finally:
        await child.end()
    if overdue is not None:
        raise overdue
    return Ended(child.code, "\n".join(stderr), bytes(stdout))


class Companion:
    """A child that stays alive and answers one line per request line.

    It is started by the first request, and again after it has ended, has failed to answer, or has printed
    something unrequested; `aclose` ends it. One request at a time: the others wait.
    """

    def __init__(self, argv: Sequence[str], *, limit: int, guard: Guard = UNGUARDED) -> None:
        self._command = Command(argv)
        self._limit = limit
        self._guard = guard
        self._lock = anyio.Lock()
        self._child: _Child | None = None

    async def ask(self, question: bytes, *, deadline: float) -> bytes:
        """Send one line and return the answer, of at most `limit` bytes, without its newline.

        Raises `Failure`: ``tool_missing`` if the child cannot be started, ``timed_out`` if it does not answer
        within `deadline` seconds, ``tool_failed`` if it ends or prints too much. An answer that arrives after
        that is never mistaken for that of another request: the child is ended.
        """
        async with self._lock:
            if self._child is not None and not self._child.waits:
                await self.aclose()
            if self._child is None:
                self._child = _Child(self._command, self._guard, talks=True)
            answered = False
            try:
                with anyio.fail_after(deadline):
                    answer = await self._answer(self._child, question + b"\n")
                answered = True
            except TimeoutError:
                raise Failure(Reason.TIMED_OUT, f"no answer within {deadline:g} s") from None
            finally:
                if not answered:
                    await self.aclose()
            return answer

    async def _answer(self, child: _Child, question: bytes) -> bytes:
        stderr: deque[str] = deque(maxlen=TAIL_LINES)
        answer = bytearray()
        stderr_closed = anyio.Event()

        async def listen() -> None:
            await _lines(child.stderr, _appender(stderr))
            stderr_closed.set()

        async with anyio.create_task_group() as pipes:
            pipes.start_soon(listen)
            if child.stdin is not None:
                await _write(child.stdin, question)
            while b"\n" not in answer and len(answer) <= self._limit:
                chunk = await _read(child.stdout)
                answer += chunk
                if not chunk:
                    # It has ended; its last output may not have been read yet.
                    with anyio.move_on_after(LINGER):
                        await stderr_closed.wait()
                    break
            pipes.cancel_scope.cancel()
        line, newline, more = bytes(answer).partition(b"\n")
        if len(line) > self._limit:
            raise Failure(Reason.TOOL_FAILED, f"printed a line longer than {self._limit} bytes")
        if more:
            raise Failure(Reason.TOOL_FAILED, "printed more than one line")
        if not newline:
            raise Failure(Reason.TOOL_FAILED, "\n".join([*stderr, "ended without an answer"]))
        return line

    async def aclose(self) -> None:
        """End the child, if it is running, within bounded time."""
        child, self._child = self._child, None
        if child is not None:
            await child.end()


class _Child:
    """A started process, its group, and this program's ends of its pipes."""

    def __init__(self, command: Command, guard: Guard, *, talks: bool) -> None:
        """`talks` is whether its stdin is written to."""
        # Nothing is awaited between the fork and the end of this method, so that no cancellation can leave an
        # unregistered child. It takes some milliseconds, as asyncio's own way does.
        try:
            self._process = Popen(
                list(command.argv),
                bufsize=0,
                stdin=PIPE if talks else DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                cwd=command.directory,
                env=_merged(guard.environment(), command.environment),
                start_new_session=True,
                pass_fds=(*guard.inherit, *command.inherit_fds),
            )
        except OSError as error:
            reason = os_errors.reason_of(error) or Reason.TOOL_MISSING
            raise Failure(
                reason, f"{error.filename or command.argv[0]}: {os_errors.message_of(error)}"
            ) from None
        self._guard = guard
        guard.begun(self._process.pid)
        if command.memory is not None:
            _limit_memory(self._process.pid, command.memory)
        self.stdin = self._process.stdin
        self.stdout, self.stderr = self._process.stdout, self._process.stderr
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
        self._pidfd = _open_pidfd(self._process.pid)
        self._killed = False

    @property
    def _pipes(self) -> list[IO[bytes]]:
        return [pipe for pipe in (self.stdin, self.stdout, self.stderr) if pipe is not None]

    @property
    def code(self) -> int:
        """Its exit code, once it was ended. One that has not exited after SIGKILL counts as killed."""
        code = self._process.returncode
        return -signal.SIGKILL if code is None else code

    @property
    def runs(self) -> bool:
        """Whether it has not exited yet. One that has exited is not reaped, if the system allows that."""
        if self._process.returncode is not None:
            return False
        if not hasattr(os, "waitid"):  # macOS with a Python before 3.13
            return self._process.poll() is None
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False  # the host program reaps all children, including this one

    @property
    def waits(self) -> bool:
        """Whether it runs and has printed nothing about itself."""
        if self.stdout is None or not self.runs:
            return False
        try:
            os.read(self.stdout.fileno(), 1)
        except BlockingIOError:
            return True
        return False

    async def exited(self) -> None:
        """Wait for its exit."""
        while self.runs:
            if self._pidfd is None:
                await anyio.sleep(_POLL)
            else:
                await anyio.wait_readable(self._pidfd)

    async def end(self) -> None:
        """End the whole group, within bounded time, and close the pipes."""
        try:
            with anyio.CancelScope(shield=True):
                with anyio.move_on_after(GRACE):
                    if self.runs:
                        self._signal(signal.SIGTERM)
                        await self.exited()
                self._kill()
                with anyio.move_on_after(GRACE):
                    while self._process.poll() is None:  # noqa: ASYNC110 - nothing could set an event
                        await anyio.sleep(_POLL / 10)
        finally:
            # A shield does not protect from a host program that cancels the task again. Nothing is awaited
            # from here on: the group is killed, and reaped by a thread.
            self._kill()
            if self._process.returncode is None:
                Thread(target=self._process.wait, name="waitpid", daemon=True).start()

    def _kill(self) -> None:
        if self._killed:
            return
        self._killed = True
        self._signal(signal.SIGKILL)
        self._guard.ended(self._process.pid)
        for pipe in self._pipes:
            pipe.close()
        if self._pidfd is not None:
            os.close(self._pidfd)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _merged(all_have: Mapping[str, str] | None, more: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return the environment of a child; None for this process's own."""
    return {**(os.environ if all_have is None else all_have), **more} if more else all_have


def _limit_memory(process: int, memory: int) -> None:
    """Limit a process's address space; macOS cannot do that from outside."""
    if hasattr(resource, "prlimit"):
        with suppress(OSError, ValueError):  # it has ended already, or a lower limit applies
            resource.prlimit(process, resource.RLIMIT_AS, (memory, memory))


@dataclass(slots=True)
class _Progress:
    """Whether progress was seen since the last check."""

    seen: bool = False


async def _overdue(deadline: float, stall: float | None, progress: _Progress, stderr: deque[str]) -> Failure:
    """Return why a child must be terminated, as soon as it must be."""
    # Each step counts the same, however long it took: while this program was stopped or overloaded, it has
    # not read output either, and all of its children would seem stalled.
    step = min(1.0, deadline / 8, deadline if stall is None else stall / 8)
    passed = quiet = 0.0
    while True:
        await anyio.sleep(step)
        passed += step
        quiet = 0.0 if progress.seen else quiet + step
        progress.seen = False
        if stall is not None and quiet >= stall:
            return Failure(Reason.STALLED, "\n".join([*stderr, f"no progress for {stall:g} s"]))
        if passed >= deadline:
            return Failure(Reason.TIMED_OUT, "\n".join([*stderr, f"not finished after {deadline:g} s"]))


def _open_pidfd(process: int) -> int | None:
    """Return a descriptor that becomes readable when the process exits, if the system supports that."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        pidfd: int = os.pidfd_open(process)
    except OSError:  # an older kernel, or a sandbox
        return None
    return pidfd


async def _write_stdin(stdin: IO[bytes], content: bytes) -> None:
    await _write(stdin, content)
    stdin.close()


async def _write(pipe: IO[bytes], content: bytes) -> None:
    left = memoryview(content)
    # A child that exits without reading all of it says why by its exit code.
    with suppress(BrokenPipeError):
        while left:
            await anyio.wait_writable(pipe)
            with suppress(BlockingIOError):
                left = left[os.write(pipe.fileno(), left) :]


async def _read(pipe: IO[bytes] | None) -> bytes:
    """Return available bytes as soon as there are any; empty at the end."""
    while pipe is not None:
        await anyio.wait_readable(pipe)
        with suppress(BlockingIOError):
            return os.read(pipe.fileno(), _CHUNK)
    return b""


async def _read_stdout(pipe: IO[bytes] | None, stdout: bytearray, limit: int) -> None:
    while chunk := await _read(pipe):
        stdout += chunk
        if len(stdout) > limit:
            raise Failure(Reason.TOOL_FAILED, f"printed more than {limit} bytes")


async def _lines(pipe: IO[bytes] | None, take: Callable[[str], None]) -> None:
    """Pass each line to `take`; progress bars end theirs with a carriage return."""
    rest = b""
    while chunk := await _read(pipe):
        *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if line:
                take(line[:LINE_LIMIT].decode("utf-8", "replace"))
        rest = rest[:LINE_LIMIT]
    if rest:
        take(rest.decode("utf-8", "replace"))


def _appender(stderr: deque[str], redact: Callable[[str], str] = _as_it_is) -> Callable[[str], None]:
    """Return a function that appends a line to the kept end of stderr, redacted and shortened."""
    return lambda line: stderr.append(redact(line)[:MESSAGE_LIMIT])
