"""JavaScript for YouTube: a private cache for deno, and a test of whether yt-dlp can solve challenges.

YouTube protects its URLs with JavaScript challenges, which yt-dlp solves with deno. A deno that prints its
version may still fail to run (it reserves 32 GB of address space). So yt-dlp first solves a test challenge
with the options, the environment and the runtime of a download. `preflight` evaluates the result.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import tempfile
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core import preflight
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.preflight import Challenge, CheckResult, Status
from hdtf_async.process import supervisor
from hdtf_async.process.guard import UNGUARDED, Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from hdtf_async.core.options import Options
    from hdtf_async.youtube.ytdlp import YtDlp

CACHE = "DENO_DIR"
"""Environment variable of deno's cache directory."""
PLUGINS = Path(__file__).with_name("plugins")
"""Directory of the plugin that contains the test challenge."""
ADDRESS = "hdtf-async-challenge:test"


@asynccontextmanager
async def private_cache(guard: Guard = UNGUARDED) -> AsyncIterator[Mapping[str, str]]:
    """Provide the environment with a private cache for deno on this machine; delete the cache at the end.

    deno waits 42 s for a cache that another process has locked, and the home directory may be missing, full
    or on the network. Several deno processes share the cache of a run without waiting for each other. A
    ``DENO_DIR`` set by the user is not changed.
    """
    if os.environ.get(CACHE):
        yield {}
        return
    try:
        path = await run_sync(partial(tempfile.mkdtemp, prefix="hdtf-deno-"))
    except OSError:  # deno then works without a cache, or the test fails
        yield {}
        return
    guard.temporary(path)
    try:
        yield {CACHE: path}
    finally:
        with anyio.CancelScope(shield=True):
            await run_sync(partial(shutil.rmtree, path, ignore_errors=True))


class JavaScript:
    """Tests, at most once, whether yt-dlp can solve YouTube's JavaScript challenges with these options."""

    def __init__(self, options: Options, tool: YtDlp) -> None:
        self._options = options
        self._tool = tool
        self._lock = anyio.Lock()
        self._sign: CheckResult | None = None

    async def require(self, directory: Path) -> None:
        """Raise `Failure` with ``javascript`` if no challenge can be solved.

        If that cannot be tested, nothing is raised. `directory` must be writable; nothing is left in it.
        """
        async with self._lock:
            if self._sign is None:
                self._sign = await self.look(directory)
        if self._sign.verdict is Status.WRONG:
            raise Failure(self._sign.reason, f"{self._sign.words}. Remedy: {self._sign.remedy}")

    async def look(self, directory: Path, runtimes: tuple[str, ...] = ()) -> CheckResult:
        """Run the test and return its result; `runtimes` are those that yt-dlp reports, if queried."""
        if preflight.needs_no_player(self._options.yt_dlp_args):
            message = "not tested: --yt-dlp-args makes yt-dlp skip YouTube's player script"
            return CheckResult("JavaScript", Status.FINE, message)
        try:
            challenge = await _solve(self._tool, directory)
        except Failure as failure:
            why = (failure.words or failure.reason.advice.meaning).splitlines()[-1][:200]
            sign = preflight.of_runtimes(runtimes)
            return CheckResult(sign.subject, sign.verdict, f"{sign.words} (not tested: {why})", sign.remedy)
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        return preflight.of_challenge(
            challenge,
            address_space=None if limit == resource.RLIM_INFINITY else limit,
            has_node=not challenge.solved_by and await _has_node(),
        )


async def _solve(tool: YtDlp, directory: Path) -> Challenge:
    """Let yt-dlp solve the test challenge. Raises `Failure` if there is no result."""
    ended = await tool.extract_by_plugin(ADDRESS, PLUGINS, directory)
    try:
        found = json.loads(ended.out)["hdtf_async"]
        if "error" in found:
            raise Failure(Reason.TOOL_FAILED, f"incompatible yt-dlp: {found['error']}")
        return _read(found, ended.stderr)
    except (ValueError, KeyError, TypeError, RecursionError):
        message = ended.stderr or "yt-dlp printed no result"
        raise Failure(Reason.TOOL_FAILED, message) from None


def _read(found: Mapping[str, Any], stderr: str) -> Challenge:
    return Challenge(
        enabled=bool(found["enabled"]),
        runtimes=tuple(map(str, found["runtimes"])),
        solved_by=str(found.get("solved_by", "")),
        seconds=float(found.get("seconds", 0)),
        failed=tuple((str(name), None if error is None else str(error)) for name, error in found["failed"]),
        killed=re.search(r"returncode: -\d", stderr) is not None,
    )


async def _has_node() -> bool:
    """Whether there is a node that yt-dlp would accept."""
    node = shutil.which("node")
    if node is None:
        return False
    try:
        ended = await supervisor.run(supervisor.Command([node, "--version"], max_stdout=1 << 10), deadline=10)
    except Failure:
        return False
    version = re.match(rb"v(\d{1,4})\.", ended.out)
    return version is not None and int(version[1]) >= preflight.LEAST_NODE
