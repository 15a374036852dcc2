"""The clips of a reproduction file, created again from the mock server, and how other bytes are reported."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from shared import lines

from hdtf_async.cli.main import main
from hdtf_async.core.reproduction_format import COMPARISON, METHODS, REPRODUCTION_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from shared import Finished

    from hdtf_async import demo

FEW = ("RD_Radio2_000", "WDA_Speaker1_000")


@pytest.fixture
def reproduction_file(small: Finished, tmp_path: Path) -> Path:
    """The reproduction file of a finished directory, with two of its clips."""
    out = shutil.copytree(small.out, tmp_path / "before")
    assert main(["report", "--out", str(out)]) == 0
    assert "We used 10 clips" in (out / METHODS).read_text()
    assert main(["check", "--out", str(out)]) == 0  # the new files are no untracked ones
    content = json.loads((out / REPRODUCTION_FILE).read_text())
    assert [clip["file_name"] for clip in content["clips"]] == [
        line["file_name"] for line in lines(out / "metadata.jsonl")
    ]
    content["clips"] = [clip for clip in content["clips"] if clip["file_name"][:-4] in FEW]
    path = tmp_path / REPRODUCTION_FILE
    path.write_text(json.dumps(content))
    return path


@pytest.mark.slow
def test_a_reproduction_file_creates_the_same_bytes(
    small: Finished,
    reproduction_file: Path,
    site: demo.LightMock,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without the tables and options of the first run; later only the comparison is made."""
    out = tmp_path / "again"
    command = ["--out", str(out), "--pace", "0", f"--yt-dlp-args={site.yt_dlp_args}", "--no-report"]
    assert main([*command, "--reproduce", str(reproduction_file)]) == 0
    assert "2 of 2 clips have the same bytes as in clips.lock.json." in capsys.readouterr().out
    for stem in FEW:
        assert (out / f"{stem}.mp4").read_bytes() == (small.out / f"{stem}.mp4").read_bytes()
    assert (out / COMPARISON).read_text() == ""

    content = json.loads(reproduction_file.read_text())
    first, second = content["clips"]
    first |= {"sha256": "0" * 64, "versions": first["versions"] | {"ffmpeg": "n5.1"}}
    second |= {"sha256": "0" * 64, "format_id": "398"}
    reproduction_file.write_text(json.dumps(content))
    assert main([*command, "--reproduce", str(reproduction_file)]) == 0
    assert "0 of 2 clips have the same bytes" in capsys.readouterr().out
    tool, offered = lines(out / COMPARISON)
    assert tool["why"][0].startswith("ffmpeg n5.1 -> ")
    assert offered["why"] == ["format_id 398 -> 137"]


def test_a_plan_shows_what_a_reproduction_file_creates(
    reproduction_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its settings; other ones are refused."""
    capsys.readouterr()
    assert main(["plan", "--json", "--reproduce", str(reproduction_file)]) == 0
    assert json.loads(capsys.readouterr().out)["clips"] == len(FEW)
    assert main(["plan", "--reproduce", str(reproduction_file), "--size", "128"]) == 2
    assert "--size: omit it with --reproduce" in capsys.readouterr().err
