"""Only the segments that clips need are downloaded, and the clips have the same bytes."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest
import section_runs
from audio_sync import beeps_beside, beeps_inside, flashes
from section_runs import INTERVALS, SETTINGS, clips_of, log_of, parts_of, rows
from shared import exported

import hdtf_async
from hdtf_async import ExitCode, Options, demo
from hdtf_async.demo import Answer
from hdtf_async.media.segment_index import read_index

if TYPE_CHECKING:
    from pathlib import Path

    from section_runs import Films

pytestmark = pytest.mark.slow


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
    films: Films, tmp_path: Path, video: str, sound: str, audio: str
) -> None:
    """Lossless clips and their WAV files, and all of their metadata; a part of the bytes is downloaded."""
    names = (video, sound) if audio != "none" else (video,)
    whole = await films.whole(*names, audio=audio)
    async with demo.light_mock(films.offered(tmp_path, video, sound)) as site:
        report = await section_runs.run(tmp_path / "clips", site, "sections", audio=audio)
        sent = section_runs.sent(await site.requests())
    found = clips_of(tmp_path / "clips")
    assert len(found) == len(INTERVALS)
    assert found == {name: whole[name] for name in found}
    size = sum(films.path(name).stat().st_size for name in names)
    assert 0.3 * size < sent < 0.75 * size
    assert report.raw_bytes == sent
    kept = {path.name for path in (tmp_path / "clips" / "_videos_raw").iterdir()}
    assert not any(name.endswith((".mp4", ".webm", ".m4a", ".weba")) for name in kept)


async def test_an_index_of_more_than_64_kib_is_read(films: Films, tmp_path: Path) -> None:
    """With a second request; here each frame is a segment."""
    whole = await films.whole("many.mp4")
    async with demo.light_mock(films.offered(tmp_path, "many.mp4")) as site:
        await section_runs.run(tmp_path / "clips", site, "sections", rows([(33.3, 36.1)]))
        requests = [each for each in await site.requests() if "&range=" in each["path"]]
    assert len(requests) == 3
    (name,) = found = clips_of(tmp_path / "clips")
    assert found == {name: whole[name]}
    assert len(parts_of(tmp_path / "clips")) == 1


async def test_audio_and_video_of_sections_are_in_sync(films: Films, tmp_path: Path) -> None:
    """Each beep comes within a frame of its flash, in three clips from different segments."""
    video, out = films.path("flash.mp4"), tmp_path / "clips"
    # Without an edit list, B-frames delay the video of the whole film.
    late = read_index(video.read_bytes(), "mp4", video.stat().st_size).seconds(0)
    three = rows([(6.253, 9.85), (27.957, 31.55), (51.05, 54.65)])
    async with demo.light_mock(films.offered(tmp_path, "flash.mp4", "beep.m4a")) as site:
        await section_runs.run(out, site, "sections", three, audio="both")
    assert parts_of(out) == ["0-3.m4a", "0-3.mp4", "4-7.m4a", "4-7.mp4", "9-12.m4a", "9-12.mp4"]
    for name, line in clips_of(out).items():
        seen = flashes(out / name)
        assert len(seen) >= 4
        for beeps in (beeps_inside(out / name), beeps_beside(out / line["wav"])):
            assert len(beeps) == len(seen)
            differences = [beep - flash + late for beep, flash in zip(beeps, seen, strict=True)]
            assert all(abs(each) < 1 / 29.97 for each in differences), differences


async def test_auto_downloads_the_whole_file_if_sections_save_too_little(
    films: Films, tmp_path: Path
) -> None:
    """Decided by the duration, before any request; otherwise by the bytes in the index. Lists have it."""
    async with demo.light_mock(films.offered(tmp_path, "h264.mp4")) as site:
        await section_runs.run(tmp_path / "much", site, None, rows([(2, 20), (30, 50)]))
        assert not any("range=" in each["path"] for each in await site.requests())
        await section_runs.run(tmp_path / "little", site, None, rows([(33.3, 36.1)]))
    assert parts_of(tmp_path / "much") == []
    assert parts_of(tmp_path / "little") == ["5-8.mp4"]


@pytest.mark.parametrize(
    ("answer", "attempts"),
    [
        (Answer(), 1),
        # The URL expires in a segment; the next attempt has another URL.
        pytest.param(Answer(bytes_per_address=450_000), 2, id="expiry"),
    ],
)
async def test_sections_are_downloaded_with_signatures_and_challenges(
    films: Films, tmp_path: Path, answer: Answer, attempts: int
) -> None:
    """From URLs that the full mock verifies, behind its proxy."""
    whole, out = await films.whole("h264.mp4"), tmp_path / "clips"
    async with demo.full_mock(films.offered(tmp_path, "h264.mp4"), {section_runs.ID: answer}) as mock:
        options = Options(
            fetch="sections",
            pace=0,
            retry_wait=0,
            proxy=mock.proxy,
            yt_dlp_args=tuple(shlex.split(mock.yt_dlp_args)),
            **SETTINGS,
        )
        with exported(mock.environment):
            report = await hdtf_async.download(out, options, clips=rows([(33.3, 36.1)]))
        requests = await mock.requests()
    assert report.exit_code is ExitCode.DONE
    assert parts_of(out) == ["5-8.mp4"]
    (name,) = found = clips_of(out)
    assert found == {name: whole[name]}
    assert _count(requests, "/watch") == attempts
    media = [each for each in requests if "&range=" in each["path"]]
    assert not any(each["refused"] for each in media)
    # What was on its way when the URL expired did not arrive.
    assert 0.8 < report.raw_bytes / sum(each["sent"] for each in media) <= 1
    assert (attempts > 1) == ("segments of an interrupted download are used again" in log_of(out))


def _count(requests: list[dict[str, Any]], path: str) -> int:
    return sum(each["path"].startswith(path) for each in requests)
