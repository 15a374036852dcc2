"""Which of the renditions that YouTube offers is fetched: decided here, from yt-dlp's ``-J`` info dict.

yt-dlp's own choice is made for watching: it takes AI-upscaled faces and high dynamic range where they are
offered. Here it is made for a dataset of faces and for what is cheap to fetch and to decode.

A rendition is *refused* (`Choice.refused` says why) if its picture is not the camera's or would not come
out right: AI-upscaled, high dynamic range, copy protected, marked as damaged. So is whatever cannot be used
safely: an id that could mean something else on a command line, a file that the reader of raws does not open.

Of the rest one height is taken, by the policy (`Resolution`), and at that height the first by these
questions:

1. Nearest to the reference height, where several lie within `TOLERANCE` of it?
2. At most 30 frames a second? (A 60 fps twin costs twice the bytes and frames.)
3. Picture only? (Sound that nobody asked for is not fetched.)
4. H.264, then VP9, then AV1, then anything else? (In the order of what decoding costs.)
5. In one file over http(s), rather than in many pieces (HLS, DASH)?
6. More bits a second?

The info dict comes from outside and is not believed: each field may be missing, of another type or absurd,
and is then taken as unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from hdtf_async.failures import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOLERANCE = 8
"""Lines by which a rendition may differ from the reference height and still be called the same.

Encoders round the lines of one and the same rendition: 1080 is stored as 1088 here and there, and 720 lines
of a picture that is not quite 16:9 come as 714 or 718. 8 lines are half a macroblock and take all of these. A
box measured at 700 lines is not measured at 720: that is another picture, scaled by 3 %, and only
`Resolution.REFERENCE` takes it.
"""


class Resolution(StrEnum):
    """Which height is asked for."""

    REFERENCE = "reference"
    """The reference height, else the nearest above it, else the highest below it; the box is scaled."""
    EXACT = "exact"
    """The reference height, within `TOLERANCE`, or nothing."""
    BEST = "best"
    """The highest; the box is scaled."""


@dataclass(frozen=True, slots=True)
class Format:
    """One rendition that yt-dlp offers, as far as it can be believed."""

    format_id: str
    """Safe as an argument: letters, digits, ``_``, ``.`` and ``-``, the first a letter or digit."""
    ext: str
    """File ending: mp4, webm or m4a."""
    container: str
    """What yt-dlp calls the container (``mp4_dash``), or the ending."""
    height: int
    """The height that people mean: lines, or for a portrait picture its width. 0 for sound alone."""
    width: int | None
    """Width of the frame in pixels."""
    fps: float | None
    vcodec: str | None
    """yt-dlp's name of the picture's codec (``avc1.4d401f``); None for sound alone or where not told."""
    acodec: str | None
    """yt-dlp's name of the sound's codec; None where there is no sound or none is told."""
    size: int | None
    """Bytes."""
    size_is_exact: bool
    """Whether the file on the disk will have just that size."""
    protocol: str
    """yt-dlp's name of the way of fetching (``https``, ``m3u8_native``); empty where not told."""
    duration: float | None
    """Promised length in seconds."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be fetched, and what was not fit to be."""

    video: Format
    audio: Format | None
    """The original sound, if it was asked for and is offered by itself; else see ``video.acodec``."""
    refused: tuple[tuple[str, str], ...]
    """Id and reason, in words, of each rendition that was not acceptable at any height."""


def choose(
    info: Mapping[str, object], *, policy: Resolution, reference_height: int, audio: bool = False
) -> Choice:
    """Choose the rendition to fetch. A reference height of 0 is unknown, so the highest is taken.

    Raises `Failure`: `Reason.NOT_YET` for a broadcast that is not over, `Reason.FORMAT_UNAVAILABLE` if
    nothing acceptable is offered; its words name what was offered and why each was refused.
    """
    live = info.get("live_status")
    if live in ("is_live", "is_upcoming", "post_live"):
        raise Failure(Reason.NOT_YET, f"live_status is {live}")
    entries = _entries(info)
    seconds = duration(info)
    refused: list[tuple[str, str]] = []
    videos: list[tuple[Format, float]] = []
    sounds: list[tuple[Format, tuple[float, ...]]] = []
    ids = Counter(_text(entry.get("format_id")) for entry in entries)
    for place, entry in enumerate(entries):
        name = _text(entry.get("format_id"))
        shown = name if _SAFE.fullmatch(name) else f"#{place}"
        why = "its id is not its own" if ids[name] > 1 else _why_not(entry)
        if why is None and _is_sound(entry):
            why = _why_not_sound(entry)
            sounds += [] if why else [(_read(entry, seconds), _sound_rank(entry))]
        elif why is None:
            why = _why_not_picture(entry)
            videos += [] if why else [(_read(entry, seconds), _number(entry.get("tbr"), 1e9) or 0.0)]
        if why is not None:
            refused.append((shown, why))
    height = _height({video.height for video, _ in videos}, policy, reference_height)
    if height is None:
        others = [
            (v.format_id, f"{v.height} lines, and {reference_height} were asked for") for v, _ in videos
        ]
        raise Failure(Reason.FORMAT_UNAVAILABLE, _told([*refused, *others]))

    sound_inside = audio and not sounds

    def rank(candidate: tuple[Format, float]) -> tuple[float | str, ...]:
        video, bits = candidate
        return (
            abs(video.height - height),
            (video.fps or 0.0) > _FPS,
            (video.acodec is not None) is not sound_inside,
            _codec_rank(video.vcodec),
            _protocol_rank(video.protocol),
            -bits,
            video.format_id,
        )

    sound = min(sounds, key=lambda candidate: (*candidate[1], candidate[0].format_id))[0] if sounds else None
    return Choice(min(videos, key=rank)[0], sound if audio else None, tuple(refused))


def duration(info: Mapping[str, object]) -> float | None:
    """Return the length in seconds that YouTube promises for the video, or None where it is not told."""
    return _number(info.get("duration"), _LONGEST)


def is_at(height: int, reference_height: int) -> bool:
    """Say whether a height is the reference height, within `TOLERANCE`. Any height is an unknown one (0)."""
    return reference_height <= 0 or abs(height - reference_height) <= TOLERANCE


def _height(heights: set[int], policy: Resolution, reference_height: int) -> int | None:
    """Choose the height nearest to which the rendition is taken, or None if none is acceptable."""
    if not heights:
        return None
    if policy is Resolution.BEST or reference_height <= 0:
        return max(heights)
    if any(is_at(height, reference_height) for height in heights):
        return reference_height
    if policy is Resolution.EXACT:
        return None
    return min((height for height in heights if height > reference_height), default=max(heights))


# An id is handed to yt-dlp's -f, where "+", "/", "," and brackets would be read as operators.
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_UPSCALED = re.compile(r"-sr(-|$)")
_ENDINGS = ("mp4", "webm")
_SOUND_ENDINGS = ("m4a", "mp4", "webm")
_WHOLE = ("https", "http")
_IN_PIECES = ("http_dash_segments", "m3u8_native", "m3u8")
_CODECS = (("avc1", "avc3", "h264"), ("vp9", "vp09"), ("av01", "av1"))
_FPS = 30.5
_DESCRIPTIVE = -10
"""yt-dlp's mark of a track for people who do not see; it has 10 for the original, 5 for the default."""
_LARGEST_SIDE = 8192
_LARGEST_FILE = 1 << 42
_LONGEST = 30 * 86400.0


def _entries(info: Mapping[str, object]) -> list[dict[object, object]]:
    """Return the renditions of an info dict, those that look like any."""
    formats = info.get("formats")
    return [entry for entry in formats if isinstance(entry, dict)] if isinstance(formats, list) else []


def _why_not(entry: Mapping[object, object]) -> str | None:
    """Say why a rendition is refused, be it picture or sound; None if it is not."""
    protocol = _text(entry.get("protocol"))
    nothing = entry.get("vcodec") == "none" and entry.get("acodec") == "none"
    return _first(
        (not _SAFE.fullmatch(_text(entry.get("format_id"))), "its id is not fit to be an argument"),
        ("mhtml" in (entry.get("ext"), protocol) or "storyboard" in _note(entry), "a storyboard"),
        (nothing, "neither picture nor sound"),
        (bool(entry.get("has_drm")), "copy protected"),
        ("damaged" in _note(entry), "marked as damaged"),
        (protocol not in ("", *_WHOLE, *_IN_PIECES), f"fetched by {_short(protocol)}"),
    )


def _why_not_picture(entry: Mapping[object, object]) -> str | None:
    """Say why a rendition with a picture is refused; None if it is not."""
    upscaled = _UPSCALED.search(_text(entry.get("format_id"))) or "upscaled" in _note(entry)
    return _first(
        (bool(upscaled), "AI-upscaled"),
        (entry.get("dynamic_range") not in (None, "SDR"), "high dynamic range"),
        (entry.get("ext") not in _ENDINGS, f"a .{_short(entry.get('ext'))} file"),
        (_side(entry.get("height")) is None, "its height is not told"),
    )


def _why_not_sound(entry: Mapping[object, object]) -> str | None:
    """Say why a rendition of sound alone is refused; None if it is not."""
    descriptive = "descriptive" in _note(entry) or _preference(entry) <= _DESCRIPTIVE
    return _first(
        (descriptive, "a descriptive track"),
        ("dubbed" in _note(entry), "a dubbed track"),
        (entry.get("ext") not in _SOUND_ENDINGS, f"a .{_short(entry.get('ext'))} file"),
    )


def _first(*checks: tuple[bool, str]) -> str | None:
    """Return the words of the first check that holds."""
    return next((words for wrong, words in checks if wrong), None)


def _is_sound(entry: Mapping[object, object]) -> bool:
    return entry.get("vcodec") == "none"


def _preference(entry: Mapping[object, object]) -> float:
    """Return yt-dlp's liking of a track's language."""
    told = entry.get("language_preference")
    if isinstance(told, int | float) and abs(told) <= abs(_DESCRIPTIVE):
        return float(told)
    return -1.0


def _sound_rank(entry: Mapping[object, object]) -> tuple[float, ...]:
    """Order tracks: the original, then AAC, then full dynamics, then in one file, then more bits."""
    codec = _text(entry.get("acodec"))
    return (
        "original" not in _note(entry),
        -_preference(entry),
        not (entry.get("ext") in ("m4a", "mp4") and codec.startswith("mp4a")),
        _text(entry.get("format_id")).endswith("-drc"),
        _protocol_rank(_text(entry.get("protocol"))),
        -(_number(entry.get("abr"), 1e9) or _number(entry.get("tbr"), 1e9) or 0.0),
    )


def _read(entry: Mapping[object, object], seconds: float | None) -> Format:
    """Read a rendition that was not refused."""
    ext = _text(entry.get("ext"))
    container = _text(entry.get("container")) or ext
    protocol = _text(entry.get("protocol"))
    width, height = _side(entry.get("width")), _side(entry.get("height"))
    size = _whole(entry.get("filesize"), _LARGEST_FILE)
    return Format(
        format_id=_text(entry.get("format_id")),
        ext=ext,
        container=container if _SAFE.fullmatch(container) else ext,
        height=0 if _is_sound(entry) else min(height or 0, width or height or 0),
        width=width,
        fps=_number(entry.get("fps"), 1000),
        vcodec=_codec(entry.get("vcodec")),
        acodec=_codec(entry.get("acodec")),
        size=size or _whole(entry.get("filesize_approx"), _LARGEST_FILE),
        # What comes in pieces is put together here, and yt-dlp rewrites the container of DASH sound.
        size_is_exact=size is not None and protocol in _WHOLE and container != "m4a_dash",
        protocol=protocol,
        duration=_number(entry.get("duration"), _LONGEST) or seconds,
    )


def _codec(told: object) -> str | None:
    codec = _text(told)
    return None if codec in ("", "none") else _short(codec)


def _codec_rank(codec: str | None) -> int:
    """Order codecs by what decoding costs."""
    return next((rank for rank, names in enumerate(_CODECS) if (codec or "").startswith(names)), len(_CODECS))


def _protocol_rank(protocol: str) -> int:
    return 0 if protocol in _WHOLE else 1


def _told(refused: Iterable[tuple[str, str]]) -> str:
    """Write in one line what was offered and why it was refused, the ids with the same reason together."""
    by_reason: dict[str, list[str]] = {}
    for name, why in refused:
        by_reason.setdefault(why, []).append(name)
    parts = []
    for why, names in list(by_reason.items())[-_NAMED:]:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        parts.append(f"{', '.join(names[:_NAMED])}{more} ({why})")
    return f"offered were: {'; '.join(parts)}" if parts else "no rendition was offered"


_NAMED = 12


def _text(told: object) -> str:
    """Read a text; anything else is empty."""
    return told if isinstance(told, str) else ""


def _note(entry: Mapping[object, object]) -> str:
    """Return yt-dlp's remarks on a rendition, in lower case."""
    return _text(entry.get("format_note")).casefold()


def _short(told: object) -> str:
    """Make a foreign word fit to be shown."""
    return re.sub(r"[^\w.+-]", "?", _text(told)[:24], flags=re.ASCII) or "?"


def _number(told: object, most: float) -> float | None:
    """Read a number above 0 and up to `most`; anything else, such as NaN, a bool or a text, is unknown."""
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    return float(told) if 0 < told <= most else None


def _whole(told: object, most: int) -> int | None:
    """Read a whole number above 0 and up to `most`; anything else is unknown."""
    number = _number(told, most)
    return int(number) if number is not None and number.is_integer() else None


def _side(told: object) -> int | None:
    return _whole(told, _LARGEST_SIDE)
