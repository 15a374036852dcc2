"""Why a video or clip could not be had, and what follows from it: one table that the whole project reads.

Whatever goes wrong with one video or clip ends as a `Failure`, which carries a `Reason`. Every reason has
one row of advice (`Reason.advice`): what it means, what a person should do, what the program does (`Action`)
and which exit code (`ExitCode`) a run gets that ends with it. The pipeline, the report, ``failures.jsonl``
and the README all take their words and their deeds from that table: a reason is described in one place only.

The reasons fall into these families:

- the address: ``refused``. It concerns every video alike, so the network lane is closed.
- what only you can mend: ``cookies_needed``, ``age``, ``update_needed``, ``other_place``,
  ``format_unavailable``, ``certificate``.
- gone for good: ``private``, ``removed``, ``terminated``, ``copyright``, ``drm``, ``unavailable``.
- passing: ``not_yet``, ``network``, ``forbidden``, ``range_refused``, ``timed_out``, ``stalled``,
  ``raw_truncated``, ``raw_unreadable``, ``not_tried``.
- this machine: ``disk_full``, ``not_writable``, ``tool_missing``, ``tool_failed``.
- the tables against the video: ``box_does_not_fit``, ``height_unknown``, ``interval_outside``,
  ``clip_wrong``.
- ``unknown``: words that nobody has categorised yet. There is no default that guesses.

`classify` reads what yt-dlp wrote to stderr, `classify_ffmpeg` what ffmpeg wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Action(StrEnum):
    """What the program itself does about a failure."""

    RETRY = "retry"
    """It passes: the same run tries again after a back-off, a bounded number of times."""
    LATER = "later"
    """It passes, but not while this run waits: the next run tries again by itself."""
    NEVER = "never"
    """Gone for good: not tried again unless that is asked for with ``--retry-failed``."""
    ASK = "ask"
    """A person has to do something first: not tried again in this run."""
    CLOSE = "close"
    """The address is refused: no further download is started, and the lane is closed if that goes on."""


class ExitCode(IntEnum):
    """The exit codes of the command line; `exit_code` says which one a set of reasons leads to."""

    DONE = 0
    """All that was asked for is there."""
    GIVEN_UP = 1
    """The rest is gone for good or needs you."""
    USAGE = 2
    """The command line or the tables are wrong."""
    REFUSED = 3
    """Stopped early: YouTube is refusing this address."""
    LOCAL = 4
    """Local trouble: disk full, not writable, a tool missing, another run at work."""
    PASSING = 75
    """Some failed in passing: another run may help."""
    INTERRUPTED = 130
    """Interrupted (SIGINT)."""
    TERMINATED = 143
    """Terminated (SIGTERM)."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One row of the table: what a reason means and what follows from it."""

    meaning: str
    """One sentence: what has happened."""
    remedy: str
    """One sentence: what a person should do."""
    action: Action
    """What the program does by itself."""
    exit_code: ExitCode
    """Exit code of a run that ends with such a failure and none that weighs more."""


class Reason(StrEnum):
    """Why a video or clip could not be had. The values are stable: they stand in journals and reports."""

    REFUSED = "refused"
    COOKIES_NEEDED = "cookies_needed"
    AGE = "age"
    UPDATE_NEEDED = "update_needed"
    OTHER_PLACE = "other_place"
    PRIVATE = "private"
    REMOVED = "removed"
    TERMINATED = "terminated"
    COPYRIGHT = "copyright"
    DRM = "drm"
    UNAVAILABLE = "unavailable"
    NOT_YET = "not_yet"
    FORMAT_UNAVAILABLE = "format_unavailable"
    NETWORK = "network"
    CERTIFICATE = "certificate"
    FORBIDDEN = "forbidden"
    RANGE_REFUSED = "range_refused"
    DISK_FULL = "disk_full"
    NOT_WRITABLE = "not_writable"
    TOOL_MISSING = "tool_missing"
    TOOL_FAILED = "tool_failed"
    TIMED_OUT = "timed_out"
    STALLED = "stalled"
    RAW_TRUNCATED = "raw_truncated"
    RAW_UNREADABLE = "raw_unreadable"
    BOX_DOES_NOT_FIT = "box_does_not_fit"
    HEIGHT_UNKNOWN = "height_unknown"
    INTERVAL_OUTSIDE = "interval_outside"
    CLIP_WRONG = "clip_wrong"
    NOT_TRIED = "not_tried"
    UNKNOWN = "unknown"

    @property
    def advice(self) -> Advice:
        """This reason's row of the table."""
        return ADVICE[self]


ADVICE: dict[Reason, Advice] = {
    Reason.REFUSED: Advice(
        "YouTube takes this address for a robot or says that it asks too often, and refuses it.",
        "Wait some hours, then run again with a longer --pace, from another address or with --cookies.",
        Action.CLOSE,
        ExitCode.REFUSED,
    ),
    Reason.COOKIES_NEEDED: Advice(
        "The video is only shown to people who are signed in, or the cookies that were given do not work.",
        "Export fresh cookies in Netscape format from a browser that can play the video, and give --cookies.",
        Action.ASK,
        ExitCode.GIVEN_UP,
    ),
    Reason.AGE: Advice(
        "The video is only shown to people whose age YouTube knows.",
        "Give --cookies of an account whose age is confirmed.",
        Action.ASK,
        ExitCode.GIVEN_UP,
    ),
    Reason.UPDATE_NEEDED: Advice(
        "This yt-dlp, or its JavaScript runtime, can no longer follow how YouTube hands out videos.",
        "Run `hdtf-async doctor`, update yt-dlp with pip install -U 'yt-dlp[default,deno]', then run again.",
        Action.ASK,
        ExitCode.GIVEN_UP,
    ),
    Reason.OTHER_PLACE: Advice(
        "The video may not be watched from the country of this address.",
        "Run again from another country, or through --proxy.",
        Action.ASK,
        ExitCode.GIVEN_UP,
    ),
    Reason.PRIVATE: Advice(
        "The uploader has made the video private.",
        "Nothing can be done, unless the uploader shares it with you and you give --cookies.",
        Action.NEVER,
        ExitCode.GIVEN_UP,
    ),
    Reason.REMOVED: Advice(
        "The video was removed by its uploader or by YouTube.",
        "Nothing can be done; a copy that you already have can be used through --raw-dir.",
        Action.NEVER,
        ExitCode.GIVEN_UP,
    ),
    Reason.TERMINATED: Advice(
        "The video went with its uploader's account, which was closed.",
        "Nothing can be done; a copy that you already have can be used through --raw-dir.",
        Action.NEVER,
        ExitCode.GIVEN_UP,
    ),
    Reason.COPYRIGHT: Advice(
        "The video was taken down or blocked for a copyright claim.",
        "Nothing can be done here; a copy that you already have can be used through --raw-dir.",
        Action.NEVER,
        ExitCode.GIVEN_UP,
    ),
    Reason.DRM: Advice(
        "The video is only offered with copy protection.",
        "Nothing can be done; a copy that you already have can be used through --raw-dir.",
        Action.NEVER,
        ExitCode.GIVEN_UP,
    ),
    Reason.UNAVAILABLE: Advice(
        "YouTube says that the video is not available, and not why.",
        "Open its address in a browser; if it plays there, run again with --retry-failed.",
        Action.NEVER,
        ExitCode.GIVEN_UP,
    ),
    Reason.NOT_YET: Advice(
        "The video is a premiere or live broadcast that is not over, or is still being processed.",
        "Run again when it is over.",
        Action.LATER,
        ExitCode.PASSING,
    ),
    Reason.FORMAT_UNAVAILABLE: Advice(
        "YouTube offers the video, but in no rendition that would be acceptable.",
        "Read the words for what was offered; --resolution reference accepts more than exact does.",
        Action.ASK,
        ExitCode.GIVEN_UP,
    ),
    Reason.NETWORK: Advice(
        "The network or YouTube's servers failed for the moment.",
        "Run again later; if it stays so, check the connection, the name server and --proxy.",
        Action.RETRY,
        ExitCode.PASSING,
    ),
    Reason.CERTIFICATE: Advice(
        "The server's certificate could not be verified, so nothing was fetched from it.",
        "Check this machine's clock and certificates, and whether a proxy opens the encrypted connection.",
        Action.ASK,
        ExitCode.LOCAL,
    ),
    Reason.FORBIDDEN: Advice(
        "YouTube's media server turned down the address that it had given out (403 or 404).",
        "Run again; if several videos fail like this, update yt-dlp and run `hdtf-async doctor`.",
        Action.RETRY,
        ExitCode.PASSING,
    ),
    Reason.RANGE_REFUSED: Advice(
        "A partial download could not be continued where it had stopped (416).",
        "Run again: the partial file has been deleted, and the download begins anew.",
        Action.RETRY,
        ExitCode.PASSING,
    ),
    Reason.DISK_FULL: Advice(
        "There is no room left on the disk, or less than --min-free.",
        "Make room and run again; --no-keep-raw needs least.",
        Action.ASK,
        ExitCode.LOCAL,
    ),
    Reason.NOT_WRITABLE: Advice(
        "A file or directory could not be written.",
        "Check the permissions of the output directory, and that it is not mounted read-only.",
        Action.ASK,
        ExitCode.LOCAL,
    ),
    Reason.TOOL_MISSING: Advice(
        "A tool that the job needs was not found or could not be started.",
        "Run `hdtf-async doctor`; it names what is missing and how to get it.",
        Action.ASK,
        ExitCode.LOCAL,
    ),
    Reason.TOOL_FAILED: Advice(
        "A tool ended with an error that is neither the video's nor the network's.",
        "Read the tool's last words beside this reason, and any extra arguments that you gave it.",
        Action.ASK,
        ExitCode.GIVEN_UP,
    ),
    Reason.TIMED_OUT: Advice(
        "A tool was ended because it had not finished by its deadline.",
        "Run again; on a slow line take fewer --downloads at a time.",
        Action.RETRY,
        ExitCode.PASSING,
    ),
    Reason.STALLED: Advice(
        "A tool was ended because nothing had moved for a long time.",
        "Run again; on a slow line take fewer --downloads at a time.",
        Action.RETRY,
        ExitCode.PASSING,
    ),
    Reason.RAW_TRUNCATED: Advice(
        "The download is shorter than was promised.",
        "Run again: it was not used, and is fetched anew.",
        Action.RETRY,
        ExitCode.PASSING,
    ),
    Reason.RAW_UNREADABLE: Advice(
        "The download, or the raw that you gave, cannot be read as video.",
        "Run again: it was not used, and is fetched anew; a raw of your own has to be replaced by you.",
        Action.RETRY,
        ExitCode.PASSING,
    ),
    Reason.BOX_DOES_NOT_FIT: Advice(
        "The published box leaves the frame of the video.",
        "Look at the video: --corrections unverified has other boxes for some of these; else mend the table.",
        Action.ASK,
        ExitCode.GIVEN_UP,
    ),
    Reason.HEIGHT_UNKNOWN: Advice(
        "The tables do not say at which height the box was measured, so it cannot be placed.",
        "Use --corrections verified or unverified, or write the height into the resolution table.",
        Action.ASK,
        ExitCode.GIVEN_UP,
    ),
    Reason.INTERVAL_OUTSIDE: Advice(
        "The published interval ends beyond the end of the video.",
        "Compare the video with the table: it may have been shortened or replaced since it was annotated.",
        Action.ASK,
        ExitCode.GIVEN_UP,
    ),
    Reason.CLIP_WRONG: Advice(
        "The encoder's output has not the size or the number of frames that it should have; it was deleted.",
        "Delete the video's raw and run again; if it stays so, report it with the words beside this reason.",
        Action.ASK,
        ExitCode.GIVEN_UP,
    ),
    Reason.NOT_TRIED: Advice(
        "The run ended, or the network lane was closed, before its turn came.",
        "Run again.",
        Action.LATER,
        ExitCode.PASSING,
    ),
    Reason.UNKNOWN: Advice(
        "Something failed with words that this program does not know.",
        "Read the last words beside this reason; another run may help, and so may a newer yt-dlp.",
        Action.RETRY,
        ExitCode.GIVEN_UP,
    ),
}
"""The table. The order of the rows is the order in which the README lists them."""

_WEIGHT = (ExitCode.LOCAL, ExitCode.REFUSED, ExitCode.PASSING, ExitCode.GIVEN_UP)


def exit_code(reasons: Iterable[Reason]) -> ExitCode:
    """Say which exit code a run deserves that ends with these reasons, one for each thing not had.

    Local trouble weighs most, as nothing else can be judged before it is mended; then a refusal; then
    whatever passes, since it says that another run may help. `ExitCode.DONE` if there is no reason at all.
    """
    codes = {reason.advice.exit_code for reason in reasons}
    return next((code for code in _WEIGHT if code in codes), ExitCode.DONE)


_LAST_LINES = 20
_LAST_CHARACTERS = 2000
_SIGNED = re.compile(r"videoplayback[?/][^\s'\"]+")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def last_words(words: Iterable[str] | str) -> str:
    """Keep the last lines of what a tool said, fit to be kept and shown.

    At most 20 lines and 2000 characters. Control characters are dropped, as the words end up on
    terminals; the signed part of a media address is dropped, as the words end up in files.
    """
    text = words if isinstance(words, str) else "\n".join(words)
    text = _SIGNED.sub("videoplayback (signed address)", _ESCAPES.sub("", text))
    lines = ("".join(c for c in line if c.isprintable() or c == "\t").strip() for line in text.splitlines())
    return "\n".join([line for line in lines if line][-_LAST_LINES:])[-_LAST_CHARACTERS:]


class Failure(Exception):  # noqa: N818 - the project's word for it; "error" is what a tool prints
    """A video or clip cannot be had: raised by the rooms that touch the world, caught by the pipeline."""

    def __init__(self, reason: Reason, words: str = "") -> None:
        # Both go to Exception as they came, so that a failure survives pickling and copying.
        super().__init__(reason, words)
        self.reason = reason
        """Why, as one of the reasons of the table."""
        self.words = last_words(words)
        """A tool's last words or our own, bounded; may be empty."""

    def __str__(self) -> str:
        return f"{self.reason.advice.meaning} ({self.words})" if self.words else self.reason.advice.meaning


# Substrings are matched in lower case, with straight apostrophes and single spaces. YouTube's own reasons
# reach stderr through yt-dlp unchanged; those sentences are YouTube's and not found in yt-dlp's source.
_Words = tuple[tuple[Reason, tuple[str, ...]], ...]

_REFUSALS = (
    "confirm you're not a bot",
    "rate-limited by youtube",
    "content isn't available, try again later",
    "http error 429",
    "ip is likely being blocked",
    "captcha",
)

_WORDS: _Words = (
    (Reason.AGE, ("confirm your age", "video is age-restricted")),
    (
        Reason.COOKIES_NEEDED,
        (
            "members-only",
            "please sign in",
            "login details are needed",
            "only available for registered users",
            "does not look like a netscape format cookies file",
            "cookies file must be netscape formatted",
            "account cookies are no longer valid",
            "failed to load cookies",
            "cookies database",
        ),
    ),
    (
        Reason.UPDATE_NEEDED,
        (
            "no supported javascript runtime",
            "challenge solving failed",
            "signature solving failed",
            "sabr-only",
            "gvs po token",
        ),
    ),
    (
        Reason.OTHER_PLACE,
        (
            "not made this video available in your country",
            "blocked it in your country",
            "not available in your country",
            "not available from your location due to geo restriction",
        ),
    ),
    (
        Reason.NOT_YET,
        ("premieres in", "premiere will begin", "live event will begin", "processing this video"),
    ),
    (Reason.PRIVATE, ("private video", "this video is private")),
    (Reason.REMOVED, ("removed by the uploader", "removed for violating")),
    (
        Reason.TERMINATED,
        (
            "account associated with this video has been terminated",
            "uploader has closed their youtube account",
        ),
    ),
    (Reason.COPYRIGHT, ("copyright claim", "on copyright grounds")),
    (Reason.DRM, ("drm protected",)),
    (Reason.UNAVAILABLE, ("this video is unavailable", "this video is not available", "video unavailable")),
    (Reason.DISK_FULL, ("no space left on device", "disk quota exceeded")),
    (
        Reason.NOT_WRITABLE,
        ("unable to open for writing", "unable to write data", "unable to create directory"),
    ),
    (Reason.TOOL_MISSING, ("ffmpeg not found", "ffmpeg is not installed")),
    (Reason.TOOL_FAILED, ("error: postprocessing:", "error: no such option")),
    (Reason.CERTIFICATE, ("certificate_verify_failed", "certificate verify failed")),
    (Reason.RANGE_REFUSED, ("http error 416", "requested range not satisfiable")),
    (Reason.FORBIDDEN, ("http error 403", "http error 404", "fragment 1 not found")),
    (
        Reason.NETWORK,
        (
            "failed to resolve",
            "temporary failure in name resolution",
            "name or service not known",
            "timed out",
            "connection refused",
            "connection reset",
            "connection aborted",
            "remote end closed connection",
            "network is unreachable",
            "no route to host",
            "failed to establish a new connection",
            "unexpected_eof_while_reading",
            "unable to connect to proxy",
            "more expected",
            "content too short",
            "http error 5",
        ),
    ),
)

# What yt-dlp says when it ends up empty-handed: a warning beside it knows better.
_EMPTY_HANDED: _Words = (
    (Reason.FORMAT_UNAVAILABLE, ("requested format is not available",)),
    (Reason.UPDATE_NEEDED, ("no video formats found!",)),
)

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
    if any(refusal in f"{errors} {warnings}" for refusal in _REFUSALS):
        return Reason.REFUSED
    passing = tuple(row for row in _WORDS if row[0].advice.action is not Action.NEVER)
    found = _first(_WORDS, errors) or _first(passing, warnings) or _first(_EMPTY_HANDED, errors)
    return found or Reason.UNKNOWN


def _sorted_out(words: Iterable[str] | str) -> tuple[str, str]:
    """Split what yt-dlp said into errors and warnings, each as one line that is easy to search.

    A line without a prefix goes with the line before it, since YouTube's reasons may have several.
    """
    lines = (words if isinstance(words, str) else "\n".join(words)).splitlines()
    errors: list[str] = []
    warnings: list[str] = []
    current = errors
    for raw in lines:
        # A directory that happens to be called "captcha" must not close the lane.
        line = (
            _PATH.sub("''", _ESCAPES.sub("", raw)).casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        )
        if line.startswith(("warning:", "[debug]", "deprecated feature:")):
            current = warnings
        elif line.startswith("error:"):
            current = errors
        (warnings if _RETRYING.search(line) else current).append(line)
    return " ".join(" ".join(errors).split()), " ".join(" ".join(warnings).split())


def _first(table: _Words, text: str) -> Reason | None:
    """Find the first row of a table with words that occur in the text."""
    return next((reason for reason, known in table if any(words in text for words in known)), None)


_FFMPEG: _Words = (
    (Reason.DISK_FULL, ("no space left on device", "disk quota exceeded")),
    (Reason.INTERVAL_OUTSIDE, ("output file is empty",)),
    (Reason.BOX_DOES_NOT_FIT, ("invalid too big or non positive size",)),
    # An unknown encoder also ends in "error opening output", which would blame the directory.
    (Reason.TOOL_FAILED, ("unknown encoder", "option not found", "unrecognized option", "no such filter")),
    (Reason.NOT_WRITABLE, ("error opening output", "read-only file system")),
    (
        Reason.RAW_UNREADABLE,
        (
            "invalid data found when processing input",
            "moov atom not found",
            "error opening input",
            "not on whitelist",
            "matches no streams",
        ),
    ),
)


def classify_ffmpeg(words: Iterable[str] | str) -> Reason:
    """Say what ffmpeg's stderr means, once it has ended with an error.

    `Reason.TOOL_FAILED` if no known words occur in it: that ffmpeg failed is known, and no more.
    """
    text = words if isinstance(words, str) else "\n".join(words)
    return _first(_FFMPEG, " ".join(_PATH.sub("''", text).casefold().split())) or Reason.TOOL_FAILED
