"""What libraries have freed goes back to the system."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_SCRIPT = """
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from curate.data.process import release_free_memory


def memory():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) >> 10


def work(_):
    # In pieces that the C library keeps for later requests; a small one lies above each.
    pieces = [(np.ones(12_000), np.ones(8)) for _ in range(1000)]
    return [small for _, small in pieces]


with ThreadPoolExecutor(4) as pool:
    small = list(pool.map(work, range(4)))
before = memory()
release_free_memory()
print(before - memory())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_of_threads_that_have_ended_is_given_back() -> None:
    """Four threads freed 96 MB each, between small arrays that stay."""
    # Arrow with an allocator of its own, whose pool of the C library returns nothing.
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"}
    command = [sys.executable, "-c", _SCRIPT]
    process = subprocess.run(command, check=True, capture_output=True, env=environment)
    assert int(process.stdout) > 150
