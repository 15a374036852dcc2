"""The films over HLS: MPEG-TS segments that ffmpeg cuts from the same files, and their playlists.

Segments are copied, not encoded, one per key frame, so their frames are those of the file over https.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from hdtf_async.media.run import run_ffmpeg
from hdtf_async.process.supervisor import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_VIDEO = {144: 269, 240: 229, 360: 230, 480: 231, 720: 232, 1080: 270}
"""YouTube's itag of H.264 over HLS, by height."""
_AUDIO = 234
_DEADLINE = 60.0
"""Maximum seconds of ffmpeg for one film."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a film."""

    path: Path
    seconds: float


def itag_of(rendition: Mapping[str, Any]) -> int | None:
    """Return the itag of a format over HLS; None if it is not offered."""
    if not rendition["height"]:
        return _AUDIO if rendition["mime"] == "audio/mp4" else None
    avc = rendition["mime"] == "video/mp4" and rendition["codecs"].startswith("avc1")
    return _VIDEO.get(rendition["height"]) if avc else None


def variant_playlist(renditions: Sequence[Mapping[str, Any]], address: Callable[[int], str]) -> bytes:
    """Return the playlist that lists formats; ``address`` returns the URL of one format's playlist."""
    lines = ["#EXTM3U", "#EXT-X-INDEPENDENT-SEGMENTS"]
    by_itag = {itag: rendition for rendition in renditions if (itag := itag_of(rendition)) is not None}
    audio = by_itag.pop(_AUDIO, None)
    if audio is not None:
        lines.append(
            f'#EXT-X-MEDIA:URI="{address(_AUDIO)}",TYPE=AUDIO,GROUP-ID="{_AUDIO}",NAME="Default",'
            "DEFAULT=YES,AUTOSELECT=YES"
        )
    for itag, video in by_itag.items():
        codecs = video["codecs"] if audio is None else f"{video['codecs']},{audio['codecs']}"
        bits = round((video["size"] + (audio["size"] if audio else 0)) * 8000 / video["milliseconds"] * 1.1)
        group = f',AUDIO="{_AUDIO}"' if audio else ""
        lines += [
            f'#EXT-X-STREAM-INF:BANDWIDTH={bits},CODECS="{codecs}",'
            f"RESOLUTION={video['width']}x{video['height']},FRAME-RATE={video['fps']},VIDEO-RANGE=SDR{group},"
            "CLOSED-CAPTIONS=NONE",
            address(itag),
        ]
    return "\n".join([*lines, ""]).encode()


def media_playlist(segments: Sequence[Segment], address: Callable[[int], str]) -> bytes:
    """Return the playlist of one format; ``address`` returns the URL of a segment."""
    longest = max((segment.seconds for segment in segments), default=0.0)
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-PLAYLIST-TYPE:VOD"]
    lines += [f"#EXT-X-TARGETDURATION:{round(longest + 0.5)}", "#EXT-X-MEDIA-SEQUENCE:0"]
    for number, segment in enumerate(segments):
        lines += [f"#EXTINF:{segment.seconds:.6f},", address(number)]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()


class Cutter:
    """Cuts each file on its first request, below a directory. Thread-safe."""

    def __init__(self, directory: Path, ffmpeg: Path) -> None:
        self._directory = directory
        self._ffmpeg = ffmpeg
        self._cut: dict[Path, list[Segment]] = {}
        self._lock = threading.Lock()

    def segments(self, path: Path) -> list[Segment]:
        """Return the segments of a file. Raises `Failure` if ffmpeg fails."""
        path = path.resolve()  # several ids may link to one film
        with self._lock:
            if path not in self._cut:
                self._cut[path] = self._made(path, self._directory / f"{len(self._cut)}")
            return self._cut[path]

    def _made(self, path: Path, folder: Path) -> list[Segment]:
        folder.mkdir()
        playlist = folder / "index.m3u8"
        argv = [
            *(str(self._ffmpeg), "-nostdin", "-v", "error", "-i", str(path), "-map", "0", "-c", "copy"),
            *("-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_playlist_type", "vod"),
            *("-hls_segment_filename", str(folder / "%d.ts"), str(playlist)),
        ]
        anyio.run(partial(run_ffmpeg, Command(argv), deadline=_DEADLINE))  # this thread has no event loop
        text = playlist.read_text(encoding="utf-8")
        found = re.findall(r"#EXTINF:([\d.]+),\n(\d+\.ts)\n", text)
        return [Segment(folder / name, float(seconds)) for seconds, name in found]
