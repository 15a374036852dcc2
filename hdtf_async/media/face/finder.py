"""Find the faces of a clip with a supervised child process.

One child per clip is started (`detector`). It loads the detector and reads frames of the source video from
its own ffmpeg: no more than `--face-rate` per second, with a shorter side of at most 720 pixels, so that
memory does not depend on the duration and size of the clip.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from hdtf_async.core import os_errors, preflight
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Crop
from hdtf_async.core.preflight import Status
from hdtf_async.media.face import model_file
from hdtf_async.media.face.detector import NO_PICTURES, TIMES
from hdtf_async.media.face.people import BETWEEN, ROUNDS, Face, Frame, doubtful
from hdtf_async.media.ffmpeg import FROM_FURTHER_BACK, PREROLLS, STALL, distinct_prerolls, input_args
from hdtf_async.media.filters import decimal, decoded_frames
from hdtf_async.media.measurements import MARK
from hdtf_async.media.run import FfmpegError
from hdtf_async.output import atomic
from hdtf_async.process import supervisor
from hdtf_async.process.guard import UNGUARDED, Guard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hdtf_async.core.model import Interval
    from hdtf_async.core.options import Options
    from hdtf_async.core.preflight import CheckResult
    from hdtf_async.media.cut import Cut, SourceFrames

SHORTER_SIDE = 720
"""Maximum shorter side, in pixels, of the frames that are searched."""
_SLOWEST = 10.0
"""Maximum seconds per frame."""
_START = 120.0
_EARLY = 0.001
"""Seconds by which a frame may be early: timestamps are rounded."""
JITTER = 0.462814
"""Sample ``n`` is at the fraction of ``n * n`` times this in its period.

Any periodic motion is then sampled at all of its phases. With this factor that holds from the first half
dozen samples on, for motions at a fourth to three times the sampling rate.
"""


def search_size(width: int, height: int) -> tuple[int, int]:
    """Return width and height to which frames of this size are scaled."""
    if min(width, height) <= SHORTER_SIDE:
        return width, height
    scale = Fraction(SHORTER_SIDE, min(width, height))
    return round(width * scale), round(height * scale)


def detection_command(
    ffmpeg: Path, cut: Cut, size: tuple[int, int], between: Sequence[Interval] = (), preroll: float = 0.0
) -> list[str]:
    """Return the command line that prints frames of a clip's interval as pixels of a size.

    These are the samples; if intervals are given, the frames inside them.
    """
    origin = cut.origin(preroll)
    chain = [
        f"trim=start={decimal(cut.begin - origin)}:end={decimal(cut.ticked.end - origin)}",
        *_selected(cut, between, origin),
        f"scale={size[0]}:{size[1]}:flags=bilinear",
        # The timestamp of each frame is printed before the frame is passed on.
        f"settb={cut.time_base}",
        f"metadata=mode=add:key={MARK}:value=1",
        f"metadata=mode=print:key={MARK}:file='pipe\\:{TIMES}':direct=1",
    ]
    return [
        *input_arguments(ffmpeg, cut, preroll),
        "-vf", ",".join([*decoded_frames(cut), *chain]),
        "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1",
    ]  # fmt: skip


def input_arguments(ffmpeg: Path, cut: Cut, preroll: float = 0.0) -> list[str]:
    """Return the start of a command line that decodes the video stream of the clip.

    Errors do not end it: the encoder determines whether damage affects the clip.
    """
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-v", "error",
        *(["-copyts"] if cut.copies_time else []),
        *(["-reinit_filter", "0"] if cut.recoloured else []),
        *input_args(cut.raw, cut.container, cut.sought_from(preroll)),
        "-map", f"0:v:{cut.track}", "-an", "-sn", "-dn", "-filter_threads", "1",
    ]  # fmt: skip


def _selected(cut: Cut, between: Sequence[Interval], origin: float) -> list[str]:
    """Return the filter that selects the frames to search.

    There is one sample in each of equal periods, at another position in each (see `JITTER`). The samples of a
    clip are always the same.
    """
    rate = cut.settings.face_rate
    if between:
        within = "+".join(
            f"gt(t,{decimal(each.start - origin + _EARLY)})*lt(t,{decimal(each.end - origin - _EARLY)})"
            for each in between
        )
        apart = f"isnan(prev_selected_t)+gte(t-prev_selected_t,{1 / BETWEEN - _EARLY:.6f})"
        return [f"select='({within})*({apart})'"]
    if rate is None:
        return []
    # A frame is on screen at the sample's time if it starts less than a frame duration earlier.
    step = cut.source.step if cut.source is not None else 0.0
    period = f"st(0,(t-({decimal(cut.begin - origin - _EARLY)}))*{rate});st(1,floor(ld(0)))"
    threshold = f"mod(ld(1)*ld(1)*{JITTER},1)-{decimal(step * rate)}"
    number = f"st(2,ld(1)+gte(ld(0)-ld(1),{threshold}))"
    return [f"select='{period};{number};st(3,gt(ld(2),ld(4))+isnan(prev_selected_t));st(4,ld(2));ld(3)'"]


def _begins(frame: Frame, source: SourceFrames) -> bool:
    """Return whether a frame is the first one of a clip; the first ones are lost if no key frame is near."""
    return frame.second - source.first <= source.step / 2 + _EARLY


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds the faces of clips."""

    ffmpeg: Path
    model: Path
    guard: Guard = UNGUARDED

    async def ready(self) -> None:
        """Search one empty image, to detect a child that does not work before the first download.

        Raises `Failure` with ``tool_missing``.
        """
        try:
            await self._child(64, 64, [], _START)
        except Failure as failure:
            message = f"the face detection process (MediaPipe) does not work: {failure.words}"
            if any(library in message for library in ("libEGL", "libGLES")):
                message += "\non Debian and Ubuntu: apt-get install libegl1 libgles2"
            raise Failure(os_errors.of_child(failure), message) from failure

    async def look(self, cut: Cut, size: tuple[int, int]) -> list[Frame]:
        """Return the frames that were searched, with face regions in pixels of the source video.

        `size` is width and height of the source video. If samples do not show whether a face has moved or the
        video has cut to another one, the frames between them are searched too.

        The caller holds an encode token. Raises `Failure`: the reason that ffmpeg's message indicates,
        ``unsupported_source`` if no frame is decoded, ``tool_missing``, ``tool_failed``, ``timed_out``,
        ``stalled``.
        """
        frames = await self._look(cut, size)
        rate = cut.settings.face_rate
        for _ in range(ROUNDS if rate is not None and rate < BETWEEN else 0):
            # This takes a while for a long clip with many faces.
            between = await run_sync(doubtful, frames)
            if not between:
                break
            searched = {frame.second for frame in frames}
            frames += [
                frame for frame in await self._look(cut, size, between) if frame.second not in searched
            ]
            frames.sort(key=lambda frame: frame.second)
        return frames

    async def _look(self, cut: Cut, size: tuple[int, int], between: Sequence[Interval] = ()) -> list[Frame]:
        frames: list[Frame] = []
        failed = Failure(Reason.UNSUPPORTED_SOURCE, "no frame was decoded")
        for preroll in distinct_prerolls(cut) if cut.source is not None else PREROLLS[:1]:
            try:
                frames = await self._started(cut, size, between, preroll)
            except Failure as failure:
                if failure.reason not in FROM_FURTHER_BACK:
                    raise
                failed = failure
            else:
                if frames and (between or cut.source is None or _begins(frames[0], cut.source)):
                    return frames
        if frames or between:
            return frames
        raise failed

    async def _started(
        self, cut: Cut, size: tuple[int, int], between: Sequence[Interval], preroll: float
    ) -> list[Frame]:
        width, height = search_size(*size)
        argv = detection_command(self.ffmpeg, cut, (width, height), between, preroll)
        frames = cut.interval.seconds * (BETWEEN if between else cut.settings.face_rate or 60)
        patience = STALL + cut.begin - cut.sought_from(preroll)
        try:
            answers = await self._child(width, height, argv, patience + _SLOWEST * frames, patience)
        except Failure as failure:
            message = failure.words.replace(f"{cut.raw.parent}/", "")
            raise Failure(failure.reason, message) from None
        origin = cut.origin(preroll)
        return [
            Frame(
                round(float(tick * cut.time_base) + origin, 6),
                [Face(*face).scaled(*size) for face in faces],
                sampled=not between,
            )
            for tick, faces in answers
        ]

    async def _child(
        self, width: int, height: int, argv: list[str], deadline: float, stall: float = STALL
    ) -> list[tuple[int, list[list[float]]]]:
        frames: list[tuple[int, list[list[float]]]] = []

        def on_line(line: str) -> bool:
            tick, faces = json.loads(line)
            frames.append((tick, faces))
            return True

        ended = await supervisor.run(
            supervisor.Command(
                supervisor.own_module_argv(
                    "hdtf_async.media.face.detector", str(self.model), str(width), str(height), *argv
                )
            ),
            deadline=deadline,
            stall=stall,
            on_line=on_line,
            guard=self.guard,
        )
        if ended.code == NO_PICTURES:
            raise FfmpegError.of(ended)
        if ended.code != 0:
            raise Failure(Reason.TOOL_FAILED, f"{ended.stderr}\nexit code {ended.code}")
        return frames

    def versions(self) -> dict[str, str]:
        """Return what is recorded about the detector: its version, and the start of its model's hash."""
        digest = atomic.sha256(self.model)
        return {"mediapipe": installed() or "unknown", "face_model": digest[:16]}


async def open_finder(options: Options, tool: Path, guard: Guard) -> Finder | None:
    """Return a tested face finder, or None if none is needed.

    Raises `Failure` with ``not_ready`` if a package is not installed, and with ``tool_missing`` if its model
    is missing or the detector does not start.
    """
    sign = look_at_tools(options)
    if sign is None:
        return None
    if sign.verdict is Status.WRONG:
        raise Failure(sign.reason, f"{sign.words}: {sign.remedy}")
    made = Finder(tool, await model_file.available(options.face_model, guard=guard), guard)
    await made.ready()
    return made


def look_at_tools(options: Options) -> CheckResult | None:
    """Check the installed packages for face detection, if it is needed."""
    if options.crop is not Crop.FACE:
        return None
    fetches = options.face_model is None
    return preflight.of_face_tools(installed(), pooch=not fetches or find_spec("pooch") is not None)


def installed() -> str | None:
    """Return the version of MediaPipe, or None if it is not installed."""
    try:
        return version("mediapipe")
    except PackageNotFoundError:
        return None
