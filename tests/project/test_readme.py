"""What the README shows and claims is true: pictures, badges, citation, figures."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import readme
import yaml

if TYPE_CHECKING:
    from pathlib import Path

TEXT = readme.README.read_text("utf-8")
PROJECT = tomllib.loads((readme.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PICTURES = readme.ROOT / ".github" / "pictures.py"
LARGEST = 400_000
"""Bytes of the largest picture: the page must open quickly."""


@pytest.fixture(scope="module")
def pictures() -> Any:
    """The script that makes the pictures, as a module."""
    spec = importlib.util.spec_from_file_location("pictures", PICTURES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pictures"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _texts(svg: str) -> list[str]:
    nodes = ET.fromstring(svg).iter()  # noqa: S314 - our own file
    return ["".join(node.itertext()) for node in nodes if node.tag.endswith("text")]


def test_every_picture_exists_has_a_description_and_is_small() -> None:
    """Also for a screen reader, and on a slow connection."""
    shown = re.findall(r"!\[([^\]]*)\]\((?!https:)([^)]+)\)", TEXT)
    assert len(shown) >= 2
    for description, path in shown:
        assert len(description) > 20, path
        assert (readme.ROOT / path).stat().st_size < LARGEST, path


def test_the_recording_shows_a_demo_that_made_all_clips(pictures: Any) -> None:
    """Text only, no script; its first command is the one of the quick start, without the environment."""
    svg = (readme.ROOT / ".github" / "demo.svg").read_text("utf-8")
    rows = _texts(svg)
    assert f"$ {pictures.COMMANDS[0]}".replace(" ", "") in {row.replace(" ", "") for row in rows}
    assert pictures.COMMANDS[0] in readme.command("demo").replace(".venv/bin/", "")
    assert any(row.startswith("10 clips written") for row in rows)
    assert "<script" not in svg
    assert "http://" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_a_recording_has_each_state_of_the_screen_at_its_time(pictures: Any, tmp_path: Path) -> None:
    """A bar that is drawn over itself gives one row per state; colours are kept; the last state remains."""
    draw = "import time; print('\\x1b[31mone\\x1b[0m', end='', flush=True); time.sleep(0.6); print('\\rtwo')"
    (tmp_path / "draw.py").write_text(draw)
    states = pictures.record(("python draw.py",), tmp_path)
    second = [state.rows[1][0] for state in states if state.rows[1]]
    assert second[0] == ("one", "red", False)
    assert second[-1] == ("two", "default", False)
    assert [state.seconds for state in states] == sorted(state.seconds for state in states)
    svg = pictures.svg_of(states, 2.0)
    assert {"one", "two"} <= set(_texts(svg))
    assert 'class="red"' in svg


def test_a_command_that_fails_makes_no_recording(pictures: Any, tmp_path: Path) -> None:
    """The README never shows an error as a success."""
    with pytest.raises(SystemExit, match="exit code 3"):
        pictures.record(("exit 3",), tmp_path)


def test_badges_are_true() -> None:
    """They state what pyproject.toml and constraints.txt state."""
    badges = " ".join(re.findall(r"img\.shields\.io/badge/([^)]+)\)", TEXT))
    assert f"%E2%89%A5%20{PROJECT['requires-python'].removeprefix('>=')}-" in badges
    (tested,) = re.findall(r"(?m)^yt-dlp==(.*)", (readme.ROOT / "constraints.txt").read_text("utf-8"))
    assert f"tested%20with%20yt--dlp-{tested}-" in badges
    assert PROJECT["license"] == "MIT AND CC-BY-4.0"
    assert "MIT%3B%20tables%20CC%20BY%204.0" in badges
    assert len(re.findall(r"img\.shields\.io", TEXT)) == 3


def test_the_citation_is_that_of_the_citation_file() -> None:
    """Title, authors, year and pages."""
    paper = yaml.safe_load((readme.ROOT / "CITATION.cff").read_text("utf-8"))["preferred-citation"]
    (entry,) = re.findall(r"```bibtex\n(.*?)```", TEXT, re.DOTALL)
    fields = dict(re.findall(r"(\w+)\s*= \{(.*)\}", entry))
    authors = " and ".join(f"{each['family-names']}, {each['given-names']}" for each in paper["authors"])
    assert fields["title"] == paper["title"]
    assert fields["author"] == authors
    assert fields["booktitle"] == paper["collection-title"]
    assert (fields["year"], fields["pages"]) == (str(paper["year"]), f"{paper['start']}--{paper['end']}")


def test_figures_of_the_comparison_are_those_of_the_benchmark() -> None:
    """Seconds against the script, as docs/speed.md has them, rounded."""
    speed = (readme.DOCS / "speed.md").read_text("utf-8")
    ((ours, script),) = re.findall(r"\| seconds \| ([\d.]+) \| ([\d.]+) \|", speed)
    assert f"| {float(ours):.0f} s | {float(script):.0f} s |" in TEXT
