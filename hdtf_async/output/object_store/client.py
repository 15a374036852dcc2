"""An object store, as far as it is needed: put a file, create an object, get, list, delete; through obstore.

Every deed is tried several times, with waits that grow, and ends then as a `Failure`: ``store_unreachable``
for what may pass, ``store_refused`` for what waits for a person. Keys and passwords come from the
environment, where obstore looks for them, and nothing of them is ever said.
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
from urllib.parse import urlsplit

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.exceptions import OptionsError, StoreError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.output import atomic
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.object_store.errors import NO_BUCKET, explained, flaw_of_endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import BinaryIO

T = TypeVar("T")

SCHEMES = ("s3", "gs", "az", "file")
LARGEST = 64 << 20
"""Bytes of the largest object that is read into memory."""
_PIECE = 1 << 20
"""Bytes of a larger one that are in memory at a time."""
PART = 16 << 20
"""Bytes from which on a file is put in parts of so many."""
PATIENCE = 120.0
"""Seconds that one request may take: a part comes through at 140 kB a second."""
TRIES = 3
"""How often a deed is tried; each time obstore itself repeats a request that was not answered well."""
REPEATS = 4
FIRST_WAIT = 2.0
"""Seconds before the second try; four times as long before the third."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""Variables with the address of a server, by the scheme of what it keeps."""
_PLAIN = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP")
"""Variables that allow a connection without encryption."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object store keeps what a run makes. Raises `OptionsError` for one that is none."""

    url: str

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, without repeating what may be a password."""
        scheme = _SCHEME.match(self.url)
        if scheme is None or scheme[1] not in SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise OptionsError(
                f"--out: expected a directory, or a URL with {known} (got {scheme[1] if scheme else ''}://)"
            )
        try:
            parts = urlsplit(self.url)
        except ValueError:
            raise OptionsError("--out: invalid URL") from None
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise OptionsError(
                "--out: expected a bucket URL without credentials, '?' and '#';"
                " pass credentials in the environment (docs/scale.md)"
            )
        if parts.scheme == "file" and (parts.netloc or not parts.path.strip("/")):
            raise OptionsError("--out file://: expected an absolute path, such as file:///data/clips")
        if parts.scheme != "file" and not parts.netloc:
            raise OptionsError(f"--out: expected {parts.scheme}://bucket/prefix")
        if not {".", ".."}.isdisjoint(parts.path.split("/")):
            raise OptionsError("--out: expected a URL without . and ..")

    def __str__(self) -> str:
        return self.url.rstrip("/")


def is_address(text: str) -> bool:
    """Whether a text is meant as the address of an object store, and not as a directory."""
    return _SCHEME.match(text) is not None


@dataclass(frozen=True, slots=True)
class Listed:
    """One object, as a listing tells of it."""

    key: str
    size: int
    written: datetime
    """By the store's own clock."""
    tag: str
    """The entity tag, which tells contents apart; that of S3 is mostly the one that `tag` returns."""


class ObjectStoreClient:
    """The objects below an address. Made by `reached`."""

    def __init__(self, address: Address, store: Any) -> None:  # noqa: ANN401 - obstore is loaded when needed
        self.address = address
        self._store = store

    async def put(self, path: Path, key: str) -> None:
        """Put a file, in parts where it is long, and make sure that the store has all of it.

        A store whose entity tag is the content's MD5, as that of S3 mostly is, has said so by that; others
        are asked for the size.
        """
        import obstore  # noqa: PLC0415 - an extra, which only whoever asks for it needs

        size, wanted = await run_sync(tag, path)
        for _ in range(TRIES):
            answer = await self._do(
                f"put {key}",
                lambda: obstore.put_async(
                    self._store, key, path, use_multipart=size > PART, chunk_size=PART, max_concurrency=4
                ),
            )
            if (answer["e_tag"] or "").strip('"') == wanted:
                return
            there = await self._do(f"look at {key}", lambda: obstore.head_async(self._store, key))
            if there["size"] == size:
                return
        raise Failure(Reason.STORE_UNREACHABLE, f"{key}: {there['size']} of {size} bytes uploaded")

    async def write(self, key: str, content: bytes) -> None:
        """Put a small object, in place of another one."""
        import obstore  # noqa: PLC0415

        await self._do(
            f"put {key}", lambda: obstore.put_async(self._store, key, content, use_multipart=False)
        )

    async def create(self, key: str, content: bytes) -> bool:
        """Put an object where there is none; say whether this is the one that is there now.

        An answer may be lost on the way, and the next try then finds what this one has put.
        """
        import obstore  # noqa: PLC0415
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415

        async def once() -> bool:
            try:
                await obstore.put_async(self._store, key, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            return True

        return await self._do(f"put {key}", once) or await self.get(key, len(content)) == content

    async def get(self, key: str, most: int = LARGEST) -> bytes | None:
        """Return the content of an object; None where there is none, or one of more than so many bytes."""

        async def once() -> bytes | None:
            answer = await self._answer(key)
            if answer is None or answer.meta["size"] > most:
                return None
            return bytes(await answer.bytes_async())

        return await self._do(f"get {key}", once)

    async def copy(self, key: str, path: Path, begin: int = 0) -> int | None:
        """Copy an object into a file, in place of what is behind an offset there; return its bytes.

        None where there is no such object. However large it is, little of it is in memory.
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
        """Return what the store answers to who asks for an object; None where there is none."""
        import obstore  # noqa: PLC0415

        try:
            return await obstore.get_async(self._store, key)
        except FileNotFoundError as error:
            if re.search(NO_BUCKET, f"{error}"):
                raise
            return None

    async def listing(self, below: str = "") -> AsyncIterator[Listed]:
        """Yield what there is, a thousand objects a request, in no order that is relied upon.

        Not tried again as a whole: a page that fails is repeated by obstore.
        """
        import obstore  # noqa: PLC0415

        with self._said("list"):
            async for page in obstore.list(self._store, prefix=below or None, chunk_size=1000):
                for each in page:
                    tag = (each["e_tag"] or "").strip('"')
                    yield Listed(each["path"], each["size"], each["last_modified"], tag)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, those that are there."""
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

    async def _do(self, what: str, deed: Callable[[], Awaitable[T]]) -> T:
        """Do something, several times if need be. Raises `Failure`."""
        for attempt in range(1, TRIES):
            try:
                with self._said(what):
                    return await deed()
            except Failure as failure:
                if failure.reason is not Reason.STORE_UNREACHABLE:
                    raise
            await anyio.sleep(FIRST_WAIT * 4 ** (attempt - 1))
        with self._said(what):
            return await deed()

    @contextmanager
    def _said(self, what: str) -> Iterator[None]:
        """Say of the store's errors what they mean, in a few of their words."""
        from obstore.exceptions import BaseError  # noqa: PLC0415

        try:
            yield
        except (BaseError, OSError) as error:
            reason, words = explained(f"{error}", refused=isinstance(error, _refusals()))
            raise Failure(reason, f"{self.address}: {what}: {words}") from error


def _refusals() -> tuple[type[Exception], ...]:
    from obstore import exceptions  # noqa: PLC0415

    return (
        exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, exceptions.InvalidPathError,
        exceptions.NotSupportedError, exceptions.UnknownConfigurationKeyError, PermissionError,
    )  # fmt: skip


def reached(address: Address) -> ObjectStoreClient:
    """Return what is below an address; nothing is asked of the store yet. Raises `StoreError`."""
    if find_spec("obstore") is None:
        raise StoreError(f"{address} requires obstore: pip install 'hdtf-async[store]'")
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
        words = Failure(*explained(f"{error}")).words
        raise StoreError(f"{address} cannot be used: {words}") from None


def _cut_off(path: Path, size: int) -> BinaryIO:
    """Open a file to write behind so many bytes of it."""
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
