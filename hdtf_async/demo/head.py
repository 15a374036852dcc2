"""The skull, the ears and the hair of a drawn person.

All measures are in units with the centre of the head at (0, 0): the head reaches from ear to ear
(`HEAD_ACROSS` on either side) and from the hair to the chin (`HEAD_DOWN` up and down). Curls, a bun and long
hair reach beyond that.
"""

from __future__ import annotations

import math

from hdtf_async.demo.canvas import Canvas, Colour, Outline, clipped, ellipse, mirrored, mixed, smooth, without
from hdtf_async.demo.look import Look

HEAD_ACROSS = 116
"""From the centre of the head to the edge of an ear, in units."""
HEAD_DOWN = 154
"""From the centre of the head to the top of the hair, and to the chin, in units."""

_BLACK: Colour = (14, 9, 12)
_WHITE: Colour = (255, 252, 246)
_BALD_FACE = smooth(
    mirrored(
        [(0, -150), (50, -141), (87, -104), (100, -42), (96, 24), (83, 76), (60, 117), (30, 143), (0, 150)],
    ),
)
_FACE = smooth(
    mirrored(
        [(0, -128), (52, -120), (86, -84), (97, -28), (94, 26), (83, 76), (60, 117), (30, 143), (0, 150)],
    ),
)


def has_back(look: Look) -> bool:
    """Say whether anything of a person's hair hangs behind the neck."""
    return look.style in ("bob", "curls", "scarf")


def paint_back(canvas: Canvas, look: Look) -> None:
    """Paint what hangs behind the neck: long hair, or the back of a scarf."""
    deep = mixed(look.hair, _BLACK, 0.42)
    if look.style == "bob":
        outline = mirrored(
            [
                (0, -150),
                (70, -138),
                (112, -80),
                (124, 0),
                (130, 80),
                (126, 138),
                (98, 164),
                (50, 150),
                (0, 150),
            ],
        )
        hair = canvas.region(smooth(outline))
        canvas.fade(hair, [(-150, mixed(look.hair, _BLACK, 0.15)), (60, deep), (160, deep)])
    elif look.style == "curls":
        for x, y, radius in _curls():
            canvas.fill(canvas.region(ellipse(x * 1.03, y + 8, radius * 1.1, radius * 1.1)), deep)
    elif look.style == "scarf":
        outline = mirrored([(0, -150), (80, -136), (118, -70), (120, 30), (112, 120), (124, 190), (0, 214)])
        canvas.fade(canvas.region(smooth(outline)), [(-150, look.hair), (120, deep)])


def paint_skull(canvas: Canvas, look: Look) -> None:
    """Paint ears, face and the hair in front of them."""
    if look.style != "scarf":
        _paint_ears(canvas, look)
    face = canvas.region(_BALD_FACE if look.style == "bald" else _FACE)
    canvas.fade(face, [(-120, look.light(0.10)), (10, look.skin), (150, look.shadow(0.16))])
    canvas.rim(face, (-34, -14), look.shadow(0.55), 0.36)
    canvas.rim(face, (16, 10), look.light(0.6), 0.18)
    canvas.glow((-8, -78), (78, 46), look.light(0.75), 0.30, within=face)
    for side in (-1, 1):
        canvas.glow((side * 42, 6), (40, 26), look.shadow(0.6), 0.34, within=face)
        flush = mixed(look.lips, look.skin, 0.25)
        canvas.glow((side * 58, 52), (36, 28), flush, 0.40 if look.lashes else 0.20, within=face)
        canvas.glow((side * 52, 36), (30, 14), look.light(0.7), 0.22, within=face)
    canvas.glow((0, 126), (34, 18), look.light(0.5), 0.20, within=face)
    canvas.glow((0, 116), (30, 6), look.shadow(0.7), 0.30, within=face)
    if look.lines:
        _paint_lines(canvas, look)
    if look.beard:
        _paint_beard(canvas, look)
    _HAIR[look.style](canvas, look)


def _paint_ears(canvas: Canvas, look: Look) -> None:
    for side in (-1, 1):
        ear = canvas.region(ellipse(side * 98, 18, 17, 33, side * 9))
        canvas.fade(ear, [(-20, look.skin), (50, look.shadow(0.22))])
        canvas.glow((side * 97, 16), (11, 22), look.shadow(0.9), 0.45, within=ear)
        if look.lashes:
            canvas.fill(canvas.region(ellipse(side * 101, 58, 6.5, 6.5)), look.accent)
            canvas.fill(canvas.region(ellipse(side * 101 - 2, 56, 2.2, 2.2)), _WHITE)


def _paint_lines(canvas: Canvas, look: Look) -> None:
    crease = look.shadow(0.30)
    for side in (-1, 1):
        canvas.strokes([[(side * 34, 54), (side * 47, 72), (side * 50, 90)]], 3.4, crease)
        canvas.strokes([[(side * 74, -2), (side * 84, -10)], [(side * 75, 6), (side * 86, 8)]], 2.4, crease)
        canvas.strokes([[(side * 26, 28), (side * 40, 32), (side * 54, 27)]], 2.6, crease)
    canvas.strokes([[(-40, -78), (0, -82), (40, -78)], [(-34, -64), (0, -67), (34, -64)]], 2.6, crease)


def _paint_beard(canvas: Canvas, look: Look) -> None:
    face = canvas.region(_FACE)
    cheeks = smooth(
        mirrored([(0, 71), (26, 67), (46, 84), (66, 58), (88, 16), (112, 10), (112, 160), (0, 170)]),
        steps=6,
    )
    lips = canvas.region(smooth(mirrored([(0, 84), (24, 86), (36, 98), (24, 116), (0, 119)])))
    beard = without(clipped(canvas.region(cheeks), face), lips)
    canvas.fade(
        beard,
        [(10, mixed(look.hair, look.skin, 0.35)), (70, look.hair), (150, mixed(look.hair, _BLACK, 0.3))],
    )
    canvas.rim(beard, (-26, -10), mixed(look.hair, _BLACK, 0.6), 0.35)
    canvas.glow((-18, 134), (40, 16), mixed(look.hair, _WHITE, 0.35), 0.25, within=beard)


def _crown(canvas: Canvas, look: Look, outer: Outline, inner: Outline, shine: float) -> None:
    """Paint hair between the outline of the head and the hairline, with a band of light on it."""
    hair = without(canvas.region(outer), canvas.region(inner))
    canvas.fade(
        hair,
        [(-154, mixed(look.hair, _WHITE, 0.10)), (-80, look.hair), (60, mixed(look.hair, _BLACK, 0.35))],
    )
    canvas.rim(hair, (-26, -10), mixed(look.hair, _BLACK, 0.7), 0.45)
    canvas.glow((-30, -122), (62, 20), mixed(look.hair, _WHITE, 0.75), shine, within=hair)


def _parted(canvas: Canvas, look: Look) -> None:
    outer = smooth(
        [
            (0, -154), (44, -147), (84, -118), (106, -70), (106, -20), (99, 12), (92, 2), (60, -60), (0, -60),
            (-60, -60), (-93, 2), (-100, 12), (-107, -22), (-105, -72), (-84, -120), (-46, -146),
        ],
    )  # fmt: skip
    inner = smooth(
        [
            (-38, -104), (-4, -92), (44, -88), (76, -70), (88, -28), (92, 24), (60, 80), (0, 110), (-60, 80),
            (-93, 24), (-90, -26), (-80, -66), (-62, -94),
        ],
    )  # fmt: skip
    _crown(canvas, look, outer, inner, 0.34)
    canvas.strokes(
        [[(-40, -106), (-44, -126), (-40, -144)], [(0, -98), (30, -112), (70, -108)]],
        2.6,
        mixed(look.hair, _BLACK, 0.5),
    )


def _cropped(canvas: Canvas, look: Look) -> None:
    outer = smooth(
        mirrored([(0, -152), (48, -146), (86, -116), (103, -66), (104, -14), (98, 16), (92, 0), (0, 0)])
    )
    inner = smooth(
        mirrored([(0, -104), (34, -108), (66, -96), (84, -64), (88, -24), (93, 26), (60, 80), (0, 110)]),
    )
    _crown(canvas, look, outer, inner, 0.30)


def _bob(canvas: Canvas, look: Look) -> None:
    outer = smooth(
        [
            (-20, -154), (40, -150), (92, -116), (116, -50), (122, 30), (124, 100), (112, 138), (92, 128),
            (96, 60), (60, 0), (-60, 0), (-96, 60), (-92, 128), (-112, 138), (-124, 100), (-122, 30),
            (-116, -50), (-88, -120),
        ],
    )  # fmt: skip
    inner = smooth(
        [
            (-34, -112), (-10, -84), (40, -70), (78, -44), (92, 6), (90, 70), (82, 120), (60, 170),
            (-60, 170), (-82, 120), (-90, 70), (-93, 4), (-84, -50), (-60, -90),
        ],
    )  # fmt: skip
    _crown(canvas, look, outer, inner, 0.42)
    strand = mixed(look.hair, _BLACK, 0.28)
    canvas.strokes(
        [
            [(-34, -112), (10, -102), (62, -74), (96, -20), (104, 60)],
            [(-36, -116), (-70, -88), (-98, -30), (-106, 50)],
            [(-30, -120), (30, -122), (84, -84), (108, -10), (114, 90)],
            [(-42, -122), (-86, -90), (-110, -10), (-116, 84)],
        ],
        2.8,
        strand,
    )


def _curls() -> list[tuple[float, float, float]]:
    """Return the curls around the head: x, y, radius."""
    ring = [(i * 180 / 13 - 2, 30 + 5 * math.sin(i * 2.4)) for i in range(14)]
    return [
        (-114 * math.cos(math.radians(a)), -26 - 104 * math.sin(math.radians(a)), radius)
        for a, radius in ring
    ]


def _curly(canvas: Canvas, look: Look) -> None:
    inner = canvas.region(
        smooth(mirrored([(0, -92), (40, -88), (72, -66), (88, -24), (93, 30), (60, 90), (0, 110)])),
    )
    cap = canvas.region(smooth(mirrored([(0, -140), (60, -130), (104, -80), (104, -10), (92, 10), (0, 0)])))
    canvas.fill(without(cap, inner), look.hair)
    for index, (x, y, radius) in enumerate(_curls()):
        ball = without(canvas.region(ellipse(x * 0.96, y, radius, radius)), inner)
        canvas.fill(ball, mixed(look.hair, _BLACK, 0.12 + 0.10 * (index % 2)))
        canvas.glow(
            (x * 0.96 - 8, y - 9),
            (radius * 0.8, radius * 0.7),
            mixed(look.hair, _WHITE, 0.38),
            0.5,
            within=ball,
        )
    for index in range(9):
        angle = math.radians(index * 180 / 8)
        x, y = -80 * math.cos(angle), -58 - 54 * math.sin(angle)
        ball = without(canvas.region(ellipse(x, y, 24, 22)), inner)
        canvas.fill(ball, mixed(look.hair, _BLACK, 0.05 + 0.12 * (index % 2)))
        canvas.glow((x - 6, y - 7), (18, 15), mixed(look.hair, _WHITE, 0.42), 0.5, within=ball)


def _bald(canvas: Canvas, look: Look) -> None:
    canvas.glow((-26, -114), (46, 22), look.light(0.95), 0.42, within=canvas.region(_BALD_FACE))


def _bun(canvas: Canvas, look: Look) -> None:
    knot = canvas.region(ellipse(6, -140, 42, 30))
    canvas.fade(knot, [(-170, mixed(look.hair, _WHITE, 0.2)), (-110, mixed(look.hair, _BLACK, 0.3))])
    outer = smooth(
        mirrored([(0, -142), (50, -138), (90, -110), (106, -60), (104, -10), (97, 14), (90, 0), (0, 0)])
    )
    inner = smooth(
        mirrored([(0, -100), (30, -98), (64, -80), (86, -46), (91, -4), (92, 30), (60, 80), (0, 110)]),
    )
    _crown(canvas, look, outer, inner, 0.36)
    canvas.strokes(
        [[(side * 20, -98), (side * 50, -112), (side * 70, -126)] for side in (-1, 1)],
        2.4,
        mixed(look.hair, _BLACK, 0.35),
    )


def _scarf(canvas: Canvas, look: Look) -> None:
    outer = smooth(
        mirrored(
            [(0, -154), (54, -143), (98, -100), (115, -30), (112, 50), (98, 120), (70, 164), (0, 176)],
        ),
    )
    inner = smooth(
        mirrored([(0, -96), (44, -88), (74, -58), (86, -10), (84, 48), (70, 98), (44, 130), (0, 141)]),
    )
    cloth = without(canvas.region(outer), canvas.region(inner))
    deep = mixed(look.hair, _BLACK, 0.4)
    canvas.fade(cloth, [(-154, mixed(look.hair, _WHITE, 0.16)), (-40, look.hair), (170, deep)])
    canvas.rim(cloth, (-24, -8), mixed(look.hair, _BLACK, 0.7), 0.40)
    canvas.glow((-44, -116), (56, 24), mixed(look.hair, _WHITE, 0.7), 0.40, within=cloth)
    band = without(
        canvas.region(
            smooth(mirrored([(0, -106), (48, -97), (82, -62), (92, -10), (88, 20), (80, 0), (0, -60)]))
        ),
        canvas.region(inner),
    )
    canvas.fill(band, deep)
    canvas.strokes(
        [
            [(88, -56), (104, -10), (98, 60), (76, 120)],
            [(-88, -56), (-104, -10), (-98, 60), (-76, 120)],
            [(-60, 146), (0, 160), (60, 146)],
            [(-20, -112), (40, -124), (84, -96)],
        ],
        3.0,
        mixed(look.hair, _BLACK, 0.45),
    )


_HAIR = {
    "parted": _parted,
    "cropped": _cropped,
    "bob": _bob,
    "curls": _curly,
    "bald": _bald,
    "bun": _bun,
    "scarf": _scarf,
}
