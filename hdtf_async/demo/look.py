"""What the drawn people look like: colours, hair, clothes and room, chosen by a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hdtf_async.demo.canvas import Colour, mixed, rgb

_BLACK: Colour = (12, 8, 14)
_WHITE: Colour = (255, 252, 246)


@dataclass(frozen=True, slots=True)
class Look:
    """One drawn person: colours as (red, green, blue), the rest by name."""

    skin: Colour
    hair: Colour
    style: str
    """One of `HAIR_STYLES`."""
    clothes: str
    """One of `CLOTHES`."""
    cloth: Colour
    under: Colour
    """Shirt or blouse under the outer clothes."""
    accent: Colour
    """Tie, earrings or scarf pin."""
    eyes: Colour
    lips: Colour
    room: str
    """One of `ROOMS`."""
    beard: bool = False
    glasses: bool = False
    lashes: bool = False
    """Longer lashes and lip colour."""
    lines: bool = False
    """Lines of age around eyes and mouth."""

    def shadow(self, strength: float) -> Colour:
        """Return the skin in shadow; a little redder, as skin is."""
        return mixed(self.skin, mixed((96, 24, 30), _BLACK, 0.35), strength)

    def light(self, strength: float) -> Colour:
        """Return the skin in light."""
        return mixed(self.skin, _WHITE, strength)


HAIR_STYLES = ("parted", "cropped", "bob", "curls", "bald", "bun", "scarf")
"""Every way in which hair is worn."""
CLOTHES = ("suit", "jumper", "blazer", "shirt", "roll")
"""Everything that is worn."""
ROOMS = ("books", "studio", "drapes", "window", "gallery", "dusk")
"""Every room that stands behind a person."""

LOOKS = (
    Look(
        skin=rgb("9a5f3f"), hair=rgb("2a1b1c"), style="curls", clothes="roll", cloth=rgb("d99a2b"),
        under=rgb("b87d1c"), accent=rgb("f3d58a"), eyes=rgb("4a2c1a"), lips=rgb("8c3540"),
        room="studio", lashes=True,
    ),
    Look(
        skin=rgb("f0c3a0"), hair=rgb("8d8c90"), style="cropped", clothes="jumper", cloth=rgb("2f4a6d"),
        under=rgb("e9eef5"), accent=rgb("c9d4e4"), eyes=rgb("5b7f95"), lips=rgb("b9736a"),
        room="books", beard=True, glasses=True, lines=True,
    ),
    Look(
        skin=rgb("dba27a"), hair=rgb("3a2720"), style="parted", clothes="suit", cloth=rgb("2b2f3f"),
        under=rgb("f4f4f1"), accent=rgb("a3283a"), eyes=rgb("5a3b22"), lips=rgb("a85c52"),
        room="drapes",
    ),
    Look(
        skin=rgb("f6cfb4"), hair=rgb("c98a45"), style="bob", clothes="blazer", cloth=rgb("b23a48"),
        under=rgb("f7ead9"), accent=rgb("f0c75e"), eyes=rgb("3f7d66"), lips=rgb("c2484f"),
        room="window", lashes=True,
    ),
    Look(
        skin=rgb("6b4130"), hair=rgb("1d1515"), style="bald", clothes="shirt", cloth=rgb("e8ded0"),
        under=rgb("e8ded0"), accent=rgb("c9bda9"), eyes=rgb("2e1a12"), lips=rgb("74393a"),
        room="gallery", beard=True,
    ),
    Look(
        skin=rgb("e2b08a"), hair=rgb("1f7a78"), style="scarf", clothes="blazer", cloth=rgb("3c3a5e"),
        under=rgb("1f7a78"), accent=rgb("f2d7a0"), eyes=rgb("51341f"), lips=rgb("b5505a"),
        room="dusk", lashes=True,
    ),
)  # fmt: skip
"""The people of the demo."""


def look(seed: int) -> Look:
    """Return the person of a seed: one of `LOOKS` for the first few, a mixture of them beyond."""
    if 0 <= seed < len(LOOKS):
        return LOOKS[seed]
    chance = random.Random(seed)  # noqa: S311 - the same seed must draw the same person again
    face, top, coat = (chance.choice(LOOKS) for _ in range(3))
    return Look(
        skin=face.skin,
        hair=top.hair,
        style=chance.choice(HAIR_STYLES),
        clothes=chance.choice(CLOTHES),
        cloth=coat.cloth,
        under=coat.under,
        accent=coat.accent,
        eyes=chance.choice(LOOKS).eyes,
        lips=face.lips,
        room=chance.choice(ROOMS),
        beard=face.beard,
        glasses=chance.randrange(3) == 0,
        lashes=face.lashes,
        lines=face.lines,
    )
