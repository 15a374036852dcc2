"""Whether the frames or the audio of a clip are damaged in its source: decoded once more, in a child.

The encoder's ffmpeg prints what its demuxers and decoders complain of, but not at which time stamp. It also
reads beyond both ends of a clip, where damage does not matter. So where it complained, and only there, a
child decodes the interval with PyAV and relates each message to the packet that was being read or decoded.

Damage counts from the last key frame before the clip on, because later frames are predicted from damaged
ones. What comes before that key frame, or after the last frame of the clip in decode order, does not count.
A decoder that can read a damaged packet without a complaint is not noticed: most codecs have no checksums.
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

    from hdtf_async.media.filters import AudioCut, Cut

_MEMORY = 4 << 30
_ANSWER_LIMIT = 1 << 16
_START = 60.0
_LEAST_SPEED = 0.1
"""Seconds of video that are decoded in one second at least."""
_RUN_UP = 10.0
"""Seconds that two groups of pictures last, usually."""
_KEYS = 3
"""Decoding starts so many key frames before a clip, so that what the last ones refer to is there."""
_HAIR = 2e-6
"""Seconds by which time stamps may differ: they are written with six decimals."""
_FRAMES_LATE = 1.5
"""Usual distances between frames from which on some may be missing."""
_NEAR = 8
"""Packets before and after a hole in which frames may be shown that were stored on its other side."""
_MOST_DELAYED = 16
"""Frames that a decoder may keep back until they are shown."""
_INTRA = 1
"""FFmpeg's number of a frame that refers to no other (AV_PICTURE_TYPE_I)."""
_HARMLESS = re.compile(r"\b(SEI|VUI|DOVI|T\.?35)\b|metadata|caption|timecode|co located POCs", re.IGNORECASE)
"""Messages of decoders that concern no sample of the picture."""
_FOR_DEBUGGING = {
    "Frame num gap": "a preceding frame is missing",
    "Continuity check failed": "packets are missing",
}
"""Messages of the decoder of H.264 and the demuxer of MPEG-TS that are logged for debugging only."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What decoding the interval of a clip showed."""

    damage: str = ""
    """What is damaged, and at which second; empty where nothing is."""
    frames: int = 0
    """How many of the clip's source frames were decoded."""


async def look(cut: Cut, guard: Guard = UNGUARDED) -> Findings | None:
    """Decode the source frames of a clip, and its audio where that goes into the clip.

    None where nothing can be said: the child took too long, or ended.
    """
    if cut.source is None:
        return None
    asked = {
        "path": os.fspath(cut.raw), "container": cut.container, "track": cut.track,
        "first": cut.source.first, "last": cut.source.last, "end": cut.interval.end, "step": cut.source.step,
        "suspect": cut.suspect, "counted": cut.counted and list(map(float, cut.counted)),
    }  # fmt: skip
    found = await _asked(asked, cut.seconds, guard)
    if found is None or found.damage or cut.sound is None or not cut.form.sound_inside:
        return found
    heard = await look_at_sound(cut.sound, guard)
    return found if heard is None else Findings(heard.damage, found.frames)


async def look_at_sound(sound: AudioCut, guard: Guard = UNGUARDED) -> Findings | None:
    """Decode the audio of a clip. None as in `look`."""
    asked = {
        "path": os.fspath(sound.file), "container": sound.container, "track": sound.track, "sound": True,
        "first": sound.start, "end": sound.start + sound.seconds, "suspect": sound.suspect,
    }  # fmt: skip
    return await _asked(asked, sound.seconds, guard)


async def _asked(asked: dict[str, Any], seconds: float, guard: Guard) -> Findings | None:
    try:
        ended = await supervisor.run(
            supervisor.own_module_argv("hdtf_async.media.damage", json.dumps(asked)),
            # All that comes before is read too, but not decoded.
            deadline=_START + (seconds + _RUN_UP) / _LEAST_SPEED + asked["first"],
            keep=_ANSWER_LIMIT,
            memory=_MEMORY,
            guard=guard,
        )
    except Failure as failure:
        if failure.reason not in {Reason.TIMED_OUT, Reason.TOOL_FAILED}:
            raise
        return None
    return Findings(**json.loads(ended.out)) if ended.code == 0 else None


# What follows runs in the child only.


@dataclass(slots=True)
class _Interval:
    """What is known of a clip's interval once it was decoded. Seconds, and places in decode order."""

    first: float
    last: float
    end: float
    step: float
    counted: tuple[float, float] | None = None
    """As `Cut.counted`."""
    packets: list[tuple[float, bool]] = field(default_factory=list)
    """Time stamp of each packet, and whether no other frame refers to it."""
    frames: dict[float, bool] = field(default_factory=dict)
    """Time stamp of each decoded frame, and whether it refers to no other one."""
    complaints: list[tuple[int, str]] = field(default_factory=list)
    """What was said about a packet, by its place."""
    lost: list[tuple[int, str]] = field(default_factory=list)
    """What a demuxer said that then found the packet of this place."""
    corrupt: list[float] = field(default_factory=list)
    """Time stamps of frames that the decoder itself marks."""

    def findings(self, keys: list[float]) -> Findings:
        """Return what matters to the clip, whose key frames up to the first frame are those given."""
        decoded = sum(self.first - _HAIR <= second <= self.last + _HAIR for second in self.frames)
        begin = keys[-1] if keys else -inf
        if not self.frames.get(begin, True):  # intra refresh: the picture is whole one key frame later
            begin = keys[-2] if len(keys) > 1 else -inf
        inside = [place for place, (second, _) in enumerate(self.packets) if self._is_due(second)]
        start = next((place for place, (second, _) in enumerate(self.packets) if second == begin), 0)
        end = max(inside, default=-1) + self.delayed
        for place, words in sorted([*self.complaints, *self.lost]):
            second, idle = self.packets[min(place, len(self.packets) - 1)]
            if (place, words) in self.lost:
                counts = self._is_short if place > end else start < place and self._lacks_frames(place)
                second = self.packets[max(place - 1, 0)][0]
            else:
                counts = start <= place <= end and second >= begin and not (idle and second < self.first)
            if counts:
                return Findings(f"damaged at {second:.2f} s: {words}", decoded)
        for second in filter(self._is_due, self.corrupt):
            return Findings(f"damaged at {second:.2f} s: the decoder marks a frame as corrupt", decoded)
        return Findings("", decoded)

    @property
    def delayed(self) -> int:
        """Packets by which a frame may be stored later than its time says, which is that of a packet."""
        return 0 if self.counted is None else _MOST_DELAYED

    def _is_due(self, second: float) -> bool:
        return self.first - _HAIR <= second <= self.last + _HAIR

    def _lacks_frames(self, place: int) -> bool:
        """Whether time stamps about some place are too far apart; else data of other streams was lost."""
        near = {second for second, _ in self.packets[max(0, place - _NEAR) : place + _NEAR]}
        all_shown = sorted(second for second, _ in self.packets if second <= self.last + _HAIR)
        gaps = [(a, b) for a, b in pairwise(all_shown) if b - a > _FRAMES_LATE * self.step]
        return any(a in near or b in near for a, b in gaps)

    @property
    def _is_short(self) -> bool:
        """Whether frames may be missing between the last one and the end of the interval."""
        return self.last + _FRAMES_LATE * self.step < self.end


class _Reader:
    """Reads the packets of one stream, with what FFmpeg says meanwhile."""

    def __init__(self, media: InputContainer, stream: Stream, said: list[tuple[int, str, str]]) -> None:
        self._media, self._stream, self._said = media, stream, said
        self._zero = float(zero_of(media) or 0)
        self._in_order = media.format.name == "avi"
        said.clear()

    def packets(self) -> Iterator[tuple[float, float, Packet[Any], str]]:
        """Yield time stamp, decoding time stamp, packet, and what was said while it was looked for.

        A packet without time stamps, such as the second field of a frame, has those of the one before.
        """
        pts = dts = -inf
        for packet in packets(self._media, self._stream):
            stamp = packet.dts if self._in_order or packet.pts is None else packet.pts
            if stamp is not None:
                pts = float(stamp * packet.time_base) - self._zero
                dts = pts if packet.dts is None else float(packet.dts * packet.time_base) - self._zero
            elif not packet.size:
                yield inf, inf, packet, self.words()
                return
            yield pts, dts, packet, self.words()

    def decoded(self, packet: Packet[Any] | None) -> tuple[list[Any], str]:
        """Decode one packet, or what is left; return the frames, and what was said."""
        from av.error import FFmpegError  # noqa: PLC0415 - 0.2 s that only the child needs to spend

        frames: list[Any] = []
        words = ""
        try:
            frames = self._stream.codec_context.decode(packet)  # type: ignore[attr-defined]
        except FFmpegError as error:
            words = error.strerror or str(error)
        return frames, self.words() or words

    def words(self) -> str:
        """Return the first error that was logged since this was asked last."""
        from av import logging  # noqa: PLC0415 - as above

        found = []
        for level, _, words in self._said:
            known = next((known for known in _FOR_DEBUGGING if words.startswith(known)), None)
            if known is not None:
                found.append(_FOR_DEBUGGING[known])
            elif level <= logging.ERROR and not _HARMLESS.search(words):
                found.append(words.strip()[:200])
        self._said.clear()
        return found[0] if found else ""

    def second(self, frame: VideoFrame) -> float | None:
        """Return the time stamp of a frame, if it has one."""
        return None if frame.pts is None else float(frame.pts * (self._stream.time_base or 0)) - self._zero


def _read_picture(asked: dict[str, Any], said: list[tuple[int, str, str]]) -> Findings:
    interval = _Interval(asked["first"], asked["last"], asked["end"], asked["step"], asked["counted"])
    keys = []
    with opened(asked["path"], asked["container"]) as media:
        reader = _Reader(media, media.streams.video[asked["track"]], said)
        for pts, dts, packet, _ in reader.packets():
            if dts > interval.first + _HAIR:
                break
            if packet.is_keyframe and pts <= interval.first + _HAIR:
                keys.append(pts)
    keys.sort()
    begin = keys[-_KEYS] if len(keys) >= _KEYS and not asked["counted"] else -inf
    with opened(asked["path"], asked["container"]) as media:
        stream = media.streams.video[asked["track"]]
        _one_thread(stream)
        reader = _Reader(media, stream, said)
        begun = False
        for pts, dts, packet, words in reader.packets():
            begun = begun or begin == -inf or (pts == begin and packet.is_keyframe)
            if not begun:
                continue
            place = len(interval.packets)
            if words:
                interval.lost.append((place, words))
            if dts > interval.last + interval.delayed * interval.step + _HAIR:
                if dts < inf:
                    interval.packets.append((pts, True))
                break
            interval.packets.append((pts, packet.is_disposable))
            if packet.is_corrupt:
                interval.complaints.append((place, "the container marks a packet as corrupt"))
            _take(interval, reader, packet, place)
        _take(interval, reader, None, len(interval.packets) - 1)
    return interval.findings(keys)


def _take(interval: _Interval, reader: _Reader, packet: Packet[Any] | None, place: int) -> None:
    frames, words = reader.decoded(packet)
    if words:
        interval.complaints.append((place, words))
    for frame in frames:
        second = reader.second(frame)
        if interval.counted is not None:
            second = interval.counted[0] + len(interval.frames) * interval.counted[1]
        elif second is None:  # it comes between two others
            second = max(interval.frames, default=interval.first) + interval.step / 2
        interval.frames[second] = frame.pict_type == _INTRA
        if frame.is_corrupt:
            interval.corrupt.append(second)


def _read_sound(asked: dict[str, Any], said: list[tuple[int, str, str]]) -> Findings:
    first, end = asked["first"], asked["end"]
    with opened(asked["path"], asked["container"]) as media:
        stream = media.streams.audio[asked["track"]]
        _one_thread(stream)
        reader = _Reader(media, stream, said)
        before = -inf
        for pts, _, packet, words in reader.packets():
            if pts >= end or packet.size == 0:
                return Findings()
            until = pts + float((packet.duration or 0) * packet.time_base)
            if pts < first - 1:
                before = until
                continue
            _, complaint = reader.decoded(packet)
            if packet.is_corrupt:
                complaint = "the container marks a packet as corrupt"
            lost = words if max(before, first) < pts - _HAIR else ""
            if (complaint and until > first) or lost:
                return Findings(f"audio damaged at {pts:.2f} s: {lost or complaint}")
            before = until
    return Findings()


def _one_thread(stream: Stream) -> None:
    """Have the decoder log in the thread that calls it."""
    stream.codec_context.thread_count = 1
    stream.codec_context.thread_type = "NONE"


def serve(question: str) -> None:
    """Answer one question."""
    import av  # noqa: PLC0415 - as above

    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked = json.loads(question)
    # Where frames may have been lost: a stream may also leave some out on purpose.
    av.logging.set_level(av.logging.DEBUG if asked.get("suspect") else av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    with av.logging.Capture() as said:
        found = _read_sound(asked, said) if asked.get("sound") else _read_picture(asked, said)
    sys.stdout.write(json.dumps(asdict(found)))
