"""What runs on a worker of a cluster: one task for one run, on the worker's own loop.

It gets ready as a run on one machine does, and then asks the driver for videos, as many at a time as its
lanes have slots. Each is the unit that it is everywhere (`Toolchain.one_video`). A record is the driver's to
write: whatever is built upon one here waits until the driver has it on the disk.

Dask's cancel takes a task off the books and does not reach a coroutine that runs. So the task looks at its
own state in the worker: once it is not wanted any more (cancelled, its client gone, the worker closing), all
that it has started is ended as in any cancelled run. If the worker itself is killed, its sentinel does that.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync
from distributed import Client, Queue, get_worker

from hdtf_async.cluster.channel import Wire
from hdtf_async.cluster.messages import failure_of, stated_failure, work_of
from hdtf_async.core import descriptors
from hdtf_async.core.events import EventBus
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import PaceScope
from hdtf_async.core.system import own_version
from hdtf_async.lanes.context import RunContext
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.throttle import Pacing, Permit, Throttle
from hdtf_async.lanes.toolchain import open_toolchain
from hdtf_async.lanes.user_videos import find_user_videos
from hdtf_async.output.directory import OutputDirectory
from hdtf_async.output.journal import Gathered, JournalIndex
from hdtf_async.output.locks import WORKERS, worker_lock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from distributed import Worker

    from hdtf_async.cluster.messages import Setup
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.options import Options
    from hdtf_async.lanes.toolchain import Toolchain

LOOK = 0.1
"""Seconds between two looks at whether the task is still wanted."""
DOWNLOADS, ENCODES = "downloads", "encodes"
"""Resources that a worker may declare: the widths of its lanes."""


async def tend(setup: Setup) -> None:
    """Do videos of a run on this worker until there are no more."""
    worker = get_worker()
    wire = Wire(lambda said: worker.log_event(setup.topic, {"from": setup.key, "said": said}))
    why: Failure | None = Failure(Reason.FAULT, "it ended without a word")
    try:
        async with Client(
            worker.scheduler.address, asynchronous=True, set_as_default=False, security=worker.security
        ) as client:
            why = await _tend(setup, worker, wire, await Queue(setup.key, client=client))
    except Exception as error:
        why = Failure(Reason.FAULT, f"{type(error).__name__}: {error}")
        raise
    finally:
        # All that it has started is over by now, and its lock is free: the driver counts on that.
        wire.say("gone", why=stated_failure(why))
        wire.flush()


async def _tend(setup: Setup, worker: Worker, wire: Wire, queue: Queue) -> Failure | None:
    bench = _Bench(setup, wire, _declared(worker, setup.options))

    async def watch(whole: anyio.CancelScope) -> None:
        try:
            while _is_wanted(worker, setup.key):  # noqa: ASYNC110 - nothing tells a task
                await anyio.sleep(LOOK)
        finally:
            wire.cut()  # a record is waited for under a shield
        whole.cancel()

    async def hear() -> None:
        while True:
            for told in json.loads(await queue.get()):
                if "finish" in told:
                    bench.finish.set()
                else:
                    wire.answered(told["ask"], told["answer"])

    async with anyio.create_task_group() as group:
        group.start_soon(watch, group.cancel_scope)
        group.start_soon(wire.carry)
        group.start_soon(hear)
        try:
            await bench.work()
        except Failure as failure:
            bench.why = failure
        group.cancel_scope.cancel()
    return bench.why


def _is_wanted(worker: Worker, key: str) -> bool:
    """Whether the task that runs under this key is to go on."""
    task = worker.state.tasks.get(key)
    return task is not None and task.state == "executing" and not worker.status.name.startswith("clos")


def _declared(worker: Worker, options: Options) -> Lanes:
    """Return the lanes of a worker: as wide as it declares, or else as the options say for each of them."""
    told: dict[str, float] = worker.state.total_resources
    usual = Lanes.of(options)  # its CPUs are this machine's
    return Lanes(
        anyio.CapacityLimiter(int(told.get(DOWNLOADS, usual.network.total_tokens))),
        anyio.CapacityLimiter(int(told.get(ENCODES, usual.encodes.total_tokens))),
    )


class _Bench:
    """One run's place on this worker."""

    def __init__(self, setup: Setup, wire: Wire, lanes: Lanes) -> None:
        self.finish = anyio.Event()
        self.why: Failure | None = None
        """Why nothing more should be sent here."""
        self._setup = setup
        self._wire = wire
        self._lanes = lanes

    async def work(self) -> None:
        """Get ready, say so, and do videos. Raises `Failure` where it cannot get ready."""
        setup, options, events = self._setup, self._setup.options, EventBus()
        if setup.version != own_version():
            raise Failure(
                Reason.NOT_READY, f"it has hdtf-async {own_version()}, and the driver {setup.version}"
            )
        events.subscribe(self._wire.tell)
        with _lock(setup) as lock:
            ledger = _Posted(JournalIndex(setup.out), self._wire)
            directory = OutputDirectory(setup.out, (lock,), ledger)
            own = await run_sync(find_user_videos, options.raw_dirs)
            throttle = None
            if options.pace_scope is PaceScope.CLUSTER:
                throttle = _SharedThrottle(self._lanes, self._wire, events)
            async with open_toolchain(
                RunContext(options, directory, self._lanes, events, own, self.finish), throttle=throttle
            ) as toolchain:
                await toolchain.get_ready(())  # which videos come is not known yet
                self._wire.say("ready", versions=toolchain.versions)
                async with anyio.create_task_group() as slots:
                    for _ in range(self._lanes.slots):
                        slots.start_soon(self._slot, toolchain, ledger, slots.cancel_scope)

    async def _slot(self, toolchain: Toolchain, ledger: _Posted, whole: anyio.CancelScope) -> None:
        """Ask for one video after the other."""
        while self.why is None:
            try:
                order = await self._wire.ask("next")
            except OSError:  # nobody is there any more
                return
            if order is None:
                return
            work = work_of(order["work"])
            for record in order["records"]:
                ledger.known.add(record)
            _, why = await toolchain.one_video(work, ledger, self.finish)
            self._wire.say("done", video=work.youtube_id, why=stated_failure(why))
            self.why = self.why or why
            if why is not None and why.reason.advice.stops:
                whole.cancel()


class _Posted(Gathered):
    """Keeps a video's records once the driver has written them."""

    def __init__(self, known: JournalIndex, wire: Wire) -> None:
        super().__init__(known)
        self._wire = wire

    async def append(self, records: Iterable[Record]) -> None:
        """Return when they are durable. Raises `OSError` where nobody is there to write them any more."""
        records = [*records]
        if records:
            await self._wire.ask("records", records=records)
        await super().append(records)


class _SharedThrottle(Throttle):
    """The way into the lane where all workers have one address: pace and breaker are the driver's."""

    def __init__(self, lanes: Lanes, wire: Wire, events: EventBus) -> None:
        super().__init__(lanes.network, lanes.encodes, Pacing(pace=0, cool_down=0), events)
        self._tokens = lanes.network
        self._wire = wire
        self._heard: set[int] = set()

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[Permit | None]:
        """Hold a token of this worker's, and be let in by the driver; None where it has ended."""
        async with self._tokens:
            number = self._wire.number()
            try:
                let_in: Any = await self._wire.ask("enter", turn=number)
                if let_in is not True:
                    self.over = self.over or failure_of(let_in)
                yield Permit(self, number) if let_in is True else None
            finally:
                self._heard.discard(number)
                self._wire.say("left", turn=number)

    def succeeded(self, permit: Permit) -> None:
        """Tell the driver, once."""
        if permit.closings not in self._heard:
            self._heard.add(permit.closings)
            self._wire.say("answered", turn=permit.closings)

    def rejected(self, permit: Permit, failure: Failure) -> None:
        """Tell the driver, who closes the lane for all."""
        self._wire.say("refused", turn=permit.closings, why=stated_failure(failure))


@contextmanager
def _lock(setup: Setup) -> Iterator[int]:
    """Hold the lock of this worker's file, which also shows that the directory is the driver's."""
    path = setup.out / WORKERS / setup.key
    try:
        lock = worker_lock(path)
    except OSError as error:
        raise Failure(
            Reason.NOT_READY,
            f"{path}: {error.strerror}: workers need the output directory on a file system that they share",
        ) from None
    try:
        yield lock
    finally:
        with suppress(OSError):
            descriptors.close(lock)
