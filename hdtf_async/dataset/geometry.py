"""Where a published box lies in the raw at hand.

Boxes are published in pixels of the video's reference height. A raw of another height shows the same picture
larger or smaller, so the box is scaled by ``height / reference_height``, in both directions: YouTube's
renditions keep the shape of the picture, and their width only differs by rounding. A portrait video is no
exception, since the reference height counts along the box's own vertical axis. One raw of another height is
not another size: where its lines were rounded up to whole blocks (1920x1088 for 1080 lines), as some encoders
leave them, those at the bottom show nothing, and the box is taken as it is.

What is cut obeys this rule (`fit`):

1. The sides are scaled and rounded down to even numbers. A square stays a square.
2. The centre stays where it is, and left and top go to the even numbers nearest to it: video in 4:2:0 keeps
   one colour sample for two by two pixels, and ffmpeg would otherwise move the box silently. So the centre
   moves by one pixel at most, across and down.
3. The box never leaves the frame. Where rule 2 has no room for that, because the scaled box stands out by a
   fraction of a pixel or the frame's width is odd, both sides become 2 pixels shorter.
4. A box that leaves the frame by more than one pixel of the raw is refused, and never shifted.

All arithmetic is exact: fractions, no floating point.
"""

from __future__ import annotations

from fractions import Fraction

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box

_BLOCK = 16
"""Lines, and columns, that encoders work on at a time."""
_SHAPES = ((16, 9), (4, 3))
"""Usual shapes of a picture: its width by its height."""
_SLACK = 1
"""Pixels of the raw by which a scaled box may stand out, and by which its centre may move."""


def fits(box: Box, reference_height: int) -> bool:
    """Say whether a box keeps within its reference height, as far as that is known before a download.

    The width of the frame is not published, so only top and bottom can be judged, and that no side and no
    offset is negative. False for a reference height of 0, in which no box can be placed.
    """
    inside = box.left >= 0 and box.top >= 0 and box.bottom <= reference_height
    return inside and box.width > 0 and box.height > 0


def fit(box: Box, reference_height: int, width: int, height: int) -> Box:
    """Place a published box in a raw of ``width`` x ``height`` pixels, by the rule told above.

    Raises `Failure` with `Reason.HEIGHT_UNKNOWN` if the reference height is 0 (or less), and with
    `Reason.BOX_DOES_NOT_FIT` if the box leaves the frame by more than one pixel or if nothing that is 2
    pixels wide and high is left of it. The words name all numbers.
    """
    if reference_height <= 0:
        raise Failure(Reason.HEIGHT_UNKNOWN, f"box {_shown(box)} of an unknown reference height")
    scale = scale_of(reference_height, width, height)
    where = f"box {_shown(box)} at {reference_height} lines, in a raw of {width}x{height}"
    out = max(
        -box.left * scale,
        -box.top * scale,
        box.right * scale - width,
        box.bottom * scale - height,
    )
    if out > _SLACK:
        raise Failure(Reason.BOX_DOES_NOT_FIT, f"{where}, leaves the frame by {float(out):.1f} pixels")
    # Two pixels less are always enough: each edge steps in by one, and the frame ends on a whole pixel.
    for shorter in (0, 2):
        across = _place(box.left, box.width, scale, width, shorter)
        down = _place(box.top, box.height, scale, height, shorter)
        if across and down:
            return Box(left=across[0], top=down[0], width=across[1], height=down[1])
    raise Failure(Reason.BOX_DOES_NOT_FIT, f"{where}, is too small to be cut")


def scale_of(reference_height: int, width: int, height: int) -> Fraction:
    """Return how much larger the raw shows the picture than it was when its box was measured.

    Only the width can tell lines that were added from a picture that was enlarged: with the reference height
    it gives a usual shape then.
    """
    rounded = height == -(-reference_height // _BLOCK) * _BLOCK
    if rounded and any(width * high == reference_height * wide for wide, high in _SHAPES):
        return Fraction(1)
    return Fraction(height, reference_height)


def _place(start: int, side: int, scale: Fraction, room: int, shorter: int) -> tuple[int, int] | None:
    """Place one axis of a box: its even offset and even side, or None where there is no room for it."""
    length = 2 * (side * scale // 2) - shorter
    if length < 2:  # noqa: PLR2004 - the smallest even side
        return None
    exact = (start + Fraction(side, 2)) * scale - Fraction(length, 2)
    last = (room - length) // 2 * 2
    offset = min(2 * round(exact / 2), last)
    return (offset, length) if offset >= 0 and abs(offset - exact) <= _SLACK else None


def _shown(box: Box) -> str:
    """Write a box in the order of the tables: left, width, top, height."""
    return f"{box.left} {box.width} {box.top} {box.height}"
