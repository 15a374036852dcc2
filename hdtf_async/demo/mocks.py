"""Start the mock server as a child process and stop it: for the demo, the tests and the benchmarks."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import anyio

from hdtf_async.demo.answers import GOOD, Answer, Conditions, to_json
from hdtf_async.media.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from anyio.abc import Process

    from hdtf_async.core.options import Options

_HOST = "127.0.0.1"
_ROOT = Path(__file__).absolute().parents[2]
"""Directory of the package: the child must import the same package as its parent."""
_READY = 30.0
"""Maximum seconds until the child listens."""
_GRACE = 3.0
"""Seconds for the child to exit, and again after SIGTERM."""


class MockError(Exception):
    """The mock server did not start; the message contains the end of its stderr."""


@dataclass(frozen=True, slots=True)
class LightMock:
    """A running mock server, and the options that direct yt-dlp to it, all of which users can pass too."""

    player_port: int
    """Port of the player responses (https)."""
    media_port: int
    """Port of the media and of the log (http)."""
    ca: Path
    """The certificate of the temporary CA, as PEM."""
    pid: int

    @property
    def address(self) -> str:
        """Host and port of the player responses."""
        return f"{_HOST}:{self.player_port}"

    @property
    def proxy(self) -> None:
        """Value of ``--proxy``: none."""

    @property
    def yt_dlp_args(self) -> str:
        """Value of ``--yt-dlp-args``: the mock server's address instead of YouTube's, none of its pages.

        Certificates are still verified: ``no-certifi`` makes yt-dlp trust the CAs of OpenSSL, which
        `environment` sets.
        """
        skip = "player_skip=webpage,configs,js,initial_data"
        return f"--compat-options no-certifi --extractor-args 'youtube:innertube_host={self.address};{skip}'"

    @property
    def environment(self) -> dict[str, str]:
        """Environment of yt-dlp: the CA to trust, and no proxy for loopback."""
        return {"SSL_CERT_FILE": str(self.ca), "NO_PROXY": _HOST, "no_proxy": _HOST}

    def typed(self, out: Path, options: Options) -> str:
        """Return the command with which a user can run the main command against it."""
        variables = (f"  export {name}={shlex.quote(value)}\n" for name, value in self.environment.items())
        # Inside the quotes a backslash at the end of a line joins it with the next.
        handed = self.yt_dlp_args.replace(" --", " \\\n--").replace(";", ";\\\n")
        return (
            "A mock YouTube server is running: nothing is downloaded from the internet.\n"
            "In another terminal, to run the main command against it yourself:\n"
            f"{''.join(variables)}"
            f"  python -m hdtf_async --out {shlex.quote(str(out))} --pace {options.pace:g} \\\n"
            f"    --source {shlex.quote(str(options.source))} \\\n"
            f'    --yt-dlp-args="{handed}"'
        )

    async def requests(self) -> list[dict[str, Any]]:
        """Return all requests to the mock server so far, in the order of their arrival.

        Each request is a mapping with ``time`` (seconds since 1970), ``method``, ``path``, ``video``,
        ``range``, ``status``, ``sent`` (bytes of body), ``done``, and ``ordered`` (the simulated fault).
        """
        return await _log(self.media_port)


@dataclass(frozen=True, slots=True)
class FullMock:
    """A running full mock, and the options that direct yt-dlp to it, all of which users can pass too.

    yt-dlp skips nothing: pages, player script and JavaScript challenges have YouTube's format.
    """

    port: int
    """Port of the proxy, and of the log."""
    ca: Path
    """The certificate of the temporary CA, as PEM."""
    pid: int

    @property
    def address(self) -> str:
        """Host and port of the proxy."""
        return f"{_HOST}:{self.port}"

    @property
    def proxy(self) -> str:
        """Value of ``--proxy``."""
        return f"http://{self.address}"

    @property
    def yt_dlp_args(self) -> str:
        """Value of ``--yt-dlp-args``. Certificates are still verified, as with `LightMock`."""
        return "--compat-options no-certifi"

    @property
    def environment(self) -> dict[str, str]:
        """Environment of yt-dlp: the CA to trust."""
        return {"SSL_CERT_FILE": str(self.ca)}

    async def requests(self) -> list[dict[str, Any]]:
        """Return all requests to the mock so far, in the order of their arrival.

        Each request is a mapping as that of `LightMock.requests`, with the additional keys ``host``,
        ``agent``, ``client`` (yt-dlp's name of it) and ``refused`` (what was wrong with the request itself).
        A tunnel to a host that is not YouTube's is included with the method ``CONNECT``; others are not.
        """
        return await _log(self.port)


async def _log(port: int) -> list[dict[str, Any]]:
    answer = bytearray()
    async with await anyio.connect_tcp(_HOST, port) as connection:
        await connection.send(b"GET /log HTTP/1.0\r\n\r\n")
        async for part in connection:
            answer += part
    _, _, body = answer.partition(b"\r\n\r\n")
    return [json.loads(line) for line in body.splitlines()]


@asynccontextmanager
async def light_mock(
    footage: Path, answers: Mapping[str, Answer] | None = None, conditions: Conditions = GOOD
) -> AsyncIterator[LightMock]:
    """Run a mock server that serves the films in a directory; it has ended when the context exits.

    ``answers`` defines, by YouTube id, how it deviates from YouTube without failures; ``conditions`` does so
    for the whole site. Raises `MockError` if it does not start.
    """
    async with _process("site", footage, answers or {}, conditions) as (ready, ca, pid):
        yield LightMock(player_port=ready["player"], media_port=ready["media"], ca=ca, pid=pid)


@asynccontextmanager
async def full_mock(
    footage: Path, answers: Mapping[str, Answer] | None = None, conditions: Conditions = GOOD
) -> AsyncIterator[FullMock]:
    """Run a full mock, as `light_mock` runs the light one. Raises `MockError` if it does not start."""
    more = ("--ffmpeg", str(bundled_ffmpeg()))
    async with _process("proxy", footage, answers or {}, conditions, *more) as (ready, ca, pid):
        yield FullMock(port=ready["port"], ca=ca, pid=pid)


@asynccontextmanager
async def _process(
    module: str, footage: Path, answers: Mapping[str, Answer], conditions: Conditions, *more: str
) -> AsyncIterator[tuple[dict[str, Any], Path, int]]:
    """Run a module of the demo; yield its first output, its certificate and its pid."""
    with tempfile.TemporaryDirectory(prefix="hdtf-mock-") as temporary:
        directory = Path(temporary)
        ca, stderr_file, orders = directory / "ca.pem", directory / "stderr.txt", directory / "orders.json"
        await anyio.Path(orders).write_text(to_json(answers, conditions))
        with stderr_file.open("wb") as stderr, anyio.CancelScope(shield=True):
            # Shielded: a cancellation between fork and return would leave an unregistered child.
            child = await anyio.open_process(
                [
                    *(sys.executable, "-m", f"hdtf_async.demo.{module}"),
                    *("--footage", str(await anyio.Path(footage).absolute()), "--ca", str(ca)),
                    *("--orders", str(orders), *more),
                ],
                stdin=PIPE,
                stdout=PIPE,
                stderr=stderr,
                # Not the caller's directory, which may contain another package of that name.
                cwd=_ROOT,
                start_new_session=True,
            )
        try:
            yield await _ready(child, stderr_file), ca, child.pid
        finally:
            with anyio.CancelScope(shield=True):
                await _end(child)


async def _ready(child: Process, stderr_file: Path) -> dict[str, Any]:
    line = bytearray()
    with anyio.move_on_after(_READY), suppress(anyio.EndOfStream):
        while child.stdout is not None and not line.endswith(b"\n"):
            line += await child.stdout.receive()
    if not line.endswith(b"\n"):
        output = await anyio.Path(stderr_file).read_text(errors="replace")
        raise MockError(f"the mock server did not start: {output[-2000:] or 'no output'}")
    ready: dict[str, Any] = json.loads(line)
    return ready


async def _end(child: Process) -> None:
    if child.stdin is not None:
        with suppress(OSError, anyio.BrokenResourceError):
            await child.stdin.aclose()
    for sign in (None, signal.SIGTERM, signal.SIGKILL):
        if sign is not None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, sign)
        with anyio.move_on_after(_GRACE):
            await child.wait()
            break
    await child.aclose()
