"""What a person sees of a run: bars on a terminal, plain lines elsewhere, JSON lines for programs.

Readers of the run's events like any other: nothing here is known to the lanes.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TextIO

import anyio
from anyio.to_thread import run_sync
from tqdm import tqdm

from hdtf_async.census import Availability
from hdtf_async.events import (
    ClipChecked,
    ClipDone,
    ClipFailed,
    DownloadProgress,
    DownloadStarted,
    EncodeProgress,
    EncodeStarted,
    FormatChosen,
    LaneClosed,
    LaneOpened,
    RawReady,
    Retrying,
    RunStarted,
    VideoAsked,
    VideoFailed,
    WindingDown,
)
from hdtf_async.failures import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from types import TracebackType

    from hdtf_async.census import Census
    from hdtf_async.events import Event
    from hdtf_async.options import Printing
    from hdtf_async.repair import Check
    from hdtf_async.report import Report

REDRAW = 0.1
"""Least seconds between two drawings of the bars."""
EVERY = 30.0
"""Seconds between two plain lines."""


@dataclass(slots=True)
class Picture:
    """Where a run stands, counted from its events."""

    videos: int = 0
    videos_over: int = 0
    clips: int = 0
    clips_over: int = 0
    clip_seconds: float = 0.0
    seconds_done: float = 0.0
    bytes_done: int = 0
    failed: int = 0
    reopens: float | None = None
    """When the cool-down of the network lane ends, on the loop's clock; None while the lane is open."""
    encoding: dict[str, float] = field(default_factory=dict)
    """Clip to seconds encoded so far."""
    downloading: dict[str, DownloadProgress] = field(default_factory=dict)
    """Video to its newest progress."""

    def take(self, event: Event) -> None:  # noqa: C901 - one for each kind that counts
        """Count an event in."""
        match event:
            case RunStarted():
                self.videos, self.clips, self.clip_seconds = event.videos, event.clips, event.clip_seconds
                # A repair is a run that begins after looking has ended.
                self.clips_over, self.failed, self.seconds_done = 0, 0, 0.0
            case DownloadStarted():
                self.downloading[event.video] = DownloadProgress(event.video, 0, None, None)
            case DownloadProgress() if event.video in self.downloading:
                self.downloading[event.video] = event
            case RawReady() | Retrying() | VideoFailed() | VideoAsked():
                self.downloading.pop(event.video, None)
                self.videos_over += not isinstance(event, Retrying)
                if isinstance(event, RawReady) and event.origin == "youtube":
                    self.bytes_done += event.bytes
            case LaneClosed(after=after):
                self.reopens = anyio.current_time() + (after or 0)
            case LaneOpened():
                self.reopens = None
            case EncodeStarted():
                self.encoding[event.clip] = 0.0
            case EncodeProgress() if event.clip in self.encoding:
                self.encoding[event.clip] = event.seconds
            case ClipDone() | ClipFailed():
                self.encoding.pop(event.clip, None)
                self.clips_over += 1
                self.failed += isinstance(event, ClipFailed)
                self.seconds_done += event.seconds if isinstance(event, ClipDone) else 0
            case ClipChecked():
                self.clips_over += 1
                self.failed += not event.whole
                self.seconds_done += event.seconds

    @property
    def bytes_so_far(self) -> int:
        """Bytes fetched, running downloads included."""
        return self.bytes_done + sum(progress.bytes for progress in self.downloading.values())

    @property
    def speed(self) -> float:
        """Bytes a second of all running downloads."""
        return sum(progress.speed or 0 for progress in self.downloading.values())

    @property
    def seconds_so_far(self) -> float:
        """Seconds of clips cut, running encodes included."""
        return self.seconds_done + sum(self.encoding.values())

    @property
    def videos_words(self) -> str:
        """Bytes, speed and running downloads, in words."""
        running = len(self.downloading)
        return (
            _bytes(self.bytes_so_far)
            + (f", {_bytes(self.speed)}/s, {running} running" if running else "")
            + self.closed_words
        )

    @property
    def closed_words(self) -> str:
        """How long the network lane is still closed, in words; nothing while it is open."""
        if self.reopens is None:
            return ""
        left = max(0, round(self.reopens - anyio.current_time()))
        return f", refused: {left // 60}:{left % 60:02} to wait" if left else ", refused: trying again"

    @property
    def clips_words(self) -> str:
        """Hours cut and running encodes, in words."""
        failed = f", {self.failed} failed" if self.failed else ""
        of = f"{_hours(self.seconds_so_far)} of {_hours(self.clip_seconds)}"
        running = f", {len(self.encoding)} running" if self.encoding else ""
        return f"{of}{running}{failed}"


LEVELS = ("debug", "info", "warning", "error")
"""Levels of `--log-level`, the most talkative first."""


def line_of(event: Event) -> tuple[str, str] | None:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    """Return the level and the line under which an event is told to a person, if it is."""
    match event:
        case FormatChosen():
            refused = "; ".join(f"{name}: {why}" for name, why in event.refused) or "none"
            return (
                "debug",
                f"{event.video}: format {event.format_id}, {event.height} lines (refused: {refused})",
            )
        case RawReady():
            return "info", f"{event.video}: {_bytes(event.bytes)} at hand ({event.origin})"
        case VideoAsked():
            return "info", f"{event.video}: there, {event.height} lines (format {event.format_id})"
        case ClipDone():
            return "info", f"{event.clip}: {event.seconds:g} s, {_bytes(event.bytes)}, in {event.took:.1f} s"
        case ClipChecked():
            return "info", f"{event.clip}: {'as recorded' if event.whole else 'not as recorded'}"
        case Retrying(reason=Reason.REFUSED):
            return "info", f"{event.video}: refused, and waits for its turn."
        case Retrying():
            return "warning", f"{event.video}: {_sentence(event.reason)} Trying again in {event.after:.0f} s."
        case VideoFailed():
            return "warning", f"{event.video}: {_sentence(event.reason)} {event.reason.advice.remedy}"
        case ClipFailed():
            words = event.words.partition("\n")[0]
            return "warning", f"{event.clip}: {_sentence(event.reason)}" + (f" ({words})" if words else "")
        case LaneClosed(after=None):
            return "error", f"No further downloads: {_sentence(event.reason)}"
        case LaneClosed():
            return (
                "error",
                f"No downloads for {_hours(event.after or 0)}, then one tries: {_sentence(event.reason)}",
            )
        case LaneOpened():
            return "error", f"Downloads go on: YouTube answers again, after {_hours(event.closed)}."
        case WindingDown():
            return (
                "error",
                f"Ending: nothing new begins; {event.encodes} encodes finish, within {_hours(event.within)}."
                " Ctrl-C again stops at once.",
            )
    return None


class View:
    """One way of showing a run; this one shows nothing."""

    every = EVERY
    """Seconds between two ticks."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def take(self, event: Event) -> None:
        """Show nothing."""

    async def tick(self) -> None:
        """Show nothing."""


class Bars(View):
    """Two bars on a terminal, and above them a line for whatever goes wrong."""

    every = 1.0

    def __init__(self, terminal: TextIO, level: str) -> None:
        self._picture = Picture()
        self._terminal = terminal
        self._level = level
        self._drawn = -math.inf
        # The ends of the lines give way first when the terminal is narrow: tqdm cuts them. The words stand
        # in place of the unit, since tqdm puts a comma before its postfix.
        layout = "{desc} {n_fmt:>4}/{total_fmt:<4}|{bar:12}| {unit}"
        self._videos, self._clips = (
            tqdm(total=0, desc=name, bar_format=layout, dynamic_ncols=True, position=place, file=terminal)
            for place, name in enumerate(("videos", "clips "))
        )

    def __exit__(self, *_: object) -> None:
        self._draw()
        self._videos.close()
        self._clips.close()

    async def take(self, event: Event) -> None:
        """Draw the bars anew, at most ten times a second, and write the line of a problem above them."""
        self._picture.take(event)
        line = _line_from(event, self._level)
        if line is not None:
            tqdm.write(line, file=self._terminal)
        if anyio.current_time() - self._drawn > REDRAW:
            self._drawn = anyio.current_time()
            self._draw()

    async def tick(self) -> None:
        """Let the countdown of a closed lane go on, though nothing happens."""
        if self._picture.reopens is not None:
            self._draw()

    def _draw(self) -> None:
        picture = self._picture
        for bar, over, total, words in (
            (self._videos, picture.videos_over, picture.videos, picture.videos_words),
            (self._clips, picture.clips_over, picture.clips, picture.clips_words),
        ):
            if total or bar.n:  # a census has no clips, and a check has no videos
                bar.total = total
                bar.unit = words
                bar.update(over - bar.n)
                bar.refresh()


class Lines(View):
    """Plain lines: one for each problem, and one every 30 seconds."""

    def __init__(self, file: TextIO, level: str) -> None:
        self._picture = Picture()
        self._file = file
        self._level = level

    async def take(self, event: Event) -> None:
        """Write the line of an event, if it has one."""
        self._picture.take(event)
        line = _line_from(event, self._level)
        if line is not None:
            await self._print(line)

    async def tick(self) -> None:
        """Write where things stand."""
        picture = self._picture
        await self._print(
            f"videos {picture.videos_over}/{picture.videos}: {picture.videos_words};"
            f" clips {picture.clips_over}/{picture.clips}: {picture.clips_words}"
        )

    async def _print(self, line: str) -> None:
        # In a thread, for whoever reads the pipe may be slow; and nobody waits for him at the end.
        await run_sync(_write, self._file, line + "\n", abandon_on_cancel=True)


class Errors(Lines):
    """What is worth a line in any case, and nothing else."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file, "error")

    async def tick(self) -> None:
        """Write nothing."""


class JsonLines(View):
    """One JSON object a line for each event; `events` says what they hold."""

    async def take(self, event: Event) -> None:
        """Write the event, in a thread, for a pipe may be slow to read."""
        line = json.dumps(event.stated(), default=str) + "\n"
        await run_sync(_write, sys.stdout, line, abandon_on_cancel=True)


def view_for(printing: Printing) -> View:
    """Return the view that suits the options and the terminal."""
    if printing.json:
        return JsonLines()
    if printing.quiet:
        return Errors(sys.stderr)
    if printing.progress and sys.stderr.isatty():
        return Bars(sys.stderr, printing.log_level)
    return Lines(sys.stderr, printing.log_level)


async def show(events: AsyncIterable[Event], view: View) -> None:
    """Show a run's events until they end."""

    async def tick() -> None:
        while True:
            await anyio.sleep(view.every)
            await view.tick()

    with view:
        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            async for event in events:
                await view.take(event)
            group.cancel_scope.cancel()


def summary(report: Report, out: object) -> str:
    """Return what a run came to, in ten lines at most."""
    lines = [
        f"{len(report.done)} clips made ({_hours(report.clip_seconds)}, {_bytes(report.clip_bytes)}),"
        f" {report.there} were there already, {sum(report.reasons.values())} missing;"
        f" {_bytes(report.raw_bytes)} fetched in {_hours(report.seconds)}."
    ]
    if report.stopped is not None:
        lines.append(f"Stopped early: {report.stopped}")
        lines.append(report.stopped.reason.advice.remedy)
    most = report.reasons.most_common()
    lines += [f"{number:>5} {reason}: {reason.advice.remedy}" for reason, number in most[:5]]
    if len(most) > 5:  # noqa: PLR2004 - with the lines around them ten in all
        lines.append(f"      and {len(most) - 5} more reasons")
    lines.append(f"Clips and metadata.jsonl: {out}" + ("; what is missing: failures.jsonl" if most else ""))
    return "\n".join(lines)


def census_summary(census: Census, out: object) -> str:
    """Return what a census came to."""
    exact = census.videos[Availability.REFERENCE]
    lines = [
        f"{exact + census.videos[Availability.OTHER]} of {census.videos.total()} videos are there,"
        f" {exact} of them at their reference height;"
        f" {census.videos[Availability.GONE]} are gone, {census.videos[Availability.NEEDS_YOU]} need you.",
        *(
            f"{number:>5} {reason}: {reason.advice.meaning}"
            for reason, number in census.reasons.most_common()
        ),
    ]
    left = census.videos[Availability.PASSING] + census.videos[Availability.NOT_ASKED]
    if census.stopped is not None:
        lines.append(f"Stopped early: {census.stopped} {census.stopped.reason.advice.remedy}")
    if left:
        lines.append(f"{left} have no answer yet: the same command goes on from here.")
    return "\n".join([*lines, f"Video by video: {out}"])


def check_findings(check: Check) -> list[str]:
    """Return one line for each thing that a check has found."""
    return [f"{found.kind:<7}  {found.file}: {found.words}" for found in check.found]


def check_summary(check: Check, out: object) -> str:
    """Return what a check came to, in ten lines at most, besides those of what was found."""
    kinds = ", ".join(f"{check.kinds[kind]} {kind}" for kind in ("wrong", "missing", "foreign"))
    lines = [f"{check.clips} clips looked at in {_hours(check.seconds)}: {kinds}."]
    if check.at_work:
        lines.append("A run is at work there: what it is at, and metadata.jsonl, was not judged.")
    stopped = check.stopped or check.report.stopped
    if stopped is not None:
        lines += [f"Stopped early: {stopped}", stopped.reason.advice.remedy]
    if check.repairs and check.stopped is None:
        other = f" ({check.other_bytes} of them with other bytes: the tools have changed)"
        lines.append(
            f"{len(check.report.done)} clips made again{other if check.other_bytes else ''},"
            f" {len(check.left) + sum(check.report.reasons.values())} could not be."
        )
        lines += [
            f"{number:>5} {why}: {why.advice.remedy}" for why, number in check.report.reasons.most_common(3)
        ]
        if check.left:
            stem, why = next(iter(check.left.items()))
            lines.append(
                f"{len(check.left):>5} such as {stem}: {why}. The main job with --recut makes it again."
            )
    elif not check.repairs and check.kinds["wrong"] + check.kinds["missing"]:
        lines.append(
            f"To make again what is wrong or missing: python -m hdtf_async check --repair --out {out}"
        )
    return "\n".join(lines)


def _line_from(event: Event, level: str) -> str | None:
    """Return the line of an event that is told at this level."""
    told = line_of(event)
    return told[1] if told is not None and LEVELS.index(told[0]) >= LEVELS.index(level) else None


def _write(file: TextIO, text: str) -> None:
    file.write(text)
    file.flush()


def _sentence(reason: Reason) -> str:
    return f"[{reason}] {reason.advice.meaning}"


def _bytes(number: float) -> str:
    return tqdm.format_sizeof(number, "B") if number else "0 B"


def _hours(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    if seconds < 3600:  # noqa: PLR2004 - an hour
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.2f} h"
