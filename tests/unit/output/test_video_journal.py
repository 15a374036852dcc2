"""What a worker records of a video survives the worker and the driver."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from hdtf_async import BusyError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.output import locks, video_journal
from hdtf_async.output.directory import open_directory
from hdtf_async.output.journal import JOURNAL, JournalIndex
from hdtf_async.output.locks import WORKERS, locked_by_worker, make_worker_file, worker_lock
from hdtf_async.output.video_journal import VideoLedger

if TYPE_CHECKING:
    from pathlib import Path

RAW = {"type": "raw", "youtube_id": "id", "file": "RD_a.mp4", "bytes": 1, "resolution": "reference"}
FAILED = {"type": "failed", "clip": "RD_a_000", "reason": "fault", "words": ""}


def ledger(out: Path, name: str) -> VideoLedger:
    """Return the ledger of a worker whose file was made by the driver."""
    make_worker_file(out, name)
    return VideoLedger(JournalIndex(out), out / WORKERS / name)


def timeless(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return records without their times."""
    return [{key: value for key, value in record.items() if key != "time"} for record in records]


async def test_the_next_worker_resumes_from_the_records_of_the_one_that_died(tmp_path: Path) -> None:
    """And so does the one after it; each knows what was recorded before it."""
    for number, record in enumerate([RAW, FAILED, None]):
        one = ledger(tmp_path, f"worker {number}")
        async with one.resuming("RD_a") as before:
            assert timeless(before) == [RAW, FAILED][:number]
            assert one.known.source_videos.get("id", []) == before[:1]
            with one.buffering() as made:
                if record is not None:
                    await one.append([record])
            assert timeless(made) == ([] if record is None else [record])
    video_journal.forget(tmp_path, "RD_a")
    assert not (tmp_path / WORKERS / "RD_a.jsonl").exists()
    video_journal.forget(tmp_path, "RD_a")


async def test_nobody_writes_while_the_children_of_the_last_worker_run(tmp_path: Path) -> None:
    """They have its lock, and may still write the files of the video."""
    first, second = (ledger(tmp_path, name) for name in ("first", "second"))
    lock = worker_lock(tmp_path / WORKERS / "first")
    async with first.resuming("RD_a"):
        pass
    began: list[float] = []

    async def resume() -> None:
        async with second.resuming("RD_a"):
            began.append(anyio.current_time())

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(resume)
            await anyio.sleep(0.5)
            assert began == []
            os.close(lock)
    assert began


async def test_a_line_that_another_worker_is_writing_is_not_cut_off(tmp_path: Path) -> None:
    """Only what is still torn when that worker has ended."""
    first, second = (ledger(tmp_path, name) for name in ("first", "second"))
    lock = worker_lock(tmp_path / WORKERS / "first")
    async with first.resuming("RD_a"):
        pass
    path, line = tmp_path / WORKERS / "RD_a.jsonl", json.dumps(RAW).encode() + b"\n"
    with path.open("ab", buffering=0) as journal:
        journal.write(line[:20])
        async with anyio.create_task_group() as group:

            async def resume() -> None:
                async with second.resuming("RD_a") as before:
                    assert before == [RAW]

            group.start_soon(resume)
            await anyio.sleep(0.3)
            journal.write(line[20:])
            os.close(lock)


async def test_children_that_do_not_end_are_waited_for_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system may have lost the machine with the lock."""
    monkeypatch.setattr(video_journal, "PATIENCE", 0.3)
    first, second = (ledger(tmp_path, name) for name in ("first", "second"))
    lock = worker_lock(tmp_path / WORKERS / "first")
    async with first.resuming("RD_a"):
        pass
    with anyio.fail_after(10):
        async with second.resuming("RD_a") as before:
            assert before == []
    os.close(lock)


async def test_the_next_run_adds_what_is_left(tmp_path: Path) -> None:
    """Once: also where the driver was killed after it had added the records."""
    one = ledger(tmp_path, "one")
    async with one.resuming("RD_a"):
        with one.buffering():
            await one.append([RAW])
            await one.append([FAILED])
    torn = tmp_path / WORKERS / "RD_a.jsonl"
    torn.write_bytes(torn.read_bytes() + b'{"type": "clip", "cl')
    (tmp_path / WORKERS / "RD_b.jsonl").write_text("none of ours\n")
    (tmp_path / WORKERS / "RD_c.jsonl").symlink_to(tmp_path / "elsewhere")
    async with open_directory(tmp_path) as directory:
        assert timeless(directory.known.source_videos["id"]) == [RAW]
        assert timeless([directory.known.failures["RD_a_000"]]) == [FAILED]
        assert not (tmp_path / WORKERS).exists()
    lines = [json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines()]
    assert timeless(lines) == [RAW, FAILED]
    assert not (tmp_path / "elsewhere").exists()
    async with open_directory(tmp_path):
        pass
    assert len((tmp_path / JOURNAL).read_text().splitlines()) == 2


async def test_what_the_owner_is_called_leads_nowhere_else(tmp_path: Path) -> None:
    """Anybody may have written the file."""
    one = ledger(tmp_path, "one")
    other = tmp_path / "precious"
    other.touch()
    (tmp_path / WORKERS / "RD_a.jsonl").write_text('{"type": "worker", "worker": "../precious"}\n')
    async with one.resuming("RD_a") as before:
        assert before == []
    assert other.exists()


async def test_a_journal_that_cannot_be_opened_is_a_failure(tmp_path: Path) -> None:
    """As that of the directory."""
    one = ledger(tmp_path, "one")
    (tmp_path / WORKERS / "RD_a.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Failure) as raised:
        async with one.resuming("RD_a"):
            pass
    assert raised.value.reason is Reason.NOT_WRITABLE


async def test_a_run_waits_for_workers_whose_driver_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as one of them, or a child of it, holds its lock; then their files are removed."""
    monkeypatch.setattr(locks, "PATIENCE", 0.3)
    make_worker_file(tmp_path, "one")
    lock = worker_lock(tmp_path / WORKERS / "one")
    with pytest.raises(BusyError, match="1 cluster workers are still running"):
        async with open_directory(tmp_path):
            pass
    os.close(lock)
    async with open_directory(tmp_path):
        assert not (tmp_path / WORKERS).exists()


def test_a_worker_in_another_directory_is_told(tmp_path: Path) -> None:
    """The driver makes its file: where that is missing, the file system is not shared."""
    with (
        pytest.raises(
            Failure, match="workers need the output directory on a file system that they share"
        ) as raised,
        locked_by_worker(tmp_path / WORKERS / "one"),
    ):
        pass
    assert raised.value.reason is Reason.NOT_READY


def test_a_worker_receives_the_records_of_its_video_and_of_no_other(tmp_path: Path) -> None:
    """Its source videos, and the clips and failures among those that are still to be created."""
    known = JournalIndex(tmp_path)
    records: list[dict[str, Any]] = [RAW | {"youtube_id": name} for name in "ab"]
    records += [{"type": "clip", "clip": f"RD_{name}_000", "metadata": {}, "form": {}} for name in "ab"]
    records += [FAILED | {"clip": f"RD_{name}_001"} for name in "ab"]
    for record in records:
        known.add(record)
    assert known.about("a", ["RD_a_000", "RD_a_001"]) == records[::2]
    assert known.about("a", ["RD_a_000"]) == [records[0], records[2]]
    assert known.about("c", ["RD_c_000"]) == []
