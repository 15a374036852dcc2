"""Why a video or clip failed, and the consequences: one table that the whole project uses.

Every failure of one video or clip is a `Failure`, which has a `Reason`. Every reason has one row of advice
(`Reason.advice`): its meaning, the remedy for the user, the program's reaction (`Action`) and the exit code
(`ExitCode`) of a run that ends with it. Pipeline, report, ``failures.jsonl`` and docs all use that table.
``unknown`` stands for messages that match no pattern of `messages` (`stderr` compares them).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from hdtf_async.core.install import UPDATE_YT_DLP
from hdtf_async.core.redact import last_lines

if TYPE_CHECKING:
    from collections.abc import Iterable


class Action(StrEnum):
    """The program's reaction to a failure."""

    RETRY = "retry"
    """Temporary: the same run retries it after a delay, a limited number of times."""
    LATER = "later"
    """Temporary, but not soon over: the next run retries it."""
    NEVER = "never"
    """Permanent: not retried without ``--retry-failed``."""
    ASK = "ask"
    """Needs action by the user: not retried in this run."""
    STOP = "stop"
    """Every video would fail: this run ends, and the next run retries it."""
    CLOSE = "close"
    """Every download would fail: downloads pause until a test download succeeds."""


class ExitCode(IntEnum):
    """The exit codes of the command line; `exit_code` derives one from a set of reasons."""

    DONE = 0
    """Everything requested exists."""
    GIVEN_UP = 1
    """The rest is permanently unavailable or needs action."""
    USAGE = 2
    """The command line or the tables are wrong."""
    REFUSED = 3
    """Stopped early: YouTube is blocking this IP address."""
    LOCAL = 4
    """Local error: disk full, not writable, a tool is missing, another run is active."""
    PASSING = 75
    """Temporary failures: run again."""
    INTERRUPTED = 130
    """Interrupted (SIGINT)."""
    TERMINATED = 143
    """Terminated (SIGTERM)."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One row of the table: the meaning of a reason and its consequences."""

    meaning: str
    """One sentence: what has happened."""
    remedy: str
    """One sentence: what the user should do."""
    action: Action
    """The program's reaction."""
    exit_code: ExitCode
    """Exit code of a run that ends with such a failure and no more severe one."""
    tries: int = 1
    """Attempts per video in one run for this failure; more than one only for temporary failures."""

    @property
    def stops(self) -> bool:
        """Whether the run ends with it, because all videos would fail."""
        return self.exit_code is ExitCode.LOCAL or self.action is Action.STOP


class Reason(StrEnum):
    """Why a video or clip failed. The values are stable: journals and reports contain them."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    COOKIES_NEEDED = "cookies_needed"
    AGE = "age"
    RESTRICTED = "restricted"
    UPDATE_NEEDED = "update_needed"
    JAVASCRIPT = "javascript"
    YOUTUBE_CHANGED = "youtube_changed"
    OTHER_PLACE = "other_place"
    PRIVATE = "private"
    REMOVED = "removed"
    TERMINATED = "terminated"
    COPYRIGHT = "copyright"
    DRM = "drm"
    UNAVAILABLE = "unavailable"
    GONE = "gone"
    WRONG_VIDEO = "wrong_video"
    NOT_YET = "not_yet"
    FORMAT_UNAVAILABLE = "format_unavailable"
    NETWORK = "network"
    CERTIFICATE = "certificate"
    PLAYER_FORBIDDEN = "player_forbidden"
    FORBIDDEN = "forbidden"
    RANGE_REFUSED = "range_refused"
    DISK_FULL = "disk_full"
    NOT_WRITABLE = "not_writable"
    DISK_ERROR = "disk_error"
    RESOURCE_LIMIT = "resource_limit"
    STORE_UNREACHABLE = "store_unreachable"
    STORE_REFUSED = "store_refused"
    WORKER_LOST = "worker_lost"
    CLUSTER_LOST = "cluster_lost"
    BAD_OPTION = "bad_option"
    TOOL_MISSING = "tool_missing"
    NOT_READY = "not_ready"
    TOOL_FAILED = "tool_failed"
    TIMED_OUT = "timed_out"
    STALLED = "stalled"
    ENCODE_STALLED = "encode_stalled"
    RAW_TRUNCATED = "raw_truncated"
    RAW_UNREADABLE = "raw_unreadable"
    RAW_DIR_FILE = "raw_dir_file"
    BOX_DOES_NOT_FIT = "box_does_not_fit"
    HEIGHT_UNKNOWN = "height_unknown"
    INTERVAL_OUTSIDE = "interval_outside"
    UNSUPPORTED_SOURCE = "unsupported_source"
    NO_SOUND = "no_sound"
    NO_FACE = "no_face"
    SCENE_CUT = "scene_cut"
    CLIP_WRONG = "clip_wrong"
    ROW_REFUSED = "row_refused"
    NOT_TRIED = "not_tried"
    MANIFESTS_LOCKED = "manifests_locked"
    FAULT = "fault"
    UNKNOWN = "unknown"

    @property
    def advice(self) -> Advice:
        """The row of the table for this reason."""
        return ADVICE[self]

    @property
    def is_answer(self) -> bool:
        """Whether YouTube itself gives this answer about a video, so that the IP address is not blocked."""
        return self not in _NO_ANSWER


def _gone(meaning: str, remedy: str) -> Advice:
    """Return a row for a permanent failure."""
    return Advice(meaning, remedy, Action.NEVER, ExitCode.GIVEN_UP)


def _yours(meaning: str, remedy: str) -> Advice:
    """Return a row for a failure that needs action by the user."""
    return Advice(meaning, remedy, Action.ASK, ExitCode.GIVEN_UP)


def _later(meaning: str, remedy: str) -> Advice:
    return Advice(meaning, remedy, Action.LATER, ExitCode.PASSING)


def _stopping(meaning: str, remedy: str) -> Advice:
    return Advice(meaning, remedy, Action.STOP, ExitCode.PASSING)


def _local(meaning: str, remedy: str) -> Advice:
    """Return a row for a local error, which needs action and would affect the other videos too."""
    return Advice(meaning, remedy, Action.ASK, ExitCode.LOCAL)


def _passing(meaning: str, remedy: str, tries: int = 3) -> Advice:
    """Return a row for a failure that the next attempt may not have."""
    return Advice(meaning, remedy, Action.RETRY, ExitCode.PASSING, tries)


ADVICE: dict[Reason, Advice] = {
    Reason.REFUSED: Advice(
        "YouTube is blocking this IP address (bot check or rate limit).",
        "Wait: a block lasts hours, in several reports days. Then run again with a longer --pace or from"
        " another IP address. --cookies may help, but a signed-in account can be blocked too.",
        Action.CLOSE,
        ExitCode.REFUSED,
    ),
    Reason.UNREACHABLE: Advice(
        "Cannot connect to YouTube from this machine.",
        "Check your connection, DNS and --proxy, then run the same command again.",
        Action.CLOSE,
        ExitCode.PASSING,
    ),
    Reason.COOKIES_NEEDED: _yours(
        "The video requires a signed-in account, or the given cookies do not work.",
        "Export fresh cookies in Netscape format from a browser that can play the video, and pass --cookies.",
    ),
    Reason.AGE: _yours(
        "The video is age-restricted.",
        "Pass --cookies of an account with a verified age.",
    ),
    Reason.RESTRICTED: _yours(
        "The administrator of the network or of the Google account restricts this video.",
        "Run from another network, or pass --cookies of an account without Restricted Mode.",
    ),
    Reason.UPDATE_NEEDED: _yours(
        "This version of yt-dlp or of its JavaScript runtime no longer works with YouTube.",
        f"Update yt-dlp with {UPDATE_YT_DLP}, then run again. If it is current, exclude"
        " the failing client: --yt-dlp-args='--extractor-args youtube:player_client=default,-CLIENT'.",
    ),
    Reason.JAVASCRIPT: _yours(
        "The JavaScript runtime that yt-dlp needs for YouTube is missing or does not work.",
        f"Install it with {UPDATE_YT_DLP}; python -m hdtf_async doctor tests it.",
    ),
    Reason.YOUTUBE_CHANGED: _stopping(
        "Several videos in a row failed with the same unknown error message.",
        f"Update yt-dlp with {UPDATE_YT_DLP}, then run again.",
    ),
    Reason.OTHER_PLACE: _yours(
        "The video is not available in the country of this IP address.",
        "Run from another country, or use --proxy.",
    ),
    Reason.PRIVATE: _gone(
        "The video is private.",
        "Ask the uploader to share the video with your account, then pass --cookies.",
    ),
    Reason.REMOVED: _gone(
        "The video was removed by its uploader or by YouTube.",
        "If you have a copy of the video, use it with --raw-dir.",
    ),
    Reason.TERMINATED: _gone(
        "The uploader's account was terminated.",
        "If you have a copy of the video, use it with --raw-dir.",
    ),
    Reason.COPYRIGHT: _gone(
        "The video was removed or blocked because of a copyright claim.",
        "If you have a copy of the video, use it with --raw-dir.",
    ),
    Reason.DRM: _gone(
        "The video is only available with DRM.",
        "If you have a copy of the video, use it with --raw-dir.",
    ),
    Reason.UNAVAILABLE: _later(
        "YouTube reports the video as unavailable without a reason: the cause may be this IP address.",
        "Run again at least 12 hours later; if the answer is the same, the video is marked as gone.",
    ),
    Reason.GONE: _gone(
        "YouTube reported the video as unavailable in two runs at least 12 hours apart, unlike other videos.",
        "Open its URL in a browser; if it plays there, run again with --retry-failed.",
    ),
    Reason.WRONG_VIDEO: _yours(
        "YouTube returned a different video than the requested one.",
        "Open the URL of the video in a browser; it may have been replaced by a trailer.",
    ),
    Reason.NOT_YET: _later(
        "The video is an unfinished premiere or live stream, or is still being processed.",
        "Run again when it is available.",
    ),
    Reason.FORMAT_UNAVAILABLE: _yours(
        "YouTube offers no acceptable format of the video.",
        "See the error message for the formats offered; --resolution reference accepts more than exact.",
    ),
    Reason.NETWORK: _passing(
        "Temporary network or server error.",
        "Run again later; if it persists, check your connection and --proxy.",
    ),
    Reason.CERTIFICATE: _local(
        "The server's TLS certificate could not be verified, so nothing was downloaded.",
        "Check the clock and CA certificates of this machine, and whether a proxy intercepts TLS.",
    ),
    Reason.PLAYER_FORBIDDEN: _passing(
        "YouTube's player API rejected the request (403), before any media was requested.",
        "Run again later; if it persists, update yt-dlp and check --proxy and --cookies.",
    ),
    Reason.FORBIDDEN: _passing(
        "YouTube's media server rejected the media URL (403 or 404).",
        f"Run again; if several videos fail like this, update yt-dlp: {UPDATE_YT_DLP}.",
        tries=4,  # each with a fresh extraction: a fourth one succeeded in a public report
    ),
    Reason.RANGE_REFUSED: _passing(
        "A partial download could not be resumed (416).",
        "Run again: the partial file was deleted, and the download starts over.",
        tries=2,
    ),
    Reason.DISK_FULL: _local(
        "The disk is full, or less than --min-free is left.",
        "Free disk space and run again; --no-keep-raw needs least.",
    ),
    Reason.NOT_WRITABLE: _local(
        "A file or directory could not be written.",
        "Check the path in the error message: its permissions and its length, and that it is not read-only.",
    ),
    Reason.DISK_ERROR: _local(
        "The disk or the network file system reported an error.",
        "Follow the error message, then run again: completed clips are kept.",
    ),
    Reason.RESOURCE_LIMIT: _local(
        "A system limit was reached: open files, processes, memory or file size.",
        "Raise the limit named in the error message, or use fewer --downloads and --encodes; run again.",
    ),
    Reason.STORE_UNREACHABLE: _stopping(
        "The object store repeatedly did not respond, or dropped the connection.",
        "Run again later: completed clips are kept. Check the URL and the network connection.",
    ),
    Reason.STORE_REFUSED: _local(
        "The object store rejected a request, or another run has taken over its lock.",
        "See the error message; check the bucket name, the credentials and their permissions.",
    ),
    Reason.WORKER_LOST: _passing(
        "The cluster workers that processed this video died.",
        "Run again; check the logs of the workers: they may have run out of memory.",
    ),
    Reason.CLUSTER_LOST: _stopping(
        "The cluster's scheduler did not respond, or had no workers for some minutes.",
        "Check the scheduler and its workers, then run again: completed clips are kept.",
    ),
    Reason.BAD_OPTION: _local(
        "yt-dlp rejected one of its options.",
        "Correct --proxy, --cookies, --cookies-from-browser or --yt-dlp-args: see the error message.",
    ),
    Reason.TOOL_MISSING: _local(
        "A required tool was not found or could not be started.",
        "Install the tool named in the error message, or omit --ffmpeg and --yt-dlp.",
    ),
    Reason.NOT_READY: _local(
        "The run was not started, because every video would have failed.",
        "Fix this and run again; python -m hdtf_async doctor checks everything.",
    ),
    Reason.TOOL_FAILED: _yours(
        "A tool failed for a reason unrelated to the video or the network.",
        "See the error message, and check any extra arguments that you passed to the tool.",
    ),
    Reason.TIMED_OUT: _passing(
        "A tool did not finish within its time limit and was terminated.",
        "Run again; on a slow connection, use fewer --downloads.",
    ),
    Reason.STALLED: _passing(
        "A tool made no progress and was terminated.",
        "Run again; on a slow connection, use fewer --downloads.",
    ),
    Reason.ENCODE_STALLED: _passing(
        "An encode made no progress or took far too long, and ffmpeg was terminated.",
        "Run again; if it persists, use fewer --encodes, and check the CPU load, memory and disk.",
    ),
    Reason.RAW_TRUNCATED: _passing(
        "The downloaded file is shorter than announced.",
        "Run again: the file was discarded and is downloaded again.",
    ),
    Reason.RAW_UNREADABLE: _passing(
        "The downloaded file is damaged, or cannot be read as video.",
        "Run again: the file was discarded and is downloaded again.",
    ),
    Reason.RAW_DIR_FILE: _yours(
        "The file in --raw-dir for this video cannot be used; the error message names it.",
        "Replace the file, or remove it so that the video is downloaded.",
    ),
    Reason.BOX_DOES_NOT_FIT: _yours(
        "The published crop box extends beyond the frame of the video.",
        "Use --corrections unverified, which has other boxes for some clips, or --crop face.",
    ),
    Reason.HEIGHT_UNKNOWN: _yours(
        "The tables do not contain the reference height of the crop box.",
        "Use --corrections verified or unverified, or add the height to the resolution table.",
    ),
    Reason.INTERVAL_OUTSIDE: _yours(
        "At least half of the published interval is before the start or after the end of the video.",
        "Compare the video with the table: it may have been shortened or replaced since the annotation.",
    ),
    Reason.UNSUPPORTED_SOURCE: _yours(
        "The clip cannot be created from this source video; see the error message.",
        "Pass another copy of the video with --raw-dir, for example one converted with ffmpeg.",
    ),
    Reason.NO_SOUND: _yours(
        "The video has no audio, but --audio was given.",
        "Use --audio none with another --out to create the clip without audio.",
    ),
    Reason.NO_FACE: _yours(
        "Nobody's face was found in at least half of the searched frames.",
        "Use --crop table or --face-fallback table, which use the published box.",
    ),
    Reason.SCENE_CUT: _yours(
        "The clip contains a scene cut; with --scene-cuts split, every part is shorter than a second.",
        "Use --scene-cuts report to keep such clips; their metadata lists the cuts.",
    ),
    Reason.CLIP_WRONG: _yours(
        "The encoded clip has an unexpected size, duration or number of frames, and was deleted.",
        "Run again; if it persists, report it with the error message and the version of ffmpeg.",
    ),
    Reason.ROW_REFUSED: _yours(
        "An invalid row of the tables was skipped, with the clips that need it.",
        "Correct the row (failures.jsonl has the file and line) and run again.",
    ),
    Reason.NOT_TRIED: _later(
        "Not attempted: the run ended or downloads were paused first.",
        "Run the same command again.",
    ),
    Reason.MANIFESTS_LOCKED: _later(
        "metadata.jsonl and failures.jsonl were not updated, because another process has locked them.",
        "Run merge or the same command again after that process has ended; the journal is complete.",
    ),
    Reason.FAULT: _yours(
        "Internal error; other clips are not affected.",
        "Please report it with the error message and the video's download log.",
    ),
    Reason.UNKNOWN: Advice(
        "A tool failed with an unknown error message.",
        "See the error message; another run or a newer yt-dlp may help.",
        Action.RETRY,
        ExitCode.GIVEN_UP,
        tries=3,
    ),
}
"""The table. docs/failures.md lists the rows in this order."""

_NO_ANSWER = frozenset({
    Reason.REFUSED, Reason.UNREACHABLE, Reason.UNAVAILABLE, Reason.NETWORK, Reason.CERTIFICATE,
    Reason.PLAYER_FORBIDDEN, Reason.TIMED_OUT, Reason.STALLED, Reason.DISK_FULL, Reason.YOUTUBE_CHANGED,
    Reason.NOT_WRITABLE, Reason.BAD_OPTION, Reason.STORE_UNREACHABLE, Reason.STORE_REFUSED,
    Reason.TOOL_MISSING, Reason.NOT_READY, Reason.TOOL_FAILED, Reason.NOT_TRIED, Reason.FAULT,
    Reason.WORKER_LOST, Reason.CLUSTER_LOST, Reason.ROW_REFUSED, Reason.ENCODE_STALLED,
    Reason.MANIFESTS_LOCKED, Reason.DISK_ERROR, Reason.RESOURCE_LIMIT,
})  # fmt: skip

_WEIGHT = (ExitCode.LOCAL, ExitCode.REFUSED, ExitCode.PASSING, ExitCode.GIVEN_UP)


def exit_code(reasons: Iterable[Reason]) -> ExitCode:
    """Return the exit code of a run with these reasons, one for each missing clip or video.

    Local errors take precedence, as nothing else can be judged before they are fixed; then a block; then
    temporary failures, since another run may help. `ExitCode.DONE` if there is no reason at all.
    """
    codes = {reason.advice.exit_code for reason in reasons}
    return next((code for code in _WEIGHT if code in codes), ExitCode.DONE)


class Failure(Exception):  # noqa: N818 - the project's term; "error" is a message of a tool
    """A video or clip failed: raised by the packages that do I/O, handled by the pipeline."""

    def __init__(self, reason: Reason, words: str = "") -> None:
        self.reason = reason
        """The reason, a row of the table."""
        self.words = last_lines(words)
        """The end of a tool's message, or a message of this program, limited in length; may be empty."""
        self.advanced = False
        """Whether the attempt downloaded a part that the next one resumes."""
        # Both are passed to Exception, so that a failure survives pickling and copying; both are redacted.
        super().__init__(reason, self.words)

    def __str__(self) -> str:
        return f"{self.reason.advice.meaning} ({self.words})" if self.words else self.reason.advice.meaning
