"""A recorded file system, and what a power cut may leave of it.

`recorded` watches a directory while the real code works in it: the names, and the content of each file,
before and after each call that changes names, truncates or syncs. `Disk` takes these moments one after the
other and returns the possible disk contents after a power cut.

It assumes the guarantees of a journalling file system (ext4, XFS, btrfs, APFS), and no more:

- the content of a file at its sync survives, with its size, for every writer and every synced descriptor;
- the names in a directory survive as they were when the directory was synced;
- a name refers to a file that it has referred to since then, or before: never to another one;
- each part of a file contains what it has contained since the sync, or before, or zeros where it was empty
  before: never a part of another file.

All else may be lost, in any order: a name may exist before its file's content, a late write before an early
one, the new name of a file together with its old one. Syncing a file does not make its name durable, and
syncing files inside a directory does not make the directory durable.
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
"""Number of the watched directory."""
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
"""Functions of `os` that change names or truncate. Opened and written files are observed at these calls."""
_BLOCKS = (1, 16, 64, 512)
"""Sizes in bytes of the parts of a file that are lost or kept independently: small, as the tests' files
are."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The content of the directory after one step, as programs see it; files and directories have numbers."""

    what: str
    """Description of the step."""
    names: Mapping[int, Mapping[str, int]]
    """Directory to the names in it, and the number of each."""
    contents: Mapping[int, bytes]
    """File to its content."""
    synced: int | None = None
    """The file or directory that was synced in this step."""


@contextmanager
def recorded(root: Path, before: Sequence[Moment] = ()) -> Iterator[list[Moment]]:
    """Record all changes in a directory, by all threads; the list grows meanwhile.

    The initial content is durable, unless `before` has the moments that led to it in another directory: of a
    program that was killed. Writes of children are observed whenever this process takes a step. Nothing is
    really synced: that would only take time.
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
        """Inode to its number and a descriptor that keeps the inode from being reused."""
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
        """Return a function that calls the original one and is recorded."""

        def noted(*arguments: Any, **more: Any) -> Any:
            with self._lock:
                self._observe("something is written")
                try:
                    return plain(*arguments, **more)
                finally:
                    self._observe(f"{name} {' '.join(_said(argument) for argument in arguments)}")

        return noted

    def sync(self, descriptor: int) -> None:
        """Record that a file or a directory is synced."""
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
        previous = self.moments[-1].contents if self.moments else {}
        to_look_at = [(ROOT, os.fspath(self._root))]
        for directory, path in to_look_at:
            inside = names.setdefault(directory, {})
            for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
                try:
                    number = self._number(entry)
                except FileNotFoundError:  # a child has just renamed or removed it
                    continue
                inside[entry.name] = number
                if entry.is_dir(follow_symlinks=False):
                    to_look_at.append((number, entry.path))
                else:
                    content = self._content(entry.inode())
                    before = previous.get(number)
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
        """Give existing entries the numbers that they had before."""
        self._next = number
        self._number(path)
        for name, one in moment.names.get(number, {}).items():
            self._adopt(path / name, one, moment)


def _said(argument: object) -> str:
    return Path(argument).name if isinstance(argument, str | os.PathLike) else str(argument)


@dataclass(frozen=True, slots=True)
class State:
    """The content of the disk after the power cut."""

    directories: tuple[str, ...]
    """Paths, each after its parent."""
    files: tuple[tuple[str, int], ...]
    """Path and number; several of one number are hard links."""
    contents: Mapping[int, bytes]

    @property
    def key(self) -> object:
        """Return what distinguishes two states."""
        first: dict[int, str] = {}
        links = tuple((path, first.setdefault(number, path)) for path, number in self.files)
        return self.directories, links, tuple(self.contents[number] for _, number in self.files)

    def write(self, root: Path) -> None:
        """Create this state in a new directory."""
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
    """The possible disk contents: for each name and each file all possible values."""

    def __init__(self, first: Moment) -> None:
        self._now = first
        self._names: dict[int, dict[str, list[int | None]]] = {
            directory: {name: [number] for name, number in inside.items()}
            for directory, inside in first.names.items()
        }
        """Directory and name to the numbers since the durable one, which is the first."""
        self._contents: dict[int, list[bytes]] = {file: [content] for file, content in first.contents.items()}
        """File to its contents since the durable one, which is the first."""

    def take(self, moment: Moment) -> None:
        """Add the next moment."""
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
        """Yield possible results of the power cut, without duplicates and not more than `most`.

        If there are few enough, these are all combinations of names and unmixed contents; otherwise the
        corners (all or none of the names, all or none of the contents), and random states that differ from a
        corner in one value. Then mixtures.
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
        """Return the reachable names and files with more than one possible value."""
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
        files = {
            directory: {name: number for name, number in inside.items() if number is not None}
            for directory, inside in chosen.items()
        }
        state = as_it_was(Moment("", files, found))
        return replace(state, contents={number: found[number] for _, number in state.files})


def _mixed(
    names: Mapping[tuple[int, str], Sequence[int | None]],
    files: Mapping[int, Sequence[bytes]],
    chance: Random,
) -> tuple[dict[tuple[int, str], int | None], dict[int, bytes]]:
    """Return a random possible value for each name and each file."""
    return (
        {place: chance.choice(values) for place, values in names.items()},
        {file: _torn(versions, chance) for file, versions in files.items()},
    )


def _variants(versions: Sequence[bytes], chance: Random) -> list[bytes]:
    """Return possible contents of a file: first the newest, then the most different, then random ones."""
    newest, size = versions[-1], len(versions[-1])
    shortest = min(map(len, versions))
    bytes_at = enumerate(zip(*versions, strict=False))
    grown = next((at for at, found in bytes_at if len(set(found)) > 1), shortest)  # no byte ever changed
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
    """Return one mixture: of any possible length, each part as it was in some version."""
    sizes = [len(version) for version in versions]
    size = chance.choice([sizes[-1], *sizes, chance.randint(min(sizes), max(sizes))])
    block = chance.choice(_BLOCKS)
    # Only of a few versions, because otherwise every mixture would contain parts of all of them.
    few = chance.sample(versions, chance.randint(min(2, len(versions)), len(versions)))
    padded = [version[:size].ljust(size, b"\0") for version in few]
    return b"".join(chance.choice(padded)[place : place + block] for place in range(0, size, block))
