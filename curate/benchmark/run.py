"""The experiment: inject, rank, measure, train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl
from sklearn.metrics import average_precision_score, roc_auc_score

from curate.benchmark.actions import ACTIONS
from curate.benchmark.condition import Condition
from curate.benchmark.data import FOLDS, BenchData, held_out_mask, split_train_test
from curate.benchmark.downstream import Weights, ranked_right
from curate.benchmark.methods import METHODS, Method, Ranking, rank_pairs
from curate.benchmark.paired_gains import Rankings
from curate.benchmark.patterns import inject_flips
from curate.benchmark.recipes import apply_recipe
from curate.models.text.contamination import lowest_share_mask
from curate.recipes import Recipe
from curate.steps.context import Context, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEEP_ALL, RANDOM, ORACLE, BAYES = "keep all", "random drop", "oracle drop", "Bayes-optimal"
RELABEL, SOFT = "noise_score: relabel", "label_em: soft labels"
BASELINES = (KEEP_ALL, RANDOM, ORACLE)
Row: TypeAlias = dict[str, float | int | str | None]
"""What one experiment measured of one method; keys are columns of `SCHEMA`."""
SCHEMA: dict[str, type[pl.DataType]] = {
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
class BenchPlan:
    """What is tried: every pattern at every rate with every seed.

    Attributes:
        rates: flip rates.
        patterns: flip patterns.
        seeds: draws; five in a row test every prompt once.
        methods: rank the pairs, and as many as were flipped are dropped.
        actions: steps for a pipeline, which may be advised.
        recipes: published recipes.
        left_out: recipes that cannot be run, and what they lack.
        as_labelled: whether actions and recipes are also tried on the labels as they are.
    """

    rates: tuple[float, ...] = (0.2, 0.4)
    patterns: tuple[str, ...] = ("symmetric",)
    seeds: int = FOLDS
    methods: tuple[Method, ...] = METHODS
    actions: tuple[Recipe, ...] = ACTIONS
    recipes: tuple[Recipe, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    as_labelled: bool = True

    def cells(self) -> Iterator[tuple[str, float, int]]:
        """Yield pattern, rate and seed of each experiment."""
        for pattern in self.patterns:
            for rate in self.rates:
                for seed in range(self.seeds):
                    yield pattern, rate, seed

    @property
    def writable(self) -> tuple[Recipe, ...]:
        """Return what a user can write into a pipeline."""
        return (*self.actions, *self.recipes)


@dataclass(frozen=True)
class Experiments:
    """What was measured.

    Attributes:
        rows: one for each pattern, rate, seed and method; the columns of `SCHEMA`.
        tested: the held-out pairs behind them, one for each pattern and rate.
    """

    rows: pl.DataFrame
    tested: list[Rankings]


@dataclass(frozen=True)
class Experiment:
    """One experiment: rows of the table, and each held-out pair under each method."""

    rows: list[Row]
    methods: list[str]
    right: NDArray[np.float64]


def run_bench(
    data: BenchData, plan: BenchPlan, progress: Progress, context: Context | None = None
) -> Experiments:
    """Flip labels, find them, and train on what is kept.

    Args:
        data: pairs whose labels count as clean.
        plan: what is tried.
        progress: receives the progress.
        context: store and inference of language models, for recipes that need them.
    """
    context, cells = context or Context(), list(plan.cells())
    return run_experiments(
        data, cells, lambda cell: _run_flip_experiment(data, plan, cell, context), progress
    )


def run_experiments(
    data: BenchData,
    cells: list[tuple[str, float, int]],
    run: Callable[[tuple[str, float, int]], Experiment],
    progress: Progress,
) -> Experiments:
    """Run all cells (pattern, rate, seed), and put those of one pattern and rate together.

    Args:
        data: the data, which `split_train_test` splits.
        cells: experiments; those of one pattern and rate in a row.
        run: one of them.
        progress: receives the progress.
    """
    groups, tested = data.groups, []
    rows: list[Row] = []
    by_condition: dict[tuple[str, float], list[tuple[int, Experiment]]] = {}
    with progress.task(f"bench {data.name}", len(cells)) as task:
        for pattern, rate, seed in cells:
            experiment = run((pattern, rate, seed))
            key: Row = {"dataset": data.name, "pattern": pattern, "rate": rate, "seed": seed}
            rows.extend(key | row for row in experiment.rows)
            by_condition.setdefault((pattern, rate), []).append((seed, experiment))
            task.advance()
    for (pattern, rate), experiments in by_condition.items():
        tests = [np.flatnonzero(held_out_mask(groups, seed)) for seed, _ in experiments]
        numbers = np.concatenate(tests)
        tested.append(
            Rankings(
                Condition(data.name, pattern, rate),
                experiments[0][1].methods,
                np.concatenate([cell.right for _, cell in experiments]),
                numbers,
                groups[numbers],
                np.repeat([seed for seed, _ in experiments], [len(t) for t in tests]),
            )
        )
    return Experiments(pl.DataFrame(rows, schema=SCHEMA), tested)


def _run_flip_experiment(
    data: BenchData, plan: BenchPlan, cell: tuple[str, float, int], context: Context
) -> Experiment:
    pattern, rate, seed = cell
    # Flips of a cell are its own: another list of rates or seeds does not change them.
    rng = np.random.default_rng(experiment_seed(data.name, pattern, rate, seed))
    train, held_out = split_train_test(data, seed)
    noisy, flips = inject_flips(train, pattern, rate, rng)
    step_context = noisy.context(context, seed)
    rankings = rank_pairs(noisy, plan.methods, step_context)
    outcomes = {r.name: apply_recipe(noisy, r, step_context) for r in plan.writable}
    random = Ranking(rng.random(len(flips)), float("nan"), 0.0)
    if noisy.margin is not None:
        rankings[BAYES] = Ranking(-noisy.margin, float("nan"), 0.0)
    # As many are dropped as were flipped: rankings are compared, not thresholds.
    share = float(flips.mean())
    weights = {
        KEEP_ALL: Weights(np.ones(len(flips))),
        RANDOM: _drop_weights(random.suspicion, share),
    }
    weights |= {name: _drop_weights(r.suspicion, share) for name, r in rankings.items()}
    weights |= {ORACLE: Weights((~flips).astype(np.float64))}
    weights |= _relabel_weights(rankings, share)
    weights |= {name: outcome.weights() for name, outcome in outcomes.items()}
    right = ranked_right(noisy, held_out, weights)
    all_rankings = rankings | {RANDOM: random}
    rows: list[Row] = []
    for name, value in zip(weights, right.mean(axis=0), strict=True):
        ranking = all_rankings.get(name)
        measured = _ranking_measures(ranking, flips) if ranking is not None else {}
        if name in outcomes:
            measured = outcomes[name].measures(flips)
        row: Row = {"method": name, "pairs": len(flips), "true_rate": share}
        rows.append({**row, "downstream_accuracy": float(value), **measured})
    return Experiment(rows, list(weights), right)


def _relabel_weights(rankings: dict[str, Ranking], share: float) -> dict[str, Weights]:
    """Return training weights of actions other than dropping a given share."""
    weights = {}
    if "noise_score" in rankings:
        kept_weight = _drop_weights(rankings["noise_score"].suspicion, share).label
        weights[RELABEL] = Weights(kept_weight, 1.0 - kept_weight)
    if "label_em" in rankings:
        # A label of which nothing is known stays as it is.
        posterior = np.clip(-rankings["label_em"].suspicion, 0.0, 1.0)
        weights[SOFT] = Weights(posterior, 1.0 - posterior)
    return weights


def _drop_weights(suspicion: NDArray[np.float64], share: float) -> Weights:
    """Return weight 1 for the pairs that are left when the most suspicious share is dropped, else
    0.
    """
    return Weights((~lowest_share_mask(-suspicion, share)).astype(np.float64))


def _ranking_measures(ranking: Ranking, flips: NDArray[np.bool_]) -> dict[str, float | None]:
    measures: dict[str, float | None] = {
        "noise_estimate": None if np.isnan(ranking.estimate) else ranking.estimate,
        "seconds": ranking.seconds,
    }
    if flips.any() and not flips.all():
        # A pair without a value is the method's least suspicious one.
        finite = np.nan_to_num(ranking.suspicion, neginf=np.finfo(np.float64).min)
        flagged = lowest_share_mask(-ranking.suspicion, float(flips.mean()))
        measures["auroc"] = float(roc_auc_score(flips, finite))
        measures["average_precision"] = float(average_precision_score(flips, finite))
        measures["precision_at_rate"] = float(flips[flagged].mean()) if flagged.any() else None
    return measures


def experiment_seed(*names: object) -> int:
    """Return the seed of an experiment's flips: one for each dataset, pattern, rate and seed."""
    # Python's own hash is salted and differs from process to process.
    digest = blake2b("/".join(str(n) for n in names).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
