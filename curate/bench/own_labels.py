"""The user's labels as they are: does a step help, though the held-out labels are noisy too?

A label that is wrong with probability e agrees with a better head less often by exactly as much as
it agrees more often with a worse one: differences in accuracy on noisy labels are those on clean
labels times 1 - 2 e. They shrink and keep their sign. So no clean label is needed to see that a
step helps, only more held-out pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curate.bench.data import BenchData, split
from curate.bench.downstream import Weights, ranked_right
from curate.bench.recipes import apply_recipe
from curate.bench.run import ALL, AS_LABELLED, Cell, Experiments, Plan, gather
from curate.models.heads.held_out_margins import held_out_margins
from curate.models.heads.identification import Identification
from curate.models.heads.noise_rate import ToldRate, told_rate
from curate.models.heads.out_of_fold import votes
from curate.steps.context import Context, Progress


@dataclass(frozen=True)
class OwnNoise:
    """What is known of the noise of the labels that are tested on.

    Attributes:
        told: their noise rate as far as it can be told; None where labels were judged.
        learnt: whether held-out heads learn anything from the labels.
        judged: whether only judged pairs are tested on, with the judges' labels.
    """

    told: ToldRate | None
    learnt: Identification
    judged: bool = False

    def on_clean(self, low: float, high: float) -> tuple[float, float] | None:
        """A gain's interval on clean labels, from that on labels as they are; None: not known."""
        if self.told is None or self.told.low is None or self.told.high is None:
            return None
        least, most = (1.0 - 2.0 * min(e, 0.49) for e in (self.told.low, self.told.high))
        ends = [end / shrink for end in (low, high) for shrink in (least, most)]
        return min(ends), max(ends)


def own_noise(data: BenchData, context: Context) -> OwnNoise:
    """What is told of the noise of all its labels."""
    own = context.for_pairs(0, data.features)
    found = held_out_margins(data.pairs, own)
    if data.wrong is not None:
        return OwnNoise(None, found.learnt, judged=True)
    voting = votes(data.pairs, own)
    told = told_rate(found.margin[voting], data.pairs, data.groups[voting], voting=voting)
    return OwnNoise(told, found.learnt)


def run_own_labels(
    data: BenchData, plan: Plan, progress: Progress, context: Context | None = None
) -> Experiments:
    """Train on the labels as they are, after each step, and test on held-out pairs.

    Args:
        data: pairs with their labels; of `as_labelled`.
        plan: whose actions and recipes are tried.
        progress: where progress is shown.
        context: store and inference of language models, for recipes that need them.
    """
    context = context or Context()
    cells = [(AS_LABELLED, 0.0, seed) for seed in range(plan.seeds)]
    used = None if data.wrong is None else np.isfinite(data.wrong)
    return gather(data, cells, lambda cell: _cell(data, plan, cell[2], context), progress, used)


def _cell(data: BenchData, plan: Plan, seed: int, context: Context) -> Cell:
    train, held_out = split(data, seed)
    own = context.for_pairs(seed, train.features)
    outcomes = {r.name: apply_recipe(train, r, own) for r in plan.writable}
    weights = {ALL: Weights(np.ones(len(train.pairs)))}
    weights |= {name: outcome.weights() for name, outcome in outcomes.items()}
    right = ranked_right(train, held_out, weights, seed)
    if held_out.wrong is not None:
        judged = np.isfinite(held_out.wrong)
        wrong = held_out.wrong[judged][:, None]
        right = right[judged] * (1.0 - wrong) + (1.0 - right[judged]) * wrong
    rows = []
    for at, name in enumerate(weights):
        value = float(right[:, at].mean()) if len(right) else None
        row = {"method": name, "pairs": len(train.pairs), "downstream_accuracy": value}
        acted = {} if name == ALL else outcomes[name].acted()
        rows.append(row | acted)
    return Cell(rows, list(weights), right)
