"""One supervised child: what it says is heard in bounded memory, and it never outlives who started it."""

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
from hdtf_async.process.supervisor import Companion, Ended, run

SOON = 20.0
"""A deadline that no child here needs."""


def python(code: str, *arguments: str) -> list[str]:
    """Return the command line of a Python child that starts quickly."""
    return [sys.executable, "-I", "-S", "-c", dedent(code), *arguments]


def shell(script: str) -> list[str]:
    """Return the command line of a shell child."""
    return ["/bin/sh", "-c", script]


def alive(number: int) -> bool:
    """Whether a process is there and not just waiting to be reaped."""
    try:
        state = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] not in {"Z", "X"}


async def gone(number: int) -> bool:
    """Whether a process that was sent KILL has gone, which takes the system a moment."""
    with anyio.move_on_after(60):
        while alive(number):
            await anyio.sleep(0.001)
    return not alive(number)


class Heard(list[str]):
    """Lines of stdout, and an event for the first."""

    def __init__(self, *, signs: bool = False) -> None:
        super().__init__()
        self.first = Event()
        self.signs = signs

    def __call__(self, line: str) -> bool:
        """Take a line."""
        self.append(line)
        self.first.set()
        return self.signs


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> object:
    """Descriptors are let go after every child, however it ended."""
    before = set(Path("/dev/fd").iterdir())
    yield
    assert set(Path("/dev/fd").iterdir()) <= before


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grace and linger are short."""
    monkeypatch.setattr(supervisor, "GRACE", 0.2)
    monkeypatch.setattr(supervisor, "LINGER", 0.1)


# How a child ends


@pytest.mark.parametrize("code", [0, 1, 100, 255])
async def test_exit_codes_are_told_and_not_judged(code: int) -> None:
    """Whether a code is bad is the caller's business."""
    assert await run(shell(f"exit {code}"), deadline=SOON) == Ended(code, "", b"")


async def test_death_by_a_signal_is_a_negative_code() -> None:
    """As the standard library has it."""
    ended = await run(shell("kill -SEGV $$"), deadline=SOON)
    assert ended.code == -signal.SIGSEGV


async def test_the_exit_is_seen_where_the_system_has_no_descriptor_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Older kernels, sandboxes and macOS are asked every now and then."""

    def refuse(_process: int, _flags: int = 0) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert (await run(shell("sleep 0.02; exit 3"), deadline=SOON)).code == 3
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.delattr(os, "waitid")
    assert (await run(shell("sleep 0.02; exit 4"), deadline=SOON)).code == 4


async def test_a_child_that_somebody_else_reaped_still_comes_to_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A host program may ignore SIGCHLD: then nobody ever learns the exit code, and nothing hangs."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    monkeypatch.setattr(supervisor, "GRACE", 1)
    try:
        assert (await run(shell("echo said; exit 3"), deadline=SOON, keep=100)).out == b"said\n"
    finally:
        signal.signal(signal.SIGCHLD, before)


# What a child says


async def test_words_are_the_last_lines_of_stderr() -> None:
    """Early lines are pushed out by later ones; stdout is not among them."""
    lines = supervisor.TAIL_LINES + 7
    code = "import sys\nfor n in range(int(sys.argv[1])): print('line', n, file=sys.stderr)\nprint('no word')"
    ended = await run(python(code, str(lines)), deadline=SOON)
    assert ended.words.split("\n") == [f"line {n}" for n in range(7, lines)]


async def test_lines_end_with_any_mix_of_newlines_and_carriage_returns() -> None:
    """Progress bars end theirs with a carriage return; empty lines say nothing; the last may lack its end."""
    heard = Heard()
    written = r"one\rtwo\r\nthree\n\n\r\nfour"
    await run(shell(f"printf '{written}'; printf '{written}' >&2"), deadline=SOON, on_line=heard)
    assert heard == ["one", "two", "three", "four"]


async def test_a_line_that_comes_in_pieces_is_one_line() -> None:
    """Also where a piece ends in the middle of a character."""
    code = """
    import os, time
    for piece in (b"gr", b"\\xc3", b"\\xbc", b"n\\nno ", b"end"):
        os.write(1, piece); os.write(2, piece)
        time.sleep(0.01)
    """
    heard = Heard()
    ended = await run(python(code), deadline=SOON, on_line=heard)
    assert heard == ["grün", "no end"]
    assert ended.words == "grün\nno end"


async def test_bytes_that_are_no_text_are_marked_and_not_fatal() -> None:
    """A tool may print a file name of any bytes."""
    heard = Heard()
    ended = await run(shell(r"printf 'a\377b\n\000\n'; printf 'x\300y' >&2"), deadline=SOON, on_line=heard)
    assert heard == ["a\N{REPLACEMENT CHARACTER}b", "\0"]
    assert ended.words == "x\N{REPLACEMENT CHARACTER}y"


async def test_a_line_without_end_is_cut_and_the_next_one_whole() -> None:
    """Sixteen megabytes on one line, and then a word."""
    code = """
    import sys
    for pipe in (sys.stdout, sys.stderr):
        for _ in range(256): pipe.write("x" * 65536)
        pipe.write("\\nword\\n")
    """
    heard = Heard()
    ended = await run(python(code), deadline=SOON, on_line=heard)
    assert heard == ["x" * supervisor.LINE_LIMIT, "word"]
    assert ended.words.split("\n") == ["x" * supervisor.WORDS_LIMIT, "word"]


async def test_floods_on_both_pipes_cost_no_memory() -> None:
    """Two hundred megabytes without a line end on stdout, one of short lines on stderr."""
    script = "head -c 200000000 /dev/zero & yes words | head -c 1000000 >&2; wait"
    tracemalloc.start()
    try:
        ended = await run(shell(script), deadline=60)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ended.code == 0
    assert ended.words.split("\n")[1:-1] == ["words"] * (supervisor.TAIL_LINES - 2)
    assert peak < 8 * supervisor.LINE_LIMIT + 3_000_000


async def test_stdout_is_returned_up_to_the_limit() -> None:
    """To the byte, and `on_line` sees none of it."""
    heard = Heard()
    ended = await run(shell(r"printf 'a\r\nb\000'"), deadline=SOON, keep=5, on_line=heard)
    assert ended.out == b"a\r\nb\0"
    assert not heard


async def test_more_output_than_is_kept_ends_the_child() -> None:
    """One that would never stop printing, too."""
    with pytest.raises(Failure) as failure:
        await run(shell("echo $$ >&2; cat /dev/zero"), deadline=SOON, keep=100_000)
    assert failure.value.reason is Reason.TOOL_FAILED
    assert "100000" in failure.value.words


# What a child is given


async def test_without_feed_stdin_reads_as_empty() -> None:
    """A tool that asks a question gets no answer, and does not take what is typed for us."""
    ours, typed = os.pipe()
    os.write(typed, b"typed for us")
    os.close(typed)
    before = os.dup(0)
    os.dup2(ours, 0)
    try:
        ended = await run(python("import sys; print(repr(sys.stdin.read()))"), deadline=SOON, keep=100)
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(ours)
    assert ended.out == b"''\n"


async def test_a_feed_larger_than_any_pipe_arrives_whole() -> None:
    """While the child already answers."""
    feed = os.urandom(3_000_000)
    assert (await run(["cat"], deadline=SOON, feed=feed, keep=len(feed))).out == feed


@pytest.mark.parametrize("script", ["exit 7", "exec <&-; sleep 0.05; exit 7", "head -c 1 >&2; exit 7"])
async def test_a_child_need_not_read_what_it_is_fed(script: str) -> None:
    """Its exit code says what it thought of it."""
    assert (await run(shell(script), deadline=SOON, feed=bytes(1_000_000))).code == 7


async def test_a_child_works_in_its_directory(tmp_path: Path) -> None:
    """As it is told; otherwise in ours."""
    for directory, place in ((tmp_path, tmp_path), (None, Path.cwd())):
        ended = await run(["pwd", "-P"], deadline=SOON, keep=4096, directory=directory)
        assert ended.out.decode().strip() == os.path.realpath(place)


async def test_only_the_named_descriptors_are_inherited(tmp_path: Path) -> None:
    """The output directory's lock is one; a host program's sockets are none."""
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
            ended = await run(python(code, str(named), str(other)), deadline=SOON, keep=100, guard=guard)
    finally:
        os.close(named)
        os.close(other)
    assert ended.out == b"open\nshut\n"


async def test_a_childs_memory_is_bounded() -> None:
    """What asks for more than its bound gets an error, and not the machine's last page."""
    code = "try: bytearray(1 << 30)\nexcept MemoryError: print('refused')\nelse: print('given')"
    ended = await run(python(code), deadline=SOON, keep=100, memory=1 << 29)
    assert ended.out == b"refused\n"


async def test_a_child_has_a_session_of_its_own() -> None:
    """So that a Ctrl-C on the terminal reaches the program only, which ends its children in order."""
    ended = await run(python("import os; print(os.getpid() == os.getsid(0))"), deadline=SOON, keep=100)
    assert ended.out == b"True\n"


# A child that cannot be started


async def test_a_program_that_is_not_there_is_a_missing_tool(tmp_path: Path) -> None:
    """Neither on the PATH nor in a directory, nor behind a file."""
    (tmp_path / "file").touch()
    for name in ("no-such-tool-of-hdtf", str(tmp_path / "tool"), str(tmp_path / "file" / "tool")):
        with pytest.raises(Failure) as failure:
            await run([name], deadline=SOON)
        assert failure.value.reason is Reason.TOOL_MISSING
        assert name in failure.value.words


async def test_what_cannot_be_executed_is_a_missing_tool(tmp_path: Path) -> None:
    """A file without the permission, a directory, and a file with the permission that is no program."""
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "directory").mkdir()
    (tmp_path / "picture").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "picture").chmod(0o755)
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    for name in ("plain", "directory", "picture", "script"):
        with pytest.raises(Failure) as failure:
            await run([str(tmp_path / name)], deadline=SOON)
        assert failure.value.reason is Reason.TOOL_MISSING
        assert name in failure.value.words


async def test_a_missing_working_directory_is_named(tmp_path: Path) -> None:
    """And not the tool, which is there."""
    with pytest.raises(Failure) as failure:
        await run(["true"], deadline=SOON, directory=tmp_path / "nowhere")
    assert "nowhere" in failure.value.words


# Deadline and stall watch


async def test_a_child_is_ended_at_its_deadline() -> None:
    """However alive it is, and its last words are kept."""
    with pytest.raises(Failure) as failure:
        await run(
            shell("echo last words >&2; while echo alive; do sleep 0.01; done"),
            deadline=0.5,
            stall=SOON,
            on_line=lambda _: True,
        )
    assert failure.value.reason is Reason.TIMED_OUT
    assert failure.value.words == "last words\nnot finished after 0.5 s"


async def test_signs_of_progress_hold_off_the_stall_watch() -> None:
    """A child that needs many times the watch's patience, and says that it moves."""
    heard = Heard(signs=True)
    ended = await run(
        shell("for n in $(seq 30); do echo $n; sleep 0.04; done"), deadline=SOON, stall=0.6, on_line=heard
    )
    assert ended.code == 0
    assert len(heard) == 30


async def test_talk_without_progress_does_not_hold_off_the_stall_watch() -> None:
    """A bar that is drawn again and again at the same place."""
    heard = Heard(signs=False)
    with pytest.raises(Failure) as failure:
        await run(
            shell("echo hm >&2; while echo 50%; do sleep 0.01; done"), deadline=SOON, stall=0.5, on_line=heard
        )
    assert failure.value.reason is Reason.STALLED
    assert failure.value.words == "hm\nno progress for 0.5 s"
    assert len(heard) > 1


async def test_a_sign_of_progress_holds_for_as_long_as_the_patience_and_no_longer() -> None:
    """A child that moved once, and then stood still."""
    with pytest.raises(Failure) as failure:
        await run(shell("echo; echo one; sleep 100"), deadline=SOON, stall=0.3, on_line=Heard(signs=True))
    assert failure.value.reason is Reason.STALLED


async def test_time_in_which_we_were_stopped_is_not_counted() -> None:
    """After a Ctrl-Z and a long pause, children that went on working are not found to have stalled."""
    # The clock jumps as it does for a program that was stopped: all at once, between two turns of the loop.
    loop = asyncio.get_running_loop()
    clock, jump = loop.time, 0.0
    loop.time = lambda: clock() + jump  # type: ignore[method-assign]
    try:
        async with create_task_group() as tasks:
            ended: list[Ended] = []
            heard = Heard(signs=True)

            async def child() -> None:
                script = "echo begun; sleep 0.3; exit 5"
                ended.append(await run(shell(script), deadline=100, stall=50, on_line=heard))

            tasks.start_soon(child)
            await heard.first.wait()
            jump = 90.0
    finally:
        loop.time = clock  # type: ignore[method-assign]
    assert [end.code for end in ended] == [5]


# The group is gone


STUBBORN = "trap '' TERM; echo $$; while :; do sleep 1; done"
FAMILY = "sleep 100 & echo $! $$; wait"
ORPHANS = "sleep 100 & echo $! $$; exit 6"


def numbers(heard: list[str]) -> list[int]:
    """Return the process numbers that a child has printed."""
    return [int(number) for line in heard for number in line.split()]


async def cancelled(script: list[str]) -> list[int]:
    """Run a child, cancel it at its first line, and return the process numbers in its lines."""
    heard = Heard()
    async with create_task_group() as tasks:

        async def child() -> None:
            await run(script, deadline=SOON, on_line=heard)
            pytest.fail("the cancellation was swallowed")

        tasks.start_soon(child)
        await heard.first.wait()
        tasks.cancel_scope.cancel()
    return numbers(heard)


async def test_a_child_may_tidy_up_at_term(tmp_path: Path) -> None:
    """The tools close their files then: they are not killed while they do."""
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


async def test_grandchildren_go_with_a_child_that_is_late() -> None:
    """yt-dlp's own ffmpeg would go on for ever otherwise."""
    heard, deadline = Heard(), 0.5
    while len(numbers(heard)) < 2:  # it may be late before it has begun
        heard = Heard()
        with pytest.raises(Failure):
            await run(shell(FAMILY), deadline=deadline, on_line=heard)
        deadline *= 2
    for number in numbers(heard):
        assert await gone(number)


@pytest.mark.usefixtures("impatient")
async def test_grandchildren_go_where_the_child_went_before_them() -> None:
    """They keep the pipes open: what was said is taken, the code is the child's, and nobody waits."""
    heard = Heard()
    ended = await run(shell(ORPHANS), deadline=SOON, on_line=heard)
    assert ended.code == 6
    for number in numbers(heard):
        assert await gone(number)


@pytest.mark.usefixtures("impatient")
async def test_a_runaway_that_left_the_group_holds_nobody_up() -> None:
    """It cannot be found by its group; its hold on the pipes is let go."""
    code = """
    import os, time
    told, tell = os.pipe()
    if os.fork() == 0:
        os.setsid(); print(os.getpid(), flush=True); os.write(tell, b"x"); time.sleep(100)
    os.read(told, 1)
    """
    heard = Heard()
    try:
        assert (await run(python(code), deadline=SOON, on_line=heard)).code == 0
    finally:
        for number in numbers(heard):
            os.kill(number, signal.SIGKILL)
    assert len(heard) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("script", [FAMILY, ORPHANS, STUBBORN])
async def test_cancelling_a_scope_ends_the_group_and_goes_on(script: str) -> None:
    """Also one that ignores TERM, and one whose first process has gone already."""
    found = await cancelled(shell(script))
    assert found
    for number in found:
        assert await gone(number)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("script", [FAMILY, STUBBORN])
@pytest.mark.parametrize("impatience", [1, 3])
async def test_cancelling_a_task_ends_the_group_and_goes_on(script: str, impatience: int) -> None:
    """Plain asyncio, as a host program may use it; cancelling again and again makes it no worse."""
    heard = Heard()
    task = asyncio.create_task(run(shell(script), deadline=SOON, on_line=heard))
    await heard.first.wait()
    for _ in range(impatience):
        task.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await task
    for number in numbers(heard):
        assert await gone(number)


async def test_cancelling_before_the_start_starts_nothing_that_stays(tmp_path: Path) -> None:
    """In a scope that is cancelled already, and in a task that never had its first turn."""
    told = tmp_path / "number"
    script = shell(f"echo $$ > {told}.new; mv {told}.new {told}; sleep 100")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await run(script, deadline=SOON)
    assert scope.cancelled_caught
    task = asyncio.create_task(run(script, deadline=SOON))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if told.exists():
        assert await gone(int(told.read_text()))


async def test_a_fault_in_the_listener_ends_the_group() -> None:
    """A callback that raises is our own fault, and no reason to leave a process."""
    seen: list[str] = []

    def stumble(line: str) -> bool:
        seen.append(line)
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        await run(shell(FAMILY), deadline=SOON, on_line=stumble)
    assert raised.group_contains(ZeroDivisionError)
    for number in numbers(seen):
        assert await gone(number)


async def test_many_children_at_a_time_do_not_mix() -> None:
    """Each hears its own."""
    ended: dict[int, Ended] = {}

    async def one(number: int) -> None:
        script = shell(f"cat; echo {number} >&2; exit {number}")
        ended[number] = await run(script, deadline=SOON, feed=b"%d" % number * 50_000, keep=200_000)

    async with create_task_group() as tasks:
        for number in range(10, 26):
            tasks.start_soon(one, number)
    assert ended == {n: Ended(n, str(n), b"%d" % n * 50_000) for n in range(10, 26)}


# A child that lives on

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
        print("answer", flush=True); time.sleep(0.05); print("unasked", flush=True); open(rest, "w").close()
    elif word == "last": print("answer", flush=True); sys.exit()
    elif word == "noise": print("x" * 1_000_000, file=sys.stderr); print("quiet", flush=True)
    elif word == "deaf":
        import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print("deaf", flush=True)
"""


@pytest.fixture
async def companion() -> object:
    """Give a companion that does as it is told."""
    companion = Companion(python(ECHO), limit=100_000)
    yield companion
    await companion.aclose()


async def ask(companion: Companion, question: str, *, deadline: float = SOON) -> str:
    """Ask in text."""
    return (await companion.ask(question.encode(), deadline=deadline)).decode()


async def test_a_companion_answers_question_after_question(companion: Companion) -> None:
    """From one process."""
    first = await ask(companion, "number")
    assert await ask(companion, "say grün") == "grün"
    assert await ask(companion, "say") == ""
    assert await ask(companion, "number") == first


async def test_one_question_at_a_time(companion: Companion) -> None:
    """Those who ask at once each get their own answer."""
    answers: dict[int, str] = {}

    async def one(number: int) -> None:
        answers[number] = await ask(companion, f"say {number}")

    async with create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(one, number)
    assert answers == {number: str(number) for number in range(20)}


async def test_questions_and_answers_may_be_larger_than_a_pipe(companion: Companion) -> None:
    """Up to the limit."""
    assert await ask(companion, "say " + "x" * 90_000) == "x" * 90_000
    assert await ask(companion, "much 100000") == "x" * 100_000


@pytest.mark.parametrize("question", ["die", "half", "much 100001", "much 1000000", "twice"])
async def test_a_companion_that_fails_is_replaced(companion: Companion, question: str) -> None:
    """It costs the one question, and the next is asked of a new process."""
    first = await ask(companion, "number")
    with pytest.raises(Failure) as failure:
        await ask(companion, question)
    assert failure.value.reason is Reason.TOOL_FAILED
    assert await gone(int(first))
    assert await ask(companion, "say well") == "well"
    assert await ask(companion, "number") != first


async def test_the_last_words_of_a_companion_are_told(companion: Companion) -> None:
    """Somebody has to find out why it cannot live: a missing module, for example."""
    with pytest.raises(Failure) as failure:
        await ask(companion, "die")
    assert "I am ill" in failure.value.words
    assert "ended without an answer" in failure.value.words


async def test_an_answer_that_came_too_late_is_nobodys(companion: Companion) -> None:
    """A time-out ends the child, so that no later question gets the old answer."""
    with pytest.raises(Failure) as failure:
        await ask(companion, "silent old", deadline=0.15)
    assert failure.value.reason is Reason.TIMED_OUT
    assert await ask(companion, "say new") == "new"


async def test_an_answer_to_a_cancelled_question_is_nobodys(companion: Companion) -> None:
    """The same where the one who asked has gone."""
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


async def test_giving_up_the_wait_for_a_turn_disturbs_nobody(companion: Companion) -> None:
    """Who waits for another's question to be answered has asked nothing yet."""
    first = await ask(companion, "number")
    async with create_task_group() as tasks:

        async def slow() -> None:
            assert await ask(companion, "slow one") == "late one"

        tasks.start_soon(slow)
        await anyio.sleep(0.01)
        with anyio.move_on_after(0.01):
            await ask(companion, "say impatient")
    assert await ask(companion, "number") == first


async def test_what_was_said_unasked_is_no_answer(companion: Companion, tmp_path: Path) -> None:
    """A library that prints something of its own does not shift all later answers by one."""
    assert await ask(companion, f"later {tmp_path / 'said'}") == "answer"
    while not (tmp_path / "said").exists():
        await anyio.sleep(0.01)
    assert await ask(companion, "say mine") == "mine"


async def test_a_companion_that_ended_between_two_questions_costs_none(companion: Companion) -> None:
    """The system may have taken it for its memory: the next question starts a new one."""
    first = int(await ask(companion, "number"))
    assert await ask(companion, "last") == "answer"
    await gone(first)
    assert await ask(companion, "say again") == "again"
    os.kill(int(await ask(companion, "number")), signal.SIGKILL)
    with suppress(Failure):  # whether it was still there to be asked is a matter of microseconds
        await ask(companion, "say perhaps")
    assert await ask(companion, "say surely") == "surely"


async def test_noise_on_stderr_blocks_no_answer(companion: Companion) -> None:
    """It is read and forgotten."""
    assert await ask(companion, "noise") == "quiet"
    assert await ask(companion, "noise") == "quiet"


async def test_closing_ends_the_companion(companion: Companion) -> None:
    """Twice is as good as once, and a question after it starts a new one."""
    number = int(await ask(companion, "number"))
    await companion.aclose()
    await companion.aclose()
    assert await gone(number)
    assert int(await ask(companion, "number")) != number


@pytest.mark.usefixtures("impatient")
async def test_closing_ends_a_companion_that_ignores_term(companion: Companion) -> None:
    """Also while the closing itself is cancelled."""
    number = int(await ask(companion, "number"))
    assert await ask(companion, "deaf") == "deaf"
    with anyio.CancelScope() as scope:
        scope.cancel()
        await companion.aclose()
    assert await gone(number)


async def test_a_companion_that_cannot_be_started_is_a_missing_tool() -> None:
    """Each time it is asked."""
    companion = Companion(["no-such-tool-of-hdtf"], limit=10)
    for _ in range(2):
        with pytest.raises(Failure) as failure:
            await companion.ask(b"hello", deadline=SOON)
        assert failure.value.reason is Reason.TOOL_MISSING
    await companion.aclose()
