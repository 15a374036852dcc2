"""What is in a media file: size, rate and frames of its picture, rate and length of its sound.

Only the forks of the probing child call what is here (see `probe`): foreign media are never parsed in the
supervisor's own process. The whole file is demuxed, and no more than the first frame decoded, so this is
nearly free; and it is what finds a truncated file, whose header promises more than there is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

DEMUXERS = {"mp4": "mp4", "m4v": "mp4", "mov": "mov", "webm": "matroska", "mkv": "matroska"}
"""File ending of a video to the one demuxer that may read it."""
SOUND_DEMUXERS = {"m4a": "mp4", "weba": "matroska"}
"""The same for sound alone. A file with another ending is not opened."""
MAX_SIDE = 8192
"""Pixels of the longest side that is accepted; YouTube's largest rendition has 7680."""
MAX_FRAMES = 24 * 3600 * 60
"""Frames that are counted before a file is refused: a day at 60 a second."""
_PACKETS_TO_A_FRAME = 300
"""Packets after which nobody waits for a first frame any more."""
_NEARLY_SQUARE = Fraction(1, 100)
"""How far pixels may be from square and be taken as such: some encoders write 853 columns as 854 this way."""
_FULL_RANGE = 2
"""FFmpeg's number for it (AVCOL_RANGE_JPEG)."""
_CALM = 19


@dataclass(frozen=True, slots=True)
class Sound:
    """What demuxing the whole of a file showed of its first audio stream."""

    codec: str
    rate: int
    """Samples a second."""
    channels: int
    start: float
    """Time stamp of the first packet, in seconds."""
    end: float
    """Time stamp of the last packet plus its duration, in seconds."""
    promised: float
    """Duration that the file's own header states, in seconds; 0 where it states none."""

    @property
    def truncated(self) -> bool:
        """Whether the packets end well before the header says."""
        return _ends_early(self.promised, self.end - self.start)


@dataclass(frozen=True, slots=True)
class Facts:
    """What demuxing the whole of a file, and decoding one frame, showed of its first video stream."""

    codec: str
    width: int
    height: int
    """Pixels as they are shown: upright, and square."""
    fps: float
    """Frames a second: what the file declares where that goes with its frames, else their average."""
    frames: int
    """Frames that are shown: without those that an edit list leaves out."""
    start: float
    """Time stamp of the first frame, in seconds."""
    end: float
    """Time stamp of the last frame plus its duration, in seconds."""
    promised: float
    """Duration that the file's own header states, in seconds; 0 where it states none."""
    time_base: str = "1/90000"
    """Seconds in one tick of the stream's time stamps, as a fraction."""
    frames_within: tuple[int, ...] = ()
    """For each interval that was asked: the number of frames with ``start <= PTS < end``."""
    first_within: tuple[float, ...] = ()
    """For each interval that was asked: the time stamp of the first of these frames, in seconds."""
    last_within: tuple[float, ...] = ()
    """For each interval that was asked: the time stamp of the last of these frames, in seconds."""
    stretched: bool = False
    """Whether the pixels are stored in another shape than square."""
    full_range: bool = False
    """Whether the samples are declared to use all values from 0 to 255."""
    last: float = 0.0
    """Time stamp of the last frame, in seconds."""
    lead: float = 0.0
    """Seconds from where a key frame is found to where it is shown, if frames that need those before it come
    in between; 0 where there are none."""
    sound: Sound | None = None
    """Its sound; None where it has none."""

    @property
    def spans_within(self) -> tuple[float, ...]:
        """For each interval that was asked: the seconds from the first of its frames to the last one."""
        return tuple(last - first for first, last in zip(self.first_within, self.last_within, strict=True))

    @property
    def truncated(self) -> bool:
        """Whether the frames end well before the header says."""
        return _ends_early(self.promised, self.end - self.start)


def _ends_early(promised: float, there: float) -> bool:
    """Say whether a stream lacks its end; half a second is rounding."""
    return promised - there > max(0.5, 0.01 * promised)


def read(path: str, container: str, intervals: Sequence[tuple[float, float]]) -> Facts:
    """Read a video in this process. Only the forks of the probing child may call this.

    Raises `ValueError` with words for a person; PyAV's own errors pass.
    """
    with _opened(path, container) as media:
        if not media.streams.video:
            raise ValueError("no video stream in it")
        stream = media.streams.video[0]
        if stream.codec_context is None or stream.time_base is None:
            raise ValueError("its video stream is of an unknown kind")
        if not (0 < stream.width <= MAX_SIDE and 0 < stream.height <= MAX_SIDE):
            raise ValueError(f"a frame of {stream.width} x {stream.height} pixels is not accepted")
        return _facts(media, stream, stream.time_base, intervals)


def read_sound(path: str, container: str) -> Sound:
    """Read sound in this process, as `read` does a video."""
    with _opened(path, container) as media:
        heard = _Heard.of(media)
        if heard is None:
            raise ValueError("no sound in it")
        for packet in media.demux(media.streams.audio[0]):
            heard.take(packet)
        return heard.facts()


def _opened(path: str, container: str) -> InputContainer:
    import av  # noqa: PLC0415 - 0.2 s that only the child needs to spend

    demuxers = DEMUXERS | SOUND_DEMUXERS
    demuxer = demuxers.get(container)
    if demuxer is None:
        raise ValueError(f"a file ending in .{container} is not opened; known are {', '.join(demuxers)}")
    # A title in another encoding does not make a video unreadable: PyAV before 19 has to be told.
    lenient: dict[str, Any] = (
        {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < _CALM else {}
    )
    opened: InputContainer = av.open(
        f"file:{Path(path).resolve()}",
        format=demuxer,
        options={"protocol_whitelist": "file", "max_pixels": str(MAX_SIDE**2)},
        **lenient,
    )
    return opened


def _facts(
    media: InputContainer, stream: VideoStream, base: Fraction, intervals: Sequence[tuple[float, float]]
) -> Facts:
    # In ticks of the stream's time base, as integers: exact, and quick enough for hours of video.
    bounds = [
        (ceil(Fraction(str(start)) / base), ceil(Fraction(str(end)) / base)) for start, end in intervals
    ]
    seen = _Seen(bounds)
    heard = _Heard.of(media)
    look, leading = _Look(stream), _Leading()
    furthest = Fraction(0)
    for packet in media.demux():
        of_picture = packet.stream_index == stream.index
        if of_picture:
            look.take(packet)
        if packet.pts is None or packet.is_discard:
            continue
        if of_picture:
            seen.take(packet.pts, packet.duration or 0)
            leading.take(packet.pts, packet.dts, key=packet.is_keyframe)
        else:
            furthest = max(furthest, (packet.pts + (packet.duration or 0)) * packet.time_base)
        if heard is not None and packet.stream_index == heard.stream.index:
            heard.take(packet)
    if seen.frames == 0:
        raise ValueError("no frame in it")
    stated = Fraction(media.duration or 0, 1_000_000)
    first, end = seen.span(base, stated)
    span = end - first
    # What is stated for all streams together: what those lack at the end, the picture lacks too.
    promised = span + stated - max(furthest, end) if stated else Fraction(0)
    if stream.duration is not None:
        promised = stream.duration * base
    declared = stream.average_rate
    if not declared or abs(declared * span - seen.frames) > 1:
        declared = seen.frames / span if span else Fraction(0)
    width, height = look.sides
    return Facts(
        codec=stream.codec_context.codec.canonical_name,
        width=width,
        height=height,
        fps=round(float(declared), 6),
        frames=seen.frames,
        start=round(float(first), 6),
        end=round(float(end), 6),
        promised=round(float(promised), 6),
        time_base=str(base),
        frames_within=tuple(seen.within),
        first_within=tuple(round(float(tick * base), 6) for tick in seen.firsts),
        last_within=tuple(round(float(tick * base), 6) for tick in seen.lasts),
        stretched=look.stretched,
        full_range=look.full_range,
        last=round(float(seen.last * base), 6),
        lead=round(float(leading.lead * base), 6),
        sound=None if heard is None else heard.facts(),
    )


class _Look:
    """How the pixels are meant to be shown, which the first frame says; where none decodes, the header."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        self._left = _PACKETS_TO_A_FRAME
        self._turned = False
        self.full_range = stream.codec_context.color_range == _FULL_RANGE

    def take(self, packet: Packet[Any]) -> None:
        """Decode packets until there is a frame."""
        if self._left:
            self._left -= 1
            with suppress(OSError, ValueError):  # of PyAV's errors, those that a damaged stream leads to
                for frame in self._stream.decode(packet):
                    self._turned = frame.rotation % 180 != 0
                    self._left = 0
                    break

    @property
    def _aspect(self) -> Fraction:
        """Width of a pixel by its height; the container's word counts more than the codec's."""
        told = self._stream.sample_aspect_ratio, self._stream.codec_context.sample_aspect_ratio
        aspect = next((one for one in told if one), Fraction(1))
        return Fraction(1) if abs(aspect - 1) <= _NEARLY_SQUARE else Fraction(aspect)

    @property
    def stretched(self) -> bool:
        """Whether the pixels are not square."""
        return self._aspect != 1

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height of the picture in square pixels, upright; the lines stay what they are."""
        width, height = self._stream.width, self._stream.height
        if self._turned:
            return max(1, round(height / self._aspect)), width
        return max(1, round(width * self._aspect)), height


@dataclass(slots=True)
class _Heard:
    """Packets of an audio stream, in ticks of its time base."""

    stream: AudioStream
    base: Fraction
    first: int | None = None
    end: int = 0

    @classmethod
    def of(cls, media: InputContainer) -> Self | None:
        """Return what will hear the first audio stream, if there is one of a known kind."""
        stream = media.streams.audio[0] if media.streams.audio else None
        if stream is None or stream.codec_context is None or stream.time_base is None:
            return None
        return cls(stream, stream.time_base)

    def take(self, packet: Packet[Any]) -> None:
        """Take in one more."""
        if packet.pts is not None and not packet.is_discard:
            self.first = packet.pts if self.first is None else min(self.first, packet.pts)
            self.end = max(self.end, packet.pts + (packet.duration or 0))

    def facts(self) -> Sound:
        """Return what was heard."""
        stated = self.stream.duration
        return Sound(
            codec=self.stream.codec_context.codec.canonical_name,
            rate=self.stream.rate,
            channels=self.stream.channels,
            start=round(float((self.first or 0) * self.base), 6),
            end=round(float(self.end * self.base), 6),
            promised=0.0 if stated is None else round(float(stated * self.base), 6),
        )


@dataclass(slots=True)
class _Leading:
    """Frames that come after a key frame and are shown before it, in ticks: an open group of pictures."""

    lead: int = 0
    _key: int | None = None
    _behind: int = 0

    def take(self, pts: int, dts: int | None, *, key: bool) -> None:
        """Take in one more packet."""
        if key:
            self._key, self._behind = pts, 0 if dts is None else pts - dts
        elif self._key is not None and pts < self._key:
            self.lead = max(self.lead, self._behind, self._key - pts)


@dataclass(slots=True)
class _Seen:
    """Packets of one stream, in ticks of its time base."""

    bounds: Sequence[tuple[int, int]]
    within: list[int] = field(init=False)
    firsts: list[int] = field(init=False)
    lasts: list[int] = field(init=False)
    frames: int = 0
    first: int = 0
    last: int = 0
    end: int = 0

    def __post_init__(self) -> None:
        self.within = [0] * len(self.bounds)
        self.firsts = [0] * len(self.bounds)
        self.lasts = [0] * len(self.bounds)

    def span(self, base: Fraction, stated: Fraction) -> tuple[Fraction, Fraction]:
        """Return when the first frame begins and the last one ends, in seconds."""
        end = self.end * base
        if self.end <= self.last and self.frames > 1:  # a WebM without durations of frames
            end = self.last * base + (self.last - self.first) * base / (self.frames - 1)
            end = min(end, stated) if stated > self.last * base else end
        return self.first * base, end

    def take(self, tick: int, duration: int) -> None:
        """Take in one more."""
        self.first = min(self.first, tick) if self.frames else tick
        self.last = max(self.last, tick) if self.frames else tick
        self.end = max(self.end, tick + duration) if self.frames else tick + duration
        self.frames += 1
        if self.frames > MAX_FRAMES:
            raise ValueError(f"more than {MAX_FRAMES} frames")
        for place, (left, right) in enumerate(self.bounds):
            if left <= tick < right:
                self.firsts[place] = min(self.firsts[place], tick) if self.within[place] else tick
                self.lasts[place] = max(self.lasts[place], tick) if self.within[place] else tick
                self.within[place] += 1
