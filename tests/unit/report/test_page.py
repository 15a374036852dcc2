"""The report of a directory shows the content of the journal, whatever the other files contain."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared import HOSTILE

import hdtf_async
from hdtf_async.cli import main
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.events import (
    ClipDone,
    ClipRetrying,
    Downloaded,
    DownloadStarted,
    EncodeStarted,
    Event,
    RawReady,
    RunStarted,
    VideoFailed,
)
from hdtf_async.core.exceptions import StoreError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.tally import Outcome, Span
from hdtf_async.media import thumbnails
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.output.directory import open_directory, run_record
from hdtf_async.output.journal import JournalIndex
from hdtf_async.report import charts, content, history, page, reproducibility
from hdtf_async.report.result import Report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shared import Finished


def at(second: float) -> str:
    """Return a timestamp this many seconds after the first."""
    return datetime.fromtimestamp(1_700_000_000 + second, UTC).isoformat()


def journal_record(second: float, kind: str, **more: object) -> dict[str, Any]:
    """Return a record of the journal."""
    return {"type": kind, "time": at(second), **more}


STORY = [
    journal_record(0, "run", versions={}, form={}, settings={"corrections": "verified"}),
    journal_record(1, "download_started", video="RD_A"),
    journal_record(2, "download_started", video="RD_B"),
    journal_record(4, "downloaded", video="RD_A"),
    journal_record(
        5, "raw", youtube_id="aaaaaaaaaaa", file="RD_A.mp4", bytes=9, resolution="reference", took=4
    ),
    journal_record(5.5, "encode_started", clip="RD_A_000"),
    journal_record(6, "retrying", video="RD_B", reason="network"),
    journal_record(8, "lane_closed", reason="refused"),
    journal_record(8.5, "lane_closed", reason="refused"),
    journal_record(9, "clip", clip="RD_A_000", metadata={"youtube_id": "aaaaaaaaaaa"}, form={}, took=2),
    journal_record(9, "encode_started", clip="RD_A_001"),
    journal_record(10, "lane_opened"),
    journal_record(11, "failed", clip="RD_A_001", reason="clip_wrong", youtube_id="aaaaaaaaaaa"),
    journal_record(12, "download_started", video="RD_B"),
    journal_record(13, "downloaded", video="RD_B"),
    journal_record(14, "video_failed", video="RD_B", reason="raw_truncated"),
    journal_record(15, "run_ended", stopped=None),
]


def seconds(spans: list[Span]) -> list[tuple[str, float, float, str, str]]:
    """Return spans with their times relative to the first second."""
    return [
        (span.subject, span.begun - 1_700_000_000, span.ended - 1_700_000_000, span.outcome, span.reason)
        for span in spans
    ]


def test_work_with_a_token_is_a_bar_and_without_one_a_wait() -> None:
    """Downloads end with their last byte, encodes with their record; clips wait from the video's arrival."""
    (run,) = history.runs(STORY)
    assert seconds(run.downloads) == [
        ("RD_A", 1, 4, "done", ""), ("RD_B", 2, 6, "again", "network"),
        ("RD_B", 12, 13, "failed", "raw_truncated"),
    ]  # fmt: skip
    assert seconds(run.encodes) == [
        ("RD_A_000", 5.5, 9, "done", ""),
        ("RD_A_001", 9, 11, "failed", "clip_wrong"),
    ]
    assert seconds(run.waits) == [("RD_A_000", 5, 5.5, "done", ""), ("RD_A_001", 5, 9, "done", "")]
    assert [(span.begun, span.ended) for span in run.closed] == [(1_700_000_008, 1_700_000_010)]
    assert (run.seconds, run.end["type"]) == (15, "run_ended")
    assert history.busy(run.downloads) == 6
    assert history.busy(run.downloads, run.encodes) == 0.5


def _section(second: float, name: str, size: int, downloaded: object) -> dict[str, Any]:
    return {
        **journal_record(second, "section", youtube_id="aaaaaaaaaaa", file=name, bytes=size, took=4),
        "kind": "raw",
        "downloaded": downloaded,
        "of": {"bytes": 1000},
    }


def test_partial_source_videos_are_downloads_too() -> None:
    """A video whose name has dots is ready with its first file; each is one download."""
    story = [
        {**record, "video": "RD_A.b"} if record.get("video") == "RD_A" else record
        for record in STORY
        if record["type"] != "raw"
    ]
    parts = [_section(5, "RD_A.b.0-2.mp4.part", 9, 9), _section(5, "RD_A.b.0-2.m4a.part", 9, 9)]
    (run,) = history.runs([*story[:4], *parts, *story[4:]])
    assert seconds(run.downloads)[0] == ("RD_A.b", 1, 4, "done", "")
    assert len(run.downloads) == 3
    assert ("RD_A_000", 5, 5.5, "done", "") in seconds(run.waits)


def test_segments_that_are_copied_count_once(tmp_path: Path) -> None:
    """In the bytes that were downloaded; a lock file has the size of the whole video."""
    records = [
        *STORY[:1],
        _section(1, "RD_A.0-2.mp4.part", 30, 20),
        _section(2, "RD_A.0-5.mp4.part", 60, 25),
        _section(3, "RD_A.9-10.mp4.part", 7, "many"),
    ]
    (tmp_path / "_journal.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    assert page.find(tmp_path).fetched == 20 + 25 + 7
    index = JournalIndex(tmp_path)
    for record in records:
        index.add(record)
    assert reproducibility.sizes(index) == {"aaaaaaaaaaa": 1000}


def test_unfinished_work_is_in_progress_or_interrupted() -> None:
    """A running run, and the same after it was killed; an earlier one ends with its last record."""
    records = [
        *STORY[:7],
        journal_record(100, "run"),
        *[journal_record(101, "download_started", video="RD_C")],
    ]
    killed, newest = history.runs(records, now=1_700_000_150.0)
    assert seconds(killed.encodes) == [("RD_A_000", 5.5, 6, Outcome.OPEN, "")]
    assert seconds(newest.downloads) == [("RD_C", 101, 150, Outcome.OPEN, "")]
    assert seconds(history.runs(records)[1].downloads) == [("RD_C", 101, 101, Outcome.OPEN, "")]


def test_a_retried_encode_has_a_bar_for_each_try() -> None:
    """The first one as tried again; the wait between them is neither."""
    records = [
        *STORY[:6],
        journal_record(7, "clip_retrying", clip="RD_A_000", reason="encode_stalled"),
        journal_record(8, "encode_started", clip="RD_A_000"),
        STORY[9],
    ]
    (run,) = history.runs(records)
    assert seconds(run.encodes) == [
        ("RD_A_000", 5.5, 7, "again", "encode_stalled"),
        ("RD_A_000", 8, 9, "done", ""),
    ]


def test_a_journal_of_an_older_version_has_bars_too() -> None:
    """It only records finished work, and how long that took."""
    old = [record for record in STORY if record["type"] in {"run", "raw", "clip"}]
    (run,) = history.runs(old)
    assert seconds(run.downloads) == [("RD_A", 1, 5, "done", "")]
    assert seconds(run.encodes) == [("RD_A_000", 7, 9, "done", "")]


JUNK: st.SearchStrategy[object] = st.sampled_from(
    [None, True, -1, 1e300, float("nan"), "", "RD_B", HOSTILE, [], {"a": 1}, at(3), "0001-01-01"]
)
FIELDS = st.sampled_from(
    ["type", "time", "video", "clip", "file", "youtube_id", "reason", "took", "metadata"]
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.lists(st.tuples(st.sampled_from(STORY), st.dictionaries(FIELDS, JUNK, max_size=2)), max_size=20))
def test_no_journal_breaks_a_timeline(records: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Also in another order, with fields of any type: each run has a chart, as valid SVG."""
    for run in history.runs([record | junk for record, junk in records], now=1_700_000_020.0):
        assert all(
            run.begun <= span.begun <= span.ended <= run.ended for span in (*run.downloads, *run.encodes)
        )
        parsed(charts.timeline(run))
        content.facts_of_run(run)


def parsed(svg: str) -> ET.Element:
    """Parse one of the program's charts, which have no control characters."""
    return ET.fromstring(re.sub("[\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]", "", svg))  # noqa: S314


@given(st.lists(st.floats(0, 1e6), max_size=40))
def test_a_histogram_counts_every_value_once(values: list[float]) -> None:
    """For any values; a range or value without clips may have a column too."""
    svg = parsed(charts.histogram(values, "Length", "s"))
    if svg.tag == "p":
        assert f"({'1 clip' if len(values) == 1 else f'all {len(values)} clips'})" in ET.tostring(
            svg, "unicode"
        )
        return
    titles = [title.text or "" for title in svg.iter("{http://www.w3.org/2000/svg}title")]
    assert sum(int(title.rpartition(": ")[2].split()[0]) for title in titles) == len(values)
    assert len(titles) <= 13


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), max_size=30))
def test_bars_of_a_row_never_overlap(times: list[tuple[float, float]]) -> None:
    """And the number of rows is the largest number of simultaneous bars."""
    spans = [Span("RD_A", begun, begun + long) for begun, long in times]
    packed = charts.rows(spans)
    assert sorted(map(id, spans)) == sorted(id(span) for row in packed for span in row)
    assert all(one.ended <= other.begun for row in packed for one, other in pairwise(row))
    most = max((sum(one.begun <= span.begun < one.ended for one in spans) for span in spans), default=0)
    assert len(packed) <= max(most, 1) + sum(not span.seconds for span in spans)


class Page(HTMLParser):
    """Parses a report."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag and its attributes."""
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all tags of a name."""
        return [attributes for name, attributes in self.tags if name == tag]


def test_untrusted_text_is_escaped() -> None:
    """Names, messages, versions, settings: none of them becomes a tag, a link or a script."""
    line = {
        "file_name": f"{HOSTILE}.mp4", "subset": HOSTILE, "name": HOSTILE, "youtube_id": HOSTILE,
        "sha256": HOSTILE, "duration": "long", "width": -1, "fps": None, "bytes": float("inf"),
        "versions": {HOSTILE: HOSTILE},
    }  # fmt: skip
    lost = {"clip": HOSTILE, "reason": "private", "words": HOSTILE, "youtube_id": HOSTILE, "name": HOSTILE}
    run = journal_record(0, "run", form={HOSTILE: HOSTILE}, settings={"corrections": HOSTILE})
    records = [
        run,
        journal_record(1, "download_started", video=HOSTILE),
        journal_record(2, "run_ended", stopped=HOSTILE),
    ]
    found = content.ReportData({HOSTILE: ClipRecord(line)}, [lost], runs=history.runs(records))
    html = page.render(found).decode()
    plain = page.render(content.ReportData({"a": ClipRecord(line | {"file_name": "a.mp4"})})).decode()
    assert len(Page(html).all("script")) == len(Page(plain).all("script")) == 3
    assert [each.get("type") for each in Page(html).all("script")] == ["application/json"] * 2 + [None]
    assert Page(html).all("img") == []
    assert {each["href"] for each in Page(html).all("a")} <= {
        *(f"#{name}" for name in ("missing", "timeline", "clips", "distributions", "methods")),
        "metadata.jsonl",
        "failures.jsonl",
    }
    assert "{{ 7*7 }}" in html


def test_only_the_content_of_the_journal_is_shown(tmp_path: Path) -> None:
    """A directory without one is an error with a sentence; of a damaged one the rest is used."""
    with pytest.raises(StoreError, match="has no journal"):
        page.find(tmp_path)
    (tmp_path / "_journal.jsonl").write_text(
        '{"type": "run"}\n[1]\n{"type": "clip"}\n' + json.dumps(STORY[0]) + "\n{"
    )
    (tmp_path / "failures.jsonl").write_text('{"clip": "RD_A_000", "reason": "not_tried"}\n7\n')
    (tmp_path / "report.html").write_bytes(b'\xff\x00 "pictures": {')
    found = page.find(tmp_path)
    assert dict(content.counts(found))["not attempted"] == "1"
    assert b"RD_" in page.render(found)


def test_the_sections_of_the_page_are_in_order(tmp_path: Path) -> None:
    """The verdict, missing clips and advice, the course of the runs, the clips, and a methods paragraph."""
    (tmp_path / "_journal.jsonl").write_text("".join(json.dumps(each) + "\n" for each in STORY))
    html = page.render(page.find(tmp_path)).decode()
    order = ["unwell", "counts", "missing", "timeline", "clips", "distributions", "methods"]
    places = [html.index(f'class="{name}"' if name in order[:2] else f'id="{name}"') for name in order]
    assert places == sorted(places)
    assert Reason.CLIP_WRONG.advice.remedy in unescape(html[places[2] : places[3]])


def test_the_clips_of_an_unavailable_video_are_listed_together(tmp_path: Path) -> None:
    """With the tool's message once; another video, or another message, is listed separately."""
    private = {"subset": "RD", "reason": "private", "words": "Private video"}
    lost = [
        journal_record(1, "failed", clip=f"RD_{name}", youtube_id=name[0] * 11, **private)
        for name in ("A_000", "A_001", "B_000")
    ]
    (tmp_path / "_journal.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lost))
    html = page.render(page.find(tmp_path)).decode()
    assert "<b>3</b> private video (<code>private</code>)" in html
    assert re.findall(r"<li><b>(.*?)</b> <a", html) == ["RD_A_000, RD_A_001", "RD_B_000"]
    assert html.count("<pre>") == 2


def data_of(html: str) -> dict[str, Any]:
    """Return the content of the gallery."""
    found: dict[str, Any] = json.loads(html.partition('id="data">')[2].partition("</script>")[0])
    return found


def pictures_of(html: str) -> dict[str, str | None]:
    """Return the images of a report, by the SHA-256 of the clip."""
    found: dict[str, str | None] = json.loads(html.partition('id="pictures">')[2].partition("</script>")[0])
    return found


def figures(html: str) -> dict[str, str]:
    """Return the counts at the head of a report."""
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html)
    return {label: figure.replace("\N{NO-BREAK SPACE}", " ") for label, figure in pairs}


def test_the_main_job_ends_with_a_report_of_all_clips(finished: Finished) -> None:
    """Each clip has an image and a working link; no resource is loaded from elsewhere."""
    assert finished.report.page is not None
    assert finished.report.page.name == "report.html"
    html = (finished.out / finished.report.page.name).read_text("utf-8")
    whole = Page(html)
    clips = data_of(html)["rows"]
    assert [clip[0] for clip in clips] == sorted(finished.report.done)
    images = pictures_of(html)
    assert sorted(images) == sorted(clip[-1] for clip in clips)
    assert all(image is not None and image.startswith("/9j/") for image in images.values())
    assert figures(html)["clips"] == "10"
    assert figures(html)["failed"] == "0"
    outside = [each for tag, each in whole.tags if tag in {"script", "link", "iframe", "object"} and each]
    assert outside == [
        {"rel": "icon", "href": "data:,"},
        *({"type": "application/json", "id": name} for name in ("data", "pictures")),
    ]
    assert "We used 10 clips (28.0 s in total) from 6 videos of the list " in html
    assert "HDTF" not in html, "its tables are not HDTF's"
    run = content.facts_of_run(page.find(finished.out).runs[-1])
    assert run[0] == "10 clips written"
    assert html.count('class="bar done" x=') == 6 + 10  # a download of each film, an encode of each clip


@pytest.mark.usefixtures("no_children")
def test_a_second_report_starts_no_process_and_is_the_same(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its images are those of the first, also on the command line."""
    out = copied(finished, tmp_path)
    assert main.main(["report", "--out", str(out)]) == 0
    assert capsys.readouterr().out.split() == [
        str(out / name) for name in ("report.html", "methods.md", "clips.lock.json")
    ]
    assert (out / "report.html").read_bytes() == (finished.out / "report.html").read_bytes()


def copied(finished: Finished, tmp_path: Path) -> Path:
    """Return a copy of the finished demo, which a test may change."""
    return shutil.copytree(
        finished.out,
        tmp_path / "clips",
        ignore=shutil.ignore_patterns("_videos_raw"),
        copy_function=shutil.copy2,
    )


@pytest.mark.parametrize("killed", ["before the first report", "before a newer one", "not at all"])
async def test_a_finished_run_writes_the_report_that_a_killed_one_did_not(
    finished: Finished, tmp_path: Path, killed: str
) -> None:
    """It may be missing, or older than the journal; an up-to-date one is not changed."""
    out = copied(finished, tmp_path)
    path = out / "report.html"
    if killed == "before the first report":
        path.unlink()
    if killed == "before a newer one":
        os.utime(path, (0, 0))
    before = path.stat().st_mtime_ns if path.exists() else None
    journal = (out / "_journal.jsonl").read_bytes()
    report = await hdtf_async.download(out, finished.options)
    assert report.page == (None if killed == "not at all" else path)
    assert (path.stat().st_mtime_ns == before) == (killed == "not at all")
    after = path.stat().st_mtime_ns
    assert (await hdtf_async.download(out, finished.options)).page is None
    assert path.stat().st_mtime_ns == after
    assert path.read_bytes() == (finished.out / "report.html").read_bytes()
    assert (out / "_journal.jsonl").read_bytes() == journal


async def written_report(out: Path, tool: Callable[[], Path] = bundled_ffmpeg) -> str:
    """Write a report and return it."""
    await page.write(out, tool=tool, encodes=anyio.CapacityLimiter(2))
    return (out / "report.html").read_text("utf-8")


async def test_a_clip_without_an_image_is_listed(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not a video: it is tried once, and the next report starts no process for it."""
    out = copied(finished, tmp_path)
    (out / "report.html").unlink()
    clip = out / "RD_Radio1_000.mp4"
    clip.write_bytes(b"#EXTM3U\nfile:///etc/passwd\n".ljust(clip.stat().st_size))
    html = await written_report(out)
    images = list(pictures_of(html).values())
    assert (len(images), images.count(None)) == (10, 1)
    monkeypatch.setattr(thumbnails, "make", pytest.fail)
    assert await written_report(out) == html


async def test_without_ffmpeg_the_report_has_no_images_until_it_is_installed(
    finished: Finished, tmp_path: Path
) -> None:
    """A missing or hanging tool does not mark a clip."""
    out = copied(finished, tmp_path)
    (out / "report.html").unlink()

    def none() -> Path:
        raise Failure(Reason.TOOL_MISSING, "none here")

    for tool in (none, lambda: tmp_path / "not there"):
        assert pictures_of(await written_report(out, tool)) == {}
    assert len(pictures_of(await written_report(out))) == 10


async def test_a_report_can_be_written_during_a_run(finished: Finished, tmp_path: Path) -> None:
    """It takes no lock, says that a run is in progress, and writes only the report."""
    out = copied(finished, tmp_path)
    before = {path.name for path in out.iterdir()} | {"_videos_raw"}
    async with open_directory(out) as directory:
        await directory.append(run_record(versions={}, form={}))
        directory.note({"type": "download_started", "video": "RD_Late", "youtube_id": "x", "attempt": 1})
        await directory.append()
        html = await written_report(out)
    assert "A run is active" in html
    assert "RD_Late: " in html
    assert {path.name for path in out.iterdir()} == before


class Clock:
    """Events, each with its time in seconds."""

    now = 0.0

    def pass_on(self, report: Report, events: list[tuple[float, Event]]) -> None:
        """Pass events to a report at their times."""
        for second, event in events:
            self.now = second
            report.add(event)


def test_the_report_of_a_run_has_the_busy_time_of_both_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Overlapping downloads count once; failed work ends too."""
    clock = Clock()
    monkeypatch.setattr(anyio, "current_time", lambda: clock.now)
    report = Report(asked=1)
    clock.pass_on(report, [
        (100, RunStarted(2, 1, 10.0, 0, 2, 1, 0, 0.0)), (101, DownloadStarted("A", "a", 1, 0)),
        (103, DownloadStarted("B", "b", 1, 0)), (105, Downloaded("A", 4.0)),
        (106, RawReady("A", "youtube", 9, 5.0)),
        (107, EncodeStarted("A_000", 10.0)), (109, VideoFailed("B", "b", Reason.PRIVATE, "", 1)),
        (112, ClipDone("A_000", "A_000.mp4", 10.0, 5, 5.0, 0.0)),
    ])  # fmt: skip
    assert (report.download_seconds, report.encode_seconds, report.both_seconds) == (8, 5, 2)
    assert report.overlap == 0.4
    clock.pass_on(report, [
        (120, EncodeStarted("A_001", 10.0)), (121, ClipRetrying("A_001", Reason.ENCODE_STALLED, "", 10.0, 1)),
        (131, EncodeStarted("A_001", 10.0)), (133, ClipDone("A_001", "A_001.mp4", 10.0, 5, 2.0, 0.0)),
    ])  # fmt: skip
    assert report.encode_seconds == 8, "not while it waits for another try"
