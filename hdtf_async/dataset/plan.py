"""What a run has to do, and in which order. Pure: the caller passes what already exists.

The order (`in_order`) uses an estimate from the tables alone (end of the last interval times the reference
height), because actual sizes are unknown until YouTube is queried.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from hdtf_async.core.clip_record import ClipRecord, point_to_json, row_to_json
from hdtf_async.core.exceptions import UnknownVideoError
from hdtf_async.core.failures import Action, Failure, Reason
from hdtf_async.core.fetch import BEFORE, Fetch, joined_seconds
from hdtf_async.core.model import SQUARE_RULES, SUBSETS, UNRECORDED, Crop, Severity, Square
from hdtf_async.core.steps import sorted_in_steps, steps
from hdtf_async.core.text import shown
from hdtf_async.dataset.geometry import fits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hdtf_async.core.model import Clip, Finding, OutputSettings, Tables, Video
    from hdtf_async.core.options import Options

BITS_PER_LINE = 500
"""Bits per second and row of height, at the low end of H.264 formats of a talking head (0.36 Mb/s at 720p).
Only suitable for a lower bound of the bytes to download."""


_FEW = 10
"""Number of subsets that a message lists."""
_ONE_IN = 4
"""One in this many videos is among those that are processed shortest first."""


@dataclass(frozen=True, slots=True)
class VideoJob:
    """All work for one YouTube video: it is downloaded once, however many rows name it."""

    videos: tuple[Video, ...]
    """The rows that name it, in table order. The source video is named after the first."""
    clips: tuple[Clip, ...]
    """The clips that are still to be created."""
    attempt: int = 1
    """Number of the attempt, from 1."""
    fetch: Fetch = Fetch.WHOLE
    """How much of the video is downloaded."""

    @property
    def youtube_id(self) -> str:
        """The id that all rows share."""
        return self.videos[0].youtube_id

    @property
    def stem(self) -> str:
        """File name of the source video without its extension."""
        return self.videos[0].stem

    @property
    def reference_height(self) -> int:
        """Height in pixels to which the boxes refer; the largest if rows differ."""
        return max(video.reference_height for video in self.videos)

    @property
    def last_second(self) -> float:
        """End of the last clip, in seconds of the video."""
        return max(clip.interval.end for clip in self.clips)

    @property
    def estimate(self) -> float:
        """Size of the job, in rows times seconds; only useful for comparisons."""
        return self.last_second * (self.reference_height or 1080)

    @property
    def least_bytes(self) -> int:
        """Lower bound of the bytes to download."""
        return self.least_bytes_of(self.fetch)

    def least_bytes_of(self, fetch: Fetch, there: Iterable[tuple[float, float]] = ()) -> int:
        """Return a lower bound of the bytes to download, if that much of the video is.

        `there` are the seconds of the video that partial files have already. The duration of the video, by
        which `Fetch.AUTO` decides, is unknown: the bound is that of sections.
        """
        seconds = self.last_second if fetch is Fetch.WHOLE else _seconds_around(self.clips, there)
        return int(seconds * (self.reference_height or 360) * BITS_PER_LINE / 8)


@dataclass(frozen=True, slots=True)
class Difference:
    """An existing clip whose settings, or table row, differ from the requested ones."""

    stem: str
    old: Mapping[str, object]
    new: Mapping[str, object]

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the values that differ."""
        new = {**UNRECORDED, **self.new}
        return tuple(key for key in new if self.old.get(key, UNRECORDED.get(key)) != new[key])

    @property
    def words(self) -> str:
        """Description of the differences, such as ``size unchanged -> 512``."""
        old, new = ({**UNRECORDED, **each} for each in (self.old, self.new))
        changes = (
            f"{key.replace('_', ' ')} {_text(old.get(key, 'not recorded'))} -> {_text(new[key])}"
            for key in self.keys
        )
        return ", ".join(changes) or "created by another version of this program"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do."""

    jobs: tuple[VideoJob, ...]
    """In the order in which videos start."""
    there: tuple[Clip, ...]
    """Clips that already exist with the requested settings."""
    given_up: tuple[tuple[Clip, Reason], ...]
    """Clips that an earlier run found permanently unavailable, which are not requested again."""
    impossible: tuple[tuple[Clip, Failure], ...]
    """Clips that cannot be created, whatever YouTube offers."""
    different: tuple[Difference, ...]
    """Selected clips that exist with other settings, and can be re-encoded."""
    outside: tuple[Difference, ...]
    """Clips outside the selection that exist with other settings: this run would not change them."""
    stale: Mapping[str, object]
    """Stem of each selected clip that exists with other settings, to its fingerprint."""

    @property
    def asked(self) -> int:
        """Number of selected clips."""
        return len(self.there) + len(self.given_up) + len(self.impossible) + len(self.clips)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips that are still to be created."""
        return tuple(clip for job in steps(self.jobs) for clip in job.clips)


def row(clip: Clip, settings: OutputSettings) -> dict[str, Any]:
    """Return the data of the tables that affect a clip with these settings."""
    about: dict[str, Any] = {
        "youtube_id": clip.video.youtube_id,
        "reference_height": clip.video.reference_height,
        # 30 and 30.0 are the same time, but different texts.
        "start": float(clip.interval.start),
        "end": float(clip.interval.end),
        **row_to_json(clip),
    }
    if clip.region is not None and clip.region.square is not Square.NO:
        about["square_rules"] = SQUARE_RULES
    if settings.crop is Crop.FACE:
        about["zoom"] = clip.zoom
        about |= point_to_json(clip)
    return about


def fingerprint(clip: Clip, settings: OutputSettings) -> str:
    """Return a short hash of the table row and of the options that change the clip.

    Versions of tools are not part of it: a newer ffmpeg is no reason to re-create all clips.
    """
    return _fingerprint(row(clip, settings), settings.to_json())


def require_known(tables: Tables, options: Options) -> None:
    """Raise `UnknownVideoError` for a video or subset in the options that is not in the tables."""
    if options.subsets and tables.source is not None:  # those of HDTF are checked with the options
        existing = {video.subset for video in steps(tables.videos)}
        for subset in options.subsets:
            if subset not in existing:
                listed = ", ".join(sorted(existing - {""})[:_FEW]) or "none"
                raise UnknownVideoError(f"--subset {subset!r}: no such subset in the list (it has {listed})")
    if options.videos:
        names = {
            name for video in steps(tables.videos) for name in (video.name, video.stem, video.youtube_id)
        }
        for name in options.videos:
            if name not in names:
                near = get_close_matches(name, names, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                where = "tables" if tables.source is None else "list"
                raise UnknownVideoError(f"--video {name!r}: no such video in the {where}{hint}")


def refused(tables: Tables, options: Options) -> tuple[Finding, ...]:
    """Return one finding for each skipped row, of the selected subsets."""
    subsets = {"", *wanted_subsets(options)}
    rows: dict[tuple[str, int], Finding] = {}
    for found in tables.findings:
        if found.severity is Severity.ERROR and subset_of(found.file) in subsets:
            before = rows.get((found.file, found.line))
            message = found.words if before is None else f"{before.words} {found.words}"
            rows[found.file, found.line] = replace(found, words=message)
    return tuple(rows.values())


def wanted_subsets(options: Options) -> tuple[str, ...]:
    """Return the selected subsets."""
    return options.subsets or SUBSETS


def subset_of(file: str) -> str:
    """Return the subset to which a table belongs; an empty string for the file of corrections."""
    subset = file.partition("_")[0]
    return subset if subset in SUBSETS else ""


def chosen(videos: Iterable[Video], options: Options) -> list[Video]:
    """Return the selected videos, in table order."""
    names = set(options.videos)
    found = [
        video
        for video in steps(videos)
        if (not options.subsets or video.subset in options.subsets)
        and (not names or names & {video.name, video.stem, video.youtube_id})
    ]
    return found if options.limit is None else found[: options.limit]


def listed(tables: Tables, options: Options) -> Iterable[Clip]:
    """Return the clips on the list of ``--only``; without it, all."""
    if options.only is None:
        return tables.clips
    names = options.only.sides
    return [
        clip for clip in steps(tables.clips) if clip.whole_stem in names or clip.video.youtube_id in names
    ]


def listed_videos(tables: Tables, options: Options) -> Iterable[Video]:
    """Return the videos with clips on the list of ``--only``; without it, all, in table order."""
    if options.only is None:
        return tables.videos
    return dict.fromkeys(clip.video for clip in listed(tables, options))


def select(tables: Tables, options: Options) -> tuple[Clip, ...]:
    """Return the selected clips, in table order, split into segments if requested."""
    among = listed(tables, options)
    # Only videos with clips count, so that --limit 5 does not select none.
    videos = set(chosen(dict.fromkeys(clip.video for clip in steps(among)), options))
    if options.shard is not None:
        videos = {video for video in steps(videos) if options.shard.owns(video.youtube_id)}
    clips = (clip.shortened(options.first, options.middle) for clip in steps(among) if clip.video in videos)
    return tuple(piece for clip in clips for piece in clip.divided(options.segment))


def others(tables: Tables, options: Options) -> set[str]:
    """Return the stems of the clips outside the selection."""
    whole = replace(options, subsets=(), videos=(), limit=None, only=None)
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
    """Decide what a run has to do.

    `there` has the journal's record of each existing clip by its stem, `failed` the record of each clip that
    failed in an earlier run.
    """
    settings = options.output_settings
    stated = settings.to_json()
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
            requested = row(clip, settings)
            recorded = ClipRecord.of(record).fingerprint
            if recorded == _fingerprint(requested, stated):
                present.append(clip)
                continue
            stale[clip.stem] = recorded
        failure = _impossible(clip, settings)
        reason = _given_up(failed.get(clip.stem), clip, options)
        if failure is not None:
            impossible.append((clip, failure))
        elif reason is not None:
            given_up.append((clip, reason))
        else:
            left.append(clip)
            if record is not None:
                different.append(Difference(clip.stem, record["form"], row(clip, settings) | stated))
    return Plan(
        jobs=tuple(video_jobs(tables, left, fetch_of(tables, options))),
        there=tuple(present),
        given_up=tuple(given_up),
        impossible=tuple(impossible),
        different=tuple(different),
        outside=tuple(_outside(there, {clip.stem for clip in steps(selected)}, stated)),
        stale=stale,
    )


def _fingerprint(requested: Mapping[str, Any], stated: Mapping[str, Any]) -> str:
    text = json.dumps([requested, stated], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _text(value: object) -> str:
    """Format a setting as its option would be written."""
    if value is None:
        return "unchanged"
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value).removesuffix(".0")
    # The journal may be from another user, and contain anything.
    return shown(text)


def _outside(
    existing: Mapping[str, Mapping[str, Any]], selected: set[str], stated: Mapping[str, Any]
) -> Iterator[Difference]:
    for stem, record in steps(existing.items()):
        if stem not in selected:
            difference = Difference(stem, record["form"], stated)
            if difference.keys:
                yield difference


def _impossible(clip: Clip, settings: OutputSettings) -> Failure | None:
    if settings.crop is not Crop.TABLE or clip.box is None:
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
    """Return the reason why a clip is not tried again, if there is one."""
    if record is None or options.retry_failed or record.get("youtube_id") != clip.video.youtube_id:
        return None
    reason = Reason(record["reason"])
    return reason if reason.advice.action is Action.NEVER else None


def in_order(jobs: Iterable[VideoJob]) -> list[VideoJob]:
    """Return jobs in the order in which they are processed.

    A fourth of them, evenly spread over all durations, come first, shortest first, so that encodes start
    early; then the others, longest first, so that the longest do not come last. ``benchmarks/scale.py``
    compares this order with others.
    """
    by_length = list(sorted_in_steps(jobs, key=lambda job: job.estimate))
    others = [job for place, job in enumerate(steps(by_length)) if place % _ONE_IN]
    return [*by_length[::_ONE_IN], *reversed(others)]


def fetch_of(tables: Tables, options: Options) -> Fetch:
    """Return how much of a video is downloaded: as the options say, otherwise the default for its list.

    Clips of HDTF are long parts of their videos, so whole ones cost little more, and serve any later change.
    Who asks for source videos to be kept wants to use them, perhaps with another program.
    """
    whole = tables.source is None or options.keep_raw is True
    return options.fetch or (Fetch.WHOLE if whole else Fetch.AUTO)


def video_jobs(tables: Tables, clips: Iterable[Clip], fetch: Fetch = Fetch.WHOLE) -> list[VideoJob]:
    """Return the jobs for the given clips of the tables, one per YouTube video."""
    rows: dict[str, list[Video]] = {}
    for video in steps(dict.fromkeys(clip.video for clip in steps(tables.clips))):
        rows.setdefault(video.youtube_id, []).append(video)
    clips_of: dict[str, list[Clip]] = {}
    for clip in steps(clips):
        clips_of.setdefault(clip.video.youtube_id, []).append(clip)
    return in_order(
        VideoJob(tuple(rows[name]), tuple(group), fetch=fetch) for name, group in steps(clips_of.items())
    )


def _seconds_around(clips: Iterable[Clip], there: Iterable[tuple[float, float]] = ()) -> float:
    """Return how many seconds of a video some clips need at least, without the margin after each.

    Those between the seconds that are there already do not count.
    """
    needed = [(max(0.0, clip.interval.start - BEFORE), clip.interval.end) for clip in clips]
    have = list(there)
    # What is added to the seconds that are there.
    return joined_seconds([*needed, *have]) - joined_seconds(have)
