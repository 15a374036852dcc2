"""HDTF: its five tables of each subset, with corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.hdtf import CITATION
from hdtf_async.dataset import tables
from hdtf_async.dataset.datasets import Dataset

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.core.model import Corrections, Tables


class _Hdtf(Dataset):
    """HDTF is read from several tables, and its videos without clips are part of them."""

    def read(self, source: Path | None, corrections: Corrections) -> Tables:
        """Return the tables in `source` (default: the bundled ones). Raises `TableError`."""
        return tables.read(source, corrections=corrections)


HDTF = _Hdtf(
    name="hdtf",
    title="HDTF",
    bring="nothing: the tables are part of this program (https://github.com/MRzzm/HDTF)",
    licence="CC BY 4.0",
    citation=CITATION,
    clips=421,
    hours=16.35,
    rule="the box as published",
)
