"""The driver of a run on a Dask cluster: Dask schedules, this side collects the results.

It has the interface of `pipeline.Pipeline`. Each worker gets one task that serves the run (`worker.serve`), and
with that a resource of Dask, of which each video needs one. There are as many tasks of videos as the workers can
take (`Window`). If a worker dies, Dask runs its videos again on another one.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync
from distributed import Client
from distributed.client import FutureCancelledError

from hdtf_async.cluster import worker as workers
from hdtf_async.core.events import RawReady, Retrying, WindingDown
from hdtf_async.core.exceptions import unwrap_exception_group
from hdtf_async.core.failures import Action, Failure, Reason
from hdtf_async.core.model import PaceScope
from hdtf_async.core.system import own_version
from hdtf_async.lanes.collector import Collector
from hdtf_async.lanes.pipeline import WIND_DOWN
from hdtf_async.lanes.remote_throttle import Admissions, LaneUse
from hdtf_async.lanes.throttle import Pacing
from hdtf_async.lanes.video_server import DECODER, FINISH, Ready, Setup, Withdrawn
from hdtf_async.lanes.window import Window
from hdtf_async.output.locks import make_worker_file
from hdtf_async.output.object_store.directory import for_workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from anyio.abc import TaskGroup
    from distributed import Future

    from hdtf_async.core.events import Event
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.context import RunContext

LOOK = 0.5
"""Seconds between two looks at which workers there are."""
ANSWER = 20.0
"""Seconds within which the scheduler must answer."""
AT_FIRST, PATIENCE = 30.0, 120.0
"""Seconds to wait until the first workers are ready, and for a worker if there is none."""
LEAVE = 60.0
"""Seconds that workers may take to end what runs."""
TRIES = Reason.WORKER_LOST.advice.tries
"""Workers that die with a video before it is given up."""
LANES = ("downloads", "encodes")
"""Resources that a worker can declare: the sizes of its lanes."""


@dataclass(slots=True, eq=False)
class _Worker:
    future: Future
    """The task that serves the run."""
    is_ready: bool = False
    why: Failure | None = None
    """Why it takes no more videos."""


@dataclass(slots=True, eq=False)
class _Flight:
    video: VideoJob
    """What is left of a video in progress."""
    key: str = ""
    future: Future = None
    losses: int = 0
    """Workers that died with it."""
    words: str = ""


class Cluster:
    """The workers of a cluster at work on a run. Made by `connected`."""

    def __init__(self, client: Client, run: RunContext, tasks: TaskGroup) -> None:
        self.stopped: Failure | None = None
        """Why the run had to end early."""
        self.closed: Failure | None = None
        """Why no further download starts."""
        self.versions: dict[str, str] = {}
        """Tool to version, of the first worker."""
        self._client, self._run, self._tasks = client, run, tasks
        self._name = f"hdtf_async-{secrets.token_hex(4)}"
        self._out, self._options = for_workers(run.directory, run.options)
        self._results, self._window = Collector(run), Window()
        self._workers: dict[str, _Worker] = {}
        self._unfit: set[str] = set()
        """Addresses of workers that are not used."""
        self._flights: dict[str, _Flight] = {}
        """By the stem of the video."""
        self._numbers = count(1)
        self._begun = self._over = False
        self._whole, self._changed = anyio.CancelScope(), anyio.Event()
        self._lane: Admissions | None = None
        if run.options.pace_scope is PaceScope.CLUSTER:
            pacing = Pacing(pace=run.options.pace, cool_down=run.options.cool_down)
            self._lane = Admissions(pacing, run.events, tasks, self._tell)

    async def run(self, works: Iterable[VideoJob], finish: anyio.Event | None = None) -> None:
        """Have all videos processed. Return when all were tried, or the run was stopped or wound down."""
        self._begun = True
        with self._whole:
            async with anyio.create_task_group() as beside:
                beside.start_soon(self._wind_down, finish or anyio.Event())
                async with anyio.create_task_group() as videos:
                    for video in works:
                        await self._until(lambda: self._window.is_open)
                        if self._over:
                            break
                        self._window.begin(video.stem)
                        videos.start_soon(self._process, video)
                beside.cancel_scope.cancel()

    def stop(self, trouble: Failure) -> None:
        """End the run."""
        self.stopped = self.stopped or trouble
        self._end()
        self._whole.cancel()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds, or nothing more starts."""
        while not self._over and not condition():
            await self._changed.wait()

    def _news(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _process(self, video: VideoJob) -> None:
        """Have a video processed until each of its clips has a record."""
        flight = self._flights[video.stem] = _Flight(video)
        try:
            while flight.video.clips and flight.losses < TRIES and not self._over:
                await self._submit(flight)
                await self._until(lambda: not self._window.is_empty)
            if flight.video.clips and flight.losses >= TRIES:
                await self._results.give_up(flight.video, Failure(Reason.WORKER_LOST, flight.words))
        except Failure as trouble:
            self.stop(trouble)
        finally:
            self._results.end(video)
            self._window.end(video.stem)
            del self._flights[video.stem]
            self._news()

    async def _submit(self, flight: _Flight) -> None:
        """Have Dask process a video, and collect the result. Raises `Failure`."""
        known = await self._results.begin(flight.video)
        flight.key = f"hdtf_video-{flight.video.stem}-{self._name}.{next(self._numbers)}"
        task = (workers.process, self._name, flight.key, flight.video, known)
        flight.future = self._client.submit(*task, key=flight.key, resources={self._name: 1}, pure=False)
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
            flight.video = await self._results.add(flight.video, records)

    async def _wind_down(self, finish: anyio.Event) -> None:
        await finish.wait()
        self._run.events.emit(WindingDown(len(self._results.events.encoding), WIND_DOWN))
        self._end()
        await self._tell(None, FINISH)
        await anyio.sleep(WIND_DOWN)
        self._whole.cancel()

    def _end(self) -> None:
        """Start nothing more."""
        self._over = True
        if self._lane is not None:
            self._lane.throttle.end()
        self._news()

    async def begin(self, finish: anyio.Event) -> None:
        """Wait until workers are ready, or `finish` is set. Raises `Failure`: there are none, or one is unfit."""
        self._client.subscribe_topic(self._name, self._receive)
        self._client.subscribe_topic("all", self._notice)
        self._tasks.start_soon(self._watch)
        begun = anyio.current_time()
        while self.stopped is None and not finish.is_set():
            waited, ready = anyio.current_time() - begun, [each.is_ready for each in self._workers.values()]
            if any(ready) and (all(ready) or waited > AT_FIRST):
                return
            if not ready and waited > PATIENCE:
                raise Failure(Reason.CLUSTER_LOST, f"{self._client.scheduler.address}: no workers")
            with anyio.move_on_after(LOOK):
                await self._changed.wait()
        if self.stopped is not None:
            raise self.stopped

    async def _watch(self) -> None:
        """Take on workers that join. End the run if the scheduler does not answer, or no worker is left."""
        alone = 0.0
        try:
            while True:
                with anyio.fail_after(ANSWER):
                    present = await self._client.nthreads()
                    if new := {*present} - {*self._workers} - self._unfit:
                        await self._take_on(new)
                alone = 0.0 if self._workers or not self._begun else alone + LOOK
                if alone > PATIENCE:
                    self.stop(Failure(Reason.CLUSTER_LOST, "all workers are gone, and no other one joined"))
                await anyio.sleep(LOOK)
        except Failure as trouble:
            self.stop(trouble)
        except Exception as error:  # noqa: BLE001 - whatever Dask raises if the scheduler does not answer
            self.stop(_lost(self._client.scheduler.address, error))

    async def _take_on(self, addresses: Iterable[str]) -> None:
        told = await self._client.scheduler.identity(n_workers=-1)
        for address in addresses:
            declared: dict[str, float] = told["workers"].get(address, {}).get("resources", {})
            lanes: dict[str, Any] = {name: int(declared[name]) for name in LANES if name in declared}
            if min(lanes.values(), default=1) < 1 or self._over:
                self._unfit.add(address)
                continue
            key = f"hdtf_worker-{self._name}.{next(self._numbers)}"
            if isinstance(self._out, Path):
                await run_sync(make_worker_file, self._out, key)
            task = (
                workers.serve,
                self._name,
                Setup(key, self._out, replace(self._options, **lanes), own_version()),
            )
            future = self._client.submit(*task, key=key, workers=[address], resources=lanes, pure=False)
            self._workers[address] = _Worker(future)
            self._tasks.start_soon(self._serve, address, future)

    async def _serve(self, address: str, future: Future) -> None:
        """Wait until a worker ends its task, which it does only if something is wrong."""
        try:
            await future
        except FutureCancelledError:
            pass
        except Failure as failure:
            self._withdraw(address, failure)
        except Exception as error:  # noqa: BLE001 - Dask cannot run the task
            self._withdraw(address, Failure(Reason.NOT_READY, f"{type(error).__name__}: {error}"))

    def _withdraw(self, address: str, why: Failure) -> None:
        """Do without a worker that takes no more videos. Without the last one, the run ends."""
        if address in self._workers:
            self._workers[address].why = why
        self._run.events.emit(self._window.change(address, None))
        told = Failure(why.reason, f"worker {address}: {why.words}")
        if self._begun and why.reason.advice.action is Action.CLOSE:
            if all(each.why for each in self._workers.values()):
                self.closed = told
                self._end()
                self._cancel(*self._flights.values())
        elif not self._begun or all(each.why for each in self._workers.values()):
            self.stop(told)

    def _cancel(self, *flights: _Flight) -> None:
        self._tasks.start_soon(self._client.cancel, [flight.future for flight in flights if flight.future])

    def _notice(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take an event of the scheduler: a worker is gone, with the tasks that Dask runs again elsewhere."""
        told = event[1]
        if told.get("action") != "remove-worker" or told["worker"] not in self._workers:
            return
        address: str = told["worker"]
        self._cancel(self._workers.pop(address))
        self._results.events.left(address)
        if self._lane is not None:
            self._lane.gone(address)
        for flight in [each for each in self._flights.values() if each.key in told["processing-tasks"]]:
            self._window.begin(flight.video.stem)
            if told["expected"]:
                continue
            flight.losses, flight.words = flight.losses + 1, f"worker {address} died while processing it"
            if flight.losses < TRIES:
                video, reason = flight.video, Reason.WORKER_LOST
                self._run.events.emit(Retrying(video.stem, reason, flight.words, 0.0, video.attempt))
            else:
                self._cancel(flight)
        self._run.events.emit(self._window.change(address, None))
        if self._window.is_empty:  # Dask would not notice that another worker can take them
            self._cancel(*self._flights.values())
        self._news()

    def _receive(self, event: tuple[float, Any]) -> None:
        """Take events of a worker."""
        try:
            address, events = event[1]["worker"], [DECODER.decode(each) for each in event[1]["events"]]
        except (LookupError, TypeError, ValueError):
            logging.getLogger(__name__).warning("unreadable message", exc_info=True)
            return
        for each in events if address in self._workers else ():
            self._hear(address, each)
        self._news()

    def _hear(self, address: str, event: Event) -> None:
        match event:
            case Ready():
                self._workers[address].is_ready = True
                self.versions = self.versions or event.versions
                self._results.events.joined(address)
                self._run.events.emit(self._window.change(address, event))
            case Withdrawn():
                self._withdraw(address, Failure(event.reason, event.words))
            case LaneUse() if self._lane is not None:
                self._lane.take(address, event)
            case _:
                if isinstance(event, RawReady):
                    self._window.downloaded(event.video)
                self._results.events.take(address, event)

    async def _tell(self, address: str | None, message: object) -> dict[str, bool]:
        """Send a message to the plugin of one worker, or of all; return which of them have one."""
        addresses = [*self._workers] if address is None else [address]
        with suppress(Exception):  # it is gone, or the scheduler is
            return {
                **await self._client.run(
                    workers.tell, self._name, message, workers=addresses, on_error="ignore"
                )
            }
        return {}

    async def end(self) -> None:
        """Have the workers end what runs, and return then. Must not be cancelled."""
        self._end()
        with anyio.move_on_after(LEAVE if self._client.status == "running" else 0), suppress(Exception):
            serving = await self._tell(None, workers.STOP)
            for address, each in self._workers.items():
                if serving.get(address):
                    with suppress(Exception):
                        await each.future
                else:
                    await self._client.cancel([each.future])


@asynccontextmanager
async def connected(scheduler: str | Client, run: RunContext) -> AsyncIterator[Cluster]:
    """Have the workers of a cluster ready for a run. Its end waits until they have ended what runs.

    Raises `Failure`: the scheduler does not answer, there is no worker, or one is not fit for it.
    """
    address = scheduler if isinstance(scheduler, str) else scheduler.scheduler.address
    security = None if isinstance(scheduler, str) else scheduler.security
    client = Client(address, asynchronous=True, set_as_default=False, security=security, timeout=ANSWER)
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
        with anyio.CancelScope(shield=True), anyio.move_on_after(ANSWER), suppress(Exception):
            await client.close()


def _lost(address: str, error: BaseException) -> Failure:
    return Failure(Reason.CLUSTER_LOST, f"{address}: {error or type(error).__name__}")
