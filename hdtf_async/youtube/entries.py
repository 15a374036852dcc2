"""One entry of the format table in yt-dlp's info dict: its fields, and whether it may be downloaded. Pure.

Entries are untrusted: a field that is missing, of another type or absurd is treated as unknown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    Entry = Mapping[str, object]
    """One entry, from JSON."""

WHOLE = ("https", "http")
"""yt-dlp's names of protocols that download one file."""
IN_PIECES = ("http_dash_segments", "m3u8_native", "m3u8")
"""yt-dlp's names of protocols that download many fragments."""

CLIENTS = {
    "ANDROID": ("android",), "ANDROID_VR": ("android_vr",), "IOS": ("ios",), "MWEB": ("mweb",),
    "TVHTML5": ("tv", "tv_downgraded", "tv_samsung"), "TVHTML5_SIMPLY": ("tv_simply",),
    "VISIONOS": ("visionos",), "WEB": ("web", "web_safari"), "WEB_CREATOR": ("web_creator",),
    "WEB_EMBEDDED_PLAYER": ("web_embedded",), "WEB_REMIX": ("web_music",),
}  # fmt: skip
"""YouTube's name of a client, as in a media URL, to yt-dlp's names for it (INNERTUBE_CLIENTS)."""


def entries_of(info: Mapping[str, Any], format_id: str | None = None) -> list[dict[str, Any]]:
    """Return the entries of the format table of yt-dlp's info dict: all, or those with an id."""
    formats = info.get("formats")
    found = [entry for entry in formats if isinstance(entry, dict)] if isinstance(formats, list) else []
    return found if format_id is None else [entry for entry in found if entry.get("format_id") == format_id]


class Source(NamedTuple):
    """Where the media of a format come from: if one format of a source is forbidden, all of them are."""

    protocol: str
    """``https`` or ``hls``."""
    client: str
    """The YouTube client for which the URL was issued, such as ``TVHTML5``; empty if unknown."""


# An id is passed to yt-dlp's -f, which would parse "+", "/", "," and brackets as operators.
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_HTTP = re.compile(r"https?://[^/?#\s]", re.ASCII | re.IGNORECASE)
_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_ADDRESSES = ("url", "manifest_url", "fragment_base_url")
_LARGEST = 1e9


def why_absent(entry: Entry) -> str | None:
    """Return why an entry offers nothing to download, neither video nor audio; None if it does."""
    protocol = text(entry, "protocol")
    if "mhtml" in (entry.get("ext"), protocol) or "storyboard" in note(entry):
        return "a storyboard"
    if entry.get("vcodec") == "none" and entry.get("acodec") == "none":
        return "neither video nor audio"
    if not entry.get("url"):
        return "without a URL"
    return None if protocol in ("", *WHOLE, *IN_PIECES) else f"protocol {short(protocol)}"


def why_unsafe(entry: Entry) -> str | None:
    """Return why an entry must not reach a downloader; None if it may."""
    if not is_safe(text(entry, "format_id")):
        return "unsafe format id"
    return None if _is_remote(entry) else "URL is not http or https"


def is_protected(entry: Entry) -> bool:
    """Return whether a format is copy protected."""
    return bool(entry.get("has_drm")) and not may_be_protected(entry)


def may_be_protected(entry: Entry) -> bool:
    """Return whether only a download shows if a format is copy protected, according to yt-dlp."""
    return entry.get("has_drm") == "maybe"


def is_audio_only(entry: Entry) -> bool:
    """Return whether a format has no video."""
    return entry.get("vcodec") == "none"


def is_safe(format_id: str) -> bool:
    """Return whether an id is a single word of letters, digits, ``_``, ``.`` and ``-``."""
    return _SAFE.fullmatch(format_id) is not None


def _is_remote(entry: Entry) -> bool:
    """Return whether every URL of a format is http or https, so that no downloader opens a local file."""
    fragments = entry.get("fragments") or []
    aes = entry.get("hls_aes")
    addresses = [entry.get(name) for name in _ADDRESSES] + ([aes.get("uri")] if isinstance(aes, dict) else [])
    if not isinstance(fragments, list) or not all(map(_is_part, fragments)):
        return False
    return all(address is None or _is_http(address) for address in addresses)


def _is_part(part: object) -> bool:
    """Return whether a fragment has an http(s) URL, or a path that yt-dlp appends to the base URL."""
    if not isinstance(part, dict):
        return False
    address, path = part.get("url"), part.get("path")
    relative = isinstance(path, str) and not _SCHEME.match(path)
    return (address is None or _is_http(address)) and (path is None or relative or _is_http(path))


def _is_http(address: object) -> bool:
    return isinstance(address, str) and _HTTP.match(address) is not None


def source(entry: Entry) -> Source:
    """Return where the media of a format come from."""
    protocol = "hls" if text(entry, "protocol").startswith("m3u8") else "https"
    try:
        client = parse_qs(urlsplit(text(entry, "url")).query, max_num_fields=100).get("c", [""])[0]
    except ValueError:
        client = ""
    return Source(protocol, short(client) if client else "")


def text(entry: Entry, field: str) -> str:
    """Return a field if it is a string, otherwise an empty string."""
    value = entry.get(field)
    return value if isinstance(value, str) else ""


def note(entry: Entry) -> str:
    """Return yt-dlp's note on a format in lower case."""
    return text(entry, "format_note").casefold()


def bitrate(entry: Entry, *fields: str) -> float:
    """Return the first of these fields that states a bitrate, in kbit/s; 0 if none does."""
    return next(filter(None, (number(entry.get(field), _LARGEST) for field in fields)), 0.0)


def short(value: object) -> str:
    """Return an untrusted string for display: at most 24 characters, sanitised."""
    return re.sub(r"[^\w.+-]", "?", value[:24] if isinstance(value, str) else "", flags=re.ASCII) or "?"


def number(value: object, most: float) -> float | None:
    """Return a number above 0 and up to `most`; None for anything else, such as NaN, a bool or a string."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= most else None


def whole(value: object, most: int) -> int | None:
    """Return a whole number above 0 and up to `most`; None for anything else."""
    found = number(value, most)
    return int(found) if found is not None and found.is_integer() else None
