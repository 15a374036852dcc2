"""Names in the options against the tables: unknown ones, and speakers on several given lists. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from hdtf_async.core.exceptions import OptionsError, UnknownVideoError
from hdtf_async.core.model import Finding, SceneCuts, Severity
from hdtf_async.core.splits import SHARED, Member, NameList
from hdtf_async.core.steps import steps
from hdtf_async.dataset.plan import require_known

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hdtf_async.core.model import Clip, Tables
    from hdtf_async.core.options import Options

MOST_SHARED = 20
"""Maximum number of speakers that are named in findings."""
UNDISTINGUISHED = "Radio"
"""The group of all clips of RD."""
_FEW = 5
"""Maximum number of entries of a list that a message names."""
_PART = re.compile(r"_s[0-9]{3,}$")
"""End of the name of a part of a clip."""


def checked(tables: Tables, options: Options) -> Tables:
    """Return the tables with a finding for each speaker who is on several of the lists of ``--split``.

    Raises `UnknownVideoError` for a video, or for a line of a list, that is not in the tables; `OptionsError`
    for a clip with the name of a part of another one.
    """
    require_known(tables, options)
    if options.scene_cuts is SceneCuts.SPLIT:
        _require_names_of_parts(tables)
    for option, listed in (("--only", options.only), ("--split", options.split)):
        if isinstance(listed, NameList):
            require_listed(option, listed, names_of(tables))
    return replace(tables, findings=(*tables.findings, *_shared(tables, options)))


def _require_names_of_parts(tables: Tables) -> None:
    """Raise `OptionsError` if a part of a clip could have the name of another clip, case ignored."""
    like_parts = {
        _PART.sub("", clip.stem.lower()): clip
        for clip in steps(tables.clips)
        if clip.segment is None and _PART.search(clip.stem.lower())
    }
    for clip in steps(tables.clips) if like_parts else ():
        other = like_parts.get(clip.stem.lower())
        if other is not None:
            raise OptionsError(
                f"--scene-cuts split: a part of {clip.stem} would have the name of the clip {other.stem};"
                " rename one of them in the list"
            )


def names_of(tables: Tables) -> set[str]:
    """Return the stems and YouTube ids of all clips."""
    return {name for clip in steps(tables.clips) for name in (clip.stem, clip.video.youtube_id)}


def require_listed(option: str, listed: NameList, names: Collection[str]) -> None:
    """Raise `UnknownVideoError` for an entry of a list that is not among the names of clips and videos."""
    unknown = [entry for entry in steps(listed.entries) if entry.name not in names]
    if unknown:
        first, *others = unknown
        near = get_close_matches(first.name, names, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        places = ", ".join(each.place for each in others[:_FEW])
        more = f" (and {len(others)} more: {places})" if others else ""
        message = f"{first.name!r} is neither a clip nor a YouTube id in the tables{hint}{more}"
        raise UnknownVideoError(f"{option}: {first.place}: {message}")


def _shared(tables: Tables, options: Options) -> Iterator[Finding]:
    """Yield a finding for each speaker with clips on several of the given lists."""
    split = options.divided
    if split is None or not split.given:
        return
    is_hdtf = tables.source is None or tables.in_hdtf_format
    split = split.knowing(tables.videos) if is_hdtf else split
    shared = split.shared({clip.stem: member_of(clip, is_hdtf=is_hdtf) for clip in steps(tables.clips)})
    for group, sides in list(shared.items())[:MOST_SHARED]:
        who = (
            f"{options.split}: the tables do not distinguish the speakers of RD, which is in"
            if is_hdtf and group == UNDISTINGUISHED
            else f"{options.split}: {group} is in"
        )
        parts = (f"{side} ({_some(stems)})" for side, stems in sides.items())
        yield Finding(f"{options.split}", 0, Severity.WARNING, SHARED, f"{who} {' and '.join(parts)}.")
    if (more := len(shared) - MOST_SHARED) > 0:
        message = f"{options.split}: {more} more speakers are in several splits."
        yield Finding(f"{options.split}", 0, Severity.WARNING, SHARED, message, more)


def _some(stems: list[str]) -> str:
    more = len(stems) - _FEW
    return ", ".join(stems[:_FEW]) + (f" and {more} more" if more > 0 else "")


def member_of(clip: Clip, *, is_hdtf: bool) -> Member:
    """Return what decides the split of a clip."""
    given, youtube_id = clip.annotation, clip.video.youtube_id
    speaker = None if is_hdtf else (given.speaker if given else None) or youtube_id
    return Member(clip.video.name, speaker, given.split if given else None, youtube_id, clip.stem)
