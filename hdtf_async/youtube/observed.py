"""What may be reported about YouTube's responses: counts, names, sizes and times, but no URLs. Pure.

`Summary` describes what yt-dlp extracted for one video, and `Traffic` the HTTP responses that yt-dlp prints
with ``--print-traffic``. A media URL contains a signature and the IP address of the client, so only the name
of the client and the remaining time until its expiry are reported.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from hdtf_async.core.failures import Failure
from hdtf_async.core.model import Resolution
from hdtf_async.youtube import entries, formats
from hdtf_async.youtube.entries import entries_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hdtf_async.youtube.formats import Format

HEIGHT = 144
"""The height to download; the nearest above it if YouTube does not offer it."""
END = 64 << 10
"""Bytes downloaded from each end of a file."""
_CODECS = ("avc1", "avc3", "vp9", "vp09")
_LATEST = float(1 << 40)
_LONGEST = 240
_HIDDEN = (
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s'\"]+", re.IGNORECASE), "(address)"),
    (re.compile(r"[\w.-]+\.googlevideo\.com", re.IGNORECASE), "(media host)"),
    (re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])(?::\d+)?"), "(IP address)"),
    (re.compile(r"(?<![\w:])(?=:*[0-9a-f])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])"), "(IP address)"),
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What yt-dlp extracted for one video."""

    yt_dlp: str
    """Version of yt-dlp."""
    clients: list[str]
    """YouTube's names of the clients whose URLs yt-dlp kept, in alphabetical order."""
    protocols: dict[str, int]
    """Formats by yt-dlp's name of their protocol; storyboards are ``mhtml``."""
    formats: int
    """Formats other than storyboards."""
    complete: int
    """H.264 and VP9 formats over https with known size and expiry."""
    valid_hours: float | None
    """Hours until the first of their URLs expires."""
    hls: bool
    """Whether video is offered over HLS."""
    heights: list[int]
    """Heights of the video formats, ascending."""
    stretched_ratio: float | None
    """Aspect ratio that the uploader requested with the keyword ``yt:stretch``."""


def summary(info: Mapping[str, Any], now: float) -> Summary:
    """Summarise yt-dlp's info dict; `now` is in seconds since 1970."""
    offered = [entry for entry in entries_of(info) if entries.why_absent(entry) is None]
    expiries = [
        expires
        for entry in offered
        if entries.text(entry, "vcodec").startswith(_CODECS)
        and entries.source(entry).protocol == "https"
        and entries.whole(entry.get("filesize"), 1 << 42) is not None
        and (expires := _expires(entry)) is not None
    ]
    version = info.get("_version")
    heights = (entries.whole(one.get("height"), 1 << 13) for one in offered)
    ratios = (entries.number(one.get("stretched_ratio"), 100.0) for one in offered)
    protocols = Counter(entries.short(entry.get("protocol")) for entry in entries_of(info))
    return Summary(
        yt_dlp=entries.short(version.get("version") if isinstance(version, dict) else None),
        clients=sorted({entries.source(entry).client for entry in offered} - {""}),
        protocols=dict(sorted(protocols.items())),
        formats=len(offered),
        complete=len(expiries),
        valid_hours=round((min(expiries) - now) / 3600, 1) if expiries else None,
        hls=any(_is_hls(entry) and not entries.is_audio_only(entry) for entry in offered),
        heights=sorted(set(filter(None, heights))),
        stretched_ratio=next(filter(None, ratios), None),
    )


def choose(info: Mapping[str, Any], *, hls: bool = False, height: int = HEIGHT) -> Format:
    """Choose a format as a run does, either over https or over HLS.

    Raises `Failure`, as `formats.choose`.
    """
    among = [entry for entry in entries_of(info) if _is_hls(entry) is hls]
    required = formats.Requirements(Resolution.REFERENCE, height)
    return formats.choose({**info, "formats": among}, required).video


def part(info: Mapping[str, Any], video: Format, *, last: bool) -> tuple[dict[str, Any], Format]:
    """Return an info dict and format with which yt-dlp downloads the first or the last `END` bytes of a file.

    yt-dlp follows a Range header among a format's headers if it does not split the download into chunks. The
    last range has no end, so a file that is larger or smaller than announced results in another number of
    bytes.
    """
    size = video.size or 0
    length = min(END, size)
    byte_range = f"bytes={size - length}-" if last else f"bytes=0-{length - 1}"
    changed = []
    for entry in entries_of(info):
        if entry.get("format_id") == video.format_id:
            headers = entry.get("http_headers")
            changed.append(
                {name: value for name, value in entry.items() if name != "downloader_options"}
                | {"http_headers": {**(headers if isinstance(headers, dict) else {}), "Range": byte_range}}
            )
    return {**info, "formats": changed}, replace(video, size=length, size_is_exact=True)


@dataclass(slots=True)
class Traffic:
    """Parses the HTTP responses in the output of ``--print-traffic``; keeps no header values."""

    statuses: list[int] = field(default_factory=list)
    """One per response, redirects included."""
    total_bytes: int | None = None
    """Size of the whole file, from the last Content-Range."""
    headers: set[str] = field(default_factory=set)
    """Names of the headers of all responses, in lower case."""

    def line(self, line: str) -> None:
        """Process a line of stdout."""
        status = re.match(r"reply: '?HTTP/[\d.]+ (\d{3})\b", line)
        if status is not None and len(self.statuses) < 1000:  # noqa: PLR2004 - bounded, whatever the output
            self.statuses.append(int(status[1]))
        header = re.match(r"header: ([A-Za-z0-9-]{1,60}): ?(.*)", line)
        # Headers before the first response are the proxy's.
        if header is None or not self.statuses or len(self.headers) > 200:  # noqa: PLR2004 - the same
            return
        self.headers.add(header[1].lower())
        if header[1].lower() == "content-range":
            total = re.match(r"bytes \d+-\d+/(\d{1,15})\s*$", header[2])
            self.total_bytes = int(total[1]) if total else None

    @property
    def status(self) -> int | None:
        """Status of the last response; None if there was none."""
        return self.statuses[-1] if self.statuses else None


def without_addresses(text: str) -> str:
    """Return a text without URLs, media hosts and IP addresses."""
    for form, instead in _HIDDEN:
        text = form.sub(instead, text)
    return text


def message(failure: Failure) -> str:
    """Return the most informative line of a failure's message, without URLs."""
    lines = failure.words.splitlines() or [failure.reason.advice.meaning]
    errors = [line for line in lines if line.startswith("ERROR:")]
    # For a tool that was terminated for lack of progress, earlier messages are more informative.
    chosen = errors[-1:] or lines[-2:][::-1]
    return "; before that: ".join(without_addresses(line)[:_LONGEST] for line in chosen)


def _is_hls(entry: Mapping[str, Any]) -> bool:
    return entries.source(entry).protocol == "hls"


def _expires(entry: Mapping[str, Any]) -> float | None:
    """Return when a media address expires, in seconds since 1970."""
    try:
        fields = parse_qs(urlsplit(entries.text(entry, "url")).query, max_num_fields=100)
        expires = float(fields.get("expire", [""])[0])
    except ValueError:
        return None
    return expires if math.isfinite(expires) and 0 < expires < _LATEST else None
