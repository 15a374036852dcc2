"""Shards of a large run: cost of planning, reruns and merging, and number of file system calls.

    python benchmarks/shards.py [--rows 10000 100000] [--shards 10] [--dir DIR]

A small part is created by the real main command without child processes (`tests/support/load_runs.py`), while
every file system call is counted. Then the directory of a finished run is created for each number of rows,
with records like the ones of that run, divided among the shards: one clip for each row, and every tenth video
unavailable. Each operation runs in a separate process, because its peak memory is measured:

    plan     the tables are read and everything is planned, with an empty directory
    merge    the manifests are created from all journals
    shard    one shard finds its part finished, and merges the manifests
    whole    a run without shards finds everything finished, and writes both manifests
"""

from __future__ import annotations

import argparse
import builtins
import hashlib
import io
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from load_runs import GONE, Most, load, write_tables

from hdtf_async import Options, Reason
from hdtf_async.core.failures import Failure
from hdtf_async.core.jsonlines import line
from hdtf_async.core.model import SUBSETS, OutputSettings
from hdtf_async.core.shards import Shard, place
from hdtf_async.dataset import plan, tables
from hdtf_async.output import manifests
from hdtf_async.output.journal import JOURNAL, SOURCE_VIDEOS, name_of
from hdtf_async.output.manifests import FAILURES, METADATA, failure_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Clip

SAMPLE = 200
"""Rows that are really created."""
OPERATIONS = ("plan", "merge", "shard", "whole")
CALLS = (
    "stat", "lstat", "open", "fsync", "replace", "rename", "link", "unlink", "mkdir", "rmdir", "scandir",
    "listdir", "chmod", "ftruncate", "access",
)  # fmt: skip


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--shards", type=int, default=10)
    parser.add_argument("--dir", type=Path, help="directory for temporary files")
    parser.add_argument("--one", choices=("lay out", *OPERATIONS), help=argparse.SUPPRESS)
    return parser.parse_args()


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the file system calls."""
    calls: Counter[str] = Counter()

    def counting(name: str, real: Any) -> Any:  # noqa: ANN401 - of any function
        def call(*positional: Any, **more: Any) -> Any:  # noqa: ANN401
            calls[name] += 1
            return real(*positional, **more)

        return call

    with ExitStack() as patches:
        for name in CALLS:
            patches.enter_context(patch.object(os, name, counting(name, getattr(os, name))))
        opens = counting("open", builtins.open)
        patches.enter_context(patch.object(builtins, "open", opens))
        patches.enter_context(patch.object(io, "open", opens))
        yield calls


def sample(directory: Path) -> tuple[list[Record], int, Counter[str]]:
    """Create some clips; return the records of one of them, its size, and the calls per row."""
    write_tables(directory / "few", SAMPLE)
    out, shard = directory / "sample", Shard(0, 1)
    with counted() as calls:
        report = anyio.run(partial(load, out, directory / "few", Most(), shard=shard))
    if not report.done:
        raise RuntimeError(f"no clip was created: {report.ended()}")
    stem = min(report.done)
    records = [json.loads(text) for text in (out / name_of(shard)).read_bytes().splitlines()]
    (made,) = (record for record in records if record.get("clip") == stem and record["type"] == "clip")
    youtube_id = made["metadata"]["youtube_id"]
    raws = [record for record in records if record["type"] == "raw" and record["youtube_id"] == youtube_id]
    return [*raws, made], (out / f"{stem}.mp4").stat().st_size, calls


def records_like(samples: list[Record], clip: Clip, form: str) -> Iterator[Record]:
    """Yield the records of a clip, copied from those of another one."""
    for record in samples:
        if record["type"] == "raw":
            yield record | {"youtube_id": clip.video.youtube_id, "file": f"{clip.video.stem}.mp4"}
            continue
        own = {
            "file_name": f"{clip.stem}.mp4",
            "subset": clip.video.subset,
            "name": clip.video.name,
            "youtube_id": clip.video.youtube_id,
            "sha256": hashlib.sha256(clip.stem.encode()).hexdigest(),
            "fingerprint": form,
        }
        changed = {
            "form": record["form"] | plan.row(clip, OutputSettings()),
            "metadata": record["metadata"] | own,
        }
        yield record | {"clip": clip.stem} | changed


def lay_out(directory: Path, rows: int, count: int) -> Counter[str]:
    """Create the directory of a finished run; return the file system calls per created row."""
    samples, size, calls = sample(directory)
    for place_, subset in enumerate(SUBSETS):  # one table of a million rows would exceed the limit
        first, behind = (rows * each // len(SUBSETS) for each in (place_, place_ + 1))
        write_tables(directory / "tables", behind - first, subset, first)
    clips, options = directory / "clips", Options(source=directory / "tables")
    (clips / SOURCE_VIDEOS).mkdir(parents=True)
    (clips / JOURNAL).touch()
    with ExitStack() as stack:
        journals = [stack.enter_context((clips / name_of(Shard(n, count))).open("wb")) for n in range(count)]
        time_ = samples[0]["time"]
        for clip in plan.select(tables.read(options.source), options):
            journal = journals[place(clip.video.youtube_id, count)]
            if int(clip.video.youtube_id) % GONE == 0:
                failed = failure_record(clip, Failure(Reason.PRIVATE, "Private video"))
                journal.write(line(failed | {"time": time_}))
                continue
            form = plan.fingerprint(clip, options.output_settings)
            journal.writelines(map(line, records_like(samples, clip, form)))
            with (clips / f"{clip.stem}.mp4").open("wb") as file:
                file.truncate(size)
    return calls


def peak() -> float:
    """Return the peak resident memory of this process in MB; macOS reports it in bytes, others in KiB."""
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return resident / (1e6 if platform.system() == "Darwin" else 1e6 / 1024)


def do(operation: str, directory: Path, count: int) -> dict[str, float]:
    """Run one operation in this process."""
    clips, source = directory / "clips", directory / "tables"
    begun, processor = time.monotonic(), time.process_time()
    if operation == "plan":
        plan.make(tables.read(source), Options(source=source), there={}, failed={})
    elif operation == "merge":
        anyio.run(manifests.merge, clips)
    else:
        # The settings of `load_runs` are the defaults.
        shard = Shard(0, count) if operation == "shard" else None
        report = anyio.run(partial(load, clips, source, Most(), shard=shard))
        if report.done or report.not_tried:
            raise RuntimeError(f"the run was not complete: {report.ended()}")
    seconds, processor = time.monotonic() - begun, time.process_time() - processor
    return {"s": seconds, "CPU s": processor, "MB": peak()}


def apart(operation: str, directory: Path, count: int, rows: int = 0) -> dict[str, Any]:
    """Run one operation in a separate process.

    None runs in this one: a child inherits the peak memory of its parent.
    """
    argv = [sys.executable, __file__, "--one", operation, "--dir", str(directory), "--shards", str(count)]
    argv += ["--rows", str(rows)]
    measured: dict[str, Any] = json.loads(
        subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    )
    return measured


def main() -> None:
    """Print a line for each number of rows and operation."""
    args = parse_arguments()
    if args.one == "lay out":
        print(json.dumps(lay_out(args.dir, args.rows[0], args.shards)))
        return
    if args.one:
        print(json.dumps(do(args.one, args.dir, args.shards)))
        return
    print(f"{'rows':>9} {'':>6} {'s':>8} {'CPU s':>8} {'peak MB':>8}")
    for rows in args.rows:
        with tempfile.TemporaryDirectory(prefix="shards-", dir=args.dir) as name:
            directory = Path(name)
            calls = Counter(apart("lay out", directory, args.shards, rows))
            for operation in OPERATIONS:
                one = apart(operation, directory, args.shards)
                print(
                    f"{rows:>9} {operation:>6} {one['s']:>8.1f} {one['CPU s']:>8.1f} {one['MB']:>8.0f}",
                    flush=True,
                )
            journals = sum(path.stat().st_size for path in (directory / "clips").glob("_journal*"))
            lists = sum((directory / "clips" / view).stat().st_size for view in (METADATA, FAILURES))
            print(f"{rows:>9} journals {journals / 1e6:.1f} MB, manifests {lists / 1e6:.1f} MB", flush=True)
    listed = ", ".join(
        f"{name} {number / SAMPLE:.1f}" for name, number in calls.most_common() if number >= SAMPLE / 20
    )
    print(f"file system calls per created row: {sum(calls.values()) / SAMPLE:.1f} ({listed})")


if __name__ == "__main__":
    main()
