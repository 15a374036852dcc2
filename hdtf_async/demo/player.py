"""YouTube's answer to a player request, made from a film's facts, as yt-dlp's extractor reads it.

Only the fields that the extractor, or a look at its result, needs are there. Names and forms are those of
the ``/youtubei/v1/player`` answers that yt-dlp's own source reads (``yt_dlp/extractor/youtube/_video.py``):
whole numbers of bytes and milliseconds come as text, rates are rounded.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from hdtf_async.demo.answers import UNAVAILABLE, Offer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hdtf_async.demo.answers import Answer, Told

PLAYER_PATH = "/youtubei/v1/player"
"""Where YouTube, and the stand-in, answer what is known of a video."""
MEDIA_PATH = "/videoplayback"
"""Where YouTube's media servers, and this one, have their media."""
VALID_SECONDS = 6 * 3600
"""YouTube's media addresses are good for about six hours."""

_QUALITY = (
    (2160, "hd2160"),
    (1440, "hd1440"),
    (1080, "hd1080"),
    (720, "hd720"),
    (480, "large"),
    (360, "medium"),
)
_STORYBOARDS = ((48, 27, 10, 0), (80, 45, 10, 2), (160, 90, 5, 2), (320, 180, 3, 2))
"""Levels of storyboards: width and height of an image, columns and rows of a sheet, seconds per image."""
_SOUND = {
    "quality": "tiny",
    "audioQuality": "AUDIO_QUALITY_MEDIUM",
    "audioSampleRate": "44100",
    "audioChannels": 2,
}


class Signer:
    """Signs media addresses, so that only one that was handed out, unchanged and in time, is served."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def address(
        self, media: str, youtube_id: str, rendition: Mapping[str, Any], xtags: str | None
    ) -> dict[str, str]:
        """Return the field with a rendition's address on a media server (scheme, host and port)."""
        return {"url": f"{media}{MEDIA_PATH}?{self.query(youtube_id, rendition, xtags)}"}

    def query(self, youtube_id: str, rendition: Mapping[str, Any], xtags: str | None) -> str:
        """Return the signed query of a media address."""
        fields = {
            "expire": int(time.time()) + VALID_SECONDS,
            "id": youtube_id,
            "itag": rendition["itag"],
            "clen": rendition["size"],
            "mime": rendition["mime"],
        }
        plain = urlencode(fields if xtags is None else fields | {"xtags": xtags})
        return f"{plain}&sig={self._sign(plain)}"

    def read(self, query: str) -> dict[str, str] | None:
        """Return the fields of a query that this signer has signed and that is still good; else None."""
        plain, _, rest = query.rpartition("&sig=")
        signature = rest.partition("&")[0]  # what yt-dlp appends, such as a PO token, is not signed
        if not hmac.compare_digest(signature.encode(), self._sign(plain).encode()):
            return None
        fields = dict(parse_qsl(plain))
        return fields if int(fields["expire"]) > time.time() else None

    def _sign(self, plain: str) -> str:
        return hmac.new(self._key, plain.encode(), hashlib.sha256).hexdigest()


def player_response(
    youtube_id: str,
    facts: Mapping[str, Any] | None,
    answer: Answer,
    address: Callable[[Mapping[str, Any], str | None], Told],
) -> dict[str, Any]:
    """Return the answer to a player request for a video.

    ``facts`` is what lies in the film's ``film.json``; None for a video that the stand-in does not have.
    ``address`` returns the fields that say where a rendition is, from the rendition and its xtags.
    """
    if answer.playability is not None or facts is None:
        details = {"videoId": youtube_id} | dict(answer.details)
        return {"playabilityStatus": dict(answer.playability or UNAVAILABLE), "videoDetails": details}
    by_itag = {rendition["itag"]: rendition for rendition in facts["renditions"]}
    offers = [Offer(itag) for itag in by_itag] if answer.offers is None else answer.offers
    response = {
        "playabilityStatus": {"status": "OK", "playableInEmbed": True},
        "streamingData": {
            "expiresInSeconds": str(VALID_SECONDS),
            "adaptiveFormats": [
                _format(rendition := by_itag[offer.itag], offer, address(rendition, offer.xtags))
                for offer in offers
            ],
        },
        "videoDetails": {
            "videoId": youtube_id,
            "title": facts["title"],
            "lengthSeconds": str(round(facts["seconds"])),
            "channelId": "UC" + "demoChannel".ljust(22, "0"),
            "author": "The stand-in",
            "shortDescription": "Drawn by the demo.",
            "isOwnerViewing": False,
            "isCrawlable": True,
            "isLiveContent": False,
            "isPrivate": False,
            "viewCount": "1",
        }
        | dict(answer.details),
        "storyboards": {"playerStoryboardSpecRenderer": {"spec": _storyboards(youtube_id, facts["seconds"])}},
    }
    return response | ({"adPlacements": [_advert(answer.advert)]} if answer.advert else {})


def _format(rendition: Mapping[str, Any], offer: Offer, where: Told) -> dict[str, Any]:
    """Return YouTube's entry for a rendition, as it is offered."""
    size, milliseconds = rendition["size"], rendition["milliseconds"]
    bits = round(size * 8000 / milliseconds)
    entry = {
        "itag": rendition["itag"],
        **where,
        "mimeType": f'{rendition["mime"]}; codecs="{rendition["codecs"]}"',
        # YouTube gives the peak as the bitrate; a film this even has hardly any.
        "bitrate": round(bits * 1.1),
        "averageBitrate": bits,
        "contentLength": str(size),
        "approxDurationMs": str(milliseconds),
        "lastModified": "1700000000000000",
        "projectionType": "RECTANGULAR",
        **(_picture(rendition) if rendition["height"] else _SOUND),
        **offer.told,
    }
    return {name: value for name, value in entry.items() if value is not None}


def _storyboards(youtube_id: str, seconds: float) -> str:
    """Return YouTube's specification of the preview images: an address, then one part per level.

    A part has width, height, number of images, columns and rows per sheet, milliseconds between images, name
    of a sheet, and signature. yt-dlp makes one format of each level, ``sb0`` of the last one.
    """
    parts = [f"https://i.ytimg.com/sb/{youtube_id}/storyboard3_L$L/$N.jpg?sqp=demo"]
    for width, height, side, every in _STORYBOARDS:
        images = max(1, math.ceil(seconds / every)) if every else side * side
        name = "M$M" if every else "default"
        fields = (width, height, images, side, side, every * 1000, name, "rs$demo")
        parts.append("#".join(map(str, fields)))
    return "|".join(parts)


def _picture(rendition: Mapping[str, Any]) -> dict[str, Any]:
    lines = min(rendition["width"], rendition["height"])
    return {
        "width": rendition["width"],
        "height": rendition["height"],
        "fps": rendition["fps"],
        "quality": next((name for least, name in _QUALITY if lines >= least), "small"),
        "qualityLabel": f"{lines}p",
    }


def _advert(seconds: int) -> dict[str, Any]:
    """Return YouTube's entry for an advertisement before the video."""
    return {
        "adPlacementRenderer": {
            "config": {"adPlacementConfig": {"kind": "AD_PLACEMENT_KIND_START"}},
            "renderer": {"instreamVideoAdRenderer": {"playerVars": f"length_seconds={seconds}"}},
        }
    }
