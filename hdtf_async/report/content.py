"""Content of ``report.html`` about a directory: counts, tiles, failures, and a methods paragraph.

Records come from files that may be damaged: missing values are omitted.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Reason
from hdtf_async.core.reason_labels import label
from hdtf_async.core.shards import absent_message
from hdtf_async.core.splits import SIDES
from hdtf_async.core.tally import Outcome
from hdtf_async.core.text import count
from hdtf_async.report import charts, facts, given_lists, history
from hdtf_async.report.gallery import (
    MOST_LISTED,
    as_script,
    gallery,
    pictured,
    pictures,
    speaker_of,
    split_of,
    unlisted,
    youtube_id_of,
)
from hdtf_async.report.methods import methods
from hdtf_async.report.records import (
    LONGEST_MESSAGE,
    Record,
    ReportData,
    citation,
    dataset,
    hours,
    number,
    recorded,
    speaker,
    versions,
    videos,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from hdtf_async.core.clip_record import ClipRecord

__all__ = ["MOST_LISTED", "ReportData", "counts", "facts_of_run", "of", "pictured", "settings", "verdict"]

MOST_MISSING = 500
"""Videos that are listed for each reason."""
MOST_SPEAKERS = 1000
"""Speakers that the filter suggests."""
MOST_RUNS = 12
"""Runs whose timeline is drawn, the newest first."""


def of(found: ReportData) -> Record:
    """Return the values for the template."""
    lines = list(found.clips.values())
    drawn = [run for run in reversed(found.runs) if run.downloads or run.encodes]
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
                "troubles": charts.troubles(run),
            }
            for run in drawn[:MOST_RUNS]
        ],
        "older_runs": max(0, len(drawn) - MOST_RUNS),
        "gallery": as_script(gallery(found)),
        "pictures": as_script(pictures(found)),
        "missing": len(found.missing),
        "unlisted": unlisted(found),
        "reasons": _reasons([*found.missing, *map(_row, found.refused)]),
        "outcomes": _outcomes(found),
        "lists": given_lists.compared(found.split, found.clips, found.missing, found.only),
        "subsets": _subsets(found),
        "sides": [side for side in SIDES if side in set(split_of(found).values())],
        "parts": [("subset", _by_subset(found)), ("split", _by_split(found))],
        "speakers": _speakers(found)[:MOST_SPEAKERS],
        "histograms": _histograms(lines) + facts.histograms(lines),
        "dataset": dataset(found) or "Clips",
        "methods": methods(found),
        "citation": citation(found),
        "versions": versions(lines),
        "settings": settings(found),
    }


def _outcomes(found: ReportData) -> list[tuple[str, str, int]]:
    """Return each reason for missing clips: its name, its label, and the number of clips."""
    counted = Counter(f"{record['reason']}" for record in found.missing)
    return [(reason, label(reason), several) for reason, several in counted.most_common()]


def _subsets(found: ReportData) -> list[str]:
    of_clips = {f"{line.subset or ''}" for line in found.clips.values()}
    return sorted((of_clips | {f"{record.get('subset') or ''}" for record in found.missing}) - {""})


def _speakers(found: ReportData) -> list[str]:
    of_clips = {speaker_of(line) for line in found.clips.values()}
    return sorted(of_clips | {speaker(record.get("name")) for record in found.missing})


def _by_subset(found: ReportData) -> list[Record]:
    """Return clips, duration and missing clips of each subset; nothing if there is only one."""
    lines: dict[str, list[ClipRecord]] = {}
    for line in found.clips.values():
        lines.setdefault(f"{line.subset or ''}", []).append(line)
    lost = Counter(f"{record.get('subset') or ''}" for record in found.missing)
    names = sorted(lines.keys() | lost.keys())
    rows = [_part(name or "none", lines.get(name, [])) | {"missing": lost[name]} for name in names]
    return rows if len(rows) > 1 else []


def _by_split(found: ReportData) -> list[Record]:
    """Return clips and duration of each split; nothing if there is none."""
    lines: dict[str, list[ClipRecord]] = {side: [] for side in SIDES}
    for stem, side in split_of(found).items():
        lines.setdefault(side, []).append(found.clips[stem])
    return [_part(side, those) for side, those in lines.items() if those]


def _part(name: str, lines: Collection[ClipRecord]) -> Record:
    duration = charts.format_duration(3600 * hours(lines))
    return {"name": name, "clips": len(lines), "duration": duration}


def verdict(found: ReportData) -> str:
    """Return the overall result in a sentence or two."""
    done, whole = len(found.clips), len(found.clips) + len(found.missing)
    part = "All" if done == whole and not found.absent else f"{done:,} of"
    text = f"{part} {whole:,} {'clip is' if whole == 1 else 'clips are'} done." if whole else "No clips yet."
    if found.refused:
        number = sum(row["rows"] if isinstance(row.get("rows"), int) else 1 for row in found.refused)
        text += f" {number} invalid table {'row' if number == 1 else 'rows'} skipped."
    if found.absent:
        text += f" {absent_message(found.absent)}"
    stopped = _stopped(found.runs[-1]) if found.runs else ""
    if not stopped:
        return text
    not_started = f"{Reason.NOT_READY.advice.meaning} ("
    if stopped.startswith(not_started):
        return f"{text} The latest run did not start: {stopped.removeprefix(not_started).removesuffix(')')}."
    return f"{text} The latest run stopped early: {stopped}"


def _stopped(run: history.Run) -> str:
    """Return why a run ended early; empty if it is active, was interrupted, or ended normally."""
    stopped = run.end.get("stopped")
    return stopped.partition("\n")[0][:LONGEST_MESSAGE] if isinstance(stopped, str) else ""


def counts(found: ReportData) -> list[tuple[str, str]]:
    """Return the counts at the top: label and value."""
    lines = found.clips.values()
    not_tried = sum(record["reason"] == Reason.NOT_TRIED for record in found.missing)
    return [
        ("clips", f"{len(lines):,}"),
        ("duration", charts.format_duration(3600 * hours(lines))),
        ("size", _bytes(sum(number(line.bytes) for line in lines))),
        ("videos", f"{videos(lines):,}"),
        ("downloaded", _bytes(found.fetched)),
        ("failed", f"{len(found.missing) - not_tried:,}"),
        ("not attempted", f"{not_tried:,}"),
    ]


def facts_of_run(run: history.Run) -> list[str]:
    """Return the facts about a run."""
    downloads, encodes = history.busy(run.downloads), history.busy(run.encodes)
    both = history.busy(run.downloads, run.encodes)
    facts = [
        f"{count(sum(span.outcome is Outcome.DONE for span in run.encodes), 'clip')} written",
        f"download {charts.format_duration(downloads)}",
        f"encode {charts.format_duration(encodes)}",
    ]
    if downloads and encodes:
        share = both / min(downloads, encodes)
        facts.append(f"overlapping {charts.format_duration(both)} ({share:.0%} of the shorter)")
    if run.closed:
        closed = sum(span.seconds for span in run.closed)
        why = " and ".join(sorted({label(span.reason) for span in run.closed}))
        facts.append(f"downloads paused for {charts.format_duration(closed)} ({why})")
    if stopped := _stopped(run):
        facts.append(f"stopped early: {stopped}")
    return facts


def settings(found: ReportData) -> list[tuple[str, str]]:
    """Return the settings of the newest run, without those that identify a user or a machine."""
    both = recorded(found, "settings") | recorded(found, "form")
    return [(f"{name}", "source" if value is None else f"{value}") for name, value in both.items()]


def _histograms(lines: Collection[ClipRecord]) -> list[tuple[str, str]]:
    if not lines:
        return []
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


def _missing(record: Record) -> Record:
    youtube_id = youtube_id_of(record)
    return {
        "stem": record["clip"],
        "words": f"{record.get('words') or ''}"[-LONGEST_MESSAGE:],
        "link": f"https://www.youtube.com/watch?v={youtube_id}" if youtube_id else None,
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
                "label": label(reason),
                "advice": Reason(reason).advice,
                "number": len(those),
                "groups": groups[:MOST_MISSING],
                "unlisted": len(those) - sum(map(len, list(videos.values())[:MOST_MISSING])),
            }
        )
    return reasons


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:  # noqa: PLR2004 - of this unit, rounded to three figures
            return f"{size:.3g}\N{NO-BREAK SPACE}{unit}"
        size /= 1000
    return f"{size:.4g}\N{NO-BREAK SPACE}TB"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
