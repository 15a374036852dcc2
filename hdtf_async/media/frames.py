"""Decoding all of a clip: whether ffmpeg can, and how many frames it counts.

Demuxing counts packets, whatever is in them. Decoding is what finds damage inside of a frame.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.containers import DEMUXERS, MAX_SIDE
from hdtf_async.media.ffmpeg import STALL
from hdtf_async.process import supervisor
from hdtf_async.process.guard import UNGUARDED, Guard
from hdtf_async.process.stderr import classify_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WHO = re.compile(r"\[[^\[\]]* @ 0x[0-9a-f]+\] ")
"""Which part of ffmpeg speaks, and where in its memory that is: never the same twice."""
_LEAST_SPEED = 0.1
"""Seconds of a clip that are decoded in one second at least; whatever stands still is ended before."""


def command(ffmpeg: Path, clip: Path) -> list[str]:
    """Return the command line that decodes picture and sound of a clip and keeps nothing."""
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-v", "error", "-progress", "pipe:1", "-nostats", "-xerror",
        # What stands under a clip's name may be anything by now.
        "-protocol_whitelist", "file", "-f", DEMUXERS["mp4"], "-max_pixels", str(MAX_SIDE**2),
        "-threads", "1", "-i", f"file:{clip}",
        "-map", "0:v", "-map", "0:a?", "-fps_mode", "passthrough", "-f", "null", "-",
    ]  # fmt: skip


async def frames(ffmpeg: Path, clip: Path, *, seconds: float, guard: Guard = UNGUARDED) -> int:
    """Decode a clip of so many seconds and return how many frames ffmpeg counted.

    Raises what `counted` raises.
    """
    return await counted(command(ffmpeg, clip), clip, seconds=seconds, guard=guard)


async def counted(
    argv: Sequence[str], clip: Path, *, seconds: float, directory: Path | None = None, guard: Guard
) -> int:
    """Let ffmpeg decode a clip of so many seconds and return how many frames it counted.

    Raises `Failure`: ``clip_wrong`` where it cannot be decoded without an error; ``disk_full``,
    ``timed_out``, ``stalled``, ``tool_missing``, and ``tool_failed`` where ffmpeg was killed.
    """
    number = 0

    def on_line(line: str) -> bool:
        nonlocal number
        said = re.fullmatch(r"frame=\s*([0-9]{1,15})", line)
        if said is None or int(said[1]) <= number:
            return False
        number = int(said[1])
        return True

    ended = await supervisor.run(
        argv,
        deadline=STALL + seconds / _LEAST_SPEED,
        stall=STALL,
        on_line=on_line,
        directory=directory,
        guard=guard,
    )
    if ended.code != 0:
        words = _WHO.sub("", ended.words.replace(f"{clip.parent}/", ""))
        # Nothing but the clip is read; who is killed has not judged it, though.
        reason = Reason.CLIP_WRONG if ended.code > 0 else Reason.TOOL_FAILED
        if classify_ffmpeg(ended.words) is Reason.DISK_FULL:
            reason = Reason.DISK_FULL
        raise Failure(reason, words or f"ffmpeg ended with {ended.code}")
    return number
