"""Recipes on data with injected flips: what they drop and flip."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.bench.data import BenchData
from curate.bench.downstream import Weights
from curate.data.table import messages_key
from curate.pipeline.config import parse_config
from curate.pipeline.filtering import run_filters
from curate.pipeline.plan import make_plan
from curate.pipeline.scoring import run_scorer
from curate.recipes import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.context import Context


@dataclass(frozen=True)
class Outcome:
    """What a recipe did to (pairs,) each.

    Attributes:
        dropped: the pair is gone.
        flipped: it is kept with the label flipped.
        weight: of training, 1 where the recipe gives none.
        seconds: that it took; shared work is counted where it was done first.
    """

    dropped: NDArray[np.bool_]
    flipped: NDArray[np.bool_]
    weight: NDArray[np.float64]
    seconds: float

    def weights(self) -> Weights:
        """How a trainer learns what is left."""
        label = ~self.dropped & ~self.flipped
        return Weights(label * self.weight, self.flipped * self.weight)

    def acted(self) -> dict[str, Any]:
        """Share that it flagged (dropped or flipped), and the seconds that it took."""
        return {"flagged": float((self.dropped | self.flipped).mean()), "seconds": self.seconds}

    def measures(self, flips: NDArray[np.bool_]) -> dict[str, Any]:
        """What it flagged, and how well that meets the flips."""
        flagged = self.dropped | self.flipped
        hits = float((flagged & flips).sum())
        return self.acted() | {
            "precision": hits / float(flagged.sum()) if flagged.any() else None,
            "recall": hits / float(flips.sum()) if flips.any() else None,
        }


def apply_recipe(data: BenchData, recipe: Recipe, context: Context) -> Outcome:
    """Run the scorers and filters of a recipe on the data with its (partly wrong) labels.

    Raises:
        CurateError: a model or endpoint of the recipe cannot be used.
    """
    started = time.perf_counter()
    plan = make_plan(parse_config(recipe.config))
    scores = [run_scorer(step, data.pairs, context)[0] for step in plan.scorers]
    filtered = run_filters(plan, pl.concat([data.pairs, *scores], how="horizontal"), context)
    dropped = filtered.dropped
    given = [f"{s.name}.{s.filter.weight}" for s in plan.filters if s.filter.weight]
    weight = pl.col(given[-1]) if given else pl.lit(1.0)
    left = filtered.left.select(["pair_id", "chosen", *given[-1:]])
    kept = left.select("pair_id", now=messages_key("chosen"), weight=weight)
    was = data.pairs.select("pair_id", was=messages_key("chosen"))
    both = was.join(kept, on="pair_id", how="left", maintain_order="left")
    flipped = both.select((pl.col("was") != pl.col("now")).fill_null(False)).to_series()
    weights = both["weight"].fill_null(1.0).to_numpy()
    return Outcome(dropped, flipped.to_numpy(), weights, time.perf_counter() - started)
