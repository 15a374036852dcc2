"""The program as a person starts it: what a terminal shows, what signals do, and the demo command."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from screen import Screen
from shared import children

from hdtf_async import Options, demo
from hdtf_async.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared import Finished


def job(finished: Finished, site: demo.StandIn, out: Path, *more: str) -> list[str]:
    """Return a command line of the main job on the demo's tables."""
    return [
        *(sys.executable, "-m", "hdtf_async", "--out", str(out), "--source", str(finished.options.source)),
        *("--pace", "0", f"--yt-dlp-args={site.yt_dlp_args}", *more),
    ]


def until(lines: Iterator[str], kind: str) -> None:
    """Read JSON lines up to an event of a kind."""
    for line in lines:
        if json.loads(line)["type"] == kind:
            return
    raise AssertionError(f"no {kind} was told")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
async def test_a_signal_ends_the_run_and_leaves_nothing_behind(
    number: signal.Signals, code: int, finished: Finished, site: demo.StandIn, tmp_path: Path
) -> None:
    """No child, no temporary file; it says that the same command goes on, and it does."""
    before = children()
    words = job(finished, site, tmp_path, "--video", "Radio1", "--json", "--preset", "veryslow", "--crf", "0")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        until(iter(run.stdout), "encode_started")
        run.send_signal(number)
        if number is signal.SIGINT:  # the first one lets encodes finish, which takes too long here
            until(iter(run.stdout), "winding_down")
            run.send_signal(number)
        told = run.stderr.read()
    assert run.returncode == code
    assert "same command to resume" in told
    assert sorted(children()) == sorted(before)
    assert [path.name for path in tmp_path.rglob(".*")] == []
    # The raw is there: the rest needs no network.
    offline = [word for word in words if not word.startswith("--yt-dlp-args")]
    again = subprocess.run(
        [*offline, "--yt-dlp-args=--never-asked"], check=False, capture_output=True, timeout=90
    )
    assert again.returncode == 0


async def test_the_first_interrupt_lets_running_encodes_finish(
    finished: Finished, site: demo.StandIn, tmp_path: Path
) -> None:
    """What was being encoded is there, nothing else was begun, and the exit code tells of the interrupt."""
    before = children()
    words = job(finished, site, tmp_path, "--encodes", "1", "--json", "--preset", "slow")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        told = iter(run.stdout)
        until(told, "encode_started")
        run.send_signal(signal.SIGINT)
        events = [json.loads(line) for line in told]
        words_of_it = run.stderr.read()
    assert run.returncode == 130
    assert "Run the same command to resume" in words_of_it
    kinds = [event["type"] for event in events]
    (winding_down,) = [event for event in events if event["type"] == "winding_down"]
    assert winding_down["encodes"] == kinds.count("clip_done") == 1
    assert "encode_started" not in kinds[kinds.index("winding_down") :]
    (line,) = (tmp_path / "metadata.jsonl").read_text().splitlines()
    assert (tmp_path / json.loads(line)["file_name"]).stat().st_size == json.loads(line)["bytes"]
    assert sorted(children()) == sorted(before)


TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes its stdin the terminal whose keys send signals, and becomes another program."""


async def test_ctrl_c_on_a_terminal_ends_gently_then_at_once_and_leaves_it_as_it_was(
    finished: Finished, site: demo.StandIn, tmp_path: Path
) -> None:
    """The first says what a second one does; keys, cursor and line are as before, and no child reads them."""
    before = children()
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    modes = termios.tcgetattr(slave)
    words = job(finished, site, tmp_path, "--video", "Radio1", "--preset", "veryslow", "--crf", "0")
    words = [sys.executable, "-c", TERMINAL, *words, "--log-level", "info"]
    shown = b""

    def read_until(sign: bytes) -> None:
        nonlocal shown
        while sign not in shown:
            shown += os.read(master, 1 << 16)

    with subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True) as run:
        read_until(b"1 running")  # encodes, as one film is all
        read_until(b"source video ready")
        os.write(master, b"\x03")
        read_until(b"to quit now")
        os.write(master, b"\x03")
        read_until(b"same command to resume")
    assert run.returncode == 130
    assert termios.tcgetattr(slave) == modes
    os.set_blocking(master, False)
    with suppress(BlockingIOError):
        shown += os.read(master, 1 << 16)
    os.close(slave)
    os.close(master)
    assert b"\x1b[?" not in shown  # no mode of the screen was changed, the hidden cursor is one
    assert shown.endswith(b"same command to resume.\r\n")
    assert b"Traceback" not in shown
    assert sorted(children()) == sorted(before)
    assert [path.name for path in tmp_path.rglob(".*")] == []


async def test_bars_keep_within_a_terminal_of_80_columns(
    finished: Finished, site: demo.StandIn, tmp_path: Path
) -> None:
    """The screen ends with both bars full and the summary below them."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    words = job(finished, site, tmp_path, "--video", "Radio2", "--preset", "ultrafast")
    with subprocess.Popen(words, stdout=slave, stderr=slave) as run:
        os.close(slave)
        shown = b""
        while True:
            try:
                shown += os.read(master, 1 << 16)
            except OSError:  # the other end is closed
                break
    os.close(master)
    assert run.returncode == 0
    parts = re.split(r"[\r\n]|\x1b\[[0-9]*[A-Z]", shown.decode())
    drawn = [part for part in parts if part.startswith(("videos", "clips"))]
    assert drawn
    assert max(map(len, drawn)) <= 80
    assert any("1/1" in part and "videos" in part for part in drawn)
    assert "1 clip written" in shown.decode()


async def test_a_stopped_terminal_stops_nothing_but_what_it_shows(
    finished: Finished, site: demo.StandIn, tmp_path: Path
) -> None:
    """After Ctrl-S the clip is made all the same; after Ctrl-Q the end is told, and the exit code comes."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    words = job(finished, site, tmp_path, "--video", "Radio2", "--preset", "ultrafast")
    words = [sys.executable, "-c", TERMINAL, *words]
    metadata = tmp_path / "metadata.jsonl"
    with subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True) as run:
        shown = b""
        while b"videos" not in shown:
            shown += os.read(master, 1 << 16)
        os.write(master, b"\x13")
        while not (metadata.exists() and metadata.read_text()):
            await anyio.sleep(0.05)
        assert run.poll() is None
        assert b"written" not in shown
        os.write(master, b"\x11")
        while b"1 clip written" not in shown:
            shown += os.read(master, 1 << 16)
    os.close(slave)
    os.close(master)
    assert run.returncode == 0
    screen = Screen()
    screen.feed(shown.decode())
    assert screen.lines[0].startswith("videos    1/1")
    assert [line[:6] for line in screen.lines].count("videos") == 1


async def test_without_a_terminal_there_are_plain_lines(
    finished: Finished, site: demo.StandIn, tmp_path: Path
) -> None:
    """No bars, no control characters; the summary is on stdout."""
    words = job(finished, site, tmp_path, "--video", "Radio2", "--preset", "ultrafast")
    run = subprocess.run(words, check=True, capture_output=True, text=True, timeout=90)
    assert run.stdout.startswith("1 clip written")
    assert not any(ord(sign) < 32 and sign != "\n" for sign in run.stdout + run.stderr)


async def test_json_is_one_object_a_line(finished: Finished, site: demo.StandIn, tmp_path: Path) -> None:
    """From the first event to the last, and nothing else on stdout."""
    words = job(finished, site, tmp_path, "--video", "Radio2", "--preset", "ultrafast", "--json")
    run = subprocess.run(words, check=True, capture_output=True, text=True, timeout=90)
    told = [json.loads(line) for line in run.stdout.splitlines()]
    assert (told[0]["type"], told[-1]["type"]) == ("run_started", "run_ended")
    assert "hdtf_async" not in run.stderr


async def test_the_demo_command_does_the_whole_job(footage: Path, tmp_path: Path) -> None:
    """It prints the command that any user could type, and ends with 0; again it finds everything there."""
    words = ["demo", "--out", str(tmp_path / "clips"), "--footage", str(footage)]
    run = subprocess.run(
        [sys.executable, "-m", "hdtf_async", *words], check=False, capture_output=True, text=True, timeout=110
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("10 clips written")
    shown = run.stderr.replace("\\\n", "").splitlines()
    typed = shlex.split(next(line for line in shown if "python -m hdtf_async" in line))
    assert typed[:5] == ["python", "-m", "hdtf_async", "--out", str(tmp_path / "clips")]
    overlap = re.search(r"overlapping .*? \((\d+)% of the shorter\)", run.stdout)
    assert overlap is not None, "the demo is there to show both lanes at work"
    assert int(overlap[1]) > 0


def test_what_the_demo_tells_to_type_fits_80_columns_and_is_one_command(tmp_path: Path) -> None:
    """A shell takes the folded words for the same that the demo itself hands over."""
    temporary = Path("/var/hdtf-stand-in-abcdefgh")  # as long as its name is, as a rule
    site = demo.StandIn(player_port=40000, media_port=40001, ca=temporary / "ca.pem", pid=1)
    told = site.typed(Path("demo"), Options(source=temporary / "tables", pace=0.5))
    assert max(map(len, told.splitlines())) <= 80
    (tmp_path / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "python").chmod(0o755)
    shell = told.partition("yourself:\n")[2]
    words = subprocess.run(
        ["/bin/sh", "-ec", shell], env={"PATH": str(tmp_path)}, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert words[-1] == f"--yt-dlp-args={site.yt_dlp_args}"
    assert words[-5:-1] == ["--pace", "0.5", "--source", str(temporary / "tables")]


@pytest.mark.parametrize("keeps", [False, True])
async def test_an_interrupt_while_the_demo_draws_promises_nothing(keeps: bool, tmp_path: Path) -> None:
    """It says which film it draws; only what was to be kept is there another time."""
    before = children()
    words = [sys.executable, "-m", "hdtf_async", "demo", "--out", str(tmp_path / "clips")]
    words += ["--footage", str(tmp_path / "footage")] if keeps else []
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert run.stderr.readline() == "Rendering video 1 of 6\n"
        run.send_signal(signal.SIGINT)
        told = run.stderr.read()
    assert run.returncode == 130
    assert ("same command to resume" in told) == keeps
    assert sorted(children()) == sorted(before)
    assert not (tmp_path / "clips").exists()


@pytest.mark.usefixtures("no_children")
def test_the_finished_demo_starts_no_process(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even the stand-in: there is nothing to ask it."""
    assert main.main(["demo", "--out", str(finished.out)]) == 0
    assert capsys.readouterr().out.startswith("0 clips written (0.0 s, 0 B); 10 already present")
