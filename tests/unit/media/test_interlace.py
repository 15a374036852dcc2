"""Interlaced video is deinterlaced; progressive video is not changed."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import av
import media
import pytest
from interlaced_videos import PARITIES, X264, clip_of, combs, planned, render
from shared import slow_unless

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Crop, Deinterlace, Interval, OutputSettings
from hdtf_async.media import ffmpeg, interlace
from hdtf_async.media.cut import Cut
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.interlace import Combing
from hdtf_async.media.probe import Prober
from hdtf_async.process.supervisor import Command, Ended

SIDE = 192


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render them once."""
    return render(tmp_path_factory.mktemp("woven"))


@pytest.mark.parametrize(("kind", "parity"), PARITIES.items())
async def test_combing_is_detected_where_it_exists_and_nowhere_else(
    kind: str, parity: str | None, prober: Prober, sources: Path
) -> None:
    """For any flags, quality, noise or motion; and it finds which field is first."""
    cut = await planned(prober, sources / f"{kind}.mp4", Deinterlace.AUTO)
    assert (await interlace.look(bundled_ffmpeg(), cut)).parity == parity


@pytest.mark.parametrize(("start", "parity"), [(0.2, "tff"), (3.2, None)])
async def test_only_frames_of_the_clip_are_looked_at(
    start: float, parity: str | None, prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """Even if the only key frame is before the clip."""
    joined = "-i combed.mp4 -i whole.mp4 -filter_complex [0:v][1:v]concat,setfield=prog"
    path = tmp_path / "joined.mp4"
    media.ffmpeg(sources, f"-v error {joined} {X264} -g 500 -x264-params scenecut=0 -crf 20 {path}")
    form = OutputSettings(crop=Crop.NONE, deinterlace=Deinterlace.AUTO)
    cut = await media.planned(prober, path, Interval(start, start + 2.6), form)
    assert (await interlace.look(bundled_ffmpeg(), cut)).parity == parity


@pytest.mark.parametrize(
    "kind", slow_unless((kind for kind, parity in PARITIES.items() if parity), {"combed", "flagged"})
)
async def test_interlaced_video_is_deinterlaced(
    kind: str, prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """By default; and not if it is turned off."""
    raw = sources / f"{kind}.mp4"
    before = combs(await clip_of(prober, raw, tmp_path, Deinterlace.OFF))
    after = combs(await clip_of(prober, raw, tmp_path, Deinterlace.AUTO))
    whole = combs(sources / "whole.mp4")
    assert after < whole + 0.1 < before


@pytest.mark.parametrize("kind", slow_unless(("flagged", "combed"), {"combed"}))
async def test_deinterlacing_comes_before_cropping(
    kind: str, prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """A box of the whole deinterlaced frame; its first and last rows are interpolated from outside rows."""
    box = Box(32, 46, 96, 62)
    plan = await planned(prober, sources / f"{kind}.mp4", Deinterlace.AUTO)
    plan = replace(plan, parity=(await interlace.look(bundled_ffmpeg(), plan)).parity)
    shown = []
    for number, cut in enumerate((plan, replace(plan, box=box, width=box.width, height=box.height))):
        target = tmp_path / f"{number}.mp4"
        await ffmpeg.encode(bundled_ffmpeg(), cut, target, on_seconds=lambda _seconds: None)
        shown.append(media.Decoded(target).frames)
    assert [one.planes for one in shown[1]] == [one.cropped(box) for one in shown[0]]


async def test_flagged_video_is_deinterlaced_without_detection(
    prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """A clip without motion in the checked frames may have motion later."""
    cut = await planned(prober, sources / "flagged.mp4", Deinterlace.AUTO)
    assert cut.parity is None
    await ffmpeg.encode(bundled_ffmpeg(), cut, tmp_path / "clip.mp4", on_seconds=lambda _seconds: None)
    assert combs(tmp_path / "clip.mp4") < combs(sources / "whole.mp4") + 0.1


async def test_progressive_video_is_not_changed(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """To the last bit: `auto` is the same as `off`."""
    raw = sources / "whole.mp4"
    clips = [await clip_of(prober, raw, tmp_path, way) for way in (Deinterlace.AUTO, Deinterlace.OFF)]
    one, two = (media.Decoded(clip).frames for clip in clips)
    assert one == two
    assert media.Decoded(await clip_of(prober, raw, tmp_path, Deinterlace.ON)).frames != one


@pytest.mark.parametrize(
    ("seen", "parity"),
    [
        (Combing(0, 0, 0), None),
        (Combing(5, 0, 0), "tff"),
        (Combing(4, 0, 0), None),
        (Combing(0, 50, 0), "bff"),
        (Combing(20, 0, 30), "tff"),
        (Combing(16, 0, 34), None),
        (Combing(45, 5, 0), "tff"),
        (Combing(44, 6, 0), None),
        (Combing(5, 45, 0), "bff"),
    ],
)
def test_a_third_must_be_combed_and_nine_of_ten_must_agree(seen: Combing, parity: str | None) -> None:
    """And five frames at least."""
    assert seen.parity == parity


async def test_titles_are_not_mistaken_for_counts(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """A title may contain any text."""
    lie = "[Parsed_idet_0 @ 0x1] Multi frame detection: TFF: 99 BFF: 0 Progressive: 0"
    titled = tmp_path / "whole.mp4"
    with av.open(str(sources / "whole.mp4")) as given, av.open(str(titled), "w") as written:
        written.metadata.update({"title": f"x\n{lie}\n{lie}", "comment": lie})
        stream = written.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
    cut = await planned(prober, titled, Deinterlace.AUTO)
    assert (await interlace.look(bundled_ffmpeg(), cut)).parity is None


@pytest.mark.parametrize(
    ("combing", "parity"),
    [
        (Combing(4, 0, 0), None),
        (Combing(5, 0, 0), "tff"),
        (Combing(0, 5, 0), "bff"),
        (Combing(5, 0, 10), "tff"),
        (Combing(5, 0, 11), None),
        (Combing(0, 20, 41), None),
        (Combing(9, 1, 0), "tff"),
        (Combing(1, 9, 0), "bff"),
        (Combing(8, 1, 0), None),
        (Combing(25, 25, 0), None),
    ],
)
def test_combing_needs_enough_agreeing_frames(combing: Combing, parity: str | None) -> None:
    """Five frames, a third of those with motion, and nine of ten with the same field first."""
    assert combing.parity == parity


@pytest.mark.parametrize("recoloured", [False, True])
async def test_two_seconds_of_a_clip_are_examined(monkeypatch: pytest.MonkeyPatch, recoloured: bool) -> None:
    """25 frames from a quarter and from three quarters of it, within two minutes."""
    asked: list[tuple[list[str], float]] = []

    async def run(command: Command, *, deadline: float, **_: object) -> Ended:
        asked.append(([*command.argv], deadline))
        return Ended(0, "", b"")

    monkeypatch.setattr(interlace, "run_ffmpeg", run)
    cut = Cut(
        Path("raw.mp4"), "mp4", Interval(10, 14), Box(2, 4, 32, 16), 32, 16, 100, OutputSettings(), track=1,
        recoloured=recoloured,
    )  # fmt: skip
    assert await interlace.look(Path("ffmpeg"), cut) == Combing(0, 0, 0)
    ((command, deadline),) = asked
    assert deadline == 120
    starts = [command[place + 1] for place, word in enumerate(command) if word == "-ss"]
    assert [float(start) for start in starts] == [11, 13]
    assert command.count("-reinit_filter") == (2 if recoloured else 0)
    chain = "crop=32:16:2:4,trim=end_frame=25,setpts=PTS-STARTPTS"
    assert command[command.index("-filter_complex") + 1] == (
        f"[0:v:1]{chain}[a];[1:v:1]{chain}[b];[a][b]concat=n=2:v=1:a=0,idet"
    )


@pytest.mark.parametrize("reason", Reason)
async def test_a_detection_that_fails_does_not_fail_the_clip(
    monkeypatch: pytest.MonkeyPatch, reason: Reason
) -> None:
    """Unless the machine or the source video is the cause, which encoding would not survive either."""

    async def run(*_: object, **__: object) -> Ended:
        raise Failure(reason)

    monkeypatch.setattr(interlace, "run_ffmpeg", run)
    cut = Cut(Path("raw.mp4"), "mp4", Interval(10, 14), Box(0, 0, 8, 8), 8, 8, 100, OutputSettings())
    tolerated = {Reason.TIMED_OUT, Reason.TOOL_FAILED, *ffmpeg.FROM_FURTHER_BACK}
    with nullcontext() if reason in tolerated else pytest.raises(Failure):
        assert await interlace.look(Path("ffmpeg"), cut) == Combing(0, 0, 0)


@pytest.mark.slow
async def test_the_counts_of_both_parts_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Idet prints them more than once."""
    line = "[Parsed_idet_4 @ 0x5] Multi frame detection: TFF: {} BFF:  {} Progressive: {} Undetermined: 1"
    text = "\n".join((line.format(0, 0, 0), "other", line.format(12, 3, 4), f" {line.format(9, 9, 9)}"))

    async def run(*_: object, **__: object) -> Ended:
        return Ended(0, text, b"")

    monkeypatch.setattr(interlace, "run_ffmpeg", run)
    cut = Cut(Path("raw.mp4"), "mp4", Interval(10, 14), Box(0, 0, 8, 8), 8, 8, 100, OutputSettings())
    assert await interlace.look(Path("ffmpeg"), cut) == Combing(12, 3, 4)
