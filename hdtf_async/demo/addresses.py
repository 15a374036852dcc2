"""URLs of media and playlists in YouTube's format: issued with a signature, verified in requests.

Each player response is one `Issue`. Its URLs have YouTube's parameters: ``expire``, ``ei`` (the issue),
``ip`` (the client's IP address), ``id``, ``itag``, ``c`` (the client), for some clients a challenge ``n``,
and a signature over the parameters that ``sparams`` lists. Nothing here does I/O.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from hdtf_async.demo import script
from hdtf_async.demo.answers import Https
from hdtf_async.demo.player import MEDIA_PATH, VALID_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hdtf_async.demo.clients import Client

MEDIA_HOST, OTHER_MEDIA_HOST = "rr1---sn-mock0001.googlevideo.com", "rr4---sn-mock0002.googlevideo.com"
"""The media host in URLs, and the one to which it redirects if configured."""
MANIFEST_HOST = "manifest.googlevideo.com"
VARIANT_PATH, PLAYLIST_PATH = "/api/manifest/hls_variant", "/api/manifest/hls_playlist"
"""Paths of HLS playlists on `MANIFEST_HOST`: of all formats, and of one."""
ELSEWHERE = "198.51.100.7"
"""The IP address in URLs that are only valid for another client (RFC 5737)."""

_UNSIGNED = ("n", "sparams", "sig", "s", "sp")
_N_LENGTH = 17


class Wrong(StrEnum):
    """What is wrong with a URL, by parameter."""

    ISSUE = "ei"
    EXPIRED = "expire"
    SOURCE = "ip"
    CLIENT = "c"
    CHALLENGE = "n"
    SIGNATURE = "sig"


@dataclass(slots=True)
class Issue:
    """Common values of the URLs of one player response."""

    youtube_id: str
    client: Client
    source: str
    """The IP address for which they are valid."""
    has_challenge: bool = False
    """Whether their ``n`` is a JavaScript challenge."""
    advert: int = 0
    """Seconds before media become available."""
    time: float = field(default_factory=time.time)
    ei: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    challenge: str = field(
        default_factory=lambda: "".join(secrets.choice(script.ALPHABET) for _ in range(_N_LENGTH))
    )
    """``n`` as issued."""
    sent: dict[str, int] = field(default_factory=dict)
    """Bytes sent so far, by itag."""

    @property
    def is_early(self) -> bool:
        """Whether the advertisement before the video has not ended yet."""
        return time.time() < self.time + self.advert


class Addresses:
    """Issues URLs and verifies them. Thread-safe."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._issues: dict[str, Issue] = {}
        self._lock = threading.Lock()

    def register(self, issue: Issue) -> None:
        """Register a player response."""
        with self._lock:
            self._issues[issue.ei] = issue

    def https(
        self, issue: Issue, way: Https, rendition: Mapping[str, Any], xtags: str | None
    ) -> dict[str, str]:
        """Return the fields of YouTube's entry for a format that contain its URL."""
        if way is Https.SABR:
            return {}
        fields = {
            **self._common(issue),
            "itag": rendition["itag"],
            "source": "youtube",
            "requiressl": "yes",
            "mime": rendition["mime"],
            "gir": "yes",
            "clen": rendition["size"],
            "dur": f"{rendition['milliseconds'] / 1000:.3f}",
        }
        signed = self._signed(fields if xtags is None else fields | {"xtags": xtags})
        signature = signed.pop("sig")
        if way in (Https.N, Https.CIPHER):
            signed["n"] = issue.challenge
        if way is not Https.CIPHER:
            signed["sig"] = signature
        address = f"https://{MEDIA_HOST}{MEDIA_PATH}?{urlencode(signed)}"
        if way is not Https.CIPHER:
            return {"url": address}
        cipher = {"s": script.challenge_for(signature), "sp": "sig", "url": address}
        return {"signatureCipher": urlencode(cipher)}

    def variant(self, issue: Issue) -> str:
        """Return the URL of the HLS playlist that lists all formats."""
        fields = self._signed(self._common(issue))
        if issue.has_challenge:
            fields["n"] = issue.challenge
        return f"https://{MANIFEST_HOST}{VARIANT_PATH}{in_path(fields)}/file/index.m3u8"

    def playlist(self, issue: Issue, itag: int) -> str:
        """Return the URL of the HLS playlist of one format."""
        fields = self._solved(issue, {"itag": itag})
        return f"https://{MANIFEST_HOST}{PLAYLIST_PATH}{in_path(fields)}/playlist/index.m3u8"

    def segment(self, issue: Issue, itag: int, number: int) -> str:
        """Return the URL of one HLS segment."""
        fields = self._solved(issue, {"itag": itag, "sq": number})
        return f"https://{MEDIA_HOST}{MEDIA_PATH}{in_path(fields)}/file/seg.ts"

    def check(self, fields: Mapping[str, str], source: str) -> tuple[Issue | None, Wrong | None]:
        """Return the issue to which a URL belongs, and what is wrong with it at this time."""
        with self._lock:
            issue = self._issues.get(fields.get("ei", ""))
        if issue is None:
            return None, Wrong.ISSUE
        wrongs = {
            Wrong.EXPIRED: not fields.get("expire", "").isdecimal() or int(fields["expire"]) < time.time(),
            Wrong.SOURCE: not issue.source == source == fields.get("ip"),
            Wrong.CLIENT: fields.get("c") != issue.client.context["clientName"],
            Wrong.CHALLENGE: issue.has_challenge and fields.get("n") != script.solve_n(issue.challenge),
            Wrong.SIGNATURE: not hmac.compare_digest(fields.get("sig", "").encode(), self._sign(fields)),
        }
        return issue, next((wrong for wrong, holds in wrongs.items() if holds), None)

    def take(self, issue: Issue, itag: str, requested: int, most: int | None) -> int:
        """Return how many of the wanted bytes a URL still provides, and count them as sent."""
        if most is None:
            return requested
        with self._lock:
            sent = issue.sent.get(itag, 0)
            given = min(requested, max(0, most - sent))
            issue.sent[itag] = sent + given
        return given

    def _common(self, issue: Issue) -> dict[str, Any]:
        return {
            "expire": int(issue.time) + VALID_SECONDS,
            "ei": issue.ei,
            "ip": issue.source,
            "id": issue.youtube_id,
            "c": issue.client.context["clientName"],
        }

    def _solved(self, issue: Issue, fields: dict[str, Any]) -> dict[str, Any]:
        signed = self._signed(self._common(issue) | fields)
        if issue.has_challenge:
            signed["n"] = script.solve_n(issue.challenge)
        return signed

    def _signed(self, fields: dict[str, Any]) -> dict[str, Any]:
        signed = fields | {"sparams": ",".join(fields)}
        return signed | {"sig": self._sign(signed).decode()}

    def _sign(self, fields: Mapping[str, Any]) -> bytes:
        """Return the signature of the parameters that ``sparams`` lists."""
        names = [name for name in str(fields.get("sparams", "")).split(",") if name not in _UNSIGNED]
        listed = urlencode([(name, fields.get(name, "")) for name in names])
        return hmac.new(self._key, listed.encode(), hashlib.sha256).hexdigest().encode()


def in_path(fields: Mapping[str, Any]) -> str:
    """Format parameters as parts of a path, as in URLs of playlists and segments."""
    return "".join(f"/{name}/{quote(str(value), safe='')}" for name, value in fields.items())


def read(path: str, query: str) -> dict[str, str]:
    """Parse the parameters of a URL, in its query or in its path."""
    if query:
        return dict(parse_qsl(query))
    for prefix in (VARIANT_PATH, PLAYLIST_PATH, MEDIA_PATH):
        if path.startswith(f"{prefix}/"):
            parts = [unquote(part) for part in path.removeprefix(f"{prefix}/").split("/")]
            return dict(zip(parts[::2], parts[1::2], strict=False))
    return {}
