"""Tools that print wrong results, flood, hang or ignore signals: the outcome in both lanes, and the cost."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes import kit
from kill_checks import is_temporary, listed
from shared import children

import hdtf_async
from hdtf_async import ExitCode, Options, Reason
from hdtf_async.dataset import plan, tables
from hdtf_async.media import ffmpeg
from hdtf_async.process import supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


FLOOD = """
import resource, sys, anyio
from hdtf_async.core import redact as masks
from hdtf_async.process import supervisor as process

async def flood(script, most):
    hide = masks.Mask(["a password", "another one"])
    command = process.Command(["/bin/sh", "-c", script], redact=hide)
    ended = await process.run(command, deadline=3000, stall=3000)
    assert ended.code == 0 and len(ended.stderr) <= process.TAIL_LINES * process.MESSAGE_LIMIT
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

script = "head -c {0} /dev/zero & head -c {0} /dev/urandom >&2; yes 'a line' | head -c {0}; wait"
before = anyio.run(flood, script.format(1_000_000), 0)
print(anyio.run(flood, script.format(sys.argv[1]), 0) - before)
"""


def grown(size: int) -> float:
    """Flood a new supervisor with a number of bytes three times; return its growth in MB."""
    ran = subprocess.run([sys.executable, "-c", FLOOD, str(size)], check=True, capture_output=True, text=True)
    return int(ran.stdout) * (1 if sys.platform == "darwin" else 1024) / 1e6


@pytest.mark.slow
def test_floods_do_not_make_the_supervisor_grow() -> None:
    """Zeros without a line end, noise, and lines without end: 15 MB of each."""
    assert grown(15_000_000) < 8


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_gigabytes_do_not_make_the_supervisor_grow() -> None:
    """The same with two gigabytes of each."""
    assert grown(2_000_000_000) < 8


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten all waits."""
    monkeypatch.setattr(supervisor, "GRACE", 0.3)
    monkeypatch.setattr(supervisor, "LINGER", 0.2)
    monkeypatch.setattr(ffmpeg, "STALL", 2.0)


FORKS = "sleep 600 & sleep 600 & "
DEAF = "trap '' TERM; "
HANGS = "while :; do sleep 600; done"
WHOLE = '"$real" "$@"'
LIES: dict[str, tuple[str, Reason | None, Reason | None]] = {
    "hangs": (f"{FORKS}{HANGS}", Reason.STALLED, Reason.ENCODE_STALLED),
    "hangs and ignores TERM": (f"{DEAF}{FORKS}{HANGS}", Reason.STALLED, Reason.ENCODE_STALLED),
    "closes its output and hangs": (f"exec >&- 2>&-; {FORKS}{HANGS}", Reason.STALLED, Reason.ENCODE_STALLED),
    # A download of the promised size exists then: the second try finds and checks it.
    "does all and hangs": (f"{WHOLE}; {DEAF}{HANGS}", None, Reason.ENCODE_STALLED),
    "does all, closes its output and hangs": (
        f"{WHOLE}; exec >&- 2>&-; {DEAF}{HANGS}",
        None,
        Reason.ENCODE_STALLED,
    ),
    "talks and does nothing": (
        r"while :; do printf 'PROG {}\rframe=1\n'; sleep 0.1; done",
        Reason.STALLED,
        Reason.ENCODE_STALLED,
    ),
    "goes on beyond the end": (
        'n=1; while :; do n=$((n + 1)); echo "out_time_us=${n}00000000"; sleep 0.1; done',
        Reason.STALLED,
        Reason.ENCODE_STALLED,
    ),
    "does all and says 1": (f"{WHOLE}; exit 1", Reason.UNKNOWN, Reason.TOOL_FAILED),
    "does all and is killed": (f"{WHOLE}; kill -KILL $$", Reason.UNKNOWN, Reason.TOOL_FAILED),
    "does nothing and says 0": ("exit 0", Reason.RAW_TRUNCATED, Reason.CLIP_WRONG),
    "is all noise": (
        r"printf '\377\376\000PROG {'; printf 'half a line \377' >&2",
        Reason.RAW_TRUNCATED,
        Reason.CLIP_WRONG,
    ),
    "does all and leaves others behind": (f"{FORKS}{WHOLE}", None, None),
    "tells the truth": (WHOLE, None, None),
}
"""A tool's behaviour as a shell script, and the outcome: as yt-dlp, and as ffmpeg."""


def liar(path: Path, real: Path, key: str, scripts: Mapping[str, str]) -> Path:
    """Write a tool that runs a script chosen by a word in the expansion of `key`, or works normally."""
    cases = "\n".join(f"*{key_word}*)\n{script}\n;;" for key_word, script in scripts.items())
    path.write_text(
        f'#!/bin/sh\nreal={shlex.quote(str(real))}\ncase "{key}" in\n{cases}\n*) exec {WHOLE} ;;\nesac\n'
    )
    path.chmod(0o755)
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("which", ["yt_dlp", "ffmpeg"])
async def test_a_wrong_tool_output_affects_only_its_own_clip(tmp_path: Path, which: str) -> None:
    """No output is trusted, no run hangs, no process or file is left, and the next run makes the clips."""
    read = tables.read(None)
    fakes = kit.install(tmp_path, kit.Stage(videos=kit.footage(read.clips), rate=(5, 1), bits_per_line=8))
    options = Options(
        yt_dlp=fakes.yt_dlp, ffmpeg=fakes.ffmpeg, pace=0, retry_wait=0, min_free=0, stall_timeout=2,
        downloads=len(LIES), encodes=len(LIES), limit=len(LIES), subsets=("WDA",),
    )  # fmt: skip
    jobs = plan.make(read, options, there={}, failed={}).jobs
    due = {job.clips[0].stem: lie for job, lie in zip(jobs, LIES.values(), strict=True)}
    # By the download's private directory, whose name ends in that word, and by the name of a clip.
    by_directory = {f"{stem[:-4]}.download+--load-info-json": script for stem, (script, *_) in due.items()}
    by_name = {f"{stem}.mp4": script for stem, (script, *_) in due.items()}
    tool = (
        liar(tmp_path / "liar", fakes.yt_dlp, "$PWD+$4", by_directory)
        if which == "yt_dlp"
        else liar(tmp_path / "liar", fakes.ffmpeg, "$*", by_name)
    )
    before, out = sorted(children()), tmp_path / "out"

    report = await hdtf_async.download(out, replace(options, **{which: tool}))  # type: ignore[arg-type]

    assert sorted(children()) == before
    assert not [name for name in listed(out) if is_temporary(name) and name.endswith(".mp4")]
    place = 1 if which == "yt_dlp" else 2
    hit = {clip.stem: due[job.clips[0].stem][place] for job in jobs for clip in job.clips}
    if which == "ffmpeg":
        hit |= dict.fromkeys(hit.keys() - due.keys())
    assert report.failed == {stem: reason for stem, reason in hit.items() if reason}
    assert sorted(report.done) == sorted(stem for stem, reason in hit.items() if not reason)
    again = await hdtf_async.download(out, options)
    assert (again.exit_code, sorted(again.done)) == (ExitCode.DONE, sorted(report.failed))
