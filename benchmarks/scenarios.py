"""Run every scenario of the tests: the outcome of downloads that fail in different ways, as a table.

    python benchmarks/scenarios.py [WORD ...]

With words, only scenarios whose names contain one of them. All of them take some minutes, because yt-dlp
waits between its own retries.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from scenarios import SCENARIOS, Outcome, play, render

ROW = "{:45.45} {:19} {:>5} {:>4} {:>6} {:>5} {:>7}  {}"


def shown(outcome: Outcome) -> str:
    """Return the row of one scenario."""
    lines = outcome.words.splitlines()
    return ROW.format(
        outcome.scenario.name, outcome.ends or "nothing", outcome.tries, outcome.exit_code, outcome.asked,
        outcome.fetched, outcome.twice, lines[-1][:110] if lines else "",
    ) + "".join(f"\n    NOT AS EXPECTED: {wrong}" for wrong in outcome.wrong)  # fmt: skip


async def main(names: list[str]) -> None:
    """Run and print."""
    chosen = [scene for scene in SCENARIOS if not names or any(word in scene.name for word in names)]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="scenarios-") as temporary:
        await render(Path(temporary) / "footage")
        outcomes = await play(chosen, Path(temporary) / "footage", Path(temporary))
    print(
        ROW.format(
            "scenario", "reason or format", "tries", "exit", "player", "media", "twice", "error message"
        )
    )
    for outcome in outcomes:
        print(shown(outcome))
    wrong = sum(bool(outcome.wrong) for outcome in outcomes)
    print(f"\n{len(outcomes)} scenarios, {wrong} not as expected, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:])
