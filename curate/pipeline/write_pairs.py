"""Writes the shards of a run: kept pairs in the trainer's form, all pairs as pair tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from curate.data.attachments import MEDIA_COLUMNS, nonempty_attachments
from curate.data.row_selection import RowSelection
from curate.pipeline.plan import PipelinePlan
from curate.pipeline.result import Result
from curate.steps.context import Task, report_progress
from curate.steps.workers import Workers
from curate.write.drawn_rows import WeighedRows
from curate.write.manifest import ShardFile
from curate.write.output import OutputConfig
from curate.write.run_files import DROPPED, KEPT, PAIRS, keeps_pairs
from curate.write.shards import write_shards
from curate.write.worker_shards import identity, shards_by_workers


def write_pairs(
    plan: PipelinePlan,
    result: Result,
    written: WeighedRows,
    stage: Path,
    output: OutputConfig,
    task: Task,
    workers: Workers | None,
) -> list[ShardFile]:
    """Write the kept pairs in the trainer's form and as pair table, and the dropped pairs.

    Args:
        plan: the plan of the run.
        result: the result with all its pairs.
        written: the rows in the trainer's form.
        stage: the folder in which the run is built.
        output: the output section of the pipeline.
        task: the progress of writing.
        workers: the workers of the run.

    Returns:
        Name, rows and checksum of each shard of kept pairs.
    """
    size, kept_pairs = output.rows_per_shard, result.kept_rows
    # Media are not sent to workers: their files may be missing there, and bytes may be gigabytes.
    shard_workers = (
        None if set(nonempty_attachments(kept_pairs.table)).intersection(MEDIA_COLUMNS) else workers
    )

    by_worker = plan.export.row_by_row and output.file_type != "dataset"
    if shard_workers is not None and by_worker and not written.is_split:
        settings = (stage / KEPT, output.file_type, size, shard_workers, task.advance)
        shards = shards_by_workers(written.all_rows, plan.export.convert, *settings)
        written.check(plan.export, shards)
    else:
        shards = written.write(plan.export, stage / KEPT, output.file_type, size, task.advance)
    if not keeps_pairs(output.format, output.file_type, written.is_split, written.carrier):
        _write_table(kept_pairs, stage / PAIRS, size, shard_workers, lambda _: None)
    _write_table(result.dropped_rows, stage / DROPPED, size, shard_workers, task.advance)
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
