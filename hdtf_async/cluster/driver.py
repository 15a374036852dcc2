"""The driver of a run whose videos are processed by the workers of a Dask cluster.

It has the interface of `pipeline.Pipeline` for a run on one machine: `run`, `stop`, `stopped`, `closed`. Each
worker gets one task (`worker.tend`), which lasts as long as the run, uses the resources that the worker
declares for its lanes, requests videos and reports the results. The driver assigns them (`assignments`),
writes the journal, and passes on the events. Messages from the workers use an event topic, and messages to
each of them a separate queue: both are small, and never contain media.

If all workers share one IP address (``--pace-scope cluster``), the driver has the throttle of the network
lane.
"""

from __future__ import annotations

import json
import math
import secrets
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync
from distributed import Client, Queue

from hdtf_async.cluster import worker as bench
from hdtf_async.cluster.assignments import Roster
from hdtf_async.cluster.messages import Setup, Told, event_of, failure_of, for_workers, known_of, stated_work
from hdtf_async.cluster.throttle import Door
from hdtf_async.cluster.worker_handle import AsOne, Hired
from hdtf_async.core.events import (
    ClipFailed,
    EventBus,
    Retrying,
    VideoFailed,
    WindingDown,
)
from hdtf_async.core.exceptions import unwrap_exception_group
from hdtf_async.core.failures import Action, Failure, Reason
from hdtf_async.core.model import PaceScope
from hdtf_async.core.system import own_version
from hdtf_async.lanes.pipeline import WIND_DOWN
from hdtf_async.output import atomic, partials
from hdtf_async.output.locks import WORKERS, make_worker_file, release_worker
from hdtf_async.output.manifests import failure_record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from hdtf_async.core.options import Options
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.output.directory import OutputDirectory

LOOK = 0.5
"""Seconds between two checks of the list of workers."""
ANSWER = 20.0
"""Maximum seconds for an answer of the scheduler."""
PATIENCE = 120.0
"""Seconds for which a run waits for a worker while there is none, and for a lost one's children to end."""
AT_FIRST = 30.0
"""Seconds for which it waits at the start for the workers that exist then."""
LEAVE = 60.0
"""Seconds for workers to finish once they are told to stop."""


class Crew:
    """The workers of a cluster that process the videos of a run; created by `crew`."""

    def __init__(
        self, client: Client, options: Options, directory: OutputDirectory, events: EventBus
    ) -> None:
        self.stopped: Failure | None = None
        """Why the run ended early."""
        self.closed: Failure | None = None
        """Why no more downloads start, if YouTube is blocking them."""
        self._client = client
        self._address: str = client.scheduler.address
        self._options = for_workers(options)
        self._directory = directory
        self._events = events
        self._run = secrets.token_hex(8)
        self._workers: dict[str, Hired] = {}
        """By key: those that have not left."""
        self._left: set[str] = set()
        """Addresses of workers that are not used again, because they have a problem."""
        self._any_lost = False
        self._roster = Roster()
        self._as_one = AsOne(events)
        self._begun = self._over = False
        self._whole = anyio.CancelScope()
        self._changed = anyio.Event()
        self._send, self._inbox = anyio.create_memory_object_stream[Told](math.inf)
        self._tasks = anyio.create_task_group()
        self._serving = anyio.CancelScope(shield=True)
        self._door: Door | None = None
        if options.pace_scope is PaceScope.CLUSTER:
            self._door = Door(client, options, events, self._tasks)

    @property
    def versions(self) -> dict[str, str]:
        """Tool to version, for the record of the run: those of the first worker."""
        return next((each.versions for each in self._workers.values() if each.versions), {})

    async def run(self, works: Iterable[VideoJob], finish: anyio.Event | None = None) -> None:
        """Process every video; return when all have been tried, or the run was stopped.

        Once `finish` is set the run winds down.
        """
        self._roster.add(works)
        self._begun = True
        with self._whole:
            async with anyio.create_task_group() as beside:
                beside.start_soon(self._wind_down, finish or anyio.Event())
                while True:
                    self._hand_out()
                    if self._roster.is_over:
                        break
                    await self._changed.wait()
                    self._changed = anyio.Event()
                beside.cancel_scope.cancel()
            self._dismiss()
            await self._all_gone()

    def stop(self, trouble: Failure) -> None:
        """Stop the run."""
        if self.stopped is None:
            self.stopped = trouble
        self._whole.cancel()

    async def serve(self) -> None:
        """Process the messages of the workers, until cancelled; also while the run is being cancelled."""
        with self._serving, self._send, self._inbox:
            async with self._tasks:
                self._client.subscribe_topic(self._run, self._take)
                self._tasks.start_soon(self._hear)
                self._tasks.start_soon(self._look)
                await anyio.sleep_forever()

    async def begin(self, finish: anyio.Event) -> None:
        """Start the workers that exist, or return as soon as `finish` is set.

        Raises `Failure` if there are none, or one is unsuitable.
        """

        def goes_on() -> bool:
            return self.stopped is None and not finish.is_set()

        with anyio.move_on_after(PATIENCE):
            while goes_on() and not self._workers:
                await self._wait()
        with anyio.move_on_after(AT_FIRST):
            while goes_on() and any(not (each.versions or each.why) for each in self._workers.values()):
                await self._wait()
        while goes_on() and not self.versions:
            if not self._workers:
                raise Failure(Reason.CLUSTER_LOST, f"{self._address}: no workers")
            await self._wait()
        if self.stopped is not None:
            raise self.stopped

    async def end(self) -> None:
        """Dismiss all workers, and return when they have ended. Must not be cancelled."""
        try:
            with anyio.move_on_after(LEAVE):
                self._dismiss()
                for each in [*self._workers.values()]:
                    if each.future is not None:
                        with suppress(Exception):
                            await each.future.cancel()
                await self._all_gone()
            with suppress(Exception):
                self._client.unsubscribe_topic(self._run)
            if self._door is not None:
                self._door.leave()
        finally:
            self._serving.cancel()  # always: nothing else ends the shielded task
        with suppress(OSError):  # a file is left: its worker is still active
            await run_sync((self._directory.out / WORKERS).rmdir)
            if self._any_lost:
                # Temporary files of a worker that was killed.
                await run_sync(atomic.sweep, self._directory.out)
                await run_sync(atomic.sweep, self._directory.source_videos_path, partials.tidy)

    async def _wait(self) -> None:
        with anyio.move_on_after(LOOK):
            await self._changed.wait()
        self._changed = anyio.Event()

    async def _all_gone(self) -> None:
        for each in [*self._workers.values()]:
            await each.gone.wait()

    async def _wind_down(self, finish: anyio.Event) -> None:
        await finish.wait()
        self._events.emit(WindingDown(len(self._as_one.encoding), WIND_DOWN))
        self._roster.close()
        self._dismiss()
        if self._door is not None:
            self._door.end()
        for each in self._workers.values():
            each.say(finish=True)
        self._news()

    def _dismiss(self) -> None:
        """Let workers finish their videos, and request no others."""
        self._over = True
        for key, number in self._roster.dismissed():
            self._workers[key].answer(number, None)
        for each in [*self._workers.values()]:
            if not each.begun:  # if it starts just now, it finds that its file is missing
                self._without(each)

    def _news(self) -> None:
        self._changed.set()

    def _hand_out(self) -> None:
        if not self._begun:
            return
        for key, number, work in self._roster.handed():
            self._workers[key].say(
                ask=number,
                answer={"work": stated_work(work), "records": known_of(work, self._directory.known)},
            )

    # Messages of workers.

    def _take(self, event: tuple[float, Told]) -> None:
        self._send.send_nowait(event[1])

    async def _hear(self) -> None:
        async for message in self._inbox:
            worker = self._workers.get(message["from"])
            if worker is None or worker.lost:
                continue
            worker.begun = True
            for said in json.loads(message["said"]):
                self._heard(worker, said)
            self._news()

    def _heard(self, worker: Hired, said: Told) -> None:
        match said["kind"]:
            case "event":
                self._as_one.pass_on(worker, event_of(said["event"]), self._workers.values())
            case "ready":
                worker.versions = said["versions"]
                self._roster.joined(worker.key)
            case "next" if self._over or worker.why is not None:
                worker.answer(said["ask"], None)
            case "next":
                self._roster.asks(worker.key, said["ask"])
            case "records":
                self._tasks.start_soon(self._write, worker, said)
            case "done":
                self._done(worker, said["video"], failure_of(said["why"]))
            case "enter" | "answered" | "refused" | "left":
                if self._door is not None:
                    self._door.heard(worker.key, said, worker.answer)
            case "gone":
                self._gone(worker, failure_of(said["why"]))

    async def _write(self, worker: Hired, said: Told) -> None:
        """Write records, and notify the worker that relies on them."""
        try:
            await self._directory.append(*said["records"])
        except Failure as trouble:
            self.stop(trouble)
            return
        for record in said["records"]:
            if record["type"] in {"clip", "failed"}:
                self._roster.settled(record["clip"])
        worker.answer(said["ask"], True)

    def _done(self, worker: Hired, youtube_id: str, why: Failure | None) -> None:
        if self._door is not None and self._door.over is not None:
            self.closed, why = self._door.over, None
            self._roster.close()
        self._roster.finished(worker.key, youtube_id, again=why is not None)
        if why is not None and worker.why is None:
            worker.why = why
            for _, number in self._roster.dismissed(worker.key):
                worker.answer(number, None)

    def _gone(self, worker: Hired, why: Failure | None) -> None:
        """Register that a worker has ended all work for this run."""
        worker.why = worker.why or why
        self._without(worker)
        if why is None:
            return
        self._left.add(worker.address)
        told = Failure(why.reason, f"worker {worker.address}: {why.words}")
        if not self._begun:  # nothing has been done yet: the user should check it first
            self.stop(told)
        elif not self._workers:
            if why.reason.advice.action is Action.CLOSE:
                self.closed = told
                self._roster.close()
            else:
                self.stop(told)

    def _without(self, worker: Hired) -> None:
        self._workers.pop(worker.key, None)
        self._roster.left(worker.key)
        if self._door is not None:
            self._door.gone(worker.key)
        release_worker(self._directory.out / WORKERS / worker.key)
        worker.gone.set()
        worker.news.set()  # ends the task that sends messages to it
        with suppress(Exception):
            worker.queue.close()
        self._news()

    # The list of workers.

    async def _look(self) -> None:
        """Add new workers, remove lost ones, and check that the scheduler responds."""
        alone = 0.0
        try:
            while True:
                await self._look_once()
                alone = 0.0 if self._workers or not self._begun else alone + LOOK
                if alone > PATIENCE:
                    self.stop(Failure(Reason.CLUSTER_LOST, "all workers were lost, and no other one joined"))
                self._news()
                await anyio.sleep(LOOK)
        except Failure as trouble:
            self.stop(trouble)
        except Exception as error:  # noqa: BLE001 - whatever Dask raises, the scheduler does not respond
            self.stop(_away(self._address, error))
            for each in [*self._workers.values()]:
                self._without(each)
        self._news()

    async def _look_once(self) -> None:
        with anyio.fail_after(ANSWER):
            threads: dict[str, int] = await self._client.nthreads()
        for each in [*self._workers.values()]:
            if each.address not in threads and not each.lost:
                each.lost = self._any_lost = True
                self._roster.dismissed(each.key)  # it must not cost videos that it never started
                self._tasks.start_soon(self._lose, each)
            elif each.future is not None and each.future.status == "error":
                fault = await each.future.exception()
                self._gone(each, Failure(Reason.NOT_READY, f"{type(fault).__name__}: {fault}"))
        known = {each.address for each in self._workers.values()} | self._left
        new = [address for address in threads if address not in known]
        if new and not self._over:
            await self._take_on(new)

    async def _take_on(self, addresses: list[str]) -> None:
        with anyio.fail_after(ANSWER):
            told = await self._client.scheduler.identity(n_workers=-1)
        for address in addresses:
            declared: dict[str, Any] = told["workers"].get(address, {}).get("resources", {})
            lanes = {name: declared[name] for name in (bench.DOWNLOADS, bench.ENCODES) if name in declared}
            if min(lanes.values(), default=1) < 1:  # one of its lanes has no slots
                self._left.add(address)
                continue
            key = f"hdtf_async-{self._run}-{secrets.token_hex(4)}"
            path = self._directory.out / WORKERS / key
            with atomic.os_errors_as_failures(path):
                await run_sync(make_worker_file, path)
            with anyio.fail_after(ANSWER):  # for each of them: a thousand take longer than that
                worker = Hired(address, key, await Queue(key, client=self._client))
            self._workers[key] = worker
            setup = Setup(key, self._run, self._directory.out.absolute(), self._options, own_version())
            # No other worker can do it, and it is not repeated: remaining videos are assigned again.
            worker.future = self._client.submit(
                bench.tend,
                setup,
                key=key,
                workers=[address],
                allow_other_workers=False,
                pure=False,
                resources=lanes,
            )
            self._tasks.start_soon(worker.post)

    async def _lose(self, worker: Hired) -> None:
        """Remove a worker that died, once its children have ended, so that nothing else writes its files."""
        if worker.future is not None:
            with suppress(Exception):
                await worker.future.cancel()
        with anyio.move_on_after(PATIENCE):
            while not await run_sync(release_worker, self._directory.out / WORKERS / worker.key):  # noqa: ASYNC110
                await anyio.sleep(0.1)
        words = f"worker {worker.address} died while processing it"
        again, given_up = self._roster.lost(worker.key)
        for work in again:
            self._events.emit(Retrying(work.stem, Reason.WORKER_LOST, words, 0.0, work.attempt))
        for work in given_up:
            await self._give_up(work, Failure(Reason.WORKER_LOST, words))
        self._without(worker)

    async def _give_up(self, work: VideoJob, failure: Failure) -> None:
        self._events.emit(
            VideoFailed(work.stem, work.youtube_id, failure.reason, failure.words, len(work.clips))
        )
        try:
            await self._directory.append(*(failure_record(clip, failure) for clip in work.clips))
        except Failure as trouble:
            self.stop(trouble)
        for clip in work.clips:
            self._events.emit(ClipFailed(clip.stem, failure.reason, failure.words, with_video=True))


@asynccontextmanager
async def crew(
    scheduler: str | Client,
    options: Options,
    directory: OutputDirectory,
    events: EventBus,
    finish: anyio.Event,
) -> AsyncIterator[Crew]:
    """Use all workers of a cluster for a run in a directory that they share.

    If `finish` is set meanwhile, it waits for none of them.

    Raises `Failure` if the scheduler does not respond, there is no worker, or one is unsuitable.
    """
    address = scheduler if isinstance(scheduler, str) else scheduler.scheduler.address
    security = None if isinstance(scheduler, str) else scheduler.security
    client = Client(address, asynchronous=True, set_as_default=False, security=security, timeout=ANSWER)
    try:
        try:
            await client
        except Exception as error:  # noqa: BLE001 - including a missing protocol or certificate
            raise _away(address, error) from None
        with unwrap_exception_group():
            async with anyio.create_task_group() as group:
                made = Crew(client, options, directory, events)
                group.start_soon(made.serve)
                try:
                    await made.begin(finish)
                    yield made
                finally:
                    with anyio.CancelScope(shield=True):
                        await made.end()
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(ANSWER), suppress(Exception):
            await client.close()


def _away(address: str, error: BaseException) -> Failure:
    return Failure(Reason.CLUSTER_LOST, f"{address}: {error or type(error).__name__}")
