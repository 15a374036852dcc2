"""Long computations can be cancelled: the time between two checks does not grow with the number of rows."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import from_thread
from anyio.to_thread import run_sync
from hypothesis import given
from hypothesis import strategies as st
from load_runs import write_tables
from shared import slow_unless

import hdtf_async
from hdtf_async import Options, run
from hdtf_async.commands.census import _csv, _rows, _unanswered
from hdtf_async.core import steps
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.jsonlines import line
from hdtf_async.core.splits import Split
from hdtf_async.core.steps import sorted_in_steps
from hdtf_async.dataset import plan, tables, text_files
from hdtf_async.lanes.limits import Lanes
from hdtf_async.output.directory import OutputDirectory, open_directory, read_known
from hdtf_async.output.journal import JOURNAL, JournalIndex
from hdtf_async.output.manifests import failure_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from hdtf_async.core.model import Tables

FEW, MANY = 600, 2400
"""Rows of a short and of a long table."""
METADATA, FAILURES = "metadata.jsonl", "failures.jsonl"


@given(st.lists(st.integers()), st.integers(1, 20))
def test_sorting_in_steps_is_sorting(items: list[int], at_once: int) -> None:
    """Stable, with and without a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "_SORTED_AT_ONCE", at_once)
        assert list(sorted_in_steps(items)) == sorted(items)
        assert list(sorted_in_steps(items, key=lambda item: item % 3)) == sorted(
            items, key=lambda item: item % 3
        )


@pytest.mark.parametrize(("items", "checks"), [(0, 0), (1, 1), (10, 1), (11, 2), (30, 3)])
def test_a_loop_checks_once_in_so_many_items(
    monkeypatch: pytest.MonkeyPatch, items: int, checks: int
) -> None:
    """And before the first one: a check takes longer than most iterations."""
    found: list[None] = []
    monkeypatch.setattr(steps, "EVERY", 10)
    monkeypatch.setattr(from_thread, "check_cancelled", lambda: found.append(None))
    assert list(steps.steps(range(items))) == list(range(items))
    assert len(found) == checks


def test_a_loop_over_many_rows_checks_once_in_a_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes some milliseconds."""
    found: list[None] = []
    monkeypatch.setattr(from_thread, "check_cancelled", lambda: found.append(None))
    assert sum(1 for _ in steps.steps(range(10_000))) == 10_000
    assert len(found) == 10


class _Watch:
    """Counts the lines of this program that run between two checks for cancellation."""

    def __init__(self) -> None:
        self.since = self.longest = self.looks = 0

    def look(self) -> None:
        self.looks += 1
        self.longest, self.since = max(self.longest, self.since), 0

    def traced(self, frame: FrameType, event: str, _arg: object) -> Any:
        """Count a line, except in the tracing itself."""
        self.since += event == "line" and "hdtf_async" in frame.f_code.co_filename
        return self.traced


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> _Watch:
    """Steps of ten rows, each of which is counted."""
    watch = _Watch()
    monkeypatch.setattr(steps, "EVERY", 10)
    monkeypatch.setattr(text_files, "EVERY", 10)
    monkeypatch.setattr(steps, "_SORTED_AT_ONCE", 100)
    monkeypatch.setattr(from_thread, "check_cancelled", watch.look)
    return watch


def longest(watch: _Watch, work: Callable[[], object]) -> int:
    """Return the maximum number of lines between two checks during some work."""
    watch.__init__()  # type: ignore[misc]
    before = sys.gettrace()
    sys.settrace(watch.traced)
    try:
        work()
    finally:
        sys.settrace(before)
    watch.look()
    return watch.longest


def _tables(directory: Path, rows: int) -> Tables:
    write_tables(directory, rows)
    return tables.read(directory)


def _known(out: Path, rows: int) -> JournalIndex:
    """Return the index of a directory in which half of the clips exist."""
    out.mkdir()
    read = _tables(out.with_name(f"{out.name}-tables"), rows)
    records: list[dict[str, Any]] = []
    for clip in read.clips[::2]:
        (out / f"{clip.stem}.mp4").write_bytes(b"12345")
        metadata = {"file_name": f"{clip.stem}.mp4", "name": clip.video.name, "bytes": 5}
        records.append({"type": "clip", "clip": clip.stem, "form": {}, "metadata": metadata})
    records += [{"type": "failed", **failure_record(clip, Failure(Reason.GONE))} for clip in read.clips[1::4]]
    (out / JOURNAL).write_bytes(b"".join(map(line, records)))
    return read_known(out)


def _write_manifests(known: JournalIndex, read: Tables) -> None:
    known.split = Split()
    held = OutputDirectory.__new__(OutputDirectory)
    held.out, held.others = known.out, ()
    held._write_manifests(known, read.clips, {read.clips[0].stem: "another"})


def _planned(read: Tables, options: Options) -> plan.Plan:
    return plan.make(read, options, there={}, failed={})


WORK: dict[str, Callable[[Path, int], Callable[[], object]]] = {
    "reading": lambda at, rows: partial(_tables, at, rows),
    "planning": lambda at, rows: partial(_planned, _tables(at, rows), Options()),
    "planning a shard": lambda at, rows: partial(_planned, _tables(at, rows), Options(shard="0/2")),
    "looking for a video": lambda at, rows: partial(
        plan.require_known, _tables(at, rows), Options(videos="Speaker1")
    ),
    "the other parts": lambda at, rows: partial(plan.others, _tables(at, rows), Options(limit=2)),
    "the first event": lambda at, rows: partial(
        run.started, _planned(_tables(at, rows), Options()), Lanes.of(Options()), Options()
    ),
    "dividing": lambda at, rows: partial(Split().knowing, _tables(at, rows).videos),
    "reading a journal": lambda at, rows: partial(read_known, _known(at, rows).out),
    "which clips are there": lambda at, rows: _known(at, rows).existing_clips,
    "writing views": lambda at, rows: partial(
        _write_manifests, _known(at, rows), tables.read(at.with_name(f"{at.name}-tables"))
    ),
    "a census": lambda at, rows: lambda: _csv(_rows((read := _tables(at, rows)).videos, read, {})),
    "what a census asks": lambda at, rows: partial(
        _unanswered, _tables(at, rows).videos, {}, datetime.now(UTC)
    ),
}
"""Computations over all rows; each creates its rows first, and returns the work to watch."""


@pytest.mark.parametrize("work", slow_unless(WORK, {"planning"}))
def test_the_work_between_two_checks_does_not_grow_with_the_rows(
    work: str, watch: _Watch, tmp_path: Path
) -> None:
    """With four times the rows there are more checks, but not more lines between two of them."""
    few = WORK[work](tmp_path / "few", FEW)
    shorter = longest(watch, few)
    few_looks = watch.looks
    many = WORK[work](tmp_path / "many", MANY)
    longer = longest(watch, many)
    assert watch.looks >= 3 * few_looks
    assert longer <= 1.5 * shorter + 100


async def test_a_thread_is_cancelled_with_its_task() -> None:
    """A loop ends midway, and the task is cancelled. Other threads do not check."""
    turns: list[int] = []
    begun = anyio.Event()

    def work() -> None:
        for permit in steps.steps(range(10**9)):
            turns.append(permit)
            if permit == steps.EVERY:
                anyio.from_thread.run_sync(begun.set)

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(run_sync, work)
            await begun.wait()
            scope.cancel()
    assert scope.cancelled_caught
    assert turns[-1] < 10**9 - 1
    assert list(steps.steps("abc")) == ["a", "b", "c"]


@pytest.fixture
def cancels(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, anyio.CancelScope], None]:
    """Return a function that cancels a scope as soon as a loop of a given function checks."""
    real = from_thread.check_cancelled
    when: list[tuple[str, anyio.CancelScope]] = []

    def look() -> None:
        frame: FrameType | None = sys._getframe()
        names = set()
        while frame is not None:
            names.add(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")
            frame = frame.f_back
        for name, scope in when:
            if name in names:
                anyio.from_thread.run_sync(scope.cancel)
        real()

    monkeypatch.setattr(steps, "EVERY", 10)
    monkeypatch.setattr(from_thread, "check_cancelled", look)
    return lambda name, scope: when.append((name, scope))


@pytest.mark.parametrize("where", ["tables.read", "plan.make", "run.started", "directory._read_and_tidy"])
async def test_a_run_is_cancelled_while_it_plans(
    where: str, cancels: Callable[[str, anyio.CancelScope], None], tmp_path: Path
) -> None:
    """Nothing after that starts, and the directory is unlocked."""
    write_tables(tmp_path / "tables", 100)
    _known(tmp_path / "out", 100)
    options = Options(source=tmp_path / "tables", recut=True, ffmpeg="/never/begun")
    with anyio.CancelScope() as scope:
        cancels(where, scope)
        await hdtf_async.download(tmp_path / "out", options)
    assert scope.cancelled_caught
    lines = (tmp_path / "out" / JOURNAL).read_text().splitlines()
    assert "run" not in {json.loads(text)["type"] for text in lines}
    async with open_directory(tmp_path / "out"):
        pass


@pytest.mark.parametrize("small", [True, False])
async def test_a_run_cancelled_while_it_writes_manifests_leaves_complete_ones(
    small: bool,
    cancels: Callable[[str, anyio.CancelScope], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are unchanged, and no temporary file is left; for a small directory they are rewritten."""
    write_tables(tmp_path / "tables", 100)
    out = _known(tmp_path / "out", 100).out
    (out / METADATA).write_text("as it was\n")
    (out / FAILURES).write_text("as it was\n")
    if not small:
        monkeypatch.setattr(run, "FEW", 10)
    options = Options(source=tmp_path / "tables", recut=True, ffmpeg="/never/begun")
    with anyio.CancelScope() as scope:
        cancels("manifests.write", scope)
        await hdtf_async.download(out, options)
    assert scope.cancelled_caught
    assert [path.name for path in out.rglob(".hdtf-*")] == []
    texts = [(out / name).read_text() for name in (METADATA, FAILURES)]
    assert (texts == ["as it was\n"] * 2) is not small


async def test_complete_manifests_are_renamed_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From the first rename on there are no checks: they never have different states."""
    known = _known(tmp_path / "out", 50)
    story: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(from_thread, "check_cancelled", lambda: story.append("look"))

    def renamed_to(path: Path, to: Path) -> Path:
        story.append(to.name)
        return replace(path, to)

    monkeypatch.setattr(Path, "replace", renamed_to)
    _write_manifests(known, tables.read(tmp_path / "out-tables"))
    renamed = [index for index, what in enumerate(story) if what != "look"]
    assert {story[index] for index in renamed} >= {METADATA, FAILURES, "train.txt"}
    assert renamed == list(range(renamed[0], renamed[-1] + 1))
