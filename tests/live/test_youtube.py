"""Tests against the live YouTube. Skipped unless HDTF_LIVE=1 is set: see CONTRIBUTING.md.

``tests/support/live_report.py`` sends the requests. A report is written whatever fails.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from live_report import AVAILABLE, SWITCH, Session, Settings, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

if os.environ.get(SWITCH) != "1":
    pytest.skip(f"asks the live YouTube, where {SWITCH}=1 is set", allow_module_level=True)

SETTINGS = Settings.read(os.environ)

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """Collect all requests of this module and write the report at the end."""
    session = Session(SETTINGS)
    yield session
    session.write()


async def test_two_videos_are_available_and_both_ends_of_a_file_can_be_downloaded(session: Session) -> None:
    """At the smallest height: 64 KiB from each end with status 206, and the promised size."""
    rows = await session.two_videos()
    available = [row for row in rows if row["reason"] == AVAILABLE]
    assert len(available) == 2, rows
    for row in available:
        assert row["complete"], "no H.264 or VP9 format over https has size and expiry"
        assert "reason" not in row["ends"], row["ends"]
        for end in (row["ends"]["first"], row["ends"]["last"]):
            assert end["statuses"][-1] == 206
            assert end["total_bytes"] == row["ends"]["format"]["size"]
            assert end["runtimes"] in ([], None), "the second yt-dlp solves no challenge"


async def test_the_answers_have_the_fields_that_the_program_reads(session: Session) -> None:
    """With the same types as in the mock's answers."""
    assert session.found, "no video was available"
    assert missing(session.write()) == []


async def test_all_clients_give_addresses(session: Session) -> None:
    """So that another client's address can be used where the media of the first are forbidden."""
    assert (await session.all_addresses())["clients"]


async def test_a_whole_file_has_the_same_frames_over_https_and_hls(session: Session) -> None:
    """A file of more than 10 MiB, which takes a second request."""
    result = await session.whole_file()
    assert result["https"]["bytes"] == result["https"]["format"]["size"]
    assert result["https"]["statuses"].count(206) >= 2
    assert result["frames_https"] > 0
    assert result["frames_equal"], result


@pytest.mark.parametrize(
    ("kind", "youtube_id", "reasons"),
    [
        ("deleted", SETTINGS.deleted, {"removed", "terminated", "copyright"}),
        ("private", SETTINGS.private, {"private"}),
        ("age", SETTINGS.age, {"age"}),
    ],
)
async def test_an_unavailable_video_is_classified(
    session: Session, kind: str, youtube_id: str, reasons: set[str]
) -> None:
    """Neither ``unknown`` nor a bare ``unavailable``."""
    assert await session.classified(kind, youtube_id) in reasons, session.report["classified"][kind]


@pytest.mark.skipif(not SETTINGS.stretched, reason="asks for every video: HDTF_LIVE_STRETCH=1")
@pytest.mark.timeout(24 * 3600)
async def test_videos_with_a_stretched_aspect_ratio_are_counted(session: Session) -> None:
    """The keyword ``yt:stretch``; the report lists them by id."""
    result = await session.stretched()
    assert sum(result["reasons"].values()) == result["videos"]
