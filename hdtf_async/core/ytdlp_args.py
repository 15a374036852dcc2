"""Which user options are passed to yt-dlp: no option that the supervisor sets, no URL."""

from __future__ import annotations

from urllib.parse import urlsplit

from hdtf_async.core.redact import without_secrets
from hdtf_async.core.text import shown

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
PROXY = (
    "SCHEME://[USER:PASSWORD@]HOST[:PORT], such as socks5://127.0.0.1:9050 (schemes:"
    f" {', '.join(_PROXIES)}; special characters of a password percent-encoded)"
)
"""What `is_proxy` accepts."""
_OWNED_LETTERS = "ofPOFJjaqsgUixht"
_LETTERS_WITH_A_VALUE = "ISNRrup2"
"""yt-dlp's other short options that may be followed by a value in the same word."""


def yt_dlp_arguments(value: tuple[str, ...]) -> str | None:
    """Return an error for options that the supervisor sets, including their abbreviations."""
    for argument in value:
        owned = _owned(argument.split("=", 1)[0])
        if owned:
            return (
                f"{owned} is not allowed: hdtf_async sets it (see --cookies, --cookies-from-browser, --proxy)"
            )
        if argument.startswith(("http:", "https:")):
            return f"expected options of yt-dlp, not a URL such as {shown(without_secrets(argument))}"
    return None


def _owned(name: str) -> str:
    """Return the option in an argument for yt-dlp that the supervisor owns; empty if there is none."""
    if name.startswith("--"):
        return name if any(option.startswith(name) for option in _OWNED) else ""
    # Short options may be combined in one word, up to one that takes the rest as its value.
    for letter in name[1:] if name.startswith("-") else "":
        if letter in _OWNED_LETTERS:
            return f"-{letter}"
        if letter in _LETTERS_WITH_A_VALUE:
            break
    return ""


def is_proxy(value: str) -> bool:
    """Return whether a text is the URL of a proxy that yt-dlp supports; empty means no proxy."""
    try:
        parts = urlsplit(value if "//" in value else f"http://{value}")
        return not value or bool(parts.scheme.lower() in _PROXIES and parts.hostname and parts.port != 0)
    except ValueError:  # an invalid port, or unbalanced brackets
        return False
