"""Running ffmpeg, and the meaning of its failures."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from hdtf_async.core.failures import Reason
from hdtf_async.media.run import FfmpegError, run_ffmpeg
from hdtf_async.output import atomic
from hdtf_async.process.supervisor import Command


def tool(tmp_path: Path, script: str) -> str:
    """Return the path of a shell script that replaces ffmpeg."""
    path = tmp_path / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


async def test_messages_name_no_directory_and_no_temporary_file(tmp_path: Path) -> None:
    """The user sees the names that the files have in the output directory."""
    source, target = tmp_path / "raws" / "RD_A.mp4", atomic.temporary(tmp_path / "out" / "RD_A_000.mp4")
    script = (
        f"echo 'Error: {source}: Invalid data found when processing input' >&2; echo '{target}' >&2; exit 1"
    )
    argv = [tool(tmp_path, script), "-i", f"file:{source}", f"file:{target}"]
    with pytest.raises(FfmpegError) as failure:
        await run_ffmpeg(Command(argv), deadline=60)
    assert failure.value.words.splitlines() == [
        "Error: RD_A.mp4: Invalid data found when processing input",
        "RD_A_000.mp4",
    ]
    assert (failure.value.reason, failure.value.killed) == (Reason.RAW_UNREADABLE, False)


async def test_an_ffmpeg_that_was_killed_has_not_judged_its_input(tmp_path: Path) -> None:
    """The failure says so, also after it was pickled."""
    with pytest.raises(FfmpegError, match="ended with -9") as failure:
        await run_ffmpeg(Command([tool(tmp_path, "kill -KILL $$")]), deadline=60)
    again = pickle.loads(pickle.dumps(failure.value))  # noqa: S301 - made by this test
    assert (again.reason, again.killed, again.words) == (Reason.TOOL_FAILED, True, failure.value.words)


async def test_its_output_is_returned(tmp_path: Path) -> None:
    """Up to the limit of the command."""
    ended = await run_ffmpeg(Command([tool(tmp_path, "echo out; echo err >&2")], max_stdout=10), deadline=60)
    assert (ended.code, ended.out, ended.stderr) == (0, b"out\n", "err")
