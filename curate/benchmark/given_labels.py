"""The user's labels as they are: does a step help, though the held-out labels are noisy too?

Held-out pairs count by what is known of the truth behind their labels: see `clean_gain`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logit

from curate.benchmark.clean_gain import LabelTruth
from curate.benchmark.condition import AS_LABELLED
from curate.benchmark.data import BenchData, split_train_test
from curate.benchmark.downstream import Weights, ranked_right
from curate.benchmark.recipes import apply_recipe, oriented_margins
from curate.benchmark.run import (
    KEEP_ALL,
    BenchPlan,
    Experiment,
    Experiments,
    Row,
    run_experiments,
)
from curate.data.json_result import JsonResult
from curate.models.heads.noise.estimate import NoiseEstimate
from curate.models.heads.posterior.label_posterior import LabelPosterior, label_posterior
from curate.pipeline.config import parse_config
from curate.pipeline.plan import make_plan
from curate.pipeline.run_evidence import label_evidence
from curate.pipeline.scoring import PairScorer
from curate.steps.context import Context, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POSTERIOR = {"scorers": [{"type": "label_em"}]}
_MIN_PROBABILITY = 1e-6
"""Smallest posterior, and smallest distance from 1: only reviewed labels are certain."""
_POINTS = 7
"""Points that stand for the posterior of flip rate and scales."""


@dataclass(frozen=True)
class GivenLabelNoise(JsonResult):
    """What is known of the noise of the labels that are tested on.

    Attributes:
        text: what can be said of the share of wrong labels, for people.
        rate: mean of the posterior of the flip rate.
        low: lower end of its 95 % interval.
        high: upper end.
        judged_pairs: labels that people reviewed.
    """

    text: str
    rate: float
    low: float
    high: float
    judged_pairs: int = 0


def label_truth(data: BenchData, context: Context) -> tuple[LabelTruth, GivenLabelNoise]:
    """Return what `label_em` knows of each label, and of the noise in all of them.

    No pair's labels, nor those of its prompt, are in what heads say of it.

    Args:
        data: pairs with their labels, from `labels_as_given`.
        context: store and inference of language models.
    """
    step_context, plan = data.context(context, 0), make_plan(parse_config(_POSTERIOR))
    (step,) = plan.scorers
    file = oriented_margins(plan, data)
    step_context = replace(
        step_context, evidence=label_evidence(step, [], file, step_context.evidence.verdicts, [])
    )
    scores, record = PairScorer(data.pairs, step_context).score(step)
    # The scorer's own, which the context holds.
    posterior = label_posterior(data.pairs, step_context)
    averaged = posterior.averaged
    right = scores["label_em.posterior"].fill_null(float("nan")).to_numpy()
    truth = _truth_at_points(posterior, right)
    low, high = (averaged.rate_quantile(share) for share in (0.025, 0.975))
    noise = NoiseEstimate.from_facts(record.facts)
    assert noise is not None, "label_em always records its estimate"
    judged_count = int((posterior.verdicts != 0).sum())
    return truth, GivenLabelNoise(noise.text, averaged.rate, low, high, judged_count)


def _truth_at_points(posterior: LabelPosterior, right: NDArray[np.float64]) -> LabelTruth:
    """Return what is known at some points of the posterior of flip rate and scales.

    Args:
        posterior: with one flip rate, or with rates by trait.
        right: (pairs,) P(label right) with rates by annotator, where they differ; NaN: no label.
    """
    labels, points = posterior.observations, posterior.averaged.summarise(_POINTS)
    voting = ~np.isnan(posterior.right)
    other_log_odds, label_log_odds = (np.zeros((len(right), len(points))) for _ in range(2))
    # An annotator's own rate changes what the label says.
    shift = _log_odds(right[voting]) - _log_odds(posterior.right[voting])
    for column, point in enumerate(points):
        label = point.label_log_odds(labels)
        other_log_odds[voting, column] = point.log_odds(labels) - label
        label_log_odds[voting, column] = label + shift
    mass = np.array([point.mass for point in points])
    return LabelTruth(other_log_odds, label_log_odds, mass / mass.sum(), posterior.verdicts)


def _log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(logit(np.clip(probability, _MIN_PROBABILITY, 1.0 - _MIN_PROBABILITY)))


def run_given_labels(
    data: BenchData,
    plan: BenchPlan,
    progress: Progress,
    truth: LabelTruth,
    context: Context | None = None,
) -> Experiments:
    """Train on the labels as they are, after each step, and test on held-out pairs.

    Args:
        data: pairs with their labels, from `labels_as_given`.
        plan: the plan with the actions and recipes to test.
        progress: receives the progress.
        truth: what is known of the truth behind the labels.
        context: store and inference of language models, for recipes that need them.
    """
    context = context or Context()
    cells = [(AS_LABELLED, 0.0, seed) for seed in range(plan.seeds)]
    experiments = run_experiments(
        data, cells, lambda cell: _run_given_experiment(data, plan, cell[2], context), progress
    )
    return replace(
        experiments, tested=[replace(tested, truth=truth) for tested in experiments.tested]
    )


def _run_given_experiment(
    data: BenchData, plan: BenchPlan, seed: int, context: Context
) -> Experiment:
    train, held_out = split_train_test(data, seed)
    step_context = train.context(context, seed)
    outcomes = {r.name: apply_recipe(train, r, step_context) for r in plan.writable}
    weights = {KEEP_ALL: Weights(np.ones(len(train.pairs)))}
    weights |= {name: outcome.weights() for name, outcome in outcomes.items()}
    right = ranked_right(train, held_out, weights)
    rows: list[Row] = []
    for name, value in zip(weights, right.mean(axis=0), strict=True):
        row: Row = {"method": name, "pairs": len(train.pairs), "downstream_accuracy": float(value)}
        rows.append(row if name == KEEP_ALL else {**row, **outcomes[name].acted()})
    return Experiment(rows, list(weights), right)
