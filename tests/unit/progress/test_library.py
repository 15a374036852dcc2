"""`progress=True` of the library: the display in a host program's terminal, notebook or log."""

from __future__ import annotations

import io
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import anyio
import pytest
from screen import Screen

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.events import ClipFailed, RawReady, RunStarted
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.job import to_end, under_way
from hdtf_async.progress.views import with_progress
from hdtf_async.progress.writer import open_writer

if TYPE_CHECKING:
    from collections.abc import Iterable

PROBLEM = f"RD_A_000: [clip_wrong] {Reason.CLIP_WRONG.advice.meaning}"


async def job(events: EventBus, _finish: anyio.Event) -> str:
    """Finish one of two videos, with a failed clip."""
    events.emit(
        RunStarted(
            videos=2, clips=2, clip_seconds=9.0, there=0, downloads=1, encodes=1, least_bytes=9, pace=0.0
        )
    )
    await anyio.sleep(0)
    events.emit(RawReady("RD_A", "youtube", 1000, 2.0))
    events.emit(ClipFailed("RD_A_000", Reason.CLIP_WRONG, "", with_video=False))
    return "done"


async def failing(events: EventBus, finish: anyio.Event) -> str:
    """Do the same, and raise an exception."""
    await job(events, finish)
    await anyio.sleep(0.05)
    raise Failure(Reason.DISK_FULL, "no space left")


class Terminal(io.StringIO):
    """A terminal in place of stderr."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Return True."""
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Replace stderr by a terminal; a fixture could not, because pytest replaces it again."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    return terminal


def lines_on(stderr: io.StringIO) -> list[str]:
    """Return the lines of its screen; fails unless the cursor is below them."""
    screen = Screen()
    screen.feed(stderr.getvalue())
    assert (screen.row, screen.column) == (len(screen.lines), 0)
    return screen.lines


async def test_a_terminal_shows_both_bars_and_the_warning_above(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the result is that of the job."""
    stderr = terminal(monkeypatch)
    assert await to_end(with_progress(job)) == "done"
    *above, videos, clips = lines_on(stderr)
    assert " ".join(each.strip() for each in above) == PROBLEM
    assert videos.startswith("videos    1/2")
    assert clips.startswith("clips     0/2   |            | 1 failed")


async def test_the_host_receives_all_events_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own reader gets the same events as the bars."""
    stderr = terminal(monkeypatch)
    async with under_way(with_progress(job)) as run:
        types = [event.type async for event in run]
    assert types == ["run_started", "raw_ready", "clip_failed"]
    assert run.report == "done"
    assert lines_on(stderr)[-1].startswith("clips     0/2   |            | 1 failed")


async def test_an_exception_propagates_and_leaves_the_terminal_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bars are unchanged, and the cursor is below them."""
    stderr = terminal(monkeypatch)
    with pytest.raises(Failure, match="no space left"):
        await to_end(with_progress(failing))
    assert lines_on(stderr)[-1].startswith("clips     0/2   |            | 1 failed")


async def test_a_cancelled_job_leaves_the_terminal_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """For example by a timeout of the host."""
    stderr = terminal(monkeypatch)

    async def endless(events: EventBus, finish: anyio.Event) -> None:
        await job(events, finish)
        await anyio.sleep_forever()

    with anyio.move_on_after(0.2) as limit:
        await to_end(with_progress(endless))
    assert limit.cancelled_caught
    assert lines_on(stderr)[-1].startswith("clips     0/2   |            | 1 failed")


async def test_a_closed_terminal_does_not_end_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job continues without display."""

    class Gone(Terminal):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    assert await to_end(with_progress(job)) == "done"


@pytest.mark.parametrize("stderr", [None, io.StringIO()], ids=["none", "closed"])
async def test_a_job_without_stderr_has_its_result(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO | None
) -> None:
    """As in a service, or if the host has closed it."""
    if stderr is not None:
        stderr.close()
    monkeypatch.setattr(sys, "stderr", stderr)
    assert await to_end(with_progress(job)) == "done"


async def test_a_job_whose_stderr_is_closed_meanwhile_has_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write then fails with `ValueError`."""
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)

    async def closing(events: EventBus, finish: anyio.Event) -> str:
        await anyio.sleep(0.1)
        stderr.close()
        return await job(events, finish)

    with anyio.fail_after(30):
        assert await to_end(with_progress(closing)) == "done"


async def test_text_is_written_in_the_encoding_of_the_file() -> None:
    """Other characters are replaced."""
    written = io.BytesIO()
    writer = open_writer(io.TextIOWrapper(written, encoding="ascii", write_through=True))
    writer.write("50% \N{FULL BLOCK}\n")
    with anyio.fail_after(30):
        await writer.written()
    assert written.getvalue() == b"50% ?\n"
    writer.close()


async def test_a_log_gets_lines_without_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """If stderr is not a terminal."""
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    assert await to_end(with_progress(job)) == "done"
    assert log.getvalue() == f"{PROBLEM}\n"


class Widget:
    """The part of a widget of ipywidgets that tqdm uses."""

    value: object = 0
    bar_style = ""

    def __init__(self, children: Iterable[Widget] = (), **values: object) -> None:
        self.children = list(children)
        self.layout, self.style = SimpleNamespace(), SimpleNamespace()
        self.max = values.get("max")


def notebook(monkeypatch: pytest.MonkeyPatch) -> list[Widget]:
    """Imitate a Jupyter kernel from now on, and return the list of what it displays."""
    displayed: list[Widget] = []
    kernel = SimpleNamespace(config={"IPKernelApp": {}})
    modules: dict[str, dict[str, object]] = {
        "IPython": {"get_ipython": lambda: kernel},
        "IPython.display": {"display": displayed.append},
        "ipykernel.zmqshell": {},
        "ipywidgets": dict.fromkeys(("HTML", "FloatProgress", "HBox"), Widget),
    }
    for name, attributes in modules.items():
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        vars(sys.modules[name]).update(attributes)
    for name in ("auto", "autonotebook", "notebook"):  # tqdm decides on import
        monkeypatch.setitem(sys.modules, f"tqdm.{name}", ModuleType(name))
        del sys.modules[f"tqdm.{name}"]
    return displayed


async def test_a_notebook_shows_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """One bar per lane, with counts; warnings are lines without escapes."""
    displayed, stderr = notebook(monkeypatch), io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    assert await to_end(with_progress(job)) == "done"
    assert stderr.getvalue() == f"{PROBLEM}\n"
    rows = [[str(each.value).replace("\N{FIGURE SPACE}", " ") for each in row.children] for row in displayed]
    assert [row[:2] for row in rows] == [["videos 1/2", "1"], ["clips 0/2", "0"]]
    assert [row.children[1].max for row in displayed] == [2, 2]
    assert rows[0][2].endswith(", 1.0 kB")
    assert " 1 failed, " in rows[1][2]
