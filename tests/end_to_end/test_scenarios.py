"""Each scenario has its expected outcome, through the real yt-dlp and the real main job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import scenarios
from scenarios import SCENARIOS, Scenario, play
from shared import long_unless

from hdtf_async import Reason
from hdtf_async.demo import Answer
from hdtf_async.process import messages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOBODYS_FAULT = {
    *(Reason.DISK_FULL, Reason.NOT_WRITABLE, Reason.TOOL_MISSING, Reason.TOOL_FAILED, Reason.JAVASCRIPT),
    *(Reason.RESOURCE_LIMIT, Reason.DISK_ERROR),
}
"""Reasons that neither a server nor an option of yt-dlp can cause; other tests cover them."""
PARTS = 4
"""The common scenarios are divided into this number of parts, because a run of yt-dlp takes a second."""


@pytest.fixture(scope="module")
async def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render the film of all scenarios."""
    directory = tmp_path_factory.mktemp("scenarios")
    await scenarios.render(directory)
    return directory


async def unexpected(chosen: Sequence[Scenario], footage: Path, directory: Path) -> dict[str, list[str]]:
    """Run scenarios and return the unexpected outcomes by scenario name."""
    outcomes = await play(chosen, footage, directory)
    return {outcome.scenario.name: outcome.wrong for outcome in outcomes if outcome.wrong}


@pytest.mark.slow
@pytest.mark.parametrize("part", long_unless(range(PARTS), [0, 1]))
async def test_common_scenarios_have_their_expected_outcome(part: int, footage: Path, tmp_path: Path) -> None:
    """The basic ones: removed, not available here, other formats, broken on the way."""
    ordinary = [one for one in SCENARIOS if one.ordinary]
    assert await unexpected(ordinary[part::PARTS], footage, tmp_path) == {}


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_every_scenario_has_its_expected_outcome(footage: Path, tmp_path: Path) -> None:
    """Reason or format, number of tries, exit code, and repeated downloads."""
    assert await unexpected(SCENARIOS, footage, tmp_path) == {}


@pytest.mark.long
async def test_media_that_are_forbidden_for_several_videos_suggest_another_yt_dlp(
    footage: Path, tmp_path: Path
) -> None:
    """That is the reason after three such videos; the address of each was renewed before."""
    forbidden = Answer(media=(scenarios.status(403),))
    several = [Scenario(f"video {number}", forbidden, Reason.UPDATE_NEEDED) for number in range(4)]
    outcomes = await play(several, footage, tmp_path)
    assert [outcome.ends for outcome in outcomes] == [Reason.UPDATE_NEEDED] * 4
    assert [outcome.tries for outcome in outcomes] == [4] * 4


def test_every_reason_of_a_message_has_its_scenario() -> None:
    """A row of known messages without a scenario would be a guess."""
    tables = (messages.STATED, messages.SYSTEMIC, messages.CLIENT, messages.TRANSPORT, messages.REASONLESS)
    reasons = {reason for table in (*tables, messages.SYMPTOMS) for reason, _ in table}
    assert reasons - {scenario.ends for scenario in SCENARIOS} == NOBODYS_FAULT
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names))
