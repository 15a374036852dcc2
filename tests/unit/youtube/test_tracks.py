"""Of several audio tracks the original is used, in format tables from public bug reports."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from format_tables import Entry, audio_entry, chosen, hls, hls_audio, video_entry
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.model import Resolution
from hdtf_async.youtube.tracks import Marks, Track, Tracks

MEDIA = "https://rr1---sn-4g5e6nz7.googlevideo.com/videoplayback?itag=140&xtags="
PLAYLIST = "https://manifest.googlevideo.com/api/manifest/hls_playlist/itag/95/sgoap/"


def marked(language: str, note: str, preference: int) -> Entry:
    """Return the fields in which yt-dlp reports a track."""
    return {"language": language, "format_note": note, "language_preference": preference}


def dubbed_table(original: str, default: str, others: list[str]) -> list[Entry]:
    """Return the audio of a dubbed video, where a dub is marked as default."""
    names = [(original, "original", 10), (default, "(default)", 5), *((name, "", -1) for name in others)]
    table = []
    for number, (language, mark, preference) in enumerate(names):
        for itag, quality, ext, abr in (
            ("139", "low", "m4a", 48.8), ("140", "medium", "m4a", 129.5), ("249", "low", "webm", 51.0),
            ("251", "medium", "webm", 125.0),
        ):  # fmt: skip
            note = ", ".join(filter(None, (f"Language {mark}".strip(), quality)))
            name = f"{itag}-{number}"
            table.append(audio_entry(name, note, ext=ext, abr=abr) | marked(language, note, preference))
    return table


def hls_table(height: int, itag: str, languages: list[str | None], original: str) -> list[Entry]:
    """Return HLS formats of video and audio, one for each language, as in YouTube's manifests."""
    table = []
    for number, language in enumerate(languages):
        mark = {"format_note": "(original)", "language_preference": 10} if language == original else {}
        table.append(hls(f"{itag}-{number}", height, language=language) | mark)
    return table


AUDIO = dubbed_table("ja", "en-US", ["fr-FR", "de-DE"])
LANGUAGES = ["bn", "ar", "de-DE", None, "fr-FR", "en-US"]
MUXED = [*hls_table(360, "93", LANGUAGES, "en-US"), *hls_table(720, "95", LANGUAGES, "en-US")]


def choose(table: list[Entry], height: int = 720) -> tuple[str, str | None, Track]:
    """Return the ids of the chosen video and audio, and the audio track."""
    found = {
        (choice.video.format_id, None if choice.audio is None else choice.audio.format_id, choice.track)
        for choice in (chosen(order, height, audio=True) for order in (table, table[::-1]))
    }
    ((video, audio, track),) = found
    assert track is not None
    return video, audio, track


def track_in(table: list[Entry], entry: Entry) -> Track:
    """Return the track of an entry, given its table."""
    return Tracks.of(map(Marks.of, table)).track(Marks.of(entry))


@pytest.mark.parametrize(
    ("table", "video", "audio", "track"),
    [
        pytest.param(
            [video_entry("136", 720), *AUDIO], "136", "140-0", Track("ja", True), id="a dub is the default"
        ),
        pytest.param(
            [
                video_entry("136", 720),
                audio_entry("599", ext="m4a", abr=31.0)
                | marked("en-US", "English (United States) (default), ultralow", 5),
                hls_audio("234-0") | marked("ja", "日本語 - original (original)", 10),
                hls_audio("234-1") | marked("en-US", "American English - dubbed-auto (default)", 5),
            ],
            "136",
            "234-0",
            Track("ja", True),
            id="the original over HLS only",
        ),
        pytest.param(
            [
                video_entry("136", 720),
                audio_entry("251-0", ext="webm") | marked("en", "medium", -1),
                audio_entry("251-1", ext="webm", abr=147.0) | marked("it", "Italian, medium", -1),
                audio_entry("251-6", ext="webm", abr=121.0)
                | marked("en-US", "English (United States) original (default), medium", 10),
            ],
            "136",
            "251-6",
            Track("en-US", True),
            id="a language without a country beside the original",
        ),
        pytest.param(
            [
                video_entry("136", 720),
                audio_entry("140-7", abr=100.0) | marked("ja", "medium", -1),
                *AUDIO[4:],
                AUDIO[0],
            ],
            "136",
            "140-7",
            Track("ja", True),
            id="an unmarked format in the language of the original",
        ),
        pytest.param(MUXED, "95-5", None, Track("en-US", True), id="the original inside of HLS formats"),
        pytest.param(
            MUXED[:-1], "95-3", None, Track(None, False), id="no language at this height"
        ),
        pytest.param(
            [video_entry("136", 720), *MUXED[:9], *AUDIO[8:]],
            "93-5",
            None,
            Track("en-US", True),
            id="another height rather than a dub",
        ),
        pytest.param(
            [
                hls("300-0", 720, fps=30),
                hls("300-1", 720, fps=60, language="en", language_preference=10),
                hls("300-2", 720, fps=30, language="de"),
            ],
            "300-1",
            None,
            Track("en", True),
            id="the original inside rather than fewer frames",
        ),
        pytest.param(
            [video_entry("136", 720), audio_entry("140"), *MUXED],
            "95-5",
            None,
            Track("en-US", True),
            id="the marked one inside rather than an unmarked one alone",
        ),
        pytest.param(
            [video_entry("136", 720), audio_entry("140"), *MUXED[:6]],
            "136",
            "140",
            Track(None, False),
            id="an unmarked one alone rather than another height",
        ),
        pytest.param(
            [
                video_entry("136", 720),
                audio_entry("140", language="de"),
                audio_entry("251", ext="webm", language="de"),
            ],
            "136",
            "140",
            Track("de", None),
            id="one language, unmarked",
        ),
        pytest.param(
            [
                video_entry("136", 720),
                audio_entry("140-0", abr=150.0, language="de"),
                audio_entry("140-1") | marked("en", "English (default), medium", 5),
            ],
            "136",
            "140-1",
            Track("en", None, guessed=True),
            id="a guess: the default",
        ),
        pytest.param(
            [hls("95-0", 720, language="de"), hls("95-1", 720, language="en", language_preference=5)],
            "95-1",
            None,
            Track("en", None, guessed=True),
            id="a guess inside of the video",
        ),
        pytest.param(
            [
                video_entry("136", 720),
                audio_entry("140-0", url=f"{MEDIA}acont%3Ddubbed-auto%3Alang%3Dde-DE", abr=150.0),
                audio_entry("140-1", url=f"{MEDIA}acont%3Doriginal%3Alang%3Den-US"),
            ],
            "136",
            "140-1",
            Track("en-US", True),
            id="marked in the address alone",
        ),
    ],
)  # fmt: skip
def test_the_original_is_chosen_whatever_the_default_is(
    table: list[Entry], video: str, audio: str | None, track: Track
) -> None:
    """Separate or inside the video, and a guess is marked as such."""
    assert choose(table) == (video, audio, track)


@pytest.mark.parametrize(
    "table",
    [
        [video_entry("136", 720), *MUXED[6:9]],
        [*MUXED[6:9], hls("96", 1080, language="en-US", language_preference=10, has_drm=True)],
        [
            video_entry("136", 720),
            *AUDIO[8:],
            audio_entry("140-9", protocol="sabr") | marked("ja", "Japanese original", 10),
        ],
    ],
    ids=["only HLS dubs", "the original is copy protected", "the original cannot be downloaded"],
)
def test_no_dub_is_used_if_the_original_is_unavailable(table: list[Entry]) -> None:
    """Missing audio is a failure with a reason; a dub would be wrong data."""
    entries = [*table, hls("91", 144, language="en-US", language_preference=10, has_drm=True)]
    assert chosen(entries, 720, audio=True).track is None


def test_without_audio_a_dubbed_video_is_the_last_choice() -> None:
    """The video is the same, and later runs may need its audio."""
    assert chosen(MUXED, 720).video.format_id == "95-5"
    choice = chosen([*MUXED[6:9], *MUXED[:6]], 720)
    assert choice.video.format_id.startswith("95-")
    assert choice.video.track is not None
    assert choice.video.track.dubbed
    assert chosen([*MUXED, video_entry("136", 720)], 720).video.format_id == "136"


def test_an_exact_height_is_not_given_up_for_the_original() -> None:
    """Then there is no acceptable format, as the failure says."""
    table = [video_entry("136", 720), *MUXED[:6], *AUDIO[8:]]
    with pytest.raises(Exception, match="height 360 instead of 720"):
        chosen(table, 720, Resolution.EXACT, audio=True)


@pytest.mark.parametrize(
    "entry",
    [
        audio_entry("140-drc", "medium"), audio_entry("140-drc-1", "medium"), audio_entry("251-vb", "medium"),
        audio_entry("251-vb-0", "medium"), audio_entry("140-drc-dashy-2", "medium"),
        audio_entry("140-0", "medium, DRC"),
        audio_entry("140-1", "English, medium, DRC, WEB"), audio_entry("251-1", "medium, Voice boost"),
        audio_entry("251-1", "medium, Voice-Boost"), audio_entry("251-1", url=f"{MEDIA}drc%3D1"),
        audio_entry("251-1", url=f"{MEDIA}vb%3D1%3Alang%3Den"),
        hls_audio("234", url=f"{PLAYLIST}clen%3D1%3Bitag%3D140%3Bxtags%3Dlang%253Den%253Adrc%253D1/x"),
    ],
)  # fmt: skip
def test_altered_dynamics_are_the_last_choice_for_every_marking(entry: Entry) -> None:
    """Even if the altered one has a higher bitrate, and the other one a worse quality."""
    assert Marks.of(entry).altered
    better = {"abr": 200.0, "quality": 4.0}
    assert choose([video_entry("136", 720), entry | better, audio_entry("139-5", "low")])[1] == "139-5"
    assert choose([video_entry("136", 720), entry | better])[1] == entry["format_id"]


@pytest.mark.parametrize(
    "entry",
    [audio_entry("140"), audio_entry("140-1", "English original, medium"), audio_entry("251-sr-1"),
     hls_audio("234", "Drcha - dubbed"), audio_entry("140", url=f"{MEDIA}drc%3D0%3Avb%3D"),
     audio_entry("140", "medium", url="https://h/?vb=1&drc=1")],
)  # fmt: skip
def test_plain_tracks_are_not_mistaken_for_altered_ones(entry: Entry) -> None:
    """Only complete markings count."""
    assert not Marks.of(entry).altered


@pytest.mark.parametrize(
    "entry",
    [
        audio_entry("140", "English descriptive, medium"), audio_entry("140", language_preference=-10),
        audio_entry("140", language="en-US-desc"), audio_entry("140", language="desc"),
        audio_entry("140", url=f"{MEDIA}acont%3Ddescriptive%3Alang%3Den"),
    ],
)  # fmt: skip
def test_descriptive_tracks_are_never_used(entry: Entry) -> None:
    """Not even alone, and not if their language is the original."""
    assert Marks.of(entry).descriptive
    assert chosen([video_entry("136", 720), entry], 720, audio=True).track is None
    original = audio_entry("251", ext="webm") | marked("en-US", "English (US) original", 10)
    assert choose([video_entry("136", 720), entry, original])[1] == "251"


@pytest.mark.parametrize(
    ("entry", "track"),
    [
        (hls_audio("233-2") | marked("es", "Español - dubbed", -1), Track("es", False, dubbed=True)),
        (
            hls_audio("233-1") | marked("ja", "日本語 - dubbed-auto (original)", 10),
            Track("ja", False, dubbed=True),
        ),
        (audio_entry("140", url=f"{MEDIA}acont%3Dsecondary%3Alang%3Den"), Track("en", False, dubbed=True)),
        (
            audio_entry("140", url="https://h/xtags/acont%3Doriginal%3Alang%3Dzh-Hans/n/1"),
            Track("zh-Hans", True),
        ),
        (audio_entry("140", language="und"), Track(None, None)),
        (audio_entry("140", language="en US"), Track(None, None)),
        (audio_entry("140", language="x" * 500), Track(None, None)),
        (audio_entry("140", language="\x1b[31m"), Track(None, None)),
        (
            audio_entry("140", language=7, language_preference="10", format_note=None, url=[]),
            Track(None, None),
        ),
        (audio_entry("140", language_preference=True), Track(None, None)),
        (audio_entry("140", language_preference=float("nan")), Track(None, None)),
        (audio_entry("140", language="es-419", language_preference=10**400), Track("es-419", None)),
    ],
)
def test_yt_dlps_fields_of_a_track_are_read(entry: Entry, track: Track) -> None:
    """Contradictions count against the original; an invalid language code is unknown."""
    assert track_in([entry], entry) == track


@pytest.mark.parametrize(
    ("languages", "guessed"), [([], False), (["en"], False), (["en", "EN"], False), (["en", "de"], True)]
)
def test_several_unmarked_languages_result_in_a_guess(languages: list[str], guessed: bool) -> None:
    """Descriptive tracks do not count; a marked one removes the doubt."""
    table = [
        audio_entry("251"),
        *(audio_entry(f"140-{place}", language=code) for place, code in enumerate(languages)),
    ]
    table.append(audio_entry("140-9", language="fr-desc", language_preference=-10))
    assert track_in(table, table[0]).guessed is guessed
    table.append(audio_entry("140-10", "French original", language="fr", language_preference=10))
    assert not track_in(table, table[0]).guessed


@given(
    st.builds(
        Track,
        st.none() | st.sampled_from(["en", "pt-BR", "zh-Hans"]),
        st.none() | st.booleans(),
        dubbed=st.booleans(),
        guessed=st.booleans(),
    )
)
def test_a_track_survives_the_journal(track: Track) -> None:
    """So that metadata of later runs are the same."""
    assert Track.from_json(track.to_json()) == track


@pytest.mark.parametrize("record", [None, 7, "en", [], {"language": ["en"], "original": "yes", "dubbed": 1}])
def test_a_journal_without_tracks_leaves_them_unknown(record: object) -> None:
    """Language and original are unknown for older and damaged records."""
    track = Track.from_json(record) or Track(None, None)
    assert track.metadata == {"audio_language": None, "audio_original": None}


# Limits


@pytest.mark.parametrize(
    ("preference", "original", "descriptive"),
    [
        (10, True, False), (9.5, False, False), (11, True, False), (999.5, True, False), (1000, False, False),
        (-10, False, True), (-9.5, False, False), (-11, False, True), (-999.5, False, True),
        (-1000, False, False), (0, False, False), ("10", False, False), (None, False, False),
    ],
)  # fmt: skip
def test_a_preference_marks_the_original_from_ten_on(
    preference: object, *, original: bool, descriptive: bool
) -> None:
    """And descriptive tracks from -10 on; a value of a thousand and more is no preference."""
    marks = Marks.of(audio_entry("140") | {"language_preference": preference})
    assert (marks.original, marks.descriptive) == (original, descriptive)
    assert (marks.preference == -1) is (preference in {1000, -1000, "10", None})


@pytest.mark.parametrize(("quoted", "found"), [(0, True), (1, True), (3, True), (4, False)])
def test_tags_may_be_quoted_three_times(quoted: int, *, found: bool) -> None:
    """In a playlist, within a quoted field."""
    tags = "acont=original:lang=ja"
    for _ in range(quoted):
        tags = quote(tags, safe="")
    marks = Marks.of(audio_entry("140", url=f"{MEDIA}{tags}"))
    assert (marks.language, marks.original) == (("ja", True) if found else (None, False))


@pytest.mark.parametrize(("longer", "found"), [(0, True), (1, False)])
def test_tags_are_read_within_eight_kibibytes_of_an_address(longer: int, *, found: bool) -> None:
    """A longer address is not YouTube's."""
    tags = "&xtags=lang=ja"
    address = "https://a/?" + "x" * (8192 - len("https://a/?") - len(tags) + longer) + tags
    assert (Marks.of(audio_entry("140", url=address)).language == "ja") is found


def test_the_best_audio_is_the_original_with_the_highest_quality() -> None:
    """Then the higher bitrate, one file, AAC, the higher number, and the name."""

    def best(*entries: Entry) -> str | None:
        (found,) = {choose([video_entry("136", 720), *order])[1] for order in (entries, entries[::-1])}
        return found

    plain = audio_entry("140")
    assert best(plain, audio_entry("141", "high", abr=1.0)) == "141"
    assert best(plain, audio_entry("141", abr=130.0)) == "141"
    assert best(plain, audio_entry("141", abr=None, tbr=130.0)) == "141"
    assert best(plain, audio_entry("141", protocol="http_dash_segments")) == "140"
    assert best(plain, audio_entry("251", ext="webm")) == "140"
    assert best(plain, audio_entry("141")) == "141"
    assert best(audio_entry("140-b"), audio_entry("140-a")) == "140-a"
    assert best(audio_entry("x"), plain) == "140"
    assert best(plain | {"has_drm": "maybe"}, audio_entry("139", "low")) == "139"
    assert best(plain, audio_entry("139", "low", language_preference=5)) == "139"


def test_a_language_counts_as_the_original_if_any_of_its_tracks_is_marked() -> None:
    """Whatever its letters; without a language a track beside it is unknown."""
    marked_one = audio_entry("1", language="JA", language_preference=10)
    table = [marked_one, audio_entry("2", language="ja"), audio_entry("3"), audio_entry("4", language="en")]
    assert [track_in(table, entry) for entry in table] == [
        Track("JA", True), Track("ja", True), Track(None, False), Track("en", False, dubbed=True),
    ]  # fmt: skip
    assert Track("en", True).to_json() == {"language": "en", "original": True}
    assert Track("en", False, dubbed=True, guessed=True).to_json() == {
        "language": "en", "original": False, "dubbed": True, "guessed": True,
    }  # fmt: skip
    assert Track("en", None, guessed=True).metadata == {
        "audio_language": "en", "audio_original": None, "audio_guessed": True,
    }  # fmt: skip
