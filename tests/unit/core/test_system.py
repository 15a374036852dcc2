"""The number of CPUs includes the limits of this process, also in a container."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from shared import write_files

from hdtf_async.core import system

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/a/b\n", {"a/b/cpu.max": "300000 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/not/seen/from/inside\n", {"cpu.max": "400000 100000\n"}, 4.0),
        (
            "5:memory:/x\n4:cpu,cpuacct:/x\n",
            {"cpu/x/cpu.cfs_quota_us": "250000\n", "cpu/x/cpu.cfs_period_us": "100000\n"},
            2.5,
        ),
        (
            "4:cpu,cpuacct:/x\n",
            {"cpu/x/cpu.cfs_quota_us": "-1\n", "cpu/x/cpu.cfs_period_us": "100000\n"},
            None,
        ),
        ("nonsense\n", {"cpu.max": "200000 100000\n"}, None),
        ("0::/\n", {"cpu.max": "nonsense\n"}, None),
        ("0::/\n", {"cpu.max": "1 0\n"}, None),
    ],
)
def test_a_limit_is_read_from_the_kernel(
    own: str, files: dict[str, str], quota: float | None, tmp_path: Path
) -> None:
    """In the process's cgroup and its parents, in both versions; invalid values are ignored."""
    write_files(tmp_path / "groups", files)
    (tmp_path / "own").write_text(own)
    assert system._quota(tmp_path / "groups", tmp_path / "own") == quota


PINNED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("quota", "least"), [(0.2, 1), (0.5, 1), (1.0, 1), (None, PINNED)])
def test_a_fraction_of_a_cpu_counts_as_one(
    quota: float | None, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And there are never more than this process is pinned to."""
    monkeypatch.setattr(system, "_quota", lambda _groups, _own: quota)
    assert system.usable_cpus() == least
    monkeypatch.setattr(system, "_quota", lambda _groups, _own: 10_000.0)
    assert system.usable_cpus() == PINNED


def test_a_pinned_process_has_the_cpus_that_it_is_pinned_to() -> None:
    """As cluster schedulers do."""
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
    code += "from hdtf_async.core.system import *; "
    ran = subprocess.run(
        [sys.executable, "-c", code + "print(usable_cpus())"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "1\n"
