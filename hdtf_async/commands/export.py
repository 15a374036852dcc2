"""Export a directory's clips in the layout that a code base expects: links, copies, frames and lists.

Files that it did not create are never overwritten or removed. Everything is recorded in ``_export.jsonl``,
before it gets its final name, with sizes and dates. A file that still matches its record is replaced if it
should differ, and removed if it is no longer needed. Any other existing file is the user's, and the export
fails before it has changed anything. So it can be run again, after a kill or when there are more clips.
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

from hdtf_async.commands import export_shards, export_tables
from hdtf_async.core import descriptors
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.exceptions import BusyError, FormError, OptionsError, StoreError, unwrap_exception_group
from hdtf_async.core.job import require_asyncio
from hdtf_async.core.jsonlines import line, records
from hdtf_async.core.options import Options
from hdtf_async.core.recipes import FORMATS, LAYOUTS, STILLS, How
from hdtf_async.core.splits import NameList, Split
from hdtf_async.core.text import count, printable, shown
from hdtf_async.dataset import name_checks, reading
from hdtf_async.lanes.limits import Lanes
from hdtf_async.media import stills
from hdtf_async.media.ffmpeg import find_ffmpeg
from hdtf_async.output import atomic, directory
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.journal import SOURCE_VIDEOS
from hdtf_async.output.location import local_directory
from hdtf_async.process.guard import guarding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from os import PathLike
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Source
    from hdtf_async.core.recipes import Item, Recipe
    from hdtf_async.output.journal import JournalIndex
    from hdtf_async.process.guard import Guard

MANIFEST = "_export.jsonl"
OF_ALL_CLIPS = {"webdataset": export_shards.items, "tables": export_tables.items}
"""Recipes whose files contain several clips, and what returns these files."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of an export."""

    recipe: str
    sides: dict[str, int]
    """Number of clips for training, validation and testing."""
    items: Counter[How]
    """Files and directories of the layout besides the lists, by how they are made."""
    new: int
    """Number of them that were missing or outdated."""
    removed: int
    """Number of those that were no longer needed."""

    @property
    def words(self) -> str:
        """A summary for the user."""
        shares = ", ".join(f"{number} {side}" for side, number in self.sides.items())
        kinds = ", ".join(f"{number} {how}" for how, number in self.items.items())
        clips = sum(self.sides.values())
        return f"{count(clips, 'clip')} ({shares}): {kinds}; {self.new} new, {self.removed} removed"


async def export(  # noqa: PLR0913 - the options of the command
    out: str | PathLike[str],
    to: str | PathLike[str],
    recipe: str,
    options: Options | None = None,
    *,
    stills: int = STILLS,
    lanes: Lanes | None = None,
    on_directory: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Export the clips of the directory `out` to `to`, in the layout of a recipe.

    The recipes are those of code bases (see `core.recipes`), and ``frames``, ``webdataset`` and ``tables``.
    Only the options in `constants.USED_BY_EXPORT` are used; without a split, that of `out` is used, otherwise
    the default. `stills` is the number of frames of each clip, for ``frames``. `on_directory` is called with
    each directory of frames that was created.

    Raises `FormError` if the settings of the clips do not fit the recipe, `StoreError` if another file is in
    the way, `TableError`, `OptionsError`, and `Failure` for a local error.
    """
    require_asyncio()
    if recipe not in LAYOUTS:
        raise OptionsError(f"--recipe: expected {', '.join(LAYOUTS)} (got {shown(recipe)})")
    layout, options = LAYOUTS[recipe], options or Options()
    out, to = await run_sync(_absolute, local_directory(out), local_directory(to))
    index = await run_sync(directory.read_known, out)
    existing = sorted(index.existing_clips().items())
    clips = {stem: ClipRecord.of(record) for stem, record in existing if _is_name(stem)}
    _require_settings(recipe, layout, clips, out, index.source)
    if to.is_relative_to(out):
        raise StoreError(f"{to} is inside {out}: choose another --to")
    stems = await run_sync(_divided, index, clips, options)
    expected = {
        place: item for stem, clip in clips.items() for place, item in layout.items(stem, clip, stills)
    }
    if recipe in OF_ALL_CLIPS:
        expected |= await run_sync(OF_ALL_CLIPS[recipe], clips, stems)
    lists = layout.lists_of(stems, str(to))
    async with _opened(to, recipe) as tree:
        with os_errors_as_failures(to):
            left = await run_sync(tree.compared, out, expected, lists)
            removed = await run_sync(tree.without, {*expected, *lists})
        await _Making(tree, out, options, lanes or Lanes.of(options), on_directory).all(left)
        with os_errors_as_failures(to):
            await run_sync(tree.write_lists, lists)
    return Exported(
        recipe=recipe,
        sides={side: len(several) for side, several in stems.items()},
        items=Counter(item.how for item in expected.values()),
        new=len(left),
        removed=removed,
    )


def _absolute(*paths: Path) -> list[Path]:
    return [path.resolve() for path in paths]


def _is_name(stem: str) -> bool:
    """Whether a stem is a plain file name; the journal may be from another user."""
    return "/" not in stem


def _require_settings(
    name: str, recipe: Recipe, clips: Mapping[str, ClipRecord], out: Path, source: Source | None
) -> None:
    """Raise `FormError` unless there are clips, all with the settings that a recipe requires.

    `source` is where the clips are from, None for HDTF: only then the command that creates them is known.
    """
    options = "" if name in FORMATS else f" --recipe {name}"
    remedy = f"python -m hdtf_async --out {out}{options}"
    if not clips:
        raise FormError(f"{out} contains no clips; to create them: {remedy}")
    wrong = {stem: flaws for stem, clip in clips.items() if (flaws := [*recipe.flaws(clip)])}
    if wrong:
        first = next(iter(wrong))
        # Segments have other names, so they cannot replace the clips of a directory.
        videos = out / SOURCE_VIDEOS
        whole = recipe.segment is not None and all(clip.segment is None for clip in clips.values())
        changes = f"--recipe {name} --raw-dir {videos}" if whole else f"--recipe {name} --recut"
        if source is not None:
            elsewhere = " and another --out" if whole else ""
            again = f"run the command that created them again, with {changes}{elsewhere}"
        elif whole:
            again = f"to create others: python -m hdtf_async --out NEW {changes}"
        else:
            again = f"to re-encode them: {remedy} --recut"
        raise FormError(
            f"{len(wrong)} of the {len(clips)} clips in {out} were made with settings that do not fit {name}"
            f" (e.g. {shown(first)}: {', '.join(wrong[first])}); {again}"
        )


def _divided(index: JournalIndex, clips: Mapping[str, ClipRecord], options: Options) -> dict[str, list[str]]:
    split = options.divided or index.split or Split()
    if index.split is not None:
        split = replace(split, same=index.split.same)
    read = reading.read(options)
    if isinstance(options.split, NameList):
        recorded = {*clips, *index.failures, *(clip.whole_stem for clip in clips.values())}
        recorded |= {clip.youtube_id or "" for clip in clips.values()}
        recorded |= {f"{record.get('youtube_id')}" for record in index.failures.values()}
        name_checks.require_listed("--split", options.split, recorded | name_checks.names_of(read))
    if read.source is None:
        split = split.knowing(read.videos)
    return split.lists({stem: clip.member for stem, clip in clips.items()})


@dataclass(frozen=True, slots=True)
class _Making:
    """Create what is missing: links and copies one by one, frames as encode tokens become available."""

    tree: _Tree
    out: Path
    options: Options
    lanes: Lanes
    announce: Callable[[str], None]

    async def all(self, left: Mapping[str, Item]) -> None:
        """Create the missing files."""
        folders = []
        for place, item in left.items():
            if item.how in {How.FRAMES, How.STILLS}:
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
            self.announce(printable(place))


@asynccontextmanager
async def _opened(to: Path, name: str) -> AsyncIterator[_Tree]:
    """Open the export of a recipe, creating it if needed, and hold its lock."""
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
    """The export of one recipe, and its record."""

    def __init__(self, to: Path, recipe: str, lock: int) -> None:
        self.to = to
        self.lock = lock
        self._written: dict[str, list[Record]] = {}
        """For each path everything that was ever exported there: a kill may have left the previous file."""
        whole, recorded = 0, None
        with os.fdopen(os.dup(lock), "rb") as manifest:
            manifest.seek(0)
            for record, offset in records(manifest):
                whole, recorded = offset, record.get("recipe", recorded)
                if isinstance(record.get("place"), str):
                    self._written.setdefault(record["place"], []).append(record)
        if whole < os.fstat(lock).st_size:  # half a line would merge with the next one
            os.ftruncate(lock, whole)
        if recorded not in {None, recipe}:
            raise StoreError(f"{to} contains an export of another recipe: choose another --to")
        if recorded is None:
            os.write(lock, line({"recipe": recipe}))

    def compared(self, out: Path, expected: Mapping[str, Item], lists: Mapping[str, str]) -> dict[str, Item]:
        """Return what is missing or outdated. Changes nothing.

        Raises `StoreError` if a file is in the way that was not exported.
        """
        left = {place: item for place, item in expected.items() if not self._is_right(place, item, out)}
        for place in (*left, *(place for place, text in lists.items() if not self._reads(place, text))):
            if os.path.lexists(self.to / place) and not self._is_ours(place):
                raise StoreError(
                    f"{self.to / place} was modified, or not created by this program:"
                    " move it away or choose another --to"
                )
        return left

    def without(self, expected: set[str]) -> int:
        """Remove exported files that are no longer needed; return their number."""
        gone = [place for place in self._written if place not in expected and self._is_ours(place)]
        for place in gone:
            _remove(self._path(place))
        return len(gone)

    def put(self, place: str, item: Item, out: Path) -> None:
        """Link or copy one file."""
        with self._made(place, item.sha256) as new:
            if item.write is not None:
                item.write(out, new)
            elif item.how is How.LINK:
                atomic.link(out / item.source, new)
            else:
                atomic.copy(out / item.source, new)

    async def put_frames(self, place: str, item: Item, out: Path, tool: Path, guard: Guard) -> None:
        """Create one directory of frames, including its audio."""
        with os_errors_as_failures(self.to / place), self._made(place, item.sha256) as new:
            await anyio.Path(new).mkdir()
            clip = out / item.source
            await stills.write(tool, clip, new, item, guard)
            for name, source in item.beside.items():
                await run_sync(atomic.copy, out / source, new / name)

    def write_lists(self, lists: Mapping[str, str]) -> None:
        """Write the lists that have changed."""
        for place, text in lists.items():
            if not self._reads(place, text):
                with self._made(place, "") as new:
                    new.write_text(text, encoding="utf-8", errors="surrogateescape")

    @contextmanager
    def _made(self, place: str, sha256: str) -> Iterator[Path]:
        """Provide a temporary path for an item; it is recorded before it gets its final name."""
        final = self._path(place)
        final.parent.mkdir(parents=True, exist_ok=True)
        with atomic.private_place(final) as new:
            yield new
            record = {"place": place, "sha256": sha256, "state": _state(new)}
            os.write(self.lock, line(record))
            self._written.setdefault(place, []).append(record)
            if new.is_dir():  # which replaces no other directory that is not empty
                _remove(final)
                new.replace(final)
            else:
                atomic.publish(new, final)

    def _path(self, place: str) -> Path:
        """Return the path of an item. Raises `OSError` if another user's link is on the way to it."""
        final = self.to / place
        for part in reversed(final.parents):
            if part.is_relative_to(self.to) and part != self.to and os.path.lexists(part):
                atomic.require_trusted(part)
        return final

    def _is_ours(self, place: str) -> bool:
        """Whether the existing file is unchanged since it was exported."""
        state = _state(self.to / place)
        return any(record.get("state") == state for record in self._written.get(place, ()))

    def _is_right(self, place: str, item: Item, out: Path) -> bool:
        """Whether the existing file is up to date."""
        path = self.to / place
        if not os.path.lexists(path):
            return False
        newest = self._written.get(place, [{}])[-1]
        if newest.get("sha256") == item.sha256 and newest.get("state") == _state(path):
            return True
        return item.how is How.LINK and path.is_file() and path.samefile(out / item.source)

    def _reads(self, place: str, text: str) -> bool:
        path = self.to / place
        expected = text.encode("utf-8", "surrogateescape")
        return path.is_file() and atomic.has_size(str(path), len(expected)) and path.read_bytes() == expected


def _state(path: Path) -> list[object]:
    """Return size and dates of a file or directory; empty if it does not exist."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return []
    if not stat.S_ISDIR(status.st_mode):
        return [status.st_size, status.st_mtime_ns]
    inside = [entry.stat(follow_symlinks=False) for entry in os.scandir(path)]
    newest = max((each.st_mtime_ns for each in inside), default=0)
    return [len(inside), sum(each.st_size for each in inside), newest]


def _remove(path: Path) -> None:
    """Remove a file or directory, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
