"""The value of ``--out``: a directory, or the URL of an object store.

Each of the two is loaded when it is opened: the command line reads its arguments without them.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hdtf_async.core.exceptions import OptionsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from os import PathLike

    from hdtf_async.core.model import Tables
    from hdtf_async.core.options import Options
    from hdtf_async.core.shards import Merged
    from hdtf_async.output.directory import OutputDirectory

SCHEMES = ("s3", "gs", "az", "file")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class Address:
    """URL below which an object store keeps the output of a run. Raises `OptionsError` if invalid."""

    url: str

    def __post_init__(self) -> None:
        """Reject invalid URLs, without repeating what may be a password."""
        scheme = _SCHEME.match(self.url)
        if scheme is None or scheme[1] not in SCHEMES:
            valid = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise OptionsError(
                f"--out: expected a directory, or a URL with {valid} (got {scheme[1] if scheme else ''}://)"
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
    """Whether a string is the URL of an object store, and not a directory."""
    return _SCHEME.match(text) is not None


def parse_location(out: str | PathLike[str] | Address) -> Path | Address:
    """Return a directory, or the URL of an object store. Raises `OptionsError`.

    The path is absolute: the host program may change its working directory during a run.
    """
    if isinstance(out, Address):
        return out
    if isinstance(out, str) and is_address(out):
        return Address(out)
    try:
        return Path(out).absolute()
    except OSError as error:
        raise OptionsError(
            f"--out: {out} is relative, and there is no working directory: {error.strerror}"
        ) from None


def local_directory(out: str | PathLike[str]) -> Path:
    """Return the path of a directory. Raises `OptionsError` for the URL of an object store."""
    place = parse_location(out)
    if not isinstance(place, Path):
        raise OptionsError(
            "--out: expected a directory, as this command does not read object stores: copy the files it"
            " needs first, for example with `rclone copy` or `aws s3 sync` (docs/scale.md)"
        )
    return place


def options_for(out: Path | Address, options: Options) -> Options:
    """Return the options for the lanes: scratch keeps no source videos, and no clips for a report."""
    return options if isinstance(out, Path) else replace(options, keep_raw=False, no_report=True)


@asynccontextmanager
async def open_location(
    out: Path | Address, options: Options, tables: Tables
) -> AsyncIterator[OutputDirectory]:
    """Open a directory, or an object store, for a run with these options; see `open_directory`.

    Raises `StoreError`, `BusyError`, and `AwayError` if a store does not respond.
    """
    if isinstance(out, Path):
        from hdtf_async.output.directory import open_directory  # noqa: PLC0415

        async with open_directory(out, options.shard, tables) as directory:
            yield directory
        return
    from hdtf_async.output.object_store.directory import open_store  # noqa: PLC0415

    async with open_store(out, options, tables) as store:
        yield store


async def merge_shards(out: Path | Address) -> Merged:
    """Write the manifests from the journals of all shards, which may be active meanwhile.

    Raises `StoreError`, and `Failure`.
    """
    if isinstance(out, Path):
        from hdtf_async.output.directory import merge_journals  # noqa: PLC0415

        return await merge_journals(out)
    from hdtf_async.output.object_store.directory import merge_in_store  # noqa: PLC0415

    return await merge_in_store(out)
