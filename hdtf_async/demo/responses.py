"""Player responses of the full mock: what each client is offered for a video, with its own URLs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from hdtf_async.demo.account import Visitor
from hdtf_async.demo.addresses import ELSEWHERE, MEDIA_HOST, Addresses, Issue
from hdtf_async.demo.answers import PLAIN_CLIENT, Https
from hdtf_async.demo.player import player_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hdtf_async.demo.answers import Answer, JsonObject
    from hdtf_async.demo.clients import Client

_ACCOUNT_ONLY: JsonObject = {"status": "LOGIN_REQUIRED", "reason": "Please sign in"}
"""The answer to a guest if formats are only offered to signed-in users."""


@dataclass(frozen=True, slots=True)
class PlayerRequest:
    """A player request, and who sent it."""

    client: Client
    youtube_id: str
    source: str
    """The client's IP address."""
    visitor: Visitor


def response_for(
    request: PlayerRequest,
    facts: Mapping[str, Any] | None,
    answer: Answer,
    addresses: Addresses,
    *,
    moved: bool,
) -> dict[str, Any]:
    """Return the response to a player request; ``moved`` makes media URLs valid for another IP address."""
    client, youtube_id = request.client, request.youtube_id
    of_client = answer.clients.get(client.name, PLAIN_CLIENT)
    way = client.https if of_client.https is None else of_client.https
    over_hls = client.hls if of_client.hls is None else of_client.hls
    issue = Issue(
        youtube_id, client, ELSEWHERE if moved else request.source,
        has_challenge=way in (Https.N, Https.CIPHER) or (way is not Https.PLAIN and client.has_challenges),
        advert=answer.advert,
    )  # fmt: skip
    response = player_response(youtube_id, facts, answer, partial(addresses.https, issue, way))
    if of_client.playability is not None:
        return response | {"playabilityStatus": dict(of_client.playability)} | {"streamingData": {}}
    if response["playabilityStatus"]["status"] != "OK":
        return response
    if client.account and request.visitor is not Visitor.ACCOUNT:
        return response | {"playabilityStatus": dict(_ACCOUNT_ONLY), "streamingData": {}}
    addresses.register(issue)
    streaming = response["streamingData"]
    if way is Https.NONE:
        streaming["adaptiveFormats"] = []
    if way is Https.SABR:
        streaming["serverAbrStreamingUrl"] = f"https://{MEDIA_HOST}/videoplayback?ei={issue.ei}&sabr=1"
    if over_hls:
        streaming["hlsManifestUrl"] = addresses.variant(issue)
    details = response["videoDetails"]
    return response | {
        "microformat": {
            "playerMicroformatRenderer": {
                "title": {"simpleText": details["title"]},
                "lengthSeconds": details["lengthSeconds"],
                "externalChannelId": details["channelId"],
                "category": "News & Politics",
                "isFamilySafe": True,
                "isUnlisted": False,
                "uploadDate": "2014-11-14T09:30:00-08:00",
                "viewCount": details["viewCount"],
            }
        }
    }
