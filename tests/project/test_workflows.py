"""The workflows, issue forms and other files that GitHub reads."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import readme
import yaml

GITHUB = readme.ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((readme.ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def _workflow(name: str) -> Any:
    return yaml.safe_load((GITHUB / "workflows" / f"{name}.yml").read_text("utf-8"))


def _lines(job: Any) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.skipif(sys.platform != "linux", reason="the extra test has actionlint for Linux only")
def test_actionlint_accepts_all_workflows() -> None:
    """Syntax, types of expressions, names of inputs and outputs."""
    actionlint = Path(sys.executable).with_name("actionlint")
    done = subprocess.run([actionlint, *WORKFLOWS], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert {path.stem for path in WORKFLOWS} >= {"tests", "live", "release"}


def test_every_supported_python_and_system_is_tested() -> None:
    """Those of the classifiers, each with the pinned and the newest dependencies."""
    matrix = _workflow("tests")["jobs"]["tests"]["strategy"]["matrix"]
    classifiers = " ".join(PROJECT["classifiers"])
    assert matrix["python"] == re.findall(r"Python :: (3\.\d+)", classifiers)
    assert len(matrix["system"]) == len(re.findall(r"Operating System ::", classifiers)) == 2
    assert matrix["versions"] == ["pinned", "newest"]


@pytest.mark.parametrize("versions", ["pinned", pytest.param("newest", marks=pytest.mark.slow)])
def test_the_tests_run_with_the_command_of_the_readme(versions: str, tmp_path: Path) -> None:
    """The workflow's shell line, with a shell at its end that prints what it would run."""
    (line,) = _lines(_workflow("tests")["jobs"]["tests"])
    shell = shutil.which("bash") or "/bin/bash"
    instead = f'#!/bin/sh\n[ "$1" = -euc ] || exec {shell} "$@"\nprintf %s "$2"\n'
    (tmp_path / "bash").write_text(instead)
    (tmp_path / "bash").chmod(0o755)
    environ = os.environ | {"VERSIONS": versions, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    argv = [shell, "-euo", "pipefail", "-c", line]
    done = subprocess.run(argv, cwd=readme.ROOT, env=environ, check=True, capture_output=True, text=True)
    expected = readme.command("test").strip()
    if versions == "newest":
        expected = expected.replace("-c constraints.txt", "-U")
    assert done.stdout == expected


@pytest.mark.parametrize(
    ("open_issue", "calls"), [("", ["label create", "issue create"]), ("7", ["issue comment 7"])]
)
def test_a_failure_of_the_live_tests_is_one_issue(open_issue: str, calls: list[str], tmp_path: Path) -> None:
    """The first opens it, later ones comment on it as long as it is open."""
    job = _workflow("live")["jobs"]["issue"]
    assert job["permissions"] == {"issues": "write"}
    (line,) = _lines(job)
    (tmp_path / "gh").write_text(
        '#!/bin/sh\n[ "$2" = list ] && { printf "%s" "$OPEN"; exit; }\nprintf "%s\\n" "$*" >> "$CALLS"\n'
    )
    (tmp_path / "gh").chmod(0o755)
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "OPEN": open_issue,
        "CALLS": str(tmp_path / "calls"),
    }
    argv = ["/bin/bash", "-euo", "pipefail", "-c", line]
    subprocess.run(argv, env=environ | {"RUN": "https://example.org/run"}, check=True)
    made = (tmp_path / "calls").read_text().splitlines()
    assert len(made) == len(calls)
    assert all(call.startswith(start) for call, start in zip(made, calls, strict=True))
    assert "https://example.org/run" in made[-1]


def test_a_release_is_published_without_a_stored_token() -> None:
    """Only the job that publishes may ask for an identity; it runs after the tests of the wheel."""
    jobs = _workflow("release")["jobs"]
    assert {name for name, job in jobs.items() if "id-token" in job.get("permissions", {})} == {"publish"}
    assert jobs["publish"]["needs"] == "build"
    assert "secrets." not in (GITHUB / "workflows" / "release.yml").read_text("utf-8")
    assert any("test_packaging.py" in line for line in _lines(jobs["build"]))


def test_issue_forms_ask_for_what_is_needed_to_help() -> None:
    """The output of `doctor --json` and failures.jsonl are required; each field has its id and a label."""
    forms = [
        yaml.safe_load(path.read_text("utf-8")) for path in (GITHUB / "ISSUE_TEMPLATE").glob("[!c]*.yml")
    ]
    assert len(forms) == 2
    for form in forms:
        assert {"name", "description", "body"} <= form.keys()
        fields = [field for field in form["body"] if field["type"] != "markdown"]
        assert all(field["attributes"]["label"] for field in fields)
        assert len({field["id"] for field in fields}) == len(fields)
    bug = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text("utf-8"))
    labels = [
        field["attributes"]["label"] for field in bug["body"] if field.get("validations", {}).get("required")
    ]
    assert any("doctor --json" in label for label in labels)
    assert any("failures.jsonl" in label for label in labels)


def test_updates_are_proposed_for_packages_and_actions() -> None:
    """Every week."""
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text("utf-8"))["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"pip", "github-actions"}
    assert all(update["schedule"]["interval"] == "weekly" for update in updates)


def test_one_place_names_the_repository() -> None:
    """Files refer to each other by relative links; only `[project.urls]` has the address."""
    repository = PROJECT["urls"]["Repository"]
    owner, name = repository.removeprefix("https://github.com/").split("/")
    listed = subprocess.run(
        ["/usr/bin/env", "git", "ls-files", "-z"], cwd=readme.ROOT, check=True, capture_output=True
    ).stdout.decode()  # fmt: skip
    named = [
        path
        for path in filter(None, listed.split("\0"))
        if Path(path).suffix in {".py", ".md", ".yml", ".yaml", ".toml", ".cff", ".sh"}
        and (readme.ROOT / path).exists()
        and f"github.com/{owner}/{name}" in (readme.ROOT / path).read_text("utf-8")
    ]
    assert named == ["pyproject.toml"]
