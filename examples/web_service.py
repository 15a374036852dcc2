"""A run inside a web service that reports its progress and can stop it.

    pip install starlette uvicorn
    python examples/web_service.py clips
    curl -X POST http://127.0.0.1:8000/run       start or resume
    curl http://127.0.0.1:8000/run               progress
    curl -X DELETE http://127.0.0.1:8000/run     stop gracefully: running encodes finish

The run belongs to the service, not to a request: clients may disconnect and reconnect. When the service
stops, the run stops too and leaves no child process.
"""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import hdtf_async
from hdtf_async import Options, Report, Running
from hdtf_async.events import Event, RunStarted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskGroup
    from starlette.requests import Request


class Job:
    """At most one run at a time, and its progress."""

    def __init__(self, out: Path, options: Options) -> None:
        self._out = out
        self._options = options
        self._events: Running[Report] | None = None
        self._started: RunStarted | None = None
        self._kinds: Counter[str] = Counter()
        self._state = "not started"

    def begin(self, tasks: TaskGroup) -> None:
        """Start a run, unless one is active."""
        if self._state != "running":
            self._state, self._kinds, self._started = "running", Counter(), None
            tasks.start_soon(self._run)

    def end(self) -> None:
        """Stop the run gracefully."""
        if self._events is not None:
            self._events.finish()

    def progress(self) -> dict[str, object]:
        """Return the progress."""
        clips = None if self._started is None else self._started.clips
        done, failed = self._kinds["clip_done"], self._kinds["clip_failed"]
        return {"state": self._state, "clips": clips, "done": done, "failed": failed}

    async def _run(self) -> None:
        try:
            async with hdtf_async.running(self._out, self._options) as self._events:
                async for event in self._events:
                    self._take(event)
            self._state = f"ended with {self._events.report.exit_code.name.lower()}"
        except (hdtf_async.StoreError, hdtf_async.FormError, hdtf_async.TableError) as error:
            self._state = str(error)

    def _take(self, event: Event) -> None:
        self._kinds[event.type] += 1
        if isinstance(event, RunStarted):
            self._started = event


def service(out: Path, options: Options) -> Starlette:
    """Return the application."""
    job = Job(out, options)

    @asynccontextmanager
    async def alive(app: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as app.state.tasks:
            yield
            app.state.tasks.cancel_scope.cancel()

    async def run(request: Request) -> Response:
        if request.method == "POST":
            job.begin(request.app.state.tasks)
        elif request.method == "DELETE":
            job.end()
        return JSONResponse(job.progress())

    return Starlette(routes=[Route("/run", run, methods=["GET", "POST", "DELETE"])], lifespan=alive)


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(service(Path(sys.argv[1]), Options(subsets=("RD",), limit=3)))
