"""ffmpeg's filter graph that lays the painted parts of a film over each other, frame by frame."""

from __future__ import annotations

from hdtf_async.demo import sprites, voice
from hdtf_async.demo.film import Film, width_of
from hdtf_async.demo.motion import TILT_STEP, TILT_STEPS, Motion, Wave, motion
from hdtf_async.demo.room import SCENE_DOWN
from hdtf_async.demo.sprites import BACK, BODY, EYES, MOUTH, Sprite

_TILTS = 2 * TILT_STEPS + 1


def inputs(film: Film) -> list[str]:
    """Return the names of the pictures that the graph takes, in the order of ffmpeg's inputs."""
    return ["room", BODY.name, *(part.name for part in sprites.parts(film.look))]


def filter_graph(film: Film) -> str:
    """Return the graph of a film: pads ``[v720]``, ``[w720]`` (for VP9) and so on, and ``[sound]``."""
    moves = motion(film.look)
    height = film.heights[0]
    pixels = height / SCENE_DOWN
    graph = [
        f"[0]gblur=sigma=1.8,scale={width_of(height)}:{height}:flags=bicubic:out_color_matrix=bt709:out_range=tv,"
        f"format=yuv444p,noise=alls=3:all_seed=1,{_held(film)}[scene0]",
        f"[1]{_small(*_size(BODY, pixels))}[body]",
    ]
    parts = sprites.parts(film.look)
    layers = [_layer(part, moves, pixels) for part in parts]
    layers.insert(1 if BACK in parts else 0, ("body", *_body_place(moves, pixels)))
    for number, part in enumerate(parts, start=2):
        graph.append(f"[{number}]{_tilted(film, part, moves, pixels)}[{part.name}]")
    for number, (name, x, y) in enumerate(layers):
        graph.append(f"[scene{number}][{name}]overlay=x='{x}':y='{y}':format=yuv444[scene{number + 1}]")
    outputs = [f"v{lines}" for lines in film.heights] + [f"w{lines}" for lines in film.vp9_heights]
    graph.append(
        f"[scene{len(layers)}]trim=end_frame={film.frames},format=yuv420p,"
        "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709,"
        f"split={len(outputs)}{''.join(f'[{name}s]' for name in outputs)}",
    )
    for name in outputs:
        lines = int(name[1:])
        size = "null" if lines == height else f"scale={width_of(lines)}:{lines}:flags=bilinear"
        graph.append(f"[{name}s]{size}[{name}]")
    if film.audio:
        graph.append(voice.filters(moves, film.seconds, "sound"))
    return ";".join(graph)


def _held(film: Film) -> str:
    """Return the filters that hold one picture for ever, at the film's rate."""
    rate = f"{film.fps.numerator}/{film.fps.denominator}"
    return f"loop=loop=-1:size=1,settb=1/({rate}),setpts=N,fps={rate}"


def _size(part: Sprite, pixels: float) -> tuple[int, int]:
    """Return the shown size of one picture of a part, in whole even pixels."""
    return 2 * round(part.width * pixels / 2), 2 * round(part.height * pixels / 2)


def _small(width: int, height: int) -> str:
    """Return the filters that make an oversized picture small with smooth edges."""
    return (
        f"format=gbrap,premultiply=inplace=1,scale={width}:{height}:flags=area,unpremultiply=inplace=1,"
        "scale=out_color_matrix=bt709:out_range=tv,format=yuva444p"
    )


def _tilted(film: Film, part: Sprite, moves: Motion, pixels: float) -> str:
    """Return the filters that make all tilts of a part once, as rows, and then show one cell a frame."""
    width, height = _size(part, pixels)
    angle = f"(floor(n/{part.cells})-{TILT_STEPS})*{TILT_STEP}*PI/180"
    large = f"{width * part.cells * sprites.OVERSIZE}:{height * sprites.OVERSIZE}"
    cells = f"untile={part.cells}x1," if part.cells > 1 else ""
    return (
        f"format=gbrap,premultiply=inplace=1,scale={large}:flags=area,"
        f"loop=loop={_TILTS - 1}:size=1,{cells}rotate=a='{angle}':c=black@0:bilinear={int(part.cells == 1)},"
        f"scale={width}:{height}:flags=area,unpremultiply=inplace=1,"
        f"scale=out_color_matrix=bt709:out_range=tv,format=yuva444p,tile={part.cells}x{_TILTS},"
        f"{_held(film)},crop={width}:{height}:x='{width}*{_cell(part, moves)}':"
        f"y='{height}*({_level(moves)}+{TILT_STEPS})'"
    )


def _cell(part: Sprite, moves: Motion) -> str:
    if part is EYES:
        return f"({voice.lid(moves)}*{sprites.GAZES}+{voice.gaze(moves)})"
    if part is MOUTH:
        opened = f"round({voice.opened(moves)}*{sprites.OPENINGS - 1})"
        rounded = f"round({voice.rounded(moves)}*{sprites.ROUNDINGS - 1})"
        return f"({rounded}*{sprites.OPENINGS}+{opened})"
    return "0"


def _level(moves: Motion) -> str:
    """Return an expression of the drawn tilt that is nearest to the tilt in mind."""
    return f"clip(round({moves.tilt.expression()}/{TILT_STEP}),-{TILT_STEPS},{TILT_STEPS})"


def _times(wave: Wave, factor: float) -> str:
    return f"{factor:.6f}*{wave.expression()}"


def _layer(part: Sprite, moves: Motion, pixels: float) -> tuple[str, str, str]:
    """Return a part's name and the expressions of its left top corner."""
    width, height = _size(part, pixels)
    x, y = (f"({place * pixels:.4f}+{_times(wave, part.near * pixels)})"
            for place, wave in zip(part.middle, (moves.turn, moves.nod), strict=True))  # fmt: skip
    angle = f"({_level(moves)}*{TILT_STEP}*PI/180)"
    # The head's own place is rounded by itself: so all its parts step together.
    return (
        part.name,
        f"round({_times(moves.x, pixels)})+round({x}*cos({angle})-{y}*sin({angle}))-{width // 2}",
        f"round({_times(moves.y, pixels)})+round({x}*sin({angle})+{y}*cos({angle}))-{height // 2}",
    )


def _body_place(moves: Motion, pixels: float) -> tuple[str, str]:
    width, height = _size(BODY, pixels)
    middle = (moves.y.middle + BODY.middle[1]) * pixels
    return f"round({_times(moves.body, pixels)})-{width // 2}", str(round(middle) - height // 2)
