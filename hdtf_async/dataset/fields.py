"""Parse and validate the fields of one table row.

There are two kinds of errors: a line that is no row of its table raises `TableError`; a value that is
impossible or dangerous is skipped, with a finding. Returned names and ids are safe in paths and on command
lines. Every check takes time proportional to the length of the text, for any text.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from hdtf_async.core.exceptions import TableError
from hdtf_async.core.model import Box, Finding, Interval, Severity
from hdtf_async.core.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LONGEST_NAME = 100
GREATEST_HEIGHT = 8640
GREATEST_COORDINATE = 16384
GREATEST_INDEX = 99_999
GREATEST_ZOOM = 10
DAY = 24 * 3600
MOST_OF_A_KIND = 100
"""Findings of one kind in one table that are listed individually; HDTF's own tables have at most 11."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9_-])?")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_PUBLISHED_LINK = re.compile(r"https://www\.youtube\.com/watch\?v=([A-Za-z0-9_-]{11})")
_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_YOUTUBE_HOSTS = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com"})
_NO_FIGURE = re.compile(r"-?(nan|inf|infinity)", re.IGNORECASE)
# Only one part of a pattern matches digits: with two, rejecting a long number would take quadratic time, two
# minutes for a line.
_DECIMAL = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TIME = re.compile(r"(?:([0-9]+):)?([0-9]+):([0-9]+(?:\.[0-9]*)?)")


class Findings:
    """Findings in order; of each kind in one table only the first are kept, and the others counted.

    So a table with a million invalid lines needs no more memory, and no longer output, than one with a
    hundred.
    """

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        self._kept: list[Finding] = []
        self._counts = Counter[tuple[str, Severity, str]]()
        self._first_left: dict[tuple[str, Severity, str], int] = {}
        for finding in findings:
            self.append(finding)

    def append(self, finding: Finding) -> None:
        """Add a finding."""
        kind = (finding.file, finding.severity, finding.code)
        self._counts[kind] += 1
        if self._counts[kind] <= MOST_OF_A_KIND:
            self._kept.append(finding)
        else:
            self._first_left.setdefault(kind, finding.line)

    def __iter__(self) -> Iterator[Finding]:
        yield from self._kept
        for (file, severity, code), line in self._first_left.items():
            more = self._counts[file, severity, code] - MOST_OF_A_KIND
            message = f"{more} more of this kind, from here on"
            message += f": only the first {MOST_OF_A_KIND} are listed."
            yield Finding(file, line, severity, code, message, more)

    def __len__(self) -> int:
        return len(self._kept) + len(self._first_left)


@dataclass(slots=True)
class Row:
    """One line of a table and its position.

    The methods raise `TableError` for a line that is no row of the table, and return None, with a finding,
    for a value that is impossible or dangerous.
    """

    file: str
    line: int
    fields: list[str]
    findings: Findings

    def malformed(self, message: str) -> TableError:
        """Return the error for a line that is no row of its table."""
        return TableError(self.file, self.line, message)

    def refuse(self, code: str, message: str) -> None:
        """Report a skipped value, with its row if that is useless without it."""
        self.findings.append(Finding(self.file, self.line, Severity.ERROR, code, message))

    def expect(self, count: int, form: str) -> None:
        """Raise `TableError` unless the row has ``count`` fields; ``form`` is an example."""
        if len(self.fields) != count:
            message = f"{len(self.fields)} fields in {quoted(' '.join(self.fields))}"
            raise self.malformed(f"{message}; expected {count}, such as {form}")

    def name(self, text: str) -> str | None:
        """Read the name of a video, with or without ``.mp4``, that is safe as part of a file name."""
        name = text.removesuffix(".mp4")
        if is_safe_name(name):
            return name
        message = f"{quoted(text)} is not a safe file name; skipped. A name has up to {LONGEST_NAME} ASCII"
        message += " letters, digits, '_', '-' and single '.', begins with a letter or a digit and does not"
        message += " end with '.'."
        self.refuse("bad_name", message)
        return None

    def key(self, text: str) -> tuple[str, int] | None:
        """Read the name of a video and the index of one of its intervals, such as ``Radio11_1.mp4``."""
        before, found, after = text.removesuffix(".mp4").rpartition("_")
        if not found:
            raise self.malformed(f"{quoted(text)} has no index; expected a name such as Radio11_1.mp4")
        name, index = self.name(before), self.index(after)
        return None if name is None or index is None else (name, index)

    def youtube_id(self, url: str) -> str | None:
        """Read the id of the video from a YouTube URL."""
        if found := _id_in_url(url):
            return found
        self.refuse("bad_url", f"{quoted(url)} is not the URL of a YouTube video; row skipped.")
        return None

    def whole(self, text: str, what: str, greatest: int) -> int | None:
        """Read an integer from 0 to ``greatest``."""
        digits = text.isascii() and text.removeprefix("-").isdigit()
        if not digits and not _NO_FIGURE.fullmatch(text):
            raise self.malformed(f"{what} {quoted(text)} is not an integer; expected digits")
        # No limit here has nine digits, and int() raises for thousands of them.
        value = int(text) if digits and len(text) <= len("123456789") else -1
        if 0 <= value <= greatest:
            return value
        self.refuse(f"bad_{what}", f"{what} {quoted(text)} is not between 0 and {greatest}; skipped.")
        return None

    def index(self, text: str) -> int | None:
        """Read the index of an interval, counted from 0."""
        return self.whole(text, "index", GREATEST_INDEX)

    def height(self, text: str) -> int | None:
        """Read a reference height in pixels; 0 means unknown."""
        return self.whole(text, "height", GREATEST_HEIGHT)

    def zoom(self, text: str) -> float | None:
        """Read a zoom above 0."""
        if not _DECIMAL.fullmatch(text) and not _NO_FIGURE.fullmatch(text):
            raise self.malformed(f"zoom {quoted(text)} is not a number; expected a value such as 1.2")
        value = float(text)
        if 0 < value <= GREATEST_ZOOM:
            return value
        self.refuse("bad_zoom", f"zoom {quoted(text)} is not above 0 and at most {GREATEST_ZOOM}; skipped.")
        return None

    def box(self, texts: Sequence[str]) -> Box | None:
        """Read a box from left, width, top and height, in this order."""
        left, width, top, height = (self.whole(text, "box", GREATEST_COORDINATE) for text in texts)
        if left is None or width is None or top is None or height is None:
            return None
        box = Box(left, top, width, height)
        if width and height and max(box.right, box.bottom) <= GREATEST_COORDINATE:
            return box
        message = f"box {quoted(' '.join(texts))} has no area or ends beyond {GREATEST_COORDINATE}; skipped."
        self.refuse("bad_box", message)
        return None

    def interval(self, text: str) -> Interval | None:
        """Read an interval such as ``00:30-01:00``, ``1:00:00-1:01:30`` or ``00:30.5-00:45``."""
        start, _, end = (seconds_of(part) for part in text.partition("-"))
        if start is None or end is None:
            raise self.malformed(f"{quoted(text)} is not an interval; expected a value such as 00:30-01:00")
        interval = Interval(start, end)
        if interval.start < interval.end <= DAY:
            return interval
        message = (
            f"interval {quoted(text)} has no valid times, does not run forward or exceeds a day; skipped."
        )
        self.refuse("bad_interval", message)
        return None


def is_safe_name(text: str) -> bool:
    """Return whether a text is safe as part of a file name."""
    return len(text) <= LONGEST_NAME and _NAME.fullmatch(text) is not None and ".." not in text


def is_device(text: str) -> bool:
    """Return whether a name is that of a device on Windows, where no file can have it, with any extension."""
    return _DEVICE.fullmatch(text) is not None


def youtube_id_of(text: str) -> str | None:
    """Return the id of a YouTube video from the id itself, or from a URL; None for any other text."""
    return text if _YOUTUBE_ID.fullmatch(text) else _id_in_url(text)


def _id_in_url(url: str) -> str | None:
    # Parsing URLs takes a sixth of the reading time, and nearly all match this pattern.
    if published := _PUBLISHED_LINK.fullmatch(url):
        return published[1]
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
    except ValueError:
        parts, query = urlsplit(""), {}
    host, path = parts.netloc.lower(), [each for each in parts.path.split("/") if each]
    ids: Sequence[str] = ()
    if host == "youtu.be":
        ids = path
    elif host in _YOUTUBE_HOSTS and path == ["watch"]:
        ids = query.get("v", ())
    elif host in _YOUTUBE_HOSTS and path[:1] in (["shorts"], ["embed"], ["live"]):
        ids = path[1:]
    if parts.scheme in ("http", "https") and len(ids) == 1 and _YOUTUBE_ID.fullmatch(ids[0]):
        return ids[0]
    return None


def seconds_of(text: str) -> float | None:
    """Return seconds from a time such as ``1:02:30.5`` or ``00:30``; None for any other text.

    They are infinite if it has more than 59 minutes or seconds.
    """
    time = _TIME.fullmatch(text)
    if time is None:
        return None
    hours, minutes, seconds = map(float, time.groups("0"))
    wrong = seconds >= 60 or (time[1] and minutes >= 60)  # noqa: PLR2004 - 60 minutes and seconds
    return float("inf") if wrong else 3600 * hours + 60 * minutes + seconds
