"""Locate damage in the source of a clip by decoding the interval a second time, in a child process.

The encoder's ffmpeg prints the errors of its demuxers and decoders, but not their timestamps. It also reads
beyond both ends of a clip, where damage does not matter. So only if it printed errors, a child decodes the
interval with PyAV and relates each message to the packet that was being read or decoded.

Damage counts from the last key frame before the clip on, because later frames are predicted from damaged
ones. What comes before that key frame, or after the last frame of the clip in decode order, does not count. A
damaged packet that decodes without an error is not detected: most codecs have no checksums.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.demux import opened, packets, zero_of
from hdtf_async.process import supervisor
from hdtf_async.process.guard import UNGUARDED, Guard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame

    from hdtf_async.media.cut import AudioCut, Cut

_MEMORY = 4 << 30
_ANSWER_LIMIT = 65_536
_START = 60.0
_LEAST_SPEED = 0.1
"""Minimum seconds of video decoded per second."""
_PREROLL = 10.0
"""Usual duration of two groups of pictures, in seconds."""
_KEYS = 3
"""Decoding starts this many key frames before a clip, so that the frames that the last ones refer to
exist."""
_HAIR = 2e-6
"""Seconds by which timestamps may differ: they are written with six decimals."""
_FRAMES_LATE = 1.5
"""Multiples of the usual frame duration between two frames from which on frames may be missing."""
_NEAR = 8
"""Packets before and after a gap that may contain frames displayed on its other side."""
_MOST_DELAYED = 16
"""Maximum number of frames that a decoder delays."""
_INTRA = 1
"""FFmpeg's number of a frame that refers to no other (AV_PICTURE_TYPE_I)."""
_HARMLESS = re.compile(r"\b(SEI|VUI|DOVI|T\.?35)\b|metadata|caption|timecode|co located POCs", re.IGNORECASE)
"""Decoder messages that do not affect any sample of the image."""
_FOR_DEBUGGING = {
    "Frame num gap": "a preceding frame is missing",
    "Continuity check failed": "packets are missing",
}
"""Messages of the H.264 decoder and the MPEG-TS demuxer that are only logged at debug level."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What decoding the interval of a clip showed."""

    damage: str = ""
    """What is damaged, and at which second; empty if nothing is."""
    frames: int = 0
    """Number of the clip's source frames that were decoded."""


async def look(cut: Cut, guard: Guard = UNGUARDED) -> Findings | None:
    """Decode the source frames of a clip, and its audio if the clip contains audio.

    Returns None if there is no result: the child took too long, or failed.
    """
    if cut.source is None:
        return None
    request = {
        "path": os.fspath(cut.raw), "container": cut.container, "track": cut.track,
        "first": cut.source.first, "last": cut.source.last, "end": cut.interval.end, "step": cut.source.step,
        "suspect": cut.suspect, "counted": cut.counted and list(map(float, cut.counted)),
    }  # fmt: skip
    found = await _ask(request, cut.seconds, guard)
    if found is None or found.damage or cut.audio is None or not cut.settings.has_audio_stream:
        return found
    heard = await look_at_audio(cut.audio, guard)
    return found if heard is None else Findings(heard.damage, found.frames)


async def look_at_audio(audio: AudioCut, guard: Guard = UNGUARDED) -> Findings | None:
    """Decode the audio of a clip. Returns None as `look` does."""
    request = {
        "path": os.fspath(audio.file), "container": audio.container, "track": audio.track, "sound": True,
        "first": audio.start, "end": audio.start + audio.seconds, "suspect": audio.suspect,
    }  # fmt: skip
    return await _ask(request, audio.seconds, guard)


async def _ask(request: dict[str, Any], seconds: float, guard: Guard) -> Findings | None:
    try:
        ended = await supervisor.run(
            supervisor.Command(
                supervisor.own_module_argv("hdtf_async.media.damage", json.dumps(request)),
                max_stdout=_ANSWER_LIMIT,
                memory=_MEMORY,
            ),
            deadline=_START + (seconds + _PREROLL) / _LEAST_SPEED + request["first"],
            guard=guard,
        )
    except Failure as failure:
        if failure.reason not in {Reason.TIMED_OUT, Reason.TOOL_FAILED}:
            raise
        return None
    return Findings(**json.loads(ended.out)) if ended.code == 0 else None


# The code below runs in the child only.


@dataclass(slots=True)
class _Interval:
    """State of the interval of a clip while it is decoded: seconds, and positions in decode order."""

    first: float
    last: float
    end: float
    step: float
    counted: tuple[float, float] | None = None
    """Same as `Cut.counted`."""
    packets: list[tuple[float, bool]] = field(default_factory=list)
    """Timestamp of each packet, and whether no other frame refers to it."""
    frames: dict[float, bool] = field(default_factory=dict)
    """Timestamp of each decoded frame, and whether it refers to no other one."""
    complaints: list[tuple[int, str]] = field(default_factory=list)
    """Messages about a packet, with its position."""
    lost: list[tuple[int, str]] = field(default_factory=list)
    """Messages of the demuxer, with the position of the packet that it found next."""
    corrupt: list[float] = field(default_factory=list)
    """Timestamps of frames that the decoder itself marks as corrupt."""

    def findings(self, keys: list[float]) -> Findings:
        """Return the findings that affect the clip; `keys` are its key frames up to the first frame."""
        decoded = sum(self.first - _HAIR <= second <= self.last + _HAIR for second in self.frames)
        begin = keys[-1] if keys else -inf
        if not self.frames.get(begin, True):  # intra refresh: the image is complete one key frame later
            begin = keys[-2] if len(keys) > 1 else -inf
        inside = [place for place, (second, _) in enumerate(self.packets) if self._is_inside(second)]
        start = next((place for place, (second, _) in enumerate(self.packets) if second == begin), 0)
        end = max(inside, default=-1) + self.delayed
        for place, message in sorted([*self.complaints, *self.lost]):
            second, idle = self.packets[min(place, len(self.packets) - 1)]
            if (place, message) in self.lost:
                counts = self._is_short if place > end else start < place and self._lacks_frames(place)
                second = self.packets[max(place - 1, 0)][0]
            else:
                counts = start <= place <= end and second >= begin and not (idle and second < self.first)
            if counts:
                return Findings(f"damaged at {second:.2f} s: {message}", decoded)
        for second in filter(self._is_inside, self.corrupt):
            return Findings(f"damaged at {second:.2f} s: the decoder marks a frame as corrupt", decoded)
        return Findings("", decoded)

    @property
    def delayed(self) -> int:
        """Packets by which a frame may be stored later than its timestamp suggests."""
        return 0 if self.counted is None else _MOST_DELAYED

    def _is_inside(self, second: float) -> bool:
        return self.first - _HAIR <= second <= self.last + _HAIR

    def _lacks_frames(self, place: int) -> bool:
        """Whether timestamps around a position are too far apart; else other streams lost data."""
        near = {second for second, _ in self.packets[max(0, place - _NEAR) : place + _NEAR]}
        all_shown = sorted(second for second, _ in self.packets if second <= self.last + _HAIR)
        gaps = [(a, b) for a, b in pairwise(all_shown) if b - a > _FRAMES_LATE * self.step]
        return any(a in near or b in near for a, b in gaps)

    @property
    def _is_short(self) -> bool:
        """Whether frames may be missing between the last one and the end of the interval."""
        return self.last + _FRAMES_LATE * self.step < self.end


class _Reader:
    """Reads the packets of one stream, with the messages that FFmpeg logs meanwhile."""

    def __init__(self, media: InputContainer, stream: Stream, log: list[tuple[int, str, str]]) -> None:
        self._media, self._stream, self._log = media, stream, log
        self._zero = float(zero_of(media) or 0)
        self._in_order = media.format.name == "avi"
        log.clear()

    def packets(self) -> Iterator[tuple[float, float, Packet[Any], str]]:
        """Yield timestamp, decoding timestamp, packet, and the message logged while it was read.

        A packet without timestamps, such as the second field of a frame, has those of the previous one.
        """
        pts = dts = -inf
        for packet in packets(self._media, self._stream):
            stamp = packet.dts if self._in_order or packet.pts is None else packet.pts
            if stamp is not None:
                pts = float(stamp * packet.time_base) - self._zero
                dts = pts if packet.dts is None else float(packet.dts * packet.time_base) - self._zero
            elif not packet.size:
                yield inf, inf, packet, self.message()
                return
            yield pts, dts, packet, self.message()

    def decoded(self, packet: Packet[Any] | None) -> tuple[list[Any], str]:
        """Decode one packet, or the remaining frames; return the frames and the message logged."""
        from av.error import FFmpegError  # noqa: PLC0415 - takes 0.2 s, needed only in the child

        frames: list[Any] = []
        message = ""
        try:
            frames = self._stream.codec_context.decode(packet)  # type: ignore[attr-defined]
        except FFmpegError as error:
            message = error.strerror or str(error)
        return frames, self.message() or message

    def message(self) -> str:
        """Return the first error logged since the last call."""
        from av import logging  # noqa: PLC0415 - as above

        found = []
        for level, _, message in self._log:
            prefix = next((prefix for prefix in _FOR_DEBUGGING if message.startswith(prefix)), None)
            if prefix is not None:
                found.append(_FOR_DEBUGGING[prefix])
            elif level <= logging.ERROR and not _HARMLESS.search(message):
                found.append(message.strip()[:200])
        self._log.clear()
        return found[0] if found else ""

    def second(self, frame: VideoFrame) -> float | None:
        """Return the timestamp of a frame in seconds, if it has one."""
        return None if frame.pts is None else float(frame.pts * (self._stream.time_base or 0)) - self._zero


def _read_video(request: dict[str, Any], log: list[tuple[int, str, str]]) -> Findings:
    interval = _Interval(
        request["first"], request["last"], request["end"], request["step"], request["counted"]
    )
    keys = []
    with opened(request["path"], request["container"]) as media:
        reader = _Reader(media, media.streams.video[request["track"]], log)
        for pts, dts, packet, _ in reader.packets():
            if dts > interval.first + _HAIR:
                break
            if packet.is_keyframe and pts <= interval.first + _HAIR:
                keys.append(pts)
    keys.sort()
    begin = keys[-_KEYS] if len(keys) >= _KEYS and not request["counted"] else -inf
    with opened(request["path"], request["container"]) as media:
        stream = media.streams.video[request["track"]]
        _one_thread(stream)
        reader = _Reader(media, stream, log)
        begun = False
        for pts, dts, packet, message in reader.packets():
            begun = begun or begin == -inf or (pts == begin and packet.is_keyframe)
            if not begun:
                continue
            place = len(interval.packets)
            if message:
                interval.lost.append((place, message))
            if dts < inf:
                interval.packets.append((pts, packet.is_disposable))
            if dts > interval.last + interval.delayed * interval.step + _HAIR:
                break
            if packet.is_corrupt:
                interval.complaints.append((place, "the container marks a packet as corrupt"))
            _take(interval, reader, packet, place)
        _take(interval, reader, None, len(interval.packets) - 1)
    return interval.findings(keys)


def _take(interval: _Interval, reader: _Reader, packet: Packet[Any] | None, place: int) -> None:
    frames, message = reader.decoded(packet)
    if message:
        interval.complaints.append((place, message))
    for frame in frames:
        second = reader.second(frame)
        if interval.counted is not None:
            second = interval.counted[0] + len(interval.frames) * interval.counted[1]
        elif second is None:  # it is displayed between two others
            second = max(interval.frames, default=interval.first) + interval.step / 2
        interval.frames[second] = frame.pict_type == _INTRA
        if frame.is_corrupt:
            interval.corrupt.append(second)


def _read_audio(request: dict[str, Any], log: list[tuple[int, str, str]]) -> Findings:
    first, end = request["first"], request["end"]
    with opened(request["path"], request["container"]) as media:
        stream = media.streams.audio[request["track"]]
        _one_thread(stream)
        reader = _Reader(media, stream, log)
        before = -inf
        for pts, _, packet, message in reader.packets():
            if pts >= end or packet.size == 0:
                return Findings()
            until = pts + float((packet.duration or 0) * packet.time_base)
            if pts < first - 1:
                before = until
                continue
            _, complaint = reader.decoded(packet)
            if packet.is_corrupt:
                complaint = "the container marks a packet as corrupt"
            lost = message if max(before, first) < pts - _HAIR else ""
            if (complaint and until > first) or lost:
                return Findings(f"audio damaged at {pts:.2f} s: {lost or complaint}")
            before = until
    return Findings()


def _one_thread(stream: Stream) -> None:
    """Make the decoder log in the thread that calls it."""
    stream.codec_context.thread_count = 1
    stream.codec_context.thread_type = "NONE"


def serve(question: str) -> None:
    """Answer one request and print the answer as JSON."""
    import av  # noqa: PLC0415 - as above

    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = json.loads(question)
    # If frames may have been lost, debug messages count too: a stream may also omit frames on purpose.
    av.logging.set_level(av.logging.DEBUG if request.get("suspect") else av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    with av.logging.Capture() as log:
        found = _read_audio(request, log) if request.get("sound") else _read_video(request, log)
    sys.stdout.write(json.dumps(asdict(found)))
