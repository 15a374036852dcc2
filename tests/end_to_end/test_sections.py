"""Only the segments that clips need are downloaded, and the clips have the same bytes."""

from __future__ import annotations

import re
import shlex
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
import served
from audio_sync import beeps_beside, beeps_inside, flashes
from shared import exported, lines

import hdtf_async
from hdtf_async import ClipRow, ExitCode, Options, demo
from hdtf_async.demo import Answer, Fault, Then
from hdtf_async.media.segment_index import read_index

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.slow

ID = "sectionsFil"
INTERVALS = [(0.5, 2.0), (33.3, 36.1), (34.0, 37.7), (57.5, 59.9)]
"""At the beginning, twice in the middle, and at the end."""
EVERYTHING = {"crop": "none", "codec": "lossless", "preset": "ultrafast", "deinterlace": "off"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which files are rendered once."""
    return tmp_path_factory.mktemp("served")


def _rows(intervals: Sequence[tuple[float, float]] = INTERVALS, **more: Any) -> list[ClipRow]:
    return [ClipRow(ID, start, end, **more) for start, end in intervals]


async def _run(
    out: Path, site: demo.StandIn, fetch: str, rows: Sequence[ClipRow] | None = None, **more: Any
) -> hdtf_async.Report:
    options = Options(
        fetch=fetch,
        pace=0,
        retry_wait=0,
        yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)),
        **EVERYTHING | more,
    )
    with exported(site.environment):
        return await hdtf_async.download(out, options, clips=rows or _rows())


def _clips(out: Path) -> list[dict[str, Any]]:
    """Return what is known about each clip, including a hash of its bytes."""
    return [
        {name: value for name, value in line.items() if name != "versions"}
        for line in lines(out / "metadata.jsonl")
    ]


def _sent(requests: Sequence[dict[str, Any]]) -> int:
    return sum(each["sent"] for each in requests if each["path"].startswith("/videoplayback"))


@pytest.mark.parametrize(
    ("video", "sound", "audio"),
    [
        ("h264.mp4", "aac.m4a", "both"),
        ("vp9.webm", "opus.webm", "both"),
        ("av1.mp4", "aac.m4a", "none"),
        pytest.param("h264.mp4", "opus.webm", "both", marks=pytest.mark.long),
        pytest.param("h264.mp4", "aac.m4a", "none", marks=pytest.mark.long),
        pytest.param("vp9.webm", "opus.webm", "none", marks=pytest.mark.long),
        pytest.param("av1.mp4", "aac.m4a", "both", marks=pytest.mark.long),
    ],
)
async def test_clips_have_the_same_bytes_as_from_the_whole_file(
    files: Path, tmp_path: Path, video: str, sound: str, audio: str
) -> None:
    """Lossless clips and their WAV files, and all of their metadata; a part of the bytes is downloaded."""
    served.film(tmp_path / "footage", ID, *(served.render(files, name) for name in (video, sound)))
    found, sent = {}, {}
    for fetch in ("whole", "sections"):
        async with demo.stand_in(tmp_path / "footage") as site:
            report = await _run(tmp_path / fetch, site, fetch, audio=audio)
            assert report.exit_code is ExitCode.DONE
            found[fetch], sent[fetch] = _clips(tmp_path / fetch), _sent(await site.requests())
    assert len(found["whole"]) == len(INTERVALS)
    assert found["sections"] == found["whole"]
    assert 0.3 * sent["whole"] < sent["sections"] < 0.75 * sent["whole"]
    names = {path.name for path in (tmp_path / "sections" / "_videos_raw").iterdir()}
    assert not any(name.endswith((".mp4", ".webm", ".m4a", ".weba")) for name in names)


@pytest.fixture
def footage(files: Path, tmp_path: Path) -> Path:
    """Return a directory with one video of a minute and its audio."""
    served.film(tmp_path / "footage", ID, served.render(files, "h264.mp4"), served.render(files, "aac.m4a"))
    return tmp_path / "footage"


def _log(out: Path) -> str:
    return "".join(path.read_text() for path in (out / "_videos_raw").glob("*_log.txt"))


def _partial(out: Path) -> list[str]:
    return sorted(
        path.name.removeprefix(f"{ID}.").removesuffix(".part")
        for path in (out / "_videos_raw").iterdir()
        if path.name.endswith(".part")
    )


async def test_a_later_run_downloads_only_what_is_missing(footage: Path, tmp_path: Path) -> None:
    """Segments that then touch are joined in one file; other settings need no network at all."""
    out = tmp_path / "clips"
    first, both = _rows([(33.3, 36.1)]), _rows([(33.3, 36.1), (42.5, 45.0), (8.0, 9.0)])
    async with demo.stand_in(footage) as site:
        await _run(out, site, "sections", first)
        assert _partial(out) == ["5-8.mp4"]
        before = len(await site.requests())
        await _run(out, site, "sections", first, recut=True, size=64)
        assert len(await site.requests()) == before
        sent = _sent(await site.requests())
        await _run(out, site, "sections", both, recut=True)
        assert _partial(out) == ["0-3.mp4", "5-10.mp4"]
        now = _sent(await site.requests()) - sent
        whole = (footage / ID / "h264.mp4").stat().st_size
        assert 4 / 12 * whole < now < 6.5 / 12 * whole
        await _run(tmp_path / "whole", site, "whole", both)
    assert _clips(out) == _clips(tmp_path / "whole")


async def test_partial_files_are_never_used_as_whole_ones(footage: Path, tmp_path: Path) -> None:
    """Neither by a run of whole videos, nor as the user's own, nor by a check."""
    out, other = tmp_path / "clips", tmp_path / "other"
    async with demo.stand_in(footage) as site:
        await _run(out, site, "sections", _rows([(33.3, 36.1)]))
        assert not (await hdtf_async.check(out)).found
        await _run(other, site, "whole", _rows([(10, 12)]), raw_dirs=(out / "_videos_raw",))
        assert (other / "_videos_raw" / f"{ID}.mp4").exists()
        await _run(out, site, "whole", _rows([(33.3, 36.1), (10, 12)]))
        # The whole file has replaced the parts, and is used by everything that follows.
        assert _partial(out) == []
        before = len(await site.requests())
        await _run(out, site, "sections", _rows([(33.3, 36.1), (10, 12), (50, 52)]))
        assert len(await site.requests()) == before
    assert len(_clips(out)) == 3


async def test_a_changed_journal_or_file_leads_to_another_download(footage: Path, tmp_path: Path) -> None:
    """A record without its fields is ignored, and so is a file that is damaged inside."""
    out, rows = tmp_path / "clips", _rows([(33.3, 36.1)])
    async with demo.stand_in(footage) as site:
        await _run(out, site, "sections", rows)
        clips, journal = _clips(out), out / "_journal.jsonl"
        text = journal.read_text()
        journal.write_text(text.replace('"covers"', '"covered"'))
        await _run(out, site, "sections", rows, recut=True, size=64)
        journal.write_text(text)
        part = out / "_videos_raw" / f"{ID}.5-8.mp4.part"
        content = part.read_bytes()
        part.write_bytes(content[:5000] + bytes(len(content) - 5000))
        report = await _run(out, site, "sections", rows, recut=True, first=1.0)
        assert report.exit_code is ExitCode.DONE
        await _run(out, site, "sections", rows, recut=True)
    assert _clips(out) == clips


async def test_partial_files_are_deleted_if_source_videos_are_not_kept(footage: Path, tmp_path: Path) -> None:
    """As whole ones are."""
    async with demo.stand_in(footage) as site:
        report = await _run(tmp_path / "clips", site, "sections", audio="aac", keep_raw=False)
    assert len(report.done) == len(INTERVALS)
    assert _partial(tmp_path / "clips") == []


async def test_auto_downloads_the_whole_file_if_sections_save_too_little(
    footage: Path, tmp_path: Path
) -> None:
    """Decided by the duration, before any request; otherwise by the bytes in the index."""
    async with demo.stand_in(footage) as site:
        await _run(tmp_path / "much", site, "auto", _rows([(2, 20), (30, 50)]))
        assert not any("range=" in each["path"] for each in await site.requests())
        await _run(tmp_path / "little", site, "auto", _rows([(33.3, 36.1)]))
    assert _partial(tmp_path / "much") == []
    assert _partial(tmp_path / "little") == ["5-8.mp4"]


WHOLE = {
    "a server without ranges": ("h264.mp4", Answer(ignores_ranges=True), "byte range was not answered"),
    "no index": ("plain.mp4", Answer(), "no index"),
    "frames at varying distances": ("varying.mp4", Answer(), "not evenly spaced"),
    "open GOPs": ("open.mp4", Answer(), "open GOP|another"),
    "noise instead of the index": (
        "h264.mp4",
        Answer(media=(Fault(1, after=0, then=Then.NOISE),)),
        "does not begin like an MP4|longer than",
    ),
    "noise instead of segments": (
        "h264.mp4",
        Answer(media=(Fault(1), Fault(1, after=0, then=Then.NOISE))),
        "the whole file is downloaded",
    ),
}


@pytest.mark.parametrize("name", WHOLE)
async def test_the_whole_file_is_downloaded_if_anything_is_unexpected(
    files: Path, tmp_path: Path, name: str
) -> None:
    """With the reason in the log, in the same attempt, and with the same clips as without sections."""
    video, answer, why = WHOLE[name]
    served.film(tmp_path / "footage", ID, served.render(files, video))
    rows = _rows([(33.3, 36.1), (10.2, 12.0)])
    async with demo.stand_in(tmp_path / "footage", {ID: answer}) as site:
        report = await _run(tmp_path / "sections", site, "sections", rows)
        assert report.exit_code is ExitCode.DONE
    async with demo.stand_in(tmp_path / "footage") as site:
        await _run(tmp_path / "whole", site, "whole", rows)
    assert re.search(f"the whole file is downloaded: .*({why})", _log(tmp_path / "sections")) or (
        why in _log(tmp_path / "sections")
    )
    assert _partial(tmp_path / "sections") == []
    assert _clips(tmp_path / "sections") == _clips(tmp_path / "whole")


PASSING = {
    "403 in the middle": Answer(media=(Fault(1), Fault(1, status=HTTPStatus.FORBIDDEN))),
    "403 for every range": Answer(media=(Fault(2), Fault(3, status=HTTPStatus.FORBIDDEN))),
    "503 three times": Answer(media=(Fault(1), Fault(3, status=HTTPStatus.SERVICE_UNAVAILABLE))),
    "a connection that is closed in a segment": Answer(media=(Fault(1), Fault(1, after=9000))),
    "a connection that is reset in a segment": Answer(
        media=(Fault(1), Fault(1, after=9000, then=Then.RESET))
    ),
}


_LONG = {"403 for every range", "503 three times", "a connection that is reset in a segment"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in _LONG)) for name in PASSING]
)
async def test_a_temporary_failure_does_not_prevent_the_clips(
    footage: Path, tmp_path: Path, name: str
) -> None:
    """yt-dlp repeats a request, or another attempt begins with new URLs."""
    rows = _rows([(33.3, 36.1), (10.2, 12.0)])
    async with demo.stand_in(footage, {ID: PASSING[name]}) as site:
        report = await _run(tmp_path / "sections", site, "sections", rows)
    assert report.exit_code is ExitCode.DONE, report
    async with demo.stand_in(footage) as site:
        await _run(tmp_path / "whole", site, "whole", rows)
    assert _clips(tmp_path / "sections") == _clips(tmp_path / "whole")


async def test_audio_and_video_of_sections_are_in_sync(files: Path, tmp_path: Path) -> None:
    """Each beep comes within a frame of its flash, in three clips from different segments."""
    video, sound = served.render(files, "flash.mp4"), served.render(files, "beep.m4a")
    served.film(tmp_path / "footage", ID, video, sound)
    # Without an edit list, B-frames delay the video of the whole film.
    late = read_index(video.read_bytes(), "mp4", video.stat().st_size).seconds(0)
    out = tmp_path / "clips"
    async with demo.stand_in(tmp_path / "footage") as site:
        report = await _run(
            out, site, "sections", _rows([(6.253, 9.85), (27.957, 31.55), (51.05, 54.65)]), audio="both"
        )
    assert report.exit_code is ExitCode.DONE
    assert _partial(out) == ["0-3.m4a", "0-3.mp4", "4-7.m4a", "4-7.mp4", "9-12.m4a", "9-12.mp4"]
    for line in _clips(out):
        seen = flashes(out / line["file_name"])
        assert len(seen) >= 4
        for beeps in (beeps_inside(out / line["file_name"]), beeps_beside(out / line["wav"])):
            assert len(beeps) == len(seen)
            differences = [beep - flash + late for beep, flash in zip(beeps, seen, strict=True)]
            assert all(abs(each) < 1 / 29.97 for each in differences), differences


async def test_sections_are_downloaded_with_signatures_and_challenges(footage: Path, tmp_path: Path) -> None:
    """From URLs that the full mock verifies, behind its proxy."""
    async with demo.full_mock(footage) as mock:
        options = Options(
            fetch="sections",
            pace=0,
            proxy=mock.proxy,
            yt_dlp_args=tuple(shlex.split(mock.yt_dlp_args)),
            **EVERYTHING,
        )
        with exported(mock.environment):
            report = await hdtf_async.download(tmp_path / "clips", options, clips=_rows([(33.3, 36.1)]))
        requests = await mock.requests()
    assert report.exit_code is ExitCode.DONE
    assert _partial(tmp_path / "clips") == ["5-8.mp4"]
    media = [each for each in requests if "&range=" in each["path"]]
    assert len(media) == 2
    assert not any(each["refused"] for each in media)
