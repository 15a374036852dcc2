"""Read a list of clips from a file: CSV, JSON lines or Parquet, with the columns of `ClipRow`."""

from __future__ import annotations

import csv
import json
from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from hdtf_async.core.exceptions import OptionsError, TableError
from hdtf_async.core.install import install_extra
from hdtf_async.core.model import Finding, Severity, Source
from hdtf_async.core.text import quoted
from hdtf_async.dataset.clip_row import COLUMNS, REQUIRED
from hdtf_async.dataset.fields import Findings
from hdtf_async.dataset.row_values import LINE
from hdtf_async.dataset.rows import assemble
from hdtf_async.dataset.text_files import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hdtf_async.core.model import Tables

LONGEST_LINE = 1024 * 1024
"""Maximum number of characters in a line of a list."""
LARGEST_LIST = 4 * 1024**3
"""Maximum number of characters in a list."""
_LONGEST_INTEGER = 30
"""Digits of an integer in JSON; Python itself refuses to convert some thousands."""
_BATCH = 1000
"""Rows of a Parquet file that are in memory at a time."""


def read(path: Path) -> Tables:
    """Return the clips of a file, whose format follows from its extension.

    Raises `TableError` if it cannot be read, a line is no row, or a required column is missing, and
    `OptionsError` for an unknown extension. Blocks.
    """
    formats: dict[str, Callable[[Path, Findings], Iterator[Mapping[str, Any]]]] = {
        ".csv": _csv, ".tsv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines, ".parquet": _parquet,
    }  # fmt: skip
    reader = formats.get(path.suffix.lower())
    if reader is None:
        message = f"--clips: expected a file named *{', *'.join(formats)} (got {quoted(path.name)})"
        raise OptionsError(message)
    findings = Findings()
    rows = _one_at_least(reader(path, findings), path.name)
    return assemble(rows, file=path.name, source=Source(path.name), findings=findings)


def _one_at_least(rows: Iterator[Mapping[str, Any]], file: str) -> Iterator[Mapping[str, Any]]:
    number = 0
    for number, row in enumerate(rows, start=1):  # noqa: B007 - used behind the loop
        yield row
    if not number:
        raise TableError(file, 0, "contains no clips; check the file")


def _csv(path: Path, findings: Findings) -> Iterator[Mapping[str, Any]]:
    texts = (text for _, text in lines(path, path.name, longest=LONGEST_LINE, largest=LARGEST_LIST))
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if not any(cells):
                pass
            elif header is None:
                header = [_column(cell) for cell in cells]
                _check_header(path.name, line, header, findings)
            elif len(cells) != len(header):
                message = f"{len(cells)} cells, but the header has {len(header)} columns"
                raise TableError(path.name, line, message)
            else:
                yield {**dict(zip(header, cells, strict=True)), LINE: line}
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(path.name, line, f"invalid CSV ({error}); check the quotes") from error
    if header is None:
        raise TableError(path.name, 0, f"empty; expected a header with {', '.join(REQUIRED)}")


def _json_lines(path: Path, findings: Findings) -> Iterator[Mapping[str, Any]]:
    names: dict[str, str] = {}
    for line, text in lines(path, path.name, longest=LONGEST_LINE, largest=LARGEST_LIST):
        if not text.strip():
            continue
        try:
            row = json.loads(text, parse_int=_integer, object_pairs_hook=_object)
        except _TwiceError as error:
            raise TableError(path.name, line, f"the object contains {quoted(error.key)} twice") from None
        except (ValueError, RecursionError) as error:
            raise TableError(path.name, line, f"invalid JSON ({error})") from error
        if not isinstance(row, dict):
            raise TableError(path.name, line, f"expected a JSON object (got {quoted(text.strip())})")
        if new := [name for name in row if name not in names]:
            names |= {name: _column(name) for name in new}
            _note_similar(path.name, line, [names[name] for name in new], findings)
        values = {names[name]: value for name, value in row.items()}
        if len(values) < len(row):
            twice, _ = Counter(names[name] for name in row).most_common(1)[0]
            raise TableError(path.name, line, f"the object contains {quoted(twice)} twice")
        yield {**values, LINE: line}


class _TwiceError(ValueError):
    """A key occurs twice in an object."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; the parser itself would drop all but the last value of a key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return found


def _integer(text: str) -> int | str:
    """Return an integer, or the text of one that is too long for any column."""
    return int(text) if len(text) <= _LONGEST_INTEGER else text


def _column(name: str) -> str:
    """Return the name of a column; for those of `ClipRow` case does not count."""
    name = name.strip()
    return name.lower() if name.lower() in COLUMNS else name


def _parquet(path: Path, findings: Findings) -> Iterator[Mapping[str, Any]]:
    try:
        from pyarrow import ArrowException  # noqa: PLC0415 - an optional dependency
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError as error:
        message = f"--clips: Parquet files require an extra: {install_extra('parquet')}"
        raise OptionsError(message) from error
    try:
        with ParquetFile(path) as file:
            header = [_column(name) for name in file.schema_arrow.names]
            _check_header(path.name, 0, header, findings)
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.rename_columns(header).to_pylist():
                    number += 1
                    yield {**row, LINE: number}
    except (ArrowException, OSError) as error:
        raise TableError(path.name, 0, f"cannot read ({error}); check the file") from error


def _check_header(file: str, line: int, header: Sequence[str], findings: Findings) -> None:
    """Raise `TableError` for a header without a required column, or with one twice."""
    twice = [name for name, number in Counter(header).items() if number > 1]
    if twice:
        raise TableError(file, line, f"the header contains {quoted(twice[0])} twice")
    if len(header) == 1 and any(each in header[0] for each in ";\t|"):
        raise TableError(file, line, f"the header is {quoted(header[0])}; separate columns by commas")
    for column in REQUIRED:
        if column not in header:
            near = get_close_matches(column, header, n=1)
            hint = f"; rename {quoted(near[0])} to {column}?" if near else ""
            message = f"the header has no column {column}; required are {', '.join(REQUIRED)}{hint}"
            raise TableError(file, line, message)
    _note_similar(file, line, header, findings)


def _note_similar(file: str, line: int, header: Sequence[str], findings: Findings) -> None:
    """Report columns that are recorded as they are, but whose names resemble one that is interpreted."""
    for name in header:
        near = get_close_matches(name.lower(), COLUMNS, n=1, cutoff=0.8)
        if near and name not in COLUMNS:
            message = f"column {quoted(name)} is only recorded; did you mean {near[0]}?"
            findings.append(Finding(file, line, Severity.NOTE, "similar_column", message))
