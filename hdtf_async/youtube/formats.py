"""Which of the renditions that YouTube offers is fetched: decided here, from yt-dlp's ``-J`` info dict.

yt-dlp's own choice is made for watching: it takes AI-upscaled faces and high dynamic range where they are
offered. Here it is made for a dataset of faces and for what is cheap to fetch and to decode.

A rendition is *refused* (`Choice.refused` says why) if its picture is not the camera's or would not come
out right: AI-upscaled, copy protected, marked as damaged, and of high dynamic range where that is not to be
mapped to standard range (`Hdr.REFUSE`). So is whatever cannot be used safely: an id that could mean something
else on a command line, an address that is not http(s), a file that the reader of raws does not open.

Of the rest one height is taken, by the policy (`Resolution`), and at that height the first by the questions
below. High dynamic range counts only if nothing else meets the policy, and so does a format that yt-dlp
reports as perhaps copy protected.

1. Nearest to the reference height, where several lie within `TOLERANCE` of it?
2. At most 30 frames a second? (A 60 fps twin costs twice the bytes and frames.)
3. Picture only? (Sound that nobody asked for is not fetched.)
4. The original audio, if audio is inside? (`tracks` says which that is. Where the audio has to come with the
   video, this is asked before the rate.)
5. H.264, then VP9, then AV1, then anything else? (In the order of what decoding costs.)
6. In one file over http(s), rather than in many pieces (HLS, DASH)?
7. More bits a second?

Audio that was asked for comes from a format of its own: the original, without compressed dynamics, of the
best quality that yt-dlp reports, then of the highest bitrate (`tracks.rank`). If there is none, it comes with
the video. Dubbed and descriptive tracks are never used.

The info dict comes from outside and is not believed: each field may be missing, of another type or absurd,
and is then taken as unknown.
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
"""Lines by which a rendition may differ from the reference height and still be called the same.

Encoders round the lines of one and the same rendition: 1080 is stored as 1088 here and there, and 720 lines
of a picture that is not quite 16:9 come as 714 or 718. 8 lines are half a macroblock and take all of these. A
box measured at 700 lines is not measured at 720: that is another picture, scaled by 3 %, and only
`Resolution.REFERENCE` takes it.
"""

DUBBED = "a dubbed track"
"""Why the audio of a format is refused that is not in the original language."""


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
    track: Track | None = None
    """Its audio; None for video alone."""
    source: Source = Source("", "")
    """Where its media come from."""
    stretched_ratio: float | None = None
    """Width to height as the uploader wants it shown (keyword ``yt:stretch``); the file has another ratio."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be downloaded, and which formats were refused."""

    video: Format
    audio: Format | None
    """The audio, if it was asked for and is offered in a format of its own; else see `inside`."""
    refused: tuple[tuple[str, str], ...]
    """Id and reason, in words, of each rendition that was not acceptable at any height."""

    @property
    def inside(self) -> Track | None:
        """The audio in the video, if it may be used: neither dubbed nor descriptive."""
        return _inside(self.video)

    @property
    def track(self) -> Track | None:
        """The audio that is used, if any is wanted."""
        return self.inside if self.audio is None else self.audio.track


def choose(  # noqa: PLR0913 - each is one thing that decides
    info: Mapping[str, object],
    *,
    policy: Resolution,
    reference_height: int,
    audio: bool = False,
    avoid: Collection[Source] = (),
    hdr: Hdr = Hdr.TONEMAP,
) -> Choice:
    """Choose the rendition to fetch. A reference height of 0 is unknown, so the highest is taken.

    High dynamic range is taken where nothing else meets the policy, unless `hdr` refuses it.

    Formats of sources to `avoid` are taken only where no other has that height, or that audio.

    Raises `Failure`, whose words name what was offered and why each was refused: ``not_yet`` for a broadcast
    that is not over, ``drm`` if all that is offered is copy protected, ``update_needed`` if no video is
    offered that yt-dlp can download (only storyboards, only audio), and ``format_unavailable`` if video is
    offered that the policy or the rules refuse.
    """
    live = info.get("live_status")
    if live in ("is_live", "is_upcoming", "post_live"):
        raise Failure(Reason.NOT_YET, f"live_status is {live}")
    entries = _entries(info)
    videos, sounds, refused = _sorted_out(entries, duration(info), avoid, hdr)
    if audio and not sounds:
        # It has to come with the video: a video of another height is better than no audio.
        videos = [video for video in videos if _inside(video.format)] or videos
    sure = [video for video in videos if not may_be_protected(video.entry)]
    for offered in (_without_hdr(sure), sure, _without_hdr(videos), videos):
        height = _height({video.format.height for video in offered}, policy, reference_height)
        if height is not None:
            break
    else:
        others = [
            (video.format.format_id, f"height {video.format.height} instead of {reference_height}")
            for video in videos
        ]
        raise Failure(_why_none(info, entries), _told([*refused, *others]))
    best = _best(offered, height, with_audio=False)
    muxed = _best(offered, height, with_audio=True)
    sound = next(iter(sounds), None) if audio else None
    if audio and (sound is None or _is_better(muxed, best, sound)):
        return Choice(muxed, None, tuple(refused))
    return Choice(best, sound, tuple(refused))


def duration(info: Mapping[str, object]) -> float | None:
    """Return the length in seconds that YouTube promises for the video, or None where it is not told."""
    return number(info.get("duration"), _LONGEST)


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


_UPSCALED = re.compile(r"-sr(-|$)")
_ENDINGS = ("mp4", "webm")
_SOUND_ENDINGS = ("m4a", "mp4", "webm")
_CODECS = (("avc1", "avc3", "h264"), ("vp9", "vp09"), ("av01", "av1"))
_FPS = 30.5
_LARGEST_SIDE = 8192
_WIDEST = 100.0
_LARGEST_FILE = 1 << 42
_LONGEST = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class _Video:
    """A format with video that is acceptable, and yt-dlp's entry about it."""

    format: Format
    entry: Entry
    avoided: bool
    """Whether its source is to be avoided."""
    language_rank: float
    """0 for video alone."""

    def rank(self, height: int, *, with_audio: bool) -> tuple[float | str, ...]:
        """Return its place among the others; the lowest is the best."""
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


def _entries(info: Mapping[str, object]) -> list[Entry]:
    """Return the renditions of an info dict, those that look like any."""
    formats = info.get("formats")
    return [entry for entry in formats if isinstance(entry, dict)] if isinstance(formats, list) else []


def _sorted_out(
    entries: Sequence[Entry], seconds: float | None, avoid: Collection[Source], hdr: Hdr
) -> tuple[list[_Video], list[Format], list[tuple[str, str]]]:
    """Return the acceptable formats with video, those of audio alone from best to worst, and the refused."""
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
            why = _why_not_sound(entry, mark, track)
            if why is None and mark is not None and track is not None:
                avoided = source(entry) in avoid
                sounds.append(
                    (tracks.rank(entry, mark, track, avoided=avoided), _read(entry, seconds, track))
                )
        elif why is None:
            why = _why_not_picture(entry, hdr)
            if why is None:
                rank = 0.0 if mark is None or track is None else tracks.language_rank(mark, track)
                videos.append(_Video(_read(entry, seconds, track), entry, source(entry) in avoid, rank))
        if why is not None:
            refused.append((name if is_safe(name) else f"#{place}", why))
    return videos, [sound for _, sound in sorted(sounds, key=itemgetter(0))], refused


def _without_hdr(videos: Iterable[_Video]) -> list[_Video]:
    """Return the videos that have no high dynamic range."""
    return [video for video in videos if not _is_hdr(video.entry)]


def _best(videos: Iterable[_Video], height: int, *, with_audio: bool) -> Format:
    """Return the video to take, for those who need audio inside of it or not."""
    return min(videos, key=lambda video: video.rank(height, with_audio=with_audio)).format


def _inside(video: Format) -> Track | None:
    """Return the audio in a format with video, if it may be used."""
    return None if video.acodec is None or video.track is None or video.track.dubbed else video.track


def _is_better(muxed: Format, best: Format, sound: Format) -> bool:
    """Return whether a format of both has the marked original at no cost, and the audio alone is unmarked."""
    inside = _inside(muxed)
    unmarked = sound.track is not None and sound.track.original is False
    return unmarked and inside is not None and inside.original is True and muxed.height == best.height


def _why_none(info: Mapping[str, object], entries: Iterable[Entry]) -> Reason:
    """Return the reason why no video can be taken.

    yt-dlp leaves copy protected formats out of the table, and sets ``_has_drm`` instead.
    """
    there = [entry for entry in entries if why_absent(entry) is None]
    free = [entry for entry in there if not is_protected(entry)]
    if not all(map(is_audio_only, free)):
        return Reason.FORMAT_UNAVAILABLE
    protected = len(free) < len(there) or info.get("_has_drm") is True
    return Reason.DRM if protected and not free else Reason.UPDATE_NEEDED


def _why_not(entry: Entry) -> str | None:
    """Say why a rendition is refused, be it picture or sound; None if it is not."""
    return (
        why_absent(entry)
        or why_unsafe(entry)
        or _first((is_protected(entry), "copy protected"), ("damaged" in note(entry), "marked as damaged"))
    )


def _why_not_picture(entry: Entry, hdr: Hdr) -> str | None:
    """Say why a rendition with a picture is refused; None if it is not."""
    upscaled = _UPSCALED.search(text(entry, "format_id")) or "upscaled" in note(entry)
    return _first(
        (bool(upscaled), "AI-upscaled"),
        (hdr is Hdr.REFUSE and _is_hdr(entry), "high dynamic range, and --hdr is refuse"),
        (entry.get("ext") not in _ENDINGS, f"a .{short(entry.get('ext'))} file"),
        (_side(entry.get("height")) is None, "unknown height"),
    )


def _is_hdr(entry: Entry) -> bool:
    """Whether a rendition has high dynamic range, by yt-dlp's word."""
    return entry.get("dynamic_range") not in (None, "SDR")


def _why_not_sound(entry: Entry, marks: Marks | None, track: Track | None) -> str | None:
    """Say why a rendition of sound alone is refused; None if it is not."""
    return _first(
        (marks is not None and marks.descriptive, "a descriptive track"),
        (track is None or track.dubbed, DUBBED),
        (entry.get("ext") not in _SOUND_ENDINGS, f"a .{short(entry.get('ext'))} file"),
    )


def _first(*checks: tuple[bool, str]) -> str | None:
    """Return the words of the first check that holds."""
    return next((words for wrong, words in checks if wrong), None)


def _read(entry: Entry, seconds: float | None, track: Track | None) -> Format:
    """Read a rendition that was not refused."""
    ext = text(entry, "ext")
    container = text(entry, "container") or ext
    protocol = text(entry, "protocol")
    width, height = _side(entry.get("width")), _side(entry.get("height"))
    size = whole(entry.get("filesize"), _LARGEST_FILE)
    return Format(
        format_id=text(entry, "format_id"),
        ext=ext,
        container=container if is_safe(container) else ext,
        height=0 if is_audio_only(entry) else min(height or 0, width or height or 0),
        width=width,
        fps=number(entry.get("fps"), 1000),
        vcodec=_codec(text(entry, "vcodec")),
        acodec=_codec(text(entry, "acodec")),
        size=size or whole(entry.get("filesize_approx"), _LARGEST_FILE),
        # What comes in pieces is put together here, and yt-dlp rewrites the container of DASH sound.
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
    """Order codecs by what decoding costs."""
    return next((rank for rank, names in enumerate(_CODECS) if (codec or "").startswith(names)), len(_CODECS))


def _told(refused: Iterable[tuple[str, str]]) -> str:
    """Write in one line what was offered and why it was refused, the ids with the same reason together."""
    by_reason: dict[str, list[str]] = {}
    for name, why in refused:
        by_reason.setdefault(why, []).append(name)
    parts = []
    for why, names in list(by_reason.items())[-_NAMED:]:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        parts.append(f"{', '.join(names[:_NAMED])}{more} ({why})")
    return f"formats offered: {'; '.join(parts)}" if parts else "no formats offered"


_NAMED = 12


def _side(told: object) -> int | None:
    return whole(told, _LARGEST_SIDE)
