"""What two runs on the same data keep and drop: `curate compare`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from curate.data.table import messages_key
from curate.errors import CurateError
from curate.report.build import page, pairs_with_diff, written
from curate.report.run_view import RunView, load_view

# As many as a reader goes through by hand.
SHOWN = 20
_FATES = ("both", "only_a", "only_b", "neither")


@dataclass(frozen=True)
class Comparison:
    """Two runs, pair by pair.

    Attributes:
        first: the run A.
        second: the run B.
        counts: pairs that both keep, only A, only B, neither; pairs of one run alone; pairs that
            both keep with opposite labels.
        jaccard: pairs that both keep over those that one keeps at least; 1 where neither keeps any.
        reasons: drop_step, pairs and run of what one run alone drops, the most first.
        different: pair_id and fate of the pairs on which they differ.
    """

    first: RunView
    second: RunView
    counts: dict[str, int]
    jaccard: float
    reasons: list[dict[str, Any]]
    different: pl.DataFrame


def compare(first: str | Path, second: str | Path) -> Comparison:
    """Compare two finished runs by the ids of their pairs.

    Raises:
        CurateError: a folder holds no finished run, or they share no pair.
    """
    a, b = load_view(first), load_view(second)
    shared = _shared(a, b)
    if not len(shared):
        raise CurateError(
            "the runs share no pair",
            where=f"{first} and {second}",
            fix="compare runs on the same data",
        )
    counts = {name: int((shared["fate"] == name).sum()) for name in _FATES}
    counts |= {
        "relabelled": int(shared["relabelled"].sum()),
        "read_by_a_alone": len(a.frame) - len(shared),
        "read_by_b_alone": len(b.frame) - len(shared),
    }
    union = counts["both"] + counts["only_a"] + counts["only_b"]
    different = shared.filter(pl.col("fate").is_in(["only_a", "only_b"]) | pl.col("relabelled"))
    return Comparison(
        a,
        b,
        counts,
        counts["both"] / union if union else 1.0,
        _reasons(different),
        different.select("pair_id", "fate", "relabelled"),
    )


def _shared(a: RunView, b: RunView) -> pl.DataFrame:
    """The pairs of both runs, with fate and whether both keep them with opposite labels."""
    columns = {
        "kept": pl.col("kept"),
        "step": pl.col("drop_step"),
        "label": messages_key("chosen").hash(),
    }
    first, second = (
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
    return first.join(second, on="pair_id", maintain_order="left").with_columns(
        fate=fate, relabelled=kept_a & kept_b & (pl.col("label_a") != pl.col("label_b"))
    )


def _reasons(different: pl.DataFrame) -> list[dict[str, Any]]:
    """Which steps dropped what the other run kept."""
    parts = [
        different.filter(pl.col("fate") == fate).select(
            run=pl.lit(run), step=pl.col(f"step_{run.lower()}")
        )
        for fate, run in (("only_a", "B"), ("only_b", "A"))
    ]
    table = pl.concat(parts).group_by("run", "step").agg(pairs=pl.len())
    return table.sort("pairs", "run", "step", descending=[True, False, False]).to_dicts()


def comparison_html(found: Comparison) -> str:
    """The comparison as a page, with some of the pairs on which the runs differ side by side."""
    ids = found.different.head(SHOWN)
    rows = ids.join(found.first.frame, on="pair_id", how="left", maintain_order="left")
    shown = pairs_with_diff(rows, found.first)
    for pair, (_, fate, relabelled) in zip(shown, ids.iter_rows(), strict=True):
        pair["why"] = "kept by both with opposite labels" if relabelled else _said(fate)
    return page(
        "compare.html.j2",
        title=f"{found.first.folder.name} and {found.second.folder.name} compared",
        found=found,
        pairs=shown,
        data={},
    )


def _said(fate: str) -> str:
    return "kept by A alone" if fate == "only_a" else "kept by B alone"


def write_comparison(found: Comparison, path: Path) -> None:
    """Write the page."""
    written(comparison_html(found), path)
