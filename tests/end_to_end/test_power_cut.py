"""A power cut at any moment: the next run recovers a valid directory from the disk's content.

`power_cuts` describes the method, and the head of `recorded_disk` the assumptions about file systems.
`benchmarks/power_cuts.py` does the same for longer.
"""

from __future__ import annotations

import errno
import os
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from power_cuts import (
    CLIPS,
    NOTHING_KEPT,
    OUT,
    TWO_FORMS,
    Cuts,
    Promises,
    Recording,
    Run,
    clip_record,
    place,
    program,
)
from recorded_disk import recorded
from shared import long_unless

from hdtf_async.core.failures import Failure
from hdtf_async.output.directory import open_directory, run_record
from hdtf_async.output.journal import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@pytest.fixture(name="place")
def _place() -> Iterator[Path]:
    with place() as directory:
        yield directory


IDS = ["two forms", "nothing kept"]


@pytest.mark.slow
@pytest.mark.parametrize("runs", [TWO_FORMS, pytest.param(NOTHING_KEPT, marks=pytest.mark.slow)], ids=IDS)
async def test_a_power_cut_is_recovered(place: Path, runs: Sequence[Run]) -> None:
    """After each step of two runs: no durable data is lost, no wrong data is trusted, the rest is made."""
    cuts = Cuts(place, seed=1, most=6, again=0.04)
    await cuts.of_runs(runs)
    assert cuts.steps >= 100
    assert cuts.states >= 3 * cuts.steps
    assert cuts.reruns >= 5


@pytest.mark.slow
async def test_a_run_makes_the_files_of_a_killed_one_durable(place: Path) -> None:
    """Data that was written but not synced before the kill is used and made durable by the next run."""
    await Cuts(place, seed=2, most=4, again=0.02).of_killed_runs(TWO_FORMS, kills=4)


@pytest.mark.slow
async def test_a_run_makes_the_renames_of_a_killed_one_durable(place: Path) -> None:
    """Killed between the rename and the directory's sync: files that the next run finds there are kept."""
    cuts = Cuts(place, seed=9, most=3, again=0)
    await cuts.of_killed_runs((Run(),), kills=100, after="replace")
    assert cuts.steps >= 200


@pytest.mark.slow
async def test_two_power_cuts_are_recovered(place: Path) -> None:
    """A second power cut during the recovery from the first one."""
    await Cuts(place, seed=3, most=4, again=0.02).of_cut_runs(TWO_FORMS, times=4)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("runs", [TWO_FORMS, NOTHING_KEPT], ids=IDS)
async def test_many_power_cuts_are_recovered(place: Path, runs: Sequence[Run]) -> None:
    """The same with more disk states after each step, more kills and more second cuts."""
    for name in ("runs", "killed", "cut"):
        (place / name).mkdir()
    await Cuts(place / "runs", seed=4, most=60, again=0.02).of_runs(runs)
    await Cuts(place / "killed", seed=5, most=8, again=0.02).of_killed_runs(runs, kills=60)
    await Cuts(place / "cut", seed=6, most=8, again=0.02).of_cut_runs(runs, times=30)


# Truncated lines.


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """Limit the file size as if the disk were full: longer writes are truncated."""
    _, most = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def _next_sync_fails() -> Iterator[None]:
    """Let one sync fail, as on a disk that is temporarily lost."""
    with pytest.MonkeyPatch.context() as patch:

        def fail(_descriptor: int) -> None:
            patch.undo()
            raise OSError(errno.EIO, "Input/output error")

        patch.setattr(os, "fsync", fail)
        yield


@pytest.mark.slow
@pytest.mark.parametrize(
    "torn_by", long_unless(("a kill", "a full disk", "a full disk that cannot be synced"), {"a full disk"})
)
async def test_a_truncated_record_is_not_mixed_with_the_next(place: Path, torn_by: str) -> None:
    """A record of the same length follows one without its line end; the power cut happens at any moment."""
    lost, due = (clip_record(CLIPS[0].stem, form) for form in ("first", "other"))
    root, promises = place / "root", Promises()
    async with open_directory(root / OUT) as directory:
        await promises.append(directory, run_record())
        before = (root / OUT / JOURNAL).stat().st_size
        await directory.append(lost)
    size = (root / OUT / JOURNAL).stat().st_size
    os.truncate(root / OUT / JOURNAL, size - 1 if torn_by == "a kill" else before)
    with recorded(root) as promises.moments:
        async with open_directory(root / OUT) as directory:
            if torn_by == "a full disk":
                with _room_for(size - 1), pytest.raises(Failure, match="File too large"):
                    await directory.append(lost)
            elif torn_by == "a full disk that cannot be synced":
                with _room_for(size - 1), _next_sync_fails(), pytest.raises(Failure, match="File too large"):
                    await directory.append(lost)
            await promises.append(directory, due)
    assert (root / OUT / JOURNAL).stat().st_size == size
    cuts = Cuts(place, seed=7, most=600, again=0)
    await cuts.cut(Recording(promises, [(0, Run(), {})]))
    assert cuts.states >= 100


# The whole program.


@pytest.mark.slow
async def test_the_whole_program_keeps_the_order_of_writes(place: Path) -> None:
    """With fake tools: recorded files exist, files with a final name are complete, and the rest is made."""
    cuts = Cuts(place, seed=8, most=3, again=0.02)
    due = await cuts.of_a_program(program(place))
    assert sum(name.endswith(".mp4") for name in due) == 6 + 3, "clips and raws"
    assert cuts.steps >= 60
