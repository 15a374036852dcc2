"""Which ffmpeg is used without the package that has one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let the import of imageio-ffmpeg fail, and return the only directory on PATH."""
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_the_package_comes_before_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The result does not depend on what the machine has installed."""
    own = bundled_ffmpeg()
    _program(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bundled_ffmpeg() == own


def test_without_the_package_it_is_that_on_path(without_package: Path) -> None:
    """A smaller install uses the system's ffmpeg, without an option."""
    program = _program(without_package)
    assert bundled_ffmpeg() == program


@pytest.mark.usefixtures("without_package")
def test_without_any_the_reason_is_a_missing_tool() -> None:
    """The message says that there is no ffmpeg."""
    with pytest.raises(Failure, match="no ffmpeg") as raised:
        bundled_ffmpeg()
    assert raised.value.reason is Reason.TOOL_MISSING


def _program(directory: Path) -> Path:
    program = directory / "ffmpeg"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program
