"""Values and helpers that tests of several packages share."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hdtf_async import Options, Report

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def exported(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables as a user's shell would."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@dataclass(frozen=True)
class Finished:
    """A finished demo directory: treat it as read-only, for all tests share it."""

    out: Path
    options: Options
    report: Report
    requests: int
    """Requests that the stand-in had answered when it was finished."""


VERSIONS = ["installed", pytest.param("newest", marks=[pytest.mark.newest, pytest.mark.timeout(600)])]
"""Values of the fixture `program`: the installed yt-dlp, which the constraints pin, and the newest.

The first test with the newest one waits for its installation."""


VERSIONS_SLOWLY = [pytest.param("installed", marks=pytest.mark.slow), VERSIONS[1]]
"""The same for a test that takes ten seconds."""


def children() -> list[str]:
    """Return the command lines of all living processes below this one."""
    below = {os.getpid()}
    found = []
    for _ in range(4):  # deeper trees than that we do not grow
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in below:
                continue
            try:
                state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if int(parent) in below and state != "Z":
                below.add(int(entry.name))
                found.append(words)
    return found
