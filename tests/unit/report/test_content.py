"""The content of the report of a directory, from records that may be damaged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.shards import Shard
from hdtf_async.core.splits import Split
from hdtf_async.core.tally import Outcome, Span
from hdtf_async.report import content, gallery, methods, records
from hdtf_async.report.history import Run
from hdtf_async.report.records import ReportData

NBSP = "\N{NO-BREAK SPACE}"
NOON = 1_700_000_000.0


def line(number: int, **more: object) -> dict[str, Any]:
    """Return the metadata of a clip of ten seconds."""
    return {
        "file_name": f"RD_Radio{number}_000.mp4",
        "subset": "RD",
        "name": f"Radio{number}",
        "youtube_id": f"{number:011d}",
        "duration": 10.0,
        "width": 96,
        "height": 64,
        "fps": 25.0,
        "bytes": 2_000_000,
        "sha256": f"{number:064d}",
        "versions": {"ffmpeg": "7.1", "yt_dlp": f"{number % 2}"},
    } | more


def records_of(*lines: dict[str, Any]) -> dict[str, ClipRecord]:
    """Return the records of clips, by the stems of the clips."""
    return {record["file_name"].removesuffix(".mp4"): ClipRecord(record) for record in lines}


def lost(number: int, reason: str = "private", **more: object) -> dict[str, Any]:
    """Return the record of a missing clip."""
    return {
        "clip": f"WDA_Speaker{number}_000",
        "subset": "WDA",
        "name": f"Speaker{number}",
        "youtube_id": f"{number:011d}",
        "reason": reason,
        "words": "Private video",
    } | more


def run(begun: float = NOON, *, spans: bool = True, **more: Any) -> Run:
    """Return a run of a minute with a download and an encode."""
    made = Run({}, begun, begun + 60, **more)
    if spans:
        made.downloads.append(Span("RD_Radio1", begun, begun + 30))
        made.encodes.append(Span("RD_Radio1_000", begun + 20, begun + 40))
    return made


REFUSED = {"file": "RD_video_url.txt", "line": 7, "subset": "RD", "words": "no address"}


@pytest.mark.parametrize(
    ("found", "verdict", "well"),
    [
        (ReportData({}), "No clips yet.", False),
        (ReportData(records_of(line(1))), "All 1 clip is done.", True),
        (ReportData(records_of(line(1)), missing=[lost(1)]), "1 of 2 clips are done.", False),
        (ReportData({}, missing=[lost(1)]), "0 of 1 clip is done.", False),
        (
            ReportData(records_of(line(1)), refused=[REFUSED]),
            "All 1 clip is done. 1 invalid table row skipped.",
            False,
        ),
        (
            ReportData(
                records_of(line(1)), refused=[REFUSED, REFUSED | {"rows": 3}, REFUSED | {"rows": "x"}]
            ),
            "All 1 clip is done. 5 invalid table rows skipped.",
            False,
        ),
        (
            ReportData(records_of(line(1)), absent=(Shard(1, 2),)),
            "1 of 1 clip is done. Shard 1/2 has not started: start it, or run once without --shard.",
            False,
        ),
        (
            ReportData(records_of(line(1)), runs=[run(), run(end={"stopped": "disk full\nhow so"})]),
            "All 1 clip is done. The latest run stopped early: disk full",
            True,
        ),
        (
            ReportData(records_of(line(1)), runs=[run(end={"stopped": "x"}), run()]),
            "All 1 clip is done.",
            True,
        ),
        (
            ReportData(
                {}, [lost(1)], runs=[run(end={"stopped": str(Failure(Reason.NOT_READY, "no cookies"))})]
            ),
            "0 of 1 clip is done. The latest run did not start: no cookies.",
            False,
        ),
        (ReportData(records_of(line(1)), runs=[run(end={"stopped": 3})]), "All 1 clip is done.", True),
    ],
)
def test_the_verdict_says_whether_all_clips_exist(found: ReportData, verdict: str, *, well: bool) -> None:
    """In a sentence or two."""
    page = content.of(found)
    assert (page["verdict"], page["well"]) == (verdict, well)


def test_counts_are_at_the_head() -> None:
    """Untried clips are no failures, and invalid figures are ignored."""
    lines = records_of(line(1), line(2, bytes=None, duration="long"), line(3, youtube_id="0" * 10 + "1"))
    missing = [lost(1), lost(2), lost(3, Reason.NOT_TRIED)]
    assert content.of(ReportData(lines, missing, fetched=5_000))["counts"] == [
        ("clips", "3"),
        ("duration", "20.0 s"),
        ("size", f"4{NBSP}MB"),
        ("videos", "2"),
        ("downloaded", f"5{NBSP}kB"),
        ("failed", "2"),
        ("not attempted", "1"),
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (12_345_678, "12.3 MB"), (5e9, "5 GB"), (5e15, "5000 TB")],
)
def test_sizes_have_three_figures(size: float, text: str) -> None:
    """Except terabytes."""
    page = content.of(ReportData({}, fetched=int(size)))
    assert dict(page["counts"])["downloaded"] == text.replace(" ", NBSP)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0),
        (3, 3),
        (2.5, 2.5),
        (-1, 0),
        (1e15, 0),
        (1e15 - 0.5, 1e15 - 0.5),
        ("3", 0),
        (None, 0),
        (float("nan"), 0),
    ],
)
def test_only_valid_figures_are_used(value: object, number: float) -> None:
    """The journal of a downloaded directory may contain any value."""
    assert records.number(ClipRecord({"duration": value}).duration) == number


def test_the_newest_twelve_runs_with_work_have_charts() -> None:
    """The newest first, with the number of older ones."""
    runs = [run(NOON + 3600 * number) for number in range(14)]
    page = content.of(ReportData({}, runs=[*runs, run(NOON + 10**6, spans=False)], now=NOON + 59))
    assert (len(page["runs"]), page["older_runs"]) == (12, 2)
    assert page["runs"][0]["begun"] == "2023-11-15 11:13 UTC"
    assert page["runs"][0]["took"] == "1 min 00 s"
    assert page["runs"][0]["timeline"].startswith("<svg")
    assert page["now"] == "2023-11-14 22:14 UTC"
    fewer = content.of(ReportData({}, runs=runs[:12]))
    assert (len(fewer["runs"]), fewer["older_runs"], fewer["now"]) == (12, 0, None)


def test_a_run_is_described_by_the_work_of_both_lanes() -> None:
    """How long each was busy, both at once, and why downloads were paused."""
    made = run(
        closed=[Span("", NOON, NOON + 5, reason="refused"), Span("", NOON, NOON + 7, reason="unreachable")],
        end={"stopped": "disk full\nmore"},
    )
    made.encodes.append(Span("RD_Radio1_001", NOON + 30, NOON + 35, Outcome.FAILED, "clip_wrong"))
    assert content.facts_of_run(made) == [
        "1 clip written",
        "download 30.0 s",
        "encode 20.0 s",
        "overlapping 10.0 s (50% of the shorter)",
        "downloads paused for 12.0 s (YouTube unreachable and blocked by YouTube)",
        "stopped early: disk full",
    ]
    made = Run({}, NOON, NOON + 60, encodes=[Span("RD_Radio1_000", NOON, NOON + 40)])
    assert content.facts_of_run(made) == ["1 clip written", "download 0.0 s", "encode 40.0 s"]


FORM = {"fps": "25", "size": 512, "preset": "superfast", "crf": 20, "audio": "aac", "crop": "table"}


@pytest.mark.parametrize(
    ("form", "steps"),
    [
        (
            {},
            "cropped to its published box, kept at its original frame rate (25 fps),"
            " encoded as H.264 (x264, preset None, CRF None) without audio",
        ),
        (
            FORM,
            "cropped to its published box, scaled to 512 pixels on its shorter side, converted to 25 fps,"
            " encoded as H.264 (x264, preset superfast, CRF 20) with audio",
        ),
        (
            {"crop": "face", "codec": "lossless", "audio": "wav", "segment": 20.0},
            "cropped around the detected face, kept at its original frame rate (25 fps), encoded as H.264"
            " (lossless) with a separate 16 kHz mono audio file, split into segments of 20.0 s",
        ),
        ({"crop": "none", "fps": 25, "audio": "both"}, None),
    ],
)
def test_the_methods_paragraph_lists_the_steps_of_each_clip(form: dict[str, Any], steps: str | None) -> None:
    """In the order of the steps."""
    newest = Run({"form": form}, 0, 1)
    paragraph = methods.methods(ReportData(records_of(line(1)), runs=[Run({"form": FORM}, 0, 0), newest]))
    expected = steps or (
        "kept as the whole frame, converted to 25 fps,"
        " encoded as H.264 (x264, preset None, CRF None) with audio"
    )
    assert paragraph.endswith(f" Each clip was {expected}.")


def test_the_methods_paragraph_names_tools_corrections_and_missing_clips() -> None:
    """With every version that was used for the clips, and the most frequent reason first."""
    lines = records_of(line(1), line(2, duration=3590.0, fps=29.97), line(3, versions="none"))
    found = ReportData(lines, [lost(1, "age"), lost(2), lost(3)])
    assert methods.methods(found) == (
        "We used 3 clips (1 h 00 min in total) from 3 videos of HDTF [zhang2021flow],"
        " created with ffmpeg 7.1, yt-dlp 0 and 1."
        " Each clip was cropped to its published box, kept at its original frame rate (25, 29.97 fps),"
        " encoded as H.264 (x264, preset None, CRF None) without audio."
        " 3 of the 6 clips could not be created (private video: 2, age-restricted video: 1)."
    )
    found = ReportData(
        records_of(line(1, versions=None)),
        runs=[Run({"settings": {"corrections": "verified"}, "form": 3}, 0, 1)],
    )
    assert "HDTF [zhang2021flow], with verified corrections of its tables, created with hdtf_async." in (
        methods.methods(found)
    )


def test_without_clips_there_is_nothing_to_describe() -> None:
    """Neither before the first one, nor if all failed."""
    assert methods.methods(ReportData({})) == methods.methods(ReportData({}, [lost(1)])) == ""
    page = content.of(ReportData({}, [lost(1)]))
    assert (page["methods"], page["histograms"]) == ("", [])


@pytest.mark.parametrize(
    ("source", "origin", "title"),
    [
        (
            {"title": "TalkVid", "citation": "@misc{chen2025talkvid,\n title = {x}}"},
            "TalkVid [chen2025talkvid],",
            "TalkVid",
        ),
        ({"title": "synthetic-demo", "citation": ""}, "the list synthetic-demo,", "synthetic-demo"),
        ({"title": "", "citation": ""}, "a list of clips,", "Clips"),
    ],
)
def test_other_datasets_are_not_called_hdtf(source: dict[str, str], origin: str, title: str) -> None:
    """Neither in the heading nor in the methods paragraph; the corrections are those of HDTF's tables."""
    newest = Run({"dataset": source, "settings": {"corrections": "verified"}}, 0, 1)
    page = content.of(ReportData(records_of(line(1)), runs=[newest]))
    assert f"from 1 video of {origin} created with" in page["methods"]
    assert "HDTF" not in page["methods"]
    assert (page["dataset"], page["citation"]) == (title, source["citation"])


@pytest.mark.parametrize("rates", [6, 7])
def test_a_few_frame_rates_are_named(rates: int) -> None:
    """Up to six."""
    paragraph = methods.methods(ReportData(records_of(*(line(n, fps=20.0 + n) for n in range(rates)))))
    named = " (20, 21, 22, 23, 24, 25 fps)" if rates == 6 else ""
    assert f"kept at its original frame rate{named}, encoded" in paragraph


def test_frame_rates_that_are_nearly_equal_are_named_once() -> None:
    """In hundredths."""
    lines = records_of(line(1, fps=24000 / 1001), line(2, fps=23.9800001), line(3, fps=23.99))
    assert "frame rate (23.98, 23.99 fps)," in methods.methods(ReportData(lines))


def test_settings_are_those_of_the_newest_run() -> None:
    """Unchanged properties are named so."""
    newest = Run({"settings": {"pace": 5}, "form": {"size": None}}, 0, 1)
    assert content.settings(ReportData({}, runs=[Run({"settings": {"a": 1}}, 0, 0), newest])) == [
        ("pace", "5"),
        ("size", "source"),
    ]
    assert content.settings(ReportData({})) == []


def rows(found: ReportData) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of the gallery, of clips and of missing clips, by column."""
    made = json.loads(gallery.as_script(gallery.gallery(found)))
    clips = [
        dict(zip(made["clip"], row, strict=True)) for row in made["rows"] if len(row) == len(made["clip"])
    ]
    lost = [row for row in made["rows"] if len(row) != len(made["clip"])]
    return clips, [dict(zip(made["missing"], row, strict=True)) for row in lost]


def test_the_gallery_has_the_figures_of_each_clip() -> None:
    """An image only if it is one of those that are shown; a URL's special characters are escaped."""
    key = f"{1:064d}"
    clips = records_of(line(1, start=2.0, end=12.0), line(22, file_name="//a.b/RD_R dio_000.mp4"))
    clips["RD_Radio3_000"] = ClipRecord({"subset": "WRA"})
    found = ReportData(clips, pictures={key: "abc", "f" * 64: "other"})
    by_stem = {row["stem"]: row for row in rows(found)[0]}
    first, second, third = (by_stem[stem] for stem in clips)
    assert first == {
        "stem": "RD_Radio1_000", "subset": "RD", "speaker": "Radio", "split": "", "seconds": 10, "width": 96,
        "height": 64, "fps": 25, "bytes": 2_000_000, "id": "00000000001", "start": 2, "end": 12, "file": 0,
        "picture": key,
    }  # fmt: skip
    assert (second["file"], second["picture"]) == ("%2F%2Fa.b%2FRD_R%20dio_000.mp4", 0)
    assert (third["seconds"], third["width"], third["fps"], third["id"]) == (0, 0, 0, "")
    assert gallery.pictures(found) == {key: "abc"}


def test_the_gallery_has_short_numbers() -> None:
    """Durations in hundredths of a second; times and frame rates in thousandths."""
    clip = line(1, duration=12.34567, fps=30000 / 1001, start=1.23456, end=13.58023)
    (row,) = rows(ReportData(records_of(clip)))[0]
    assert (row["seconds"], row["fps"], row["start"], row["end"]) == (12.35, 29.97, 1.235, 13.58)
    (row,) = rows(ReportData(records_of(line(1, fps=23.97602, start=0.0006, end=9.9994))))[0]
    assert (row["fps"], row["start"], row["end"]) == (23.976, 0.001, 9.999)


def test_the_gallery_is_in_the_order_of_names_and_numbers() -> None:
    """Clips and missing clips together."""
    clips = records_of(*(line(number) for number in (10, 2, 1)))
    made = gallery.gallery(ReportData(clips, [lost(1, clip="RD_Radio9_000"), lost(2, clip="RD_Abc50_000")]))
    assert [row[0] for row in made["rows"]] == [
        "RD_Abc50_000", "RD_Radio1_000", "RD_Radio2_000", "RD_Radio9_000", "RD_Radio10_000",
    ]  # fmt: skip


def test_missing_clips_share_their_messages() -> None:
    """Each message is in the page once; markup in it cannot end the script element."""
    missing = [
        lost(1),
        lost(2),
        lost(3, "age", words="</script>" + "y" * 600),
        lost(4, words=None, youtube_id="../x"),
    ]
    made = gallery.gallery(ReportData({}, missing))
    assert made["messages"] == ["Private video", "y" * 600]
    assert [row["message"] for row in rows(ReportData({}, missing))[1]] == [0, 0, 1, -1]
    assert [row["id"] for row in rows(ReportData({}, missing))[1]][2:] == ["00000000003", ""]
    assert made["labels"] == {"age": "age-restricted video", "private": "private video"}
    assert "<" not in gallery.as_script({"a": "</script><!--"})


def test_the_split_of_a_clip_is_that_of_the_run_or_of_its_list() -> None:
    """Shown for each clip, and counted."""
    clips = records_of(line(1, split="test"), line(2))
    assert [row["split"] for row in rows(ReportData(clips))[0]] == ["test", ""]
    given = ReportData(clips, split=Split(given={"RD_Radio1_000": "val"}, rest="train"))
    assert [row["split"] for row in rows(given)[0]] == ["val", "train"]
    page = content.of(given)
    assert page["sides"] == ["train", "val"]
    assert dict(page["parts"])["split"] == [
        {"name": side, "clips": 1, "duration": "10.0 s"} for side in ("train", "val")
    ]
    assert dict(content.of(ReportData(records_of(line(2))))["parts"])["split"] == []


def test_clips_at_the_start_of_an_interval_have_an_image_first() -> None:
    """Six hundred at most; and only where file name and hash are valid."""
    pieces = [line(number, segment=number % 2) for number in range(700)]
    found = content.pictured(records_of(*pieces))
    assert len(found) == gallery.MOST_PICTURES == 600
    assert [tile.segment for tile in found] == [0] * 350 + [1] * 250
    wrong = {
        "a": ClipRecord(line(1)),
        "RD_Radio2_000": ClipRecord(line(2, sha256="x" * 64)),
        "RD_Radio3_000": ClipRecord(line(3, sha256=3)),
    }
    assert content.pictured(wrong) == []


def test_missing_clips_are_grouped_by_reason_and_by_video() -> None:
    """The most frequent first, with the clips of one video together."""
    missing = [
        lost(1, "age"),
        lost(2, clip="a"),
        lost(2, clip="b"),
        lost(2, clip="c", words="Gone"),
        lost(3, clip="d", youtube_id="../x"),
    ]
    page = content.of(ReportData({}, missing, refused=[REFUSED]))
    assert [(reason["reason"], reason["number"]) for reason in page["reasons"]] == [
        ("private", 4), ("age", 1), ("row_refused", 1),
    ]  # fmt: skip
    link = "https://www.youtube.com/watch?v=00000000002"
    assert page["reasons"][0]["groups"] == [
        {"stems": ["a", "b"], "link": link, "words": "Private video"},
        {"stems": ["c"], "link": link, "words": "Gone"},
        {"stems": ["d"], "link": None, "words": "Private video"},
    ]
    assert page["reasons"][2]["groups"] == [
        {"stems": ["RD_video_url.txt:7"], "link": None, "words": "no address"}
    ]
    assert page["outcomes"] == [("private", "private video", 4), ("age", "age-restricted video", 1)]
    assert page["reasons"][0]["label"] == "private video"


def test_subsets_and_speakers_are_those_of_all_clips() -> None:
    """For the filters of the page; a name that consists of digits is valid."""
    page = content.of(ReportData(records_of(line(1), line(2)), [lost(1), lost(2, name="12")]))
    assert (page["subsets"], page["speakers"]) == (["RD", "WDA"], ["12", "Radio", "Speaker"])


def test_histograms_show_length_side_rate_and_size() -> None:
    """Of the existing clips; a value that all have is a text."""
    histograms = dict(content.of(ReportData(records_of(line(1), line(2, duration=20.0))))["histograms"])
    assert histograms.pop("Duration (seconds)").startswith("<svg")
    assert histograms == {
        "Shorter side (pixels)": '<p class="same"><b>64 pixels</b> (all 2 clips)</p>',
        "Frame rate (fps)": '<p class="same"><b>25 fps</b> (all 2 clips)</p>',
        "Size (MB)": '<p class="same"><b>2 MB</b> (all 2 clips)</p>',
    }


@pytest.mark.parametrize(("size", "shown"), [(900_000_000, "900"), (50_000, "0.05")])
def test_the_size_of_a_clip_is_in_millions_of_bytes(size: int, shown: str) -> None:
    """With up to three decimals."""
    histograms = dict(content.of(ReportData(records_of(line(1, bytes=size))))["histograms"])
    assert histograms["Size (MB)"] == f'<p class="same"><b>{shown} MB</b> (1 clip)</p>'


@pytest.mark.slow
def test_a_large_directory_is_listed_as_a_sample_with_totals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spread evenly over the names; all counts are of all clips."""
    monkeypatch.setattr(gallery, "MOST_LISTED", 2000)
    clips = records_of(*(line(number, subset="ab"[number % 2]) for number in range(5000)))
    missing = [lost(number, "gone", subset="a") for number in range(1000)]
    found = ReportData(clips=clips, missing=missing)
    values, (listed, lost_ones) = content.of(found), rows(found)
    assert (len(listed), len(lost_ones), values["unlisted"]) == (2000, 1000, 3000)
    stems = list(clips)
    assert [row["stem"] for row in listed] == [stems[place * 5 // 2] for place in range(2000)]
    assert ("clips", "5,000") in values["counts"]
    (reason,) = values["reasons"]
    assert (reason["number"], len(reason["groups"]), reason["unlisted"]) == (1000, 500, 500)
    parts = dict(values["parts"])["subset"]
    assert [(each["name"], each["clips"], each["missing"]) for each in parts] == [
        ("a", 2500, 1000), ("b", 2500, 0),
    ]  # fmt: skip
    chosen = [line.name for line in content.pictured(clips)]
    assert len(chosen) == gallery.MOST_PICTURES
    assert chosen[1] == f"{clips[stems[8]].name}"


def test_one_subset_needs_no_table() -> None:
    """And a list without subsets has none to filter by."""
    values = content.of(ReportData(clips=records_of(line(1, subset=""), line(2, subset=""))))
    assert (values["parts"], values["subsets"], values["unlisted"]) == (
        [("subset", []), ("split", [])],
        [],
        0,
    )


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        ("keep", "scaled to 64 pixels on its shorter side"),
        (None, "scaled to 64 pixels on its shorter side"),
        ("squeeze", "distorted to 64x64 pixels"),
        ("pad", "scaled, with black bars, to 64x64 pixels"),
        ("crop", "cropped and scaled to 64x64 pixels"),
    ],
)
def test_the_methods_say_how_the_size_was_reached(fit: str | None, words: str) -> None:
    """Also for a directory of a version without --fit."""
    made = Run({"form": {"size": 64} | ({"fit": fit} if fit else {})}, NOON, NOON)
    assert words in methods.methods(ReportData(clips=records_of(line(1)), runs=[made]))


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([[0, 0, 8, 8], [0, 0, 8, 8]], "was cropped to its published box, kept at"),
        ([[0, 0, 8, 8], None], "was cropped to its published box, except for 1 clip without a box, kept at"),
        ([None, None], "was kept as the whole frame, kept at"),
    ],
)
def test_the_methods_do_not_claim_a_box_that_is_missing(boxes: list[object], words: str) -> None:
    """A list may have clips without one."""
    clips = records_of(*(line(number, box=box) for number, box in enumerate(boxes)))
    assert words in methods.methods(ReportData(clips=clips))


# Limits of the page


def test_the_page_lists_five_hundred_groups_of_a_reason() -> None:
    """A group is the clips of one video with one message; the number of clips in the others is stated."""
    missing = [lost(number, clip=f"c{number}{half}") for number in range(502) for half in "ab"]
    (reason,) = content.of(ReportData({}, missing))["reasons"]
    assert (reason["number"], len(reason["groups"]), reason["unlisted"]) == (1004, 500, 4)
    (reason,) = content.of(ReportData({}, missing[:1000]))["reasons"]
    assert (len(reason["groups"]), reason["unlisted"]) == (500, 0)


def test_a_thousand_speakers_are_suggested() -> None:
    """In alphabetical order."""
    missing = [lost(0, name=f"Speaker {number:04}x") for number in range(1001)]
    speakers = content.of(ReportData({}, missing))["speakers"]
    assert (len(speakers), speakers[-1]) == (1000, "Speaker 0999x")


def test_a_message_has_six_hundred_characters() -> None:
    """The last ones, in the gallery and in the list of reasons; of the end of a run the first ones."""
    text = "start" + "y" * 590 + "the end"
    page = content.of(ReportData({}, [lost(1, words=text)], runs=[run(end={"stopped": text})]))
    shown = text[2:]
    assert len(shown) == 600
    assert page["reasons"][0]["groups"][0]["words"] == shown
    assert gallery.gallery(ReportData({}, [lost(1, words=text)]))["messages"] == [shown]
    assert page["verdict"].endswith(f"stopped early: {text[:600]}")


def test_a_thousand_different_messages_are_in_the_page() -> None:
    """A missing clip with a further one has none; one that is there already is still used."""
    missing = [lost(number, words=f"message {number}") for number in (*range(1001), 999)]
    found = ReportData({}, missing)
    made = gallery.gallery(found)
    assert len(made["messages"]) == 1000
    by_stem = {row["stem"]: row["message"] for row in rows(found)[1]}
    assert by_stem["WDA_Speaker1000_000"] == -1
    assert by_stem["WDA_Speaker999_000"] == 999
    assert by_stem["WDA_Speaker0_000"] == 0


@pytest.mark.parametrize("more", [0, 1])
def test_fifty_thousand_missing_clips_are_listed(monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    """And as many clips; of more a sample."""
    assert gallery.MOST_LISTED == 50_000
    monkeypatch.setattr(gallery, "MOST_LISTED", 5)
    found = ReportData(records_of(*map(line, range(5 + more))), [lost(number) for number in range(5 + more)])
    assert gallery.unlisted(found) == 2 * more
    assert len(gallery.gallery(found)["rows"]) == 10


@pytest.mark.parametrize(
    ("most", "found"),
    [(0, []), (1, [0]), (2, [0, 2]), (3, [0, 1, 3]), (5, [0, 1, 2, 3, 4]), (9, [0, 1, 2, 3, 4])],
)
def test_a_sample_is_spread_evenly(most: int, found: list[int]) -> None:
    """From the first one on."""
    assert records.spread(range(5), most) == found


def test_names_are_sorted_by_their_numbers() -> None:
    """Also in the middle of a name, and with many digits."""
    assert sorted(["a0b", "ab", "a"], key=gallery._natural) == ["a", "a0b", "ab"]
    names = ["a10b2", "a2b10", "a2b9", "a", "a1" + "0" * 17 + "1", "b1"]
    assert sorted(names, key=gallery._natural) == ["a", "a2b9", "a2b10", "a10b2", "a1" + "0" * 17 + "1", "b1"]


def test_figures_of_the_gallery_are_rounded() -> None:
    """Seconds to hundredths, rates and times to thousandths, the others to whole numbers."""
    made = line(
        1, duration=1.23456, fps=29.97049, start=0.12349, end=1.35849, width=96.4, bytes=1.6, height=64.6
    )
    (row,) = rows(ReportData(records_of(made)))[0]
    assert (row["seconds"], row["fps"], row["start"], row["end"]) == (1.23, 29.97, 0.123, 1.358)
    assert (row["width"], row["height"], row["bytes"]) == (0, 0, 0), "they are no whole numbers"


def test_versions_are_those_of_all_clips() -> None:
    """Each once, sorted."""
    clips = [ClipRecord(line(number, versions={"ffmpeg": f"{number % 2}"})) for number in range(4)]
    assert records.versions(clips) == {"ffmpeg": ["0", "1"]}
    assert records.hours(records_of(line(1, duration=1800.0), line(2, duration=1800.0)).values()) == 1


def test_the_dataset_is_that_of_the_newest_run() -> None:
    """With the key of its BibTeX entry, if that is a plausible one."""
    assert records.dataset(ReportData({})) == "HDTF"
    assert records.citation_key(ReportData({})) == "zhang2021flow"
    for text, key in (
        ("@misc{ a_key ,", "a_key"),
        ("@misc{" + "k" * 81 + ",", ""),
        ("no entry", ""),
        (None, ""),
    ):
        found = ReportData({}, runs=[Run({"dataset": {"title": "X", "citation": text}}, 0, 1)])
        assert records.citation_key(found) == key
        assert records.dataset(found) == "X"
    assert records.recorded(ReportData({}, runs=[Run({"form": [1]}, 0, 1)]), "form") == {}


def test_other_steps_are_described_if_they_were_requested() -> None:
    """A part of each clip, and the kind of the audio."""
    for form, text in (
        ({"first": 2.5}, "shortened to its first 2.5 s"),
        ({"middle": 10.0}, "shortened to its middle 10 s"),
        ({"first": None, "middle": None}, "without audio."),
        ({"audio": "none"}, "CRF None) without audio."),
        ({"codec": "lossless"}, "(lossless) without audio."),
    ):
        paragraph = methods.methods(ReportData(records_of(line(1)), runs=[Run({"form": form}, 0, 1)]))
        assert text in paragraph
        assert ("shortened" in paragraph) is ("shortened" in text)


def test_the_time_of_the_page_is_the_minute_in_utc() -> None:
    """Seconds are of no use."""
    assert content.of(ReportData({}, now=59.0))["now"] == "1970-01-01 00:00 UTC"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0.4, "0.4 B"),
        (999.4, "999 B"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (10**12, "1 TB"),
        (12345 * 10**11, "1234 TB"),
    ],
)
def test_sizes_change_their_unit_at_a_thousand(size: float, text: str) -> None:
    """Up to terabytes."""
    assert content._bytes(size) == text.replace(" ", NBSP)


def test_durations_of_parts_and_of_all_clips_are_exact() -> None:
    """Hours are hours."""
    clips = records_of(*(line(number, duration=7200.0, subset="ab"[number % 2]) for number in range(10)))
    page = content.of(ReportData(clips))
    assert dict(page["counts"])["duration"] == "20 h 00 min"
    parts = dict(page["parts"])["subset"]
    assert [(each["name"], each["duration"]) for each in parts] == [
        ("a", "10 h 00 min"),
        ("b", "10 h 00 min"),
    ]
    assert "(20 h 00 min in total)" in page["methods"]
