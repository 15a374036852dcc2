"""The exactness benchmark works: correct clips pass, and each kind of difference is detected."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import readme
from shapes import Shape
from sources import SOURCES, Source

from hdtf_async.core.failures import Reason
from hdtf_async.media.probe import Prober

sys.path.insert(0, str(readme.README.parent))

from benchmarks import exactness

if TYPE_CHECKING:
    from pathlib import Path

NAME = "nothing new until the last moment"
REFUSED = "a time line from 7.3 s on, before it"


async def wrong_rows(directory: Path, **chosen: Source) -> int:
    """Return the number of wrong rows of the table."""
    async with Prober() as prober:
        return await exactness.unusual(prober, directory, chosen)


def misdescribed(directory: Path, **changed: object) -> Source:
    """Return a source video whose description differs from its content."""
    shape = SOURCES[NAME].draw(directory)
    return replace(SOURCES[NAME], draw=lambda _directory: replace(shape, **changed))  # type: ignore[arg-type]


@pytest.mark.slow
async def test_correct_clips_and_refusals_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a row for each frame rate."""
    monkeypatch.setattr(exactness, "RATES", (None, 12))
    chosen = {name: SOURCES[name] for name in (NAME, REFUSED, "an empty file", "HLG")}
    assert await wrong_rows(tmp_path, **chosen) == 0
    rows = [
        row for row in capsys.readouterr().out.splitlines() if any(row.startswith(name) for name in chosen)
    ]
    assert len(rows) == 2 * len(chosen)


@pytest.mark.slow
async def test_each_difference_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other frames, box, colours or refusal, audio out of sync, a clip instead of a refusal."""
    monkeypatch.setattr(exactness, "RATES", (25,))
    right = misdescribed(tmp_path)
    left, top, right_edge, bottom = Shape(tmp_path).edges
    moved = left + 2, top, right_edge + 2, bottom
    wrong = {
        "frames": misdescribed(tmp_path, begins=0.04),
        "box": misdescribed(tmp_path, outline=moved),
        "audio": misdescribed(tmp_path, later=0.1),
        "colours": replace(right, levels=(16, 235, 128, 128)),
        "refusal": replace(SOURCES[REFUSED], words="the video ends"),
        "reason": replace(SOURCES[REFUSED], refused=Reason.UNSUPPORTED_SOURCE),
        "clip": replace(right, refused=Reason.INTERVAL_OUTSIDE),
        "record": replace(right, metadata={"audio_stream": 1}),
    }
    assert await wrong_rows(tmp_path, right=right, **wrong) == len(wrong)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_all_source_videos_give_the_expected_clip_or_reason(tmp_path: Path) -> None:
    """The whole table."""
    async with Prober() as prober:
        assert await exactness.unusual(prober, tmp_path) == 0
