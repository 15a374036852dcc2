"""A film of the mock YouTube server, and the formats in which YouTube would offer it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

FACTS = "film.json"
"""Name of the file that describes the contents of a film's directory."""


@dataclass(frozen=True, slots=True)
class Film:
    """One generated video: a head that moves and speaks in front of a room."""

    youtube_id: str
    """Exactly 11 characters, as on YouTube."""
    title: str
    seconds: float
    fps: Fraction = Fraction(25)
    heights: tuple[int, ...] = (720, 144)
    """Heights of the formats in pixels, the highest first; the film is drawn at the first one."""
    look: int = 0
    """Number of the person and the room (modulo 6), and seed of the movements."""
    audio: bool = True
    vp9_heights: tuple[int, ...] = ()
    """Heights that are also offered as VP9 in WebM, besides H.264 in MP4."""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return round(self.seconds * self.fps)


def width_of(height: int) -> int:
    """Return the even width of a 16:9 frame of this height."""
    return 2 * round(height * 8 / 9)
