"""Which audio track a format contains: its language, and whether it is the video's original audio. Pure.

YouTube offers dubbed tracks beside the original one, as audio formats and as HLS formats with both video and
audio, and may mark any of them as the default. yt-dlp reports YouTube's information about a track in several
fields:

- ``language_preference``: 10 for the original, 5 for the default, -10 for a descriptive track, otherwise -1;
- ``format_note``: the name of the track (``English (US) original (default)``, ``ja - dubbed-auto``), ``DRC``;
- ``format_id``: ``-drc`` and ``-vb``, followed by a number if several formats share an id (``140-drc-1``);
- ``url``: YouTube's own tags, such as ``xtags=acont=dubbed-auto:lang=de-DE``.

If any format of the video is marked as original, every other language is a dub.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from hdtf_async.youtube.entries import WHOLE, bitrate, may_be_protected, note, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hdtf_async.youtube.entries import Entry

_ORIGINAL, _DESCRIPTIVE = 10, -10
"""Values of yt-dlp's ``language_preference``."""
_FURTHEST = 1000.0
"""Upper bound for the absolute values of yt-dlp's preference numbers."""
_ITAG = re.compile(r"\d{1,6}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}", re.ASCII)
_UNDETERMINED = "und"
_OF_DESCRIPTIVE = re.compile(r"(^|-)desc$")
_ALTERED_ID = re.compile(r"-(drc|vb)(-|$)", re.ASCII)
_ALTERED_NOTE = re.compile(r"\bdrc\b|\bvb\b|voice.?boost|stable volume")
_XTAGS = re.compile(r"xtags(?:[=/]|%(?:25)?3[Dd])([^&/#]{1,200})")
_END_OF_FIELD = re.compile(r"[&;/#]")
_QUOTED = 3
"""Maximum number of percent-encodings: in an HLS playlist the tags are quoted within a quoted field."""
_LONGEST_ADDRESS = 1 << 13


@dataclass(frozen=True, slots=True)
class Marks:
    """What yt-dlp reports about the audio of one format."""

    language: str | None
    """BCP 47 code; None if unknown."""
    preference: float
    """yt-dlp's ``language_preference``; -1 is yt-dlp's own value for unknown."""
    original: bool
    """Whether it is marked as the original, and as nothing else."""
    dubbed: bool
    descriptive: bool
    """Whether it is an audio description."""
    altered: bool
    """Whether it has dynamic range compression (DRC) or voice boost."""

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Read the marks of an entry of the format table."""
        tags, remarks = _xtags(text(entry, "url")), note(entry)
        content, language = tags.get("acont", ""), text(entry, "language")
        preference = _ordinal(entry, "language_preference")
        # yt-dlp calls every HLS format in the original's language original, even a dub in it.
        dubbed = "dubbed" in remarks or content.startswith("dubbed") or content == "secondary"
        descriptive = (
            "descriptive" in remarks
            or preference <= _DESCRIPTIVE
            or _OF_DESCRIPTIVE.search(language) is not None
            or content == "descriptive"
        )
        original = preference >= _ORIGINAL or "original" in remarks or content == "original"
        return cls(
            _code(_OF_DESCRIPTIVE.sub("", language)) or _code(tags.get("lang")),
            preference,
            original=original and not dubbed and not descriptive,
            dubbed=dubbed,
            descriptive=descriptive,
            altered=_ALTERED_ID.search(text(entry, "format_id")) is not None
            or _ALTERED_NOTE.search(remarks) is not None
            or "1" in (tags.get("drc"), tags.get("vb")),
        )


@dataclass(frozen=True, slots=True)
class Track:
    """The audio of one format, given all tracks of its video."""

    language: str | None
    """BCP 47 code as yt-dlp reports it; None if unknown."""
    original: bool | None
    """True if YouTube marks the track, or another one in its language, as the original. False if it is dubbed
    or descriptive, or has no language while another track is marked. None if no track is marked."""
    dubbed: bool = False
    """Whether the track is not the original: dubbed or descriptive."""
    guessed: bool = False
    """Whether the video has several languages, none of which is marked as the original."""

    def to_json(self) -> dict[str, object]:
        """Return the track as the journal records it."""
        flags = {"dubbed": self.dubbed, "guessed": self.guessed}
        fields: dict[str, object] = {"language": self.language, "original": self.original}
        return fields | {name: True for name, flag in flags.items() if flag}

    @classmethod
    def from_json(cls, record: object) -> Self | None:
        """Read a track from the journal; None if the record has none, as in older versions."""
        if not isinstance(record, dict):
            return None
        original = record.get("original")
        return cls(
            _code(record.get("language")),
            original if isinstance(original, bool) else None,
            dubbed=record.get("dubbed") is True,
            guessed=record.get("guessed") is True,
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """Metadata fields of a clip about its audio."""
        fields = {"audio_language": self.language, "audio_original": self.original}
        return fields | ({"audio_guessed": True} if self.guessed else {})


UNKNOWN = Track(None, None)
"""The audio of a video without a format table."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """The audio tracks of one video."""

    marked: bool
    """Whether any is marked as the original."""
    originals: frozenset[str]
    """Languages of these tracks, in lower case."""
    languages: frozenset[str]
    """All languages except those of descriptive tracks, in lower case."""

    @classmethod
    def of(cls, formats: Iterable[Marks]) -> Self:
        """Read the tracks of all formats with audio, including those that are not acceptable otherwise."""
        heard = [marks for marks in formats if not marks.descriptive]
        originals = [marks for marks in heard if marks.original]
        return cls(bool(originals), _languages(originals), _languages(heard))

    def track(self, marks: Marks) -> Track:
        """Return the track of a format with audio."""
        other = marks.dubbed or marks.descriptive
        has_language = marks.language is not None
        same = marks.language is not None and marks.language.casefold() in self.originals
        original = not other and (marks.original or same)
        return Track(
            marks.language,
            original if other or self.marked else None,
            dubbed=other or (self.marked and has_language and not original),
            guessed=not self.marked and len(self.languages) > 1,
        )


def rank(entry: Entry, marks: Marks, track: Track, *, avoided: bool) -> tuple[float | str, ...]:
    """Return the sort key of an audio format; the lowest is the best."""
    itag = _ITAG.match(text(entry, "format_id"))
    return (
        may_be_protected(entry),
        language_rank(marks, track),
        marks.altered,
        avoided,
        -_ordinal(entry, "quality"),
        -bitrate(entry, "abr", "tbr"),
        text(entry, "protocol") not in WHOLE,
        not text(entry, "acodec").startswith("mp4a"),
        # The only information about YouTube's audio over HLS: 234 is better than 233.
        -int(itag[0]) if itag else 0,
        text(entry, "format_id"),
    )


def language_rank(marks: Marks, track: Track) -> float:
    """Return how far a track is from the original: the marked one, then yt-dlp's order, dubs last."""
    return _FURTHEST if track.dubbed else -_FURTHEST if track.original else -marks.preference


def _languages(formats: Iterable[Marks]) -> frozenset[str]:
    return frozenset(marks.language.casefold() for marks in formats if marks.language is not None)


def _ordinal(entry: Entry, field: str) -> float:
    """Return one of yt-dlp's preference numbers; -1 is yt-dlp's own value for unknown."""
    value = entry.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _FURTHEST:
        return -1.0
    return float(value)


def _code(value: object) -> str | None:
    """Return a BCP 47 code; None for anything else."""
    if not isinstance(value, str) or not _LANGUAGE.fullmatch(value) or value.casefold() == _UNDETERMINED:
        return None
    return value


def _xtags(address: str) -> dict[str, str]:
    """Return YouTube's tags in a URL: a field of the query, or part of the path of an HLS playlist."""
    tags: list[tuple[str, str, str]] = []
    for found in _XTAGS.findall(address[:_LONGEST_ADDRESS]):
        for _ in range(_QUOTED):
            found = unquote(found)  # noqa: PLW2901 - once per percent-encoding
        tags += [tag.partition("=") for tag in _END_OF_FIELD.split(found)[0].split(":")]
    return {name: value for name, _, value in tags if value}
