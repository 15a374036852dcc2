"""Describe one clip for ffmpeg: its interval, box, source frames and audio. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from hdtf_async.core.model import Interval

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.core.model import Box, OutputSettings

WAV_RATE = 16_000
"""Samples per second of the WAV files, as nearly all training code expects."""


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
    """Timestamp at which the file's timeline begins, in seconds; see `Cut.zero`."""
    suspect: bool = False
    """Whether its container is damaged somewhere."""

    @property
    def samples(self) -> int:
        """Number of samples of the WAV file, at `WAV_RATE`."""
        return round(self.seconds * WAV_RATE)


@dataclass(frozen=True, slots=True)
class SourceFrames:
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
    source: SourceFrames | None = None
    """The source frames of the clip; None if unknown, and then not verified."""
    zero: float | None = None
    """Timestamp at which the source's timeline begins, in seconds; None for containers that begin at 0.

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

    def sought_from(self, preroll: float) -> float:
        """Return the second that ffmpeg seeks to, `preroll` seconds earlier than usually needed."""
        begin = self.begin
        if self.counted is not None:
            return 0.0
        if not self.lead and not preroll:
            return begin
        if preroll >= begin:
            return 0.0
        early = Fraction(str(begin)) - Fraction(str(self.lead)) - Fraction(str(preroll))
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

    def origin(self, preroll: float = 0.0) -> float:
        """Return the second of the source's timeline from which the filters count."""
        return -(self.zero or 0.0) if self.copies_time else self.sought_from(preroll)

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
