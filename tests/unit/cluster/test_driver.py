"""Dask schedules the videos of a run: here all of it is in one process, and there are no children."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from distributed import Client, LocalCluster
from kill_checks import media
from load_runs import LATER, Most, childless, load, write_tables

import hdtf_async
from hdtf_async import ExitCode, Options, Reason
from hdtf_async.cluster import driver
from hdtf_async.core.events import DownloadStarted, Event, RawReady, Retrying, WorkersChanged
from hdtf_async.core.failures import Failure
from hdtf_async.lanes.video_worker import VideoWorker
from hdtf_async.output.locks import WORKERS, make_worker_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hdtf_async import Report

pytestmark = [
    pytest.mark.dask,
    pytest.mark.filterwarnings("default:::distributed"),
    pytest.mark.filterwarnings("ignore:Creating scratch directories"),  # on a machine that is busy
]

ROWS = LATER + 1
SETTINGS: dict[str, Any] = {"pace": 0, "retry_wait": 0, "min_free": 0, "keep_raw": False, "encodes": 1}


@asynccontextmanager
async def local(workers: int) -> AsyncIterator[tuple[LocalCluster, Client]]:
    """Give a cluster in this process, and a client."""
    async with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=False, asynchronous=True,
            dashboard_address=None, memory_limit=0,
        ) as made,
        Client(made, asynchronous=True, set_as_default=False) as client,
    ):  # fmt: skip
        yield made, client


async def drive(
    out: Path, client: Client, take: Callable[[Event], object] = lambda _: None, **more: Any
) -> tuple[Report, list[Event]]:
    """Run on a cluster, and show each event to `take`; return the report and all events."""
    options = Options(source=out.parent / "tables", **(SETTINGS | more))
    events: list[Event] = []
    with childless():
        async with hdtf_async.running(out, options, client=client) as run:
            async for event in run:
                events.append(event)
                take(event)
    return run.report, events


async def lose(made: LocalCluster, address: str) -> None:
    """Have the scheduler lose a worker."""
    await made.scheduler.remove_worker(address, stimulus_id="test", close=True)


async def test_the_cluster_makes_what_one_process_makes(tmp_path: Path) -> None:
    """Each video is a task of its own; nothing is left on the workers or in the scheduler."""
    write_tables(tmp_path / "tables", ROWS)
    await load(tmp_path / "one", tmp_path / "tables", Most(), **SETTINGS)
    async with local(2) as (made, client):
        keys: set[str] = set()

        def take(event: Event) -> None:
            if isinstance(event, DownloadStarted):
                keys.update(key for key in made.scheduler.tasks if key.startswith("hdtf_video-"))

        report, events = await drive(tmp_path / "out", client, take)
        assert report.exit_code is not ExitCode.LOCAL
        assert len(keys) >= ROWS
        assert media(tmp_path / "out") == media(tmp_path / "one")
        assert [event for event in events if isinstance(event, WorkersChanged)][-1].workers == 2
        for worker in made.workers.values():
            assert worker.state.nthreads == 1
            assert not [name for name in worker.plugins if name.startswith("hdtf_async-")]
            assert set(worker.state.total_resources.values()) <= {0}
        with anyio.fail_after(10):
            while made.scheduler.tasks:
                await anyio.sleep(0.05)
    assert not (tmp_path / "out" / WORKERS).exists()


async def test_a_video_goes_to_another_worker_when_its_own_is_lost(tmp_path: Path) -> None:
    """Dask runs it again; the loss is reported, and the result is whole."""
    write_tables(tmp_path / "tables", 8, first=1)
    async with local(2) as (made, client), anyio.create_task_group() as group:
        lost: list[str] = []

        def take(event: Event) -> None:
            if isinstance(event, RawReady) and not lost:
                lost.append(next(iter(made.scheduler.workers)))
                group.start_soon(lose, made, lost[0])

        report, events = await drive(tmp_path / "out", client, take)
    assert report.exit_code is ExitCode.DONE
    assert len(report.done) == len({*report.done}) == 8
    assert all(each.reason is Reason.WORKER_LOST for each in events if isinstance(each, Retrying))
    assert [event.workers for event in events if isinstance(event, WorkersChanged)][-1] == 1


async def test_a_video_that_takes_every_worker_down_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After as many as its reason has tries, and the others are done meanwhile."""
    write_tables(tmp_path / "tables", 3, first=1)
    real = VideoWorker.process
    async with local(4) as (made, client), anyio.create_task_group() as group:

        async def process(self: Any, task: str, video: Any, records: Any) -> Any:
            if video.stem == "RD_Speaker2":
                await anyio.sleep(0.5)  # a worker that dies at once costs one more, until the driver cancels
                group.start_soon(lose, made, self._worker.address)
                await anyio.sleep_forever()
            return await real(self, task, video, records)

        monkeypatch.setattr(VideoWorker, "process", process)
        report, events = await drive(tmp_path / "out", client)
    assert report.failed == {"RD_Speaker2_000": Reason.WORKER_LOST}
    assert sorted(report.done) == ["RD_Speaker1_000", "RD_Speaker3_000"]
    assert [event.video for event in events if isinstance(event, Retrying)].count("RD_Speaker2") == 2


async def test_only_an_answer_of_the_scheduler_has_a_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To take on a thousand workers may take longer."""
    write_tables(tmp_path / "tables", 2, first=1)

    def slow(out: Path, name: str) -> None:
        time.sleep(2.5)
        make_worker_file(out, name)

    monkeypatch.setattr(driver, "make_worker_file", slow)
    monkeypatch.setattr(driver, "RPC_TIMEOUT", 2.0)
    async with local(1) as (_, client):
        report, _ = await drive(tmp_path / "out", client)
    assert report.exit_code is ExitCode.DONE


async def test_a_worker_that_joins_later_is_used_even_if_there_was_none(tmp_path: Path) -> None:
    """Dask alone would not give it what had waited for a worker."""
    write_tables(tmp_path / "tables", 6, first=1)
    async with local(1) as (made, client), anyio.create_task_group() as group:
        lost: list[str] = []

        async def replace() -> None:
            await lose(made, next(iter(made.scheduler.workers)))
            await anyio.sleep(1.5)
            made.scale(2)
            await made

        def take(event: Event) -> None:
            if isinstance(event, DownloadStarted) and not lost:
                lost.append(event.video)
                group.start_soon(replace)

        with anyio.fail_after(60):
            report, events = await drive(tmp_path / "out", client, take, downloads=1)
    assert report.exit_code is ExitCode.DONE
    assert len(report.done) == 6
    counts = [event.workers for event in events if isinstance(event, WorkersChanged)]
    assert 0 in counts
    assert counts[-1] >= 1


async def test_a_worker_with_local_trouble_takes_no_more_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one processes its videos too."""
    write_tables(tmp_path / "tables", 8, first=1)
    real, bad = VideoWorker._process, set[str]()
    refused: list[str] = []

    async def process(self: Any, task: str, unit: Any, records: Any) -> None:
        async def one_video(video: Any, *_: object) -> Any:
            refused.append(video.stem)
            return [], Failure(Reason.DISK_FULL, "full")

        if self._worker.address in bad:
            self._toolchain = SimpleNamespace(one_video=one_video)
        await real(self, task, unit, records)

    monkeypatch.setattr(VideoWorker, "_process", process)
    async with local(2) as (made, client):
        bad.update([*made.scheduler.workers][:1])
        report, events = await drive(tmp_path / "out", client)
    assert refused
    assert report.stopped is None
    assert len(report.done) == 8
    assert [each.workers for each in events if isinstance(each, WorkersChanged)][-1] == 1


async def test_local_trouble_of_every_worker_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report has the reason, and names the worker."""
    write_tables(tmp_path / "tables", 4, first=1)

    async def one_video(*_: object) -> Any:
        return [], Failure(Reason.DISK_FULL, "full")

    monkeypatch.setattr("hdtf_async.lanes.toolchain.Toolchain.one_video", one_video)
    async with local(2) as (_, client):
        report, _ = await drive(tmp_path / "out", client)
    assert report.exit_code is ExitCode.LOCAL
    assert report.stopped is not None
    assert report.stopped.reason is Reason.DISK_FULL
    assert report.stopped.words.startswith("worker inproc://")
    assert report.not_tried == 4


async def test_a_worker_that_declares_no_download_is_not_used(tmp_path: Path) -> None:
    """It would never begin with its videos."""
    write_tables(tmp_path / "tables", 4, first=1)
    async with local(2) as (made, client):
        useless = next(iter(made.workers.values()))
        await useless.set_resources(downloads=0)
        report, events = await drive(tmp_path / "out", client)
    assert report.exit_code is ExitCode.DONE
    assert {event.workers for event in events if isinstance(event, WorkersChanged)} == {1}


async def test_a_task_of_another_program_that_waits_for_a_lane_does_not_block_videos(tmp_path: Path) -> None:
    """A worker of Dask starts no task that waits behind one whose resources are in use."""
    write_tables(tmp_path / "tables", 6, first=1)
    async with local(1) as (made, client):
        await next(iter(made.workers.values())).set_resources(downloads=1)
        others: list[Any] = []

        def take(event: Event) -> None:
            if isinstance(event, DownloadStarted) and not others:
                others.append(client.submit(int, "7", resources={"downloads": 1}, pure=False))

        with anyio.fail_after(60):
            report, _ = await drive(tmp_path / "out", client, take)
            assert await others[0] == 7
    assert report.exit_code is ExitCode.DONE


async def test_a_malformed_message_does_not_end_a_run(tmp_path: Path) -> None:
    """Anybody on the cluster can send one."""
    write_tables(tmp_path / "tables", 3, first=1)
    async with local(1) as (made, client):

        def take(event: Event) -> None:
            if isinstance(event, DownloadStarted):
                (topic,) = (name for name in made.scheduler._broker._topics if name.startswith("hdtf_async-"))
                (worker,) = made.scheduler.workers
                for message in ({"process": "x"}, [1], "x", {"process": worker, "events": "[null]"}):
                    made.scheduler.log_event(topic, message)

        report, _ = await drive(tmp_path / "out", client, take)
    assert report.exit_code is ExitCode.DONE
