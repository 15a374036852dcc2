"""Detect faces in images. Runs in the detecting child only (see `finder`), which alone loads the detector.

ffmpeg is a child of this process, in the same process group, so that both are terminated together. Its images
come through a pipe, one at a time, and their timestamps through another one. For each image one line is
printed: its timestamp, and of each face its region as fractions of the sides, and its yaw in degrees.

The detector scales an image to 128 pixels, and misses faces below a fourth of the height of a wide one. So a
face of the previous image that is missing is searched in a square around its last region. If that fails, the
whole image is searched in squares that overlap by half: first as high as the image, then half as high
(`squares`). That suffices for faces of a fifteenth of the height. Landmarks take most of the time, for each
face of each square, so faces that were found are painted over first.
"""

from __future__ import annotations

import json
import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from math import atan2, ceil, degrees, hypot
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import IO, TYPE_CHECKING
from zipfile import ZipFile

from hdtf_async.media.face.people import Face, Region, overlap

if TYPE_CHECKING:
    from mediapipe.tasks.python.components.containers import NormalizedLandmark
    from numpy.typing import NDArray

Detect = Callable[["NDArray"], list[Region]]
"""Finds the faces in an image (rows of RGB pixels), each in pixels of the image."""
Score = Callable[["NDArray"], float]
"""Confidence that an image shows an upright face: from 0 to 1."""

MOST_FACES = 8
"""Maximum number of faces in one image or one square of it."""
THOROUGH = 25
"""Every image of this number is searched in all squares, whatever was found before: another face may have
appeared."""
PAUSE = 5
"""Number of images between two searches for a missing face, while another face is visible."""
TIMES = "{times}"
"""Placeholder in ffmpeg's filters for the descriptor to which it writes timestamps."""
_AROUND = 3.0
"""Side of the square searched around a face's last region, in sides of that region."""
_SAME, _EDGE = 0.3, 0.02
_EXACT = 0.27
"""Side of a face relative to the height of the searched part, from which on its landmarks are accurate."""
_STILL = 0.6
_OVER = 0.15
_LEAST_SCORE = 0.1
_SURER = 0.05
"""By how much the score must be higher after rotation by 180 degrees for a face to count as upside down."""
_TIME = re.compile(r" pts:(-?[0-9]{1,18}) ")
_WIDEST = 1.25
"""Maximum width of a face relative to its height; wider regions are patterns with two dark spots."""
_LEFT_CHEEK, _RIGHT_CHEEK = 234, 454
"""Landmarks of the face mesh in front of the ears, as seen in an upright image."""
NO_PICTURES = 3
"""Exit code if ffmpeg has failed, so that its message is on stderr."""


@contextmanager
def detector(model: Path) -> Iterator[Detect]:
    """Provide the face detector: MediaPipe's Face Landmarker, from its model file.

    A region is what its 478 landmarks span: from the hairline to the chin, without ears and hair. To use
    another detector, replace this function.
    """
    import numpy as np  # noqa: PLC0415 - these take some seconds, needed only in this child
    from mediapipe import Image, ImageFormat  # noqa: PLC0415
    from mediapipe.tasks.python import BaseOptions, vision  # noqa: PLC0415

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=model.read_bytes()),
        running_mode=vision.RunningMode.IMAGE,
        num_faces=MOST_FACES,
    )

    def detect(pixels: NDArray) -> list[Region]:
        height, width = pixels.shape[:2]
        image = Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(pixels))
        return [
            Face(
                min(point.x for point in face) * width,
                min(point.y for point in face) * height,
                max(point.x for point in face) * width,
                max(point.y for point in face) * height,
                _yaw(face[_LEFT_CHEEK], face[_RIGHT_CHEEK], height / width),
            )
            for face in landmarker.detect(image).face_landmarks
        ]

    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        yield detect


def _yaw(left: NormalizedLandmark, right: NormalizedLandmark, aspect: float) -> float:
    """Estimate the rotation of a head to the right of the image, in degrees, from both cheeks.

    Depths of landmarks have the unit of horizontal positions, the width of the image; `aspect` is its height
    in that unit. The Face Landmarker's own matrix is not used: its angle depends on the position of the face
    in the image.
    """
    return degrees(atan2(right.z - left.z, hypot(right.x - left.x, (right.y - left.y) * aspect)))


@contextmanager
def scorer(model: Path) -> Iterator[Score]:
    """Provide the face scorer: MediaPipe's Face Detector, which is part of the Face Landmarker's file."""
    import numpy as np  # noqa: PLC0415
    from mediapipe import Image, ImageFormat  # noqa: PLC0415
    from mediapipe.tasks.python import BaseOptions, vision  # noqa: PLC0415

    with ZipFile(model) as parts:
        content = parts.read("face_detector.tflite")
    options = vision.FaceDetectorOptions(
        base_options=BaseOptions(model_asset_buffer=content), min_detection_confidence=_LEAST_SCORE
    )

    def score(pixels: NDArray) -> float:
        image = Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(pixels))
        found = faces.detect(image).detections
        return max((each.categories[0].score for each in found), default=0.0)

    with vision.FaceDetector.create_from_options(options) as faces:
        yield score


def squares(width: int, height: int) -> Iterator[list[tuple[int, int, int, int]]]:
    """Yield the squares of an image, coarse to fine: left, top, width and height of each."""
    shorter = min(width, height)
    for side in (shorter, shorter // 2):
        yield [
            (left, top, side, side) for top in _starts(height, side) for left in _starts(width, side)
        ]  # fmt: skip


def _starts(extent: int, side: int) -> list[int]:
    """Return where squares begin, so that two neighbours overlap by at least half."""
    steps = ceil((extent - side) / (side / 2))
    return [round((extent - side) * step / steps) for step in range(steps + 1)] if steps else [0]


class Search:
    """Finds faces in successive images of a clip."""

    def __init__(self, detect: Detect, score: Score) -> None:
        self._detect, self._score = detect, score
        self._pictures = 0
        self._previous: list[Region] = []
        """Faces in the previous image."""
        self._searched = 0
        """Number of the image that was last searched in squares."""

    def faces(self, pixels: NDArray) -> list[Region]:
        """Return the regions of the faces.

        Each face of the previous image is searched at its last position. The image is searched in squares if
        no face was found, and occasionally if one is missing, until as many are found as in the previous
        image.
        """
        height, width = pixels.shape[:2]
        found = list(self._within(pixels, (0, 0, width, height)))
        for previous in self._previous:
            if not any(_moved(previous, region) for region in found):
                _add(found, self._within(pixels, around(previous, width, height)))
        thorough = self._pictures % THOROUGH == 0
        rested = self._pictures - self._searched >= PAUSE
        expected = len(self._previous) if rested else 0
        if thorough or len(found) < max(1, expected):
            self._searched = self._pictures
            self._search(pixels, found, MOST_FACES**2 if thorough else max(1, expected))
        self._pictures += 1
        self._previous = [region for region in found if self._is_upright(pixels, region)]
        return self._previous

    def _is_upright(self, pixels: NDArray, region: Region) -> bool:
        """Return whether a face is not upside down; otherwise its landmarks would be next to it.

        A face that was upright at the same position in the previous image still is.
        """
        if any(overlap(region, previous) > _STILL for previous in self._previous):
            return True
        height, width = pixels.shape[:2]
        left, top, side, _ = around(region, width, height)
        part = pixels[top : top + side, left : left + side]
        return self._score(part[::-1, ::-1]) <= self._score(part) + _SURER

    def _search(self, pixels: NDArray, found: list[Region], expected: int) -> None:
        """Add faces from ever smaller squares, until as many are found as are wanted."""
        height, width = pixels.shape[:2]
        pixels = pixels.copy()
        for region in found:
            _paint_over(pixels, region)
        for parts in squares(width, height):
            for part in parts:
                new = _add(found, self._within(pixels, part))
                for region in new:
                    _paint_over(pixels, region)
            if len(found) >= expected:
                break

    def _within(self, pixels: NDArray, part: tuple[int, int, int, int]) -> Iterator[Region]:
        """Yield the faces of a part of an image; small faces are detected again in a square around them.

        Landmarks are inaccurate if a face is small in the searched part.
        """
        height, width = pixels.shape[:2]
        for found in self._detected(pixels, part):
            region = found
            if found.side < _EXACT * part[3]:
                for again in self._detected(pixels, around(found, width, height)):
                    if overlap(again, found) > _SAME:
                        region = again
            yield region

    def _detected(self, pixels: NDArray, part: tuple[int, int, int, int]) -> Iterator[Region]:
        """Yield what the detector finds in a part of an image, except for faces that its edge cuts off."""
        left, top, width, height = part
        down, across = pixels.shape[:2]
        edge = _EDGE * height
        for found in self._detect(pixels[top : top + height, left : left + width]):
            if (
                found.right - found.left <= _WIDEST * (found.bottom - found.top)
                and (left == 0 or found.left > edge)
                and (top == 0 or found.top > edge)
                and (left + width == across or found.right < width - edge)
                and (top + height == down or found.bottom < height - edge)
            ):
                yield found.shifted(left, top)


def around(region: Region, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the square that is searched for a face with this last region, as `squares` does."""
    side = min(max(1, round(_AROUND * region.side)), width, height)
    left, top = (
        min(max(0, round(centre - side / 2)), extent - side)
        for centre, extent in zip(region.centre, (width, height), strict=True)
    )
    return left, top, side, side


def _moved(before: Region, now: Region) -> bool:
    """Return whether a region can be the same face as a region in the previous image."""
    small, large = sorted((before.side, now.side))
    (x, y), (to_x, to_y) = before.centre, now.centre
    return large <= 2 * small and max(abs(to_x - x), abs(to_y - y)) <= large


def _add(found: list[Region], regions: Iterable[Region]) -> list[Region]:
    """Add the regions that are new, and return them."""
    new: list[Region] = []
    for region in regions:
        if not any(overlap(region, other) > _SAME for other in found):
            found.append(region)
            new.append(region)
    return new


def _paint_over(pixels: NDArray, region: Region) -> None:
    """Paint over a face, and a margin around it, with the mean colour of the image there."""
    more = _OVER * region.side
    left, top = (max(0, round(edge - more)) for edge in region.edges[:2])
    right, bottom = (max(0, round(edge + more)) for edge in region.edges[2:])
    part = pixels[top:bottom, left:right]
    if part.size:
        part[:] = part.mean(axis=(0, 1))


def _pictures(pipe: IO[bytes], width: int, height: int) -> Iterator[NDArray]:
    import numpy as np  # noqa: PLC0415

    size = width * height * 3
    while len(content := pipe.read(size)) == size:
        yield np.frombuffer(content, np.uint8).reshape(height, width, 3)


def _serve(loaded: ExitStack, out: IO[str], stderr: IO[str], arguments: Sequence[str]) -> int:
    """Search the images that a command prints, or an empty one; return the exit code."""
    import numpy as np  # noqa: PLC0415

    model, width, height = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    search = Search(loaded.enter_context(detector(model)), loaded.enter_context(scorer(model)))

    def tell(pixels: NDArray, tick: int) -> None:
        found = [
            [*(round(edge, 6) for edge in region.scaled(1 / width, 1 / height).edges), _rounded_yaw(region)]
            for region in search.faces(pixels)
        ]
        out.write(json.dumps([tick, found]) + "\n")
        out.flush()

    argv = arguments[3:]
    if not argv:
        tell(np.zeros((height, width, 3), np.uint8), 0)
        return 0
    read, write = os.pipe()
    filters = argv.index("-vf") + 1
    argv = [*argv[:filters], argv[filters].replace(TIMES, str(write)), *argv[filters + 1 :]]
    with (
        os.fdopen(read) as times,
        Popen(list(argv), stdin=DEVNULL, stdout=PIPE, stderr=stderr, pass_fds=(write,)) as ffmpeg,
    ):
        os.close(write)
        if ffmpeg.stdout is not None:
            for pixels in _pictures(ffmpeg.stdout, width, height):
                tell(pixels, _tick(times))
    return NO_PICTURES if ffmpeg.returncode else 0


def _rounded_yaw(region: Region) -> float | None:
    return round(region.yaw, 1) if isinstance(region, Face) and region.yaw is not None else None


def _tick(times: Iterable[str]) -> int:
    """Return the timestamp of the image that was just read; ffmpeg prints it first."""
    for line in times:
        if found := _TIME.search(line):
            return int(found[1])
    raise EOFError("ffmpeg printed no time stamp")


def serve(*arguments: str) -> None:
    """Run with the given arguments: a model, the images' width and height, and a command line."""
    with os.fdopen(os.dup(1), "w") as out, os.fdopen(os.dup(2), "w") as stderr:
        # Output of libraries would hide ffmpeg's messages, and is not part of the answer.
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        loaded = ExitStack()  # never closed: that takes 0.3 s
        try:
            code = _serve(loaded, out, stderr, arguments)
        except Exception as error:  # noqa: BLE001 - any error must be reported
            stderr.writelines(traceback.format_exception_only(error))
            code = 1
        with suppress(BrokenPipeError):
            out.flush()
        stderr.flush()
        # Some versions of MediaPipe crash when Python exits.
        os._exit(code)
