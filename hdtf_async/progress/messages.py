"""Messages about events: which are printed, at which level, with which text. Pure."""

from __future__ import annotations

import textwrap

from hdtf_async.core.events import (
    ClipChecked,
    ClipDone,
    ClipFailed,
    ClipRetrying,
    ClipSplit,
    Event,
    FileNotUsed,
    FormatChosen,
    LaneClosed,
    LaneOpened,
    PaceWait,
    RawReady,
    Retrying,
    VideoAsked,
    VideoFailed,
    VideoUnconfirmed,
    WindingDown,
)
from hdtf_async.core.failures import Reason
from hdtf_async.core.text import count, format_bytes, format_duration, printable

LEVELS = ("debug", "info", "warning", "error")
"""Levels of `--log-level`, the most verbose first."""
_LONGEST_ERROR = 100
"""Characters of a tool's error message that a line repeats."""


def message_at(event: Event, level: str) -> tuple[str, str] | None:
    """Return level and line of an event whose level is at least `level`; None for other events."""
    message = line_of(event)
    if message is None or LEVELS.index(message[0]) < LEVELS.index(level):
        return None
    return message[0], printable(message[1])


def line_of(event: Event) -> tuple[str, str] | None:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    """Return level and line of an event; None if it is never printed."""
    match event:
        case FormatChosen():
            refused = "; ".join(f"{name}: {why}" for name, why in event.refused) or "none"
            return (
                "debug",
                f"{event.video}: format {event.format_id}, height {event.height} (rejected: {refused})",
            )
        case RawReady():
            return "info", f"{event.video}: source video ready, {format_bytes(event.bytes)} ({event.origin})"
        case FileNotUsed():
            return "warning", f"{event.video}: ignoring {event.file}: {event.words}"
        case VideoAsked():
            return "info", f"{event.video}: available, height {event.height} (format {event.format_id})"
        case ClipDone():
            return (
                "info",
                f"{event.clip}: {event.seconds:g} s, {format_bytes(event.bytes)}, took {event.took:.1f} s",
            )
        case ClipChecked():
            return "info", f"{event.clip}: {'ok' if event.whole else 'differs from its record'}"
        case Retrying(reason=Reason.REFUSED | Reason.UNREACHABLE):
            return "info", f"{event.video}: {event.reason}, waiting for the next attempt."
        case VideoUnconfirmed():
            return "info", f"{event.video}: {sentence(Reason.UNAVAILABLE)}"
        case PaceWait():
            requests = f"{event.requests} videos were requested within the last hour"
            return "warning", f"Next download in {format_duration(event.after)} (--pace): {requests}."
        case Retrying(video=about) | ClipRetrying(clip=about):
            return "warning", f"{about}: {sentence(event.reason)} Retrying in {event.after:.0f} s."
        case ClipSplit():
            parts = count(event.parts, "part")
            return "info", f"{event.clip}: split at {count(len(event.cuts), 'scene cut')} into {parts}"
        case VideoFailed():
            lost = f" ({count(event.clips, 'clip')})" if event.clips else ""  # a census has none
            return "warning", f"{event.video}{lost}: {sentence(event.reason)} {event.reason.advice.remedy}"
        case ClipFailed(with_video=False):
            # All of it is in failures.jsonl.
            words = textwrap.shorten(event.words.partition("\n")[0], _LONGEST_ERROR, placeholder=" ...")
            return "warning", f"{event.clip}: {sentence(event.reason)}" + (f" ({words})" if words else "")
        case LaneClosed(after=None):
            return "error", f"No further downloads: {_cause(event)}"
        case LaneClosed():
            return (
                "error",
                f"Downloads paused for {format_duration(event.after or 0)}, then one test download:"
                f" {_cause(event)}",
            )
        case LaneOpened():
            return "error", f"Downloads resumed after {format_duration(event.closed)}."
        case WindingDown():
            encodes = f": waiting up to {event.within:.0f} s for {count(event.encodes, 'encode')}"
            return "error", f"Stopping{encodes if event.encodes else ''}. Press Ctrl-C again to quit now."
    return None


def _cause(event: LaneClosed) -> str:
    """Return why the network lane is closed, with the error message if the reason alone is too general."""
    if event.reason is Reason.REFUSED:
        return sentence(event.reason)
    return f"{sentence(event.reason)} ({shortened(event.words)})"


def shortened(error: str, longest: int = _LONGEST_ERROR) -> str:
    """Return the last line of an error message, shortened."""
    return textwrap.shorten(error.rpartition("\n")[2], longest, placeholder=" ...")


def sentence(reason: Reason) -> str:
    """Return a reason and its meaning."""
    return f"[{reason}] {reason.advice.meaning}"
