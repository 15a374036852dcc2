"""The rooms behind the drawn people, painted small: ffmpeg makes them large and out of focus.

Measures are units of the whole picture: it is `SCENE_DOWN` units high and `SCENE_ACROSS` wide, with (0, 0)
at its left top corner.
"""

from __future__ import annotations

import math
import random

from hdtf_async.demo.canvas import Canvas, Colour, clipped, ellipse, mixed, rectangle, rgb, smooth

SCENE_DOWN = 640
"""Height of the picture in units."""
SCENE_ACROSS = SCENE_DOWN * 16 / 9
"""Width of the picture in units."""

_BLACK: Colour = (10, 8, 14)
_WHITE: Colour = (255, 250, 240)


def paint_room(canvas: Canvas, room: str, seed: int) -> None:
    """Paint a room; the same room with another seed has other books, pictures or lights."""
    _ROOMS[room](canvas, random.Random(seed))  # noqa: S311 - the same seed must paint the same room again


def _wall(canvas: Canvas, top: Colour, bottom: Colour) -> None:
    canvas.fade(canvas.region(rectangle(0, 0, SCENE_ACROSS, SCENE_DOWN)), [(0, top), (SCENE_DOWN, bottom)])


def _box(canvas: Canvas, place: tuple[float, float, float, float], colour: Colour) -> None:
    canvas.fill(canvas.region(rectangle(*place)), colour)


def _plant(canvas: Canvas, x: float, foot: float, size: float, chance: random.Random) -> None:
    canvas.fade(
        canvas.region([(x - size * 0.2, foot - size * 0.34), (x + size * 0.2, foot - size * 0.34),
                       (x + size * 0.15, foot), (x - size * 0.15, foot)]),
        [(foot - size * 0.34, rgb("c9744b")), (foot, rgb("8d4a2f"))],
    )  # fmt: skip
    for index in range(11):
        angle = -90 + (index - 5) * 15 + chance.uniform(-5, 5)
        length = size * chance.uniform(0.55, 0.85)
        way = math.radians(angle)
        mx, my = x + math.cos(way) * length * 0.55, foot - size * 0.34 + math.sin(way) * length * 0.55
        leaf = ellipse(mx, my, length * 0.5, size * 0.075, angle)
        canvas.fill(canvas.region(leaf), mixed(rgb("2f6b46"), rgb("7fb069"), chance.random()))


def _books(canvas: Canvas, chance: random.Random) -> None:
    _wall(canvas, rgb("4a3226"), rgb("2f1f19"))
    spines = [
        rgb(c)
        for c in ("8c3b3b", "c78d45", "3d5a6c", "5d7052", "d9c7a3", "7a4b63", "2e4057", "a65e3a", "e0d6c2")
    ]
    for shelf in range(4):
        top, depth = shelf * 170 - 40, 150
        _box(canvas, (0, top, SCENE_ACROSS, depth), rgb("2a1a15"))
        x = -10.0
        while x < SCENE_ACROSS:
            if chance.random() < 0.1:  # noqa: PLR2004 - one gap in ten places
                x += chance.uniform(24, 70)
                continue
            width, height = chance.uniform(15, 34), chance.uniform(96, 138)
            colour = mixed(chance.choice(spines), _BLACK, chance.uniform(0.0, 0.3))
            foot = top + depth
            canvas.fade(
                canvas.region(rectangle(x, foot - height, width, height)),
                [(foot - height, mixed(colour, _WHITE, 0.12)), (foot, mixed(colour, _BLACK, 0.25))],
            )
            _box(canvas, (x + 3, foot - height * 0.82, width - 6, 6), mixed(colour, rgb("e6c98f"), 0.7))
            x += width + chance.choice((0, 0, 1, 2))
        canvas.fade(
            canvas.region(rectangle(0, top + depth, SCENE_ACROSS, 20)),
            [(top + depth, rgb("8a5a3c")), (top + depth + 20, rgb("5b3826"))],
        )
    for x in (375, 800):
        _box(canvas, (x - 9, 0, 18, SCENE_DOWN), rgb("6e4730"))
    canvas.glow((170, 150), (330, 300), rgb("ffcf8a"), 0.48)
    canvas.glow((1040, 520), (320, 300), _BLACK, 0.45)


def _studio(canvas: Canvas, chance: random.Random) -> None:
    _wall(canvas, rgb("17424a"), rgb("0d2429"))
    size = 106
    for row in range(-1, 7):
        for column in range(-1, 12):
            x, y = column * size + (row % 2) * size / 2, row * size
            tone = mixed(rgb("1d5660"), rgb("123840"), chance.random())
            for shape, light in (
                ([(x, y), (x + size, y), (x + size / 2, y + size / 2)], 0.20),
                ([(x, y), (x + size / 2, y + size / 2), (x, y + size)], 0.08),
                ([(x + size, y), (x + size, y + size), (x + size / 2, y + size / 2)], 0.0),
                ([(x, y + size), (x + size / 2, y + size / 2), (x + size, y + size)], -0.3),
            ):
                canvas.fill(
                    canvas.region(shape),
                    mixed(tone, _WHITE if light > 0 else _BLACK, abs(light)),
                )
    _box(canvas, (930, 70, 150, 150), rgb("0a1517"))
    canvas.fill(canvas.region(ellipse(1005, 145, 60, 60)), rgb("e4572e"))
    canvas.fill(canvas.region(ellipse(1005, 145, 46, 46)), rgb("ff9a62"))
    canvas.glow((1005, 145), (240, 220), rgb("ff8a4c"), 0.42)
    canvas.glow((130, 100), (420, 380), rgb("62d0c8"), 0.36)


def _drapes(canvas: Canvas, chance: random.Random) -> None:
    _wall(canvas, rgb("23406e"), rgb("14284a"))
    x = -20.0
    while x < SCENE_ACROSS:
        width = chance.uniform(46, 78)
        for part in range(12):
            light = math.sin(math.pi * (part + 0.5) / 12)
            colour = mixed(rgb("132647"), rgb("3f6aa8"), light * chance.uniform(0.85, 1.0))
            canvas.fade(
                canvas.region(rectangle(x + width * part / 12, 0, width / 12 + 1, SCENE_DOWN)),
                [(0, mixed(colour, _BLACK, 0.15)), (200, colour), (SCENE_DOWN, mixed(colour, _BLACK, 0.4))],
            )
        x += width
    for side, tone in ((120, rgb("b03a48")), (985, rgb("e3d7bd"))):
        outline = [(-46, 60), (0, 40), (50, 66), (74, 340), (60, 660), (-70, 660), (-64, 330)]
        fold = smooth([(side + x, y) for x, y in outline])
        canvas.fade(canvas.region(fold), [(40, tone), (660, mixed(tone, _BLACK, 0.45))])
        for dx in (-34, 4, 38):
            canvas.strokes(
                [[(side + dx * 0.6, 60), (side + dx, 330), (side + dx * 1.3, 660)]],
                14,
                mixed(tone, _BLACK, 0.3),
            )
        _box(canvas, (side - 5, 0, 10, 70), rgb("d8b65a"))
        canvas.fill(canvas.region(ellipse(side, 34, 17, 17)), rgb("e9cf7d"))
    canvas.glow((560, 180), (460, 300), rgb("9cc1f2"), 0.34)


def _window(canvas: Canvas, chance: random.Random) -> None:
    _wall(canvas, rgb("f0e3d0"), rgb("d5bfa4"))
    glass = canvas.region(rectangle(60, 30, 520, 470))
    canvas.fade(
        glass,
        [(30, rgb("bfe3f5")), (250, rgb("e9f5ef")), (330, rgb("a8d08d")), (500, rgb("5f9a5b"))],
    )
    for _ in range(46):
        x, y = chance.uniform(60, 580), chance.uniform(240, 500)
        radius = chance.uniform(20, 52)
        tree = canvas.region(ellipse(x, y, radius, radius * 0.8))
        canvas.fill(clipped(tree, glass), mixed(rgb("3f7d4e"), rgb("b5d98a"), chance.random()))
    frame = rgb("fbf7ef")
    for place in (
        (44, 14, 552, 22), (44, 494, 552, 24), (44, 14, 22, 500),
        (574, 14, 22, 500), (312, 30, 14, 470), (60, 210, 520, 12),
    ):  # fmt: skip
        _box(canvas, place, frame)
    _box(canvas, (20, 516, 600, 22), rgb("e8dcc8"))
    _plant(canvas, 120, 518, 190, chance)
    _box(canvas, (860, 90, 190, 240), rgb("a97f5b"))
    _box(canvas, (874, 104, 162, 212), rgb("f8f1e4"))
    canvas.fill(canvas.region(ellipse(955, 196, 46, 46)), rgb("e8a15b"))
    canvas.fill(canvas.region([(880, 300), (930, 220), (980, 280), (1006, 250), (1032, 300)]), rgb("4f7a78"))
    _plant(canvas, 1060, 660, 360, chance)
    canvas.glow((320, 240), (560, 420), rgb("fffbe8"), 0.36)


def _gallery(canvas: Canvas, chance: random.Random) -> None:
    _wall(canvas, rgb("9db39a"), rgb("728a72"))
    hues = [rgb(c) for c in ("d1495b", "edae49", "00798c", "30638e", "f4e8d0", "5c4b51", "8cbeb2", "f2665e")]
    for left, top, width, height in (
        (50, 60, 210, 270), (290, 40, 130, 160), (720, 50, 180, 140),
        (930, 90, 190, 250), (90, 380, 150, 190), (960, 400, 170, 130),
    ):  # fmt: skip
        _box(canvas, (left + 8, top + 10, width, height), rgb("5c715d"))
        _box(canvas, (left, top, width, height), rgb("3b2d28"))
        _box(canvas, (left + 9, top + 9, width - 18, height - 18), rgb("f5efe2"))
        inner = (left + 26, top + 26, width - 52, height - 52)
        _box(canvas, inner, chance.choice(hues))
        for _ in range(5):
            radius = chance.uniform(0.12, 0.3) * min(inner[2], inner[3])
            x = chance.uniform(inner[0] + radius, inner[0] + inner[2] - radius)
            y = chance.uniform(inner[1] + radius, inner[1] + inner[3] - radius)
            canvas.fill(canvas.region(ellipse(x, y, radius, radius)), chance.choice(hues))
    canvas.glow((520, 120), (520, 360), _WHITE, 0.34)
    canvas.glow((1100, 620), (380, 300), _BLACK, 0.34)


def _dusk(canvas: Canvas, chance: random.Random) -> None:
    canvas.fade(
        canvas.region(rectangle(0, 0, SCENE_ACROSS, SCENE_DOWN)),
        [
            (0, rgb("2a2a5a")),
            (200, rgb("7a4a80")),
            (360, rgb("e5826f")),
            (470, rgb("fbc08a")),
            (640, rgb("5a3a55")),
        ],
    )
    canvas.glow((820, 420), (300, 220), rgb("ffe2a8"), 0.75)
    for layer, (base, tone) in enumerate(((350, rgb("8b5478")), (420, rgb("54375f")), (500, rgb("2b2140")))):
        x = -20.0
        while x < SCENE_ACROSS:
            width, rise = chance.uniform(50, 110), chance.uniform(-70, 90)
            top = base - rise
            canvas.fade(
                canvas.region(rectangle(x, top, width, SCENE_DOWN - top)),
                [(top, tone), (SCENE_DOWN, mixed(tone, _BLACK, 0.35))],
            )
            for column in range(int(width // 17)):
                for floor in range(int((SCENE_DOWN - top) // 22)):
                    if chance.random() < 0.16 + 0.1 * layer:
                        window = (x + 7 + column * 17, top + 10 + floor * 22, 8, 11)
                        _box(canvas, window, mixed(rgb("ffd27f"), rgb("ff9e6d"), chance.random()))
            x += width + chance.uniform(0, 14)
    _box(canvas, (0, 0, 26, SCENE_DOWN), rgb("241c33"))
    _box(canvas, (1010, 0, 16, SCENE_DOWN), rgb("241c33"))
    canvas.glow((1138, 640), (520, 460), _BLACK, 0.30)


_ROOMS = {
    "books": _books,
    "studio": _studio,
    "drapes": _drapes,
    "window": _window,
    "gallery": _gallery,
    "dusk": _dusk,
}
