"""Compares the output directory of a killed run with that of an uninterrupted run."""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

JOURNAL, METADATA, FAILURES, SOURCE_VIDEOS = (
    "_journal.jsonl",
    "metadata.jsonl",
    "failures.jsonl",
    "_videos_raw",
)
MEDIA = (".mp4", ".webm", ".m4a", ".wav")
_TEMPORARY, _NOTE = ".hdtf-", ".promise.json"
_TOKEN = re.compile(r"^\.hdtf-[0-9a-f]{16}-")
PHASES = ("nothing yet", "asking", "downloading", "encoding", "publishing", "writing views", "between")
"""What can be in progress when a kill happens, usually several at a time."""


def listed(out: Path) -> dict[str, os.stat_result]:
    """Return the entries of an output directory and its directory of source videos, by relative name."""
    found = dict(_entries(out))
    found |= {f"{SOURCE_VIDEOS}/{name}": stat for name, stat in _entries(out / SOURCE_VIDEOS)}
    found.pop(SOURCE_VIDEOS, None)
    return found


def arriving(out: Path) -> dict[str, os.stat_result]:
    """Return the entries of the downloads' private directories, by relative name."""
    private = [
        out / name for name, stat in listed(out).items() if is_temporary(name) and S_ISDIR(stat.st_mode)
    ]
    return {f"{path.name}/{name}": stat for path in private for name, stat in _entries(path)}


def _entries(directory: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the entries; one that disappears meanwhile is omitted."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):
                yield entry.name, entry.stat(follow_symlinks=False)


def is_temporary(name: str) -> bool:
    """Return whether a relative name is that of an incomplete file."""
    return name.rpartition("/")[2].startswith(_TEMPORARY)


def is_view(name: str) -> bool:
    """Return whether a relative name is that of a file made from the journal, or of an incomplete one."""
    return _TOKEN.sub("", name) in {METADATA, FAILURES}


def sha256(path: Path) -> str:
    """Return the hash of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def media(out: Path) -> dict[str, str]:
    """Return the hash of each clip and source video under its final name."""
    names = (name for name in listed(out) if name.endswith(MEDIA) and not is_temporary(name))
    return {name: sha256(out / name) for name in names}


def lines_of(path: Path) -> tuple[list[dict[str, Any]], bytes]:
    """Return the complete lines of a file of JSON lines, and the bytes behind the last one.

    Raises `ValueError` where a complete line is no JSON object.
    """
    *whole, rest = path.read_bytes().split(b"\n") if path.exists() else [b""]
    lines = [json.loads(line) for line in whole]
    if not all(isinstance(line, dict) for line in lines):
        raise ValueError(f"{path.name}: a line is no object")
    return lines, rest


def content(path: Path) -> bytes:
    """Return the content of a file; empty if the file is missing."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def size(path: Path) -> int:
    """Return the size of a file in bytes; 0 if the file is missing."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def phases(alive: Mapping[int, Sequence[str]], out: Path) -> list[str]:
    """Return what was in progress, from the living children and the content of the directory."""
    found = set()
    encoding = set()
    for arguments in alive.values():
        if "-J" in arguments:
            found.add("asking")
        if "--load-info-json" in arguments:
            found.add("downloading")
        if "-progress" in arguments:
            found.add("encoding")
            encoding.add(arguments[-1].rpartition("/")[2])
    names = listed(out)
    temporary = {name.rpartition("/")[2] for name in names if is_temporary(name)}
    if any(map(is_view, temporary)):
        found.add("writing views")
    whole = {name for name in temporary if name.endswith(MEDIA)} - encoding
    if whole or any(name.endswith(MEDIA) for name in arriving(out)):
        found.add("publishing")
    if not found:
        found.add("between" if any(name.endswith(".mp4") for name in names) or temporary else "nothing yet")
    return [phase for phase in PHASES if phase in found]


@dataclass(frozen=True)
class Undisturbed:
    """The result and the cost of an uninterrupted run."""

    out: Path
    code: int
    seconds: float
    steps: int
    """Number of the supervisor's file operations and starts of children."""
    changes: Mapping[str, int]
    """How often each of the watched states changed."""
    media: Mapping[str, str]
    """Relative name of each clip and source video to its hash."""


def faults(out: Path, allowed: Sequence[Undisturbed], *, one_form: bool) -> Iterator[str]:
    """Yield the defects of a killed run's directory.

    `allowed` has all possible files. When clips are re-encoded with other settings, the journal describes the
    old clip until the new one exists.
    """
    contents = media(out)
    for name, digest in contents.items():
        if digest not in {right.media.get(name) for right in allowed}:
            yield f"{name} has not the content that an undisturbed run gives it"
    for name in (METADATA, FAILURES, JOURNAL):
        try:
            lines, rest = lines_of(out / name)
        except ValueError as error:
            yield f"{name} has a line that is none: {error}"
            continue
        if rest and name != JOURNAL:
            yield f"{name} is torn"
        if name == METADATA:
            right = [line for each in allowed for line in lines_of(each.out / name)[0]]
            yield from (
                f"{name}: {line['file_name']} is told otherwise" for line in lines if line not in right
            )
            yield from _untrue(out, name, lines, contents)
        elif name == JOURNAL and one_form:
            newest = {line["clip"]: line["metadata"] for line in lines if line["type"] == "clip"}
            yield from _untrue(out, name, newest.values(), contents)


def _untrue(
    out: Path, told_by: str, source: Iterable[Mapping[str, Any]], contents: Mapping[str, str]
) -> Iterator[str]:
    for line in source:
        files = [(line["file_name"], line["bytes"], line["sha256"])]
        if "wav" in line:
            files.append((line["wav"], line["wav_bytes"], line["wav_sha256"]))
        for name, bytes_, digest in files:
            if contents.get(name) != digest or size(out / name) != bytes_:
                yield f"{told_by} tells of a {name} that is not there"


def leftovers(out: Path, before: Collection[str], allowed: Sequence[Undisturbed]) -> Iterator[str]:
    """Yield the incomplete files that a run left after it was asked to stop.

    `before` has the names that existed when it started. Resumable downloads may stay, each with its
    description file and no other file; `allowed` has the completed source videos.
    """
    for name, stat in listed(out).items():
        if not is_temporary(name) or name in before:
            continue
        inside = {part for part, _ in _entries(out / name)} if S_ISDIR(stat.st_mode) else set()
        notes = {part for part in inside if part.endswith(_NOTE)}
        arrived = sorted(inside - notes)
        if not notes or [part.partition(".")[0] + _NOTE for part in arrived] != sorted(notes):
            yield f"{name} is left, with {sorted(inside)}"
        for part in arrived:
            stem = name.rpartition("/")[2].removeprefix(_TEMPORARY).removesuffix(".download")
            final = f"{SOURCE_VIDEOS}/{stem}.{part.split('.')[1]}"
            wholes = [content(right.out / final) for right in allowed if final in right.media]
            if wholes and not any(whole.startswith(content(out / name / part)) for whole in wholes):
                yield f"{name}/{part} is no beginning of {final}"


def unlisted(out: Path, process: int) -> Iterator[str]:
    """Yield the clips that a run which was asked to stop omitted from ``metadata.jsonl``."""
    lines, _ = lines_of(out / JOURNAL)
    runs = [line["pid"] for line in lines if line["type"] == "run"]
    if runs[-1:] == [process]:  # else it had not started yet, or all was done
        newest = {line["clip"]: line["metadata"] for line in lines if line["type"] == "clip"}
        names = {line["file_name"] for line in lines_of(out / METADATA)[0]}
        for name, bytes_ in ((line["file_name"], line["bytes"]) for line in newest.values()):
            if name not in names and size(out / name) == bytes_:
                yield f"{METADATA} does not tell of {name}"


def differences(out: Path, right: Undisturbed) -> Iterator[str]:
    """Yield the differences from an uninterrupted run's directory; journal and logs contain times."""
    if more := listed(out).keys() - listed(right.out).keys():
        yield f"there is also {', '.join(sorted(more))}"
    if less := listed(right.out).keys() - listed(out).keys():
        yield f"there is no {', '.join(sorted(less))}"
    for name in (*right.media, METADATA, FAILURES):
        if content(out / name) != content(right.out / name):
            yield f"{name} differs"
