"""The result of a run, counted from its events."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from hdtf_async.core.events import (
    ClipDone,
    ClipFailed,
    ClipRetrying,
    Downloaded,
    DownloadStarted,
    EncodeStarted,
    Event,
    RawReady,
    Retrying,
    RunEnded,
    VideoFailed,
    VideoUnconfirmed,
)
from hdtf_async.core.failures import ExitCode, Failure, Reason
from hdtf_async.core.model import Finding, Severity
from hdtf_async.core.shards import Shard
from hdtf_async.report.result import Report, exit_code_of


def finding(line: int, number: int = 1) -> Finding:
    """Return a finding about rows that were left out."""
    return Finding("RD_video_url.txt", line, Severity.ERROR, "no_url", "no address", number)


async def test_only_videos_from_youtube_are_counted_as_downloaded() -> None:
    """Source videos of earlier runs, and the user's own, took no bandwidth."""
    report = Report()
    for number, origin in enumerate(("kept", "youtube", "user", "youtube")):
        report.add(RawReady(f"RD_V{number}", origin, 10**number, 1.0))
    assert report.raw_bytes == 10 + 1000


async def test_clips_are_counted_with_length_and_size() -> None:
    """Of what failed the reason is kept; what is neither was not tried."""
    report = Report(asked=10, there=2)
    for number in (1, 2):
        report.add(ClipDone(f"RD_A_{number:03}", "x.mp4", 10.0 * number, 100 * number, 1.0, 0.0))
    report.add(ClipFailed("RD_A_003", Reason.PRIVATE, "", with_video=True))
    assert (report.done, report.clip_seconds, report.clip_bytes) == (["RD_A_001", "RD_A_002"], 30.0, 300)
    assert report.failed == {"RD_A_003": Reason.PRIVATE}
    assert report.not_tried == 5
    assert report.reasons == {Reason.PRIVATE: 1, Reason.NOT_TRIED: 5}
    assert report.exit_code is ExitCode.PASSING
    fewer = replace(report, asked=5)
    assert fewer.reasons == {Reason.PRIVATE: 1}
    assert fewer.exit_code is ExitCode.GIVEN_UP


async def test_rows_and_shards_that_were_left_out_are_told() -> None:
    """One finding may stand for many rows."""
    report = Report(refused=(finding(3), finding(0, 7)))
    assert report.reasons == {Reason.ROW_REFUSED: 8}
    assert report.rows_left_out == ["RD_video_url.txt:3: no address", "RD_video_url.txt:0: no address"]
    assert report.shards_left_out == []
    assert report.exit_code is ExitCode.GIVEN_UP
    report = Report(absent=(Shard(1, 2),))
    assert report.shards_left_out == ["Shard 1/2 has not started: start it, or run once without --shard."]
    assert (report.reasons, report.exit_code) == ({}, ExitCode.PASSING)


BEGIN_DOWNLOAD, BEGIN_ENCODE = DownloadStarted("A", "a", 1, 1), EncodeStarted("A_0", 1.0)


@pytest.mark.parametrize(
    "event",
    [
        Downloaded("A", 1.0),
        Retrying("A", Reason.NETWORK, "", 1.0, 1),
        VideoUnconfirmed("A", "a", ""),
        VideoFailed("A", "a", Reason.PRIVATE, "", 1),
    ],
)
async def test_a_download_is_under_way_until_it_comes_or_fails(
    event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it ends."""
    report = timed(monkeypatch, (10.0, BEGIN_DOWNLOAD), (13.0, event), (20.0, event))
    assert (report.download_seconds, report.encode_seconds, report.both_seconds) == (3.0, 0.0, 0.0)
    assert report.overlap is None


@pytest.mark.parametrize(
    "event",
    [
        ClipDone("A_0", "x.mp4", 1.0, 1, 1.0, 0.0),
        ClipFailed("A_0", Reason.CLIP_WRONG, "", with_video=False),
        ClipRetrying("A_0", Reason.ENCODE_STALLED, "", 1.0, 1),
    ],
)
async def test_an_encode_is_under_way_until_it_is_done_or_fails(
    event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where both lanes are at work, that counts for each and for both."""
    report = timed(
        monkeypatch,
        (10.0, BEGIN_DOWNLOAD),
        (12.0, BEGIN_ENCODE),
        (13.0, DownloadStarted("B", "b", 1, 1)),
        (14.0, Downloaded("A", 1.0)),
        (15.0, Downloaded("B", 1.0)),
        (22.0, event),
        (30.0, event),
    )
    assert (report.download_seconds, report.encode_seconds, report.both_seconds) == (5.0, 10.0, 3.0)
    assert report.overlap == 0.6


def timed(monkeypatch: pytest.MonkeyPatch, *events: tuple[float, Event]) -> Report:
    """Return a report that takes events at some times."""
    report = Report()
    for now, event in events:
        monkeypatch.setattr(anyio, "current_time", lambda now=now: now)
        report.add(event)
    return report


@pytest.mark.parametrize(
    ("reasons", "stopped", "code"),
    [
        ([], None, ExitCode.DONE),
        ([Reason.PRIVATE], None, ExitCode.GIVEN_UP),
        ([Reason.PRIVATE, Reason.NOT_TRIED], None, ExitCode.PASSING),
        ([], Reason.REFUSED, ExitCode.REFUSED),
        ([Reason.PRIVATE], Reason.UNREACHABLE, ExitCode.PASSING),
        ([], Reason.DISK_FULL, ExitCode.LOCAL),
        ([], Reason.AGE, ExitCode.LOCAL),
        ([Reason.AGE], None, ExitCode.GIVEN_UP),
    ],
)
def test_what_stopped_a_run_weighs_more_than_for_one_video(
    reasons: list[Reason], stopped: Reason | None, code: ExitCode
) -> None:
    """Where a person has to do something about it, nothing else goes on before that."""
    assert exit_code_of(reasons, None if stopped is None else Failure(stopped)) is code


def test_the_end_of_a_run_tells_its_result() -> None:
    """As an event, with figures and plain values."""
    report = Report(asked=4, there=1, seconds=1.23456, absent=(Shard(1, 2),))
    report.tally.done.append("a")
    report.tally.failed["b"] = Reason.PRIVATE
    assert report.ended() == RunEnded(
        exit_code=75, done=1, there=1, failed={"private": 1, "not_tried": 1}, stopped=None, seconds=1.235,
        absent=("1/2",),
    )  # fmt: skip
    report.stopped = Failure(Reason.DISK_FULL, "no room")
    assert report.ended().stopped == str(report.stopped)
