"""When a download is complete, and when it is downloaded again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio
import load_runs
import pytest

from hdtf_async.core.events import EventBus
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Box, Clip, Interval, Video
from hdtf_async.core.options import Options
from hdtf_async.dataset.plan import VideoJob
from hdtf_async.lanes.context import RunContext
from hdtf_async.lanes.downloader import Download, Downloader, _require_whole
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.throttle import Pacing, Throttle
from hdtf_async.media.demux import AudioInfo
from hdtf_async.output.directory import opened
from hdtf_async.youtube.entries import CLIENTS
from hdtf_async.youtube.formats import Format

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from hdtf_async.media.probe import Prober
    from hdtf_async.youtube.ytdlp import YtDlp

RENDITION = Format(
    format_id="18", ext="mp4", container="mp4", height=360, width=640, fps=25.0, vcodec="avc1", acodec="mp4a",
    size=1000, size_is_exact=True, protocol="https", duration=60.0,
)  # fmt: skip
Attempt = Callable[..., Awaitable[tuple[VideoJob, Download]]]
CASES = {
    "all is there": (True, 60.0, 60.0, True),
    "all bytes are there, and the picture ends before its sound": (True, 50.0, 50.0, True),
    "all bytes are there, and the header tells of more": (True, 50.0, 60.0, False),
    "nobody knows the bytes, and it is as long as promised, to within rounding": (False, 58.5, 58.5, True),
    "nobody knows the bytes, and it ends too early": (False, 50.0, 50.0, False),
}
"""Whether the size is exact; end of the data and of the header, in seconds; whether it is complete."""


@pytest.mark.parametrize(("exact", "end", "stated", "whole"), CASES.values(), ids=CASES.keys())
def test_a_download_is_complete_by_its_bytes_or_by_its_duration(
    *, exact: bool, end: float, stated: float, whole: bool
) -> None:
    """For an announced minute: a truncated file is downloaded again, and never cut."""
    expected = nullcontext() if whole else pytest.raises(Failure, match=r"of 60\.0 s")
    with expected as failed:
        _require_whole("picture", ends_at(end, stated), replace(RENDITION, size_is_exact=exact), 60.0)
    assert failed is None or failed.value.reason is Reason.RAW_TRUNCATED


def ends_at(end: float, stated: float) -> AudioInfo:
    """Return the result of demuxing a file that ends at one second, with another one in its header."""
    return AudioInfo("aac", 44100, 2, 0.0, end, stated)


@pytest.mark.parametrize(
    ("promised", "end", "whole"),
    [
        (60.0, 58.1, True),
        (60.0, 57.9, False),
        (600.0, 594.5, True),
        (600.0, 593.5, False),
        (3600.0, 3565.0, True),
        (3600.0, 3563.0, False),
    ],
)
def test_a_hundredth_of_a_video_may_be_missing(promised: float, end: float, whole: bool) -> None:
    """Two seconds of a short one: announced durations are rounded."""
    rendition = replace(RENDITION, size_is_exact=False)
    with nullcontext() if whole else pytest.raises(Failure):
        _require_whole("picture", ends_at(end, end), rendition, promised)


# What a failed attempt leaves for the next one.


class Interrupted(load_runs.YtDlp):
    """Leaves a partial file, and fails as configured; without a reason it completes the file."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: dict[str, Reason] = {}
        """Name of the file, without its extension, to the reason why it fails."""
        self.fetched: list[tuple[str, int]] = []
        """Each requested file, with the number of its bytes that existed."""
        self.share = 0.5
        """Fraction of the file that a failing attempt downloads."""

    async def fetch(self, _info: object, rendition: Format, target: Path, *_: object, **__: object) -> Path:
        """Resume the existing part."""
        size = rendition.size or 0
        part = target.with_name(f"{target.name}.part")
        self.fetched.append((target.name, part.stat().st_size if part.exists() else 0))
        if reason := self.fails.get(target.stem):
            part.write_bytes(bytes(int(size * self.share)))
            raise Failure(reason)
        part.unlink(missing_ok=True)
        target.write_bytes(bytes(size))
        return target


class Unreadable:
    """Reports every file as damaged."""

    async def facts(self, *_: object, **__: object) -> None:
        """Report a video as damaged."""
        raise Failure(Reason.RAW_UNREADABLE, "invalid data")


@asynccontextmanager
async def fetching(
    out: Path, fails: Mapping[str, Reason], *, audio: Audio = Audio.NONE
) -> AsyncIterator[tuple[Downloader, Interrupted, Attempt]]:
    """Provide a downloader with its tool, and a function that attempts to download a video."""
    tool = Interrupted()
    tool.fails |= fails
    async with opened(out) as store:
        options = Options(audio=audio, min_free=0)
        run = RunContext(options, store, Lanes.of(options), EventBus())
        downloader = Downloader(run, cast("YtDlp", tool), cast("Prober", Unreadable()))
        limiter = anyio.CapacityLimiter(1)
        throttle = Throttle(limiter, limiter, Pacing(pace=0, cool_down=0), EventBus())

        async def attempt(number: int = 1, tries: int = 1) -> tuple[VideoJob, Download]:
            video = Video("RD", f"V{number}", f"{number:011d}", load_runs.LINES)
            work = VideoJob((video,), (Clip(video, 0, Interval(0, 1), Box(0, 0, 32, 32)),), tries)
            async with store.private_directory(video) as directory, throttle.permit() as permit:
                assert permit is not None
                return work, await downloader.download(work, directory, permit)
            raise AssertionError

        yield downloader, tool, attempt


CONTINUED = {
    Reason.REFUSED,
    Reason.NETWORK,
    Reason.FORBIDDEN,
    Reason.TIMED_OUT,
    Reason.STALLED,
    Reason.DISK_FULL,
    Reason.UPDATE_NEEDED,
    Reason.RESOURCE_LIMIT,
}
"""Failures that do not invalidate the downloaded bytes."""


@pytest.mark.parametrize("reason", Reason)
async def test_the_reason_of_a_failure_decides_whether_its_download_is_resumed(
    tmp_path: Path, reason: Reason
) -> None:
    """Otherwise an invalid part (416, truncated) would be resumed forever, or a valid one lost."""
    async with fetching(tmp_path, {"raw": reason}) as (_, tool, attempt):
        for _ in range(2):
            with pytest.raises(Failure):
                await attempt()
    assert [bool(had) for _, had in tool.fetched] == [False, reason in CONTINUED]


async def test_audio_that_cannot_be_resumed_does_not_discard_the_video(tmp_path: Path) -> None:
    """They are two downloads: the existing one is not repeated."""
    fails = {"sound": Reason.RANGE_REFUSED}
    async with fetching(tmp_path, fails, audio=Audio.AAC) as (_, tool, attempt):
        for _ in range(2):
            with pytest.raises(Failure):
                await attempt()
    assert tool.fetched == [("raw.mp4", 0), ("sound.m4a", 0), ("sound.m4a", 0)]


async def test_a_complete_but_damaged_download_is_repeated(tmp_path: Path) -> None:
    """It has all its bytes, and they are wrong."""
    async with fetching(tmp_path, {}) as (downloader, tool, attempt):
        for _ in range(2):
            with pytest.raises(Failure, match="invalid data"):
                await downloader.accept(*await attempt())
            await attempt(2)
    assert [name for name, _ in tool.fetched] == ["raw.mp4"] * 3


async def test_only_consecutive_forbidden_videos_mean_that_yt_dlp_is_outdated(tmp_path: Path) -> None:
    """A successful video resets the count."""
    last = Reason.FORBIDDEN.advice.tries
    found: list[Reason] = []
    async with fetching(tmp_path, {}) as (_, tool, attempt):
        tool.share = 0
        for number, reason in enumerate([Reason.FORBIDDEN, Reason.FORBIDDEN, None] * 2, 1):
            tool.fails = {} if reason is None else {"raw": reason}
            try:
                await attempt(number, last)
            except Failure as failure:
                found.append(failure.reason)
        assert found == [Reason.FORBIDDEN] * 4
        tool.fails = {"raw": Reason.FORBIDDEN}
        for number in (7, 8, 9):
            with pytest.raises(Failure) as failed:
                await attempt(number, last)
        assert failed.value.reason is Reason.UPDATE_NEEDED


class ForbiddenOnce(load_runs.YtDlp):
    """The media servers reject the first URL of every video."""

    async def ask(self, youtube_id: str, directory: Path, *, every_address: bool = False) -> dict[str, Any]:
        """Answer successfully from the second time on."""
        info = await super().ask(youtube_id, directory, every_address=every_address)
        if youtube_id not in self._asked:
            self._asked.add(youtube_id)
            raise Failure(Reason.FORBIDDEN, "HTTP Error 403: Forbidden")
        return info


def test_no_video_fails_before_its_url_was_issued_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many others were rejected before: all nine succeed on their second attempt."""
    monkeypatch.setattr(load_runs, "YtDlp", ForbiddenOnce)
    load_runs.write_tables(tmp_path / "tables", 9, first=1)
    report = anyio.run(load_runs.load, tmp_path / "clips", tmp_path / "tables", load_runs.Most())
    assert (len(report.done), report.failed) == (9, {})


def test_every_client_of_the_installed_yt_dlp_has_a_name() -> None:
    """The advice to exclude a client needs yt-dlp's name for it, which media URLs do not contain."""
    program = """
import json
from yt_dlp.extractor.youtube._base import INNERTUBE_CLIENTS
print(json.dumps([
    (name, client["INNERTUBE_CONTEXT"]["client"]["clientName"]) for name, client in INNERTUBE_CLIENTS.items()
]))"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert [name for name, client in json.loads(done.stdout) if name not in CLIENTS.get(client, ())] == []
