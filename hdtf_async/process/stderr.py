"""Classify the messages of a tool: from stderr to a `Reason`. Pure.

`classify` reads yt-dlp's stderr, `classify_ffmpeg` ffmpeg's; `connection_cause` names what could not be
reached, and `same_message_key` shows whether two videos failed with the same message. The tables are in
`messages`. A message that no table contains is `Reason.UNKNOWN`, and its last lines are kept: it must be
classified by hand, and nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Action, ExitCode, Reason
from hdtf_async.core.redact import ESCAPES
from hdtf_async.process import messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_IN_WARNINGS = tuple(
    (reason, expression)
    for reason, expression in messages.CLIENT + messages.STATED
    if reason.advice.action is not Action.NEVER
    and reason.advice.exit_code is not ExitCode.LOCAL
    and reason is not Reason.TOOL_FAILED
)
# A warning alone never marks a video as permanently unavailable, and never blames this machine: "No space
# left" in a warning is about a cache.
_REFUSALS = tuple(row for row in messages.STATED + messages.SYSTEMIC if row[0] is Reason.REFUSED)
# YouTube's experiment enables DRM for all videos, but only for its TV clients.
_DRM_FOR_TV = re.compile(r"drm to all videos|some tv\S* client .{0,60}drm protected")
_DRM_FOR_OTHERS = re.compile(r"some (?!tv)\S+ client .{0,60}drm protected")

_LONGEST = 1500
"""Characters of one message that are matched: expressions take time, and messages come from a server."""
_CLEANED = (
    (re.compile(r"'/[^']*'|\"/[^\"]*\""), "''"),  # a directory could be named "captcha"
    (re.compile(r"https?://[^\s'\"]+"), "URL"),
    # Names that anyone can choose: of a claimant, of a membership level.
    (re.compile(r"(content from ).{1,200}?(, (?:one or more of )?whom? ha)"), r"\1*\2"),
    (re.compile(r"(on level: ).{1,200}?( \(or any)"), r"\1*\2"),
    (re.compile("\N{RIGHT SINGLE QUOTATION MARK}"), "'"),
)
_PROGRESS = re.compile(
    r"\[(?:debug|info|download|youtube|generic)\b[^]]*\] |deprecated feature:", re.IGNORECASE
)
_RETRYING = re.compile(r"retrying[^()]{0,40}\(\d+/\w+\)", re.IGNORECASE)
# yt-dlp continues after these errors, so they explain the final error as warnings do.
_NOT_FATAL = re.compile(
    r"error: (?:\[\S+\] )?\[(?:jsc|pot|requests|urllib|curl_cffi|websockets)\b", re.IGNORECASE
)
_FRAME = re.compile(r'\s+File ".*", line \d+')
_TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True)
class _Printed:
    """The messages that yt-dlp printed, the last one first."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    retries: list[str] = field(default_factory=list)
    """Failures that were retried, with or without success."""


def classify(stderr: Iterable[str] | str) -> Reason:
    """Return the reason that yt-dlp's stderr indicates; `Reason.UNKNOWN` if no table contains it.

    An error that states its reason decides, the last one first. Otherwise a block of the IP address decides,
    in any message, because yt-dlp often reports it in a warning only. Then come failed requests, warnings
    that explain why every video fails alike, and YouTube's errors without a reason. Warnings about requests
    come last: they only explain errors that say no more than that nothing was found.
    """
    printed = _printed(stderr)
    errors, warnings = _folded(printed.errors), _folded(printed.warnings)
    attempts = warnings + _folded(printed.retries)
    stated = _of_last(messages.STATED, errors)
    if stated is Reason.DRM and _is_drm_experiment(warnings):
        return Reason.UPDATE_NEEDED
    return (
        stated
        or _first(_REFUSALS, attempts)
        or _of_last(messages.TRANSPORT, errors)
        or _first(messages.SYSTEMIC, warnings)
        or _of_last(messages.CLIENT + messages.REASONLESS, errors)
        or _first(messages.TRANSPORT, warnings)
        or _first(_IN_WARNINGS, warnings)
        or _drm_for_all(warnings)
        or _first(messages.NOTHING_OFFERED, warnings)
        or _first(messages.TRANSPORT, attempts)
        or _of_last(messages.SYMPTOMS, errors)
        or Reason.UNKNOWN
    )


def classify_ffmpeg(stderr: Iterable[str] | str) -> Reason:
    """Return the reason that ffmpeg's stderr indicates, after ffmpeg has exited with an error.

    `Reason.TOOL_FAILED` if no table contains it: only the failure is certain.
    """
    text = " ".join(" ".join(map(_cleaned, _lines(stderr))).split())
    return _first(messages.FFMPEG, [text.casefold()]) or Reason.TOOL_FAILED


_HOST = re.compile(
    r"host='([a-z0-9._:-]{1,253})', port=(\d{1,5})|connection to ([a-z0-9._:-]{1,253}) timed out"
)
_UNRESOLVED = re.compile(r"failed to resolve '([a-z0-9._-]{1,253})'")
_PROXY = re.compile(r"unable to connect to proxy|proxyerror|tunnel connection failed|socks")
_TUNNEL = re.compile(r"tunnel connection failed: (\d{3})")
_SYMPTOMS = (
    (
        re.compile(r"resol|name or service|nodename|getaddrinfo|no address associated"),
        "cannot resolve {host}",
    ),
    (re.compile(r"refused"), "connection to {address} refused"),
    (re.compile(r"no route|(network|host)( is)? (unreachable|down)"), "no route to {host}"),
    (re.compile(r"cannot assign|source address"), "no usable source address for {host}"),
    (re.compile(r"timed out"), "connection to {address} timed out"),
    (re.compile(r"ssl|handshake|protocol_version"), "no TLS connection to {address}"),
)


def connection_cause(stderr: Iterable[str] | str) -> str:
    """Return what could not be reached, if stderr indicates `Reason.UNREACHABLE`; otherwise "".

    A clause without a full stop, such as "cannot resolve www.youtube.com". It contains no credentials: only
    host and port are taken from the message.
    """
    if classify(stderr) is not Reason.UNREACHABLE:
        return ""
    printed = _printed(stderr)
    attempts = _folded(printed.errors + printed.warnings + printed.retries)
    return next(_cause(text) for text in attempts if _first(messages.TRANSPORT, [text]) is Reason.UNREACHABLE)


def _cause(text: str) -> str:
    """Return what could not be reached according to one message."""
    host, address = "the server", "the server"
    if found := _HOST.search(text):
        host = found[1] or found[3]
        address = f"{f'[{host}]' if ':' in host else host}{f':{found[2]}' if found[2] else ''}"
    if found := _UNRESOLVED.search(text):
        host = found[1]
    proxied = _PROXY.search(text)
    if proxied and (found := _TUNNEL.search(text)):
        return f"the proxy answered with {found[1]}"
    if proxied and "host='" not in text.partition("(caused by")[0]:
        return "the SOCKS proxy made no connection" if "socks" in text else "cannot connect to the proxy"
    if proxied and "socks" in text:  # the host in the message is the one behind the proxy
        host = address = "the SOCKS proxy"
    elif proxied:
        host, address = f"the proxy {host}", f"the proxy {address}"
    clause = next(
        (clause for symptom, clause in _SYMPTOMS if symptom.search(text)), "no connection to {address}"
    )
    return clause.format(host=host, address=address)


_PREFIX = re.compile(r"(?:error: )?(?:\[[^]]*\] )?(?:([\w-]{11}): )?", re.IGNORECASE)
_HINT = re.compile(
    r"[;,.]? (?:please report this issue on|use --|see URL|for more information).*", re.IGNORECASE
)
_VARIABLE = (
    re.compile(r"\(caused by .*"),
    re.compile(r"\b0x[0-9a-f]+"),
    re.compile(r"(?<![\w-])(?=[\w-]*[\d_-])[\w-]{11}(?![\w-])|\b(?=\w*[a-z][A-Z])[\w-]{11}\b"),  # video ids
    re.compile(r"(['\"]).*?\1"),
    re.compile(r"\d+"),
)


def same_message_key(stderr: Iterable[str] | str) -> str:
    """Return a key that is equal for the same last error about different videos; "" if there is no error.

    At most 200 characters, without ids, numbers, URLs and hints.
    """
    errors = _printed(stderr).errors
    if not errors:
        return ""
    found = _PREFIX.match(errors[0])
    text = _HINT.sub("", errors[0][found.end() if found else 0 :])
    if found and found[1]:
        text = text.replace(found[1], "*")
    for variable in _VARIABLE:
        text = variable.sub("*", text)
    return " ".join(text.replace("URL", "*").split()).strip(" .").casefold()[:200]


def _lines(stderr: Iterable[str] | str) -> list[str]:
    """Split stderr, one text or many lines with or without line ends, into lines."""
    return (stderr if isinstance(stderr, str) else "\n".join(stderr)).splitlines()


def _cleaned(line: str) -> str:
    """Remove from a line what could be mistaken for a message: names, paths, URLs, colours."""
    line = ESCAPES.sub("", line)
    for form, instead in _CLEANED:
        line = form.sub(instead, line)
    return line


def _printed(stderr: Iterable[str] | str) -> _Printed:
    """Divide yt-dlp's output into messages.

    A line without a prefix belongs to the previous message, since YouTube's reasons may have several lines.
    Lines before the first prefix count as an error, as for a usage message. Progress, debug output and the
    frames of tracebacks are omitted.
    """
    printed = _Printed()
    found: list[tuple[list[str], list[str]]] = [(printed.errors, [])]
    in_frames = False
    for raw in _lines(stderr):
        in_frames = bool(_FRAME.match(raw)) or (in_frames and raw[:1] in {"", " ", "\t"})
        if in_frames:
            continue
        line = _cleaned(raw).strip()
        kind = _kind(line, printed)
        after_error = "".join(found[-1][1]).casefold() == "error:"  # a carriage return follows
        if kind is None or after_error:
            found[-1][1].append(line)
        else:
            found.append((kind, [line]))
    for kind, parts in reversed(found):
        if text := " ".join(" ".join(parts).split()):
            kind.append(text[:_LONGEST])
    return printed


def _kind(line: str, printed: _Printed) -> list[str] | None:
    """Return the list for the message that starts with this line; None if no message starts there."""
    start = line[:9].casefold()
    if _RETRYING.search(line):
        return printed.retries
    if start.startswith("warning:"):
        return printed.warnings
    if start.startswith("error:"):
        return printed.warnings if _NOT_FATAL.match(line) else printed.errors
    if line.startswith(_TRACEBACK):
        return printed.errors
    return [] if _PROGRESS.match(line) else None


def _folded(texts: Iterable[str]) -> list[str]:
    """Return messages normalised for the tables."""
    return [text.casefold() for text in texts]


def _drm_for_all(warnings: Sequence[str]) -> Reason | None:
    """Return `Reason.DRM` if everything has DRM, even for a client outside YouTube's experiment."""
    nothing = any("drm protected and only images are available" in text for text in warnings)
    return Reason.DRM if nothing and any(map(_DRM_FOR_OTHERS.search, warnings)) else None


def _is_drm_experiment(warnings: Sequence[str]) -> bool:
    """Return whether DRM was only reported for clients in YouTube's experiment."""
    return any(map(_DRM_FOR_TV.search, warnings)) and not any(map(_DRM_FOR_OTHERS.search, warnings))


def _first(table: messages.Table, texts: Sequence[str]) -> Reason | None:
    """Return the reason of the first row of a table that matches any of the messages."""
    return next((reason for reason, form in table if any(map(form.search, texts))), None)


def _of_last(table: messages.Table, texts: Sequence[str]) -> Reason | None:
    """Return the reason of the last message that a table contains; the last message comes first."""
    return next((reason for text in texts if (reason := _first(table, [text]))), None)
