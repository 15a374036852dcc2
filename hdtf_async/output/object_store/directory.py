"""A run whose clips are stored in an object store: created and verified in local scratch, uploaded, recorded.

Below the URL are the clips and the manifests under the same names as in a directory, the journal in segments
(see `segments`), and the locks (see `lease`). Only manifests and re-created clips are ever overwritten. The
scratch is an ordinary output directory with a copy of the journal: a segment is the part of that copy that
the store does not have yet, so it never contains anything that is not durable here. Scratch may be lost: a
run reads the segments when it starts, and a listing shows which clips exist.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.divisions import goes_on
from hdtf_async.core.exceptions import AwayError, StoreError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.options import Options
from hdtf_async.core.shards import Merged
from hdtf_async.output import atomic, manifests
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.directory import OutputDirectory, open_directory, read_known
from hdtf_async.output.journal import SOURCE_VIDEOS, JournalIndex, journals, name_of, parts
from hdtf_async.output.locks import WORKERS, locked_by_worker
from hdtf_async.output.manifests import CARD, FAILURES, LISTS, METADATA
from hdtf_async.output.object_store.client import reached
from hdtf_async.output.object_store.client import tag as bucket_tag
from hdtf_async.output.object_store.lease import at_work, held
from hdtf_async.output.object_store.segments import Segments, copy_journals, copy_newest
from hdtf_async.output.video_journal import BufferedLedger, VideoLedger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Clip, Tables
    from hdtf_async.core.shards import Shard
    from hdtf_async.output.journal import Journal
    from hdtf_async.output.location import Address
    from hdtf_async.output.object_store.client import Listed, ObjectStoreClient
    from hdtf_async.output.object_store.lease import Lease

MANIFESTS = (METADATA, FAILURES, *LISTS, CARD)
_FEW = 16
"""Number of consecutive short segments that are joined when a run ends."""
_GOODBYE = 60.0
"""Seconds for remaining uploads when a run is cancelled: batch systems do not wait for long."""


@dataclass(slots=True)
class Listing:
    """Result of a listing, compared with the index."""

    missing: set[str] = field(default_factory=set)
    """Stems of clips that have a record and do not exist with the recorded size."""
    manifests: dict[str, str] = field(default_factory=dict)
    """Names of the existing manifests to their entity tags."""

    def is_there(self, path: str, _size: object) -> bool:
        """Whether the file of a recorded clip exists with the recorded size."""
        return path.rpartition("/")[2].rpartition(".")[0] not in self.missing


class UploadDirectory(OutputDirectory):
    """Scratch, from which complete files are uploaded. The journal of the run is written elsewhere."""

    bucket: ObjectStoreClient
    keeps_raws = False

    async def publish(self, temporary: Path, final: Path) -> None:
        """Upload a finished file; no clip stays in scratch. Raises `Failure`."""
        await super().publish(temporary, final)
        if final.parent == self.out:
            await self._send(final)
        elif self.keeps_raws:
            await self._put(final, f"{SOURCE_VIDEOS}/{final.name}")

    async def publish_beside(self, temporary: Path | None, clip: Clip) -> None:
        """Upload the WAV file of a clip; None deletes an existing one. Raises `Failure`."""
        before = clip.stem in self.known.with_wav
        await super().publish_beside(temporary, clip)
        if temporary is not None:
            await self._send(self.wav_path(clip))
        elif before:
            await self._hand_on()
            await self.bucket.delete([self.wav_path(clip).name])

    async def link(self, existing: Path, final: Path) -> None:
        """Give a source video a second name, in the store too. Raises `Failure`."""
        await super().link(existing, final)
        if self.keeps_raws:
            await self._put(final, f"{SOURCE_VIDEOS}/{final.name}")

    async def _send(self, final: Path) -> None:
        """Upload a file of a clip: earlier records must neither match it nor remain valid after it."""
        try:
            if final.stem in self.known.clips or final.stem in self.known.replaced:
                await self._hand_on()
            await self._put(final, final.name)
        finally:
            with anyio.CancelScope(shield=True):
                await self.remove(final)

    async def _put(self, path: Path, key: str) -> None:
        await self.bucket.put(path, key)

    async def _hand_on(self) -> None:
        """Upload the records so far, before the files that they describe change."""


class ObjectStoreDirectory(UploadDirectory):
    """Scratch, from which all complete files and the journal are uploaded to the store."""

    lease: Lease
    _segments: Segments

    def __init__(
        self, out: Path, locks: tuple[int, ...], journal: Journal, shard: Shard | None = None
    ) -> None:
        super().__init__(out, locks, journal, shard)
        self._lines = journal
        self._sent = journal.end
        """Bytes of the journal that the store has."""
        self._turn = anyio.Lock()
        self._listing = Listing()

    async def look(self, segments: Sequence[Listed]) -> None:
        """Find out which clips exist. Raises `Failure`."""
        self._segments = Segments(self.bucket, name_of(self.shard), segments)
        self._listing = await listed(self.bucket, self.known)

    async def append(self, *records: Record) -> None:
        """Append records, and return when the store has them. Raises `Failure`.

        Records of source videos that are not kept are uploaded with the next clip.
        """
        await super().append(*records)
        for record in records:
            if record["type"] == "clip":  # before anything can be cancelled: it is listed with its record
                self._listing.missing.discard(record["clip"])
        kinds = {record["type"] for record in records}
        if kinds - ({"raw", "sound"} if not self.keeps_raws else set()):
            await self._hand_on()

    async def not_tried(self) -> tuple[Record, ...]:
        """Return the clips in the previous manifests that were not attempted; these are in the store."""
        return await _not_tried(self.bucket, self.out)

    async def absent(self) -> tuple[Shard, ...]:
        """Return the shards that have not started, if no started one is still active.

        This is read from the newest segments of the neighbours, which are short once they have ended.
        """
        if self.shard is None:
            return ()
        copies = atomic.temporary(self.out / "journals")
        try:
            for name in sorted(await at_work(self.bucket, self.lease)):
                newest = await copy_newest(self.bucket, copies, name)
                if goes_on(await run_sync(parts, newest)):
                    return ()
            await copy_journals(self.bucket, copies, self.shard, newest_of_own=True)
            return (await run_sync(manifests.outstanding_in, copies)).absent
        finally:
            with anyio.CancelScope(shield=True):
                await run_sync(partial(shutil.rmtree, copies, ignore_errors=True))

    async def deliver(self) -> None:
        """Upload the manifests that have changed, and join the segments. Raises `Failure`.

        The manifests of several shards are created by `merge_shards`. A cancelled run tries it once more, for
        a limited time: an upload in progress is finished, or repeated.
        """
        try:
            await self._deliver()
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(_GOODBYE, shield=True), suppress(Failure):
                await self._deliver()
            raise

    async def _deliver(self) -> None:
        await self._hand_on()
        if self.shard is None:
            await put_manifests(self.bucket, self.out, self._listing)
        async with self._turn:
            await self._join(least=_FEW)

    async def _send(self, final: Path) -> None:
        self._listing.missing.add(final.stem)
        await super()._send(final)

    async def _put(self, path: Path, key: str) -> None:
        self.lease.check()
        await super()._put(path, key)

    async def _hand_on(self) -> None:
        """Upload the part of the journal that the store lacks, for all tasks that have appended to it."""
        wanted = self._lines.end
        async with self._turn:
            if self._sent >= wanted:
                return
            while self._sent < wanted:
                self.lease.check()
                text = await run_sync(self._between, self._sent, self._lines.end)
                self._sent += await self._segments.add(text)
            await self._join()

    async def _join(self, least: int | None = None) -> None:
        """Join the last segments, if many of them are short."""

        async def last(size: int) -> bytes:
            return await run_sync(self._between, self._sent - size, self._sent)

        await self._segments.join(last, least)

    def _between(self, begin: int, end: int) -> bytes:
        path = self.out / name_of(self.shard)
        with os_errors_as_failures(path), path.open("rb") as journal:
            journal.seek(begin)
            return journal.read(end - begin)


async def listed(bucket: ObjectStoreClient, known: JournalIndex) -> Listing:
    """Find out with one listing which clips exist, and use the result for the index from now on.

    Only the missing stems are kept. Raises `Failure`.
    """
    found, half = Listing(set(known.clips)), set[str]()
    known.has_size = found.is_there
    if not known.clips:
        return found
    async for each in bucket.listing():
        stem, _, ending = each.key.rpartition(".")
        if each.key in MANIFESTS:
            found.manifests[each.key] = each.tag
        elif stem in found.missing and ending in {"mp4", "wav"}:
            clip = ClipRecord.of(known.clips[stem])
            if each.size == (clip.bytes if ending == "mp4" else clip.wav_bytes):
                if clip.wav is None or stem in half:
                    found.missing.discard(stem)
                else:
                    half.add(stem)
    return found


async def put_manifests(bucket: ObjectStoreClient, made: Path, before: Listing) -> None:
    """Upload the manifests from a directory, except for unchanged ones.

    An existing README.md is never replaced.
    """
    for name in MANIFESTS:
        path = made / name
        if not await anyio.Path(path).is_file():
            continue
        _, tag = await run_sync(bucket_tag, path)
        if name == CARD:
            if name not in before.manifests:
                await bucket.create(name, await anyio.Path(path).read_bytes())
        elif before.manifests.get(name) != tag:
            await bucket.put(path, name)
        before.manifests[name] = tag


async def merge_in_store(out: Address) -> Merged:
    """Write the manifests from all journals, as `merge_journals` does, via scratch.

    Shards may be active meanwhile. Raises `StoreError`, and `Failure`.
    """
    bucket = reached(out)
    async with _scratch(out, Options()) as scratch:
        await copy_journals(bucket, scratch, None)
        if not await run_sync(lambda: any(path.stat().st_size for path in journals(scratch))):
            raise StoreError(f"{out} has no journal: expected the output URL of a run")
        known = await run_sync(read_known, scratch)
        before = await listed(bucket, known)
        clips = await run_sync(known.existing_clips)
        waiting = {each["clip"]: each for each in await _not_tried(bucket, scratch)}
        left = await run_sync(manifests.outstanding_in, scratch)
        still = {stem: each for stem, each in waiting.items() if stem not in known.failures}
        await run_sync(
            manifests.write, known, clips, manifests.with_newest_settings(known, clips), still, left
        )
        await put_manifests(bucket, scratch, before)
        return Merged(*await run_sync(manifests.count, scratch), len(left.unended), left.absent)


async def _not_tried(bucket: ObjectStoreClient, scratch: Path) -> tuple[Record, ...]:
    """Return the clips in the store's manifests that were not attempted. Raises `Failure`."""
    await bucket.copy(FAILURES, scratch / FAILURES)
    return tuple(await run_sync(lambda: [*manifests.not_tried(scratch)]))


@asynccontextmanager
async def open_store(out: Address, options: Options, tables: Tables) -> AsyncIterator[OutputDirectory]:
    """Open an object store for a run with these options; see `open_directory`.

    Raises `StoreError`, `BusyError`, and `AwayError` if the store does not respond.
    """
    bucket = reached(out)
    async with AsyncExitStack() as stack:
        with _told():
            lease = await stack.enter_async_context(held(bucket, options.shard))
            scratch = await stack.enter_async_context(_scratch(out, options))
            segments = await copy_journals(bucket, scratch, options.shard)
            away = await stack.enter_async_context(
                open_directory(scratch, options.shard, tables, made=ObjectStoreDirectory)
            )
            if not isinstance(away, ObjectStoreDirectory):
                raise TypeError("expected an ObjectStoreDirectory")
            away.bucket, away.lease, away.keeps_raws = bucket, lease, options.keep_raw is True
            await away.look(segments)
        yield away


@asynccontextmanager
async def opened_by_worker(
    out: Path | Address, name: str, options: Options
) -> AsyncIterator[tuple[OutputDirectory, BufferedLedger]]:
    """Open what a run writes to, for a worker of a cluster; give its ledger, too.

    A directory is shared, and has a file of this `name` for the worker; for an object store the worker has
    scratch of its own. Raises `Failure` with ``not_ready``, and `StoreError`.
    """
    if isinstance(out, Path):
        with locked_by_worker(out / WORKERS / name) as lock:
            ledger: BufferedLedger = VideoLedger(JournalIndex(out), out / WORKERS / name)
            yield OutputDirectory(out, (lock,), ledger), ledger
        return
    async with _scratch(out, replace(options, scratch=None), below=options.scratch) as scratch:
        ledger = BufferedLedger(JournalIndex(scratch))
        directory = UploadDirectory(scratch, (), ledger)
        directory.bucket, directory.keeps_raws = reached(out), options.keep_raw is True
        await run_sync(directory.source_videos_path.mkdir)
        yield directory, ledger


def for_workers(directory: OutputDirectory, options: Options) -> tuple[Path | Address, Options]:
    """Return where the workers of a run write to, and their options.

    They neither read the tables nor start runs on the cluster themselves. All paths are absolute.
    """
    options = replace(options, source=None, dask=None)
    if isinstance(directory, ObjectStoreDirectory):
        return directory.bucket.address, replace(options, keep_raw=directory.keeps_raws)
    return directory.out.absolute(), options


@contextmanager
def _told() -> Iterator[None]:
    """Turn a failure before the start of the run into an error that the store cannot be used."""
    try:
        yield
    except Failure as failure:
        kind = AwayError if failure.reason is Reason.STORE_UNREACHABLE else StoreError
        raise kind(f"{failure} {failure.reason.advice.remedy}") from None


@asynccontextmanager
async def _scratch(address: Address, options: Options, below: Path | None = None) -> AsyncIterator[Path]:
    """Provide a directory for this URL and journal: below --scratch, permanently, or a temporary one."""
    whose = sha256(f"{address}\n{name_of(options.shard)}".encode()).hexdigest()[:12]
    if options.scratch is not None:
        path = options.scratch / f"hdtf-{whose}"
        try:
            await run_sync(_made, path)
        except OSError as error:
            raise StoreError(f"cannot use {path}: {error.strerror}: choose another --scratch") from None
        yield path
        return
    try:
        path = Path(await run_sync(partial(tempfile.mkdtemp, prefix=f"hdtf-{whose}-", dir=below)))
    except OSError as error:
        raise StoreError(f"cannot create a temporary directory: {error}: choose another --scratch") from None
    try:
        yield path
    finally:
        with anyio.CancelScope(shield=True):
            await run_sync(partial(shutil.rmtree, path, ignore_errors=True))


def _made(path: Path) -> None:
    """Create a directory for this user only, because --scratch may be writable for others."""
    atomic.make_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    atomic.require_trusted(path)
