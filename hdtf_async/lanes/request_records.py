"""What a run records about its request, before the first video: split, list, clips that cannot be created.

Each is recorded only if it differs from the newest record, so that a run with nothing to do adds nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from hdtf_async.dataset import plan
from hdtf_async.output.manifests import failure_record, refused_record

if TYPE_CHECKING:
    from hdtf_async.core.model import Finding, Tables
    from hdtf_async.core.options import Options
    from hdtf_async.output.directory import OutputDirectory


async def append(
    read: Tables,
    decided: plan.Plan,
    refused: tuple[Finding, ...],
    options: Options,
    directory: OutputDirectory,
) -> None:
    """Record the request of a run; `refused` are its skipped rows. Raises `Failure`."""
    await _record_split(read, options, directory)
    await _record_list(options, directory)
    await _record_impossible(decided, directory)
    await _record_refused(refused, options, directory)


async def _record_split(read: Tables, options: Options, directory: OutputDirectory) -> None:
    """Record how the clips are split, if requested, or if it was before and the tables have more rows now."""
    before = directory.known.split
    wanted = options.divided or before
    if wanted is not None:
        same = {} if before is None else before.same
        split = replace(wanted, same=same)
        if read.source is None:  # the names of HDTF's videos contain the speaker
            split = await run_sync(split.knowing, read.videos)
        if split != before:
            await directory.append({"type": "split", **split.to_json()})


async def _record_list(options: Options, directory: OutputDirectory) -> None:
    """Record the list of ``--only``, unless the newest record is the same: the report compares it."""
    title, names = ("", []) if options.only is None else (options.only.title, sorted(options.only.sides))
    before = directory.known.only
    if (before.get("title", ""), before.get("names", [])) != (title, names):
        await directory.append({"type": "only", "title": title, "names": names})


async def _record_impossible(decided: plan.Plan, directory: OutputDirectory) -> None:
    """Record the clips that fail before any download."""
    known = directory.known.failures
    for clip, failure in decided.impossible:
        if known.get(clip.stem, {}).get("reason") != failure.reason:
            await directory.append(failure_record(clip, failure))


async def _record_refused(rows: tuple[Finding, ...], options: Options, directory: OutputDirectory) -> None:
    """Record the skipped rows of the tables, unless the newest record is the same."""
    before = directory.known.refused
    kept = [row for row in before if row.get("subset") not in {"", *plan.wanted_subsets(options)}]
    record = refused_record(rows, kept)
    if record["rows"] != before:
        await directory.append(record)
