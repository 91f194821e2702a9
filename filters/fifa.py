"""FiFA: keeps the pairs of greatest importance, by margin, quality and diversity."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from curate import Column, Context, Filter, FilterResult, MissingParams, best_first, check_readable


class FiFAParams(MissingParams):
    """Parameters of `fifa`: exactly one of `keep` and `rows`."""

    margin: str = Field("reward_margin.margin", description="Column of the preference margin.")
    quality: str | None = Field(
        None, description="Column of the quality of prompt or answers, such as judge's; none: 0."
    )
    diversity: str | None = Field(
        "knn_diversity.entropy", description="Column of the k-nearest-neighbour entropy; none: 0."
    )
    sign: Literal["signed", "absolute"] = Field(
        "signed",
        description="signed also drops pairs whose label the margin contradicts; absolute keeps "
        "them (the paper's form is not settled in what we could read).",
    )
    quality_weight: float = Field(0.5, ge=0, description="Weight beside the margin's 1.")
    diversity_weight: float = Field(0.5, ge=0, description="Weight beside the margin's 1.")
    keep: float | None = Field(None, ge=0, le=1, description="Share of the pairs that is kept.")
    rows: int | None = Field(None, ge=0, description="Number of pairs that is kept.")

    @model_validator(mode="after")
    def _one(self) -> FiFAParams:
        if (self.keep is None) == (self.rows is None):
            raise ValueError("give exactly one of keep and rows")
        return self


class FiFA(Filter[FiFAParams]):
    """Adds importance = z(margin) + a z(quality) + g z(diversity) and keeps the top.

    z is the distance from the mean in standard deviations, so that units do not matter; weights
    are ours.
    """

    name = "fifa"
    purpose = "keep the best"
    when = (
        "With the signed margin (+.015 on clean labels here); by the absolute margin it "
        "did not help."
    )
    summary = "keep the top by margin, quality and k-nearest-neighbour entropy (FiFA)"
    reference = "FiFA, arXiv 2410.10166"
    Params = FiFAParams

    def _terms(self) -> dict[str, float]:
        p = self.params
        terms = {p.margin: 1.0}
        if p.quality is not None:
            terms[p.quality] = p.quality_weight
        if p.diversity is not None:
            terms[p.diversity] = p.diversity_weight
        return terms

    def reads(self) -> tuple[str, ...]:
        """The terms' columns."""
        return tuple(self._terms())

    def adds(self) -> tuple[Column, ...]:
        """The importance."""
        return (
            Column("importance", "sum of the weighted terms", "float", "higher is better"),
            Column("status", "ok, or which term is missing", "text"),
        )

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the pairs of greatest importance among those that have all terms."""
        p, terms = self.params, self._terms()
        values = pairs.select(check_readable(pairs[c], self.name) for c in terms)
        # The margin's size alone, before it is set against the mean of the sizes.
        if p.sign == "absolute":
            values = values.with_columns(pl.col(p.margin).abs())
        # Terms have units of their own, which would decide their sum.
        parts = [_standardised(pl.col(c)) * weight for c, weight in terms.items()]
        missing = [pl.when(pl.col(c).is_null()).then(pl.lit(f"{c} is missing")) for c in terms]
        lacks = pl.concat_str(missing, separator=", ", ignore_nulls=True)
        whole = pl.all_horizontal(pl.col(list(terms)).is_not_null())
        added = values.select(
            importance=pl.when(whole).then(pl.sum_horizontal(parts)),
            status=pl.when(whole).then(pl.lit("ok")).otherwise(lacks),
        )
        # A share is one of the pairs that could be ranked at all.
        known = len(pairs) - added["importance"].null_count()
        wanted = round(p.keep * known) if p.keep is not None else min(p.rows or 0, known)
        judged = added.with_columns(rank=best_first(added["importance"], "max")).select(
            keep=(pl.col("rank") <= wanted).fill_null(p.missing == "keep"),
            reason=pl.when(pl.col("rank").is_not_null())
            .then(pl.format("rank {} of {} by importance, {} kept", "rank", known, wanted))
            .otherwise("status"),
        )
        return FilterResult(judged["keep"], judged["reason"], added)


def _standardised(column: pl.Expr) -> pl.Expr:
    spread = column.std(ddof=0)
    # A constant term ranks nothing; a null stays null.
    return pl.when(spread > 0).then((column - column.mean()) / spread).otherwise(0.0 * column)
