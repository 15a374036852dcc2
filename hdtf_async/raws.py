"""The raws of an output directory and the user's own: which are at hand, and how a new one is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync

from hdtf_async import formats
from hdtf_async.containers import DEMUXERS
from hdtf_async.failures import Failure
from hdtf_async.formats import Resolution
from hdtf_async.model import Audio
from hdtf_async.options import OptionsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hdtf_async.demux import Facts
    from hdtf_async.journal import Record
    from hdtf_async.model import Tables, Video
    from hdtf_async.options import Options
    from hdtf_async.plan import Plan, Work
    from hdtf_async.probe import Prober
    from hdtf_async.store import Store
    from hdtf_async.timeline import Shown

_ID_IN_BRACKETS = re.compile(r"\[([A-Za-z0-9_-]{11})\]$")


@dataclass(frozen=True, slots=True)
class Raw:
    """The source of a video, checked, with what the clips' metadata tell of it."""

    path: Path
    container: str
    facts: Facts
    shown: Mapping[str, Shown]
    """Stem of each clip that is to be cut to the frames of its interval."""
    format_id: str | None
    """None where the raw is the user's own."""
    yt_dlp: str | None
    """Version that fetched it; None where the raw is the user's own."""
    sound: Path | None = None
    """The file with its sound, which may be the raw itself; None where there is none, or none is wanted."""
    sound_format_id: str | None = None
    sound_track: int = 0
    """Which audio stream of that file is taken, from 0."""


class Raws:
    """Knows which raws there are; looks at them through the prober before anybody cuts from them."""

    def __init__(self, options: Options, store: Store, prober: Prober, own: Mapping[str, Path]) -> None:
        self._options = options
        self._store = store
        self._prober = prober
        self._own = own
        self._bad: set[Path] = set()
        """Raws that turned out bad, and stay where they are: the user's own."""

    def seems_at_hand(self, work: Work) -> bool:
        """Whether a raw seems to be there already, from file names and the journal alone."""
        return any(True for _ in self._candidates(work))

    async def picture_at_hand(self, work: Work) -> Raw | None:
        """Return a good raw without its sound, if there is one; a bad one is left where it is."""
        for path, record in self._candidates(work):
            if path in self._bad:
                continue
            try:
                facts = await self.facts(path, path.suffix[1:].lower(), work)
            except Failure as failure:
                await self._not_used(work, path, f"{failure}")
                continue
            lines = min(facts.width, facts.height)
            if facts.truncated:
                await self._not_used(work, path, "it is truncated")
            elif self._options.resolution is Resolution.EXACT and not formats.is_at(
                lines, work.reference_height
            ):
                await self._not_used(work, path, f"it has {lines} lines")
            else:
                if path.parent == self._store.raws and record:
                    await self.only(work, path, "raw")
                return self.raw(path, facts, work, record)
        return None

    async def with_sound_at_hand(self, work: Work, raw: Raw) -> Raw | None:
        """Return a raw with the sound that is wanted, if that is there."""
        if self._options.audio is Audio.NONE:
            return raw
        record = self._store.known.raw_there(work.youtube_id, "sound")
        if record is not None:
            path = self._store.raws / record["file"]
            try:
                sound = await self._prober.sound(path, container=path.suffix[1:])
            except Failure as failure:
                await self._not_used(work, path, f"{failure}")
            else:
                if not sound.truncated:
                    await self.only(work, path, "sound")
                    return replace(raw, sound=path, sound_format_id=record.get("format_id"))
                await self._not_used(work, path, "it is truncated")
        return None if raw.facts.sound is None else replace(raw, sound=raw.path)

    async def _not_used(self, work: Work, path: Path, why: str) -> None:
        await self._store.log(work.videos[0], f"{path.name} is not used: {why}\n")

    def _candidates(self, work: Work) -> Iterable[tuple[Path, Mapping[str, Any]]]:
        record = self._store.known.raw_there(work.youtube_id)
        asked, got = self._options.resolution, record and record["resolution"]
        # Whether the raw is at the reference height can be seen at the raw; whether it is the best cannot.
        if record is not None and (asked == got or Resolution.BEST not in (asked, got)):
            yield self._store.raws / record["file"], record
        for name in (work.youtube_id, *(video.stem for video in work.videos)):
            if name in self._own:
                yield self._own[name], {}
        if record is None:
            # Without a record: another program's, or ours from before a power cut.
            paths = (self._store.raw_path(video, ending) for video in work.videos for ending in DEMUXERS)
            yield from ((path, {}) for path in paths if path.is_file())

    async def keep(self, work: Work, path: Path, final: Path, record: Record) -> None:
        """Record a raw that was checked, and give it its name, in this order.

        One that is there without a record could be anybody's, of any rendition. Raises `Failure`:
        ``disk_full``, ``not_writable``.
        """
        await self._store.append(record)
        await self._store.publish(path, final)
        await self.only(work, final, record["type"])

    async def only(self, work: Work, raw: Path, kind: str) -> None:
        """Let a raw of ours stand under the names of all rows, and remove what it has replaced."""
        ending = raw.suffix[1:]
        for video in work.videos:
            name = self._store.raw_path(video, ending)
            if name.absolute() not in self._own.values() and not await run_sync(_same, name, raw):
                await self._store.link(raw, name)
        for record in self._store.known.raws.get(work.youtube_id, []):
            if record["type"] == kind and record["file"].rpartition(".")[2] != ending:
                await self.remove(work, record["file"])

    async def remove(self, work: Work, file: str) -> None:
        """Remove a raw of ours under the names of all rows. Raises `Failure` with ``not_writable``."""
        await remove_raw(self._store, file, work.videos, own=self._own)

    async def discard(self, work: Work, raw: Raw) -> None:
        """Use a raw no more that turned out bad: ours is deleted, the user's own is left alone."""
        await self._store.log(work.videos[0], f"{raw.path.name} cannot be decoded and is not used any more\n")
        if raw.path in self._own.values():
            self._bad.add(raw.path)
        else:
            for path in {raw.path, raw.sound or raw.path}:
                await self.remove(work, path.name)

    async def facts(self, path: Path, container: str, work: Work) -> Facts:
        """Return what is in a video, with the frames of each clip of it. Raises `Failure`."""
        return await self._prober.facts(
            path, container=container, intervals=[clip.interval for clip in work.clips]
        )

    def raw(self, path: Path, facts: Facts, work: Work, record: Mapping[str, Any]) -> Raw:
        """Return a raw that is there, with what its record tells of it."""
        stems = [clip.stem for clip in work.clips]
        return Raw(
            path,
            path.suffix[1:].lower(),
            facts,
            dict(zip(stems, facts.shown, strict=True)),
            record.get("format_id"),
            record.get("yt_dlp"),
        )


async def remove_raw(store: Store, file: str, videos: Iterable[Video], *, own: Mapping[str, Path]) -> None:
    """Remove a raw that the journal names, under the names of all rows; never one of the user's own.

    Raises `Failure` with ``not_writable``.
    """
    ending = file.rpartition(".")[2]
    for path in {store.raws / file, *(store.raw_path(video, ending) for video in videos)}:
        if path.absolute() not in own.values():
            await store.remove(path)


async def let_go_of_finished(read: Tables, decided: Plan, store: Store, own: Mapping[str, Path]) -> None:
    """Delete the raws of which every clip is there: a run was killed before it came to that."""
    over = {clip.video.youtube_id for clip in decided.there} - {
        clip.video.youtube_id for clip in decided.clips
    }
    rows: dict[str, list[Video]] = {}
    for video in read.videos:
        rows.setdefault(video.youtube_id, []).append(video)
    # Nearly always they have gone: that is seen at once, and not by asking for each of them.
    there = await run_sync(lambda: {path.stem for path in store.raws.iterdir()})
    for youtube_id in sorted(over & store.known.raws.keys()):
        if not there.isdisjoint(video.stem for video in rows[youtube_id]):
            for record in store.known.raws[youtube_id]:
                await remove_raw(store, record["file"], rows[youtube_id], own=own)


def own_raws(directories: Iterable[Path]) -> dict[str, Path]:
    """Return the user's own videos by the names under which they may be asked for.

    A file counts by its whole stem (``RD_Radio1``, or a YouTube id), and by a YouTube id in brackets at
    its end, as yt-dlp names files by default. The first directory wins. Raises `OptionsError` where there
    is no such directory.
    """
    found: dict[str, Path] = {}
    for directory in directories:
        try:
            paths = sorted(directory.iterdir())
        except OSError as error:
            raise OptionsError(f"--raw-dir {directory}: {error.strerror}") from None
        for path in paths:
            if path.suffix[1:].lower() in DEMUXERS and path.is_file():
                names = [path.stem, *_ID_IN_BRACKETS.findall(path.stem)]
                for name in names:
                    found.setdefault(name, path.absolute())
    return found


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False
