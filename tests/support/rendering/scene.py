"""The ffmpeg filter graph that composes a film from images of a person's parts and of a room."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hdtf_async.demo.film import Film, width_of
from hdtf_async.demo.motion import SCENE_HEIGHT, Motion, Wave, motion
from rendering import voice

ARTWORK = Path(__file__).with_name("artwork")
"""The images, rendered from the SVG files in ``tests/support/artwork`` by ``tests/support/artwork.py``."""
PEOPLE = ("host", "author", "speaker", "teacher", "painter", "architect")
"""The people by `Film.look`: ``NAME.webp`` has the parts of the person, ``NAME-room.webp`` the background."""
SHEET_SCALE = 1.5
"""Pixels per unit in a person's file; a unit is defined in `hdtf_async.demo.motion`."""

_TILT_STEP = 0.6
"""Degrees between two tilts of a part: rotating once per tilt is cheaper than once per frame."""
_GAZES = 3
"""Columns of the eyes: looking left, ahead, right. The rows are open, half shut and shut."""
_OPENINGS = 8
"""Columns of the mouth, from closed to wide open. The rows go from a wide to a round mouth."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a person, drawn in one or several states. Lengths are in units."""

    name: str
    left: int
    """Position of the part in the person's file."""
    top: int
    width: int
    """Of one state."""
    height: int
    x: int
    """Centre of the part, relative to the centre of the head."""
    y: int
    columns: int = 1
    """The states are in a grid of this many columns and rows."""
    rows: int = 1
    depth: float = 0.0
    """How far the part is in front of the head: how much it moves when the head turns; 1 for the eyes."""
    tilts: int = 5
    """Number of tilts to either side of upright; 0 for the body, which does not move with the head."""

    @property
    def states(self) -> int:
        """Number of states."""
        return self.columns * self.rows

    def size(self, scale: float) -> tuple[int, int]:
        """Return width and height of one state in a film with ``scale`` pixels per unit: multiples of 4."""
        return 4 * round(self.width * scale / 4), 4 * round(self.height * scale / 4)

    def tilt(self, moves: Motion) -> str:
        """Return an expression of the number of the nearest tilt, 0 for upright."""
        return f"clip(round({moves.tilt.expression()}/{_TILT_STEP}),-{self.tilts},{self.tilts})"


_BACK = Part("back", 940, 0, 344, 400, 0, 30)
_BODY = Part("body", 0, 0, 620, 380, 0, 240, tilts=0)
_SKULL = Part("skull", 620, 0, 320, 372, 0, 0)
_NOSE = Part("nose", 1284, 0, 72, 84, 0, 34, depth=1.5)
_EYES = Part("eyes", 0, 400, 216, 68, 0, 0, _GAZES, 3, depth=1.0)
_BROWS = Part("brows", 1284, 90, 170, 44, 0, -33, depth=1.0)
_MOUTH = Part("mouth", 648, 400, 88, 76, 0, 100, _OPENINGS, 3, depth=1.05)
_LAYERS = (_BACK, _BODY, _SKULL, _NOSE, _EYES, _BROWS, _MOUTH)
"""From back to front. The back is long hair or a headscarf, and empty for people with neither."""


def inputs(film: Film) -> tuple[Path, Path]:
    """Return the files that the graph reads: the room and the person."""
    name = PEOPLE[film.look % len(PEOPLE)]
    return ARTWORK / f"{name}-room.webp", ARTWORK / f"{name}.webp"


def filter_graph(film: Film) -> str:
    """Return the graph of a film; outputs are ``[v720]``, ``[w720]`` (for VP9) and so on, and ``[audio]``."""
    moves, height = motion(film.look), film.heights[0]
    scale = height / SCENE_HEIGHT
    graph = [
        f"[0]gblur=sigma=1.8,scale={width_of(height)}:{height}:flags=bicubic:out_color_matrix=bt709:out_range=tv,"
        f"format=yuv420p,{_repeated(film)}[scene0]",
        f"[1]format=gbrap,premultiply=inplace=1,split={len(_LAYERS)}"
        + "".join(f"[{part.name}_sheet]" for part in _LAYERS),
    ]
    for number, part in enumerate(_LAYERS):
        x, y = _position(part, moves, scale)
        graph.append(f"[{part.name}_sheet]{_states(film, part, moves, scale)}[{part.name}]")
        graph.append(f"[scene{number}][{part.name}]overlay=x='{x}':y='{y}'[scene{number + 1}]")
    outputs = [f"v{lines}" for lines in film.heights] + [f"w{lines}" for lines in film.vp9_heights]
    graph.append(
        f"[scene{len(_LAYERS)}]trim=end_frame={film.frames},"
        "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709,"
        f"split={len(outputs)}{''.join(f'[{name}s]' for name in outputs)}",
    )
    for name in outputs:
        lines = int(name[1:])
        resize = "null" if lines == height else f"scale={width_of(lines)}:{lines}:flags=bilinear"
        graph.append(f"[{name}s]{resize}[{name}]")
    if film.audio:
        graph.append(voice.filters(moves, film.seconds, "audio"))
    return ";".join(graph)


def _repeated(film: Film) -> str:
    """Return the filters that repeat one image endlessly, at the film's frame rate."""
    rate = f"{film.fps.numerator}/{film.fps.denominator}"
    return f"loop=loop=-1:size=1,settb=1/({rate}),setpts=N,fps={rate}"


def _states(film: Film, part: Part, moves: Motion, scale: float) -> str:
    """Return the filters that rotate all states of a part to each tilt, and then choose one per frame."""
    width, height = part.size(scale)
    crop = (part.width * part.columns, part.height * part.rows, part.left, part.top)
    angle = f"(floor(n/{part.states})-{part.tilts})*{_TILT_STEP}*PI/180"
    column, row = _state(part, moves), f"({part.tilt(moves)}+{part.tilts})"
    return (
        f"crop={':'.join(str(round(length * SHEET_SCALE)) for length in crop)},"
        f"scale={width * part.columns}:{height * part.rows}:flags=area,"
        f"loop=loop={2 * part.tilts}:size=1,untile={part.columns}x{part.rows},rotate=a='{angle}':c=black@0,"
        "unpremultiply=inplace=1,scale=out_color_matrix=bt709:out_range=tv,format=yuva420p,"
        f"tile={part.states}x{2 * part.tilts + 1},{_repeated(film)},"
        f"crop={width}:{height}:x='{width}*{column}':y='{height}*{row}'"
    )


def _state(part: Part, moves: Motion) -> str:
    """Return an expression of the number of the displayed state."""
    if part is _EYES:
        return f"({voice.lid(moves)}*{_GAZES}+{voice.gaze(moves)})"
    if part is _MOUTH:
        column, row = f"round({voice.opened(moves)}*{_OPENINGS - 1})", f"round({voice.rounded(moves)}*2)"
        return f"({row}*{_OPENINGS}+{column})"
    return "0"


def _position(part: Part, moves: Motion, scale: float) -> tuple[str, str]:
    """Return expressions of the left top corner of a part in the film."""

    def rounded(value: str) -> str:
        # Only to even numbers, as ffmpeg requires for 4:2:0 video.
        return f"2*round({scale:.6f}*({value})/2)"

    width, height = part.size(scale)
    middle = (moves.body, Wave(moves.y.middle, ())) if part is _BODY else (moves.x, moves.y)
    x = f"({part.x}+{part.depth}*{moves.turn.expression()})"
    y = f"({part.y}+{part.depth}*{moves.nod.expression()})"
    angle = f"({part.tilt(moves)}*{_TILT_STEP}*PI/180)"
    # The position of the head is rounded separately, so that all parts of the head move together.
    return (
        f"{rounded(middle[0].expression())}+{rounded(f'{x}*cos({angle})-{y}*sin({angle})')}-{width // 2}",
        f"{rounded(middle[1].expression())}+{rounded(f'{x}*sin({angle})+{y}*cos({angle})')}-{height // 2}",
    )
