"""The dataset's own first rows, from the published tables to clips, through the full mock."""

from __future__ import annotations

import json
import shlex
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from rendering import draw
from shared import VERSIONS, exported

import hdtf_async
from hdtf_async import ExitCode, Options, demo

if TYPE_CHECKING:
    from pathlib import Path

ROWS = {"Radio1": "CPCoMyuBRM0", "Radio2": "uBWJJvynXpA", "Radio3": "y-JQqnqmEgg"}
"""The first three rows of ``RD_video_url.txt``."""
SECONDS = {"Radio1": 75, "Radio2": 83, "Radio3": 95}
"""The duration of their clips."""
FILM = demo.Film("rowsFilm_01", "Two minutes on air", 130, fps=Fraction(5), heights=(720,), look=3)
"""Long enough for each interval, at a low frame rate that keeps rendering cheap."""


@pytest.fixture(scope="module")
async def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render the film and link it under the ids of the rows."""
    directory = tmp_path_factory.mktemp("rows")
    await draw(directory, [FILM])
    for youtube_id in ROWS.values():
        (directory / youtube_id).symlink_to(FILM.youtube_id)
    return directory


@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", VERSIONS, indirect=True)
async def test_the_first_rows_of_the_dataset_become_clips(
    films: Path, tmp_path: Path, program: Path | None
) -> None:
    """With the published ids, intervals and boxes, and default options except for the pace."""
    out = tmp_path / "clips"
    async with demo.full_mock(films) as mock:
        options = Options(
            subsets=("RD",), videos=tuple(ROWS), pace=0, yt_dlp=program, proxy=mock.proxy,
            yt_dlp_args=tuple(shlex.split(mock.yt_dlp_args)),
        )  # fmt: skip
        with exported(mock.environment):
            report = await hdtf_async.download(out, options)
        asked = await mock.requests()
    assert (report.exit_code, sorted(report.done)) == (ExitCode.DONE, [f"RD_{name}_000" for name in ROWS])
    lines = [json.loads(line) for line in (out / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {line["name"]: line["youtube_id"] for line in lines} == ROWS
    assert {line["name"]: line["duration"] for line in lines} == SECONDS
    assert {line["name"]: line["frames"] for line in lines} == {
        name: seconds * 5 for name, seconds in SECONDS.items()
    }
    assert {line["name"]: line["box_cut"][2:] for line in lines} == {
        "Radio1": [534, 534], "Radio2": [468, 468], "Radio3": [702, 702],
    }  # fmt: skip
    # One watch page per video; no request was rejected, and no other host was contacted.
    assert sorted(one["video"] for one in asked if one["path"].startswith("/watch")) == sorted(ROWS.values())
    assert {one["status"] for one in asked} == {200, 206}
    assert sum(one["sent"] for one in asked if one["path"].startswith("/videoplayback")) == report.raw_bytes
