"""What is measured about a clip while it is encoded, and that this does not change the clip."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import media
import pytest

from hdtf_async.core.model import Box, Clip, Fit, Interval, OutputSettings, Video
from hdtf_async.lanes.cut_plan import plan_cut
from hdtf_async.media import ffmpeg, loudness, measurements
from hdtf_async.media.cut import Cut
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.filters import scaled
from hdtf_async.media.measurements import Measurements

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.media.probe import Prober

_H264 = "-c:v libx264 -preset ultrafast -qp 0 -pix_fmt yuv420p"


async def _measured(cut: Cut, target: Path) -> dict[str, Any]:
    found = Measurements(*scaled(cut))
    await ffmpeg.encode(bundled_ffmpeg(), cut, target, on_seconds=lambda _seconds: None, measured=found)
    return found.to_json(cut.seconds)


def _scenes(directory: Path) -> Path:
    """Draw a second of black, two seconds of motion between black bars, and two seconds of one image."""
    scenes = (
        "-f lavfi -i color=black:size=320x240:rate=25:duration=1"
        " -f lavfi -i testsrc2=size=320x180:rate=25:duration=2,pad=320:240:0:30"
        " -f lavfi -i smptebars=size=320x180:rate=25:duration=2,pad=320:240:0:30"
    )
    media.ffmpeg(directory, f"-v error {scenes} -lavfi concat=n=3 {_H264} scenes.mp4")
    return directory / "scenes.mp4"


async def _cut(prober: Prober, path: Path, settings: OutputSettings) -> Cut:
    box = Box(0, 0, 320, 240)
    clip = Clip(Video("RD", "Radio1", "CPCoMyuBRM0", 240), 0, Interval(0, 5), box)
    return plan_cut(clip, await media.raw(prober, path, clip), settings)


async def test_scenes_are_measured(prober: Prober, tmp_path: Path) -> None:
    """Cuts, black and frozen intervals, black bars, brightness and blur, where they were drawn."""
    cut = await _cut(prober, _scenes(tmp_path), OutputSettings())
    found = await _measured(cut, tmp_path / "clip.mp4")
    assert found["scene_cuts"] == [1.0, 3.0]
    assert min(found["scene_cut_scores"]) > 10
    assert found["black"] == [[0.0, 1.0]]
    assert found["frozen"] == [[0.0, 1.0], [3.0, 5.0]]
    assert found["letterbox"] == [0, 30, 0, 30]
    assert 40 < found["brightness"] < 100
    assert found["blur"] > 0


@pytest.mark.slow
async def test_a_blurred_and_darker_clip_has_other_values(prober: Prober, tmp_path: Path) -> None:
    """The more blurred, the higher."""
    found = []
    for name, change in (("sharp", "null"), ("soft", "gblur=3,eq=brightness=-0.2")):
        source = f"testsrc2=size=320x240:rate=25:duration=5,{change}"
        media.ffmpeg(tmp_path, f"-v error -f lavfi -i {source} {_H264} {name}.mp4")
        cut = await _cut(prober, tmp_path / f"{name}.mp4", OutputSettings())
        found.append(await _measured(cut, tmp_path / "clip.mp4"))
    sharp, soft = found
    assert soft["blur"] > 1.2 * sharp["blur"]
    assert soft["brightness"] < sharp["brightness"] - 20


@pytest.mark.parametrize(
    "settings",
    [
        OutputSettings(),
        OutputSettings(size=128, fps=Fraction(30)),
        OutputSettings(size=128, fit=Fit.PAD),
    ],
)
async def test_a_clip_has_the_same_bytes_if_it_is_measured(
    prober: Prober, tmp_path: Path, settings: OutputSettings
) -> None:
    """Black bars that this program adds are not measured."""
    cut = await _cut(prober, _scenes(tmp_path), settings)
    found = await _measured(cut, tmp_path / "measured.mp4")
    await ffmpeg.encode(bundled_ffmpeg(), cut, tmp_path / "plain.mp4", on_seconds=lambda _seconds: None)
    assert (tmp_path / "measured.mp4").read_bytes() == (tmp_path / "plain.mp4").read_bytes()
    assert found["scene_cuts"] == [1.0, 3.0]
    across, down = scaled(cut)
    left, top, right, bottom = found["letterbox"]
    assert (left, right) == (0, 0)
    assert top == bottom == pytest.approx(down / 8, abs=2)
    assert across > down


@pytest.mark.parametrize(
    "name", ["b_frames.mp4", "sparse.webm", "varying.mp4", "late.webm", "full_range.mp4"]
)
async def test_measured_frames_are_not_mistaken_for_source_frames(
    prober: Prober, sources: Path, tmp_path: Path, name: str
) -> None:
    """Which are verified by their timestamps; here the first one is not at the start of the interval."""
    clip = Clip(Video("RD", "Radio1", "CPCoMyuBRM0", 180), 0, Interval(0.31, 0.93), Box(0, 0, 180, 180))
    cut = plan_cut(clip, await media.raw(prober, sources / name, clip), OutputSettings(size=64))
    found = await _measured(cut, tmp_path / "measured.mp4")
    await ffmpeg.encode(bundled_ffmpeg(), cut, tmp_path / "plain.mp4", on_seconds=lambda _seconds: None)
    assert (tmp_path / "measured.mp4").read_bytes() == (tmp_path / "plain.mp4").read_bytes()
    assert found["scene_cuts"] == []
    assert found["brightness"] > 16


def test_only_finite_values_count_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that was decoded is untrusted, and ffmpeg prints what it computes from it."""
    monkeypatch.setattr(measurements, "MOST", 3)
    found = Measurements(64, 64)
    at = "frame:25   pts:1000000 pts_time:1"
    for line in (
        "lavfi.blur=-nan", "lavfi.blur=inf", "lavfi.blur=1e99999", "lavfi.blur=" + "9" * 400, "lavfi.blur=",
        "lavfi.cropdetect.x1=-5", "lavfi.cropdetect.x2=99", "lavfi.cropdetect.y1=0",
        "lavfi.cropdetect.y2=63", "lavfi.black_end=1", "hdtf=1", "\N{BELL}lavfi.blur=1", "",
    ):  # fmt: skip
        found.add(at, line)
    found.add("frame:1 pts:NOPTS pts_time:NOPTS", "lavfi.scd.score=50")
    nothing: dict[str, list[float]] = {"scene_cuts": [], "scene_cut_scores": [], "black": [], "frozen": []}
    assert found.to_json(10) == nothing
    for second in range(1, 9):
        for line in ("scd.score=50.04", "black_start=1", "black_end=2", "signalstats.YAVG=16", "blur=2"):
            found.add(f"frame:{second} pts:{second} pts_time:{second}", f"lavfi.{line}")
    assert found.to_json(2.5) == {
        "scene_cuts": [1.0, 2.0], "scene_cut_scores": [50.0, 50.0], "black": [[1.0, 2.0]] * 3, "frozen": [],
        "brightness": 16.0, "blur": 2.0,
    }  # fmt: skip
    found.clear()
    assert found.to_json(10) == nothing


@pytest.mark.parametrize("name", ["half.wav", "half.mp4"])
async def test_the_loudness_of_the_audio_is_measured(tmp_path: Path, name: str) -> None:
    """A tone in the first half, and silence in the second one."""
    tone = "aevalsrc='if(lt(t,2),0.1*sin(2*PI*1000*t),0)':s=16000:d=4"
    media.ffmpeg(tmp_path, f"-v error -f lavfi -i {tone} {name}")
    found = await loudness.measure(bundled_ffmpeg(), tmp_path / name, 4.0)
    assert found["silence_share"] == pytest.approx(0.5, abs=0.02)
    # A sine at -20 dBFS of 1 kHz in one channel has -23 LUFS; the gate ignores the silence.
    assert found["loudness"] == pytest.approx(-23.0, abs=0.5)


async def test_silence_has_no_loudness(tmp_path: Path) -> None:
    """It is below the gate; and a file that is no audio has no facts at all."""
    media.ffmpeg(tmp_path, "-v error -f lavfi -i anullsrc=r=16000:cl=mono -t 2 mute.wav")
    assert await loudness.measure(bundled_ffmpeg(), tmp_path / "mute.wav", 2.0) == {"silence_share": 1.0}
    (tmp_path / "no.wav").write_bytes(b"no")
    assert await loudness.measure(bundled_ffmpeg(), tmp_path / "no.wav", 2.0) == {}


def test_frames_are_measured_small() -> None:
    """96 rows, in which the same half second counts as frozen; a thousand values of each kind are kept."""
    chain = measurements.branch()
    assert "scale=-2:96:flags=fast_bilinear" in chain
    assert "freezedetect=d=0.5" in chain
    assert "lavfi.scd.score:function=greater:value=9.999" in chain, "ten counts"
    found = Measurements(64, 64)
    for number in range(1001):
        for line in ("scd.score=50", f"black_start={number}", f"black_end={number + 0.5}", "blur=2"):
            found.add(f"frame:1 pts:1 pts_time:{number + 1}", f"lavfi.{line}")
    assert len(found.cuts) == 1000
    columns = found.to_json(10_000)
    assert (len(columns["scene_cuts"]), len(columns["black"])) == (1000, 1000)
    assert len(found._samples["blur"]) == 1000


@pytest.mark.parametrize(
    ("sides", "bars"),
    [
        ((0, 0, 63, 47), [0, 0, 0, 0]), ((4, 2, 61, 40), [4, 2, 2, 7]), ((5, 0, 5, 0), [5, 0, 58, 47]),
        ((6, 0, 5, 47), None), ((-1, 0, 63, 47), None), ((0, -1, 63, 47), None), ((0, 0, 64, 47), None),
        ((0, 0, 63, 48), None), ((0, 9, 63, 8), None),
    ],
)  # fmt: skip
def test_black_bars_are_what_surrounds_the_picture(
    sides: tuple[int, int, int, int], bars: list[int] | None
) -> None:
    """Left, top, right and bottom; unknown where no picture was found."""
    found = Measurements(64, 48)
    for name, value in zip(("x1", "y1", "x2", "y2"), sides, strict=True):
        assert found.to_json(1).get("letterbox") is None
        found.add("frame:1 pts:1 pts_time:1", f"lavfi.cropdetect.{name}={value}")
    assert found.to_json(1).get("letterbox") == bars


@pytest.mark.parametrize(
    ("values", "seconds", "intervals"),
    [
        ([("start", 0), ("end", 1.5)], 3, [[0, 1.5]]),
        ([("start", 2)], 3, [[2, 3]]),
        ([("start", 2), ("end", 9)], 3, [[2, 3]]),
        ([("start", 3), ("end", 9)], 3, []),
        ([("end", 1), ("start", 2), ("start", 2.5), ("end", 2.75), ("end", 2.8)], 3, [[2, 2.75]]),
        ([("start", 1.23456), ("end", 2.34567)], 3, [[1.235, 2.346]]),
        ([("start", 1), ("end", 1)], 3, []),
    ],
)
def test_intervals_are_inside_the_clip(
    values: list[tuple[str, float]], seconds: float, intervals: list[list[float]]
) -> None:
    """The last one may end with it; an end without a start says nothing."""
    found = Measurements(64, 48)
    for which, value in values:
        found.add("frame:1 pts:1 pts_time:1", f"lavfi.black_{which}={value}")
        found.add("frame:1 pts:1 pts_time:1", f"lavfi.freezedetect.freeze_{which}={value}")
    columns = found.to_json(seconds)
    assert columns["black"] == columns["frozen"] == intervals


def test_values_are_means_of_their_samples() -> None:
    """Rounded; cuts at the very start or end are none."""
    found = Measurements(64, 48)
    for second, luma in ((0, 10), (1, 20), (2, 20.5)):
        found.add(f"frame:1 pts:1 pts_time:{second}", f"lavfi.signalstats.YAVG={luma}")
        found.add(f"frame:1 pts:1 pts_time:{second}", "lavfi.scd.score=12.345")
    columns = found.to_json(2)
    assert columns["brightness"] == 16.83
    assert (columns["scene_cuts"], columns["scene_cut_scores"]) == ([1], [12.3])
    assert "blur" not in columns
