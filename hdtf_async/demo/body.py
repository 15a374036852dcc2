"""Neck, shoulders and clothes of a drawn person.

Measures as in `hdtf_async.demo.head`: units with the centre of the head at (0, 0), so that the chin is at
y = 150 and the shoulders begin below it.
"""

from __future__ import annotations

from hdtf_async.demo.canvas import (
    Canvas,
    Colour,
    Gradient,
    Outline,
    clipped,
    ellipse,
    mirrored,
    mixed,
    smooth,
    without,
)
from hdtf_async.demo.look import Look

_BLACK: Colour = (14, 9, 12)
_WHITE: Colour = (255, 252, 246)
_SHOULDERS = smooth(
    mirrored(
        [
            (0, 178),
            (46, 176),
            (92, 194),
            (170, 214),
            (228, 244),
            (262, 310),
            (282, 400),
            (292, 480),
            (0, 480),
        ],
    ),
)


def paint_body(canvas: Canvas, look: Look) -> None:
    """Paint neck, shoulders and clothes."""
    neck = canvas.region(
        smooth(mirrored([(0, 70), (47, 76), (50, 130), (53, 166), (60, 200), (56, 280), (0, 320)])),
    )
    canvas.fade(neck, _neck(look))
    canvas.rim(neck, (-18, 0), look.shadow(0.6), 0.35)
    _CLOTHES[look.clothes](canvas, look)
    if look.style == "scarf":
        _paint_drape(canvas, look)
    # The head's own shadow, on whatever is under the chin.
    under = clipped(canvas.region(ellipse(8, 128, 74, 66)), neck)
    if look.style != "scarf":
        canvas.glow(
            (10, 132), (82, 62), look.shadow(0.75), 0.62, within=under if look.clothes != "roll" else None
        )


def _neck(look: Look) -> Gradient:
    return [(110, look.shadow(0.16)), (240, look.skin)]


def _paint_shoulders(canvas: Canvas, colour: Colour, neckline: Outline) -> None:
    cloth = without(canvas.region(_SHOULDERS), canvas.region(neckline))
    canvas.fade(
        cloth, [(180, mixed(colour, _WHITE, 0.10)), (300, colour), (440, mixed(colour, _BLACK, 0.30))]
    )
    canvas.rim(cloth, (-46, -12), mixed(colour, _BLACK, 0.75), 0.42)
    canvas.glow((-150, 226), (90, 34), mixed(colour, _WHITE, 0.7), 0.22, within=cloth)
    for side in (-1, 1):
        arm = [(side * 188, 300), (side * 182, 350), (side * 192, 440)]
        canvas.strokes([arm], 5, mixed(colour, _BLACK, 0.42), taper=0.9)


def _suit(canvas: Canvas, look: Look) -> None:
    shirt = canvas.region(smooth(mirrored([(0, 190), (52, 172), (74, 200), (60, 330), (0, 480)]), steps=4))
    canvas.fade(shirt, [(170, look.under), (440, mixed(look.under, _BLACK, 0.12))])
    skin = canvas.region([(-34, 150), (34, 150), (0, 212)])
    canvas.fade(skin, _neck(look))
    tie = canvas.region([(-13, 206), (13, 206), (9, 232), (24, 440), (0, 480), (-24, 440), (-9, 232)])
    knot = [(206, mixed(look.accent, _WHITE, 0.08)), (236, mixed(look.accent, _BLACK, 0.25))]
    canvas.fade(tie, [*knot, (250, look.accent), (440, mixed(look.accent, _BLACK, 0.3))])
    stripe = mixed(look.accent, _WHITE, 0.45)
    for y in range(262, 480, 34):
        canvas.shade(
            clipped(canvas.region([(-40, y + 24), (40, y - 24), (40, y - 15), (-40, y + 33)]), tie),
            stripe,
            0.6,
        )
    for side in (-1, 1):
        collar = canvas.region([(side * 52, 164), (side * 2, 210), (side * 34, 246), (side * 66, 190)])
        canvas.fade(collar, [(160, look.under), (246, mixed(look.under, _BLACK, 0.10))])
        canvas.rim(collar, (0, -6), mixed(look.under, _BLACK, 0.5), 0.4, steps=4)
    _paint_shoulders(
        canvas, look.cloth, [(-62, 160), (62, 160), (66, 214), (8, 440), (0, 480), (-8, 440), (-66, 214)]
    )
    _paint_lapels(canvas, look.cloth, 60)


def _paint_lapels(canvas: Canvas, colour: Colour, start: float) -> None:
    for side in (-1, 1):
        lapel = canvas.region(
            [
                (side * start, 170), (side * (start + 32), 196), (side * 128, 276), (side * 98, 292),
                (side * 110, 312), (side * 14, 470), (side * 4, 440), (side * (start + 2), 214),
            ],
        )  # fmt: skip
        canvas.fade(lapel, [(180, mixed(colour, _WHITE, 0.17)), (440, mixed(colour, _BLACK, 0.12))])
        canvas.rim(lapel, (side * 4, -4), mixed(colour, _BLACK, 0.85), 0.5, steps=4)


def _blazer(canvas: Canvas, look: Look) -> None:
    blouse = canvas.region(
        smooth(mirrored([(0, 232), (44, 206), (74, 186), (92, 260), (60, 400), (0, 480)]), steps=5)
    )
    canvas.fade(blouse, [(180, look.under), (440, mixed(look.under, _BLACK, 0.18))])
    canvas.strokes(
        [[(-70, 190), (-40, 218), (0, 233), (40, 218), (70, 190)]],
        4,
        mixed(look.under, _BLACK, 0.2),
        taper=0.3,
    )
    chain = [(-56, 182), (-34, 204), (0, 222), (34, 204), (56, 182)]
    canvas.strokes([chain], 2.6, look.accent, taper=0.2)
    canvas.fill(canvas.region(ellipse(0, 227, 6, 7)), look.accent)
    _paint_shoulders(
        canvas, look.cloth, [(-74, 150), (74, 150), (78, 214), (20, 440), (0, 480), (-20, 440), (-78, 214)]
    )
    _paint_lapels(canvas, look.cloth, 70)


def _jumper(canvas: Canvas, look: Look) -> None:
    _paint_shoulders(
        canvas, look.cloth, smooth(mirrored([(0, 140), (62, 158), (60, 196), (34, 216), (0, 222)]))
    )
    for side in (-1, 1):
        collar = canvas.region([(side * 56, 158), (side * 6, 216), (side * 30, 250), (side * 70, 192)])
        canvas.fade(collar, [(160, look.under), (250, mixed(look.under, _BLACK, 0.14))])
        canvas.rim(collar, (0, -6), mixed(look.under, _BLACK, 0.5), 0.4, steps=4)
    knot = canvas.region([(-10, 214), (10, 214), (30, 250), (0, 262), (-30, 250)])
    canvas.fade(knot, [(214, mixed(look.cloth, _BLACK, 0.4)), (262, look.cloth)])
    rib = mixed(look.cloth, _BLACK, 0.25)
    canvas.strokes(
        [[(-74, 196), (-40, 246), (0, 262), (40, 246), (74, 196)]],
        6,
        mixed(look.cloth, _WHITE, 0.14),
        taper=0.1,
    )
    body = canvas.region(_SHOULDERS)
    for x in range(-270, 280, 15):
        line = clipped(canvas.region(stroke_line(x)), body)
        canvas.shade(line, rib, 0.22)


def stroke_line(x: float) -> Outline:
    """Return a thin upright line of knitting, leaning outwards like the sides of the body."""
    return [(x * 0.92, 268), (x * 0.92 + 3, 268), (x + 3, 480), (x, 480)]


def _shirt(canvas: Canvas, look: Look) -> None:
    _paint_shoulders(canvas, look.cloth, [(-60, 140), (60, 140), (64, 184), (0, 300), (-64, 184)])
    for side in (-1, 1):
        collar = canvas.region(
            [(side * 58, 158), (side * 74, 190), (side * 66, 262), (side * 8, 290), (side * 40, 214)]
        )
        canvas.fade(collar, [(160, mixed(look.cloth, _WHITE, 0.4)), (290, mixed(look.cloth, _BLACK, 0.08))])
        canvas.rim(collar, (side * 3, -5), mixed(look.cloth, _BLACK, 0.6), 0.45, steps=4)
    seam = mixed(look.cloth, _BLACK, 0.25)
    canvas.strokes(
        [[(10, 292), (12, 380), (12, 480)], [(-12, 296), (-12, 380), (-12, 480)]], 2.4, seam, taper=0.0
    )
    for y in (318, 372, 426):
        canvas.fill(canvas.region(ellipse(0, y, 5.5, 5.5)), mixed(look.cloth, _BLACK, 0.45))
        canvas.fill(canvas.region(ellipse(-1, y - 1, 4, 4)), look.accent)


def _roll(canvas: Canvas, look: Look) -> None:
    _paint_shoulders(canvas, look.cloth, ellipse(0, 0, 1, 1))
    roll = canvas.region(
        smooth(mirrored([(0, 152), (38, 146), (57, 142), (62, 164), (66, 192), (52, 206), (0, 214)])),
    )
    canvas.fade(roll, [(144, mixed(look.cloth, _WHITE, 0.12)), (200, mixed(look.cloth, _BLACK, 0.12))])
    canvas.rim(roll, (-20, 0), mixed(look.cloth, _BLACK, 0.7), 0.40)
    for x in range(-54, 60, 9):
        canvas.shade(
            clipped(canvas.region([(x, 146), (x + 2.5, 146), (x * 1.1 + 2.5, 210), (x * 1.1, 210)]), roll),
            _BLACK,
            0.13,
        )
    canvas.strokes(
        [[(-66, 192), (-40, 208), (0, 214), (40, 208), (66, 192)]],
        4,
        mixed(look.cloth, _BLACK, 0.35),
        taper=0.5,
    )


def _paint_drape(canvas: Canvas, look: Look) -> None:
    deep = mixed(look.hair, _BLACK, 0.45)
    drape = canvas.region(
        smooth(
            [
                (-96, 96), (0, 120), (96, 96), (124, 176), (150, 214), (120, 262), (40, 306), (-34, 350),
                (-92, 300), (-140, 246), (-156, 216), (-124, 176),
            ],
        ),
    )  # fmt: skip
    canvas.fade(drape, [(100, deep), (190, look.hair), (330, mixed(look.hair, _BLACK, 0.3))])
    canvas.rim(drape, (-30, -16), deep, 0.5)
    canvas.strokes(
        [
            [(-110, 176), (-40, 226), (60, 226), (118, 186)],
            [(-120, 216), (-50, 272), (40, 268), (116, 224)],
            [(-90, 270), (-46, 310), (-20, 330)],
            [(80, 160), (40, 200), (-20, 214)],
        ],
        4.5,
        deep,
    )
    canvas.fill(canvas.region(ellipse(62, 240, 7, 7)), look.accent)
    canvas.fill(canvas.region(ellipse(60, 238, 2.6, 2.6)), _WHITE)


_CLOTHES = {"suit": _suit, "jumper": _jumper, "blazer": _blazer, "shirt": _shirt, "roll": _roll}
