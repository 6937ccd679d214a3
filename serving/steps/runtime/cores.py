"""How many processor cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

#: Variable of the environment: how many cores a process may use where several share a machine by agreement.
CORES_VARIABLE = "CROSSWIRE_CORES"
_QUOTA_V2 = Path("/sys/fs/cgroup/cpu.max")
_QUOTA_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_PERIOD_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def granted_cores() -> int:
    """Return the cores that affinity, control group and `CROSSWIRE_CORES` grant, at least 1."""
    affinity = len(os.sched_getaffinity(0))
    quota = _quota()
    granted = affinity if quota is None else max(1, min(affinity, int(quota)))
    agreed = os.environ.get(CORES_VARIABLE, "")
    return max(1, min(granted, int(agreed))) if agreed.isdecimal() else granted


def _quota() -> float | None:
    """Return the control group's processor quota in cores, or None if there is none."""
    try:
        if _QUOTA_V2.exists():
            quota, period = _QUOTA_V2.read_text().split()
        else:
            quota, period = _QUOTA_V1.read_text(), _PERIOD_V1.read_text()
        return int(quota) / int(period) if quota.strip() not in ("max", "-1") else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
