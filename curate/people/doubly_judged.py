"""Pairs on which both people and a model voted, from a pair table with annotators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import content_keys, numbers_by_appearance
from curate.errors import CurateError, suggestion
from curate.people.routing_model import MIN_DOUBLY_JUDGED, RoutingSample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.features import Features

_ITEM = ["prompt", "low", "high"]


@dataclass(frozen=True)
class DoublyJudgedPairs:
    """Pairs of answers on which people and a model voted, each once; (items,) each.

    Attributes:
        rows: of the pair table, one for each.
        sign: 1 where this row prefers the first answer, else -1.
        people: whether most people prefer the first.
        model: whether the model does.
        groups: number of the prompt.
    """

    rows: NDArray[np.int64]
    sign: NDArray[np.float32]
    people: NDArray[np.bool_]
    model: NDArray[np.bool_]
    groups: NDArray[np.int64]

    def routing_sample(self, features: Features, bins: pl.DataFrame) -> RoutingSample:
        """Return the sample that routing is fitted to, from features and bins of all pairs."""
        difference = features.of("chosen", self.rows) - features.of("rejected", self.rows)
        sides = (self.people, self.model, self.groups)
        return RoutingSample(difference * self.sign[:, None], *sides, bins[self.rows])


def voted_by_people(pairs: pl.DataFrame, model: str) -> pl.Series:
    """Return whether a person voted on each pair's two answers, (pairs,).

    Args:
        pairs: the pair table; whoever is named as annotator and is not the model is a person.
        model: the model's name among the annotators.

    Raises:
        CurateError: no pair has this annotator.
    """
    names = pairs["annotator"].drop_nulls().unique().sort().to_list()
    if model not in names:
        raise CurateError(
            "no pair has this annotator",
            where="--fit",
            found=repr(model),
            expected="the annotator name of the model's votes",
            fix=suggestion(model, names) if names else "the pairs have no annotators",
        )
    person = pairs["annotator"].is_not_null() & (pairs["annotator"] != model)
    keys = content_keys(pairs).with_columns(p=person.fill_null(False))
    return keys.select(pl.col("p").any().over(_ITEM))["p"]


def doubly_judged_pairs(pairs: pl.DataFrame, model: str) -> DoublyJudgedPairs:
    """Return the pairs of answers on which the model and most people voted, each once.

    Args:
        pairs: the pair table.
        model: the model's name among the annotators.

    Raises:
        CurateError: fewer than 200 pairs have both.
    """
    one = pl.col("chosen") == pl.col("low")
    keys = content_keys(pairs).select(*_ITEM, one=one.cast(pl.Float64), tie=pairs["is_tie"])
    votes = keys.with_columns(who=pairs["annotator"]).with_row_index("row")
    counted = votes.filter(
        ~pl.col("tie"), pl.col("who").is_not_null(), pl.col("low") != pl.col("high")
    )
    is_model = pl.col("who") == model
    items = counted.group_by(_ITEM, maintain_order=True).agg(
        row=pl.first("row"),
        first=pl.col("one").first(),
        people=pl.col("one").filter(~is_model).mean(),
        model=pl.col("one").filter(is_model).mean(),
    )
    # Where either side is even there is nothing to compare.
    items = items.filter(pl.col("people") != 0.5, pl.col("model") != 0.5)
    if len(items) < MIN_DOUBLY_JUDGED:
        raise CurateError(
            "too few pairs have votes of both people and the model",
            where="--fit",
            found=f"{len(items):,} pairs of answers",
            expected=f"at least {MIN_DOUBLY_JUDGED}, with annotator names",
        )
    return DoublyJudgedPairs(
        items["row"].to_numpy().astype(np.int64),
        # The first answer is the lower one of the keys, whichever the row at hand prefers.
        np.where(items["first"].to_numpy() > 0.5, 1.0, -1.0).astype(np.float32),
        (items["people"] > 0.5).to_numpy(),
        (items["model"] > 0.5).to_numpy(),
        numbers_by_appearance(items["prompt"])[0],
    )
