"""Read and check the five text files of each subset; findings have file and line.

    RD_video_url.txt       Radio1 https://www.youtube.com/watch?v=CPCoMyuBRM0
    RD_resolution.txt      Radio1.mp4 720
    RD_annotion_time.txt   Radio11.mp4 00:30-01:00 01:30-02:30
    RD_crop_wh.txt         Radio11_1.mp4 557 478 0 478
    RD_crop_ratio.txt      Radio11_1.mp4 1.2

Existing copies differ in byte order marks, line ends, tabs and spaces; all of these are supported. There are
three kinds of problems: a line that is no row of its table raises `TableError`; a row with impossible or
dangerous values is skipped, with a finding; a row that is only suspicious is kept, with a finding. Returned
names and ids are safe in paths.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, TypeVar

from hdtf_async.core.exceptions import TableError
from hdtf_async.core.model import (
    SUBSETS,
    Box,
    Clip,
    Corrections,
    Finding,
    Interval,
    Severity,
    Source,
    Tables,
    Video,
)
from hdtf_async.core.steps import steps
from hdtf_async.core.text import quoted
from hdtf_async.dataset import corrections as _corrections
from hdtf_async.dataset.corrections import Published
from hdtf_async.dataset.fields import Findings, Row
from hdtf_async.dataset.text_files import lines, mode_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Corrections", "Row", "TableError", "read", "shipped"]

_WITHOUT = {
    "video_url": "no videos",
    "resolution": "no reference heights",
    "annotion_time": "no clips",
    "crop_wh": "no clips",
    "crop_ratio": "no zoom factors",
}
"""The tables of a subset, each with the consequence for the subset if it is missing."""

_K = TypeVar("_K", str, tuple[str, int])
_V = TypeVar("_V")


def shipped() -> Path:
    """Return the directory of the bundled tables.

    It is inside the package if installed from a wheel, and next to it in a checkout.
    """
    package = Path(__file__).parents[1]
    inside = package / "HDTF_dataset"
    return inside if inside.is_dir() else package.parent / "HDTF_dataset"


def read(source: Path | None = None, *, corrections: Corrections = Corrections.VERIFIED) -> Tables:
    """Read the tables in ``source`` (default: the bundled ones) and check every row.

    Videos and clips are in the order RD, WDA, WRA, then as in ``xx_video_url.txt``, clips of one video by
    index. Corrections come from ``corrections.csv`` in ``source``, otherwise from the bundled one. Raises
    `TableError` if there is no table, or for a line that is no row of its table. Reading blocks for some
    milliseconds; a caller with an event loop should read in a thread.
    """
    directory = shipped() if source is None else source
    shown = repr(str(directory))
    mode = mode_of(directory, shown)
    if mode is None or not stat.S_ISDIR(mode):
        raise TableError(shown, 0, "no such directory; expected the directory of the HDTF tables")
    published = Published()
    here = [subset for subset in SUBSETS if _read_subset(directory, subset, published)]
    if not here:
        names = ", ".join(f"{subset}_{kind}.txt" for subset in SUBSETS for kind in _WITHOUT)
        raise TableError(shown, 0, f"no tables in this directory; expected some of {names}")
    applied = _corrections.apply(published, _read_corrections(directory, corrections, published.findings))
    odd = Findings(_corrections.look_over(published, applied, corrections))
    findings = (*published.findings, *applied.findings, *odd)
    origin = _source_of(applied.videos, source)
    return Tables(applied.videos, applied.clips, findings, origin, in_hdtf_format=True)


def _source_of(videos: Iterable[Video], source: Path | None) -> Source | None:
    """Return what texts call the videos in `source`; None if they are HDTF's, all or some of them."""
    if source is None or mode_of(shipped(), "") is None:
        return None
    hdtf = {
        youtube_id
        for subset in SUBSETS
        for _, youtube_id in (
            _table(shipped(), f"{subset}_video_url.txt", Findings(), _video_url) or {}
        ).values()
    }
    if all(video.youtube_id in hdtf for video in videos):
        return None
    return Source(source.absolute().name)


def _read_subset(directory: Path, subset: str, published: Published) -> bool:
    """Add one subset's tables to ``published``; return whether there was any table."""
    findings = published.findings
    files = [f"{subset}_{kind}.txt" for kind in _WITHOUT]
    urls = _table(directory, files[0], findings, _video_url)
    heights = _table(directory, files[1], findings, _resolution)
    intervals = _table(directory, files[2], findings, _annotation)
    boxes = _table(directory, files[3], findings, _crop)
    zooms = _table(directory, files[4], findings, _ratio)
    tables = (urls, heights, intervals, boxes, zooms)
    if all(table is None for table in tables):
        message = f"All tables of {subset} are missing."
        findings.append(Finding(files[0], 0, Severity.WARNING, "missing_subset", message))
        return False
    for file, table, without in zip(files, tables, _WITHOUT.values(), strict=True):
        if table is None:
            message = f"Table missing: {subset} has {without}."
            findings.append(Finding(file, 0, Severity.WARNING, "missing_table", message))
    if urls is not None:
        _Subset(subset, files, urls, heights, intervals, boxes, zooms, published).join()
    return True


_Table = dict[_K, tuple[int, _V | None]]
"""The rows of a table by their key: the line number, and the value unless it was skipped."""


@dataclass(slots=True)
class _Subset:
    """The tables of one subset, before they are joined to videos and clips; None if one is missing."""

    subset: str
    files: list[str]
    urls: _Table[str, str]
    heights: _Table[str, int] | None
    intervals: _Table[str, list[Interval | None]] | None
    boxes: _Table[tuple[str, int], Box] | None
    zooms: _Table[tuple[str, int], float] | None
    published: Published
    by_lower_case: dict[str, str] = field(default_factory=dict)
    """The name of each video by its name in lower case."""

    def find(self, table: int, line: int, severity: Severity, code: str, message: str) -> None:
        self.published.findings.append(Finding(self.files[table], line, severity, code, message))

    def join(self) -> None:
        """Join the tables by name and index, and report rows without a match."""
        for table, named in ((1, self.heights), (2, self.intervals)):
            for name, (line, _) in steps((named or {}).items()):
                self.has_video(table, line, name)
        for table, keyed in ((3, self.boxes), (4, self.zooms)):
            for (name, index), (line, _) in steps((keyed or {}).items()):
                if self.has_video(table, line, name) and self.intervals is not None:
                    _, listed = self.intervals.get(name, (0, None))
                    if index >= len(listed or ()):
                        message = f"{name} has no interval {index}; row skipped."
                        self.find(table, line, Severity.ERROR, "unknown_interval", message)
        for name, (line, youtube_id) in steps(self.urls.items()):
            if youtube_id is not None:
                self.add_video(name, line, youtube_id)

    def has_video(self, table: int, line: int, name: str) -> bool:
        if name not in self.urls:
            message = f"{name} is not in {self.files[0]}; row skipped."
            self.find(table, line, Severity.ERROR, "unknown_video", message)
        return name in self.urls

    def add_video(self, name: str, line: int, youtube_id: str) -> None:
        # Removed instead of looked up, so that a long table is not in memory twice.
        height_line, height = (self.heights or {}).pop(name, (0, None))
        if self.heights is not None and not height_line:
            message = f"{name} has no row in {self.files[1]}: the scale of its crop boxes is unknown."
            self.find(0, line, Severity.WARNING, "no_height", message)
        video = Video(self.subset, name, youtube_id, height or 0)
        # Skipped on every system: if a file system ignores case, two downloads would share a directory, and
        # clips of one video would replace those of the other.
        first = self.by_lower_case.setdefault(name.lower(), name)
        if first != name:
            message = f"{name} differs from {first} only in case, which some file systems ignore"
            message += f"; {name} skipped."
            self.find(0, line, Severity.ERROR, "case_collision", message)
            return
        interval_line, intervals = (self.intervals or {}).pop(name, (0, None))
        if self.intervals is not None and not intervals:
            message = f"{name} has no interval in {self.files[2]}; skipped."
            self.find(0, line, Severity.NOTE, "no_interval", message)
        self.published.videos.append(video)
        stem, lines = video.stem, self.published.lines
        self.published.intervals[stem] = len(intervals or ())
        lines["video_url"][stem] = line
        lines["annotion_time"][stem] = interval_line
        lines["resolution"][stem] = 0 if height is None else height_line
        if self.boxes is None:
            return
        for index, interval in enumerate(intervals or ()):
            box_line, box = self.boxes.pop((name, index), (0, None))
            if interval is not None and not box_line:
                message = f"Interval {index} of {name} has no crop box; skipped."
                self.find(2, interval_line, Severity.NOTE, "no_box", message)
            if interval is not None and box is not None:
                _, zoom = (self.zooms or {}).pop((name, index), (0, None))
                clip = Clip(video, index, interval, box, zoom)
                self.published.clips.append(clip)
                lines["crop_wh"][clip.stem] = box_line


def _read_corrections(
    directory: Path, requested: Corrections, findings: Findings
) -> list[_corrections.Correction]:
    """Read the corrections of the requested levels; none if there is no such file."""
    if requested is Corrections.NONE:
        return []
    homes = [each for each in (directory, shipped()) if mode_of(each / _corrections.FILE, _corrections.FILE)]
    if not homes:
        return []
    rows = (
        Row(_corrections.FILE, line, [text], findings)
        for line, text in lines(homes[0] / _corrections.FILE, _corrections.FILE)
        if text.strip()
    )
    return [each for each in _corrections.parse(rows) if requested.includes(each.level)]


def _table(
    directory: Path,
    file: str,
    findings: Findings,
    read_row: Callable[[Row], tuple[_K | None, _V | None]],
) -> _Table[_K, _V] | None:
    """Read one table, None if it is missing; of rows with the same key the first is used."""
    if mode_of(directory / file, file) is None:
        return None
    rows: _Table[_K, _V] = {}
    for line, text in lines(directory / file, file):
        # Spaces and tabs only: other white space inside a name is checked with the name.
        fields = [each for each in text.rstrip("\n").replace("\t", " ").split(" ") if each]
        if not fields:
            continue
        row = Row(file, line, fields, findings)
        key, value = read_row(row)
        if key in rows:
            message = f"{quoted(fields[0])} already has a row in line {rows[key][0]}; duplicate skipped."
            row.refuse("duplicate_row", message)
        elif key is not None:
            rows[_shared(key)] = (line, value)
    return rows


def _shared(key: _K) -> _K:
    """Return the same key with an interned name, because all tables contain it."""
    return intern(key) if isinstance(key, str) else (intern(key[0]), key[1])


def _video_url(row: Row) -> tuple[str | None, str | None]:
    row.expect(2, "Radio1 https://www.youtube.com/watch?v=CPCoMyuBRM0")
    return row.name(row.fields[0]), row.youtube_id(row.fields[1])


def _resolution(row: Row) -> tuple[str | None, int | None]:
    row.expect(2, "Radio1.mp4 720")
    return row.name(row.fields[0]), row.height(row.fields[1])


def _annotation(row: Row) -> tuple[str | None, list[Interval | None]]:
    name, *texts = row.fields
    return row.name(name), [row.interval(text) for text in texts]


def _crop(row: Row) -> tuple[tuple[str, int] | None, Box | None]:
    row.expect(5, "Radio11_1.mp4 557 478 0 478")
    return row.key(row.fields[0]), row.box(row.fields[1:])


def _ratio(row: Row) -> tuple[tuple[str, int] | None, float | None]:
    row.expect(2, "Radio11_1.mp4 1.2")
    return row.key(row.fields[0]), row.zoom(row.fields[1])
