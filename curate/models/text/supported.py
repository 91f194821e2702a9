"""What a scorer of sentences and sources tells of both answers."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from curate.models.text.sources import source_status

NO_SENTENCES = "no sentences"


def answer_support(
    count: int,
    known: pl.DataFrame,
    best: Callable[[str], pl.DataFrame],
    value: str,
    of_answer: pl.Expr,
) -> pl.DataFrame:
    """`margin`, `chosen`, `rejected`, `weakest`, `source` and `status` of each pair.

    Args:
        count: pairs.
        known: their `source_table`.
        best: gives of "chosen" or "rejected" each sentence (`row`, `number`, `sentence`) with the
            `source` that supports it best and the `value` of its support.
        value: name of that column.
        of_answer: what an answer gets from the support of its sentences.
    """
    rows = pl.DataFrame({"row": pl.int_range(count, dtype=pl.Int64, eager=True)})
    for side in ("chosen", "rejected"):
        said = best(side)
        found = said.group_by("row").agg(of_answer.alias(side))
        if side == "chosen":
            weakest = said.sort(value, "number").group_by("row", maintain_order=True)
            worst = weakest.agg(pl.col("sentence").first().alias("weakest"), pl.first("source"))
            found = found.join(worst, on="row")
        rows = rows.join(found, on="row", how="left", maintain_order="left")
    return rows.select(
        margin=pl.col("chosen") - pl.col("rejected"),
        chosen="chosen",
        rejected="rejected",
        weakest="weakest",
        source="source",
        status=source_status(known, rows, NO_SENTENCES),
    )


def best_source(supported: pl.DataFrame, value: str) -> pl.DataFrame:
    """Each sentence with the source of the largest value, of several the first."""
    order = supported.sort("number", value, "source", descending=[False, True, False])
    return order.unique("number", keep="first", maintain_order=True)
