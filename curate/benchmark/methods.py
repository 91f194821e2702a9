"""The methods that are compared: a scorer, the column that ranks, and which end is suspicious."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.benchmark.data import BenchData
from curate.optional_packages import install_command, is_installed
from curate.steps.context import Context
from curate.steps.findings import read_fact
from curate.steps.registry import build_step, scorer_class

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Facts that estimate the share of wrong labels, under each scorer's name: the bench shows how
# far they are off.
_NOISE_RATE_FACTS = ("noise_rate", "off_diagonal", "contamination")


@dataclass(frozen=True)
class Method:
    """How a scorer ranks pairs by suspicion.

    Attributes:
        name: the method's name in tables.
        scorer: type of the scorer.
        column: the scorer's column that ranks.
        sign: 1 where large values are suspicious, -1 where small ones are.
        parameters: the scorer's parameters.
        estimates: whether its fact `noise_rate` estimates the share of wrong labels.
    """

    name: str
    scorer: str
    column: str
    sign: int
    parameters: dict[str, Any] = field(default_factory=dict)
    estimates: bool = False


_CLEANLAB = Method("cleanlab (control)", "confident_learning", "quality", -1, estimates=True)
METHODS: tuple[Method, ...] = (
    Method("noise_score", "noise_score", "score", 1),
    Method("label_em", "label_em", "posterior", -1, estimates=True),
    Method("crm", "crm", "loss_mean", 1),
    Method("mc_dropout", "mc_dropout", "probability", -1),
    Method("bald", "mc_dropout", "bald", 1),
    Method("donod", "donod", "nod", 1),
    Method("donod: don", "donod", "don", 1),
    Method("holder", "holder", "probability", -1, estimates=True),
    Method("knn_consensus", "knn_consensus", "consensus", -1),
    Method("knn_shapley", "knn_shapley", "value", -1),
    Method("general_preference", "general_preference", "margin", -1),
    Method("margin (control)", "reward_margin", "margin", -1),
    *((_CLEANLAB,) if is_installed("cleanlab") else ()),
    Method("style (control)", "feature_reward", "margin", -1),
    Method("length (control)", "lengths", "difference", -1),
)


def missing_control_notes() -> list[str]:
    """Return what is left out for lack of a package, with the command that installs it."""
    if _CLEANLAB in METHODS:
        return []
    return [f"{_CLEANLAB.name} is left out: {install_command('methods')}"]


@dataclass(frozen=True)
class Ranking:
    """What a method said.

    Attributes:
        suspicion: (pairs,) larger for labels that are more likely wrong.
        estimate: estimated share of wrong labels, NaN where the method gives none.
        seconds: seconds that the scorer took; shared work is counted where it was done first.
    """

    suspicion: NDArray[np.float64]
    estimate: float
    seconds: float


def rank_pairs(
    data: BenchData, methods: tuple[Method, ...], context: Context
) -> dict[str, Ranking]:
    """Run each method on the data with its (partly wrong) labels."""
    rankings = {}
    for method in methods:
        step_context = context.for_step()
        scorer = build_step(scorer_class(method.scorer), method.parameters, method.name)
        started = time.perf_counter()
        scores = scorer.score(data.pairs, step_context)
        seconds = time.perf_counter() - started
        values = scores[method.column].cast(float).fill_null(float("nan")).to_numpy()
        recorded = (read_fact(float, step_context.facts, name) for name in _NOISE_RATE_FACTS)
        rates = [rate for rate in recorded if rate is not None]
        estimate = rates[0] if rates and method.estimates else float("nan")
        # A method that abstains on a pair does not suspect it.
        suspicion = np.nan_to_num(method.sign * values, nan=-np.inf)
        rankings[method.name] = Ranking(suspicion, estimate, seconds)
    return rankings
