"""Thumbnails of clips: one ffmpeg per clip, which decodes from the nearest key frame to the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.ffmpeg import input_args
from hdtf_async.media.run import FfmpegError, run_ffmpeg
from hdtf_async.process.guard import UNGUARDED, Guard
from hdtf_async.process.supervisor import Command

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 192
"""Longer side in pixels."""
LARGEST = 12_000
"""Maximum size of an image in bytes: six hundred of them in Base64 take less than 10 MB."""
_DEADLINE = 60.0


def thumbnail_command(ffmpeg: Path, clip: Path, middle: float) -> list[str]:
    """Return the command line that writes one JPEG to stdout."""
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-v", "error",
        *input_args(clip, "mp4", middle), "-map", "0:v:0", "-an", "-sn", "-dn", "-filter_threads", "1", "-vf",
        f"scale={SIDE}:{SIDE}:force_original_aspect_ratio=decrease:force_divisible_by=2:out_range=full,setsar=1",
        "-frames:v", "1", "-c:v", "mjpeg", "-threads", "1", "-q:v", "6", "-pix_fmt", "yuv420p",
        "-color_range", "pc", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-f", "image2pipe", "-",
    ]  # fmt: skip


async def make(ffmpeg: Path, clip: Path, seconds: float, guard: Guard = UNGUARDED) -> bytes | None:
    """Return a clip's thumbnail as JPEG, or None if it cannot be decoded or exceeds `LARGEST`.

    The caller holds an encode token. Raises `Failure`: ``tool_missing``, ``timed_out``.
    """
    try:
        ended = await run_ffmpeg(
            Command(thumbnail_command(ffmpeg, clip, seconds / 2), max_stdout=LARGEST),
            deadline=_DEADLINE,
            guard=guard,
        )
    except FfmpegError:
        return None
    except Failure as failure:
        if failure.reason is Reason.TOOL_FAILED:  # too many bytes
            return None
        raise
    # Every JPEG starts with these two bytes.
    return ended.out if ended.out.startswith(b"\xff\xd8") else None
