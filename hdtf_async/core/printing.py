"""Options for the output of the command line; a host program handles its own output."""

from __future__ import annotations

from dataclasses import dataclass

from hdtf_async.core import validators
from hdtf_async.core.option_fields import normalise, option
from hdtf_async.core.options import PRINT


@dataclass(frozen=True, slots=True, kw_only=True)
class Printing:
    """What the command line prints."""

    json: bool = option(
        "--json", default=False, group=PRINT, kind=validators.SWITCH, help="print one JSON object per line"
    )
    quiet: bool = option(
        "--quiet", "-q", default=False, group=PRINT, kind=validators.SWITCH, help="print errors only"
    )
    progress: bool = option(
        "--progress",
        default=True,
        group=PRINT,
        kind=validators.SWITCH,
        help="bars on a terminal, plain lines elsewhere",
    )
    log_level: str = option(
        "--log-level", default="warning", group=PRINT,
        kind=validators.word(("debug", "info", "warning", "error")), help="verbosity",
    )  # fmt: skip

    def __post_init__(self) -> None:
        normalise(self)
