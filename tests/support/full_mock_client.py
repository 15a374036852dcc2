"""Shared by tests of the full mock: a film, requests through its proxy, and yt-dlp's recorded defaults."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import anyio
import rendering
from anyio import to_thread

from hdtf_async import demo
from hdtf_async.demo import script
from hdtf_async.demo.account import COOKIES
from hdtf_async.demo.film import FACTS
from hdtf_async.media.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILM = demo.Film("fullFilm_01", "Eleven seconds of talk", 11, heights=(360, 240), vp9_heights=(360,), look=1)
"""Long enough for three HLS segments."""
H264, H264_HLS = 134, 230
"""Itags of its larger format over https and over HLS."""
CHUNK = 10 << 20
"""The largest number of bytes that yt-dlp requests at a time."""


@dataclass(frozen=True)
class Defaults:
    """The default behaviour of a version of yt-dlp."""

    guest: tuple[str, ...]
    """The clients that it impersonates for an anonymous user."""
    account: tuple[str, ...]
    """Those for a signed-in user."""
    chunk: int = CHUNK
    """The largest number of media bytes that it requests at a time."""


RECORDED = {
    "2026.08.19": Defaults(("visionos", "web"), ("web_embedded", "tv_downgraded", "web")),
    "2026.10.26": Defaults(("tv_samsung", "visionos", "web"), ("web_embedded", "tv_samsung", "web")),
}
"""By version; the full mock answers these clients as YouTube did when that version was the newest."""


async def render(directory: Path, ids: Iterable[str] = ()) -> None:
    """Render the film, and link it under further ids."""
    await rendering.draw(directory, [FILM])
    for youtube_id in ids:
        (directory / youtube_id).symlink_to(FILM.youtube_id)


async def enlarge(directory: Path, youtube_id: str, size: int) -> None:
    """Provide the film under another id, with its larger format in more than ``size`` bytes.

    A hole of that size before the media data moves the data behind it.
    """
    folder, source = directory / youtube_id, directory / FILM.youtube_id
    folder.mkdir()
    facts = json.loads((source / FACTS).read_text())
    for entry_of in facts["renditions"]:
        path = folder / entry_of["name"]
        if entry_of["itag"] != H264:
            os.link(source / entry_of["name"], path)
            continue
        arguments = ["-nostdin", "-v", "error", "-i", str(source / entry_of["name"])]
        arguments += ["-c", "copy", "-moov_size", str(size), str(path)]
        await anyio.run_process([str(bundled_ffmpeg()), *arguments])
        entry_of["size"] = path.stat().st_size
    (folder / FACTS).write_text(json.dumps(facts | {"youtube_id": youtube_id}))


@dataclass(frozen=True)
class Got:
    """An answer that came through the proxy."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Parse the body."""
        body: dict[str, Any] = json.loads(self.body)
        return body


async def ask(
    site: demo.FullMock,
    address: str,
    *,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    source: str = "127.0.0.1",
) -> Got:
    """Request an address through the proxy; with a body by POST. ``source`` is the client's IP address."""

    def wait() -> Got:
        parts = urlsplit(address)
        trust = ssl.create_default_context(cafile=str(site.ca))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", site.port, timeout=20, context=trust, source_address=(source, 0)
        )
        connection.set_tunnel(parts.netloc, 443)
        try:
            where = urlunsplit(("", "", parts.path, parts.query, ""))
            sent = None if body is None else json.dumps(body)
            connection.request("GET" if sent is None else "POST", where, sent, dict(headers or {}))
            answer = connection.getresponse()
            return Got(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    return await to_thread.run_sync(wait)


async def player(
    site: demo.FullMock, youtube_id: str, client: Mapping[str, str], *, source: str = "127.0.0.1", **more: Any
) -> Got:
    """Send one client's player request; ``more`` is added to its ``contentPlaybackContext``."""
    playback = {"contentPlaybackContext": {"signatureTimestamp": script.SIGNATURE_TIMESTAMP} | more}
    body = {"videoId": youtube_id, "context": {"client": client}, "playbackContext": playback}
    address = "https://www.youtube.com/youtubei/v1/player?prettyPrint=false"
    return await ask(site, address, body=body, source=source)


TV = {"clientName": "TVHTML5", "clientVersion": "5.20260707", "deviceMake": "Samsung"}
VISION = {"clientName": "VISIONOS", "clientVersion": "1.02"}
EMBEDDED = {"clientName": "WEB_EMBEDDED_PLAYER", "clientVersion": "2.20260708.00.00"}
WEB = {"clientName": "WEB", "clientVersion": "2.20260708.00.00"}


def cipher_solved(response: Mapping[str, Any], itag: int = H264) -> str:
    """Return a format's address from its ``signatureCipher``, as computed by a player with the script."""
    cipher = dict(parse_qsl(entry(response, itag)["signatureCipher"]))
    signature = script.solve_signature(cipher["s"])
    challenge = query(cipher["url"])["n"]
    return changed(cipher["url"], n=script.solve_n(challenge), **{cipher["sp"]: signature})


def entry(response: Mapping[str, Any], itag: int = H264) -> dict[str, Any]:
    """Return YouTube's entry for a format."""
    formats = response["streamingData"]["adaptiveFormats"]
    found: dict[str, Any] = next(one for one in formats if one["itag"] == itag)
    return found


def query(address: str) -> dict[str, str]:
    """Return the parameters of an address."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(address).query).items()}


def changed(address: str, **parameters: str) -> str:
    """Return an address with some parameters set."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query=urlencode(query(address) | parameters)))


def write_tables(directory: Path, ids: Mapping[str, str], interval: str = "00:03-00:08") -> None:
    """Write the tables of one subset: YouTube ids by name, each with one clip."""
    directory.mkdir()
    rows = {
        "video_url": "{name} https://www.youtube.com/watch?v={youtube_id}",
        "resolution": "{name}.mp4 360",
        "annotion_time": "{name}.mp4 {interval}",
        "crop_wh": "{name}_0.mp4 150 300 20 300",
        "crop_ratio": "{name}_0.mp4 1.2",
    }
    for table, row in rows.items():
        lines = [
            row.format(name=name, youtube_id=youtube_id, interval=interval)
            for name, youtube_id in ids.items()
        ]
        (directory / f"RD_{table}.txt").write_text("".join(f"{line}\n" for line in lines))


async def frames(path: Path) -> list[str]:
    """Return the digest of each decoded frame of a file."""
    arguments = ["-nostdin", "-v", "error", "-i", str(path), "-map", "0:v", "-f", "framemd5", "-"]
    ended = await anyio.run_process([str(bundled_ffmpeg()), *arguments])
    lines = ended.stdout.decode().splitlines()
    return [line.split()[-1] for line in lines if not line.startswith("#")]


def signed_in_at(directory: Path) -> Path:
    """Write a cookie file of a signed-in user into a directory; return its path."""
    path = directory / "cookies.txt"
    path.write_text(COOKIES)
    return path


def counted_deno(program: Path | None, log: Path) -> list[str]:
    """Return arguments that make yt-dlp start deno through a wrapper that logs its jobs."""
    deno = Path(sys.executable if program is None else program).parent / "deno"
    wrapper = log.with_name("deno")
    wrapper.write_text(
        f'#!/bin/sh\necho "$1" >> {shlex.quote(str(log))}\nexec {shlex.quote(str(deno))} "$@"\n'
    )
    wrapper.chmod(0o755)
    log.touch()
    return ["--js-runtimes", f"deno:{wrapper}"]
