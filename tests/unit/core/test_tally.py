"""The counts of a run, from its events alone."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest

from hdtf_async.core.events import (
    ClipChecked,
    ClipDone,
    ClipFailed,
    ClipRetrying,
    ClipSplit,
    Downloaded,
    DownloadProgress,
    DownloadStarted,
    EncodeProgress,
    EncodeStarted,
    LaneClosed,
    LaneOpened,
    RawReady,
    Retrying,
    RunStarted,
    VideoAsked,
    VideoFailed,
    VideoUnconfirmed,
    WindingDown,
    WorkersChanged,
)
from hdtf_async.core.failures import Reason
from hdtf_async.core.tally import Attempt, LaneTally, Outcome, Span, Tally

if TYPE_CHECKING:
    from hdtf_async.core.events import Event

STARTED = RunStarted(
    videos=3, clips=4, clip_seconds=60.0, there=0, downloads=2, encodes=1, least_bytes=900, pace=0.0
)


def counted(*events: tuple[float, Event]) -> tuple[Tally, list[Span]]:
    """Return the counts after these events, each at its time, and the attempts that they ended."""
    tally = Tally()
    spans = [tally.add(event, at) for at, event in ((0.0, STARTED), *events)]
    return tally, [span for span in spans if span is not None]


def test_before_the_first_event_nothing_is_counted() -> None:
    """Numbers are 0 and collections empty; the plan has no videos, clips or bytes."""
    tally = Tally()
    for column in fields(tally):
        value = getattr(tally, column.name)
        assert not value or not isinstance(value, int | float | list | dict), column.name
    plan = tally.plan
    assert (plan.videos, plan.clips, plan.clip_seconds, plan.there) == (0, 0, 0, 0)
    assert (plan.least_bytes, plan.pace) == (0, 0)


def test_clips_are_counted_by_outcome() -> None:
    """With their durations and sizes; a clip that did not start has the average duration."""
    tally, spans = counted(
        (1, EncodeStarted("A_000", 20.0)), (5, ClipDone("A_000", "A_000.mp4", 19.5, 99, 3.5, 0.5)),
        (6, EncodeStarted("A_001", 8.0)), (7, EncodeProgress("A_001", 4.0)),
        (8, ClipFailed("A_001", Reason.CLIP_WRONG, "", with_video=False)),
        (9, ClipFailed("B_000", Reason.PRIVATE, "", with_video=True)),
        (9, EncodeProgress("A_001", 5.0)),  # a slow reader gets it late
    )  # fmt: skip
    assert (tally.done, tally.failed) == (["A_000"], {"A_001": Reason.CLIP_WRONG, "B_000": Reason.PRIVATE})
    assert (tally.clip_seconds, tally.clip_bytes, tally.took_seconds) == (19.5, 99, 3.5)
    assert (tally.clips_over, tally.failed_seconds, tally.seconds_so_far) == (3, 8.0 + 15.0, 19.5)
    assert (tally.encodes.running, tally.encodes.held_seconds, tally.encodes.first) == ({}, 6, 1)
    assert spans == [Span("A_000", 1, 5), Span("A_001", 6, 8, Outcome.FAILED, "clip_wrong")]


def test_videos_are_finished_when_ready_or_failed() -> None:
    """Their weight is the minimum expected size, or the average without a download."""
    tally, _ = counted(
        (1, DownloadStarted("A", "a", 1, 500)), (2, DownloadProgress("A", 400, 1000, 200.0)),
        (3, Downloaded("A", 2.0)), (4, RawReady("A", "youtube", 1000, 3.0)),
        (5, RawReady("B", "kept", 70, 0.1)),
    )  # fmt: skip
    assert (tally.videos_over, tally.videos_downloaded, tally.weight_over) == (2, 1, 500 + 300)
    assert (tally.raw_bytes, tally.bytes_so_far) == (1000, 1000)
    tally.add(VideoFailed("C", "c", Reason.PRIVATE, "", 1), 6)
    tally.add(RawReady("B", "youtube", 30, 1.0), 7)
    assert tally.videos_over == 3, "no more than all of them, if one is over twice"
    assert tally.raw_bytes == 1030


def test_a_download_counts_while_its_file_is_checked() -> None:
    """It holds no token any more, but its bytes count."""
    tally, spans = counted(
        (1, DownloadStarted("A", "a", 1, 500)), (2, DownloadProgress("A", 400, 1000, 200.0)),
        (2, DownloadStarted("B", "b", 1, 300)), (2, DownloadProgress("B", 50, None, None)),
    )  # fmt: skip
    assert {name: each.fraction for name, each in tally.downloads.running.items()} == {"A": 0.4, "B": 0.0}
    assert (tally.bytes_so_far, tally.speed) == (450, 200.0)
    tally.add(Downloaded("A", 2.0), 3)
    assert (tally.speed, tally.bytes_so_far, tally.checking["A"].fraction) == (0.0, 450, 1.0)
    assert (spans, tally.downloads.held_seconds) == ([], 2)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (RawReady("A", "youtube", 9, 1.0), (Outcome.DONE, "")),
        (VideoAsked("A", "a", "137", 720, at_reference=True), (Outcome.DONE, "")),
        (VideoFailed("A", "a", Reason.PRIVATE, "", 1), (Outcome.FAILED, "private")),
        (Retrying("A", Reason.NETWORK, "", 10.0, 1), (Outcome.AGAIN, "network")),
        (VideoUnconfirmed("A", "a", ""), (Outcome.FAILED, "unavailable")),
    ],
)
@pytest.mark.parametrize("complete", [False, True])
def test_an_attempt_at_a_download_ends_with_its_outcome(
    event: Event, expected: tuple[Outcome, str], complete: bool
) -> None:
    """Its time ends with the download, even if the check of the file determines the outcome."""
    tally, _ = counted((1, DownloadStarted("A", "a", 1, 5)), *([(3.0, Downloaded("A", 2.0))] * complete))
    assert tally.add(event, 4) == Span("A", 1, 3 if complete else 4, *expected)
    assert (tally.downloads.running, tally.checking) == ({}, {})
    assert dict(tally.retried) == ({event.reason: 1} if isinstance(event, Retrying) else {})
    assert tally.add(event, 5) is None, "there is no attempt any more"


def test_a_download_may_restart_while_its_file_is_checked() -> None:
    """As if the cluster worker that checks it was lost."""
    tally, _ = counted((1, DownloadStarted("A", "a", 1, 5)), (3, Downloaded("A", 2.0)))
    assert tally.add(DownloadStarted("A", "a", 1, 5), 9) == Span("A", 1, 3)
    assert (list(tally.downloads.running), tally.checking) == (["A"], {})


def test_both_lanes_are_timed() -> None:
    """Overlapping downloads count once; the delay before a retry does not count."""
    tally, _ = counted(
        (101, DownloadStarted("A", "a", 1, 0)), (103, DownloadStarted("B", "b", 1, 0)),
        (105, Downloaded("A", 4.0)), (106, RawReady("A", "youtube", 9, 5.0)),
        (107, EncodeStarted("A_000", 10.0)), (109, VideoFailed("B", "b", Reason.PRIVATE, "", 1)),
        (112, ClipRetrying("A_000", Reason.ENCODE_STALLED, "", 10.0, 1)),
        (122, EncodeStarted("A_000", 10.0)), (124, ClipDone("A_000", "A_000.mp4", 10.0, 5, 2.0, 0.0)),
    )  # fmt: skip
    assert (tally.downloads.busy_seconds, tally.encodes.busy_seconds, tally.overlap_seconds) == (8, 7, 2)
    assert (tally.downloads.held_seconds, tally.encodes.held_seconds) == (4 + 6, 5 + 2)
    assert dict(tally.retried) == {Reason.ENCODE_STALLED: 1}


def test_the_parts_of_a_split_clip_take_its_place_in_the_totals() -> None:
    """It is neither done nor failed nor retried, and its encode is over."""
    tally, spans = counted((7, EncodeStarted("A_000", 10.0)), (9, ClipSplit("A_000", (1.8, 4.2), 3)))
    assert (tally.plan.clips, tally.clips_over, tally.done, tally.failed) == (6, 0, [], {})
    assert not tally.encodes.running
    assert not tally.retried
    assert spans == [Span("A_000", 7, 9, Outcome.AGAIN, Reason.SCENE_CUT)]


def test_the_network_lane_is_closed_until_it_opens() -> None:
    """The event contains the cause and the duration."""
    closed = LaneClosed(Reason.REFUSED, "", 600.0, 0)
    tally, _ = counted((10, closed))
    assert (tally.closed, tally.closed_at) == (closed, 10)
    again = LaneClosed(Reason.REFUSED, "", 1200.0, 1)
    tally.add(again, 610)
    assert (tally.closed, tally.closed_since, tally.closed_at) == (again, 10, 610)
    tally.add(LaneOpened(600.0), 1810)
    assert tally.closed is None


def test_the_lanes_of_a_cluster_are_those_of_its_workers() -> None:
    """As they join and leave; while there is none, those of before."""
    plan = RunStarted(3, 5, 50.0, 0, 8, 4, 1000, 12.0)
    tally, _ = counted((0, plan), (1, WorkersChanged(2, 16, 8, 6.0)), (2, WorkersChanged(0, 0, 0, 12.0)))
    assert tally.workers == 0
    assert (tally.plan.downloads, tally.plan.encodes, tally.plan.pace) == (16, 8, 6.0)
    assert tally.plan.videos == 3


def test_a_repair_resets_the_counts() -> None:
    """It starts a run after the check."""
    tally, _ = counted(
        (1, ClipChecked("A_000", 5.0, whole=True)), (2, ClipChecked("A_001", 7.0, whole=False))
    )
    assert (tally.clips_over, tally.checked_seconds, tally.differing) == (2, 12.0, 1)
    tally.add(STARTED, 3)
    assert (tally.clips_over, tally.checked_seconds, tally.differing) == (0, 0.0, 0)


def test_running_encodes_count_their_seconds_so_far() -> None:
    """As they report them."""
    tally, _ = counted((1, EncodeStarted("A_000", 20.0)), (2, EncodeProgress("A_000", 12.5)))
    assert tally.seconds_so_far == 12.5
    assert tally.encodes.running["A_000"].fraction == 0.625


def test_a_video_weighs_something_even_if_no_size_is_known() -> None:
    """So the ratio of finished videos is defined."""
    tally = Tally()
    tally.add(replace(STARTED, least_bytes=0), 0)
    tally.add(RawReady("A", "kept", 1, 0.1), 1)
    assert tally.weight_over == 1.0
    assert (Tally().plan.downloads, Tally().plan.encodes) == (1, 1)


@pytest.mark.parametrize(
    ("total", "so_far", "fraction"),
    [(None, 5, 0), (0, 5, 0), (10, 0, 0), (10, 4, 0.4), (10, 10, 1), (10, 25, 1)],
)
def test_no_attempt_is_more_than_complete(total: float | None, so_far: float, fraction: float) -> None:
    """A file may be larger than announced."""
    attempt = Attempt("a", 0.0, 1.0, so_far, total)
    assert attempt.fraction == fraction
    attempt.ended = 1.0
    assert attempt.fraction == 1


def test_a_lane_counts_from_its_first_attempt() -> None:
    """What ends without having begun is not counted."""
    lane = LaneTally()
    assert (lane.first, lane.end("a", 3.0), lane.held_seconds) == (None, None, 0)
    for name, begun in (("a", 2.0), ("b", 5.0)):
        lane.begin(Attempt(name, begun, 1.0))
    assert (lane.first, list(lane.running)) == (2.0, ["a", "b"])
    assert lane.end("a", 4.5) is not None
    assert lane.end("b", 6.0) is not None
    assert (lane.held_seconds, lane.running) == (3.5, {})


def test_a_stopping_run_is_noted_with_its_time() -> None:
    """Time that a clock was set back does not count."""
    event = WindingDown(1, 60.0)
    tally, _ = counted((5, DownloadStarted("A", "a", 1, 1)), (4, event), (7, DownloadStarted("B", "b", 1, 1)))
    assert (tally.winding_down, tally.winding_down_at) == (event, 4)
    assert tally.downloads.busy_seconds == 3


def test_only_videos_of_this_run_count_as_downloaded() -> None:
    """Those that were kept by an earlier one do not, and those that failed after a download do."""
    tally, _ = counted((1, DownloadStarted("A", "a", 1, 500)), (2, RawReady("A", "youtube", 9, 1.0)))
    assert tally.videos_downloaded == 1
    tally.add(RawReady("B", "kept", 9, 1.0), 3)
    assert tally.videos_downloaded == 1
    tally.add(DownloadStarted("C", "c", 1, 500), 4)
    tally.add(VideoFailed("C", "c", Reason.PRIVATE, "", 1), 5)
    assert (tally.videos_downloaded, tally.videos_failed) == (2, 1)


def test_a_download_begins_with_nothing() -> None:
    """It weighs one byte at least, so that its weight is never nothing."""
    tally, _ = counted((1, DownloadStarted("A", "a", 1, 0)), (1, DownloadStarted("B", "b", 1, 7)))
    assert [(each.so_far, each.expected) for each in tally.downloads.running.values()] == [(0, 1), (0, 7)]
    assert tally.bytes_so_far == 0
