"""Threads and memory of this process.

Libraries of linear algebra let threads wait in a loop. Where cores are shared (a container with a
quota, a busy laptop, CI) that loop takes the time that the others need: a run over 10,000 pairs
took 27 times as long. So threads sleep while they wait, and there are no more of them than the
process may use. Both must be set before the libraries are loaded.
"""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Callable
from functools import cache
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


def available_cores() -> int:
    """Return the number of cores that this process may use (affinity and container quota)."""
    by_affinity, quota = _cores_by_affinity(), _container_quota()
    return max(1, min(by_affinity, math.ceil(quota) if quota else by_affinity))


def _cores_by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _container_quota() -> float | None:
    """Return the cores of the control group's quota, None without one."""
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


def set_thread_defaults() -> None:
    """Set thread counts and waiting policy, unless the user has set them."""
    for name, value in _WAITING.items():
        os.environ.setdefault(name, value)
    if available_cores() < _cores_by_affinity():
        for name in _COUNTS:
            os.environ.setdefault(name, str(available_cores()))


def set_arrow_allocator() -> None:
    """Choose Arrow's allocator before Arrow is loaded, unless the user has set it.

    Arrow's default keeps memory that each thread has freed, which no other thread can return: some
    80 MB of a run over 250,000 pairs, for no time that could be measured.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def release_free_memory() -> None:
    """Return freed memory from the allocators to the system.

    Allocators keep it for later requests. A step over millions of pairs may leave as much as the
    whole run needs, in pieces of sizes that no later step requests.
    """
    import pyarrow as pa  # not at the top, where it would come before `prepare`

    pa.default_memory_pool().release_unused()
    # The C library's, which numpy, torch and Python use. Arrow's pool does it only where it is the
    # one that Arrow uses itself.
    trim = _heap_trimmer()
    if trim is not None:
        trim(0)


@cache
def _heap_trimmer() -> Callable[[int], int] | None:
    """Return the function of the C library that gives free memory back; None where it has none."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # other systems than Linux, or another library
        return None
    return trim
