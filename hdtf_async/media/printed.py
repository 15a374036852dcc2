"""Read what ffmpeg prints while it creates a clip: its progress, the source frames, and measurements."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.measurements import MARK

if TYPE_CHECKING:
    from collections.abc import Callable

    from hdtf_async.media.cut import Cut
    from hdtf_async.media.measurements import Measurements

_ROUNDING = 2e-6
"""Seconds by which timestamps with six decimals may differ."""


class OtherFramesError(Failure):
    """The source frames that ffmpeg reported are not those of the clip."""


class LateError(OtherFramesError):
    """The first source frame is missing: the decoder could not start where ffmpeg sought to."""


_REPORTED = re.compile(r"frame:([0-9]{1,9}) +pts:(-?[0-9]{1,18}) ")


class Frames:
    """Compares the source frames that ffmpeg reports with the expected ones."""

    def __init__(self, cut: Cut, preroll: float) -> None:
        self._cut, self._source = cut, cut.source
        self._origin = cut.ticks(cut.origin(preroll))
        self.begun = False
        """Whether the first source frame was reported."""
        self._ended = False

    def add(self, frame: str) -> None:
        """Process ffmpeg's line about a frame. Raises `Failure` for an unexpected one."""
        found = _REPORTED.match(frame)
        if found is None or self._source is None:
            return
        place, tick = int(found[1]), int(found[2]) + self._origin
        if place == 0:
            self._require("first", tick, self._source.first)
            self.begun = True
        if place == self._source.frames - 1:
            self._require("last", tick, self._source.last)
            self._ended = True
        elif place >= self._source.frames:
            message = f"more than the {self._source.frames} source frames were decoded"
            raise OtherFramesError(Reason.UNSUPPORTED_SOURCE, message)

    def require_all(self) -> None:
        """Raise `Failure` with ``unsupported_source`` unless the last source frame was reported."""
        if self._source is None or self._ended:
            return
        if not self.begun:
            message = f"none of the {self._source.frames} source frames was decoded"
            raise LateError(Reason.UNSUPPORTED_SOURCE, message)
        message = f"not all of the {self._source.frames} source frames were decoded"
        message = f"{message}, up to {self._source.last:.3f} s"
        raise OtherFramesError(Reason.UNSUPPORTED_SOURCE, message)

    def _require(self, which: str, tick: int, second: float) -> None:
        if abs(tick - self._cut.ticks(second)) > max(1, self._cut.ticks(_ROUNDING)):
            found = float(tick * self._cut.time_base)
            message = f"the {which} source frame is at {found:.3f} s, expected {second:.3f} s"
            raise (LateError if which == "first" else OtherFramesError)(Reason.UNSUPPORTED_SOURCE, message)


class Progress:
    """Reads the lines of ``-progress``: how many frames there are, and whether ffmpeg makes progress."""

    def __init__(
        self,
        length: float,
        on_seconds: Callable[[float], None] = lambda _seconds: None,
        on_other: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """`length` is that of the output, in seconds."""
        self.frames = 0
        self.length = length
        self._reached = -1.0
        self._on_seconds = on_seconds
        self._on_other = on_other

    def line(self, line: str) -> bool:
        """Read one line; return whether it shows progress."""
        key, _, value = line.partition("=")
        if key == "frame" and re.fullmatch(r"[0-9]{1,15}", value):
            self.frames = int(value)
        if key == "progress" and value == "end":
            return True
        if key != "out_time_us" or not re.fullmatch(r"[0-9]{1,15}", value):
            self._on_other(line)
            return False
        seconds = int(value) / 1e6
        # Output beyond the end of the clip, possibly endless, is no progress.
        if not self._reached < seconds <= self.length + 1:
            return False
        self._reached = seconds
        self._on_seconds(seconds)
        return True


class Printed:
    """Tells the values that filters print about source frames from those that they measure.

    ffmpeg prints a line about a frame, and then each value; `Progress` receives some lines in between.
    """

    def __init__(self, frames: Frames, measured: Measurements | None) -> None:
        self._frames, self._measured = frames, measured
        self._frame = ""
        """The latest line about a frame."""

    def line(self, line: str) -> None:
        """Process one line. Raises `Failure` for an unexpected source frame."""
        if line.startswith("frame:"):
            self._frame = line
        elif line.startswith(f"{MARK}="):
            self._frames.add(self._frame)
        elif self._measured is not None:
            self._measured.add(self._frame, line)
