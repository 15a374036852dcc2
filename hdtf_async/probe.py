"""Size, rate and frames of a raw or a clip, asked of a supervised child.

The supervisor never parses foreign media in its own process. A child does (`serve`): it reads one
question a line, forks for each, and the fork demuxes the whole file with PyAV (no decoding, so this is
nearly free) with the demuxer forced to the promised container, no protocol but ``file``, and limits on
memory and CPU. A file that brings the fork down costs only its own question.

Demuxing everything is what finds a truncated file: its header promises more than there is.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hdtf_async.failures import Failure, Reason
from hdtf_async.guard import UNGUARDED, Guard
from hdtf_async.process import Companion

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from av.container import InputContainer
    from av.video.stream import VideoStream

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
_CALM = 19
_SERVE = """
import sys
sys.path.append(sys.argv[1])
from hdtf_async.probe import serve
serve()
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What demuxing the whole of a file showed of its first video stream."""

    codec: str
    width: int
    height: int
    """Pixels as stored, before any rotation."""
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

    @property
    def truncated(self) -> bool:
        """Whether the frames end well before the header says (half a second is rounding)."""
        return self.promised - (self.end - self.start) > max(0.5, 0.01 * self.promised)


class Prober:
    """Asks the probing child. An async context manager: the child is gone when it is left."""

    def __init__(self, guard: Guard = UNGUARDED) -> None:
        # -P: a module of that name in the working directory must not be taken for ours. So where ours
        # is has to be said, for this program may have been started right from its source directory.
        own = str(Path(__file__).parents[1])
        self._child = Companion([sys.executable, "-P", "-c", _SERVE, own], limit=_ANSWER_LIMIT, guard=guard)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._child.aclose()

    async def ready(self) -> None:
        """Ask something that needs no file, so that a child that cannot work is found out before a download.

        Raises `Failure` with ``tool_missing``.
        """
        question = {"path": "", "container": "", "intervals": []}
        try:
            await self._child.ask(json.dumps(question).encode(), deadline=_DEADLINE)
        except Failure as failure:
            words = f"the child that reads media (PyAV) does not work: {failure.words}"
            raise Failure(Reason.TOOL_MISSING, words) from failure

    async def facts(self, path: Path, *, container: str, intervals: Sequence[Interval] = ()) -> Facts:
        """Return what is in a media file of the given container (its file ending without the dot).

        Raises `Failure`: ``raw_unreadable`` where the file is no such container, holds no video, is larger
        than the limits, or brings down who reads it; ``timed_out`` where it cannot be read in three
        minutes; ``tool_missing`` or ``tool_failed`` where the child does not work, whatever the file.
        """
        question = {
            "path": os.fspath(path),
            "container": container,
            "intervals": [[interval.start, interval.end] for interval in intervals],
        }
        answer = json.loads(await self._child.ask(json.dumps(question).encode(), deadline=_DEADLINE))
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
    # A title in another encoding does not make a video unreadable: PyAV before 19 has to be told.
    lenient: dict[str, Any] = (
        {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < _CALM else {}
    )
    with av.open(
        f"file:{Path(path).resolve()}",
        format=demuxer,
        options={"protocol_whitelist": "file", "max_pixels": str(MAX_SIDE**2)},
        **lenient,
    ) as media:
        if not media.streams.video:
            raise ValueError("no video stream in it")
        stream = media.streams.video[0]
        if stream.codec_context is None or stream.time_base is None:
            raise ValueError("its video stream is of an unknown kind")
        if not (0 < stream.width <= MAX_SIDE and 0 < stream.height <= MAX_SIDE):
            raise ValueError(f"a frame of {stream.width} x {stream.height} pixels is not accepted")
        return _facts(media, stream, stream.time_base, intervals)


def _facts(
    media: InputContainer, stream: VideoStream, base: Fraction, intervals: Sequence[tuple[float, float]]
) -> Facts:
    # In ticks of the stream's time base, as integers: exact, and quick enough for hours of video.
    bounds = [
        (ceil(Fraction(str(start)) / base), ceil(Fraction(str(end)) / base)) for start, end in intervals
    ]
    seen = _Seen(bounds)
    furthest = Fraction(0)
    for packet in media.demux():
        if packet.pts is None or packet.is_discard:
            continue
        if packet.stream_index == stream.index:
            seen.take(packet.pts, packet.duration or 0)
        elif stream.duration is None:
            furthest = max(furthest, (packet.pts + (packet.duration or 0)) * packet.time_base)
    if seen.frames == 0:
        raise ValueError("no frame in it")
    first, end = seen.first * base, seen.end * base
    stated = Fraction(media.duration or 0, 1_000_000)
    if seen.end <= seen.last and seen.frames > 1:  # a WebM without durations of frames
        end = seen.last * base + (seen.last - seen.first) * base / (seen.frames - 1)
        end = min(end, stated) if stated > seen.last * base else end
    span = end - first
    if stream.duration is not None:
        promised = stream.duration * base
    elif stated:
        # Stated for all streams together: what those lack at the end, the picture lacks too.
        promised = span + stated - max(furthest, end)
    else:
        promised = Fraction(0)
    declared = stream.average_rate
    if not declared or abs(declared * span - seen.frames) > 1:
        declared = seen.frames / span if span else Fraction(0)
    return Facts(
        codec=stream.codec_context.codec.canonical_name,
        width=stream.width,
        height=stream.height,
        fps=round(float(declared), 6),
        frames=seen.frames,
        start=round(float(first), 6),
        end=round(float(end), 6),
        promised=round(float(promised), 6),
        time_base=str(base),
        frames_within=tuple(seen.within),
    )


@dataclass(slots=True)
class _Seen:
    """Packets of one stream, in ticks of its time base."""

    bounds: Sequence[tuple[int, int]]
    within: list[int] = field(init=False)
    frames: int = 0
    first: int = 0
    last: int = 0
    end: int = 0

    def __post_init__(self) -> None:
        self.within = [0] * len(self.bounds)

    def take(self, tick: int, duration: int) -> None:
        """Take in one more."""
        self.first = min(self.first, tick) if self.frames else tick
        self.last = max(self.last, tick) if self.frames else tick
        self.end = max(self.end, tick + duration) if self.frames else tick + duration
        self.frames += 1
        if self.frames > MAX_FRAMES:
            raise ValueError(f"more than {MAX_FRAMES} frames")
        for place, (left, right) in enumerate(self.bounds):
            self.within[place] += left <= tick < right


def _answer(question: bytes) -> str:
    try:
        asked = json.loads(question)
        return json.dumps(asdict(read(asked["path"], asked["container"], asked["intervals"])))
    except Exception as error:  # noqa: BLE001 - whatever a parser of foreign bytes may raise is the answer
        # The words alone: no path, as errors of the system name it, and no type where it says nothing.
        words = getattr(error, "strerror", None) or (
            str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        )
        return json.dumps({"error": words[:2000]})


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        with suppress(ValueError, OSError):  # macOS takes no limit on memory
            resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _answer_in_fork(question: bytes) -> str:
    ours, theirs = os.pipe()
    fork = os.fork()
    if fork == 0:
        try:
            # Whatever a library may print is no answer.
            os.dup2(2, 1)
            _limit()
            with os.fdopen(theirs, "w") as pipe:
                pipe.write(_answer(question))
        except BaseException:  # noqa: BLE001 - a fork must never become a second server
            os._exit(1)
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        answer = pipe.read(_ANSWER_LIMIT)
    code = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
    if code == 0:
        return answer
    how = signal.Signals(-code).name if code < 0 else f"code {code}"
    return json.dumps({"error": f"reading it ended with {how}"})


def serve() -> None:
    """Answer the questions on stdin until it is closed."""
    import av  # noqa: PLC0415 - once, before the forks

    av.logging.set_level(None)
    for question in sys.stdin.buffer:
        sys.stdout.write(_answer_in_fork(question) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
