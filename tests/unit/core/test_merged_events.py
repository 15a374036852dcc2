"""The events of several workers are those of one run."""

from __future__ import annotations

import pytest

from hdtf_async.core.events import (
    ClipDone,
    ClipFailed,
    ClipRetrying,
    DownloadStarted,
    EncodeProgress,
    EncodeStarted,
    Event,
    LaneClosed,
    LaneOpened,
    WindingDown,
)
from hdtf_async.core.failures import Reason
from hdtf_async.core.merged_events import MergedEvents

CLOSED, OPENED = LaneClosed(Reason.REFUSED, "robot", 9.0, 0), LaneOpened(9.0)
DONE = ClipDone("RD_a_000", "RD_a_000.mp4", 1.0, 2, 3.0, 0.0)


@pytest.fixture
def emitted() -> list[Event]:
    """What was emitted."""
    return []


@pytest.fixture
def merged(emitted: list[Event]) -> MergedEvents:
    """Two workers, and two videos in progress."""
    made = MergedEvents(emitted.append)
    for worker in "ab":
        made.joined(worker)
    made.begin(["RD_a", "RD_a_000", "RD_b", "RD_b_000"])
    return made


def test_the_lane_is_closed_once_it_is_closed_for_every_worker(
    merged: MergedEvents, emitted: list[Event]
) -> None:
    """While one address is blocked, downloads go on from the others."""
    for worker, event, emits in (
        ("a", CLOSED, False),
        ("a", OPENED, False),
        ("a", CLOSED, False),
        ("b", CLOSED, True),
        ("a", OPENED, True),
        ("b", OPENED, False),
        ("b", CLOSED, False),
    ):
        emitted.clear()
        merged.take(worker, event)
        assert emitted == ([event] if emits else [])
    emitted.clear()
    before = merged.any_left
    merged.left("a")
    assert (before, merged.any_left) == (False, True)
    merged.take("b", CLOSED)
    assert emitted == [CLOSED]
    merged.left("absent")


def test_encodes_are_counted_over_all_workers(merged: MergedEvents) -> None:
    """Those that run when the run is asked to end are those for which it waits."""
    for worker, clip in (("a", "RD_a_000"), ("b", "RD_b_000")):
        merged.take(worker, EncodeStarted(clip, 1.0))
    assert merged.encoding == {"RD_a_000", "RD_b_000"}
    merged.take("b", ClipRetrying("RD_b_000", Reason.ENCODE_STALLED, "", 1.0, 1))
    merged.take("a", DONE)
    assert merged.encoding == set()
    merged.take("b", EncodeStarted("RD_b_000", 1.0))
    merged.end(["RD_b", "RD_b_000"])
    assert merged.encoding == set()


def test_a_clip_ends_once(merged: MergedEvents, emitted: list[Event]) -> None:
    """Its worker may have died before its record arrived, and another one processes it again."""
    for event in (DONE, EncodeStarted("RD_a_000", 1.0), DONE, ClipFailed("RD_a_000", Reason.FAULT, "", True)):
        merged.take("a", event)
    assert emitted == [DONE]


def test_what_arrives_late_is_dropped(merged: MergedEvents, emitted: list[Event]) -> None:
    """Progress of a video that is over would be shown for ever."""
    merged.end(["RD_a", "RD_a_000"])
    late = [DownloadStarted("RD_a", "id", 1, 2), EncodeProgress("RD_a_000", 1.0), DONE]
    timely = DownloadStarted("RD_b", "id", 1, 2)
    for event in (*late, timely):
        merged.take("a", event)
    assert emitted == [timely]


def test_the_driver_alone_says_that_the_run_winds_down(merged: MergedEvents, emitted: list[Event]) -> None:
    """Each video's pipeline does so for itself."""
    merged.take("a", WindingDown(1, 60.0))
    assert emitted == []
