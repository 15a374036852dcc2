"""Pictures of a head that is turned by a known angle.

MediaPipe's mesh of a photographed face (scikit-image's astronaut, who looks into the camera) is rotated
around its vertical axis, and each of its triangles is drawn with its part of the photograph. So the angle
between two pictures is known, as far as the mesh has the depth of the real face.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin
from typing import TYPE_CHECKING, Any

import astronaut
import numpy as np
from mediapipe import Image, ImageFormat
from mediapipe.tasks.python import BaseOptions, vision
from PIL import Image as Picture
from PIL import ImageDraw
from skimage import data

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 640
_HEAD = (60, 0, 380, 320)
_BACKGROUND = (120, 110, 110)


def photograph() -> Picture.Image:
    """Return a square picture of the head."""
    return Picture.fromarray(data.astronaut()).crop(_HEAD).resize((SIDE, SIDE))


@dataclass(frozen=True)
class Head:
    """The photograph and the mesh of its face."""

    picture: Picture.Image
    points: NDArray[np.float64]
    """Position of each vertex: x, y and depth, in pixels."""
    triangles: list[tuple[int, int, int]]
    """Vertices of each triangle."""

    @classmethod
    def photographed(cls) -> Head:
        """Find the mesh in the photograph."""
        picture = photograph()
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=astronaut.model().read_bytes())
        )
        with vision.FaceLandmarker.create_from_options(options) as landmarker:
            image = Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(np.asarray(picture)))
            (face,) = landmarker.detect(image).face_landmarks
        edges = vision.FaceLandmarksConnections.FACE_LANDMARKS_TESSELATION
        starts = [edge.start for edge in edges]
        triangles = list(zip(starts[::3], starts[1::3], starts[2::3], strict=True))
        points = np.array([[point.x, point.y, point.z] for point in face]) * SIDE
        return cls(picture, points, triangles)

    def turned(self, angle: float) -> Picture.Image:
        """Return the face turned to the right of the image by an angle in degrees."""
        cosine, sine = cos(radians(angle)), sin(radians(angle))
        centre = self.points.mean(0)
        x, y, depth = (self.points - centre).T
        turned = np.array([x * cosine - depth * sine, y, x * sine + depth * cosine]).T + centre
        canvas = Picture.new("RGB", (SIDE, SIDE), _BACKGROUND)
        for corners in sorted(self.triangles, key=lambda each: -sum(turned[i][2] for i in each)):
            self._draw(canvas, self.points[[*corners], :2], turned[[*corners], :2])
        return canvas

    def _draw(self, canvas: Picture.Image, before: NDArray[Any], after: NDArray[Any]) -> None:
        """Draw one triangle with its part of the photograph, unless its back is visible."""
        homogeneous = np.hstack([after, np.ones((3, 1))])
        if np.linalg.det(homogeneous) * np.linalg.det(np.hstack([before, np.ones((3, 1))])) <= 0:
            return
        left, top = np.floor(after.min(0)).astype(int) - 1
        right, bottom = np.ceil(after.max(0)).astype(int) + 2
        across, down = np.linalg.solve(homogeneous, before).T
        origin = np.array([left, top, 1])
        affine = (*across[:2], across @ origin, *down[:2], down @ origin)
        size = int(right - left), int(bottom - top)
        patch = self.picture.transform(size, Picture.Transform.AFFINE, affine, Picture.Resampling.BILINEAR)
        mask = Picture.new("L", size, 0)
        corners = [(float(x - left), float(y - top)) for x, y in after]
        ImageDraw.Draw(mask).polygon(corners, fill=255, outline=255)
        canvas.paste(patch, (int(left), int(top)), mask)
