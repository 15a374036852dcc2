"""The main job on tables of any length, in one process: only the work of children is replaced.

Everything else is real: tables, plan, lanes, downloading and encoding, the output directory with its journal,
logs and manifests, the report and a reader of the events. So this program is measured, without any tool.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from unittest.mock import patch

from anyio.lowlevel import checkpoint
from anyio.to_thread import run_sync
from fakes.yt_dlp import SOLVED, _information

import hdtf_async
from hdtf_async import Options, Report
from hdtf_async.core.events import EncodeStarted, Event
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.demux import MediaInfo
from hdtf_async.media.ffmpeg import FfmpegVersion
from hdtf_async.media.interlace import Combing
from hdtf_async.media.timeline import Shown
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.process import supervisor
from hdtf_async.youtube.ytdlp import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hdtf_async.core.model import Interval
    from hdtf_async.media.cut import Cut
    from hdtf_async.youtube.formats import Format

SECONDS, RATE, LINES, BOX, BYTES = 60, 25, 144, 32, 21600
"""Duration of every video, frame rate, height, side of every box, and the promised bytes."""
GONE, LATER = 10, 11
"""Every n-th video is permanently unavailable, or succeeds on the second try."""


@dataclass(slots=True)
class Most:
    """The peaks of several quantities."""

    tasks: int = 0
    files: int = 0
    threads: int = 0

    def look(self, event: Event) -> None:
        """Measure whenever a clip begins: then both lanes are busy."""
        if isinstance(event, EncodeStarted):
            self.tasks = max(self.tasks, len(asyncio.all_tasks()))
            self.files = max(self.files, len(os.listdir("/dev/fd")))  # noqa: PTH208 - called for every clip
            self.threads = max(self.threads, threading.active_count())


def write_tables(directory: Path, rows: int, subset: str = "RD", first: int = 0) -> None:
    """Write a subset's tables of this many videos with one clip each."""
    directory.mkdir(exist_ok=True)
    numbers = range(first, first + rows)
    names = [f"Speaker{number}" for number in numbers]
    texts = {
        "video_url": (
            f"{name} https://www.youtube.com/watch?v={number:011d}"
            for number, name in zip(numbers, names, strict=True)
        ),
        "resolution": (f"{name}.mp4 {LINES}" for name in names),
        "annotion_time": (f"{name}.mp4 00:00-00:01" for name in names),
        "crop_wh": (f"{name}_0.mp4 10 {BOX} 10 {BOX}" for name in names),
        "crop_ratio": (f"{name}_0.mp4 1.2" for name in names),
    }
    for table, lines in texts.items():
        (directory / f"{subset}_{table}.txt").write_text("".join(f"{line}\n" for line in lines))


def write_list(path: Path, rows: int, clips: int = 5) -> None:
    """Write a user's own list of so many rows: videos with this number of clips each, which have boxes."""
    with path.open("w", encoding="utf-8") as file:
        file.write("video,start,end,left,top,right,bottom,box_unit,square,subset,speaker,caption\n")
        for number in range(rows):
            video, place = divmod(number, clips)
            line = f"{video:011d},{place * 10},{place * 10 + 1},0.05,0.1,0.8,0.9,norm,min"
            file.write(f"{line},{'abc'[video % 3]},id{video % 999},some words\n")


class YtDlp:
    """Answers as yt-dlp does, and downloads almost nothing."""

    def __init__(self, *_: object) -> None:
        self._asked: set[str] = set()

    async def extract_by_plugin(self, *_: object) -> supervisor.Ended:
        """Solve the test challenge."""
        await checkpoint()
        return supervisor.Ended(0, "", json.dumps({"hdtf_async": SOLVED}).encode())

    async def extract(
        self,
        youtube_id: str,
        directory: Path,  # noqa: ARG002 - as in the real one
        *,
        every_address: bool = False,  # noqa: ARG002 - as in the real one
    ) -> dict[str, Any]:
        """Answer; every tenth video is private, and every eleventh fails at first."""
        await checkpoint()
        number = int(youtube_id)
        if number % GONE == 0:
            raise Failure(Reason.PRIVATE, "Private video")
        if number % LATER == 0 and youtube_id not in self._asked:
            self._asked.add(youtube_id)
            raise Failure(Reason.NETWORK, "Connection reset by peer")
        return _information(
            youtube_id,
            {"seconds": SECONDS, "height": LINES},
            {"rate": (RATE, 1), "bits_per_line": BYTES * 8 / (SECONDS * LINES)},
        )

    async def fetch(
        self,
        _info: Mapping[str, Any],
        rendition: Format,
        target: Path,
        on_progress: Callable[[Progress], None],
        **_: object,
    ) -> Path:
        """Report progress, and write a note in place of a video."""
        for share in range(1, 11):
            on_progress(Progress(share * (rendition.size or 10) // 10, rendition.size, None))
            await checkpoint()
        await _write(target, 256, LINES, SECONDS * RATE)
        return target


class _Prober:
    """Reads the notes that the fakes write in place of video streams."""

    def __init__(self, *_: object) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def ready(self) -> None:
        pass

    async def facts(self, path: Path, *, container: str, intervals: Sequence[Interval] = ()) -> MediaInfo:
        assert container == "mp4"
        width, height, frames = json.loads(await run_sync(path.read_text))
        step, seconds = 1 / RATE, frames / RATE
        shown = tuple(
            Shown(round(RATE * one.seconds), one.start, one.end - step, None, one.end, step)
            for one in intervals
        )
        return MediaInfo(
            *("h264", width, height, RATE, frames, 0, seconds, seconds, f"1/{RATE}", shown),
            step=step,
            last=seconds - step,
        )


async def _encode(
    _tool: Path,
    cut: Cut,
    target: Path,
    *,
    on_seconds: Callable[[float], None],
    guard: object,
    measured: object,
) -> int:
    assert guard is not None
    del measured  # no frame is decoded
    for second in range(1, int(cut.interval.seconds) + 1):
        on_seconds(second)
        await checkpoint()
    await _write(target, cut.width, cut.height, cut.frames)
    return cut.frames


async def _write(target: Path, *note: int) -> None:
    with os_errors_as_failures(target):
        await run_sync(target.write_text, json.dumps(note))


async def _read_version(_tool: Path) -> FfmpegVersion:
    await checkpoint()
    return FfmpegVersion("n9.0.2", frozenset())


async def _look(_tool: Path, _cut: Cut, _guard: object) -> Combing:
    await checkpoint()
    return Combing(0, 0, 50)


@contextmanager
def childless() -> Iterator[None]:
    """Replace every child by an immediate answer of this process, so that only the program's work runs."""
    with ExitStack() as patches:
        for name, instead in {
            "lanes.toolchain.YtDlp": YtDlp,
            "lanes.toolchain.Prober": _Prober,
            "media.ffmpeg.encode": _encode,
            "media.ffmpeg.read_version": _read_version,
            "media.interlace.look": _look,
        }.items():
            patches.enter_context(patch(f"hdtf_async.{name}", instead))
        yield


async def load(out: Path | str, source: Path, most: Most, **more: Any) -> Report:
    """Run the main job on tables, or a list, and read its events, without a child; record all peaks."""
    usual = {"pace": 0, "retry_wait": 0, "min_free": 0, "keep_raw": False, "encodes": 4}
    rows = {"clips": source} if source.suffix else {"source": source}
    options = Options(**(usual | rows | more))
    with childless():
        async with hdtf_async.running(out, options) as run:
            async for event in run:
                most.look(event)
                await checkpoint()
    return run.report
