"""Records by name, kept as compressed text: this saves some hundred megabytes for 100,000 clips.

A record as an object takes ten times the memory, because each has its own copies of all keys. Every lookup
parses the text and returns a new object.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=dict[str, Any] | list[dict[str, Any]])


class CompressedRecords(MutableMapping[str, T], Generic[T]):
    """A mapping from names to records, or to lists of them; modifying a returned object changes nothing."""

    def __init__(self, texts: dict[str, bytes] | None = None) -> None:
        self._texts = texts or {}

    def __getitem__(self, name: str) -> T:
        found: T = json.loads(zlib.decompress(self._texts[name]).decode("ascii"))
        return found

    def __setitem__(self, name: str, record: T) -> None:
        self._texts[name] = zlib.compress(json.dumps(record, separators=(",", ":")).encode("ascii"), 1)

    def __delitem__(self, name: str) -> None:
        del self._texts[name]

    def __contains__(self, name: object) -> bool:
        return name in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def copy(self) -> CompressedRecords[T]:
        """Return a copy, independent of later changes."""
        return self.only(self._texts)

    def with_others(self, others: CompressedRecords[T]) -> CompressedRecords[T]:
        """Return a mapping with these records and those of `others`, which override these."""
        return CompressedRecords(self._texts | others._texts)

    def only(self, names: Iterable[str]) -> CompressedRecords[T]:
        """Return a mapping with some of the records, in the order of their names here."""
        return CompressedRecords({name: self._texts[name] for name in names})
