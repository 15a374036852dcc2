"""The unmodified examples run against the mock server."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
import readme
from shared import QUICK
from starlette.testclient import TestClient

sys.path.insert(0, str(readme.README.parent))

import hdtf_async
from examples import plain, shared_limits, web_service

if TYPE_CHECKING:
    from pathlib import Path

    from shared import Finished


@pytest.mark.slow
def test_the_program_of_the_docs(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It runs as printed, except for the mock server's tables and site: both directories."""
    text = (readme.DOCS / "embedding.md").read_text("utf-8")
    program = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    options = finished.options
    standing_in = partial(
        hdtf_async.Options,
        source=options.source,
        yt_dlp_args=options.yt_dlp_args,
        pace=0,
        videos=("Radio2",),
        preset="ultrafast",
        deinterlace="off",
    )
    monkeypatch.setattr(hdtf_async, "Options", standing_in)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "embedding.md", "exec"), {})  # noqa: S102 - users are told to run it
    printed = capsys.readouterr().out
    assert "['RD_Radio2_000']" in printed.splitlines()[0]
    assert "'type': 'clip_done', 'clip': 'RD_Radio2_000'" in printed
    made = [json.loads((tmp_path / name / "metadata.jsonl").read_text()) for name in ("clips", "small")]
    assert made[1]["width"] == 512 != made[0]["width"]


@pytest.mark.slow
async def test_plain_asyncio(finished: Finished, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It makes a clip and prints its path."""
    report = await plain.main(tmp_path, replace(finished.options, videos=("Radio2",), **QUICK))
    assert report.done == ["RD_Radio2_000"]
    output = capsys.readouterr().out
    assert "1 clips written, 0 already present, exit code 0" in output
    assert f"{tmp_path / 'RD_Radio2_000.mp4'}: " in output


@pytest.mark.slow
async def test_under_the_hosts_limiters(finished: Finished, tmp_path: Path) -> None:
    """The host processes each clip as soon as it exists."""
    options = replace(finished.options, videos=("Radio2",), **QUICK)
    assert await shared_limits.main(tmp_path, options) == ["RD_Radio2_000.mp4"]


async def test_a_timeout_ends_the_run(finished: Finished, tmp_path: Path) -> None:
    """No clip was made, and no file is left."""
    assert await shared_limits.main(tmp_path, finished.options, seconds=0.01) == []
    assert [path.name for path in tmp_path.rglob(".*")] == []


@pytest.mark.slow
def test_inside_a_web_service(finished: Finished, tmp_path: Path) -> None:
    """It starts on request, reports progress and the result; a second run finds all clips done."""
    options = replace(finished.options, videos=("Radio2",), **QUICK)
    with TestClient(web_service.service(tmp_path, options)) as client:

        def ended() -> dict[str, object]:
            while (status := client.get("/run").json())["state"] == "running":
                time.sleep(0.05)
            return dict(status)

        assert client.get("/run").json()["state"] == "not started"
        assert client.delete("/run").json()["state"] == "not started"
        assert client.post("/run").json()["state"] == "running"
        assert ended() == {"state": "ended with done", "clips": 1, "done": 1, "failed": 0}
        client.post("/run")
        assert ended() == {"state": "ended with done", "clips": 0, "done": 0, "failed": 0}


def test_a_web_service_ends_its_run_when_it_ends(finished: Finished, tmp_path: Path) -> None:
    """At once, and no temporary file is left."""
    options = replace(finished.options, videos=("Radio1",), preset="veryslow", crf=0)
    with TestClient(web_service.service(tmp_path, options)) as client:
        client.post("/run")
    assert not (tmp_path / "RD_Radio1_000.mp4").exists()
