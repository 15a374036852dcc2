"""The command line: its output and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hdtf_async.cli import main
from hdtf_async.core.options import DISK, ENCODE, NETWORK, PRINT, TOOLS, WHICH
from hdtf_async.dataset import tables

GROUPS = (WHICH, NETWORK, ENCODE, DISK, TOOLS, PRINT)


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Return the output of `plan --json`."""
    assert main.main(["plan", "--json", *arguments]) == 0
    plan: dict[str, Any] = json.loads(capsys.readouterr().out)
    return plan


def test_plan_counts_the_bundled_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """The published counts of HDTF: 370 videos, 356 with clips, 421 clips, 16.35 hours."""
    plan = planned(capsys)
    assert (plan["videos_listed"], plan["videos"], plan["clips"]) == (370, 356, 421)
    assert round(plan["hours"], 2) == 16.35
    # Two rows share one YouTube video, and three videos only have an invalid box.
    assert plan["downloads"] == 352
    assert set(plan["cannot_be_had"].values()) == {"box_does_not_fit"}
    assert len(plan["cannot_be_had"]) == 3
    assert all(finding["file"] and finding["words"] for finding in plan["findings"])


def test_plan_prints_the_totals_last(capsys: pytest.CaptureFixture[str]) -> None:
    """Problems and unavailable clips come first, because the list may be long."""
    assert main.main(["plan", "--subset", "WDA,WRA"]) == 0
    above, _, last = capsys.readouterr().out.partition("\n\n")
    assert last.splitlines()[:4] == [
        "302 of 370 videos, 357 clips, 15.18 h",
        "  WDA   177 videos,  189 clips",
        "  WRA   125 videos,  168 clips",
        "3 of these clips are unavailable: see above",
    ]
    assert above.splitlines()[-1] == "missing  WRA_PeterKing_000: box_does_not_fit"


def test_plan_is_the_same_for_differently_formatted_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Byte order mark, CRLF, tabs, trailing spaces and a missing last newline change nothing."""
    for table in tables.shipped().glob("*.txt"):
        lines = table.read_text(encoding="utf-8").splitlines()
        text = "\r\n".join(line.replace(" ", "\t") + "  " for line in lines)
        (tmp_path / table.name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert planned(capsys, "--source", str(tmp_path)) == planned(capsys)


def test_plan_applies_the_selection(capsys: pytest.CaptureFixture[str]) -> None:
    """Subsets, videos by name or id, and a limit."""
    assert planned(capsys, "--subset", "RD")["clips"] == 64
    assert planned(capsys, "--subset", "RD,WRA")["clips"] == 64 + 168
    assert planned(capsys, "--limit", "5")["videos"] == 5
    assert planned(capsys, "--video", "gh3YqnvNdio")["videos"] == 2
    assert planned(capsys, "--video", "RD_Radio1", "--video", "Radio2")["videos"] == 2


def test_unverified_corrections_never_reuse_an_index(capsys: pytest.CaptureFixture[str]) -> None:
    """Three clips are replaced, one of them by two: the new intervals have new numbers."""
    plan = planned(capsys, "--corrections", "unverified")
    assert plan["clips"] == 422
    assert plan["cannot_be_had"] == {}


def test_plan_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even the given directory."""
    out = tmp_path / "clips"
    assert planned(capsys, "--out", str(out))["there"] == 0
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--out DIR is required"),
        (["--out", "x", "--siez", "3"], "did you mean --size?"),
        (
            ["--out", "x", "--size", "big"],
            "--size: expected an even number of pixels from 16 to 8192, such as 512 (got big)",
        ),
        (["--out", "x", "--size", "255"], "--size: expected an even number"),
        (["--out", "x", "--subset", "ABC"], "--subset: expected one or more of RD, WDA, WRA"),
        (["--out", "x", "--crop", "circle"], ": --crop: expected table, face or none (got circle)"),
        (
            ["--out", "x", "--crop", "face", "--resolution", "exact"],
            "--resolution: expected best with --crop face",
        ),
        (["--out", "x", "--face-rate", "0"], "--face-rate"),
        (["--out", "x", "--yt-dlp-args=--exec id"], "--yt-dlp-args: --exec is not allowed"),
        (["--out", "x", "--source", "/nowhere"], "/nowhere"),
        (["--out", "x", "--video", "RD_Radoi1"], "did you mean RD_Radio"),
        (
            ["--out", "x", "--subset", ","],
            "--subset: expected one or more subsets, such as RD,WDA (got ,)",
        ),
        (["--out", "x", "--raw-dir", "/nowhere"], "--raw-dir /nowhere: No such file"),
        (["--out", "x", "--cookies", "/nowhere"], "--cookies: cannot read /nowhere: No such file"),
        (["plan", "--jsno"], "did you mean --json?"),
        (["plna"], "did you mean plan?"),
        (["--out", "x", "--config", "/nowhere"], "/nowhere: No such file"),
    ],
)
def test_an_invalid_command_line_exits_with_2_and_a_message(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line or two, no traceback, and no file is created."""
    monkeypatch.chdir(tmp_path)
    try:
        code = main.main(arguments)
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else -1
    printed = capsys.readouterr()
    assert code == 2
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_a_table_names_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, before any file is created."""
    (tmp_path / "RD_video_url.txt").write_text("Radio1 https://youtu.be/CPCoMyuBRM0\nRadio2\n")
    assert main.main(["--out", str(tmp_path / "out"), "--source", str(tmp_path)]) == 2
    assert "RD_video_url.txt:2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_output_path_that_is_a_file_is_a_local_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 4 and a message."""
    (tmp_path / "out").write_text("mine")
    assert main.main(["--out", str(tmp_path / "out"), "--limit", "1"]) == 4
    assert "choose another --out" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_a_missing_tool_is_a_local_error_before_any_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reported once, not 356 times, and without the clips whose box is invalid in any case."""
    assert main.main(["--out", str(tmp_path), "--ffmpeg", str(tmp_path / "none")]) == 4
    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    assert line.startswith("Not started: ")
    assert printed.err == ""
    assert "box_does_not_fit" in (tmp_path / "failures.jsonl").read_text()


@pytest.mark.parametrize("printing", ["--quiet", "--json"])
def test_quiet_runs_still_print_why_they_stopped(
    printing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--quiet still prints errors."""
    assert main.main(["--out", str(tmp_path), "--ffmpeg", str(tmp_path / "none"), printing]) == 4
    printed = capsys.readouterr()
    assert "No such file" in printed.err
    if printing == "--json":
        assert "No such file" in json.loads(printed.out.splitlines()[-1])["stopped"]


def test_help_fits_80_columns_and_is_short() -> None:
    """Nearly every option has one line; the installed command and the groups are listed, in order."""
    run = subprocess.run(
        [sys.executable, "-m", "hdtf_async", "--help"],
        env={**os.environ, "COLUMNS": "80"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = run.stdout.splitlines()
    assert len(lines) <= 121
    assert max(map(len, lines)) <= 80
    places = [run.stdout.index(f"{group}:") for group in GROUPS]
    assert places == sorted(places)
    assert run.stdout.index("--out clips --size 512") < places[0]
    assert "hdtf-async is short for python -m hdtf_async" in run.stdout
    assert all(option in run.stdout for option in ("--out", "--subset", "--downloads", "--encodes", "--size"))


def test_a_closed_pipe_causes_no_traceback() -> None:
    """As in `plan | head -1`."""
    with subprocess.Popen(
        [sys.executable, "-m", "hdtf_async", "plan", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == b""
