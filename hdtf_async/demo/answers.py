"""What the stand-in answers: the one place where an order to it is written down.

An `Answer` is about one video, `Conditions` are about the whole site. As they stand here, without any
argument, both are YouTube on a good day. Everything is a frozen value that goes through JSON to the
stand-in's process; `faults` keeps count there of how far the orders have been carried out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

Told = Mapping[str, object]
"""A piece of YouTube's own JSON."""


class Https(StrEnum):
    """How a client's formats are offered over https; only the full mock tells clients apart."""

    NONE = "none"
    """Not at all."""
    SABR = "sabr"
    """Listed without an address, as where YouTube expects its own streaming protocol."""
    PLAIN = "plain"
    """With an address that is good as it is."""
    N = "n"
    """With an address whose parameter ``n`` is a JavaScript challenge."""
    CIPHER = "cipher"
    """With ``signatureCipher``: both the signature and ``n`` are JavaScript challenges."""


class Script(StrEnum):
    """The player script that the watch page names; only the full mock has one."""

    SOLVABLE = "solvable"
    UNSOLVABLE = "unsolvable"
    """yt-dlp's challenge solver finds no function in it that solves a challenge."""


class Then(StrEnum):
    """What comes in place of the rest of a body."""

    CLOSE = "close"
    """Nothing: the connection is closed, though more was promised."""
    RESET = "reset"
    """Nothing: the connection is reset."""
    STALL = "stall"
    """Nothing, and the connection stays open until the client gives up."""
    TRICKLE = "trickle"
    """The true bytes, ten of them a second."""
    NOISE = "noise"
    """As many other bytes: the length is right, the content is not."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a request; with nothing but a number of requests: nothing."""

    requests: int | None = None
    """So many requests have this fault, then the next fault's turn comes, or nothing goes wrong any
    more. None is all further ones."""
    latency: float = 0.0
    """Seconds before the first byte of the answer."""
    status: HTTPStatus | None = None
    """A web page with this status is sent in place of what was asked for. With 200 it looks like the
    thing itself, as the page of a captive portal does. With 302 the full mock redirects a request for media
    to a second media host, which answers it."""
    after: int | None = None
    """Bytes of the answer's body that are sent well before `then` happens; None is all."""
    then: Then = Then.CLOSE


@dataclass(frozen=True, slots=True)
class Offer:
    """One rendition that the player's answer offers: one of the film's, told as it is or otherwise."""

    itag: int
    """Number of the film's rendition whose bytes are served."""
    told: Told = field(default_factory=dict)
    """Fields of YouTube's entry for a rendition that are told otherwise than they are, such as
    ``{"itag": 298, "fps": 60}``; a field that is None is left out."""
    xtags: str | None = None
    """Marks in the media's address: YouTube's for an AI-upscaled rendition is ``sr=1``."""


@dataclass(frozen=True, slots=True)
class ClientAnswer:
    """How the full mock behaves for one video towards one of yt-dlp's clients."""

    playability: Told | None = None
    """Given in place of the film's formats, as `Answer.playability`."""
    https: Https | None = None
    """How the formats are offered over https; None is as `clients` has it for this client."""
    hls: bool | None = None
    """Whether the formats are offered over HLS; None is as `clients` has it for this client."""
    player: tuple[Fault, ...] = ()
    """What goes wrong with this client's player requests, one fault after the other."""
    media: tuple[Fault, ...] = ()
    """What goes wrong with requests for media over https whose address this client was given."""
    segments: tuple[Fault, ...] = ()
    """What goes wrong with requests for HLS segments whose address this client was given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How the stand-in behaves for one video; as it stands here, like YouTube on a good day."""

    playability: Told | None = None
    """Given in place of the film's formats: YouTube's ``playabilityStatus``, for example
    ``{"status": "ERROR", "reason": "Video unavailable"}``."""
    playability_requests: int | None = None
    """So many player requests get that, then the film is shown; None is all."""
    offers: tuple[Offer, ...] | None = None
    """The renditions that are offered; None is those of the film."""
    details: Told = field(default_factory=dict)
    """Fields of YouTube's ``videoDetails`` that are told otherwise, such as ``{"isLive": True}``."""
    advert: int = 0
    """Seconds of an advertisement before which YouTube expects nobody to fetch the media."""
    player: tuple[Fault, ...] = ()
    """What goes wrong with the video's player requests, one fault after the other. yt-dlp makes one
    request for each of the clients that it poses as: two, as a rule."""
    media: tuple[Fault, ...] = ()
    """What goes wrong with the requests for the video's media, one fault after the other."""
    bandwidth: int | None = None
    """Bytes of media a second that each connection gets at most; None is as fast as it goes."""
    bytes_per_address: int | None = None
    """Bytes that each media address gives; then the connection is closed, and the address answers 403. None
    is all. This and what follows is for the full mock only."""
    moved_extractions: int | None = 0
    """In so many extractions the media addresses are good for another source address only, as where the way
    out changes between two requests; None is in all. Each watch page begins an extraction."""
    watch: tuple[Fault, ...] = ()
    """What goes wrong with the requests for the watch page, one fault after the other."""
    script: Script = Script.SOLVABLE
    """The player script that the watch page names."""
    clients: Mapping[str, ClientAnswer] = field(default_factory=dict)
    """What is different for one of the clients that yt-dlp poses as, by yt-dlp's name of it. A client's
    own faults of media stand in place of the video's."""


PLAIN = Answer()
"""The answer for a video of which nothing else was ordered."""
PLAIN_CLIENT = ClientAnswer()
"""The same for one client."""
UNAVAILABLE: Told = {"status": "ERROR", "reason": "Video unavailable"}
"""What YouTube says of a video that it does not have."""
BOT: Told = {
    "status": "LOGIN_REQUIRED",
    "reason": "Sign in to confirm you\N{RIGHT SINGLE QUOTATION MARK}re not a bot",
}
"""What YouTube says to an address that it takes for a robot's, whatever it asks for."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """YouTube's refusal of an address: from some moment on, every player request gets one answer.

    Media addresses that were handed out before stay good, as YouTube's do.
    """

    after_videos: int = 0
    """So many videos are still answered; it begins when one more is asked for."""
    requests: int | None = None
    """So many player requests are refused, then all is well for good; None is all."""
    seconds: float | None = None
    """So long it lasts, then all is well for good; None is for ever."""
    answer: Answer = Answer(playability=BOT)
    """What is answered meanwhile. Only `Answer.playability` and `Answer.player` matter."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How the whole site behaves; as it stands here, like YouTube on a good day."""

    bandwidth: int | None = None
    """Bytes of media a second that all connections share; None is as fast as it goes."""
    refusal: Refusal | None = None
    script_bytes: int = 0
    """Bytes to which the full mock's player script is filled up with functions that nothing calls. YouTube's
    has about 2.7 million, which is most of what solving a challenge costs."""


GOOD = Conditions()
"""The conditions of a site of which nothing else was ordered."""


def to_json(answers: Mapping[str, Answer], conditions: Conditions = GOOD) -> str:
    """Write answers, by YouTube id, and the site's conditions as one line of JSON."""
    told = {youtube_id: asdict(answer) for youtube_id, answer in answers.items()}
    return json.dumps({"answers": told, "conditions": asdict(conditions)})


def from_json(text: str) -> tuple[dict[str, Answer], Conditions]:
    """Read what `to_json` has written. Raises `TypeError` for an order that is none."""
    told = json.loads(text)
    conditions = told["conditions"]
    refusal = conditions["refusal"]
    if refusal is not None:
        refusal = Refusal(**refusal | {"answer": _answer(refusal["answer"])})
    return (
        {youtube_id: _answer(answer) for youtube_id, answer in told["answers"].items()},
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
