"""One entry of the format table: its properties, and whether it may be passed to a downloader."""

from __future__ import annotations

from typing import Any

import pytest
from format_tables import STORYBOARD, audio_entry, video_entry

from hdtf_async.youtube import entries
from hdtf_async.youtube.entries import Source

LONG = "x" * 100


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, None),
        ({"protocol": "http"}, None),
        ({"protocol": "m3u8"}, None),
        ({"protocol": "m3u8_native"}, None),
        ({"protocol": "http_dash_segments"}, None),
        ({"protocol": ""}, None),
        ({"protocol": None}, None),
        ({"protocol": "ftp"}, "protocol ftp"),
        ({"protocol": "web socket"}, "protocol web?socket"),
        ({"protocol": LONG}, f"protocol {'x' * 24}"),
        ({"protocol": "mhtml"}, "a storyboard"),
        ({"ext": "mhtml"}, "a storyboard"),
        ({"format_note": "Storyboard"}, "a storyboard"),
        ({"vcodec": "none"}, "neither video nor audio"),
        ({"vcodec": "none", "acodec": "opus"}, None),
        ({"url": None}, "without a URL"),
        ({"url": ""}, "without a URL"),
    ],
)
def test_an_entry_may_offer_nothing_to_download(changed: dict[str, Any], why: str | None) -> None:
    """Then it is no format at all."""
    assert entries.why_absent(video_entry("136", 720) | changed) == why
    assert entries.why_absent(STORYBOARD) == "a storyboard"


@pytest.mark.parametrize(
    ("format_id", "safe"),
    [("136", True), ("a" * 64, True), ("a" * 65, False), ("", False), ("-f", False), ("a+b", False),
     ("140-drc_1.2", True), ("_a", False), ("a\n", False), ("\u0661", False)],
)  # fmt: skip
def test_a_format_id_is_one_word(format_id: str, *, safe: bool) -> None:
    """It is an argument of yt-dlp, where other characters are operators."""
    assert entries.is_safe(format_id) is safe
    assert entries.why_unsafe(video_entry(format_id, 720)) == (None if safe else "unsafe format id")


@pytest.mark.parametrize(
    ("changed", "safe"),
    [
        ({}, True),
        ({"url": "HTTP://a"}, True),
        ({"url": "https://"}, False),
        ({"url": "https:///etc"}, False),
        ({"url": "file:///etc/passwd"}, False),
        ({"url": " https://a"}, False),
        ({"url": 3}, False),
        ({"manifest_url": "https://a"}, True),
        ({"manifest_url": "file:///a"}, False),
        ({"fragment_base_url": "file:///a"}, False),
        ({"hls_aes": {"uri": "file:///a"}}, False),
        ({"hls_aes": {"uri": "https://a"}}, True),
        ({"hls_aes": {}}, True),
        ({"hls_aes": "file:///a"}, True),
        ({"fragments": []}, True),
        ({"fragments": [{"url": "https://a"}]}, True),
        ({"fragments": [{"url": "https://a"}, {"url": "file:///a"}]}, False),
        ({"fragments": [{"path": "a/b"}]}, True),
        ({"fragments": [{"path": "file:///a"}]}, False),
        ({"fragments": [{"path": " data:x"}]}, False),
        ({"fragments": [{"path": "https://a"}]}, True),
        ({"fragments": [{"path": 3}]}, False),
        ({"fragments": [{"path": "a", "url": "file:///a"}]}, False),
        ({"fragments": ["https://a"]}, False),
        ({"fragments": {"url": "https://a"}}, False),
    ],
)
def test_every_address_of_an_entry_is_remote(changed: dict[str, Any], *, safe: bool) -> None:
    """Otherwise a downloader would open a local file."""
    assert entries.why_unsafe(video_entry("136", 720) | changed) == (
        None if safe else "URL is not http or https"
    )


@pytest.mark.parametrize(
    ("value", "protected", "perhaps"),
    [(None, False, False), (False, False, False), (True, True, False), ("maybe", False, True)],
)
def test_a_format_may_be_copy_protected(value: object, *, protected: bool, perhaps: bool) -> None:
    """For some yt-dlp only knows it after the download."""
    entry = video_entry("136", 720) | {"has_drm": value}
    assert (entries.is_protected(entry), entries.may_be_protected(entry)) == (protected, perhaps)


def test_audio_alone_has_no_video_codec() -> None:
    """Where it is unknown, there may be video."""
    assert entries.is_audio_only(audio_entry("140"))
    assert not entries.is_audio_only(video_entry("136", 720))
    assert not entries.is_audio_only({})


@pytest.mark.parametrize(
    ("entry", "source"),
    [
        ({}, ("https", "")),
        ({"protocol": "https", "url": "https://a/x?a=1&c=TVHTML5&c=WEB"}, ("https", "TVHTML5")),
        ({"protocol": "m3u8", "url": "https://a/x?c=IOS"}, ("hls", "IOS")),
        ({"protocol": "m3u8_native"}, ("hls", "")),
        ({"protocol": "http_dash_segments", "url": "https://a?c=a b"}, ("https", "a?b")),
        ({"url": f"https://a?c={LONG}"}, ("https", "x" * 24)),
        ({"url": f"https://a?{'&'.join(f'a{n}=1' for n in range(99))}&c=WEB"}, ("https", "WEB")),
        ({"url": f"https://a?{'&'.join(f'a{n}=1' for n in range(100))}&c=WEB"}, ("https", "")),
        ({"url": "https://[a?c=WEB"}, ("https", "")),
        ({"url": 3}, ("https", "")),
    ],
)
def test_a_format_has_a_client_and_a_protocol(entry: dict[str, Any], source: tuple[str, str]) -> None:
    """The address contains the client."""
    assert entries.source(entry) == Source(*source)


@pytest.mark.parametrize(
    ("value", "number", "whole"),
    [
        (1, 1.0, 1),
        (2.0, 2.0, 2),
        (2.5, 2.5, None),
        (10, 10.0, 10),
        (10.5, None, None),
        (11, None, None),
        (0, None, None),
        (-1, None, None),
        (True, None, None),
        ("1", None, None),
        (None, None, None),
        (float("nan"), None, None),
        (float("inf"), None, None),
    ],
)
def test_a_figure_is_positive_and_within_its_limit(
    value: object, number: float | None, whole: int | None
) -> None:
    """All other values are unknown."""
    assert (entries.number(value, 10), entries.whole(value, 10)) == (number, whole)


def test_the_first_valid_bitrate_counts() -> None:
    """None is 0."""
    assert entries.bitrate({"abr": 3, "tbr": 4}, "abr", "tbr") == 3
    assert entries.bitrate({"abr": "x", "tbr": 4}, "abr", "tbr") == 4
    assert entries.bitrate({"abr": 1e9, "tbr": 4}, "abr", "tbr") == 1e9
    assert entries.bitrate({"abr": 1e9 + 0.5, "tbr": 4}, "abr", "tbr") == 4
    assert entries.bitrate({"abr": 0}, "abr", "tbr") == 0.0


@pytest.mark.parametrize(
    ("value", "shown"),
    [("a.b-c_d+1", "a.b-c_d+1"), ("a\x1b[2J", "a??2J"), ("é", "?"), ("", "?"), (3, "?"), (LONG, "x" * 24)],
)
def test_untrusted_text_is_shortened_and_cleaned(value: object, shown: str) -> None:
    """Any other value is shown as a question mark."""
    assert entries.short(value) == shown


def test_notes_are_compared_in_lower_case() -> None:
    """A field that is no text counts as empty."""
    assert entries.note({"format_note": "Default, DRC"}) == "default, drc"
    assert entries.note({"format_note": 3}) == entries.text({}, "url") == ""
