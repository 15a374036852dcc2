"""The square around a face: merged regions, outliers, and the edges of the frame."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hdtf_async
from hdtf_async import ExitCode
from hdtf_async.cli.main import main
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Clip, Crop, Fallback, Interval, OutputSettings, Resolution, Video
from hdtf_async.media.face import finder
from hdtf_async.media.face.people import Face, Frame, Person, Region, find, overlap
from hdtf_async.media.face.window import place, plan_window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared import Finished

WIDTH, HEIGHT = 1920, 1080
SIZE = WIDTH, HEIGHT
CLIP = Clip(Video("RD", "A", "CPCoMyuBRM0", 720), 0, Interval(0, 20), Box(400, 50, 500, 500), 1.2)
FORM = OutputSettings(crop=Crop.FACE)


def face(x: float, y: float, side: float = 400) -> Region:
    """Return a face, slightly taller than wide."""
    return Region(x - 0.4 * side, y - side / 2, x + 0.4 * side, y + side / 2)


def swaying(frames: int = 100, *, x: float = 900, y: float = 500, seed: int = 1) -> list[list[Region]]:
    """Return a swaying face, by up to a quarter of its side, with the detector's noise."""
    chance = random.Random(seed)  # noqa: S311 - not for security
    places = []
    for frame in range(frames):
        phase = frame % 40
        step = (phase if phase < 20 else 40 - phase) / 20
        places.append([face(x + 100 * step + chance.uniform(-4, 4), y + chance.uniform(-4, 4))])
    return places


def film(frames: Sequence[Sequence[Region]], rate: float = 5) -> list[Frame]:
    """Return the regions as frames at a constant rate."""
    return [Frame(number / rate, regions) for number, regions in enumerate(frames)]


def person(frames: Sequence[Sequence[Region]], rate: float = 5) -> Person | None:
    """Return the person of such a film."""
    return find(film(frames, rate))


# Which regions count


def test_all_regions_of_a_face_are_merged() -> None:
    """Including the outermost positions, wherever in the clip they are."""
    frames = swaying()
    merged = person(frames)
    assert merged is not None
    assert merged.region.left == min(regions[0].left for regions in frames)
    assert merged.region.right == max(regions[0].right for regions in frames)
    assert (merged.kept, merged.people) == (100, 1)


@pytest.mark.slow
def test_a_few_outliers_do_not_move_the_window() -> None:
    """In up to one frame in seven, of random position and size, in place of the face: in 99 draws of 100.

    Provided that no more than three of seven neighbours are outliers.
    """
    chance = random.Random(36)  # noqa: S311 - not for security
    draws = moved = 0
    while draws < 200:
        seed, size = chance.randrange(1000), chance.uniform(0.3, 3)
        at = chance.uniform(0, WIDTH), chance.uniform(0, HEIGHT)
        wild = chance.sample(range(100), chance.randrange(15))
        if any(sum(frame <= one < frame + 7 for one in wild) > 3 for frame in range(94)):
            continue
        draws += 1
        frames = swaying(seed=seed)
        right = person(frames)
        for frame in wild:
            x, y = at[0] + chance.uniform(-200, 200), at[1] + chance.uniform(-200, 200)
            frames[frame] = [face(x, y, 400 * size * chance.uniform(0.7, 1.4))]
        found = person(frames)
        assert right is not None
        assert found is not None
        off = [abs(edge - due) for edge, due in zip(found.region.edges, right.region.edges, strict=True)]
        moved += max(off) > 0.25 * 400
    assert moved <= draws / 100


def test_a_distant_region_for_three_frames_changes_nothing() -> None:
    """The window is as if these frames had shown no face."""
    without, frames = swaying(), swaying()
    for number, frame in enumerate((5, 6, 7)):
        without[frame] = []
        frames[frame] = [face(200 + 500 * number, 900, 300 + 100 * number)]
    found, due = person(frames), person(without)
    assert found is not None
    assert due is not None
    assert (found.region, found.kept, found.people) == (due.region, due.kept, due.people)


def test_a_fast_face_is_tracked_to_both_ends() -> None:
    """By a third of its side per frame: neither end of its path is an outlier."""
    frames = [[face(300 + 130 * frame, 500)] for frame in range(10)]
    found = person(frames)
    assert found is not None
    assert (found.region.left, found.region.right) == (frames[0][0].left, frames[-1][0].right)


def test_a_face_that_returns_to_its_position_is_the_same() -> None:
    """Hidden for a third of the clip, and back within its own side: both positions are merged."""
    frames = [*swaying(33, x=500), *[[]] * 33, *swaying(34, x=750)]
    found = person(frames)
    assert found is not None
    assert (found.seen, found.people) == (67, 1)
    assert found.region.left < 400
    assert found.region.right > 900


def test_of_two_faces_the_largest_and_most_constant_is_chosen() -> None:
    """A larger one is preferred, unless it is visible only briefly; both are counted."""
    beside = [[*regions, face(400, 500, 300)] for regions in swaying(x=1400)]
    found = person(beside)
    assert found is not None
    assert found.people == 2
    assert found.region.left > 1000
    passing = [regions if frame < 30 else regions[1:] for frame, regions in enumerate(beside)]
    found = person(passing)
    assert found is not None
    assert found.region.right < 600


def test_crossing_faces_are_kept_apart() -> None:
    """Each track continues, however the detector orders them."""
    frames = [
        [face(300, 500), face(1500, 500)] if frame % 2 else [face(1500, 500), face(300, 500)]
        for frame in range(20)
    ]
    found = person(frames)
    assert found is not None
    assert (found.people, found.seen) == (2, 20)
    assert found.region.right - found.region.left == pytest.approx(320)


def test_no_person_is_found_without_faces() -> None:
    """No frames, no faces in them, or one in a single frame of many."""
    assert person([]) is None
    assert person([[]] * 20) is None
    assert person([[face(500, 500)], *[[]] * 19]) is None


def test_a_clip_of_very_few_frames_has_a_face_too() -> None:
    """One or two searched frames are enough then."""
    for frames in (1, 2, 3):
        found = person([[face(500, 500)]] * frames)
        assert found is not None
        assert found.seen == frames


# Position of the square

regions = st.builds(
    lambda x, y, width, height: Region(x - width / 2, y - height / 2, x + width / 2, y + height / 2),
    st.floats(0, WIDTH), st.floats(0, HEIGHT), st.floats(4, 1500), st.floats(4, 1500),
)  # fmt: skip


@given(
    region=regions, zoom=st.floats(0.5, 3), margin=st.floats(-0.25, 1),
    width=st.integers(64, WIDTH), height=st.integers(64, HEIGHT),
)  # fmt: skip
def test_the_square_is_even_and_inside_the_frame(
    region: Region, zoom: float, margin: float, width: int, height: int
) -> None:
    """It is shifted first, and reduced only if the frame is too small."""
    box = place(region, zoom, margin, width, height)
    assert box.width == box.height
    assert not any(value % 2 for value in (box.left, box.top, box.width))
    assert box.left >= 0
    assert box.top >= 0
    assert box.right <= width
    assert box.bottom <= height
    wanted = region.side * zoom * (1 + 2 * margin)
    most = min(width, height) // 2 * 2
    assert box.width == max(2, min(most, 2 * int(wanted / 2)))
    for centre, start, limit in zip(region.centre, (box.left, box.top), (width, height), strict=True):
        exact = centre - box.width / 2
        assert abs(start - min(max(exact, 0), limit - box.width)) <= 2


def test_the_margin_is_applied_before_the_zoom() -> None:
    """A tenth on each side makes a side of 100 one of 120, and a zoom of 1.5 makes 180 of that."""
    box = place(Region(500, 500, 560, 600), 1.5, 0.1, WIDTH, HEIGHT)
    assert box == Box(440, 460, 180, 180)


def test_the_overlap_is_one_only_for_equal_regions() -> None:
    """Half of the one and half of the other are a third of both."""
    one = Region(0, 0, 10, 10)
    assert overlap(one, one) == 1
    assert overlap(one, Region(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap(one, Region(20, 20, 30, 30)) == 0


# Consequences for a clip


def test_the_metadata_of_a_window_are_complete() -> None:
    """Zoom, merged region, fractions and number of faces."""
    box, metadata = plan_window(CLIP, film([*swaying(99, x=700), []]), SIZE, FORM)
    assert box == place(Region(*metadata["face_region"]), 1.2, 0, WIDTH, HEIGHT)
    assert (metadata["zoom"], metadata["faces"], metadata["face_share"]) == (1.2, 1, 0.99)
    assert metadata["face_size"] == pytest.approx([face(0, 0).side] * 3)
    assert "face_yaw" not in metadata
    assert plan_window(replace(CLIP, zoom=None), film(swaying()), SIZE, FORM)[1]["zoom"] is None


def test_the_region_of_a_face_is_recorded_in_tenths_of_a_pixel() -> None:
    """Its edges: left, top, right and bottom."""
    frames = [[Region(700.123, 300.456, 1020.789, 700.987)]] * 20
    _, metadata = plan_window(CLIP, film(frames), SIZE, FORM)
    assert metadata["face_region"] == [700.1, 300.5, 1020.8, 701.0]


def test_the_share_of_frames_with_a_face_has_four_decimals() -> None:
    """Of those that were searched."""
    _, metadata = plan_window(CLIP, film([*swaying(60), []]), SIZE, FORM)
    assert (metadata["face_share"], metadata["face_inside_share"]) == (0.9836, 0.9836)


def test_the_metadata_contain_the_rotation_of_the_clips_person() -> None:
    """Smallest, median and largest; of frames in which it was estimated, and not of another person."""
    yaws = [-20.04, -5, 0, 5, 30.06]
    seen = [
        [Face(*region.edges, yaws[n % 5] if n % 2 else None), Face(100, 100, 140, 140, 90)]
        for n, (region,) in enumerate(swaying(50))
    ]
    _, metadata = plan_window(CLIP, film(seen), SIZE, FORM)
    assert metadata["face_yaw"] == [-20.0, 0, 30.1]


def test_a_face_in_less_than_half_of_the_frames_is_a_failure() -> None:
    """Or the published box if requested: in pixels of the source video."""
    _, metadata = plan_window(CLIP, film([*swaying(50), *[[]] * 50]), SIZE, FORM)
    assert metadata["face_share"] == 0.5
    frames = film([*swaying(49), *[[]] * 51])
    with pytest.raises(Failure, match=r"49 of 100 searched frames show a face, and 49 \(49%\)") as failed:
        plan_window(CLIP, frames, SIZE, FORM)
    assert failed.value.reason is Reason.NO_FACE
    box, metadata = plan_window(CLIP, frames, SIZE, replace(FORM, face_fallback=Fallback.TABLE))
    assert box == Box(600, 76, 750, 750)
    assert (metadata["face_fallback"], metadata["face_share"]) == ("table", 0.49)


def test_an_invalid_published_box_is_no_fallback() -> None:
    """Then the clip fails."""
    clip = replace(CLIP, box=Box(0, 0, 800, 800))
    with pytest.raises(Failure) as failed:
        plan_window(clip, [], SIZE, replace(FORM, face_fallback=Fallback.TABLE))
    assert failed.value.reason is Reason.BOX_DOES_NOT_FIT
    assert plan_window(clip, film(swaying()), SIZE, FORM)[1]["face_share"] == 1


async def test_without_the_extra_a_run_does_not_start(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 4 before any request, and the message says what to install."""
    monkeypatch.setattr(finder, "installed", lambda: None)
    report = await hdtf_async.download(
        tmp_path / "clips", replace(finished.options, crop=Crop.FACE, resolution=Resolution.BEST)
    )
    assert report.exit_code == ExitCode.LOCAL
    assert report.stopped is not None
    assert report.stopped.reason is Reason.NOT_READY
    assert "pip install '.[face]' in a clone of the repository" in report.stopped.words
    assert report.done == []


def test_a_directory_without_faces_has_none_to_show(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 4, and nothing is written."""
    assert main(["faces", "--out", str(finished.out)]) == ExitCode.LOCAL
    assert "has no clips made with --crop face" in capsys.readouterr().err
    assert not (finished.out / "faces.jpg").exists()


def test_without_a_zoom_in_the_table_the_zoom_is_one() -> None:
    """As in lists of other datasets."""
    frames = film(swaying())
    box, metadata = plan_window(replace(CLIP, zoom=None), frames, SIZE, FORM)
    assert box == plan_window(replace(CLIP, zoom=1.0), frames, SIZE, FORM)[0]
    assert box != plan_window(replace(CLIP, zoom=1.5), frames, SIZE, FORM)[0]
    assert metadata["zoom"] is None


@pytest.mark.parametrize(
    ("region", "zoom", "margin", "box"),
    [
        (Region(400, 300, 500, 400), 1.0, 0.0, Box(400, 300, 100, 100)),
        (Region(400, 300, 500, 400), 1.2, 0.0, Box(390, 290, 120, 120)),
        (Region(400, 300, 500, 400), 1.0, 0.1, Box(390, 290, 120, 120)),
        (Region(400, 300, 500, 400), 1.5, 0.5, Box(300, 200, 300, 300)),
        (Region(400, 300, 500, 401.9), 1.0, 0.0, Box(400, 300, 100, 100)),
        (Region(-50, 0, 50, 100), 1.0, 0.0, Box(0, 0, 100, 100)),
        (Region(1900, 1060, 2000, 1160), 1.0, 0.0, Box(1820, 980, 100, 100)),
        (Region(0, 0, 3000, 3000), 1.0, 0.0, Box(840, 0, 1080, 1080)),
        (Region(10, 10, 10.5, 10.5), 1.0, 0.0, Box(10, 10, 2, 2)),
    ],
)
def test_a_window_is_a_square_around_the_region(region: Region, zoom: float, margin: float, box: Box) -> None:
    """Enlarged by zoom and margin, even, and shifted into the frame."""
    assert place(region, zoom, margin, WIDTH, HEIGHT) == box


def test_an_odd_frame_has_an_even_window() -> None:
    """One row and column less."""
    assert place(Region(0, 0, 99, 99), 1.0, 0.0, 99, 101) == Box(0, 0, 98, 98)
    assert place(Region(60, 60, 101, 101), 1.0, 0.0, 101, 101) == Box(60, 60, 40, 40)


@pytest.mark.parametrize(("seen", "found"), [(5, True), (4, False)])
def test_the_person_is_seen_in_half_of_the_samples(seen: int, *, found: bool) -> None:
    """Of ten; the message has both numbers."""
    frames = film([[face(900, 500)] if number < seen else [] for number in range(10)])
    if found:
        assert plan_window(CLIP, frames, SIZE, FORM)[1]["face_share"] == 0.5
    else:
        message = r"^4 of 10 searched frames show a face, and 4 \(40%\) show the main person$"
        with pytest.raises(Failure) as failed:
            plan_window(CLIP, frames, SIZE, FORM)
        assert failed.value.reason is Reason.NO_FACE
        assert message.strip("^$").replace("\\", "") == failed.value.words
    with pytest.raises(Failure) as failed:
        plan_window(CLIP, film([[]] * 3), SIZE, FORM)
    assert failed.value.words == "0 of 3 searched frames show a face"


def test_what_is_recorded_of_a_window() -> None:
    """Zoom, people, sizes and region of the face, and fractions of the samples."""
    frames = film([[face(900, 500), face(300, 500, 100)]] * 10)
    box, metadata = plan_window(CLIP, frames, SIZE, FORM)
    assert metadata == {
        "zoom": 1.2, "faces": 2, "face_size": [400, 400, 400], "face_region": [740, 300, 1060, 700],
        "face_share": 1.0, "face_kept_share": 1.0, "face_inside_share": 1.0,
    }  # fmt: skip
    assert box == place(face(900, 500), 1.2, 0, *SIZE)
    plain, metadata = plan_window(replace(CLIP, zoom=None), frames, SIZE, replace(FORM, face_margin=0.25))
    assert plain == place(face(900, 500), 1, 0.25, *SIZE)
    assert metadata["zoom"] is None
    none = plan_window(CLIP, film([[]]), SIZE, replace(FORM, face_fallback=Fallback.TABLE))[1]
    assert none == {
        "zoom": 1.2, "faces": 0, "face_fallback": "table", "face_share": 0, "face_kept_share": 0,
        "face_inside_share": 0,
    }  # fmt: skip
