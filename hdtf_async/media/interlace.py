"""Whether a picture is combed: made of two half-pictures of different moments, though nothing says so.

Old recordings of television are often like that: somebody has coded them as if each picture were whole.
Where something moves, its edges then look like combs. What is *flagged* as interlaced needs no look.

Fifty frames of the clip's own box are looked at, 25 of each half of the clip, by ffmpeg's ``idet``. Where
anything moves it is sure of most frames, whatever the noise and the loss by coding. So a third of those of
which it is sure is asked for, and five at least. What is really combed has one half-picture earlier
throughout; a fine pattern that moves looks combed now this way and now that, so nine in ten have to agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.ffmpeg import FROM_FURTHER_BACK, source
from hdtf_async.media.filters import constant_frames, decimal
from hdtf_async.process import supervisor
from hdtf_async.process.guard import UNGUARDED, Guard
from hdtf_async.process.stderr import classify_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.media.ffmpeg import Cut

FRAMES = 25
"""Looked at in each half of a clip."""
_LEAST_FRAMES, _LEAST_SHARE, _AGREE = 5, 1 / 3, 0.9
_DEADLINE = 120.0
_COUNTS = re.compile(
    r"^\[Parsed_idet_\d+ @ \w+\] Multi frame detection: TFF: *(\d+) BFF: *(\d+) Progressive: *(\d+)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Combing:
    """Frames in which one half-picture was seen to be earlier, and those that were seen to be whole."""

    top_first: int
    bottom_first: int
    whole: int

    @property
    def parity(self) -> str | None:
        """Which half-picture is the earlier one, ``tff`` or ``bff``; None where the picture is whole."""
        most = max(self.top_first, self.bottom_first)
        combed = self.top_first + self.bottom_first
        if most < max(_LEAST_FRAMES, _LEAST_SHARE * (combed + self.whole), _AGREE * combed):
            return None
        return "tff" if most == self.top_first else "bff"


def command(ffmpeg: Path, cut: Cut) -> list[str]:
    """Return the command line that looks at two stretches of a clip.

    Each begins with the key frame before the middle of its half, so that nothing is decoded in vain; but not
    before that half.
    """
    box, half = cut.box, cut.interval.seconds / 2
    # The rows keep their parity: offsets of boxes are even.
    crop = f"crop={box.width}:{box.height}:{box.left}:{box.top}"
    limit = f"trim=end_frame={FRAMES},setpts=PTS-STARTPTS"
    chain = ",".join([*constant_frames(cut), f"trim=start={decimal(-half / 2)}", crop, limit])
    parts = ";".join(f"[{number}:v:{cut.track}]{chain}[{name}]" for number, name in enumerate("ab"))
    # Were the filters made anew on the way, `concat` would wait for ever.
    begin = ["-noaccurate_seek", *(["-reinit_filter", "0"] if cut.recoloured else [])]
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-v", "info",
        *begin, *source(cut.raw, cut.container, cut.interval.start + half / 2),
        *begin, *source(cut.raw, cut.container, cut.interval.start + half * 3 / 2),
        "-filter_complex_threads", "1", "-filter_complex", f"{parts};[a][b]concat=n=2:v=1:a=0,idet",
        "-an", "-f", "null", "-",
    ]  # fmt: skip


async def look(ffmpeg: Path, cut: Cut, guard: Guard = UNGUARDED) -> Combing:
    """Look at a clip's stretch of its raw.

    This is what holds an encode token. A look that is not finished in time has seen nothing, and fails no
    clip. Raises `Failure`: what ffmpeg's words mean, ``tool_missing``.
    """
    try:
        ended = await supervisor.run(command(ffmpeg, cut), deadline=_DEADLINE, guard=guard)
    except Failure as failure:
        if failure.reason is not Reason.TIMED_OUT:
            raise
        return Combing(0, 0, 0)
    if ended.code != 0:
        if classify_ffmpeg(ended.words) in FROM_FURTHER_BACK:
            return Combing(0, 0, 0)  # the encoder may do better, or says why
        words = ended.words.replace(f"{cut.raw.parent}/", "")
        raise Failure(classify_ffmpeg(ended.words), words or f"ffmpeg ended with {ended.code}")
    # It counts twice: once before the filters are fitted together, where it has seen nothing.
    seen = [tuple(map(int, counts)) for counts in _COUNTS.findall(ended.words)]
    return Combing(*(sum(column) for column in zip(*seen, strict=True))) if seen else Combing(0, 0, 0)
