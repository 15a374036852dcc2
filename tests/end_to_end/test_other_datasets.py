"""Runs of other datasets than HDTF, from the authors' form of list to clips, through the mock server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from shared import QUICK, lines

import hdtf_async
from hdtf_async import ExitCode
from hdtf_async.commands import repair

if TYPE_CHECKING:
    from pathlib import Path

    from shared import Finished

RADIO, AUTHOR, SPEAKER = "demoHead_01", "-demoHead_2", "demoHead_03"


def utterance(video: str, first: int, frames: int) -> str:
    """Return a file of VoxCeleb2 with a face that moves to the right."""
    rows = [f"{first + n:06} \t{0.2 + n / 100:.3f} \t0.100 \t0.300 \t0.500 \n" for n in range(frames)]
    head = f"Identity  : \tid00012\nReference : \t{video}\nOffset    : \t2\nFV Conf   : \t20.2\t(1)\n"
    return head + "ASD Conf  : \t2.765\n\nFRAME \tX \tY \tW \tH \n" + "".join(rows)


@pytest.mark.slow
async def test_voxceleb2_has_the_track_beside_the_clip(finished: Finished, tmp_path: Path) -> None:
    """The clip shows the union of the boxes; a second run has nothing to do, and a check no finding."""
    txt, out = tmp_path / "txt", tmp_path / "clips"
    for video, name in ((RADIO, "00001"), (AUTHOR, "00002")):
        path = txt / "id00012" / video / f"{name}.txt"
        path.parent.mkdir(parents=True)
        path.write_text(utterance(video, 25, 11))
    options = replace(finished.options, dataset="voxceleb2", source=txt, **QUICK)
    report = await hdtf_async.download(out, options)
    assert (report.exit_code, sorted(report.done)) == (
        ExitCode.DONE, [f"id00012_{AUTHOR}_00002", f"id00012_{RADIO}_00001"],
    )  # fmt: skip
    metadata = {line["file_name"]: line for line in lines(out / "metadata.jsonl")}
    clip = metadata[f"id00012_{RADIO}_00001.mp4"]
    assert (clip["start"], clip["end"], clip["speaker"]) == (1.0, 1.44, "id00012")
    assert clip["box"] == [0.2, 0.1, 0.4, 0.5]
    assert clip["extra"]["track"] == f"id00012/{RADIO}/00001.txt"
    track = json.loads((out / f"id00012_{RADIO}_00001.track.json").read_text())
    assert (track["fps"], track["box_unit"], len(track["frames"])) == (25, "norm", 11)
    assert track["frames"][0] == [25, 0.2, 0.1, 0.3, 0.5]
    assert track["columns"] == ["frame", "x", "y", "width", "height"]
    assert "VoxCeleb2 clips" in (out / "README.md").read_text(encoding="utf-8")
    again = await hdtf_async.download(out, options)
    assert (again.there, again.done) == (2, [])
    assert (await repair.check(out)).found == []


async def test_celebv_hq_clips_have_the_authors_names_and_windows(finished: Finished, tmp_path: Path) -> None:
    """Attributes are recorded, and a square is cut."""
    clips = {
        f"{video}_{n}": {
            "ytb_id": video,
            "duration": {"start_sec": n, "end_sec": n + 0.4},
            "bbox": {"top": 0.1, "bottom": 0.7, "left": 0.25, "right": 0.75},
            "attributes": {"emotion": {"labels": "neutral"}},
        }
        for video, n in ((SPEAKER, 1), (AUTHOR, 0))
    }
    source, out = tmp_path / "celebvhq_info.json", tmp_path / "clips"
    source.write_text(json.dumps({"meta_info": {}, "clips": clips}))
    report = await hdtf_async.download(
        out, replace(finished.options, dataset="celebv-hq", source=source, **QUICK)
    )
    assert sorted(report.done) == [f"{SPEAKER}_1", f"id{AUTHOR}_0"]
    for line in lines(out / "metadata.jsonl"):
        assert line["width"] == line["height"]
        assert line["box_square"] == "min"
        assert line["extra"]["attributes"] == {"emotion": {"labels": [{"emotion": "neutral"}]}}
