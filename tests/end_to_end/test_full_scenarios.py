"""The main job through the full mock: each scenario has its expected outcome, with both yt-dlps."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import full_mock_client
import pytest
from full_mock_client import CHUNK, FILM
from scenarios import MIDDLE, Scenario, play, says, status
from shared import VERSIONS, exported

import hdtf_async
from hdtf_async import ExitCode, Options, Reason, demo
from hdtf_async.demo import BOT, Answer, ClientAnswer, Fault, Https, Script
from hdtf_async.demo.account import COOKIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

LARGE, OVER_HLS = "largeFilm_1", "overHls___1"
CLIENTS = ("tv_samsung", "tv_downgraded", "visionos", "web", "web_embedded")
"""All clients that either yt-dlp impersonates."""
PRIVATE = {"status": "LOGIN_REQUIRED", "reason": "Private video"}


def for_all(order: ClientAnswer) -> Answer:
    """Return the same order for every client."""
    return Answer(clients=dict.fromkeys(CLIENTS, order))


SCENARIOS = (
    Scenario("all as it should be", Answer(), "134", ordinary=True),
    Scenario("somebody who is signed in", Answer(), "134", cookies=COOKIES),
    Scenario("HLS only", for_all(ClientAnswer(https=Https.SABR)), "230", ordinary=True),
    Scenario(
        "neither addresses nor HLS", for_all(ClientAnswer(https=Https.SABR, hls=False)), Reason.UPDATE_NEEDED,
    ),
    Scenario("media at a second host", Answer(media=(status(302),)), "134"),
    Scenario("unsolvable challenges, a guest", Answer(script=Script.UNSOLVABLE), "134"),
    Scenario(
        "unsolvable challenges, signed in", Answer(script=Script.UNSOLVABLE), Reason.UPDATE_NEEDED,
        cookies=COOKIES,
    ),
    Scenario(
        "one client is told that it is private",
        Answer(clients={"tv_samsung": ClientAnswer(playability=PRIVATE)}),
        "134",
    ),
    Scenario("private", Answer(playability=PRIVATE), Reason.PRIVATE),
    Scenario(
        "age gate",
        says(
            "Sign in to confirm your age. This video may be inappropriate for some users.", "LOGIN_REQUIRED",
            desktopLegacyAgeGateReason=1,
        ),
        Reason.AGE,
    ),
    Scenario("not a bot?", Answer(playability=BOT), Reason.REFUSED, tries=4),
    Scenario("the watch page 429 once", Answer(watch=(status(429, 1),)), "134", apart=True),
    Scenario("media 403 once", Answer(media=(status(403, 1),)), "134", tries=2, apart=True),
    Scenario(
        "the way out changes after the first extraction", Answer(moved_extractions=1), "134", tries=2,
        apart=True,
    ),
    Scenario("an advertisement first", Answer(advert=4), "134"),
    Scenario(
        "an advertisement longer than the stall limit", Answer(advert=15), "134",
        options={"stall_timeout": 10.0},
    ),
    Scenario("a keyword that stretches", Answer(details={"keywords": ["yt:stretch=4:3"]}), "134"),
    Scenario(
        # By default yt-dlp reads larger blocks on faster connections, and loses the last one.
        "addresses that are good for 200 kB", Answer(bytes_per_address=200_000), "134", tries=3,
        args="--no-resize-buffer", twice=3 * 1024,
    ),
    Scenario("cut in the middle, once", Answer(media=(Fault(1, after=MIDDLE),)), "134", twice=MIDDLE),
    Scenario(
        "an HLS segment 503 once", for_all(ClientAnswer(https=Https.SABR, segments=(status(503, 1),))), "230",
    ),
    Scenario("no JavaScript runtime, a guest", Answer(), "134", args="--no-js-runtimes"),
    Scenario(
        "a client that needs tokens", Answer(), Reason.UPDATE_NEEDED,
        args="--extractor-args youtube:player_client=android_vr",
    ),
)  # fmt: skip
"""The outcome of a video when YouTube answers each client differently."""


@pytest.fixture(scope="module")
async def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render one film, linked under a second id, and one larger than yt-dlp's chunk size."""
    directory = tmp_path_factory.mktemp("full")
    await full_mock_client.render(directory, [OVER_HLS])
    await full_mock_client.enlarge(directory, LARGE, CHUNK)
    return directory


@pytest.fixture(scope="module")
async def mock(footage: Path) -> AsyncIterator[demo.FullMock]:
    """Run a full mock that offers one of the films over HLS only."""
    async with demo.full_mock(footage, {OVER_HLS: for_all(ClientAnswer(https=Https.SABR))}) as mock:
        yield mock


async def unexpected(
    chosen: Sequence[Scenario], footage: Path, directory: Path, program: Path | None
) -> dict[str, list[str]]:
    """Run scenarios and return the unexpected outcomes by scenario name."""
    outcomes = await play(chosen, footage, directory, film=FILM, mock=demo.full_mock, yt_dlp=program)
    return {outcome.scenario.name: outcome.wrong for outcome in outcomes if outcome.wrong}


@pytest.mark.parametrize("program", VERSIONS, indirect=True)
async def test_the_whole_path_ends_in_clips(footage: Path, tmp_path: Path, program: Path | None) -> None:
    """Over https and over HLS."""
    assert await unexpected([one for one in SCENARIOS if one.ordinary], footage, tmp_path, program) == {}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("program", VERSIONS, indirect=True)
async def test_all_scenarios_have_their_expected_outcome(
    footage: Path, tmp_path: Path, program: Path | None
) -> None:
    """Reason or format, number of tries, exit code, and repeated downloads."""
    assert await unexpected(SCENARIOS, footage, tmp_path, program) == {}


@pytest.mark.parametrize("program", VERSIONS, indirect=True)
async def test_media_that_are_forbidden_for_one_client_are_downloaded_with_another(
    footage: Path, tmp_path: Path, program: Path | None
) -> None:
    """yt-dlp keeps the address of the first client only; where all clients are forbidden, HLS remains."""
    forbidden = ClientAnswer(media=(status(403),))
    first = "tv_samsung" if program else "visionos"
    orders = {"the first": Answer(clients={first: forbidden}), "all": for_all(forbidden)}
    scenarios = [Scenario(name, answer, "", apart=True) for name, answer in orders.items()]
    outcomes = await play(scenarios, footage, tmp_path, film=FILM, mock=demo.full_mock, yt_dlp=program)
    itags = [str(outcome.ends).partition("-")[0] for outcome in outcomes]
    # The installed version has no second client with addresses.
    assert itags == ["134" if program else "230", "230"]
    assert all(2 <= outcome.tries <= 3 for outcome in outcomes)


def options_for(
    mock: demo.FullMock, source: Path, program: Path | None, *more: str, **others: Any
) -> Options:
    """Return the options of a user of the mock; ``more`` are extra arguments for yt-dlp."""
    return Options(
        source=source, pace=0, preset="ultrafast", yt_dlp=program, proxy=mock.proxy,
        yt_dlp_args=(*shlex.split(mock.yt_dlp_args), *more), **others,
    )  # fmt: skip


@pytest.mark.parametrize("program", VERSIONS, indirect=True)
async def test_a_run_extracts_once_and_then_requests_only_media(
    mock: demo.FullMock, footage: Path, tmp_path: Path, program: Path | None
) -> None:
    """Deno runs for the test challenge and for the extraction; a film of 10 MiB takes two requests."""
    full_mock_client.write_tables(tmp_path / "tables", {"Large": LARGE})
    started = tmp_path / "started.txt"
    options = options_for(
        mock, tmp_path / "tables", program, *full_mock_client.counted_deno(program, started),
        cookies=full_mock_client.signed_in_at(tmp_path),
    )  # fmt: skip
    before = len(await mock.requests())
    with exported(mock.environment):
        report = await hdtf_async.download(tmp_path / "clips", options)
    assert (report.exit_code, report.done) == (ExitCode.DONE, ["RD_Large_000"])
    size = (footage / LARGE / f"{full_mock_client.H264}.mp4").stat().st_size
    assert report.raw_bytes == size
    assert started.read_text().split().count("run") == 2
    asked = (await mock.requests())[before:]
    media = [one for one in asked if one["path"].startswith("/videoplayback")]
    assert asked[-2:] == media
    assert [one["status"] for one in media] == [206, 206]
    assert sum(one["sent"] for one in media) == size
    # Each yt-dlp generates a User-Agent, but the second uses that of the first.
    assert {one["agent"] for one in media} == {asked[0]["agent"]}
    assert not [one for one in asked if one["method"] == "CONNECT"]


@pytest.mark.parametrize("program", VERSIONS, indirect=True)
async def test_a_clip_has_the_same_frames_over_https_and_over_hls(
    mock: demo.FullMock, tmp_path: Path, program: Path | None
) -> None:
    """Bit by bit, across the boundary of two segments."""
    full_mock_client.write_tables(tmp_path / "tables", {"Https": FILM.youtube_id, "Hls": OVER_HLS})
    out = tmp_path / "clips"
    with exported(mock.environment):
        report = await hdtf_async.download(out, options_for(mock, tmp_path / "tables", program))
    assert report.exit_code == ExitCode.DONE
    metadata = {
        line["name"]: line
        for line in map(json.loads, (out / "metadata.jsonl").read_text(encoding="utf-8").splitlines())
    }
    assert [metadata[name]["format_id"] for name in ("Https", "Hls")] == ["134", "230"]
    assert [metadata[name]["frames"] for name in ("Https", "Hls")] == [125, 125]
    over_https, over_hls = [
        await full_mock_client.frames(out / f"RD_{name}_000.mp4") for name in ("Https", "Hls")
    ]
    assert over_https == over_hls
