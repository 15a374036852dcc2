"""Video with high dynamic range is mapped to standard range, or rejected."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import av
import media
import pytest
import shapes
from shapes import Shape
from shared import slow_unless
from sources import H264_10, hlg, mapped, pq

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Hdr, OutputSettings
from hdtf_async.core.options import Options
from hdtf_async.media.probe import Prober

if TYPE_CHECKING:
    from pathlib import Path

NITS = (0.1, 1, 10, 50, 100, 203, 400, 1000)
"""Luminance of the eight grey columns of the drawings."""
COLUMN = 20


BT2020 = "color_primaries=bt2020:colorspace=bt2020nc"


def render(
    directory: Path, name: str, transfer: str, arguments: str = H264_10, declared: str = BT2020
) -> Path:
    """Render grey columns of known luminance."""
    signal = pq if transfer == "smpte2084" else hlg
    codes = [round(64 + 876 * signal(nits)) for nits in NITS]
    columns = "+".join(f"{code}*eq(floor(X/{COLUMN})\\,{place})" for place, code in enumerate(codes))
    tags = f"{declared}:color_trc={transfer}:range=tv"
    source = "color=size=160x120:rate=25:duration=1,format=yuv420p10le"
    source_filter = f"{source},geq=lum='{columns}':cb=512:cr=512,setparams={tags}"
    media.ffmpeg(directory, f"-v error -f lavfi -i {source_filter} {arguments} {name}")
    return directory / name


def inspected(path: Path) -> tuple[tuple[int, ...], str | None, list[int], list[int]]:
    """Return a clip's declared colours, its pixel format, and luma and Cb of each column."""
    with av.open(str(path)) as opened:
        context = opened.streams.video[0].codec_context
        declared = context.color_range, context.color_primaries, context.color_trc, context.colorspace
        frame = next(opened.decode(video=0))
        light, blue = frame.planes[0], frame.planes[1]
        middles = range(COLUMN // 2, 160, COLUMN)
        grey = [bytes(light)[60 * light.line_size + place] for place in middles]
        tint = [bytes(blue)[30 * blue.line_size + place // 2] for place in middles]
        return tuple(map(int, declared)), context.pix_fmt, grey, tint


VP9_10 = "-c:v libvpx-vp9 -profile:v 2 -lossless 1 -deadline realtime -cpu-used 8 -pix_fmt yuv420p10le"


@pytest.mark.parametrize(
    ("name", "transfer", "arguments"),
    [
        ("pq.mp4", "smpte2084", H264_10),
        ("pq.webm", "smpte2084", VP9_10),
        ("hlg.mp4", "arib-std-b67", H264_10),
    ],
)
async def test_high_dynamic_range_is_mapped(
    prober: Prober, tmp_path: Path, name: str, transfer: str, arguments: str
) -> None:
    """Each luminance is mapped to its level below white, without a tint, and no HDR declaration is left."""
    shape = Shape(render(tmp_path, name, transfer, arguments), sound=False)
    made = await shapes.make(prober, shape, shapes.clip_of(0, 1), tmp_path / "out", crf=0)
    assert made.path is not None
    declared, pixels, grey, tint = inspected(made.path)
    assert (declared, pixels) == ((1, 1, 1, 1), "yuv420p")
    assert grey == pytest.approx([mapped(nits) for nits in NITS], abs=4), grey
    assert all(abs(blue - 128) <= 1 for blue in tint)
    assert made.metadata["tone_mapped"] == transfer


UNKNOWN = ("color_primaries=unknown", "colorspace=unknown")


@pytest.mark.parametrize(
    ("declared", "transfer"),
    slow_unless(
        product(
            (":".join(UNKNOWN), f"color_primaries=bt2020:{UNKNOWN[1]}", f"{UNKNOWN[0]}:colorspace=bt2020nc"),
            ("smpte2084", "arib-std-b67"),
        ),
        {(":".join(UNKNOWN), "smpte2084"), (":".join(UNKNOWN), "arib-std-b67")},
    ),
)
async def test_colours_that_are_not_declared_are_those_of_bt2020(
    prober: Prober, tmp_path: Path, declared: str, transfer: str
) -> None:
    """Where a video declares only its transfer function, as some phones do, the result is the same."""
    shape = Shape(render(tmp_path, "bare.mp4", transfer, declared=declared), sound=False)
    made = await shapes.make(prober, shape, shapes.clip_of(0, 1), tmp_path / "out", crf=0)
    assert made.path is not None
    declared_now, _, grey, tint = inspected(made.path)
    assert declared_now == (1, 1, 1, 1)
    assert grey == pytest.approx([mapped(nits) for nits in NITS], abs=4), grey
    assert all(abs(blue - 128) <= 1 for blue in tint)


async def test_constant_luminance_is_rejected(prober: Prober, tmp_path: Path) -> None:
    """The message names the matrix."""
    declared = "color_primaries=bt2020:colorspace=bt2020c"
    shape = Shape(render(tmp_path, "constant.mp4", "smpte2084", declared=declared), sound=False)
    with pytest.raises(Failure, match="constant luminance \\(bt2020c\\)") as failure:
        await shapes.make(prober, shape, shapes.clip_of(0, 1), tmp_path / "out")
    assert failure.value.reason is Reason.UNSUPPORTED_SOURCE


async def test_high_dynamic_range_can_be_rejected(prober: Prober, tmp_path: Path) -> None:
    """The message names HDR."""
    shape = Shape(render(tmp_path, "pq.mp4", "smpte2084"), sound=False)
    with pytest.raises(Failure) as failure:
        await shapes.make(prober, shape, shapes.clip_of(0, 1), tmp_path / "out", hdr=Hdr.REFUSE)
    assert failure.value.reason is Reason.UNSUPPORTED_SOURCE
    assert failure.value.words == "the video is HDR (smpte2084), and --hdr is refuse"


@pytest.mark.parametrize(("profile", "compatibility"), [(5, 0), (8, 1)])
async def test_dolby_vision_is_mapped_where_its_frames_are_of_use(
    prober: Prober, tmp_path: Path, profile: int, compatibility: int
) -> None:
    """Profile 8 is compatible with HDR10; profile 5 can only be decoded with Dolby Vision."""
    path = render(tmp_path, "dolby.mp4", "smpte2084")
    shapes.with_dolby_vision(path, profile, compatibility)
    making = shapes.make(prober, Shape(path, sound=False), shapes.clip_of(0, 1), tmp_path / "out")
    if compatibility:
        assert (await making).metadata["tone_mapped"] == "smpte2084"
        return
    with pytest.raises(Failure, match="Dolby Vision profile 5") as failure:
        await making
    assert failure.value.reason is Reason.UNSUPPORTED_SOURCE


async def test_standard_range_is_left_alone(prober: Prober, tmp_path: Path) -> None:
    """Ten bits and a wide gamut are no high dynamic range."""
    tags = "color_primaries=bt2020:color_trc=bt2020-10:colorspace=bt2020nc:range=tv"
    source = f"testsrc2=size=160x120:rate=25:duration=1,format=yuv420p10le,setparams={tags}"
    media.ffmpeg(tmp_path, f"-v error -f lavfi -i {source} {H264_10} wide.mp4")
    shape = Shape(tmp_path / "wide.mp4", sound=False)
    made = await shapes.make(prober, shape, shapes.clip_of(0, 1), tmp_path / "out", hdr=Hdr.REFUSE)
    assert "tone_mapped" not in made.metadata
    assert made.path is not None
    assert inspected(made.path)[0][1:] == (9, 14, 9)


def test_the_hdr_option_is_not_part_of_the_fingerprint() -> None:
    """So existing directories stay valid: no clip has other bytes under either choice."""
    assert OutputSettings(hdr=Hdr.REFUSE).to_json() == OutputSettings().to_json()
    assert "hdr" not in OutputSettings().to_json()
    assert Options(hdr=Hdr.REFUSE).output_settings == replace(Options().output_settings, hdr=Hdr.REFUSE)
