"""Identify the people in the frames of a clip, from the regions that a detector found in some frames. Pure.

The detector (`detector`) may miss a face in a frame, or find one in a curtain. Therefore:

1. Regions of successive frames form one *track* if the centre moves by at most one side and the side changes
by at most a factor of two. They may be up to a second apart, or five times the usual distance of samples.

2. A region of a track is an *outlier* if one of its edges is off a straight line through the same edge of
seven successive regions by more than a fifth of the face's side and three times the median deviation. The
line is robust (the median of medians of slopes). A position to which the face returns is no outlier: at least
twice, and in a tenth of the track.

3. Tracks at the same position, one of which begins after the other has ended, are one *person*: a head that
was turned away, or a cut back to the same view. The centres (medians) must be within one side. The sides may
differ by half, and by more if both tracks have a tenth of the frames, as after a zoom. Very short tracks must
be close to the person's position. Tracks at different positions are different people, because nothing shows
that they are the same.

4. A person in fewer than 3 frames, or in fewer than one in fifty, is dropped. (In a clip of five samples or
fewer, in fewer than half of them.)

The person of a clip is the one seen in most samples. If another person is seen together with that one in at
least half of the samples, the one with the greater sum of sides is chosen. If a list of clips states a point
of the face at the start of the clip, the person nearest to it is chosen instead.

Between two samples a person may move by more than one side, or there may be a cut to another one; and an
outlier may be a fast motion. `doubtful` returns the intervals in which the frames in between are needed to
decide.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import hypot
from statistics import median
from typing import TYPE_CHECKING, Self

from hdtf_async.core.model import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BETWEEN = 10.0
"""Frames per second that are searched in doubtful intervals.

A head that moves by its own side in a tenth of a second is faster than anyone walks.
"""
ROUNDS = 2
"""Maximum number of passes over doubtful intervals: frames in between may be doubtful as well."""
_GAP_SECONDS, _GAP_SAMPLES = 1.0, 5
_STEP, _GROWTH = 1.0, 2.0
_LEAST_FRAMES, _LEAST_SHARE = 3, 1 / 50
_REACH, _OFF, _DEVIATIONS = 3, 0.2, 3.0
_ALIKE = 1.5
_CONSTANT = 1 / 10
"""Fraction of the frames from which on something does not count as an accident."""
_TOGETHER = 1 / 2
_CLOSE = 1.5
"""Distances of frames at the rate `BETWEEN` up to which no frame is searched between two others."""
_MOST_INTERVALS = 100


@dataclass(frozen=True, slots=True)
class Region:
    """Region of a face in a frame, in pixels or as fractions of its sides; it may extend beyond the frame."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.right, self.bottom

    @property
    def side(self) -> float:
        """Side of the square around it."""
        return max(self.right - self.left, self.bottom - self.top)

    @property
    def centre(self) -> tuple[float, float]:
        """Horizontal and vertical position."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def scaled(self, across: float, down: float) -> Self:
        """Return the region in another unit."""
        left, top, right, bottom = self.edges
        return replace(self, left=left * across, top=top * down, right=right * across, bottom=bottom * down)

    def shifted(self, across: float, down: float) -> Self:
        """Return the region at another position."""
        left, top, right, bottom = self.edges
        return replace(self, left=left + across, top=top + down, right=right + across, bottom=bottom + down)


@dataclass(frozen=True, slots=True)
class Face(Region):
    """Region of a face whose rotation the detector has estimated."""

    yaw: float | None = None
    """Rotation of the head to the right of the image, in degrees."""


def overlap(one: Region, other: Region) -> float:
    """Return the intersection of two regions divided by their union: 1 if they are equal."""
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    common = max(0.0, across) * max(0.0, down)
    total = sum((each.right - each.left) * (each.bottom - each.top) for each in (one, other)) - common
    return common / total if total > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was searched for faces."""

    second: float
    """Its display time, in seconds from an arbitrary zero."""
    faces: Sequence[Region]
    sampled: bool = True
    """Whether it counts in fractions; the frames of doubtful intervals do not."""


@dataclass(frozen=True, slots=True)
class Person:
    """The person of a clip. All counts are numbers of samples."""

    region: Region
    """All regions of the person merged, without outliers."""
    seen: int
    """Samples in which the person was seen."""
    kept: int
    """Samples whose region is no outlier."""
    sides: tuple[float, float, float]
    """Smallest, median and largest side of these regions."""
    people: int
    """Number of people seen in at least a tenth of the samples, including this one."""
    yaw: tuple[float, float, float] | None = None
    """Smallest, median and largest rotation of the head in these regions; None if it was not estimated."""


@dataclass(slots=True)
class _Track:
    """A face in successive frames."""

    places: dict[int, Region] = field(default_factory=dict)
    """Frame number to the region in that frame, in order."""
    outliers: set[int] = field(default_factory=set)

    @property
    def first(self) -> int:
        return next(iter(self.places))

    @property
    def last(self) -> int:
        return next(reversed(self.places))

    @property
    def kept(self) -> dict[int, Region]:
        return {number: region for number, region in self.places.items() if number not in self.outliers}

    @property
    def side(self) -> float:
        return median(region.side for region in self.places.values())

    @property
    def centre(self) -> tuple[float, float]:
        across, down = zip(*(region.centre for region in self.places.values()), strict=True)
        return median(across), median(down)

    def step_to(self, region: Region) -> float | None:
        """Return the distance of the next region, in sides; None if it is another face's."""
        before = self.places[self.last]
        small, large = sorted((before.side, region.side))
        if large > _GROWTH * small:
            return None
        step = _distance(before.centre, region.centre)
        return step / large if step <= _STEP * large else None

    def is_at_place_of(self, other: _Track, least: int, constant: float) -> bool:
        """Return whether two tracks, at different times, can be the same person.

        If one has fewer than `least` regions, the other must have nearly the same ones. If one has fewer than
        `constant`, they must have about the same size.
        """
        mine, theirs = self.kept.values(), other.kept.values()
        shorter = min(len(mine), len(theirs))
        if shorter < least:
            return all(any(_is_near(one, two, _OFF * two.side) for two in theirs) for one in mine)
        small, large = sorted((self.side, other.side))
        alike = large <= _ALIKE * small or shorter >= constant
        return alike and _distance(self.centre, other.centre) <= _STEP * large

    def mark_outliers(self, seconds: Sequence[float]) -> None:
        """Mark the regions that neither their neighbours nor a return to the same position confirm."""
        tolerated = _OFF * self.side
        recurring: dict[int, bool] = {}
        for _ in range(_REACH):  # of three outliers among seven regions at least one is found each time
            places = list(self.kept.items())
            found = {
                number
                for place, (number, region) in enumerate(places)
                if _stands_out(place, places, seconds, tolerated)
                and not recurring.setdefault(number, self._recurs(region, tolerated))
            }
            if not found:
                break
            self.outliers |= found
        if len(self.outliers) > len(self.places) / 2:  # then it is unknown which of them are right
            self.outliers.clear()

    def _recurs(self, region: Region, tolerated: float) -> bool:
        """Return whether the face was at this position at least twice, and in a tenth of the track."""
        near = [
            place for place, other in enumerate(self.places.values()) if _is_near(region, other, tolerated)
        ]
        visits = sum(place - before > 1 for before, place in pairwise(near)) + 1
        return visits > 1 and len(near) >= _CONSTANT * len(self.places)


def find(frames: Sequence[Frame], point: tuple[float, float] | None = None) -> Person | None:
    """Return the person of a clip; None if no face was found often enough.

    The regions are in pixels, or in another unit that is the same in both directions. `point` is a point of
    the person's face at the start of the clip, in this unit.
    """
    samples = {number for number, frame in enumerate(frames) if frame.sampled}
    people = [{number: track for track in tracks for number in track.places} for tracks in _people(frames)]
    if not people:
        return None
    seen = [samples & person.keys() for person in people]
    sums = [
        sum(track.places[number].side for number, track in person.items() if number in samples)
        for person in people
    ]
    longest = max(range(len(people)), key=lambda one: (len(seen[one]), sums[one]))
    beside = [one for one, where in enumerate(seen) if len(where & seen[longest]) >= _TOGETHER * len(samples)]
    chosen = max([longest, *beside], key=sums.__getitem__)
    if point is not None:
        chosen = min(range(len(people)), key=lambda one: _starts_off(people[one], point))
    tracks = list({id(track): track for track in people[chosen].values()}.values())
    kept = {number: region for track in tracks for number, region in track.kept.items()}
    yaws = [face.yaw for face in kept.values() if isinstance(face, Face) and face.yaw is not None]
    left, top, right, bottom = zip(*(region.edges for region in kept.values()), strict=True)
    return Person(
        Region(min(left), min(top), max(right), max(bottom)),
        len(seen[chosen]),
        len(samples & kept.keys()),
        _spread([region.side for region in kept.values()]),
        max(1, sum(len(where) >= _CONSTANT * len(samples) for where in seen)),
        _spread(yaws) if yaws else None,
    )


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the smallest, the median and the largest value."""
    return min(values), median(values), max(values)


def _starts_off(person: Mapping[int, _Track], point: tuple[float, float]) -> tuple[int, float]:
    """Return when a person is first seen, in steps of five samples, and how far from a point then.

    The distance is in sides of the face: a point in a large face is nearer than one beside a small face.
    """
    first = min(person)
    region = person[first].places[first]
    return first // _GAP_SAMPLES, _distance(region.centre, point) / region.side


def doubtful(frames: Sequence[Frame]) -> list[Interval]:
    """Return the intervals in which frames between the given ones are needed.

    A face of one sample is missing in the next one, which has another of a similar size: it may have moved
    far, or there was a cut. If both samples also have a face of at least that size at the same position, the
    answer does not matter. Around an outlier, the frames next to it show whether the face was at that
    position.
    """
    tracks = _tracks(frames)
    seconds = [frame.second for frame in frames]
    present: list[set[int]] = [set() for _ in frames]
    gaps = set[int]()
    for which, track in enumerate(tracks):
        for number in track.places:
            present[number].add(which)
        track.mark_outliers(seconds)
        gaps |= {gap for number in track.outliers for gap in (number - 1, number)}
    for gap, (before, after) in enumerate(pairwise(present)):
        gone = [tracks[which].places[gap].side for which in before - after]
        new = [tracks[which].places[gap + 1].side for which in after - before]
        stayed = max((tracks[which].places[gap].side for which in before & after), default=0.0)
        if any(stayed < max(one, other) <= _GROWTH * min(one, other) for one in gone for other in new):
            gaps.add(gap)
    found: list[Interval] = []
    for gap in sorted(gaps & set(range(len(frames) - 1))):
        start, end = seconds[gap], seconds[gap + 1]
        if end - start <= _CLOSE / BETWEEN:
            continue
        if found and found[-1].end == start:
            start = found.pop().start
        found.append(Interval(start, end))
    return found if len(found) <= _MOST_INTERVALS else [Interval(found[0].start, found[-1].end)]


def _is_near(one: Region, other: Region, tolerated: float) -> bool:
    """Return whether all edges of two regions are within the tolerance."""
    return (
        abs(one.left - other.left) <= tolerated
        and abs(one.top - other.top) <= tolerated
        and abs(one.right - other.right) <= tolerated
        and abs(one.bottom - other.bottom) <= tolerated
    )


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    return hypot(one[0] - other[0], one[1] - other[1])


def _stands_out(
    own: int, places: Sequence[tuple[int, Region]], seconds: Sequence[float], tolerated: float
) -> bool:
    """Return whether an edge of a region is off the line through that edge of the regions around it."""
    first = max(0, min(own - _REACH, len(places) - 2 * _REACH - 1))
    near = places[first : first + 2 * _REACH + 1]
    times = [seconds[number] for number, _ in near]
    for edges in zip(*(region.edges for _, region in near), strict=True):
        points = list(zip(times, edges, strict=True))
        slopes = [
            median(rises)
            for time, edge in points
            if (rises := [(to - edge) / (later - time) for later, to in points if later != time])
        ]
        slope = median(slopes) if slopes else 0.0
        off = [edge - slope * time for time, edge in points]
        middle = median(off)
        deviation = median(abs(each - middle) for each in off)
        if abs(off[own - first] - middle) > tolerated + _DEVIATIONS * deviation:
            return True
    return False


def _people(frames: Sequence[Frame]) -> list[list[_Track]]:
    """Return the tracks of each person, the largest and most constant track first."""
    samples = sum(frame.sampled for frame in frames)
    least = max(min(_LEAST_FRAMES, (samples + 1) // 2), round(_LEAST_SHARE * samples))
    seconds = [frame.second for frame in frames]
    left = _tracks(frames)
    for track in left:
        track.mark_outliers(seconds)
    left.sort(key=lambda track: -track.side * len(track.kept))
    people = []
    while left:
        person, others = left[:1], list[_Track]()
        for track in left[1:]:
            apart = all(track.last < part.first or part.last < track.first for part in person)
            constant = _CONSTANT * len(frames)
            parts = person if len(track.kept) >= least else person[:1]
            same = apart and any(track.is_at_place_of(part, least, constant) for part in parts)
            (person if same else others).append(track)
        if sum(len(part.kept) for part in person) >= least:
            people.append(person)
        left = others
    return people


def _tracks(frames: Sequence[Frame]) -> list[_Track]:
    """Return the tracks that regions form from frame to frame, the nearest first."""
    times = [frame.second for frame in frames if frame.sampled]
    steps = [later - earlier for earlier, later in pairwise(times)]
    gap = max(_GAP_SECONDS, _GAP_SAMPLES * median(steps)) if steps else _GAP_SECONDS
    tracks: list[_Track] = []
    live: list[_Track] = []
    for number, frame in enumerate(frames):
        live = [track for track in live if frame.second - frames[track.last].second <= gap]
        near = sorted(
            (step, track, region)
            for track, one in enumerate(live)
            for region, other in enumerate(frame.faces)
            if (step := one.step_to(other)) is not None
        )
        continued, placed = set[int](), set[int]()
        for _, track, region in near:
            if track not in continued and region not in placed:
                live[track].places[number] = frame.faces[region]
                continued.add(track)
                placed.add(region)
        begun = [_Track({number: region}) for which, region in enumerate(frame.faces) if which not in placed]
        tracks += begun
        live += begun
    return tracks
