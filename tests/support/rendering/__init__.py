"""Generate footage for the mock YouTube server with ffmpeg: talking heads, in YouTube's formats.

ffmpeg overlays images of the parts of a person, frame by frame (`rendering.scene`). One ffmpeg process
creates all formats of a film. With the same ffmpeg and CPU architecture, a film always has the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import anyio
from anyio import to_thread

from hdtf_async.demo.film import FACTS, Film, width_of
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.run import run_ffmpeg
from hdtf_async.process.supervisor import Command
from rendering import scene

_GOP_SECONDS = 5
"""Key frame interval of YouTube's formats, approximately."""
_H264 = {1080: 137, 720: 136, 480: 135, 360: 134, 240: 133, 144: 160}
_VP9 = {1080: 248, 720: 247, 480: 244, 360: 243, 240: 242, 144: 278}
_AAC = 140
_PROFILES = ((1081, ("high", "5.1")), (721, ("high", "4.0")), (481, ("main", "3.1")), (0, ("main", "3.0")))
"""H.264 profile and level by minimum height, as on YouTube."""
_X264 = "cabac=1:deblock=0,0:bframes=2"
"""Makes the fastest preset's streams main profile, like YouTube's, at little cost."""
_DEADLINE = 600.0
"""Maximum seconds of ffmpeg for one film."""
_REVISION = 3
"""Increased when the same `Film` is drawn differently, so that old footage is not reused."""


class Quality(NamedTuple):
    """Encoder settings, as arguments of ffmpeg."""

    h264: tuple[str, ...]
    vp9: tuple[str, ...]
    aac: tuple[str, ...]


QUICK = Quality(
    h264=("-preset", "ultrafast", "-crf", "20"),
    vp9=("-deadline", "realtime", "-cpu-used", "8", "-crf", "33"),
    aac=("-aac_coder", "fast", "-b:a", "128k"),
)
"""For films that are rendered when they are needed."""
SMALL = Quality(
    h264=("-preset", "veryslow", "-crf", "26"), vp9=("-cpu-used", "1", "-crf", "45"), aac=("-b:a", "48k")
)
"""For films that are kept."""


async def draw(directory: Path, films: Sequence[Film], quality: Quality = QUICK) -> None:
    """Generate films in a directory, one subdirectory each, named by the film's YouTube id.

    A subdirectory that was generated from an equal `Film` is kept. It appears complete or not at all.
    Raises `FfmpegError` (in an `ExceptionGroup`) if ffmpeg fails.
    """
    await anyio.Path(directory).mkdir(parents=True, exist_ok=True)
    limiter = anyio.CapacityLimiter(os.cpu_count() or 1)

    async def one(film: Film) -> None:
        async with limiter:
            if not await to_thread.run_sync(is_drawn, directory / film.youtube_id, film):
                await _draw_film(directory, film, quality)

    async with anyio.create_task_group() as group:
        # The most expensive first, so that no CPU idles while the last one is drawn.
        for film in sorted(films, key=lambda film: film.frames * film.heights[0] ** 2, reverse=True):
            group.start_soon(one, film)


async def _draw_film(directory: Path, film: Film, quality: Quality) -> None:
    with tempfile.TemporaryDirectory(prefix=".drawing-", dir=directory) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        words = [str(bundled_ffmpeg()), *_arguments(film, made, quality)]
        await run_ffmpeg(Command(words), deadline=_DEADLINE)
        await to_thread.run_sync(_publish, film, made, directory / film.youtube_id)


def is_drawn(folder: Path, film: Film) -> bool:
    """Return whether a directory was generated from an equal film."""
    try:
        facts = json.loads((folder / FACTS).read_text())
    except FileNotFoundError:
        return False
    return bool(facts["drawn_from"] == f"revision {_REVISION} of {film}")


def _arguments(film: Film, made: Path, quality: Quality) -> Iterator[str]:
    rate = f"{film.fps.numerator}/{film.fps.denominator}"
    yield from ("-nostdin", "-v", "error", "-filter_complex_threads", "1")
    for path in scene.inputs(film):
        yield from ("-f", "webp_pipe", "-framerate", rate, "-i", str(path))
    yield from ("-filter_complex", scene.filter_graph(film))
    exact = ("-fflags", "+bitexact", "-flags", "+bitexact")
    common = ("-threads", "1", "-g", str(round(film.fps * _GOP_SECONDS)), *exact)
    for height in film.heights:
        profile = next(profile for lines, profile in _PROFILES if height >= lines)
        yield from ("-map", f"[v{height}]", "-c:v", "libx264", *quality.h264)
        yield from ("-x264-params", _X264)
        yield from ("-profile:v", profile[0], "-level:v", profile[1], *common)
        yield from ("-movflags", "+faststart", str(made / f"{_H264[height]}.mp4"))
    for height in film.vp9_heights:
        yield from ("-map", f"[w{height}]", "-c:v", "libvpx-vp9", *quality.vp9, "-b:v", "0")
        yield from (*common, str(made / f"{_VP9[height]}.webm"))
    if film.audio:
        yield from ("-map", "[audio]", "-c:a", "aac", *quality.aac, *exact)
        yield from ("-movflags", "+faststart", str(made / f"{_AAC}.m4a"))


def _publish(film: Film, made: Path, folder: Path) -> None:
    facts = {
        "drawn_from": f"revision {_REVISION} of {film}",
        "youtube_id": film.youtube_id,
        "title": film.title,
        "seconds": film.frames / film.fps,
        "renditions": list(_renditions(film, made)),
    }
    (made / FACTS).write_text(json.dumps(facts, indent=1, default=float))
    if folder.exists():
        shutil.rmtree(folder)
    made.rename(folder)


def _renditions(film: Film, made: Path) -> Iterator[dict[str, str | int]]:
    """Yield YouTube's description of each file; ``codecs`` is as in RFC 6381."""

    def rendition(itag: int, name: str, mime: str, codecs: str, height: int = 0) -> dict[str, str | int]:
        return {
            "itag": itag,
            "name": name,
            "mime": mime,
            "codecs": codecs,
            "size": (made / name).stat().st_size,
            "milliseconds": round(film.frames / film.fps * 1000),
            "width": width_of(height),
            "height": height,
            "fps": round(film.fps) if height else 0,
        }

    for height in film.heights:
        name = f"{_H264[height]}.mp4"
        yield rendition(_H264[height], name, "video/mp4", _avc_codecs(made / name), height)
    for height in film.vp9_heights:
        yield rendition(_VP9[height], f"{_VP9[height]}.webm", "video/webm", "vp9", height)
    if film.audio:
        yield rendition(_AAC, f"{_AAC}.m4a", "audio/mp4", "mp4a.40.2")


def _avc_codecs(path: Path) -> str:
    """Return the codec string of an H.264 file from its avcC box: profile, constraints, level."""
    content = path.read_bytes()
    place = content.index(b"avcC") + 5
    return f"avc1.{content[place : place + 3].hex()}"
