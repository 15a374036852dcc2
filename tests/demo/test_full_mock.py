"""The full mock, queried through its proxy: what it checks, what it rejects, and its orders."""

from __future__ import annotations

import http.client
import json
import re
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import full_mock_client
import pytest
from anyio import to_thread
from full_mock_client import EMBEDDED, FILM, H264, TV, VISION, WEB, ask, changed, cipher_solved, entry, player
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async import demo
from hdtf_async.demo import Answer, ClientAnswer, Fault, Https, Script, script
from hdtf_async.demo.account import COOKIES, Visitor, of_page, of_request
from hdtf_async.demo.addresses import ELSEWHERE, OTHER_MEDIA_HOST
from hdtf_async.demo.clients import CLIENTS, recognise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ORDERS = {
    "spentAfter1": Answer(bytes_per_address=1000),
    "movedOnce_1": Answer(moved_extractions=1),
    "redirected1": Answer(media=(Fault(status=HTTPStatus.FOUND),)),
    "byClient__1": Answer(
        clients={
            "tv_samsung": ClientAnswer(media=(Fault(1, status=HTTPStatus.FORBIDDEN),)),
            "visionos": ClientAnswer(playability={"status": "UNPLAYABLE", "reason": "Not on this device"}),
        }
    ),
    "otherWays_1": Answer(
        clients={
            "visionos": ClientAnswer(https=Https.CIPHER, hls=False),
            "tv_samsung": ClientAnswer(https=Https.SABR, hls=True),
        }
    ),
    "advert____1": Answer(advert=3600),
    "unsolvable1": Answer(script=Script.UNSOLVABLE),
}


@pytest.fixture(scope="module")
async def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render one film and link it under every id of this module."""
    directory = tmp_path_factory.mktemp("full")
    await full_mock_client.render(directory, ORDERS)
    return directory


@pytest.fixture(scope="module")
async def mock(footage: Path) -> AsyncIterator[demo.FullMock]:
    """Run a full mock with these orders."""
    async with demo.full_mock(footage, ORDERS) as mock:
        yield mock


async def last(mock: demo.FullMock) -> dict[str, object]:
    """Return the mock's log entry of the last request."""
    return (await mock.requests())[-1]


async def address(mock: demo.FullMock, youtube_id: str = FILM.youtube_id) -> str:
    """Return a valid media address of the film, from ``signatureCipher``."""
    return cipher_solved((await player(mock, youtube_id, TV)).json)


@given(st.text(script.ALPHABET, min_size=20, max_size=120))
def test_a_challenge_is_solved_to_its_signature(signature: str) -> None:
    """For any signature."""
    assert script.solve_signature(script.challenge_for(signature)) == signature


async def test_media_are_served_at_a_valid_address(mock: demo.FullMock, footage: Path) -> None:
    """Whole and by range; the log names the client that was given the address."""
    content = (footage / FILM.youtube_id / f"{H264}.mp4").read_bytes()
    good = await address(mock)
    assert (await ask(mock, good)).body == content
    part = await ask(mock, good, headers={"Range": "bytes=1000-1999"})
    assert (part.status, part.body) == (HTTPStatus.PARTIAL_CONTENT, content[1000:2000])
    logged = await last(mock)
    assert (logged["client"], logged["video"], logged["range"]) == (
        "tv_samsung", FILM.youtube_id, "bytes=1000-1999",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["ei", "expire", "ip", "c", "n", "sig"])
async def test_an_invalid_address_is_forbidden(mock: demo.FullMock, name: str) -> None:
    """The log names the parameter."""
    wrong = {"expire": "1700000000", "ip": "127.0.0.9"}.get(name, "x")
    assert (await ask(mock, changed(await address(mock), **{name: wrong}))).status == HTTPStatus.FORBIDDEN
    assert (await last(mock))["refused"] == name


@pytest.mark.parametrize("name", ["id", "itag", "clen"])
async def test_a_changed_parameter_breaks_the_signature(mock: demo.FullMock, name: str) -> None:
    """Every parameter that is listed in ``sparams`` is signed."""
    assert (await ask(mock, changed(await address(mock), **{name: "133"}))).status == HTTPStatus.FORBIDDEN
    assert (await last(mock))["refused"] == "sig"


async def test_an_unsolved_challenge_is_not_enough(mock: demo.FullMock) -> None:
    """The issued ``n`` is rejected; only the result of the player script's transformation is valid."""
    cipher = dict(parse_qsl(entry((await player(mock, FILM.youtube_id, TV)).json)["signatureCipher"]))
    unsolved = changed(cipher["url"], sig=script.solve_signature(cipher["s"]))
    assert (await ask(mock, unsolved)).status == HTTPStatus.FORBIDDEN
    assert (await last(mock))["refused"] == "n"


async def test_an_address_is_valid_for_its_client_ip_only(mock: demo.FullMock) -> None:
    """A request from another IP address is rejected; that address gets a valid address of its own."""
    assert (await ask(mock, await address(mock), source="127.0.0.2")).status == HTTPStatus.FORBIDDEN
    assert (await last(mock))["refused"] == "ip"
    own = entry((await player(mock, FILM.youtube_id, VISION, source="127.0.0.2")).json)["url"]
    assert (await ask(mock, own, source="127.0.0.2")).status == HTTPStatus.OK


async def test_each_client_is_offered_different_formats(mock: demo.FullMock) -> None:
    """Web lists formats without addresses, the TV's are enciphered, visionOS gets plain ones and HLS."""
    offered = {
        name: (await player(mock, FILM.youtube_id, context)).json["streamingData"]
        for name, context in (("web", WEB), ("tv", TV), ("vision", VISION))
    }
    first = {name: data["adaptiveFormats"][0] for name, data in offered.items()}
    assert not {"url", "signatureCipher"} & first["web"].keys()
    assert "serverAbrStreamingUrl" in offered["web"]
    assert "signatureCipher" in first["tv"]
    assert "n" not in full_mock_client.query(first["vision"]["url"])
    assert [name for name, data in offered.items() if "hlsManifestUrl" in data] == ["vision"]


def test_each_client_is_recognized_by_its_context() -> None:
    """Including the three named TVHTML5; an unknown client is rejected."""
    for client in CLIENTS:
        version = client.context.get("clientVersion", "1.") + "20260707"
        context = {"userAgent": "Mozilla/5.0", **client.context, "clientVersion": version}
        assert recognise(context) is client
    assert recognise({"clientName": "MUSIC_BOX"}) is None


async def test_an_invalid_player_request_is_rejected(mock: demo.FullMock) -> None:
    """It needs the player script's version, the embedded player's flags, and an existing client."""
    assert (await player(mock, FILM.youtube_id, TV, signatureTimestamp=12345)).status == 400
    assert (await player(mock, FILM.youtube_id, EMBEDDED)).status == 400
    assert (await player(mock, FILM.youtube_id, {"clientName": "MUSIC_BOX"})).status == 400
    refused = [one["refused"] for one in (await mock.requests())[-3:]]
    assert refused == ["signatureTimestamp", "encryptedHostFlags", "client"]


def test_an_account_is_authorized_by_each_request() -> None:
    """Cookies without the authorization header are not enough; requests without cookies are anonymous."""
    sent = "; ".join(
        "=".join(line.split("\t")[5:7]) for line in COOKIES.splitlines() if not line.startswith("#")
    )
    assert of_page(sent) is Visitor.ACCOUNT
    assert of_page("SOCS=CAI") is Visitor.GUEST
    assert of_request("SOCS=CAI", "", "") is Visitor.GUEST
    assert of_request(sent, "SAPISIDHASH 1700000000_00ff_u", "https://www.youtube.com") is Visitor.FORGED
    assert of_request(sent, "", "https://www.youtube.com") is Visitor.FORGED


async def test_other_hosts_are_rejected_and_logged(mock: demo.FullMock) -> None:
    """For every port and method; no request leaves the machine."""

    def tried(first_line: str) -> bytes:
        with socket.create_connection(("127.0.0.1", mock.port), timeout=10) as connection:
            connection.sendall(f"{first_line} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            return connection.recv(100)

    for line in ("CONNECT github.com:443", "CONNECT www.youtube.com:80", "GET http://www.youtube.com/"):
        assert b" 403 " in await to_thread.run_sync(tried, line)
    logged = [(one["method"], one["host"], one["status"]) for one in (await mock.requests())[-3:]]
    assert logged == [
        ("CONNECT", "github.com", 403), ("CONNECT", "www.youtube.com", 403), ("GET", None, 403),
    ]  # fmt: skip


async def test_an_address_can_be_limited_to_a_number_of_bytes(mock: demo.FullMock, footage: Path) -> None:
    """Then the connection is cut and the address is rejected; a new address serves as many bytes."""
    content = (footage / FILM.youtube_id / f"{H264}.mp4").read_bytes()
    first, second = await address(mock, "spentAfter1"), await address(mock, "spentAfter1")
    for each in (first, second):
        assert (await ask(mock, each, headers={"Range": "bytes=0-399"})).body == content[:400]
        with pytest.raises(http.client.IncompleteRead) as cut:
            await ask(mock, each, headers={"Range": "bytes=400-"})
        assert cut.value.partial == content[400:1000]
        assert (await ask(mock, each, headers={"Range": "bytes=1000-"})).status == HTTPStatus.FORBIDDEN
        assert (await last(mock))["ordered"] == "spent"


async def test_addresses_of_an_extraction_can_be_for_another_client_ip(mock: demo.FullMock) -> None:
    """As after a change of the public IP address; the next watch page starts another extraction."""
    watch = "https://www.youtube.com/watch?v=movedOnce_1"
    assert (await ask(mock, watch)).status == HTTPStatus.OK
    moved = await address(mock, "movedOnce_1")
    assert full_mock_client.query(moved)["ip"] == ELSEWHERE
    assert (await ask(mock, moved)).status == HTTPStatus.FORBIDDEN
    assert (await ask(mock, watch)).status == HTTPStatus.OK
    assert (await ask(mock, await address(mock, "movedOnce_1"))).status == HTTPStatus.OK


async def test_media_can_be_on_a_second_host(mock: demo.FullMock, footage: Path) -> None:
    """The first host redirects to it, with the complete address."""
    redirect = await ask(mock, await address(mock, "redirected1"))
    assert redirect.status == HTTPStatus.FOUND
    assert urlsplit(redirect.headers["Location"]).hostname == OTHER_MEDIA_HOST
    content = (footage / FILM.youtube_id / f"{H264}.mp4").read_bytes()
    assert (await ask(mock, redirect.headers["Location"])).body == content


async def test_a_client_can_have_its_own_orders(mock: demo.FullMock) -> None:
    """One client is told that the video is unplayable; another one's first media request is forbidden."""
    response = (await player(mock, "byClient__1", VISION)).json
    assert (response["playabilityStatus"]["status"], response["streamingData"]) == ("UNPLAYABLE", {})
    of_tv = await address(mock, "byClient__1")
    assert [(await ask(mock, of_tv)).status for _ in range(2)] == [403, 200]


async def test_a_client_can_be_offered_formats_in_another_way(mock: demo.FullMock) -> None:
    """Enciphered, without addresses, with or without HLS."""
    of_vision = (await player(mock, "otherWays_1", VISION)).json
    assert "hlsManifestUrl" not in of_vision["streamingData"]
    assert (await ask(mock, cipher_solved(of_vision))).status == HTTPStatus.OK
    of_tv = (await player(mock, "otherWays_1", TV)).json["streamingData"]
    assert not {"url", "signatureCipher"} & of_tv["adaptiveFormats"][0].keys()
    # The TV client's addresses have a challenge, including those of its playlists.
    assert (await ask(mock, of_tv["hlsManifestUrl"])).status == HTTPStatus.FORBIDDEN
    challenge = re.search(r"/n/([^/]+)/", of_tv["hlsManifestUrl"])
    assert challenge is not None
    solved = of_tv["hlsManifestUrl"].replace(challenge[1], script.solve_n(challenge[1]))
    assert (await ask(mock, solved)).body.startswith(b"#EXTM3U")


async def test_media_are_not_served_before_an_advertisement_ends(mock: demo.FullMock) -> None:
    """An early request is rejected, as by YouTube."""
    assert (await ask(mock, await address(mock, "advert____1"))).status == HTTPStatus.FORBIDDEN
    assert (await last(mock))["refused"] == "early"


async def test_the_watch_page_names_the_script_that_was_ordered(mock: demo.FullMock) -> None:
    """An unsolvable script or a valid one; both are served."""
    named = {}
    for youtube_id in (FILM.youtube_id, "unsolvable1"):
        page = (await ask(mock, f"https://www.youtube.com/watch?v={youtube_id}")).body.decode()
        found = re.search(r"ytcfg\.set\((\{.+?\})\);", page)
        assert found is not None
        named[youtube_id] = json.loads(found[1])["PLAYER_JS_URL"]
    scripts = [(await ask(mock, f"https://www.youtube.com{path}")).body.decode() for path in named.values()]
    assert ['"alr","yes"' in one for one in scripts] == [True, False]


@pytest.mark.slow
async def test_an_order_for_an_unknown_client_fails_at_the_start(footage: Path) -> None:
    """A misspelt name would otherwise have no effect, and no test would notice."""
    with pytest.raises(demo.MockError, match="fullFilm_01 has orders for tv_lg"):
        async with demo.full_mock(footage, {FILM.youtube_id: Answer(clients={"tv_lg": ClientAnswer()})}):
            pytest.fail("it has started")
