"""ffmpeg's command lines: seek, filters, encoder, sound; and the one place that runs them.

The shape of the command rests on measurements that docs/architecture.md tells:

- ``-ss`` before the input does not decode from the beginning and is exact, as long as the interval's
  end is a ``trim`` filter: its bounds are time stamps, whereas ``-t`` counts from the first frame;
- ffmpeg rounds both ends to the nearest tick of the raw's clock, so they are rounded up beforehand:
  a frame is in the clip if and only if ``start <= PTS < end``;
- ``-seek_timestamp 1`` counts from the media's own zero also where its first time stamp is not 0;
- the source frames of a clip are known beforehand (`Cut.source`). Behind the ``trim``
  ffmpeg prints the time stamps of the first and the last one that arrive, whatever the clip's own rate, and
  they are compared. Where a decoder cannot start at the key frame that ffmpeg seeks to, as in a stream with
  intra refresh, the first frames are missing: then ffmpeg is started again, from further back;
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
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Codec
from hdtf_async.media import damage
from hdtf_async.media.containers import DEMUXERS, FROM_START, MAX_SIDE, demuxer_of, seeks_to
from hdtf_async.media.filters import (
    WAV_RATE,
    AudioCut,
    Cut,
    Source,
    decimal,
    frames_at,
    last_frame,
    run_up_of,
    side_lengths,
    sound_filters,
    video_filters,
)
from hdtf_async.output import atomic
from hdtf_async.process import supervisor
from hdtf_async.process.guard import UNGUARDED, Guard
from hdtf_async.process.stderr import classify_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable

    from hdtf_async.core.options import Options

__all__ = ["WAV_RATE", "AudioCut", "Cut", "Source", "frames_at", "side_lengths", "sound_filters"]
STALL = 120.0
"""Seconds without a new frame after which an encode is ended. Seeking takes a few."""
SHORT_SIGHTED = ("ultrafast", "superfast")
"""Presets of x264 without the look ahead (``mbtree``)."""
_AAC_BITS = "128k"
RUN_UPS = (0.0, 4.0, 16.0, 64.0, 256.0, inf)
"""Seconds by which decoding starts earlier, one after the other, until the first source frame is there."""
FROM_FURTHER_BACK = frozenset({Reason.INTERVAL_OUTSIDE, Reason.BOX_DOES_NOT_FIT, Reason.RAW_UNREADABLE})
"""What ffmpeg's words mean where decoding from further back may help, if no source frame was reported.

Nothing came out, or a frame before the interval has another size than the clip's.
"""
_RESTARTED = "Non-monotonic DTS"
_ROUNDING = 2e-6
"""Seconds by which time stamps may differ that are written with six decimals."""


def command(ffmpeg: Path, cut: Cut, target: Path, run_up: float = 0.0, *, strict: bool = True) -> list[str]:
    """Return the command line that writes the clip to `target`, as MP4.

    Decoding starts `run_up` seconds earlier than is usually needed. If `strict`, it ends at the first error.
    """
    time_base = cut.time_base if cut.form.fps is None else 1 / cut.form.fps
    quality = ["-qp", "0"] if cut.form.codec is Codec.LOSSLESS else ["-crf", str(cut.form.crf)]
    # x264's two fastest presets leave out what saves most bytes for the time that it takes.
    ahead = ["-mbtree", "1", "-rc-lookahead", "20"] if cut.form.preset in SHORT_SIGHTED else []
    sound = cut.sound if cut.form.sound_inside else None
    return [
        *_begin(ffmpeg, strict=strict),
        *(["-copyts"] if cut.copies_time else []),
        *(["-reinit_filter", "0"] if cut.recoloured else []),
        *source(cut.raw, cut.container, cut.sought_from(run_up)),
        *([] if sound is None else _sound_source(sound)),
        "-map", f"0:v:{cut.track}", *([] if sound is None else ["-map", f"1:a:{sound.track}"]),
        "-map_metadata", "-1", "-map_chapters", "-1", *(["-an"] if sound is None else []), "-sn", "-dn",
        "-filter_threads", "1", "-vf", video_filters(cut, run_up),
        "-c:v", "libx264", "-preset", cut.form.preset, *quality, *ahead,
        "-threads", str(cut.form.threads), "-pix_fmt", "yuv420p", *last_frame(cut),
        "-fps_mode", "passthrough", "-enc_time_base:v", f"{time_base.numerator}:{time_base.denominator}",
        *([] if sound is None else ["-af", sound_filters(sound, wav=False, copies_time=cut.copies_time)]),
        *([] if sound is None else ["-c:a", "aac", "-b:a", _AAC_BITS]),
        "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-movflags", "+faststart",
        "-f", "mp4", f"file:{target}",
    ]  # fmt: skip


def wav_command(ffmpeg: Path, sound: AudioCut, target: Path, *, strict: bool = True) -> list[str]:
    """Return the command line that writes a clip's sound to `target`, as WAV: 16 kHz, mono, 16 bits."""
    return [
        *_begin(ffmpeg, strict=strict),
        *_sound_source(sound),
        "-map", f"0:a:{sound.track}", "-map_metadata", "-1", "-map_chapters", "-1", "-vn", "-sn", "-dn",
        "-filter_threads", "1", "-af", sound_filters(sound, wav=True), "-c:a", "pcm_s16le",
        "-fflags", "+bitexact", "-flags:a", "+bitexact", "-f", "wav", f"file:{target}",
    ]  # fmt: skip


def _begin(ffmpeg: Path, *, strict: bool) -> list[str]:
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-y", "-v", "error", "-progress", "pipe:1", "-nostats",
        *(["-xerror"] if strict else []), "-abort_on", "empty_output",
    ]  # fmt: skip


def source(raw: Path, container: str, start: float) -> list[str]:
    """Return the words that open a raw from some second on.

    It is untrusted: one demuxer, no other file, no other host, no giant frames.
    """
    demuxer = DEMUXERS[container]
    return [
        "-protocol_whitelist", "file", "-f", demuxer, "-max_pixels", str(MAX_SIDE**2),
        "-threads", "1", *_seek(demuxer, start), "-i", f"file:{raw}",
    ]  # fmt: skip


def _seek(demuxer: str, start: float) -> list[str]:
    """Return the words that have ffmpeg seek, counting from the media's zero where it can."""
    if not seeks_to(demuxer, start):
        return []
    return ["-ss", decimal(start), *([] if demuxer in FROM_START else ["-seek_timestamp", "1"])]


def _sound_source(sound: AudioCut) -> list[str]:
    demuxer = demuxer_of(sound.container) or ""
    return [
        "-protocol_whitelist", "file", "-f", demuxer, "-vn",
        *_seek(demuxer, run_up_of(sound)), "-i", f"file:{sound.file}",
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

    Where ffmpeg reports an error, or the container is damaged somewhere, the interval is decoded once more
    (`damage`): that tells whether the clip is concerned, and whose fault it is.

    Raises `Failure`: what ffmpeg's words mean, ``tool_missing``, ``timed_out``, ``stalled``;
    ``raw_unreadable`` where the source is damaged within the clip; ``unsupported_source`` where the source
    frames that were decoded are not those of the clip; ``clip_wrong`` where that is ffmpeg's fault alone, or
    none of the decoded frames was written.
    """

    async def attempt(*, strict: bool) -> tuple[int, str]:
        return await _from_further_back(ffmpeg, cut, target, on_seconds, guard, strict=strict)

    try:
        counted, words = await attempt(strict=True)
    except Failure as failure:
        doubtful = isinstance(failure, _OtherFramesError) or failure.reason is Reason.RAW_UNREADABLE
        _raise_unless_outside(failure, cut, await damage.look(cut, guard) if doubtful else None)
        counted, _ = await attempt(strict=False)
        return counted
    if words or cut.suspect:
        found = await damage.look(cut, guard)
        if found is not None and found.damage:
            raise Failure(Reason.RAW_UNREADABLE, found.damage)
    return counted


def _raise_unless_outside(failure: Failure, cut: Cut, found: damage.Findings | None) -> None:
    """Raise what a failed attempt means for a clip, unless what ffmpeg stopped at lies outside of it."""
    if found is not None and found.damage:
        raise Failure(Reason.RAW_UNREADABLE, found.damage) from None
    if found is None or cut.source is None or found.frames != cut.source.frames:
        raise failure
    if isinstance(failure, _OtherFramesError):
        words = f"{failure.words}; another decoder finds all {found.frames} of them"
        raise Failure(Reason.CLIP_WRONG, words) from None
    if cut.counted is not None:
        raise failure  # a frame that is lost before the clip would shift it


async def _from_further_back(  # noqa: PLR0913 - what `encode` was told
    ffmpeg: Path,
    cut: Cut,
    target: Path,
    on_seconds: Callable[[float], None],
    guard: Guard,
    *,
    strict: bool,
) -> tuple[int, str]:
    """Start ffmpeg until the first source frame is there; return the frames that it counted, and its words.

    Raises `Failure` as `encode` does; `_OtherFramesError` where frames other than the source frames came out.
    """
    words, tried, reason = "", None, Reason.UNSUPPORTED_SOURCE
    for run_up in RUN_UPS:
        sought = cut.sought_from(run_up)
        if sought == tried:
            continue  # it was as early as can be
        tried = sought
        frames = _Frames(cut, run_up)
        argv = command(ffmpeg, cut, target, run_up, strict=strict)
        patience = cut.begin - sought
        try:
            ended = await _run(argv, cut.seconds, on_seconds, guard, cut.raw, target, frames.take, patience)
            frames.require_all()
        except _LateError as late:
            words, reason = late.words, late.reason
        except Failure as failure:
            if frames.begun and failure.reason is Reason.INTERVAL_OUTSIDE:
                decoded = "the source frames were decoded, but ffmpeg wrote none"
                raise Failure(Reason.CLIP_WRONG, _without_end(failure.words)[0] or decoded) from None
            if frames.begun or failure.reason not in FROM_FURTHER_BACK or cut.source is None:
                raise _of_size(failure, cut) from None
            words, reason = failure.words, failure.reason
            if reason is Reason.INTERVAL_OUTSIDE:
                words, reason = _without_end(words)
                words = words or f"none of the {cut.source.frames} source frames was decoded"
        else:
            return ended
    if reason in {Reason.RAW_UNREADABLE, Reason.BOX_DOES_NOT_FIT}:
        raise _of_size(Failure(reason, words), cut)
    raise _OtherFramesError(Reason.UNSUPPORTED_SOURCE, words)


def _of_size(failure: Failure, cut: Cut) -> Failure:
    """Return what a failure means where the filters refuse frames of another size than the clip's first one.

    Some encoders change it between key frames (AV1, VP9), which the probe does not see.
    """
    size = cut.looked_at
    if failure.reason is not Reason.BOX_DOES_NOT_FIT or cut.source is None or size is None:
        return failure
    if cut.box.right > size[0] or cut.box.bottom > size[1]:
        return failure
    words = f"the frames change their size; not all of them are {cut.source.width}x{cut.source.height}"
    return Failure(Reason.UNSUPPORTED_SOURCE, words)


def _without_end(words: str) -> tuple[str, Reason]:
    """Return what ffmpeg said besides that its output is empty, and what that means."""
    others = "\n".join(line for line in words.splitlines() if "is empty" not in line)
    return others, classify_ffmpeg(others)


class _OtherFramesError(Failure):
    """The source frames that ffmpeg reported are not those of the clip."""


class _LateError(_OtherFramesError):
    """The first source frame is missing: the decoder could not start where ffmpeg had sought to."""


_REPORTED = re.compile(r"frame:([0-9]{1,9}) +pts:(-?[0-9]{1,18}) ")


class _Frames:
    """Compares the source frames that ffmpeg reports with those that are due."""

    def __init__(self, cut: Cut, run_up: float) -> None:
        self._cut, self._source = cut, cut.source
        self._origin = cut.ticks(cut.origin(run_up))
        self.begun = False
        """Whether the first source frame was reported."""
        self._ended = False

    def take(self, line: str) -> None:
        """Take a line of ffmpeg's output. Raises `Failure` for a frame that is not due."""
        found = _REPORTED.match(line)
        if found is None or self._source is None:
            return
        place, tick = int(found[1]), int(found[2]) + self._origin
        if place == 0:
            self._require("first", tick, self._source.first)
            self.begun = True
        if place == self._source.frames - 1:
            self._require("last", tick, self._source.last)
            self._ended = True
        elif place >= self._source.frames:
            words = f"more than the {self._source.frames} source frames were decoded"
            raise _OtherFramesError(Reason.UNSUPPORTED_SOURCE, words)

    def require_all(self) -> None:
        """Raise `Failure` with ``unsupported_source`` unless the last source frame was reported."""
        if self._source is None or self._ended:
            return
        if not self.begun:
            words = f"none of the {self._source.frames} source frames was decoded"
            raise _LateError(Reason.UNSUPPORTED_SOURCE, words)
        words = f"not all of the {self._source.frames} source frames were decoded"
        words = f"{words}, up to {self._source.last:.3f} s"
        raise _OtherFramesError(Reason.UNSUPPORTED_SOURCE, words)

    def _require(self, which: str, tick: int, second: float) -> None:
        if abs(tick - self._cut.ticks(second)) > max(1, self._cut.ticks(_ROUNDING)):
            found = float(tick * self._cut.time_base)
            words = f"the {which} source frame is at {found:.3f} s, expected {second:.3f} s"
            raise (_LateError if which == "first" else _OtherFramesError)(Reason.UNSUPPORTED_SOURCE, words)


async def wav(ffmpeg: Path, sound: AudioCut, target: Path, *, guard: Guard = UNGUARDED) -> None:
    """Write the sound of one clip as WAV. Raises `Failure` as `encode` does."""

    async def attempt(*, strict: bool) -> str:
        argv = wav_command(ffmpeg, sound, target, strict=strict)
        _, words = await _run(argv, sound.seconds, lambda _seconds: None, guard, sound.file, target)
        return words

    try:
        words = await attempt(strict=True)
    except Failure as failure:
        if failure.reason is Reason.INTERVAL_OUTSIDE:
            words, _ = _without_end(failure.words)  # silence would have come out where there is no sound
            raise Failure(Reason.RAW_UNREADABLE, words or "no audio can be decoded") from None
        if failure.reason is not Reason.RAW_UNREADABLE:
            raise
        found = await damage.look_at_sound(sound, guard)
        if found is None:
            raise
        if found.damage:
            raise Failure(Reason.RAW_UNREADABLE, found.damage) from None
        await attempt(strict=False)
    else:
        found = await damage.look_at_sound(sound, guard) if words or sound.suspect else None
        if found is not None and found.damage:
            raise Failure(Reason.RAW_UNREADABLE, found.damage)


def _nothing(_line: str) -> None:
    pass


async def _run(  # noqa: PLR0913, PLR0917 - what two commands have in common
    argv: list[str],
    length: float,
    on_seconds: Callable[[float], None],
    guard: Guard,
    read: Path,
    target: Path,
    on_other: Callable[[str], None] = _nothing,
    patience: float = 0.0,
) -> tuple[int, str]:
    reached, counted = -1.0, 0

    def on_line(line: str) -> bool:
        nonlocal reached, counted
        key, _, value = line.partition("=")
        if key == "frame" and re.fullmatch(r"[0-9]{1,15}", value):
            counted = int(value)
        if key == "progress" and value == "end":
            return True
        if key != "out_time_us" or not re.fullmatch(r"[0-9]{1,15}", value):
            on_other(line)
            return False
        seconds = int(value) / 1e6
        # What goes on beyond the clip's end, for ever perhaps, is getting nowhere.
        if not reached < seconds <= length + 1:
            return False
        reached = seconds
        on_seconds(seconds)
        return True

    ended = await supervisor.run(
        argv,
        # Decoding alone is faster than the video plays. Then
        # one frame in ten seconds is more than the slowest preset takes of the largest picture. What
        # stands still is ended by the stall watch, long before.
        deadline=STALL + patience + 300 * length,
        stall=STALL + patience,
        on_line=on_line,
        guard=guard,
    )
    if ended.code != 0:
        if _RESTARTED in ended.words:  # the filters were made anew, and began once more
            what = "frames change, or their time stamps go back,"
            if "[aost#" in ended.words:
                what = "audio changes its sample rate or channels"
            raise Failure(Reason.UNSUPPORTED_SOURCE, f"the {what} within the clip")
        words = ended.words.replace(f"{read.parent}/", "").replace(f"{target.parent}/", "")
        words = words.replace(target.name, atomic.final_name(target.name))
        raise Failure(classify_ffmpeg(ended.words), words or f"ffmpeg ended with {ended.code}")
    return counted, ended.words


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
    ended = await supervisor.run([str(ffmpeg), "-version"], deadline=30, keep=1 << 16)
    said = re.match(rb"ffmpeg version (\S{1,80})", ended.out)
    if ended.code != 0 or said is None:
        raise Failure(Reason.TOOL_MISSING, f"{ffmpeg} is not ffmpeg (unexpected output of -version)")
    built = re.search(rb"^configuration: (.*)", ended.out, re.MULTILINE)
    switches = built[1].decode("ascii", "replace").split() if built else ()
    return About(said[1].decode("ascii", "replace"), frozenset(switches))


def find_ffmpeg(options: Options) -> Path:
    """Return the ffmpeg to use. Raises `Failure` with ``tool_missing``."""
    return bundled_ffmpeg() if options.ffmpeg is None else options.ffmpeg.absolute()


def bundled_ffmpeg() -> Path:
    """Return the ffmpeg that came with this environment, whatever PATH has, so that results repeat.

    Raises `Failure` with ``tool_missing`` where imageio-ffmpeg has none for this machine.
    """
    import imageio_ffmpeg  # noqa: PLC0415 - costs 40 ms, and a finished directory needs no ffmpeg

    try:
        return Path(str(imageio_ffmpeg.get_ffmpeg_exe()))
    except RuntimeError as error:
        raise Failure(Reason.TOOL_MISSING, f"imageio-ffmpeg: {error}") from error
