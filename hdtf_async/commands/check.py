"""Is what was published still as it was recorded? Looks at a directory, and changes nothing in it.

The journal is the truth here: every clip that it tells of is held against its file, ``metadata.jsonl`` is
held against what it would be, and whatever is there that nothing accounts for is named. Raws are not looked
at: a run does that before it uses one.

No lock is needed, so that a read-only directory can be looked at, and one on which a run is at work. What
such a run is at is not judged: views, which it writes once in a minute, and clips whose record it has
taken back or written anew meanwhile. Making things again is the business of `repair`.
"""

from __future__ import annotations

import json
import os
import stat
import wave
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.commands.census import CENSUS
from hdtf_async.core import exceptions, os_errors
from hdtf_async.core.events import ClipChecked, Found
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.jsonlines import line
from hdtf_async.core.text import shown
from hdtf_async.media import frames
from hdtf_async.media.probe import Prober
from hdtf_async.output import atomic, locks
from hdtf_async.output import directory as store
from hdtf_async.output.journal import JOURNAL, RAWS, shard_of
from hdtf_async.output.manifests import CARD, FAILURES, LISTS, LOCK, METADATA
from hdtf_async.report.page import REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hdtf_async.core.events import EventBus
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.lanes.limits import Lanes
    from hdtf_async.media.demux import MediaInfo
    from hdtf_async.output.journal import JournalIndex
    from hdtf_async.process.guard import Guard

OURS = frozenset({JOURNAL, RAWS, locks.WORKERS, METADATA, FAILURES, CENSUS, REPORT, LOCK, CARD, *LISTS})
"""What this program puts into a directory besides clips."""
WRONG, MISSING, FOREIGN = "wrong", "missing", "foreign"
_A_PROBER = 2
"""Clips that are looked at with one probing child: while the one is demuxed the other one is read."""
_MOMENT = 2.0
"""Seconds within which a run that is at work has recorded what it has given its final name."""
_LINE_LIMIT = 1 << 20
"""Bytes of one line of a view that are read at once; none of ours is longer."""
_SHOWN_KEYS = 5
_LONGEST_WORDS = 200
_NEAR = 1e-3
"""By how much figures may differ that were rounded by different versions of PyAV."""


@dataclass(slots=True)
class Seen:
    """What was seen in a directory."""

    known: JournalIndex
    """What its journal says."""
    clips: dict[str, list[Found]] = field(default_factory=dict)
    """Stem of each clip that is not as recorded to what is wrong or missing."""
    beside: list[Found] = field(default_factory=list)
    """What is wrong with the metadata, and what is foreign."""
    at_work: bool = False
    """Whether a run was at work on the directory meanwhile."""

    @property
    def found(self) -> list[Found]:
        """All that was found, clip by clip and then the rest."""
        return [*chain.from_iterable(self.clips[stem] for stem in sorted(self.clips)), *self.beside]


async def look(clips: Clips, *, held: bool) -> Seen:
    """Hold a directory against what its journal says.

    `held` says that the caller holds the directory's lock. Raises `Failure` where nothing can be judged:
    a tool is missing or does not work.
    """
    known = clips.known
    seen = Seen(known)
    if not held:
        seen.at_work = await run_sync(locks.is_held, known.out)
    seen.clips = await clips.all()
    foreign = set(await run_sync(_foreign, known))
    if not held:
        seen.at_work = seen.at_work or await run_sync(locks.is_held, known.out)
        if seen.at_work:
            await anyio.sleep(_MOMENT)
        now = await run_sync(store.read_known, known.out)
        foreign.intersection_update(await run_sync(_foreign, now))
        seen.clips = {
            stem: found
            for stem, found in seen.clips.items()
            if known.clips.get(stem) == now.clips.get(stem) and not (seen.at_work and stem in now.replaced)
        }
        seen.known = now
    if not seen.at_work:
        seen.beside += await run_sync(_metadata, seen.known)
    seen.beside += sorted(foreign, key=lambda found: found.file)
    return seen


def unlisted(known: JournalIndex) -> dict[str, object]:
    """Return the stem of each clip of another form than the newest run's, with its fingerprint.

    The metadata rightly leave it out.
    """
    return {
        stem: record["metadata"].get("fingerprint")
        for stem, record in known.clips.items()
        if any(record["form"].get(key) != known.form[key] for key in known.form)
    }


@dataclass(frozen=True, slots=True)
class Clips:
    """Holds clips against their records."""

    known: JournalIndex
    tool: Path | None
    """The ffmpeg that decodes every clip too; None if none does."""
    lanes: Lanes
    guard: Guard
    events: EventBus

    async def all(self) -> dict[str, list[Found]]:
        """Return what is wrong or missing, by the stem of the clip. Raises `Failure`."""
        found: dict[str, list[Found]] = {}
        trouble: list[Failure] = []
        stems = iter(sorted({*self.known.clips, *self.known.replaced}))

        async def one_after_the_other(prober: Prober, scope: anyio.CancelScope) -> None:
            try:
                for stem in stems:
                    flaws = await self.one(stem, prober)
                    if flaws:
                        found[stem] = flaws
                    record = self.known.clips.get(stem) or self.known.replaced[stem]
                    self.events.emit(ClipChecked(stem, seconds_of(record), not flaws))
            except Failure as failure:
                trouble.append(failure)
                scope.cancel()

        async def with_prober(scope: anyio.CancelScope) -> None:
            async with Prober(self.guard) as prober, anyio.create_task_group() as readers:
                for _ in range(_A_PROBER):
                    readers.start_soon(one_after_the_other, prober, scope)

        async with anyio.create_task_group() as group:
            for _ in range(int(self.lanes.encodes.total_tokens)):
                group.start_soon(with_prober, group.cancel_scope)
        if trouble:
            raise trouble[0]
        return found

    async def one(self, stem: str, prober: Prober) -> list[Found]:
        """Return what is wrong with one clip and with the sound beside it, or that they are missing."""
        if not names_a_file(stem):
            return [Found(shown(stem), WRONG, "invalid file name in the record")]
        if stem in self.known.replaced:
            there = await run_sync((self.known.out / f"{stem}.mp4").exists)
            words = "its record was withdrawn for re-creation, which has not finished"
            return [Found(shown(f"{stem}.mp4"), WRONG if there else MISSING, words)]
        told = self.known.clips[stem]["metadata"]
        found = await self._file(f"{stem}.mp4", told, "", prober)
        return found + (await self._file(f"{stem}.wav", told, "wav_", prober) if "wav" in told else [])

    async def _file(self, name: str, told: Record, kind: str, prober: Prober) -> list[Found]:
        """Return what is wrong with a file, of which the metadata tell under keys that begin with `kind`."""
        path = self.known.out / name
        try:
            words = await run_sync(_content_flaws, path, told.get(f"{kind}bytes"), told.get(f"{kind}sha256"))
        except FileNotFoundError:
            return [Found(shown(name), MISSING, "file not found")]
        if await run_sync(path.is_file):
            if kind:
                words += await run_sync(_wav_flaws, path, told.get("wav_samples"))
            else:
                words += await self._inside(path, told, prober)
        return [Found(shown(name), WRONG, "; ".join(words))] if words else []

    async def _inside(self, path: Path, told: Record, prober: Prober) -> list[str]:
        """Return in what a clip is another one than the recorded one."""
        try:
            facts = await prober.facts(path, container="mp4")
        except Failure as failure:
            if failure.reason is not Reason.RAW_UNREADABLE:
                raise
            return [_brief("cannot be opened", failure)]
        words = [*_differences(told, facts)]
        if self.tool is not None:
            words += await self._decoded(self.tool, path, told, facts)
        return words

    async def _decoded(self, tool: Path, path: Path, told: Record, facts: MediaInfo) -> list[str]:
        try:
            async with self.lanes.encodes:
                seconds = max(0.0, facts.end - facts.start)
                counted = await frames.frames(tool, path, seconds=seconds, guard=self.guard)
        except Failure as failure:
            if failure.reason is not Reason.CLIP_WRONG:
                raise
            return [_brief("cannot be decoded", failure)]
        same = counted == told.get("frames")
        return [] if same else [f"{counted} frames decoded, recorded {_said(told, 'frames')}"]


def names_a_file(stem: str) -> bool:
    """Say whether a stem can be part of the name of a file; the journal may say anything."""
    try:
        return not {"/", "\0"} & {*stem} and bool(os.fsencode(stem))
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def _content_flaws(path: Path, size: object, digest: object) -> list[str]:
    """Tell whether a file has other bytes than the recorded ones. Raises `FileNotFoundError`."""
    try:
        there = path.stat()
        if not stat.S_ISREG(there.st_mode):
            return ["not a regular file"]
        if there.st_size != size:
            return [f"{there.st_size} bytes, recorded {shown(str(size))}"]
        return [] if atomic.sha256(path) == digest else ["sha256 mismatch"]
    except FileNotFoundError:
        raise
    except OSError as error:
        _require_limits(error)
        return [f"cannot be read: {error.strerror}"]


def _require_limits(error: BaseException) -> None:
    """Raise `Failure` where an error says nothing about a file, but something about this machine."""
    if os_errors.reason_of(error) is Reason.RESOURCE_LIMIT:
        raise Failure(Reason.RESOURCE_LIMIT, os_errors.told(error)) from error


def _differences(told: Record, facts: MediaInfo) -> Iterator[str]:
    """Tell what demuxing has shown to be other than it is recorded."""
    seen = asdict(facts)
    found = {key: seen[key] for key in ("width", "height", "frames", "fps")}
    found["duration"] = round(facts.end - facts.start, 6)
    sound = seen.get("sound") or {}
    found |= {f"sound_{key}": sound.get(key) for key in ("codec", "rate", "channels")}
    for key, value in found.items():
        recorded = told.get(key)
        rounded = isinstance(value, float) and isinstance(recorded, int | float)
        if abs(value - recorded) > _NEAR if rounded else value != recorded:
            yield f"{key} {value}, recorded {_said(told, key)}"


def _wav_flaws(path: Path, samples: object) -> list[str]:
    """Tell in what the sound beside a clip is another one than the recorded one."""
    try:
        with wave.open(str(path), "rb") as sound:
            found = sound.getnframes()
    except (OSError, EOFError, wave.Error) as error:
        _require_limits(error)
        return [f"cannot be opened: {error}"]
    return [] if found == samples else [f"{found} samples, recorded {shown(str(samples))}"]


def _metadata(known: JournalIndex) -> list[Found]:
    """Return where ``metadata.jsonl`` is not what the journal makes of it."""
    absent = unlisted(known)
    # One with a failure, too, could not be made again in the way in which it was asked for then.
    due = {stem for stem in known.all_there() if stem not in absent and stem not in known.failures}
    path = known.out / METADATA
    found: list[Found] = []
    told: set[str] = set()
    try:
        with atomic.reader(path) as view:
            for number, text in enumerate(iter(lambda: view.readline(_LINE_LIMIT), b""), 1):
                stem, words = _line_flaw(known, text)
                if stem in told:
                    words = f"duplicate line for {shown(stem)}"
                told.add(stem)
                if words:
                    found.append(Found(f"{METADATA}:{number}", WRONG, words))
    except FileNotFoundError:
        return [Found(METADATA, MISSING, "file not found")] if due else []
    except OSError as error:
        _require_limits(error)
        return [Found(METADATA, WRONG, f"cannot be read: {error.strerror}")]
    return found + [Found(METADATA, WRONG, f"no line for {stem}") for stem in sorted(due - told)]


def _line_flaw(known: JournalIndex, text: bytes) -> tuple[str, str]:
    """Return the stem of the clip that a line tells of, and what is wrong with the line, if anything is."""
    try:
        told = json.loads(text)
        stem = str(told["file_name"]).removesuffix(".mp4")
    except (ValueError, TypeError, KeyError, RecursionError):
        return f"line {text[:80]!r}", "invalid line"
    record = known.clips.get(stem)
    if record is None:
        return stem, f"no record of {shown(stem)} in the journal"
    recorded = record["metadata"]
    if text == line(recorded):
        return stem, ""
    keys = [key for key in {**recorded, **told} if recorded.get(key) != told.get(key)]
    return (
        stem,
        f"{shown(stem)} differs from its record: {', '.join(map(shown, keys[:5])) or 'formatting'}",
    )


def _foreign(known: JournalIndex) -> list[Found]:
    """Return what there is that nothing accounts for."""
    records = known.clips.with_others(known.replaced)
    rows: dict[object, set[str]] = {}
    for told in (*(record["metadata"] for record in records.values()), *known.failures.values()):
        rows.setdefault(told.get("youtube_id"), set()).add(f"{told.get('subset')}_{told.get('name')}")
    raws = {
        name
        for youtube_id, several in known.raws.items()
        for record in several
        for ending in [record["file"].rpartition(".")[2]]
        for name in (record["file"], *(f"{row}.{ending}" for row in rows.get(youtube_id, ())))
    }
    same = {(there.st_dev, there.st_ino) for name in raws if (there := _stat(known.out / RAWS / name))}

    def is_clip(name: str) -> bool:
        stem, _, ending = name.rpartition(".")
        return stem in (known.beside if ending == "wav" else records) and ending in {"mp4", "wav"}

    def is_raw(entry: os.DirEntry[str]) -> bool:
        if entry.name in raws or entry.name.endswith("_download_log.txt"):
            return True
        there = _stat(Path(entry.path))  # a further row's name for a raw
        return there is not None and (there.st_dev, there.st_ino) in same

    beside = (entry.name for entry in _entries(known.out) if not (entry.name in OURS or shard_of(entry.name)))
    return [
        *(_nobodys(name) for name in beside if not is_clip(name)),
        *(_nobodys(entry.name, f"{RAWS}/") for entry in _entries(known.out / RAWS) if not is_raw(entry)),
    ]


def _nobodys(name: str, place: str = "") -> Found:
    clip = not place and name.endswith((".mp4", ".wav"))
    words = "not in the journal" if clip else "not created by this program"
    return Found(place + shown(name), FOREIGN, words)


def seconds_of(record: Record) -> float:
    """Return the length of a clip, as recorded; 0 where that is no length."""
    seconds = record["metadata"].get("duration")
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def _said(told: Record, key: str) -> str:
    """Say what is recorded; the journal of a directory that somebody else made may say anything."""
    return shown(str(told[key])) if key in told else "nothing"


def _brief(what: str, failure: Failure) -> str:
    first = failure.words.partition("\n")[0]
    return f"{what}: {first[:_LONGEST_WORDS]}"


def _entries(directory: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what is in a directory, but for temporary names: those of a run at work, or left by one."""
    try:
        with os.scandir(directory) as entries:
            yield from (entry for entry in entries if not atomic.is_temporary(entry.name))
    except FileNotFoundError:
        return
    except OSError as error:
        raise exceptions.StoreError(f"cannot read {directory}: {error.strerror}") from None


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):  # a name out of a journal may be one that no file can have
        return None
