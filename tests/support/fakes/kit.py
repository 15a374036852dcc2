"""The fake tools for tests and benchmarks: installation, and reading their logs."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fakes.stage import CONFIGURATION, LOG
from fakes.yt_dlp import LADDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hdtf_async.core.model import Clip

Kind = Literal["ask", "download", "encode", "version"]
"""Kind of a job: yt-dlp extracts or downloads a video, ffmpeg encodes a clip or prints its version."""

NETWORK, ENCODE = ("ask", "download"), ("encode",)
"""Kinds of jobs in each lane."""


@dataclass(frozen=True, slots=True)
class Footage:
    """A video of the fake yt-dlp."""

    seconds: float
    height: int
    """Height of its best format; the lower heights of YouTube are offered too."""


@dataclass(frozen=True, slots=True)
class Times:
    """The duration of jobs in seconds: a constant part, and one in proportion to the size of the job."""

    ask: tuple[float, float] = (0.0, 0.0)
    download: tuple[float, float] = (0.0, 0.0)
    """The second number is per byte."""
    encode: tuple[float, float] = (0.0, 0.0)
    """The second number is per second of the clip."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault of one job."""

    words: str = ""
    """Its message on stderr."""
    code: int = 1
    """Its exit code; with 0 it reports success."""
    leaves: Literal["whole", "short", "nothing"] = "whole"
    """The file that it leaves if its code is 0: "short" has half of a video's bytes or of a clip's frames."""
    times: int | None = None
    """How many jobs of this kind and subject fail, from the first; None for all."""
    seconds: float | None = None
    """Its duration until it fails; None for the usual duration."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a fake tool, from the log; times are monotonic seconds."""

    kind: str
    subject: str
    """YouTube id, or stem of the clip."""
    process: int
    begun: float
    ended: float
    """Infinite if the job was killed."""
    code: int | None
    """Exit code; None if the job was killed."""


@dataclass(frozen=True, slots=True)
class Fakes:
    """The installed tools."""

    yt_dlp: Path
    ffmpeg: Path
    stage: Path
    """Directory of the configuration and the log."""

    def jobs(self, kinds: Iterable[str] | None = None) -> list[Job]:
        """Return the jobs of some kinds (by default of all) in the order of their starts."""
        log = self.stage / LOG
        begun: dict[tuple[str, str], tuple[str, float]] = {}
        done: list[Job] = []
        for line in log.read_text("utf-8").splitlines() if log.exists() else ():
            what, kind, process, at, subject, *code = line.split()
            if what == "begin":
                begun[kind, process] = (subject, float(at))
            else:
                since = begun.pop((kind, process))[1]
                done.append(Job(kind, subject, int(process), since, float(at), int(code[0])))
        killed = (
            Job(kind, subject, int(process), since, float("inf"), None)
            for (kind, process), (subject, since) in begun.items()
        )
        wanted = None if kinds is None else set(kinds)
        jobs = [job for job in (*done, *killed) if wanted is None or job.kind in wanted]
        return sorted(jobs, key=lambda job: job.begun)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The configuration of the tools."""

    videos: Mapping[str, Footage]
    """YouTube id to its footage."""
    rate: tuple[int, int] = (25, 1)
    """Frame rate of every video, as a fraction."""
    bits_per_line: int = 1500
    """Bit rate in bits per second per pixel of height: 1.6 Mb/s at 1080p."""
    times: Times = Times()
    gather: Mapping[Kind, int] = field(default_factory=dict)
    """Kind to the number of jobs that wait for each other once, so that this number is reached."""
    faults: Mapping[tuple[Kind, str], Fault] = field(default_factory=dict)
    """Kind of job and subject (YouTube id, or stem of the clip) to the job's fault."""


def install(directory: Path, stage: Stage) -> Fakes:
    """Write the two programs and their configuration into an existing directory."""
    stated = asdict(stage) | {
        "faults": {f"{kind} {subject}": asdict(fault) for (kind, subject), fault in stage.faults.items()}
    }
    (directory / CONFIGURATION).write_text(json.dumps(stated), "utf-8")
    return Fakes(_program(directory, "yt_dlp"), _program(directory, "ffmpeg"), directory)


def _program(directory: Path, name: str) -> Path:
    """Write a launcher; a ``#!`` line allows no long path and no space, so a shell calls Python."""
    code = (
        "import time; begun = time.monotonic(); import os, sys;"
        f" sys.path.insert(0, {str(Path(__file__).parent.parent)!r});"
        f" from fakes.{name} import main; os._exit(main({str(directory)!r}, begun, sys.argv[1:]))"
    )
    program = directory / name
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS -c {shlex.quote(code)} "$@"\n', "utf-8"
    )
    program.chmod(0o755)
    return program


def footage(clips: Iterable[Clip]) -> dict[str, Footage]:
    """Return footage for the clips: each video is 7 s longer than its last clip."""
    found: dict[str, Footage] = {}
    for clip in clips:
        youtube_id = clip.video.youtube_id
        # No format has the heights 714 and 700; where the tables have no height, 720 is used.
        height = next(lines for lines, *_ in LADDER if lines >= (clip.video.reference_height or 720))
        seconds = clip.interval.end + 7
        before = found.get(youtube_id, Footage(seconds, height))
        found[youtube_id] = Footage(max(seconds, before.seconds), max(height, before.height))
    return found


def peak(jobs: Iterable[Job]) -> int:
    """Return how many of the jobs ran at the same time at most."""
    steps = sorted(
        step for job in jobs for step in ((job.begun, 1), (job.ended, -1))
    )  # at equal times an end is before a start
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def busy(jobs: Iterable[Job]) -> float:
    """Return for how many seconds at least one of the jobs was running."""
    seconds, until = 0.0, -float("inf")
    for job in sorted(jobs, key=lambda job: job.begun):
        seconds += max(0.0, job.ended - max(job.begun, until))
        until = max(until, job.ended)
    return seconds
