"""Memory that this process may still use: what the machine has available, and what its container allows."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hdtf_async.core.system import GROUPS, OWN, control_groups

_MEMINFO = Path("/proc/meminfo")
_KB = 1024


def available_memory(groups: Path = GROUPS, own: Path = OWN, meminfo: Path = _MEMINFO) -> int | None:
    """Return the bytes that can be used without swapping; None if the system does not report it (macOS).

    That is the kernel's estimate for the machine, or less if a control group of this process has a limit (a
    container, SLURM with ``ConstrainRAMSpace``; cgroup v1 and v2). Its page cache does not count as used, as
    far as the kernel reclaims it first.
    """
    left = [_left(group) for group in control_groups("memory", groups, own)]
    with suppress(OSError, ValueError, KeyError):
        left.append(_fields(meminfo)["MemAvailable:"] * _KB)
    return min((max(0, one) for one in left if one is not None), default=None)


def _left(group: Path) -> int | None:
    """Return what a control group leaves of its limit; None if it sets none."""
    for limit, usage, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with suppress(OSError, ValueError):
            allowed = int((group / limit).read_text(encoding="ascii"))  # "max" is no number
            used = int((group / usage).read_text(encoding="ascii"))
            with suppress(OSError, ValueError, KeyError):
                used -= _fields(group / "memory.stat")[cache]
            return allowed - used
    return None


def _fields(file: Path) -> dict[str, int]:
    """Return the numbers in a kernel file that has a name and a number on each line."""
    lines = (line.split() for line in file.read_text(encoding="ascii").splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
