"""Which audio track a format carries: its language, and whether it is the video's original audio. Pure.

YouTube offers dubbed tracks beside the original one, as formats of audio alone and as HLS formats with both
video and audio, and marks any of them as the default. yt-dlp reports what YouTube says of a track in several
places:

- ``language_preference``: 10 for the original, 5 for the default, -10 for a descriptive track, else -1;
- ``format_note``: the name of the track (``English (US) original (default)``, ``ja - dubbed-auto``), ``DRC``;
- ``format_id``: ``-drc`` and ``-vb``, followed by a number where several formats share an id (``140-drc-1``);
- ``url``: YouTube's own tags, such as ``xtags=acont=dubbed-auto:lang=de-DE``.

If any format of the video is marked as original, every other language is a dub.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from hdtf_async.entries import WHOLE, bitrate, may_be_protected, note, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hdtf_async.entries import Entry

_ORIGINAL, _DESCRIPTIVE = 10, -10
"""Values of yt-dlp's ``language_preference``."""
_FURTHEST = 1000.0
"""No number by which yt-dlp orders formats is as far from 0."""
_ITAG = re.compile(r"\d{1,6}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}", re.ASCII)
_UNDETERMINED = "und"
_OF_DESCRIPTIVE = re.compile(r"(^|-)desc$")
_ALTERED_ID = re.compile(r"-(drc|vb)(-|$)", re.ASCII)
_ALTERED_NOTE = re.compile(r"\bdrc\b|\bvb\b|voice.?boost|stable volume")
_XTAGS = re.compile(r"xtags[=/]([^&;/#]*)")
_QUOTED = 3
"""How often percent signs are decoded: the tags of an HLS playlist are quoted within a quoted field."""
_LONGEST_ADDRESS = 1 << 13


@dataclass(frozen=True, slots=True)
class Track:
    """The audio of one format."""

    language: str | None
    """BCP 47 code as yt-dlp reports it; None if unknown."""
    original: bool | None
    """True if YouTube marks the track, or another one in its language, as the original. False if it is dubbed
    or descriptive, or has no language while another track is marked. None if no track is marked."""
    dubbed: bool = False
    """Whether the track is known to be another than the original: dubbed or descriptive."""
    guessed: bool = False
    """Whether the video has several languages, none of which is marked as the original."""

    def to_json(self) -> dict[str, object]:
        """Return the track as the journal records it."""
        flags = {"dubbed": self.dubbed, "guessed": self.guessed}
        told: dict[str, object] = {"language": self.language, "original": self.original}
        return told | {name: True for name, flag in flags.items() if flag}

    @classmethod
    def from_json(cls, told: object) -> Self | None:
        """Read a track from the journal; None if the record has none, as those of older versions."""
        if not isinstance(told, dict):
            return None
        original = told.get("original")
        return cls(
            _code(told.get("language")),
            original if isinstance(original, bool) else None,
            dubbed=told.get("dubbed") is True,
            guessed=told.get("guessed") is True,
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """What the metadata of a clip says about its audio."""
        known = {"audio_language": self.language, "audio_original": self.original}
        return known | ({"audio_guessed": True} if self.guessed else {})


UNKNOWN = Track(None, None)
"""The audio of a video about which no format table says anything."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """The audio tracks of one video."""

    marked: bool
    """Whether any is marked as the original."""
    originals: frozenset[str]
    """Languages of those that are, in lower case."""
    languages: frozenset[str]
    """All languages but those of descriptive tracks, in lower case."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """Read the tracks of a whole format table, including formats that are not acceptable otherwise."""
        marked = False
        originals, languages = set[str](), set[str]()
        for entry in entries:
            if entry.get("acodec") == "none" or is_descriptive(entry):
                continue
            language = (_language(entry) or "").casefold()
            languages.add(language)
            if _is_original(entry):
                marked = True
                originals.add(language)
        return cls(marked, frozenset(originals - {""}), frozenset(languages - {""}))

    def track(self, entry: Entry) -> Track:
        """Return the track of a format with audio."""
        language = _language(entry)
        same = language is not None and language.casefold() in self.originals
        other = is_descriptive(entry) or _is_dubbed(entry)
        original = not other and (_is_original(entry) or same)
        return Track(
            language,
            original if other or self.marked else None,
            dubbed=other or (self.marked and not original and language is not None),
            guessed=not self.marked and len(self.languages) > 1,
        )


def is_descriptive(entry: Entry) -> bool:
    """Return whether a track describes the video for people who do not see it."""
    return (
        "descriptive" in note(entry)
        or preference(entry) <= _DESCRIPTIVE
        or _OF_DESCRIPTIVE.search(text(entry, "language")) is not None
        or _xtags(entry).get("acont") == "descriptive"
    )


def is_altered(entry: Entry) -> bool:
    """Return whether the dynamics of a track are compressed (DRC) or its voices are boosted."""
    tags = _xtags(entry)
    return (
        _ALTERED_ID.search(text(entry, "format_id")) is not None
        or _ALTERED_NOTE.search(note(entry)) is not None
        or "1" in (tags.get("drc"), tags.get("vb"))
    )


def rank(entry: Entry, track: Track) -> tuple[float | str, ...]:
    """Return the place of a format of audio alone among the others; the lowest is the best."""
    itag = _ITAG.match(text(entry, "format_id"))
    return (
        may_be_protected(entry),
        language_rank(entry, track),
        is_altered(entry),
        -_ordinal(entry, "quality"),
        -bitrate(entry, "abr", "tbr"),
        text(entry, "protocol") not in WHOLE,
        not text(entry, "acodec").startswith("mp4a"),
        # All that is known of YouTube's audio over HLS: 234 is better than 233.
        -int(itag[0]) if itag else 0,
        text(entry, "format_id"),
    )


def language_rank(entry: Entry, track: Track) -> float:
    """Return how far a track is from being the original: the marked one, else yt-dlp's order, a dub last."""
    return _FURTHEST if track.dubbed else -_FURTHEST if track.original else -preference(entry)


def preference(entry: Entry) -> float:
    """Return yt-dlp's ``language_preference``, or -1 if it is unknown."""
    return _ordinal(entry, "language_preference")


def _ordinal(entry: Entry, field: str) -> float:
    """Return one of the numbers by which yt-dlp orders formats; -1 is yt-dlp's own value for unknown."""
    told = entry.get(field)
    if isinstance(told, bool) or not isinstance(told, int | float) or not abs(told) < _FURTHEST:
        return -1.0
    return float(told)


def _is_dubbed(entry: Entry) -> bool:
    content = _xtags(entry).get("acont", "")
    return "dubbed" in note(entry) or content.startswith("dubbed") or content == "secondary"


def _is_original(entry: Entry) -> bool:
    """Return whether YouTube marks a track as the original.

    yt-dlp adds ``(original)`` to every HLS format of the original's language, also to a dub in it.
    """
    marked = (
        preference(entry) >= _ORIGINAL
        or "original" in note(entry)
        or _xtags(entry).get("acont") == "original"
    )
    return marked and not _is_dubbed(entry)


def _language(entry: Entry) -> str | None:
    return _code(_OF_DESCRIPTIVE.sub("", text(entry, "language"))) or _code(_xtags(entry).get("lang"))


def _code(told: object) -> str | None:
    """Return a BCP 47 code; None for anything else."""
    if not isinstance(told, str) or not _LANGUAGE.fullmatch(told) or told.casefold() == _UNDETERMINED:
        return None
    return told


def _xtags(entry: Entry) -> dict[str, str]:
    """Return YouTube's tags in an address: a field of the query, or part of the path of an HLS playlist."""
    address = text(entry, "url")[:_LONGEST_ADDRESS]
    for _ in range(_QUOTED):
        address = unquote(address)
    tags = [tag.partition("=") for found in _XTAGS.findall(address) for tag in found.split(":")]
    return {name: value for name, _, value in tags if value}
