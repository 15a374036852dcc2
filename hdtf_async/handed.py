"""What of a user's words may be handed on to yt-dlp: no option that the supervisor sets, no address."""

from __future__ import annotations

from urllib.parse import urlsplit

from hdtf_async.masks import without_secrets

_OWNED = (
    "--output", "--paths", "--print", "--print-to-file", "--exec", "--no-exec", "--exec-before-download",
    "--part", "--no-part", "--format", "--dump-json", "--dump-single-json", "--load-info-json",
    "--simulate", "--no-simulate", "--skip-download", "--batch-file", "--config-locations", "--ignore-config",
    "--progress-template", "--newline", "--progress", "--no-progress", "--quiet", "--no-warnings",
    "--cookies", "--cookies-from-browser", "--proxy", "--ffmpeg-location", "--update", "--update-to",
    "--no-check-certificates", "--alias", "--continue", "--no-continue", "--write-info-json",
    "--playlist-items", "--yes-playlist", "--abort-on-error", "--ignore-errors", "--help", "--version",
    "--preset-alias", "--list-formats",
    "--download-sections", "--merge-output-format", "--remux-video", "--recode-video", "--extract-audio",
)  # fmt: skip
_PROXIES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_PROXY_TAKES = (
    "takes SCHEME://[USER:PASSWORD@]HOST[:PORT], with percent signs for what is special in a password;"
    f" the schemes are {', '.join(_PROXIES)}"
)
_OWNED_LETTERS = "ofPOFJjaqsgUixht"
_LETTERS_WITH_A_VALUE = "ISNRrup2"
"""Of yt-dlp's other short options those behind which a value may follow in the same word."""


def yt_dlp_arguments(value: tuple[str, ...]) -> str | None:
    """Refuse what the supervisor itself decides; a shortened name could be any of them, so it too."""
    for argument in value:
        owned = _owned(argument.split("=", 1)[0])
        if owned:
            return f"cannot take {owned}: hdtf_async sets it itself (for cookies and a proxy it has options)"
        if argument.startswith(("http:", "https:")):
            return f"takes options of yt-dlp, not addresses such as {without_secrets(argument)[:80]!r}"
    return None


def _owned(name: str) -> str:
    """Return the option that a word for yt-dlp sets and the supervisor owns; empty where there is none."""
    if name.startswith("--"):
        return name if any(known.startswith(name) for known in _OWNED) else ""
    # Short ones may stand together in one word, up to one that takes the rest as its value.
    for letter in name[1:] if name.startswith("-") else "":
        if letter in _OWNED_LETTERS:
            return f"-{letter}"
        if letter in _LETTERS_WITH_A_VALUE:
            break
    return ""


def proxy(value: str) -> str | None:
    """Say what is wrong with a proxy's address, and not what it is: there may be a password in it."""
    try:
        parts = urlsplit(value if "//" in value else f"http://{value}")
        fine = not value or (parts.scheme.lower() in _PROXIES and parts.hostname and parts.port != 0)
    except ValueError:  # a port that is no number, brackets that do not match
        fine = False
    return None if fine else _PROXY_TAKES
