"""A fake yt-dlp: accepts the three command lines of `hdtf_async.youtube.ytdlp`, and the videos of its stage.

Its output has the structure of that of yt-dlp 2026.8.19.
"""

from __future__ import annotations

import json
import os
import sys

from fakes import mp4
from fakes.stage import FREE, Job, free_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

VERSION = "2026.08.19"
_COMMON = ("--ignore-config", "--config-locations", FREE)
_ASK = ("-J", "--", FREE)
_TEST = ("--plugin-dirs", FREE, "-J", "--", "hdtf-async-challenge:test")
SOLVED = {
    "enabled": ["fake"], "runtimes": ["fake-1"], "solved_by": "fake-1", "seconds": 0.0, "failed": [],
}  # fmt: skip
"""The plugin's answer if the test challenge is solved."""
_FETCH = (
    *("--load-info-json", "-", "-f", FREE, "-o", FREE),
    *("--progress", "--newline", "--progress-delta", "0.5"),
    *("--progress-template", "download:PROG %(progress)j", "--print", "after_move:FILE %(filepath)j"),
)
_ADDRESS = "https://www.youtube.com/watch?v="
LADDER = (
    (144, "160", "278"),
    (240, "133", "242"),
    (360, "134", "243"),
    (480, "135", "244"),
    (720, "136", "247"),
    (1080, "137", "248"),
    (1440, "264", "271"),
    (2160, "266", "313"),
)
"""Heights, and YouTube's itags in H.264 and in VP9."""
ENLARGED = 720
"""Height of a best format that YouTube also offers upscaled to 1080."""


def main(stage: str, begun: float, arguments: list[str]) -> int:
    """Run the command line and return the exit code: 2 where it is not one of the three known ones."""
    try:
        free_arguments(arguments[: len(_COMMON)], _COMMON)
        rest = arguments[len(_COMMON) :]
        if rest[:1] == ["--load-info-json"]:
            return _fetch(stage, begun, *free_arguments(rest, _FETCH))
        if rest[:1] == ["--plugin-dirs"]:
            free_arguments(rest, _TEST)
            sys.stdout.write(json.dumps({"hdtf_async": SOLVED}) + "\n")
            return 0
        (address,) = free_arguments(rest, _ASK)
    except ValueError as unknown:
        sys.stderr.write(
            f"Usage: yt-dlp [OPTIONS] URL [URL...]\n\nyt-dlp: error: no such option: {unknown}\n"
        )
        return 2
    return _ask(stage, begun, address.removeprefix(_ADDRESS))


def _ask(stage: str, begun: float, youtube_id: str) -> int:
    job = Job(stage, "ask", youtube_id, begun)
    job.work(1, lambda _share: None, every=1)
    if job.fault:
        return job.fail()
    video = job.configuration["videos"].get(youtube_id)
    if video is None:
        sys.stderr.write(f"ERROR: [youtube] {youtube_id}: Video unavailable\n")
        return job.end(1)
    sys.stdout.write(json.dumps(_information(youtube_id, video, job.configuration)) + "\n")
    sys.stdout.flush()
    return job.end()


def _information(
    youtube_id: str, video: Mapping[str, Any], configuration: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "id": youtube_id,
        "title": f"A talking head {youtube_id}",
        "formats": list(_formats(youtube_id, video, configuration)),
        "duration": video["seconds"],
        "webpage_url": _ADDRESS + youtube_id,
        "original_url": _ADDRESS + youtube_id,
        "live_status": "not_live",
        "availability": "public",
        "extractor": "youtube",
        "extractor_key": "Youtube",
        "_type": "video",
        "_version": {
            "version": VERSION,
            "current_git_head": None,
            "release_git_head": "0" * 40,
            "repository": "yt-dlp/yt-dlp",
        },
    }


def _formats(
    youtube_id: str, video: Mapping[str, Any], configuration: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the formats in yt-dlp's order, the worst first."""

    def video_format(itag: str, ext: str, height: int, vcodec: str, bits: float) -> dict[str, Any]:
        size = int(video["seconds"] * bits / 8)
        return {
            "format_id": itag,
            "url": _media(youtube_id, itag),
            "protocol": "https",
            "ext": ext,
            "container": f"{ext}_dash",
            "width": _width(height),
            "height": height,
            "fps": configuration["rate"][0] / configuration["rate"][1],
            "vcodec": vcodec,
            "acodec": "none",
            "dynamic_range": "SDR",
            "format_note": f"{height}p",
            "filesize": size,
            "filesize_approx": size - 1,
            "tbr": round(bits / 1000, 3),
            "vbr": round(bits / 1000, 3),
        }

    yield {
        "format_id": "sb0", "format_note": "storyboard", "ext": "mhtml", "protocol": "mhtml",
        "vcodec": "none", "acodec": "none", "url": _media(youtube_id, "sb0"),
        "width": 320, "height": 180, "fps": 0.2,
    }  # fmt: skip
    for itag, ext, codec in (("140", "m4a", "mp4a.40.2"), ("251", "webm", "opus")):
        yield video_format(itag, ext, 0, "none", 129_000) | {"height": None, "width": None, "acodec": codec}
    a_line = configuration["bits_per_line"]
    for height, itag, other in LADDER:
        if height <= video["height"]:
            yield video_format(other, "webm", height, "vp9", 0.7 * a_line * height)
            yield video_format(itag, "mp4", height, "avc1.42c028", a_line * height)
    if video["height"] == ENLARGED:
        upscaled = {"format_note": "1080p, AI-upscaled"}
        yield video_format("137-sr", "mp4", 1080, "avc1.42c028", a_line * 1080) | upscaled


def _fetch(stage: str, begun: float, itag: str, target: str) -> int:
    info = json.load(sys.stdin)
    youtube_id = info["id"]
    job = Job(stage, "download", youtube_id, begun)
    whole = _information(youtube_id, job.configuration["videos"][youtube_id], job.configuration)
    mine = [
        entry for entry in whole["formats"] if entry["format_id"] == itag and entry["vcodec"][:4] == "avc1"
    ]
    if info["formats"] != mine or "webpage_url" in info:
        sys.stderr.write(f"ERROR: [youtube] {youtube_id}: Requested format is not available\n")
        return job.end(1)
    (video_format,) = mine
    size = video_format["filesize"] // 2 if job.leaves("short") else video_format["filesize"]
    if not job.leaves("nothing"):
        _write(f"{target}.part", video_format, whole["duration"], job.configuration["rate"], size)

    def report(share: float) -> None:
        status = "finished" if share == 1 else "downloading"
        done = int(share * size)
        progress = {
            "status": status,
            "downloaded_bytes": done,
            "total_bytes": video_format["filesize"],
            "tmpfilename": f"{target}.part",
            "filename": target,
            "eta": None,
            "speed": None,
            "elapsed": 0.0,
            "ctx_id": None,
            "_percent_str": f"{100 * share:5.1f}%",
            "_default_template": f"{100 * share:5.1f}% of {video_format['filesize']}",
        }
        sys.stdout.write(f"PROG {json.dumps(progress)}\n")
        sys.stdout.flush()

    job.work(size, report, every=1)
    if job.fault and job.fault["code"]:
        return job.fail()
    if not job.leaves("nothing"):
        os.rename(f"{target}.part", target)
        sys.stdout.write(f"FILE {json.dumps(os.getcwd() + '/' + target)}\n")
        sys.stdout.flush()
    return job.fail() if job.fault else job.end()


def _write(path: str, video_format: Mapping[str, Any], seconds: float, rate: list[int], size: int) -> None:
    with open(path, "xb") as target:
        mp4.write(
            target,
            width=video_format["width"],
            height=video_format["height"],
            frames=int(seconds * rate[0] / rate[1]),
            rate=(rate[0], rate[1]),
            size=video_format["filesize"],
        )
        target.truncate(size)


def _width(height: int) -> int:
    """Return the width of a 16:9 frame, as YouTube rounds it (854 for 480p)."""
    return 2 * round(height * 8 / 9)


def _media(youtube_id: str, itag: str) -> str:
    return f"https://rr1---sn-fake.googlevideo.com/videoplayback?id={youtube_id}&itag={itag}&sig=secret"
