"""The user's own files: each that belongs to a video is used, or named with a reason; none is replaced."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import media
import pytest
import shapes
from audio_sync import beeps_beside
from shapes import Shape
from shared import slow_unless

import hdtf_async
from hdtf_async import Options, Reason
from hdtf_async.cli.main import main
from hdtf_async.commands import doctor
from hdtf_async.core.events import FileNotUsed
from hdtf_async.core.model import Audio, Crop
from hdtf_async.core.preflight import Status
from hdtf_async.dataset import plan, tables
from hdtf_async.lanes.user_videos import Kind, find_user_videos

if TYPE_CHECKING:
    from hdtf_async import Report

ID = "aaaaaaaaaaa"
H264 = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -threads 1 -bf 2 -g 50"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory in which source videos are rendered."""
    return tmp_path_factory.mktemp("own")


@pytest.fixture
def options(tmp_path: Path) -> Options:
    """Return options for one clip of one video, with a yt-dlp that only logs its call."""
    source = tmp_path / "tables"
    source.mkdir()
    texts = {
        "video_url": f"Shape https://www.youtube.com/watch?v={ID}",
        "resolution": "Shape.mp4 120",
        "annotion_time": "Shape.mp4 00:02-00:05",
        "crop_wh": "Shape_0.mp4 0 160 0 120",
        "crop_ratio": "Shape_0.mp4 1.2",
    }
    for table, line in texts.items():
        (source / f"RD_{table}.txt").write_text(f"{line}\n")
    asked = tmp_path / "yt-dlp"
    asked.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexit 1\n")
    asked.chmod(0o755)
    mine = tmp_path / "mine"
    mine.mkdir()
    return Options(
        source=source, subsets=("RD",), raw_dirs=(mine,), yt_dlp=asked, pace=0, retry_wait=0, min_free=0,
        no_report=True, crop=Crop.NONE, audio=Audio.WAV, preset="ultrafast",
    )  # fmt: skip


def film(videos: Path, name: str, arguments: str = f"{H264} -c:a aac") -> Path:
    """Render a numbered video with beeps, once."""
    if not (videos / name).exists():
        numbers, beeps = shapes.draw_numbers(videos), shapes.draw_beeps(videos)
        media.ffmpeg(videos, f"-v error {numbers} {beeps} {arguments} {name}")
    return videos / name


def copy_file(path: Path, options: Options, name: str) -> None:
    """Copy a file to the user's own."""
    (options.raw_dirs[0] / name).write_bytes(path.read_bytes())


async def run(out: Path, options: Options) -> tuple[Report, list[FileNotUsed]]:
    """Run the main job; return its report and its events about files that are not used."""
    async with hdtf_async.running(out, options) as events:
        unused = [event async for event in events if isinstance(event, FileNotUsed)]
    assert events.report is not None
    return events.report, unused


def asked(options: Options) -> bool:
    """Return whether a download was tried."""
    assert options.yt_dlp is not None
    return options.yt_dlp.with_name("asked").exists()


# Names


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("RD_Shape.mp4", Kind.VIDEO),
        (f"{ID}.MKV", Kind.VIDEO),
        (f"A film [{ID}].webm", Kind.VIDEO),
        (f"A film-{ID}.flv", Kind.VIDEO),
        (f"A film_{ID}.flv", Kind.VIDEO),
        (f"Ein Fïlm 🎬 [{ID}] [1080p].MP4", Kind.VIDEO),
        (f"[{ID}] A film (1).mp4", Kind.VIDEO),
        (f"A film ({ID}).mp4", Kind.VIDEO),
        (f"A. film [{ID}].f137.mp4", Kind.VIDEO),
        (f"A film [{ID}].fhls-1080p.mp4", Kind.VIDEO),
        (f"{ID}.f140-drc.m4a", Kind.AUDIO),
        ("RD_Shape.opus", Kind.AUDIO),
        (f"A film [{ID}].mp4.part", Kind.NEITHER),
        (f"A film [{ID}].f137.mp4.part-Frag3.part", Kind.NEITHER),
        (f"A film [{ID}].temp.mp4", Kind.NEITHER),
        ("RD_Shape.rmvb", Kind.NEITHER),
        (f"A film [{ID}].info.json", None),
        ("RD_Shape.txt", None),
        ("RD_Shape2.mp4", None),
        (f"{ID}x.mp4", None),
        ("Shape.mp4", None),
    ],
)
def test_a_file_belongs_to_a_video_by_its_name(
    tmp_path: Path, options: Options, name: str, kind: Kind | None
) -> None:
    """Its own, or the id's, as yt-dlp and youtube-dl write it; also before two files were merged."""
    (options.raw_dirs[0] / name).touch()
    read = tables.read(options.source, corrections=options.corrections)
    (job,) = plan.video_jobs(read, [clip for clip in read.clips if clip.video.subset == "RD"])
    found = find_user_videos(options.raw_dirs).of(job)
    assert [each.kind for each in found] == ([] if kind is None else [kind])
    assert (tmp_path / "mine" / name).exists()


def test_a_directory_or_broken_link_is_named(options: Options) -> None:
    """A directory, or a broken link, with the name of a video."""
    (options.raw_dirs[0] / "RD_Shape.mp4").mkdir()
    (options.raw_dirs[0] / f"{ID}.mkv").symlink_to("nowhere.mkv")
    (options.raw_dirs[0] / ID).mkdir()
    read = tables.read(options.source, corrections=options.corrections)
    (job,) = plan.video_jobs(read, [clip for clip in read.clips if clip.video.subset == "RD"])
    found = find_user_videos(options.raw_dirs).of(job)
    assert {(each.path.name, each.kind, each.why) for each in found} == {
        ("RD_Shape.mp4", Kind.NEITHER, "not a regular file"),
        (f"{ID}.mkv", Kind.NEITHER, "not a regular file"),
    }


# Used files

USED = {
    "RD_Shape.ts": f"{H264} -c:a aac",
    f"{ID}.m2ts": "-c:v mpeg2video -q:v 3 -bf 2 -c:a mp2",
    f"A film-{ID}.flv": f"{H264} -c:a aac",
    "RD_Shape.avi": "-pix_fmt yuvj420p -c:v mjpeg -q:v 4 -c:a pcm_s16le",
    "RD_Shape.mpg": "-c:v mpeg2video -q:v 3 -bf 2 -c:a mp2",
    "RD_Shape.wmv": "-c:v wmv2 -q:v 3 -c:a wmav2",
    f"A film [{ID}].f137.mp4": f"{H264} -c:a aac",
}


@pytest.mark.parametrize("name", slow_unless(USED, {f"A film [{ID}].f137.mp4"}))
async def test_every_common_container_gives_the_expected_clip(
    videos: Path, tmp_path: Path, options: Options, name: str
) -> None:
    """The frames of the interval, with the audio in sync, and without a download."""
    copy_file(film(videos, f"film{Path(name).suffix}", USED[name]), options, name)
    report, unused = await run(tmp_path / "out", options)
    assert (report.done, unused, asked(options)) == (["RD_Shape_000"], [], False)
    made = shapes.measured(Shape(Path(name)), tmp_path / "out" / "RD_Shape_000.mp4", {"start": 2})
    # If its audio starts slightly earlier, all frames are later by as much.
    assert made.numbers in (list(range(50, 125)), list(range(49, 124)))
    beeps = beeps_beside(tmp_path / "out" / "RD_Shape_000.wav")
    first = made.numbers[0] / shapes.RATE
    assert beeps == pytest.approx([2.4 - first, 3.3 - first, 4.2 - first], abs=0.02)


@pytest.mark.parametrize(
    "audio",
    slow_unless(
        (f"A film [{ID}].f140.m4a", f"A film [{ID}].f251.webm", f"{ID}.mp3", "RD_Shape.opus", "RD_Shape.aac"),
        {f"A film [{ID}].f140.m4a"},
    ),
)
async def test_a_silent_video_uses_the_audio_file_of_the_same_name(
    videos: Path, tmp_path: Path, options: Options, audio: str
) -> None:
    """As yt-dlp leaves them where it cannot merge: also if only the content shows that it is audio."""
    copy_file(film(videos, "silent.mp4", f"-map 0:v {H264}"), options, f"A film [{ID}].f137.mp4")
    codec = {"m4a": "aac", "webm": "libopus", "mp3": "libmp3lame", "opus": "libopus", "aac": "aac"}[
        audio.rpartition(".")[2]
    ]
    copy_file(film(videos, f"sound.{audio.rpartition('.')[2]}", f"-map 1:a -c:a {codec}"), options, audio)
    report, unused = await run(tmp_path / "out", options)
    assert (report.done, unused, asked(options)) == (["RD_Shape_000"], [], False)
    beeps = beeps_beside(tmp_path / "out" / "RD_Shape_000.wav")
    # Raw AAC does not declare the encoder delay: 1024 samples.
    late = 1024 / 44100 if audio.endswith(".aac") else 0
    assert beeps == pytest.approx([0.4 + late, 1.3 + late, 2.2 + late], abs=0.01)


# Unused files


async def damaged(videos: Path, kind: str, name: str) -> bytes:
    """Return the content of an unusable file with the name of a video."""
    whole = film(videos, "whole.mp4", f"{H264} -c:a aac -movflags +faststart").read_bytes()
    return {
        "empty": b"",
        "a page": b"<!DOCTYPE html><html><title>Sign in</title></html>",
        "cut off": whole[: len(whole) // 2],
        "scrambled": whole[: len(whole) // 3] + bytes(len(whole) // 2) + whole[len(whole) * 5 // 6 :],
        "a playlist": f"#EXTM3U\n#EXTINF:5,\n{name}\n#EXT-X-ENDLIST\n".encode(),
    }[kind]


@pytest.mark.parametrize(
    "kind", slow_unless(("empty", "a page", "cut off", "scrambled", "a playlist"), {"a page", "cut off"})
)
async def test_a_damaged_file_is_named_and_not_replaced(
    videos: Path, tmp_path: Path, options: Options, kind: str
) -> None:
    """Its clips fail with a reason that names it; it is neither changed nor replaced by a download."""
    name = f"A film [{ID}].mp4"
    path = options.raw_dirs[0] / name
    path.write_bytes(await damaged(videos, kind, name))
    before = path.read_bytes()
    for audio in (Audio.NONE, Audio.WAV):
        report, _ = await run(tmp_path / f"out {audio}", replace(options, audio=audio))
        assert report.failed == {"RD_Shape_000": Reason.RAW_DIR_FILE}
        (line,) = (tmp_path / f"out {audio}" / "failures.jsonl").read_text("utf-8").splitlines()
        assert f"{name}: " in json.loads(line)["words"]
        assert str(tmp_path) not in line
    assert not asked(options)
    assert path.read_bytes() == before


async def test_each_file_that_is_not_used_is_named(videos: Path, tmp_path: Path, options: Options) -> None:
    """In the run, in the plan and by doctor; the valid one among several is used."""
    copy_file(film(videos, "film.mp4"), options, "RD_Shape.mp4")
    copy_file(film(videos, "film.mp4"), options, f"{ID}.f137.mp4")
    copy_file(film(videos, "sound.m4a", "-map 1:a -c:a aac"), options, "RD_Shape.m4a")
    (options.raw_dirs[0] / f"{ID}.mp4").write_bytes(b"no video")
    (options.raw_dirs[0] / "RD_Shape.rmvb").write_bytes(b"x")
    (options.raw_dirs[0] / "RD_Shape.mp4.part").write_bytes(b"x")
    report, unused = await run(tmp_path / "out", options)
    assert report.done == ["RD_Shape_000"]
    assert {event.file: event.words for event in unused} == {
        f"{ID}.mp4": "Invalid data found when processing input",
        f"{ID}.f137.mp4": "RD_Shape.mp4 is used",
        "RD_Shape.m4a": "the audio in RD_Shape.mp4 is used",
        "RD_Shape.rmvb": ".rmvb files are not supported; convert it to MP4 or Matroska",
        "RD_Shape.mp4.part": "incomplete download",
    }
    signs = await doctor.examine(options)
    named = [sign.words for sign in signs if sign.subject == "own files" and sign.verdict is Status.WARNING]
    for name in (f"{ID}.mp4", "RD_Shape.rmvb", "RD_Shape.mp4.part"):
        assert any(name in message and "RD_Shape" in message for message in named), name


def test_the_plan_counts_no_download_for_an_existing_video(
    videos: Path, options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    """And names each unused file by its name alone."""
    arguments = ["--source", str(options.source), "--subset", "RD", "--raw-dir", str(options.raw_dirs[0])]
    assert main(["plan", "--json", *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["downloads"] == 1
    copy_file(film(videos, "film.mp4"), options, f"{ID}.ts")
    (options.raw_dirs[0] / "RD_Shape.rmvb").touch()
    assert main(["plan", "--json", *arguments]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["downloads"], printed["at_hand"], printed["least_bytes"]) == (0, 1, 0)
    assert [(each["file"], each["kind"]) for each in printed["raw_dir"]] == [
        (f"{ID}.ts", "video"), ("RD_Shape.rmvb", "neither"),
    ]  # fmt: skip
    assert main(["plan", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "RD_Shape: RD_Shape.rmvb: .rmvb files are not supported" in shown
    assert "1 of these videos need no download" in shown


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"RD_Shape.mp4": "silent.mp4"}, ("wav", 1)),
        ({"RD_Shape.mp4": "silent.mp4"}, ("none", 0)),
        ({"RD_Shape.f137.mp4": "silent.mp4", "RD_Shape.f251.webm": "sound.webm"}, ("wav", 0)),
        ({"RD_Shape.webm": "sound.webm"}, ("wav", 1)),
    ],
    ids=["without audio", "without audio, none wanted", "in two files", "audio alone"],
)
def test_the_plan_counts_downloads_of_missing_streams(
    videos: Path,
    options: Options,
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    wanted: tuple[str, int],
) -> None:
    """Missing audio is downloaded; a file with only audio is no video."""
    audio, downloads = wanted
    drawings = {"silent.mp4": f"-map 0:v {H264}", "sound.webm": "-map 1:a -c:a libopus"}
    for name, render in files.items():
        copy_file(film(videos, render, drawings[render]), options, name)
    arguments = ["--source", str(options.source), "--subset", "RD", "--raw-dir", str(options.raw_dirs[0])]
    assert main(["plan", "--json", "--audio", audio, *arguments]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["downloads"] == downloads
    # Only the audio file alone is unusable.
    assert [bool(each["unused"]) for each in printed["raw_dir"]] == [list(files) == ["RD_Shape.webm"]] * len(
        files
    )


async def test_only_unreadable_files_are_replaced_by_a_download(
    videos: Path, tmp_path: Path, options: Options
) -> None:
    """Audio without a video, or an unsupported file type: named, and the video is downloaded."""
    copy_file(film(videos, "sound.m4a", "-map 1:a -c:a aac"), options, "RD_Shape.m4a")
    (options.raw_dirs[0] / "RD_Shape.rmvb").touch()
    with anyio.fail_after(60):
        report, unused = await run(tmp_path / "out", options)
    assert asked(options)
    assert report.done == []
    assert {event.file for event in unused} == {"RD_Shape.m4a", "RD_Shape.rmvb"}
