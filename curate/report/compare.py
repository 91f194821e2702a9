"""What two runs on the same data keep and drop: `curate compare`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from curate.data.table import messages_key
from curate.errors import CurateError
from curate.report.page import render_page, write_page
from curate.report.pair_details import pairs_with_diff
from curate.report.run_view import RunView, as_read, load_view

# As many as a reader goes through by hand.
MAX_COMPARED_PAIRS = 20
_FATES = ("both", "only_a", "only_b", "neither")


@dataclass(frozen=True)
class FateCounts:
    """Pairs of two runs, A and B, by what each did to them.

    Attributes:
        both: pairs that both keep.
        only_a: pairs that only A keeps.
        only_b: pairs that only B keeps.
        neither: pairs that none keeps.
        relabelled: pairs that both keep with opposite labels.
        read_by_a_alone: pairs that only A read.
        read_by_b_alone: pairs that only B read.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    relabelled: int
    read_by_a_alone: int
    read_by_b_alone: int


@dataclass(frozen=True)
class DropDifference:
    """Pairs that a step of one run dropped and the other run keeps.

    Attributes:
        run: "A" or "B".
        step: name of the step.
        pairs: number of pairs.
    """

    run: str
    step: str
    pairs: int


@dataclass(frozen=True)
class RunComparison:
    """Two runs, pair by pair.

    Attributes:
        first: the run A.
        second: the run B.
        counts: pairs by what each run did to them.
        jaccard: pairs that both keep over those that one keeps at least; 1 where neither keeps any.
        reasons: what only one run drops, by step, most pairs first.
        different: pair_id and fate of the pairs on which they differ.
    """

    first: RunView
    second: RunView
    counts: FateCounts
    jaccard: float
    reasons: list[DropDifference]
    different: pl.DataFrame


def compare_runs(folder_a: str | Path, folder_b: str | Path) -> RunComparison:
    """Compare two finished runs by the ids of their pairs.

    Raises:
        CurateError: a folder holds no finished run, or they have no pairs in common.
    """
    a, b = load_view(folder_a), load_view(folder_b)
    shared = _join_runs(a, b)
    if not len(shared):
        raise CurateError(
            "the runs have no pairs in common",
            where=f"{folder_a} and {folder_b}",
            fix="compare runs on the same data",
        )
    both, only_a, only_b, neither = (int((shared["fate"] == fate).sum()) for fate in _FATES)
    counts = FateCounts(
        both,
        only_a,
        only_b,
        neither,
        relabelled=int(shared["relabelled"].sum()),
        read_by_a_alone=len(a.frame) - len(shared),
        read_by_b_alone=len(b.frame) - len(shared),
    )
    union = both + only_a + only_b
    different = shared.filter(pl.col("fate").is_in(["only_a", "only_b"]) | pl.col("relabelled"))
    return RunComparison(
        a,
        b,
        counts,
        both / union if union else 1.0,
        _count_drop_steps(different),
        different.select("pair_id", "fate", "relabelled"),
    )


def _join_runs(a: RunView, b: RunView) -> pl.DataFrame:
    """Return the pairs of both runs, with fate and whether both keep them with opposite labels."""
    columns = {
        "kept": pl.col("kept"),
        "step": pl.col("drop_step"),
        "label": messages_key("chosen").hash(),
    }
    pairs_a, pairs_b = (
        view.frame.select("pair_id", **{f"{k}_{s}": e for k, e in columns.items()})
        for view, s in ((a, "a"), (b, "b"))
    )
    kept_a, kept_b = pl.col("kept_a"), pl.col("kept_b")
    fate = (
        pl.when(kept_a & kept_b)
        .then(pl.lit(_FATES[0]))
        .when(kept_a)
        .then(pl.lit(_FATES[1]))
        .when(kept_b)
        .then(pl.lit(_FATES[2]))
        .otherwise(pl.lit(_FATES[3]))
    )
    return pairs_a.join(pairs_b, on="pair_id", maintain_order="left").with_columns(
        fate=fate, relabelled=kept_a & kept_b & (pl.col("label_a") != pl.col("label_b"))
    )


def _count_drop_steps(different: pl.DataFrame) -> list[DropDifference]:
    """Return which steps dropped what the other run kept."""
    drops = [
        different.filter(pl.col("fate") == fate).select(
            run=pl.lit(run), step=pl.col(f"step_{run.lower()}")
        )
        for fate, run in (("only_a", "B"), ("only_b", "A"))
    ]
    table = pl.concat(drops).group_by("run", "step").agg(pairs=pl.len())
    table = table.sort("pairs", "run", "step", descending=[True, False, False])
    return [DropDifference(**row) for row in table.iter_rows(named=True)]


def comparison_html(comparison: RunComparison) -> str:
    """Return the comparison as a page, with some of the pairs on which the runs differ side by
    side.
    """
    ids = comparison.different.head(MAX_COMPARED_PAIRS)
    rows = as_read(
        ids.join(comparison.first.frame, on="pair_id", how="left", maintain_order="left")
    )
    fates = (
        "kept by both with opposite labels" if relabelled else _describe_fate(fate)
        for _, fate, relabelled in ids.iter_rows()
    )
    details = pairs_with_diff(as_read(rows), comparison.first)
    pairs = [replace(pair, why=why) for pair, why in zip(details, fates, strict=True)]
    return render_page(
        "compare.html.j2",
        title=f"{comparison.first.folder.name} and {comparison.second.folder.name} compared",
        comparison=comparison,
        pairs=pairs,
        data={},
    )


def _describe_fate(fate: str) -> str:
    return "kept only by A" if fate == "only_a" else "kept only by B"


def write_comparison(comparison: RunComparison, path: Path) -> None:
    """Write the page."""
    write_page(comparison_html(comparison), path)
