"""Supported containers, the FFmpeg demuxer for each, and how their clocks start. Pure."""

from __future__ import annotations

DEMUXERS = {
    "mp4": "mp4",
    "m4v": "mp4",
    "mov": "mov",
    "webm": "matroska",
    "mkv": "matroska",
    # The following are never downloaded, but users have such files.
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
"""Extension of a video file to the only demuxer that may read it. Each reads one file and follows no
references."""
AUDIO_DEMUXERS = {
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
"""The same for audio files. Files with other extensions are not opened."""
FROM_START = frozenset({"mpegts", "mpeg", "flv", "asf", "mp3"})
"""Demuxers of containers whose clock may start at any time: their timeline begins at the start of the
file."""
MAX_SIDE = 8192
"""Longest accepted side in pixels; YouTube's largest format has 7680."""
NO_SEEK_TO_START = FROM_START | {"avi"}
"""Demuxers that lose the first packets if ffmpeg seeks to within `FIRST_SECONDS` of the beginning."""
FIRST_SECONDS = 1.0
INACCURATE = frozenset({"mpeg", "mp3"})
"""Demuxers that seek inaccurately in audio, which is therefore decoded from the beginning."""


def seeks_to(demuxer: str, second: float) -> bool:
    """Whether ffmpeg seeks to this second instead of reading from the beginning."""
    return demuxer not in NO_SEEK_TO_START or second >= FIRST_SECONDS


def demuxer_of(container: str) -> str | None:
    """Return the demuxer for a file extension (without the dot), or None."""
    return DEMUXERS.get(container) or AUDIO_DEMUXERS.get(container)
