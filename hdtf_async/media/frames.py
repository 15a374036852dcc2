"""Decode a whole clip with ffmpeg and count its frames.

Demuxing only counts packets, whatever they contain. Decoding detects damage inside a frame.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.containers import DEMUXERS, MAX_SIDE
from hdtf_async.media.ffmpeg import STALL
from hdtf_async.media.run import FfmpegError, run_ffmpeg
from hdtf_async.process.guard import UNGUARDED, Guard
from hdtf_async.process.supervisor import Command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WHO = re.compile(r"\[[^\[\]]* @ 0x[0-9a-f]+\] ")
"""Which part of ffmpeg logs a message, and its address, which differs each time."""
_LEAST_SPEED = 0.1
"""Minimum seconds of a clip decoded per second; a process without progress is terminated earlier."""


def decode_command(ffmpeg: Path, clip: Path) -> list[str]:
    """Return the command line that decodes video and audio of a clip and discards the result."""
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-v", "error", "-progress", "pipe:1", "-nostats", "-xerror",
        # The file may have been replaced by anything.
        "-protocol_whitelist", "file", "-f", DEMUXERS["mp4"], "-max_pixels", str(MAX_SIDE**2),
        "-threads", "1", "-i", f"file:{clip}",
        "-map", "0:v", "-map", "0:a?", "-fps_mode", "passthrough", "-f", "null", "-",
    ]  # fmt: skip


async def decode_clip(ffmpeg: Path, clip: Path, *, seconds: float, guard: Guard = UNGUARDED) -> int:
    """Decode a clip of `seconds` seconds and return the number of frames that ffmpeg counted.

    Raises what `run_decoder` raises.
    """
    return await run_decoder(decode_command(ffmpeg, clip), seconds=seconds, guard=guard)


async def run_decoder(
    argv: Sequence[str], *, seconds: float, directory: Path | None = None, guard: Guard
) -> int:
    """Run an ffmpeg that decodes a clip of `seconds` seconds; return the number of frames that it counted.

    Raises `Failure`: ``clip_wrong`` if it cannot be decoded without an error; ``disk_full``, ``timed_out``,
    ``stalled``, ``tool_missing``, and ``tool_failed`` if ffmpeg was killed.
    """
    number = 0

    def on_line(line: str) -> bool:
        nonlocal number
        found = re.fullmatch(r"frame=\s*([0-9]{1,15})", line)
        if found is None or int(found[1]) <= number:
            return False
        number = int(found[1])
        return True

    try:
        await run_ffmpeg(
            Command(argv, directory=directory),
            deadline=STALL + seconds / _LEAST_SPEED,
            stall=STALL,
            on_line=on_line,
            guard=guard,
        )
    except FfmpegError as failure:
        # Only the clip is read, so errors are its own, but a killed ffmpeg says nothing about it.
        reason = Reason.TOOL_FAILED if failure.killed else Reason.CLIP_WRONG
        if failure.reason is Reason.DISK_FULL:
            reason = Reason.DISK_FULL
        raise Failure(reason, _WHO.sub("", failure.words)) from None
    return number
