"""Fixtures of the unit tests about media."""

from __future__ import annotations

from typing import TYPE_CHECKING

import media
import pytest
from shared import made_once

from hdtf_async.media.probe import Prober

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(scope="module")
async def prober() -> AsyncIterator[Prober]:
    """One probing child process for all tests of a module, as a run has one."""
    async with Prober() as prober:
        yield prober


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the source videos of `media`; all tests share it, none may change it."""
    return made_once(tmp_path_factory, "media", media.render)
