"""Size, rate and frames of a raw or a clip, asked of a supervised child.

The supervisor never parses foreign media in its own process. ``python -m hdtf_async.probe`` does: it
reads one question a line, forks for each, and the fork demuxes the whole file with PyAV (no decoding,
so this is nearly free) with the demuxer forced to the promised container, no protocol but ``file``,
and limits on memory and CPU. A file that brings the fork down costs only its own question.

Demuxing everything is what finds a truncated file: its header promises more than there is.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hdtf_async.failures import Failure, Reason
from hdtf_async.process import Companion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from hdtf_async.model import Interval

DEMUXERS = {"mp4": "mp4", "m4v": "mp4", "mov": "mov", "m4a": "mp4", "webm": "matroska", "mkv": "matroska"}
"""File ending to the one demuxer that may read it. A file with another ending is not opened."""
MAX_SIDE = 8192
"""Pixels of the longest side that is accepted; YouTube's largest rendition has 7680."""
MAX_FRAMES = 24 * 3600 * 60
"""Frames that are counted before a file is refused: a day at 60 a second."""
_MEMORY = 4 << 30
_CPU_SECONDS = 120
_DEADLINE = 180.0
_ANSWER_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Facts:
    """What demuxing the whole of a file showed of its first video stream."""

    codec: str
    width: int
    height: int
    """Pixels as stored, before any rotation."""
    fps: float
    """Average frames a second."""
    frames: int
    start: float
    """Time stamp of the first frame, in seconds."""
    end: float
    """Time stamp of the last frame plus its duration, in seconds."""
    promised: float
    """Duration that the file's own header states, in seconds; 0 where it states none."""
    frames_within: tuple[int, ...] = ()
    """For each interval that was asked: the number of frames with ``start <= PTS < end``."""

    @property
    def truncated(self) -> bool:
        """Whether the frames end well before the header says (half a second is rounding)."""
        return self.promised - (self.end - self.start) > max(0.5, 0.01 * self.promised)


class Prober:
    """Asks the probing child. An async context manager: the child is gone when it is left."""

    def __init__(self, inherit: Sequence[int] = ()) -> None:
        # -P: a module of that name in the working directory must not be taken for ours.
        self._child = Companion(
            [sys.executable, "-P", "-m", "hdtf_async.probe"], limit=_ANSWER_LIMIT, inherit=inherit
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._child.aclose()

    async def facts(self, path: Path, *, container: str, intervals: Sequence[Interval] = ()) -> Facts:
        """Return what is in a media file of the given container (its file ending without the dot).

        Raises `Failure` with ``raw_unreadable`` where the file is no such container, holds no video,
        is larger than the limits, or brings the child down.
        """
        question = {
            "path": os.fspath(path),
            "container": container,
            "intervals": [[interval.start, interval.end] for interval in intervals],
        }
        try:
            answer = json.loads(await self._child.ask(json.dumps(question).encode(), deadline=_DEADLINE))
        except Failure as failure:
            raise Failure(Reason.RAW_UNREADABLE, f"{path.name}: {failure.words}") from failure
        if "error" in answer:
            raise Failure(Reason.RAW_UNREADABLE, f"{path.name}: {answer['error']}")
        return Facts(**{**answer, "frames_within": tuple(answer["frames_within"])})


def read(path: str, container: str, intervals: Sequence[tuple[float, float]]) -> Facts:
    """Demux the file in this process. Only the forks of the probing child may call this.

    Raises `ValueError` with words for a person; PyAV's own errors pass.
    """
    import av  # noqa: PLC0415 - 0.2 s that only the child needs to spend

    demuxer = DEMUXERS.get(container)
    if demuxer is None:
        raise ValueError(f"a file ending in .{container} is not opened; known are {', '.join(DEMUXERS)}")
    with av.open(
        f"file:{Path(path).resolve()}", format=demuxer, options={"protocol_whitelist": "file"}
    ) as media:
        if not media.streams.video:
            raise ValueError("no video stream in it")
        stream = media.streams.video[0]
        if not (0 < stream.width <= MAX_SIDE and 0 < stream.height <= MAX_SIDE):
            raise ValueError(f"a frame of {stream.width} x {stream.height} pixels is not accepted")
        base = stream.time_base
        if base is None:
            raise ValueError("the video stream has no time base")
        # In ticks of the stream's time base, as integers: exact, and quick enough for hours of video.
        ticks = [
            (ceil(Fraction(str(start)) / base), ceil(Fraction(str(end)) / base)) for start, end in intervals
        ]
        counted = _count(((packet.pts, packet.duration or 0) for packet in media.demux(stream)), ticks)
        frames, first, end = counted.frames, counted.first * base, counted.end * base
        promised = stream.duration * base if stream.duration else Fraction(media.duration or 0, av.time_base)
        if counted.end <= counted.last and frames > 1:  # a container without durations, such as WebM
            end = counted.last * base + (counted.last - counted.first) * base / (frames - 1)
        span = end - first
        return Facts(
            codec=stream.codec_context.name,
            width=stream.width,
            height=stream.height,
            fps=round(float(stream.average_rate or (frames / span if span else 0)), 6),
            frames=frames,
            start=round(float(first), 6),
            end=round(float(end), 6),
            promised=round(float(promised), 6),
            frames_within=tuple(counted.within),
        )


@dataclass(slots=True)
class _Counted:
    """Packets of one stream, in ticks of its time base."""

    within: list[int]
    frames: int = 0
    first: int = 0
    last: int = 0
    end: int = 0


def _count(packets: Iterable[tuple[int | None, int]], bounds: Sequence[tuple[int, int]]) -> _Counted:
    counted = _Counted([0] * len(bounds))
    for tick, duration in packets:
        if tick is None:
            continue
        counted.first = tick if counted.frames == 0 else min(counted.first, tick)
        counted.last = max(counted.last, tick)
        counted.end = max(counted.end, tick + duration)
        counted.frames += 1
        if counted.frames > MAX_FRAMES:
            raise ValueError(f"more than {MAX_FRAMES} frames")
        for place, (left, right) in enumerate(bounds):
            counted.within[place] += left <= tick < right
    if counted.frames == 0:
        raise ValueError("no frame in it")
    return counted


def _answer(question: bytes) -> str:
    try:
        asked = json.loads(question)
        return json.dumps(asdict(read(asked["path"], asked["container"], asked["intervals"])))
    except Exception as error:  # noqa: BLE001 - whatever a parser of foreign bytes may raise is the answer
        return json.dumps({"error": f"{type(error).__name__}: {error}"[:2000]})


def _limit() -> None:
    for what, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, _CPU_SECONDS)):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def serve() -> None:
    """Answer the questions on stdin until it is closed."""
    import av  # noqa: PLC0415 - once, before the forks

    av.logging.set_level(None)
    for question in sys.stdin.buffer:
        fork = os.fork()
        if fork == 0:
            _limit()
            os.write(1, _answer(question).encode() + b"\n")
            os._exit(0)
        _, status = os.waitpid(fork, 0)
        if status:
            sys.stdout.write(json.dumps({"error": f"reading it ended with status {status}"}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    serve()
