"""The estimated rotation of a head, with the real detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astronaut
import numpy as np
import pytest
import turned_head
from PIL import Image, ImageOps

from hdtf_async.media.face.detector import detector
from hdtf_async.media.face.people import Face

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.face


@pytest.fixture(scope="module")
def yaw() -> Iterator[Callable[[Image.Image], float]]:
    """Return a function that estimates the yaw of the only face in a picture."""
    with detector(astronaut.model()) as detect:

        def estimate(picture: Image.Image) -> float:
            (face,) = detect(np.asarray(picture))
            assert isinstance(face, Face)
            assert face.yaw is not None
            return face.yaw

        yield estimate


def test_the_yaw_follows_the_rotation_of_the_head(yaw: Callable[[Image.Image], float]) -> None:
    """Positive to the right of the image; 0.6 to 0.8 of the angle, because the mesh is too flat."""
    head = turned_head.Head.photographed()
    angles = (-40, -30, -20, -10, 0, 10, 20, 30, 40)
    found = {angle: yaw(head.turned(angle)) for angle in angles}
    assert [*found.values()] == sorted(found.values())
    assert abs(found[0]) < 3
    for angle in (20, 30, 40):
        assert 0.6 * 2 * angle < found[angle] - found[-angle] < 0.8 * 2 * angle


def test_the_yaw_does_not_depend_on_the_position_in_the_image(yaw: Callable[[Image.Image], float]) -> None:
    """In a wide frame with the face at the left, in the middle and at the right."""
    photograph = turned_head.photograph()
    found = []
    for left in (0, 320, 640):
        frame = Image.new("RGB", (2 * turned_head.SIDE, turned_head.SIDE), (90, 90, 90))
        frame.paste(photograph, (left, 0))
        found.append(yaw(frame))
    assert max(found) - min(found) < 3


@pytest.mark.parametrize("angle", [-20, 20])
def test_the_yaw_does_not_depend_on_a_tilt_of_the_head(
    angle: float, yaw: Callable[[Image.Image], float]
) -> None:
    """The image of a head that looks into the camera is rotated."""
    assert abs(yaw(turned_head.photograph().rotate(angle))) < 4


def test_a_mirrored_head_is_turned_to_the_other_side(yaw: Callable[[Image.Image], float]) -> None:
    """By the same angle."""
    turned = turned_head.Head.photographed().turned(25)
    assert yaw(turned) > 10
    assert yaw(ImageOps.mirror(turned)) == pytest.approx(-yaw(turned), abs=3)
