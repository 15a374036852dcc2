"""The list of installed datasets: as text, and one JSON object each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hdtf_async.core.text import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hdtf_async.dataset.datasets import Dataset

_COLUMNS = 80
_BEHIND = 10
"""Columns of the labels."""


def dataset_to_json(dataset: Dataset) -> dict[str, Any]:
    """Return a dataset as a JSON object; null is unknown, `refusal` says why its list cannot be used."""
    return {
        "name": dataset.name,
        "title": dataset.title,
        "clips": dataset.clips,
        "hours": dataset.hours,
        "licence": dataset.licence,
        "bring": dataset.bring,
        "window": dataset.rule or None,
        "refusal": dataset.refusal or None,
        "citation": dataset.citation,
    }


def datasets_summary(datasets: Sequence[Dataset], *, citations: bool = False) -> str:
    """Return a paragraph per dataset, at most 80 columns wide but for addresses and citations."""
    return "\n\n".join(_paragraph(dataset, citations=citations) for dataset in datasets)


def _paragraph(dataset: Dataset, *, citations: bool) -> str:
    rows = [("licence", dataset.licence)]
    if dataset.refusal:
        rows.append(("refused", dataset.refusal))
    else:
        rows += [("source", dataset.bring), ("window", dataset.rule)]
    lines = [f"{dataset.name}: {', '.join(filter(None, (dataset.title, size_of(dataset))))}"]
    lines += [fold(f"  {label:<{_BEHIND - 2}}{text}", _COLUMNS, _BEHIND) for label, text in rows if text]
    return "\n".join([*lines, *([dataset.citation] if citations else [])])


def size_of(dataset: Dataset) -> str:
    """Return number of clips and hours, such as ``421 clips, 16.35 h``; an empty text if unknown."""
    clips = "" if dataset.clips is None else f"{dataset.clips:,} clips"
    hours = "" if dataset.hours is None else f"{dataset.hours:,.10g} h"
    return ", ".join(filter(None, (clips, hours)))
