"""Videos whose uploader set another display aspect ratio than that of the file."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest
from shared import QUICK, exported

import hdtf_async
from hdtf_async import ExitCode, Options, demo
from hdtf_async.demo import Answer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
async def test_a_stretched_video_is_downloaded_once_and_its_ratio_is_recorded(
    footage: Path, demo_tables: Path, tmp_path: Path
) -> None:
    """With the ratio in its input, yt-dlp would rewrite the file, which then fails the check of its size."""
    answers = {"-demoHead_2": Answer(details={"keywords": ["yt:stretch=4:3"]})}
    async with demo.light_mock(footage, answers) as site:
        options = Options(
            source=demo_tables,
            pace=0,
            videos=("Radio2",),
            yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)),
            **QUICK,
        )
        with exported(site.environment):
            report = await hdtf_async.download(tmp_path, options)
        media = [one for one in await site.requests() if one["method"] == "GET"]
    assert report.exit_code == ExitCode.DONE
    assert len(media) == 1
    (line,) = map(json.loads, (tmp_path / "metadata.jsonl").read_text(encoding="utf-8").splitlines())
    assert line["stretched_ratio"] == 4 / 3
