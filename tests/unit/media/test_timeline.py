"""When frames are displayed, from the timestamps of their packets."""

from __future__ import annotations

from fractions import Fraction

import pytest

from hdtf_async.media import containers, timeline
from hdtf_async.media.timeline import OpenGroups, Shown, Timeline

BASE = Fraction(1, 10)
"""Ticks of a tenth of a second."""


def made(*packets: tuple[int, int]) -> Timeline:
    """Return a timeline of packets in decode order: timestamp and duration."""
    found = Timeline()
    for tick, duration in packets:
        found.add(tick, duration)
    found.close()
    return found


EVEN = made((10, 4), (14, 4), (18, 4), (22, 6))
REORDERED = made((10, 4), (22, 5), (14, 7), (18, 9))
"""The last frame is the second packet, whose stored duration belongs to another frame."""


def test_frames_are_in_the_order_in_which_they_are_shown() -> None:
    """And counted."""
    assert (len(REORDERED), REORDERED.first, REORDERED.last, REORDERED.stored) == (4, 10, 22, 5)
    assert (EVEN.first, EVEN.last, EVEN.stored) == (10, 22, 6)


@pytest.mark.parametrize(
    ("ticks", "step", "even", "gaps"),
    [
        ([0], 9, True, False),
        ([0, 4, 8, 12], 4, True, False),
        ([0, 4, 8, 14], 4, False, False),
        ([0, 4, 8, 15], 4, False, True),
        ([0, 4, 4, 8], 4, False, False),
        ([0, 3, 7], 3, False, False),
        ([5, 5], 9, False, False),
    ],
)
def test_the_usual_distance_is_the_lower_median(
    ticks: list[int], step: int, *, even: bool, gaps: bool
) -> None:
    """Frames with equal times do not count; a gap is more than one and a half times as long."""
    found = made(*((tick, 9) for tick in ticks))
    assert (found.step, found.has_gaps) == (step, gaps)
    assert found.is_even is even


def test_rounded_times_are_regular_and_a_missing_frame_is_not() -> None:
    """WebM rounds to milliseconds; a difference of up to a quarter of a frame does not count."""
    assert made((0, 0), (33, 0), (67, 0), (100, 0)).is_regular
    assert not made((0, 0), (33, 0), (100, 0), (133, 0)).is_regular


@pytest.mark.parametrize(
    ("frames", "stated", "end"),
    [
        (EVEN, None, 28),
        (EVEN, 100, 28),
        (REORDERED, None, 27),
        (REORDERED, 16, 26),
        (REORDERED, 17, 27),
        (REORDERED, 18, 27),
        (REORDERED, 3, 22),
    ],
)
def test_the_last_frame_ends_at_the_declared_end_within_its_packets(
    frames: Timeline, stated: int | None, end: int
) -> None:
    """Its own duration counts where the frames are not reordered, or no end is declared."""
    assert frames.end(stated) == end


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        (0, 10, Shown(0)),
        (0, 11, Shown(1, 1.0, 1.0, None, 1.4, 0.4)),
        (10, 18, Shown(2, 1.0, 1.4, None, 1.8, 0.4)),
        (11, 18, Shown(1, 1.4, 1.4, 1.0, 1.8, 0.4)),
        (11, 14, Shown(0, 1.0, 1.0, 1.0, 1.4, 0.4)),
        (14, 23, Shown(3, 1.4, 2.2, 1.0, 2.8, 0.6, even=False)),
        (30, 40, Shown(0, 2.2, 2.2, 2.2, 2.8, 0.6, even=False)),
    ],
)
def test_an_interval_has_the_frames_from_its_start_to_before_its_end(
    start: int, end: int, shown: Shown
) -> None:
    """The frame before it is displayed when it starts."""
    assert EVEN.shown(start, end, BASE, 28) == shown
    assert EVEN.shown(22, 40, BASE, 3).until == 2.2


def test_times_have_six_decimals() -> None:
    """As ffmpeg writes them."""
    assert made((1, 1)).shown(0, 2, Fraction(1, 3), 2).first == 0.333333


def test_a_file_without_frames_or_with_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is a day at 60 frames per second."""
    with pytest.raises(ValueError, match="no frame in it"):
        Timeline().close()
    assert timeline.MAX_FRAMES == 24 * 3600 * 60
    monkeypatch.setattr(timeline, "MAX_FRAMES", 2)
    assert len(made((0, 1), (1, 1))) == 2
    with pytest.raises(ValueError, match="more than 2 frames"):
        made((0, 1), (1, 1), (2, 1))


@pytest.mark.parametrize(
    ("packets", "lead"),
    [
        ([(0, 0, True), (1, 1, False)], 0),
        ([(8, 4, True), (3, 5, False), (12, 6, False)], 5),
        ([(8, 2, True), (7, 3, False)], 6),
        ([(8, None, True), (7, 3, False)], 1),
        ([(3, 1, False), (8, 8, True), (8, 9, False)], 0),
        ([(8, 8, True), (2, 9, False), (20, 20, True), (19, 21, False)], 6),
    ],
)
def test_the_lead_of_open_groups_is_how_far_frames_are_shown_before_their_key_frame(
    packets: list[tuple[int, int | None, bool]], lead: int
) -> None:
    """Or how much later that is displayed than decoded, if that is more."""
    groups = OpenGroups()
    for pts, dts, key in packets:
        groups.add(pts, dts, key=key)
    assert groups.lead == lead


@pytest.mark.parametrize(
    ("demuxer", "second", "seeks"),
    [("mp4", 0.0, True), ("mpegts", 0.9, False), ("mpegts", 1.0, True), ("avi", 0.5, False)],
)
def test_some_containers_are_read_from_the_beginning(demuxer: str, second: float, *, seeks: bool) -> None:
    """Where ffmpeg would lose the first packets by seeking to the first second."""
    assert containers.seeks_to(demuxer, second) is seeks


@pytest.mark.parametrize(
    ("ending", "demuxer"),
    [("mp4", "mp4"), ("m4a", "mp4"), ("webm", "matroska"), ("txt", None), ("MP4", None)],
)
def test_a_file_is_read_by_the_demuxer_of_its_extension(ending: str, demuxer: str | None) -> None:
    """And by no other."""
    assert containers.demuxer_of(ending) == demuxer
    assert containers.MAX_SIDE >= 7680, "YouTube's largest"


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(60000, 1001)])
@pytest.mark.parametrize("ticks", [1000, 12_800, 90_000])
def test_frame_numbers_of_a_video_of_this_rate_select_exactly_these_frames(
    rate: Fraction, ticks: int
) -> None:
    """Also if timestamps are rounded to milliseconds, and times to the nearest float."""
    base = Fraction(1, ticks)
    found = made(*((round(number / rate * ticks), round(1 / rate * ticks)) for number in range(400)))
    for first in range(0, 350, 7):
        length = 1 + first % 50
        start, end = float(first / rate), float((first + length) / rate)
        shown = found.shown(*found.bounds(start, end, base, str(rate)), base, found.last)
        assert shown.frames == length
        assert abs(shown.first - start) < 0.0011


def test_frame_numbers_of_another_rate_are_times() -> None:
    """At 50 frames per second, those of 25 are twice as many; 29.97 and 30 are different rates."""
    timeline = Timeline()
    for number in range(100):
        timeline.add(number * 20, 20)
    timeline.close()
    assert timeline.bounds(1.0, 1.2, Fraction(1, 1000), "25") == (1000, 1200)
    assert timeline.bounds(1.0, 1.2, Fraction(1, 1000), "50") == (990, 1190)
    assert timeline.bounds(1.0, 1.2, Fraction(1, 1000), None) == (1000, 1200)
    assert timeline.bounds(1.0, 1.2, Fraction(1, 1000), "50000/1001") == (1000, 1200)


# Limits


def test_a_video_has_a_day_of_sixty_frames_per_second_at_most() -> None:
    """More is a mistake, or an attempt to fill the memory."""
    assert timeline.MAX_FRAMES == 24 * 3600 * 60


@pytest.mark.parametrize(("late", "regular"), [(25, True), (26, False), (-25, True), (-26, False)])
def test_a_quarter_of_a_frame_is_rounding(late: int, *, regular: bool) -> None:
    """In either direction."""
    found = made(*((100 * number + late * (number == 5), 100) for number in range(10)))
    assert found.is_regular is regular
    shown = found.shown(0, 1000, BASE, 1000)
    assert shown.even is regular
    assert found.shown(600, 1000, BASE, 1000).even is regular, "the frame before it counts"
    assert found.shown(700, 1000, BASE, 1000).even


def test_durations_must_be_a_usual_frame_too() -> None:
    """As the file states them, and until the next frame."""
    packets = [(100 * number, 100) for number in range(10)]
    assert made(*packets).shown(0, 1000, BASE, 1000).even
    assert not made(*packets).shown(0, 1000, BASE, 1050).even
    packets[4] = (400, 130)
    assert not made(*packets).shown(0, 1000, BASE, 1000).even
    assert made(*packets).shown(700, 1000, BASE, 1000).even


@pytest.mark.parametrize(("distance", "gaps"), [(150, False), (151, True)])
def test_a_gap_is_longer_than_one_and_a_half_frames(distance: int, *, gaps: bool) -> None:
    """Of the usual distance."""
    assert made((0, 100), (100, 100), (200, 100), (200 + distance, 100)).has_gaps is gaps


@pytest.mark.parametrize(
    ("rate", "same"),
    [("30000/1001", True), ("2997/100", True), ("29979/1000", True), ("2998/100", False), ("30", False)],
)
def test_rates_are_the_same_within_three_ten_thousandths(rate: str, *, same: bool) -> None:
    """So 29.97 is, and 30 is not; only then do frame numbers come half a frame earlier."""
    base = Fraction(1, 30000)
    found = made(*((1001 * number, 1001) for number in range(300)))
    left, _ = found.bounds(1.0, 2.0, base, rate)
    assert (left < 30000) is same
    assert found.bounds(1.0, 2.0, base, None) == (30000, 60000)
    assert made((0, 1)).bounds(1.0, 2.0, base, rate) == (30000, 60000), "one frame has no rate"


def test_what_is_unknown_of_frames_is_zero() -> None:
    """And nothing is uneven."""
    assert Shown(0) == Shown(0, 0.0, 0.0, None, 0.0, 0.0, even=True)
    found = made((10, 4), (14, 4))
    assert found.shown(0, 5, BASE, 18) == Shown(0)
    assert found.shown(11, 13, BASE, 18) == Shown(0, 1.0, 1.0, 1.0, 1.4, 0.4)
    assert found.shown(14, 99, BASE, 18) == Shown(1, 1.4, 1.4, 1.0, 1.8, 0.4)
    assert found.shown(14, 99, BASE, 3).until == 1.4
    groups = OpenGroups()
    groups.add(5, 1, key=False)
    assert groups.lead == 0


@pytest.mark.parametrize(
    ("frames", "lead"),
    [
        ([(10, 5, True), (9, 6, False)], 5),
        ([(10, 5, True), (10, 6, False)], 0),
        ([(10, 5, True), (3, 6, False)], 7),
        ([(10, None, True), (9, 6, False)], 1),
        ([(10, 5, True), (9, 6, False), (20, 19, True), (19, 20, False)], 5),
    ],
)
def test_only_frames_displayed_before_their_key_frame_are_of_an_open_group(
    frames: list[tuple[int, int | None, bool]], lead: int
) -> None:
    """Not one of the same time."""
    groups = OpenGroups()
    for pts, dts, key in frames:
        groups.add(pts, dts, key=key)
    assert groups.lead == lead


@pytest.mark.parametrize(("start", "frames", "even"), [(0, 5, False), (170, 4, False), (171, 3, True)])
def test_the_distance_to_the_frame_before_an_interval_counts(start: int, frames: int, *, even: bool) -> None:
    """Also if that is the first frame of the video, and no frame before that one."""
    shown = made(*((tick, 100) for tick in (0, 170, 270, 370, 470, 570))).shown(start, 500, BASE, 670)
    assert (shown.frames, shown.even) == (frames, even)
