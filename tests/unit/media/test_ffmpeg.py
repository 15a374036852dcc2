"""Real encodes: the clip has exactly the frames of its interval, cropped to exactly its box."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import media
import pytest
from exact_cuts import BOX, GRIDS, LOSSLESS, SOURCE_VIDEOS, corners, intervals_of, made, planned
from fakes import mp4
from hypothesis import given
from hypothesis import strategies as st
from shared import slow_unless

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Box, Deinterlace, Interval, OutputSettings
from hdtf_async.lanes.cut_plan import verify
from hdtf_async.media import demux, ffmpeg, filters, frames, interlace, stills, thumbnails
from hdtf_async.media.cut import AudioCut, Cut
from hdtf_async.media.face import finder
from hdtf_async.media.ffmpeg import bundled_ffmpeg, encode
from hdtf_async.media.filters import frames_at, side_lengths
from hdtf_async.media.probe import Prober
from hdtf_async.process import supervisor

if TYPE_CHECKING:
    from hdtf_async.media.demux import MediaInfo


def whole(cut: Cut) -> Box:
    """Return the box of the whole displayed frame."""
    return Box(0, 0, cut.width, cut.height)


# The frames


USUAL = ("b_frames.mp4", "open_gop.mp4", "varying.webm")
"""The source videos in the ordinary test suite: one of each kind."""


@pytest.mark.parametrize("name", slow_unless(SOURCE_VIDEOS, USUAL))
async def test_a_clip_is_exactly_the_frames_of_its_interval(
    prober: Prober, sources: Path, tmp_path: Path, name: str
) -> None:
    """Bit by bit those decoded from the beginning, with the same time differences."""
    raw = media.decoded(sources / name)
    for kind, interval in intervals_of(raw).items():
        due = raw.within(interval.start, interval.end)
        cut = await planned(prober, sources / name, interval)
        clip = media.Decoded(await made(cut, tmp_path / "clip.mp4")).frames
        verify(cut, await prober.facts(tmp_path / "clip.mp4", container="mp4"), len(clip))
        assert cut.frames == len(due) == len(clip), kind
        assert [one.planes for one in clip] == [one.cropped(BOX) for one in due], kind
        assert [one.time for one in clip] == pytest.approx([one.time - due[0].time for one in due]), kind


@pytest.mark.slow
@pytest.mark.parametrize("name", ["open_gop.mp4", "fifty.mp4"])
async def test_frames_that_are_shown_before_their_key_frame_are_not_lost(
    prober: Prober, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """They need earlier frames. A decoder that starts too late is detected, and started further back."""
    raw = media.decoded(sources / name)
    times = [one.time for one in raw.frames]
    key = times.index(raw.keys[2])
    in_time = 0
    for start in map(float, times[key - 4 : key + 1]):
        cut = await planned(prober, sources / name, Interval(start, start + 0.4))
        due = raw.within(start, start + 0.4)
        for lead in (cut.lead, 0.0):
            clip = media.Decoded(await made(replace(cut, lead=lead), tmp_path / "clip.mp4")).frames
            assert [one.planes for one in clip] == [one.cropped(BOX) for one in due], start
        with monkeypatch.context() as patch:
            patch.setattr(ffmpeg, "PREROLLS", (0.0,))
            await made(cut, tmp_path / "clip.mp4")
            with suppress(Failure):
                await made(replace(cut, lead=0.0), tmp_path / "clip.mp4")
                in_time += 1
    assert in_time < 5


async def test_a_frame_just_before_the_start_is_not_in_the_clip(
    prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """Also where the source's time base cannot represent the difference without rounding."""
    for name in ("coarse.mov", "varying.webm", "b_frames.mp4"):
        frame = media.decoded(sources / name).frames[41]
        interval = Interval(float(frame.time) + 1e-5, float(frame.time) + 1)
        cut = await planned(prober, sources / name, interval)
        clip = media.Decoded(await made(cut, tmp_path / "clip.mp4")).frames
        due = media.decoded(sources / name).frames[42]
        assert clip[0].planes == due.cropped(BOX), name
        assert len(clip) == cut.frames, name


@pytest.mark.parametrize(("left", "top"), [(0, 0), (224, 0), (0, 116), (224, 116), (40, 20), (42, 22)])
async def test_a_clip_shows_exactly_its_box(
    prober: Prober, sources: Path, tmp_path: Path, left: int, top: int
) -> None:
    """To the corners of the frame; moved by two pixels the frames differ."""
    box = Box(left, top, 96, 64)
    frame = media.decoded(sources / "open_gop.mp4").within(1, 1.04)[0]
    cut = await planned(prober, sources / "open_gop.mp4", Interval(1, 1.04), box=box)
    (found,) = media.Decoded(await made(cut, tmp_path / "clip.mp4")).frames
    assert found.planes == frame.cropped(box)
    for aside in (replace(box, left=abs(left - 2)), replace(box, top=abs(top - 2))):
        assert found.planes != frame.cropped(aside)


@pytest.mark.parametrize(("width", "height", "reference_height", "box"), GRIDS)
async def test_the_corners_of_a_grid_are_where_the_box_has_them(  # noqa: PLR0913, PLR0917 - a row each
    prober: Prober, tmp_path: Path, width: int, height: int, reference_height: int, box: Box
) -> None:
    """Scaled to the video's height, even, square if it was, in the frame, and centred to within a pixel."""
    raw = media.grid(tmp_path, width, height)
    cut, shown = await corners(prober, raw, reference_height, box, tmp_path / "clip.mp4")
    assert shown == cut.box
    scale = Fraction(height, reference_height)
    assert abs(shown.left + Fraction(shown.width, 2) - (box.left + Fraction(box.width, 2)) * scale) <= 1
    assert abs(shown.top + Fraction(shown.height, 2) - (box.top + Fraction(box.height, 2)) * scale) <= 1
    assert 0 <= box.width * scale - shown.width < 4
    assert 0 <= box.height * scale - shown.height < 4
    assert (shown.width == shown.height) or box.width != box.height
    assert shown.width % 2 == shown.height % 2 == 0
    assert shown.right <= width
    assert shown.bottom <= height


@pytest.mark.parametrize("box", [Box(230, 0, 96, 64), Box(0, 120, 96, 64), Box(0, 0, 322, 64)])
async def test_a_box_beyond_the_frame_is_rejected(
    prober: Prober, sources: Path, tmp_path: Path, box: Box
) -> None:
    """Ffmpeg itself would move it silently."""
    cut = await planned(prober, sources / "open_gop.mp4", Interval(1, 1.2), box=box)
    with pytest.raises(Failure) as failure:
        await made(cut, tmp_path / "clip.mp4")
    assert failure.value.reason is Reason.BOX_DOES_NOT_FIT


# The output settings


@pytest.mark.parametrize("size", [32, 64, 100, 128, 256])
@pytest.mark.parametrize("box", [Box(40, 20, 96, 64), Box(0, 0, 62, 94), Box(8, 8, 96, 96)])
def test_the_shorter_side_gets_the_requested_size(box: Box, size: int) -> None:
    """And the longer one is scaled in proportion, both even."""
    width, height = side_lengths(box, size)
    assert min(width, height) == size
    assert width % 2 == height % 2 == 0
    assert (width < height) == (box.width < box.height)


@given(
    st.integers(2, 4000).map(lambda half: 2 * half),
    st.integers(2, 4000).map(lambda half: 2 * half),
    st.none() | st.integers(8, 1024).map(lambda half: 2 * half),
)
def test_sides_are_even_and_keep_their_proportion(width: int, height: int, size: int | None) -> None:
    """To within half of the step of two pixels."""
    wide, high = side_lengths(Box(0, 0, width, height), size)
    assert wide % 2 == high % 2 == 0
    if size is None:
        assert (wide, high) == (width, height)
    else:
        scale = Fraction(size, min(width, height))
        assert abs(wide - width * scale) <= 1
        assert abs(high - height * scale) <= 1


def test_odd_sides_are_rounded_down() -> None:
    """A whole frame may have them."""
    assert side_lengths(Box(0, 0, 321, 181), None) == (320, 180)


@pytest.mark.parametrize(
    ("rate", "seconds", "frames"),
    [
        (Fraction(25), 10, 250),
        (Fraction(30000, 1001), 10, 300),
        (Fraction(24000, 1001), 0.1, 2),
        (Fraction(25), 0.02, 1),
        (Fraction(25), 0.0199, 0),
        (Fraction(25), 0.1 + 0.2, 8),
        (Fraction(25), 2.01 - 1.43, 15),
    ],
)
def test_frames_at_a_rate_are_rounded_to_the_nearest(rate: Fraction, seconds: float, frames: int) -> None:
    """Half a frame is rounded up."""
    assert frames_at(rate, seconds) == frames


@pytest.mark.parametrize(
    "rate", slow_unless((Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(12)), {25, 60})
)
@pytest.mark.parametrize(
    "name",
    slow_unless(
        ("b_frames.mp4", "varying.mp4", "varying.webm", "late.mp4"), {"b_frames.mp4", "varying.webm"}
    ),
)
async def test_another_rate_gives_the_predicted_frames(
    prober: Prober, sources: Path, tmp_path: Path, name: str, rate: Fraction
) -> None:
    """Evenly spaced from 0; each shows the source's frame at that time, within half a step of either."""
    due = media.decoded(sources / name).frames
    for interval in (Interval(0, 2), Interval(1.3, 2.877), Interval(2.5, 4)):
        cut = await planned(prober, sources / name, interval, settings=replace(LOSSLESS, fps=rate))
        clip = await made(cut, tmp_path / "clip.mp4")
        assert (await facts_of_clip(prober, clip)).fps == pytest.approx(float(rate), abs=1e-5)
        shown = media.Decoded(clip).frames
        assert len(shown) == cut.frames == frames_at(rate, cut.interval.seconds)
        assert [one.time for one in shown] == [place / rate for place in range(len(shown))]

        within = media.decoded(sources / name).within(interval.start, interval.end)
        places = {one.cropped(BOX): place for place, one in enumerate(within)}
        chosen = [places[one.planes] for one in shown]
        assert chosen == sorted(chosen)
        # No frame is repeated at the start for longer than the source shows it.
        step = within[1].time - within[0].time
        assert chosen.count(0) <= -(-(step + 1 / rate) // (1 / rate))
        for place, one in zip(chosen, shown, strict=True):
            begun = within[place].time - within[0].time
            behind = within[place + 1].time - within[0].time if place + 1 < len(within) else 10**6
            half = 1 / rate / 2
            assert begun - half <= one.time <= behind + half
    assert len(due) > 0


async def facts_of_clip(prober: Prober, clip: Path) -> MediaInfo:
    """Return the facts that the encode lane checks."""
    return await prober.facts(clip, container="mp4")


SIZED = [
    (Box(40, 20, 96, 64), 32, (48, 32)),
    (Box(40, 20, 96, 64), 128, (192, 128)),
    (Box(0, 0, 62, 94), 62, (62, 94)),
    (Box(0, 0, 62, 94), 100, (100, 152)),
    (Box(2, 2, 100, 100), 64, (64, 64)),
]


async def test_another_size_gives_the_predicted_sides(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """With square pixels, and every frame."""
    for box, size, sides in SIZED:
        form = replace(LOSSLESS, size=size)
        cut = await planned(prober, sources / "b_frames.mp4", Interval(1, 1.5), box=box, settings=form)
        clip = await made(cut, tmp_path / "clip.mp4")
        facts = await facts_of_clip(prober, clip)
        assert (facts.width, facts.height, facts.frames) == (*sides, cut.frames)
        with av.open(str(clip)) as opened:
            assert opened.streams.video[0].sample_aspect_ratio == 1


async def test_scaling_uses_lanczos(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """It keeps more detail than ffmpeg's default."""
    cut = await planned(
        prober, sources / "b_frames.mp4", Interval(1, 1.2), settings=replace(LOSSLESS, size=48)
    )
    made_of = "-vf crop=96:64:40:20,scale=72:48:flags={}+accurate_rnd+full_chroma_int -fps_mode passthrough"
    coded = "-c:v libx264 -qp 0 -preset ultrafast -bf 0"
    found = media.Decoded(await made(cut, tmp_path / "clip.mp4")).frames[0].planes
    shown = []
    for way in ("lanczos", "bicubic"):
        arguments = f"-ss 1 -i {sources / 'b_frames.mp4'} -t 0.2 {made_of.format(way)} {coded} {way}.mp4"
        media.ffmpeg(tmp_path, f"-v error {arguments}")
        shown.append(media.Decoded(tmp_path / f"{way}.mp4").frames[0].planes == found)
    assert shown == [True, False]


async def test_two_encodes_are_the_same_to_the_byte(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """With any settings, and wherever the source video is."""
    elsewhere = tmp_path / "another directory"
    elsewhere.mkdir()
    shutil.copy(sources / "b_frames.mp4", elsewhere)
    for form in (OutputSettings(), OutputSettings(size=48, fps=Fraction(25), preset="medium", threads=2)):
        clips: list[bytes] = []
        for place in (sources, elsewhere):
            cut = await planned(prober, place / "b_frames.mp4", Interval(0.5, 2.5), settings=form)
            clips.append((await made(cut, tmp_path / f"clip {len(clips)}.mp4")).read_bytes())
        assert clips[0] == clips[1]


async def test_a_clip_contains_only_the_video_stream_of_its_source(
    prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """No audio, no title, no time of day, no path."""
    raw = tmp_path / "raw.mp4"
    given = f"-i {sources / 'b_frames.mp4'} -f lavfi -i sine=duration=4 -c:v copy -c:a aac"
    media.ffmpeg(tmp_path, f"-v error {given} -metadata title=SECRET -metadata:s:v title=SECRET raw.mp4")
    cut = await planned(prober, raw, Interval(1, 2), settings=OutputSettings())
    content = (await made(cut, tmp_path / "clip.mp4")).read_bytes()
    assert b"SECRET" not in content
    assert b"Lavf" not in content
    assert str(tmp_path).encode() not in content
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(tmp_path / "clip.mp4")) as clip:
        assert [stream.type for stream in clip.streams] == ["video"]


async def test_colours_stay_as_they_are_declared(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """Primaries, transfer and matrix; no other declaration is added."""
    for name in ("full_range.mp4", "b_frames.mp4", "plain.webm"):
        raw = media.decoded(sources / name)
        cut = await planned(prober, sources / name, Interval(0.2, 0.4))
        clip = media.Decoded(await made(cut, tmp_path / "clip.mp4"))
        assert clip.colours[1:] == raw.colours[1:]
        if name != "full_range.mp4":
            assert clip.frames[0].planes == raw.within(0.2, 0.4)[0].cropped(BOX)


async def test_full_range_becomes_limited_range(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """Each sample is mapped to limited range, to the nearest step, and declared so."""
    raw = media.decoded(sources / "full_range.mp4")
    full, limited = 2, 1
    assert raw.colours == (full, 1, 1, 1)
    cut = await planned(prober, raw.path, Interval(0.2, 0.4))
    clip = media.Decoded(await made(cut, tmp_path / "clip.mp4"))
    assert clip.colours == (limited, 1, 1, 1)
    before, after = raw.within(0.2, 0.4)[0].cropped(BOX)[0], clip.frames[0].planes[0]
    for row, made_of in zip(after, before, strict=True):
        assert all(
            abs(sample - (16 + 219 * full_sample / 255)) <= 1
            for sample, full_sample in zip(row, made_of, strict=True)
        )


async def test_pixels_become_square(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """The height stays; the box refers to the displayed frame."""
    box = Box(200, 20, 196, 64)  # beyond the stored width
    cut = await planned(prober, sources / "stretched.mp4", Interval(1, 1.2), box=box)
    assert cut.squared == (media.WIDTH * 5 // 4, media.HEIGHT)
    clip = await made(cut, tmp_path / "clip.mp4")
    scale = f"scale=400:180:{filters._SCALER}"
    arguments = f"-vf {scale} -c:v libx264 -qp 0 -preset ultrafast square.mp4"
    media.ffmpeg(tmp_path, f"-v error -i {sources / 'b_frames.mp4'} {arguments}")
    due = media.Decoded(tmp_path / "square.mp4").within(1, 1.2)
    assert [one.planes for one in media.Decoded(clip).frames] == [one.cropped(box) for one in due]
    with av.open(str(clip)) as opened:
        assert opened.streams.video[0].sample_aspect_ratio == 1


async def test_ten_bits_become_eight(prober: Prober, tmp_path: Path) -> None:
    """Not every decoder supports more."""
    source = "testsrc2=size=320x180:rate=25:duration=1"
    media.ffmpeg(tmp_path, f"-v error -f lavfi -i {source} -c:v libx264 -pix_fmt yuv420p10le raw.mp4")
    cut = await planned(prober, tmp_path / "raw.mp4", Interval(0, 1), settings=OutputSettings())
    with av.open(str(await made(cut, tmp_path / "clip.mp4"))) as clip:
        assert clip.streams.video[0].codec_context.pix_fmt == "yuv420p"


async def test_a_rotated_video_and_its_box_are_upright(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """A declared rotation is applied, and no declaration of it is left."""
    cut = await planned(prober, sources / "rotated.mp4", Interval(1, 1.2))
    assert (await prober.facts(cut.raw, container="mp4")).height == media.WIDTH
    clip = await made(cut, tmp_path / "clip.mp4")
    lying = media.decoded(sources / "b_frames.mp4").within(1, 1.2)
    due = [replace(one, planes=tuple(map(media.turned, one.planes))) for one in lying]
    assert [one.planes for one in media.Decoded(clip).frames] == [one.cropped(BOX) for one in due]
    with av.open(str(clip)) as opened:
        assert next(opened.decode(video=0)).rotation == 0


async def test_all_unusual_properties_together_are_normalized(prober: Prober, tmp_path: Path) -> None:
    """All at once: each quarter of the frame is in its place, and has its expected luma."""
    quarters = "geq=lum='if(lt(X,160),0,341)+if(lt(Y,90),0,682)':cb=512:cr=512"
    tags = "range=pc:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    pattern = f"color=size=320x180:rate=25:duration=0.2,format=yuv420p10le,{quarters},setparams={tags}"
    coded = "-c:v libx264 -qp 0 -preset ultrafast -pix_fmt yuv420p10le"
    media.ffmpeg(tmp_path, f"-v error -f lavfi -i {pattern},setsar=4/3 {coded} lying.mp4")
    media.ffmpeg(tmp_path, "-v error -display_rotation 90 -i lying.mp4 -c copy raw.mp4")
    facts = await prober.facts(tmp_path / "raw.mp4", container="mp4")
    # 320 x 4/3 by 180, rotated; the height stays.
    assert (facts.width, facts.height) == (135, 320)
    cut = await planned(prober, tmp_path / "raw.mp4", Interval(0, 0.2), box=Box(36, 128, 64, 64))
    clip = media.Decoded(await made(cut, tmp_path / "clip.mp4"))
    limited = 1
    assert clip.colours == (limited, 1, 1, 1)
    with av.open(str(clip.path)) as opened:
        stream = opened.streams.video[0]
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.sample_aspect_ratio == 1
        assert next(opened.decode(video=0)).rotation == 0
    light = clip.frames[0].planes[0]
    shown = [light[row][column] for row in (4, 59) for column in (4, 59)]
    assert all(abs(one - due) <= 1 for one, due in zip(shown, (89, 235, 16, 162), strict=True)), shown
    # The borders are in the middle of the frame, and so of the box.
    assert abs(sum(sample < 162 for sample in light[4]) - 32) <= 1
    assert abs(sum(row[4] > 52 for row in light) - 32) <= 1


async def test_a_path_can_have_any_characters(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """They are neither addresses nor patterns nor options."""
    for name in ("-y", "http:x", "%d 'quoted' \"twice\"", "gr\u00fcn\n"):
        directory = tmp_path / name
        directory.mkdir()
        shutil.copy(sources / "b_frames.mp4", directory / f"{name}.mp4")
        cut = await planned(prober, directory / f"{name}.mp4", Interval(1, 1.1), settings=OutputSettings())
        clip = await made(cut, directory / f"clip {name}.mp4")
        assert (await facts_of_clip(prober, clip)).frames == cut.frames


# Sources that cannot be cut


@pytest.mark.slow
async def test_a_script_that_names_other_files_is_not_followed(
    prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """In case one ever gets past the probe: neither on this disk nor on another host."""
    with media.listening() as server:
        found = media.scripts(tmp_path, server.getsockname()[1])
        shutil.copy(sources / "b_frames.mp4", tmp_path / "other.mp4")
        good = await planned(prober, tmp_path / "other.mp4", Interval(1, 2))
        for script in found:
            with pytest.raises(Failure) as failure:
                await made(replace(good, raw=script, container=script.suffix[1:]), tmp_path / "clip.mp4")
            assert failure.value.reason is Reason.RAW_UNREADABLE
            assert str(tmp_path) not in failure.value.words
        with pytest.raises(BlockingIOError):
            server.accept()


async def test_each_input_is_a_local_file_of_one_format(
    sources: Path, prober: Prober, tmp_path: Path
) -> None:
    """A demuxer may open files named by its input, so every command line restricts it, as for PyAV."""
    cut = await planned(prober, sources / "b_frames.mp4", Interval(1, 2))
    audio = AudioCut(sources / "b_frames.mp4", "mp4", 1.0, 1.0)
    cut = replace(cut, audio=audio, settings=OutputSettings(audio=Audio.BOTH))
    tool, clip = bundled_ffmpeg(), tmp_path / "clip.mp4"
    for arguments, inputs in (
        (ffmpeg.clip_command(tool, cut, clip), 2),
        (ffmpeg.wav_command(tool, audio, clip), 1),
        (interlace.combing_command(tool, cut), 2),
        (finder.detection_command(tool, cut, (320, 180)), 1),
        (frames.decode_command(tool, clip), 1),
        (stills.stills_command(tool, clip), 1),
        (stills.stills_command(tool, clip, [3, 7]), 1),
        (thumbnails.thumbnail_command(tool, clip, 0.5), 1),
    ):
        *opened, output = " ".join(arguments).split(" -i file:")
        assert len(opened) == inputs
        assert all(before.count("-protocol_whitelist file -f mp4 ") == 1 for before in opened), arguments
        assert "-protocol_whitelist" not in output
    with demux.opened(str(sources / "b_frames.mp4"), "mp4") as media_file:
        assert media_file.options["protocol_whitelist"] == "file"
        assert media_file.format.name == "mp4"


async def test_a_frame_larger_than_its_container_declares_is_not_decoded(
    prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """The container declares 320 x 180 pixels, and the stream in it 20,000 x 20,000."""
    cut = await planned(prober, sources / "b_frames.mp4", Interval(1, 2))
    raw = tmp_path / "raw.mp4"
    with raw.open("wb") as target:
        mp4.write(target, width=20_000, height=20_000, frames=100, rate=(25, 1))
    declared, true = ((side.to_bytes(2) * 2) for side in (20_000, 180))
    assert declared in raw.read_bytes()
    raw.write_bytes(raw.read_bytes().replace(declared, true))
    with pytest.raises(Failure) as failure:
        await made(replace(cut, raw=raw), tmp_path / "clip.mp4")
    assert failure.value.reason is Reason.RAW_UNREADABLE


async def test_a_giant_frame_is_not_decoded(
    prober: Prober, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In case one ever gets past the probe."""
    cut = await planned(prober, sources / "b_frames.mp4", Interval(1, 2))
    monkeypatch.setattr(ffmpeg, "MAX_SIDE", 128)
    with pytest.raises(Failure):
        await made(cut, tmp_path / "clip.mp4")


@pytest.mark.parametrize("name", ["b_frames.mp4", "fragments.mp4"])
async def test_a_source_that_ends_within_the_interval_is_an_error(
    prober: Prober, sources: Path, tmp_path: Path, name: str
) -> None:
    """Ffmpeg itself would succeed, with a short clip."""
    cut = await planned(prober, sources / name, Interval(1, 3.9))
    content = (sources / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) * 6 // 10])
    with pytest.raises(Failure) as failure:
        await made(replace(cut, raw=tmp_path / name), tmp_path / "clip.mp4")
    assert failure.value.reason is Reason.RAW_UNREADABLE


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"fps": Fraction(25)},
        {"fps": Fraction(60), "deinterlace": Deinterlace.ON, "size": 32},
    ],
    ids=["unchanged", "25 fps", "60 fps, deinterlaced, smaller"],
)
async def test_missing_source_frames_are_an_error(
    prober: Prober, sources: Path, tmp_path: Path, more: dict[str, Any]
) -> None:
    """Ffmpeg itself would write an empty video, or one that starts too late or ends too early.

    This is detected with any settings: repeated frames do not hide it. If another decoder finds all frames,
    the source is not to blame.
    """
    cut = await planned(prober, sources / "b_frames.mp4", Interval(1, 2), settings=replace(LOSSLESS, **more))
    assert cut.source is not None
    for wrong, message, reason in (
        (
            replace(cut, interval=Interval(100, 101)),
            "none of the 30 source frames was decoded",
            Reason.CLIP_WRONG,
        ),
        (
            replace(cut, source=replace(cut.source, first=0.9676)),
            "first source frame is at 1.001 s",
            Reason.CLIP_WRONG,
        ),
        (
            replace(cut, source=replace(cut.source, last=2.002)),
            "last source frame is at 1.969 s",
            Reason.CLIP_WRONG,
        ),
        (
            replace(cut, source=replace(cut.source, frames=29)),
            "last source frame is at 1.935 s",
            Reason.CLIP_WRONG,
        ),
        (
            replace(cut, source=replace(cut.source, frames=31)),
            "not all of the 31 source frames",
            Reason.UNSUPPORTED_SOURCE,
        ),
    ):
        with pytest.raises(Failure) as failure:
            await made(wrong, tmp_path / "clip.mp4")
        assert failure.value.reason is reason
        assert message in failure.value.words


async def test_an_unwritable_path_is_an_error(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """It is reported as a local error."""
    cut = await planned(prober, sources / "b_frames.mp4", Interval(1, 1.2))
    with pytest.raises(Failure) as failure:
        await made(cut, tmp_path / "nowhere" / "clip.mp4")
    assert failure.value.reason is Reason.NOT_WRITABLE


# Supervision


def tool(directory: Path, script: str) -> Path:
    """Write a program that replaces ffmpeg."""
    path = directory / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


async def test_progress_is_reported_in_seconds_of_the_clip(
    prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """It only increases, and ends at the clip's length."""
    cut = await planned(prober, sources / "b_frames.mp4", Interval(1, 3), settings=OutputSettings())
    reached: list[float] = []
    await encode(bundled_ffmpeg(), cut, tmp_path / "clip.mp4", on_seconds=reached.append)
    assert reached == sorted(set(reached))
    assert reached[-1] == pytest.approx(2, abs=0.1)


async def test_only_progress_is_a_sign_of_progress(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ffmpeg reports twice per second even when it is stuck."""
    monkeypatch.setattr(ffmpeg, "STALL", 0.5)
    cut = Cut(sources / "b_frames.mp4", "mp4", Interval(1, 3), BOX, 96, 64, 60, OutputSettings())
    stuck = r"""n=0; while sleep 0.02; do
    n=$((n + 1)); printf 'frame=%s\ntotal_size=%s\n' $n $n
    printf 'out_time_us=%s\nprogress=continue\n' N/A -1 500000; done"""
    reached: list[float] = []
    with pytest.raises(Failure) as failure:
        await encode(tool(tmp_path, stuck), cut, tmp_path / "clip.mp4", on_seconds=reached.append)
    assert failure.value.reason is Reason.STALLED
    assert reached == [0.5]
    moving = "for n in $(seq 30); do sleep 0.03; echo out_time_us=${n}000; done; echo progress=end"
    await encode(tool(tmp_path, moving), cut, tmp_path / "clip.mp4", on_seconds=reached.append)
    assert reached[-1] == 0.03


async def test_an_end_without_a_message_is_reported_by_its_code(sources: Path, tmp_path: Path) -> None:
    """Such as a crash."""
    cut = Cut(sources / "b_frames.mp4", "mp4", Interval(1, 3), BOX, 96, 64, 60, OutputSettings())
    with pytest.raises(Failure) as failure:
        await encode(tool(tmp_path, "kill -SEGV $$"), cut, tmp_path / "clip.mp4", on_seconds=lambda _: None)
    assert failure.value.reason is Reason.TOOL_FAILED
    assert "-11" in failure.value.words


async def test_a_long_clip_has_a_long_timeout(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds per frame at 30 fps, for a slow machine."""
    given: list[float] = []

    async def run(_command: supervisor.Command, *, deadline: float, **_more: object) -> supervisor.Ended:
        given.append(deadline)
        return supervisor.Ended(0, "", b"")

    monkeypatch.setattr(supervisor, "run", run)
    cut = Cut(sources / "b_frames.mp4", "mp4", Interval(0, 100), BOX, 96, 64, 60, OutputSettings())
    await encode(bundled_ffmpeg(), cut, sources / "clip.mp4", on_seconds=lambda _seconds: None)
    assert given[0] >= 100 * 30 * 10


async def test_the_version_is_parsed(tmp_path: Path) -> None:
    """Of the real ffmpeg, and not of another program."""
    assert (await ffmpeg.read_version(bundled_ffmpeg())).version[0].isalnum()
    for script in ("echo hello", "echo ffmpeg version 7; exit 1", "exit 0"):
        with pytest.raises(Failure) as failure:
            await ffmpeg.read_version(tool(tmp_path, script))
        assert failure.value.reason is Reason.TOOL_MISSING
    with pytest.raises(Failure) as failure:
        await ffmpeg.read_version(tmp_path / "nowhere")
    assert failure.value.reason is Reason.TOOL_MISSING
