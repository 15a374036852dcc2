"""The frames of a clip as a directory of images: all as JPEGs, or evenly spaced ones as PNGs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.containers import DEMUXERS, MAX_SIDE
from hdtf_async.media.frames import run_decoder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hdtf_async.core.recipes import Item
    from hdtf_async.process.guard import Guard

# About OpenCV's quality 95, which the code bases use themselves.
_JPEG = ("-c:v", "mjpeg", "-q:v", "2")
# A PNG is for comparisons: no frame is converted to RGB with the fast, less accurate path.
_PNG = ("-c:v", "png", "-pix_fmt", "rgb24", "-sws_flags", "bicubic+accurate_rnd+full_chroma_int+bitexact")


def stills_command(ffmpeg: Path, clip: Path, only: Sequence[int] = ()) -> list[str]:
    """Return the command line that writes a clip's frames into its working directory.

    Without `only` these are all frames, as JPEGs; otherwise those with these numbers, as PNGs.
    """
    numbers = "+".join(rf"eq(n\,{number})" for number in only)
    chosen = ["-vf", f"select={numbers}"] if only else []
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-v", "error", "-progress", "pipe:1", "-nostats", "-xerror",
        "-protocol_whitelist", "file", "-f", DEMUXERS["mp4"], "-max_pixels", str(MAX_SIDE**2),
        "-threads", "1", "-i", f"file:{clip}",
        "-map", "0:v:0", *chosen, "-fps_mode", "passthrough", *(_PNG if only else _JPEG), "-threads", "1",
        "-fflags", "+bitexact", "-flags:v", "+bitexact",
        # The pattern is a relative name: ffmpeg would parse a percent sign in the directory's name.
        "-f", "image2", "-start_number", "0", f"%d.{'png' if only else 'jpg'}",
    ]  # fmt: skip


async def write(ffmpeg: Path, clip: Path, folder: Path, item: Item, guard: Guard) -> None:
    """Write the frames of an item from a clip, given by its absolute path, into an existing empty directory.

    A file has the number of its frame. Raises what `run_decoder` raises, and ``clip_wrong`` if the clip has
    another number of frames.
    """
    only, frames = item.only, item.frames
    expected = len(only) or frames
    command = stills_command(ffmpeg, clip, only)
    # More than ten seconds per frame is never needed; a process without progress is terminated earlier.
    try:
        found = await run_decoder(command, seconds=frames, directory=folder, guard=guard)
    except Failure as failure:
        raise Failure(failure.reason, f"{clip.name}: {(failure.words.splitlines() or [''])[-1]}") from None
    if found != expected:
        raise Failure(Reason.CLIP_WRONG, f"{clip.name}: {found} frames, expected {expected}")
    for place, number in reversed([*enumerate(only)]):  # the number of a frame is never below its place
        await anyio.Path(folder / f"{place}.png").rename(folder / f"{number:06d}.png")
