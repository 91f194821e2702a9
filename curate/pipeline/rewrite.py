"""Writes a finished run again, after a step that changed which pairs are kept."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from curate.data.row_selection import RowSelection
from curate.data.table import DROP_CODE, DROP_REASON, DROP_STEP, PAIR_COLUMNS
from curate.pipeline.config import parse_config
from curate.pipeline.plan import make_plan
from curate.pipeline.result import Result
from curate.pipeline.source_summary import summarise_by_source
from curate.pipeline.write_run import RunWriter
from curate.read.pairs import ORIGIN_COLUMNS, Pairs
from curate.steps.context import Progress
from curate.steps.step_record import StepRecord
from curate.write.run_files import RunFiles


def rewrite_run(
    run: RunFiles,
    pairs: pl.DataFrame,
    record: StepRecord,
    folder: Path,
    overwrite: bool,
    progress: Progress,
) -> Result:
    """Write the run with other pairs kept.

    Args:
        run: the finished run.
        pairs: all its pairs in the order of reading, with drop_step, drop_reason and drop_code.
        record: the record of the step that changed them.
        folder: the folder to write.
        overwrite: replace a finished run there.
        progress: receives the progress.
    """
    config = parse_config(dict(run.manifest.config))
    scores, frame = run.scores(), pairs.select(list(PAIR_COLUMNS))
    stays = pairs[DROP_STEP].is_null()
    fate_columns = (DROP_STEP, DROP_REASON, DROP_CODE)
    carried_columns = [n for n in pairs.columns if n not in (*PAIR_COLUMNS, *fate_columns)]
    all_pairs = RowSelection.from_table(frame)
    kept_pairs = all_pairs.where(stays.to_numpy()).with_columns(
        pairs.filter(stays).select(carried_columns)
    )
    fate = pairs.filter(~stays).select(fate_columns)
    dropped = all_pairs.where(~stays.to_numpy()).with_columns(fate)
    score_columns = scores.drop(list(ORIGIN_COLUMNS), strict=False)
    result = Result(
        score_columns,
        kept_pairs,
        dropped,
        run.rejected(),
        [*(step for step in run.manifest.steps if step.kind != "write"), record],
        sources=summarise_by_source(frame, kept_pairs, score_columns),
    )
    writer = RunWriter(config, make_plan(config), folder, overwrite, progress)
    return writer.write(result, _restore_pairs(run, frame, scores, result.rejected))


def _restore_pairs(
    run: RunFiles, frame: pl.DataFrame, scores: pl.DataFrame, rejected: pl.DataFrame
) -> Pairs:
    """Return the pairs as the manifest counts them."""
    has_origins = set(ORIGIN_COLUMNS) <= set(scores.columns)
    origins = (
        scores.select(list(ORIGIN_COLUMNS)) if has_origins else pl.DataFrame(schema=ORIGIN_COLUMNS)
    )
    source = run.manifest.input
    return Pairs(
        frame,
        rejected,
        origins,
        source.format,
        source.rows_read,
        folders=run.manifest.data_folders,
        numbered_by_content=source.numbered_by_content,
    )
