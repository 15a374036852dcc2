"""Format tables as yt-dlp's YouTube extractor makes them, entry by entry."""

from __future__ import annotations

from hdtf_async.core.model import Hdr, Resolution
from hdtf_async.youtube.formats import Choice, Requirements, choose

Entry = dict[str, object]

WIDTHS = {144: 256, 240: 426, 360: 640, 480: 854, 720: 1280, 1080: 1920, 1440: 2560, 2160: 3840}
H264 = {144: "160", 240: "133", 360: "134", 480: "135", 720: "136", 1080: "137"}
VP9 = {144: "278", 240: "242", 360: "243", 480: "244", 720: "247", 1080: "248", 1440: "271", 2160: "313"}
AV1 = {144: "394", 240: "395", 360: "396", 480: "397", 720: "398", 1080: "399", 1440: "400", 2160: "401"}
QUALITIES = {"ultralow": 1.0, "low": 2.0, "medium": 3.0, "high": 4.0}
CODECS = {"avc1": "avc1.64001f", "vp9": "vp9", "av01": "av01.0.05M.08"}


def video_entry(format_id: str, height: int, codec: str = "avc1", **other: object) -> Entry:
    """Make an entry as yt-dlp's YouTube extractor does for a video-only format."""
    ext = "webm" if codec == "vp9" else "mp4"
    return {
        "format_id": format_id,
        "format_note": f"{height}p",
        "ext": ext,
        "container": f"{ext}_dash",
        "protocol": "https",
        "width": WIDTHS.get(height, height * 16 // 9),
        "height": height,
        "fps": 30,
        "vcodec": CODECS[codec],
        "acodec": "none",
        "dynamic_range": "SDR",
        "filesize": height * 10_000,
        "filesize_approx": height * 10_001,
        "tbr": height * 1.5,
        "vbr": height * 1.5,
        "has_drm": False,
        "language": None,
        "language_preference": -1,
        "source_preference": -1,
        "preference": None,
        "quality": 8,
        "url": "https://rr1---sn-4g5e6nz7.googlevideo.com/videoplayback?expire=1",
    } | other


def audio_entry(format_id: str, note: str = "medium", *, ext: str = "m4a", **other: object) -> Entry:
    """Make an entry as yt-dlp's YouTube extractor does for an audio-only format."""
    return {
        "format_id": format_id,
        "format_note": note,
        "ext": ext,
        "container": f"{ext}_dash",
        "protocol": "https",
        "width": None,
        "height": None,
        "fps": None,
        "vcodec": "none",
        "acodec": "mp4a.40.2" if ext == "m4a" else "opus",
        "dynamic_range": None,
        "filesize": 1_600_000,
        "tbr": 129.5,
        "abr": 129.5,
        "has_drm": False,
        "language": None,
        "language_preference": -1,
        "quality": QUALITIES.get(note.rsplit(", ", maxsplit=1)[-1].rsplit(" ", maxsplit=1)[-1], -1.0),
        "url": "https://rr1---sn-4g5e6nz7.googlevideo.com/videoplayback?expire=1",
    } | other


def ladder(ids: dict[int, str], codec: str, top: int) -> list[Entry]:
    """Make all formats of one codec up to a height."""
    return [video_entry(format_id, height, codec) for height, format_id in ids.items() if height <= top]


def hls_audio(format_id: str, note: str = "Default", **other: object) -> Entry:
    """Make an entry as in an HLS manifest for audio alone: codec and bitrate are unknown."""
    unknown: Entry = dict.fromkeys(("acodec", "abr", "tbr", "filesize", "container", "has_drm"))
    return audio_entry(format_id, note, ext="mp4", protocol="m3u8_native", quality=-1.0) | unknown | other


MUXED = video_entry("18", 360, acodec="mp4a.40.2", container=None, vcodec="avc1.42001E", filesize=None)
STORYBOARD: Entry = {
    "format_id": "sb0",
    "format_note": "storyboard",
    "ext": "mhtml",
    "protocol": "mhtml",
    "acodec": "none",
    "vcodec": "none",
    "width": 160,
    "height": 90,
    "fps": 0.1,
}
SOUNDS = [audio_entry("139", "low", abr=48.8), audio_entry("251", ext="webm", abr=135.0), audio_entry("140")]
USUAL = [
    STORYBOARD,
    *SOUNDS,
    MUXED,
    *ladder(H264, "avc1", 1080),
    *ladder(VP9, "vp9", 1080),
    *ladder(AV1, "av01", 1080),
]
UHD = [
    *USUAL,
    video_entry("271", 1440, "vp9"),
    video_entry("313", 2160, "vp9"),
    video_entry("401", 2160, "av01"),
]


def hls(format_id: str, height: int, **other: object) -> Entry:
    """Make an entry as in an HLS manifest: video and audio together, without a size."""
    return (
        video_entry(
            format_id,
            height,
            protocol="m3u8_native",
            container=None,
            acodec="mp4a.40.2",
            filesize=None,
            filesize_approx=None,
            format_note=None,
            has_drm=None,
        )
        | other
    )


def chosen(
    formats: list[Entry],
    reference_height: int,
    policy: Resolution = Resolution.REFERENCE,
    *,
    audio: bool = False,
    hdr: Hdr = Hdr.TONEMAP,
) -> Choice:
    """Choose from a list of formats."""
    info: dict[str, object] = {"id": "CPCoMyuBRM0", "duration": 212, "formats": formats}
    return choose(info, Requirements(policy, reference_height, audio=audio, hdr=hdr))
