"""Commands that install this program and its extras."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from hdtf_async.core.install import install_extra

ROOT = Path(__file__).parents[3]


def test_an_extra_is_installed_from_a_clone_of_the_repository() -> None:
    """The command is complete, and the text says where to run it."""
    assert install_extra("store") == "pip install '.[store]' in a clone of the repository"


def test_each_extra_in_a_message_exists() -> None:
    """Otherwise pip would install the program without it."""
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "hdtf_async").rglob("*.py"))
    named = {*re.findall(r"install_extra\(['\"](\w+)['\"]\)", sources)}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert named
    assert named <= extras.keys()
