"""Runs that download sections of small films from the mock server, and the clips from the whole films."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import anyio
import served
from anyio.to_thread import run_sync
from shared import exported, lines, made_once

import hdtf_async
from hdtf_async import ClipRow, ExitCode, Options, demo
from hdtf_async.core.events import RawReady

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

ID = "sectionsFil"
"""The YouTube id of every film."""
INTERVALS = [(0.5, 2.0), (33.3, 36.1), (34.0, 37.7), (57.5, 59.9)]
"""At the beginning, twice in the middle, and at the end."""
APART = [(33.3, 36.1), (10.2, 12.0)]
"""In segments that do not touch."""
_ALL = [*INTERVALS, *APART[1:], (8.0, 9.0), (42.5, 45.0), (50.0, 52.0)]
"""The intervals of all clips that are compared with those of the whole film."""
SETTINGS = {"crop": "none", "codec": "lossless", "preset": "ultrafast", "deinterlace": "off"}

Clips = dict[str, dict[str, Any]]
"""Name of each clip to what is known about it, including a hash of its bytes."""


def rows(intervals: Sequence[tuple[float, float]] = INTERVALS, **more: Any) -> list[ClipRow]:
    """Return the rows of a list; a clip is named after its interval."""
    return [
        ClipRow(ID, start, end, name=f"from_{1000 * start:.0f}_to_{1000 * end:.0f}", **more)
        for start, end in intervals
    ]


def options_for(site: demo.LightMock, fetch: str | None, **more: Any) -> Options:
    """Return the options of a run against the mock server; None is the default of its list."""
    arguments = tuple(shlex.split(site.yt_dlp_args))
    return Options(fetch=fetch, pace=0, retry_wait=0, yt_dlp_args=arguments, **SETTINGS | more)


async def run(
    out: Path, site: demo.LightMock, fetch: str | None, clips: Sequence[ClipRow] | None = None, **more: Any
) -> hdtf_async.Report:
    """Create clips; that must succeed."""
    with exported(site.environment):
        report = await hdtf_async.download(out, options_for(site, fetch, **more), clips=clips or rows())
    assert report.exit_code is ExitCode.DONE, report
    return report


async def downloaded(
    out: Path, site: demo.LightMock, fetch: str | None, clips: Sequence[ClipRow], **more: Any
) -> int:
    """Create clips, and return how many bytes the run says it has downloaded."""
    size = 0
    with exported(site.environment):
        async with hdtf_async.running(out, options_for(site, fetch, **more), clips=clips) as events:
            async for event in events:
                if isinstance(event, RawReady):
                    size += event.bytes if event.origin == "youtube" else 0
    assert events.report.exit_code is ExitCode.DONE
    return size


def clips_of(out: Path) -> Clips:
    """Return what is known about each clip, except for versions and its number in the list."""
    return {
        line["file_name"]: {key: value for key, value in line.items() if key not in {"versions", "index"}}
        for line in lines(out / "metadata.jsonl")
    }


def sent(requests: Sequence[dict[str, Any]]) -> int:
    """Return how many bytes of media the mock server has sent."""
    return sum(each["sent"] for each in requests if each["path"].startswith("/videoplayback"))


def log_of(out: Path) -> str:
    """Return the download log."""
    return "".join(path.read_text() for path in (out / "_videos_raw").glob("*_log.txt"))


def parts_of(out: Path) -> list[str]:
    """Return the segments of the partial source videos, with their extension."""
    return sorted(
        path.name.removeprefix(f"{ID}.").removesuffix(".part")
        for path in (out / "_videos_raw").iterdir()
        if path.name.endswith(".part")
    )


class Films:
    """Small films, and the clips from the whole films; each is made once for all test processes."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory

    def path(self, name: str) -> Path:
        """Return a file of `served`."""
        return made_once(self._factory, f"served-{name}", lambda place: _render(place, name)) / name

    def offered(self, place: Path, *names: str) -> Path:
        """Let a film with these files be offered; return the directory for the mock server."""
        served.film(place / "footage", ID, *map(self.path, names))
        return place / "footage"

    async def whole(
        self, *names: str, audio: str = "none", intervals: Sequence[tuple[float, float]] = _ALL
    ) -> Clips:
        """Return the clips that are cut from whole files."""

        async def create(place: Path) -> None:
            async with demo.light_mock(self.offered(place, *names)) as site:
                await run(place / "clips", site, "whole", rows(intervals), audio=audio)

        name = "-".join(("whole", *names, audio, f"{len(intervals)}")).replace(".", "-")
        place = await run_sync(made_once, self._factory, name, lambda place: anyio.run(create, place))
        return clips_of(place / "clips")


def _render(place: Path, name: str) -> None:
    served.render(place, name)
