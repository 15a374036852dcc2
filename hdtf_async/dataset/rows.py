"""Lists of clips in one row format: `ClipRow`, and how rows become videos and clips.

A row is a `ClipRow`, a mapping, or an object with the same attributes, such as those of a data frame's
``itertuples()``. Values may be text, as in a CSV file. A row with an invalid value is skipped, with a finding
that names its line and column; no row is dropped silently. Returned names and ids are safe in paths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from sys import intern
from typing import TYPE_CHECKING, Any

from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.model import (
    Annotation,
    Clip,
    Finding,
    Severity,
    Source,
    Tables,
    Video,
)
from hdtf_async.core.splits import SHARED
from hdtf_async.core.steps import EVERY, checkpoint, steps
from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.fields import (
    GREATEST_HEIGHT,
    GREATEST_ZOOM,
    Findings,
    is_safe_name,
    youtube_id_of,
)
from hdtf_async.dataset.row_values import (
    A_NAME,
    LINE,
    OF_A_ROW,
    InvalidError,
    extra_of,
    interval_of,
    is_missing,
    name_of,
    number_of,
    point_of,
    refuse,
    region_of,
    side_of,
    text_of,
    whole_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def assemble(
    rows: Iterable[object],
    *,
    file: str = "clips",
    source: Source | None = None,
    findings: Findings | None = None,
) -> Tables:
    """Return the videos and clips of rows, in their order, and a finding for each row that was skipped.

    `file` is the name of the list in findings. The clips of one video and subset are numbered from 0,
    including skipped ones. `rows` may also be a pandas data frame. Blocks; a caller with an event loop should
    call it in a thread. Raises `OptionsError` if `rows` is no collection of rows.
    """
    assembly = _Assembly(file, Findings() if findings is None else findings)
    for number, row in enumerate(_rows(rows), start=1):
        if number % EVERY == 0:
            checkpoint()
        assembly.add(row, number)
    return assembly.tables(source or Source(""))


def _rows(rows: Iterable[object]) -> Iterable[object]:
    """Return the rows themselves, if this is a collection of rows."""
    of_a_frame: Callable[..., Iterable[object]] | None = getattr(rows, "itertuples", None)
    if of_a_frame is not None:
        return of_a_frame(index=False)
    if isinstance(rows, str | bytes | Mapping | ClipRow) or not isinstance(rows, Iterable):
        message = f"clips: expected a list of rows, such as [ClipRow(...)] (got {type(rows).__name__})"
        raise OptionsError(message)
    return rows


@dataclass(slots=True)
class _Assembly:
    file: str
    findings: Findings
    videos: dict[tuple[str, str], Video] = field(default_factory=dict)
    clips: list[Clip] = field(default_factory=list)
    numbers: Counter[str] = field(default_factory=Counter)
    """Number of rows of each video so far, by its stem."""
    names: dict[str, int] = field(default_factory=dict)
    """Line of each clip, by its stem in lower case: some file systems ignore case."""
    stems: dict[str, str] = field(default_factory=dict)
    """Stem of each source video, by its stem in lower case."""
    heights: dict[tuple[str, str], int] = field(default_factory=dict)
    """First reference height that a row gives, by video."""
    sides: dict[str, tuple[str, int]] = field(default_factory=dict)
    """First given split of each speaker, or of each video without one, and its line."""

    def tables(self, source: Source) -> Tables:
        """Return what was added."""
        later = {
            key: replace(video, reference_height=self.heights[key])
            for key, video in self.videos.items()
            if video.reference_height != self.heights.get(key, video.reference_height)
        }
        if later:  # the first row of these videos has no height
            changed = {id(self.videos[key]): video for key, video in later.items()}
            self.clips = [
                replace(clip, video=changed[id(clip.video)]) if id(clip.video) in changed else clip
                for clip in steps(self.clips)
            ]
            self.videos |= later
        return Tables(tuple(self.videos.values()), tuple(self.clips), tuple(self.findings), source)

    def add(self, row: object, number: int) -> None:
        """Add a row, or a finding that says why it is skipped."""
        values = _values(row)
        if values is None:
            expected = "a ClipRow, a mapping, or an object with such attributes"
            message = f"expected {expected} (got {type(row).__name__}); row skipped."
            self.find(number, Severity.ERROR, "bad_row", message)
            return
        place = values.get(LINE)
        line = place if isinstance(place, int) and place > 0 else number
        try:
            self._add(values, line)
        except InvalidError as error:
            message = f"column {error.column}: {error}; row skipped."
            self.find(line, Severity.ERROR, f"bad_{error.column}", message)

    def find(self, line: int, severity: Severity, code: str, message: str) -> None:
        self.findings.append(Finding(self.file, line, severity, code, message))

    def _add(self, values: Mapping[str, Any], line: int) -> None:
        video = self._video(values, line)
        index = self.numbers[video.stem]
        self.numbers[video.stem] += 1
        interval = interval_of(values)
        region, clipped = region_of(values)
        annotation = Annotation(
            region,
            point_of(values),
            name_of(values),
            text_of(values, "speaker"),
            side_of(values),
            extra_of(values),
        )
        zoom = number_of(values, "zoom", 0, GREATEST_ZOOM)
        if zoom == 0:
            refuse("zoom", values["zoom"], f"a number above 0 and at most {GREATEST_ZOOM}")
        clip = Clip(video, index, interval, None, zoom, annotation=annotation)
        stem = clip.stem.lower()
        if stem in self.names:
            message = f"{clip.stem} is also the name of the clip in line {self.names[stem]}"
            self.find(line, Severity.ERROR, "name_collision", f"{message} (case is ignored); row skipped.")
            return
        self.names[stem] = line
        if clipped:
            message = f"{clip.stem}: the box extends beyond the frame, and is clipped to it."
            self.find(line, Severity.NOTE, "box_clipped", message)
        self._note_split(annotation, video, line)
        self.clips.append(clip)

    def _note_split(self, annotation: Annotation, video: Video, line: int) -> None:
        """Report a speaker, or a video, who is in several given splits."""
        if annotation.split is None:
            return
        who = annotation.speaker or video.youtube_id
        side, first = self.sides.setdefault(who, (annotation.split, line))
        if side != annotation.split:
            message = f"{who} is in {annotation.split} here, and in {side} in line {first}."
            self.find(line, Severity.WARNING, SHARED, message)

    def _video(self, values: Mapping[str, Any], line: int) -> Video:
        text = values.get("video")
        youtube_id = youtube_id_of(f"{text}".strip())
        if youtube_id is None:
            refuse("video", text, "a YouTube id of 11 characters, or the URL of a YouTube video")
        subset = "" if is_missing(values.get("subset")) else f"{values['subset']}".strip()
        if subset and not is_safe_name(subset):
            refuse("subset", subset, A_NAME)
        key = (subset, youtube_id)
        height = whole_of(values, "ref_height", GREATEST_HEIGHT) or 0
        if height and (first := self.heights.setdefault(key, height)) != height:
            message = f"{youtube_id}: ref_height is {height} here, and {first} in another row;"
            self.find(line, Severity.NOTE, "ref_height_differs", f"{message} {first} is downloaded.")
        if key not in self.videos:
            # Names that begin with an underscore belong to this program, and those with a hyphen are options.
            name = youtube_id if youtube_id[0].isalnum() else f"id{youtube_id}"
            video = Video(intern(subset), name, youtube_id, height)
            other = self.stems.setdefault(video.stem.lower(), video.stem)
            if other != video.stem:
                message = f"{video.stem} differs from {other} only in case, which some file systems ignore"
                raise InvalidError("video", message)
            self.videos[key] = video
        return self.videos[key]


def _values(row: object) -> Mapping[str, Any] | None:
    """Return the columns of a row; None for an object that is none."""
    if isinstance(row, Mapping):
        return row
    if isinstance(row, ClipRow):
        return {each: getattr(row, each) for each in OF_A_ROW} | {LINE: row.line}
    as_dict: Callable[[], Mapping[str, Any]] | None = getattr(row, "_asdict", None)
    if as_dict is None and not hasattr(row, "__dict__"):
        return None
    values = dict(vars(row) if as_dict is None else as_dict())
    values.pop("Index", None)  # of a data frame's itertuples()
    return values
