"""Refuse to mix clips with different settings in one directory."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from hdtf_async.core.exceptions import FormError
from hdtf_async.core.jsonlines import records
from hdtf_async.core.text import shown
from hdtf_async.dataset.plan import Difference
from hdtf_async.output.journal import journals, shard_of
from hdtf_async.output.locks import is_locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.options import Options
    from hdtf_async.core.shards import Shard
    from hdtf_async.dataset.plan import Plan


_END = 1 << 16
"""Bytes at the end of a journal that are searched for its newest clip."""


def refuse_other_settings(decided: Plan, options: Options, out: object) -> None:
    """Raise `FormError` if the run would leave clips with different settings in one directory."""
    if decided.outside:
        first = decided.outside[0]
        selects = bool(options.subsets or options.videos or options.only or options.limit)
        which = "outside this selection" if selects else "of another list"
        remedy = (
            "delete them, or re-encode them too: --recut without --subset, --video, --only and --limit"
            if selects
            else "or delete them"
        )
        raise FormError(
            f"{out} already contains {len(decided.outside)} clips {which} that were made with different"
            f" settings (e.g. {shown(first.stem)}: {first.words}). Use another --out, {remedy}"
        )
    if decided.different and not options.recut:
        first = decided.different[0]
        raise FormError(
            f"{out} already contains {len(decided.different)} clips made with different settings"
            f" (e.g. {shown(first.stem)}: {first.words}). Use another --out, or --recut to re-encode."
        )


def refuse_settings_of_shards(out: Path, shard: Shard, options: Options) -> None:
    """Raise `FormError` if another shard creates clips with other settings, or has created them."""
    for name, settings in _settings_of_shards(out, shard):
        difference = Difference(name, settings, options.output_settings.to_json())
        if difference.keys:
            raise FormError(
                f"{out / name} lists clips made with different settings ({difference.words}). Use another"
                " --out, or --recut for all shards to re-encode."
            )


def _settings_of_shards(out: Path, shard: Shard) -> Iterator[tuple[str, Record]]:
    """Yield the settings of the newest clip of each other shard, or of the active run there.

    They are found at the end of its journal, which may be long.
    """
    for path in journals(out):
        if shard_of(path.name) in {None, shard}:
            continue
        with suppress(OSError), path.open("rb") as journal:
            journal.seek(-min(_END, path.stat().st_size), os.SEEK_END)
            matching = [record for record, _ in records(journal) if isinstance(record.get("form"), dict)]
            counts = {"clip", "run"} if is_locked(path) else {"clip"}
            newest = [record["form"] for record in matching if record.get("type") in counts][-1:]
            yield from ((path.name, settings) for settings in newest)
