"""The journals of an object store: each is a sequence of segments, objects that never change.

A segment is named ``_journal/JOURNAL/NUMBER-RUN.jsonl``. The run that holds the lock of a journal adds
segments to it. If many of the last ones are short it joins them: it uploads the long one, and then deletes
the short ones. So a reader may find that a listed segment no longer exists. That is an error, and never an
empty segment: the listing is repeated.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.output import atomic
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.journal import JOURNAL, SOURCE_VIDEOS, journals, name_of, shard_of
from hdtf_async.output.object_store.client import LARGEST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from hdtf_async.core.shards import Shard
    from hdtf_async.output.object_store.client import Listed, ObjectStoreClient

SEGMENTS = "_journal/"
MANY = 64
"""Number of consecutive short segments that are joined."""
SHORT = (1 << 16, 1 << 22)
"""Size in bytes below which a segment is short: originally, and among joined ones."""
AT_A_TIME = 16
"""Number of segments that are downloaded at the same time."""
LISTINGS = 8
"""How often the segments of one journal are listed until all of them could be read. Only those are downloaded
that the previous listing did not contain."""
AGAIN_AFTER = 0.5
"""Seconds between two such listings."""


class Segments:
    """Adds segments to one journal. Its lock must be held."""

    def __init__(self, bucket: ObjectStoreClient, journal: str, segments: Iterable[Listed]) -> None:
        self._bucket = bucket
        self._below = f"{SEGMENTS}{journal}/"
        self._segments = [(each.key, each.size) for each in segments]
        """Keys and sizes of the segments in the store, in order."""
        last = self._segments[-1][0].rpartition("/")[2].partition("-")[0] if self._segments else "0"
        self._number = int(last)
        self._run = uuid.uuid4().hex[:12]

    async def add(self, text: bytes) -> int:
        """Upload a text as the next segment; return how many bytes of it the store has now. Raises `Failure`.

        These are fewer if a cancelled upload succeeded: it contained the start of the text.
        """
        while True:
            key = f"{self._below}{self._number + 1:010d}-{self._run}.jsonl"
            size = len(text)
            if not await self._bucket.create(key, text):  # an object of this run: names are unique
                stored = await self._bucket.get(key, size) or b""
                size = len(stored) if text.startswith(stored) else 0
            self._number += 1
            if size:
                self._segments.append((key, size))
                return size
            # A long segment whose upload was cancelled: it repeats the short ones before it.

    async def join(self, last: Callable[[int], Awaitable[bytes]], least: int | None = None) -> None:
        """Join the last segments, if many of them are short; `last` reads that many bytes.

        A run that is killed before the short ones are deleted leaves duplicate records, which is harmless.
        """
        number = short([size for _, size in self._segments], least or MANY)
        if not number:
            return
        old = self._segments[-number:]
        text = await last(sum(size for _, size in old))
        if await self.add(text) < len(text):
            del self._segments[-1]
            return
        self._segments[-number - 1 : -1] = []
        await self._bucket.delete([key for key, _ in old])


def short(sizes: Sequence[int], least: int = MANY) -> int:
    """Return how many of the last segments should be joined; 0 if they are few or long. Pure.

    Each segment is joined at most twice, so that few are left and little is uploaded again.
    """
    number = before = 0
    for bound in SHORT:
        while number < len(sizes) and sizes[-number - 1] < bound:
            number += 1
        if number - before >= least:
            return number
        before = number
    return 0


async def copy_journals(
    bucket: ObjectStoreClient, scratch: Path, shard: Shard | None, *, newest_of_own: bool = False
) -> list[Listed]:
    """Copy the journals from the store to scratch; return the segments of this shard's own one.

    Of its neighbours a shard only needs the newest segment, which contains their output settings, or that
    they have ended. Raises `Failure`.
    """
    found: dict[str, list[Listed]] = {name_of(shard): []}
    async for each in bucket.listing(SEGMENTS):
        name = each.key.removeprefix(SEGMENTS).partition("/")[0]
        if name == JOURNAL or shard_of(name) is not None:  # it becomes a file name
            found.setdefault(name, []).append(each)
    with os_errors_as_failures(scratch):
        await run_sync(atomic.make_directory, scratch / SOURCE_VIDEOS)
        for path in await run_sync(journals, scratch):
            if path.name not in found:
                await anyio.Path(path).unlink(missing_ok=True)
    for name, segments in found.items():
        other = shard_of(name)
        neighbour = (
            (shard is not None and other is not None and other.count == shard.count)
            and (newest_of_own or other != shard)
        )  # fmt: skip
        found[name] = await _copy(bucket, segments, scratch / name, newest_only=neighbour)
    return found[name_of(shard)]


async def copy_newest(bucket: ObjectStoreClient, scratch: Path, journal: str) -> Path:
    """Copy the newest segment of a journal, and return its path. Raises `Failure`."""
    with os_errors_as_failures(scratch):
        await run_sync(atomic.make_directory, scratch)
    found = [each async for each in bucket.listing(f"{SEGMENTS}{journal}/")]
    await _copy(bucket, found, scratch / journal, newest_only=True)
    return scratch / journal


async def _copy(
    bucket: ObjectStoreClient, segments: Iterable[Listed], journal: Path, *, newest_only: bool
) -> list[Listed]:
    """Rewrite a journal as a new file: a child of a killed run may hold the lock of the old one."""
    copied: list[Listed] = []
    ordered = sorted(segments, key=lambda each: each.key)
    for listings in range(1, LISTINGS + 1):
        needed = ordered[-1:] if newest_only else ordered
        same = _common(copied, needed)
        copied = needed[:same]
        with os_errors_as_failures(journal):
            await run_sync(_cut, journal, sum(each.size for each in copied))
        gone = await _fetch(bucket, needed[same:], journal, copied)
        if gone is None:
            break
        if listings == LISTINGS:
            raise Failure(Reason.STORE_UNREACHABLE, f"{bucket.address}: {gone.key} is listed but missing")
        await anyio.sleep(AGAIN_AFTER)
        listed = [each async for each in bucket.listing(f"{SEGMENTS}{journal.name}/")]
        ordered = sorted(listed, key=lambda each: each.key)
    return ordered


async def _fetch(
    bucket: ObjectStoreClient, needed: Sequence[Listed], journal: Path, copied: list[Listed]
) -> Listed | None:
    """Append segments to a journal and to `copied`; return the first one that does not exist."""
    for some in _batches(needed):
        if some[0].size > LARGEST:
            begin = sum(each.size for each in copied)
            if await bucket.copy(some[0].key, journal, begin) != some[0].size:
                return some[0]
            copied += some
            continue
        texts: dict[str, bytes | None] = {}

        async def fetch(each: Listed, texts: dict[str, bytes | None] = texts) -> None:
            texts[each.key] = await bucket.get(each.key, each.size)

        async with anyio.create_task_group() as fetching:
            for each in some:
                fetching.start_soon(fetch, each)
        whole: list[bytes] = []
        for each in some:
            text = texts[each.key]
            if text is None or len(text) != each.size:
                break
            whole.append(text)
        with os_errors_as_failures(journal):
            await run_sync(_append, journal, whole)
        copied += some[: len(whole)]
        if len(whole) < len(some):
            return some[len(whole)]
    return None


def _batches(segments: Sequence[Listed]) -> Iterator[list[Listed]]:
    """Yield segments to download at the same time: limited in number and in total size."""
    batch: list[Listed] = []
    for each in segments:
        if batch and (len(batch) == AT_A_TIME or sum(one.size for one in batch) + each.size > LARGEST):
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch


def _common(before: Sequence[Listed], now: Sequence[Listed]) -> int:
    """Return the number of segments with which both listings begin."""
    pairs = enumerate(zip(before, now, strict=False))
    return next(
        (place for place, (one, other) in pairs if (one.key, one.size) != (other.key, other.size)),
        min(len(before), len(now)),
    )


def _cut(journal: Path, size: int) -> None:
    with journal.open("ab") as file:
        file.truncate(size)


def _append(journal: Path, texts: Sequence[bytes]) -> None:
    with journal.open("ab") as file:
        file.writelines(texts)
