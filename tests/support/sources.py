"""Source videos of unusual shapes: how each is rendered, and its expected clip or refusal.

The unit tests of the encode lane use some of them, and `benchmarks/exactness.py` uses all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import media
import shapes
from shapes import FRAMES, H264, LEVELS, WIDTH, Shape

from hdtf_async.core.failures import Reason
from hdtf_async.core.model import Codec, Hdr

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Draw = Callable[[Path], Shape]

B_FRAMES = f"{H264} -bf 3 -g 50"
OPEN = f"{H264} -x264-params open-gop=1:bframes=3:b-adapt=0:keyint=40:scenecut=0"
INTRA_REFRESH = "-pix_fmt yuv420p -c:v libx264 -x264-params intra-refresh=1:keyint=50:bframes=0"
H264_10 = "-c:v libx264 -qp 0 -preset ultrafast -pix_fmt yuv420p10le"
HEVC = "-pix_fmt yuv420p -c:v libx265 -preset ultrafast -x265-params log-level=error:pools=1:keyint=50"
VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 50 -b:v 300k"
AV1 = "-pix_fmt yuv420p -c:v libsvtav1 -preset 8 -crf 8 -g 50 -svtav1-params lp=1"
VP8 = "-c:v libvpx -deadline realtime -cpu-used 8 -g 50 -b:v 600k"
PRORES = "-c:v prores_ks -profile:v 0"
MPEG4 = "-pix_fmt yuv420p -c:v mpeg4 -q:v 2 -bf 2 -g 50"
MJPEG = "-pix_fmt yuvj420p -c:v mjpeg -q:v 4"
WMV = "-pix_fmt yuv420p -c:v wmv2 -q:v 3"
THEORA = "-c:v libtheora -q:v 9 -g 50"
MPEG2 = "-pix_fmt yuv420p -c:v mpeg2video -q:v 3 -bf 2 -g 25"
AUDIO_FIRST = 0.023222
"""Seconds by which FFmpeg's AAC starts earlier than the frames, in ticks of MPEG-TS."""
MP3_LATE = 1105 / 44100
"""Seconds by which the MP3 encoder delays audio, where the container does not declare it."""
WMV_FIRST = 0.046
"""The same for its WMA, in ticks of ASF."""


@dataclass(frozen=True)
class Source:
    """A source video, the interval of its clip, and the expected result."""

    draw: Draw
    start: float
    end: float
    refused: Reason | None = None
    """The reason for the refusal."""
    words: str = ""
    """A part of the refusal's message; ``ID`` stands for the video's id."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Options of the run."""
    levels: tuple[float, ...] = LEVELS
    """Luma and chroma of the clip's first frame, as `shapes.look` measures them."""
    last_levels: tuple[float, ...] | None = None
    """Those of its last frame, if they differ."""
    metadata: Mapping[str, object] = field(default_factory=dict)
    """Some of the clip's metadata."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Names of its files among the user's videos, if there are several; ``ID`` stands for the id."""


# Frames


def encoded(name: str, arguments: str, *, audio: str = "aac", **more: object) -> Draw:
    """Return a function that renders a video with an encoder's options."""
    return lambda directory: Shape(shapes.plain(directory, name, arguments, audio=audio), **more)  # type: ignore[arg-type]


def copied(name: str, source: Draw, before: str, behind: str = "", **more: object) -> Draw:
    """Return a function that copies another video's streams into another file."""

    def draw(directory: Path) -> Shape:
        shape = source(directory)
        media.ffmpeg(directory, f"-v error {before} -i {shape.path.name} -c copy {behind} {name}")
        return replace(shape, path=directory / name, **more)  # type: ignore[arg-type]

    return draw


def picked(
    name: str, pick: str, numbers: range | list[int], arguments: str = B_FRAMES, **more: object
) -> Draw:
    """Return a function that renders a video of selected frames; `pick` is an expression of ``n``."""

    def draw(directory: Path) -> Shape:
        path = shapes.plain(directory, name, arguments, pick=pick)
        return Shape(path, numbers, **more)  # type: ignore[arg-type]

    return draw


def gap(name: str, first: int, last: int, arguments: str = B_FRAMES, **more: object) -> Draw:
    """Return a function that renders a video without the frames from `first` up to `last`."""
    numbers = [number for number in range(FRAMES) if not first <= number <= last]
    return picked(name, f"lt(n\\,{first})+gt(n\\,{last})", numbers, arguments, **more)


def slides(name: str, arguments: str = H264, **more: object) -> Draw:
    """Return a function that renders a slide show: a new frame every two seconds."""
    return picked(name, "not(mod(n\\,50))", range(0, FRAMES, 50), arguments, **more)


def varying(name: str, arguments: str = B_FRAMES) -> Draw:
    """Return a function that renders a video with a variable frame rate."""
    numbers = [number for number in range(FRAMES) if number * 7 % 11 < 6]
    return picked(name, "lt(mod(n*7\\,11)\\,6)", numbers, arguments)


def fragments(directory: Path) -> Shape:
    """Render a video as YouTube serves it: fragmented, without an edit list, so that B-frames delay it."""
    numbers = shapes.draw_numbers(directory)
    arguments = f"{numbers} {B_FRAMES} -movflags +dash+global_sidx fragments.mp4"
    media.ffmpeg(directory, f"-v error {arguments}")
    return Shape(directory / "fragments.mp4", begins=0.08, sound=False)


def live(directory: Path) -> Shape:
    """Render a WebM file as a live encoder writes it: without an index and without a duration."""
    numbers, beeps = shapes.draw_numbers(directory), shapes.draw_beeps(directory)
    arguments = f"{numbers} {beeps} {VP9} -c:a libopus -live 1 -f webm live.webm"
    media.ffmpeg(directory, f"-v error {arguments}")
    return Shape(directory / "live.webm")


def offset(
    name: str, before_video: str = "", before_audio: str = "", arguments: str = B_FRAMES, **more: object
) -> Draw:
    """Return a function that renders a video whose streams start at different times."""

    def draw(directory: Path) -> Shape:
        numbers, beeps = shapes.draw_numbers(directory), shapes.draw_beeps(directory)
        media.ffmpeg(
            directory, f"-v error {before_video} {numbers} {before_audio} {beeps} {arguments} -c:a aac {name}"
        )
        return Shape(directory / name, **more)  # type: ignore[arg-type]

    return draw


# Geometry


def larger(name: str, arguments: str = H264, width: int = 640, height: int = 480) -> Draw:
    """Return a function that renders a larger video."""

    def draw(directory: Path) -> Shape:
        numbers, beeps = shapes.draw_numbers(directory, width, height), shapes.draw_beeps(directory)
        media.ffmpeg(directory, f"-v error {numbers} {beeps} {arguments} -c:a aac {name}")
        return Shape(directory / name, width=width, height=height)

    return draw


def cropped(shape: Shape, left: int, top: int, width: int, height: int) -> Shape:
    """Return a shape of which only a part is displayed."""
    edges = tuple(edge - by for edge, by in zip(shape.edges, (left, top, left, top), strict=True))
    return replace(shape, width=width, height=height, outline=edges)  # type: ignore[arg-type]


def clap(directory: Path) -> Shape:
    """Render a video of which the MP4 container displays 600x400."""
    shape = larger("clap.mp4")(directory)
    shapes.with_clap(shape.path, 600, 400, right=6, down=-10)
    return cropped(shape, 26, 30, 600, 400)


def turned(directory: Path) -> Shape:
    """Render a video that the container rotates."""
    return copied("turned.mp4", encoded("upright.mp4", B_FRAMES), "-display_rotation 90", turned=True)(
        directory
    )


def pixel_crop(directory: Path) -> Shape:
    """Render a video of which the Matroska container displays 600x400."""
    shape = copied("pixel_crop.mkv", larger("uncropped.mp4"), "", "-aspect 5:4")(directory)
    shapes.with_pixel_crop(shape.path, left=14, right=26, bottom=80)
    return cropped(shape, 14, 0, 600, 400)


def in_the_stream(directory: Path) -> Shape:
    """Render a video of which the H.264 stream itself displays 600x400."""
    cropping = "crop_left=20:crop_right=20:crop_top=48:crop_bottom=32"
    arguments = f"-bsf:v h264_metadata={cropping}"
    return cropped(
        copied("in_the_stream.mp4", larger("uncropped.mp4"), "", arguments)(directory), 20, 48, 600, 400
    )


def stretched(directory: Path) -> Shape:
    """Render a video with pixels that are wider than high."""
    path = shapes.plain(directory, "stretched.mp4", f"-vf setsar=4/3 {H264}")
    return Shape(path, width=round(WIDTH * 4 / 3))


def resized(name: str, arguments: str, part: int | None) -> Draw:
    """Return a function that renders a video with another size after 4 s; `part` selects its geometry."""
    sizes = ((640, 480), (320, 240))

    def draw(directory: Path) -> Shape:
        ending = name.rpartition(".")[2]
        for number, size in enumerate(sizes):
            numbers = f"-ss {4 * number} {shapes.draw_numbers(directory, *size)} -t 4"
            media.ffmpeg(directory, f"-v error {numbers} {arguments} part{number}.{ending}")
        shapes.joined(directory, name, f"part0.{ending}", f"part1.{ending}")
        width, height = sizes[part or 0]
        return Shape(directory / name, width=width, height=height, sound=False)

    return draw


# Colours


def recoloured(directory: Path) -> Shape:
    """Render a video that declares other colours from its fifth second on."""
    numbers = shapes.draw_numbers(directory)
    for part, tags in enumerate(("bt709", "smpte170m")):
        declared = f"color_primaries={tags}:color_trc={tags}:colorspace={tags}"
        arguments = f"{numbers} -ss {4 * part} -t 4 -vf setparams={declared} {H264} coloured{part}.mp4"
        media.ffmpeg(directory, f"-v error {arguments}")
    path = shapes.joined(directory, "recoloured.mp4", "coloured0.mp4", "coloured1.mp4")
    return Shape(path, sound=False)


def repixeled(directory: Path) -> Shape:
    """Render a video whose frames have more chroma samples from its fifth second on."""
    numbers = shapes.draw_numbers(directory)
    for part, pixels in enumerate(("yuv420p", "yuv444p")):
        arguments = H264.replace("yuv420p", pixels)
        media.ffmpeg(directory, f"-v error {numbers} -ss {4 * part} -t 4 {arguments} pixels{part}.mp4")
    path = shapes.joined(directory, "repixeled.mp4", "pixels0.mp4", "pixels1.mp4")
    return Shape(path, sound=False)


FULL_RANGE = "-vf scale=out_range=pc,format=yuv420p,setparams=range=pc -color_range pc"
SDR_10 = (
    "-vf format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=bt2020-10:colorspace=bt2020nc:range=tv"
)
NITS = (0.1, 203.0)
"""Luminance of dark and light areas in videos with high dynamic range."""


def pq(nits: float) -> float:
    """Return the signal of SMPTE ST 2084 for a luminance, from 0 to 1."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    light = math.pow(nits / 10000, m1)
    return math.pow((c1 + c2 * light) / (1 + c3 * light), m2)


def hlg(nits: float) -> float:
    """Return the signal of ARIB STD-B67 for the luminance of a display of 1000 nits, from 0 to 1."""
    scene = math.pow(nits / 1000, 1 / 1.2)
    if scene <= 1 / 12:
        return math.sqrt(3 * scene)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return a * math.log(12 * scene - b) + c


PEAK = 1000
"""Peak luminance that ffmpeg's tonemap assumes where the video does not declare it, in nits."""


def mapped(nits: float) -> float:
    """Return the expected 8-bit code in limited range for a luminance: Hable's curve, gamma 2.4."""

    def curve(light: float) -> float:
        above = light * (light * 0.15 + 0.05) + 0.004
        return above / (light * (light * 0.15 + 0.5) + 0.06) - 0.02 / 0.3

    return 16 + 219 * math.pow(curve(nits / 100) / curve(PEAK / 100), 1 / 2.4)


def hdr_arguments(transfer: str, matrix: str = "bt2020nc") -> str:
    """Return the arguments that convert the drawing to high dynamic range, without colours."""
    dark, light = (round(64 + 876 * (pq if transfer == "smpte2084" else hlg)(nits)) for nits in NITS)
    codes = f"y='if(gt(val,500),{light},{dark})':u=512:v=512"
    tags = f"color_primaries=bt2020:color_trc={transfer}:colorspace={matrix}:range=tv"
    return f"-vf format=yuv420p10le,lutyuv={codes},setparams={tags} {H264_10}"


def dolby_vision(name: str, profile: int, compatibility: int) -> Draw:
    """Return a function that renders a video whose container declares Dolby Vision."""

    def draw(directory: Path) -> Shape:
        path = shapes.plain(directory, name, hdr_arguments("smpte2084"))
        shapes.with_dolby_vision(path, profile, compatibility)
        return Shape(path)

    return draw


HDR_LEVELS = (*map(mapped, NITS), 128, 128)


def in_bt709(levels: tuple[float, ...]) -> tuple[float, ...]:
    """Convert colours from the matrix of BT.601 to that of BT.709."""
    ground, light, blue, red = levels
    y, pb, pr = (ground - 16) / 219, (blue - 128) / 224, (red - 128) / 224
    r, b = y + 1.402 * pr, y + 1.772 * pb
    g = (y - 0.299 * r - 0.114 * b) / 0.587
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return 16 + 219 * y, light, 128 + 224 * (b - y) / 1.8556, 128 + 224 * (r - y) / 1.5748


# Streams


def cover_art(ending: str) -> Draw:
    """Return a function that renders a video whose first video stream is its cover image."""

    def draw(directory: Path) -> Shape:
        shapes.plain(directory, "film.mp4", H264)
        media.ffmpeg(directory, "-v error -i film.mp4 -frames:v 1 cover.png")
        arguments = (
            f"-i cover.png -i film.mp4 -map 0 -map 1 -c copy -disposition:v:0 attached_pic cover_art.{ending}"
        )
        if ending == "mkv":
            arguments = (
                "-i film.mp4 -map 0 -c copy -attach cover.png -metadata:s:t mimetype=image/png cover_art.mkv"
            )
        media.ffmpeg(directory, f"-v error {arguments}")
        return Shape(directory / f"cover_art.{ending}")

    return draw


def two_videos(ending: str) -> Draw:
    """Return a function that renders a video with two video streams, of which the second is the default."""

    def draw(directory: Path) -> Shape:
        numbers, beeps = shapes.draw_numbers(directory), shapes.draw_beeps(directory)
        inputs = f"-f lavfi -i color=size=320x180:rate=25:duration=8 {numbers} {beeps}"
        words = f"{inputs} -map 0 -map 1 -map 2 -disposition:v:0 0 -disposition:v:1 default {H264} -c:a aac"
        media.ffmpeg(directory, f"-v error {words} two_videos.{ending}")
        return Shape(directory / f"two_videos.{ending}")

    return draw


def two_audios(name: str, dispositions: tuple[str, str] = ("0", "default")) -> Draw:
    """Return a function that renders a video with two audio streams, of which the second has the beeps."""

    def draw(directory: Path) -> Shape:
        numbers, beeps = shapes.draw_numbers(directory), shapes.draw_beeps(directory)
        inputs = f"{numbers} -f lavfi -i sine=frequency=300:duration=8 {beeps} -map 0:v -map 1:a -map 2:a"
        chosen = " ".join(f"-disposition:a:{number} {what}" for number, what in enumerate(dispositions))
        media.ffmpeg(directory, f"-v error {inputs} {chosen} {H264} -c:a aac {name}")
        return Shape(directory / name)

    return draw


def two_files(sound: str) -> Draw:
    """Return a function that renders a video without audio, and its audio in a separate file."""

    def draw(directory: Path) -> Shape:
        numbers, beeps = shapes.draw_numbers(directory), shapes.draw_beeps(directory)
        media.ffmpeg(directory, f"-v error {numbers} {B_FRAMES} silent.mp4")
        media.ffmpeg(directory, f"-v error {beeps} {sound}")
        return Shape(directory / "silent.mp4")

    return draw


PLAIN = encoded("plain.mp4", B_FRAMES)
MATROSKA = encoded("plain.mkv", B_FRAMES)
WEBM = encoded("vp9.webm", VP9, audio="libopus")
FLASH = encoded("flash.flv", B_FRAMES, begins=0.023)
FAST = copied("fast.mp4", PLAIN, "", "-movflags +faststart")
LATE = copied("late.mp4", PLAIN, "-itsoffset 7.3", begins=7.3)
EDITED = copied("edited.mp4", PLAIN, "-ss 1.1", begins=-1.12, later=0.02, numbers=range(28, FRAMES))
BESIDE = {"silent.mp4": "A film [ID].f137.mp4", "beeps.m4a": "A film [ID].f140.m4a"}


# Damaged files


def spoilt(name: str, source: Draw, spoil: Callable[[bytes], bytes]) -> Draw:
    """Return a function that renders a video and damages its file."""

    def draw(directory: Path) -> Shape:
        shape = source(directory)
        path = directory / name
        path.write_bytes(spoil(shape.path.read_bytes()))
        return replace(shape, path=path)

    return draw


def half(content: bytes) -> bytes:
    """Cut off the second half."""
    return content[: len(content) // 2]


def scrambled(first: float, last: float) -> Callable[[bytes], bytes]:
    """Return a function that overwrites a part of a file with zeros."""

    def spoil(content: bytes) -> bytes:
        begin, end = int(len(content) * first), int(len(content) * last)
        return content[:begin] + bytes(end - begin) + content[end:]

    return spoil


LOSSLESS = {"codec": Codec.LOSSLESS}
OUTSIDE, UNSUPPORTED, OWN = Reason.INTERVAL_OUTSIDE, Reason.UNSUPPORTED_SOURCE, Reason.RAW_DIR_FILE
BOTH_SIZES = "the frames are 640x480 until 4.00 s and 320x240 after that"
TONE_MAPPED = {"tone_mapped": "smpte2084"}

SOURCES: dict[str, Source] = {
    # Ordinary files, each with another container or codec
    "H.264 with B-frames in MP4": Source(encoded("plain.mp4", B_FRAMES), 2.01, 5.03),
    "H.264 with B-frames in Matroska": Source(encoded("plain.mkv", B_FRAMES), 2.01, 5.03),
    "H.264 in fragments, from the beginning": Source(fragments, 0, 3),
    "H.264 in 3GP": Source(encoded("plain.3gp", B_FRAMES), 2, 5),
    "HEVC in MP4": Source(encoded("hevc.mp4", f"{HEVC} -tag:v hvc1"), 2, 5),
    "HEVC in MPEG-TS": Source(encoded("hevc.ts", HEVC, begins=AUDIO_FIRST), 2, 5),
    "VP9 in WebM": Source(encoded("vp9.webm", VP9, audio="libopus"), 2, 5),
    "VP9 in WebM, without duration and index": Source(live, 2, 5),
    "VP8 in WebM": Source(encoded("vp8.webm", VP8, audio="libvorbis"), 2, 5),
    "AV1 in MP4": Source(encoded("av1.mp4", AV1), 2, 5),
    "AV1 in WebM": Source(encoded("av1.webm", AV1, audio="libopus"), 2, 5),
    "ProRes in QuickTime": Source(encoded("prores.mov", PRORES, audio="pcm_s16le"), 2, 5),
    "H.264 in MPEG-TS": Source(encoded("plain.ts", B_FRAMES, begins=AUDIO_FIRST), 2, 5),
    "H.264 in FLV, from the beginning": Source(encoded("flash.flv", B_FRAMES, begins=0.023), 0, 3),
    "H.264 in FLV, soon after the beginning": Source(encoded("flash.flv", B_FRAMES, begins=0.023), 1, 4),
    "H.264 with B-frames in AVI": Source(encoded("h264.avi", B_FRAMES, audio="pcm_s16le"), 2.01, 5.03),
    "H.264 with B-frames in AVI, to the end": Source(encoded("h264.avi", B_FRAMES, audio="pcm_s16le"), 5, 8),
    "MPEG-4 with B-frames in AVI": Source(
        encoded("mpeg4.avi", MPEG4, audio="libmp3lame", later=MP3_LATE), 0, 3
    ),
    "Motion JPEG in AVI": Source(encoded("mjpeg.avi", MJPEG, audio="pcm_s16le"), 2, 5),
    "MPEG-2 in MPEG-PS": Source(encoded("mpeg2.mpg", MPEG2, audio="mp2"), 2, 5),
    "WMV 8 in ASF": Source(encoded("wmv2.wmv", WMV, audio="wmav2", begins=WMV_FIRST), 2, 5),
    "Theora in Ogg": Source(encoded("theora.ogv", THEORA, audio="libvorbis"), 2, 5),
    # Start of decoding
    "intra refresh": Source(encoded("refresh.mp4", INTRA_REFRESH), 2, 5),
    "intra refresh, between two recovery points": Source(encoded("refresh.mp4", INTRA_REFRESH), 5.3, 7.8),
    "intra refresh in Matroska": Source(encoded("refresh.mkv", INTRA_REFRESH), 2, 5),
    "intra refresh in MPEG-TS": Source(encoded("refresh.ts", INTRA_REFRESH, begins=AUDIO_FIRST), 2, 5),
    "intra refresh in FLV": Source(encoded("refresh.flv", INTRA_REFRESH, begins=0.023), 2, 5),
    "open GOP in MP4": Source(encoded("open.mp4", OPEN), 2, 5),
    "open GOP in Matroska": Source(encoded("open.mkv", OPEN), 2, 5),
    "open GOP in MPEG-TS": Source(encoded("open.ts", OPEN, begins=AUDIO_FIRST), 2, 5),
    # Timelines
    "an edit list": Source(EDITED, 1, 4),
    "frames at varying distances": Source(varying("varying.mp4"), 2, 5),
    "frames at varying distances in Matroska": Source(varying("varying.mkv"), 2, 5),
    "a gap at the start": Source(gap("gap_a.mp4", 40, 69), 2, 5),
    "a gap at the start, in Matroska": Source(gap("gap_a.mkv", 40, 69), 2, 5),
    "a gap of 1.6 s inside": Source(gap("gap_b.mp4", 60, 99), 1, 5),
    "a gap of 1.6 s inside, in MPEG-TS": Source(gap("gap_b.ts", 60, 99, begins=AUDIO_FIRST), 1, 5),
    "a gap at the end": Source(gap("gap_c.mp4", 90, 139), 1, 5),
    "a gap at the end, in Matroska": Source(gap("gap_c.mkv", 90, 139), 1, 5),
    "nothing new in the interval": Source(gap("gap_c.mp4", 90, 139), 3.7, 5.1),
    "nothing new until the last moment": Source(gap("gap_c.mp4", 90, 139), 3.7, 5.65),
    "slides, between two": Source(slides("slides.mp4"), 3, 5),
    "slides, up to one": Source(slides("slides.mp4"), 1, 4),
    "slides, up to a moment before one": Source(slides("slides.mp4"), 0.5, 3.2),
    "slides with B-frames in Matroska": Source(slides("slides.mkv", f"{H264} -bf 3"), 3, 5),
    "slides in MPEG-TS": Source(slides("slides.ts", f"{H264} -bf 3", begins=AUDIO_FIRST), 1, 4),
    "a time line from 7.3 s on": Source(LATE, 9, 12),
    "a time line from 7.3 s on, begins inside": Source(LATE, 7, 10),
    "a time line from 7.3 s on, before it": Source(
        LATE, 2, 5, OUTSIDE, "the video starts at 7.30 s, the clip ends at 5 s"
    ),
    "beyond the end": Source(encoded("plain.mp4", B_FRAMES), 9, 12, OUTSIDE, "the video ends at 8.00 s"),
    "audio 0.5 s later": Source(offset("audio_later.mp4", "", "-itsoffset 0.5", later=0.5), 2, 5),
    "audio 0.52 s earlier": Source(
        offset("audio_earlier.mp4", "-itsoffset 0.52", begins=0.52, later=-0.52), 2, 5
    ),
    "audio 0.5 s later, in MPEG-TS": Source(offset("audio_later.ts", "", "-itsoffset 0.5", later=0.5), 2, 5),
    # Geometry
    "cropping by the MP4 container": Source(clap, 2, 3),
    "cropping by the Matroska container": Source(pixel_crop, 2, 3),
    "cropping by the H.264 stream": Source(in_the_stream, 2, 3),
    "turned by the container": Source(turned, 2, 5),
    # The outline is so thin that resampling makes it a little darker.
    "pixels wider than high": Source(stretched, 2, 5, levels=(LEVELS[0], 229, *LEVELS[2:])),
    "size changes: first part": Source(resized("sizes.mp4", H264, 0), 1, 4),
    "size changes: second part": Source(resized("sizes.mp4", H264, 1), 4, 7),
    "size changes: both parts": Source(resized("sizes.mp4", H264, None), 2, 6, UNSUPPORTED, BOTH_SIZES),
    "size changes in WebM: second part": Source(resized("sizes.webm", VP9, 1), 4, 7),
    "size changes in WebM: both parts": Source(
        resized("sizes.webm", VP9, None), 2, 6, UNSUPPORTED, BOTH_SIZES
    ),
    # Colours
    "other colours midway": Source(recoloured, 2, 6, last_levels=in_bt709(LEVELS)),
    "another pixel format midway": Source(repixeled, 2, 6),
    "full range": Source(encoded("full.mp4", f"{FULL_RANGE} {H264}"), 2, 5),
    "full range, lossless": Source(encoded("full.mp4", f"{FULL_RANGE} {H264}"), 2, 5, settings=LOSSLESS),
    "lossless": Source(encoded("plain.mp4", B_FRAMES), 2, 5, settings=LOSSLESS),
    "10 bits": Source(encoded("ten.mp4", f"{SDR_10} {H264_10}"), 2, 5),
    "4:4:4": Source(encoded("samples.mp4", H264.replace("yuv420p", "yuv444p")), 2, 5),
    "HDR10 (PQ)": Source(
        encoded("pq.mp4", hdr_arguments("smpte2084")), 2, 5, levels=HDR_LEVELS, metadata=TONE_MAPPED
    ),
    "HLG": Source(
        encoded("hlg.mp4", hdr_arguments("arib-std-b67")),
        2,
        5,
        levels=HDR_LEVELS,
        metadata={"tone_mapped": "arib-std-b67"},
    ),
    "PQ, --hdr refuse": Source(
        encoded("pq.mp4", hdr_arguments("smpte2084")),
        2,
        5,
        UNSUPPORTED,
        "the video is HDR (smpte2084)",
        settings={"hdr": Hdr.REFUSE},
    ),
    "PQ with constant luminance": Source(
        encoded("constant.mp4", hdr_arguments("smpte2084", "bt2020c")),
        2,
        5,
        UNSUPPORTED,
        "constant luminance",
    ),
    "Dolby Vision 8.1": Source(
        dolby_vision("dolby8.mp4", 8, 1), 2, 5, levels=HDR_LEVELS, metadata=TONE_MAPPED
    ),
    "Dolby Vision 5": Source(dolby_vision("dolby5.mp4", 5, 0), 2, 5, UNSUPPORTED, "Dolby Vision profile 5"),
    # Streams and files
    "cover art in MP4": Source(cover_art("mp4"), 2, 5),
    "cover art in Matroska": Source(cover_art("mkv"), 2, 5),
    "the second video is the default": Source(two_videos("mkv"), 2, 5),
    "the second audio is the default, MP4": Source(
        two_audios("two_audios.mp4"), 2, 5, metadata={"audio_stream": 1}
    ),
    "the second audio is the default, Matroska": Source(
        two_audios("two_audios.mkv"), 2, 5, metadata={"audio_stream": 1}
    ),
    "the first audio is a commentary": Source(
        two_audios("commentary.mkv", ("comment", "0")), 2, 5, metadata={"audio_stream": 1}
    ),
    "audio in a file of its own": Source(two_files("beeps.m4a"), 2, 5, files=BESIDE),
    "an empty file": Source(
        spoilt("empty.mp4", PLAIN, lambda _: b""),
        2,
        5,
        OWN,
        "ID].mp4: Invalid data found when processing input",
    ),
    "a text": Source(
        spoilt("text.mp4", PLAIN, lambda _: b"no video\n"),
        2,
        5,
        OWN,
        "ID].mp4: Invalid data found when processing input",
    ),
    "half a file: MP4": Source(
        spoilt("half.mp4", PLAIN, half), 2, 5, OWN, "ID].mp4: Invalid data found when processing input"
    ),
    "half a file: MP4, index first": Source(
        spoilt("halved.mp4", FAST, half), 1, 3, OWN, "ID].mp4: truncated at 2.5 s"
    ),
    "half a file: Matroska": Source(
        spoilt("half.mkv", MATROSKA, half), 1, 3, OWN, "ID].mkv: truncated at 3.8 s"
    ),
    "half a file: WebM": Source(spoilt("half.webm", WEBM, half), 1, 3, OWN, "ID].webm: truncated at 3.7 s"),
    "half a file: FLV": Source(spoilt("half.flv", FLASH, half), 1, 3, OWN, "ID].flv: truncated at 3.9 s"),
    "bytes lost within the clip": Source(
        spoilt("hurt.mp4", FAST, scrambled(0.5, 0.55)), 2, 6, OWN, "damaged at"
    ),
    "bytes lost behind the clip": Source(spoilt("hurt_behind.mp4", FAST, scrambled(0.9, 0.95)), 2, 5),
}
"""Name to source video."""

SHAPES = {
    name: (cache(source.draw), source.start, source.end)
    for name, source in SOURCES.items()
    if name
    in {
        "H.264 with B-frames in MP4",
        "H.264 in fragments, from the beginning",
        "H.264 in FLV, from the beginning",
        "H.264 in FLV, soon after the beginning",
        "H.264 with B-frames in AVI",
        "H.264 with B-frames in AVI, to the end",
        "MPEG-4 with B-frames in AVI",
        "intra refresh",
        "intra refresh, between two recovery points",
        "frames at varying distances",
        "a gap at the start",
        "a gap at the start, in Matroska",
        "a gap of 1.6 s inside",
        "a gap at the end",
        "a gap at the end, in Matroska",
        "nothing new in the interval",
        "nothing new until the last moment",
        "slides, between two",
        "slides, up to one",
        "slides, up to a moment before one",
        "slides with B-frames in Matroska",
        "slides in MPEG-TS",
        "a time line from 7.3 s on",
        "a time line from 7.3 s on, begins inside",
        "other colours midway",
        "another pixel format midway",
        "cover art in MP4",
    }
}
"""Those that unit tests use: name, to the function that renders it (once per directory) and the interval of
the clip."""

USUAL_SHAPES = {
    "H.264 with B-frames in MP4",
    "H.264 with B-frames in AVI",
    "intra refresh",
    "a gap at the end, in Matroska",
    "slides, between two",
    "a time line from 7.3 s on",
    "other colours midway",
}
"""One of each kind, for the ordinary test suite."""
