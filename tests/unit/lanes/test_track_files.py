"""CLIP.track.json is written before the clip, and only for datasets that have tracks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from hdtf_async.core.exceptions import TableError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Annotation, Clip, Interval, Video
from hdtf_async.core.options import Options
from hdtf_async.dataset.readers import voxceleb2
from hdtf_async.lanes.track_files import TrackWriter, with_tracks
from hdtf_async.output.directory import open_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from hdtf_async.lanes.encoder import Encoder
    from hdtf_async.lanes.source_videos import SourceVideo
    from hdtf_async.output.directory import OutputDirectory

VIDEO = Video("", "CPCoMyuBRM0", "CPCoMyuBRM0", 0)
CLIP = Clip(
    VIDEO, 0, Interval(1, 2), None, annotation=Annotation(name="id1_x_00001", extra='{"track":"a.txt"}')
)
RAW = cast("SourceVideo", None)


class FakeEncoder:
    """Notes which files exist when a clip is created."""

    def __init__(self, store: OutputDirectory) -> None:
        self.store = store
        self.seen: list[list[str]] = []

    async def cut(self, _clip: Clip, _raw: SourceVideo) -> None:
        """Note the tracks."""
        self.seen.append(sorted(path.name for path in self.store.out.glob("*.json")))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OutputDirectory]:
    """Open an output directory."""
    async with open_directory(tmp_path / "out") as directory:
        yield directory


def track(source: Path, extra: Mapping[str, Any]) -> object:
    """Return what it is given."""
    return {"source": source.name, "extra": dict(extra)}


async def test_the_track_exists_when_the_clip_is_created(store: OutputDirectory, tmp_path: Path) -> None:
    """With what the dataset returns for the list and the row; no temporary file is left."""
    encoder = FakeEncoder(store)
    writer = TrackWriter(cast("Encoder", encoder), store, track, tmp_path / "txt")
    await writer.cut(CLIP, RAW)
    await writer.cut(CLIP, RAW)  # as with --recut
    assert encoder.seen == [["id1_x_00001.track.json"]] * 2
    content = json.loads((store.out / "id1_x_00001.track.json").read_text())
    assert content == {"source": "txt", "extra": {"track": "a.txt"}}
    assert not [path for path in store.out.iterdir() if path.name.startswith(".hdtf-")]


async def test_a_clip_without_a_track_has_no_file(store: OutputDirectory, tmp_path: Path) -> None:
    """Such as rows that a program passes."""
    encoder = FakeEncoder(store)
    writer = TrackWriter(cast("Encoder", encoder), store, voxceleb2.track, tmp_path)
    await writer.cut(Clip(VIDEO, 0, Interval(1, 2), None), RAW)
    assert encoder.seen == [[]]


async def test_a_track_that_cannot_be_read_fails_the_clip(store: OutputDirectory, tmp_path: Path) -> None:
    """With the reason; the clip is not created."""
    encoder = FakeEncoder(store)
    writer = TrackWriter(cast("Encoder", encoder), store, voxceleb2.track, tmp_path)
    with pytest.raises(Failure, match=r"id1_x_00001: no track: a\.txt: no such file") as raised:
        await writer.cut(CLIP, RAW)
    assert raised.value.reason is Reason.ROW_REFUSED
    assert isinstance(raised.value.__cause__, TableError)
    assert encoder.seen == []


async def test_only_datasets_with_tracks_write_them(store: OutputDirectory, tmp_path: Path) -> None:
    """HDTF and CelebV-HQ have none."""
    encoder = cast("Encoder", FakeEncoder(store))
    assert with_tracks(encoder, Options()) is encoder
    assert with_tracks(encoder, Options(dataset="celebv-hq", source=tmp_path)) is encoder
    writer = with_tracks(encoder, Options(dataset="voxceleb2", source=tmp_path))
    assert isinstance(writer, TrackWriter)
    assert (writer.source, writer.encoder) == (tmp_path, encoder)
