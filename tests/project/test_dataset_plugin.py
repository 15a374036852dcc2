"""The example package with a dataset, installed as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import readme

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = readme.ROOT / "examples" / "dataset_plugin"
LIST = """\
# id, first frame, end, box, lecturer
CPCoMyuBRM0 250 500 400 100 480 480 Noether
uBWJJvynXpA 0 100 400 100 480 wide Euler
uBWJJvynXpA 100 50 400 100 480 480 Euler
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package into a directory, without its dependency, which is the program under test."""
    target = tmp_path_factory.mktemp("plugin") / "site"
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index",
            "--disable-pip-version-check", "--target", target, PACKAGE,
        ],
        check=True, timeout=600,
    )  # fmt: skip
    return target


def run(installed: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program in an environment that has the package."""
    return subprocess.run(
        [sys.executable, "-m", "hdtf_async", *map(str, arguments)],
        cwd=installed, env={**os.environ, "PYTHONPATH": f"{installed}"}, check=False, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_an_installed_package_adds_its_dataset(installed: Path) -> None:
    """It is listed with the others."""
    listed = [json.loads(line) for line in run(installed, "datasets", "--json").stdout.splitlines()]
    (own,) = (dataset for dataset in listed if dataset["name"] == "lectures")
    assert (own["title"], own["licence"], own["clips"]) == ("Lectures", "CC0", None)
    assert len(listed) > 9


@pytest.mark.slow
def test_its_list_is_read_like_any_other(installed: Path, tmp_path: Path) -> None:
    """Its rows become clips, with findings for those that cannot."""
    source = tmp_path / "lectures.txt"
    source.write_text(LIST)
    shown = run(installed, "plan", "--dataset", "lectures", "--source", source, "--json")
    assert shown.returncode == 0, shown.stderr
    plan = json.loads(shown.stdout)
    assert (plan["clips"], plan["videos"]) == (1, 1)
    found = [(finding["file"], finding["line"], finding["code"]) for finding in plan["findings"]]
    assert found == [("lectures.txt", 3, "bad_box"), ("lectures.txt", 4, "bad_end")]


@pytest.mark.slow
def test_a_dataset_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    """The message has the entry point and the error."""
    about = tmp_path / "broken-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[hdtf_async.datasets]\nbroken = nowhere:DATASET\n")
    failed = run(tmp_path, "plan", "--dataset", "broken")
    assert failed.returncode == 2
    assert "--dataset broken: cannot load nowhere:DATASET: ModuleNotFoundError" in failed.stderr
