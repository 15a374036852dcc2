"""Videos that other processes make for a driver, here without processes and without children."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from kill_checks import media
from load_runs import LATER, Most, childless, load, write_tables

from hdtf_async import Options, Reason
from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.events import ClipDone, ClipFailed, Event, RawReady, WorkersChanged
from hdtf_async.core.failures import Failure
from hdtf_async.dataset import plan, tables
from hdtf_async.lanes.collector import Collector
from hdtf_async.lanes.context import RunContext
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.video_worker import FINISH, Ready, Setup, VideoWorker, Withdrawn
from hdtf_async.output.directory import open_directory
from hdtf_async.output.journal import JOURNAL
from hdtf_async.output.locks import WORKERS, make_worker_file
from hdtf_async.output.object_store.directory import for_workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.dataset.plan import VideoJob

ROWS = LATER + 1


class Driver:
    """A driver, and servers to which it sends videos."""

    def __init__(self, run: RunContext, collector: Collector) -> None:
        self.run = run
        self.collector = collector
        self.emitted: list[Event] = []
        self.withdrawn: list[tuple[str, Failure]] = []
        self.held: list[Record] | None = None
        """Messages that did not arrive yet; None if they arrive at once."""

    def send(self, name: str, events: str) -> None:
        """Take the events of a server, as another process sends them."""
        if self.held is None:
            message = {"process": name, "events": events}
            self.withdrawn += self.collector.receive(message, {name})

    @asynccontextmanager
    async def server(self, name: str, **more: Any) -> AsyncIterator[VideoWorker]:
        """Give a server that is ready."""
        out, options = for_workers(self.run.directory, self.run.options)
        make_worker_file(self.run.directory.out, name)
        setup = replace(Setup(name, out, options, more.pop("version", self.version())), **more)
        server = VideoWorker(setup, lambda events: self.send(name, events))
        async with server.opened() as ready:
            server.events.emit(ready)
            yield server

    @staticmethod
    def version() -> str:
        """Return the version of this package."""
        from hdtf_async.core.system import own_version  # noqa: PLC0415 - a test replaces it

        return own_version()

    async def process(self, server: VideoWorker, video: VideoJob) -> VideoJob:
        """Have a video processed; return what is left of it."""
        known = await self.collector.begin(video)
        records = await server.process(f"task {video.stem}", video, known)
        left = video if records is None else await self.collector.add(video, records)
        self.collector.end(video)
        return left


@asynccontextmanager
async def driver(out: Path, source: Path, **more: Any) -> AsyncIterator[tuple[Driver, list[VideoJob]]]:
    """Give a driver at work on a directory, and all videos."""
    usual = {"pace": 0, "retry_wait": 0, "min_free": 0, "keep_raw": False, "encodes": 4}
    options = Options(source=source, **(usual | more))
    jobs = [*plan.make(tables.read(source), options, there={}, failed={}).jobs]
    async with open_directory(out) as directory, anyio.create_task_group() as tasks:
        run = RunContext(options, directory, Lanes.of(options), EventBus())

        async def answer(_name: str, _admission: object) -> None:
            raise AssertionError

        made = Driver(run, Collector(run, tasks, answer))
        run.events.subscribe(made.emitted.append)
        with childless():
            yield made, jobs
        await made.collector.close()


async def test_several_processes_make_what_one_makes(tmp_path: Path) -> None:
    """The same files, records and ends; nothing of them is left in the directory of the workers."""
    write_tables(tmp_path / "tables", ROWS)
    await load(tmp_path / "one", tmp_path / "tables", Most())
    async with driver(tmp_path / "several", tmp_path / "tables") as (made, jobs), AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(made.server(f"server {number}")) for number in range(3)]
        async with anyio.create_task_group() as group:
            for number, video in enumerate(jobs):
                group.start_soon(made.process, servers[number % 3], video)
        assert made.emitted[:3] == [WorkersChanged(n, 8 * n, 4 * n, 0.0) for n in (1, 2, 3)]
        ends = [event.clip for event in made.emitted if isinstance(event, ClipDone | ClipFailed)]
        assert sorted(ends) == sorted(clip.stem for video in jobs for clip in video.clips)
        assert made.withdrawn == []
    assert media(tmp_path / "several") == media(tmp_path / "one")
    assert _made(tmp_path / "several") == _made(tmp_path / "one")
    assert not (tmp_path / "several" / WORKERS).exists()


def _made(out: Path) -> list[str]:
    """Return what the journal of a directory tells of clips, but for the times."""
    records = map(json.loads, (out / JOURNAL).read_text().splitlines())
    return sorted(
        json.dumps({key: value for key, value in record.items() if key not in {"time", "took"}})
        for record in records
        if record["type"] in {"raw", "clip", "failed"}
    )


async def test_what_a_process_did_before_it_died_is_not_done_again(tmp_path: Path) -> None:
    """Its clip is recorded once, and its end is emitted, although its last message was lost."""
    write_tables(tmp_path / "tables", 2, first=1)
    async with driver(tmp_path / "out", tmp_path / "tables") as (made, jobs):
        video = jobs[0]
        async with made.server("first") as server:
            made.held = []
            known = await made.collector.begin(video)
            assert await server.process("task", video, known) is not None  # and the answer was lost, too
            made.held = None
        encodes = [event for event in made.emitted if event.type == "encode_started"]
        async with made.server("second") as server:
            assert (await made.process(server, video)).clips == ()
        assert [event for event in made.emitted if event.type == "encode_started"] == encodes == []
        assert [event.clip for event in made.emitted if isinstance(event, ClipDone)] == [video.clips[0].stem]
        assert made.run.directory.known.existing_clip(video.clips[0].stem)


async def test_a_video_that_is_cancelled_leaves_the_others_alone(tmp_path: Path) -> None:
    """It returns nothing, and its clip is not recorded."""
    write_tables(tmp_path / "tables", 3, first=1)
    async with driver(tmp_path / "out", tmp_path / "tables") as (made, jobs), made.server("one") as server:
        left: dict[str, int] = {}

        async def process(video: VideoJob) -> None:
            left[video.stem] = len((await made.process(server, video)).clips)

        def cancel(event: Event) -> None:
            if isinstance(event, RawReady) and event.video == jobs[0].stem:
                assert server.seconds_of(event.video).keys() == {f"task {event.video}"}
                server.cancel(f"task {event.video}")

        server.events.subscribe(cancel)
        async with anyio.create_task_group() as group:
            for video in jobs:
                group.start_soon(process, video)
        assert left == {jobs[0].stem: 1} | {video.stem: 0 for video in jobs[1:]}
        assert server.seconds_of(jobs[0].stem) == {}


async def test_a_run_that_ends_starts_nothing(tmp_path: Path) -> None:
    """What is left of a video is not recorded as anything."""
    write_tables(tmp_path / "tables", 2, first=1)
    async with driver(tmp_path / "out", tmp_path / "tables") as (made, jobs), made.server("one") as server:
        server.hear(FINISH)
        assert (await made.process(server, jobs[0])).clips == jobs[0].clips
        server.hear("something else")


async def test_local_trouble_makes_a_process_withdraw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver hears why, once, before it has the records; the video is for others."""
    write_tables(tmp_path / "tables", 3, first=1)
    async with driver(tmp_path / "out", tmp_path / "tables") as (made, jobs), made.server("one") as server:

        async def fail(*_: object, **__: object) -> None:
            raise Failure(Reason.DISK_FULL, "full")

        # Undone before `driver` puts back what it replaced.
        with monkeypatch.context() as patch:
            patch.setattr("hdtf_async.media.ffmpeg.encode", fail)
            async with anyio.create_task_group() as group:
                for video in jobs:
                    group.start_soon(made.process, server, video)
        ((name, why),) = made.withdrawn
        assert (name, why.reason, why.words) == ("one", Reason.DISK_FULL, "full")
        assert server.withdrawn is not None
        assert not any(isinstance(event, ClipFailed) for event in made.emitted)


async def test_another_version_is_refused(tmp_path: Path) -> None:
    """Its records might be others."""
    write_tables(tmp_path / "tables", 1)
    async with driver(tmp_path / "out", tmp_path / "tables") as (made, _):
        with pytest.raises(Failure, match=r"it has hdtf-async \S+, and the driver 9\.9\.9") as raised:
            async with made.server("one", version="9.9.9"):
                pass
    assert raised.value.reason is Reason.NOT_READY


@pytest.mark.parametrize(
    "message",
    [
        None,
        {},
        {"process": "one"},
        {"process": ["one"], "events": "[]"},
        {"process": "one", "events": ["clip_done"]},
        {"process": "one", "events": "clip_done"},
        {"process": "one", "events": "[" * 99_999},
        {"process": "one", "events": "7"},
        {"process": "one", "events": '[{"type": "clip_done"}, null]'},
        {"process": "another", "events": json.dumps([Ready(1, 1, 3, {}).to_json()])},
    ],
)
async def test_a_malformed_message_is_logged_and_dropped(
    message: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The events beside a malformed one count."""
    write_tables(tmp_path / "tables", 1)
    async with driver(tmp_path / "out", tmp_path / "tables") as (made, _):
        assert [*made.collector.receive(message, {"one"})] == []
        assert made.emitted == []
        if isinstance(message, dict) and message.get("process") == "one":
            assert "malformed" in caplog.text
        good = {"process": "one", "events": json.dumps([7, Ready(1, 1, 3, {}).to_json()])}
        assert [*made.collector.receive(good, {"one"})] == []
        assert made.emitted == [WorkersChanged(1, 1, 1, 0.0)]
        bye = {"process": "one", "events": json.dumps([Withdrawn(Reason.FAULT, "bye").to_json()])}
        assert [name for name, _ in made.collector.receive(bye, {"one"})] == ["one"]


async def test_a_video_that_killed_its_workers_is_given_up(tmp_path: Path) -> None:
    """Each of its clips fails with it."""
    write_tables(tmp_path / "tables", 2, first=1)
    async with driver(tmp_path / "out", tmp_path / "tables") as (made, jobs):
        await made.collector.begin(jobs[0])
        made.collector.lost(jobs[0], "died")
        await made.collector.give_up(jobs[0], Failure(Reason.WORKER_LOST, "died"))
        assert [event.type for event in made.emitted] == ["retrying", "video_failed", "clip_failed"]
        assert made.run.directory.known.failures[jobs[0].clips[0].stem]["reason"] == "worker_lost"
