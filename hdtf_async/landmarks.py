"""Looks for faces in pictures. Only the detecting child is here (see `faces`): it alone loads what detects.

ffmpeg is this child's own child, in the same process group, so that both are ended together. Its pictures
come through a pipe, one at a time, and for each a line goes out: where the faces are, in shares of its sides.

The detector sees all of a picture at 128 pixels, and misses faces below a fourth of the height of a wide one.
So where too few are found the picture is searched again in squares that overlap by half: first as high as
itself, then half as high (`squares`). Which is enough for faces of a thirteenth of the height.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from math import ceil
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import IO, TYPE_CHECKING

from hdtf_async.window import Region, overlap

if TYPE_CHECKING:
    from numpy.typing import NDArray

Detect = Callable[["NDArray"], list[Region]]
"""Finds the faces in a picture (rows of pixels of red, green, blue), each in pixels of it."""

MOST_FACES = 8
"""In one picture, or one square of it."""
THOROUGH = 25
"""Each such picture is searched in all squares, whatever was found before: another face may have come."""
_SAME, _EDGE = 0.3, 0.02
_WIDEST = 1.25
"""Width of a face by its height, at most; what is wider is a pattern that has two dark spots in it."""
NO_PICTURES = 3
"""Exit code where ffmpeg has failed, so that its last words are those on stderr."""


def detector(model: Path) -> Detect:
    """Return what finds faces: MediaPipe's Face Landmarker, from its model file.

    A region is what its 478 landmarks span: from the hairline to the chin, without ears and hair. Whoever
    wants another detector puts it here.
    """
    import numpy as np  # noqa: PLC0415 - together some seconds, which only this child spends
    from mediapipe import Image, ImageFormat  # noqa: PLC0415
    from mediapipe.tasks.python import BaseOptions, vision  # noqa: PLC0415

    landmarker = vision.FaceLandmarker.create_from_options(
        vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=model.read_bytes()),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=MOST_FACES,
        )
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

    return detect


def squares(width: int, height: int) -> Iterator[list[tuple[int, int, int, int]]]:
    """Yield what is searched of a picture, coarse to fine: left, top, width and height of each part."""
    yield [(0, 0, width, height)]
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

    def __init__(self, detect: Detect) -> None:
        self._detect = detect
        self._pictures = 0
        self._before = 0
        """Faces in the picture before."""

    def faces(self, picture: NDArray) -> list[Region]:
        """Return where the faces are.

        It is searched ever more finely until as many are found as in the picture before, and one at least.
        """
        thorough = self._pictures % THOROUGH == 0
        height, width = picture.shape[:2]
        found: list[Region] = []
        for parts in squares(width, height):
            for part in parts:
                for region in self._within(picture, part):
                    if not any(overlap(region, other) > _SAME for other in found):
                        found.append(region)
            if not thorough and len(found) >= max(1, self._before):
                break
        self._pictures += 1
        self._before = len(found)
        return found

    def _within(self, picture: NDArray, part: tuple[int, int, int, int]) -> Iterator[Region]:
        """Yield the faces of a part of a picture, but for those that its edge cuts off."""
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


def _pictures(pipe: IO[bytes], width: int, height: int) -> Iterator[NDArray]:
    import numpy as np  # noqa: PLC0415

    size = width * height * 3
    while len(content := pipe.read(size)) == size:
        yield np.frombuffer(content, np.uint8).reshape(height, width, 3)


def _serve(out: IO[str], words: IO[str], said: Sequence[str]) -> int:
    """Look through the pictures that a command prints, or at an empty one; return the exit code."""
    import numpy as np  # noqa: PLC0415

    model, width, height = Path(said[0]), int(said[1]), int(said[2])
    search = Search(detector(model))

    def tell(picture: NDArray) -> None:
        found = [region.scaled(1 / width, 1 / height).edges for region in search.faces(picture)]
        out.write(json.dumps([[round(edge, 6) for edge in edges] for edges in found]) + "\n")
        out.flush()

    argv = said[3:]
    if not argv:
        tell(np.zeros((height, width, 3), np.uint8))
        return 0
    with Popen(list(argv), stdin=DEVNULL, stdout=PIPE, stderr=words) as ffmpeg:
        if ffmpeg.stdout is not None:
            for picture in _pictures(ffmpeg.stdout, width, height):
                tell(picture)
    return NO_PICTURES if ffmpeg.returncode else 0


def serve(*said: str) -> None:
    """Do what is said: a model, the pictures' width and height, and the words of a command."""
    with os.fdopen(os.dup(1), "w") as out, os.fdopen(os.dup(2), "w") as words:
        # What libraries chatter would hide ffmpeg's words, and is no answer.
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            code = _serve(out, words, said)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody has to read it
            words.writelines(traceback.format_exception_only(error))
            code = 1
        with suppress(BrokenPipeError):
            out.flush()
        words.flush()
        # Some versions of what detects fall over themselves when Python ends.
        os._exit(code)
