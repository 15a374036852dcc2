"""After failures and in later runs, what is missing of a partial video is downloaded, and nothing else."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio
import pytest
import section_runs
from section_runs import APART, ID, clips_of, downloaded, log_of, options_for, parts_of, rows
from shared import exported

import hdtf_async
from hdtf_async import demo
from hdtf_async.core.events import DownloadProgress
from hdtf_async.demo import Answer, Fault, Then

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from section_runs import Films

    from hdtf_async import ClipRow

pytestmark = pytest.mark.slow


@pytest.fixture
def footage(films: Films, tmp_path: Path) -> Path:
    """Return a directory with one video of a minute."""
    return films.offered(tmp_path, "h264.mp4")


async def test_a_later_run_downloads_only_what_is_missing(
    films: Films, footage: Path, tmp_path: Path
) -> None:
    """Segments that then touch are joined in one file; other settings need no network at all."""
    whole, out = await films.whole("h264.mp4"), tmp_path / "clips"
    first, both = rows([(33.3, 36.1)]), rows([(33.3, 36.1), (42.5, 45.0), (8.0, 9.0)])
    async with demo.light_mock(footage) as site:
        await section_runs.run(out, site, "sections", first)
        assert parts_of(out) == ["5-8.mp4"]
        before = len(await site.requests())
        await section_runs.run(out, site, "sections", first, recut=True, size=64)
        assert len(await site.requests()) == before
        sent = section_runs.sent(await site.requests())
        report = await section_runs.run(out, site, "sections", both, recut=True)
        now = section_runs.sent(await site.requests()) - sent
    assert parts_of(out) == ["0-3.mp4", "5-10.mp4"]
    size = films.path("h264.mp4").stat().st_size
    assert 4 / 12 * size < now < 6.5 / 12 * size
    assert report.raw_bytes == now
    assert clips_of(out) == {name: whole[name] for name in clips_of(out)}


async def test_partial_files_are_never_used_as_whole_ones(footage: Path, tmp_path: Path) -> None:
    """Neither by a run of whole videos, nor as the user's own, nor by a check."""
    out, other = tmp_path / "clips", tmp_path / "other"
    async with demo.light_mock(footage) as site:
        await section_runs.run(out, site, "sections", rows([(33.3, 36.1)]))
        assert not (await hdtf_async.check(out)).found
        await section_runs.run(other, site, "whole", rows([(10.2, 12)]), raw_dirs=(out / "_videos_raw",))
        assert (other / "_videos_raw" / f"{ID}.mp4").exists()
        await section_runs.run(out, site, "whole", rows([(33.3, 36.1), (10.2, 12)]))
        # The whole file has replaced the parts, and is used by everything that follows.
        assert parts_of(out) == []
        before = len(await site.requests())
        await section_runs.run(out, site, None, rows([(33.3, 36.1), (10.2, 12), (50, 52)]))
        assert len(await site.requests()) == before
    assert len(clips_of(out)) == 3


async def test_a_changed_journal_or_file_leads_to_another_download(
    films: Films, footage: Path, tmp_path: Path
) -> None:
    """A record without its fields is ignored, and so is a file that is damaged inside."""
    whole, out, one = await films.whole("h264.mp4"), tmp_path / "clips", rows([(33.3, 36.1)])
    async with demo.light_mock(footage) as site:
        await section_runs.run(out, site, "sections", one)
        journal = out / "_journal.jsonl"
        text = journal.read_text()
        journal.write_text(text.replace('"covers"', '"covered"'))
        assert await downloaded(out, site, "sections", one, recut=True, size=64) > 0
        journal.write_text(text)
        part = out / "_videos_raw" / f"{ID}.5-8.mp4.part"
        content = part.read_bytes()
        part.write_bytes(content[:5000] + bytes(len(content) - 5000))
        assert await downloaded(out, site, "sections", one, recut=True, size=66) > 0
        await section_runs.run(out, site, "sections", one, recut=True)
    (name,) = found = clips_of(out)
    assert found == {name: whole[name]}


async def test_partial_files_are_deleted_if_source_videos_are_not_kept(films: Films, tmp_path: Path) -> None:
    """As whole ones are."""
    async with demo.light_mock(films.offered(tmp_path, "h264.mp4", "aac.m4a")) as site:
        report = await section_runs.run(tmp_path / "clips", site, None, audio="aac", keep_raw=False)
    assert len(report.done) == len(section_runs.INTERVALS)
    assert parts_of(tmp_path / "clips") == []


async def _interrupted(out: Path, site: demo.LightMock, clips: Sequence[ClipRow], size: int) -> None:
    """Cancel a run after it has downloaded this many bytes of segments."""
    with anyio.CancelScope() as scope, exported(site.environment):
        async with hdtf_async.running(out, options_for(site, "sections"), clips=clips) as events:
            async for event in events:
                if isinstance(event, DownloadProgress) and event.bytes > max(size, 65536):
                    scope.cancel()
    assert scope.cancelled_caught


async def test_an_interrupted_download_goes_on_with_the_segments_that_are_missing(
    films: Films, footage: Path, tmp_path: Path
) -> None:
    """In the next run, which counts only what it downloads itself, and leaves nothing else behind."""
    whole, out = await films.whole("h264.mp4"), tmp_path / "clips"
    clips = rows([(10.2, 12.0), (33.3, 36.1)])
    async with demo.light_mock(footage, {ID: Answer(bandwidth=150_000)}) as site:
        await _interrupted(out, site, clips, 550_000)
        before = section_runs.sent(await site.requests())
        size = await downloaded(out, site, "sections", clips)
        now = section_runs.sent(await site.requests()) - before
    assert parts_of(out) == ["1-3.mp4", "5-8.mp4"]
    assert clips_of(out) == {name: whole[name] for name in clips_of(out)}
    assert len(clips_of(out)) == 2
    # Of five segments three have arrived, the third one in the second range.
    assert "3 segments of an interrupted download are used again" in log_of(out)
    assert size == now < 65536 + 2.1 * 175_000
    assert not list((out / "_videos_raw").glob(".*"))


STALLING = "a connection that stalls in a segment"
PASSING = {
    "403 in the middle": Answer(media=(Fault(1), Fault(1, status=HTTPStatus.FORBIDDEN))),
    "403 for every range": Answer(media=(Fault(2), Fault(3, status=HTTPStatus.FORBIDDEN))),
    "503 three times": Answer(media=(Fault(1), Fault(3, status=HTTPStatus.SERVICE_UNAVAILABLE))),
    "a connection that is closed in a segment": Answer(media=(Fault(1), Fault(1, after=9000))),
    "a connection that is reset in a segment": Answer(
        media=(Fault(1), Fault(1, after=9000, then=Then.RESET))
    ),
    STALLING: Answer(media=(Fault(1), Fault(1, after=400_000, then=Then.STALL))),
}
_LONG = {"503 three times", "a connection that is reset in a segment"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in _LONG)) for name in PASSING]
)
async def test_a_temporary_failure_does_not_prevent_the_clips(
    films: Films, tmp_path: Path, name: str
) -> None:
    """yt-dlp repeats a request, or another attempt downloads the segments that have not arrived."""
    whole, out = await films.whole("h264.mp4"), tmp_path / "clips"
    async with demo.light_mock(films.offered(tmp_path, "h264.mp4"), {ID: PASSING[name]}) as site:
        patience = {"stall_timeout": 12} if name == STALLING else {}
        report = await section_runs.run(out, site, "sections", rows(APART), **patience)
        sent = section_runs.sent(await site.requests())
    found = clips_of(out)
    assert found == {name: whole[name] for name in found}
    assert len(found) == len(APART)
    assert parts_of(out) == ["1-3.mp4", "5-8.mp4"]
    # Besides the segments: an index for each of two attempts, and up to one segment twice.
    size = sum(path.stat().st_size for path in (out / "_videos_raw").glob("*.part"))
    assert size < report.raw_bytes < size + 2 * 65536 + 180_000
    assert report.raw_bytes <= sent
