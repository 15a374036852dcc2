"""The parts of a drawn face that move of themselves: brows, eyes, nose and mouth.

Measures as in `hdtf_async.demo.head`: units with the centre of the head at (0, 0).
"""

from __future__ import annotations

from hdtf_async.demo.canvas import Canvas, Colour, clipped, ellipse, mixed, rectangle, smooth, stroke, without
from hdtf_async.demo.look import Look

_BLACK: Colour = (14, 9, 12)
_WHITE: Colour = (252, 249, 244)
_EYE = 42
"""From the middle of the face to the middle of an eye."""


def paint_brows(canvas: Canvas, look: Look) -> None:
    """Paint both brows."""
    colour = look.skin if look.style == "scarf" else look.hair
    colour = mixed(colour, _BLACK, 0.62 if look.style == "scarf" else 0.25)
    width = 8 if look.lashes else 11.5
    for side in (-1, 1):
        line = [(side * 17, -29), (side * 40, -39 if look.lashes else -37), (side * 68, -27)]
        canvas.strokes([line], width, colour, taper=0.75)


def paint_eyes(canvas: Canvas, look: Look, lid: float, gaze: float) -> None:
    """Paint both eyes: ``lid`` 1 is open and 0 shut, ``gaze`` from -1 (left) to 1 (right)."""
    for side in (-1, 1):
        if lid == 0:
            _paint_shut(canvas, look, side)
        else:
            _paint_open(canvas, look, side, lid, gaze)
    if look.glasses:
        _paint_glasses(canvas, look)


def _paint_shut(canvas: Canvas, look: Look, side: int) -> None:
    x = side * _EYE
    lid = canvas.region(smooth([(x - 25, 6), (x, -12), (x + 25, 6), (x, 13)]))
    canvas.fade(lid, [(-12, look.shadow(0.30)), (13, look.shadow(0.12))])
    line = [(x - 25, 6), (x - 12, 11), (x, 12.5), (x + 12, 11), (x + 25, 6)]
    canvas.strokes([line], 5 if look.lashes else 3.8, mixed(look.shadow(0.9), _BLACK, 0.6), taper=0.6)


def _paint_open(canvas: Canvas, look: Look, side: int, lid: float, gaze: float) -> None:
    x = side * _EYE
    inner, outer = x - side * 23, x + side * 24
    top = 13 - 25 * lid
    almond = smooth(
        [(inner, 5), (x - side * 4, top), (x + side * 14, top + 3), (outer, 1), (x + side * 4, 14)]
    )
    # The lid's own shape lies behind the eye, so that a half shut eye does not show a gap above it.
    lid_top = [(x - side * 12, -13), (x + side * 9, -15)]
    hollow = smooth([(inner - side * 3, 4), *lid_top, (outer + side * 3, 0), (x, 17)])
    canvas.fade(
        canvas.region(hollow), [(-18, look.shadow(0.26)), (2, look.shadow(0.34)), (16, look.shadow(0.1))]
    )
    eye = canvas.region(almond)
    canvas.fade(eye, [(top, (206, 202, 204)), (top + 10, _WHITE), (14, (236, 230, 228))])
    canvas.glow((inner, 5), (9, 7), look.lips, 0.35, within=eye)
    px, py = x + gaze * 6, 0.5
    iris = clipped(canvas.region(ellipse(px, py, 12.6, 12.6)), eye)
    canvas.fill(iris, mixed(look.eyes, _BLACK, 0.45))
    inside = clipped(canvas.region(ellipse(px, py, 10.8, 10.8)), eye)
    canvas.fade(inside, [(-10, mixed(look.eyes, _BLACK, 0.35)), (10, mixed(look.eyes, _WHITE, 0.28))])
    canvas.fill(clipped(canvas.region(ellipse(px, py, 5.6, 5.6)), eye), _BLACK)
    canvas.shade(clipped(canvas.region(rectangle(x - 40, top - 2, 80, 7)), eye), _BLACK, 0.28)
    canvas.fill(clipped(canvas.region(ellipse(px - 4.2, py - 4.6, 3.6, 3.2)), eye), _WHITE)
    canvas.fill(
        clipped(canvas.region(ellipse(px + 4.4, py + 5.0, 1.7, 1.7)), eye), mixed(_WHITE, look.eyes, 0.2)
    )
    line = [
        (inner, 5),
        (x - side * 12, (top + 5) * 0.7),
        (x - side * 2, top),
        (x + side * 14, top + 2.5),
        (outer, 1),
    ]
    dark = mixed(look.shadow(0.9), _BLACK, 0.7)
    canvas.strokes([line], 6.4 if look.lashes else 4.6, dark, taper=0.55)
    if look.lashes:
        canvas.strokes([[(outer - side * 6, -5), (outer + side * 1, -6), (outer + side * 8, -10)]], 4.4, dark)
    canvas.strokes([[(inner, 6), (x, 15.4), (outer, 3)]], 1.8, look.shadow(0.5), taper=0.8)
    if lid == 1:
        fold = [(inner + side, -6), (x - side * 11, -16), (x + side * 9, -18), (outer + side * 4, -8)]
        canvas.strokes([fold], 2.2, look.shadow(0.42))


def _paint_glasses(canvas: Canvas, look: Look) -> None:
    frame = mixed(look.cloth, _BLACK, 0.72)
    for side in (-1, 1):
        x = side * 45
        rim = smooth([(x - 36, -18), (x, -25), (x + 36, -18), (x + 33, 18), (x, 30), (x - 33, 18)])
        glass = smooth([(x - 32, -15), (x, -21.5), (x + 32, -15), (x + 29.5, 16), (x, 26), (x - 29.5, 16)])
        canvas.fill(without(canvas.region(rim), canvas.region(glass)), frame)
        canvas.fill(
            canvas.region(stroke([(side * 79, -12), (side * 92, -11), (side * 103, -7)], 5, taper=0.1)), frame
        )
        shine = canvas.region([(x - 22, -14), (x - 11, -16), (x - 22, 14), (x - 27, 9)])
        canvas.shade(clipped(shine, canvas.region(glass)), _WHITE, 0.35)
    canvas.fill(canvas.region(stroke([(-12, -8), (0, -13), (12, -8)], 5, taper=0.0)), frame)


def paint_nose(canvas: Canvas, look: Look) -> None:
    """Paint the nose: its shadow side, its wings and the light on its tip."""
    soft, deep = look.shadow(0.17), look.shadow(0.62)
    canvas.fill(canvas.region(smooth([(9, 2), (14, 26), (25, 52), (20, 64), (4, 62), (12, 44)])), soft)
    canvas.fill(
        canvas.region(smooth([(-24, 56), (-12, 64), (0, 67), (14, 64), (24, 56), (0, 60)])), look.shadow(0.26)
    )
    canvas.strokes(
        [[(-17, 62), (-24, 58), (-23, 49)], [(17, 62), (24, 58), (23, 49)]],
        3.4,
        look.shadow(0.42),
    )
    for side in (-1, 1):
        canvas.fill(canvas.region(ellipse(side * 10, 61, 6, 3.2, side * -14)), deep)
    canvas.fill(canvas.region(ellipse(-3, 48, 5.5, 7.5)), look.light(0.30))
    canvas.fill(canvas.region(smooth([(-4, -2), (-1, 14), (-2, 34), (-6, 36), (-6, 14)])), look.light(0.16))


def paint_mouth(canvas: Canvas, look: Look, opened: float, rounded: float) -> None:
    """Paint the mouth: ``opened`` 0 to 1 from lips that touch, ``rounded`` 0 (wide) to 1 (an O)."""
    half = 31 - 12 * rounded * (0.35 + 0.65 * opened) + 2 * opened * (1 - rounded)
    gap = opened * (25 + 5 * rounded)
    line, upper, lower = 94.0, 8.0 + 1.5 * rounded, 11.0 + 1.5 * rounded
    top, bottom = line - gap * 0.28, line + gap * 0.72
    smile = 5.5 * (1 - rounded) * (1 - opened * 0.6)
    corner = line + gap * 0.16 - smile
    lips = smooth(
        [
            (-half, corner), (-half * 0.55, top - upper * 0.70), (-half * 0.18, top - upper),
            (0, top - upper * 0.72), (half * 0.18, top - upper), (half * 0.55, top - upper * 0.70),
            (half, corner), (half * 0.55, bottom + lower * 0.72), (0, bottom + lower),
            (-half * 0.55, bottom + lower * 0.72),
        ],
    )  # fmt: skip
    region = canvas.region(lips)
    canvas.fade(
        region,
        [
            (top - upper, mixed(look.lips, _BLACK, 0.22)),
            (line, look.lips),
            (bottom + lower, mixed(look.lips, _WHITE, 0.10)),
        ],
    )
    canvas.glow(
        (-4, bottom + lower * 0.5),
        (half * 0.6, lower * 0.45),
        mixed(look.lips, _WHITE, 0.7),
        0.5,
        within=region,
    )
    if gap < 2:  # noqa: PLR2004 - below two units no hollow would be left between the lips
        seam = [
            (-half, corner),
            (-half * 0.4, line + 0.6),
            (0, line - 0.8),
            (half * 0.4, line + 0.6),
            (half, corner),
        ]
        canvas.strokes([seam], 3.0, mixed(look.lips, _BLACK, 0.62), taper=0.7)
        return
    inner = half * 0.86
    hollow = canvas.region(
        smooth(
            [
                (-inner, corner + 0.5), (-inner * 0.5, top), (0, top + 0.8), (inner * 0.5, top),
                (inner, corner + 0.5), (inner * 0.55, bottom - 0.5), (0, bottom),
                (-inner * 0.55, bottom - 0.5),
            ],
        ),
    )  # fmt: skip
    canvas.fade(hollow, [(top, (58, 14, 20)), (bottom, (96, 26, 32))])
    tongue = ellipse(0, bottom + 3, inner * 0.62, gap * 0.42)
    canvas.fill(clipped(canvas.region(tongue), hollow), (196, 92, 96))
    teeth = canvas.region(smooth([(-inner, top - 6), (0, top - 8), (inner, top - 6), (inner * 0.7, top + 4),
                                  (0, top + min(7.5, gap * 0.42)), (-inner * 0.7, top + 4)]))  # fmt: skip
    canvas.fade(clipped(teeth, hollow), [(top, (216, 208, 202)), (top + 4, (250, 246, 240))])
