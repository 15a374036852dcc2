"""Cost of JavaScript challenges: CPU seconds and memory of yt-dlp and deno, without YouTube's pages.

    python benchmarks/challenge.py [--runs 5] [--at-once 1 8] [--script 2600]

Three calls of the real yt-dlp, each a separate process with its children:

- `no JavaScript`: ``-J`` of a video of the demo against the mock server, where yt-dlp skips the player
  script;
- `test challenge`: the test of a run and of ``doctor``: deno solves a challenge of a player script of 1 KB;
- `large script`: the same with as many KB of code in the script as YouTube's has, which the solver must
  parse. It is the cost of yt-dlp and of the solver, without YouTube's pages and requests.

Memory is the proportional set size of all processes together, sampled every few milliseconds: shared pages
count once. CPU seconds are those of all processes. The last lines compare one cache directory (DENO_DIR) for
all parallel calls with one for each.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from hdtf_async import demo
from hdtf_async.youtube import javascript

YT_DLP = [
    *(
        sys.executable,
        "-P",
        "-m",
        "yt_dlp",
        "--ignore-config",
        "--no-update",
        "--no-cache-dir",
        "--no-warnings",
    ),
]
FILM = demo.FILMS[0]
LOOK = 0.005
"""Seconds between two samples of the memory."""


@dataclass(frozen=True)
class Cost:
    """Total cost of parallel calls."""

    seconds: float
    cpu: float
    memory: int
    """Peak memory in bytes."""


def run(argv: list[str], environments: list[dict[str, str]]) -> Cost:
    """Run a call once per environment, in parallel. Raises `RuntimeError` if one fails."""
    begun = time.perf_counter()
    children = [
        subprocess.Popen(
            argv, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for environment in environments
    ]
    running, most, cpu = {child.pid: child for child in children}, 0, 0.0
    while running:
        most = max(most, sum(map(_memory, _in_sessions({*running}))))
        for pid, child in [*running.items()]:
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if done:
                child.returncode = os.waitstatus_to_exitcode(status)
                cpu += usage.ru_utime + usage.ru_stime
                del running[pid]
        time.sleep(LOOK)
    seconds = time.perf_counter() - begun
    for child in children:
        stderr = child.stderr.read() if child.stderr else b""
        if child.returncode or stderr:
            raise RuntimeError(f"{shlex.join(argv)}: {stderr.decode(errors='replace')[-1000:]}")
    return Cost(seconds, cpu, most)


def _in_sessions(sessions: set[int]) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError, IndexError):
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) in sessions:
                found.append(int(entry.name))
    return found


def _memory(pid: int) -> int:
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def with_large_script(directory: Path, size: int) -> Path:
    """Write the plugin with a player script of this size in bytes; return its path."""
    target = directory / "plugins"
    (plugin,) = javascript.PLUGINS.rglob("hdtf_async_challenge.py")
    copy = target / plugin.relative_to(javascript.PLUGINS)
    copy.parent.mkdir(parents=True)
    function = (
        "var f{0}=function(a,b,c){{for(var d=0;d<a.length;d++)if(a[d]!==b&&c)"
        'b=g.h{0}(a[d],{0}),c=c?b.x["k{0}"]:{{y:[a,d,"{0:x}"]}};return b||c}};'
    )
    code = "".join(function.format(number) for number in range(size // len(function.format(10_000))))
    # The copy reads it at runtime: within its source, Python would parse it too.
    code_file = str(copy.with_name("_code.js"))
    Path(code_file).write_text(code, encoding="ascii")
    reading = f'PLAYER = PLAYER.replace("g.config", open({code_file!r}).read() + "g.config")'
    text = plugin.read_text(encoding="utf-8")
    copy.write_text(text.replace("PLAYER_URL =", f"{reading}\nPLAYER_URL ="), encoding="utf-8")
    return target


async def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--script", type=int, default=2600, help="KB of the large player script")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="challenge-") as temporary:
        place = Path(temporary)
        async with demo.light_mock(demo.FOOTAGE) as site:
            own = dict(os.environ) | site.environment
            plugins, large = javascript.PLUGINS, with_large_script(place, args.script * 1000)
            address = f"https://www.youtube.com/watch?v={FILM.youtube_id}"
            calls = {
                "no JavaScript": [*YT_DLP, *shlex.split(site.yt_dlp_args), "-J", "--", address],
                "test challenge": [*YT_DLP, "--plugin-dirs", str(plugins), "-J", "--", javascript.ADDRESS],
                "large script": [*YT_DLP, "--plugin-dirs", str(large), "-J", "--", javascript.ADDRESS],
            }
            shared = own | {"DENO_DIR": str(place / "shared")}
            for argv in calls.values():
                run(argv, [shared])  # warm-up, not measured
            print(f"{os.cpu_count()} CPUs, medians of {args.runs}; a large script is {args.script} KB")
            print(f"{'parallel':>8}  {'call':14}{'seconds':>9}{'CPU s':>8}{'MB':>7}{'MB each':>9}")
            for number in args.at_once:
                for name, argv in calls.items():
                    costs = [run(argv, [shared] * number) for _ in range(args.runs)]
                    memory = median(cost.memory for cost in costs) / 1e6
                    cpu = median(cost.cpu for cost in costs) / number
                    print(
                        f"{number:8}  {name:14}{median(cost.seconds for cost in costs):9.2f}"
                        f"{cpu:8.2f}{memory:7.0f}{memory / number:9.0f}"
                    )
            number = max(args.at_once)
            each = [own | {"DENO_DIR": str(place / f"own-{one}")} for one in range(number)]
            for name, environments in (("one for all", [shared] * number), ("one for each", each)):
                times = [run(calls["test challenge"], environments).seconds for _ in range(args.runs)]
                print(f"{number} parallel, DENO_DIR {name}: {median(times):.2f} s, at most {max(times):.2f}")


if __name__ == "__main__":
    anyio.run(main)
