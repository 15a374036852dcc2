"""``report.html``: the content of a directory and the history of its runs, created from the directory alone.

One file: images, charts, style and script are embedded, so that it opens offline and can be shared. It also
stores its images: the next report reuses those of unchanged clips, so that creating it again starts no
process. All untrusted text is escaped, and a browser executes only its own script, which the content security
policy identifies by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from contextlib import nullcontext
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.exceptions import StoreError
from hdtf_async.core.failures import Failure
from hdtf_async.media import thumbnails
from hdtf_async.output import atomic, directory, manifests
from hdtf_async.output.journal import journals, read
from hdtf_async.output.locks import is_locked
from hdtf_async.process.guard import UNGUARDED, guarding
from hdtf_async.report import content, given_lists, history
from hdtf_async.report.gallery import pictured
from hdtf_async.report.outdated import REPORT
from hdtf_async.report.records import ReportData, number

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.process.guard import Guard

_LARGEST = 64 << 20
"""Maximum bytes of a report whose images are reused; those of a larger one are created again."""
_LONGEST = 4 * -(-thumbnails.LARGEST // 3)
"""Maximum characters of an image in Base64."""
_IMAGE = re.compile(rf'"([0-9a-f]{{64}})":(?:null|"([A-Za-z0-9+/=]{{1,{_LONGEST}}})")')


async def write(
    out: Path,
    *,
    tool: Callable[[], Path] | None,
    encodes: anyio.CapacityLimiter,
    locks: Collection[int] = (),
) -> Path:
    """Write a directory's report and return its path.

    Missing images are created under encode tokens, by the ffmpeg that `tool` finds; with None they are
    omitted. `locks` are those of the current run, if any. Raises `StoreError` (see `find`), and `Failure`:
    ``disk_full``, ``not_writable``.
    """
    found = await run_sync(find, out)
    if tool is not None:
        await _complete(found, out, tool, encodes, locks)
    html = await run_sync(render, found)
    with anyio.CancelScope(shield=True), atomic.os_errors_as_failures(out / REPORT):
        await run_sync(atomic.replace, out / REPORT, [html])
        await run_sync(
            partial(os.utime, out / REPORT, follow_symlinks=False)
        )  # also if nothing has changed: see `outdated.is_behind`
    return out / REPORT


def find(out: Path) -> ReportData:
    """Read a directory, without a lock and without changing anything.

    Raises `StoreError` if its journal does not exist or cannot be read.
    """
    index, runs, now = directory.read_known(out), list[history.Run](), None
    for path in journals(out):
        those = history.runs(read(path))
        if any(not run.end for run in those[-1:]) and is_locked(path):
            now = time.time()
            those = history.runs(read(path), now)
        runs += those
    if not (index.clips or index.failures or runs):
        raise StoreError(f"{out} has no journal: expected the output directory of a run")
    clips = {stem: ClipRecord.of(record) for stem, record in sorted(index.existing_clips().items())}
    failed = {stem: record for stem, record in index.failures.items() if stem not in clips}
    for line in manifests.not_tried(out):
        if line["clip"] not in clips:
            failed.setdefault(line["clip"], line)
    recorded = (record for several in index.source_videos.values() for record in several)
    sizes = {record["file"]: _downloaded(record) for record in recorded}
    return ReportData(
        clips=clips,
        missing=[failed[stem] for stem in sorted(failed)],
        refused=index.refused,
        split=index.split,
        only=given_lists.Listed.from_json(index.only),
        absent=manifests.outstanding_in(out).absent,
        fetched=sum(sizes.values()),
        runs=sorted(runs, key=lambda run: run.begun),
        now=now,
        pictures=_pictures(out / REPORT),
        directory=out.absolute().name,
    )


def _downloaded(record: Record) -> int:
    """Return the bytes of a source file that were downloaded: a partial one may have some of an earlier."""
    match record:
        case {"type": "section", "downloaded": int(size)} | {"bytes": int(size)}:
            return size
    return 0


async def _complete(
    found: ReportData,
    out: Path,
    tool: Callable[[], Path],
    encodes: anyio.CapacityLimiter,
    locks: Collection[int],
) -> None:
    """Create the missing images; the next report tries again for those that fail."""
    missing = [line for line in pictured(found.clips) if line.sha256 not in found.pictures]
    if not missing:
        return

    async def make(line: ClipRecord, ffmpeg: Path, guard: Guard) -> None:
        seconds = number(line.duration)
        async with encodes:
            try:
                image = await thumbnails.make(ffmpeg, out / f"{line.file_name}", seconds, guard)
            except Failure:
                return
        found.pictures[f"{line.sha256}"] = None if image is None else base64.b64encode(image).decode()

    try:
        ffmpeg = await run_sync(tool)
        guarded = guarding(*locks) if locks else nullcontext(UNGUARDED)
        async with guarded as guard, anyio.create_task_group() as group:
            for line in missing:
                group.start_soon(make, line, ffmpeg, guard)
    except Failure:  # without ffmpeg there are no images
        return


def render(found: ReportData) -> bytes:
    """Return the report."""
    import jinja2  # noqa: PLC0415 - takes 60 ms, needed only for the report

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script, template = (_part(name) for name in ("report.css", "report.js", "report.html.j2"))
    html = environment.from_string(template).render(
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        **content.of(found),
    )
    return html.encode("utf-8", "backslashreplace")


def _part(name: str) -> str:
    return (files("hdtf_async.report") / "templates" / name).read_text("utf-8").strip()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _pictures(report: Path) -> dict[str, str | None]:
    """Return the images in an older report."""
    try:
        text = atomic.content(report, _LARGEST).decode("ascii", "replace")
    except OSError:
        return {}
    return {key: image or None for key, image in _IMAGE.findall(text)}
