"""``_journal.jsonl``: the only file of the output directory that grows, and the index of its records.

Each shard of a directory has its own journal. The index contains the records of all journals, ordered by
time; while a shard runs, its index omits those of the other shards of the same division. A record is one
line, about what is durable; of several records about one object the newest counts. An incomplete last line,
left by a kill, is ignored by readers, and truncated when `directory.open_directory` opens that journal for
appending.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import merge
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.divisions import REQUEST, WHOLE, Part, part_of
from hdtf_async.core.events import RunEnded
from hdtf_async.core.failures import Reason
from hdtf_async.core.jsonlines import LONGEST, line, lines, parsed
from hdtf_async.core.model import Source
from hdtf_async.core.shards import Shard
from hdtf_async.core.splits import Split
from hdtf_async.core.steps import steps
from hdtf_async.output import atomic
from hdtf_async.output.packed import CompressedRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from aiofiles.threadpool.binary import AsyncFileIO

    from hdtf_async.core.divisions import Request
    from hdtf_async.core.jsonlines import Record

JOURNAL, SOURCE_VIDEOS = "_journal.jsonl", "_videos_raw"
_REASONS = frozenset(Reason)
_SHARD_JOURNAL = re.compile(r"_journal\.shard-(\d{1,6})-of-(\d{1,6})\.jsonl")
_READ_SIZE = 1 << 16
"""Bytes of each journal that are read at a time: there may be more journals than files can be open."""
CONFIRMED_AFTER = timedelta(hours=12)
"""Time after which a second "unavailable" without a reason confirms the first: blocks last hours."""
_TYPE = re.compile(rb'\{"type": ?"(\w+)"')
"""The start of a record."""
_ENDED = RunEnded.type.encode()
_PARSED = frozenset({REQUEST.encode(), _ENDED})
"""Types of the records about requests and ended runs."""
_BEFORE = frozenset({b"split", b"only", b"refused"})
"""Types of records that do not indicate a run: they are written before it starts."""
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")


@dataclass(slots=True)
class JournalIndex:
    """The contents of a directory's journal: the newest record of each object."""

    out: Path
    clips: CompressedRecords[Record] = field(default_factory=CompressedRecords)
    """Stem of the clip to its record."""
    replaced: CompressedRecords[Record] = field(default_factory=CompressedRecords)
    """Stem of each clip whose record was withdrawn, without a newer one, to that record."""
    failures: CompressedRecords[Record] = field(default_factory=CompressedRecords)
    """Stem of the clip to the record of its failure."""
    source_videos: CompressedRecords[list[Record]] = field(default_factory=CompressedRecords)
    """YouTube id to the records of its source files, video and audio, the newest last."""
    with_wav: set[str] = field(default_factory=set)
    """Stems of the clips with which a WAV file was published, or may have been."""
    census_answers: dict[str, Record] = field(default_factory=dict)
    """YouTube id to the newest answer of a census."""
    unavailable_since: dict[str, str] = field(default_factory=dict)
    """Time of the first record of each video that is unavailable without a reason, by YouTube id."""
    run: Record = field(default_factory=dict)
    settings: Record = field(default_factory=dict)
    """The output settings of the newest run, as JSON."""
    source: Source | None = None
    """The dataset or list of the newest run; None for HDTF."""
    refused: list[Record] = field(default_factory=list)
    """Rows of the tables that the newest run skipped."""
    split: Split | None = None
    """How the clips are split, if that was ever requested."""
    cuts: dict[str, Record] = field(default_factory=dict)
    """Stem of each clip that is split at scene cuts to their record."""
    only: Record = field(default_factory=dict)
    has_size: Callable[[str, object], bool] = atomic.has_size
    """Returns whether the file of a clip has that many bytes, wherever the clips are stored."""

    def snapshot(self) -> JournalIndex:
        """Return a copy of the clip records for a thread, while the original changes."""
        return replace(self, clips=self.clips.copy(), failures=self.failures.copy())

    def existing_clip(self, stem: str) -> Record | None:
        """Return the record of a clip that exists with the recorded size, with its WAV file, or None."""
        record = self.clips.get(stem)
        if record is None:
            return None
        clip = ClipRecord.of(record)
        whole = self.has_size(f"{self.out}/{stem}.mp4", clip.bytes) and (
            clip.wav is None or self.has_size(f"{self.out}/{stem}.wav", clip.wav_bytes)
        )
        return record if whole else None

    def existing_clips(self) -> CompressedRecords[Record]:
        """Return the record of each clip whose file exists with the recorded size, by its stem."""
        return self.clips.only(stem for stem in steps(self.clips) if self.existing_clip(stem))

    def existing_source_video(self, youtube_id: str, kind: str = "raw") -> Record | None:
        """Return the newest record of a source file that exists with the recorded size, or None.

        `kind` is ``raw`` (video) or ``sound``. A source file is recorded before it is renamed, so that a
        killed run leaves none that cannot be identified: the existing file may be the one in an older record.
        """
        for record in reversed(self.source_videos.get(youtube_id, [])):
            if record["type"] == kind and atomic.has_size(
                f"{self.out}/{SOURCE_VIDEOS}/{record['file']}", record["bytes"]
            ):
                return record
        return None

    def about(self, youtube_id: str, stems: Iterable[str]) -> list[Record]:
        """Return the newest records of a video and of some of its clips."""
        records = [of.get(stem) for stem in stems for of in (self.clips, self.failures)]
        return [*self.source_videos.get(youtube_id, []), *filter(None, records)]

    def was_unavailable(self, youtube_id: str, now: datetime) -> bool:
        """Whether a video was reported as unavailable, without a reason, at least `CONFIRMED_AFTER` ago."""
        since = self.unavailable_since.get(youtube_id)
        return since is not None and now - datetime.fromisoformat(since) >= CONFIRMED_AFTER

    def census_ages(self, now: datetime) -> Iterator[float]:
        """Yield how many seconds ago a census queried each video."""
        for record in self.census_answers.values():
            if time := time_of(record):
                yield max(0.0, (now - datetime.fromisoformat(time)).total_seconds())

    def add(self, record: Record) -> None:
        """Process one more record; records of unknown types are ignored."""
        # A clip with a recorded failure keeps its record: if its file exists, it has its previous settings.
        match record:
            case {"type": "clip", "clip": str(stem), "metadata": dict(), "form": dict()}:
                self.clips[stem] = record
                self.replaced.pop(stem, None)
                self.failures.pop(stem, None)
                (self.with_wav.discard if ClipRecord.of(record).wav is None else self.with_wav.add)(stem)
            case {"type": "replacing", "clip": str(stem)}:
                if stem in self.clips:
                    self.replaced[stem] = self.clips.pop(stem)
            case {"type": "failed", "clip": str(stem), "reason": str(reason)} if reason in _REASONS:
                self.failures[stem] = record
                self._take_availability(record)
            case {"youtube_id": str(), "file": str(), "bytes": int()} if _is_of_source_video(record):
                self._take_raw(record)
            case {"type": "asked", "youtube_id": str(youtube_id), "time": str()} if _is_answer(record):
                self.census_answers[youtube_id] = record
                self._take_availability(record)
            case {"type": "split"}:
                self.split = Split.from_json(record) or self.split
            case {"type": "refused", "rows": list(rows)}:
                self.refused = [row for row in rows if isinstance(row, dict)]
            case {"type": "run" | "only" | "cuts"}:
                self._take_run(record)

    def _take_run(self, record: Record) -> None:
        match record:
            case {"type": "only"}:
                self.only = record
            case {"type": "cuts", "clip": str(stem), "cuts": list()}:
                self.cuts[stem] = record
                self.failures.pop(stem, None)
            case {"type": "run"}:
                self.run = record
                if isinstance(settings := record.get("form"), dict):  # a census has none
                    self.settings, self.source = settings, Source.from_json(record.get("dataset"))

    def _take_availability(self, record: Record) -> None:
        """Keep since when a video is reported as unavailable; a block of the IP address is ignored."""
        match record:
            case {"reason": Reason.UNAVAILABLE, "youtube_id": str(youtube_id)} if time_of(record):
                self.unavailable_since.setdefault(youtube_id, time_of(record))
            case {"youtube_id": str(youtube_id)} if "reason" not in record:
                self.unavailable_since.pop(youtube_id, None)

    def _take_raw(self, record: Record) -> None:
        self._take_availability(record)
        if "/" not in record["file"]:  # files are deleted by this name, which must not contain a path
            youtube_id = record["youtube_id"]
            self.source_videos[youtube_id] = [*self.source_videos.get(youtube_id, []), record]


def _is_answer(record: Record) -> bool:
    """Whether a record of a census contains a height, or a reason why there is none."""
    return record["reason"] in _REASONS if "reason" in record else isinstance(record.get("height"), int)


def _is_of_source_video(record: Record) -> bool:
    """Whether a record is about a source video, its audio, or a part of it."""
    kind = record.get("type")
    return kind in {"sound", "section"} or (kind == "raw" and isinstance(record.get("resolution"), str))


def name_of(shard: Shard | None) -> str:
    """Return the file name of a shard's journal; None for the directory's own."""
    return JOURNAL if shard is None else f"_journal.shard-{shard.index}-of-{shard.count}.jsonl"


def shard_of(name: str) -> Shard | None:
    """Return the shard whose journal has this name; None if it is no shard's."""
    match = _SHARD_JOURNAL.fullmatch(name)
    try:
        shard = Shard(int(match[1]), int(match[2])) if match else None
    except ValueError:
        return None
    return shard if name == name_of(shard) else None


def journals(out: Path) -> list[Path]:
    """Return the journals of a directory: its own, which may be missing, and those of shards.

    Raises `OSError`.
    """
    try:
        names = os.listdir(out)  # noqa: PTH208 - only the names, of as many files as there are clips
    except (FileNotFoundError, NotADirectoryError):
        names = []
    shards = sorted(name for name in steps(names) if shard_of(name) is not None)
    return [out / JOURNAL, *(out / name for name in shards)]


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a journal that may be growing meanwhile; none if it does not exist.

    Raises `OSError`.
    """
    offset = 0
    while True:
        some: list[bytes] = []
        try:
            with atomic.reader(path) as journal:
                journal.seek(offset)
                for text, end in steps(lines(journal)):
                    some.append(text)
                    if end >= _READ_SIZE:
                        break
        except FileNotFoundError:
            return
        if not some:
            return
        yield from map(parsed, some)
        offset += end


def parts(path: Path) -> list[Part]:
    """Return what the runs of one journal were asked for, and whether they ended; none if it does not exist.

    Of several runs with the same request only the newest counts. Raises `OSError`.
    """
    found: dict[Request | None, Part] = {}
    shard, time, begun, ended = shard_of(path.name), "", False, False
    with suppress(FileNotFoundError), atomic.reader(path) as journal:
        for text, _ in steps(lines(journal)):
            kind = _TYPE.match(text)
            if kind is None:
                continue
            if kind[1] in _PARSED:
                record = parsed(text)
                time = time_of(record)
                if part := part_of(record, shard or WHOLE, time):
                    found[part.request] = part
            ended = kind[1] == _ENDED or (ended and (shard is None or kind[1] in _BEFORE))
            begun = begun or kind[1] not in _BEFORE
    if found:
        return [*found.values()]
    # Older versions of this program recorded only that a run has ended, not what was requested.
    return [Part(shard or WHOLE, None, 0, time, ended)] if ended or (begun and shard is not None) else []


def merged_by_time(journals: Sequence[Iterable[Record]]) -> Iterator[Record]:
    """Yield the records of several journals by time; the order within each journal is kept."""
    return map(itemgetter(1), merge(*map(_timed, journals), key=itemgetter(0)))


def _timed(records: Iterable[Record]) -> Iterator[tuple[str, Record]]:
    newest = ""
    for record in records:
        newest = max(newest, time_of(record))
        yield newest, record


def time_of(record: Record) -> str:
    """Return when a record was written; an empty string if it has no time."""
    time = record.get("time")
    return time if isinstance(time, str) and _TIME.fullmatch(time) else ""


class Ledger(Protocol):
    """Where completed work is recorded."""

    known: JournalIndex

    async def append(self, records: Iterable[Record]) -> None:
        """Append records, and return when the caller may rely on them. Raises `OSError`."""

    def note(self, record: Record) -> None:
        """Append a record on which nothing depends: it is for later inspection."""


@dataclass(slots=True)
class _Batch:
    """Records that are written and synced together."""

    records: list[Record] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    error: Exception | None = field(default_factory=lambda: InterruptedError(errno.EINTR, "interrupted"))
    """Why they are not durable; None if they are."""


class Journal:
    """Appends to an open journal, and keeps the index up to date."""

    def __init__(self, file: AsyncFileIO, known: JournalIndex, after: str = "") -> None:
        self._after = _just_after(after)
        """No record has an earlier time: it depends on what others have written, whatever their clocks
        are."""
        self._file = file
        """Opened for appending, without a buffer: what could not be written must not be written later."""
        self.known = known
        self.end = os.fstat(file.fileno()).st_size
        """Number of durable bytes."""
        self._has_partial_write = False
        """Whether a failed append may have left bytes after the end."""
        self._waiting = _Batch()
        self._turn = anyio.Lock()

    def note(self, record: Record) -> None:
        """Append a record with the next ones: it is not worth a sync of its own."""
        self._waiting.lines.append(line(record | {"time": max(now(), self._after)}))

    async def append(self, records: Iterable[Record]) -> None:
        """Append records, each with the current time if it has none, and return when they are durable.

        Records that several tasks append at the same time are written and synced together, once. Raises
        `OSError`; the journal is then unchanged. Not to be cancelled: the caller shields it.
        """
        time = max(now(), self._after)
        timed = [{**record, "time": record.get("time", time)} for record in records]
        texts = [line(record) for record in timed]
        if any(len(text) > LONGEST for text in texts):
            raise OSError(errno.EFBIG, f"a record is longer than {LONGEST} bytes, and would not be read")
        batch = self._waiting
        batch.lines.extend(texts)
        batch.records.extend(timed)
        async with self._turn:
            if batch is self._waiting:  # otherwise the previous holder of the lock has written it
                self._waiting = _Batch()
                await self._commit(batch)
        if batch.error is not None:
            raise batch.error

    async def _commit(self, batch: _Batch) -> None:
        try:
            await self._write(b"".join(batch.lines))
        except Exception as error:  # noqa: BLE001 - each waiting task raises it
            batch.error = error
        else:
            batch.error = None
            for record in batch.records:
                self.known.add(record)

    async def _write(self, lines: bytes) -> None:
        if self._has_partial_write:
            await self._truncate()
        # True until everything is durable, whatever happens: half a line would merge with the next one.
        self._has_partial_write = True
        left = memoryview(lines)
        try:
            while left:
                left = left[await self._file.write(left) :]
            await run_sync(atomic.sync, self._file.fileno())
        except BaseException:
            with anyio.CancelScope(shield=True), suppress(Exception):
                await self._truncate()
            raise
        self.end += len(lines)
        self._has_partial_write = False

    async def _truncate(self) -> None:
        """Truncate what follows the end, durably: a power cut could mix it with later writes."""
        await run_sync(os.ftruncate, self._file.fileno(), self.end)
        await run_sync(atomic.sync, self._file.fileno())
        self._has_partial_write = False


def now() -> str:
    """Return the current time in the format of records."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _just_after(time: str) -> str:
    try:
        return (datetime.fromisoformat(time) + timedelta(milliseconds=1)).isoformat(timespec="milliseconds")
    except ValueError:  # not a valid time
        return ""
