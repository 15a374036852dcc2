"""The estimated disk space of clips, by the rule in docs/disk.md."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hdtf_async.core.model import (
    Annotation,
    Audio,
    Box,
    Clip,
    Codec,
    Crop,
    Fit,
    Interval,
    OutputSettings,
    Region,
    Square,
    Video,
)
from hdtf_async.dataset.sizes import BYTES_PER_PIXEL, clip_bytes

CLIP = Clip(Video("RD", "One", "aaaaaaaaaaa", 720), 0, Interval(10, 20), Box(10, 20, 512, 512))
DEFAULT = OutputSettings()


def listed(region: Region, height: int = 720) -> Clip:
    """Return a clip of a list with this region."""
    return replace(
        CLIP, box=None, annotation=Annotation(region), video=replace(CLIP.video, reference_height=height)
    )


@pytest.mark.parametrize(
    ("clip", "settings", "width", "height"),
    [
        (CLIP, DEFAULT, 512, 512),
        (CLIP, OutputSettings(size=256), 256, 256),
        (CLIP, OutputSettings(crop=Crop.NONE), 1280, 720),
        (CLIP, OutputSettings(crop=Crop.NONE, size=360), 640, 360),
        (CLIP, OutputSettings(crop=Crop.NONE, size=360, fit=Fit.PAD), 360, 360),
        (CLIP, OutputSettings(crop=Crop.FACE, size=512), 512, 512),
        (replace(CLIP, box=None, video=replace(CLIP.video, reference_height=0)), DEFAULT, 1920, 1080),
        (listed(Region(0, 0, 300, 200, 640, 360), 360), DEFAULT, 300, 200),
        (listed(Region(0, 0, 300, 200, 640, 360, square=Square.MIN), 360), DEFAULT, 200, 200),
        (listed(Region(0, 0, 300, 200, 640, 360, square=Square.MAX), 360), DEFAULT, 300, 300),
        (listed(Region(0, 0, 0.25, 0.5, 1, 1)), DEFAULT, 320, 360),
        (listed(Region(0, 0, 0.25, 0.5, 1, 1, 0.5)), DEFAULT, 640, 720),
        (listed(Region(0, 0, 1, 0.5, 1, 1, square=Square.MAX)), DEFAULT, 720, 720),
        (listed(Region(0, 0, 0.25, 0.5, 1, 1), 0), DEFAULT, 480, 540),
    ],
)
def test_a_clip_takes_bytes_in_proportion_to_its_seconds_and_pixels(
    clip: Clip, settings: OutputSettings, width: int, height: int
) -> None:
    """The pixels are those of the crop window, or of the size that is asked for."""
    assert clip_bytes(clip, settings) == pytest.approx(10 * BYTES_PER_PIXEL * width * height)


@pytest.mark.parametrize(
    ("audio", "rate"), [(Audio.NONE, 0), (Audio.AAC, 16_000), (Audio.WAV, 32_000), (Audio.BOTH, 48_000)]
)
def test_audio_adds_its_own_bytes(audio: Audio, rate: int) -> None:
    """AAC of 128 kb/s; WAV of 16,000 samples of 2 bytes a second."""
    more = clip_bytes(CLIP, OutputSettings(audio=audio))
    silent = clip_bytes(CLIP, DEFAULT)
    assert more is not None
    assert silent is not None
    assert more - silent == pytest.approx(10 * rate)


def test_six_steps_of_crf_halve_the_bytes() -> None:
    """In both directions."""
    usual = clip_bytes(CLIP, DEFAULT)
    assert usual is not None
    assert clip_bytes(CLIP, OutputSettings(crf=26)) == pytest.approx(usual / 2)
    assert clip_bytes(CLIP, OutputSettings(crf=14)) == pytest.approx(usual * 2)


@pytest.mark.parametrize("settings", [OutputSettings(codec=Codec.LOSSLESS), OutputSettings(crop=Crop.FACE)])
def test_there_is_no_estimate_without_a_basis(settings: OutputSettings) -> None:
    """Lossless clips depend on their noise; the size of a face is not known before it is detected."""
    assert clip_bytes(CLIP, settings) is None
