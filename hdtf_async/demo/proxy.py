"""The full mock: an intercepting proxy on loopback that answers as YouTube and serves the generated footage.

``python -m hdtf_async.demo.proxy --footage DIR --ca FILE --ffmpeg FILE`` is a separate process, like the
light mock (`site`). It listens on one port of 127.0.0.1:

- ``CONNECT`` to YouTube's hosts, which it answers itself, with a certificate of a temporary CA. Every other
  host is rejected;
- plain http for its own log (``GET /log``).

So yt-dlp takes the same path as on YouTube: watch page, player script, JavaScript challenges, player requests
of several clients, media over https and HLS. `answers` defines the simulated failures.
"""

from __future__ import annotations

import json
import secrets
import ssl
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from hdtf_async.demo import account, addresses, hls, pages
from hdtf_async.demo.account import Visitor
from hdtf_async.demo.addresses import Addresses, Issue
from hdtf_async.demo.answers import Script
from hdtf_async.demo.clients import BY_NAME, Client, recognise
from hdtf_async.demo.faults import WELL
from hdtf_async.demo.player import MEDIA_PATH
from hdtf_async.demo.responses import PlayerRequest, response_for
from hdtf_async.demo.script import PLAYER_IDS, SIGNATURE_TIMESTAMP, player_script
from hdtf_async.demo.server import LOG_PATH, CommandLine, Handler, Request, Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hdtf_async.demo.answers import Answer

YOUTUBE = ("www.youtube.com", "m.youtube.com", "music.youtube.com", "studio.youtube.com")
IMAGES = "i.ytimg.com"
_NAMES = (*YOUTUBE, IMAGES, "*.googlevideo.com")
"""The names in the mock's certificate, to which it allows connections."""
_HTML, _JSON, _SCRIPT = "text/html; charset=utf-8", "application/json; charset=UTF-8", "text/javascript"
_PLAYLIST = "application/vnd.apple.mpegurl"
_LARGEST_BODY = 1 << 20


def is_answered(host: str) -> bool:
    """Return whether the mock answers for a host."""
    return host in YOUTUBE or host == IMAGES or host.endswith(".googlevideo.com")


class ProxyHandler(Handler):
    """Opens tunnels, and answers the requests in them as YouTube."""

    context: ssl.SSLContext
    issued: Addresses
    cutter: hls.Cutter
    scripts: Mapping[str, bytes]
    """The player scripts by their id."""
    host: str | None = None
    """Host of the tunnel; None before there is one."""
    _address: tuple[Issue, Mapping[str, str]]
    """Content of the URL of the current media request."""

    def do_CONNECT(self) -> None:  # noqa: N802 - http.server looks for this name
        """Open a tunnel to one of YouTube's hosts, and answer at its other end."""
        host, _, port = self.path.lower().rpartition(":")
        if port != "443" or not is_answered(host) or self.host is not None:
            with self.noted() as request:
                request.host = host
                self.reply(request, HTTPStatus.FORBIDDEN, b"", "text/plain")
            self.close_connection = True
            return
        self.send_response(HTTPStatus.OK, "Connection established")
        self.end_headers()
        self.host = host
        self.request = self.context.wrap_socket(self.connection, server_side=True)
        self.setup()
        self.close_connection = False

    def finish(self) -> None:
        """Close the tunnel too, which the base class does not know."""
        super().finish()
        if self.host is not None:
            self.connection.close()

    def do_GET(self) -> None:  # noqa: N802
        """Answer a request for a page, for media, or for the log."""
        address = urlsplit(self.path)
        if self.host is None and address.path == LOG_PATH and not address.netloc:
            log = self.server.site.log.lines()
            self.reply(Request(0, "GET", self.path), HTTPStatus.OK, log, "text/plain")
            return
        with self.noted() as request:
            if self.host in YOUTUBE:
                self._page(request, address)
            elif self.host is not None and self.host.endswith(".googlevideo.com"):
                self._video(request, address)
            else:
                status = HTTPStatus.NOT_FOUND if self.host else HTTPStatus.FORBIDDEN
                self.reply(request, status, b"", "text/plain")

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:  # noqa: N802
        """Answer an API request."""
        with self.noted() as request:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > _LARGEST_BODY:
                self.close_connection = True
                self.reply(request, HTTPStatus.LENGTH_REQUIRED, b"", "text/plain")
                return
            body = self.rfile.read(int(length))
            path = urlsplit(self.path).path
            if self.host not in YOUTUBE or path not in {"/youtubei/v1/player", "/youtubei/v1/next"}:
                self.reply(request, HTTPStatus.NOT_FOUND, b"{}", _JSON)
                return
            payload: dict[str, Any] = json.loads(body)
            request.video = str(payload["videoId"])
            if path.endswith("/next"):
                self._next(request)
            else:
                self._player(request, payload)

    @contextmanager
    def noted(self) -> Iterator[Request]:
        """Add a log entry, with host and client."""
        with super().noted() as request:
            request.host, request.agent = self.host, self.headers.get("User-Agent")
            yield request

    def _page(self, request: Request, address: SplitResult) -> None:
        """Answer a request for one of YouTube's pages."""
        path = address.path
        if path.startswith("/s/player/"):
            script = self.scripts.get(path.split("/")[3])
            if script is None:
                self.reply(request, HTTPStatus.NOT_FOUND, b"", "text/plain")
            else:
                self.reply(request, HTTPStatus.OK, script, _SCRIPT)
        elif path == "/watch":
            self._watch(request, address)
        elif path == "/iframe_api":
            self.reply(request, HTTPStatus.OK, pages.iframe_api(Script.SOLVABLE), _SCRIPT)
        elif path in {"/", "/tv"} or path.startswith("/embed/"):
            request.video = path.removeprefix("/embed/") if path.startswith("/embed/") else None
            answer = self.server.site.orders.answer(request.video or "")
            page = pages.configuration_page(self._configuration(path, answer))
            self.reply(request, HTTPStatus.OK, page, _HTML)
        else:
            self.reply(request, HTTPStatus.NOT_FOUND, b"", "text/plain")

    def _watch(self, request: Request, address: SplitResult) -> None:
        youtube_id = parse_qs(address.query).get("v", [""])[0]
        request.video, request.client = youtube_id, "web"
        answer, fault, refusal = self.server.site.orders.watch(youtube_id)
        if refusal is not None:
            request.ordered = "refused"
        if self.hindered(request, fault):
            return
        response = self._response(BY_NAME["web"], youtube_id, answer, account.of_page(self._cookies))
        data = pages.initial_data(response["videoDetails"])
        page = pages.watch_page(youtube_id, self._configuration("/watch", answer), response, data)
        self.reply(request, HTTPStatus.OK, page, _HTML, fault)

    def _next(self, request: Request) -> None:
        facts = self.server.site.facts(request.video or "") or {}
        data = pages.initial_data({"title": facts.get("title", ""), "author": ""})
        self.reply(request, HTTPStatus.OK, json.dumps(data).encode(), _JSON)

    def _player(self, request: Request, payload: Mapping[str, Any]) -> None:
        """Answer a player request, after the checks that YouTube makes."""
        youtube_id = request.video or ""
        client = recognise(payload.get("context", {}).get("client", {}))
        visitor = account.of_request(
            self._cookies, self.headers.get("Authorization", ""), self.headers.get("Origin", "")
        )
        request.client = None if client is None else client.name
        playback = payload.get("playbackContext", {}).get("contentPlaybackContext", {})
        if visitor is Visitor.FORGED:
            request.refused = "authorization"
        elif client is None:
            request.refused = "client"
        elif playback.get("signatureTimestamp", SIGNATURE_TIMESTAMP) != SIGNATURE_TIMESTAMP:
            request.refused = "signatureTimestamp"
        elif client.name == "web_embedded" and playback.get("encryptedHostFlags") != pages.HOST_FLAGS:
            request.refused = "encryptedHostFlags"
        if request.refused is not None or client is None:
            unauthorized = visitor is Visitor.FORGED
            status = HTTPStatus.UNAUTHORIZED if unauthorized else HTTPStatus.BAD_REQUEST
            error = {"error": {"code": status.value, "message": f"{request.refused} is not accepted"}}
            self.reply(request, status, json.dumps(error).encode(), _JSON)
            return
        answer, fault, refusal = self.server.site.orders.player(youtube_id, client.name)
        if refusal is not None:
            request.ordered = "refused"
        if not self.hindered(request, fault):
            response = self._response(client, youtube_id, answer, visitor)
            if response["playabilityStatus"]["status"] != "OK" and refusal is None:
                request.ordered = "unplayable"
            self.reply(request, HTTPStatus.OK, json.dumps(response).encode(), _JSON, fault)

    def _response(self, client: Client, youtube_id: str, answer: Answer, visitor: Visitor) -> dict[str, Any]:
        site = self.server.site
        request = PlayerRequest(client, youtube_id, self.client_address[0], visitor)
        moved = site.orders.is_moved(youtube_id)
        return response_for(request, site.facts(youtube_id), answer, self.issued, moved=moved)

    def _configuration(self, path: str, answer: Answer) -> dict[str, Any]:
        request = pages.PageRequest(
            self.host or "",
            path,
            self.headers.get("User-Agent", ""),
            signed_in=account.of_page(self._cookies) is Visitor.ACCOUNT,
        )
        return pages.configuration(request, answer.script, f"Cgt{secrets.token_urlsafe(8)}KAE%3D")

    @property
    def _cookies(self) -> str:
        return self.headers.get("Cookie", "")

    def _video(self, request: Request, address: SplitResult) -> None:
        """Answer a request for media or a playlist, after checking its URL."""
        path, fields = address.path, addresses.read(address.path, address.query)
        issue, wrong = self.issued.check(fields, self.client_address[0])
        if issue is not None:
            request.video, request.client = issue.youtube_id, issue.client.name
        if issue is None or wrong is not None or issue.client.forbidden:
            request.refused = "c" if wrong is None else wrong.value
            self.reply(request, HTTPStatus.FORBIDDEN, b"", "text/plain")
            return
        self._address = issue, fields
        is_manifest = self.host == addresses.MANIFEST_HOST
        if is_manifest and path.startswith(addresses.VARIANT_PATH):
            playlist = hls.variant_playlist(self._offered(issue), partial(self.issued.playlist, issue))
            self.reply(request, HTTPStatus.OK, playlist, _PLAYLIST)
        elif is_manifest and path.startswith(addresses.PLAYLIST_PATH):
            itag = int(fields["itag"])
            where = partial(self.issued.segment, issue, itag)
            playlist = hls.media_playlist(self._segments(issue, itag), where)
            self.reply(request, HTTPStatus.OK, playlist, _PLAYLIST)
        elif path.startswith(MEDIA_PATH) and not is_manifest:
            self._media(request, issue, fields)
        else:
            self.reply(request, HTTPStatus.NOT_FOUND, b"", "text/plain")

    def _media(self, request: Request, issue: Issue, fields: Mapping[str, str]) -> None:
        if issue.is_early:
            request.refused = "early"
            self.reply(request, HTTPStatus.FORBIDDEN, b"", "text/plain")
            return
        segment = "sq" in fields
        fault = self.server.site.orders.media(issue.youtube_id, issue.client.name, segment=segment)
        if fault.status is HTTPStatus.FOUND:
            if self.host == addresses.MEDIA_HOST:
                request.ordered = str(fault.status.value)
                where = f"https://{addresses.OTHER_MEDIA_HOST}{self.path}"
                self.begin(request, fault.status, {"Location": where, "Content-Length": "0"})
                return
            fault = WELL
        if self.hindered(request, fault):
            return
        itag = int(fields["itag"])
        if segment:
            self.serve_file(request, self._segments(issue, itag)[int(fields["sq"])].path, "video/mp2t", fault)
            return
        path, kind = self.server.site.file(issue.youtube_id, itag) or (Path(), "")
        self.serve_file(request, path, kind, fault)

    def granted(self, request: Request, count: int) -> int:
        """Return how many of the requested bytes the URL still provides."""
        issue, fields = self._address
        most = self.server.site.orders.answer(issue.youtube_id).bytes_per_address
        if self.command == "HEAD":
            return count
        given = self.issued.take(issue, f"{fields['itag']}/{fields.get('sq', '')}", count, most)
        if given < count:
            request.ordered = "spent"
        return given

    def _offered(self, issue: Issue) -> list[dict[str, Any]]:
        """Return the properties of the offered formats of a film."""
        renditions: list[dict[str, Any]] = (self.server.site.facts(issue.youtube_id) or {})["renditions"]
        offers = self.server.site.orders.answer(issue.youtube_id).offers
        offered = None if offers is None else {offer.itag for offer in offers}
        return [one for one in renditions if offered is None or one["itag"] in offered]

    def _segments(self, issue: Issue, itag: int) -> list[hls.Segment]:
        rendition = next(one for one in self._offered(issue) if hls.itag_of(one) == itag)
        return self.cutter.segments(self.server.site.footage / issue.youtube_id / rendition["name"])


def main() -> None:
    """Serve until stdin is closed."""
    command_line = CommandLine("python -m hdtf_async.demo.proxy", __doc__, *_NAMES)
    for youtube_id, answer in command_line.answers.items():
        for name in answer.clients.keys() - BY_NAME.keys():
            command_line.parser.error(f"{youtube_id} has orders for {name}, which is not a client of yt-dlp")
    ProxyHandler.context = command_line.context
    ProxyHandler.issued = Addresses()
    scratch = command_line.options.ca.parent / "segments"
    scratch.mkdir()
    ProxyHandler.cutter = hls.Cutter(scratch, command_line.options.ffmpeg)
    ProxyHandler.scripts = {
        player_id: player_script(script, command_line.conditions.script_bytes).encode()
        for player_id, script in PLAYER_IDS.items()
    }
    proxy = Server(ProxyHandler)
    command_line.serve(proxy, port=proxy.server_port)


if __name__ == "__main__":
    main()
