"""The cause of a failed connection, and when two messages count as the same."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transcripts import FROM_YOUTUBE, FROM_YT_DLP, HINT, TOGETHER, transcripts

from hdtf_async.core.failures import Reason
from hdtf_async.process.stderr import classify, connection_cause, same_message_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTHING = "ERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response"


CONNECTIONS = """== cannot resolve www.youtube.com
HTTPSConnection(host='www.youtube.com', port=443): Failed to resolve 'www.youtube.com' ([Errno -2] Name or service not known)
== cannot resolve the server
[Errno -3] Temporary failure in name resolution
== connection to 127.0.0.1:1 refused
HTTPConnection(host='127.0.0.1', port=1): Failed to establish a new connection: [Errno 111] Connection refused
== connection to the server refused
[Errno 111] Connection refused
== connection to [2001:db8::1]:443 refused
HTTPSConnection(host='2001:db8::1', port=443): Failed to establish a new connection: [Errno 111] Connection refused
== no route to www.youtube.com
HTTPSConnection(host='www.youtube.com', port=443): Failed to establish a new connection: [Errno 113] No route to host
== no route to www.youtube.com
HTTPSConnection(host='www.youtube.com', port=443): Failed to establish a new connection: [Errno 101] Network is unreachable
== no usable source address for www.youtube.com
HTTPSConnection(host='www.youtube.com', port=443): Failed to establish a new connection: [Errno 99] Cannot assign requested address
== connection to www.youtube.com:443 timed out
(<HTTPSConnection(host='www.youtube.com', port=443) at 0x7f77ddd6d0>, 'Connection to www.youtube.com timed out. (connect timeout=20.0)')
== connection to www.youtube.com timed out
Connection to www.youtube.com timed out. (connect timeout=20.0)
== connection to the proxy 127.0.0.1:3128 refused
('Unable to connect to proxy', NewConnectionError("HTTPSConnection(host='127.0.0.1', port=3128): Failed to establish a new connection: [Errno 111] Connection refused"))
== cannot resolve the proxy nosuch.invalid
('Unable to connect to proxy', NameResolutionError("HTTPSConnection(host='nosuch.invalid', port=3128): Failed to resolve 'nosuch.invalid' ([Errno -2] Name or service not known)"))
== the proxy answered with 503
('Unable to connect to proxy', OSError('Tunnel connection failed: 503 Service Unavailable'))
== cannot connect to the proxy
('Unable to connect to proxy. Your proxy appears to only use HTTP and not HTTPS, try changing your proxy URL to be HTTP.', SSLError(SSLError(1, '[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)')))
== connection to the SOCKS proxy refused
SocksHTTPSConnection(host='www.youtube.com', port=443): Failed to establish a new connection: [Errno 111] Connection refused
== the SOCKS proxy made no connection
('[Errno 4] Host unreachable', Socks5Error(4, 'Host unreachable'))
== no TLS connection to the server
[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)
"""  # noqa: E501 - quoted as printed
"""Causes that yt-dlp prints, each under its short form."""


@pytest.mark.parametrize("piece", CONNECTIONS.split("== ")[1:])
def test_a_failed_connection_is_named(piece: str) -> None:
    """With host and port, as far as the message has them, and the error."""
    clause, cause = piece.splitlines()
    error = "ProxyError" if "to proxy" in cause or "Socks5Error" in cause else "TransportError"
    api = f"Unable to download API page: {cause} (caused by {error}({cause!r}))"
    stderr = f"WARNING: [youtube] CPCoMyuBRM0: {api}\n{NOTHING}"
    assert classify(stderr) is Reason.UNREACHABLE
    assert connection_cause(stderr) == clause


@pytest.mark.parametrize(("reason", "stderr"), transcripts(FROM_YOUTUBE + FROM_YT_DLP + TOGETHER))
def test_only_unreachable_hosts_have_a_cause(reason: Reason, stderr: str) -> None:
    """Only that reason has a cause."""
    assert bool(connection_cause(stderr)) == (reason is Reason.UNREACHABLE)


@given(st.text(), st.sampled_from(["", "ERROR: Connection refused ", "ERROR: host='a', port=1 proxyerror "]))
def test_any_text_has_a_short_cause_and_a_short_key(text: str, start: str) -> None:
    """For any text of a server: no exception, and a bounded and printable result."""
    cause, key = connection_cause(start + text), same_message_key(start + text)
    assert len(cause) < 400
    assert len(key) <= 200
    assert cause.isprintable()


ALIKE = f"""== The robot sleeps.
ERROR: [youtube] CPCoMyuBRM0: The robot sleeps.
ERROR: [youtube] -abc_DEF123: The robot sleeps.
== an id in the message
ERROR: [youtube] CPCoMyuBRM0: CPCoMyuBRM0 is odd
ERROR: [youtube] abcdefghijk: abcdefghijk is odd
== numbers
ERROR: [youtube] CPCoMyuBRM0: Wait 5 minutes
ERROR: [youtube] CPCoMyuBRM1: Wait 12 minutes
== the hint about cookies
ERROR: [youtube] CPCoMyuBRM0: Please do it. {HINT}
ERROR: [youtube] CPCoMyuBRM1: Please do it.
== the hint about reports
ERROR: [youtube] CPCoMyuBRM0: Unable to parse x; please report this issue on  https://github.com/a , filling out
ERROR: [youtube] CPCoMyuBRM1: Unable to parse x
== addresses
ERROR: Cannot read 'https://a.googlevideo.com/videoplayback?id=1' at 0x7f77ddd6d0
ERROR: Cannot read 'https://b.googlevideo.com/videoplayback?id=2' at 0x7fffffffff
== causes
ERROR: [youtube] CPCoMyuBRM0: Odd (caused by <A 1>)
ERROR: [youtube] CPCoMyuBRM0: Odd (caused by <B>)
"""  # noqa: E501 - quoted as printed


@pytest.mark.parametrize("piece", ALIKE.split("== ")[1:])
def test_the_same_message_about_two_videos_has_one_key(piece: str) -> None:
    """Ids, numbers, addresses, causes and hints make no difference."""
    _, one, other = piece.splitlines()
    assert same_message_key(one) == same_message_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ERROR: [youtube] CPCoMyuBRM0: The robot sleeps.", "ERROR: [youtube] CPCoMyuBRM0: The robot wakes."),
        ("ERROR: [youtube] CPCoMyuBRM0: Unavailable", "ERROR: [youtube] CPCoMyuBRM0: unavailable now"),
        ("ERROR: [youtube] CPCoMyuBRM0: abc unavailable", "ERROR: [youtube] CPCoMyuBRM0: abc restriction"),
    ],
)
def test_other_messages_have_other_keys(one: str, other: str) -> None:
    """Words make a difference, even if they are as long as an id."""
    assert same_message_key(one) != same_message_key(other)


def test_the_last_error_makes_the_key() -> None:
    """All of its lines, and none of the errors before it."""
    assert same_message_key("ERROR: first\nERROR: [youtube] CPCoMyuBRM0: second\nline") == "second line"


@pytest.mark.parametrize("stderr", ["", "\n", "WARNING: [youtube] x: something", "[debug] ERROR: something"])
def test_without_an_error_there_is_no_key(stderr: str) -> None:
    """Warnings and debug output have no key."""
    assert same_message_key(stderr) == ""


HTTP = b"HTTP/1.1 "


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], int]]:
    """Return a function that starts a server with one answer for any input, and returns its port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve(answer: bytes) -> int:
            threading.Thread(target=answer_all, args=(answer,), daemon=True).start()
            return int(listening.getsockname()[1])

        def answer_all(answer: bytes) -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return  # the test has ended
                with connection, suppress(OSError):  # yt-dlp may be the first to close the connection
                    connection.recv(4096)
                    connection.sendall(answer + b"\r\n\r\n" * answer.startswith(HTTP))

        yield serve
        listening.shutdown(socket.SHUT_RDWR)


LOCAL = "127.0.0.1:{}"
"""The address of the test's server."""
SECRET = "me:s3cret@"  # noqa: S105 - not a real one


@pytest.mark.parametrize(
    ("proxy", "answer", "reason", "clause"),
    [
        pytest.param(
            *(f"http://{SECRET}{LOCAL}", HTTP + b"503 No", Reason.UNREACHABLE, "the proxy answered with 503"),
            marks=pytest.mark.slow,
        ),
        (f"http://{SECRET}{LOCAL}", HTTP + b"407 Proxy Authentication Required", Reason.BAD_OPTION, ""),
        pytest.param(
            *(f"https://{SECRET}{LOCAL}", HTTP + b"400 Bad", Reason.UNREACHABLE),
            "cannot connect to the proxy",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            f"socks5h://{SECRET}{LOCAL}", b"\x05\xff", Reason.BAD_OPTION, "", marks=pytest.mark.slow
        ),
        pytest.param(
            *(
                f"socks4a://{LOCAL}",
                b"\0\x5b000000",
                Reason.UNREACHABLE,
                "the SOCKS proxy made no connection",
            ),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *(f"socks5://{LOCAL}", b"", Reason.UNREACHABLE, "no connection to the server"),
            marks=pytest.mark.slow,
        ),
        (
            f"http://{SECRET}127.0.0.1:1",
            b"",
            Reason.UNREACHABLE,
            "connection to the proxy 127.0.0.1:1 refused",
        ),
        pytest.param(
            *(f"http://{SECRET}a.invalid:1", b"", Reason.UNREACHABLE, "cannot resolve the proxy a.invalid"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_real_yt_dlp_names_a_proxy_that_does_not_work(
    answering: Callable[[bytes], int], proxy: str, answer: bytes, reason: Reason, clause: str
) -> None:
    """Its output is recognised, and the password is not part of the message."""
    address = proxy.format(answering(answer)) if "{}" in proxy else proxy
    skip = "youtube:player_skip=webpage,configs,js,initial_data;player_client=visionos"
    own = [sys.executable, "-m", "yt_dlp", "--ignore-config", "--no-update", "--extractor-retries", "0"]
    options = [
        "--socket-timeout",
        "20",
        "--extractor-args",
        skip,
        "--proxy",
        address,
        "-J",
        "--",
        "CPCoMyuBRM0",
    ]
    ended = subprocess.run([*own, *options], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert classify(ended.stderr) is reason, ended.stderr
    assert connection_cause(ended.stderr) == clause
    assert "s3cret" not in same_message_key(ended.stderr)


@pytest.mark.parametrize("indent", ["", " ", "\t", "\n", "\n  "])
def test_a_message_may_be_indented(indent: str) -> None:
    """Only after a frame of a traceback, indented lines belong to that."""
    error = "ERROR: [youtube] aaaaaaaaaaa: Private video. Sign in if you've been granted access"
    assert classify(indent + error) is Reason.PRIVATE
    frames = f'Traceback (most recent call last):\n  File "a.py", line 1\n    {error}\n\n'
    assert classify(frames) is not Reason.PRIVATE
    assert classify(frames + error) is Reason.PRIVATE


@pytest.mark.parametrize(("length", "private"), [(1450, True), (1500, False)])
def test_fifteen_hundred_characters_of_a_message_are_matched(length: int, *, private: bool) -> None:
    """It comes from a server."""
    assert (classify(f"ERROR: {'x ' * (length // 2)} Private video") is Reason.PRIVATE) is private
