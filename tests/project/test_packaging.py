"""The wheel, the source archive and their metadata, and that they work on another machine."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from typing import TYPE_CHECKING

import pytest
import readme
import yaml

from hdtf_async import demo
from hdtf_async.core.name_lists import PUBLISHED
from hdtf_async.dataset import tables

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = tomllib.loads((readme.ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def run(*arguments: str | Path, where: Path, **environ: str) -> str:
    """Run a program to its end and return its output."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=where, check=False, capture_output=True, text=True, timeout=900, env={**os.environ, **environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_citation_is_complete_and_of_this_version() -> None:
    """It has the required fields, and the paper is the one that the tables name."""
    cited = yaml.safe_load((readme.ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license"} <= cited.keys()
    assert cited["version"] == PROJECT["version"]
    paper = cited["preferred-citation"]
    about = (readme.ROOT / "HDTF_dataset" / "README.md").read_text("utf-8")
    assert all(author["family-names"] in about for author in paper["authors"])
    assert (f"{paper['start']} to {paper['end']}") in about
    assert paper["title"].lower() in about.lower().replace("\n", " ")


def test_the_changelog_has_an_entry_of_this_version() -> None:
    """Its newest entry is the version of pyproject.toml."""
    changelog = (readme.ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"\n## {PROJECT['version']}" in changelog


def checkout(where: Path) -> Path:
    """Copy the files under version control, as a clone would have them."""
    names = run("git", "ls-files", "-z", where=readme.ROOT).split("\0")
    copy = where / "clone"
    for name in filter(None, names):
        if (readme.ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(readme.ROOT / name, copy / name)
    return copy


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_wheel_and_archive_are_complete_and_the_wheel_runs_the_demo(
    tmp_path: Path,
) -> None:
    """Installed into an empty environment and started in an empty directory, it makes the ten clips."""
    clone = checkout(tmp_path)
    run(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", where=clone)
    (wheel,), (archive,) = (tmp_path / "dist").glob("*.whl"), (tmp_path / "dist").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        fields = email.message_from_bytes(packed.read(metadata))
        assert (
            "hdtf-async = hdtf_async.cli.main:entry"
            in packed.read(metadata.replace("METADATA", "entry_points.txt")).decode()
        )
    assert "hdtf_async/py.typed" in names
    films = {path.relative_to(demo.FOOTAGE).as_posix() for path in demo.FOOTAGE.glob("*/*")}
    assert {f"hdtf_async/demo/footage/{name}" for name in films} <= set(names)
    assert {f"hdtf_async/HDTF_dataset/{table.name}" for table in tables.shipped().iterdir()} <= set(names)
    lists = {path.relative_to(PUBLISHED).as_posix() for path in PUBLISHED.glob("*/*")}
    assert {f"hdtf_async/core/lists/{name}" for name in lists} <= set(names)
    assert not [name for name in names if not name.startswith(("hdtf_async/", "hdtf_async-"))]
    assert (fields["Name"], fields["Version"]) == ("hdtf-async", PROJECT["version"])
    assert fields["License-Expression"] == PROJECT["license"]
    assert {"LICENSE", "HDTF_dataset/README.md"} == set(fields.get_all("License-File", []))
    assert fields["Requires-Python"] == ">=3.11"
    assert fields.get_all("Project-URL")
    with tarfile.open(archive) as packed_sources:
        inside = {name.partition("/")[2] for name in packed_sources.getnames()}
    assert {
        "README.md",
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE",
        "pyproject.toml",
        "docs/dataset.md",
    } <= inside
    assert {
        "tests/conftest.py",
        "tests/support/rendering/artwork/host.svg",
        "examples/plain.py",
        "constraints.txt",
    } <= inside

    empty = tmp_path / "empty"
    empty.mkdir()
    run(sys.executable, "-m", "venv", tmp_path / "venv", where=empty)
    own = tmp_path / "venv" / "bin"
    run(own / "pip", "install", "-q", wheel, where=empty)
    variables = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ""}
    shown = run(own / "hdtf-async", "demo", "--out", "clips", where=empty, **variables)
    assert shown.startswith("10 clips written")
    assert "421 clips" in run(own / "python", "-m", "hdtf_async", "plan", where=empty, **variables)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_first_command_of_the_readme_works(tmp_path: Path) -> None:
    """In a clone, on a machine with only Python."""
    clone = checkout(tmp_path)
    shown = run("/bin/bash", "-euc", readme.command("demo"), where=clone)
    assert "10 clips written" in shown
    assert (clone / "demo" / "metadata.jsonl").exists()
