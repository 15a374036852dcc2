"""Verify an output directory against its journal, without changing anything.

Every clip is compared with its record, ``metadata.jsonl`` with the journal, and files that nothing accounts
for are reported. Source videos are not checked: a run does that before it uses one.

No lock is needed, so that a read-only directory can be checked, and one with an active run. What an active
run may be changing is ignored: manifests, which it writes once per minute, and clips whose records it has
withdrawn or rewritten meanwhile. `repair` re-creates clips.
"""

from __future__ import annotations

import json
import os
import stat
import wave
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.commands.census import CENSUS
from hdtf_async.core import exceptions, os_errors
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.events import ClipChecked, Found
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.jsonlines import line
from hdtf_async.core.reproduction_format import COMPARISON, METHODS, REPRODUCTION_FILE
from hdtf_async.core.text import shown
from hdtf_async.lanes.track_files import TRACK
from hdtf_async.media.frames import decode_clip
from hdtf_async.media.probe import Prober
from hdtf_async.output import atomic, locks, manifests
from hdtf_async.output.directory import read_known
from hdtf_async.output.journal import JOURNAL, SOURCE_VIDEOS, shard_of
from hdtf_async.output.manifests import CARD, FAILURES, LISTS, MANIFESTS_LOCK, METADATA
from hdtf_async.report.outdated import REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hdtf_async.core.event_bus import EventBus
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.lanes.limits import Lanes
    from hdtf_async.media.demux import MediaInfo
    from hdtf_async.output.journal import JournalIndex
    from hdtf_async.process.guard import Guard

OURS = frozenset(
    {JOURNAL, SOURCE_VIDEOS, locks.WORKERS, METADATA, FAILURES, CENSUS, REPORT, MANIFESTS_LOCK, CARD, *LISTS}
    | {REPRODUCTION_FILE, METHODS, COMPARISON}
)
"""Files that this program creates in a directory besides clips."""
CORRUPT, MISSING, UNTRACKED = "wrong", "missing", "foreign"
_CLIPS_PER_PROBER = 2
"""Clips that are checked per probing child: while one is demuxed the other is read."""
_MOMENT = 2.0
"""Seconds within which an active run records a file after renaming it."""
_LINE_LIMIT = 1 << 20
"""Maximum bytes of one line of a manifest that are read at once; none of this program's is longer."""
_SHOWN_KEYS = 5
_LONGEST_MESSAGE = 200
_NEAR = 1e-3
"""Tolerance for numbers that were rounded by different versions of PyAV."""


@dataclass(slots=True)
class Findings:
    """The findings in a directory."""

    index: JournalIndex
    """The index of its journal."""
    clips: dict[str, list[Found]] = field(default_factory=dict)
    """Stem of each clip that differs from its record to what is corrupt or missing."""
    other_findings: list[Found] = field(default_factory=list)
    """Problems of the metadata, and untracked files."""
    run_was_active: bool = False
    """Whether a run was active in the directory meanwhile."""

    @property
    def found(self) -> list[Found]:
        """All findings, clip by clip and then the rest."""
        return [*chain.from_iterable(self.clips[stem] for stem in sorted(self.clips)), *self.other_findings]


async def check_directory(clips: ClipChecker, *, locked: bool) -> Findings:
    """Compare a directory with its journal.

    `locked` means that the caller holds the directory's lock. Raises `Failure` if that is impossible: a tool
    is missing or does not work.
    """
    index = clips.index
    findings = Findings(index)
    if not locked:
        findings.run_was_active = await run_sync(locks.is_held, index.out)
    findings.clips = await clips.all()
    untracked = set(await run_sync(_untracked_files, index))
    if not locked:
        findings.run_was_active = findings.run_was_active or await run_sync(locks.is_held, index.out)
        if findings.run_was_active:
            await anyio.sleep(_MOMENT)
        now = await run_sync(read_known, index.out)
        untracked.intersection_update(await run_sync(_untracked_files, now))
        findings.clips = {
            stem: found
            for stem, found in findings.clips.items()
            if index.clips.get(stem) == now.clips.get(stem)
            and not (findings.run_was_active and stem in now.replaced)
        }
        findings.index = now
    if not findings.run_was_active:
        findings.other_findings += await run_sync(_metadata, findings.index)
    findings.other_findings += sorted(untracked, key=lambda found: found.file)
    return findings


def unlisted(index: JournalIndex) -> dict[str, object]:
    """Return the stem of each clip with other settings than the newest run's, with its fingerprint.

    The metadata correctly omit it.
    """
    listed = manifests.with_newest_settings(index, index.clips)
    return {
        stem: ClipRecord.of(record).fingerprint for stem, record in index.clips.items() if stem not in listed
    }


def never_created(index: JournalIndex) -> Counter[str]:
    """Return the number of requested clips that were never created, by reason. Blocks."""
    records = dict(index.failures.items())
    for each in manifests.not_tried(index.out):
        records.setdefault(each["clip"], each)
    checked = index.clips.keys() | index.replaced.keys()
    return Counter(f"{record['reason']}" for stem, record in records.items() if stem not in checked)


@dataclass(frozen=True, slots=True)
class ClipChecker:
    """Compares clips with their records."""

    index: JournalIndex
    tool: Path | None
    """The ffmpeg that also decodes every clip; None to skip that."""
    lanes: Lanes
    guard: Guard
    events: EventBus

    async def all(self) -> dict[str, list[Found]]:
        """Return what is corrupt or missing, by the stem of the clip. Raises `Failure`."""
        found: dict[str, list[Found]] = {}
        trouble: list[Failure] = []
        stems = iter(sorted({*self.index.clips, *self.index.replaced}))

        async def check_next_clips(prober: Prober, scope: anyio.CancelScope) -> None:
            try:
                for stem in stems:
                    flaws = await self.one(stem, prober)
                    if flaws:
                        found[stem] = flaws
                    record = self.index.clips.get(stem) or self.index.replaced[stem]
                    self.events.emit(ClipChecked(stem, seconds_of(record), not flaws))
            except Failure as failure:
                trouble.append(failure)
                scope.cancel()

        async def with_prober(scope: anyio.CancelScope) -> None:
            async with Prober(self.guard) as prober, anyio.create_task_group() as readers:
                for _ in range(_CLIPS_PER_PROBER):
                    readers.start_soon(check_next_clips, prober, scope)

        async with anyio.create_task_group() as group:
            for _ in range(int(self.lanes.encodes.total_tokens)):
                group.start_soon(with_prober, group.cancel_scope)
        if trouble:
            raise trouble[0]
        return found

    async def one(self, stem: str, prober: Prober) -> list[Found]:
        """Return the problems of one clip and its WAV file, or that they are missing."""
        if not names_a_file(stem):
            return [Found(shown(stem), CORRUPT, "invalid file name in the record")]
        if stem in self.index.replaced:
            exists = await run_sync((self.index.out / f"{stem}.mp4").exists)
            message = "its record was withdrawn for re-creation, which has not finished"
            return [Found(shown(f"{stem}.mp4"), CORRUPT if exists else MISSING, message)]
        record = ClipRecord.of(self.index.clips[stem])
        found = await self._file(f"{stem}.mp4", record, prober)
        return found + ([] if record.wav is None else await self._file(f"{stem}.wav", record, None))

    async def _file(self, name: str, record: ClipRecord, prober: Prober | None) -> list[Found]:
        """Return the problems of a clip, or of its WAV file if there is no `prober`."""
        path = self.index.out / name
        size, digest = (
            (record.wav_bytes, record.wav_sha256) if prober is None else (record.bytes, record.sha256)
        )
        try:
            flaws = await run_sync(_content_flaws, path, size, digest)
        except FileNotFoundError:
            return [Found(shown(name), MISSING, "file not found")]
        if await anyio.Path(path).is_file():
            if prober is None:
                flaws += await run_sync(_wav_flaws, path, record.wav_samples)
            else:
                flaws += await self._inside(path, record, prober)
        return [Found(shown(name), CORRUPT, "; ".join(flaws))] if flaws else []

    async def _inside(self, path: Path, record: ClipRecord, prober: Prober) -> list[str]:
        """Return how a clip differs from its record."""
        try:
            facts = await prober.facts(path, container="mp4")
        except Failure as failure:
            if failure.reason is not Reason.RAW_UNREADABLE:
                raise
            return [_brief("cannot be opened", failure)]
        differences = [*_differences(record, facts)]
        if self.tool is not None:
            differences += await self._decoded(self.tool, path, record, facts)
        return differences

    async def _decoded(self, tool: Path, path: Path, record: ClipRecord, facts: MediaInfo) -> list[str]:
        try:
            async with self.lanes.encodes:
                seconds = max(0.0, facts.end - facts.start)
                counted = await decode_clip(tool, path, seconds=seconds, guard=self.guard)
        except Failure as failure:
            if failure.reason is not Reason.CLIP_WRONG:
                raise
            return [_brief("cannot be decoded", failure)]
        same = counted == record.frames
        return [] if same else [f"{counted} frames decoded, recorded {_format_recorded(record, 'frames')}"]


def names_a_file(stem: str) -> bool:
    """Return whether a stem can be part of a file name; the journal may contain anything."""
    try:
        return not {"/", "\0"} & {*stem} and bool(os.fsencode(stem))
    except UnicodeEncodeError:  # a lone surrogate
        return False


def _content_flaws(path: Path, size: object, digest: object) -> list[str]:
    """Return whether a file has other bytes than recorded. Raises `FileNotFoundError`."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return ["not a regular file"]
        if status.st_size != size:
            return [f"{status.st_size} bytes, recorded {shown(str(size))}"]
        return [] if atomic.sha256(path) == digest else ["sha256 mismatch"]
    except FileNotFoundError:
        raise
    except OSError as error:
        _require_limits(error)
        return [f"cannot be read: {error.strerror}"]


def _require_limits(error: BaseException) -> None:
    """Raise `Failure` if an error is not about a file, but about this machine."""
    if os_errors.reason_of(error) is Reason.RESOURCE_LIMIT:
        raise Failure(Reason.RESOURCE_LIMIT, os_errors.message_of(error)) from error


def _differences(record: ClipRecord, facts: MediaInfo) -> Iterator[str]:
    """Yield the differences between a record and the result of demuxing."""
    seen = asdict(facts)
    found = {key: seen[key] for key in ("width", "height", "frames", "fps")}
    found["duration"] = round(facts.end - facts.start, 6)
    audio = seen.get("sound") or {}
    found |= {f"sound_{key}": audio.get(key) for key in ("codec", "rate", "channels")}
    for key, value in found.items():
        recorded = record.to_json().get(key)
        rounded = isinstance(value, float) and isinstance(recorded, int | float)
        if abs(value - recorded) > _NEAR if rounded else value != recorded:
            yield f"{key} {value}, recorded {_format_recorded(record, key)}"


def _wav_flaws(path: Path, samples: object) -> list[str]:
    """Return how the WAV file of a clip differs from its record."""
    try:
        with wave.open(str(path), "rb") as audio:
            found = audio.getnframes()
    except (OSError, EOFError, wave.Error) as error:
        _require_limits(error)
        return [f"cannot be opened: {error}"]
    return [] if found == samples else [f"{found} samples, recorded {shown(str(samples))}"]


def _metadata(index: JournalIndex) -> list[Found]:
    """Return how ``metadata.jsonl`` differs from the journal."""
    absent = unlisted(index)
    # Clips with a failure may be omitted: they could not be re-created with the requested settings.
    expected = {stem for stem in index.existing_clips() if stem not in absent and stem not in index.failures}
    path = index.out / METADATA
    found: list[Found] = []
    listed: set[str] = set()
    try:
        with atomic.reader(path) as manifest:
            for number, text in enumerate(iter(lambda: manifest.readline(_LINE_LIMIT), b""), 1):
                stem, flaw = _line_flaw(index, text)
                if stem in listed:
                    flaw = f"duplicate line for {shown(stem)}"
                listed.add(stem)
                if flaw:
                    found.append(Found(f"{METADATA}:{number}", CORRUPT, flaw))
    except FileNotFoundError:
        return [Found(METADATA, MISSING, "file not found")] if expected else []
    except OSError as error:
        _require_limits(error)
        return [Found(METADATA, CORRUPT, f"cannot be read: {error.strerror}")]
    return found + [Found(METADATA, CORRUPT, f"no line for {stem}") for stem in sorted(expected - listed)]


def _line_flaw(index: JournalIndex, text: bytes) -> tuple[str, str]:
    """Return the stem of the clip in a line of metadata, and the problem of the line, if any."""
    try:
        row = json.loads(text)
        stem = str(row["file_name"]).removesuffix(".mp4")
    except (ValueError, TypeError, KeyError, RecursionError):
        return f"line {text[:80]!r}", "invalid line"
    record = index.clips.get(stem)
    if record is None:
        return stem, f"no record of {shown(stem)} in the journal"
    recorded = ClipRecord.of(record).to_json()
    if text == line(recorded):
        return stem, ""
    keys = [key for key in {**recorded, **row} if recorded.get(key) != row.get(key)]
    return (
        stem,
        f"{shown(stem)} differs from its record: {', '.join(map(shown, keys[:_SHOWN_KEYS])) or 'formatting'}",
    )


def _untracked_files(index: JournalIndex) -> list[Found]:
    """Return the files that nothing accounts for."""
    records = index.clips.with_others(index.replaced)
    rows: dict[object, set[str]] = {}
    for columns in (
        *(ClipRecord.of(record).to_json() for record in records.values()),
        *index.failures.values(),
    ):
        rows.setdefault(columns.get("youtube_id"), set()).add(
            f"{columns.get('subset')}_{columns.get('name')}"
        )
    source_videos = {
        name
        for youtube_id, several in index.source_videos.items()
        for record in several
        for ending in [record["file"].rpartition(".")[2]]
        for name in (record["file"], *(f"{row}.{ending}" for row in rows.get(youtube_id, ())))
    }
    same = {
        (status.st_dev, status.st_ino)
        for name in source_videos
        if (status := _stat(index.out / SOURCE_VIDEOS / name))
    }

    def is_clip(name: str) -> bool:
        if name.endswith(TRACK):
            return name.removesuffix(TRACK) in records
        stem, _, ending = name.rpartition(".")
        return stem in (index.with_wav if ending == "wav" else records) and ending in {"mp4", "wav"}

    def is_raw(entry: os.DirEntry[str]) -> bool:
        if entry.name in source_videos or entry.name.endswith("_download_log.txt"):
            return True
        status = _stat(Path(entry.path))  # another row's name for a source video
        return status is not None and (status.st_dev, status.st_ino) in same

    names = (entry.name for entry in _entries(index.out) if not (entry.name in OURS or shard_of(entry.name)))
    return [
        *(_untracked(name) for name in names if not is_clip(name)),
        *(
            _untracked(entry.name, f"{SOURCE_VIDEOS}/")
            for entry in _entries(index.out / SOURCE_VIDEOS)
            if not is_raw(entry)
        ),
    ]


def _untracked(name: str, place: str = "") -> Found:
    clip = not place and name.endswith((".mp4", ".wav"))
    message = "not in the journal" if clip else "not created by this program"
    return Found(place + shown(name), UNTRACKED, message)


def seconds_of(record: Record) -> float:
    """Return the recorded duration of a clip; 0 if it is invalid."""
    return float(ClipRecord.of(record).duration or 0)


def _format_recorded(record: ClipRecord, key: str) -> str:
    """Return a recorded value as text; the journal may be from another user, and contain anything."""
    columns = record.to_json()
    return shown(str(columns[key])) if key in columns else "nothing"


def _brief(what: str, failure: Failure) -> str:
    first = failure.words.partition("\n")[0]
    return f"{what}: {first[:_LONGEST_MESSAGE]}"


def _entries(directory: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the files in a directory, except for temporary ones, of an active or interrupted run."""
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
    except (OSError, ValueError):  # a name from a journal may be invalid
        return None
