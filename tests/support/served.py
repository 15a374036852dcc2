"""Small videos and audio files in segments with an index at the beginning, as YouTube serves them."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import audio_sync
import media

from hdtf_async.demo.film import FACTS
from hdtf_async.media.segment_index import read_index

if TYPE_CHECKING:
    from pathlib import Path

MP4 = "-movflags +frag_keyframe+dash+global_sidx+skip_trailer"
"""Arguments of ffmpeg for a fragmented MP4 with one ``sidx``."""
M4A = "-movflags +dash+global_sidx+skip_trailer -frag_duration 5000000"
WEBM = "-dash 1 -cues_to_front 1 -cluster_time_limit 5000"
"""The same for a WebM whose Cues are before its first cluster."""
KEY_SECONDS = 5
"""Distance of key frames."""
_X264 = "-c:v libx264 -preset superfast -bf 2 -pix_fmt yuv420p -threads 1"
_KEY = "-g {gop} -keyint_min {gop} -sc_threshold 0"
_ARGUMENTS = {
    "h264.mp4": ("video", f"{_X264} {_KEY} {MP4}"),
    "open.mp4": ("video", f"{_X264} {_KEY} -x264-params open-gop=1 {MP4}"),
    "plain.mp4": ("video", f"{_X264} {_KEY} -movflags +faststart"),
    "varying.mp4": (
        "video",
        "-vf select='lt(mod(n*7\\,11)\\,6)' -fps_mode passthrough -enc_time_base 1:90000"
        f" {_X264} {_KEY} {MP4}",
    ),
    "vp9.webm": ("video", f"-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -threads 1 {_KEY} {WEBM}"),
    "av1.mp4": (
        "video",
        f"-pix_fmt yuv420p -c:v libsvtav1 -preset 12 -crf 40 -g {{gop}} -svtav1-params lp=1 {MP4}",
    ),
    "flash.mp4": ("flash", f"{_X264} {_KEY} {MP4}"),
    "beep.m4a": ("beep", f"-c:a aac -b:a 96k {M4A}"),
    "aac.m4a": ("audio", f"-c:a aac -b:a 96k {M4A}"),
    "opus.webm": ("audio", f"-c:a libopus -b:a 64k {WEBM}"),
    # Each frame is a segment: its index takes more than 64 KiB.
    "many.mp4": ("video", f"{_X264} -g 1 {MP4}"),
}
_RATES = {"many.mp4": 100}
"""Frames per second that differ from the usual ones."""


def _shifted_mp4(content: bytes) -> bytes:
    """Let every second segment begin too late, according to the index."""
    changed, index = bytearray(content), read_index(content, "mp4", len(content))
    table = index.offsets[0] - 12 * index.count
    for number in range(index.count):
        (size,) = struct.unpack_from(">I", changed, table + 12 * number)
        struct.pack_into(">I", changed, table + 12 * number, size + (-64 if number % 2 else 64))
    return bytes(changed)


def _later_mp4(content: bytes) -> bytes:
    """Let all segments but the first begin three seconds later, according to the index."""
    changed, index = bytearray(content), read_index(content, "mp4", len(content))
    table = index.offsets[0] - 12 * index.count
    for number, seconds in ((0, 3), (index.count - 1, -3)):
        place = table + 12 * number + 4
        (duration,) = struct.unpack_from(">I", changed, place)
        struct.pack_into(">I", changed, place, duration + seconds * index.tick.denominator)
    return bytes(changed)


def _shifted_webm(content: bytes) -> bytes:
    """Let all segments but the first begin too late, according to the index."""
    changed, index = bytearray(content), read_index(content, "webm", len(content))
    cues = changed[: index.offsets[0]]
    origin = cues.index(b"\x18\x53\x80\x67") + 12
    for offset in index.offsets[1:-1]:
        position = offset - origin
        length = (position.bit_length() + 7) // 8
        old = bytes([0xF1, 0x80 | length]) + position.to_bytes(length, "big")
        place = cues.rindex(old)
        cues[place : place + len(old)] = old[:2] + (position + 64).to_bytes(length, "big")
    changed[: index.offsets[0]] = cues
    return bytes(changed)


_CHANGED = {
    "shifted.mp4": ("h264.mp4", _shifted_mp4),
    "later.mp4": ("h264.mp4", _later_mp4),
    "shifted.webm": ("vp9.webm", _shifted_webm),
}
"""Files whose index is wrong."""


def render(
    directory: Path, name: str, *, seconds: int = 60, rate: str = "30000/1001", size: str = "160x90"
) -> Path:
    """Render a file of this name, once: frames that all differ, or a tone that changes all the time."""
    path = directory / name
    if path.exists():
        return path
    if name in _CHANGED:
        origin, change = _CHANGED[name]
        path.write_bytes(change(render(directory, origin).read_bytes()))
        return path
    kind, arguments = _ARGUMENTS[name]
    rate = f"{_RATES.get(name, rate)}"
    source = f"testsrc2=s={size}:r={rate}:d={seconds}"
    if kind == "audio":
        source = f"aevalsrc='0.4*sin(2*PI*t*(300+20*t))+0.1*(random(0)-0.5)':s=44100:d={seconds}"
    if kind in ("flash", "beep"):
        drawn = audio_sync.FLASH.replace("RATE", rate) if kind == "flash" else audio_sync.BEEP
        source = drawn.replace("duration=8", f"duration={seconds}")
    gop = round(KEY_SECONDS * (30 if "/" in rate else float(rate)))
    media.ffmpeg(directory, f"-v error -f lavfi -i {source} {arguments.format(gop=gop)} {name}")
    return path


def mp4_with(*references: tuple[int, int, int], size: int | None = None, **fields: int) -> bytes:
    """Return an MP4 of empty segments; each reference has size, duration and the third word of its entry.

    `fields` are ``version``, ``scale``, ``time``, ``gap`` and ``tracks``; `size` is that of the ``sidx``.
    """
    version, scale = fields.get("version", 0), fields.get("scale", 1000)
    table = b"".join(struct.pack(">III", *each) for each in references)
    wide = ">B3xIIQQHH" if version else ">B3xIIIIHH"
    content = struct.pack(
        wide, version, 1, scale, fields.get("time", 0), fields.get("gap", 0), 0, len(references)
    )
    content += table
    sidx = struct.pack(">I4s", len(content) + 8 if size is None else size, b"sidx") + content
    inside = struct.pack(">I4s", 8, b"trak") * fields.get("tracks", 1) + struct.pack(">I4s", 8, b"mvex")
    moov = struct.pack(">I4s", len(inside) + 8, b"moov") + inside
    return (
        struct.pack(">I4s", 16, b"ftyp") + b"dash0000" + moov + sidx
        + bytes(sum(each[0] & 0x7FFFFFFF for each in references))
    )  # fmt: skip


_OFFERED = {
    "h264.mp4": (134, "video/mp4", "avc1.4d401e"),
    "open.mp4": (134, "video/mp4", "avc1.4d401e"),
    "varying.mp4": (134, "video/mp4", "avc1.4d401e"),
    "plain.mp4": (134, "video/mp4", "avc1.4d401e"),
    "vp9.webm": (243, "video/webm", "vp9"),
    "av1.mp4": (396, "video/mp4", "av01.0.01M.08"),
    "flash.mp4": (134, "video/mp4", "avc1.4d401e"),
    "beep.m4a": (140, "audio/mp4", "mp4a.40.2"),
    "aac.m4a": (140, "audio/mp4", "mp4a.40.2"),
    "opus.webm": (251, "audio/webm", "opus"),
    "shifted.mp4": (134, "video/mp4", "avc1.4d401e"),
    "later.mp4": (134, "video/mp4", "avc1.4d401e"),
    "many.mp4": (134, "video/mp4", "avc1.4d401e"),
    "shifted.webm": (243, "video/webm", "vp9"),
}


def film(footage: Path, youtube_id: str, *files: Path, seconds: int = 60, fps: int = 30) -> None:
    """Let the mock server offer these files as the formats of a video."""
    folder = footage / youtube_id
    folder.mkdir(parents=True)
    renditions = []
    for file in files:
        itag, mime, codecs = _OFFERED[file.name]
        is_video = mime.startswith("video")
        (folder / file.name).symlink_to(file)
        renditions.append({
            "itag": itag, "name": file.name, "mime": mime, "codecs": codecs,
            "size": file.stat().st_size, "milliseconds": 1000 * seconds,
            "width": 160 if is_video else 0, "height": 90 if is_video else 0,
            "fps": _RATES.get(file.name, fps) if is_video else 0,
        })  # fmt: skip
    facts = {"youtube_id": youtube_id, "title": youtube_id, "seconds": seconds, "renditions": renditions}
    (folder / FACTS).write_text(json.dumps(facts))
