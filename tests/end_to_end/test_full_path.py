"""The whole path of yt-dlp through the full mock, with the installed yt-dlp and with the newest one.

It covers pages, player script, challenges that deno solves, several clients, and media over https and HLS.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import full_mock_client
import pytest
from full_mock_client import CHUNK, FILM, H264, H264_HLS, RECORDED
from mock_client import information, yt_dlp
from shared import VERSIONS, exported

from hdtf_async import Options, demo
from hdtf_async.commands import doctor
from hdtf_async.core.preflight import is_ready
from hdtf_async.demo import Answer, ClientAnswer, Conditions, Refusal, Script
from hdtf_async.media.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LARGE = "largeFilm_1"
STRETCHED = "stretched_1"
PRIVATE = {"status": "LOGIN_REQUIRED", "reason": "Private video"}
ORDERS = {
    LARGE: Answer(advert=1),
    STRETCHED: Answer(details={"keywords": ["talk", "yt:stretch=4:3"]}),
    "unsolvable1": Answer(script=Script.UNSOLVABLE),
    "oneWorks__1": Answer(
        clients={name: ClientAnswer(playability=PRIVATE) for name in ("tv_samsung", "tv_downgraded")}
    ),
}
AGENTS = {"tv_samsung": "SMART-TV", "visionos": "Version/26.0 Safari", "web_embedded": "Version/15.5 Safari"}
"""Substrings of the User-Agent of yt-dlp's clients, from the table of its extractor."""

both = pytest.mark.parametrize("program", VERSIONS, indirect=True)


@pytest.fixture(scope="module")
async def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render one film, linked under every id of this module, and one larger than yt-dlp's chunk size."""
    directory = tmp_path_factory.mktemp("full")
    await full_mock_client.render(directory, ORDERS.keys() - {LARGE})
    await full_mock_client.enlarge(directory, LARGE, CHUNK)
    return directory


@pytest.fixture(scope="module")
async def mock(footage: Path) -> AsyncIterator[demo.FullMock]:
    """Run a full mock with these orders."""
    async with demo.full_mock(footage, ORDERS) as mock:
        yield mock


def passed_information(info: dict[str, Any], itag: int) -> str:
    """Return the information that a second yt-dlp needs for one format, without the address of the page."""
    formats = [one for one in info["formats"] if one["format_id"] == str(itag)]
    kept = ("id", "title", "extractor", "extractor_key", "duration", "live_status", "_type")
    return json.dumps({key: info[key] for key in kept if key in info} | {"formats": formats})


async def since(mock: demo.FullMock, before: int) -> list[dict[str, Any]]:
    """Return the requests to the mock after the first ones."""
    return (await mock.requests())[before:]


@both
@pytest.mark.parametrize("signed_in", [False, True], ids=["guest", "account"])
async def test_clients_and_chunk_size_are_the_recorded_ones(
    mock: demo.FullMock, program: Path | None, tmp_path: Path, *, signed_in: bool
) -> None:
    """Otherwise the mock's answers and the guarantees about downloads must be reviewed."""
    version = (await yt_dlp(mock, "--version", program=program)).out.strip()
    assert version in RECORDED, (
        f"look at yt-dlp {version}, and record its clients in tests/support/full_mock_client.py"
    )
    expected = RECORDED[version].account if signed_in else RECORDED[version].guest
    before = len(await mock.requests())
    arguments = ["--cookies", str(full_mock_client.signed_in_at(tmp_path))] if signed_in else []
    info = await information(mock, LARGE, *arguments, program=program)
    asked = [one for one in await since(mock, before) if one["host"] == "www.youtube.com"]
    players = [one["client"] for one in asked if one["method"] == "POST"]
    # The answer for the client "web" is part of the watch page.
    assert [one["client"] for one in asked[:1]] == ["web"]
    assert [*players, "web"] == list(expected)
    assert all(one["refused"] is None and one["status"] == 200 for one in await since(mock, before))
    chunks = {
        one["downloader_options"]["http_chunk_size"] for one in info["formats"] if one["protocol"] == "https"
    }
    assert chunks == {RECORDED[version].chunk}


@both
@pytest.mark.parametrize(
    ("chosen", "pages"),
    [
        ("player_client=all", {"/watch", "/tv", "/", "/embed/fullFilm_01"}),
        ("player_client=all;player_skip=webpage", {"/youtubei/v1/next", "/tv", "/", "/embed/fullFilm_01"}),
        ("player_client=tv;player_skip=webpage,configs", {"/youtubei/v1/next", "/iframe_api"}),
    ],
)
async def test_every_client_of_both_versions_is_answered(
    mock: demo.FullMock, program: Path | None, chosen: str, pages: set[str]
) -> None:
    """For every client that arguments can select: the pages of all clients, or their replacements."""
    before = len(await mock.requests())
    arguments = ["--extractor-args", f"youtube:{chosen}"]
    info = await information(mock, FILM.youtube_id, *arguments, program=program)
    assert str(H264) in {one["format_id"] for one in info["formats"]}
    asked = await since(mock, before)
    assert {(one["status"], one["refused"]) for one in asked} == {(200, None)}
    assert pages <= {urlsplit(one["path"]).path for one in asked}


@both
async def test_the_real_extractor_reports_all_of_a_video(
    mock: demo.FullMock, program: Path | None, footage: Path
) -> None:
    """Formats over https and HLS, title, date, the advertisement's waiting time; it prints no warning."""
    watch = f"https://www.youtube.com/watch?v={FILM.youtube_id}"
    result = await yt_dlp(mock, "-J", "--no-update", "--", watch, program=program)
    assert (result.code, result.err) == (0, "")
    info = json.loads(result.out)
    assert (info["id"], info["title"], info["duration"]) == (FILM.youtube_id, FILM.title, 11)
    assert (info["upload_date"], info["channel"], info["live_status"]) == (
        "20141114", "Mock server", "not_live",
    )  # fmt: skip
    seen = {
        one["format_id"]: (one["protocol"], one["ext"], one.get("height"), one.get("vcodec"))
        for one in info["formats"]
        if one["protocol"] != "mhtml"
    }
    assert seen == {
        "133": ("https", "mp4", 240, "avc1.4d401e"),
        "134": ("https", "mp4", 360, "avc1.4d401e"),
        "243": ("https", "webm", 360, "vp9"),
        "140": ("https", "m4a", None, "none"),
        "229": ("m3u8_native", "mp4", 240, "avc1.4d401e"),
        "230": ("m3u8_native", "mp4", 360, "avc1.4d401e"),
        "234": ("m3u8_native", "mp4", None, "none"),
    }
    size = (footage / FILM.youtube_id / f"{H264}.mp4").stat().st_size
    assert next(one["filesize"] for one in info["formats"] if one["format_id"] == "134") == size


@both
async def test_a_second_yt_dlp_downloads_what_the_first_extracted(
    mock: demo.FullMock, program: Path | None, footage: Path, tmp_path: Path
) -> None:
    """It starts no deno and requests no page of YouTube; addresses, headers and chunks are the first's.

    It also waits for the advertisement: the mock serves no media before its end.
    """
    started = tmp_path / "started.txt"
    arguments = [
        *full_mock_client.counted_deno(program, started),
        "--cookies",
        str(full_mock_client.signed_in_at(tmp_path)),
    ]
    info = await information(mock, LARGE, *arguments, program=program)
    assert started.read_text().split().count("run") == 1
    started.write_text("")
    before = len(await mock.requests())
    result = await yt_dlp(
        mock, "--load-info-json", "-", "-f", str(H264), "-o", "raw.mp4", "-P", str(tmp_path), *arguments,
        feed=passed_information(info, H264), program=program,
    )  # fmt: skip
    assert result.code == 0, result.err
    content = (footage / LARGE / f"{H264}.mp4").read_bytes()
    assert (tmp_path / "raw.mp4").read_bytes() == content
    assert started.read_text() == ""
    requests = await since(mock, before)
    assert {one["host"] for one in requests} == {"rr1---sn-mock0001.googlevideo.com"}
    assert [one["status"] for one in requests] == [206, 206]
    assert sum(one["sent"] for one in requests) == len(content)
    assert CHUNK * 0.95 <= requests[0]["sent"] <= CHUNK
    offered = next(one for one in info["formats"] if one["format_id"] == str(H264))
    assert {one["path"] for one in requests} == {offered["url"].partition("googlevideo.com")[2]}
    assert {one["agent"] for one in requests} == {offered["http_headers"]["User-Agent"]}
    assert offered["available_at"] > 0
    # The address contains a solved challenge; the mock would have noticed a wrong solution.
    assert "n" in full_mock_client.query(offered["url"])


@both
async def test_hls_has_the_same_frames_as_https(
    mock: demo.FullMock, program: Path | None, footage: Path, tmp_path: Path
) -> None:
    """The same decoded frames in the same order, from three joined segments."""
    info = await information(mock, FILM.youtube_id, program=program)
    before = len(await mock.requests())
    result = await yt_dlp(
        mock, "--load-info-json", "-", "-f", str(H264_HLS), "-o", "raw.mp4", "-P", str(tmp_path),
        "--ffmpeg-location", str(bundled_ffmpeg()),
        feed=passed_information(info, H264_HLS), program=program,
    )  # fmt: skip
    assert result.code == 0, result.err
    requests = await since(mock, before)
    assert [one["path"].endswith("/file/seg.ts") for one in requests] == [False, True, True, True]
    decoded = await full_mock_client.frames(tmp_path / "raw.mp4")
    assert len(decoded) == FILM.frames
    assert decoded == await full_mock_client.frames(footage / FILM.youtube_id / f"{H264}.mp4")


@both
async def test_an_unsolvable_script_loses_the_formats_that_need_it(
    mock: demo.FullMock, program: Path | None, tmp_path: Path
) -> None:
    """A signed-in user is offered no others; yt-dlp's warnings say why."""
    watch = "https://www.youtube.com/watch?v=unsolvable1"
    result = await yt_dlp(
        mock, "-J", "--cookies", str(full_mock_client.signed_in_at(tmp_path)), "--", watch, program=program
    )
    assert result.code == 1
    assert "n challenge solving failed" in result.err
    assert "Signature solving failed" in result.err
    # An anonymous user has the formats of a client that needs no JavaScript.
    info = await information(mock, "unsolvable1", program=program)
    assert {one["format_id"] for one in info["formats"]} >= {"134", "230"}


@both
async def test_one_client_that_can_play_a_video_is_enough(mock: demo.FullMock, program: Path | None) -> None:
    """Although the other clients are told that it is private."""
    info = await information(mock, "oneWorks__1", program=program)
    assert {one["format_id"] for one in info["formats"]} >= {"134", "230"}


@both
async def test_an_old_upload_can_be_stretched(mock: demo.FullMock, program: Path | None) -> None:
    """It has a keyword, and yt-dlp reports the ratio with each format that has a video stream."""
    info = await information(mock, STRETCHED, program=program)
    stretched = {
        one["format_id"]: one.get("stretched_ratio")
        for one in info["formats"]
        if one.get("vcodec") != "none" and one["protocol"] == "https"
    }
    assert stretched == dict.fromkeys(("133", "134", "243"), 4 / 3)


@both
async def test_a_blocked_ip_address_is_blocked_on_the_watch_page_too(
    footage: Path, program: Path | None
) -> None:
    """As with YouTube, neither the page nor any client gets more than a sign-in message."""
    async with demo.full_mock(footage, {}, Conditions(refusal=Refusal())) as mock:
        result = await yt_dlp(
            mock, "-J", "--", f"https://www.youtube.com/watch?v={FILM.youtube_id}", program=program
        )
        requests = await mock.requests()
    assert result.code == 1
    assert "not a bot" in result.err
    assert {one["ordered"] for one in requests if one["video"]} == {"refused"}


@pytest.mark.slow
async def test_the_log_has_every_request_of_an_extraction(mock: demo.FullMock) -> None:
    """With the User-Agent of the requesting client."""
    before = len(await mock.requests())
    await information(mock, FILM.youtube_id)
    for one in await since(mock, before):
        if one["method"] == "POST":
            assert AGENTS[one["client"]] in one["agent"]


@both
async def test_the_doctor_accepts_a_user_of_the_mock(
    mock: demo.FullMock, program: Path | None, tmp_path: Path
) -> None:
    """Including proxy, certificate and cookies; it sends no request."""
    before = len(await mock.requests())
    options = Options(
        yt_dlp=program, proxy=mock.proxy, yt_dlp_args=tuple(shlex.split(mock.yt_dlp_args)),
        cookies=full_mock_client.signed_in_at(tmp_path),
    )  # fmt: skip
    with exported(mock.environment):
        signs = await doctor.examine(options)
    assert is_ready(signs), signs
    assert any(sign.subject == "JavaScript" and sign.words.startswith("deno-") for sign in signs)
    assert await since(mock, before) == []
