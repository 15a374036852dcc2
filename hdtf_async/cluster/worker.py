"""What runs on a worker of a Dask cluster: a task that serves a run, and a task for each video.

Dask's cancel does not reach a running coroutine. So a plugin watches the states of these tasks, and cancels
what Dask does not want any more: also if the driver or the scheduler was killed. If the worker is killed, the
reaper ends its children.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
from distributed import Reschedule, WorkerPlugin, get_worker
from distributed.worker_state_machine import SecedeEvent

from hdtf_async.core.events import Downloaded, RawReady
from hdtf_async.core.exceptions import unwrap_exception_group
from hdtf_async.lanes.video_worker import VideoWorker, Withdrawn

if TYPE_CHECKING:
    from distributed import Worker

    from hdtf_async.core.events import Event
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.video_worker import Setup

STOP = "stop"
"""Message of the driver: end everything."""


async def serve(run: str, setup: Setup) -> None:
    """Process videos of a run on this worker until the driver ends that. Raises `Failure`."""
    worker = get_worker()
    plugin = RunPlugin(run, setup, worker)
    await worker.plugin_add(plugin, name=run)
    try:
        with unwrap_exception_group():
            async with anyio.create_task_group() as group:  # asyncio's cancellation ignores shields
                group.start_soon(plugin.serve)
    finally:
        await plugin.withdraw()
        await worker.plugin_remove(name=run)


async def process(run: str, task: str, video: VideoJob, records: list[Record]) -> list[Record] | None:
    """Process a video on the worker that Dask has chosen (`VideoWorker.process`)."""
    plugin: RunPlugin | None = get_worker().plugins.get(run)
    if plugin is None or plugin.withdrawn is not None:
        raise Reschedule
    return await plugin.process(task, video, records)


async def tell(run: str, message: object, dask_worker: Worker) -> bool:
    """Pass a message of the driver to the plugin of a run; return whether this worker has one."""
    plugin: RunPlugin | None = dask_worker.plugins.get(run)
    if plugin is not None:
        plugin.hear(message)
    return plugin is not None


class RunPlugin(VideoWorker, WorkerPlugin):  # type: ignore[misc] # Dask's class is untyped
    """Tools and lanes of one run on this worker."""

    def __init__(self, run: str, setup: Setup, worker: Worker) -> None:
        super().__init__(setup, self._log)
        self.events.subscribe(self._report)
        self._run, self._key, self._worker = run, setup.name, worker
        self._whole = anyio.CancelScope()

    def transition(self, key: str, start: str, finish: str, **_: object) -> None:
        """Cancel what belongs to a task that Dask does not want any more."""
        if finish == "released" and start in {"executing", "long-running"}:
            if key == self._key:
                self._whole.cancel()
            self.cancel(key)

    def hear(self, message: object) -> None:
        """Take a message of the driver."""
        super().hear(message)
        if message == STOP:
            self._whole.cancel()

    async def serve(self) -> None:
        """Have Dask send videos until cancelled. Raises `Failure`."""
        with self._whole:
            async with self.opened() as ready:
                # The tasks are coroutines: they use no threads, and shall take none from other tasks.
                self._worker.state.nthreads += 1 + ready.downloads
                try:
                    await self._worker.set_resources(**{self._run: ready.slots})
                    self.events.emit(ready)
                    await anyio.sleep_forever()
                finally:
                    self._worker.state.nthreads -= 1 + ready.downloads

    async def withdraw(self) -> None:
        """Have Dask send no more videos. Those that wait here already are rescheduled."""
        total = self._worker.state.total_resources
        if total.get(self._run) and self._worker.status.name == "running":
            total[self._run] = 0  # what is available stays, so that those that wait begin
            with suppress(OSError):
                await self._worker.set_resources()

    def _report(self, event: Event) -> None:
        """Let Dask know that this worker takes no more videos, or that it has room for another download."""
        if isinstance(event, Withdrawn):
            self._tasks.start_soon(self.withdraw)
        elif isinstance(event, Downloaded | RawReady):
            for task, seconds in self.seconds_of(event.video).items():
                name = f"hdtf_async-{time.time()}"
                self._worker.handle_stimulus(
                    SecedeEvent(key=task, compute_duration=seconds, stimulus_id=name)
                )

    def _log(self, events: str) -> None:
        self._worker.log_event(self._run, {"process": self._worker.contact_address, "events": events})
