"""One place defines where the program is installed from; messages and docs agree with it."""

from __future__ import annotations

import re
import tomllib

import readme

from hdtf_async.core import install

PROJECT = tomllib.loads((readme.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OWN_INSTALL = re.compile(
    r"pip install (?:-\S+ (?:constraints\.txt )?)*'?((?:\.|hdtf[-_]async)(?:\[[^\]]*\])?)(?![\w./])"
)
"""A command that installs this program, in any spelling."""
FOLDERS = ("hdtf_async", "docs", "examples", "benchmarks", ".github", "tests/support")


def _texts() -> dict[str, str]:
    """Return every file that users or contributors read, by its path."""
    files = [path for path in readme.ROOT.iterdir() if path.suffix in {".md", ".txt", ".cff"}]
    for folder in FOLDERS:
        files += [path for path in (readme.ROOT / folder).rglob("*") if path.suffix not in {".mp4", ".m4a"}]
    found = {}
    for path in files:
        if path.is_file() and path.suffix in {".py", ".md", ".yml", ".yaml", ".txt", ".cff", ".sh", ""}:
            found[path.relative_to(readme.ROOT).as_posix()] = path.read_text("utf-8")
    return found


def test_every_install_command_has_the_one_source() -> None:
    """No file names an index on which the program is not published, or an extra that does not exist."""
    extras = PROJECT["optional-dependencies"].keys()
    seen = 0
    for name, text in _texts().items():
        for what in OWN_INSTALL.findall(" ".join(text.split())):
            source, _, names = what.partition("[")
            assert source == install.SOURCE, f"{name}: {what}"
            assert {each for each in names.removesuffix("]").split(",") if each} <= extras, f"{name}: {what}"
            seen += 1
    assert seen >= 8, "the install commands were not found"


def test_messages_take_their_install_command_from_the_one_place() -> None:
    """No module of the program but `core.install` spells out a command of pip."""
    spelled = [
        name for name, text in _texts().items() if name.startswith("hdtf_async/") and "pip install" in text
    ]
    assert spelled == ["hdtf_async/core/install.py"]
    assert install.install_extra("dask") == f"pip install '{install.SOURCE}[dask]'{install.WHERE}"
