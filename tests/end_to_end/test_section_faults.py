"""Whatever is unexpected when sections are downloaded, the whole file is, with the same clips."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import section_runs
import served
from section_runs import APART, ID, clips_of, log_of, parts_of, rows
from shared import long_unless

from hdtf_async import ClipRow, demo
from hdtf_async.demo import Answer, Fault, Then

if TYPE_CHECKING:
    from pathlib import Path

    from section_runs import Films

pytestmark = pytest.mark.slow

WITH_RIGHT_INDEX = {"shifted.mp4": "h264.mp4", "later.mp4": "h264.mp4"}
"""Files that differ from others only in their index."""
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
_USUAL = {
    "a server without ranges",
    "an index with wrong offsets",
    "frames at varying distances",
    "noise instead of segments",
}


@pytest.mark.parametrize("name", long_unless(WHOLE, _USUAL))
async def test_the_whole_file_is_downloaded_if_anything_is_unexpected(
    films: Films, tmp_path: Path, name: str
) -> None:
    """With the reason in the log, in the same attempt, and with the same clips as without sections."""
    video, answer, why = WHOLE[name]
    whole, out = await films.whole(WITH_RIGHT_INDEX.get(video, video)), tmp_path / "clips"
    async with demo.light_mock(films.offered(tmp_path, video), {ID: answer}) as site:
        report = await section_runs.run(out, site, "sections", rows(APART))
        sent = section_runs.sent(await site.requests())
    found = clips_of(out)
    assert len(found) == len(APART)
    assert found == {name: whole[name] for name in found}
    assert re.search(f"the whole file is downloaded: .*({why})", log_of(out)), log_of(out)
    assert log_of(out).count("attempt") == 1
    assert parts_of(out) == []
    assert films.path(video).stat().st_size <= report.raw_bytes <= sent


async def test_ranges_are_not_tried_any_more_after_three_videos_in_a_row(
    films: Films, tmp_path: Path
) -> None:
    """If the server does not answer them: each video would cost a request, or an attempt."""
    ids = [f"sectionsFi{number}" for number in range(4)]
    for youtube_id in ids:
        served.film(tmp_path / "footage", youtube_id, films.path("h264.mp4"))
    clips = [ClipRow(youtube_id, 33.3, 33.8) for youtube_id in ids]
    answers = {youtube_id: Answer(ignores_ranges=True) for youtube_id in ids}
    async with demo.light_mock(tmp_path / "footage", answers) as site:
        report = await section_runs.run(tmp_path / "clips", site, None, clips, downloads=1)
        requests = await site.requests()
    assert len(report.done) == 4
    assert sum("&range=" in each["path"] for each in requests) == 3
    assert log_of(tmp_path / "clips").count("byte ranges were rejected for 3 videos") == 1
