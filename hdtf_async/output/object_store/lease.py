"""The lock of an object store: an object that its holder renews; once expired, others may take it over.

The holder of a journal has the newest generation of ``_locks/JOURNAL/``, an object that only one run can
create. It rewrites that regularly; the store's own clock shows how long ago, so the clocks of the machines
need not agree. A run that takes over creates the next generation, and the previous holder detects that when
it renews: what it still uploads meanwhile replaces no record, because no other run uses its names. An empty
object is a released lock.
"""

from __future__ import annotations

import json
import math
import uuid
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from hdtf_async.core.exceptions import BusyError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.output.journal import name_of, now, shard_of
from hdtf_async.output.locks import has_ended, holder, whoami

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.shards import Shard
    from hdtf_async.output.object_store.client import Listed, ObjectStoreClient

LOCKS = "_locks/"
LEASE = 120.0
"""Seconds without renewal after which a lock may be taken over."""
_LONGEST = 1 << 16
"""Maximum size of a lock object in bytes; it identifies the holder."""
_GOODBYE = 20.0
"""Seconds for cleaning up at the end."""
RENEWALS = 4
"""Number of renewals within that time."""


@dataclass(slots=True)
class Lease:
    """A held lock, until it is `lost`."""

    bucket: ObjectStoreClient
    key: str
    content: bytes
    lost: Failure | None = None

    def check(self) -> None:
        """Raise `Failure` if another run has taken over."""
        if self.lost is not None:
            raise self.lost

    async def keep(self) -> None:
        """Renew the lock until cancelled, or lost."""
        renewed = anyio.current_time()
        while self.lost is None:
            await anyio.sleep(LEASE / RENEWALS)
            try:
                before = anyio.current_time()
                await self.bucket.write(self.key, self.content)
                newest = await _newest(self.bucket, self.key.rpartition("/")[0] + "/")
                renewed = before
            except Failure as failure:
                if anyio.current_time() - renewed > LEASE:
                    self.lost = failure
            else:
                if newest is None or newest.key != self.key:
                    self.lost = Failure(
                        Reason.STORE_REFUSED, f"{self.bucket.address}: another run has taken over its lock"
                    )


@asynccontextmanager
async def held(bucket: ObjectStoreClient, shard: Shard | None) -> AsyncIterator[Lease]:
    """Hold the lock of one journal. Raises `BusyError`: another run holds it, or one that excludes it."""
    below = f"{LOCKS}{name_of(shard)}/"
    while True:
        newest = await _newest(bucket, below)
        if newest is not None and newest.size:
            await _require_old(bucket, newest)
        generation = 0 if newest is None else int(newest.key.rpartition("/")[2]) + 1
        content = json.dumps(whoami() | {"time": now(), "run": uuid.uuid4().hex}).encode()
        lease = Lease(bucket, f"{below}{generation:010d}", content)
        try:
            if await bucket.create(lease.key, content):
                break  # otherwise another run was faster
        except BaseException:  # the object may exist nevertheless, or appear later
            with anyio.move_on_after(_GOODBYE, shield=True), suppress(Failure):
                await _let_go(lease)
            raise
    try:
        await _require_alone(bucket, shard)
        async with anyio.create_task_group() as beside:
            beside.start_soon(lease.keep)
            yield lease
            beside.cancel_scope.cancel()
    finally:
        if lease.lost is None:
            with anyio.move_on_after(_GOODBYE, shield=True), suppress(Failure):
                await bucket.write(lease.key, b"")


async def _let_go(lease: Lease) -> None:
    """Release a lock that may or may not have been acquired."""
    if not await lease.bucket.create(lease.key, b"") and await lease.bucket.get(lease.key) == lease.content:
        await lease.bucket.write(lease.key, b"")


async def at_work(bucket: ObjectStoreClient, own: Lease) -> set[str]:
    """Return the journals of other active runs. Raises `Failure`.

    The age of their locks is relative to the last renewal of the own one.
    """
    newest: dict[str, Listed] = {}
    async for each in bucket.listing(LOCKS):
        name, _, generation = each.key.removeprefix(LOCKS).partition("/")
        if generation.isdigit() and (name not in newest or newest[name].key < each.key):
            newest[name] = each
    mine = newest.pop(own.key.removeprefix(LOCKS).partition("/")[0], None)
    return {
        name
        for name, lock in newest.items()
        if lock.size
        and (mine is None or (mine.written - lock.written).total_seconds() <= LEASE)
        and not has_ended(await _read(bucket, lock.key))
    }


async def _require_old(bucket: ObjectStoreClient, lock: Listed) -> None:
    """Raise `BusyError` unless the holder of the lock has ended, or its lock has expired."""
    record = await _read(bucket, lock.key)
    if has_ended(record):
        return
    asking = f"{lock.key}.asked-{uuid.uuid4().hex}"
    try:
        await bucket.write(asking, b"")
        # Both by the store's clock.
        times = {each.key: each.written async for each in bucket.listing(lock.key.rpartition("/")[0] + "/")}
    finally:
        with anyio.move_on_after(_GOODBYE, shield=True), suppress(Failure):
            await bucket.delete([asking])
    if lock.key in times and asking in times:
        _refuse(bucket, record, (times[asking] - times[lock.key]).total_seconds())


async def _require_alone(bucket: ObjectStoreClient, shard: Shard | None) -> None:
    """Raise `BusyError` if an incompatible run is active; remove expired locks.

    The own lock is already held, so that of two runs which start at the same time one detects the other.
    """
    locks: dict[str, Listed] = {}
    old: list[str] = []
    async for each in bucket.listing(LOCKS):
        name, _, generation = each.key.removeprefix(LOCKS).partition("/")
        if not generation.isdigit():
            continue
        if name in locks:
            old.append(min(locks[name].key, each.key))
        if name not in locks or locks[name].key < each.key:
            locks[name] = each
    mine = locks.pop(name_of(shard), None)
    for name, lock in locks.items():
        other = shard_of(name)
        if lock.size and (shard is None or other is None or other.count != shard.count):
            record = await _read(bucket, lock.key)
            if not has_ended(record):
                _refuse(bucket, record, (mine.written - lock.written).total_seconds() if mine else 0.0)
    await bucket.delete([key for key in old if key.startswith(f"{LOCKS}{name_of(shard)}/")])


def _refuse(bucket: ObjectStoreClient, record: Record, age: float) -> None:
    if age <= LEASE:
        raise BusyError(
            f"another run is active in {bucket.address} ({holder(record)}): wait for it or choose another"
            f" --out; if it was killed, its lock expires in {max(1, math.ceil(LEASE - age))} seconds"
        )


async def _newest(bucket: ObjectStoreClient, below: str) -> Listed | None:
    found = [each async for each in bucket.listing(below) if each.key.rpartition("/")[2].isdigit()]
    return max(found, key=lambda each: each.key, default=None)


async def _read(bucket: ObjectStoreClient, key: str) -> Record:
    try:
        record = json.loads(await bucket.get(key, _LONGEST) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
