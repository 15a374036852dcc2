"""The network lane's work on one video: from its id to a raw that is whole, checked and recorded."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync

from hdtf_async import formats, partials, ytdlp
from hdtf_async.disk import trouble
from hdtf_async.events import DownloadProgress, DownloadStarted, FormatChosen, RawReady
from hdtf_async.failures import Failure, Reason
from hdtf_async.formats import Choice, Resolution
from hdtf_async.options import OptionsError
from hdtf_async.probe import DEMUXERS, Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from hdtf_async.events import Events
    from hdtf_async.model import Video
    from hdtf_async.options import Options
    from hdtf_async.plan import Work
    from hdtf_async.probe import Prober
    from hdtf_async.store import Store

FORBIDDEN_IN_A_ROW = 3
"""Videos that YouTube's media servers turn down, one after the other, until yt-dlp is taken for too old."""
_ID_IN_BRACKETS = re.compile(r"\[([A-Za-z0-9_-]{11})\]$")


@dataclass(frozen=True, slots=True)
class Raw:
    """The source of a video, checked, with what the clips' metadata tell of it."""

    path: Path
    container: str
    facts: Facts
    frames: Mapping[str, int]
    """Stem of each clip that is to be cut to the number of frames in its interval."""
    format_id: str | None
    """None where the raw is the user's own."""
    yt_dlp: str | None
    """Version that fetched it; None where the raw is the user's own."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A download as yt-dlp left it, not looked at yet."""

    path: Path
    choice: Choice
    duration: float | None
    """Seconds that YouTube promised."""
    yt_dlp: str | None
    since: float
    """When the download began, on the loop's clock."""


class Fetcher:
    """Gets raws: the user's own, those kept from before, and from YouTube."""

    def __init__(  # noqa: PLR0913 - what it works with, once
        self,
        options: Options,
        store: Store,
        tool: ytdlp.YtDlp,
        prober: Prober,
        events: Events,
        *,
        own: Mapping[str, Path],
        width: int = 1,
    ) -> None:
        self._options = options
        # What runs together shares the rate; nobody can tell yt-dlp another one while it runs.
        self._rate = None if options.limit_rate is None else max(1, options.limit_rate // width)
        self._store = store
        self._tool = tool
        self._prober = prober
        self._events = events
        self._own = own
        self._still_to_come: dict[str, int] = {}
        """Bytes that running downloads will still write, by video."""
        self._in_use: set[str] = set()
        """Videos from which clips are being cut; their raws may be deleted after that."""
        self._bad: set[Path] = set()
        """Raws that turned out bad, and stay where they are: the user's own."""
        self._forbidden: set[str] = set()
        """Videos turned down by the media servers since the last one that was not."""

    def expects_at_hand(self, work: Work) -> bool:
        """Whether a raw seems to be there already, from file names and the journal alone."""
        return any(True for _ in self._candidates(work))

    async def at_hand(self, work: Work) -> Raw | None:
        """Return a raw that needs no network, if there is a good one: kept, or the user's own.

        A bad one is left where it is; `accept` replaces it if it is ours.
        """
        for path, record in self._candidates(work):
            if path in self._bad:
                continue
            begun = anyio.current_time()
            try:
                facts = await self._facts(path, path.suffix[1:].lower(), work)
            except Failure as failure:
                await self._store.log(work.videos[0], f"{path.name} is not used: {failure}\n")
                continue
            lines = min(facts.width, facts.height)
            exact = self._options.resolution is not Resolution.EXACT or formats.is_at(
                lines, work.reference_height
            )
            if facts.truncated or not exact:
                why = "it is truncated" if facts.truncated else f"it has {lines} lines"
                await self._store.log(work.videos[0], f"{path.name} is not used: {why}\n")
                continue
            origin = "kept" if path.parent == self._store.raws else "user"
            if origin == "kept" and record:
                await self._only(work, path)
            size = await self._store.size(path)
            self._events.tell(RawReady(work.stem, origin, size, anyio.current_time() - begun))
            self._in_use.add(work.stem)
            return self._raw(path, facts, work, record)
        return None

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

    async def download(self, work: Work, directory: Path, answered: Callable[[], None]) -> Arrived:
        """Ask for the video, choose its rendition and fetch it into a private directory.

        This is what holds a network token; `answered` is called once bytes of the video arrive. What has
        arrived stays in the directory where another try can go on from there. Raises `Failure`.
        """
        begun = anyio.current_time()
        video = work.videos[0]
        self._events.tell(DownloadStarted(work.stem, work.youtube_id, work.attempt))
        try:
            info = await self._tool.ask(work.youtube_id, directory)
            choice = formats.choose(
                info, policy=self._options.resolution, reference_height=work.reference_height
            )
            rendition = choice.video
            self._events.tell(
                FormatChosen(
                    work.stem,
                    rendition.format_id,
                    rendition.height,
                    rendition.fps,
                    rendition.size,
                    choice.refused,
                )
            )
            promise = partials.Promise.of(work.youtube_id, rendition)
            with trouble(directory):
                had = await run_sync(partials.resume, directory, promise)
            await self._reserve(work, max(0, (rendition.size or work.least_bytes) - had))

            def on_progress(progress: ytdlp.Progress) -> None:
                if progress.bytes > had:
                    answered()
                total = progress.total or rendition.size
                self._still_to_come[work.stem] = max(0, (total or work.least_bytes) - progress.bytes)
                self._events.tell(DownloadProgress(work.stem, progress.bytes, total, progress.speed))

            path = await self._tool.fetch(info, rendition, directory, on_progress, rate=self._rate)
        except Failure as failure:
            await self._store.log(video, f"attempt {work.attempt}: {failure.reason}: {failure.words}\n")
            if failure.reason not in partials.RESUMABLE:
                await run_sync(partials.forget, directory)
            raise self._of_several(work, failure) from failure
        finally:
            self._still_to_come.pop(work.stem, None)
        self._forbidden.clear()
        await self._store.log(
            video, f"attempt {work.attempt}: format {rendition.format_id}, {rendition.height} lines, whole\n"
        )
        return Arrived(path, choice, formats.duration(info), _version(info), begun)

    def _of_several(self, work: Work, failure: Failure) -> Failure:
        """Return the failure; media turned down for several videos in a row are not those videos' fault."""
        if failure.reason is not Reason.FORBIDDEN:
            return failure
        self._forbidden.add(work.youtube_id)
        if len(self._forbidden) < FORBIDDEN_IN_A_ROW:
            return failure
        words = f"{len(self._forbidden)} videos in a row were turned down\n{failure.words}"
        return Failure(Reason.UPDATE_NEEDED, words)

    async def accept(self, work: Work, arrived: Arrived) -> Raw:
        """Check a download against what was promised, give it its name and record it.

        Raises `Failure`: ``raw_truncated``, ``raw_unreadable``, ``disk_full``, ``not_writable``.
        """
        rendition = arrived.choice.video
        facts = await self._facts(arrived.path, rendition.ext, work)
        # With the promised number of bytes the raw is whole, also where its picture ends before its sound.
        promised = None if rendition.size_is_exact else arrived.duration
        if facts.truncated or (promised and promised - facts.end > max(2.0, 0.01 * promised)):
            raise Failure(
                Reason.RAW_TRUNCATED,
                f"the picture ends at {facts.end:.1f} s of {max(facts.promised, promised or 0):.1f} s",
            )
        final = self._store.raw_path(work.videos[0], rendition.ext)
        size = await self._store.size(arrived.path)
        record = {
            "type": "raw",
            "youtube_id": work.youtube_id,
            "file": final.name,
            "bytes": size,
            "resolution": str(self._options.resolution),
            "format_id": rendition.format_id,
            "promised": {"height": rendition.height, "bytes": rendition.size, "seconds": arrived.duration},
            "facts": asdict(facts) | {"frames_within": None},
            "yt_dlp": arrived.yt_dlp,
            "took": round(anyio.current_time() - arrived.since, 3),
        }
        # Before it gets its name: one that is there without a record could be anybody's, of any rendition.
        await self._store.append(record)
        await self._store.publish(arrived.path, final)
        await self._only(work, final)
        self._in_use.add(work.stem)
        self._events.tell(RawReady(work.stem, "youtube", size, anyio.current_time() - arrived.since))
        return self._raw(final, facts, work, record)

    async def discard(self, work: Work, raw: Raw) -> None:
        """Use a raw no more that turned out bad: ours is deleted, the user's own is left alone."""
        await self._store.log(work.videos[0], f"{raw.path.name} cannot be decoded and is not used any more\n")
        if raw.path in self._own.values():
            self._bad.add(raw.path)
        else:
            await self._remove(work, raw.path.name)

    async def let_go(self, work: Work, *, keep: bool) -> None:
        """Take note that nothing is cut from a video any more; delete its raw if this program fetched it."""
        self._in_use.discard(work.stem)
        for record in self._store.known.raws.get(work.youtube_id, ()) if not keep else ():
            await self._remove(work, record["file"])

    async def _only(self, work: Work, raw: Path) -> None:
        """Let a raw of ours stand under the names of all rows, and remove what it has replaced."""
        ending = raw.suffix[1:]
        for video in work.videos:
            name = self._store.raw_path(video, ending)
            if name.absolute() not in self._own.values() and not await run_sync(_same, name, raw):
                await self._store.link(raw, name)
        for record in self._store.known.raws.get(work.youtube_id, []):
            if record["file"].rpartition(".")[2] != ending:
                await self._remove(work, record["file"])

    async def _remove(self, work: Work, file: str) -> None:
        await remove_raw(self._store, file, work.videos, own=self._own)

    async def _facts(self, path: Path, container: str, work: Work) -> Facts:
        return await self._prober.facts(
            path, container=container, intervals=[clip.interval for clip in work.clips]
        )

    async def _reserve(self, work: Work, size: int) -> None:
        """Count on `size` bytes for a download, once others have left room for it, or refuse to begin it."""
        while True:
            free = await run_sync(self._store.free_bytes)
            left = free - sum(self._still_to_come.values()) - size
            # What others still write may turn out less, and what is being cut may be deleted soon.
            may_become_more = self._still_to_come or (self._in_use and not self._options.keep_raw)
            if left >= self._options.min_free or not may_become_more:
                break
            await anyio.sleep(1)
        if left < self._options.min_free:
            raise Failure(
                Reason.DISK_FULL,
                f"{free / 1e9:.1f} GB are free, and with what is still to come less than"
                f" --min-free {self._options.min_free / 1e9:g}G would be left",
            )
        self._still_to_come[work.stem] = size

    def _raw(self, path: Path, facts: Facts, work: Work, record: Mapping[str, Any]) -> Raw:
        frames = dict(zip((clip.stem for clip in work.clips), facts.frames_within, strict=True))
        return Raw(
            path, path.suffix[1:].lower(), facts, frames, record.get("format_id"), record.get("yt_dlp")
        )


async def remove_raw(store: Store, file: str, videos: Iterable[Video], *, own: Mapping[str, Path]) -> None:
    """Remove a raw that the journal names, under the names of all rows; never one of the user's own.

    Raises `Failure` with ``not_writable``.
    """
    ending = file.rpartition(".")[2]
    for path in {store.raws / file, *(store.raw_path(video, ending) for video in videos)}:
        if path.absolute() not in own.values():
            await store.remove(path)


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
            if path.suffix[1:].lower() in DEMUXERS and path.suffix.lower() != ".m4a" and path.is_file():
                names = [path.stem, *_ID_IN_BRACKETS.findall(path.stem)]
                for name in names:
                    found.setdefault(name, path.absolute())
    return found


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False


def _version(info: Mapping[str, Any]) -> str | None:
    told = info.get("_version")
    version = told.get("version") if isinstance(told, dict) else None
    return version[:40] if isinstance(version, str) else None
