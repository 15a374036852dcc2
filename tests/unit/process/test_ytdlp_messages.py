"""Every message with which yt-dlp can end has a class: its own source against `classify`."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import ytdlp_messages
from transcripts import FROM_YOUTUBE, FROM_YT_DLP, TABLES, TOGETHER, transcripts
from ytdlp_messages import Message, Row

from hdtf_async.core.failures import Reason
from hdtf_async.process import messages
from hdtf_async.process.stderr import classify

if TYPE_CHECKING:
    from pathlib import Path

ROWS = ytdlp_messages.rows()
REPORT = (
    "; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate "
    "issue template. Confirm you are on the latest version using  yt-dlp -U"
)
NOTHING = f"ERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response{REPORT}"
"""The error that only says that every request for the video failed."""
SOLVING = """WARNING: [youtube] [jsc] Error solving n challenge request using "deno" provider: {text}.
         input = X1
WARNING: [youtube] CPCoMyuBRM0: n challenge solving failed: Some formats may be missing."""
USAGE = """
Usage: yt-dlp [OPTIONS] URL [URL...]

yt-dlp: error: {text}"""
UNCAUGHT = """Traceback (most recent call last):
  File "/a/captcha.py", line 1, in x
    y("Private video")
{text}"""
PAGE = "ERROR: [youtube] CPCoMyuBRM0: Unable to download API page: {text} (caused by {error}('{text}'))"
PRINTED = (
    (
        r".* (report_warning|warning|warn|deprecated_feature)",
        f"WARNING: [youtube] CPCoMyuBRM0: {{text}}\n{NOTHING}",
    ),
    (r"extractor/youtube/jsc/.* JsChallenge.*", f"{SOLVING}\n{NOTHING}"),
    (r"extractor/youtube/(jsc|pot)/.*", f"ERROR: [youtube] [jsc] {{text}}\n{NOTHING}"),
    (r"extractor/.*", f"ERROR: [youtube] CPCoMyuBRM0: {{text}}{{caused}}{REPORT}"),
    (r"networking/.* UnsupportedRequest", "ERROR: Unable to handle request: {text} (requests, urllib)"),
    (r"(__init__|options)\.py (?!_exit|ImportError).*|(utils|networking)/.* (ValueError|error)", USAGE),
    (r"networking/.*", PAGE.replace("{error}", "TransportError")),
    (r"socks\.py .*", PAGE.replace("{error}", "ProxyError")),
    (r"postprocessor/.*", "ERROR: Postprocessing: {text}"),
    (r".* (SyntaxError|YoutubeDLError|UnsafeExecExpansionError)", UNCAUGHT),
    (r".* _exit", "{text}"),
    (r".*", "ERROR: {text}"),
)
"""The file and kind of a message, and the text around it; the first match counts."""
PLACEHOLDER = re.compile(r"\{[^{}]*\}")


def printed(message: Message, *, cause: str = "") -> str:
    """Return yt-dlp's stderr when this message is the reason for the end."""
    text = message.text
    if cause:
        held = [*PLACEHOLDER.finditer(text)]
        text = f"{text[: held[-1].start()]}{cause}{text[held[-1].end() :]}" if held else f"{text}: {cause}"
    around = next(
        template for who, template in PRINTED if re.fullmatch(who, f"{message.file} {message.kind}")
    )
    caused = f" (caused by TransportError('{cause}'))" if cause else ""
    return around.replace("{caused}", caused).replace("{text}", PLACEHOLDER.sub("X1", text))


def named(row: Row) -> str:
    """Return a short name of a row for the list of tests."""
    return f"{row.message.file}:{row.message.text[:40]}"


@pytest.mark.parametrize("row", [row for row in ROWS if row.reason not in {"-", "cause"}], ids=named)
def test_a_message_of_yt_dlp_has_the_class_that_was_decided(row: Row) -> None:
    """Each text of yt-dlp's source has the meaning in the table, printed as yt-dlp prints it."""
    assert classify(printed(row.message)) is Reason(row.reason)


_CAUSES = """\
unreachable       unreachable  HTTPSConnection(host='a', port=443): Failed to resolve 'a' ([Errno -3] Temporary failure)
unreachable       unreachable  HTTPConnection(host='a', port=1): Failed to establish a new connection: [Errno 111] Connection refused
unreachable       unreachable  HTTPConnection(host='a', port=1): Failed to establish a new connection: [Errno 113] No route to host
unreachable       unreachable  HTTPConnection(host='a', port=1): Failed to establish a new connection: [Errno 101] Network is unreachable
unreachable       unreachable  HTTPConnection(host='a', port=1): Failed to establish a new connection: [Errno 99] Cannot assign requested address
unreachable       unreachable  HTTPConnection(host='a', port=1): Failed to establish a new connection: [Errno 110] Connection timed out
unreachable       unreachable  HTTPConnection(host='a', port=1): Failed to establish a new connection: [Errno 13] Permission denied
unreachable       unreachable  (<HTTPSConnection(host='a', port=443) at 0x7f>, 'Connection to a timed out. (connect timeout=20.0)')
unreachable       unreachable  [Errno 99] Cannot assign requested address
unreachable       unreachable  <urlopen error [Errno -2] Name or service not known>
unreachable       unreachable  ('Unable to connect to proxy', NewConnectionError("HTTPSConnection(host='a', port=1): Failed to ..."))
unreachable       unreachable  ('Unable to connect to proxy', OSError('Tunnel connection failed: 403 Forbidden'))
unreachable       unreachable  <urlopen error Tunnel connection failed: 429 Too Many Requests>
bad_option        bad_option   ('Unable to connect to proxy', OSError('Tunnel connection failed: 407 Proxy Authentication Required'))
unreachable       unreachable  ('Unable to connect to proxy. Your proxy appears to only use HTTP and not HTTPS', SSLError(1, '[SSL: WRONG_VERSION_NUMBER] wrong version number'))
unreachable       unreachable  ('[Errno 77] unknown error', Socks5Error(77, 'unknown error'))
unreachable       unreachable  [SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] ssl/tls alert handshake failure (_ssl.c:1006)
certificate       certificate  [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)
network           network      HTTPSConnectionPool(host='a', port=443): Read timed out. (read timeout=20.0)
network           network      _ssl.c:989: The handshake operation timed out
network           network      [Errno 110] Connection timed out
network           network      ('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))
network           network      ('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))
network           network      ('Connection aborted.', BadStatusLine('x'))
network           network      [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1006)
network           network      500 bytes read, 500 more expected
network           network      [Errno 32] Broken pipe
network           network      HTTP Error 302: Found (redirect loop detected)
update_needed     forbidden    HTTP Error 400: Bad Request
cookies_needed    forbidden    HTTP Error 401: Unauthorized
refused           refused      HTTP Error 402: Payment Required
player_forbidden  forbidden    HTTP Error 403: Forbidden
network           forbidden    HTTP Error 404: Not Found
bad_option        bad_option   HTTP Error 407: Proxy Authentication Required
network           network      HTTP Error 408: Request Timeout
update_needed     forbidden    HTTP Error 410: Gone
cookies_needed    forbidden    HTTP Error 413: Request Entity Too Large
update_needed     forbidden    HTTP Error 414: URI Too Long
range_refused     range_refused HTTP Error 416: Requested range not satisfiable
refused           refused      HTTP Error 429: Too Many Requests
other_place       forbidden    HTTP Error 451: Unavailable For Legal Reasons
network           network      HTTP Error 500: Internal Server Error
network           network      HTTP Error 503: Service Unavailable
"""  # noqa: E501 - quoted as printed
CAUSES = [(line.split(maxsplit=2)[2], *line.split(maxsplit=2)[:2]) for line in _CAUSES.splitlines()]
"""Causes of failed requests, with their classes for a page and for media."""


@pytest.mark.parametrize("row", [row for row in ROWS if row.reason == "cause"], ids=named)
def test_a_failed_request_has_the_class_of_its_cause(row: Row) -> None:
    """The cause decides, and whether the player API or the media server was requested."""
    of_media = re.search(r"video data|\[download\]|m3u8|manifest", row.message.text) is not None
    got = {cause: classify(printed(row.message, cause=cause)) for cause, *_ in CAUSES}
    assert got == {cause: Reason(media if of_media else page) for cause, page, media in CAUSES}


@pytest.mark.parametrize(("cause", "page", "media"), CAUSES)
def test_a_warning_about_the_player_api_explains_an_error_without_a_cause(
    cause: str, page: str, media: str
) -> None:
    """yt-dlp reports the failure of each client in warnings, and ends with an error without a cause."""
    del media
    warning = f"WARNING: [youtube] CPCoMyuBRM0: Unable to download API page: {cause} (caused by E('{cause}'))"
    assert classify(f"{warning}\n{NOTHING}") is Reason(page)


def test_every_row_of_the_tables_is_about_a_real_message() -> None:
    """Every expression in the tables matches a text of yt-dlp, YouTube or the system."""
    real = [message for text in (FROM_YOUTUBE, FROM_YT_DLP, TOGETHER) for _, message in transcripts(text)]
    real += [printed(row.message) for row in ROWS if row.reason not in {"-", "cause"}]
    real += [printed(row.message, cause=c) for row in ROWS if row.reason == "cause" for c, *_ in CAUSES]
    plain = [
        " ".join(message.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
        for message in real
    ]
    rows = [row for name in TABLES for row in getattr(messages, name)]
    assert [pattern.pattern for _, pattern in rows if not any(map(pattern.search, plain))] == []


def test_the_table_is_complete() -> None:
    """Every message has a reason, or a note why it cannot end the download of a YouTube video."""
    counts = Counter(row.message for row in ROWS)
    assert [message for message, count in counts.items() if count > 1] == []
    reasons = {*Reason, "cause", "-"}
    assert [row for row in ROWS if row.reason not in reasons or (row.reason == "-") != bool(row.note)] == []
    assert {version for row in ROWS for version in row.versions} == {"2026.08.19", "2026.10.26"}


@pytest.mark.slow
def test_the_table_has_what_the_installed_yt_dlp_prints() -> None:
    """Table and source agree; with a newer yt-dlp this test fails if it prints unclassified messages."""
    root = ytdlp_messages.package()
    assert ytdlp_messages.changes(ROWS, ytdlp_messages.extract(root), ytdlp_messages.version(root)) == []


@pytest.mark.slow
def test_what_a_newer_yt_dlp_adds_or_changes_is_listed(tmp_path: Path) -> None:
    """New, changed and removed messages each have a line."""
    root = tmp_path / "yt_dlp"
    shutil.copytree(
        ytdlp_messages.package(), root, ignore=shutil.ignore_patterns("__pycache__", "[a-z]*.pyc")
    )
    (root / "version.py").write_text("__version__ = '2027.01.01'\n")
    video = root / "extractor/youtube/_video.py"
    source = video.read_text(encoding="utf-8")
    for old, new in (
        ("'Failed to extract any player response'", "'Failed to extract any single player response'"),
        (
            "raise ExtractorError(f'Cannot identify player {player_url!r}')",
            "raise ExtractorError(player_url)",
        ),
        (
            "raise ExtractorError(f'Invalid URL: {url}')",
            "raise ExtractorError(f'Invalid URL: {url}')\n        self.report_warning('Brand ' f'new {url}')",
        ),
    ):
        assert old in source
        source = source.replace(old, new)
    video.write_text(source, encoding="utf-8")
    listed = ytdlp_messages.changes(ROWS, ytdlp_messages.extract(root), ytdlp_messages.version(root))
    assert [line for line in listed if "extractor/youtube/_video.py" in line] == [
        "changed extractor/youtube/_video.py ExtractorError: Failed to extract any player response"
        " -> Failed to extract any single player response",
        "new extractor/youtube/_video.py report_warning: Brand new {url}",
        "gone extractor/youtube/_video.py ExtractorError: Cannot identify player {player_url}",
    ]


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("raise ExtractorError(f'a text of {x!r}' if y else 'no text')", ["a text of {x}", "no text"]),
        (
            "def f(self):\n  msg = 'one text'\n  if x:\n    msg = f'{msg}: {y}'\n  self.report_error(msg)",
            ["one text", "one text: {y}"],
        ),
        ("report_warning('%s of %d texts' % (a, b))", ["{} of {} texts"]),
        ("report_warning('some {} text {}'.format('of mine', x))", ["some of mine text {x}"]),
        ("def f(errnote='Unable to get it'): pass", ["Unable to get it"]),
        ("get(url, note='Getting it', errnote='It failed')", ["It failed"]),
        ("fetch(url, 'Failed to get it')", ["Failed to get it"]),
        ("write_debug('Failed to get it')", []),
        ("report_error(str(e))", []),
        ("class NoError(Exception):\n  msg = 'no text'", ["no text"]),
        ("CODES = {1: 'first text'}", ["first text"]),
    ],
)  # fmt: skip
def test_messages_are_found_in_source(source: str, texts: list[str]) -> None:
    """Literals, placeholders, conditions, variables and defaults are read; other calls are not."""
    assert sorted(text for _, text in ytdlp_messages.messages(source)) == sorted(texts)
