"""Bytes and wall time of `--fetch whole`, `sections` and `auto`, and whether their clips are the same.

    python benchmarks/sections.py [--videos 2] [--bandwidth 40]
    python benchmarks/sections.py --live [--video ID --start 100 --end 110]

Three lists against the mock server, over a line of some Mb/s: one clip of 3 to 20 s per video of ten minutes,
as in CelebV-HQ; six of 8 s in four minutes, as in VoxCeleb1; one of 167 s in 196 s, as in HDTF. Clips are
encoded with ``--codec lossless``, so that equal files are equal frames.

With ``--live`` the same runs query YouTube itself, for one clip: that YouTube answers byte ranges as the mock
server does is not proved before.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import media
import served
from shared import exported, lines

import hdtf_async
from hdtf_async import ClipRow, Options, demo

SETTINGS = {"crop": "none", "codec": "lossless", "preset": "ultrafast", "deinterlace": "off", "audio": "aac"}
LISTS: dict[str, tuple[int, tuple[list[tuple[float, float]], ...]]] = {
    "like CelebV-HQ": (600, ([(81.6, 86.2)], [(402.0, 420.0)], [(300.5, 304.0)])),
    "like VoxCeleb1": (240, ([(20 + 9 * n, 28 + 9 * n) for n in range(6)],)),
    "like HDTF": (196, ([(12.0, 179.0)],)),
}
"""Seconds of each video, and the intervals of its clips, which differ between the videos."""


@dataclass(frozen=True)
class Result:
    """One run."""

    clips: dict[str, str]
    """Name of each clip to the hash of its bytes."""
    seconds: float
    received: int
    """Bytes of source videos that arrived."""
    notes: str
    """The download logs."""


async def run(out: Path, fetch: str, rows: list[ClipRow], *, yt_dlp_args: str = "") -> Result:
    """Create the clips of a list in a new directory."""
    received, options = (
        0,
        Options(fetch=fetch, pace=0, yt_dlp_args=tuple(shlex.split(yt_dlp_args)), **SETTINGS),
    )
    begun = time.monotonic()
    async with hdtf_async.running(out, options, clips=rows) as events:
        async for event in events:
            if isinstance(event, hdtf_async.events.RawReady):
                received += event.bytes
    seconds = time.monotonic() - begun
    clips = {line["file_name"]: line["sha256"] for line in lines(out / "metadata.jsonl")}
    logs = (out / "_videos_raw").glob("*_log.txt")
    return Result(clips, seconds, received, "".join(path.read_text() for path in logs))


def footage(directory: Path, name: str, count: int) -> list[ClipRow]:
    """Let the mock server offer videos of the length of a list; return its rows."""
    seconds, intervals = LISTS[name]
    rows = []
    for kind, options in (("h264.mp4", served.MP4), ("aac.m4a", served.M4A)):
        minute = served.render(directory, kind, seconds=60, rate="25", size="1280x720")
        target = directory / name.replace(" ", "-") / kind
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            media.ffmpeg(
                directory,
                f"-v error -stream_loop -1 -i {minute.name} -t {seconds} -c copy {options}"
                f" {target.relative_to(directory)}",
            )
    for number in range(count):
        youtube_id = f"section{LISTS_NUMBER[name]}{number:03}"
        files = [target.parent / kind for kind in ("h264.mp4", "aac.m4a")]
        served.film(directory / "films", youtube_id, *files, seconds=seconds, fps=25)
        rows += [ClipRow(youtube_id, *each) for each in intervals[number % len(intervals)]]
    return rows


LISTS_NUMBER = {name: number for number, name in enumerate(LISTS)}


def show(name: str, fetch: str, found: Result, sent: int | None, whole: Result) -> None:
    """Print a line of the table."""
    same = found.clips == whole.clips
    print(
        f"{name:<16}{fetch:<10}{(found.received if sent is None else sent) / 1e6:>9.1f}{found.seconds:>8.1f}"
        f"{len(found.clips):>7}  {'same bytes' if same else 'OTHER BYTES'}",
        flush=True,
    )


async def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--videos", type=int, default=2)
    parser.add_argument("--bandwidth", type=float, default=40, help="Mb/s of all connections together")
    parser.add_argument("--live", action="store_true", help="query YouTube itself")
    parser.add_argument("--video", default="jNQXAC9IVRw", help="YouTube id, with --live")
    parser.add_argument("--start", type=float, default=8.0)
    parser.add_argument("--end", type=float, default=11.0)
    given = parser.parse_args()
    print(f"{'list':<16}{'--fetch':<10}{'MB':>9}{'s':>8}{'clips':>7}")
    with tempfile.TemporaryDirectory(prefix="hdtf-sections-") as temporary:
        directory = Path(temporary)
        if given.live:
            rows = [ClipRow(given.video, given.start, given.end)]
            whole = await run(directory / "whole", "whole", rows)
            found = await run(directory / "sections", "sections", rows)
            show("YouTube", "whole", whole, None, whole)
            show("YouTube", "sections", found, None, whole)
            print(found.notes, end="")
            return
        for name in LISTS:
            rows = footage(directory, name, given.videos)
            results: dict[str, Result] = {}
            for fetch in ("whole", "sections", "auto"):
                conditions = demo.Conditions(bandwidth=round(given.bandwidth * 125_000))
                async with demo.light_mock(directory / "films", conditions=conditions) as site:
                    with exported(site.environment):
                        out = directory / f"{LISTS_NUMBER[name]}-{fetch}"
                        results[fetch] = await run(out, fetch, rows, yt_dlp_args=site.yt_dlp_args)
                    sent = sum(each["sent"] for each in await site.requests() if "playback" in each["path"])
                show(name, fetch, results[fetch], sent, results["whole"])


if __name__ == "__main__":
    anyio.run(main)
