"""Whether YouTube can be reached: the target of the connection, and the message if it fails."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hdtf_async import Options
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.process.guard import UNGUARDED
from hdtf_async.youtube import reachability

MOCK = ("--extractor-args", "youtube:innertube_host=127.0.0.1:4433;player_skip=js")


@pytest.mark.parametrize(
    ("options", "environment", "target"),
    [
        (Options(), {}, ("www.youtube.com:443", "www.youtube.com", 443)),
        (Options(yt_dlp_args=MOCK), {}, ("127.0.0.1:4433", "127.0.0.1", 4433)),
        (Options(proxy="http://me:secret@proxy:3128"), {}, ("the proxy proxy:3128", "proxy", 3128)),
        (Options(proxy="socks5://[::1]"), {}, ("the proxy ::1:1080", "::1", 1080)),
        (Options(), {"https_proxy": "proxy:3128"}, ("the proxy proxy:3128", "proxy", 3128)),
        (Options(), {"https_proxy": "proxy:3128", "no_proxy": "*"}, None),
        (Options(yt_dlp=Path("/bin/true")), {}, None),
    ],
)
def test_the_target_is_what_yt_dlp_connects_to(
    options: Options, environment: dict[str, str], target: tuple[str, str, int] | None
) -> None:
    """YouTube, the proxy or the mock server; nothing if that is uncertain, and never a password."""
    assert reachability.target_of(options, environment) == target


async def test_a_connection_is_enough() -> None:
    """No request is made."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        await reachability.require(Options(proxy=f"http://127.0.0.1:{server.getsockname()[1]}"), UNGUARDED)


@pytest.mark.parametrize(
    ("proxy", "cause"),
    [
        ("http://127.0.0.1:9", "connection to the proxy 127.0.0.1:9 refused"),
        ("http://no-such-host.invalid:3128", "cannot resolve no-such-host.invalid"),
    ],
)
async def test_without_a_connection_the_cause_is_named(proxy: str, cause: str) -> None:
    """It is the whole message, and the reason closes the network lane."""
    with pytest.raises(Failure) as failed:
        await reachability.require(Options(proxy=proxy), UNGUARDED)
    assert (failed.value.reason, failed.value.words) == (Reason.UNREACHABLE, cause)


async def test_a_server_that_never_answers_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A firewall that drops packets takes no longer than the deadline."""
    monkeypatch.setattr(reachability, "DEADLINE", 0.5)
    monkeypatch.setattr(reachability, "_PROGRAM", "import time; time.sleep(60)")
    with pytest.raises(Failure, match=r"connection to the proxy 192\.0\.2\.1:3128 timed out"):
        await reachability.require(Options(proxy="http://192.0.2.1:3128"), UNGUARDED)
