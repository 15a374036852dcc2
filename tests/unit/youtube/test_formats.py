"""The choice of the format to download."""

from __future__ import annotations

import math
import re

import pytest
from format_tables import (
    AV1,
    CODECS,
    H264,
    MUXED,
    SOUNDS,
    STORYBOARD,
    UHD,
    USUAL,
    VP9,
    WIDTHS,
    Entry,
    audio_entry,
    chosen,
    hls,
    hls_audio,
    ladder,
    video_entry,
)
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Hdr, Resolution
from hdtf_async.youtube.entries import Source
from hdtf_async.youtube.formats import TOLERANCE, Requirements, choose, duration, is_at

R, E, B = Resolution.REFERENCE, Resolution.EXACT, Resolution.BEST


@pytest.mark.parametrize(
    ("formats", "reference_height", "policy", "format_id"),
    [
        pytest.param(USUAL, 720, R, "136", id="H.264 at the reference height"),
        pytest.param(USUAL, 1080, E, "137", id="H.264 at exactly the reference height"),
        pytest.param(UHD, 720, B, "313", id="the highest, VP9 before AV1"),
        pytest.param(USUAL, 360, R, "134", id="video-only before muxed"),
        pytest.param(UHD, 2160, R, "313", id="VP9 above the heights of H.264"),
        pytest.param(
            [
                video_entry("9", 720, tbr=900),
                video_entry("8", 720, "vp9", tbr=950),
                video_entry("7", 720, "av01", tbr=990),
            ],
            720,
            R,
            "9",
            id="H.264 before a higher bitrate",
        ),
        pytest.param(
            [video_entry("8", 720, "vp9", tbr=950), video_entry("7", 720, "av01", tbr=990)],
            720,
            R,
            "8",
            id="VP9 before a higher bitrate",
        ),
        pytest.param([*SOUNDS, *ladder(VP9, "vp9", 1080)], 720, R, "247", id="VP9 only"),
        pytest.param([*SOUNDS, *ladder(AV1, "av01", 1080)], 720, E, "398", id="AV1 only"),
        pytest.param(
            [*ladder(VP9, "vp9", 720), *ladder(AV1, "av01", 720)], 720, R, "247", id="VP9 before AV1"
        ),
        pytest.param(
            [*ladder(H264, "avc1", 480), video_entry("248", 1080, "vp9")], 720, R, "248", id="nearest above"
        ),
        pytest.param(
            [video_entry("135", 480), video_entry("137", 1080), video_entry("313", 2160, "vp9")],
            720,
            R,
            "137",
            id="not higher than needed",
        ),
        pytest.param(ladder(H264, "avc1", 480), 1080, R, "135", id="otherwise the best below"),
        pytest.param([MUXED], 1080, R, "18", id="otherwise muxed"),
        pytest.param(USUAL, 714, R, "136", id="714 counts as 720"),
        pytest.param(USUAL, 714, E, "136", id="714 counts as exactly 720"),
        pytest.param(
            [video_entry("136", 718), video_entry("135", 480)], 720, E, "136", id="718 counts as 720"
        ),
        pytest.param(
            [video_entry("137", 1088), video_entry("136", 720)], 1080, E, "137", id="1088 counts as 1080"
        ),
        pytest.param(
            [video_entry("136", 714), video_entry("247", 720, "vp9")], 720, R, "247", id="the nearer of two"
        ),
        pytest.param(USUAL, 700, R, "136", id="700 is scaled to 720"),
        pytest.param(UHD, 0, R, "313", id="unknown height: the highest"),
        pytest.param(UHD, 0, E, "313", id="unknown height: exactly the highest"),
        pytest.param(
            [video_entry("136", 720), video_entry("298", 720, fps=60, tbr=5000)],
            720,
            R,
            "136",
            id="30 fps before 60 fps",
        ),
        pytest.param(
            [video_entry("298", 720, fps=60), video_entry("247", 720, "vp9")],
            720,
            R,
            "247",
            id="30 fps in VP9 before 60 fps",
        ),
        pytest.param(
            [video_entry("298", 720, fps=60), video_entry("135", 480)],
            720,
            R,
            "298",
            id="60 fps without 30 fps",
        ),
        pytest.param(
            [
                video_entry("137", 1080),
                video_entry("137-sr", 1080, format_note="1080p, AI-upscaled", tbr=9000),
            ],
            1080,
            R,
            "137",
            id="no AI-upscaled copy",
        ),
        pytest.param(
            [video_entry("134", 360), video_entry("137-sr", 1080, format_note="1080p")],
            1080,
            R,
            "134",
            id="no -sr by its id",
        ),
        pytest.param(
            [video_entry("134", 360), video_entry("137", 1080, format_note="1080p, AI-upscaled")],
            1080,
            B,
            "134",
            id="no upscaled format by its note",
        ),
        pytest.param(
            [
                video_entry("313", 2160, "vp9"),
                video_entry("337", 2160, "vp9", dynamic_range="HDR10", vcodec="vp9.2"),
            ],
            2160,
            R,
            "313",
            id="standard before high dynamic range",
        ),
        pytest.param(
            [
                video_entry("298", 720, fps=60),
                video_entry("334", 721, "vp9", dynamic_range="HLG", vcodec="vp9.2"),
            ],
            721,
            R,
            "298",
            id="standard range with a higher frame rate and a less exact height",
        ),
        pytest.param(
            [video_entry("136", 720), video_entry("335", 1080, "vp9", dynamic_range="HDR10", vcodec="vp9.2")],
            1080,
            E,
            "335",
            id="high dynamic range if no other format has the height",
        ),
        pytest.param(
            [
                video_entry("335", 1080, "vp9", dynamic_range="HDR10"),
                video_entry("334", 720, dynamic_range="DV"),
            ],
            720,
            R,
            "334",
            id="only high dynamic range",
        ),
        pytest.param([hls("300", 720), hls("301", 1080)], 720, R, "300", id="only HLS"),
        pytest.param(
            [hls("270", 1080, acodec="none", tbr=9000), video_entry("137", 1080)],
            1080,
            R,
            "137",
            id="one file before HLS",
        ),
        pytest.param(
            [video_entry("136-dashy", 720, protocol="http_dash_segments", tbr=9000), video_entry("136", 720)],
            720,
            R,
            "136",
            id="one file before fragments",
        ),
        pytest.param(
            [video_entry("136", 720, tbr=900.0), video_entry("22-1", 720, tbr=1500.5)],
            720,
            R,
            "22-1",
            id="the higher bitrate",
        ),
        pytest.param(
            [video_entry("136", 1280, width=720), video_entry("137", 1920, width=1080)],
            720,
            E,
            "136",
            id="portrait",
        ),
        pytest.param(
            [video_entry("137", 1080, has_drm=True), video_entry("136", 720)],
            1080,
            R,
            "136",
            id="no DRM",
        ),
        pytest.param(
            [video_entry("137", 1080, has_drm="maybe"), video_entry("136", 720)],
            1080,
            R,
            "136",
            id="possible DRM last",
        ),
        pytest.param(
            [video_entry("137", 1080, has_drm="maybe"), video_entry("136", 720)],
            1080,
            E,
            "137",
            id="possible DRM if no other format is suitable",
        ),
        pytest.param(
            [video_entry("137", 1080, url="file:///etc/passwd"), video_entry("136", 720)],
            1080,
            R,
            "136",
            id="no local file",
        ),
        pytest.param(
            [video_entry("137", 1080, format_note="1080p, DAMAGED"), video_entry("136", 720)],
            1080,
            R,
            "136",
            id="not damaged",
        ),
        pytest.param(
            [video_entry("137", 1080, ext="3gp"), video_entry("136", 720)],
            1080,
            R,
            "136",
            id="a supported container",
        ),
        pytest.param(
            [video_entry("137", 1080, protocol="sabr"), video_entry("136", 720)],
            1080,
            R,
            "136",
            id="a supported protocol",
        ),
        pytest.param(
            [video_entry("137", 1080), video_entry("137", 1080), video_entry("136", 720)],
            1080,
            R,
            "136",
            id="a unique id",
        ),
    ],
)
def test_the_format_for_each_kind_of_offer(
    formats: list[Entry], reference_height: int, policy: Resolution, format_id: str
) -> None:
    """Each kind of offer results in one format, in whatever order it is listed."""
    for order in (formats, formats[::-1]):
        assert chosen(order, reference_height, policy).video.format_id == format_id


@pytest.mark.parametrize(
    ("formats", "reference_height", "policy", "parts"),
    [
        pytest.param(
            [video_entry("136", 720), video_entry("135", 480)],
            700,
            E,
            ["136 (height 720 instead of 700)", "135 (height 480"],
            id="exactly 700",
        ),
        pytest.param(
            [
                video_entry("137-sr", 1080),
                video_entry("136", 720, has_drm=True),
                video_entry("134", 360, format_note="DAMAGED"),
                video_entry("133", 240) | {"height": None},
                video_entry("+1", 144),
            ],
            720,
            R,
            [
                "137-sr (AI-upscaled)",
                "136 (copy protected)",
                "134 (marked as damaged)",
                "133 (unknown height)",
                "#4 (unsafe format id)",
            ],
            id="different reasons",
        ),
    ],
)
def test_no_acceptable_format_is_a_failure_with_all_causes(
    formats: list[Entry], reference_height: int, policy: Resolution, parts: list[str]
) -> None:
    """It lists the formats offered, and why they were refused."""
    with pytest.raises(Failure) as caught:
        chosen(formats, reference_height, policy)
    assert caught.value.reason is Reason.FORMAT_UNAVAILABLE
    for part in parts:
        assert part in caught.value.words


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        pytest.param({}, Reason.UPDATE_NEEDED, id="no table"),
        pytest.param({"formats": []}, Reason.UPDATE_NEEDED, id="empty table"),
        pytest.param({"formats": [STORYBOARD]}, Reason.UPDATE_NEEDED, id="storyboards"),
        pytest.param({"formats": [STORYBOARD, *SOUNDS]}, Reason.UPDATE_NEEDED, id="audio alone"),
        pytest.param(
            {"formats": [STORYBOARD, video_entry("136", 720, url=None)]},
            Reason.UPDATE_NEEDED,
            id="no address",
        ),
        pytest.param(
            {
                "formats": [
                    STORYBOARD,
                    video_entry("136", 720, protocol="sabr"),
                    audio_entry("140", protocol="sabr"),
                ]
            },
            Reason.UPDATE_NEEDED,
            id="an unknown protocol",
        ),
        pytest.param({"formats": [STORYBOARD], "_has_drm": True}, Reason.DRM, id="all omitted for DRM"),
        pytest.param(
            {
                "formats": [
                    STORYBOARD,
                    video_entry("136", 720, has_drm=True),
                    audio_entry("140", has_drm=True),
                ]
            },
            Reason.DRM,
            id="all DRM protected",
        ),
        pytest.param(
            {"formats": [STORYBOARD, *SOUNDS], "_has_drm": True},
            Reason.UPDATE_NEEDED,
            id="video omitted for DRM, audio not",
        ),
        pytest.param(
            {"formats": [STORYBOARD, video_entry("136", 720, has_drm=True), video_entry("137-sr", 1080)]},
            Reason.FORMAT_UNAVAILABLE,
            id="some DRM protected, some rejected",
        ),
        pytest.param(
            {"formats": [STORYBOARD, video_entry("136", 720, url="file:///etc/passwd")]},
            Reason.FORMAT_UNAVAILABLE,
            id="a local file",
        ),
    ],
)
@pytest.mark.parametrize("audio", [False, True])
def test_a_video_without_formats_has_another_reason(
    info: dict[str, object], reason: Reason, audio: bool
) -> None:
    """Advice about --resolution is only given if downloadable formats were refused."""
    with pytest.raises(Failure) as caught:
        choose(info, Requirements(R, 720, audio=audio))
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "FILE:///etc/passwd", "data:,x", "ftp://h/x", "//h/x", "/etc/passwd", " http://h/x",
     "http:", "https:///x", "javascript:x", "concat:a|b", 7, ["http://h/x"]],
)  # fmt: skip
@pytest.mark.parametrize(
    "field", ["url", "manifest_url", "fragment_base_url", "hls_aes", "fragments", "fragment_path"]
)
def test_only_http_urls_reach_a_downloader(field: str, address: object) -> None:
    """For every URL that yt-dlp would open."""
    fields: dict[str, Entry] = {
        "hls_aes": {"hls_aes": {"uri": address}},
        "fragments": {"fragments": [{"url": "https://h/1"}, {"url": address}]},
        "fragment_path": {"fragment_base_url": "https://h/", "fragments": [{"path": address}]},
    }
    changed = fields.get(field, {field: address})
    formats = [
        video_entry("137", 1080) | changed,
        video_entry("136", 720),
        audio_entry("140") | changed,
        audio_entry("139", "low"),
    ]
    choice = chosen(formats, 1080, audio=True)
    relative = field == "fragment_path" and address in ("//h/x", "/etc/passwd")
    assert choice.video.format_id == ("137" if relative else "136")
    assert choice.audio is not None
    assert choice.audio.format_id == ("140" if relative else "139")


@pytest.mark.parametrize("fragments", [{"url": "https://h/1"}, "x", [None], ["https://h/1"], [[]]])
def test_invalid_fragments_are_refused(fragments: object) -> None:
    """Unsupported values could be anything."""
    formats = [
        video_entry("137", 1080, fragments=fragments),
        video_entry("136", 720, fragments=[{"url": "HTTP://h/"}]),
    ]
    assert chosen(formats, 1080).video.format_id == "136"


def test_refused_formats_are_listed_with_the_choice() -> None:
    """A run can report that it ignored upscaled video."""
    choice = chosen([STORYBOARD, video_entry("137-sr", 1080), video_entry("137", 1080)], 1080)
    assert choice.refused == (("sb0", "a storyboard"), ("137-sr", "AI-upscaled"))


@pytest.mark.parametrize("status", ["is_live", "is_upcoming", "post_live"])
def test_an_unfinished_broadcast_is_retried_later(status: str) -> None:
    """Half a broadcast is no source video."""
    with pytest.raises(Failure) as caught:
        choose({"live_status": status, "formats": USUAL}, Requirements(R, 720))
    assert caught.value.reason is Reason.NOT_YET


@pytest.mark.parametrize("status", ["was_live", "not_live", None, 7])
def test_a_finished_broadcast_is_a_video(status: object) -> None:
    """Like any other."""
    info: dict[str, object] = {"live_status": status, "formats": USUAL}
    assert choose(info, Requirements(R, 720)).video.format_id == "136"


DUBBED = [
    audio_entry(
        "251-0", "German (DE) dubbed-auto, medium", ext="webm", language="de", language_preference=-1
    ),
    audio_entry("140-0", "German (DE) dubbed-auto, medium", language="de", language_preference=-1),
    audio_entry("140-1", "English (US) original (default), medium", language="en", language_preference=10),
    audio_entry(
        "251-1", "English (US) original (default), medium", ext="webm", language="en", language_preference=10
    ),
    audio_entry("140-2", "English descriptive, medium", language="en-desc", language_preference=-10),
]


@pytest.mark.parametrize(
    ("sounds", "format_id"),
    [
        pytest.param(SOUNDS, "251", id="the higher bitrate of equal quality"),
        pytest.param(
            [audio_entry("251", ext="webm", abr=118.0), SOUNDS[2]], "140", id="the higher bitrate of AAC"
        ),
        pytest.param([audio_entry("251", ext="webm"), SOUNDS[2]], "140", id="AAC of equal bitrate"),
        pytest.param(SOUNDS[1:2], "251", id="Opus without AAC"),
        pytest.param(
            [audio_entry("599", "ultralow", abr=31.0), audio_entry("251", ext="webm", abr=125.0)],
            "251",
            id="Opus before the lowest AAC",
        ),
        pytest.param(
            [audio_entry("139", "low", abr=48.8), audio_entry("249", "low", ext="webm", abr=50.0), SOUNDS[2]],
            "140",
            id="quality before bitrate",
        ),
        pytest.param(
            [audio_entry("139", "low", abr=200.0), audio_entry("251", ext="webm", abr=125.0)],
            "251",
            id="yt-dlp's quality before bitrate",
        ),
        pytest.param(
            [audio_entry("140", abr=None, tbr=120.0), audio_entry("251", ext="webm", abr=None, tbr=130.0)],
            "251",
            id="the total bitrate if that of the audio is unknown",
        ),
        pytest.param(
            [audio_entry("140", abr=130.0, tbr=100.0), audio_entry("251", ext="webm", abr=120.0, tbr=200.0)],
            "140",
            id="the audio bitrate before the total",
        ),
        pytest.param([hls_audio("233"), hls_audio("234")], "234", id="the higher of two HLS formats"),
        pytest.param(
            [hls_audio("233-0", language="en"), hls_audio("234-0", language="en")],
            "234-0",
            id="the higher of two numbered HLS formats",
        ),
        pytest.param(
            [audio_entry("140", has_drm="maybe"), audio_entry("139", "low", abr=48.8)],
            "139",
            id="possible DRM last",
        ),
        pytest.param(DUBBED, "140-1", id="the original of dubbed tracks"),
        pytest.param([*DUBBED[:2], DUBBED[3]], "251-1", id="the original before AAC"),
        pytest.param(
            [
                audio_entry("140-0", "de", language_preference=-1),
                audio_entry("140-1", "en (default)", language_preference=5),
            ],
            "140-1",
            id="the default without a marked original",
        ),
        pytest.param(
            [audio_entry("140-0", "de", abr=130.0), audio_entry("140-1", "en original", abr=129.0)],
            "140-1",
            id="the original by its note",
        ),
        pytest.param(
            [audio_entry("140-hls", protocol="m3u8_native"), audio_entry("140")],
            "140",
            id="one file before HLS",
        ),
        pytest.param(
            [audio_entry("140-drc", "medium, DRC", abr=130.0), audio_entry("140")], "140", id="full dynamics"
        ),
        pytest.param(
            [hls_audio("233"), audio_entry("139", "low", abr=48.8)],
            "139",
            id="a known before an unknown bitrate",
        ),
    ],
)
def test_the_original_audio_is_a_separate_format(sounds: list[Entry], format_id: str) -> None:
    """The video format is the one without audio."""
    for order in (sounds, sounds[::-1]):
        choice = chosen([MUXED, *order, *ladder(H264, "avc1", 720)], 720, audio=True)
        assert choice.audio is not None
        assert choice.audio.format_id == format_id
        assert choice.audio.height == 0
        assert choice.audio.vcodec is None
        assert (choice.video.format_id, choice.video.acodec) == ("136", None)


def test_unrequested_audio_is_not_chosen() -> None:
    """Without --audio."""
    choice = chosen(USUAL, 720)
    assert choice.audio is None
    assert choice.video.acodec is None


@pytest.mark.parametrize(
    "sounds", [[], DUBBED[:2], DUBBED[4:]], ids=["none", "dubbed only", "descriptive only"]
)
def test_without_a_separate_format_the_audio_comes_with_the_video(sounds: list[Entry]) -> None:
    """If the original is only offered together with video, that format is chosen."""
    choice = chosen([hls("300", 720), video_entry("136", 720), *sounds], 720, audio=True)
    assert choice.audio is None
    assert (choice.video.format_id, choice.video.acodec) == ("300", "mp4a.40.2")


def test_the_fields_of_a_format_are_read() -> None:
    """All of them from the chosen entry, except for the duration of the video."""
    choice = chosen(
        [video_entry("136", 720, filesize=123_456_789, fps=29.97), audio_entry("140")], 720, audio=True
    )
    video, audio = choice.video, choice.audio
    assert (video.format_id, video.ext, video.container) == ("136", "mp4", "mp4_dash")
    assert (video.width, video.height, video.fps) == (1280, 720, 29.97)
    assert (video.vcodec, video.acodec, video.protocol) == ("avc1.64001f", None, "https")
    assert (video.size, video.size_is_exact, video.duration) == (123_456_789, True, 212.0)
    assert audio is not None
    # yt-dlp rewrites this container after the download, which changes its size.
    assert (audio.ext, audio.size, audio.size_is_exact) == ("m4a", 1_600_000, False)


@pytest.mark.parametrize(
    ("other", "size", "exact"),
    [
        ({"filesize": None}, 7_200_720, False),
        ({"filesize": None, "filesize_approx": None}, None, False),
        ({"protocol": "http_dash_segments"}, 7_200_000, False),
        ({"filesize": 0}, 7_200_720, False),
        ({"filesize": -5, "filesize_approx": math.nan}, None, False),
        ({"filesize": "7200000", "filesize_approx": 10**30}, None, False),
        ({"filesize": True, "filesize_approx": [1]}, None, False),
    ],
)
def test_a_size_is_exact_or_a_guess_or_unknown(other: Entry, size: int | None, exact: bool) -> None:
    """Only a single file with a stated size is exact."""
    video = chosen([video_entry("136", 720) | other], 720).video
    assert (video.size, video.size_is_exact) == (size, exact)


@pytest.mark.parametrize(
    "format_id",
    [
        "-o",
        "--exec",
        "",
        "137+140",
        "136/18",
        "best,worst",
        "a b",
        "1\n2",
        "x" * 65,
        "é",
        None,
        136,
        ["136"],
        "../136",
    ],
)
def test_an_unsafe_format_id_is_refused(format_id: object) -> None:
    """The value of yt-dlp's -f must be neither an option nor an expression."""
    choice = chosen([video_entry("136", 720) | {"format_id": format_id}, video_entry("135", 480)], 720)
    assert choice.video.format_id == "135"
    assert choice.refused == (("#0", "unsafe format id"),)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (212, 212.0),
        (0.5, 0.5),
        (0, None),
        (-3, None),
        (math.nan, None),
        (math.inf, None),
        (10**400, None),
        (True, None),
        ("212", None),
        (None, None),
    ],
)
def test_a_duration_is_only_accepted_if_it_is_plausible(value: object, seconds: float | None) -> None:
    """A positive number of seconds, or unknown."""
    assert duration({"duration": value}) == seconds
    assert duration({}) is None


def test_a_height_is_the_reference_height_within_the_tolerance() -> None:
    """A few rows are rounding, more are another size, and any height matches an unknown one."""
    assert is_at(720 + TOLERANCE, 720)
    assert is_at(720 - TOLERANCE, 720)
    assert not is_at(720 + TOLERANCE + 1, 720)
    assert not is_at(700, 720)
    assert is_at(123, 0)


def test_hdr_can_be_refused_before_the_download() -> None:
    """As if it were not offered, and the message says why."""
    hdr = video_entry("335", 1080, "vp9", dynamic_range="HDR10", vcodec="vp9.2")
    choice = chosen([hdr, video_entry("136", 720)], 1080, hdr=Hdr.REFUSE)
    assert choice.video.format_id == "136"
    assert choice.refused == (("335", "high dynamic range, and --hdr is refuse"),)
    with pytest.raises(Failure) as failure:
        chosen([hdr], 1080, hdr=Hdr.REFUSE)
    assert failure.value.reason is Reason.FORMAT_UNAVAILABLE
    assert failure.value.words == "formats offered: 335 (high dynamic range, and --hdr is refuse)"


OFFERS = st.lists(
    st.builds(
        video_entry,
        st.integers(1, 400).map(str),
        st.sampled_from([*WIDTHS, 700, 714, 718, 1088]),
        st.sampled_from(list(CODECS)),
        fps=st.sampled_from([25, 29.97, 30, 50, 60, None]),
        acodec=st.sampled_from(["none", "mp4a.40.2", None]),
        protocol=st.sampled_from(["https", "m3u8_native", "http_dash_segments", None]),
        dynamic_range=st.sampled_from(["SDR", "SDR", "SDR", None, "HDR10", "DV"]),
        format_note=st.sampled_from(["", "", "", None, "Premium", "720p, AI-upscaled", "DAMAGED"]),
        has_drm=st.sampled_from([False, False, False, None, True, "maybe"]),
        language=st.sampled_from([None, "en", "de", "en-US-desc", "x" * 40, 3]),
        language_preference=st.sampled_from([-1, 5, 10, -10, None]),
        tbr=st.sampled_from([None, 100, 2500.5]),
    ),
    unique_by=lambda entry: str(entry["format_id"]),
    max_size=12,
)


def acceptable(entry: Entry) -> bool:
    """Return whether a generated format is acceptable, implemented differently from the module."""
    return entry["has_drm"] is not True and entry["format_note"] not in {"720p, AI-upscaled", "DAMAGED"}


def standard(formats: list[Entry]) -> list[Entry]:
    """Return those without HDR."""
    return [entry for entry in formats if entry["dynamic_range"] in {"SDR", None}]


@given(OFFERS, st.sampled_from([0, 360, 700, 714, 720, 1080, 2160]), st.sampled_from(list(Resolution)))
def test_no_offer_results_in_an_unacceptable_format(
    formats: list[Entry], reference_height: int, policy: Resolution
) -> None:
    """For any offer, the choice is acceptable, and no acceptable format meets the policy better."""
    good = [entry for entry in formats if acceptable(entry)]
    sure = [entry for entry in good if entry["has_drm"] != "maybe"]
    for offered in (standard(sure), sure, standard(good), good):
        heights = {int(str(entry["height"])) for entry in offered}
        near = {height for height in heights if abs(height - reference_height) <= TOLERANCE}
        if heights and (policy is not E or not reference_height or near):
            break
    else:
        with pytest.raises(Failure):
            chosen(formats, reference_height, policy)
        return
    choice = chosen(formats, reference_height, policy)
    chosen_format = next(entry for entry in formats if entry["format_id"] == choice.video.format_id)
    assert chosen_format in offered
    assert len(choice.refused) == sum(not acceptable(entry) for entry in formats)
    height = choice.video.height
    if policy is B or not reference_height:
        assert height == max(heights)
    elif near:
        assert abs(height - reference_height) == min(abs(other - reference_height) for other in near)
    elif above := {other for other in heights if other > reference_height}:
        assert height == min(above)
    else:
        assert height == max(heights)
    twins = [entry for entry in offered if entry["height"] == chosen_format["height"]]
    if choice.video.fps is not None and choice.video.fps > 31:
        assert all(entry["fps"] in {50, 60} for entry in twins)


@given(OFFERS.flatmap(lambda formats: st.tuples(st.just(formats), st.permutations(formats))))
def test_the_order_of_the_offer_does_not_matter(orders: tuple[list[Entry], list[Entry]]) -> None:
    """The same offer, shuffled, results in the same format."""
    outcomes = set()
    for order in orders:
        try:
            outcomes.add(chosen(order, 720).video.format_id)
        except Failure:
            outcomes.add("none")
    assert len(outcomes) == 1


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([10**4000, -(10**400), "none", "mp4", "136", "https", "SDR", 720, math.nan]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
FIELDS = [*sorted(video_entry("136", 720)), "abr", "duration"]
HALF_JUNK = st.builds(
    lambda whole, junk: whole | junk,
    st.sampled_from([*USUAL, hls("300", 720)]),
    st.dictionaries(st.sampled_from(FIELDS), JUNK, max_size=4),
)
INFOS = st.fixed_dictionaries(
    {},
    optional={
        "formats": JUNK | st.lists(HALF_JUNK | JUNK, max_size=6),
        "duration": JUNK,
        "live_status": JUNK | st.just("was_live"),
    },
)


@given(INFOS, st.sampled_from(list(Resolution)), st.integers(-1, 3000), st.booleans())
def test_nonsensical_input_is_handled(
    info: dict[str, object], policy: Resolution, reference_height: int, audio: bool
) -> None:
    """An absurd info dict results in a valid choice or a failure, never another error."""
    try:
        choice = choose(info, Requirements(policy, reference_height, audio=audio))
    except Failure as failure:
        assert failure.words  # noqa: PT017 - either outcome is valid
        return
    for chosen_format in filter(None, (choice.video, choice.audio)):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", chosen_format.format_id)
        assert chosen_format.ext in {"mp4", "webm", "m4a"}
        assert chosen_format.size is None or 0 < chosen_format.size < 1 << 43
        assert chosen_format.fps is None or 0 < chosen_format.fps <= 1000
        assert chosen_format.width is None or 0 < chosen_format.width <= 8192
        assert chosen_format.duration is None or 0 < chosen_format.duration < math.inf
        for text in (
            chosen_format.container,
            chosen_format.vcodec or "",
            chosen_format.acodec or "",
            chosen_format.protocol,
        ):
            assert re.fullmatch(r"[\w.+?-]{0,64}", text, re.ASCII)
    assert 0 < choice.video.height <= 8192
    assert all(name.isprintable() and why.isprintable() for name, why in choice.refused)


def test_a_forbidden_source_is_avoided_at_the_same_height() -> None:
    """Another client's URL, or another protocol, is used instead; a lower height is not."""
    media = "https://rr1---sn-x.googlevideo.com/videoplayback?itag=136&c="
    table = [
        video_entry("136-0", 720, url=f"{media}WEB"),
        video_entry("136-1", 720, url=f"{media}TVHTML5"),
        video_entry("232", 720, url="https://manifest.googlevideo.com/x.m3u8", protocol="m3u8_native"),
        video_entry("135", 480, url=f"{media}VISIONOS"),
    ]
    forbidden: set[Source] = set()
    chosen_format = []
    for _ in range(4):
        chosen = choose({"formats": table}, Requirements(R, 720), forbidden)
        chosen_format.append(chosen.video.format_id)
        forbidden.add(chosen.video.source)
    assert chosen_format == ["136-0", "136-1", "232", "136-0"]
    assert forbidden == {Source("https", "WEB"), Source("https", "TVHTML5"), Source("hls", "")}


# Limits


@pytest.mark.parametrize(
    ("field", "most", "read"),
    [
        ("filesize", 4 * 1024**4, "size"),
        ("filesize_approx", 4 * 1024**4, "size"),
        ("width", 8192, "width"),
        ("fps", 1000, "fps"),
        ("stretched_ratio", 100, "stretched_ratio"),
        ("duration", 30 * 86400, "duration"),
    ],
)
def test_an_implausible_figure_of_a_format_is_unknown(field: str, most: int, read: str) -> None:
    """Up to a limit it is read; one more is too much, and 0 is nothing."""
    table = video_entry("136", 720, filesize=None, filesize_approx=None, duration=None)
    for value, expected in ((most, most), (most + 1, None), (0, None), (1, 1)):
        choice = choose({"formats": [table | {field: value}]}, Requirements(R, 720))
        assert getattr(choice.video, read) == expected


@pytest.mark.parametrize(("height", "known"), [(8192, True), (8193, False)])
def test_a_height_of_more_than_8192_pixels_is_unknown(*, height: int, known: bool) -> None:
    """No decoder accepts it."""
    table = [video_entry("136", 720), video_entry("137", height, width=8192)]
    choice = chosen(table, 0)
    assert choice.video.format_id == ("137" if known else "136")
    assert choice.refused == (() if known else (("137", "unknown height"),))


def test_the_duration_of_a_video_is_at_most_thirty_days() -> None:
    """Its formats have it, unless they have one of their own."""
    assert duration({"duration": 30 * 86400}) == 30 * 86400
    assert duration({"duration": 30 * 86400 + 1}) is None
    entry = video_entry("136", 720)
    assert choose({"formats": [entry], "duration": 5}, Requirements(R, 720)).video.duration == 5
    own = choose({"formats": [entry | {"duration": 7}], "duration": 5}, Requirements(R, 720))
    assert own.video.duration == 7


@pytest.mark.parametrize(
    ("height", "same"), [(728, True), (729, False), (712, True), (711, False), (720, True)]
)
def test_eight_rows_are_rounding(*, height: int, same: bool) -> None:
    """Half a macroblock."""
    assert is_at(height, 720) is same
    assert TOLERANCE == 8
    if not same:
        with pytest.raises(Failure):
            chosen([video_entry("136", height)], 720, E)


@pytest.mark.parametrize(("fps", "chosen_id"), [(30.5, "298"), (30.51, "136"), (None, "298")])
def test_a_rate_above_thirty_frames_is_not_used_if_there_is_another(
    fps: float | None, chosen_id: str
) -> None:
    """29.97 and 30 are the same kind; an unknown rate counts as a usual one."""
    table = [video_entry("298", 720, fps=fps, tbr=5000), video_entry("136", 720, "vp9", fps=25)]
    assert chosen(table, 720).video.format_id == chosen_id


@pytest.mark.parametrize(("formats", "more"), [(12, ""), (13, " and 1 more"), (15, " and 3 more")])
def test_twelve_refused_formats_of_a_reason_are_named(formats: int, more: str) -> None:
    """The others are counted."""
    with pytest.raises(Failure) as failed:
        chosen([video_entry(f"{n}-sr", 720) for n in range(formats)], 720)
    named = ", ".join(f"{n}-sr" for n in range(12))
    assert failed.value.words == f"formats offered: {named}{more} (AI-upscaled)"


@pytest.mark.parametrize("reasons", [12, 13])
def test_twelve_reasons_are_named(reasons: int) -> None:
    """The last ones: those about the height are the most useful."""
    table = [video_entry(f"{n}", 720, protocol=f"p{n}") for n in range(reasons)]
    with pytest.raises(Failure) as failed:
        chosen(table, 720)
    assert failed.value.words.count("(protocol") == 12
    assert ("p0)" in failed.value.words) is (reasons == 12)
    with pytest.raises(Failure, match="no formats offered"):
        chosen([], 720)


@pytest.mark.parametrize(
    ("width", "height", "nominal"),
    [(1280, 720, 720), (720, 1280, 720), (None, 720, 720), (9000, 720, 720), (0, 720, 720)],
)
def test_the_height_is_the_shorter_side(width: int | None, height: int, nominal: int) -> None:
    """An unknown width says nothing."""
    assert chosen([video_entry("136", height, width=width)], 720).video.height == nominal


def test_the_original_inside_a_video_of_the_same_height_is_used_if_the_separate_one_has_no_mark() -> None:
    """It costs nothing; at another height the separate one is used."""
    inside = hls("95", 720, language="ja", format_note="(original)", language_preference=10)
    separate = audio_entry("140", language=None)
    assert chosen([video_entry("136", 720), separate, inside], 720, audio=True).audio is None
    lower = inside | {"height": 480, "width": 854}
    choice = chosen([video_entry("136", 720), separate, lower], 720, audio=True)
    assert (choice.video.format_id, choice.audio and choice.audio.format_id) == ("136", "140")
    unmarked = inside | {"format_note": "", "language_preference": -1}
    choice = chosen([video_entry("136", 720), separate, unmarked], 720, audio=True)
    assert choice.audio is not None


def test_without_separate_audio_a_video_with_usable_audio_is_preferred_to_its_height() -> None:
    """Among videos without any, the height decides."""
    low = hls("93", 360, language="ja")
    assert chosen([video_entry("136", 720), low], 720, audio=True).video.format_id == "93"
    assert chosen([video_entry("136", 720), low], 720).video.format_id == "136"
    dubbed = low | {"format_note": "dubbed"}
    assert chosen([video_entry("136", 720), dubbed], 720, audio=True).video.format_id == "136"
