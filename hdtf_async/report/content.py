"""Content of ``report.html`` about a directory: counts, tiles, failures, and a methods paragraph.

Records come from files that may be damaged: missing values are omitted.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from hdtf_async.core.failures import Reason
from hdtf_async.core.shards import absent_message
from hdtf_async.core.tally import Outcome
from hdtf_async.core.text import count
from hdtf_async.report import charts, facts, given_lists, history

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from hdtf_async.core.clip_record import ClipRecord
    from hdtf_async.core.shards import Shard
    from hdtf_async.core.splits import Split

Record = dict[str, Any]
T = TypeVar("T")

MOST_PICTURES = 600
"""Maximum number of clips with an image; if there are more, those that begin an interval come first."""
MOST_TILES = 2000
"""Clips that are shown; of more, a sample spread evenly over their names."""
MOST_MISSING = 500
"""Missing clips that are shown, and videos that are listed for each reason."""
MOST_SPEAKERS = 1000
"""Speakers that the filter suggests."""
MOST_RUNS = 12
"""Runs whose timeline is drawn, the newest first."""
_LONGEST_MESSAGE = 600
"""Maximum characters of a tool's error message."""
_FEW = 6
"""Number of frame rates up to which each is listed."""
_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"[0-9]+$")
_PAPER = (
    "Zhang et al., Flow-guided One-shot Talking Face Generation with a High-resolution Audio-visual Dataset,"
    " CVPR 2021"
)


@dataclass(slots=True)
class ReportData:
    """The content of a directory."""

    clips: dict[str, ClipRecord]
    """Stem of each existing clip to its metadata."""
    missing: list[Record] = field(default_factory=list)
    """The failure of each missing clip."""
    refused: list[Record] = field(default_factory=list)
    """Skipped rows of the tables."""
    split: Split | None = None
    """How the clips are split, if that was ever requested."""
    only: given_lists.Listed | None = None
    """The list of ``--only`` of the newest run with clips to create."""
    absent: tuple[Shard, ...] = ()
    """Shards that have not started, though others of the same run have."""
    fetched: int = 0
    """Bytes of the videos that were downloaded."""
    runs: list[history.Run] = field(default_factory=list)
    """The oldest first."""
    now: float | None = None
    """The current time, in seconds since 1970, if a run is active; otherwise None."""
    pictures: dict[str, str | None] = field(default_factory=dict)
    """SHA-256 of a clip to its image in Base64; None if none can be created."""
    directory: str = ""
    """Name of the directory, without its path."""


def of(found: ReportData) -> Record:
    """Return the values for the template."""
    lines = list(found.clips.values())
    sample = spread(list(found.clips), MOST_TILES)
    drawn = [run for run in reversed(found.runs) if run.downloads or run.encodes]
    shown = {line.sha256 for line in pictured(found.clips)}
    pictures = {key: image for key, image in found.pictures.items() if key in shown}
    return {
        "directory": found.directory,
        "now": None if found.now is None else _day(found.now),
        "verdict": verdict(found),
        "well": bool(lines) and not (found.missing or found.refused or found.absent),
        "counts": counts(found),
        "runs": [
            {
                "begun": _day(run.begun),
                "took": charts.format_duration(run.seconds),
                "facts": facts_of_run(run),
                "timeline": charts.timeline(run),
            }
            for run in drawn[:MOST_RUNS]
        ],
        "older_runs": max(0, len(drawn) - MOST_RUNS),
        "tiles": [_tile(stem, found.clips[stem], pictures) for stem in sample],
        "missing": [_missing(record) for record in spread(found.missing, MOST_MISSING)],
        "unshown": len(lines) + len(found.missing) - len(sample) - min(len(found.missing), MOST_MISSING),
        "reasons": _reasons([*found.missing, *map(_row, found.refused)]),
        "lists": given_lists.compared(found.split, found.clips, found.missing, found.only),
        "subsets": sorted({f"{subset}" for subset in _both("subset", found)} - {""}),
        "by_subset": _by_subset(found),
        "speakers": sorted({speaker(name) for name in _both("name", found)})[:MOST_SPEAKERS],
        "histograms": _histograms(lines) + facts.histograms(lines),
        "heading": f"{dataset(found)} clips" if dataset(found) else "Clips",
        "methods": methods(found),
        "citation": citation(found),
        "versions": versions(lines),
        "settings": settings(found),
    }


def spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many items, evenly spread over all of them."""
    number = min(len(items), most)
    return [items[place * len(items) // number] for place in range(number)]


def _by_subset(found: ReportData) -> list[Record]:
    """Return clips, hours and missing clips of each subset; nothing if there is only one."""
    rows: dict[str, Record] = {}

    def row(subset: object) -> Record:
        return rows.setdefault(f"{subset or ''}", {"clips": 0, "hours": 0.0, "missing": 0})

    for line in found.clips.values():
        counted = row(line.subset)
        counted["clips"] += 1
        counted["hours"] += number(line.duration) / 3600
    for record in found.missing:
        row(record.get("subset"))["missing"] += 1
    several = len(rows) > 1
    return [{"name": name or "none", **counted} for name, counted in sorted(rows.items())] if several else []


def _both(column: str, found: ReportData) -> Iterator[object]:
    """Yield the values of a column that the records of clips and of missing clips share."""
    for record in (*(line.to_json() for line in found.clips.values()), *found.missing):
        yield record.get(column)


def pictured(clips: Mapping[str, ClipRecord]) -> list[ClipRecord]:
    """Return the metadata of the clips that have an image."""
    shown = {stem: clips[stem] for stem in spread(list(clips), MOST_TILES)}
    lines = [
        line
        for stem, line in shown.items()
        if line.file_name == f"{stem}.mp4" and _DIGEST.fullmatch(f"{line.sha256}")
    ]
    lines.sort(key=lambda line: bool(line.segment))
    return lines[:MOST_PICTURES]


def verdict(found: ReportData) -> str:
    """Return the overall result in a sentence or two."""
    done, whole = len(found.clips), len(found.clips) + len(found.missing)
    part = "All" if done == whole and not found.absent else f"{done} of"
    text = f"{part} {whole} clips are done." if whole else "No clips yet."
    if found.refused:
        number = sum(row["rows"] if isinstance(row.get("rows"), int) else 1 for row in found.refused)
        text += f" {number} invalid table {'row' if number == 1 else 'rows'} skipped."
    if found.absent:
        text += f" {absent_message(found.absent)}"
    stopped = _stopped(found.runs[-1]) if found.runs else ""
    return f"{text} The latest run stopped early: {stopped}" if stopped else text


def _stopped(run: history.Run) -> str:
    """Return why a run ended early; empty if it is active, was interrupted, or ended normally."""
    stopped = run.end.get("stopped")
    return stopped.partition("\n")[0][:_LONGEST_MESSAGE] if isinstance(stopped, str) else ""


def counts(found: ReportData) -> list[tuple[str, str]]:
    """Return the counts at the top: label and value."""
    lines = found.clips.values()
    not_tried = sum(record["reason"] == Reason.NOT_TRIED for record in found.missing)
    return [
        ("clips", f"{len(lines)}"),
        ("duration", charts.format_duration(3600 * _hours(lines))),
        ("size", _bytes(sum(number(line.bytes) for line in lines))),
        ("videos", f"{_videos(lines)}"),
        ("downloaded", _bytes(found.fetched)),
        ("failed", f"{len(found.missing) - not_tried}"),
        ("not attempted", f"{not_tried}"),
    ]


def facts_of_run(run: history.Run) -> list[str]:
    """Return the facts about a run."""
    downloads, encodes = history.busy(run.downloads), history.busy(run.encodes)
    both = history.busy(run.downloads, run.encodes)
    facts = [
        f"{sum(span.outcome is Outcome.DONE for span in run.encodes)} clips written",
        f"download {charts.format_duration(downloads)}",
        f"encode {charts.format_duration(encodes)}",
    ]
    if downloads and encodes:
        share = both / min(downloads, encodes)
        facts.append(f"overlapping {charts.format_duration(both)} ({share:.0%} of the shorter)")
    if run.closed:
        closed = sum(span.seconds for span in run.closed)
        why = " and ".join(sorted({span.reason for span in run.closed}))
        facts.append(f"downloads paused for {charts.format_duration(closed)} ({why})")
    if stopped := _stopped(run):
        facts.append(f"stopped early: {stopped}")
    return facts


def methods(found: ReportData) -> str:
    """Return a methods paragraph for a paper, in a few sentences."""
    lines, made_with = list(found.clips.values()), _recorded(found, "form")
    is_hdtf = not _recorded(found, "dataset")
    corrections = _recorded(found, "settings").get("corrections", "none") if is_hdtf else "none"
    tools = ", ".join(f"{tool} {' and '.join(each)}" for tool, each in versions(lines).items())
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
    sentences = [
        f"We used {count(len(lines), 'clip')} ({_hours(lines):.2f} hours) from"
        f" {count(_videos(lines), 'video')} of {dataset(found) or 'a list of clips'}"
        f"{f' ({_PAPER})' if is_hdtf else ''},"
        + ("" if corrections == "none" else f" with {corrections} corrections of its tables,")
        + f" created with {tools or 'hdtf_async'}.",
        f"Each clip was {', '.join(step for step in steps if step)}.",
    ]
    lost = Counter(record["reason"] for record in found.missing)
    if lost:
        reasons = ", ".join(f"{several} {reason}" for reason, several in lost.most_common())
        sentences.append(f"{lost.total()} clips were unavailable ({reasons}).")
    lists = given_lists.compared(found.split, found.clips, found.missing, found.only)
    sentences += [each.sentence for each in lists]
    return " ".join(sentences)


def _crop(crop: str, lines: Collection[ClipRecord]) -> str:
    """Describe which part of the frame the clips show. A list may have clips without a box."""
    without = sum(line.to_json().get("box", ...) is None for line in lines)
    if crop == "face":
        return "cropped around the detected face"
    if crop != "table" or (lines and without == len(lines)):
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


def dataset(found: ReportData) -> str:
    """Return the name of the dataset or list that the newest run used; an empty string if it has none."""
    return f"{_recorded(found, 'dataset').get('title', 'HDTF')}"


def citation(found: ReportData) -> str:
    """Return the BibTeX entry of the dataset that the newest run used; an empty string if it has none."""
    return f"{_recorded(found, 'dataset').get('citation') or ''}".strip()


def settings(found: ReportData) -> list[tuple[str, str]]:
    """Return the settings of the newest run, without those that identify a user or a machine."""
    both = _recorded(found, "settings") | _recorded(found, "form")
    return [(f"{name}", "source" if value is None else f"{value}") for name, value in both.items()]


def speaker(video: object) -> str:
    """Return the name of a video without its number: HDTF numbers the videos of one speaker."""
    name = f"{video}"
    return _NUMBER.sub("", name) or name


def number(value: float | None) -> float:
    """Return a number in a record; 0 if it is invalid."""
    return float(value) if value is not None and 0 <= value < 1e15 else 0.0  # noqa: PLR2004


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


def _recorded(found: ReportData, key: str) -> Record:
    """Return a part of the newest run's record."""
    part = found.runs[-1].record.get(key) if found.runs else None
    return part if isinstance(part, dict) else {}


def versions(lines: Iterable[ClipRecord]) -> dict[str, list[str]]:
    """Return each tool with all versions of it that were used for the clips."""
    found: dict[str, set[str]] = {}
    for line in lines:
        for tool, version in (line.versions or {}).items():
            found.setdefault(tool, set()).add(version)
    return {tool: sorted(versions) for tool, versions in found.items()}


def _histograms(lines: Collection[ClipRecord]) -> list[tuple[str, str]]:
    histograms: list[tuple[str, str, Callable[[ClipRecord], float]]] = [
        ("Duration", "seconds", lambda line: number(line.duration)),
        ("Shorter side", "pixels", lambda line: min(number(line.width), number(line.height))),
        ("Frame rate", "fps", lambda line: number(line.fps)),
        ("Size", "MB", lambda line: number(line.bytes) / 1e6),
    ]
    return [
        (f"{title} ({unit})", charts.histogram([value(line) for line in lines], title, unit))
        for title, unit, value in histograms
    ]


def _tile(stem: str, line: ClipRecord, pictures: Mapping[str, str | None]) -> Record:
    key = f"{line.sha256}"
    sides = f"{number(line.width):.0f}\N{MULTIPLICATION SIGN}{number(line.height):.0f}"
    return {
        "stem": stem,
        "file": quote(f"{stem}.mp4", errors="surrogateescape"),
        "subset": f"{line.subset}",
        "speaker": line.speaker or speaker(line.name),
        "key": key if key in pictures else None,
        "picture": pictures.get(key),
        "summary": f"{number(line.duration):.1f} s, {sides}, {number(line.fps):.4g} fps,"
        f" {_bytes(number(line.bytes))}",
    }


def _missing(record: Record) -> Record:
    youtube_id = f"{record.get('youtube_id')}"
    return {
        "stem": record["clip"],
        "subset": f"{record.get('subset')}",
        "speaker": speaker(record.get("name")),
        "reason": record["reason"],
        "words": f"{record.get('words') or ''}"[-_LONGEST_MESSAGE:],
        "link": f"https://www.youtube.com/watch?v={youtube_id}" if _ID.fullmatch(youtube_id) else None,
    }


def _row(row: Record) -> Record:
    """Return a skipped row of the tables as a missing item."""
    columns = {"reason": Reason.ROW_REFUSED.value, "words": row.get("words"), "subset": row.get("subset")}
    return {"clip": f"{row.get('file')}:{row.get('line')}"} | columns


def _reasons(missing: Iterable[Record]) -> list[Record]:
    """Return each reason with its meaning, its remedy, and its clips, the most frequent first.

    Clips of one video with the same error message are grouped.
    """
    clips: dict[str, list[Record]] = {}
    for record in missing:
        clips.setdefault(record["reason"], []).append(_missing(record))
    reasons = []
    for reason, those in sorted(clips.items(), key=lambda each: -len(each[1])):
        videos: dict[tuple[str | None, str], list[str]] = {}
        for clip in those:
            videos.setdefault((clip["link"], clip["words"]), []).append(clip["stem"])
        groups = [
            {"stems": stems, "link": link, "words": message} for (link, message), stems in videos.items()
        ]
        reasons.append(
            {
                "reason": reason,
                "advice": Reason(reason).advice,
                "number": len(those),
                "groups": groups[:MOST_MISSING],
                "unlisted": len(those) - sum(map(len, list(videos.values())[:MOST_MISSING])),
            }
        )
    return reasons


def _hours(lines: Iterable[ClipRecord]) -> float:
    return sum(number(line.duration) for line in lines) / 3600


def _videos(lines: Iterable[ClipRecord]) -> int:
    return len({f"{line.youtube_id}" for line in lines})


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 - of this unit
            return f"{size:.3g}\N{NO-BREAK SPACE}{unit}"
        size /= 1000
    return f"{size:.4g}\N{NO-BREAK SPACE}TB"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
