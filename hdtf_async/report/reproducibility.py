"""``methods.md`` and ``clips.lock.json`` of a directory, and its comparison with a reproduction file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from hdtf_async.core import reproduction_file
from hdtf_async.core.jsonlines import line
from hdtf_async.core.reproduction_format import COMPARISON, METHODS, REPRODUCTION_FILE
from hdtf_async.output import atomic, directory
from hdtf_async.report import page
from hdtf_async.report.reproduction_file import compared, methods_of, reproduction_file_of

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.reproduction_file import ReproductionFile
    from hdtf_async.output.journal import JournalIndex
    from hdtf_async.report.reproduction_file import Reproduced


async def write(out: Path) -> list[Path]:
    """Write both files of a directory and return their paths.

    Raises `StoreError` if it has no journal, and `Failure`: ``disk_full``, ``not_writable``.
    """
    return await run_sync(_write, out)


def _write(out: Path) -> list[Path]:
    found, index = page.find(out), directory.read_known(out)
    contents = {
        METHODS: [methods_of(found).encode("utf-8", "backslashreplace")],
        REPRODUCTION_FILE: reproduction_file_of(found, index.settings, sizes(index)),
    }
    for name, parts in contents.items():
        with atomic.os_errors_as_failures(out / name):
            atomic.replace(out / name, parts)
    return [out / name for name in contents]


async def compare(given: ReproductionFile, index: JournalIndex) -> Reproduced:
    """Compare the clips of a directory with a reproduction file, and write `COMPARISON`.

    Raises `ReproductionFileError` if the file has changed since, and `Failure` with ``disk_full`` or
    ``not_writable``.
    """
    return await run_sync(_compare, given, index)


def _compare(given: ReproductionFile, index: JournalIndex) -> Reproduced:
    listed = reproduction_file.read(given.path).clips
    result = compared(listed, index.existing_clips(), index.failures, sizes(index))
    path = index.out / COMPARISON
    with atomic.os_errors_as_failures(path):
        atomic.replace(path, map(line, result.to_lines()))
    return result


def sizes(index: JournalIndex) -> dict[str, int]:
    """Return the bytes of the newest source video of each YouTube id; of a partial one those of the whole."""
    return {
        youtube_id: size
        for youtube_id, records in index.source_videos.items()
        for record in records
        if (size := _size(record)) is not None
    }


def _size(record: Record) -> int | None:
    match record:
        case {"type": "raw", "bytes": int(size)} | {
            "type": "section", "kind": "raw", "of": {"bytes": int(size)}
        }:  # fmt: skip
            return size
    return None
