"""The methods paragraph of a report, for a paper. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hdtf_async.core.reason_labels import label
from hdtf_async.core.text import count
from hdtf_async.report import charts, given_lists
from hdtf_async.report.records import (
    citation_key,
    dataset,
    hours,
    is_hdtf,
    number,
    recorded,
    versions,
    videos,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from hdtf_async.core.clip_record import ClipRecord
    from hdtf_async.report.records import Record, ReportData

_FEW = 6
"""Number of frame rates up to which each is listed."""
_TOOLS = {"yt_dlp": "yt-dlp", "pyav": "PyAV"}
"""Names of tools, where they differ from the keys of metadata.jsonl."""


def methods(found: ReportData) -> str:
    """Return a methods paragraph for a paper, in a few sentences; empty if there are no clips."""
    lines = list(found.clips.values())
    if not lines:
        return ""
    sentences = [_sources(found, lines), f"Each clip was {', '.join(_steps(found, lines))}."]
    lost = Counter(label(record["reason"]) for record in found.missing)
    if lost:
        reasons = ", ".join(f"{reason}: {several}" for reason, several in lost.most_common())
        whole = len(lines) + lost.total()
        sentences.append(f"{lost.total()} of the {count(whole, 'clip')} could not be created ({reasons}).")
    lists = given_lists.compared(found.split, found.clips, found.missing, found.only)
    sentences += [each.sentence for each in lists]
    return " ".join(sentences)


def _sources(found: ReportData, lines: Collection[ClipRecord]) -> str:
    """Describe where the clips are from."""
    corrections = recorded(found, "settings").get("corrections", "none") if is_hdtf(found) else "none"
    tools = ", ".join(
        f"{_TOOLS.get(tool, tool)} {' and '.join(each)}" for tool, each in versions(lines).items()
    )
    title, key = dataset(found), citation_key(found)
    origin = title if key else f"the list {title}" if title else "a list of clips"
    length = charts.format_duration(3600 * hours(lines))
    return (
        f"We used {count(len(lines), 'clip')} ({length} in total) from {count(videos(lines), 'video')}"
        f" of {origin}{f' [{key}]' if key else ''},"
        + ("" if corrections == "none" else f" with {corrections} corrections of its tables,")
        + f" created with {tools or 'hdtf_async'}."
    )


def _steps(found: ReportData, lines: Collection[ClipRecord]) -> list[str]:
    """Describe what was done with each clip, in the order of the steps."""
    made_with = recorded(found, "form")
    steps = [
        _crop(f"{made_with.get('crop', 'table')}", lines),
        _size(made_with),
        _rate(made_with, lines),
        _coding(made_with),
        *(
            f"shortened to its {part} {made_with[part]:g} s"
            for part in ("first", "middle")
            if isinstance(made_with.get(part), float)
        ),
        f"split into segments of {made_with['segment']} s" if made_with.get("segment") else "",
    ]
    return [step for step in steps if step]


def _crop(crop: str, lines: Collection[ClipRecord]) -> str:
    """Describe which part of the frame the clips show. A list may have clips without a box."""
    without = sum(line.to_json().get("box", ...) is None for line in lines)
    if crop == "face":
        return "cropped around the detected face"
    if crop != "table" or without == len(lines):
        return "kept as the whole frame"
    some = f", except for {count(without, 'clip')} without a box" if without else ""
    return f"cropped to its published box{some}"


def _size(made_with: Record) -> str:
    """Describe the size of the clips, if they were scaled."""
    size = made_with.get("size")
    square = {
        "squeeze": "distorted",
        "pad": "scaled, with black bars,",
        "crop": "cropped and scaled",
    }
    if size and (how := square.get(f"{made_with.get('fit')}")):
        return f"{how} to {size}x{size} pixels"
    return f"scaled to {size} pixels on its shorter side" if size else ""


def _rate(made_with: Record, lines: Collection[ClipRecord]) -> str:
    if made_with.get("fps"):
        return f"converted to {made_with['fps']} fps"
    rates = sorted({round(number(line.fps), 2) for line in lines})
    listed = f" ({', '.join(f'{rate:g}' for rate in rates)} fps)" if len(rates) <= _FEW else ""
    return f"kept at its original frame rate{listed}"


def _coding(made_with: Record) -> str:
    quality = f"x264, preset {made_with.get('preset')}, CRF {made_with.get('crf')}"
    lossless = made_with.get("codec") == "lossless"
    sounds = {"none": "without audio", "wav": "with a separate 16 kHz mono audio file"}
    audio = sounds.get(f"{made_with.get('audio', 'none')}", "with audio")
    return f"encoded as H.264 ({'lossless' if lossless else quality}) {audio}"
