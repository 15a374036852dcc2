"""A run during which YouTube starts to block this IP address: its requests, messages and results.

It uses many videos of one short film, the real yt-dlp and the mock server. ``benchmarks/refusals.py`` prints
it.
"""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from scenarios import DRAWN, FILM, Outcome, Scenario, write_tables
from shared import QUICK, exported

import hdtf_async
from hdtf_async import Options, demo
from hdtf_async.core.events import LaneClosed, LaneOpened
from hdtf_async.progress.messages import line_of

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async import Report
    from hdtf_async.demo import Answer


@dataclass
class Closed:
    """A period in which the lane was closed: up to the next closing, the opening, or the end."""

    began: float
    """Unix time in seconds."""
    after: float | None
    """Seconds of the announced cool-down; None at the end."""
    ended: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    """Player requests during the period, by video."""
    fetched: int = 0
    """Media requests during the period."""


@dataclass
class Refused:
    """The result of one run."""

    report: Report
    lines: list[str]
    """Its printed lines, each with the second of its arrival."""
    closed: list[Closed]
    requests: list[dict[str, Any]]
    """All requests to the mock server in this run."""
    accounted: Counter[str]
    """Clips in the two manifests: ``there``, and those in ``failures.jsonl`` by their reason."""


def lay_out(directory: Path, footage: Path, videos: int, answer: Answer) -> dict[str, Answer]:
    """Write that many videos into ``films``, and their tables; return the answers for them."""
    (directory / "films").mkdir(parents=True)
    ids = [f"again{number:06d}" for number in range(videos)]
    for youtube_id in ids:
        (directory / "films" / youtube_id).symlink_to(footage / FILM.youtube_id)
    write_tables(directory / "tables", [(name, Outcome(Scenario(name, answer, ""))) for name in ids])
    return dict.fromkeys(ids, replace(answer, offers=DRAWN))


async def run(site: demo.LightMock, directory: Path, *, pace: float, cool_down: float) -> Refused:
    """Run the main job again in the directory."""
    options = Options(
        source=directory / "tables", pace=pace, cool_down=cool_down, **QUICK,
        yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)),
    )  # fmt: skip
    out, begun, before = directory / "clips", time.time(), len(await site.requests())
    lines, closed = list[str](), list[Closed]()
    with exported(site.environment):
        async with hdtf_async.running(out, options) as events:
            async for event in events:
                text = line_of(event)
                if text is not None and text[0] != "debug" and event.type not in {"clip_done", "raw_ready"}:
                    lines.append(f"{time.time() - begun:6.1f} s  {text[1]}")
                if isinstance(event, LaneClosed | LaneOpened) and closed and not closed[-1].ended:
                    closed[-1].ended = time.time()
                if isinstance(event, LaneClosed) and event.after is not None:
                    closed.append(Closed(time.time(), event.after))
    requests = (await site.requests())[before:]
    for each in closed:
        each.ended = each.ended or time.time()
        meanwhile = [one for one in requests if each.began < one["time"] <= each.ended]
        each.asked.update(one["video"] for one in meanwhile if one["method"] == "POST")
        each.fetched = sum(one["method"] == "GET" for one in meanwhile)
    manifests = {name: (out / f"{name}.jsonl").read_text().splitlines() for name in ("metadata", "failures")}
    accounted = Counter(json.loads(line)["reason"] for line in manifests["failures"])
    accounted["there"] = len(manifests["metadata"])
    return Refused(events.report, lines, closed, requests, accounted)
