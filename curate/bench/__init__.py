"""Proof on the user's own data: what steps gain on held-out pairs, and who finds flipped labels.

The package is callable: `curate.bench(pairs)` returns what the command prints.

Examples:
    >>> import curate
    >>> rows = [
    ...     {"prompt": f"{n} + 1?", "chosen": str(n + 1), "rejected": str(n)} for n in range(60)
    ... ]
    >>> bench = curate.bench(rows, seeds=1)
    >>> len(bench.advice) > 0
    True
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.bench.command import Bench


class _BenchPackage(ModuleType):
    # The public name `curate.bench` is this package, whoever imported a part of it first.
    def __call__(self, data: Any, **options: Any) -> Bench:
        """Bench steps on pairs; see `curate.bench.command.bench_data`."""
        from curate.bench.command import bench_data

        return bench_data(data, **options)


sys.modules[__name__].__class__ = _BenchPackage
