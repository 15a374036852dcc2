"""The runs of a directory, as their records in the journal describe them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hdtf_async.core.events import ClipFailed, DownloadProgress, DownloadStarted, EncodeStarted, Retrying
from hdtf_async.core.failures import Reason
from hdtf_async.core.tally import Span
from hdtf_async.report import history
from hdtf_async.report.history import Run

START = 1_700_000_000


def record(second: float, kind: str, **more: Any) -> dict[str, Any]:
    """Return a record of a journal, at a second."""
    time = datetime.fromtimestamp(START + second, UTC).isoformat(timespec="milliseconds")
    return {"type": kind, "time": time} | more


def one(*records: dict[str, Any], now: float | None = None) -> Run:
    """Return the run of these records, which starts at second 0."""
    (run,) = history.runs([record(0, "run"), *records], None if now is None else START + now)
    return run


def times(spans: list[Span]) -> list[tuple[str, float, float, str, str]]:
    """Return spans relative to the start."""
    return [
        (span.subject, span.begun - START, span.ended - START, span.outcome.value, span.reason)
        for span in spans
    ]


def test_a_run_has_the_records_up_to_the_next_run() -> None:
    """What is written before a run belongs to none; records without a valid time are skipped."""
    records = [
        record(1, "encode_started", clip="lost"),
        record(2, "run", number=1),
        {"type": "encode_started", "clip": "without a time"},
        record(3, "encode_started", clip="a"),
        *(record(9, kind) for kind in ("request", "split", "only", "refused")),
        record(20, "run", number=2),
        {"type": "run", "time": "never"},
        {"type": "run", "time": 5},
    ]
    first, second = history.runs(records)
    assert (first.record["number"], second.record["number"]) == (1, 2)
    assert (first.begun - START, first.ended - START, first.seconds) == (2, 3, 1)
    assert (second.begun, second.ended, second.seconds) == (START + 20, START + 20, 0)
    assert history.runs([]) == []


@pytest.mark.parametrize(("end", "ended"), [(None, 50.0), (10, 10.0)])
def test_only_the_newest_run_may_be_active(end: float | None, ended: float) -> None:
    """Until now, unless its end is recorded; a clock may be behind."""
    ends = [] if end is None else [record(end, "run_ended", stopped=None)]
    run = one(record(5, "encode_started", clip="a"), *ends, now=50)
    assert run.ended - START == ended
    assert times(run.encodes) == [("a", 5, ended, "open", "")]
    assert one(record(5, "encode_started", clip="a"), now=2).ended - START == 5


def test_a_clock_that_is_set_back_does_not_reverse_time() -> None:
    """Nothing ends before it began."""
    run = one(record(9, "encode_started", clip="a"), record(4, "failed", clip="a", reason="clip_wrong"))
    assert times(run.encodes) == [("a", 9, 9, "failed", "clip_wrong")]
    assert run.ended - START == 9


@pytest.mark.parametrize(
    ("ends", "outcome", "reason"),
    [
        (record(7, "retrying", video="v", reason="network"), "again", "network"),
        (record(7, "video_failed", video="v", reason="private"), "failed", "private"),
        (record(7, "video_unconfirmed", video="v"), "failed", "unavailable"),
        (record(7, "retrying", video="v", reason="of another version"), "again", "unknown"),
        (record(7, "raw", file="v.mp4", youtube_id="id"), "done", ""),
    ],
)
def test_a_download_ends_with_its_outcome(ends: dict[str, Any], outcome: str, reason: str) -> None:
    """At the end of its bytes, if that is recorded."""
    begun = record(2, "download_started", video="v")
    assert times(one(begun, ends).downloads) == [("v", 2, 7, outcome, reason)]
    complete = record(5, "downloaded", video="v")
    assert times(one(begun, complete, ends).downloads) == [("v", 2, 5, outcome, reason)]
    assert times(one(begun, complete, now=9).downloads) == [("v", 2, 5, "done", "")]
    assert times(one(begun, now=9).downloads) == [("v", 2, 9, "open", "")]


def test_audio_that_arrives_with_its_video_is_one_download() -> None:
    """An older version recorded only the end of both, and how long they took."""
    video = record(7, "raw", file="v.mp4", youtube_id="id", took=4)
    audio = record(8, "sound", file="v.m4a", youtube_id="id", took=5)
    assert times(one(video, audio).downloads) == [("v", 3, 7, "done", "")]
    assert times(one(record(7, "raw", file="v.mp4", youtube_id="id", took=40)).downloads) == [
        ("v", 0, 7, "done", "")
    ], "not before the run"


@pytest.mark.parametrize(
    ("took", "begun"), [(2, 5), (2.5, 4.5), (0, 7), (-1, 7), (1e8, 0), (1e8 + 0.5, 7), ("2", 7), (None, 7)]
)
def test_only_a_plausible_duration_says_when_a_clip_began(took: object, begun: float) -> None:
    """Three years are not."""
    run = one(record(7, "clip", clip="a", metadata={}, took=took))
    assert times(run.encodes) == [("a", begun, 7, "done", "")]


def test_a_clip_waits_from_the_arrival_of_its_video() -> None:
    """From the start of the run if the video existed; without an id nothing is known."""
    arrived = record(2, "raw", file="v.mp4", youtube_id="id")
    begun = record(5, "encode_started", clip="a")
    failed = record(8, "failed", clip="a", reason="clip_wrong", youtube_id="id")
    assert times(one(arrived, begun, failed).waits) == [("a", 2, 5, "done", "")]
    assert times(one(begun, failed).waits) == [("a", 0, 5, "done", "")]
    assert one(arrived, begun, failed | {"youtube_id": None}).waits == []
    at_once = record(2, "encode_started", clip="a")
    assert one(arrived, at_once, failed).waits == []
    assert one(failed).encodes == [], "it never began"
    again = record(6, "clip_retrying", clip="a", reason="encode_stalled", youtube_id="id")
    retried = one(arrived, begun, again)
    assert times(retried.encodes) == [("a", 5, 6, "again", "encode_stalled")]
    assert times(retried.waits) == [("a", 2, 5, "done", "")]


def test_downloads_are_paused_until_they_open() -> None:
    """From the first closing, with its newest reason; or until the run has ended."""
    first, second = record(2, "lane_closed", reason="refused"), record(4, "lane_closed", reason="unreachable")
    run = one(first, second, record(6, "lane_opened"), record(7, "lane_opened"), record(8, "run_ended"))
    assert times(run.closed) == [("", 2, 6, "open", "unreachable")]
    assert run.end["type"] == "run_ended"
    assert times(one(first, now=9).closed) == [("", 2, 9, "open", "refused")]


@pytest.mark.parametrize(
    ("lanes", "seconds"),
    [
        ([[]], 0),
        ([[(1, 3), (2, 5), (7, 8)]], 5),
        ([[(1, 3)], [(2, 5)]], 1),
        ([[(1, 3)], [(3, 5)]], 0),
        ([[(1, 9)], [(2, 3), (4, 6)], [(0, 5)]], 2),
        ([[(1, 3)], []], 0),
    ],
)
def test_busy_seconds_are_those_in_which_all_lanes_work(
    lanes: list[list[tuple[float, float]]], seconds: float
) -> None:
    """Several at a time count once."""
    spans = [[Span("a", begun, ended) for begun, ended in lane] for lane in lanes]
    assert history.busy(*spans) == seconds


def test_events_are_recorded_without_their_messages() -> None:
    """Those that describe the course of a run; results have records of their own."""
    taken: list[dict[str, Any]] = []
    for event in (
        DownloadStarted("v", "id", 2, 5),
        DownloadProgress("v", 1, 2, None),
        EncodeStarted("a", 1.5),
        Retrying("v", Reason.NETWORK, "secret", 1.0, 1),
        ClipFailed("a", Reason.CLIP_WRONG, "", with_video=False),
    ):
        history.note(taken.append, event)
    assert [each["type"] for each in taken] == ["download_started", "encode_started", "retrying"]
    assert "words" not in taken[2]
    assert (taken[2]["reason"], taken[2]["attempt"]) == (Reason.NETWORK, 1)
