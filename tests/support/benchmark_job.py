"""A job of many short videos for the benchmarks: real footage, served by the mock server under many ids.

Three films are rendered once, in 1080p and 720p and with about YouTube's bit rate for a talking head; each is
used for many videos. Its one clip starts between key frames, and as far behind the film's start as those of
HDTF in proportion to their length: at 0.36 of it on average.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rendering import draw

from hdtf_async import demo
from hdtf_async.core.model import Box, Interval
from hdtf_async.demo.film import FACTS
from hdtf_async.demo.motion import head_box

if TYPE_CHECKING:
    from collections.abc import Sequence

PART = 28
"""Duration of the shortest film in seconds; key frames are five seconds apart."""


def films(parts: int = 1) -> tuple[demo.Film, ...]:
    """Return the films, each of this many parts."""
    seconds, suffix = parts * PART, f"{parts:02d}"[-2:]
    return (
        demo.Film(f"benchFlm1{suffix}", "A speaker", seconds, heights=(1080, 720), look=2),
        demo.Film(f"benchFlm2{suffix}", "A host", seconds, heights=(720,), look=0),
        demo.Film(f"benchFlm3{suffix}", "A teacher", seconds, heights=(720,), look=3),
    )


def clip_of(parts: int = 1) -> Interval:
    """Return the clip of each film of this many parts, in seconds."""
    return Interval(6 * parts, 23 * parts)


FILMS = films()
CLIP = clip_of()


@dataclass(frozen=True)
class Video:
    """One video of the job."""

    name: str
    youtube_id: str
    film: demo.Film
    box: Box
    """Even sides and offsets, so that all programs crop the same."""

    @property
    def height(self) -> int:
        """Height of its best format, and in its tables."""
        return self.film.heights[0]


async def prepare(footage: Path, number: int, parts: int = 1) -> list[Video]:
    """Render the films below a directory, and link each under many ids there; return the videos."""
    rendered = films(parts)
    await draw(footage, rendered)
    videos = []
    for place in range(number):
        film = rendered[place % len(rendered)]
        youtube_id = f"benchVid_{place:02d}"
        _link_footage(footage / film.youtube_id, footage / youtube_id, youtube_id)
        videos.append(Video(f"Head{place:02d}", youtube_id, film, even_box(film, parts)))
    return videos


def even_box(film: demo.Film, parts: int = 1) -> Box:
    """Return the box around a film's head, with even sides and offsets: all programs crop it the same."""
    box = head_box(film, clip_of(parts), film.heights[0])
    return Box(box.left // 2 * 2, box.top // 2 * 2, box.width // 2 * 2, box.height // 2 * 2)


def _link_footage(rendered: Path, folder: Path, youtube_id: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in rendered.iterdir():
        if path.name == FACTS:
            facts = json.loads(path.read_text(encoding="utf-8")) | {"youtube_id": youtube_id}
            (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
        else:
            os.link(path, folder / path.name)


def write_tables(directory: Path, videos: Sequence[Video], parts: int = 1) -> None:
    """Write the five tables of each subset; all videos are in RD."""
    demo.write_tables(directory)
    for path in directory.glob("*.txt"):
        path.write_text("", encoding="utf-8")

    def write(table: str, lines: list[str]) -> None:
        (directory / f"RD_{table}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    clip = clip_of(parts)
    clock = "-".join("{:02d}:{:02d}".format(*divmod(int(edge), 60)) for edge in (clip.start, clip.end))
    write("video_url", [f"{one.name} https://www.youtube.com/watch?v={one.youtube_id}" for one in videos])
    write("resolution", [f"{one.name}.mp4 {one.height}" for one in videos])
    write("annotion_time", [f"{one.name}.mp4 {clock}" for one in videos])
    write("crop_ratio", [f"{one.name}_0.mp4 1.2" for one in videos])
    write(
        "crop_wh",
        [f"{o.name}_0.mp4 {o.box.left} {o.box.width} {o.box.top} {o.box.height}" for o in videos],
    )


def cpu_seconds_of(pid: int) -> float:
    """Return the CPU seconds that a process has used so far; 0 where the system does not report them."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
