"""Pairs as a data set of the `datasets` library, in a trainer's form."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pyarrow import parquet

from curate.data.found_parts import found_parts
from curate.data.pair_rows import PairRows
from curate.write.drawn_rows import weigh
from curate.write.exports import get_export
from curate.write.exports.base import Prompt
from curate.write.exports.parts import check_held, configure, held_by
from curate.write.exports.registry import forms_holding
from curate.write.shards import ShardWriter
from curate.write.weighing import Weighing, weighing_of

if TYPE_CHECKING:
    from datasets import Dataset

# Of a temporary file, which is read back at once.
_ROWS = 1_000_000


def as_dataset(
    pairs: pl.DataFrame,
    format: str = "trl",
    *,
    allow_loss: bool = False,
    prompt: Prompt | None = None,
    weighing: Weighing | None = None,
) -> Dataset:
    """The rows that `curate run` would write as shards, in memory.

    Args:
        pairs: the pair table; `weight`, `label_probability` and carried columns beside it if there
            are some.
        format: name of the export.
        allow_loss: go on where the form has no place for parts of the pairs.
        prompt: see `OutputConfig`.
        weighing: what is done with weights; default what the form does.

    Raises:
        CurateError: no such form, or it would lose parts of the pairs.
    """
    from datasets import Dataset
    from datasets.utils.logging import disable_progress_bar

    form, parts = get_export(format, "format"), found_parts(pairs)
    configure(form, prompt, "paths", "parquet", "prompt")
    if not allow_loss:
        others = forms_holding(parts, "parquet")
        check_held(form, parts, "parquet", len(pairs), others, "format")
    form.parts = held_by(form, "parquet").intersection(parts)
    rows, _ = weigh(PairRows.whole(pairs), weighing or weighing_of(form, None))
    disable_progress_bar()
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room) / "kept"
        with ShardWriter(folder, "parquet", _ROWS) as writer:
            for part in form.stream(rows.parts()):
                writer.write(part)
        files = [str(Path(room) / shard["path"]) for shard in writer.shards]
        if not len(rows):
            return Dataset(parquet.read_table(files[0]))  # from_parquet refuses a file of no rows
        # In memory: the files are gone when this returns.
        made: Dataset = Dataset.from_parquet(files, cache_dir=room, keep_in_memory=True)
    return made
