"""The line that is printed of each event, and its level."""

from __future__ import annotations

import pytest
from example_events import ONE_OF_EACH

from hdtf_async.core.events import (
    ClipChecked,
    ClipDone,
    ClipFailed,
    ClipRetrying,
    DownloadProgress,
    Event,
    FileNotUsed,
    FormatChosen,
    LaneClosed,
    LaneOpened,
    PaceWait,
    RawReady,
    Retrying,
    VideoAsked,
    VideoFailed,
    VideoUnconfirmed,
    WindingDown,
)
from hdtf_async.core.failures import Reason
from hdtf_async.progress.messages import LEVELS, line_of, message_at, shortened

PRIVATE, NETWORK = Reason.PRIVATE.advice, Reason.NETWORK.advice


@pytest.mark.parametrize(
    ("event", "level", "text"),
    [
        (
            FormatChosen("v", "136", 720, 25.0, 9, (), "140", "en", True, False),
            "debug",
            "v: format 136, height 720 (rejected: none)",
        ),
        (
            FormatChosen("v", "136", 720, 25.0, 9, (("1", "x"), ("2", "y")), None, None, None, False),
            "debug",
            "v: format 136, height 720 (rejected: 1: x; 2: y)",
        ),
        (RawReady("v", "kept", 2_000_000, 1.0), "info", "v: source video ready, 2.0 MB (kept)"),
        (FileNotUsed("v", "a.mp4", "truncated"), "warning", "v: ignoring a.mp4: truncated"),
        (
            VideoAsked("v", "id", "136", 720, at_reference=True),
            "info",
            "v: available, height 720 (format 136)",
        ),
        (ClipDone("a", "a.mp4", 12.5, 3000, 2.04, 0.0), "info", "a: 12.5 s, 3.0 kB, took 2.0 s"),
        (ClipChecked("a", 1.0, whole=True), "info", "a: ok"),
        (ClipChecked("a", 1.0, whole=False), "info", "a: differs from its record"),
        (
            Retrying("v", Reason.REFUSED, "", 600.0, 1),
            "info",
            "v: refused, waiting for the next attempt.",
        ),
        (
            Retrying("v", Reason.UNREACHABLE, "", 2.5, 1),
            "info",
            "v: unreachable, waiting for the next attempt.",
        ),
        (
            Retrying("v", Reason.NETWORK, "", 9.6, 1),
            "warning",
            f"v: [network] {NETWORK.meaning} Retrying in 10 s.",
        ),
        (
            ClipRetrying("a", Reason.NETWORK, "", 9.6, 1),
            "warning",
            f"a: [network] {NETWORK.meaning} Retrying in 10 s.",
        ),
        (
            VideoUnconfirmed("v", "id", ""),
            "info",
            f"v: [unavailable] {Reason.UNAVAILABLE.advice.meaning}",
        ),
        (
            PaceWait(90.0, 7),
            "warning",
            "Next download in 1.5 min (--pace): 7 videos were requested within the last hour.",
        ),
        (
            VideoFailed("v", "id", Reason.PRIVATE, "", 2),
            "warning",
            f"v (2 clips): [private] {PRIVATE.meaning} {PRIVATE.remedy}",
        ),
        (
            VideoFailed("v", "id", Reason.PRIVATE, "", 0),
            "warning",
            f"v: [private] {PRIVATE.meaning} {PRIVATE.remedy}",
        ),
        (
            ClipFailed("a", Reason.PRIVATE, "first\nsecond", with_video=False),
            "warning",
            f"a: [private] {PRIVATE.meaning} (first)",
        ),
        (
            ClipFailed("a", Reason.PRIVATE, "", with_video=False),
            "warning",
            f"a: [private] {PRIVATE.meaning}",
        ),
        (
            LaneClosed(Reason.REFUSED, "words", None, 3),
            "error",
            f"No further downloads: [refused] {Reason.REFUSED.advice.meaning}",
        ),
        (
            LaneClosed(Reason.UNREACHABLE, "first\nno route", 150.0, 0),
            "error",
            "Downloads paused for 2.5 min, then one test download:"
            f" [unreachable] {Reason.UNREACHABLE.advice.meaning} (no route)",
        ),
        (LaneOpened(600.0), "error", "Downloads resumed after 10.0 min."),
        (WindingDown(0, 60.0), "error", "Stopping. Press Ctrl-C again to quit now."),
        (
            WindingDown(1, 60.0),
            "error",
            "Stopping: waiting up to 60 s for 1 encode. Press Ctrl-C again to quit now.",
        ),
    ],
)
def test_an_event_is_a_line(event: Event, level: str, text: str) -> None:
    """With its level, from which on it is printed."""
    assert line_of(event) == (level, text)
    printed = [least for least in LEVELS if message_at(event, least) == (level, text)]
    assert printed == list(LEVELS[: LEVELS.index(level) + 1])


def test_progress_and_failures_that_come_with_a_video_are_not_printed() -> None:
    """The line of the video has the number of its clips."""
    assert line_of(ClipFailed("a", Reason.PRIVATE, "", with_video=True)) is None
    assert message_at(DownloadProgress("v", 1, None, None), "debug") is None
    silent = {event.type for event in ONE_OF_EACH if line_of(event) is None} - {"clip_failed"}
    assert silent == {
        "run_started", "download_started", "download_progress", "downloaded", "encode_started",
        "encode_progress", "run_ended", "found", "check_ended", "workers_changed",
    }  # fmt: skip


@pytest.mark.parametrize(("words", "shown"), [(100, 100), (101, 99)])
def test_a_hundred_characters_of_an_error_are_printed(words: int, shown: int) -> None:
    """Up to the end of a word."""
    text = "x" * 94 + " " + "y" * (words - 95)
    line = line_of(ClipFailed("a", Reason.PRIVATE, text, with_video=False))
    assert line is not None
    assert line[1].endswith(f" ({text})" if words == shown else f" ({'x' * 94} ...)")
    assert shortened(text) == (text if words == shown else "x" * 94 + " ...")
    assert shortened("first\nsecond third", 10) == "second ..."


def test_unprintable_characters_of_an_event_are_escaped() -> None:
    """They come from files and tools."""
    assert message_at(FileNotUsed("v", "a\x1b[2J", "x"), "warning") == ("warning", r"v: ignoring a\x1b[2J: x")
