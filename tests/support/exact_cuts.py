"""Lossless cuts of small source videos of every kind, to be compared with their decoded frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import media

from hdtf_async.core.model import Box, Clip, Crop, Interval, OutputSettings, Video
from hdtf_async.lanes.cut_plan import plan_cut
from hdtf_async.media.cut import Cut
from hdtf_async.media.ffmpeg import bundled_ffmpeg, encode
from hdtf_async.media.filters import side_lengths

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.media.probe import Prober

LOSSLESS = OutputSettings(crf=0, preset="ultrafast")
BOX = Box(40, 20, 96, 64)


async def planned(
    prober: Prober, raw: Path, interval: Interval, *, box: Box = BOX, settings: OutputSettings = LOSSLESS
) -> Cut:
    """Plan a cut as the encode lane does: from the facts of the source video."""
    cut = await media.planned(prober, raw, interval, replace(settings, crop=Crop.NONE))
    width, height = side_lengths(box, settings.size)
    return replace(cut, settings=settings, box=box, width=width, height=height)


async def made(cut: Cut, clip: Path) -> Path:
    """Encode and return the clip."""
    await encode(bundled_ffmpeg(), cut, clip, on_seconds=lambda _seconds: None)
    return clip


SOURCE_VIDEOS = {
    "b_frames.mp4": "H.264 with B-frames at 29.97 frames a second",
    "open_gop.mp4": "H.264 whose key frames are not clean cuts, at 25",
    "cinema.mp4": "H.264 whose key frames are clean cuts, at 23.976",
    "fifty.mp4": "H.264 whose key frames are not clean cuts, at 50",
    "sixty.mp4": "H.264 at 60",
    "sixty.webm": "VP9 at 60",
    "av1.mp4": "AV1 at 23.976",
    "av1.webm": "AV1 in a clock of 1000 ticks a second",
    "varying.mp4": "H.264 of a varying rate",
    "late.mp4": "H.264 whose first time stamp is 0.2 s",
    "edit_list.mp4": "H.264 with frames that an edit list leaves out",
    "fragments.mp4": "H.264 in fragments, as YouTube serves it",
    "open_fragments.mp4": "H.264 in fragments whose key frames are not clean cuts",
    "coarse.mov": "H.264 in a clock of 600 ticks a second",
    "plain.webm": "VP9 in a clock of 1000 ticks a second",
    "varying.webm": "VP9 of a varying rate",
    "late.webm": "VP9 whose first time stamp is 0.2 s",
}
INTERVALS = {
    "from the beginning": Interval(0, 1.5),
    "from a whole second": Interval(1, 2),
    "to the end and beyond": Interval(1.6, 4.15),
    "from any time": Interval(2.345, 3.21),
    "ends a hair before and behind frames": Interval(1.0334, 1.9999),
}


def intervals_of(raw: media.Decoded) -> dict[str, Interval]:
    """Return the intervals that are cut from a source video, some of which depend on its frames."""
    times = [one.time for one in raw.frames]
    key = next((place for place, time in enumerate(times) if time > 1 and time in raw.keys), 2)
    last = float(times[-1])
    return INTERVALS | {
        "from a key frame": Interval(float(times[key]), float(times[key]) + 0.5),
        "from two frames before a key frame": Interval(float(times[key - 2]), float(times[key]) + 0.5),
        "up to the last frame, which is out": Interval(last - 0.7, last),
        "up to the last frame, which is in": Interval(last - 0.7, last + 1e-4),
    }


GRIDS = (
    (1280, 720, 720, Box(557, 3, 478, 478)),
    (640, 360, 720, Box(557, 3, 478, 478)),
    (640, 360, 720, Box(802, 242, 478, 478)),  # in the corner
    (640, 360, 714, Box(401, 0, 714, 714)),
    (426, 240, 720, Box(1000, 0, 280, 280)),  # extends beyond the frame by a fraction of a pixel
    (854, 480, 1080, Box(300, 11, 627, 627)),
    (640, 360, 1080, Box(300, 11, 627, 401)),
    (360, 640, 1280, Box(100, 400, 501, 501)),  # portrait
    (1280, 720, 360, Box(33, 57, 201, 201)),  # higher than in the tables
)
"""Width and height of a source video, reference height, and the published box."""


async def corners(prober: Prober, raw: Path, reference_height: int, box: Box, clip: Path) -> tuple[Cut, Box]:
    """Cut a published box out of a grid, as the encode lane does; return the plan and what the clip shows."""
    row = Clip(Video("RD", "Radio1", "CPCoMyuBRM0", reference_height), 0, Interval(0, 0.2), box)
    cut = plan_cut(row, await media.raw(prober, raw, row), LOSSLESS)
    return cut, media.read_back(await made(cut, clip))
