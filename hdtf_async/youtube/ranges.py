"""Let yt-dlp download byte ranges of a format, as fragments of a DASH stream. Pure.

yt-dlp's own YouTube extractor can build such fragments (``formats=dashy``): each is the URL of the format
with ``&range=FIRST-LAST``, which YouTube's media servers answer with these bytes only. yt-dlp requests them
one after another, repeats failed ones, and joins them to one file; its options for proxies, cookies and rate
limits apply.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from hdtf_async.youtube.entries import entries_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hdtf_async.youtube.formats import Format

RANGES = "ranges"
"""Protocol of a `Format` that stands for ranges of one."""
_OF_WHOLE = frozenset({"downloader_options", "filesize", "filesize_approx", "container", "fragments"})
"""Keys of a format's entry that are about the whole file."""


def accepts_ranges(info: Mapping[str, Any], format_id: str) -> bool:
    """Whether a format is one file at a URL to which a range can be added."""
    return len(entries_of(info, format_id)) == 1 and all(
        entry.get("protocol") in ("http", "https") and _accepts(entry.get("url"))
        for entry in entries_of(info, format_id)
    )


def _accepts(url: object) -> bool:
    if not isinstance(url, str):
        return False
    try:
        query = urlsplit(url).query
    except ValueError:
        return False
    return bool(query) and "#" not in url and "range" not in dict(parse_qsl(query, keep_blank_values=True))


def in_ranges(
    info: Mapping[str, Any], fmt: Format, ranges: Sequence[tuple[int, int]]
) -> tuple[dict[str, Any], Format]:
    """Return information about a video, and a format, such that yt-dlp downloads these ranges as one file.

    A range is its first byte and the byte behind its last.
    """
    formats = [
        {name: value for name, value in entry.items() if name not in _OF_WHOLE}
        | {
            "protocol": "http_dash_segments",
            "fragments": [{"url": f"{entry['url']}&range={first}-{behind - 1}"} for first, behind in ranges],
        }
        for entry in entries_of(info, fmt.format_id)
    ]
    size = sum(behind - first for first, behind in ranges)
    return {**info, "formats": formats}, replace(fmt, size=size, size_is_exact=True, protocol=RANGES)
