"""``metadata.jsonl``, ``failures.jsonl`` and split lists, derived from the journal and replaced atomically.

They are sorted and contain no times. A run that holds the directory exclusively writes them from its index.
If shards share the directory each derives them from all journals when it ends, and so does `merge`; one at a
time, and a process that had to wait relies on what another one has written meanwhile. No process waits for
one without progress.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from itertools import chain
from threading import Event, Thread
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core import descriptors
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.divisions import outstanding
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.jsonlines import line, lines, records
from hdtf_async.core.model import UNRECORDED
from hdtf_async.core.shards import absent_message, place
from hdtf_async.core.splits import SIDES
from hdtf_async.core.steps import sorted_in_steps, steps
from hdtf_async.core.text import printable
from hdtf_async.dataset.plan import subset_of
from hdtf_async.output import atomic
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.journal import JournalIndex, journals, merged_by_time, parts, read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from hdtf_async.core.divisions import Outstanding
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Clip, Finding, Source

METADATA, FAILURES = "metadata.jsonl", "failures.jsonl"
CARD, LISTS = "README.md", tuple(f"{side}.txt" for side in SIDES)
_CARD = """\
---
{licence}configs:
- config_name: default
  data_files:
  - split: train
    path:
    - "*.mp4"
    - metadata.jsonl
---
{title}, created with hdtf_async; metadata.jsonl lists the source of each.

`load_dataset` returns all clips as one split, named train. If there are train.txt, val.txt and test.txt, they
list the clips of each split.
{citation}"""
"""Tells the loader of Hugging Face `datasets` which files belong to the dataset: without it, the loader uses
the most common extension, which may be that of logs or audio, and takes lists named train.txt for the
dataset."""
_RECORD_TYPES = frozenset({"clip", "replacing", "failed", "refused", "split", "only", "run", "cuts"})
"""Types of records from which manifests are derived. Others, mostly of source videos, are half of a
journal."""
MOST_REFUSED = 500
"""Maximum number of table rows in a record, which is one line of the journal."""
_REASONS = frozenset(Reason)
_NO_CLIP = dict.fromkeys(("clip", "subset", "name", "index", "youtube_id"))
"""Keys of a clip, in a failure without one."""
MANIFESTS_LOCK = "_views.lock"
"""Held by the process that derives the manifests from several journals. It contains two numbers: how many
processes have started, and which of them was the last to finish. Its modification time is renewed
meanwhile."""
PATIENCE = 30.0
"""Seconds without such a sign of progress after which no process waits for the holder of the lock."""
_SIGN = 1.0
"""Seconds between two signs of progress."""
_POLL = 0.05


def failure_record(clip: Clip, failure: Failure) -> Record:
    """Return the journal's record of a clip that failed."""
    return {
        "type": "failed",
        "clip": clip.stem,
        "subset": clip.video.subset,
        "name": clip.video.name,
        "index": clip.index,
        "youtube_id": clip.video.youtube_id,
        "reason": failure.reason.value,
        "words": failure.words,
    }


def refused_record(rows: Iterable[Finding], kept: Iterable[Record]) -> Record:
    """Return the journal's record of skipped rows of the tables; `kept` are those of other subsets."""
    found = [
        {
            "subset": subset_of(row.file),
            "file": row.file,
            "line": row.line,
            "rows": row.number,
            "code": row.code,
            "words": row.words,
        }
        for row in rows
    ]
    rows_of_all = [*kept, *found]
    if left := rows_of_all[MOST_REFUSED:]:
        message = f"more rows; only the first {MOST_REFUSED} are listed"
        more = {"subset": "", "file": "", "line": 0, "rows": sum(map(_number, left)), "words": message}
        rows_of_all[MOST_REFUSED:] = [more]
    return {"type": "refused", "rows": rows_of_all}


def _number(row: Record) -> int:
    """Return how many rows of a table a recorded one stands for."""
    rows = row.get("rows")
    return rows if isinstance(rows, int) else 1


def write(
    index: JournalIndex,
    clips: Mapping[str, Record],
    existing: Collection[str],
    waiting: Mapping[str, Clip | Record],
    left: Outstanding | None = None,
) -> None:
    """Write the manifests: existing clips, split lists, and failures: missing clips, and skipped rows.

    `waiting` are clips that were not attempted, or their lines in the previous manifests. If `left` is given,
    one line has the number of the clips of shards that have not started and are not among these. In the
    thread of a cancelled task this ends soon, and no manifest has changed then. Raises `Failure` with
    ``disk_full`` or ``not_writable``.
    """
    failed = sorted_in_steps((index.failures.keys() | waiting.keys()) - set(existing))

    def record_of(stem: str) -> Record:
        if stem in index.failures:
            return index.failures[stem]
        clip = waiting[stem]
        return clip if isinstance(clip, dict) else failure_record(clip, Failure(Reason.NOT_TRIED))

    lines = chain(
        (record_of(stem) for stem in failed),
        map(_refused_row, index.refused),
        [] if left is None else _of_absent_shards(left, map(record_of, steps(waiting))),
    )
    contents = {
        FAILURES: (line(_failure_line(each)) for each in lines),
        **dict(_lists(index, clips, existing)),
    }
    with ExitStack() as stack:
        new = {name: stack.enter_context(_written(index.out / name, each)) for name, each in contents.items()}
        with os_errors_as_failures(index.out / METADATA):
            atomic.replace(
                index.out / METADATA,
                (line(ClipRecord.of(clips[stem]).to_json()) for stem in sorted_in_steps(existing)),
            )
        for name, temporary in new.items():
            if temporary is not None:
                with os_errors_as_failures(index.out / name):
                    atomic.publish(temporary, index.out / name)


@contextmanager
def _written(path: Path, parts: Iterable[bytes]) -> Iterator[Path | None]:
    with os_errors_as_failures(path), atomic.written(path, parts) as new:
        yield new


def _lists(
    index: JournalIndex, clips: Mapping[str, Record], existing: Collection[str]
) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Yield the split lists, if requested, and the dataset card, unless there is another README.md."""
    if index.split is not None:
        members = {stem: ClipRecord.of(clips[stem]).member for stem in steps(existing)}
        for side, stems in index.split.lists(members).items():
            yield f"{side}.txt", [f"{stem}\n".encode("utf-8", "surrogateescape") for stem in steps(stems)]
    # A shard without videos may be the first to end, and has recorded no run, which names the dataset.
    if (index.run or existing) and not os.path.lexists(index.out / CARD):
        yield CARD, [_card(index.source).encode()]


def _card(source: Source | None) -> str:
    """Return the dataset card; `source` is None for HDTF."""
    if source is None:
        return _CARD.format(licence="", title="HDTF clips", citation="")
    licence = f"license: other\nlicense_name: {json.dumps(source.licence)}\n" if source.licence else ""
    citation = f"\n```bibtex\n{source.citation.strip()}\n```\n" if source.citation else ""
    return _CARD.format(
        licence=licence,
        title=printable(f"{source.title} clips" if source.title else "Clips"),
        citation=citation,
    )


async def merge(
    out: Path,
    waiting: Mapping[str, Clip | Record] | None = None,
    left: Outstanding | None = None,
    *,
    patience: float = PATIENCE,
) -> None:
    """Write the manifests from all journals, unless another process did so after this call.

    A shard passes the clips that all shards are `waiting` for. A caller without the tables uses those in the
    previous manifests. Raises `Failure` with ``disk_full`` or ``not_writable``, and with ``manifests_locked``
    if another process holds the lock without progress for `patience` seconds.
    """
    with os_errors_as_failures(out / MANIFESTS_LOCK):
        async with _turn(out / MANIFESTS_LOCK, patience, counts=waiting is not None) as lock:
            if lock is not None:
                await run_sync(_merge, out, lock, waiting, left)


def _merge(
    out: Path, lock: int, waiting: Mapping[str, Clip | Record] | None, left: Outstanding | None
) -> None:
    with _signs(lock):
        index = JournalIndex(out)
        for record in steps(merged_by_time([read(path) for path in journals(out)])):
            if record.get("type") in _RECORD_TYPES:
                index.add(record)
        clips = index.existing_clips()
        before = waiting if waiting is not None else {each["clip"]: each for each in not_tried(out)}
        still = {stem: before[stem] for stem in steps(before) if stem not in index.failures}
        write(index, clips, with_newest_settings(index, clips), still, left)


@contextmanager
def _signs(lock: int) -> Iterator[None]:
    """Signal progress to processes that wait for the lock."""
    ended = Event()

    def renew() -> None:
        while not ended.wait(_SIGN):
            with suppress(OSError):
                os.utime(lock)

    thread = Thread(target=renew, name="signs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def not_tried(out: Path) -> Iterator[Record]:
    """Yield the listed clips that were not attempted: only journals of shards record them."""
    try:
        with atomic.reader(out / FAILURES) as view:
            for record, _ in records(view):
                match record:
                    case {"clip": str(), "reason": Reason.NOT_TRIED}:
                        yield record
    except OSError:  # it does not exist or cannot be read
        return


def count(out: Path) -> tuple[int, Counter[Reason]]:
    """Return the number of listed clips, and the reasons of missing ones. Raises `Failure`."""
    missing = Counter[Reason]()
    with os_errors_as_failures(out / METADATA), atomic.reader(out / METADATA) as view:
        clips = sum(1 for _ in steps(lines(view)))
    with os_errors_as_failures(out / FAILURES), atomic.reader(out / FAILURES) as view:
        for record, _ in steps(records(view)):
            reason, number = record.get("reason"), record.get("clips", 1)
            if isinstance(reason, str) and reason in _REASONS and isinstance(number, int) and number:
                missing[Reason(reason)] += number
    return clips, missing


def with_newest_settings(index: JournalIndex, clips: Mapping[str, Record]) -> set[str]:
    """Return the clips that have the newest run's settings.

    While shards re-encode all clips, existing ones have either of two settings.
    """
    settings = (UNRECORDED | index.settings).items()

    def has_them(form: Record) -> bool:
        return all(form.get(key, UNRECORDED.get(key)) == value for key, value in settings)

    return {stem for stem in steps(clips) if has_them(clips[stem]["form"])}


@asynccontextmanager
async def _turn(path: Path, patience: float, *, counts: bool) -> AsyncIterator[int | None]:
    """Hold the lock; yield None if another process has started and finished meanwhile.

    Manifests that are written without the tables do not count: they may lack clips that no shard has tried.
    """
    lock = await run_sync(atomic.opened, path, os.O_RDWR | os.O_CREAT)
    try:
        before = _read_counters(lock)
        await _wait_for(lock, path, patience)
        begun, finished = _read_counters(lock) or (0, 0)
        if before is not None and finished > before[0]:
            yield None
            return
        await run_sync(_tell, lock, begun + 1, finished)
        yield lock
        if counts:
            await run_sync(_tell, lock, begun + 1, begun + 1)
    finally:
        descriptors.close(lock)


async def _wait_for(lock: int, path: Path, patience: float) -> None:
    """Acquire the lock as soon as it is free. Raises `Failure` after `patience` seconds without progress."""
    sign, since = os.fstat(lock).st_mtime_ns, anyio.current_time()
    while not descriptors.lock(lock):
        newest = os.fstat(lock).st_mtime_ns
        if newest != sign:
            sign, since = newest, anyio.current_time()
        elif anyio.current_time() - since >= patience:
            message = f"{path} is locked without progress for {patience:g} s"
            raise Failure(Reason.MANIFESTS_LOCKED, message)
        await anyio.sleep(_POLL)


def _read_counters(lock: int) -> tuple[int, int] | None:
    try:
        begun, finished = map(int, os.pread(lock, 100, 0).split())
    except ValueError:  # empty, or a process was killed while writing it
        return None
    return begun, finished


def _tell(lock: int, begun: int, finished: int) -> None:
    os.pwrite(lock, b"%19d %19d\n" % (begun, finished), 0)
    atomic.sync(lock)


def _refused_row(row: Record) -> Record:
    """Return a skipped row with the keys of a clip's failure."""
    place = {key: row.get(key) for key in ("file", "line", "rows")}
    about = {"subset": row.get("subset"), "reason": Reason.ROW_REFUSED.value, "words": row.get("words")}
    return _NO_CLIP | about | place


def _of_absent_shards(left: Outstanding, listed: Iterable[Record]) -> Iterator[Record]:
    """Yield one failure for all clips of shards that have not started, except for those that are listed."""
    absent: dict[int, set[int]] = {}
    for shard in left.absent:
        absent.setdefault(shard.count, set()).add(shard.index)
    ids = (each.get("youtube_id") for each in listed) if absent else ()
    counted = sum(
        any(place(youtube_id, count) in indices for count, indices in absent.items())
        for youtube_id in ids
        if isinstance(youtube_id, str)
    )
    number = None if left.clips is None else max(0, left.clips - counted)
    if absent and number != 0:
        message = absent_message(left.absent)
        yield _NO_CLIP | {"reason": Reason.NOT_TRIED.value, "words": message, "clips": number}


def _failure_line(record: Record) -> Record:
    advice = Reason(record["reason"]).advice
    return {key: value for key, value in record.items() if key not in {"type", "time"}} | {
        "meaning": advice.meaning,
        "what_to_do": advice.remedy,
    }


def outstanding_in(out: Path) -> Outstanding:
    """Return the shards that have not started or not ended, according to the journals of a directory.

    Raises `Failure` with ``not_writable`` if they cannot be read.
    """
    with os_errors_as_failures(out):
        return outstanding(part for path in steps(journals(out)) for part in parts(path))
