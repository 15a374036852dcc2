"""Runs of other datasets than HDTF, from the authors' form of list to clips, through the mock server."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import media
import pytest
from shared import QUICK, lines

import hdtf_async
from hdtf_async import ExitCode
from hdtf_async.commands import repair
from hdtf_async.core.model import Box, Codec

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


@pytest.mark.slow
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


FRAME = {"top": 0.1, "bottom": 0.7, "left": 0.25, "right": 0.75}
ENTRY = {"ytb_id": RADIO, "duration": {"start_sec": 1, "end_sec": 1.4}, "bbox": FRAME}
WHOLE, SQUARE = (0.0, 0.0, 1280.0, 720.0), (410.0, 58.0, 870.0, 518.0)
"""The whole frame, and the square of the shorter side (460 rows) after 2 % of the frame more on each side."""
VOX = (
    "video_id,start,end,bbox,fps,width,height,partition,person_id\n"
    f"{RADIO},25,35,100-20-420-300,25,640,360,train,id1\n"
)
LISTS: dict[str, tuple[str, str, tuple[float, float, float, float], float, int]] = {
    "celebv-hq": ("a.json", json.dumps({"clips": {f"{RADIO}_0": ENTRY}}), SQUARE, 1, 35),
    "celebv-text": ("a.json", json.dumps({"clips": {f"{RADIO}_0": ENTRY}}), SQUARE, 1, 35),
    "multitalk": ("english.json", json.dumps({f"{RADIO}_0": ENTRY}), SQUARE, 1, 35),
    "voxceleb1": ("vox-metadata.csv", VOX, (200, 40, 840, 600), 1, 35),
    "voxceleb2": (f"id00012/{RADIO}/00001.txt", utterance(RADIO, 25, 11), (256, 72, 768, 432), 1, 36),
    "vfhq": (f"Clip+{RADIO}+P0+C0+F25-34.txt", "H 360\nW 640\nFPS 25\nCROP 101 21 401 301\n",
             (202, 42, 802, 602), 1, 35),
    "talkvid": ("a.json", json.dumps([{"info": {"Video Link": f"https://youtu.be/{RADIO}"},
                                       "start-time": 1.0, "end-time": 1.4}]), WHOLE, 0, 35),
    "avspeech": ("avspeech_train.csv", f"{RADIO},1.000000,1.400000,0.5,0.4\n", WHOLE, 0, 35),
}  # fmt: skip
"""A list of each dataset: its file, its content, the window by the authors' rule in 1280x720, the tolerance
of an edge in pixels, and the frame behind the last one; the first one is 25."""


@pytest.mark.slow
@pytest.mark.parametrize("name", LISTS)
async def test_a_clip_of_each_dataset_has_the_window_and_the_frames_of_its_rule(
    finished: Finished, tmp_path: Path, name: str
) -> None:
    """Lossless, compared with frames that ffmpeg crops from the source video."""
    file, text, window, tolerance, behind = LISTS[name]
    path, raws, out = tmp_path / "source" / file, tmp_path / "raws", tmp_path / "clips"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    raws.mkdir()
    shutil.copyfile(finished.out / "_videos_raw" / "RD_Radio1.mp4", raws / f"{RADIO}.mp4")
    source = tmp_path / "source" if name in {"voxceleb2", "vfhq"} else path
    options = replace(
        finished.options, dataset=name, source=source, raw_dirs=(raws,), codec=Codec.LOSSLESS,
        yt_dlp_args=("--never-asked",),
    )  # fmt: skip
    report = await hdtf_async.download(out, options)
    (line,) = lines(out / "metadata.jsonl")
    left, top, width, height = line["box_cut"]
    assert (left, top, left + width, top + height) == pytest.approx(window, abs=tolerance)
    frames = media.digests(raws / f"{RADIO}.mp4", Box(left, top, width, height))
    assert media.digests(out / line["file_name"]) == frames[25:behind]
    assert (report.exit_code, report.asked) == (ExitCode.DONE, 1)
