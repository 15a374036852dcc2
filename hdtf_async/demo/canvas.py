"""A small painter of smooth shapes on a transparent picture, in plain Python.

A shape is a closed outline; a region is the same shape as runs of pixels, row by row. All painting
works on whole runs (slices of a bytearray), which is what makes plain Python fast enough: a picture
drawn four times too large takes some tenths of a second, and ffmpeg makes it small and smooth
afterwards. Nothing here touches a file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

Point = tuple[float, float]
"""A place on the canvas, in the canvas's own units: x to the right, y down."""
Outline = Sequence[Point]
"""The corners of a closed shape; the last one is joined to the first."""
Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255 each."""
Region = dict[int, list[tuple[int, int]]]
"""Runs of pixels of a shape: row -> (first column, column after the last) in rising order."""
Gradient = Sequence[tuple[float, Colour]]
"""Colours from top to bottom: (y in the canvas's units, colour) in rising order of y."""


def rgb(code: str) -> Colour:
    """Return the colour written as six hexadecimal digits, such as ``f2c6a0``."""
    return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Return the colour that lies ``share`` (0 to 1) of the way from one colour to the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def ellipse(x: float, y: float, across: float, down: float, turn: float = 0.0) -> list[Point]:
    """Return the outline of an ellipse around (x, y) from its two half axes, turned by ``turn`` degrees."""
    angle = math.radians(turn)
    cos, sin = math.cos(angle), math.sin(angle)
    outline = []
    for step in range(72):
        along = math.tau * step / 72
        dx, dy = across * math.cos(along), down * math.sin(along)
        outline.append((x + dx * cos - dy * sin, y + dx * sin + dy * cos))
    return outline


def rectangle(left: float, top: float, width: float, height: float) -> list[Point]:
    """Return the outline of an upright rectangle."""
    right, bottom = left + width, top + height
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def smooth(points: Outline, *, closed: bool = True, steps: int = 10) -> list[Point]:
    """Return a round curve through all the points (a Catmull-Rom spline), closed or open."""
    count = len(points)
    curve: list[Point] = []
    for index in range(count if closed else count - 1):
        neighbours = [
            points[place % count] if closed else points[min(max(place, 0), count - 1)]
            for place in range(index - 1, index + 3)
        ]
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = neighbours
        for step in range(steps):
            u = step / steps
            a, b, c, d = (
                -u * (1 - u) ** 2,
                2 + u * u * (3 * u - 5),
                u * (1 + u * (4 - 3 * u)),
                u * u * (u - 1),
            )
            curve.append(
                ((a * x0 + b * x1 + c * x2 + d * x3) / 2, (a * y0 + b * y1 + c * y2 + d * y3) / 2),
            )
    if not closed:
        curve.append(points[-1])
    return curve


def mirrored(half: Outline) -> list[Point]:
    """Return a closed outline from its right half, given from the top to the bottom of x = 0."""
    return [*half, *((-x, y) for x, y in reversed(half) if x > 0)]


def stroke(points: Outline, width: float, *, taper: float = 1.0) -> list[Point]:
    """Return the outline of a brush stroke along a round curve.

    ``taper`` says how much thinner than ``width`` the ends are: 0 is even, 1 ends in points.
    """
    curve = smooth(points, closed=False)
    last = len(curve) - 1
    one: list[Point] = []
    other: list[Point] = []
    for index, (x, y) in enumerate(curve):
        (ax, ay), (bx, by) = curve[max(index - 1, 0)], curve[min(index + 1, last)]
        length = math.hypot(bx - ax, by - ay) or 1.0
        bulge = math.sin(math.pi * index / last) ** 0.6
        half = width / 2 * (1 - taper + taper * bulge)
        nx, ny = -(by - ay) / length * half, (bx - ax) / length * half
        one.append((x + nx, y + ny))
        other.append((x - nx, y - ny))
    return [*one, *reversed(other)]


def clipped(region: Region, within: Region) -> Region:
    """Return the part of one region that lies inside the other."""
    common: Region = {}
    for row, runs in region.items():
        found = [
            (max(a, c), min(b, d)) for a, b in runs for c, d in within.get(row, ()) if max(a, c) < min(b, d)
        ]
        if found:
            common[row] = found
    return common


def without(region: Region, taken: Region) -> Region:
    """Return the part of one region that lies outside the other."""
    rest: Region = {}
    for row, runs in region.items():
        left = runs
        for c, d in taken.get(row, ()):
            left = [
                piece for a, b in left for piece in ((a, min(b, c)), (max(a, d), b)) if piece[0] < piece[1]
            ]
        if left:
            rest[row] = left
    return rest


class Canvas:
    """A transparent picture of ``width`` x ``height`` units, with ``scale`` pixels a unit.

    ``origin`` is where the unit coordinates (0, 0) lie, counted from the left top corner. Half
    transparent paint (``shade``, ``glow``, ``rim``) changes the colour of what is there and never
    its opacity, so it shows only where ``fill`` has been before.
    """

    def __init__(self, width: float, height: float, scale: float, origin: Point = (0.0, 0.0)) -> None:
        self.width = round(width * scale)
        self.height = round(height * scale)
        self._scale = scale
        self.origin = origin
        self._pixels = bytearray(self.width * self.height * 4)

    def pam(self) -> bytes:
        """Return the picture as a PAM file (RGBA), which every ffmpeg reads."""
        head = (
            f"P7\nWIDTH {self.width}\nHEIGHT {self.height}\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
        )
        return head.encode() + self._pixels

    def region(self, *outlines: Outline) -> Region:
        """Return the pixels inside the outlines; where two outlines overlap, the overlap is left out."""
        scale, (ox, oy) = self._scale, self.origin
        crossings: dict[int, list[float]] = {}
        for outline in outlines:
            corners = [((x + ox) * scale, (y + oy) * scale) for x, y in outline]
            for (xa, ya), (xb, yb) in zip(corners, [*corners[1:], corners[0]], strict=True):
                if ya == yb:
                    continue
                (x0, y0), (x1, y1) = ((xa, ya), (xb, yb)) if ya < yb else ((xb, yb), (xa, ya))
                slope = (x1 - x0) / (y1 - y0)
                first, last = max(math.ceil(y0 - 0.5), 0), min(math.ceil(y1 - 0.5), self.height)
                for row in range(first, last):
                    crossings.setdefault(row, []).append(x0 + (row + 0.5 - y0) * slope)
        region: Region = {}
        for row, places in crossings.items():
            places.sort()
            limits = [min(max(math.ceil(place - 0.5), 0), self.width) for place in places]
            runs = [(a, b) for a, b in zip(limits[::2], limits[1::2], strict=False) if a < b]
            if runs:
                region[row] = runs
        return region

    def fill(self, region: Region, colour: Colour) -> None:
        """Paint a region opaque, in one colour."""
        for row, runs in region.items():
            self._paint(row, runs, colour)

    def fade(self, region: Region, stops: Gradient) -> None:
        """Paint a region opaque, in colours that change from top to bottom."""
        for row, runs in region.items():
            self._paint(row, runs, _colour_at(stops, (row + 0.5) / self._scale - self.origin[1]))

    def shade(self, region: Region, colour: Colour, strength: float) -> None:
        """Tint what is painted in a region; strength 0 leaves it, 1 covers it."""
        tables = [_tint(part, strength) for part in colour]
        pixels = self._pixels
        for row, runs in region.items():
            start = row * self.width
            for a, b in runs:
                first, last = (start + a) * 4, (start + b) * 4
                for channel, table in enumerate(tables):
                    here = slice(first + channel, last, 4)
                    pixels[here] = pixels[here].translate(table)

    def glow(
        self,
        place: Point,
        radii: tuple[float, float],
        colour: Colour,
        strength: float,
        *,
        within: Region | None = None,
    ) -> None:
        """Tint softly around a place: strongest in the middle, almost nothing at the edge of the ellipse."""
        (x, y), (across, down) = place, radii
        steps = round(10 + 30 * strength)
        each = 1 - (1 - strength) ** (1 / steps)
        for step in range(steps):
            # So many ellipses cover a place as makes a bell: flat in the middle, and fading out at the edge.
            part = math.sqrt(1 - math.sqrt((step + 0.5) / steps)) * 1.15
            region = self.region(ellipse(x, y, across * part, down * part))
            self.shade(region if within is None else clipped(region, within), colour, each)

    def rim(self, region: Region, move: Point, colour: Colour, strength: float, steps: int = 10) -> None:
        """Tint the side of a region that faces against ``move``, softly, as light from aside would."""
        each = 1 - (1 - strength) ** (1 / steps)
        for step in range(1, steps + 1):
            dx = round(move[0] * step / steps * self._scale)
            dy = round(move[1] * step / steps * self._scale)
            moved = {row + dy: [(a + dx, b + dx) for a, b in runs] for row, runs in region.items()}
            self.shade(without(region, moved), colour, each)

    def strokes(self, lines: Iterable[Outline], width: float, colour: Colour, *, taper: float = 1.0) -> None:
        """Paint brush strokes, each along its own line."""
        for line in lines:
            self.fill(self.region(stroke(line, width, taper=taper)), colour)

    def _paint(self, row: int, runs: Iterable[tuple[int, int]], colour: Colour) -> None:
        pixel = bytes((*colour, 255))
        start = row * self.width
        for a, b in runs:
            self._pixels[(start + a) * 4 : (start + b) * 4] = pixel * (b - a)


@lru_cache(maxsize=512)
def _tint(part: int, strength: float) -> bytes:
    """Return the table for `bytes.translate` that moves a channel towards ``part``."""
    return bytes(round(value + (part - value) * strength) for value in range(256))


def _colour_at(stops: Gradient, y: float) -> Colour:
    if y <= stops[0][0]:
        return stops[0][1]
    for (above, one), (below, other) in pairwise(stops):
        if y < below:
            return mixed(one, other, (y - above) / (below - above))
    return stops[-1][1]
