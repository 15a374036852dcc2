"""What a run's events come to in its result."""

from __future__ import annotations

from hdtf_async.core.events import RawReady
from hdtf_async.report.result import Report


async def test_only_videos_from_youtube_are_counted_as_downloaded() -> None:
    """Those that were kept from before, and the user's own, took no bandwidth."""
    report = Report()
    for number, origin in enumerate(("kept", "youtube", "user", "youtube")):
        report.add(RawReady(f"RD_V{number}", origin, 10**number, 1.0))
    assert report.raw_bytes == 10 + 1000
