"""Errors of the operating system have accurate reasons, and say what to set."""

from __future__ import annotations

import errno
import os
import re
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest
from shared import slow_unless

import hdtf_async
from hdtf_async import ExitCode, StoreError
from hdtf_async.commands.check import _content_flaws
from hdtf_async.core import os_errors
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.lanes.pipeline import _own_faults
from hdtf_async.output import atomic
from hdtf_async.output.directory import merge_journals, open_directory, read_known
from hdtf_async.output.journal import SOURCE_VIDEOS
from hdtf_async.process import guard, supervisor
from hdtf_async.process.stderr import classify, classify_ffmpeg
from hdtf_async.youtube import ytdlp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shared import Finished

LIMIT, DISK, FULL, PATH = (
    Reason.RESOURCE_LIMIT,
    Reason.DISK_ERROR,
    Reason.DISK_FULL,
    Reason.NOT_WRITABLE,
)
DUE = {
    "EMFILE": (LIMIT, "ulimit -n"),
    "ENFILE": (LIMIT, "fs.file-max"),
    "EAGAIN": (LIMIT, "ulimit -u"),
    "ENOMEM": (LIMIT, "ulimit -v"),
    "EFBIG": (LIMIT, "ulimit -f"),
    "ENOSPC": (FULL, "No space left"),
    "EDQUOT": (FULL, "quota"),
    "EIO": (DISK, "dmesg"),
    "ESTALE": (DISK, "mount"),
    "EACCES": (PATH, "Permission denied"),
    "EPERM": (PATH, "not permitted"),
    "EROFS": (PATH, "Read-only"),
    "ENAMETOOLONG": (PATH, "shorter"),
    "ENOENT": (PATH, "No such file"),
}


def _error(name: str) -> OSError:
    number = getattr(errno, name)
    return OSError(number, os.strerror(number))


def test_an_open_file_too_many_says_nothing_about_a_file() -> None:
    """Whether of this process or of the whole system; other errors are the file's own."""
    for name in ("EMFILE", "ENFILE"):
        assert os_errors.is_of_this_process(_error(name)) is True
    for error in (_error("ENOENT"), _error("ENOMEM"), OSError("no number"), ValueError("no error of a file")):
        assert os_errors.is_of_this_process(error) is False


def _raising(error: Exception) -> Callable[..., NoReturn]:
    def broken(*_: object, **__: object) -> NoReturn:
        raise error

    return broken


@pytest.mark.parametrize("name", DUE)
def test_a_file_error_has_its_accurate_reason(tmp_path: Path, name: str) -> None:
    """All of them are local errors, exit code 4; the message has the path and what to set."""
    reason, message = DUE[name]
    with pytest.raises(Failure, match=message) as raised, atomic.os_errors_as_failures(tmp_path):
        raise _error(name)
    assert raised.value.reason is reason
    assert reason.advice.exit_code is ExitCode.LOCAL
    assert str(tmp_path) in raised.value.words


@pytest.mark.parametrize(
    ("error", "message"),
    [(RuntimeError("can't start new thread"), "ulimit -u"), (MemoryError(), "ulimit -v")],
)
async def test_limits_of_threads_and_memory_are_limits_too(
    tmp_path: Path, error: Exception, message: str
) -> None:
    """Python has its own exceptions for threads and memory, which are not internal errors."""
    for place in (atomic.os_errors_as_failures(tmp_path), _own_faults()):
        with pytest.raises(Failure, match=message) as raised, place:
            raise error
        assert raised.value.reason is LIMIT
    with pytest.raises(RuntimeError, match="of ours"), atomic.os_errors_as_failures(tmp_path):
        raise RuntimeError("of ours")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "MemoryError: free memory, .*"),
        (MemoryError("no 8 GB"), "no 8 GB: free memory, .*"),
        (RuntimeError("can't start new thread"), "can't start new thread: raise the limit of processes .*"),
        (OSError(errno.EIO, "broken"), "broken: check the system log .*"),
        (OSError(errno.ENOENT, "absent"), "absent"),
        (OSError("without a number"), "without a number"),
    ],
)
def test_a_message_says_what_happened_and_what_to_set(error: Exception, message: str) -> None:
    """An exception without a text has its name."""
    assert re.fullmatch(message, os_errors.message_of(error))


@pytest.mark.parametrize(
    ("reason", "words", "due"),
    [
        (LIMIT, "", LIMIT),
        (DISK, "", DISK),
        (FULL, "", FULL),
        (Reason.TOOL_FAILED, "OSError: [Errno 24] Too many open files", LIMIT),
        (Reason.TOOL_FAILED, "No module named av", Reason.TOOL_MISSING),
    ],
)
def test_a_child_that_does_not_work_is_missing_unless_a_limit_is_reached(
    reason: Reason, words: str, due: Reason
) -> None:
    """Also a limit that only its message mentions."""
    assert os_errors.of_child(Failure(reason, words)) is due


@pytest.mark.parametrize("name", ["EMFILE", "EAGAIN", "ENOMEM", "EIO", "ENOENT", "EACCES"])
async def test_a_program_that_cannot_be_started_is_not_always_missing(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """If no process can be started at all, installing ffmpeg does not help."""
    due = Reason.TOOL_MISSING if name in {"ENOENT", "EACCES"} else DUE[name][0]
    monkeypatch.setattr(supervisor, "Popen", _raising(_error(name)))
    monkeypatch.setattr(guard, "Popen", _raising(_error(name)))
    with pytest.raises(Failure) as raised:
        await supervisor.run(supervisor.Command(["ffmpeg"]), deadline=1)
    assert raised.value.reason is due
    with pytest.raises(Failure) as raised:
        async with guard.guarding():
            pass
    assert raised.value.reason is due


async def test_limits_are_not_reported_as_file_problems(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No clip counts as corrupt, no cookies as invalid and no shard as absent."""
    monkeypatch.setattr(os, "open", _raising(_error("EMFILE")))
    clip = next(finished.out.glob("*.mp4"))
    with pytest.raises(Failure, match="ulimit -n"):
        _content_flaws(clip, clip.stat().st_size, "")
    monkeypatch.setattr("pathlib.Path.read_bytes", _raising(_error("EMFILE")))
    with pytest.raises(Failure, match="ulimit -n"):
        ytdlp.read_cookies(clip)
    with pytest.raises(StoreError, match="ulimit -n") as raised:
        read_known(finished.out)
    monkeypatch.setattr(os, "listdir", _raising(_error("EMFILE")))
    with pytest.raises(StoreError, match="ulimit -n") as raised:
        await merge_journals(finished.out)
    assert "--out" not in str(raised.value), "another directory would fare no better"


async def test_a_failed_lock_is_not_reported_as_unsupported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file system may support locks, and have another problem."""
    monkeypatch.setattr("fcntl.flock", _raising(_error("ESTALE")))
    with pytest.raises(StoreError, match="mount"):
        async with open_directory(tmp_path):
            pass
    monkeypatch.setattr("fcntl.flock", _raising(_error("EOPNOTSUPP")))
    with pytest.raises(StoreError, match="does not support file locks"):
        async with open_directory(tmp_path):
            pass


@pytest.mark.parametrize(
    ("message", "due"),
    [
        ("ERROR: [youtube] [Errno 24] Too many open files", LIMIT),
        ("ERROR: unable to open for writing: [Errno 24] Too many open files: 'x'", LIMIT),
        ("ERROR: [Errno 11] Resource temporarily unavailable", LIMIT),
        ("ERROR: can't start new thread", LIMIT),
        ("ERROR: unable to write data: [Errno 27] File too large", LIMIT),
        ("ERROR: unable to write data: [Errno 5] Input/output error", DISK),
        ("ERROR: unable to write data: [Errno 116] Stale file handle", DISK),
        ("ERROR: unable to write data: [Errno 30] Read-only file system", PATH),
        ("ERROR: unable to write data: [Errno 28] No space left on device", FULL),
    ],
)
def test_messages_of_yt_dlp_have_the_same_reasons(message: str, due: Reason) -> None:
    """For an error of one of its own files."""
    assert classify(message) is due


def test_messages_of_ffmpeg_have_the_same_reasons() -> None:
    """Its later message about its output does not blame the directory."""
    assert classify_ffmpeg("clip.mp4: Too many open files\nError opening output file clip.mp4.") is LIMIT


@pytest.mark.parametrize("most", slow_unless([12, 15, 18, 21], (12,)))
def test_a_limit_of_open_files_is_reported_as_such(finished: Finished, tmp_path: Path, most: int) -> None:
    """Wherever in the run it is reached: exit code 4, and what to increase."""
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "hdtf_async", "--out", tmp_path / "clips", "--video", "Radio1"),
            *("--source", str(finished.options.source), "--raw-dir", finished.out / SOURCE_VIDEOS),
        ],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)),
    )
    output = ended.stdout + ended.stderr
    assert ended.returncode == ExitCode.LOCAL, output
    assert "ulimit -n" in output
    assert not {"permissions", "please report"} & set(output.split())


def test_the_table_has_the_errors_of_this_system() -> None:
    """Names that a system lacks are omitted."""
    assert set(os_errors.CAUSES) <= set(errno.errorcode)
    assert hdtf_async.Reason.RESOURCE_LIMIT is LIMIT
