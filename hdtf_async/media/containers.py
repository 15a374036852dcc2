"""Which containers are read, by which of FFmpeg's demuxers, and how their clocks start. Pure."""

from __future__ import annotations

DEMUXERS = {
    "mp4": "mp4",
    "m4v": "mp4",
    "mov": "mov",
    "webm": "matroska",
    "mkv": "matroska",
    # Nothing of the following is fetched, but people have such files.
    "3gp": "mp4",
    "3g2": "mp4",
    "f4v": "mp4",
    "qt": "mov",
    "flv": "flv",
    "avi": "avi",
    "divx": "avi",
    "ts": "mpegts",
    "mts": "mpegts",
    "m2ts": "mpegts",
    "mpg": "mpeg",
    "mpeg": "mpeg",
    "vob": "mpeg",
    "wmv": "asf",
    "asf": "asf",
    "ogv": "ogg",
}
"""File ending of a video to the one demuxer that may read it. Each reads one file, and follows no names."""
SOUND_DEMUXERS = {
    "m4a": "mp4",
    "weba": "matroska",
    "mka": "matroska",
    "aac": "aac",
    "mp3": "mp3",
    "flac": "flac",
    "ogg": "ogg",
    "oga": "ogg",
    "opus": "ogg",
    "wav": "wav",
    "wma": "asf",
}
"""The same for sound alone. A file with another ending is not opened."""
FROM_START = frozenset({"mpegts", "mpeg", "flv", "asf", "mp3"})
"""Demuxers of containers whose clock may start anywhere: their time line begins where the file does."""
MAX_SIDE = 8192
"""Pixels of the longest side that is accepted; YouTube's largest rendition has 7680."""
NO_SEEK_TO_START = FROM_START | {"avi"}
"""Demuxers that lose the first packets where ffmpeg seeks to within `FIRST_SECONDS` of the beginning."""
FIRST_SECONDS = 1.0
INACCURATE = frozenset({"mpeg", "mp3"})
"""Demuxers whose seeks end within a packet of sound, or beside it: sound is decoded from the beginning."""


def seeks_to(demuxer: str, second: float) -> bool:
    """Whether ffmpeg is made to seek to some second, rather than to read from the beginning."""
    return demuxer not in NO_SEEK_TO_START or second >= FIRST_SECONDS


def demuxer_of(container: str) -> str | None:
    """Return the demuxer that may read a file with this ending, which is given without its dot."""
    return DEMUXERS.get(container) or SOUND_DEMUXERS.get(container)
