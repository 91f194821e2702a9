"""The experiment: inject, rank, measure, train."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from sklearn.metrics import average_precision_score, roc_auc_score

from curate.bench.data import BenchData, split
from curate.bench.downstream import Weights, accuracies
from curate.bench.methods import METHODS, Method, Ranking, rank
from curate.bench.patterns import inject
from curate.bench.recipes import apply_recipe
from curate.models.text.contamination import lowest_share
from curate.recipes import Recipe
from curate.steps.context import Context, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALL, RANDOM, ORACLE, BAYES = "keep all", "random drop", "oracle drop", "Bayes-optimal"
RELABEL, REWEIGHT = "noise_score: relabel", "label_em: soft labels"
LIKELY = "label_em: drop likely wrong"
BASELINES = (ALL, RANDOM, ORACLE)
_LIKELY = 0.5
SCHEMA: dict[str, Any] = {
    "dataset": pl.String,
    "pattern": pl.String,
    "rate": pl.Float64,
    "seed": pl.Int64,
    "method": pl.String,
    "pairs": pl.Int64,
    "true_rate": pl.Float64,
    "auroc": pl.Float64,
    "average_precision": pl.Float64,
    "precision_at_rate": pl.Float64,
    "flagged": pl.Float64,
    "precision": pl.Float64,
    "recall": pl.Float64,
    "noise_estimate": pl.Float64,
    "downstream_accuracy": pl.Float64,
    "seconds": pl.Float64,
}


@dataclass(frozen=True)
class Plan:
    """What is tried: every pattern at every rate with every seed.

    `methods` rank the pairs, and as many as were flipped are dropped; `recipes` drop and turn round
    what they would of a user's data; `left_out` says of recipes that cannot be run what they lack.
    """

    rates: tuple[float, ...] = (0.2, 0.4)
    patterns: tuple[str, ...] = ("symmetric",)
    seeds: int = 5
    methods: tuple[Method, ...] = METHODS
    recipes: tuple[Recipe, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)

    def cells(self) -> Iterator[tuple[str, float, int]]:
        """Pattern, rate and seed of each experiment."""
        for pattern in self.patterns:
            for rate in self.rates:
                for seed in range(self.seeds):
                    yield pattern, rate, seed


def run_bench(
    data: BenchData, plan: Plan, progress: Progress, context: Context | None = None
) -> pl.DataFrame:
    """One row for each pattern, rate, seed and method; the columns of `SCHEMA`.

    Args:
        data: pairs whose labels count as clean.
        plan: what is tried.
        progress: where progress is shown.
        context: store and inference of language models, for recipes that need them.
    """
    context = context or Context()
    rows: list[dict[str, Any]] = []
    cells = list(plan.cells())
    with progress.task(f"bench {data.name}", len(cells)) as task:
        for pattern, rate, seed in cells:
            found = _cell(data, plan, (pattern, rate, seed), context)
            key = {"dataset": data.name, "pattern": pattern, "rate": rate, "seed": seed}
            rows.extend(key | row for row in found)
            task.advance()
    return pl.DataFrame(rows, schema=SCHEMA)


def _cell(
    data: BenchData, plan: Plan, cell: tuple[str, float, int], context: Context
) -> list[dict[str, Any]]:
    pattern, rate, seed = cell
    rng = np.random.default_rng(_seed(data.name, pattern, rate, seed))
    train, held_out = split(data, Context().prompt_groups(data.pairs), seed)
    noisy, flips = inject(train, pattern, rate, rng)
    own = context.for_pairs(seed, noisy.features)
    rankings = rank(noisy, plan.methods, own)
    outcomes = {r.name: apply_recipe(noisy, r, own) for r in plan.recipes}
    random = Ranking(rng.random(len(flips)), float("nan"), 0.0)
    if noisy.margin is not None:
        rankings[BAYES] = Ranking(-noisy.margin, float("nan"), 0.0)
    share = float(flips.mean())
    weights = {name: _kept(r.suspicion, share) for name, r in rankings.items()}
    weights |= {ALL: Weights(np.ones(len(flips))), RANDOM: _kept(random.suspicion, share)}
    weights |= {ORACLE: Weights((~flips).astype(np.float64))}
    weights |= _transformed(rankings, share)
    weights |= {name: outcome.weights() for name, outcome in outcomes.items()}
    accuracy = accuracies(noisy, held_out, weights, seed)
    found = rankings | {RANDOM: random}
    rows = []
    for name, value in accuracy.items():
        ranking = found.get(name)
        measured = _measures(ranking, flips) if ranking is not None else {}
        if name in outcomes:
            measured = outcomes[name].measures(flips)
        rows.append(
            {"method": name, "pairs": len(flips), "true_rate": share, "downstream_accuracy": value}
            | measured
        )
    return rows


def _transformed(rankings: dict[str, Ranking], share: float) -> dict[str, Weights]:
    """What a user can do besides dropping a given share."""
    made = {}
    if "noise_score" in rankings:
        kept = _kept(rankings["noise_score"].suspicion, share).label
        made[RELABEL] = Weights(kept, 1.0 - kept)
    if "label_em" in rankings:
        # A label of which nothing is known stays as it is.
        posterior = np.clip(-rankings["label_em"].suspicion, 0.0, 1.0)
        made[REWEIGHT] = Weights(posterior, 1.0 - posterior)
        made[LIKELY] = Weights((posterior >= _LIKELY).astype(np.float64))
    return made


def _kept(suspicion: NDArray[np.float64], share: float) -> Weights:
    """Weight 1 for the pairs that are left when the most suspicious share is dropped, else 0."""
    return Weights((~lowest_share(-suspicion, share)).astype(np.float64))


def _measures(ranking: Ranking, flips: NDArray[np.bool_]) -> dict[str, float | None]:
    found: dict[str, float | None] = {
        "noise_estimate": None if np.isnan(ranking.estimate) else ranking.estimate,
        "seconds": ranking.seconds,
    }
    if flips.any() and not flips.all():
        finite = np.nan_to_num(ranking.suspicion, neginf=np.finfo(np.float64).min)
        flagged = lowest_share(-ranking.suspicion, float(flips.mean()))
        found["auroc"] = float(roc_auc_score(flips, finite))
        found["average_precision"] = float(average_precision_score(flips, finite))
        found["precision_at_rate"] = float(flips[flagged].mean()) if flagged.any() else None
    return found


def _seed(*names: object) -> int:
    digest = blake2b("/".join(str(n) for n in names).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
