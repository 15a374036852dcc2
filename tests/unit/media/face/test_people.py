"""Which person the window is around: cuts, several people, fast motion, and intermittent faces.

A scene is a function from seconds to faces. It is searched as `finder` does: at jittered samples, and at ten
frames per second where those do not show who is visible.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import sin, tau

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Annotation, Box, Clip, Crop, Fallback, Interval, OutputSettings, Video
from hdtf_async.media.face.people import BETWEEN, ROUNDS, Frame, Region, doubtful, find, overlap
from hdtf_async.media.face.window import inside, place, plan_window

SIZE = WIDTH, HEIGHT = 1920, 1080
CLIP = Clip(Video("RD", "A", "CPCoMyuBRM0", 720), 0, Interval(0, 20), Box(400, 50, 500, 500), 1.2)
FORM = OutputSettings(crop=Crop.FACE)
FPS = 25
Scene = Callable[[float], list[Region]]


def face(x: float, y: float = 500, side: float = 300) -> Region:
    """Return a face, slightly taller than wide."""
    return Region(x - 0.4 * side, y - side / 2, x + 0.4 * side, y + side / 2)


LEFT, RIGHT = face(450), face(1450)


def searched(scene: Scene, seconds: float, rate: float | None = 5, seed: int = 1) -> list[Frame]:
    """Return the frames of a scene: one in each period at a random position, and those in between."""
    chance = random.Random(seed)  # noqa: S311 - not for security
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
        times, last = {frame.second for frame in samples}, -1.0
        for interval in doubtful(samples):
            for second in every:
                if interval.start < second < interval.end and second not in times and second - last > 0.099:
                    samples.append(Frame(second, scene(second), sampled=False))
                    last = second
        samples.sort(key=lambda frame: frame.second)
    return samples


def cuts(*shots: tuple[float, list[Region]]) -> Scene:
    """Return a scene of shots, each until a given second."""
    return lambda second: next((faces for end, faces in shots if second < end), [])


# One person in the window


@pytest.mark.parametrize("rate", [1, 2, 5, None])
@pytest.mark.parametrize("at", [4.9, 5.0, 5.04, 7.3])
def test_the_person_who_is_visible_longer_is_chosen_after_a_cut(rate: float | None, at: float) -> None:
    """At any rate, and wherever the cut is between two samples; the metadata have the fraction."""
    frames = searched(cuts((at, [LEFT]), (20, [RIGHT])), 20, rate)
    box, metadata = plan_window(CLIP, frames, SIZE, FORM)
    assert box == place(RIGHT, 1.2, 0, *SIZE)
    samples = [frame.second for frame in frames if frame.sampled]
    share = sum(second >= at for second in samples) / len(samples)
    assert metadata["face_share"] == metadata["face_kept_share"] == metadata["face_inside_share"]
    assert metadata["face_share"] == pytest.approx(share, abs=1e-4)
    assert metadata["faces"] == 2


def test_a_larger_person_who_is_visible_for_less_time_is_not_chosen() -> None:
    """Time comes first: size decides only between people who are visible together."""
    large = face(1300, side=600)
    found = find(searched(cuts((5.5, [LEFT]), (10, [large])), 10))
    assert found is not None
    assert found.region == LEFT
    found = find(searched(lambda _second: [LEFT, large], 10))
    assert found is not None
    assert (found.region, found.seen, found.people) == (large, 50, 2)


@pytest.mark.parametrize("rate", [1, 5, None])
def test_cuts_back_and_forth_are_two_people(rate: float | None) -> None:
    """Each returns to the same position: four shots of one, three of the other."""
    shots = [(3 * shot + 3, [RIGHT if shot % 2 else LEFT]) for shot in range(7)]
    frames = searched(cuts(*shots), 21, rate)
    box, metadata = plan_window(CLIP, frames, SIZE, FORM)
    assert box == place(LEFT, 1.2, 0, *SIZE)
    assert metadata["faces"] == 2
    assert metadata["face_inside_share"] == metadata["face_share"] == pytest.approx(4 / 7, abs=0.05)


def test_a_person_in_less_than_half_of_the_frames_is_a_failure() -> None:
    """Even if each frame shows a face: the message has both counts."""
    scene = cuts((4, [LEFT]), (7, [face(950)]), (10, [RIGHT]))
    with pytest.raises(Failure) as failed:
        plan_window(CLIP, searched(scene, 10), SIZE, FORM)
    assert failed.value.reason is Reason.NO_FACE
    assert failed.value.words == ("50 of 50 searched frames show a face, and 20 (40%) show the main person")


@pytest.mark.parametrize("rate", [0.5, 1, 2, 5, None])
@pytest.mark.parametrize("speed", [150, 500, 900])
def test_a_person_who_walks_across_the_frame_is_one_person(rate: float | None, speed: float) -> None:
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


def test_a_cut_to_an_empty_slide_keeps_the_person() -> None:
    """The fraction shows how much of the clip has no person."""
    box, metadata = plan_window(CLIP, searched(cuts((3, [LEFT]), (7, []), (10, [LEFT])), 10), SIZE, FORM)
    assert box == place(LEFT, 1.2, 0, *SIZE)
    assert (metadata["face_share"], metadata["face_inside_share"], metadata["faces"]) == (0.6, 0.6, 1)


@pytest.mark.parametrize("longer", [3, 7])
def test_a_zoom_at_the_same_position_is_one_person(longer: float) -> None:
    """Both sizes are inside the window, whichever is shown for longer."""
    near = face(500, side=800)
    box, metadata = plan_window(CLIP, searched(cuts((longer, [LEFT]), (10, [near])), 10), SIZE, FORM)
    assert box == place(near, 1.2, 0, *SIZE)
    assert (metadata["face_share"], metadata["face_inside_share"], metadata["faces"]) == (1, 1, 1)


def test_a_change_of_size_and_position_at_a_cut_lowers_the_fraction() -> None:
    """Half of the clip is outside: the window stays with the first view."""
    box, metadata = plan_window(
        CLIP, searched(cuts((6, [LEFT]), (10, [face(1300, side=800)])), 10), SIZE, FORM
    )
    assert box == place(LEFT, 1.2, 0, *SIZE)
    assert (metadata["face_share"], metadata["face_inside_share"]) == (0.6, 0.6)


places = st.sampled_from([face(x, y) for x in (250, 950, 1650) for y in (200, 850)])


@pytest.mark.slow
@given(
    shots=st.lists(st.tuples(st.integers(10, 100), st.one_of(st.none(), places)), min_size=1, max_size=8),
    rate=st.sampled_from([1, 2, 5, None]),
    seed=st.integers(0, 9),
)
def test_the_window_never_spans_two_people(
    shots: list[tuple[int, Region | None]], rate: float | None, seed: int
) -> None:
    """For any cuts: it covers one position, and the fractions are those of its frames."""
    length, ends = 0, []
    for frames, shown in shots:
        length += frames
        ends.append((length / FPS, [] if shown is None else [shown]))
    seen = searched(cuts(*ends), length / FPS, rate, seed)
    samples = [frame.faces[0] if frame.faces else None for frame in seen if frame.sampled]
    try:
        box, metadata = plan_window(CLIP, seen, SIZE, FORM)
    except Failure:
        most = max(samples.count(each) for each in {*samples} - {None}) if any(samples) else 0
        assert most < len(samples) / 2 or most < 3
        return
    region = Region(*metadata["face_region"])
    assert box == place(region, 1.2, 0, *SIZE)
    assert metadata["face_share"] == pytest.approx(samples.count(region) / len(samples), abs=1e-4)
    assert metadata["face_inside_share"] == metadata["face_share"]


# Seen, kept, inside


@pytest.mark.parametrize("rate", [1, 2, 5])
@pytest.mark.parametrize("width", [150, 290, 400])
def test_a_head_that_sways_at_the_sampling_rate_is_kept(rate: float, width: float) -> None:
    """By half of its side, or by more than its whole side: every sample is seen and kept."""

    def swaying(second: float) -> list[Region]:
        return [face(900 + width / 2 * sin(tau * min(rate, 2) * second))]

    for seed in range(10):
        frames = searched(swaying, 6, rate, seed)
        found = find(frames)
        assert found is not None
        samples = sum(frame.sampled for frame in frames)
        assert (found.seen, found.kept, found.people) == (samples, samples, 1)


@pytest.mark.parametrize("pattern", ["LR", "LLR", "LLLR", "LLLLLLLLR"])
def test_recurring_positions_are_no_outliers(pattern: str) -> None:
    """A head that turns to the same position repeatedly, even if all other samples agree."""
    turns = (pattern * 30)[: max(6, 3 * len(pattern))]
    frames = [Frame(number / 5, [face(500 if permit == "L" else 700)]) for number, permit in enumerate(turns)]
    found = find(frames)
    assert found is not None
    assert (found.seen, found.kept) == (len(turns), len(turns))
    assert found.region.right == face(700).right


def test_seen_and_kept_are_counted_separately() -> None:
    """A region in a single frame is seen, but not kept: the window is smaller and the fraction shows it."""
    frames = [Frame(number / 5, [face(700 if number == 20 else 500)]) for number in range(50)]
    found = find(frames)
    assert found is not None
    assert (found.seen, found.kept, found.region) == (50, 49, face(500))
    _, metadata = plan_window(CLIP, frames, SIZE, FORM)
    assert (metadata["face_share"], metadata["face_kept_share"], metadata["face_inside_share"]) == (
        1,
        0.98,
        0.98,
    )


def test_several_frames_may_have_the_same_time() -> None:
    """As in some source videos."""
    found = find([Frame(second // 4, [face(500 + second)]) for second in range(12)])
    assert found is not None
    assert found.seen == 12


def test_if_most_regions_would_be_outliers_none_is() -> None:
    """Then it is unknown which of them are right."""
    for seed in range(200):
        chance = random.Random(seed)  # noqa: S311 - not for security
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
def test_a_face_is_inside_if_the_window_covers_its_visible_part(
    edges: tuple[float, float, float, float], left: int, top: int, side: int
) -> None:
    """Within two pixels, by which a window may be smaller than computed."""
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


@pytest.mark.slow
@given(zoom=st.floats(1, 2), x=st.floats(0, WIDTH), y=st.floats(0, HEIGHT), side=st.floats(20, 700))
def test_a_still_face_is_inside_its_window(zoom: float, x: float, y: float, side: float) -> None:
    """Also at the edge of the frame, and at a zoom of 1, where the window has no margin."""
    region = face(x, y, side)
    assert inside([Frame(0, [region])], place(region, zoom, 0, *SIZE), *SIZE) == 1


def test_with_the_fallback_the_fraction_is_that_of_the_published_box() -> None:
    """The box is 600 to 1350 horizontally and 76 to 826 vertically: the face of two of ten frames."""
    frames = [Frame(number / 5, [face(950, 450)] if number < 2 else []) for number in range(10)]
    form = OutputSettings(crop=Crop.FACE, face_fallback=Fallback.TABLE)
    _, metadata = plan_window(CLIP, frames, SIZE, form)
    assert (metadata["face_fallback"], metadata["face_inside_share"]) == ("table", 0.2)


# Inconclusive samples


def test_frames_in_between_are_only_searched_if_needed() -> None:
    """Not while the face is tracked, nor for a small face in the background of a larger one."""
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
    """So that the command line that selects their frames stays short."""
    turns = [LEFT, LEFT, RIGHT, RIGHT] * 100
    found = doubtful([Frame(number, [region]) for number, region in enumerate(turns)])
    assert found == [Interval(1, 397)] or all(one.end < other.start for one, other in pairwise(found))
    assert len(found) <= 100


# The limits documented in `people`


def filmed(*shots: tuple[int, list[Region]], rate: float = 5) -> list[Frame]:
    """Return frames at a constant rate, of shots with this many frames."""
    faces = [shown for frames, shown in shots for _ in range(frames)]
    return [Frame(number / rate, shown) for number, shown in enumerate(faces)]


def counted(frames: list[Frame]) -> tuple[int, int, int]:
    """Return in how many samples the person is seen and kept, and the number of people."""
    found = find(frames)
    assert found is not None
    return found.seen, found.kept, found.people


@pytest.mark.parametrize(("rate", "missing"), [(5, 4), (5, 5), (1, 4), (1, 5)])
def test_a_walking_person_may_be_hidden_for_a_second_or_five_samples(rate: int, missing: int) -> None:
    """A person who continues after a longer time, far from most earlier positions, is another one."""

    def walk(first: int) -> list[list[Region]]:
        return [[face(100 + 50 * (first + number))] for number in range(20)]

    faces = [*walk(0), *[[]] * missing, *walk(20)]
    frames = [Frame(number / rate, shown) for number, shown in enumerate(faces)]
    assert counted(frames)[::2] == ((40, 1) if missing == 4 else (20, 2))


@pytest.mark.parametrize(("moved", "people"), [(300, 1), (301, 2)])
def test_a_face_moves_by_at_most_one_side(moved: int, people: int) -> None:
    """From one frame to the next, and while it is hidden."""
    for away in (0, 10):
        frames = filmed((50, [face(500)]), (away, []), (50, [face(500 + moved)]))
        assert counted(frames)[::2] == (100 if people == 1 else 50, people)


@pytest.mark.parametrize(("side", "seen"), [(600, 100), (601, 92)])
def test_a_face_grows_at_most_twofold_from_frame_to_frame(side: int, seen: int) -> None:
    """Otherwise it is another one, if it has few frames."""
    assert counted(filmed((92, [face(500)]), (8, [face(500, side=side)])))[0] == seen


@pytest.mark.parametrize(
    ("side", "frames", "seen"), [(450, 8, 92), (451, 8, 84), (900, 10, 92), (900, 9, 83)]
)
def test_a_face_that_returns_has_a_similar_size_or_a_tenth_of_the_frames(
    side: int, frames: int, seen: int
) -> None:
    """Of a hundred; it was hidden for more than a second."""
    shown = filmed((92 - frames, [face(500)]), (8, []), (frames, [face(500, side=side)]))
    assert counted(shown)[0] == seen


@pytest.mark.parametrize(
    ("samples", "least"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (20, 3), (100, 3), (200, 4), (500, 10)]
)
def test_a_person_is_in_at_least_three_frames_and_one_in_fifty(samples: int, least: int) -> None:
    """In half of the frames if there are no more than five."""
    assert counted(filmed((least, [LEFT]), (samples - least, [])))[0] == least
    assert find(filmed((least - 1, [LEFT]), (samples - least + 1, []))) is None


@pytest.mark.parametrize(("together", "chosen"), [(50, face(1450, side=700)), (49, LEFT)])
def test_a_larger_person_must_be_in_half_of_the_frames(together: int, chosen: Region) -> None:
    """Together with the one who is in most of them."""
    large = face(1450, side=700)
    found = find(filmed((together, [LEFT, large]), (100 - together, [LEFT])))
    assert found is not None
    assert found.region == chosen


@pytest.mark.parametrize(("frames", "people"), [(10, 2), (9, 1)])
def test_people_in_a_tenth_of_the_frames_are_counted(frames: int, people: int) -> None:
    """Others are ignored."""
    assert counted(filmed((frames, [LEFT, RIGHT]), (100 - frames, [LEFT])))[2] == people


@pytest.mark.parametrize(("off", "kept"), [(60, 100), (61, 99)])
def test_a_region_may_be_off_by_a_fifth_of_the_side(off: int, kept: int) -> None:
    """Of an otherwise still face; horizontally or vertically."""
    for beside in (face(500 + off), face(500, 500 - off)):
        assert counted(filmed((50, [face(500)]), (1, [beside]), (49, [face(500)])))[1] == kept


@pytest.mark.parametrize(("visits", "kept"), [(10, 100), (9, 91), (1, 99)])
def test_a_position_recurs_if_it_has_a_tenth_of_the_frames(visits: int, kept: int) -> None:
    """For one frame each time."""
    places = [face(500)] * 100
    for visit in range(visits):
        places[10 * visit + 4] = face(650)
    assert counted([Frame(number / 5, [shown]) for number, shown in enumerate(places)])[1] == kept


@pytest.mark.parametrize(("apart", "open_between"), [(0.16, True), (0.15, False), (0.1, False)])
def test_frames_close_together_are_conclusive(apart: float, open_between: bool) -> None:
    """No other frame would be searched between them."""
    frames = [Frame(0, [LEFT]), Frame(apart, [RIGHT])]
    assert doubtful(frames) == ([Interval(0, apart)] if open_between else [])


@pytest.mark.parametrize(("side", "open_between"), [(600, True), (601, False)])
def test_only_a_face_of_a_similar_size_may_be_the_missing_one(side: int, open_between: bool) -> None:
    """It grows at most twofold."""
    frames = [Frame(0, [LEFT]), Frame(1, [face(1400, side=side)])]
    assert (doubtful(frames) != []) is open_between


@pytest.mark.parametrize(("point", "face_at"), [((0.24, 0.46), 450), ((0.75, 0.46), 1450)])
def test_a_point_of_a_list_selects_the_face_at_the_start(point: tuple[float, float], face_at: float) -> None:
    """Also if another one is larger, or nearer but seen later; without a point the larger one is chosen."""

    def scene(second: float) -> list[Region]:
        later = [face(470, 800, side=300)] if second > 5 else []
        return [face(450, side=150), face(1450, side=300), *later]

    frames = searched(scene, 20)
    clip = replace(CLIP, annotation=Annotation(point=point))
    box, _ = plan_window(clip, frames, SIZE, FORM)
    assert box.left < face_at < box.right
    assert (box.width < 300) == (face_at == 450)
    box, _ = plan_window(CLIP, frames, SIZE, FORM)
    assert box.left < 1450 < box.right


@pytest.mark.parametrize(("moved", "frames", "seen"), [(150, 3, 92), (150, 2, 89), (50, 2, 91), (61, 2, 89)])
def test_a_very_short_track_must_be_close_to_the_person(moved: int, frames: int, seen: int) -> None:
    """Within a fifth of its side; one of three frames is long enough to be within one side."""
    shown = filmed((89, [face(500)]), (11 - frames, []), (frames, [face(500 + moved)]))
    assert counted(shown)[0] == seen


@pytest.mark.parametrize(
    ("places", "kept"),
    [
        ([5], 19), ([5, 6], 18), ([5, 7], 20), ([5, 6, 12], 20), ([5, 12], 20), ([18, 19], 18), ([0, 1], 18),
        ([19], 19), ([0], 19),
    ],
)  # fmt: skip
def test_successive_frames_are_one_visit_to_a_position(places: list[int], kept: int) -> None:
    """A position recurs from the second visit on."""
    shown = [[face(700 if number in places else 500)] for number in range(20)]
    assert counted([Frame(number / 5, each) for number, each in enumerate(shown)])[1] == kept


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        (Region(0, 0, 10, 10), Region(0, 0, 10, 10), 1.0),
        (Region(0, 0, 10, 10), Region(5, 0, 15, 10), 1 / 3),
        (Region(0, 0, 10, 10), Region(0, 5, 10, 15), 1 / 3),
        (Region(0, 0, 10, 10), Region(10, 0, 20, 10), 0.0),
        (Region(0, 0, 10, 10), Region(20, 20, 30, 30), 0.0),
        (Region(0, 0, 10, 10), Region(2, 2, 4, 4), 0.04),
        (Region(0, 0, 0, 0), Region(0, 0, 0, 0), 0.0),
    ],
)
def test_the_overlap_is_the_intersection_over_the_union(one: Region, other: Region, share: float) -> None:
    """In either order; regions without an area have none."""
    assert overlap(one, other) == overlap(other, one) == pytest.approx(share)


def test_a_region_has_edges_a_side_and_a_centre() -> None:
    """Its side is the longer one; it can be given in another unit."""
    region = Region(1, 2, 5, 10)
    assert (region.edges, region.side, region.centre) == ((1, 2, 5, 10), 8, (3, 6))
    assert Region(0, 0, 9, 1).side == 9
    assert region.scaled(2, 3) == Region(2, 6, 10, 30)


def test_the_person_has_sizes_of_kept_regions() -> None:
    """Smallest, median and largest side; fractions count samples only, and regions of all frames."""
    shown = [Frame(number / 5, [face(500, side=300 + number)]) for number in range(5)]
    found = find(shown)
    assert found is not None
    assert (found.sides, found.seen, found.kept, found.people) == ((300, 302, 304), 5, 5, 1)
    between = [replace(frame, sampled=number % 2 == 0) for number, frame in enumerate(shown)]
    found = find(between)
    assert found is not None
    assert (found.sides, found.seen, found.kept) == ((300, 302, 304), 3, 3)
    assert find([]) is None
    assert find([Frame(0, [])]) is None


@pytest.mark.parametrize(("apart", "people"), [(0.25, 1), (1.0, 1), (1.125, 2)])
def test_with_few_samples_a_face_may_be_hidden_for_a_second(apart: float, people: int) -> None:
    """Or for five times their usual distance, whichever is longer."""
    walk = [(number / 8, face(500 + 20 * number)) for number in range(20)]
    on = walk[-1][0] + apart
    further = [(on + number / 8, face(900 + 20 * number)) for number in range(20)]
    found = find([Frame(second, [shown]) for second, shown in (*walk, *further)])
    assert found is not None
    assert found.people == people


def test_the_nearest_regions_of_two_frames_are_one_face() -> None:
    """Each region continues one track, and each track has one region."""
    frames = [
        Frame(number / 5, [face(500 + 40 * number), face(800 + 40 * number)][:: 1 if number % 2 else -1])
        for number in range(6)
    ]
    found = find(frames)
    assert found is not None
    assert (found.seen, found.people) == (6, 2)
    assert found.region.right - found.region.left == pytest.approx(240 + 200)
    three = [Frame(0, [face(500)]), Frame(0.2, [face(510), face(480)]), Frame(0.4, [face(520), face(470)])]
    found = find(three)
    assert found is not None
    assert found.people == 2
    assert found.seen == 3


@pytest.mark.parametrize(
    ("extra", "intervals"),
    [
        ([], [Interval(2, 3)]),
        ([face(900, side=300)], []),
        ([face(900, side=299)], [Interval(2, 3)]),
    ],
)
def test_a_face_beside_the_missing_one_makes_it_irrelevant(
    extra: list[Region], intervals: list[Interval]
) -> None:
    """If it is at least as large and stays."""
    frames = [Frame(number, [face(100 if number < 3 else 1700), *extra]) for number in range(6)]
    assert doubtful(frames) == intervals


def test_the_frames_around_an_outlier_are_searched() -> None:
    """They show whether the face was there."""
    frames = [Frame(number, [face(700 if number == 5 else 500)]) for number in range(12)]
    assert doubtful(frames) == [Interval(4, 6)]
    first = [Frame(number, [face(700 if number == 0 else 500)]) for number in range(12)]
    assert doubtful(first) == [Interval(0, 1)]
    last = [Frame(number, [face(700 if number == 11 else 500)]) for number in range(12)]
    assert doubtful(last) == [Interval(10, 11)]


@pytest.mark.parametrize(("cuts_", "found"), [(100, 100), (101, 1)])
def test_a_hundred_doubtful_intervals_are_searched(cuts_: int, found: int) -> None:
    """More become one."""
    shown = [LEFT, LEFT, RIGHT, RIGHT] * 60
    frames = [Frame(number, [each]) for number, each in enumerate(shown[: 2 * cuts_ + 2])]
    assert len(doubtful(frames)) == found


def test_the_person_of_a_clip_is_counted_however_rare() -> None:
    """Others only from a tenth of the samples on."""
    assert counted(filmed((3, [LEFT]), (97, []))) == (3, 3, 1)
