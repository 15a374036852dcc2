"""Whose face the window is around: cuts, several people, fast motion, and faces that come and go.

A scene is a function from seconds to faces. It is searched as `finder` does: at jittered samples, and at ten
frames per second where those leave open who is seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from math import sin, tau

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Clip, Crop, Fallback, Form, Interval, Video
from hdtf_async.media.face.people import BETWEEN, ROUNDS, Frame, Region, doubtful, find
from hdtf_async.media.face.window import inside, place, plan_window

SIZE = WIDTH, HEIGHT = 1920, 1080
CLIP = Clip(Video("RD", "A", "CPCoMyuBRM0", 720), 0, Interval(0, 20), Box(400, 50, 500, 500), 1.2)
FORM = Form(crop=Crop.FACE)
FPS = 25
Scene = Callable[[float], list[Region]]


def face(x: float, y: float = 500, side: float = 300) -> Region:
    """Return a face, a little narrower than high."""
    return Region(x - 0.4 * side, y - side / 2, x + 0.4 * side, y + side / 2)


LEFT, RIGHT = face(450), face(1450)


def searched(scene: Scene, seconds: float, rate: float | None = 5, seed: int = 1) -> list[Frame]:
    """Return what is seen in a scene: one frame in each period at a random place, and those in between."""
    chance = random.Random(seed)  # noqa: S311 - guards nothing
    every = [number / FPS for number in range(round(seconds * FPS))]
    if rate is None:
        return [Frame(second, scene(second)) for second in every]
    period = round(FPS / rate)
    samples = [
        Frame(second, scene(second))
        for start in range(0, len(every), period)
        for second in [chance.choice(every[start : start + period])]
    ]
    for _ in range(ROUNDS if rate < BETWEEN else 0):
        known, last = {frame.second for frame in samples}, -1.0
        for interval in doubtful(samples):
            for second in every:
                if interval.start < second < interval.end and second not in known and second - last > 0.099:
                    samples.append(Frame(second, scene(second), sampled=False))
                    last = second
        samples.sort(key=lambda frame: frame.second)
    return samples


def cuts(*shots: tuple[float, list[Region]]) -> Scene:
    """Return a scene of shots, each up to a second."""
    return lambda second: next((faces for end, faces in shots if second < end), [])


# One person in the window


@pytest.mark.parametrize("rate", [1, 2, 5, None])
@pytest.mark.parametrize("at", [4.9, 5.0, 5.04, 7.3])
def test_a_cut_to_another_person_leaves_the_one_who_is_seen_longer(rate: float | None, at: float) -> None:
    """Whatever the rate, and wherever between two samples the cut is; the metadata have the share."""
    frames = searched(cuts((at, [LEFT]), (20, [RIGHT])), 20, rate)
    box, told = plan_window(CLIP, frames, SIZE, FORM)
    assert box == place(RIGHT, 1.2, 0, *SIZE)
    samples = [frame.second for frame in frames if frame.sampled]
    share = sum(second >= at for second in samples) / len(samples)
    assert told["face_share"] == told["face_kept_share"] == told["face_inside_share"]
    assert told["face_share"] == pytest.approx(share, abs=1e-4)
    assert told["faces"] == 2


def test_a_larger_person_who_is_seen_for_less_time_is_not_taken() -> None:
    """The longer one counts: size decides only between people who are seen together."""
    large = face(1300, side=600)
    found = find(searched(cuts((5.5, [LEFT]), (10, [large])), 10))
    assert found is not None
    assert found.region == LEFT
    found = find(searched(lambda _second: [LEFT, large], 10))
    assert found is not None
    assert (found.region, found.seen, found.people) == (large, 50, 2)


@pytest.mark.parametrize("rate", [1, 5, None])
def test_cuts_back_and_forth_are_two_people(rate: float | None) -> None:
    """Each comes back to the own place: four shots of one, three of the other."""
    shots = [(3 * shot + 3, [RIGHT if shot % 2 else LEFT]) for shot in range(7)]
    frames = searched(cuts(*shots), 21, rate)
    box, told = plan_window(CLIP, frames, SIZE, FORM)
    assert box == place(LEFT, 1.2, 0, *SIZE)
    assert told["faces"] == 2
    assert told["face_inside_share"] == told["face_share"] == pytest.approx(4 / 7, abs=0.05)


def test_a_person_who_is_seen_in_less_than_half_is_a_failure() -> None:
    """Also where each frame shows somebody: the message has both counts."""
    scene = cuts((4, [LEFT]), (7, [face(950)]), (10, [RIGHT]))
    with pytest.raises(Failure) as failed:
        plan_window(CLIP, searched(scene, 10), SIZE, FORM)
    assert failed.value.reason is Reason.NO_FACE
    assert failed.value.words == ("50 of 50 searched frames show a face, and 20 (40%) show the main person")


@pytest.mark.parametrize("rate", [0.5, 1, 2, 5, None])
@pytest.mark.parametrize("speed", [150, 500, 900])
def test_a_person_who_walks_across_the_frame_is_one(rate: float | None, speed: float) -> None:
    """At up to three sides per second, from one edge to the other and back."""

    def walker(second: float) -> list[Region]:
        way = speed * second % 3000
        return [face(200 + min(way, 3000 - way))]

    frames = searched(walker, 20, rate)
    found = find(frames)
    assert found is not None
    samples = sum(frame.sampled for frame in frames)
    assert (found.seen, found.kept, found.people) == (samples, samples, 1)
    lefts = [frame.faces[0].left for frame in frames]
    assert found.region.left == min(lefts)


def test_a_cut_to_an_empty_slide_leaves_the_person() -> None:
    """The share says how much of the clip shows nobody."""
    box, told = plan_window(CLIP, searched(cuts((3, [LEFT]), (7, []), (10, [LEFT])), 10), SIZE, FORM)
    assert box == place(LEFT, 1.2, 0, *SIZE)
    assert (told["face_share"], told["face_inside_share"], told["faces"]) == (0.6, 0.6, 1)


@pytest.mark.parametrize("longer", [3, 7])
def test_a_zoom_at_the_same_place_is_one_person(longer: float) -> None:
    """Both sizes are in the window, whichever is shown for longer."""
    near = face(500, side=800)
    box, told = plan_window(CLIP, searched(cuts((longer, [LEFT]), (10, [near])), 10), SIZE, FORM)
    assert box == place(near, 1.2, 0, *SIZE)
    assert (told["face_share"], told["face_inside_share"], told["faces"]) == (1, 1, 1)


def test_a_change_of_size_and_place_at_a_cut_is_in_the_share() -> None:
    """Half of the clip shows nobody: the window stays with the first view."""
    box, told = plan_window(CLIP, searched(cuts((6, [LEFT]), (10, [face(1300, side=800)])), 10), SIZE, FORM)
    assert box == place(LEFT, 1.2, 0, *SIZE)
    assert (told["face_share"], told["face_inside_share"]) == (0.6, 0.6)


places = st.sampled_from([face(x, y) for x in (250, 950, 1650) for y in (200, 850)])


@given(
    shots=st.lists(st.tuples(st.integers(10, 100), st.one_of(st.none(), places)), min_size=1, max_size=8),
    rate=st.sampled_from([1, 2, 5, None]),
    seed=st.integers(0, 9),
)
def test_the_window_never_spans_two_people(
    shots: list[tuple[int, Region | None]], rate: float | None, seed: int
) -> None:
    """Whatever is cut to what: it is that of one place, and the shares are those of the frames there."""
    length, ends = 0, []
    for frames, shown in shots:
        length += frames
        ends.append((length / FPS, [] if shown is None else [shown]))
    seen = searched(cuts(*ends), length / FPS, rate, seed)
    samples = [frame.faces[0] if frame.faces else None for frame in seen if frame.sampled]
    try:
        box, told = plan_window(CLIP, seen, SIZE, FORM)
    except Failure:
        most = max(samples.count(each) for each in {*samples} - {None}) if any(samples) else 0
        assert most < len(samples) / 2 or most < 3
        return
    region = Region(*told["face_region"])
    assert box == place(region, 1.2, 0, *SIZE)
    assert told["face_share"] == pytest.approx(samples.count(region) / len(samples), abs=1e-4)
    assert told["face_inside_share"] == told["face_share"]


# Seen, kept, inside


@pytest.mark.parametrize("rate", [1, 2, 5])
@pytest.mark.parametrize("width", [150, 290, 400])
def test_a_head_that_sways_at_the_sampling_rate_is_kept(rate: float, width: float) -> None:
    """By half of its side, or by more than all of it: every sample is seen and kept."""

    def swaying(second: float) -> list[Region]:
        return [face(900 + width / 2 * sin(tau * min(rate, 2) * second))]

    for seed in range(10):
        frames = searched(swaying, 6, rate, seed)
        found = find(frames)
        assert found is not None
        samples = sum(frame.sampled for frame in frames)
        assert (found.seen, found.kept, found.people) == (samples, samples, 1)


@pytest.mark.parametrize("pattern", ["LR", "LLR", "LLLR", "LLLLLLLLR"])
def test_what_recurs_is_no_outlier(pattern: str) -> None:
    """A head that turns to the same place again and again, even where all samples agree but for it."""
    turns = (pattern * 30)[: max(6, 3 * len(pattern))]
    frames = [Frame(number / 5, [face(500 if turn == "L" else 700)]) for number, turn in enumerate(turns)]
    found = find(frames)
    assert found is not None
    assert (found.seen, found.kept) == (len(turns), len(turns))
    assert found.region.right == face(700).right


def test_seen_and_kept_are_counted_apart() -> None:
    """A region that only one frame has is seen, and not kept: the window is smaller than it and says so."""
    frames = [Frame(number / 5, [face(700 if number == 20 else 500)]) for number in range(50)]
    found = find(frames)
    assert found is not None
    assert (found.seen, found.kept, found.region) == (50, 49, face(500))
    _, told = plan_window(CLIP, frames, SIZE, FORM)
    assert (told["face_share"], told["face_kept_share"], told["face_inside_share"]) == (1, 0.98, 0.98)


def test_frames_of_one_time_are_no_obstacle() -> None:
    """A source video may have several."""
    found = find([Frame(second // 4, [face(500 + second)]) for second in range(12)])
    assert found is not None
    assert found.seen == 12


def test_where_most_regions_would_be_outliers_none_is() -> None:
    """Nothing then says which of them are right."""
    for seed in range(200):
        chance = random.Random(seed)  # noqa: S311 - guards nothing
        frames = [Frame(float(number), [face(500 + chance.choice([0, 90, 180]))]) for number in range(6)]
        found = find(frames)
        assert found is not None
        assert found.seen == 6
        assert found.kept >= 3


@given(
    edges=st.tuples(*[st.floats(-200, 2200)] * 4),
    left=st.integers(0, 1000),
    top=st.integers(0, 500),
    side=st.integers(2, 500),
)
def test_a_face_is_inside_if_the_window_has_all_of_it_that_the_frame_has(
    edges: tuple[float, float, float, float], left: int, top: int, side: int
) -> None:
    """To two pixels, by which a window may be smaller than what it was made for."""
    left_edge, right_edge = sorted(edges[:2])
    top_edge, bottom_edge = sorted(edges[2:])
    box = Box(left, top, side, side)
    lacks = max(
        left - max(left_edge, 0), top - max(top_edge, 0),
        min(right_edge, WIDTH) - left - side, min(bottom_edge, HEIGHT) - top - side,
    )  # fmt: skip
    shown = Region(left_edge, top_edge, right_edge, bottom_edge)
    assert inside([Frame(0, [shown])], box, *SIZE) == (lacks <= 2)
    assert inside([Frame(0, [shown], sampled=False)], box, *SIZE) == 0


@given(zoom=st.floats(1, 2), x=st.floats(0, WIDTH), y=st.floats(0, HEIGHT), side=st.floats(20, 700))
def test_a_face_that_stands_still_is_inside_its_window(zoom: float, x: float, y: float, side: float) -> None:
    """Also at the edge of the frame, and at a zoom of 1, where the window has no room to spare."""
    region = face(x, y, side)
    assert inside([Frame(0, [region])], place(region, zoom, 0, *SIZE), *SIZE) == 1


def test_the_share_is_that_of_the_published_box_where_that_is_cut_out() -> None:
    """The box of the fallback is 600 to 1350 across and 76 to 826 down: the face of two of ten frames."""
    frames = [Frame(number / 5, [face(950, 450)] if number < 2 else []) for number in range(10)]
    form = Form(crop=Crop.FACE, face_fallback=Fallback.TABLE)
    _, told = plan_window(CLIP, frames, SIZE, form)
    assert (told["face_fallback"], told["face_inside_share"]) == ("table", 0.2)


# Where samples leave it open


def test_frames_in_between_are_searched_only_where_it_matters() -> None:
    """Not while the face is followed, nor for a small face in the background of a larger one."""
    assert doubtful(searched(lambda second: [face(500 + 60 * second)], 10, 5)) == []

    def background(second: float) -> list[Region]:
        return [LEFT, face(1200 + 400 * (int(second * 5) % 2), side=100)]

    samples = [Frame(number / 5, background(number / 5)) for number in range(50)]
    assert doubtful(samples) == []
    samples = [Frame(number, [LEFT if number < 3 else RIGHT]) for number in range(6)]
    assert doubtful(samples) == [Interval(2, 3)]
    samples = [Frame(number, [RIGHT if number % 2 else LEFT]) for number in range(6)]
    assert doubtful(samples) == [Interval(0, 5)]


def test_many_doubtful_intervals_become_one() -> None:
    """The command line that selects their frames stays short."""
    turns = [LEFT, LEFT, RIGHT, RIGHT] * 100
    found = doubtful([Frame(number, [region]) for number, region in enumerate(turns)])
    assert found == [Interval(1, 397)] or all(one.end < other.start for one, other in pairwise(found))
    assert len(found) <= 100


# Where the limits are that `people` documents


def filmed(*shots: tuple[int, list[Region]], rate: float = 5) -> list[Frame]:
    """Return frames at a constant rate, of shots that are so many frames long."""
    faces = [shown for frames, shown in shots for _ in range(frames)]
    return [Frame(number / rate, shown) for number, shown in enumerate(faces)]


def counted(frames: list[Frame]) -> tuple[int, int, int]:
    """Return in how many samples the person is seen and kept, and how many people there are."""
    found = find(frames)
    assert found is not None
    return found.seen, found.kept, found.people


@pytest.mark.parametrize(("rate", "missing"), [(5, 4), (5, 5), (1, 4), (1, 5)])
def test_a_walk_may_be_hidden_for_a_second_or_five_samples(rate: int, missing: int) -> None:
    """Whoever walks on after a longer time, far from where most of the walk was before, is another person."""

    def walk(first: int) -> list[list[Region]]:
        return [[face(100 + 50 * (first + number))] for number in range(20)]

    faces = [*walk(0), *[[]] * missing, *walk(20)]
    frames = [Frame(number / rate, shown) for number, shown in enumerate(faces)]
    assert counted(frames)[::2] == ((40, 1) if missing == 4 else (20, 2))


@pytest.mark.parametrize(("moved", "people"), [(300, 1), (301, 2)])
def test_a_face_moves_by_up_to_one_side(moved: int, people: int) -> None:
    """From one frame to the next, and while it is away."""
    for away in (0, 10):
        frames = filmed((50, [face(500)]), (away, []), (50, [face(500 + moved)]))
        assert counted(frames)[::2] == (100 if people == 1 else 50, people)


@pytest.mark.parametrize(("side", "seen"), [(600, 100), (601, 92)])
def test_a_face_grows_up_to_twofold_from_frame_to_frame(side: int, seen: int) -> None:
    """Beyond that it is another one, for so few frames."""
    assert counted(filmed((92, [face(500)]), (8, [face(500, side=side)])))[0] == seen


@pytest.mark.parametrize(
    ("side", "frames", "seen"), [(450, 8, 92), (451, 8, 84), (900, 10, 92), (900, 9, 83)]
)
def test_a_face_that_comes_back_has_half_more_or_a_tenth_of_the_frames(
    side: int, frames: int, seen: int
) -> None:
    """Of a hundred; it was away for longer than a second."""
    shown = filmed((92 - frames, [face(500)]), (8, []), (frames, [face(500, side=side)]))
    assert counted(shown)[0] == seen


@pytest.mark.parametrize(
    ("samples", "least"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (20, 3), (100, 3), (200, 4), (500, 10)]
)
def test_a_person_is_in_three_frames_and_in_one_of_fifty(samples: int, least: int) -> None:
    """In half of the frames where there are no more than five."""
    assert counted(filmed((least, [LEFT]), (samples - least, [])))[0] == least
    assert find(filmed((least - 1, [LEFT]), (samples - least + 1, []))) is None


@pytest.mark.parametrize(("together", "taken"), [(50, face(1450, side=700)), (49, LEFT)])
def test_a_larger_person_has_to_be_there_in_half_of_the_frames(together: int, taken: Region) -> None:
    """Together with the one who is seen in most."""
    large = face(1450, side=700)
    found = find(filmed((together, [LEFT, large]), (100 - together, [LEFT])))
    assert found is not None
    assert found.region == taken


@pytest.mark.parametrize(("frames", "people"), [(10, 2), (9, 1)])
def test_people_are_counted_who_are_in_a_tenth_of_the_frames(frames: int, people: int) -> None:
    """Others pass by."""
    assert counted(filmed((frames, [LEFT, RIGHT]), (100 - frames, [LEFT])))[2] == people


@pytest.mark.parametrize(("off", "kept"), [(60, 100), (61, 99)])
def test_a_region_is_off_by_up_to_a_fifth_of_the_side(off: int, kept: int) -> None:
    """Of one that stands still otherwise; whether across or down."""
    for beside in (face(500 + off), face(500, 500 - off)):
        assert counted(filmed((50, [face(500)]), (1, [beside]), (49, [face(500)])))[1] == kept


@pytest.mark.parametrize(("visits", "kept"), [(10, 100), (9, 91), (1, 99)])
def test_a_place_recurs_if_it_has_a_tenth_of_the_frames(visits: int, kept: int) -> None:
    """For a frame each time."""
    places = [face(500)] * 100
    for visit in range(visits):
        places[10 * visit + 4] = face(650)
    assert counted([Frame(number / 5, [shown]) for number, shown in enumerate(places)])[1] == kept


@pytest.mark.parametrize(("apart", "open_between"), [(0.16, True), (0.15, False), (0.1, False)])
def test_frames_that_are_close_leave_nothing_open(apart: float, open_between: bool) -> None:
    """No other frame would be searched between them."""
    frames = [Frame(0, [LEFT]), Frame(apart, [RIGHT])]
    assert doubtful(frames) == ([Interval(0, apart)] if open_between else [])


@pytest.mark.parametrize(("side", "open_between"), [(600, True), (601, False)])
def test_only_a_face_of_a_similar_size_may_be_the_one_that_is_missing(side: int, open_between: bool) -> None:
    """It grows no more than twofold."""
    frames = [Frame(0, [LEFT]), Frame(1, [face(1400, side=side)])]
    assert (doubtful(frames) != []) is open_between
