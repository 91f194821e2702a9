"""How many threads compute, and what they do while they wait.

Libraries of linear algebra let threads wait in a loop. Where cores are shared (a container with a
quota, a busy laptop, CI) that loop takes the time that the others need: a run over 10,000 pairs
took 27 times as long. So threads sleep while they wait, and there are no more of them than the
process may use. Both must be said before the libraries are loaded.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_QUOTA_V1, _PERIOD_V1 = (
    Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)
_WAITING = {
    "OMP_WAIT_POLICY": "PASSIVE",  # libgomp (torch, faiss, scikit-learn) and others
    "KMP_BLOCKTIME": "0",  # Intel's and LLVM's OpenMP
    "OPENBLAS_THREAD_TIMEOUT": "8",  # 2^8 cycles, not 2^26
}
_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def cores() -> int:
    """Cores that this process may use: by its affinity, and by the quota of its container."""
    here, quota = _by_affinity(), _quota()
    return max(1, min(here, math.ceil(quota) if quota else here))


def _by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota() -> float | None:
    """Cores by the quota of control groups, None without one."""
    try:
        limit, period = _QUOTA.read_text().split()
        return None if limit == "max" else float(limit) / float(period)
    except (OSError, ValueError):
        pass
    try:
        limit_v1, period_v1 = float(_QUOTA_V1.read_text()), float(_PERIOD_V1.read_text())
    except (OSError, ValueError):
        return None
    return limit_v1 / period_v1 if limit_v1 > 0 else None


def prepare() -> None:
    """Say it to the libraries; what the user has set stays."""
    for name, value in _WAITING.items():
        os.environ.setdefault(name, value)
    if cores() < _by_affinity():
        for name in _COUNTS:
            os.environ.setdefault(name, str(cores()))
