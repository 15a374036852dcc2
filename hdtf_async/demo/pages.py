"""YouTube's pages as yt-dlp's extractor reads them: watch page, embedded player, configurations.

They only contain what the extractor reads, with YouTube's names: ``ytcfg`` with the client's context, visitor
data, the player script's URL and version, ``ytInitialPlayerResponse`` and ``ytInitialData``.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hdtf_async.demo.account import USER_SESSION
from hdtf_async.demo.script import SIGNATURE_TIMESTAMP, player_id, player_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hdtf_async.demo.answers import Script

HOST_FLAGS = "AD5ZzFTmock-encrypted-host-flags"
"""What the page of the embedded player passes to its player requests."""
_CONTEXTS = {
    "/embed": {"clientName": "WEB_EMBEDDED_PLAYER", "clientVersion": "2.20260708.00.00"},
    "/tv": {"clientName": "TVHTML5", "clientVersion": "7.20260707.07.00"},
    "m.youtube.com": {"clientName": "MWEB", "clientVersion": "2.20260708.05.00"},
    "music.youtube.com": {"clientName": "WEB_REMIX", "clientVersion": "1.20260707.12.00"},
    "studio.youtube.com": {"clientName": "WEB_CREATOR", "clientVersion": "1.20260708.06.00"},
}
_WEB = {"clientName": "WEB", "clientVersion": "2.20260708.00.00"}
_NUMBERS = {"WEB": 1, "MWEB": 2, "TVHTML5": 7, "WEB_EMBEDDED_PLAYER": 56, "WEB_CREATOR": 62, "WEB_REMIX": 67}


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request for a page, and who sent it."""

    host: str
    path: str
    agent: str
    """The client's User-Agent."""
    signed_in: bool


def configuration(request: PageRequest, script: Script, visitor: str) -> dict[str, Any]:
    """Return what a page passes to ``ytcfg.set``; ``visitor`` is YouTube's visitor data."""
    place = next((prefix for prefix in ("/embed", "/tv") if request.path.startswith(prefix)), request.host)
    context = _CONTEXTS.get(place, _WEB)
    where = {"jsUrl": player_path(script)}
    if place == "/embed":
        where["encryptedHostFlags"] = HOST_FLAGS
    return {
        "INNERTUBE_API_VERSION": "v1",
        "INNERTUBE_CLIENT_NAME": context["clientName"],
        "INNERTUBE_CLIENT_VERSION": context["clientVersion"],
        "INNERTUBE_CONTEXT": {
            "client": context | {"hl": "en", "gl": "US", "userAgent": request.agent, "visitorData": visitor}
        },
        "INNERTUBE_CONTEXT_CLIENT_NAME": _NUMBERS[context["clientName"]],
        "VISITOR_DATA": visitor,
        "PLAYER_JS_URL": player_path(script),
        "STS": SIGNATURE_TIMESTAMP,
        "WEB_PLAYER_CONTEXT_CONFIGS": {f"WEB_PLAYER_CONTEXT_CONFIG_ID_{_config_name(place)}": where},
        "LOGGED_IN": request.signed_in,
    } | ({"SESSION_INDEX": 0, "DATASYNC_ID": f"{USER_SESSION}||"} if request.signed_in else {})


def _config_name(place: str) -> str:
    return "EMBEDDED_PLAYER" if place == "/embed" else "KEVLAR_WATCH"


def watch_page(
    youtube_id: str, configured: Mapping[str, Any], response: Mapping[str, Any], data: Mapping[str, Any]
) -> bytes:
    """Return the page of a video."""
    title = html.escape(str(response["videoDetails"].get("title", "")))
    return _page(
        f'<title>{title} - YouTube</title><meta property="og:title" content="{title}">'
        f'<link rel="canonical" href="https://www.youtube.com/watch?v={youtube_id}">',
        f"ytcfg.set({_script_json(configured)});",
        f"var ytInitialPlayerResponse = {_script_json(response)};",
        f"var ytInitialData = {_script_json(data)};",
    )


def configuration_page(configured: Mapping[str, Any]) -> bytes:
    """Return a page that only contains its configuration: the embedded player, the start page."""
    return _page("<title>YouTube</title>", f"ytcfg.set({_script_json(configured)});")


def iframe_api(script: Script) -> bytes:
    """Return the script that other sites load, in which yt-dlp may search for the player script."""
    return (
        f"var scriptUrl = 'https:\\/\\/www.youtube.com\\/s\\/player\\/{player_id(script)}\\/"
        "www-widgetapi.vflset\\/www-widgetapi.js';\n"
    ).encode()


def initial_data(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rest of a video's page, which is also the answer of ``/youtubei/v1/next``."""
    title = {"runs": [{"text": str(details.get("title", ""))}]}
    contents = [
        {"videoPrimaryInfoRenderer": {"title": title, "dateText": {"simpleText": "Nov 14, 2014"}}},
        {
            "videoSecondaryInfoRenderer": {
                "owner": {
                    "videoOwnerRenderer": {"title": {"runs": [{"text": str(details.get("author", ""))}]}}
                }
            }
        },
    ]
    return {
        "responseContext": {"serviceTrackingParams": []},
        "contents": {"twoColumnWatchNextResults": {"results": {"results": {"contents": contents}}}},
        "topbar": {"desktopTopbarRenderer": {"logo": {"topbarLogoRenderer": {}}}},
    }


def _page(head: str, *scripts: str) -> bytes:
    written = "\n".join(f'<script nonce="mock">{script}</script>' for script in scripts)
    return f"<!DOCTYPE html><html><head>{head}</head><body>\n{written}\n</body></html>\n".encode()


def _script_json(value: Mapping[str, Any]) -> str:
    """Serialise JSON for use inside an element ``script``."""
    return json.dumps(value).replace("<", "\\u003c")
