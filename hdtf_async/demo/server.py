"""Common parts of both modes of the mock server: log, films, and HTTP with simulated faults."""

from __future__ import annotations

import argparse
import json
import re
import ssl
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import trustme

from hdtf_async.demo.answers import GOOD, Fault, Then, from_json
from hdtf_async.demo.faults import (
    TRICKLE,
    WELL,
    Line,
    Orders,
    noise,
    piece_for,
    reset,
    wait_until_gone,
    web_page,
)
from hdtf_async.demo.film import FACTS

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Connection = socket.socket | tuple[bytes, socket.socket]

HOST = "127.0.0.1"
"""The only address on which the mock listens."""
LOG_PATH = "/log"
"""Path of the log of requests."""

_SETTLE = 1.0
"""Seconds that the log waits for active requests."""


@dataclass
class Request:
    """One line of the log."""

    time: float
    """Time of arrival, in seconds since 1970."""
    method: str
    path: str
    """With the query."""
    video: str | None = None
    range: str | None = None
    """The Range header, unchanged."""
    status: int | None = None
    sent: int = 0
    """Bytes of body sent so far."""
    done: bool = False
    ordered: str | None = None
    """The simulated fault: ``refused``, ``unplayable``, ``spent``, a status, or what replaced the rest of the
    body (``stall``)."""
    host: str | None = None
    """This and the following fields are for the full mock: the requested host."""
    client: str | None = None
    """yt-dlp's name of the client that makes the request, or to which its URL was issued."""
    refused: str | None = None
    """What was wrong with the request itself: a parameter of its URL, or of its body."""
    agent: str | None = None
    """Its User-Agent."""


class Log:
    """All requests to the mock server, in the order of their arrival."""

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self._changed = threading.Condition()

    def add(self, request: Request) -> None:
        """Add a request that has just arrived."""
        with self._changed:
            self._requests.append(request)

    def finish(self, request: Request) -> None:
        """Mark a request as finished."""
        with self._changed:
            request.done = True
            self._changed.notify_all()

    def lines(self) -> bytes:
        """Return the log as lines of JSON.

        A client may have received everything before the server's thread has recorded that: active requests
        get a moment to finish.
        """
        with self._changed:
            self._changed.wait_for(lambda: all(request.done for request in self._requests), _SETTLE)
            return b"".join(json.dumps(asdict(request)).encode() + b"\n" for request in self._requests)


@dataclass(frozen=True)
class Site:
    """The served films, their configured behaviour, and the log."""

    footage: Path
    orders: Orders
    log: Log

    def facts(self, youtube_id: str) -> dict[str, Any] | None:
        """Return the properties of a film; None if it does not exist."""
        if not re.fullmatch(r"[\w-]{11}", youtube_id, re.ASCII):
            return None
        try:
            facts: dict[str, Any] = json.loads((self.footage / youtube_id / FACTS).read_text())
        except FileNotFoundError:
            return None
        return facts

    def file(self, youtube_id: str, itag: int) -> tuple[Path, str] | None:
        """Return path and MIME type of a format; None if it does not exist."""
        for rendition in (self.facts(youtube_id) or {}).get("renditions", ()):
            if rendition["itag"] == itag:
                return self.footage / youtube_id / rendition["name"], rendition["mime"]
        return None


class UnsatisfiableRange(Exception):  # noqa: N818 - the term of RFC 9110
    """A Range header only requests bytes after the end of the file: status 416."""


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return (first byte, byte after the last) of a Range header, for a file of ``size`` bytes.

    None is the whole file: no header, or one that RFC 9110 allows a server to ignore (another unit, several
    ranges, invalid syntax). Raises `UnsatisfiableRange`.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", (header or "").strip(), re.ASCII)
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        first, stop = max(size - int(match[2]), 0), size
    else:
        first, stop = int(match[1]), int(match[2]) + 1 if match[2] else size
        if match[2] and stop <= first:
            return None
    if first >= size or first >= stop:
        raise UnsatisfiableRange
    return first, min(stop, size)


class Server(ThreadingHTTPServer):
    """One thread per connection, none of which outlives the process's main thread."""

    daemon_threads = True
    request_queue_size = 128
    site: Site

    def __init__(self, handler: type[Handler]) -> None:
        super().__init__((HOST, 0), handler)

    def handle_error(self, request: Connection, client_address: object) -> None:
        """Ignore clients that disconnect, or that do not trust the certificate."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers HTTP/1.1 requests, logs them, and interrupts responses as configured."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_: object) -> None:
        """Print nothing: the log is kept elsewhere."""

    @contextmanager
    def noted(self) -> Iterator[Request]:
        """Add a log entry for the current request."""
        request = Request(time.time(), self.command, self.path, range=self.headers.get("Range"))
        self.server.site.log.add(request)
        try:
            yield request
        finally:
            self.server.site.log.finish(request)

    def hindered(self, request: Request, fault: Fault) -> bool:
        """Apply a fault before the first byte; return whether that was the whole response."""
        time.sleep(fault.latency)
        if fault.status is None:
            return False
        request.ordered = str(fault.status.value)
        page = web_page(fault.status, fault.status.phrase)
        self.reply(request, fault.status, page, "text/html")
        return True

    def reply(
        self, request: Request, status: HTTPStatus, body: bytes, kind: str, fault: Fault = WELL
    ) -> None:
        """Send a whole response, as far as the fault allows."""
        self.begin(request, status, {"Content-Type": kind, "Content-Length": str(len(body))})
        self.send(request, BytesIO(body).read, len(body), fault, ())

    def begin(self, request: Request, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        """Send status and headers."""
        request.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send(
        self, request: Request, read: Callable[[int], bytes], count: int, fault: Fault, lines: Sequence[Line]
    ) -> None:
        """Send the announced number of bytes of body, as far as the fault allows."""
        if self.command == "HEAD":
            return
        well = count if fault.after is None else min(fault.after, count)
        self._pieces(request, read, well, lines)
        if well == count:
            return
        request.ordered = fault.then
        match fault.then:
            case Then.TRICKLE:
                self._pieces(request, read, count - well, [Line(TRICKLE)])
            case Then.NOISE:
                self._pieces(request, noise, count - well, lines)
            case Then.RESET:
                reset(self.connection)
            case Then.STALL:
                wait_until_gone(self.connection)
            case Then.CLOSE:
                pass
        self.close_connection = True

    def _pieces(
        self, request: Request, read: Callable[[int], bytes], count: int, lines: Sequence[Line]
    ) -> None:
        while count:
            piece = read(min(piece_for(lines), count))
            for line in lines:
                line.carry(len(piece))
            self.wfile.write(piece)
            request.sent += len(piece)
            count -= len(piece)

    def serve_file(self, request: Request, path: Path, kind: str, fault: Fault) -> None:
        """Send a file, or the requested range of it, as far as the fault allows."""
        size = path.stat().st_size
        try:
            span = byte_range(request.range or self.asked_range(request), size)
        except UnsatisfiableRange:
            headers = {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
            self.begin(request, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers)
            return
        first, stop = span or (0, size)
        if span is not None and request.range is None:
            longest = self.server.site.orders.answer(request.video or "").longest_range
            stop = stop if longest is None else min(stop, first + longest)
        given = self.granted(request, stop - first)
        if given == 0 < stop - first:
            self.reply(request, HTTPStatus.FORBIDDEN, b"", "text/plain")
            return
        if given < stop - first:
            fault = replace(fault, after=given if fault.after is None else min(given, fault.after))
        headers = {"Content-Type": kind, "Accept-Ranges": "bytes", "Content-Length": str(stop - first)}
        if span is None or request.range is None:
            # A range in the URL is answered as if these bytes were the whole file.
            self.begin(request, HTTPStatus.OK, headers)
        else:
            headers["Content-Range"] = f"bytes {first}-{stop - 1}/{size}"
            self.begin(request, HTTPStatus.PARTIAL_CONTENT, headers)
        with path.open("rb") as file:
            file.seek(first)
            self.send(request, file.read, stop - first, fault, self.lines(request.video or ""))

    def asked_range(self, request: Request) -> str | None:
        """Return the range in a URL's query (``&range=FIRST-LAST``) as a Range header has it.

        None if there is none, or the video's answer is that of a server that does not support it.
        """
        given = dict(parse_qsl(urlsplit(request.path).query)).get("range")
        if given is None or self.server.site.orders.answer(request.video or "").ignores_ranges:
            return None
        return f"bytes={given}"

    def granted(self, request: Request, count: int) -> int:  # noqa: ARG002 - subclasses use the request
        """Return how many of the requested bytes may be sent."""
        return count

    def lines(self, youtube_id: str) -> list[Line]:
        """Return the bandwidth limits of a video's media: its own and the site's, if any."""
        orders = self.server.site.orders
        bandwidth = orders.answer(youtube_id).bandwidth
        own = None if bandwidth is None else Line(bandwidth)
        return [line for line in (own, orders.line) if line is not None]


class CommandLine:
    """Command line, CA and site of a mock that runs as a process of its own."""

    def __init__(self, prog: str, doc: str | None, *certified: str) -> None:
        """Read the command line and write the CA certificate; `certified` are the names in the mock's own."""
        self.parser = argparse.ArgumentParser(prog=prog, description=(doc or "").split("\n")[0])
        self.parser.add_argument("--footage", required=True, type=Path, metavar="DIR", help="films to serve")
        self.parser.add_argument("--ca", required=True, type=Path, metavar="FILE", help="CA file to write")
        self.parser.add_argument("--orders", type=Path, metavar="FILE", help="output of `answers.to_json`")
        self.parser.add_argument("--ffmpeg", type=Path, metavar="FILE", help="ffmpeg executable")
        self.options = self.parser.parse_args()
        orders = self.options.orders
        self.answers, self.conditions = from_json(orders.read_text()) if orders else ({}, GOOD)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.options.ca)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*certified).configure_cert(self.context)
        self.site = Site(self.options.footage, Orders(self.answers, self.conditions), Log())
        for youtube_id, answer in self.answers.items():
            for offer in answer.offers or ():
                if self.site.file(youtube_id, offer.itag) is None:
                    self.parser.error(f"{youtube_id} has no format {offer.itag}")

    def serve(self, *servers: Server, **ready: int) -> None:
        """Print one line of JSON, and serve until stdin is closed."""
        for server in servers:
            server.site = self.site
            threading.Thread(target=server.serve_forever, daemon=True).start()
        print(json.dumps(ready), flush=True)  # noqa: T201 - the parent waits for this line
        sys.stdin.buffer.read()
