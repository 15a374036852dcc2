"""Exported shards load with `webdataset`, and exported tables with pyarrow and pandas."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from shared import QUICK, lines

import hdtf_async
from hdtf_async.commands.export import export

if TYPE_CHECKING:
    from pathlib import Path

    from shared import Finished

pytestmark = pytest.mark.datasets


# It leaves an open shard to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_shards_load_with_webdataset(finished: Finished, tmp_path: Path) -> None:
    """One sample per clip, with its bytes and its metadata."""
    import webdataset  # noqa: PLC0415 - not installed for the other tests

    done = anyio.run(export, finished.out, tmp_path, "webdataset", finished.options)
    assert done.new == sum(number > 0 for number in done.sides.values())
    shards = sorted(map(str, tmp_path.glob("*.tar")))
    samples = {
        sample["__key__"]: sample for sample in webdataset.WebDataset(shards, shardshuffle=False).decode()
    }
    metadata = {
        line["file_name"].removesuffix(".mp4"): line for line in lines(finished.out / "metadata.jsonl")
    }
    assert samples.keys() == metadata.keys()
    for stem, sample in samples.items():
        assert sample["mp4"] == (finished.out / f"{stem}.mp4").read_bytes()
        side = sample["json"].pop("split")
        assert sample["__url__"].rpartition("/")[2].startswith(f"{side}-")
        assert sample["json"] == metadata[stem]


def test_tables_load_with_pyarrow(finished: Finished, tmp_path: Path) -> None:
    """With the values of metadata.jsonl, and the split of each clip; a second export changes nothing."""
    from pyarrow import csv, parquet  # noqa: PLC0415

    done = anyio.run(export, finished.out, tmp_path, "tables", finished.options)
    assert done.new == 2
    rows = parquet.read_table(tmp_path / "metadata.parquet").to_pylist()
    metadata = lines(finished.out / "metadata.jsonl")
    for row, line in zip(rows, metadata, strict=True):
        assert row.pop("split") in {"train", "val", "test"}
        assert {name: row[name] for name in line} == line
        assert all(row[name] is None for name in row.keys() - line.keys())
    table = csv.read_csv(tmp_path / "metadata.csv")
    assert table["file_name"].to_pylist() == [line["file_name"] for line in metadata]
    assert anyio.run(export, finished.out, tmp_path, "tables", finished.options).new == 0


def test_tables_load_with_pandas(finished: Finished, tmp_path: Path) -> None:
    """The exported ones, and metadata.jsonl itself, with the measured facts."""
    import pandas as pd  # noqa: PLC0415

    anyio.run(export, finished.out, tmp_path, "tables", finished.options)
    metadata = lines(finished.out / "metadata.jsonl")
    for frame in (
        pd.read_parquet(tmp_path / "metadata.parquet"),
        pd.read_csv(tmp_path / "metadata.csv"),
        pd.read_json(finished.out / "metadata.jsonl", lines=True),
    ):
        assert frame["file_name"].tolist() == [line["file_name"] for line in metadata]
        assert frame["sha256"].tolist() == [line["sha256"] for line in metadata]
        assert frame["brightness"].tolist() == [line["brightness"] for line in metadata]
    parquet = pd.read_parquet(tmp_path / "metadata.parquet")
    assert [list(row) for row in parquet["letterbox"]] == [line["letterbox"] for line in metadata]


# It leaves an open shard to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_shards_have_the_audio_of_each_clip(finished: Finished, tmp_path: Path) -> None:
    """With its size and checksum in the JSON, by which a reader can verify a sample."""
    import webdataset  # noqa: PLC0415

    out, shards = tmp_path / "clips", tmp_path / "shards"
    options = replace(
        finished.options,
        raw_dirs=finished.out / "_videos_raw",
        audio="wav",
        only=["WDA_Speaker1_000"],
        **QUICK,
    )
    report = anyio.run(hdtf_async.download, out, options)
    if report.failed:
        pytest.fail(f"{report.failed}")
    anyio.run(export, out, shards, "webdataset", options)
    (sample,) = webdataset.WebDataset([str(path) for path in shards.glob("*.tar")], shardshuffle=False)
    about = json.loads(sample["json"])
    for kind, prefix in (("mp4", ""), ("wav", "wav_")):
        assert len(sample[kind]) == about[f"{prefix}bytes"]
        assert hashlib.sha256(sample[kind]).hexdigest() == about[f"{prefix}sha256"]
    assert about["loudness"] < 0
    assert 0 <= about["silence_share"] <= 1


def test_columns_without_a_common_type_are_json(tmp_path: Path) -> None:
    """A list of clips may have anything in further columns."""
    from pyarrow import parquet  # noqa: PLC0415

    from hdtf_async.commands import export_tables  # noqa: PLC0415
    from hdtf_async.core.clip_record import ClipRecord  # noqa: PLC0415

    clips = {
        "a": ClipRecord({"extra": {"id": 1}, "fps": 25}),
        "b": ClipRecord({"extra": {"id": "x"}, "fps": "y"}),
    }
    item = export_tables.items(clips, {"train": ["a", "b"]})["metadata.parquet"]
    assert item.write is not None
    item.write(tmp_path, tmp_path / "metadata.parquet")
    assert parquet.read_table(tmp_path / "metadata.parquet").to_pylist() == [
        {"extra": '{"id": 1}', "fps": "25", "split": "train"},
        {"extra": '{"id": "x"}', "fps": '"y"', "split": "train"},
    ]
