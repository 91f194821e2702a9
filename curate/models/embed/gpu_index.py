"""Indexes of faiss on GPUs: a piece on each, within their limits, with the CPU to fall back on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import faiss

from curate.models.embed.batching import is_out_of_memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Result = TypeVar("Result")
_MAX_MATCHES = 2048
"""Neighbours, and lists to look into, that a search on a GPU takes at most (faiss's wiki,
"Faiss on the GPU")."""


class SearchedIndex:
    """An index that is searched on the GPUs where faiss has been built for them, else as it is.

    Args:
        index: filled: what lies in pieces on GPUs takes no vectors.
    """

    def __init__(self, index: Any) -> None:
        self.index = index
        self._memory_suffices = True

    @cached_property
    def _on_gpus(self) -> Any:
        return _move_to_gpus(self.index)

    def search(
        self, queries: NDArray[np.float32], count: int, probes: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return similarities and numbers of the `count` nearest vectors, (queries, count) each.

        Args:
            queries: (queries, dim).
            count: how many are searched.
            probes: lists of an inverted file that are looked into; None for other indexes.
        """
        if self.fits_gpus(count, probes):
            try:
                return _search(self._on_gpus, queries, count, probes)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                # What did not fit once would be tried in vain for each batch of queries.
                self._memory_suffices = False
                self.__dict__.pop("_on_gpus", None)
        return _search(self.index, queries, count, probes)

    def fits_gpus(self, count: int, probes: int | None = None) -> bool:
        """Return whether a search runs on GPUs."""
        return gpu_count() > 0 and self._memory_suffices and max(count, probes or 0) <= _MAX_MATCHES


def gpu_count() -> int:
    """Return how many GPUs faiss knows; 0 where it was built without."""
    count: Callable[[], int] = getattr(faiss, "get_num_gpus", lambda: 0)
    return count()


def _search(
    index: Any, queries: NDArray[np.float32], count: int, probes: int | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if probes is not None:
        set_probes(index, probes)
    similarity, numbers = index.search(queries, count)
    return similarity, numbers


def set_probes(index: Any, probes: int) -> None:
    """Set how many lists are looked into, also of an index in pieces, which has no `nprobe`."""
    space = getattr(faiss, "GpuParameterSpace", faiss.ParameterSpace)()
    space.set_index_parameter(index, "nprobe", probes)


def _move_to_gpus(index: Any) -> Any:
    """Return the index in pieces, one on each GPU."""
    options = faiss.GpuMultipleClonerOptions()
    # Without it every GPU gets a copy of the whole index.
    options.shard = True
    return faiss.index_cpu_to_all_gpus(index, co=options)
