"""Compute the square window around the face of a clip, and how much of the clip it covers. Pure.

This is the second of the two crops that the authors of HDTF describe: the facial regions of all frames are
merged, made square and enlarged. `people` decides whose regions are merged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Fallback
from hdtf_async.dataset import geometry
from hdtf_async.media.face.people import Frame, Region, find, overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hdtf_async.core.model import Clip, OutputSettings

__all__ = ["Frame", "Region", "find", "inside", "overlap", "place", "plan_window"]
_LEAST_SHARE = 0.5
"""Minimum fraction of the samples in which the person must be seen."""
_ROUNDING = 2.0
"""Pixels by which a window may be smaller than computed: its edges are even numbers."""


def place(region: Region, zoom: float, margin: float, width: int, height: int) -> Box:
    """Return the square around a merged region, enlarged, in a source video of ``width`` x ``height`` pixels.

    The side is the region's longer one, widened by the margin on each side and multiplied by the zoom,
    rounded down to an even number. A square that extends beyond the frame is shifted, and reduced only if it
    is larger than the frame.
    """
    ideal = region.side * (1 + 2 * margin) * zoom
    side = max(2, min(2 * int(ideal / 2), width - width % 2, height - height % 2))
    left, top = (
        min(max(0, 2 * round((centre - side / 2) / 2)), (extent - side) // 2 * 2)
        for centre, extent in zip(region.centre, (width, height), strict=True)
    )
    return Box(left, top, side, side)


def inside(frames: Sequence[Frame], box: Box, width: int, height: int) -> int:
    """Return the number of samples in which a face is entirely inside a box.

    Parts of a face outside the frame of ``width`` x ``height`` pixels do not count.
    """

    def holds(face: Region) -> bool:
        return (
            box.left <= max(0.0, face.left) + _ROUNDING
            and box.top <= max(0.0, face.top) + _ROUNDING
            and box.right >= min(face.right, width) - _ROUNDING
            and box.bottom >= min(face.bottom, height) - _ROUNDING
        )

    return sum(frame.sampled and any(holds(face) for face in frame.faces) for frame in frames)


def plan_window(
    clip: Clip, frames: Sequence[Frame], size: tuple[int, int], settings: OutputSettings
) -> tuple[Box, dict[str, Any]]:
    """Return the box to cut out of frames of a size, and what the metadata record about it.

    The face's size is in pixels of the frames.

    A clip without a zoom in the table has 1. Raises `Failure`: ``no_face``; if the published box is the
    fallback, ``box_does_not_fit`` and ``height_unknown``.
    """
    width, height = size
    point = None if clip.annotation is None else clip.annotation.point
    found = find(frames, None if point is None else (point[0] * width, point[1] * height))
    samples = sum(frame.sampled for frame in frames)
    seen, kept = (found.seen, found.kept) if found is not None else (0, 0)
    metadata: dict[str, Any] = {"zoom": clip.zoom, "faces": found.people if found is not None else 0}
    if found is not None and seen >= _LEAST_SHARE * samples:
        box = place(found.region, clip.zoom or 1, settings.face_margin, width, height)
        metadata["face_size"] = list(found.sides)
        if found.yaw is not None:
            metadata["face_yaw"] = [round(each, 1) for each in found.yaw]
        metadata["face_region"] = [round(edge, 1) for edge in found.region.edges]
    elif settings.face_fallback is Fallback.FAIL:
        anybody = sum(frame.sampled and len(frame.faces) > 0 for frame in frames)
        message = f"{anybody} of {samples} searched frames show a face"
        if found is not None:
            message += f", and {seen} ({seen / samples:.0%}) show the main person"
        raise Failure(Reason.NO_FACE, message)
    else:
        box = geometry.window(clip, width, height)
        metadata["face_fallback"] = "table"
    shares = {
        "face_share": seen, "face_kept_share": kept, "face_inside_share": inside(frames, box, width, height),
    }  # fmt: skip
    return box, metadata | {name: round(count / max(1, samples), 4) for name, count in shares.items()}
