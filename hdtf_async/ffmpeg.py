"""ffmpeg's command lines: seek, filters, encoder, sound; and the one place that runs them.

The shape of the command rests on measurements that docs/how-it-is-built.md tells:

- ``-ss`` before the input does not decode from the beginning and is exact, as long as the interval's
  end is a ``trim`` filter: its bounds are time stamps, whereas ``-t`` counts from the first frame;
- ffmpeg rounds both ends to the nearest tick of the raw's clock, so they are rounded up beforehand:
  a frame is in the clip if and only if ``start <= PTS < end``;
- ``-seek_timestamp 1`` counts from the media's own zero also where its first time stamp is not 0;
- one thread for the decoder and one for the encoder, and as many processes as CPUs, is the best
  throughput; the encoder's count is part of the clip's form, for x264 writes another stream for
  another count;
- where a key frame is shown later than it is found, ffmpeg seeks to it from in between, and frames that need
  those before it are lost (an open group of pictures): so it is sent that much further back;
- ``bwdif`` with ``deint=interlaced`` changes no bit and costs nothing where no frame is flagged;
- sound is cut from its own file side by side with the picture, from the time stamp of the clip's first
  frame on; it is decoded from a second before, since what a codec gives right after a seek is not right;
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
from hdtf_async.demux import DEMUXERS, MAX_SIDE, SOUND_DEMUXERS
from hdtf_async.failures import Failure, Reason
from hdtf_async.guard import UNGUARDED, Guard
from hdtf_async.model import Codec, Deinterlace, Interval
from hdtf_async.words import classify_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hdtf_async.model import Box, Form

STALL = 120.0
"""Seconds without a new frame after which an encode is ended. Seeking takes a few."""
WAV_RATE = 16_000
"""Samples a second of the WAV files: what nearly all training code takes."""
SHORT_SIGHTED = ("ultrafast", "superfast")
"""Presets of x264 without the look ahead (``mbtree``)."""
_AAC_BITS = "128k"
_RUN_UP = 1.0
"""Seconds of sound that are decoded before the first one that counts."""
_SCALER = "flags=lanczos+accurate_rnd+full_chroma_int"


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of one clip as ffmpeg is to cut it."""

    file: Path
    container: str
    """File ending without the dot: the demuxer that may read it."""
    start: float
    """Time stamp of the clip's first frame, in seconds."""
    seconds: float
    """Length of the clip."""

    @property
    def samples(self) -> int:
        """Samples of the WAV file, at `WAV_RATE`."""
        return round(self.seconds * WAV_RATE)


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
    squared: tuple[int, int] | None = None
    """Width and height that make the pixels square, where they are not; the box counts in those."""
    full_range: bool = False
    """Whether the raw's samples use all values. A clip's never do: much code takes that for granted."""
    parity: str | None = None
    """Which half-picture is the earlier one (``tff``, ``bff``), where the raw was seen to be combed."""
    lead: float = 0.0
    """Seconds by which the raw's key frames are found before they are shown, where that matters."""
    span: float | None = None
    """Seconds from the first frame to the last one that the clip is to have; None where its rate tells."""
    sound: Sound | None = None
    """Where its sound comes from, if any is wanted."""

    @property
    def sought(self) -> float:
        """Second that ffmpeg is sent to, on a tick: early enough that nothing of the interval is lost."""
        if not self.lead:
            return self.ticked.start
        early = Fraction(str(self.interval.start)) - Fraction(str(self.lead))
        return max(0.0, float(early // self.time_base * self.time_base))

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
    """Return the filter chain: whole pictures, trim, rate, crop, scale, in this order."""
    before = cut.ticked.start - cut.sought
    start = f"start={_seconds(before)}:" if before else ""
    trim = f"trim={start}end={_seconds(before + cut.ticked.seconds)}"
    chain = [*_whole_pictures(cut), trim, "setpts=PTS-STARTPTS"]
    if cut.form.fps is not None:
        # The last frame is held a little, so that the count is exact however the rates divide.
        chain += [f"tpad=stop_mode=clone:stop_duration=1,fps={cut.form.fps}", f"trim=end_frame={cut.frames}"]
    if cut.squared is not None:
        chain.append(f"scale={cut.squared[0]}:{cut.squared[1]}:{_SCALER}")
    # A box that leaves the frame would be moved without a word, exact or not; no width at all is refused.
    width = f"'if(gte(iw,{cut.box.right})*gte(ih,{cut.box.bottom}),{cut.box.width},0)'"
    chain.append(f"crop={width}:{cut.box.height}:{cut.box.left}:{cut.box.top}:exact=1")
    to_range = ["out_range=tv"] if cut.full_range else []
    if (cut.width, cut.height) != (cut.box.width, cut.box.height):
        chain.append(":".join([f"scale={cut.width}:{cut.height}", *to_range, _SCALER]))
    elif to_range:
        chain.append(f"scale={to_range[0]}:{_SCALER}")
    chain.append("setsar=1")
    return ",".join(chain)


def _whole_pictures(cut: Cut) -> list[str]:
    """Return the filter that makes whole pictures of half-pictures, before any row is cut off."""
    if cut.form.deinterlace is Deinterlace.OFF:
        return []
    if cut.parity is not None:
        return [f"bwdif=mode=send_frame:parity={cut.parity}:deint=all"]
    return [
        f"bwdif=mode=send_frame:deint={'all' if cut.form.deinterlace is Deinterlace.ON else 'interlaced'}"
    ]


def sound_filters(sound: Sound, *, wav: bool) -> str:
    """Return the filter chain for sound: from the clip's first frame on, just as long as the clip.

    Holes and what lacks at either end become silence, so that nothing moves.
    """
    before = _seconds(sound.start - _run_up(sound))
    chain = [f"atrim=start={before}", f"asetpts=PTS-{before}/TB"]
    if wav:
        chain += [
            f"aresample={WAV_RATE}:async=1:first_pts=0", "aformat=sample_fmts=s16:channel_layouts=mono",
            f"apad=whole_len={sound.samples}", f"atrim=end_sample={sound.samples}",
        ]  # fmt: skip
    else:
        chain += [
            "aresample=async=1:first_pts=0", "aformat=sample_fmts=fltp:channel_layouts=stereo|mono",
            f"apad=whole_dur={_seconds(sound.seconds)}", f"atrim=end={_seconds(sound.seconds)}",
        ]  # fmt: skip
    return ",".join(chain)


def _run_up(sound: Sound) -> float:
    """Return from where on sound is decoded, in seconds."""
    return max(0.0, sound.start - _RUN_UP)


def command(ffmpeg: Path, cut: Cut, target: Path) -> list[str]:
    """Return the command line that writes the clip to `target`, as MP4."""
    time_base = cut.time_base if cut.form.fps is None else 1 / cut.form.fps
    quality = ["-qp", "0"] if cut.form.codec is Codec.LOSSLESS else ["-crf", str(cut.form.crf)]
    # x264's two fastest presets leave out what saves most bytes for the time that it takes.
    ahead = ["-mbtree", "1", "-rc-lookahead", "20"] if cut.form.preset in SHORT_SIGHTED else []
    sound = cut.sound if cut.form.sound_inside else None
    return [
        *_begin(ffmpeg),
        *source(cut.raw, cut.container, cut.sought),
        *([] if sound is None else _sound_source(sound)),
        "-map", "0:v:0", *([] if sound is None else ["-map", "1:a:0"]),
        "-map_metadata", "-1", "-map_chapters", "-1", *(["-an"] if sound is None else []), "-sn", "-dn",
        "-filter_threads", "1", "-vf", filters(cut),
        "-c:v", "libx264", "-preset", cut.form.preset, *quality, *ahead,
        "-threads", str(cut.form.threads), "-pix_fmt", "yuv420p",
        "-fps_mode", "passthrough", "-enc_time_base:v", f"{time_base.numerator}:{time_base.denominator}",
        *([] if sound is None else ["-af", sound_filters(sound, wav=False)]),
        *([] if sound is None else ["-c:a", "aac", "-b:a", _AAC_BITS]),
        "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-movflags", "+faststart",
        "-f", "mp4", f"file:{target}",
    ]  # fmt: skip


def wav_command(ffmpeg: Path, sound: Sound, target: Path) -> list[str]:
    """Return the command line that writes a clip's sound to `target`, as WAV: 16 kHz, mono, 16 bits."""
    return [
        *_begin(ffmpeg),
        *_sound_source(sound),
        "-map", "0:a:0", "-map_metadata", "-1", "-map_chapters", "-1", "-vn", "-sn", "-dn",
        "-filter_threads", "1", "-af", sound_filters(sound, wav=True), "-c:a", "pcm_s16le",
        "-fflags", "+bitexact", "-flags:a", "+bitexact", "-f", "wav", f"file:{target}",
    ]  # fmt: skip


def _begin(ffmpeg: Path) -> list[str]:
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-y", "-v", "error", "-progress", "pipe:1", "-nostats",
        "-xerror", "-abort_on", "empty_output",
    ]  # fmt: skip


def source(raw: Path, container: str, start: float) -> list[str]:
    """Return the words that open a raw from some second on.

    It is untrusted: one demuxer, no other file, no other host, no giant frames.
    """
    return [
        "-protocol_whitelist", "file", "-f", DEMUXERS[container], "-max_pixels", str(MAX_SIDE**2),
        "-threads", "1", "-ss", _seconds(start), "-seek_timestamp", "1", "-i", f"file:{raw}",
    ]  # fmt: skip


def _sound_source(sound: Sound) -> list[str]:
    demuxer = (DEMUXERS | SOUND_DEMUXERS)[sound.container]
    return [
        "-protocol_whitelist", "file", "-f", demuxer, "-vn",
        "-ss", _seconds(_run_up(sound)), "-seek_timestamp", "1", "-i", f"file:{sound.file}",
    ]  # fmt: skip


async def encode(
    ffmpeg: Path,
    cut: Cut,
    target: Path,
    *,
    on_seconds: Callable[[float], None],
    guard: Guard = UNGUARDED,
) -> int:
    """Make one clip and return how many frames ffmpeg counted; `on_seconds` is told the seconds so far.

    Raises `Failure`: what ffmpeg's words mean, ``tool_missing``, ``timed_out``, ``stalled``.
    """
    return await _run(command(ffmpeg, cut, target), cut.interval.seconds, on_seconds, guard, cut.raw, target)


async def wav(ffmpeg: Path, sound: Sound, target: Path, *, guard: Guard = UNGUARDED) -> None:
    """Write the sound of one clip as WAV. Raises `Failure` as `encode` does."""
    argv = wav_command(ffmpeg, sound, target)
    await _run(argv, sound.seconds, lambda _seconds: None, guard, sound.file, target)


async def _run(  # noqa: PLR0913, PLR0917 - what two commands have in common
    argv: list[str],
    length: float,
    on_seconds: Callable[[float], None],
    guard: Guard,
    read: Path,
    target: Path,
) -> int:
    reached, counted = -1.0, 0

    def on_line(line: str) -> bool:
        nonlocal reached, counted
        key, _, value = line.partition("=")
        if key == "frame" and re.fullmatch(r"[0-9]{1,15}", value):
            counted = int(value)
        if key == "progress" and value == "end":
            return True
        if key != "out_time_us" or not re.fullmatch(r"[0-9]{1,15}", value):
            return False
        seconds = int(value) / 1e6
        # What goes on beyond the clip's end, for ever perhaps, is getting nowhere.
        if not reached < seconds <= length + 1:
            return False
        reached = seconds
        on_seconds(seconds)
        return True

    ended = await process.run(
        argv,
        # One frame in ten seconds is more than the slowest preset takes of the largest picture. What
        # stands still is ended by the stall watch, long before.
        deadline=STALL + 300 * length,
        stall=STALL,
        on_line=on_line,
        guard=guard,
    )
    if ended.code != 0:
        words = ended.words.replace(f"{read.parent}/", "").replace(f"{target.parent}/", "")
        raise Failure(classify_ffmpeg(ended.words), words or f"ffmpeg ended with {ended.code}")
    return counted


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
