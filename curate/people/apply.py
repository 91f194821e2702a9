"""Makes a run's shards anew by what reviewers said: `curate apply`."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from curate.data.table import DROP_REASON, DROP_STEP
from curate.people.verdict_log import FOLDER
from curate.pipeline.result import Result
from curate.pipeline.rewrite import rewrite_run
from curate.steps.context import Progress
from curate.steps.relabel import flip_labels
from curate.steps.step_record import StepRecord
from curate.verdicts.files import majority, read_verdicts
from curate.write.run_files import RunFiles

STEP = "review"


def verdict_files(run: Path) -> list[Path]:
    """The files that `curate review` wrote into the run."""
    return sorted((run / FOLDER).glob("*.jsonl"))


def apply_verdicts(
    run_folder: Path, files: list[Path], folder: Path, overwrite: bool, progress: Progress
) -> Result:
    """Write the run with the reviewers' verdicts as a last step, to a folder of its own.

    Where most reviewers of a pair say keep or flip it is kept (whatever filters said), with the
    label they say; drop and tie drop it. Without a majority, and for skip, the pair stays as the
    run left it. Pairs that filters had dropped and reviewers keep come back.

    Raises:
        CurateError: no run, or verdicts that cannot be read.
    """
    run = RunFiles(run_folder)
    pairs = run.all_pairs()
    warnings: list[str] = []
    said = majority(read_verdicts(files, warnings))
    judged = pairs.join(said, on="pair_id", how="left", maintain_order="left")
    flips = (judged["verdict"] == "flip").fill_null(False)
    # Flipped before fates are set: a pair that comes back has the label that people gave it.
    judged = judged.with_columns(flip_labels(judged, flips))
    verdict = pl.col("verdict")
    keep = verdict.is_in(["keep", "flip"]).fill_null(False)
    gone = verdict.is_in(["drop", "tie"]).fill_null(False)
    judged = judged.with_columns(
        pl.when(keep)
        .then(None)
        .when(gone)
        .then(pl.lit(STEP))
        .otherwise(DROP_STEP)
        .alias(DROP_STEP),
        pl.when(keep)
        .then(None)
        .when(gone)
        .then(pl.format("reviewers say {}", "verdict"))
        .otherwise(DROP_REASON)
        .alias(DROP_REASON),
    )
    judged = judged.drop("verdict")
    kept = int(judged[DROP_STEP].is_null().sum())
    record = _report(said, len(pairs), kept, warnings)
    return rewrite_run(run, judged, record, folder, overwrite, progress)


def _report(said: pl.DataFrame, pairs: int, kept: int, warnings: list[str]) -> StepRecord:
    counts = dict(said["verdict"].value_counts().iter_rows())
    return StepRecord(STEP, "filter", pairs, kept, 0.0, {"verdicts": counts}, tuple(warnings))
