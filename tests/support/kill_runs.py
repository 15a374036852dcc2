"""Kills the real program at a random moment, checks the result, and starts it again: Linux only.

A *series* starts with a directory (empty, or finished with other settings), kills run after run of one
command line on it, and lets the last run complete. The result must be that of an uninterrupted run. After
each kill:

- a file with a final name has the content that an uninterrupted run gives it;
- each line of ``metadata.jsonl`` has its clip, with the recorded size and hash;
- so has each record of a clip in the journal, of which at most the last line is truncated;
- no descendant of the killed program is alive, at the latest after some seconds.

Instead of being killed, a run can be asked to stop, by a signal at a random moment. Then it must also leave
no process alive and no file incomplete at the very moment in which it ends, and its exit code names the
signal.

All descendants of a start of the program are recognized by a variable in their environment.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self
from uuid import uuid4

from fakes import kit
from kill_checks import (
    JOURNAL,
    MEDIA,
    Undisturbed,
    arriving,
    content,
    differences,
    faults,
    is_temporary,
    is_view,
    leftovers,
    listed,
    media,
    phases,
    size,
    unlisted,
)

import hdtf_async
from hdtf_async import demo
from hdtf_async.core.failures import ExitCode
from hdtf_async.dataset import tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from random import Random
    from types import TracebackType

MARK = "HDTF_KILLING_MARK"
GONE_WITHIN = 30.0
"""Seconds after which no process of a killed program may be alive: TERM, grace and KILL take ten on an idle
machine."""
ENDED_WITHIN = 180.0
"""Seconds after which a run that is not killed counts as hanging."""
_LOOK = 0.001
_AT_ONCE, _AIMED, _TORN = 0.5, 0.6, 0.15
"""How often the next run starts while children of the last are dying, a kill is aimed, the journal
truncated."""
_BETWEEN = 0.1
"""Seconds between two SIGINT at most."""
_LEAST = 0.2
"""Estimated duration of a run with little left to do, as a share of an uninterrupted run."""
_ROOT = Path(hdtf_async.__file__).absolute().parents[1]

Target = Literal["tree", "alone", "step", "asked"]
"""What is killed: the supervisor and all its descendants at one instant ("tree"); the supervisor alone
("alone"); the supervisor alone, by itself, right before one of its own file operations ("step"). Or the
supervisor is asked to stop ("asked")."""
TARGETS: tuple[Target, ...] = ("tree", "alone", "step", "asked")
ASKING: tuple[tuple[signal.Signals, ...], ...] = (
    *((signal.SIGTERM,), (signal.SIGHUP,)),
    *((signal.SIGINT,), (signal.SIGINT, signal.SIGINT)),
)
"""Signals that ask a run to stop, in this order: running encodes may finish only after the first SIGINT."""

_STEPS, _STEP, _OUT = "HDTF_KILLING_STEPS", "HDTF_KILLING_STEP", "HDTF_KILLING_OUT"
_STEPPER = f"""
import os, runpy, signal, sys
taken, last, out = 0, int(os.environ["{_STEP}"]), os.environ["{_OUT}"]
on_files = {{"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "shutil.rmtree"}}

def hook(event, arguments):
    global taken
    if event in on_files and str(arguments[0]).startswith(out) or event in {{
        "os.truncate", "fcntl.flock", "subprocess.Popen"
    }}:
        taken += 1
        if taken == last:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
leave = os._exit

def told(code):  # the program leaves by os._exit, which runs no exit handler
    os.write(1, f"\\n{_STEPS} {{taken}}\\n".encode())
    leave(code)

os._exit = told
runpy.run_module("hdtf_async", run_name="__main__", alter_sys=True)
"""
"""The program, which kills itself right before its n-th file operation or start of a child."""


@dataclass(frozen=True)
class Command:
    """A command line of the main job without ``--out``, and its environment variables."""

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Killed:
    """A run that was killed."""

    phases: Sequence[str]
    """What was in progress."""


@dataclass(frozen=True)
class Asked(Killed):
    """A run that was asked to stop."""

    process: int
    number: signal.Signals
    listens: bool
    """Whether the signal had a handler: it has none before the work begins, nor after its end."""
    code: int | None
    """Exit code; None if it did not end."""
    left: Mapping[int, Sequence[str]]
    """Process id and argument list of each process that was alive when it had ended."""

    @property
    def had_begun(self) -> bool:
        """Return whether it ended by itself: SIGINT has Python's default handler during the imports."""
        return self.code != -self.number

    def faults(self, out: Path, right: Undisturbed) -> Iterator[str]:
        """Yield what is wrong with how it ended."""
        if self.left:
            yield f"alive after {self.number.name}: {self.left}"
        not_begun = not self.had_begun and (not self.listens or self.number is signal.SIGINT)
        too_late = self.code == right.code and not list(differences(out, right))
        if self.code != 128 + self.number and not not_begun and not too_late:
            yield f"it ended with {self.code} after {self.number.name}"


class Program:
    """One start of the program. A context manager: all its processes are dead at the exit."""

    def __init__(self, command: Command, out: Path, output: Path, *, step: int | None = None) -> None:
        self.mark = uuid4().hex
        self._known: set[int] = set()
        start = ["-m", "hdtf_async"] if step is None else ["-c", _STEPPER]
        stepping = {} if step is None else {_STEP: str(step), _OUT: str(out)}
        with output.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *start, "--out", str(out), "--quiet", *command.words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=_ROOT,
                env={**os.environ, **command.environment, **stepping, MARK: self.mark},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_tree()

    def alive(self) -> dict[int, list[str]]:
        """Return process id and argument list of each living descendant of this start."""
        marked = f"{MARK}={self.mark}".encode()
        parents: dict[int, int] = {}
        found: set[int] = set()
        for name in os.listdir("/proc"):  # noqa: PTH208 - called a thousand times per minute
            if name.isdigit() and (parent := _parent(name)) is not None:
                parents[int(name)] = parent
                with suppress(OSError):
                    if marked in Path(f"/proc/{name}/environ").read_bytes():
                        found.add(int(name))
        # A process in exec has no environment for a moment, but has a parent.
        below = {self.process.pid, *found}
        while more := {pid for pid, parent in parents.items() if parent in below} - below:
            below |= more
        return {pid: _arguments(pid) for pid in below & parents.keys()}

    def kill_tree(self) -> dict[int, list[str]]:
        """Kill the supervisor and all its descendants at one instant; return what was alive.

        All are stopped first, so that none can start another or continue its work while the rest die.
        """
        frozen: dict[int, list[str]] = {}
        while new := {pid: arguments for pid, arguments in self.alive().items() if pid not in frozen}:
            for pid in new:
                _send(pid, signal.SIGSTOP)
            frozen |= new
        for pid in frozen:
            _send(pid, signal.SIGKILL)
        self.process.wait()
        while left := self.alive():
            for pid in left:
                _send(pid, signal.SIGKILL)
            time.sleep(_LOOK)
        return frozen

    def kill_supervisor(self) -> dict[int, list[str]]:
        """Kill the supervisor alone; return what was alive."""
        _send(self.process.pid, signal.SIGSTOP)
        then = self.alive()
        _send(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return then

    def ask_to_stop(self, numbers: Sequence[signal.Signals], between: float, out: Path) -> Asked:
        """Ask the supervisor to stop, wait until it has, and return what was in progress and what is left."""
        _send(self.process.pid, signal.SIGSTOP)
        under_way = phases(self.alive(), out)
        listens = _catches(self.process.pid, numbers[-1])
        for number in numbers:
            _send(self.process.pid, number)
            _send(self.process.pid, signal.SIGCONT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(ENDED_WITHIN if number is numbers[-1] else between)
        return Asked(under_way, self.process.pid, numbers[-1], listens, self.process.poll(), self.alive())

    def gone(self) -> float | None:
        """Wait until none of its processes is alive and return how long that took; None after a timeout."""
        begun = time.monotonic()
        while self.alive():
            if time.monotonic() - begun > GONE_WITHIN:
                return None
            time.sleep(0.02)
        return time.monotonic() - begun


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _parent(pid: str) -> int | None:
    """Return the parent of a process; None if it is dead."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state in "ZX" else int(parent)


def _catches(pid: int, number: signal.Signals) -> bool:
    """Return whether a process has a handler for a signal."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return False
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (number - 1) & 1)


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except OSError:
        return []


# The moments of kills.

Sight = Callable[[int, Path], Hashable]
SIGHTS: dict[str, Sight] = {
    "child": lambda pid, _out: content(Path(f"/proc/{pid}/task/{pid}/children")),
    "private": lambda _pid, out: frozenset(
        name for name in listed(out) if is_temporary(name) and not name.endswith(MEDIA)
    ),
    "clip": lambda _pid, out: frozenset(
        name
        for name, stat in listed(out).items()
        if is_temporary(name) and name.endswith(MEDIA) and stat.st_size  # created empty before ffmpeg starts
    ),
    "final": lambda _pid, out: frozenset(
        (name, stat.st_ino)
        for name, stat in listed(out).items()
        if name.endswith(MEDIA) and not is_temporary(name)
    ),
    "journal": lambda _pid, out: size(out / JOURNAL),
    "views": lambda _pid, out: frozenset(
        (name, stat.st_ino) for name, stat in listed(out).items() if is_view(name)
    ),
    "partial": lambda _pid, out: frozenset(
        (name, stat.st_size) for name, stat in arriving(out).items() if name.endswith(".part")
    ),
}
"""What is watched to aim a kill, by supervisor's PID and directory. A change is the start or the end of a
short phase: private directories of downloads, clips that are being made, ..."""


@dataclass(frozen=True)
class Moment:
    """When a kill happens: some seconds after the start, or after the n-th change of a watched state."""

    seconds: float
    sight: str | None = None
    nth: int = 0

    def wait(self, process: subprocess.Popen[bytes], out: Path) -> bool:
        """Wait for it; False if the program ends before."""
        begun, left = time.monotonic(), self.nth
        before = None if self.sight is None else SIGHTS[self.sight](process.pid, out)
        while self.sight is not None and left > 0:
            if process.poll() is not None or time.monotonic() - begun > ENDED_WITHIN:
                return False
            time.sleep(_LOOK)
            now = SIGHTS[self.sight](process.pid, out)
            left -= now != before
            before = now
        with suppress(subprocess.TimeoutExpired):
            process.wait(self.seconds)
        return process.poll() is None


def undisturbed(command: Command, out: Path, begin: Undisturbed | None = None) -> Undisturbed:
    """Run a command line to its end on a new directory, or on a copy; return the result and the cost."""
    if begin is not None:
        shutil.copytree(begin.out, out)
    begun = time.monotonic()
    log = out.with_suffix(".words")
    changes = dict.fromkeys(SIGHTS, 0)
    with Program(command, out, log, step=0) as program:
        pid = program.process.pid
        before = {name: look(pid, out) for name, look in SIGHTS.items()}
        while program.process.poll() is None and time.monotonic() - begun < ENDED_WITHIN:
            time.sleep(_LOOK)
            for name, look in SIGHTS.items():
                now = look(pid, out)
                changes[name] += now != before[name]
                before[name] = now
        code = program.process.returncode
    text = log.read_text(errors="replace")
    steps = int(text.rpartition(_STEPS)[2].split()[0])
    return Undisturbed(out, code, time.monotonic() - begun, steps, changes, media(out))


# Series of kills.


@dataclass(frozen=True)
class Kill:
    """One kill, and the defects found after it."""

    target: Target
    aimed_at: str
    phases: Sequence[str]
    gone_after: float | None
    """Seconds until no descendant was alive; None where the next run did not wait for that."""
    found: Sequence[str]


@dataclass
class Series:
    """Kills on one directory, from its beginning to the run that completed."""

    kills: list[Kill] = field(default_factory=list)
    starts: int = 0
    refused: int = 0
    """Starts that were rejected because processes of the killed run were still dying."""
    torn: int = 0
    """How often half a line was appended to the journal, as an interrupted write leaves it."""
    wrong: list[str] = field(default_factory=list)
    """The defects at the end."""

    @property
    def faults(self) -> list[str]:
        """Return all defects."""
        return [*(fault for kill in self.kills for fault in kill.found), *self.wrong]


@dataclass(frozen=True)
class Killing:
    """Kills of one command line on one kind of directory."""

    command: Callable[[Path], Command]
    """Builds the command line; the argument is a directory in which tools may be written."""
    right: Undisturbed
    """The result of an uninterrupted run."""
    chance: Random
    begin: Undisturbed | None = None
    """The directory that a series starts with a copy of; None for an empty one."""
    also: Undisturbed | None = None
    """What else may exist before the end."""
    targets: Sequence[Target] = TARGETS

    def series(self, out: Path, kills: int) -> Series:
        """Kill this many runs, or fewer where one ends before its kill, and let the last one complete."""
        series = Series()
        command = self.command(out.with_suffix(".tools"))
        if self.begin is not None:
            shutil.copytree(self.begin.out, out)
        dying: list[Program] = []
        ended = False
        while not ended:
            target = self.chance.choice(self.targets)
            moment = self._moment(target, out) if len(series.kills) < kills else None
            step = moment.nth if moment is not None and target == "step" else None
            before = frozenset(listed(out))
            program = Program(command, out, out.with_suffix(".words"), step=step)
            series.starts += 1
            try:
                killed = self._killed(program, out, target, moment)
                if killed is None:
                    ended = self._ended(program, series, dying)
                    continue
                found = [*self._faults(out), *self._faults_of(killed, out, before)]
                at_once = target in {"alone", "step"} and self.chance.random() < _AT_ONCE
                gone_after = None if at_once else program.gone()
                if at_once:
                    dying.append(program)
                elif gone_after is None:
                    found.append(f"alive after {GONE_WITHIN:g} s: {program.alive()}")
                else:
                    found += [fault for fault in self._faults(out) if fault not in found]
                    series.torn += self._tear(out)
                aimed_at = (moment and moment.sight) or "time"
                series.kills.append(Kill(target, aimed_at, killed.phases, gone_after, found))
            finally:
                if program not in dying:
                    program.kill_tree()
        for program in dying:
            if program.gone() is None:
                series.wrong.append(f"alive after {GONE_WITHIN:g} s: {program.kill_tree()}")
        series.wrong += differences(out, self.right)
        return series

    def _faults_of(self, killed: Killed, out: Path, before: Collection[str]) -> Iterator[str]:
        if isinstance(killed, Asked):
            yield from killed.faults(out, self.right)
            if killed.had_begun:
                yield from leftovers(out, before, self._allowed)
            if self.begin is None:  # else clips with the old settings are not listed, on purpose
                yield from unlisted(out, killed.process)

    def _faults(self, out: Path) -> list[str]:
        return list(faults(out, self._allowed, one_form=self.begin is None))

    @property
    def _allowed(self) -> list[Undisturbed]:
        """Return all that may exist before the end."""
        return [each for each in (self.right, self.begin, self.also) if each is not None]

    def _moment(self, target: Target, out: Path) -> Moment:
        """Choose a random moment of the remaining work."""
        draw = self.chance.random
        done = len(media(out).items() & self.right.media.items()) / len(self.right.media)
        left = max(1 - done, _LEAST)
        if target == "step":
            return Moment(0, "step", 1 + int(self.right.steps * left * draw()))
        if draw() < _AIMED:
            sight = self.chance.choice([name for name, changes in self.right.changes.items() if changes])
            nth = 1 + int(self.right.changes[sight] * left * draw())
            return Moment(self.chance.choice((0, 0.005 * draw())), sight, nth)
        return Moment(self.right.seconds * left * draw())

    def _killed(self, program: Program, out: Path, target: Target, moment: Moment | None) -> Killed | None:
        """Kill a run at a moment, or ask it to stop; None if it ended by itself."""
        if moment is None or target == "step":
            with suppress(subprocess.TimeoutExpired):
                program.process.wait(ENDED_WITHIN)
            left = program.alive()
            return Killed(phases(left, out)) if program.process.returncode == -signal.SIGKILL else None
        if not moment.wait(program.process, out):
            return None
        if target == "asked":
            asked = program.ask_to_stop(self.chance.choice(ASKING), _BETWEEN * self.chance.random(), out)
            # It could not start, because children of the last run were still dying.
            return None if asked.code == ExitCode.LOCAL else asked
        then = program.kill_tree() if target == "tree" else program.kill_supervisor()
        return Killed(phases(then, out))

    def _ended(self, program: Program, series: Series, dying: Sequence[Program]) -> bool:
        """Check a run that was not killed; False if it only has to be started again."""
        code = program.process.poll()
        if code == ExitCode.LOCAL and dying:
            series.refused += 1
            for other in dying:
                other.gone()
            return False
        if code is None:
            series.wrong.append(f"it hangs: {program.kill_tree()}")
        elif code != self.right.code:
            series.wrong.append(f"it ended with {code} instead of {self.right.code}")
        return True

    def _tear(self, out: Path) -> bool:
        """Now and then, append half a line to the journal."""
        lines = content(out / JOURNAL).splitlines()
        if not lines or self.chance.random() > _TORN:
            return False
        line = self.chance.choice(lines)
        with (out / JOURNAL).open("ab") as journal:
            journal.write(line[: self.chance.randrange(1, len(line))])
        return True


# Command lines to kill.

VIDEOS = (
    *("WhipJimClyburn", "JamesClyburn1", "Radio11", "DianeBlack0", "PaulRyan1"),
    *("BobCasey1", "Radio20", "GeoffDavis", "PeterKing"),
)
"""Of the shipped tables: 12 clips of 8 videos, one of which has two rows."""


def fake_tools(directory: Path, *more: str) -> Command:
    """Return a command line for `VIDEOS` with fake tools that take some tenths of a second.

    One video is private, one download fails once, one is short once, one clip is wrong each time, and one has
    a box that does not fit: 9 clips are obtainable.
    """
    clips = [clip for clip in tables.read(None).clips if clip.video.name in VIDEOS]
    ids = {clip.video.name: clip.video.youtube_id for clip in clips}
    wrong: dict[tuple[kit.Kind, str], kit.Fault] = {
        ("ask", ids["BobCasey1"]): kit.Fault("ERROR: [youtube] x: Private video. Sign in if you've been"),
        ("download", ids["PaulRyan1"]): kit.Fault("ERROR: HTTP Error 403: Forbidden", times=1),
        ("download", ids["Radio20"]): kit.Fault(code=0, leaves="short", times=1),
        ("encode", "WRA_GeoffDavis_000"): kit.Fault(code=0, leaves="short"),
    }
    times = kit.Times(ask=(0.05, 0), download=(0.12, 0), encode=(0.08, 0))
    stage = kit.Stage(videos=kit.footage(clips), rate=(1, 1), bits_per_line=20, times=times, faults=wrong)
    directory.mkdir()
    made = kit.install(directory, stage)
    arguments = [argument for name in VIDEOS for argument in ("--video", name)]
    arguments += ["--yt-dlp", str(made.yt_dlp), "--ffmpeg", str(made.ffmpeg), "--retry-wait", "0"]
    return Command([*arguments, *_SMALL, *more])


REAL_VIDEOS = ("Radio2", "Speaker2", "Speaker3", "Guest2")
"""Of the demo's tables: 6 clips of 3 films, one of which has two rows."""
SLOWLY = {row.film.youtube_id: demo.Answer(bandwidth=250_000) for row in demo.ROWS}
"""Answers of a mock server from which a film takes longer than a second."""


def real_tools(
    site: demo.LightMock, source: Path, *more: str, videos: Sequence[str] = REAL_VIDEOS
) -> Command:
    """Return a command line for videos of the demo's tables with the real tools."""
    arguments = [argument for name in videos for argument in ("--video", name)]
    arguments += ["--source", str(source), f"--yt-dlp-args={site.yt_dlp_args}"]
    return Command([*arguments, *_SMALL, *more], site.environment)


_SMALL = ("--pace", "0", "--min-free", "0", "--downloads", "3", "--encodes", "2")
