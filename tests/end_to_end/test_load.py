"""Long tables: no resource or work of the program grows faster than the rows."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
import tracemalloc
from typing import TYPE_CHECKING

import anyio
import pytest
from load_runs import GONE, Most, load, write_tables

from hdtf_async import Options
from hdtf_async.core.jsonlines import line
from hdtf_async.dataset import plan, tables
from hdtf_async.output import manifests
from hdtf_async.output.journal import name_of

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

FEW, MANY = 100, 400


def counted(tmp_path: Path, rows: int) -> tuple[int, int, Most]:
    """Run on a number of rows, and again on the result; return the calls of each, and the peaks of both."""
    directory = tmp_path / f"{rows}"
    directory.mkdir()
    write_tables(directory / "tables", rows)
    calls = 0

    def note(_frame: FrameType, event: str, _more: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    took, most = [], Most()
    for _ in range(2):
        calls = 0
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            report = anyio.run(load, directory / "clips", directory / "tables", most)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        took.append(calls)
        assert len(report.done) + report.there == rows - len(range(0, rows, GONE))
    return took[0], took[1], most


@pytest.mark.long
def test_no_step_grows_faster_than_the_rows(tmp_path: Path) -> None:
    """Four times the rows take four times the calls, in a full run and in one that finds everything done."""
    first, again, _ = counted(tmp_path, FEW)
    of_more, again_of_more, most = counted(tmp_path, MANY)
    assert of_more < 1.1 * MANY / FEW * first
    assert again_of_more < 1.1 * MANY / FEW * again
    # For each of the 16 slots of both queues the video and its clip, and ten for everything else.
    assert 16 < most.tasks <= 2 * 2 * 16 + 10
    assert most.files <= 64


def test_a_run_on_a_finished_directory_loads_no_lane_and_no_tool(tmp_path: Path) -> None:
    """It starts in half the time: neither the toolchain nor the report nor a store's client is imported."""
    source, out = tmp_path / "tables", tmp_path / "clips"
    write_tables(source, GONE - 1)
    anyio.run(load, out, source, Most())
    arguments = ["--out", f"{out}", "--source", f"{source}"]
    code = f"import sys; from hdtf_async.cli.main import main; main({arguments}); print(*sys.modules)"
    for _ in range(2):  # the first one writes the report, which `load` has omitted
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("hdtf_async.") for name in ran.stdout.splitlines()[-1].split()}
    assert {"run", "output.journal", "lanes.limits"} <= loaded
    tools = ("media.", "youtube.", "process.", "output.object_store", "tqdm", "jinja2")
    assert {name for name in loaded if name.startswith(tools)} == {"media.containers", "media.sections"}
    assert loaded.isdisjoint({"lanes.toolchain", "lanes.pipeline", "lanes.encoder", "report.page"})


@pytest.mark.slow
def test_planning_keeps_little_per_row(tmp_path: Path) -> None:
    """Planning 100,000 rows takes less than 250 MB: 30 MB are the program, a fifth is overhead."""
    source, rows = tmp_path / "tables", 10_000
    write_tables(source, rows)
    tracemalloc.start()
    try:
        plan.make(tables.read(source), Options(source=source), there={}, failed={})
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1_800 * rows


def test_merging_keeps_no_records_of_source_videos(tmp_path: Path) -> None:
    """They are half of a journal's records, and no manifest lists them."""
    (tmp_path / "clips").mkdir()
    facts = {"bytes": 1, "resolution": "reference"}
    with (tmp_path / "clips" / name_of(None)).open("wb") as journal:
        for number in range(2000):
            raw = {"type": "raw", "youtube_id": f"{number:011}", "file": f"{number}.mp4"}
            journal.write(line(raw | facts | {"facts": secrets.token_hex(1000)}))
    tracemalloc.start()
    try:
        anyio.run(manifests.merge, tmp_path / "clips")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1_000_000
