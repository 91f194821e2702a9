"""Recipes on data with injected flips: what they drop and flip."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.bench.data import BenchData
from curate.bench.downstream import Weights
from curate.data.file_margins import STRENGTH
from curate.data.table import messages_key
from curate.pipeline.config import parse_config
from curate.pipeline.file_evidence import FileEvidence, file_evidence
from curate.pipeline.filtering import run_filters
from curate.pipeline.label_evidence import label_evidence
from curate.pipeline.plan import Plan as PipelinePlan
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
        probability: that the label as it then stands is right, 1 where the recipe gives none.
        seconds: that it took; shared work is counted where it was done first.
    """

    dropped: NDArray[np.bool_]
    flipped: NDArray[np.bool_]
    weight: NDArray[np.float64]
    probability: NDArray[np.float64]
    seconds: float

    def weights(self) -> Weights:
        """How a trainer learns what is left."""
        weight = ~self.dropped * self.weight
        likely, unlikely = weight * self.probability, weight * (1.0 - self.probability)
        return Weights(
            np.where(self.flipped, unlikely, likely), np.where(self.flipped, likely, unlikely)
        )

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
    scores = _scores(plan, data, context)
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
    left = filtered.left.select(["pair_id", "chosen", *columns])
    kept = left.select("pair_id", messages_key("chosen").alias("now"), *values)
    was = data.pairs.select("pair_id", was=messages_key("chosen"))
    both = was.join(kept, on="pair_id", how="left", maintain_order="left")
    flipped = both.select((pl.col("was") != pl.col("now")).fill_null(False)).to_series()
    return Outcome(
        filtered.dropped,
        flipped.to_numpy(),
        both["weight"].fill_null(1.0).to_numpy(),
        both["probability"].fill_null(1.0).to_numpy(),
        time.perf_counter() - started,
    )


def _scores(plan: PipelinePlan, data: BenchData, context: Context) -> list[pl.DataFrame]:
    """Columns of the plan's scorers, each with the evidence that it takes.

    Args:
        plan: whose scorers run.
        data: pairs with their (partly wrong) labels.
        context: of these pairs, with the verdicts on them.
    """
    file = oriented_margins(plan, data)
    frames: list[pl.DataFrame] = []
    for step in plan.scorers:
        evidence = label_evidence(step, frames, file, context.evidence.judged, [])
        frame, _ = run_scorer(step, data.pairs, replace(context, evidence=evidence))
        frames.append(frame)
    return frames


def oriented_margins(plan: PipelinePlan, data: BenchData) -> FileEvidence:
    """Margins of the file that the plan's scorers take, oriented to the labels as they stand."""
    file = file_evidence(plan.scorers, data.pairs)
    if data.turned is None:
        return file
    # Scores in `extra` are oriented as the label was read; a flip negates the strength itself.
    sign = np.where(data.turned, -1.0, 1.0)
    margins = {k: m if k == STRENGTH else m * sign for k, m in file.margins.items()}
    return replace(file, margins=margins)
