"""Records by name, kept as compressed text: this saves some hundred megabytes for 100,000 clips.

A record as an object takes ten times the memory, because each has its own copies of all keys. Every lookup
parses the text and returns a new object. The first few thousand records are not compressed, to save time.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=dict[str, Any] | list[dict[str, Any]])
NOT_COMPRESSED = 5_000
"""Records of a mapping that are kept without compression, about 1 kB each."""
_COMPRESSED = b"\x78"
"""First byte of compressed data; JSON of a record or a list starts with a bracket."""


class CompressedRecords(MutableMapping[str, T], Generic[T]):
    """A mapping from names to records, or to lists of them; modifying a returned object changes nothing."""

    def __init__(self, packed: dict[str, bytes] | None = None) -> None:
        self._packed = packed or {}

    def __getitem__(self, name: str) -> T:
        text = self._packed[name]
        if text.startswith(_COMPRESSED):
            text = zlib.decompress(text)
        found: T = json.loads(text.decode("ascii"))
        return found

    def __setitem__(self, name: str, record: T) -> None:
        text = json.dumps(record, separators=(",", ":")).encode("ascii")
        self._packed[name] = text if len(self._packed) < NOT_COMPRESSED else zlib.compress(text, 1)

    def __delitem__(self, name: str) -> None:
        del self._packed[name]

    def __contains__(self, name: object) -> bool:
        return name in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def copy(self) -> CompressedRecords[T]:
        """Return a copy, independent of later changes."""
        return self.only(self._packed)

    def with_others(self, others: CompressedRecords[T]) -> CompressedRecords[T]:
        """Return a mapping with these records and those of `others`, which override these."""
        return CompressedRecords(self._packed | others._packed)

    def only(self, names: Iterable[str]) -> CompressedRecords[T]:
        """Return a mapping with some of the records, in the order of their names here."""
        return CompressedRecords({name: self._packed[name] for name in names})
