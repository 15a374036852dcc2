"""The output directory: only durable files count, and untracked files are never touched."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.to_thread import run_sync
from hypothesis import given, settings
from hypothesis import strategies as st

from hdtf_async.core import descriptors
from hdtf_async.core.exceptions import BusyError, StoreError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Clip, Interval, Video
from hdtf_async.output import atomic, journal, locks, manifests
from hdtf_async.output.directory import open_directory, read_known, run_record
from hdtf_async.output.locks import is_held
from hdtf_async.output.manifests import failure_record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hdtf_async.output.directory import OutputDirectory

JOURNAL, METADATA, FAILURES, SOURCE_VIDEOS = (
    "_journal.jsonl",
    "metadata.jsonl",
    "failures.jsonl",
    "_videos_raw",
)
CARD = "README.md"
VIDEO = Video("RD", "Radio1", "CPCoMyuBRM0", 720)


def _clip(index: int = 0) -> Clip:
    return Clip(VIDEO, index, Interval(30, 60), Box(466, 0, 534, 534))


def _record(clip: Clip, size: int, **form: object) -> dict[str, Any]:
    metadata = {"file_name": f"{clip.stem}.mp4", "bytes": size, "fingerprint": "f"}
    return {"type": "clip", "clip": clip.stem, "form": form, "metadata": metadata}


def _raw_record(file: str, size: int) -> dict[str, Any]:
    return {
        "type": "raw",
        "youtube_id": VIDEO.youtube_id,
        "file": file,
        "bytes": size,
        "resolution": "reference",
    }


async def _made(directory: OutputDirectory, clip: Clip, content: bytes = b"a clip") -> None:
    """Publish and record a clip, as the encode lane does."""
    final = directory.clip_path(clip)
    temporary = directory.temporary(final)
    temporary.write_bytes(content)
    await directory.publish(temporary, final)
    await directory.append(_record(clip, len(content)))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _journal_of(directory: OutputDirectory) -> journal.Journal:
    assert isinstance(directory._journal, journal.Journal)
    return directory._journal


def _inode(path: Path) -> int:
    return path.stat().st_ino


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


# Durable first, referenced after.


async def test_a_clip_is_durable_before_it_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is: sync the file, rename it, sync the directory, write the record, sync the journal."""
    calls: list[str] = []
    async with open_directory(tmp_path) as directory:
        final = directory.clip_path(_clip())
        temporary = directory.temporary(final)
        temporary.write_bytes(b"a clip")
        names = {
            _inode(temporary): "clip",
            _inode(tmp_path): "directory",
            _inode(tmp_path / JOURNAL): "journal",
        }
        journal = _journal_of(directory)._file
        fsync, replace, write = os.fsync, os.replace, journal.write

        def noted_fsync(descriptor: int) -> None:
            calls.append(f"sync {names[os.fstat(descriptor).st_ino]}")
            fsync(descriptor)

        def noted_replace(source: Path, target: Path) -> None:
            calls.append(f"rename to {target.name}")
            replace(source, target)

        async def noted_write(data: bytes) -> int:
            calls.append("write journal")
            return await write(data)

        monkeypatch.setattr(os, "fsync", noted_fsync)
        monkeypatch.setattr(os, "replace", noted_replace)
        monkeypatch.setattr(journal, "write", noted_write)
        await directory.publish(temporary, final)
        await directory.append(_record(_clip(), 6))
        monkeypatch.undo()
    assert calls == [
        "sync clip",
        "rename to RD_Radio1_000.mp4",
        "sync directory",
        "write journal",
        "sync journal",
    ]
    assert not temporary.exists()


async def test_a_temporary_name_is_in_the_same_directory(tmp_path: Path) -> None:
    """A rename is only atomic within one file system."""
    async with open_directory(tmp_path) as directory:
        final = directory.clip_path(_clip())
        temporary = directory.temporary(final)
        assert temporary.parent == final.parent
        assert temporary != final


async def test_clips_are_in_the_index_at_once_and_in_the_next_run(tmp_path: Path) -> None:
    """The journal contains the index of the run."""
    async with open_directory(tmp_path) as directory:
        await _made(directory, _clip())
        await directory.append(failure_record(_clip(1), Failure(Reason.PRIVATE, "gone")), run_record(a=1))
        index = directory.known
    again = read_known(tmp_path)
    assert set(again.existing_clips()) == {"RD_Radio1_000"}
    assert (again.clips, again.failures, again.run) == (index.clips, index.failures, index.run)
    assert (again.run["pid"], again.run["host"], again.run["a"]) == (os.getpid(), socket.gethostname(), 1)


# Contents of the journal.


@pytest.mark.parametrize(
    "torn", [b"{", b'{"type": "clip", "cl', '{"words": "Zoë'.encode()[:-1], b"\0" * 4096]
)
async def test_an_incomplete_last_line_is_ignored_and_removed(tmp_path: Path, torn: bytes) -> None:
    """What follows it is readable, and earlier complete lines are kept."""
    async with open_directory(tmp_path) as directory:
        await _made(directory, _clip())
    whole = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(whole + torn)
    assert set(read_known(tmp_path).clips) == {"RD_Radio1_000"}
    assert (tmp_path / JOURNAL).read_bytes() == whole + torn, "only a run that holds the lock may cut"
    async with open_directory(tmp_path) as directory:
        assert (tmp_path / JOURNAL).read_bytes() == whole
        await _made(directory, _clip(1))
    assert set(read_known(tmp_path).existing_clips()) == {"RD_Radio1_000", "RD_Radio1_001"}
    assert len(_lines(tmp_path / JOURNAL)) == 2


GARBAGE = [
    b"",
    b"not JSON",
    b"\xff\xfe",
    b"null",
    b"[1, 2]",
    b"[" * 100_000,
    b"9" * 10_000,
    b"{}",
    b'{"type": "of the future", "clip": "RD_Radio1_000"}',
    b'{"type": "clip", "clip": "RD_Radio1_000"}',
    b'{"type": "clip", "clip": 7, "form": {}, "metadata": {}}',
    b'{"type": "failed", "clip": "RD_Radio1_000", "reason": "of the future"}',
    b'{"type": "failed", "clip": "RD_Radio1_000", "reason": ["private"]}',
    b'{"type": "raw", "youtube_id": "CPCoMyuBRM0", "file": "RD_Radio1.mp4"}',
    b'{"type": "raw", "youtube_id": "CPCoMyuBRM0", "file": "../../x.mp4", "bytes": 1, "resolution": "best"}',
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_an_invalid_line_is_skipped(tmp_path: Path, garbage: bytes) -> None:
    """The records around it count, and the line stays."""
    async with open_directory(tmp_path) as directory:
        await _made(directory, _clip())
        await directory.append(_raw_record("RD_Radio1.webm", 5))
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(garbage + b"\n")
    async with open_directory(tmp_path) as directory:
        await _made(directory, _clip(1))
    index = read_known(tmp_path)
    assert set(index.existing_clips()) == {"RD_Radio1_000", "RD_Radio1_001"}
    assert index.failures == {}
    assert [record["file"] for record in index.source_videos[VIDEO.youtube_id]] == ["RD_Radio1.webm"]
    assert garbage + b"\n" in (tmp_path / JOURNAL).read_bytes()


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 300, "..", ".", ""])
async def test_an_impossible_file_name_does_not_exist(tmp_path: Path, name: str) -> None:
    """A damaged journal with such a name does not crash a run."""
    clip = {"type": "clip", "clip": name, "metadata": {"bytes": 1}, "form": {}}
    raw = _raw_record(name, 1)
    (tmp_path / JOURNAL).write_text(f"{json.dumps(clip)}\n{json.dumps(raw)}\n")
    async with open_directory(tmp_path) as directory:
        assert set(directory.known.clips) == {name}
        assert directory.known.existing_clips() == {}
        assert directory.known.existing_source_video(VIDEO.youtube_id) is None
        await directory.write_manifests()
    assert _lines(tmp_path / METADATA) == []


def _journals() -> st.SearchStrategy[bytes]:
    texts = st.sampled_from(["clip", "failed", "raw", "run", "private", "RD_Radio1_000", "RD_Radio1.mp4"])
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | texts
    names = st.sampled_from(
        ["type", "clip", "form", "metadata", "reason", "youtube_id", "file", "bytes", "resolution", "pid"]
    )
    values = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=3)
    )
    records = st.dictionaries(names, values).map(lambda record: json.dumps(record).encode())
    return st.lists(records | st.binary(max_size=30), max_size=6).map(b"\n".join)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(content=_journals())
def test_no_journal_crashes_the_program(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Any content is read, queried and shown; files that do not exist are not reported as existing."""
    out = tmp_path_factory.mktemp("any")
    (out / JOURNAL).write_bytes(content)

    async def open_and_close() -> None:
        async with open_directory(out) as directory:
            assert directory.known.existing_clips() == {}
            assert directory.known.existing_source_video(VIDEO.youtube_id) is None
            await directory.append(_record(_clip(9), 1))
            await directory.write_manifests([_clip()])
            with pytest.raises(BusyError):
                async with open_directory(out):
                    pass

    anyio.run(open_and_close)
    assert "RD_Radio1_009" in read_known(out).clips
    assert _lines(out / METADATA) == []
    assert "RD_Radio1_000" in {line["clip"] for line in _lines(out / FAILURES)}


async def test_a_clip_without_a_record_does_not_count(tmp_path: Path) -> None:
    """The program was ended between rename and record."""
    async with open_directory(tmp_path) as directory:
        directory.clip_path(_clip()).write_bytes(b"a clip")
        assert directory.known.existing_clip(_clip().stem) is None
        await directory.write_manifests()
    assert _lines(tmp_path / METADATA) == []


@pytest.mark.parametrize("content", [None, b"", b"a longer clip", b"a cli"])
async def test_a_record_without_its_clip_does_not_count(tmp_path: Path, content: bytes | None) -> None:
    """A file that was deleted, or has another size than recorded, is no clip, and not in the metadata."""
    async with open_directory(tmp_path) as directory:
        await _made(directory, _clip(0))
        await _made(directory, _clip(1))
        if content is None:
            directory.clip_path(_clip(0)).unlink()
        else:
            directory.clip_path(_clip(0)).write_bytes(content)
        assert set(directory.known.existing_clips()) == {"RD_Radio1_001"}
        await directory.write_manifests()
    assert [line["file_name"] for line in _lines(tmp_path / METADATA)] == ["RD_Radio1_001.mp4"]


@pytest.mark.parametrize("content", [None, b"", b"longer audio", b"audi"])
async def test_a_clip_without_its_wav_file_does_not_count(tmp_path: Path, content: bytes | None) -> None:
    """The same applies to its WAV file, if it was published with one."""
    async with open_directory(tmp_path) as directory:
        for index in (0, 1):
            directory.wav_path(_clip(index)).write_bytes(b"audio")
            directory.clip_path(_clip(index)).write_bytes(b"a clip")
            record = _record(_clip(index), 6)
            record["metadata"] |= {"wav": f"{_clip(index).stem}.wav", "wav_bytes": 5}
            await directory.append(record)
        assert len(directory.known.existing_clips()) == 2
        if content is None:
            directory.wav_path(_clip(0)).unlink()
        else:
            directory.wav_path(_clip(0)).write_bytes(content)
        assert set(directory.known.existing_clips()) == {"RD_Radio1_001"}
        await directory.write_manifests()
    assert [line["file_name"] for line in _lines(tmp_path / METADATA)] == ["RD_Radio1_001.mp4"]


async def test_a_source_video_counts_if_it_has_a_record_and_the_right_size(tmp_path: Path) -> None:
    """One of another size is incomplete, or not ours."""
    async with open_directory(tmp_path) as directory:
        raw = directory.source_video_path(VIDEO, "webm")
        assert raw == tmp_path / SOURCE_VIDEOS / "RD_Radio1.webm"
        await directory.append(_raw_record(raw.name, 5))
        assert directory.known.existing_source_video(VIDEO.youtube_id) is None
        raw.write_bytes(b"a raw")
        assert directory.known.existing_source_video(VIDEO.youtube_id) is not None
        raw.write_bytes(b"half")
        assert directory.known.existing_source_video(VIDEO.youtube_id) is None


async def test_a_recorded_but_unrenamed_source_video_does_not_hide_an_older_one(tmp_path: Path) -> None:
    """The newest record whose file exists counts, under the same name or another."""
    async with open_directory(tmp_path) as directory:
        for name, size in (("RD_Radio1.webm", 5), ("RD_Radio1.webm", 9), ("RD_Radio1.mp4", 7)):
            await directory.append(_raw_record(name, size))
        (directory.source_videos_path / "RD_Radio1.webm").write_bytes(b"a raw")
    index = read_known(tmp_path)
    assert (index.existing_source_video(VIDEO.youtube_id) or {})["bytes"] == 5
    (tmp_path / SOURCE_VIDEOS / "RD_Radio1.mp4").write_bytes(b"another")
    assert (index.existing_source_video(VIDEO.youtube_id) or {})["file"] == "RD_Radio1.mp4"


async def test_a_clip_that_could_not_be_re_created_still_counts(tmp_path: Path) -> None:
    """Its record is kept; it is listed as existing, or as failed if its settings are no longer requested."""
    async with open_directory(tmp_path) as directory:
        await _made(directory, _clip())
        await directory.append(failure_record(_clip(), Failure(Reason.PRIVATE)))
        await directory.write_manifests()
        assert [line["file_name"] for line in _lines(tmp_path / METADATA)] == ["RD_Radio1_000.mp4"]
        assert _lines(tmp_path / FAILURES) == []
        old = directory.known.clips[_clip().stem]["metadata"].get("fingerprint")
        await directory.write_manifests(stale={_clip().stem: old})
    assert _lines(tmp_path / METADATA) == []
    assert [line["reason"] for line in _lines(tmp_path / FAILURES)] == ["private"]
    async with open_directory(tmp_path) as directory:
        await _made(directory, _clip(), b"made anew")
        assert directory.known.failures == {}


async def test_each_clip_is_checked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost grows with the number of clips, and with nothing else."""
    async with open_directory(tmp_path) as directory:
        await directory.append(*(_record(_clip(index), 6) for index in range(3000)))
        for index in range(0, 3000, 3):
            directory.clip_path(_clip(index)).write_bytes(b"a clip")
        asked: list[object] = []
        plain = os.stat

        def counted(path: Any) -> os.stat_result:
            asked.append(path)
            return plain(path)

        monkeypatch.setattr(os, "stat", counted)
        existing = directory.known.existing_clips()
        monkeypatch.undo()
    assert len(existing) == 1000
    assert len(asked) == len(set(asked)) == 3000


# Concurrent writes to the journal, and a full disk.


async def test_concurrent_appends_are_separate_lines(tmp_path: Path) -> None:
    """No line merges with another, none is lost, and each is in the index."""
    async with open_directory(tmp_path) as directory:

        async def append(index: int) -> None:
            record = failure_record(_clip(index), Failure(Reason.NETWORK, "words " * (index % 50)))
            await directory.append(record, _record(_clip(1000 + index), 1))
            assert _clip(index).stem in directory.known.failures

        async with anyio.create_task_group() as group:
            for index in range(300):
                group.start_soon(append, index)
    lines = _lines(tmp_path / JOURNAL)
    assert len(lines) == 600
    assert {line["clip"] for line in lines} == {
        _clip(offset + index).stem for offset in (0, 1000) for index in range(300)
    }
    assert all(line["time"] for line in lines)


async def test_waiting_records_are_synced_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first is being synced the others queue up, and one sync makes all of them durable."""
    synced, free = 0, threading.Event()
    plain = os.fsync

    def slow(descriptor: int) -> None:
        nonlocal synced
        assert free.wait(10)
        plain(descriptor)
        synced += 1

    returned: list[tuple[int, int]] = []
    async with open_directory(tmp_path) as directory:
        monkeypatch.setattr(os, "fsync", slow)

        async def append(index: int) -> None:
            await directory.append(_record(_clip(index), 1))
            returned.append((index, synced))

        async with anyio.create_task_group() as group:
            group.start_soon(append, 0)
            while not (tmp_path / JOURNAL).read_bytes():
                await anyio.sleep(0.001)
            for index in range(1, 100):
                group.start_soon(append, index)
            await anyio.wait_all_tasks_blocked()
            assert returned == []
            free.set()
        monkeypatch.undo()
    assert returned == [(0, 1), *((index, 2) for index in range(1, 100))]
    assert [line["clip"] for line in _lines(tmp_path / JOURNAL)] == [
        _clip(index).stem for index in range(100)
    ]


async def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may write a part of a line; the rest follows."""
    async with open_directory(tmp_path) as directory:
        journal = _journal_of(directory)._file
        plain = journal.write

        async def short(data: bytes) -> int:
            return await plain(data[:7])

        monkeypatch.setattr(journal, "write", short)
        await directory.append(_record(_clip(), 1), _record(_clip(1), 1))
        monkeypatch.undo()
    assert len(_lines(tmp_path / JOURNAL)) == 2


async def test_a_full_disk_leaves_the_journal_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a record is removed, all waiting tasks get the error, and later appends work."""
    async with open_directory(tmp_path) as directory:
        await directory.append(_record(_clip(0), 1))
        before = (tmp_path / JOURNAL).read_bytes()
        journal = _journal_of(directory)._file
        plain, space = journal.write, 60

        async def full(data: bytes) -> int:
            nonlocal space
            if not space:
                raise OSError(errno.ENOSPC, "No space left on device")
            written = await plain(data[:space])
            space -= written
            return written

        monkeypatch.setattr(journal, "write", full)
        reasons: list[Reason] = []

        async def append(index: int) -> None:
            try:
                await directory.append(_record(_clip(index), 1))
            except Failure as failure:
                reasons.append(failure.reason)

        async with anyio.create_task_group() as group:
            for index in range(1, 9):
                group.start_soon(append, index)
        monkeypatch.undo()
        assert reasons == [Reason.DISK_FULL] * 8
        assert (tmp_path / JOURNAL).read_bytes() == before
        assert set(directory.known.clips) == {"RD_Radio1_000"}
        await directory.append(_record(_clip(9), 1))
    assert set(read_known(tmp_path).clips) == {"RD_Radio1_000", "RD_Radio1_009"}


@pytest.mark.parametrize("where", ["write", "sync", "cut"])
@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't start new thread"), OSError(errno.EIO, "Input/output error")]
)
async def test_no_error_between_two_records_loses_a_durable_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    """Whatever error an append has, and even if the disk is full later."""
    async with open_directory(tmp_path) as directory:
        await directory.append(_record(_clip(0), 1))
        file = _journal_of(directory)._file
        plain = file.write

        async def broken(data: bytes) -> int:
            await plain(data if where == "sync" else data[: len(data) // 2])
            raise error

        def broken_call(*_: int) -> None:
            raise error

        with monkeypatch.context() as patch:
            if where == "sync":
                patch.setattr(atomic, "sync", broken_call)
            else:
                patch.setattr(file, "write", broken)
            if where == "cut":  # the incomplete line stays until the next append
                patch.setattr(os, "ftruncate", broken_call)
            with pytest.raises((type(error), Failure)):
                await directory.append(_record(_clip(1), 1))
        await directory.append(_record(_clip(2), 1))

        async def full(_data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(file, "write", full)
            with pytest.raises(Failure):
                await directory.append(_record(_clip(3), 1))
        await directory.append(_record(_clip(4), 1))
    assert list(read_known(tmp_path).clips) == [_clip(index).stem for index in (0, 2, 4)]
    assert len(_lines(tmp_path / JOURNAL)) == 3


async def test_a_record_is_written_even_if_its_task_is_cancelled(tmp_path: Path) -> None:
    """A renamed clip gets its record, even if the run is being stopped at that time."""
    async with open_directory(tmp_path) as directory:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await directory.append(_record(_clip(), 1))
        assert set(directory.known.clips) == {"RD_Radio1_000"}
    assert set(read_known(tmp_path).clips) == {"RD_Radio1_000"}


async def test_a_record_keeps_its_time(tmp_path: Path) -> None:
    """A record from another process has its time; any other gets the time at which it is appended."""
    then = "2026-01-02T03:04:05.678+00:00"
    async with open_directory(tmp_path) as directory:
        await directory.append(_record(_clip(0), 1) | {"time": then})
        await directory.append(_record(_clip(1), 1))
    first, second = _lines(tmp_path / JOURNAL)
    assert first["time"] == then
    assert journal.time_of(second) > then


async def test_any_text_can_be_recorded(tmp_path: Path) -> None:
    """Untrusted names and messages: line ends, quotes, other scripts, and invalid UTF-8."""
    texts = [
        "a\nb\r\n",
        '"quoted" \\',
        "Zoë 漢字 🎬",
        "\u2028\x85",
        "half a pair: \ud83c",
        "raw byte: \udcff",
    ]
    async with open_directory(tmp_path) as directory:
        await directory.append(run_record(texts=texts))
    assert read_known(tmp_path).run["texts"] == texts
    assert (tmp_path / JOURNAL).read_bytes().count(b"\n") == 1


# The manifests.


async def test_manifests_are_sorted_and_have_no_times(tmp_path: Path) -> None:
    """Two runs with the same result write the same bytes, in whatever order things happened."""
    orders = [(3, 1, 2, 0), (0, 1, 2, 3)]
    manifests = []
    for place, order in enumerate(orders):
        out = tmp_path / str(place)
        async with open_directory(out) as directory:
            for index in order:
                await _made(directory, _clip(index))
                await directory.append(failure_record(_clip(10 + index), Failure(Reason.NETWORK, "words")))
            await directory.write_manifests([_clip(20)])
        manifests.append([(out / name).read_bytes() for name in (METADATA, FAILURES)])
    assert manifests[0] == manifests[1]
    metadata, failures = _lines(tmp_path / "0" / METADATA), _lines(tmp_path / "0" / FAILURES)
    assert [line["file_name"] for line in metadata] == [f"{_clip(index).stem}.mp4" for index in range(4)]
    assert [next(iter(line)) for line in metadata] == ["file_name"] * 4
    assert [line["clip"] for line in failures] == [_clip(index).stem for index in (10, 11, 12, 13, 20)]
    assert not any({"time", "type"} & set(line) for line in metadata + failures)


async def test_manifests_are_written_while_clips_are_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clip that is recorded meanwhile is in the next ones, and causes no error."""
    has_size, late = atomic.has_size, [_clip(2)]
    async with open_directory(tmp_path) as directory:
        for index in range(2):
            await _made(directory, _clip(index))

        def slowly(path: str, size: object) -> bool:
            if late:
                anyio.from_thread.run(_made, directory, late.pop())
            return has_size(path, size)

        monkeypatch.setattr(directory.known, "has_size", slowly)
        await directory.write_manifests()
        assert [line["file_name"] for line in _lines(tmp_path / METADATA)] == [
            f"{_clip(index).stem}.mp4" for index in range(2)
        ]
        await directory.write_manifests()
        assert len(_lines(tmp_path / METADATA)) == 3


async def test_a_failure_is_listed_with_meaning_and_remedy(tmp_path: Path) -> None:
    """With the tool's message too; clips that were not attempted are also listed."""
    async with open_directory(tmp_path) as directory:
        await directory.append(failure_record(_clip(), Failure(Reason.PRIVATE, "ERROR: Private video")))
        await _made(directory, _clip(2))
        await directory.write_manifests([_clip(0), _clip(1), _clip(2)])
    private, not_tried = _lines(tmp_path / FAILURES)
    advice = Reason.PRIVATE.advice
    assert private == {
        "clip": "RD_Radio1_000",
        "subset": "RD",
        "name": "Radio1",
        "index": 0,
        "youtube_id": VIDEO.youtube_id,
        "reason": "private",
        "words": "ERROR: Private video",
        "meaning": advice.meaning,
        "what_to_do": advice.remedy,
    }
    assert (not_tried["clip"], not_tried["reason"]) == ("RD_Radio1_001", "not_tried")


async def test_a_manifest_is_replaced_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the new one cannot be completed the old one is kept, and no partial file is left."""
    async with open_directory(tmp_path) as directory:
        await _made(directory, _clip())
        await directory.write_manifests()
        before = (tmp_path / METADATA).read_bytes()
        await _made(directory, _clip(1))

        def full(_descriptor: int) -> None:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(Failure) as raised:
            await directory.write_manifests()
        monkeypatch.undo()
        assert raised.value.reason is Reason.DISK_FULL
        assert (tmp_path / METADATA).read_bytes() == before
        assert not [name for name in _names(tmp_path) if name.startswith(".")]
        await directory.write_manifests()
    assert len(_lines(tmp_path / METADATA)) == 2


async def test_manifests_of_a_finished_directory_are_not_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that changes nothing writes nothing: neither a file nor a sync."""
    async with open_directory(tmp_path) as directory:
        await _made(directory, _clip())
        await directory.write_manifests()
    before = [(tmp_path / name).stat() for name in (JOURNAL, METADATA, FAILURES)]
    async with open_directory(tmp_path) as directory:
        monkeypatch.delattr(os, "fsync")
        await directory.write_manifests()
        monkeypatch.undo()
    after = [(tmp_path / name).stat() for name in (JOURNAL, METADATA, FAILURES)]
    assert [(s.st_ino, s.st_mtime_ns, s.st_size) for s in before] == [
        (s.st_ino, s.st_mtime_ns, s.st_size) for s in after
    ]


# Opening, and other processes.


async def test_only_our_own_leftovers_are_removed(tmp_path: Path) -> None:
    """Files with our temporary names are removed; everything else in the directory is the user's."""
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    (elsewhere / "inside").mkdir(parents=True)
    (out / SOURCE_VIDEOS / ".hdtf-RD_Radio1" / "deep").mkdir(parents=True)
    (out / SOURCE_VIDEOS / ".hdtf-RD_Radio1" / "deep" / "part").write_bytes(b"half")
    (out / ".hdtf-RD_Radio1_000.mp4").write_bytes(b"half")
    (out / ".hdtf-link").symlink_to(elsewhere)
    (out / ".hdtf-dangling").symlink_to(out / "nowhere")
    kept = {".hidden", ".hdtf", "hdtf-notes.txt", "notes.hdtf-", "RD_Radio2_000.mp4", "user"}
    for name in kept - {"user"}:
        (out / name).write_bytes(b"the user's")
    (out / "user").mkdir()
    (out / "user" / ".hdtf-deeper").write_bytes(b"the user's")
    async with open_directory(out):
        assert _names(out) == kept | {SOURCE_VIDEOS, JOURNAL}
        assert _names(out / SOURCE_VIDEOS) == set()
    assert (out / "user" / ".hdtf-deeper").exists()
    assert (elsewhere / "inside").exists()


async def test_a_second_run_is_refused_and_names_the_first(tmp_path: Path) -> None:
    """A run holds the directory exclusively, and releases it as soon as it has ended."""
    async with open_directory(tmp_path) as directory:
        with pytest.raises(BusyError, match="unknown process"):
            async with open_directory(tmp_path):
                pass
        await directory.append(run_record())
        with pytest.raises(BusyError) as raised:
            async with open_directory(tmp_path):
                pass
        assert f"process {os.getpid()} on {socket.gethostname()}" in str(raised.value)
        assert str(tmp_path) in str(raised.value)
        assert read_known(tmp_path).run["pid"] == os.getpid(), "reading needs no lock"
        await _made(directory, _clip())
    async with open_directory(tmp_path) as directory:
        assert set(directory.known.existing_clips()) == {"RD_Radio1_000"}


async def test_a_second_run_is_refused_too_if_a_locked_file_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SMB a lock prevents reading, and acquiring it fails with a permission error."""

    def held(*_arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(fcntl, "flock", held)
    monkeypatch.setattr(locks, "read", held)
    with pytest.raises(BusyError, match="another run is active"):
        async with open_directory(tmp_path):
            pass


async def test_a_child_that_is_still_writing_holds_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the program is killed, its tools hold the lock; the message does not name the ended process."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended_child:
        pass
    async with open_directory(tmp_path) as directory:
        await directory.append(run_record() | {"pid": ended_child.pid})
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(directory.locks[0],),
        )
        monkeypatch.setattr(descriptors, "close", os.close)  # the effect of a kill
    monkeypatch.undo()
    with child:
        monkeypatch.setattr(locks, "PATIENCE", 0.1)
        with pytest.raises(BusyError, match=f"not process {ended_child.pid} .* has ended"):
            async with open_directory(tmp_path):
                pass
        monkeypatch.undo()
        # The reaper ends such a child, and another run waits for that.
        async with anyio.create_task_group() as group:
            group.start_soon(run_sync, child.kill)
            async with open_directory(tmp_path):
                pass


async def test_the_lock_is_released_if_opening_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error leaves no descriptor open that would keep the lock."""

    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StoreError, match="Input/output error"):
        async with open_directory(tmp_path):
            pass
    monkeypatch.undo()
    async with open_directory(tmp_path):
        pass


@pytest.mark.parametrize("name", ["out", "out/deeper/still", f"out/{SOURCE_VIDEOS}", f"out/{JOURNAL}/inside"])
async def test_a_file_in_place_of_a_directory_is_named(tmp_path: Path, name: str) -> None:
    """The directory, or a parent of it, is a file: the message contains a remedy."""
    blocked = tmp_path / name
    if name.startswith("out/_"):
        blocked.parent.mkdir(parents=True)
    if name.endswith("inside"):
        blocked.mkdir()  # a directory in place of the journal
    else:
        file = tmp_path / name if name.startswith("out/_") else tmp_path / "out"
        file.write_bytes(b"a file")
    out = tmp_path / "out" if "_" in name else blocked
    with pytest.raises(StoreError, match="choose another --out"):
        async with open_directory(out):
            pass


async def test_a_directory_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only file system is reported in one line."""

    def read_only(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(StoreError, match="Read-only file system"):
        async with open_directory(tmp_path):
            pass


def test_an_unreadable_journal_is_an_error(tmp_path: Path) -> None:
    """`plan --out` does not crash for a file, and a directory that does not exist yet is no error."""
    (tmp_path / "file").write_bytes(b"a file")
    with pytest.raises(StoreError, match="cannot read"):
        read_known(tmp_path / "file")
    assert read_known(tmp_path / "not there yet").clips == {}


@pytest.mark.parametrize(
    "name",
    ["with spaces", 'it\'s "quoted"', "line\nbreak", "Zoë 漢字 🎬", "-o", "*?[a]", os.fsdecode(b"\xff\xfe")],
)
async def test_a_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    """Clips are written, indexed and cleaned up there."""
    out = tmp_path / name / "clips"
    try:
        out.mkdir(parents=True)
    except OSError:
        pytest.skip("this file system has no such names")
    (out / ".hdtf-left").write_bytes(b"half")
    async with open_directory(out) as directory:
        await _made(directory, _clip())
        await directory.log(VIDEO, f"in {out}\n")
        await directory.write_manifests()
    assert _names(out) == {"RD_Radio1_000.mp4", JOURNAL, METADATA, FAILURES, CARD, SOURCE_VIDEOS}
    assert set(read_known(out).existing_clips()) == {"RD_Radio1_000"}


# Source videos.


async def test_a_private_directory_is_private_empty_and_deleted_afterwards(tmp_path: Path) -> None:
    """Mode 0700, leftovers in it are deleted, and it is deleted with its context, however that exits."""
    left = tmp_path / SOURCE_VIDEOS / ".hdtf-RD_Radio1.download"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"half")
    async with open_directory(tmp_path) as directory:
        async with directory.private_directory(VIDEO) as private:
            assert private == left
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
            assert _names(private) == set()
            (private / "part").write_bytes(b"half")
        assert not private.exists()
        with pytest.raises(Failure):
            async with directory.private_directory(VIDEO) as private:
                raise Failure(Reason.NETWORK)
        assert not private.exists()


async def test_a_private_directory_is_deleted_after_cancellation(tmp_path: Path) -> None:
    """Even if the cancellation comes while the directory is being created."""
    async with open_directory(tmp_path) as directory:
        for seconds in (0, 0.0005, 0.001, 0.002, 0.005):
            with anyio.move_on_after(seconds) as scope:
                async with directory.private_directory(VIDEO) as private:
                    (private / "part").write_bytes(b"half")
                    await anyio.sleep_forever()
            assert scope.cancelled_caught
            assert _names(tmp_path / SOURCE_VIDEOS) == set()


async def test_a_second_name_is_a_hard_link(tmp_path: Path) -> None:
    """One download, two rows of the table: no second copy on the disk."""
    async with open_directory(tmp_path) as directory:
        first, second = tmp_path / SOURCE_VIDEOS / "RD_A.mp4", tmp_path / SOURCE_VIDEOS / "RD_B.mp4"
        first.write_bytes(b"a raw")
        second.write_bytes(b"an old one")
        for _ in range(2):  # the second time both are the same file
            await directory.link(first, second)
            assert first.samefile(second)
            assert _names(tmp_path / SOURCE_VIDEOS) == {"RD_A.mp4", "RD_B.mp4"}


async def test_a_second_name_is_a_copy_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems do not support them."""

    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    async with open_directory(tmp_path) as directory:
        first, second = tmp_path / SOURCE_VIDEOS / "RD_A.mp4", tmp_path / SOURCE_VIDEOS / "RD_B.mp4"
        first.write_bytes(b"a raw")
        monkeypatch.setattr(os, "link", no_links)
        await directory.link(first, second)
        assert second.read_bytes() == b"a raw"
        assert not first.samefile(second)


async def test_logs_hashes_and_removals(tmp_path: Path) -> None:
    """A log is appended to, a hash is the sha256, and removing a missing file is no error."""
    async with open_directory(tmp_path) as directory:
        await directory.log(VIDEO, "one\n")
        await directory.log(VIDEO, "two \udcff\n")
        log = tmp_path / SOURCE_VIDEOS / "RD_Radio1_download_log.txt"
        assert log.read_text(encoding="utf-8") == "one\ntwo \\udcff\n"
        file = tmp_path / "file"
        file.write_bytes(b"abc")
        assert await directory.sha256(file) == (
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )
        await directory.remove(file)
        await directory.remove(file)
        assert not file.exists()
        assert directory.free_bytes() > 0


# Errors of the file system, in any operation.


async def _private(directory: OutputDirectory) -> None:
    async with directory.private_directory(VIDEO):
        pass


async def _publish(directory: OutputDirectory) -> None:
    final = directory.clip_path(_clip())
    temporary = directory.temporary(final)
    temporary.write_bytes(b"a clip")
    await directory.publish(temporary, final)


async def _link(directory: OutputDirectory) -> None:
    await directory.link(directory.out / JOURNAL, directory.source_video_path(VIDEO, "mp4"))


async def _free(directory: OutputDirectory) -> None:
    directory.free_bytes()


DEEDS: dict[str, tuple[str, Callable[[OutputDirectory], Awaitable[None]]]] = {
    "private directory": ("os.mkdir", _private),
    "publish, sync": ("os.fsync", _publish),
    "publish, rename": ("os.replace", _publish),
    "append": ("os.fsync", lambda directory: directory.append(run_record())),
    "views": ("os.replace", lambda directory: directory.write_manifests([_clip()])),
    "link": ("os.replace", _link),
    "copy": ("shutil.copyfileobj", _link),
    "log": ("aiofiles.open", lambda directory: directory.log(VIDEO, "words")),
    "remove": ("os.unlink", lambda directory: directory.remove(directory.out / JOURNAL)),
    "free": ("shutil.disk_usage", _free),
}


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, Reason.DISK_FULL),
        (errno.EDQUOT, Reason.DISK_FULL),
        (errno.EACCES, Reason.NOT_WRITABLE),
        (errno.EROFS, Reason.NOT_WRITABLE),
        (errno.EIO, Reason.DISK_ERROR),
        (errno.EMFILE, Reason.RESOURCE_LIMIT),
    ],
)
@pytest.mark.parametrize("operation", DEEDS)
async def test_a_disk_error_is_a_failure_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, number: int, reason: Reason
) -> None:
    """Each operation reports the cause, names the file, and leaves no partial one."""
    where, do = DEEDS[operation]

    def os_errors_as_failures(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    async with open_directory(tmp_path) as directory:
        monkeypatch.setattr(where, os_errors_as_failures)
        if operation == "copy":
            monkeypatch.setattr("os.link", os_errors_as_failures)
        with pytest.raises(Failure) as raised:
            await do(directory)
        monkeypatch.undo()
        assert raised.value.reason is reason
        assert os.strerror(number) in raised.value.words
        assert str(tmp_path) in raised.value.words
        if not operation.startswith("publish"):  # there the caller removes it
            assert not [
                name for name in _names(tmp_path) | _names(tmp_path / SOURCE_VIDEOS) if name[0] == "."
            ]


async def test_a_deleted_output_directory_is_a_disk_error(tmp_path: Path) -> None:
    """An unplugged disk or a deleted directory: a failure with a message, no crash."""
    async with open_directory(tmp_path / "out") as directory:
        shutil.rmtree(tmp_path / "out")
        for do in (
            _private,
            _free,
            lambda there: there.log(VIDEO, "words"),
            lambda there: there.write_manifests(),
        ):
            with pytest.raises(Failure) as raised:
                await do(directory)
            assert raised.value.reason is Reason.NOT_WRITABLE


def test_file_names_in_the_directory_are_stable() -> None:
    """They are a contract: other programs read these files."""
    assert (manifests.METADATA, manifests.FAILURES) == (METADATA, FAILURES)
    assert (journal.JOURNAL, journal.SOURCE_VIDEOS) == (JOURNAL, SOURCE_VIDEOS)


async def test_checking_for_an_active_run_does_not_block_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that starts at that moment waits for the check, and is not refused."""
    assert not is_held(tmp_path), "there is not even a journal"
    async with open_directory(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
    monkeypatch.setattr(locks, "_MOMENT", 60)
    with (tmp_path / JOURNAL).open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)

        async def look_away() -> None:
            await anyio.sleep(0.1)
            fcntl.flock(looking, fcntl.LOCK_UN)

        async with anyio.create_task_group() as group:
            group.start_soon(look_away)
            async with open_directory(tmp_path):
                pass
