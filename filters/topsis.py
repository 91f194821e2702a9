"""TOPSIS: ranks pairs by closeness to the best and distance from the worst of several scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from curate import (
    Column,
    Context,
    Filter,
    FilterResult,
    MissingParams,
    Prefer,
    as_numeric_column,
    best_first,
    suggestion,
    with_reasons,
)
from curate.scoring import batch_slices
from curate.scoring.filtering import missing_codes
from curate.scoring.texts import dense_ranks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_MAX_WEIGHT = 1e12
"""Largest weight: sums and squares of weights stay far below the float limit."""
# Bounds the temporary arrays of one block to half a megabyte.
_ROWS_PER_BLOCK = 1 << 16
Normalisation = Literal["vector", "rank"]


_MIN_RELATIVE_SPREAD = 1e-12
"""Spread, as a share of the largest value, below which a column counts as constant."""


class TOPSISParams(MissingParams):
    """Parameters of `topsis`."""

    criteria: dict[str, Prefer] = Field(
        min_length=1, description="Columns, and whether large (max) or small (min) values are best."
    )
    weights: dict[str, float] | None = Field(
        None, description="Weight of each criterion; default equal. Only their ratios count."
    )
    keep: float = Field(1.0, ge=0, le=1, description="Share of the ranked pairs that is kept.")
    by: str | None = Field(
        None,
        description="Rank pairs separately for each value of this column: source, annotator...",
    )
    normalisation: Normalisation = Field(
        "vector",
        description="vector (the textbook's: by the column's norm) or rank (one outlier cannot set "
        "the ideal point).",
    )

    @model_validator(mode="after")
    def _weights(self) -> TOPSISParams:
        for name, weight in (self.weights or {}).items():
            if name not in self.criteria:
                raise ValueError(f"weight of '{name}': {suggestion(name, self.criteria)}")
            if weight < 0:
                raise ValueError(f"the weight of '{name}' is negative")
            if weight > _MAX_WEIGHT:
                raise ValueError(f"the weight of '{name}' is {weight}; at most {_MAX_WEIGHT:g}")
        left_out = set(self.criteria) - set(self.weights or self.criteria)
        if left_out:
            raise ValueError(f"no weight for {', '.join(sorted(left_out))}; give 0 to leave it out")
        if self.weights and not any(self.weights.values()):
            raise ValueError("all weights are 0")
        return self


class TOPSIS(Filter[TOPSISParams]):
    """Rank pairs by closeness to the ideal point of several scores (TOPSIS), keep the best share.

    `score` is d- / (d+ + d-), 0 to 1, where d+ and d- are the Euclidean distances to the best and
    the worst value of every criterion, after division by the column's norm and multiplication by
    its weight (Hwang and Yoon 1981; used by DONOD). Use it to weigh several scores; check the
    criteria's directions in `curate list NAME`.

    Examples:
        >>> pairs = pl.DataFrame({"s.x": [3.0, 2.0, 1.0], "s.y": [1.0, 1.5, 2.0]})
        >>> step = TOPSIS(criteria={"s.x": "max", "s.y": "min"}, keep=0.5)
        >>> step.apply(pairs, Context()).added["score"].round(3).to_list()
        [1.0, 0.5, 0.0]
    """

    name = "topsis"
    purpose = "keep the best"
    when = "To weigh several scores. Check the criteria's directions in `curate list NAME`."
    summary = "rank by several scores with directions and weights (TOPSIS), keep the best share"
    reference = "Hwang and Yoon 1981, Multiple Attribute Decision Making; used by DONOD"
    single_answers = True
    Params = TOPSISParams
    drop_codes = ("topsis_rank", "topsis_missing")

    def reads(self) -> tuple[str, ...]:
        """Read the criteria."""
        by = () if self.params.by is None else (self.params.by,)
        return (*self.params.criteria, *by)

    def adds(self) -> tuple[Column, ...]:
        """Add the closeness."""
        return (
            Column("score", "closeness to the ideal point", "float", "higher is better", "0 to 1"),
            Column("status", "ok, or which criterion is missing", "text"),
        )

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Rank the pairs that have every criterion."""
        p = self.params
        group = None
        if p.by is not None:
            group = dense_ranks(pairs[p.by].cast(pl.String).fill_null("(none)"))
        added = context.scratch.collect(self.name, self._score_blocks(pairs, group))
        constant = [c for c in p.criteria if pairs[c].drop_nulls().n_unique() == 1]
        if constant and len(pairs) > 1:
            context.warnings.append(
                f"equal for all pairs, so without effect on the ranking: {', '.join(constant)}"
            )
        ranks = _Ranks.from_scores(added["score"], group, p.keep)
        keep = ranks.keep_mask().fill_null(p.missing == "keep")
        rank = pl.format("rank {} of {} by TOPSIS, {} kept", "rank", "of", "wanted")
        reason = pl.when(pl.col("rank").is_null()).then("status").otherwise(rank)

        def reasons(rows: pl.Series) -> pl.Series:
            status = added["status"].gather(rows).alias("status")
            return ranks.take_rows(rows).with_columns(status).select(reason).to_series()

        code = missing_codes(added["score"].is_null(), self.drop_codes)
        return replace(with_reasons(keep, reasons), added=added, code=code)

    def _score_blocks(
        self, pairs: pl.DataFrame, group: NDArray[np.int64] | None
    ) -> Iterator[pl.DataFrame]:
        """Yield closeness and status of the pairs, block by block."""
        p = self.params
        values = pl.DataFrame([as_numeric_column(pairs[c], self.name) for c in p.criteria])
        complete_mask = values.select(w=pl.all_horizontal(pl.all().is_not_null()))["w"].to_numpy()
        # Negated criteria turn every column into larger-is-better.
        signs = np.array([1.0 if d == "max" else -1.0 for d in p.criteria.values()])
        weights = np.array([1.0 if not p.weights else p.weights.get(c, 0.0) for c in p.criteria])
        score = np.full(len(pairs), np.nan)
        # Pairs without a criterion are excluded from norms and ideal points too.
        complete_rows = slice(None) if complete_mask.all() else complete_mask
        for rows in (
            [complete_rows] if group is None else _split_rows_by_group(group, complete_mask)
        ):
            # Column by column: one matrix of all would need the memory twice.
            columns = (column.to_numpy()[rows] for column in values)
            score[rows] = closeness(columns, signs, weights, p.normalisation)
        missing_criteria = pl.concat_str(
            [pl.when(pl.col(c).is_null()).then(pl.lit(f"{c} is missing")) for c in p.criteria],
            separator=", ",
            ignore_nulls=True,
        )
        status = pl.when(pl.all_horizontal(pl.all().is_not_null())).then(pl.lit("ok"))
        # In blocks: the status of all pairs would need more memory than the scores.
        for rows in batch_slices(len(pairs), _ROWS_PER_BLOCK) or [slice(0, 0)]:
            # A score is NaN only for pairs without a criterion.
            scores = pl.Series("score", score[rows]).fill_nan(None)
            statuses = values[rows].select(status=status.otherwise(missing_criteria))
            yield pl.DataFrame([scores, statuses["status"]])


def _split_rows_by_group(
    group: NDArray[np.int64], complete_mask: NDArray[np.bool_]
) -> list[NDArray[np.int64]]:
    """Return the complete rows of each group that has any."""
    order = np.argsort(group, kind="stable")
    order = order[complete_mask[order]]
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


@dataclass(frozen=True)
class _Ranks:
    """Ranks by score within groups, and how many pairs of each group to keep.

    Attributes:
        rank: (pairs,) from 1 within the pair's group; null without a score.
        group: (pairs,) number of each pair's group; None where all are one.
        sizes: per group, the number of pairs with a score (`of`) and to keep (`wanted`).
    """

    rank: pl.Series
    group: NDArray[np.int64] | None
    sizes: pl.DataFrame

    @classmethod
    def from_scores(cls, score: pl.Series, group: NDArray[np.int64] | None, share: float) -> _Ranks:
        rank = best_first(score, "max").alias("rank")
        if group is None:
            ranked_counts = pl.Series([score.count()])
        else:
            # The rank within the group follows from the order of all pairs.
            ranked = pl.DataFrame([rank, pl.Series("group", group)])
            ranked_counts = (
                ranked.group_by("group").agg(pl.col("rank").count()).sort("group")["rank"]
            )
            rank = ranked.select(pl.col("rank").rank("ordinal").over("group"))["rank"]
        # half_to_even, as Python's round does elsewhere.
        keep_counts = (share * ranked_counts).round(mode="half_to_even").cast(pl.Int64)
        return cls(
            rank, group, pl.DataFrame([ranked_counts.alias("of"), keep_counts.alias("wanted")])
        )

    def keep_mask(self) -> pl.Series:
        """Return whether each pair is among the best share; null without a score."""
        keep_counts = self.sizes["wanted"]
        return self.rank <= (
            keep_counts[0] if self.group is None else keep_counts.gather(self.group)
        )

    def take_rows(self, rows: pl.Series) -> pl.DataFrame:
        """Return `rank`, `of` and `wanted` of the given pairs."""
        row_numbers = rows.to_numpy()
        group = (
            np.zeros(len(row_numbers), dtype=np.int64)
            if self.group is None
            else self.group[row_numbers]
        )
        return self.sizes[group].with_columns(self.rank.gather(rows))


def closeness(
    columns: Iterable[NDArray[np.float64]],
    signs: NDArray[np.float64],
    weights: NDArray[np.float64],
    normalisation: Normalisation = "vector",
) -> NDArray[np.float64]:
    """Return the closeness d- / (d+ + d-) of each row to the ideal point, in [0, 1].

    Args:
        columns: the finite values of each criterion, (rows,).
        signs: (criteria,) 1 where large is best, -1 where small is.
        weights: (criteria,) not negative.
        normalisation: "vector" divides a column by its norm, so that its scale does not matter;
            "rank" replaces it by mean ranks.

    Returns:
        (rows,) closeness; 0.5 for all where every row is the same.
    """
    # Only ratios of weights matter; with a sum of 1 distances stay in the range of one column.
    share = weights / weights.sum()
    best = worst = np.zeros(0)
    for values, sign, weight in zip(columns, signs, share, strict=True):
        column = _average_ranks(values * sign) * sign if normalisation == "rank" else values
        if len(best) != len(column):
            best, worst = np.zeros(len(column)), np.zeros(len(column))
        if len(column):
            _add_squared_distances(column, sign * weight, best, worst)
    # Squares were added column by column: their root is the Euclidean distance to both points.
    to_best, to_worst = np.sqrt(best, out=best), np.sqrt(worst, out=worst)
    total = to_best + to_worst
    equal_mask = total <= 0
    result: NDArray[np.float64] = np.divide(to_worst, total, out=to_worst, where=~equal_mask)
    result[equal_mask] = 0.5
    return result


def _add_squared_distances(
    column: NDArray[np.float64],
    signed_weight: float,
    best: NDArray[np.float64],
    worst: NDArray[np.float64],
) -> None:
    """Add a criterion's squared distances to its best and worst value, in place."""
    # Scaled first: squares of very small or very large values would overflow or underflow.
    largest = max(-column.min(), column.max()) or 1.0
    low, high = column.min() / largest, column.max() / largest
    # A column whose values differ only by rounding carries no ranking, whatever its scale.
    if high - low <= _MIN_RELATIVE_SPREAD:
        return
    factor = signed_weight / np.linalg.norm(column / largest)
    ends = factor * low, factor * high
    # In blocks: each operation on all rows would allocate another column.
    for rows in batch_slices(len(column), _ROWS_PER_BLOCK):
        oriented = factor * (column[rows] / largest)
        best[rows] += np.square(oriented - max(ends))
        worst[rows] += np.square(oriented - min(ends))


def _average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mean ranks from 1."""
    ranks: NDArray[np.float64] = pl.Series(values).rank("average").to_numpy().astype(np.float64)
    return ranks
