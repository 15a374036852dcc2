"""What several readers of datasets share: names of clips, boxes, and the files of a directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdtf_async.core import os_errors
from hdtf_async.core.exceptions import TableError
from hdtf_async.core.model import Finding, Severity
from hdtf_async.dataset.fields import is_safe_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hdtf_async.dataset.clip_row import ClipRow
    from hdtf_async.dataset.fields import Findings

EDGES = ("left", "top", "right", "bottom")


def part(entry: object, key: str) -> Mapping[str, Any]:
    """Return a JSON object in an entry; an empty one if the entry has none, or something else, there."""
    found = entry.get(key) if isinstance(entry, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def without(entry: object, *keys: str) -> dict[str, Any]:
    """Return the members of an entry that a reader does not interpret."""
    found = entry if isinstance(entry, Mapping) else {}
    return {f"{key}": value for key, value in found.items() if key not in keys}


def clip_name(text: object) -> str | None:
    """Return the authors' name of a clip as a file name, or None if there is none.

    Names that begin with a hyphen or an underscore, as some YouTube ids do, get the prefix ``id``.
    """
    named = (f"{prefix}{text}" for prefix in ("", "id"))
    return next(filter(is_safe_name, named), None) if isinstance(text, str) else None


def widened(box: Mapping[str, Any], margin: float) -> dict[str, Any]:
    """Return the edges of a normalised box with a fraction of the frame more on each side, within the frame.

    An edge that is no number is returned as it is, so that the row becomes a finding.
    """
    edges = {edge: box.get(edge, "nothing") for edge in EDGES}
    for edge, value in edges.items():
        if isinstance(value, int | float) and 0 <= value <= 1:
            further = value - margin if edge in {"left", "top"} else value + margin
            edges[edge] = round(min(max(further, 0.0), 1.0), 6)
    return edges


def one_per_file(
    source: Path, expected: str, read: Callable[[Path, str, int], ClipRow], findings: Findings
) -> Iterator[ClipRow]:
    """Yield the row of each ``.txt`` file in a directory and below, in the order of their names.

    `read` gets the path, the name relative to `source` and the number of the file. A file for which it raises
    `TableError` becomes a finding, whose line is this number. Raises `TableError` if `source` contains no
    file, with what is `expected`.
    """
    for number, (path, name) in enumerate(_files(source, expected, findings), start=1):
        try:
            yield read(path, name, number)
        except TableError as error:
            # One table in all findings: a million wrong files have no more findings than a hundred.
            message = f"{error}; file skipped."
            findings.append(Finding(source.name, number, Severity.ERROR, "bad_file", message))


def _files(source: Path, expected: str, findings: Findings) -> Iterator[tuple[Path, str]]:
    """Yield paths and relative names; a directory that cannot be read becomes a finding."""
    if not source.is_dir():
        raise TableError(source.name, 0, f"not a directory; expected {expected}")

    def skip(error: OSError) -> None:
        name = Path(error.filename).relative_to(source).as_posix()
        message = f"cannot read {name} ({os_errors.message_of(error)}); its clips are skipped."
        findings.append(Finding(source.name, 0, Severity.ERROR, "unreadable", message))

    found = False
    for directory, folders, names in os.walk(source, onerror=skip):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".txt"):
                found = True
                path = Path(directory, name)
                yield path, path.relative_to(source).as_posix()
    if not found:
        raise TableError(source.name, 0, f"no .txt file in it; expected {expected}")
