"""What ffmpeg measures about the frames of a clip while it encodes them. Pure.

A copy of the frames that are encoded goes to filters that only measure: `branch` returns them. All frames,
at a height of 96 pixels, are searched for scene cuts, black frames and frozen ones; one frame per second,
at its full size, for black bars, brightness and blur. The encoded frames are not affected, so a clip has
the same bytes with and without measurements.

ffmpeg prints a line for each frame with a result, followed by one for each value. The values are those of
a tool that has decoded an untrusted file: only finite numbers are used, and their number is limited.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite
from statistics import fmean
from typing import Any

from hdtf_async.core.model import SCENE_CUT

SMALL = 96
"""Height in pixels of the frames that are searched for scene cuts, black and frozen frames."""
FROZEN = 0.5
"""Seconds for which frames must be the same to count as frozen."""
MOST = 1000
"""Maximum number of scene cuts, of intervals, and of samples that are kept."""
MARK = "hdtf"
"""Metadata key of source frames whose timestamp is printed."""
_VALUE = re.compile(
    r"lavfi\.([a-z0-9_.]{1,40}|signalstats\.YAVG)=(-?[0-9]{1,12}(?:\.[0-9]{1,12})?(?:e[-+][0-9]{1,2})?)"
)
_AT = re.compile(
    r"frame:[0-9]{1,9} +pts:\S{1,20} +pts_time:([0-9]{1,12}(?:\.[0-9]{1,12})?(?:e[-+][0-9]{1,2})?)$"
)
_PRINTED = "file=-:direct=1"
_INTERVALS = {
    "black_start": ("black", False),
    "black_end": ("black", True),
    "freezedetect.freeze_start": ("frozen", False),
    "freezedetect.freeze_end": ("frozen", True),
}
"""Values at either end of an interval: the interval's column, and whether it ends there."""
_SAMPLED = {"signalstats.YAVG": "brightness", "blur": "blur"}
_SIDES = ("cropdetect.x1", "cropdetect.y1", "cropdetect.x2", "cropdetect.y2")


def branch() -> str:
    """Return the filters that measure the frames, and pass them on unchanged."""
    found = (
        f"key=lavfi.scd.score:function=greater:value={SCENE_CUT - 0.001:.3f}",
        *(f"key=lavfi.{key}" for key in ("black_start", "black_end")),
        *(f"key=lavfi.freezedetect.{key}" for key in ("freeze_start", "freeze_end")),
    )
    every = [
        "extractplanes=y", f"scale=-2:{SMALL}:flags=fast_bilinear",
        "scdet", "blackdetect=d=0", f"freezedetect=d={FROZEN}",
        *(f"metadata=mode=print:{each}:{_PRINTED}" for each in found), "nullsink",
    ]  # fmt: skip
    some = [
        "select='isnan(prev_selected_t)+gte(t-prev_selected_t,1)'",
        f"metadata=mode=delete:key={MARK}",  # it would be printed as if this were a source frame
        "signalstats", "cropdetect=round=2:skip=0", "blurdetect",
        f"metadata=mode=print:{_PRINTED}", "nullsink",
    ]  # fmt: skip
    return f"split=3[out][every][some];[every]{','.join(every)};[some]{','.join(some)};[out]null"


@dataclass(slots=True)
class Measurements:
    """Collects what ffmpeg prints about one clip. Times are in seconds from its first frame."""

    width: int
    """Pixels of the measured frames, which have no black bars of this program."""
    height: int
    cuts: list[tuple[float, float]] = field(default_factory=list)
    """Time and score of each scene cut: of its first frame."""
    _intervals: dict[str, list[list[float]]] = field(default_factory=lambda: {"black": [], "frozen": []})
    _samples: dict[str, list[float]] = field(default_factory=lambda: {"brightness": [], "blur": []})
    _picture: dict[str, float] = field(default_factory=dict)
    """Edges of the area that was not black in any sampled frame."""

    def clear(self) -> None:
        """Forget everything: ffmpeg is started again."""
        self.cuts.clear()
        self._picture.clear()
        for intervals in self._intervals.values():
            intervals.clear()
        for samples in self._samples.values():
            samples.clear()

    def add(self, frame: str, line: str) -> None:
        """Process a value, and the line about its frame; other lines are ignored."""
        found, at = _VALUE.fullmatch(line), _AT.match(frame)
        if found is None or at is None:
            return
        value, second = float(found[2]), float(at[1])
        if not isfinite(value) or not isfinite(second):
            return
        key = found[1]
        if key == "scd.score" and len(self.cuts) < MOST:
            self.cuts.append((second, value))
        elif key in _SIDES:
            self._picture[key] = value
        elif key in _INTERVALS:
            which, ends = _INTERVALS[key]
            (_end if ends else _begin)(self._intervals[which], value)
        elif key in _SAMPLED and len(self._samples[_SAMPLED[key]]) < MOST:
            self._samples[_SAMPLED[key]].append(value)

    def to_json(self, seconds: float) -> dict[str, Any]:
        """Return the columns of ``metadata.jsonl`` about a clip of this duration.

        Those that could not be measured are omitted.
        """
        cuts = [(at, score) for at, score in self.cuts if 0 < at < seconds]
        columns: dict[str, Any] = {
            "scene_cuts": [round(at, 3) for at, _ in cuts],
            "scene_cut_scores": [round(score, 1) for _, score in cuts],
            **{name: _closed(intervals, seconds) for name, intervals in self._intervals.items()},
        }
        if (bars := self._bars()) is not None:
            columns["letterbox"] = bars
        return columns | {name: round(fmean(values), 2) for name, values in self._samples.items() if values}

    def _bars(self) -> list[int] | None:
        """Return the width of the black bars: left, top, right and bottom; None if everything is black."""
        if len(self._picture) < len(_SIDES):
            return None
        left, top, right, bottom = (int(self._picture[side]) for side in _SIDES)
        if not (0 <= left <= right < self.width and 0 <= top <= bottom < self.height):
            return None
        return [left, top, self.width - 1 - right, self.height - 1 - bottom]


def _begin(intervals: list[list[float]], second: float) -> None:
    if len(intervals) < MOST and (not intervals or len(intervals[-1]) > 1):
        intervals.append([second])


def _end(intervals: list[list[float]], second: float) -> None:
    if intervals and len(intervals[-1]) == 1:
        intervals[-1].append(second)


def _closed(intervals: list[list[float]], seconds: float) -> list[list[float]]:
    """Return the intervals inside a clip; the last one may end with it."""
    bounds = ((each[0], each[1] if len(each) > 1 else seconds) for each in intervals)
    return [
        [round(start, 3), round(min(end, seconds), 3)]
        for start, end in bounds
        if 0 <= start < min(end, seconds)
    ]
