"""Recipes on data with injected flips: what they drop and flip."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.benchmark.data import BenchData
from curate.benchmark.downstream import Weights
from curate.data.file_margins import STRENGTH
from curate.data.table import messages_key
from curate.pipeline.config import parse_config
from curate.pipeline.filtering import run_filters
from curate.pipeline.plan import PipelinePlan, make_plan
from curate.pipeline.run_evidence import FileEvidence, file_evidence, label_evidence
from curate.pipeline.scoring import PairScorer
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
        weight: training weight, 1 where the recipe gives none.
        probability: probability that the resulting label is right, 1 where the recipe gives none.
        seconds: seconds that it took; shared work is counted where it was done first.
    """

    dropped: NDArray[np.bool_]
    flipped: NDArray[np.bool_]
    weight: NDArray[np.float64]
    probability: NDArray[np.float64]
    seconds: float

    def weights(self) -> Weights:
        """Return how a trainer learns what is left."""
        weight = ~self.dropped * self.weight
        likely, unlikely = weight * self.probability, weight * (1.0 - self.probability)
        return Weights(
            np.where(self.flipped, unlikely, likely), np.where(self.flipped, likely, unlikely)
        )

    def acted(self) -> dict[str, float]:
        """Return the share that it flagged (dropped or flipped), and the seconds that it took."""
        return {"flagged": float((self.dropped | self.flipped).mean()), "seconds": self.seconds}

    def measures(self, flips: NDArray[np.bool_]) -> dict[str, float | None]:
        """Return what it flagged, and how well that meets the flips."""
        flagged = self.dropped | self.flipped
        hits = float((flagged & flips).sum())
        return {
            **self.acted(),
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
    scores = _recipe_scores(plan, data, context)
    filtered = run_filters(plan, pl.concat([data.pairs, *scores], how="horizontal"), context)
    added = {
        "weight": [f"{s.name}.{s.filter.weight}" for s in plan.filters if s.filter.weight],
        "probability": [
            f"{s.name}.{s.filter.label_probability}"
            for s in plan.filters
            if s.filter.label_probability
        ],
    }
    # As in an export, the last filter that gives weights decides.
    values = [(pl.col(names[-1]) if names else pl.lit(1.0)).alias(k) for k, names in added.items()]
    columns = [name for names in added.values() for name in names[-1:]]
    kept_pairs = filtered.kept_pairs.select(["pair_id", "chosen", *columns])
    kept_labels = kept_pairs.select("pair_id", messages_key("chosen").alias("now"), *values)
    was = data.pairs.select("pair_id", was=messages_key("chosen"))
    compared = was.join(kept_labels, on="pair_id", how="left", maintain_order="left")
    flipped = compared.select((pl.col("was") != pl.col("now")).fill_null(False)).to_series()
    return Outcome(
        filtered.dropped,
        flipped.to_numpy(),
        # Dropped pairs have no value here; `Outcome.weights` gives them 0.
        compared["weight"].fill_null(1.0).to_numpy(),
        compared["probability"].fill_null(1.0).to_numpy(),
        time.perf_counter() - started,
    )


def _recipe_scores(plan: PipelinePlan, data: BenchData, context: Context) -> list[pl.DataFrame]:
    """Return the columns of the plan's scorers, each with the evidence that it takes.

    Args:
        plan: the plan whose scorers run.
        data: pairs with their (partly wrong) labels.
        context: a context of these pairs, with the verdicts on them.
    """
    file = oriented_margins(plan, data)
    frames: list[pl.DataFrame] = []
    for step in plan.scorers:
        evidence = label_evidence(step, frames, file, context.evidence.verdicts, [])
        frame, _ = PairScorer(data.pairs, replace(context, evidence=evidence)).score(step)
        frames.append(frame)
    return frames


def oriented_margins(plan: PipelinePlan, data: BenchData) -> FileEvidence:
    """Return the margins of the file that the plan's scorers take, oriented to the labels as they
    stand.
    """
    file = file_evidence(plan.scorers, data.pairs)
    if data.turned is None:
        return file
    # Scores in `extra` are oriented as the label was read; a flip negates the strength itself.
    sign = np.where(data.turned, -1.0, 1.0)
    margins = {k: m if k == STRENGTH else m * sign for k, m in file.margins.items()}
    return replace(file, margins=margins)
