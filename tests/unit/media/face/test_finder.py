"""Faces are found in footage of a real face, and cropped correctly.

All tests require the extra ``test-face``: ``python -m pytest -m face``.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import sin, tau
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import astronaut
import media
import numpy as np
import pytest
from PIL import Image
from shared import children

import hdtf_async
from hdtf_async import ExitCode, Options
from hdtf_async.cli.main import main
from hdtf_async.commands import doctor, faces
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Clip, Crop, Fallback, Interval, OutputSettings, Video
from hdtf_async.core.preflight import Status
from hdtf_async.media.cut import Cut
from hdtf_async.media.face import model_file, people
from hdtf_async.media.face.detector import Detect, Score, Search, detector, scorer
from hdtf_async.media.face.finder import Finder, detection_command, search_size
from hdtf_async.media.face.people import Region, overlap
from hdtf_async.media.face.window import place, plan_window
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.output.directory import read_known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from astronaut import Place
    from numpy.typing import NDArray

pytestmark = pytest.mark.face

ZOOM = 1.2
NAMES = [motion.name for motion in astronaut.MOTIONS]
TABLES = {
    "video_url": "{name} https://www.youtube.com/watch?v=astronaut_{number}",
    "resolution": "{name}.mp4 720",
    "annotion_time": "{name}.mp4 00:00-00:06",
    "crop_wh": "{name}_0.mp4 {box}",
    "crop_ratio": "{name}_0.mp4 1.2",
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The footage of each motion, named as source videos are."""
    directory = tmp_path_factory.mktemp("films")
    for number, motion in enumerate(astronaut.MOTIONS):
        astronaut.render(motion, directory / f"RD_Face{number}.mp4")
    astronaut.render(astronaut.Motion("nobody", lambda _second: None), directory / "RD_Face5.mp4")
    return directory


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables with a published box for each film: the correct one, and an invalid one."""
    directory = tmp_path_factory.mktemp("tables")
    boxes = []
    for motion in astronaut.MOTIONS:
        due = astronaut.due(motion, ZOOM)
        boxes.append(
            f"{round(due.left)} {round(due.right - due.left)} {round(due.top)} {round(due.right - due.left)}"
        )
    boxes[1] = "300 800 0 800"
    boxes.append("400 500 100 500")
    for kind, row in TABLES.items():
        rows = (row.format(name=f"Face{number}", number=number, box=box) for number, box in enumerate(boxes))
        (directory / f"RD_{kind}.txt").write_text("\n".join(rows) + "\n")
        for subset in ("WDA", "WRA"):
            (directory / f"{subset}_{kind}.txt").write_text("")
    return directory


@pytest.fixture(scope="module")
def options(films: Path, source: Path) -> Options:
    """Crop to the face, from the footage alone: yt-dlp is never called."""
    return Options(
        source=source, raw_dirs=(films,), crop=Crop.FACE, face_model=astronaut.model(), preset="ultrafast",
        pace=0, yt_dlp_args=("--never-asked",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def detect() -> Iterator[Detect]:
    """The detector, in this process."""
    with detector(astronaut.model()) as detect:
        yield detect


@pytest.fixture(scope="module")
def score() -> Iterator[Score]:
    """The scorer of faces, in this process."""
    with scorer(astronaut.model()) as score:
        yield score


def planned(raw: Path, rate: float | None = 5.0, seconds: float = astronaut.SECONDS) -> Cut:
    """Return the cut of a whole film."""
    form = OutputSettings(crop=Crop.FACE, face_rate=rate)
    size = astronaut.WIDTH, astronaut.HEIGHT
    return Cut(raw, "mp4", Interval(0, seconds), Box(0, 0, *size), *size, 150, form, Fraction(1, 12800))


def finder() -> Finder:
    """Return the face finder."""
    return Finder(bundled_ffmpeg(), astronaut.model())


def listed(out: Path) -> dict[str, dict[str, Any]]:
    """Return the lines of the metadata by the name of their clip."""
    lines = (json.loads(line) for line in (out / "metadata.jsonl").read_text().splitlines())
    return {line["file_name"].removesuffix("_000.mp4"): line for line in lines}


# Position of the face


def test_landmarks_match_the_mark_as_documented(detect: Detect) -> None:
    """On the photograph: the upper edge four pixels higher, all others within a pixel and a half."""
    (found,) = detect(astronaut.photograph())
    off = [edge - marked for edge, marked in zip(found.edges, astronaut.MARKED.edges, strict=True)]
    assert off[1] == pytest.approx(-4, abs=1.5)
    assert [off[0], *off[2:]] == pytest.approx([0, 1, -1], abs=1.5)


async def test_a_run_crops_to_the_face(options: Options, tmp_path: Path) -> None:
    """All five motions, with an intersection over union of 0.9; a film without a face fails.

    An invalid published box does not matter. Table and image show everything.
    """
    out = tmp_path / "clips"
    report = await hdtf_async.download(out, options)
    assert report.failed == {"RD_Face5_000": Reason.NO_FACE}
    assert report.exit_code == ExitCode.GIVEN_UP
    lines = listed(out)
    assert len(lines) == 5
    for number, motion in enumerate(astronaut.MOTIONS):
        line = lines[f"RD_Face{number}"]
        left, top, side, _ = line["box_cut"]
        assert overlap(Region(left, top, left + side, top + side), astronaut.due(motion, ZOOM)) >= 0.9, (
            motion.name
        )
        assert (line["width"], line["height"], line["zoom"]) == (side, side, ZOOM)
        assert line["faces"] == (2 if motion.name == "beside another" else 1)
        away = motion.name == "absent for a part"
        assert line["face_share"] == pytest.approx(0.75 if away else 1, abs=0.04)
        at = motion.at(0)
        assert at is not None
        assert line["face_size"][1] == pytest.approx(at[2], rel=0.1)
        assert line["face_size"] == sorted(line["face_size"])
        assert line["face_yaw"] == sorted(line["face_yaw"])
        assert line["face_yaw"][1] == pytest.approx(0, abs=5)  # she looks into the camera
        assert line["versions"]["face_model"] == "64184e229b263107"
    assert [json.loads(line)["reason"] for line in (out / "failures.jsonl").read_text().splitlines()] == [
        "no_face"
    ]


def test_a_table_and_an_image_show_the_crops(
    options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each clip with its published box and their agreement; one image with a frame of each."""
    from PIL import Image  # noqa: PLC0415

    out = tmp_path / "clips"
    anyio.run(hdtf_async.download, out, replace(options, videos=("Face0", "Face1", "Face4")))
    assert main(["faces", "--out", str(out), "--raw-dir", str(options.raw_dirs[0])]) == ExitCode.DONE
    output = capsys.readouterr().out
    rows = {row.split()[0]: row.split() for row in output.splitlines() if row.startswith("RD_")}
    assert list(rows) == ["RD_Face0_000", "RD_Face1_000", "RD_Face4_000"]
    assert float(rows["RD_Face0_000"][-1]) > 0.9
    assert float(rows["RD_Face1_000"][-1]) < 0.6
    assert "of 3 clips: mean" in output
    with Image.open(out / "faces.jpg") as sheet:
        pixels = sheet.convert("RGB").tobytes()
    green = zip(pixels[::3], pixels[1::3], pixels[2::3], strict=True)
    assert sum(g > 180 and r < 130 and b < 160 for r, g, b in green) > 500
    assert main(["faces", "--out", str(out)]) == ExitCode.DONE
    assert "no frame for RD_Face0_000: source video not found" in capsys.readouterr().out


async def test_the_published_box_is_the_fallback_if_requested(options: Options, tmp_path: Path) -> None:
    """A clip without a face has the table's box, and its metadata say so; a rerun changes nothing."""
    out = tmp_path / "clips"
    chosen = replace(options, videos=("Face5",), face_fallback=Fallback.TABLE)
    assert (await hdtf_async.download(out, chosen)).exit_code == ExitCode.DONE
    line = listed(out)["RD_Face5"]
    assert line["box_cut"] == [400, 100, 500, 500]
    assert (line["face_fallback"], line["faces"], line["face_share"]) == ("table", 0, 0)
    assert (await hdtf_async.download(out, chosen)).there == 1
    with pytest.raises(hdtf_async.FormError, match="face fallback table -> fail"):
        await hdtf_async.download(out, replace(options, videos=("Face5",)))


# Search


async def test_frames_have_the_requested_rate(films: Path) -> None:
    """So many per second, or every frame if requested; never one twice."""
    for rate, frames in ((5.0, 10), (None, 50), (100.0, 50)):
        found = await finder().look(planned(films / "RD_Face1.mp4", rate, 2), (1280, 720))
        assert sum(frame.sampled for frame in found) == frames


def test_frames_are_no_larger_than_necessary(films: Path) -> None:
    """Those of a 2160p video are searched at 720p; smaller ones are unchanged."""
    arguments = detection_command(Path("ffmpeg"), planned(films / "RD_Face1.mp4"), (1280, 720))
    assert "scale=1280:720" in arguments[arguments.index("-vf") + 1]
    assert search_size(3840, 2160) == (1280, 720)
    assert search_size(1080, 1920) == (720, 1280)
    assert search_size(640, 360) == (640, 360)


@pytest.mark.parametrize("height", [60, 72, 100])
def test_small_faces_are_found_in_parts_of_the_image(detect: Detect, score: Score, height: int) -> None:
    """Down to a twelfth of the image's height; the detector alone finds a fourth of it."""
    for x, y in ((200, 150), (650, 360), (1100, 600)):
        image = astronaut.background().copy()
        astronaut.paste_head(image, (x, y, height))
        due = astronaut.marked((x, y, height))
        assert not any(overlap(found, due) for found in detect(image))
        assert max(overlap(found, due) for found in Search(detect, score).faces(image)) > 0.75


def test_a_face_in_overlapping_parts_is_counted_once(detect: Detect, score: Score) -> None:
    """The image is searched completely, and each of three faces is found once."""
    image = astronaut.background().copy()
    places = [(250, 300, 200), (640, 420, 150), (1050, 300, 100)]
    for each in places:
        astronaut.paste_head(image, each)
    found = Search(detect, score).faces(image)
    for each in places:
        assert sum(overlap(region, astronaut.marked(each)) > 0.5 for region in found) == 1


def test_a_small_second_face_does_not_cause_a_search_of_the_whole_image(detect: Detect, score: Score) -> None:
    """It is found at its last position: two searches per image, except for the first and each 25th."""
    called = 0

    def counting(image: NDArray) -> list[Region]:
        nonlocal called
        called += 1
        return detect(image)

    search = Search(counting, score)
    for number in range(12):
        image = astronaut.background().copy()
        astronaut.paste_head(image, (400 + 5 * number, 330, 290))
        astronaut.paste_head(image, (1100, 200 + 3 * number, 80), mirrored=True)
        called = 0
        assert len(search.faces(image)) == 2
        assert number == 0 or called == 2


def test_an_intermittent_face_causes_few_searches() -> None:
    """Every fifth image at most, while another face is visible; every one if there is none."""
    calls = [0] * 25
    now = 0

    def marks(part: NDArray) -> list[Region]:
        """Find a large face around a mark of 1, and a small one around a mark of 2 in a part of an image."""
        calls[now] += 1
        whole = part.shape[:2] == (720, 1280)
        found = [(x, y, 120) for y, x in np.argwhere(part[:, :, 0] == 1)]
        found += [(x, y, 30) for y, x in np.argwhere(part[:, :, 0] == 2) if not whole]
        return [Region(x - side, y - side, x + side, y + side) for x, y, side in found]

    search = Search(marks, lambda _part: 1.0)
    while now < 25:
        image: NDArray = np.zeros((720, 1280, 3), np.uint8)
        image[300, 400] = 1 if now < 20 else 0
        image[500, 1000] = 2 if now < 20 and now % 2 == 0 else 0
        search.faces(image)
        now += 1
    searched = [number for number, count in enumerate(calls) if count > 5]
    assert all(later - earlier >= 5 for earlier, later in pairwise(searched[:-5]))
    assert searched[-5:] == [20, 21, 22, 23, 24]


@pytest.mark.parametrize("height", [100, 200, 290, 400])
def test_an_upside_down_face_is_ignored(detect: Detect, score: Score, height: int) -> None:
    """The detector finds some of them, but their landmarks would be next to them."""
    for x, y in ((300, 300), (640, 360), (900, 420)):
        image = astronaut.background().copy()
        astronaut.paste_head(image, (x, y, height))
        due = astronaut.marked((x, y, height))
        assert any(overlap(found, due) > 0.7 for found in Search(detect, score).faces(image))
        turned = np.ascontiguousarray(image[::-1, ::-1])
        left, top, right, bottom = due.edges
        turned_due = Region(1280 - right, 720 - bottom, 1280 - left, 720 - top)
        assert not any(overlap(found, turned_due) > 0.1 for found in Search(detect, score).faces(turned))


# Identity of the face


def _cut(second: float) -> Place:
    return (350 if second < 3.6 else 950) + 40 * sin(2 * second), 330, 250


def _slide(second: float) -> Place | None:
    return _cut(second) if second < 3.6 else None


def _zoomed(second: float) -> Place:
    return (350, 330, 150) if second < 3.6 else (850, 350, 400)


@pytest.mark.parametrize("at", [_cut, _slide, _zoomed])
@pytest.mark.parametrize("rate", [5.0, 2.0])
async def test_the_window_shows_one_side_of_a_cut(
    at: Callable[[float], Place | None], rate: float, tmp_path: Path
) -> None:
    """The longer one, 3.6 s of 6: cuts to another position, to an empty slide, or to another size."""
    raw = astronaut.render(astronaut.Motion("cut", at), tmp_path / "cut.mp4")
    clip = Clip(Video("RD", "A", "aaaaaaaaaaa", 720), 0, Interval(0, 6), Box(0, 0, 2, 2), ZOOM)
    frames = await finder().look(planned(raw, rate), (1280, 720))
    box, metadata = plan_window(clip, frames, (1280, 720), OutputSettings(crop=Crop.FACE))
    longer = astronaut.Motion("longer", lambda second: at(second) if second < 3.6 else None)
    cut_out = Region(box.left, box.top, box.right, box.bottom)
    assert overlap(cut_out, astronaut.due(longer, ZOOM)) > 0.85
    assert metadata["face_share"] == metadata["face_inside_share"] == pytest.approx(0.6, abs=0.07)
    assert metadata["faces"] == (1 if at is _slide else 2)


@pytest.mark.parametrize("reach", [60, 100, 200])
async def test_a_head_that_sways_at_the_sampling_rate_is_inside_the_window(
    reach: float, tmp_path: Path
) -> None:
    """One sample per second, and one sway per second to both sides: by up to twice its side."""
    motion = astronaut.Motion("swaying", lambda second: (640 + reach * sin(tau * second), 330, 200))
    raw = astronaut.render(motion, tmp_path / "swaying.mp4")
    frames = await finder().look(planned(raw, 1), (1280, 720))
    found = people.find(frames)
    assert found is not None
    assert (found.seen, found.kept, found.people) == (6, 6, 1)
    box = place(found.region, ZOOM, 0, 1280, 720)
    cut_out = Region(box.left, box.top, box.right, box.bottom)
    assert overlap(cut_out, astronaut.due(motion, ZOOM)) > 0.75
    assert frames == await finder().look(planned(raw, 1), (1280, 720))


async def test_videos_with_non_square_pixels_have_correct_windows(
    options: Options, films: Path, tmp_path: Path
) -> None:
    """In the clip and in the image of the command ``faces``, also after cover art."""
    own = tmp_path / "own"
    own.mkdir()
    media.ffmpeg(tmp_path, "-v error -f lavfi -i color=green:s=64x64 -frames:v 1 cover.png")
    media.ffmpeg(
        tmp_path,
        f"-v error -i {films}/RD_Face1.mp4 -vf scale=960:720,setsar=4/3 -c:v libx264 -qp 18 odd.mp4",
    )
    media.ffmpeg(
        tmp_path,
        "-v error -i cover.png -i odd.mp4 -map 0 -map 1 -c copy -disposition:v:0 attached_pic "
        "own/RD_Face1.mp4",
    )
    out = tmp_path / "clips"
    chosen = replace(options, raw_dirs=(own,), videos=("Face1",))
    assert (await hdtf_async.download(out, chosen)).exit_code == ExitCode.DONE
    line = listed(out)["RD_Face1"]
    left, top, side, _ = line["box_cut"]
    due = astronaut.due(astronaut.MOTIONS[1], ZOOM)
    assert overlap(Region(left, top, left + side, top + side), due) > 0.9
    assert line["face_inside_share"] == 1
    (shown,) = faces.windows(read_known(out))
    frames, missing = await faces.middles(bundled_ffmpeg(), {own / "RD_Face1.mp4": [shown]}, 1)
    assert missing == []
    cell = np.frombuffer(frames[shown.stem], np.uint8).reshape(180, 320, 3).astype(int)
    squeezed = Image.fromarray(astronaut.frame_at(astronaut.MOTIONS[1], 3)).resize((320, 180))
    assert abs(cell - np.asarray(squeezed)).mean() < 8


# Errors


async def test_a_cancelled_search_leaves_no_child(films: Path) -> None:
    """The detecting child and its ffmpeg have ended."""
    async with anyio.create_task_group() as group:
        group.start_soon(finder().look, planned(films / "RD_Face1.mp4", None), (1280, 720))
        with anyio.fail_after(60):
            while (
                sum("rawvideo" in command_line for command_line in children()) < 2
            ):  # the child's has it too
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert [
        command_line
        for command_line in children()
        if "face.detector" in command_line or "rawvideo" in command_line
    ] == []


async def test_a_killed_detector_is_a_failure(films: Path) -> None:
    """For example by the system for lack of memory; its ffmpeg ends with it."""

    async def kill() -> None:
        while not (found := _pids("hdtf_async.media.face.detector")):
            await anyio.sleep(0.01)
        os.kill(found[0], signal.SIGKILL)

    async with anyio.create_task_group() as group:
        group.start_soon(kill)
        with pytest.raises(Failure, match="exit code -9") as failed:
            await finder().look(planned(films / "RD_Face1.mp4", None), (1280, 720))
    assert failed.value.reason is Reason.TOOL_FAILED
    assert not _pids("rawvideo")


def _pids(text: str) -> list[int]:
    """Return the pids of this process's own children whose command line contains a word."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command_line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == os.getpid() and text.encode() in command_line:
                found.append(int(entry.name))
    return found


async def test_an_undecodable_source_video_fails_with_ffmpegs_message(tmp_path: Path) -> None:
    """Without the output of libraries, and without the directory of the source video."""
    raw = tmp_path / "broken.mp4"
    raw.write_bytes(b"\0" * 5000)
    with pytest.raises(Failure, match=r"broken\.mp4") as failed:
        await finder().look(planned(raw), (1280, 720))
    assert failed.value.reason is Reason.RAW_UNREADABLE
    assert str(tmp_path) not in failed.value.words
    assert "TensorFlow" not in failed.value.words


async def test_an_invalid_model_ends_the_run_before_the_first_video(options: Options, tmp_path: Path) -> None:
    """With exit code 4, and the cause."""
    bad = tmp_path / "model.task"
    bad.write_bytes(b"no model")
    report = await hdtf_async.download(tmp_path / "clips", replace(options, face_model=bad))
    assert report.exit_code == ExitCode.LOCAL
    assert report.stopped is not None
    assert report.stopped.reason is Reason.TOOL_MISSING
    assert "the face detection process (MediaPipe) does not work" in report.stopped.words


async def test_a_missing_system_library_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine without a display."""
    (tmp_path / "libEGL.so.1").write_bytes(b"none")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    with pytest.raises(Failure, match="apt-get install libegl1 libgles2") as failed:
        await finder().ready()
    assert failed.value.reason is Reason.TOOL_MISSING
    assert "OSError" in failed.value.words
    assert "Traceback" not in failed.value.words


# The model file


@contextmanager
def served(content: bytes, directory: Path) -> Iterator[str]:
    """Serve a file on loopback."""
    directory.mkdir()
    (directory / model_file.NAME).write_bytes(content)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{model_file.NAME}"
        server.shutdown()
        thread.join()


async def test_the_model_is_downloaded_once_and_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the user's cache; a file with other content is rejected and deleted."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = astronaut.model().read_bytes()
    assert hashlib.sha256(model).hexdigest() == model_file.SHA256
    assert await model_file.cached() is None
    with served(model[:-1] + b"x", tmp_path / "bad") as home, pytest.raises(Failure, match="hash") as failed:
        await model_file.available(None, home=home)
    assert failed.value.reason is Reason.TOOL_MISSING
    assert await model_file.cached() is None
    with served(model, tmp_path / "good") as home:
        fetched = await model_file.available(None, home=home)
    assert fetched.is_relative_to(tmp_path / "cache")
    assert fetched.read_bytes() == model
    assert await model_file.available(None, home=home) == fetched == await model_file.cached()
    fetched.write_bytes(b"torn")
    assert await model_file.cached() is None
    with pytest.raises(Failure, match="--face-model"):
        await model_file.available(None, home=home)


async def test_doctor_checks_face_detection(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tests the given model; without one it says that a run will download it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    signs = await doctor.examine(options)
    (sign,) = [sign for sign in signs if sign.subject == "faces"]
    assert sign.verdict is Status.FINE
    signs = await doctor.examine(replace(options, face_model=None))
    (sign,) = [sign for sign in signs if sign.subject == "faces"]
    assert (sign.verdict, "a run downloads it" in sign.words) == (Status.WARNING, True)


async def test_real_footage_has_no_outliers(films: Path) -> None:
    """The face is found in each frame of the footage, and no region is dropped."""
    frames = await finder().look(planned(films / "RD_Face1.mp4", None), (1280, 720))
    found = people.find(frames)
    assert found is not None
    assert found.seen == found.kept == len(frames) == 150
