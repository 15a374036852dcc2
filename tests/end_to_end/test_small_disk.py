"""A full or read-only disk: the run reports it, loses no data, and continues when there is space."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from kill_checks import FAILURES, JOURNAL, METADATA, content, is_temporary, lines_of, listed, media
from load_runs import BYTES, Most, YtDlp, load, write_tables

import hdtf_async
from hdtf_async import ExitCode, Reason
from hdtf_async.cli import main
from hdtf_async.core.model import Audio
from hdtf_async.output import atomic
from hdtf_async.output.directory import OutputDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from shared import Finished

    from hdtf_async import Report

SPEAKERS = 5
"""Enough videos to fill a small disk; the first is permanently unavailable."""


@contextmanager
def mounted(place: Path, size: int) -> Iterator[Callable[[str], None]]:
    """Mount a file system of a given size; return a function that remounts it with options."""
    place.mkdir(exist_ok=True)

    def mount(*arguments: str) -> bool:
        program = shutil.which("mount")
        if sys.platform != "linux" or program is None:
            return False
        return (
            subprocess.run([program, *arguments, str(place)], check=False, capture_output=True).returncode
            == 0
        )

    if not mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        pytest.skip("nothing can be mounted here")

    def remount(options: str) -> None:
        assert mount("-o", f"remount,{options}")

    try:
        yield remount
    finally:
        subprocess.run([shutil.which("umount") or "umount", str(place)], check=True)


def check_consistent(out: Path, right: Path) -> None:
    """Check that files with a final name are those of an uninterrupted run, and that records match files."""
    contents = media(out)
    assert contents.items() <= media(right).items()
    metadata, rest = lines_of(out / METADATA)
    assert rest == b""
    assert all(contents[line["file_name"]] == line["sha256"] for line in metadata)
    assert [name for name in listed(out) if is_temporary(name) and not name.endswith(".download")] == []


def check_complete(out: Path, right: Path) -> None:
    """Check that the directory equals that of an uninterrupted run."""
    assert media(out) == media(right)
    for name in (METADATA, FAILURES):
        assert content(out / name) == content(right / name)
    assert not [name for name in listed(out) if is_temporary(name)]


def stopped(report: Report) -> str:
    """Return the message of a run that ended for lack of space: a sentence, and the file that failed."""
    assert report.exit_code == ExitCode.LOCAL
    assert report.stopped is not None
    assert report.stopped.reason is Reason.DISK_FULL
    assert str(report.stopped).startswith(Reason.DISK_FULL.advice.meaning)
    assert "Traceback" not in str(report.stopped)
    return report.stopped.words


@pytest.mark.slow
async def test_the_real_tools_on_a_disk_that_is_too_small(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too small for the video, full while clips are encoded, and finally large enough; no data is lost."""
    # A run checks first that the disk has space for usual videos, which are larger than this one.
    monkeypatch.setattr("hdtf_async.lanes.toolchain.Toolchain._require_ready", lambda *_: None)
    raw = (finished.out / "_videos_raw" / "WRA_Guest2.mp4").stat().st_size
    clips = sum(path.stat().st_size for path in finished.out.glob("WRA_Guest2*.mp4"))
    options = replace(finished.options, min_free=0, videos=("Guest2",))
    with mounted(tmp_path / "disk", 200_000) as remount:
        out = tmp_path / "disk" / "clips"
        messages = []
        for size in (raw // 2, raw + clips // 2 + 60_000):
            remount(f"size={size}")
            messages.append(stopped(await hdtf_async.download(out, options)))
            check_consistent(out, finished.out)
        assert "No space left on device" in messages[-1]
        remount("size=50m")
        report = await hdtf_async.download(out, options)
        assert (report.exit_code, len(report.done) + report.there) == (ExitCode.DONE, 3)
        assert all(content(out / name) == content(finished.out / name) for name in media(out))


@pytest.mark.slow
async def test_a_disk_that_fills_up_between_video_and_audio_ends_the_run(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The video's own bytes are not counted as space that will be freed: the run would wait for itself."""
    free = iter([10**10])
    monkeypatch.setattr(OutputDirectory, "free_bytes", lambda _store: next(free, 0))
    monkeypatch.setattr("hdtf_async.lanes.toolchain.Toolchain._require_ready", lambda *_: None)
    options = replace(finished.options, videos=("Guest2",), audio=Audio.AAC, min_free=10**9)
    with anyio.fail_after(60):
        stopped(await hdtf_async.download(tmp_path / "clips", options))


@pytest.fixture
async def right(tmp_path: Path) -> Path:
    """Make the directory of a run with enough space."""
    write_tables(tmp_path / "tables", SPEAKERS)
    assert len((await run(tmp_path / "right")).done) == SPEAKERS - 1
    return tmp_path / "right"


async def run(out: Path) -> Report:
    """Run the main job without children on the tables beside `out`."""
    tables = next(place / "tables" for place in out.parents if (place / "tables").exists())
    return await load(out, tables, Most(), keep_raw=True)


@pytest.fixture
def unexpectedly_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report enough space to downloads that check it, as if another program used it up afterwards."""
    monkeypatch.setattr(OutputDirectory, "free_bytes", lambda _: 10**12)


async def filled(tmp_path: Path, right: Path, pages: Iterable[int]) -> set[str]:
    """Run on file systems of several sizes, then with enough space; return where the space ended."""
    ends = set[str]()
    for number in pages:
        with mounted(tmp_path / "disk", 4096 * number) as remount:
            out = tmp_path / "disk" / "clips"
            report = await run(out)
            check_consistent(out, right)
            ends.add("nowhere" if report.stopped is None else stopped(report))
            remount("size=10m")
            await run(out)
            check_complete(out, right)
        if "nowhere" in ends:
            break
    return {end.partition(": ")[0].rpartition("/")[2] for end in ends}


@pytest.mark.slow
@pytest.mark.usefixtures("unexpectedly_full")
async def test_the_next_run_continues_after_a_disk_of_any_size_was_full(tmp_path: Path, right: Path) -> None:
    """From a file system that has space for the journal's first line to one that has space for all."""
    ends = await filled(tmp_path, right, range(1, 100, 8))
    assert {"nowhere"} < ends


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("unexpectedly_full")
async def test_the_next_run_continues_after_the_disk_was_full_at_any_page(
    tmp_path: Path, right: Path
) -> None:
    """The same in steps of one page."""
    ends = await filled(tmp_path, right, range(1, 100))
    assert {JOURNAL, METADATA, FAILURES, "nowhere"} <= ends
    assert any(end.endswith("_log.txt") for end in ends)


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.ENOSPC, pytest.param(errno.EDQUOT, marks=pytest.mark.slow)])
async def test_the_next_run_continues_after_any_write_failed(
    tmp_path: Path, right: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The n-th sync and all later ones fail, for every n until none fails."""
    sync, left = atomic.sync, 0
    unopened: list[str] = []

    def full(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    for space in count(0, 3):
        out = tmp_path / f"clips {space}"
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "sync", full)
            left = space
            try:
                report = await run(out)
            except hdtf_async.StoreError as error:
                unopened.append(str(error))
                continue
            check_consistent(out, right)
        if report.stopped is None:
            break
        stopped(report)
        await run(out)
        check_complete(out, right)
    assert space > 3 * SPEAKERS
    assert unopened
    assert all("free disk space" in message for message in unopened)


async def test_the_pending_bytes_of_running_downloads_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With space for one and a half of them, two never run together; with space for three they do."""
    write_tables(tmp_path / "tables", 3)
    fetch, free, now, most, both = YtDlp.fetch, 0, 0, 0, anyio.Event()

    async def gauged(*arguments: Any, **named: Any) -> Path:
        nonlocal now, most
        now += 1
        if now == 2:
            both.set()
        with anyio.move_on_after(0.5 if free < 10**9 + 2 * BYTES else 60):
            await both.wait()
        most = max(most, now)
        now -= 1
        return await fetch(*arguments, **named)

    monkeypatch.setattr(YtDlp, "fetch", gauged)
    monkeypatch.setattr(OutputDirectory, "free_bytes", lambda _: free)
    for space, together in ((1.5, 1), (3, 2)):
        free, most, both = 10**9 + int(space * BYTES), 0, anyio.Event()
        report = await load(tmp_path / f"{space}", tmp_path / "tables", Most(), min_free=10**9)
        assert (len(report.done), most) == (2, together)


@pytest.mark.slow
async def test_a_path_can_have_any_characters(small: Finished, tmp_path: Path) -> None:
    """By the real tools too, which expand patterns and options in paths where they can."""
    out = tmp_path / "-a 'b' \"c\" %(id)s $HOME ~ {x}\n gr\u00fcn \u4e2d" / "clips"
    report = await hdtf_async.download(out, replace(small.options, videos=("Radio2",)))
    assert (report.exit_code, report.done) == (ExitCode.DONE, ["RD_Radio2_000"])
    assert content(out / "RD_Radio2_000.mp4") == content(small.out / "RD_Radio2_000.mp4")


def test_an_unwritable_directory_is_reported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A file in the directory's place, and a disk that is mounted read-only: exit code 4."""
    (tmp_path / "file").touch()
    assert main.main(["--out", str(tmp_path / "file")]) == ExitCode.LOCAL
    assert "file is not a directory: choose another --out" in capfd.readouterr().err
    with mounted(tmp_path / "disk", 1_000_000) as remount:
        remount("ro")
        assert main.main(["--out", str(tmp_path / "disk" / "clips")]) == ExitCode.LOCAL
        assert "Read-only file system: mount it read-write, or choose another --out" in capfd.readouterr().err
