"""The light mock: a loopback site that answers yt-dlp's YouTube extractor and serves generated footage.

``python -m hdtf_async.demo.site --footage DIR --ca FILE`` is a separate process, so that its CPU time does
not affect the event loop of its user. It listens on two ports of 127.0.0.1 that the system chooses:

- https for ``POST /youtubei/v1/player``, with a certificate of a temporary CA, whose public part it writes to
  FILE;
- plain http for the media (``GET`` and ``HEAD``, whole or by ``Range``), and for its own log (``GET /log``).

It prints one line of JSON when it is ready, serves until its stdin is closed, and then exits. Since the
system closes a dead parent's pipes, it does not outlive its parent.

`answers` defines how it deviates from YouTube without failures; `faults` implements that.
"""

from __future__ import annotations

import json
import ssl
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from hdtf_async.demo.player import MEDIA_PATH, PLAYER_PATH, Signer, player_response
from hdtf_async.demo.server import HOST, LOG_PATH, CommandLine, Handler, Request, Server


class _TlsServer(Server):
    def __init__(self, handler: type[Handler], context: ssl.SSLContext) -> None:
        super().__init__(handler)
        self._context = context

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        """Leave the handshake to the connection's own thread: a slow one must not block others."""
        connection, address = self.socket.accept()
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address


class PlayerHandler(Handler):
    """Answers player requests as YouTube."""

    media = ""
    """Scheme, host and port of the media server; set when known."""
    signer: Signer
    """Signs the issued URLs."""

    def do_POST(self) -> None:  # noqa: N802 - http.server looks for this name
        """Answer a player request; everything else is an error."""
        site = self.server.site
        with self.noted() as request:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if urlsplit(self.path).path != PLAYER_PATH:
                self.reply(request, HTTPStatus.NOT_FOUND, b"{}", "application/json")
                return
            request.video = youtube_id = str(json.loads(body)["videoId"])
            answer, fault, refusal = site.orders.player(youtube_id)
            if refusal is not None:
                request.ordered = "refused"
            elif answer.playability is not None:
                request.ordered = "unplayable"
            if not self.hindered(request, fault):
                address = partial(self.signer.address, self.media, youtube_id)
                response = player_response(youtube_id, site.facts(youtube_id), answer, address)
                content = json.dumps(response).encode()
                self.reply(request, HTTPStatus.OK, content, "application/json", fault)


class MediaHandler(Handler):
    """Serves the media, and the log."""

    signer: Signer
    """Has signed the valid URLs."""

    def do_GET(self) -> None:  # noqa: N802
        """Answer a request for media or for the log."""
        address = urlsplit(self.path)
        if address.path == LOG_PATH:
            log = self.server.site.log.lines()
            self.reply(Request(0, "GET", self.path), HTTPStatus.OK, log, "text/plain")
            return
        with self.noted() as request:
            fields = self.signer.read(address.query) if address.path == MEDIA_PATH else None
            if fields is None:
                self.reply(request, HTTPStatus.FORBIDDEN, b"", "text/plain")
                return
            request.video = fields["id"]
            found = self.server.site.file(fields["id"], int(fields["itag"]))
            if found is None:
                self.reply(request, HTTPStatus.NOT_FOUND, b"", "text/plain")
                return
            fault = self.server.site.orders.media(fields["id"])
            if not self.hindered(request, fault):
                self.serve_file(request, *found, fault)

    do_HEAD = do_GET  # noqa: N815 - http.server looks for this name


def main() -> None:
    """Serve until stdin is closed."""
    command_line = CommandLine("python -m hdtf_async.demo.site", __doc__, HOST)
    media, player = Server(MediaHandler), _TlsServer(PlayerHandler, command_line.context)
    PlayerHandler.signer = MediaHandler.signer = Signer()
    PlayerHandler.media = f"http://{HOST}:{media.server_port}"
    command_line.serve(media, player, player=player.server_port, media=media.server_port)


if __name__ == "__main__":
    main()
