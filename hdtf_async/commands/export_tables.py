"""The metadata of all clips as tables: CSV and Parquet, one row per clip, with its split."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hdtf_async.core.jsonlines import line
from hdtf_async.core.recipes import How, Item
from hdtf_async.core.steps import steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hdtf_async.core.clip_record import ClipRecord

CSV, PARQUET = "metadata.csv", "metadata.parquet"
_AS_TEXT = frozenset({"extra"})
"""Columns whose values have no common type: JSON text in each format."""


def items(clips: Mapping[str, ClipRecord], stems: Mapping[str, Sequence[str]]) -> dict[str, Item]:
    """Return the tables by their names; Parquet only if the extra ``parquet`` is installed."""
    side_of = {stem: side for side, several in stems.items() for stem in several}
    rows = [{**clips[stem].to_json(), "split": side_of.get(stem)} for stem in steps(sorted(clips))]
    table = _Table(tuple(rows))
    digest = table.digest
    found = {CSV: Item(How.TABLE, "", digest, write=table.write_csv)}
    if (version := _pyarrow_version()) is not None:
        found[PARQUET] = Item(How.TABLE, "", f"{digest} pyarrow {version}", write=table.write_parquet)
    return found


def _pyarrow_version() -> str | None:
    try:
        from pyarrow import __version__  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return f"{__version__}"


@dataclass(frozen=True, slots=True)
class _Table:
    rows: tuple[dict[str, Any], ...]

    @property
    def digest(self) -> str:
        """Identifies the content."""
        found = hashlib.sha256()
        for row in steps(self.rows):
            found.update(line(row))
        return found.hexdigest()

    @property
    def columns(self) -> list[str]:
        """All columns, in the order of their first use."""
        return list(dict.fromkeys(name for row in steps(self.rows) for name in row))

    def write_csv(self, _out: Path, to: Path) -> None:
        """Write the table as CSV: lists and objects are JSON, empty cells are unknown."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in steps(self.rows))
        to.write_bytes(text.getvalue().encode("utf-8", "backslashreplace"))

    def write_parquet(self, _out: Path, to: Path) -> None:
        """Write the table as Parquet, with lists and structures."""
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415 - an extra

        def column(name: str) -> Any:  # noqa: ANN401 - pyarrow has no types
            values = [row.get(name) for row in steps(self.rows)]
            if name not in _AS_TEXT:
                try:
                    return pa.array(values)
                except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):  # a journal of another user
                    pass
            return pa.array([None if value is None else json.dumps(value) for value in values], pa.string())

        parquet.write_table(pa.table({name: column(name) for name in self.columns}), to)


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
