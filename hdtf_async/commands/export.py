"""A directory's clips in the tree that training code wants: links, copies, frames and lists.

Nothing that somebody else has put there is ever overwritten or removed. What is laid out is written down in
``_export.jsonl``, before it gets its name, with sizes and dates. What is still as it was written down is
ours: it is replaced where it should be another, and removed where it is wanted no more. Anything else that
is in the way is somebody's, and the export ends before it has touched anything. So it can be run again,
after a kill or when there are more clips.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections import Counter
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core import descriptors
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.exceptions import BusyError, FormError, OptionsError, StoreError, unwrap_exception_group
from hdtf_async.core.job import require_asyncio
from hdtf_async.core.jsonlines import line, records
from hdtf_async.core.options import Options
from hdtf_async.core.recipes import RECIPES, How
from hdtf_async.core.splits import Split
from hdtf_async.core.text import printable, shown
from hdtf_async.dataset import tables
from hdtf_async.lanes.limits import Lanes
from hdtf_async.media import stills
from hdtf_async.media.ffmpeg import find_ffmpeg
from hdtf_async.output import atomic, directory
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.process.guard import guarding
from hdtf_async.run import local_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from os import PathLike
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.recipes import Item, Recipe
    from hdtf_async.output.journal import JournalIndex
    from hdtf_async.process.guard import Guard

MANIFEST = "_export.jsonl"
OPTIONS = {"source", "corrections", "split", "split_seed", "encodes", "ffmpeg"}
"""Fields of `Options` that count in an export."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to."""

    recipe: str
    sides: dict[str, int]
    """Clips for training, validation and testing."""
    items: Counter[How]
    """Files and folders of the tree besides the lists, by how they are made."""
    new: int
    """How many of them were not there, or not as they should be."""
    removed: int
    """How many were wanted no more."""

    @property
    def words(self) -> str:
        """What it came to, for a person."""
        shares = ", ".join(f"{number} {side}" for side, number in self.sides.items())
        kinds = ", ".join(f"{number} {how}" for how, number in self.items.items())
        clips = sum(self.sides.values())
        return f"{clips} clips ({shares}): {kinds}; {self.new} new, {self.removed} removed"


async def export(  # noqa: PLR0913 - what a command line says
    out: str | PathLike[str],
    to: str | PathLike[str],
    recipe: str,
    options: Options | None = None,
    *,
    lanes: Lanes | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Lay out the clips of the directory `out` below `to`, as a recipe wants them.

    The recipes are ``musetalk``, ``hallo``, ``latentsync``, ``wav2lip`` and ``real3dportrait``. Of the
    options `OPTIONS` count; where no split is given, the clips are divided as they are in `out`, else by the
    default. `told` is called with each folder of frames that was made.

    Raises `FormError` where the clips are not in the form that the recipe needs, `StoreError` where something
    else is in the way, `TableError`, `OptionsError`, and `Failure` for an error of this machine.
    """
    require_asyncio()
    if recipe not in RECIPES:
        raise OptionsError(f"--recipe: expected {', '.join(RECIPES)} (got {shown(recipe)})")
    layout, options = RECIPES[recipe], options or Options()
    out, to = await run_sync(_absolute, local_directory(out), local_directory(to))
    known = await run_sync(directory.read_known, out)
    there = sorted(known.all_there().items())
    clips = {stem: ClipRecord.of(record) for stem, record in there if _is_name(stem)}
    _require_form(recipe, layout, clips, out)
    if to.is_relative_to(out):
        raise StoreError(f"{to} is inside {out}: choose another --to")
    stems = await run_sync(_divided, known, clips, options)
    wanted = {place: item for stem, clip in clips.items() for place, item in layout.items(stem, clip)}
    lists = layout.lists_of(stems, str(to))
    async with _opened(to, recipe) as tree:
        with os_errors_as_failures(to):
            left = await run_sync(tree.compared, out, wanted, lists)
            removed = await run_sync(tree.without, {*wanted, *lists})
        await _Making(tree, out, options, lanes or Lanes.of(options), told).all(left)
        with os_errors_as_failures(to):
            await run_sync(tree.write_lists, lists)
    return Exported(
        recipe=recipe,
        sides={side: len(several) for side, several in stems.items()},
        items=Counter(item.how for item in wanted.values()),
        new=len(left),
        removed=removed,
    )


def _absolute(*paths: Path) -> list[Path]:
    return [path.resolve() for path in paths]


def _is_name(stem: str) -> bool:
    """Whether a stem names a file of the directory and none elsewhere; the journal may be anybody's."""
    return "/" not in stem


def _require_form(name: str, recipe: Recipe, clips: Mapping[str, ClipRecord], out: Path) -> None:
    """Raise `FormError` unless there are clips, all in the form that a recipe needs."""
    remedy = f"python -m hdtf_async --out {out} --recipe {name}"
    if not clips:
        raise FormError(f"{out} contains no clips; to create them: {remedy}")
    wrong = {stem: flaws for stem, clip in clips.items() if (flaws := [*recipe.flaws(clip)])}
    if wrong:
        first = next(iter(wrong))
        raise FormError(
            f"{len(wrong)} of the {len(clips)} clips in {out} were made with settings that do not fit {name}"
            f" (e.g. {shown(first)}: {', '.join(wrong[first])}); to re-encode them: {remedy} --recut"
        )


def _divided(known: JournalIndex, clips: Mapping[str, ClipRecord], options: Options) -> dict[str, list[str]]:
    split = options.divided or known.split or Split()
    if known.split is not None:
        split = replace(split, same=known.split.same)
    read = tables.read(options.source, corrections=options.corrections)
    return split.knowing(read.videos).lists({stem: str(clip.name) for stem, clip in clips.items()})


@dataclass(frozen=True, slots=True)
class _Making:
    """How the files of a tree are made: links and copies one by one, frames as the encode lane has room."""

    tree: _Tree
    out: Path
    options: Options
    lanes: Lanes
    told: Callable[[str], None]

    async def all(self, left: Mapping[str, Item]) -> None:
        """Make what is not there."""
        folders = []
        for place, item in left.items():
            if item.how is How.FRAMES:
                folders.append((place, item))
                continue
            with os_errors_as_failures(self.tree.to / place):
                await run_sync(self.tree.put, place, item, self.out)
        if folders:
            tool, several = await run_sync(find_ffmpeg, self.options), iter(folders)
            with unwrap_exception_group():
                async with guarding(self.tree.lock) as guard, anyio.create_task_group() as group:
                    for _ in range(int(self.lanes.encodes.total_tokens)):
                        group.start_soon(self._one_after_the_other, several, tool, guard)

    async def _one_after_the_other(
        self, folders: Iterator[tuple[str, Item]], tool: Path, guard: Guard
    ) -> None:
        for place, item in folders:
            async with self.lanes.encodes:
                await self.tree.put_frames(place, item, self.out, tool, guard)
            self.told(printable(place))


@asynccontextmanager
async def _opened(to: Path, name: str) -> AsyncIterator[_Tree]:
    """Open the tree of a recipe, making it if need be, and hold its lock."""
    with os_errors_as_failures(to):
        lock = await run_sync(_locked, to)
    try:
        with os_errors_as_failures(to):
            tree = await run_sync(_Tree, to, name, lock)
        yield tree
    finally:
        descriptors.close(lock)


def _locked(to: Path) -> int:
    atomic.make_directory(to)
    lock = atomic.opened(to / MANIFEST, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    with ExitStack() as unless_locked:
        unless_locked.callback(descriptors.close, lock)
        if not descriptors.lock(lock):
            raise BusyError(f"another export is running in {to}: wait for it or choose another --to")
        unless_locked.pop_all()
    return lock


class _Tree:
    """The tree of one recipe, and what is written down of it."""

    def __init__(self, to: Path, recipe: str, lock: int) -> None:
        self.to = to
        self.lock = lock
        self._written: dict[str, list[Record]] = {}
        """Of each place what was ever laid out there: a kill may have left what was there before."""
        whole, told = 0, None
        with os.fdopen(os.dup(lock), "rb") as manifest:
            manifest.seek(0)
            for record, offset in records(manifest):
                whole, told = offset, record.get("recipe", told)
                if isinstance(record.get("place"), str):
                    self._written.setdefault(record["place"], []).append(record)
        if whole < os.fstat(lock).st_size:  # half a line would run together with the next one
            os.ftruncate(lock, whole)
        if told not in {None, recipe}:
            raise StoreError(f"{to} contains an export of another recipe: choose another --to")
        if told is None:
            os.write(lock, line({"recipe": recipe}))

    def compared(self, out: Path, wanted: Mapping[str, Item], lists: Mapping[str, str]) -> dict[str, Item]:
        """Return what is not there, or not as it should be. Touches nothing.

        Raises `StoreError` where something is in the way that is not ours.
        """
        left = {place: item for place, item in wanted.items() if not self._is_right(place, item, out)}
        for place in (*left, *(place for place, text in lists.items() if not self._reads(place, text))):
            if os.path.lexists(self.to / place) and not self._is_ours(place):
                raise StoreError(
                    f"{self.to / place} was modified, or not created by this program:"
                    " move it away or choose another --to"
                )
        return left

    def without(self, wanted: set[str]) -> int:
        """Remove what is ours and wanted no more; return how much that was."""
        gone = [place for place in self._written if place not in wanted and self._is_ours(place)]
        for place in gone:
            _remove(self._path(place))
        return len(gone)

    def put(self, place: str, item: Item, out: Path) -> None:
        """Link or copy one file."""
        with self._made(place, item.sha256) as new:
            if item.how is How.LINK:
                atomic.link(out / item.source, new)
            else:
                atomic.copy(out / item.source, new)

    async def put_frames(self, place: str, item: Item, out: Path, tool: Path, guard: Guard) -> None:
        """Make one folder of frames, with the sound in it."""
        with os_errors_as_failures(self.to / place), self._made(place, item.sha256) as new:
            await run_sync(new.mkdir)
            await stills.write(tool, out / item.source, new, frames=item.frames, guard=guard)
            for name, source in item.beside.items():
                await run_sync(atomic.copy, out / source, new / name)

    def write_lists(self, lists: Mapping[str, str]) -> None:
        """Write the lists that are not as they should be."""
        for place, text in lists.items():
            if not self._reads(place, text):
                with self._made(place, "") as new:
                    new.write_text(text, encoding="utf-8", errors="surrogateescape")

    @contextmanager
    def _made(self, place: str, sha256: str) -> Iterator[Path]:
        """Give the name under which something is made; it is written down before it gets its own."""
        final = self._path(place)
        final.parent.mkdir(parents=True, exist_ok=True)
        with atomic.private_place(final) as new:
            yield new
            record = {"place": place, "sha256": sha256, "state": _state(new)}
            os.write(self.lock, line(record))
            self._written.setdefault(place, []).append(record)
            if new.is_dir():  # which takes no other folder's place that is not empty
                _remove(final)
                new.replace(final)
            else:
                atomic.publish(new, final)

    def _path(self, place: str) -> Path:
        """Return the path of a place. Raises `OSError` where somebody else's link is on the way to it."""
        final = self.to / place
        for part in reversed(final.parents):
            if part.is_relative_to(self.to) and part != self.to and os.path.lexists(part):
                atomic.require_trusted(part)
        return final

    def _is_ours(self, place: str) -> bool:
        """Whether what is there is still as it was laid out."""
        state = _state(self.to / place)
        return any(record.get("state") == state for record in self._written.get(place, ()))

    def _is_right(self, place: str, item: Item, out: Path) -> bool:
        """Whether what is there is what should be there."""
        path = self.to / place
        if not os.path.lexists(path):
            return False
        newest = self._written.get(place, [{}])[-1]
        if newest.get("sha256") == item.sha256 and newest.get("state") == _state(path):
            return True
        return item.how is How.LINK and path.is_file() and path.samefile(out / item.source)

    def _reads(self, place: str, text: str) -> bool:
        path = self.to / place
        due = text.encode("utf-8", "surrogateescape")
        return path.is_file() and atomic.has_size(str(path), len(due)) and path.read_bytes() == due


def _state(path: Path) -> list[object]:
    """Return by what one sees whether a file or folder is still as it was; nothing if it is not there."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return []
    if not stat.S_ISDIR(there.st_mode):
        return [there.st_size, there.st_mtime_ns]
    inside = [entry.stat(follow_symlinks=False) for entry in os.scandir(path)]
    newest = max((each.st_mtime_ns for each in inside), default=0)
    return [len(inside), sum(each.st_size for each in inside), newest]


def _remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
