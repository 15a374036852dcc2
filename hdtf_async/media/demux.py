"""Read a media file: size, frame rate and frames of its video stream, rate and duration of its audio stream.

Only the forks of the probing child call these functions (see `probe`): untrusted media are never parsed in
the supervisor's own process. The whole file is demuxed, and little more than the first frame decoded, so this
is cheap; it detects a truncated file, whose header promises more than it contains.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hdtf_async.media.containers import AUDIO_DEMUXERS, DEMUXERS, FROM_START, MAX_SIDE, demuxer_of
from hdtf_async.media.framing import Framing, Part
from hdtf_async.media.timeline import OpenGroups, Shown, Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

_CALM = 19
_B_FRAMES_WITHIN = 100
"""Frames of an AVI file that are decoded, to detect frames stored out of order."""
_SILENT = 0.01
"""Seconds between two audio packets from which on one may be missing: less than the duration of most
packets."""
_BACK = 1.0
"""Seconds by which timestamps may go back; beyond that, the file is several files concatenated."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What demuxing a whole file showed about its default audio stream."""

    codec: str
    rate: int
    """Samples per second."""
    channels: int
    start: float
    """Timestamp of the first packet, in seconds."""
    end: float
    """Timestamp of the last packet plus its duration, in seconds."""
    promised: float
    """Duration that the header of the file states, in seconds; 0 if it states none."""
    track: int = 0
    """Index of the stream among the audio streams of the file, from 0."""
    zero: float | None = None
    """Same as `MediaInfo.zero`."""
    suspect: bool = False
    """Same as `MediaInfo.suspect`."""

    @property
    def truncated(self) -> bool:
        """Whether the packets end well before the duration in the header."""
        return _ends_early(self.promised, self.end - self.start)


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What demuxing a whole file, and decoding one frame, showed about its video stream."""

    codec: str
    width: int
    height: int
    """Pixels as displayed at the beginning: cropped by the container, rotated upright, with square pixels."""
    fps: float
    """Frames per second: the declared rate if it matches the frames, otherwise their average."""
    frames: int
    """Displayed frames: without those that an edit list omits."""
    start: float
    """Timestamp of the first frame, in seconds."""
    end: float
    """When the last frame leaves the screen, in seconds."""
    promised: float
    """Duration that the header of the file states, in seconds; 0 if it states none."""
    time_base: str = "1/90000"
    """Seconds per tick of the stream's timestamps, as a fraction."""
    shown: tuple[Shown, ...] = ()
    """The frames of each requested interval."""
    parts: tuple[Part, ...] = ()
    """How frames look, and from when on they look different; empty if not determined."""
    step: float = 0.0
    """The usual distance between two frames, in seconds."""
    last: float = 0.0
    """Timestamp of the last frame, in seconds."""
    lead: float = 0.0
    """Seconds between the stored position of a key frame and its display time, if frames that depend on
    earlier ones come in between (an open GOP); 0 if there are none."""
    track: int = 0
    """Index of the stream among the video streams of the file, from 0; cover art counts as one."""
    zero: float | None = None
    """Timestamp at which the file's timeline begins, in seconds; None for containers that begin at 0."""
    counted: str = ""
    """Seconds per frame, as a fraction, if the time of a frame only follows from its number: no timestamps
    are stored, and the decoder reorders frames. Empty otherwise."""
    sound: AudioInfo | None = None
    """Its audio stream; None if it has none."""
    suspect: bool = False
    """Whether the container is damaged somewhere, so that frames or audio may be missing."""
    regular: bool = False
    """Whether all frames are a usual distance apart."""

    @property
    def truncated(self) -> bool:
        """Whether the frames end well before the duration in the header."""
        return _ends_early(self.promised, self.end - self.start)

    @property
    def resized(self) -> bool:
        """Whether the frames change their size somewhere."""
        return len({(part.width, part.height) for part in self.parts}) > 1

    def part_at(self, second: float) -> Part:
        """Return how the frame with this timestamp looks."""
        parts = [part for part in self.parts if part.start <= second] or self.parts
        return parts[-1] if parts else Part(0.0, self.width, self.height)

    def changes(self, first: float, last: float) -> tuple[Part, ...]:
        """Return the parts that begin after the frame at `first` and not after the frame at `last`."""
        return tuple(part for part in self.parts[1:] if first < part.start <= last)


def _ends_early(promised: float, actual: float) -> bool:
    """Return whether a stream lacks its end; up to half a second is rounding."""
    return promised - actual > max(0.5, 0.01 * promised)


def read(path: str, container: str, intervals: Sequence[tuple[float, float, str | None]]) -> MediaInfo:
    """Read a video in this process. Only the forks of the probing child may call this.

    Raises `ValueError` with a readable message; PyAV's own errors propagate.
    """
    with opened(path, container) as media:
        track, stream = _video_stream(media)
        if stream.codec_context is None or stream.time_base is None:
            raise ValueError("unknown video codec")
        if not (0 < stream.width <= MAX_SIDE and 0 < stream.height <= MAX_SIDE):
            raise ValueError(f"unsupported frame size {stream.width}x{stream.height}")
        with _Suspicion(media) as suspicion:
            return _facts(media, track, stream, intervals, suspicion)


def glance(path: str, container: str) -> str:
    """Open a file, decode its first frame, and return what it contains.

    That is ``video`` (with audio), ``silent`` (video without audio) or ``audio`` (without video). Raises
    `ValueError` if it contains neither, or no frame can be decoded; PyAV's own errors propagate.
    """
    with opened(path, container) as media:
        if not media.streams.video and media.streams.audio:
            return "audio"
        _, stream = _video_stream(media)
        framing = Framing(media, stream)
        for packet in packets(media, stream):
            framing.add(packet, 0.0)
            if framing.seen:
                return "video" if media.streams.audio else "silent"
            if framing.given_up:
                break
        raise ValueError("no frame can be decoded")


def _video_stream(media: InputContainer) -> tuple[int, VideoStream]:
    """Return the video stream that a player would play, and its index: no cover art and no thumbnails."""
    from av.stream import Disposition  # noqa: PLC0415 - takes 0.2 s, needed only in the child

    stills = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    streams = list(enumerate(media.streams.video))
    real = [(track, stream) for track, stream in streams if not stream.disposition & stills]
    if not real:
        raise ValueError("no video stream" + (", only a still image" if streams else ""))
    return next((one for one in real if one[1].disposition & Disposition.default), real[0])


def _default_audio(media: InputContainer) -> tuple[int, AudioStream] | None:
    """Return the audio stream that a player would play, and its index; None if there is none.

    Commentary, dubs and descriptions come last, even if they are the default: MP4 muxers mark the first
    stream as the default if nothing else is specified.
    """
    from av.stream import Disposition as Is  # noqa: PLC0415 - as above

    other = Is.dub | Is.comment | Is.lyrics | Is.karaoke | Is.hearing_impaired | Is.visual_impaired
    other |= Is.clean_effects | Is.non_diegetic | Is.descriptions | Is.dependent
    streams = [one for one in enumerate(media.streams.audio) if one[1].codec_context and one[1].time_base]

    def rank(one: tuple[int, AudioStream]) -> tuple[bool, bool]:
        return bool(one[1].disposition & other), not one[1].disposition & Is.default

    return min(streams, key=rank, default=None)


def read_audio(path: str, container: str) -> AudioInfo:
    """Read an audio file in this process, as `read` does a video."""
    with opened(path, container) as media:
        heard = _Heard.of(media)
        if heard is None:
            raise ValueError("no audio stream")
        zero = zero_of(media)
        with _Suspicion(media) as suspicion:
            for packet in packets(media, heard.stream):
                suspicion.add(packet)
                if packet.pts is not None:
                    packet.pts -= round((zero or 0) / packet.time_base)
                heard.add(packet)
        return replace(heard.facts(zero), suspect=suspicion.found or suspicion.of_gaps(None, heard))


def opened(path: str, container: str) -> InputContainer:
    """Open a media file with its demuxer, and no other."""
    import av  # noqa: PLC0415 - takes 0.2 s, needed only in the child

    demuxer = demuxer_of(container)
    if demuxer is None:
        supported = ", ".join(DEMUXERS | AUDIO_DEMUXERS)
        raise ValueError(f"unsupported file extension .{container}; supported: {supported}")
    # A title in another encoding must not make a video unreadable; PyAV before 19 needs an option for that.
    lenient: dict[str, Any] = (
        {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < _CALM else {}
    )
    media: InputContainer = av.open(
        f"file:{Path(path).resolve()}",
        format=demuxer,
        options={"protocol_whitelist": "file", "max_pixels": str(MAX_SIDE**2)},
        **lenient,
    )
    return media


def packets(media: InputContainer, *streams: Stream) -> Iterator[Packet[Any]]:
    """Yield the packets of the given streams (default: all), then possibly empty ones that flush decoders."""
    # If a stream appears midway, as in MPEG-TS and FLV, PyAV fails at the flush, after reading everything.
    with suppress(IndexError):
        yield from media.demux(*streams)


def _facts(
    media: InputContainer,
    track: int,
    stream: VideoStream,
    intervals: Sequence[tuple[float, float, str | None]],
    suspicion: _Suspicion,
) -> MediaInfo:
    base = stream.time_base or Fraction(1)
    zero = zero_of(media)
    in_order = media.format.name == "avi"
    framing = Framing(media, stream, _B_FRAMES_WITHIN if in_order else 1)
    read, heard = _Read(stream, base), _Heard.of(media)
    for packet in packets(media):
        suspicion.add(packet)
        if in_order:
            packet.pts = packet.dts  # AVI stores no timestamps; any others are guesses
        if packet.pts is not None:
            packet.pts -= round((zero or 0) / packet.time_base)
        if packet.stream_index == stream.index:
            framing.add(packet, float((packet.pts or 0) * base))
        if packet.pts is not None and not packet.is_discard:
            read.add(packet)
            if heard is not None and packet.stream_index == heard.stream.index:
                heard.add(packet)
    timeline = read.timeline
    timeline.close()
    counted = in_order and (framing.reordered or stream.codec_context.has_b_frames)
    if counted and not timeline.is_even:
        raise ValueError(
            "AVI has no timestamps for B-frames, and some frames are left out here:"
            " re-encode it to MP4 or Matroska"
        )
    stated = Fraction(media.duration or 0, 1_000_000)
    last_tick = _end(timeline, stream, base, stated)
    first, end = timeline.first * base, last_tick * base
    span = end - first
    # The stated duration is that of all streams together: what the others lack at the end, the video lacks
    # too.
    promised = span + stated - max(read.furthest, end) if stated else Fraction(0)
    if stream.duration is not None:
        promised = stream.duration * base
    declared = stream.average_rate
    if not declared or abs(declared * span - len(timeline)) > 1:
        declared = len(timeline) / span if span else Fraction(0)
    width, height = framing.parts[0].squared
    # In integer ticks of the stream's time base: exact, and fast enough for hours of video.
    bounds = [timeline.bounds(left, right, base, rate) for left, right, rate in intervals]
    return MediaInfo(
        codec=stream.codec_context.codec.canonical_name,
        width=width,
        height=height,
        fps=round(float(declared), 6),
        frames=len(timeline),
        start=round(float(first), 6),
        end=round(float(end), 6),
        promised=round(float(promised), 6),
        time_base=str(base),
        shown=tuple(timeline.shown(left, right, base, last_tick) for left, right in bounds),
        parts=framing.parts,
        step=round(float(timeline.step * base), 6),
        last=round(float(timeline.last * base), 6),
        lead=round(float(read.leading.lead * base), 6),
        track=track,
        zero=None if zero is None else float(zero),
        counted=str(timeline.step * base) if counted else "",
        sound=None if heard is None else heard.facts(zero),
        suspect=suspicion.found or suspicion.of_gaps(timeline, heard),
        regular=timeline.is_regular,
    )


class _Suspicion:
    """Record whether a demuxer reports damage: by an error message, or for a packet.

    Which clips that affects is determined elsewhere: see `damage`.
    """

    def __init__(self, media: InputContainer) -> None:
        from av import logging  # noqa: PLC0415 - takes 0.2 s, needed only in the child

        logging.set_level(logging.ERROR)
        self._demuxer = media.format.name
        self._capture = logging.Capture()
        self._log: list[tuple[int, str, str]] = []
        self.found = False

    def __enter__(self) -> Self:
        self._log = self._capture.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._note()
        self._capture.__exit__(None, None, None)

    def add(self, packet: Packet[Any]) -> None:
        """Process the next packet, and the messages that were logged while it was read."""
        self.found |= packet.is_corrupt
        self._note()

    def of_gaps(self, timeline: Timeline | None, heard: _Heard | None) -> bool:
        """Whether packets may be missing without a message: there are gaps, and no index of packets."""
        gaps = (timeline is not None and timeline.has_gaps) or (heard is not None and heard.has_gaps)
        return gaps and self._demuxer in FROM_START

    def _note(self) -> None:
        self.found |= any(who == self._demuxer for _, who, _ in self._log)
        self._log.clear()


class _Read:
    """What was read of a file so far."""

    def __init__(self, stream: VideoStream, base: Fraction) -> None:
        self._stream, self._base = stream, base
        self.timeline, self.leading = Timeline(), OpenGroups()
        self.furthest = Fraction(0)
        """When the last packet of any other stream ends, in seconds."""
        self._decoded: int | None = None
        """Decoding timestamp of the newest packet that has one."""
        self._key: int | None = None
        """Timestamp of the newest key frame: key frames are displayed in the order in which they are
        stored."""

    def add(self, packet: Packet[Any]) -> None:
        """Process one more displayed packet. Raises `ValueError` if timestamps go back."""
        tick, duration = packet.pts or 0, packet.duration or 0
        if packet.stream_index != self._stream.index:
            self.furthest = max(self.furthest, (tick + duration) * packet.time_base)
            return
        back = (
            packet.dts is not None and self._decoded is not None and self._decoded - packet.dts,
            packet.is_keyframe and self._key is not None and self._key - tick,
        )
        if max(back) * self._base > _BACK:
            raise ValueError(f"the timestamps go back at {float(tick * self._base):.1f} s")
        self._decoded = self._decoded if packet.dts is None else packet.dts
        self._key = tick if packet.is_keyframe else self._key
        self.timeline.add(tick, duration)
        self.leading.add(tick, packet.dts, key=packet.is_keyframe)


def zero_of(media: InputContainer) -> Fraction | None:
    """Return the second of the container's clock at which its timeline begins; None if that is always 0."""
    if media.format.name in FROM_START:
        return Fraction(media.start_time or 0, 1_000_000)
    # FFmpeg's start time of an AVI file is a guess at the first timestamp.
    return Fraction(0) if media.format.name == "avi" else None


def _end(timeline: Timeline, stream: Stream, base: Fraction, stated: Fraction) -> int:
    """Return the tick at which the last frame leaves the screen."""
    end = timeline.end(stream.duration)
    if end <= timeline.last and len(timeline) > 1:  # a WebM without frame durations
        end = timeline.last + timeline.step
        limit = int(stated / base)
        end = min(end, limit) if limit > timeline.last else end
    return end


@dataclass(slots=True)
class _Heard:
    """Packets of an audio stream, in ticks of its time base."""

    track: int
    stream: AudioStream
    base: Fraction
    first: int | None = None
    end: int = 0
    has_gaps: bool = False
    """Whether there is no audio for a while."""

    @classmethod
    def of(cls, media: InputContainer) -> Self | None:
        """Return a collector for the audio stream that a player would play, if it has a supported codec."""
        found = _default_audio(media)
        if found is None or found[1].time_base is None:
            return None
        return cls(found[0], found[1], found[1].time_base)

    def add(self, packet: Packet[Any]) -> None:
        """Process one more packet."""
        if packet.pts is not None and not packet.is_discard:
            self.has_gaps |= self.first is not None and (packet.pts - self.end) * self.base > _SILENT
            self.first = packet.pts if self.first is None else min(self.first, packet.pts)
            self.end = max(self.end, packet.pts + (packet.duration or 0))

    def facts(self, zero: Fraction | None) -> AudioInfo:
        """Return the properties of the audio stream."""
        # The duration of raw AAC is an estimate from its size.
        stated = None if self.stream.container.format.name == "aac" else self.stream.duration
        return AudioInfo(
            codec=self.stream.codec_context.codec.canonical_name,
            rate=self.stream.rate,
            channels=self.stream.channels,
            start=round(float((self.first or 0) * self.base), 6),
            end=round(float(self.end * self.base), 6),
            promised=0.0 if stated is None else round(float(stated * self.base), 6),
            track=self.track,
            zero=None if zero is None else float(zero),
        )
