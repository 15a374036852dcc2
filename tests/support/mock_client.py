"""Clients of the mock server: the real yt-dlp, plain HTTP, and player requests."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import ssl
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
from anyio import to_thread

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async import demo


@dataclass(frozen=True)
class Result:
    """The exit code and the output of yt-dlp."""

    code: int
    out: str
    err: str


async def yt_dlp(
    site: demo.LightMock | demo.FullMock,
    *arguments: str,
    feed: str = "",
    trusting: bool = True,
    program: Path | None = None,
) -> Result:
    """Run the real yt-dlp against a mock, with no option that a user could not pass.

    ``program`` is another yt-dlp than the installed one.
    """
    environment = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
    if trusting:
        environment |= site.environment
    done = await anyio.run_process(
        [
            *([sys.executable, "-m", "yt_dlp"] if program is None else [str(program)]),
            *("--ignore-config", *([] if site.proxy is None else ["--proxy", site.proxy])),
            *(*shlex.split(site.yt_dlp_args), *arguments),
        ],
        input=feed.encode(),
        check=False,
        env=environment,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


async def information(
    site: demo.LightMock | demo.FullMock, youtube_id: str, *arguments: str, program: Path | None = None
) -> dict[str, Any]:
    """Return yt-dlp's information about a video."""
    watch = f"https://www.youtube.com/watch?v={youtube_id}"
    result = await yt_dlp(site, "-J", *arguments, "--", watch, program=program)
    assert result.code == 0, result.err
    info: dict[str, Any] = json.loads(result.out)
    return info


def media_formats(info: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the formats with video or audio, without the storyboards."""
    return [entry for entry in info["formats"] if entry["protocol"] != "mhtml"]


def media_address(info: dict[str, Any], format_id: str) -> str:
    """Return the media address of one format."""
    return next(str(entry["url"]) for entry in info["formats"] if entry["format_id"] == format_id)


@dataclass(frozen=True)
class Got:
    """A plain HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


async def get(address: str, *ranges: str | None, method: str = "GET") -> list[Got]:
    """Request one address on one connection, once for each Range header (None: without one)."""

    def ask() -> list[Got]:
        parts = urlsplit(address)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        answers = []
        sockets = set()
        for asked in ranges or (None,):
            headers = {} if asked is None else {"Range": asked}
            connection.request(method, f"{parts.path}?{parts.query}", headers=headers)
            sockets.add(id(connection.sock))
            answer = connection.getresponse()
            answers.append(Got(answer.status, answer.headers, answer.read()))
        connection.close()
        assert len(sockets) == 1, "the server has closed a connection that could be kept"
        return answers

    return await to_thread.run_sync(ask)


@dataclass(frozen=True)
class PlayerAnswer:
    """An answer to a player request."""

    status: int
    body: bytes

    @property
    def playability(self) -> str:
        """YouTube's playability status."""
        return str(json.loads(self.body)["playabilityStatus"]["status"])

    def address(self, itag: int) -> str:
        """Return the media address of one format."""
        formats = json.loads(self.body)["streamingData"]["adaptiveFormats"]
        return next(str(entry["url"]) for entry in formats if entry["itag"] == itag)


async def player(site: demo.LightMock, youtube_id: str) -> PlayerAnswer:
    """Send one player request, as each of yt-dlp's clients does."""

    def ask() -> PlayerAnswer:
        trust = ssl.create_default_context(cafile=str(site.ca))
        connection = http.client.HTTPSConnection("127.0.0.1", site.player_port, timeout=10, context=trust)
        try:
            connection.request("POST", "/youtubei/v1/player", json.dumps({"videoId": youtube_id}))
            answer = connection.getresponse()
            return PlayerAnswer(answer.status, answer.read())
        finally:
            connection.close()

    return await to_thread.run_sync(ask)
