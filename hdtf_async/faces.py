"""Asks a supervised child where the faces of a clip are.

Per clip one child is started (`landmarks`), which loads the detector and reads frames of the raw from an
ffmpeg of its own: no more than `--face-rate` a second, and none with a shorter side of more than 720 pixels,
so that a clip costs the same memory however long and large it is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hdtf_async import causes, facemodel, health, process
from hdtf_async.failures import Failure, Reason
from hdtf_async.ffmpeg import STALL, source
from hdtf_async.guard import UNGUARDED, Guard
from hdtf_async.health import Verdict
from hdtf_async.landmarks import NO_PICTURES
from hdtf_async.model import Crop
from hdtf_async.window import Region
from hdtf_async.words import classify_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hdtf_async.ffmpeg import Cut
    from hdtf_async.health import Sign
    from hdtf_async.options import Options

SHORTER_SIDE = 720
"""Pixels of the shorter side of the frames that are looked at, at most."""
_SLOWEST = 10.0
"""Seconds that one frame may take."""
_START = 120.0
_EARLY = 0.001
"""Seconds by which a frame may come before its turn: time stamps are rounded."""


def looked_at(width: int, height: int) -> tuple[int, int]:
    """Return width and height at which frames of this size are looked at."""
    if min(width, height) <= SHORTER_SIDE:
        return width, height
    scale = Fraction(SHORTER_SIDE, min(width, height))
    return round(width * scale), round(height * scale)


def command(ffmpeg: Path, cut: Cut, width: int, height: int) -> list[str]:
    """Return the command line that prints frames of a clip's stretch of its raw, as pixels."""
    rate = cut.form.face_rate
    chain = [f"trim=end={cut.ticked.seconds:.6f}"]
    if rate is not None:
        chain.append(f"select='isnan(prev_selected_t)+gte(t-prev_selected_t,{1 / rate - _EARLY:.6f})'")
    chain.append(f"scale={width}:{height}:flags=bilinear")
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-v", "error", "-xerror",
        *source(cut.raw, cut.container, cut.ticked.start),
        "-map", "0:v:0", "-an", "-sn", "-dn", "-filter_threads", "1", "-vf", ",".join(chain),
        "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1",
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds the faces of clips."""

    ffmpeg: Path
    model: Path
    guard: Guard = UNGUARDED

    async def ready(self) -> None:
        """Look at one empty picture, so that what cannot work is found out before a download.

        Raises `Failure` with ``tool_missing``.
        """
        try:
            await self._child(64, 64, [], _START)
        except Failure as failure:
            words = f"the child that looks for faces (MediaPipe) does not work: {failure.words}"
            if any(library in words for library in ("libEGL", "libGLES")):
                words += "\non Debian and Ubuntu: apt-get install libegl1 libgles2"
            raise Failure(causes.of_child(failure), words) from failure

    async def look(self, cut: Cut, size: tuple[int, int]) -> list[list[Region]]:
        """Return for each frame that was looked at where faces are, in pixels of the raw.

        `size` is width and height of the raw. This is what holds an encode token. Raises `Failure`: what
        ffmpeg's words mean, ``tool_missing``, ``tool_failed``, ``timed_out``, ``stalled``.
        """
        width, height = looked_at(*size)
        argv = command(self.ffmpeg, cut, width, height)
        frames = cut.interval.seconds * (cut.form.face_rate or 60)
        try:
            told = await self._child(width, height, argv, STALL + _SLOWEST * frames)
        except Failure as failure:
            words = failure.words.replace(f"{cut.raw.parent}/", "")
            raise Failure(failure.reason, words) from None
        return [[Region(*edges).scaled(*size) for edges in frame] for frame in told]

    async def _child(
        self, width: int, height: int, argv: list[str], deadline: float
    ) -> list[Sequence[Sequence[float]]]:
        frames: list[Sequence[Sequence[float]]] = []

        def on_line(line: str) -> bool:
            frames.append(json.loads(line))
            return True

        ended = await process.run(
            process.of_ours("hdtf_async.landmarks", str(self.model), str(width), str(height), *argv),
            deadline=deadline,
            stall=STALL,
            on_line=on_line,
            guard=self.guard,
        )
        if ended.code == NO_PICTURES:
            raise Failure(classify_ffmpeg(ended.words), ended.words)
        if ended.code != 0:
            raise Failure(Reason.TOOL_FAILED, f"{ended.words}\nit ended with {ended.code}")
        return frames

    def versions(self) -> dict[str, str]:
        """Return what is recorded of the detector: its version, and the beginning of its model's hash."""
        digest = hashlib.sha256(self.model.read_bytes()).hexdigest()
        return {"mediapipe": installed() or "unknown", "face_model": digest[:16]}


async def finder(options: Options, tool: Path, guard: Guard) -> Finder | None:
    """Return what finds faces, tried out, if they are wanted. Raises `Failure` with ``tool_missing``."""
    sign = look_at_tools(options)
    if sign is None:
        return None
    if sign.verdict is Verdict.WRONG:
        raise Failure(sign.reason, f"{sign.words}: {sign.remedy}")
    made = Finder(tool, await facemodel.at_hand(options.face_model, guard=guard), guard)
    await made.ready()
    return made


def look_at_tools(options: Options) -> Sign | None:
    """Judge what is installed to find faces, if they are wanted."""
    if options.crop is not Crop.FACE:
        return None
    fetches = options.face_model is None
    return health.of_face_tools(installed(), pooch=not fetches or find_spec("pooch") is not None)


def installed() -> str | None:
    """Return the version of MediaPipe, if it is installed."""
    try:
        return version("mediapipe")
    except PackageNotFoundError:
        return None
