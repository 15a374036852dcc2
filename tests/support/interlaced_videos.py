"""Source videos with interlaced fields, and how much combing a clip shows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import av
import media

from hdtf_async.core.model import Crop, Deinterlace, Interval, OutputSettings
from hdtf_async.media import ffmpeg, interlace
from hdtf_async.media.cut import Cut
from hdtf_async.media.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.media.probe import Prober

_MOVES = "crop=192:192:x='64+48*sin(2*PI*t*0.7)':y='16+8*sin(2*PI*t)'"
_STILL = "life=size=24x24:seed=3:ratio=0.4:rate=50,scale=320:240:flags=bicubic"
"""Soft blots; frozen, they are a still image with edges in all directions."""
_SOURCE = f"-f lavfi -i {_STILL},trim=end_frame=1,loop=-1:1,setpts=N/50/TB,{_MOVES} -t 3"
X264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 50"
_WOVEN = {
    "whole": f"-r 25 {X264} -crf 20",
    "flagged": f"-vf interlace=lowpass=off:scan=tff {X264} -crf 20 -flags +ilme+ildct",
    "combed": f"-vf interlace=lowpass=off:scan=tff,setfield=prog {X264} -crf 20",
    "combed_bff": f"-vf interlace=lowpass=off:scan=bff,setfield=prog {X264} -crf 28",
    "combed_soft": f"-vf interlace=lowpass=linear:scan=tff,setfield=prog {X264} -crf 32",
    "noisy": f"-vf framestep=2,noise=alls=20:allf=t {X264} -crf 23",
    "standing": f"-vf framestep=1000,loop=-1:1,setpts=N/25/TB -r 25 {X264} -crf 20 -t 3",
}
PARITIES = {
    "whole": None, "noisy": None, "standing": None,
    "flagged": "tff", "combed": "tff", "combed_bff": "bff", "combed_soft": "tff",
}  # fmt: skip


def render(directory: Path) -> Path:
    """Render a moving image, interlaced in all ways."""
    for name, arguments in _WOVEN.items():
        media.ffmpeg(directory, f"-v error {_SOURCE} {arguments} {name}.mp4")
    return directory


async def planned(prober: Prober, raw: Path, deinterlace: Deinterlace) -> Cut:
    """Plan a cut of the whole frame, without the first and last half second."""
    interval = Interval(0.5, 2.5)
    form = OutputSettings(crop=Crop.NONE, crf=0, preset="ultrafast", deinterlace=deinterlace)
    return await media.planned(prober, raw, interval, form)


async def clip_of(prober: Prober, raw: Path, directory: Path, deinterlace: Deinterlace) -> Path:
    """Make a clip as the encode lane does."""
    cut = await planned(prober, raw, deinterlace)
    if deinterlace is Deinterlace.AUTO:
        cut = replace(cut, parity=(await interlace.look(bundled_ffmpeg(), cut)).parity)
    target = directory / f"{raw.stem}_{deinterlace}.mp4"
    await ffmpeg.encode(bundled_ffmpeg(), cut, target, on_seconds=lambda _seconds: None)
    assert (await prober.facts(target, container="mp4")).frames == cut.frames
    return target


def combs(path: Path) -> float:
    """Return how much more adjacent rows differ than rows two apart: above 1 with combing."""
    near = far = 0
    with av.open(str(path)) as opened:
        for number, frame in enumerate(opened.decode(video=0)):
            if number % 5 == 0:
                rows = media._rows(frame.planes[0])
                for row, (one, two, three) in enumerate(zip(rows, rows[1:], rows[2:], strict=False)):
                    if row % 4 == 0:
                        near += sum(abs(a - b) for a, b in zip(one[::3], two[::3], strict=True))
                        far += sum(abs(a - b) for a, b in zip(one[::3], three[::3], strict=True))
    return near / far
