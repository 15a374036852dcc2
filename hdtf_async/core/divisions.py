"""What was requested of each shard, and which shards have not started or not ended. Pure.

A run records its request in its journal when it starts, and again when it ends. All shards of one run record
the same request, so the records of some of them show that others are absent. A directory may have several
requests, and several numbers of shards: a request counts until another one, later or complete, has covered
it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hdtf_async.core.model import SUBSETS
from hdtf_async.core.shards import Shard
from hdtf_async.core.steps import steps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hdtf_async.core.model import Tables
    from hdtf_async.core.options import Options

REQUEST = "request"
"""Type of the record."""
WHOLE = Shard(0, 1)
"""A run without shards."""


@dataclass(frozen=True, slots=True)
class Request:
    """What all shards of a run create together."""

    digest: str
    """Hash of all rows of the tables and of the output settings."""
    subsets: tuple[str, ...]
    videos: tuple[str, ...]
    limit: int | None
    clips: int
    """Clips in all shards."""
    only: str = ""
    """Hash of the names of the selected clips; empty for all."""

    def covers(self, other: Request) -> bool:
        """Whether this request includes all clips of the other one, whose tables may differ."""
        same = (self.subsets, self.videos, self.only) == (other.subsets, other.videos, other.only)
        return (
            self.only in {"", other.only}
            and _contains(self.subsets, other.subsets)
            and _contains(self.videos, other.videos)
            and (self.limit is None or (same and other.limit is not None and other.limit <= self.limit))
        )


def _contains(names: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether a selection of names contains another one; an empty selection contains everything."""
    return not names or (bool(others) and set(others) <= set(names))


@dataclass(frozen=True, slots=True)
class Part:
    """A shard that has started a request."""

    shard: Shard
    request: Request | None
    """None if an older version of this program has not recorded it."""
    clips: int
    """Clips of this shard."""
    time: str
    """When it last recorded its start or end."""
    ended: bool


@dataclass(frozen=True, slots=True)
class Outstanding:
    """The outstanding shards of all requests."""

    absent: tuple[Shard, ...] = ()
    """Shards that have not started."""
    unended: tuple[Shard, ...] = ()
    """Shards that have started and not ended: they are active, or were killed."""
    clips: int | None = 0
    """Clips of the absent shards; None if unknown."""


def requested(tables: Tables, options: Options, clips: int) -> Request:
    """Return the request of a run with these options; `clips` is the total of all of its shards."""
    content = hashlib.sha256(json.dumps(options.output_settings.to_json(), sort_keys=True).encode())
    for clip in steps(tables.clips):
        box, video = clip.box, clip.video
        row = (clip.stem, video.youtube_id, video.reference_height, clip.interval.start, clip.interval.end)
        if box is None:
            content.update(repr((row, clip.interval.rate, clip.annotation)).encode())
        else:
            content.update(repr((row, box.left, box.top, box.width, box.height)).encode())
    return Request(
        digest=content.hexdigest()[:32],
        subsets=() if set(options.subsets) == set(SUBSETS) else tuple(sorted(options.subsets)),
        videos=tuple(sorted(options.videos)),
        limit=options.limit,
        clips=clips,
        only="" if options.only is None else _digest(sorted(options.only.sides)),
    )


def _digest(names: list[str]) -> str:
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:32]


def record_of(request: Request, clips: int, *, ended: bool) -> dict[str, Any]:
    """Return the journal's record of a run that starts or ends; `clips` are its own."""
    return {
        "type": REQUEST,
        "ended": ended,
        "clips": clips,
        "of_clips": request.clips,
        "subsets": list(request.subsets),
        "videos": list(request.videos),
        "limit": request.limit,
        "wanted": request.digest,
        **({"only": request.only} if request.only else {}),
    }


def part_of(record: Mapping[str, Any], shard: Shard, time: str) -> Part | None:
    """Return the content of a record in the journal of a shard; None if it is not a request."""
    match record:
        case {
            "type": "request",
            "ended": bool(ended),
            "clips": int(clips),
            "of_clips": int(of_clips),
            "subsets": list(subsets),
            "videos": list(videos),
            "limit": None | int() as limit,
            "wanted": str(digest),
        }:
            names = tuple(map(str, subsets)), tuple(map(str, videos))
            request = Request(digest, *names, limit, of_clips, f"{record.get('only') or ''}")
            return Part(shard, request, clips, time, ended)
    return None


def goes_on(parts: Collection[Part]) -> bool:
    """Whether a shard with these parts, whose journal is locked, is active and has not just ended."""
    return not parts or not max(parts, key=lambda part: part.time).ended


def outstanding(parts: Iterable[Part]) -> Outstanding:
    """Return which shards of all requests have not started or not ended."""
    groups = _groups(parts)
    left = [group for group in groups if not any(other.replaces(group) for other in groups)]
    absent = [shard for group in left for shard in group.absent]
    clips: list[int | None] = [group.left for group in left if group.absent]
    return Outstanding(
        tuple(absent),
        tuple(part.shard for group in left for part in group.parts if not part.ended),
        None if None in clips else sum(filter(None, clips)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """The shards that have started one request, with the same number of shards."""

    request: Request | None
    count: int
    parts: tuple[Part, ...]
    """Ordered by their numbers, one for each that has started."""

    @property
    def left(self) -> int | None:
        """Clips of the shards that have not started; None if unknown."""
        if self.request is None or any(part.request is None for part in self.parts):
            return None
        return max(0, self.request.clips - sum(part.clips for part in self.parts))

    @property
    def absent(self) -> tuple[Shard, ...]:
        """Shards that have not started, if these have any clips."""
        if len(self.parts) == self.count or self.left == 0:
            return ()
        begun = {part.shard.index for part in self.parts}
        return tuple(Shard(index, self.count) for index in range(self.count) if index not in begun)

    def replaces(self, other: _Group) -> bool:
        """Whether another group need not end: this one is later and includes its clips, or is complete."""
        if other is self:
            return False
        if self.request is None or other.request is None:
            covers = self.request is None and other.request is None
            covers |= self.request is not None and self.request.covers(Request("", (), (), None, 0))
            done = covers
        else:
            covers = self.request.covers(other.request)
            done = covers and self.request.digest == other.request.digest
        later = max(part.time for part in self.parts) > max(part.time for part in other.parts)
        return (covers and later) or (done and not self.absent and all(part.ended for part in self.parts))


def _groups(parts: Iterable[Part]) -> list[_Group]:
    """Return the groups of shards, each with the newest record of each of its shards."""
    found: dict[int, dict[Request | None, dict[int, Part]]] = defaultdict(lambda: defaultdict(dict))
    for part in sorted(parts, key=lambda part: part.time):
        found[part.shard.count][part.request][part.shard.index] = part
    groups: list[_Group] = []
    for count, requests in found.items():
        unknown = requests.get(None, {})
        for request, begun in requests.items():
            if request is not None or len(requests) == 1:
                every = unknown | begun  # what an older version has started may be part of any request
                groups.append(_Group(request, count, tuple(every[index] for index in sorted(every))))
    return groups
