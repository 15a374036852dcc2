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
from hdtf_async.dataset.rows import LINE, assemble
from hdtf_async.dataset.text_files import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hdtf_async.core.model import Tables

LONGEST_LINE = 1024 * 1024
"""Maximum number of characters in a line of a list."""
LARGEST_LIST = 4 * 1024**3
"""Maximum number of characters in a list."""
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
    return assemble(reader(path, findings), file=path.name, source=Source(path.name), findings=findings)


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
                header = [cell.strip() for cell in cells]
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
    seen: set[str] = set()
    for line, text in lines(path, path.name, longest=LONGEST_LINE, largest=LARGEST_LIST):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise TableError(path.name, line, f"invalid JSON ({error})") from error
        if not isinstance(row, dict):
            raise TableError(path.name, line, f"expected a JSON object (got {quoted(text.strip())})")
        if new := [name for name in row if name not in seen]:
            seen.update(new)
            _note_similar(path.name, line, new, findings)
        yield {**row, LINE: line}


def _parquet(path: Path, findings: Findings) -> Iterator[Mapping[str, Any]]:
    try:
        from pyarrow import ArrowException  # noqa: PLC0415 - an optional dependency
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError as error:
        message = f"--clips: Parquet files require an extra: {install_extra('parquet')}"
        raise OptionsError(message) from error
    try:
        with ParquetFile(path) as file:
            _check_header(path.name, 0, list(file.schema_arrow.names), findings)
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
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
            hint = f"; did you mean {column} by {quoted(near[0])}?" if near else ""
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
