"""How several scored answers to one prompt become pairs."""

from __future__ import annotations

import polars as pl

from curate.read.formats.base import ERROR, ROW, as_turn
from curate.read.formats.rule import RankingRule
from curate.read.formats.slots import add_to_extra

RANKED = pl.List(pl.Struct({"text": pl.String, "score": pl.Float64}))
_LEAST = 2
_GOLDEN = 2_654_435_761
_ROWS_A_SEED = 7_919
_TOO_FEW = "the ranking makes no pair; expected two scored answers or more"


def pairs_of_rankings(rows: pl.DataFrame, rule: RankingRule) -> pl.DataFrame:
    """Pairs of a frame with `_ranked` of type `RANKED` (larger scores better), `ROW` and `EXTRA`.

    Answers of equal score make a tie, in their order. An answer without text or score makes no
    pair, and a row with fewer than two others is malformed. `extra` gains the positions (from 0)
    and scores of both answers.
    """
    ranked = rows.select(ROW, "_ranked").with_columns(
        _at=pl.int_ranges(pl.col("_ranked").list.len())
    )
    answers = ranked.explode("_ranked", "_at").unnest("_ranked").drop_nulls(["text", "score"])
    best_first = answers.sort(ROW, "score", "_at", descending=[False, True, False])
    order = pl.int_range(pl.len()).over(ROW)
    numbered = best_first.with_columns(_order=order, _last=pl.len().over(ROW) - 1)
    both = numbered.join(numbered, on=ROW, suffix="_other", maintain_order="left_right")
    both = both.filter(pl.col("_order") < pl.col("_order_other"), _wanted(rule))
    gap = pl.col("score") - pl.col("score_other")
    both = both.with_columns(strength=gap.cast(pl.Float32)).filter(gap >= rule.min_gap)
    made = rows.drop("_ranked").join(both, on=ROW, maintain_order="left_right")
    made = made.with_columns(add_to_extra("pair_of_answers", _numbers("_at"))).with_columns(
        add_to_extra("scores", _numbers("score")),
        chosen=as_turn("text", "assistant"),
        rejected=as_turn("text_other", "assistant"),
        is_tie=pl.col("strength") == 0,
    )
    few = numbered.group_by(ROW).len().filter(pl.col("len") >= _LEAST)
    alone = rows.drop("_ranked").join(few, on=ROW, how="anti")
    alone = alone.with_columns(pl.lit(_TOO_FEW).alias(ERROR))
    return pl.concat([made, alone], how="diagonal").sort(ROW, maintain_order=True)


def _wanted(rule: RankingRule) -> pl.Expr:
    if rule.pairs == "all":
        return pl.lit(True)
    best = pl.col("_order") == 0
    if rule.pairs == "best_rest":
        return best
    if rule.pairs == "best_random":
        return best & (pl.col("_order_other") == 1 + _random_below(pl.col("_last"), rule.seed))
    return best & (pl.col("_order_other") == pl.col("_last"))


def _random_below(bound: pl.Expr, seed: int) -> pl.Expr:
    """A number from 0 to below `bound`, the same for the same row number, seed and bound.

    Multiplicative hashing (Knuth): polars' own hash may differ between versions.
    """
    mixed = (pl.col(ROW) + seed * _ROWS_A_SEED).cast(pl.UInt64) * _GOLDEN % (1 << 32)
    return (mixed * bound.cast(pl.UInt64) // (1 << 32)).cast(pl.Int64)


def _numbers(column: str) -> pl.Expr:
    """Both values as a JSON list."""
    return pl.format("[{},{}]", column, f"{column}_other")
