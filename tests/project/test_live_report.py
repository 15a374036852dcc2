"""The tests in ``tests/live`` against the full mock, and the report that they write."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import fields
import full_mock_client
import live_report
import pytest
import readme
from full_mock_client import CHUNK, FILM
from scenarios import says, unavailable
from shared import VERSIONS

from hdtf_async import demo
from hdtf_async.demo import BOT, Answer

LARGE, STRETCHED, DELETED, PRIVATE, AGE = (
    "largeFilm_1", "stretched_1", "deleted___1", "private___1", "ageGated__1",
)  # fmt: skip
NO_REASON, ROBOT = "noReason__1", "robot_____1"
ORDERS = {
    STRETCHED: Answer(details={"keywords": ["talk", "yt:stretch=4:3"]}),
    DELETED: unavailable("This video has been removed by the uploader"),
    PRIVATE: says("Private video", "LOGIN_REQUIRED"),
    NO_REASON: says("Video unavailable"),
    ROBOT: Answer(playability=BOT),
    AGE: says(
        "Sign in to confirm your age. This video may be inappropriate for some users.", "LOGIN_REQUIRED",
        desktopLegacyAgeGateReason=1,
    ),
}  # fmt: skip
SECRET = re.compile(r"https?://|googlevideo|127\.0\.0\.1|\bsig=|\bexpire\b|\bei=|videoplayback|SAPISID")


async def run(
    footage: Path, directory: Path, program: Path | None, *arguments: str, **variables: str
) -> tuple[str, Any]:
    """Run ``tests/live`` against the full mock in place of YouTube; return its output and report."""
    tables, report = directory / "tables", directory / "report.json"
    full_mock_client.write_tables(tables, {"Large": LARGE, "Stretched": STRETCHED, "Gone": DELETED})
    async with demo.full_mock(footage, ORDERS) as mock:
        settings = {
            "PACE": "0", "SOURCE": str(tables), "REPORT": str(report), "PROXY": mock.proxy,
            "YT_DLP_ARGS": mock.yt_dlp_args, "YT_DLP": "" if program is None else str(program),
            "DELETED": DELETED, "PRIVATE": PRIVATE, "AGE": AGE, "STRETCH": "1",
        } | variables  # fmt: skip
        environment = {f"{live_report.SWITCH}_{name}": value for name, value in settings.items()}
        environment |= {live_report.SWITCH: "1"} | mock.environment
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/live", *arguments]
        ended = subprocess.run(
            command, cwd=readme.ROOT, env={**os.environ, **environment}, capture_output=True, text=True,
            check=False, timeout=280,
        )  # fmt: skip
    output = ended.stdout + ended.stderr
    assert report.exists(), output
    return output, json.loads(report.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
async def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render a film larger than a chunk, and one with a stretched aspect ratio."""
    directory = tmp_path_factory.mktemp("live")
    await full_mock_client.render(directory, [STRETCHED])
    await full_mock_client.enlarge(directory, LARGE, CHUNK)
    return directory


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("program", VERSIONS, indirect=True)
async def test_the_live_tests_pass_against_the_full_mock(
    footage: Path, tmp_path: Path, program: Path | None
) -> None:
    """Their report lists the fields, both of its own and of the mock's answers, and no address."""
    output, report = await run(footage, tmp_path, program)
    assert "8 passed" in output, output
    assert not SECRET.search(json.dumps(report))
    assert report["versions"]["yt_dlp"] in live_report.record(), "record it: see tests/support/live_report.py"
    recorded = live_report.recorded(report["versions"]["yt_dlp"])
    assert fields.of_report(report, live_report.BY_DATA) == recorded["report"]
    assert report["fields"] == recorded["fields"]
    assert report["response_headers"] == recorded["response_headers"]
    assert not any(report["differs_from_mock"].values())
    assert report["stretched"] == {
        "videos": 3, "reasons": {"available": 2, "removed": 1}, "stretched": {STRETCHED: 4 / 3},
    }  # fmt: skip
    assert {kind: answer["reason"] for kind, answer in report["classified"].items()} == {
        "deleted": "removed", "private": "private", "age": "age",
    }  # fmt: skip
    assert report["whole_file"]["frames_https"] == FILM.frames
    assert len(report["whole_file"]["https"]["statuses"]) == 2


@pytest.mark.slow
async def test_an_unavailable_video_that_is_not_classified_fails_the_live_tests(
    footage: Path, tmp_path: Path
) -> None:
    """So does a video that is available, or a blocked IP address; the report has each."""
    output, report = await run(
        footage, tmp_path, None, "-k", "classified", DELETED=NO_REASON, PRIVATE=STRETCHED, AGE=ROBOT
    )
    assert "3 failed" in output, output
    assert {kind: answer["reason"] for kind, answer in report["classified"].items()} == {
        "deleted": "unavailable", "private": "available", "age": "refused",
    }  # fmt: skip
