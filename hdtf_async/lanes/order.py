"""The order of encodes: the waiting clip with the longest estimated encode time comes first.

A long clip that starts last would end alone, while other CPUs are idle. The time is estimated from the number
of decoded pixels, the number of encoded pixels, and the times of earlier clips of the same run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hdtf_async.media.cut import Cut

T = TypeVar("T")

DECODED = 1e-9
"""Seconds per pixel decoded, before anything is measured; from the table in docs/speed.md."""
ENCODED = 5.5e-9
"""Seconds per pixel encoded, likewise."""
_TRUST = 0.2
"""Weight of the initial ratio of these two, as a number of measured clips."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The amount of work of a clip."""

    decoded: float
    """Pixels of the source frames."""
    encoded: float
    """Pixels of the clip's frames."""

    @classmethod
    def of(cls, cut: Cut) -> Self:
        """Return the workload of a clip."""
        width, height = cut.frame_size or (cut.width, cut.height)
        frames = cut.frames if cut.source is None else cut.source.frames
        return cls(frames * width * height, cut.frames * cut.width * cut.height)


class EncodeCosts:
    """Estimates the seconds of encodes, by least squares of the relative errors."""

    def __init__(self) -> None:
        self._decoding, self._encoding = DECODED, ENCODED
        self._clips = 0
        self._scale = 0.0
        """Sum of measured seconds relative to those that were first expected."""
        self._dd = self._de = self._ee = self._d = self._e = 0.0
        """Sums of products of the two parts of the first estimate, relative to the measured seconds."""

    def expected(self, work: Workload) -> float:
        """Return the seconds that a clip is expected to take."""
        return self._decoding * work.decoded + self._encoding * work.encoded

    def learn(self, work: Workload, seconds: float) -> None:
        """Use the measured time of a clip for later estimates."""
        decoding, encoding = DECODED * work.decoded, ENCODED * work.encoded
        if seconds <= 0 or decoding + encoding <= 0:
            return
        self._clips += 1
        self._scale += seconds / (decoding + encoding)
        decoding, encoding = decoding / seconds, encoding / seconds
        self._d += decoding
        self._e += encoding
        self._dd += decoding * decoding
        self._de += decoding * encoding
        self._ee += encoding * encoding
        self._fit()

    def _fit(self) -> None:
        """Find the factors of both parts that fit best, regularised towards their common factor."""
        mean = self._scale / self._clips
        hold = _TRUST / mean**2
        dd, ee = self._dd + hold, self._ee + hold
        d, e = self._d + hold * mean, self._e + hold * mean
        determinant = dd * ee - self._de**2
        least = mean / 10
        self._decoding = DECODED * max(least, (d * ee - e * self._de) / determinant)
        self._encoding = ENCODED * max(least, (e * dd - d * self._de) / determinant)


def longest(waiting: Iterable[T], expected: Callable[[T], float]) -> T:
    """Return the item with the longest estimate; of equals the first one."""
    return max(waiting, key=expected)
