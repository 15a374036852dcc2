"""What the stand-in answers for a video: the one place where an order to it is written down."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Answer:
    """How the stand-in behaves for one video; as it stands here, like YouTube on a good day."""

    playability: Mapping[str, str] | None = None
    """Given in place of the film's formats: YouTube's ``playabilityStatus``, for example
    ``{"status": "ERROR", "reason": "Video unavailable"}``."""
    bandwidth: int | None = None
    """Bytes a second that each connection gets at most; None is as fast as it goes."""


PLAIN = Answer()
"""The answer for a video of which nothing else was ordered."""
UNAVAILABLE = Answer(playability={"status": "ERROR", "reason": "Video unavailable"})
"""YouTube's answer for a video that it does not have."""


def to_json(answers: Mapping[str, Answer]) -> str:
    """Write answers, by YouTube id, as one line of JSON."""
    return json.dumps({youtube_id: asdict(answer) for youtube_id, answer in answers.items()})


def from_json(text: str) -> dict[str, Answer]:
    """Read what `to_json` has written. Raises `TypeError` for an order that is none."""
    orders: dict[str, dict[str, Any]] = json.loads(text)
    return {youtube_id: Answer(**order) for youtube_id, order in orders.items()}
