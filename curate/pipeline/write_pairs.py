"""Writes the shards of a run: kept pairs in the trainer's form, all pairs as pair tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from curate.data.attachments import MEDIA_COLUMNS, nonempty_attachments
from curate.data.row_selection import RowSelection
from curate.pipeline.result import Result
from curate.steps.context import Task, report_progress
from curate.steps.workers import Workers
from curate.write.drawn_rows import WeighedRows
from curate.write.exports.base import Export, ShardSchema
from curate.write.manifest import ShardFile
from curate.write.output import OutputConfig
from curate.write.run_files import DROPPED, KEPT, PAIRS, keeps_pairs
from curate.write.shards import write_shards
from curate.write.worker_shards import identity, shards_by_workers


@dataclass(frozen=True)
class PairWriter:
    """Writes kept pairs in the trainer's columns and as pair table, and the dropped pairs.

    Attributes:
        export: the export of the run.
        schema: what the columns of all its shards depend on.
        output: the output section of the configuration.
        workers: workers that write shards; None: this process writes them.
    """

    export: Export
    schema: ShardSchema
    output: OutputConfig
    workers: Workers | None = None

    def write(self, result: Result, rows: WeighedRows, stage: Path, task: Task) -> list[ShardFile]:
        """Return the shards of kept pairs.

        Args:
            result: the result with all its pairs.
            rows: the rows in the trainer's columns.
            stage: the folder in which the run is built.
            task: the progress of writing.
        """
        output, kept_pairs = self.output, result.kept_rows
        size = output.rows_per_shard
        # Media are not sent to workers: files may be missing there, and bytes may be gigabytes.
        has_media = set(nonempty_attachments(kept_pairs.table)).intersection(MEDIA_COLUMNS)
        workers = None if has_media else self.workers
        by_row = self.export.row_by_row and output.file_type != "dataset"
        if workers is not None and by_row and not rows.is_split:
            settings = (stage / KEPT, output.file_type, size, workers, task.advance)
            convert = partial(self.export.convert, schema=self.schema)
            shards = shards_by_workers(rows.all_rows, convert, *settings)
        else:
            shards = rows.write(
                lambda pairs: self.export.stream(report_progress(pairs, task.advance), self.schema),
                *(stage / KEPT, output.file_type, size),
            )
        rows.check(self.export, shards)
        if not keeps_pairs(output.format, output.file_type, rows.is_split, rows.carrier):
            _write_table(kept_pairs, stage / PAIRS, size, workers, lambda _: None)
        _write_table(result.dropped_rows, stage / DROPPED, size, workers, task.advance)
        return shards


def _write_table(
    rows: RowSelection,
    folder: Path,
    size: int,
    workers: Workers | None,
    advance: Callable[[int], None],
) -> None:
    """Write the rows as a pair table, by the workers if there are some."""
    if workers is None:
        write_shards(report_progress(rows.iter_batches(), advance), folder, "parquet", size)
    else:
        shards_by_workers(rows, identity, folder, "parquet", size, workers, advance)
