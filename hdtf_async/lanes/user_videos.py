"""The user's own files (``--raw-dir``): which video each belongs to, by its name alone.

The following names are recognised, where NAME is that of a video (``RD_Radio1``) or its YouTube id:

- ``NAME.mp4``;
- ``Title [ID].mp4`` and ``Title-ID.mp4``, as yt-dlp and youtube-dl name files;
- with the id as a separate word anywhere else: ``Title [ID] [1080p].mp4``;
- each of them with the format that yt-dlp appends before it merges two files: ``Title [ID].f137.mp4``.

Whether a file can be read is checked elsewhere (see `source_videos`). `looked_into` distinguishes audio from
video by content.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from hdtf_async.core import os_errors
from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio
from hdtf_async.core.options import Options
from hdtf_async.lanes import existing_parts
from hdtf_async.media.containers import AUDIO_DEMUXERS, DEMUXERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.output.journal import JournalIndex

_FORMAT = re.compile(r"\.f(?=[\w+-]*\d)[\w+-]{1,40}$")
_IDS = (
    re.compile(r"(?<![A-Za-z0-9_-])([A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])"),
    re.compile(r"[-_]([A-Za-z0-9_-]{11})$"),
)
_PARTIAL = re.compile(r"\.(part|ytdl|temp)$|\.part-Frag\d+(\.part)?$|\.temp\.\w+$", re.IGNORECASE)
_BESIDE = frozenset({
    *("ass", "csv", "description", "html", "jpeg", "jpg", "json", "log", "lrc", "md", "nfo", "png", "srt"),
    *("srv1", "srv2", "srv3", "tsv", "ttml", "txt", "url", "vtt", "webloc", "webp", "xml", "yaml", "yml"),
})  # fmt: skip
"""Extensions of files that often accompany videos: images, subtitles, descriptions."""


NO_VIDEO = "audio without a video"
"""Why audio alone is not used."""


class Kind(StrEnum):
    """The type of a file, by its extension."""

    VIDEO = "video"
    AUDIO = "audio"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class OwnFile:
    """One of the user's own files whose name belongs to a video."""

    path: Path
    """Absolute path."""
    kind: Kind
    why: str = ""
    """Why it cannot be used, if its name shows that."""
    silent: bool = False
    """Whether it is known to be a video without audio."""

    @property
    def container(self) -> str:
        """File extension without the dot, in lower case."""
        return self.path.suffix[1:].lower()


@dataclass(slots=True)
class OwnFiles:
    """All files of some directories, by the names for which videos look."""

    by_name: dict[str, list[OwnFile]] = field(default_factory=dict)
    paths: set[Path] = field(default_factory=set)
    """All of them: none is ever changed or deleted."""

    def of(self, job: VideoJob) -> list[OwnFile]:
        """Return the files that belong to a video, the most likely source first."""
        names = (job.youtube_id, *(video.stem for video in job.videos))
        found = {each.path: each for name in names for each in self.by_name.get(name, ())}
        # Merged files come before the parts that yt-dlp merged.
        return sorted(found.values(), key=lambda each: (each.kind is not Kind.VIDEO, _is_part(each.path)))

    def videos(self, job: VideoJob) -> list[OwnFile]:
        """Return those of them that may be the video."""
        return [each for each in self.of(job) if each.kind is Kind.VIDEO]

    def listed(self, jobs: Iterable[VideoJob]) -> list[dict[str, str]]:
        """Return the use of each file, as far as names show: one JSON object for each file."""
        found = []
        for job in jobs:
            first = next(iter(self.videos(job)), None)
            for each in self.of(job):
                why = each.why
                if each.kind is Kind.VIDEO and first is not None and each is not first:
                    why = f"{first.path.name} is used first"
                elif each.kind is Kind.AUDIO and first is None:
                    why = NO_VIDEO
                found.append({"video": job.stem, "file": each.path.name, "kind": each.kind, "unused": why})
        return found

    def get(self, name: str, default: Path | None = None) -> Path | None:
        """Return the first file that may be the video with this name or id."""
        files = self.by_name.get(name, ())
        return next((each.path for each in files if each.kind is Kind.VIDEO), default)

    def owns(self, path: Path) -> bool:
        """Whether a file is one of the user's own."""
        return path.absolute() in self.paths


def find_user_videos(directories: Iterable[Path]) -> OwnFiles:
    """Return the user's own files. Raises `OptionsError` if a directory does not exist.

    Files are ordered by directory, then by name.
    """
    found = OwnFiles()
    for directory in directories:
        try:
            paths = sorted(directory.iterdir())
        except OSError as error:
            raise OptionsError(f"--raw-dir {directory}: {os_errors.message_of(error)}") from None
        for path in paths:
            each = _judged(path.absolute())
            if each is not None:
                found.paths.add(each.path)
                for name in dict.fromkeys(names_of(path.name)):
                    found.by_name.setdefault(name, []).append(each)
    return found


def names_of(file_name: str) -> Iterator[str]:
    """Yield the names for which a file matches."""
    stem = _PARTIAL.sub("", file_name)
    is_media = stem.rpartition(".")[2].lower() in DEMUXERS.keys() | AUDIO_DEMUXERS.keys()
    stem = stem.rpartition(".")[0] if is_media or stem == file_name else stem
    for name in dict.fromkeys((stem, _FORMAT.sub("", stem))):
        yield name
        for pattern in _IDS:
            yield from pattern.findall(name)


def to_fetch(
    jobs: Iterable[VideoJob], own: OwnFiles, index: JournalIndex, options: Options
) -> list[VideoJob]:
    """Return the videos of which something must be downloaded, video or audio."""
    return [job for job in jobs if not _is_complete(job, own, index, options)]


def _is_complete(job: VideoJob, own: OwnFiles, index: JournalIndex, options: Options) -> bool:
    """Whether nothing of a video must be downloaded, according to names, `looked_into` and the journal."""
    videos = own.videos(job)
    if not videos:
        whole = index.existing_source_video(job.youtube_id) is not None
        return whole or existing_parts.cover_all(index, job, options)
    if options.audio is Audio.NONE or not videos[0].silent:
        return True
    beside = any(each.kind is Kind.AUDIO for each in own.of(job))
    return beside or index.existing_source_video(job.youtube_id, "sound") is not None


async def looked_into(own: OwnFiles, jobs: Iterable[VideoJob]) -> OwnFiles:
    """Return the user's own files; those of the given videos are classified by content instead of extension.

    A file that cannot be read keeps its classification.
    """
    from hdtf_async.media.probe import Prober  # noqa: PLC0415 - few runs have such files

    found = {each.path: each for job in jobs for each in own.videos(job)}
    async with Prober() as prober:
        for path, each in found.items():
            try:
                content = await prober.glance(path, container=each.container)
            except Failure as failure:
                if failure.reason in {Reason.TOOL_MISSING, Reason.RESOURCE_LIMIT}:
                    raise
                continue
            kind = Kind.AUDIO if content == "audio" else Kind.VIDEO
            found[path] = replace(each, kind=kind, silent=content == "silent")
    by_name = {name: [found.get(each.path, each) for each in files] for name, files in own.by_name.items()}
    return OwnFiles(by_name, own.paths)


async def for_plan(
    options: Options, jobs: Sequence[VideoJob], index: JournalIndex
) -> tuple[list[dict[str, str]], list[VideoJob]]:
    """Return the use of each of the user's own files, and which videos must be downloaded."""
    own = await run_sync(find_user_videos, options.raw_dirs)
    if own.paths:
        own = await looked_into(own, jobs)
    return own.listed(jobs), to_fetch(jobs, own, index, options)


def _judged(path: Path) -> OwnFile | None:
    """Return the classification of a file by its name; None if it is not a possible source."""
    ending = path.suffix[1:].lower()
    if not path.is_file():
        named_as_media = ending in DEMUXERS or ending in AUDIO_DEMUXERS
        return OwnFile(path, Kind.NEITHER, "not a regular file") if named_as_media else None
    if _PARTIAL.search(path.name):
        return OwnFile(path, Kind.NEITHER, "incomplete download")
    if ending in DEMUXERS:
        return OwnFile(path, Kind.VIDEO)
    if ending in AUDIO_DEMUXERS:
        return OwnFile(path, Kind.AUDIO)
    if ending in _BESIDE or not ending:
        return None
    return OwnFile(
        path, Kind.NEITHER, f".{ending[:10]} files are not supported; convert it to MP4 or Matroska"
    )


def _is_part(path: Path) -> bool:
    """Whether yt-dlp has appended the format, as it does for the parts of a merged file."""
    return _FORMAT.search(path.stem) is not None
