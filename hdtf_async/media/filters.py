"""Describe one clip for ffmpeg, and build its filter chains. Pure.

The reasons for the chains are in `ffmpeg`, which builds the command lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from hdtf_async.core.model import Box, Deinterlace, Fit, Interval
from hdtf_async.media.containers import INACCURATE, demuxer_of, seeks_to
from hdtf_async.media.measurements import MARK, branch

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.core.model import OutputSettings

WAV_RATE = 16_000
"""Samples per second of the WAV files, as nearly all training code expects."""
_RUN_UP = 1.0
"""Seconds of audio that are decoded before the first needed sample."""
_SCALER = "flags=lanczos+accurate_rnd+full_chroma_int"


@dataclass(frozen=True, slots=True)
class AudioCut:
    """The audio of one clip, for ffmpeg."""

    file: Path
    container: str
    """File extension without the dot; selects the demuxer."""
    start: float
    """Timestamp of the clip's first frame, in seconds."""
    seconds: float
    """Duration of the clip."""
    track: int = 0
    """Index of the stream among the audio streams of the file, from 0."""
    zero: float | None = None
    """Second of the file's clock at which its timeline begins, if that may be any; see `Cut.zero`."""
    suspect: bool = False
    """Whether its container is damaged somewhere."""

    @property
    def samples(self) -> int:
        """Number of samples of the WAV file, at `WAV_RATE`."""
        return round(self.seconds * WAV_RATE)


@dataclass(frozen=True, slots=True)
class Source:
    """The source frames of a clip. Timestamps are in seconds of the source video."""

    frames: int
    """Their number."""
    first: float
    """Timestamp of the first one."""
    last: float
    """Timestamp of the last one."""
    width: int
    height: int
    """Pixels of a decoded frame: cropped by the container, and rotated upright."""
    step: float
    """The usual distance between two frames, in seconds."""
    seconds: float
    """Expected duration of the clip."""
    held: float = 0.0
    """Seconds for which the first frame is held at the start, if it is from before the interval; otherwise
    0."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One clip, for ffmpeg."""

    raw: Path
    container: str
    """File extension of the source video without the dot; selects the demuxer."""
    interval: Interval
    box: Box
    """In pixels of the source video."""
    width: int
    height: int
    """In pixels of the clip."""
    frames: int
    """Expected number of frames of the clip."""
    settings: OutputSettings
    time_base: Fraction = Fraction(1, 90000)
    """Seconds per tick of the source video's timestamps; the default is that of most videos."""
    source: Source | None = None
    """The source frames of the clip; None if unknown, and then not verified."""
    zero: float | None = None
    """Second of the source's clock at which its timeline begins, if that may be any; None if it is 0.

    If set, ffmpeg keeps all timestamps unchanged (``-copyts``): any other way of counting from there depends
    on which streams are read.
    """
    track: int = 0
    """Index of the stream among the video streams of the source, from 0."""
    hold: float | None = None
    """Seconds for which the last frame is shown; None if ffmpeg copies the correct duration."""
    squared: tuple[int, int] | None = None
    """Width and height after making pixels square, if they are not; the box refers to these."""
    full_range: bool = False
    """Whether the source's samples use the full range. Those of clips never do: much code expects limited
    range."""
    hdr: str | None = None
    """Transfer function of the source (``smpte2084``, ``arib-std-b67``), if it is HDR."""
    hdr_undeclared: tuple[bool, bool] = (False, False)
    """Whether its primaries and its matrix are undeclared."""
    counted: tuple[Fraction, Fraction] | None = None
    """Timestamp of the source's first frame, and seconds per frame, if the time of a frame only follows from
    its number; then everything is decoded from the beginning, and frames are counted."""
    recoloured: bool = False
    """Whether ffmpeg may decode frames of another size, colour or pixel format midway."""
    parity: str | None = None
    """Which field is first (``tff``, ``bff``), if combing was detected in the source."""
    lead: float = 0.0
    """Seconds between the position of the source's key frames and their display time, if that matters."""
    audio: AudioCut | None = None
    """Its audio, if requested."""
    suspect: bool = False
    """Whether the source's container is damaged somewhere, so that frames may be missing in the interval."""

    @property
    def sought(self) -> float:
        """Second that ffmpeg seeks to, on a tick: early enough for the whole interval."""
        return self.sought_from(0.0)

    def sought_from(self, run_up: float) -> float:
        """Return the second that ffmpeg seeks to, `run_up` seconds earlier than usually needed."""
        begin = self.begin
        if self.counted is not None:
            return 0.0
        if not self.lead and not run_up:
            return begin
        if run_up >= begin:
            return 0.0
        early = Fraction(str(begin)) - Fraction(str(self.lead)) - Fraction(str(run_up))
        return max(0.0, float(early // self.time_base * self.time_base))

    @property
    def held(self) -> bool:
        """Whether the first frame is from before the interval."""
        return self.source is not None and self.source.held > 0

    @property
    def copies_time(self) -> bool:
        """Whether ffmpeg keeps all timestamps unchanged; otherwise they count from the seek position."""
        inside = self.audio if self.settings.has_audio_stream else None
        return self.zero is not None or (inside is not None and inside.zero is not None)

    def origin(self, run_up: float = 0.0) -> float:
        """Return the second of the source's timeline from which the filters count."""
        return -(self.zero or 0.0) if self.copies_time else self.sought_from(run_up)

    @property
    def begin(self) -> float:
        """Second of the source from which on frames are used."""
        return self.source.first if self.source is not None and self.held else self.ticked.start

    @property
    def span(self) -> float:
        """Seconds from the first to the last frame of the clip, if it keeps the source's timestamps."""
        if self.source is None:
            return self.interval.seconds
        return max(0.0, self.source.last - (self.ticked.start if self.held else self.source.first))

    @property
    def seconds(self) -> float:
        """Expected duration of the clip."""
        return self.interval.seconds if self.source is None else self.source.seconds

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """Width and height of the frame to which the box refers, if known."""
        if self.source is None:
            return None
        return self.squared or (self.source.width, self.source.height)

    @property
    def box_fits(self) -> bool:
        """Whether the box is inside the frame to which it refers, as far as that is known."""
        size = self.frame_size
        return size is not None and self.box.right <= size[0] and self.box.bottom <= size[1]

    @property
    def ticked(self) -> Interval:
        """The interval with both ends rounded up to a tick, which contains exactly the same frames."""
        start, end = (
            float(ceil(Fraction(str(second)) / self.time_base) * self.time_base)
            for second in (self.interval.start, self.interval.end)
        )
        return Interval(start, end)

    def ticks(self, seconds: float) -> int:
        """Return seconds as ticks of the source's time base, rounded to the nearest."""
        return round(Fraction(str(seconds)) / self.time_base)


def side_lengths(box: Box, size: int | None, fit: Fit = Fit.KEEP) -> tuple[int, int]:
    """Return width and height of a clip in pixels, both even; `size` is its shorter side, or both sides."""
    if size is not None and fit is not Fit.KEEP:
        return size, size
    if size is None:
        return box.width - box.width % 2, box.height - box.height % 2
    longer = 2 * round(Fraction(size * max(box.width, box.height), 2 * min(box.width, box.height)))
    return (size, longer) if box.width <= box.height else (longer, size)


def scaled(cut: Cut) -> tuple[int, int]:
    """Return width and height of the picture in pixels, both even, without black bars."""
    wide, high = cut.box.width, cut.box.height
    if cut.settings.fit is not Fit.PAD or wide == high:
        return cut.width, cut.height
    shorter = max(2, 2 * round(Fraction(cut.width * min(wide, high), 2 * max(wide, high))))
    return (shorter, cut.height) if wide < high else (cut.width, shorter)


def frames_at(rate: Fraction, seconds: float) -> int:
    """Return how many frames an interval has at a constant rate; half a frame is rounded up."""
    # A difference of two decimal numbers has an error in its last digits.
    return int(Fraction(str(round(seconds, 6))) * rate + Fraction(1, 2))


def video_filters(cut: Cut, run_up: float = 0.0, *, measures: bool = False) -> str:
    """Return the filter chain: deinterlace, trim, frame rate, crop, scale, in this order.

    If it `measures`, it contains a branch that only measures the scaled frames.
    """
    origin = cut.origin(run_up)
    before = cut.begin - origin
    start = f"start={decimal(before)}:" if before else ""
    chain = [*decoded_frames(cut), *_whole_pictures(cut)]
    chain += [f"trim={start}end={decimal(cut.ticked.end - origin)}", *_reported(cut)]
    if cut.held:
        # The frame on screen at the start of the interval is moved to the start; the others keep their times.
        chain.append(f"setpts='max(PTS-{cut.ticks(cut.ticked.start) - cut.ticks(origin)},0)'")
    else:
        chain.append("setpts=PTS-STARTPTS")
    if cut.settings.fps is not None:
        # Hold the last frame for a second, because `fps` drops a frame without remaining time, and then as
        # long as needed, so that the number of frames is exact at any rate.
        chain += [
            f"tpad=stop_mode=clone:stop_duration=1,fps={cut.settings.fps}",
            f"tpad=stop_mode=clone:stop={cut.frames},trim=end_frame={cut.frames}",
        ]
    source = cut.source
    if cut.squared is not None:
        if source is not None:
            whole = Box(0, 0, source.width, source.height)
            chain.append(_crop(whole, (source.width, source.height)))
        chain.append(f"scale={cut.squared[0]}:{cut.squared[1]}:{_SCALER}")
    chain.append(_crop(cut.box, cut.frame_size))
    if cut.hdr is not None:
        chain += _to_standard_range(cut)
    to_range = ["out_range=tv"] if cut.full_range and cut.hdr is None else []
    width, height = scaled(cut)
    if (width, height) != (cut.box.width, cut.box.height):
        chain.append(":".join([f"scale={width}:{height}", *to_range, _SCALER]))
    elif to_range:
        chain.append(f"scale={to_range[0]}:{_SCALER}")
    if measures:
        chain.append(branch())
    if (width, height) != (cut.width, cut.height):
        chain.append(f"pad={cut.width}:{cut.height}:-1:-1")
    chain.append("setsar=1")
    return ",".join(chain)


def _crop(box: Box, frame: tuple[int, int] | None) -> str:
    """Return the filter that crops a box from a frame of a known size.

    ffmpeg would silently move a box that extends beyond the frame, exact or not, but rejects an invalid
    width. So frames of another size than the one in which the box was placed are rejected too.
    """
    fits = f"gte(iw,{box.right})*gte(ih,{box.bottom})"
    if frame is not None:
        fits += f"*eq(iw,{frame[0]})*eq(ih,{frame[1]})"
    return f"crop='if({fits},{box.width},0)':{box.height}:{box.left}:{box.top}:exact=1"


def _to_standard_range(cut: Cut) -> list[str]:
    """Return the filters that convert HDR to BT.709, in linear light, with 100 nits as white.

    Undeclared properties of the source are assumed to be those of BT.2100.
    """
    no_primaries, no_matrix = cut.hdr_undeclared
    # zscale takes undeclared properties of its output from its input.
    primaries = "primariesin=bt2020:primaries=bt2020" if no_primaries else "primariesin=input"
    matrix = "matrixin=bt2020nc:matrix=bt2020nc" if no_matrix else "matrixin=input"
    return [
        f"zscale=transferin={cut.hdr}:{primaries}:{matrix}:transfer=linear:npl=100",
        "format=gbrpf32le", "zscale=primaries=bt709", "tonemap=tonemap=hable:desat=0",
        "zscale=transfer=bt709:matrix=bt709:range=limited", "format=yuv420p",
    ]  # fmt: skip


def constant_frames(cut: Cut) -> list[str]:
    """Return the filter that makes all frames of one size and colour, if these change midway.

    The other filters are not reinitialised there (see `ffmpeg.clip_command`): they would lose buffered
    frames.
    """
    if cut.source is None or not cut.recoloured:
        return []
    return [f"scale={cut.source.width}:{cut.source.height}:{_SCALER}"]


def decoded_frames(cut: Cut) -> list[str]:
    """Return the first filters: each frame at its own time, and all of one size and colour."""
    return [*_counted(cut), *constant_frames(cut)]


def _counted(cut: Cut) -> list[str]:
    """Return the filter that computes the time of each source frame from its number."""
    if cut.counted is None:
        return []
    first, step = cut.counted
    return [f"setpts='trunc(({first}+N*{step})/TB+0.5)'"]


def _reported(cut: Cut) -> list[str]:
    """Return the filters that print the timestamps of the first and last source frame, and of any beyond."""
    if cut.source is None:
        return []
    return [
        f"settb={cut.time_base}",  # bwdif halves it
        f"metadata=mode=add:key={MARK}:value=1:enable='eq(n,0)+gte(n,{cut.source.frames - 1})'",
        f"metadata=mode=print:key={MARK}:file=-:direct=1",
    ]


def _whole_pictures(cut: Cut) -> list[str]:
    """Return the deinterlacing filter, which must precede any cropping."""
    if cut.settings.deinterlace is Deinterlace.OFF:
        return []
    if cut.parity is not None:
        return [f"bwdif=mode=send_frame:parity={cut.parity}:deint=all"]
    return [
        f"bwdif=mode=send_frame:deint={'all' if cut.settings.deinterlace is Deinterlace.ON else 'interlaced'}"
    ]


def audio_filters(audio: AudioCut, *, wav: bool, copies_time: bool = False) -> str:
    """Return the filter chain for audio: from the clip's first frame on, exactly as long as the clip.

    Gaps and missing audio at either end are filled with silence, so that nothing shifts. With `copies_time`
    timestamps are those of the file instead of counting from the seek position.
    """
    before = decimal(audio.start - (-(audio.zero or 0.0) if copies_time else run_up_of(audio)))
    chain = [f"atrim=start={before}", f"asetpts=PTS-{before}/TB"]
    if wav:
        chain += [
            f"aresample={WAV_RATE}:async=1:first_pts=0", "aformat=sample_fmts=s16:channel_layouts=mono",
            f"apad=whole_len={audio.samples}", f"atrim=end_sample={audio.samples}",
        ]  # fmt: skip
    else:
        chain += [
            "aresample=async=1:first_pts=0", "aformat=sample_fmts=fltp:channel_layouts=stereo|mono",
            f"apad=whole_dur={decimal(audio.seconds)}", f"atrim=end={decimal(audio.seconds)}",
        ]  # fmt: skip
    return ",".join(chain)


def run_up_of(audio: AudioCut) -> float:
    """Return the second from which on audio is decoded."""
    demuxer, second = demuxer_of(audio.container) or "", max(0.0, audio.start - _RUN_UP)
    return second if demuxer not in INACCURATE and seeks_to(demuxer, second) else 0.0


def last_frame(cut: Cut) -> list[str]:
    """Return the arguments that set the duration of the last frame.

    The clip gets no B-frames, so that the last frame is also the last one in decode order, in which MP4
    stores durations. The durations of the others follow from the timestamps: the durations that a source
    states can be wrong, and one of its frames could then end after the last frame.
    """
    if cut.hold is None:
        return []
    hold = max(1, cut.ticks(cut.hold))
    return [
        "-bf", "0",
        "-bsf:v", f"setts=pts=PTS:dts=DTS:duration=if(eq(N\\,{cut.frames - 1})\\,{hold}\\,1)",
    ]  # fmt: skip


def decimal(value: float) -> str:
    """Format seconds for ffmpeg, with microseconds."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
