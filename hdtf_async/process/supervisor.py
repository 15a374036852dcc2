"""One supervised child: own process group, deadline, stall watch, the last of its words.

Every tool is run by `run`, and only there; a child that lives on and answers questions is a `Companion`.
What holds for each child:

- it gets an argument list, never a shell, and a process group of its own, so that whatever it starts
  can be ended with it, by us or, where we were killed ourselves, by the sentinel;
- it has a deadline, and where it reports progress a stall watch;
- its output is read while it runs, in bounded memory, however much it prints;
- when `run` returns or raises, for whatever reason, the group is gone: TERM, some grace, KILL. This
  part is shielded from cancellation, bounded in time, and lets the cancellation go on afterwards.

Our ends of the pipes are read and written on the loop, without a transport between. So nothing is read
ahead of who wants it, and a pipe that a stray grandchild keeps open is simply let go. A child that has
ended is reaped last: until then its number cannot be given to another process, which would be signalled
in its place.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Thread
from typing import IO, TYPE_CHECKING

import anyio

from hdtf_async.core import os_errors
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.process.guard import UNGUARDED, Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

GRACE = 5.0
"""Seconds between TERM and KILL. yt-dlp and ffmpeg close their files within one."""
LINGER = 2.0
"""Seconds for which output is still read after the child has exited: a grandchild may hold the pipe."""
LINE_LIMIT = 1 << 17
"""Bytes of one line that are kept; the rest of a longer line is dropped."""
TAIL_LINES = 60
"""Lines of stderr that are kept for the log and for the classification of a failure."""
WORDS_LIMIT = 1 << 12
"""Characters of one line of stderr that are kept."""
_OURS = """
import importlib, sys
sys.path.append(sys.argv[1])
importlib.import_module(sys.argv[2]).serve(*sys.argv[3:])
"""
_CHUNK = 1 << 16
_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its exit code (negative: the signal), its last words and its kept output."""

    code: int
    words: str
    out: bytes


def own_module_argv(module: str, *words: str) -> list[str]:
    """Return the command line of a child that is a part of this program: `serve` of a module, with words."""
    # -P: a module of that name in the working directory must not be taken for ours. So where ours is has
    # to be said, for this program may have been started right from its source directory.
    return [sys.executable, "-P", "-c", _OURS, str(Path(__file__).parents[2]), module, *words]


def never(_line: str) -> bool:
    """Take no line as a sign of progress."""
    return False


def _as_it_is(line: str) -> str:
    return line


async def run(  # noqa: PLR0913 - each is one thing that a caller decides about its child
    argv: Sequence[str],
    *,
    deadline: float,
    stall: float | None = None,
    on_line: Callable[[str], bool] = never,
    feed: bytes = b"",
    keep: int = 0,
    directory: Path | None = None,
    memory: int | None = None,
    hide: Callable[[str], str] = _as_it_is,
    hand: tuple[int, ...] = (),
    environment: Mapping[str, str] | None = None,
    guard: Guard = UNGUARDED,
) -> Ended:
    """Run a tool to its end and tell how it ended; a bad exit code is the caller's to judge.

    `deadline` is in seconds for the whole run. With `stall`, the child is ended after that many
    seconds without a line of stdout for which `on_line` returns True (a sign of progress). Neither counts
    time during which this program itself was stopped (Ctrl-Z). `feed` is written to its stdin, which
    reads as empty otherwise. Up to `keep` bytes of stdout are returned, and `on_line` sees none of them.
    `directory` is the one that it works in. `memory` bounds its address space in bytes, where the system
    can do that. `hide` takes out of a line of stderr what must not be kept, before anything is done with
    it. `hand` are descriptors that it inherits. `environment` has variables besides those that every child
    has. `guard` is the run's, so that the child does not outlive this program.

    Raises `Failure`: ``tool_missing`` where the program cannot be started, or as `causes` has it,
    ``timed_out``, ``stalled``, and ``tool_failed`` where stdout is larger than `keep` allows.
    """
    child = _Child(
        argv, feed=bool(feed), directory=directory, memory=memory, hand=hand, environment=environment,
        guard=guard,
    )  # fmt: skip
    words: deque[str] = deque(maxlen=TAIL_LINES)
    kept = bytearray()
    signs = _Signs()
    overdue: Failure | None = None

    def heard(line: str) -> None:
        if on_line(line):
            signs.seen = True

    async def watch(scope: anyio.CancelScope) -> None:
        nonlocal overdue
        overdue = await _overdue(deadline, stall, signs, words)
        scope.cancel()

    try:
        async with anyio.create_task_group() as pipes:
            if child.stdin is not None:
                pipes.start_soon(_feed, child.stdin, feed)
            pipes.start_soon(_lines, child.stderr, _short(words, hide))
            if keep:
                pipes.start_soon(_keep, child.stdout, kept, keep)
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
    return Ended(child.code, "\n".join(words), bytes(kept))


class Companion:
    """A child that lives on and answers one line for each line that it is asked.

    It is started at the first question, and anew where it has ended, has failed to answer, or has said
    something without being asked; `aclose` ends it. One question at a time: the others wait.
    """

    def __init__(self, argv: Sequence[str], *, limit: int, guard: Guard = UNGUARDED) -> None:
        self._argv = argv
        self._limit = limit
        self._guard = guard
        self._lock = anyio.Lock()
        self._child: _Child | None = None

    async def ask(self, question: bytes, *, deadline: float) -> bytes:
        """Ask one line and return the answer, of at most `limit` bytes, without its newline.

        Raises `Failure`: ``tool_missing`` where the child cannot be started, ``timed_out`` where it
        does not answer within `deadline` seconds, ``tool_failed`` where it ends or says too much. An
        answer that was not waited for is never taken for another question's: the child is ended.
        """
        async with self._lock:
            if self._child is not None and not self._child.waits:
                await self.aclose()
            if self._child is None:
                self._child = _Child(self._argv, feed=True, guard=self._guard)
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
        words: deque[str] = deque(maxlen=TAIL_LINES)
        answer = bytearray()
        said_all = anyio.Event()

        async def listen() -> None:
            await _lines(child.stderr, _short(words))
            said_all.set()

        async with anyio.create_task_group() as pipes:
            pipes.start_soon(listen)
            if child.stdin is not None:
                await _write(child.stdin, question)
            while b"\n" not in answer and len(answer) <= self._limit:
                chunk = await _read(child.stdout)
                answer += chunk
                if not chunk:
                    # It has ended; what it said last may not have been read yet.
                    with anyio.move_on_after(LINGER):
                        await said_all.wait()
                    break
            pipes.cancel_scope.cancel()
        line, newline, more = bytes(answer).partition(b"\n")
        if len(line) > self._limit or more:
            raise Failure(Reason.TOOL_FAILED, f"printed a line longer than {self._limit} bytes")
        if not newline:
            raise Failure(Reason.TOOL_FAILED, "\n".join([*words, "ended without an answer"]))
        return line

    async def aclose(self) -> None:
        """End the child, if there is one, within bounded time."""
        child, self._child = self._child, None
        if child is not None:
            await child.end()


class _Child:
    """A started process, its group, and our ends of its pipes."""

    def __init__(  # noqa: PLR0913 - as above
        self,
        argv: Sequence[str],
        *,
        feed: bool,
        directory: Path | None = None,
        memory: int | None = None,
        hand: tuple[int, ...] = (),
        environment: Mapping[str, str] | None = None,
        guard: Guard,
    ) -> None:
        # Nothing is awaited between the fork and the end of this method, so that no cancellation can
        # leave a child that nobody knows. It takes some milliseconds, as asyncio's own way does.
        try:
            self._process = Popen(
                list(argv),
                bufsize=0,
                stdin=PIPE if feed else DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                cwd=directory,
                env=_merged(guard.environment(), environment),
                start_new_session=True,
                pass_fds=(*guard.inherit, *hand),
            )
        except OSError as error:
            reason = os_errors.reason_of(error) or Reason.TOOL_MISSING
            raise Failure(reason, f"{error.filename or argv[0]}: {os_errors.told(error)}") from None
        self._guard = guard
        guard.begun(self._process.pid)
        if memory is not None:
            _bound(self._process.pid, memory)
        self.stdin = self._process.stdin
        self.stdout, self.stderr = self._process.stdout, self._process.stderr
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
        self._watched = _watched(self._process.pid)
        self._killed = False

    @property
    def _pipes(self) -> list[IO[bytes]]:
        return [pipe for pipe in (self.stdin, self.stdout, self.stderr) if pipe is not None]

    @property
    def code(self) -> int:
        """Its exit code, once it was ended. One that not even KILL has ended yet counts as killed."""
        code = self._process.returncode
        return -signal.SIGKILL if code is None else code

    @property
    def runs(self) -> bool:
        """Whether it has not exited yet. One that has exited is not reaped, where the system allows."""
        if self._process.returncode is not None:
            return False
        if not hasattr(os, "waitid"):  # macOS with a Python before 3.13
            return self._process.poll() is None
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False  # the host program reaps all children: it did this one too

    @property
    def waits(self) -> bool:
        """Whether it runs and has nothing to say of itself."""
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
            if self._watched is None:
                await anyio.sleep(_POLL)
            else:
                await anyio.wait_readable(self._watched)

    async def end(self) -> None:
        """End the whole group, within bounded time, and let go of the pipes."""
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
            # A shield does not hold off a host program that cancels the task once more. Nothing is
            # awaited from here on: the group does not live on, and is reaped by a thread.
            self._kill()
            if self._process.returncode is None:
                Thread(target=self._process.wait, name="reaper", daemon=True).start()

    def _kill(self) -> None:
        if self._killed:
            return
        self._killed = True
        self._signal(signal.SIGKILL)
        self._guard.ended(self._process.pid)
        for pipe in self._pipes:
            pipe.close()
        if self._watched is not None:
            os.close(self._watched)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _merged(all_have: Mapping[str, str] | None, more: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return the environment of a child; None for this process's own."""
    return {**(os.environ if all_have is None else all_have), **more} if more else all_have


def _bound(process: int, memory: int) -> None:
    """Bound a process's address space; macOS has no way to do that from outside."""
    if hasattr(resource, "prlimit"):
        with suppress(OSError, ValueError):  # it has ended already, or a lower limit holds
            resource.prlimit(process, resource.RLIMIT_AS, (memory, memory))


@dataclass(slots=True)
class _Signs:
    """Whether a sign of progress was seen since somebody last looked."""

    seen: bool = False


async def _overdue(deadline: float, stall: float | None, signs: _Signs, words: deque[str]) -> Failure:
    """Return why a child must be ended, as soon as it must be."""
    # Each step counts as one, however long it took: while this program was stopped, or far behind, it
    # has not listened either, and would find all of its children silent at once.
    step = min(1.0, deadline / 8, deadline if stall is None else stall / 8)
    passed = quiet = 0.0
    while True:
        await anyio.sleep(step)
        passed += step
        quiet = 0.0 if signs.seen else quiet + step
        signs.seen = False
        if stall is not None and quiet >= stall:
            return Failure(Reason.STALLED, "\n".join([*words, f"no progress for {stall:g} s"]))
        if passed >= deadline:
            return Failure(Reason.TIMED_OUT, "\n".join([*words, f"not finished after {deadline:g} s"]))


def _watched(process: int) -> int | None:
    """Return a descriptor that becomes readable when the process exits, where the system has such."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        watched: int = os.pidfd_open(process)
    except OSError:  # an older kernel, or a sandbox
        return None
    return watched


async def _feed(stdin: IO[bytes], feed: bytes) -> None:
    await _write(stdin, feed)
    stdin.close()


async def _write(pipe: IO[bytes], content: bytes) -> None:
    left = memoryview(content)
    # A child that ends without reading all of it says why by its exit code.
    with suppress(BrokenPipeError):
        while left:
            await anyio.wait_writable(pipe)
            with suppress(BlockingIOError):
                left = left[os.write(pipe.fileno(), left) :]


async def _read(pipe: IO[bytes] | None) -> bytes:
    """Return what there is to read, as soon as there is something; nothing means the end."""
    while pipe is not None:
        await anyio.wait_readable(pipe)
        with suppress(BlockingIOError):
            return os.read(pipe.fileno(), _CHUNK)
    return b""


async def _keep(pipe: IO[bytes] | None, kept: bytearray, most: int) -> None:
    while chunk := await _read(pipe):
        kept += chunk
        if len(kept) > most:
            raise Failure(Reason.TOOL_FAILED, f"printed more than {most} bytes")


async def _lines(pipe: IO[bytes] | None, take: Callable[[str], None]) -> None:
    """Hand over each line; progress bars end theirs with a carriage return."""
    rest = b""
    while chunk := await _read(pipe):
        *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if line:
                take(line[:LINE_LIMIT].decode("utf-8", "replace"))
        rest = rest[:LINE_LIMIT]
    if rest:
        take(rest.decode("utf-8", "replace"))


def _short(words: deque[str], hide: Callable[[str], str] = _as_it_is) -> Callable[[str], None]:
    return lambda line: words.append(hide(line)[:WORDS_LIMIT])
