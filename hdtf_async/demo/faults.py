"""Counts the requests to the mock server, and implements faults."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from hdtf_async.demo.answers import PLAIN, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hdtf_async.demo.answers import Answer, Conditions, Refusal

WELL = Fault()
"""No fault."""
TRICKLE = 10
"""Bytes per second of a connection that trickles."""
_PIECES_A_SECOND = 20
"""Pieces per second: smooth enough for any stall detection."""
_LARGEST_PIECE = 1 << 16
_CREDIT = 0.1
"""Seconds that a line may be behind and still catch up."""


class Orders:
    """The configured behaviour, with the number of requests so far. Thread-safe."""

    def __init__(self, answers: Mapping[str, Answer], conditions: Conditions) -> None:
        self.line = None if conditions.bandwidth is None else Line(conditions.bandwidth)
        """Shared by all media connections, if limited."""
        self._answers = answers
        self._refusal = conditions.refusal
        self._lock = threading.Lock()
        self._player_requests: Counter[str] = Counter()
        self._fetched: Counter[str] = Counter()
        self._watched: Counter[str] = Counter()
        self._by_client: Counter[tuple[str, str, str]] = Counter()
        """Requests of one client for a video, by kind."""
        self._answered: set[str] = set()
        self._refused = 0
        self._refused_since: float | None = None

    def answer(self, youtube_id: str) -> Answer:
        """Return the configured answer for a video."""
        return self._answers.get(youtube_id, PLAIN)

    def player(self, youtube_id: str, client: str = "") -> tuple[Answer, Fault, Refusal | None]:
        """Return answer, fault and block for the player request that has just arrived."""
        with self._lock:
            refusal = self._refusing(youtube_id)
            if refusal is not None:
                self._refused += 1
                return refusal.answer, _turn(refusal.answer.player, self._refused), refusal
            self._player_requests[youtube_id] += 1
            number = self._player_requests[youtube_id]
            own = self._of_client(youtube_id, client, "player")
        answer = self._playable(youtube_id, number - 1)
        return answer, _turn(answer.player, number) if own is None else own, None

    def watch(self, youtube_id: str) -> tuple[Answer, Fault, Refusal | None]:
        """Return answer, fault and block for a request for a watch page."""
        with self._lock:
            refusal = self._refusing(youtube_id)
            if refusal is not None:
                self._refused += 1
                return refusal.answer, _turn(refusal.answer.watch, self._refused), refusal
            self._watched[youtube_id] += 1
            number, requests = self._watched[youtube_id], self._player_requests[youtube_id]
        answer = self._playable(youtube_id, requests)
        return answer, _turn(answer.watch, number), None

    def media(self, youtube_id: str, client: str = "", *, segment: bool = False) -> Fault:
        """Return the fault of the media request that has just arrived, for a URL of a client."""
        with self._lock:
            own = self._of_client(youtube_id, client, "segments" if segment else "media")
            if own is not None:
                return own
            self._fetched[youtube_id] += 1
            number = self._fetched[youtube_id]
        return _turn(self.answer(youtube_id).media, number)

    def is_moved(self, youtube_id: str) -> bool:
        """Return whether the URLs of the current extraction are only valid for another IP address."""
        moved = self.answer(youtube_id).moved_extractions
        with self._lock:
            return moved is None or max(1, self._watched[youtube_id]) <= moved

    def _playable(self, youtube_id: str, requests: int) -> Answer:
        """Return the answer for a video after `requests` player requests."""
        answer = self.answer(youtube_id)
        over = answer.playability_requests is not None and requests >= answer.playability_requests
        return replace(answer, playability=None) if over else answer

    def _of_client(self, youtube_id: str, client: str, kind: str) -> Fault | None:
        """Return the configured fault of one client's requests of a kind; None if there is none."""
        own = self.answer(youtube_id).clients.get(client)
        faults: tuple[Fault, ...] = () if own is None else getattr(own, kind)
        if not faults:
            return None
        self._by_client[youtube_id, client, kind] += 1
        return _turn(faults, self._by_client[youtube_id, client, kind])

    def _refusing(self, youtube_id: str) -> Refusal | None:
        refusal = self._refusal
        if refusal is None:
            return None
        if self._refused_since is None:
            self._answered.add(youtube_id)
            if len(self._answered) <= refusal.after_videos:
                return None
            self._refused_since = time.monotonic()
        enough = refusal.requests is not None and self._refused >= refusal.requests
        over = refusal.seconds is not None and time.monotonic() - self._refused_since >= refusal.seconds
        return None if enough or over else refusal


def _turn(faults: Sequence[Fault], number: int) -> Fault:
    """Return the fault of a request, counted from 1."""
    for fault in faults:
        if fault.requests is None or number <= fault.requests:
            return fault
        number -= fault.requests
    return WELL


class Line:
    """A connection with limited bandwidth in bytes per second, or several that share it."""

    def __init__(self, bandwidth: int) -> None:
        self.piece = max(1, min(_LARGEST_PIECE, bandwidth // _PIECES_A_SECOND))
        """Bytes that are best sent at a time."""
        self._bandwidth = bandwidth
        self._lock = threading.Lock()
        self._free = time.monotonic()

    def carry(self, count: int) -> None:
        """Wait for the time that these bytes, and those before them, take."""
        with self._lock:
            self._free = max(self._free, time.monotonic() - _CREDIT) + count / self._bandwidth
            free = self._free
        time.sleep(max(0.0, free - time.monotonic()))


def piece_for(lines: Sequence[Line]) -> int:
    """Return how many bytes are best sent at a time over these lines."""
    return min((line.piece for line in lines), default=_LARGEST_PIECE)


def web_page(status: int, phrase: str) -> bytes:
    """Return the page that is sent instead of the requested object."""
    return f"<!DOCTYPE html><html><title>{status}</title><h1>{status} {phrase}</h1></html>\n".encode()


def noise(count: int) -> bytes:
    """Return meaningless bytes."""
    return os.urandom(count)


def reset(connection: socket.socket) -> None:
    """End a connection with RST, as a broken connection or an overloaded server does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Bypasses the socket object, which would shut the connection down first.
    os.close(connection.detach())


def wait_until_gone(connection: socket.socket) -> None:
    """Wait until the client has closed the connection."""
    while connection.recv(1 << 16):
        pass
