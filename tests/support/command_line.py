"""The main job as a command line, and the JSON lines that it prints."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

from hdtf_async.media.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared import Finished

    from hdtf_async import demo


def job(finished: Finished, site: demo.LightMock, out: Path, *more: str) -> list[str]:
    """Return a command line of the main job on the demo's tables."""
    return [
        *(sys.executable, "-m", "hdtf_async", "--out", str(out), "--source", str(finished.options.source)),
        *("--pace", "0", f"--yt-dlp-args={site.yt_dlp_args}", *more),
    ]


def until(lines: Iterator[str], kind: str) -> None:
    """Read JSON lines up to an event of a kind."""
    for line in lines:
        if json.loads(line)["type"] == kind:
            return
    raise AssertionError(f"no {kind} was told")


def slow_ffmpeg(directory: Path, speed: float = 0.2) -> tuple[str, str]:
    """Return options for an ffmpeg whose encodes take as long as a clip or longer, and next to no CPU.

    It is the real one, which reads its input at that share of the clip's speed.
    """
    program = directory / "slow-ffmpeg"
    ffmpeg = shlex.quote(str(bundled_ffmpeg()))
    program.write_text(
        f'#!/bin/sh\ncase " $* " in *" -progress "*) exec {ffmpeg} -readrate {speed} "$@";; esac\n'
        f'exec {ffmpeg} "$@"\n'
    )
    program.chmod(0o755)
    return "--ffmpeg", str(program)
