"""Columns of the scorers that compare an answer's sentences with its sources."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from curate.models.text.sources import source_status

NO_SENTENCES = "no sentences"


def answer_support(
    count: int,
    sources: pl.DataFrame,
    best: Callable[[str], pl.DataFrame],
    value: str,
    of_answer: pl.Expr,
) -> pl.DataFrame:
    """Return `margin`, `chosen`, `rejected`, `weakest`, `source` and `status` of each pair.

    Args:
        count: pairs.
        sources: their `source_table`.
        best: gives of "chosen" or "rejected" each sentence (`row`, `number`, `sentence`) with the
            `source` that supports it best and the `value` of its support.
        value: name of that column.
        of_answer: what an answer gets from the support of its sentences.
    """
    rows = pl.DataFrame({"row": pl.int_range(count, dtype=pl.Int64, eager=True)})
    for side in ("chosen", "rejected"):
        supported = best(side)
        side_values = supported.group_by("row").agg(of_answer.alias(side))
        if side == "chosen":
            weakest = supported.sort(value, "number").group_by("row", maintain_order=True)
            worst = weakest.agg(pl.col("sentence").first().alias("weakest"), pl.first("source"))
            side_values = side_values.join(worst, on="row")
        rows = rows.join(side_values, on="row", how="left", maintain_order="left")
    return rows.select(
        margin=pl.col("chosen") - pl.col("rejected"),
        chosen="chosen",
        rejected="rejected",
        weakest="weakest",
        source="source",
        status=source_status(sources, rows, NO_SENTENCES),
    )


def best_source(supported: pl.DataFrame, value: str) -> pl.DataFrame:
    """Return each sentence with the source of the largest value, of several the first."""
    order = supported.sort("number", value, "source", descending=[False, True, False])
    return order.unique("number", keep="first", maintain_order=True)
