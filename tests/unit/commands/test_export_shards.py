"""WebDataset shards: content, order, and bytes that only depend on the clips."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from hdtf_async import FormError
from hdtf_async.commands import export_shards
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.failures import Failure, Reason

if TYPE_CHECKING:
    from pathlib import Path

STEMS = [f"RD_Radio{number}_000" for number in range(8)]


def recorded(out: Path, stem: str, *, wav: bool = True) -> ClipRecord:
    """Create the files of a clip, and return its record."""
    metadata: dict[str, Any] = {"file_name": f"{stem}.mp4", "box": [0, 0, 8, 8]}
    for suffix, prefix in (("mp4", ""), ("wav", "wav_"))[: 1 + wav]:
        content = f"{suffix} of {stem}".encode() * 100
        (out / f"{stem}.{suffix}").write_bytes(content)
        metadata |= {f"{prefix}bytes": len(content), f"{prefix}sha256": hashlib.sha256(content).hexdigest()}
    return ClipRecord(metadata | ({"wav": f"{stem}.wav"} if wav else {}))


def written(out: Path, to: Path, clips: dict[str, ClipRecord], largest: int = 10**9) -> dict[str, bytes]:
    """Write the shards of one split; return the content of each."""
    to.mkdir()
    items = export_shards.items(clips, {"train": sorted(clips), "val": []}, largest)
    for place, item in items.items():
        assert item.write is not None
        item.write(out, to / place)
    return {place: (to / place).read_bytes() for place in items}


def test_a_shard_has_the_files_of_each_clip_in_a_row(tmp_path: Path) -> None:
    """Metadata with sizes and checksums, the clip, and its WAV file if it has one."""
    clips = {stem: recorded(tmp_path, stem, wav=stem != STEMS[0]) for stem in STEMS}
    (place,) = written(tmp_path, tmp_path / "to", clips)
    with tarfile.open(tmp_path / "to" / place) as tar:
        names = tar.getnames()
        assert sorted({name.partition(".")[0] for name in names}) == STEMS
        assert len(names) == 3 * len(STEMS) - 1
        keys = [name.partition(".")[0] for name in names]
        assert keys == sorted(keys, key=keys.index)
        for stem in STEMS:
            member = tar.extractfile(f"{stem}.json")
            assert member is not None
            assert json.load(member) == clips[stem].to_json() | {"split": "train"}
            clip = tar.extractfile(f"{stem}.mp4")
            assert clip is not None
            assert clip.read() == (tmp_path / f"{stem}.mp4").read_bytes()


def test_the_bytes_of_a_shard_only_depend_on_its_clips(tmp_path: Path) -> None:
    """Not on dates, permissions, or the order of the records."""
    clips = {stem: recorded(tmp_path, stem) for stem in STEMS}
    first = written(tmp_path, tmp_path / "one", clips, 6000)
    for stem in STEMS:
        os.utime(tmp_path / f"{stem}.mp4", (0, 0))
        (tmp_path / f"{stem}.mp4").chmod(0o600)
    assert written(tmp_path, tmp_path / "two", dict(reversed(clips.items())), 6000) == first
    digest = hashlib.sha256(b"".join(first.values())).hexdigest()
    assert digest == "66d575dfdfd09de4fc839e36b49a07cefa024cb10610971d37f96688220ee710"


@pytest.mark.parametrize(("largest", "shards"), [(1, 8), (10**9, 1), (9000, 2)])
def test_a_shard_ends_at_a_size(tmp_path: Path, largest: int, shards: int) -> None:
    """A clip that is larger is a shard of its own; an empty split has no shard."""
    clips = {stem: recorded(tmp_path, stem, wav=False) for stem in STEMS}
    names = list(written(tmp_path, tmp_path / "to", clips, largest))
    assert names == [f"train-{number:06d}.tar" for number in range(shards)]


def test_a_shard_mixes_speakers() -> None:
    """Their order is not that of the names."""
    clips = {f"RD_Radio{number}_000": ClipRecord({"bytes": 1}) for number in range(100)}
    items = export_shards.items(clips, {"train": sorted(clips)}, 1)
    assert len({item.sha256 for item in items.values()}) == 100
    (item,) = export_shards.items(clips, {"train": sorted(clips)}).values()
    assert item.write is not None


def test_a_clip_that_is_not_the_recorded_one_is_an_error(tmp_path: Path) -> None:
    """The size of a damaged clip may be right."""
    clips = {STEMS[0]: recorded(tmp_path, STEMS[0])}
    (tmp_path / f"{STEMS[0]}.mp4").write_bytes(bytes(clips[STEMS[0]].bytes or 0))
    with pytest.raises(Failure, match=r"RD_Radio0_000\.mp4: differs from its recorded checksum") as raised:
        written(tmp_path, tmp_path / "to", clips)
    assert raised.value.reason is Reason.CLIP_WRONG


def test_dots_in_names_become_underscores() -> None:
    """The loader takes what follows the first dot for the type; two equal names are an error."""
    clip = ClipRecord({"bytes": 1})
    export_shards.items({"a.b": clip}, {"train": ["a.b"]})
    with pytest.raises(FormError, match=r"a_b and a\.b would both be a_b in a shard"):
        export_shards.items({"a.b": clip, "a_b": clip}, {"train": ["a.b"], "val": ["a_b"]})
