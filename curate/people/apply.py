"""Rewrites a run's shards by the reviewers' verdicts: `curate apply`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from curate.data.table import DROP_CODE, DROP_REASON, DROP_STEP
from curate.pipeline.result import Result
from curate.pipeline.rewrite import rewrite_run
from curate.steps.context import Progress
from curate.steps.relabel import flip_labels
from curate.steps.step_record import StepRecord
from curate.verdicts.files import FOLDER, majority_verdicts, read_verdicts
from curate.verdicts.match import match_verdicts
from curate.write.exports import LABEL_PROBABILITY
from curate.write.run_files import RunFiles

STEP = "review"


@dataclass(frozen=True)
class AppliedVerdicts:
    """What reviewers said, as it was applied to a run.

    Attributes:
        verdicts: number of pairs by the verdict of most of their reviewers.
        turned: verdicts from before the label was flipped.
        ignored: verdicts on pairs that the run does not hold.
    """

    verdicts: dict[str, int]
    turned: int
    ignored: int


def verdict_files(run: Path) -> list[Path]:
    """Return the files that `curate review` wrote into the run."""
    return sorted((run / FOLDER).glob("*.jsonl"))


def apply_verdicts(
    run_folder: Path,
    files: list[Path],
    folder: Path,
    overwrite: bool,
    progress: Progress,
    ignore_unknown: bool = False,
) -> tuple[Result, AppliedVerdicts]:
    """Write the run with the reviewers' verdicts as a last step, to a folder of its own.

    Where most reviewers of a pair say keep or flip it is kept (whatever filters said), with the
    label they say; drop and tie drop it. Without a majority, and for skip, the pair stays as the
    run left it. Pairs that filters had dropped and reviewers keep come back.

    A verdict from before the label was flipped is adjusted: it prefers the same answer.

    Args:
        run_folder: the run.
        files: files of verdicts.
        folder: where the new run goes.
        overwrite: whether a finished run there may be replaced.
        progress: where progress is shown.
        ignore_unknown: leave out verdicts on pairs that the run does not hold, and count them.

    Raises:
        CurateError: no run, verdicts that cannot be read, or verdicts on pairs that the run does
            not hold or whose answers have changed.
    """
    run = RunFiles(run_folder)
    pairs = run.all_pairs()
    warnings: list[str] = []
    matched = match_verdicts(pairs, read_verdicts(files, warnings))
    if not ignore_unknown:
        matched.require_all(str(run_folder), "or --ignore-unknown to apply only the others")
    winners = majority_verdicts(matched.frame)
    reviewed = _apply_majority(pairs, winners)
    counts = dict(winners["verdict"].value_counts(sort=True).iter_rows())
    applied = AppliedVerdicts(counts, matched.turned, matched.unmatched)
    record = _review_record(reviewed, applied, (*warnings, *matched.warnings()))
    return rewrite_run(run, reviewed, record, folder, overwrite, progress), applied


def _review_record(
    reviewed: pl.DataFrame, applied: AppliedVerdicts, warnings: tuple[str, ...]
) -> StepRecord:
    # People may bring dropped pairs back, so this is not what an ordinary filter counts.
    kept_count = int(reviewed[DROP_STEP].is_null().sum())
    return StepRecord(STEP, "filter", len(reviewed), kept_count, 0.0, asdict(applied), warnings)


def _apply_majority(pairs: pl.DataFrame, winners: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs with the labels, the drop columns and the certainty that reviewers give.

    Args:
        pairs: all pairs of the run, with their drop columns.
        winners: pair_id and verdict of the pairs on which most reviewers agree.
    """
    reviewed = pairs.join(winners, on="pair_id", how="left", maintain_order="left")
    flips = (reviewed["verdict"] == "flip").fill_null(False)
    # Flipped before fates are set: a pair that comes back has the label that people gave it.
    reviewed = reviewed.with_columns(flip_labels(reviewed, flips))
    is_kept = pl.col("verdict").is_in(["keep", "flip"]).fill_null(False)
    reviewed = reviewed.with_columns(_drop_columns(is_kept))
    if LABEL_PROBABILITY in reviewed.columns:
        # What people said is no longer a guess, and the label may be the other one.
        probability = pl.when(is_kept).then(1.0).otherwise(LABEL_PROBABILITY)
        reviewed = reviewed.with_columns(probability.alias(LABEL_PROBABILITY))
    return reviewed.drop("verdict")


def _drop_columns(is_kept: pl.Expr) -> list[pl.Expr]:
    """Return step, reason and code of the drop: the reviewers' where there is a verdict."""
    is_dropped = pl.col("verdict").is_in(["drop", "tie"]).fill_null(False)
    reviewers_values = {
        DROP_STEP: pl.lit(STEP),
        DROP_REASON: pl.format("reviewers say {}", "verdict"),
        DROP_CODE: pl.format("review_{}", "verdict"),
    }
    return [
        pl.when(is_kept).then(None).when(is_dropped).then(value).otherwise(column).alias(column)
        for column, value in reviewers_values.items()
    ]
