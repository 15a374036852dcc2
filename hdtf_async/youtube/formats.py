"""Choose the format to download from yt-dlp's ``-J`` info dict.

yt-dlp's own choice is optimised for watching: it prefers AI-upscaled video and HDR if they are offered. This
one is optimised for a dataset of faces and for low costs of download and decoding.

A format is *refused* (`Choice.refused` says why) if its images are not those of the camera or would not be
decoded correctly: AI-upscaled, copy protected, marked as damaged, and HDR with `Hdr.REFUSE`. So is a format
that cannot be used safely: an id that could have a meaning on a command line, a URL that is not http(s), a
container that the probe does not support.

The policy (`Resolution`) selects one height of the rest. At that height the first format by the following
criteria is chosen. HDR, and formats that yt-dlp reports as possibly copy protected, are only considered if
nothing else meets the policy.

1. Nearest to the reference height, if several are within `TOLERANCE` of it.

2. At most 30 fps. (60 fps costs twice the bytes and frames.)

3. Video only. (Unrequested audio is not downloaded.)

4. The original audio, if audio is inside. (`tracks` determines which that is. If the audio must come with the
video, this criterion precedes the frame rate.)

5. H.264, then VP9, then AV1, then anything else, by the cost of decoding.

6. One file over http(s) instead of fragments (HLS, DASH).

7. The highest bitrate.

Requested audio comes from a separate format: the original, without dynamic range compression, of the best
quality that yt-dlp reports, then of the highest bitrate (`tracks.rank`). If there is none, it comes with the
video. Dubbed and descriptive tracks are never used.

The info dict is untrusted: a field that is missing, of another type or absurd is treated as unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Hdr, Resolution
from hdtf_async.youtube import tracks
from hdtf_async.youtube.entries import (
    WHOLE,
    Source,
    bitrate,
    entries_of,
    is_audio_only,
    is_protected,
    is_safe,
    may_be_protected,
    note,
    number,
    short,
    source,
    text,
    whole,
    why_absent,
    why_unsafe,
)
from hdtf_async.youtube.tracks import Marks, Tracks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from hdtf_async.youtube.entries import Entry
    from hdtf_async.youtube.tracks import Track

TOLERANCE = 8
"""Pixels by which the height of a format may differ from the reference height and still count as equal.

Encoders round the height of the same format: 1080 is sometimes stored as 1088, and a 720p video whose shape
is not exactly 16:9 has 714 or 718 rows. 8 pixels are half a macroblock and cover all of these. A box measured
at height 700 was not measured at 720: that is another size, scaled by 3 %, and only `Resolution.REFERENCE`
accepts it.
"""

DUBBED = "a dubbed track"
"""Why audio in another language than the original is refused."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format that yt-dlp offers, with validated fields."""

    format_id: str
    """Safe as an argument: letters, digits, ``_``, ``.`` and ``-``, starting with a letter or digit."""
    ext: str
    """File extension: mp4, webm or m4a."""
    container: str
    """yt-dlp's name of the container (``mp4_dash``), or the extension."""
    height: int
    """Nominal height: the number of rows, or the width of a portrait video. 0 for audio only."""
    width: int | None
    """Width of the frame in pixels."""
    fps: float | None
    vcodec: str | None
    """yt-dlp's name of the video codec (``avc1.4d401f``); None for audio only or if unknown."""
    acodec: str | None
    """yt-dlp's name of the audio codec; None if there is no audio or it is unknown."""
    size: int | None
    """Bytes."""
    size_is_exact: bool
    """Whether the downloaded file will have exactly that size."""
    protocol: str
    """yt-dlp's name of the protocol (``https``, ``m3u8_native``); empty if unknown."""
    duration: float | None
    """Announced duration in seconds."""
    track: Track | None = None
    """Its audio; None for video only."""
    source: Source = Source("", "")
    """Where its media come from."""
    stretched_ratio: float | None = None
    """Aspect ratio that the uploader requested (keyword ``yt:stretch``), if it differs from the file's."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The formats to download, and those that were refused."""

    video: Format
    audio: Format | None
    """The audio format, if audio was requested and is offered separately; otherwise see `inside`."""
    refused: tuple[tuple[str, str], ...]
    """Id and reason of each format that is not acceptable at any height."""

    @property
    def inside(self) -> Track | None:
        """The audio in the video format, if it may be used: neither dubbed nor descriptive."""
        return _inside(self.video)

    @property
    def track(self) -> Track | None:
        """The audio track that is used, if audio was requested."""
        return self.inside if self.audio is None else self.audio.track


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a format has to meet."""

    policy: Resolution
    reference_height: int
    """0 is unknown, so the highest is chosen."""
    audio: bool = False
    """Whether audio is needed."""
    hdr: Hdr = Hdr.TONEMAP
    """Whether HDR is chosen if nothing else meets the policy."""


def choose(info: Mapping[str, object], required: Requirements, avoid: Collection[Source] = ()) -> Choice:
    """Choose the format to download.

    Formats of sources to `avoid` are chosen only if no other has that height, or that audio.

    Raises `Failure`, whose message lists the formats offered and why each was refused: ``not_yet`` for a
    broadcast that has not ended, ``drm`` if everything offered is copy protected, ``update_needed`` if yt-dlp
    can download none of the offered videos (only storyboards, only audio), and ``format_unavailable`` if the
    policy or the rules refuse all videos.
    """
    live = info.get("live_status")
    if live in ("is_live", "is_upcoming", "post_live"):
        raise Failure(Reason.NOT_YET, f"live_status is {live}")
    entries, audio, reference_height = entries_of(info), required.audio, required.reference_height
    videos, sounds, refused = _sorted_out(entries, duration(info), avoid, required.hdr)
    if audio and not sounds:
        # It must come with the video: a video of another height is better than no audio.
        videos = [video for video in videos if _inside(video.format)] or videos
    sure = [video for video in videos if not may_be_protected(video.entry)]
    for offered in (_without_hdr(sure), sure, _without_hdr(videos), videos):
        height = _height({video.format.height for video in offered}, required.policy, reference_height)
        if height is not None:
            break
    else:
        others = [
            (video.format.format_id, f"height {video.format.height} instead of {reference_height}")
            for video in videos
        ]
        raise Failure(_why_none(info, entries), _describe_refused([*refused, *others]))
    best = _best(offered, height, with_audio=False)
    muxed = _best(offered, height, with_audio=True)
    separate = next(iter(sounds), None) if audio else None
    if audio and (separate is None or _is_better(muxed, best, separate)):
        return Choice(muxed, None, tuple(refused))
    return Choice(best, separate, tuple(refused))


def duration(info: Mapping[str, object]) -> float | None:
    """Return the duration in seconds that YouTube announces for the video, or None if unknown."""
    return number(info.get("duration"), _LONGEST)


def is_at(height: int, reference_height: int) -> bool:
    """Return whether a height is the reference height, within `TOLERANCE`; True if that is unknown (0)."""
    return reference_height <= 0 or abs(height - reference_height) <= TOLERANCE


def _height(heights: set[int], policy: Resolution, reference_height: int) -> int | None:
    """Choose the height of the format, or None if none is acceptable."""
    if not heights:
        return None
    if policy is Resolution.BEST or reference_height <= 0:
        return max(heights)
    if any(is_at(height, reference_height) for height in heights):
        return reference_height
    if policy is Resolution.EXACT:
        return None
    return min((height for height in heights if height > reference_height), default=max(heights))


_UPSCALED = re.compile(r"-sr(-|$)")
_ENDINGS = ("mp4", "webm")
_AUDIO_ENDINGS = ("m4a", "mp4", "webm")
_CODECS = (("avc1", "avc3", "h264"), ("vp9", "vp09"), ("av01", "av1"))
_FPS = 30.5
_LARGEST_SIDE = 8192
_WIDEST = 100.0
_LARGEST_FILE = 1 << 42
_LONGEST = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class _Video:
    """An acceptable format with video, and yt-dlp's entry about it."""

    format: Format
    entry: Entry
    avoided: bool
    """Whether its source should be avoided."""
    language_rank: float
    """0 for video only."""

    def rank(self, height: int, *, with_audio: bool) -> tuple[float | str, ...]:
        """Return its sort key; the lowest is the best."""
        it = self.format
        fast, audio = (it.fps or 0.0) > _FPS, (it.acodec is not None) is not with_audio
        language = 0.0 if it.acodec is None else self.language_rank
        return (
            abs(it.height - height),
            self.avoided,
            *((audio, language, fast) if with_audio else (fast, audio, language)),
            _codec_rank(it.vcodec),
            it.protocol not in WHOLE,
            -bitrate(self.entry, "tbr"),
            it.format_id,
        )


def _sorted_out(
    entries: Sequence[Entry], seconds: float | None, avoid: Collection[Source], hdr: Hdr
) -> tuple[list[_Video], list[Format], list[tuple[str, str]]]:
    """Return the acceptable video formats, the audio formats from best to worst, and the refused ones."""
    videos: list[_Video] = []
    sounds: list[tuple[tuple[float | str, ...], Format]] = []
    refused: list[tuple[str, str]] = []
    marks = [None if entry.get("acodec") == "none" else Marks.of(entry) for entry in entries]
    all_tracks = Tracks.of(filter(None, marks))
    ids = Counter(text(entry, "format_id") for entry in entries)
    for place, (entry, mark) in enumerate(zip(entries, marks, strict=True)):
        name = text(entry, "format_id")
        track = None if mark is None else all_tracks.track(mark)
        why = "duplicate format id" if ids[name] > 1 else _why_not(entry)
        if why is None and is_audio_only(entry):
            why = _why_not_audio(entry, mark, track)
            if why is None and mark is not None and track is not None:
                avoided = source(entry) in avoid
                sounds.append(
                    (tracks.rank(entry, mark, track, avoided=avoided), _read(entry, seconds, track))
                )
        elif why is None:
            why = _why_not_video(entry, hdr)
            if why is None:
                rank = 0.0 if mark is None or track is None else tracks.language_rank(mark, track)
                videos.append(_Video(_read(entry, seconds, track), entry, source(entry) in avoid, rank))
        if why is not None:
            refused.append((name if is_safe(name) else f"#{place}", why))
    return videos, [audio for _, audio in sorted(sounds, key=itemgetter(0))], refused


def _without_hdr(videos: Iterable[_Video]) -> list[_Video]:
    """Return the videos without HDR."""
    return [video for video in videos if not _is_hdr(video.entry)]


def _best(videos: Iterable[_Video], height: int, *, with_audio: bool) -> Format:
    """Return the best video, with or without required audio."""
    return min(videos, key=lambda video: video.rank(height, with_audio=with_audio)).format


def _inside(video: Format) -> Track | None:
    """Return the audio in a format with video, if it may be used."""
    return None if video.acodec is None or video.track is None or video.track.dubbed else video.track


def _is_better(muxed: Format, best: Format, separate: Format) -> bool:
    """Return whether a muxed format has the marked original at no cost, unlike the separate audio."""
    inside = _inside(muxed)
    unmarked = separate.track is not None and separate.track.original is False
    return unmarked and inside is not None and inside.original is True and muxed.height == best.height


def _why_none(info: Mapping[str, object], entries: Iterable[Entry]) -> Reason:
    """Return the reason why no video can be chosen.

    yt-dlp omits copy protected formats from the table, and sets ``_has_drm`` instead.
    """
    present = [entry for entry in entries if why_absent(entry) is None]
    free = [entry for entry in present if not is_protected(entry)]
    if not all(map(is_audio_only, free)):
        return Reason.FORMAT_UNAVAILABLE
    protected = len(free) < len(present) or info.get("_has_drm") is True
    return Reason.DRM if protected and not free else Reason.UPDATE_NEEDED


def _why_not(entry: Entry) -> str | None:
    """Return why a format is refused, video or audio; None if it is not."""
    return (
        why_absent(entry)
        or why_unsafe(entry)
        or _first((is_protected(entry), "copy protected"), ("damaged" in note(entry), "marked as damaged"))
    )


def _why_not_video(entry: Entry, hdr: Hdr) -> str | None:
    """Return why a format with video is refused; None if it is not."""
    upscaled = _UPSCALED.search(text(entry, "format_id")) or "upscaled" in note(entry)
    return _first(
        (bool(upscaled), "AI-upscaled"),
        (hdr is Hdr.REFUSE and _is_hdr(entry), "high dynamic range, and --hdr is refuse"),
        (entry.get("ext") not in _ENDINGS, f"a .{short(entry.get('ext'))} file"),
        (_side(entry.get("height")) is None, "unknown height"),
    )


def _is_hdr(entry: Entry) -> bool:
    """Whether yt-dlp reports a format as HDR."""
    return entry.get("dynamic_range") not in (None, "SDR")


def _why_not_audio(entry: Entry, marks: Marks | None, track: Track | None) -> str | None:
    """Return why an audio format is refused; None if it is not."""
    return _first(
        (marks is not None and marks.descriptive, "a descriptive track"),
        (track is None or track.dubbed, DUBBED),
        (entry.get("ext") not in _AUDIO_ENDINGS, f"a .{short(entry.get('ext'))} file"),
    )


def _first(*checks: tuple[bool, str]) -> str | None:
    """Return the message of the first check that applies."""
    return next((message for wrong, message in checks if wrong), None)


def _read(entry: Entry, seconds: float | None, track: Track | None) -> Format:
    """Read a format that was not refused."""
    ext = text(entry, "ext")
    container = text(entry, "container") or ext
    protocol = text(entry, "protocol")
    width, height = _side(entry.get("width")), _side(entry.get("height"))
    size = whole(entry.get("filesize"), _LARGEST_FILE)
    return Format(
        format_id=text(entry, "format_id"),
        ext=ext,
        container=container if is_safe(container) else ext,
        height=min(height, width or height) if height and not is_audio_only(entry) else 0,
        width=width,
        fps=number(entry.get("fps"), 1000),
        vcodec=_codec(text(entry, "vcodec")),
        acodec=_codec(text(entry, "acodec")),
        size=size or whole(entry.get("filesize_approx"), _LARGEST_FILE),
        # Fragments are merged after the download, and yt-dlp rewrites the container of DASH audio.
        size_is_exact=size is not None and protocol in WHOLE and container != "m4a_dash",
        protocol=protocol,
        duration=number(entry.get("duration"), _LONGEST) or seconds,
        track=track,
        source=source(entry),
        stretched_ratio=number(entry.get("stretched_ratio"), _WIDEST),
    )


def _codec(codec: str) -> str | None:
    return None if codec in ("", "none") else short(codec)


def _codec_rank(codec: str | None) -> int:
    """Return the rank of a codec, by the cost of decoding."""
    return next((rank for rank, names in enumerate(_CODECS) if (codec or "").startswith(names)), len(_CODECS))


def _describe_refused(refused: Iterable[tuple[str, str]]) -> str:
    """Return one line with the formats offered and why they were refused, grouped by reason."""
    by_reason: dict[str, list[str]] = {}
    for name, why in refused:
        by_reason.setdefault(why, []).append(name)
    parts = []
    for why, names in list(by_reason.items())[-_NAMED:]:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        parts.append(f"{', '.join(names[:_NAMED])}{more} ({why})")
    return f"formats offered: {'; '.join(parts)}" if parts else "no formats offered"


_NAMED = 12


def _side(value: object) -> int | None:
    return whole(value, _LARGEST_SIDE)
