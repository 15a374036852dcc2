"""Every answer that can be ordered from the mock server, requested by plain HTTP and by the real yt-dlp."""

from __future__ import annotations

import http.client
import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import pytest
from anyio import to_thread
from mock_client import Got, get, information, media_formats, player, yt_dlp
from rendering import draw

from hdtf_async import demo
from hdtf_async.demo import Answer, ClientAnswer, Conditions, Fault, Https, Offer, Refusal, Script, Then
from hdtf_async.demo.answers import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FILM = demo.Film("orderFilm_1", "A film", 1, heights=(240,), vp9_heights=(144,))
ITAG = 133
AFTER = 1000

TWINS = (
    Offer(ITAG),
    Offer(ITAG, {"itag": 298, "fps": 60, "qualityLabel": "240p60"}),
    Offer(ITAG, {"itag": 137, "height": 1080, "width": 1920}, xtags="sr=1"),
    Offer(ITAG, {"itag": 334, "mimeType": 'video/webm; codecs="vp9.2"', "fps": 60}),
    Offer(ITAG, {"itag": 398, "mimeType": 'video/mp4; codecs="av01.0.05M.08"', "contentLength": "77"}),
    Offer(ITAG, {"itag": 136, "height": 426, "width": 240}),
    Offer(ITAG, {"itag": 135, "drmFamilies": ["WIDEVINE"]}),
    Offer(ITAG, {"itag": 134, "url": None}),
    Offer(140),
)
IN_TURN = (
    Fault(2, status=HTTPStatus.SERVICE_UNAVAILABLE),
    Fault(1),
    Fault(1, status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
    Fault(1, status=HTTPStatus.OK),
)
PRIVATE = {"status": "LOGIN_REQUIRED", "reason": "Private video"}
ORDERS = {
    "bodyClose_1": Answer(media=(Fault(1, after=AFTER, then=Then.CLOSE),)),
    "bodyReset_1": Answer(media=(Fault(1, after=AFTER, then=Then.RESET),)),
    "bodyStall_1": Answer(media=(Fault(1, after=AFTER, then=Then.STALL),)),
    "bodyNoise_1": Answer(media=(Fault(1, after=AFTER, then=Then.NOISE),)),
    "trickling_1": Answer(media=(Fault(after=AFTER, then=Then.TRICKLE),)),
    "mediaTurn_1": Answer(media=IN_TURN),
    "forbidden_1": Answer(media=(Fault(status=HTTPStatus.FORBIDDEN),)),
    "playerBad_1": Answer(
        player=(Fault(1, status=HTTPStatus.TOO_MANY_REQUESTS), Fault(1, after=20), Fault(1, latency=0.4))
    ),
    "unplayable1": Answer(playability=PRIVATE, playability_requests=2),
    "manyTwins_1": Answer(offers=TWINS, details={"title": "Told otherwise"}, advert=50),
    "noAddress_1": Answer(offers=(Offer(ITAG, {"url": None}),)),
}


@pytest.fixture(scope="module")
async def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render one film and link it under every other id of this module."""
    directory = tmp_path_factory.mktemp("orders")
    await draw(directory, [FILM])
    for youtube_id in (*ORDERS, *(f"orderFilm_{number}" for number in range(2, 6))):
        (directory / youtube_id).symlink_to(FILM.youtube_id)
    return directory


@pytest.fixture(scope="module")
async def site(film: Path) -> AsyncIterator[demo.LightMock]:
    """Run a mock server with these orders."""
    async with demo.light_mock(film, ORDERS) as site:
        yield site


def film_bytes(film: Path) -> bytes:
    """Return the bytes of the film's media file."""
    return (film / FILM.youtube_id / f"{ITAG}.mp4").read_bytes()


async def media(site: demo.LightMock, youtube_id: str = FILM.youtube_id) -> str:
    """Return the media address of the film."""
    return (await player(site, youtube_id)).address(ITAG)


async def ordered(site: demo.LightMock, youtube_id: str | None = None) -> list[str | None]:
    """Return the injected fault of each request so far, for one video or for all."""
    return [
        request["ordered"]
        for request in await site.requests()
        if youtube_id is None or request["video"] == youtube_id
    ]


def read_until(address: str, timeout: float, most: int = 1 << 30) -> tuple[bytes, Exception | None]:
    """Read a body byte by byte until it ends, fails, or reaches the limit."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    body = bytearray()
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        while len(body) < most and (byte := answer.read(1)):
            body += byte
        # http.client does not report a truncated body when it is read in parts.
        missing = answer.length if len(body) < most else None
    except OSError as error:
        return bytes(body), error
    finally:
        connection.close()
    return bytes(body), http.client.IncompleteRead(bytes(body), missing) if missing else None


def test_orders_are_passed_to_the_child_unchanged() -> None:
    """The child process decodes exactly the orders that the parent encoded."""
    fault = Fault(requests=2, latency=0.5, status=HTTPStatus.FORBIDDEN, after=7, then=Then.STALL)
    answers = {
        "plain": Answer(),
        "all": Answer(
            playability=demo.BOT,
            playability_requests=3,
            offers=(Offer(ITAG), Offer(ITAG, {"itag": 7, "url": None}, xtags="sr=1")),
            details={"isLive": True},
            advert=5,
            player=(fault, Fault()),
            media=(Fault(after=1),),
            bandwidth=9,
            bytes_per_address=10,
            moved_extractions=None,
            watch=(fault,),
            script=Script.UNSOLVABLE,
            clients={
                "tv_samsung": ClientAnswer(
                    playability=demo.BOT,
                    https=Https.CIPHER,
                    hls=True,
                    player=(fault,),
                    media=(fault,),
                    segments=(fault, Fault()),
                ),
                "web": ClientAnswer(),
            },
        ),
    }
    refusal = Refusal(after_videos=1, requests=2, seconds=3.5, answer=Answer(player=(fault,)))
    for conditions in (Conditions(), Conditions(bandwidth=1000, refusal=refusal, script_bytes=9)):
        assert from_json(to_json(answers, conditions)) == (answers, conditions)


@pytest.mark.parametrize(
    ("youtube_id", "error"),
    [
        ("bodyClose_1", http.client.IncompleteRead),
        ("bodyReset_1", ConnectionResetError),
        ("bodyStall_1", TimeoutError),
        ("bodyNoise_1", None),
    ],
)
async def test_a_body_fails_at_the_ordered_byte(
    site: demo.LightMock, film: Path, youtube_id: str, error: type[Exception] | None
) -> None:
    """The bytes before the fault are correct, and the next request gets the whole body."""
    whole = film_bytes(film)
    address = await media(site, youtube_id)
    body, failed = await to_thread.run_sync(read_until, address, 0.5)
    assert body[:AFTER] == whole[:AFTER]
    assert (type(failed) if failed else None) is error
    assert len(body) == (AFTER if error else len(whole))
    assert body[AFTER:] != whole[AFTER:]
    assert (await get(address))[0].body == whole
    assert await ordered(site, youtube_id) == [None, str(ORDERS[youtube_id].media[0].then), None]


async def test_a_trickle_sends_the_correct_bytes_slowly(site: demo.LightMock, film: Path) -> None:
    """Ten bytes per second after the first AFTER bytes."""
    address = await media(site, "trickling_1")
    begun = anyio.current_time()
    body, failed = await to_thread.run_sync(read_until, address, 5, AFTER + 5)
    assert anyio.current_time() - begun > 0.4
    assert (body, failed) == (film_bytes(film)[: AFTER + 5], None)


async def test_faults_apply_in_order_and_then_requests_succeed(site: demo.LightMock, film: Path) -> None:
    """Each fault applies to its number of requests; a fault with only a number lets those requests pass."""
    answers = await get(await media(site, "mediaTurn_1"), *(["bytes=0-9"] * 6))
    assert [got.status for got in answers] == [503, 503, 206, 416, 200, 206]
    assert [is_page(got) for got in answers] == [True, True, False, True, True, False]
    assert answers[-1].body == film_bytes(film)[:10]


def is_page(got: Got) -> bool:
    """Return whether the response is an HTML page."""
    return got.headers["Content-Type"] == "text/html" and got.body.startswith(b"<!DOCTYPE html>")


async def test_an_error_page_for_a_head_request_has_no_body(site: demo.LightMock) -> None:
    """The connection can therefore be reused."""
    answers = await get(await media(site, "forbidden_1"), None, None, method="HEAD")
    assert [(got.status, got.body) for got in answers] == [(403, b"")] * 2


async def test_player_answers_can_have_the_same_faults(site: demo.LightMock) -> None:
    """An error status, a truncated body, a delayed answer."""
    assert (await player(site, "playerBad_1")).status == HTTPStatus.TOO_MANY_REQUESTS
    with pytest.raises(http.client.IncompleteRead) as cut:
        await player(site, "playerBad_1")
    assert len(cut.value.partial) == 20
    begun = anyio.current_time()
    assert (await player(site, "playerBad_1")).playability == "OK"
    assert anyio.current_time() - begun > 0.4
    assert await ordered(site, "playerBad_1") == ["429", "close", None]


async def test_a_video_can_be_temporarily_unplayable(site: demo.LightMock) -> None:
    """For a number of requests; other videos are not affected."""
    answers = [(await player(site, name)).playability for name in ["unplayable1"] * 3 + ["orderFilm_2"]]
    assert answers == ["LOGIN_REQUIRED", "LOGIN_REQUIRED", "OK", "OK"]
    assert await ordered(site, "unplayable1") == ["unplayable", "unplayable", None]


async def test_an_ip_address_can_be_blocked_for_a_number_of_requests(film: Path) -> None:
    """It starts after two videos, applies to every video but not to media, and then ends permanently."""
    conditions = Conditions(refusal=Refusal(after_videos=2, requests=3))
    async with demo.light_mock(film, {}, conditions) as site:
        address = await media(site)
        answers = [
            (await player(site, f"orderFilm_{number}")).playability for number in (2, 2, 1, 3, 1, 3, 4, 5)
        ]
        assert (await get(address))[0].status == HTTPStatus.OK
        assert await ordered(site) == [None] * 4 + ["refused"] * 3 + [None] * 3
    assert answers == ["OK"] * 3 + ["LOGIN_REQUIRED"] * 3 + ["OK"] * 2


async def test_an_ip_address_can_be_blocked_for_a_time_and_with_any_answer(film: Path) -> None:
    """A block can also be an HTTP status, and can end after a time."""
    way = Answer(player=(Fault(status=HTTPStatus.TOO_MANY_REQUESTS),))
    async with demo.light_mock(film, {}, Conditions(refusal=Refusal(seconds=0.5, answer=way))) as site:
        assert (await player(site, FILM.youtube_id)).status == HTTPStatus.TOO_MANY_REQUESTS
        await anyio.sleep(0.5)
        assert (await player(site, FILM.youtube_id)).playability == "OK"


async def test_connections_can_share_one_bandwidth(film: Path) -> None:
    """Two connections together are as fast as one alone."""
    bandwidth = len(film_bytes(film)) * 2
    async with demo.light_mock(film, {}, Conditions(bandwidth=bandwidth)) as site:
        address = await media(site)
        begun = anyio.current_time()
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(get, address)
    assert anyio.current_time() - begun > 0.85


@pytest.mark.slow
async def test_the_real_extractor_reports_the_ordered_formats(site: demo.LightMock, film: Path) -> None:
    """yt-dlp reports the ordered formats of all kinds, the title and the advertisement."""
    info = await information(site, "manyTwins_1")
    assert info["title"] == "Told otherwise"
    size = len(film_bytes(film))
    audio_bytes = (film / FILM.youtube_id / "140.m4a").stat().st_size
    seen = {
        entry["format_id"]: (entry.get("height"), entry["fps"], entry["vcodec"], entry["filesize"])
        for entry in media_formats(info)
    }
    # yt-dlp omits DRM-protected formats where others exist, and formats without an address.
    assert seen == {
        "133": (240, 25, "avc1.4d401e", size),
        "298": (240, 60, "avc1.4d401e", size),
        "137-sr": (1080, 25, "avc1.4d401e", size),
        "334": (240, 60, "vp9.2", size),
        "398": (240, 25, "av01.0.05M.08", 77),
        "136": (426, 25, "avc1.4d401e", size),
        "140": (None, None, "none", audio_bytes),
    }
    by_id = {entry["format_id"]: entry for entry in info["formats"]}
    assert by_id["334"]["dynamic_range"] == "HDR10"
    assert "AI-upscaled" in by_id["137-sr"]["format_note"]
    assert all(entry["available_at"] > time.time() + 30 for entry in media_formats(info))


@pytest.mark.slow
async def test_without_addresses_the_real_extractor_reports_sabr(site: demo.LightMock) -> None:
    """The formats are listed, but have no address."""
    result = await yt_dlp(site, "-J", "--", "https://www.youtube.com/watch?v=noAddress_1")
    assert result.code == 1
    assert "SABR-only" in result.err


@pytest.mark.slow
async def test_an_offer_of_a_missing_format_fails_at_the_start(film: Path) -> None:
    """An itag that the film does not have is an error in the order."""
    with pytest.raises(demo.MockError, match="orderFilm_1 has no format 99"):
        async with demo.light_mock(film, {FILM.youtube_id: Answer(offers=(Offer(99),))}):
            pytest.fail("it has started")
