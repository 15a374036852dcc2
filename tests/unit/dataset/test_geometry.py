"""Placing a published box in the source video."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Annotation, Box, Clip, Interval, Region, Square, Video
from hdtf_async.dataset import geometry
from hdtf_async.dataset.geometry import fit, fits, place, square

HEIGHTS = st.sampled_from([144, 240, 360, 480, 700, 714, 718, 720, 1080, 1440, 2160]) | st.integers(2, 4320)
"""Heights of YouTube's formats, and others."""

BOXES = st.builds(
    Box,
    left=st.integers(-5, 4000),
    top=st.integers(-5, 2200),
    width=st.integers(1, 1500),
    height=st.integers(1, 1500),
)


@st.composite
def boxes_in_frames(draw: st.DrawFn) -> tuple[Box, int, int, int]:
    """Draw a box inside its reference frame, and a source video with the same image at any height."""
    reference_height, height = draw(HEIGHTS), draw(HEIGHTS)
    frame_width = draw(st.integers(2, reference_height * 3))
    side = draw(st.integers(1, min(frame_width, reference_height)))
    box = Box(
        left=draw(st.integers(0, frame_width - side)),
        top=draw(st.integers(0, reference_height - side)),
        width=side,
        height=side if draw(st.booleans()) else draw(st.integers(1, side)),
    )
    # YouTube rounds the width up or down.
    exact = Fraction(frame_width * height, reference_height)
    width = draw(st.sampled_from([int(exact), int(exact) + 1]))
    return box, reference_height, width, height


def leaves_by(box: Box, reference_height: int, width: int, height: int) -> Fraction:
    """Return by how many pixels of the source video the scaled box exceeds the frame; negative if inside."""
    scale = Fraction(height, reference_height)
    return max(-box.left * scale, -box.top * scale, box.right * scale - width, box.bottom * scale - height)


def check_rule(cut: Box, box: Box, reference_height: int, width: int, height: int) -> None:
    """Check all rules for a placed box."""
    scale = Fraction(height, reference_height)
    assert cut.left >= 0
    assert cut.top >= 0
    assert cut.right <= width
    assert cut.bottom <= height
    assert all(number % 2 == 0 for number in (cut.left, cut.top, cut.width, cut.height))
    assert min(cut.width, cut.height) >= 2
    assert abs(cut.left + Fraction(cut.width, 2) - (box.left + Fraction(box.width, 2)) * scale) <= 1
    assert abs(cut.top + Fraction(cut.height, 2) - (box.top + Fraction(box.height, 2)) * scale) <= 1
    lost = []
    for now, then in ((cut.width, box.width), (cut.height, box.height)):
        assert now <= then * scale, "scaling never makes a side grow"
        lost.append(2 * int(then * scale / 2) - now)
    assert lost in ([0, 0], [2, 2]), "both sides lose the same, and never more than one step"


@given(boxes_in_frames())
@example((Box(0, 0, 853, 480), 480, 853, 480))
@example((Box(1, 0, 480, 480), 480, 481, 480))
@example((Box(561, 0, 720, 720), 720, 1281, 720))
@example((Box(853 - 480, 0, 480, 480), 720, 853, 720))
@example((Box(600, 0, 680, 720), 720, 426, 240))
def test_a_box_inside_the_frame_is_placed_by_the_rules(case: tuple[Box, int, int, int]) -> None:
    """Inside the frame, even, never larger, square if it was, and its centre within one pixel."""
    box, reference_height, width, height = case
    assume(leaves_by(*case) <= 1)
    scale = Fraction(height, reference_height)
    # A box of about three pixels can vanish; no published one is that small.
    assume(min(box.width, box.height) * scale >= 4)
    cut = fit(box, reference_height, width, height)
    check_rule(cut, box, reference_height, width, height)
    assert (cut.width == cut.height) or box.width != box.height


@given(BOXES, HEIGHTS, st.integers(2, 8000), HEIGHTS)
@example(Box(-1, 10, 1282, 100), 720, 1280, 720)
@example(Box(-2, 10, 100, 100), 720, 1280, 720)
@example(Box(-1, 10, 100, 100), 720, 1280, 720)
@example(Box(10, -2, 100, 100), 720, 1280, 720)
@example(Box(10, -1, 100, 100), 720, 1280, 720)
@example(Box(1182, 10, 100, 100), 720, 1280, 720)
@example(Box(1181, 10, 100, 100), 720, 1280, 720)
@example(Box(10, 622, 100, 100), 720, 1280, 720)
@example(Box(10, 621, 100, 100), 720, 1280, 720)
def test_a_box_is_rejected_if_and_only_if_it_exceeds_the_frame(
    box: Box, reference_height: int, width: int, height: int
) -> None:
    """By more than one pixel of the source video; a box that is too small is another error."""
    large_enough = min(box.width, box.height) * Fraction(height, reference_height) >= 4
    if leaves_by(box, reference_height, width, height) > 1:
        with pytest.raises(Failure) as caught:
            fit(box, reference_height, width, height)
        assert caught.value.reason is Reason.BOX_DOES_NOT_FIT
        assert "extends beyond the" in caught.value.words
    elif large_enough:
        check_rule(fit(box, reference_height, width, height), box, reference_height, width, height)


@given(
    st.builds(
        Box,
        left=st.integers(0, 1000).map(lambda n: 2 * n),
        top=st.integers(0, 500).map(lambda n: 2 * n),
        width=st.integers(1, 500).map(lambda n: 2 * n),
        height=st.integers(1, 500).map(lambda n: 2 * n),
    ),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_an_even_box_at_its_own_height_is_unchanged(box: Box, right: int, below: int) -> None:
    """Even in a frame of odd width."""
    height = box.bottom + below
    assert fit(box, height, box.right + right, height) == box


@pytest.mark.parametrize(
    ("box", "reference_height", "frame", "cut"),
    [
        # As published, at its own height: the odd offset has two even neighbours, and the lower is used.
        (Box(557, 0, 478, 478), 720, (1280, 720), Box(556, 0, 478, 478)),
        # An odd square: one pixel narrower and lower, its centre half a pixel away.
        (Box(300, 11, 627, 627), 1080, (1920, 1080), Box(300, 12, 626, 626)),
        # The same at two thirds.
        (Box(300, 11, 627, 627), 1080, (1280, 720), Box(200, 8, 418, 418)),
        # Measured at height 714, downloaded at 720.
        (Box(400, 0, 714, 714), 714, (1280, 720), Box(404, 0, 720, 720)),
        # The format is 426 wide, exactly 426.67: an excess of 0.67 pixels moves the box by less.
        (Box(1000, 0, 280, 280), 720, (426, 240), Box(334, 0, 92, 92)),
        # A frame of 853: the last even offset would be 374, beyond the frame; 372 is more than a pixel away.
        (Box(373, 0, 480, 480), 480, (853, 480), Box(372, 0, 480, 480)),
        # An excess of a whole pixel in a frame of odd width: both sides shrink.
        (Box(374, 0, 480, 480), 480, (853, 480), Box(374, 0, 478, 478)),
        # Portrait: the reference height counts along the box's own vertical axis.
        (Box(100, 400, 500, 500), 1280, (1080, 1920), Box(150, 600, 750, 750)),
    ],
)
def test_examples_calculated_by_hand(
    box: Box, reference_height: int, frame: tuple[int, int], cut: Box
) -> None:
    """Boxes of all kinds in the tables and YouTube's formats."""
    assert fit(box, reference_height, *frame) == cut


@pytest.mark.parametrize(
    "box",
    [Box(389, 0, 776, 776), Box(178, 0, 872, 872), Box(83, 0, 1134, 1134)],
    ids=["WDA MaggieHassan_0", "WDA PeterKing_0", "WRA MazieHirono1_0"],
)
@pytest.mark.parametrize(("width", "height"), [(640, 360), (1280, 720), (1920, 1080)])
def test_the_invalid_published_boxes_are_rejected(box: Box, width: int, height: int) -> None:
    """The three boxes exceed a 720p frame at any height, and the message says by how much."""
    assert not fits(box, 720)
    with pytest.raises(Failure) as caught:
        fit(box, 720, width, height)
    assert caught.value.reason is Reason.BOX_DOES_NOT_FIT
    beyond = (box.bottom - 720) * height / 720
    for part in (
        f"{box.left} {box.width} {box.top} {box.height}",
        "reference height 720",
        f"{width}x{height}",
        f"{beyond:.1f}",
    ):
        assert part in caught.value.words


@pytest.mark.parametrize("reference_height", [0, -720])
def test_without_a_reference_height_no_box_can_be_placed(reference_height: int) -> None:
    """KevinMcCarthy1 has height 0: nothing is guessed."""
    box = Box(100, 100, 400, 400)
    assert not fits(box, reference_height)
    with pytest.raises(Failure) as caught:
        fit(box, reference_height, 1280, 720)
    assert caught.value.reason is Reason.HEIGHT_UNKNOWN


@pytest.mark.parametrize("box", [Box(10, 10, 1, 1), Box(10, 10, 0, 100), Box(10, 10, 100, -4)])
def test_a_box_smaller_than_two_pixels_is_rejected(box: Box) -> None:
    """The smallest box is 2 x 2."""
    with pytest.raises(Failure) as caught:
        fit(box, 720, 1280, 720)
    assert caught.value.reason is Reason.BOX_DOES_NOT_FIT
    assert "too small" in caught.value.words


def test_the_smallest_box_is_placed() -> None:
    """A box of 2 x 2 is valid."""
    assert fit(Box(10, 10, 2, 2), 720, 1280, 720) == Box(10, 10, 2, 2)


@pytest.mark.parametrize(
    "box",
    [Box(-1, 0, 99, 99), Box(0, -1, 99, 99), Box(0, 622, 99, 99), Box(0, 0, 0, 99), Box(0, 0, 99, 0)],
    ids=["left", "top", "bottom", "width", "height"],
)
def test_invalid_boxes_are_detected_before_the_download(box: Box) -> None:
    """Each edge but the right one is checked by the tables alone."""
    assert not fits(box, 720)


@given(boxes_in_frames())
def test_a_box_inside_the_frame_passes_before_the_download(case: tuple[Box, int, int, int]) -> None:
    """A box within its reference frame is not rejected early."""
    box, reference_height, _, _ = case
    assert fits(box, reference_height)


@given(BOXES, HEIGHTS)
def test_a_box_that_passes_before_the_download_is_within_top_and_bottom(box: Box, height: int) -> None:
    """It can be cut from a frame that is wide enough, unless it is tiny."""
    assume(min(box.width, box.height) >= 4)
    if fits(box, height):
        fit(box, height, box.right, height)
    else:
        assert box.left < 0 or box.top < 0 or box.bottom > height


@pytest.mark.parametrize(
    ("reference_height", "width", "height"), [(1080, 1920, 1088), (1080, 1440, 1088), (360, 640, 368)]
)
def test_padded_rows_do_not_scale_a_box(reference_height: int, width: int, height: int) -> None:
    """The width matches the reference height: the image has the same size, and ends above the last rows."""
    box = Box(left=width - 202, top=10, width=200, height=200)
    assert fit(box, reference_height, width, height) == box


@pytest.mark.parametrize(("reference_height", "width", "height"), [(714, 1280, 720), (1072, 1934, 1088)])
def test_a_slightly_enlarged_image_is_scaled(reference_height: int, width: int, height: int) -> None:
    """If the width does not indicate padding."""
    box = Box(left=400, top=0, width=reference_height, height=reference_height)
    assert fit(box, reference_height, width, height).height == height


REGIONS = st.builds(
    lambda left, top, wide, high, square, expand: Region(left, top, wide, high, 1, 1, expand, square),
    *(st.integers(0, 400).map(lambda number: number / 1000) for _ in range(2)),
    *(st.integers(50, 600).map(lambda number: number / 1000) for _ in range(2)),
    st.sampled_from(Square),
    st.sampled_from([0.0, 0.1, 3.0]),
)


@given(REGIONS, st.integers(64, 4000), st.integers(64, 2200))
@example(Region(0.0, 0.001, 0.519, 0.18, 1, 1, 0.0, Square.MIN), 1654, 1654)
def test_a_region_is_placed_inside_the_frame(region: Region, width: int, height: int) -> None:
    """Even, each edge within a pixel of the exact window; within two and a half of an exact square."""
    left, top, right, bottom = _window(region, width, height)
    if min(right - left, bottom - top) < 4:
        return
    box = place(region, width, height)
    assert box.left >= 0
    assert box.top >= 0
    assert box.right <= width
    assert box.bottom <= height
    assert all(number % 2 == 0 for number in (box.left, box.top, box.width, box.height))
    assert region.square is Square.NO or box.width == box.height
    # Of a square, the centre moves by half a pixel, its edges by one towards it, and the offset by one.
    most = 1.001 if region.square is Square.NO else 2.501
    for found, exact, extent in (
        (box.left, left, width), (box.right, right, width),
        (box.top, top, height), (box.bottom, bottom, height),
    ):  # fmt: skip
        # An odd last row or column of the frame cannot be used.
        assert abs(found - exact) <= most + extent % 2


def _window(region: Region, width: int, height: int) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a normalised region, computed with floating point."""
    left, top = region.left * width, region.top * height
    right, bottom = left + region.width * width, top + region.height * height
    right, bottom = min(right, width), min(bottom, height)
    wide, high = (right - left) * region.expand, (bottom - top) * region.expand
    left, right = max(0, left - wide), min(width, right + wide)
    top, bottom = max(0, top - high), min(height, bottom + high)
    if region.square is Square.NO:
        return left, top, right, bottom
    side = (min if region.square is Square.MIN else max)(right - left, bottom - top)
    side = min(side, width, height)
    across = min(max(0, (left + right - side) / 2), width - side)
    down = min(max(0, (top + bottom - side) / 2), height - side)
    return across, down, across + side, down + side


@pytest.mark.parametrize(
    ("region", "size", "box"),
    [
        # x and y have different scales.
        (Region(64, 32, 320, 176, 640, 352), (1280, 720), Box(128, 66, 640, 360)),
        # Without a reference width they have the same.
        (Region(64, 36, 320, 180, 0, 360), (1280, 720), Box(128, 72, 640, 360)),
        # Rows that an encoder added are not part of the picture.
        (Region(0, 0, 1920, 1080, 1920, 1080), (1920, 1088), Box(0, 0, 1920, 1080)),
        # A portrait video.
        (Region(0.25, 0.5, 0.5, 0.25, 1, 1), (360, 640), Box(90, 320, 180, 160)),
        # A normalised region, in a frame as high as a block of an encoder.
        (Region(0, 0, 0.5, 0.5, 1, 1), (64, 16), Box(0, 0, 32, 8)),
        # A reference size that is small, but not normalised.
        (Region(1, 1, 1, 1, 4, 2), (640, 360), Box(160, 180, 160, 180)),
    ],
)
def test_a_region_is_scaled_in_both_directions(region: Region, size: tuple[int, int], box: Box) -> None:
    """By width and height of its reference."""
    assert place(region, *size) == box


def test_a_region_of_less_than_two_pixels_does_not_fit() -> None:
    """The message contains all numbers."""
    with pytest.raises(Failure) as caught:
        place(Region(0.5, 0.5, 0.001, 0.5), 640, 360)
    assert caught.value.reason is Reason.BOX_DOES_NOT_FIT
    assert caught.value.words == "box 0.5 0.001 0.5 0.5 of 1x1 is too small in a 640x360 frame"


@given(st.integers(2, 999), st.integers(2, 999), st.integers(0, 99), st.integers(0, 99))
def test_the_centred_square_is_inside_its_box(width: int, height: int, left: int, top: int) -> None:
    """Even, with the shorter side, and its centre within two pixels."""
    box = Box(2 * left, 2 * top, 2 * width, 2 * height)
    found = square(box)
    assert found.width == found.height == min(box.width, box.height)
    assert box.left <= found.left <= found.right <= box.right
    assert box.top <= found.top <= found.bottom <= box.bottom
    assert found.left % 2 == found.top % 2 == 0
    assert abs(found.left + found.right - box.left - box.right) <= 2
    assert abs(found.top + found.bottom - box.top - box.bottom) <= 2


# Numbers at the edges of the rules


@pytest.mark.parametrize(
    ("size", "box"),
    [((640, 360), (640, 360)), ((641, 361), (640, 360)), ((642, 359), (642, 358)), ((3, 5), (2, 4))],
)
def test_a_whole_frame_has_even_sides(size: tuple[int, int], box: tuple[int, int]) -> None:
    """An odd last row or column is left out."""
    assert geometry.whole(*size) == Box(0, 0, *box)


@pytest.mark.parametrize(
    ("box", "square"),
    [
        (Box(0, 0, 10, 4), Box(2, 0, 4, 4)), (Box(0, 0, 4, 10), Box(0, 2, 4, 4)),
        (Box(2, 4, 8, 8), Box(2, 4, 8, 8)),
        (Box(0, 0, 12, 4), Box(4, 0, 4, 4)), (Box(6, 0, 6, 4), Box(6, 0, 4, 4)),
    ],
)  # fmt: skip
def test_the_square_of_a_box_is_in_its_middle(box: Box, square: Box) -> None:
    """At an even position."""
    assert geometry.square(box) == square


@pytest.mark.parametrize(
    ("box", "reference", "inside"),
    [
        (Box(0, 0, 1, 720), 720, True), (Box(0, 0, 1, 721), 720, False), (Box(0, 1, 1, 720), 720, False),
        (Box(-1, 0, 5, 5), 720, False), (Box(0, -1, 5, 5), 720, False), (Box(0, 0, 0, 5), 720, False),
        (Box(0, 0, 5, 0), 720, False), (Box(5000, 0, 5, 5), 720, True), (Box(0, 0, 1, 1), 0, False),
    ],
)  # fmt: skip
def test_top_and_bottom_of_a_box_are_known_before_a_download(
    box: Box, reference: int, *, inside: bool
) -> None:
    """The width of the frame is not."""
    assert geometry.fits(box, reference) is inside


@pytest.mark.parametrize(
    ("box", "found"),
    [
        (Box(0, 0, 720, 720), Box(0, 0, 720, 720)), (Box(561, 1, 720, 720), Box(560, 0, 720, 720)),
        (Box(562, 0, 720, 720), None), (Box(-1, 0, 720, 720), Box(0, 0, 720, 720)),
        (Box(-2, 0, 720, 720), None),
        (Box(0, 2, 720, 720), None), (Box(0, -2, 720, 720), None), (Box(10, 10, 2, 2), Box(10, 10, 2, 2)),
        (Box(10, 10, 1, 2), None), (Box(11, 13, 3, 5), Box(12, 14, 2, 4)), (Box(0, 0, 3, 3), Box(0, 0, 2, 2)),
    ],
)  # fmt: skip
def test_a_box_may_exceed_the_frame_by_one_pixel(box: Box, found: Box | None) -> None:
    """It is then shifted; more is an error of the table."""
    if found is not None:
        assert fit(box, 720, 1280, 720) == found
    else:
        with pytest.raises(Failure, match=f"box {box.left} {box.width} {box.top} {box.height} at reference"):
            fit(box, 720, 1280, 720)


@pytest.mark.parametrize(
    ("reference", "width", "height", "scale"),
    [
        (1080, 1920, 1088, Fraction(1)), (1080, 1920, 1080, Fraction(1)), (1080, 1440, 1088, Fraction(1)),
        (1080, 1918, 1088, Fraction(1088, 1080)), (1080, 1920, 1104, Fraction(1104, 1080)),
        (1080, 1920, 1072, Fraction(1072, 1080)), (360, 640, 368, Fraction(1)),
        (720, 640, 360, Fraction(1, 2)),
        (720, 960, 720, Fraction(1)), (720, 1280, 736, Fraction(736, 720)),
    ],
)  # fmt: skip
def test_rows_up_to_the_next_block_are_padding(
    reference: int, width: int, height: int, scale: Fraction
) -> None:
    """Sixteen rows, if width and reference height have a usual aspect ratio."""
    assert geometry.scale_of(reference, width, height) == scale


@pytest.mark.parametrize(
    ("region", "box"),
    [
        (Region(0, 0, 1, 1), Box(0, 0, 640, 360)),
        (Region(0.1, 0.2, 0.5, 0.5, square=Square.MIN), Box(134, 72, 180, 180)),
        (Region(0.1, 0.2, 0.5, 0.5, square=Square.MAX), Box(64, 2, 320, 320)),
        (Region(0.5, 0.5, 0.25, 0.25, expand=0.5), Box(240, 136, 320, 180)),
        (Region(0, 0, 0.25, 0.25, expand=0.5), Box(0, 0, 240, 136)),
        (Region(-0.5, -0.5, 1, 1), Box(0, 0, 320, 180)),
        (Region(0.5, 0.5, 1, 1), Box(320, 180, 320, 180)),
        (Region(0, 0, 1, 1, square=Square.MAX), Box(140, 0, 360, 360)),
        (Region(100, 50, 200, 100, 1280, 720), Box(50, 24, 100, 52)),
        (Region(100, 50, 200, 100, 0, 720), Box(50, 24, 100, 52)),
    ],
)
def test_regions_calculated_by_hand(region: Region, box: Box) -> None:
    """In a frame of 640 by 360 pixels: clipped, enlarged, made square, and rounded to even edges."""
    assert place(region, 640, 360) == box


def test_the_window_of_a_clip_is_its_region_its_box_or_the_frame() -> None:
    """In this order."""
    clip = Clip(Video("RD", "A", "id", 720), 0, Interval(0, 1), Box(0, 0, 720, 720))
    assert geometry.window(clip, 1280, 720) == Box(0, 0, 720, 720)
    assert geometry.window(replace(clip, box=None), 1281, 721) == Box(0, 0, 1280, 720)
    region = Annotation(Region(0, 0, 0.5, 0.5))
    assert geometry.window(replace(clip, annotation=region), 1280, 720) == Box(0, 0, 640, 360)
