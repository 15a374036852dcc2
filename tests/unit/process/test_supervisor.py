"""A supervised child: its output is read in bounded memory, and it never outlives its supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import anyio
import pytest
from anyio import Event, create_task_group

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.process import supervisor
from hdtf_async.process.guard import guarding
from hdtf_async.process.supervisor import Command, Companion, Ended, run

SOON = 20.0
"""A deadline that no child here reaches."""


def python(code: str, *arguments: str) -> list[str]:
    """Return the command line of a Python child that starts quickly."""
    return [sys.executable, "-I", "-S", "-c", dedent(code), *arguments]


def shell(script: str) -> list[str]:
    """Return the command line of a shell child."""
    return ["/bin/sh", "-c", script]


def alive(number: int) -> bool:
    """Whether a process is running, and not a zombie."""
    try:
        state = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] not in {"Z", "X"}


async def gone(number: int) -> bool:
    """Whether a process has ended after SIGKILL, which takes a moment."""
    with anyio.move_on_after(60):
        while alive(number):
            await anyio.sleep(0.001)
    return not alive(number)


class Recorder(list[str]):
    """Lines of stdout, and an event for the first."""

    def __init__(self, *, progress: bool = False) -> None:
        super().__init__()
        self.first = Event()
        self.progress = progress

    def __call__(self, line: str) -> bool:
        """Process a line."""
        self.append(line)
        self.first.set()
        return self.progress


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open() -> object:
    """Descriptors are closed after every child, however it ended."""
    before = set(Path("/dev/fd").iterdir())
    yield
    assert set(Path("/dev/fd").iterdir()) <= before


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grace period and linger are short."""
    monkeypatch.setattr(supervisor, "GRACE", 0.2)
    monkeypatch.setattr(supervisor, "LINGER", 0.1)


# How a child ends


@pytest.mark.parametrize("code", [0, 1, 100, 255])
async def test_exit_codes_are_returned_and_not_judged(code: int) -> None:
    """The caller decides whether a code is an error."""
    assert await run(Command(shell(f"exit {code}")), deadline=SOON) == Ended(code, "", b"")


async def test_a_signal_is_a_negative_code() -> None:
    """As in the standard library."""
    ended = await run(Command(shell("kill -SEGV $$")), deadline=SOON)
    assert ended.code == -signal.SIGSEGV


async def test_the_exit_is_detected_without_a_pidfd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Older kernels, sandboxes and macOS are polled."""

    def refuse(_process: int, _flags: int = 0) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert (await run(Command(shell("sleep 0.02; exit 3")), deadline=SOON)).code == 3
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.delattr(os, "waitid")
    assert (await run(Command(shell("sleep 0.02; exit 4")), deadline=SOON)).code == 4


async def test_a_child_reaped_by_the_host_program_still_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If a host program ignores SIGCHLD the exit code is unknown, but nothing hangs."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    monkeypatch.setattr(supervisor, "GRACE", 1)
    try:
        assert (
            await run(Command(shell("echo said; exit 3"), max_stdout=100), deadline=SOON)
        ).out == b"said\n"
    finally:
        signal.signal(signal.SIGCHLD, before)


# Output of a child


async def test_the_message_is_the_last_lines_of_stderr() -> None:
    """Later lines replace earlier ones; stdout is not included."""
    lines = supervisor.TAIL_LINES + 7
    code = "import sys\nfor n in range(int(sys.argv[1])): print('line', n, file=sys.stderr)\nprint('no word')"
    ended = await run(Command(python(code, str(lines))), deadline=SOON)
    assert ended.stderr.split("\n") == [f"line {n}" for n in range(7, lines)]


async def test_lines_end_with_any_mix_of_newlines_and_carriage_returns() -> None:
    """Progress bars end theirs with a carriage return; empty lines are ignored; the last may lack its end."""
    recorder = Recorder()
    written = r"one\rtwo\r\nthree\n\n\r\nfour"
    await run(Command(shell(f"printf '{written}'; printf '{written}' >&2")), deadline=SOON, on_line=recorder)
    assert recorder == ["one", "two", "three", "four"]


async def test_a_line_read_in_pieces_is_one_line() -> None:
    """Even if a piece ends within a character."""
    code = """
    import os, time
    for piece in (b"gr", b"\\xc3", b"\\xbc", b"n\\nno ", b"end"):
        os.write(1, piece); os.write(2, piece)
        time.sleep(0.01)
    """
    recorder = Recorder()
    ended = await run(Command(python(code)), deadline=SOON, on_line=recorder)
    assert recorder == ["grün", "no end"]
    assert ended.stderr == "grün\nno end"


async def test_invalid_utf_8_is_marked_and_not_fatal() -> None:
    """A tool may print any file name."""
    recorder = Recorder()
    ended = await run(
        Command(shell(r"printf 'a\377b\n\000\n'; printf 'x\300y' >&2")), deadline=SOON, on_line=recorder
    )
    assert recorder == ["a\N{REPLACEMENT CHARACTER}b", "\0"]
    assert ended.stderr == "x\N{REPLACEMENT CHARACTER}y"


async def test_a_long_line_is_truncated_and_the_next_one_complete() -> None:
    """Sixteen megabytes on one line, and then a word."""
    code = """
    import sys
    for pipe in (sys.stdout, sys.stderr):
        for _ in range(256): pipe.write("x" * 65536)
        pipe.write("\\nword\\n")
    """
    recorder = Recorder()
    ended = await run(Command(python(code)), deadline=SOON, on_line=recorder)
    assert recorder == ["x" * supervisor.LINE_LIMIT, "word"]
    assert ended.stderr.split("\n") == ["x" * supervisor.MESSAGE_LIMIT, "word"]


@pytest.mark.slow
async def test_large_output_on_both_pipes_takes_no_memory() -> None:
    """Two hundred megabytes without a line end on stdout, one of short lines on stderr."""
    script = "head -c 200000000 /dev/zero & yes words | head -c 1000000 >&2; wait"
    tracemalloc.start()
    try:
        ended = await run(Command(shell(script)), deadline=60)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ended.code == 0
    assert ended.stderr.split("\n")[1:-1] == ["words"] * (supervisor.TAIL_LINES - 2)
    assert peak < 8 * supervisor.LINE_LIMIT + 3_000_000


async def test_stdout_is_returned_up_to_the_limit() -> None:
    """To the byte, and `on_line` receives none of it."""
    recorder = Recorder()
    ended = await run(Command(shell(r"printf 'a\r\nb\000'"), max_stdout=5), deadline=SOON, on_line=recorder)
    assert ended.out == b"a\r\nb\0"
    assert not recorder


async def test_more_output_than_the_limit_ends_the_child() -> None:
    """Even if it would never stop printing."""
    with pytest.raises(Failure) as failure:
        await run(Command(shell("echo $$ >&2; cat /dev/zero"), max_stdout=100_000), deadline=SOON)
    assert failure.value.reason is Reason.TOOL_FAILED
    assert "100000" in failure.value.words


# Input of a child


async def test_without_feed_stdin_is_empty() -> None:
    """A tool that asks a question gets no answer, and does not read the user's input."""
    ours, typed = os.pipe()
    os.write(typed, b"typed for us")
    os.close(typed)
    before = os.dup(0)
    os.dup2(ours, 0)
    try:
        ended = await run(
            Command(python("import sys; print(repr(sys.stdin.read()))"), max_stdout=100), deadline=SOON
        )
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(ours)
    assert ended.out == b"''\n"


async def test_a_feed_larger_than_any_pipe_arrives_completely() -> None:
    """While the child already prints."""
    feed = os.urandom(3_000_000)
    assert (await run(Command(["cat"], stdin=feed, max_stdout=len(feed)), deadline=SOON)).out == feed


@pytest.mark.parametrize("script", ["exit 7", "exec <&-; sleep 0.05; exit 7", "head -c 1 >&2; exit 7"])
async def test_a_child_need_not_read_its_stdin(script: str) -> None:
    """Its exit code says what it thinks of it."""
    assert (await run(Command(shell(script), stdin=bytes(1_000_000)), deadline=SOON)).code == 7


async def test_a_child_works_in_its_directory(tmp_path: Path) -> None:
    """If given; otherwise in that of this program."""
    for directory, place in ((tmp_path, tmp_path), (None, Path.cwd())):
        ended = await run(Command(["pwd", "-P"], max_stdout=4096, directory=directory), deadline=SOON)
        assert ended.out.decode().strip() == os.path.realpath(place)


async def test_only_the_named_descriptors_are_inherited(tmp_path: Path) -> None:
    """The output directory's lock is inherited; a host program's sockets are not."""
    named, other = (os.open(tmp_path / name, os.O_CREAT | os.O_RDWR) for name in ("named", "other"))
    os.set_inheritable(other, True)
    code = """
    import os, sys
    for descriptor in sys.argv[1:]:
        try: os.fstat(int(descriptor)); print("open")
        except OSError: print("shut")
    """
    try:
        async with guarding(named) as guard:
            ended = await run(
                Command(python(code, str(named), str(other)), max_stdout=100), deadline=SOON, guard=guard
            )
    finally:
        os.close(named)
        os.close(other)
    assert ended.out == b"open\nshut\n"


async def test_a_childs_memory_is_limited() -> None:
    """Exceeding the limit is an error in the child, instead of exhausting the machine.

    The child gets its input after its limit.
    """
    code = "input()\ntry: bytearray(1 << 30)\nexcept MemoryError: print('refused')\nelse: print('given')"
    ended = await run(Command(python(code), stdin=b"\n", max_stdout=100, memory=1 << 29), deadline=SOON)
    assert ended.out == b"refused\n"


async def test_a_child_has_its_own_session() -> None:
    """So that Ctrl-C on the terminal only reaches the program, which ends its children in order."""
    ended = await run(
        Command(python("import os; print(os.getpid() == os.getsid(0))"), max_stdout=100), deadline=SOON
    )
    assert ended.out == b"True\n"


# A child that cannot be started


async def test_a_missing_program_is_a_missing_tool(tmp_path: Path) -> None:
    """Neither on the PATH nor in a directory, nor below a file."""
    (tmp_path / "file").touch()
    for name in ("no-such-tool-of-hdtf", str(tmp_path / "tool"), str(tmp_path / "file" / "tool")):
        with pytest.raises(Failure) as failure:
            await run(Command([name]), deadline=SOON)
        assert failure.value.reason is Reason.TOOL_MISSING
        assert name in failure.value.words


async def test_a_file_that_cannot_be_executed_is_a_missing_tool(tmp_path: Path) -> None:
    """A file without the permission, a directory, and an executable file that is no program."""
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "directory").mkdir()
    (tmp_path / "picture").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "picture").chmod(0o755)
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    for name in ("plain", "directory", "picture", "script"):
        with pytest.raises(Failure) as failure:
            await run(Command([str(tmp_path / name)]), deadline=SOON)
        assert failure.value.reason is Reason.TOOL_MISSING
        assert name in failure.value.words


async def test_a_missing_working_directory_is_named(tmp_path: Path) -> None:
    """And not the tool, which exists."""
    with pytest.raises(Failure) as failure:
        await run(Command(["true"], directory=tmp_path / "nowhere"), deadline=SOON)
    assert "nowhere" in failure.value.words


# Deadline and stall detection


async def test_a_child_is_ended_at_its_deadline() -> None:
    """However active it is, and its last messages are kept."""
    with pytest.raises(Failure) as failure:
        await run(
            Command(shell("echo last words >&2; while echo alive; do sleep 0.01; done")),
            deadline=0.5,
            stall=SOON,
            on_line=lambda _: True,
        )
    assert failure.value.reason is Reason.TIMED_OUT
    assert failure.value.words == "last words\nnot finished after 0.5 s"


async def test_progress_prevents_a_stall() -> None:
    """A child that takes many times the stall timeout, and reports progress."""
    recorder = Recorder(progress=True)
    ended = await run(
        Command(shell("for n in $(seq 30); do echo $n; sleep 0.04; done")),
        deadline=SOON,
        stall=0.6,
        on_line=recorder,
    )
    assert ended.code == 0
    assert len(recorder) == 30


async def test_output_without_progress_does_not_prevent_a_stall() -> None:
    """A progress bar that is redrawn at the same position."""
    recorder = Recorder(progress=False)
    with pytest.raises(Failure) as failure:
        await run(
            Command(shell("echo hm >&2; while echo 50%; do sleep 0.01; done")),
            deadline=SOON,
            stall=0.5,
            on_line=recorder,
        )
    assert failure.value.reason is Reason.STALLED
    assert failure.value.words == "hm\nno progress for 0.5 s"
    assert len(recorder) > 1


async def test_progress_only_prevents_a_stall_for_the_timeout() -> None:
    """A child that made progress once, and then stopped."""
    with pytest.raises(Failure) as failure:
        await run(
            Command(shell("echo; echo one; sleep 100")),
            deadline=SOON,
            stall=0.3,
            on_line=Recorder(progress=True),
        )
    assert failure.value.reason is Reason.STALLED


async def test_time_while_this_program_was_stopped_does_not_count() -> None:
    """After Ctrl-Z and a long pause, children that continued to work are not considered stalled."""
    # The clock jumps as for a stopped program: between two iterations of the loop.
    loop = asyncio.get_running_loop()
    clock, jump = loop.time, 0.0
    loop.time = lambda: clock() + jump  # type: ignore[method-assign]
    try:
        async with create_task_group() as tasks:
            ended: list[Ended] = []
            recorder = Recorder(progress=True)

            async def child() -> None:
                script = "echo begun; sleep 0.3; exit 5"
                ended.append(await run(Command(shell(script)), deadline=100, stall=50, on_line=recorder))

            tasks.start_soon(child)
            await recorder.first.wait()
            jump = 90.0
    finally:
        loop.time = clock  # type: ignore[method-assign]
    assert [end.code for end in ended] == [5]


# The group has ended


STUBBORN = "trap '' TERM; echo $$; while :; do sleep 1; done"
FAMILY = "sleep 100 & echo $! $$; wait"
ORPHANS = "sleep 100 & echo $! $$; exit 6"


def numbers(recorder: list[str]) -> list[int]:
    """Return the pids that a child has printed."""
    return [int(number) for line in recorder for number in line.split()]


async def cancelled(script: list[str]) -> list[int]:
    """Run a child, cancel it at its first line, and return the pids in its lines."""
    recorder = Recorder()
    async with create_task_group() as tasks:

        async def child() -> None:
            await run(Command(script), deadline=SOON, on_line=recorder)
            pytest.fail("the cancellation was swallowed")

        tasks.start_soon(child)
        await recorder.first.wait()
        tasks.cancel_scope.cancel()
    return numbers(recorder)


async def test_a_child_may_clean_up_at_sigterm(tmp_path: Path) -> None:
    """The tools close their files then, and are not killed meanwhile."""
    code = """
    import os, signal, sys, time
    def tidy(*_): time.sleep(0.1); open(sys.argv[1], "w").close(); sys.exit()
    signal.signal(signal.SIGTERM, tidy)
    print(os.getpid(), flush=True)
    time.sleep(100)
    """
    (number,) = await cancelled(python(code, str(tmp_path / "tidied")))
    assert not alive(number)
    assert (tmp_path / "tidied").exists()


async def test_grandchildren_end_with_a_timed_out_child() -> None:
    """yt-dlp's own ffmpeg would continue forever otherwise."""
    recorder, deadline = Recorder(), 0.5
    while len(numbers(recorder)) < 2:  # it could time out before it has started them
        recorder = Recorder()
        with pytest.raises(Failure):
            await run(Command(shell(FAMILY)), deadline=deadline, on_line=recorder)
        deadline *= 2
    for number in numbers(recorder):
        assert await gone(number)


@pytest.mark.usefixtures("impatient")
async def test_grandchildren_end_after_their_parent() -> None:
    """They keep the pipes open: the output is read, the exit code is the child's, and nothing waits."""
    recorder = Recorder()
    ended = await run(Command(shell(ORPHANS)), deadline=SOON, on_line=recorder)
    assert ended.code == 6
    for number in numbers(recorder):
        assert await gone(number)


@pytest.mark.usefixtures("impatient")
async def test_a_process_outside_the_group_blocks_nothing() -> None:
    """It cannot be found by its group; its pipes are closed."""
    code = """
    import os, time
    told, tell = os.pipe()
    if os.fork() == 0:
        os.setsid(); print(os.getpid(), flush=True); os.write(tell, b"x"); time.sleep(100)
    os.read(told, 1)
    """
    recorder = Recorder()
    try:
        assert (await run(Command(python(code)), deadline=SOON, on_line=recorder)).code == 0
    finally:
        for number in numbers(recorder):
            os.kill(number, signal.SIGKILL)
    assert len(recorder) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("script", [FAMILY, ORPHANS, STUBBORN])
async def test_cancelling_a_scope_ends_the_group_and_continues(script: str) -> None:
    """Even one that ignores SIGTERM, and one whose first process has ended already."""
    found = await cancelled(shell(script))
    assert found
    for number in found:
        assert await gone(number)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("script", [FAMILY, STUBBORN])
@pytest.mark.parametrize("impatience", [1, 3])
async def test_cancelling_a_task_ends_the_group_and_continues(script: str, impatience: int) -> None:
    """With plain asyncio, as in a host program; repeated cancellation makes no difference."""
    recorder = Recorder()
    task = asyncio.create_task(run(Command(shell(script)), deadline=SOON, on_line=recorder))
    await recorder.first.wait()
    for _ in range(impatience):
        task.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await task
    for number in numbers(recorder):
        assert await gone(number)


async def test_cancelling_before_the_start_leaves_no_process(tmp_path: Path) -> None:
    """In a scope that is already cancelled, and in a task that has not run yet."""
    number = tmp_path / "number"
    script = shell(f"echo $$ > {number}.new; mv {number}.new {number}; sleep 100")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await run(Command(script), deadline=SOON)
    assert scope.cancelled_caught
    task = asyncio.create_task(run(Command(script), deadline=SOON))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if number.exists():
        assert await gone(int(number.read_text()))


async def test_an_error_in_the_callback_ends_the_group() -> None:
    """A callback that raises must not leave a process."""
    seen: list[str] = []

    def stumble(line: str) -> bool:
        seen.append(line)
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        await run(Command(shell(FAMILY)), deadline=SOON, on_line=stumble)
    assert raised.group_contains(ZeroDivisionError)
    for number in numbers(seen):
        assert await gone(number)


async def test_parallel_children_do_not_mix() -> None:
    """Each output is separate."""
    ended: dict[int, Ended] = {}

    async def one(number: int) -> None:
        script = shell(f"cat; echo {number} >&2; exit {number}")
        ended[number] = await run(
            Command(script, stdin=b"%d" % number * 50_000, max_stdout=200_000), deadline=SOON
        )

    async with create_task_group() as tasks:
        for number in range(10, 26):
            tasks.start_soon(one, number)
    assert ended == {n: Ended(n, str(n), b"%d" % n * 50_000) for n in range(10, 26)}


# A child that stays alive

ECHO = """
import os, sys, time
print("begun", os.getpid(), file=sys.stderr)
for line in sys.stdin:
    word, _, rest = line.rstrip("\\n").partition(" ")
    if word == "number": print(os.getpid(), flush=True)
    elif word == "say": print(rest, flush=True)
    elif word == "slow": time.sleep(0.3); print("late", rest, flush=True)
    elif word == "silent": time.sleep(100); print("late", rest, flush=True)
    elif word == "die": print("I am ill", file=sys.stderr, flush=True); os._exit(3)
    elif word == "half": os.write(1, b"half"); os._exit(0)
    elif word == "much": print("x" * int(rest), flush=True)
    elif word == "twice": os.write(1, b"one\\ntwo\\n")
    elif word == "later":
        print("answer", flush=True)
        while not os.path.exists(rest + ".read"): time.sleep(0.01)
        print("unasked", flush=True); open(rest, "w").close()
    elif word == "last": print("answer", flush=True); sys.exit()
    elif word == "noise": print("x" * 1_000_000, file=sys.stderr); print("quiet", flush=True)
    elif word == "deaf":
        import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print("deaf", flush=True)
"""


@pytest.fixture
async def companion() -> object:
    """Provide a companion that follows commands."""
    companion = Companion(python(ECHO), limit=100_000)
    yield companion
    await companion.aclose()


async def ask(companion: Companion, question: str, *, deadline: float = SOON) -> str:
    """Send a request as text."""
    return (await companion.ask(question.encode(), deadline=deadline)).decode()


async def test_a_companion_answers_several_requests(companion: Companion) -> None:
    """With one process."""
    first = await ask(companion, "number")
    assert await ask(companion, "say grün") == "grün"
    assert await ask(companion, "say") == ""
    assert await ask(companion, "number") == first


async def test_one_request_at_a_time(companion: Companion) -> None:
    """Simultaneous requests get their own answers."""
    answers: dict[int, str] = {}

    async def one(number: int) -> None:
        answers[number] = await ask(companion, f"say {number}")

    async with create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(one, number)
    assert answers == {number: str(number) for number in range(20)}


async def test_requests_and_answers_may_be_larger_than_a_pipe(companion: Companion) -> None:
    """Up to the limit."""
    assert await ask(companion, "say " + "x" * 90_000) == "x" * 90_000
    assert await ask(companion, "much 100000") == "x" * 100_000


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("die", "ended without an answer"),
        ("half", "ended without an answer"),
        ("much 100001", "a line longer than 100000 bytes"),
        ("much 1000000", "a line longer than 100000 bytes"),
        ("twice", "more than one line"),
    ],
)
async def test_a_companion_that_fails_is_replaced(companion: Companion, question: str, message: str) -> None:
    """One request fails, and the next is sent to a new process."""
    first = await ask(companion, "number")
    with pytest.raises(Failure) as failure:
        await ask(companion, question)
    assert failure.value.reason is Reason.TOOL_FAILED
    assert message in failure.value.words
    assert await gone(int(first))
    assert await ask(companion, "say well") == "well"
    assert await ask(companion, "number") != first


async def test_the_last_messages_of_a_companion_are_reported(companion: Companion) -> None:
    """They explain why it cannot start: a missing module, for example."""
    with pytest.raises(Failure) as failure:
        await ask(companion, "die")
    assert "I am ill" in failure.value.words
    assert "ended without an answer" in failure.value.words


async def test_a_late_answer_is_discarded(companion: Companion) -> None:
    """A timeout ends the child, so that no later request gets the old answer."""
    with pytest.raises(Failure) as failure:
        await ask(companion, "silent old", deadline=0.15)
    assert failure.value.reason is Reason.TIMED_OUT
    assert await ask(companion, "say new") == "new"


async def test_the_answer_to_a_cancelled_request_is_discarded(companion: Companion) -> None:
    """As for a timeout."""
    await ask(companion, "say hello")
    with anyio.move_on_after(0.05) as scope:
        await ask(companion, "silent old")
    assert scope.cancelled_caught
    assert await ask(companion, "say new") == "new"
    task = asyncio.create_task(ask(companion, "silent old"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ask(companion, "say new") == "new"


async def test_cancelling_a_waiting_request_disturbs_nothing(companion: Companion) -> None:
    """It has not been sent yet."""
    first = await ask(companion, "number")
    async with create_task_group() as tasks:

        async def slow() -> None:
            assert await ask(companion, "slow one") == "late one"

        tasks.start_soon(slow)
        await anyio.sleep(0.01)
        with anyio.move_on_after(0.01):
            await ask(companion, "say impatient")
    assert await ask(companion, "number") == first


async def test_unrequested_output_is_no_answer(companion: Companion, tmp_path: Path) -> None:
    """A library that prints something does not shift all later answers."""
    assert await ask(companion, f"later {tmp_path / 'said'}") == "answer"
    (tmp_path / "said.read").touch()  # not before: both lines in one read are a failure
    while not (tmp_path / "said").exists():
        await anyio.sleep(0.01)
    assert await ask(companion, "say mine") == "mine"


async def test_a_companion_that_ended_between_two_requests_fails_none(companion: Companion) -> None:
    """The system may have killed it for its memory: the next request starts a new one."""
    first = int(await ask(companion, "number"))
    assert await ask(companion, "last") == "answer"
    await gone(first)
    assert await ask(companion, "say again") == "again"
    os.kill(int(await ask(companion, "number")), signal.SIGKILL)
    with suppress(Failure):  # whether it is still alive is a matter of microseconds
        await ask(companion, "say perhaps")
    assert await ask(companion, "say surely") == "surely"


async def test_noise_on_stderr_blocks_no_answer(companion: Companion) -> None:
    """It is read and forgotten."""
    assert await ask(companion, "noise") == "quiet"
    assert await ask(companion, "noise") == "quiet"


async def test_closing_ends_the_companion(companion: Companion) -> None:
    """Twice is harmless, and a later request starts a new one."""
    number = int(await ask(companion, "number"))
    await companion.aclose()
    await companion.aclose()
    assert await gone(number)
    assert int(await ask(companion, "number")) != number


@pytest.mark.usefixtures("impatient")
async def test_closing_ends_a_companion_that_ignores_term(companion: Companion) -> None:
    """Even if the closing itself is cancelled."""
    number = int(await ask(companion, "number"))
    assert await ask(companion, "deaf") == "deaf"
    with anyio.CancelScope() as scope:
        scope.cancel()
        await companion.aclose()
    assert await gone(number)


async def test_a_companion_that_cannot_be_started_is_a_missing_tool() -> None:
    """For every request."""
    companion = Companion(["no-such-tool-of-hdtf"], limit=10)
    for _ in range(2):
        with pytest.raises(Failure) as failure:
            await companion.ask(b"hello", deadline=SOON)
        assert failure.value.reason is Reason.TOOL_MISSING
    await companion.aclose()
