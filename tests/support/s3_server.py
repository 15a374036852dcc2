"""An S3 server on loopback, and a proxy before it that counts requests and injects faults.

The server is `moto`'s; a client that should meet faults gets the proxy's address instead of the server's.
"""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUCKET = "bucket"
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
GONE = b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"


class Fault(Enum):
    """The fault of a request."""

    CUT = "the connection breaks off in the middle of the body"
    LOST = "it is carried out, and the answer is lost"
    LATE = "it is carried out, and answered after a while"
    SLOW = "nothing answers for a while"
    GONE = "404 NoSuchKey"
    SLOW_DOWN = "503 SlowDown"
    DENIED = "403 AccessDenied"
    CONFLICT = "409 ConditionalRequestConflict: another request for the same key is under way"


CONFLICT = b"<Error><Code>ConditionalRequestConflict</Code><Message>Please retry.</Message></Error>"
_ANSWERS = {
    Fault.CONFLICT: (409, CONFLICT),
    Fault.SLOW_DOWN: (503, SLOW_DOWN),
    Fault.DENIED: (403, DENIED),
    Fault.GONE: (404, GONE),
}


@dataclass
class Front:
    """The proxy before the server."""

    server: int
    """The port of the server behind it."""
    rule: Callable[[str, str], Fault | None] = lambda _method, _key: None
    """Returns the fault of a request, by method and key."""
    seconds: float = 3.0
    """The delay of slow answers, in seconds."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and key of each request; a listing has no key."""
    port: int = 0

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables that a user would set to reach it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "hidden-from-all",
            "AWS_REGION": "us-east-1",
        }

    def counted(self) -> dict[str, int]:
        """Return how often each kind of request was made."""
        kinds: dict[str, int] = {}
        for method, key in self.asked:
            about = re.match(r"(?:.*/)?(_journal|_locks|_videos_raw)/", key)
            ending = key.rpartition(".")[2] if "." in key else ""
            what = about[1] if about else ending or "listing"
            kinds[f"{method} {what}"] = kinds.get(f"{method} {what}", 0) + 1
        return kinds

    def content(self) -> dict[str, bytes]:
        """Return all objects of the bucket; the server is a thread of this process."""
        keys = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET].keys
        return {name: key.value for name, key in keys.items()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    front: Front

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base
        """Print nothing."""

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        key = path.removeprefix(f"/{BUCKET}").removeprefix("/")
        self.front.asked.append((self.command, "" if "list-type" in query else key))
        fault = self.front.rule(self.command, "" if "list-type" in query else key)
        length = int(self.headers.get("Content-Length", 0))
        if fault is Fault.CUT:
            self.rfile.read(length // 2)
            self._break_off()
            return
        body = self.rfile.read(length)
        if fault is Fault.SLOW:
            time.sleep(self.front.seconds)
            self._break_off()
        elif fault in _ANSWERS:
            self._answer(*_ANSWERS[fault], {})
        else:
            self._forward(body, fault)

    def _forward(self, body: bytes, fault: Fault | None) -> None:
        behind = http.client.HTTPConnection("127.0.0.1", self.front.server)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        try:
            behind.request(self.command, self.path, body, headers)
            response = behind.getresponse()
            content = response.read()
        finally:
            behind.close()
        if fault is Fault.LATE:
            time.sleep(self.front.seconds)
        if fault is Fault.LOST:
            self._break_off()
        else:
            self._answer(response.status, content, dict(response.getheaders()))

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in {"content-length", "connection", "transfer-encoding", "server", "date"}:
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _break_off(self) -> None:
        """Reset the connection, as a machine does that is switched off."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - their names in the base


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: a client that was killed during a request is no error."""


@contextmanager
def in_front(server: int) -> Iterator[Front]:
    """Run the proxy before a server."""
    front = Front(server)
    handler = type("_OfThisFront", (_Handler,), {"front": front})
    with _Server(("127.0.0.1", 0), handler) as listening:
        front.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield front
        finally:
            listening.shutdown()
            thread.join()


def make_bucket(port: int) -> None:
    """Delete the bucket and create it again, empty."""
    urllib.request.urlopen(
        urllib.request.Request(f"http://127.0.0.1:{port}/moto-api/reset", method="POST")
    ).close()
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")).close()
