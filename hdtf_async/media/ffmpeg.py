"""Build and run ffmpeg's command lines: seek, filters, encoder, audio.

The command lines rest on measurements (see docs/architecture.md):

- ``-ss`` before the input avoids decoding from the beginning and is exact if the end of the interval is a
  ``trim`` filter: its bounds are timestamps, whereas ``-t`` counts from the first frame.
- ffmpeg rounds both ends to the nearest tick of the source's clock, so they are rounded up beforehand: a
  frame is in the clip if and only if ``start <= PTS < end``.
- ``-seek_timestamp 1`` counts from the zero of the media even if its first timestamp is not 0.
- The source frames of a clip are determined beforehand (`Cut.source`). After the ``trim`` ffmpeg prints the
  timestamps of the first and the last frame, whatever the clip's frame rate, and they are compared. If a
  decoder cannot start at the key frame that ffmpeg seeks to, as in a stream with intra refresh, the first
  frames are missing: then ffmpeg is started again further back.
- One thread for the decoder, one for the encoder, and as many processes as CPUs give the best throughput. The
  number of encoder threads is one of the output settings, because it changes the stream that x264 writes.
- In an open group of pictures a key frame is displayed later than its position in the file. ffmpeg would seek
  to it from in between, and lose the frames that need earlier ones, so it seeks that much further back.
- ``bwdif`` with ``deint=interlaced`` changes nothing and costs nothing if no frame is flagged.
- Audio is cut from its own file together with the video, from the timestamp of the clip's first frame on.
  Decoding starts one second earlier, because codecs give wrong samples right after a seek.
- ``-fps_mode passthrough`` with the time base of the source preserves the timestamp of every frame. The time
  base is given as a number: ffmpeg 5.1 does not support the word ``demux`` for it, 9.0 does not support -1.

Tested with ffmpeg 5.1.9 and 9.0.2. In 7.0.2 ``setpts`` removes the duration of the last frame, and players
drop that frame: without ``--fps`` a run refuses it at the start.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Codec
from hdtf_async.media import damage
from hdtf_async.media.containers import DEMUXERS, FROM_START, MAX_SIDE, demuxer_of, seeks_to
from hdtf_async.media.filters import (
    audio_decoded_from,
    audio_filters,
    decimal,
    last_frame_args,
    video_filters,
)
from hdtf_async.media.printed import Frames, LateError, OtherFramesError, Printed, Progress
from hdtf_async.media.run import FfmpegError, run_ffmpeg
from hdtf_async.process.guard import UNGUARDED, Guard
from hdtf_async.process.stderr import classify_ffmpeg
from hdtf_async.process.supervisor import Command, Ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from hdtf_async.core.options import Options
    from hdtf_async.media.cut import AudioCut, Cut
    from hdtf_async.media.measurements import Measurements

STALL = 120.0
"""Seconds without a new frame after which an encode is terminated. Seeking takes a few."""
PRESETS_WITHOUT_MBTREE = ("ultrafast", "superfast")
"""x264 presets that switch macroblock-tree rate control (``mbtree``) off, and the look-ahead with it."""
_AAC_BITS = "128k"
PREROLLS = (0.0, 4.0, 16.0, 64.0, 256.0, inf)
"""Seconds by which decoding starts earlier, tried in order until the first source frame is decoded."""
FROM_FURTHER_BACK = frozenset({Reason.INTERVAL_OUTSIDE, Reason.BOX_DOES_NOT_FIT, Reason.RAW_UNREADABLE})
"""Reasons for which decoding from further back may help, if no source frame was reported.

There was no output, or a frame before the interval has another size than the clip's.
"""
_RESTARTED = "Non-monotonic DTS"


def distinct_prerolls(cut: Cut) -> list[float]:
    """Return those of `PREROLLS` that lead to different positions; several may reach the beginning."""
    positions: dict[float, float] = {}
    for preroll in PREROLLS:
        positions.setdefault(cut.sought_from(preroll), preroll)
    return [*positions.values()]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How one attempt to write a clip decodes the source video."""

    preroll: float = 0.0
    """Seconds by which it starts earlier than usually needed."""
    strict: bool = True
    """Whether it ends at the first error."""
    measures: bool = False
    """Whether it prints facts about the frames (see `measurements`). The clip is the same."""


def clip_command(ffmpeg: Path, cut: Cut, target: Path, decoding: Decoding = Decoding()) -> list[str]:
    """Return the command line that writes the clip to `target`, as MP4."""
    time_base = cut.time_base if cut.settings.fps is None else 1 / cut.settings.fps
    quality = ["-qp", "0"] if cut.settings.codec is Codec.LOSSLESS else ["-crf", str(cut.settings.crf)]
    # x264's two fastest presets omit the step that saves most bytes for its time.
    ahead = ["-mbtree", "1", "-rc-lookahead", "20"] if cut.settings.preset in PRESETS_WITHOUT_MBTREE else []
    audio = cut.audio if cut.settings.has_audio_stream else None
    return [
        *_begin(ffmpeg, strict=decoding.strict),
        *(["-copyts"] if cut.copies_time else []),
        *(["-reinit_filter", "0"] if cut.recoloured else []),
        *input_args(cut.raw, cut.container, cut.sought_from(decoding.preroll)),
        *([] if audio is None else _audio_input_args(audio)),
        "-map", f"0:v:{cut.track}", *([] if audio is None else ["-map", f"1:a:{audio.track}"]),
        "-map_metadata", "-1", "-map_chapters", "-1", *(["-an"] if audio is None else []), "-sn", "-dn",
        "-filter_threads", "1", "-vf", video_filters(cut, decoding.preroll, measures=decoding.measures),
        "-c:v", "libx264", "-preset", cut.settings.preset, *quality, *ahead,
        "-threads", str(cut.settings.threads), "-pix_fmt", "yuv420p", *last_frame_args(cut),
        "-fps_mode", "passthrough", "-enc_time_base:v", f"{time_base.numerator}:{time_base.denominator}",
        *([] if audio is None else ["-af", audio_filters(audio, wav=False, copies_time=cut.copies_time)]),
        *([] if audio is None else ["-c:a", "aac", "-b:a", _AAC_BITS]),
        "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-movflags", "+faststart",
        "-f", "mp4", f"file:{target}",
    ]  # fmt: skip


def wav_command(ffmpeg: Path, audio: AudioCut, target: Path, *, strict: bool = True) -> list[str]:
    """Return the command line that writes a clip's audio to `target`, as WAV: 16 kHz, mono, 16 bit."""
    return [
        *_begin(ffmpeg, strict=strict),
        *_audio_input_args(audio),
        "-map", f"0:a:{audio.track}", "-map_metadata", "-1", "-map_chapters", "-1", "-vn", "-sn", "-dn",
        "-filter_threads", "1", "-af", audio_filters(audio, wav=True), "-c:a", "pcm_s16le",
        "-fflags", "+bitexact", "-flags:a", "+bitexact", "-f", "wav", f"file:{target}",
    ]  # fmt: skip


def _begin(ffmpeg: Path, *, strict: bool) -> list[str]:
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-y", "-v", "error", "-progress", "pipe:1", "-nostats",
        *(["-xerror"] if strict else []), "-abort_on", "empty_output",
    ]  # fmt: skip


def input_args(raw: Path, container: str, start: float) -> list[str]:
    """Return the arguments that open a source video at a position in seconds.

    It is untrusted: one demuxer, no other file, no other host, no oversized frames.
    """
    demuxer = DEMUXERS[container]
    return [
        "-protocol_whitelist", "file", "-f", demuxer, "-max_pixels", str(MAX_SIDE**2),
        "-threads", "1", *_seek(demuxer, start), "-i", f"file:{raw}",
    ]  # fmt: skip


def _seek(demuxer: str, start: float) -> list[str]:
    """Return the arguments for seeking, counted from the zero of the media if possible."""
    if not seeks_to(demuxer, start):
        return []
    return ["-ss", decimal(start), *([] if demuxer in FROM_START else ["-seek_timestamp", "1"])]


def _audio_input_args(audio: AudioCut) -> list[str]:
    demuxer = demuxer_of(audio.container) or ""
    return [
        "-protocol_whitelist", "file", "-f", demuxer, "-vn",
        *_seek(demuxer, audio_decoded_from(audio)), "-i", f"file:{audio.file}",
    ]  # fmt: skip


async def encode(  # noqa: PLR0913 - all after the target have names
    ffmpeg: Path,
    cut: Cut,
    target: Path,
    *,
    on_seconds: Callable[[float], None],
    guard: Guard = UNGUARDED,
    measured: Measurements | None = None,
) -> int:
    """Create one clip and return the number of frames that ffmpeg reports.

    `on_seconds` is called with the seconds encoded so far. `measured` receives facts about the frames.
    If ffmpeg reports an error, or the container is damaged somewhere, the interval is decoded a second time
    (`damage`), which determines whether the clip is affected and whether the source or ffmpeg is the cause.

    Raises `Failure`: the reason that ffmpeg's message indicates, ``tool_missing``, ``timed_out``,
    ``stalled``; ``raw_unreadable`` if the source is damaged within the clip; ``unsupported_source`` if the
    decoded source frames are not those of the clip; ``clip_wrong`` if ffmpeg alone is the cause, or none of
    the decoded frames was written.
    """
    attempts = _EncodeAttempts(ffmpeg, cut, target, on_seconds, guard, measured)
    try:
        counted, stderr = await attempts.write(strict=True)
    except Failure as failure:
        doubtful = isinstance(failure, OtherFramesError) or failure.reason is Reason.RAW_UNREADABLE
        _raise_unless_outside(failure, cut, await damage.look(cut, guard) if doubtful else None)
        counted, _ = await attempts.write(strict=False)
        return counted
    if stderr or cut.suspect:
        found = await damage.look(cut, guard)
        if found is not None and found.damage:
            raise Failure(Reason.RAW_UNREADABLE, found.damage)
    return counted


def _raise_unless_outside(failure: Failure, cut: Cut, found: damage.Findings | None) -> None:
    """Raise the failure of an attempt, unless the error is outside the clip."""
    if found is not None and found.damage:
        raise Failure(Reason.RAW_UNREADABLE, found.damage) from None
    if found is None or cut.source is None or found.frames < cut.source.frames:
        raise failure
    if isinstance(failure, OtherFramesError):
        message = f"{failure.words}; another decoder finds all {found.frames} of them"
        raise Failure(Reason.CLIP_WRONG, message) from None
    if cut.counted is not None:
        raise failure  # a frame that is lost before the clip would shift it


@dataclass(frozen=True, slots=True)
class _EncodeAttempts:
    """Attempts to write a clip, each decoding from further back than the one before."""

    ffmpeg: Path
    cut: Cut
    target: Path
    on_seconds: Callable[[float], None]
    guard: Guard
    measured: Measurements | None

    async def write(self, *, strict: bool) -> tuple[int, str]:
        """Run ffmpeg, from further back if needed; return its number of frames and its stderr.

        It is run until the first source frame is decoded. Raises `Failure` as `encode` does;
        `OtherFramesError` if frames other than the source frames were decoded.
        """
        last = Failure(Reason.UNSUPPORTED_SOURCE)
        for preroll in distinct_prerolls(self.cut):
            frames = Frames(self.cut, preroll)
            try:
                ended = await self._once(preroll, frames, strict=strict)
                frames.require_all()
            except Failure as failure:
                if (final := self._judge(failure, frames)) is not None:
                    raise final from None
                last = failure
            else:
                return ended
        raise self._never_begun(last)

    def _judge(self, failure: Failure, frames: Frames) -> Failure | None:
        """Return the failure of the clip; None if decoding from further back may help."""
        if isinstance(failure, LateError):
            return None
        if frames.begun and failure.reason is Reason.INTERVAL_OUTSIDE:
            decoded = "the source frames were decoded, but ffmpeg wrote none"
            return Failure(Reason.CLIP_WRONG, _without_end(failure.words)[0] or decoded)
        if frames.begun or failure.reason not in FROM_FURTHER_BACK or self.cut.source is None:
            return _of_size(failure, self.cut)
        return None

    def _never_begun(self, last: Failure) -> Failure:
        """Return the failure of a clip whose first source frame no attempt decoded, from the last one's."""
        message, reason = last.words, last.reason
        if reason is Reason.INTERVAL_OUTSIDE and self.cut.source is not None:
            message, reason = _without_end(message)
            message = message or f"none of the {self.cut.source.frames} source frames was decoded"
        if reason in {Reason.RAW_UNREADABLE, Reason.BOX_DOES_NOT_FIT}:
            return _of_size(Failure(reason, message), self.cut)
        return OtherFramesError(Reason.UNSUPPORTED_SOURCE, message)

    async def _once(self, preroll: float, frames: Frames, *, strict: bool) -> tuple[int, str]:
        measured = self.measured
        if measured is not None:
            measured.clear()
        decoding = Decoding(preroll, strict, measures=measured is not None)
        argv = clip_command(self.ffmpeg, self.cut, self.target, decoding)
        progress = Progress(self.cut.seconds, self.on_seconds, Printed(frames, measured).line)
        stderr = await _run(argv, progress, self.guard, self.cut.begin - self.cut.sought_from(preroll))
        return progress.frames, stderr


def _of_size(failure: Failure, cut: Cut) -> Failure:
    """Return the failure of a clip in which the filters rejected frames of another size than its first one.

    Some encoders change the size between key frames (AV1, VP9), which the probe does not detect.
    """
    if failure.reason is not Reason.BOX_DOES_NOT_FIT or cut.source is None or not cut.box_fits:
        return failure
    message = f"the frames change their size; not all of them are {cut.source.width}x{cut.source.height}"
    return Failure(Reason.UNSUPPORTED_SOURCE, message)


def _without_end(stderr: str) -> tuple[str, Reason]:
    """Return ffmpeg's messages without the one about empty output, and the reason that they indicate."""
    others = "\n".join(line for line in stderr.splitlines() if "is empty" not in line)
    return others, classify_ffmpeg(others)


async def wav(ffmpeg: Path, audio: AudioCut, target: Path, *, guard: Guard = UNGUARDED) -> None:
    """Write the audio of one clip as WAV. Raises `Failure` as `encode` does."""

    async def attempt(*, strict: bool) -> str:
        return await _run(wav_command(ffmpeg, audio, target, strict=strict), Progress(audio.seconds), guard)

    try:
        stderr = await attempt(strict=True)
    except Failure as failure:
        if failure.reason is Reason.INTERVAL_OUTSIDE:
            stderr, _ = _without_end(failure.words)  # the filters output silence for missing audio
            raise Failure(Reason.RAW_UNREADABLE, stderr or "no audio can be decoded") from None
        if failure.reason is not Reason.RAW_UNREADABLE:
            raise
        found = await damage.look_at_audio(audio, guard)
        if found is None:
            raise
        if found.damage:
            raise Failure(Reason.RAW_UNREADABLE, found.damage) from None
        await attempt(strict=False)
    else:
        found = await damage.look_at_audio(audio, guard) if stderr or audio.suspect else None
        if found is not None and found.damage:
            raise Failure(Reason.RAW_UNREADABLE, found.damage)


async def _run(argv: list[str], progress: Progress, guard: Guard, patience: float = 0.0) -> str:
    """Run ffmpeg and return its messages.

    `patience` is added to both limits, for the whole run: that of the time without a new frame, and the
    deadline. ffmpeg needs it before its first frame, to decode up to there.
    """
    try:
        ended = await run_ffmpeg(
            Command(argv),
            deadline=STALL + patience + 300 * progress.length,
            stall=STALL + patience,
            on_line=progress.line,
            guard=guard,
        )
    except FfmpegError as failure:
        if _RESTARTED in failure.words:  # the filters were reinitialised, and started again
            video = "frames change, or their timestamps go back,"
            what = "audio changes its sample rate or channels" if "[aost#" in failure.words else video
            raise Failure(Reason.UNSUPPORTED_SOURCE, f"the {what} within the clip") from None
        raise
    return ended.stderr


@dataclass(frozen=True, slots=True)
class FfmpegVersion:
    """What an ffmpeg executable reports about itself."""

    version: str
    """Such as ``n9.0.2``."""
    switches: frozenset[str]
    """Its build options, such as ``--enable-libx264``; empty if it does not report them."""


async def read_version(ffmpeg: Path) -> FfmpegVersion:
    """Return what ``-version`` reports.

    Raises `Failure` with ``tool_missing`` if ffmpeg cannot be started or reports no version.
    """
    try:
        ended = await run_ffmpeg(Command([str(ffmpeg), "-version"], max_stdout=1 << 16), deadline=30)
    except FfmpegError:
        ended = Ended(1, "", b"")
    found = re.match(rb"ffmpeg version (\S{1,80})", ended.out)
    if found is None:
        raise Failure(Reason.TOOL_MISSING, f"{ffmpeg} is not ffmpeg (unexpected output of -version)")
    switches = b" ".join(re.findall(rb"^configuration: (.*)", ended.out, re.MULTILINE))
    return FfmpegVersion(
        found[1].decode("ascii", "replace"), frozenset(switches.decode("ascii", "replace").split())
    )


def find_ffmpeg(options: Options) -> Path:
    """Return the ffmpeg to use. Raises `Failure` with ``tool_missing``."""
    return bundled_ffmpeg() if options.ffmpeg is None else options.ffmpeg.absolute()


def bundled_ffmpeg() -> Path:
    """Return the ffmpeg of imageio-ffmpeg; without that package, of PATH. Raises `Failure` (tool_missing)."""
    try:
        import imageio_ffmpeg  # noqa: PLC0415 - takes 40 ms, and a finished directory needs no ffmpeg

        return Path(str(imageio_ffmpeg.get_ffmpeg_exe()))
    except (ImportError, RuntimeError) as error:
        if isinstance(error, ImportError) and (found := shutil.which("ffmpeg")):
            return Path(found).absolute()
        raise Failure(Reason.TOOL_MISSING, f"no ffmpeg: {error}") from error
