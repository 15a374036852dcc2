"""Partial source videos of earlier runs count in what remains to be downloaded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hdtf_async import ExitCode
from hdtf_async.cli import main
from hdtf_async.commands import doctor
from hdtf_async.core.fetch import Fetch
from hdtf_async.core.options import Options
from hdtf_async.dataset.plan import BITS_PER_LINE
from hdtf_async.lanes import existing_parts

if TYPE_CHECKING:
    from pathlib import Path

ID = "CPCoMyuBRM0"
SECOND = 360 * BITS_PER_LINE // 8
"""Lower bound of the bytes of a second of video."""


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Write a list with two clips of a video."""
    path = tmp_path / "clips.csv"
    path.write_text(f"video,start,end\n{ID},100,110\n{ID},300,310\n")
    return path


def part(out: Path, covers: tuple[float, float | None], *, kind: str = "raw", **more: Any) -> None:
    """Add a partial file to a directory, and its record to the journal."""
    (out / "_videos_raw").mkdir(parents=True, exist_ok=True)
    name = f"{ID}.{covers[0]:.0f}-999.{'mp4' if kind == 'raw' else 'm4a'}.part"
    (out / "_videos_raw" / name).write_bytes(bytes(9))
    record = {
        "type": "section", "kind": kind, "youtube_id": ID, "file": name, "bytes": 9, "covers": covers,
        "segments": [1, 999], "of": {"index": "a"}, "resolution": "reference",
    }  # fmt: skip
    with (out / "_journal.jsonl").open("a") as journal:
        journal.write(json.dumps(record | more) + "\n")


def planned(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """Return what `plan` prints."""
    assert main.main(["plan", "--json", *map(str, arguments)]) == ExitCode.DONE
    plan: dict[str, Any] = json.loads(capsys.readouterr().out)
    return plan


def least_of_doctor(out: Path, clips: Path, **more: Any) -> str:
    """Return what `doctor` says about the disk."""
    words = doctor._disk_space(Options(clips=clips, **more), out).words
    return words.partition("; ")[2]


def test_parts_that_cover_all_clips_are_no_download(
    tmp_path: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In `plan` and `doctor`, if they may be used; not if a clip or its audio is missing."""
    out = tmp_path / "out"
    part(out, (95, 120))
    list_of = ("--clips", clips, "--out", out)
    assert planned(capsys, *list_of)["downloads"] == 1
    part(out, (290, None))
    plan = planned(capsys, *list_of)
    assert (plan["fetch"], plan["downloads"], plan["at_hand"], plan["least_bytes"]) == ("auto", 0, 1, 0)
    assert least_of_doctor(out, clips) == ""
    for option in ("--fetch=whole", "--audio=aac", "--resolution=best"):
        assert planned(capsys, *list_of, option)["downloads"] == 1, option
    assert least_of_doctor(out, clips, fetch="whole").startswith("1 download: at least")
    part(out, (0, None), kind="sound")
    assert planned(capsys, *list_of, "--audio=aac")["downloads"] == 0
    (out / "_videos_raw" / f"{ID}.290-999.mp4.part").unlink()
    assert planned(capsys, *list_of)["downloads"] == 1


def test_bounds_do_not_count_seconds_in_partial_files(
    tmp_path: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only one of the two clips is there, and a second of the other."""
    out = tmp_path / "out"
    part(out, (95, 120))
    assert planned(capsys, "--clips", clips, "--out", out)["least_bytes"] == 15 * SECOND
    part(out, (280, 294))
    plan = planned(capsys, "--clips", clips, "--out", out)
    assert plan["least_bytes"] == plan["least_bytes_by_fetch"]["sections"] == 14 * SECOND
    assert plan["least_bytes_by_fetch"]["whole"] == 310 * SECOND
    (job,), index = doctor._remaining(Options(clips=clips), out)
    assert existing_parts.least_bytes(index, job, Options()) == 14 * SECOND


@pytest.mark.parametrize(
    ("arguments", "fetch", "by_sections"),
    [
        ((), Fetch.WHOLE, 0),
        (("--fetch=auto",), Fetch.AUTO, 27),
        (("--fetch=sections",), Fetch.SECTIONS, 352),
        (("--clips",), Fetch.AUTO, 1),
        (("--clips", "--fetch=whole"), Fetch.WHOLE, 0),
        (("--clips", "--fetch=sections"), Fetch.SECTIONS, 1),
    ],
)
def test_whole_videos_are_the_default_for_hdtf_only(
    clips: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    fetch: Fetch,
    by_sections: int,
) -> None:
    """A given ``--fetch`` always applies."""
    given = [part for each in arguments for part in ((each, clips) if each == "--clips" else (each,))]
    plan = planned(capsys, *given)
    assert (plan["fetch"], plan["by_sections"]) == (fetch, by_sections)
