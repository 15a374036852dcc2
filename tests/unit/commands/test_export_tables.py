"""The metadata of all clips as CSV."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from hdtf_async.commands import export_tables
from hdtf_async.core.clip_record import ClipRecord

if TYPE_CHECKING:
    from pathlib import Path

ROWS: dict[str, dict[str, Any]] = {
    "RD_A_000": {"file_name": "RD_A_000.mp4", "box": [1, 2, 3, 4], "fps": 25, "versions": {"ffmpeg": "8,1"}},
    "RD_B_000": {"file_name": "RD_B_000.mp4", "box": None, "fps": 29.97, "extra": {"id": 1}},
    "RD_C_000": {"file_name": 'RD_"C"_000.mp4', "fps": None, "extra": {"id": "one"}},
}
CLIPS = {stem: ClipRecord(columns) for stem, columns in ROWS.items()}


def test_a_row_has_all_columns_and_the_split(tmp_path: Path) -> None:
    """Lists and objects are JSON; unknown values are empty, and the order is that of the names."""
    item = export_tables.items(CLIPS, {"train": ["RD_C_000", "RD_A_000"], "val": []})["metadata.csv"]
    assert item.write is not None
    item.write(tmp_path, tmp_path / "metadata.csv")
    with (tmp_path / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file_name", "box", "fps", "versions", "split", "extra"]
    assert [row["file_name"] for row in rows] == [columns["file_name"] for columns in ROWS.values()]
    assert [row["split"] for row in rows] == ["train", "", "train"]
    assert json.loads(rows[0]["box"]) == [1, 2, 3, 4]
    assert json.loads(rows[0]["versions"]) == {"ffmpeg": "8,1"}
    assert (rows[1]["fps"], rows[2]["fps"]) == ("29.97", "")


def test_a_table_is_only_written_again_if_it_changes() -> None:
    """Its identity is that of all rows and of their splits."""
    stems = {"train": ["RD_A_000"], "val": ["RD_B_000", "RD_C_000"]}
    digests = {
        export_tables.items(clips, of)["metadata.csv"].sha256
        for clips in (CLIPS, dict(reversed(CLIPS.items())), CLIPS | {"RD_A_000": CLIPS["RD_B_000"]})
        for of in (stems, {"train": [], "val": [*CLIPS]})
    }
    assert len(digests) == 4
