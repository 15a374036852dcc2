"""The power goes at any moment: what is on the disk then is recovered to a right directory.

How this is tried stands in `power_cuts`, and at the head of `recorded` what is taken for granted of a file
system. `benchmarks/power_cuts.py` does the same for longer.
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
    Recording,
    Run,
    Told,
    clip_record,
    place,
    program,
)
from recorded import recorded

from hdtf_async.core.failures import Failure
from hdtf_async.output.directory import opened, run_record
from hdtf_async.output.journal import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@pytest.fixture(name="place")
def _place() -> Iterator[Path]:
    with place() as directory:
        yield directory


BOTH = pytest.mark.parametrize("runs", [TWO_FORMS, NOTHING_KEPT], ids=["two forms", "nothing kept"])


@BOTH
async def test_what_a_power_cut_leaves_is_recovered(place: Path, runs: Sequence[Run]) -> None:
    """After each step of two runs: nothing durable is lost, nothing false is believed, the rest is made."""
    cuts = Cuts(place, seed=1, most=6, again=0.04)
    await cuts.of_runs(runs)
    assert cuts.steps >= 100
    assert cuts.states >= 3 * cuts.steps
    assert cuts.reruns >= 5


async def test_a_run_makes_durable_what_a_killed_one_left(place: Path) -> None:
    """What was written and not synced when it was killed is built upon by the next run, and stays."""
    await Cuts(place, seed=2, most=4, again=0.02).of_killed_runs(TWO_FORMS, kills=8)


async def test_a_run_makes_durable_the_names_that_a_killed_one_gave(place: Path) -> None:
    """Killed between the renaming and the sync of the directory: what the next run finds there, stays."""
    cuts = Cuts(place, seed=9, most=3, again=0)
    await cuts.of_killed_runs((Run(),), kills=100, after="replace")
    assert cuts.steps >= 200


async def test_power_that_goes_twice_does_no_more_harm(place: Path) -> None:
    """What recovers what a power cut has left is cut again."""
    await Cuts(place, seed=3, most=4, again=0.02).of_cut_runs(TWO_FORMS, times=4)


@pytest.mark.long
@pytest.mark.timeout(1800)
@BOTH
async def test_many_power_cuts_are_recovered_from(place: Path, runs: Sequence[Run]) -> None:
    """The same with more disks after each step, more kills and more second cuts."""
    for name in ("runs", "killed", "cut"):
        (place / name).mkdir()
    await Cuts(place / "runs", seed=4, most=60, again=0.02).of_runs(runs)
    await Cuts(place / "killed", seed=5, most=8, again=0.02).of_killed_runs(runs, kills=60)
    await Cuts(place / "cut", seed=6, most=8, again=0.02).of_cut_runs(runs, times=30)


# A line that is not whole.


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """Let no file become longer, as if the disk were full: what is written behind that is written in part."""
    _, most = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def _next_sync_fails() -> Iterator[None]:
    """Let one sync fail, as of a disk that is lost for a moment."""
    with pytest.MonkeyPatch.context() as patch:

        def fail(_descriptor: int) -> None:
            patch.undo()
            raise OSError(errno.EIO, "Input/output error")

        patch.setattr(os, "fsync", fail)
        yield


@pytest.mark.parametrize("torn_by", ["a kill", "a full disk", "a full disk that cannot be synced"])
async def test_what_is_cut_off_is_not_mixed_with_what_follows(place: Path, torn_by: str) -> None:
    """Another record of the same length follows one without its line end; the power goes at any moment."""
    lost, due = (clip_record(CLIPS[0].stem, form) for form in ("first", "other"))
    root, told = place / "root", Told()
    async with opened(root / OUT) as directory:
        await told.append(directory, run_record())
        before = (root / OUT / JOURNAL).stat().st_size
        await directory.append(lost)
    size = (root / OUT / JOURNAL).stat().st_size
    os.truncate(root / OUT / JOURNAL, size - 1 if torn_by == "a kill" else before)
    with recorded(root) as told.moments:
        async with opened(root / OUT) as directory:
            if torn_by == "a full disk":
                with _room_for(size - 1), pytest.raises(Failure, match="File too large"):
                    await directory.append(lost)
            elif torn_by == "a full disk that cannot be synced":
                with _room_for(size - 1), _next_sync_fails(), pytest.raises(Failure, match="File too large"):
                    await directory.append(lost)
            await told.append(directory, due)
    assert (root / OUT / JOURNAL).stat().st_size == size
    cuts = Cuts(place, seed=7, most=600, again=0)
    await cuts.cut(Recording(told, [(0, Run(), {})]))
    assert cuts.states >= 100


# The whole program.


async def test_the_whole_program_keeps_the_order(place: Path) -> None:
    """With fake tools: what is recorded is there, what has a final name is whole, and the rest is made."""
    cuts = Cuts(place, seed=8, most=3, again=0.02)
    due = await cuts.of_a_program(program(place))
    assert sum(name.endswith(".mp4") for name in due) == 6 + 3, "clips and raws"
    assert cuts.steps >= 60
