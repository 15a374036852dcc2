"""Place a published crop box in the source video.

Boxes are published in pixels at the video's reference height. A source video of another height shows the same
image larger or smaller, so the box is scaled by ``height / reference_height`` in both directions: YouTube's
formats preserve the aspect ratio, and their width only differs by rounding. This includes portrait videos,
because the reference height counts along the box's own vertical axis. One kind of source of another height is
not scaled: if an encoder padded the height to a multiple of 16 (1920x1088 instead of 1080), the additional
rows are empty, and the box is used as it is.

`fit` follows these rules:

1. The sides are scaled and rounded down to even numbers. A square stays a square.

2. The centre is kept, and left and top are rounded to the nearest even numbers: 4:2:0 video has one chroma
sample per two by two pixels, and ffmpeg would otherwise move the box silently. So the centre moves by at most
one pixel in each direction.

3. The box never extends beyond the frame. If rule 2 does not allow that, because the scaled box exceeds the
frame by a fraction of a pixel or the frame's width is odd, both sides become 2 pixels shorter.

4. A box that exceeds the frame by more than one pixel of the source video is rejected, and never shifted.

`place` places the region of a list of clips. It is scaled, clipped to the frame and enlarged, in this order
and before anything is rounded. Its reference size contains the width, so x and y are scaled separately. Then
each edge is rounded to the nearest even number. For a square, each edge is first rounded to the nearest
pixel; the side is the shorter or longer one of that box, rounded down to an even number, and the centre is
kept. The code of the datasets rounds in this order (``to_square`` of CelebV-HQ). The offset is rounded to the
nearest even number, so no edge is more than one pixel from theirs.

All arithmetic is exact: fractions, no floating point.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Square

if TYPE_CHECKING:
    from hdtf_async.core.model import Clip, Region

_BLOCK = 16
"""Block size of encoders, in rows and columns."""
_SHAPES = ((16, 9), (4, 3))
"""Usual aspect ratios."""
_SLACK = 1
"""Pixels of the source video by which a scaled box may exceed the frame, and by which its centre may move."""


def window(clip: Clip, width: int, height: int) -> Box:
    """Return the published crop window of a clip in a source video of ``width`` x ``height`` pixels.

    It is the whole frame if the clip has none. Raises what `fit` and `place` raise.
    """
    if clip.region is not None:
        return place(clip.region, width, height)
    if clip.box is not None:
        return fit(clip.box, clip.video.reference_height, width, height)
    return whole(width, height)


def whole(width: int, height: int) -> Box:
    """Return the whole frame of ``width`` x ``height`` pixels, without an odd last row and column."""
    return Box(0, 0, width - width % 2, height - height % 2)


def square(box: Box) -> Box:
    """Return the largest centred square in a box."""
    side = min(box.width, box.height)
    left, top = (
        start + (length - side) // 4 * 2 for start, length in ((box.left, box.width), (box.top, box.height))
    )
    return Box(left, top, side, side)


def place(region: Region, width: int, height: int) -> Box:
    """Return the region in a source video of ``width`` x ``height`` pixels, by the rules above.

    Raises `Failure` with `Reason.BOX_DOES_NOT_FIT` if less than 2 by 2 pixels of it are in the frame.
    """
    scale = scale_of(region.reference_height, width, height)
    scale_across = Fraction(width, region.reference_width) if region.reference_width else scale
    across = _Side.of(region.left, region.width, scale_across, width)
    down = _Side.of(region.top, region.height, scale, height)
    across, down = across.enlarged(region.expand), down.enlarged(region.expand)
    if region.square is not Square.NO:
        across, down = across.in_pixels(), down.in_pixels()
        lengths = int(across.length), int(down.length)
        length = min(lengths) if region.square is Square.MIN else max(lengths)
        length = min(length, width, height) // 2 * 2
        across, down = across.resized(length), down.resized(length)
    columns, rows = across.rounded(region.square), down.rounded(region.square)
    if columns and rows:
        return Box(left=columns[0], top=rows[0], width=columns[1], height=rows[1])
    where = f"box {region.left:g} {region.width:g} {region.top:g} {region.height:g}"
    where += f" of {region.reference_width}x{region.reference_height}"
    raise Failure(Reason.BOX_DOES_NOT_FIT, f"{where} is too small in a {width}x{height} frame")


@dataclass(frozen=True, slots=True)
class _Side:
    """One axis of a region in the source video, unrounded."""

    start: Fraction
    end: Fraction
    extent: int
    """Width or height of the frame."""

    @classmethod
    def of(cls, start: float, length: float, scale: Fraction, extent: int) -> _Side:
        """Scale one axis, and clip it to the frame."""
        begin = Fraction(str(start)) * scale
        end = begin + Fraction(str(length)) * scale
        return cls(max(begin, Fraction(0)), max(min(end, Fraction(extent)), Fraction(0)), extent)

    @property
    def length(self) -> Fraction:
        """Number of pixels."""
        return self.end - self.start

    def enlarged(self, share: float) -> _Side:
        """Return the side with a fraction of its length more at each end, within the frame."""
        more = Fraction(str(share)) * self.length
        return _Side(
            max(self.start - more, Fraction(0)), min(self.end + more, Fraction(self.extent)), self.extent
        )

    def in_pixels(self) -> _Side:
        """Return the side with both ends rounded to the nearest pixel."""
        return _Side(Fraction(round(self.start)), Fraction(round(self.end)), self.extent)

    def resized(self, length: int) -> _Side:
        """Return the side with another length around its centre, shifted into the frame."""
        start = (self.start + self.end - length) / 2
        start = min(max(start, Fraction(0)), Fraction(self.extent - length))
        return _Side(start, start + length, self.extent)

    def rounded(self, square: Square) -> tuple[int, int] | None:
        """Return the even offset and the even length, or None if there is none."""
        most = self.extent - self.extent % 2
        if square is Square.NO:
            start, end = (min(2 * round(edge / 2), most) for edge in (self.start, self.end))
            return (start, end - start) if end > start else None
        length = int(self.length)
        start = min(2 * round(self.start / 2), most - length)
        return (start, length) if length else None


def fits(box: Box, reference_height: int) -> bool:
    """Return whether a box is within its reference height, as far as that is known before a download.

    The width of the frame is not published, so this only checks top and bottom, and that no side and no
    offset is negative. False for a reference height of 0, for which no box is valid.
    """
    inside = box.left >= 0 and box.top >= 0 and box.bottom <= reference_height
    return inside and box.width > 0 and box.height > 0


def fit(box: Box, reference_height: int, width: int, height: int) -> Box:
    """Return the box in a source video of ``width`` x ``height`` pixels, by the rules above.

    Raises `Failure` with `Reason.HEIGHT_UNKNOWN` if the reference height is 0 (or less), and with
    `Reason.BOX_DOES_NOT_FIT` if the box exceeds the frame by more than one pixel or is smaller than 2 by 2
    pixels. The message contains all numbers.
    """
    if reference_height <= 0:
        raise Failure(Reason.HEIGHT_UNKNOWN, f"box {_shown(box)}: unknown reference height")
    scale = scale_of(reference_height, width, height)
    where = f"box {_shown(box)} at reference height {reference_height}"
    out = max(
        -box.left * scale,
        -box.top * scale,
        box.right * scale - width,
        box.bottom * scale - height,
    )
    if out > _SLACK:
        message = f"{where} extends beyond the {width}x{height} frame by {float(out):.1f} pixels"
        raise Failure(Reason.BOX_DOES_NOT_FIT, message)
    # Two pixels less are always enough: each edge moves by one, and the frame ends on a whole pixel.
    for shorter in (0, 2):
        across = _place(box.left, box.width, scale, width, shorter)
        down = _place(box.top, box.height, scale, height, shorter)
        if across and down:
            return Box(left=across[0], top=down[0], width=across[1], height=down[1])
    raise Failure(Reason.BOX_DOES_NOT_FIT, f"{where} is too small in a {width}x{height} frame")


def scale_of(reference_height: int, width: int, height: int) -> Fraction:
    """Return the scale of the source video relative to the reference height.

    Only the width distinguishes padding from an enlarged image: if rows were padded, width and reference
    height have a usual aspect ratio.
    """
    rounded = height == -(-reference_height // _BLOCK) * _BLOCK
    if rounded and any(width * high == reference_height * wide for wide, high in _SHAPES):
        return Fraction(1)
    return Fraction(height, reference_height)


def _place(
    start: int | Fraction, side: int | Fraction, scale: Fraction, extent: int, shorter: int
) -> tuple[int, int] | None:
    """Place one axis of a box: return its even offset and even side, or None if it does not fit."""
    length = 2 * (side * scale // 2) - shorter
    if length < 2:  # noqa: PLR2004 - the smallest even side
        return None
    exact = (start + Fraction(side, 2)) * scale - Fraction(length, 2)
    last = (extent - length) // 2 * 2
    offset = min(2 * round(exact / 2), last)
    return (offset, length) if offset >= 0 and abs(offset - exact) <= _SLACK else None


def _shown(box: Box) -> str:
    """Format a box in the order of the tables: left, width, top, height."""
    return f"{box.left} {box.width} {box.top} {box.height}"
