"""Cost of one extraction (``yt-dlp -J``) in CPU time and memory, through the full mock.

    python benchmarks/extraction.py [--yt-dlp PROGRAM] [--runs N]

For a guest and for a signed-in user, with a player script of the size of YouTube's (2.7 MB, which deno parses
to solve a challenge), and without any JavaScript runtime. CPU time is that of yt-dlp and deno. Memory is
their total at its peak, sampled every 20 ms, with shared pages counted once.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.to_thread import run_sync

from hdtf_async import demo
from hdtf_async.demo import Conditions
from hdtf_async.demo.account import COOKIES

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from rendering import draw

SCRIPT_BYTES = 2_700_000
FILM = demo.Film("costsFilm_1", "A second of talk", 1, heights=(240,))
ROW = "{:28} {:>6} {:>6} {:>6} {:>5}"


@dataclass(frozen=True)
class Cost:
    """Cost of one extraction."""

    cpu: float
    """CPU seconds of yt-dlp and deno."""
    wall: float
    """Elapsed seconds."""
    together: int
    """Peak memory in bytes."""
    deno: bool
    """Whether deno has solved a challenge."""


def memory_of(pid: int) -> int:
    """Return the memory of a process and its children, in bytes."""
    total, below = 0, [pid]
    while below:
        each = below.pop()
        try:
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="ascii")
            for task in Path(f"/proc/{each}/task").iterdir():
                below += map(int, (task / "children").read_text(encoding="ascii").split())
        except OSError:
            continue  # it has just ended
        found = re.search(r"^Pss: +(\d+) kB$", rollup, re.MULTILINE)
        total += int(found[1]) * 1024 if found else 0
    return total


def once(argv: list[str], environment: dict[str, str]) -> Cost:
    """Run a program and measure its cost."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun, most = time.monotonic(), 0
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=log) as child,
    ):
        while child.poll() is None:
            most = max(most, memory_of(child.pid))
            time.sleep(0.02)
        wall = time.monotonic() - begun
        log.seek(0)
        stderr = log.read()
    if child.returncode:
        raise SystemExit(stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall, most, "Running deno" in stderr)


def measure(site: demo.FullMock, program: list[str], directory: Path, runs: int) -> None:
    """Measure each case, and print a line for it."""
    cookies = directory / "cookies.txt"
    cookies.write_text(COOKIES, encoding="utf-8")
    argv = [*program, "--ignore-config", "--no-update", "--verbose", "--proxy", site.proxy]
    argv += shlex.split(site.yt_dlp_args)
    argv += ["-J", f"https://www.youtube.com/watch?v={FILM.youtube_id}"]
    ways = {
        "guest, no JavaScript runtime": ["--no-js-runtimes"],
        "guest": [],
        "signed in": ["--cookies", str(cookies)],
    }
    print(ROW.format("", "CPU s", "wall s", "MB", "deno"))
    for name, more in ways.items():
        costs = [once([*argv, *more], os.environ | site.environment) for _ in range(runs)]
        print(
            ROW.format(
                name,
                f"{statistics.median(cost.cpu for cost in costs):.2f}",
                f"{statistics.median(cost.wall for cost in costs):.2f}",
                f"{statistics.median(cost.together for cost in costs) / 1e6:.0f}",
                "yes" if all(cost.deno for cost in costs) else "no",
            )
        )


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--yt-dlp", type=Path, metavar="PROGRAM", help="default: the installed one")
    parser.add_argument("--runs", type=int, default=5, help="per case; the median is printed")
    args = parser.parse_args()
    program = [sys.executable, "-m", "yt_dlp"] if args.yt_dlp is None else [str(args.yt_dlp)]
    with tempfile.TemporaryDirectory(prefix="extraction-") as temporary:
        directory = Path(temporary)
        await draw(directory, [FILM])
        async with demo.full_mock(directory, {}, Conditions(script_bytes=SCRIPT_BYTES)) as site:
            version = await anyio.run_process([*program, "--version"])
            print(f"yt-dlp {version.stdout.decode().strip()}")
            await run_sync(measure, site, program, directory, args.runs)


if __name__ == "__main__":
    anyio.run(main)
