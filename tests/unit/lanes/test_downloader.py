"""When a download is complete, and when it is downloaded again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import anyio
import load_runs
import pytest
from format_tables import video_entry

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.events import Event, FormatChosen, RawReady
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Box, Clip, Interval, Video
from hdtf_async.core.options import Options
from hdtf_async.dataset.plan import VideoJob
from hdtf_async.lanes.context import RunContext
from hdtf_async.lanes.downloader import Download, Downloader, _advanced, _require_whole, _version
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.partial_videos import SectionsRefusedError
from hdtf_async.lanes.source_videos import SourceVideo
from hdtf_async.lanes.throttle import Pacing, Throttle
from hdtf_async.media.demux import AudioInfo, MediaInfo
from hdtf_async.media.probe import Prober
from hdtf_async.media.timeline import Shown
from hdtf_async.output.directory import open_directory
from hdtf_async.output.partials import AUDIO, VIDEO, ResumeToken
from hdtf_async.youtube.entries import CLIENTS
from hdtf_async.youtube.formats import DUBBED, Choice, Format
from hdtf_async.youtube.tracks import Track

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from hdtf_async.lanes.fetching import Amount
    from hdtf_async.youtube.ytdlp import YtDlp

RENDITION = Format(
    format_id="18", ext="mp4", container="mp4", height=360, width=640, fps=25.0, vcodec="avc1", acodec="mp4a",
    size=1000, size_is_exact=True, protocol="https", duration=60.0,
)  # fmt: skip
_VIDEO = Video("RD", "V", "aaaaaaaaaaa", load_runs.LINES)
WORK = VideoJob((_VIDEO,), (Clip(_VIDEO, 0, Interval(0, 1), Box(0, 0, 32, 32)),))
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
        (60.0, 58.0, True),
        (60.0, 57.99, False),
        (200.0, 198.0, True),
        (200.0, 197.99, False),
        (600.0, 594.0, True),
        (600.0, 593.99, False),
        (3600.0, 3564.0, True),
        (3600.0, 3563.9, False),
    ],
)
def test_a_hundredth_of_a_video_may_be_missing(promised: float, end: float, whole: bool) -> None:
    """Two seconds of a short one: announced durations are rounded."""
    inexact = replace(RENDITION, size_is_exact=False)
    with nullcontext() if whole else pytest.raises(Failure):
        _require_whole("picture", ends_at(end, end), inexact, promised)


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


class Readable:
    """Reports the properties of files that are complete."""

    def __init__(self, sound: AudioInfo | None = None) -> None:
        self.sound_inside = sound
        self.video_end = float(load_runs.SECONDS)
        self.audio = AudioInfo("aac", 44100, 2, 0.0, 60.0, 60.0, suspect=True)
        self.read: list[tuple[str, str]] = []
        """Name and demuxer of each file."""

    async def facts(self, path: Path, *, container: str, intervals: Sequence[Interval]) -> MediaInfo:
        """Return the properties of a video."""
        self.read.append((path.name, container))
        shown = tuple(Shown(25, each.start, each.end - 0.04, None, each.end, 0.04) for each in intervals)
        return MediaInfo(
            "h264", 256, 144, 25.0, 1500, 0.0, self.video_end, 60.0, shown=shown, sound=self.sound_inside
        )

    async def sound(self, path: Path, *, container: str) -> AudioInfo:
        """Return the properties of audio."""
        self.read.append((path.name, container))
        return self.audio


@asynccontextmanager
async def fetching(
    out: Path,
    fails: Mapping[str, Reason],
    *,
    audio: Audio = Audio.NONE,
    tool: Interrupted | None = None,
    prober: Unreadable | Readable | None = None,
) -> AsyncIterator[tuple[Downloader, Interrupted, Attempt]]:
    """Provide a downloader with its tool, and a function that attempts to download a video."""
    tool = tool or Interrupted()
    tool.fails |= fails
    async with open_directory(out) as store:
        options = Options(audio=audio, min_free=0)
        run = RunContext(options, store, Lanes.of(options), EventBus())
        downloader = Downloader(run, cast("YtDlp", tool), cast("Prober", prober or Unreadable()), width=1)
        limiter = anyio.CapacityLimiter(1)
        throttle = Throttle(limiter, limiter, Pacing(pace=0, cool_down=0), EventBus())

        async def attempt(number: int = 1, tries: int = 1) -> tuple[VideoJob, Download]:
            video = Video("RD", f"V{number}", f"{number:011d}", load_runs.LINES)
            job = VideoJob((video,), (Clip(video, 0, Interval(0, 1), Box(0, 0, 32, 32)),), tries)
            async with store.private_directory(video) as directory, throttle.permit() as permit:
                assert permit is not None
                return job, await downloader.download(job, directory, permit)
            raise AssertionError

        yield downloader, tool, attempt


async def made(downloader: Downloader) -> tuple[VideoJob, Download, SourceVideo]:
    """Download and accept the video with the number 2."""
    video = Video("RD", "V2", "00000000002", load_runs.LINES)
    job = VideoJob((video,), (Clip(video, 0, Interval(0, 1), Box(0, 0, 32, 32)),))
    limiter = anyio.CapacityLimiter(1)
    throttle = Throttle(limiter, limiter, Pacing(pace=0, cool_down=0), EventBus())
    async with downloader._store.private_directory(video) as directory, throttle.permit() as permit:
        assert permit is not None
        arrived = await downloader.download(job, directory, permit)
        return job, arrived, await downloader.accept(job, arrived)
    raise AssertionError


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
    assert [bool(resumed) for _, resumed in tool.fetched] == [False, reason in CONTINUED]


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

    async def extract(
        self, youtube_id: str, directory: Path, *, every_address: bool = False
    ) -> dict[str, Any]:
        """Answer successfully from the second time on."""
        info = await super().extract(youtube_id, directory, every_address=every_address)
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


# What an attempt that fails counts for.


@pytest.mark.parametrize(
    ("reason", "share", "advanced"),
    [
        (Reason.NETWORK, 0.5, True),
        (Reason.NETWORK, 0.01, True),
        (Reason.NETWORK, 0.00999, False),
        (Reason.NETWORK, 0.0, False),
        (Reason.RANGE_REFUSED, 0.5, False),
    ],
)
async def test_an_attempt_advances_by_a_hundredth_of_the_file(
    tmp_path: Path, reason: Reason, share: float, *, advanced: bool
) -> None:
    """If that is kept: so the number of attempts that are not counted stays bounded."""
    async with fetching(tmp_path, {"raw": reason}) as (_, tool, attempt):
        tool.share = share
        found = []
        for _ in range(2):
            with pytest.raises(Failure) as failed:
                await attempt()
            found.append(failed.value.advanced)
    assert found == [advanced, False], "the second one brings nothing more"


class Offering(Interrupted):
    """Offers the same height from several clients, and forbids some of them."""

    def __init__(self, *sources: tuple[str, str]) -> None:
        super().__init__()
        self.sources = sources
        """Protocol and client of each format."""
        self.forbidden: set[tuple[str, str]] = set()
        self.asked: list[bool] = []
        """Of each question, whether every address was asked for."""
        self.used: list[tuple[str, str]] = []

    async def extract(
        self, youtube_id: str, directory: Path, *, every_address: bool = False
    ) -> dict[str, Any]:
        """Offer a format of each source."""
        self.asked.append(every_address)
        info = await super().extract(youtube_id, directory, every_address=every_address)
        formats = [
            video_entry(
                f"{number}", load_runs.LINES, url=f"https://a.b/x?c={client}", filesize=1000,
                protocol="https" if protocol == "https" else "m3u8_native",
            )
            for number, (protocol, client) in enumerate(self.sources)
        ]  # fmt: skip
        return info | {"formats": formats}

    async def fetch(
        self, _info: object, rendition: Format, target: Path, *more: object, **options: object
    ) -> Path:
        """Forbid what is told."""
        self.used.append((rendition.source.protocol, rendition.source.client))
        self.fails = {"raw": Reason.FORBIDDEN} if self.used[-1] in self.forbidden else {}
        return await super().fetch(_info, rendition, target, *more, **options)


A, B, HLS = ("https", "IOS"), ("https", "WEB"), ("hls", "IOS")


async def tried(tmp_path: Path, tool: Offering, *videos: int) -> list[tuple[str, str]]:
    """Try videos, one attempt each, and return from where each attempt downloads."""
    async with fetching(tmp_path, {}, tool=tool) as (_, _, attempt):
        tool.share = 0
        for number in videos:
            with suppress(Failure):
                await attempt(number)
    return tool.used


async def test_a_video_that_is_forbidden_comes_from_another_client(tmp_path: Path) -> None:
    """All addresses are asked for then, and another video still uses the usual ones."""
    tool = Offering(A, B)
    tool.forbidden = {A}
    assert await tried(tmp_path, tool, 1, 1, 2) == [A, B, A]
    assert tool.asked == [False, True, False]


async def test_another_protocol_is_used_once_the_usual_one_was_forbidden_twice(tmp_path: Path) -> None:
    """A new address of the same client often works."""
    tool = Offering(A, HLS)
    tool.forbidden = {A}
    assert await tried(tmp_path, tool, 1, 1, 1) == [A, A, HLS]


async def test_a_client_that_two_videos_were_refused_by_is_avoided_for_all(tmp_path: Path) -> None:
    """Until it has delivered one."""
    tool = Offering(A, B)
    tool.forbidden = {A}
    assert await tried(tmp_path / "one", tool, 1, 2, 3) == [A, A, B]
    assert tool.asked == [False, False, True]
    tool = Offering(A)
    tool.forbidden = {A}
    async with fetching(tmp_path / "two", {}, tool=tool) as (fetcher, _, attempt):
        tool.share = 0
        for number in (1, 2):
            with pytest.raises(Failure):
                await attempt(number)
        assert len(fetcher._forbidding) == 1
        tool.forbidden = set()
        await attempt(3)
        assert fetcher._forbidding == {}


@pytest.mark.parametrize(("width", "last"), [(2, Reason.FORBIDDEN), (3, Reason.UPDATE_NEEDED)])
async def test_three_videos_in_a_row_that_are_forbidden_name_the_clients(
    tmp_path: Path, width: int, last: Reason
) -> None:
    """In the words of yt-dlp's own option; at their last try, and if the attempt brought nothing."""
    tool = Offering(A)
    tool.forbidden = {A}
    tries = Reason.FORBIDDEN.advice.tries
    async with fetching(tmp_path, {}, tool=tool) as (_, _, attempt):
        tool.share = 0
        for number in range(1, width + 1):
            with pytest.raises(Failure) as failed:
                await attempt(number, tries)
    assert failed.value.reason is last
    if last is Reason.UPDATE_NEEDED:
        assert "forbidden for 3 videos in a row" in failed.value.words
        assert "--extractor-args youtube:player_client=default,-ios'" in failed.value.words


@pytest.mark.parametrize("missing", [0, 1])
async def test_a_download_that_leaves_too_little_space_does_not_start(tmp_path: Path, missing: int) -> None:
    """Exactly the space to keep free may be left; the message says how much there is."""
    async with fetching(tmp_path, {}) as (downloader, tool, attempt):
        size = load_runs.BYTES
        fetching_of = downloader._fetching
        fetching_of._options = replace(fetching_of._options, min_free=1000)
        downloader._store.free_bytes = lambda: size + 1000 - missing  # type: ignore[method-assign]
        expected = (
            pytest.raises(Failure, match=r"0\.0 GB free.*--min-free 1e-06G") if missing else nullcontext()
        )
        with expected as failed:
            await attempt()
        assert len(tool.fetched) == 1 - missing
        assert failed is None or failed.value.reason is Reason.DISK_FULL


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        ((("140", DUBBED),), "only dubbed audio is offered"),
        ((("140", "no size"),), "no format with audio is offered"),
        ((), "no format with audio is offered"),
    ],
)
async def test_a_video_without_usable_audio_is_not_downloaded(
    tmp_path: Path, refused: tuple[tuple[str, str], ...], message: str
) -> None:
    """The failure says whether there is audio in another language."""
    choice = Choice(replace(RENDITION, acodec=None), None, refused)
    async with fetching(tmp_path, {}, audio=Audio.AAC) as (downloader, *_):
        with pytest.raises(Failure, match=message) as failed:
            downloader._formats_to_download(WORK, choice)
    assert failed.value.reason is Reason.NO_SOUND


class _Existing:
    """A source video, perhaps with audio."""

    def __init__(self, video: object, raw: object) -> None:
        self.video, self.raw = video, raw
        self.removed: list[str] = []

    async def existing_video(self, _job: VideoJob) -> object:
        """Return the video."""
        return self.video

    async def with_existing_audio(self, _job: VideoJob, _video: object) -> object:
        """Return it with its audio."""
        return self.raw

    async def remove(self, _job: VideoJob, file: str) -> None:
        """Register a removal."""
        self.removed.append(file)


async def test_only_what_an_existing_source_video_lacks_is_downloaded(tmp_path: Path) -> None:
    """All of it, its audio, or nothing; the origin of a complete one is reported."""
    sound = replace(RENDITION, format_id="140", vcodec=None)
    choice = Choice(replace(RENDITION, acodec=None), sound, ())
    async with fetching(tmp_path, {}, audio=Audio.AAC) as (downloader, *_):
        events: list[Event] = []
        downloader._events.subscribe(events.append)
        mine, kept = tmp_path / "mine.mp4", downloader._store.source_videos_path / "kept.mp4"
        for path in (mine, kept):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"123")
        complete = [SimpleNamespace(path=path) for path in (mine, kept)]
        for existing, fetched in (
            (_Existing(None, None), [VIDEO, AUDIO]),
            (_Existing(complete[0], None), [AUDIO]),
        ):
            downloader._source_videos = cast("Any", existing)
            assert await downloader.existing(WORK) is None
            assert list(downloader._formats_to_download(WORK, choice)) == fetched
        assert events == []
        for raw in complete:
            downloader._source_videos = cast("Any", _Existing(raw, raw))
            assert await downloader.existing(WORK) is cast("Any", raw)
    ready = [event for event in events if isinstance(event, RawReady)]
    assert [(event.origin, event.bytes) for event in ready] == [("user", 3), ("kept", 3)]


@pytest.mark.parametrize("keep", [False, True])
async def test_a_released_source_video_is_deleted_unless_it_is_kept(tmp_path: Path, keep: bool) -> None:
    """Every file of it that the journal records."""
    async with fetching(tmp_path, {}) as (downloader, *_):
        existing = _Existing(None, None)
        downloader._source_videos = cast("Any", existing)
        files = [{"file": "a.mp4"}, {"file": "a.m4a"}]
        known = SimpleNamespace(source_videos={WORK.youtube_id: files})
        downloader._store = cast("Any", SimpleNamespace(known=known))
        await downloader.release(WORK, keep=keep)
    assert existing.removed == ([] if keep else ["a.mp4", "a.m4a"])


@pytest.mark.parametrize(("audio", "language"), [(Audio.AAC, "ja"), (Audio.NONE, None)])
async def test_the_language_of_the_chosen_audio_is_reported(
    tmp_path: Path, audio: Audio, language: str | None
) -> None:
    """None without audio."""
    sound = replace(RENDITION, format_id="140", vcodec=None, track=Track("ja", original=True))
    async with fetching(tmp_path, {}, audio=audio) as (downloader, *_):
        events: list[Event] = []
        downloader._events.subscribe(events.append)
        downloader._tell_chosen(WORK, Choice(RENDITION, sound, ()))
    (chosen,) = [event for event in events if isinstance(event, FormatChosen)]
    assert chosen.audio_language == language


# Downloads that are complete


def journal(downloader: Downloader) -> list[dict[str, Any]]:
    """Return the records of source videos."""
    path = downloader._store.out / "_journal.jsonl"
    return [record for record in map(json.loads, path.read_text("utf-8").splitlines()) if "file" in record]


async def test_a_complete_download_is_renamed_and_recorded(tmp_path: Path) -> None:
    """Video and audio, each with what YouTube announced; a run of the same directory uses both again."""
    reader = Readable()
    async with fetching(tmp_path, {}, audio=Audio.AAC, prober=reader) as (downloader, _, _):
        events: list[Event] = []
        downloader._events.subscribe(events.append)
        job, arrived, raw = await made(downloader)
        assert reader.read == [("raw.mp4", "mp4"), ("sound.m4a", "m4a")]
        names = [path.name for path in (raw.path, raw.audio or raw.path)]
        assert names == ["RD_V2.mp4", "RD_V2.m4a"]
        assert arrived.path is not None
        assert not arrived.path.exists()
        assert (raw.format_id, raw.audio_format_id, raw.audio_suspect) == ("160", "140", True)
        assert (raw.container, raw.track) == ("mp4", arrived.choice.audio and arrived.choice.audio.track)
        video, audio = journal(downloader)
        for record in (video, audio):
            assert record["took"] == round(record["took"], 3) >= 0
            size = (downloader._store.source_videos_path / record["file"]).stat().st_size
            assert (record["youtube_id"], record["bytes"]) == ("00000000002", size)
            assert record["promised"]["seconds"] == load_runs.SECONDS
            assert record["promised"]["bytes"] == size
            assert record["yt_dlp"] == arrived.yt_dlp
        assert (video["type"], video["format_id"], video["promised"]["height"]) == ("raw", "160", 144)
        assert (video["resolution"], video["facts"]["frames"], video["facts"]["shown"]) == (
            "reference", 1500, None,
        )  # fmt: skip
        assert (audio["type"], audio["format_id"], audio["facts"]["rate"]) == ("sound", "140", 44100)
        (ready,) = [event for event in events if isinstance(event, RawReady)]
        assert (ready.video, ready.origin) == ("RD_V2", "youtube")
        assert ready.bytes == video["bytes"] + audio["bytes"]
        assert ready.seconds >= 0
        assert downloader._in_use == {"RD_V2"}
        assert downloader._pictures == {}
        again = await downloader.existing(job)
        assert again is not None
        assert (again.path, again.audio) == (raw.path, raw.audio)


async def test_audio_for_an_existing_video_is_added_to_it(tmp_path: Path) -> None:
    """The video is neither downloaded again nor checked again."""
    reader = Readable()
    async with fetching(tmp_path, {}, audio=Audio.AAC, prober=reader) as (downloader, tool, _):
        job, _, raw = await made(downloader)
        assert raw.audio is not None
        raw.audio.unlink()
        assert await downloader.existing(job) is None
        assert list(downloader._pictures) == [job.youtube_id]
        reader.read.clear()
        tool.fetched.clear()
        _, arrived, again = await made(downloader)
        assert [name for name, _ in tool.fetched] == ["sound.m4a"]
        assert arrived.path is None
        assert (again.path, again.audio) == (raw.path, raw.audio)
        assert [name for name, _ in reader.read] == ["sound.m4a"]
        assert downloader._pictures == {}


async def test_audio_inside_a_video_is_used_if_there_is_no_other(tmp_path: Path) -> None:
    """A format that promises audio and has none is no success."""
    sound = AudioInfo("aac", 44100, 2, 0.0, 60.0, 60.0)
    choice = Choice(RENDITION, None, ())
    for found, audio in ((sound, Audio.AAC), (sound, Audio.NONE), (None, Audio.NONE), (None, Audio.AAC)):
        reader = Readable(found)
        out = tmp_path / f"{audio}-{found is None}"
        async with fetching(out, {}, audio=audio, prober=reader) as (downloader, *_):
            async with downloader._store.private_directory(_VIDEO) as directory:
                path = directory / "raw.mp4"
                path.write_bytes(b"12345")
                arrived = Download(path, None, choice, 60.0, "1", anyio.current_time())
                if found is None and audio is Audio.AAC:
                    with pytest.raises(Failure, match="the chosen format has no audio") as failed:
                        await downloader.accept(WORK, arrived)
                    assert failed.value.reason is Reason.NO_SOUND
                    continue
                raw = await downloader.accept(WORK, arrived)
            expected = (raw.path, "18") if audio is Audio.AAC else (None, None)
            assert (raw.audio, raw.audio_format_id) == expected
            assert [record["type"] for record in journal(downloader)] == ["raw"]


@pytest.mark.parametrize("kind", ["video", "sound"])
async def test_a_download_that_ends_early_is_not_used(tmp_path: Path, kind: str) -> None:
    """Neither a video nor its audio, which are both downloaded again unless the video was kept."""
    reader = Readable()
    async with fetching(tmp_path, {}, audio=Audio.AAC, prober=reader) as (downloader, tool, _):
        if kind == "video":
            reader.video_end = 30.0
        else:
            reader.audio = replace(reader.audio, end=30.0)
        downloader._tool = cast("YtDlp", InexactSizes(tool))
        with pytest.raises(Failure, match=rf"the {kind} ends at 30\.0 s instead of 60\.0 s") as failed:
            await made(downloader)
        assert failed.value.reason is Reason.RAW_TRUNCATED
        with pytest.raises(Failure):
            await made(downloader)
    assert tool.fetched == [("raw.mp4", 0), ("sound.m4a", 0)] * 2


class InexactSizes:
    """Answers like another tool, without exact sizes."""

    def __init__(self, tool: Interrupted) -> None:
        self.tool = tool

    async def extract(self, *of: Any, **options: Any) -> dict[str, Any]:
        """Answer with estimated sizes."""
        info = await self.tool.extract(*of, **options)
        for entry in info["formats"]:
            if (size := entry.pop("filesize", None)) is not None:
                entry["filesize_approx"] = size
        return info


@pytest.mark.parametrize(
    ("entry", "version"),
    [
        ({"version": "2026.1.1"}, "2026.1.1"),
        ({"version": "x" * 50}, "x" * 40),
        ({"version": 3}, None),
        ({}, None),
        ("2026.1.1", None),
        (None, None),
    ],
)
def test_the_version_of_yt_dlp_is_that_of_its_answer(entry: object, version: str | None) -> None:
    """It is recorded, so it is limited."""
    assert _version({"_version": entry}) == version
    assert _version({}) is None


async def test_an_attempt_is_logged_with_its_formats_or_its_failure(tmp_path: Path) -> None:
    """In the log of the video."""
    async with fetching(tmp_path, {"sound": Reason.NETWORK}, audio=Audio.AAC) as (downloader, tool, attempt):
        with pytest.raises(Failure):
            await attempt(2)
        tool.fails = {}
        await attempt(2, 2)
        log = downloader._store.log_path(Video("RD", "V2", "", 0)).read_text("utf-8")
    assert log.splitlines() == [
        "attempt 1: network: ",
        "attempt 2: format 160, format 140, height 144, complete",
    ]


def test_a_failed_attempt_that_leaves_an_unreadable_directory_has_not_advanced(tmp_path: Path) -> None:
    """An attempt only counts as advanced if its bytes are there."""
    promise = ResumeToken.of(VIDEO, "a", RENDITION)
    assert not _advanced(Failure(Reason.NETWORK), promise, tmp_path / "missing", 0)


def test_a_failed_attempt_whose_bytes_cannot_be_counted_has_not_advanced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error while the partial file is examined leaves the failure of the download as it is."""

    def fail(*_: object) -> int:
        raise PermissionError

    promise = ResumeToken.of(VIDEO, "a", RENDITION)
    (tmp_path / promise.part).write_bytes(bytes(RENDITION.size or 0))
    assert _advanced(Failure(Reason.NETWORK), promise, tmp_path, 0) is True
    monkeypatch.setattr(ResumeToken, "bytes_arrived", fail)
    assert _advanced(Failure(Reason.NETWORK), promise, tmp_path, 0) is False


def test_an_attempt_that_cannot_be_resumed_has_not_advanced(tmp_path: Path) -> None:
    """Without a known size its bytes are downloaded again."""
    for size, advanced in ((1000, True), (None, False)):
        promise = ResumeToken.of(VIDEO, "a", replace(RENDITION, size=size))
        (tmp_path / promise.part).write_bytes(bytes(100))
        assert _advanced(Failure(Reason.NETWORK), promise, tmp_path, 0) is advanced
        assert not _advanced(Failure(Reason.NETWORK), promise, tmp_path, 100)


@pytest.mark.parametrize(("resumed", "advanced"), [(0, True), (4, True), (5, False)])
def test_each_byte_of_a_tiny_file_advances_its_download(
    tmp_path: Path, resumed: int, *, advanced: bool
) -> None:
    """A hundredth of it is less than a byte, but an attempt without a new byte has not advanced."""
    promise = ResumeToken.of(VIDEO, "a", replace(RENDITION, size=10))
    (tmp_path / promise.part).write_bytes(bytes(5))
    assert _advanced(Failure(Reason.NETWORK), promise, tmp_path, resumed) is advanced


# Sections


class Parts:
    """Partial files in place of whole ones."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        """Why the parts are of no use, if they are not."""
        self.raw: object = None
        """An existing source video of partial files."""
        self.removed: list[str] = []
        self.whole_only: list[str] = []
        self.accepted: list[dict[str, Any]] = []

    def seem_to_exist(self, _job: VideoJob) -> bool:
        """Return whether there are files."""
        return self.raw is not None

    async def existing(self, _job: VideoJob) -> object:
        """Return the existing source video."""
        return self.raw

    def are_wanted(self, _job: VideoJob, duration: float | None) -> bool:
        """Return True if the duration is that of the video."""
        return duration == load_runs.SECONDS

    async def fetch(
        self, _job: VideoJob, _info: object, selected: Mapping[str, Format], directory: Path, fetch: Attempt
    ) -> tuple[object, ...]:
        """Fetch fifteen bytes of each format."""
        for name, fmt in selected.items():
            await fetch(fmt, directory / f"{name}.section", [(0, 10), (20, 25)])
        return tuple(SimpleNamespace(summary=f"{name} 1 to 2") for name in selected)

    def received(self, _job: VideoJob) -> int:
        """Return the bytes that were fetched."""
        return 30

    async def judge(self, _job: VideoJob, _found: object) -> None:
        """Refuse them, if configured."""
        if self.refuses:
            raise SectionsRefusedError(self.refuses)

    async def accept(self, *arguments: Any) -> object:
        """Return a source video."""
        self.accepted.append(arguments[-1])
        return self.raw

    async def remove(self, job: VideoJob) -> None:
        """Register a removal."""
        self.removed.append(job.stem)

    def never(self, youtube_id: str) -> None:
        """Register a video of which the whole file is needed."""
        self.whole_only.append(youtube_id)


class ByRanges:
    """Registers what is fetched."""

    def __init__(self) -> None:
        self.amounts: list[Amount] = []

    async def run(self, _attempt: object, _fmt: Format, target: Path, amount: Amount) -> None:
        """Write a file."""
        self.amounts.append(amount)
        target.write_bytes(b"1")


async def test_only_sections_are_downloaded_if_they_are_of_use(tmp_path: Path) -> None:
    """The sizes of their ranges are known; they are recorded with what YouTube announced."""
    async with fetching(tmp_path, {}) as (downloader, tool, _):
        parts, ranges, events = Parts(), ByRanges(), list[Event]()
        parts.raw = SimpleNamespace(path=tmp_path / "part.mp4")
        downloader._sections, downloader._fetching = cast("Any", parts), cast("Any", ranges)
        downloader._events.subscribe(events.append)
        job, arrived, raw = await made(downloader)
        assert raw is cast("Any", parts.raw)
        assert [(each.least, each.size, each.ranges) for each in ranges.amounts] == [
            (15, 15, [(0, 10), (20, 25)])
        ]
        assert (tool.fetched, arrived.path, arrived.audio) == ([], None, None)
        assert [cast("Any", part).summary for part in arrived.parts] == ["raw 1 to 2"]
        (common,) = parts.accepted
        assert common["promised"] == {"height": load_runs.LINES, "seconds": load_runs.SECONDS}
        assert common["yt_dlp"] == arrived.yt_dlp
        assert common["took"] == round(common["took"], 3) >= 0
        (ready,) = [event for event in events if isinstance(event, RawReady)]
        assert (ready.video, ready.origin, ready.bytes) == ("RD_V2", "youtube", 30)
        assert downloader._in_use == {"RD_V2"}
        log = downloader._store.log_path(job.videos[0]).read_text("utf-8")
        assert "only sections are used: raw 1 to 2\n" in log
        assert downloader.expects_existing(job)


def timed(downloader: Downloader, seconds: float) -> None:
    """Make each download take so many seconds until it is accepted."""
    accept = downloader.accept

    async def late(job: VideoJob, arrived: Download) -> SourceVideo:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(anyio, "current_time", lambda: arrived.since + seconds)
            return await accept(job, arrived)

    downloader.accept = late  # type: ignore[method-assign]


@pytest.mark.parametrize("sections", [True, False])
async def test_the_duration_of_a_download_is_recorded_in_milliseconds(
    tmp_path: Path, *, sections: bool
) -> None:
    """Of video and audio, and of sections; the event has the exact one."""
    audio = Audio.NONE if sections else Audio.AAC
    async with fetching(tmp_path, {}, audio=audio, prober=Readable()) as (downloader, *_):
        parts, events = Parts(), list[Event]()
        if sections:
            parts.raw = SimpleNamespace(path=tmp_path / "part.mp4")
            downloader._sections, downloader._fetching = cast("Any", parts), cast("Any", ByRanges())
        downloader._events.subscribe(events.append)
        timed(downloader, 12.34567)
        await made(downloader)
        recorded = parts.accepted if sections else journal(downloader)
        assert [record["took"] for record in recorded] == [12.346] * (1 if sections else 2)
    (ready,) = [event for event in events if isinstance(event, RawReady)]
    assert ready.seconds == pytest.approx(12.34567)


async def test_the_whole_file_is_downloaded_if_sections_are_of_no_use(tmp_path: Path) -> None:
    """The log says why; partial files of an earlier run are removed once the whole one is there."""
    async with fetching(tmp_path, {}, prober=Readable()) as (downloader, tool, _):
        parts = Parts("it has open GOPs")
        downloader._sections = cast("Any", parts)
        whole = downloader._fetching
        ranges = ByRanges()

        async def run(attempt: Any, fmt: Format, target: Path, amount: Amount) -> None:
            await (ranges if amount.ranges else whole).run(attempt, fmt, target, amount)

        downloader._fetching = cast("Any", SimpleNamespace(run=run))
        job, arrived, raw = await made(downloader)
        assert (arrived.parts, raw.path.name) == ((), "RD_V2.mp4")
        assert [name for name, _ in tool.fetched] == ["raw.mp4"]
        assert parts.removed == ["RD_V2"]
        log = downloader._store.log_path(job.videos[0]).read_text("utf-8")
        assert "the whole file is downloaded: it has open GOPs\n" in log


async def test_a_partial_source_video_that_cannot_be_cut_is_replaced_by_the_whole_one(tmp_path: Path) -> None:
    """Its files are removed, and never made again in this run; a whole one is discarded as before."""
    async with fetching(tmp_path, {}) as (downloader, *_):
        parts, discarded = Parts(), list[object]()

        async def discard(_job: VideoJob, raw: object) -> None:
            discarded.append(raw)

        downloader._sections = cast("Any", parts)
        downloader._source_videos = cast("Any", SimpleNamespace(discard=discard))
        partial, whole = (cast("Any", SimpleNamespace(partial=each)) for each in (True, False))
        await downloader.discard(WORK, partial)
        assert (parts.whole_only, parts.removed, discarded) == ([_VIDEO.youtube_id], ["RD_V"], [])
        log = downloader._store.log_path(_VIDEO).read_text("utf-8")
        assert log == "partial files cannot be used; the whole file is next\n"
        await downloader.discard(WORK, whole)
        assert discarded == [whole]
        parts.raw = SimpleNamespace(path=downloader._store.source_videos_path / "part.mp4")
        parts.raw.path.write_bytes(b"12")
        downloader._source_videos = cast("Any", _Existing(None, None))
        assert await downloader.existing(WORK) is cast("Any", parts.raw)


async def test_a_system_limit_is_no_reason_to_use_other_audio(tmp_path: Path) -> None:
    """The recorded audio file was not read, so nothing is known about it."""

    class Limited(Prober):
        async def sound(self, path: Path, *, container: str) -> AudioInfo:
            raise Failure(Reason.RESOURCE_LIMIT, f"{path.name} {container}: Too many open files")

    async with fetching(tmp_path, {}, audio=Audio.AAC) as (downloader, *_):
        videos = downloader._source_videos
        videos._prober = Limited()
        file = videos._store.source_videos_path / "RD_V.m4a"
        file.write_bytes(b"123")
        record = {
            "type": "sound", "youtube_id": _VIDEO.youtube_id, "file": file.name, "bytes": 3,
            "resolution": "reference", "format_id": "140",
        }  # fmt: skip
        await videos._store.append(record)
        facts = SimpleNamespace(sound=object())
        raw = SourceVideo(file.with_suffix(".mp4"), "mp4", cast("MediaInfo", facts), {}, "22", None)
        with pytest.raises(Failure, match="Too many open files"):
            await videos.with_existing_audio(VideoJob((_VIDEO,), ()), raw)
        assert file.exists()
