"""Source videos of unusual shapes give the right clip, or are refused with the true reason."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import media
import pytest
import shapes
from shapes import H264, Shape

from hdtf_async.failures import Failure, Reason
from hdtf_async.probe import Prober

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


@pytest.fixture(scope="module")
async def prober() -> AsyncIterator[Prober]:
    """Give one probing child to all tests, as a run has one."""
    async with Prober() as prober:
        yield prober


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory in which the source videos are drawn, each by the first test that needs it."""
    return tmp_path_factory.mktemp("shapes")


B_FRAMES = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -threads 1 -bf 3 -g 50"


def gap(name: str, first: int, last: int) -> Callable[[Path], Shape]:
    """Return what draws a video without the frames from `first` up to `last`."""

    def draw(directory: Path) -> Shape:
        pick = f"lt(n\\,{first})+gt(n\\,{last})"
        path = shapes.plain(directory, name, B_FRAMES, pick=pick)
        return Shape(path, [number for number in range(shapes.FRAMES) if not first <= number <= last])

    return draw


def encoded(name: str, words: str) -> Callable[[Path], Shape]:
    """Return what draws a video with an encoder's options."""
    return lambda directory: Shape(shapes.plain(directory, name, words))


def recoloured(directory: Path) -> Shape:
    """Draw a video that declares other colours from its fifth second on."""
    numbers = shapes.draw_numbers(directory)
    for part, tags in enumerate(("bt709", "smpte170m")):
        declared = f"color_primaries={tags}:color_trc={tags}:colorspace={tags}"
        words = f"{numbers} -ss {4 * part} -t 4 -vf setparams={declared} {H264} coloured{part}.mp4"
        media.ffmpeg(directory, f"-v error {words}")
    path = shapes.joined(directory, "recoloured.mp4", "coloured0.mp4", "coloured1.mp4")
    return Shape(path, sound=False)


def cover_art(directory: Path) -> Shape:
    """Draw a video whose first video stream is a picture of its cover."""
    shapes.plain(directory, "film.mp4", H264)
    media.ffmpeg(directory, "-v error -i film.mp4 -frames:v 1 cover.png")
    words = "-i cover.png -i film.mp4 -map 0 -map 1 -c copy -disposition:v:0 attached_pic cover_art.mp4"
    media.ffmpeg(directory, f"-v error {words}")
    return Shape(directory / "cover_art.mp4")


def late(directory: Path) -> Shape:
    """Draw a video whose time line begins at 7.3 s."""
    shapes.plain(directory, "early.mp4", H264)
    media.ffmpeg(directory, "-v error -itsoffset 7.3 -i early.mp4 -c copy late.mp4")
    return Shape(directory / "late.mp4", begins=7.3)


INTRA_REFRESH = "-pix_fmt yuv420p -c:v libx264 -x264-params intra-refresh=1:keyint=50:bframes=0"
SHAPES: dict[str, tuple[Callable[[Path], Shape], float, float]] = {
    "plain": (encoded("plain.mp4", B_FRAMES), 2.01, 5.03),
    "intra refresh": (encoded("refresh.mp4", INTRA_REFRESH), 2, 5),
    "intra refresh, between two recovery points": (encoded("refresh.mp4", INTRA_REFRESH), 5.3, 7.8),
    "a gap where it begins": (gap("gap_a.mp4", 40, 69), 2, 5),
    "a gap where it begins, in Matroska": (gap("gap_a.mkv", 40, 69), 2, 5),
    "a gap inside": (gap("gap_b.mp4", 60, 99), 1, 5),
    "a gap where it ends": (gap("gap_c.mp4", 90, 139), 1, 5),
    "a gap where it ends, in Matroska": (gap("gap_c.mkv", 90, 139), 1, 5),
    "nothing new": (gap("gap_c.mp4", 90, 139), 3.7, 5.1),
    "nothing new until the last moment": (gap("gap_c.mp4", 90, 139), 3.7, 5.65),
    "other colours midway": (recoloured, 2, 6),
    "cover art": (cover_art, 2, 5),
    "a late beginning": (late, 9, 12),
    "a late beginning, within the interval": (late, 7, 10),
}


@pytest.mark.parametrize("fps", [None, 25, 30])
@pytest.mark.parametrize("kind", SHAPES)
async def test_a_clip_shows_what_was_on_screen(
    kind: str, fps: int | None, prober: Prober, drawn: Path, tmp_path: Path
) -> None:
    """The right frames at the right times, for as long as the interval lasts, with the sound in step."""
    draw, start, end = SHAPES[kind]
    shape = draw(drawn)
    rate = None if fps is None else Fraction(fps)
    made = await shapes.make(prober, shape, shapes.clip_of(start, end), tmp_path / "out", fps=rate)
    due = shapes.due(shape, start, end, fps)
    assert made.numbers == due.numbers
    assert made.times == pytest.approx(due.times, abs=1e-3)
    for length in (*made.lengths, made.metadata["duration"]):
        # AAC counts in frames of 1024 samples.
        assert length == pytest.approx(due.length, abs=0.03), made.lengths
    assert made.metadata["fps"] == pytest.approx(len(due.numbers) / due.length, abs=0.02)
    half_a_frame = 0.5 / (fps or shapes.RATE)
    assert all(abs(off) <= half_a_frame for off in made.off), made.off
    assert made.off or not shape.sound


async def test_an_interval_before_the_beginning_is_outside(
    prober: Prober, drawn: Path, tmp_path: Path
) -> None:
    """The words say that the video begins later, and not that it ends before."""
    with pytest.raises(Failure) as failure:
        await shapes.make(prober, late(drawn), shapes.clip_of(2, 5), tmp_path / "out")
    assert failure.value.reason is Reason.INTERVAL_OUTSIDE
    assert failure.value.words == "the video begins at 7.30 s, the clip ends at 5 s"
