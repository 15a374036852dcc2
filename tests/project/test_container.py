"""The container image and the Kubernetes manifest, as far as they can be checked without an engine."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import readme
import yaml

from hdtf_async.cli import main, signals
from hdtf_async.dataset import tables

EXAMPLES = readme.ROOT / "examples"
INSTRUCTIONS = re.findall(
    r"(?m)^([A-Z]+) (.*)", (EXAMPLES / "Containerfile").read_text("utf-8").replace("\\\n", "")
)
"""The instructions of the Containerfile: name and arguments."""


def _of(name: str) -> list[str]:
    return [arguments for instruction, arguments in INSTRUCTIONS if instruction == name]


def _pod() -> Any:
    job = yaml.safe_load((EXAMPLES / "kubernetes.yaml").read_text("utf-8"))
    return job["spec"]["template"]["spec"]


def _context(target: Path) -> list[str]:
    """Copy what .dockerignore lets through; the last rule that matches a path decides."""
    rules = [
        line for line in (readme.ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] != "#"
    ]
    argv = ["/usr/bin/env", "git", "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.run(argv, cwd=readme.ROOT, check=True, capture_output=True).stdout.decode()
    kept = []
    for name in filter(None, listed.split("\0")):
        ignored = False
        for rule in rules:
            pattern = rule.removeprefix("!").removeprefix("**/")
            ends = [name, *map(str, Path(name).parents)] if "**/" not in rule else Path(name).parts
            if any(fnmatch.fnmatchcase(str(end), pattern) for end in ends):
                ignored = not rule.startswith("!")
        if not ignored and (readme.ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(readme.ROOT / name, target / name)
            kept.append(name)
    return kept


@pytest.mark.slow
def test_the_context_of_the_image_is_enough_and_no_more(tmp_path: Path) -> None:
    """The wheel can be built from it; it has no environment, tests, clips or history."""
    kept = _context(tmp_path)
    tops = {name.partition("/")[0] for name in kept}
    assert tops == {
        "LICENSE", "README.md", "constraints.txt", "pyproject.toml", "HDTF_dataset", "hdtf_async",
    }  # fmt: skip
    assert not [name for name in kept if "__pycache__" in name]
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    assert {f"hdtf_async/HDTF_dataset/{table.name}" for table in tables.shipped().iterdir()} <= names
    sources = {
        path.relative_to(readme.ROOT).as_posix() for path in (readme.ROOT / "hdtf_async").rglob("*.py")
    }
    assert sources <= names


@pytest.mark.parametrize(
    ("extras", "constraints", "arguments"),
    [
        ("", "constraints.txt", ["-c", "constraints.txt", "."]),
        ("face,store", "constraints.txt", ["-c", "constraints.txt", ".[face,store]"]),
        ("dask", "", [".[dask]"]),
    ],
)
def test_the_image_installs_the_chosen_extras_and_versions(
    extras: str, constraints: str, arguments: list[str], tmp_path: Path
) -> None:
    """The shell line of the Containerfile, with a pip that prints its arguments."""
    (line,) = [each for each in _of("RUN") if "pip install" in each]
    line = line.replace("/source", str(tmp_path / "source"))
    (tmp_path / "source").mkdir()
    pip = tmp_path / "pip"
    pip.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    pip.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "EXTRAS": extras, "CONSTRAINTS": constraints}
    done = subprocess.run(
        ["/bin/sh", "-c", line], env=environ, check=True, capture_output=True, text=True
    )  # fmt: skip
    assert json.loads(done.stdout) == ["install", "--no-cache-dir", *arguments]
    assert not (tmp_path / "source").exists()


def test_the_defaults_of_the_build_arguments_exist() -> None:
    """No extra, and the versions of the tests."""
    defaults = dict(argument.split("=", 1) for argument in _of("ARG"))
    assert defaults == {"EXTRAS": "", "CONSTRAINTS": "constraints.txt"}


def test_the_user_of_the_image_has_a_home_and_may_write_to_the_volume() -> None:
    """Its id is a number, which Kubernetes can compare; the pod runs as it, with a group for the volume."""
    (user,) = _of("USER")
    (created,) = [line for line in _of("RUN") if "useradd" in line]
    assert f"--uid {user} " in created
    assert "--create-home" in created
    home = dict(variable.split("=", 1) for variable in _of("ENV"))["HOME"]
    assert home == f"/home/{created.split(' && ')[0].split()[-1]}"
    context = _pod()["securityContext"]
    assert context["runAsNonRoot"] is True
    assert str(context["runAsUser"]) == user
    assert context["fsGroup"]


def test_the_command_of_the_pod_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the image's own program, and the parser accepts its arguments and variables."""
    (container,) = _pod()["containers"]
    (entry,) = _of("ENTRYPOINT")
    assert container["command"] == json.loads(entry)
    monkeypatch.setattr(signals, "until_signal", lambda _work, **_more: 0)
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "7")
    assert main.main(container["args"]) == 0
