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
    best_first,
    check_readable,
    suggestion,
    with_reasons,
)
from curate.data.table import batches, dense_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_LARGEST = 1e12
"""Of a weight: their sum and squares stay far from the end of the numbers."""
# Rows of a column that are looked at at a time.
_BLOCK = 1 << 16
Normalisation = Literal["vector", "rank"]


_ROUNDING = 1e-12
"""Share of its values below which a column's spread is rounding."""


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
        None, description="Column within whose equal values pairs are ranked: source, annotator..."
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
            if weight > _LARGEST:
                raise ValueError(f"the weight of '{name}' is {weight}; at most {_LARGEST:g}")
        left_out = set(self.criteria) - set(self.weights or self.criteria)
        if left_out:
            raise ValueError(f"no weight for {', '.join(sorted(left_out))}; give 0 to leave it out")
        if self.weights and not any(self.weights.values()):
            raise ValueError("all weights are 0")
        return self


class TOPSIS(Filter[TOPSISParams]):
    """Adds the closeness `<step>.score` in [0, 1] and keeps the best share."""

    name = "topsis"
    purpose = "keep the best"
    when = "To weigh several scores. Check the criteria's directions in `curate list NAME`."
    summary = "rank by several scores with directions and weights (TOPSIS), keep the best share"
    reference = "Hwang and Yoon 1981, Multiple Attribute Decision Making; used by DONOD"
    Params = TOPSISParams

    def reads(self) -> tuple[str, ...]:
        """The criteria."""
        by = () if self.params.by is None else (self.params.by,)
        return (*self.params.criteria, *by)

    def adds(self) -> tuple[Column, ...]:
        """The closeness."""
        return (
            Column("score", "closeness to the ideal point", "float", "higher is better", "0 to 1"),
            Column("status", "ok, or which criterion is missing", "text"),
        )

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Rank the pairs that have every criterion."""
        p = self.params
        group = None
        if p.by is not None:
            group = dense_numbers(pairs[p.by].cast(pl.String).fill_null("(none)"))
        added = context.workspace.collect(self.name, self._scored(pairs, group))
        constant = [c for c in p.criteria if pairs[c].drop_nulls().n_unique() == 1]
        if constant and len(pairs) > 1:
            context.warnings.append(
                f"equal for all pairs, so without effect on the ranking: {', '.join(constant)}"
            )
        ranks = _Ranks.of_scores(added["score"], group, p.keep)
        keep = ranks.kept().fill_null(p.missing == "keep")
        rank = pl.format("rank {} of {} by TOPSIS, {} kept", "rank", "of", "wanted")
        why = pl.when(pl.col("rank").is_null()).then("status").otherwise(rank)

        def reasons(rows: pl.Series) -> pl.Series:
            status = added["status"].gather(rows).alias("status")
            return ranks.at(rows).with_columns(status).select(why).to_series()

        return replace(with_reasons(keep, reasons), added=added)

    def _scored(
        self, pairs: pl.DataFrame, group: NDArray[np.int64] | None
    ) -> Iterator[pl.DataFrame]:
        """Closeness and status of each pair, a block after another."""
        p = self.params
        values = pl.DataFrame([check_readable(pairs[c], self.name) for c in p.criteria])
        whole = values.select(w=pl.all_horizontal(pl.all().is_not_null()))["w"].to_numpy()
        signs = np.array([1.0 if d == "max" else -1.0 for d in p.criteria.values()])
        weights = np.array([1.0 if not p.weights else p.weights.get(c, 0.0) for c in p.criteria])
        score = np.full(len(pairs), np.nan)
        # Pairs that lack a criterion have no part in norms and ideal points either.
        every = slice(None) if whole.all() else whole
        for rows in [every] if group is None else _rows_of_groups(group, whole):
            # One column after another: all as one matrix would be held twice.
            columns = (column.to_numpy()[rows] for column in values)
            score[rows] = closeness(columns, signs, weights, p.normalisation)
        lacks = pl.concat_str(
            [pl.when(pl.col(c).is_null()).then(pl.lit(f"{c} is missing")) for c in p.criteria],
            separator=", ",
            ignore_nulls=True,
        )
        status = pl.when(pl.all_horizontal(pl.all().is_not_null())).then(pl.lit("ok"))
        # A status of all would take more memory than the scores.
        for rows in batches(len(pairs), _BLOCK) or [slice(0, 0)]:
            # A score is NaN for pairs that lack a criterion alone.
            found = pl.Series("score", score[rows]).fill_nan(None)
            told = values[rows].select(status=status.otherwise(lacks))
            yield pl.DataFrame([found, told["status"]])


def _rows_of_groups(group: NDArray[np.int64], wanted: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """The wanted rows of each group that has any."""
    order = np.argsort(group, kind="stable")
    order = order[wanted[order]]
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


@dataclass(frozen=True)
class _Ranks:
    """Ranks by score within groups, of which a share is kept.

    Attributes:
        rank: (pairs,) from 1 within the pair's group; null without a score.
        group: (pairs,) number of each pair's group; None where all are one.
        sizes: of each group: how many pairs `of` it have a score, and how many are `wanted`.
    """

    rank: pl.Series
    group: NDArray[np.int64] | None
    sizes: pl.DataFrame

    @classmethod
    def of_scores(cls, score: pl.Series, group: NDArray[np.int64] | None, share: float) -> _Ranks:
        rank = best_first(score, "max").alias("rank")
        if group is None:
            of = pl.Series([score.count()])
        else:
            # The rank within the group, in the order of all.
            ranked = pl.DataFrame([rank, pl.Series("group", group)])
            of = ranked.group_by("group").agg(pl.col("rank").count()).sort("group")["rank"]
            rank = ranked.select(pl.col("rank").rank("ordinal").over("group"))["rank"]
        wanted = (share * of).round(mode="half_to_even").cast(pl.Int64)
        return cls(rank, group, pl.DataFrame([of.alias("of"), wanted.alias("wanted")]))

    def kept(self) -> pl.Series:
        """Whether each pair is among the wanted ones; null without a score."""
        wanted = self.sizes["wanted"]
        return self.rank <= (wanted[0] if self.group is None else wanted.gather(self.group))

    def at(self, rows: pl.Series) -> pl.DataFrame:
        """`rank`, `of` and `wanted` of some pairs."""
        own = rows.to_numpy()
        group = np.zeros(len(own), dtype=np.int64) if self.group is None else self.group[own]
        return self.sizes[group].with_columns(self.rank.gather(rows))


def closeness(
    columns: Iterable[NDArray[np.float64]],
    signs: NDArray[np.float64],
    weights: NDArray[np.float64],
    normalisation: Normalisation = "vector",
) -> NDArray[np.float64]:
    """Closeness d- / (d+ + d-) of each row to the ideal point, in [0, 1].

    Args:
        columns: of each criterion, (rows,), finite.
        signs: (criteria,) 1 where large is best, -1 where small is.
        weights: (criteria,) not negative.
        normalisation: "vector" divides a column by its norm, so that its scale does not matter;
            "rank" puts mean ranks in its place.

    Returns:
        (rows,) closeness; 0.5 for all where every row is the same.
    """
    # Only ratios of weights count; a sum of 1 keeps distances in the range of a single column.
    share = weights / weights.sum()
    best = worst = np.zeros(0)
    for given, sign, weight in zip(columns, signs, share, strict=True):
        column = _ranked(given * sign) * sign if normalisation == "rank" else given
        if len(best) != len(column):
            best, worst = np.zeros(len(column)), np.zeros(len(column))
        if len(column) == 0:
            continue
        # Scaled first: squares of very small or very large values leave the range of numbers.
        largest = max(-column.min(), column.max()) or 1.0
        low, high = column.min() / largest, column.max() / largest
        # A column whose values differ by rounding alone says nothing, whatever its scale.
        if high - low <= _ROUNDING:
            continue
        factor = sign * weight / np.linalg.norm(column / largest)
        ends = factor * low, factor * high
        # In blocks: each step on all rows would hold another column.
        for rows in batches(len(column), _BLOCK):
            oriented = factor * (column[rows] / largest)
            best[rows] += np.square(oriented - max(ends))
            worst[rows] += np.square(oriented - min(ends))
    # Squares were added up column by column: this is the Euclidean distance to both points.
    to_best, to_worst = np.sqrt(best, out=best), np.sqrt(worst, out=worst)
    total = to_best + to_worst
    same = total <= 0
    result: NDArray[np.float64] = np.divide(to_worst, total, out=to_worst, where=~same)
    result[same] = 0.5
    return result


def _ranked(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean ranks from 1."""
    ranks: NDArray[np.float64] = pl.Series(values).rank("average").to_numpy().astype(np.float64)
    return ranks
