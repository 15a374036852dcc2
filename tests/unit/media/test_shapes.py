"""Source videos of unusual shapes give the expected clip, or are rejected with the actual reason."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import media
import pytest
import shapes
import sources
from shapes import H264, Shape
from shared import slow_unless
from sources import AV1, B_FRAMES, SHAPES, USUAL_SHAPES, VP9

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Box, Crop
from hdtf_async.lanes import cut_plan, encoder
from hdtf_async.media.probe import Prober

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.core.model import Clip, OutputSettings
    from hdtf_async.lanes.source_videos import SourceVideo
    from hdtf_async.media.cut import Cut


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory in which the source videos are rendered, each by the first test that needs it."""
    return tmp_path_factory.mktemp("shapes")


USUAL_RATES = {*product(USUAL_SHAPES, [None]), ("slides, between two", 12), ("a gap of 1.6 s inside", 12)}


@pytest.mark.parametrize(("kind", "fps"), slow_unless(product(SHAPES, (None, 12)), USUAL_RATES))
async def test_a_clip_shows_the_displayed_frames(
    kind: str, fps: int | None, prober: Prober, videos: Path, tmp_path: Path
) -> None:
    """The expected frames at the expected times, for the length of the interval, with the audio in sync."""
    render, start, end = SHAPES[kind]
    shape = render(videos)
    rate = None if fps is None else Fraction(fps)
    made = await shapes.make(prober, shape, shapes.clip_of(start, end), tmp_path / "out", fps=rate)
    due = shapes.due(shape, start, end, fps)
    assert made.numbers == due.numbers
    assert made.times == pytest.approx(due.times, abs=1e-3)
    for length in (*made.lengths, made.metadata["duration"]):
        # AAC counts in frames of 1024 samples.
        assert length == pytest.approx(due.length, abs=0.03), made.lengths
    assert made.metadata["fps"] == pytest.approx(len(due.numbers) / due.length, abs=0.02)
    half_a_frame = 0.5 / (fps or shapes.RATE)
    assert all(abs(off) <= half_a_frame for off in made.off), made.off
    assert made.off or not shape.sound
    if shape.sound:
        assert made.metadata["wav_samples"] == pytest.approx(due.length * 16_000, abs=16)


async def test_b_frames_in_avi_with_omitted_frames_are_rejected(prober: Prober, tmp_path: Path) -> None:
    """Then the existing timestamps cannot be assigned to frames."""
    pick = "lt(n\\,60)+gt(n\\,99)"
    path = shapes.plain(tmp_path, "gap.avi", B_FRAMES, pick=pick)
    with pytest.raises(Failure, match="no timestamps for B-frames") as failure:
        await shapes.make(prober, Shape(path), shapes.clip_of(1, 3), tmp_path / "out")
    assert failure.value.reason is Reason.RAW_UNREADABLE


async def test_an_interval_before_the_beginning_is_outside(
    prober: Prober, videos: Path, tmp_path: Path
) -> None:
    """The message says that the video starts later, and not that it ends before."""
    with pytest.raises(Failure) as failure:
        await shapes.make(prober, sources.LATE(videos), shapes.clip_of(2, 5), tmp_path / "out")
    assert failure.value.reason is Reason.INTERVAL_OUTSIDE
    assert failure.value.words == "the video starts at 7.30 s, the clip ends at 5 s"


@pytest.mark.parametrize(
    ("default", "ending"), slow_unless(product((0, 1), ("mp4", "mkv")), {(0, "mp4"), (1, "mkv")})
)
async def test_the_default_audio_stream_is_used(
    default: int, ending: str, prober: Prober, videos: Path, tmp_path: Path
) -> None:
    """Whatever its position, in the clip and in the audio file; the metadata record which one it is."""
    numbers, beeps = shapes.draw_numbers(videos), shapes.draw_beeps(videos)
    inputs = f"{beeps} -f lavfi -i sine=frequency=300:duration=8"
    order = "-map 1:a -map 2:a" if default == 0 else "-map 2:a -map 1:a"
    chosen = f"-disposition:a:{default} default -disposition:a:{1 - default} 0"
    name = f"default{default}.{ending}"
    media.ffmpeg(videos, f"-v error {numbers} {inputs} -map 0:v {order} {chosen} {H264} -c:a aac {name}")
    made = await shapes.make(prober, Shape(videos / name), shapes.clip_of(2, 5), tmp_path / "out")
    assert [abs(off) < 0.02 for off in made.off] == [True] * 6  # the other one never pauses
    assert made.metadata["audio_stream"] == default


@pytest.mark.parametrize(
    ("kind", "ending"),
    slow_unless(
        product(("comment", "visual_impaired", "dub", "default+comment"), ("mp4", "mkv")),
        {("comment", "mp4"), ("default+comment", "mkv")},
    ),
)
async def test_commentary_is_not_used(
    kind: str, ending: str, prober: Prober, videos: Path, tmp_path: Path
) -> None:
    """Nor a dub or a description, unless it is the only one: in MP4 the first stream is the default here."""
    numbers, beeps = shapes.draw_numbers(videos), shapes.draw_beeps(videos)
    inputs = f"-f lavfi -i sine=frequency=300:duration=8 {beeps} -map 0:v -map 1:a -map 2:a"
    dispositions = f"-disposition:a:0 {kind} -disposition:a:1 0"
    name = f"{kind}.{ending}"
    media.ffmpeg(videos, f"-v error {numbers} {inputs} {dispositions} {H264} -c:a aac {name}")
    made = await shapes.make(prober, Shape(videos / name), shapes.clip_of(2, 3), tmp_path / "out")
    assert made.metadata["audio_stream"] == 1


# Boxes


CROPPED = {
    "clap": cache(sources.clap),
    "pixel_crop": cache(sources.pixel_crop),
    "in_the_stream": cache(sources.in_the_stream),
}
"""What renders a video once in each directory."""


@pytest.mark.parametrize(("kind", "height"), slow_unless(product(CROPPED, (400, 800)), {("clap", 800)}))
async def test_a_box_refers_to_the_part_that_the_container_displays(
    kind: str, height: int, prober: Prober, videos: Path, tmp_path: Path
) -> None:
    """To the pixel, also if it is scaled; and the size of that part is recorded."""
    shape = CROPPED[kind](videos)
    box, scale = shape.box, height // 400
    published = Box(*(scale * side for side in (box.left, box.top, box.width, box.height)))
    clip = shapes.clip_of(2, 2.2, box=published, height=height)
    made = await shapes.make(prober, shape, clip, tmp_path / "out", crop=Crop.TABLE, crf=0)
    assert shapes.box_error(shape, made) < 0.1
    assert (made.metadata["source_width"], made.metadata["source_height"]) == (600, 400)


# Changes of size

SIZES = (320, 240), (160, 120)
"""Sizes of the frames before and after the fourth second."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("mp4", H264),
        ("mkv", H264),
        ("webm", VP9),
        ("mkv", AV1),
        ("mkv", "-c:v mpeg2video -q:v 3"),
        ("ts", f"{H264} -bf 2"),
        ("ts", f"{H264} -bf 2 -g 10"),
        ("flv", f"{H264} -bf 0"),
    ],
    ids=["H.264 in MP4", "H.264 in Matroska", "VP9", "AV1", "MPEG-2", "MPEG-TS", "MPEG-TS, short GOP", "FLV"],
)
async def test_a_change_of_size_is_reported_or_irrelevant(
    ending: str, message: str, prober: Prober, tmp_path: Path
) -> None:
    """A clip of either part has its geometry; a clip of both is rejected with the change and its time."""
    for part, (width, height) in enumerate(SIZES):
        numbers = shapes.draw_numbers(tmp_path, width, height)
        media.ffmpeg(tmp_path, f"-v error -ss {4 * part} {numbers} -t 4 {message} part{part}.{ending}")
    shape = Shape(
        shapes.joined(tmp_path, f"both.{ending}", f"part0.{ending}", f"part1.{ending}"), sound=False
    )
    parts = ((1, 3, SIZES[0]), (3, 4, SIZES[0]), (4, 5, SIZES[1]), (5, 7, SIZES[1]))
    # FFmpeg's decoder of MPEG-2 loses the last frame before a change: no clip can have it.
    for start, end, size in parts if "mpeg2" not in message else parts[::3]:
        clip = shapes.clip_of(start, end, box=Box(0, 0, 160, 120), height=120)
        made = await shapes.make(prober, shape, clip, tmp_path / f"out{start}", crop=Crop.TABLE)
        assert made.numbers == shape.within(start, end)
        assert made.metadata["box_cut"] == [0, 0, *size]
        assert (made.metadata["source_width"], made.metadata["source_height"]) == size
    for fps in (None, Fraction(25)):
        with pytest.raises(Failure) as failure:
            await shapes.make(prober, shape, shapes.clip_of(2, 6), tmp_path / "out", fps=fps)
        assert failure.value.reason is Reason.UNSUPPORTED_SOURCE
        message = "the frames are 320x240 until 4.00 s and 160x120 after that"
        assert failure.value.words == message


@pytest.mark.slow
async def test_an_undetected_change_of_size_is_not_cropped(
    prober: Prober, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In case the probe misses a change of a stream: ffmpeg rejects frames of another size."""
    for part, (width, height) in enumerate(reversed(SIZES)):
        numbers = shapes.draw_numbers(tmp_path, width, height)
        media.ffmpeg(tmp_path, f"-v error -ss {4 * part} {numbers} -t 4 {H264} part{part}.mp4")
    shape = Shape(shapes.joined(tmp_path, "both.mp4", "part0.mp4", "part1.mp4"), sound=False)
    plan = cut_plan.plan_cut

    def unnoticed(clip: Clip, raw: SourceVideo, form: OutputSettings) -> Cut:
        return plan(clip, replace(raw, facts=replace(raw.facts, parts=raw.facts.parts[:1])), form)

    monkeypatch.setattr(encoder, "plan_cut", unnoticed)
    with pytest.raises(Failure) as failure:
        await shapes.make(prober, shape, shapes.clip_of(2, 6), tmp_path / "out")
    assert failure.value.reason is Reason.UNSUPPORTED_SOURCE
    assert failure.value.words == "the frames change their size; not all of them are 160x120"


@pytest.mark.slow
@pytest.mark.parametrize("audio", [Audio.WAV, pytest.param(Audio.AAC, marks=pytest.mark.slow)])
async def test_a_change_of_audio_channels_is_reported(prober: Prober, tmp_path: Path, audio: Audio) -> None:
    """As in recordings of television: a clip of both is rejected, one of either part is made."""
    numbers, beeps = shapes.draw_numbers(tmp_path), shapes.draw_beeps(tmp_path)
    for part in (0, 1):
        cut = f"-ss {4 * part} -t 4"
        arguments = f"{cut} {numbers} {cut} {beeps} {H264} -bf 0 -c:a aac -ac {1 + part} part{part}.ts"
        media.ffmpeg(tmp_path, f"-v error {arguments}")
    path = shapes.joined(tmp_path, "both.ts", "part0.ts", "part1.ts")
    shape = Shape(path)
    for start, end in ((1, 3), (5, 7)):
        made = await shapes.make(
            prober, shape, shapes.clip_of(start, end), tmp_path / f"{start}", audio=audio
        )
        assert len(made.numbers) == 50
    with pytest.raises(Failure) as failure:
        await shapes.make(prober, shape, shapes.clip_of(2, 6), tmp_path / "out", audio=audio)
    assert failure.value.reason is Reason.UNSUPPORTED_SOURCE
    assert failure.value.words == "the audio changes its sample rate or channels within the clip"
