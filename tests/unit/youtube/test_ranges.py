"""Byte ranges of a format, as yt-dlp's fragments."""

from __future__ import annotations

from typing import Any

import pytest

from hdtf_async.youtube.formats import Format
from hdtf_async.youtube.ranges import RANGES, accepts_ranges, in_ranges

URL = "https://rr1.googlevideo.com/videoplayback?expire=1&sig=abc"
FORMAT = Format(
    "136",
    "mp4",
    "mp4_dash",
    720,
    1280,
    25.0,
    "avc1",
    None,
    900,
    size_is_exact=True,
    protocol="https",
    duration=60,
)


def _info(**changes: Any) -> dict[str, Any]:
    entry = {
        "format_id": "136", "protocol": "https", "url": URL, "container": "mp4_dash", "filesize": 900,
        "http_headers": {"User-Agent": "x"}, "downloader_options": {"http_chunk_size": 10},
    }  # fmt: skip
    return {"id": "x", "formats": [{"format_id": "140", "url": URL, "protocol": "https"}, entry | changes]}


def test_a_range_is_added_to_the_url_of_the_format() -> None:
    """Its headers stay; what is about the whole file is omitted, and so are other formats."""
    info, fmt = in_ranges(_info(), FORMAT, [(0, 100), (500, 512)])
    (entry,) = info["formats"]
    assert entry == {
        "format_id": "136",
        "protocol": "http_dash_segments",
        "url": URL,
        "http_headers": {"User-Agent": "x"},
        "fragments": [{"url": f"{URL}&range=0-99"}, {"url": f"{URL}&range=500-511"}],
    }
    assert info["id"] == "x"
    assert (fmt.size, fmt.size_is_exact, fmt.protocol, fmt.format_id) == (112, True, RANGES, "136")


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": "m3u8_native"},
        {"protocol": None},
        {"url": None},
        {"url": "https://rr1.googlevideo.com/videoplayback/id/abc"},
        {"url": f"{URL}&range=0-10"},
        {"url": f"{URL}#fragment"},
        {"url": "https://[/?a=b"},
        {"format_id": "140"},
        {"format_id": "137"},
    ],
)
def test_other_urls_and_protocols_do_not_accept_ranges(changes: dict[str, Any]) -> None:
    """Nor does a format that is listed twice, or not at all."""
    assert accepts_ranges(_info(), "136")
    assert not accepts_ranges(_info(**changes), "140" if changes == {"format_id": "140"} else "136")


@pytest.mark.parametrize("info", [{}, {"formats": None}, {"formats": [1, None]}])
def test_information_without_formats_does_not_accept_ranges(info: dict[str, Any]) -> None:
    """It is untrusted."""
    assert not accepts_ranges(info, "136")
