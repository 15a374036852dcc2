"""Everything of a film that is painted once: the parts of a person, and the room, as PAM files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hdtf_async.demo import body, features, head, room
from hdtf_async.demo.canvas import Canvas, Point
from hdtf_async.demo.look import Look, look

LIDS = 3
"""Eyes open, half shut, shut."""
GAZES = 3
"""Looking aside to the left, ahead, aside to the right."""
OPENINGS = 8
"""Steps from lips that touch to a mouth wide open."""
ROUNDINGS = 3
"""Steps from a wide mouth to a round one."""
OVERSIZE = 2
"""Sprites are painted so many times larger than they are shown, which smooths their edges."""
_LOOSE = 0.5
"""The room is painted smaller: it is shown out of focus anyway."""


@dataclass(frozen=True, slots=True)
class Sprite:
    """A sheet of equally large pictures of one part, beside each other from left to right."""

    name: str
    width: int
    """Width of one picture in units."""
    height: int
    middle: Point
    """Where the middle of the picture lies, in units from the centre of the head."""
    paint: Callable[[Canvas, Look, int], None]
    """Paints one picture, given its number."""
    cells: int = 1
    near: float = 0.0
    """How far in front of the skull the part lies: 0 turns with it, 1 moves as far as the eyes do."""

    def sheet(self, person: Look, pixels: float) -> Canvas:
        """Return the painted sheet, ``pixels`` to a unit."""
        canvas = Canvas(self.width * self.cells, self.height, pixels)
        for cell in range(self.cells):
            x, y = self.middle
            canvas.origin = (self.width * (cell + 0.5) - x, self.height / 2 - y)
            self.paint(canvas, person, cell)
        return canvas


def parts(seed: int) -> tuple[Sprite, ...]:
    """Return the parts of a look's head that tilt with it, from the back to the front.

    Only long hair and scarves have a back; the body comes right after it.
    """
    behind = (BACK,) if head.has_back(look(seed)) else ()
    return (*behind, SKULL, NOSE, EYES, BROWS, MOUTH)


def _eyes(canvas: Canvas, person: Look, cell: int) -> None:
    features.paint_eyes(canvas, person, (1.0, 0.5, 0.0)[cell // GAZES], cell % GAZES - 1)


def _mouth(canvas: Canvas, person: Look, cell: int) -> None:
    features.paint_mouth(
        canvas,
        person,
        cell % OPENINGS / (OPENINGS - 1),
        cell // OPENINGS / (ROUNDINGS - 1),
    )


BACK = Sprite("back", 344, 400, (0, 30), lambda c, p, _: head.paint_back(c, p))
BODY = Sprite("body", 620, 380, (0, 240), lambda c, p, _: body.paint_body(c, p))
SKULL = Sprite("skull", 320, 372, (0, 0), lambda c, p, _: head.paint_skull(c, p))
BROWS = Sprite("brows", 170, 44, (0, -33), lambda c, p, _: features.paint_brows(c, p), near=1.0)
EYES = Sprite("eyes", 216, 68, (0, 0), _eyes, LIDS * GAZES, near=1.0)
NOSE = Sprite("nose", 72, 84, (0, 34), lambda c, p, _: features.paint_nose(c, p), near=1.5)
MOUTH = Sprite("mouth", 88, 76, (0, 100), _mouth, OPENINGS * ROUNDINGS, near=1.05)


def paint_all(seed: int, pixels: float, directory: Path) -> None:
    """Paint everything for the look of a seed, shown with ``pixels`` to a unit, as PAM files.

    Takes about a second of CPU for 720 lines.
    """
    person = look(seed)
    for sprite in (*parts(seed), BODY):
        canvas = sprite.sheet(person, pixels * OVERSIZE)
        (directory / f"{sprite.name}.pam").write_bytes(canvas.pam())
    scene = Canvas(room.SCENE_ACROSS, room.SCENE_DOWN, _LOOSE)
    room.paint_room(scene, person.room, seed)
    (directory / "room.pam").write_bytes(scene.pam())
