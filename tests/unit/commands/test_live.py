"""``doctor --live`` against the full mock: its report and its end."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import full_mock_client
import pytest
from full_mock_client import FILM, H264
from scenarios import says, status, unavailable
from shared import VERSIONS, children, exported

from hdtf_async import ExitCode, Options, Reason, demo
from hdtf_async.commands import live
from hdtf_async.core.preflight import CheckResult, Status
from hdtf_async.demo import BOT, Answer, ClientAnswer, Https, Offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

AT_ONCE = """
import sys
from hdtf_async.cli import main as cli
from hdtf_async.commands import live
live.APART = 0.0
sys.exit(cli.main(sys.argv[1:]))
"""
"""The command, for a mock without rate limit."""
LOW = 133
"""Itag of the film's smaller format over https."""
CLIENTS = ("tv_samsung", "tv_downgraded", "visionos", "web", "web_embedded")
SECOND, PRIVATE, REMOVED, ROBOT, FORBIDDEN, LIES, OVER_HLS = (
    "secondFilm1", "private___1", "removed___1", "robot_____1", "forbidden_1", "liesOnSize1", "overHls___1",
)  # fmt: skip
SIGNED = ("expire", "ei", "ip", "n", "sparams", "sig")
"""Parameters of a media URL that identify the client, or authorise the request."""
SECRET = re.compile(r"https?://|googlevideo|127\.0\.0\.1|\bsig=|\bexpire=|\bei=|videoplayback")


@pytest.fixture(scope="module")
async def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One film, under several ids."""
    directory = tmp_path_factory.mktemp("live")
    await full_mock_client.render(directory, [SECOND, FORBIDDEN, LIES, OVER_HLS])
    return directory


@pytest.fixture(scope="module")
async def mock(footage: Path) -> AsyncIterator[demo.FullMock]:
    """Return a full mock with one video for each possible outcome."""
    size = (footage / FILM.youtube_id / f"{LOW}.mp4").stat().st_size
    orders = {
        PRIVATE: says("Private video", "LOGIN_REQUIRED"),
        REMOVED: unavailable("This video has been removed by the uploader"),
        ROBOT: Answer(playability=BOT),
        FORBIDDEN: Answer(media=(status(403),)),
        LIES: Answer(offers=(Offer(LOW, {"contentLength": str(size + 1000)}), Offer(H264))),
        OVER_HLS: Answer(clients=dict.fromkeys(CLIENTS, ClientAnswer(https=Https.SABR))),
    }
    async with demo.full_mock(footage, orders) as mock:
        yield mock


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mock has no rate limit."""
    monkeypatch.setattr(live, "APART", 0.0)


def options_for(mock: demo.FullMock, directory: Path, ids: Mapping[str, str], **others: Any) -> Options:
    """Return the options of a user whose tables contain these ids, with the mock as proxy."""
    full_mock_client.write_tables(directory / "tables", ids)
    args = tuple(shlex.split(mock.yt_dlp_args))
    return Options(source=directory / "tables", proxy=mock.proxy, yt_dlp_args=args, **others)


async def examined(mock: demo.FullMock, options: Options) -> dict[str, CheckResult]:
    """Return the check results by their subject."""
    with exported(mock.environment):
        return {sign.subject: sign for sign in await live.examine(options)}


@pytest.mark.parametrize("program", VERSIONS, indirect=True)
async def test_two_videos_are_queried_and_both_ends_of_a_file_read(
    mock: demo.FullMock, tmp_path: Path, program: Path | None
) -> None:
    """With the cost of the extraction, and the offer; the third video of the tables is not queried."""
    ids = {"One": FILM.youtube_id, "Again": FILM.youtube_id, "Two": SECOND, "Three": OVER_HLS}
    before = len(await mock.requests())
    signs = await examined(mock, options_for(mock, tmp_path, ids, yt_dlp=program))
    assert [*signs] == [f"RD_{name}: {what}" for name in ("One", "Two") for what in live.SUBJECTS]
    assert {sign.verdict for sign in signs.values()} == {Status.FINE}
    needs_deno = program is not None
    extraction = signs["RD_One: extraction"].details or {}
    assert extraction["youtube_id"] == FILM.youtube_id
    assert extraction["clients"] == ["TVHTML5" if needs_deno else "VISIONOS"]
    assert extraction["runtimes"] == (["deno"] if needs_deno else [])
    assert (extraction["formats"], extraction["complete"], extraction["valid_hours"]) == (7, 3, 6.0)
    assert (extraction["hls"], extraction["heights"]) == (True, [240, 360])
    assert 0.1 < extraction["cpu_seconds"] < 60  # type: ignore[operator]
    assert 20e6 < extraction["memory_bytes"] < 1e9  # type: ignore[operator]
    media = signs["RD_One: media"].details or {}
    assert (media["format_id"], media["height"]) == (f"{LOW}", 240)
    for end in (media["first"], media["last"]):
        assert isinstance(end, dict)
        assert (end["bytes"], end["statuses"], end["total_bytes"]) == (65536, [206], media["bytes"])
        assert end["runtimes"] == []
    asked = (await mock.requests())[before:]
    assert {one["video"] for one in asked} - {None} == {FILM.youtube_id, SECOND}
    ranges = [one["range"] for one in asked if one["path"].startswith("/videoplayback")]
    last = f"bytes={media['bytes'] - 65536}-"  # type: ignore[operator]
    assert ranges == ["bytes=0-65535", last] * 2


@pytest.mark.slow
async def test_removed_videos_are_warnings_and_replaced_by_others(
    mock: demo.FullMock, tmp_path: Path
) -> None:
    """Each with its reason; the machine is ready."""
    ids = {"Private": PRIVATE, "Removed": REMOVED, "One": FILM.youtube_id, "Two": SECOND}
    signs = await examined(mock, options_for(mock, tmp_path, ids))
    for name, reason in (("Private", Reason.PRIVATE), ("Removed", Reason.REMOVED)):
        sign = signs[f"RD_{name}: extraction"]
        assert sign.verdict is Status.WARNING
        assert sign.words.startswith(f"{reason}: ERROR: ")
        assert (sign.details or {})["reason"] == reason
    assert [sign.verdict for sign in signs.values()] == [Status.WARNING] * 2 + [Status.FINE] * 6


@pytest.mark.slow
async def test_no_available_video_means_not_ready(mock: demo.FullMock, tmp_path: Path) -> None:
    """All of the queried ones are gone."""
    signs = await examined(mock, options_for(mock, tmp_path, {"Private": PRIVATE, "Removed": REMOVED}))
    assert [sign.verdict for sign in signs.values()] == [Status.WARNING, Status.WARNING, Status.WRONG]
    assert "none" in signs["YouTube"].words


@pytest.mark.slow
async def test_a_block_of_the_ip_address_ends_the_check_at_once(mock: demo.FullMock, tmp_path: Path) -> None:
    """The second video is not queried: that would only prolong the block."""
    before = len(await mock.requests())
    signs = await examined(mock, options_for(mock, tmp_path, {"Robot": ROBOT, "Two": SECOND}))
    (sign,) = signs.values()
    assert (sign.verdict, sign.reason, sign.remedy) == (
        Status.WRONG, Reason.REFUSED, Reason.REFUSED.advice.remedy,
    )  # fmt: skip
    assert "not a bot" in sign.words
    assert {one["video"] for one in (await mock.requests())[before:]} - {None} == {ROBOT}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("youtube_id", "reason"),
    [(FORBIDDEN, Reason.FORBIDDEN), pytest.param(LIES, Reason.RAW_TRUNCATED, marks=pytest.mark.slow)],
    ids=["forbidden media", "another size than promised"],
)
async def test_unavailable_media_mean_not_ready(
    mock: demo.FullMock, tmp_path: Path, youtube_id: str, reason: Reason
) -> None:
    """The extraction succeeds, and the result for the media says why it failed."""
    options = replace(options_for(mock, tmp_path, {"One": youtube_id}), limit=1)
    signs = await examined(mock, options)
    assert signs["RD_One: extraction"].verdict is Status.FINE
    sign = signs["RD_One: media"]
    assert (sign.verdict, sign.reason, bool(sign.remedy)) == (Status.WRONG, reason, True)
    assert not SECRET.search(f"{signs}")


@pytest.mark.slow
async def test_a_video_only_offered_over_hls_is_a_warning(mock: demo.FullMock, tmp_path: Path) -> None:
    """A run would use HLS."""
    signs = await examined(mock, options_for(mock, tmp_path, {"One": OVER_HLS}))
    assert [sign.verdict for sign in signs.values()] == [Status.FINE, Status.WARNING, Status.WARNING]
    assert "HLS is offered" in signs["RD_One: formats"].words


async def test_an_unresolvable_host_is_named(tmp_path: Path) -> None:
    """As without a network; here the proxy's."""
    full_mock_client.write_tables(tmp_path / "tables", {"One": FILM.youtube_id, "Two": SECOND})
    options = Options(source=tmp_path / "tables", proxy="http://nowhere.invalid:3128")
    (sign,) = await live.examine(options)
    assert (sign.verdict, sign.words) == (Status.WRONG, "cannot resolve nowhere.invalid")
    assert sign.reason is Reason.UNREACHABLE


@pytest.mark.slow
async def test_an_unresponsive_network_ends_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections are accepted, and no data arrives; no child process is left."""
    monkeypatch.setattr(live, "DEADLINE", 2.0)
    full_mock_client.write_tables(tmp_path / "tables", {"One": FILM.youtube_id, "Two": SECOND})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (sign,) = await live.examine(Options(source=tmp_path / "tables", proxy=proxy))
    assert (sign.verdict, sign.reason) == (Status.WRONG, Reason.TIMED_OUT)
    assert "not finished after 2 s" in sign.words
    assert not [command_line for command_line in children() if "yt_dlp" in command_line]


@pytest.mark.usefixtures("no_children")
async def test_nothing_is_queried_if_the_machine_itself_is_not_ready() -> None:
    """The result says so, and is not a problem of its own."""
    wrong = CheckResult("ffmpeg", Status.WRONG, "missing")
    (sign,) = await live.examine(Options(), [wrong])
    assert sign.verdict is Status.WARNING
    assert "not queried" in sign.words


@pytest.mark.slow
@pytest.mark.parametrize(
    "as_json", [pytest.param(False, marks=pytest.mark.slow), True], ids=["plain", "json"]
)
async def test_the_command_prints_no_urls_and_no_signed_parameters(
    mock: demo.FullMock, tmp_path: Path, *, as_json: bool
) -> None:
    """Neither on stdout nor on stderr, with cookies; the exit code is that of `doctor`."""
    options = options_for(mock, tmp_path, {"Two": SECOND})
    command = [sys.executable, "-c", AT_ONCE, "doctor", "--live", "--source", str(options.source)]
    command += [
        "--proxy",
        mock.proxy,
        "--cookies",
        str(full_mock_client.signed_in_at(tmp_path)),
        f"--yt-dlp-args={mock.yt_dlp_args}",
    ]
    before = len(await mock.requests())
    ended = await anyio.run_process(
        [*command, *(["--json"] if as_json else [])], env={**os.environ, **mock.environment}, check=False
    )
    out, err = ended.stdout.decode(), ended.stderr.decode()
    assert ended.returncode == ExitCode.DONE, out + err
    assert "Querying YouTube for RD_Two (secondFilm1)" in err
    if as_json:
        report = json.loads(out)
        by_subject = {sign["subject"]: sign for sign in report["signs"]}
        assert report["ready"] is True
        assert by_subject["RD_Two: extraction"]["details"]["runtimes"] == ["deno"]
    else:
        assert "read the first and last 64 KiB" in out
    everything = out + err
    assert not SECRET.search(everything)
    media = [one for one in (await mock.requests())[before:] if "videoplayback" in one["path"]]
    assert media
    for one in media:
        parameters = dict(parse_qsl(urlsplit(one["path"]).query))
        assert not [name for name in SIGNED if parameters[name] in everything]
    for cookie in re.findall(r"\t(\S{8,})$", (tmp_path / "cookies.txt").read_text(), re.MULTILINE):
        assert cookie not in everything


@pytest.mark.slow
async def test_ctrl_c_stops_it_and_leaves_nothing(mock: demo.FullMock, tmp_path: Path) -> None:
    """While it waits between two videos: exit code 130, no child process, no file."""
    options = options_for(mock, tmp_path, {"One": FILM.youtube_id, "Two": SECOND})
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "hdtf_async", "doctor", "--live", "--source", str(options.source)]
    command += ["--proxy", mock.proxy, f"--yt-dlp-args={mock.yt_dlp_args}"]
    environment = {**os.environ, **mock.environment, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as child:
        assert child.stderr is not None
        assert any("Waiting" in line for line in child.stderr)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate()
    assert child.returncode == ExitCode.INTERRUPTED, err
    assert [*temporary.iterdir()] == []
    assert not [command for command in children() if "yt_dlp" in command or "reaper" in command]
