"""Draws the stand-in's own footage with ffmpeg: heads that move and speak, in YouTube's renditions.

The parts of a person are painted once (`sprites`), turned to every tilt once, and then only laid over
each other frame by frame, which ffmpeg does faster than it encodes. All renditions of a film come from
one drawing. The same films are the same bytes again with the same ffmpeg on the same kind of machine.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import anyio
from anyio import to_thread

from hdtf_async.demo import scene, sprites
from hdtf_async.demo.film import Film, width_of
from hdtf_async.demo.room import SCENE_DOWN
from hdtf_async.process import supervisor

FACTS = "film.json"
"""Name of the file that says what lies in a film's folder."""

_GOP_SECONDS = 5
"""YouTube's renditions have a key frame about this often."""
_H264 = {1080: 137, 720: 136, 480: 135, 360: 134, 240: 133, 144: 160}
_VP9 = {1080: 248, 720: 247, 480: 244, 360: 243, 240: 242, 144: 278}
_AAC = 140
_PROFILES = ((1081, ("high", "5.1")), (721, ("high", "4.0")), (481, ("main", "3.1")), (0, ("main", "3.0")))
"""H.264 profile and level from so many lines on, as YouTube has them."""
_X264 = "cabac=1:deblock=0,0:bframes=2"
"""What makes the fastest preset's streams ones of the main profile, like YouTube's, at next to no cost."""
_DEADLINE = 600.0
"""Seconds that ffmpeg may take for one film."""
_REVISION = 1
"""Counts up when the same `Film` is drawn otherwise than before, so that old footage is not taken for new."""


class DrawingError(Exception):
    """ffmpeg did not draw a film; the message holds its last words."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """One file of a film, with what YouTube's answer says of it."""

    itag: int
    """YouTube's number of the form: 136 is H.264 of 720 lines, and so on."""
    name: str
    """File name inside the film's folder."""
    mime: str
    codecs: str
    """As in RFC 6381."""
    size: int
    """In bytes."""
    milliseconds: int
    width: int = 0
    height: int = 0
    fps: int = 0
    """Rounded, as YouTube's answers have it."""


def _nobody(_begun: int) -> None:
    """Tell nobody how far it is."""


async def draw(
    directory: Path, films: Sequence[Film], ffmpeg: Path, told: Callable[[int], None] = _nobody
) -> None:
    """Draw films into a directory, one folder each, named by the film's YouTube id.

    What is there already, drawn from an equal `Film`, stays. A folder appears whole or not at all. Whenever
    one is begun `told` hears the how manyth of all films it is, from 1; those that stay are counted.
    Raises `DrawingError` (in an `ExceptionGroup`) if ffmpeg fails.
    """
    await anyio.Path(directory).mkdir(parents=True, exist_ok=True)
    limiter, numbers = anyio.CapacityLimiter(os.cpu_count() or 1), count(1)

    async def one(film: Film) -> None:
        async with limiter:
            number = next(numbers)
            if not await to_thread.run_sync(_is_drawn, directory / film.youtube_id, film):
                told(number)
                await _draw_film(directory, film, ffmpeg)

    async with anyio.create_task_group() as group:
        # The dearest first: so none is left to be drawn alone at the end.
        for film in sorted(films, key=lambda film: film.frames * film.heights[0] ** 2, reverse=True):
            group.start_soon(one, film)


async def _draw_film(directory: Path, film: Film, ffmpeg: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".drawing-", dir=directory) as scratch:
        work = Path(scratch)
        pictures, made = work / "pictures", work / "made"
        pictures.mkdir()
        made.mkdir()
        await to_thread.run_sync(sprites.paint_all, film.look, film.heights[0] / SCENE_DOWN, pictures)
        await _run([str(ffmpeg), *_arguments(film, pictures, made)])
        await to_thread.run_sync(_publish, film, made, directory / film.youtube_id)


async def _run(argv: Sequence[str]) -> None:
    ended = await supervisor.run(argv, deadline=_DEADLINE)
    if ended.code != 0:
        raise DrawingError(ended.words)


def _is_drawn(folder: Path, film: Film) -> bool:
    try:
        facts = json.loads((folder / FACTS).read_text())
    except FileNotFoundError:
        return False
    return bool(facts["drawn_from"] == _drawn_from(film))


def _drawn_from(film: Film) -> str:
    return f"revision {_REVISION} of {film}"


def _arguments(film: Film, pictures: Path, made: Path) -> Iterator[str]:
    rate = f"{film.fps.numerator}/{film.fps.denominator}"
    yield from ("-nostdin", "-v", "error", "-filter_complex_threads", "1")
    for name in scene.inputs(film):
        yield from ("-f", "pam_pipe", "-framerate", rate, "-i", str(pictures / f"{name}.pam"))
    yield from ("-filter_complex", scene.filter_graph(film))
    exact = ("-fflags", "+bitexact", "-flags", "+bitexact")
    common = ("-threads", "1", "-g", str(round(film.fps * _GOP_SECONDS)), *exact)
    for height in film.heights:
        profile = next(profile for lines, profile in _PROFILES if height >= lines)
        yield from ("-map", f"[v{height}]", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "20")
        yield from ("-x264-params", _X264)
        yield from ("-profile:v", profile[0], "-level:v", profile[1], *common)
        yield from ("-movflags", "+faststart", str(made / f"{_H264[height]}.mp4"))
    for height in film.vp9_heights:
        yield from ("-map", f"[w{height}]", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
        yield from ("-crf", "33", "-b:v", "0", *common, str(made / f"{_VP9[height]}.webm"))
    if film.audio:
        yield from ("-map", "[sound]", "-c:a", "aac", "-b:a", "128k", *exact)
        yield from ("-movflags", "+faststart", str(made / f"{_AAC}.m4a"))


def _publish(film: Film, made: Path, folder: Path) -> None:
    renditions = [asdict(rendition) for rendition in _renditions(film, made)]
    facts = {
        "drawn_from": _drawn_from(film),
        "youtube_id": film.youtube_id,
        "title": film.title,
        "seconds": film.frames / film.fps,
        "renditions": renditions,
    }
    (made / FACTS).write_text(json.dumps(facts, indent=1, default=float))
    if folder.exists():
        shutil.rmtree(folder)
    made.rename(folder)


def _renditions(film: Film, made: Path) -> Iterator[Rendition]:
    milliseconds = round(film.frames / film.fps * 1000)
    forms = [(height, _H264[height], "mp4") for height in film.heights]
    forms += [(height, _VP9[height], "webm") for height in film.vp9_heights]
    for height, itag, ending in forms:
        path = made / f"{itag}.{ending}"
        yield Rendition(
            itag=itag,
            name=path.name,
            mime=f"video/{ending}",
            codecs="vp9" if ending == "webm" else _avc_codecs(path),
            size=path.stat().st_size,
            milliseconds=milliseconds,
            width=width_of(height),
            height=height,
            fps=round(film.fps),
        )
    if film.audio:
        path = made / f"{_AAC}.m4a"
        yield Rendition(_AAC, path.name, "audio/mp4", "mp4a.40.2", path.stat().st_size, milliseconds)


def _avc_codecs(path: Path) -> str:
    """Return the codec string of an H.264 file from its avcC box: profile, constraints, level."""
    content = path.read_bytes()
    place = content.index(b"avcC") + 5
    return f"avc1.{content[place : place + 3].hex()}"
