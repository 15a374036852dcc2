"""Show the events of a run to users: tqdm's bars in a terminal or a notebook, plain lines elsewhere.

A view reads events as any other reader does; the run does not wait for it.
"""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from hdtf_async.core.exceptions import unwrap_exception_group
from hdtf_async.core.text import fold, printable
from hdtf_async.progress.estimate import RunProgress
from hdtf_async.progress.messages import message_at
from hdtf_async.progress.terminal_size import size_of
from hdtf_async.progress.writer import LineWriter, open_writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable

    from tqdm import tqdm

    from hdtf_async.core.event_bus import EventBus
    from hdtf_async.core.events import Event

T = TypeVar("T")
"""The result of a job."""

REDRAW_SECONDS = 0.1
"""Minimum interval between two redraws of the bars."""
LINE_SECONDS = 30.0
"""Interval between two plain lines."""
END_SECONDS = 1.0
"""Time for the last lines to be written if a run is cancelled."""
_NARROW = 60
"""Columns up to which bars are short."""
_LAYOUT = "{desc:<6} {n_fmt:>4}/{total_fmt:<4}|{bar:12}| "
_NARROW_LAYOUT = "{desc:<6} {n_fmt}/{total_fmt}|{bar:3}| "
_CLEAR = "\r\x1b[J"
"""Clears the screen from the line of the cursor on."""
_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m"}


class View:
    """One way to show a run."""

    tick_seconds = LINE_SECONDS
    """Interval between two calls of `tick`."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    async def show(self, event: Event) -> None:
        """Show an event."""
        raise NotImplementedError

    def tick(self) -> None:
        """Show the current state, although nothing happened."""

    async def end(self) -> None:
        """Wait until everything is written."""
        await self._writer.written()
        self._writer.close()


class Bars(View):
    """Bars of both lanes, with messages above them.

    In a terminal the cursor stays at the start of the first bar, so that it keeps its line if the terminal
    becomes narrower and wraps longer lines.
    """

    tick_seconds = 1.0

    def __init__(
        self,
        writer: LineWriter,
        bar: type[tqdm[Any]],
        level: str,
        *,
        size: Callable[[], os.terminal_size] | None = None,
        coloured: bool = False,
    ) -> None:
        """`size` is that of the terminal; None in a notebook."""
        super().__init__(writer)
        self._bar = bar
        self._level = level
        self._size_now = size
        self._size = size() if size else None
        self._coloured = coloured
        self._progress = RunProgress()
        self._bars: dict[str, tqdm[Any]] = {}
        self._drawn = -math.inf

    async def show(self, event: Event) -> None:
        """Write the message of an event; draw the bars, at most ten times per second."""
        now = anyio.current_time()
        self._progress.add(event, now)
        if (message := message_at(event, self._level)) is not None:
            self._update()
            self._bar.write(self._painted(*message), file=self._writer)
            self._rest()
        elif now - self._drawn > REDRAW_SECONDS:
            self.tick()
        await self._writer.drain()

    def tick(self) -> None:
        """Draw the bars, unless the terminal has not displayed the last ones yet."""
        if self._writer.is_idle:
            self._draw()

    async def end(self) -> None:
        """Keep the bars, and move the cursor below them."""
        self._draw()
        for bar in self._bars.values():
            bar.close()
        await super().end()

    def _painted(self, level: str, line: str) -> str:
        if self._size is not None:
            line = fold(line, self._size.columns)
        return f"{_COLOURS[level]}{line}\x1b[0m" if self._coloured and level in _COLOURS else line

    def _draw(self) -> None:
        self._update()
        for bar in self._bars.values():
            bar.refresh()
        self._rest()

    def _rest(self) -> None:
        """Move the cursor to the start of the first bar."""
        if self._bars and self._size is not None:
            self._writer.write("\r")

    def _update(self) -> None:
        """Update the bars with the counts and the size of the terminal."""
        now = anyio.current_time()
        self._drawn, before = now, self._size
        if self._size_now is not None:
            self._size = self._size_now()
        if self._size != before and self._bars:
            self._writer.write(_CLEAR)
        for lane in self._progress.lanes(now):
            if lane.name not in self._bars:
                self._bars[lane.name] = self._bar(
                    total=lane.total, desc=lane.name, file=self._writer, bar_format="{desc}"
                )
            bar = self._bars[lane.name]
            if bar.total != lane.total:
                bar.reset(lane.total)
            bar.n = lane.done
            left = "?" if lane.left is None else bar.format_interval(lane.left)
            # A paused lane is more important than the time, and failures are part of the count.
            self._fit(bar, [*lane.failures, *lane.paused, f"{{elapsed}}<{left}", *lane.state])

    def _fit(self, bar: tqdm[Any], parts: list[str]) -> None:
        """Show as many parts of a state as fit on a line, but always the first, the most important."""
        if self._size is None:
            bar.bar_format = f"{{desc}} {{n_fmt}}/{{total_fmt}}|{{bar}}| {', '.join(parts)}"
            return
        columns = self._size.columns - 1  # some terminals wrap after the last one
        bar.nrows, bar.ncols = self._size.lines, None
        layout = _LAYOUT if columns > _NARROW else _NARROW_LAYOUT
        for number in range(len(parts), 0, -1):
            bar.bar_format = layout + ", ".join(parts[:number])
            if len(str(bar)) <= columns:
                break
        bar.ncols = columns


class Lines(View):
    """Plain lines: one for each message, and one for the state every 30 seconds."""

    def __init__(self, writer: LineWriter, level: str) -> None:
        super().__init__(writer)
        self._progress = RunProgress()
        self._level = level

    async def show(self, event: Event) -> None:
        """Write the message of an event, if it has one."""
        self._progress.add(event, anyio.current_time())
        if (message := message_at(event, self._level)) is not None:
            self._writer.write(f"{message[1]}\n")
        await self._writer.drain()

    def tick(self) -> None:
        """Write the state of both lanes."""
        now = anyio.current_time()
        parts = [
            f"{lane.name} {lane.done}/{lane.total}: {', '.join((*lane.failures, *lane.paused, *lane.state))}"
            for lane in self._progress.lanes(now)
        ]
        self._writer.write(printable("; ".join(filter(None, (*parts, self._progress.end_words(now))))) + "\n")


def view_of_stderr(level: str, *, bars: bool = True) -> View:
    """Return bars if stderr is a terminal that can move its cursor, otherwise plain lines."""
    writer = open_writer(sys.stderr)
    if bars and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from hdtf_async.progress.terminal_bar import TerminalBar  # noqa: PLC0415 - 20 ms, only for a terminal

        coloured = not os.environ.get("NO_COLOR")
        return Bars(writer, TerminalBar, level, size=partial(size_of, sys.stderr), coloured=coloured)
    return Lines(writer, level)


def view_of_host() -> View:
    """Return the view for a program that uses the library: bars in a notebook too."""
    # Imported here, because it decides by the current environment; elsewhere it would import ipywidgets
    # unnecessarily.
    from tqdm.auto import tqdm as bar  # noqa: PLC0415

    if any(base.__module__ == "tqdm.notebook" for base in bar.__mro__):
        return Bars(open_writer(sys.stderr), bar, "warning")
    return view_of_stderr("warning")


async def show(events: AsyncIterable[Event], view: View) -> None:
    """Show the events of a run until they end."""

    async def tick() -> None:
        while True:
            await anyio.sleep(view.tick_seconds)
            view.tick()

    patience = END_SECONDS
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            async for event in events:
                await view.show(event)
            group.cancel_scope.cancel()
        patience = math.inf
    finally:
        with anyio.move_on_after(patience, shield=patience == END_SECONDS):
            await view.end()


def with_progress(
    job: Callable[[EventBus, anyio.Event], Awaitable[T]],
) -> Callable[[EventBus, anyio.Event], Awaitable[T]]:
    """Return a job that shows its progress on stderr. If stderr is closed, the job continues without."""

    async def shown(events: EventBus, finish: anyio.Event) -> T:
        reader = events.reader()

        async def watch() -> None:
            with suppress(OSError), unwrap_exception_group():
                await show(reader, view_of_host())

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            result = await job(events, finish)
            reader.end()
        return result

    return shown
