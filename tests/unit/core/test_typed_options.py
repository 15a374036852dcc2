"""Types of the public API: mypy checks this file as it checks a host program."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import assert_type

import pytest

import hdtf_async
from hdtf_async import Options
from hdtf_async.core.model import Audio, Crop
from hdtf_async.core.shards import Shard


def test_options_are_typed_for_input_and_stored_values() -> None:
    """They accept strings, paths and numbers, and hold the field's own type."""
    options = Options(
        source="tables", raw_dirs=[Path("raws"), "more"], videos="Radio1", subsets=("RD", "WDA"), limit=3,
        audio="aac", crop="table", size="512", fps=25, pace="1.5", min_free="500M", keep_raw=False,
        shard="0/2", split="90/5/5", yt_dlp_args="--verbose", recipe="hallo",
    )  # fmt: skip
    assert_type(options.source, Path | None)
    assert_type(options.raw_dirs, tuple[Path, ...])
    assert_type(options.videos, tuple[str, ...])
    assert_type(options.audio, Audio)
    assert_type(options.crop, Crop)
    assert_type(options.size, int | None)
    assert_type(options.fps, Fraction | None)
    assert_type(options.pace, float)
    assert_type(options.shard, Shard | None)
    assert_type(replace(options, audio="wav"), Options)


@pytest.mark.slow
def test_mypy_rejects_values_that_are_rejected_at_runtime(tmp_path: Path) -> None:
    """`mypy --strict` on a host program: one error for each wrong line, and no other."""
    program = tmp_path / "host.py"
    program.write_text(
        "from hdtf_async import Options\n"
        'Options(audio="aac", fps=25, cookies="c.txt", recipe="hallo")\n'
        "Options(audio=3)\n"
        "Options(downloads=[4])\n"
        "Options().audio = 'aac'\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "/dev/null", program.name]
    environ = {"MYPYPATH": str(Path(hdtf_async.__file__).parents[1]), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    wrong = [line for line in ended.stdout.splitlines() if line.startswith("host.py")]
    assert [line.split(":")[1] for line in wrong if " error: " in line] == ["3", "4", "5"], ended.stdout
