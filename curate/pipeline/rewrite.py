"""Writes a finished run anew, after a step that judged its pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from curate.data.pair_rows import PairRows
from curate.data.table import DROP_CODE, DROP_REASON, DROP_STEP, PAIR_COLUMNS
from curate.pipeline.by_source import by_source
from curate.pipeline.config import parse_config
from curate.pipeline.plan import make_plan
from curate.pipeline.result import Result
from curate.pipeline.write_run import write_run
from curate.read.pairs import ORIGIN_COLUMNS, Pairs
from curate.steps.context import Progress
from curate.steps.step_record import StepRecord
from curate.write.manifest import BY_CONTENT, REPEATED_IDS, data_folders
from curate.write.run_files import RunFiles


def rewrite_run(
    run: RunFiles,
    judged: pl.DataFrame,
    record: StepRecord,
    folder: Path,
    overwrite: bool,
    progress: Progress,
) -> Result:
    """Write the run with other pairs kept.

    Args:
        run: as it was.
        judged: all its pairs in the order of reading, with drop_step, drop_reason and drop_code.
        record: of the step that judged them.
        folder: to write.
        overwrite: replace a finished run there.
        progress: where progress is shown.
    """
    config = parse_config(run.manifest["config"])
    scores, frame = run.scores(), judged.select(list(PAIR_COLUMNS))
    stays = judged[DROP_STEP].is_null()
    fate_columns = (DROP_STEP, DROP_REASON, DROP_CODE)
    others = [n for n in judged.columns if n not in (*PAIR_COLUMNS, *fate_columns)]
    every = PairRows.whole(frame)
    kept = every.where(stays.to_numpy()).adding(judged.filter(stays).select(others))
    fate = judged.filter(~stays).select(fate_columns)
    dropped = every.where(~stays.to_numpy()).adding(fate)
    own = scores.drop(list(ORIGIN_COLUMNS), strict=False)
    result = Result(
        own,
        kept,
        dropped,
        run.rejected(),
        [*_steps(run), record],
        sources=by_source(frame, kept, own),
    )
    whole = _pairs_read(run, frame, scores, result.rejected)
    return write_run(config, make_plan(config), result, whole, folder, overwrite, progress)


def _steps(run: RunFiles) -> list[StepRecord]:
    steps = [StepRecord(**s) for s in run.manifest["steps"] if s["kind"] != "write"]
    return [replace(step, warnings=tuple(step.warnings)) for step in steps]


def _pairs_read(
    run: RunFiles, frame: pl.DataFrame, scores: pl.DataFrame, rejected: pl.DataFrame
) -> Pairs:
    """The pairs as the manifest counts them."""
    known = set(ORIGIN_COLUMNS) <= set(scores.columns)
    origins = scores.select(list(ORIGIN_COLUMNS)) if known else pl.DataFrame(schema=ORIGIN_COLUMNS)
    source = run.manifest["input"]
    return Pairs(
        frame,
        rejected,
        origins,
        source["format"],
        source["rows_read"],
        folders=data_folders(run.manifest),
        numbered_by_content=source.get(REPEATED_IDS) == BY_CONTENT,
    )
