"""YouTube's answer to a player request, made from a film's facts, as yt-dlp's extractor reads it.

Only the fields that the extractor, or a look at its result, needs are there. Names and forms are those of
the ``/youtubei/v1/player`` answers that yt-dlp's own source reads (``yt_dlp/extractor/youtube/_video.py``):
whole numbers of bytes and milliseconds come as text, rates are rounded.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hdtf_async.demo.answers import Answer

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


class Signer:
    """Signs media addresses, so that only one that was handed out, unchanged and in time, is served."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def query(self, youtube_id: str, itag: int, size: int, mime: str) -> str:
        """Return the signed query of a media address."""
        expire = int(time.time()) + VALID_SECONDS
        plain = urlencode({"expire": expire, "id": youtube_id, "itag": itag, "clen": size, "mime": mime})
        return f"{plain}&sig={self._sign(plain)}"

    def read(self, query: str) -> dict[str, str] | None:
        """Return the fields of a query that this signer has signed and that is still good; else None."""
        plain, _, signature = query.rpartition("&sig=")
        if not hmac.compare_digest(signature.encode(), self._sign(plain).encode()):
            return None
        fields = dict(parse_qsl(plain))
        return fields if int(fields["expire"]) > time.time() else None

    def _sign(self, plain: str) -> str:
        return hmac.new(self._key, plain.encode(), hashlib.sha256).hexdigest()


def player_response(
    youtube_id: str, facts: Mapping[str, Any] | None, answer: Answer, media: str, signer: Signer
) -> dict[str, Any]:
    """Return the answer to a player request for a video.

    ``facts`` is what lies in the film's ``film.json``; None for a video that the stand-in does not have.
    ``media`` is the scheme, host and port of the media server.
    """
    if answer.playability is not None or facts is None:
        status = answer.playability or {"status": "ERROR", "reason": "Video unavailable"}
        return {"playabilityStatus": dict(status), "videoDetails": {"videoId": youtube_id}}
    formats = [_format(youtube_id, rendition, media, signer) for rendition in facts["renditions"]]
    return {
        "playabilityStatus": {"status": "OK", "playableInEmbed": True},
        "streamingData": {"expiresInSeconds": str(VALID_SECONDS), "adaptiveFormats": formats},
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
        },
    }


def _format(youtube_id: str, rendition: Mapping[str, Any], media: str, signer: Signer) -> dict[str, Any]:
    size, milliseconds = rendition["size"], rendition["milliseconds"]
    bits = round(size * 8000 / milliseconds)
    query = signer.query(youtube_id, rendition["itag"], size, rendition["mime"])
    common = {
        "itag": rendition["itag"],
        "url": f"{media}{MEDIA_PATH}?{query}",
        "mimeType": f'{rendition["mime"]}; codecs="{rendition["codecs"]}"',
        # YouTube gives the peak as the bitrate; a film this even has hardly any.
        "bitrate": round(bits * 1.1),
        "averageBitrate": bits,
        "contentLength": str(size),
        "approxDurationMs": str(milliseconds),
        "lastModified": "1700000000000000",
        "projectionType": "RECTANGULAR",
    }
    if not rendition["height"]:
        return common | {
            "quality": "tiny",
            "audioQuality": "AUDIO_QUALITY_MEDIUM",
            "audioSampleRate": "44100",
            "audioChannels": 2,
        }
    height = rendition["height"]
    return common | {
        "width": rendition["width"],
        "height": height,
        "fps": rendition["fps"],
        "quality": next((name for lines, name in _QUALITY if height >= lines), "small"),
        "qualityLabel": f"{height}p",
    }
