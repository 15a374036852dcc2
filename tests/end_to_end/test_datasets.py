"""The directory loads with Hugging Face `datasets`, by each call that the README documents."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import av
import pytest
from shared import CLIPS, lines

import hdtf_async

if TYPE_CHECKING:
    from pathlib import Path

    from shared import Finished

pytestmark = pytest.mark.datasets


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return `load_dataset`, with a temporary cache and without a network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    import datasets  # noqa: PLC0415 - not installed for the other tests

    def load(*arguments: str, **options: object) -> Any:
        return datasets.load_dataset(*arguments, split="train", cache_dir=str(tmp_path / "cache"), **options)

    return load


@pytest.fixture
def divided(finished: Finished, tmp_path: Path) -> Path:
    """Return the demo's directory with split lists and an audio file per clip."""
    out = tmp_path / "divided"
    shutil.copytree(finished.out, out)
    anyio.run(hdtf_async.download, out, replace(finished.options, split=(90, 5, 5)))
    for clip in out.glob("*.mp4"):
        shutil.copy(clip, clip.with_suffix(".wav"))
    return out


def check(rows: Any, out: Path) -> None:
    """Compare the loaded rows with the metadata, and decode a frame of each clip."""
    from datasets import Video  # noqa: PLC0415

    assert isinstance(rows.features["video"], Video)
    metadata = {line["file_name"]: line for line in lines(out / "metadata.jsonl")}
    assert sorted(metadata) == [f"{stem}.mp4" for stem in CLIPS]
    assert len(rows) == len(CLIPS)
    paths = rows.cast_column("video", Video(decode=False))
    for row in paths:
        path = row["video"]["path"]
        line = metadata.pop(path.rpartition("/")[2])
        assert path == str(out / line["file_name"])
        assert {key: row[key] for key in ("sha256", "box", "fps", "youtube_id")} == {
            key: line[key] for key in ("sha256", "box", "fps", "youtube_id")
        }
        with av.open(path) as clip:
            frame = next(clip.decode(video=0))
            assert (frame.width, frame.height) == (line["width"], line["height"])
    assert metadata == {}


def test_the_directory_loads_with_kept_source_videos(load: Any, finished: Finished) -> None:
    """One row per clip and none for files in _videos_raw, with and without the loader's name."""
    assert len(list((finished.out / "_videos_raw").glob("*.mp4"))) > 1
    check(load(str(finished.out)), finished.out)
    check(load("videofolder", data_dir=str(finished.out)), finished.out)


def test_the_directory_loads_with_lists_and_audio_files(load: Any, divided: Path) -> None:
    """Neither is mistaken for the dataset: the card in the directory selects the data files."""
    check(load(str(divided)), divided)
    patterns = ["*.mp4", "metadata.jsonl"]
    check(load("videofolder", data_dir=str(divided), data_files=patterns), divided)


def test_without_the_card_the_lists_are_loaded_as_the_dataset(load: Any, divided: Path) -> None:
    """The reason for the card; if this fails one day, the card is no longer needed."""
    (divided / "README.md").unlink()
    assert "video" not in load(str(divided)).features
