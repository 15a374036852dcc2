"""The available memory includes the limits of this process, also in a container."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from shared import write_files

from hdtf_async.core.memory import available_memory

if TYPE_CHECKING:
    from pathlib import Path

MEMINFO = "MemTotal:       24000000 kB\nMemFree:         100000 kB\nMemAvailable:    8000000 kB\n"
AVAILABLE = 8_000_000 * 1024
STAT = "anon 5\ninactive_file 300\nactive_file 7\n"


@pytest.mark.parametrize(
    ("own", "files", "available"),
    [
        ("0::/\n", {}, AVAILABLE),
        ("0::/\n", {"memory.max": "max\n", "memory.current": "5\n"}, AVAILABLE),
        ("0::/\n", {"memory.max": "5000\n", "memory.current": "1000\n"}, 4000),
        ("0::/\n", {"memory.max": "5000\n", "memory.current": "1000\n", "memory.stat": STAT}, 4300),
        ("0::/\n", {"memory.max": "5000\n", "memory.current": "6000\n"}, 0),
        ("0::/\n", {"memory.max": "9000000000000\n", "memory.current": "6000\n"}, AVAILABLE),
        (
            "0::/a/b\n",
            {
                "a/b/memory.max": "max\n", "a/b/memory.current": "10\n",
                "a/memory.max": "700\n", "a/memory.current": "100\n",
            },
            600,
        ),
        (
            "5:memory:/slurm/job\n4:cpu:/x\n",
            {
                "memory/slurm/job/memory.limit_in_bytes": "9000\n",
                "memory/slurm/job/memory.usage_in_bytes": "5000\n",
                "memory/slurm/job/memory.stat": "inactive_file 1\ntotal_inactive_file 2000\n",
            },
            6000,
        ),
        (
            "5:memory:/\n",
            {
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
                "memory/memory.usage_in_bytes": "5000\n",
            },
            AVAILABLE,
        ),
        ("nonsense\n", {"memory.max": "5000\n", "memory.current": "1000\n"}, AVAILABLE),
        ("0::/\n", {"memory.max": "nonsense\n", "memory.current": "1000\n"}, AVAILABLE),
        ("0::/\n", {"memory.max": "5000\n"}, AVAILABLE),
    ],
)  # fmt: skip
def test_the_least_of_all_limits_counts(
    own: str, files: dict[str, str], available: int, tmp_path: Path
) -> None:
    """Of the machine, the cgroups and their parents, in both versions; invalid values are ignored."""
    write_files(tmp_path / "groups", files)
    (tmp_path / "own").write_text(own)
    (tmp_path / "meminfo").write_text(MEMINFO)
    assert available_memory(tmp_path / "groups", tmp_path / "own", tmp_path / "meminfo") == available


def test_a_system_that_reports_nothing_sets_no_limit(tmp_path: Path) -> None:
    """Such as macOS."""
    nowhere = tmp_path / "nowhere"
    assert available_memory(nowhere, nowhere, nowhere) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports it")
def test_this_machine_reports_it() -> None:
    """It has memory for the running processes."""
    assert (available_memory() or 0) > 1 << 20
