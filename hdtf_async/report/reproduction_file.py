"""The content of ``clips.lock.json`` and ``methods.md``, and how other clips differ from it. Pure."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.reproduction_format import FORMAT, REPRODUCTION_FILE
from hdtf_async.core.text import printable, printable_lines
from hdtf_async.report import content, given_lists, methods, records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hdtf_async.report.records import ReportData

Record = dict[str, Any]
_COLUMNS = (
    *("file_name", "subset", "name", "index", "youtube_id", "start", "end", "segment", "reference_height"),
    *("box", "box_reference", "box_expand", "box_square", "face_point", "zoom", "annotated_fps"),
    *("speaker", "split", "extra", "correction"),
    *("format_id", "sound_format_id", "source_width", "source_height", "frames"),
    *("bytes", "sha256", "wav_sha256", "fingerprint", "versions"),
)
"""Columns of a clip: what it is made from, and its file."""
_TOOLS = ("hdtf_async", "ffmpeg", "mediapipe", "face_model")
"""Tools whose version may change the bytes of a clip."""
UNEXPLAINED = "the source is another file, although its format, size and the tools are the same"
_MARKUP = str.maketrans({each: f"\\{each}" for each in "\\`*_{}[]<>#|"})


def reproduction_file_of(
    found: ReportData, settings: Mapping[str, Any], sizes: Mapping[str, int]
) -> Iterator[bytes]:
    """Yield the parts of a reproduction file: one line per clip.

    `settings` are the output settings of the clips, `sizes` the bytes of the source video of each YouTube id.
    """
    run = found.runs[-1].record if found.runs else {}
    head = {
        "format": FORMAT,
        "dataset": run.get("dataset"),
        "corrections": (run.get("settings") or {}).get("corrections"),
        "settings": dict(settings),
        "split": None if found.split is None else found.split.to_json(),
        "missing": len(found.missing),
    }
    lines = ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in head.items())
    yield f'{{\n{lines},\n"clips": ['.encode()
    separator = "\n"
    for clip in found.clips.values():
        columns = clip.to_json()
        entry = {name: columns[name] for name in _COLUMNS if name in columns}
        if (size := sizes.get(f"{clip.youtube_id}")) is not None:
            entry["source_bytes"] = size
        yield f"{separator}{json.dumps(entry)}".encode()
        separator = ",\n"
    yield b"\n]\n}\n"


def methods_of(found: ReportData) -> str:
    """Return ``methods.md``: how the clips were made, for a paper, with what is missing and why."""
    parts = ["# Methods", _plain(methods.methods(found))]
    citation = records.citation(found)
    if citation:
        parts.append(f"```bibtex\n{printable_lines(citation).replace('```', '')}\n```")
    tools = {tool: ", ".join(each) for tool, each in records.versions(found.clips.values()).items()}
    parts += ["## Tools", _table(("tool", "version"), tools.items())]
    parts += ["## Settings", _table(("setting", "value"), content.settings(found))]
    lists = given_lists.compared(found.split, found.clips, found.missing, found.only)
    for each in lists:
        parts.append(f"## Given {_plain(each.side)} list")
        parts.append(f"{each.available} of {each.entries} entries are available.")
        if each.lost:
            parts.append(_table(("missing", "reason"), each.lost))
    if found.missing and not lists:
        lost = Counter(f"{record['reason']}" for record in found.missing)
        parts += ["## Missing clips", _table(("reason", "clips"), lost.most_common())]
    parts.append("## The same clips again")
    parts.append(
        f"`{REPRODUCTION_FILE}` lists the clips with their settings and checksums. This command creates them"
        " again, and reports each clip with other bytes, and why:"
    )
    parts.append(f"```sh\npython -m hdtf_async --out DIR --reproduce {REPRODUCTION_FILE}\n```")
    return "\n\n".join(parts) + "\n"


def _table(head: tuple[str, str], rows: Iterable[tuple[object, object]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    return "\n".join([*lines, *(f"| {_plain(one)} | {_plain(other)} |" for one, other in rows)])


def _plain(value: object) -> str:
    """Return text that Markdown shows as it is."""
    return printable(f"{value}").translate(_MARKUP)


@dataclass(frozen=True, slots=True)
class Reproduced:
    """The clips of a directory, compared with those of a reproduction file."""

    same: int = 0
    """Number of clips with the same bytes."""
    other: dict[str, list[str]] = field(default_factory=dict)
    """Stem of each clip with other bytes, and why."""
    missing: dict[str, str] = field(default_factory=dict)
    """Stem of each missing clip, and the reason."""

    def to_lines(self) -> Iterator[Record]:
        """Yield one record for each clip that is missing or has other bytes."""
        for stem, why in self.other.items():
            yield {"clip": stem, "result": "other bytes", "why": why}
        for stem, reason in self.missing.items():
            yield {"clip": stem, "result": "missing", "why": [reason]}

    @property
    def words(self) -> str:
        """A summary in one sentence, with the most frequent cause."""
        total = self.same + len(self.other) + len(self.missing)
        text = f"{self.same} of {total} clips have the same bytes as in clips.lock.json"
        if self.other:
            causes = Counter(cause for why in self.other.values() for cause in why)
            cause, number = causes.most_common(1)[0]
            text += f"; {len(self.other)} have other bytes ({number} of them: {cause})"
        if self.missing:
            text += f"; {len(self.missing)} are missing"
        return f"{text}."


def compared(
    listed: Iterable[Record],
    clips: Mapping[str, Record],
    failed: Mapping[str, Record],
    sizes: Mapping[str, int],
) -> Reproduced:
    """Compare the records of clips with a reproduction file's.

    `clips` and `failed` are records of the journal by stem, `sizes` the bytes of the source videos.
    """
    result, same = Reproduced(), 0
    for columns in listed:
        before = ClipRecord.from_json(columns)
        stem = f"{before.file_name}".removesuffix(".mp4")
        record = clips.get(stem)
        if record is None:
            result.missing[stem] = f"{failed[stem]['reason']}" if stem in failed else "not attempted"
            continue
        now = ClipRecord.of(record)
        if (now.sha256, now.wav_sha256) == (before.sha256, before.wav_sha256):
            same += 1
        else:
            result.other[stem] = [*_causes(before, now, sizes.get(f"{now.youtube_id}"))] or [UNEXPLAINED]
    return Reproduced(same, result.other, result.missing)


def _causes(before: ClipRecord, now: ClipRecord, size: int | None) -> Iterator[str]:
    """Yield what differs between two records of a clip that may be a cause of other bytes."""
    old, new = before.to_json(), now.to_json() | {"source_bytes": size}
    if old.get("fingerprint") != new.get("fingerprint"):
        yield "the settings, the table row or the cutting rules differ"
    offered = [name for name in ("format_id", "sound_format_id") if old.get(name) != new.get(name)]
    for name in offered:
        yield f"{name} {old.get(name)} -> {new.get(name)}"
    if not offered and size is not None and old.get("source_bytes") not in {None, size}:
        yield f"YouTube serves another file of format {old.get('format_id')}"
    for tool in _TOOLS:
        one, other = (record.versions or {} for record in (before, now))
        if one.get(tool) != other.get(tool):
            yield f"{tool} {one.get(tool)} -> {other.get(tool)}"
