"""Addresses of media and playlists in YouTube's form: issued with a signature, checked when they come back.

Each player answer is one `Issue`. Its addresses carry what YouTube's carry: ``expire``, ``ei`` (the issue),
``ip`` (the source address that asked), ``id``, ``itag``, ``c`` (the client), where the client's are so a
challenge ``n``, and a signature over the parameters that ``sparams`` lists. Nothing here does I/O.
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
"""The media host in addresses, and the one to which it redirects by order."""
MANIFEST_HOST = "manifest.googlevideo.com"
VARIANT_PATH, PLAYLIST_PATH = "/api/manifest/hls_variant", "/api/manifest/hls_playlist"
"""Where HLS playlists are on `MANIFEST_HOST`: that of all formats, and that of one."""
ELSEWHERE = "198.51.100.7"
"""The source address in addresses that are good for somebody else only (RFC 5737)."""

_UNSIGNED = ("n", "sparams", "sig", "s", "sp")
_N_LENGTH = 17


class Wrong(StrEnum):
    """What is wrong with an address, by the parameter that says so."""

    ISSUE = "ei"
    EXPIRED = "expire"
    SOURCE = "ip"
    CLIENT = "c"
    CHALLENGE = "n"
    SIGNATURE = "sig"


@dataclass(slots=True)
class Issue:
    """What the addresses of one player answer have in common."""

    youtube_id: str
    client: Client
    source: str
    """The source address for which they are good."""
    has_challenge: bool = False
    """Whether ``n`` in them is a JavaScript challenge."""
    advert: int = 0
    """Seconds during which there are no media yet."""
    time: float = field(default_factory=time.time)
    ei: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    challenge: str = field(
        default_factory=lambda: "".join(secrets.choice(script.ALPHABET) for _ in range(_N_LENGTH))
    )
    """``n`` as it is handed out."""
    sent: dict[str, int] = field(default_factory=dict)
    """Bytes that were sent so far, by itag."""

    @property
    def is_early(self) -> bool:
        """Whether the advertisement before the video is not over yet."""
        return time.time() < self.time + self.advert


class Addresses:
    """Issues addresses and checks them. Any thread may ask."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._issues: dict[str, Issue] = {}
        self._lock = threading.Lock()

    def register(self, issue: Issue) -> None:
        """Take note of a player answer."""
        with self._lock:
            self._issues[issue.ei] = issue

    def https(
        self, issue: Issue, way: Https, rendition: Mapping[str, Any], xtags: str | None
    ) -> dict[str, str]:
        """Return the fields with which YouTube's entry for a format says where it is."""
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
        """Return the address of the HLS playlist that lists all formats."""
        fields = self._signed(self._common(issue))
        if issue.has_challenge:
            fields["n"] = issue.challenge
        return f"https://{MANIFEST_HOST}{VARIANT_PATH}{in_path(fields)}/file/index.m3u8"

    def playlist(self, issue: Issue, itag: int) -> str:
        """Return the address of the HLS playlist of one format."""
        fields = self._solved(issue, {"itag": itag})
        return f"https://{MANIFEST_HOST}{PLAYLIST_PATH}{in_path(fields)}/playlist/index.m3u8"

    def segment(self, issue: Issue, itag: int, number: int) -> str:
        """Return the address of one HLS segment."""
        fields = self._solved(issue, {"itag": itag, "sq": number})
        return f"https://{MEDIA_HOST}{MEDIA_PATH}{in_path(fields)}/file/seg.ts"

    def check(self, fields: Mapping[str, str], source: str) -> tuple[Issue | None, Wrong | None]:
        """Return the issue to which an address belongs, and what is wrong with it for a request of now."""
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

    def take(self, issue: Issue, itag: str, wanted: int, most: int | None) -> int:
        """Return how many bytes an address still gives of those wanted, and count them as given."""
        if most is None:
            return wanted
        with self._lock:
            had = issue.sent.get(itag, 0)
            given = min(wanted, max(0, most - had))
            issue.sent[itag] = had + given
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
    """Write parameters as parts of a path, as the addresses of playlists and segments have them."""
    return "".join(f"/{name}/{quote(str(value), safe='')}" for name, value in fields.items())


def read(path: str, query: str) -> dict[str, str]:
    """Read the parameters of an address, whether they are in its query or in its path."""
    if query:
        return dict(parse_qsl(query))
    for prefix in (VARIANT_PATH, PLAYLIST_PATH, MEDIA_PATH):
        if path.startswith(f"{prefix}/"):
            parts = [unquote(part) for part in path.removeprefix(f"{prefix}/").split("/")]
            return dict(zip(parts[::2], parts[1::2], strict=False))
    return {}
