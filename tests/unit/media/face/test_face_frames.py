"""Which frames are searched for faces, and which frame the contact sheet shows: those of the clip.

The frames are numbered. A reader of numbers replaces the detector, so these tests do not need the extra
``face``.
"""

from __future__ import annotations

import os
import subprocess
from cmath import exp
from dataclasses import dataclass, replace
from itertools import pairwise
from math import tau
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import media
import pytest
import shapes
from shapes import H264, HEIGHT, RATE, WIDTH, Shape
from shared import slow_unless
from sources import SHAPES

from hdtf_async.commands import faces
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Crop, Interval, OutputSettings
from hdtf_async.lanes.user_videos import OwnFiles
from hdtf_async.media.face import finder
from hdtf_async.media.face.detector import TIMES
from hdtf_async.media.face.finder import Finder
from hdtf_async.media.face.people import Region
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.probe import Prober
from hdtf_async.output.journal import SOURCE_VIDEOS, JournalIndex

if TYPE_CHECKING:
    from hdtf_async.media.face.people import Frame

FACE = OutputSettings(crop=Crop.FACE)
Faces = list[list[float]]
JUMP = 500
"""Thousandths of the width."""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory in which the source videos are rendered, each by the first test that needs it."""
    return tmp_path_factory.mktemp("shapes")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Shape:
    """Return a source video without peculiarities."""
    return Shape(shapes.plain(tmp_path_factory.mktemp("film"), "film.mp4", H264))


def printed(argv: list[str], size: int) -> list[tuple[int, bytes]]:
    """Return the frames that a command prints, with their timestamps, as the child reads them."""
    read, write = os.pipe()
    argv = [argument.replace(TIMES, str(write)) for argument in argv]
    with os.fdopen(read) as times, subprocess.Popen(argv, stdout=subprocess.PIPE, pass_fds=(write,)) as child:
        os.close(write)
        assert child.stdout is not None
        images = []
        while content := child.stdout.read(size):
            line = next(line for line in times if "pts:" in line)
            images.append((int(line.split("pts:")[1].split()[0]), content))
    assert child.returncode == 0
    return images


def number_of(image: bytes, width: int, height: int) -> int:
    """Return the number that an RGB frame shows."""
    green = image[1::3]
    return shapes.number_of([green[width * row : width * (row + 1)] for row in range(height)])


@dataclass(frozen=True)
class _Reader(Finder):
    """Finds one face in each frame, whose left edge is the number that the frame shows."""

    jumps: int = shapes.FRAMES
    """Number from which on it is far from there; -1: it jumps twice per second."""

    async def _child(
        self, width: int, height: int, argv: list[str], deadline: float, stall: float = 0
    ) -> list[tuple[int, Faces]]:
        del deadline, stall
        found = []
        for tick, image in printed(argv, width * height * 3):
            number = number_of(image, width, height)
            beyond = number >= self.jumps if self.jumps >= 0 else number // 12 % 2
            left = (number + JUMP * beyond) / 1000
            found.append((tick, [[left, 0.4, left + 0.1, 0.6]]))
        return found


async def searched(
    prober: Prober, shape: Shape, within: tuple[float, float], rate: float | None, jumps: int = shapes.FRAMES
) -> list[Frame]:
    """Return the frames of a clip that are searched."""
    form = OutputSettings(crop=Crop.FACE, face_rate=rate)
    cut = await media.planned(prober, shape.path, Interval(*within), form)
    return await _Reader(bundled_ffmpeg(), Path(), jumps=jumps).look(cut, (1000, 1000))


def number(frame: Frame) -> int:
    """Return which frame of the source video was searched."""
    left = round(frame.faces[0].left)
    return left - JUMP if left >= JUMP else left


@pytest.mark.parametrize(
    "name",
    slow_unless(
        SHAPES,
        {
            "H.264 with B-frames in MP4",
            "a gap of 1.6 s inside",
            "other colours midway",
        },
    ),
)
async def test_the_frames_of_the_clip_are_searched(prober: Prober, videos: Path, name: str) -> None:
    """All of them, each at its own time, for every shape of the source video."""
    render, start, end = SHAPES[name]
    shape = render(videos)
    frames = await searched(prober, shape, (start, end), None)
    assert [number(frame) for frame in frames] == shapes.due(shape, start, end).numbers
    for frame in frames:
        assert frame.second == pytest.approx(shape.time(number(frame)), abs=0.002)


@pytest.mark.parametrize("rate", slow_unless([1, 2, 3, 5, 12.5, 25, 100], (5, 12.5)))
async def test_one_frame_of_each_period_is_a_sample(prober: Prober, film: Shape, rate: float) -> None:
    """At a varying position in each period, so that no motion can be synchronous; always the same ones."""
    frames = await searched(prober, film, (1, 7), rate)
    numbers = [number(frame) for frame in frames]
    assert numbers[0] == 25
    assert len(set(numbers)) == len(numbers) == min(6 * rate, 6 * RATE)
    assert all(frame.sampled for frame in frames)
    periods = [int((frame.second - 1) * rate + 1e-6) for frame in frames]
    assert rate > RATE or periods == list(range(int(6 * rate)))
    if rate <= 5:
        places = {
            each - round(25 * (1 + period / rate)) for each, period in zip(numbers, periods, strict=True)
        }
        assert len(places) >= 4
    assert frames == await searched(prober, film, (1, 7), rate)


@pytest.mark.parametrize("frequency", [0.5, 1, 1.5, 2, 3, 5, 1.618, 2.618, 0.382])
def test_no_motion_is_synchronous_with_the_samples(frequency: float) -> None:
    """The phases of any motion at a minute's samples (5 per second) are spread over the whole cycle."""
    seconds = [(period + period * period * finder.JITTER % 1) / 5 for period in range(300)]
    phases = [exp(1j * tau * frequency * each) for each in seconds]
    assert abs(fmean(phase.real for phase in phases)) < 0.1
    assert abs(fmean(phase.imag for phase in phases)) < 0.1


async def test_frames_between_two_samples_are_searched_where_a_face_jumps(
    prober: Prober, film: Shape
) -> None:
    """Ten per second, between the samples before and after, and they do not count as samples."""
    frames = await searched(prober, film, (1, 7), 1, jumps=100)
    samples = [frame.second for frame in frames if frame.sampled]
    between = [frame.second for frame in frames if not frame.sampled]
    before = max(each for each in samples if each < 4)
    after = min(each for each in samples if each >= 4)
    assert len(samples) == 6
    assert all(before < each < after for each in between)
    assert max(b - a for a, b in pairwise([before, *between, after])) < 0.2
    assert min(b - a for a, b in pairwise(between)) > 0.09


async def test_no_frame_is_searched_twice(prober: Prober, film: Shape) -> None:
    """Where several consecutive samples are uncertain, those inside are among the frames in between."""
    frames = await searched(prober, film, (1, 7), 2, jumps=-1)
    assert len({frame.second for frame in frames}) == len(frames) > 30
    assert sum(frame.sampled for frame in frames) == 12


async def test_damage_does_not_end_the_search(prober: Prober, film: Shape, tmp_path: Path) -> None:
    """The encoder decides: another decoder may find all frames of the clip."""
    content = bytearray(film.path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = b"\xff" * 3000
    (tmp_path / "damaged.mp4").write_bytes(content)
    frames = await searched(prober, Shape(tmp_path / "damaged.mp4"), (0, 8), 5)
    assert frames[0].second == 0
    assert frames[-1].second > 7


async def test_a_source_video_without_frames_in_the_clip_is_reported(prober: Prober, film: Shape) -> None:
    """That is different from a clip without a face."""
    cut = await media.planned(prober, film.path, Interval(2, 5), FACE)
    beyond = replace(cut, interval=Interval(20, 25), source=None)
    with pytest.raises(Failure) as failed:
        await _Reader(bundled_ffmpeg(), Path()).look(beyond, (1000, 1000))
    assert failed.value.reason is Reason.UNSUPPORTED_SOURCE


# The contact sheet


SHOWN = (
    *("H.264 with B-frames in MP4", "intra refresh", "slides, between two", "other colours midway"),
    *("H.264 with B-frames in AVI", "cover art in MP4", "a time line from 7.3 s on"),
)


async def middle(path: Path, start: float, end: float, size: tuple[int, int]) -> bytes:
    """Return the frame that the sheet shows of a clip: pixels of a cell of 320 x 180."""
    all_of = Region(0, 0, *size)
    window = faces.Window(
        "RD_A_000", "RD_A", "aaaaaaaaaaa", (start + end) / 2, end, size, all_of, None, 1, 1, 1, by_table=False
    )
    frames, missing = await faces.middles(bundled_ffmpeg(), {path: [window]}, 1)
    assert missing == []
    return frames["RD_A_000"]


def inner(cell: bytes, width: int, height: int) -> bytes:
    """Return the part of a cell without its background."""
    left, top = (320 - width) // 2, (180 - height) // 2
    rows = (cell[320 * 3 * row :][: 320 * 3] for row in range(top, top + height))
    return b"".join(row[3 * left : 3 * (left + width)] for row in rows)


@pytest.mark.parametrize("name", slow_unless(SHOWN, SHOWN[:3]))
async def test_the_contact_sheet_shows_the_middle_of_the_clip(videos: Path, name: str) -> None:
    """The frame that is displayed at that time, of the stream from which the clip was cut."""
    render, start, end = SHAPES[name]
    shape = render(videos)
    start = max(start, shape.begins)
    number = number_of(inner(await middle(shape.path, start, end, (WIDTH, HEIGHT)), 240, 180), 240, 180)
    second = (start + end) / 2
    assert number in {shape.on_screen(second - 0.02), shape.on_screen(second), shape.on_screen(second + 0.04)}


async def test_the_contact_sheet_finds_partial_source_videos(videos: Path, tmp_path: Path) -> None:
    """By the name of one with the clip's middle, and shows the same frame as of the whole video."""
    render, start, end = SHAPES["H.264 with B-frames in MP4"]
    shape = render(videos)
    index, second = JournalIndex(tmp_path), (start + end) / 2
    (tmp_path / SOURCE_VIDEOS).mkdir()
    for number, covers in enumerate(([0, second - 0.1], [start, end + 0.1], [0, second])):
        path = tmp_path / SOURCE_VIDEOS / f"RD_A.{number}-9.mp4.part"
        path.write_bytes(shape.path.read_bytes())
        index.add({
            "type": "section", "kind": "raw", "youtube_id": "aaaaaaaaaaa", "file": path.name,
            "bytes": path.stat().st_size, "covers": covers, "segments": [number, 9], "of": {"index": "a"},
            "resolution": "best",
        })  # fmt: skip
    all_of = Region(0, 0, WIDTH, HEIGHT)
    size = (WIDTH, HEIGHT)
    window = faces.Window(
        "RD_A_000", "RD_A", "aaaaaaaaaaa", second, end, size, all_of, None, 1, 1, 1, by_table=False
    )
    found = faces.source_video(index, OwnFiles(), window)
    assert found == tmp_path / SOURCE_VIDEOS / "RD_A.1-9.mp4.part"
    frames, missing = await faces.middles(bundled_ffmpeg(), {found: [window]}, 1)
    assert missing == []
    assert frames["RD_A_000"] == await middle(shape.path, start, end, size)


@pytest.mark.parametrize(
    ("arguments", "size"),
    [("-vf setsar=2", (320, 120)), ("-vf setsar=1/2", (80, 120)), ("-vf setsar=8/9,transpose", (135, 160))],
)
async def test_the_contact_sheet_shows_square_pixels(
    prober: Prober, tmp_path: Path, arguments: str, size: tuple[int, int]
) -> None:
    """As the clip has them, so that boxes are where they were cut: the middle half is white."""
    media.ffmpeg(
        tmp_path,
        "-v error -f lavfi -i color=black:s=160x120:r=25:d=2 "
        f"{arguments},drawbox=x=iw/4:y=ih/4:w=iw/2:h=ih/2:color=white:t=fill {H264} odd.mp4",
    )
    cut = await media.planned(prober, tmp_path / "odd.mp4", Interval(0, 2), FACE)
    assert cut.frame_size == size
    cell = await middle(tmp_path / "odd.mp4", 0, 2, size)
    scale = min(320 / size[0], 180 / size[1])
    bright = [place // 3 for place in range(0, len(cell), 3) if cell[place] > 128]
    columns, lines = [place % 320 for place in bright], [place // 320 for place in bright]
    for found, side, side_of_cell in ((columns, size[0], 320), (lines, size[1], 180)):
        first, last = (
            (side_of_cell - side * scale) / 2 + side * scale / 4,
            (side_of_cell + side * scale / 2) / 2,
        )
        assert min(found) == pytest.approx(first, abs=2)
        assert max(found) == pytest.approx(last, abs=2)


@pytest.mark.slow
async def test_an_undecodable_frame_is_reported(tmp_path: Path) -> None:
    """With its clip, and without the directory of its source video."""
    (tmp_path / "broken.mp4").write_bytes(b"0" * 5000)
    window = faces.Window(
        "RD_A_000", "RD_A", "aaaaaaaaaaa", 1, 2, (1, 1), Region(0, 0, 1, 1), None, 1, 1, 1, by_table=False
    )
    frames, missing = await faces.middles(bundled_ffmpeg(), {tmp_path / "broken.mp4": [window]}, 1)
    assert frames == {}
    assert missing[0].startswith("RD_A_000: ")
    assert str(tmp_path) not in missing[0]
