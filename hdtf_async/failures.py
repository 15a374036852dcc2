"""Why a video or clip could not be had, and what follows from it: one table that the whole project reads.

Whatever goes wrong with one video or clip ends as a `Failure`, which carries a `Reason`. Every reason has
one row of advice (`Reason.advice`): what it means, what a person should do, what the program does (`Action`)
and which exit code (`ExitCode`) a run gets that ends with it. The pipeline, the report, ``failures.jsonl``
and the docs all take their words and their deeds from that table: a reason is described in one place only.

``unknown`` stands for messages that nobody has categorised yet: there is no default that guesses. Which
message of a tool means which reason is in `messages`; `words` reads stderr with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from hdtf_async.masks import last_words

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
    STOP = "stop"
    """It would hit everything that follows: this run ends, and the next one tries again by itself."""
    CLOSE = "close"
    """Every video would fail alike: the lane is closed until a probe gets through."""


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
    tries: int = 1
    """How often a video is tried in one run that fails like this; more than once only for what passes."""

    @property
    def stops(self) -> bool:
        """Whether the run ends with it: the others would fare no better."""
        return self.exit_code is ExitCode.LOCAL or self.action is Action.STOP


class Reason(StrEnum):
    """Why a video or clip could not be had. The values are stable: they stand in journals and reports."""

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
    CLIP_WRONG = "clip_wrong"
    ROW_REFUSED = "row_refused"
    NOT_TRIED = "not_tried"
    MANIFESTS_LOCKED = "manifests_locked"
    FAULT = "fault"
    UNKNOWN = "unknown"

    @property
    def advice(self) -> Advice:
        """This reason's row of the table."""
        return ADVICE[self]

    @property
    def is_answer(self) -> bool:
        """Whether YouTube itself has said this of a video, so that it listens to this address."""
        return self not in _NO_ANSWER


def _gone(meaning: str, remedy: str) -> Advice:
    """Make a row for what will not come back."""
    return Advice(meaning, remedy, Action.NEVER, ExitCode.GIVEN_UP)


def _yours(meaning: str, remedy: str) -> Advice:
    """Make a row for what waits for a person."""
    return Advice(meaning, remedy, Action.ASK, ExitCode.GIVEN_UP)


def _later(meaning: str, remedy: str) -> Advice:
    return Advice(meaning, remedy, Action.LATER, ExitCode.PASSING)


def _stopping(meaning: str, remedy: str) -> Advice:
    return Advice(meaning, remedy, Action.STOP, ExitCode.PASSING)


def _local(meaning: str, remedy: str) -> Advice:
    """Make a row for trouble on this machine, which waits for a person and would hit the other videos too."""
    return Advice(meaning, remedy, Action.ASK, ExitCode.LOCAL)


def _passing(meaning: str, remedy: str, tries: int = 3) -> Advice:
    """Make a row for what may be over at the next try."""
    return Advice(meaning, remedy, Action.RETRY, ExitCode.PASSING, tries)


ADVICE: dict[Reason, Advice] = {
    Reason.REFUSED: Advice(
        "YouTube takes this address for a robot or says that it asks too often, and refuses it.",
        "Wait: a block lasts hours, in several reports days. Then run again with a longer --pace or from"
        " another address. --cookies may lift it, but a signed-in account can itself be blocked.",
        Action.CLOSE,
        ExitCode.REFUSED,
    ),
    Reason.UNREACHABLE: Advice(
        "No connection to YouTube could be made from this machine.",
        "Check the network connection, DNS and --proxy, then run the same command again.",
        Action.CLOSE,
        ExitCode.PASSING,
    ),
    Reason.COOKIES_NEEDED: _yours(
        "The video is only shown to people who are signed in, or the cookies that were given do not work.",
        "Export fresh cookies in Netscape format from a browser that can play the video, and give --cookies.",
    ),
    Reason.AGE: _yours(
        "The video is only shown to people whose age YouTube knows.",
        "Give --cookies of an account whose age is confirmed.",
    ),
    Reason.RESTRICTED: _yours(
        "An administrator of the network or of the Google account restricts which videos can be watched.",
        "Run from another network, or give --cookies of an account without Restricted Mode.",
    ),
    Reason.UPDATE_NEEDED: _yours(
        "This yt-dlp, or its JavaScript runtime, can no longer follow how YouTube hands out videos.",
        "Update yt-dlp with pip install -U 'yt-dlp[default,deno]', then run again. If it is current, exclude"
        " the client that fails: --yt-dlp-args='--extractor-args youtube:player_client=default,-CLIENT'.",
    ),
    Reason.JAVASCRIPT: _yours(
        "The JavaScript runtime that yt-dlp needs for YouTube is missing or does not work here.",
        "Run python -m hdtf_async doctor, which tests it; pip install -U 'yt-dlp[default,deno]' installs it.",
    ),
    Reason.YOUTUBE_CHANGED: _stopping(
        "Several videos in a row failed with the same message, which this program does not know.",
        "Update yt-dlp with pip install -U 'yt-dlp[default,deno]', then run again.",
    ),
    Reason.OTHER_PLACE: _yours(
        "The video may not be watched from the country of this address.",
        "Run again from another country, or through --proxy.",
    ),
    Reason.PRIVATE: _gone(
        "The uploader has made the video private.",
        "Nothing can be done, unless the uploader shares it with you and you give --cookies.",
    ),
    Reason.REMOVED: _gone(
        "The video was removed by its uploader or by YouTube.",
        "Nothing can be done; a copy that you already have can be used through --raw-dir.",
    ),
    Reason.TERMINATED: _gone(
        "The video went with its uploader's account, which was closed.",
        "Nothing can be done; a copy that you already have can be used through --raw-dir.",
    ),
    Reason.COPYRIGHT: _gone(
        "The video was taken down or blocked for a copyright claim.",
        "Nothing can be done here; a copy that you already have can be used through --raw-dir.",
    ),
    Reason.DRM: _gone(
        "The video is only offered with copy protection.",
        "Nothing can be done; a copy that you already have can be used through --raw-dir.",
    ),
    Reason.UNAVAILABLE: _later(
        "YouTube says that the video is unavailable, but not why: it may be the video or this address.",
        "Run again, at least 12 hours later: if YouTube then says the same, the video is given up.",
    ),
    Reason.GONE: _gone(
        "YouTube said in two runs, 12 hours or more apart, that the video is unavailable; others were not.",
        "Open its address in a browser; if it plays there, run again with --retry-failed.",
    ),
    Reason.WRONG_VIDEO: _yours(
        "YouTube answered with another video than the one that was asked for.",
        "Open the address of the video in a browser; it may have been replaced by a trailer.",
    ),
    Reason.NOT_YET: _later(
        "The video is a premiere or live broadcast that is not over, or is still being processed.",
        "Run again when it is over.",
    ),
    Reason.FORMAT_UNAVAILABLE: _yours(
        "YouTube offers the video, but in no rendition that would be acceptable.",
        "Read the words for what was offered; --resolution reference accepts more than exact does.",
    ),
    Reason.NETWORK: _passing(
        "The network or YouTube's servers failed for the moment.",
        "Run again later; if it persists, check the connection and --proxy.",
    ),
    Reason.CERTIFICATE: _local(
        "The server's certificate could not be verified, so nothing was fetched from it.",
        "Check this machine's clock and certificates, and whether a proxy opens the encrypted connection.",
    ),
    Reason.PLAYER_FORBIDDEN: _passing(
        "YouTube's player API refused the request (403); no media was asked for yet.",
        "Run again later; if it stays so, update yt-dlp, and check --proxy and --cookies.",
    ),
    Reason.FORBIDDEN: _passing(
        "YouTube's media server turned down the address that it had given out (403 or 404).",
        "Run again; if several videos fail like this, update yt-dlp: pip install -U 'yt-dlp[default,deno]'.",
        tries=4,  # each with a fresh extraction: a fourth one succeeded in a public report
    ),
    Reason.RANGE_REFUSED: _passing(
        "A partial download could not be continued where it had stopped (416).",
        "Run again: the partial file has been deleted, and the download begins anew.",
        tries=2,
    ),
    Reason.DISK_FULL: _local(
        "There is no room left on the disk, or less than --min-free.",
        "Make room and run again; --no-keep-raw needs least.",
    ),
    Reason.NOT_WRITABLE: _local(
        "A file or directory could not be written.",
        "Check the path in the error message: its permissions and its length, and that it is not read-only.",
    ),
    Reason.DISK_ERROR: _local(
        "The disk, or the server of a network file system, answered with an error.",
        "Do what the error message says, then run again: what was recorded stays.",
    ),
    Reason.RESOURCE_LIMIT: _local(
        "A limit of the system was reached: open files, processes, memory, or the size of a file.",
        "Raise the limit that the error message names, or take fewer --downloads and --encodes; run again.",
    ),
    Reason.STORE_UNREACHABLE: _stopping(
        "The object store did not answer, or broke off, several times in a row.",
        "Run again later: what was put and recorded stays; look at its address and at the line to it.",
    ),
    Reason.STORE_REFUSED: _local(
        "The object store turned down what was asked of it, or another run has taken over.",
        "Read its words beside this reason; check the bucket's name, the keys and what they allow.",
    ),
    Reason.WORKER_LOST: _passing(
        "The workers of the cluster that had this video ended in the middle of it.",
        "Run again; read the workers' own logs: they may have been killed for want of memory.",
    ),
    Reason.CLUSTER_LOST: _stopping(
        "The scheduler of the cluster did not answer, or had no worker for some minutes.",
        "Look at the scheduler and its workers, then run again: what was recorded stays.",
    ),
    Reason.BAD_OPTION: _local(
        "yt-dlp does not accept an option that was given to it.",
        "Correct --proxy, --cookies, --cookies-from-browser or --yt-dlp-args: see the error message.",
    ),
    Reason.TOOL_MISSING: _local(
        "A tool that the job needs was not found or could not be started.",
        "Install what is named beside this reason, or leave --ffmpeg and --yt-dlp away.",
    ),
    Reason.NOT_READY: _local(
        "The run did not begin: what it was given would have failed for every video alike.",
        "Do what stands beside this reason; python -m hdtf_async doctor looks at everything.",
    ),
    Reason.TOOL_FAILED: _yours(
        "A tool ended with an error that is neither the video's nor the network's.",
        "Read the tool's last words beside this reason, and any extra arguments that you gave it.",
    ),
    Reason.TIMED_OUT: _passing(
        "A tool was ended because it had not finished by its deadline.",
        "Run again; on a slow line take fewer --downloads at a time.",
    ),
    Reason.STALLED: _passing(
        "A tool was ended because nothing had moved for a long time.",
        "Run again; on a slow line take fewer --downloads at a time.",
    ),
    Reason.ENCODE_STALLED: _passing(
        "ffmpeg was ended because an encode made no progress, or took far longer than it should.",
        "Run again; if it persists, take fewer --encodes, and check the load, the memory and the disk.",
    ),
    Reason.RAW_TRUNCATED: _passing(
        "The download is shorter than was promised.",
        "Run again: it was not used, and is fetched anew.",
    ),
    Reason.RAW_UNREADABLE: _passing(
        "The download cannot be read as video.",
        "Run again: it was not used, and is fetched anew.",
    ),
    Reason.RAW_DIR_FILE: _yours(
        "A file in --raw-dir that belongs to this video cannot be used; the error message names it.",
        "Replace the file; or remove it, so that the video is downloaded.",
    ),
    Reason.BOX_DOES_NOT_FIT: _yours(
        "The published box leaves the frame of the video.",
        "Look at the video: --corrections unverified has other boxes for some; --crop face needs none.",
    ),
    Reason.HEIGHT_UNKNOWN: _yours(
        "The tables do not say at which height the box was measured, so it cannot be placed.",
        "Use --corrections verified or unverified, or write the height into the resolution table.",
    ),
    Reason.INTERVAL_OUTSIDE: _yours(
        "At least half of the published interval lies before the beginning or behind the end of the video.",
        "Compare the video with the table: it may have been shortened or replaced since it was annotated.",
    ),
    Reason.UNSUPPORTED_SOURCE: _yours(
        "The clip cannot be made from this source video: the error message says why.",
        "Give another copy of the video with --raw-dir; a file of your own can be converted with ffmpeg.",
    ),
    Reason.NO_SOUND: _yours(
        "The video has no sound, and sound was asked for.",
        "Nothing can be done; --audio none, in a directory of its own, makes the clip without.",
    ),
    Reason.NO_FACE: _yours(
        "No face was found in at least half of the clip's frames.",
        "Look at the video; --crop table, or --face-fallback table, cuts out the published box.",
    ),
    Reason.CLIP_WRONG: _yours(
        "The encoder's output has not the size or the number of frames that it should have; it was deleted.",
        "Run again; if it stays so, report it with the error message and the version of ffmpeg.",
    ),
    Reason.ROW_REFUSED: _yours(
        "A row of the tables cannot be used and was left out, with the clips that need it.",
        "Correct it in the file and line that failures.jsonl names, and run again.",
    ),
    Reason.NOT_TRIED: _later(
        "The run ended, or the network lane was closed, before its turn came.",
        "Run again.",
    ),
    Reason.MANIFESTS_LOCKED: _later(
        "Another process has locked metadata.jsonl and failures.jsonl, so this one did not write them.",
        "Run merge, or the same command again, once that process has ended: clips and journal are complete.",
    ),
    Reason.FAULT: _yours(
        "This program itself failed on it; the others were not touched by that.",
        "Please report it, with the words beside this reason and the video's download log.",
    ),
    Reason.UNKNOWN: Advice(
        "Something failed with words that this program does not know.",
        "Read the last words beside this reason; another run may help, and so may a newer yt-dlp.",
        Action.RETRY,
        ExitCode.GIVEN_UP,
        tries=3,
    ),
}
"""The table. The order of the rows is the order in which docs/failures.md lists them."""

_NO_ANSWER = frozenset({
    Reason.REFUSED, Reason.UNREACHABLE, Reason.UNAVAILABLE, Reason.NETWORK, Reason.CERTIFICATE,
    Reason.PLAYER_FORBIDDEN, Reason.TIMED_OUT, Reason.STALLED, Reason.DISK_FULL, Reason.YOUTUBE_CHANGED,
    Reason.NOT_WRITABLE, Reason.BAD_OPTION, Reason.STORE_UNREACHABLE, Reason.STORE_REFUSED,
    Reason.TOOL_MISSING, Reason.NOT_READY, Reason.TOOL_FAILED, Reason.NOT_TRIED, Reason.FAULT,
    Reason.WORKER_LOST, Reason.CLUSTER_LOST, Reason.ROW_REFUSED,
    Reason.ENCODE_STALLED, Reason.MANIFESTS_LOCKED, Reason.DISK_ERROR, Reason.RESOURCE_LIMIT,
})  # fmt: skip

_WEIGHT = (ExitCode.LOCAL, ExitCode.REFUSED, ExitCode.PASSING, ExitCode.GIVEN_UP)


def exit_code(reasons: Iterable[Reason]) -> ExitCode:
    """Say which exit code a run deserves that ends with these reasons, one for each thing not had.

    Local trouble weighs most, as nothing else can be judged before it is mended; then a refusal; then
    whatever passes, since it says that another run may help. `ExitCode.DONE` if there is no reason at all.
    """
    codes = {reason.advice.exit_code for reason in reasons}
    return next((code for code in _WEIGHT if code in codes), ExitCode.DONE)


class Failure(Exception):  # noqa: N818 - the project's word for it; "error" is what a tool prints
    """A video or clip cannot be had: raised by the rooms that touch the world, caught by the pipeline."""

    def __init__(self, reason: Reason, words: str = "") -> None:
        self.reason = reason
        """Why, as one of the reasons of the table."""
        self.words = last_words(words)
        """A tool's last words or our own, bounded; may be empty."""
        self.advanced = False
        """Whether the attempt brought a part of the download that the next one continues."""
        # Both go to Exception, so that a failure survives pickling and copying; and nothing that is not kept.
        super().__init__(reason, self.words)

    def __str__(self) -> str:
        return f"{self.reason.advice.meaning} ({self.words})" if self.words else self.reason.advice.meaning
