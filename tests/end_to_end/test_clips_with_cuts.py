"""Clips with scene cuts: reported, split or dropped; from a video of the user."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import media
import pytest
from shared import lines

import hdtf_async
from hdtf_async.core.events import ClipSplit
from hdtf_async.core.failures import ExitCode, Reason

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async import Options


@pytest.fixture
def options(tmp_path: Path) -> Options:
    """Options for a clip with two cuts, and a clip without one."""
    return media.options_with_cuts(tmp_path)


@pytest.mark.slow
async def test_cuts_are_reported(options: Options, tmp_path: Path) -> None:
    """At their first frames, in seconds of the clip."""
    report = await hdtf_async.download(tmp_path / "out", options)
    assert report.exit_code == ExitCode.DONE
    cuts, plain = lines(tmp_path / "out" / "metadata.jsonl")
    assert cuts["scene_cuts"] == [1.8, 4.2]
    assert len(cuts["scene_cut_scores"]) == 2
    assert plain["scene_cuts"] == []


async def test_clips_are_split_at_their_cuts(options: Options, tmp_path: Path) -> None:
    """In the same run, with exactly the frames of each scene; the next run has nothing to do."""
    out, split = tmp_path / "out", replace(options, scene_cuts="split")
    async with hdtf_async.running(out, split) as run:
        events = [event async for event in run]
    report = run.report
    assert (report.exit_code, report.asked, report.failed) == (ExitCode.DONE, 4, {})
    assert [event for event in events if isinstance(event, ClipSplit)] == [ClipSplit("cuts", (1.8, 4.2), 3)]
    assert report.tally.plan.clips == report.tally.clips_over == 4
    assert not report.tally.retried
    assert sorted(report.done) == ["cuts_s000", "cuts_s001", "cuts_s002", "plain"]
    metadata = lines(out / "metadata.jsonl")
    assert [line["file_name"] for line in metadata] == [f"{stem}.mp4" for stem in sorted(report.done)]
    assert [line["frames"] for line in metadata[:3]] == [45, 60, 38]
    assert [line["scene_cuts"] for line in metadata] == [[]] * 4
    assert not (out / "failures.jsonl").read_text()
    assert not (out / "cuts.mp4").exists()
    again = await hdtf_async.download(out, split)
    assert (again.there, again.done, again.exit_code) == (4, [], ExitCode.DONE)


@pytest.mark.slow
async def test_parts_at_another_rate_contain_one_scene(options: Options, tmp_path: Path) -> None:
    """Where a frame of the clip may show either scene, it belongs to no part."""
    report = await hdtf_async.download(tmp_path / "out", replace(options, scene_cuts="split", fps=30))
    assert sorted(report.done) == ["cuts_s000", "cuts_s001", "cuts_s002", "plain"]
    assert [line["scene_cuts"] for line in lines(tmp_path / "out" / "metadata.jsonl")] == [[]] * 4


@pytest.mark.slow
async def test_clips_with_cuts_are_dropped(options: Options, tmp_path: Path) -> None:
    """They fail, with the times; those made with other settings are not mixed with them."""
    out, drop = tmp_path / "out", replace(options, scene_cuts="drop")
    report = await hdtf_async.download(out, drop)
    assert report.failed == {"cuts": Reason.SCENE_CUT}
    assert report.exit_code == ExitCode.GIVEN_UP
    (failure,) = lines(out / "failures.jsonl")
    assert failure["words"] == "at 1.8 s, 4.2 s of the clip"
    with pytest.raises(hdtf_async.FormError, match="scene cuts drop -> split"):
        await hdtf_async.download(out, replace(options, scene_cuts="split"))
    report = await hdtf_async.download(out, replace(options, scene_cuts="split", recut=True))
    assert sorted(report.done) == ["cuts_s000", "cuts_s001", "cuts_s002", "plain"]
    assert not (out / "failures.jsonl").read_text()


@pytest.mark.slow
async def test_a_clip_that_exists_whole_is_replaced_by_its_parts(options: Options, tmp_path: Path) -> None:
    """With --recut; and nothing is left of it."""
    out = tmp_path / "out"
    await hdtf_async.download(out, options)
    report = await hdtf_async.download(out, replace(options, scene_cuts="split", recut=True))
    assert sorted(report.done) == ["cuts_s000", "cuts_s001", "cuts_s002", "plain"]
    assert sorted(path.stem for path in out.glob("*.mp4")) == sorted(report.done)
    assert len(lines(out / "metadata.jsonl")) == 4


@pytest.mark.slow
async def test_without_facts_nothing_is_measured(options: Options, tmp_path: Path) -> None:
    """And the clips are the same."""
    await hdtf_async.download(tmp_path / "with", options)
    await hdtf_async.download(tmp_path / "without", replace(options, no_facts=True))
    for one, other in zip(
        *(lines(tmp_path / name / "metadata.jsonl") for name in ("with", "without")), strict=True
    ):
        assert one["sha256"] == other["sha256"]
        assert one["fingerprint"] == other["fingerprint"]
        assert one.keys() - other.keys() >= {"scene_cuts", "black", "frozen", "letterbox", "brightness"}
