"""Brings verdicts of people back as votes of further annotators: `curate merge`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from curate.data.json_fields import extra_value, with_extra_key
from curate.data.table import PAIR_COLUMNS, PairIds
from curate.read.pairs import read_pairs
from curate.steps.context import Progress
from curate.steps.relabel import flip_labels
from curate.verdicts.files import VERDICTS, VOTES, read_verdicts
from curate.verdicts.match import match_verdicts
from curate.write.run_files import RunFiles, is_run
from curate.write.run_folder import atomic_folder
from curate.write.shards import write_json, write_shards

MARK = "merge.json"


@dataclass(frozen=True)
class MergedVerdicts:
    """Pairs with the verdicts as votes.

    Attributes:
        frame: the pair table: all pairs as they were, then one pair a vote.
        verdicts: pair_id, reviewer and verdict, the last of each reviewer on each pair.
        counts: number of each verdict.
        warnings: what the user should know.
    """

    frame: pl.DataFrame
    verdicts: pl.DataFrame
    counts: dict[str, int]
    warnings: tuple[str, ...] = ()


def merge_verdicts(pairs: pl.DataFrame, verdicts: pl.DataFrame) -> MergedVerdicts:
    """Add one pair for each vote, with the reviewer as annotator.

    Args:
        pairs: the pair table on whose labels the verdicts were given.
        verdicts: from `read_verdicts`.

    Raises:
        CurateError: a verdict on a pair that is not there, or whose answers have changed.
    """
    matched = match_verdicts(pairs, verdicts)
    matched.require_all("the data to merge into")
    verdicts = matched.frame
    votes = _distinguish_reviewers(verdicts.filter(pl.col("verdict").is_in(VOTES)), pairs)
    new_votes = votes.join(pairs, on="pair_id", how="left", maintain_order="left")
    # A flip exchanges the media of both answers too, and marks whose side scores in `extra` take.
    derived = (
        new_votes.with_columns(flip_labels(new_votes, new_votes["verdict"] == "flip"))
        .with_columns(
            # Only the vote is copied: the first annotator's strength of preference is not
            # this one's.
            is_tie=pl.col("verdict") == "tie",
            annotator="reviewer",
            strength=pl.lit(None, dtype=pl.Float32),
            extra=with_extra_key("extra", "verdict_on", pl.format('"{}"', "pair_id")),
            pair_id=pl.lit(None, dtype=pl.String),
        )
        .select(list(PAIR_COLUMNS))
    )
    counts = Counter(verdicts["verdict"].to_list())
    ordered = {name: counts[name] for name in VERDICTS}
    old = pairs.select(list(PAIR_COLUMNS))
    # Ids that the data has already (an earlier merge of the same person) are not given again.
    ids = PairIds([old["pair_id"]])
    return MergedVerdicts(
        pl.concat([old, ids.fill_missing(derived)]), verdicts, ordered, tuple(matched.warnings())
    )


def _distinguish_reviewers(votes: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Rename reviewers who share a name with an annotator in the data."""
    # Names from before any merge: a reviewer who shares an annotator's name is another person.
    published_names = pairs.filter(~extra_value("verdict_on").is_not_null().fill_null(False))[
        "annotator"
    ]
    is_published = pl.col("reviewer").is_in(published_names.drop_nulls().unique().implode())
    other = pl.format("reviewer {}", "reviewer")
    return votes.with_columns(reviewer=pl.when(is_published).then(other).otherwise("reviewer"))


def merge_files(
    data: str, verdict_files: list[Path], folder: Path, overwrite: bool, progress: Progress
) -> MergedVerdicts:
    """Merge verdicts into the pairs of a run or dataset, and write the pair table.

    Args:
        data: folder of a finished run, or a data set.
        verdict_files: what people said.
        folder: to write into: `pairs/` and merge.json.
        overwrite: replace an earlier merge.
        progress: where progress is shown.
    """
    warnings: list[str] = []
    verdicts = read_verdicts(verdict_files, warnings)
    if is_run(data):
        pairs = RunFiles(data).all_pairs()
    else:
        read = read_pairs(data, on_error="skip", progress=progress)
        pairs = read.frame
        warnings += read.reading_notes()
    merged = merge_verdicts(pairs, verdicts)
    merged = replace(merged, warnings=(*warnings, *merged.warnings))
    with atomic_folder(folder, overwrite, MARK) as stage:
        write_shards([merged.frame], stage / "pairs", "parquet", 100_000)
        reviewers = merged.verdicts["reviewer"].n_unique()
        facts = {"data": data, "pairs": len(pairs), "reviewers": reviewers}
        write_json(facts | {"verdicts": merged.counts}, stage / MARK)
    return merged
