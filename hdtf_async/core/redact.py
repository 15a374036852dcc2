"""Redact secrets in messages of tools: passwords, cookies, signed URLs. Pure.

There are two methods. `without_secrets` recognises secrets by their format, regardless of their owner. A
`Mask` recognises them by their value, however they are encoded: it is made from the secrets that the user has
passed to this run, and also works if a tool repeats them in an unexpected format. What neither recognises,
such as the value of a cookie from a browser, alone on a line, cannot be distinguished from any other word.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

HIDDEN = "***"
"""Replaces a secret."""

_BEGIN = r"(?:\b|(?<=%2f|%3f|%26))"
"""Matches the start of a word, or of a part of a percent-encoded URL."""
_FORMS = (
    # Anyone with the URL can download the media; in a cipher it is percent-encoded.
    (
        rf"{_BEGIN}((?:video|init)playback|api(?:/|%2f)manifest)(?:[?/]|%3f|%2f)[^\s'\"]+",
        r"\1 (signed address)",
    ),
    (r"//[^/\s'\"]+@", f"//{HIDDEN}@"),
    (r"(?:\b|(?<=\\n))((?:set-|proxy-)?(?:cookie|authorization)['\"]?\s*[:=]\s*)\S.*", rf"\1{HIDDEN}"),
    (
        rf"{_BEGIN}(l?sig(?:nature)?|pot|visitor_?data|data_sync_id|\w*token|passw(?:or)?d|secret)"
        r"(=|%3d)[^\s&;'\"]+",
        rf"\1\2{HIDDEN}",
    ),
)
_BY_FORM = tuple((re.compile(form, re.IGNORECASE), instead) for form, instead in _FORMS)

_OPTIONS = (
    "--username", "--password", "--twofactor", "--video-password", "--ap-username", "--ap-password",
    "--client-certificate-password", "--add-headers", "--geo-verification-proxy", "--netrc-cmd",
    "--extractor-args",
)  # fmt: skip
_LETTERS = {"-u": "--username", "-p": "--password", "-2": "--twofactor"}
_KEYED = re.compile(r"\b\w*(?:token|visitor|data_sync|passw|secret|cookie|key)\w*=([^;\s]+)", re.IGNORECASE)
_HOST = re.compile(r"[.\w-]*\.[a-z]{2,}")
_LEAST = 8
"""Minimum length of a cookie's value, or of a user name for a proxy, to count as a secret."""
_DISTINCT = 6
"""Minimum length of a value that is also searched inside words."""


def without_secrets(text: str) -> str:
    """Return a text without anything that has the format of a secret."""
    for form, instead in _BY_FORM:
        text = form.sub(instead, text)
    return text


class Mask:
    """Redacts values anywhere in a text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spelled = {spelling for secret in secrets if secret.strip() for spelling in _spellings(secret)}
        longest_first = sorted(spelled, key=len, reverse=True)
        self._values = [value for value in longest_first if len(value) >= _DISTINCT]
        short = [re.escape(value) for value in longest_first if len(value) < _DISTINCT]
        self._short = re.compile(rf"(?<!\w)(?:{'|'.join(short)})(?!\w)") if short else None

    def __call__(self, text: str) -> str:
        """Return the text without the values."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        return text if self._short is None else self._short.sub(HIDDEN, text)


def in_address(address: str) -> set[str]:
    """Return the secrets in the URL of a proxy: its password, and the user name if it may be one too.

    If the URL is malformed, each part may be a secret.
    """
    rest = address.partition("//")[2] or address
    who, at, _ = rest.rpartition("@")
    if at:
        name, _, password = who.partition(":")
        plain = f"{unquote(name)}:{unquote(password)}"
        basic = {b64encode(text.encode("utf-8", "replace")).decode() for text in (who, plain)}
        return {password, *basic} | ({name, who} if len(name) >= _LEAST else set())
    parts = rest.split("/")[0].split(":")
    return {part for part in parts if len(part) >= _DISTINCT} if len(parts) > 2 and "[" not in rest else set()  # noqa: PLR2004 - host and port


def in_cookies(text: str) -> set[str]:
    """Return the secrets in a cookies file in Netscape format, also in malformed lines."""
    return {
        value
        for line in text.splitlines()
        if line.startswith("#HttpOnly_") or not line.startswith("#")
        for value in _values_in(line)
        if len(value) >= _LEAST
    }


def in_arguments(arguments: Sequence[str]) -> set[str]:
    """Return the secrets in arguments for yt-dlp."""
    return {secret for name, value in _valued(arguments) for secret in _secrets_of(name, value)}


def _spellings(secret: str) -> set[str]:
    """Return a value unchanged, percent-encoded, and as a program prints it."""
    encoded = secret.encode("utf-8", "replace")
    in_addresses = {unquote(secret), quote(encoded), quote(encoded, safe=""), quote_plus(encoded)}
    return {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], *in_addresses} - {""}


def _values_in(line: str) -> list[str]:
    fields = line.split("\t")
    if len(fields) == 7:  # noqa: PLR2004 - domain, four more, name, value
        return [fields[6]]
    return [word for word in re.split(r"[\s=;,'\"]+", line) if not _HOST.fullmatch(word)]


def _valued(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the options with secret values, and these values."""
    for place, argument in enumerate(arguments):
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        if argument[:2] in _LETTERS:
            yield _LETTERS[argument[:2]], argument[2:] or following
        elif argument.startswith("--"):
            name, given, value = argument.partition("=")
            full = next((option for option in _OPTIONS if option.startswith(name)), None)
            if full is not None:
                yield full, value if given else following


def _secrets_of(name: str, value: str) -> Iterator[str]:
    match name:
        case "--add-headers":
            yield from value.partition(":")[2].split()  # "Authorization: Bearer ..."
        case "--geo-verification-proxy":
            yield from in_address(value)
        case "--extractor-args":
            for values in _KEYED.findall(value):
                yield from (part for part in re.split(r"[,+]", values) if len(part) >= _LEAST)
        case "--username":
            yield value if len(value) >= _LEAST else ""
        case _:
            yield value


_LAST_LINES = 20
_LAST_CHARACTERS = 2000
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours and cursor movements in a tool's output, which are removed."""


def last_lines(output: Iterable[str] | str) -> str:
    """Return the last lines of a tool's output, safe to record and to print.

    At most 20 lines and 2000 characters. Control characters are removed, because the text is printed on
    terminals, and anything with the format of a secret, because it is written to files.
    """
    text = without_secrets(ESCAPES.sub("", output if isinstance(output, str) else "\n".join(output)))
    lines = ("".join(c for c in line if c.isprintable()).strip() for line in text.splitlines())
    return "\n".join([line for line in lines if line][-_LAST_LINES:])[-_LAST_CHARACTERS:].lstrip()
