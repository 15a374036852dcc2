"""One clip as ffmpeg is to make it, and the filter chains that make it. Pure.

What the chains rest on is told in `ffmpeg`, which has the command lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from hdtf_async.core.model import Box, Deinterlace, Interval
from hdtf_async.media.containers import INACCURATE, demuxer_of, seeks_to

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.core.model import Form

WAV_RATE = 16_000
"""Samples a second of the WAV files: what nearly all training code takes."""
MARK = "hdtf"
"""Key of the metadata of a frame whose time stamp is printed."""
_RUN_UP = 1.0
"""Seconds of sound that are decoded before the first one that counts."""
_SCALER = "flags=lanczos+accurate_rnd+full_chroma_int"


@dataclass(frozen=True, slots=True)
class AudioCut:
    """The sound of one clip as ffmpeg is to cut it."""

    file: Path
    container: str
    """File ending without the dot: the demuxer that may read it."""
    start: float
    """Time stamp of the clip's first frame, in seconds."""
    seconds: float
    """Length of the clip."""
    track: int = 0
    """Which of the file's audio streams it is, from 0."""
    zero: float | None = None
    """Second of the file's clock at which its time line begins, where that may be any; see `Cut.zero`."""
    suspect: bool = False
    """Whether its container is damaged somewhere."""

    @property
    def samples(self) -> int:
        """Samples of the WAV file, at `WAV_RATE`."""
        return round(self.seconds * WAV_RATE)


@dataclass(frozen=True, slots=True)
class Source:
    """The frames of a raw that a clip is made of. Time stamps are in seconds of the raw."""

    frames: int
    """How many there are."""
    first: float
    """Time stamp of the first one."""
    last: float
    """Time stamp of the last one."""
    width: int
    height: int
    """Pixels of a frame as it is decoded: cropped by the container, and upright."""
    step: float
    """The usual distance between two frames, in seconds."""
    seconds: float
    """How long the clip is to be."""
    held: float = 0.0
    """Seconds for which the first one is shown at the start, where it is from before the interval; else 0."""


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
    source: Source | None = None
    """The frames of the raw that the clip is made of; None where nobody counted them, and none is checked."""
    zero: float | None = None
    """Second of the raw's clock at which its time line begins, where that may be any; None where it is 0.

    ffmpeg then leaves all time stamps as they are (``-copyts``): it has no other way to count from there that
    does not depend on which streams are read.
    """
    track: int = 0
    """Which of the raw's video streams is shown, from 0."""
    hold: float | None = None
    """Seconds for which the last frame is shown; None where ffmpeg copies the right duration by itself."""
    squared: tuple[int, int] | None = None
    """Width and height that make the pixels square, where they are not; the box counts in those."""
    full_range: bool = False
    """Whether the raw's samples use all values. A clip's never do: much code takes that for granted."""
    hdr: str | None = None
    """Transfer function of the raw (``smpte2084``, ``arib-std-b67``), if it has high dynamic range."""
    hdr_undeclared: tuple[bool, bool] = (False, False)
    """Whether its primaries and its matrix are not declared."""
    counted: tuple[Fraction, Fraction] | None = None
    """Time stamp of the raw's first frame, and seconds from each to the next, where a frame's time follows
    from its number only; then everything is decoded from the beginning, and counted."""
    recoloured: bool = False
    """Whether ffmpeg may decode frames of another size, colour or pixel format on the way."""
    parity: str | None = None
    """Which half-picture is the earlier one (``tff``, ``bff``), where the raw was seen to be combed."""
    lead: float = 0.0
    """Seconds by which the raw's key frames are found before they are shown, where that matters."""
    sound: AudioCut | None = None
    """Where its sound comes from, if any is wanted."""
    suspect: bool = False
    """Whether the raw's container is damaged somewhere, so that frames may be missing in the interval."""

    @property
    def sought(self) -> float:
        """Second that ffmpeg is sent to, on a tick: early enough that nothing of the interval is lost."""
        return self.sought_from(0.0)

    def sought_from(self, run_up: float) -> float:
        """Return the second that ffmpeg is sent to, so much earlier than is usually needed."""
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
        """Whether the first frame is one from before the interval."""
        return self.source is not None and self.source.held > 0

    @property
    def copies_time(self) -> bool:
        """Whether ffmpeg leaves all time stamps as they are; else they count from where it has sought to."""
        inside = self.sound if self.form.sound_inside else None
        return self.zero is not None or (inside is not None and inside.zero is not None)

    def origin(self, run_up: float = 0.0) -> float:
        """Return the second of the raw's time line from which the filters count."""
        return -(self.zero or 0.0) if self.copies_time else self.sought_from(run_up)

    @property
    def begin(self) -> float:
        """Second of the raw from which on frames are taken."""
        return self.source.first if self.source is not None and self.held else self.ticked.start

    @property
    def span(self) -> float:
        """Seconds from the first frame of the clip to the last one, where it keeps the raw's time stamps."""
        if self.source is None:
            return self.interval.seconds
        return max(0.0, self.source.last - (self.ticked.start if self.held else self.source.first))

    @property
    def seconds(self) -> float:
        """How long the clip is to be."""
        return self.interval.seconds if self.source is None else self.source.seconds

    @property
    def looked_at(self) -> tuple[int, int] | None:
        """Width and height of the frame in which the box counts, if they are known."""
        if self.source is None:
            return None
        return self.squared or (self.source.width, self.source.height)

    @property
    def ticked(self) -> Interval:
        """The interval with both ends on a tick, which bounds the very same frames."""
        start, end = (
            float(ceil(Fraction(str(second)) / self.time_base) * self.time_base)
            for second in (self.interval.start, self.interval.end)
        )
        return Interval(start, end)

    def ticks(self, seconds: float) -> int:
        """Return seconds as ticks of the raw's time base, to the nearest."""
        return round(Fraction(str(seconds)) / self.time_base)


def side_lengths(box: Box, size: int | None) -> tuple[int, int]:
    """Return width and height of a clip in pixels, both even: the box, or its shorter side at `size`."""
    if size is None:
        return box.width - box.width % 2, box.height - box.height % 2
    longer = 2 * round(Fraction(size * max(box.width, box.height), 2 * min(box.width, box.height)))
    return (size, longer) if box.width <= box.height else (longer, size)


def frames_at(rate: Fraction, seconds: float) -> int:
    """Return how many frames an interval has at a constant rate, half a frame rounded up."""
    return int(Fraction(str(seconds)) * rate + Fraction(1, 2))


def video_filters(cut: Cut, run_up: float = 0.0) -> str:
    """Return the filter chain: whole pictures, trim, rate, crop, scale, in this order."""
    origin = cut.origin(run_up)
    before = cut.begin - origin
    start = f"start={decimal(before)}:" if before else ""
    chain = [*decoded_frames(cut), *_whole_pictures(cut)]
    chain += [f"trim={start}end={decimal(cut.ticked.end - origin)}", *_reported(cut)]
    if cut.held:
        # What is on screen when the interval starts is moved to its start, and everything else follows.
        chain.append(f"setpts='max(PTS-{cut.ticks(cut.ticked.start) - cut.ticks(origin)},0)'")
    else:
        chain.append("setpts=PTS-STARTPTS")
    if cut.form.fps is not None:
        # The last frame is held a little, for `fps` drops one that it has no time left for; and then as long
        # as is needed, so that the count is exact however the rates divide.
        chain += [
            f"tpad=stop_mode=clone:stop_duration=1,fps={cut.form.fps}",
            f"tpad=stop_mode=clone:stop={cut.frames},trim=end_frame={cut.frames}",
        ]
    source = cut.source
    if cut.squared is not None:
        if source is not None:
            whole = Box(0, 0, source.width, source.height)
            chain.append(_crop(whole, (source.width, source.height)))
        chain.append(f"scale={cut.squared[0]}:{cut.squared[1]}:{_SCALER}")
    chain.append(_crop(cut.box, cut.looked_at))
    if cut.hdr is not None:
        chain += _to_standard_range(cut)
    to_range = ["out_range=tv"] if cut.full_range and cut.hdr is None else []
    if (cut.width, cut.height) != (cut.box.width, cut.box.height):
        chain.append(":".join([f"scale={cut.width}:{cut.height}", *to_range, _SCALER]))
    elif to_range:
        chain.append(f"scale={to_range[0]}:{_SCALER}")
    chain.append("setsar=1")
    return ",".join(chain)


def _crop(box: Box, frame: tuple[int, int] | None) -> str:
    """Return the filter that cuts a box out of a frame of a known size.

    A box that leaves the frame would be moved without a word, exact or not; no width at all is refused. So is
    a frame of another size than the one in which the box was placed.
    """
    fits = f"gte(iw,{box.right})*gte(ih,{box.bottom})"
    if frame is not None:
        fits += f"*eq(iw,{frame[0]})*eq(ih,{frame[1]})"
    return f"crop='if({fits},{box.width},0)':{box.height}:{box.left}:{box.top}:exact=1"


def _to_standard_range(cut: Cut) -> list[str]:
    """Return the filters that map high dynamic range to BT.709, in linear light, with 100 nits as its white.

    What the raw does not declare is taken to be as BT.2100 has it.
    """
    no_primaries, no_matrix = cut.hdr_undeclared
    # zscale takes what its output is to be from its input, where nobody tells it.
    primaries = "primariesin=bt2020:primaries=bt2020" if no_primaries else "primariesin=input"
    matrix = "matrixin=bt2020nc:matrix=bt2020nc" if no_matrix else "matrixin=input"
    return [
        f"zscale=transferin={cut.hdr}:{primaries}:{matrix}:transfer=linear:npl=100",
        "format=gbrpf32le", "zscale=primaries=bt709", "tonemap=tonemap=hable:desat=0",
        "zscale=transfer=bt709:matrix=bt709:range=limited", "format=yuv420p",
    ]  # fmt: skip


def constant_frames(cut: Cut) -> list[str]:
    """Return the filter that makes all frames of one size and colour, where these change.

    The other filters are not made anew there (see `ffmpeg.command`): they would lose the frames they hold.
    """
    if cut.source is None or not cut.recoloured:
        return []
    return [f"scale={cut.source.width}:{cut.source.height}:{_SCALER}"]


def decoded_frames(cut: Cut) -> list[str]:
    """Return the filters that come first: each frame at its own time, and all of one size and colour."""
    return [*_counted(cut), *constant_frames(cut)]


def _counted(cut: Cut) -> list[str]:
    """Return the filter that gives each frame of the raw the time that follows from its number."""
    if cut.counted is None:
        return []
    first, step = cut.counted
    return [f"setpts='trunc(({first}+N*{step})/TB+0.5)'"]


def _reported(cut: Cut) -> list[str]:
    """Return the filters that print the time stamps of the first and last source frame, and of any beyond."""
    if cut.source is None:
        return []
    return [
        f"settb={cut.time_base}",  # bwdif halves it
        f"metadata=mode=add:key={MARK}:value=1:enable='eq(n,0)+gte(n,{cut.source.frames - 1})'",
        f"metadata=mode=print:key={MARK}:file=-:direct=1",
    ]


def _whole_pictures(cut: Cut) -> list[str]:
    """Return the filter that makes whole pictures of half-pictures, before any row is cut off."""
    if cut.form.deinterlace is Deinterlace.OFF:
        return []
    if cut.parity is not None:
        return [f"bwdif=mode=send_frame:parity={cut.parity}:deint=all"]
    return [
        f"bwdif=mode=send_frame:deint={'all' if cut.form.deinterlace is Deinterlace.ON else 'interlaced'}"
    ]


def sound_filters(sound: AudioCut, *, wav: bool, copies_time: bool = False) -> str:
    """Return the filter chain for sound: from the clip's first frame on, just as long as the clip.

    Holes and what lacks at either end become silence, so that nothing moves. `copies_time` says that time
    stamps are those of the file, and do not count from where ffmpeg has sought to.
    """
    before = decimal(sound.start - (-(sound.zero or 0.0) if copies_time else run_up_of(sound)))
    chain = [f"atrim=start={before}", f"asetpts=PTS-{before}/TB"]
    if wav:
        chain += [
            f"aresample={WAV_RATE}:async=1:first_pts=0", "aformat=sample_fmts=s16:channel_layouts=mono",
            f"apad=whole_len={sound.samples}", f"atrim=end_sample={sound.samples}",
        ]  # fmt: skip
    else:
        chain += [
            "aresample=async=1:first_pts=0", "aformat=sample_fmts=fltp:channel_layouts=stereo|mono",
            f"apad=whole_dur={decimal(sound.seconds)}", f"atrim=end={decimal(sound.seconds)}",
        ]  # fmt: skip
    return ",".join(chain)


def run_up_of(sound: AudioCut) -> float:
    """Return from where on sound is decoded, in seconds."""
    demuxer, second = demuxer_of(sound.container) or "", max(0.0, sound.start - _RUN_UP)
    return second if demuxer not in INACCURATE and seeks_to(demuxer, second) else 0.0


def last_frame(cut: Cut) -> list[str]:
    """Return the words that give the last frame its duration.

    There are no B-frames then, so that it is the last one also in decode order: in that order MP4 keeps
    durations. Those of the others follow from the time stamps. What the source states for them can be wrong,
    and one of them would end behind the last frame.
    """
    if cut.hold is None:
        return []
    hold = max(1, cut.ticks(cut.hold))
    return [
        "-bf", "0",
        "-bsf:v", f"setts=pts=PTS:dts=DTS:duration=if(eq(N\\,{cut.frames - 1})\\,{hold}\\,1)",
    ]  # fmt: skip


def decimal(value: float) -> str:
    """Write seconds as ffmpeg takes them, to the microsecond."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
