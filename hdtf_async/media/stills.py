"""The frames of a clip as a directory of JPEGs, numbered from 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.containers import DEMUXERS, MAX_SIDE
from hdtf_async.media.frames import run_decoder

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.process.guard import Guard


def stills_command(ffmpeg: Path, clip: Path) -> list[str]:
    """Return the command line that writes a clip's frames into its working directory."""
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-v", "error", "-progress", "pipe:1", "-nostats", "-xerror",
        "-protocol_whitelist", "file", "-f", DEMUXERS["mp4"], "-max_pixels", str(MAX_SIDE**2),
        "-threads", "1", "-i", f"file:{clip}",
        "-map", "0:v:0", "-fps_mode", "passthrough", "-c:v", "mjpeg", "-threads", "1",
        # About OpenCV's quality 95, which the code bases use themselves.
        "-q:v", "2", "-fflags", "+bitexact", "-flags:v", "+bitexact",
        # The pattern is a relative name: ffmpeg would parse a percent sign in the directory's name.
        "-f", "image2", "-start_number", "0", "%d.jpg",
    ]  # fmt: skip


async def write(ffmpeg: Path, clip: Path, folder: Path, *, frames: int, guard: Guard) -> None:
    """Write all frames of a clip, given by its absolute path, into an existing empty directory.

    Raises what `run_decoder` raises, and ``clip_wrong`` if the clip has another number of frames.
    """
    # More than ten seconds per frame is never needed; a process without progress is terminated earlier.
    try:
        found = await run_decoder(stills_command(ffmpeg, clip), seconds=frames, directory=folder, guard=guard)
    except Failure as failure:
        raise Failure(failure.reason, f"{clip.name}: {(failure.words.splitlines() or [''])[-1]}") from None
    if found != frames:
        raise Failure(Reason.CLIP_WRONG, f"{clip.name}: {found} frames, expected {frames}")
