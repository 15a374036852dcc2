"""Values and helpers that tests of several packages share."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hdtf_async import Options, Report
from hdtf_async.core.model import Box, Clip, Interval, Video
from hdtf_async.dataset.plan import VideoJob

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    from _pytest.mark import ParameterSet


@contextmanager
def exported(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables as a user's shell would."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@dataclass(frozen=True)
class Finished:
    """A finished demo directory: treat it as read-only, because all tests share it."""

    out: Path
    options: Options
    report: Report
    requests: list[dict[str, Any]]
    """The requests of the run that made it, as the mock server recorded them."""


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a directory of the test session that the first process to need it fills.

    The tests may run in several processes; the others wait until it is complete.
    """
    base = factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            unfinished = directory.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(directory)
    return directory


VERSIONS = [
    pytest.param("installed", marks=pytest.mark.slow),
    pytest.param("newest", marks=[pytest.mark.newest, pytest.mark.timeout(600)]),
]
"""Values of the fixture `program`: the installed yt-dlp, which the constraints pin, and the newest. The first
test with the newest one waits for its installation."""


def slow_unless(values: Iterable[object], usual: Container[object]) -> list[ParameterSet]:
    """Return the values of a parameter of a test; those that are not usual ones only run with ``-m slow``."""
    return _marked_unless(values, usual, pytest.mark.slow)


def long_unless(values: Iterable[object], usual: Container[object]) -> list[ParameterSet]:
    """Return the values of a parameter of a slow test; those that are not usual ones are marked ``long``."""
    return _marked_unless(values, usual, pytest.mark.long)


def _marked_unless(
    values: Iterable[object], usual: Container[object], mark: pytest.MarkDecorator
) -> list[ParameterSet]:
    return [
        pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=() if value in usual else mark)
        for value in values
    ]


def children() -> list[str]:
    """Return the command lines of all living descendants of this process."""
    below = {os.getpid()}
    found = []
    for _ in range(4):  # the process trees are no deeper than that
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in below:
                continue
            try:
                state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
                command_line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if int(parent) in below and state != "Z":
                below.add(int(entry.name))
                found.append(command_line)
    return found


QUICK: dict[str, Any] = {"size": 64, "preset": "ultrafast", "deinterlace": "off"}
"""Options of clips that take a fifth of the time: for tests in which the pixels do not matter."""

QUICK_WORDS = tuple(word for name, value in QUICK.items() for word in (f"--{name}", str(value)))
"""The same on a command line."""

CLIPS = [
    "RD_Radio1_000", "RD_Radio1_001", "RD_Radio2_000",
    "WDA_Speaker1_000", "WDA_Speaker2_000", "WDA_Speaker3_000",
    "WRA_Guest1_000", "WRA_Guest2_000", "WRA_Guest2_001", "WRA_Guest2_002",
]  # fmt: skip
"""The clips of the demo's tables."""

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}"
"""Text that a page, a script or a template would execute if it was not escaped."""


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON lines of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def copy_raws(finished: Finished, out: Path, *stems: str) -> None:
    """Copy source videos of a finished directory into a new one, where a run finds them."""
    (out / "_videos_raw").mkdir(parents=True)
    for stem in stems:
        shutil.copy(finished.out / "_videos_raw" / f"{stem}.mp4", out / "_videos_raw")


def write_files(root: Path, files: dict[str, str]) -> None:
    """Write files below a directory."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def video_job(number: int, clips: int = 2) -> VideoJob:
    """Return a video with some clips."""
    video = Video("RD", f"Speaker{number}", f"{number:011d}", 720)
    boxed = [Clip(video, index, Interval(index, index + 0.5), Box(0, 0, 64, 64)) for index in range(clips)]
    return VideoJob((video,), tuple(boxed))
