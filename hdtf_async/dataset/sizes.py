"""Estimate the disk space that clips need. Pure; docs/disk.md states the rule and where it is from.

Sides of a crop window are only estimated: `geometry` computes them exactly, but takes thirty times as long,
which is minutes for a million clips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.model import Audio, Codec, Crop, Fit, Square

if TYPE_CHECKING:
    from hdtf_async.core.model import Clip, OutputSettings, Region

BYTES_PER_PIXEL = 71_400 / 265_249
"""Bytes per second and pixel of a clip with the default encoder settings: bytes per second divided by the
mean area of the boxes, both as `benchmarks/quality.py` prints them for its synthetic footage."""
_DEFAULT_CRF = 20
_CRF_TO_HALVE = 6
"""Steps of CRF that halve the bytes, by x264's rule of thumb."""
_AUDIO_BYTES = {Audio.NONE: 0, Audio.AAC: 16_000, Audio.WAV: 32_000, Audio.BOTH: 48_000}
"""Bytes of audio per second: AAC of 128 kb/s, WAV of 16 kHz and 16 bits."""
_ASSUMED_HEIGHT = 1080
"""Height of a source video whose reference height is unknown."""
_ASPECT = 16 / 9
"""Aspect ratio of a source video whose width is unknown."""


def clip_bytes(clip: Clip, settings: OutputSettings) -> float | None:
    """Estimate the bytes of a clip and of its WAV file.

    None if there is no basis for an estimate: lossless clips, and faces whose size is not known before they
    are detected.
    """
    if settings.codec is Codec.LOSSLESS:
        return None
    sides = _sides(clip, settings)
    if sides is None:
        return None
    width, height = _scaled(*sides, settings)
    rate = BYTES_PER_PIXEL * width * height * 2 ** ((_DEFAULT_CRF - settings.crf) / _CRF_TO_HALVE)
    return clip.interval.seconds * (rate + _AUDIO_BYTES[settings.audio])


def _sides(clip: Clip, settings: OutputSettings) -> tuple[float, float] | None:
    """Return width and height of the crop window in the source video; None if they are unknown."""
    if settings.crop is Crop.FACE:
        return None if settings.size is None else (1.0, 1.0)
    if settings.crop is Crop.TABLE and clip.box is not None:
        return clip.box.width, clip.box.height
    height = clip.video.reference_height or _ASSUMED_HEIGHT
    if settings.crop is Crop.TABLE and clip.region is not None:
        return _region_sides(clip.region, height)
    return height * _ASPECT, height


def _region_sides(region: Region, height: int) -> tuple[float, float]:
    """Return width and height of a region in a source video of this height."""
    frame_height = height if region.reference_height == 1 else region.reference_height
    across, down = frame_height * _ASPECT, float(frame_height)
    if region.reference_width > 1:
        across = float(region.reference_width)
    more = 1 + 2 * region.expand
    unit = across if region.reference_width == 1 else 1.0, down if region.reference_height == 1 else 1.0
    sides = min(region.width * unit[0] * more, across), min(region.height * unit[1] * more, down)
    if region.square is Square.NO:
        return sides
    side = min(sides) if region.square is Square.MIN else min(max(sides), down)
    return side, side


def _scaled(width: float, height: float, settings: OutputSettings) -> tuple[float, float]:
    """Return the size of the clip's frames."""
    if settings.size is None:
        return width, height
    if settings.fit is not Fit.KEEP:
        return settings.size, settings.size
    scale = settings.size / min(width, height)
    return width * scale, height * scale
