"""ffmpeg's command lines: seek, filters, encoder; and the one place that runs an encode.

The shape of the command rests on measurements that are told in the README ("How it is built"):

- ``-ss`` before the input does not decode from the beginning and is exact, as long as the interval's
  end is a ``trim`` filter: its bounds are time stamps, whereas ``-t`` counts from the first frame;
- ffmpeg rounds both ends to the nearest tick of the raw's clock, so they are rounded up beforehand:
  a frame is in the clip if and only if ``start <= PTS < end``;
- ``-seek_timestamp 1`` counts from the media's own zero also where its first time stamp is not 0;
- one thread for the decoder and one for the encoder, and as many processes as CPUs, is the best
  throughput; the encoder's count is part of the clip's form, for x264 writes another stream for
  another count;
- ``-fps_mode passthrough`` with the raw's time base keeps every frame at its own time. The time base is
  given in figures: ffmpeg 5.1 does not know the word ``demux`` for it, 9.0 not -1.

Tried with ffmpeg 5.1.9 and 9.0.2. In 7.0.2 ``setpts`` takes the last frame's duration away, and whoever
plays the clip drops that frame: such a clip is found to be wrong, and never published.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from hdtf_async import process
from hdtf_async.failures import Failure, Reason
from hdtf_async.guard import UNGUARDED, Guard
from hdtf_async.model import Interval
from hdtf_async.probe import DEMUXERS, MAX_SIDE
from hdtf_async.words import classify_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hdtf_async.model import Box, Form

STALL = 120.0
"""Seconds without a new frame after which an encode is ended. Seeking takes a few."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One clip as ffmpeg is to make it."""

    raw: Path
    container: str
    """File ending of the raw without the dot: the demuxer that may read it."""
    interval: Interval
    box: Box
    """Pixels of the raw."""
    width: int
    height: int
    """Pixels of the clip."""
    frames: int
    """Frames that the clip is to have."""
    form: Form
    time_base: Fraction = Fraction(1, 90000)
    """Seconds in one tick of the raw's time stamps; by default the tick that most videos count in."""

    @property
    def ticked(self) -> Interval:
        """The interval with both ends on a tick, which bounds the very same frames."""
        start, end = (
            float(ceil(Fraction(str(second)) / self.time_base) * self.time_base)
            for second in (self.interval.start, self.interval.end)
        )
        return Interval(start, end)


def side_lengths(box: Box, size: int | None) -> tuple[int, int]:
    """Return width and height of a clip in pixels, both even: the box, or its shorter side at `size`."""
    if size is None:
        return box.width - box.width % 2, box.height - box.height % 2
    longer = 2 * round(Fraction(size * max(box.width, box.height), 2 * min(box.width, box.height)))
    return (size, longer) if box.width <= box.height else (longer, size)


def frames_at(rate: Fraction, seconds: float) -> int:
    """Return how many frames an interval has at a constant rate, half a frame rounded up."""
    return int(Fraction(str(seconds)) * rate + Fraction(1, 2))


def filters(cut: Cut) -> str:
    """Return the filter chain: trim, rate, crop, scale, in this order."""
    chain = [f"trim=end={_seconds(cut.ticked.seconds)}", "setpts=PTS-STARTPTS"]
    if cut.form.fps is not None:
        # The last frame is held a little, so that the count is exact however the rates divide.
        chain += [f"tpad=stop_mode=clone:stop_duration=1,fps={cut.form.fps}", f"trim=end_frame={cut.frames}"]
    # A box that leaves the frame would be moved without a word, exact or not; no width at all is refused.
    width = f"'if(gte(iw,{cut.box.right})*gte(ih,{cut.box.bottom}),{cut.box.width},0)'"
    chain.append(f"crop={width}:{cut.box.height}:{cut.box.left}:{cut.box.top}:exact=1")
    if (cut.width, cut.height) != (cut.box.width, cut.box.height):
        chain.append(f"scale={cut.width}:{cut.height}:flags=lanczos+accurate_rnd+full_chroma_int")
    chain.append("setsar=1")
    return ",".join(chain)


def command(ffmpeg: Path, cut: Cut, target: Path) -> list[str]:
    """Return the command line that writes the clip to `target`, without audio, as MP4."""
    time_base = cut.time_base if cut.form.fps is None else 1 / cut.form.fps
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-y", "-v", "error", "-progress", "pipe:1", "-nostats",
        "-xerror", "-abort_on", "empty_output",
        # The raw is untrusted: one demuxer, no other file, no other host, no giant frames.
        "-protocol_whitelist", "file", "-f", DEMUXERS[cut.container], "-max_pixels", str(MAX_SIDE**2),
        # The box counts in pixels as they are stored, and so does the probe.
        "-noautorotate",
        "-threads", "1", "-ss", _seconds(cut.ticked.start), "-seek_timestamp", "1",
        "-i", f"file:{cut.raw}",
        "-map", "0:v:0", "-map_metadata", "-1", "-map_chapters", "-1", "-an", "-sn", "-dn",
        "-filter_threads", "1", "-vf", filters(cut),
        "-c:v", "libx264", "-preset", cut.form.preset, "-crf", str(cut.form.crf),
        "-threads", str(cut.form.threads), "-pix_fmt", "yuv420p",
        "-fps_mode", "passthrough", "-enc_time_base", f"{time_base.numerator}:{time_base.denominator}",
        "-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart",
        "-f", "mp4", f"file:{target}",
    ]  # fmt: skip


async def encode(
    ffmpeg: Path,
    cut: Cut,
    target: Path,
    *,
    on_seconds: Callable[[float], None],
    guard: Guard = UNGUARDED,
) -> None:
    """Make one clip; `on_seconds` is told the seconds encoded so far.

    Raises `Failure`: what ffmpeg's words mean, ``tool_missing``, ``timed_out``, ``stalled``.
    """
    reached = -1.0

    def on_line(line: str) -> bool:
        nonlocal reached
        key, _, value = line.partition("=")
        if key == "progress" and value == "end":
            return True
        if key != "out_time_us" or not re.fullmatch(r"[0-9]{1,15}", value):
            return False
        seconds = int(value) / 1e6
        if seconds <= reached:
            return False
        reached = seconds
        on_seconds(seconds)
        return True

    ended = await process.run(
        command(ffmpeg, cut, target),
        # One frame in ten seconds is more than the slowest preset takes of the largest picture. What
        # stands still is ended by the stall watch, long before.
        deadline=STALL + 300 * cut.interval.seconds,
        stall=STALL,
        on_line=on_line,
        guard=guard,
    )
    if ended.code != 0:
        words = ended.words.replace(f"{cut.raw.parent}/", "").replace(f"{target.parent}/", "")
        raise Failure(classify_ffmpeg(ended.words), words or f"ffmpeg ended with {ended.code}")


@dataclass(frozen=True, slots=True)
class About:
    """What an ffmpeg says of itself."""

    version: str
    """Such as ``n9.0.2``."""
    switches: frozenset[str]
    """With which it was built, such as ``--enable-libx264``; none where it does not say."""


async def about(ffmpeg: Path) -> About:
    """Return what ``-version`` says.

    Raises `Failure` with ``tool_missing`` where ffmpeg cannot be started or does not say.
    """
    ended = await process.run([str(ffmpeg), "-version"], deadline=30, keep=1 << 16)
    said = re.match(rb"ffmpeg version (\S{1,80})", ended.out)
    if ended.code != 0 or said is None:
        raise Failure(Reason.TOOL_MISSING, f"{ffmpeg} does not answer -version as ffmpeg does")
    built = re.search(rb"^configuration: (.*)", ended.out, re.MULTILINE)
    switches = built[1].decode("ascii", "replace").split() if built else ()
    return About(said[1].decode("ascii", "replace"), frozenset(switches))


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
