"""YouTube refuses in the middle of a run: little is asked meanwhile, and another run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import refusing
import scenarios

from hdtf_async import ExitCode, demo
from hdtf_async.demo import Answer, Conditions, Refusal

if TYPE_CHECKING:
    from pathlib import Path

VIDEOS, AFTER = 40, 10


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_a_refusal_in_the_middle_of_forty_videos(tmp_path: Path) -> None:
    """Ten are made; then one video asks after each cool-down, and three of those end the run; twice so."""
    await scenarios.draw(tmp_path / "footage")
    answers = refusing.lay_out(tmp_path, tmp_path / "footage", VIDEOS, Answer())
    refusal = Conditions(refusal=Refusal(AFTER))
    async with demo.stand_in(tmp_path / "films", answers, refusal) as site:
        for made in (AFTER, 0):
            refused = await refusing.run(site, tmp_path, pace=0.5, cool_down=2)
            assert len(refused.report.done) == made
            assert refused.report.exit_code == ExitCode.REFUSED
            assert [each.after for each in refused.closed] == [2, 4, 8]
            # In the first, attempts that had begun may still be answered: by so many as run at a time.
            assert all(len(each.asked) == 1 for each in refused.closed[1:])
            assert refused.accounted["there"] == AFTER
            assert refused.accounted.total() == VIDEOS
            assert set(refused.accounted) == {"there", "refused", "not_tried"}
    async with demo.stand_in(tmp_path / "films", answers) as site:
        well = await refusing.run(site, tmp_path, pace=0, cool_down=2)
    assert well.report.exit_code == ExitCode.DONE
    assert len(well.report.done) == VIDEOS - AFTER
    assert not well.closed
