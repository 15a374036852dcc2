"""Which square is cut out around a face that was looked for in many frames of a clip. Pure.

The second of the two ways to crop that the authors of HDTF describe: the facial regions of all frames are
merged, made square and enlarged. What the regions are is the detector's business (`landmarks`); here they are
taken together, and what a detector gets wrong now and then must not move the window:

1. Regions of frames that follow one another are one *path* if the centre moves by no more than a side and the
   side changes by no more than its double. Up to four frames in a row may lack it.
2. A path that is in fewer than 3 frames, or in fewer than one in fifty, is left out: the faces that a
   detector sees in a curtain. (Of a clip of five frames or less it is half of them.)
3. Along each path a straight line is laid through each edge of seven frames, a region's own and three to each
   side (at the ends of a path its first or last seven), by the median of medians of slopes, which two of the
   seven cannot sway. A region is *wild* if one of its edges is off that line by more than a fifth of the
   face's side and three times what the seven are off in the median. It is left out, and all is looked at
   again without it: where three of seven are wild, the line is right once the first of them is gone. A face
   that really moves is followed by its neighbours, and keeps its outermost places.
4. Paths of about the same size (up to half larger), of which one begins after the other has ended, are one
   *face*: it was hidden for a while, or has come back.

Of several faces the one with the greatest sum of sides over all frames is taken, as the largest and most
constant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import hypot
from statistics import median
from typing import TYPE_CHECKING

from hdtf_async.model import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_GAP = 5
"""Frames within which a path goes on."""
_STEP, _GROWTH = 1.0, 2.0
_LEAST_FRAMES, _LEAST_SHARE = 3, 1 / 50
_REACH, _WILD, _SPREADS = 3, 0.2, 3.0
_ALIKE = 1.5
_COUNTS = 1 / 10


@dataclass(frozen=True, slots=True)
class Region:
    """Where a face is in a frame, in pixels or shares of it; it may stand out of the frame."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """All four."""
        return self.left, self.top, self.right, self.bottom

    @property
    def side(self) -> float:
        """Side of the square around it."""
        return max(self.right - self.left, self.bottom - self.top)

    @property
    def centre(self) -> tuple[float, float]:
        """Across and down."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def scaled(self, across: float, down: float) -> Region:
        """Return the region in another measure."""
        return Region(self.left * across, self.top * down, self.right * across, self.bottom * down)


@dataclass(frozen=True, slots=True)
class Found:
    """The face of a clip."""

    region: Region
    """All of its regions merged."""
    frames: int
    """In which it was seen."""
    faces: int
    """How many were seen in at least a tenth of the frames, this one included."""


@dataclass(slots=True)
class _Path:
    """A face as it goes through frames that follow one another."""

    places: dict[int, Region] = field(default_factory=dict)
    """Number of the frame to where it is there, in their order."""

    @property
    def first(self) -> int:
        return next(iter(self.places))

    @property
    def last(self) -> int:
        return next(reversed(self.places))

    @property
    def side(self) -> float:
        return median(region.side for region in self.places.values())

    @property
    def weight(self) -> float:
        return sum(region.side for region in self.places.values())

    def step_to(self, region: Region) -> float | None:
        """Return how far the next place is away, in sides; None where it is another face's."""
        before = self.places[self.last]
        small, large = sorted((before.side, region.side))
        if large > _GROWTH * small:
            return None
        (x, y), (to_x, to_y) = before.centre, region.centre
        step = hypot(to_x - x, to_y - y)
        return step / large if step <= _STEP * large else None

    def without_wild(self) -> _Path:
        """Return the path without the regions that their neighbours do not bear out."""
        path = self
        for _ in range(_REACH):  # of three that are wild among seven one goes each time at least
            kept = path._borne_out()
            if len(kept.places) in {0, len(path.places)}:
                return kept
            path = kept
        return path

    def _borne_out(self) -> _Path:
        numbers = list(self.places)
        tolerated = _WILD * self.side
        kept = {}
        for place, number in enumerate(numbers):
            first = max(0, min(place - _REACH, len(numbers) - 2 * _REACH - 1))
            near = numbers[first : first + 2 * _REACH + 1]
            edges = zip(*(self.places[other].edges for other in near), strict=True)
            if not any(_stands_out(place - first, near, edge, tolerated) for edge in edges):
                kept[number] = self.places[number]
        return _Path(kept)


def _stands_out(own: int, numbers: Sequence[int], edges: Sequence[float], tolerated: float) -> bool:
    """Say whether one of some edges is off the line through all of them."""
    points = list(zip(numbers, edges, strict=True))
    slopes = [
        median((to - edge) / (later - number) for later, to in points if later != number)
        for number, edge in points
        if len(points) > 1
    ]
    slope = median(slopes) if slopes else 0.0
    off = [edge - slope * number for number, edge in points]
    middle = median(off)
    return abs(off[own] - middle) > tolerated + _SPREADS * median(abs(each - middle) for each in off)


def find(frames: Sequence[Sequence[Region]]) -> Found | None:
    """Return the face of a clip from the regions that each frame showed; None where there is none.

    The regions are in pixels, or in another measure that is the same across and down.
    """
    faces = _faces(frames)
    if not faces:
        return None
    chosen = max(faces, key=lambda face: face.weight)
    left, top, right, bottom = zip(*(region.edges for region in chosen.places.values()), strict=True)
    merged = Region(min(left), min(top), max(right), max(bottom))
    constant = sum(len(face.places) >= _COUNTS * len(frames) for face in faces)
    return Found(merged, len(chosen.places), max(1, constant))


def place(region: Region, zoom: float, margin: float, width: int, height: int) -> Box:
    """Return the square around a merged region, enlarged, in a raw of ``width`` x ``height`` pixels.

    The side is the region's longer one, widened by the margin to each side and multiplied by the zoom,
    rounded down to an even number. Where the square leaves the frame it is shifted, and made smaller only
    where it is larger than the frame.
    """
    wanted = region.side * (1 + 2 * margin) * zoom
    side = max(2, min(2 * int(wanted / 2), width - width % 2, height - height % 2))
    left, top = (
        min(max(0, 2 * round((centre - side / 2) / 2)), (room - side) // 2 * 2)
        for centre, room in zip(region.centre, (width, height), strict=True)
    )
    return Box(left, top, side, side)


def overlap(one: Region, other: Region) -> float:
    """Return the intersection of two regions over their union: 1 where they are the same."""
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    common = max(0.0, across) * max(0.0, down)
    total = sum((each.right - each.left) * (each.bottom - each.top) for each in (one, other)) - common
    return common / total if total > 0 else 0.0


def _faces(frames: Sequence[Sequence[Region]]) -> list[_Path]:
    """Return the faces that are in the frames, each as one path with what is wild left out."""
    least = max(min(_LEAST_FRAMES, (len(frames) + 1) // 2), round(_LEAST_SHARE * len(frames)))
    paths = [path.without_wild() for path in _paths(frames)]
    left = sorted((path for path in paths if len(path.places) >= least), key=lambda path: -path.weight)
    faces = []
    while left:
        parts, others = left[:1], list[_Path]()
        for path in left[1:]:
            small, large = sorted((parts[0].side, path.side))
            apart = all(path.last < part.first or part.last < path.first for part in parts)
            (parts if apart and large <= _ALIKE * small else others).append(path)
        faces.append(_Path({number: region for part in parts for number, region in part.places.items()}))
        left = others
    return faces


def _paths(frames: Sequence[Sequence[Region]]) -> Iterable[_Path]:
    """Return the paths that regions make from frame to frame, the nearest first."""
    paths: list[_Path] = []
    live: list[_Path] = []
    for number, regions in enumerate(frames):
        live = [path for path in live if number - path.last <= _GAP]
        steps = sorted(
            (step, path, region)
            for path, one in enumerate(live)
            for region, other in enumerate(regions)
            if (step := one.step_to(other)) is not None
        )
        gone_on, placed = set[int](), set[int]()
        for _, path, region in steps:
            if path not in gone_on and region not in placed:
                live[path].places[number] = regions[region]
                gone_on.add(path)
                placed.add(region)
        begun = [_Path({number: region}) for which, region in enumerate(regions) if which not in placed]
        paths += begun
        live += begun
    return paths
