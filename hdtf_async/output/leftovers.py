"""Remove the temporary files of interrupted runs from an output directory. Blocks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hdtf_async.core.steps import steps
from hdtf_async.output import atomic, partials
from hdtf_async.output.journal import SOURCE_VIDEOS

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from hdtf_async.core.model import Tables
    from hdtf_async.core.shards import Shard

_ENDING = re.compile(r"\.(?:mp4|wav|track\.json)$")
_SEGMENT = re.compile(r"_s\d{3,}$")
"""End of the stem of a clip's segment."""


def remove(out: Path, shard: Shard | None, tables: Tables | None) -> None:
    """Remove leftovers, except for downloads that can be resumed; with a shard, only those of its clips.

    Raises `OSError`.
    """
    clips, videos = (None, None) if shard is None else _stems_of(shard, tables)
    atomic.sweep(out, ours=lambda name: clips is None or _is_file_of(name, clips))
    atomic.sweep(
        out / SOURCE_VIDEOS,
        spare=partials.tidy,
        ours=lambda name: videos is None or name.rpartition(".")[0] in videos,
    )


def _stems_of(shard: Shard, tables: Tables | None) -> tuple[set[str], set[str]]:
    """Return the stems of a shard's clips, and those of its source videos."""
    if tables is None:
        return set(), set()
    clips = {clip.stem for clip in steps(tables.clips) if shard.owns(clip.video.youtube_id)}
    videos = {video.stem for video in steps(tables.videos) if shard.owns(video.youtube_id)}
    return clips, videos


def _is_file_of(name: str, clips: Collection[str]) -> bool:
    """Return whether a name is that of a file of one of these clips, or of their segments."""
    stem = _ENDING.sub("", name)
    return stem in clips or _SEGMENT.sub("", stem) in clips
