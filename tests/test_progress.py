"""What a person is told: counted from events alone, so it can be tried without a run."""

from __future__ import annotations

import io

import pytest

from hdtf_async.events import (
    ClipDone,
    ClipFailed,
    DownloadProgress,
    DownloadStarted,
    EncodeProgress,
    EncodeStarted,
    Event,
    FormatChosen,
    LaneClosed,
    RawReady,
    Retrying,
    RunStarted,
    VideoFailed,
    WindingDown,
)
from hdtf_async.failures import ADVICE, Failure, Reason
from hdtf_async.progress import LEVELS, Errors, Lines, Picture, line_of, summary
from hdtf_async.report import Report

STORY: list[Event] = [
    RunStarted(videos=3, clips=4, clip_seconds=60.0, there=0, downloads=2, encodes=1),
    ClipFailed("RD_D_000", Reason.BOX_DOES_NOT_FIT, "rows 0 to 776 of a frame of 720"),
    DownloadStarted("RD_A", "aaaaaaaaaaa", 1),
    FormatChosen("RD_A", "136", 720, 25.0, 1000, (("137-sr", "AI-upscaled"),), None),
    DownloadProgress("RD_A", 400, 1000, 200.0),
    DownloadStarted("RD_B", "bbbbbbbbbbb", 1),
    Retrying("RD_B", Reason.NETWORK, "timed out", 10.0, 1),
    RawReady("RD_A", "youtube", 1000, 2.0),
    EncodeStarted("RD_A_000", 20.0),
    EncodeProgress("RD_A_000", 5.0),
]


def told(events: list[Event]) -> Picture:
    """Return the picture after these events."""
    picture = Picture()
    for event in events:
        picture.take(event)
    return picture


def test_the_picture_counts_what_is_done_and_what_runs() -> None:
    """Bytes and seconds of what runs count as far as they have come."""
    picture = told(STORY[:5])
    assert picture.videos_words == "400B, 200B/s, 1 running"
    picture = told(STORY)
    assert (picture.videos_over, picture.videos, picture.clips_over, picture.clips) == (1, 3, 1, 4)
    assert picture.clips_words == "5.0 s of 1.0 min, 1 running, 1 failed"
    end = [
        ClipDone("RD_A_000", "RD_A_000.mp4", 20.0, 99, 1.0), VideoFailed("RD_B", "b", Reason.PRIVATE, ""),
        ClipFailed("RD_B_000", Reason.PRIVATE, ""), RawReady("RD_C", "kept", 5, 0.1),
        EncodeStarted("RD_C_000", 40.0), ClipFailed("RD_C_000", Reason.CLIP_WRONG, "x"),
    ]  # fmt: skip
    picture = told([*STORY, *end])
    assert (picture.videos_over, picture.clips_over, picture.failed) == (3, 4, 3)
    assert (picture.downloading, picture.encoding) == ({}, {})
    assert picture.videos_words == "1.00kB"


def test_late_progress_of_what_is_over_is_passed_over() -> None:
    """Readers may get it: it must not bring a finished clip back to life."""
    picture = told([*STORY, ClipFailed("RD_A_000", Reason.STALLED, ""), EncodeProgress("RD_A_000", 6.0)])
    assert picture.encoding == {}


@pytest.mark.parametrize(("level", "lines"), list(zip(LEVELS, (4, 3, 2, 0), strict=True)))
async def test_the_level_says_what_is_told(level: str, lines: int) -> None:
    """Problems by default; steps at info; the choice of the rendition at debug."""
    file = io.StringIO()
    view = Lines(file, level)
    for event in STORY:
        await view.take(event)
    assert len(file.getvalue().splitlines()) == lines


def test_a_closed_lane_is_told_at_every_level() -> None:
    """Nothing else will happen for hours."""
    line = line_of(LaneClosed(Reason.REFUSED, "", 600.0, 0))
    assert line is not None
    assert line[0] == "error"


def test_the_summary_has_ten_lines_at_most() -> None:
    """Also when everything that can go wrong went wrong."""
    report = Report(asked=100, stopped=Failure(Reason.REFUSED, "429"))
    report.failed = {f"clip{number}": reason for number, reason in enumerate(ADVICE)}
    lines = summary(report, "out").splitlines()
    assert len(lines) <= 10
    assert f"{100} missing" in lines[0]
    assert "failures.jsonl" in lines[-1]


async def test_quiet_is_not_silent_where_somebody_waits() -> None:
    """Whoever presses Ctrl-C is told what happens, and that a second time ends it; all else is left out."""
    file = io.StringIO()
    view = Errors(file)
    for event in STORY:
        await view.take(event)
    await view.tick()
    assert file.getvalue() == ""
    await view.take(WindingDown(encodes=2, within=60.0))
    assert file.getvalue() == (
        "Ending: nothing new begins; 2 encodes finish, within 1.0 min. Ctrl-C again stops at once.\n"
    )
