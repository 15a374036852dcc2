"""The gallery of a report: its clips and missing clips as JSON, which the page's script shows. Pure.

The page contains a compact row for each clip and creates elements only for what is on the screen, so that it
opens fast with many thousands of clips.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from hdtf_async.core.reason_labels import label
from hdtf_async.report.records import LONGEST_MESSAGE, number, speaker, spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hdtf_async.core.clip_record import ClipRecord
    from hdtf_async.report.records import Record, ReportData

MOST_PICTURES = 600
"""Maximum number of clips with an image; if there are more, those that begin an interval come first."""
MOST_LISTED = 50_000
"""Clips that the page contains, and missing clips; of more, a sample spread evenly over their names."""
MOST_MESSAGES = 1000
"""Different error messages that the page contains."""
_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_PARTS = re.compile(r"([^0-9]*)([0-9]{0,18})")
_DIGEST = re.compile(r"[0-9a-f]{64}")

CLIP = (
    "stem", "subset", "speaker", "split", "seconds", "width", "height", "fps", "bytes", "id", "start", "end",
    "file", "picture",
)  # fmt: skip
"""Columns of a clip. ``file`` is its URL, 0 if that is the stem with ``.mp4``. ``picture`` is the SHA-256 of
the clip if the page has an image of it, otherwise 0."""
MISSING = ("stem", "subset", "speaker", "reason", "id", "message")
"""Columns of a missing clip, whose row is shorter. ``message`` is the place of a tool's message among
the messages, or -1."""


def gallery(found: ReportData) -> Record:
    """Return the rows of the gallery, for `as_script`: sorted by name, numbers in names by their value."""
    shown = {f"{line.sha256}" for line in pictured(found.clips)} & found.pictures.keys()
    sides = split_of(found)
    messages: dict[str, int] = {}
    rows = [
        *(
            _clip(stem, found.clips[stem], sides.get(stem, ""), shown)
            for stem in spread(list(found.clips), MOST_LISTED)
        ),
        *(_missing(record, messages) for record in spread(found.missing, MOST_LISTED)),
    ]
    rows.sort(key=lambda row: _natural(f"{row[0]}"))
    reasons = {f"{record['reason']}" for record in found.missing}
    return {
        "clip": CLIP,
        "missing": MISSING,
        "rows": rows,
        "messages": list(messages),
        "labels": {reason: label(reason) for reason in sorted(reasons)},
    }


def _natural(name: str) -> list[tuple[str, int]]:
    """Return a sort key by which ``Radio2`` is before ``Radio10``."""
    return [(text, int(digits or 0)) for text, digits in _PARTS.findall(name)]


def pictures(found: ReportData) -> dict[str, str | None]:
    """Return the images that the page contains, by the SHA-256 of the clip."""
    keys = (f"{line.sha256}" for line in pictured(found.clips))
    return {key: found.pictures[key] for key in keys if key in found.pictures}


def as_script(value: object) -> str:
    """Return JSON that can stand in a script element: no markup, whatever the strings contain."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def unlisted(found: ReportData) -> int:
    """Return the number of clips and missing clips that the page does not contain."""
    return sum(max(0, len(each) - MOST_LISTED) for each in (found.clips, found.missing))


def pictured(clips: Mapping[str, ClipRecord]) -> list[ClipRecord]:
    """Return the metadata of the clips that have an image, spread evenly over their names."""
    lines = [
        line
        for stem, line in clips.items()
        if line.file_name == f"{stem}.mp4" and _DIGEST.fullmatch(f"{line.sha256}")
    ]
    first = spread([line for line in lines if not line.segment], MOST_PICTURES)
    return first + spread([line for line in lines if line.segment], MOST_PICTURES - len(first))


def split_of(found: ReportData) -> dict[str, str]:
    """Return the split of each clip: that of ``--split``, otherwise that of the list of clips."""
    if found.split is None:
        return {stem: line.split for stem, line in found.clips.items() if line.split}
    lists = found.split.lists({stem: line.member for stem, line in found.clips.items()})
    return {stem: side for side, stems in lists.items() for stem in stems}


def speaker_of(line: ClipRecord) -> str:
    """Return who speaks in a clip."""
    return line.speaker or speaker(line.name)


def youtube_id_of(record: Record) -> str:
    """Return the YouTube id in a record; empty if it is not a valid one."""
    youtube_id = f"{record.get('youtube_id')}"
    return youtube_id if _ID.fullmatch(youtube_id) else ""


def _clip(stem: str, line: ClipRecord, side: str, shown: set[str]) -> list[object]:
    name = f"{stem}.mp4"
    file = quote(name, safe="", errors="surrogateescape")
    key = f"{line.sha256}"
    return [
        stem,
        f"{line.subset or ''}",
        speaker_of(line),
        side,
        round(number(line.duration), 2),
        round(number(line.width)),
        round(number(line.height)),
        round(number(line.fps), 3),
        round(number(line.bytes)),
        youtube_id_of(line.to_json()),
        round(number(line.start), 3),
        round(number(line.end), 3),
        0 if file == name else file,
        key if key in shown else 0,
    ]


def _missing(record: Record, messages: dict[str, int]) -> list[object]:
    message = f"{record.get('words') or ''}"[-LONGEST_MESSAGE:]
    if message and len(messages) < MOST_MESSAGES:
        messages.setdefault(message, len(messages))
    return [
        f"{record['clip']}",
        f"{record.get('subset') or ''}",
        speaker(record.get("name")),
        f"{record['reason']}",
        youtube_id_of(record),
        messages.get(message, -1),
    ]
