"""Apply corrections to the tables, and report suspicious rows in the result.

A correction names the published row that it corrects, including the YouTube id, and applies only if the
tables still contain exactly that. A table that was already corrected, or another table with a video of the
same name, is never changed. This module opens no files; `tables` passes it the rows.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from hdtf_async.core.model import SUBSETS, Clip, Corrections, Finding, Severity, Video
from hdtf_async.core.steps import sorted_in_steps, steps
from hdtf_async.dataset.fields import Findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hdtf_async.dataset.fields import Row

FILE = "corrections.csv"
"""Name of the file of corrections, in the directory of the tables."""

HEAD = ["level", "subset", "name", "youtube_id", "index", "published", "new_index", "corrected", "source"]
"""Its header; the README of the bundled tables describes the columns."""

RENDITIONS = frozenset({144, 240, 360, 480, 720, 1080, 1440, 2160, 4320})
"""Heights in pixels of the formats that YouTube creates from a 16:9 video."""


_What = TypeVar("_What", Video, Clip)


@dataclass(frozen=True, slots=True)
class _Correction(Generic[_What]):
    line: int
    """Line of ``corrections.csv``, from 1."""
    level: Corrections
    published: _What
    """What the tables must contain for the correction to apply."""
    corrected: _What
    source: str
    """Its origin, sanitised for display."""

    def finding(self, severity: Severity, code: str, message: str) -> Finding:
        """Return a finding about this correction."""
        return Finding(FILE, self.line, severity, code, message)


@dataclass(frozen=True, slots=True)
class HeightCorrection(_Correction[Video]):
    """Another reference height for one video."""


@dataclass(frozen=True, slots=True)
class ClipCorrection(_Correction[Clip]):
    """Another box, or another interval and box, for one clip; several may replace one published clip.

    Neither clip has a zoom here: corrections contain none, and the table's own is kept.
    """


Correction = HeightCorrection | ClipCorrection


@dataclass(slots=True)
class Published:
    """The tables as published, with the line numbers for later findings."""

    videos: list[Video] = field(default_factory=list)
    clips: list[Clip] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    intervals: dict[str, int] = field(default_factory=dict)
    """Number of intervals in a video's row, with or without a box, by the video's stem."""
    lines: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    """Line of a video's or clip's row, by the kind of table, then the stem; 0 if there is no row."""

    def finding(self, kind: str, row: Video | Clip, severity: Severity, code: str, message: str) -> Finding:
        """Return a finding about the row of a video or clip in one kind of table."""
        subset = row.subset if isinstance(row, Video) else row.video.subset
        return Finding(f"{subset}_{kind}.txt", self.lines[kind].get(row.stem, 0), severity, code, message)


@dataclass(frozen=True, slots=True)
class Corrected:
    """The videos and clips after applying corrections, and a finding for each correction."""

    videos: tuple[Video, ...]
    clips: tuple[Clip, ...]
    findings: tuple[Finding, ...]


def parse(rows: Iterable[Row]) -> list[Correction]:
    """Read the rows of ``corrections.csv``, each a single field that contains its whole line."""
    found: list[Correction] = []
    head: list[str] = []
    for row in rows:
        try:
            cells = [cell.strip() for cell in next(csv.reader(row.fields, strict=True), [])]
        except csv.Error as error:
            raise row.malformed(f"invalid CSV row ({error}); check the quotes") from error
        if not head:
            head = cells
            if head != HEAD:
                raise row.malformed(f"wrong header; expected {','.join(HEAD)}")
        else:
            correction = _correction(row, cells)
            if correction is not None:
                found.append(correction)
    return found


def _correction(row: Row, cells: list[str]) -> Correction | None:
    """Read one correction; None, with a finding, if it contains an impossible value."""
    if len(cells) != len(HEAD):
        raise row.malformed(f"{len(cells)} columns, expected {len(HEAD)}: {','.join(HEAD)}")
    level, subset, name, youtube_id, index, published, new_index, corrected, source = cells
    if level not in ("verified", "unverified") or subset not in SUBSETS:
        message = f"expected a level (verified or unverified) and a subset ({', '.join(SUBSETS)}) first"
        raise row.malformed(f"invalid correction: {message}")
    # The output of ascii() cannot move the cursor; its own quotes are removed.
    place, shown = (row.line, Corrections(level)), ascii(source[:100])[1:-1]
    safe_name, safe_id = row.name(name), row.youtube_id(f"https://youtu.be/{youtube_id}")
    before, _, at = published.partition(" at ") if index or new_index else ("", "", published)
    height = row.height(at)
    if safe_name is None or safe_id is None or height is None:
        return None
    video = Video(subset, safe_name, safe_id, height)
    if not before:
        right = row.height(corrected)
        if right is None:
            return None
        return HeightCorrection(*place, video, replace(video, reference_height=right), shown)
    old, new = _clip(row, video, index, before), _clip(row, video, new_index, corrected)
    return None if old is None or new is None else ClipCorrection(*place, old, new, shown)


def _clip(row: Row, video: Video, index: str, text: str) -> Clip | None:
    """Read a clip from its index and a text such as ``00:05-01:35 389 776 0 776``."""
    first, *others = text.split() or [""]
    if len(others) != len(("left", "width", "top", "height")):
        message = "expected interval, left, width, top, height, such as 00:05-01:35 389 776 0 776"
        raise row.malformed(f"no clip in {text[:100]!a}; {message}, followed by ' at 720' if published")
    number, interval, box = row.index(index), row.interval(first), row.box(others)
    if number is None or interval is None or box is None:
        return None
    return Clip(video, number, interval, box)


def apply(published: Published, corrections: Iterable[Correction]) -> Corrected:
    """Replace the rows that are exactly those that the corrections name.

    An index in the video's row always belongs to its published interval. A correction that would give it to
    another interval is rejected, together with all others that replace the same clip. If two levels correct
    one row, the verified one applies. Videos and clips keep their order.
    """
    existing = {(video.stem, video.youtube_id) for video in steps(published.videos)}
    heights: list[HeightCorrection] = []
    clips: list[ClipCorrection] = []
    for each in sorted(corrections, key=lambda each: each.level is Corrections.UNVERIFIED):
        video = each.published if isinstance(each, HeightCorrection) else each.published.video
        if (video.stem, video.youtube_id) not in existing:
            continue
        if isinstance(each, HeightCorrection):
            heights.append(each)
        else:
            clips.append(each)
    findings = Findings()
    right = _right_heights(published, heights, findings)
    made = _replacements(published, clips, findings)
    place = {video: at for at, video in enumerate(steps(published.videos))}
    result = [
        (place[clip.video], new.index, _at_height(new, right.get(clip.video)))
        for clip in steps(published.clips)
        for new in made.get(clip, [clip])
    ]
    return Corrected(
        tuple(right[video].corrected if video in right else video for video in steps(published.videos)),
        tuple(clip for *_, clip in sorted_in_steps(result, key=lambda entry: entry[:2])),
        tuple(sorted(findings, key=lambda finding: finding.line)),
    )


def _at_height(clip: Clip, height: HeightCorrection | None) -> Clip:
    """Give a clip its video's corrected height; its level is then that of the less certain correction."""
    if height is None:
        return clip
    level = Corrections.UNVERIFIED if clip.correction == Corrections.UNVERIFIED else height.level
    return replace(clip, video=height.corrected, correction=level.value)


def _right_heights(
    published: Published, corrections: Sequence[HeightCorrection], findings: Findings
) -> dict[Video, HeightCorrection]:
    """Return the height correction that applies to each published video."""
    waiting = set(steps(published.videos))
    applied: dict[Video, HeightCorrection] = {}
    for each in corrections:
        if each.published not in waiting:
            findings.append(_not_applied(each, each.published.stem))
            continue
        waiting.remove(each.published)
        applied[each.published] = each
        message = (
            f"{each.published.stem}: reference height {each.published.reference_height} corrected to "
            f"{each.corrected.reference_height} ({each.level}: {each.source})."
        )
        findings.append(each.finding(Severity.NOTE, "corrected", message))
    return applied


def _replacements(
    published: Published, corrections: Sequence[ClipCorrection], findings: Findings
) -> dict[Clip, list[Clip]]:
    """Return the replacements of each published clip."""
    stems = {each.published.stem for each in corrections}
    waiting = {replace(clip, zoom=None): clip for clip in steps(published.clips) if clip.stem in stems}
    videos = {each.published.video.stem for each in corrections}
    used = {stem: set(range(published.intervals[stem])) for stem in videos}
    groups: dict[tuple[Corrections, Clip], list[ClipCorrection]] = {}
    for each in corrections:
        groups.setdefault((each.level, each.published), []).append(each)
    applied: dict[Clip, list[Clip]] = {}
    for (level, old), group in groups.items():
        clip = waiting.get(old)
        if clip is None:
            for each in group:
                findings.append(_not_applied(each, old.stem))
            continue
        reused = _reused(group, used[clip.video.stem])
        if reused is not None:
            message = (
                f"{old.stem} not corrected: index {reused.corrected.index} already belongs to another "
                f"interval; use the next free index."
            )
            findings.append(reused.finding(Severity.ERROR, "index_reused", message))
            continue
        del waiting[old]
        used[clip.video.stem].update(each.corrected.index for each in group)
        applied[clip] = [replace(each.corrected, zoom=clip.zoom, correction=level.value) for each in group]
        for each in group:
            message = (
                f"{old.stem} ({_shown(old)}) replaced by {each.corrected.stem} ({_shown(each.corrected)})"
            )
            findings.append(each.finding(Severity.NOTE, "corrected", f"{message}; {level}: {each.source}."))
    return applied


def _reused(group: Iterable[ClipCorrection], used: set[int]) -> ClipCorrection | None:
    """Return the first correction that assigns an index to a second interval."""
    given: set[int] = set()
    for each in group:
        old, new = each.published, each.corrected
        keeps = (new.index, new.interval) == (old.index, old.interval)
        if new.index in given or (new.index in used and not keeps):
            return each
        given.add(new.index)
    return None


def _not_applied(correction: Correction, stem: str) -> Finding:
    message = f"{stem}: correction not applied; the tables differ from the row that it corrects."
    return correction.finding(Severity.NOTE, "correction_not_applied", message)


def _shown(clip: Clip) -> str:
    box, interval = clip.box, clip.interval
    edges = "" if box is None else f", left {box.left} width {box.width} top {box.top} height {box.height}"
    return f"{interval.start:g} to {interval.end:g} s{edges}"


def look_over(published: Published, corrected: Corrected, requested: Corrections) -> Iterator[Finding]:
    """Report suspicious videos and clips among those whose rows are valid."""
    yield from _twins(published)
    yield from _odd_heights(published, corrected, requested)
    yield from _odd_boxes(published, corrected, requested)
    yield from _overlaps(published, corrected)


def _twins(published: Published) -> Iterator[Finding]:
    """Report videos that share a YouTube id."""
    by_id: dict[str, Video] = {}
    for video in steps(published.videos):
        first = by_id.setdefault(video.youtube_id, video)
        if first is not video:
            message = f"{first.stem} and {video.stem} are the same YouTube video ({video.youtube_id})"
            message += "; keep them in the same split."
            yield published.finding("video_url", video, Severity.NOTE, "shared_youtube_id", message)


def _odd_heights(published: Published, corrected: Corrected, requested: Corrections) -> Iterator[Finding]:
    """Report heights of 0 in the table, and heights that match no YouTube format."""
    for before, video in steps(zip(published.videos, corrected.videos, strict=True)):
        height, line = video.reference_height, published.lines["resolution"].get(video.stem, 0)
        if line and not before.reference_height and height:
            message = f"{video.stem} has reference height 0; corrected to {height}."
            yield published.finding("resolution", video, Severity.NOTE, "zero_height", message)
        elif line and not height:
            message = f"{video.stem} has reference height 0, so the scale of its boxes is unknown"
            message += f"{_hint(Corrections.VERIFIED, requested)}."
            yield published.finding("resolution", video, Severity.WARNING, "zero_height", message)
        elif height and height not in RENDITIONS:
            nearest = min(RENDITIONS, key=lambda standard: (abs(standard - height), standard))
            message = f"{video.stem}: height {height} matches no YouTube format; the nearest is {nearest}."
            yield published.finding("resolution", video, Severity.NOTE, "odd_height", message)


def _odd_boxes(published: Published, corrected: Corrected, requested: Corrections) -> Iterator[Finding]:
    """Report boxes that end below the frame; the tables do not contain its width."""
    for clip in steps(corrected.clips):
        height = clip.video.reference_height
        if height and clip.box is not None and clip.box.bottom > height:
            message = f"The crop box of {clip.stem} ends at row {clip.box.bottom} of a frame of {height} rows"
            message += f" and is invalid{_hint(Corrections.UNVERIFIED, requested)}."
            yield published.finding("crop_wh", clip, Severity.WARNING, "box_does_not_fit", message)


def _overlaps(published: Published, corrected: Corrected) -> Iterator[Finding]:
    """Report clips of one video that share frames."""
    latest: dict[str, Clip] = {}
    for clip in sorted_in_steps(corrected.clips, key=lambda clip: (clip.interval.start, clip.interval.end)):
        before = latest.get(clip.video.stem)
        if before is not None and clip.interval.start < before.interval.end:
            message = f"{before.stem} and {clip.stem} overlap in time and share frames."
            yield published.finding("annotion_time", clip.video, Severity.NOTE, "overlapping_clips", message)
        if before is None or before.interval.end < clip.interval.end:
            latest[clip.video.stem] = clip


def _hint(level: Corrections, requested: Corrections) -> str:
    """Name the option that may help, unless it was given."""
    return "" if requested.includes(level) else f"; `--corrections {level}` may have a correction"
