"""The mutation benchmark works, and its list of equivalent mutants is up to date."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "mutants.py"
MODULE = '''"""Decides something."""

LIMIT = 3


def small(number):
    """Whether a number is below the limit."""
    return number < LIMIT


def untested(number):
    """Whether a number is none."""
    return number == 0
'''
TESTS = """from hdtf_async.core.sizes import small


def test_small():
    assert [small(number) for number in (0, 2, 3, 4)] == [True, True, False, False]
"""
MORE = """

def test_untested():
    from hdtf_async.core.sizes import untested
    assert [untested(number) for number in (0, 1)] == [True, False]
"""
SHARING = """import time

import pytest

from hdtf_async.core.sizes import small, untested


@pytest.fixture(scope="module")
def slow():
    begun = time.process_time()
    while time.process_time() - begun < 0.5:
        pass


def test_small(slow):
    untested(0)
    assert [small(number) for number in (0, 2, 3, 4)] == [True, True, False, False]


def test_untested(slow):
    begun = time.process_time()
    while time.process_time() - begun < 0.1:
        pass
    assert [untested(number) for number in (0, 1)] == [True, False]
"""
EQUIVALENT = "core.sizes\tuntested\t0 -> 1 in number == 0\tit is nobody's business\n"


def write_repository(root: Path, tests: str) -> None:
    """Write a package with one module, and its tests."""
    for name, content in {
        "hdtf_async/__init__.py": "",
        "hdtf_async/core/__init__.py": "",
        "hdtf_async/core/sizes.py": MODULE,
        "tests/unit/core/test_sizes.py": tests,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, "utf-8")


def mutated(root: Path, *options: str) -> tuple[int, str]:
    """Run the benchmark on a repository; return its exit code and output."""
    command = [
        sys.executable,
        str(PROGRAM),
        "--root",
        str(root),
        "--results",
        str(root / "results"),
        *options,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.long
def test_surviving_mutants_are_listed_until_a_test_kills_them(tmp_path: Path) -> None:
    """Equivalent mutants do not count, and recorded results are not computed again."""
    write_repository(tmp_path, TESTS)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/equivalent_mutants.tsv").write_text(EQUIVALENT, "utf-8")
    code, output = mutated(tmp_path, "--module", "core.sizes", "--count", "100")
    outcomes = {line.partition("  [")[0] for line in output.splitlines() if "sizes.py:" in line}
    assert outcomes == {
        "noticed    hdtf_async/core/sizes.py:3 : 3 -> 2 in LIMIT = 3",
        "noticed    hdtf_async/core/sizes.py:3 : 3 -> 4 in LIMIT = 3",
        "noticed    hdtf_async/core/sizes.py:3 : 3 -> 30 in LIMIT = 3",
        "noticed    hdtf_async/core/sizes.py:8 small: number < LIMIT -> number <= LIMIT",
        "noticed    hdtf_async/core/sizes.py:8 small: number < LIMIT -> number >= LIMIT",
        "noticed    hdtf_async/core/sizes.py:8 small: return number < LIMIT -> return None",
        "equivalent hdtf_async/core/sizes.py:13 untested: 0 -> 1 in number == 0",
        "survived   hdtf_async/core/sizes.py:13 untested: number == 0 -> number != 0",
        "survived   hdtf_async/core/sizes.py:13 untested: return number == 0 -> return None",
    }
    assert "75.0% of 8 changes" in output
    assert code == 1
    before = (tmp_path / "results").read_bytes()
    assert mutated(tmp_path, "--module", "core.sizes", "--count", "100") == (code, output)
    assert (tmp_path / "results").read_bytes() == before
    (tmp_path / "tests/unit/core/test_sizes.py").write_text(TESTS + MORE, "utf-8")
    code, output = mutated(tmp_path, "--module", "core.sizes", "--count", "100")
    assert "100.0% of 8 changes" in output
    assert code == 0
    assert all(json.loads(line)["key"] for line in (tmp_path / "results").read_text("utf-8").splitlines())


@pytest.mark.long
def test_a_fixture_that_tests_share_counts_once(tmp_path: Path) -> None:
    """Both tests and their fixture fit into a budget that is less than twice the fixture."""
    write_repository(tmp_path, SHARING)
    code, output = mutated(tmp_path, "--module", "core.sizes", "--count", "100", "--budget", "0.9")
    assert "100.0% of 9 changes" in output
    assert code == 0


@pytest.mark.slow
def test_each_listed_equivalent_is_still_a_possible_mutant() -> None:
    """An entry of the list that no longer fits its module is an error, whatever is selected."""
    code, output = mutated(PROGRAM.parents[1], "--count", "0")
    assert code == 0, output
