"""What this machine's signs mean for the job: judgements, and no looking. Pure.

Whoever looks (`workshop` at what costs nothing, `doctor` at the rest) hands in what it saw. What would fail
for every video alike is `Verdict.WRONG`: the main job does not begin with it. What only costs some of them,
or will some day, is a warning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from hdtf_async.failures import Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

OLD = 90
"""Days after which yt-dlp calls itself old; YouTube changes more often than that."""
_UPDATE = "pip install -U 'yt-dlp[default,deno]'"
_BUNDLED = "leave --ffmpeg away, so that the bundled one is used"


class Verdict(StrEnum):
    """What a sign means for the job."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that was looked at."""

    subject: str
    verdict: Verdict
    words: str
    """What was seen."""
    remedy: str = ""
    """What a person should do; empty where nothing."""
    reason: Reason = Reason.NOT_READY
    """Why the main job does not begin, where it is wrong."""


@dataclass(frozen=True, slots=True)
class Told:
    """What yt-dlp tells of itself."""

    version: str
    runtimes: tuple[str, ...]
    """JavaScript runtimes with their versions, as yt-dlp found them."""
    plugin_directories: tuple[str, ...]


def read_told(words: str) -> Told | None:
    """Read what yt-dlp says first with ``--verbose``; None where it says nothing of the kind."""
    version = re.search(r"^\[debug\] yt-dlp version (?:\S*@)?(\d[\w.]{0,40})", words, re.MULTILINE)
    if version is None:
        return None
    return Told(version[1], _listed("JS runtimes", words), _listed("Plugin directories", words))


def of_yt_dlp(version: str, today: date) -> Sign:
    """Judge yt-dlp by the date that its version is."""
    day = re.match(r"(\d{4})\.(\d{1,2})\.(\d{1,2})(?!\d)", version)
    try:
        old = (today - date(*map(int, day.groups()))).days if day else None
    except ValueError:
        old = None
    if old is None:
        return Sign("yt-dlp", Verdict.WARNING, f"{version}, of which nobody knows the age", _UPDATE)
    words = f"{version}, {max(0, old)} days old"
    if old > OLD:
        return Sign("yt-dlp", Verdict.WARNING, f"{words}: YouTube changes more often than that", _UPDATE)
    return Sign("yt-dlp", Verdict.FINE, words)


def of_runtimes(runtimes: Sequence[str]) -> Sign:
    """Judge what yt-dlp can run YouTube's own scripts with."""
    if any("(" not in runtime for runtime in runtimes):
        return Sign("JavaScript", Verdict.FINE, ", ".join(runtimes))
    found = ", ".join(runtimes) or "no runtime"
    words = f"{found}: yt-dlp cannot follow YouTube's scripts, and misses renditions or whole videos"
    return Sign("JavaScript", Verdict.WARNING, words, f"{_UPDATE}, or install node 22 or newer")


def of_plugins(modules: Sequence[str]) -> Sign:
    """Name yt-dlp's plugins; those for tokens are named ``getpot_...``."""
    tokens = [module for module in modules if module.startswith("getpot_")]
    words = ", ".join(modules) or "none"
    return Sign("plugins", Verdict.FINE, words + (f" ({len(tokens)} for PO tokens)" if tokens else ""))


def of_ffmpeg(version: str, switches: Collection[str], *, keeps_rate: bool) -> Sign:
    """Judge ffmpeg by what ``-version`` says: its version, and the switches with which it was built."""
    if switches and "--enable-libx264" not in switches:
        return Sign("ffmpeg", Verdict.WRONG, f"{version} was built without x264", _BUNDLED)
    if re.match(r"n?7\.0(?![0-9])", version):
        # Tried with 7.0.2: eight of ten clips of the demo; with --fps none.
        words = f"{version} loses the duration of a clip's last frame where no --fps is asked for"
        verdict = Verdict.WRONG if keeps_rate else Verdict.WARNING
        return Sign("ffmpeg", verdict, words, _BUNDLED)
    return Sign("ffmpeg", Verdict.FINE, version)


_ENCODERS = {"H.264": {"libx264"}}
_DECODERS = {
    "H.264": {"h264"},
    "VP9": {"vp9", "libvpx-vp9"},
    "AV1": {"libdav1d", "libaom-av1"},  # ffmpeg's own needs a graphics card
}
_FILTERS = ("trim", "settb", "metadata", "setpts", "tpad", "fps", "crop", "scale", "setsar", "bwdif", "idet")
_HDR_FILTERS = {"zscale", "tonemap"}
_SOUND_CODECS = {"AAC": "aac", "PCM": "pcm_s16le"}
_SOUND_FILTERS = ("atrim", "asetpts", "aresample", "aformat", "apad")


def of_abilities(
    encoders: Collection[str], decoders: Collection[str], filters: Collection[str], *, sound: bool = False
) -> Sign:
    """Judge ffmpeg by what it can do; H.264 and the filters are needed for every clip.

    So are those for sound where that is wanted.
    """
    lacks = [f"encode {name}" for name, any_of in _ENCODERS.items() if not any_of & {*encoders}]
    lacks += ["decode H.264"] if not _DECODERS["H.264"] & {*decoders} else []
    needed = (*_FILTERS, *(_SOUND_FILTERS if sound else ()))
    if sound:
        lacks += [f"encode {name}" for name, codec in _SOUND_CODECS.items() if codec not in encoders]
        lacks += ["decode AAC"] if "aac" not in decoders else []
    lacks += [f"filter with {name}" for name in needed if name not in filters]
    if lacks:
        return Sign("codecs", Verdict.WRONG, f"this ffmpeg cannot {', '.join(lacks)}", _BUNDLED)
    some = [name for name, any_of in _DECODERS.items() if not any_of & {*decoders}]
    if not {*filters} >= _HDR_FILTERS:
        words = "this ffmpeg cannot map HDR videos to standard range (zscale, tonemap)"
        return Sign("codecs", Verdict.WARNING, words, _BUNDLED)
    if some:
        words = f"this ffmpeg cannot decode {' and '.join(some)}, as which some videos come"
        return Sign("codecs", Verdict.WARNING, words, _BUNDLED)
    return Sign("codecs", Verdict.FINE, f"encodes H.264; decodes {', '.join(_DECODERS)}")


_EXTRA = "pip install 'hdtf-async[face]'"
_LEAST_MEDIAPIPE = (1, 2)


def of_face_tools(mediapipe: str | None, *, pooch: bool) -> Sign:
    """Judge what --crop face needs: MediaPipe's version, and whether pooch is there, or not needed."""
    if mediapipe is None or not pooch:
        what = "MediaPipe" if mediapipe is None else "pooch, which fetches its model,"
        words = f"{what} is not installed: it comes with the extra"
        return Sign("faces", Verdict.WRONG, words, _EXTRA, Reason.TOOL_MISSING)
    told = re.match(r"(\d+)\.(\d+)", mediapipe)
    if told is None or (int(told[1]), int(told[2])) < _LEAST_MEDIAPIPE:
        words = f"MediaPipe {mediapipe} is too old"
        return Sign("faces", Verdict.WRONG, words, _EXTRA, Reason.TOOL_MISSING)
    return Sign("faces", Verdict.FINE, f"MediaPipe {mediapipe}")


def of_room(*, free: int, min_free: int, least: Sequence[int], keep_raw: bool) -> Sign:
    """Judge the room on the disk by the least that each download still to come takes.

    The true sizes are told by YouTube later on, and are several times that.
    """
    needed = sum(least) if keep_raw else max(least, default=0)
    what = f"{len(least)} downloads" if keep_raw else "the longest download"
    words = f"{_gb(free)} free; {what} will take {_gb(needed)} at least" if least else f"{_gb(free)} free"
    if free - needed >= min_free:
        return Sign("disk", Verdict.FINE, words)
    return Sign(
        "disk",
        Verdict.WRONG,
        f"{words}, and --min-free {min_free / 1e9:g}G is to stay",
        "make room, choose another --out, or take a part: --subset, --limit"
        + ("; --no-keep-raw needs least" if keep_raw else ""),
        Reason.DISK_FULL,
    )


_EXPORT = "export them again in Netscape format from a browser in which YouTube plays"
_FIELDS = 7
_EXPIRES = 4


def of_cookies(text: str, *, written: float, now: float) -> Sign:
    """Judge a file of cookies by its form and dates (seconds since 1970); no word of it is repeated."""
    lines = text.splitlines()
    if not lines or not re.match(r"#( Netscape)? HTTP Cookie File", lines[0]):
        looks = "JSON" if text.lstrip()[:1] in {"[", "{"} else "something else"
        words = f"the file given with --cookies is not in Netscape format but {looks}"
        return Sign("cookies", Verdict.WRONG, words, _EXPORT)
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
    words = f"{len(ours)} for YouTube, written {days} days ago"
    if not ours:
        return Sign("cookies", Verdict.WARNING, "none for YouTube in the file", _EXPORT)
    lasting = [expires for expires in ours if not expires or expires > now]
    if not lasting:
        return Sign("cookies", Verdict.WARNING, f"{words}, and all have expired", _EXPORT)
    dated = [expires for expires in lasting if expires]
    soon = f"; the next expires in {(min(dated) - now) / 86400:.0f} days" if dated else ""
    gone = f", {len(ours) - len(lasting)} have expired" if len(lasting) < len(ours) else ""
    return Sign("cookies", Verdict.FINE, words + gone + soon)


def is_ready(signs: Iterable[Sign]) -> bool:
    """Say whether the main job can begin."""
    return all(sign.verdict is not Verdict.WRONG for sign in signs)


def stated(sign: Sign) -> Mapping[str, str]:
    """Return a sign for a program."""
    told = {"subject": sign.subject, "verdict": str(sign.verdict), "words": sign.words}
    return told | ({"what_to_do": sign.remedy} if sign.remedy else {})


def told(sign: Sign) -> str:
    """Return a sign for a person: a line, and one more where there is something to do."""
    seen = f"{sign.verdict:>7}  {sign.subject}: {sign.words}"
    return f"{seen}\n{'':>7}  -> {sign.remedy}" if sign.remedy else seen


def _listed(name: str, words: str) -> tuple[str, ...]:
    found = re.search(rf"^\[debug\] {name}: (.+)", words, re.MULTILINE)
    if found is None or found[1].startswith("none"):
        return ()
    return tuple(found[1].split(", "))


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", text) else 0.0


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
