"""WebDataset shards: tar archives in which the files of a clip have one name and follow each other.

Which clips are in which shard, and every byte of it, follows from the clips and their split. So a shard that
exists need not be written again, and two exports can be compared.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from hdtf_async.core.exceptions import FormError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.jsonlines import line
from hdtf_async.core.recipes import How, Item
from hdtf_async.core.steps import checkpoint
from hdtf_async.core.text import shown
from hdtf_async.output import atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from hdtf_async.core.clip_record import ClipRecord

LARGEST = 10**9
"""Bytes of clips after which a shard ends; one larger clip is a shard of its own."""


@dataclass(frozen=True, slots=True)
class _Member:
    """One file of a shard."""

    name: str
    source: str
    """Its name in the output directory; empty for metadata."""
    sha256: str
    size: int
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class _Shard:
    """The files of one shard, in order."""

    members: tuple[_Member, ...]

    @property
    def digest(self) -> str:
        """Identifies the content."""
        about = [(member.name, member.sha256) for member in self.members]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    def write(self, out: Path, to: Path) -> None:
        """Write the archive. Raises `OSError`, and `Failure` if a clip is not the recorded one."""
        with to.open("xb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for member in self.members:
                checkpoint()
                about = tarfile.TarInfo(member.name)  # nothing in it depends on user, machine or time
                about.size = member.size
                if not member.source:
                    tar.addfile(about, BytesIO(member.content))
                    continue
                with atomic.reader(out / member.source) as source:
                    hashed = _Hashed(source)
                    tar.addfile(about, cast("BinaryIO", hashed))
                if hashed.hexdigest() != member.sha256:
                    raise Failure(Reason.CLIP_WRONG, f"{member.source}: differs from its recorded checksum")


class _Hashed:
    """A file whose content is hashed while it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read up to so many bytes."""
        part = self._file.read(size)
        self._hash.update(part)
        return part

    def hexdigest(self) -> str:
        """Return the hash of what was read."""
        return self._hash.hexdigest()


def items(
    clips: Mapping[str, ClipRecord], stems: Mapping[str, Sequence[str]], largest: int = LARGEST
) -> dict[str, Item]:
    """Return the shards of each split, such as ``train-000000.tar``, by their paths.

    Clips are ordered by a hash of their names, so that a shard has clips of many speakers. Raises `FormError`
    if the names of two clips are equal in a shard.
    """
    names: dict[str, str] = {}
    found: dict[str, Item] = {}
    for side, several in stems.items():
        packs: list[list[_Member]] = []
        size = largest
        for stem in sorted(several, key=lambda stem: hashlib.sha256(_encoded(stem)).digest()):
            key = stem.replace(".", "_")  # WebDataset's key ends at the first dot
            if names.setdefault(key, stem) != stem:
                raise FormError(
                    f"{shown(stem)} and {shown(names[key])} would both be {shown(key)} in a shard"
                )
            members = [*_members(key, stem, clips[stem], side)]
            bytes_of_clip = sum(member.size for member in members)
            if size + bytes_of_clip > largest:
                packs.append([])
                size = 0
            packs[-1] += members
            size += bytes_of_clip
        for number, pack in enumerate(packs):
            shard = _Shard(tuple(pack))
            place = f"{side}-{number:06d}.tar"
            found[place] = Item(How.SHARD, "", shard.digest, write=shard.write)
    return found


def _members(key: str, stem: str, clip: ClipRecord, side: str) -> Iterator[_Member]:
    about: dict[str, Any] = {**clip.to_json(), "split": side}
    content = line(about)
    yield _Member(f"{key}.json", "", hashlib.sha256(content).hexdigest(), len(content), content)
    yield _Member(f"{key}.mp4", f"{stem}.mp4", clip.sha256 or "", clip.bytes or 0)
    if clip.wav is not None:
        yield _Member(f"{key}.wav", f"{stem}.wav", clip.wav_sha256 or "", clip.wav_bytes or 0)


def _encoded(stem: str) -> bytes:
    return stem.encode("utf-8", "surrogateescape")
