"""Pairs as a data set of the `datasets` library, in a trainer's form."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pyarrow import parquet

from curate.data.content_kinds import count_content_kinds
from curate.data.row_selection import RowSelection
from curate.write.drawn_rows import weigh_pairs
from curate.write.exports import get_export
from curate.write.exports.base import Prompt
from curate.write.exports.content_support import (
    check_export_settings,
    require_supported_content,
)
from curate.write.exports.registry import exports_supporting
from curate.write.shards import ShardWriter
from curate.write.weighing import Weighing, resolve_weighing

if TYPE_CHECKING:
    from datasets import Dataset

# Of a temporary file, which is read back at once.
_ROWS = 1_000_000


def to_dataset(
    pairs: pl.DataFrame,
    format: str = "trl",
    *,
    allow_loss: bool = False,
    prompt: Prompt | None = None,
    weighing: Weighing | None = None,
) -> Dataset:
    """Return the rows that `curate run` would write as shards, in memory.

    Args:
        pairs: the pair table; `weight`, `label_probability` and carried columns beside it if there
            are some.
        format: name of the export.
        allow_loss: write even if the form cannot hold parts of the pairs.
        prompt: see `OutputConfig`.
        weighing: what is done with weights; default what the form does.

    Raises:
        CurateError: no such form, or it would lose parts of the pairs.
    """
    form, parts = get_export(format, "format"), count_content_kinds(pairs)
    check_export_settings(form, prompt, "paths", "parquet", "prompt")
    if not allow_loss:
        able_exports = exports_supporting(parts, "parquet")
        require_supported_content(form, parts, "parquet", len(pairs), able_exports, "format")
    rows, _ = weigh_pairs(RowSelection.from_table(pairs), weighing or resolve_weighing(form, None))
    return _load_rows(form.stream(rows.iter_batches(), form.schema(parts, prompt=prompt)))


def _load_rows(frames: Iterator[pl.DataFrame]) -> Dataset:
    """Write the frames to a temporary file, and read them into memory."""
    from datasets import Dataset
    from datasets.utils.logging import disable_progress_bar

    # Its bars would come between those of the run.
    disable_progress_bar()
    with tempfile.TemporaryDirectory() as cache_folder:
        folder = Path(cache_folder) / "kept"
        with ShardWriter(folder, "parquet", _ROWS) as writer:
            for frame in frames:
                writer.write(frame)
        files = [str(Path(cache_folder) / shard.path) for shard in writer.shards]
        if not any(shard.rows for shard in writer.shards):
            return Dataset(parquet.read_table(files[0]))  # from_parquet refuses a file of no rows
        # In memory: the files are gone when this returns.
        dataset: Dataset = Dataset.from_parquet(files, cache_dir=cache_folder, keep_in_memory=True)
    return dataset
