"""The source videos of an output directory and the user's own: which exist, and how new ones are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from anyio.to_thread import run_sync

from hdtf_async.core.events import FileNotUsed
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Resolution
from hdtf_async.lanes.user_videos import NO_VIDEO, Kind
from hdtf_async.youtube import formats
from hdtf_async.youtube.tracks import Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Tables, Video
    from hdtf_async.dataset.plan import Plan, VideoJob
    from hdtf_async.lanes.context import RunContext
    from hdtf_async.lanes.user_videos import OwnFile, OwnFiles
    from hdtf_async.media.demux import MediaInfo
    from hdtf_async.media.probe import Prober
    from hdtf_async.media.timeline import Shown
    from hdtf_async.output.directory import OutputDirectory

_KEPT = ("mp4", "m4v", "mov", "webm", "mkv")
"""Extensions of source videos in an output directory without a record."""
_FILE = re.compile(r"(\.\d+-\d+\.\w+\.part|\.[^.]*)$")
"""What follows the name of a video in that of a source file, partial or whole."""
_NOT_READ = frozenset({Reason.RAW_UNREADABLE, Reason.TIMED_OUT})
"""Reasons for which a file could not be read that say something about the file."""


@dataclass(frozen=True, slots=True)
class SourceVideo:
    """A checked source video, with the metadata of its clips."""

    path: Path
    container: str
    facts: MediaInfo
    shown: Mapping[str, Shown]
    """Stem of each clip to cut to the frames of its interval."""
    format_id: str | None
    """None for the user's own video."""
    yt_dlp: str | None
    """Version that downloaded it; None for the user's own video."""
    audio: Path | None = None
    """The file with its audio, possibly the source video itself; None without audio, or if none is
    requested."""
    audio_format_id: str | None = None
    audio_track: int = 0
    """Index of the used audio stream of that file, from 0."""
    audio_suspect: bool = False
    """Whether the container of that file is damaged somewhere; for the source video itself see `facts`."""
    own: bool = False
    """Whether it is the user's own."""
    beside: tuple[OwnFile, ...] = ()
    """Files of the user that may be its audio."""
    track: Track | None = None
    """Its audio according to the format table; None if not recorded, as for the user's own videos."""
    stretched_ratio: float | None = None
    """Aspect ratio that the uploader requested, if it differs from the file's."""
    audio_container: str = ""
    """Extension that selects the demuxer of `audio`; empty if it is that of the file."""
    partial: bool = False
    """Whether it has only the segments that its clips need."""
    pieces: Mapping[str, SourceVideo] = field(default_factory=dict)
    """Stem of each clip to the partial file that it is cut from, if there are several files."""

    def of(self, stem: str) -> SourceVideo:
        """Return the file that a clip is cut from."""
        return self.pieces.get(stem, self)

    def with_own_audio(self) -> Self:
        """Return it with the audio inside it."""
        return replace(self, audio=self.path, audio_format_id=self.format_id)


class SourceVideos:
    """Finds the existing source videos, and probes them before clips are cut."""

    def __init__(self, run: RunContext, prober: Prober) -> None:
        self._options = run.options
        self._store = run.directory
        self._prober = prober
        self._own = run.own
        self._events = run.events

    def seems_to_exist(self, job: VideoJob) -> bool:
        """Whether a source video seems to exist, according to file names and the journal alone."""
        return bool(self._own.of(job)) or any(True for _ in (*self._recorded(job), *self._kept(job)))

    async def existing_video(self, job: VideoJob) -> SourceVideo | None:
        """Return a valid source video without its audio, if there is one; an invalid one is not touched.

        An event is emitted for each of the user's own files that is not used, with the cause. Raises
        `Failure` with ``raw_dir_file`` if there are files for the video, and all of them are invalid.
        """
        for path, record in self._recorded(job):
            facts, why = await self._looked_at(path, job)
            if facts is not None and not why:
                await self.only(job, path, "raw")
                for each in self._own.of(job):
                    if each.path != path.absolute():
                        self._tell_unused(job, each, "the downloaded video is used")
                return self.raw(path, facts, job, record)
            await self._not_used(job, path, why)
        raw = await self._own_video(job)
        if raw is not None:
            return raw
        for path in self._kept(job):
            facts, why = await self._looked_at(path, job)
            if facts is not None and not why:
                return self.raw(path, facts, job, {})
            await self._not_used(job, path, why)
        return None

    async def _own_video(self, job: VideoJob) -> SourceVideo | None:
        """Return the first of the user's own files that can be the video. Raises `Failure`."""
        used: SourceVideo | None = None
        sounds: list[OwnFile] = []
        bad: list[str] = []
        for each in self._own.of(job):
            if each.kind is Kind.NEITHER:
                self._tell_unused(job, each, each.why)
            elif each.kind is Kind.AUDIO or await self._is_audio(each):
                sounds.append(each)
            elif used is not None:
                self._tell_unused(job, each, f"{used.path.name} is used")
            else:
                facts, why = await self._looked_at(each.path, job)
                if facts is not None and not why:
                    used = replace(self.raw(each.path, facts, job, {}), own=True)
                else:
                    self._tell_unused(job, each, why)
                    bad += [] if self._has_another_height(facts, job) else [f"{each.path.name}: {why}"]
        if used is None and bad:
            raise Failure(Reason.RAW_DIR_FILE, "\n".join(bad))
        if used is None:
            for each in sounds:
                self._tell_unused(job, each, NO_VIDEO)
            return None
        return replace(used, beside=tuple(sounds))

    async def _looked_at(self, path: Path, job: VideoJob) -> tuple[MediaInfo | None, str]:
        """Return the properties of a video, if it can be read, and why it cannot be used, if so."""
        try:
            facts = await self.facts(path, path.suffix[1:].lower(), job)
        except Failure as failure:
            if failure.reason not in _NOT_READ:
                raise
            return None, failure.words.removeprefix(f"{path.name}: ")
        if facts.truncated:
            return facts, f"truncated at {facts.end:.1f} s of {facts.start + facts.promised:.1f} s"
        if self._has_another_height(facts, job):
            return facts, f"height {min(facts.width, facts.height)}, but --resolution is exact"
        return facts, ""

    def _has_another_height(self, facts: MediaInfo | None, job: VideoJob) -> bool:
        """Whether a valid video has another height than the requested one."""
        if facts is None or facts.truncated or self._options.resolution is not Resolution.EXACT:
            return False
        return not formats.is_at(min(facts.width, facts.height), job.reference_height)

    async def _is_audio(self, each: OwnFile) -> bool:
        """Whether a file with a video's extension contains only audio."""
        try:
            return await self._prober.glance(each.path, container=each.container) == "audio"
        except Failure as failure:
            if failure.reason not in _NOT_READ:
                raise
            return False

    async def with_existing_audio(self, job: VideoJob, raw: SourceVideo) -> SourceVideo | None:
        """Return a source video with the requested audio, if that exists.

        Raises `Failure` with ``raw_dir_file`` if the user's own audio file is invalid.
        """
        if self._options.audio is Audio.NONE:
            return raw
        if raw.own and raw.facts.sound is None and raw.beside:
            return await self._with_own_audio(job, raw)
        for each in raw.beside:
            self._tell_unused(job, each, f"the audio in {raw.path.name} is used")
        record = self._store.known.existing_source_video(job.youtube_id, "sound")
        if record is not None and not (raw.own and raw.facts.sound is not None):
            path = self._store.source_videos_path / record["file"]
            try:
                audio = await self._prober.sound(path, container=path.suffix[1:])
            except Failure as failure:
                if failure.reason not in _NOT_READ:
                    raise
                await self._not_used(job, path, f"{failure}")
            else:
                if not audio.truncated:
                    await self.only(job, path, "sound")
                    track = Track.from_json(record.get("audio"))
                    return replace(
                        raw,
                        audio=path,
                        audio_suspect=audio.suspect,
                        audio_format_id=record.get("format_id"),
                        track=track,
                    )
                await self._not_used(job, path, "it is truncated")
        # A video that was downloaded without audio may contain dubbed audio.
        dubbed = raw.track is not None and raw.track.dubbed
        return None if raw.facts.sound is None or dubbed else raw.with_own_audio()

    async def _with_own_audio(self, job: VideoJob, raw: SourceVideo) -> SourceVideo:
        """Return the user's own video with the first valid one of its separate audio files."""
        found: SourceVideo | None = None
        bad: list[str] = []
        for each in raw.beside:
            if found is not None and found.audio is not None:
                self._tell_unused(job, each, f"{found.audio.name} is used")
                continue
            try:
                audio = await self._prober.sound(each.path, container=each.container)
                why = f"truncated at {audio.end:.1f} s" if audio.truncated else ""
            except Failure as failure:
                if failure.reason not in _NOT_READ:
                    raise
                why = failure.words.removeprefix(f"{each.path.name}: ")
            if why:
                self._tell_unused(job, each, why)
                bad.append(f"{each.path.name}: {why}")
            else:
                found = replace(raw, audio=each.path, audio_track=audio.track, audio_suspect=audio.suspect)
        if found is None:
            raise Failure(Reason.RAW_DIR_FILE, "\n".join(bad))
        return found

    def _tell_unused(self, job: VideoJob, each: OwnFile, why: str) -> None:
        self._events.emit(FileNotUsed(job.stem, each.path.name, why))

    async def _not_used(self, job: VideoJob, path: Path, why: str) -> None:
        await self._store.log(job.videos[0], f"{path.name} is not used: {why}\n")

    def _recorded(self, job: VideoJob) -> Iterable[tuple[Path, Mapping[str, Any]]]:
        """Yield the source video in the journal, with its record, if it is the requested one."""
        record = self._store.known.existing_source_video(job.youtube_id)
        requested, got = self._options.resolution, record and record["resolution"]
        # The file shows whether it has the reference height, but not whether that is the best available.
        if record is not None and (requested == got or Resolution.BEST not in (requested, got)):
            yield self._store.source_videos_path / record["file"], record

    def _kept(self, job: VideoJob) -> Iterable[Path]:
        """Yield source videos without a record: another program's, or ours from before a power cut."""
        if self._store.known.existing_source_video(job.youtube_id) is None:
            paths = (self._store.source_video_path(video, ending) for video in job.videos for ending in _KEPT)
            yield from (path for path in paths if path.is_file() and not self._own.owns(path))

    async def keep(self, job: VideoJob, path: Path, final: Path, record: Record) -> None:
        """Record a checked source video, and rename it, in this order.

        An existing one without a record could be from anyone, in any format. Raises `Failure`: ``disk_full``,
        ``not_writable``.
        """
        await self._store.append(record)
        await self._store.publish(path, final)
        await self.only(job, final, record["type"])

    async def only(self, job: VideoJob, raw: Path, kind: str) -> None:
        """Give our source video the names of all its rows, and remove the files that it has replaced."""
        ending = raw.suffix[1:]
        for video in job.videos:
            name = self._store.source_video_path(video, ending)
            if not self._own.owns(name) and not await run_sync(_same, name, raw):
                await self._store.link(raw, name)
        for record in self._store.known.source_videos.get(job.youtube_id, []):
            if record["type"] == kind and record["file"].rpartition(".")[2] != ending:
                await self.remove(job, record["file"])

    async def remove(self, job: VideoJob, file: str) -> None:
        """Remove our source video with the names of all rows. Raises `Failure` with ``not_writable``."""
        await delete_source_video(self._store, file, job.videos, own=self._own)

    async def discard(self, job: VideoJob, raw: SourceVideo) -> None:
        """Stop using an invalid source video: ours is deleted, the user's own is not touched."""
        await self._store.log(job.videos[0], f"{raw.path.name} cannot be decoded and is not used any more\n")
        for path in {raw.path, raw.audio or raw.path}:
            if not self._own.owns(path):
                await self.remove(job, path.name)

    async def facts(self, path: Path, container: str, job: VideoJob) -> MediaInfo:
        """Return the properties of a video, with the frames of each of its clips. Raises `Failure`."""
        return await self._prober.facts(
            path, container=container, intervals=[clip.interval for clip in job.clips]
        )

    def raw(self, path: Path, facts: MediaInfo, job: VideoJob, record: Mapping[str, Any]) -> SourceVideo:
        """Return an existing source video, with the data of its record."""
        stems = [clip.stem for clip in job.clips]
        ratio = record.get("stretched_ratio")
        return SourceVideo(
            path,
            path.suffix[1:].lower(),
            facts,
            dict(zip(stems, facts.shown, strict=True)),
            record.get("format_id"),
            record.get("yt_dlp"),
            track=Track.from_json(record.get("audio")),
            stretched_ratio=ratio if isinstance(ratio, float) else None,
        )


async def delete_source_video(
    store: OutputDirectory, file: str, videos: Iterable[Video], *, own: OwnFiles
) -> None:
    """Remove a recorded source video, with the names of all rows; never one of the user's own.

    Raises `Failure` with ``not_writable``.
    """
    ending = file.rpartition(".")[2]
    for path in {
        store.source_videos_path / file,
        *(store.source_video_path(video, ending) for video in videos),
    }:
        if not own.owns(path):
            await store.remove(path)


async def delete_finished(read: Tables, decided: Plan, store: OutputDirectory, own: OwnFiles) -> None:
    """Delete the source videos whose clips all exist: a run was killed before it deleted them."""
    over = {clip.video.youtube_id for clip in decided.there} - {
        clip.video.youtube_id for clip in decided.clips
    }
    rows: dict[str, list[Video]] = {}
    for video in read.videos:
        rows.setdefault(video.youtube_id, []).append(video)
    # Nearly always they are deleted already: one listing shows that without checking each of them.
    names = await run_sync(lambda: [path.name for path in store.source_videos_path.iterdir()])
    stems = {_FILE.sub("", name) for name in names}
    for youtube_id in sorted(over & store.known.source_videos.keys()):
        if not stems.isdisjoint(video.stem for video in rows[youtube_id]):
            for record in store.known.source_videos[youtube_id]:
                await delete_source_video(store, record["file"], rows[youtube_id], own=own)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False
