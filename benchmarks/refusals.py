"""Forty videos; after the tenth YouTube answers "not a bot": requests meanwhile, and the end of the run.

    python benchmarks/refusals.py [--videos 40] [--after 10] [--pace 1] [--cool-down 5]

Three runs of the main command in one directory, with the real yt-dlp against the mock server. During the
first two the block lasts; in the third it has ended. The output is the one that users see.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import anyio

from hdtf_async import demo
from hdtf_async.cli.summaries import summary
from hdtf_async.demo import Answer, Conditions, Refusal

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import block_runs
from scenarios import render


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--after", type=int, default=10, help="videos that are answered before the block")
    parser.add_argument("--pace", type=float, default=1.0)
    parser.add_argument("--cool-down", type=float, default=5.0)
    return parser.parse_args()


def show(name: str, refused: block_runs.Refused, out: Path) -> None:
    """Print the result of one run."""
    print(f"\n== {name}")
    print("\n".join(refused.lines))
    print(summary(refused.report, out))
    player_requests = sum(request["method"] == "POST" for request in refused.requests)
    clips = ", ".join(f"{number} {what}" for what, number in refused.accounted.items())
    print(f"exit code {refused.report.exit_code:d}; {player_requests} player requests in all; clips: {clips}")
    for number, each in enumerate(refused.closed):
        videos = ", ".join(f"{video}: {times}" for video, times in each.asked.items()) or "none"
        print(
            f"paused for {each.ended - each.began:.1f} s (cool-down {each.after:g} s):"
            f" {each.asked.total()} player requests ({videos}), {each.fetched} media requests"
            + (", by running transfers, started attempts, and the test download" if not number else "")
        )


async def main(args: argparse.Namespace) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory(prefix="refusals-") as temporary:
        directory = Path(temporary)
        await render(directory / "footage")
        answers = block_runs.lay_out(directory, directory / "footage", args.videos, Answer())
        films = directory / "films"
        conditions = Conditions(refusal=Refusal(args.after))
        async with demo.light_mock(films, answers, conditions) as site:
            for name in ("first run", "second run, still blocked"):
                refused = await block_runs.run(site, directory, pace=args.pace, cool_down=args.cool_down)
                show(name, refused, directory / "clips")
        async with demo.light_mock(films, answers) as site:
            refused = await block_runs.run(site, directory, pace=args.pace, cool_down=args.cool_down)
            show("third run, no longer blocked", refused, directory / "clips")


if __name__ == "__main__":
    anyio.run(main, parse_arguments())
