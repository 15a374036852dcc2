"""The clients that yt-dlp imitates, and what YouTube offers to each of them.

Names and contexts are yt-dlp's (``INNERTUBE_CLIENTS`` in its ``extractor/youtube/_base.py``). The offers are
those that were observed on YouTube in autumn 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hdtf_async.demo.answers import Https

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Client:
    """One client: how its requests are recognised, and what it is offered."""

    name: str
    """yt-dlp's name."""
    context: Mapping[str, str]
    """Fields of the request's context, each with the start of its value; ``userAgent`` with a part of it."""
    https: Https
    """How formats are offered over https."""
    hls: bool = False
    """Whether formats are offered over HLS too."""
    account: bool = False
    """Whether formats are only offered to a signed-in user."""
    forbidden: bool = False
    """Whether its media URLs always answer 403."""

    def matches(self, context: Mapping[str, Any]) -> bool:
        """Return whether a request with this context comes from the client."""
        agent = str(context.get("userAgent") or "")
        return all(
            expected in agent if name == "userAgent" else str(context.get(name) or "").startswith(expected)
            for name, expected in self.context.items()
        )

    @property
    def has_challenges(self) -> bool:
        """Whether its URLs need a parameter ``n`` that JavaScript has transformed."""
        return self.https in (Https.N, Https.CIPHER)


def _tv(version: str, **more: str) -> dict[str, str]:
    return {"clientName": "TVHTML5", "clientVersion": version, **more}


CLIENTS = (
    # Of two that match the same context the one with more fields comes first.
    Client("web_safari", {"clientName": "WEB", "userAgent": "Safari/605"}, Https.SABR, hls=True),
    Client("web", {"clientName": "WEB"}, Https.SABR),
    Client("web_embedded", {"clientName": "WEB_EMBEDDED_PLAYER"}, Https.N, hls=True, account=True),
    Client("web_creator", {"clientName": "WEB_CREATOR"}, Https.SABR, account=True),
    Client("web_music", {"clientName": "WEB_REMIX"}, Https.N),
    Client("mweb", {"clientName": "MWEB"}, Https.N),
    Client("tv_samsung", _tv("5.", deviceMake="Samsung"), Https.CIPHER),
    Client("tv_downgraded", _tv("5."), Https.CIPHER),
    Client("tv_simply", {"clientName": "TVHTML5_SIMPLY"}, Https.N),
    Client("tv", _tv("7."), Https.CIPHER),
    Client("visionos", {"clientName": "VISIONOS"}, Https.PLAIN, hls=True),
    Client("ios", {"clientName": "IOS"}, Https.PLAIN, hls=True),
    Client("android_vr", {"clientName": "ANDROID_VR"}, Https.PLAIN, forbidden=True),
    Client("android", {"clientName": "ANDROID"}, Https.PLAIN),
)
"""All clients that the full mock supports."""

BY_NAME = {client.name: client for client in CLIENTS}
"""The same, by yt-dlp's name."""


def recognise(context: Mapping[str, Any]) -> Client | None:
    """Return the client that sends this context (``context.client``), if it is supported."""
    name = context.get("clientName")
    return next((one for one in CLIENTS if one.context["clientName"] == name and one.matches(context)), None)
