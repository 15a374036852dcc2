"""The program as a user starts it: its terminal output, its reaction to signals, and the demo command."""

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
from command_line import job, slow_ffmpeg, until
from screen import Screen
from shared import QUICK_WORDS, children, copy_raws, lines, long_unless

from hdtf_async import Options, demo
from hdtf_async.cli import main

if TYPE_CHECKING:
    from shared import Finished


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    long_unless([(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], [(signal.SIGINT, 130)]),
)
async def test_a_signal_ends_the_run_and_no_process_or_file_is_left(
    number: signal.Signals, code: int, finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """No child and no temporary file is left; it prints that the same command continues, and it does."""
    before, out = children(), tmp_path / "clips"
    words = job(finished, site, out, "--video", "Radio2", "--json", *QUICK_WORDS)
    slow = [*words, *slow_ffmpeg(tmp_path)]
    with subprocess.Popen(slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        until(iter(run.stdout), "encode_started")
        run.send_signal(number)
        if number is signal.SIGINT:  # after the first one encodes may finish, which takes too long here
            until(iter(run.stdout), "winding_down")
            run.send_signal(number)
        told = run.stderr.read()
    assert run.returncode == code
    assert "same command to resume" in told
    assert sorted(children()) == sorted(before)
    assert [path.name for path in out.rglob(".*")] == []
    # The source video exists: the rest needs no network.
    offline = [word for word in words if not word.startswith("--yt-dlp-args")]
    again = subprocess.run([*offline, "--yt-dlp-args=--never-asked"], check=False, capture_output=True)
    assert again.returncode == 0


@pytest.mark.slow
async def test_the_first_interrupt_lets_running_encodes_finish(
    finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """The running encode is finished, no other is started, and the exit code names the interrupt."""
    before, out = children(), tmp_path / "clips"
    words = job(finished, site, out, "--video", "Guest2", "--encodes", "1", "--json", *QUICK_WORDS)
    words += slow_ffmpeg(tmp_path, speed=0.5)
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
    (line,) = (out / "metadata.jsonl").read_text().splitlines()
    assert (out / json.loads(line)["file_name"]).stat().st_size == json.loads(line)["bytes"]
    assert sorted(children()) == sorted(before)


CONTROLLED = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes its stdin the terminal whose keys send signals, and executes another program."""


class Terminal:
    """A pseudo-terminal of 80 columns, and what a program has written to it."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (24, 80))
        self.shown = b""

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Start a program that it controls."""
        words, slave = [sys.executable, "-c", CONTROLLED, *words], self.slave
        return subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self.master, key)

    def read_until(self, text: bytes) -> None:
        """Read until a text has been written."""
        while text not in self.shown:
            self.shown += os.read(self.master, 1 << 16)

    def close(self) -> None:
        """Read the rest, and close it."""
        os.set_blocking(self.master, False)
        with suppress(BlockingIOError):
            self.shown += os.read(self.master, 1 << 16)
        os.close(self.slave)
        os.close(self.master)


@pytest.mark.slow
async def test_ctrl_c_stops_gently_then_at_once_and_restores_the_terminal(
    finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """The first press prints what a second one does; terminal mode, cursor and line are restored."""
    before, out, terminal = children(), tmp_path / "clips", Terminal()
    modes = termios.tcgetattr(terminal.slave)
    words = [*job(finished, site, out, "--video", "Radio2", *QUICK_WORDS), *slow_ffmpeg(tmp_path)]
    with terminal.start([*words, "--log-level", "info"]) as run:
        terminal.read_until(b"1 running")  # encodes: there is only one film
        terminal.read_until(b"source video ready")
        terminal.press(b"\x03")
        terminal.read_until(b"to quit now")
        terminal.press(b"\x03")
        terminal.read_until(b"same command to resume")
    assert run.returncode == 130
    assert termios.tcgetattr(terminal.slave) == modes
    terminal.close()
    assert b"\x1b[?" not in terminal.shown  # no screen mode was changed, including the hidden cursor
    assert terminal.shown.endswith(b"same command to resume.\r\n")
    assert b"Traceback" not in terminal.shown
    assert sorted(children()) == sorted(before)
    assert [path.name for path in out.rglob(".*")] == []


@pytest.mark.slow
async def test_bars_fit_into_a_terminal_of_80_columns(
    finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """The screen ends with both bars full and the summary below them."""
    terminal = Terminal()
    with terminal.start(job(finished, site, tmp_path, "--video", "Radio2", *QUICK_WORDS)) as run:
        terminal.read_until(b"1 clip written")
    terminal.close()
    assert run.returncode == 0
    parts = re.split(r"[\r\n]|\x1b\[[0-9]*[A-Z]", terminal.shown.decode())
    bars = [part for part in parts if part.startswith(("videos", "clips"))]
    assert bars
    assert max(map(len, bars)) < 80
    assert any("1/1" in part and "videos" in part for part in bars)


@pytest.mark.slow
async def test_a_stopped_terminal_stops_only_its_output(
    finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """After Ctrl-S the clip is still made; after Ctrl-Q the end is printed and the exit code returned."""
    terminal, metadata = Terminal(), tmp_path / "metadata.jsonl"
    with terminal.start(job(finished, site, tmp_path, "--video", "Radio2", *QUICK_WORDS)) as run:
        terminal.read_until(b"videos")
        terminal.press(b"\x13")
        while not (metadata.exists() and metadata.read_text()):
            await anyio.sleep(0.05)
        assert run.poll() is None
        assert b"written" not in terminal.shown
        terminal.press(b"\x11")
        terminal.read_until(b"1 clip written")
    terminal.close()
    assert run.returncode == 0
    screen = Screen()
    screen.feed(terminal.shown.decode())
    assert screen.lines[0].startswith("videos    1/1")
    assert [line[:6] for line in screen.lines].count("videos") == 1


@pytest.mark.slow
async def test_without_a_terminal_plain_lines_are_printed(
    finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """No bars, no control characters; the summary is on stdout."""
    copy_raws(finished, tmp_path, "RD_Radio2")
    words = job(finished, site, tmp_path, "--video", "Radio2", *QUICK_WORDS)
    run = subprocess.run(words, check=True, capture_output=True, text=True)
    assert run.stdout.startswith("1 clip written")
    assert not any(ord(sign) < 32 and sign != "\n" for sign in run.stdout + run.stderr)


@pytest.mark.slow
async def test_json_output_is_one_object_per_line(
    finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """From the first event to the last, and no other output on stdout."""
    copy_raws(finished, tmp_path, "RD_Radio2")
    words = job(finished, site, tmp_path, "--video", "Radio2", *QUICK_WORDS, "--json")
    run = subprocess.run(words, check=True, capture_output=True, text=True)
    told = [json.loads(line) for line in run.stdout.splitlines()]
    assert (told[0]["type"], told[-1]["type"]) == ("run_started", "run_ended")
    assert "hdtf_async" not in run.stderr


@pytest.mark.slow
async def test_the_demo_command_runs_the_whole_job(tmp_path: Path) -> None:
    """It prints the command that users can run themselves, overlaps both lanes, survives a block, exits 0."""
    words = [sys.executable, "-m", "hdtf_async", "demo", "--out", str(tmp_path / "clips")]
    run = subprocess.run(words, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("10 clips written")
    shown = run.stderr.replace("\\\n", "").splitlines()
    typed = shlex.split(next(line for line in shown if "python -m hdtf_async" in line))
    assert typed[:5] == ["python", "-m", "hdtf_async", "--out", str(tmp_path / "clips")]
    closed = next(number for number, line in enumerate(shown) if line.startswith("Downloads paused for"))
    assert any(line.startswith("Downloads resumed after") for line in shown[closed:])
    overlap = re.search(r"overlapping .*? \((\d+)% of the shorter\)", run.stdout)
    assert overlap is not None, "the demo is there to show both lanes at work"
    assert int(overlap[1]) > 0


@pytest.mark.slow
async def test_the_demo_with_faults_recovers_from_what_is_temporary(tmp_path: Path) -> None:
    """The block and the damaged download are retried, and the private video explains exit code 1."""
    terminal, out = Terminal(), tmp_path / "clips"
    words = [sys.executable, "-m", "hdtf_async", "demo", "--faults", "--out", str(out)]
    with terminal.start(words) as run:
        terminal.read_until(b"Report:")
    terminal.close()
    assert run.returncode == 1
    screen = Screen()
    screen.feed(terminal.shown.decode())
    text = " ".join(line.strip() for line in screen.lines)
    assert "RD_Radio2 (1 clip): [private]" in text
    assert "Downloads paused for 2.0 s, then one test download: [refused]" in text
    assert "Downloads resumed after" in text
    assert "WRA_Guest1: [raw_unreadable]" in text
    assert "clips     9/10  |██████████▊ | 1 failed, " in text
    assert "9 clips written" in text
    assert "1 missing." in text
    assert re.search(r"Retried: (1 refused, 1 raw_unreadable|1 raw_unreadable, 1 refused)\.", text)
    assert "Exit code 1: the missing clips are permanently unavailable or need action." in text
    assert {each["clip"]: each["reason"] for each in lines(out / "failures.jsonl")} == {
        "RD_Radio2_000": "private"
    }
    assert len(lines(out / "metadata.jsonl")) == 9


def test_the_printed_command_of_the_demo_fits_80_columns(tmp_path: Path) -> None:
    """A shell splits the folded lines into the same arguments that the demo itself passes."""
    temporary = Path("/var/hdtf-mock-abcdefgh")  # of the usual length of its name
    site = demo.LightMock(player_port=40000, media_port=40001, ca=temporary / "ca.pem", pid=1)
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


@pytest.mark.slow
async def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither a child, such as the mock server, nor a temporary file; the same command resumes."""
    before = children()
    words = [sys.executable, "-m", "hdtf_async", "demo", "--out", str(tmp_path / "clips")]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stderr is not None
        assert run.stderr.readline().startswith("A mock YouTube server is running")
        run.send_signal(signal.SIGTERM)
        told = run.stderr.read()
    assert run.returncode == 143
    assert "same command to resume" in told
    assert sorted(children()) == sorted(before)
    assert [path.name for path in tmp_path.iterdir() if path.name != "clips"] == []


@pytest.mark.usefixtures("no_children")
def test_the_finished_demo_starts_no_process(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even the mock server: no request is needed."""
    assert main.main(["demo", "--out", str(finished.out)]) == 0
    assert capsys.readouterr().out.startswith("0 clips written (0.0 s, 0 B); 10 already present")
