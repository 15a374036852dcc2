"""The examples run as they stand, against the stand-in."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import readme
from starlette.testclient import TestClient

sys.path.insert(0, str(readme.README.parent))

import hdtf_async
from examples import plain, shared_limits, web_service

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from shared import Finished


def test_the_readmes_program(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It runs as it is typed, but for the tables and the site, which are the stand-in's: both directories."""
    (program,) = re.findall(r"```python\n(.*?)```", readme.README.read_text("utf-8"), re.DOTALL)
    told = finished.options
    standing_in = partial(
        hdtf_async.Options, source=told.source, yt_dlp_args=told.yt_dlp_args, pace=0, videos=("Radio2",)
    )
    monkeypatch.setattr(hdtf_async, "Options", standing_in)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "README.md", "exec"), {})  # noqa: S102 - people are told to type it
    printed = capsys.readouterr().out
    assert "['RD_Radio2_000']" in printed.splitlines()[0]
    assert "'type': 'clip_done', 'clip': 'RD_Radio2_000'" in printed
    made = [json.loads((tmp_path / name / "metadata.jsonl").read_text()) for name in ("clips", "small")]
    assert made[1]["width"] == 512 != made[0]["width"]


async def test_plain_asyncio(finished: Finished, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It makes a clip and prints where it is."""
    report = await plain.main(tmp_path, replace(finished.options, videos=("Radio2",), preset="ultrafast"))
    assert report.done == ["RD_Radio2_000"]
    told = capsys.readouterr().out
    assert "1 clips written, 0 already present, exit code 0" in told
    assert f"{tmp_path / 'RD_Radio2_000.mp4'}: " in told


async def test_under_the_hosts_limiters(finished: Finished, tmp_path: Path) -> None:
    """Each clip is worked on by the host as soon as it is there."""
    options = replace(finished.options, videos=("Radio2",), preset="ultrafast")
    assert await shared_limits.main(tmp_path, options) == ["RD_Radio2_000.mp4"]


async def test_a_time_that_is_over_ends_the_run(finished: Finished, tmp_path: Path) -> None:
    """Nothing was made, and nothing is left."""
    assert await shared_limits.main(tmp_path, finished.options, seconds=0.01) == []
    assert [path.name for path in tmp_path.rglob(".*")] == []


def test_inside_a_web_service(finished: Finished, tmp_path: Path) -> None:
    """It begins when asked, tells how far it is, and what it came to; a second one finds all there."""
    options = replace(finished.options, videos=("Radio2",), preset="ultrafast")
    with TestClient(web_service.service(tmp_path, options)) as client:

        def ended() -> dict[str, object]:
            while (told := client.get("/run").json())["state"] == "running":
                time.sleep(0.05)
            return dict(told)

        assert client.get("/run").json()["state"] == "not started"
        assert client.delete("/run").json()["state"] == "not started"
        assert client.post("/run").json()["state"] == "running"
        assert ended() == {"state": "ended with done", "clips": 1, "done": 1, "failed": 0}
        client.post("/run")
        assert ended() == {"state": "ended with done", "clips": 0, "done": 0, "failed": 0}


def test_a_web_service_that_ends_ends_its_run(finished: Finished, tmp_path: Path) -> None:
    """At once, and no temporary file is left."""
    options = replace(finished.options, videos=("Radio1",), preset="veryslow", crf=0)
    with TestClient(web_service.service(tmp_path, options)) as client:
        client.post("/run")
    assert not (tmp_path / "RD_Radio1_000.mp4").exists()
