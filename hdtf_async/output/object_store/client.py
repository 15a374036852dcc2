"""Client of an object store, through obstore: put a file, create an object, get, list, delete.

Every operation is retried with increasing delays, and then fails with a `Failure`: ``store_unreachable`` for
temporary errors, ``store_refused`` for errors that need action. Credentials come from the environment, where
obstore looks for them, and are never printed.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.exceptions import StoreError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.install import install_extra
from hdtf_async.output import atomic
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.object_store.errors import NO_BUCKET, explained, flaw_of_endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import BinaryIO

    from hdtf_async.output.location import Address

T = TypeVar("T")

LARGEST = 64 << 20
"""Maximum size in bytes of an object that is read into memory."""
_PIECE = 1 << 20
"""Bytes of a larger object that are in memory at a time."""
PART = 16 << 20
"""Size in bytes from which on a file is uploaded in parts of this size."""
PATIENCE = 120.0
"""Maximum seconds of one request: enough for a part at 140 kB per second."""
TRIES = 3
"""Number of attempts per operation; in each obstore itself repeats failed requests."""
REPEATS = 4
FIRST_WAIT = 2.0
"""Seconds before the second attempt; four times as long before the third."""
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""Environment variables with the URL of a server, by URL scheme."""
_PLAIN = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP")
"""Environment variables that allow unencrypted connections."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One object in a listing."""

    key: str
    size: int
    written: datetime
    """By the store's clock."""
    tag: str
    """The entity tag, which differs for different contents; that of S3 is usually what `tag` returns."""


class ObjectStoreClient:
    """The objects below a URL; created by `reached`."""

    def __init__(self, address: Address, store: Any) -> None:  # noqa: ANN401 - obstore is optional
        self.address = address
        self._store = store

    async def put(self, path: Path, key: str) -> None:
        """Upload a file, in parts if it is long, and verify that the store has all of it.

        A store whose entity tag is the MD5 of the content, as usual for S3, confirms it with that; others are
        asked for the size.
        """
        import obstore  # noqa: PLC0415 - an optional dependency

        size, expected = await run_sync(tag, path)
        for _ in range(TRIES):
            answer = await self._do(
                f"upload {key}",
                lambda: obstore.put_async(
                    self._store, key, path, use_multipart=size > PART, chunk_size=PART, max_concurrency=4
                ),
            )
            if (answer["e_tag"] or "").strip('"') == expected:
                return
            stored = await self._do(f"stat {key}", lambda: obstore.head_async(self._store, key))
            if stored["size"] == size:
                return
        raise Failure(Reason.STORE_UNREACHABLE, f"{key}: {stored['size']} of {size} bytes uploaded")

    async def write(self, key: str, content: bytes) -> None:
        """Upload a small object, replacing an existing one."""
        import obstore  # noqa: PLC0415

        await self._do(
            f"upload {key}", lambda: obstore.put_async(self._store, key, content, use_multipart=False)
        )

    async def create(self, key: str, content: bytes) -> bool:
        """Create an object if it does not exist; return whether the existing one is this one.

        A response may be lost, and the next attempt then finds the object of this one.
        """
        import obstore  # noqa: PLC0415
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415

        async def once() -> bool:
            try:
                await obstore.put_async(self._store, key, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            return True

        return await self._do(f"upload {key}", once) or await self.get(key, len(content)) == content

    async def get(self, key: str, most: int = LARGEST) -> bytes | None:
        """Return the content of an object; None if it does not exist or has more than `most` bytes."""

        async def once() -> bytes | None:
            answer = await self._answer(key)
            if answer is None or answer.meta["size"] > most:
                return None
            return bytes(await answer.bytes_async())

        return await self._do(f"get {key}", once)

    async def copy(self, key: str, path: Path, begin: int = 0) -> int | None:
        """Copy an object into a file at an offset, replacing what follows it there; return the object's size.

        None if there is no such object. However large it is, little of it is in memory.
        """

        async def once() -> int | None:
            answer = await self._answer(key)
            with os_errors_as_failures(path):
                file = await run_sync(_cut_off, path, begin)
            size = 0
            try:
                if answer is None:
                    return None
                async for part in answer.stream(min_chunk_size=_PIECE):
                    with os_errors_as_failures(path):
                        await run_sync(file.write, part)
                    size += len(part)
            finally:
                with anyio.CancelScope(shield=True), os_errors_as_failures(path):
                    await run_sync(file.close)
            return size

        return await self._do(f"get {key}", once)

    async def _answer(self, key: str) -> Any:  # noqa: ANN401 - as above
        """Return the store's response to a GET; None if the object does not exist."""
        import obstore  # noqa: PLC0415

        try:
            return await obstore.get_async(self._store, key)
        except FileNotFoundError as error:
            if re.search(NO_BUCKET, f"{error}"):
                raise
            return None

    async def listing(self, below: str = "") -> AsyncIterator[Listed]:
        """Yield the objects, a thousand per request, in undefined order.

        Not retried as a whole: obstore repeats a failed page.
        """
        import obstore  # noqa: PLC0415

        with self._errors_as_failures("list"):
            async for page in obstore.list(self._store, prefix=below or None, chunk_size=1000):
                for each in page:
                    tag = (each["e_tag"] or "").strip('"')
                    yield Listed(each["path"], each["size"], each["last_modified"], tag)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, if they exist."""
        import obstore  # noqa: PLC0415

        async def once() -> None:
            try:
                await obstore.delete_async(self._store, keys)
            except FileNotFoundError:
                if len(keys) > 1:
                    for key in keys:
                        await self.delete([key])

        if keys:
            await self._do(f"delete {keys[0]}", once)

    async def _do(self, what: str, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation, several times if needed. Raises `Failure`."""
        for attempt in range(1, TRIES):
            try:
                with self._errors_as_failures(what):
                    return await operation()
            except Failure as failure:
                if failure.reason is not Reason.STORE_UNREACHABLE:
                    raise
            await anyio.sleep(FIRST_WAIT * 4 ** (attempt - 1))
        with self._errors_as_failures(what):
            return await operation()

    @contextmanager
    def _errors_as_failures(self, what: str) -> Iterator[None]:
        """Turn errors of the store into failures with a short message."""
        from obstore.exceptions import BaseError  # noqa: PLC0415

        try:
            yield
        except (BaseError, OSError) as error:
            reason, message = explained(f"{error}", refused=isinstance(error, _refusals()))
            raise Failure(reason, f"{self.address}: {what}: {message}") from error


def _refusals() -> tuple[type[Exception], ...]:
    from obstore import exceptions  # noqa: PLC0415

    return (
        exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, exceptions.InvalidPathError,
        exceptions.NotSupportedError, exceptions.UnknownConfigurationKeyError, PermissionError,
    )  # fmt: skip


def reached(address: Address) -> ObjectStoreClient:
    """Return a client for a URL; nothing is requested from the store yet. Raises `StoreError`."""
    if find_spec("obstore") is None:
        raise StoreError(f"{address} requires obstore: {install_extra('store')}")
    from obstore.exceptions import BaseError  # noqa: PLC0415
    from obstore.store import from_url  # noqa: PLC0415

    for name in _ENDPOINTS.get(address.url.partition(":")[0], ()):
        flaw = flaw_of_endpoint(os.environ[name]) if os.environ.get(name) else None
        if flaw is not None:  # obstore panics
            raise StoreError(f"{address} cannot be used: {name}: {flaw}")
    try:
        if address.url.startswith("file:"):
            return ObjectStoreClient(address, from_url(address.url, mkdir=True))
        plain = any(os.environ.get(name, "").lower() in {"1", "true"} for name in _PLAIN)
        return ObjectStoreClient(
            address,
            from_url(
                address.url,
                client_options={
                    "timeout": timedelta(seconds=PATIENCE),
                    "connect_timeout": timedelta(seconds=min(10.0, PATIENCE)),
                    "allow_http": plain,
                },
                retry_config={
                    "max_retries": REPEATS,
                    "retry_timeout": timedelta(seconds=2 * PATIENCE),
                    "backoff": {
                        "init_backoff": timedelta(seconds=FIRST_WAIT / 4),
                        "max_backoff": timedelta(seconds=4 * FIRST_WAIT),
                        "base": 2,
                    },
                },
            ),
        )
    except (BaseError, OSError, ValueError) as error:
        message = Failure(*explained(f"{error}")).words
        raise StoreError(f"{address} cannot be used: {message}") from None


def _cut_off(path: Path, size: int) -> BinaryIO:
    """Open a file for writing after its first `size` bytes."""
    file = os.fdopen(atomic.opened(path, os.O_WRONLY | os.O_CREAT), "wb")
    file.truncate(size)
    file.seek(size)
    return file


def tag(path: Path) -> tuple[int, str]:
    """Return a file's size, and the entity tag that S3 gives to such an object."""
    parts, size = [], 0
    with path.open("rb") as file:
        while part := file.read(PART):
            size += len(part)
            parts.append(hashlib.md5(part, usedforsecurity=False).digest())
    if size <= PART:
        return size, (parts[0] if parts else hashlib.md5(usedforsecurity=False).digest()).hex()
    return size, f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"
