"""The mock server and its footage, tested with the real yt-dlp, plain HTTP and decoded frames."""

from __future__ import annotations

import json
import math
import os
import socket
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mock_client import get, information, media_address, media_formats, yt_dlp
from rendering import draw, is_drawn

from hdtf_async import demo
from hdtf_async.core.model import SUBSETS, Interval
from hdtf_async.demo.answers import Answer
from hdtf_async.demo.film import width_of
from hdtf_async.demo.server import UnsatisfiableRange, byte_range
from hdtf_async.media.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FILM = demo.Film(
    "smallFilm_1", "A small film", 2, fps=Fraction(30000, 1001), heights=(360,), vp9_heights=(240,), look=4
)
SILENT = demo.Film("-smallFilm2", "A silent film", 1, heights=(240,), look=3, audio=False)
PAINTER = demo.FILMS[4]
SLOW_BYTES = 60_000
PRIVATE = "Private video. Sign in if you've been granted access to this video"
ROOT = Path(demo.__file__).parents[2]


@pytest.fixture(scope="module")
async def small_footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render two films of a second or two."""
    directory = tmp_path_factory.mktemp("small")
    await draw(directory, [FILM, SILENT])
    return directory


@pytest.fixture(scope="module")
async def small_site(small_footage: Path) -> AsyncIterator[demo.LightMock]:
    """Run a mock server with those films, the silent one at a low bandwidth, and a private video."""
    answers = {
        "privateVid1": Answer(playability={"status": "LOGIN_REQUIRED", "reason": PRIVATE}),
        SILENT.youtube_id: Answer(bandwidth=SLOW_BYTES),
    }
    async with demo.light_mock(small_footage, answers) as site:
        yield site


@pytest.fixture(scope="module")
async def film_info(small_site: demo.LightMock) -> dict[str, Any]:
    """Return yt-dlp's information about the film."""
    return await information(small_site, FILM.youtube_id)


@pytest.fixture(scope="module")
async def silent_info(small_site: demo.LightMock) -> dict[str, Any]:
    """Return yt-dlp's information about the silent film."""
    return await information(small_site, SILENT.youtube_id)


def is_listening(port: int) -> bool:
    """Return whether a process accepts connections on a loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


async def test_the_real_extractor_reports_the_rendered_formats(
    film_info: dict[str, Any], small_footage: Path
) -> None:
    """yt-dlp reports the ids, sizes, rates, codecs and durations of the files on disk."""
    info = film_info
    assert (info["id"], info["title"], info["duration"]) == (FILM.youtube_id, FILM.title, 2)
    assert info["live_status"] == "not_live"
    seen = {
        entry["format_id"]: (
            entry["ext"], entry.get("width"), entry.get("height"), entry.get("fps"), entry["vcodec"],
            entry["acodec"], entry["filesize"],
        )
        for entry in media_formats(info)
    }  # fmt: skip
    folder = small_footage / FILM.youtube_id
    size = {path.stem: path.stat().st_size for path in folder.iterdir()}
    assert seen == {
        "134": ("mp4", 640, 360, 30, "avc1.4d401e", "none", size["134"]),
        "242": ("webm", 426, 240, 30, "vp9", "none", size["242"]),
        "140": ("m4a", None, None, None, "none", "mp4a.40.2", size["140"]),
    }


async def test_the_real_extractor_reports_storyboards(film_info: dict[str, Any]) -> None:
    """Every format table lists storyboards as YouTube's does: four levels, each of complete sheets."""
    boards = [entry for entry in film_info["formats"] if entry["protocol"] == "mhtml"]
    assert [(entry["format_id"], entry["width"], entry["height"]) for entry in boards] == [
        ("sb3", 48, 27),
        ("sb2", 80, 45),
        ("sb1", 160, 90),
        ("sb0", 320, 180),
    ]
    assert all(entry["vcodec"] == entry["acodec"] == "none" for entry in boards)
    assert sum(sheet["duration"] for sheet in boards[-1]["fragments"]) == film_info["duration"]


@pytest.mark.slow
async def test_an_id_can_start_with_a_hyphen(silent_info: dict[str, Any]) -> None:
    """yt-dlp accepts the watch address whatever the id starts with; a silent film has no audio format."""
    assert [entry["format_id"] for entry in media_formats(silent_info)] == ["133"]


async def test_a_download_is_byte_exact_and_does_not_repeat_the_extraction(
    small_site: demo.LightMock, film_info: dict[str, Any], small_footage: Path, tmp_path: Path
) -> None:
    """The second yt-dlp downloads the chosen format without another extraction."""
    info = {name: value for name, value in film_info.items() if name not in ("webpage_url", "original_url")}
    before = await small_site.requests()
    result = await yt_dlp(
        small_site, "--load-info-json", "-", "-f", "134", "-P", str(tmp_path), "-o", "raw.%(ext)s",
        "--print", "after_move:FILE %(filepath)j", feed=json.dumps(info),
    )  # fmt: skip
    assert (result.code, result.out) == (0, f'FILE "{tmp_path}/raw.mp4"\n'), result.err
    content = (small_footage / FILM.youtube_id / "134.mp4").read_bytes()
    assert (tmp_path / "raw.mp4").read_bytes() == content
    (request,) = (await small_site.requests())[len(before) :]
    assert (request["method"], request["video"], request["status"]) == ("GET", FILM.youtube_id, 206)
    assert (request["sent"], request["done"]) == (len(content), True)


@pytest.mark.slow
async def test_without_the_certificate_yt_dlp_fails(small_site: demo.LightMock) -> None:
    """TLS verification is on: only the mock server's own certificate makes yt-dlp trust it."""
    address = f"https://www.youtube.com/watch?v={FILM.youtube_id}"
    result = await yt_dlp(small_site, "--extractor-retries", "0", "-J", "--", address, trusting=False)
    assert result.code == 1
    assert "CERTIFICATE_VERIFY_FAILED" in result.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("youtube_id", "reason"), [("privateVid1", PRIVATE), ("unknownVid1", "Video unavailable")]
)
async def test_the_reason_of_a_playability_error_is_printed_on_stderr(
    small_site: demo.LightMock, youtube_id: str, reason: str
) -> None:
    """After a playability error yt-dlp exits with code 1 and prints the ordered reason."""
    result = await yt_dlp(small_site, "-J", "--", f"https://www.youtube.com/watch?v={youtube_id}")
    assert result.code == 1
    assert f"ERROR: [youtube] {youtube_id}: {reason}" in result.err


async def test_media_support_whole_range_and_head_requests(
    film_info: dict[str, Any], small_footage: Path
) -> None:
    """GET, Range, unsatisfiable Range and HEAD are answered as in RFC 9110, on one connection."""
    address = media_address(film_info, "134")
    content = (small_footage / FILM.youtube_id / "134.mp4").read_bytes()
    size = len(content)
    whole, part, tail, behind = await get(address, None, "bytes=100-199", "bytes=-50", f"bytes={size}-")
    assert (whole.status, whole.body) == (200, content)
    assert (part.status, part.body) == (206, content[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{size}"
    assert (tail.status, tail.body) == (206, content[-50:])
    assert (behind.status, behind.headers["Content-Range"]) == (416, f"bytes */{size}")
    head, again = await get(address, None, "bytes=5-9", method="HEAD")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(size), b"")
    assert (again.status, again.headers["Content-Length"]) == (206, "5")


async def test_only_issued_media_addresses_are_served(film_info: dict[str, Any]) -> None:
    """A media address with a changed or missing field gets 403."""
    address = media_address(film_info, "134")
    for wrong in (address.replace("itag=134", "itag=242"), address[:-1], address.split("?", maxsplit=1)[0]):
        (got,) = await get(wrong)
        assert (got.status, got.body) == (403, b"")


async def test_a_bandwidth_limits_the_throughput(silent_info: dict[str, Any]) -> None:
    """The bandwidth limits the throughput, and the body arrives complete."""
    address = media_address(silent_info, "133")
    start = anyio.current_time()
    (got,) = await get(address, f"bytes=0-{SLOW_BYTES // 2 - 1}")
    assert len(got.body) == SLOW_BYTES // 2
    assert anyio.current_time() - start > 0.45


async def test_the_mock_server_ends_with_its_context(small_footage: Path) -> None:
    """No child process remains after a normal end, an error or a cancellation."""
    ports: list[int] = []
    with anyio.CancelScope() as scope:
        async with demo.light_mock(small_footage) as site:
            ports += [site.player_port, site.media_port]
            assert all(is_listening(port) for port in ports)
            scope.cancel()
            await anyio.sleep_forever()

    async def fail() -> None:
        async with demo.light_mock(small_footage) as site:
            ports.extend([site.player_port, site.media_port])
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert len(ports) == 4
    assert not any(is_listening(port) for port in ports)


async def test_the_mock_server_does_not_outlive_a_killed_parent(small_footage: Path, tmp_path: Path) -> None:
    """A killed parent cannot clean up; the mock server ends by itself."""
    program = (
        "import anyio, pathlib, sys\n"
        "from hdtf_async.demo import light_mock\n"
        "async def main():\n"
        "    async with light_mock(pathlib.Path(sys.argv[1])) as site:\n"
        "        print(site.media_port, flush=True)\n"
        "        await anyio.sleep_forever()\n"
        "anyio.run(main)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    parent = await anyio.open_process(
        [sys.executable, "-c", program, str(small_footage)], stdout=PIPE, env=environment
    )
    try:
        assert parent.stdout is not None
        with anyio.fail_after(60):
            port = int(await parent.stdout.receive())
        assert is_listening(port)
    finally:
        parent.kill()
        await parent.aclose()
    with anyio.fail_after(60):
        while is_listening(port):
            await anyio.sleep(0.05)


async def test_a_mock_server_that_cannot_start_reports_why(small_footage: Path) -> None:
    """The error contains the child's last lines of stderr."""
    with pytest.raises(demo.MockError, match="unexpected keyword"):
        async with demo.light_mock(small_footage, {"x": Wrong()}):
            pytest.fail("it has started")


@dataclass(frozen=True, slots=True)
class Wrong(Answer):
    """An answer of an unknown type."""

    colour: str = "green"


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-", (0, 10)),
        ("bytes=3-5", (3, 6)),
        ("bytes=9-9", (9, 10)),
        ("bytes=3-500", (3, 10)),
        ("bytes=-4", (6, 10)),
        ("bytes=-40", (0, 10)),
        ("bytes=5-3", None),
        ("bytes=1-2,4-5", None),
        ("lines=1-2", None),
        ("bytes=-", None),
    ],
)
def test_ranges_are_parsed_as_in_rfc_9110(header: str | None, span: tuple[int, int] | None) -> None:
    """Valid ranges are clipped to the file; ranges that may be ignored are ignored."""
    assert byte_range(header, 10) == span


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_behind_the_end_is_unsatisfiable(header: str) -> None:
    """The range contains no byte of the file."""
    with pytest.raises(UnsatisfiableRange):
        byte_range(header, 10)


async def test_a_film_is_reproducible_and_rendered_once(small_footage: Path, tmp_path: Path) -> None:
    """Footage is reproducible to the byte, is cached, and is rendered again when the film has changed."""
    folder = tmp_path / SILENT.youtube_id
    await draw(tmp_path, [SILENT])
    assert contents(folder) == contents(small_footage / SILENT.youtube_id)
    stamp = folder.stat().st_ino
    await draw(tmp_path, [SILENT])
    assert folder.stat().st_ino == stamp
    other = demo.Film(SILENT.youtube_id, "Another film", 0.2, heights=(144,), look=1, audio=False)
    await draw(tmp_path, [other])
    assert sorted(contents(folder)) == ["160.mp4", "film.json"]
    assert os.listdir(tmp_path) == [SILENT.youtube_id]  # noqa: PTH208 - no other file, hidden or not


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file of a directory by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("film", demo.FILMS, ids=lambda film: film.youtube_id)
def test_the_package_has_the_films_of_the_demo(film: demo.Film) -> None:
    """As they are defined now; `python tests/support/artwork.py` renders those that are not."""
    assert is_drawn(demo.FOOTAGE / film.youtube_id, film)


async def frames(path: Path, width: int, height: int) -> list[bytes]:
    """Return the first 60 frames of a file as rows of RGB bytes."""
    done = await anyio.run_process(
        [
            *(str(bundled_ffmpeg()), "-nostdin", "-v", "error", "-i", str(path)),
            *("-frames:v", "60", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
        ]
    )
    size = width * height * 3
    return [done.stdout[at : at + size] for at in range(0, len(done.stdout), size)]


@pytest.mark.slow
@pytest.mark.parametrize(("film", "height", "name"), [(FILM, 360, "134.mp4"), (PAINTER, 720, "136.mp4")])
async def test_the_head_position_matches_the_ground_truth(
    film: demo.Film, height: int, name: str, small_footage: Path
) -> None:
    """In decoded frames, the ears and top of a brown head on a green wall are where `head_at` says."""
    scale, width = height // 360, width_of(height)
    folder = demo.FOOTAGE if film is PAINTER else small_footage
    images = await frames(folder / film.youtube_id / name, width, height)
    assert len(images) == 60
    places = []
    for number in range(0, 60, 7):
        head = demo.head_at(film, float(number / film.fps), height)
        places.append(head.x)

        def is_person(x: int, y: int, frame: bytes = images[number]) -> bool:
            red, green, _ = frame[(y * width + x) * 3 : (y * width + x) * 3 + 3]
            return red > green - 5

        # Between the eyes and the nostrils there is only skin from ear to ear.
        row = round(head.y) + 18 * scale
        left = right = round(head.x)
        while is_person(left - 1, row):
            left -= 1
        while is_person(right + 1, row):
            right += 1
        top = round(head.y) - 45 * scale
        while is_person(round(head.x), top - 1):
            top -= 1
        # Tolerances: a pixel of rounding, one of chroma, and the ear's slope at this row.
        assert abs((left + right + 1) / 2 - head.x) < 2.5 * scale
        assert 0 <= 2 * head.half_width - (right + 1 - left) < 8 * scale
        assert abs(top - (head.y - head.half_height)) < 5 * scale
    assert max(places) - min(places) > 5 * scale, "a head that hardly moves proves nothing"


async def test_the_mouth_opens_with_the_audio(small_footage: Path) -> None:
    """Across the frames of a film, loudness and mouth opening are correlated."""
    width, height = 640, 360
    images = await frames(small_footage / FILM.youtube_id / "134.mp4", width, height)
    audio = await anyio.run_process(
        [
            str(bundled_ffmpeg()), "-nostdin", "-v", "error", "-i",
            str(small_footage / FILM.youtube_id / "140.m4a"), "-f", "s16le", "-ac", "1", "-ar", "16000", "-",
        ]
    )  # fmt: skip
    samples = memoryview(audio.stdout).cast("h")
    opened, loudness = [], []
    for number, frame in enumerate(images):
        head = demo.head_at(FILM, float(number / FILM.fps), height)
        left, top = round(head.x) - 20, round(head.y) + 40
        rows = (frame[((top + y) * width + left) * 3 :][: 40 * 3] for y in range(34))
        # Inside the black beard, white teeth and a red mouth are the brightest pixels.
        opened.append(float(sum(red > 150 for row in rows for red in row[::3])))
        here = round(number / FILM.fps * 16000)
        loudness.append(sum(abs(value) for value in samples[here : here + 533]) / 533)
    assert max(loudness) > 10 * (min(loudness) + 1)
    assert correlation(opened, loudness) > 0.5


def correlation(one: list[float], other: list[float]) -> float:
    """Return Pearson's correlation coefficient of two series."""
    a = [value - sum(one) / len(one) for value in one]
    b = [value - sum(other) / len(other) for value in other]
    both = sum(x * y for x, y in zip(a, b, strict=True))
    return both / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


@pytest.mark.parametrize("row", demo.ROWS, ids=lambda row: str(row.name))
def test_a_box_contains_the_whole_path_of_the_head(row: demo.Row) -> None:
    """Every box of the demo's tables is a square inside the frame that always contains the head."""
    height = row.reference_height
    for interval, box in zip(row.intervals, row.boxes(), strict=True):
        assert box.width == box.height
        assert min(box.left, box.top) >= 0
        assert box.right <= height * 16 / 9
        assert box.bottom <= height
        for number in range(round(interval.start * row.film.fps), round(interval.end * row.film.fps)):
            head = demo.head_at(row.film, float(number / row.film.fps), height)
            assert box.left <= head.x - head.half_width
            assert head.x + head.half_width <= box.right
            assert box.top <= head.y - head.half_height
            assert head.y + head.half_height <= box.bottom


def test_the_tables_have_the_difficult_cases_of_the_real_ones(tmp_path: Path) -> None:
    """Odd side lengths, a shared video, heights without a format, and the syntax of the real tables."""
    assert {row.subset for row in demo.ROWS} == set(SUBSETS)
    assert {box.width % 2 for row in demo.ROWS for box in row.boxes()} == {0, 1}
    ids = [row.film.youtube_id for row in demo.ROWS]
    assert len(ids) - len(set(ids)) == 1
    assert all(len(youtube_id) == 11 for youtube_id in ids)
    assert [row.name for row in demo.ROWS if row.reference_height not in row.film.heights] == [
        "Radio2",
        "Guest1",
    ]
    demo.write_tables(tmp_path)
    assert len(list(tmp_path.iterdir())) == 15
    assert (tmp_path / "WRA_annotion_time.txt").read_text().splitlines()[1] == (
        "Guest2.mp4 00:01-00:03 00:04-00:06 00:07-00:08"
    )
    assert (tmp_path / "RD_video_url.txt").read_text() == (
        "Radio1 https://www.youtube.com/watch?v=demoHead_01\nRadio2 https://www.youtube.com/watch?v=-demoHead_2\n"
    )
    box = demo.ROWS[0].boxes()[1]
    assert (tmp_path / "RD_crop_wh.txt").read_text().splitlines()[1] == (
        f"Radio1_1.mp4 {box.left} {box.width} {box.top} {box.height}"
    )


def test_the_head_scales_with_the_frame() -> None:
    """The ground truth scales with the frame: twice the height doubles every measure."""
    small, large = (demo.head_at(FILM, 1.25, height) for height in (360, 720))
    assert (large.x, large.y) == pytest.approx((2 * small.x, 2 * small.y))
    assert (large.half_width, large.half_height) == pytest.approx(
        (2 * small.half_width, 2 * small.half_height)
    )
    interval = Interval(0.5, 1.5)
    one, other = (demo.head_box(FILM, interval, height) for height in (360, 720))
    assert abs(other.width - 2 * one.width) <= 1
