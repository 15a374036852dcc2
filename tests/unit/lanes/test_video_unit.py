"""One video as a unit: what a run does for it, with the records passed to the driver."""

from __future__ import annotations

import json
import os
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from load_runs import GONE, LATER, Most, childless, load, write_tables

from hdtf_async import Options, Reason
from hdtf_async.core.event_bus import EventBus
from hdtf_async.dataset import plan, tables
from hdtf_async.lanes.context import RunContext
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.toolchain import Toolchain, open_toolchain
from hdtf_async.output.directory import OutputDirectory, open_directory
from hdtf_async.output.journal import JOURNAL, JournalIndex
from hdtf_async.output.video_journal import BufferedLedger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from shared import Finished

    from hdtf_async.dataset.plan import VideoJob

ROWS = 2 * LATER + 1


MADE = {"raw", "sound", "clip", "replacing", "failed"}
"""Types of records about results. Records about times belong to the receiver of the events."""


def _timeless(record: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in record.items() if key not in {"time", "took"}})


@asynccontextmanager
async def _shop(
    out: Path, source: Path, **more: Any
) -> AsyncIterator[tuple[Toolchain, BufferedLedger, list[VideoJob]]]:
    """Provide a toolchain in a directory to whose journal it does not write, and all jobs."""
    usual = {"pace": 0, "retry_wait": 0, "min_free": 0, "keep_raw": False, "encodes": 4}
    options = Options(source=source, **(usual | more))
    job = list(plan.make(tables.read(source), options, there={}, failed={}).jobs)
    async with open_directory(out) as held:
        ledger = BufferedLedger(JournalIndex(out))
        directory = OutputDirectory(out, held.locks, ledger)
        with childless():
            run = RunContext(options, directory, Lanes.of(options), EventBus())
            async with open_toolchain(run) as toolchain:
                yield toolchain, ledger, job


async def test_verifying_a_clip_does_not_wait_for_a_source_video(finished: Finished, tmp_path: Path) -> None:
    """While one is read that never ends: the file is a FIFO without a writer."""
    endless = tmp_path / "endless.mp4"
    os.mkfifo(endless)
    options = finished.options
    async with (
        open_directory(tmp_path / "out") as directory,
        open_toolchain(RunContext(options, directory, Lanes.of(options), EventBus())) as toolchain,
        anyio.create_task_group() as group,
    ):
        await toolchain.prober.ready()
        group.start_soon(partial(toolchain.prober.facts, endless, container="mp4"))
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(100):
            facts = await toolchain.encoder.prober.facts(finished.out / "RD_Radio2_000.mp4", container="mp4")
        assert facts.frames == 90
        group.cancel_scope.cancel()


@pytest.mark.slow
async def test_each_video_returns_the_records_that_a_run_would_have_written(tmp_path: Path) -> None:
    """Also with several in one process: each list contains those of one video, and nothing is written."""
    write_tables(tmp_path / "tables", ROWS)
    await load(tmp_path / "run", tmp_path / "tables", Most())
    due: dict[str, list[str]] = {}
    for line in (tmp_path / "run" / JOURNAL).read_text().splitlines():
        record = json.loads(line)
        if record["type"] in MADE:
            name = record.get("youtube_id") or record["metadata"]["youtube_id"]
            due.setdefault(name, []).append(_timeless(record))
    passed: dict[str, list[str]] = {}
    async with _shop(tmp_path / "unit", tmp_path / "tables") as (toolchain, ledger, jobs):

        async def one(job: VideoJob) -> None:
            records, stopped = await toolchain.one_video(job, ledger)
            assert stopped is None
            passed[job.youtube_id] = list(map(_timeless, records))

        async with anyio.create_task_group() as units:
            for job in jobs:
                units.start_soon(one, job)
        assert (tmp_path / "unit" / JOURNAL).read_bytes() == b""
    assert passed == due
    assert len(passed) == ROWS
    assert sum("private" in "".join(records) for records in passed.values()) == len(range(0, ROWS, GONE))


async def test_units_of_one_process_share_the_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace applies to an IP address, however many units use it."""
    write_tables(tmp_path / "tables", 4)
    slept: list[float] = []
    real = anyio.sleep_until

    async def sleep_until(deadline: float) -> None:
        slept.append(deadline - anyio.current_time())
        await real(min(deadline, anyio.current_time()))

    monkeypatch.setattr("hdtf_async.lanes.throttle.anyio.sleep_until", sleep_until)
    async with (
        _shop(tmp_path / "unit", tmp_path / "tables", pace=3600) as (toolchain, ledger, jobs),
        anyio.create_task_group() as units,
    ):
        for job in jobs:
            units.start_soon(partial(toolchain.one_video, job, ledger))
    assert sum(seconds > 3000 for seconds in slept) == len(jobs) - 1


async def test_a_video_that_must_be_downloaded_is_returned_without_javascript(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine may process it: nothing is requested for it, and nothing recorded."""
    write_tables(tmp_path / "tables", 2)
    broken = {"enabled": ["deno"], "runtimes": ["deno-2.9.8"], "failed": [["deno-2.9.8", "boom"]]}
    monkeypatch.setattr("load_runs.SOLVED", broken)
    async with _shop(tmp_path / "unit", tmp_path / "tables") as (toolchain, ledger, jobs):
        monkeypatch.setattr(toolchain.downloader, "download", None)
        for job in jobs:
            records, stopped = await toolchain.one_video(job, ledger)
            assert records == []
            assert stopped is not None
            assert stopped.reason is Reason.JAVASCRIPT


async def test_local_errors_are_returned_to_the_driver(tmp_path: Path) -> None:
    """No video fails because of them: it is not recorded, and can be sent elsewhere."""
    write_tables(tmp_path / "tables", 2)
    async with _shop(tmp_path / "unit", tmp_path / "tables", min_free=10**17) as (toolchain, ledger, jobs):
        (job,) = (job for job in jobs if job.youtube_id.endswith("1"))
        records, stopped = await toolchain.one_video(job, ledger)
    assert records == []
    assert stopped is not None
    assert stopped.reason is Reason.DISK_FULL
