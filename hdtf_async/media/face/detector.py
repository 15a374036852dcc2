"""Looks for faces in pictures. Only the detecting child is here (see `finder`): it alone loads what detects.

ffmpeg is this child's own child, in the same process group, so that both are ended together. Its pictures
come through a pipe, one at a time, and their time stamps through another one. For each a line goes out: its
time stamp, and where the faces are, in shares of its sides.

The detector sees all of a picture at 128 pixels, and misses faces below a fourth of the height of a wide one.
So a face of the picture before that is missing is searched in a square around its last region. If that fails,
the whole picture is searched in squares that overlap by half: first as high as itself, then half as high
(`squares`). That is enough for faces of a thirteenth of the height. Most of the time goes into landmarks, for
each face of each square, so faces that were found are painted over before.
"""

from __future__ import annotations

import json
import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from math import ceil
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import IO, TYPE_CHECKING
from zipfile import ZipFile

from hdtf_async.media.face.people import Region, overlap

if TYPE_CHECKING:
    from numpy.typing import NDArray

Detect = Callable[["NDArray"], list[Region]]
"""Finds the faces in a picture (rows of pixels of red, green, blue), each in pixels of it."""
Score = Callable[["NDArray"], float]
"""How sure it is that a picture shows a face the right way up: from 0 to 1."""

MOST_FACES = 8
"""In one picture, or one square of it."""
THOROUGH = 25
"""Each such picture is searched in all squares, whatever was found before: another face may have come."""
PAUSE = 5
"""Pictures between two searches for a missing face, as long as another one is in them."""
TIMES = "{times}"
"""Stands in ffmpeg's filters for the descriptor to which it writes time stamps."""
_AROUND = 3.0
"""Side of the square that is searched around a face's last region, in sides of that."""
_SAME, _EDGE = 0.3, 0.02
_EXACT = 0.27
"""Side of a face by the height of the part it is found in, from which on its landmarks are exact."""
_STILL = 0.6
_OVER = 0.15
_LEAST_SCORE = 0.1
_SURER = 0.05
"""By how much a score has to be higher for a face that is turned by 180 degrees: upside down."""
_TIME = re.compile(r" pts:(-?[0-9]{1,18}) ")
_WIDEST = 1.25
"""Width of a face by its height, at most; what is wider is a pattern that has two dark spots in it."""
NO_PICTURES = 3
"""Exit code where ffmpeg has failed, so that its last words are those on stderr."""


@contextmanager
def detector(model: Path) -> Iterator[Detect]:
    """Give what finds faces: MediaPipe's Face Landmarker, from its model file.

    A region is what its 478 landmarks span: from the hairline to the chin, without ears and hair. Whoever
    wants another detector puts it here.
    """
    import numpy as np  # noqa: PLC0415 - together some seconds, which only this child spends
    from mediapipe import Image, ImageFormat  # noqa: PLC0415
    from mediapipe.tasks.python import BaseOptions, vision  # noqa: PLC0415

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=model.read_bytes()),
        running_mode=vision.RunningMode.IMAGE,
        num_faces=MOST_FACES,
    )

    def detect(picture: NDArray) -> list[Region]:
        height, width = picture.shape[:2]
        image = Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(picture))
        return [
            Region(
                min(point.x for point in face) * width,
                min(point.y for point in face) * height,
                max(point.x for point in face) * width,
                max(point.y for point in face) * height,
            )
            for face in landmarker.detect(image).face_landmarks
        ]

    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        yield detect


@contextmanager
def scorer(model: Path) -> Iterator[Score]:
    """Give what scores faces: MediaPipe's Face Detector, which the Face Landmarker's file has inside."""
    import numpy as np  # noqa: PLC0415
    from mediapipe import Image, ImageFormat  # noqa: PLC0415
    from mediapipe.tasks.python import BaseOptions, vision  # noqa: PLC0415

    with ZipFile(model) as parts:
        content = parts.read("face_detector.tflite")
    options = vision.FaceDetectorOptions(
        base_options=BaseOptions(model_asset_buffer=content), min_detection_confidence=_LEAST_SCORE
    )

    def score(picture: NDArray) -> float:
        image = Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(picture))
        found = faces.detect(image).detections
        return max((each.categories[0].score for each in found), default=0.0)

    with vision.FaceDetector.create_from_options(options) as faces:
        yield score


def squares(width: int, height: int) -> Iterator[list[tuple[int, int, int, int]]]:
    """Yield the squares of a picture, coarse to fine: left, top, width and height of each."""
    shorter = min(width, height)
    for side in (shorter, shorter // 2):
        yield [
            (left, top, side, side) for top in _starts(height, side) for left in _starts(width, side)
        ]  # fmt: skip


def _starts(room: int, side: int) -> list[int]:
    """Return where squares begin, so that two neighbours share half of a side at least."""
    steps = ceil((room - side) / (side / 2))
    return [round((room - side) * step / steps) for step in range(steps + 1)] if steps else [0]


class Search:
    """Looks for faces in one picture after the other of a clip."""

    def __init__(self, detect: Detect, score: Score) -> None:
        self._detect, self._score = detect, score
        self._pictures = 0
        self._known: list[Region] = []
        """Faces in the picture before."""
        self._searched = 0
        """Number of the picture that was last searched in squares."""

    def faces(self, picture: NDArray) -> list[Region]:
        """Return where the faces are.

        Each face of the picture before is searched where it was. In squares the picture is searched if there
        is no face in it, and now and then if one is missing, until as many are found as in the one before.
        """
        height, width = picture.shape[:2]
        found = list(self._within(picture, (0, 0, width, height)))
        for known in self._known:
            if not any(_moved(known, region) for region in found):
                _add(found, self._within(picture, around(known, width, height)))
        thorough = self._pictures % THOROUGH == 0
        rested = self._pictures - self._searched >= PAUSE
        wanted = len(self._known) if rested else 0
        if thorough or len(found) < max(1, wanted):
            self._searched = self._pictures
            self._search(picture, found, MOST_FACES**2 if thorough else max(1, wanted))
        self._pictures += 1
        self._known = [region for region in found if self._is_upright(picture, region)]
        return self._known

    def _is_upright(self, picture: NDArray, region: Region) -> bool:
        """Say whether a face is not upside down: the landmarks then lie beside it.

        One that was upright in the picture before, at the same place, still is.
        """
        if any(overlap(region, known) > _STILL for known in self._known):
            return True
        height, width = picture.shape[:2]
        left, top, side, _ = around(region, width, height)
        part = picture[top : top + side, left : left + side]
        return self._score(part[::-1, ::-1]) <= self._score(part) + _SURER

    def _search(self, picture: NDArray, found: list[Region], wanted: int) -> None:
        """Add faces from ever smaller squares, until there are as many as are wanted."""
        height, width = picture.shape[:2]
        picture = picture.copy()
        for region in found:
            _paint_over(picture, region)
        for parts in squares(width, height):
            for part in parts:
                new = _add(found, self._within(picture, part))
                for region in new:
                    _paint_over(picture, region)
            if len(found) >= wanted:
                break

    def _within(self, picture: NDArray, part: tuple[int, int, int, int]) -> Iterator[Region]:
        """Yield the faces of a part of a picture, each as it is found in the square around it if it is small.

        Landmarks of a face that is small in what the detector sees are not exact.
        """
        height, width = picture.shape[:2]
        for found in self._detected(picture, part):
            region = found
            if found.side < _EXACT * part[3]:
                for again in self._detected(picture, around(found, width, height)):
                    if overlap(again, found) > _SAME:
                        region = again
            yield region

    def _detected(self, picture: NDArray, part: tuple[int, int, int, int]) -> Iterator[Region]:
        """Yield what the detector finds in a part of a picture, but for faces that its edge cuts off."""
        left, top, width, height = part
        down, across = picture.shape[:2]
        edge = _EDGE * height
        for found in self._detect(picture[top : top + height, left : left + width]):
            if (
                found.right - found.left <= _WIDEST * (found.bottom - found.top)
                and (left == 0 or found.left > edge)
                and (top == 0 or found.top > edge)
                and (left + width == across or found.right < width - edge)
                and (top + height == down or found.bottom < height - edge)
            ):
                yield Region(
                    found.left + left, found.top + top, found.right + left, found.bottom + top
                )  # fmt: skip


def around(region: Region, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the square that is searched for a face which was at a region: as `squares` does."""
    side = min(max(1, round(_AROUND * region.side)), width, height)
    left, top = (
        min(max(0, round(centre - side / 2)), room - side)
        for centre, room in zip(region.centre, (width, height), strict=True)
    )
    return left, top, side, side


def _moved(before: Region, now: Region) -> bool:
    """Say whether a region can be the same face as another one in the picture before."""
    small, large = sorted((before.side, now.side))
    (x, y), (to_x, to_y) = before.centre, now.centre
    return large <= 2 * small and max(abs(to_x - x), abs(to_y - y)) <= large


def _add(found: list[Region], regions: Iterable[Region]) -> list[Region]:
    """Add the regions that are not there yet, and return them."""
    new: list[Region] = []
    for region in regions:
        if not any(overlap(region, other) > _SAME for other in found):
            found.append(region)
            new.append(region)
    return new


def _paint_over(picture: NDArray, region: Region) -> None:
    """Paint a face over, and a little around it, with the mean colour of the picture there."""
    more = _OVER * region.side
    left, top = (max(0, round(edge - more)) for edge in region.edges[:2])
    right, bottom = (max(0, round(edge + more)) for edge in region.edges[2:])
    part = picture[top:bottom, left:right]
    if part.size:
        part[:] = part.mean(axis=(0, 1))


def _pictures(pipe: IO[bytes], width: int, height: int) -> Iterator[NDArray]:
    import numpy as np  # noqa: PLC0415

    size = width * height * 3
    while len(content := pipe.read(size)) == size:
        yield np.frombuffer(content, np.uint8).reshape(height, width, 3)


def _serve(loaded: ExitStack, out: IO[str], words: IO[str], said: Sequence[str]) -> int:
    """Look through the pictures that a command prints, or at an empty one; return the exit code."""
    import numpy as np  # noqa: PLC0415

    model, width, height = Path(said[0]), int(said[1]), int(said[2])
    search = Search(loaded.enter_context(detector(model)), loaded.enter_context(scorer(model)))

    def tell(picture: NDArray, tick: int) -> None:
        found = [region.scaled(1 / width, 1 / height).edges for region in search.faces(picture)]
        out.write(json.dumps([tick, [[round(edge, 6) for edge in edges] for edges in found]]) + "\n")
        out.flush()

    argv = said[3:]
    if not argv:
        tell(np.zeros((height, width, 3), np.uint8), 0)
        return 0
    read, write = os.pipe()
    filters = argv.index("-vf") + 1
    argv = [*argv[:filters], argv[filters].replace(TIMES, str(write)), *argv[filters + 1 :]]
    with (
        os.fdopen(read) as times,
        Popen(list(argv), stdin=DEVNULL, stdout=PIPE, stderr=words, pass_fds=(write,)) as ffmpeg,
    ):
        os.close(write)
        if ffmpeg.stdout is not None:
            for picture in _pictures(ffmpeg.stdout, width, height):
                tell(picture, _tick(times))
    return NO_PICTURES if ffmpeg.returncode else 0


def _tick(times: Iterable[str]) -> int:
    """Return the time stamp of the picture that was just read: ffmpeg has printed it before."""
    for line in times:
        if found := _TIME.search(line):
            return int(found[1])
    raise EOFError("ffmpeg printed no time stamp")


def serve(*said: str) -> None:
    """Do what is said: a model, the pictures' width and height, and the words of a command."""
    with os.fdopen(os.dup(1), "w") as out, os.fdopen(os.dup(2), "w") as words:
        # What libraries chatter would hide ffmpeg's words, and is no answer.
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        loaded = ExitStack()  # never closed: that takes 0.3 s
        try:
            code = _serve(loaded, out, words, said)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody has to read it
            words.writelines(traceback.format_exception_only(error))
            code = 1
        with suppress(BrokenPipeError):
            out.flush()
        words.flush()
        # Some versions of what detects fall over themselves when Python ends.
        os._exit(code)
