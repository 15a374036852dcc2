"""Whatever is unexpected when sections are downloaded, the clips are those of the whole file."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
import section_runs
from section_runs import APART, ID, clips_of, log_of, parts_of, rows

from hdtf_async import demo
from hdtf_async.demo import Answer, Fault, Then

if TYPE_CHECKING:
    from pathlib import Path

    from section_runs import Films

pytestmark = pytest.mark.slow

WHOLE = {
    "a server without ranges": ("h264.mp4", Answer(ignores_ranges=True), "byte range was not answered"),
    "answers that end early": ("h264.mp4", Answer(longest_range=100_000), "byte range was not answered"),
    "no index": ("plain.mp4", Answer(), "no index"),
    "an index with wrong offsets": ("shifted.mp4", Answer(), "segment 1 is not where the index says"),
    "an index with wrong offsets, WebM": (
        "shifted.webm",
        Answer(),
        "the first segment does not follow the index|segment 1 is not where the index says",
    ),
    "an index with wrong times": ("later.mp4", Answer(), "video starts at .* s, its index says"),
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
        "segment . is not where the index says",
    ),
}


@pytest.mark.parametrize("name", WHOLE)
async def test_the_whole_file_is_downloaded_if_anything_is_unexpected(
    films: Films, tmp_path: Path, name: str
) -> None:
    """With the reason in the log, in the same attempt, and with the same clips as without sections."""
    video, answer, why = WHOLE[name]
    whole, out = await films.whole(video, intervals=APART), tmp_path / "clips"
    async with demo.stand_in(films.offered(tmp_path, video), {ID: answer}) as site:
        report = await section_runs.run(out, site, "sections", rows(APART))
        sent = section_runs.sent(await site.requests())
    found = clips_of(out)
    assert len(found) == len(APART)
    assert found == {name: whole[name] for name in found}
    assert re.search(f"the whole file is downloaded: .*({why})", log_of(out)), log_of(out)
    assert log_of(out).count("attempt") == 1
    assert parts_of(out) == []
    assert films.path(video).stat().st_size <= report.raw_bytes <= sent


PASSING = {
    "403 in the middle": Answer(media=(Fault(1), Fault(1, status=HTTPStatus.FORBIDDEN))),
    "403 for every range": Answer(media=(Fault(2), Fault(3, status=HTTPStatus.FORBIDDEN))),
    "503 three times": Answer(media=(Fault(1), Fault(3, status=HTTPStatus.SERVICE_UNAVAILABLE))),
    "a connection that is closed in a segment": Answer(media=(Fault(1), Fault(1, after=9000))),
    "a connection that is reset in a segment": Answer(
        media=(Fault(1), Fault(1, after=9000, then=Then.RESET))
    ),
    "a connection that stalls in a segment": Answer(
        media=(Fault(1), Fault(1, after=400_000, then=Then.STALL))
    ),
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
    async with demo.stand_in(films.offered(tmp_path, "h264.mp4"), {ID: PASSING[name]}) as site:
        report = await section_runs.run(out, site, "sections", rows(APART), stall_timeout=3)
        sent = section_runs.sent(await site.requests())
    found = clips_of(out)
    assert found == {name: whole[name] for name in found}
    assert len(found) == len(APART)
    assert parts_of(out) == ["1-3.mp4", "5-8.mp4"]
    # Besides the segments: an index for each of two attempts, and up to one segment twice.
    size = sum(path.stat().st_size for path in (out / "_videos_raw").glob("*.part"))
    assert size < report.raw_bytes < size + 2 * 65536 + 180_000
    assert report.raw_bytes <= sent
