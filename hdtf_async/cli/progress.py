"""What a person sees of a run: bars on a terminal, plain lines elsewhere, JSON lines for programs.

Readers of the run's events like any other: nothing here is known to the lanes.
"""

from __future__ import annotations

import json
import math
import os
import sys
import textwrap
from functools import partial
from typing import TYPE_CHECKING

import anyio
from tqdm import tqdm
from tqdm.utils import disp_trim

from hdtf_async.cli.estimate import RunProgress
from hdtf_async.cli.terminal import LineWriter, fold, into, size_of
from hdtf_async.commands.census import Availability
from hdtf_async.core.events import (
    ClipChecked,
    ClipDone,
    ClipFailed,
    ClipRetrying,
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
from hdtf_async.core.text import count, in_bytes, in_hours, printable, shown

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterable, Callable

    from hdtf_async.commands.census import Census
    from hdtf_async.commands.repair import Check
    from hdtf_async.core.events import Event
    from hdtf_async.core.failures import ExitCode, Failure
    from hdtf_async.core.options import Printing
    from hdtf_async.report.result import Report

REDRAW = 0.1
"""Least seconds between two drawings of the bars."""
EVERY = 30.0
"""Seconds between two plain lines."""
LAST_WORDS = 1.0
"""Seconds within which what was told last has to be written when a run is ended from outside."""
_TOLD = 100
"""Characters of a tool's words that a line tells."""
_CAUSE = 400  # the same for the only line of a quiet command
_KINDS = {"wrong": "corrupt", "missing": "missing", "foreign": "untracked"}  # kinds of findings, as shown
_NARROW = 70
"""Columns below which the bars are short."""
_CLEAR = "\x1b[J"
"""Clears the screen from the cursor on."""
_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m"}
LEVELS = ("debug", "info", "warning", "error")
"""Levels of `--log-level`, the most talkative first."""


def line_of(event: Event) -> tuple[str, str] | None:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    """Return the level and the line under which an event is told to a person, if it is."""
    match event:
        case FormatChosen():
            refused = "; ".join(f"{name}: {why}" for name, why in event.refused) or "none"
            return (
                "debug",
                f"{event.video}: format {event.format_id}, height {event.height} (rejected: {refused})",
            )
        case RawReady():
            return "info", f"{event.video}: source video ready, {in_bytes(event.bytes)} ({event.origin})"
        case FileNotUsed():
            return "warning", f"{event.video}: ignoring {event.file}: {event.words}"
        case VideoAsked():
            return "info", f"{event.video}: available, height {event.height} (format {event.format_id})"
        case ClipDone():
            return (
                "info",
                f"{event.clip}: {event.seconds:g} s, {in_bytes(event.bytes)}, took {event.took:.1f} s",
            )
        case ClipChecked():
            return "info", f"{event.clip}: {'ok' if event.whole else 'differs from its record'}"
        case Retrying(reason=Reason.REFUSED | Reason.UNREACHABLE):
            return "info", f"{event.video}: {event.reason}, waiting for the next attempt."
        case VideoUnconfirmed():
            return "info", f"{event.video}: {_sentence(Reason.UNAVAILABLE)}"
        case PaceWait():
            requests = f"{event.requests} videos were requested within the last hour"
            return "warning", f"Next download in {in_hours(event.after)} (--pace): {requests}."
        case Retrying(video=about) | ClipRetrying(clip=about):
            return "warning", f"{about}: {_sentence(event.reason)} Retrying in {event.after:.0f} s."
        case VideoFailed():
            lost = f" ({count(event.clips, 'clip')})" if event.clips else ""  # a census has none
            return "warning", f"{event.video}{lost}: {_sentence(event.reason)} {event.reason.advice.remedy}"
        case ClipFailed(with_video=False):
            # All of it is in failures.jsonl.
            words = textwrap.shorten(event.words.partition("\n")[0], _TOLD, placeholder=" ...")
            return "warning", f"{event.clip}: {_sentence(event.reason)}" + (f" ({words})" if words else "")
        case LaneClosed(after=None):
            return "error", f"No further downloads: {_cause(event)}"
        case LaneClosed():
            return (
                "error",
                f"Downloads paused for {in_hours(event.after or 0)}, then one test download: {_cause(event)}",
            )
        case LaneOpened():
            return "error", f"Downloads resumed after {in_hours(event.closed)}."
        case WindingDown():
            encodes = f": waiting up to {event.within:.0f} s for {count(event.encodes, 'encode')}"
            return "error", f"Stopping{encodes if event.encodes else ''}. Press Ctrl-C again to quit now."
    return None


class View:
    """One way of showing a run: takes its events, and never waits for whoever looks at it."""

    every = EVERY
    """Seconds between two ticks."""

    def __init__(self, pen: LineWriter) -> None:
        self._pen = pen

    async def take(self, event: Event) -> None:
        """Show an event."""
        raise NotImplementedError

    def tick(self) -> None:
        """Show where things stand, though nothing happens."""

    async def end(self) -> None:
        """Wait until all that there was to show is shown."""
        await self._pen.written()
        self._pen.close()


class Bars(View):
    """Bars on a terminal, with a line below them, and above them a line for whatever goes wrong.

    All of it is one text, written at once: the bars, then back to their first line. So a line that is told
    takes their place, and they follow below it.
    """

    every = 1.0

    def __init__(
        self,
        pen: LineWriter,
        size: Callable[[], os.terminal_size],
        level: str,
        *,
        plain: bool = False,
        coloured: bool = False,
    ) -> None:
        super().__init__(pen)
        self._picture = RunProgress()
        self._size_now = size
        self._size = size()
        self._level = level
        self._plain = plain
        self._coloured = coloured
        self._drawn = -math.inf

    async def take(self, event: Event) -> None:
        """Write the line of a problem, and draw the bars anew, at most ten times a second."""
        now = anyio.current_time()
        self._picture.take(event, now)
        told = _told_at(event, self._level)
        if told is not None:
            self._pen.put(f"\r{_CLEAR}{self._painted(*told)}\n", self._frame())
        elif now - self._drawn > REDRAW:
            self._pen.put(frame=self._frame())

    def tick(self) -> None:
        """Draw the bars anew: times pass."""
        self._pen.put(frame=self._frame())

    async def end(self) -> None:
        """Leave the bars where they are, and go on below."""
        frame, bars = self._frame(), self._bars()
        down = f"\x1b[{len(bars) - 1}B" if len(bars) > 1 else ""
        self._pen.put(frame=f"{frame}{down}\n" if any(bars) else frame)  # nothing has begun
        await super().end()

    def _painted(self, level: str, line: str) -> str:
        line = fold(line, self._size_now().columns)
        return f"{_COLOURS[level]}{line}\x1b[0m" if self._coloured and level in _COLOURS else line

    def _frame(self) -> str:
        """Return what draws the bars over those before, and leaves the cursor at their beginning.

        There it stays in its line when the terminal becomes narrower and folds what is longer than that.
        """
        self._drawn = anyio.current_time()
        before, self._size = self._size, self._size_now()
        bars = self._bars()
        back = f"\x1b[{len(bars) - 1}A\r" if len(bars) > 1 else "\r"
        # The return, for a key such as Ctrl-C may have left its sign there.
        return "\r" + (_CLEAR if before != self._size else "") + "\x1b[K\n".join(bars) + _CLEAR + back

    def _bars(self) -> list[str]:
        picture, now, size = self._picture, self._drawn, self._size
        columns = max(20, size.columns - 1)  # what stands in the last one, some terminals take away
        # Where it is narrow, the ends of the lines give way. The words stand in place of the unit, since
        # tqdm puts a comma before its postfix.
        layout = f"{{desc}} {{n_fmt:>4}}/{{total_fmt:<4}}|{{bar:{12 if columns > _NARROW else 4}}}| {{unit}}"
        meter = partial(tqdm.format_meter, elapsed=0, ascii=self._plain, bar_format=layout)
        lines = [
            meter(
                over,
                total,
                prefix=name,
                unit=_fitting(words, columns - len(meter(over, total, prefix=name, unit=""))),
            )
            for name, over, total, words in (
                ("videos", picture.videos_over, picture.videos, picture.videos_words(now)),
                ("clips ", picture.clips_over, picture.clips, picture.clips_words(now)),
            )
            if total or over  # a census has no clips, and a check has no videos
        ]
        lines = [disp_trim(line, columns) for line in lines]  # should even the bars be too long
        if end := printable(picture.end_words(now)):
            lines.append(textwrap.shorten(end, columns, placeholder=" ..."))
        return lines[: max(1, size.lines - 1)]


def _fitting(words: str, columns: int) -> str:
    """Return as many of the parts of a state as fit; the first in any case, for it matters most."""
    parts = words.split(", ")
    while len(parts) > 1 and len(", ".join(parts)) > columns:
        parts.pop()
    return ", ".join(parts)


class Lines(View):
    """Plain lines: one for each problem, and one every 30 seconds."""

    def __init__(self, pen: LineWriter, level: str) -> None:
        super().__init__(pen)
        self._picture = RunProgress()
        self._level = level

    async def take(self, event: Event) -> None:
        """Write the line of an event, if it has one."""
        self._picture.take(event, anyio.current_time())
        told = _told_at(event, self._level)
        if told is not None:
            self._pen.put(f"{told[1]}\n")
        await self._pen.has_room()

    def tick(self) -> None:
        """Write where things stand."""
        picture, now = self._picture, anyio.current_time()
        told = (
            f"videos {picture.videos_over}/{picture.videos}: {picture.videos_words(now)}",
            f"clips {picture.clips_over}/{picture.clips}: {picture.clips_words(now)}",
            picture.end_words(now),
        )
        self._pen.put(printable("; ".join(filter(None, told))) + "\n")


class Errors(Lines):
    """What is worth a line in any case, and nothing else."""

    def __init__(self, pen: LineWriter) -> None:
        super().__init__(pen, "error")

    def tick(self) -> None:
        """Write nothing."""


class JsonLines(View):
    """One JSON object a line for each event; `events` says what they hold."""

    async def take(self, event: Event) -> None:
        """Write the event; where nobody reads, the next ones wait with the reader."""
        self._pen.put(json.dumps(event.to_json(), default=str) + "\n")
        await self._pen.has_room()


def view_for(printing: Printing) -> View:
    """Return the view that suits the options and the terminal."""
    if printing.json:
        return JsonLines(LineWriter(into(sys.stdout)))
    pen = LineWriter(into(sys.stderr))
    if printing.quiet:
        return Errors(pen)
    if printing.progress and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return Bars(
            pen, partial(size_of, sys.stderr), printing.log_level,
            plain="utf" not in sys.stderr.encoding.lower(), coloured=not os.environ.get("NO_COLOR"),
        )  # fmt: skip
    return Lines(pen, printing.log_level)


async def show(events: AsyncIterable[Event], view: View) -> None:
    """Show a run's events until they end."""

    async def tick() -> None:
        while True:
            await anyio.sleep(view.every)
            view.tick()

    patience = LAST_WORDS
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            async for event in events:
                await view.take(event)
            group.cancel_scope.cancel()
        patience = math.inf
    finally:
        with anyio.move_on_after(patience, shield=patience == LAST_WORDS):
            await view.end()


def summary(report: Report, out: object) -> str:
    """Return what a run came to, in ten lines at most."""
    lines = [
        f"{count(len(report.done), 'clip')} written"
        f" ({in_hours(report.clip_seconds)}, {in_bytes(report.clip_bytes)});"
        f" {report.there} already present, {sum(report.reasons.values())} missing."
        f" Downloaded {in_bytes(report.raw_bytes)} in {in_hours(report.seconds)}."
    ]
    if report.overlap is not None:
        lines.append(
            f"Download {in_hours(report.download_seconds)}, encode {in_hours(report.encode_seconds)},"
            f" overlapping {in_hours(report.both_seconds)} ({report.overlap:.0%} of the shorter)."
        )
    if report.stopped is not None:
        lines += why_stopped(report.stopped)
    lines += report.shards_left_out
    most, rows = report.reasons.most_common(), report.rows_left_out
    few = 4 - bool(rows) - bool(report.absent)  # with the lines around them ten in all
    lines += [f"{number:>5} {reason}: {reason.advice.remedy}" for reason, number in most[:few]]
    lines += [f"      and {len(most) - few} more reasons"] * (len(most) > few)
    lines += [f"      {row}" for row in rows[: max(1, 9 - len(lines))]]
    lines.append(
        f"Output: {out}"
        + (f"   Failures: {out}/failures.jsonl" if most else "")
        + (f"   Report: {report.page}" if report.page else "")
    )
    return "\n".join(lines)


def why_stopped(stopped: Failure) -> list[str]:
    """Return why a run ended early or did not start, and what to do about it."""
    if stopped.reason is Reason.NOT_READY:
        return [f"Not started: {stopped.words}", stopped.reason.advice.remedy]
    return [f"Stopped early: {stopped}", stopped.reason.advice.remedy]


def quiet_summary(code: ExitCode, missing: Counter[Reason], stopped: Failure | None) -> str:
    """Return in one line why a quiet command ends with an exit code other than 0."""
    reasons = ", ".join(f"{number} {reason}" for reason, number in missing.most_common())
    line = f"exit code {int(code)}" + (f", {missing.total()} missing ({reasons})." if reasons else ".")
    if stopped is not None:
        cause = f" ({shortened(stopped.words, _CAUSE)})" if stopped.words else ""
        line += f" Stopped early: {_sentence(stopped.reason)}{cause} {stopped.reason.advice.remedy}"
    return line


def census_summary(census: Census, out: object) -> str:
    """Return what a census came to."""
    exact = census.videos[Availability.REFERENCE]
    lines = [
        f"{exact + census.videos[Availability.OTHER]} of {census.videos.total()} videos are available,"
        f" {exact} of them at the reference height; {census.videos[Availability.GONE]} removed,"
        f" {census.videos[Availability.NEEDS_YOU]} need cookies or other action.",
        *(
            f"{number:>5} {reason}: {reason.advice.meaning}"
            for reason, number in census.reasons.most_common()
        ),
    ]
    left = census.videos[Availability.PASSING] + census.videos[Availability.NOT_ASKED]
    if census.stopped is not None:
        lines.append(" ".join(why_stopped(census.stopped)))
    if left:
        lines.append(f"{left} not answered yet: run the same command to resume.")
    return "\n".join([*lines, f"List of videos: {out}"])


def check_findings(check: Check) -> list[str]:
    """Return one line for each thing that a check has found."""
    return [f"{_KINDS[found.kind]:<9}  {found.file}: {found.words}" for found in check.found]


def check_summary(check: Check, out: object) -> str:
    """Return what a check came to, in ten lines at most, besides those of what was found."""
    kinds = ", ".join(f"{check.kinds[kind]} {shown_as}" for kind, shown_as in _KINDS.items())
    lines = [f"Checked {count(check.clips, 'clip')} in {in_hours(check.seconds)}: {kinds}."]
    if check.at_work:
        lines.append("A run is active: its current clips and metadata.jsonl were not checked.")
    stopped = check.stopped or check.report.stopped
    if stopped is not None:
        lines += why_stopped(stopped)
    if check.repairs and check.stopped is None:
        other = f" ({check.other_bytes} with different bytes: the tools have changed)"
        lines.append(
            f"Re-created {count(len(check.report.done), 'clip')}{other if check.other_bytes else ''};"
            f" {len(check.left) + sum(check.report.reasons.values())} failed."
        )
        lines += [
            f"{number:>5} {why}: {why.advice.remedy}" for why, number in check.report.reasons.most_common(3)
        ]
        if check.left:
            stem, why = next(iter(check.left.items()))
            lines.append(
                f"{len(check.left):>5} cannot be re-created, such as {shown(stem)}: {why}."
                " Run the main command with --recut."
            )
    elif not check.repairs and check.kinds["wrong"] + check.kinds["missing"]:
        lines.append(
            f"To re-create corrupt and missing clips: python -m hdtf_async check --repair --out {out}"
        )
    return "\n".join(lines)


def _told_at(event: Event, level: str) -> tuple[str, str] | None:
    """Return level and line of an event that is told where this level is asked for."""
    told = line_of(event)
    return (told[0], printable(told[1])) if told and LEVELS.index(told[0]) >= LEVELS.index(level) else None


def _cause(event: LaneClosed) -> str:
    """Return why the network lane is closed: the error message too, where the reason alone is too general."""
    if event.reason is Reason.REFUSED:
        return _sentence(event.reason)
    return f"{_sentence(event.reason)} ({shortened(event.words)})"


def shortened(words: str, most: int = _TOLD) -> str:
    """Return the last line of an error message, cut to a length that fits into a line."""
    return textwrap.shorten(words.rpartition("\n")[2], most, placeholder=" ...")


def _sentence(reason: Reason) -> str:
    return f"[{reason}] {reason.advice.meaning}"
