"""Table scorers as tasks: a worker collects features and pair table in mapped files of its own."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.data.attachments import MEDIA, MEDIA_COLUMNS
from curate.data.table import MESSAGES, PAIR_COLUMNS, batch_slices
from curate.pipeline.engines.worker import Scored, WorkerSettings
from curate.steps.context import Context
from curate.steps.contracts import Scorer
from curate.steps.declarations import Input
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from ray import ObjectRef

_TEXTS = ("prompt", "chosen", "rejected")
# Some 100 MB of texts: a block travels and is held as a whole.
_BLOCK_ROWS = 65_536


@dataclass(frozen=True)
class TableInputs:
    """References to all that a table scorer may read.

    Attributes:
        token: names the run, for what a worker keeps from one task to the next.
        pairs: blocks of the pair table without texts.
        texts: blocks of the texts; empty for a scorer that reads none.
        arrays: blocks of arrays by name: vectors, style, and the vector's row of each text.
        shared: what scorers would make from texts: prompt groups and equal answers.
        embed: embeds other texts by the run's embedder.
    """

    token: str
    pairs: list[ObjectRef]
    texts: list[ObjectRef]
    arrays: dict[str, list[ObjectRef]]
    shared: ObjectRef
    embed: Callable[[list[str]], NDArray[np.float32]] | None

    @classmethod
    def put(cls, pairs: pl.DataFrame, context: Context, embedded: bool) -> TableInputs:
        """Put all of a run into the object store, which spills to disk what memory cannot hold."""
        import ray

        arrays: dict[str, NDArray[np.floating | np.int64]] = {}
        if embedded:
            features = context.features
            arrays = {"vectors": features.vectors, "style": features.style}
            arrays |= {f"index/{side}": rows for side, rows in features.index.items()}
        light_columns = [name for name in PAIR_COLUMNS if name not in (*_TEXTS, *MEDIA_COLUMNS)]
        shared = {
            # Scorers that read no texts need these two: texts stay with the driver then.
            "prompt_groups": context.prompt_groups(pairs),
            "same_answers": context.same_answers(pairs),
        }
        return cls(
            uuid.uuid4().hex,
            _put_frames(pairs.select(light_columns)),
            _put_frames(pairs.select(_TEXTS)),
            {
                name: [ray.put(array[rows]) for rows in batch_slices(len(array), _BLOCK_ROWS)]
                for name, array in arrays.items()
            },
            ray.put(shared),
            context.embed,
        )

    def of(self, scorer: Scorer[Any]) -> TableInputs:
        """Return what this scorer reads."""
        return self if Input.TEXTS in scorer.inputs else replace(self, texts=[])


def run_table(settings: WorkerSettings, inputs: TableInputs) -> Scored:
    """Return the scores of all pairs by a table scorer, in a worker."""
    pairs, context = _load_cached_inputs(settings, inputs)
    step_context = replace(context.for_step(), evidence=settings.evidence)
    scorer = settings.scorer(**settings.parameters)
    return Scored(scorer.score(pairs, step_context), step_context.facts, step_context.warnings)


class _WorkerCache:
    """What this worker keeps of one run: later tasks find it, and the heads that were trained."""

    token = ""
    folder: Path | None = None
    pairs: pl.DataFrame
    context: Context


def _load_cached_inputs(
    settings: WorkerSettings, inputs: TableInputs
) -> tuple[pl.DataFrame, Context]:
    token = f"{inputs.token}/{bool(inputs.texts)}"
    # Another run, or a scorer that reads texts after ones that do not.
    if _WorkerCache.token != token:
        if _WorkerCache.folder is not None:
            shutil.rmtree(_WorkerCache.folder, ignore_errors=True)
        _WorkerCache.folder = Path(tempfile.mkdtemp(prefix="curate-"))
        _WorkerCache.pairs, _WorkerCache.context = _load_inputs(
            inputs, settings.context(), ScratchSpace(_WorkerCache.folder)
        )
        _WorkerCache.token = token
    return _WorkerCache.pairs, _WorkerCache.context


def _load_inputs(
    inputs: TableInputs, context: Context, scratch: ScratchSpace
) -> tuple[pl.DataFrame, Context]:
    """Return the pair table, and a context with its features and what is shared."""
    import ray

    from curate.steps.features import Features

    table = scratch.collect("pairs", (_frame_from_arrow(ray.get(ref)) for ref in inputs.pairs))
    arrays = {name: _load_array_blocks(name, refs, scratch) for name, refs in inputs.arrays.items()}
    features = None
    if arrays:
        index = {side: arrays[f"index/{side}"] for side in _TEXTS}
        features = Features(arrays["vectors"], arrays["style"], index)
    if inputs.texts:
        texts = scratch.collect("texts", (_frame_from_arrow(ray.get(ref)) for ref in inputs.texts))
        table = pl.concat([table, texts], how="horizontal")
    else:
        table = table.with_columns(pl.lit(None, dtype=MESSAGES).alias(c) for c in _TEXTS)
    nothing = (pl.lit(None, dtype=MEDIA).alias(c) for c in MEDIA_COLUMNS)
    table = table.with_columns(nothing).select(list(PAIR_COLUMNS))
    context = replace(context, embed=inputs.embed).for_pairs(table, features)
    context.view(table).preset(**ray.get(inputs.shared))
    return table, context


def _load_array_blocks(
    name: str, references: list[ObjectRef], scratch: ScratchSpace
) -> NDArray[Any]:
    """Return the blocks of an array, one below the other."""
    import ray

    first_block = ray.get(references[0])
    # All blocks but the last are of one length.
    rows = len(first_block) * (len(references) - 1) + len(ray.get(references[-1]))
    out = scratch.array(name, (rows, *first_block.shape[1:]), first_block.dtype)
    for number, reference in enumerate(references):
        block = ray.get(reference)
        start = number * len(first_block)
        out[start : start + len(block)] = block
    return out


def _put_frames(frame: pl.DataFrame) -> list[ObjectRef]:
    import ray

    return [
        ray.put(frame[rows].to_arrow(compat_level=pl.CompatLevel.oldest()))
        for rows in batch_slices(len(frame), _BLOCK_ROWS)
    ]


def _frame_from_arrow(table: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(table))
