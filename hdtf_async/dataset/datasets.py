"""Datasets whose lists this program reads, and how other packages add theirs.

A dataset is an object of class `Dataset` that a package names in its entry points of the group
``hdtf_async.datasets``. The user downloads the list from the authors and names its path; no list but HDTF's
own tables is shipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.install import REINSTALL
from hdtf_async.core.model import Source
from hdtf_async.core.options import HDTF
from hdtf_async.core.text import printable, shown
from hdtf_async.dataset.fields import Findings
from hdtf_async.dataset.rows import assemble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from hdtf_async.core.model import Corrections, Tables

GROUP = "hdtf_async.datasets"
"""The group of entry points."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset: where its list of clips comes from, and how it is read."""

    name: str
    """As given to ``--dataset``."""
    title: str
    """As in a paper."""
    rows: Callable[[Path, Findings], Iterable[object]] | None = None
    """Yields the rows (`ClipRow`) of the list at a path; problems of single rows are added to the findings.

    It raises `TableError` if the list cannot be read. None if the class of the dataset has its own `read`.
    """
    track: Callable[[Path, Mapping[str, Any]], object] | None = None
    """Returns the content of ``CLIP.track.json``, such as a box for each frame; None if there is none.

    It gets the path of the list and `ClipRow.extra`, and is called when the clip is created: so the boxes of
    a million clips need no memory. It raises `TableError`.
    """
    bring: str
    """What the user passes as ``--source``, and where to download it."""
    licence: str
    """Licence of the list."""
    citation: str
    """A BibTeX entry."""
    clips: int | None = None
    """Number of clips, according to its authors."""
    hours: float | None = None
    """Total duration, according to its authors."""
    rule: str = ""
    """How its authors' code makes the crop window from the box, which is done here, too."""
    refusal: str = ""
    """Why its list cannot be used; a run then ends with this reason."""

    def read(self, source: Path | None, corrections: Corrections) -> Tables:
        """Return the clips of the list. Raises `TableError` and `OptionsError`. Blocks."""
        del corrections  # only HDTF has some
        if self.refusal:
            raise OptionsError(f"--dataset {self.name}: {self.refusal}")
        if self.rows is None:
            raise NotImplementedError
        if source is None:
            raise OptionsError(f"--dataset {self.name}: requires --source PATH: {self.bring}")
        findings = Findings()
        about = Source(self.title, self.licence, self.citation)
        return assemble(
            self.rows(source, findings), file=source.name or f"{source}", source=about, findings=findings
        )


def find(name: str) -> Dataset:
    """Return the dataset of a name. Raises `OptionsError` if there is none, or it cannot be loaded."""
    entries = {each.name: each for each in entry_points(group=GROUP)}
    if name not in entries:
        near = get_close_matches(name.lower(), entries, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        if HDTF not in entries:
            hint = f"; this installation is older than the program: run {REINSTALL}"
        raise OptionsError(
            f"--dataset: expected one of {', '.join(sorted(entries))}{hint} (got {shown(name)})"
        )
    return _load(entries[name])


def installed() -> list[Dataset]:
    """Return all datasets, HDTF first, then by name; one that cannot be loaded is refused with the reason."""
    found = [_load_or_refuse(each) for each in entry_points(group=GROUP)]
    return sorted(found, key=lambda dataset: (dataset.name != HDTF, dataset.name))


def _load_or_refuse(entry: EntryPoint) -> Dataset:
    try:
        return _load(entry)
    except OptionsError as error:
        name = printable(entry.name)
        return Dataset(name=name, title=name, bring="", licence="", citation="", refusal=f"{error}")


def _load(entry: EntryPoint) -> Dataset:
    try:
        dataset = entry.load()
    except Exception as error:
        message = f"--dataset {entry.name}: cannot load {entry.value}: {type(error).__name__}: {error}"
        raise OptionsError(printable(message)) from error
    if not isinstance(dataset, Dataset):
        raise OptionsError(printable(f"--dataset {entry.name}: {entry.value} is not a Dataset"))
    return dataset
