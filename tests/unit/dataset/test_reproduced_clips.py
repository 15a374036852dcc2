"""Reproduction files as tables; they may come from anybody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hdtf_async import Options
from hdtf_async.core.clip_record import ClipRecord, annotation_to_json, row_to_json
from hdtf_async.core.exceptions import OptionsError, TableError
from hdtf_async.core.reproduction_file import LARGEST
from hdtf_async.dataset import plan, reading

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.core.model import Clip

CLIP: dict[str, Any] = {
    "file_name": "RD_Radio1_000.mp4", "subset": "RD", "name": "Radio1", "index": 0,
    "youtube_id": "CPCoMyuBRM0", "start": 1.0, "end": 2.0, "reference_height": 720,
    "box": [0, 0, 64, 64], "zoom": 1.2,
}  # fmt: skip


def entry(clip: Clip) -> dict[str, Any]:
    """Return what a reproduction file has about a clip."""
    return {
        "file_name": f"{clip.stem}.mp4", "subset": clip.video.subset, "name": clip.video.name,
        "index": clip.index, "youtube_id": clip.video.youtube_id, "start": clip.interval.start,
        "end": clip.interval.end, "reference_height": clip.video.reference_height, "zoom": clip.zoom,
        "correction": clip.correction, "segment": clip.segment, **row_to_json(clip),
        **annotation_to_json(clip),
    }  # fmt: skip


def written(path: Path, *clips: object, **settings: object) -> Path:
    """Write a reproduction file."""
    content = {"format": 1, "dataset": None, "settings": settings, "clips": clips}
    path.write_text(json.dumps(content))
    return path


def test_all_clips_of_the_tables_are_the_same_from_a_reproduction_file(tmp_path: Path) -> None:
    """With the same fingerprints."""
    whole = reading.read(Options())
    clips = [clip for clip in whole.clips if clip.box is not None]
    file = written(tmp_path / "clips.lock.json", *map(entry, clips))
    options = Options(reproduce=file)
    again = reading.read(options)
    assert again.clips == tuple(clips)
    assert again.source is None
    for one, other in zip(clips[::50], again.clips[::50], strict=True):
        assert plan.fingerprint(one, Options().output_settings) == plan.fingerprint(
            other, options.output_settings
        )


def test_segments_stay_as_they_are(tmp_path: Path) -> None:
    """They are not split again, and their settings are those of the file."""
    clips = [clip for clip in reading.read(Options()).clips if clip.box is not None]
    pieces = [piece for clip in clips[:9] for piece in clip.divided(5)]
    file = written(tmp_path / "lock.json", *map(entry, pieces), segment=5.0, size=256, preset="veryfast")
    options = Options(reproduce=file)
    assert (options.segment, options.size, options.preset) == (5, 256, "veryfast")
    assert plan.select(reading.read(options), options) == tuple(pieces)
    assert ClipRecord(entry(pieces[0])).segment == 0


@pytest.mark.parametrize(
    "change",
    [
        {"file_name": "../x.mp4"},
        {"name": "../../x", "file_name": "RD_../../x_000.mp4"},
        {"youtube_id": "-- exec rm"},
        {"start": -1.0},
        {"end": 1.0},
        {"end": 1e300},
        {"zoom": -1},
        {"index": -1},
        {"reference_height": -5},
        {"box": [0, 0, 10**30, 5]},
        {"box": None, "box_reference": [1, 1], "start": "x"},
        {"file_name": 5},
    ],
)
def test_an_invalid_clip_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """With its number; nothing of the file is used."""
    file = written(
        tmp_path / "lock.json", CLIP, CLIP | {"file_name": "RD_Radio1_001.mp4", "index": 1} | change
    )
    with pytest.raises(TableError, match=r"lock\.json:2: invalid clip"):
        reading.read(Options(reproduce=file))


def test_two_clips_of_one_name_are_refused(tmp_path: Path) -> None:
    """One would replace the other."""
    with pytest.raises(TableError, match="not unique"):
        reading.read(Options(reproduce=written(tmp_path / "lock.json", CLIP, CLIP)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no", "not a JSON file"),
        ("[" * 100_000, "not a JSON file"),
        ('{"format": 1, "settings": {}, "clips": [{"start": NaN}]}', "not a JSON file"),
        ('{"format": 1, "settings": {}, "clips": []}', "not a lock file"),
        ('{"format": 1, "settings": {"size": [1]}, "clips": [{}]}', "not a lock file"),
        ('{"format": 2, "settings": {}, "clips": [{}]}', "format 2; this version reads 1"),
        ('{"format": 1, "settings": {"size": 3}, "clips": [{}]}', "--size: expected an even number"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """With a message that says why."""
    path = tmp_path / "lock.json"
    path.write_text(content)
    with pytest.raises(OptionsError, match=message):
        Options(reproduce=path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """A sparse file of any size takes no time to create."""
    path = tmp_path / "lock.json"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(OptionsError, match="larger than"):
        Options(reproduce=path)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    """Those of the file count; another list of clips contradicts it."""
    file = written(tmp_path / "lock.json", CLIP, size=256)
    assert Options(reproduce=file, size=256).size == 256
    with pytest.raises(OptionsError, match=r"^--size: omit it with --reproduce"):
        Options(reproduce=file, size=512)
    with pytest.raises(OptionsError, match="omit --clips"):
        Options(reproduce=file, clips=file)
