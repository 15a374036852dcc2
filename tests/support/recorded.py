"""A recorded file system, and what a power cut may leave of it.

`recorded` watches a directory while the real code works in it: what stands under which name, and what is in
each file, before and after each call that changes names, cuts or syncs. `Disk` is told these moments one
after the other and says what may be on the disk if the power goes then.

What it takes for granted is what a journalling file system gives (ext4, XFS, btrfs, APFS), and no more:

- what was in a file when it was synced is there afterwards, with its size; whoever has written it, and
  whichever descriptor was synced;
- the names in a directory are there as they were when the directory was synced;
- a name leads to something that it has led to since then, or before: never to anything else;
- each part of a file holds what it has held since the file was synced, or before, or zeros where it held
  nothing before: never what has been in another file.

All else may be lost, in any order: a name may be there before its file's content, a late write before an
early one, the new name of a file without the going of its old one. A name is not durable by its file's sync,
nor a directory by what is synced inside it.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from random import Random

ROOT = 0
"""Number of the directory that is watched."""
_CALLS = (
    "mkdir",
    "rmdir",
    "unlink",
    "remove",
    "rename",
    "replace",
    "link",
    "symlink",
    "truncate",
    "ftruncate",
)
"""Functions of `os` that change names, or cut. What is opened or written shows when one is called."""
_BLOCKS = (1, 16, 64, 512)
"""Bytes of the parts of a file that are lost or kept by themselves: small, as the files of tests are."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What stood in the directory after one step, as programs see it; files and directories have numbers."""

    what: str
    """The step, in words."""
    names: Mapping[int, Mapping[str, int]]
    """Directory to the names in it, and what each leads to."""
    contents: Mapping[int, bytes]
    """File to its content."""
    synced: int | None = None
    """The file or directory that was synced in this step."""


@contextmanager
def recorded(root: Path, before: Sequence[Moment] = ()) -> Iterator[list[Moment]]:
    """Record what happens in a directory, in all threads; the list grows meanwhile.

    What is there at the beginning is durable, unless `before` has the moments that led there in another
    directory: of a program that was killed. Children are seen by what they have written whenever this
    process takes a step. Nothing is synced in truth: that would only take time.
    """
    recorder = _Recorder(root, before)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in _CALLS:
                patch.setattr(os, name, recorder.noting(name, getattr(os, name)))
            patch.setattr(os, "fsync", recorder.sync)
            yield recorder.moments
    finally:
        recorder.close()


class _Recorder:
    def __init__(self, root: Path, before: Sequence[Moment]) -> None:
        self.moments = list(before)
        self._root = root
        self._seen: dict[int, tuple[int, int]] = {}
        """Inode to its number and a descriptor that keeps the inode from being given to another file."""
        self._next = ROOT
        self._lock = threading.RLock()
        if before:
            self._adopt(root, ROOT, before[-1])
            self._next = 1 + max(max([*moment.names, *moment.contents]) for moment in before)
            self._observe("the next run begins")
        else:
            self._number(root)
            names, contents = self._look()
            self.moments.append(Moment("at first", names, contents))

    def close(self) -> None:
        for _, descriptor in self._seen.values():
            os.close(descriptor)

    def noting(self, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does as the plain one, and is noted."""

        def noted(*words: Any, **more: Any) -> Any:
            with self._lock:
                self._observe("something is written")
                try:
                    return plain(*words, **more)
                finally:
                    self._observe(f"{name} {' '.join(_said(word) for word in words)}")

        return noted

    def sync(self, descriptor: int) -> None:
        """Note that a file or a directory is synced."""
        with self._lock:
            self._observe("something is written")
            number, _ = self._seen.get(os.fstat(descriptor).st_ino, (None, 0))
            if number is not None:
                last = self.moments[-1]
                what = next(
                    (name for inside in last.names.values() for name, one in inside.items() if one == number),
                    "the root",
                )
                self.moments.append(Moment(f"sync {what}", last.names, last.contents, number))

    def _observe(self, what: str) -> None:
        names, contents = self._look()
        last = self.moments[-1]
        if (names, contents) != (last.names, last.contents):
            self.moments.append(Moment(what, names, contents))

    def _look(self) -> tuple[dict[int, dict[str, int]], dict[int, bytes]]:
        names: dict[int, dict[str, int]] = {}
        contents: dict[int, bytes] = {}
        known = self.moments[-1].contents if self.moments else {}
        to_look_at = [(ROOT, os.fspath(self._root))]
        for directory, path in to_look_at:
            inside = names.setdefault(directory, {})
            for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
                try:
                    number = self._number(entry)
                except FileNotFoundError:  # a child has renamed or removed it just now
                    continue
                inside[entry.name] = number
                if entry.is_dir(follow_symlinks=False):
                    to_look_at.append((number, entry.path))
                else:
                    content = self._content(entry.inode())
                    before = known.get(number)
                    contents[number] = before if before == content else content
        return names, contents

    def _number(self, path: os.DirEntry[str] | Path) -> int:
        if isinstance(path, os.DirEntry) and path.inode() in self._seen:
            return self._seen[path.inode()][0]
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        inode = os.fstat(descriptor).st_ino
        if inode in self._seen:
            os.close(descriptor)
        else:
            self._seen[inode] = self._next, descriptor
            self._next += 1
        return self._seen[inode][0]

    def _content(self, inode: int) -> bytes:
        descriptor = self._seen[inode][1]
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)

    def _adopt(self, path: Path, number: int, moment: Moment) -> None:
        """Give what is there the numbers that it had before."""
        self._next = number
        self._number(path)
        for name, one in moment.names.get(number, {}).items():
            self._adopt(path / name, one, moment)


def _said(word: object) -> str:
    return Path(word).name if isinstance(word, str | os.PathLike) else str(word)


@dataclass(frozen=True, slots=True)
class State:
    """What is on the disk when the power is back."""

    directories: tuple[str, ...]
    """Paths, each after the one it is in."""
    files: tuple[tuple[str, int], ...]
    """Path and number; several of one number are hard links."""
    contents: Mapping[int, bytes]

    @property
    def key(self) -> object:
        """What tells two states apart."""
        first: dict[int, str] = {}
        links = tuple((path, first.setdefault(number, path)) for path, number in self.files)
        return self.directories, links, tuple(self.contents[number] for _, number in self.files)

    def write(self, root: Path) -> None:
        """Make it so in a new directory."""
        root.mkdir()
        for path in self.directories:
            (root / path).mkdir()
        first: dict[int, Path] = {}
        for path, number in self.files:
            if number in first:
                (root / path).hardlink_to(first[number])
            else:
                first[number] = root / path
                (root / path).write_bytes(self.contents[number])


def as_it_was(moment: Moment) -> State:
    """Return what programs saw at a moment: a kill leaves that."""
    directories: list[str] = []
    files: list[tuple[str, int]] = []
    to_look_at = [(ROOT, "")]
    for directory, path in to_look_at:
        for name, number in sorted(moment.names[directory].items()):
            if number in moment.names:
                directories.append(path + name)
                to_look_at.append((number, f"{path}{name}/"))
            else:
                files.append((path + name, number))
    return State(tuple(directories), tuple(files), moment.contents)


class Disk:
    """What may be on the disk: of each name and each file all that it may be found to be."""

    def __init__(self, first: Moment) -> None:
        self._now = first
        self._names: dict[int, dict[str, list[int | None]]] = {
            directory: {name: [number] for name, number in inside.items()}
            for directory, inside in first.names.items()
        }
        """Directory and name to what it has led to since it was durable, that first."""
        self._contents: dict[int, list[bytes]] = {file: [content] for file, content in first.contents.items()}
        """File to its contents since it was durable, that first."""

    def take(self, moment: Moment) -> None:
        """Take in the next moment."""
        self._now = moment
        for directory, inside in moment.names.items():
            led = self._names.setdefault(directory, {})
            for name in led.keys() | inside.keys():
                values = led.setdefault(name, [None])
                if inside.get(name) not in values:
                    values.append(inside.get(name))
        for file, content in moment.contents.items():
            versions = self._contents.setdefault(file, [b""])
            if versions[-1] != content:
                versions.append(content)
        if moment.synced is not None and moment.synced in moment.names:
            self._names[moment.synced] = {
                name: [number] for name, number in moment.names[moment.synced].items()
            }
        elif moment.synced is not None and moment.synced in moment.contents:
            self._contents[moment.synced] = [moment.contents[moment.synced]]

    def states(self, most: int, chance: Random) -> Iterator[State]:
        """Yield what the power cut may leave, each once and not more than `most`.

        First whatever names and plain contents go together, where there is room for all of it; else the
        corners (all or nothing of the names, all or nothing of the contents), and by chance what differs from
        a corner in one thing. Then mixtures.
        """
        seen = set()
        for names, contents in self._choices(most, chance):
            state = self._state(names, contents)
            if state.key not in seen:
                seen.add(state.key)
                yield state
                if len(seen) == most:
                    return

    def _choices(
        self, most: int, chance: Random
    ) -> Iterator[tuple[dict[tuple[int, str], int | None], dict[int, bytes]]]:
        names, files = self._unsure()
        variants = {file: _variants(versions, chance) for file, versions in files.items()}
        choices = [len(values) for values in names.values()] + [len(found) for found in variants.values()]
        if prod(choices) <= most:
            for values in product(*names.values()):
                for contents in product(*variants.values()):
                    yield dict(zip(names, values, strict=True)), dict(zip(variants, contents, strict=True))
            for _ in range(most if files else 0):
                yield _mixed(names, files, chance)
            return
        newest = {
            (directory, name): self._now.names.get(directory, {}).get(name) for directory, name in names
        }
        oldest = {place: values[0] for place, values in names.items()}
        whole = {file: versions[-1] for file, versions in files.items()}
        lost = {file: versions[0] for file, versions in files.items()}
        corners = list(product((newest, oldest), (whole, lost)))
        yield from corners
        near = [
            *((all_names | {place: value}, contents) for all_names, contents in corners
              for place, values in names.items() for value in values),
            *((all_names, contents | {file: content}) for all_names, contents in corners
              for file, found in variants.items() for content in found),
        ]  # fmt: skip
        chance.shuffle(near)
        for one in near:
            yield one
            yield _mixed(names, files, chance)

    def _unsure(self) -> tuple[dict[tuple[int, str], list[int | None]], dict[int, list[bytes]]]:
        """Return what can be reached by any way and may be found to be one or the other."""
        names: dict[tuple[int, str], list[int | None]] = {}
        files: dict[int, list[bytes]] = {}
        to_look_at, looked = [ROOT], set()
        for directory in to_look_at:
            if directory in looked:
                continue
            looked.add(directory)
            for name, values in self._names[directory].items():
                if len(values) > 1:
                    names[directory, name] = values
                for value in values:
                    if value in self._names:
                        to_look_at.append(value)
                    elif value is not None and len(self._contents[value]) > 1:
                        files[value] = self._contents[value]
        return names, files

    def _state(self, names: Mapping[tuple[int, str], int | None], contents: Mapping[int, bytes]) -> State:
        chosen = {
            directory: {name: names.get((directory, name), values[0]) for name, values in led.items()}
            for directory, led in self._names.items()
        }
        found = {file: contents.get(file, versions[0]) for file, versions in self._contents.items()}
        there = {
            directory: {name: number for name, number in inside.items() if number is not None}
            for directory, inside in chosen.items()
        }
        state = as_it_was(Moment("", there, found))
        return replace(state, contents={number: found[number] for _, number in state.files})


def _mixed(
    names: Mapping[tuple[int, str], Sequence[int | None]],
    files: Mapping[int, Sequence[bytes]],
    chance: Random,
) -> tuple[dict[tuple[int, str], int | None], dict[int, bytes]]:
    """Return for each name and each file by chance one thing that it may be."""
    return (
        {place: chance.choice(values) for place, values in names.items()},
        {file: _torn(versions, chance) for file, versions in files.items()},
    )


def _variants(versions: Sequence[bytes], chance: Random) -> list[bytes]:
    """Return what a file may be found to hold: first the newest, then what is most apart, then by chance."""
    newest, size = versions[-1], len(versions[-1])
    shortest = min(map(len, versions))
    bytes_at = enumerate(zip(*versions, strict=False))
    grown = next((at for at, found in bytes_at if len(set(found)) > 1), shortest)  # it was never else
    middle = grown + (size - grown) // 2
    hole = newest[:middle].ljust(max(middle, size - 8), b"\0") + newest[max(middle, size - 8) :]
    found = [
        newest,
        *versions[:-1],
        versions[0][:size].ljust(size, b"\0"),
        newest[:middle],
        newest[:middle].ljust(size, b"\0"),
        hole,
        newest[:grown].ljust(middle, b"\0") + newest[middle:],
        newest[: max(grown, size - 1)],
        _torn(versions, chance),
        _torn(versions, chance),
    ]
    return list(dict.fromkeys(found))


def _torn(versions: Sequence[bytes], chance: Random) -> bytes:
    """Return one mixture: of any length that the file may have, each part as it was in some version."""
    sizes = [len(version) for version in versions]
    size = chance.choice([sizes[-1], *sizes, chance.randint(min(sizes), max(sizes))])
    block = chance.choice(_BLOCKS)
    # Of a few of many versions, for else there is a part of each in all of them.
    few = chance.sample(versions, chance.randint(min(2, len(versions)), len(versions)))
    padded = [version[:size].ljust(size, b"\0") for version in few]
    return b"".join(chance.choice(padded)[place : place + block] for place in range(0, size, block))
