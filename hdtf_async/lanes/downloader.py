"""The work of the network lane on one video: from its id to a complete, checked and recorded source video."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.events import Downloaded, DownloadStarted, FormatChosen, RawReady
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio
from hdtf_async.lanes.fetching import Amount, Attempt, Fetching
from hdtf_async.lanes.partial_videos import SectionsRefusedError
from hdtf_async.lanes.sections import ADVANCE, Sections
from hdtf_async.lanes.source_videos import SourceVideos
from hdtf_async.output import partial_ranges, partials
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.partials import AUDIO, VIDEO, ResumeToken
from hdtf_async.youtube import formats, tracks, ytdlp
from hdtf_async.youtube.entries import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.context import RunContext
    from hdtf_async.lanes.sections import Fetched
    from hdtf_async.lanes.source_videos import SourceVideo
    from hdtf_async.lanes.throttle import Permit
    from hdtf_async.media.demux import AudioInfo, MediaInfo
    from hdtf_async.media.probe import Prober
    from hdtf_async.youtube.entries import Source
    from hdtf_async.youtube.formats import Choice, Format

FORBIDDEN_IN_A_ROW = 3
"""Consecutive videos that YouTube's media servers reject, from which on yt-dlp is assumed to be outdated."""
FORBIDDING = 2
"""Consecutive videos that a source of media forbids, before other sources are preferred for all videos."""
_AUDIO_ENDINGS = {"m4a": "m4a", "mp4": "m4a", "webm": "weba"}
"""YouTube's file extension of audio to ours: videos have others."""


@dataclass(frozen=True, slots=True)
class Download:
    """A download as yt-dlp left it, not checked yet."""

    path: Path | None
    """The video; None if that existed, and only its audio was downloaded."""
    audio: Path | None
    """Its audio, if that is a separate file."""
    choice: Choice
    duration: float | None
    """Seconds that YouTube announced."""
    yt_dlp: str | None
    since: float
    """Start of the download, on the loop's clock."""
    parts: tuple[Fetched, ...] = ()
    """Partial files of video and audio, instead of whole ones."""


class Downloader:
    """Provides source videos: the user's own, those of earlier runs, and from YouTube."""

    def __init__(self, run: RunContext, tool: ytdlp.YtDlp, prober: Prober, *, width: int) -> None:
        """`width` is the number of downloads that share the bandwidth."""
        self._options = run.options
        self._in_use: set[str] = set()
        """Videos whose clips are being cut; their source videos may be deleted after that."""
        self._fetching = Fetching(run, tool, self._in_use, width)
        self._store = run.directory
        self._tool = tool
        self._prober = prober
        self._events = run.events
        self._source_videos = SourceVideos(run, prober)
        self._sections = Sections(run, prober)
        self._pictures: dict[str, SourceVideo] = {}
        """YouTube id to a source video that is valid but lacks audio, which is downloaded separately."""
        self._forbidden: set[str] = set()
        """Consecutive videos that the media servers rejected."""
        self._forbidding: dict[Source, Counter[str]] = {}
        """Sources of media, with how often they rejected each video since the last one that they
        delivered."""

    def expects_existing(self, job: VideoJob) -> bool:
        """Whether a source video seems to exist, according to file names and the journal alone."""
        return self._source_videos.seems_to_exist(job) or self._sections.seem_to_exist(job)

    async def existing(self, job: VideoJob) -> SourceVideo | None:
        """Return a source video that needs no download, if there is a valid one: kept, or the user's own.

        An invalid one is not touched; `accept` replaces it if it is this program's.
        """
        begun = anyio.current_time()
        video = await self._source_videos.existing_video(job)
        if video is None:
            raw = await self._sections.existing(job)
        else:
            raw = await self._source_videos.with_existing_audio(job, video)
        if raw is None:
            if video is not None:
                self._pictures[job.youtube_id] = video
            return None
        origin = "kept" if raw.path.parent == self._store.source_videos_path else "user"
        size = await self._store.size(raw.path)
        self._events.emit(RawReady(job.stem, origin, size, anyio.current_time() - begun))
        self._in_use.add(job.stem)
        return raw

    async def download(self, job: VideoJob, directory: Path, permit: Permit) -> Download:
        """Extract the video, choose its formats and download them to a private directory.

        The caller holds a network token; `permit` is notified once the video is available, and once bytes
        arrive. Partial files stay in the directory if another attempt can resume them. Raises `Failure`.
        """
        begun = anyio.current_time()
        self._events.emit(DownloadStarted(job.stem, job.youtube_id, job.attempt, job.least_bytes))
        name = ""
        selected: dict[str, Format] = {}
        try:
            avoid = self._avoided(job)
            info = await self._tool.extract(job.youtube_id, directory, every_address=bool(avoid))
            choice = self._choose(job, info, avoid)
            permit.available()
            selected = self._formats_to_download(job, choice)
            self._tell_chosen(job, choice)
            attempt = Attempt(job, info, directory, permit)
            arrived: dict[str, Path] = {}
            async with permit.transfer():
                parts = await self._fetch_sections(attempt, selected)
                for name, fmt in () if parts else selected.items():
                    arrived[name] = await self._fetch(attempt, name, fmt)
        except Failure as failure:
            if failure.reason is Reason.FORBIDDEN and not failure.advanced and name:
                self._forbidding.setdefault(selected[name].source, Counter())[job.youtube_id] += 1
            message = f"attempt {job.attempt}: {failure.reason}: {failure.words}\n"
            await self._store.log(job.videos[0], message)
            if failure.reason not in partials.RESUMABLE:
                await run_sync(partials.forget, directory, name)
                await run_sync(partial_ranges.forget, directory / partial_ranges.DIRECTORY)
            other = self._of_several(job, failure)
            raise other from None if other is failure else failure
        self._forbidden.clear()
        for fmt in selected.values():
            self._forbidding.pop(fmt.source, None)
        described = ", ".join(f"format {fmt.format_id}" for fmt in selected.values())
        message = f"attempt {job.attempt}: {described}, height {choice.video.height}, complete\n"
        await self._store.log(job.videos[0], message)
        self._events.emit(Downloaded(job.stem, anyio.current_time() - begun))
        return Download(
            arrived.get(VIDEO),
            arrived.get(AUDIO),
            choice,
            formats.duration(info),
            _version(info),
            begun,
            parts,
        )

    def _avoided(self, job: VideoJob) -> set[Source]:
        """Return the sources of media that have rejected this video, or several others in a row.

        yt-dlp keeps one URL of each format, that of the first client. If that client's media are forbidden,
        those of another one, or another protocol, may be available.
        """
        return {
            source
            for source, videos in self._forbidding.items()
            if job.youtube_id in videos or len(videos) >= FORBIDDING
        }

    def _choose(self, job: VideoJob, info: Mapping[str, Any], avoid: set[Source]) -> Choice:
        """Choose the formats. Another protocol is used only after the usual one was forbidden twice.

        A new URL of the same client often works, and HLS has lower quality or lacks the size.
        """
        required = formats.Requirements(
            self._options.resolution,
            job.reference_height,
            audio=self._options.audio is not Audio.NONE,
            hdr=self._options.hdr,
        )
        choose = partial(formats.choose, info, required)
        choice = choose(avoid=avoid)
        forbidden = Counter[str]()
        for source, videos in self._forbidding.items():
            forbidden[source.protocol] += videos[job.youtube_id]
        once = {source for source in avoid if forbidden[source.protocol] == 1}
        if any(source.protocol == choice.video.source.protocol for source in once):
            return choice
        return choose(avoid=avoid - once) if once else choice

    def _formats_to_download(self, job: VideoJob, choice: Choice) -> dict[str, Format]:
        """Return the formats to download: the video, and its audio if that is separate."""
        if self._options.audio is Audio.NONE:
            return {VIDEO: choice.video}
        if choice.audio is None:
            if choice.inside is None:
                dubbed = choice.video.acodec is not None or any(
                    why == formats.DUBBED for _, why in choice.refused
                )
                message = "only dubbed audio is offered" if dubbed else "no format with audio is offered"
                raise Failure(Reason.NO_SOUND, message)
            self._pictures.pop(job.youtube_id, None)  # the audio is inside another one
            return {VIDEO: choice.video}
        video = {} if job.youtube_id in self._pictures else {VIDEO: choice.video}
        return video | {AUDIO: choice.audio}

    def _tell_chosen(self, job: VideoJob, choice: Choice) -> None:
        video, audio_id = choice.video, None if choice.audio is None else choice.audio.format_id
        with_audio = self._options.audio is not Audio.NONE
        track = (choice.track if with_audio else None) or tracks.UNKNOWN
        self._events.emit(
            FormatChosen(
                job.stem, video.format_id, video.height, video.fps, video.size, choice.refused, audio_id,
                track.language, track.original, track.guessed,
            )
        )  # fmt: skip

    async def _fetch(self, attempt: Attempt, name: str, fmt: Format) -> Path:
        """Download one format, or the missing part of it."""
        job, directory = attempt.job, attempt.directory
        promise = ResumeToken.of(name, job.youtube_id, fmt)
        with os_errors_as_failures(directory):
            resumed = await run_sync(partials.resume, directory, promise)
        if resumed and resumed == promise.size and await anyio.Path(directory / promise.file).exists():
            return directory / promise.file
        least = job.least_bytes if name == VIDEO else 0
        target = directory / promise.file
        try:
            await self._fetching.run(attempt, fmt, target, Amount(fmt.size or least, fmt.size, resumed))
        except Failure as failure:
            failure.advanced = await run_sync(_advanced, failure, promise, directory, resumed)
            raise
        return target

    async def _fetch_sections(self, attempt: Attempt, selected: Mapping[str, Format]) -> tuple[Fetched, ...]:
        """Download only what the clips need; nothing if the whole files are to be downloaded."""
        job, place = attempt.job, attempt.directory / partial_ranges.DIRECTORY
        if VIDEO not in selected or not self._sections.are_wanted(job, formats.duration(attempt.info)):
            await run_sync(partial_ranges.forget, place)
            return ()

        async def fetch(fmt: Format, target: Path, ranges: Sequence[tuple[int, int]]) -> None:
            size = sum(behind - first for first, behind in ranges)
            await self._fetching.run(attempt, fmt, target, Amount(size, size, ranges=ranges))

        try:
            found = await self._sections.fetch(job, attempt.info, selected, attempt.directory, fetch)
            await self._sections.judge(job, found)
        except SectionsRefusedError as refused:
            await self._store.log(job.videos[0], f"the whole file is downloaded: {refused}\n")
            await run_sync(partial_ranges.forget, place)
            return ()
        await run_sync(partial_ranges.finish, place)
        segments = "; ".join(each.summary for each in found)
        await self._store.log(job.videos[0], f"only sections are used: {segments}\n")
        return found

    def _of_several(self, job: VideoJob, failure: Failure) -> Failure:
        """Return the failure; if media of several videos in a row are rejected, the videos are not the cause.

        A video is not judged by the others before its own URL was issued again.
        """
        if failure.reason is not Reason.FORBIDDEN or failure.advanced:
            return failure
        self._forbidden.add(job.youtube_id)
        if len(self._forbidden) < FORBIDDEN_IN_A_ROW or job.attempt < failure.reason.advice.tries:
            return failure
        clients = sorted({name for source in self._forbidding for name in CLIENTS.get(source.client, ())})
        exclude = "".join(f",-{name}" for name in clients)
        advice = (
            "If yt-dlp is current, exclude the client whose media requests are forbidden:"
            f" --yt-dlp-args='--extractor-args youtube:player_client=default{exclude}'\n"
        )
        return Failure(
            Reason.UPDATE_NEEDED,
            f"{failure.words}\nMedia requests were forbidden for {len(self._forbidden)} videos in a row.\n"
            + (advice if clients else ""),
        )

    async def another_is_available(self, directory: Path, excluding: Collection[str]) -> bool:
        """Query a video that YouTube had before, and return whether it is still available.

        `directory` is private to it; `excluding` are ids that are not queried. False if no other such video
        is known, or the answer is inconclusive.
        """
        downloaded = reversed(list(self._store.known.source_videos))
        others = (youtube_id for youtube_id in downloaded if youtube_id not in excluding)
        return await self._tool.any_is_available(islice(others, ytdlp.SAMPLE), directory)

    def was_unavailable(self, job: VideoJob) -> bool:
        """Whether YouTube reported the video as unavailable, without a reason, at least 12 hours ago."""
        return self._store.known.was_unavailable(job.youtube_id, datetime.now(UTC))

    async def accept(self, job: VideoJob, arrived: Download) -> SourceVideo:
        """Check a download against the announced values, rename and record it.

        Raises `Failure`: ``raw_truncated``, ``raw_unreadable``, ``disk_full``, ``not_writable``.
        """
        if arrived.parts:
            return await self._accept_sections(job, arrived)
        try:
            if arrived.path is None:
                raw = self._pictures[job.youtube_id]
            else:
                raw = await self._accept_video(job, arrived, arrived.path)
            audio = arrived.audio
            if audio is not None and arrived.choice.audio is not None:
                raw = await self._accept_audio(raw, job, arrived, audio, arrived.choice.audio)
            elif self._options.audio is not Audio.NONE:
                raw = raw.with_own_audio()
        except Failure:
            for path in (arrived.path, arrived.audio):
                if path is not None:  # it is complete and invalid: it cannot be resumed
                    await run_sync(partials.forget, path.parent)
            raise
        self._pictures.pop(job.youtube_id, None)
        await self._sections.remove(job)
        self._in_use.add(job.stem)
        files = {raw.path, raw.audio or raw.path}
        size = sum([await self._store.size(path) for path in files]) + self._sections.received(job)
        self._events.emit(RawReady(job.stem, "youtube", size, anyio.current_time() - arrived.since))
        return raw

    async def _accept_sections(self, job: VideoJob, arrived: Download) -> SourceVideo:
        common = {
            "promised": {"height": arrived.choice.video.height, "seconds": arrived.duration},
            "yt_dlp": arrived.yt_dlp,
            "took": round(anyio.current_time() - arrived.since, 3),
        }
        raw = await self._sections.accept(job, arrived.parts, arrived.choice, common)
        size = self._sections.received(job)
        self._in_use.add(job.stem)
        self._events.emit(RawReady(job.stem, "youtube", size, anyio.current_time() - arrived.since))
        return raw

    async def _accept_video(self, job: VideoJob, arrived: Download, path: Path) -> SourceVideo:
        fmt = arrived.choice.video
        facts = await self._source_videos.facts(path, fmt.ext, job)
        _require_whole("video", facts, fmt, arrived.duration)
        if self._options.audio is not Audio.NONE and arrived.choice.audio is None and facts.sound is None:
            raise Failure(Reason.NO_SOUND, "the chosen format has no audio")
        final = self._store.source_video_path(job.videos[0], fmt.ext)
        record = {
            "type": "raw",
            "resolution": str(self._options.resolution),
            "facts": asdict(facts) | {"shown": None},
            "stretched_ratio": fmt.stretched_ratio,
        } | await self._common_record(job, arrived, path, final, fmt)
        await self._source_videos.keep(job, path, final, record)
        return self._source_videos.raw(final, facts, job, record)

    async def _accept_audio(
        self, raw: SourceVideo, job: VideoJob, arrived: Download, path: Path, fmt: Format
    ) -> SourceVideo:
        ending = _AUDIO_ENDINGS[fmt.ext]
        audio = await self._prober.sound(path, container=ending)
        _require_whole("sound", audio, fmt, arrived.duration)
        final = self._store.source_video_path(job.videos[0], ending)
        common = await self._common_record(job, arrived, path, final, fmt)
        await self._source_videos.keep(job, path, final, {"type": "sound", "facts": asdict(audio)} | common)
        return replace(
            raw,
            audio=final,
            audio_suspect=audio.suspect,
            audio_format_id=fmt.format_id,
            track=fmt.track,
        )

    async def _common_record(
        self, job: VideoJob, arrived: Download, path: Path, final: Path, fmt: Format
    ) -> Record:
        """Return the common part of the records of video and audio."""
        return {
            "youtube_id": job.youtube_id,
            "file": final.name,
            "bytes": await self._store.size(path),
            "format_id": fmt.format_id,
            "promised": {"height": fmt.height, "bytes": fmt.size, "seconds": arrived.duration},
            "yt_dlp": arrived.yt_dlp,
            "took": round(anyio.current_time() - arrived.since, 3),
        } | ({} if fmt.track is None else {"audio": fmt.track.to_json()})

    async def discard(self, job: VideoJob, raw: SourceVideo) -> None:
        """Stop using an invalid source video; after a partial one, the whole file is downloaded."""
        if raw.partial:
            self._sections.never(job.youtube_id)
            await self._store.log(job.videos[0], "partial files cannot be used; the whole file is next\n")
            await self._sections.remove(job)
        else:
            await self._source_videos.discard(job, raw)

    async def release(self, job: VideoJob, *, keep: bool) -> None:
        """Register that a video's clips are finished; delete its source video if it was downloaded."""
        self._in_use.discard(job.stem)
        for record in self._store.known.source_videos.get(job.youtube_id, ()) if not keep else ():
            await self._source_videos.remove(job, record["file"])


def _advanced(failure: Failure, promise: ResumeToken, directory: Path, resumed: int) -> bool:
    """Whether an attempt downloaded a significant part, so that the number of attempts stays bounded."""
    if failure.reason not in partials.RESUMABLE or promise.size is None:
        return False
    try:
        grown = promise.bytes_arrived(directory) - resumed
    except OSError:
        return False
    return grown > 0 and grown >= promise.size // ADVANCE


def _require_whole(what: str, read: MediaInfo | AudioInfo, fmt: Format, promised: float | None) -> None:
    """Raise `Failure` if a download ends early."""
    # With the announced number of bytes it is complete, even if its video ends before its audio.
    expected = None if fmt.size_is_exact else promised
    if read.truncated or (expected and expected - read.end > max(2.0, 0.01 * expected)):
        stated = max(filter(None, (read.promised, expected)))
        raise Failure(Reason.RAW_TRUNCATED, f"the {what} ends at {read.end:.1f} s instead of {stated:.1f} s")


def _version(info: Mapping[str, Any]) -> str | None:
    entry = info.get("_version")
    version = entry.get("version") if isinstance(entry, dict) else None
    return version[:40] if isinstance(version, str) else None
