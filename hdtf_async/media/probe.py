"""Probe media files in a supervised child process.

The supervisor never parses untrusted media in its own process. A child does (`serve`): it reads one request
per line and forks for each; the fork reads the file with PyAV (`demux`), with the demuxer forced to the
expected container, no protocol but ``file``, and limits on memory and CPU time. A file that crashes the fork
only affects its own request.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from hdtf_async.core import os_errors
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.demux import AudioInfo, MediaInfo, glance, read, read_audio
from hdtf_async.media.framing import Part
from hdtf_async.media.timeline import Shown
from hdtf_async.process.guard import UNGUARDED, Guard
from hdtf_async.process.supervisor import Companion, own_module_argv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from hdtf_async.core.model import Interval

_MEMORY = 4 << 30
_CPU_SECONDS = 120
_DEADLINE = 180.0
_ANSWER_LIMIT = 1 << 20
_BATCH = 2000
"""Maximum number of intervals of a request: the answer has up to 300 bytes for each."""


class Prober:
    """Client of the probing child process. An async context manager: leaving it ends the child."""

    def __init__(self, guard: Guard = UNGUARDED) -> None:
        self._child = Companion(own_module_argv("hdtf_async.media.probe"), limit=_ANSWER_LIMIT, guard=guard)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._child.aclose()

    async def ready(self) -> None:
        """Send a request that needs no file, to detect a child that does not work before the first download.

        Raises `Failure` with ``tool_missing``.
        """
        question = {"path": "", "container": "", "intervals": []}
        try:
            await self._child.ask(json.dumps(question).encode(), deadline=_DEADLINE)
        except Failure as failure:
            message = f"the media reader process (PyAV) does not work: {failure.words}"
            raise Failure(os_errors.of_child(failure), message) from failure

    async def facts(self, path: Path, *, container: str, intervals: Sequence[Interval] = ()) -> MediaInfo:
        """Return what a media file of the given container contains (its file extension without the dot).

        Raises `Failure`: ``raw_unreadable`` if the file is not of that container, contains no video, exceeds
        the limits, or crashes the reader; ``timed_out`` if it cannot be read within three minutes;
        ``tool_missing`` or ``tool_failed`` if the child does not work, whatever the file.
        """
        bounds = [(each.start, each.end, None if each.rate is None else str(each.rate)) for each in intervals]
        batches = [bounds[first : first + _BATCH] for first in range(0, len(bounds), _BATCH)]
        answers = [await self._ask(path, container, batch) for batch in batches or [[]]]
        answer = answers[0]
        return MediaInfo(
            **answer
            | {
                "shown": tuple(Shown(**shown) for each in answers for shown in each["shown"]),
                "parts": tuple(
                    Part(**each | {"colours": tuple(each["colours"])}) for each in answer["parts"]
                ),
                "sound": answer["sound"] and AudioInfo(**answer["sound"]),
            }
        )

    async def sound(self, path: Path, *, container: str) -> AudioInfo:
        """Return what an audio file contains. Raises `Failure` as `facts` does."""
        return AudioInfo(**await self._ask(path, container, None))

    async def glance(self, path: Path, *, container: str) -> str:
        """Return ``video``, ``silent`` (without audio) or ``audio``, reading only the beginning of a file.

        Raises `Failure` as `facts` does. A truncated file is accepted.
        """
        answer = await self._ask(path, container, None, glance=True)
        return str(answer["holds"])

    async def _ask(
        self,
        path: Path,
        container: str,
        intervals: list[tuple[float, float, str | None]] | None,
        *,
        glance: bool = False,
    ) -> dict[str, Any]:
        question = {
            "path": os.fspath(path), "container": container, "intervals": intervals, "glance": glance,
        }  # fmt: skip
        reply = await self._child.ask(json.dumps(question).encode(), deadline=_DEADLINE)
        answer: dict[str, Any] = json.loads(reply)
        if "error" in answer:
            reason = Reason.RESOURCE_LIMIT if answer.get("limit") else Reason.RAW_UNREADABLE
            raise Failure(reason, f"{path.name}: {answer['error']}")
        return answer


def _answer(question: bytes) -> str:
    try:
        request = json.loads(question)
        path, container, intervals = request["path"], request["container"], request["intervals"]
        if request.get("glance"):
            return json.dumps({"holds": glance(path, container)})
        facts = read_audio(path, container) if intervals is None else read(path, container, intervals)
        return json.dumps(asdict(facts))
    except Exception as error:  # noqa: BLE001 - any error of a parser of untrusted bytes is an answer
        # The message only: no path, which OSErrors contain, and no exception type if it adds nothing.
        message = getattr(error, "strerror", None) or (
            str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        )
        return json.dumps({"error": message[:2000], "limit": os_errors.is_of_this_process(error)})


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        with suppress(ValueError, OSError):  # macOS supports no limit on memory
            resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _answer_in_fork(question: bytes) -> str:
    ours, theirs = os.pipe()
    fork = os.fork()
    if fork == 0:
        try:
            os.close(ours)  # or it could write for ever: a pipe breaks when its last reader has gone
            # What a library prints must not become part of the answer.
            os.dup2(2, 1)
            _limit()
            with os.fdopen(theirs, "w") as pipe:
                pipe.write(_answer(question))
        except BaseException:  # noqa: BLE001 - a fork must never become a second server
            os._exit(1)
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        answer = pipe.read(_ANSWER_LIMIT)
    code = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
    if code == 0:
        return answer
    how = signal.Signals(-code).name if code < 0 else f"code {code}"
    return json.dumps({"error": f"the reader ended with {how}"})


def serve() -> None:
    """Answer the requests on stdin until it is closed."""
    import av  # noqa: PLC0415 - once, before the forks

    av.logging.set_level(None)
    for question in sys.stdin.buffer:
        sys.stdout.write(_answer_in_fork(question) + "\n")
        sys.stdout.flush()
