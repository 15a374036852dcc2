"""The plan of a run: as one JSON object, and as text."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from hdtf_async.core.fetch import Fetch
from hdtf_async.core.model import Severity
from hdtf_async.core.steps import steps
from hdtf_async.core.text import count, format_bytes, format_duration
from hdtf_async.dataset.plan import fetch_of
from hdtf_async.dataset.sizes import clip_bytes
from hdtf_async.media.sections import is_worth_it, seconds_needed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hdtf_async.core.model import Clip, Tables
    from hdtf_async.core.options import Options
    from hdtf_async.dataset.plan import Plan, VideoJob


@dataclass(frozen=True, slots=True)
class Existing:
    """What the plan says about existing files."""

    own: Sequence[Mapping[str, str]] = ()
    """The use of each of the user's own files."""
    to_fetch: Sequence[VideoJob] | None = None
    """The videos that must be downloaded; None for all."""
    parts: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """The seconds of each video that partial files have, by YouTube id."""


def plan_to_json(
    read: Tables, decided: Plan, options: Options, existing: Existing = Existing()
) -> dict[str, Any]:
    """Return the plan as one JSON object."""
    own, parts = existing.own, existing.parts
    downloads = decided.jobs if existing.to_fetch is None else existing.to_fetch
    # For these only the audio is downloaded.
    own_videos = {each["video"] for each in own if each["kind"] == "video"}
    fetched = [job for job in downloads if job.stem not in own_videos]
    wanted = decided.clips
    clips: list[Clip] = [*wanted, *(clip for clip, _ in (*decided.impossible, *decided.given_up))]
    videos = Counter(video.subset for video in {clip.video for clip in clips})
    return {
        "videos_listed": len(read.videos),
        "videos": len({clip.video for clip in clips}),
        "clips": len(clips),
        "hours": round(sum(clip.interval.seconds for clip in clips) / 3600, 4),
        "downloads": len(downloads),
        "at_hand": len(decided.jobs) - len(downloads),
        "fetch": fetch_of(read, options).value,
        "by_sections": sum(_is_by_sections(job) for job in fetched),
        "least_bytes": sum(job.least_bytes_of(job.fetch, parts.get(job.youtube_id, ())) for job in fetched),
        "least_bytes_by_fetch": {
            fetch.value: sum(job.least_bytes_of(fetch, parts.get(job.youtube_id, ())) for job in fetched)
            for fetch in (Fetch.WHOLE, Fetch.SECTIONS)
        },
        "clip_bytes": _clip_bytes(wanted, options),
        "least_hours_at_pace": round(len(downloads) * options.pace / 3600, 2),
        "raw_dir": list(own),
        "there": len(decided.there),
        "cannot_be_had": {
            clip.stem: reason.value
            for clip, reason in (
                *((clip, failure.reason) for clip, failure in decided.impossible),
                *decided.given_up,
            )
        },
        "other_form": len(decided.different) + len(decided.outside),
        "subsets": {
            subset: {"videos": videos[subset], "clips": number}
            for subset, number in sorted(Counter(clip.video.subset for clip in clips).items())
        },
        "findings": [asdict(finding) for finding in read.findings],
    }


def _is_by_sections(job: VideoJob) -> bool:
    """Whether only sections of a video are downloaded, however long it is."""
    if job.fetch is not Fetch.AUTO:
        return job.fetch is Fetch.SECTIONS
    needed = seconds_needed([clip.interval for clip in job.clips], job.last_second)
    return is_worth_it(needed, job.last_second)


def _in_words(by_sections: int, downloads: int) -> str:
    """Describe of which videos only sections are downloaded."""
    if by_sections == downloads:
        return "only sections of each video"
    condition = "where that saves half of the bytes"
    if not by_sections:
        return f"only sections {condition}"
    return f"only sections of {by_sections} of {downloads} videos; of the others {condition}"


def plan_summary(plan: dict[str, Any]) -> str:
    """Return the plan as text: problems, unavailable clips, and the totals last."""
    lines = [
        f"{finding['severity']:>7}  {finding['file']}:{finding['line']}  {finding['words']}"
        for finding in plan["findings"]
    ]
    lines += [f"{'set':>7}  {name} is set by {origin}" for name, origin in plan["settings"].items()]
    lines += [
        f"{'unused':>7}  {each['video']}: {each['file']}: {each['unused']}"
        for each in plan["raw_dir"]
        if each["unused"]
    ]
    lines += [f"missing  {stem}: {reason}" for stem, reason in plan["cannot_be_had"].items()]
    lines += [
        "",
        f"{plan['videos']} of {count(plan['videos_listed'], 'video')}, {count(plan['clips'], 'clip')},"
        f" {format_duration(3600 * plan['hours'])}",
    ]
    if skipped := sum(each["number"] for each in plan["findings"] if each["severity"] == Severity.ERROR):
        lines.append(f"{count(skipped, 'row')} skipped: see the errors above")
    lines += [
        f"  {name or 'none':<4} {counts['videos']:>4} videos, {counts['clips']:>4} clips"
        for name, counts in plan["subsets"].items()
        if name or len(plan["subsets"]) > 1
    ]
    if plan["at_hand"]:
        lines.append(f"{plan['at_hand']} of these videos need no download")
    if plan["there"]:
        lines.append(f"{plan['there']} more clips are already present")
    if plan["cannot_be_had"]:
        lines.append(f"{len(plan['cannot_be_had'])} of these clips are unavailable: see above")
    if plan["clip_bytes"]:
        lines.append(
            f"the clips will take about {format_bytes(plan['clip_bytes'])}, by the rule in docs/disk.md"
        )
    if plan["other_form"]:
        lines.append(
            f"{plan['other_form']} existing clips were made with different settings:"
            " without --recut a run exits with code 2"
        )
    lines.append(
        f"{count(plan['downloads'], 'download')}, at least {format_bytes(plan['least_bytes'])} in total;"
        f" starting them takes at least {format_duration(3600 * plan['least_hours_at_pace'])} (--pace)"
    )
    if plan["fetch"] == Fetch.AUTO and plan["downloads"]:
        lines.append(f"--fetch auto: {_in_words(plan['by_sections'], plan['downloads'])}")
    by_fetch = plan["least_bytes_by_fetch"]
    if by_fetch["sections"] < by_fetch["whole"]:
        sizes = ", ".join(f"--fetch {fetch} {format_bytes(size)}" for fetch, size in by_fetch.items())
        lines.append(f"download at least: {sizes}")
    return "\n".join(lines)


def _clip_bytes(clips: Sequence[Clip], options: Options) -> int | None:
    """Estimate the bytes of all clips; None if that is impossible with these options."""
    total, settings = 0.0, options.output_settings
    for clip in steps(clips):
        size = clip_bytes(clip, settings)
        if size is None:
            return None
        total += size
    return int(total)
