"""What this process runs on: the CPUs that it may use (affinity, limits of its container), and the system."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from functools import cache
from math import ceil
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
"""Where control groups are mounted."""
OWN = Path("/proc/self/cgroup")
"""Lists the control groups of this process."""


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use, at least 1.

    A container that is limited to a share of the CPUs (``docker run --cpus 2``, a limit of Kubernetes or
    SLURM) still sees all of them: the limit is in its control group (cgroup v1 and v2, see
    docs.kernel.org/admin-guide/cgroup-v2.html). Part of a CPU counts as a whole one.
    """
    try:
        pinned = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        pinned = os.cpu_count() or 1
    quota = _quota(GROUPS, OWN)
    return pinned if quota is None else max(1, min(pinned, ceil(quota)))


def control_groups(controller: str, groups: Path, own: Path) -> list[Path]:
    """Return the directories that may contain limits of this process: its own group's and its parents'.

    `groups` is where control groups are mounted, `own` the file that lists those of this process.
    """
    found: list[Path] = []
    with suppress(OSError, ValueError):
        for line in own.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                found += _upwards(groups, path)
            elif controller in controllers.split(","):
                found += _upwards(groups / controller, path)
    return found


def _upwards(root: Path, path: str) -> list[Path]:
    """Return a group and its parents; inside a container its own group may be the root."""
    group = root / path.strip("/")
    places = [group, *(above for above in group.parents if above.is_relative_to(root)), root]
    return [*dict.fromkeys(places)]


def _quota(groups: Path, own: Path) -> float | None:
    """Return the number of CPUs that the control groups of this process allow; None without a limit."""
    limits = map(_limit, control_groups("cpu", groups, own))
    return min((limit for limit in limits if limit is not None), default=None)


def _limit(group: Path) -> float | None:
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota = (group / "cpu.cfs_quota_us").read_text(encoding="ascii")
        period = (group / "cpu.cfs_period_us").read_text(encoding="ascii")
        return int(quota) / int(period) if int(quota) > 0 else None
    return None


@cache
def this_system() -> str:
    """Identify this start of this system; if that is not supported, this process."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)


def own_version() -> str:
    """Return the version of this package; ``unknown`` if it is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - takes 10 ms

    try:
        return version("hdtf-async")
    except PackageNotFoundError:
        return "unknown"
