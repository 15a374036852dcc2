"""Journals of single videos, which the workers of a cluster write in ``_workers``.

Only the driver of such a run writes the journal of the directory. A worker records what it does for a video
in a file of its own, as durably as on one machine. Once the video is done, the driver adds the records to the
journal and deletes the file. If the worker dies, the next one resumes from the file; if the driver dies, the
next run adds its records. A record of type ``worker`` names the lock of the worker that writes the file: no
other worker does, until that one and its children have ended. Workers that do not share the directory keep
the records of a video in memory (`BufferedLedger`).
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

import aiofiles
import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.jsonlines import Record, records
from hdtf_async.output import atomic
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.journal import Journal, now
from hdtf_async.output.locks import VIDEO, WORKERS, as_store_error, release_worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
    from pathlib import Path

    from hdtf_async.output.journal import JournalIndex

PATIENCE = 120.0
"""Seconds to wait for the children of a worker that died."""
_OWNER = "worker"
"""Type of the record that names the lock of the worker that writes the file."""


class BufferedLedger:
    """A ledger for videos that a driver on another machine controls: keeps their records until they are sent.

    Its index contains what the driver has sent and what this process has recorded.
    """

    def __init__(self, known: JournalIndex) -> None:
        self.known = known
        self._buffer: ContextVar[list[Record]] = ContextVar("buffer")

    @contextmanager
    def buffering(self) -> Iterator[list[Record]]:
        """Provide the list that receives the records of this task and of those that it starts."""
        records: list[Record] = []
        token = self._buffer.set(records)
        try:
            yield records
        finally:
            self._buffer.reset(token)

    @asynccontextmanager
    async def resuming(self, video: str) -> AsyncIterator[list[Record]]:
        """Begin with a video in this task, and give what is recorded of it already: nothing."""
        del video
        yield []

    async def append(self, records: Iterable[Record]) -> None:
        """Keep records, each with the current time."""
        timed = [record | {"time": now()} for record in records]
        await self._store(timed)
        self._buffer.get().extend(timed)

    async def _store(self, records: list[Record]) -> None:
        for record in records:
            self.known.add(record)

    def note(self, record: Record) -> None:
        """Keep nothing: the driver receives the events of its videos."""


class VideoLedger(BufferedLedger):
    """Records what is done for videos in their own journals."""

    def __init__(self, known: JournalIndex, lock: Path) -> None:
        """`lock` is the file that this worker has locked."""
        super().__init__(known)
        self._lock = lock
        self._journal: ContextVar[Journal] = ContextVar("journal")

    @asynccontextmanager
    async def resuming(self, video: str) -> AsyncIterator[list[Record]]:
        """Open the journal of a video for this task, and give what other workers have recorded there.

        Raises `Failure` with ``disk_full`` or ``not_writable``.
        """
        path = _path(self._lock.parent, video)
        with os_errors_as_failures(path):
            file = await run_sync(atomic.opened, path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            try:
                before = await self._taken_over(file)
                async with aiofiles.open(file, "ab", buffering=0, closefd=False) as appending:
                    journal = Journal(appending, self.known)
                    await journal.append([{"type": _OWNER, "worker": self._lock.name}])
                    await run_sync(atomic.sync_directory, path.parent)
                    for record in before:
                        self.known.add(record)
                    token = self._journal.set(journal)
                    try:
                        yield before
                    finally:
                        self._journal.reset(token)
            finally:
                os.close(file)

    async def _taken_over(self, file: int) -> list[Record]:
        """Wait until nobody else writes the file; return its records."""
        _, owner, _ = await run_sync(_read, file)
        lock = self._lock.with_name(owner or self._lock.name)
        with anyio.move_on_after(PATIENCE):
            while lock != self._lock and not await run_sync(release_worker, lock):  # noqa: ASYNC110
                await anyio.sleep(0.1)
        return await run_sync(_tidied, file)

    async def _store(self, records: list[Record]) -> None:
        await self._journal.get().append(records)


def _path(directory: Path, video: str) -> Path:
    return directory / f"{video}{VIDEO}"


def _read(file: int) -> tuple[list[Record], str, int]:
    """Return the records of a journal, the newest owner, and where its last whole line ends."""
    found, owner, whole = list[Record](), "", 0
    with os.fdopen(os.dup(file), "rb") as journal:
        journal.seek(0)
        for record, end in records(journal):
            whole = end
            if record.get("type") == _OWNER:
                owner = os.path.basename(str(record.get("worker")))  # noqa: PTH119 - it must not lead elsewhere
            elif record:
                found.append(record)
    return found, owner, whole


def _tidied(file: int) -> list[Record]:
    """Return the records of a journal that nobody writes; cut off a torn last line. Raises `OSError`."""
    found, _, whole = _read(file)
    if whole < os.fstat(file).st_size:
        os.ftruncate(file, whole)
    return found


def forget(out: Path, video: str) -> None:
    """Delete the journal of a video, whose records are in the directory's own. Raises `OSError`."""
    _path(out / WORKERS, video).unlink(missing_ok=True)


async def add_left(
    out: Path, append: Callable[[Iterable[Record]], Awaitable[None]], *, alone: bool = True
) -> None:
    """Add the records of journals that workers have left, and delete these. No worker may be running.

    Shards leave them alone. Raises `StoreError`.
    """

    def read(path: Path) -> list[Record]:
        if path.is_symlink():
            return []
        file = atomic.opened(path, os.O_RDWR)
        try:
            return _tidied(file)
        finally:
            os.close(file)

    with as_store_error(out):
        for path in await run_sync(lambda: sorted((out / WORKERS).glob(f"*{VIDEO}")) if alone else []):
            if left := await run_sync(read, path):
                await append(left)
            await run_sync(path.unlink)
    with suppress(OSError):
        await run_sync((out / WORKERS).rmdir)
