"""Source videos of unusual shapes: gaps, slide shows, changes midway, late beginnings, container crops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import media
import shapes
from shapes import H264, Shape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

B_FRAMES = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -threads 1 -bf 3 -g 50"


def gap(name: str, first: int, last: int) -> Callable[[Path], Shape]:
    """Return what draws a video without the frames from `first` up to `last`."""

    def draw(directory: Path) -> Shape:
        pick = f"lt(n\\,{first})+gt(n\\,{last})"
        path = shapes.plain(directory, name, B_FRAMES, pick=pick)
        return Shape(path, [number for number in range(shapes.FRAMES) if not first <= number <= last])

    return draw


def slides(directory: Path) -> Shape:
    """Draw a slide show: a new frame every two seconds."""
    path = shapes.plain(directory, "slides.mp4", H264, pick="not(mod(n\\,50))")
    return Shape(path, range(0, shapes.FRAMES, 50))


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


def repixeled(directory: Path) -> Shape:
    """Draw a video whose frames have more samples of colour from its fifth second on."""
    numbers = shapes.draw_numbers(directory)
    for part, pixels in enumerate(("yuv420p", "yuv444p")):
        words = H264.replace("yuv420p", pixels)
        media.ffmpeg(directory, f"-v error {numbers} -ss {4 * part} -t 4 {words} pixels{part}.mp4")
    path = shapes.joined(directory, "repixeled.mp4", "pixels0.mp4", "pixels1.mp4")
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


def fragments(directory: Path) -> Shape:
    """Draw a video as YouTube serves it: in fragments, without an edit list, so that B-frames delay it."""
    numbers = shapes.draw_numbers(directory)
    words = f"{numbers} {B_FRAMES} -movflags +dash+global_sidx fragments.mp4"
    media.ffmpeg(directory, f"-v error {words}")
    return Shape(directory / "fragments.mp4", begins=0.08, sound=False)


def reordered_slides(directory: Path) -> Shape:
    """Draw a slide show with B-frames: Matroska stores no decoding time stamps."""
    path = shapes.plain(directory, "slides.mkv", f"{H264} -bf 3", pick="not(mod(n\\,50))")
    return Shape(path, range(0, shapes.FRAMES, 50))


def transported_slides(directory: Path) -> Shape:
    """Draw a slide show in MPEG-TS, in which audio begins before the video."""
    path = shapes.plain(directory, "slides.ts", f"{H264} -bf 3", pick="not(mod(n\\,50))")
    return Shape(path, range(0, shapes.FRAMES, 50), begins=0.023222)


def flash_video(directory: Path) -> Shape:
    """Draw an FLV file, in which audio begins before the video."""
    return Shape(shapes.plain(directory, "flash.flv", f"{H264} -bf 2"), begins=0.023)


def avi(name: str, words: str) -> Callable[[Path], Shape]:
    """Return what draws an AVI file, which stores no time stamps."""

    def draw(directory: Path) -> Shape:
        numbers, beeps = shapes.draw_numbers(directory), shapes.draw_beeps(directory)
        media.ffmpeg(directory, f"-v error {numbers} {beeps} {words} -c:a pcm_s16le {name}")
        return Shape(directory / name)

    return draw


INTRA_REFRESH = "-pix_fmt yuv420p -c:v libx264 -x264-params intra-refresh=1:keyint=50:bframes=0"
SHAPES: dict[str, tuple[Callable[[Path], Shape], float, float]] = {
    "plain": (encoded("plain.mp4", B_FRAMES), 2.01, 5.03),
    "in fragments, from the beginning": (fragments, 0, 3),
    "intra refresh": (encoded("refresh.mp4", INTRA_REFRESH), 2, 5),
    "intra refresh, between two recovery points": (encoded("refresh.mp4", INTRA_REFRESH), 5.3, 7.8),
    "a gap where it begins": (gap("gap_a.mp4", 40, 69), 2, 5),
    "a gap where it begins, in Matroska": (gap("gap_a.mkv", 40, 69), 2, 5),
    "a gap inside": (gap("gap_b.mp4", 60, 99), 1, 5),
    "a gap where it ends": (gap("gap_c.mp4", 90, 139), 1, 5),
    "a gap where it ends, in Matroska": (gap("gap_c.mkv", 90, 139), 1, 5),
    "nothing new": (gap("gap_c.mp4", 90, 139), 3.7, 5.1),
    "nothing new until the last moment": (gap("gap_c.mp4", 90, 139), 3.7, 5.65),
    "a slide show, between two slides": (slides, 3, 5),
    "a slide show, up to a slide": (slides, 1, 4),
    "a slide show, up to a moment before a slide": (slides, 0.5, 3.2),
    "other colours midway": (recoloured, 2, 6),
    "another pixel format midway": (repixeled, 2, 6),
    "a slide show with B-frames": (reordered_slides, 3, 5),
    "a slide show in MPEG-TS": (transported_slides, 1, 4),
    "B-frames in FLV, from the beginning": (flash_video, 0, 3),
    "B-frames in FLV, soon after the beginning": (flash_video, 1, 4),
    "B-frames in AVI": (avi("h264.avi", B_FRAMES), 2.01, 5.03),
    "B-frames in AVI, to the end": (avi("h264.avi", B_FRAMES), 5, 8),
    "B-frames of MPEG-4 in AVI": (avi("mpeg4.avi", "-c:v mpeg4 -q:v 2 -bf 2 -g 50"), 0, 3),
    "cover art": (cover_art, 2, 5),
    "a late beginning": (late, 9, 12),
    "a late beginning, within the interval": (late, 7, 10),
}


def clap(directory: Path) -> tuple[Path, int, int]:
    """Draw a grid of which an MP4 container shows 600x400; return it, and where that part begins."""
    path = media.grid(directory, 640, 480)
    shapes.with_clap(path, 600, 400, right=6, down=-10)
    return path, 26, 30


def pixel_crop(directory: Path) -> tuple[Path, int, int]:
    """Draw a grid of which a Matroska container shows 600x400."""
    name = media.grid(directory, 640, 480).name
    media.ffmpeg(directory, f"-v error -i {name} -c copy -aspect 5:4 pixel_crop.mkv")
    shapes.with_pixel_crop(directory / "pixel_crop.mkv", left=14, right=26, bottom=80)
    return directory / "pixel_crop.mkv", 14, 0


def in_the_stream(directory: Path) -> tuple[Path, int, int]:
    """Draw a grid of which the H.264 stream itself shows 600x400."""
    name = media.grid(directory, 640, 480).name
    cropping = "crop_left=20:crop_right=20:crop_top=48:crop_bottom=32"
    media.ffmpeg(directory, f"-v error -i {name} -c copy -bsf:v h264_metadata={cropping} stream.mp4")
    return directory / "stream.mp4", 20, 48
