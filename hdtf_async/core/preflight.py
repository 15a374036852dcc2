"""Judge whether this machine is ready for a run. Pure: the caller passes what it has found.

The caller is `toolchain` for what is quick to check, and `doctor` for the rest. What would make every video
fail is `Status.WRONG`: the run does not start. What only affects some videos, or will one day, is a warning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Reason
from hdtf_async.core.install import UPDATE_YT_DLP, install_extra
from hdtf_async.core.text import count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

SLOW_CHALLENGE = 10.0
"""Seconds for one test challenge above which there is a warning; a third of a second is usual."""
NODE = "--yt-dlp-args='--no-js-runtimes --js-runtimes node'"
"""Makes yt-dlp use node, which it does not do by default."""
LEAST_NODE = 22
"""The oldest major version of node that yt-dlp accepts."""
OLD = 90
"""Days after which yt-dlp considers itself old; YouTube changes more often than that."""
_BUNDLED = "omit --ffmpeg to use the bundled one"


class Status(StrEnum):
    """What a check result means for the run."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check."""

    subject: str
    verdict: Status
    words: str
    """What was found."""
    remedy: str = ""
    """What the user should do; empty if nothing."""
    reason: Reason = Reason.NOT_READY
    """Why the run does not start, if the status is wrong."""
    details: Mapping[str, object] | None = None
    """The same as numbers, for programs."""


@dataclass(frozen=True, slots=True)
class DebugHeader:
    """What yt-dlp reports about itself."""

    version: str
    runtimes: tuple[str, ...]
    """JavaScript runtimes with their versions, as yt-dlp found them."""
    plugin_directories: tuple[str, ...]


def parse_debug_header(output: str) -> DebugHeader | None:
    """Parse the first output of yt-dlp ``--verbose``; None if it has another format."""
    version = re.search(r"^\[debug\] yt-dlp version (?:\S*@)?(\d[\w.]{0,40})", output, re.MULTILINE)
    if version is None:
        return None
    return DebugHeader(version[1], _listed("JS runtimes", output), _listed("Plugin directories", output))


def of_yt_dlp(version: str, today: date) -> CheckResult:
    """Judge yt-dlp by the date in its version."""
    day = re.match(r"(\d{4})\.(\d{1,2})\.(\d{1,2})(?!\d)", version)
    try:
        old = (today - date(*map(int, day.groups()))).days if day else None
    except ValueError:
        old = None
    if old is None:
        return CheckResult("yt-dlp", Status.WARNING, f"{version}, of unknown age", UPDATE_YT_DLP)
    message = f"{version}, {max(0, old)} days old"
    if old > OLD:
        return CheckResult("yt-dlp", Status.WARNING, f"{message}: may be too old for YouTube", UPDATE_YT_DLP)
    return CheckResult("yt-dlp", Status.FINE, message)


def of_runtimes(runtimes: Sequence[str]) -> CheckResult:
    """Judge the JavaScript runtimes that yt-dlp has found, if they could not be tested."""
    if _usable(runtimes):
        return CheckResult("JavaScript", Status.FINE, ", ".join(runtimes))
    message = f"{', '.join(runtimes) or 'no runtime'}: yt-dlp may miss formats or whole videos"
    return CheckResult("JavaScript", Status.WARNING, message, f"{UPDATE_YT_DLP}, or {_node(found=False)}")


@dataclass(frozen=True, slots=True)
class Challenge:
    """Result of a test: yt-dlp was given a synthetic JavaScript challenge instead of one from YouTube."""

    enabled: bool
    """Whether any runtime is enabled; the user can disable them."""
    runtimes: tuple[str, ...]
    """JavaScript runtimes with their versions, as yt-dlp found them."""
    solved_by: str = ""
    """The runtime that solved it, with its version; empty if none did."""
    seconds: float = 0.0
    """Duration of that."""
    failed: tuple[tuple[str, str | None], ...] = ()
    """Runtimes that did not solve it, each with its error on the simplest script: empty if it ran that, None
    if unknown."""
    killed: bool = False
    """Whether a runtime was killed by a signal."""


def needs_no_player(arguments: Sequence[str]) -> bool:
    """Whether the user's arguments for yt-dlp make it skip YouTube's player script, and so any challenge."""
    return re.search(r"player_skip=[\w,]*\bjs\b", " ".join(arguments)) is not None


def of_challenge(challenge: Challenge, *, address_space: int | None, has_node: bool) -> CheckResult:
    """Judge whether yt-dlp can solve YouTube's JavaScript challenges.

    `address_space` is its limit in bytes (``ulimit -v``), if there is one. `has_node` is whether there is a
    node that yt-dlp accepts.
    """
    if challenge.solved_by:
        return _of_solved(challenge)
    if not challenge.enabled:
        message = "no runtime is enabled: yt-dlp may miss formats or whole videos"
        return CheckResult("JavaScript", Status.WARNING, message, "omit --no-js-runtimes")
    names = ", ".join(name for name, _ in challenge.failed)
    runs = any(not error for _, error in challenge.failed)
    if runs and not challenge.killed:
        message = f"{names} runs but did not solve a test challenge; those of YouTube may fail too"
        return CheckResult("JavaScript", Status.WARNING, message, UPDATE_YT_DLP)
    error = " ".join(error or "" for _, error in challenge.failed)
    error = " ".join(error.partition("====")[0].replace("#", " ").split())[:200].rstrip(
        " ."
    )  # without a stack trace
    if not challenge.failed:
        message = f"yt-dlp found no supported JavaScript runtime ({', '.join(challenge.runtimes) or 'none'})"
        remedy = UPDATE_YT_DLP
    elif address_space is not None:
        message = f"{names} cannot run with {_gb(address_space)} of address space (ulimit -v): {error}"
        remedy = (
            "raise the limit (ulimit -v unlimited, or the batch job's virtual memory): deno reserves 32 GB"
        )
    elif challenge.killed or "out of memory" in error:
        message = f"{names} was killed or ran out of memory while solving a test challenge: {error}"
        remedy = "give the job more memory"
    else:
        message = f"{names} cannot run: {error}"
        remedy = f"{UPDATE_YT_DLP}; if it cannot write its cache, set DENO_DIR to a directory on a local disk"
    if "node" not in names:
        remedy += f"; or {_node(found=has_node)}"
    remedy += (
        "; to run without JavaScript (formats or whole videos may be missing): --yt-dlp-args=--no-js-runtimes"
    )
    return CheckResult("JavaScript", Status.WRONG, message, remedy, Reason.JAVASCRIPT)


def _of_solved(challenge: Challenge) -> CheckResult:
    message = f"{challenge.solved_by} solved a test challenge in {challenge.seconds:.1f} s"
    if challenge.failed:
        message += f" ({', '.join(name for name, _ in challenge.failed)} did not)"
    if challenge.seconds <= SLOW_CHALLENGE:
        return CheckResult("JavaScript", Status.FINE, message)
    remedy = "unset DENO_DIR, or set it to a directory on a local disk that no other program locks"
    return CheckResult("JavaScript", Status.WARNING, f"{message}; each video will take as long", remedy)


def _usable(runtimes: Sequence[str]) -> bool:
    return any("(" not in runtime for runtime in runtimes)


def _node(*, found: bool) -> str:
    """Return the advice to use node."""
    return f"use the installed node: {NODE}" if found else f"install node {LEAST_NODE} and pass {NODE}"


def of_plugins(modules: Sequence[str]) -> CheckResult:
    """List yt-dlp's plugins; those for tokens are named ``getpot_...``."""
    tokens = [module for module in modules if module.startswith("getpot_")]
    message = ", ".join(modules) or "none"
    return CheckResult(
        "plugins", Status.FINE, message + (f" ({len(tokens)} for PO tokens)" if tokens else "")
    )


def of_ffmpeg(version: str, switches: Collection[str], *, keeps_rate: bool) -> CheckResult:
    """Judge ffmpeg by the output of ``-version``: its version and its build options."""
    if switches and "--enable-libx264" not in switches:
        return CheckResult("ffmpeg", Status.WRONG, f"{version} was built without x264", _BUNDLED)
    if re.match(r"n?7\.0(?![0-9])", version):
        # Tested with 7.0.2: eight of ten clips of the demo; with --fps none.
        message = f"{version} loses the duration of a clip's last frame without --fps"
        verdict = Status.WRONG if keeps_rate else Status.WARNING
        return CheckResult("ffmpeg", verdict, message, _BUNDLED)
    return CheckResult("ffmpeg", Status.FINE, version)


_ENCODERS = {"H.264": {"libx264"}}
_DECODERS = {
    "H.264": {"h264"},
    "VP9": {"vp9", "libvpx-vp9"},
    "AV1": {"libdav1d", "libaom-av1"},  # ffmpeg's own decoder needs a graphics card
}
_FILTERS = ("trim", "settb", "metadata", "setpts", "tpad", "fps", "crop", "scale", "setsar", "bwdif", "idet")
_FACTS_FILTERS = (
    "split", "extractplanes", "scdet", "blackdetect", "freezedetect", "select", "signalstats", "cropdetect",
    "blurdetect", "nullsink", "null",
)  # fmt: skip
_HDR_FILTERS = {"zscale", "tonemap"}
_AUDIO_CODECS = {"AAC": "aac", "PCM": "pcm_s16le"}
_FACTS_AUDIO_FILTERS = ("ebur128", "silencedetect", "ametadata")
_AUDIO_FILTERS = ("atrim", "asetpts", "aresample", "aformat", "apad")


def of_abilities(
    encoders: Collection[str],
    decoders: Collection[str],
    filters: Collection[str],
    *,
    audio: bool = False,
    facts: bool = False,
) -> CheckResult:
    """Judge ffmpeg by its encoders, decoders and filters; every clip needs H.264 and the filters.

    With `audio` those for audio are needed too, and with `facts` those that only measure.
    """
    lacks = [f"encode {name}" for name, any_of in _ENCODERS.items() if not any_of & {*encoders}]
    lacks += ["decode H.264"] if not _DECODERS["H.264"] & {*decoders} else []
    needed = (*_FILTERS, *(_AUDIO_FILTERS if audio else ()))
    if facts:
        needed += (*_FACTS_FILTERS, *(_FACTS_AUDIO_FILTERS if audio else ()))
    if audio:
        lacks += [f"encode {name}" for name, codec in _AUDIO_CODECS.items() if codec not in encoders]
        lacks += ["decode AAC"] if "aac" not in decoders else []
    lacks += [f"filter with {name}" for name in needed if name not in filters]
    if lacks:
        return CheckResult("codecs", Status.WRONG, f"this ffmpeg cannot {', '.join(lacks)}", _BUNDLED)
    some = [name for name, any_of in _DECODERS.items() if not any_of & {*decoders}]
    if not {*filters} >= _HDR_FILTERS:
        message = "this ffmpeg cannot convert HDR videos to SDR (zscale, tonemap)"
        return CheckResult("codecs", Status.WARNING, message, _BUNDLED)
    if some:
        message = f"this ffmpeg cannot decode {' and '.join(some)}, which some videos use"
        return CheckResult("codecs", Status.WARNING, message, _BUNDLED)
    return CheckResult("codecs", Status.FINE, f"encodes H.264; decodes {', '.join(_DECODERS)}")


_EXTRA = install_extra("face")
_LEAST_MEDIAPIPE = (1, 2)


def of_face_tools(mediapipe: str | None, *, pooch: bool) -> CheckResult:
    """Judge what --crop face needs: MediaPipe's version, and whether pooch is installed, or not needed."""
    if mediapipe is None or not pooch:
        what = "MediaPipe" if mediapipe is None else "pooch, which downloads its model,"
        message = f"{what} is not installed"
        return CheckResult("faces", Status.WRONG, message, _EXTRA)
    version = re.match(r"(\d+)\.(\d+)", mediapipe)
    if version is None or (int(version[1]), int(version[2])) < _LEAST_MEDIAPIPE:
        message = f"MediaPipe {mediapipe} is too old"
        return CheckResult("faces", Status.WRONG, message, _EXTRA)
    return CheckResult("faces", Status.FINE, f"MediaPipe {mediapipe}")


def of_disk_space(*, free: int, min_free: int, least: Sequence[int], keep_raw: bool) -> CheckResult:
    """Judge the free disk space by the lower bound of each remaining download, in bytes.

    The actual sizes are unknown until YouTube is queried, and are several times that.
    """
    needed = sum(least) if keep_raw else max(least, default=0)
    what = count(len(least), "download") if keep_raw else "the longest download"
    message = f"{_gb(free)} free; {what}: at least {_gb(needed)}" if least else f"{_gb(free)} free"
    if free - needed >= min_free:
        return CheckResult("disk", Status.FINE, message)
    return CheckResult(
        "disk",
        Status.WRONG,
        f"{message}, and --min-free is {min_free / 1e9:g}G",
        "free disk space, choose another --out, or select fewer videos (--subset, --limit)"
        + ("; --no-keep-raw needs least space" if keep_raw else ""),
        Reason.DISK_FULL,
    )


_EXPORT = "export cookies.txt in Netscape format from a browser that plays YouTube (docs/dataset.md#cookies)"
_FIELDS = 7
_EXPIRES = 4


def of_cookies(text: str, *, written: float, now: float) -> CheckResult:
    """Judge a cookies file by its format and dates (seconds since 1970); nothing of it is repeated."""
    lines = text.splitlines()
    if not lines or not re.match(r"#( Netscape)? HTTP Cookie File", lines[0]):
        hint = " (it looks like JSON)" if text.lstrip()[:1] in {"[", "{"} else ""
        message = f"--cookies is not a cookies file in Netscape format{hint}"
        return CheckResult("cookies", Status.WRONG, message, _EXPORT)
    entries = [
        line.removeprefix("#HttpOnly_").split("\t")
        for line in lines
        if line.startswith("#HttpOnly_") or not line.startswith("#")
    ]
    ours = [
        _number(entry[_EXPIRES])
        for entry in entries
        if len(entry) == _FIELDS and re.search(r"(^|\.)(youtube|google)\.com$", entry[0].strip())
    ]
    days = max(0, round((now - written) / 86400))
    message = f"{len(ours)} for YouTube, {days} days old"
    if not ours:
        return CheckResult("cookies", Status.WARNING, "no cookies for YouTube in the file", _EXPORT)
    lasting = [expires for expires in ours if not expires or expires > now]
    if not lasting:
        return CheckResult("cookies", Status.WRONG, f"{message}, all expired", _EXPORT)
    dated = [expires for expires in lasting if expires]
    soon = f"; the next expires in {(min(dated) - now) / 86400:.0f} days" if dated else ""
    gone = f", {len(ours) - len(lasting)} expired" if len(lasting) < len(ours) else ""
    return CheckResult("cookies", Status.FINE, message + gone + soon)


def is_ready(signs: Iterable[CheckResult]) -> bool:
    """Return whether the run can start."""
    return all(sign.verdict is not Status.WRONG for sign in signs)


def to_json(sign: CheckResult) -> Mapping[str, object]:
    """Return a check result as JSON values."""
    fields: dict[str, object] = {"subject": sign.subject, "verdict": str(sign.verdict), "words": sign.words}
    fields |= {"what_to_do": sign.remedy} if sign.remedy else {}
    return fields if sign.details is None else fields | {"details": sign.details}


def to_text(sign: CheckResult) -> str:
    """Return a check result as text: a line, and another one if there is something to do."""
    seen = f"{sign.verdict:>7}  {sign.subject}: {sign.words}"
    return f"{seen}\n{'':>7}  -> {sign.remedy}" if sign.remedy else seen


def _listed(name: str, output: str) -> tuple[str, ...]:
    found = re.search(rf"^\[debug\] {name}: (.+)", output, re.MULTILINE)
    if found is None or found[1].startswith("none"):
        return ()
    return tuple(found[1].split(", "))


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", text) else 0.0


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
