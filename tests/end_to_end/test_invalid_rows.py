"""Invalid table rows: the summary, failures.jsonl and the report list them with their reasons."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hdtf_async
from hdtf_async import ExitCode, Reason
from hdtf_async.cli import main
from hdtf_async.cli.summaries import quiet_summary, summary
from hdtf_async.output.journal import JOURNAL

if TYPE_CHECKING:
    from shared import Finished

    from hdtf_async import Options

REFUSED = {
    "box": ("RD_crop_wh.txt", "Radio2_0.mp4 0 0 0 0", "has no area"),
    "interval": ("RD_annotion_time.txt", "Radio9.mp4 00:30-00:10", "does not run forward"),
    "name": ("RD_video_url.txt", "../Radio9 https://youtu.be/CPCoMyuBRM0", "is not a safe file name"),
    "link": ("WDA_video_url.txt", "Speaker9 https://example.org/x", "is not the URL of a YouTube video"),
    "zoom": ("WRA_crop_ratio.txt", "Guest1_9.mp4 0", "not above 0"),
    "twice": ("RD_resolution.txt", "Radio1.mp4 720", "already has a row"),
}
"""A table, an invalid row for it, and the reason."""


@pytest.fixture
def out(finished: Finished, tmp_path: Path) -> Path:
    """Copy the finished demo directory, which has the clips of all valid rows."""
    shutil.copytree(finished.out, tmp_path / "clips")
    return tmp_path / "clips"


@pytest.fixture
def options(finished: Finished, tmp_path: Path) -> Options:
    """Return options with a copy of the tables."""
    assert finished.options.source is not None
    shutil.copytree(finished.options.source, tmp_path / "tables")
    return replace(finished.options, source=tmp_path / "tables", yt_dlp_args=("--never-asked",))


def add_row(options: Options, file: str, row: str) -> int:
    """Add a row to a table and return its line number."""
    assert options.source is not None
    table = options.source / file
    text = table.read_text("utf-8")
    table.write_text(f"{text}{row}\n", "utf-8")
    return text.count("\n") + 1


def failures(out: Path) -> list[dict[str, Any]]:
    """Return the lines of failures.jsonl."""
    return [json.loads(text) for text in (out / "failures.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("kind", REFUSED)
async def test_an_invalid_row_is_listed_with_its_reason(kind: str, out: Path, options: Options) -> None:
    """In the report, its exit code, the summary, failures.jsonl and report.html; and no clip is missing."""
    file, row, why = REFUSED[kind]
    line = add_row(options, file, row)
    report = await hdtf_async.download(out, options)
    assert (report.there, report.not_tried, report.failed) == (report.asked, 0, {})
    assert report.reasons == {Reason.ROW_REFUSED: 1}
    assert report.exit_code is ExitCode.GIVEN_UP
    (failure,) = failures(out)
    assert (failure["clip"], failure["reason"], failure["file"], failure["line"]) == (
        None,
        "row_refused",
        file,
        line,
    )
    assert why in failure["words"]
    assert failure["what_to_do"] == Reason.ROW_REFUSED.advice.remedy
    text = summary(report, out)
    assert f"{file}:{line}: " in text
    assert why in text
    assert "1 missing" in text
    assert "1 row_refused" in quiet_summary(report.exit_code, report.reasons, None)
    html = (out / "report.html").read_text("utf-8")
    assert "1 invalid table row skipped" in html
    assert f"{file}:{line}" in html


async def test_later_runs_list_the_row_until_it_is_corrected(out: Path, options: Options) -> None:
    """The journal does not grow; once the row is corrected, all is done and it is no longer listed."""
    assert options.source is not None
    table = options.source / "RD_crop_wh.txt"
    before = table.read_text("utf-8")
    add_row(options, "RD_crop_wh.txt", REFUSED["box"][1])
    assert (await hdtf_async.download(out, options)).exit_code is ExitCode.GIVEN_UP
    journal = (out / JOURNAL).read_bytes()
    assert (await hdtf_async.download(out, options)).exit_code is ExitCode.GIVEN_UP
    assert (out / JOURNAL).read_bytes() == journal
    assert len(failures(out)) == 1
    table.write_text(before, "utf-8")
    assert (await hdtf_async.download(out, options)).exit_code is ExitCode.DONE
    assert failures(out) == []
    assert "skipped" not in (out / "report.html").read_text("utf-8")


async def test_a_run_of_one_subset_does_not_count_rows_of_others(out: Path, options: Options) -> None:
    """It exits with 0, and the rows that an earlier run found in the other subsets stay listed."""
    add_row(options, *REFUSED["box"][:2])
    assert (await hdtf_async.download(out, options)).exit_code is ExitCode.GIVEN_UP
    part = await hdtf_async.download(out, replace(options, subsets="WDA"))
    assert (part.exit_code, part.refused) == (ExitCode.DONE, ())
    assert [failure["reason"] for failure in failures(out)] == ["row_refused"]


async def test_many_invalid_rows_are_counted_and_the_first_are_listed(out: Path, options: Options) -> None:
    """100,000 rows add no more lines than a few hundred; the number is correct, the summary short."""
    assert options.source is not None
    with (options.source / "RD_video_url.txt").open("a", encoding="utf-8") as table:
        table.writelines(f"Radio{number} https://example.org/\n" for number in range(100, 1100))
    report = await hdtf_async.download(out, options)
    assert report.reasons == {Reason.ROW_REFUSED: 1000}
    listed = failures(out)
    assert len(listed) == 101
    assert sum(row["rows"] for row in listed) == 1000
    assert len(summary(report, out).splitlines()) <= 10


async def test_shards_record_invalid_rows_and_merge_lists_them(out: Path, options: Options) -> None:
    """Each shard has read the tables; `merge` has not, and lists the same from the journals."""
    add_row(options, *REFUSED["box"][:2])
    for shard in ("0/2", "1/2"):
        report = await hdtf_async.download(out, replace(options, shard=shard))
        assert report.exit_code is ExitCode.GIVEN_UP
    (out / "failures.jsonl").unlink()
    merged = await hdtf_async.merge(out)
    assert (merged.exit_code, merged.missing) == (ExitCode.GIVEN_UP, {Reason.ROW_REFUSED: 1})
    assert [failure["file"] for failure in failures(out)] == ["RD_crop_wh.txt"]


def test_the_command_reports_invalid_rows(
    out: Path, options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the terminal, with exit code 1."""
    line = add_row(options, *REFUSED["box"][:2])
    assert main.main(["--out", str(out), "--source", str(options.source), "--pace", "0"]) == 1
    output = capsys.readouterr().out
    assert f"RD_crop_wh.txt:{line}: box '0 0 0 0' has no area" in " ".join(output.split())
