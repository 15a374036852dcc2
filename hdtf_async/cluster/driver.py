"""The driver of a run on a Dask cluster: Dask schedules, and the results are collected here.

It has the interface of `pipeline.Pipeline`. Each worker gets one task that serves the run (`worker.serve`),
and with that a resource of Dask, of which each video needs one. There are as many tasks of videos as workers
can take (`Window`). If a worker dies, Dask runs its videos again on another one.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync
from distributed import Client
from distributed.client import FutureCancelledError

from hdtf_async.cluster import worker
from hdtf_async.core.events import WindingDown
from hdtf_async.core.exceptions import StoreError, unwrap_exception_group
from hdtf_async.core.failures import Action, Failure, Reason
from hdtf_async.core.system import own_version
from hdtf_async.lanes.collector import Collector
from hdtf_async.lanes.pipeline import WIND_DOWN
from hdtf_async.lanes.video_worker import FINISH, Setup
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.locks import make_worker_file
from hdtf_async.output.object_store.directory import for_workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from anyio.abc import TaskGroup
    from distributed import Future

    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.context import RunContext

POLL_INTERVAL = 0.5  # seconds between two queries of the scheduler
RPC_TIMEOUT = 20.0  # seconds that the scheduler may take to answer
STARTUP_WAIT = 30.0  # seconds to wait until all workers are ready at the start
NO_WORKER_TIMEOUT = 120.0  # seconds to wait for a worker whenever there is none
SHUTDOWN_TIMEOUT = 60.0  # seconds that workers may take to end what runs
TRIES = Reason.WORKER_LOST.advice.tries  # workers that die with a video before it is given up
LANES = ("downloads", "encodes")  # resources that a worker can declare: the sizes of its lanes


@dataclass(slots=True, eq=False)
class _Flight:
    """A video in progress."""

    job: VideoJob  # with the clips that are left
    future: Future | None = None
    losses: int = 0
    words: str = ""  # how it was lost the last time


class Cluster:
    """The workers of a cluster at work on a run. Made by `connected`."""

    def __init__(self, client: Client, run: RunContext, tasks: TaskGroup) -> None:
        self.stopped: Failure | None = None
        """Why the run had to end early."""
        self.closed: Failure | None = None
        """Why no further download starts."""
        self.results = Collector(run, tasks, self._send)
        self._client, self._run, self._tasks = client, run, tasks
        self._name = f"hdtf_async-{secrets.token_hex(4)}"
        self._out, self._options = for_workers(run.directory, run.options)
        self._workers: dict[str, Future] = {}  # address of each worker to its task that serves the run
        self._unfit: set[str] = set()  # addresses of workers that take no videos
        self._flights: dict[str, _Flight] = {}  # by the stem of the video
        self._numbers = count(1)
        self._begun = self._over = False
        self._whole, self._changed = anyio.CancelScope(), anyio.Event()

    async def run(self, jobs: Iterable[VideoJob], finish: anyio.Event | None = None) -> None:
        """Have all videos processed. Return when all were tried, or the run was stopped or wound down."""
        self._begun, window = True, self.results.window
        with self._whole:
            async with anyio.create_task_group() as background:
                background.start_soon(self._wind_down, finish or anyio.Event())
                async with anyio.create_task_group() as videos:
                    for job in jobs:
                        await self._until(lambda: window.is_open)
                        if self._over:
                            break
                        window.begin(job.stem)
                        videos.start_soon(self._process, job)
                background.cancel_scope.cancel()

    def stop(self, trouble: Failure) -> None:
        """End the run."""
        self.stopped = self.stopped or trouble
        self._end()
        self._whole.cancel()

    async def _until(self, condition: Callable[[], object]) -> None:
        """Wait until something holds, or nothing more starts."""
        while not self._over and not condition():
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _end(self) -> None:
        """Start nothing more."""
        self._over = True
        self.results.finish()
        self._wake()

    async def _process(self, job: VideoJob) -> None:
        """Have a video processed until each of its clips has a record."""
        flight = self._flights[job.stem] = _Flight(job)
        try:
            while flight.job.clips and flight.losses < TRIES:
                await self._until(lambda: self.results.window.has_workers)
                if self._over:
                    return
                await self._submit(flight)
            if flight.job.clips:
                await self.results.give_up(flight.job, Failure(Reason.WORKER_LOST, flight.words))
        except Failure as trouble:
            self.stop(trouble)
        finally:
            self.results.end(job)
            del self._flights[job.stem]
            self._wake()

    async def _submit(self, flight: _Flight) -> None:
        """Have Dask process a video, and collect the result. Raises `Failure`."""
        known = await self.results.begin(flight.job)
        key = f"hdtf_video-{flight.job.stem}-{self._name}.{next(self._numbers)}"
        task = (worker.process, self._name, key, flight.job, known)
        # Before tasks that wait for the lanes' resources: Dask would begin none that waits after them.
        flight.future = self._client.submit(*task, key=key, resources={self._name: 1}, priority=1, pure=False)
        try:
            records = await flight.future
        except FutureCancelledError:
            return
        except Exception as error:  # noqa: BLE001 - Dask has lost too many workers with it, or cannot run it
            flight.losses, flight.words = TRIES, f"{type(error).__name__}: {error}"
            return
        finally:
            flight.future.release()
        if records is not None:  # else the worker has cancelled it
            flight.job = await self.results.add(flight.job, records)

    async def _wind_down(self, finish: anyio.Event) -> None:
        await finish.wait()
        self._run.events.emit(WindingDown(self.results.encodes, WIND_DOWN))
        self._end()
        with anyio.move_on_after(RPC_TIMEOUT):  # a worker may not answer
            await self._send(None, FINISH)
        await anyio.sleep(WIND_DOWN)
        self._whole.cancel()

    async def begin(self, finish: anyio.Event) -> None:
        """Wait for workers. Raises `Failure` if none becomes ready, or a worker cannot run this version."""
        self._client.subscribe_topic(self._name, self._on_worker_events)
        self._client.subscribe_topic("all", self._on_scheduler_event)
        self._tasks.start_soon(self._watch)
        latest, window = anyio.current_time() + STARTUP_WAIT, self.results.window
        while self.stopped is None and not finish.is_set():
            if window.has_workers and (len(window) == len(self._workers) or anyio.current_time() > latest):
                return
            with anyio.move_on_after(POLL_INTERVAL):
                await self._changed.wait()
        if self.stopped is not None:
            raise self.stopped

    async def _watch(self) -> None:
        """Take on workers that join. End the run if the scheduler does not answer, or no worker is left."""
        alone, address = 0.0, self._client.scheduler.address
        try:
            while True:
                with anyio.fail_after(RPC_TIMEOUT):
                    found = await self._find_workers()
                for each in found.items():  # taking on a thousand of them takes longer
                    await self._take_on(*each)
                alone = 0.0 if self._workers else alone + POLL_INTERVAL
                if alone > NO_WORKER_TIMEOUT:
                    self.stop(Failure(Reason.CLUSTER_LOST, f"{address}: no workers"))
                await anyio.sleep(POLL_INTERVAL)
        except Exception as error:  # noqa: BLE001 - whatever Dask raises if the scheduler does not answer
            self.stop(error if isinstance(error, Failure) else _lost(address, error))

    async def _find_workers(self) -> dict[str, dict[str, float]]:
        """Return new workers by address, with their resources; resubmit the videos that wait for a worker."""
        if self._over or not self.results.window.has_workers:
            # Dask does not reconsider waiting tasks when a worker gets the resource later: cancel them,
            # so that `_process` submits them again.
            assigned = {key for keys in (await self._client.processing()).values() for key in keys}
            waiting = [flight.future for flight in self._flights.values() if flight.future is not None]
            left = [each for each in waiting if each.status == "pending" and each.key not in assigned]
            self._tasks.start_soon(self._client.cancel, left)
        new = {*await self._client.nthreads()} - {*self._workers} - self._unfit
        if self._over or not new:
            return {}
        identities: dict[str, Any] = (await self._client.scheduler.identity(n_workers=-1))["workers"]
        return {address: identities[address]["resources"] for address in new & identities.keys()}

    async def _take_on(self, address: str, declared: dict[str, float]) -> None:
        """Have a worker serve the run. Dask gives the resources of its lanes to no other task meanwhile."""
        lanes: dict[str, Any] = {name: int(declared[name]) for name in LANES if name in declared}
        if min(lanes.values(), default=1) < 1:
            self._unfit.add(address)
            return
        key = f"hdtf_worker-{self._name}.{next(self._numbers)}"
        if isinstance(self._out, Path):
            with os_errors_as_failures(self._out):
                await run_sync(make_worker_file, self._out, key)
        setup = Setup(key, self._out, replace(self._options, **lanes), own_version())
        task = (worker.serve, self._name, setup)
        future = self._client.submit(*task, key=key, workers=[address], resources=lanes, pure=False)
        self._workers[address] = future
        self._tasks.start_soon(self._serve, address, future)

    async def _serve(self, address: str, future: Future) -> None:
        """Wait until a worker ends its task, which it does only if something is wrong."""
        try:
            await future
        except FutureCancelledError:
            if self._workers.get(address) is future and not self._over:
                self.stop(Failure(Reason.CLUSTER_LOST, "the scheduler has dropped the tasks of this run"))
        except Exception as error:  # noqa: BLE001 - its own, or Dask cannot run the task
            other = Failure(Reason.NOT_READY, f"{type(error).__name__}: {error}")
            self._withdraw(address, error if isinstance(error, Failure) else other)

    def _withdraw(self, address: str, why: Failure) -> None:
        """Stop using a worker; end the run if it was the last one."""
        self._unfit.add(address)
        self.results.withdraw(address)
        failure = Failure(why.reason, f"worker {address}: {why.words}")
        if not self._begun:  # a person should look at it before anything is done
            self.stop(failure)
        elif self._workers.keys() <= self._unfit:
            if why.reason.advice.action is not Action.CLOSE:
                self.stop(failure)
            self.closed = self.closed or failure
            self._end()

    def _on_scheduler_event(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take an event of the scheduler: a worker is gone. Dask runs its tasks again on others."""
        message, address = event[1], event[1].get("worker", "")
        if message.get("action") != "remove-worker" or address not in self._workers:
            return
        self._tasks.start_soon(self._client.cancel, [self._workers.pop(address)])
        self.results.gone(address)
        for flight in self._flights.values():
            if flight.future is not None and flight.future.key in message["processing-tasks"]:
                flight.losses += not message["expected"]
                flight.words = f"worker {address} died while processing it"
                if flight.losses < TRIES:
                    self.results.lost(flight.job, flight.words)
                else:
                    self._tasks.start_soon(self._client.cancel, [flight.future])
        self._wake()

    def _on_worker_events(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take the events that a worker has sent."""
        for address, why in self.results.receive(event[1], self._workers):
            self._withdraw(address, why)
        if self.results.closed is not None and not self._over:
            self.closed = self.results.closed
            self._end()
        self._wake()

    async def _send(self, address: str | None, message: object) -> dict[str, bool]:
        """Send a message to the plugin of one worker, or of all; return which of them have one."""
        to = [*self._workers] if address is None else [address]
        send = partial(self._client.run, worker.tell, self._name, message)
        with suppress(Exception):  # the worker is gone, or the scheduler is
            return {**await send(workers=to, on_error="ignore")}
        return {}

    async def end(self) -> None:
        """Have the workers end what runs, and return then. Must not be cancelled."""
        self._end()
        timeout = SHUTDOWN_TIMEOUT if self._client.status == "running" else 0
        with anyio.move_on_after(timeout), suppress(Exception):
            serving = await self._send(None, worker.STOP)
            for address, future in self._workers.items():
                if not serving.get(address):
                    await self._client.cancel([future])
                with suppress(Exception):
                    await future
            self._client.unsubscribe_topic(self._name)
            self._client.unsubscribe_topic("all")
        with suppress(Failure, StoreError):  # the next run does it
            await self.results.close()


@asynccontextmanager
async def connected(scheduler: str | Client, run: RunContext) -> AsyncIterator[Cluster]:
    """Have the workers of a cluster ready for a run. Its end waits until they have ended what runs.

    Raises `Failure`: the scheduler does not answer, there is no worker, or one is not fit for it.
    """
    address = scheduler if isinstance(scheduler, str) else scheduler.scheduler.address
    security = None if isinstance(scheduler, str) else scheduler.security
    client = Client(address, asynchronous=True, set_as_default=False, security=security, timeout=RPC_TIMEOUT)
    try:
        try:
            await client
        except Exception as error:  # noqa: BLE001 - also if a protocol or a certificate is missing
            raise _lost(address, error) from None
        with unwrap_exception_group():
            async with anyio.create_task_group() as tasks:
                cluster = Cluster(client, run, tasks)
                try:
                    await cluster.begin(run.finish)
                    yield cluster
                finally:
                    with anyio.CancelScope(shield=True):
                        await cluster.end()
                    tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(RPC_TIMEOUT), suppress(Exception):
            await client.close()


def _lost(address: str, error: BaseException) -> Failure:
    return Failure(Reason.CLUSTER_LOST, f"{address}: {error or type(error).__name__}")
