"""The experiment: inject, rank, measure, train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from sklearn.metrics import average_precision_score, roc_auc_score

from curate.bench.actions import ACTIONS
from curate.bench.data import FOLDS, BenchData, is_test, split
from curate.bench.downstream import Weights, ranked_right
from curate.bench.gains import Rankings
from curate.bench.methods import METHODS, Method, Ranking, rank
from curate.bench.patterns import inject
from curate.bench.recipes import apply_recipe
from curate.models.text.contamination import lowest_share_mask
from curate.recipes import Recipe
from curate.steps.context import Context, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALL, RANDOM, ORACLE, BAYES = "keep all", "random drop", "oracle drop", "Bayes-optimal"
RELABEL, SOFT = "noise_score: relabel", "label_em: soft labels"
BASELINES = (ALL, RANDOM, ORACLE)
AS_LABELLED = "as labelled"
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

    Attributes:
        rates: of flips.
        patterns: of flips.
        seeds: draws; five in a row test every prompt once.
        methods: rank the pairs, and as many as were flipped are dropped.
        actions: steps for a pipeline, which may be advised.
        recipes: published ones beside these.
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
        """Pattern, rate and seed of each experiment."""
        for pattern in self.patterns:
            for rate in self.rates:
                for seed in range(self.seeds):
                    yield pattern, rate, seed

    @property
    def writable(self) -> tuple[Recipe, ...]:
        """What a user can write into a pipeline."""
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
class Cell:
    """One experiment: rows of the table, and each held-out pair under each method."""

    rows: list[dict[str, Any]]
    methods: list[str]
    right: NDArray[np.float64]


def run_bench(
    data: BenchData, plan: Plan, progress: Progress, context: Context | None = None
) -> Experiments:
    """Flip labels, find them, and train on what is kept.

    Args:
        data: pairs whose labels count as clean.
        plan: what is tried.
        progress: where progress is shown.
        context: store and inference of language models, for recipes that need them.
    """
    context, cells = context or Context(), list(plan.cells())
    return gather(data, cells, lambda cell: _cell(data, plan, cell, context), progress)


def gather(
    data: BenchData,
    cells: list[tuple[str, float, int]],
    run: Callable[[tuple[str, float, int]], Cell],
    progress: Progress,
) -> Experiments:
    """Run all cells (pattern, rate, seed), and put those of one pattern and rate together.

    Args:
        data: that was split by `split`.
        cells: experiments; those of one pattern and rate in a row.
        run: one of them.
        progress: where progress is shown.
    """
    groups, tested = data.groups, []
    rows: list[dict[str, Any]] = []
    parts: dict[tuple[str, float], list[tuple[int, Cell]]] = {}
    with progress.task(f"bench {data.name}", len(cells)) as task:
        for pattern, rate, seed in cells:
            found = run((pattern, rate, seed))
            key = {"dataset": data.name, "pattern": pattern, "rate": rate}
            rows.extend(key | {"seed": seed} | row for row in found.rows)
            parts.setdefault((pattern, rate), []).append((seed, found))
            task.advance()
    for (pattern, rate), some in parts.items():
        tests = [np.flatnonzero(is_test(groups, seed)) for seed, _ in some]
        numbers = np.concatenate(tests)
        tested.append(
            Rankings(
                {"dataset": data.name, "pattern": pattern, "rate": rate},
                some[0][1].methods,
                np.concatenate([cell.right for _, cell in some]),
                numbers,
                groups[numbers],
                np.repeat([seed for seed, _ in some], [len(t) for t in tests]),
            )
        )
    return Experiments(pl.DataFrame(rows, schema=SCHEMA), tested)


def _cell(data: BenchData, plan: Plan, cell: tuple[str, float, int], context: Context) -> Cell:
    pattern, rate, seed = cell
    # Flips of a cell are its own: another list of rates or seeds does not change them.
    rng = np.random.default_rng(cell_seed(data.name, pattern, rate, seed))
    train, held_out = split(data, seed)
    noisy, flips = inject(train, pattern, rate, rng)
    own = noisy.context(context, seed)
    rankings = rank(noisy, plan.methods, own)
    outcomes = {r.name: apply_recipe(noisy, r, own) for r in plan.writable}
    random = Ranking(rng.random(len(flips)), float("nan"), 0.0)
    if noisy.margin is not None:
        rankings[BAYES] = Ranking(-noisy.margin, float("nan"), 0.0)
    # As many are dropped as were flipped: rankings are compared, not thresholds.
    share = float(flips.mean())
    weights = {ALL: Weights(np.ones(len(flips))), RANDOM: _kept(random.suspicion, share)}
    weights |= {name: _kept(r.suspicion, share) for name, r in rankings.items()}
    weights |= {ORACLE: Weights((~flips).astype(np.float64))}
    weights |= _transformed(rankings, share)
    weights |= {name: outcome.weights() for name, outcome in outcomes.items()}
    right = ranked_right(noisy, held_out, weights)
    found = rankings | {RANDOM: random}
    rows = []
    for name, value in zip(weights, right.mean(axis=0), strict=True):
        ranking = found.get(name)
        measured = _measures(ranking, flips) if ranking is not None else {}
        if name in outcomes:
            measured = outcomes[name].measures(flips)
        row = {"method": name, "pairs": len(flips), "true_rate": share}
        rows.append(row | {"downstream_accuracy": float(value)} | measured)
    return Cell(rows, list(weights), right)


def _transformed(rankings: dict[str, Ranking], share: float) -> dict[str, Weights]:
    """What a user can do besides dropping a given share."""
    made = {}
    if "noise_score" in rankings:
        kept = _kept(rankings["noise_score"].suspicion, share).label
        made[RELABEL] = Weights(kept, 1.0 - kept)
    if "label_em" in rankings:
        # A label of which nothing is known stays as it is.
        posterior = np.clip(-rankings["label_em"].suspicion, 0.0, 1.0)
        made[SOFT] = Weights(posterior, 1.0 - posterior)
    return made


def _kept(suspicion: NDArray[np.float64], share: float) -> Weights:
    """Weight 1 for the pairs that are left when the most suspicious share is dropped, else 0."""
    return Weights((~lowest_share_mask(-suspicion, share)).astype(np.float64))


def _measures(ranking: Ranking, flips: NDArray[np.bool_]) -> dict[str, float | None]:
    found: dict[str, float | None] = {
        "noise_estimate": None if np.isnan(ranking.estimate) else ranking.estimate,
        "seconds": ranking.seconds,
    }
    if flips.any() and not flips.all():
        # A pair of which a method tells nothing is its least suspicious one.
        finite = np.nan_to_num(ranking.suspicion, neginf=np.finfo(np.float64).min)
        flagged = lowest_share_mask(-ranking.suspicion, float(flips.mean()))
        found["auroc"] = float(roc_auc_score(flips, finite))
        found["average_precision"] = float(average_precision_score(flips, finite))
        found["precision_at_rate"] = float(flips[flagged].mean()) if flagged.any() else None
    return found


def cell_seed(*names: object) -> int:
    """Of the flips of one experiment: its own for each data set, pattern, rate and seed."""
    digest = blake2b("/".join(str(n) for n in names).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
