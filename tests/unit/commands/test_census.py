"""A census against the mock server, with the real yt-dlp and without downloads."""

from __future__ import annotations

import csv
import shlex
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from shared import exported

import hdtf_async
from hdtf_async import ExitCode, Options, demo
from hdtf_async.cli import main
from hdtf_async.commands.census import running
from hdtf_async.core import events
from hdtf_async.demo.answers import Answer, Conditions, Refusal
from hdtf_async.output.directory import read_known

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.commands.census import Census

WEEK = timedelta(days=7)
PRIVATE = {"status": "LOGIN_REQUIRED", "reason": "Private video. Sign in if you've been granted access"}
AGE = {"status": "LOGIN_REQUIRED", "reason": "Sign in to confirm your age. This video may be inappropriate"}


async def census_of(out: Path, options: Options, fresh: timedelta = WEEK) -> Census:
    """Run a census to its end."""
    return await hdtf_async.census(out, options, fresh=fresh)


def table(out: Path) -> dict[str, dict[str, str]]:
    """Return the lines of the CSV by the name of the video."""
    with (out / "census.csv").open(newline="", encoding="utf-8") as text:
        return {row["name"]: row for row in csv.DictReader(text)}


@pytest.mark.slow
async def test_a_census_records_the_availability_of_every_video(
    footage: Path, demo_tables: Path, tmp_path: Path
) -> None:
    """Its height, or why it is unavailable; no media are downloaded; and an interrupted census resumes."""
    answers = {"demoHead_01": Answer(playability=PRIVATE), "-demoHead_2": Answer(playability=AGE)}
    async with demo.light_mock(footage, answers) as site:
        options = Options(source=demo_tables, pace=0, yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)))
        with exported(site.environment):
            # Interrupted in the middle.
            async with running(tmp_path, replace(options, downloads=1), fresh=WEEK) as run:
                async for event in run:
                    if isinstance(event, events.VideoAsked):
                        break
            answered = len(read_known(tmp_path).census_answers.keys() - {"-demoHead_2"})
            first = await census_of(tmp_path, options)
            requests = await site.requests()
            again = await census_of(tmp_path, options)
            asked_again = {request["video"] for request in (await site.requests())[len(requests) :]}
            assert asked_again == {"-demoHead_2"}, "nothing but what a person may have mended"
    assert answered > 0
    assert first.asked == 6 - answered, (
        "one video stands in two rows, and what had answered is not asked again"
    )
    assert {request["method"] for request in requests} == {"POST"}
    rows = table(tmp_path)
    assert [rows["Radio1"][key] for key in ("availability", "reason", "height", "clips")] == [
        "gone", "private", "", "2",
    ]  # fmt: skip
    assert (rows["Radio2"]["availability"], rows["Radio2"]["reason"]) == ("needs_you", "age")
    assert (rows["Guest1"]["availability"], rows["Guest1"]["height"]) == ("other_height", "720")
    assert (rows["Guest2"]["availability"], rows["Guest2"]["height"]) == ("reference", "720")
    # Two rows with the same video, which is queried once.
    assert rows["Speaker2"]["asked"] == rows["Speaker3"]["asked"] != ""
    assert first.exit_code == again.exit_code == ExitCode.DONE
    assert again.asked == 1
    assert first.videos == again.videos
    assert first.videos.total() == len(rows) == 7
    assert [path.name for path in tmp_path.rglob(".*")] == []


@pytest.mark.slow
async def test_a_census_continues_after_a_block(footage: Path, demo_tables: Path, tmp_path: Path) -> None:
    """One answered test query opens the lane, though it transfers no media."""
    async with demo.light_mock(footage, conditions=Conditions(refusal=Refusal(2, requests=1))) as site:
        options = Options(
            source=demo_tables,
            pace=0,
            cool_down=0.1,
            videos=("Radio1", "Radio2", "Guest1", "Guest2"),
            yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)),
        )
        with exported(site.environment):
            async with running(tmp_path, options, fresh=WEEK) as run:
                types = [event.type async for event in run]
    assert [kind for kind in types if kind.startswith("lane_")] == ["lane_closed", "lane_opened"]
    assert run.report.exit_code == ExitCode.DONE


@pytest.mark.slow
async def test_a_census_without_answers_exits_with_75(demo_tables: Path, tmp_path: Path) -> None:
    """Every video is in the table, and none is marked as gone."""
    nobody = "youtube:innertube_host=127.0.0.1:9;player_skip=webpage,configs,js,initial_data"
    options = Options(
        source=demo_tables,
        pace=0,
        retry_wait=0,
        cool_down=0.1,
        videos=("Radio1",),
        yt_dlp_args=("--extractor-args", nobody, "--extractor-retries", "0"),
    )
    first = await census_of(tmp_path, options)
    assert first.exit_code == ExitCode.PASSING
    assert table(tmp_path)["Radio1"]["availability"] == "passing"
    assert (await census_of(tmp_path, options)).asked == 1


def test_census_requires_a_directory_and_only_network_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Other options are errors."""
    for arguments, message in (
        (["census"], "--out DIR is required"),
        (["census", "--out", "x", "--size", "256"], "--size"),
    ):
        with pytest.raises(SystemExit) as ended:
            main.main(arguments)
        assert ended.value.code == ExitCode.USAGE
        assert message in capsys.readouterr().err
