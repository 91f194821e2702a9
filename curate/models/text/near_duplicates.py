"""Near duplicates among pairs: MinHash-LSH finds candidates, exact Jaccard decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.attachments import (
    MEDIA_COLUMNS,
    REJECTED_MEDIA,
    attachment_keys,
    nonempty_attachments,
)
from curate.data.hashes import content_keys, hash_128, numbers_by_appearance
from curate.data.row_selection import scatter_to_length
from curate.data.table import BATCH_ROWS, batch_slices, iter_rows_in_batches, messages_text
from curate.models.text.candidates import SketchedTexts, Texts, first_near_duplicate
from curate.steps.workers import LocalWorkers
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.context import Progress, Task
    from curate.steps.workers import Workers

_MEDIA_SEED = 1


def near_duplicate_of(
    pairs: pl.DataFrame,
    parts: tuple[str, ...],
    threshold: float,
    progress: Progress,
    scratch: ScratchSpace | None = None,
    workers: Workers | None = None,
) -> pl.Series:
    """Return pair_id of the earlier pair that each pair nearly repeats, or null.

    `parts` are what is compared: ("prompt",), ("chosen", "rejected"), or all three; each part must
    be near. The order of the answers does not count. Pairs with exactly the same texts (repeats,
    flips, votes of several annotators) are treated as one, and not near duplicates of each other.
    Pairs with other images, videos or audios are other pairs, however near their texts are.
    """
    text_columns = [p for p in ("prompt",) if p in parts]
    text_columns += ["low", "high"] if "chosen" in parts else []
    # One key per pair, batch by batch: keys of all texts at once take five times the memory.
    keys = pl.concat(
        content_keys(pairs[rows]).select(k=hash_128(pl.struct(text_columns)))["k"]
        for rows in batch_slices(len(pairs), BATCH_ROWS) or [slice(0, 0)]
    )
    scratch = scratch or ScratchSpace()
    numbers, first = numbers_by_appearance(keys, scratch.array("items", (len(pairs),), np.int64))
    del keys
    with progress.task("near duplicates", len(first)) as task:
        texts = _text_batches(pairs, first, parts, task)
        sketched = SketchedTexts(texts, parts, workers or LocalWorkers(scratch), scratch)
        earlier = first_near_duplicate(sketched, threshold)
    # All pairs of an item repeat what the first one of the earlier item says.
    repeated = earlier >= 0
    earlier[repeated] = first[earlier[repeated]]
    named = earlier[numbers]
    rows = pl.Series(np.flatnonzero(named >= 0))
    return scatter_to_length(pairs["pair_id"].gather(named[rows]), rows, len(pairs)).alias("_of")


def _text_batches(
    pairs: pl.DataFrame, rows: NDArray[np.int64], parts: tuple[str, ...], task: Task
) -> Iterator[Texts]:
    """Yield parts of ascending rows as texts, and numbers of their media, batch by batch."""
    for batch_pairs in iter_rows_in_batches(pairs, rows):
        batch_texts = batch_pairs.select(messages_text(part).alias(part) for part in parts)
        yield batch_texts, _media_hashes(batch_pairs, answers="chosen" in parts)
        task.advance(len(batch_pairs))


def _media_hashes(pairs: pl.DataFrame, *, answers: bool) -> NDArray[np.uint64] | None:
    """Return a number for the media of each pair, in whichever order the answers have theirs."""
    there = [c for c in nonempty_attachments(pairs) if c in MEDIA_COLUMNS]
    if not there:
        return None
    total = np.zeros(len(pairs), dtype=np.uint64)
    for name, other in REJECTED_MEDIA.items():
        for column in (name, other):
            media_keys = attachment_keys(pairs.select(pl.col(column).alias(name)))
            # Where each answer has its own media, the prompt has none.
            apart = pl.Series([False] * len(pairs)) if answers else pairs[other].is_not_null()
            if media_keys is not None:
                total += media_keys.hash(_MEDIA_SEED).set(apart | (media_keys == ""), 0).to_numpy()
    return total
