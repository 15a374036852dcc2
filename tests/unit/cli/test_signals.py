"""Signals that the parent process ignores do not end a run under `nohup` or in the background."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from command_line import job, until
from shared import QUICK_WORDS

if TYPE_CHECKING:
    from pathlib import Path

    from shared import Finished

    from hdtf_async import demo

WAITING = """
import sys
import anyio
from hdtf_async.cli.signals import until_signal

async def work(_gently):
    print("ready", flush=True)
    while True:
        await anyio.wait_readable(sys.stdin)
        if not sys.stdin.readline():
            return 7
        print("still here", flush=True)

sys.exit(until_signal(work))
"""
"""A command that answers each line, and exits with 7 at the end of its input."""
IGNORING = {
    "nohup": (["nohup"], {signal.SIGHUP}),
    "in the background": (["sh", "-c", 'trap "" INT; exec "$@"', "sh"], {signal.SIGINT}),
    "both": (["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh"], {signal.SIGINT, signal.SIGHUP}),
    "neither": ([], set[signal.Signals]()),
}


def _codes() -> dict[signal.Signals, int]:
    return {signal.SIGINT: 130, signal.SIGHUP: 129, signal.SIGTERM: 143}


@pytest.mark.parametrize("number", _codes(), ids=lambda number: number.name)
@pytest.mark.parametrize("parent", IGNORING)
def test_a_signal_that_the_parent_ignores_stays_ignored(parent: str, number: signal.Signals) -> None:
    """SIGINT and SIGHUP; SIGTERM always ends the command, and so does each signal that is not ignored."""
    before, ignored = IGNORING[parent]
    with subprocess.Popen(
        [*before, sys.executable, "-c", WAITING],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(number)
        if number in ignored:
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "still here\n"
            child.stdin.close()
        code = child.wait()
    assert code == (7 if number in ignored else _codes()[number])


@pytest.mark.slow
async def test_a_run_under_nohup_outlives_its_terminal(
    finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """The main job: SIGHUP has no effect, and the clip is made."""
    command = [
        "nohup",
        *job(finished, site, tmp_path, "--video", "Radio2", "--json", *QUICK_WORDS),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        until(iter(run.stdout), "download_started")
        run.send_signal(signal.SIGHUP)
        rest = run.stdout.read()
    assert run.returncode == 0
    assert '"clip_done"' in rest
