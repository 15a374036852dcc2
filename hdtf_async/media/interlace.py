"""Detect combing: fields of different times in one frame of a video that is not flagged as interlaced.

Old television recordings are often encoded like that, as if each frame were progressive. Edges of moving
objects then look like combs. Video that is *flagged* as interlaced needs no detection.

ffmpeg's ``idet`` examines fifty frames of the clip's box, 25 from each half of the clip. Where anything moves
it classifies most frames, despite noise and compression. Combing requires a third of the classified frames,
and at least five. In real combing the same field is always first; a fine moving pattern looks combed with
either field first, so nine in ten frames must agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.ffmpeg import FROM_FURTHER_BACK, input_args
from hdtf_async.media.filters import constant_frames
from hdtf_async.media.run import run_ffmpeg
from hdtf_async.process.guard import UNGUARDED, Guard
from hdtf_async.process.supervisor import Command

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.media.cut import Cut

FRAMES = 25
"""Frames examined in each half of a clip."""
_LEAST_FRAMES, _LEAST_SHARE, _AGREE = 5, 1 / 3, 0.9
_DEADLINE = 120.0
_COUNTS = re.compile(
    r"^\[Parsed_idet_\d+ @ \w+\] Multi frame detection: TFF: *(\d+) BFF: *(\d+) Progressive: *(\d+)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Combing:
    """Number of frames in which either field was detected to be first, and of progressive ones."""

    top_first: int
    bottom_first: int
    whole: int

    @property
    def parity(self) -> str | None:
        """Which field is first, ``tff`` or ``bff``; None if the video is progressive."""
        most = max(self.top_first, self.bottom_first)
        combed = self.top_first + self.bottom_first
        if most < max(_LEAST_FRAMES, _LEAST_SHARE * (combed + self.whole), _AGREE * combed):
            return None
        return "tff" if most == self.top_first else "bff"


def combing_command(ffmpeg: Path, cut: Cut) -> list[str]:
    """Return the command line that examines two parts of a clip."""
    box, length = cut.box, cut.interval.seconds
    # Rows keep their parity, because the offsets of boxes are even.
    crop = f"crop={box.width}:{box.height}:{box.left}:{box.top}"
    limit = f"trim=end_frame={FRAMES},setpts=PTS-STARTPTS"
    chain = ",".join([*constant_frames(cut), crop, limit])
    parts = ";".join(f"[{number}:v:{cut.track}]{chain}[{name}]" for number, name in enumerate("ab"))
    # If the filters were reinitialised midway, `concat` would wait forever.
    begin = ["-reinit_filter", "0"] if cut.recoloured else []
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-v", "info",
        *begin, *input_args(cut.raw, cut.container, cut.interval.start + length / 4),
        *begin, *input_args(cut.raw, cut.container, cut.interval.start + length * 3 / 4),
        "-filter_complex_threads", "1", "-filter_complex", f"{parts};[a][b]concat=n=2:v=1:a=0,idet",
        "-an", "-f", "null", "-",
    ]  # fmt: skip


async def look(ffmpeg: Path, cut: Cut, guard: Guard = UNGUARDED) -> Combing:
    """Examine the interval of a clip in its source video.

    The caller holds an encode token. A detection that times out returns no result and does not fail the clip.
    Raises `Failure`: the reason that ffmpeg's message indicates, ``tool_missing``.
    """
    try:
        ended = await run_ffmpeg(Command(combing_command(ffmpeg, cut)), deadline=_DEADLINE, guard=guard)
    except Failure as failure:
        # Where decoding failed, encoding may succeed, or fails with a better message.
        if failure.reason not in {Reason.TIMED_OUT, Reason.TOOL_FAILED, *FROM_FURTHER_BACK}:
            raise
        return Combing(0, 0, 0)
    # idet prints its counts twice: the first time before the filters are configured, with zeros.
    seen = [tuple(map(int, counts)) for counts in _COUNTS.findall(ended.stderr)]
    return Combing(*(sum(column) for column in zip(*seen, strict=True))) if seen else Combing(0, 0, 0)
