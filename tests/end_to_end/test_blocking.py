"""YouTube blocks this IP address during a run: few requests are sent meanwhile, and another run continues."""

from __future__ import annotations

import json
import shlex
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import block_runs
import pytest
import scenarios
from shared import QUICK, exported, lines

import hdtf_async
from hdtf_async import ExitCode, Options, Reason, demo
from hdtf_async.demo import Answer, Conditions, Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async import Report

VIDEOS, AFTER = 40, 10


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_a_block_in_the_middle_of_forty_videos(tmp_path: Path) -> None:
    """Ten are made; then one video is tried per cool-down, and three of those end the run; twice so."""
    await scenarios.render(tmp_path / "footage")
    answers = block_runs.lay_out(tmp_path, tmp_path / "footage", VIDEOS, Answer())
    refusal = Conditions(refusal=Refusal(AFTER))
    async with demo.light_mock(tmp_path / "films", answers, refusal) as site:
        for made in (AFTER, 0):
            refused = await block_runs.run(site, tmp_path, pace=0.5, cool_down=2)
            assert len(refused.report.done) == made
            assert refused.report.exit_code == ExitCode.REFUSED
            assert [each.after for each in refused.closed] == [2, 4, 8]
            # In the first period, running attempts may still be answered: as many as the concurrency allows.
            assert all(len(each.asked) == 1 for each in refused.closed[1:])
            assert refused.accounted["there"] == AFTER
            assert refused.accounted.total() == VIDEOS
            assert set(refused.accounted) == {"there", "refused", "not_tried"}
    async with demo.light_mock(tmp_path / "films", answers) as site:
        well = await block_runs.run(site, tmp_path, pace=0, cool_down=2)
    assert well.report.exit_code == ExitCode.DONE
    assert len(well.report.done) == VIDEOS - AFTER
    assert not well.closed


UNAVAILABLE = {"status": "ERROR", "reason": "Video unavailable"}
"""YouTube's answer for a removed video, and at times for every video."""


@pytest.mark.slow
async def test_a_block_without_a_reason_loses_no_clip(
    footage: Path, demo_tables: Path, tmp_path: Path
) -> None:
    """YouTube calls every video unavailable from the third on; when it stops, all clips are made."""
    blocked = Conditions(refusal=Refusal(2, answer=Answer(playability=UNAVAILABLE)))
    out = tmp_path / "clips"
    async with demo.light_mock(footage, conditions=blocked) as site:
        first = await downloaded(site, demo_tables, out)
        asked = [request["video"] for request in await site.requests() if request["ordered"] == "refused"]
    async with demo.light_mock(footage) as site:
        second = await downloaded(site, demo_tables, out)
    assert first.exit_code == ExitCode.REFUSED
    assert set(first.reasons) <= {Reason.REFUSED, Reason.NOT_TRIED}
    assert set(asked) & {clip["youtube_id"] for clip in lines(out / "metadata.jsonl")}, (
        "one that was available"
    )
    assert (second.exit_code, len(first.done) + len(second.done)) == (ExitCode.DONE, 10)


@pytest.mark.slow
async def test_a_video_is_given_up_by_a_second_run_twelve_hours_later(
    footage: Path, demo_tables: Path, tmp_path: Path
) -> None:
    """Until then each run tries it and reports that another one may help; after that no run tries it."""
    answers = {"demoHead_06": Answer(playability=UNAVAILABLE)}
    out = tmp_path / "clips"
    videos = ("Radio2", "Guest2")
    codes, reasons, asked = [], [], []
    async with demo.light_mock(footage, answers) as site:
        for hours in (0, 11, 2, 1):
            later(out / "_journal.jsonl", timedelta(hours=hours))
            before = len(await site.requests())
            report = await downloaded(site, demo_tables, out, downloads=1, videos=videos)
            codes.append(report.exit_code)
            reasons.append({line["reason"] for line in lines(out / "failures.jsonl")})
            asked.append({one["video"] for one in (await site.requests())[before:]} & answers.keys())
    assert codes == [ExitCode.PASSING, ExitCode.PASSING, ExitCode.GIVEN_UP, ExitCode.GIVEN_UP]
    assert reasons == [{"unavailable"}, {"unavailable"}, {"gone"}, {"gone"}]
    assert [bool(each) for each in asked] == [True, True, True, False]


@pytest.mark.slow
async def test_without_a_network_the_cause_is_named(demo_tables: Path, tmp_path: Path) -> None:
    """The run ends after a few probes, with the exit code for temporary failures."""
    report = await hdtf_async.download(
        tmp_path, Options(source=demo_tables, pace=15, cool_down=0.2, proxy="http://127.0.0.1:9")
    )
    assert report.exit_code == ExitCode.PASSING
    assert report.stopped is not None
    assert report.stopped.reason is Reason.UNREACHABLE
    assert "proxy" in report.stopped.words
    assert set(report.reasons) <= {Reason.UNREACHABLE, Reason.NOT_TRIED}


async def downloaded(site: demo.LightMock, source: Path, out: Path, **more: Any) -> Report:
    """Run the main job against a site to its end."""
    args = tuple(shlex.split(site.yt_dlp_args))
    options = Options(source=source, pace=0, cool_down=0.1, yt_dlp_args=args, **QUICK, **more)
    with exported(site.environment):
        return await hdtf_async.download(out, options)


def later(journal: Path, passed: timedelta) -> None:
    """Shift all times in a journal into the past."""
    if not journal.exists():
        return
    records = lines(journal)
    for record in records:
        time = datetime.fromisoformat(record["time"]) - passed
        record["time"] = time.isoformat(timespec="milliseconds")
    journal.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
