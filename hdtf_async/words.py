"""What a tool's words mean: from stderr to a `Reason`. Pure.

`classify` reads what yt-dlp wrote, `classify_ffmpeg` what ffmpeg wrote. A message that is not in the tables
here is `Reason.UNKNOWN`, with its last words kept: a person has to categorise it, and nothing is guessed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hdtf_async.failures import ESCAPES, Action, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

_Known = tuple[tuple[Reason, str], ...]


def _known(table: str) -> _Known:
    """Read a table of known words: on each line a reason and, after it, words that mean it."""
    rows = (line.split(maxsplit=1) for line in table.strip().splitlines())
    return tuple((Reason(reason), words) for reason, words in rows)


# Words are looked for in lower case, with straight apostrophes and single spaces; the first row that occurs
# decides. Most are yt-dlp's own. Those about one video's fate are YouTube's, which yt-dlp hands on unchanged.
_REFUSALS = _known("""
    refused             confirm you're not a bot
    refused             rate-limited by youtube
    refused             content isn't available, try again later
    refused             http error 429
    refused             ip is likely being blocked
    refused             captcha
""")

_KNOWN = _known("""
    age                 confirm your age
    age                 video is age-restricted
    cookies_needed      members-only
    cookies_needed      please sign in
    cookies_needed      login details are needed
    cookies_needed      only available for registered users
    cookies_needed      does not look like a netscape format cookies file
    cookies_needed      cookies file must be netscape formatted
    cookies_needed      account cookies are no longer valid
    cookies_needed      failed to load cookies
    cookies_needed      cookies database
    update_needed       no supported javascript runtime
    update_needed       challenge solving failed
    update_needed       signature solving failed
    update_needed       sabr-only
    update_needed       gvs po token
    other_place         not made this video available in your country
    other_place         blocked it in your country
    other_place         not available in your country
    other_place         not available from your location due to geo restriction
    not_yet             premieres in
    not_yet             premiere will begin
    not_yet             live event will begin
    not_yet             processing this video
    private             private video
    private             this video is private
    removed             removed by the uploader
    removed             removed for violating
    terminated          account associated with this video has been terminated
    terminated          uploader has closed their youtube account
    copyright           copyright claim
    copyright           on copyright grounds
    drm                 drm protected
    unavailable         this video is unavailable
    unavailable         this video is not available
    unavailable         video unavailable
    disk_full           no space left on device
    disk_full           disk quota exceeded
    not_writable        unable to open for writing
    not_writable        unable to write data
    not_writable        unable to create directory
    tool_missing        ffmpeg not found
    tool_missing        ffmpeg is not installed
    tool_failed         error: postprocessing:
    tool_failed         error: no such option
    certificate         certificate_verify_failed
    certificate         certificate verify failed
    range_refused       http error 416
    forbidden           http error 403
    forbidden           http error 404
    forbidden           not found, unable to continue
    unreachable         failed to resolve
    network             temporary failure in name resolution
    network             name or service not known
    network             timed out
    network             connection refused
    network             connection reset
    network             connection aborted
    network             remote end closed connection
    network             network is unreachable
    network             no route to host
    network             failed to establish a new connection
    network             unexpected_eof_while_reading
    network             unable to connect to proxy
    network             more expected
    network             content too short
    network             http error 5
""")

# What yt-dlp says when it ends up empty-handed: a warning beside it knows better.
_EMPTY_HANDED = _known("""
    format_unavailable  requested format is not available
    update_needed       no video formats found!
""")

# An unknown encoder also ends in "error opening output", which alone would blame the directory.
_FFMPEG = _known("""
    disk_full           no space left on device
    disk_full           disk quota exceeded
    interval_outside    output file is empty
    box_does_not_fit    invalid too big or non positive size
    tool_failed         unknown encoder
    tool_failed         option not found
    tool_failed         unrecognized option
    tool_failed         no such filter
    not_writable        error opening output
    not_writable        read-only file system
    raw_unreadable      invalid data found when processing input
    raw_unreadable      moov atom not found
    raw_unreadable      error opening input
    raw_unreadable      not on whitelist
    raw_unreadable      matches no streams
""")

# A warning alone never declares a video gone: "some formats are DRM protected" leaves the others.
_IN_WARNINGS = tuple(row for row in _KNOWN if row[0].advice.action is not Action.NEVER)

_PATH = re.compile(r"'/[^']*'|\"/[^\"]*\"")
_RETRYING = re.compile(r"retrying\b.*\(\d+/\S+\)")


def classify(words: Iterable[str] | str) -> Reason:
    """Say what yt-dlp's stderr means; `Reason.UNKNOWN` if no known words occur in it.

    A refusal of the address counts wherever it stands, for yt-dlp often tells it in a warning only. After
    that the errors decide; then, where they say nothing that is known, the warnings, except that a warning
    alone never declares a video gone; last come the errors that only say that nothing was found. The hint
    about cookies, which YouTube's private, age and bot messages share, decides nothing.
    """
    errors, warnings = _sorted_out(words)
    return (
        _first(_REFUSALS, f"{errors} {warnings}")
        or _first(_KNOWN, errors)
        or _first(_IN_WARNINGS, warnings)
        or _first(_EMPTY_HANDED, errors)
        or Reason.UNKNOWN
    )


def classify_ffmpeg(words: Iterable[str] | str) -> Reason:
    """Say what ffmpeg's stderr means, once it has ended with an error.

    `Reason.TOOL_FAILED` if no known words occur in it: that ffmpeg failed is known, and no more.
    """
    text = " ".join(_plain(line) for line in _lines(words))
    return _first(_FFMPEG, " ".join(text.split())) or Reason.TOOL_FAILED


def connection_cause(words: str) -> str:
    """Say in a clause why no connection was made, such as ``cannot resolve www.youtube.com``; else empty."""
    found = re.search(r"Failed to resolve '([\w.-]{1,255})'", words)
    return f"cannot resolve {found[1]}" if found else ""


def same_message_key(words: str) -> str:
    """Reduce the last error to what is the same for different videos."""
    errors = [line for line in words.splitlines() if line.startswith("ERROR:")]
    return re.sub(r"\[[^\]]*\] [\w-]{11}: |\d+", "", errors[-1]) if errors else ""


def _lines(words: Iterable[str] | str) -> list[str]:
    """Split into lines what may be one text or many lines, with or without their ends."""
    return (words if isinstance(words, str) else "\n".join(words)).splitlines()


def _plain(line: str) -> str:
    """Make a line fit for the tables; a directory that happens to be called "captcha" drops out."""
    line = _PATH.sub("''", ESCAPES.sub("", line))
    return line.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def _sorted_out(words: Iterable[str] | str) -> tuple[str, str]:
    """Split what yt-dlp said into errors and warnings, each as one line that is easy to search.

    A line without a prefix goes with the line before it, since YouTube's reasons may have several.
    """
    errors: list[str] = []
    warnings: list[str] = []
    current = errors
    for line in map(_plain, _lines(words)):
        if line.startswith(("warning:", "[debug]", "deprecated feature:")):
            current = warnings
        elif line.startswith("error:"):
            current = errors
        (warnings if _RETRYING.search(line) else current).append(line)
    return " ".join(" ".join(errors).split()), " ".join(" ".join(warnings).split())


def _first(table: _Known, text: str) -> Reason | None:
    """Find the first row of a table whose words occur in the text."""
    return next((reason for reason, words in table if words in text), None)
