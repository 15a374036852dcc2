"""The configurable behaviour of the mock server.

An `Answer` applies to one video, `Conditions` to the whole site. Their defaults are YouTube without failures.
Everything is a frozen dataclass that is sent as JSON to the mock server's process; `faults` counts there
which faults have occurred.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

JsonObject = Mapping[str, object]
"""A part of YouTube's own JSON."""


class Https(StrEnum):
    """How a client's formats are offered over https; only the full mock distinguishes clients."""

    NONE = "none"
    """Not offered."""
    SABR = "sabr"
    """Listed without a URL, as if YouTube required its own streaming protocol."""
    PLAIN = "plain"
    """With a URL that is valid unchanged."""
    N = "n"
    """With a URL whose parameter ``n`` is a JavaScript challenge."""
    CIPHER = "cipher"
    """With ``signatureCipher``: both the signature and ``n`` are JavaScript challenges."""


class Script(StrEnum):
    """The player script of the watch page; only the full mock has one."""

    SOLVABLE = "solvable"
    UNSOLVABLE = "unsolvable"
    """yt-dlp's challenge solver finds no function in it that solves a challenge."""


class Then(StrEnum):
    """What replaces the rest of a body."""

    CLOSE = "close"
    """The connection is closed before the end."""
    RESET = "reset"
    """The connection is reset."""
    STALL = "stall"
    """The connection stays open without data until the client gives up."""
    TRICKLE = "trickle"
    """The correct bytes, ten per second."""
    NOISE = "noise"
    """As many random bytes: the length is right, the content is not."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a request; without arguments: nothing."""

    requests: int | None = None
    """Number of requests with this fault, before the next fault applies, or nothing goes wrong any more. None
    is all further ones."""
    latency: float = 0.0
    """Seconds before the first byte of the response."""
    status: HTTPStatus | None = None
    """A web page with this status is sent instead of the requested object. With 200 it looks like that, as
    the page of a captive portal does. With 302 the full mock redirects a media request to a second media
    host, which answers it."""
    after: int | None = None
    """Bytes of the response body that are sent correctly before `then` happens; None is all."""
    then: Then = Then.CLOSE


@dataclass(frozen=True, slots=True)
class Offer:
    """A format in the player response: one of the film's, possibly with modified fields."""

    itag: int
    """Itag of the film's format whose bytes are served."""
    fields: JsonObject = field(default_factory=dict)
    """Modified fields of YouTube's entry for a format, such as ``{"itag": 298, "fps": 60}``; a field that is
    None is omitted."""
    xtags: str | None = None
    """Tags in the media URL: YouTube's tag of an AI-upscaled format is ``sr=1``."""


@dataclass(frozen=True, slots=True)
class ClientAnswer:
    """The full mock's behaviour for one video towards one of yt-dlp's clients."""

    playability: JsonObject | None = None
    """Replaces the film's formats, as `Answer.playability`."""
    https: Https | None = None
    """How the formats are offered over https; None is the client's default in `clients`."""
    hls: bool | None = None
    """Whether the formats are offered over HLS; None is the client's default in `clients`."""
    player: tuple[Fault, ...] = ()
    """Faults of this client's player requests, in order."""
    media: tuple[Fault, ...] = ()
    """Faults of media requests over https whose URL was issued to this client, in order."""
    segments: tuple[Fault, ...] = ()
    """Faults of requests for HLS segments whose URL was issued to this client, in order."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The mock server's behaviour for one video; the default is YouTube without failures."""

    playability: JsonObject | None = None
    """Replaces the film's formats: YouTube's ``playabilityStatus``, for example ``{"status": "ERROR",
    "reason": "Video unavailable"}``."""
    playability_requests: int | None = None
    """Number of player requests that get that, before the film is offered; None is all."""
    offers: tuple[Offer, ...] | None = None
    """The offered formats; None is those of the film."""
    details: JsonObject = field(default_factory=dict)
    """Modified fields of YouTube's ``videoDetails``, such as ``{"isLive": True}``."""
    advert: int = 0
    """Duration in seconds of an advertisement; YouTube rejects media requests before its end."""
    player: tuple[Fault, ...] = ()
    """Faults of the video's player requests, in order. yt-dlp makes one request per client: usually two."""
    media: tuple[Fault, ...] = ()
    """Faults of the video's media requests, in order."""
    ignores_ranges: bool = False
    """Whether media requests with a range in the URL (``&range=FIRST-LAST``) get the whole file."""
    longest_range: int | None = None
    """Maximum bytes of the response to a range in the URL, as if the file ended there; None is unlimited."""
    bandwidth: int | None = None
    """Maximum bytes of media per second and connection; None is unlimited."""
    bytes_per_address: int | None = None
    """Bytes that each media URL provides; then the connection is closed, and the URL answers 403. None is
    all. This and the following fields are for the full mock only."""
    moved_extractions: int | None = 0
    """Number of extractions whose media URLs are only valid for another IP address, as if the client's
    address changed between two requests; None is all. Each watch page starts an extraction."""
    watch: tuple[Fault, ...] = ()
    """Faults of requests for the watch page, in order."""
    script: Script = Script.SOLVABLE
    """The player script of the watch page."""
    clients: Mapping[str, ClientAnswer] = field(default_factory=dict)
    """Different behaviour for one of yt-dlp's clients, by yt-dlp's name of it. A client's own media faults
    replace the video's."""


PLAIN = Answer()
"""The answer for a video without other configuration."""
PLAIN_CLIENT = ClientAnswer()
"""The same for one client."""
UNAVAILABLE: JsonObject = {"status": "ERROR", "reason": "Video unavailable"}
"""YouTube's answer about a video that does not exist."""
BOT: JsonObject = {
    "status": "LOGIN_REQUIRED",
    "reason": "Sign in to confirm you\N{RIGHT SINGLE QUOTATION MARK}re not a bot",
}
"""YouTube's answer to any request of a client that it considers a bot."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """YouTube blocks a client: from some moment on, every player request gets the same answer.

    Media URLs that were issued before remain valid, as YouTube's do.
    """

    after_videos: int = 0
    """Number of videos that are answered before; the block starts when another one is requested."""
    requests: int | None = None
    """Number of player requests that are blocked before the block ends permanently; None is all."""
    seconds: float | None = None
    """Duration of the block in seconds, after which it ends permanently; None is unlimited."""
    answer: Answer = Answer(playability=BOT)
    """The answer meanwhile. Only `Answer.playability` and `Answer.player` are used."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Behaviour of the whole site; the default is YouTube without failures."""

    bandwidth: int | None = None
    """Bytes of media per second that all connections share; None is unlimited."""
    refusal: Refusal | None = None
    script_bytes: int = 0
    """Size to which the full mock's player script is padded with unused functions, in bytes. YouTube's has
    about 2.7 million, which is most of the cost of solving a challenge."""


GOOD = Conditions()
"""The conditions of a site without other configuration."""


def to_json(answers: Mapping[str, Answer], conditions: Conditions = GOOD) -> str:
    """Serialise answers, by YouTube id, and the site's conditions as one line of JSON."""
    values = {youtube_id: asdict(answer) for youtube_id, answer in answers.items()}
    return json.dumps({"answers": values, "conditions": asdict(conditions)})


def from_json(text: str) -> tuple[dict[str, Answer], Conditions]:
    """Parse the output of `to_json`. Raises `TypeError` for invalid input."""
    document = json.loads(text)
    conditions = document["conditions"]
    refusal = conditions["refusal"]
    if refusal is not None:
        refusal = Refusal(**refusal | {"answer": _answer(refusal["answer"])})
    return (
        {youtube_id: _answer(answer) for youtube_id, answer in document["answers"].items()},
        Conditions(**conditions | {"refusal": refusal}),
    )


def _answer(order: dict[str, Any]) -> Answer:
    offers = order["offers"]
    return Answer(
        **order
        | {
            "offers": None if offers is None else tuple(Offer(**offer) for offer in offers),
            "script": Script(order["script"]),
            "clients": {name: _client_answer(of_client) for name, of_client in order["clients"].items()},
        }
        | {name: tuple(map(_fault, order[name])) for name in ("player", "media", "watch")}
    )


def _client_answer(order: dict[str, Any]) -> ClientAnswer:
    https = order["https"]
    return ClientAnswer(
        **order
        | {"https": None if https is None else Https(https)}
        | {name: tuple(map(_fault, order[name])) for name in ("player", "media", "segments")}
    )


def _fault(order: dict[str, Any]) -> Fault:
    status = order["status"]
    return Fault(
        **order | {"status": None if status is None else HTTPStatus(status), "then": Then(order["then"])},
    )
