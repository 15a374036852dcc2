"""What is left to do, and in which order. Pure: what is there already is told by the caller.

The order (`in_order`) rests on an estimate made from the tables alone (where the last interval ends, times
the reference height), for true sizes are not known before a video is asked for.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from hdtf_async.core.exceptions import UnknownVideoError
from hdtf_async.core.failures import Action, Failure, Reason
from hdtf_async.core.model import SUBSETS, Crop, Severity
from hdtf_async.core.steps import in_order as ordered
from hdtf_async.core.steps import steps
from hdtf_async.core.text import shown
from hdtf_async.dataset.geometry import fits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hdtf_async.core.model import Clip, Finding, Form, Tables, Video
    from hdtf_async.core.options import Options

BITS_PER_LINE = 500
"""Bits a second for each line of height, at the low end of what H.264 renditions of a talking head take
(0.36 Mb/s at 720 lines): good for a lower bound of what a run will fetch, and for no more."""


_ONE_IN = 4
"""Of so many videos one is among those that are taken from short to long."""


@dataclass(frozen=True, slots=True)
class VideoJob:
    """All that is to be done for one YouTube video: it is fetched once, however many rows name it."""

    videos: tuple[Video, ...]
    """The rows that name it, in table order. The raw is named after the first."""
    clips: tuple[Clip, ...]
    """The clips that are still to make."""
    attempt: int = 1
    """Which try this is, from 1."""

    @property
    def youtube_id(self) -> str:
        """The id that all rows share."""
        return self.videos[0].youtube_id

    @property
    def stem(self) -> str:
        """Name of the raw without its ending."""
        return self.videos[0].stem

    @property
    def reference_height(self) -> int:
        """Height in lines at which the boxes were measured; the largest where rows differ."""
        return max(video.reference_height for video in self.videos)

    @property
    def last_second(self) -> float:
        """Where the last clip ends, in seconds of the video."""
        return max(clip.interval.end for clip in self.clips)

    @property
    def estimate(self) -> float:
        """How large a job this is, in lines times seconds: only good for comparing."""
        return self.last_second * (self.reference_height or 1080)

    @property
    def least_bytes(self) -> int:
        """A lower bound of what fetching it takes."""
        return int(self.last_second * (self.reference_height or 360) * BITS_PER_LINE / 8)


@dataclass(frozen=True, slots=True)
class Difference:
    """A clip in the directory whose form, or table row, is not the one that is asked for."""

    stem: str
    old: Mapping[str, object]
    new: Mapping[str, object]

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of what differs."""
        return tuple(key for key in self.new if self.old.get(key) != self.new[key])

    @property
    def words(self) -> str:
        """What differs, such as ``size unchanged -> 512``."""
        told = (
            f"{key.replace('_', ' ')} {_said(self.old.get(key, 'not recorded'))} -> {_said(self.new[key])}"
            for key in self.keys
        )
        return ", ".join(told) or "created by another version of this program"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is going to do."""

    work: tuple[VideoJob, ...]
    """In the order in which it starts."""
    there: tuple[Clip, ...]
    """Clips that are there, in the form that is asked for."""
    given_up: tuple[tuple[Clip, Reason], ...]
    """Clips that an earlier run found to be gone for good, not asked for again."""
    impossible: tuple[tuple[Clip, Failure], ...]
    """Clips that cannot be had whatever the network says."""
    different: tuple[Difference, ...]
    """Clips of the chosen part that are there in another form, and can be made again."""
    outside: tuple[Difference, ...]
    """Clips of another part that are there in another form: nothing in this run would mend them."""
    stale: Mapping[str, object]
    """Stem of each clip of the chosen part that is there in another form, to the fingerprint of that form."""

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips that are still to make."""
        return tuple(clip for work in steps(self.work) for clip in work.clips)


def row(clip: Clip, form: Form) -> dict[str, Any]:
    """Return what the tables say of a clip, as far as it changes a clip of this form."""
    box = clip.box
    zoom = {"zoom": clip.zoom} if form.crop is Crop.FACE else {}
    return zoom | {
        "youtube_id": clip.video.youtube_id,
        "reference_height": clip.video.reference_height,
        # 30 and 30.0 are one time, but two texts.
        "start": float(clip.interval.start),
        "end": float(clip.interval.end),
        "box": [box.left, box.top, box.width, box.height],
    }


def fingerprint(clip: Clip, form: Form) -> str:
    """Return a short hash of the table row and of the options that change the clip.

    Versions of tools are not part of it: a newer ffmpeg is no reason to make all clips again.
    """
    return _fingerprint(row(clip, form), form.to_json())


def require_known(tables: Tables, options: Options) -> None:
    """Raise `UnknownVideoError` for a video that the options name and the tables do not have."""
    if options.videos:
        names = {
            name for video in steps(tables.videos) for name in (video.name, video.stem, video.youtube_id)
        }
        for name in options.videos:
            if name not in names:
                near = get_close_matches(name, names, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise UnknownVideoError(f"--video {name!r}: no such video in the tables{hint}")


def refused(tables: Tables, options: Options) -> tuple[Finding, ...]:
    """Return one finding for each row that was left out, of the subsets that the options ask for."""
    wanted = {"", *wanted_subsets(options)}
    rows: dict[tuple[str, int], Finding] = {}
    for found in tables.findings:
        if found.severity is Severity.ERROR and subset_of(found.file) in wanted:
            before = rows.get((found.file, found.line))
            words = found.words if before is None else f"{before.words} {found.words}"
            rows[found.file, found.line] = replace(found, words=words)
    return tuple(rows.values())


def wanted_subsets(options: Options) -> tuple[str, ...]:
    """Return the subsets that the options ask for."""
    return options.subsets or SUBSETS


def subset_of(file: str) -> str:
    """Return the subset that a table is of; an empty text for the table of corrections."""
    subset = file.partition("_")[0]
    return subset if subset in SUBSETS else ""


def chosen(videos: Iterable[Video], options: Options) -> list[Video]:
    """Return the videos of the part that the options ask for, in table order."""
    wanted = set(options.videos)
    found = [
        video
        for video in steps(videos)
        if (not options.subsets or video.subset in options.subsets)
        and (not wanted or wanted & {video.name, video.stem, video.youtube_id})
    ]
    return found if options.limit is None else found[: options.limit]


def select(tables: Tables, options: Options) -> tuple[Clip, ...]:
    """Return the clips of the part that the options ask for, in table order, divided as they say."""
    # Of videos that have clips: --limit 5 shall not come to none.
    videos = set(chosen(dict.fromkeys(clip.video for clip in steps(tables.clips)), options))
    if options.shard is not None:
        videos = {video for video in steps(videos) if options.shard.owns(video.youtube_id)}
    clips = (clip for clip in steps(tables.clips) if clip.video in videos)
    return tuple(piece for clip in clips for piece in clip.divided(options.segment))


def others(tables: Tables, options: Options) -> set[str]:
    """Return the stems of the clips that are of no part which the options ask for."""
    whole = replace(options, subsets=(), videos=(), limit=None)
    if options == whole:
        return set()
    chosen = {clip.stem for clip in steps(select(tables, options))}
    return {clip.stem for clip in steps(select(tables, whole)) if clip.stem not in chosen}


def make(
    tables: Tables,
    options: Options,
    *,
    there: Mapping[str, Mapping[str, Any]],
    failed: Mapping[str, Mapping[str, Any]],
) -> Plan:
    """Decide what is to be done.

    `there` has the journal's record of each clip (by its stem) that is in the directory, `failed` the
    record of each clip that an earlier run could not have.
    """
    form = options.form
    stated = form.to_json()
    present: list[Clip] = []
    given_up: list[tuple[Clip, Reason]] = []
    impossible: list[tuple[Clip, Failure]] = []
    different: list[Difference] = []
    stale: dict[str, object] = {}
    left: list[Clip] = []
    selected = select(tables, options)
    for clip in steps(selected):
        record = there.get(clip.stem)
        if record is not None:
            asked = row(clip, form)
            if record["metadata"].get("fingerprint") == _fingerprint(asked, stated):
                present.append(clip)
                continue
            stale[clip.stem] = record["metadata"].get("fingerprint")
        failure = _impossible(clip, form)
        reason = _given_up(failed.get(clip.stem), clip, options)
        if failure is not None:
            impossible.append((clip, failure))
        elif reason is not None:
            given_up.append((clip, reason))
        else:
            left.append(clip)
            if record is not None:
                different.append(Difference(clip.stem, record["form"], row(clip, form) | stated))
    return Plan(
        work=tuple(works(tables, left)),
        there=tuple(present),
        given_up=tuple(given_up),
        impossible=tuple(impossible),
        different=tuple(different),
        outside=tuple(_outside(there, {clip.stem for clip in steps(selected)}, stated)),
        stale=stale,
    )


def _fingerprint(asked: Mapping[str, Any], stated: Mapping[str, Any]) -> str:
    text = json.dumps([asked, stated], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _said(value: object) -> str:
    """Say a value of a form as its option would be told."""
    if value is None:
        return "unchanged"
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value).removesuffix(".0")
    # The journal of a directory that somebody else made may say anything.
    return shown(text)


def _outside(
    there: Mapping[str, Mapping[str, Any]], selected: set[str], stated: Mapping[str, Any]
) -> Iterator[Difference]:
    for stem, record in steps(there.items()):
        if stem not in selected:
            difference = Difference(stem, record["form"], stated)
            if difference.keys:
                yield difference


def _impossible(clip: Clip, form: Form) -> Failure | None:
    if form.crop is not Crop.TABLE:
        return None
    if clip.video.reference_height == 0:
        return Failure(Reason.HEIGHT_UNKNOWN, "reference height 0")
    if not fits(clip.box, clip.video.reference_height):
        box = clip.box
        return Failure(
            Reason.BOX_DOES_NOT_FIT,
            f"columns {box.left} to {box.right} and rows {box.top} to {box.bottom}"
            f" in a frame of height {clip.video.reference_height}",
        )
    return None


def _given_up(record: Mapping[str, Any] | None, clip: Clip, options: Options) -> Reason | None:
    """Return the reason for which a clip is not tried again, if there is one."""
    if record is None or options.retry_failed or record.get("youtube_id") != clip.video.youtube_id:
        return None
    reason = Reason(record["reason"])
    return reason if reason.advice.action is Action.NEVER else None


def in_order(works: Iterable[VideoJob]) -> list[VideoJob]:
    """Return works in the order in which they are taken.

    A fourth of them, evenly spread over all lengths, from short to long, so that there is something to cut
    from the start; then the others longest first, so that what takes longest is not what begins last.
    ``benchmarks/scale.py`` holds this order against others.
    """
    by_length = list(ordered(works, key=lambda work: work.estimate))
    others = [work for place, work in enumerate(steps(by_length)) if place % _ONE_IN]
    return [*by_length[::_ONE_IN], *reversed(others)]


def works(tables: Tables, clips: Iterable[Clip]) -> list[VideoJob]:
    """Return what is to be done for some clips of the tables, one work for each YouTube video."""
    rows: dict[str, list[Video]] = {}
    for video in steps(dict.fromkeys(clip.video for clip in steps(tables.clips))):
        rows.setdefault(video.youtube_id, []).append(video)
    wanted: dict[str, list[Clip]] = {}
    for clip in steps(clips):
        wanted.setdefault(clip.video.youtube_id, []).append(clip)
    return in_order(VideoJob(tuple(rows[name]), tuple(group)) for name, group in steps(wanted.items()))
