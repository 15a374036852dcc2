"""Small real videos of all unusual kinds, rendered once, and their content according to another decoder."""

from __future__ import annotations

import re
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from typing import TYPE_CHECKING

import av

from hdtf_async import Options
from hdtf_async.core.model import Box, Clip, Interval, OutputSettings, Video
from hdtf_async.lanes.cut_plan import plan_cut
from hdtf_async.lanes.source_videos import SourceVideo
from hdtf_async.media.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hdtf_async.media.cut import Cut
    from hdtf_async.media.probe import Prober

WIDTH, HEIGHT, SECONDS = 320, 180, 4

_H264 = "-c:v libx264 -preset veryfast -crf 20 -pix_fmt yuv420p -threads 1"
_OPEN = "-x264-params open-gop=1:bframes=3:b-adapt=0:keyint=40:scenecut=0"
_VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 60 -b:v 300k"
_AV1 = "-c:v libsvtav1 -preset 12 -crf 40 -g 50 -svtav1-params lp=1 -pix_fmt yuv420p"
_VARYING = "-vf select='lt(mod(n*7\\,11)\\,6)' -fps_mode passthrough -enc_time_base 1:90000"
_LATE = "-vf setpts=PTS+0.2/TB -fps_mode passthrough"
_DRAWN = {
    "b_frames.mp4": ("30000/1001", f"{_H264} -bf 3 -g 48 -movflags +faststart"),
    "open_gop.mp4": ("25", f"{_H264} {_OPEN}"),
    "cinema.mp4": ("24000/1001", f"{_H264} -bf 3 -g 48 -x264-params open-gop=0"),
    "fifty.mp4": ("50", f"{_H264} {_OPEN}"),
    "sixty.mp4": ("60", f"{_H264} -bf 3 -g 120"),
    "sixty.webm": ("60", _VP9),
    "av1.mp4": ("24000/1001", _AV1),
    "av1.webm": ("30", _AV1),
    "varying.mp4": ("30", f"{_VARYING} {_H264} -bf 2 -g 48"),
    "late.mp4": ("25", f"{_LATE} {_H264} -bf 3 -g 50"),
    "coarse.mov": ("30", f"{_H264} -bf 2 -g 48 -video_track_timescale 600"),
    "plain.webm": ("30", _VP9),
    "varying.webm": ("30", f"{_VARYING} {_VP9}"),
    "sparse.webm": (
        "30",
        f"-vf select='eq(n,0)+eq(n,17)+eq(n,28)+eq(n,70)' -fps_mode passthrough -enc_time_base 1:1000 {_VP9}",
    ),
    "late.webm": ("30", f"{_LATE} {_VP9}"),
    "full_range.mp4": (
        "25",
        "-vf scale=out_range=pc:out_color_matrix=bt709,format=yuv420p,"
        "setparams=range=pc:color_primaries=bt709:color_trc=bt709:colorspace=bt709 "
        f"{_H264} -t 1",
    ),
}
_COPIED = {
    # From the middle of a group of pictures: an edit list omits the frames that are only needed for decoding.
    "edit_list.mp4": ("-ss 1.1 -i b_frames.mp4", ""),
    # As YouTube serves them: fragmented, without an edit list.
    "fragments.mp4": ("-i b_frames.mp4", "-movflags +dash+global_sidx"),
    "open_fragments.mp4": ("-i open_gop.mp4", "-movflags +dash+global_sidx"),
    "stretched.mp4": ("-i b_frames.mp4", "-vf setsar=5/4 -c:v libx264 -qp 0 -preset ultrafast"),
    "rotated.mp4": ("-display_rotation 90 -i b_frames.mp4", ""),
    "longer_sound.mp4": (
        "-i b_frames.mp4 -f lavfi -i sine=duration=6",
        "-map 0:v -map 1:a -c:a aac -movflags +faststart",
    ),
    "longer_sound.webm": ("-i plain.webm -f lavfi -i sine=duration=6", "-map 0:v -map 1:a -c:a libopus"),
}


def ffmpeg(directory: Path, arguments: str) -> str:
    """Run the real ffmpeg in a directory and return its output."""
    command = [str(bundled_ffmpeg()), "-hide_banner", "-nostdin", "-y", *arguments.split()]
    ran = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stderr


def render(directory: Path) -> None:
    """Render the videos into a directory."""
    for name, (rate, arguments) in _DRAWN.items():
        source = f"testsrc2=size={WIDTH}x{HEIGHT}:rate={rate}:duration={SECONDS}"
        ffmpeg(directory, f"-v error -f lavfi -i {source} {arguments} {name}")
    for name, (given, arguments) in _COPIED.items():
        ffmpeg(directory, f"-v error {given} -c:v copy {arguments} {name}")


def grid(directory: Path, width: int, height: int) -> Path:
    """Render a grid of cells, two by two pixels, whose colours encode their positions."""
    cells = "lum='16+mod(floor(X/2),200)':cb='16+mod(Y,200)':cr='16+20*(floor(X/200)+4*floor(Y/200))'"
    source = f"color=size={width}x{height}:rate=25:duration=0.2,format=yuv420p,geq={cells}"
    raw = directory / f"grid_{width}x{height}.mp4"
    ffmpeg(directory, f"-v error -f lavfi -i {source} -c:v libx264 -qp 0 -preset ultrafast {raw.name}")
    return raw


def read_back(clip: Path) -> Box:
    """Return which box of a grid a clip shows, from the cells in its corners."""
    decoded_frame = Decoded(clip).frames[0]
    (left, top), (right, bottom) = (_cell(decoded_frame, place) for place in (0, -1))
    return Box(left, top, right + 2 - left, bottom + 2 - top)


def _cell(decoded_frame: DecodedFrame, place: int) -> tuple[int, int]:
    light, blue, red = (plane[place][place] - 16 for plane in decoded_frame.planes)
    blocks = red // 20
    return 2 * (light + 200 * (blocks % 4)), 2 * (blue + 200 * (blocks // 4))


@contextmanager
def listening() -> Iterator[socket.socket]:
    """Listen on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def scripts(directory: Path, port: int) -> list[Path]:
    """Write files with the names of videos that reference other files or addresses."""
    address = f"http://127.0.0.1:{port}/x.mp4"
    texts = {
        "local": "ffconcat version 1.0\nfile 'other.mp4'\n",
        "remote": f"ffconcat version 1.0\nfile '{address}'\n",
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{address}\n#EXT-X-ENDLIST\n",
        "session": f"v=0\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n",
    }
    for ending in ("mp4", "mov", "webm"):
        for name, text in texts.items():
            (directory / f"{name}.{ending}").write_text(text)
    return sorted(directory.iterdir())


Plane = tuple[bytes, ...]
"""Rows of samples."""


@dataclass(frozen=True)
class DecodedFrame:
    """One decoded frame."""

    time: Fraction
    """Its timestamp in seconds."""
    planes: tuple[Plane, ...]
    """Luma, and two planes of chroma with half the rows and columns."""

    def cropped(self, box: Box) -> tuple[Plane, ...]:
        """Return the part inside a box with even sides and offsets."""
        return tuple(
            tuple(row[box.left // by : box.right // by] for row in plane[box.top // by : box.bottom // by])
            for plane, by in zip(self.planes, (1, 2, 2), strict=True)
        )


@dataclass(frozen=True)
class Decoded:
    """The content of a video, decoded from its beginning by PyAV, which contains other decoders."""

    path: Path

    @cached_property
    def frames(self) -> tuple[DecodedFrame, ...]:
        """Return its frames."""
        with av.open(str(self.path)) as media:
            stream = media.streams.video[0]
            assert stream.time_base is not None
            return tuple(
                DecodedFrame((frame.pts or 0) * stream.time_base, tuple(map(_rows, frame.planes)))
                for frame in media.decode(stream)
            )

    def within(self, start: float, end: float) -> list[DecodedFrame]:
        """Return the frames with ``start <= PTS < end``."""
        return [one for one in self.frames if Fraction(str(start)) <= one.time < Fraction(str(end))]

    @cached_property
    def keys(self) -> tuple[Fraction, ...]:
        """Return the timestamps of its key frames."""
        with av.open(str(self.path)) as media:
            stream = media.streams.video[0]
            assert stream.time_base is not None
            return tuple(
                one.pts * stream.time_base
                for one in media.demux(stream)
                if one.is_keyframe and one.pts is not None
            )

    @property
    def colours(self) -> tuple[int, ...]:
        """Return the declared range, primaries, transfer and matrix."""
        with av.open(str(self.path)) as media:
            declared = media.streams.video[0].codec_context
            return tuple(
                map(
                    int,
                    (declared.color_range, declared.color_primaries, declared.color_trc, declared.colorspace),
                )
            )


@cache
def decoded(path: Path) -> Decoded:
    """Return the content of one of the shared videos."""
    return Decoded(path)


def digests(path: Path, box: Box | None = None) -> list[str]:
    """Return the MD5 of each frame, or of its part inside a box, as computed by the ffmpeg program."""
    crop = "null" if box is None else f"crop={box.width}:{box.height}:{box.left}:{box.top}:exact=1"
    arguments = f"-v error -i {path.name} -map 0:v:0 -vf {crop} -fps_mode passthrough"
    ffmpeg(path.parent, f"{arguments} -f framemd5 {path.name}.md5")
    lines = path.with_name(f"{path.name}.md5").read_text(encoding="ascii").splitlines()
    return [line.rpartition(",")[2].strip() for line in lines if not line.startswith("#")]


async def planned(prober: Prober, path: Path, interval: Interval, form: OutputSettings) -> Cut:
    """Plan a cut as the encode lane does. The published box is used only where the settings crop to it."""
    clip = Clip(Video("RD", "Radio1", "CPCoMyuBRM0", HEIGHT), 0, interval, Box(40, 20, 96, 64))
    return plan_cut(clip, await raw(prober, path, clip), form)


async def raw(prober: Prober, path: Path, *clips: Clip) -> SourceVideo:
    """Return a source video as the network lane passes it on."""
    container = path.suffix[1:]
    facts = await prober.facts(path, container=container, intervals=[clip.interval for clip in clips])
    shown = dict(zip((clip.stem for clip in clips), facts.shown, strict=True))
    audio = None if facts.sound is None else path
    return SourceVideo(path, container, facts, shown, "136", "3", audio=audio)


def shown_times(path: Path) -> list[Fraction]:
    """Return the timestamps of all frames as the ffmpeg program shows them, in seconds."""
    output = ffmpeg(path.parent, f"-copyts -i {path.name} -map 0:v:0 -vf showinfo -f null -")
    clock = re.search(r"config in time_base: (\d+/\d+)", output)
    assert clock is not None
    return [int(tick) * Fraction(clock[1]) for tick in re.findall(r" pts: *(-?\d+) ", output)]


def turned(plane: Plane) -> Plane:
    """Return a plane rotated by 90 degrees counterclockwise."""
    return tuple(bytes(column) for column in zip(*plane, strict=True))[::-1]


def _rows(plane: av.video.plane.VideoPlane) -> Plane:
    content = bytes(plane)
    return tuple(
        content[start : start + plane.width]
        for start in range(0, plane.height * plane.line_size, plane.line_size)
    )


def options_with_cuts(directory: Path) -> Options:
    """Return options for a clip of a video with cuts after 2 and 4.4 s, and for a clip without one."""
    raws = directory / "videos"
    raws.mkdir()
    scenes = (
        "-f lavfi -i testsrc2=size=192x108:rate=25:duration=2"
        " -f lavfi -i smptebars=size=192x108:rate=25:duration=2.4"
        " -f lavfi -i color=gray:size=192x108:rate=25:duration=1.6"
    )
    name = "CPCoMyuBRM0"
    ffmpeg(raws, f"-v error {scenes} -lavfi concat=n=3 -c:v libx264 -preset ultrafast -g 50 {name}.mp4")
    clips = directory / "clips.csv"
    clips.write_text(f"name,video,start,end\ncuts,{name},0.2,5.9\nplain,{name},0,1.5\n")
    return Options(clips=clips, raw_dirs=raws, preset="ultrafast", pace=0, no_report=True)
