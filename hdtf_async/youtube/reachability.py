"""Check whether YouTube, or the configured proxy, can be reached from this machine.

yt-dlp takes minutes to give up on a DNS server or a firewall that never answers. So before it is started for
the first time, and after it could not reach YouTube, a child process opens and closes a connection. Without a
connection every video would fail alike.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.process import supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hdtf_async.core.options import Options
    from hdtf_async.process.guard import Guard

DEADLINE = 7.0
"""Seconds for the connection. Five attempts with the pauses between them take less than a minute."""
_PROGRAM = (
    "import asyncio, sys\n"
    "asyncio.run(asyncio.open_connection(sys.argv[1], int(sys.argv[2]), happy_eyeballs_delay=0.25))"
)
_YOUTUBE = ("www.youtube.com", 443)
_PORTS = {"http": 80, "https": 443}
_SOCKS = 1080
_HOST = re.compile(r"innertube_host=([\w.-]+)(?::(\d{1,5}))?", re.ASCII)


async def require(options: Options, guard: Guard) -> None:
    """Raise `Failure` with ``unreachable`` and the cause if a connection cannot be made in time.

    Nothing is tested if it is uncertain what yt-dlp connects to.
    """
    target = target_of(options, os.environ)
    if target is None:
        return
    name, host, port = target
    try:
        ended = await supervisor.run(
            supervisor.Command([sys.executable, "-P", "-c", _PROGRAM, host, str(port)]),
            deadline=DEADLINE,
            guard=guard,
        )
    except Failure as failure:
        if failure.reason is not Reason.TIMED_OUT:
            raise
        raise Failure(Reason.UNREACHABLE, f"connection to {name} timed out") from failure
    if ended.code != 0:
        raise Failure(Reason.UNREACHABLE, _cause(name, host, ended.stderr))


def target_of(options: Options, environment: Mapping[str, str]) -> tuple[str, str, int] | None:
    """Return what yt-dlp connects to: a name for messages, host and port; None if that is uncertain."""
    if options.yt_dlp is not None:  # it may be a wrapper with its own route
        return None
    proxy = options.proxy
    if proxy is None:
        names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        proxy = next((environment[name] for name in names if environment.get(name)), "")
        if proxy and (environment.get("no_proxy") or environment.get("NO_PROXY")):
            return None
    if proxy:
        return _proxy(proxy)
    hosts = [match for argument in options.yt_dlp_args for match in _HOST.finditer(argument)]
    host, port = (hosts[-1][1], int(hosts[-1][2] or 443)) if hosts else _YOUTUBE
    return f"{host}:{port}", host, port


def _proxy(address: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme, _SOCKS)
    except ValueError:
        return None
    return (f"the proxy {host}:{port}", host, port) if host else None


def _cause(name: str, host: str, stderr: str) -> str:
    last = stderr.rpartition("\n")[2]
    if "gaierror" in last:
        return f"cannot resolve {host}"
    if "refused" in last.casefold():
        return f"connection to {name} refused"
    return f"no connection to {name}: {last}"
