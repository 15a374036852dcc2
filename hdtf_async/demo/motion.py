"""How a drawn head moves, as pure functions of time: the ground truth of the footage.

Every movement is a sum of sines. The same numbers are used in ffmpeg's expressions and here, so that footage
and ground truth cannot diverge.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from hdtf_async.core.model import Box, Interval
from hdtf_async.demo.film import Film, width_of

SCENE_HEIGHT = 640
"""Height of the whole frame in units. All drawings use this unit."""
_HEAD_ACROSS = 116
"""From the centre of the head to the edge of an ear, in units."""
_HEAD_DOWN = 154
"""From the centre of the head to the top of the hair, and to the chin, in units. Curls, a bun and long hair
extend beyond that."""


@dataclass(frozen=True, slots=True)
class Wave:
    """A sum of sines around a middle: ``middle + sum(reach * sin(tau * hertz * t + phase))``."""

    middle: float
    parts: tuple[tuple[float, float, float], ...]
    """(reach, hertz, phase in radians) of each sine."""

    def at(self, seconds: float) -> float:
        """Return the value at a time."""
        return self.middle + sum(
            reach * math.sin(math.tau * hertz * seconds + phase) for reach, hertz, phase in self.parts
        )

    def expression(self) -> str:
        """Return the same as an expression of ``t`` for ffmpeg."""
        sines = (f"{reach}*sin({math.tau * hertz:.9f}*t+{phase})" for reach, hertz, phase in self.parts)
        return f"({'+'.join((str(self.middle), *sines))})"


@dataclass(frozen=True, slots=True)
class Motion:
    """All movements of one film, in units of the scene (`SCENE_HEIGHT` to its height)."""

    x: Wave
    """Centre of the head from the left edge."""
    y: Wave
    """Centre of the head from the top."""
    body: Wave
    """Middle of the shoulders from the left edge."""
    tilt: Wave
    """Degrees clockwise."""
    turn: Wave
    """How far the eyes move sideways on the face as the head turns."""
    nod: Wave
    """How far the eyes move down on the face as the head nods."""
    syllable: Wave
    """Added to the phase of the syllables, in radians, so that speech is not perfectly regular."""
    start: float
    """Seconds by which speech, pauses and blinks are shifted relative to other films."""


@dataclass(frozen=True, slots=True)
class Head:
    """Position of the head in an image, in (fractional) pixels: its centre, its half axes, its tilt."""

    x: float
    y: float
    across: float
    down: float
    tilt: float
    """Degrees clockwise."""

    @property
    def half_width(self) -> float:
        """Half the width of the upright box around the tilted head."""
        angle = math.radians(self.tilt)
        return math.hypot(self.across * math.cos(angle), self.down * math.sin(angle))

    @property
    def half_height(self) -> float:
        """Half the height of the upright box around the tilted head."""
        angle = math.radians(self.tilt)
        return math.hypot(self.across * math.sin(angle), self.down * math.cos(angle))


def motion(look: int) -> Motion:
    """Return the movements for a seed."""
    chance = random.Random(look)  # noqa: S311 - the same seed must give the same movements

    def wave(middle: float, *parts: tuple[float, float]) -> Wave:
        def sine(reach: float, hertz: float) -> tuple[float, float, float]:
            varied = round(hertz * chance.uniform(0.9, 1.1), 4)
            return round(reach, 3), varied, round(chance.uniform(0, 6.28), 3)

        return Wave(round(middle, 3), tuple(sine(*part) for part in parts))

    home = SCENE_HEIGHT * 8 / 9 + (-70, 60, -30, 78, 0, -46)[look % 6]
    x = wave(home, (25, 0.17), (8, 0.41))
    body = Wave(x.middle, tuple((round(reach * 0.72, 3), hertz, phase) for reach, hertz, phase in x.parts))
    # The head leans in the direction of its movement, as on a neck.
    tilt = Wave(0.0, tuple((round(reach * 0.085, 3), hertz, phase) for reach, hertz, phase in x.parts))
    return Motion(
        x=x,
        y=wave(266, (4, 0.31), (2.5, 0.83)),
        body=body,
        tilt=tilt,
        turn=wave(0, (7, 0.19), (3, 0.53)),
        nod=wave(0, (3, 0.37), (1.5, 0.97)),
        syllable=wave(0, (0.9, 0.61), (0.5, 1.37)),
        start=round(chance.uniform(0, 9), 2),
    )


def head_at(film: Film, seconds: float, height: int) -> Head:
    """Return the position of a film's head at a time, in an image of this height.

    Drawings are placed on whole pixels of the master and on steps of `TILT_STEP`, so they may be off by up to
    a pixel and half a step.
    """
    moves = motion(film.look)
    pixels = height / SCENE_HEIGHT
    return Head(
        x=moves.x.at(seconds) * pixels,
        y=moves.y.at(seconds) * pixels,
        across=_HEAD_ACROSS * pixels,
        down=_HEAD_DOWN * pixels,
        tilt=moves.tilt.at(seconds),
    )


def head_box(film: Film, interval: Interval, height: int, enlargement: float = 1.2) -> Box:
    """Return the smallest upright square, enlarged by ``room``, around the whole path of the head.

    The square is in pixels of an image of ``height`` rows and inside it.
    """
    times = [frame / film.fps for frame in range(film.frames)]
    heads = [head_at(film, float(t), height) for t in times if interval.start <= t < interval.end]
    left = min(head.x - head.half_width for head in heads)
    right = max(head.x + head.half_width for head in heads)
    top = min(head.y - head.half_height for head in heads)
    bottom = max(head.y + head.half_height for head in heads)
    side = min(round(max(right - left, bottom - top) * enlargement), height)
    x = min(max(round((left + right - side) / 2), 0), width_of(height) - side)
    y = min(max(round((top + bottom - side) / 2), 0), height - side)
    return Box(x, y, side, side)
