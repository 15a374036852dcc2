"""Messages and bars, made from events alone, so tested without a run."""

from __future__ import annotations

import os
import re
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import anyio
import pytest
import virtual_time
from screen import Screen

from hdtf_async.cli.summaries import quiet_summary, summary
from hdtf_async.cli.views import Errors, JsonLines, view_for
from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.events import (
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
from hdtf_async.core.failures import ADVICE, ExitCode, Failure, Reason
from hdtf_async.core.printing import Printing
from hdtf_async.core.text import fold
from hdtf_async.progress.estimate import RunProgress
from hdtf_async.progress.messages import LEVELS, line_of
from hdtf_async.progress.terminal_bar import TerminalBar
from hdtf_async.progress.views import Bars, Lines, View, show
from hdtf_async.progress.writer import MAX_UNWRITTEN, LineWriter
from hdtf_async.report.result import Report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def bars(writer: LineWriter, size: Callable[[], os.terminal_size], level: str, **more: bool) -> Bars:
    """Return the bars of a terminal."""
    return Bars(writer, TerminalBar, level, size=size, **more)


def columns(number: int, rows: int = 24) -> Callable[[], os.terminal_size]:
    """Return a function that returns the size of a terminal."""
    return lambda: os.terminal_size((number, rows))


OTHER_CODES = {ExitCode.USAGE, ExitCode.INTERRUPTED, ExitCode.TERMINATED}
"""Exit codes of a run that has no summary."""

STORY: list[Event] = [
    RunStarted(
        videos=3, clips=4, clip_seconds=60.0, there=0, downloads=2, encodes=1, least_bytes=900, pace=0.0
    ),
    ClipFailed("RD_D_000", Reason.BOX_DOES_NOT_FIT, "rows 0 to 776 of a frame of 720", with_video=False),
    DownloadStarted("RD_A", "aaaaaaaaaaa", 1, 300),
    FormatChosen("RD_A", "136", 720, 25.0, 1000, (("137-sr", "AI-upscaled"),), None, None, None, False),
    DownloadProgress("RD_A", 400, 1000, 200.0),
    DownloadStarted("RD_B", "bbbbbbbbbbb", 1, 300),
    Retrying("RD_B", Reason.NETWORK, "timed out", 10.0, 1),
    RawReady("RD_A", "youtube", 1000, 2.0),
    EncodeStarted("RD_A_000", 20.0),
    EncodeProgress("RD_A_000", 5.0),
]


async def shown(events: list[Event], view: Callable[[LineWriter], View]) -> str:
    """Return what a view writes for these events."""
    written: list[str] = []

    async def told() -> AsyncIterator[Event]:
        for event in events:
            yield event

    await show(told(), view(LineWriter(written.append)))
    return "".join(written)


@pytest.mark.parametrize(("level", "lines"), list(zip(LEVELS, (4, 3, 2, 0), strict=True)))
async def test_the_level_determines_the_messages(level: str, lines: int) -> None:
    """Problems by default; steps at info; the choice of the format at debug."""
    text = await shown(STORY, lambda pen: Lines(pen, level))
    assert len(text.splitlines()) == lines


def test_a_closed_lane_is_reported_at_every_level() -> None:
    """Nothing else may happen for hours."""
    line = line_of(LaneClosed(Reason.REFUSED, "", 600.0, 0))
    assert line is not None
    assert line[0] == "error"


def test_the_summary_has_ten_lines_at_most() -> None:
    """Even if everything that can fail has failed."""
    report = Report(asked=100, stopped=Failure(Reason.REFUSED, "429"))
    report.failed.update({f"clip{number}": reason for number, reason in enumerate(ADVICE)})
    lines = summary(report, "out").splitlines()
    assert len(lines) <= 10
    assert f"{100} missing" in lines[0]
    assert lines[-2] == "Exit code 4: an error of this machine, or of the options."
    assert "failures.jsonl" in lines[-1]


@pytest.mark.parametrize("code", [code for code in ExitCode if code not in OTHER_CODES])
def test_the_summary_says_what_its_exit_code_means(code: ExitCode) -> None:
    """And which attempts were retried, so that a run that recovered from a block says so."""
    reason = next((reason for reason, advice in ADVICE.items() if advice.exit_code is code), None)
    report = Report(asked=1)
    for event in (DownloadStarted("RD_A", "a", 1, 9), EncodeStarted("RD_B_000", 9.0)):
        report.tally.add(event, 1.0)
    report.tally.add(Retrying("RD_A", Reason.REFUSED, "", 9.0, 1), 2.0)
    report.failed["RD_A_000"] = reason or Reason.UNKNOWN
    text = summary(report if reason else Report(), "out")
    assert ("Exit code" in text) == (code is not ExitCode.DONE)
    if reason:
        assert f"\nExit code {int(code)}: " in text
        assert " Retried: 1 refused.\n" in text
        report.tally.add(WindingDown(0, 60.0), 3.0)
        assert "Exit code" not in summary(report, "out"), "it is that of the signal"


@pytest.mark.parametrize(
    ("reason", "words", "line"),
    [
        (
            Reason.NOT_READY,
            "--cookies is empty: export cookies.txt",
            "Not started: --cookies is empty: export cookies.txt. Fix this and run again;"
            " python -m hdtf_async doctor checks everything.",
        ),
        (
            Reason.TOOL_MISSING,
            "/x: not found",
            "Not started: A required tool was not found or could not be started (/x: not found)."
            " Install the tool named in the error message, or omit --ffmpeg and --yt-dlp.",
        ),
    ],
)
def test_a_run_that_did_not_start_prints_one_line(reason: Reason, words: str, line: str) -> None:
    """The cause and the remedy, not how many clips are missing; also with --quiet."""
    stopped = Failure(reason, words)
    report = Report(asked=100, there=3, stopped=stopped)
    assert summary(report, "out") == line
    if reason is Reason.NOT_READY:
        assert quiet_summary(report.exit_code, report.reasons, stopped) == f"exit code 4. {line}"
    report.tally.add(DownloadStarted("RD_A", "aaaaaaaaaaa", 1, 300), 1.0)
    assert summary(report, "out").startswith("0 clips written"), "it did start"


async def test_a_failed_video_is_reported_once() -> None:
    """With the number of its clips, and not again for each of them; a clip that fails alone is reported."""
    private, wrong = Reason.PRIVATE, Reason.CLIP_WRONG
    told = await shown(
        [
            VideoFailed("RD_A", "aaaaaaaaaaa", private, "Private video", 2),
            ClipFailed("RD_A_000", private, "Private video", with_video=True),
            ClipFailed("RD_A_001", private, "Private video", with_video=True),
            VideoFailed("RD_B", "bbbbbbbbbbb", private, "Private video", 0),  # of a census
            ClipFailed("RD_C_000", wrong, "3 frames too few", with_video=False),
        ],
        lambda pen: Lines(pen, "warning"),
    )
    advice = f"[private] {private.advice.meaning} {private.advice.remedy}"
    assert told.splitlines() == [
        f"RD_A (2 clips): {advice}",
        f"RD_B: {advice}",
        f"RD_C_000: [clip_wrong] {wrong.advice.meaning} (3 frames too few)",
    ]


async def test_quiet_runs_respond_to_ctrl_c() -> None:
    """A message says what happens, and that a second Ctrl-C quits; everything else is omitted."""
    errors = partial(Errors, level="error")
    assert await shown(STORY, errors) == ""
    assert await shown([*STORY, WindingDown(encodes=2, within=60.0)], errors) == (
        "Stopping: waiting up to 60 s for 2 encodes. Press Ctrl-C again to quit now.\n"
    )


BUSY: list[Event] = [
    *STORY,
    LaneClosed(Reason.REFUSED, "", 600.0, 0),
    ClipFailed("RD_A_001", Reason.CLIP_WRONG, "", with_video=False),
]


async def test_bars_show_everything_in_80_columns() -> None:
    """Both lines are complete, with counts, times, bytes, a closed lane and failures."""
    screen = Screen()
    screen.feed(await shown(BUSY, lambda pen: bars(pen, columns(80), "error")))
    bars_shown = screen.lines[-2:]
    assert max(map(len, bars_shown)) < 80
    assert re.fullmatch(r"videos +1/3 +\|.{12}\| refused: retry in 10:00, 00:00<\?, 1\.0 kB", bars_shown[0])
    assert re.fullmatch(
        r"clips +0/4 +\|.{12}\| 2 failed, 00:00<\?, 5\.0 s of 1\.0 min, 1 running", bars_shown[1]
    )


async def test_bars_do_not_count_failures_as_done() -> None:
    """Half of the clips failed: the bar of a finished run is half full, and says so at any width."""
    ended: list[Event] = [
        RunStarted(
            videos=2, clips=2, clip_seconds=9.0, there=0, downloads=2, encodes=1, least_bytes=9, pace=0.0
        ),
        RawReady("RD_A", "youtube", 1000, 2.0),
        EncodeStarted("RD_A_000", 4.0),
        ClipDone("RD_A_000", "RD_A_000.mp4", 4.0, 9, 1.0, 0.0),
        VideoFailed("RD_B", "bbbbbbbbbbb", Reason.PRIVATE, "", 1),
        ClipFailed("RD_B_000", Reason.PRIVATE, "", with_video=True),
    ]
    screen = Screen()
    screen.feed(await shown(ended, lambda pen: bars(pen, columns(80), "error")))
    for line, name in zip(screen.lines, ("videos", "clips"), strict=True):
        assert re.match(rf"{name} +1/2 +\|█{{6}} {{6}}\| 1 failed, 00:00<00:00", line)
    screen = Screen()
    screen.feed(await shown(ended, lambda pen: bars(pen, columns(40), "error")))
    assert all(" 1/2|" in line and "| 1 failed" in line for line in screen.lines)


async def test_bars_show_the_most_important_in_40_columns() -> None:
    """Counts, bar, why the lane is closed, and times."""
    screen = Screen()
    screen.feed(await shown(BUSY, lambda pen: bars(pen, columns(40), "error")))
    assert re.fullmatch(r"videos 1/3\|.{3}\| refused: retry in 10:00", screen.lines[-2])
    assert re.fullmatch(r"clips  0/4\|.{3}\| 2 failed, 00:00<\?", screen.lines[-1])


async def test_bars_show_the_eta_of_each_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads that of their own lane; clips that of the slower lane."""
    monkeypatch.setattr(RunProgress, "network_left", lambda _self, _now: 150.0)
    monkeypatch.setattr(RunProgress, "encodes_left", lambda _self: 125.0)
    screen = Screen()
    screen.feed(await shown(STORY, lambda pen: bars(pen, columns(80), "error")))
    assert [line.partition("<")[2].partition(",")[0] for line in screen.lines] == ["02:30", "02:30"]
    monkeypatch.setattr(RunProgress, "network_left", lambda _self, _now: 90.0)
    screen = Screen()
    screen.feed(await shown(STORY, lambda pen: bars(pen, columns(80), "error")))
    assert [line.partition("<")[2].partition(",")[0] for line in screen.lines] == ["01:30", "02:05"]


@pytest.mark.parametrize("wide", range(40, 100, 5))
async def test_the_bars_are_never_cut_within_a_word(wide: int) -> None:
    """What does not fit is omitted, the least important first."""
    screen = Screen()
    screen.feed(await shown(BUSY, lambda pen: bars(pen, columns(wide), "error")))
    for line, whole in (
        (screen.lines[-2], ["refused: retry in 10:00", "00:00<?", "1.0 kB"]),
        (screen.lines[-1], ["2 failed", "00:00<?", "5.0 s of 1.0 min", "1 running"]),
    ):
        assert len(line) < wide
        parts = line.rpartition("| ")[2].split(", ")
        assert parts == whole[: len(parts)]


def test_lines_are_wrapped_at_words() -> None:
    """Continued lines are indented; a word longer than the line is kept whole, so that it can be copied."""
    assert fold("  12 one two, 12.5 MB three", 20).split("\n") == ["  12 one two,", "    12.5 MB three"]
    word = "/a/very-long-path" * 3
    assert fold(f"  note  one two three {word} four\nfive", 24, 8).split("\n") == [
        "  note  one two three", f"        {word}", "        four", "five",
    ]  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
async def test_lines_never_tear_the_bars(level: str) -> None:
    """Each line is complete above the bars, which are displayed once."""
    screen = Screen()
    screen.feed(await shown(STORY, lambda pen: bars(pen, columns(80), level)))
    told = [
        line for event in STORY if (line := line_of(event)) and LEVELS.index(line[0]) >= LEVELS.index(level)
    ]
    assert screen.lines[:-2] == [line for _, words in told for line in fold(words, 80).split("\n")]
    assert [line.split()[0] for line in screen.lines[-2:]] == ["videos", "clips"]


async def test_bars_survive_a_resized_terminal() -> None:
    """Narrow or wide: the previous bars are cleared, and no line is wrapped."""
    screen, sizes = Screen(), [os.terminal_size((120, 24))]
    pen = LineWriter(screen.feed)
    view = bars(pen, lambda: sizes[-1], "error")
    for event in STORY:
        await view.show(event)
    for wide in (120, 41, 200, 40, 80):
        sizes.append(os.terminal_size((wide, 24)))
        await pen.written()
        screen.fold(wide)
        view.tick()
        await pen.written()
        assert [line.split()[0] for line in screen.lines] == ["videos", "clips"]
        assert max(map(len, screen.lines)) < wide
    await view.end()
    assert (screen.row, screen.column) == (2, 0)  # the next output is below


async def test_a_run_that_does_not_start_leaves_no_empty_line() -> None:
    """Its message is where the bars would have been."""
    screen = Screen()
    screen.feed(await shown([], lambda pen: bars(pen, columns(80), "error")))
    assert (screen.lines, screen.row) == ([""], 0)


@pytest.mark.parametrize(("coloured", "signs"), [(True, ["\x1b[33m", "\x1b[0m"]), (False, [])])
async def test_colours_respect_no_color(coloured: bool, signs: list[str]) -> None:
    """Only the line of a problem is coloured."""
    text = await shown(STORY[:3], lambda pen: bars(pen, columns(80), "warning", coloured=coloured))
    assert re.findall(r"\x1b\[\d*m", text) == signs


@pytest.mark.parametrize(
    ("variables", "kind"),
    [({"TERM": "xterm"}, Bars), ({"TERM": "xterm", "NO_COLOR": "1"}, Bars), ({"TERM": "dumb"}, Lines)],
)
def test_the_view_suits_the_terminal(
    variables: dict[str, str], kind: type[View], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal without cursor movements gets plain lines; NO_COLOR only disables colours."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    view = view_for(Printing())
    assert type(view) is kind
    if isinstance(view, Bars):
        assert view._coloured is ("NO_COLOR" not in variables)


@pytest.mark.slow
async def test_a_stopped_terminal_blocks_nothing_and_gets_the_newest_bars() -> None:
    """A thousand events are emitted during one blocked write; then their lines follow, and the bars once."""
    goes_on, screen = threading.Event(), Screen()

    def write(text: str) -> None:
        goes_on.wait(60)
        screen.feed(text)

    events = EventBus()
    reader = events.reader()
    async with anyio.create_task_group() as group:
        group.start_soon(show, reader, bars(LineWriter(write), columns(80), "warning"))
        for event in STORY:
            events.emit(event)
        for number in range(1000):
            events.emit(ClipFailed(f"RD_A_{number:03}", Reason.NETWORK, "", with_video=False))
            await anyio.sleep(0)
        reader.end()
        assert screen.lines == [""]
        goes_on.set()
    failed = [line for line in screen.lines if line.startswith("RD_A_")]
    assert [line.split(":")[0] for line in failed] == [f"RD_A_{number:03}" for number in range(1000)]
    assert [line.split()[0] for line in screen.lines[-2:]] == ["videos", "clips"]
    assert [line[:6] for line in screen.lines].count("videos") == 1
    assert "1001 failed" in screen.lines[-1]


async def test_no_outdated_bars_are_queued_for_a_stopped_terminal() -> None:
    """Only the newest are useful once it continues."""
    goes_on, written = threading.Event(), list[str]()

    def write(text: str) -> None:
        goes_on.wait(60)
        written.append(text)

    writer = LineWriter(write)
    view = bars(writer, columns(80), "error")
    for event in STORY:
        await view.show(event)
    for _ in range(1000):
        view.tick()
    goes_on.set()
    await writer.written()
    assert "".join(written).count("videos") < 20


async def test_a_slow_reader_of_lines_leaves_events_in_their_queue() -> None:
    """Only a few lines are queued: the rest stays with the events' own reader."""
    goes_on = threading.Event()
    pen = LineWriter(lambda _text: [goes_on.wait(60)].clear())
    view, taken = JsonLines(pen), 0
    with anyio.move_on_after(0.2):
        for number in range(1000):
            await view.show(ClipFailed(f"RD_A_{number:03}", Reason.NETWORK, "", with_video=False))
            taken += 1
    goes_on.set()
    assert taken <= 2 * MAX_UNWRITTEN + 1
    await pen.written()


async def test_a_closed_pipe_is_an_error_for_the_writer() -> None:
    """As for any closed pipe."""

    def write(_text: str) -> NoReturn:
        raise BrokenPipeError

    pen = LineWriter(write)
    pen.write("a line\n")
    await pen.written()
    with pytest.raises(BrokenPipeError):
        await pen.drain()


def test_without_a_terminal_there_is_a_line_every_thirty_seconds() -> None:
    """It shows the state of both lanes, and the last error."""
    written: list[str] = []
    begun = 0.0

    class Noted(Lines):
        """Plain lines, and the time of each."""

        def tick(self) -> None:
            times.append(anyio.current_time() - begun)
            super().tick()

    async def told() -> AsyncIterator[Event]:
        for event in STORY:
            yield event
        await anyio.sleep(95)

    async def run() -> None:
        nonlocal begun
        begun = anyio.current_time()
        pen = LineWriter(written.append)
        view = Noted(pen, "error")
        await show(told(), view)

    times: list[float] = []
    virtual_time.run(run)
    assert times == [30.0, 60.0, 90.0]
    lines = "".join(written).splitlines()
    assert len(lines) == 3
    assert lines[0] == (
        "videos 1/3: 1.0 kB; clips 0/4: 1 failed, 5.0 s of 1.0 min, 0.2x real time, 1 running;"
        f" for 30.0 s: RD_B: {Reason.NETWORK.advice.meaning}"
    )
