"""A run with given lists: what is created, the written splits, warnings, the report, and the export."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from shared import QUICK, exported

import hdtf_async
from hdtf_async import Options, UnknownVideoError, demo
from hdtf_async.cli.main import main
from hdtf_async.commands.export import export
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.jsonlines import line
from hdtf_async.core.reason_labels import label
from hdtf_async.core.splits import SIDES
from hdtf_async.dataset import reading
from hdtf_async.output.journal import JOURNAL
from hdtf_async.output.manifests import failure_record

if TYPE_CHECKING:
    from pathlib import Path

    from shared import Finished

PRIVATE = {
    "status": "LOGIN_REQUIRED",
    "reason": "Private video. Sign in if you've been granted access to this video",
}
AGE = {
    "status": "LOGIN_REQUIRED",
    "reason": "Sign in to confirm your age. This video may be inappropriate for some users.",
}


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Lists for training and validation that share a speaker: clips of the demo."""
    directory = tmp_path / "lists"
    directory.mkdir()
    (directory / "train.txt").write_text("RD_Radio1_000\nWRA_Guest2_000\n")
    (directory / "val.txt").write_text("# held out\nWDA_Speaker1_000\nWRA_Guest2_001\nWDA_Speaker3_000\n")
    return directory


@pytest.fixture
def copied(finished: Finished, tmp_path: Path) -> Path:
    """A finished directory that a test may change."""
    return shutil.copytree(finished.out, tmp_path / "clips")


async def test_a_run_writes_the_given_lists_with_what_exists(
    finished: Finished, copied: Path, lists: Path
) -> None:
    """Clips on no list are in none, because there is one for training; later runs keep the lists."""
    (clip,) = (clip for clip in reading.read(finished.options).clips if clip.stem == "WDA_Speaker3_000")
    (copied / f"{clip.stem}.mp4").unlink()
    with (copied / JOURNAL).open("ab") as journal:
        journal.write(line(failure_record(clip, Failure(Reason.GONE, "removed"))))
    for options in (replace(finished.options, split=lists), finished.options):
        report = await hdtf_async.download(copied, options)
        assert {side: (copied / f"{side}.txt").read_text().split() for side in SIDES} == {
            "train": ["RD_Radio1_000", "WRA_Guest2_000"],
            "val": ["WDA_Speaker1_000", "WRA_Guest2_001"],
            "test": [],
        }
        assert len(report.warnings_of_lists) == (options is not finished.options)
    page = (copied / "report.html").read_text()
    assert '<tr><th scope="row">WDA_Speaker3_000</th><td>no longer on YouTube</td></tr>' in page
    assert "2 of the 3 entries of the given val list were available" in page


@pytest.mark.slow
async def test_a_list_selects_the_clips_of_a_run(finished: Finished, tmp_path: Path, lists: Path) -> None:
    """From the source videos of another directory."""
    out, raws = tmp_path / "some", (finished.out / "_videos_raw",)
    options = replace(finished.options, raw_dirs=raws, only=lists / "train.txt", preset="ultrafast")
    report = await hdtf_async.download(out, options)
    assert sorted(report.done) == ["RD_Radio1_000", "WRA_Guest2_000"]
    assert report.exit_code == 0
    page = (out / "report.html").read_text()
    assert '<tr><th scope="row">train.txt</th><td>2</td><td>2</td><td>none</td></tr>' in page
    await hdtf_async.download(out, replace(options, only=None, videos=["RD_Radio1"]))
    assert "train.txt" not in (out / "report.html").read_text()


@pytest.mark.slow
async def test_the_report_lists_what_is_missing_of_a_published_list(footage: Path, tmp_path: Path) -> None:
    """MuseTalk's list, of videos of which YouTube refuses some: each missing clip with its reason."""
    entries = [entry.name for entry in Options(split="musetalk").split.entries]  # type: ignore[union-attr]
    films = [film.youtube_id for film in demo.FILMS]
    ids = {stem: films[number % len(films)] for number, stem in enumerate(entries)}
    rows = (f"{stem},{youtube_id},1,2" for stem, youtube_id in ids.items())
    clips = tmp_path / "clips.csv"
    clips.write_text("\n".join(["name,video,start,end", *rows]))
    refused = {films[0]: ("private", PRIVATE), films[2]: ("age", AGE)}
    answers = {youtube_id: demo.Answer(playability=each) for youtube_id, (_, each) in refused.items()}
    async with demo.light_mock(footage, answers) as site:
        with exported(site.environment):
            options = Options(
                clips=clips, split="musetalk", only="musetalk", pace=0, **QUICK,
                yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)),
            )  # fmt: skip
            report = await hdtf_async.download(tmp_path / "out", options)
    lost = {stem: refused[each][0] for stem, each in ids.items() if each in refused}
    assert len(entries) == 20
    assert {stem: reason.value for stem, reason in report.failed.items()} == lost
    page = (tmp_path / "out" / "report.html").read_text()
    reasons = "4 private video, 3 age-restricted video"
    assert f'<tr><th scope="row">val</th><td>20</td><td>{20 - len(lost)}</td><td>{reasons}</td></tr>' in page
    for stem, reason in lost.items():
        assert f'<tr><th scope="row">{stem}</th><td>{label(reason)}</td></tr>' in page
    assert "13 of the 20 entries of the given val list were available; missing: RD_Radio7_000" in page
    assert page.count("of the 20 entries") == 1
    assert not (tmp_path / "out" / "train.txt").read_text()
    assert len((tmp_path / "out" / "val.txt").read_text().split()) == 13


@pytest.mark.slow
async def test_an_export_accepts_given_lists(finished: Finished, tmp_path: Path, lists: Path) -> None:
    """And names unknown entries, as a run does."""
    out, raws = tmp_path / "some", (finished.out / "_videos_raw",)
    options = replace(
        finished.options, raw_dirs=raws, only=["RD_Radio1_000"], preset="ultrafast", audio="aac", fps=25
    )
    await hdtf_async.download(out, options)
    done = await export(
        out, tmp_path / "to", "latentsync", Options(source=finished.options.source, split=lists)
    )
    assert done.sides == {"train": 1, "val": 0, "test": 0}
    (lists / "val.txt").write_text("RD_Radio9_000\n")
    with pytest.raises(UnknownVideoError, match=r"^--split: lists/val\.txt:1: 'RD_Radio9_000'"):
        await export(out, tmp_path / "to", "latentsync", Options(source=finished.options.source, split=lists))


def test_the_command_line_warns_of_shared_speakers(
    finished: Finished, copied: Path, lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr at the end of a run, and among the findings of a plan; the exit code does not change."""
    given = ["--source", str(finished.options.source), "--split", str(lists)]
    codes = [main([*run, "--out", str(copied), *given]) for run in ((), ("--quiet",))]
    assert codes[0] == codes[1]
    assert capsys.readouterr().err.count("lists: Guest is in train (WRA_Guest2_000) and val (") == 1
    assert main(["plan", *given]) == 0
    assert "warning  lists:0  lists: Guest is in train (WRA_Guest2_000) and val (" in capsys.readouterr().out


def test_a_settings_file_names_lists_relative_to_itself(
    finished: Finished, lists: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """But a bundled list, or ratios, are no path."""
    config, plan = tmp_path / "job.toml", ["plan", "--source", str(finished.options.source)]
    for split, message in (("lists", "lists:0"), ("80/10/10", ""), ("90/5", "expected percentages")):
        config.write_text(f'only = "lists"\nsplit = "{split}"\n')
        code = main([*plan, "--config", str(config)])
        said = capsys.readouterr()
        assert message in said.out + said.err
        assert (code == 0) == (split != "90/5")
        assert " 5 clips" in said.out or code
    config.write_text('only = "musetalk"\n')
    assert main([*plan, "--config", str(config)]) == 2
    assert "--only: musetalk/val.txt:4: 'RD_Radio7_000' is neither" in capsys.readouterr().err
    assert lists.is_dir()
