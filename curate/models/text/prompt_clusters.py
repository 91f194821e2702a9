"""Prompts that are nearly the same, as clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import numbers_by_key, prompt_keys
from curate.data.table import iter_rows_in_batches, messages_text
from curate.models.text.candidates import SketchedTexts, cluster_texts
from curate.steps.context import report_progress
from curate.steps.workers import LocalWorkers
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.context import Progress

SIMILAR = 0.8
"""Jaccard similarity of three-word shingles from which on two prompts are nearly the same."""


def prompt_clusters(
    pairs: pl.DataFrame,
    progress: Progress,
    scratch: ScratchSpace | None = None,
    threshold: float = SIMILAR,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return number of each pair's prompt, and of its cluster; both (pairs,), whatever the order of
    rows.

    Clusters are connected components: two prompts are in one where a chain of nearly equal prompts
    leads from one to the other. Candidates are found by MinHash: a pair of prompts just above the
    threshold can be missed.
    """
    numbers, first = numbers_by_key(prompt_keys(pairs))
    scratch = scratch or ScratchSpace()
    with progress.task("prompt clusters", len(first)) as task:
        batches = report_progress(iter_rows_in_batches(pairs, first), task.advance)
        texts = ((batch.select(prompt=messages_text("prompt")), None) for batch in batches)
        sketched = SketchedTexts(texts, ("prompt",), LocalWorkers(scratch), scratch)
        return numbers, cluster_texts(sketched, threshold)[numbers]
